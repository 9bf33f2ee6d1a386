//! What a native may do besides computing.
//!
//! Invariant: the context borrows nothing of the process for longer than one of its methods runs, so a native may block between any
//! two of them.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use vega_bytecode::module::{Module, NativeImport};
use vega_bytecode::{FunctionId, TypeId};
use vega_scheduler::{Instant, Lane, Priority};
use vega_trace::{SpanId, TraceId};

use super::{Address, Notice, Outcome, Port, PortId, Resumable};
use crate::capability::CapabilitySet;
use crate::error::Error;
use crate::ledger::Scope;
use crate::limits::Limits;
use crate::process::block::{Birth, Endowment, Extension, Monitoring, Watched};
use crate::process::few::Few;
use crate::process::mail::Mail;
use crate::process::signal::Signal;
use crate::process::state::{MAIL, SIGNAL};
use crate::process::turn::{Target, Turn, pack};
use crate::process::waiting::{Pause, Sleep};
use crate::process::{Activation, Coordinate, ExitReason, Pid, ProcessPath};
use crate::runtime::RuntimeHandle;
use crate::supervisor::{Ending, Team, pack_all};
use crate::value::copy::Message;
use crate::value::heap::{self, Account};
use crate::value::{Value, View};
use crate::vm::{LoadedProgram, Machine};

/// The running process, as a native sees it.
pub struct NativeContext<'a> {
    turn: Turn<'a>,
    machine: &'a Machine,
    /// Number of the native's import; none for a step of a state machine.
    native: Option<u32>,
}

/// What a process that a native starts begins with. The rest it has from its parent.
#[derive(Default)]
pub struct SpawnOptions {
    /// What it may touch, if less than its parent.
    pub capabilities: Option<CapabilitySet>,
    /// What its spending is charged to, if not to its parent's scope.
    pub scope: Option<Scope>,
    /// How soon it runs relative to others.
    pub priority: Priority,
    /// Whether it and its parent are linked from the start.
    pub linked: bool,
    /// Whether exit signals come to it as [`Notice::Exit`] instead of ending it.
    pub traps_exits: bool,
    /// A number that tells it from other processes spawned at the same place.
    pub step: u32,
    /// Where it stands in the program, if not where it is spawned: work that one process starts for another.
    pub path: Option<ProcessPath>,
    /// What reports call it.
    pub label: Option<String>,
    /// Whether the parent watches it: then its end comes as [`Notice::Down`] with the number that is returned.
    pub monitored: bool,
    /// The declared supervisor that looks after it, if one does: only for children, which begin with it.
    pub team: Option<Team>,
}

/// A process that was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spawned {
    /// Which.
    pub process: Pid,
    /// The number of the monitor, where one was asked for.
    pub monitor: Option<u64>,
}

/// What a started process runs.
pub enum Task {
    /// A function with its arguments, as an array.
    Function(FunctionId, Message),
    /// A state machine.
    Native(Box<dyn Resumable>),
}

/// Counts one call to a model as under way while it or a copy of it lives. Made by [`NativeContext::begin_call`]. It travels with the
/// reply, so that a run which is asked to end ends after whoever called has its reply.
#[derive(Clone, Debug)]
pub struct CallGuard(#[expect(dead_code, reason = "held for what its end does")] Arc<CallUnderWay>);

#[derive(Debug)]
struct CallUnderWay(RuntimeHandle);

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        self.0.end_call();
    }
}

impl<'a> NativeContext<'a> {
    pub(crate) fn new(turn: Turn<'a>, machine: &'a Machine, native: Option<u32>) -> Self {
        Self { turn, machine, native }
    }

    pub(crate) fn turn(&self) -> Turn<'a> {
        self.turn
    }

    /// The program: names of structs, enums, kinds; types; functions.
    pub fn module(&self) -> &'a Module {
        self.turn.world.program().loaded.module()
    }

    /// The program as the interpreter runs it.
    pub fn program(&self) -> &'a Arc<LoadedProgram> {
        &self.turn.world.program().loaded
    }

    /// The import by which the program calls this native; none in a step of a state machine.
    pub fn import(&self) -> Option<&'a NativeImport> {
        self.native.and_then(|native| self.module().natives.get(native as usize))
    }

    /// The type that the program wants as the result; none in a step of a state machine.
    pub fn result_type(&self) -> Option<TypeId> {
        self.import().map(|import| import.result)
    }

    /// Counts work that a native did, in reductions: the process's turn is shorter by them.
    pub fn charge(&self, reductions: u32) {
        let life = self.turn.life();
        life.debt = life.debt.saturating_add(reductions);
    }

    /// The bounds in force.
    pub fn limits(&self) -> &'a Limits {
        &self.turn.world.limits
    }

    /// The program's own arguments.
    pub fn arguments(&self) -> &'a [String] {
        &self.turn.world.arguments
    }

    /// A value that was registered with the builder.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.turn.world.extensions.get()
    }

    /// Where records go, if anybody takes them.
    pub fn trace(&self) -> Option<&'a vega_trace::Sink> {
        self.turn.world.trace.as_ref()
    }

    /// A handle of the runtime for other threads, and for destructors.
    pub fn runtime(&self) -> RuntimeHandle {
        self.turn.world.handle()
    }

    // ---- output ----

    /// Writes to the program's output, all at once.
    pub fn write_output(&self, text: &str) -> Result<(), Error> {
        self.turn.world.stdout.write(text.as_bytes());
        Ok(())
    }

    /// Writes a part of a streamed answer to the program's output. Its line is ended by [`RuntimeHandle::end_line`], unless other output
    /// comes first.
    pub fn write_chunk(&self, text: &str) {
        self.turn.world.stdout.write_unfinished(text.as_bytes(), self.self_pid());
    }

    /// Writes to the program's error output, all at once.
    pub fn write_error(&self, text: &str) -> Result<(), Error> {
        self.turn.world.stderr.write(text.as_bytes());
        Ok(())
    }

    // ---- time ----

    /// The present moment.
    pub fn now(&self) -> Instant {
        vega_scheduler::now()
    }

    /// What a native returns to let its process sleep, without a stack.
    pub fn sleep(&self, duration: Duration) -> Outcome {
        Outcome::Resume(Box::new(Sleep { until: self.now() + duration }))
    }

    /// What a native returns to let others run.
    pub fn pause(&self) -> Outcome {
        Outcome::Resume(Box::new(Pause))
    }

    /// Runs blocking work in a lane; the process waits meanwhile. The native must be registered as blocking.
    pub fn offload<T: Send + 'static>(&self, lane: Lane, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        vega_scheduler::offload(lane, work)
    }

    // ---- this process ----

    /// This process.
    pub fn self_pid(&self) -> Pid {
        self.turn.pid()
    }

    /// What this process may touch.
    pub fn capabilities(&self) -> CapabilitySet {
        self.turn.life().capabilities.as_ref().unwrap_or(&self.turn.world.grants).clone()
    }

    /// What this process's spending is charged to.
    pub fn scope(&self) -> Scope {
        self.turn.scope().clone()
    }

    /// Who spawned this process.
    pub fn parent(&self) -> Pid {
        self.turn.life().parent
    }

    /// The operation under way, named independently of timing.
    pub fn coordinate(&self) -> Coordinate {
        let activations = self.machine.coordinate(self.program());
        Coordinate { process: self.turn.life().path.share(), activations }
    }

    /// The same for a step of a state machine, which has no site of the program under it.
    pub fn coordinate_of_step(&self, step: u32) -> Coordinate {
        let mut coordinate = self.coordinate();
        coordinate.activations.push(Activation::step(step));
        coordinate
    }

    /// The trace that this process works for, and the span around what it does.
    pub fn span(&self) -> Option<(TraceId, SpanId)> {
        self.turn.life().extension()?.span()
    }

    /// Sets the span around what this process does from now on; processes that it starts begin with it.
    pub fn set_span(&self, span: Option<(TraceId, SpanId)>) {
        self.turn.life().extend().span = span;
    }

    /// Whether exit signals come as messages.
    pub fn trap_exits(&self, traps: bool) {
        self.turn.life().extend().traps_exits = traps;
    }

    /// Ends this process at its next safe point, with a reason. A state machine that does returns [`super::Step::Yield`].
    pub(crate) fn end_with(&self, reason: ExitReason) {
        self.turn.life().doom_with(reason);
    }

    /// A place of its own at which a state machine receives.
    pub fn open_port(&self) -> Port {
        let extension = self.turn.life().extend();
        extension.last_port += 1;
        Port { id: PortId(extension.last_port), alive: Arc::new(()), process: self.turn.pid() }
    }

    /// The root port of this process.
    pub fn address(&self) -> Address {
        Address::root(self.turn.pid())
    }

    // ---- other processes ----

    /// Sends something to a port. False where its process has ended.
    pub fn send_to(&self, address: &Address, payload: Box<dyn Any + Send>) -> bool {
        let mail = Mail::Port(address.port, address.alive.clone(), payload);
        self.turn.world.deliver(address.process, mail, MAIL, self.turn.worker)
    }

    /// Sends a program's message. False where there is no room; a process that has ended takes every message.
    pub fn send(&self, process: Pid, message: Message) -> bool {
        self.turn.world.send(process, message, self.turn.worker).is_ok()
    }

    /// Sends news to a process: a message of the runtime that programs can receive.
    pub fn send_notice(&self, process: Pid, notice: Notice) -> bool {
        self.turn.world.deliver(process, Mail::Notice(notice), MAIL, self.turn.worker)
    }

    /// Whether a process lives.
    pub fn is_alive(&self, process: Pid) -> bool {
        self.turn.world.is_alive(process)
    }

    /// Ends a process; it cannot refuse.
    pub fn kill(&self, process: Pid) {
        self.turn.world.kill(process, self.turn.worker);
    }

    /// Sends an exit signal: the process ends with this reason, unless it traps exits.
    pub fn exit_process(&self, process: Pid, reason: ExitReason) {
        let signal = Signal::Exit { from: self.turn.pid(), reason, linked: false };
        self.turn.world.deliver(process, Mail::Signal(signal), SIGNAL, self.turn.worker);
    }

    /// Links this process with another.
    pub fn link(&self, process: Pid) {
        self.turn.link_with(process);
    }

    /// Takes a link back.
    pub fn unlink(&self, process: Pid) {
        self.turn.unlink_from(process);
    }

    /// Watches a process; its end comes as [`Notice::Down`] with this number.
    pub fn monitor(&self, process: Pid) -> u64 {
        self.turn.watch(process)
    }

    /// Watches whatever a value refers to; the monitor's handle.
    pub(crate) fn monitor_value(&self, target: &Value) -> Result<Value, Error> {
        self.turn.monitor_value(target)
    }

    /// Watches no more.
    pub fn demonitor(&self, monitor: u64) {
        self.turn.unwatch(monitor);
    }

    /// The process that a value refers to, if one lives there now; the error where the value is none.
    pub fn process_of(&self, value: &Value) -> Result<Option<Pid>, Error> {
        Ok(self.turn.target(value)?.present())
    }

    pub(crate) fn target_of(&self, value: &Value) -> Result<Target, Error> {
        self.turn.target(value)
    }

    /// Starts a process.
    pub fn spawn(&self, task: Task, options: SpawnOptions) -> Result<Spawned, Error> {
        let path = options.path.clone().unwrap_or_else(|| self.child_path(options.step));
        let native_born = matches!(task, Task::Native(_));
        let (machine, account) = self.in_new_account(|| match task {
            Task::Function(function, arguments) => function_machine(self.program(), function, arguments),
            Task::Native(state) => Machine::native(state),
        });
        self.begin_machine(machine, account, native_born, options, path, None)
    }

    /// Where a process that is spawned here stands.
    pub(crate) fn child_path(&self, step: u32) -> ProcessPath {
        if step == 0
            && let Some(place) = self.machine.near_site(self.program())
        {
            return self.turn.life().path.spawned_near(place.site());
        }
        let mut coordinate = self.coordinate();
        if step > 0 {
            match coordinate.activations.last_mut() {
                Some(last) => last.loops.push(i64::from(step)),
                None => coordinate.activations.push(Activation::step(step)),
            }
        }
        ProcessPath::spawned_at(coordinate)
    }

    /// Starts a process that calls a function with copies of values.
    pub(crate) fn begin_function(
        &self,
        function: FunctionId,
        arguments: &[Value],
        options: SpawnOptions,
        ending: Option<Ending>,
    ) -> Result<Pid, Error> {
        let path = self.child_path(options.step);
        let costly = arguments.iter().filter(|argument| !argument.is_free()).count();
        let (machine, account) = match costly {
            // Nothing can be shared between them, so each travels by itself, without an array around.
            0 | 1 => {
                let mut message = arguments.iter().find(|argument| !argument.is_free()).map(pack).transpose()?;
                self.in_new_account(|| {
                    let values = arguments.iter().map(|argument| match message.take_if(|_| !argument.is_free()) {
                        Some(message) => message.adopt(),
                        None => argument.clone(),
                    });
                    Machine::new(self.program(), function, values)
                })
            }
            _ => {
                let message = pack_all(arguments)?;
                self.in_new_account(|| function_machine(self.program(), function, message))
            }
        };
        Ok(self.begin_machine(machine, account, false, options, path, ending)?.process)
    }

    /// Runs something in the account of a process to come.
    fn in_new_account<T>(&self, make: impl FnOnce() -> T) -> (T, Account) {
        let outer = heap::enter(Account::with_limit(self.limits().heap_bytes));
        let made = make();
        (made, heap::enter(outer))
    }

    fn begin_machine(
        &self,
        machine: Machine,
        account: Account,
        native_born: bool,
        options: SpawnOptions,
        path: ProcessPath,
        ending: Option<Ending>,
    ) -> Result<Spawned, Error> {
        let span = self.span();
        let needs_extension =
            native_born || options.linked || options.traps_exits || options.label.is_some() || ending.is_some() || span.is_some();
        // Set before the process begins, so that even the shortest one is reported with its own reason.
        let monitor = options.monitored.then(|| self.turn.world.new_monitor(self.turn.worker));
        let extension = needs_extension.then(|| {
            Box::new(Extension {
                links: if options.linked { Few::One(self.turn.pid(), ()) } else { Few::None },
                traps_exits: options.traps_exits,
                native_born,
                span,
                label: options.label,
                ending,
                ..Extension::default()
            })
        });
        let birth = Birth {
            machine,
            path,
            rest: Endowment {
                account,
                capabilities: options.capabilities.or_else(|| self.turn.life().capabilities.clone()),
                scope: options.scope.or_else(|| self.turn.life().scope.clone()),
                parent: self.turn.pid(),
                priority: options.priority,
                watchers: monitor.map_or(Few::None, |monitor| Few::One(monitor, self.turn.pid())),
                extension,
            },
        };
        let process = self.turn.world.begin(birth, self.turn.worker)?;
        if options.linked {
            self.turn.life().extend().links.insert(process, ());
        }
        if let Some(monitor) = monitor {
            self.turn.life().extend().monitors.insert(monitor, Monitoring { watched: Watched::Process(process), port: None });
        }
        Ok(Spawned { process, monitor })
    }

    /// Counts a call to a model as under way; none where the run is ending and no new call may begin.
    pub fn begin_call(&self) -> Option<CallGuard> {
        self.turn.world.begin_call().then(|| CallGuard(Arc::new(CallUnderWay(self.runtime()))))
    }

    /// This process has the reply of that call: the call counts as under way until the process next waits or ends.
    pub fn take_in_hand(&self, call: CallGuard) {
        self.turn.life().extend().in_hand = Some(call);
    }

    /// The call whose reply this process works on, for whoever gets what follows from it.
    pub fn in_hand(&self) -> Option<CallGuard> {
        self.turn.life().extension()?.in_hand.clone()
    }
}

/// A machine for a function whose arguments come as one array. Charges the account in force.
pub(crate) fn function_machine(program: &LoadedProgram, function: FunctionId, arguments: Message) -> Machine {
    let arguments = arguments.adopt();
    match arguments.view() {
        View::Array(values) => Machine::new(program, function, values.as_slice().iter().cloned()),
        _ => Machine::new(program, function, std::iter::empty()),
    }
}
