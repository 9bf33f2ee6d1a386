//! `if`, `match` and the arms of `receive`: which branch is taken, and what all of them give together.

use vega_bytecode::TypeId;
use vega_bytecode::module::Constant;

use super::Checker;
use super::fits::Why;
use super::narrow::Narrowed;
use super::statement::Want;
use super::types::ERROR;
use crate::ast;
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Arm, Block, Expr, ExprKind, Pattern, PatternKind};
use crate::source::Span;

/// What is known after some branches: where at least one of them comes out.
#[derive(Default)]
pub(crate) struct Ends {
    known: Option<Narrowed>,
}

impl Ends {
    /// Takes note of the end of a branch.
    pub(crate) fn add(&mut self, checker: &mut Checker<'_>) {
        let frame = checker.frame();
        if frame.is_reachable {
            self.known = Some(match self.known.take() {
                Some(known) => known.common(&frame.narrowed),
                None => frame.narrowed.clone(),
            });
        }
    }

    /// Goes on behind all branches.
    pub(crate) fn settle(self, checker: &mut Checker<'_>) {
        let frame = checker.frame();
        frame.is_reachable = self.known.is_some();
        if let Some(known) = self.known {
            frame.narrowed = known;
        }
    }
}

impl<'a> Checker<'a> {
    /// `if a { … } else if b { … } else { … }`
    pub(super) fn if_value(&mut self, written: &'a ast::If, want: Want, span: Span) -> Expr {
        let mut ends = Ends::default();
        let mut branches = Vec::with_capacity(written.branches.len());
        let mut types = Vec::with_capacity(written.branches.len() + 1);
        for branch in &written.branches {
            let condition = self.condition(&branch.condition);
            let before = self.frame().narrowed.clone();
            let was_reachable = self.frame().is_reachable;
            let facts = self.facts(&condition, true);
            self.frame().narrowed.learn(facts);
            let (then, then_type) = self.block(&branch.body, want);
            ends.add(self);
            self.frame().narrowed = before;
            self.frame().is_reachable = was_reachable;
            let facts = self.facts(&condition, false);
            self.frame().narrowed.learn(facts);
            branches.push((condition, then));
            types.push(then_type);
        }
        let otherwise = written.otherwise.as_ref().map(|last| {
            let (block, ty) = self.block(last, want);
            types.push(ty);
            block
        });
        // Without a last `else`, control goes on where every condition is false.
        ends.add(self);
        ends.settle(self);
        match otherwise {
            Some(otherwise) => self.finish_if(branches, otherwise, &types, want, span),
            None => self.finish_without_else(branches, &types, want, span),
        }
    }

    fn finish_if(
        &mut self,
        mut branches: Vec<(Expr, Block)>,
        mut otherwise: Block,
        types: &[TypeId],
        want: Want,
        span: Span,
    ) -> Expr {
        let (void, never) = (self.types.void, self.types.never);
        let ty = match want {
            Want::Drop if types.iter().all(|ty| *ty == never) => never,
            Want::Drop => void,
            Want::Infer | Want::Hint(_) => {
                let blocks = branches.iter().map(|(_, then)| then).chain([&otherwise]);
                let spans: Vec<Span> = blocks.map(value_span).collect();
                self.branch_type(types, &spans, want, "`if` and `else`")
            }
        };
        for (_, then) in &mut branches {
            self.fit_block(then, ty);
        }
        self.fit_block(&mut otherwise, ty);
        Expr::new(ExprKind::If(branches, Some(otherwise)), ty, span)
    }

    fn finish_without_else(&mut self, mut branches: Vec<(Expr, Block)>, types: &[TypeId], want: Want, span: Span) -> Expr {
        let (void, never) = (self.types.void, self.types.never);
        if let (Some((condition, then)), Some(then_type)) = (branches.last(), types.last())
            && want != Want::Drop
            && let Some(value) = &then.value
            && *then_type != never
        {
            let start = if branches.len() == 1 { span.start } else { condition.span.start };
            let (shown, end) = (self.show(*then_type), value.span);
            self.report(
                Diagnostic::error(
                    codes::MISSING_ELSE,
                    Span { start, ..span },
                    "this `if` has no value where the condition is false",
                )
                .with_label(end, format!("a `{shown}` where it is true"))
                .with_help("write an `else`"),
            );
            return Expr::wrong(span);
        }
        for (_, then) in &mut branches {
            self.fit_block(then, void);
        }
        Expr::new(ExprKind::If(branches, None), void, span)
    }

    /// The type of several branches together.
    fn branch_type(&mut self, types: &[TypeId], spans: &[Span], want: Want, what: &str) -> TypeId {
        let (void, never) = (self.types.void, self.types.never);
        if types.iter().all(|ty| *ty == never) {
            return never;
        }
        if let Want::Hint(hint) = want
            && !self.is_open(hint)
            && types.iter().all(|ty| *ty != void)
        {
            return hint;
        }
        let mut common = never;
        let mut first = 0;
        for (index, ty) in types.iter().enumerate() {
            match self.common_type(common, *ty) {
                Some(found) => {
                    if common == never {
                        first = index;
                    }
                    common = found;
                }
                None => {
                    if common == void || *ty == void {
                        // One branch gives nothing, so together they give nothing.
                        return void;
                    }
                    let (a, b) = (self.show(common), self.show(*ty));
                    self.report(
                        Diagnostic::error(codes::MISMATCHED, spans[index], format!("{what} give different types"))
                            .with_remark(format!("this is a `{b}`"))
                            .with_label(spans[first], format!("this is a `{a}`")),
                    );
                    return ERROR;
                }
            }
        }
        common
    }

    /// Makes the value of a branch fit.
    fn fit_block(&mut self, block: &mut Block, ty: TypeId) {
        if let Some(value) = block.value.take() {
            if ty == self.types.void || ty == ERROR {
                let span = value.span;
                block.statements.push(crate::ir::Statement {
                    kind: crate::ir::StatementKind::Expr(*value),
                    span,
                    joins_before: Vec::new(),
                });
            } else if ty == self.types.never {
                block.value = Some(value);
            } else {
                block.value = Some(Box::new(self.coerce(*value, ty, Why::Plain)));
            }
        }
    }

    /// `match subject { arms }`
    pub(super) fn match_value(&mut self, written: &'a ast::Match, want: Want, span: Span) -> Expr {
        let mut subject = self.value(&written.subject, Want::Infer);
        // Whoever asks for null wants to look at the value as it was declared, even where it is known not to be null.
        if written.arms.iter().any(|arm| asks_for_null(&arm.pattern))
            && let ExprKind::Retype(inner) = subject.kind
        {
            let narrowed = self.types.without_null(inner.ty) == subject.ty;
            subject = if narrowed { *inner } else { Expr::new(ExprKind::Retype(inner), subject.ty, subject.span) };
        }
        let subject_type = subject.ty;
        let (arms, ty) = self.arms(&written.arms, subject_type, want, "the arms of `match`");
        if !subject.is_wrong() && arms.iter().all(|arm| !has_error(&arm.pattern)) {
            self.check_exhaustive(&arms, subject_type, span, written.subject.span);
        }
        Expr::new(ExprKind::Match(Box::new(subject), arms), ty, span)
    }

    /// Arms with their patterns over values of one type, and the type that they give together.
    pub(super) fn arms(&mut self, written: &'a [ast::MatchArm], subject: TypeId, want: Want, what: &str) -> (Vec<Arm>, TypeId) {
        let mut ends = Ends::default();
        let before = self.frame().narrowed.clone();
        let was_reachable = self.frame().is_reachable;
        let mut arms = Vec::with_capacity(written.len());
        let mut types = Vec::with_capacity(written.len());
        let mut spans = Vec::with_capacity(written.len());
        let mut is_null_covered = false;
        for arm in written {
            let mark = self.frame().enter();
            self.frame().narrowed = before.clone();
            self.frame().is_reachable = was_reachable;
            let mut pattern = self.arm_pattern(&arm.pattern, subject, is_null_covered);
            let guard = arm.guard.as_ref().map(|guard| self.condition(guard));
            if let Some(guard) = &guard {
                let facts = self.facts(guard, true);
                self.frame().narrowed.learn(facts);
            }
            is_null_covered |= guard.is_none() && covers_null(&pattern);
            if subject == ERROR {
                pattern.kind = PatternKind::Wildcard;
            }
            let body = self.expr(&arm.body, want);
            ends.add(self);
            self.frame().leave(mark);
            types.push(if want == Want::Drop && body.ty != self.types.never { self.types.void } else { body.ty });
            spans.push(body.span);
            arms.push(Arm { pattern, guard, body });
        }
        ends.settle(self);
        let ty = match want {
            Want::Drop if types.iter().all(|ty| *ty == self.types.never) => self.types.never,
            Want::Drop => self.types.void,
            Want::Infer | Want::Hint(_) => self.branch_type(&types, &spans, want, what),
        };
        if want != Want::Drop && ty != self.types.void && ty != ERROR {
            for arm in &mut arms {
                let body = std::mem::replace(&mut arm.body, Expr::wrong(arm.pattern.span));
                arm.body = if body.ty == self.types.never { body } else { self.coerce(body, ty, Why::Plain) };
            }
        }
        (arms, ty)
    }
}

/// Whether a written pattern is `null` or has it as an alternative.
fn asks_for_null(pattern: &ast::Pattern) -> bool {
    match &pattern.kind {
        ast::PatternKind::Literal(ast::Literal::Null) => true,
        ast::PatternKind::Or(alternatives) => alternatives.iter().any(asks_for_null),
        _ => false,
    }
}

fn value_span(block: &Block) -> Span {
    block.value.as_ref().map_or(block.span, |value| value.span)
}

/// Whether a pattern takes null, so that later ones see none.
fn covers_null(pattern: &Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Literal(Constant::Null) => true,
        PatternKind::Or(patterns) => patterns.iter().any(covers_null),
        _ => false,
    }
}

/// Whether something in a pattern was reported.
fn has_error(pattern: &Pattern) -> bool {
    pattern.ty == ERROR
        || match &pattern.kind {
            PatternKind::BindTo(_, inner) | PatternKind::Some(inner) | PatternKind::Type(_, inner) => has_error(inner),
            PatternKind::Tuple(parts) | PatternKind::Variant(_, parts) | PatternKind::Kind(_, parts) | PatternKind::Or(parts) => {
                parts.iter().any(has_error)
            }
            PatternKind::Array(front, _, back) => front.iter().chain(back).any(has_error),
            PatternKind::Struct(fields) => fields.iter().any(|(_, field)| has_error(field)),
            PatternKind::Entries(entries, _) => entries.iter().any(|(_, entry)| has_error(entry)),
            PatternKind::Wildcard | PatternKind::Bind(_) | PatternKind::Literal(_) | PatternKind::Range(..) => false,
        }
}
