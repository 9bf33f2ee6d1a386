//! A mailbox: any thread pushes without a lock, the owning process takes everything at once and sorts it out by itself.
//!
//! Invariants: what one thread pushes is taken in the order in which it was pushed. After `close` nothing is accepted any more, and
//! everything accepted before has been handed to whoever closed: a message is delivered or given back, never lost. What is counted as
//! taken never exceeds what was counted as sent, and lags behind what the owner took by less than its inbox's slack, or by all that is held
//! back for those who wait. What is counted as sent is ahead of what was pushed by no more than one reservation for each thread that pushes
//! and what was taken for those who wait.

use std::mem::MaybeUninit;
use std::ptr;

use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// Bits of a load that count bytes; the messages are counted above them.
const BYTES_BITS: u32 = 40;

/// One message in a load.
const ONE_MESSAGE: u64 = 1 << BYTES_BITS;

/// What a message counts in a load.
#[inline]
fn weight(bytes: u32) -> u64 {
    ONE_MESSAGE + u64::from(bytes)
}

/// The bytes that a message is counted with.
#[inline]
pub(crate) fn counted_bytes(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Messages and bytes of a load.
#[inline]
fn parts(load: u64) -> (u64, u64) {
    (load >> BYTES_BITS, load & (ONE_MESSAGE - 1))
}

/// The shared half: where senders push. The owner's half is [`Inbox`].
pub(crate) struct Mailbox<M> {
    /// Newest message first; null when empty, [`closed`] when the owner has ended.
    head: AtomicPtr<Node<M>>,
    /// Load of all counted messages that were ever accepted; wraps.
    sent: AtomicU64,
    /// Load of those that the owner has taken out of its inbox; wraps. The owner alone writes it, so that a receive costs no
    /// read-modify-write.
    taken: AtomicU64,
}

struct Node<M> {
    next: *mut Node<M>,
    /// Messages that it is counted with; none for a signal, which never waits and never counts.
    counted: u32,
    /// Bytes that each of them is counted with.
    bytes: u32,
    message: M,
}

impl<M> Node<M> {
    /// The message, and the memory for another one.
    fn take_out(self: Box<Self>) -> (Box<MaybeUninit<Self>>, M) {
        let node = Box::into_raw(self);
        // SAFETY: the node is live, and its message is read once: the memory counts as uninitialised from now on. The other fields own
        // nothing.
        unsafe {
            let message = ptr::read(&raw const (*node).message);
            (Box::from_raw(node.cast()), message)
        }
    }
}

/// What travels as one: a message, or several of one sender.
pub(crate) trait Parcel: Sized {
    /// Drops the first of several messages.
    fn drop_first(&mut self) {
        unreachable!("one message is taken as a whole");
    }

    /// Takes the first of several messages out.
    fn split_first(&mut self) -> Self {
        unreachable!("one message is taken as a whole");
    }
}

/// Room in a mailbox for messages to come.
#[must_use = "what is not given back stays taken"]
#[derive(Clone, Copy)]
pub(crate) struct Room {
    /// For so many messages.
    messages: u32,
    /// With so many bytes each.
    bytes: u32,
    /// Whether the mailbox was crowded when it was taken.
    pub(crate) crowded: bool,
}

/// What a mailbox may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: u32,
    pub(crate) bytes: u64,
}

/// With more messages than that a mailbox is crowded, whatever its bound is: they no longer fit the caches next to a core, so that every
/// further one costs more on its way.
const CROWDED_MESSAGES: u64 = 4_096;

impl Bounds {
    /// Whether a mailbox of that load has room for a message of so many bytes. One that is larger than the bound fits into no mailbox.
    #[inline]
    fn hold(self, load: u64, bytes: u32) -> bool {
        let (messages, held) = parts(load);
        messages < u64::from(self.messages) && held + u64::from(bytes) <= self.bytes
    }

    /// Whether a mailbox of that load is more than half full.
    #[inline]
    fn are_close(self, load: u64) -> bool {
        let (messages, held) = parts(load);
        messages * 2 > u64::from(self.messages) || held * 2 > self.bytes
    }

    /// Whether that load is more than what may be held.
    #[inline]
    fn are_passed(self, load: u64) -> bool {
        let (messages, held) = parts(load);
        messages > u64::from(self.messages) || held > self.bytes
    }
}

/// How much of a mailbox may be taken for messages that travel as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Most {
    /// Half of it: the sender fails where there is no room, so the owner is to have its turn long before.
    Half,
    /// All of it: the sender waits where there is no room.
    All,
}

/// Whether a mailbox of that load is crowded.
#[inline]
fn is_crowded(load: u64) -> bool {
    parts(load).0 > CROWDED_MESSAGES
}

/// Why a message was not accepted; the message comes back.
#[derive(Debug)]
pub(crate) enum Refused<M> {
    /// The owner has ended.
    Closed(M),
    /// The mailbox is at its bound.
    Full(M),
}

/// Marks the head of a closed mailbox. No node has this address, since nodes are aligned.
fn closed<M>() -> *mut Node<M> {
    ptr::without_provenance_mut(1)
}

impl<M: Parcel> Mailbox<M> {
    #[cfg(any(test, loom))]
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), sent: AtomicU64::new(0), taken: AtomicU64::new(0) }
    }

    /// Pushes a message that counts against the bounds. `Ok(true)` where the mailbox was crowded, or more than half full.
    #[inline]
    pub(crate) fn push_counted(&self, message: M, bytes: usize, bounds: Bounds) -> Result<bool, Refused<M>> {
        let bytes = counted_bytes(bytes);
        // Room is taken before the push and given back where it was too much, so the bound holds without a lock.
        let before = self.take_room(bytes);
        if !bounds.hold(before, bytes) {
            return Err(self.refuse(message, bytes));
        }
        match self.push_node(message, 1, bytes) {
            Ok(()) => Ok(is_crowded(before) || bounds.are_close(before)),
            Err(message) => {
                self.sent.fetch_sub(weight(bytes), Ordering::Relaxed);
                Err(Refused::Closed(message))
            }
        }
    }

    /// A message for which there was no room. Whoever has ended takes every message, however full it was.
    #[cold]
    fn refuse(&self, message: M, bytes: u32) -> Refused<M> {
        self.give_back(bytes);
        if self.head.load(Ordering::Relaxed) == closed() { Refused::Closed(message) } else { Refused::Full(message) }
    }

    /// Counts a message as sent. Gives the load before it.
    #[inline]
    fn take_room(&self, bytes: u32) -> u64 {
        // Read first: what is taken afterwards only makes room. Acquire, so that the sum below counts every message that is counted as
        // taken here, and the difference never falls below zero. Pairs with the Release in `publish`.
        let taken = self.taken.load(Ordering::Acquire);
        self.sent.fetch_add(weight(bytes), Ordering::Relaxed).wrapping_sub(taken)
    }

    /// Pushes a message that never counts and never meets a bound: a signal, a reply, a timer.
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        self.push_node(message, 0, 0)
    }

    #[inline]
    fn push_node(&self, message: M, counted: u32, bytes: u32) -> Result<(), M> {
        let node = Box::into_raw(Box::new(Node { next: ptr::null_mut(), counted, bytes, message }));
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                // SAFETY: the node was made above and never became reachable from the mailbox.
                return Err(unsafe { Box::from_raw(node) }.message);
            }
            // SAFETY: nobody else sees the node before the exchange succeeds.
            unsafe { (*node).next = head };
            // Release publishes what is in the node. Pairs with the Acquire swap in `take_chain`. The total order of such steps is for
            // whoever tells the state word next: see `StateWord::notify`.
            match self.head.compare_exchange_weak(head, node, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        // The model checker knows of a total order of fences alone.
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        Ok(())
    }

    /// Takes room for so many messages of `bytes` each, which are to travel as one. None where the mailbox would be fuller than `most` with
    /// them, or its bound is so small that they would be a good part of it.
    pub(crate) fn reserve(&self, messages: u32, bytes: u32, bounds: Bounds, most: Most) -> Option<Room> {
        let room = weight(bytes) * u64::from(messages);
        // As in `take_room`.
        let taken = self.taken.load(Ordering::Acquire);
        let load = |sent: u64| sent.wrapping_add(room).wrapping_sub(taken);
        let is_too_much = |load: u64| match most {
            Most::Half => bounds.are_close(load),
            Most::All => bounds.are_passed(load),
        };
        // A look first, so that a mailbox without room to spare costs its senders nothing more.
        if bounds.messages / SLACK_SHARE < messages || is_too_much(load(self.sent.load(Ordering::Relaxed))) {
            return None;
        }
        let load = load(self.sent.fetch_add(room, Ordering::Relaxed));
        if is_too_much(load) {
            self.give_back_load(room);
            return None;
        }
        Some(Room { messages, bytes, crowded: is_crowded(load) || bounds.are_close(load) })
    }

    /// Pushes a parcel of so many messages into reserved room, and gives back the room that it does not need. A parcel that meets a closed
    /// mailbox is dropped, like any message to who has ended. True where the owner is to be told.
    pub(crate) fn push_reserved(&self, room: Room, parcel: M, messages: u32) -> bool {
        debug_assert!(messages <= room.messages);
        if messages < room.messages {
            self.give_back_load(weight(room.bytes) * u64::from(room.messages - messages));
        }
        self.push_node(parcel, messages, room.bytes).is_ok()
    }

    /// Messages that count and were not taken yet. Only the owner asks.
    pub(crate) fn messages(&self, inbox: &Inbox<M>) -> u64 {
        self.sent.load(Ordering::Relaxed).wrapping_sub(inbox.taken) >> BYTES_BITS
    }

    /// Gives back room for one message of so many bytes that was taken and is not needed.
    pub(crate) fn give_back(&self, bytes: u32) {
        self.give_back_load(weight(bytes));
    }

    #[inline]
    fn give_back_load(&self, load: u64) {
        // In one total order with the owner's look for room for those who wait, so that whoever gives back sees that they do, or the owner
        // sees what was given back.
        self.sent.fetch_sub(load, Ordering::SeqCst);
        // The model checker knows of a total order of fences alone.
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Takes room for a message of somebody who waits for it. False where there is none. Only the owner calls this, who knows of all that
    /// was taken out.
    pub(crate) fn take_room_for(&self, bytes: u32, inbox: &Inbox<M>, bounds: Bounds) -> bool {
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        let mut sent = self.sent.load(Ordering::SeqCst);
        loop {
            if !bounds.hold(sent.wrapping_sub(inbox.taken), bytes) {
                return false;
            }
            let with = sent.wrapping_add(weight(bytes));
            match self.sent.compare_exchange_weak(sent, with, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return true,
                Err(now) => sent = now,
            }
        }
    }

    /// Pushes a message for which room was taken by [`Mailbox::take_room_for`]. It comes back where the mailbox is closed.
    pub(crate) fn push_into_room(&self, message: M, bytes: u32) -> Result<(), M> {
        self.push_node(message, 1, bytes)
    }

    /// Whether something has arrived that the owner has not moved to its inbox.
    #[inline]
    pub(crate) fn has_arrived(&self) -> bool {
        // In the total order of the steps of `push_node`, `StateWord::notify` and `StateWord::park`.
        !self.head.load(Ordering::SeqCst).is_null()
    }

    /// Moves everything that arrived to the end of the owner's inbox. Only the owner calls this.
    #[cfg(any(test, loom))]
    pub(crate) fn drain_into(&self, inbox: &mut Inbox<M>) {
        self.drain_sorted(inbox, |_| false, Some);
    }

    /// Moves what arrived to the end of the owner's inbox. What `apart` picks goes through `handle`, in order of arrival, and only what
    /// that gives back is kept, in its place. Only the owner calls this.
    #[inline]
    pub(crate) fn drain_sorted(&self, inbox: &mut Inbox<M>, apart: impl Fn(&M) -> bool, mut handle: impl FnMut(M) -> Option<M>) {
        inbox.publish(self);
        // A look first, so that an empty mailbox costs no write to a line that senders write.
        if !self.has_arrived() {
            return;
        }
        let mut rest = self.take_chain(ptr::null_mut());
        while !rest.is_null() {
            let node = rest;
            // SAFETY: the swap took the whole chain, which belongs to this function; each node is visited once, before it is appended
            // or freed.
            rest = unsafe { std::mem::replace(&mut (*node).next, ptr::null_mut()) };
            // SAFETY: as above.
            if !apart(unsafe { &(*node).message }) {
                inbox.append(node, node);
                continue;
            }
            // SAFETY: as above; nobody else will free it.
            let node = unsafe { Box::from_raw(node) };
            inbox.count_taken(node.counted, node.bytes, self);
            let (place, message) = node.take_out();
            if let Some(kept) = handle(message) {
                let node = Node { next: ptr::null_mut(), counted: 0, bytes: 0, message: kept };
                let node = Box::into_raw(Box::write(place, node));
                inbox.append(node, node);
            }
        }
    }

    /// Refuses everything from now on, and moves what was accepted before to the inbox. Only the owner calls this.
    pub(crate) fn close(&self, inbox: &mut Inbox<M>) {
        let chain = self.take_chain(closed());
        if !chain.is_null() {
            let last = last_of(chain);
            inbox.append(chain, last);
        }
    }

    /// Opens a closed mailbox for a new owner. The caller makes sure that no sender of the last owner's time is still at work.
    pub(crate) fn reopen(&self) {
        debug_assert!(self.head.load(Ordering::Relaxed) == closed());
        self.sent.store(0, Ordering::Relaxed);
        self.taken.store(0, Ordering::Relaxed);
        self.head.store(ptr::null_mut(), Ordering::Release);
    }

    /// Takes everything that arrived, oldest first.
    fn take_chain(&self, replacement: *mut Node<M>) -> *mut Node<M> {
        // Acquire sees what the senders published. Release, so that a sender that reads CLOSED comes after all of this owner.
        let newest = self.head.swap(replacement, Ordering::AcqRel);
        if newest == closed() {
            return ptr::null_mut();
        }
        let (mut node, mut oldest) = (newest, ptr::null_mut());
        while !node.is_null() {
            // SAFETY: the swap took the whole chain; nobody else can reach its nodes any more. Each is visited once.
            let next = unsafe { std::mem::replace(&mut (*node).next, oldest) };
            oldest = node;
            node = next;
        }
        oldest
    }
}

/// The last node of a chain that is not empty and belongs to the caller.
fn last_of<M>(first: *mut Node<M>) -> *mut Node<M> {
    let mut last = first;
    loop {
        // SAFETY: the caller owns the chain, whose nodes are live.
        let next = unsafe { (*last).next };
        if next.is_null() {
            return last;
        }
        last = next;
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        let newest = self.head.swap(closed(), Ordering::AcqRel);
        if newest != closed() {
            // SAFETY: the swap took the whole chain.
            unsafe { drop_nodes(newest) };
        }
    }
}

/// Frees a chain.
///
/// # Safety
/// It belongs to the caller, who does not use it any more.
unsafe fn drop_nodes<M>(mut node: *mut Node<M>) {
    while !node.is_null() {
        // SAFETY: by the caller's promise; each node is freed once on the way.
        node = unsafe { Box::from_raw(node) }.next;
    }
}

/// The owner's half: messages in order of arrival, with a cursor for selective receive.
///
/// Everything before the cursor was looked at and refused by the `receive` under way.
pub(crate) struct Inbox<M> {
    first: *mut Node<M>,
    last: *mut Node<M>,
    /// The last refused message; null where the cursor stands at the first.
    refused: *mut Node<M>,
    /// Load of all counted messages that were ever taken out.
    taken: u64,
    /// Messages taken out since senders were last told.
    untold: u32,
    /// With more, senders are told at once.
    slack: u32,
    /// Whether senders are told nothing, since others wait for what is taken out.
    held: bool,
}

/// The most messages that a mailbox counts as held after they were taken out, while its owner is at work on a batch.
const SLACK_MAX: u32 = 32;
/// Beside a small bound the slack is smaller: one of so many messages.
const SLACK_SHARE: u32 = 16;
/// A message of so many bytes is told of at once.
const SLACK_BYTES_MAX: u32 = 4096;

// SAFETY: an inbox owns its nodes alone, like a list of boxes.
unsafe impl<M: Send> Send for Inbox<M> {}

impl<M: Parcel> Inbox<M> {
    /// The inbox of a mailbox with those bounds.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let slack = (bounds.messages / SLACK_SHARE).min(SLACK_MAX);
        Self { first: ptr::null_mut(), last: ptr::null_mut(), refused: ptr::null_mut(), taken: 0, untold: 0, slack, held: false }
    }

    /// Whether every message was looked at.
    #[inline]
    pub(crate) fn is_at_end(&self) -> bool {
        self.at_cursor().is_null()
    }

    /// Counts messages as taken out.
    #[inline]
    fn count_taken(&mut self, messages: u32, bytes: u32, mailbox: &Mailbox<M>) {
        if messages == 0 {
            return;
        }
        self.taken = self.taken.wrapping_add(weight(bytes) * u64::from(messages));
        self.untold += messages;
        if self.untold > self.slack || bytes > SLACK_BYTES_MAX {
            self.publish(mailbox);
        }
    }

    /// Tells senders what was taken out.
    #[inline]
    pub(crate) fn publish(&mut self, mailbox: &Mailbox<M>) {
        if self.untold > 0 {
            self.untold = 0;
            if self.held {
                return;
            }
            // Release: whoever reads it sees the messages counted as sent. Pairs with the Acquire in `take_room`.
            mailbox.taken.store(self.taken, Ordering::Release);
        }
    }

    /// What is taken out from now on is no room for whoever sends: the owner gives it to those who wait.
    pub(crate) fn hold_back(&mut self) {
        self.held = true;
    }

    /// Tells senders of all that was taken out, now and from now on.
    pub(crate) fn release(&mut self, mailbox: &Mailbox<M>) {
        self.held = false;
        self.untold = 1;
        self.publish(mailbox);
    }

    /// The message at the cursor.
    #[inline]
    pub(crate) fn peek(&self) -> Option<&M> {
        let node = self.at_cursor();
        // SAFETY: every non-null pointer of the chain is a node that this inbox owns.
        (!node.is_null()).then(|| unsafe { &(*node).message })
    }

    /// Leaves the message at the cursor where it is and looks at the next from now on.
    #[inline]
    pub(crate) fn skip(&mut self) {
        let node = self.at_cursor();
        if node.is_null() {
            return;
        }
        // SAFETY: the node belongs to the chain.
        if unsafe { (*node).counted } > 1 {
            return self.skip_first();
        }
        self.refused = node;
    }

    /// The same for what is at the cursor as a whole, which is not nothing.
    #[inline]
    pub(crate) fn pass(&mut self) {
        self.refused = self.at_cursor();
    }

    /// Splits the first message off the parcel at the cursor and moves the cursor behind it.
    #[inline(never)]
    fn skip_first(&mut self) {
        let rest = self.at_cursor();
        // SAFETY: the node belongs to the chain, and the inbox is borrowed mutably.
        let (bytes, message) = unsafe {
            (*rest).counted -= 1;
            ((*rest).bytes, (*rest).message.split_first())
        };
        let node = Box::into_raw(Box::new(Node { next: rest, counted: 1, bytes, message }));
        if self.refused.is_null() {
            self.first = node;
        } else {
            // SAFETY: `refused` is a node of the chain.
            unsafe { (*self.refused).next = node };
        }
        self.refused = node;
    }

    /// Looks at the oldest message again.
    #[inline]
    pub(crate) fn rewind(&mut self) {
        self.refused = ptr::null_mut();
    }

    /// Takes out the message at the cursor and looks at the oldest again.
    #[inline]
    pub(crate) fn accept(&mut self, mailbox: &Mailbox<M>) {
        let node = self.at_cursor();
        // SAFETY: a non-null cursor is a node of the chain.
        if !node.is_null() && unsafe { (*node).counted } > 1 {
            self.accept_first(node, mailbox);
        } else {
            drop(self.remove_at_cursor(mailbox));
        }
        self.rewind();
    }

    /// Drops the first message of the parcel in a node of the chain.
    #[inline(never)]
    fn accept_first(&mut self, node: *mut Node<M>, mailbox: &Mailbox<M>) {
        // SAFETY: the node belongs to the chain, and the inbox is borrowed mutably.
        let bytes = unsafe {
            (*node).counted -= 1;
            (*node).message.drop_first();
            (*node).bytes
        };
        self.count_taken(1, bytes, mailbox);
    }

    /// Takes out the first parcel that `wanted` says yes to, as a whole; the cursor stays.
    pub(crate) fn take_first(&mut self, mailbox: &Mailbox<M>, mut wanted: impl FnMut(&M) -> bool) -> Option<M> {
        let start = self.refused;
        self.refused = ptr::null_mut();
        let mut taken = None;
        while let Some(message) = self.peek() {
            if wanted(message) {
                // The node that the saved cursor rests on may be the one that goes; then the one before it takes its place.
                let going = self.at_cursor();
                let before = self.refused;
                taken = self.remove_at_cursor(mailbox).map(|node| node.message);
                self.refused = if start == going { before } else { start };
                return taken;
            }
            self.pass();
        }
        self.refused = start;
        taken
    }

    /// Takes the oldest parcel, whatever it is.
    pub(crate) fn pop(&mut self, mailbox: &Mailbox<M>) -> Option<M> {
        self.rewind();
        self.remove_at_cursor(mailbox).map(|node| node.message)
    }

    /// Puts a message that does not count at the end: something that the owner has for itself.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn push(&mut self, message: M) {
        let node = Box::into_raw(Box::new(Node { next: ptr::null_mut(), counted: 0, bytes: 0, message }));
        self.append(node, node);
    }

    /// The message at the cursor, for changing its form.
    #[inline]
    pub(crate) fn peek_mut(&mut self) -> Option<&mut M> {
        let node = self.at_cursor();
        // SAFETY: every non-null pointer of the chain is a node that this inbox owns, and the inbox is borrowed mutably.
        (!node.is_null()).then(|| unsafe { &mut (*node).message })
    }

    #[inline]
    fn at_cursor(&self) -> *mut Node<M> {
        if self.refused.is_null() {
            self.first
        } else {
            // SAFETY: `refused` is a node of the chain: whatever removes a node moves the cursor off it first.
            unsafe { (*self.refused).next }
        }
    }

    #[inline]
    fn remove_at_cursor(&mut self, mailbox: &Mailbox<M>) -> Option<Box<Node<M>>> {
        let node = self.at_cursor();
        if node.is_null() {
            return None;
        }
        // SAFETY: the node belongs to the chain, and the pointer to it is replaced below before anyone follows it again.
        let node = unsafe { Box::from_raw(node) };
        if self.refused.is_null() {
            self.first = node.next;
        } else {
            // SAFETY: `refused` is a node of the chain, other than the one just removed.
            unsafe { (*self.refused).next = node.next };
        }
        if node.next.is_null() {
            self.last = self.refused;
        }
        self.count_taken(node.counted, node.bytes, mailbox);
        Some(node)
    }

    #[inline]
    fn append(&mut self, first: *mut Node<M>, last: *mut Node<M>) {
        if self.first.is_null() {
            self.first = first;
        } else {
            // SAFETY: where there is a first node there is a last one, and the inbox owns it.
            unsafe { (*self.last).next = first };
        }
        self.last = last;
    }
}

impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        // SAFETY: the inbox owns its nodes, and goes away.
        unsafe { drop_nodes(self.first) };
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
