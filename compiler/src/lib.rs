//! Text in; bytecode or diagnostics out; no input or output of its own.
//!
//! A program goes through the modules in the order below. Every stage speaks in the spans of the first, and a stage that
//! finds a mistake records a [`diagnostic::Diagnostic`] and goes on.

pub mod ast; // the tree that the parser makes
pub mod diagnostic; // what a stage has to say about a program, as data
pub mod interner; // names as small integers
pub mod parse;
pub mod source; // the texts being compiled, and positions in them // text to tree
pub mod schedule; // what happens when
pub mod ir; // the typed tree between checking and emission
pub mod emit; // typed tree to bytecode
