//! Whether it pays for a worker to search for work of others.
//!
//! A short-lived process is dearer to run on another worker than on the one that made it: all its memory has to move from core to
//! core, and back to be used again. A worker whose last haul was done with at once, or that was woken and found nothing left, rests
//! for a while before it searches again, each time longer. What makes work of its own, or takes long, is worth moving, and ends that.
//!
//! Invariant: a rest ends by itself after [`REST_MAX`], so whatever waits in another worker's queue is looked for within that time.

use std::cell::Cell;
use std::time::Duration;

use crate::time::Instant;

/// A haul that keeps a worker busy for so long was worth moving.
const WORTHWHILE: Duration = Duration::from_micros(100);
/// How long a worker rests after the first search that did not pay.
const REST_MIN: Duration = Duration::from_micros(100);
/// The longest rest.
const REST_MAX: Duration = Duration::from_millis(1);

/// What came of the last search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Last {
    /// Nothing is known, or it has been judged.
    Judged,
    /// The worker was woken to search, and has not found anything so far.
    Called,
    /// It found work, when its thread had used so much processor time.
    Found(Duration),
}

/// See the module's text.
pub(super) struct SearchLog {
    last: Cell<Last>,
    /// How long the last rest was; none since a search paid.
    rest: Cell<Duration>,
    until: Cell<Instant>,
}

impl SearchLog {
    pub(super) fn new() -> SearchLog {
        SearchLog { last: Cell::new(Last::Judged), rest: Cell::new(Duration::ZERO), until: Cell::new(Instant::from_nanos(0)) }
    }

    /// The worker was woken to search.
    pub(super) fn called(&self) {
        self.last.set(Last::Called);
    }

    /// The worker has something to do. Where that is not another worker's, nothing is known about searching.
    #[inline]
    pub(super) fn busy(&self) {
        if self.last.get() == Last::Called {
            self.last.set(Last::Judged);
        }
    }

    /// The worker took work of another; its thread has used so much processor time.
    pub(super) fn found(&self, used: Duration) {
        self.last.set(Last::Found(used));
    }

    /// Whether the worker is not to search yet.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        now < self.until.get()
    }

    /// The worker has nothing to do: judges its last search. The end of its rest, where one begins or goes on. `used` says how much
    /// processor time its thread has used: unlike the clock it does not count what other programs took in between.
    pub(super) fn rest_from(&self, now: Instant, used: impl FnOnce() -> Duration) -> Option<Instant> {
        match self.last.replace(Last::Judged) {
            Last::Found(then) if used().saturating_sub(then) >= WORTHWHILE => self.rest.set(Duration::ZERO),
            Last::Found(_) | Last::Called => {
                let rest = (self.rest.get() * 2).clamp(REST_MIN, REST_MAX);
                self.rest.set(rest);
                self.until.set(now + rest);
            }
            Last::Judged => {}
        }
        self.is_resting(now).then_some(self.until.get())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(microseconds: u64) -> Instant {
        Instant::from_nanos(microseconds * 1_000)
    }

    #[test]
    fn rests_grow_while_searches_do_not_pay_and_end_when_one_does() {
        let log = SearchLog::new();
        let rest_from = |now, used| log.rest_from(at(now), || Duration::from_micros(used));
        assert_eq!(rest_from(10, 0), None, "nothing is known yet");
        log.called();
        assert_eq!(rest_from(1_000, 0), Some(at(1_100)));
        assert_eq!(rest_from(1_050, 0), Some(at(1_100)), "woken by a message meanwhile");
        assert_eq!(rest_from(1_100, 0), None);
        log.found(Duration::from_micros(50));
        assert_eq!(rest_from(9_000, 70), Some(at(9_200)), "done at once, however long other programs had the processor");
        for _ in 0..10 {
            log.called();
            rest_from(10_000, 70);
        }
        assert_eq!(rest_from(10_000, 70), Some(at(11_000)), "no rest is longer");
        log.found(Duration::from_micros(80));
        assert_eq!(rest_from(12_000, 180), None, "worth it");
        log.called();
        log.busy();
        assert_eq!(rest_from(12_500, 180), None, "there was something else to do");
        log.called();
        assert_eq!(rest_from(13_000, 180), Some(at(13_100)));
    }
}
