//! `session budget`: a block whose calls share a limit.

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
        let declared = want.hint().filter(|hint| !self.is_open(*hint)).unwrap_or(self.types.void);
        let local = self.hidden_local("session", declared, span);
        let (kind, ty) = self.session(session, Some((local, want)));
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

    fn session(&mut self, session: &'a ast::Session, value: Option<(LocalId, Want)>) -> (StatementKind, vega_bytecode::TypeId) {
        let money = self.types.money;
        let limit = self.expr_as(&session.budget, money, Why::Setting("budget"));
        let (body, ty) = self.try_block(&session.body, value);
        (StatementKind::Session { limit, body }, ty)
    }
}
