//! The slot of a supervised child: what handles name, whatever incarnation lives in it.
//!
//! Invariants: at most one incarnation lives at a time. Messages to a slot keep their order over a restart: while none lives they wait
//! here, and a new incarnation finds them first. Once stopped, a slot stays stopped.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use vega_bytecode::FunctionId;
use vega_bytecode::module::Strategy;
use vega_scheduler::{Instant, Priority};
use vega_trace::{SpanId, TraceId};

use super::family::Family;
use super::watch::Supervisor;
use super::{Ending, Team, future};
use crate::capability::CapabilitySet;
use crate::error::Error;
use crate::ledger::Scope;
use crate::native::{NativeContext, Notice, PortId, Resumable, SpawnOptions, SupervisionValues};
use crate::process::block::{Birth, Endowment, Extension, Monitoring, Watched};
use crate::process::few::Few;
use crate::process::mail::Mail;
use crate::process::room::{Answer, Place, Waiter, Waiters};
use crate::process::signal::Signal;
use crate::process::state::{MAIL, SIGNAL};
use crate::process::turn::Turn;
use crate::process::{ExitReason, Pid, ProcessPath};
use crate::runtime::RuntimeHandle;
use crate::value::copy::Message;
use crate::value::heap::{self, Account};
use crate::value::{Handle, HandleKind, HandleObject, Value};
use crate::vm::Machine;
use crate::world::World;

/// Names a child slot. Cloning names the same slot.
#[derive(Clone)]
pub struct Child(Arc<Slot>);

struct Slot {
    /// Unique in the runtime.
    number: u64,
    label: String,
    kind: HandleKind,
    factory: Factory,
    supervision: SupervisionValues,
    /// What an agent, or whoever else made the slot, keeps with it.
    owner: Option<Arc<dyn ChildOwner>>,
    family: Weak<Family>,
    /// What each incarnation begins with.
    capabilities: Option<CapabilitySet>,
    scope: Option<Scope>,
    priority: Priority,
    path: ProcessPath,
    span: Option<(TraceId, SpanId)>,
    parent: Pid,
    /// What a declared supervisor calls it.
    name: OnceLock<String>,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    incarnation: u32,
    /// Moments of the crashes within the window.
    crashes: VecDeque<Instant>,
    /// Messages that came while nobody lived, and their bytes. The bounds of a mailbox hold for them.
    waiting: VecDeque<Message>,
    waiting_bytes: u64,
    /// Who wants to know when the slot stops, with the monitors' numbers.
    watchers: Few<u64, Pid>,
    /// Who is linked with the slot.
    linked: Few<Pid, ()>,
    /// Who waits for room where nobody lives: told as soon as that changes.
    waiters: Option<Box<Waiters>>,
    /// Somebody asked for the end.
    stopping: bool,
    /// The incarnation is being stopped, and another will follow.
    pausing: bool,
}

enum Stage {
    /// This process lives in the slot.
    Living(Pid),
    /// The last one crashed, and the next has not begun.
    Between,
    /// It stays down.
    Stopped(ExitReason),
}

/// Makes the incarnations of a child.
pub struct Factory(Make);

enum Make {
    /// A function, and its arguments as an array.
    Function(FunctionId, Mutex<Message>),
    Native(Box<dyn Fn(u32) -> Box<dyn Resumable> + Send + Sync>),
    /// A declared supervisor.
    Team(Team),
}

/// What whoever made a slot is told about it. Called on a worker; must not block.
pub trait ChildOwner: Any + Send + Sync {
    /// An incarnation crashed; another will follow, after the backoff.
    fn crashed(&self, reason: &ExitReason, runtime: &RuntimeHandle);

    /// The slot stays down.
    fn stopped(&self, reason: &ExitReason, runtime: &RuntimeHandle);
}

/// What a family does about a child whose process ended.
pub(crate) enum Verdict {
    /// Nothing: it is over.
    Over,
    /// Start it again, at this moment.
    RestartAt(Instant),
    /// Stop it and those that the strategy takes along, and start them all at this moment.
    Rebuild(Strategy, Instant),
    /// The supervisor itself fails, with this reason.
    Escalate(ExitReason),
}

/// How a child stands whose supervisor is gone.
pub(super) enum Orphan {
    /// Its process has ended, and nobody was told, or did anything about it yet.
    Between,
    /// It was asked to stop, and has not.
    Stopping,
    /// It was asked to end so that it could begin again, and has not.
    Pausing,
    /// There is nothing to do about it.
    Settled,
}

impl Factory {
    /// Incarnations call a function; the arguments come as one array.
    pub fn function(function: FunctionId, arguments: Message) -> Self {
        Self(Make::Function(function, Mutex::new(arguments)))
    }

    /// Incarnations are state machines, made anew from their number, which begins at 1.
    pub fn native(make: impl Fn(u32) -> Box<dyn Resumable> + Send + Sync + 'static) -> Self {
        Self(Make::Native(Box::new(make)))
    }

    /// Incarnations are those of a declared supervisor.
    pub(super) fn team(team: Team) -> Self {
        Self(Make::Team(team))
    }

    /// A machine, charged to the account in force.
    fn make(&self, turn: &Turn<'_>, incarnation: u32) -> Machine {
        match &self.0 {
            Make::Function(function, arguments) => {
                let program = &turn.world.program().loaded;
                let copy = future::copy_of(&arguments.lock().unwrap_or_else(PoisonError::into_inner));
                let values = copy.as_array().map(|values| values.as_slice()).unwrap_or_default();
                Machine::new(program, *function, values.iter().cloned())
            }
            Make::Native(make) => Machine::native(make(incarnation)),
            Make::Team(team) => Machine::native(Box::new(Supervisor::new(Arc::clone(&team.0)))),
        }
    }
}

impl Child {
    /// Starts a supervised child of the running process, which owns it from now on.
    pub fn spawn(
        context: &NativeContext<'_>,
        label: String,
        factory: Factory,
        supervision: SupervisionValues,
        owner: Option<(HandleKind, Arc<dyn ChildOwner>)>,
        options: SpawnOptions,
    ) -> Result<Child, Error> {
        let turn = context.turn();
        let (family, begins) = match options.team {
            Some(team) => (team.0, false),
            None => (Family::of(&turn), true),
        };
        let (kind, owner) = owner.map_or((HandleKind::Process, None), |(kind, owner)| (kind, Some(owner)));
        let child = Child(Arc::new(Slot {
            number: turn.world.new_monitor(turn.worker),
            label,
            kind,
            factory,
            supervision,
            owner,
            family: Arc::downgrade(&family),
            capabilities: options.capabilities.or_else(|| context.turn().life().capabilities.clone()),
            scope: options.scope.or_else(|| context.turn().life().scope.clone()),
            priority: options.priority,
            path: context.child_path(options.step),
            span: context.span(),
            parent: context.self_pid(),
            name: OnceLock::new(),
            state: Mutex::new(State {
                stage: Stage::Between,
                incarnation: 0,
                crashes: VecDeque::new(),
                waiting: VecDeque::new(),
                waiting_bytes: 0,
                watchers: Few::default(),
                linked: Few::default(),
                waiters: None,
                stopping: false,
                pausing: false,
            }),
        }));
        // A child of a declared supervisor begins when that does.
        family.add(child.clone());
        if begins && let Err(error) = child.start(&turn) {
            family.remove(&child, &turn);
            return Err(error);
        }
        if options.linked {
            child.link(&turn);
        }
        Ok(child)
    }

    /// Begins the next incarnation, which finds what waited for it.
    pub(crate) fn start(&self, turn: &Turn<'_>) -> Result<(), Error> {
        let slot = &*self.0;
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Between) {
            return Ok(());
        }
        state.incarnation += 1;
        let incarnation = state.incarnation;
        let outer = heap::enter(Account::with_limit(turn.world.limits.heap_bytes));
        let machine = slot.factory.make(turn, incarnation);
        let account = heap::enter(outer);
        let extension = Extension {
            native_born: !matches!(slot.factory.0, Make::Function(..)),
            traps_exits: matches!(slot.factory.0, Make::Team(_)),
            span: slot.span,
            label: Some(slot.label.clone()),
            ending: Some(Ending::Child(self.clone())),
            ..Extension::default()
        };
        let path = if incarnation == 1 { slot.path.clone() } else { slot.path.incarnation(incarnation) };
        // Its first life counts like any process; those after it only take the place of the one before.
        let begin = if incarnation == 1 { World::begin } else { World::begin_again };
        let process = begin(
            turn.world,
            Birth {
                machine,
                path,
                rest: Endowment {
                    account,
                    capabilities: slot.capabilities.clone(),
                    scope: slot.scope.clone(),
                    parent: slot.family.upgrade().and_then(|family| family.supervisor()).unwrap_or(slot.parent),
                    priority: slot.priority,
                    watchers: Few::None,
                    extension: Some(Box::new(extension)),
                },
            },
            turn.worker,
        )?;
        for message in state.waiting.drain(..) {
            // A new mailbox has room for what the slot had room for.
            let _ = turn.world.send(process, message, turn.worker);
        }
        state.waiting_bytes = 0;
        state.stage = Stage::Living(process);
        state.pausing = false;
        self.send_waiters_away(state, turn);
        match &slot.factory.0 {
            Make::Team(team) => team.0.begin(process, turn).inspect_err(|_| {
                self.lock().stopping = true;
                turn.world.kill(process, turn.worker);
            }),
            Make::Function(..) | Make::Native(_) => Ok(()),
        }
    }

    /// The process that lives in the slot now.
    pub fn incarnation(&self) -> Option<Pid> {
        match self.lock().stage {
            Stage::Living(process) => Some(process),
            Stage::Between | Stage::Stopped(_) => None,
        }
    }

    /// How often the slot was filled.
    pub fn incarnations(&self) -> u32 {
        self.lock().incarnation
    }

    /// Why the slot stays down, if it does.
    pub fn stopped(&self) -> Option<ExitReason> {
        match &self.lock().stage {
            Stage::Stopped(reason) => Some(reason.clone()),
            Stage::Living(_) | Stage::Between => None,
        }
    }

    /// The slot's number, unique in the runtime.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// What made the slot, if it is of this type.
    pub fn owner<T: ChildOwner>(&self) -> Option<Arc<T>> {
        let owner: Arc<dyn Any + Send + Sync> = Arc::clone(self.0.owner.as_ref()?) as Arc<dyn Any + Send + Sync>;
        owner.downcast().ok()
    }

    /// A handle of the slot.
    pub fn to_value(&self) -> Value {
        Value::from(Handle::new(Arc::new(ChildHandle(self.clone()))))
    }

    /// The slot that a handle names.
    pub fn from_handle(handle: &Handle) -> Option<Child> {
        handle.downcast::<ChildHandle>().map(|child| child.0.clone())
    }

    /// Asks the child to end for good. It has time to; then it is killed.
    pub fn stop(&self, context: &NativeContext<'_>) {
        self.stop_with(&context.turn());
        if let Some(family) = self.0.family.upgrade() {
            family.kill_later(self.clone(), &context.turn());
        }
    }

    pub(crate) fn stop_with(&self, turn: &Turn<'_>) {
        let mut state = self.lock();
        state.stopping = true;
        match state.stage {
            Stage::Living(process) => {
                drop(state);
                let signal = Signal::Exit { from: self.0.parent, reason: ExitReason::Shutdown, linked: false };
                turn.world.deliver(process, Mail::Signal(signal), SIGNAL, turn.worker);
            }
            Stage::Between => {
                self.set_stopped(state, ExitReason::Shutdown, turn);
            }
            Stage::Stopped(_) => {}
        }
    }

    /// Asks the incarnation to end; another may follow. Gives the one that lives.
    pub(super) fn pause(&self, turn: &Turn<'_>) -> Option<Pid> {
        let mut state = self.lock();
        let Stage::Living(process) = state.stage else { return None };
        state.pausing = true;
        drop(state);
        let signal = Signal::Exit { from: self.0.parent, reason: ExitReason::Shutdown, linked: false };
        turn.world.deliver(process, Mail::Signal(signal), SIGNAL, turn.worker);
        Some(process)
    }

    /// Ends the incarnation at once.
    pub(super) fn kill(&self, turn: &Turn<'_>) {
        if let Some(process) = self.incarnation() {
            turn.world.kill(process, turn.worker);
        }
    }

    /// Its process ended.
    pub(crate) fn ended(&self, process: Pid, reason: &ExitReason, turn: &Turn<'_>) {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Living(present) if present == process) {
            return;
        }
        if let Make::Team(team) = &self.0.factory.0 {
            drop(state);
            team.0.abandon(turn);
            state = self.lock();
        }
        if state.pausing && !state.stopping {
            state.stage = Stage::Between;
            self.send_waiters_away(state, turn);
            if let Some(owner) = &self.0.owner {
                owner.crashed(reason, &turn.world.handle());
            }
            if let Some(family) = self.0.family.upgrade() {
                family.nudge(turn);
            }
            return;
        }
        if state.stopping || reason.is_orderly() {
            self.set_stopped(state, reason.clone(), turn);
            return;
        }
        state.stage = Stage::Between;
        self.send_waiters_away(state, turn);
        let runtime = turn.world.handle();
        if let Some(owner) = &self.0.owner {
            owner.crashed(reason, &runtime);
        }
        match self.0.family.upgrade() {
            Some(family) => family.child_crashed(self.clone(), reason.clone(), turn),
            // Its spawner is gone, and with it whoever would restart the child.
            None => self.set_stopped(self.lock(), reason.clone(), turn),
        }
    }

    /// What the supervisor does about a crash.
    pub(crate) fn judge(&self, reason: &ExitReason, turn: &Turn<'_>) -> Verdict {
        let supervision = &self.0.supervision;
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Between) {
            return Verdict::Over;
        }
        if state.stopping {
            self.set_stopped(state, ExitReason::Shutdown, turn);
            return Verdict::Over;
        }
        let crashes = intensity(&mut state.crashes, supervision);
        let is_too_often = crashes > supervision.max_restarts as usize;
        let moment = vega_scheduler::now() + backoff(supervision, crashes);
        match supervision.strategy {
            Strategy::Restart if !is_too_often => Verdict::RestartAt(moment),
            Strategy::RestartAll | Strategy::RestartRest if !is_too_often => Verdict::Rebuild(supervision.strategy, moment),
            Strategy::Escalate => {
                self.set_stopped(state, reason.clone(), turn);
                Verdict::Escalate(reason.clone())
            }
            strategy => {
                // What stays down by its strategy does so with its own reason.
                let reason = match strategy {
                    Strategy::Stop => reason.clone(),
                    _ => too_often(crashes, supervision, reason),
                };
                self.set_stopped(state, reason.clone(), turn);
                self.tell_down(reason, turn);
                Verdict::Over
            }
        }
    }

    /// Whoever looked after the child is gone: what its successor has to do.
    pub(super) fn orphaned(&self) -> Orphan {
        let state = self.lock();
        match state.stage {
            Stage::Between => Orphan::Between,
            Stage::Living(_) if state.stopping => Orphan::Stopping,
            Stage::Living(_) if state.pausing => Orphan::Pausing,
            Stage::Living(_) | Stage::Stopped(_) => Orphan::Settled,
        }
    }

    /// Whether no incarnation lives and one may follow; what was to stop stops now.
    pub(super) fn is_between(&self, turn: &Turn<'_>) -> bool {
        let state = self.lock();
        match (&state.stage, state.stopping) {
            (Stage::Between, false) => true,
            (Stage::Between, true) => {
                self.set_stopped(state, ExitReason::Shutdown, turn);
                false
            }
            (Stage::Living(_) | Stage::Stopped(_), _) => false,
        }
    }

    /// The slot stays down; everybody who asked is told.
    fn set_stopped(&self, mut state: MutexGuard<'_, State>, reason: ExitReason, turn: &Turn<'_>) {
        state.stage = Stage::Stopped(reason.clone());
        state.waiting.clear();
        state.waiting_bytes = 0;
        let watchers = std::mem::take(&mut state.watchers);
        let linked = std::mem::take(&mut state.linked);
        self.send_waiters_away(state, turn);
        for (other, ()) in linked.into_entries() {
            turn.world.signal(other, Signal::ChildExit { child: self.number(), reason: reason.clone() }, turn.worker);
        }
        for (monitor, watcher) in watchers.into_entries() {
            let signal = Signal::Down { monitor, process: Pid::from_bits(0), reason: reason.clone() };
            turn.world.deliver(watcher, Mail::Signal(signal), SIGNAL, turn.worker);
        }
        if let Some(owner) = &self.0.owner {
            owner.stopped(&reason, &turn.world.handle());
        }
        if let Make::Team(team) = &self.0.factory.0 {
            team.0.dissolve(turn);
        }
        if let Some(family) = self.0.family.upgrade() {
            family.remove(self, turn);
        }
    }

    /// Links the running process with the slot: each gets an exit signal when the other ends, the process when the slot stays down,
    /// and whoever lives in the slot when the process ends.
    pub(crate) fn link(&self, turn: &Turn<'_>) {
        let own = turn.pid();
        let mut state = self.lock();
        if matches!(state.stage, Stage::Living(process) if process == own) {
            return;
        }
        turn.life().extend().slot_links.insert(self.number(), self.clone());
        if !matches!(state.stage, Stage::Stopped(_)) {
            state.linked.insert(own, ());
            return;
        }
        drop(state);
        turn.world.signal(own, Signal::ChildExit { child: self.number(), reason: ExitReason::NoProcess }, turn.worker);
    }

    /// Takes a link with the slot back.
    pub(crate) fn unlink(&self, turn: &Turn<'_>) {
        turn.life().extend().slot_links.remove(&self.number());
        self.lock().linked.remove(&turn.pid());
    }

    /// A process that is linked with the slot has ended.
    pub(crate) fn linked_ended(&self, process: Pid, reason: &ExitReason, turn: &Turn<'_>) {
        let mut state = self.lock();
        let is_linked = state.linked.remove(&process).is_some();
        if let Stage::Living(incarnation) = state.stage
            && is_linked
        {
            drop(state);
            let signal = Signal::Exit { from: process, reason: reason.clone(), linked: false };
            turn.world.signal(incarnation, signal, turn.worker);
        }
    }

    /// Asks whoever lives in the slot for room. Where nobody does, the slot tells as soon as that changes.
    pub(crate) fn ask_for_room(&self, waiter: Waiter, turn: &Turn<'_>) -> Place {
        let mut state = self.lock();
        match state.stage {
            Stage::Living(process)
                if turn.world.deliver(process, Mail::Signal(Signal::WantsRoom(waiter)), SIGNAL, turn.worker) =>
            {
                return Place::Process(process);
            }
            // One that has ended is about to leave the slot.
            Stage::Living(_) | Stage::Between => state.waiters.get_or_insert_default().add(waiter),
            Stage::Stopped(_) => waiter.tell(Answer::OfferAgain, turn.world, turn.worker),
        }
        Place::Slot(self.clone())
    }

    /// A process waits no more for room in the slot.
    pub(crate) fn forget_waiter(&self, process: Pid) {
        if let Some(waiters) = &mut self.lock().waiters {
            waiters.remove(process);
        }
    }

    /// Who lives in the slot has changed: whoever waits for room offers again.
    fn send_waiters_away(&self, mut state: MutexGuard<'_, State>, turn: &Turn<'_>) {
        let waiters = state.waiters.take();
        drop(state);
        if let Some(waiters) = waiters {
            waiters.send_away(turn.world, turn.worker);
        }
    }

    /// A monitor of the slot is taken back.
    pub(crate) fn forget_watcher(&self, monitor: u64) {
        self.lock().watchers.remove(&monitor);
    }

    /// The next incarnation cannot begin: the child stays down.
    pub(crate) fn give_up(&self, reason: ExitReason, turn: &Turn<'_>) {
        let state = self.lock();
        if matches!(state.stage, Stage::Between) {
            self.set_stopped(state, reason.clone(), turn);
            self.tell_down(reason, turn);
        }
    }

    /// Tells the spawner that the child stays down.
    fn tell_down(&self, reason: ExitReason, turn: &Turn<'_>) {
        let notice = Notice::ChildDown { child: self.clone(), reason };
        turn.world.deliver(self.0.parent, Mail::Notice(notice), MAIL, turn.worker);
    }

    /// What it is called in reports and records.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// What a declared supervisor calls it.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.name.get().map(String::as_str)
    }

    pub(super) fn set_name(&self, name: &str) {
        // A name is given once, before the supervisor begins.
        let _ = self.0.name.set(name.to_string());
    }

    /// What happens when it crashes.
    pub(super) fn strategy(&self) -> Strategy {
        self.0.supervision.strategy
    }

    /// Whether it is a supervisor itself. It ends once its children have, and each of those has its time, so it is not killed.
    pub(super) fn is_supervisor(&self) -> bool {
        matches!(self.0.factory.0, Make::Team(_))
    }

    /// The children of a declared supervisor.
    pub(super) fn family_below(&self) -> Option<Arc<Family>> {
        match &self.0.factory.0 {
            Make::Team(team) => Some(Arc::clone(&team.0)),
            Make::Function(..) | Make::Native(_) => None,
        }
    }

    /// Where it stands, independently of timing.
    pub(crate) fn path(&self) -> &ProcessPath {
        &self.0.path
    }

    pub(crate) fn is(&self, other: &Child) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Child({} {})", self.0.label, self.0.number)
    }
}

/// Counts a crash, and says how many there were within the window.
pub(super) fn intensity(crashes: &mut VecDeque<Instant>, supervision: &SupervisionValues) -> usize {
    let now = vega_scheduler::now();
    let window = Duration::from_nanos(supervision.window_ns);
    crashes.push_back(now);
    while crashes.front().is_some_and(|&crash| now.since(crash) > window) {
        crashes.pop_front();
    }
    crashes.len()
}

/// Why a child, or a supervisor, stays down that crashed more often than it may.
pub(super) fn too_often(crashes: usize, supervision: &SupervisionValues, last: &ExitReason) -> ExitReason {
    let window = Duration::from_nanos(supervision.window_ns);
    ExitReason::Text(format!("restart_intensity: {crashes} crashes in {window:?}, the last: {last}").into())
}

/// The pause before the restart after so many crashes in the window.
pub(super) fn backoff(supervision: &SupervisionValues, crashes: usize) -> Duration {
    let Some((base, factor, longest)) = supervision.backoff else { return Duration::ZERO };
    let exponent = i32::try_from(crashes.saturating_sub(1)).unwrap_or(i32::MAX);
    let pause = base as f64 * factor.powi(exponent);
    // A float too large for the type becomes its largest value.
    Duration::from_nanos((pause as u64).min(longest))
}

/// What programs hold of a child.
pub(crate) struct ChildHandle(Child);

impl ChildHandle {
    /// The process that lives in the slot now.
    pub(crate) fn incarnation(&self) -> Option<Pid> {
        self.0.incarnation()
    }

    pub(crate) fn child(&self) -> &Child {
        &self.0
    }

    /// Sends a message to whoever lives in the slot, or keeps it for who will.
    pub(crate) fn send(&self, message: Message, turn: &Turn<'_>) -> Result<bool, Message> {
        let mut state = self.0.lock();
        match state.stage {
            Stage::Living(process) => turn.world.send(process, message, turn.worker),
            Stage::Between => {
                let bounds = turn.world.bounds();
                let bytes = state.waiting_bytes + message.size_bytes() as u64;
                if state.waiting.len() >= bounds.messages as usize || bytes > bounds.bytes {
                    return Err(message);
                }
                state.waiting_bytes = bytes;
                state.waiting.push_back(message);
                Ok(false)
            }
            Stage::Stopped(_) => Ok(false),
        }
    }

    /// Watches the slot: its end for good is news.
    pub(crate) fn watch(&self, turn: &Turn<'_>, port: Option<PortId>) -> u64 {
        let monitor = turn.world.new_monitor(turn.worker);
        turn.life().extend().monitors.insert(monitor, Monitoring { watched: Watched::Child(self.0.clone()), port });
        let mut state = self.0.lock();
        match &state.stage {
            Stage::Living(_) | Stage::Between => state.watchers.insert(monitor, turn.pid()),
            Stage::Stopped(_) => {
                let signal = Signal::Down { monitor, process: Pid::from_bits(0), reason: ExitReason::NoProcess };
                turn.world.deliver(turn.pid(), Mail::Signal(signal), SIGNAL, turn.worker);
            }
        }
        monitor
    }
}

impl HandleObject for ChildHandle {
    fn kind(&self) -> HandleKind {
        self.0.0.kind
    }

    fn text(&self) -> String {
        match self.0.0.kind {
            HandleKind::Process => format!("<process {}>", self.0.0.label),
            _ => format!("<{} {}>", self.0.0.label, self.0.0.number),
        }
    }

    fn identity(&self) -> u64 {
        self.0.0.number
    }

    fn process_word(&self) -> Option<u64> {
        self.0.incarnation().map(Pid::to_bits)
    }
}
