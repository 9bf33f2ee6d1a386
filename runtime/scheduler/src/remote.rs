//! A handle to a scheduler for any thread, and what all its workers share.
//!
//! Invariant: whoever adds something to `Shared` wakes a worker that may handle it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_deque::{Injector, Stealer};
use crossbeam_queue::SegQueue;

use crate::ground::Ground;
use crate::host::{Host, Priority};
use crate::inbox::Message;
use crate::native::NativeToken;
use crate::statistics::Statistics;
use crate::timers::TimerKey;

/// Queues of one worker, by priority.
pub(crate) const PRIORITIES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

pub(crate) struct Shared<H: Host> {
    pub(crate) ground: Arc<Ground>,
    pub(crate) host: Arc<H>,
    /// Jobs from outside the workers, by priority.
    pub(crate) injectors: [Injector<H::Job>; 3],
    /// Of each worker, by priority.
    pub(crate) stealers: Stealers<H>,
    /// Messages of the host to each worker.
    pub(crate) posts: Box<[SegQueue<H::Post>]>,
    /// Timers that had not fired when their worker stopped, with its number.
    pub(crate) left_timers: Mutex<Vec<(usize, TimerKey, H::Timer)>>,
}

impl<H: Host> Shared<H> {
    /// Whether any worker's queue, or the injector, has a job.
    pub(crate) fn has_jobs(&self) -> bool {
        self.has_injected() || !self.stealers.iter().flatten().all(Stealer::is_empty)
    }

    /// Whether there is a job from outside the workers.
    pub(crate) fn has_injected(&self) -> bool {
        !self.injectors.iter().all(Injector::is_empty)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.ground.stopping.load(Ordering::Acquire)
    }
}

/// A handle to a scheduler. Any thread may hold one; it keeps no worker alive.
pub struct Remote<H: Host>(pub(crate) Arc<Shared<H>>);

impl<H: Host> Clone for Remote<H> {
    fn clone(&self) -> Remote<H> {
        Remote(Arc::clone(&self.0))
    }
}

impl<H: Host> Remote<H> {
    /// The host that the scheduler runs.
    pub fn host(&self) -> &H {
        &self.0.host
    }

    /// How many workers there are.
    pub fn worker_count(&self) -> usize {
        self.0.posts.len()
    }

    /// Gives a job to whichever worker looks first. After the shutdown it is dropped.
    pub fn push(&self, job: H::Job, priority: Priority) {
        if self.0.is_stopping() {
            return;
        }
        self.0.injectors[priority as usize].push(job);
        if !self.0.ground.wake_searcher() {
            self.0.ground.wake_resting();
        }
    }

    /// Gives a message to one worker's [`posted`](Host::posted). After the shutdown it is dropped with the scheduler.
    pub fn post(&self, worker_index: usize, post: H::Post) {
        self.0.posts[worker_index].push(post);
        self.0.ground.inboxes[worker_index].ring();
    }

    /// Makes every wait of that native call fail from now on, until its guard is dropped. Nothing happens if it is over.
    pub fn cancel_native(&self, token: NativeToken) {
        let (runner, native) = (token.runner, token.native);
        self.0.ground.inboxes[token.worker()].send(Message::CancelNative { runner, native });
    }

    /// After the shutdown: the timers that were neither fired nor cancelled. Gives each once.
    pub fn take_left_timers(&self) -> Vec<H::Timer> {
        let left = std::mem::take(&mut *self.0.left_timers.lock().unwrap_or_else(PoisonError::into_inner));
        left.into_iter().map(|(_, _, timer)| timer).collect()
    }

    /// Keeps virtual time from moving while the result lives: for a thread that is about to push something.
    pub fn hold_clock(&self) -> ClockHold {
        self.0.ground.clock_holds.fetch_add(1, Ordering::SeqCst);
        ClockHold(Arc::clone(&self.0.ground))
    }

    /// What the workers and lanes have done so far.
    pub fn statistics(&self) -> Statistics {
        let workers = self.0.ground.counters.iter().map(|counters| counters.snapshot()).collect();
        Statistics { workers, lanes: self.0.ground.lanes.statistics() }
    }
}

/// Virtual time stands still while it lives.
pub struct ClockHold(Arc<Ground>);

impl Drop for ClockHold {
    fn drop(&mut self) {
        self.0.clock_holds.fetch_sub(1, Ordering::SeqCst);
        self.0.inboxes.iter().for_each(|inbox| inbox.ring());
    }
}

/// A worker's own ends of its queues, by priority.
pub(crate) type OwnQueues<H> = [crossbeam_deque::Worker<<H as Host>::Job>; 3];

/// The stealing ends of every worker's queues, by worker and priority.
pub(crate) type Stealers<H> = Box<[[Stealer<<H as Host>::Job>; 3]]>;

/// Makes the queues of so many workers, and the stealing ends of them.
pub(crate) fn queues<H: Host>(workers: usize) -> (Vec<OwnQueues<H>>, Stealers<H>) {
    let own: Vec<OwnQueues<H>> = (0..workers).map(|_| PRIORITIES.map(|_| crossbeam_deque::Worker::new_fifo())).collect();
    let stealers = own.iter().map(|queues| queues.each_ref().map(crossbeam_deque::Worker::stealer)).collect();
    (own, stealers)
}
