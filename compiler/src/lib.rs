//! Text in; bytecode or diagnostics out; no input or output of its own.
//!
//! A program goes through the modules in the order below. Every stage speaks in the spans of the first, and a stage that
//! finds a mistake records a [`diagnostic::Diagnostic`] and goes on.

pub mod ast; // the tree that the parser makes
pub mod diagnostic; // what a stage has to say about a program, as data
pub mod interner; // names as small integers
pub mod parse; // text to tree
pub mod source; // the texts being compiled, and positions in them
mod resolve; // from names to what they stand for
pub mod schedule; // what happens when
mod check; // names and types: trees to the typed tree
pub mod ir; // the typed tree between checking and emission
pub mod emit; // typed tree to bytecode

use std::sync::Arc;

use diagnostic::{Diagnostic, Severity, codes};
use interner::Interner;
use source::{LoadError, Loader, Sources};
use vega_bytecode::Module;

/// What became of a program.
#[derive(Debug)]
pub struct Compiled {
    /// The bytecode; present exactly if no diagnostic is an error.
    pub module: Option<Module>,
    /// Everything there is to say about the program, in the order of its sources.
    pub diagnostics: Vec<Diagnostic>,
    /// All texts that were read, for drawing the diagnostics.
    pub sources: Sources,
}

/// Compiles the program whose main file is at `entry`. Says nothing of what is merely worth knowing; [`check()`] does.
///
/// # Errors
/// When `loader` has no text for `entry` itself. Imports that are missing are diagnostics.
pub fn compile(loader: &dyn Loader, entry: &str) -> Result<Compiled, LoadError> {
    let (sources, mut program, mut diagnostics) = check_program(loader, entry)?;
    // What checks and cannot be run is only a warning to those who check.
    for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.code == codes::UNSUPPORTED) {
        diagnostic.severity = Severity::Error;
        program = None;
    }
    // Notes are for those who ask for them, by checking.
    diagnostics.retain(|diagnostic| diagnostic.severity != Severity::Note);
    let module = program.and_then(|program| match emit::emit(&program, &sources) {
        Ok(module) => Some(module),
        Err(limits) => {
            diagnostics.extend(limits);
            None
        }
    });
    Ok(Compiled { module, diagnostics, sources })
}

/// Checks the program whose main file is at `entry`, without making bytecode.
///
/// # Errors
/// When `loader` has no text for `entry` itself. Imports that are missing are diagnostics.
pub fn check(loader: &dyn Loader, entry: &str) -> Result<Compiled, LoadError> {
    let (sources, _, diagnostics) = check_program(loader, entry)?;
    Ok(Compiled { module: None, diagnostics, sources })
}

fn check_program(loader: &dyn Loader, entry: &str) -> Result<(Sources, Option<ir::Program>, Vec<Diagnostic>), LoadError> {
    let text = loader.load(entry)?;
    let path: Arc<str> = entry.into();
    let mut sources = Sources::new();
    sources.add(entry, text);
    let mut interner = Interner::new();
    let checked = check::check(loader, &mut sources, &mut interner, &path);
    Ok((sources, checked.program, checked.diagnostics))
}
