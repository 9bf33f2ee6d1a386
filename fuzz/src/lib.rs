//! What the fuzz targets share: the programs they begin with, what must hold of a compiled text, and mutations of bytecode.
//!
//! A target panics, crashes or hangs exactly where Vega is wrong.

pub mod mutate; // bytecode changed so that much of it still verifies
pub mod seeds; // the programs that fuzzing begins with

use std::sync::Arc;

use vega_compiler::diagnostic::Diagnostic;
use vega_compiler::source::{LoadError, Loader, Sources, Span};

/// One text as the whole program; only standard modules can be imported.
pub struct Text(pub Arc<str>);

impl Text {
    /// The path under which it is loaded.
    pub const PATH: &str = "fuzz.vega";
}

impl Loader for Text {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        if path == Text::PATH { Ok(self.0.clone()) } else { Err(LoadError::NotFound) }
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// Fails where a diagnostic points outside of its text or into a character, or says nothing.
pub fn examine(diagnostics: &[Diagnostic], sources: &Sources) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.title.is_empty(), "{diagnostic:?} says nothing");
        assert!(diagnostic.labels.iter().any(|label| label.is_primary), "{diagnostic:?} is nowhere");
        let labels = diagnostic.labels.iter().map(|label| label.span);
        let edits = diagnostic.suggestions.iter().flat_map(|suggestion| &suggestion.edits).map(|edit| edit.span);
        for span in labels.chain(edits) {
            examine_span(span, sources);
        }
        let place = sources.line_column(diagnostic.span());
        assert!(place.line >= 1 && place.column >= 1, "{diagnostic:?} is at {place:?}");
    }
}

/// Fails where a span is no stretch of its text.
pub fn examine_span(span: Span, sources: &Sources) {
    let text = sources.file(span.file).text();
    assert!(text.get(span.range()).is_some(), "{span:?} is no stretch of a text of {} bytes", text.len());
}
