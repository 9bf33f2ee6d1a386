//! A whole program as data: what the compiler makes and the loader reads.
//!
//! Invariant: plain data without behaviour. Nothing here is trusted until `verify` has looked at all of it.

use crate::instruction::Instruction;
use crate::types::{AgentId, EnumId, TypeId, TypeTable};

/// Index of a function in [`Module::functions`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FunctionId(pub u32);

/// Index of an error kind in [`Module::kinds`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KindId(pub u32);

/// A compiled program.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Module {
    /// Source files, by the numbers that debug lines use.
    pub files: Vec<SourceFile>,
    /// Literal values.
    pub constants: Vec<Constant>,
    /// All types that the program names at run time.
    pub types: TypeTable,
    /// Struct definitions.
    pub structs: Vec<StructDefinition>,
    /// Enum definitions.
    pub enums: Vec<EnumDefinition>,
    /// Error kinds: those of the language first, in their fixed order, then the program's.
    pub kinds: Vec<KindDefinition>,
    /// Natives that the code calls, resolved by name when the program is loaded.
    pub natives: Vec<NativeImport>,
    /// Functions, closures, tools, the code of clauses.
    pub functions: Vec<Function>,
    /// Agent declarations.
    pub agents: Vec<Agent>,
    /// What each spawn instruction spawns.
    pub spawns: Vec<SpawnDescription>,
    /// What each ask instruction asks for.
    pub asks: Vec<AskDescription>,
    /// Paths to nested places.
    pub paths: Vec<Path>,
    /// The function that `vega run` starts: `main`, or the file's top-level statements.
    pub entry: Option<FunctionId>,
}

impl Module {
    /// A program without code: the error kinds and structs that every program begins with.
    pub fn new() -> Self {
        let mut module = Self::default();
        module.kinds = crate::kinds::built_in_definitions(&mut module.types);
        module.structs = crate::prelude::structs(&mut module.types);
        module
    }
}

/// A source file, as far as messages need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    /// Its path as the user gave it.
    pub path: String,
}

/// A literal value.
#[derive(Clone, PartialEq, Debug)]
pub enum Constant {
    /// `null`
    Null,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double, compared by its bits when constants are merged.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nanoseconds.
    Duration(i64),
    /// Pico-dollars.
    Money(i64),
    /// A function as a value without captures.
    Function(FunctionId),
    /// A variant without payload.
    UnitVariant(EnumId, u32),
}

/// One struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StructDefinition {
    /// Name as written, with its module where it is not the program's own file.
    pub name: String,
    /// Fields in declared order.
    pub fields: Vec<FieldDefinition>,
}

/// One field or named value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldDefinition {
    /// Its name.
    pub name: String,
    /// Its type; `Parameter(i)` stands for the definition's type parameter `i`.
    pub ty: TypeId,
}

/// One enum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnumDefinition {
    /// Name as written.
    pub name: String,
    /// Variants in declared order.
    pub variants: Vec<VariantDefinition>,
}

/// One variant of an enum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariantDefinition {
    /// Its name.
    pub name: String,
    /// Payload types; names are empty for positional payloads.
    pub payload: Vec<FieldDefinition>,
}

/// One error kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KindDefinition {
    /// Its name.
    pub name: String,
    /// The kind above it: catching that one catches this one.
    pub parent: Option<KindId>,
    /// Payload, in order; names may be empty.
    pub payload: Vec<FieldDefinition>,
}

/// A native that the program calls.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NativeImport {
    /// Full name, `file::read`; `print` for those without a module.
    pub name: String,
    /// Number of arguments: natives may be overloaded by it.
    pub arity: u8,
    /// Result type, for natives that make values by type (`json::decode::<T>`).
    pub result: TypeId,
    /// Whether the first argument is `mut self`: after the call the window's first argument slot holds it, changed, after an error too.
    pub changes_self: bool,
}

/// One function's code.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Function {
    /// Name for traces: `main`, `Coder.read_file`, `review::{closure}`.
    pub name: String,
    /// How many arguments it takes; they arrive in the first registers.
    pub parameters: u16,
    /// How many captured values follow the parameters.
    pub captures: u16,
    /// How many registers a frame has, window space included.
    pub registers: u16,
    /// The registers that may own storage, ascending: released when the function is left. Window temporaries are not listed.
    pub value_registers: Vec<u16>,
    /// Whether `r0` is `mut self`: left in place for the caller when the function is left, by return or by error.
    pub returns_self: bool,
    /// The instructions.
    pub code: Vec<Instruction>,
    /// Where errors raised in a range of the code go, innermost first.
    pub handlers: Vec<Handler>,
    /// Source position of instructions: ascending `pc`, each holds until the next.
    pub lines: Vec<LineEntry>,
    /// Places from which an effect may happen, for coordinates: ascending `pc`.
    pub sites: Vec<Site>,
}

/// Catches what is raised at `start <= pc < end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handler {
    /// First instruction covered.
    pub start: u32,
    /// First instruction no longer covered.
    pub end: u32,
    /// Where the handler's code is.
    pub target: u32,
    /// Register that receives the error; its old content is released.
    pub register: u16,
    /// Registers from this one on are released before the handler runs (temporaries of the expression under way).
    pub keep: u16,
    /// Whether this is the code of a `finally` or `defer`: an exit of the process passes through it too, and it ends by throwing what
    /// it caught on. Other handlers do not see exits.
    pub cleanup: bool,
}

/// Source position of the instructions from `pc` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineEntry {
    /// First instruction.
    pub pc: u32,
    /// Number of the file in [`Module::files`].
    pub file: u16,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One effect site: an instruction from which an effect or spawn may happen, directly or below a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// The instruction.
    pub pc: u32,
    /// The number of the site in its function, in textual order from 0: part of coordinates.
    pub number: u32,
    /// Registers that count the iterations of the loops around it, outermost first.
    pub loops: Vec<u16>,
}

/// One agent declaration.
#[derive(Clone, PartialEq, Debug)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Names and types of its parameters.
    pub parameters: Vec<FieldDefinition>,
    /// Function from the parameters to a `map<str, any>` of the clauses that are written: `model`, `system`, `temperature`,
    /// `max_tokens`, `budget`, `retry.max_attempts`, `retry.backoff` (array of base, multiplier, max), `retry.on` (array of words),
    /// `rate_limit.concurrent`, `history` (array of words and numbers) and so on: nested clauses joined by a dot, words as text.
    pub clauses: FunctionId,
    /// Type of a reply.
    pub output: TypeId,
    /// The variables of its state: what its tools share. The clause `state` has the values that they begin with, as an array.
    pub state: Vec<FieldDefinition>,
    /// Tools, in declared order. A tool's function takes its parameters, then the agent's parameters, then the state where it uses it.
    pub tools: Vec<Tool>,
}

/// One tool written in Vega.
#[derive(Clone, PartialEq, Debug)]
pub struct Tool {
    /// Its name, as the model sees it.
    pub name: String,
    /// What it does, from its doc comment; empty where there is none.
    pub description: String,
    /// Its parameters.
    pub parameters: Vec<ToolParameter>,
    /// Type of its result.
    pub result: TypeId,
    /// Its body: parameters, then the agent's parameters, then the variables of the state where it uses it.
    pub function: FunctionId,
    /// Whether it uses the agent's state.
    pub uses_state: bool,
    /// What it may touch: declared, or inferred from its body.
    pub capabilities: Vec<Capability>,
    /// Path patterns, if declared.
    pub allowed_paths: Option<Vec<String>>,
    /// Commands, if declared.
    pub allowed_commands: Option<Vec<String>>,
    /// Hosts, if declared.
    pub allowed_hosts: Option<Vec<String>>,
}

/// One parameter of a tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolParameter {
    /// Its name.
    pub name: String,
    /// What it means, from the doc comment; empty where there is none.
    pub description: String,
    /// Its type.
    pub ty: TypeId,
}

/// What code may touch in the world.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Capability {
    /// Read files.
    FileRead = 0,
    /// Write files.
    FileWrite = 1,
    /// Make network connections.
    Net = 2,
    /// Run commands.
    Exec = 3,
    /// Read the environment.
    Env = 4,
    /// Call agents.
    Agent = 5,
}

/// What one spawn instruction starts. Its window holds the target's arguments, then, where the flags say so, `max_restarts` (int),
/// `window` (duration) and the three values of `backoff` (base duration, multiplier float, max duration).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpawnDescription {
    /// What runs.
    pub target: SpawnTarget,
    /// How many arguments it takes.
    pub arguments: u16,
    /// How it is supervised; none for a plain process.
    pub supervision: Option<Supervision>,
    /// Whether the result is a future instead of the value or handle itself.
    pub asynchronous: bool,
    /// Whether the process is linked to its spawner from the start.
    pub linked: bool,
    /// Whether it is a child of a declared supervisor, which is then the last value of the window.
    pub member: bool,
}

impl SpawnDescription {
    /// The function, where nothing more is asked for than a process that runs it.
    #[inline]
    pub fn plain_function(&self) -> Option<FunctionId> {
        match self.target {
            SpawnTarget::Function(function) if self.supervision.is_none() => {
                (!self.asynchronous && !self.linked && !self.member).then_some(function)
            }
            SpawnTarget::Function(_) | SpawnTarget::Agent(_) | SpawnTarget::Task(_) => None,
        }
    }

    /// How many values lie in its window: arguments, then the numbers that the supervision gives.
    pub fn window_values(&self) -> usize {
        let numbers = self.supervision.map_or(0, |supervision| {
            usize::from(supervision.has_max_restarts)
                + usize::from(supervision.has_window)
                + 3 * usize::from(supervision.has_backoff)
        });
        usize::from(self.arguments) + numbers + usize::from(self.member)
    }
}

/// What a spawn runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnTarget {
    /// A function as a plain process.
    Function(FunctionId),
    /// An agent.
    Agent(AgentId),
    /// An expression that was made a function, whose value a future delivers (`async e`).
    Task(FunctionId),
}

/// How a child is supervised. Absent numbers take their defaults (3 restarts in 60 s, no backoff).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Supervision {
    /// What happens when the child crashes.
    pub strategy: Strategy,
    /// Whether `max_restarts` is in the window.
    pub has_max_restarts: bool,
    /// Whether `window` is in the window.
    pub has_window: bool,
    /// Whether the three values of `backoff` are in the window.
    pub has_backoff: bool,
}

/// What a supervisor does about a crashed child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Strategy {
    /// Starts that child again.
    Restart = 0,
    /// Leaves it down and tells the spawner.
    Stop = 1,
    /// Fails itself with the child's reason.
    Escalate = 2,
    /// Starts all children again.
    RestartAll = 3,
    /// Starts it and those spawned after it again.
    RestartRest = 4,
}

/// What one ask instruction asks for. Its window holds the agent's handle, the message, then timeout and budget where the flags say so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskDescription {
    /// Type that the reply is decoded to.
    pub output: TypeId,
    /// Whether a timeout (duration) is in the window.
    pub has_timeout: bool,
    /// Whether a budget (money) is in the window.
    pub has_budget: bool,
    /// When the round joins the agent's history.
    pub join: Join,
}

impl AskDescription {
    /// How many values lie in its window: handle and message, then timeout and budget where they are given.
    pub fn window_values(&self) -> usize {
        2 + usize::from(self.has_timeout) + usize::from(self.has_budget)
    }
}

/// When a call's round joins the history of its agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Join {
    /// At the end of the call's own statement: with the reply.
    AtOnce,
    /// When `JoinRound` with this number is reached. A number names one `let` of the function.
    Later(u32),
}

/// A path from a variable to a place inside of it, as `a.b[i].c`. Index and key registers are consecutive from `registers` on, one for
/// each dynamic step; the register after them carries the value that is read, written or pushed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// First register of the dynamic steps.
    pub registers: u16,
    /// The steps, outermost first; at least one.
    pub steps: Vec<PathStep>,
}

/// One step into a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathStep {
    /// Field number of a struct or tuple.
    Field(u16),
    /// Element or entry named by the next dynamic register.
    Index,
}
