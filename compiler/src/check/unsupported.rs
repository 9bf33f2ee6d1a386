//! What this version understands but does not run. Each is refused by its name, wherever it is met, and never passed over.

use super::Checker;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// Refuses a part of the language by name.
    pub(super) fn refuse(&mut self, what: &str, span: Span) {
        self.report(Diagnostic::error(codes::UNSUPPORTED, span, format!("{what} is not supported by this version yet")));
    }

    /// Refuses an expression by name.
    pub(super) fn refused(&mut self, what: &str, span: Span) -> ir::Expr {
        self.refuse(what, span);
        ir::Expr::wrong(span)
    }

    /// Says that a part checks but cannot run. Whoever only checks is warned; whoever compiles is refused.
    pub(super) fn warn_unrun(&mut self, what: &str, span: Span) {
        self.report(
            Diagnostic::warning(codes::UNSUPPORTED, span, format!("{what} cannot be run by this version yet"))
                .with_note("`vega check` knows it and checks it; `vega run` and `vega build` refuse it"),
        );
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
