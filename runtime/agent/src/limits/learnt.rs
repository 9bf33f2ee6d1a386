//! What is believed of a provider's limit that only its answers speak of.
//!
//! Invariant: what an answer says only ever lowers the belief; it rises by time alone, at the rate that the limit means.

use std::time::Duration;

use vega_scheduler::Instant;

use super::announced::Quota;
use super::bucket::Bucket;

/// How long others are reckoned with after their use of the quota was last noticed.
const OTHERS_REMEMBERED: Duration = Duration::from_secs(600);
/// A reset that is further away than this cannot be that of a limit by the minute.
const MINUTE_RESET_MAX: Duration = Duration::from_secs(90);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// One learnt limit.
#[derive(Clone, Debug)]
pub(super) struct Learnt {
    bucket: Bucket,
    /// When others were last noticed to use the same quota.
    others: Option<Instant>,
}

/// What was on its way when an answer was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// When the answered exchange began.
    pub(super) sent_at: Instant,
    /// Units of exchanges that began after it and are still under way.
    pub(super) later: u64,
}

impl Learnt {
    /// From the first answer that speaks of it.
    pub(super) fn new(quota: Quota, passed: Passed, now: Instant) -> Learnt {
        let mut bucket = Bucket::full(quota.limit, period(quota), now);
        bucket.lower_to(quota.remaining.saturating_sub(passed.later), now);
        Learnt { bucket, others: None }
    }

    /// From each later one.
    pub(super) fn hear(&mut self, quota: Quota, passed: Passed, now: Instant) {
        self.bucket.reshape(quota.limit, period(quota), now);
        // What is left is told in whole numbers, and of tokens in thousands.
        let unit = if quota.limit >= 10_000 && quota.remaining.is_multiple_of(1_000) { 500 } else { 1 };
        let refilled = self.bucket.refilled_within(now.since(passed.sent_at));
        let bound = quota.remaining.saturating_add(unit).saturating_add(refilled).saturating_sub(passed.later);
        let surplus = self.bucket.level(now).saturating_sub(i64::try_from(bound).unwrap_or(i64::MAX));
        if surplus > 0 {
            self.bucket.lower_to(bound, now);
            if surplus.unsigned_abs() >= unit {
                self.others = Some(now);
            }
        }
    }

    /// The provider refused although something was believed to be left: somebody else used it.
    pub(super) fn was_refused(&mut self, now: Instant) {
        self.bucket.lower_to(0, now);
        self.others = Some(now);
    }

    /// When so many units may be used. Where others use the same quota some of it is left to them, because their use is noticed late.
    pub(super) fn ready_at(&mut self, units: u64, now: Instant) -> Instant {
        let shared = self.others.is_some_and(|noticed| now.since(noticed) < OTHERS_REMEMBERED);
        let reserve = if shared { 2 + self.bucket.capacity() / 20 } else { 0 };
        self.bucket.ready_at(units, reserve, now)
    }

    /// An exchange may need so many.
    pub(super) fn reserve(&mut self, units: u64, now: Instant) {
        self.bucket.reserve(units, now);
    }

    /// It needed so many.
    pub(super) fn correct(&mut self, reserved: u64, used: u64, now: Instant) {
        self.bucket.correct(reserved, used, now);
    }
}

/// The time in which a limit is there again as a whole. Providers do not say it, but a reset that is far away does.
fn period(quota: Quota) -> Duration {
    let Some(reset) = quota.reset.filter(|reset| *reset > MINUTE_RESET_MAX) else { return MINUTE };
    let missing = (quota.limit - quota.remaining).max(1);
    let whole = reset.as_secs_f64() * quota.limit as f64 / missing as f64;
    if reset <= HOUR && whole <= 2.0 * HOUR.as_secs_f64() { HOUR } else { DAY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn quota(limit: u64, remaining: u64, reset_s: u64) -> Quota {
        Quota { limit, remaining, reset: Some(Duration::from_secs(reset_s)) }
    }

    const ALONE: Passed = Passed { sent_at: Instant::from_nanos(0), later: 0 };

    #[test]
    fn what_is_left_is_shared_with_what_is_on_its_way() {
        let mut learnt = Learnt::new(quota(50, 46, 5), Passed { later: 3, ..ALONE }, at(0));
        assert_eq!(learnt.bucket.level(at(0)), 43);
        learnt.reserve(43, at(0));
        assert_eq!(learnt.ready_at(1, at(0)), at(1_200));
    }

    #[test]
    fn an_answer_lowers_and_never_raises() {
        let mut learnt = Learnt::new(quota(50, 20, 36), ALONE, at(0));
        learnt.hear(quota(50, 49, 2), ALONE, at(0));
        assert_eq!(learnt.bucket.level(at(0)), 20);
        assert!(learnt.others.is_none());
        learnt.hear(quota(50, 5, 54), ALONE, at(0));
        assert_eq!(learnt.bucket.level(at(0)), 6);
        assert!(learnt.others.is_some(), "somebody else took 14");
    }

    #[test]
    fn some_is_left_to_others_once_they_are_noticed() {
        let mut learnt = Learnt::new(quota(50, 20, 36), ALONE, at(0));
        learnt.was_refused(at(0));
        assert_eq!(learnt.ready_at(1, at(0)), at(5 * 1_200));
        assert_eq!(learnt.ready_at(1, at(700_000)), at(700_000), "and forgotten after ten minutes");
    }

    #[test]
    fn a_limit_by_the_day_is_told_by_its_reset() {
        assert_eq!(period(quota(50, 49, 2)), MINUTE);
        assert_eq!(period(quota(50, 0, 60)), MINUTE);
        assert_eq!(period(Quota { reset: None, ..quota(50, 0, 0) }), MINUTE);
        assert_eq!(period(quota(200, 199, 432)), DAY);
        assert_eq!(period(quota(200, 0, 86_400)), DAY);
        assert_eq!(period(quota(1_000, 500, 1_800)), HOUR);
    }
}
