//! Names of values: variables, constants, functions as values, variants and error kinds without payload.

use vega_bytecode::types::EnumId;
use vega_bytecode::{KindId, Type, TypeId};

use super::Checker;
use super::frame::Binding;
use super::statement::Want;
use crate::ast::{Ident, Path};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::{Symbol, words};
use crate::ir::{Expr, ExprKind};
use crate::resolve::definition::{Found, TypeDefinition, ValueDefinition};
use crate::resolve::module::{ModuleId, find};
use crate::source::Span;

/// Functions that are part of the language and no values.
pub(crate) const BUILT_IN_CALLS: &[&str] =
    &["print", "eprint", "write", "str", "int", "float", "send", "try_call", "Ok", "Err", "include"];

impl<'a> Checker<'a> {
    /// One word as a value.
    pub(super) fn name(&mut self, name: Ident, want: Want) -> Expr {
        let span = name.span;
        match self.find_local(name.symbol) {
            Some(Binding::Local(local)) => {
                let frame = self.frame();
                frame.uses[local.0 as usize].reads += 1;
                let ty = frame.locals[local.0 as usize].ty;
                let expr = Expr::new(ExprKind::Local(local), ty, span);
                return self.with_facts(expr);
            }
            Some(Binding::Const(index)) => return self.constant(index, span),
            None => {}
        }
        match self.find_value(name.symbol) {
            Found::One(definition) => return self.value_of(definition, name),
            Found::Ambiguous(first, second) => {
                self.report_ambiguous(name, first, second);
                return Expr::wrong(span);
            }
            Found::Nothing => {}
        }
        if let Some((id, variant)) = self.hinted_variant(name.symbol, want) {
            return self.unit_variant(id, variant, want, span);
        }
        if let Some(kind) = self.find_kind(name.symbol) {
            return self.make_error(kind, Vec::new(), span);
        }
        self.unknown_name(name)
    }

    /// `module::name`, `Enum::Variant` and longer ones as a value.
    pub(super) fn path_value(&mut self, path: &'a Path, want: Want) -> Expr {
        if let [name] = path.segments.as_slice() {
            self.error(codes::TYPE_ARGUMENT_COUNT, path.span, "type arguments are only for a call");
            return self.name(*name, want);
        }
        if let Some((id, variant)) = self.find_variant(path, want) {
            return self.unit_variant(id, variant, want, path.span);
        }
        if let Some(expr) = self.wrong_variant(path) {
            return expr;
        }
        if let [module, name] = path.segments.as_slice() {
            if let Some(module_id) = self.find_module(module.symbol) {
                return match self.value_in(module_id, *name) {
                    Some(definition) => self.value_of(definition, *name),
                    None => self.kind_or_nothing(module_id, *name),
                };
            }
            if let Found::One(_) = self.find_type(module.symbol) {
                let (ty, text) = (self.text(module.symbol).to_string(), self.text(name.symbol).to_string());
                let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, path.span, format!("`{ty}::{text}` is not a value"))
                    .with_help(format!("to call it, write `{ty}::{text}(…)`"));
                return self.wrong(diagnostic);
            }
            self.report_unknown_module(*module);
            return Expr::wrong(path.span);
        }
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, path.span, "nothing has this name");
        self.wrong(diagnostic)
    }

    fn kind_or_nothing(&mut self, module: ModuleId, name: Ident) -> Expr {
        if let Some(&kind) = self.modules[module.0 as usize].scope.kinds.get(&name.symbol) {
            return self.make_error(kind, Vec::new(), name.span);
        }
        self.unknown_in_module(module, name)
    }

    /// A public value of a module.
    pub(super) fn value_in(&mut self, module: ModuleId, name: Ident) -> Option<ValueDefinition> {
        let definition = self.modules[module.0 as usize].scope.values.get(&name.symbol).copied()?;
        if module != self.module && !self.is_value_public(definition) {
            self.report_private(name);
        }
        Some(definition)
    }

    /// What a name that is no variable stands for.
    pub(super) fn find_value(&self, name: Symbol) -> Found<ValueDefinition> {
        let found = find(
            &self.modules,
            self.module,
            |scope| scope.values.get(&name).copied(),
            |_, definition| self.is_value_public(definition),
        );
        if found != Found::Nothing {
            return found;
        }
        match self.prelude.and_then(|prelude| self.modules[prelude.0 as usize].scope.values.get(&name).copied()) {
            Some(definition) => Found::One(definition),
            None => Found::Nothing,
        }
    }

    /// Whether other modules see a value.
    pub(super) fn is_value_public(&self, definition: ValueDefinition) -> bool {
        match definition {
            ValueDefinition::Function(index) => self.functions[index as usize].is_public,
            ValueDefinition::Const(index) => self.consts[index as usize].is_public,
        }
    }

    fn value_of(&mut self, definition: ValueDefinition, name: Ident) -> Expr {
        match definition {
            ValueDefinition::Const(index) => self.constant(index, name.span),
            ValueDefinition::Function(index) => self.function_value(index, name),
        }
    }

    fn function_value(&mut self, index: u32, name: Ident) -> Expr {
        let info = self.functions[index as usize].clone();
        let text = self.text(name.symbol).to_string();
        if info.native.is_some() || !info.generics.is_empty() {
            let parameters: Vec<&str> =
                info.parameters.iter().map(|parameter| self.interner.text(parameter.name.symbol)).collect();
            let list = parameters.join(", ");
            let what = if info.native.is_some() { "a native function" } else { "a generic function" };
            let diagnostic = Diagnostic::error(codes::NOT_A_VALUE, name.span, format!("{what} is not a value by itself"))
                .with_suggestion("wrap it in a closure", name.span, format!("|{list}| {text}({list})"));
            return self.wrong(diagnostic);
        }
        let id = self.function_id(index);
        self.frame().effects.calls.push(id);
        let ty = self.types.function(info.parameters.iter().map(|parameter| parameter.ty).collect(), info.result);
        Expr::new(ExprKind::Closure(id, Vec::new()), ty, name.span)
    }

    /// A variant named by one word, where the wanted type is an enum that has it.
    pub(super) fn hinted_variant(&self, name: Symbol, want: Want) -> Option<(EnumId, u32)> {
        let hint = self.types.without_null(want.hint()?);
        let Type::Enum(id, _) = *self.types.of(hint) else { return None };
        Some((id, self.enums[id.0 as usize].variant(name)?))
    }

    /// The variant that a path names.
    pub(super) fn find_variant(&mut self, path: &Path, want: Want) -> Option<(EnumId, u32)> {
        match path.segments.as_slice() {
            [name] => self.hinted_variant(name.symbol, want),
            [.., name] => {
                let id = self.find_enum(&path.segments[..path.segments.len() - 1])?;
                Some((id, self.enums[id.0 as usize].variant(name.symbol)?))
            }
            [] => None,
        }
    }

    fn find_enum(&mut self, segments: &[Ident]) -> Option<EnumId> {
        let definition = match segments {
            [name] => match self.find_type(name.symbol) {
                Found::One(definition) => definition,
                Found::Ambiguous(..) | Found::Nothing => return None,
            },
            [module, name] => {
                let module = self.find_module(module.symbol)?;
                self.modules[module.0 as usize].scope.types.get(&name.symbol).copied()?
            }
            _ => return None,
        };
        match definition {
            TypeDefinition::Enum(index) => Some(EnumId(index)),
            TypeDefinition::Alias(_) => {
                let name = *segments.last()?;
                let path = Path { segments: segments.to_vec(), type_arguments: Vec::new(), span: name.span };
                let written = crate::ast::TypeExpr {
                    id: crate::ast::TypeId(0),
                    kind: crate::ast::TypeKind::Path(Box::new(path)),
                    span: name.span,
                };
                let ty = self.resolve_type(&written);
                match self.types.of(ty) {
                    Type::Enum(id, _) => Some(*id),
                    _ => None,
                }
            }
            TypeDefinition::Struct(_) | TypeDefinition::Agent(_) | TypeDefinition::Supervisor(_) => None,
        }
    }

    /// A report, where a path names a variant that its enum does not have.
    pub(super) fn wrong_variant(&mut self, path: &Path) -> Option<Expr> {
        let (name, owner) = path.segments.split_last()?;
        let id = self.find_enum(owner)?;
        Some(self.unknown_variant(id, *name))
    }

    /// Says that an enum has no such variant.
    pub(super) fn unknown_variant(&mut self, id: EnumId, name: Ident) -> Expr {
        let info = self.enums[id.0 as usize].clone();
        let text = self.text(name.symbol);
        let owner = self.text(info.name);
        let known: Vec<&str> = info.variants.iter().map(|variant| self.interner.text(variant.name)).collect();
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_VARIANT, name.span, format!("`{owner}` has no variant `{text}`"));
        if let Some(near) = self.nearest(text, known.iter().copied()) {
            diagnostic = diagnostic.with_suggestion("a similar variant exists", name.span, near);
        } else {
            diagnostic = diagnostic.with_note(format!("its variants are `{}`", known.join("`, `")));
        }
        self.wrong(diagnostic)
    }

    fn unit_variant(&mut self, id: EnumId, variant: u32, want: Want, span: Span) -> Expr {
        let info = self.enums[id.0 as usize].clone();
        let variant_info = &info.variants[variant as usize];
        if !variant_info.payload.is_empty() {
            let text = self.text(variant_info.name);
            let form = if variant_info.has_names {
                let fields: Vec<&str> = variant_info.payload.iter().map(|field| self.interner.text(field.name)).collect();
                format!("{text} {{ {}: … }}", fields.join(": …, "))
            } else {
                format!("{text}({})", vec!["…"; variant_info.payload.len()].join(", "))
            };
            let diagnostic = Diagnostic::error(codes::ARGUMENT_COUNT, span, format!("the variant `{text}` carries values"))
                .with_help(format!("write `{form}`"));
            return self.wrong(diagnostic);
        }
        let arguments = self.enum_arguments(id, info.generics.len(), want);
        let Some(arguments) = self.all_known(&arguments, &info.generics, span) else { return Expr::wrong(span) };
        let ty = self.types.enumeration(id, arguments);
        Expr::new(ExprKind::Variant(variant, Vec::new()), ty, span)
    }

    /// Type arguments of an enum as far as the wanted type tells.
    pub(super) fn enum_arguments(&self, id: EnumId, count: usize, want: Want) -> Vec<Option<TypeId>> {
        match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Enum(hinted, arguments)) if *hinted == id => {
                arguments.iter().map(|argument| (!self.is_open(*argument)).then_some(*argument)).collect()
            }
            _ => vec![None; count],
        }
    }

    /// An error value of a kind with its payload, already checked.
    pub(super) fn make_error(&mut self, kind: KindId, payload: Vec<Expr>, span: Span) -> Expr {
        let expected = self.kinds[kind.0 as usize].payload.len();
        if payload.len() != expected {
            let definition = &self.kinds[kind.0 as usize];
            let list: Vec<String> = definition
                .payload
                .iter()
                .map(|field| {
                    let ty = self.show(field.ty);
                    if field.name.is_empty() { ty } else { format!("{}: {ty}", field.name) }
                })
                .collect();
            let name = definition.name.clone();
            let diagnostic = Diagnostic::error(
                codes::ARGUMENT_COUNT,
                span,
                format!("`{name}` carries {}, but {} given", count(expected, "value"), are(payload.len())),
            )
            .with_help(format!("write `{name}({})`", list.join(", ")));
            return self.wrong(diagnostic);
        }
        let ty = self.types.error;
        Expr::new(ExprKind::MakeError(kind, payload), ty, span)
    }

    fn unknown_name(&mut self, name: Ident) -> Expr {
        let text = self.text(name.symbol);
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, name.span, format!("nothing called `{text}` is known here"))
            .with_remark("not found");
        if let Found::One(definition) = self.find_type(name.symbol) {
            diagnostic = Diagnostic::error(codes::NOT_A_VALUE, name.span, format!("`{text}` is a type, not a value"));
            diagnostic = match definition {
                TypeDefinition::Agent(_) => diagnostic.with_help(format!("to start it, write `spawn {text}`")),
                TypeDefinition::Struct(_) => diagnostic.with_help(format!("to make one, write `{text} {{ … }}`")),
                TypeDefinition::Enum(_) => diagnostic.with_help(format!("to make one, write `{text}::…` with a variant")),
                TypeDefinition::Alias(_) | TypeDefinition::Supervisor(_) => diagnostic,
            };
            return self.wrong(diagnostic);
        }
        if BUILT_IN_CALLS.contains(&text) {
            let diagnostic = Diagnostic::error(codes::NOT_A_VALUE, name.span, format!("`{text}` can only be called"))
                .with_help(format!("write `{text}(…)`, or a closure `|x| {text}(x)`"));
            return self.wrong(diagnostic);
        }
        if name.symbol == words::SELF {
            diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, name.span, "`self` is only known in methods that take it")
                .with_help("write `self` or `mut self` as the first parameter");
            return self.wrong(diagnostic);
        }
        let locals = self.frames.iter().flat_map(|frame| frame.visible_names());
        let values = self.modules[self.module.0 as usize].scope.values.keys().copied();
        let open = self.modules[self.module.0 as usize].scope.open.iter().flat_map(|module| {
            self.modules[module.0 as usize]
                .scope
                .values
                .iter()
                .filter(|(_, value)| self.is_value_public(**value))
                .map(|(name, _)| *name)
        });
        let known = locals.chain(values).chain(open).map(|symbol| self.interner.text(symbol));
        let near_name = self.nearest(text, known.chain(BUILT_IN_CALLS.iter().copied()));
        let kinds = self.kinds.iter().map(|kind| kind.name.as_str()).filter(|_| text.starts_with(char::is_uppercase));
        if let Some((agent, span)) = self.state_meant(name.symbol) {
            diagnostic = diagnostic.with_label(span, format!("a variable of the state of `{agent}`")).with_help(
                "only the agent's own tools see its state; add a tool for what is wanted, or keep the value in the program",
            );
        } else if let Some(module) = self.module_meant(text) {
            diagnostic = diagnostic.with_help(format!("what belongs to a module is written `{module}::…`"));
        } else if text == "this" {
            diagnostic = diagnostic.with_suggestion("the value of a method is `self`", name.span, "self");
        } else if text == "console" {
            diagnostic = diagnostic.with_help("write `print(…)`");
        } else if let Some(near) = self.nearest(text, kinds) {
            diagnostic = diagnostic.with_suggestion("a similar kind of error is known", name.span, near);
        } else if let Some(near) = near_name {
            diagnostic = diagnostic.with_suggestion("a similar name is known", name.span, near);
        } else if let Some((module, _)) = self.variant_owner(name.symbol) {
            diagnostic = diagnostic.with_help(format!("write `{module}::{text}`"));
        } else if text == "nil" || text == "None" || text == "undefined" {
            diagnostic = diagnostic.with_suggestion("no value is written `null`", name.span, "null");
        } else if text == "True" || text == "False" {
            diagnostic = diagnostic.with_suggestion("truth values are lower-case", name.span, text.to_lowercase());
        }
        self.wrong(diagnostic)
    }

    /// The module that somebody meant who wrote its name as that of a value: `math.sqrt(x)`, `Math.sqrt(x)`.
    fn module_meant(&self, text: &str) -> Option<String> {
        let lower = text.to_lowercase();
        let is_standard = super::import::NATIVE_MODULES.contains(&lower.as_str());
        let scope = &self.modules[self.module.0 as usize].scope;
        let is_known = scope.modules.keys().any(|symbol| self.interner.text(*symbol) == lower);
        (is_standard || is_known).then_some(lower)
    }

    /// An enum of this module that has a variant of the name.
    pub(super) fn variant_owner(&self, name: Symbol) -> Option<(&str, u32)> {
        self.enums
            .iter()
            .filter(|info| info.module == self.module)
            .find_map(|info| Some((self.text(info.name), info.variant(name)?)))
    }

    /// Says that a module has no such value.
    pub(super) fn unknown_in_module(&mut self, module: ModuleId, name: Ident) -> Expr {
        let info = &self.modules[module.0 as usize];
        let text = self.text(name.symbol);
        let owner = self.text(info.name);
        let known = info
            .scope
            .values
            .iter()
            .filter(|(_, value)| self.is_value_public(**value))
            .map(|(name, _)| self.interner.text(*name));
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, name.span, format!("`{owner}` has nothing called `{text}`"));
        if let Some(near) = self.nearest(text, known) {
            diagnostic = diagnostic.with_suggestion("a similar name is declared there", name.span, near);
        } else if info.is_standard {
            diagnostic = diagnostic.with_note("what is not declared in the standard library is not supported by this version");
        }
        self.wrong(diagnostic)
    }
}

/// `no values`, `1 value`, `2 values`.
pub(crate) fn count(number: usize, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    }
}

/// `none is`, `1 is`, `2 are`.
pub(crate) fn are(number: usize) -> String {
    match number {
        0 => "none is".to_string(),
        1 => "1 is".to_string(),
        number => format!("{number} are"),
    }
}
