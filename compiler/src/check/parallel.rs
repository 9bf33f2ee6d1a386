//! `parallel { … }`: arms that are independent of each other, whose names the block around them gets.
//!
//! It is checked in full. No code is made of it: whoever compiles is told so.

use std::ops::Range;

use vega_bytecode::TypeId;

use super::Checker;
use super::statement::Want;
use super::types::ERROR;
use super::unsupported::head_of;
use crate::ast::{self, ParallelMode};
use crate::diagnostic::{Diagnostic, codes};
use crate::emit::walk::{Node, any_in_statement};
use crate::ir::{Expr, ExprKind, LocalId, Place, Statement, StatementKind};
use crate::source::Span;

/// One top-level statement of the block.
struct Arm {
    /// Variables that it declares.
    declared: Range<usize>,
    /// Variables that it names.
    mentioned: Vec<(LocalId, Span)>,
    /// Variables that it gives other values.
    assigned: Vec<(LocalId, Span)>,
}

impl<'a> Checker<'a> {
    /// `parallel`, `parallel collect` and `parallel race`.
    pub(super) fn parallel(&mut self, parallel: &'a ast::Parallel, want: Want, span: Span) -> Expr {
        self.warn_unrun("`parallel`", head_of(span, "parallel"));
        let mark = self.frame().enter();
        let first = self.frame().locals.len();
        let mut arms = Vec::new();
        let mut types = Vec::new();
        let is_race = parallel.mode == ParallelMode::Race;
        for written in &parallel.body.statements {
            let before = self.frame().locals.len();
            let mut statements = Vec::new();
            match &written.kind {
                // What wins a race is the value of its arm, semicolon or not.
                ast::StmtKind::Expr(expr) if is_race => self.race_arm(expr, want, &mut statements, &mut types),
                _ => self.statements(std::slice::from_ref(written), &mut statements),
            }
            arms.push(self.arm(before, &statements));
        }
        if let Some(last) = &parallel.body.value {
            let before = self.frame().locals.len();
            let mut statements = Vec::new();
            self.race_arm(last, if is_race { want } else { Want::Drop }, &mut statements, &mut types);
            arms.push(self.arm(before, &statements));
        }
        if is_race {
            self.frame().leave(mark);
        }
        self.check_independence(&arms);
        if parallel.mode == ParallelMode::Collect {
            self.collect_results(first);
        }
        let ty = if is_race { self.race_type(&types) } else { self.types.void };
        Expr::wrong(span).retyped(ty)
    }

    /// An arm that is an expression.
    fn race_arm(&mut self, written: &'a ast::Expr, want: Want, statements: &mut Vec<Statement>, types: &mut Vec<(TypeId, Span)>) {
        let value = self.expr(written, want);
        types.push((value.ty, value.span));
        statements.push(Statement { kind: StatementKind::Expr(value), span: written.span, joins_before: Vec::new() });
    }

    fn arm(&mut self, before: usize, statements: &[Statement]) -> Arm {
        let mut arm = Arm { declared: before..self.frame().locals.len(), mentioned: Vec::new(), assigned: Vec::new() };
        for statement in statements {
            any_in_statement(statement, &mut |node| {
                note(node, &mut arm);
                false
            });
        }
        arm
    }

    /// Arms run at once, so none may need what another makes, or change what another looks at.
    fn check_independence(&mut self, arms: &[Arm]) {
        for (index, arm) in arms.iter().enumerate() {
            let others = || arms.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
            let used = arm.mentioned.iter().chain(&arm.assigned);
            if let Some((local, span)) =
                used.clone().find(|(local, _)| others().any(|other| other.declared.contains(&(local.0 as usize))))
            {
                let name = self.frame().locals[local.0 as usize].name.clone();
                self.report(
                    Diagnostic::error(codes::PARALLEL_ARMS, *span, format!("this arm needs `{name}` of another arm"))
                        .with_note("the arms of `parallel` run at once, so none waits for another")
                        .with_help(format!("move what needs `{name}` behind the block")),
                );
            }
            let touches =
                |arm: &Arm, wanted: LocalId| arm.mentioned.iter().chain(&arm.assigned).any(|(local, _)| *local == wanted);
            let outer = arm.assigned.iter().find(|(local, _)| others().any(|other| touches(other, *local)));
            if let Some((local, span)) =
                outer.filter(|(local, _)| !arms.iter().any(|arm| arm.declared.contains(&(local.0 as usize))))
            {
                let name = self.frame().locals[local.0 as usize].name.clone();
                self.report(
                    Diagnostic::error(codes::PARALLEL_ARMS, *span, format!("this arm changes `{name}`, which another arm uses"))
                        .with_note("the arms of `parallel` run at once, so which of them comes first is open")
                        .with_help("give the new value a name of its own with `let`, and use it behind the block"),
                );
            }
        }
    }

    /// Under `collect` each name stands for what became of its arm.
    fn collect_results(&mut self, first: usize) {
        let error = self.types.error;
        for index in first..self.frame().locals.len() {
            let ty = self.frame().locals[index].ty;
            let result = self.types.result(ty, error);
            let frame = self.frame();
            frame.locals[index].ty = result;
            frame.narrowed.forget_local(LocalId(index as u32));
        }
    }

    /// What a race gives: all of its arms give the same.
    fn race_type(&mut self, types: &[(TypeId, Span)]) -> TypeId {
        let mut common = self.types.never;
        for (ty, span) in types {
            match self.common_type(common, *ty) {
                Some(found) => common = found,
                None => {
                    let (wanted, found) = (self.show(common), self.show(*ty));
                    self.report(
                        Diagnostic::error(codes::MISMATCHED, *span, "the arms of `parallel race` give different types")
                            .with_remark(format!("this is a `{found}`, and those above a `{wanted}`")),
                    );
                    return ERROR;
                }
            }
        }
        common
    }
}

fn note(node: Node<'_>, arm: &mut Arm) {
    let mut assign = |place: &Place| arm.assigned.push((place.local, place.span));
    match node {
        Node::Statement(statement) => {
            if let StatementKind::Assign(place, _) | StatementKind::AssignOp(place, ..) = &statement.kind {
                assign(place);
            }
        }
        Node::Expr(expr) => match &expr.kind {
            ExprKind::CallOnPlace(_, place, _) | ExprKind::CallNativeOnPlace(_, place, _) | ExprKind::Push(place, _) => {
                assign(place)
            }
            ExprKind::Local(local) => arm.mentioned.push((*local, expr.span)),
            ExprKind::Closure(_, captures) => arm.mentioned.extend(captures.iter().map(|local| (*local, expr.span))),
            _ => {}
        },
    }
}
