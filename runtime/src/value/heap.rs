//! How many bytes of values the running process holds.
//!
//! Every object charges its storage here when it is made or grows and credits the same amount when it is freed. The counter belongs
//! to the thread; whoever runs a process sets it to the process's own number before, and takes it back afterwards. Nothing here ever
//! fails: the interpreter looks at [`over_limit`] at its safe points, and natives that are about to make something large ask
//! [`has_room`] first.
//!
//! Invariant: an object is charged and credited by the same formula of its body, so a process whose values are all gone reads zero.

use std::cell::Cell;

thread_local! {
    static USED: Cell<isize> = const { Cell::new(0) };
    static LIMIT: Cell<isize> = const { Cell::new(isize::MAX) };
}

/// Begins to account for a process that holds `used` bytes and may hold `limit`. Returns what was in force before.
#[inline]
pub fn enter(account: Account) -> Account {
    Account { used: USED.replace(account.used), limit: LIMIT.replace(account.limit) }
}

/// A process's count and bound, kept with the process while it does not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// Bytes held.
    pub used: isize,
    /// Bytes that may be held.
    pub limit: isize,
}

impl Account {
    /// Nothing held, nothing bounded.
    pub const UNLIMITED: Account = Account { used: 0, limit: isize::MAX };

    /// Nothing held yet, at most `bytes` allowed.
    pub fn with_limit(bytes: usize) -> Account {
        Account { used: 0, limit: isize::try_from(bytes).unwrap_or(isize::MAX) }
    }
}

/// The account in force.
pub fn account() -> Account {
    Account { used: USED.get(), limit: LIMIT.get() }
}

/// Bytes held by the running process.
#[inline]
pub fn used() -> isize {
    USED.get()
}

/// Whether the running process holds more than it may.
#[inline]
pub fn over_limit() -> bool {
    USED.get() > LIMIT.get()
}

/// How many bytes more would stay within the limit.
pub fn room() -> usize {
    usize::try_from(LIMIT.get().saturating_sub(USED.get())).unwrap_or(0)
}

/// What an object takes besides its content, at most; and what the next few small ones may take before a safe point.
const BESIDES: isize = 256;

/// Whether the content of an object, so many bytes, would stay within the limit with all that belongs to it: so that what is too large is
/// refused where it is made, and does not end the process a moment later.
pub fn has_room(bytes: usize) -> bool {
    isize::try_from(bytes).is_ok_and(|bytes| USED.get().saturating_add(bytes).saturating_add(BESIDES) <= LIMIT.get())
}

/// Counts `bytes` more.
#[inline]
pub fn charge(bytes: usize) {
    USED.set(USED.get().wrapping_add(bytes as isize));
}

/// Counts `bytes` less.
#[inline]
pub fn credit(bytes: usize) {
    USED.set(USED.get().wrapping_sub(bytes as isize));
}

/// Runs `work` and takes what it charged out of the running process's account again. Returns the result and those bytes: for values
/// that leave the process (messages), or that arrive without belonging to it.
#[inline]
pub fn detached<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = USED.get();
    let result = work();
    (result, USED.replace(before).wrapping_sub(before))
}
