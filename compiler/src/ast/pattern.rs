//! What `let`, `for`, `match`, `receive` and closures take values apart with.

use super::{Binding, Expr, Ident, Literal, Path, PatternId, TypeExpr};
use crate::source::Span;

/// A pattern.
#[derive(Clone, PartialEq, Debug)]
pub struct Pattern {
    /// Its id.
    pub id: PatternId,
    /// What it is.
    pub kind: PatternKind,
    /// Where.
    pub span: Span,
}

/// The forms of a pattern. A lone word is a [`PatternKind::Binding`] if it starts with a lower-case letter or `_`, and a
/// [`PatternKind::Path`] if it starts with an upper-case one.
#[derive(Clone, PartialEq, Debug)]
pub enum PatternKind {
    /// `_`
    Wildcard,
    /// `42`, `-1`, `"text"`, `null`, `30s`
    Literal(Literal),
    /// `1..10`, `..=5`, `'a'..`. At least one end is there.
    Range(RangePattern),
    /// `name`
    Binding(Binding),
    /// `name @ pattern`
    Named(Binding, Box<Pattern>),
    /// `n: int`; the inner pattern is a binding or `_`.
    Typed(Box<Pattern>, Box<TypeExpr>),
    /// `Approve`, `Verdict::Approve`
    Path(Box<Path>),
    /// `Reject(why)`, `Verdict::Reject(_)`
    Variant(Box<Path>, Vec<Pattern>),
    /// `Review { score, who: w, .. }`
    Struct(Box<StructPattern>),
    /// `(a, _)`
    Tuple(Vec<Pattern>),
    /// `[first, .., last]`
    Array(Vec<Pattern>),
    /// `..` or `..rest`, only inside an array, a tuple or a variant.
    Rest(Option<Binding>),
    /// `{ "id": id: int, .. }`
    Map(Box<MapPattern>),
    /// `A | B`, two or more.
    Or(Vec<Pattern>),
    /// The text was wrong.
    Error,
}

/// `start..end` or `start..=end`.
#[derive(Clone, PartialEq, Debug)]
pub struct RangePattern {
    /// The lower end.
    pub start: Option<Literal>,
    /// The upper end.
    pub end: Option<Literal>,
    /// Whether the upper end belongs to it.
    pub is_inclusive: bool,
}

/// `Name { field, other: pattern, .. }`
#[derive(Clone, PartialEq, Debug)]
pub struct StructPattern {
    /// The struct or variant.
    pub path: Path,
    /// The fields named.
    pub fields: Vec<FieldPattern>,
    /// The `..` that allows further fields.
    pub rest: Option<Span>,
}

/// `field: pattern`; of the short form `field`, the pattern is a binding of that name.
#[derive(Clone, PartialEq, Debug)]
pub struct FieldPattern {
    /// The field.
    pub name: Ident,
    /// What its value must fit.
    pub pattern: Pattern,
    /// Whether it is written in the short form.
    pub is_short: bool,
}

/// `{ "key": pattern, .. }`
#[derive(Clone, PartialEq, Debug)]
pub struct MapPattern {
    /// Keys with what their values must fit.
    pub entries: Vec<MapPatternEntry>,
    /// The `..` that allows further keys.
    pub rest: Option<Span>,
}

/// `"key": pattern`
#[derive(Clone, PartialEq, Debug)]
pub struct MapPatternEntry {
    /// The key: a literal, or the path of a variant without payload.
    pub key: Expr,
    /// What its value must fit.
    pub pattern: Pattern,
}
