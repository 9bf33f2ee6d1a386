//! What this version understands but does not run. Each is refused by its name, wherever it is met, and never passed over.

use super::Checker;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, ParallelMode};
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

    /// Refuses `parallel`. The names of its arms are known behind it.
    pub(super) fn refused_parallel(&mut self, parallel: &'a ast::Parallel, span: Span) -> ir::Expr {
        self.refuse("`parallel`", head_of(span, "parallel"));
        let first = self.frame().locals.len();
        self.statements(&parallel.body.statements, &mut Vec::new());
        if let Some(last) = &parallel.body.value {
            self.expr(last, Want::Infer);
        }
        if parallel.mode != ParallelMode::All {
            // Their names would stand for results.
            self.frame().locals[first..].iter_mut().for_each(|local| local.ty = ERROR);
        }
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
