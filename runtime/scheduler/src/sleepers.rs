//! Which workers sleep, and how one is woken without any wake-up being lost.
//!
//! A worker that finds nothing announces that it parks, then looks once more at every place where work may appear; a producer
//! publishes its work, then looks for a parked worker. Both put a sequentially consistent fence between their two steps, so
//! at least one of them sees the other.
//!
//! A worker for which searching does not pay may rest instead: it sleeps for a bounded time, hears what is sent to it alone, and
//! searches again by itself afterwards. Producers neither see it nor need to.
//!
//! Invariant: a producer skips waking only while some worker is counted as searching, and whoever lowers that count to zero
//! looks at the queues or at the sleepers afterwards: at once where it parks, after its bounded sleep where it rests.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU8, AtomicUsize, Ordering, fence};

/// The worker executes, or is about to look at every queue.
const AWAKE: u8 = 0;
/// The worker sleeps in its poll, or is about to after one more look at the queues.
const PARKED: u8 = 1;
/// Somebody claimed the sleeper because of something meant for this worker alone.
const CLAIMED: u8 = 2;
/// Somebody claimed the sleeper to search for work, and has counted it as searching already.
const CLAIMED_TO_SEARCH: u8 = 3;
/// The worker sleeps for a bounded time, or is about to after one more look at what is meant for it alone.
const RESTING: u8 = 4;

/// How a worker came to be awake again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woken {
    /// By its own timer or socket, or because its second look found something.
    ByItself,
    /// By something sent to this worker's inbox.
    ForItself,
    /// To search for work; it counts as searching.
    ToSearch,
}

/// The parking state of all workers of one scheduler.
pub(crate) struct Sleepers {
    states: Box<[CachePadded<AtomicU8>]>,
    /// Workers in `PARKED`. Raised by the worker, lowered by whoever takes it out of that state.
    parked: AtomicUsize,
    /// Workers that look for work in other workers' queues, or were woken in order to.
    searching: AtomicUsize,
}

impl Sleepers {
    /// The state of so many workers, all awake.
    pub(crate) fn new(workers: usize) -> Sleepers {
        let states = (0..workers).map(|_| CachePadded::new(AtomicU8::new(AWAKE))).collect();
        Sleepers { states, parked: AtomicUsize::new(0), searching: AtomicUsize::new(0) }
    }

    /// Whether it may be worth calling [`notify_one`](Sleepers::notify_one). A hint without a fence: only for a producer who
    /// will run the work itself if nobody else does.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn someone_sleeps(&self) -> bool {
        self.parked.load(Ordering::Relaxed) > 0
    }

    /// Whether some worker sleeps or rests. A hint, as [`someone_sleeps`](Sleepers::someone_sleeps), which looks at every worker.
    #[cfg(not(loom))]
    pub(crate) fn someone_is_idle(&self) -> bool {
        self.states.iter().any(|state| matches!(state.load(Ordering::Relaxed), PARKED | RESTING))
    }

    /// Counts the caller as searching, unless half of the workers are: more would only contend.
    pub(crate) fn begin_search(&self) -> bool {
        if self.searching.load(Ordering::Relaxed) * 2 >= self.states.len() {
            return false;
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Ends a search that found work. True if producers may have relied on it for what is still there, as `has_work` says: the
    /// caller then calls [`notify_one`](Sleepers::notify_one).
    pub(crate) fn end_search(&self, has_work: impl FnOnce() -> bool) -> bool {
        if self.searching.fetch_sub(1, Ordering::SeqCst) > 1 {
            return false;
        }
        // Orders the end of the search before the look at the queues. Pairs with the fence in `notify_one`.
        fence(Ordering::SeqCst);
        has_work()
    }

    /// Announces that `worker` sleeps, ends its search if it was `searching`, and looks once more. True: it may sleep, and
    /// calls [`unpark`](Sleepers::unpark) when its poll returns. False: there is work, and the worker is awake again, counted
    /// as searching if the second value says so.
    pub(crate) fn park(&self, worker: usize, searching: bool, has_work: impl FnOnce() -> bool) -> Result<(), Woken> {
        self.announce(worker, searching);
        // Orders the announcement before the look at the queues. Pairs with the fences in `notify_one` and `notify`.
        fence(Ordering::SeqCst);
        if has_work() { Err(self.unpark(worker)) } else { Ok(()) }
    }

    fn announce(&self, worker: usize, searching: bool) {
        self.states[worker].store(PARKED, Ordering::SeqCst);
        self.parked.fetch_add(1, Ordering::SeqCst);
        if searching {
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Announces that `worker` sleeps for a bounded time in which nobody wakes it to search, ends its search if it was `searching`, and
    /// looks once more at what it hears meanwhile. True: it may sleep, and calls [`unpark`](Sleepers::unpark) when its poll returns.
    pub(crate) fn rest(&self, worker: usize, searching: bool, has_message: impl FnOnce() -> bool) -> Result<(), Woken> {
        self.states[worker].store(RESTING, Ordering::SeqCst);
        if searching {
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
        // Orders the announcement before the look at the inbox. Pairs with the fence in `notify`.
        fence(Ordering::SeqCst);
        if has_message() { Err(self.unpark(worker)) } else { Ok(()) }
    }

    /// Takes `worker` out of the parked state after its sleep.
    pub(crate) fn unpark(&self, worker: usize) -> Woken {
        // Acquires what the claimer published before its claim.
        match self.states[worker].swap(AWAKE, Ordering::SeqCst) {
            PARKED => {
                self.parked.fetch_sub(1, Ordering::SeqCst);
                Woken::ByItself
            }
            RESTING => Woken::ByItself,
            CLAIMED_TO_SEARCH => Woken::ToSearch,
            _ => Woken::ForItself,
        }
    }

    /// After work was published where any worker may find it: claims a sleeper to search for it, unless someone searches
    /// already. The caller wakes the returned worker's poll.
    pub(crate) fn notify_one(&self) -> Option<usize> {
        // Orders the published work before the look at the sleepers. Pairs with the fence in `park`.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) == 0 {
            return None;
        }
        loop {
            if self.searching.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                return None;
            }
            if let Some(worker) = self.claim_any() {
                return Some(worker);
            }
            self.searching.fetch_sub(1, Ordering::SeqCst);
            // While this call held the count at one, another producer may have relied on a searcher that never was. So the
            // sleepers are looked at again, once the count is back at zero.
            fence(Ordering::SeqCst);
            if !self.states.iter().any(|state| state.load(Ordering::Relaxed) == PARKED) {
                return None;
            }
        }
    }

    /// After something was put into `worker`'s own inbox: true if it sleeps and the caller must wake its poll.
    pub(crate) fn notify(&self, worker: usize) -> bool {
        // Orders the published message before the look at the sleeper. Pairs with the fence in `park`.
        fence(Ordering::SeqCst);
        self.claim(worker, CLAIMED) || self.claim_resting(worker)
    }

    /// After work was published that resting workers look for too, and [`notify_one`](Sleepers::notify_one) found nobody: claims one
    /// of them. The caller wakes the returned worker's poll.
    pub(crate) fn notify_resting(&self) -> Option<usize> {
        // Orders the published work before the look at the sleepers. Pairs with the fence in `rest`.
        fence(Ordering::SeqCst);
        (0..self.states.len()).find(|&worker| self.claim_resting(worker))
    }

    fn claim_resting(&self, worker: usize) -> bool {
        let state = &self.states[worker];
        state.load(Ordering::Relaxed) == RESTING
            && state.compare_exchange(RESTING, CLAIMED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    fn claim_any(&self) -> Option<usize> {
        (0..self.states.len()).find(|&worker| self.claim(worker, CLAIMED_TO_SEARCH))
    }

    fn claim(&self, worker: usize, claimed: u8) -> bool {
        let state = &self.states[worker];
        // The plain load spares the shared cache line a write when the worker is awake, which is the common case.
        let won = state.load(Ordering::Relaxed) == PARKED
            && state.compare_exchange(PARKED, claimed, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        if won {
            self.parked.fetch_sub(1, Ordering::SeqCst);
        }
        won
    }
}

#[cfg(all(test, loom))]
mod loom_stop; // a shutdown
#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_producer_wakes_nobody_while_someone_searches() {
        let sleepers = Sleepers::new(4);
        assert_eq!(sleepers.park(0, false, || false), Ok(()));
        assert!(sleepers.begin_search());
        assert_eq!(sleepers.notify_one(), None);
        assert!(sleepers.end_search(|| true), "it was the only searcher");
        assert_eq!(sleepers.notify_one(), Some(0));
        assert_eq!(sleepers.notify_one(), None, "the woken worker counts as searching");
        assert_eq!(sleepers.unpark(0), Woken::ToSearch);
    }

    #[test]
    fn a_worker_that_sees_work_on_its_second_look_does_not_sleep() {
        let sleepers = Sleepers::new(1);
        assert_eq!(sleepers.park(0, false, || true), Err(Woken::ByItself));
        assert!(!sleepers.someone_sleeps());
        assert!(!sleepers.notify(0), "an awake worker needs no wake-up");
    }

    #[test]
    fn a_worker_that_rests_hears_its_inbox_and_no_producer() {
        let sleepers = Sleepers::new(2);
        assert_eq!(sleepers.rest(0, false, || false), Ok(()));
        assert!(!sleepers.someone_sleeps() && sleepers.someone_is_idle());
        assert_eq!(sleepers.notify_one(), None);
        assert!(sleepers.notify(0) && !sleepers.notify(0), "claimed once");
        assert!(!sleepers.someone_is_idle());
        assert_eq!(sleepers.unpark(0), Woken::ForItself);
        assert_eq!(sleepers.rest(0, false, || true), Err(Woken::ByItself));
    }

    #[test]
    fn at_most_half_of_the_workers_search() {
        let sleepers = Sleepers::new(4);
        assert!(sleepers.begin_search());
        assert!(sleepers.begin_search());
        assert!(!sleepers.begin_search());
    }
}
