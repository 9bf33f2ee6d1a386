//! Calls on a value: methods of structs and enums, and those that the standard library gives to the types of the language.

use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::call::Receiver;
use super::definition::Head;
use super::fits::Why;
use super::path::{are, count};
use super::statement::Want;
use crate::ast::{self, Argument};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::ir::{Expr, ExprKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `receiver.name(arguments)`
    pub(super) fn method_call(&mut self, call: &'a ast::MethodCall, want: Want, span: Span) -> Expr {
        let receiver = self.value(&call.receiver, Want::Infer);
        if call.is_optional {
            return self.optional_chain(receiver, span, |checker, inner| checker.call_method(inner, call, Want::Infer, span));
        }
        self.call_method(receiver, call, want, span)
    }

    fn call_method(&mut self, receiver: Expr, call: &'a ast::MethodCall, want: Want, span: Span) -> Expr {
        if receiver.is_wrong() || receiver.ty == self.types.never {
            self.check_dropped(&call.arguments);
            return Expr::wrong(span);
        }
        let name = call.name;
        let text = self.text(name.symbol).to_string();
        let element = match self.types.of(receiver.ty) {
            Type::Array(element) => Some(*element),
            _ => None,
        };
        match (text.as_str(), element) {
            ("push", Some(element)) => return self.push(receiver, element, call, span),
            ("len", _) if matches!(self.types.of(receiver.ty), Type::Array(_) | Type::Str | Type::Map(..) | Type::Bytes) => {
                if !call.arguments.is_empty() {
                    return self.wrong_count(&text, 0, &call.arguments, span);
                }
                let int = self.types.int;
                return Expr::new(ExprKind::Len(Box::new(receiver)), int, span);
            }
            _ => {}
        }
        let receiver = self.optional_receiver(receiver, name.symbol);
        let Some(index) = self.find_method(receiver.ty, name.symbol) else {
            self.check_dropped(&call.arguments);
            return self.unknown_method(&receiver, name);
        };
        let info = self.functions[index as usize].clone();
        if info.module != self.module && !info.is_public {
            self.report_private(name);
        }
        let Some((_, is_mut)) = info.receiver else {
            self.check_dropped(&call.arguments);
            let shown = self.show(receiver.ty);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_METHOD, name.span, format!("`{text}` does not work on a value"))
                .with_help(format!("it takes no `self`; write `{shown}::{text}(…)`"));
            return self.wrong(diagnostic);
        };
        let receiver = if is_mut { self.receiver_place(receiver, &call.receiver) } else { Some(Receiver::Value(receiver)) };
        match receiver {
            Some(receiver) => self.call_function(index, Some(receiver), &call.type_arguments, &call.arguments, want, span),
            None => {
                self.check_dropped(&call.arguments);
                Expr::wrong(span)
            }
        }
    }

    /// What is known not to be null still has the methods of an optional, where its own type has none of the name.
    fn optional_receiver(&mut self, receiver: Expr, name: Symbol) -> Expr {
        let has_own = self.find_method(receiver.ty, name).is_some();
        match receiver.kind {
            ExprKind::Retype(inner)
                if !has_own
                    && matches!(self.types.of(inner.ty), Type::Optional(_))
                    && self.find_method(inner.ty, name).is_some() =>
            {
                *inner
            }
            kind => Expr { kind, ..receiver },
        }
    }

    /// The place that a method with `mut self` changes, or a report.
    pub(super) fn receiver_place(&mut self, receiver: Expr, written: &'a ast::Expr) -> Option<Receiver> {
        if receiver.is_wrong() {
            return None;
        }
        match self.place_of(receiver) {
            Ok(place) => {
                // Going through a variable to change it is no use of its value.
                self.frame().uses[place.local.0 as usize].reads -= 1;
                if self.frame_ref().locals[place.local.0 as usize].name == "%some" {
                    self.report(
                        Diagnostic::error(
                            codes::NOT_A_PLACE,
                            written.span,
                            "behind `?.` stands a copy, so this change would be lost",
                        )
                        .with_help("test for null first: `if x != null { … }`"),
                    );
                    return None;
                }
                self.changeable(&place, written.span).then_some(Receiver::Place(place))
            }
            Err(receiver) => {
                let text = self.sources.text_of(receiver.span).to_string();
                self.report(
                    Diagnostic::error(codes::NOT_A_PLACE, receiver.span, "this would change a value that nobody holds")
                        .with_remark("not a variable, field or element")
                        .with_help(format!("put it into a variable first: `let value = {text};`")),
                );
                None
            }
        }
    }

    fn push(&mut self, receiver: Expr, element: TypeId, call: &'a ast::MethodCall, span: Span) -> Expr {
        let [argument] = call.arguments.as_slice() else { return self.wrong_count("push", 1, &call.arguments, span) };
        let place = self.receiver_place(receiver, &call.receiver);
        let value = self.expr_as(&argument.value, element, Why::Plain);
        match place {
            Some(Receiver::Place(place)) => {
                let void = self.types.void;
                Expr::new(ExprKind::Push(place, Box::new(value)), void, span)
            }
            Some(Receiver::Value(_)) | None => Expr::wrong(span),
        }
    }

    fn wrong_count(&mut self, callee: &str, takes: usize, written: &'a [Argument], span: Span) -> Expr {
        self.check_dropped(written);
        let title = format!("`{callee}` takes {}, but {} given", count(takes, "argument"), are(written.len()));
        let diagnostic = Diagnostic::error(codes::ARGUMENT_COUNT, span, title);
        self.wrong(diagnostic)
    }

    /// The method of a type, with the module that has it loaded if need be.
    fn find_method(&mut self, ty: TypeId, name: Symbol) -> Option<u32> {
        let head = Head::of(self.types.of(ty))?;
        if let Some(&index) = self.methods.get(&(head, name)) {
            return Some(index);
        }
        let module = head.standard_module()?;
        self.standard_module(module)?;
        self.methods.get(&(head, name)).copied()
    }

    /// Whether a type has the method, as far as is known by now.
    pub(super) fn has_method(&self, ty: TypeId, name: Symbol) -> bool {
        Head::of(self.types.of(ty)).is_some_and(|head| self.methods.contains_key(&(head, name)))
    }

    fn unknown_method(&mut self, receiver: &Expr, name: ast::Ident) -> Expr {
        let text = self.text(name.symbol).to_string();
        if let Type::Optional(inner) = *self.types.of(receiver.ty) {
            let known = self.find_method(inner, name.symbol).is_some()
                || matches!(
                    (text.as_str(), self.types.of(inner)),
                    ("push", Type::Array(_)) | ("len", Type::Array(_) | Type::Str | Type::Map(..))
                );
            if known {
                return self.maybe_null(receiver, &format!(".{text}(…)"));
            }
        }
        let shown = self.show(receiver.ty);
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_METHOD, name.span, format!("`{shown}` has no method `{text}`"))
            .with_remark("unknown method");
        let head = Head::of(self.types.of(receiver.ty));
        let known: Vec<&str> = self
            .methods
            .keys()
            .filter(|(owner, _)| Some(*owner) == head)
            .map(|(_, method)| self.interner.text(*method))
            .chain(matches!(head, Some(Head::Array)).then_some("push"))
            .chain(matches!(head, Some(Head::Array | Head::Str | Head::Map)).then_some("len"))
            .collect();
        let field = match self.types.of(receiver.ty) {
            Type::Struct(id, _) => self.structs[id.0 as usize].field(name.symbol).map(|(_, field)| field.ty),
            _ => None,
        };
        let foreign = match text.as_str() {
            "length" | "size" | "count" => Some("len"),
            "append" | "add" => Some("push"),
            "contains" | "includes" | "contains_key" => Some("has"),
            "to_upper" | "toUpperCase" | "to_uppercase" | "uppercase" => Some("upper"),
            "to_lower" | "toLowerCase" | "to_lowercase" | "lowercase" => Some("lower"),
            "strip" => Some("trim"),
            "to_string" | "toString" => None,
            _ => None,
        }
        .filter(|foreign| known.contains(foreign));
        if let Some(field) = field {
            diagnostic = match self.types.of(field) {
                Type::Function(..) => {
                    let written = self.sources.text_of(receiver.span);
                    diagnostic.with_help(format!("to call the function in the field, write `({written}.{text})(…)`"))
                }
                _ => diagnostic.with_help(format!("`{text}` is a field; write it without `( )`")),
            };
        } else if let Some(near) = foreign.or_else(|| self.nearest(&text, known.iter().copied())) {
            diagnostic = diagnostic.with_suggestion("a similar method exists", name.span, near);
        } else if text == "to_string" || text == "toString" {
            diagnostic = diagnostic.with_help("text of any value: `str(x)`");
        } else {
            match self.types.of(receiver.ty) {
                Type::Any | Type::Json => {
                    diagnostic = diagnostic.with_help("look at its type first: `match x { v: T => …, _ => … }`");
                }
                Type::Agent(_) | Type::AnyAgent => {
                    diagnostic = diagnostic.with_help("an agent is asked with `<-`: `let answer = agent <- \"…\";`");
                }
                _ => {}
            }
        }
        self.wrong(diagnostic)
    }
}
