//! Which job a worker runs next: one brought from elsewhere, its queues by weight and who overtakes them, the injector now and then, and
//! other workers' queues.
//!
//! Invariant: every job that is pushed is taken within a bounded number of slices of some worker, whatever is pushed after it.

use crossbeam_deque::{Steal, Worker as Queue};

use super::Worker;
use super::overtakers::LONG_QUEUE;
use super::search::Spent;
use crate::host::{Host, Priority};
use crate::os::thread_time;

/// Every so many jobs the injector goes first, or what comes from outside would wait for ever behind busy queues. Prime, so
/// that it meets no rhythm of the priorities.
const INJECTOR_INTERVAL: u32 = 61;
/// Every so many jobs the lower priorities go first.
const NORMAL_INTERVAL: u32 = 8;
const LOW_INTERVAL: u32 = 64;
/// How often a steal that met another one is tried again before the search moves on.
const STEAL_RETRIES_MAX: usize = 8;
/// How far from the front a permuting worker takes its next job.
const PERMUTED_DEPTH: usize = 8;

use Priority::{High, Low, Normal};

impl<H: Host> Worker<H> {
    /// Takes the next job of this worker's own queues, or of the injector.
    #[inline]
    pub(super) fn take_job(&self) -> Option<H::Job> {
        let turn = self.turns.get().wrapping_add(1);
        self.turns.set(turn);
        if turn.is_multiple_of(INJECTOR_INTERVAL)
            && let Some(job) = self.take_injected()
        {
            return Some(job);
        }
        let job = if self.has_aside.get() { self.take_beside(turn) } else { self.take_queued(turn) };
        job.or_else(|| self.take_injected())
    }

    /// Takes a job of the queues, where nothing is aside.
    #[inline]
    fn take_queued(&self, turn: u32) -> Option<H::Job> {
        order(turn).into_iter().find_map(|priority| {
            if self.permutes {
                self.permute(priority);
            }
            self.queues[priority as usize].pop()
        })
    }

    /// Takes the next job where one was brought, or there are overtakers.
    #[cold]
    #[inline(never)]
    fn take_beside(&self, turn: u32) -> Option<H::Job> {
        if let Some(job) = self.brought.take() {
            self.has_aside.set(!self.overtakers.is_empty());
            return Some(job);
        }
        order(turn).into_iter().find_map(|priority| {
            if self.permutes {
                self.permute(priority);
            }
            let queue = &self.queues[priority as usize];
            if priority != Normal {
                return queue.pop();
            }
            let job = self.overtakers.take(queue);
            if queue.is_empty() {
                self.share_overtakers();
            }
            self.has_aside.set(!self.overtakers.is_empty());
            job
        })
    }

    /// Pushes a job that has waited, where its queue is long or another job is aside.
    #[cold]
    #[inline(never)]
    pub(super) fn push_aside(&self, job: H::Job, priority: Priority) {
        let queue = &self.queues[priority as usize];
        if priority == Normal && (queue.len() > LONG_QUEUE || !self.overtakers.is_empty()) {
            // Who waits again and again lives long, and so is worth moving where another worker has nothing to do.
            if !self.overtakers.is_empty() && !self.permutes && self.core.ground.sleepers.someone_is_idle() {
                return self.remote.push(job, priority);
            }
            self.overtakers.push(job, queue);
            self.has_aside.set(true);
        } else {
            queue.push(job);
        }
        self.pushed.set(true);
    }

    /// Where only overtakers are left, moves some of them to the queue, where others may steal them.
    #[cold]
    #[inline(never)]
    fn share_overtakers(&self) {
        if self.overtakers.share(&self.queues[Normal as usize]) {
            self.pushed.set(true);
        }
    }

    /// Gives all jobs aside to whichever worker looks first: this one can run none.
    pub(super) fn give_aside(&self) {
        self.has_aside.set(false);
        if let Some(job) = self.brought.take() {
            self.remote.push(job, High);
        }
        while let Some(job) = self.overtakers.pop() {
            self.remote.push(job, Normal);
        }
    }

    /// Turns the queue by a chosen number of places, so that another of its first jobs is at the front.
    fn permute(&self, priority: Priority) {
        let queue = &self.queues[priority as usize];
        let places = queue.len().min(PERMUTED_DEPTH);
        if places < 2 {
            return;
        }
        for _ in 0..self.random.borrow_mut().usize(..places) {
            if let Some(job) = queue.pop() {
                queue.push(job);
            }
        }
    }

    /// How much of a slice a job may use: all of `most`, and where the order is permuted a chosen part, most often a small one, so that
    /// the places where jobs are interrupted vary too.
    #[inline]
    pub fn slice_length(&self, most: u32) -> u32 {
        if self.permutes { self.permuted_length(most) } else { most }
    }

    #[cold]
    fn permuted_length(&self, most: u32) -> u32 {
        let mut random = self.random.borrow_mut();
        let longest = most >> random.u32(0..=most.max(1).ilog2());
        random.u32(1..=longest.max(1))
    }

    /// Takes one job from the injector, and some more to the own queues where they are not long.
    fn take_injected(&self) -> Option<H::Job> {
        [High, Normal, Low].into_iter().find_map(|priority| {
            let (injector, queue) = (&self.shared.injectors[priority as usize], &self.queues[priority as usize]);
            if injector.is_empty() {
                return None;
            }
            if queue.len() > LONG_QUEUE {
                // The others of a batch would stand behind all of them.
                return steal(|| injector.steal());
            }
            steal(|| injector.steal_batch_and_pop(queue))
        })
    }

    /// Whether the own queues have a job.
    pub(super) fn has_queued(&self) -> bool {
        self.has_aside.get() || self.queues.iter().any(|queue| !queue.is_empty())
    }

    /// Jobs in the own queues and those that overtake them.
    pub(super) fn queued(&self) -> usize {
        self.queues.iter().map(Queue::len).sum::<usize>() + self.overtakers.len()
    }

    /// Brings jobs of the injector or of another worker to the own queues. True if there are any now.
    pub(super) fn find_elsewhere(&self) -> bool {
        if let Some(job) = self.take_injected() {
            // It runs at once: it was at the front.
            self.bring(job);
            return true;
        }
        let workers = self.shared.stealers.len();
        if workers == 1 {
            // Nobody to steal from; and how often an only worker looks must not change the order it runs things in.
            return false;
        }
        if self.search_log.is_resting(self.core.now.get(), || self.spent()) {
            return false;
        }
        let first = self.random.borrow_mut().usize(..workers);
        [High, Normal, Low].into_iter().any(|priority| {
            (0..workers).map(|offset| (first + offset) % workers).filter(|&victim| victim != self.core.index).any(|victim| {
                let stealer = &self.shared.stealers[victim][priority as usize];
                let Some(job) = steal(|| stealer.steal_batch_and_pop(&self.queues[priority as usize])) else {
                    return false;
                };
                self.bring(job);
                self.counters().steals.add(1);
                self.search_log.found(self.spent());
                true
            })
        })
    }

    /// Makes a job from elsewhere the next one, where the own queues are empty.
    fn bring(&self, job: H::Job) {
        self.brought.set(Some(job));
        self.has_aside.set(true);
    }

    /// What this worker has spent so far.
    pub(super) fn spent(&self) -> Spent {
        Spent { used: thread_time(), jobs: self.turns.get() }
    }

    /// Wakes a sleeper for work that this worker will not come to at once: when more than `own` jobs are queued.
    pub(super) fn offer(&self, own: usize) {
        if self.has_aside.get() {
            self.share_overtakers();
        }
        self.pushed.set(false);
        let queued: usize = self.queues.iter().map(Queue::len).sum();
        if queued >= own && self.core.ground.wake_searcher() {
            self.counters().wakes.add(1);
        }
    }
}

/// The order in which the priorities have their turn.
#[inline]
fn order(turn: u32) -> [Priority; 3] {
    if turn.is_multiple_of(LOW_INTERVAL) {
        [Low, Normal, High]
    } else if turn.is_multiple_of(NORMAL_INTERVAL) {
        [Normal, High, Low]
    } else {
        [High, Normal, Low]
    }
}

/// Steals, trying again when another thief was in the way.
fn steal<T>(attempt: impl Fn() -> Steal<T>) -> Option<T> {
    for _ in 0..STEAL_RETRIES_MAX {
        match attempt() {
            Steal::Success(stolen) => return Some(stolen),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
    None
}
