//! Types as written.

use super::{Ident, Path, TypeId};
use crate::source::Span;

/// A type as written.
#[derive(Clone, PartialEq, Debug)]
pub struct TypeExpr {
    /// Its id.
    pub id: TypeId,
    /// What it is.
    pub kind: TypeKind,
    /// Where.
    pub span: Span,
}

/// The forms of a type.
#[derive(Clone, PartialEq, Debug)]
pub enum TypeKind {
    /// `int`, `map<str, int>`, `review::Score`, `void`, `process`.
    Path(Box<Path>),
    /// `T[]`
    Array(Box<TypeExpr>),
    /// `T?`
    Optional(Box<TypeExpr>),
    /// `(A, B)`. A type in parentheses alone is that type.
    Tuple(Vec<TypeExpr>),
    /// `fn(A) -> B`
    Function(Box<FunctionType>),
    /// `null`
    Null,
    /// The text was wrong.
    Error,
}

/// `fn(A, B) -> C`
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionType {
    /// What it takes.
    pub parameters: Vec<TypeExpr>,
    /// What it answers; without `->`, nothing.
    pub result: Option<TypeExpr>,
}

/// `T` or `T: Ord + Key` in `fn f<T: Ord>(…)`.
#[derive(Clone, PartialEq, Debug)]
pub struct GenericParameter {
    /// The name.
    pub name: Ident,
    /// The bounds, in the order of the text.
    pub bounds: Vec<Ident>,
}
