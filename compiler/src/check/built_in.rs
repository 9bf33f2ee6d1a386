//! What looks like a call of a function and is part of the language: conversions, `print`, `Ok` and `Err`, variants, error kinds.

use vega_bytecode::module::Constant;
use vega_bytecode::types::EnumId;
use vega_bytecode::{KindId, Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::path::{are, count};
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Argument, ExprKind as A, Ident, Literal};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Expr, ExprKind, UnaryOp};
use crate::resolve::module::beside;
use crate::source::{LoadError, Span};

impl<'a> Checker<'a> {
    pub(super) fn is_built_in_call(&self, index: u32, name: Ident) -> bool {
        Some(self.functions[index as usize].module) == self.prelude
            && super::path::BUILT_IN_CALLS.contains(&self.text(name.symbol))
    }

    pub(super) fn call_variant(&mut self, id: EnumId, variant: u32, written: &'a [Argument], want: Want, span: Span) -> Expr {
        let info = self.enums[id.0 as usize].clone();
        let variant_info = info.variants[variant as usize].clone();
        let text = self.text(variant_info.name).to_string();
        if variant_info.has_names || variant_info.payload.len() != written.len() {
            self.check_dropped(written);
            let mut diagnostic = Diagnostic::error(
                codes::ARGUMENT_COUNT,
                span,
                format!(
                    "the variant `{text}` carries {}, but {} given",
                    count(variant_info.payload.len(), "value"),
                    are(written.len())
                ),
            );
            if variant_info.has_names {
                diagnostic = Diagnostic::error(codes::ARGUMENT_COUNT, span, format!("the values of `{text}` have names"))
                    .with_help(format!("write `{text} {{ … }}`"));
            }
            return self.wrong(diagnostic);
        }
        let mut arguments = self.enum_arguments(id, info.generics.len(), want);
        let payload = written
            .iter()
            .zip(&variant_info.payload)
            .map(|(argument, field)| self.generic_value(&argument.value, field.ty, &info.generics, &mut arguments, Why::Plain))
            .collect();
        let payload: Vec<Expr> = payload;
        if payload.iter().any(Expr::is_wrong) && arguments.contains(&None) {
            return Expr::wrong(span);
        }
        let Some(arguments) = self.all_known(&arguments, &info.generics, span) else { return Expr::wrong(span) };
        let ty = self.types.enumeration(id, arguments);
        Expr::new(ExprKind::Variant(variant, payload), ty, span)
    }

    pub(super) fn call_kind(&mut self, kind: KindId, written: &'a [Argument], span: Span) -> Expr {
        let types: Vec<TypeId> = self.kinds[kind.0 as usize].payload.iter().map(|field| field.ty).collect();
        // With a wrong number of values, which of them is for which place is anybody's guess.
        let payload: Vec<Expr> = if types.len() == written.len() {
            written.iter().zip(types).map(|(argument, ty)| self.expr_as(&argument.value, ty, Why::Plain)).collect()
        } else {
            written.iter().map(|argument| self.value(&argument.value, Want::Infer)).collect()
        };
        self.make_error(kind, payload, span)
    }

    /// What is part of the language and looks like a function.
    pub(super) fn call_built_in(&mut self, name: Ident, written: &'a [Argument], want: Want, span: Span) -> Option<Expr> {
        let text = self.text(name.symbol).to_string();
        let expr = match text.as_str() {
            "print" | "eprint" | "write" => {
                let arguments = written.iter().map(|argument| self.value(&argument.value, Want::Infer)).collect();
                let void = self.types.void;
                self.native_call(&text, arguments, void, span)
            }
            "str" => {
                let value = self.only_argument(&text, written, span)?;
                let ty = self.types.str;
                if value.ty == ty { value } else { Expr::new(ExprKind::ToText(Box::new(value)), ty, span) }
            }
            "int" => {
                let value = self.only_argument(&text, written, span)?;
                self.int_of(value, span)
            }
            "float" => {
                let value = self.only_argument(&text, written, span)?;
                self.float_of(value, span)
            }
            "send" => self.send(written, span),
            "try_call" => match written {
                [argument] => self.try_call(&argument.value, span),
                _ => self.only_argument(&text, written, span)?,
            },
            "include" => match written {
                [argument] => self.include(&argument.value, span),
                _ => self.only_argument(&text, written, span)?,
            },
            "Ok" | "Err" => self.result_value(text == "Ok", written, want, span)?,
            _ => return None,
        };
        Some(expr)
    }

    fn only_argument(&mut self, callee: &str, written: &'a [Argument], span: Span) -> Option<Expr> {
        if let [argument] = written {
            return Some(self.value(&argument.value, Want::Infer));
        }
        self.check_dropped(written);
        let title = format!("`{callee}` takes 1 argument, but {} given", are(written.len()));
        let diagnostic = Diagnostic::error(codes::ARGUMENT_COUNT, span, title);
        Some(self.wrong(diagnostic))
    }

    /// `include("file")`: the text of a file beside the program, embedded when it is compiled.
    fn include(&mut self, written: &'a ast::Expr, span: Span) -> Expr {
        let A::Literal(Literal::Str(path)) = &written.peel().kind else {
            self.value(written, Want::Hint(self.types.str));
            let diagnostic =
                Diagnostic::error(codes::NOT_CONSTANT, written.span, "`include` takes the path as it is, between quotes")
                    .with_help("the file is read when the program is compiled; `file::read(path)` reads one when it runs");
            return self.wrong(diagnostic);
        };
        let module = &self.modules[self.module.0 as usize];
        let is_absolute = path.starts_with('/');
        let Some(file) = beside(&module.path, path).filter(|_| !is_absolute && !module.is_standard) else {
            let diagnostic = Diagnostic::error(codes::IMPORT_NOT_FOUND, written.span, "this path leaves the project's folder")
                .with_help("the path of an included file is relative to the file that it stands in");
            return self.wrong(diagnostic);
        };
        match self.loader.load(&file) {
            Ok(text) => Expr::new(ExprKind::Constant(Constant::Str(text.to_string())), self.types.str, span),
            Err(LoadError::NotFound) => {
                let diagnostic = Diagnostic::error(codes::IMPORT_NOT_FOUND, written.span, format!("there is no file `{file}`"))
                    .with_help("the path of an included file is relative to the file that it stands in");
                self.wrong(diagnostic)
            }
            Err(LoadError::Unreadable(reason)) => {
                let title = format!("`{file}` cannot be read: {reason}");
                self.wrong(Diagnostic::error(codes::IMPORT_UNREADABLE, written.span, title))
            }
        }
    }

    fn int_of(&mut self, value: Expr, span: Span) -> Expr {
        let int = self.types.int;
        match self.types.of(value.ty) {
            Type::Int => value,
            Type::Float => Expr::new(ExprKind::Unary(UnaryOp::FloatToInt, Box::new(value)), int, span),
            Type::Any | Type::Json => Expr::new(ExprKind::Narrow(Box::new(value)), int, span),
            _ => self.no_conversion("int", "parse_int", &value, int),
        }
    }

    fn float_of(&mut self, value: Expr, span: Span) -> Expr {
        let float = self.types.float;
        match self.types.of(value.ty) {
            Type::Float => value,
            Type::Int => self.widen(value),
            Type::Money => Expr::new(ExprKind::Unary(UnaryOp::MoneyToFloat, Box::new(value)), float, span),
            Type::Any | Type::Json => Expr::new(ExprKind::Narrow(Box::new(value)), float, span),
            _ => self.no_conversion("float", "parse_float", &value, float),
        }
    }

    fn no_conversion(&mut self, to: &str, parse: &str, value: &Expr, ty: TypeId) -> Expr {
        if value.is_wrong() {
            return Expr::wrong(value.span).retyped(ty);
        }
        let shown = self.show(value.ty);
        let mut diagnostic = Diagnostic::error(codes::MISMATCHED, value.span, format!("a `{shown}` cannot be made an `{to}`"));
        if self.types.of(value.ty) == &Type::Str {
            let text = self.sources.text_of(value.span);
            diagnostic = diagnostic.with_help(format!("`{parse}({text})` gives `{to}?`: null where the text is no number"));
        }
        self.wrong(diagnostic).retyped(ty)
    }

    /// `Ok(v)` and `Err(e)`.
    fn result_value(&mut self, is_ok: bool, written: &'a [Argument], want: Want, span: Span) -> Option<Expr> {
        let hint = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Result(ok, err)) => Some((*ok, *err)),
            _ => None,
        };
        let known = hint.filter(|(ok, err)| !self.is_open(*ok) && !self.is_open(*err));
        let value = match (written, known) {
            ([], Some((ok, _))) if is_ok && (ok == self.types.null || ok == self.types.void) => {
                Expr::new(ExprKind::Constant(Constant::Null), self.types.null, span)
            }
            ([argument], Some((ok, err))) => {
                let wanted = if is_ok { ok } else { err };
                self.expr_as(&argument.value, wanted, Why::Plain)
            }
            ([argument], None) => self.value(&argument.value, Want::Infer),
            _ => return self.only_argument(if is_ok { "Ok" } else { "Err" }, written, span),
        };
        let ty = match (known, hint) {
            (Some((ok, err)), _) => self.types.result(ok, err),
            // Inside a generic call the other half is learnt from the rest.
            (None, Some((ok, err))) => {
                let (ok, err) = if is_ok { (value.ty, err) } else { (ok, value.ty) };
                self.types.result(ok, err)
            }
            (None, None) if value.is_wrong() => ERROR,
            (None, None) => {
                let what = if is_ok { "error" } else { "value" };
                let diagnostic =
                    Diagnostic::error(codes::NEEDS_ANNOTATION, span, format!("the type of the {what} cannot be told here"))
                        .with_help("write the type: `let r: Result<int, str> = …`, or as the result of the function");
                return Some(self.wrong(diagnostic));
            }
        };
        Some(Expr::new(ExprKind::Variant(u32::from(!is_ok), vec![value]), ty, span))
    }
}
