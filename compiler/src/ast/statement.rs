//! Blocks and statements.

use super::{BlockId, ConstDecl, Expr, MockDecl, Pattern, StmtId, TypeExpr};
use crate::source::Span;

/// `{ statement; statement; value }`
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// Its id.
    pub id: BlockId,
    /// The statements before the value.
    pub statements: Vec<Stmt>,
    /// The last expression, written without `;`. A `for` or `while` at the end is a statement, not a value.
    pub value: Option<Box<Expr>>,
    /// The braces included.
    pub span: Span,
}

/// A statement.
#[derive(Clone, PartialEq, Debug)]
pub struct Stmt {
    /// Its id.
    pub id: StmtId,
    /// What it is.
    pub kind: StmtKind,
    /// The `;` included.
    pub span: Span,
}

/// The forms of a statement. Assignments, loops, `return` and the like are expressions.
#[derive(Clone, PartialEq, Debug)]
pub enum StmtKind {
    /// `let pattern: T = value;`
    Let(Box<LetStatement>),
    /// `const NAME = value;` inside a block
    Const(Box<ConstDecl>),
    /// An expression followed by `;`, or one that ends with its block and is not the value of the block around.
    Expr(Box<Expr>),
    /// `defer { … }` or `defer expression;`
    Defer(Box<Expr>),
    /// `mock Coder { "pattern" => reply }`
    Mock(Box<MockDecl>),
    /// The text was wrong.
    Error,
}

/// `let pattern: T = value;`
#[derive(Clone, PartialEq, Debug)]
pub struct LetStatement {
    /// What the value is taken apart with; mostly one binding.
    pub pattern: Pattern,
    /// The type, if written.
    pub ty: Option<TypeExpr>,
    /// The value.
    pub value: Expr,
}
