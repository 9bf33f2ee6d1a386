//! Calls: of functions, methods by their type's name, and values.

use std::rc::Rc;

use vega_bytecode::module::Capability;
use vega_bytecode::types::EnumId;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::definition::{FunctionInfo, Head};
use super::fits::Why;
use super::path::{are, count};
use super::statement::Want;
use crate::ast::{self, Argument, ExprKind as A, Ident};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{self, Expr, ExprKind};
use crate::resolve::definition::{Found, TypeDefinition, ValueDefinition};
use crate::source::Span;

/// What a method is called on.
pub(crate) enum Receiver {
    /// A value.
    Value(Expr),
    /// A place that is changed.
    Place(ir::Place),
}

impl<'a> Checker<'a> {
    /// `callee(arguments)`
    pub(super) fn call(&mut self, call: &'a ast::Call, want: Want, span: Span) -> Expr {
        match &call.callee.kind {
            A::Name(name) => self.call_name(*name, &[], call, want, span),
            A::Path(path) => match path.segments.as_slice() {
                [name] => self.call_name(*name, &path.type_arguments, call, want, span),
                _ => self.call_path(path, call, want, span),
            },
            _ => {
                let callee = self.value(&call.callee, Want::Infer);
                self.call_value(callee, &call.arguments, span)
            }
        }
    }

    fn call_name(
        &mut self,
        name: Ident,
        type_arguments: &'a [ast::TypeExpr],
        call: &'a ast::Call,
        want: Want,
        span: Span,
    ) -> Expr {
        if self.find_local(name.symbol).is_some() {
            let callee = self.name(name, Want::Infer);
            return self.call_value(callee, &call.arguments, span);
        }
        match self.find_value(name.symbol) {
            // The library declares these for their documentation; what they take is not a function's parameters.
            Found::One(ValueDefinition::Function(index)) if self.is_built_in_call(index, name) => {}
            Found::One(ValueDefinition::Function(index)) => {
                return self.call_function(index, None, type_arguments, &call.arguments, want, span);
            }
            Found::One(ValueDefinition::Const(_)) => {
                let callee = self.name(name, Want::Infer);
                return self.call_value(callee, &call.arguments, span);
            }
            Found::Ambiguous(first, second) => {
                self.report_ambiguous(name, first, second);
                self.check_dropped(&call.arguments);
                return Expr::wrong(span);
            }
            Found::Nothing => {}
        }
        if let Some(expr) = self.call_built_in(name, &call.arguments, want, span) {
            return expr;
        }
        if let Some((id, variant)) = self.hinted_variant(name.symbol, want) {
            return self.call_variant(id, variant, &call.arguments, want, span);
        }
        if let Some(kind) = self.find_kind(name.symbol) {
            return self.call_kind(kind, &call.arguments, span);
        }
        let wrong = self.unknown_callee(name);
        self.check_dropped(&call.arguments);
        wrong
    }

    fn unknown_callee(&mut self, name: Ident) -> Expr {
        let text = self.text(name.symbol);
        if let Found::One(definition) = self.find_type(name.symbol) {
            let help = match definition {
                TypeDefinition::Agent(_) => format!("to start the agent, write `spawn {text}(…)`"),
                TypeDefinition::Supervisor(_) => format!("to start the supervisor, write `spawn {text}(…)`"),
                TypeDefinition::Struct(_) => format!("to make one, write `{text} {{ … }}`"),
                TypeDefinition::Enum(_) | TypeDefinition::Alias(_) => {
                    format!("`{text}` is a type")
                }
            };
            let diagnostic =
                Diagnostic::error(codes::NOT_CALLABLE, name.span, format!("the type `{text}` cannot be called")).with_help(help);
            return self.wrong(diagnostic);
        }
        match text {
            "all" | "race" | "select" | "mcp" => {
                let what = format!("`{text}(…)`");
                self.refused(&what, name.span)
            }
            _ => {
                let mut diagnostic =
                    Diagnostic::error(codes::UNKNOWN_NAME, name.span, format!("there is no function called `{text}`"))
                        .with_remark("not found");
                let scope = &self.modules[self.module.0 as usize].scope;
                let open = scope.open.iter().chain(self.prelude.iter()).flat_map(|module| {
                    self.modules[module.0 as usize]
                        .scope
                        .values
                        .iter()
                        .filter(|(_, value)| self.is_value_public(**value))
                        .map(|(name, _)| *name)
                });
                let locals = self.frames.iter().flat_map(|frame| frame.visible_names());
                let known = scope.values.keys().copied().chain(open).chain(locals).map(|symbol| self.interner.text(symbol));
                let near = self.nearest(text, known.chain(super::path::BUILT_IN_CALLS.iter().copied()));
                if let Some(help) = foreign_function(text) {
                    diagnostic = diagnostic.with_help(help);
                } else if let Some(near) = near {
                    diagnostic = diagnostic.with_suggestion("a similar name is known", name.span, near);
                } else if let Some((owner, _)) = self.variant_owner(name.symbol) {
                    diagnostic = diagnostic.with_help(format!("write `{owner}::{text}(…)`"));
                }
                self.wrong(diagnostic)
            }
        }
    }

    /// Arguments of a call that is wrong already: their own mistakes are still worth reporting.
    pub(super) fn check_dropped(&mut self, arguments: &'a [Argument]) {
        for argument in arguments {
            if !matches!(argument.value.kind, A::Closure(_)) {
                self.expr(&argument.value, Want::Infer);
            }
        }
    }

    fn call_path(&mut self, path: &'a ast::Path, call: &'a ast::Call, want: Want, span: Span) -> Expr {
        if let Some((id, variant)) = self.find_variant(path, want) {
            return self.call_variant(id, variant, &call.arguments, want, span);
        }
        if let [owner, name] = path.segments.as_slice() {
            if let Some(index) = self.static_method(*owner, *name) {
                return self.call_qualified(index, path, call, want, span);
            }
            if let Some(module) = self.find_module(owner.symbol) {
                match self.value_in(module, *name) {
                    Some(ValueDefinition::Function(index)) => {
                        return self.call_function(index, None, &path.type_arguments, &call.arguments, want, span);
                    }
                    Some(ValueDefinition::Const(_)) => {
                        let callee = self.path_value(path, Want::Infer);
                        return self.call_value(callee, &call.arguments, span);
                    }
                    None => {
                        if let Some(&kind) = self.modules[module.0 as usize].scope.kinds.get(&name.symbol) {
                            return self.call_kind(kind, &call.arguments, span);
                        }
                        self.check_dropped(&call.arguments);
                        return self.unknown_in_module(module, *name);
                    }
                }
            }
        }
        self.check_dropped(&call.arguments);
        if let Some(wrong) = self.wrong_variant(path) {
            return wrong;
        }
        if let [owner, name] = path.segments.as_slice() {
            if let Found::One(_) = self.find_type(owner.symbol) {
                let (ty, text) = (self.text(owner.symbol).to_string(), self.text(name.symbol).to_string());
                let diagnostic = Diagnostic::error(codes::UNKNOWN_METHOD, name.span, format!("`{ty}` has no function `{text}`"));
                return self.wrong(diagnostic);
            }
            self.report_unknown_module(*owner);
            return Expr::wrong(span);
        }
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, path.span, "there is no such function");
        self.wrong(diagnostic)
    }

    /// The method that `Type::name` names.
    fn static_method(&mut self, owner: Ident, name: Ident) -> Option<u32> {
        let head = match self.find_type(owner.symbol) {
            Found::One(TypeDefinition::Struct(index)) => Head::Struct(vega_bytecode::StructId(index)),
            Found::One(TypeDefinition::Enum(index)) => Head::Enum(EnumId(index)),
            Found::One(_) | Found::Ambiguous(..) => return None,
            Found::Nothing => {
                let head = Head::of_standard_module(self.text(owner.symbol))?;
                if let Some(module) = head.standard_module() {
                    self.standard_module(module);
                }
                head
            }
        };
        self.methods.get(&(head, name.symbol)).copied()
    }

    /// `Type::method(x, a)`: with `self` among the parameters, the first argument is it.
    fn call_qualified(&mut self, index: u32, path: &'a ast::Path, call: &'a ast::Call, want: Want, span: Span) -> Expr {
        let info = self.functions[index as usize].clone();
        if info.module != self.module && !info.is_public {
            self.report_private(path.last());
        }
        let Some((self_type, is_mut)) = info.receiver else {
            return self.call_function(index, None, &path.type_arguments, &call.arguments, want, span);
        };
        let Some((first, rest)) = call.arguments.split_first() else {
            let diagnostic =
                Diagnostic::error(codes::ARGUMENT_COUNT, span, format!("`{}` needs the value it works on", info.name))
                    .with_remark("the first argument is missing");
            return self.wrong(diagnostic);
        };
        let hint = if self.types.has_parameter(self_type) { Want::Infer } else { Want::Hint(self_type) };
        let value = self.value(&first.value, hint);
        let value = if hint == Want::Infer { value } else { self.coerce(value, self_type, Why::Plain) };
        let receiver = if is_mut { self.receiver_place(value, &first.value) } else { Some(Receiver::Value(value)) };
        match receiver {
            Some(receiver) => self.call_function(index, Some(receiver), &path.type_arguments, rest, want, span),
            None => {
                self.check_dropped(rest);
                Expr::wrong(span)
            }
        }
    }

    /// The overload that takes so many arguments; the last one where none does.
    fn overload(&self, first: u32, arguments: usize) -> u32 {
        let mut at = first;
        loop {
            let info = &self.functions[at as usize];
            let (least, most) = info.arity();
            if (least..=most).contains(&arguments) {
                return at;
            }
            match info.next_overload {
                Some(next) => at = next,
                None => return first,
            }
        }
    }

    /// Calls a declared function or native.
    pub(super) fn call_function(
        &mut self,
        index: u32,
        receiver: Option<Receiver>,
        type_arguments: &'a [ast::TypeExpr],
        written: &'a [Argument],
        want: Want,
        span: Span,
    ) -> Expr {
        let index = self.overload(index, written.len());
        let info: Rc<FunctionInfo<'a>> = self.functions[index as usize].clone();
        let mut learnt: Vec<Option<TypeId>> = vec![None; info.generics.len()];
        self.explicit_type_arguments(&info, type_arguments, &mut learnt, span);
        if let (Some((declared, _)), Some(receiver)) = (info.receiver, &receiver) {
            let actual = match receiver {
                Receiver::Value(value) => value.ty,
                Receiver::Place(place) => place.ty,
            };
            self.types.learn(declared, actual, &mut learnt);
        }
        let Some((variables, arguments)) = self.arguments(&info, &mut learnt, written, want, span) else {
            return Expr::wrong(span);
        };
        if learnt.iter().any(Option::is_none)
            && let Some(hint) = want.hint().filter(|hint| !self.is_open(*hint))
        {
            self.types.learn(info.result, hint, &mut learnt);
        }
        let is_wrong = arguments.iter().any(Expr::is_wrong);
        if is_wrong && learnt.iter().any(Option::is_none) {
            return Expr::wrong(span);
        }
        // What only appears in the parameters may stay unknown: an empty array of anything.
        if self.types.has_parameter(info.result) && self.all_known(&learnt, &info.generics, span).is_none() {
            return Expr::wrong(span);
        }
        self.check_bounds(&info, &learnt, span);
        let result = self.types.substitute(info.result, &learnt);
        let call = self.emit_call(index, &info, receiver, arguments, result, span);
        let call = call.retyped(result);
        if variables.is_empty() { call } else { self.block_value(variables, call) }
    }

    fn emit_call(
        &mut self,
        index: u32,
        info: &FunctionInfo<'a>,
        receiver: Option<Receiver>,
        mut arguments: Vec<Expr>,
        result: TypeId,
        span: Span,
    ) -> Expr {
        if let Some(native) = info.native.clone() {
            // The native is told the type here: of an empty array of floats, only that says what its sum is.
            return match receiver {
                Some(Receiver::Place(place)) => {
                    self.frame().narrowed.forget_inside(place.local);
                    let id = self.native_id(&native, arguments.len() + 1, result, true);
                    Expr::new(ExprKind::CallNativeOnPlace(id, place, arguments), info.result, span)
                }
                Some(Receiver::Value(value)) => {
                    arguments.insert(0, value);
                    self.native_call(&native, arguments, result, span)
                }
                None => self.native_call(&native, arguments, result, span),
            };
        }
        let id = self.function_id(index);
        self.frame().effects.calls.push(id);
        let kind = match receiver {
            Some(Receiver::Place(place)) => {
                self.frame().narrowed.forget_inside(place.local);
                ExprKind::CallOnPlace(id, place, arguments)
            }
            Some(Receiver::Value(value)) => {
                arguments.insert(0, value);
                ExprKind::Call(id, arguments)
            }
            None => ExprKind::Call(id, arguments),
        };
        Expr::new(kind, info.result, span)
    }

    /// A call of a value.
    fn call_value(&mut self, callee: Expr, written: &'a [Argument], span: Span) -> Expr {
        let Type::Function(parameters, result) = self.types.of(callee.ty).clone() else {
            self.check_dropped(written);
            if callee.is_wrong() {
                return Expr::wrong(span);
            }
            if let Type::Optional(_) = self.types.of(callee.ty) {
                return self.maybe_null(&callee, "(…)");
            }
            let shown = self.show(callee.ty);
            let diagnostic = Diagnostic::error(codes::NOT_CALLABLE, callee.span, format!("a `{shown}` cannot be called"));
            return self.wrong(diagnostic);
        };
        if parameters.len() != written.len() {
            self.check_dropped(written);
            let shown = self.show(callee.ty);
            let title = format!("this function takes {}, but {} given", count(parameters.len(), "argument"), are(written.len()));
            let diagnostic = Diagnostic::error(codes::ARGUMENT_COUNT, span, title).with_note(format!("it is a `{shown}`"));
            return self.wrong(diagnostic);
        }
        let arguments =
            written.iter().zip(parameters).map(|(argument, ty)| self.expr_as(&argument.value, ty, Why::Plain)).collect();
        self.frame().effects.may_effect = true;
        Expr::new(ExprKind::CallValue(Box::new(callee), arguments), result, span)
    }

    /// Notes that the function under check uses a capability.
    pub(super) fn uses(&mut self, capability: Capability) {
        let frame = self.frame();
        frame.effects.may_effect = true;
        frame.effects.add(capability);
    }
}

/// What stands here for a function that other languages have.
fn foreign_function(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "length" | "size" => "write `x.len()`",
        "println" | "printf" | "echo" | "puts" | "log" => "write `print(…)`",
        "range" => "numbers from 0 up to 9 are written `0..10`",
        "input" | "readline" | "read_line" | "gets" | "prompt" => "write `io::read_line(\"…\")`",
        "sleep" => "write `process::sleep(1s)`",
        "panic" | "error" | "fail" | "abort" | "Error" | "Exception" => {
            "declare a kind with `error Failed(str);` and write `throw Failed(\"…\");`"
        }
        "exit" | "quit" => "write `process::exit(\"…\")`, or return a status from `main`",
        "self" | "getpid" => "write `process::self()`",
        "abs" | "min" | "max" | "pow" | "sorted" | "reversed" | "enumerate" | "zip" | "map" | "filter" | "sum" | "any"
        | "join" => "it is a method: write the value in front of it, as in `xs.sum()`",
        "sqrt" | "floor" | "ceil" | "round" => "it is a method of a `float`, as in `x.sqrt()`",
        "type" | "typeof" => "to look at the type of a value, write `match x { n: int => …, _ => … }`",
        "format" | "sprintf" => "write `f\"…{x}…\"`",
        "isinstance" => "write `match x { n: int => …, _ => … }`",
        "parseInt" | "atoi" => "write `parse_int(text)`",
        "parseFloat" | "atof" => "write `parse_float(text)`",
        "string" | "String" | "to_string" | "repr" => "write `str(x)`",
        _ => return None,
    })
}
