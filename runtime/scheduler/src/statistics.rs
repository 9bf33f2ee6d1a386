//! What the workers and lanes have done so far.
//!
//! Invariant: each counter has one writer, its worker, so it is raised by a load and a store.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

use crate::lane::Lane;

/// A number that one thread raises and any thread reads.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
pub(crate) struct WorkerCounters {
    pub(crate) slices: Counter,
    pub(crate) steals: Counter,
    pub(crate) sleeps: Counter,
    pub(crate) wakes: Counter,
    pub(crate) timers_fired: Counter,
    pub(crate) native_waits: Counter,
    pub(crate) stacks_in_use: Counter,
    pub(crate) runners_parked: Counter,
    pub(crate) panics: Counter,
    pub(crate) overflows: Counter,
    /// Nanoseconds of each slice, if they are recorded.
    pub(crate) slice_nanos: Option<Mutex<Histogram<u64>>>,
}

impl WorkerCounters {
    pub(crate) fn new(slice_histogram: bool) -> WorkerCounters {
        let slice_nanos = slice_histogram
            .then(|| Mutex::new(Histogram::new(HISTOGRAM_DIGITS).expect("the number of digits is within the library's bounds")));
        WorkerCounters { slice_nanos, ..WorkerCounters::default() }
    }

    pub(crate) fn snapshot(&self) -> WorkerStatistics {
        WorkerStatistics {
            slices: self.slices.get(),
            steals: self.steals.get(),
            sleeps: self.sleeps.get(),
            wakes: self.wakes.get(),
            timers_fired: self.timers_fired.get(),
            native_waits: self.native_waits.get(),
            stacks_in_use: self.stacks_in_use.get(),
            runners_parked: self.runners_parked.get(),
            panics: self.panics.get(),
            overflows: self.overflows.get(),
            slice_nanos: self.slice_nanos.as_ref().and_then(|histogram| histogram.lock().ok().map(|nanos| nanos.clone())),
        }
    }
}

/// Significant digits of recorded slice lengths.
const HISTOGRAM_DIGITS: u8 = 2;

/// What one worker has done so far; a little behind while it is busy.
#[derive(Clone, Debug)]
pub struct WorkerStatistics {
    /// Slices of jobs run.
    pub slices: u64,
    /// Batches of jobs taken from other workers.
    pub steals: u64,
    /// Times it slept for want of work.
    pub sleeps: u64,
    /// Times it woke another worker to search for work.
    pub wakes: u64,
    /// Timers of the host that fired.
    pub timers_fired: u64,
    /// Times a native waited.
    pub native_waits: u64,
    /// Stacks that belong to a runner at present.
    pub stacks_in_use: u64,
    /// Runners that wait at present.
    pub runners_parked: u64,
    /// Slices and callbacks that panicked.
    pub panics: u64,
    /// Native stacks that overflowed.
    pub overflows: u64,
    /// Nanoseconds of each slice, if the configuration asks for it.
    pub slice_nanos: Option<Histogram<u64>>,
}

/// What one lane has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneStatistics {
    /// Which one.
    pub lane: Lane,
    /// Threads started so far.
    pub threads: usize,
    /// Calls that wait for a thread.
    pub queued: usize,
    /// Calls under way.
    pub running: usize,
    /// Calls that have ended.
    pub finished: u64,
}

/// What a scheduler has done so far.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// By worker.
    pub workers: Vec<WorkerStatistics>,
    /// By lane.
    pub lanes: Vec<LaneStatistics>,
}
