//! Blocks that set a limit: `session budget`, whose calls share an amount of money, and `deadline`, which has to end in time.

use vega_bytecode::TypeId;

use super::Checker;
use super::fits::Why;
use super::statement::Want;
use super::types::ERROR;
use crate::ast;
use crate::ir::{Block, Expr, ExprKind, LocalId, Statement, StatementKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `session budget limit { … }` whose value is dropped.
    pub(super) fn session_statement(&mut self, session: &'a ast::Session) -> StatementKind {
        self.session(session, None).0
    }

    /// The same where its value is wanted.
    pub(super) fn session_value(&mut self, session: &'a ast::Session, want: Want, span: Span) -> Expr {
        self.limited_value("session", want, span, |checker, value| checker.session(session, Some(value)))
    }

    /// `deadline time { … }` whose value is dropped.
    pub(super) fn deadline_statement(&mut self, deadline: &'a ast::Deadline, span: Span) -> StatementKind {
        self.deadline(deadline, None, span).0
    }

    /// The same where its value is wanted.
    pub(super) fn deadline_value(&mut self, deadline: &'a ast::Deadline, want: Want, span: Span) -> Expr {
        self.limited_value("deadline", want, span, |checker, value| checker.deadline(deadline, Some(value), span))
    }

    /// A block with a head, whose value goes into a variable of its own.
    fn limited_value(
        &mut self,
        what: &str,
        want: Want,
        span: Span,
        check: impl FnOnce(&mut Self, (LocalId, Want)) -> (StatementKind, TypeId),
    ) -> Expr {
        let declared = want.hint().filter(|hint| !self.is_open(*hint)).unwrap_or(self.types.void);
        let local = self.hidden_local(what, declared, span);
        let (kind, ty) = check(self, (local, want));
        let statement = Statement { kind, span, joins_before: Vec::new() };
        if ty == self.types.void || ty == self.types.never || ty == ERROR {
            // The block gives no value: the variable is never used.
            self.frame().locals[local.0 as usize].ty = self.types.null;
            return self.statement_expr(statement, ty);
        }
        self.frame().locals[local.0 as usize].ty = ty;
        let declaration = Statement { kind: StatementKind::Let(local, None), span, joins_before: Vec::new() };
        let value = Expr::new(ExprKind::Local(local), ty, span);
        let block =
            Block { statements: vec![declaration, statement], value: Some(Box::new(value)), span, joins_at_end: Vec::new() };
        Expr::new(ExprKind::Block(block), ty, span)
    }

    /// The time begins to run, the body is tried, and on every way out it runs no more.
    fn deadline(&mut self, deadline: &'a ast::Deadline, value: Option<(LocalId, Want)>, span: Span) -> (StatementKind, TypeId) {
        let (duration, void) = (self.types.duration, self.types.void);
        let time = self.expr_as(&deadline.time, duration, Why::Setting("deadline"));
        let statement = |expr: Expr| Statement { span: expr.span, kind: StatementKind::Expr(expr), joins_before: Vec::new() };
        let enter = statement(self.native_call("deadline::enter", vec![time], void, span));
        let (mut body, ty) = self.try_block(&deadline.body, value);
        if self.frame_ref().is_reachable {
            body.statements.push(statement(self.native_call("deadline::check", Vec::new(), void, span)));
        }
        let leave = statement(self.native_call("deadline::leave", Vec::new(), void, span));
        let finally = Block { statements: vec![leave], value: None, span, joins_at_end: Vec::new() };
        let kind = StatementKind::Try { body, catches: Vec::new(), finally: Some(finally) };
        let tried = Statement { kind, span, joins_before: Vec::new() };
        let block = Block { statements: vec![enter, tried], value: None, span, joins_at_end: Vec::new() };
        let result = if ty == self.types.never { ty } else { void };
        (StatementKind::Expr(Expr::new(ExprKind::Block(block), result, span)), ty)
    }

    fn session(&mut self, session: &'a ast::Session, value: Option<(LocalId, Want)>) -> (StatementKind, TypeId) {
        let money = self.types.money;
        let limit = self.expr_as(&session.budget, money, Why::Setting("budget"));
        let (body, ty) = self.try_block(&session.body, value);
        (StatementKind::Session { limit, body }, ty)
    }
}
