//! Calls: of functions, natives, closures, what is part of the language, and what makes variants and errors.

use std::rc::Rc;

use vega_bytecode::module::{Capability, Constant, NativeImport};
use vega_bytecode::types::EnumId;
use vega_bytecode::{KindId, Type, TypeId};

use super::Checker;
use super::definition::{FunctionInfo, Head, ParameterInfo};
use super::effect::native_effect;
use super::fits::Why;
use super::path::{are, count};
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Argument, ArgumentKind, ExprKind as A, Ident};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{self, Expr, ExprKind, LocalId, UnaryOp};
use crate::resolve::definition::{Found, TypeDefinition, ValueDefinition};
use crate::resolve::suggest::nearest;
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

    fn is_built_in_call(&self, index: u32, name: Ident) -> bool {
        Some(self.functions[index as usize].module) == self.prelude
            && super::path::BUILT_IN_CALLS.contains(&self.text(name.symbol))
    }

    fn unknown_callee(&mut self, name: Ident) -> Expr {
        let text = self.text(name.symbol);
        if let Found::One(definition) = self.find_type(name.symbol) {
            let help = match definition {
                TypeDefinition::Agent(_) => format!("to start the agent, write `spawn {text}(…)`"),
                TypeDefinition::Struct(_) => format!("to make one, write `{text} {{ … }}`"),
                TypeDefinition::Enum(_) | TypeDefinition::Alias(_) | TypeDefinition::Supervisor(_) => {
                    format!("`{text}` is a type")
                }
            };
            let diagnostic =
                Diagnostic::error(codes::NOT_CALLABLE, name.span, format!("the type `{text}` cannot be called")).with_help(help);
            return self.wrong(diagnostic);
        }
        match text {
            "include" | "all" | "race" | "select" | "mcp" | "exec" | "reply" => {
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
                if let Some(near) = nearest(text, known.chain(super::path::BUILT_IN_CALLS.iter().copied())) {
                    diagnostic = diagnostic.with_suggestion("a similar name is known", name.span, near);
                } else if text == "len" || text == "println" || text == "log" {
                    let help = if text == "len" { "write `x.len()`" } else { "write `print(…)`" };
                    diagnostic = diagnostic.with_help(help);
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

    fn explicit_type_arguments(
        &mut self,
        info: &FunctionInfo<'a>,
        written: &'a [ast::TypeExpr],
        learnt: &mut [Option<TypeId>],
        span: Span,
    ) {
        if written.is_empty() {
            return;
        }
        // Those of the `impl` come first and are learnt from the receiver.
        let own = info.declaration.generics.len();
        if written.len() != own {
            let title = format!("`{}` takes {}, but {} given", info.name, count(own, "type argument"), are(written.len()));
            self.error(codes::TYPE_ARGUMENT_COUNT, span, title);
            return;
        }
        let offset = learnt.len() - own;
        for (slot, written) in learnt[offset..].iter_mut().zip(written) {
            *slot = Some(self.resolve_value_type(written));
        }
    }

    fn check_bounds(&mut self, info: &FunctionInfo<'a>, learnt: &[Option<TypeId>], span: Span) {
        for (generic, ty) in info.generics.iter().zip(learnt) {
            let Some(ty) = *ty else { continue };
            let problem = if generic.is_ordered && !self.is_ordered(ty) {
                Some("ordered")
            } else if generic.is_key && !self.is_key(ty) {
                Some("keys of a map")
            } else if generic.is_number && !self.types.is_numeric(ty) {
                Some("numbers")
            } else {
                None
            };
            if let Some(problem) = problem.filter(|_| ty != ERROR) {
                let shown = self.show(ty);
                let title = format!("`{}` needs values that are {problem}, and a `{shown}` is not", info.name);
                self.error(codes::BOUND, span, title.replace("that are ordered", "that can be ordered"));
            }
        }
    }

    fn is_ordered(&self, ty: TypeId) -> bool {
        match self.types.of(ty) {
            Type::Parameter(index) => {
                self.generics.get(*index as usize).is_none_or(|generic| generic.is_ordered || generic.is_number)
            }
            Type::Str => true,
            _ => self.types.is_numeric(ty),
        }
    }

    fn is_key(&self, ty: TypeId) -> bool {
        match self.types.of(ty) {
            Type::Str | Type::Int | Type::Bool => true,
            Type::Enum(id, _) => self.enums[id.0 as usize].variants.iter().all(|variant| variant.payload.is_empty()),
            Type::Parameter(index) => self.generics.get(*index as usize).is_none_or(|generic| generic.is_key),
            _ => false,
        }
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
            // Only a result that no argument tells is worth telling the native.
            let import_result = if self.result_is_told(info) { info.result } else { result };
            return match receiver {
                Some(Receiver::Place(place)) => {
                    self.frame().narrowed.forget_inside(place.local);
                    let id = self.native_id(&native, arguments.len() + 1, import_result, true);
                    Expr::new(ExprKind::CallNativeOnPlace(id, place, arguments), info.result, span)
                }
                Some(Receiver::Value(value)) => {
                    arguments.insert(0, value);
                    self.native_call(&native, arguments, import_result, span)
                }
                None => self.native_call(&native, arguments, import_result, span),
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

    fn result_is_told(&self, info: &FunctionInfo<'a>) -> bool {
        if !self.types.has_parameter(info.result) {
            return true;
        }
        let places = info.receiver.map(|(ty, _)| ty).into_iter().chain(info.parameters.iter().map(|parameter| parameter.ty));
        let mut told = vec![None; info.generics.len()];
        for ty in places {
            self.types.learn(ty, ty, &mut told);
        }
        (0..info.generics.len() as u32).all(|index| told[index as usize].is_some() || !self.mentions(info.result, index))
    }

    fn mentions(&self, ty: TypeId, parameter: u32) -> bool {
        match self.types.of(ty) {
            Type::Parameter(index) => *index == parameter,
            Type::Array(a) | Type::Optional(a) | Type::Future(a) | Type::Stream(a) => self.mentions(*a, parameter),
            Type::Map(a, b) | Type::Result(a, b) => self.mentions(*a, parameter) || self.mentions(*b, parameter),
            Type::Tuple(parts) | Type::Struct(_, parts) | Type::Enum(_, parts) => {
                parts.iter().any(|part| self.mentions(*part, parameter))
            }
            Type::Function(parts, result) => {
                self.mentions(*result, parameter) || parts.iter().any(|part| self.mentions(*part, parameter))
            }
            _ => false,
        }
    }

    /// The number of a native with its effect noted.
    pub(super) fn native_id(&mut self, name: &str, arity: usize, result: TypeId, changes_self: bool) -> u32 {
        let effect = native_effect(name);
        let frame = self.frame();
        frame.effects.may_effect |= effect.touches_world;
        if let Some(capability) = effect.capability {
            frame.effects.add(capability);
        }
        let import = NativeImport { name: name.to_string(), arity: arity.min(255) as u8, result, changes_self };
        if let Some(&id) = self.native_ids.get(&import) {
            return id;
        }
        let id = self.natives.len() as u32;
        self.natives.push(import.clone());
        self.native_effects.push(effect.touches_world);
        self.native_ids.insert(import, id);
        id
    }

    /// A call of a native; those that are instructions become them.
    pub(super) fn native_call(&mut self, name: &str, mut arguments: Vec<Expr>, result: TypeId, span: Span) -> Expr {
        let kind = match (name, arguments.len()) {
            ("process::self", 0) => {
                self.frame().effects.may_effect = true;
                ExprKind::SelfProcess
            }
            ("process::link", 1) => {
                self.frame().effects.may_effect = true;
                ExprKind::Link(Box::new(arguments.remove(0)))
            }
            ("process::monitor", 1) => {
                self.frame().effects.may_effect = true;
                ExprKind::Monitor(Box::new(arguments.remove(0)))
            }
            ("process::exit", 1) => {
                let frame = self.frame();
                frame.effects.may_effect = true;
                frame.is_reachable = false;
                let never = self.types.never;
                return Expr::new(ExprKind::Exit(Box::new(arguments.remove(0))), never, span);
            }
            _ => {
                let id = self.native_id(name, arguments.len(), result, false);
                ExprKind::CallNative(id, arguments)
            }
        };
        Expr::new(kind, result, span)
    }

    /// Arguments in the order of the parameters, defaults filled in, with variables that keep the order of the text.
    #[allow(clippy::type_complexity, reason = "a name for the pair would say less than its two parts")]
    fn arguments(
        &mut self,
        info: &FunctionInfo<'a>,
        learnt: &mut [Option<TypeId>],
        written: &'a [Argument],
        want: Want,
        span: Span,
    ) -> Option<(Vec<(LocalId, Expr)>, Vec<Expr>)> {
        let places = self.place_arguments(&info.parameters, written, &info.name, Some(info.declaration.head), span)?;
        let mut values: Vec<Option<Expr>> = info.parameters.iter().map(|_| None).collect();
        let is_closure = |argument: &Argument| matches!(argument.value.peel().kind, A::Closure(_));
        // Closures come last: what the other arguments are tells what theirs are.
        for closures in [false, true] {
            for (argument, place) in written.iter().zip(&places) {
                if is_closure(argument) != closures {
                    continue;
                }
                let parameter = info.parameters[*place];
                let why =
                    Why::Argument(parameter.name.symbol, &info.name, (info.native.is_none()).then_some(parameter.name.span));
                if closures
                    && self.types.has_parameter(parameter.ty)
                    && let Some(hint) = want.hint().filter(|hint| !self.is_open(*hint))
                    && let Type::Function(takes, _) = self.types.of(parameter.ty).clone()
                    && takes.iter().any(|ty| self.types.substitute(*ty, learnt) == *ty && self.types.has_parameter(*ty))
                {
                    self.types.learn(info.result, hint, learnt);
                }
                let value = self.generic_value(&argument.value, parameter.ty, &info.generics, learnt, why);
                values[*place] = Some(value);
            }
        }
        let in_order = places.windows(2).all(|pair| pair[0] < pair[1]);
        let mut variables = Vec::new();
        if !in_order {
            for place in &places {
                let Some(value) = values[*place].take() else { continue };
                let local = self.hidden_local("argument", value.ty, value.span);
                values[*place] = Some(Expr::new(ExprKind::Local(local), value.ty, value.span));
                variables.push((local, value));
            }
        }
        let mut arguments = Vec::with_capacity(values.len());
        for (parameter, value) in info.parameters.iter().zip(values) {
            let value = match value {
                Some(value) => value,
                None => self.default_value(parameter, info, span)?,
            };
            arguments.push(value);
        }
        Some((variables, arguments))
    }

    fn default_value(&mut self, parameter: &ParameterInfo<'a>, info: &FunctionInfo<'a>, span: Span) -> Option<Expr> {
        let written = parameter.default?;
        let mut value = self.constant_expr(written, parameter.ty, info.module);
        value.span = span;
        Some(value)
    }

    /// Which parameter each argument is for, or a report.
    pub(super) fn place_arguments(
        &mut self,
        parameters: &[ParameterInfo<'a>],
        written: &'a [Argument],
        callee: &str,
        declared: Option<Span>,
        span: Span,
    ) -> Option<Vec<usize>> {
        let mut places: Vec<usize> = Vec::with_capacity(written.len());
        let mut is_fine = true;
        for argument in written {
            let place = match argument.kind {
                ArgumentKind::Positional if places.len() < parameters.len() => Some(places.len()),
                ArgumentKind::Positional => None,
                ArgumentKind::Named(name) => {
                    let found = parameters.iter().position(|parameter| parameter.name.symbol == name.symbol);
                    if found.is_none() {
                        let text = self.text(name.symbol);
                        let known = parameters.iter().map(|parameter| self.interner.text(parameter.name.symbol));
                        let mut diagnostic = Diagnostic::error(
                            codes::UNKNOWN_ARGUMENT,
                            name.span,
                            format!("`{callee}` has no parameter `{text}`"),
                        );
                        if let Some(near) = nearest(text, known) {
                            diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), name.span, near);
                        }
                        self.report(diagnostic);
                        is_fine = false;
                        break;
                    }
                    found
                }
                ArgumentKind::Timeout(word) => {
                    self.error(codes::UNKNOWN_ARGUMENT, word, format!("`{callee}` takes no `timeout`"));
                    is_fine = false;
                    break;
                }
            };
            let Some(place) = place else {
                is_fine = false;
                self.report_argument_count(parameters, written.len(), callee, declared, span);
                break;
            };
            if places.contains(&place) {
                let text = self.text(parameters[place].name.symbol).to_string();
                self.error(codes::UNKNOWN_ARGUMENT, argument.value.span, format!("`{text}` is given twice"));
                is_fine = false;
                break;
            }
            places.push(place);
        }
        let lacks =
            parameters.iter().enumerate().any(|(index, parameter)| parameter.default.is_none() && !places.contains(&index));
        if is_fine && lacks {
            is_fine = false;
            self.report_argument_count(parameters, written.len(), callee, declared, span);
        }
        if is_fine {
            return Some(places);
        }
        self.check_dropped(written);
        None
    }

    fn report_argument_count(
        &mut self,
        parameters: &[ParameterInfo<'a>],
        given: usize,
        callee: &str,
        declared: Option<Span>,
        span: Span,
    ) {
        let least = parameters.iter().filter(|parameter| parameter.default.is_none()).count();
        let takes = if least == parameters.len() {
            count(least, "argument")
        } else {
            format!("{least} to {}", count(parameters.len(), "argument"))
        };
        let list: Vec<String> = parameters
            .iter()
            .map(|parameter| format!("{}: {}", self.text(parameter.name.symbol), self.show(parameter.ty)))
            .collect();
        let mut diagnostic =
            Diagnostic::error(codes::ARGUMENT_COUNT, span, format!("`{callee}` takes {takes}, but {} given", are(given)))
                .with_note(format!("it is declared as `{callee}({})`", list.join(", ")));
        if let Some(declared) = declared.filter(|declared| declared.file == span.file) {
            diagnostic = diagnostic.with_label(declared, "declared here");
        }
        self.report(diagnostic);
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

    fn call_variant(&mut self, id: EnumId, variant: u32, written: &'a [Argument], want: Want, span: Span) -> Expr {
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
        let Some(arguments) = self.all_known(&arguments, &info.generics, span) else { return Expr::wrong(span) };
        let ty = self.types.enumeration(id, arguments);
        Expr::new(ExprKind::Variant(variant, payload), ty, span)
    }

    fn call_kind(&mut self, kind: KindId, written: &'a [Argument], span: Span) -> Expr {
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
    fn call_built_in(&mut self, name: Ident, written: &'a [Argument], want: Want, span: Span) -> Option<Expr> {
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

    /// Notes that the function under check uses a capability.
    pub(super) fn uses(&mut self, capability: Capability) {
        let frame = self.frame();
        frame.effects.may_effect = true;
        frame.effects.add(capability);
    }
}
