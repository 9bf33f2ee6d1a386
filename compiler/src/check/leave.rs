//! Ways out: `break`, `continue`, `return`.

use vega_bytecode::TypeId;

use super::Checker;
use super::fits::Why;
use super::frame::FrameResult;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, ExprKind as A, Ident};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{self, Block, Expr, ExprKind, LocalId, Statement, StatementKind};
use crate::resolve::definition::Found;
use crate::source::Span;

impl<'a> Checker<'a> {
    pub(super) fn break_statement(&mut self, left: &'a ast::Break, span: Span) -> StatementKind {
        // `break name` without such a label gives the value of a variable.
        let is_value = left.value.is_none()
            && left.label.is_some_and(|label| {
                !self.frame_ref().loops.iter().any(|frame| frame.label == Some(label.symbol))
                    && self.frame_ref().loops.last().is_some_and(|frame| frame.gives_value)
                    && self.find_local(label.symbol).is_some()
            });
        // A word that nothing has is more likely a label with a slip than a variable.
        let unknown = match left.value.as_ref().map(|value| &value.kind) {
            Some(A::Name(name)) if self.find_local(name.symbol).is_none() && self.find_value(name.symbol) == Found::Nothing => {
                Some(*name)
            }
            _ => None,
        };
        if let Some(name) = unknown {
            self.find_loop(Some(name), "break", span);
            self.frame().loops.iter_mut().for_each(|frame| frame.has_break = true);
            self.frame().is_reachable = false;
            return StatementKind::Expr(Expr::wrong(span));
        }
        let found = self.find_loop(left.label.filter(|_| !is_value), "break", span);
        let Some(index) = found else {
            self.frame().is_reachable = false;
            return StatementKind::Expr(Expr::wrong(span));
        };
        let frame = &mut self.frame().loops[index];
        frame.has_break = true;
        let (id, gives_value, slot) = (frame.id, frame.gives_value, frame.value);
        let written = left.value.as_ref().map(|value| value.span).or(left.label.filter(|_| is_value).map(|label| label.span));
        let mut assigned = None;
        if let Some(value_span) = written {
            let hint = slot.and_then(|(local, ty)| ty.or(Some(self.frame_ref().locals[local.0 as usize].ty)));
            let want = hint.filter(|ty| *ty != self.types.void).map_or(Want::Infer, Want::Hint);
            let value = match &left.value {
                Some(value) => self.expr(value, want),
                None => left.label.map_or_else(|| Expr::wrong(span), |label| self.name(label, want)),
            };
            if !gives_value {
                self.error(codes::OUTSIDE_LOOP, value_span, "only `loop` gives a value; `while` and `for` end without one");
            } else if let Some((local, known)) = slot {
                assigned = Some(self.break_value(index, local, known, value));
            } else {
                assigned = Some(StatementKind::Expr(value));
            }
        }
        self.frame().is_reachable = false;
        let leave = StatementKind::Break(id);
        match assigned {
            None => leave,
            Some(first) => {
                let statements = vec![
                    Statement { kind: first, span, joins_before: Vec::new() },
                    Statement { kind: leave, span, joins_before: Vec::new() },
                ];
                let block = Block { statements, value: None, span, joins_at_end: Vec::new() };
                StatementKind::Expr(Expr::new(ExprKind::Block(block), self.types.never, span))
            }
        }
    }

    fn break_value(&mut self, index: usize, local: LocalId, known: Option<TypeId>, value: Expr) -> StatementKind {
        let declared = self.frame_ref().locals[local.0 as usize].ty;
        let ty = match known {
            Some(known) => known,
            None if declared != self.types.void => declared,
            None => value.ty,
        };
        let span = value.span;
        let value = self.coerce(value, ty, Why::Plain);
        self.frame().loops[index].value = Some((local, Some(ty)));
        StatementKind::Assign(ir::Place { local, steps: Vec::new(), ty, span }, value)
    }

    pub(super) fn continue_statement(&mut self, label: Option<Ident>, span: Span) -> StatementKind {
        let found = self.find_loop(label, "continue", span);
        self.frame().is_reachable = false;
        match found {
            Some(index) => StatementKind::Continue(self.frame_ref().loops[index].id),
            None => StatementKind::Expr(Expr::wrong(span)),
        }
    }

    pub(super) fn return_statement(&mut self, written: Option<&'a ast::Expr>, span: Span) -> StatementKind {
        let (expected, place) = match self.frame_ref().result {
            FrameResult::Declared(ty, place) => (Some(ty), place),
            FrameResult::Inferred(ty) => (ty, None),
        };
        let is_inferred = matches!(self.frame_ref().result, FrameResult::Inferred(_));
        let Some(written) = written else {
            match expected {
                Some(expected) if expected != self.types.void && expected != ERROR => {
                    let shown = self.show(expected);
                    let mut diagnostic = Diagnostic::error(codes::MISMATCHED, span, "`return` without a value")
                        .with_remark(format!("expected `{shown}`"));
                    if let Some(place) = place {
                        diagnostic = diagnostic.with_label(place, format!("the function gives `{shown}`"));
                    }
                    self.report(diagnostic);
                }
                None => self.frame().result = FrameResult::Inferred(Some(self.types.void)),
                Some(_) => {}
            }
            self.frame().is_reachable = false;
            return StatementKind::Return(None);
        };
        let want = expected.filter(|ty| *ty != self.types.void).map_or(Want::Infer, Want::Hint);
        let value = self.expr(written, want);
        let value = match expected {
            Some(expected) if expected == self.types.void => {
                if value.ty == self.types.void || value.is_wrong() || value.ty == self.types.never {
                    // `return f();` where both give nothing.
                    self.frame().is_reachable = false;
                    let statements = vec![
                        Statement { kind: StatementKind::Expr(value), span, joins_before: Vec::new() },
                        Statement { kind: StatementKind::Return(None), span, joins_before: Vec::new() },
                    ];
                    let block = Block { statements, value: None, span, joins_at_end: Vec::new() };
                    return StatementKind::Expr(Expr::new(ExprKind::Block(block), self.types.never, span));
                }
                let shown = self.show(value.ty);
                let mut diagnostic = Diagnostic::error(codes::MISMATCHED, value.span, "this function gives nothing")
                    .with_remark(format!("found `{shown}`"));
                if !is_inferred {
                    diagnostic = diagnostic.with_help(format!("write `-> {shown}` behind its parameters"));
                }
                self.wrong(diagnostic)
            }
            Some(expected) => self.coerce(value, expected, Why::Return(place)),
            None => {
                self.frame().result = FrameResult::Inferred(Some(value.ty));
                value
            }
        };
        self.frame().is_reachable = false;
        StatementKind::Return(Some(value))
    }
}
