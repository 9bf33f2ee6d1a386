//! The timers of one worker: a wheel under the real clock, an exact agenda under the virtual one.
//!
//! Invariant: a timer fires at most once, never before its deadline, and a handle to one that fired, was cancelled or whose
//! place was taken by a later one does nothing.

mod agenda; // exact order of deadlines, for the virtual clock
mod wheel; // constant-time adding and cancelling, for the real clock

use crate::time::Instant;
use agenda::Agenda;
use wheel::Wheel;

/// Names one added timer of one worker's wheel or agenda.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct TimerKey {
    place: u32,
    generation: u32,
}

/// Timers that carry a `T` each.
pub(crate) enum Timers<T> {
    /// In ticks of 128 µs.
    Wheel(Wheel<T>),
    /// To the nanosecond, with an order among equal deadlines.
    Agenda(Agenda<T>),
}

impl<T> Timers<T> {
    /// For the real clock, which says `now`.
    pub(crate) fn wheel(now: Instant) -> Timers<T> {
        Timers::Wheel(Wheel::new(now))
    }

    /// For the virtual clock.
    pub(crate) fn agenda() -> Timers<T> {
        Timers::Agenda(Agenda::new())
    }

    /// Adds a timer. Among equal deadlines of the virtual clock the lower `order` fires first.
    pub(crate) fn add(&mut self, deadline: Instant, order: (u64, u64), payload: T) -> TimerKey {
        match self {
            Timers::Wheel(wheel) => wheel.add(deadline, payload),
            Timers::Agenda(agenda) => agenda.add(deadline, order, payload),
        }
    }

    /// Takes a timer out before it fires.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        match self {
            Timers::Wheel(wheel) => wheel.cancel(key),
            Timers::Agenda(agenda) => agenda.cancel(key),
        }
    }

    /// The next timer whose deadline is not after `now`. Never hands out one added after the first call for the same `now`
    /// before those that were due already.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        match self {
            Timers::Wheel(wheel) => wheel.pop_due(now),
            Timers::Agenda(agenda) => agenda.pop_due(now),
        }
    }

    /// Takes all of them out, in no order.
    pub(crate) fn take_all(&mut self) -> Vec<(TimerKey, T)> {
        match self {
            Timers::Wheel(wheel) => wheel.take_all(),
            Timers::Agenda(agenda) => agenda.take_all(),
        }
    }

    /// When to look again: not after the first deadline (a wheel may name an earlier moment, never a later one than the
    /// deadline rounded up to its tick).
    pub(crate) fn next_look(&self) -> Option<Instant> {
        match self {
            Timers::Wheel(wheel) => wheel.next_look(),
            Timers::Agenda(agenda) => agenda.first().map(|(deadline, _)| deadline),
        }
    }

    /// Deadline and order of the first timer; exact, and only for the virtual clock.
    pub(crate) fn first_exact(&self) -> Option<(Instant, (u64, u64))> {
        match self {
            Timers::Wheel(_) => None,
            Timers::Agenda(agenda) => agenda.first(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_was_neither_fired_nor_cancelled() {
        let start = Instant::from_nanos(0);
        for mut timers in [Timers::wheel(start), Timers::agenda()] {
            let keys: Vec<TimerKey> = (0..4_u64)
                .map(|number| timers.add(Instant::from_nanos(1_000_000 << (8 * number)), (0, number), number))
                .collect();
            assert_eq!(timers.cancel(keys[1]), Some(1));
            assert_eq!(timers.pop_due(Instant::from_nanos(2_000_000)), Some(0));
            let mut left = timers.take_all();
            left.sort_by_key(|&(_, number)| number);
            assert_eq!(left, [(keys[2], 2), (keys[3], 3)]);
            assert!(timers.take_all().is_empty() && timers.cancel(keys[2]).is_none());
        }
    }
}
