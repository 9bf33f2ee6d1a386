//! What may be spent, and what was: a tree of budget scopes in whole pico-dollars (10^-12 $). It knows amounts, not models.
//!
//! Invariant: in every scope, spent + reserved ≤ limit at each admission. Only a settlement above its own reservation can exceed a
//! limit afterwards; it is reported as an overrun, and nothing more is admitted until the scope has room again, which is never.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// One admission at a time in a whole tree: so nobody is refused for what another takes in one scope and gives back because it
    /// does not fit the next.
    admission: Arc<Mutex<()>>,
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
        Self(Arc::new(Node {
            parent: None,
            depth: 0,
            limit,
            spent: AtomicI64::new(0),
            discarded: AtomicI64::new(0),
            committed: AtomicI64::new(0),
            admission: Arc::new(Mutex::new(())),
        }))
    }

    /// A scope inside of this one. What is charged to it is charged to this one too.
    pub fn child(&self, limit: Option<i64>) -> Self {
        Self(Arc::new(Node {
            parent: Some(self.clone()),
            depth: self.0.depth + 1,
            limit,
            spent: AtomicI64::new(0),
            discarded: AtomicI64::new(0),
            committed: AtomicI64::new(0),
            admission: Arc::clone(&self.0.admission),
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

    /// Takes room for `amount` in this scope and all around it, or in none of them.
    pub fn reserve(&self, amount: i64) -> Result<Reservation, Exceeded> {
        let amount = amount.max(0);
        let _one_at_a_time = self.0.admission.lock().unwrap_or_else(PoisonError::into_inner);
        // Settlements and releases happen meanwhile, but they only make room (an overrun excepted, which the promise excepts too).
        self.check(amount)?;
        for scope in self.outwards() {
            scope.0.committed.fetch_add(amount, Ordering::Relaxed);
        }
        Ok(Reservation { scope: self.clone(), amount })
    }

    /// Whether `amount` would be admitted now; refusals name the innermost scope without room.
    pub fn check(&self, amount: i64) -> Result<(), Exceeded> {
        for scope in self.outwards() {
            let used = scope.0.committed.load(Ordering::Relaxed);
            let Some(limit) = scope.0.limit else {
                // Without a limit the sum must still be a number.
                used.checked_add(amount).map(drop).ok_or(Exceeded { limit: i64::MAX, used, needed: amount })?;
                continue;
            };
            // A scope that is used up admits nothing, not even what costs nothing.
            if used.checked_add(amount).is_none_or(|sum| sum > limit)
                || scope.0.spent.load(Ordering::Relaxed) >= limit && used > 0
            {
                return Err(Exceeded { limit, used, needed: amount });
            }
        }
        Ok(())
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
            for scope in self.scope.outwards() {
                scope.0.committed.fetch_sub(self.amount, Ordering::Relaxed);
            }
        }
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
