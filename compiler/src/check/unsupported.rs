//! What this version understands but does not run. Each is refused by its name, wherever it is met, and never passed over.

use super::Checker;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir;
use crate::source::Span;

/// Natives that the library declares and the runtime does not have yet.
const MISSING_NATIVES: &[&str] = &["process::info", "process::priority", "process::tree"];

impl Checker<'_> {
    /// Refuses a native by name, where the runtime does not have it.
    pub(super) fn refuse_native(&mut self, name: &str, span: Span) {
        if MISSING_NATIVES.contains(&name) {
            self.refuse(&format!("`{name}`"), span);
        }
    }

    /// Refuses a part of the language by name.
    pub(super) fn refuse(&mut self, what: &str, span: Span) {
        self.report(Diagnostic::error(codes::UNSUPPORTED, span, format!("{what} is not supported by this version yet")));
    }

    /// Refuses an expression by name.
    pub(super) fn refused(&mut self, what: &str, span: Span) -> ir::Expr {
        self.refuse(what, span);
        ir::Expr::wrong(span)
    }

    /// Refuses a clause of an agent or tool, which without effect would mislead.
    pub(super) fn refuse_clause(&mut self, clause: &str, span: Span) {
        self.report(
            Diagnostic::error(
                codes::UNSUPPORTED_CLAUSE,
                span,
                format!("the clause `{clause}` is not supported by this version yet"),
            )
            .with_note("a clause that had no effect would be worse than none, so it is refused"),
        );
    }
}

/// The word that an expression starts with.
pub(crate) fn head_of(span: Span, word: &str) -> Span {
    Span { end: span.end.min(span.start + word.len() as u32), ..span }
}
