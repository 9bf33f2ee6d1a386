//! Errors: try, catch, throw.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::branch::Ends;
use super::fits::Why;
use super::frame::Role;
use super::narrow::Narrowed;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, CatchFilter};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Block, Catch, Expr, ExprKind, LocalId, Place, Statement, StatementKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `try { … } catch … { … }`. With a variable, every block gives it its value.
    pub(super) fn try_statement(&mut self, tried: &'a ast::Try, value: Option<(LocalId, Want)>) -> StatementKind {
        let mut ends = Ends::default();
        let was_reachable = self.frame().is_reachable;
        let (body, body_type) = self.try_block(&tried.body, value);
        let mut types = vec![(body_type, tried.body.span)];
        ends.add(self);
        let mut catches = Vec::with_capacity(tried.catches.len());
        let mut catches_all = false;
        for catch in &tried.catches {
            if catches_all {
                self.report(
                    Diagnostic::warning(codes::UNREACHABLE, catch.head, "this `catch` is never reached")
                        .with_remark("the one above catches everything"),
                );
            }
            // Where the body failed, nothing that it showed is certain.
            self.frame().narrowed = Narrowed::default();
            self.frame().is_reachable = was_reachable;
            let (checked, ty) = self.catch(catch, value);
            catches_all |= checked.kind.is_none();
            ends.add(self);
            types.push((ty, catch.body.span));
            catches.push(checked);
        }
        ends.settle(self);
        let finally = tried.finally.as_ref().map(|finally| {
            let reachable = std::mem::replace(&mut self.frame().is_reachable, true);
            // It runs wherever the rest was left, so only what it cannot change is known behind it.
            self.forget_assigned(finally, None);
            let known = std::mem::take(&mut self.frame().narrowed);
            let (block, _) = self.block(finally, Want::Drop);
            self.frame().narrowed = known;
            self.frame().is_reachable &= reachable;
            block
        });
        if let Some((local, want)) = value {
            self.settle_try_value(local, want, &types);
        }
        if tried.catches.is_empty() && tried.finally.is_none() && !self.modules[self.module.0 as usize].is_broken {
            self.error(codes::PATTERN, tried.body.span, "this `try` has no `catch` and no `finally`");
        }
        StatementKind::Try { body, catches, finally }
    }

    fn settle_try_value(&mut self, local: LocalId, want: Want, types: &[(TypeId, Span)]) {
        let mut common = self.types.never;
        for (ty, span) in types {
            match self.common_type(common, *ty) {
                Some(found) => common = found,
                None if *ty == self.types.void || common == self.types.void => common = self.types.void,
                None => {
                    let (a, b) = (self.show(common), self.show(*ty));
                    self.error(codes::MISMATCHED, *span, format!("`try` and `catch` give different types: `{a}` and `{b}`"));
                    common = ERROR;
                }
            }
        }
        if want.hint().is_none() || common == self.types.void || common == self.types.never {
            self.frame().locals[local.0 as usize].ty = common;
        }
    }

    /// A block of `try` or `session`; its value goes into the variable.
    pub(super) fn try_block(&mut self, written: &'a ast::Block, value: Option<(LocalId, Want)>) -> (Block, TypeId) {
        let Some((local, want)) = value else {
            return self.block(written, Want::Drop);
        };
        let (mut block, mut ty) = self.block(written, want);
        if let Some(result) = block.value.take() {
            let span = result.span;
            let mut result = *result;
            // What leaves the block gives no value that could be made into another.
            if let Want::Hint(hint) = want
                && ty != self.types.never
                && !self.is_open(hint)
                && ty != self.types.never
            {
                result = self.coerce(result, hint, Why::Plain);
                ty = hint;
            }
            let kind = if ty == self.types.never {
                StatementKind::Expr(result)
            } else {
                StatementKind::Assign(Place { local, steps: Vec::new(), ty: result.ty, span }, result)
            };
            block.statements.push(Statement { kind, span, joins_before: Vec::new() });
        }
        (block, ty)
    }

    /// `try` whose value is wanted.
    pub(super) fn try_value(&mut self, tried: &'a ast::Try, want: Want, span: Span) -> Expr {
        let declared = want.hint().filter(|hint| !self.is_open(*hint)).unwrap_or(self.types.void);
        let local = self.hidden_local("try", declared, span);
        let statement = self.try_statement(tried, Some((local, want)));
        let statement = Statement { kind: statement, span, joins_before: Vec::new() };
        let ty = self.frame_ref().locals[local.0 as usize].ty;
        let (void, never) = (self.types.void, self.types.never);
        if ty == void || ty == never || ty == ERROR {
            // No block gives a value: the variable is never used.
            self.frame().locals[local.0 as usize].ty = self.types.null;
            let ends = ty == never && !self.frame().is_reachable;
            return self.statement_expr(
                statement,
                if ends {
                    never
                } else if ty == ERROR {
                    ERROR
                } else {
                    void
                },
            );
        }
        let declaration = Statement { kind: StatementKind::Let(local, None), span, joins_before: Vec::new() };
        let value = Expr::new(ExprKind::Local(local), ty, span);
        let block =
            Block { statements: vec![declaration, statement], value: Some(Box::new(value)), span, joins_at_end: Vec::new() };
        Expr::new(ExprKind::Block(block), ty, span)
    }

    /// `try_call(f)`: what the function gives as `Ok`, what it throws as `Err`.
    pub(super) fn try_call(&mut self, written: &'a ast::Expr, span: Span) -> Expr {
        let callee = self.value(written, Want::Infer);
        let given = match self.types.of(callee.ty) {
            Type::Function(parameters, result) if parameters.is_empty() => *result,
            _ if callee.is_wrong() => return callee,
            _ => {
                let shown = self.show(callee.ty);
                let diagnostic =
                    Diagnostic::error(codes::MISMATCHED, callee.span, "`try_call` takes a function without parameters")
                        .with_remark(format!("this is a `{shown}`"))
                        .with_help("write `try_call(|| …)`");
                return self.wrong(diagnostic);
            }
        };
        let (void, null, error) = (self.types.void, self.types.null, self.types.error);
        let has_value = given != void && given != self.types.never;
        let ty = self.types.result(if has_value { given } else { null }, error);
        let result = self.hidden_local("try", ty, span);
        let caught = self.hidden_local("caught", error, span);
        self.frame().effects.may_effect = true;
        let statement = |kind| Statement { kind, span, joins_before: Vec::new() };
        let assign = |variant, value| {
            let value = Expr::new(ExprKind::Variant(variant, vec![value]), ty, span);
            statement(StatementKind::Assign(Place { local: result, steps: Vec::new(), ty, span }, value))
        };
        let call = Expr::new(ExprKind::CallValue(Box::new(callee), Vec::new()), given, span);
        let tried = if has_value {
            vec![assign(0, call)]
        } else {
            let nothing = Expr::new(ExprKind::Constant(Constant::Null), null, span);
            vec![statement(StatementKind::Expr(call)), assign(0, nothing)]
        };
        let block = |statements| Block { statements, value: None, span, joins_at_end: Vec::new() };
        let catch = Catch {
            kind: None,
            error: Some(caught),
            payload: Vec::new(),
            body: block(vec![assign(1, Expr::new(ExprKind::Local(caught), error, span))]),
        };
        let attempt = StatementKind::Try { body: block(tried), catches: vec![catch], finally: None };
        let whole = Block {
            statements: vec![statement(StatementKind::Let(result, None)), statement(attempt)],
            value: Some(Box::new(Expr::new(ExprKind::Local(result), ty, span))),
            span,
            joins_at_end: Vec::new(),
        };
        Expr::new(ExprKind::Block(whole), ty, span)
    }

    fn catch(&mut self, catch: &'a ast::Catch, value: Option<(LocalId, Want)>) -> (Catch, TypeId) {
        let mark = self.frame().enter();
        let mut checked = Catch {
            kind: None,
            error: None,
            payload: Vec::new(),
            body: Block { statements: Vec::new(), value: None, span: catch.head, joins_at_end: Vec::new() },
        };
        match &catch.filter {
            CatchFilter::All => {}
            CatchFilter::Name(binding) => {
                let error = self.types.error;
                checked.error = Some(self.declare_local(binding.name.symbol, error, binding.name.span, Role::Variable));
            }
            CatchFilter::Kind(filter) => {
                let kind = match filter.path.segments.as_slice() {
                    [name] => self.find_kind(name.symbol),
                    [module, name] => self
                        .find_module(module.symbol)
                        .and_then(|module| self.modules[module.0 as usize].scope.kinds.get(&name.symbol).copied()),
                    _ => None,
                };
                match kind {
                    Some(kind) => {
                        checked.kind = Some(kind);
                        let payload = self.kind_payload(kind, filter.payload.as_deref(), filter.path.span);
                        checked.payload = payload.unwrap_or_default();
                    }
                    None => {
                        self.report_unknown_kind(filter.path.last());
                        for part in filter.payload.iter().flatten() {
                            self.arm_pattern(part, ERROR, false);
                        }
                        // Not "catches everything": a further clause is no mistake.
                        checked.kind = Some(vega_bytecode::kinds::AGENT_FAILED);
                    }
                }
            }
        }
        let (body, ty) = self.try_block(&catch.body, value);
        checked.body = body;
        self.frame().leave(mark);
        (checked, ty)
    }

    /// `throw error`
    pub(super) fn throw_statement(&mut self, written: &'a ast::Expr) -> StatementKind {
        let error = self.types.error;
        let value = self.value(written, Want::Hint(error));
        self.frame().is_reachable = false;
        if value.ty == error || value.is_wrong() || value.ty == self.types.never {
            return StatementKind::Throw(value);
        }
        let shown = self.show(value.ty);
        let mut diagnostic = Diagnostic::error(codes::NOT_THROWABLE, value.span, format!("a `{shown}` cannot be thrown"))
            .with_remark("not an error");
        diagnostic = match self.types.of(value.ty) {
            Type::Str => diagnostic.with_help("declare a kind with `error Failed(str);` and write `throw Failed(…)`"),
            _ => diagnostic.with_help("error kinds are declared with `error Name(…);`, and thrown with `throw Name(…)`"),
        };
        self.report(diagnostic);
        StatementKind::Throw(Expr::wrong(value.span))
    }
}
