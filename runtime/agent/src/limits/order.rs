//! Who goes next among those that wait: weighted by priority, in the order of arrival within one, and nobody overtaken too often.
//!
//! Invariant: numbers of arrival grow, so whoever goes with a higher number than somebody who waits has overtaken it. The highest numbers
//! that went tell of everybody who waits, blocked ones included, whether it was overtaken as often as is allowed.

use std::collections::BTreeSet;

/// How soon an agent's calls go where they have to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Eight of thirteen.
    High,
    /// Four of thirteen.
    #[default]
    Normal,
    /// One of thirteen.
    Low,
}

/// How many of each priority go in a row of thirteen while all three wait.
const WEIGHTS: [i64; 3] = [8, 4, 1];
/// How often somebody may be overtaken.
const OVERTAKEN_MAX: usize = 32;

/// Those that may go, by what they are known by: `I`.
#[derive(Debug)]
pub(crate) struct Order<I> {
    lanes: [BTreeSet<(u64, I)>; 3],
    /// Smooth weighted round robin: who has most credit goes.
    credit: [i64; 3],
    /// The highest numbers that went, in order.
    went: Vec<u64>,
}

/// Who goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next<I> {
    pub(crate) id: I,
    priority: Priority,
    /// It goes because it was overtaken as often as is allowed.
    is_overdue: bool,
}

impl Priority {
    pub(crate) const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

    /// The same for the processes of the agent, which share workers with others.
    pub(crate) fn of_processes(self) -> vega_scheduler::Priority {
        match self {
            Priority::High => vega_scheduler::Priority::High,
            Priority::Normal => vega_scheduler::Priority::Normal,
            Priority::Low => vega_scheduler::Priority::Low,
        }
    }

    /// The word of an agent's `priority`.
    pub(crate) fn from_word(word: &str) -> Option<Priority> {
        match word {
            "high" => Some(Priority::High),
            "normal" => Some(Priority::Normal),
            "low" => Some(Priority::Low),
            _ => None,
        }
    }
}

impl<I: Copy + Ord> Order<I> {
    pub(crate) fn new() -> Order<I> {
        Order { lanes: [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()], credit: [0; 3], went: Vec::new() }
    }

    /// Somebody may go.
    pub(crate) fn insert(&mut self, priority: Priority, arrival: u64, id: I) {
        self.lanes[priority as usize].insert((arrival, id));
    }

    /// Somebody may go no more.
    pub(crate) fn remove(&mut self, priority: Priority, arrival: u64, id: I) {
        self.lanes[priority as usize].remove(&(arrival, id));
    }

    /// Whether somebody who came with this number was overtaken as often as is allowed.
    pub(crate) fn is_overdue(&self, arrival: u64) -> bool {
        self.went.len() == OVERTAKEN_MAX && arrival < self.went[0]
    }

    /// Who goes next; nothing changes by asking.
    pub(crate) fn next(&self) -> Option<Next<I>> {
        let firsts =
            Priority::ALL.map(|priority| self.lanes[priority as usize].first().map(|(arrival, id)| (*arrival, *id, priority)));
        let oldest = firsts.into_iter().flatten().min_by_key(|(arrival, ..)| *arrival)?;
        if self.is_overdue(oldest.0) {
            return Some(Next { id: oldest.1, priority: oldest.2, is_overdue: true });
        }
        let credit = |priority: Priority| self.credit[priority as usize] + WEIGHTS[priority as usize];
        // Of equals the first, which has the higher priority.
        let first =
            firsts.into_iter().flatten().reduce(|best, other| if credit(other.2) > credit(best.2) { other } else { best })?;
        Some(Next { id: first.1, priority: first.2, is_overdue: false })
    }

    /// Whoever is next goes, with the number with which it came; then the caller removes it.
    pub(crate) fn goes(&mut self, next: Next<I>, arrival: u64) {
        self.went(arrival);
        if next.is_overdue {
            return;
        }
        let mut total = 0;
        for priority in Priority::ALL {
            if self.lanes[priority as usize].is_empty() {
                self.credit[priority as usize] = 0;
            } else {
                self.credit[priority as usize] += WEIGHTS[priority as usize];
                total += WEIGHTS[priority as usize];
            }
        }
        self.credit[next.priority as usize] -= total;
    }

    /// Somebody went who never had to wait.
    pub(crate) fn went(&mut self, arrival: u64) {
        if self.went.len() == OVERTAKEN_MAX {
            if arrival < self.went[0] {
                return;
            }
            self.went.remove(0);
        }
        let place = self.went.partition_point(|number| *number < arrival);
        self.went.insert(place, arrival);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn drain(order: &mut Order<u64>, class_of: impl Fn(u64) -> Priority, count: usize) -> Vec<u64> {
        let mut gone = Vec::new();
        for _ in 0..count {
            let next = order.next().unwrap();
            order.goes(next, next.id);
            order.remove(class_of(next.id), next.id, next.id);
            gone.push(next.id);
        }
        gone
    }

    #[test]
    fn thirteen_go_as_eight_four_and_one() {
        let mut order = Order::new();
        let class = |id: u64| Priority::ALL[(id / 100) as usize];
        for start in [0, 100, 200] {
            for id in start..start + 20 {
                order.insert(class(id), id, id);
            }
        }
        let letters: String = drain(&mut order, class, 26).into_iter().map(|id| ['h', 'n', 'l'][class(id) as usize]).collect();
        assert_eq!(letters, "hnhhnhlhnhhnhhnhhnhlhnhhnh");
    }

    #[test]
    fn within_a_priority_the_order_is_that_of_arrival_and_alone_each_has_everything() {
        let mut order = Order::new();
        for id in [7, 3, 9, 1] {
            order.insert(Priority::Low, id, id);
        }
        assert_eq!(drain(&mut order, |_| Priority::Low, 4), [1, 3, 7, 9]);
        assert!(order.next().is_none());
    }

    #[test]
    fn the_low_ones_are_overtaken_32_times_and_then_go_in_a_row() {
        let mut order = Order::new();
        let class = |id: u64| if id < 10 { Priority::Low } else { Priority::High };
        (0..10).for_each(|id| order.insert(Priority::Low, id, id));
        (10..200).for_each(|id| order.insert(Priority::High, id, id));
        let gone = drain(&mut order, class, 60);
        for low in 0..10 {
            let place = gone.iter().position(|id| *id == low).unwrap();
            let overtaken = gone[..place].iter().filter(|id| **id > low).count();
            assert!(overtaken <= 32, "{low} was overtaken {overtaken} times");
        }
        assert_eq!(gone.iter().filter(|id| **id < 10).count(), 10);
    }

    proptest! {
        #[test]
        fn nobody_is_overtaken_more_than_32_times(arrivals in proptest::collection::vec((0_u8..3, 0_usize..3), 1..300)) {
            let mut order = Order::new();
            let classes: Vec<Priority> = arrivals.iter().map(|(class, _)| Priority::ALL[usize::from(*class)]).collect();
            let mut gone: Vec<u64> = Vec::new();
            let mut go = |order: &mut Order<u64>| {
                if let Some(next) = order.next() {
                    order.goes(next, next.id);
                    order.remove(classes[next.id as usize], next.id, next.id);
                    gone.push(next.id);
                }
            };
            for (id, (_, served)) in arrivals.iter().enumerate() {
                order.insert(classes[id], id as u64, id as u64);
                (0..*served).for_each(|_| go(&mut order));
            }
            (0..arrivals.len()).for_each(|_| go(&mut order));
            prop_assert_eq!(gone.len(), arrivals.len());
            for (place, id) in gone.iter().enumerate() {
                prop_assert!(gone[..place].iter().filter(|other| *other > id).count() <= 32);
            }
        }
    }
}
