//! Types as written, resolved to interned ones.

use vega_bytecode::types::{AgentId, EnumId, StructId};
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::definition::{AliasState, Generic};
use super::types::ERROR;
use crate::ast::{Ident, Path, TypeExpr, TypeKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::resolve::definition::{Found, TypeDefinition};
use crate::resolve::module::{ModuleId, find};
use crate::source::Span;

/// Types that every program can name, with the number of their type arguments.
const BUILT_IN: &[(&str, usize)] = &[
    ("int", 0),
    ("float", 0),
    ("bool", 0),
    ("str", 0),
    ("bytes", 0),
    ("duration", 0),
    ("money", 0),
    ("null", 0),
    ("void", 0),
    ("any", 0),
    ("json", 0),
    ("range", 0),
    ("process", 0),
    ("ProcessId", 0),
    ("agent", 0),
    ("Monitor", 0),
    ("Span", 0),
    ("Secret", 0),
    ("Error", 0),
    ("Future", 1),
    ("Stream", 1),
    ("map", 2),
    ("Result", 2),
];

impl<'a> Checker<'a> {
    /// The type that is written.
    pub(super) fn resolve_type(&mut self, written: &TypeExpr) -> TypeId {
        match &written.kind {
            TypeKind::Path(path) => self.resolve_type_path(path),
            TypeKind::Array(element) => {
                let element_type = self.resolve_type(element);
                self.refuse_void(element_type, element.span);
                self.types.array(element_type)
            }
            TypeKind::Optional(inner) => {
                let inner_type = self.resolve_type(inner);
                self.refuse_void(inner_type, inner.span);
                self.types.optional(inner_type)
            }
            TypeKind::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.resolve_type(part)).collect();
                self.types.tuple(parts)
            }
            TypeKind::Function(function) => {
                let parameters = function.parameters.iter().map(|parameter| self.resolve_type(parameter)).collect();
                let result = function.result.as_ref().map_or(self.types.void, |result| self.resolve_type(result));
                self.types.function(parameters, result)
            }
            TypeKind::Null => self.types.null,
            TypeKind::Error => ERROR,
        }
    }

    /// As [`Self::resolve_type`], for a place that holds a value: `void` is refused.
    pub(super) fn resolve_value_type(&mut self, written: &TypeExpr) -> TypeId {
        let ty = self.resolve_type(written);
        self.refuse_void(ty, written.span);
        ty
    }

    fn refuse_void(&mut self, ty: TypeId, span: Span) {
        if ty == self.types.void {
            self.error(codes::VOID_VALUE, span, "`void` is only the result of a function; nothing can hold it");
        }
    }

    fn resolve_type_path(&mut self, path: &Path) -> TypeId {
        match path.segments.as_slice() {
            [name] => self.resolve_type_name(*name, path),
            [module, name] => {
                let Some(module_id) = self.find_module(module.symbol) else {
                    self.report_unknown_module(*module);
                    return ERROR;
                };
                let Some(definition) = self.modules[module_id.0 as usize].scope.types.get(&name.symbol).copied() else {
                    self.report_unknown_type(*name, Some(module_id));
                    return ERROR;
                };
                if module_id != self.module && !self.is_type_public(definition) {
                    self.report_private(*name);
                }
                self.type_of_definition(definition, path, *name)
            }
            _ => {
                self.report_unknown_type(path.last(), None);
                ERROR
            }
        }
    }

    fn resolve_type_name(&mut self, name: Ident, path: &Path) -> TypeId {
        if let Some(index) = self.generics.iter().position(|generic| generic.name == name.symbol) {
            self.expect_type_arguments(path, 0);
            return self.types.parameter(index as u32);
        }
        match self.find_type(name.symbol) {
            Found::One(definition) => self.type_of_definition(definition, path, name),
            Found::Ambiguous(first, second) => {
                self.report_ambiguous(name, first, second);
                ERROR
            }
            Found::Nothing => self.built_in_type(name, path),
        }
    }

    fn built_in_type(&mut self, name: Ident, path: &Path) -> TypeId {
        let text = self.text(name.symbol);
        let Some(&(word, arity)) = BUILT_IN.iter().find(|(word, _)| *word == text) else {
            self.report_unknown_type(name, None);
            return ERROR;
        };
        if !self.expect_type_arguments(path, arity) {
            return ERROR;
        }
        let arguments: Vec<TypeId> = path.type_arguments.iter().map(|argument| self.resolve_type(argument)).collect();
        match (word, arguments.as_slice()) {
            ("int", _) => self.types.int,
            ("float", _) => self.types.float,
            ("bool", _) => self.types.bool,
            ("str", _) => self.types.str,
            ("bytes", _) => self.types.bytes,
            ("duration", _) => self.types.duration,
            ("money", _) => self.types.money,
            ("null", _) => self.types.null,
            ("void", _) => self.types.void,
            ("any", _) => self.types.any,
            ("json", _) => self.types.json,
            ("range", _) => self.types.range,
            ("process" | "ProcessId", _) => self.types.process,
            ("agent", _) => self.types.any_agent,
            ("Monitor", _) => self.types.monitor,
            ("Span", _) => self.types.span,
            ("Secret", _) => self.types.secret,
            ("Error", _) => self.types.error,
            ("Future", [inner]) => self.types.future(*inner),
            ("Stream", [inner]) => self.types.stream(*inner),
            ("map", [key, value]) => {
                self.expect_key_type(*key, path.type_arguments[0].span);
                self.types.map(*key, *value)
            }
            ("Result", [ok, err]) => self.types.result(*ok, *err),
            _ => ERROR,
        }
    }

    /// Reports a type whose values cannot be keys.
    pub(super) fn expect_key_type(&mut self, key: TypeId, span: Span) {
        let fits = match self.types.of(key) {
            Type::Str | Type::Int | Type::Bool | Type::Any => key != self.types.any,
            Type::Enum(id, _) => self.enums[id.0 as usize].variants.iter().all(|variant| variant.payload.is_empty()),
            Type::Parameter(index) => {
                // In the library every map is some map that a program has made already.
                self.modules[self.module.0 as usize].is_standard
                    || self.generics.get(*index as usize).is_none_or(|generic| generic.is_key)
            }
            _ => false,
        };
        if !fits && key != ERROR {
            let shown = self.show(key);
            let help = match self.types.of(key) {
                Type::Parameter(_) => {
                    format!("write `{shown}: Key` where `{shown}` is declared, so that only keys may stand for it")
                }
                _ => "keys are `str`, `int`, `bool` and enums without payload".to_string(),
            };
            let diagnostic = Diagnostic::error(codes::KEY_TYPE, span, format!("`{shown}` cannot be the key of a map"));
            self.report(diagnostic.with_help(help));
        }
    }

    fn type_of_definition(&mut self, definition: TypeDefinition, path: &Path, name: Ident) -> TypeId {
        match definition {
            TypeDefinition::Struct(index) => {
                let generics = self.structs[index as usize].generics.len();
                match self.type_arguments(path, generics) {
                    Some(arguments) => self.types.structure(StructId(index), arguments),
                    None => ERROR,
                }
            }
            TypeDefinition::Enum(index) => {
                let generics = self.enums[index as usize].generics.len();
                match self.type_arguments(path, generics) {
                    Some(arguments) => self.types.enumeration(EnumId(index), arguments),
                    None => ERROR,
                }
            }
            TypeDefinition::Agent(index) => {
                self.expect_type_arguments(path, 0);
                self.types.agent(AgentId(index))
            }
            TypeDefinition::Alias(index) => {
                let generics = self.aliases[index as usize].declaration.generics.len();
                let Some(arguments) = self.type_arguments(path, generics) else { return ERROR };
                let target = self.resolve_alias(index, name);
                let arguments: Vec<Option<TypeId>> = arguments.into_iter().map(Some).collect();
                self.types.substitute(target, &arguments)
            }
            TypeDefinition::Supervisor(index) => {
                self.expect_type_arguments(path, 0);
                self.supervisor_type(index)
            }
        }
    }

    fn resolve_alias(&mut self, index: u32, name: Ident) -> TypeId {
        let alias = &mut self.aliases[index as usize];
        match alias.state {
            AliasState::Done(ty) => ty,
            AliasState::Busy => {
                let text = self.text(name.symbol).to_string();
                self.error(codes::TYPE_CYCLE, name.span, format!("the type `{text}` stands for itself"));
                ERROR
            }
            AliasState::Open => {
                alias.state = AliasState::Busy;
                let (module, declaration) = (alias.module, alias.declaration);
                let generics = self.generics_of(&declaration.generics);
                let (module, generics) =
                    (std::mem::replace(&mut self.module, module), std::mem::replace(&mut self.generics, generics.into()));
                let ty = self.resolve_type(&declaration.ty);
                (self.module, self.generics) = (module, generics);
                self.aliases[index as usize].state = AliasState::Done(ty);
                ty
            }
        }
    }

    fn type_arguments(&mut self, path: &Path, expected: usize) -> Option<Vec<TypeId>> {
        if !self.expect_type_arguments(path, expected) {
            return None;
        }
        Some(path.type_arguments.iter().map(|argument| self.resolve_value_type(argument)).collect())
    }

    /// Whether as many type arguments are written as the type takes; reports otherwise.
    fn expect_type_arguments(&mut self, path: &Path, expected: usize) -> bool {
        let found = path.type_arguments.len();
        if found != expected {
            let text = self.text(path.last().symbol).to_string();
            let takes = match expected {
                0 => "takes no type arguments".to_string(),
                1 => "takes one type argument".to_string(),
                count => format!("takes {count} type arguments"),
            };
            self.error(codes::TYPE_ARGUMENT_COUNT, path.span, format!("`{text}` {takes}, but {} given", super::path::are(found)));
        }
        found == expected
    }

    /// What a type name stands for here.
    pub(super) fn find_type(&self, name: Symbol) -> Found<TypeDefinition> {
        let found = find(
            &self.modules,
            self.module,
            |scope| scope.types.get(&name).copied(),
            |module, definition| self.modules[module.0 as usize].is_standard || self.is_type_public(definition),
        );
        if found != Found::Nothing {
            return found;
        }
        if let Some(&index) = self.built_in_structs.get(&name) {
            return Found::One(TypeDefinition::Struct(index));
        }
        match self.prelude.and_then(|prelude| self.modules[prelude.0 as usize].scope.types.get(&name).copied()) {
            Some(definition) => Found::One(definition),
            None => Found::Nothing,
        }
    }

    /// Whether other modules see a type.
    pub(super) fn is_type_public(&self, definition: TypeDefinition) -> bool {
        match definition {
            TypeDefinition::Struct(index) => self.structs[index as usize].is_public,
            TypeDefinition::Enum(index) => self.enums[index as usize].is_public,
            TypeDefinition::Alias(index) => self.aliases[index as usize].is_public,
            TypeDefinition::Agent(index) => self.agents[index as usize].is_public,
            TypeDefinition::Supervisor(index) => self.supervisors[index as usize].is_public,
        }
    }

    fn report_unknown_type(&mut self, name: Ident, module: Option<ModuleId>) {
        let text = self.text(name.symbol);
        let title = match module {
            Some(module) => format!("`{}` has no type called `{text}`", self.text(self.modules[module.0 as usize].name)),
            None => format!("there is no type called `{text}`"),
        };
        let scope = &self.modules[module.unwrap_or(self.module).0 as usize].scope;
        let built_in = BUILT_IN.iter().map(|(word, _)| *word).filter(|_| module.is_none());
        let own = scope.types.keys().map(|symbol| self.interner.text(*symbol));
        let generics = self.generics.iter().map(|generic| self.interner.text(generic.name));
        let foreign = match text {
            "string" | "String" | "text" => Some("str"),
            "integer" | "i64" | "i32" | "number" | "Int" | "long" => Some("int"),
            "double" | "f64" | "Float" => Some("float"),
            "boolean" | "Bool" => Some("bool"),
            "Map" | "dict" | "HashMap" | "Dict" => Some("map"),
            "Any" | "object" => Some("any"),
            "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "usize" | "uint" | "short" | "byte" => Some("int"),
            "char" | "Char" => Some("str"),
            "f32" => Some("float"),
            "None" | "undefined" | "nil" => Some("null"),
            _ => None,
        };
        let form = match text {
            "List" | "list" | "Vec" | "Array" | "array" | "vector" | "Slice" => Some("an array of `int` is written `int[]`"),
            "Option" | "Optional" | "Maybe" => Some("an `int` that may be null is written `int?`"),
            "Set" | "HashSet" | "set" => Some("a set is a map whose values are `true`, as in `map<str, bool>`"),
            "Function" | "Callable" | "Fn" => Some("a function from `int` to `str` is written `fn(int) -> str`"),
            "Tuple" | "tuple" => Some("a tuple is written `(int, str)`"),
            _ => None,
        };
        let near = foreign.or_else(|| self.nearest(text, built_in.chain(own).chain(generics))).filter(|_| form.is_none());
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_TYPE, name.span, title).with_remark("not found");
        if let Some(near) = near {
            diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), name.span, near);
        } else if let Some(form) = form {
            diagnostic = diagnostic.with_help(form);
        }
        self.report(diagnostic);
    }

    /// Says that a name before `::` is no module.
    pub(super) fn report_unknown_module(&mut self, name: Ident) {
        let text = self.text(name.symbol);
        if super::import::NATIVE_MODULES.contains(&text) {
            let what = format!("the module `{text}`");
            self.refuse(&what, name.span);
            return;
        }
        let known = self.modules[self.module.0 as usize].scope.modules.keys().map(|symbol| self.interner.text(*symbol));
        let near = self.nearest(text, known.chain(["str", "math", "json", "file", "process"]));
        let mut diagnostic =
            Diagnostic::error(codes::UNKNOWN_MODULE, name.span, format!("there is no module or type called `{text}`"))
                .with_remark("not found");
        if let Some(near) = near {
            diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), name.span, near);
        }
        self.report(diagnostic);
    }

    /// Says that two modules define a name that is used without either's name.
    pub(super) fn report_ambiguous(&mut self, name: Ident, first: ModuleId, second: ModuleId) {
        let text = self.text(name.symbol);
        let (first, second) = (self.text(self.modules[first.0 as usize].name), self.text(self.modules[second.0 as usize].name));
        let diagnostic = Diagnostic::error(codes::AMBIGUOUS_NAME, name.span, format!("two imported modules define `{text}`"))
            .with_help(format!("write `{first}::{text}` or `{second}::{text}`"));
        self.report(diagnostic);
    }

    /// Type parameters as written.
    pub(super) fn generics_of(&mut self, written: &[crate::ast::GenericParameter]) -> Vec<Generic> {
        written
            .iter()
            .map(|parameter| {
                let mut generic = Generic { name: parameter.name.symbol, is_ordered: false, is_key: false, is_number: false };
                for bound in &parameter.bounds {
                    match self.text(bound.symbol) {
                        "Ord" => generic.is_ordered = true,
                        "Key" => generic.is_key = true,
                        "Num" => generic.is_number = true,
                        _ => {
                            let text = self.text(bound.symbol).to_string();
                            self.report(
                                Diagnostic::error(codes::UNKNOWN_BOUND, bound.span, format!("there is no bound called `{text}`"))
                                    .with_help("the bounds are `Ord` (can be ordered), `Key` (can be a key of a map) and `Num`"),
                            );
                        }
                    }
                }
                generic
            })
            .collect()
    }
}
