//! Agents with their clauses and tools, supervisors, tests and mocks.
//!
//! Clauses stay in the order of the text. The parser has refused unknown clauses and repeated ones, so each kind is there
//! at most once, except tools and children.

use super::{Argument, Binding, Block, Docs, Expr, Ident, MapEntry, MatchArm, Parameter, Path, TypeExpr};
use crate::interner::Symbol;
use crate::source::Span;
use std::sync::Arc;

/// `agent Name(parameters) { clauses }`
#[derive(Clone, PartialEq, Debug)]
pub struct AgentDecl {
    /// The name.
    pub name: Ident,
    /// The parameters; their values may appear in any clause.
    pub parameters: Vec<Parameter>,
    /// The clauses and tools.
    pub clauses: Vec<AgentClause>,
}

/// One clause of an agent.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentClause {
    /// The word it starts with; of a tool, `tool`.
    pub word: Ident,
    /// What it says.
    pub kind: AgentClauseKind,
    /// All of it, without documentation.
    pub span: Span,
}

/// What a clause of an agent says.
#[derive(Clone, PartialEq, Debug)]
pub enum AgentClauseKind {
    /// `model`, `system`, `temperature`, `max_tokens`, `max_turns`, `max_tool_calls`, `parallel_tools`, `timeout`,
    /// `queue_timeout`, `budget` with a value. The word of the clause says which.
    Value(Expr),
    /// `timeouts { connect 10s  first_token 2m  idle 60s }`, `circuit_breaker { threshold 5  reset_after 30s }`. The word
    /// of the clause says which.
    Settings(Vec<Setting>),
    /// `rate_limit { requests 50 per 1m  tokens 40_000 per 1m  concurrent 4 }`
    RateLimit(Vec<RateSetting>),
    /// `retry { max_attempts 3  backoff exponential(100ms, 2.0, 5s)  on [rate_limit, timeout] }`
    Retry(RetryClause),
    /// `provider_options { "effort": "high" }`
    ProviderOptions(Vec<MapEntry>),
    /// `history conversation last 20`
    History(HistoryClause),
    /// `output Review`
    Output(TypeExpr),
    /// `priority high`
    Priority(Ident),
    /// `state { cart: Item[] = [] }`
    State(Vec<StateField>),
    /// `tools [search, mcp("stdio", "npx server")]`
    Tools(Vec<Expr>),
    /// `tool name(parameters) -> T clauses { … }`
    Tool(Box<ToolDecl>),
}

/// `word value` inside the braces of a clause.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// What is set.
    pub word: Ident,
    /// To what.
    pub value: Expr,
}

/// `requests 50 per 1m`, `tokens 40_000 per 1m`, `concurrent 4`.
#[derive(Clone, PartialEq, Debug)]
pub struct RateSetting {
    /// What is limited.
    pub word: Ident,
    /// How many.
    pub value: Expr,
    /// In which time; not there for `concurrent`.
    pub per: Option<Expr>,
}

/// The body of `retry`.
#[derive(Clone, PartialEq, Debug)]
pub struct RetryClause {
    /// `max_attempts` and `backoff`, each at most once.
    pub settings: Vec<Setting>,
    /// The words of `on [ … ]`, if it is there.
    pub on: Option<Vec<Ident>>,
}

/// `history mode last N tokens N compact reset_on_restart`
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryClause {
    /// `conversation`, `ordered` or `none`, if written.
    pub mode: Option<Ident>,
    /// How many rounds are kept.
    pub last: Option<Expr>,
    /// How many tokens are kept.
    pub tokens: Option<Expr>,
    /// The word `compact`.
    pub compact: Option<Span>,
    /// The word `reset_on_restart`.
    pub reset_on_restart: Option<Span>,
}

/// `name: T = start` inside `state { … }`.
#[derive(Clone, PartialEq, Debug)]
pub struct StateField {
    /// The variable.
    pub binding: Binding,
    /// Its type.
    pub ty: TypeExpr,
    /// Its first value.
    pub value: Expr,
    /// All of it.
    pub span: Span,
}

/// `tool name(parameters) -> T clauses { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct ToolDecl {
    /// The name.
    pub name: Ident,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// What stands behind `->`.
    pub result: Option<TypeExpr>,
    /// What it may do.
    pub clauses: Vec<ToolClause>,
    /// What it does.
    pub body: Block,
    /// The `///` lines above it: what the model is told.
    pub docs: Option<Box<Docs>>,
    /// From `tool` to the end of the result type.
    pub head: Span,
}

/// One clause of a tool.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolClause {
    /// The word it starts with.
    pub word: Ident,
    /// What it says.
    pub kind: ToolClauseKind,
    /// All of it.
    pub span: Span,
}

/// What a clause of a tool says.
#[derive(Clone, PartialEq, Debug)]
pub enum ToolClauseKind {
    /// `capabilities [fs::read, net]`
    Capabilities(Vec<Path>),
    /// `allowed_paths`, `allowed_commands` or `allowed_hosts` with a list. The word of the clause says which.
    Allowed(Expr),
    /// `approval required`
    Approval(Ident),
}

/// `supervisor Name(parameters) { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct SupervisorDecl {
    /// The name.
    pub name: Ident,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// How failures are answered.
    pub supervision: Supervision,
    /// The children in the order in which they start.
    pub children: Vec<ChildDecl>,
}

/// `child name = Target(arguments)`
#[derive(Clone, PartialEq, Debug)]
pub struct ChildDecl {
    /// The name of the slot.
    pub name: Ident,
    /// The agent, supervisor or function.
    pub target: Path,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// All of it.
    pub span: Span,
}

/// What stands between the braces of `supervised by { … }`, and in a declared supervisor.
#[derive(Clone, PartialEq, Debug)]
pub struct Supervision {
    /// `strategy restart`
    pub strategy: Option<Strategy>,
    /// `max_restarts`, `window` and `backoff`, each at most once.
    pub settings: Vec<Setting>,
    /// The braces included.
    pub span: Span,
}

impl Supervision {
    /// The value of a setting by its word.
    pub fn setting(&self, word: Symbol) -> Option<&Expr> {
        self.settings.iter().find(|setting| setting.word.symbol == word).map(|setting| &setting.value)
    }
}

/// The word after `strategy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strategy {
    /// What it stands for.
    pub kind: StrategyKind,
    /// Where.
    pub span: Span,
}

/// What happens when a child fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StrategyKind {
    /// Start that child again.
    Restart,
    /// Leave it down.
    Stop,
    /// Fail as well.
    Escalate,
    /// Start all children again.
    RestartAll,
    /// Start it and those after it again.
    RestartRest,
}

/// `test "name" { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct TestDecl {
    /// The name.
    pub name: Arc<str>,
    /// The quoted name.
    pub name_span: Span,
    /// What it does.
    pub body: Block,
}

/// `mock Coder { "pattern" => reply }`
#[derive(Clone, PartialEq, Debug)]
pub struct MockDecl {
    /// The agent whose model is replaced.
    pub agent: Path,
    /// What it answers to which message.
    pub arms: Vec<MatchArm>,
    /// The whole declaration.
    pub span: Span,
}
