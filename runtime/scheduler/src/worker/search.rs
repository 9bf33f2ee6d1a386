//! Whether it pays for a worker to search for work of others.
//!
//! A short-lived process is dearer to run on another worker than on the one that made it: all its memory has to move from core to
//! core, and back to be used again. A worker whose last haul was done with at once, or that was woken and found nothing left, rests
//! for a while before it searches again, each time longer. What makes work of its own, or takes long, is worth moving, and ends that.
//! A haul is judged before the next search, whatever that would find.
//!
//! Invariant: a rest ends by itself after [`REST_MAX`], so whatever waits in another worker's queue is looked for within that time.

use std::cell::Cell;
use std::time::Duration;

use crate::time::Instant;

/// A haul that keeps a worker busy for so long was worth moving.
const WORTHWHILE: Duration = Duration::from_micros(100);
/// So was one that kept it busy for so long, and with each of its jobs for [`WORTHWHILE_EACH`].
const WORTHWHILE_SHORT: Duration = Duration::from_micros(20);
/// Several times what moving a job costs.
const WORTHWHILE_EACH: Duration = Duration::from_nanos(1_500);
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
    /// It found work.
    Found(Spent),
}

/// What a worker has spent so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spent {
    /// Processor time of its thread: unlike the clock it does not count what other programs took in between.
    pub(super) used: Duration,
    /// Jobs that it took from its queues; wraps.
    pub(super) jobs: u32,
}

impl Spent {
    /// Whether what happened since `then` was worth a search.
    fn was_worthwhile(self, then: Spent) -> bool {
        let used = self.used.saturating_sub(then.used);
        let jobs = self.jobs.wrapping_sub(then.jobs);
        used >= WORTHWHILE || used >= WORTHWHILE_SHORT && used >= WORTHWHILE_EACH * jobs
    }
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

    /// The worker took work of another.
    pub(super) fn found(&self, spent: Spent) {
        self.last.set(Last::Found(spent));
    }

    /// The worker has done what its last search found: judges it, and says whether it is not to search yet.
    pub(super) fn is_resting(&self, now: Instant, spent: impl FnOnce() -> Spent) -> bool {
        if let Last::Found(then) = self.last.get() {
            self.last.set(Last::Judged);
            self.judge(now, spent().was_worthwhile(then));
        }
        now < self.until.get()
    }

    /// The worker found nothing to do: judges its last search. The end of its rest, where one begins or goes on.
    pub(super) fn rest_from(&self, now: Instant, spent: impl FnOnce() -> Spent) -> Option<Instant> {
        if self.last.get() == Last::Called {
            self.last.set(Last::Judged);
            self.judge(now, false);
        }
        self.is_resting(now, spent).then_some(self.until.get())
    }

    fn judge(&self, now: Instant, was_worthwhile: bool) {
        if was_worthwhile {
            self.rest.set(Duration::ZERO);
        } else {
            let rest = (self.rest.get() * 2).clamp(REST_MIN, REST_MAX);
            self.rest.set(rest);
            self.until.set(now + rest);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn at(microseconds: u64) -> Instant {
        Instant::from_nanos(microseconds * 1_000)
    }

    fn spent(used: u64, jobs: u32) -> Spent {
        Spent { used: Duration::from_micros(used), jobs }
    }

    #[test]
    fn rests_grow_while_searches_do_not_pay_and_end_when_one_does() {
        let log = SearchLog::new();
        let rest_from = |now, used| log.rest_from(at(now), || spent(used, 1_000));
        assert_eq!(rest_from(10, 0), None, "nothing is known yet");
        log.called();
        assert_eq!(rest_from(1_000, 0), Some(at(1_100)));
        assert_eq!(rest_from(1_050, 0), Some(at(1_100)), "woken by a message meanwhile");
        assert_eq!(rest_from(1_100, 0), None);
        log.found(spent(50, 0));
        assert_eq!(rest_from(9_000, 70), Some(at(9_200)), "done at once, however long other programs had the processor");
        for _ in 0..10 {
            log.called();
            rest_from(10_000, 70);
        }
        assert_eq!(rest_from(10_000, 70), Some(at(11_000)), "no rest is longer");
        log.found(spent(80, 0));
        assert_eq!(rest_from(12_000, 180), None, "worth it");
        log.called();
        log.busy();
        assert_eq!(rest_from(12_500, 180), None, "there was something else to do");
        log.called();
        assert_eq!(rest_from(13_000, 180), Some(at(13_100)));
    }

    #[test]
    fn a_haul_is_judged_before_the_next_search_even_where_there_is_more() {
        let log = SearchLog::new();
        log.found(spent(0, u32::MAX));
        assert!(log.is_resting(at(10), || spent(15, 31)), "32 jobs in 15 µs");
        assert!(log.is_resting(at(109), || unreachable!("judged once")));
        assert!(!log.is_resting(at(110), || unreachable!("judged once")));
        log.found(spent(0, 0));
        assert!(!log.is_resting(at(120), || spent(64, 32)), "2 µs each");
        log.found(spent(0, 0));
        assert!(!log.is_resting(at(120), || spent(100, 200)), "they made work of their own");
        log.found(spent(0, 0));
        assert!(log.is_resting(at(120), || spent(5, 1)), "not worth a search");
    }
}
