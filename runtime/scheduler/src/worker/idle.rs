//! What a worker does without work: search, let virtual time move, sleep.
//!
//! Invariant: a worker sleeps only after it announced itself as a sleeper and then found every place of work empty.

use std::sync::atomic::Ordering;

use super::Worker;
use super::turn::TRIM_INTERVAL;
use crate::host::Host;
use crate::sleepers::Woken;
use crate::time::Instant;

impl<H: Host> Worker<H> {
    /// Looks for jobs elsewhere. True if the own queues have some now.
    pub(super) fn search(&self) -> bool {
        if !self.may_run() {
            return false;
        }
        if !self.searching.get() {
            self.searching.set(self.core.ground.sleepers.begin_search());
        }
        self.find_elsewhere()
    }

    /// Says that this worker has something to do, so that producers wake others from now on.
    #[inline]
    pub(super) fn end_search(&self) {
        self.search_log.busy();
        if self.searching.replace(false) && self.core.ground.sleepers.end_search(|| self.shared.has_jobs()) {
            self.core.ground.wake_searcher();
        }
    }

    /// Whether a job could run here now: there is a free runner, or a stack for one.
    fn may_run(&self) -> bool {
        !self.idle_runners.borrow().is_empty() || self.core.stacks.borrow().may_take()
    }

    /// Sleeps until there is something to do.
    pub(super) fn idle(&self) {
        let may_run = self.may_run();
        if !may_run && self.has_queued() {
            self.give_aside();
            self.offer(1);
        }
        if self.core.is_virtual && self.move_time() {
            return;
        }
        self.publish();
        let (sleepers, index) = (&self.core.ground.sleepers, self.core.index);
        let rest = self.search_log.rest_from(self.core.read_clock(), || self.spent());
        let asleep = match rest {
            Some(_) => sleepers.rest(index, self.searching.take(), || self.has_message()),
            None => sleepers.park(index, self.searching.take(), || self.has_work(may_run)),
        };
        let woken = match asleep {
            Ok(()) => {
                self.sleep(rest);
                sleepers.unpark(index)
            }
            Err(woken) => woken,
        };
        self.searching.set(woken == Woken::ToSearch);
        if woken == Woken::ToSearch {
            self.search_log.called();
        }
    }

    /// Whether there is something that does not wait for the end of a rest: messages to this worker, and jobs from outside.
    fn has_message(&self) -> bool {
        let woken = self.core.inbox.is_filled() || !self.core.ready.borrow().is_empty();
        woken || self.shared.is_stopping() || self.shared.has_injected()
    }

    fn has_work(&self, may_run: bool) -> bool {
        let woken = self.core.inbox.is_filled() || !self.core.ready.borrow().is_empty();
        woken || self.shared.is_stopping() || (may_run && self.shared.has_jobs())
    }

    fn sleep(&self, rest: Option<Instant>) {
        self.counters().sleeps.add(1);
        let ground = &self.core.ground;
        ground.epochs.leave(self.core.index);
        let now = self.core.now.get();
        let until = if self.core.is_virtual { None } else { [self.next_look(now), rest].into_iter().flatten().min() };
        self.core.reactor.sleep(until, now, |key| self.core.wake(key, crate::runner::Wake::Ready));
        self.epoch.set(ground.epochs.enter(self.core.index));
    }

    /// When the worker has to look at something again though nobody wakes it.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        let trim = self.core.stacks.borrow().may_trim().then_some(now + TRIM_INTERVAL);
        let looks = [self.core.waits.borrow().next_look(), self.timers.borrow().next_look(), trim];
        looks.into_iter().flatten().min()
    }

    /// Lets virtual time move to the next deadline, if nothing is left to do at the present one.
    fn move_time(&self) -> bool {
        let ground = &self.core.ground;
        let held = self.core.outside_waits.get() > 0 || ground.clock_holds.load(Ordering::SeqCst) > 0;
        if held || self.has_work(true) || self.has_queued() {
            return false;
        }
        let (wait, timer) = (self.core.waits.borrow().first_exact(), self.timers.borrow().first_exact());
        let next = [wait, timer].into_iter().flatten().map(|(deadline, _)| deadline).min();
        match next {
            Some(deadline) if deadline != Instant::NEVER => {
                self.core.now.set(self.core.now.get().max(deadline));
                self.stalled.set(false);
                true
            }
            // Once for each time that it comes to a halt.
            _ if !self.stalled.replace(true) => {
                self.call_host(|host| host.stalled(self));
                true
            }
            _ => false,
        }
    }
}
