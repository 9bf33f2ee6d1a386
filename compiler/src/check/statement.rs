//! Blocks and statements.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::frame::{Binding, Role};
use super::narrow::{Narrowed, Spot};
use super::types::ERROR;
use crate::ast::{self, ExprKind as A, PatternKind, StmtKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{self, Block, Expr, ExprKind, Statement, StatementKind};
use crate::source::Span;

/// What is wanted of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// Its value is dropped.
    Drop,
    /// Its value, whatever the type.
    Infer,
    /// Its value, for a place of this type; the caller makes it fit.
    Hint(TypeId),
}

impl Want {
    /// The type of the place, if there is one.
    pub(crate) fn hint(self) -> Option<TypeId> {
        match self {
            Want::Hint(ty) => Some(ty),
            Want::Drop | Want::Infer => None,
        }
    }
}

impl<'a> Checker<'a> {
    /// A block with its scope, and the type of its value: `void` without one, `never` where its end is not reached.
    pub(super) fn block(&mut self, block: &'a ast::Block, want: Want) -> (Block, TypeId) {
        let mark = self.frame().enter();
        let mut statements = Vec::with_capacity(block.statements.len() + 1);
        self.statements(&block.statements, &mut statements);
        let mut value = None;
        if let Some(last) = &block.value {
            self.note_unreachable(last.span);
            let joins_before = self.joins_before_value(block.id);
            if want == Want::Drop {
                let kind = self.statement_of(last);
                statements.push(Statement { kind, span: last.span, joins_before });
            } else {
                if !joins_before.is_empty() {
                    let null = Expr::new(ExprKind::Constant(Constant::Null), self.types.null, last.span);
                    statements.push(Statement { kind: StatementKind::Expr(null), span: last.span, joins_before });
                }
                let expr = self.expr(last, want);
                if expr.ty == self.types.void {
                    statements.push(Statement { kind: StatementKind::Expr(expr), span: last.span, joins_before: Vec::new() });
                } else {
                    value = Some(expr);
                }
            }
        }
        self.frame().leave(mark);
        let ty = match &value {
            Some(value) => value.ty,
            None if self.frame().is_reachable => self.types.void,
            None => self.types.never,
        };
        let joins_at_end = self.joins_at_end(block.id);
        (Block { statements, value: value.map(Box::new), span: block.span, joins_at_end }, ty)
    }

    /// The statements of a block or file.
    pub(super) fn statements(&mut self, written: &'a [ast::Stmt], statements: &mut Vec<Statement>) {
        for statement in written {
            self.note_unreachable(statement.span);
            let joins_before = self.joins_before(statement.id);
            let kind = match &statement.kind {
                StmtKind::Let(declaration) => self.let_statement(declaration),
                StmtKind::Const(declaration) => {
                    self.block_constant(declaration);
                    continue;
                }
                StmtKind::Expr(expr) => self.statement_of(expr),
                StmtKind::Defer(body) => self.defer(body),
                StmtKind::Mock(mock) => {
                    self.refuse("`mock`", mock.span);
                    continue;
                }
                StmtKind::Error => {
                    // What the parser dropped here may well have returned or declared something.
                    self.frame().is_reachable = true;
                    continue;
                }
            };
            statements.push(Statement { kind, span: statement.span, joins_before });
        }
    }

    fn note_unreachable(&mut self, span: Span) {
        if !self.frame().is_reachable {
            self.report(Diagnostic::warning(codes::UNREACHABLE, span, "this is never reached").with_remark("nothing leads here"));
            // Once is enough.
            self.frame().is_reachable = true;
            self.frame().narrowed = Narrowed::default();
        }
    }

    /// An expression whose value is dropped, as a statement.
    pub(super) fn statement_of(&mut self, written: &'a ast::Expr) -> StatementKind {
        match &written.kind {
            A::Paren(inner) => self.statement_of(inner),
            A::Assign(assign) => self.assign(assign, written.span),
            A::While(looped) => self.while_loop(looped),
            A::For(looped) => self.for_loop(looped),
            A::CountedFor(looped) => self.counted_loop(looped, written.span),
            A::Loop(looped) => self.endless_loop(looped),
            A::Try(tried) => self.try_statement(tried, None),
            A::Return(value) => self.return_statement(value.as_deref(), written.span),
            A::Session(session) => self.session_statement(session),
            A::Deadline(deadline) => self.deadline_statement(deadline, written.span),
            A::Throw(value) => self.throw_statement(value),
            A::Break(left) => self.break_statement(left, written.span),
            A::Continue(label) => self.continue_statement(*label, written.span),
            _ => {
                let expr = self.expr(written, Want::Drop);
                self.note_useless(&expr);
                StatementKind::Expr(expr)
            }
        }
    }

    fn note_useless(&mut self, expr: &Expr) {
        if matches!(&expr.kind, ExprKind::Ask(ask) if ask.streaming) {
            self.report(
                Diagnostic::warning(codes::DROPPED_STREAM, expr.span, "nobody reads this stream, so its call is ended at once")
                    .with_help("go through it with `for`, wait for the whole with `await`, or ask with `<-`"),
            );
            return;
        }
        let useless = match &expr.kind {
            ExprKind::Binary(..) | ExprKind::Local(_) | ExprKind::Constant(_) => !expr.is_wrong(),
            _ => false,
        };
        if !useless {
            return;
        }
        let mut diagnostic = Diagnostic::warning(codes::UNUSED_VALUE, expr.span, "this value is not used");
        if let ExprKind::Binary(ir::BinaryOp::Eq | ir::BinaryOp::EqInt | ir::BinaryOp::EqFloat, left, right) = &expr.kind {
            let between = Span::new(expr.span.file, left.span.end, right.span.start);
            diagnostic = diagnostic.with_suggestion("to assign, write one `=`", between, " = ");
        }
        self.report(diagnostic);
    }

    pub(super) fn let_statement(&mut self, declaration: &'a ast::LetStatement) -> StatementKind {
        let annotated = declaration.ty.as_ref().map(|ty| (self.resolve_value_type(ty), ty.span));
        let want = annotated.map_or(Want::Infer, |(ty, _)| Want::Hint(ty));
        let mut value = self.expr(&declaration.value, want);
        // An expression that never ends leaves the rest of the block unreachable, but the names are declared all the same.
        let mut ty = value.ty;
        if let Some((annotated, span)) = annotated {
            let given = value.ty;
            value = self.coerce(value, annotated, Why::Annotation(span));
            ty = annotated;
            if let PatternKind::Binding(binding) = &declaration.pattern.kind {
                let local = self.declare_local(binding.name.symbol, ty, binding.name.span, Role::Variable);
                self.assigned(Spot::local(local), ty, given);
                return StatementKind::Let(local, Some(value));
            }
        }
        if ty == self.types.void {
            self.report(
                Diagnostic::error(codes::VOID_VALUE, value.span, "this gives no value")
                    .with_remark("there is nothing to put into a variable"),
            );
            ty = ERROR;
        } else if ty == self.types.null && annotated.is_none() {
            self.report(
                Diagnostic::error(
                    codes::NEEDS_ANNOTATION,
                    value.span,
                    "the type of this variable cannot be told from `null` alone",
                )
                .with_help("write the type: `let x: str? = null;`"),
            );
            ty = ERROR;
        }
        match &declaration.pattern.kind {
            PatternKind::Binding(binding) => {
                let local = self.declare_local(binding.name.symbol, ty, binding.name.span, Role::Variable);
                if let (ExprKind::Spawn(_), Some(around)) = (&value.kind, self.frame().loops.last_mut()) {
                    around.spawned.push(local);
                }
                StatementKind::Let(local, Some(value))
            }
            _ => {
                let pattern = self.irrefutable_pattern(&declaration.pattern, ty, "`let`");
                StatementKind::LetPattern(pattern, value)
            }
        }
    }

    fn block_constant(&mut self, declaration: &'a ast::ConstDecl) {
        let index = self.consts.len() as u32;
        self.consts.push(super::definition::ConstInfo {
            module: self.module,
            declaration,
            is_public: false,
            is_busy: false,
            value: None,
            size: 0,
            height: 0,
        });
        self.check_const(index);
        self.frame().bind(declaration.binding.name.symbol, Binding::Const(index));
    }

    fn defer(&mut self, body: &'a ast::Expr) -> StatementKind {
        let reachable = self.frame().is_reachable;
        // It runs when the block is left: what is known here may not hold then.
        let known = std::mem::take(&mut self.frame().narrowed);
        let block = match &body.kind {
            A::Block(block) => self.block(block, Want::Drop).0,
            _ => {
                let kind = self.statement_of(body);
                let statement = Statement { kind, span: body.span, joins_before: Vec::new() };
                Block { statements: vec![statement], value: None, span: body.span, joins_at_end: Vec::new() }
            }
        };
        self.frame().is_reachable = reachable;
        self.frame().narrowed = known;
        StatementKind::Defer(block)
    }

    /// A condition: a `bool`.
    pub(super) fn condition(&mut self, written: &'a ast::Expr) -> Expr {
        let condition = self.expr(written, Want::Hint(self.types.bool));
        if condition.ty == self.types.bool || condition.is_wrong() || condition.ty == self.types.never {
            return condition.retyped(self.types.bool);
        }
        let shown = self.show(condition.ty);
        let text = self.sources.text_of(condition.span).to_string();
        let help = match self.types.of(condition.ty) {
            Type::Int => format!("write `{text} != 0`"),
            Type::Str => format!("write `{text} != \"\"`"),
            Type::Optional(_) => format!("write `{text} != null`"),
            Type::Array(_) | Type::Map(..) => format!("write `!{text}.is_empty()`"),
            _ => String::new(),
        };
        let mut diagnostic = Diagnostic::error(codes::MISMATCHED, condition.span, "a condition is a `bool`")
            .with_remark(format!("this is a `{shown}`"));
        if !help.is_empty() {
            diagnostic = diagnostic.with_help(help);
        }
        self.wrong(diagnostic)
    }

    /// A statement in the place of an expression.
    pub(super) fn statement_expr(&mut self, statement: Statement, ty: TypeId) -> Expr {
        let span = statement.span;
        if ty == self.types.never {
            return Expr::new(ExprKind::Diverge(Box::new(statement)), ty, span);
        }
        let block = Block { statements: vec![statement], value: None, span, joins_at_end: Vec::new() };
        Expr::new(ExprKind::Block(block), ty, span)
    }
}
