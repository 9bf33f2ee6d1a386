//! What the parser makes of texts, good and bad.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod programs; // whole programs
mod scanning; // comments, alphabets, spans
mod trees; // what each construct becomes
mod mistakes; // what is said about texts with mistakes
mod limits; // very large and very deep texts
mod random; // random and damaged texts

use super::{Parsed, parse};
use crate::ast::dump::dump;
use crate::diagnostic::{Diagnostic, Severity};
use crate::interner::Interner;
use crate::source::{FileId, Sources};
use std::fmt::Write;

/// A text and what was made of it.
struct Outcome {
    parsed: Parsed,
    interner: Interner,
    sources: Sources,
}

fn outcome(text: &str) -> Outcome {
    let mut sources = Sources::new();
    let file = sources.add("test.vega", text);
    let mut interner = Interner::new();
    let parsed = parse(file, text, &mut interner);
    Outcome { parsed, interner, sources }
}

/// The tree of a text without mistakes.
fn tree(text: &str) -> String {
    let outcome = outcome(text);
    assert_eq!(outcome.parsed.diagnostics, [], "{}", outcome.drawn());
    dump(&outcome.parsed.file, &outcome.interner)
}

/// The tree of the body of a function, one statement a line.
fn body(text: &str) -> String {
    tree(&format!("fn main() {{\n{text}\n}}"))
}

/// The mistakes of a text, drawn simply.
fn mistakes(text: &str) -> String {
    outcome(text).drawn()
}

impl Outcome {
    fn drawn(&self) -> String {
        self.parsed.diagnostics.iter().map(|diagnostic| self.draw(diagnostic)).collect()
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
            let file = self.sources.file(FileId(0));
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
            let mut fixed = self.sources.file(FileId(0)).text().to_string();
            let mut edits = suggestion.edits.clone();
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
            for edit in &edits {
                fixed.replace_range(edit.span.range(), &edit.replacement);
            }
            let line = self.sources.line_column(edits.last().unwrap().span).line;
            let fixed = fixed.lines().nth(line as usize - 1).unwrap_or("").trim_end().to_owned();
            writeln!(text, "    = {}: {}", suggestion.text, fixed.trim_start()).unwrap();
        }
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}
