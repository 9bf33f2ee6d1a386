//! What all processes of one runtime share, and how they reach each other through it.
//!
//! Invariant: everything that takes a [`Worker`] runs on that worker's thread, within a slice or a callback; only there may the process
//! table be looked into. Other threads post to a worker.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use crossbeam_utils::CachePadded;
use vega_bytecode::{FunctionId, kinds};
use vega_scheduler::{Epoch, Remote, WaitSampler, Worker};

use crate::capability::CapabilitySet;
use crate::chance::Chance;
use crate::drain::Drain;
use crate::effects::Seam;
use crate::error::Error;
use crate::ledger::Scope;
use crate::limits::Limits;
use crate::native::{AgentHost, Extensions, NativeEntry, NativeTable};
use crate::output::{Output, ProgramOutput};
use crate::process::block::{Birth, Endowment, Job, Process};

use crate::process::mail::Mail;
use crate::process::mailbox::{Bounds, Refused};
use crate::process::names::Names;
use crate::process::outbox::Outbox;
use crate::process::room::Answer;
use crate::process::signal::Signal;
use crate::process::state::{KILL, MAIL, Phase, SIGNAL, TIMER, Wake};
use crate::process::table::{Epochs, FreeSlots, ProcessTable, Taken, TooMany};
use crate::process::{ExitReason, Pid, ProcessPath};
use crate::runtime::RuntimeHandle;
use crate::supervisor::Family;
use crate::value::Value;
use crate::value::copy::Message;
use crate::value::heap::{self, Account};
use crate::vm::{LoadedProgram, Machine, NearView};

mod failures; // uncaught errors, reported and counted
mod host; // what the scheduler asks
mod run; // how a run stands, for the thread that waits for it

pub(crate) use failures::{FailureCounts, Report};
pub(crate) use run::{MainEnd, RunEnd, RunState};

/// What all processes of one runtime share.
pub(crate) struct World {
    pub(crate) table: ProcessTable,
    pub(crate) limits: Limits,
    pub(crate) seam: Seam,
    pub(crate) grants: CapabilitySet,
    pub(crate) scope: Scope,
    pub(crate) stdout: ProgramOutput,
    pub(crate) stderr: Arc<dyn Output>,
    pub(crate) arguments: Vec<String>,
    pub(crate) extensions: Extensions,
    pub(crate) agents: Option<Arc<dyn AgentHost>>,
    pub(crate) trace: Option<vega_trace::Sink>,
    pub(crate) natives: NativeTable,
    pub(crate) chance: Chance,
    pub(crate) names: Names,
    /// Families of processes that live, by owner: for drawings of the tree.
    pub(crate) families: Mutex<HashMap<u64, Weak<Family>>>,
    /// The next number of a monitor that no worker has. Unique in the runtime.
    monitors: AtomicU64,
    /// Reductions of slices that are over, where the run is bounded.
    reductions: AtomicU64,
    /// Processes started so far, by worker: each writes only its own number.
    started: Mutex<Vec<Arc<CachePadded<AtomicU64>>>>,
    /// Bytes of values that ended processes never gave back.
    lost_bytes: AtomicU64,
    /// Calls to models that are under way, and whether new ones may begin.
    drain: Drain,
    program: OnceLock<Program>,
    /// Gone when the scheduler is: it refers back to this world.
    remote: RwLock<Option<Remote<World>>>,
    handle: RuntimeHandle,
    pub(crate) failures: FailureCounts,
    /// Whether the tree is drawn when the first process ends.
    pub(crate) draws_tree: bool,
    /// Samples how long processes wait for their turn, where that is asked for.
    pub(crate) waits: Option<Box<WaitSampler>>,
    pub(crate) run: RunState,
}

/// A program and the natives that it imports, by number.
pub(crate) struct Program {
    pub(crate) loaded: Arc<LoadedProgram>,
    pub(crate) natives: Box<[NativeEntry]>,
}

/// A message to one worker.
pub(crate) enum Post {
    /// Something for a process; `u32` is the event that comes with it.
    Deliver(Pid, Mail, u32),
    /// The end of a process.
    Kill(Pid),
    /// A signal came for a process that waits in a native of this worker.
    SignalInNative(Pid),
    /// The first process is to begin.
    BeginMain(Box<Birth>),
    /// The first process is to end by itself.
    StopMain(Pid),
    /// A line for the error output.
    Report(String),
}

/// Which way a native goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AccountSwitch {
    /// It suspends.
    Leave,
    /// It goes on.
    Enter,
}

/// One worker's storage.
#[derive(Default)]
pub(crate) struct Local {
    pub(crate) free: std::cell::RefCell<FreeSlots>,
    /// Numbers of monitors that this worker gives out: the next, and the first that is not its own.
    monitors: std::cell::Cell<(u64, u64)>,
    /// What the slice under way has sent and not pushed.
    pub(crate) outbox: Outbox,
    /// Processes that began here.
    started: Arc<CachePadded<AtomicU64>>,
}

/// Numbers of monitors that a worker takes at once.
const BATCH_MONITORS: u64 = 1_024;

/// What a world begins with.
pub(crate) struct WorldParts {
    pub(crate) limits: Limits,
    pub(crate) seam: Seam,
    pub(crate) grants: CapabilitySet,
    pub(crate) scope: Scope,
    pub(crate) stdout: Arc<dyn Output>,
    pub(crate) stderr: Arc<dyn Output>,
    pub(crate) arguments: Vec<String>,
    pub(crate) extensions: Extensions,
    pub(crate) agents: Option<Arc<dyn AgentHost>>,
    pub(crate) trace: Option<vega_trace::Sink>,
    pub(crate) natives: NativeTable,
    pub(crate) draws_tree: bool,
    pub(crate) waits: Option<Box<WaitSampler>>,
    pub(crate) chance: Chance,
}

impl World {
    pub(crate) fn new(parts: WorldParts, handle: RuntimeHandle) -> Self {
        Self {
            table: ProcessTable::new(parts.limits.processes),
            limits: parts.limits,
            seam: parts.seam,
            grants: parts.grants,
            scope: parts.scope,
            stdout: ProgramOutput::new(parts.stdout),
            stderr: parts.stderr,
            arguments: parts.arguments,
            extensions: parts.extensions,
            agents: parts.agents,
            trace: parts.trace,
            natives: parts.natives,
            chance: parts.chance,
            names: Names::default(),
            families: Mutex::default(),
            monitors: AtomicU64::new(1),
            reductions: AtomicU64::new(0),
            started: Mutex::default(),
            lost_bytes: AtomicU64::new(0),
            drain: Drain::new(),
            program: OnceLock::new(),
            remote: RwLock::new(None),
            handle,
            failures: FailureCounts::default(),
            draws_tree: parts.draws_tree,
            waits: parts.waits,
            run: RunState::default(),
        }
    }

    /// The program. Every process has one, so there is one as soon as there are processes.
    #[inline]
    pub(crate) fn program(&self) -> &Program {
        self.program.get().expect("a program is loaded before the first process begins")
    }

    /// Sets the program, once.
    pub(crate) fn set_program(&self, program: Program) -> Result<(), Program> {
        self.program.set(program)
    }

    /// For threads that are no workers; none before the scheduler starts and after it ended.
    pub(crate) fn remote(&self) -> Option<Remote<World>> {
        self.remote.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_remote(&self, remote: Option<Remote<World>>) {
        *self.remote.write().unwrap_or_else(PoisonError::into_inner) = remote;
    }

    /// Reaches this runtime from anywhere.
    pub(crate) fn handle(&self) -> RuntimeHandle {
        self.handle.clone()
    }

    /// The first process and all its children have ended.
    pub(crate) fn main_family_ended(&self) {
        self.run.change(|end| end.family_ended = true);
    }

    /// A native of this worker suspends or goes on: the bytes that are charged meanwhile are another process's.
    pub(crate) fn switch_account(&self, pid: Pid, worker: &Worker<World>, switch: AccountSwitch) {
        let Some(process) = self.table.slot_of(pid) else { return };
        debug_assert!(process.state.phase() == Phase::Runnable || process.state.is_in_native_of(worker.index()));
        // SAFETY: the process waits in a native of this worker, which is not running it at this moment.
        let life = unsafe { process.life() };
        match switch {
            AccountSwitch::Leave => life.account = heap::enter(Account::UNLIMITED),
            AccountSwitch::Enter => drop(heap::enter(life.account)),
        }
    }

    /// Under a virtual clock nothing can happen any more. If the first process waits, it would for ever.
    pub(crate) fn all_wait(&self) {
        if self.started() > 0 {
            let reason = ExitReason::Crash("deadlock: every process waits, and no timer is set".into());
            self.run.finish(MainEnd { reason, result: None, trace: Vec::new() });
            self.main_family_ended();
        }
    }

    /// A timer of a process fired.
    pub(crate) fn fire_timer(&self, pid: Pid, worker: &Worker<World>) {
        if let Some(process) = self.table.slot_of(pid)
            && !self.cuts_native(process, worker)
        {
            self.wake(process, TIMER, worker);
        }
    }

    /// Drops every process that still lives. Only when no worker runs any more.
    pub(crate) fn end_all(&self) {
        for slot in self.table.used_slots() {
            // SAFETY: the slot is mapped as long as the table.
            let process = unsafe { slot.as_ref() };
            if matches!(process.state.phase(), Phase::Dead | Phase::Exiting) {
                continue;
            }
            process.state.begin_exit();
            // SAFETY: the threads that could own the process are gone, and it lives, so its cells are filled.
            let life = unsafe { process.life() };
            process.mailbox.close(life.inbox_and_extension().0);
            let outer = heap::enter(life.account);
            // SAFETY: as above; the reference is not used any more.
            unsafe { process.clear() };
            self.count_lost(heap::enter(outer).used);
            process.state.end_exit();
        }
    }

    #[inline]
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { messages: self.limits.mailbox_messages, bytes: self.limits.mailbox_bytes }
    }

    pub(crate) fn new_monitor(&self, worker: &Worker<World>) -> u64 {
        let (mut next, mut end) = worker.local().monitors.get();
        if next == end {
            next = self.monitors.fetch_add(BATCH_MONITORS, Ordering::Relaxed);
            end = next + BATCH_MONITORS;
        }
        worker.local().monitors.set((next + 1, end));
        next
    }

    /// Processes started so far.
    pub(crate) fn started(&self) -> u64 {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.iter().map(|worker| worker.load(Ordering::Relaxed)).sum()
    }

    /// What a worker begins with.
    fn new_local(&self, worker: usize) -> Local {
        let local = Local { free: FreeSlots::of_worker(worker).into(), ..Local::default() };
        self.started.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&local.started));
        local
    }

    /// Begins a process. It runs as soon as a worker is free.
    pub(crate) fn begin(&self, birth: Birth, worker: &Worker<World>) -> Result<Pid, Error> {
        self.push_sent(worker);
        let taken = self.table.take(&mut worker.local().free.borrow_mut(), worker);
        self.begin_in(taken, birth, worker)
    }

    /// The same for a supervisor, or for a child's next life: as many processes as may be alive do not keep those that live from being
    /// looked after.
    pub(crate) fn begin_again(&self, birth: Birth, worker: &Worker<World>) -> Result<Pid, Error> {
        self.push_sent(worker);
        let taken = self.table.take_beyond(&mut worker.local().free.borrow_mut(), worker);
        self.begin_in(taken, birth, worker)
    }

    fn begin_in(&self, taken: Result<Taken, TooMany>, birth: Birth, worker: &Worker<World>) -> Result<Pid, Error> {
        let Birth { machine, path, rest } = birth;
        let Ok((slot, pid)) = taken else {
            // What was made for the process is dropped in the account that it was charged to.
            let outer = heap::enter(rest.account);
            drop((machine, path, rest));
            heap::enter(outer);
            return Err(self.too_many());
        };
        // SAFETY: the slot was just taken; both places are part of it, and empty.
        unsafe { self.fill(slot, pid, rest, worker, |place| place.write(machine), |place| place.write(path)) };
        Ok(pid)
    }

    /// Begins a process that calls a function with arguments that own nothing, at a place of its spawner's first function.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the process, and what is moved as a whole costs more")]
    #[inline(always)]
    pub(crate) fn begin_plain(
        &self,
        rest: Endowment,
        worker: &Worker<World>,
        program: &LoadedProgram,
        function: FunctionId,
        arguments: &[Value],
        spawner: &mut ProcessPath,
        near: NearView<'_>,
    ) -> Result<Pid, Error> {
        self.push_sent(worker);
        let taken = self.table.take(&mut worker.local().free.borrow_mut(), worker);
        let Ok((slot, pid)) = taken else { return Err(self.too_many()) };
        // SAFETY: the slot was just taken; both places are part of it, and empty.
        unsafe {
            self.fill(
                slot,
                pid,
                rest,
                worker,
                |place| Machine::make_at(place, program, function, arguments.iter().cloned()),
                |place| spawner.spawn_near_at(place, near),
            );
        }
        Ok(pid)
    }

    /// Fills a slot, and queues the process.
    ///
    /// # Safety
    /// The slot was just taken from the table. `machine` and `path` fill the places that they are given.
    #[inline(always)]
    unsafe fn fill(
        &self,
        slot: NonNull<Process>,
        pid: Pid,
        rest: Endowment,
        worker: &Worker<World>,
        machine: impl FnOnce(*mut Machine),
        path: impl FnOnce(*mut ProcessPath),
    ) {
        let priority = rest.priority;
        // SAFETY: the table keeps the slot mapped.
        let process = unsafe { slot.as_ref() };
        // SAFETY: by the caller's promise.
        unsafe { process.begin(pid, rest, self.bounds(), machine, path) };
        let started = &worker.local().started;
        // One writer, so a load and a store do.
        started.store(started.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.sample_push(pid, worker);
        worker.push(Job::new(process), priority);
    }

    /// The error of a process that is one too many.
    #[cold]
    fn too_many(&self) -> Error {
        let which = format!("processes: {} are alive, as many as may be", self.limits.processes);
        Error::new(kinds::LIMIT_REACHED, which)
    }

    /// Delivers a program's message. `Ok(true)` where the sender should give way; a process that has ended takes it as well.
    #[inline]
    pub(crate) fn send(&self, to: Pid, message: Message, worker: &Worker<World>) -> Result<bool, Message> {
        self.push_sent(worker);
        self.send_at_once(to, message, worker)
    }

    /// The same, where the slice under way has sent nothing that was not pushed.
    #[inline]
    pub(crate) fn send_at_once(&self, to: Pid, message: Message, worker: &Worker<World>) -> Result<bool, Message> {
        let Some(process) = self.table.slot_of(to) else { return Ok(false) };
        let bytes = message.size_bytes();
        match process.mailbox.push_counted(Mail::User(message), bytes, self.bounds()) {
            Ok(crowded) => {
                self.wake(process, MAIL, worker);
                Ok(crowded)
            }
            Err(Refused::Closed(_)) => Ok(false),
            Err(Refused::Full(Mail::User(message))) => {
                self.gave_back(process, worker);
                Err(message)
            }
            Err(Refused::Full(_)) => unreachable!("a mailbox gives back what it was given"),
        }
    }

    /// Pushes what the slice under way has sent, before anything else of it is seen.
    #[inline]
    pub(crate) fn push_sent(&self, worker: &Worker<World>) {
        if worker.local().outbox.ends() {
            self.push_parcel(worker);
        }
    }

    /// Pushes the parcel of the slice under way. True where the mailbox that it went to is crowded.
    #[cold]
    pub(crate) fn push_parcel(&self, worker: &Worker<World>) -> bool {
        let Some((slot, crowded)) = worker.local().outbox.push() else { return false };
        // SAFETY: slots live as long as the table.
        let process = unsafe { slot.as_ref() };
        self.wake(process, MAIL, worker);
        self.gave_back(process, worker);
        crowded
    }

    /// Delivers what meets no bound. False where the process has ended.
    pub(crate) fn deliver(&self, to: Pid, mail: Mail, event: u32, worker: &Worker<World>) -> bool {
        self.push_sent(worker);
        let Some(process) = self.table.slot_of(to) else { return false };
        if process.mailbox.push(mail).is_err() {
            return false;
        }
        self.wake(process, event, worker);
        true
    }

    /// Sends a signal. Where the receiver has ended, whoever waits for its end is told so.
    pub(crate) fn signal(&self, to: Pid, signal: Signal, worker: &Worker<World>) {
        let answer = match &signal {
            Signal::Link { from } => Some((*from, Signal::Exit { from: to, reason: ExitReason::NoProcess, linked: true })),
            Signal::Monitor { from, monitor } => {
                Some((*from, Signal::Down { monitor: *monitor, process: to, reason: ExitReason::NoProcess }))
            }
            Signal::WantsRoom(waiter) => Some((waiter.process, Signal::Room { ask: waiter.ask, answer: Answer::OfferAgain })),
            Signal::Unlink { .. }
            | Signal::Demonitor { .. }
            | Signal::Exit { .. }
            | Signal::Kill
            | Signal::ChildExit { .. }
            | Signal::Hand(_)
            | Signal::WantsNoRoom { .. }
            | Signal::Room { .. }
            | Signal::Down { .. }
            | Signal::Describe { .. } => None,
        };
        if !self.deliver(to, Mail::Signal(signal), SIGNAL, worker)
            && let Some((from, answer)) = answer
        {
            self.deliver(from, Mail::Signal(answer), SIGNAL, worker);
        }
    }

    /// Ends a process at its next safe point. It comes in order with other signals: whoever was told to end before ends with that reason.
    pub(crate) fn kill(&self, pid: Pid, worker: &Worker<World>) {
        self.deliver(pid, Mail::Signal(Signal::Kill), KILL, worker);
    }

    /// Whether a process lives.
    pub(crate) fn is_alive(&self, pid: Pid) -> bool {
        self.table.slot_of(pid).is_some_and(|process| !matches!(process.state.phase(), Phase::Dead | Phase::Exiting))
    }

    /// Tells a process that something came, and makes it run where it slept.
    #[inline]
    pub(crate) fn wake(&self, process: &Process, event: u32, worker: &Worker<World>) {
        match process.state.notify(event) {
            Wake::Nothing => {}
            Wake::Push => {
                // The step from idle to runnable made this thread the owner until the push.
                self.sample_push(process.pid(), worker);
                worker.push_woken(Job::new(process), process.priority());
            }
            Wake::Tell(home) => worker.remote().post(home, Post::SignalInNative(process.pid())),
        }
    }

    /// A process is about to be queued.
    #[inline]
    pub(crate) fn sample_push(&self, pid: Pid, worker: &Worker<World>) {
        if let Some(waits) = &self.waits {
            waits.pushed(worker.index(), pid.to_bits());
        }
    }

    /// Processes that have not ended. Looks at every slot that was ever used.
    pub(crate) fn alive(&self) -> u64 {
        // SAFETY: used slots are mapped as long as the table, and the phase is an atomic.
        let phases = self.table.used_slots().map(|slot| unsafe { slot.as_ref() }.state.phase());
        phases.filter(|phase| *phase != Phase::Dead).count() as u64
    }

    /// Does what another thread asked a worker to do.
    pub(crate) fn take_post(&self, post: Post, worker: &Worker<World>) {
        match post {
            Post::Deliver(pid, mail, event) => {
                self.deliver(pid, mail, event, worker);
            }
            Post::Kill(pid) => self.kill(pid, worker),
            Post::SignalInNative(pid) => self.signal_in_native(pid, worker),
            Post::BeginMain(birth) => match self.begin(*birth, worker) {
                Ok(process) => self.run.change(|end| end.process = Some(process)),
                Err(error) => {
                    let reason = ExitReason::Crash(error.message().as_str().into());
                    self.run.finish(MainEnd { reason, result: None, trace: Vec::new() });
                    self.main_family_ended();
                }
            },
            Post::StopMain(process) => {
                let signal = Signal::Exit { from: Pid::from_bits(0), reason: ExitReason::Shutdown, linked: false };
                self.deliver(process, Mail::Signal(signal), SIGNAL, worker);
            }
            Post::Report(line) => self.stderr.write(line.as_bytes()),
        }
    }

    /// A process is gone, and its account reads so many bytes: not zero only where something was charged and never credited, or the
    /// other way round.
    pub(crate) fn count_lost(&self, bytes: isize) {
        if bytes != 0 {
            self.lost_bytes.fetch_add(bytes.unsigned_abs() as u64, Ordering::Relaxed);
        }
    }

    /// What [`count_lost`](World::count_lost) counted, regardless of signs.
    pub(crate) fn lost_bytes(&self) -> u64 {
        self.lost_bytes.load(Ordering::Relaxed)
    }

    /// Reductions that a slice spent; false once the run has spent all it may.
    #[inline]
    pub(crate) fn charge_run(&self, spent: u32) -> bool {
        let Some(limit) = self.limits.run_reductions else { return true };
        self.reductions.fetch_add(u64::from(spent), Ordering::Relaxed) + u64::from(spent) < limit
    }

    /// Whether no new call to a model may begin.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_forbidden()
    }

    /// Whether new calls to models may begin: not once the first process has ended, nor after an interrupt.
    pub(crate) fn set_draining(&self, draining: bool) {
        self.drain.forbid(draining);
    }

    /// Counts a call to a model that begins; false where none may any more.
    pub(crate) fn begin_call(&self) -> bool {
        let begun = self.drain.begin();
        if !begun {
            self.run.notify();
        }
        begun
    }

    /// Counts a call to a model that is over.
    pub(crate) fn end_call(&self) {
        if self.drain.end() {
            self.run.notify();
        }
    }

    /// Calls to models that are under way.
    pub(crate) fn calls(&self) -> usize {
        self.drain.calls()
    }

    /// Asks the run to end: calls under way may finish first; asked a second time, nothing may.
    pub(crate) fn interrupt(&self) {
        self.drain.forbid(true);
        self.run.change(|end| end.interrupts += 1);
    }
}

impl Epochs for Worker<World> {
    fn close(&self) -> Epoch {
        self.close_epoch()
    }

    fn passed(&self, epoch: &Epoch) -> bool {
        self.epoch_passed(*epoch)
    }
}
