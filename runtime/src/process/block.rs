//! One process: the slot of the table that holds it.
//!
//! Invariants: everything up to the mailbox may be touched by any worker at any time. The machine and the life belong to whoever the
//! state word says owns the process, and exist while the slot is alive; the two are separate cells, because the machine is borrowed
//! while it runs and everything that it asks for touches the life.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use vega_scheduler::{Instant, NativeToken, Priority, TimerHandle};
use vega_trace::{SpanId, TraceId};

use super::few::Few;
use super::mail::Mail;
use super::mailbox::{Bounds, Inbox, Mailbox};
use super::pid::ENDED;
use super::room::{Asking, Waiters};
use super::session::Session;
use super::span::OpenSpan;
use super::state::{Phase, StateWord};
use super::{ExitReason, Pid, ProcessPath};
use crate::capability::CapabilitySet;
use crate::ledger::Scope;
use crate::native::{CallGuard, PortId};
use crate::supervisor::{Child, Ending, Family};
use crate::value::heap::Account;
use crate::vm::Machine;

/// A slot of the process table. Zeroed memory is an empty slot that was never used.
///
/// In this order, so that what a sender touches is one cache line.
#[repr(C, align(64))]
pub(crate) struct Process {
    /// The whole id of the process in the slot; that of the last one with [`ENDED`] where it has ended.
    pid: AtomicU64,
    pub(crate) mailbox: Mailbox<Mail>,
    pub(crate) state: StateWord,
    /// The number of its priority: anybody may change it, and it holds from the next time that the process is queued.
    priority: AtomicU8,
    /// Whether a worker interprets it; its owner writes this, and others may see it late.
    interpreted: AtomicBool,
    /// Whether it was given a name.
    named: AtomicBool,
    /// Whether somebody waits for room in its mailbox; its owner writes this.
    wanted: AtomicBool,
    machine: UnsafeCell<MaybeUninit<Machine>>,
    life: UnsafeCell<MaybeUninit<Life>>,
}

/// What senders touch lies in the first cache line, and the first words of the machine beside it.
const _: () = assert!(std::mem::offset_of!(Process, machine) <= 64);

// SAFETY: the cells are reached only by the owner that the state word names, and ownership passes from thread to thread with
// Release and Acquire on that word or on a run queue. The values inside move together with the process.
unsafe impl Sync for Process {}
// SAFETY: as above.
unsafe impl Send for Process {}

/// What belongs to the owner of a process, besides its machine.
pub(crate) struct Life {
    pub(crate) inbox: Inbox<Mail>,
    /// Bytes of values held, while it does not run.
    pub(crate) account: Account,
    /// What it may touch; none for all that the program may. Most processes may, and so do not count references.
    pub(crate) capabilities: Option<CapabilitySet>,
    /// What its spending is charged to; none for the program's own scope.
    pub(crate) scope: Option<Scope>,
    pub(crate) path: ProcessPath,
    /// Until when the wait under way lasts; [`Instant::NEVER`] where it has no end or there is none.
    pub(crate) deadline: Instant,
    /// Who spawned it.
    pub(crate) parent: Pid,
    /// Monitors that others set on this process: here, since many have one and nothing else.
    pub(crate) watchers: Few<u64, Pid>,
    /// Reductions spent in slices that are over.
    pub(crate) reductions: u64,
    /// Reductions that natives charged since the machine last asked.
    pub(crate) debt: u32,
    /// Whether mail helps the wait under way.
    pub(crate) deaf: bool,
    /// What most processes never need.
    extension: Option<Box<Extension>>,
}

/// What a process needs once it has links, monitors, timers, children.
#[derive(Default)]
pub(crate) struct Extension {
    /// Why the process must end at its next safe point.
    pub(crate) doom: Option<ExitReason>,
    pub(crate) links: Few<Pid, ()>,
    /// Slots that this process is linked to, by number: they fire when they stay down, and not at every crash.
    pub(crate) slot_links: Few<u64, Child>,
    /// Monitors that this process set, by number.
    pub(crate) monitors: Few<u64, Monitoring>,
    pub(crate) traps_exits: bool,
    /// The last port that was given out.
    pub(crate) last_port: u64,
    /// The timer of the wait under way.
    pub(crate) timer: Option<(Instant, TimerHandle)>,
    /// The native that it waits in.
    pub(crate) native: Option<NativeToken>,
    /// Until when that may last, where it is called in the process's last cleanups.
    pub(crate) native_until: Option<Instant>,
    /// The `session` blocks that it is in, outermost first.
    pub(crate) sessions: Vec<Session>,
    /// Its supervised children.
    pub(crate) family: Option<std::sync::Arc<Family>>,
    /// Who is told how it ended, with its result.
    pub(crate) ending: Option<Ending>,
    /// Whether it was born as a state machine: then it takes no messages of programs, and news are inputs.
    pub(crate) native_born: bool,
    /// The trace that it works for, and the span around it. Spans that it opened itself stand inside: `Extension::span` knows all.
    pub(crate) span: Option<(TraceId, SpanId)>,
    /// The last span that it opened and that was not over when another was opened.
    pub(crate) opened: Option<std::sync::Arc<OpenSpan>>,
    /// What it is called in reports, where it is no plain function.
    pub(crate) label: Option<String>,
    /// The call whose reply it works on. While it is held the call counts as under way, so that an interrupted run does not end
    /// between a reply and what is done with it. Let go when the process next waits.
    pub(crate) in_hand: Option<CallGuard>,
    /// Who waits for room in its mailbox.
    pub(crate) waiters: Option<Box<Waiters>>,
    /// The room that it waits for itself.
    pub(crate) asking: Option<Asking>,
}

/// What signals change.
pub(crate) struct Kin<'l> {
    pub(crate) extension: &'l mut Option<Box<Extension>>,
    pub(crate) watchers: &'l mut Few<u64, Pid>,
}

/// One monitor, on the side of whoever set it.
pub(crate) struct Monitoring {
    pub(crate) watched: Watched,
    /// The port at which the news is awaited; none where it is a message.
    pub(crate) port: Option<PortId>,
}

/// Whom a monitor watches.
pub(crate) enum Watched {
    /// One process.
    Process(Pid),
    /// A slot, whatever incarnation lives in it.
    Child(Child),
}

/// What a process begins with.
pub(crate) struct Birth {
    pub(crate) machine: Machine,
    pub(crate) path: ProcessPath,
    pub(crate) rest: Endowment,
}

/// What a process begins with besides its machine and its path.
pub(crate) struct Endowment {
    pub(crate) account: Account,
    /// What it may touch; none for all that the program may. Most processes may, and so do not count references.
    pub(crate) capabilities: Option<CapabilitySet>,
    /// What its spending is charged to; none for the program's own scope.
    pub(crate) scope: Option<Scope>,
    pub(crate) parent: Pid,
    pub(crate) priority: Priority,
    pub(crate) watchers: Few<u64, Pid>,
    pub(crate) extension: Option<Box<Extension>>,
}

// SAFETY: the machine's values and those in the state machine at its bottom belong to the process to come alone.
unsafe impl Send for Birth {}

impl Process {
    /// Whether this slot holds the process of that id, which may be about to end.
    #[inline]
    pub(crate) fn is(&self, pid: Pid) -> bool {
        // Acquire sees the slot as the birth left it. Pairs with the Release in `begin`.
        self.pid.load(Ordering::Acquire) == pid.to_bits()
    }

    #[inline]
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_bits(self.pid.load(Ordering::Relaxed) & !ENDED)
    }

    /// From now on nobody finds the process by its id. Whoever found it before is in a slice that began before, and the slot is not given
    /// out again until that is over. The caller owns the process, and is done with it.
    #[inline]
    pub(crate) fn set_ended(&self) {
        // Relaxed: the epoch that is closed next orders it before the slices that begin after that.
        self.pid.store(self.pid.load(Ordering::Relaxed) | ENDED, Ordering::Relaxed);
    }

    /// The generation of the last process in this slot; 0 where there was none.
    pub(crate) fn last_generation(&self) -> u64 {
        self.pid().generation()
    }

    /// How soon it runs relative to others.
    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        // Relaxed: a priority orders nothing but the queue that the process goes to next.
        match self.priority.load(Ordering::Relaxed) {
            0 => Priority::High,
            1 => Priority::Normal,
            _ => Priority::Low,
        }
    }

    #[inline]
    pub(crate) fn set_priority(&self, priority: Priority) {
        self.priority.store(priority as u8, Ordering::Relaxed);
    }

    /// How it stands, for people.
    pub(crate) fn phase(&self) -> Phase {
        match self.state.phase() {
            Phase::Runnable if self.interpreted.load(Ordering::Relaxed) => Phase::Running,
            phase => phase,
        }
    }

    /// Only the owner says so.
    #[inline]
    pub(crate) fn set_interpreted(&self, interpreted: bool) {
        self.interpreted.store(interpreted, Ordering::Relaxed);
    }

    /// It was given a name.
    pub(crate) fn set_named(&self) {
        // Whether its end sees this is looked after by whoever registers: see `Names`.
        self.named.store(true, Ordering::Relaxed);
    }

    /// Whether it was given a name.
    #[inline]
    pub(crate) fn is_named(&self) -> bool {
        self.named.load(Ordering::Relaxed)
    }

    /// Somebody waits for room in the mailbox, or nobody does any more. Only the owner says so.
    pub(crate) fn set_wanted(&self, wanted: bool) {
        // In one total order with the look at the mailbox that follows, and with what others do the other way round: give room back, and
        // look whether somebody wants it.
        self.wanted.store(wanted, Ordering::SeqCst);
    }

    /// Whether somebody waits for room in the mailbox.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// Fills an empty slot. The process is then runnable and in the caller's hands, who pushes it.
    ///
    /// Machine and path write themselves where they are to be: to make them elsewhere and move them costs the processor a stall for each
    /// part that it reads in other pieces than it was written in, a tenth of a spawn.
    ///
    /// # Safety
    /// The caller took the slot from the table, and nobody else has it. `machine` and `path` fill the place that they are given.
    #[inline(always)]
    pub(crate) unsafe fn begin(
        &self,
        pid: Pid,
        rest: Endowment,
        bounds: Bounds,
        machine: impl FnOnce(*mut Machine),
        path: impl FnOnce(*mut ProcessPath),
    ) {
        machine(self.machine.get().cast());
        let life: *mut Life = self.life.get().cast();
        // SAFETY: an empty slot's cells hold nothing, and the caller owns the slot. All fields are written, each once.
        unsafe {
            (&raw mut (*life).inbox).write(Inbox::new(bounds));
            (&raw mut (*life).account).write(rest.account);
            (&raw mut (*life).capabilities).write(rest.capabilities);
            (&raw mut (*life).scope).write(rest.scope);
            path(&raw mut (*life).path);
            (&raw mut (*life).deadline).write(Instant::NEVER);
            (&raw mut (*life).parent).write(rest.parent);
            (&raw mut (*life).watchers).write(rest.watchers);
            (&raw mut (*life).reductions).write(0);
            (&raw mut (*life).debt).write(0);
            (&raw mut (*life).deaf).write(false);
            (&raw mut (*life).extension).write(rest.extension);
        }
        if pid.generation() > 1 {
            self.mailbox.reopen();
        }
        self.set_priority(rest.priority);
        self.set_interpreted(false);
        self.named.store(false, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
        self.state.born_runnable();
        self.set_pid(pid);
    }

    /// From here on others find the process by its id.
    #[inline]
    pub(crate) fn set_pid(&self, pid: Pid) {
        // Pairs with the Acquire in `is`.
        self.pid.store(pid.to_bits(), Ordering::Release);
    }

    /// The owner's fields, mutably.
    ///
    /// # Safety
    /// The caller owns the process by its state word, the process is alive, and no other reference from this function is in use.
    #[expect(clippy::mut_from_ref, reason = "the state word is the lock on the cell")]
    #[inline]
    pub(crate) unsafe fn life(&self) -> &mut Life {
        // SAFETY: by the caller's promise the cell is filled and nobody else is in it.
        unsafe { (*self.life.get()).assume_init_mut() }
    }

    /// The machine, mutably.
    ///
    /// # Safety
    /// As for [`Process::life`].
    #[expect(clippy::mut_from_ref, reason = "the state word is the lock on the cell")]
    #[inline]
    pub(crate) unsafe fn machine(&self) -> &mut Machine {
        // SAFETY: by the caller's promise the cell is filled and nobody else is in it.
        unsafe { (*self.machine.get()).assume_init_mut() }
    }

    /// Drops the content, and leaves the slot empty but closed. In the account in force.
    ///
    /// # Safety
    /// The caller owns the process, holds no reference into it, and calls this once.
    pub(crate) unsafe fn clear(&self) {
        // SAFETY: the cells are filled while the process lives, and this is the last access to them.
        unsafe {
            (*self.machine.get()).assume_init_drop();
            (*self.life.get()).assume_init_drop();
        }
    }
}

impl Life {
    /// What the process has beyond the basics, if anything.
    #[inline]
    pub(crate) fn extension(&self) -> Option<&Extension> {
        self.extension.as_deref()
    }

    /// The same, to be changed; not made where it is absent.
    #[inline]
    pub(crate) fn extension_mut(&mut self) -> Option<&mut Extension> {
        self.extension.as_deref_mut()
    }

    /// The same, made where it is absent.
    pub(crate) fn extend(&mut self) -> &mut Extension {
        self.extension.get_or_insert_default()
    }

    /// Inbox and extension, to be changed at the same time.
    #[inline]
    pub(crate) fn inbox_and_extension(&mut self) -> (&mut Inbox<Mail>, &mut Option<Box<Extension>>) {
        (&mut self.inbox, &mut self.extension)
    }

    /// The same, and who watches the process.
    pub(crate) fn inbox_and_kin(&mut self) -> (&mut Inbox<Mail>, Kin<'_>) {
        (&mut self.inbox, Kin { extension: &mut self.extension, watchers: &mut self.watchers })
    }

    /// Why it must end, if it must.
    #[inline]
    pub(crate) fn doom(&self) -> Option<&ExitReason> {
        self.extension()?.doom.as_ref()
    }

    /// Decides that it must end. The first reason stays.
    pub(crate) fn doom_with(&mut self, reason: ExitReason) {
        self.extend().doom.get_or_insert(reason);
    }
}

/// A process that is to be run: an owned pointer to its slot.
pub(crate) struct Job(NonNull<Process>);

// SAFETY: a job is the process itself on its way through queues; see `Process`.
unsafe impl Send for Job {}

impl Job {
    /// Only whoever won the step to *Runnable*, or began the process, makes its job.
    #[inline]
    pub(crate) fn new(process: &Process) -> Self {
        Self(NonNull::from(process))
    }

    /// The process in the slot.
    pub(crate) fn pid(&self) -> Pid {
        // SAFETY: slots live as long as the table, which outlives all jobs.
        unsafe { self.0.as_ref() }.pid()
    }

    /// The slot. Slots live as long as the table, which outlives the scheduler's threads.
    #[inline]
    pub(crate) fn slot(&self) -> NonNull<Process> {
        self.0
    }
}
