//! When to try a failed call again.
//!
//! The policy is pure: it is asked after each failure, with the jitter's random number given, and
//! answers with a delay or with nothing. A provider's own `retry-after` is a lower bound of the delay,
//! never shortened by jitter.

use std::time::Duration;

use crate::error::{CallError, RetryClass};

/// Attempts of one call unless the agent says otherwise, the first included.
pub const MAX_ATTEMPTS_DEFAULT: u32 = 3;

/// How the delay grows: `base`, then times `multiplier` with each failure, never above `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The bound of the first delay.
    pub base: Duration,
    /// The growth of the bound.
    pub multiplier: f64,
    /// The bound of every delay.
    pub max: Duration,
}

/// What an agent's `retry { }` says.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least one is made.
    pub max_attempts: u32,
    /// How long to wait between them.
    pub backoff: Backoff,
    /// Which failures are worth another attempt.
    pub on: Vec<RetryClass>,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { base: Duration::from_millis(500), multiplier: 2.0, max: Duration::from_secs(30) }
    }
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy { max_attempts: MAX_ATTEMPTS_DEFAULT, backoff: Backoff::default(), on: RetryClass::ALL.to_vec() }
    }
}

impl Backoff {
    /// The longest delay after `failures` failures, of which there is at least one.
    fn bound(&self, failures: u32) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let factor = self.multiplier.max(1.0).powi(exponent);
        let bound_s = (self.base.as_secs_f64() * factor).min(self.max.as_secs_f64());
        Duration::try_from_secs_f64(bound_s).unwrap_or(self.max)
    }
}

impl RetryPolicy {
    /// How long to wait before the next attempt, or `None` where there is none.
    ///
    /// `failures` counts the failed attempts, this one included; `random` is uniform in `[0, 1)`;
    /// `remaining` is what is left of the invocation's time. A wait that would outlast it is not
    /// begun: the failure is raised at once.
    pub fn next_delay(&self, failures: u32, error: &CallError, random: f64, remaining: Option<Duration>) -> Option<Duration> {
        let class = error.retry?;
        if failures >= self.max_attempts || !self.on.contains(&class) {
            return None;
        }
        let jittered = self.backoff.bound(failures).mul_f64(random.clamp(0.0, 1.0));
        let delay = match error.retry_after {
            // Spread over the time after the provider's own, so that not all come at once.
            Some(retry_after) => retry_after.saturating_add(jittered.min(retry_after / 4)),
            None => jittered,
        };
        match remaining {
            Some(remaining) if delay >= remaining => None,
            _ => Some(delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn overloaded() -> CallError {
        CallError::new(ErrorKind::Overloaded, "busy").retryable(RetryClass::Overloaded)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_delay_doubles_up_to_its_bound_and_attempts_end() {
        let policy = RetryPolicy {
            max_attempts: 10,
            backoff: Backoff { base: ms(100), multiplier: 2.0, max: ms(5_000) },
            on: vec![RetryClass::Overloaded],
        };
        let delays: Vec<Option<Duration>> =
            (1..=10).map(|failures| policy.next_delay(failures, &overloaded(), 1.0, None)).collect();
        let bounds = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000];
        assert_eq!(delays[..9], bounds.map(|millis| Some(ms(millis))));
        assert_eq!(delays[9], None);
    }

    #[test]
    fn full_jitter_reaches_from_nothing_to_the_bound() {
        let policy = RetryPolicy::default();
        let delay = |random| policy.next_delay(1, &overloaded(), random, None);
        assert_eq!(delay(0.0), Some(Duration::ZERO));
        assert_eq!(delay(0.5), Some(ms(250)));
        assert!(delay(0.999).is_some_and(|delay| delay < ms(500)));
    }

    #[test]
    fn a_retry_after_is_never_cut_short_even_above_the_bound() {
        let mut error = overloaded();
        error.retry_after = Some(ms(60_000));
        for random in [0.0, 0.3, 1.0] {
            let delay = RetryPolicy::default().next_delay(1, &error, random, None);
            assert!(delay.is_some_and(|delay| delay >= ms(60_000) && delay <= ms(75_000)), "{delay:?}");
        }
    }

    #[test]
    fn what_cannot_succeed_in_time_or_by_repetition_is_not_repeated() {
        let policy = RetryPolicy::default();
        let mut error = overloaded();
        error.retry_after = Some(ms(10_000));
        assert_eq!(policy.next_delay(1, &error, 0.0, Some(ms(9_000))), None);
        assert!(policy.next_delay(1, &error, 0.0, Some(ms(11_000))).is_some());
        error.retry = None;
        assert_eq!(policy.next_delay(1, &error, 0.0, None), None);
        let only_timeouts = RetryPolicy { on: vec![RetryClass::Timeout], ..RetryPolicy::default() };
        assert_eq!(only_timeouts.next_delay(1, &overloaded(), 0.0, None), None);
    }
}
