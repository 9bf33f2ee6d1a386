//! Which value fits where: subtyping, the implicit conversions, and the message when neither helps.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId, prelude};

use super::Checker;
use super::types::ERROR;
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::ir::{Expr, ExprKind, UnaryOp};
use crate::source::Span;

/// What the type of a place is good for, so that a message can say why it is expected.
#[derive(Clone, Copy)]
pub(crate) enum Why<'w> {
    /// Nothing more to say.
    Plain,
    /// An argument: the parameter's name, what is called, where the parameter is declared.
    Argument(Symbol, &'w str, Option<Span>),
    /// What the function gives, written there.
    Return(Option<Span>),
    /// The type written beside a variable.
    Annotation(Span),
    /// A field of a struct or variant.
    Field(Symbol),
    /// A setting of an agent, supervisor or send.
    Setting(&'w str),
}

impl Checker<'_> {
    /// Whether values of `from` are values of `to` as they are.
    pub(super) fn is_subtype(&self, from: TypeId, to: TypeId) -> bool {
        if from == to || from == ERROR || to == ERROR {
            return true;
        }
        match (self.types.of(from), self.types.of(to)) {
            (Type::Never, _) => true,
            (Type::Void, _) => false,
            (_, Type::Any) => true,
            (Type::Null, Type::Optional(_)) => true,
            (Type::Optional(from), Type::Optional(to)) => self.is_subtype(*from, *to),
            (_, Type::Optional(inner)) => self.is_subtype(from, *inner),
            (Type::Agent(agent), Type::AnyAgent) => self.agents[agent.0 as usize].output == self.types.str,
            (Type::Agent(_) | Type::AnyAgent, Type::Process) => true,
            // Whatever its reply is to be, a stream gives chunks, and its reply has a text.
            (Type::Stream(_), Type::Stream(reply)) => matches!(self.types.of(*reply), Type::Struct(prelude::CHUNK, _)),
            (Type::Function(from, result), Type::Function(to, wanted)) => {
                // A function that gives something may stand where nothing is wanted.
                from == to && *wanted == self.types.void
                    || from.len() == to.len()
                        && from.iter().zip(to).all(|(from, to)| self.is_subtype(*to, *from))
                        && self.is_subtype(*result, *wanted)
            }
            _ => false,
        }
    }

    /// The expression as a value of the type `to`, or a report.
    pub(super) fn coerce(&mut self, expr: Expr, to: TypeId, why: Why<'_>) -> Expr {
        if expr.ty == to {
            return expr;
        }
        if self.is_subtype(expr.ty, to) {
            return expr.retyped(to);
        }
        match self.convert(expr, to) {
            Ok(converted) => converted,
            Err(expr) => {
                let diagnostic = self.mismatch(&expr, to, why);
                self.report(diagnostic);
                Expr::wrong(expr.span)
            }
        }
    }

    /// As [`Self::coerce`], without a report.
    pub(super) fn convert(&mut self, expr: Expr, to: TypeId) -> Result<Expr, Expr> {
        let target = self.types.without_null(to);
        let (from, wanted) = (self.types.of(expr.ty).clone(), self.types.of(target).clone());
        let span = expr.span;
        let kind = match (&from, &wanted) {
            (Type::Int, Type::Float) => match constant_int(&expr) {
                Some(value) => ExprKind::Constant(Constant::Float(value as f64)),
                None => return Err(expr),
            },
            (Type::Int, Type::Money) => match constant_int(&expr).and_then(|value| value.checked_mul(1_000_000_000_000)) {
                Some(value) => ExprKind::Constant(Constant::Money(value)),
                None => return Err(expr),
            },
            (Type::Int, Type::Duration) => match constant_int(&expr) {
                Some(value) => match value.checked_mul(1_000_000) {
                    Some(value) => ExprKind::Constant(Constant::Duration(value)),
                    None => return Err(expr),
                },
                None => ExprKind::Unary(UnaryOp::IntToDuration, Box::new(expr)),
            },
            (Type::Money, Type::Float) => ExprKind::Unary(UnaryOp::MoneyToFloat, Box::new(expr)),
            // A declared supervisor is a process where one is wanted.
            (Type::Struct(id, _), Type::Process) => match self.supervisor_field(*id) {
                Some(field) => ExprKind::Field(Box::new(expr), field),
                None => return Err(expr),
            },
            (Type::Struct(id, _), Type::Str) => {
                let info = self.structs[id.0 as usize].clone();
                let field = match self.names.structs[id.0 as usize].as_str() {
                    _ if *id == prelude::CHUNK => "text",
                    // A program's own struct of that name is nothing special.
                    "Response" if self.modules.get(info.module.0 as usize).is_some_and(|module| module.is_standard) => "body",
                    _ => return Err(expr),
                };
                match self.interner.get(field).and_then(|name| info.field(name)) {
                    Some((index, _)) => ExprKind::Field(Box::new(expr), index),
                    None => return Err(expr),
                }
            }
            _ => return Err(expr),
        };
        Ok(Expr::new(kind, target, span).retyped(to))
    }

    fn mismatch(&mut self, expr: &Expr, to: TypeId, why: Why<'_>) -> Diagnostic {
        let (expected, found) = (self.show(to), self.show(expr.ty));
        if expr.ty == self.types.void {
            return Diagnostic::error(codes::VOID_VALUE, expr.span, "this gives no value")
                .with_remark(format!("expected `{expected}`"));
        }
        let inner = self.types.without_null(expr.ty);
        if inner != expr.ty && self.is_subtype(inner, to) {
            return Diagnostic::error(codes::MAYBE_NULL, expr.span, "this may be null")
                .with_remark(format!("expected `{expected}`, found `{found}`"))
                .with_help("test it first (`if x != null { … }`), or give a default with `??`");
        }
        let mut diagnostic = Diagnostic::error(codes::MISMATCHED, expr.span, "mismatched types")
            .with_remark(format!("expected `{expected}`, found `{found}`"));
        diagnostic = match why {
            Why::Plain => diagnostic,
            Why::Argument(name, callee, place) => {
                let note = format!("`{callee}` takes `{}: {expected}`", self.text(name));
                match place {
                    Some(place) => diagnostic.with_label(place, note),
                    None => diagnostic.with_note(note),
                }
            }
            Why::Return(Some(place)) => diagnostic.with_label(place, format!("the function gives `{expected}`")),
            Why::Return(None) => diagnostic.with_note("the function has no result type, so it gives nothing"),
            Why::Annotation(place) => diagnostic.with_label(place, "expected because of this"),
            Why::Field(name) => {
                let note = format!("the field `{}` holds `{expected}`", self.text(name));
                diagnostic.with_note(note)
            }
            Why::Setting(name) => diagnostic.with_note(format!("`{name}` is `{expected}`")),
        };
        self.with_conversion_help(diagnostic, expr, to)
    }

    fn with_conversion_help(&self, diagnostic: Diagnostic, expr: &Expr, to: TypeId) -> Diagnostic {
        // Nobody wants to convert text that is written out.
        if matches!(expr.kind, ExprKind::Constant(Constant::Str(_))) {
            return diagnostic;
        }
        let written = self.sources.text_of(expr.span);
        let call = |name: &str| format!("{name}({written})");
        match (self.types.of(expr.ty), self.types.of(to)) {
            (Type::Stream(_), _) => {
                diagnostic.with_help("`await` waits for the whole of a stream, and `for` goes through its chunks")
            }
            (Type::Array(_) | Type::Map(..), Type::Int) => diagnostic.with_help(format!("its length is `{written}.len()`")),
            (Type::Int, Type::Float) => diagnostic.with_suggestion("convert it", expr.span, call("float")),
            (Type::Float, Type::Int) => diagnostic.with_suggestion("cut off the fraction", expr.span, call("int")),
            (Type::Str, Type::Int) => diagnostic.with_help(format!("`parse_int({written})` gives an `int?`")),
            (Type::Str, Type::Float) => diagnostic.with_help(format!("`parse_float({written})` gives a `float?`")),
            (Type::Any | Type::Json, _) => diagnostic.with_help("look at its type first: `match x { v: T => …, _ => … }`"),
            (from, Type::Str) if self.has_text(from) && written.len() < 40 => {
                diagnostic.with_suggestion("make it text", expr.span, call("str"))
            }
            _ => diagnostic,
        }
    }

    /// Whether `str(x)` is a sensible suggestion for values of it.
    fn has_text(&self, ty: &Type) -> bool {
        !matches!(ty, Type::Void | Type::Never | Type::Function(..) | Type::Optional(_))
    }
}

/// The value of an int literal, perhaps under retyping.
pub(crate) fn constant_int(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Constant(Constant::Int(value)) => Some(*value),
        _ => None,
    }
}
