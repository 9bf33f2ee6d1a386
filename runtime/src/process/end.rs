//! The end of a process: everybody who is to know is told, and everything is given back.
//!
//! Invariant: the mailbox closes first, so nothing is lost in it; then links and monitors are told, each once.

use super::block::{Extension, Monitoring, Watched};
use super::mail::Mail;
use super::room::forget_waiter;
use super::signal::{Signal, take_signal};
use super::trace::stack_trace;
use super::turn::Turn;
use super::{ExitReason, Pid};
use crate::error::Error;
use crate::supervisor::Ending;
use crate::value::Value;
use crate::value::copy::Message;
use crate::value::heap;
use crate::world::{MainEnd, Report};

/// What a process came to.
pub(crate) enum End<'a> {
    /// It returned.
    Returned(&'a Value),
    /// Nothing caught this error.
    Failed(&'a Error),
    /// It was ended, or ended itself.
    Stopped,
}

impl Turn<'_> {
    /// Drops the last that was the process's. Of the bytes that it held when all else was gone, `left`, none may be left then.
    pub(crate) fn discard<T>(&self, value: T, left: isize) {
        let ((), freed) = heap::detached(|| drop(value));
        self.world.count_lost(left + freed);
    }

    /// Ends the process: tells everybody who is to know, and gives everything back. Returns the bytes of values that its account still
    /// holds: those of what the caller has of it.
    pub(crate) fn end(&self, reason: ExitReason, end: End<'_>) -> isize {
        let pid = self.process.pid();
        self.process.state.begin_exit();
        if self.process.is_named() {
            self.world.names.forget(pid);
        }
        self.disarm_timer();
        // The last mail: whoever linked or monitored until now is told the reason like the others.
        self.take_mail();
        let (inbox, mut kin) = self.life().inbox_and_kin();
        self.process.mailbox.close(inbox);
        let mut opened = 0;
        while let Some(mail) = inbox.pop(&self.process.mailbox) {
            match mail {
                Mail::Signal(Signal::Describe { to, question }) => self.answer(&to, question, false),
                Mail::Signal(Signal::WantsNoRoom { from, bytes }) => {
                    forget_waiter(from, bytes, &self.process.mailbox, kin.extension.as_deref_mut());
                }
                Mail::Signal(signal) => {
                    take_signal(&mut kin, signal, pid);
                }
                Mail::Opened(value) => opened += heap::detached(|| drop(value)).1,
                Mail::User(_) | Mail::Several(_) | Mail::Notice(_) | Mail::Port(..) => {}
            }
        }
        let mut extension = kin.extension.take();
        let watchers = std::mem::take(kin.watchers);
        self.tell_ending(extension.as_deref_mut(), pid, &reason, &end);
        // While there is a process: it may be its own mailbox at which it waits.
        self.end_asking(extension.as_mut().and_then(|extension| extension.asking.take()));
        let outer = heap::enter(self.life().account);
        // SAFETY: this worker owns the process and has no reference into it any more: `inbox` was last used above.
        unsafe { self.process.clear() };
        let left = heap::enter(outer).used + opened;
        if let Some(extension) = &mut extension {
            for (link, ()) in std::mem::take(&mut extension.links).into_entries() {
                self.world.signal(link, Signal::Exit { from: pid, reason: reason.clone(), linked: true }, self.worker);
            }
            for (_, child) in std::mem::take(&mut extension.slot_links).into_entries() {
                child.linked_ended(pid, &reason, self);
            }
        }
        if watchers.is_none() && extension.is_none() {
            self.give_back(pid);
            return left;
        }
        if let Some(extension) = &mut extension {
            // After the slot that it lived in knows: who waits then offers to its next life.
            if let Some(waiters) = extension.waiters.take() {
                waiters.send_away(self.world, self.worker);
            }
        }
        for (monitor, watcher) in watchers.into_entries() {
            self.world.signal(watcher, Signal::Down { monitor, process: pid, reason: reason.clone() }, self.worker);
        }
        if let Some(extension) = extension {
            self.forget_others(*extension);
        }
        self.give_back(pid);
        left
    }

    /// Leaves the slot to the next process.
    #[inline]
    fn give_back(&self, pid: Pid) {
        self.process.state.end_exit();
        self.world.table.give_back(pid, &mut self.worker.local().free.borrow_mut(), self.worker);
    }

    /// Tells whoever waits for the result; reports what nobody waits for.
    fn tell_ending(&self, mut extension: Option<&mut Extension>, pid: Pid, reason: &ExitReason, end: &End<'_>) {
        if extension.is_none() && !matches!(end, End::Failed(_)) {
            return;
        }
        let module = self.world.program().loaded.module();
        let trace = || match end {
            End::Failed(error) => stack_trace(error.trace(), module, self.world.limits.trace_lines),
            End::Returned(_) | End::Stopped => Vec::new(),
        };
        let result = || match end {
            End::Returned(value) => Some(Message::copy_of(value)),
            End::Failed(error) => Some(Message::copy_of(&Value::from((*error).clone()))),
            End::Stopped => None,
        };
        match extension.as_mut().and_then(|extension| extension.ending.take()) {
            Some(Ending::Main) => {
                // Nothing new begins while what the program left is stopped.
                self.world.set_draining(true);
                if self.world.draws_tree {
                    self.world.stderr.write(crate::supervisor::draw(self).as_bytes());
                }
                let result = match end {
                    End::Returned(value) => Message::copy_of(value).ok(),
                    End::Failed(_) | End::Stopped => None,
                };
                self.world.run.finish(MainEnd { reason: reason.clone(), result, trace: trace() });
                if extension.is_none_or(|extension| extension.family.is_none()) {
                    self.world.main_family_ended();
                }
                return;
            }
            Some(Ending::Future(future)) => {
                if let Some(future) = future.upgrade() {
                    let failed = matches!(end, End::Failed(_));
                    let in_hand = extension.and_then(|extension| extension.in_hand.take());
                    future.settle(result().and_then(Result::ok), failed, reason, in_hand, self);
                    return;
                }
            }
            Some(Ending::Supervisor(family)) => {
                if let Some(family) = family.upgrade() {
                    family.supervisor_ended(pid, self);
                }
            }
            Some(Ending::Child(child)) => {
                child.ended(pid, reason, self);
            }
            None => {}
        }
        if let End::Failed(error) = end {
            match self.world.failures.count(error, module) {
                Report::Full => {}
                Report::Count(count) => {
                    self.world.stderr.write(format!("{count} processes by now: {reason}\n").as_bytes());
                    return;
                }
                Report::None => return,
            }
            let label = extension.and_then(|extension| extension.label.as_deref());
            let name = label.unwrap_or("process");
            let mut text = format!("{name} {pid} ended: {reason}\n");
            for line in trace() {
                text.push_str(&format!("    at {line}\n"));
            }
            self.world.stderr.write(text.as_bytes());
        }
    }

    /// Takes back the monitors that the process had set, and ends its children.
    fn forget_others(&self, extension: Extension) {
        for (number, Monitoring { watched, .. }) in extension.monitors.into_entries() {
            match watched {
                Watched::Process(process) => self.world.signal(process, Signal::Demonitor { monitor: number }, self.worker),
                Watched::Child(child) => child.forget_watcher(number),
            }
        }
        if let Some(family) = extension.family {
            family.owner_ended(self);
        }
    }
}
