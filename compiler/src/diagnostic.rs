//! What a stage has to say about a program, as data. Nothing here draws: the command line does, and so can an editor.
//!
//! Every diagnostic carries a [`Code`] that keeps its meaning for ever; [`codes`] lists them all with an explanation.

pub mod codes;
pub mod pages;

use crate::source::Span;
pub use codes::Code;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// The program runs, but probably not as meant.
    Warning,
    /// The program does not run.
    Error,
}

/// A stretch of source with a remark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// What it points at.
    pub span: Span,
    /// The remark; may be empty.
    pub text: String,
    /// Whether this is the place of the problem, and not one that only explains it.
    pub is_primary: bool,
}

/// One replacement of text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// What takes its place; empty for a deletion.
    pub replacement: String,
}

/// A way to change the program that would settle the diagnostic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suggestion {
    /// What the change does, as an invitation: "write `==` to compare".
    pub text: String,
    /// All edits together make the change. They do not overlap.
    pub edits: Vec<Edit>,
}

/// One message about a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its stable code.
    pub code: Code,
    /// What is wrong, in one line without a full stop.
    pub title: String,
    /// Where; the first label is the primary one.
    pub labels: Vec<Label>,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// What to do about it.
    pub helps: Vec<String>,
    /// Changes that would settle it.
    pub suggestions: Vec<Suggestion>,
}

impl Diagnostic {
    /// A diagnostic about `span`.
    pub fn new(severity: Severity, code: Code, span: Span, title: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            code,
            title: title.into(),
            labels: vec![Label { span, text: String::new(), is_primary: true }],
            notes: Vec::new(),
            helps: Vec::new(),
            suggestions: Vec::new(),
        }
    }

    /// An error about `span`.
    pub fn error(code: Code, span: Span, title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, span, title)
    }

    /// A warning about `span`.
    pub fn warning(code: Code, span: Span, title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, span, title)
    }

    /// A note about `span`.
    pub fn note(code: Code, span: Span, title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Note, code, span, title)
    }

    /// Puts a remark at the primary place.
    #[must_use]
    pub fn with_remark(mut self, text: impl Into<String>) -> Diagnostic {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Points at a further place that explains.
    #[must_use]
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into(), is_primary: false });
        self
    }

    /// Adds a fact that explains.
    #[must_use]
    pub fn with_note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(mut self, text: impl Into<String>) -> Diagnostic {
        self.helps.push(text.into());
        self
    }

    /// Offers one replacement as a way out.
    #[must_use]
    pub fn with_suggestion(self, text: impl Into<String>, span: Span, replacement: impl Into<String>) -> Diagnostic {
        self.with_edits(text, vec![Edit { span, replacement: replacement.into() }])
    }

    /// Offers several replacements that belong together as a way out.
    #[must_use]
    pub fn with_edits(mut self, text: impl Into<String>, edits: Vec<Edit>) -> Diagnostic {
        self.suggestions.push(Suggestion { text: text.into(), edits });
        self
    }

    /// The primary place.
    pub fn span(&self) -> Span {
        self.labels.iter().find(|label| label.is_primary).map(|label| label.span).expect("every constructor sets a primary label")
    }

    /// Whether the program cannot run because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
