//! What the workers and lanes have done so far.
//!
//! Invariant: each counter has one writer, its worker, so it is raised by a load and a store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;

use crate::lane::Lane;
use crate::native::now;

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
    pub(crate) reductions: Counter,
    pub(crate) steals: Counter,
    pub(crate) sleeps: Counter,
    pub(crate) wakes: Counter,
    pub(crate) timers_fired: Counter,
    pub(crate) native_waits: Counter,
    pub(crate) stacks_in_use: Counter,
    pub(crate) runners_parked: Counter,
    pub(crate) panics: Counter,
    pub(crate) overflows: Counter,
    /// What is recorded with each slice, if that is asked for.
    pub(crate) recorded: Option<Mutex<Recorded>>,
}

/// What a worker records with each slice.
pub(crate) struct Recorded {
    pub(crate) slice_nanos: Histogram<u64>,
    pub(crate) queue_lengths: Histogram<u64>,
}

impl WorkerCounters {
    pub(crate) fn new(records_slices: bool) -> WorkerCounters {
        let recorded = records_slices.then(|| Mutex::new(Recorded { slice_nanos: histogram(), queue_lengths: histogram() }));
        WorkerCounters { recorded, ..WorkerCounters::default() }
    }

    pub(crate) fn snapshot(&self) -> WorkerStatistics {
        let recorded = self.recorded.as_ref().and_then(|recorded| recorded.lock().ok());
        WorkerStatistics {
            slices: self.slices.get(),
            reductions: self.reductions.get(),
            steals: self.steals.get(),
            sleeps: self.sleeps.get(),
            wakes: self.wakes.get(),
            timers_fired: self.timers_fired.get(),
            native_waits: self.native_waits.get(),
            stacks_in_use: self.stacks_in_use.get(),
            runners_parked: self.runners_parked.get(),
            panics: self.panics.get(),
            overflows: self.overflows.get(),
            slice_nanos: recorded.as_ref().map(|recorded| recorded.slice_nanos.clone()),
            queue_lengths: recorded.as_ref().map(|recorded| recorded.queue_lengths.clone()),
        }
    }
}

/// Significant digits of what is recorded.
const HISTOGRAM_DIGITS: u8 = 2;

fn histogram() -> Histogram<u64> {
    Histogram::new(HISTOGRAM_DIGITS).expect("the number of digits is within the library's bounds")
}

/// Records a value. The histogram grows with it, which the clamping of `saturating_record` does not do.
pub(crate) fn record(histogram: &mut Histogram<u64>, value: u64) {
    // A histogram that grows by itself takes every number.
    let _ = histogram.record(value);
}

/// Samples how long jobs wait from being pushed to being run: of each worker's pushes one at a time, the next once that one runs.
///
/// Invariant: a place whose job is not zero belongs to the sample of that job; whoever takes it back to zero records it.
pub struct WaitSampler {
    places: Box<[CachePadded<WaitPlace>]>,
    nanos: Mutex<Histogram<u64>>,
}

#[derive(Default)]
struct WaitPlace {
    /// The job that is waited for; zero for none.
    job: AtomicU64,
    /// When it was pushed, in nanoseconds of the scheduler's clock.
    since: AtomicU64,
}

impl WaitSampler {
    /// For so many workers.
    pub fn new(workers: usize) -> WaitSampler {
        WaitSampler { places: (0..workers).map(|_| CachePadded::default()).collect(), nanos: Mutex::new(histogram()) }
    }

    /// That worker has pushed the job of this token, which is not zero.
    pub fn pushed(&self, worker: usize, job: u64) {
        if let Some(place) = self.places.get(worker)
            && place.job.load(Ordering::Relaxed) == 0
        {
            place.since.store(now().as_nanos(), Ordering::Relaxed);
            // Publishes the moment; only this worker fills the place.
            place.job.store(job, Ordering::Release);
        }
    }

    /// The job of this token runs now.
    pub fn runs(&self, job: u64) {
        for place in &self.places {
            if place.job.load(Ordering::Acquire) == job {
                let waited = now().as_nanos().saturating_sub(place.since.load(Ordering::Relaxed));
                if let Ok(mut nanos) = self.nanos.lock() {
                    record(&mut nanos, waited);
                }
                place.job.store(0, Ordering::Release);
            }
        }
    }

    /// Nanoseconds of each wait that was sampled.
    pub fn nanos(&self) -> Histogram<u64> {
        self.nanos.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What one worker has done so far; a little behind while it is busy.
#[derive(Clone, Debug)]
pub struct WorkerStatistics {
    /// Slices of jobs run.
    pub slices: u64,
    /// Reductions that they spent.
    pub reductions: u64,
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
    /// Jobs in the worker's queues after each slice, if the configuration asks for it.
    pub queue_lengths: Option<Histogram<u64>>,
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
