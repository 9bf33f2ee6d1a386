//! Circuit breakers: after too many failures in a row calls fail at once, until one that is let through succeeds.
//!
//! Invariants: while open, nothing passes before the time is over; while half open, exactly one call is under way; what began before
//! the circuit opened changes nothing any more when it ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vega_scheduler::Instant;

/// Failures in a row unless the agent says otherwise.
pub(crate) const THRESHOLD_DEFAULT: u32 = 5;
/// How long calls fail at once unless the agent says otherwise.
pub(crate) const RESET_AFTER_DEFAULT: Duration = Duration::from_secs(30);

/// What an agent's `circuit_breaker { }` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakerPolicy {
    /// Failures in a row that open it, at least one.
    pub(crate) threshold: u32,
    /// How long it stays open.
    pub(crate) reset_after: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> BreakerPolicy {
        BreakerPolicy { threshold: THRESHOLD_DEFAULT, reset_after: RESET_AFTER_DEFAULT }
    }
}

/// The breaker between one type of agent and one provider.
pub(crate) struct Breaker {
    state: Mutex<State>,
}

/// What the end of an invocation says about its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answers, whatever it answered.
    Works,
    /// It failed, or could not be reached, after all attempts.
    Fails,
    /// Nothing.
    Unknown,
}

/// A change that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Calls fail at once from now on, after so many failures in a row.
    Opened {
        /// Failures in a row.
        failures: u32,
    },
    /// One call is let through.
    HalfOpened,
    /// It succeeded.
    Closed,
}

/// A call that passed. Dropped without a verdict, it says nothing.
pub(crate) struct Pass {
    breaker: Arc<Breaker>,
    /// The period of the breaker that it belongs to.
    period: u64,
    is_probe: bool,
}

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    /// Counts the times that it opened, closed or let a probe through.
    period: u64,
}

#[derive(Debug)]
enum Stage {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        failures: u32,
    },
    HalfOpen {
        /// When the next probe would be let through, should this one fail at once.
        until: Instant,
        failures: u32,
    },
}

impl Default for Stage {
    fn default() -> Stage {
        Stage::Closed { failures: 0 }
    }
}

impl Breaker {
    pub(crate) fn new() -> Arc<Breaker> {
        Arc::new(Breaker { state: Mutex::default() })
    }

    /// Lets a call through, or says after what time another may be.
    pub(crate) fn enter(self: &Arc<Self>, policy: BreakerPolicy, now: Instant) -> Result<(Pass, Option<Change>), Duration> {
        let mut state = self.lock();
        let pass = |period, is_probe| Pass { breaker: Arc::clone(self), period, is_probe };
        match state.stage {
            Stage::Closed { .. } => Ok((pass(state.period, false), None)),
            Stage::Open { until, failures } if until <= now => {
                state.stage = Stage::HalfOpen { until: now + policy.reset_after, failures };
                state.period += 1;
                Ok((pass(state.period, true), Some(Change::HalfOpened)))
            }
            Stage::Open { until, .. } | Stage::HalfOpen { until, .. } => Err(until.since(now)),
        }
    }

    /// After what time a call would be let through, where one that came now would not.
    pub(crate) fn closed_for(&self, now: Instant) -> Option<Duration> {
        match self.lock().stage {
            Stage::Closed { .. } => None,
            Stage::Open { until, .. } => Some(until.since(now)).filter(|wait| !wait.is_zero()),
            Stage::HalfOpen { until, .. } => Some(until.since(now)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The call ended.
    pub(crate) fn end(self, verdict: Verdict, policy: BreakerPolicy, now: Instant) -> Option<Change> {
        let breaker = Arc::clone(&self.breaker);
        let mut state = breaker.lock();
        if state.period != self.period {
            return None;
        }
        match (verdict, &mut state.stage) {
            (Verdict::Works, Stage::Closed { failures }) => {
                *failures = 0;
                None
            }
            (Verdict::Fails, Stage::Closed { failures }) => {
                *failures = failures.saturating_add(1);
                let failures = *failures;
                (failures >= policy.threshold).then(|| state.open(failures, now + policy.reset_after))
            }
            (Verdict::Works, _) => {
                state.stage = Stage::default();
                state.period += 1;
                Some(Change::Closed)
            }
            (Verdict::Fails, Stage::HalfOpen { failures, .. }) => {
                let failures = failures.saturating_add(1);
                Some(state.open(failures, now + policy.reset_after))
            }
            // A probe that says nothing makes room for another when it is dropped.
            (Verdict::Fails | Verdict::Unknown, _) => None,
        }
    }
}

impl State {
    fn open(&mut self, failures: u32, until: Instant) -> Change {
        self.stage = Stage::Open { until, failures };
        self.period += 1;
        Change::Opened { failures }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_probe {
            return;
        }
        let mut state = self.breaker.lock();
        if let (true, Stage::HalfOpen { failures, .. }) = (state.period == self.period, &state.stage) {
            let failures = *failures;
            // Whoever comes next is the probe.
            state.open(failures, Instant::from_nanos(0));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy { threshold: 3, reset_after: Duration::from_secs(30) };

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn end(breaker: &Arc<Breaker>, verdict: Verdict, now: Instant) -> Option<Change> {
        breaker.enter(POLICY, now).ok().unwrap().0.end(verdict, POLICY, now)
    }

    #[test]
    fn it_opens_half_opens_with_one_probe_and_closes() {
        let breaker = Breaker::new();
        assert_eq!(end(&breaker, Verdict::Fails, at(0)), None);
        assert_eq!(end(&breaker, Verdict::Fails, at(0)), None);
        assert_eq!(end(&breaker, Verdict::Works, at(0)), None, "a success ends the row");
        assert_eq!(end(&breaker, Verdict::Fails, at(0)), None);
        assert_eq!(end(&breaker, Verdict::Unknown, at(0)), None, "what says nothing does not");
        assert_eq!(end(&breaker, Verdict::Fails, at(0)), None);
        assert_eq!(end(&breaker, Verdict::Fails, at(1)), Some(Change::Opened { failures: 3 }));
        assert_eq!(breaker.enter(POLICY, at(11)).err(), Some(Duration::from_secs(20)));
        assert_eq!(breaker.closed_for(at(11)), Some(Duration::from_secs(20)));
        assert_eq!(breaker.closed_for(at(31)), None);
        let (probe, change) = breaker.enter(POLICY, at(31)).ok().unwrap();
        assert_eq!(change, Some(Change::HalfOpened));
        assert_eq!(breaker.enter(POLICY, at(32)).err(), Some(Duration::from_secs(29)), "one probe only");
        assert_eq!(probe.end(Verdict::Fails, POLICY, at(40)), Some(Change::Opened { failures: 4 }));
        assert!(breaker.enter(POLICY, at(69)).is_err());
        assert_eq!(end(&breaker, Verdict::Works, at(70)), Some(Change::Closed));
        assert_eq!(breaker.closed_for(at(70)), None);
    }

    #[test]
    fn a_probe_that_says_nothing_makes_room_for_another() {
        let breaker = Breaker::new();
        assert_eq!((0..3).filter_map(|_| end(&breaker, Verdict::Fails, at(0))).count(), 1);
        drop(breaker.enter(POLICY, at(30)).ok().unwrap());
        let (probe, _) = breaker.enter(POLICY, at(30)).ok().unwrap();
        assert!(probe.is_probe);
        assert_eq!(probe.end(Verdict::Unknown, POLICY, at(30)), None);
        assert_eq!(end(&breaker, Verdict::Works, at(30)), Some(Change::Closed));
    }

    #[test]
    fn what_began_before_it_opened_changes_nothing() {
        let breaker = Breaker::new();
        let early: Vec<Pass> = (0..1_000).map(|_| breaker.enter(POLICY, at(0)).ok().unwrap().0).collect();
        let changes: Vec<Change> = early.into_iter().filter_map(|pass| pass.end(Verdict::Fails, POLICY, at(1))).collect();
        assert_eq!(changes, [Change::Opened { failures: 3 }]);
        assert_eq!(breaker.closed_for(at(1)), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_thousand_callers_let_exactly_one_probe_through() {
        let breaker = Breaker::new();
        assert_eq!((0..3).filter_map(|_| end(&breaker, Verdict::Fails, at(0))).count(), 1);
        let probes: Vec<Pass> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..125).filter_map(|_| Some(breaker.enter(POLICY, at(30)).ok()?.0)).collect::<Vec<_>>()))
                .collect();
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        });
        assert_eq!(probes.len(), 1);
    }
}
