//! What checking makes of programs, good and bad.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs; // whole programs that must pass
mod mistakes; // what is said about programs with mistakes
mod trees; // what small programs become
mod random; // damaged programs

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity};
use crate::ir;
use crate::source::{LoadError, Loader, Sources};

/// Files in memory, and the real standard library.
struct Files<'t>(&'t [(&'t str, &'t str)]);

impl Loader for Files<'_> {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        self.0.iter().find(|(name, _)| *name == path).map(|(_, text)| Arc::from(*text)).ok_or(LoadError::NotFound)
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vega-std");
        std::fs::read_to_string(folder.join(format!("{module}.vega"))).ok().map(Arc::from)
    }
}

struct Outcome {
    program: Option<ir::Program>,
    diagnostics: Vec<Diagnostic>,
    sources: Sources,
}

fn outcome(files: &[(&str, &str)]) -> Outcome {
    let (sources, program, diagnostics) = crate::check_program(&Files(files), files[0].0).unwrap();
    Outcome { program, diagnostics, sources }
}

/// As [`outcome`] of one file, with every function of the library that it imports checked, called or not.
fn whole_library(text: &str) -> Outcome {
    let mut sources = Sources::new();
    let path: Arc<str> = "test.vega".into();
    sources.add("test.vega", text);
    let mut interner = crate::interner::Interner::new();
    let arena = super::Arena::default();
    let files = Files(&[]);
    let mut checker = super::Checker::new(&arena, &files, &mut sources, &mut interner);
    checker.load_program(&path);
    for index in 0..checker.functions.len() as u32 {
        if checker.functions[index as usize].declaration.body.is_some() {
            checker.function_id(index);
        }
    }
    checker.check_bodies();
    let checked = checker.finish();
    Outcome { program: checked.program, diagnostics: checked.diagnostics, sources }
}

/// The typed tree of a program about which nothing is said but notes.
fn passes(text: &str) -> ir::Program {
    let outcome = outcome(&[("test.vega", text)]);
    assert!(outcome.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Note), "{}", outcome.drawn());
    let program = outcome.program.unwrap();
    let module = crate::emit::emit(&program, &outcome.sources).unwrap();
    if let Err(error) = vega_bytecode::verify::verify(module) {
        panic!("what is checked must make sound bytecode: {error}");
    }
    program
}

impl Outcome {
    fn drawn(&self) -> String {
        self.diagnostics.iter().map(|diagnostic| self.draw(diagnostic)).collect()
    }

    /// A diagnostic with the lines that it points at.
    fn draw(&self, diagnostic: &Diagnostic) -> String {
        let severity = match diagnostic.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let mut text = format!("{severity}[{}]: {}\n", diagnostic.code, diagnostic.title);
        for label in &diagnostic.labels {
            let file = self.sources.file(label.span.file);
            let from = file.line_column(label.span.start);
            let line = file.line_text(from.line);
            let covered = self.sources.text_of(label.span).lines().next().unwrap_or("").chars().count();
            let mark = if label.is_primary { "^" } else { "-" };
            writeln!(text, "{:>3} | {line}", from.line).unwrap();
            let space = " ".repeat(from.column as usize - 1);
            writeln!(text, "    | {space}{} {}", mark.repeat(covered.max(1)), label.text).unwrap();
        }
        for note in &diagnostic.notes {
            writeln!(text, "    = note: {note}").unwrap();
        }
        for help in &diagnostic.helps {
            writeln!(text, "    = help: {help}").unwrap();
        }
        for suggestion in &diagnostic.suggestions {
            let edit = &suggestion.edits[0];
            writeln!(text, "    = {}: `{}` for `{}`", suggestion.text, edit.replacement, self.sources.text_of(edit.span))
                .unwrap();
        }
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}
