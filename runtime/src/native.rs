//! Rust functions that Vega can call, and Rust state machines that can call Vega.
//!
//! Invariants: no native ever calls Vega code; one that needs to is a [`Resumable`], which asks the interpreter to make the call and
//! is stepped again with the result. No native holds a reference into the process while it blocks: arguments are moved out to its own
//! stack, and everything else goes through [`NativeContext`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use vega_bytecode::module::{AskDescription, Supervision};
use vega_bytecode::{AgentId, FunctionId};
use vega_scheduler::Instant;

use crate::error::Error;
use crate::process::Pid;
use crate::value::{Handle, Value};

mod context; // what a native may do besides computing
mod effect; // effects, as natives begin and end them

pub use context::{CallGuard, NativeContext, SpawnOptions, Spawned, Task};

/// A Rust function that Vega can call. The arguments are its own: it may take them, and where the native is declared with `mut self`
/// it leaves the changed receiver in the first.
pub type NativeFunction = fn(&mut NativeContext<'_>, &mut [Value]) -> NativeResult;

/// What a native gives, or the error that it raises at the caller.
pub type NativeResult = Result<Outcome, Error>;

/// What a native gives.
pub enum Outcome {
    /// The result.
    Value(Value),
    /// More work, in steps: the interpreter keeps the state in a frame of its own and drives it.
    Resume(Box<dyn Resumable>),
}

impl<T: Into<Value>> From<T> for Outcome {
    fn from(value: T) -> Self {
        Outcome::Value(value.into())
    }
}

/// Work in steps, kept in a frame of the interpreter: it may call Vega functions, wait for messages, and holds no native stack
/// meanwhile. The bottom frame of a process may be one: supervisors, agents and invocations are such processes.
///
/// A step may block like any native (it runs on a runner), but a state that waits for long should return [`Step::Receive`].
/// When its process is killed the state is dropped; whatever must be cancelled then, its `Drop` cancels, without blocking.
pub trait Resumable: Send + 'static {
    /// Goes on with `input` until the next thing that somebody else must do.
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step;

    /// How it appears in a stack trace.
    fn name(&self) -> &str {
        "native"
    }
}

/// Why a [`Resumable`] is stepped.
pub enum Input {
    /// For the first time.
    Start,
    /// Again after [`Step::Yield`], or because what it waits for without a port has come.
    Resumed,
    /// With what the function asked for by [`Step::Call`] returned or raised.
    Returned(Result<Value, Error>),
    /// With something sent to the port that it receives on.
    Message(Box<dyn Any + Send>),
    /// With news of other processes; only the bottom frame of a process that was born as a [`Resumable`] gets these, on [`PortId::ROOT`].
    Notice(Notice),
    /// The deadline of its [`Step::Receive`] passed.
    Timeout,
}

/// What a [`Resumable`] wants next.
pub enum Step {
    /// A call of a Vega function; its result comes as [`Input::Returned`].
    Call {
        /// What is called.
        callee: Callee,
        /// Its arguments, moved.
        arguments: Vec<Value>,
    },
    /// The end, with the native's result.
    Return(Value),
    /// The end, with an error for the caller.
    Fail(Error),
    /// The next message sent to a port, or [`Input::Timeout`] at the deadline. The process waits without a stack.
    Receive {
        /// Where messages are awaited.
        port: PortId,
        /// Until when; forever where there is none.
        deadline: Option<Instant>,
    },
    /// Other processes' turn; then [`Input::Resumed`]. For long computations.
    Yield,
}

/// What [`Step::Call`] calls.
pub enum Callee {
    /// A function of the program, without captures.
    Function(FunctionId),
    /// A function value.
    Closure(Value),
}

/// News of other processes.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A linked process ended, and this process traps exits.
    Exit {
        /// Which; for a child slot, none in particular.
        process: Pid,
        /// The slot that stays down, where the link was with one.
        child: Option<crate::supervisor::Child>,
        /// Why.
        reason: crate::process::ExitReason,
    },
    /// A monitored process ended.
    Down {
        /// The monitor that asked.
        monitor: u64,
        /// Which process; for a child slot, none in particular.
        process: Pid,
        /// The slot, where one was watched.
        child: Option<crate::supervisor::Child>,
        /// Why.
        reason: crate::process::ExitReason,
    },
    /// A supervised child of this process stays down.
    ChildDown {
        /// Which.
        child: crate::supervisor::Child,
        /// Why.
        reason: crate::process::ExitReason,
    },
}

impl Notice {
    /// Why the other has ended.
    pub fn reason(&self) -> &crate::process::ExitReason {
        match self {
            Notice::Exit { reason, .. } | Notice::Down { reason, .. } | Notice::ChildDown { reason, .. } => reason,
        }
    }
}

/// Names one place within a process where a [`Resumable`] awaits messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortId(pub(crate) u64);

impl PortId {
    /// The port of the bottom frame of a process that was born as a [`Resumable`].
    pub const ROOT: PortId = PortId(0);

    /// A port to which nobody can send: for waiting until a deadline.
    pub const NONE: PortId = PortId(u64::MAX);

    /// Where a sender waits for room in a full mailbox; the answer comes as [`Input::Resumed`].
    pub(crate) const ROOM: PortId = PortId(u64::MAX - 1);
}

/// A port of its own for one state; what is sent to it after it was dropped is thrown away. Made by [`NativeContext::open_port`].
pub struct Port {
    pub(crate) id: PortId,
    pub(crate) alive: Arc<()>,
    pub(crate) process: Pid,
}

impl Port {
    /// For [`Step::Receive`].
    pub fn id(&self) -> PortId {
        self.id
    }

    /// Where others send to.
    pub fn address(&self) -> Address {
        Address { process: self.process, port: self.id, alive: Some(Arc::downgrade(&self.alive)) }
    }
}

/// Names a port of a process. Sending is done through [`NativeContext::send_to`], or from any thread through [`crate::RuntimeHandle`].
#[derive(Clone, Debug)]
pub struct Address {
    pub(crate) process: Pid,
    pub(crate) port: PortId,
    pub(crate) alive: Option<Weak<()>>,
}

impl Address {
    /// The root port of a process that was born as a [`Resumable`].
    pub fn root(process: Pid) -> Self {
        Self { process, port: PortId::ROOT, alive: None }
    }

    /// The process.
    pub fn process(&self) -> Pid {
        self.process
    }
}

/// Something of a process, kept in the state of a [`Resumable`] of that process, which must be `Send`: it moves from worker to worker
/// only together with all other values of the process.
pub struct Kept<T>(T);

// SAFETY: `new` promises that the content moves only with its process, whose values one worker at a time touches.
unsafe impl<T> Send for Kept<T> {}

impl<T> Kept<T> {
    /// Keeps something.
    ///
    /// # Safety
    /// The result is stored in the state of a [`Resumable`] that runs in the process that `content` belongs to, and goes nowhere else.
    pub unsafe fn new(content: T) -> Self {
        Self(content)
    }

    /// The content.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The content, to be changed.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }

    /// The content, taken out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Agents, as processes see them. The runtime knows no models: whoever does registers with the builder.
pub trait AgentHost: Send + Sync + 'static {
    /// Starts an agent: the value is its handle, or the future of one.
    fn spawn(&self, context: &mut NativeContext<'_>, spawn: SpawnAgent<'_>) -> NativeResult;

    /// Asks an agent. The values are the handle, the message, then timeout and budget as the description says. The result is the
    /// reply, or where `streaming`, the stream of it.
    fn ask(&self, context: &mut NativeContext<'_>, ask: &AskDescription, values: &mut [Value], streaming: bool) -> NativeResult;

    /// The next chunk of a stream, or null at its end.
    fn stream_next(&self, context: &mut NativeContext<'_>, stream: &Handle) -> NativeResult;

    /// Whether a stream has ended.
    fn stream_done(&self, stream: &Handle) -> Result<bool, Error>;

    /// Leaves the loop over a stream: where it has not ended, its call is cancelled.
    fn stream_close(&self, stream: &Handle) -> Result<(), Error>;

    /// Waits for the reply of a stream: the value that was asked for, or `as_text`, its text.
    fn await_stream(&self, context: &mut NativeContext<'_>, stream: &Handle, as_text: bool) -> NativeResult;

    /// Joins the rounds of the running process's pending call of a number to its agent's history.
    fn join_round(&self, context: &mut NativeContext<'_>, number: u32) -> Result<(), Error>;
}

/// What an agent is started with.
pub struct SpawnAgent<'a> {
    /// Which.
    pub agent: AgentId,
    /// Its parameters.
    pub arguments: &'a mut [Value],
    /// How it is supervised; none where the program does not say.
    pub supervision: Option<SupervisionValues>,
    /// Whether a future of the handle is wanted.
    pub asynchronous: bool,
    /// Whether it is linked to its spawner from the start.
    pub linked: bool,
    /// The declared supervisor that it is a child of, if it is one: it goes into the options of its slot.
    pub team: Option<crate::supervisor::Team>,
}

/// How a child is supervised, with the numbers that the program computed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SupervisionValues {
    /// What happens when it crashes.
    pub strategy: vega_bytecode::module::Strategy,
    /// Restarts allowed within the window.
    pub max_restarts: u32,
    /// The window, in nanoseconds.
    pub window_ns: u64,
    /// Pause before a restart: first, factor, longest, in nanoseconds.
    pub backoff: Option<(u64, f64, u64)>,
}

impl Default for SupervisionValues {
    fn default() -> Self {
        Self { strategy: vega_bytecode::module::Strategy::Restart, max_restarts: 3, window_ns: 60_000_000_000, backoff: None }
    }
}

impl SupervisionValues {
    /// From a spawn's description and the values after its arguments in the window.
    pub fn read(description: &Supervision, values: &[Value]) -> Self {
        let mut result = Self { strategy: description.strategy, ..Self::default() };
        let mut rest = values.iter();
        let mut next = |present: bool| if present { rest.next() } else { None };
        let number = |value: &Value| u64::try_from(value.as_int().or_else(|| value.as_duration()).unwrap_or(0)).unwrap_or(0);
        if let Some(value) = next(description.has_max_restarts) {
            result.max_restarts = u32::try_from(number(value)).unwrap_or(u32::MAX);
        }
        if let Some(value) = next(description.has_window) {
            result.window_ns = number(value);
        }
        if let (Some(base), Some(factor), Some(longest)) =
            (next(description.has_backoff), next(description.has_backoff), next(description.has_backoff))
        {
            result.backoff = Some((number(base), factor.as_float().unwrap_or(2.0), number(longest)));
        }
        result
    }
}

/// The natives of a runtime, by full name and number of arguments.
#[derive(Clone, Default)]
pub struct NativeTable {
    entries: HashMap<(String, u8), NativeEntry>,
    /// Natives that take any number of arguments.
    variadic: HashMap<String, NativeEntry>,
}

/// One registered native.
#[derive(Clone, Copy)]
pub struct NativeEntry {
    pub(crate) function: NativeFunction,
    /// Whether it may block: then its process can be killed while it does.
    pub(crate) blocking: bool,
}

impl NativeTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a native that computes and never blocks. The name is full, `str::len`, or bare for those without a module.
    pub fn add(&mut self, name: &str, arity: u8, function: NativeFunction) -> &mut Self {
        self.entries.insert((name.to_string(), arity), NativeEntry { function, blocking: false });
        self
    }

    /// Adds a native that may block its process: on a socket, a file, a lane, a sleep. It costs a little more to call, and a kill
    /// reaches it while it blocks (every blocking operation of the scheduler then fails).
    pub fn add_blocking(&mut self, name: &str, arity: u8, function: NativeFunction) -> &mut Self {
        self.entries.insert((name.to_string(), arity), NativeEntry { function, blocking: true });
        self
    }

    /// Adds a native that takes any number of arguments and never blocks, as `print` does.
    pub fn add_variadic(&mut self, name: &str, function: NativeFunction) -> &mut Self {
        self.variadic.insert(name.to_string(), NativeEntry { function, blocking: false });
        self
    }

    /// Adds everything of another table; its entries win.
    pub fn extend(&mut self, other: NativeTable) -> &mut Self {
        self.entries.extend(other.entries);
        self.variadic.extend(other.variadic);
        self
    }

    /// The native of a name and number of arguments.
    pub fn find(&self, name: &str, arity: u8) -> Option<NativeEntry> {
        // A lookup by borrowed parts would need a key type of its own; this happens once per import, when a program is loaded.
        self.entries.get(&(name.to_string(), arity)).or_else(|| self.variadic.get(name)).copied()
    }
}

/// Values of Rust that natives share within one runtime, by type: registered with the builder, found with
/// [`NativeContext::extension`].
#[derive(Clone, Default)]
pub struct Extensions {
    values: HashMap<std::any::TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Extensions {
    /// Adds a value; an earlier one of its type is replaced.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: Arc<T>) {
        self.values.insert(std::any::TypeId::of::<T>(), value);
    }

    /// The value of a type.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let value = Arc::clone(self.values.get(&std::any::TypeId::of::<T>())?);
        Some(value.downcast().expect("values are stored under their own type"))
    }
}
