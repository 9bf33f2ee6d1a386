//! What may be spent, and what was: a tree of budget scopes in whole pico-dollars (10^-12 $). It knows amounts, not models.
//!
//! Invariant: in every scope, spent + reserved ≤ limit at each admission. Only a settlement above its own reservation can exceed a
//! limit afterwards; it is reported as an overrun, and nothing more is admitted until the scope has room again, which is never.
//!
//! Who finds no room because others have reserved it waits in the queue of the scope that lacks it, holds nothing there, and is told when
//! its turn comes. Reservations last for one exchange each and end by themselves, so a queue always moves.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One budget scope: a limit, or none, and everything charged inside of it. Cloning names the same scope.
#[derive(Clone)]
pub struct Scope(Arc<Node>);

struct Node {
    parent: Option<Scope>,
    /// How many scopes are around it.
    depth: u32,
    /// The most that this scope admits; none for a scope that only counts.
    limit: Option<i64>,
    /// Settled.
    spent: AtomicI64,
    /// Of what was settled: for results that nobody used.
    discarded: AtomicI64,
    /// Settled and reserved together: the number that admission looks at.
    committed: AtomicI64,
    /// Who waits for room in this scope, first come first. Changed only under `admission`.
    waiting: Mutex<VecDeque<Arc<Waiter>>>,
    /// One change at a time in a whole tree: so nobody is refused for what another takes in one scope and gives back because it
    /// does not fit the next, and nobody begins to wait for what was just given back.
    admission: Arc<Mutex<()>>,
}

/// One who waits for room.
struct Waiter {
    /// Tells it to try again.
    wake: Wake,
    /// It was told, and has not tried since.
    woken: AtomicBool,
}

/// What tells somebody that it should try again. It must not block.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// A place in the queue of a scope. Dropped, it is given up, and the next one's turn comes.
pub struct Turn {
    scope: Scope,
    waiter: Arc<Waiter>,
}

/// What came of asking for room.
#[derive(Debug)]
pub enum Admission {
    /// It was taken.
    Admitted(Reservation),
    /// Others have reserved it, or wait for it: there is a place in the queue, and the wake-up comes.
    Waits,
    /// It does not fit, and nobody else has reserved anything that could come back.
    Exceeded(Exceeded),
}

/// Room that was taken in a scope and all scopes around it. Dropped, it gives the room back.
#[derive(Debug)]
pub struct Reservation {
    scope: Scope,
    amount: i64,
}

/// Why a reservation was refused: the numbers of the innermost scope that has no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exceeded {
    /// What the scope admits.
    pub limit: i64,
    /// What is spent and reserved in it.
    pub used: i64,
    /// What was asked for.
    pub needed: i64,
}

/// What a settlement came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// What was spent above the reservation; 0 where it sufficed.
    pub overrun: i64,
}

/// Whether a result that cost something is used by the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is.
    Used,
    /// It was started early or cancelled, and nobody will look at it.
    Discarded,
}

impl Scope {
    /// The outermost scope of a run, limited or not.
    pub fn root(limit: Option<i64>) -> Self {
        Self::new(None, limit, Arc::new(Mutex::new(())))
    }

    /// A scope inside of this one. What is charged to it is charged to this one too.
    pub fn child(&self, limit: Option<i64>) -> Self {
        Self::new(Some(self.clone()), limit, Arc::clone(&self.0.admission))
    }

    fn new(parent: Option<Scope>, limit: Option<i64>, admission: Arc<Mutex<()>>) -> Self {
        Self(Arc::new(Node {
            depth: parent.as_ref().map_or(0, |parent| parent.depth() + 1),
            parent,
            limit,
            spent: AtomicI64::new(0),
            discarded: AtomicI64::new(0),
            committed: AtomicI64::new(0),
            waiting: Mutex::default(),
            admission,
        }))
    }

    /// The scope around this one.
    pub fn parent(&self) -> Option<&Scope> {
        self.0.parent.as_ref()
    }

    /// How many scopes are around this one.
    pub fn depth(&self) -> u32 {
        self.0.depth
    }

    /// Takes room for `amount` in this scope and all around it, or in none of them, whoever waits for it.
    pub fn reserve(&self, amount: i64) -> Result<Reservation, Exceeded> {
        let amount = amount.max(0);
        let _one_at_a_time = self.one_at_a_time();
        self.check(amount)?;
        Ok(self.take(amount))
    }

    /// Takes room as [`Scope::reserve`] does, but only when whoever came before has it, and waits for room that others have reserved.
    /// `turn` holds the place in a queue from one call to the next; `wake` makes what is called when the next call is worth while.
    pub fn admit(&self, amount: i64, turn: &mut Option<Turn>, wake: impl FnOnce() -> Wake) -> Admission {
        let amount = amount.max(0);
        let one_at_a_time = self.one_at_a_time();
        let (mut exceeded, mut blocked) = (None, None);
        for scope in self.outwards() {
            let is_first = scope.front().is_none_or(|front| turn.as_ref().is_some_and(|turn| Arc::ptr_eq(&turn.waiter, &front)));
            match scope.room(amount) {
                Err(full) if scope.is_used_up() || scope.reserved() == 0 => exceeded = exceeded.or(Some(full)),
                Ok(()) if is_first => {}
                Ok(()) | Err(_) => blocked = blocked.or(Some(scope)),
            }
        }
        if let Some(full) = exceeded.filter(|_| blocked.is_none() || self.outwards().any(Scope::is_used_up)) {
            return Admission::Exceeded(full);
        }
        let left = match blocked {
            None => {
                let reservation = self.take(amount);
                drop(one_at_a_time);
                // Whoever comes after may fit too.
                *turn = None;
                return Admission::Admitted(reservation);
            }
            Some(scope) => match turn {
                Some(turn) if turn.scope.same(scope) => {
                    turn.waiter.woken.store(false, Ordering::Relaxed);
                    None
                }
                turn => {
                    let waiter = Arc::new(Waiter { wake: wake(), woken: AtomicBool::new(false) });
                    scope.queue().push_back(Arc::clone(&waiter));
                    turn.replace(Turn { scope: scope.clone(), waiter })
                }
            },
        };
        drop(one_at_a_time);
        drop(left);
        Admission::Waits
    }

    /// Whether `amount` would be admitted now; refusals name the innermost scope without room.
    pub fn check(&self, amount: i64) -> Result<(), Exceeded> {
        self.outwards().try_for_each(|scope| scope.room(amount))
    }

    /// Whether `amount` fits this scope alone.
    fn room(&self, amount: i64) -> Result<(), Exceeded> {
        let used = self.0.committed.load(Ordering::Relaxed);
        // Without a limit the sum must still be a number.
        let limit = self.0.limit.unwrap_or(i64::MAX);
        if used.checked_add(amount).is_none_or(|sum| sum > limit) || self.is_used_up() {
            return Err(Exceeded { limit, used, needed: amount });
        }
        Ok(())
    }

    /// A scope that is used up admits nothing, not even what costs nothing.
    fn is_used_up(&self) -> bool {
        let spent = self.spent();
        self.0.limit.is_some_and(|limit| spent >= limit && spent > 0)
    }

    /// Books room. The caller has checked it, under the lock.
    fn take(&self, amount: i64) -> Reservation {
        for scope in self.outwards() {
            let committed = scope.0.committed.fetch_add(amount, Ordering::Relaxed) + amount;
            debug_assert!(committed <= scope.limit().unwrap_or(i64::MAX), "{scope:?} admitted more than its limit");
        }
        Reservation { scope: self.clone(), amount }
    }

    fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.0.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Arc<Waiter>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn front(&self) -> Option<Arc<Waiter>> {
        self.queue().front().cloned()
    }

    /// Those whose turn has come in this scope and those around it. They are told when no lock is held.
    fn awakened(&self) -> Vec<Arc<Waiter>> {
        self.outwards().filter_map(Scope::front).filter(|waiter| !waiter.woken.swap(true, Ordering::Relaxed)).collect()
    }

    /// What this scope admits; none where nothing limits it itself.
    pub fn limit(&self) -> Option<i64> {
        self.0.limit
    }

    /// Settled spend, used or discarded.
    pub fn spent(&self) -> i64 {
        self.0.spent.load(Ordering::Relaxed)
    }

    /// The part of the spend whose results nobody used.
    pub fn discarded(&self) -> i64 {
        self.0.discarded.load(Ordering::Relaxed)
    }

    /// Reserved and not yet settled.
    pub fn reserved(&self) -> i64 {
        (self.0.committed.load(Ordering::Relaxed) - self.spent()).max(0)
    }

    /// What this scope and those around it still admit; none where none is limited.
    pub fn remaining(&self) -> Option<i64> {
        let room =
            |scope: &Scope| scope.0.limit.map(|limit| limit.saturating_sub(scope.0.committed.load(Ordering::Relaxed)).max(0));
        self.outwards().filter_map(room).min()
    }

    /// Whether this is the very same scope.
    pub fn same(&self, other: &Scope) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn outwards(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.parent())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope {{ limit: {:?}, spent: {}, reserved: {} }}", self.limit(), self.spent(), self.reserved())
    }
}

impl Reservation {
    /// What was reserved.
    pub fn amount(&self) -> i64 {
        self.amount
    }

    /// The scope in which it was.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Books what was really spent and gives the rest back.
    pub fn settle(mut self, actual: i64, outcome: Outcome) -> Settlement {
        let actual = actual.max(0);
        let reserved = std::mem::take(&mut self.amount);
        let one_at_a_time = self.scope.one_at_a_time();
        for scope in self.scope.outwards() {
            // Room shrinks before the spend shows, so that nobody ever reads spent + reserved lower than it is.
            if actual > reserved {
                scope.0.committed.fetch_add(actual - reserved, Ordering::Relaxed);
            }
            scope.0.spent.fetch_add(actual, Ordering::Relaxed);
            if outcome == Outcome::Discarded {
                scope.0.discarded.fetch_add(actual, Ordering::Relaxed);
            }
            if actual < reserved {
                scope.0.committed.fetch_sub(reserved - actual, Ordering::Relaxed);
            }
        }
        let awakened = self.scope.awakened();
        drop(one_at_a_time);
        awakened.iter().for_each(|waiter| (waiter.wake)());
        Settlement { overrun: (actual - reserved).max(0) }
    }

    /// Gives everything back: nothing was spent.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.amount != 0 {
            let one_at_a_time = self.scope.one_at_a_time();
            for scope in self.scope.outwards() {
                scope.0.committed.fetch_sub(self.amount, Ordering::Relaxed);
            }
            let awakened = self.scope.awakened();
            drop(one_at_a_time);
            awakened.iter().for_each(|waiter| (waiter.wake)());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let one_at_a_time = self.scope.one_at_a_time();
        self.scope.queue().retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        let awakened = self.scope.awakened();
        drop(one_at_a_time);
        awakened.iter().for_each(|waiter| (waiter.wake)());
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Turn in {:?}", self.scope)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reservation_is_charged_to_every_scope_around() {
        let root = Scope::root(Some(100));
        let inner = root.child(Some(60));
        let first = inner.reserve(50).unwrap();
        assert_eq!((inner.remaining(), root.remaining()), (Some(10), Some(50)));
        assert_eq!(inner.reserve(20).unwrap_err(), Exceeded { limit: 60, used: 50, needed: 20 });
        let sibling = root.child(None);
        assert_eq!(sibling.reserve(51).unwrap_err(), Exceeded { limit: 100, used: 50, needed: 51 });
        assert_eq!(first.settle(30, Outcome::Used).overrun, 0);
        assert_eq!((inner.spent(), root.spent(), root.reserved()), (30, 30, 0));
        sibling.reserve(70).unwrap().release();
        assert_eq!(root.remaining(), Some(70));
    }

    #[test]
    fn an_overrun_is_booked_and_closes_the_scope() {
        let root = Scope::root(Some(10));
        let reservation = root.reserve(5).unwrap();
        assert_eq!(reservation.settle(12, Outcome::Discarded).overrun, 7);
        assert_eq!((root.spent(), root.discarded(), root.remaining()), (12, 12, Some(0)));
        assert!(root.reserve(0).is_err(), "nothing more is admitted once the limit is used up");
    }

    /// A counter of wake-ups, and what makes one that counts there.
    fn bell() -> (Arc<AtomicI64>, impl Fn() -> Wake) {
        let rung = Arc::new(AtomicI64::new(0));
        let counter = Arc::clone(&rung);
        let make = move || -> Wake {
            let counter = Arc::clone(&counter);
            Box::new(move || {
                counter.fetch_add(1, Ordering::Relaxed);
            })
        };
        (rung, make)
    }

    fn admitted(admission: Admission) -> Reservation {
        match admission {
            Admission::Admitted(reservation) => reservation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_others_have_reserved_is_waited_for_in_the_order_of_asking() {
        let root = Scope::root(Some(100));
        let (rung, bell) = bell();
        let (mut first, mut second, mut third) = (None, None, None);
        let holder = admitted(root.admit(80, &mut None, &bell));
        assert!(matches!(root.admit(50, &mut first, &bell), Admission::Waits));
        // This one would fit, but somebody came before.
        assert!(matches!(root.child(None).admit(10, &mut second, &bell), Admission::Waits));
        assert!(matches!(root.admit(10, &mut third, &bell), Admission::Waits));
        assert_eq!(rung.load(Ordering::Relaxed), 0);
        holder.settle(20, Outcome::Used);
        assert_eq!(rung.load(Ordering::Relaxed), 1, "only the first one's turn has come");
        let held = admitted(root.admit(50, &mut first, &bell));
        assert_eq!(rung.load(Ordering::Relaxed), 2, "then the second one's");
        // It gives up, and the third one's turn comes.
        drop(second);
        assert_eq!(rung.load(Ordering::Relaxed), 3);
        admitted(root.admit(10, &mut third, &bell)).release();
        held.release();
        assert_eq!((root.reserved(), root.remaining()), (0, Some(80)));
    }

    #[test]
    fn nobody_waits_for_room_that_cannot_come_back() {
        let root = Scope::root(Some(100));
        let session = root.child(Some(30));
        let (_, bell) = bell();
        let elsewhere = admitted(root.admit(60, &mut None, &bell));
        let mut turn = None;
        assert!(matches!(session.admit(31, &mut turn, &bell), Admission::Exceeded(Exceeded { limit: 30, used: 0, needed: 31 })));
        // Within the session it would fit, but around it somebody holds the room: a place in that queue.
        drop(admitted(session.admit(30, &mut turn, &bell)));
        let more = admitted(root.admit(20, &mut None, &bell));
        assert!(matches!(session.admit(30, &mut turn, &bell), Admission::Waits));
        more.settle(20, Outcome::Used);
        assert!(matches!(session.admit(30, &mut turn, &bell), Admission::Waits), "60 are still reserved");
        elsewhere.settle(60, Outcome::Used);
        assert!(matches!(
            session.admit(30, &mut turn, &bell),
            Admission::Exceeded(Exceeded { limit: 100, used: 80, needed: 30 })
        ));
        // A shorter answer fits, and the place in the queue is kept until then.
        assert!(turn.is_some());
        drop(admitted(session.admit(20, &mut turn, &bell)));
        assert!(turn.is_none());
    }

    #[test]
    fn an_empty_budget_admits_what_is_free() {
        assert!(Scope::root(Some(0)).reserve(0).is_ok());
        assert!(Scope::root(Some(0)).reserve(1).is_err());
    }

    #[test]
    fn many_threads_together_never_exceed_a_limit() {
        let root = Scope::root(Some(1_000));
        std::thread::scope(|threads| {
            for seed in 0..4 {
                let scope = root.child(Some(400));
                let root = &root;
                threads.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..5_000 {
                        if let Ok(reservation) = scope.reserve(random.i64(1..40)) {
                            assert!(root.spent() + root.reserved() <= 1_000);
                            let spend = random.i64(0..=reservation.amount()) / 30;
                            reservation.settle(spend, Outcome::Used);
                        }
                    }
                });
            }
        });
        assert_eq!(root.reserved(), 0);
        assert!(root.spent() <= 1_000);
    }

    /// One step in a tree of three levels; `scope` and `slot` are taken modulo what exists.
    #[derive(Clone, Debug)]
    enum Step {
        Reserve { scope: usize, amount: i64 },
        Settle { slot: usize, percent: i64 },
        Release { slot: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..7, 0i64..500).prop_map(|(scope, amount)| Step::Reserve { scope, amount }),
            (0usize..20, 0i64..=100).prop_map(|(slot, percent)| Step::Settle { slot, percent }),
            (0usize..20).prop_map(|slot| Step::Release { slot }),
        ]
    }

    proptest! {
        #[test]
        fn spent_and_reserved_stay_within_every_limit(
            limits in proptest::collection::vec(proptest::option::of(0i64..1_500), 7),
            steps in proptest::collection::vec(step(), 1..80),
        ) {
            let mut scopes = vec![Scope::root(limits[0])];
            for index in 1..7 {
                let scope = scopes[(index - 1) / 2].child(limits[index]);
                scopes.push(scope);
            }
            let mut open: Vec<(usize, Reservation)> = Vec::new();
            let mut spent = [0i64; 7];
            let ancestors = |mut index: usize| {
                let mut all = vec![index];
                while index > 0 { index = (index - 1) / 2; all.push(index); }
                all
            };
            for step in steps {
                match step {
                    Step::Reserve { scope, amount } => {
                        let fits = ancestors(scope).iter().all(|&index| scopes[index].check(amount).is_ok());
                        match scopes[scope].reserve(amount) {
                            Ok(reservation) => { prop_assert!(fits); open.push((scope, reservation)); }
                            Err(_) => prop_assert!(!fits),
                        }
                    }
                    Step::Settle { slot, percent } if !open.is_empty() => {
                        let (scope, reservation) = open.swap_remove(slot % open.len());
                        let actual = reservation.amount() * percent / 100;
                        for index in ancestors(scope) { spent[index] += actual; }
                        prop_assert_eq!(reservation.settle(actual, Outcome::Used).overrun, 0);
                    }
                    Step::Release { slot } if !open.is_empty() => {
                        open.swap_remove(slot % open.len()).1.release();
                    }
                    Step::Settle { .. } | Step::Release { .. } => {}
                }
                for index in 0..7 {
                    let reserved: i64 = open.iter().filter(|(scope, _)| ancestors(*scope).contains(&index)).map(|(_, r)| r.amount()).sum();
                    prop_assert_eq!(scopes[index].spent(), spent[index]);
                    prop_assert_eq!(scopes[index].reserved(), reserved);
                    prop_assert!(limits[index].is_none_or(|limit| spent[index] + reserved <= limit));
                }
            }
        }
    }
}
