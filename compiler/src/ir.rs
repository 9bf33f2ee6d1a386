//! The typed tree between checking and emission: every name resolved, every expression typed, every implicit conversion written out.
//!
//! `check` makes it from the syntax tree; `emit` makes bytecode of it. Control flow is still structured; registers do not exist yet.
//! Invariant: a [`Program`] is only made of sources without errors, so `emit` reports none, but for limits of the format.

use vega_bytecode::module::{
    Capability, Constant, EnumDefinition, FieldDefinition, Join, KindDefinition, NativeImport, Strategy, StructDefinition,
    ToolParameter,
};
use vega_bytecode::{AgentId, FunctionId, KindId, TypeId, TypeTable};

use crate::source::Span;

/// A checked program.
#[derive(Debug, Default)]
pub struct Program {
    /// All types.
    pub types: TypeTable,
    /// Struct definitions, by `StructId`.
    pub structs: Vec<StructDefinition>,
    /// Enum definitions, by `EnumId`.
    pub enums: Vec<EnumDefinition>,
    /// Error kinds: the language's own first, then the program's.
    pub kinds: Vec<KindDefinition>,
    /// Natives that are called, by index.
    pub natives: Vec<NativeImport>,
    /// For each native, whether it may touch anything outside of its arguments: files, clock, other processes.
    pub native_effects: Vec<bool>,
    /// Functions, methods, closures, tools, clause code, `async` bodies, by `FunctionId`.
    pub functions: Vec<Function>,
    /// Agents, by `AgentId`.
    pub agents: Vec<Agent>,
    /// Where the program starts.
    pub entry: Option<FunctionId>,
}

/// Index of a variable in its function's [`Function::locals`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LocalId(pub u32);

/// Index of a loop in its function, for `break` and `continue`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LoopId(pub u32);

/// One function with its body.
#[derive(Clone, Debug)]
pub struct Function {
    /// Name for traces: `main`, `Coder.read_file`, `review::{closure}`.
    pub name: String,
    /// Variables that hold the arguments, in order.
    pub parameters: Vec<LocalId>,
    /// Variables that hold captured copies, in order.
    pub captures: Vec<LocalId>,
    /// Every variable of the function.
    pub locals: Vec<Local>,
    /// Type of the result; `Void` where there is none.
    pub result: TypeId,
    /// Whether the first parameter is `mut self`, handed back to the caller.
    pub returns_self: bool,
    /// Whether an effect or spawn may happen in it or below it: such functions get sites and loop counters.
    pub may_effect: bool,
    /// The code; its value, if it has one, is returned.
    pub body: Block,
    /// The whole declaration.
    pub span: Span,
}

/// One variable.
#[derive(Debug, Clone)]
pub struct Local {
    /// As written; compiler-made ones have a name that starts with `%`.
    pub name: String,
    /// Its type.
    pub ty: TypeId,
    /// Where it is declared.
    pub span: Span,
}

/// Statements and an optional value. Variables declared in it end with it.
#[derive(Clone, Debug)]
pub struct Block {
    /// In order.
    pub statements: Vec<Statement>,
    /// The value of the block.
    pub value: Option<Box<Expr>>,
    /// The whole block.
    pub span: Span,
    /// Numbers of pending rounds that join when the block is left.
    pub joins_at_end: Vec<u32>,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it does.
    pub kind: StatementKind,
    /// Where it stands.
    pub span: Span,
    /// Numbers of pending rounds that join just before it.
    pub joins_before: Vec<u32>,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// Gives a variable its first value. `None` is a declared variable without one.
    Let(LocalId, Option<Expr>),
    /// Takes a value apart; the pattern cannot fail.
    LetPattern(Pattern, Expr),
    /// `place = value`.
    Assign(Place, Expr),
    /// `place op= value`; the operator is the typed binary operator.
    AssignOp(Place, BinaryOp, Expr),
    /// Evaluates and drops.
    Expr(Expr),
    /// `while`; the condition may be the constant `true` (for `loop`).
    While {
        /// Names it for `break` and `continue`.
        id: LoopId,
        /// Tested before each round.
        condition: Expr,
        /// What repeats.
        body: Block,
        /// Runs after the body and after `continue` (the step of a C-style `for`).
        step: Option<Box<Statement>>,
    },
    /// `for x in a..b` with an integer variable.
    ForRange {
        /// Names it for `break` and `continue`.
        id: LoopId,
        /// The variable, fresh in each round.
        variable: LocalId,
        /// First value.
        start: Expr,
        /// Bound.
        end: Expr,
        /// Whether the bound itself is reached.
        inclusive: bool,
        /// What repeats.
        body: Block,
    },
    /// `for pattern in container` over a snapshot of an array, map, `str`, range or stream.
    ForEach {
        /// Names it for `break` and `continue`.
        id: LoopId,
        /// Receives each element; cannot fail.
        pattern: Pattern,
        /// What is iterated.
        iterable: Expr,
        /// What repeats.
        body: Block,
    },
    /// Leaves the loop.
    Break(LoopId),
    /// Goes on with the loop's next round.
    Continue(LoopId),
    /// Leaves the function.
    Return(Option<Expr>),
    /// Raises an error value.
    Throw(Expr),
    /// `try … catch … finally`.
    Try {
        /// What may raise.
        body: Block,
        /// Clauses in order.
        catches: Vec<Catch>,
        /// Runs on every way out.
        finally: Option<Block>,
    },
    /// Runs when the enclosing block is left.
    Defer(Block),
    /// `session budget limit { … }`.
    Session {
        /// Money.
        limit: Expr,
        /// What is limited.
        body: Block,
    },
}

/// One `catch` clause.
#[derive(Clone, Debug)]
pub struct Catch {
    /// The kind that it catches, with everything below it; none catches all.
    pub kind: Option<KindId>,
    /// Variable for the whole error (`catch e`).
    pub error: Option<LocalId>,
    /// Patterns for the payload by position (`catch Kind(a, b)`).
    pub payload: Vec<Pattern>,
    /// What runs.
    pub body: Block,
}

/// A variable or a place inside of it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The variable.
    pub local: LocalId,
    /// Steps inward, outermost first.
    pub steps: Vec<PlaceStep>,
    /// Type of the place.
    pub ty: TypeId,
    /// Where it is written.
    pub span: Span,
}

/// One step into a place.
#[derive(Clone, Debug)]
pub enum PlaceStep {
    /// Field number of a struct or tuple.
    Field(u16),
    /// Element or entry.
    Index(Expr),
}

/// A typed expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// Type of its value.
    pub ty: TypeId,
    /// Where it stands.
    pub span: Span,
}

/// What an expression computes.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A literal.
    Constant(Constant),
    /// A variable's value.
    Local(LocalId),
    /// `[a, b]`.
    Array(Vec<Expr>),
    /// `{ k: v }`.
    Map(Vec<(Expr, Expr)>),
    /// `(a, b)`.
    Tuple(Vec<Expr>),
    /// All fields in declared order.
    Struct(Vec<Expr>),
    /// `Name { f: v, ..base }`: the base with some fields replaced.
    StructUpdate(Box<Expr>, Vec<(u16, Expr)>),
    /// An enum's variant (or `Ok` 0 and `Err` 1) with its payload.
    Variant(u32, Vec<Expr>),
    /// `a..b` or `a..=b`.
    Range(Box<Expr>, Box<Expr>, bool),
    /// A closure: its function and the variables of this function whose values it takes along.
    Closure(FunctionId, Vec<LocalId>),
    /// A typed unary operation.
    Unary(UnaryOp, Box<Expr>),
    /// A typed binary operation.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a && b`.
    And(Box<Expr>, Box<Expr>),
    /// `a || b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a ?? b`.
    Coalesce(Box<Expr>, Box<Expr>),
    /// `a?.…`: the value of the first, if not null bound to the variable, then the second; else null.
    OptionalChain(Box<Expr>, LocalId, Box<Expr>),
    /// `e?` on an optional: null leaves the function with null.
    TryOptional(Box<Expr>),
    /// `e?` on a `Result`: `Err` leaves the function with it.
    TryResult(Box<Expr>),
    /// `a[b]` of array, `str`, bytes, map or JSON.
    Index(Box<Expr>, Box<Expr>),
    /// `a[range]`.
    Slice(Box<Expr>, Box<Expr>),
    /// Field number of a struct or tuple.
    Field(Box<Expr>, u16),
    /// A call of a known function. Type parameters are not written out: the result has the declared type, and a [`Self::Retype`]
    /// around it says what it is here.
    Call(FunctionId, Vec<Expr>),
    /// A call of a `mut self` method on a place; arguments without self.
    CallOnPlace(FunctionId, Place, Vec<Expr>),
    /// A call of a function value.
    CallValue(Box<Expr>, Vec<Expr>),
    /// A call of a native, by index in [`Program::natives`].
    CallNative(u32, Vec<Expr>),
    /// A call of a native that changes its first argument in place; arguments without it.
    CallNativeOnPlace(u32, Place, Vec<Expr>),
    /// `place.push(v)` on an array.
    Push(Place, Box<Expr>),
    /// Number of elements, characters or entries.
    Len(Box<Expr>),
    /// The texts of the parts, joined: f-strings and chains of `+`.
    JoinText(Vec<Expr>),
    /// The text of a value, as `print` shows it.
    ToText(Box<Expr>),
    /// The text of a value in a format such as `>8` or `.2`.
    Format(Box<Expr>, String),
    /// Whether a value of `any` has exactly the type.
    IsType(Box<Expr>, TypeId),
    /// A value of `any` or JSON as the type of this expression, checked.
    Narrow(Box<Expr>),
    /// The same value under this expression's type: subtyping, proven narrowing. No code.
    Retype(Box<Expr>),
    /// `if` with its `else if`s as statement or value: conditions with their blocks, and the block of the last `else`.
    If(Vec<(Expr, Block)>, Option<Block>),
    /// `match`; exhaustive.
    Match(Box<Expr>, Vec<Arm>),
    /// A block.
    Block(Block),
    /// `loop` whose `break`s carry values; the variable receives them.
    Loop(LoopId, LocalId, Block),
    /// A statement in the place of an expression that never has a value (`return`, `throw`, `break`).
    Diverge(Box<Statement>),
    /// Makes an error value of a kind.
    MakeError(KindId, Vec<Expr>),
    /// `[value for pattern in iterable if condition]`.
    ///
    /// With a second `for`, the value is the comprehension that begins there, whose elements are collected in its place.
    Comprehension {
        /// Names the loop.
        id: LoopId,
        /// Receives each element; cannot fail.
        pattern: Pattern,
        /// What is iterated.
        iterable: Box<Expr>,
        /// Elements for which it is false are left out.
        condition: Option<Box<Expr>>,
        /// What is collected.
        value: Box<Expr>,
        /// Whether the value is another comprehension, whose elements are collected one by one.
        is_spread: bool,
    },
    /// Starts a process, agent or task; the value is its handle or future.
    Spawn(Box<Spawn>),
    /// `send(p, v)` with the time to wait for room, if any.
    Send(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// `receive`.
    Receive(Box<Receive>),
    /// `agent <- message` or `agent <~ message`.
    Ask(Box<Ask>),
    /// `await e`.
    Await(Box<Expr>),
    /// `process::self()`.
    SelfProcess,
    /// `process::link(p)`.
    Link(Box<Expr>),
    /// `process::monitor(p)`.
    Monitor(Box<Expr>),
    /// `process::exit(reason)`.
    Exit(Box<Expr>),
}

/// Typed unary operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say the operation and its operand")]
pub enum UnaryOp {
    NegInt,
    NegFloat,
    NegDuration,
    NegMoney,
    Not,
    IntToFloat,
    FloatToInt,
    IntToDuration,
    IntToMoney,
    MoneyToFloat,
}

/// Typed binary operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say the operation and its operands")]
pub enum BinaryOp {
    AddInt,
    SubInt,
    MulInt,
    DivInt,
    RemInt,
    AndInt,
    OrInt,
    XorInt,
    ShlInt,
    ShrInt,
    AddFloat,
    SubFloat,
    MulFloat,
    DivFloat,
    RemFloat,
    AddDuration,
    SubDuration,
    MulDurationInt,
    MulDurationFloat,
    DivDurationInt,
    DivDurationFloat,
    DivDuration,
    RemDuration,
    AddMoney,
    SubMoney,
    MulMoneyInt,
    MulMoneyFloat,
    DivMoneyInt,
    DivMoneyFloat,
    DivMoney,
    /// Text with any printable value, arrays, or bytes.
    Concat,
    EqInt,
    NeInt,
    /// Ints, durations, money.
    LtInt,
    LeInt,
    GtInt,
    GeInt,
    EqFloat,
    NeFloat,
    LtFloat,
    LeFloat,
    GtFloat,
    GeFloat,
    /// Structural, any one type; or int with float; or anything with null.
    Eq,
    Ne,
    /// `str` and generic ordered types.
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
}

/// One arm of `match` or `receive`.
#[derive(Clone, Debug)]
pub struct Arm {
    /// What it fits.
    pub pattern: Pattern,
    /// Further condition.
    pub guard: Option<Expr>,
    /// What it computes; in statement position its value is dropped.
    pub body: Expr,
}

/// What a value must look like.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The shape.
    pub kind: PatternKind,
    /// Type of the values that are tested.
    pub ty: TypeId,
    /// Where it is written.
    pub span: Span,
}

/// Shapes of patterns.
#[derive(Clone, Debug)]
pub enum PatternKind {
    /// `_`.
    Wildcard,
    /// A variable; takes the value.
    Bind(LocalId),
    /// `name @ pattern`.
    BindTo(LocalId, Box<Pattern>),
    /// Equal to the literal.
    Literal(Constant),
    /// From the first to the second, which is included where the flag says so; open ends are absent.
    Range(Option<Constant>, Option<Constant>, bool),
    /// `(a, b)`.
    Tuple(Vec<Pattern>),
    /// `[a, b, ..rest]`: front, the variable for the rest (if it is bound) where there is a rest, back.
    Array(Vec<Pattern>, Option<Option<LocalId>>, Vec<Pattern>),
    /// Some fields of a struct, by number. On `any`, the struct type is tested first (see `ty`).
    Struct(Vec<(u16, Pattern)>),
    /// Entries of JSON or a map by key; the flag says whether others may exist.
    Entries(Vec<(String, Pattern)>, bool),
    /// An enum's variant (or `Ok` 0 and `Err` 1) with its payload.
    Variant(u32, Vec<Pattern>),
    /// An error of the kind or below it, with its payload.
    Kind(KindId, Vec<Pattern>),
    /// Not null, and the inner pattern fits.
    Some(Box<Pattern>),
    /// Exactly of the type (on `any`, JSON and in `receive`), and the inner pattern fits.
    Type(TypeId, Box<Pattern>),
    /// One of several; all bind the same variables.
    Or(Vec<Pattern>),
}

/// A `spawn`, or an `async` expression.
#[derive(Clone, Debug)]
pub struct Spawn {
    /// What starts.
    pub target: SpawnTarget,
    /// Its arguments.
    pub arguments: Vec<Expr>,
    /// How it is supervised.
    pub supervision: Option<Supervision>,
    /// Whether the value is a future.
    pub asynchronous: bool,
    /// Whether it is linked from the start.
    pub linked: bool,
    /// The open supervisor that it becomes a child of.
    pub team: Option<Expr>,
}

/// What a spawn starts.
#[derive(Clone, Copy, Debug)]
pub enum SpawnTarget {
    /// A plain process that runs the function.
    Function(FunctionId),
    /// An agent.
    Agent(AgentId),
    /// The body of an `async` expression, made a function of its captured variables.
    Task(FunctionId),
}

/// `supervised by { … }`. Absent parts take their defaults.
#[derive(Clone, Debug)]
pub struct Supervision {
    /// What happens on a crash.
    pub strategy: Strategy,
    /// int
    pub max_restarts: Option<Expr>,
    /// duration
    pub window: Option<Expr>,
    /// base (duration), multiplier (float), longest (duration)
    pub backoff: Option<[Expr; 3]>,
}

/// A call of an agent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The handle.
    pub agent: Expr,
    /// `str`, or any value that has a JSON form.
    pub message: Expr,
    /// duration
    pub timeout: Option<Expr>,
    /// money
    pub budget: Option<Expr>,
    /// Type that the reply is decoded to.
    pub output: TypeId,
    /// When its round joins the history.
    pub join: Join,
    /// Whether the value is a stream.
    pub streaming: bool,
}

/// A `receive`.
#[derive(Clone, Debug)]
pub struct Receive {
    /// Tried in order on each message; patterns test values of `any`.
    pub arms: Vec<Arm>,
    /// Time to wait, and what it then computes.
    pub after: Option<(Expr, Block)>,
    /// The variable that holds the message under test.
    pub message: LocalId,
}

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub parameters: Vec<FieldDefinition>,
    /// Function from the parameters to the map of clauses (see `vega_bytecode::module::Agent::clauses`).
    pub clauses: FunctionId,
    /// Type of a reply.
    pub output: TypeId,
    /// The variables of its state.
    pub state: Vec<FieldDefinition>,
    /// Its tools.
    pub tools: Vec<Tool>,
}

/// One tool.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// From its doc comment.
    pub description: String,
    /// Its parameters.
    pub parameters: Vec<ToolParameter>,
    /// Type of its result.
    pub result: TypeId,
    /// Its body: parameters, then the agent's parameters, then the variables of the state where it uses it.
    pub function: FunctionId,
    /// Whether it uses the agent's state.
    pub uses_state: bool,
    /// Declared or inferred.
    pub capabilities: Vec<Capability>,
    /// Declared path patterns.
    pub allowed_paths: Option<Vec<String>>,
    /// Declared commands.
    pub allowed_commands: Option<Vec<String>>,
    /// Declared hosts.
    pub allowed_hosts: Option<Vec<String>>,
}
