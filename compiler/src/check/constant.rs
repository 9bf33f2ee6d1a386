//! Constants: values that are known before the program runs, written out wherever they are used.

use std::rc::Rc;

use vega_bytecode::TypeId;

use super::Checker;
use super::fits::Why;
use super::frame::{Frame, FrameKind, FrameResult};
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, ExprKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::Expr;
use crate::resolve::module::ModuleId;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// Checks a constant where it is declared.
    pub(super) fn check_const(&mut self, index: u32) {
        let info = &self.consts[index as usize];
        let (declaration, span) = (info.declaration, info.declaration.binding.name.span);
        if self.expect_constant(&declaration.value) {
            self.constant(index, span);
        } else {
            self.consts[index as usize].ty = Some(ERROR);
        }
    }

    /// The value of a constant, for one use.
    pub(super) fn constant(&mut self, index: u32, span: Span) -> Expr {
        let info = &mut self.consts[index as usize];
        if info.ty == Some(ERROR) {
            return Expr::wrong(span);
        }
        let (module, declaration) = (info.module, info.declaration);
        if info.is_busy {
            info.ty = Some(ERROR);
            let text = self.text(declaration.binding.name.symbol).to_string();
            let diagnostic = Diagnostic::error(codes::CONST_CYCLE, span, format!("the value of `{text}` depends on itself"));
            return self.wrong(diagnostic);
        }
        info.is_busy = true;
        let is_first = info.ty.is_none();
        let before = self.diagnostics.len();
        let mut value = self.in_module(module, |checker| match &declaration.ty {
            Some(written) => {
                let ty = checker.resolve_value_type(written);
                checker.without_variables(|checker| checker.expr_as(&declaration.value, ty, Why::Annotation(written.span)))
            }
            None => checker.without_variables(|checker| checker.value(&declaration.value, Want::Infer)),
        });
        if !is_first {
            // What is wrong with it was said the first time.
            self.diagnostics.truncate(before);
        }
        let info = &mut self.consts[index as usize];
        info.is_busy = false;
        info.ty = Some(value.ty);
        value.span = span;
        value
    }

    /// A constant expression of another place, such as a default value.
    pub(super) fn constant_expr(&mut self, written: &'a ast::Expr, ty: TypeId, module: ModuleId) -> Expr {
        self.in_module(module, |checker| checker.without_variables(|checker| checker.expr_as(written, ty, Why::Plain)))
    }

    fn in_module<T>(&mut self, module: ModuleId, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.module, module);
        let generics = std::mem::replace(&mut self.generics, Rc::new([]));
        let result = work(self);
        self.module = before;
        self.generics = generics;
        result
    }

    /// Checks something in which no variable is known. It may need variables of its own, so it is made in the frame below.
    fn without_variables(&mut self, work: impl FnOnce(&mut Self) -> Expr) -> Expr {
        let (never, name) = (self.types.never, String::from("constant"));
        self.frames.push(Frame::new(FrameKind::Function, name, FrameResult::Declared(never, None)));
        let result = work(self);
        let frame = self.frames.pop().expect("pushed above");
        if !frame.locals.is_empty() {
            let span = result.span;
            let diagnostic = Diagnostic::error(codes::NOT_CONSTANT, span, "this value is not known before the program runs");
            return self.wrong(diagnostic);
        }
        if let Some(below) = self.frames.last_mut() {
            below.effects.absorb(frame.effects);
        }
        result
    }

    /// Whether an expression is made of literals, operators and other constants; reports the first part that is not.
    pub(super) fn expect_constant(&mut self, written: &ast::Expr) -> bool {
        let problem = self.first_variable_part(written);
        if let Some((span, what)) = problem {
            self.report(
                Diagnostic::error(codes::NOT_CONSTANT, span, "a constant must be known before the program runs")
                    .with_remark(format!("{what} is not"))
                    .with_help("constants are made of literals, operators and other constants"),
            );
            return false;
        }
        true
    }

    fn first_variable_part(&self, written: &ast::Expr) -> Option<(Span, &'static str)> {
        match &written.kind {
            A::Literal(_) | A::Name(_) | A::Path(_) | A::Error => None,
            A::Paren(inner) => self.first_variable_part(inner),
            A::Tuple(parts) | A::Array(parts) => parts.iter().find_map(|part| self.first_variable_part(part)),
            A::Map(entries) => entries
                .iter()
                .find_map(|entry| self.first_variable_part(&entry.key).or_else(|| self.first_variable_part(&entry.value))),
            A::Struct(literal) => literal.fields.iter().find_map(|field| self.first_variable_part(&field.value)),
            A::Unary(unary) => self.first_variable_part(&unary.operand),
            A::Binary(binary) => self.first_variable_part(&binary.left).or_else(|| self.first_variable_part(&binary.right)),
            A::Range(range) => range.start.iter().chain(&range.end).find_map(|end| self.first_variable_part(end)),
            A::Interpolated(parts) => parts.iter().find_map(|part| match part {
                ast::StringPart::Text(..) => None,
                ast::StringPart::Hole(hole) => self.first_variable_part(&hole.value),
            }),
            // Payload of a variant: a call by form.
            A::Call(call) if self.makes_value(&call.callee) => {
                call.arguments.iter().find_map(|argument| self.first_variable_part(&argument.value))
            }
            A::Call(_) | A::MethodCall(_) => Some((written.span, "a call")),
            A::Send(_) => Some((written.span, "the answer of an agent")),
            _ => Some((written.span, "this expression")),
        }
    }

    /// Whether a callee is written as a variant, which starts upper-case, or is `include`.
    fn makes_value(&self, callee: &ast::Expr) -> bool {
        let name = match &callee.kind {
            A::Name(name) => *name,
            A::Path(path) => path.last(),
            _ => return false,
        };
        let text = self.text(name.symbol);
        text.starts_with(char::is_uppercase) || text == "include"
    }
}
