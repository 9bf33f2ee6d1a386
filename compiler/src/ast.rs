//! The tree that the parser makes: the program as written, with nothing resolved yet.
//!
//! Every node has a [`Span`]. Expressions, statements, blocks, patterns, written types and names that introduce a variable
//! also have an id, dense within their file, so that later stages keep what they find out in plain vectors. Where the text
//! was wrong there is an `Error` node, and a diagnostic that says why; later stages pass over those in silence.

pub mod agent; // agents, their clauses and tools; supervisors; tests
pub mod dump; // the tree as compact text, for tests and for looking at
pub mod expression; // everything that has a value
pub mod item; // declarations
pub mod pattern; // what `let`, `for` and `match` take apart
pub mod statement; // blocks and statements
pub mod types; // types as written

pub use agent::*;
pub use expression::*;
pub use item::*;
pub use pattern::*;
pub use statement::*;
pub use types::*;

use crate::interner::Symbol;
use crate::source::{FileId, Span};
use std::sync::Arc;

/// Declares the id types of nodes.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index into a side table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        })*
    };
}

ids! {
    /// An expression of one file.
    ExprId
    /// A statement of one file.
    StmtId
    /// A block of one file.
    BlockId
    /// A pattern of one file.
    PatternId
    /// A type as written, of one file.
    TypeId
    /// A place that introduces a variable: in a pattern, a parameter, a `catch`.
    BindingId
}

/// How many ids of each kind a file has: the sizes of side tables.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct NodeCounts {
    /// Number of [`ExprId`]s.
    pub expressions: u32,
    /// Number of [`StmtId`]s.
    pub statements: u32,
    /// Number of [`BlockId`]s.
    pub blocks: u32,
    /// Number of [`PatternId`]s.
    pub patterns: u32,
    /// Number of [`TypeId`]s.
    pub types: u32,
    /// Number of [`BindingId`]s.
    pub bindings: u32,
}

/// One source file.
#[derive(Debug)]
pub struct File {
    /// Which text it is.
    pub id: FileId,
    /// Declarations, in the order of the text.
    pub items: Vec<Item>,
    /// Statements at top level, in the order of the text: the body of `main` in a file without one.
    pub statements: Vec<Stmt>,
    /// Sizes of side tables.
    pub counts: NodeCounts,
    /// The whole text.
    pub span: Span,
}

/// A name where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ident {
    /// The name.
    pub symbol: Symbol,
    /// Where.
    pub span: Span,
}

/// A name that introduces a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Its id.
    pub id: BindingId,
    /// Its name.
    pub name: Ident,
}

/// `a::b::c`, perhaps with type arguments: `json::decode::<Review>`. In a type the arguments stand without the `::`.
#[derive(Clone, PartialEq, Debug)]
pub struct Path {
    /// The words, at least one.
    pub segments: Vec<Ident>,
    /// What stands between `<` and `>` at its end.
    pub type_arguments: Vec<TypeExpr>,
    /// All of it.
    pub span: Span,
}

impl Path {
    /// The last word.
    pub fn last(&self) -> Ident {
        *self.segments.last().expect("a path has at least one word")
    }

    /// The only word, if there is one and it has no type arguments.
    pub fn as_name(&self) -> Option<Ident> {
        match (self.segments.as_slice(), self.type_arguments.is_empty()) {
            ([name], true) => Some(*name),
            _ => None,
        }
    }
}

/// The `///` lines above a declaration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Docs {
    /// The lines without `///` and one following space.
    pub lines: Vec<DocLine>,
}

impl Docs {
    /// The lines joined by newlines.
    pub fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|line| &*line.text).collect();
        lines.join("\n")
    }
}

/// One `///` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocLine {
    /// Its text.
    pub text: Arc<str>,
    /// Where, the slashes included.
    pub span: Span,
}
