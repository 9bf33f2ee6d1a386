//! The main loop of a worker, on its own stack: housekeeping, runners whose wait has ended, then slices on a free runner.
//!
//! Invariant: the main loop never waits except in the poll, and runs no code of the host that may wait.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

use corosensei::CoroutineResult;
use crossbeam_deque::Worker as Queue;

use super::Worker;
use crate::host::Host;
use crate::inbox::Message;
use crate::os::fault;
use crate::runner::{Exit, Resume, Runner, RunnerCoroutine, RunnerYielder, Wake, Yielded};
use crate::statistics::{WorkerCounters, record};
use crate::time::Instant;

/// Reductions of all slices between two looks at the clock: about one full slice.
const CREDIT: i64 = 4_000;
/// What each slice counts besides its reductions, so that at most sixteen short ones go by between two looks.
const SLICE_REDUCTIONS: i64 = 250;
/// A busy worker looks at its sockets this often.
const POLL_INTERVAL: Duration = Duration::from_micros(100);
/// A worker gives back what no runner needed for so long.
pub(super) const TRIM_INTERVAL: Duration = Duration::from_millis(50);
/// Runners without work that are kept for the next slices; others end.
const IDLE_RUNNERS_MAX: usize = 4;
/// Timers fired at one go, so that a timer which sets another at once cannot hold the worker.
const TIMERS_PER_TURN: usize = 1_024;

/// Messages of each kind handled at one go, so that a flood of them cannot hold the worker.
const MESSAGES_PER_TURN: usize = 1_024;

impl<H: Host> Worker<H> {
    /// Runs until the scheduler stops.
    pub(crate) fn run(&self) {
        self.core.enter_thread(self);
        self.epoch.set(self.core.ground.epochs.enter(self.core.index));
        while !self.shared.is_stopping() {
            self.keep_house();
            let resumed = self.resume_ready();
            if !self.run_jobs() && !resumed {
                self.idle();
            }
        }
        self.stop();
        self.core.ground.epochs.leave(self.core.index);
        self.core.leave_thread();
    }

    pub(super) fn counters(&self) -> &WorkerCounters {
        &self.core.ground.counters[self.core.index]
    }

    /// Reads the clock, and sees to everything that is due.
    fn keep_house(&self) {
        let now = self.core.read_clock();
        self.credit.set(CREDIT);
        if self.core.inbox.take_filled() {
            self.read_inbox();
        }
        self.fire_timers(now);
        if self.core.is_virtual || now.since(self.last_poll.get()) >= POLL_INTERVAL {
            self.last_poll.set(now);
            if self.core.reactor.has_sources() {
                self.core.poll_now();
            }
            self.publish();
        }
        if now.since(self.last_trim.get()) >= TRIM_INTERVAL {
            self.trim(now);
        }
    }

    pub(super) fn trim(&self, now: Instant) {
        self.last_trim.set(now);
        self.core.stacks.borrow_mut().trim();
    }

    fn read_inbox(&self) {
        self.stalled.set(false);
        for _ in 0..MESSAGES_PER_TURN {
            let Some(message) = self.core.inbox.take() else { break };
            match message {
                Message::Ready(key) => self.core.wake(key, Wake::Ready),
                Message::FreeSource(token) => self.core.reactor.free_token(token),
                Message::CancelNative { runner, native } => self.core.cancel_native(runner, native),
                Message::CancelTimer(key) => drop(self.timers.borrow_mut().cancel(key)),
            }
        }
        let posts = &self.shared.posts[self.core.index];
        for _ in 0..MESSAGES_PER_TURN {
            let Some(post) = posts.pop() else { break };
            self.call_host(|host| host.posted(post, self));
        }
        if !posts.is_empty() || !self.core.inbox.is_empty() {
            // The rest after a slice.
            self.core.inbox.ring();
        }
    }

    fn fire_timers(&self, now: Instant) {
        for _ in 0..TIMERS_PER_TURN {
            // Under the virtual clock both kinds of timers share one order.
            let (wait, timer) = (self.core.waits.borrow().first_exact(), self.timers.borrow().first_exact());
            let timer_first = matches!((wait, timer), (Some(wait), Some(timer)) if timer < wait);
            if !timer_first {
                let due = self.core.waits.borrow_mut().pop_due(now);
                if let Some(key) = due {
                    self.core.wake(key, Wake::TimedOut);
                    continue;
                }
            }
            let due = self.timers.borrow_mut().pop_due(now);
            let Some(timer) = due else { return };
            self.counters().timers_fired.add(1);
            self.call_host(|host| host.timer_fired(timer, self));
        }
    }

    /// Calls the host on the worker's own stack.
    pub(super) fn call_host(&self, call: impl FnOnce(&H)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(self.host()))) {
            self.tell_panic(None, payload);
        }
    }

    fn tell_panic(&self, token: Option<u64>, payload: Box<dyn Any + Send>) {
        self.counters().panics.add(1);
        let told = catch_unwind(AssertUnwindSafe(|| self.host().panicked(token, payload, self)));
        if told.is_err() {
            tracing::error!(?token, "the host panicked when it was told of a panic");
        }
    }

    /// Publishes the counters that slices only add up locally.
    pub(super) fn publish(&self) {
        let counters = self.counters();
        counters.slices.add(self.slices.take());
        counters.reductions.add(self.reductions.take());
        counters.native_waits.set(self.core.native_waits.get());
        let in_use = self.core.stacks.borrow().in_use() as u64;
        counters.stacks_in_use.set(in_use);
        let free = self.idle_runners.borrow().len() as u64;
        counters.runners_parked.set(in_use.saturating_sub(free));
    }

    /// Resumes the runners whose wait had ended when this began. True if there were any.
    fn resume_ready(&self) -> bool {
        let count = self.core.ready.borrow().len();
        for _ in 0..count {
            let first = self.core.ready.borrow_mut().pop_front();
            let Some(runner) = first.and_then(|index| self.core.runner(index)) else {
                break;
            };
            self.end_search();
            self.resume(runner, Resume::Run);
        }
        count > 0
    }

    /// Runs slices on a free runner, if there is a job and a runner for it.
    fn run_jobs(&self) -> bool {
        if !self.has_queued() && !self.search() {
            return false;
        }
        self.end_search();
        let Some(runner) = self.free_runner() else {
            return false;
        };
        self.resume(runner, Resume::Run);
        true
    }

    /// A runner that may run any slice, a new one if need be; none while the stacks are used up.
    fn free_runner(&self) -> Option<&Runner> {
        let idle = self.idle_runners.borrow_mut().pop();
        if let Some(index) = idle {
            return self.core.runner(index);
        }
        let taken = self.core.stacks.borrow_mut().take();
        let stack = match taken {
            Ok(stack) => stack?,
            Err(error) => {
                tracing::warn!(%error, "no memory for another stack; jobs wait for a free runner");
                return None;
            }
        };
        let runner = self.core.runner(self.core.take_runner())?;
        runner.stack_limit.set(self.core.stacks.borrow().usable_limit(&stack));
        let (worker, place): (*const Worker<H>, *const Runner) = (self, runner);
        let coroutine = RunnerCoroutine::with_stack(stack, move |yielder, resume| {
            // SAFETY: the worker ends its coroutines before it goes away, and runners live as long as the worker; all of it
            // happens on one thread. The closure holds pointers, since an overflow would never drop what it owned.
            let (worker, runner) = unsafe { (&*worker, &*place) };
            worker.life(runner, yielder, resume)
        });
        runner.coroutine.replace(Some(coroutine));
        Some(runner)
    }

    /// What a runner does, on its coroutine.
    fn life(&self, runner: &Runner, yielder: &RunnerYielder, first: Resume) -> Exit {
        runner.yielder.set(yielder);
        let mut resume = first;
        while resume == Resume::Run {
            self.run_slices(runner);
            resume = yielder.suspend(Yielded::Idle);
        }
        Exit::Finished
    }

    /// Runs slices until there are none or the worker's own stack is needed.
    fn run_slices(&self, runner: &Runner) {
        while !self.core.stopping.get() {
            let Some(job) = self.take_job() else { return };
            runner.token.set(self.host().token(&job));
            let started = self.core.ground.counters[self.core.index].recorded.as_ref().map(|_| self.core.read_clock());
            let outcome = catch_unwind(AssertUnwindSafe(|| self.host().run(job, self)));
            let reductions = outcome.unwrap_or_else(|payload| {
                runner.leave_native();
                self.tell_panic(Some(runner.token.get()), payload);
                0
            });
            if let Some(started) = started {
                self.record_slice(started);
            }
            if self.end_slice(reductions) {
                return;
            }
        }
    }

    #[cold]
    fn record_slice(&self, started: Instant) {
        let nanos = u64::try_from(self.core.read_clock().since(started).as_nanos()).unwrap_or(u64::MAX);
        if let Some(recorded) = &self.counters().recorded
            && let Ok(mut recorded) = recorded.lock()
        {
            record(&mut recorded.slice_nanos, nanos);
            record(&mut recorded.queue_lengths, self.queued() as u64);
        }
    }

    /// True if the worker's own stack is needed: something is due, or has come.
    #[inline]
    fn end_slice(&self, reductions: u32) -> bool {
        self.slices.set(self.slices.get() + 1);
        self.reductions.set(self.reductions.get() + u64::from(reductions));
        self.announce_epoch();
        if self.pushed.get() && self.core.ground.sleepers.someone_sleeps() {
            // One job is this worker's own next one.
            self.offer(2);
        }
        let credit = self.credit.get() - i64::from(reductions) - SLICE_REDUCTIONS;
        self.credit.set(credit);
        credit <= 0 || self.core.inbox.is_filled() || !self.core.ready.borrow().is_empty()
    }

    #[inline]
    fn announce_epoch(&self) {
        self.epoch.set(self.core.ground.epochs.slice_ended(self.core.index, self.epoch.get()));
    }

    /// Goes on with a runner until it gives the thread back.
    fn resume(&self, runner: &Runner, resume: Resume) {
        self.stalled.set(false);
        if runner.in_slice.get() {
            self.call_host(|host| host.resumed(runner.token.get(), self));
        }
        let result = {
            let mut place = runner.coroutine.borrow_mut();
            let Some(coroutine) = place.as_mut() else {
                return;
            };
            fault::watch(Some(coroutine.trap_handler()));
            self.core.current.set(runner);
            let result = catch_unwind(AssertUnwindSafe(|| coroutine.resume(resume)));
            self.core.current.set(std::ptr::null());
            fault::watch(None);
            result
        };
        match result {
            Ok(CoroutineResult::Yield(Yielded::Parked)) => {
                runner.in_slice.set(true);
                // A waiting native counts as between slices, or a worker that never runs out of those would hold epochs up.
                self.announce_epoch();
                self.call_host(|host| host.suspending(runner.token.get(), self));
            }
            Ok(CoroutineResult::Yield(Yielded::Idle)) => {
                runner.in_slice.set(false);
                self.keep_or_end(runner);
            }
            Ok(CoroutineResult::Return(Exit::Finished)) => self.core.retire_runner(runner),
            Ok(CoroutineResult::Return(Exit::Overflowed)) => {
                self.core.retire_runner(runner);
                self.counters().overflows.add(1);
                self.call_host(|host| host.overflowed(runner.token.get(), self));
            }
            Err(payload) => {
                self.core.retire_runner(runner);
                self.tell_panic(Some(runner.token.get()), payload);
            }
        }
    }

    fn keep_or_end(&self, runner: &Runner) {
        let idle = self.idle_runners.borrow().len();
        if idle < IDLE_RUNNERS_MAX && !self.core.stopping.get() {
            self.idle_runners.borrow_mut().push(runner.index);
        } else {
            self.resume(runner, Resume::Finish);
        }
    }

    /// Ends every runner. Natives that wait are told that they were killed; each wait they try after that fails too.
    fn stop(&self) {
        self.core.stopping.set(true);
        let runners = (0..self.core.runner_count()).filter_map(|index| self.core.runner(index));
        runners.for_each(|runner| self.core.kill_wait(runner));
        while self.resume_ready() {}
        let idle = self.idle_runners.take();
        for runner in idle.into_iter().filter_map(|index| self.core.runner(index)) {
            self.resume(runner, Resume::Finish);
        }
        for runner in (0..self.core.runner_count()).filter_map(|index| self.core.runner(index)) {
            // None is left unless a native suspended in a way of its own; dropping its coroutine unwinds it.
            runner.coroutine.take();
        }
        self.drop_jobs();
        let left = self.timers.borrow_mut().take_all().into_iter().map(|(key, timer)| (self.core.index, key, timer));
        self.shared.left_timers.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
        self.publish();
    }

    /// Drops what is queued. Dropping a job may queue another one.
    fn drop_jobs(&self) {
        loop {
            let aside = self.brought.take().or_else(|| self.overtakers.pop());
            let Some(job) = aside.or_else(|| self.queues.iter().find_map(Queue::pop)) else { return };
            self.call_host(|_| drop(job));
        }
    }
}
