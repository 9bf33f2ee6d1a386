//! Closures and `async` bodies: functions of their own that take copies of the variables they use.

use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::frame::{Frame, FrameKind, FrameResult, Role};
use super::path::count;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, PatternKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{self, Block, Expr, ExprKind, LocalId, SpawnTarget, Statement, StatementKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `|parameters| body`
    pub(super) fn closure(&mut self, closure: &'a ast::Closure, want: Want, span: Span) -> Expr {
        let expected = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Function(parameters, result)) => Some((parameters.clone(), *result)),
            _ => None,
        };
        if let Some((parameters, _)) = &expected
            && parameters.len() != closure.parameters.len()
        {
            let title = format!(
                "this closure takes {}, but a function of {} is wanted",
                count(closure.parameters.len(), "argument"),
                count(parameters.len(), "argument")
            );
            self.error(codes::ARGUMENT_COUNT, span, title);
            return Expr::wrong(span);
        }
        let mut types = Vec::with_capacity(closure.parameters.len());
        for (index, parameter) in closure.parameters.iter().enumerate() {
            let hinted = expected.as_ref().map(|(parameters, _)| parameters[index]).filter(|ty| !self.is_open(*ty));
            let ty = match (&parameter.ty, hinted) {
                (Some(written), _) => self.resolve_value_type(written),
                (None, Some(hinted)) => hinted,
                (None, None) if want == Want::Hint(ERROR) => ERROR,
                (None, None) => {
                    let text = self.sources.text_of(parameter.pattern.span).to_string();
                    self.report(
                        Diagnostic::error(
                            codes::NEEDS_ANNOTATION,
                            parameter.pattern.span,
                            format!("the type of `{text}` cannot be told here"),
                        )
                        .with_help(format!("write it: `|{text}: int| …`")),
                    );
                    ERROR
                }
            };
            types.push(ty);
        }
        let wanted_result = expected.map(|(_, result)| result).filter(|ty| !self.is_open(*ty));
        let name = format!("{}::{{closure}}", self.frame_ref().name);
        let result = match wanted_result {
            Some(ty) => FrameResult::Declared(ty, None),
            None => FrameResult::Inferred(None),
        };
        let id = self.new_function_id();
        self.frames.push(Frame::new(FrameKind::Closure, name, result));
        let (parameters, unpacked) = self.closure_parameters(closure, &types);
        let (body, result) = self.inferred_body(&closure.body, wanted_result, unpacked);
        let frame = self.frames.pop().expect("pushed above");
        let captures: Vec<LocalId> = frame.captures.iter().map(|(outer, _)| *outer).collect();
        self.put_function(id, frame, parameters, body, result, false, span);
        self.frame().effects.calls.push(id);
        let ty = self.types.function(types, result);
        Expr::new(ExprKind::Closure(id, captures), ty, span)
    }

    /// Parameters as variables, and statements that take apart those with patterns.
    fn closure_parameters(&mut self, closure: &'a ast::Closure, types: &[TypeId]) -> (Vec<LocalId>, Vec<Statement>) {
        let mut parameters = Vec::with_capacity(types.len());
        let mut unpacked = Vec::new();
        for (parameter, ty) in closure.parameters.iter().zip(types) {
            let span = parameter.pattern.span;
            if let A::Binding(binding) = &parameter.pattern.kind {
                parameters.push(self.declare_local(binding.name.symbol, *ty, span, Role::Parameter));
                continue;
            }
            let local = self.hidden_local("parameter", *ty, span);
            parameters.push(local);
            let pattern = self.irrefutable_pattern(&parameter.pattern, *ty, "a parameter");
            let value = Expr::new(ExprKind::Local(local), *ty, span);
            unpacked.push(Statement { kind: StatementKind::LetPattern(pattern, value), span, joins_before: Vec::new() });
        }
        (parameters, unpacked)
    }

    /// A body whose result is learnt from its value and its `return`s, unless a type is wanted.
    fn inferred_body(&mut self, body: &'a ast::Expr, wanted: Option<TypeId>, mut statements: Vec<Statement>) -> (Block, TypeId) {
        let span = body.span;
        let void = self.types.void;
        let want = match wanted {
            Some(ty) if ty == void => Want::Drop,
            Some(ty) => Want::Hint(ty),
            None => Want::Infer,
        };
        let value = self.expr(body, want);
        let returned = match self.frame_ref().result {
            FrameResult::Declared(ty, _) => Some(ty),
            FrameResult::Inferred(ty) => ty,
        };
        let never = self.types.never;
        let result = match returned {
            Some(returned) => returned,
            None if value.ty == never => never,
            None => value.ty,
        };
        let value = if result == void || value.ty == void || value.ty == never {
            let ends_without_value = value.ty == void && result != void && result != never && !value.is_wrong();
            if ends_without_value && result != ERROR {
                let shown = self.show(result);
                self.error(codes::MISSING_RETURN, span, format!("this closure can end without giving its `{shown}`"));
            }
            statements.push(Statement { kind: StatementKind::Expr(value), span, joins_before: Vec::new() });
            None
        } else {
            Some(Box::new(self.coerce(value, result, Why::Plain)))
        };
        (Block { statements, value, span, joins_at_end: Vec::new() }, result)
    }

    /// `async expression`
    pub(super) fn async_task(&mut self, inner: &'a ast::Expr, span: Span) -> Expr {
        let id = self.new_function_id();
        let name = format!("{}::{{async}}", self.frame_ref().name);
        self.frames.push(Frame::new(FrameKind::Task, name, FrameResult::Inferred(None)));
        let (body, result) = self.inferred_body(inner, None, Vec::new());
        let frame = self.frames.pop().expect("pushed above");
        // The copies are the task's arguments.
        let taken: Vec<(LocalId, LocalId)> = frame.captures.clone();
        let mut frame = frame;
        frame.captures.clear();
        let parameters = taken.iter().map(|(_, inner)| *inner).collect();
        for (outer, _) in &taken {
            self.expect_sendable(*outer, span, "an `async` task");
        }
        let arguments = taken
            .iter()
            .map(|(outer, inner)| {
                let declared = self.frame_ref().locals[outer.0 as usize].ty;
                let known = frame.locals[inner.0 as usize].ty;
                Expr::new(ExprKind::Local(*outer), declared, span).retyped(known)
            })
            .collect();
        self.put_function(id, frame, parameters, body, result, false, span);
        let outer = self.frame();
        outer.effects.may_effect = true;
        outer.effects.calls.push(id);
        let ty = self.types.future(result);
        let spawn = ir::Spawn {
            target: SpawnTarget::Task(id),
            arguments,
            supervision: None,
            asynchronous: true,
            linked: false,
            team: None,
        };
        Expr::new(ExprKind::Spawn(Box::new(spawn)), ty, span)
    }

    /// Reports a variable that another process may not have.
    fn expect_sendable(&mut self, local: LocalId, span: Span, who: &str) {
        let local = &self.frame_ref().locals[local.0 as usize];
        let (name, ty) = (local.name.clone(), local.ty);
        if !self.is_sendable(ty) {
            let shown = self.show(ty);
            self.report(
                Diagnostic::error(codes::NOT_SENDABLE, span, format!("{who} cannot take `{name}` along"))
                    .with_remark(format!("a `{shown}` belongs to the process that made it")),
            );
        }
    }

    /// Whether values of a type may go to another process.
    pub(super) fn is_sendable(&self, ty: TypeId) -> bool {
        self.sendable(ty, &mut Vec::new())
    }

    /// As [`Self::is_sendable`], with the structs that are being looked at: a type may hold itself.
    fn sendable(&self, ty: TypeId, open: &mut Vec<TypeId>) -> bool {
        match self.types.of(ty) {
            Type::Future(_) | Type::Stream(_) | Type::Span | Type::Monitor => false,
            Type::Array(a) | Type::Optional(a) => self.sendable(*a, open),
            Type::Map(a, b) | Type::Result(a, b) => self.sendable(*a, open) && self.sendable(*b, open),
            Type::Tuple(parts) => parts.iter().all(|part| self.sendable(*part, open)),
            Type::Struct(..) | Type::Enum(..) if open.contains(&ty) => true,
            Type::Struct(id, arguments) => {
                open.push(ty);
                let info = &self.structs[id.0 as usize];
                // The language's own structs are messages, whatever they hold.
                arguments.iter().all(|argument| self.sendable(*argument, open))
                    && (info.declaration.is_none() || info.fields.iter().all(|field| self.sendable(field.ty, open)))
            }
            Type::Enum(id, arguments) => {
                open.push(ty);
                let variants = &self.enums[id.0 as usize].variants;
                arguments.iter().all(|argument| self.sendable(*argument, open))
                    && variants.iter().flat_map(|variant| &variant.payload).all(|field| self.sendable(field.ty, open))
            }
            _ => true,
        }
    }
}
