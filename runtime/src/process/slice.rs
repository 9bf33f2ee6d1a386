//! One slice of a process: from the run queue, through the interpreter, to sleep, back to the queue, or to its end.
//!
//! Invariant: after `park` succeeds or the job is pushed, the process is somebody else's, and nothing of it is touched.

use std::any::Any;

use vega_bytecode::kinds;
use vega_scheduler::{Instant, Worker};

use super::block::Job;
use super::end::End;
use super::mail::Mail;
use super::room::forget_waiter;
use super::signal::{Signal, take_signal};
use super::state::{KILL, Listen, MAIL, Phase, SIGNAL, TIMER};
use super::turn::Turn;
use super::{ExitReason, Pid};
use crate::error::Error;
use crate::value::heap::{self, Account};
use crate::vm::Exit;
use crate::world::{MainEnd, World};

impl World {
    /// Runs a process for its turn. Returns the reductions that it spent.
    pub(crate) fn run_slice(&self, job: Job, worker: &Worker<World>) -> u32 {
        // SAFETY: slots stay mapped as long as the table, which the world owns.
        let process = unsafe { job.slot().as_ref() };
        let mut turn = Turn { world: self, worker, process };
        if let Some(waits) = &self.waits {
            waits.runs(job.pid().to_bits());
        }
        let mut events = process.state.begin();
        process.set_interpreted(true);
        let full = worker.slice_length(self.limits.slice_reductions);
        let mut left = full;
        // What of it the process has been charged with: it may wait, hear something at once, and go on in the same slice.
        let mut charged = 0;
        loop {
            if turn.take_events(events) {
                let reason = turn.life().doom().cloned().unwrap_or(ExitReason::Killed);
                let left = turn.end(reason, End::Stopped);
                turn.discard((), left);
                break;
            }
            // SAFETY: the process is this worker's while it runs, and `Turn` never touches the machine.
            let machine = unsafe { process.machine() };
            if machine.is_cleaning() && turn.bounds_cleanups(machine, 0).is_none() {
                continue;
            }
            let before = left;
            let outer = heap::enter(turn.life().account);
            let exit = machine.run(&self.program().loaded, &mut turn, &mut left);
            turn.life().account = heap::enter(outer);
            self.push_sent(worker);
            let mut until = Instant::NEVER;
            if machine.is_cleaning() && matches!(exit, Exit::Preempted | Exit::Waiting) {
                match turn.bounds_cleanups(machine, before - left) {
                    Some(moment) => until = moment,
                    None => continue,
                }
            }
            match exit {
                Exit::Preempted => {
                    turn.give_room();
                    turn.life().reductions += u64::from(full - left - charged);
                    charged = full - left;
                    events = process.state.take_events();
                    if turn.take_events(events) {
                        // The loop's beginning ends it.
                        events = 0;
                        continue;
                    }
                    self.sample_push(job.pid(), worker);
                    process.set_interpreted(false);
                    // Who gave way of its own accord has used up less.
                    if left == 0 {
                        worker.push_preempted(job, process.priority());
                    } else {
                        worker.push(job, process.priority());
                    }
                    break;
                }
                Exit::Waiting => {
                    turn.arm_timer(until);
                    turn.goes_to_wait();
                    turn.life().reductions += u64::from(full - left - charged);
                    charged = full - left;
                    let listen = if turn.life().deaf { Listen::NotToMail } else { Listen::ToAll };
                    process.set_interpreted(false);
                    match process.state.park(listen, || process.mailbox.has_arrived()) {
                        Ok(()) => break,
                        Err(came) => {
                            events = came;
                            process.set_interpreted(true);
                        }
                    }
                }
                Exit::Done(value) => {
                    let left = turn.end(ExitReason::Normal, End::Returned(&value));
                    turn.discard(value, left);
                    break;
                }
                Exit::Failed(error) | Exit::Limit(error) => {
                    let reason = ExitReason::Crash(error.summary(self.program().loaded.module()).into());
                    let left = turn.end(reason, End::Failed(&error));
                    turn.discard(error, left);
                    break;
                }
                Exit::Ended(reason) => {
                    let text = reason.as_text().unwrap_or("exit");
                    let left = turn.end(ExitReason::from_text(text), End::Stopped);
                    turn.discard(reason, left);
                    break;
                }
            }
        }
        let spent = full - left;
        if !self.charge_run(spent) {
            self.run.finish(MainEnd {
                reason: ExitReason::Crash("LimitReached: reductions of the run".into()),
                result: None,
                trace: Vec::new(),
            });
            // Nothing of the run gets another turn's worth of patience.
            self.main_family_ended();
        }
        spent
    }

    /// The native under a slice panicked, or overflowed its stack: the process ends, with a reason.
    pub(crate) fn fault(&self, pid: Pid, what: &str, worker: &Worker<World>) {
        self.push_sent(worker);
        let Some(process) = self.table.slot_of(pid) else { return };
        match process.state.phase() {
            Phase::InNative => process.state.leave_native(),
            Phase::Runnable | Phase::Running => {}
            // A value's destructor panicked while the process was ending: what it held is lost, the runtime goes on.
            Phase::Exiting | Phase::Dead | Phase::Idle => return,
        }
        let turn = Turn { world: self, worker, process };
        turn.life().account = heap::enter(Account::UNLIMITED);
        // SAFETY: the slice is over, and this worker still owns the process.
        let machine = unsafe { process.machine() };
        let places = machine.trace(&self.program().loaded);
        let (mut error, _) = heap::detached(|| Error::new(kinds::LIMIT_REACHED, what));
        heap::detached(|| error.record_trace(|| places));
        // Its account was lost with the native, so what is left of it says nothing.
        turn.end(ExitReason::Crash(what.into()), End::Failed(&error));
        heap::detached(|| drop(error));
    }

    /// A signal came for a process that waits in a native of this worker. It is handled here, and the native is woken only where the
    /// process must die.
    pub(crate) fn signal_in_native(&self, pid: Pid, worker: &Worker<World>) {
        let Some(process) = self.table.slot_of(pid).filter(|process| process.state.is_in_native_of(worker.index())) else {
            return;
        };
        // The runner that the native waits on belongs to this worker, and is not running while this is: so the fields are ours.
        let turn = Turn { world: self, worker, process };
        if turn.take_events(process.state.take_events())
            && let Some(token) = turn.life().extension().and_then(|extension| extension.native)
        {
            worker.cancel_native(token);
        }
        turn.give_room();
    }

    /// What a panic said.
    pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
        let text =
            payload.downcast_ref::<&str>().map(|text| (*text).to_string()).or_else(|| payload.downcast_ref::<String>().cloned());
        format!("native panic: {}", text.unwrap_or_else(|| "without a message".to_string()))
    }
}

impl Turn<'_> {
    /// Handles what came. True where the process must end now.
    #[inline]
    pub(crate) fn take_events(&self, events: u32) -> bool {
        if events & (MAIL | SIGNAL | KILL) != 0 {
            self.take_mail();
        }
        if events & TIMER != 0 {
            // The one that fired may be that of an earlier wait; whoever waits on sets a new one.
            self.disarm_timer();
        }
        self.life().doom().is_some()
    }

    /// Moves what arrived to the inbox, and handles the signals among it.
    #[inline]
    pub(crate) fn take_mail(&self) {
        if self.process.mailbox.has_arrived() {
            self.take_arrived();
        } else {
            self.life().inbox.publish(&self.process.mailbox);
        }
    }

    fn take_arrived(&self) {
        let pid = self.process.pid();
        let (inbox, mut kin) = self.life().inbox_and_kin();
        let native_born = kin.extension.as_ref().is_some_and(|extension| extension.native_born);
        let apart = |mail: &Mail| match mail {
            Mail::Signal(_) => true,
            // A state machine reads no messages of programs, and keeps none.
            Mail::User(_) | Mail::Several(_) => native_born,
            Mail::Port(_, alive, _) => alive.as_ref().is_some_and(|alive| alive.strong_count() == 0),
            Mail::Opened(_) | Mail::Notice(_) => false,
        };
        let mut curious = Vec::new();
        self.process.mailbox.drain_sorted(inbox, apart, |mail| match mail {
            Mail::Signal(Signal::Describe { to, question }) => {
                curious.push((to, question));
                None
            }
            Mail::Signal(Signal::WantsNoRoom { from, bytes }) => {
                forget_waiter(from, bytes, &self.process.mailbox, kin.extension.as_deref_mut());
                None
            }
            Mail::Signal(signal) => take_signal(&mut kin, signal, pid),
            Mail::User(_) | Mail::Several(_) | Mail::Port(..) | Mail::Opened(_) | Mail::Notice(_) => None,
        });
        if self.worker.local().outbox.has_parcel() && self.life().extension().is_some_and(|extension| extension.in_hand.is_some())
        {
            // What is sent from now on follows from the call in hand, and each message takes that along.
            self.world.push_sent(self.worker);
        }
        if !curious.is_empty() {
            // Who is to end does not count as living, even before the next safe point.
            let lives = self.life().doom().is_none() && !self.process.state.has_event(KILL);
            for (to, question) in curious {
                self.answer(&to, question, lives);
            }
        }
    }

    /// What followed from a reply is done: its call is over. Whoever waits for room has what was taken out.
    #[inline]
    fn goes_to_wait(&self) {
        if let Some(extension) = self.life().extension_mut() {
            if extension.in_hand.is_some() {
                extension.in_hand = None;
            }
            self.give_room();
        }
    }

    /// Sees to it that the process is woken at its deadline, and not after `until`.
    #[inline]
    fn arm_timer(&self, until: Instant) {
        let deadline = self.life().deadline.min(until);
        let armed = self.life().extension().and_then(|extension| extension.timer);
        if armed.is_some_and(|(moment, _)| moment == deadline) {
            return;
        }
        if armed.is_some() {
            self.disarm_timer();
        }
        if deadline != Instant::NEVER {
            let handle = self.worker.add_timer(deadline, self.process.pid());
            self.life().extend().timer = Some((deadline, handle));
        }
    }

    /// Takes the timer of a wait back that is over.
    pub(crate) fn disarm_timer(&self) {
        if let Some((_, handle)) = self.life().extension_mut().and_then(|extension| extension.timer.take()) {
            // Too late, or on another worker: then the process is woken once for nothing.
            self.worker.cancel_timer(handle);
        }
    }
}
