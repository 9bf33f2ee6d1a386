//! A scheduler: its workers' threads, from their start to their end.
//!
//! Invariant: when `shutdown` has returned, no thread of the scheduler runs any code of the host, except calls in a lane that
//! the report counts.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_queue::SegQueue;
use crossbeam_utils::CachePadded;
use mio::{Poll, Waker};

use crate::config::{Clock, Config};
use crate::core::Core;
use crate::epoch::Epochs;
use crate::ground::Ground;
use crate::host::Host;
use crate::inbox::{Inbox, Message};
use crate::lane::Lanes;
use crate::os::fault::{self, AlternateStack};
use crate::reactor::{Reactor, WAKER};
use crate::remote::{OwnQueues, Remote, Shared, queues};
use crate::sleepers::Sleepers;
use crate::stack::{StackBudget, StackPool};
use crate::statistics::{Statistics, WorkerCounters};
use crate::worker::Worker;

/// How long a shutdown waits for calls in the lanes, which cannot be interrupted.
const LANES_PATIENCE: Duration = Duration::from_secs(5);

/// Runs a host's jobs on a few threads until it is shut down or dropped.
pub struct Scheduler<H: Host> {
    remote: Remote<H>,
    threads: Vec<JoinHandle<()>>,
}

/// How a shutdown went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownReport {
    /// Threads of lanes that are in a call which did not return, and were left behind.
    pub abandoned_threads: usize,
}

/// What a worker is made of on its thread.
struct WorkerParts<H: Host> {
    index: usize,
    reactor: Reactor,
    queues: OwnQueues<H>,
    stacks: StackPool,
    shared: Arc<Shared<H>>,
    seed: u64,
}

impl<H: Host> Scheduler<H> {
    /// Starts the workers.
    pub fn start(config: Config, host: Arc<H>) -> io::Result<Scheduler<H>> {
        let config = config.checked();
        fault::install();
        let sleepers = Arc::new(Sleepers::new(config.workers));
        let mut inboxes = Vec::new();
        let mut reactors = Vec::new();
        for index in 0..config.workers {
            let poll = Poll::new()?;
            let inbox = Arc::new(Inbox::new(index, Arc::clone(&sleepers), Waker::new(poll.registry(), WAKER)?));
            inboxes.push(Arc::clone(&inbox));
            reactors.push(Reactor::new(poll, inbox)?);
        }
        let counters = (0..config.workers).map(|_| CachePadded::new(WorkerCounters::new(config.records_slices)));
        let ground = Arc::new(Ground {
            is_virtual: config.clock != Clock::Real,
            sleepers,
            inboxes: inboxes.into_boxed_slice(),
            epochs: Epochs::new(config.workers),
            lanes: Lanes::new(&config),
            counters: counters.collect(),
            stopping: AtomicBool::new(false),
            clock_holds: AtomicUsize::new(0),
        });
        let (own_queues, stealers) = queues::<H>(config.workers);
        let posts = (0..config.workers).map(|_| SegQueue::new()).collect();
        let injectors = Default::default();
        let left_timers = Mutex::default();
        let remote = Remote(Arc::new(Shared { ground, host, injectors, stealers, posts, left_timers }));
        let budget = Arc::new(StackBudget::new(config.stacks_max));
        let seed = if let Clock::Virtual { seed } = config.clock { seed } else { fastrand::u64(..) };

        // From here on a failure drops the scheduler, which ends the workers that were started.
        let mut scheduler = Scheduler { remote, threads: Vec::new() };
        for (index, (reactor, queues)) in reactors.into_iter().zip(own_queues).enumerate() {
            let stacks = StackPool::new(Arc::clone(&budget), config.stack_bytes);
            let shared = Arc::clone(&scheduler.remote.0);
            let parts = WorkerParts { index, reactor, queues, stacks, shared, seed };
            let thread = thread::Builder::new().name(format!("vega-worker-{index}")).spawn(move || parts.run())?;
            scheduler.threads.push(thread);
        }
        Ok(scheduler)
    }

    /// A handle for other threads.
    pub fn remote(&self) -> &Remote<H> {
        &self.remote
    }

    /// The host.
    pub fn host(&self) -> &H {
        self.remote.host()
    }

    /// What the workers and lanes have done so far.
    pub fn statistics(&self) -> Statistics {
        self.remote.statistics()
    }

    /// Ends the waits of all natives as killed, drops the jobs that are queued, and joins every thread. Called on a thread of
    /// this very scheduler it only tells the workers to end.
    pub fn shutdown(mut self) -> ShutdownReport {
        self.stop()
    }

    fn stop(&mut self) -> ShutdownReport {
        let shared = &self.remote.0;
        let ground = &shared.ground;
        ground.stopping.store(true, Ordering::SeqCst);
        ground.inboxes.iter().for_each(|inbox| inbox.ring());
        let own_thread = thread::current().id();
        if self.threads.iter().any(|thread| thread.thread().id() == own_thread) {
            self.threads.clear();
            ground.lanes.stop(Duration::ZERO);
            return ShutdownReport::default();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker could not be set up or taken down");
            }
        }
        self.forget_cancelled_timers();
        let abandoned_threads = ground.lanes.stop(LANES_PATIENCE);
        for injector in &shared.injectors {
            while !injector.is_empty() {
                drop(injector.steal());
            }
        }
        shared.posts.iter().for_each(|posts| while posts.pop().is_some() {});
        ShutdownReport { abandoned_threads }
    }

    /// Timers that another worker took back are not left over, even where their own worker had stopped before it read so.
    fn forget_cancelled_timers(&self) {
        let shared = &self.remote.0;
        let mut cancelled = HashSet::new();
        for (worker, inbox) in shared.ground.inboxes.iter().enumerate() {
            while let Some(message) = inbox.take() {
                if let Message::CancelTimer(key) = message {
                    cancelled.insert((worker, key));
                }
            }
        }
        let mut left = shared.left_timers.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|(worker, key, _)| !cancelled.contains(&(*worker, *key)));
    }
}

impl<H: Host> Drop for Scheduler<H> {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.stop();
        }
    }
}

impl<H: Host> WorkerParts<H> {
    fn run(self) {
        let alternate_stack = AlternateStack::install();
        if let Err(error) = &alternate_stack {
            tracing::warn!(%error, "overflows of native stacks will end the process");
        }
        let core = Core::new(self.index, Arc::clone(&self.shared.ground), self.reactor, self.stacks);
        let worker = Worker::new(core, self.shared, self.queues, self.seed);
        if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
            // The host's panics never come here, so this is a defect of the scheduler. Without this worker its jobs, runners and
            // timers would hang silently for ever.
            tracing::error!(worker = self.index, "a worker panicked outside the host's code");
            std::process::abort();
        }
    }
}
