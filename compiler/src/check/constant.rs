//! Constants: values that are known before the program runs, written out wherever they are used.

use std::rc::Rc;

use rustc_hash::FxHashSet;
use vega_bytecode::TypeId;
use vega_bytecode::module::Constant;

use super::Checker;
use super::fits::Why;
use super::frame::{Frame, FrameKind, FrameResult};
use super::statement::Want;
use crate::ast::{self, ExprKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::resolve::definition::{Found, ValueDefinition};
use crate::resolve::module::ModuleId;
use crate::schedule::parts::{Part, each_part};
use crate::source::Span;

/// Most nodes of the constants that one constant is made of. A constant that is a long table by itself may have more.
const SIZE_MAX: u32 = 1 << 16;
/// How many constants, each inside the next, a value may be made of.
const HEIGHT_MAX: u32 = 16;
/// How many constants may be under evaluation at once before that shows a circle.
const ROWS_MAX: usize = 8;

/// What the constants used by a constant under evaluation come to.
#[derive(Default, Debug)]
pub(super) struct Cost {
    size: u32,
    height: u32,
    /// Whether something in it was reported.
    is_wrong: bool,
}

impl<'a> Checker<'a> {
    /// Checks a constant where it is declared.
    pub(super) fn check_const(&mut self, index: u32) {
        let info = &self.consts[index as usize];
        let (declaration, span) = (info.declaration, info.declaration.binding.name.span);
        if self.expect_constant(&declaration.value) {
            self.constant(index, span);
        } else {
            self.consts[index as usize].value = Some(Expr::wrong(span));
        }
    }

    /// The value of a constant, for one use.
    pub(super) fn constant(&mut self, index: u32, span: Span) -> Expr {
        if self.costs.is_empty() {
            self.prepare_constant(index);
        }
        if self.consts[index as usize].value.is_none() {
            self.evaluate_constant(index, span);
        }
        let info = &self.consts[index as usize];
        let Some(value) = info.value.as_ref().filter(|value| !value.is_wrong()) else {
            if let Some(cost) = self.costs.last_mut() {
                cost.is_wrong = true;
            }
            return Expr::wrong(span);
        };
        if let Some(cost) = self.costs.last_mut() {
            cost.size = cost.size.saturating_add(info.size);
            cost.height = cost.height.max(info.height);
            if cost.size > SIZE_MAX || cost.height >= HEIGHT_MAX {
                if std::mem::replace(&mut cost.is_wrong, true) {
                    return Expr::wrong(span);
                }
                let diagnostic = Diagnostic::error(codes::CONST_TOO_LARGE, span, "this constant is too large")
                    .with_note("a constant is written out wherever it is used, with all constants that it is made of")
                    .with_help("make a function of it");
                return self.wrong(diagnostic);
            }
        }
        Expr { span, ..value.clone() }
    }

    /// Evaluates the constants that a constant is made of, innermost first, so that a long row of them needs no deep recursion.
    fn prepare_constant(&mut self, index: u32) {
        let mut entered = FxHashSet::default();
        let mut open = vec![(index, false)];
        while let Some((at, is_ready)) = open.pop() {
            let info = &self.consts[at as usize];
            let (module, declaration) = (info.module, info.declaration);
            if info.value.is_some() || info.is_busy {
                continue;
            }
            if is_ready {
                self.evaluate_constant(at, declaration.binding.name.span);
            } else if entered.insert(at) {
                open.push((at, true));
                self.in_module(module, |checker| checker.constants_in(&declaration.value, &mut open));
            }
        }
    }

    /// The constants that an expression names, as far as they are declared at top level.
    fn constants_in(&self, written: &ast::Expr, found: &mut Vec<(u32, bool)>) {
        if let A::Name(name) = &written.kind
            && let Found::One(ValueDefinition::Const(index)) = self.find_value(name.symbol)
        {
            found.push((index, false));
        }
        each_part(written, &mut |part| {
            if let Part::Expr(part) = part {
                self.constants_in(part, found);
            }
        });
    }

    fn evaluate_constant(&mut self, index: u32, span: Span) {
        let info = &mut self.consts[index as usize];
        let (module, declaration) = (info.module, info.declaration);
        // What a constant is made of was evaluated before it, so whatever is still open further in leads back to it.
        if info.is_busy || self.costs.len() > ROWS_MAX {
            let text = self.text(declaration.binding.name.symbol).to_string();
            let diagnostic = Diagnostic::error(codes::CONST_CYCLE, span, format!("the value of `{text}` depends on itself"));
            let wrong = self.wrong(diagnostic);
            self.consts[index as usize].value = Some(wrong);
            return;
        }
        info.is_busy = true;
        self.costs.push(Cost::default());
        let value = self.in_module(module, |checker| match &declaration.ty {
            Some(written) => {
                let ty = checker.resolve_value_type(written);
                checker.without_variables(|checker| checker.expr_as(&declaration.value, ty, Why::Annotation(written.span)))
            }
            None => checker.without_variables(|checker| checker.value(&declaration.value, Want::Infer)),
        });
        let cost = self.costs.pop().expect("pushed above");
        let value = if cost.is_wrong { Expr::wrong(value.span) } else { folded(value) };
        let info = &mut self.consts[index as usize];
        info.is_busy = false;
        if matches!(value.kind, ExprKind::Constant(_)) {
            (info.size, info.height) = (1, 0);
        } else {
            // No tree has more nodes than its text has bytes.
            let written = declaration.value.span;
            info.size = cost.size.saturating_add(written.end - written.start);
            info.height = cost.height + 1;
        }
        if !matches!(&info.value, Some(value) if value.is_wrong()) {
            info.value = Some(value);
        }
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

/// Arithmetic on known values, done. What would fail is left to raise its error where it is used.
fn folded(expr: Expr) -> Expr {
    let Expr { kind, ty, span } = expr;
    let constant = |value: Constant| Expr { kind: ExprKind::Constant(value), ty, span };
    match kind {
        ExprKind::Retype(inner) => {
            let inner = folded(*inner);
            Expr { kind: ExprKind::Retype(Box::new(inner)), ty, span }
        }
        ExprKind::Unary(op, inner) => {
            let inner = folded(*inner);
            let value = match (op, &inner.kind) {
                (UnaryOp::NegInt, ExprKind::Constant(Constant::Int(value))) => value.checked_neg().map(Constant::Int),
                (UnaryOp::NegFloat, ExprKind::Constant(Constant::Float(value))) => Some(Constant::Float(-value)),
                (UnaryOp::Not, ExprKind::Constant(Constant::Bool(value))) => Some(Constant::Bool(!value)),
                _ => None,
            };
            value.map_or_else(|| Expr { kind: ExprKind::Unary(op, Box::new(inner)), ty, span }, constant)
        }
        ExprKind::Binary(op, left, right) => {
            let (left, right) = (folded(*left), folded(*right));
            let value = match (&left.kind, &right.kind) {
                (ExprKind::Constant(left), ExprKind::Constant(right)) => fold(op, left, right),
                _ => None,
            };
            value.map_or_else(|| Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span }, constant)
        }
        kind => Expr { kind, ty, span },
    }
}

fn fold(op: BinaryOp, left: &Constant, right: &Constant) -> Option<Constant> {
    match (op, left, right) {
        (BinaryOp::AddInt, Constant::Int(a), Constant::Int(b)) => a.checked_add(*b).map(Constant::Int),
        (BinaryOp::SubInt, Constant::Int(a), Constant::Int(b)) => a.checked_sub(*b).map(Constant::Int),
        (BinaryOp::MulInt, Constant::Int(a), Constant::Int(b)) => a.checked_mul(*b).map(Constant::Int),
        (BinaryOp::DivInt, Constant::Int(a), Constant::Int(b)) => a.checked_div(*b).map(Constant::Int),
        (BinaryOp::RemInt, Constant::Int(a), Constant::Int(b)) => a.checked_rem(*b).map(Constant::Int),
        (BinaryOp::AddFloat, Constant::Float(a), Constant::Float(b)) => Some(Constant::Float(a + b)),
        (BinaryOp::SubFloat, Constant::Float(a), Constant::Float(b)) => Some(Constant::Float(a - b)),
        (BinaryOp::MulFloat, Constant::Float(a), Constant::Float(b)) => Some(Constant::Float(a * b)),
        (BinaryOp::DivFloat, Constant::Float(a), Constant::Float(b)) => Some(Constant::Float(a / b)),
        (BinaryOp::Concat, Constant::Str(a), Constant::Str(b)) if a.len() + b.len() < 4_096 => Some(Constant::Str(a.clone() + b)),
        _ => None,
    }
}
