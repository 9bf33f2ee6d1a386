//! A token bucket in whole numbers: full at first, refilled evenly, empty never for longer than its parts take to come back.
//!
//! Invariant: between two moments `a` and `b` no more than the capacity and what is refilled from `a` to `b` is taken, but for amounts that
//! turn out larger than they were thought to be, which are made up for later.

use std::time::Duration;

use vega_scheduler::Instant;

/// See the module's text.
///
/// The level is counted in parts, so that nothing is lost to rounding: one unit has as many parts as the period has nanoseconds, and
/// each nanosecond brings as many parts as the bucket holds units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    capacity: u64,
    period_nanos: u64,
    parts: i128,
    at: Instant,
}

impl Bucket {
    /// A full bucket that holds `capacity` units and refills wholly within `period`. Both are at least 1 (unit, nanosecond).
    pub(crate) fn full(capacity: u64, period: Duration, now: Instant) -> Bucket {
        let capacity = capacity.max(1);
        let period_nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
        Bucket { capacity, period_nanos, parts: i128::from(capacity) * i128::from(period_nanos), at: now }
    }

    /// Units that it holds at most.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The time in which it refills wholly.
    pub(crate) fn period(&self) -> Duration {
        Duration::from_nanos(self.period_nanos)
    }

    /// Whole units in it; below zero where more was used than it held.
    pub(crate) fn level(&mut self, now: Instant) -> i64 {
        self.refill(now);
        i64::try_from(self.parts.div_euclid(i128::from(self.period_nanos))).unwrap_or(i64::MIN)
    }

    /// Units that come back within a time.
    pub(crate) fn refilled_within(&self, time: Duration) -> u64 {
        let parts = time.as_nanos().saturating_mul(u128::from(self.capacity));
        u64::try_from(parts / u128::from(self.period_nanos)).unwrap_or(u64::MAX)
    }

    /// When so many units are there, with `reserve` left behind. More than it can hold counts as all that it can hold.
    pub(crate) fn ready_at(&mut self, units: u64, reserve: u64, now: Instant) -> Instant {
        self.refill(now);
        let wanted = units.saturating_add(reserve).min(self.capacity);
        let missing = i128::from(wanted) * i128::from(self.period_nanos) - self.parts;
        if missing <= 0 {
            return now;
        }
        let capacity = i128::from(self.capacity);
        let nanos = (missing + capacity - 1) / capacity;
        now + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes units, also where they are not there.
    pub(crate) fn take(&mut self, units: u64, now: Instant) {
        self.refill(now);
        self.parts -= i128::from(units) * i128::from(self.period_nanos);
    }

    /// Puts back what was not used after all.
    pub(crate) fn put_back(&mut self, units: u64, now: Instant) {
        self.refill(now);
        self.parts = (self.parts + i128::from(units) * i128::from(self.period_nanos)).min(self.parts_max());
    }

    /// Takes what something may need: not more than the bucket can hold.
    pub(crate) fn reserve(&mut self, units: u64, now: Instant) {
        self.take(units.min(self.capacity), now);
    }

    /// Counts what was really used in the place of what was reserved.
    pub(crate) fn correct(&mut self, reserved: u64, used: u64, now: Instant) {
        let reserved = reserved.min(self.capacity);
        if used < reserved { self.put_back(reserved - used, now) } else { self.take(used - reserved, now) }
    }

    /// Leaves at most so many units in it.
    pub(crate) fn lower_to(&mut self, units: u64, now: Instant) {
        self.refill(now);
        self.parts = self.parts.min(i128::from(units) * i128::from(self.period_nanos));
    }

    /// Changes how much it holds and how fast it refills; what is missing stays missing.
    pub(crate) fn reshape(&mut self, capacity: u64, period: Duration, now: Instant) {
        let capacity = capacity.max(1);
        if capacity == self.capacity && period == self.period() {
            return;
        }
        let missing = i64::try_from(self.capacity).unwrap_or(i64::MAX).saturating_sub(self.level(now));
        let mut other = Bucket::full(capacity, period, now);
        other.parts -= i128::from(missing) * i128::from(other.period_nanos);
        *self = other;
    }

    fn parts_max(&self) -> i128 {
        i128::from(self.capacity) * i128::from(self.period_nanos)
    }

    fn refill(&mut self, now: Instant) {
        let nanos = now.since(self.at).as_nanos();
        if nanos == 0 {
            return;
        }
        self.at = now;
        let gained = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_mul(i128::from(self.capacity));
        self.parts = self.parts.saturating_add(gained).min(self.parts_max());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn fifty_a_minute_is_one_every_1200_ms_to_the_nanosecond() {
        let mut bucket = Bucket::full(50, Duration::from_secs(60), at(0));
        bucket.take(50, at(0));
        for number in 1..200 {
            let ready = bucket.ready_at(1, 0, at((number - 1) * 1_200));
            assert_eq!(ready, at(number * 1_200));
            bucket.take(1, ready);
        }
    }

    #[test]
    fn more_than_it_holds_waits_until_it_is_full_and_is_made_up_for() {
        let mut bucket = Bucket::full(10, Duration::from_secs(10), at(0));
        bucket.take(4, at(0));
        assert_eq!(bucket.ready_at(1_000, 0, at(0)), at(4_000));
        bucket.take(25, at(4_000));
        assert_eq!((bucket.level(at(4_000)), bucket.ready_at(1, 0, at(4_000))), (-15, at(20_000)));
        bucket.put_back(5, at(4_000));
        assert_eq!(bucket.ready_at(1, 2, at(4_000)), at(17_000));
        bucket.put_back(u64::from(u32::MAX), at(4_000));
        assert_eq!(bucket.level(at(4_000)), 10, "never more than it holds");
    }

    #[test]
    fn another_shape_keeps_what_is_missing() {
        let mut bucket = Bucket::full(50, Duration::from_secs(60), at(0));
        bucket.take(20, at(0));
        bucket.reshape(100, Duration::from_secs(60), at(0));
        assert_eq!(bucket.level(at(0)), 80);
        bucket.lower_to(3, at(0));
        assert_eq!(bucket.level(at(0)), 3);
        bucket.lower_to(30, at(0));
        assert_eq!(bucket.level(at(0)), 3, "it only lowers");
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_the_capacity_and_what_is_refilled(
            capacity in 1_u64..100,
            period_ms in 1_u64..100_000,
            steps in proptest::collection::vec((0_u64..5_000, 1_u64..50), 1..80),
        ) {
            let period = Duration::from_millis(period_ms);
            let mut bucket = Bucket::full(capacity, period, at(0));
            let mut now = at(0);
            let mut taken: Vec<(Instant, u64)> = Vec::new();
            for (pause, units) in steps {
                now = bucket.ready_at(units, 0, now + Duration::from_millis(pause));
                let units = units.min(capacity);
                bucket.take(units, now);
                taken.push((now, units));
                for (start, (from, _)) in taken.iter().enumerate() {
                    let sum: u64 = taken[start..].iter().map(|(_, units)| units).sum();
                    let gained = now.since(*from).as_nanos() * u128::from(capacity) / u128::from(bucket.period_nanos);
                    prop_assert!(u128::from(sum) <= u128::from(capacity) + gained + 1);
                }
            }
        }
    }
}
