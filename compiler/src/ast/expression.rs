//! Everything that has a value, control flow included.

use super::{Binding, Block, ExprId, Ident, Path, Pattern, Supervision, TypeExpr};
use crate::source::Span;
use std::sync::Arc;

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub struct Expr {
    /// Its id.
    pub id: ExprId,
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

impl Expr {
    /// The expression without the parentheses around it.
    pub fn peel(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}

/// The forms of an expression.
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    /// `42`, `"text"`, `30s`, `$0.50`
    Literal(Literal),
    /// `f"Review {code:>8}"`
    Interpolated(Vec<StringPart>),
    /// One word: `coder`
    Name(Ident),
    /// Several words, or type arguments: `budget::remaining`, `first::<int>`
    Path(Box<Path>),
    /// `(inner)`: kept, since `(b.on)("x")` differs from `b.on("x")`
    Paren(Box<Expr>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `[a, b]`
    Array(Vec<Expr>),
    /// `[reviewer <- c for c in codes if c != ""]`
    Comprehension(Box<Comprehension>),
    /// `{ "key": value }`, `{}`
    Map(Vec<MapEntry>),
    /// `Review { score: 1, ..base }`
    Struct(Box<StructLiteral>),
    /// `-x`, `!x`
    Unary(Box<Unary>),
    /// `a + b`
    Binary(Box<Binary>),
    /// `a..b`; open ends only between the brackets of an index.
    Range(Box<Range>),
    /// `place = value`, `place += value`
    Assign(Box<Assign>),
    /// `agent <- message`, `agent <~ message`
    Send(Box<Send>),
    /// `spawn Coder supervised by { … }`
    Spawn(Box<Spawn>),
    /// `await future`
    Await(Box<Expr>),
    /// `async expression`
    Async(Box<Expr>),
    /// `f(x)`
    Call(Box<Call>),
    /// `x.m(a)`, `x?.m(a)`
    MethodCall(Box<MethodCall>),
    /// `x.f`, `x?.f`
    Field(Box<Field>),
    /// `pair.0`
    TupleField(Box<TupleField>),
    /// `x[i]`, `x[a..b]`
    Index(Box<Index>),
    /// `x?`
    Propagate(Box<Expr>),
    /// `|x| x + 1`
    Closure(Box<Closure>),
    /// `{ … }`
    Block(Box<Block>),
    /// `if a { … } else if b { … } else { … }`
    If(Box<If>),
    /// `match x { … }`
    Match(Box<Match>),
    /// `receive { …, after 5s => … }`
    Receive(Box<Receive>),
    /// `loop { … }`
    Loop(Box<Loop>),
    /// `while condition { … }`
    While(Box<While>),
    /// `for pattern in iterable { … }`
    For(Box<For>),
    /// `for let i = 0; i < n; i = i + 1 { … }`
    CountedFor(Box<CountedFor>),
    /// `try { … } catch … { … } finally { … }`
    Try(Box<Try>),
    /// `parallel { … }`, `parallel collect { … }`, `parallel race { … }`
    Parallel(Box<Parallel>),
    /// `sequential { … }`
    Sequential(Box<Block>),
    /// `session budget $10 { … }`
    Session(Box<Session>),
    /// `deadline 2m { … }`
    Deadline(Box<Deadline>),
    /// `return x`
    Return(Option<Box<Expr>>),
    /// `throw x`
    Throw(Box<Expr>),
    /// `break`, `break outer`, `break value`
    Break(Box<Break>),
    /// `continue`, `continue outer`
    Continue(Option<Ident>),
    /// The text was wrong.
    Error,
}

/// A value written down.
#[derive(Clone, PartialEq, Debug)]
pub enum Literal {
    /// `42`. The negative number of largest size is one literal; other minus signs are [`Unary`].
    Int(i64),
    /// `3.14`
    Float(f64),
    /// `true`, `false`
    Bool(bool),
    /// `null`
    Null,
    /// `"text"`, without quotes and with escapes carried out
    Str(Arc<str>),
    /// `1h30m`, in nanoseconds
    Duration(i64),
    /// `$0.50`, in 10⁻¹² dollars
    Money(i64),
}

/// A piece of `f"…"`.
#[derive(Clone, PartialEq, Debug)]
pub enum StringPart {
    /// Text between holes, with escapes carried out.
    Text(Arc<str>, Span),
    /// `{value:format}`
    Hole(Box<Hole>),
}

/// `{value:format}`
#[derive(Clone, PartialEq, Debug)]
pub struct Hole {
    /// What is printed.
    pub value: Expr,
    /// How.
    pub format: Option<Format>,
    /// The braces included.
    pub span: Span,
}

/// How a hole is printed: `>8`, `.2`, `08`, `x`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// What fills up the width; a space unless written.
    pub fill: char,
    /// Where the value stands in its width.
    pub align: Option<Align>,
    /// Whether numbers are filled up with zeros behind the sign.
    pub is_zero_filled: bool,
    /// At least so many characters.
    pub width: Option<u32>,
    /// So many digits behind the point, or at most so many characters of a string.
    pub precision: Option<u32>,
    /// The base or style of a number.
    pub style: Option<FormatStyle>,
    /// Without the `:`.
    pub span: Span,
}

/// Where a value stands in its width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    /// `<`
    Left,
    /// `^`
    Center,
    /// `>`
    Right,
}

/// The base or style in which a number is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormatStyle {
    /// `x`
    HexLower,
    /// `X`
    HexUpper,
    /// `b`
    Binary,
    /// `o`
    Octal,
    /// `e`
    Exponent,
}

/// `[element for pattern in iterable if condition]`
#[derive(Clone, PartialEq, Debug)]
pub struct Comprehension {
    /// What each round gives.
    pub element: Expr,
    /// The loops and conditions, outermost first; the first is a loop.
    pub clauses: Vec<ComprehensionClause>,
}

/// A loop or a condition of a comprehension.
#[derive(Clone, PartialEq, Debug)]
pub enum ComprehensionClause {
    /// `for pattern in iterable`
    For(Pattern, Expr),
    /// `if condition`
    If(Expr),
}

/// `key: value`
#[derive(Clone, PartialEq, Debug)]
pub struct MapEntry {
    /// The key.
    pub key: Expr,
    /// The value.
    pub value: Expr,
}

/// `Name { field: value, other, ..base }`
#[derive(Clone, PartialEq, Debug)]
pub struct StructLiteral {
    /// The struct or variant.
    pub path: Path,
    /// The fields given.
    pub fields: Vec<FieldValue>,
    /// Where the other fields come from.
    pub base: Option<Expr>,
}

/// `field: value`; of the short form `field`, the value is that name.
#[derive(Clone, PartialEq, Debug)]
pub struct FieldValue {
    /// The field.
    pub name: Ident,
    /// Its value.
    pub value: Expr,
    /// Whether it is written in the short form.
    pub is_short: bool,
}

/// `-x` or `!x`.
#[derive(Clone, PartialEq, Debug)]
pub struct Unary {
    /// Which.
    pub operator: UnaryOperator,
    /// Where the operator stands.
    pub operator_span: Span,
    /// Of what.
    pub operand: Expr,
}

/// Operators before their operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnaryOperator {
    /// `-`
    Negate,
    /// `!`
    Not,
}

/// `left operator right`
#[derive(Clone, PartialEq, Debug)]
pub struct Binary {
    /// Which.
    pub operator: BinaryOperator,
    /// Where the operator stands.
    pub operator_span: Span,
    /// The left operand.
    pub left: Expr,
    /// The right operand.
    pub right: Expr,
}

/// Operators between two operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryOperator {
    /// `??`
    Coalesce,
    /// `||`
    Or,
    /// `&&`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `in`
    In,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `&`
    BitAnd,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}

impl BinaryOperator {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOperator::Coalesce => "??",
            BinaryOperator::Or => "||",
            BinaryOperator::And => "&&",
            BinaryOperator::Equal => "==",
            BinaryOperator::NotEqual => "!=",
            BinaryOperator::Less => "<",
            BinaryOperator::LessEqual => "<=",
            BinaryOperator::Greater => ">",
            BinaryOperator::GreaterEqual => ">=",
            BinaryOperator::In => "in",
            BinaryOperator::BitOr => "|",
            BinaryOperator::BitXor => "^",
            BinaryOperator::BitAnd => "&",
            BinaryOperator::ShiftLeft => "<<",
            BinaryOperator::ShiftRight => ">>",
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Remainder => "%",
        }
    }
}

/// `start..end` or `start..=end`.
#[derive(Clone, PartialEq, Debug)]
pub struct Range {
    /// The lower end.
    pub start: Option<Expr>,
    /// The upper end.
    pub end: Option<Expr>,
    /// Whether the upper end belongs to it.
    pub is_inclusive: bool,
}

/// `place = value` or `place += value`.
#[derive(Clone, PartialEq, Debug)]
pub struct Assign {
    /// What is assigned to, as written; whether it is a place is not checked here.
    pub place: Expr,
    /// The operator before the `=`, if any.
    pub operator: Option<BinaryOperator>,
    /// Where `=` or `+=` stands.
    pub operator_span: Span,
    /// The value.
    pub value: Expr,
}

/// `receiver <- message timeout D budget M`, or with `<~`.
#[derive(Clone, PartialEq, Debug)]
pub struct Send {
    /// Who is asked.
    pub receiver: Expr,
    /// What.
    pub message: Expr,
    /// Whether the reply comes as a stream (`<~`).
    pub is_stream: bool,
    /// Where the arrow stands.
    pub operator_span: Span,
    /// `timeout D`
    pub timeout: Option<Expr>,
    /// `budget M`
    pub budget: Option<Expr>,
}

/// `spawn [async] Target[(arguments)] [async] [from saved] [supervised by { … }]`
#[derive(Clone, PartialEq, Debug)]
pub struct Spawn {
    /// The agent, supervisor or function.
    pub target: Path,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Whether it is `spawn_link`.
    pub is_linked: bool,
    /// The word `async`: the value is a future of the handle.
    pub asynchronous: Option<Span>,
    /// A saved conversation to begin with.
    pub from: Option<Expr>,
    /// How failures are answered.
    pub supervision: Option<Supervision>,
}

/// `value`, `name: value` or `timeout value` in a call.
#[derive(Clone, PartialEq, Debug)]
pub struct Argument {
    /// How it is given.
    pub kind: ArgumentKind,
    /// The value.
    pub value: Expr,
}

/// How an argument is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgumentKind {
    /// By its place.
    Positional,
    /// `name: value`
    Named(Ident),
    /// `timeout value`; the span is that of the word.
    Timeout(Span),
}

/// `callee(arguments)`
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// What is called.
    pub callee: Expr,
    /// With what.
    pub arguments: Vec<Argument>,
}

/// `receiver.name(arguments)`
#[derive(Clone, PartialEq, Debug)]
pub struct MethodCall {
    /// On what.
    pub receiver: Expr,
    /// Whether it is `?.`.
    pub is_optional: bool,
    /// The method.
    pub name: Ident,
    /// `::<T>`
    pub type_arguments: Vec<TypeExpr>,
    /// With what.
    pub arguments: Vec<Argument>,
}

/// `receiver.name`
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    /// Of what.
    pub receiver: Expr,
    /// Whether it is `?.`.
    pub is_optional: bool,
    /// The field.
    pub name: Ident,
}

/// `receiver.0`
#[derive(Clone, PartialEq, Debug)]
pub struct TupleField {
    /// Of what.
    pub receiver: Expr,
    /// Whether it is `?.`.
    pub is_optional: bool,
    /// Which, from 0.
    pub index: u32,
    /// Where the number stands.
    pub index_span: Span,
}

/// `receiver[index]`
#[derive(Clone, PartialEq, Debug)]
pub struct Index {
    /// Of what.
    pub receiver: Expr,
    /// Which; a [`Range`] makes it a slice.
    pub index: Expr,
}

/// `|parameters| body`
#[derive(Clone, PartialEq, Debug)]
pub struct Closure {
    /// The parameters.
    pub parameters: Vec<ClosureParameter>,
    /// What it gives.
    pub body: Expr,
}

/// `x`, `x: int` or `(k, v)` between the bars of a closure.
#[derive(Clone, PartialEq, Debug)]
pub struct ClosureParameter {
    /// What the argument is taken apart with.
    pub pattern: Pattern,
    /// Its type, if written.
    pub ty: Option<TypeExpr>,
}

/// `if a { … } else if b { … } else { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct If {
    /// The conditions with their blocks, at least one.
    pub branches: Vec<IfBranch>,
    /// The block of the last `else`.
    pub otherwise: Option<Block>,
}

/// `if condition { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct IfBranch {
    /// When.
    pub condition: Expr,
    /// What.
    pub body: Block,
}

/// `match subject { arms }`
#[derive(Clone, PartialEq, Debug)]
pub struct Match {
    /// What is looked at.
    pub subject: Expr,
    /// The cases.
    pub arms: Vec<MatchArm>,
}

/// `pattern if guard => body`
#[derive(Clone, PartialEq, Debug)]
pub struct MatchArm {
    /// What must fit.
    pub pattern: Pattern,
    /// What must hold besides.
    pub guard: Option<Expr>,
    /// What it gives.
    pub body: Expr,
    /// All of it, without the comma.
    pub span: Span,
}

/// `receive { arms, after D => body }`
#[derive(Clone, PartialEq, Debug)]
pub struct Receive {
    /// The cases.
    pub arms: Vec<MatchArm>,
    /// What happens when no message fits in time.
    pub after: Option<After>,
}

/// `after time => body`
#[derive(Clone, PartialEq, Debug)]
pub struct After {
    /// How long to wait.
    pub time: Expr,
    /// What it gives.
    pub body: Expr,
    /// All of it.
    pub span: Span,
}

/// `label: loop { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct Loop {
    /// The label.
    pub label: Option<Ident>,
    /// What is repeated.
    pub body: Block,
}

/// `label: while condition { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct While {
    /// The label.
    pub label: Option<Ident>,
    /// As long as.
    pub condition: Expr,
    /// What is repeated.
    pub body: Block,
}

/// `label: for pattern in iterable { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct For {
    /// The label.
    pub label: Option<Ident>,
    /// What each element is taken apart with.
    pub pattern: Pattern,
    /// What is gone through.
    pub iterable: Expr,
    /// What is repeated.
    pub body: Block,
}

/// `label: for let i = 0; condition; step { … }`. Each part may be missing.
#[derive(Clone, PartialEq, Debug)]
pub struct CountedFor {
    /// The label.
    pub label: Option<Ident>,
    /// The variable of the loop.
    pub start: Option<super::LetStatement>,
    /// As long as.
    pub condition: Option<Expr>,
    /// What follows each round; older programs leave it a bare name, which does nothing.
    pub step: Option<Expr>,
    /// What is repeated.
    pub body: Block,
}

/// `try { … } catch … { … } finally { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct Try {
    /// What may fail.
    pub body: Block,
    /// The clauses, in order.
    pub catches: Vec<Catch>,
    /// What happens in any case.
    pub finally: Option<Block>,
}

/// `catch what { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct Catch {
    /// What it catches.
    pub filter: CatchFilter,
    /// What happens then.
    pub body: Block,
    /// From `catch` to the end of the filter.
    pub head: Span,
}

/// What a `catch` catches.
#[derive(Clone, PartialEq, Debug)]
pub enum CatchFilter {
    /// `catch { … }`: everything
    All,
    /// `catch e { … }`: everything, and names it
    Name(Binding),
    /// `catch Timeout { … }`, `catch AgentFailed(reason) { … }`
    Kind(CatchKind),
}

/// `Kind(a, b)`
#[derive(Clone, PartialEq, Debug)]
pub struct CatchKind {
    /// The kind of error.
    pub path: Path,
    /// What its payload is taken apart with, by position.
    pub payload: Option<Vec<Pattern>>,
}

/// `parallel mode { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct Parallel {
    /// What happens on failure, and what it gives.
    pub mode: ParallelMode,
    /// Each statement is an arm; the value of the block is the last arm.
    pub body: Block,
}

/// The forms of `parallel`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParallelMode {
    /// `parallel { … }`: all, or the first failure.
    All,
    /// `parallel collect { … }`: the results of all.
    Collect,
    /// `parallel race { … }`: the first success.
    Race,
}

/// `session budget limit { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct Session {
    /// What may be spent.
    pub budget: Expr,
    /// Within what.
    pub body: Block,
}

/// `deadline time { … }`
#[derive(Clone, PartialEq, Debug)]
pub struct Deadline {
    /// How long.
    pub time: Expr,
    /// Within what.
    pub body: Block,
}

/// `break label value`
#[derive(Clone, PartialEq, Debug)]
pub struct Break {
    /// The loop that is left; the innermost if not written.
    pub label: Option<Ident>,
    /// What the loop gives.
    pub value: Option<Expr>,
}
