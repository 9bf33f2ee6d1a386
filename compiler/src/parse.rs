//! Text to tree: a token scanner, and a grammar over its tokens that goes on after a mistake.
//!
//! The grammar is one function a rule, over `tokens::Tokens`. A rule that does not fit answers a `problem::Problem`; the
//! nearest block or list of members reports it, skips to where it can go on (`list::recover`), and puts an `Error` node in
//! its place. So a file with several mistakes gives several diagnostics, and none for what only follows from another.
//!
//! Invariant: the time is linear in the length of the text, and the height of the tree is bounded, whatever the text is.

mod token; // what the text consists of
mod number; // numbers, durations, money
mod text; // what stands between quotes
mod lexer; // text to tokens
mod lexical_error; // what the scanner has to say
mod tokens; // what the grammar reads, and what its rules share
mod problem; // why a rule did not fit
mod grammar_error; // what the grammar has to say
mod foreign; // forms of other languages
mod list; // lists between brackets, and going on after a mistake
mod item; // files and declarations
mod agent; // agents, tools, supervisors
mod clause; // what their clauses have in common
mod statement; // blocks and statements
mod control; // what ends with its block
mod expression; // operators, loosest first
mod primary; // what operators are applied to
mod interpolation; // texts with holes
mod spawn; // spawn and supervision
mod pattern; // patterns
mod types; // types as written

#[cfg(test)]
mod tests;

use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Interner;
use crate::source::{FileId, Span};

/// Most bytes that one file may have.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;
/// Most tokens that one file may have.
pub const TOKENS_MAX: usize = 4 << 20;
/// How many brackets, blocks and the like may stand inside each other.
pub const NESTING_MAX: u32 = 128;
/// How high the tree of one expression may be: `a + b + c` counts each operator.
pub const HEIGHT_MAX: u32 = 256;

/// How many diagnostics one file gets. Somebody who sees more of them has another problem than syntax.
pub const DIAGNOSTICS_MAX: usize = 200;

/// A comment, kept for the formatter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Comment {
    /// Its slashes included.
    pub span: Span,
    /// How it is written.
    pub kind: CommentKind,
}

/// How a comment is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommentKind {
    /// `// …`
    Line,
    /// `/* … */`
    Block,
    /// `/// …`
    Doc,
}

/// What became of a text.
#[derive(Debug)]
pub struct Parsed {
    /// The tree; where the text was wrong it has `Error` nodes.
    pub file: ast::File,
    /// All comments in the order of the text.
    pub comments: Vec<Comment>,
    /// What was wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether the text has a syntax error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Parses one text. Never fails: mistakes are in [`Parsed::diagnostics`].
pub fn parse(file: FileId, text: &str, interner: &mut Interner) -> Parsed {
    let span = Span::new(file, 0, u32::try_from(text.len()).unwrap_or(u32::MAX));
    if text.len() > SOURCE_BYTES_MAX {
        let diagnostic = Diagnostic::error(codes::SOURCE_TOO_LARGE, span.before(), "this file is too large")
            .with_note(format!("it has {} bytes; a file has at most {SOURCE_BYTES_MAX}", text.len()));
        let counts = ast::NodeCounts::default();
        let file = ast::File { id: file, items: Vec::new(), statements: Vec::new(), counts, span };
        return Parsed { file, comments: Vec::new(), diagnostics: vec![diagnostic] };
    }
    let lexed = lexer::lex(file, text, interner);
    let state = tokens::State::new(file, text, &lexed);
    let (items, statements) = item::file(tokens::Tokens { rest: &lexed.tokens, state: &state });
    let (found, counts) = state.finish();
    let mut diagnostics = lexed.diagnostics;
    diagnostics.extend(found);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span().start);
    if diagnostics.len() > DIAGNOSTICS_MAX {
        diagnostics.truncate(DIAGNOSTICS_MAX);
        let last = diagnostics.last().map_or(span, Diagnostic::span);
        diagnostics.push(Diagnostic::error(codes::TOO_MANY_MISTAKES, last, "too many mistakes; what follows was not looked at"));
    }
    Parsed { file: ast::File { id: file, items, statements, counts, span }, comments: lexed.comments, diagnostics }
}
