//! The types of the program under check: the interned table with the common ids at hand, their names for people, substitution.
//!
//! Invariant: [`ERROR`] stands for a type that is unknown because something was already reported. It is in no table, fits
//! everything and is fitted by everything, so one mistake is reported once.

use vega_bytecode::types::{AgentId, EnumId, StructId};
use vega_bytecode::{Type, TypeId, TypeTable, prelude};

/// The type of what is wrong already.
pub(crate) const ERROR: TypeId = TypeId(u32::MAX);

/// What looking at [`ERROR`] shows: a parameter that no function has.
static ERROR_TYPE: Type = Type::Parameter(u32::MAX);

/// Type parameters from this number on stand for type arguments of a call that are not known yet. They never meet the parameters of
/// the function under check, whose numbers are small.
const HOLES_START: u32 = 1 << 16;

/// The table, and ids of the types without components.
#[derive(Debug)]
#[allow(missing_docs, reason = "each field is the type of its name")]
pub(crate) struct Types {
    pub(crate) table: TypeTable,
    pub(crate) null: TypeId,
    pub(crate) void: TypeId,
    pub(crate) never: TypeId,
    pub(crate) bool: TypeId,
    pub(crate) int: TypeId,
    pub(crate) float: TypeId,
    pub(crate) str: TypeId,
    pub(crate) bytes: TypeId,
    pub(crate) duration: TypeId,
    pub(crate) money: TypeId,
    pub(crate) any: TypeId,
    pub(crate) json: TypeId,
    pub(crate) error: TypeId,
    pub(crate) secret: TypeId,
    pub(crate) range: TypeId,
    pub(crate) any_agent: TypeId,
    pub(crate) process: TypeId,
    pub(crate) monitor: TypeId,
    pub(crate) span: TypeId,
}

impl Types {
    /// A table with the types that have no components.
    pub(crate) fn new() -> Types {
        let mut table = TypeTable::new();
        Types {
            null: table.intern(Type::Null),
            void: table.intern(Type::Void),
            never: table.intern(Type::Never),
            bool: table.intern(Type::Bool),
            int: table.intern(Type::Int),
            float: table.intern(Type::Float),
            str: table.intern(Type::Str),
            bytes: table.intern(Type::Bytes),
            duration: table.intern(Type::Duration),
            money: table.intern(Type::Money),
            any: table.intern(Type::Any),
            json: table.intern(Type::Json),
            error: table.intern(Type::Error),
            secret: table.intern(Type::Secret),
            range: table.intern(Type::Range),
            any_agent: table.intern(Type::AnyAgent),
            process: table.intern(Type::Process),
            monitor: table.intern(Type::Monitor),
            span: table.intern(Type::Span),
            table,
        }
    }

    /// The type of an id.
    pub(crate) fn of(&self, id: TypeId) -> &Type {
        self.table.get(id).unwrap_or(&ERROR_TYPE)
    }

    /// `T[]`
    pub(crate) fn array(&mut self, element: TypeId) -> TypeId {
        if element == ERROR { ERROR } else { self.table.intern(Type::Array(element)) }
    }

    /// `map<K, V>`
    pub(crate) fn map(&mut self, key: TypeId, value: TypeId) -> TypeId {
        if key == ERROR || value == ERROR { ERROR } else { self.table.intern(Type::Map(key, value)) }
    }

    /// `T?`; an optional, `null` and `any` stay what they are.
    pub(crate) fn optional(&mut self, inner: TypeId) -> TypeId {
        match self.of(inner) {
            Type::Optional(_) | Type::Null | Type::Any => inner,
            Type::Never => self.null,
            _ if inner == ERROR => ERROR,
            _ => self.table.intern(Type::Optional(inner)),
        }
    }

    /// `(A, B)`
    pub(crate) fn tuple(&mut self, parts: Vec<TypeId>) -> TypeId {
        if parts.contains(&ERROR) { ERROR } else { self.table.intern(Type::Tuple(parts)) }
    }

    /// `Result<T, E>`
    pub(crate) fn result(&mut self, ok: TypeId, err: TypeId) -> TypeId {
        if ok == ERROR || err == ERROR { ERROR } else { self.table.intern(Type::Result(ok, err)) }
    }

    /// `fn(A) -> B`
    pub(crate) fn function(&mut self, parameters: Vec<TypeId>, result: TypeId) -> TypeId {
        if result == ERROR || parameters.contains(&ERROR) { ERROR } else { self.table.intern(Type::Function(parameters, result)) }
    }

    /// `Future<T>`
    pub(crate) fn future(&mut self, inner: TypeId) -> TypeId {
        if inner == ERROR { ERROR } else { self.table.intern(Type::Future(inner)) }
    }

    /// A stream whose reply is of a type: `Stream<Chunk>` where that is text, else `Stream<T>`. Its loop gives chunks in any case.
    pub(crate) fn stream(&mut self, reply: TypeId) -> TypeId {
        match reply {
            ERROR => ERROR,
            text if text == self.str => {
                let chunk = self.chunk();
                self.table.intern(Type::Stream(chunk))
            }
            reply => self.table.intern(Type::Stream(reply)),
        }
    }

    /// `Chunk`, a part of a streamed answer.
    pub(crate) fn chunk(&mut self) -> TypeId {
        self.table.intern(Type::Struct(prelude::CHUNK, Vec::new()))
    }

    /// A struct with its arguments.
    pub(crate) fn structure(&mut self, id: StructId, arguments: Vec<TypeId>) -> TypeId {
        if arguments.contains(&ERROR) { ERROR } else { self.table.intern(Type::Struct(id, arguments)) }
    }

    /// An enum with its arguments.
    pub(crate) fn enumeration(&mut self, id: EnumId, arguments: Vec<TypeId>) -> TypeId {
        if arguments.contains(&ERROR) { ERROR } else { self.table.intern(Type::Enum(id, arguments)) }
    }

    /// The handle type of an agent.
    pub(crate) fn agent(&mut self, id: AgentId) -> TypeId {
        self.table.intern(Type::Agent(id))
    }

    /// Type parameter number `index` of the function or type under check.
    pub(crate) fn parameter(&mut self, index: u32) -> TypeId {
        self.table.intern(Type::Parameter(index))
    }

    /// Whether it is `int`, `float`, `duration` or `money`.
    pub(crate) fn is_numeric(&self, id: TypeId) -> bool {
        matches!(self.of(id), Type::Int | Type::Float | Type::Duration | Type::Money)
    }

    /// The type without the `?`.
    pub(crate) fn without_null(&self, id: TypeId) -> TypeId {
        match self.of(id) {
            Type::Optional(inner) => *inner,
            _ => id,
        }
    }

    /// Whether a type parameter occurs anywhere in it.
    pub(crate) fn has_parameter(&self, id: TypeId) -> bool {
        match self.of(id) {
            Type::Parameter(_) => id != ERROR,
            Type::Array(a) | Type::Optional(a) | Type::Future(a) | Type::Stream(a) => self.has_parameter(*a),
            Type::Map(a, b) | Type::Result(a, b) => self.has_parameter(*a) || self.has_parameter(*b),
            Type::Tuple(parts) | Type::Struct(_, parts) | Type::Enum(_, parts) => {
                parts.iter().any(|part| self.has_parameter(*part))
            }
            Type::Function(parts, result) => self.has_parameter(*result) || parts.iter().any(|part| self.has_parameter(*part)),
            _ => false,
        }
    }

    /// Whether something in it is not known yet.
    pub(crate) fn has_hole(&self, id: TypeId) -> bool {
        match self.of(id) {
            Type::Parameter(index) => id != ERROR && *index >= HOLES_START,
            Type::Array(a) | Type::Optional(a) | Type::Future(a) | Type::Stream(a) => self.has_hole(*a),
            Type::Map(a, b) | Type::Result(a, b) => self.has_hole(*a) || self.has_hole(*b),
            Type::Tuple(parts) | Type::Struct(_, parts) | Type::Enum(_, parts) => parts.iter().any(|part| self.has_hole(*part)),
            Type::Function(parts, result) => self.has_hole(*result) || parts.iter().any(|part| self.has_hole(*part)),
            _ => false,
        }
    }

    /// The type with its parameters replaced by what is known of them, and by holes where nothing is.
    pub(crate) fn substitute_known(&mut self, id: TypeId, arguments: &[Option<TypeId>]) -> TypeId {
        let filled: Vec<Option<TypeId>> = (0..)
            .zip(arguments)
            .map(|(index, known)| Some(known.unwrap_or_else(|| self.parameter(HOLES_START + index))))
            .collect();
        self.substitute(id, &filled)
    }

    /// The type with its parameters replaced. Those without an argument stay.
    pub(crate) fn substitute(&mut self, id: TypeId, arguments: &[Option<TypeId>]) -> TypeId {
        if arguments.is_empty() || !self.has_parameter(id) {
            return id;
        }
        match self.of(id).clone() {
            Type::Parameter(index) => arguments.get(index as usize).copied().flatten().unwrap_or(id),
            Type::Array(a) => {
                let a = self.substitute(a, arguments);
                self.array(a)
            }
            Type::Optional(a) => {
                let a = self.substitute(a, arguments);
                self.optional(a)
            }
            Type::Future(a) => {
                let a = self.substitute(a, arguments);
                self.future(a)
            }
            Type::Stream(a) => {
                let a = self.substitute(a, arguments);
                self.stream(a)
            }
            Type::Map(a, b) => {
                let (a, b) = (self.substitute(a, arguments), self.substitute(b, arguments));
                self.map(a, b)
            }
            Type::Result(a, b) => {
                let (a, b) = (self.substitute(a, arguments), self.substitute(b, arguments));
                self.result(a, b)
            }
            Type::Tuple(parts) => {
                let parts = self.substitute_all(&parts, arguments);
                self.tuple(parts)
            }
            Type::Struct(definition, parts) => {
                let parts = self.substitute_all(&parts, arguments);
                self.structure(definition, parts)
            }
            Type::Enum(definition, parts) => {
                let parts = self.substitute_all(&parts, arguments);
                self.enumeration(definition, parts)
            }
            Type::Function(parts, result) => {
                let parts = self.substitute_all(&parts, arguments);
                let result = self.substitute(result, arguments);
                self.function(parts, result)
            }
            _ => id,
        }
    }

    fn substitute_all(&mut self, parts: &[TypeId], arguments: &[Option<TypeId>]) -> Vec<TypeId> {
        parts.iter().map(|part| self.substitute(*part, arguments)).collect()
    }

    /// Learns parameters of `pattern` from the type `actual` of a value given for it. Contradictions are left to the check of
    /// the value against the substituted type.
    pub(crate) fn learn(&self, pattern: TypeId, actual: TypeId, learnt: &mut [Option<TypeId>]) {
        if pattern == actual && !self.has_parameter(pattern) || actual == ERROR {
            return;
        }
        match (self.of(pattern), self.of(actual)) {
            (Type::Parameter(index), found) => {
                if let Some(slot) = learnt.get_mut(*index as usize)
                    && slot.is_none_or(|old| matches!(self.of(old), Type::Null | Type::Never))
                    && !matches!(found, Type::Never | Type::Void)
                    && !self.has_hole(actual)
                {
                    *slot = Some(actual);
                }
            }
            (Type::Optional(a), Type::Optional(b)) => self.learn(*a, *b, learnt),
            (Type::Optional(_), Type::Null) => {}
            (Type::Optional(a), _) => self.learn(*a, actual, learnt),
            (Type::Array(a), Type::Array(b)) | (Type::Future(a), Type::Future(b)) | (Type::Stream(a), Type::Stream(b)) => {
                self.learn(*a, *b, learnt);
            }
            (Type::Map(a, b), Type::Map(c, d)) | (Type::Result(a, b), Type::Result(c, d)) => {
                self.learn(*a, *c, learnt);
                self.learn(*b, *d, learnt);
            }
            (Type::Tuple(a), Type::Tuple(b)) => self.learn_all(a, b, learnt),
            (Type::Struct(a, parts), Type::Struct(b, others)) if a == b => self.learn_all(parts, others, learnt),
            (Type::Enum(a, parts), Type::Enum(b, others)) if a == b => self.learn_all(parts, others, learnt),
            (Type::Function(a, x), Type::Function(b, y)) => {
                self.learn_all(a, b, learnt);
                self.learn(*x, *y, learnt);
            }
            _ => {}
        }
    }

    fn learn_all(&self, patterns: &[TypeId], actual: &[TypeId], learnt: &mut [Option<TypeId>]) {
        for (pattern, actual) in patterns.iter().zip(actual) {
            self.learn(*pattern, *actual, learnt);
        }
    }
}

/// Names of the program's own types, for messages.
#[derive(Debug, Default)]
pub(crate) struct TypeNames {
    /// By `StructId`.
    pub(crate) structs: Vec<String>,
    /// By `EnumId`.
    pub(crate) enums: Vec<String>,
    /// By `AgentId`.
    pub(crate) agents: Vec<String>,
}

impl TypeNames {
    /// A type as its user would write it; `parameters` are the names of the type parameters in scope.
    pub(crate) fn show(&self, types: &Types, parameters: &[&str], id: TypeId) -> String {
        let mut writer = Writer { names: self, types, parameters, text: String::new() };
        writer.write(id);
        writer.text
    }
}

/// A type on its way to text.
struct Writer<'w> {
    names: &'w TypeNames,
    types: &'w Types,
    parameters: &'w [&'w str],
    text: String,
}

impl Writer<'_> {
    fn write(&mut self, id: TypeId) {
        let word = match self.types.of(id) {
            Type::Null => "null",
            Type::Void => "void",
            Type::Never => "never",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Float => "float",
            Type::Str => "str",
            Type::Bytes => "bytes",
            Type::Duration => "duration",
            Type::Money => "money",
            Type::Any => "any",
            Type::Json => "json",
            Type::Error => "Error",
            Type::Secret => "Secret",
            Type::Range => "range",
            Type::AnyAgent => "agent",
            Type::Process => "process",
            Type::Monitor => "Monitor",
            Type::Span => "Span",
            Type::Parameter(index) => self.parameters.get(*index as usize).copied().unwrap_or("?"),
            Type::Agent(agent) => self.names.agents.get(agent.0 as usize).map_or("agent", String::as_str),
            Type::Array(element) => {
                let grouped = matches!(self.types.of(*element), Type::Function(..));
                self.write_grouped(*element, grouped);
                "[]"
            }
            Type::Optional(inner) => {
                let grouped = matches!(self.types.of(*inner), Type::Function(..));
                self.write_grouped(*inner, grouped);
                "?"
            }
            Type::Map(key, value) => return self.write_arguments("map", &[*key, *value]),
            Type::Result(ok, err) => return self.write_arguments("Result", &[*ok, *err]),
            Type::Future(inner) => return self.write_arguments("Future", &[*inner]),
            Type::Stream(inner) => return self.write_arguments("Stream", &[*inner]),
            Type::Struct(definition, arguments) => {
                let name = self.names.structs.get(definition.0 as usize).map_or("struct", String::as_str);
                return self.write_arguments(name, arguments);
            }
            Type::Enum(definition, arguments) => {
                let name = self.names.enums.get(definition.0 as usize).map_or("enum", String::as_str);
                return self.write_arguments(name, arguments);
            }
            Type::Tuple(parts) => {
                self.text.push('(');
                self.write_list(parts);
                ")"
            }
            Type::Function(parameters, result) => {
                self.text.push_str("fn(");
                self.write_list(parameters);
                self.text.push(')');
                if *result != self.types.void {
                    self.text.push_str(" -> ");
                    self.write(*result);
                }
                ""
            }
        };
        self.text.push_str(word);
    }

    fn write_grouped(&mut self, id: TypeId, grouped: bool) {
        if grouped {
            self.text.push('(');
        }
        self.write(id);
        if grouped {
            self.text.push(')');
        }
    }

    fn write_arguments(&mut self, name: &str, arguments: &[TypeId]) {
        self.text.push_str(name);
        if !arguments.is_empty() {
            self.text.push('<');
            self.write_list(arguments);
            self.text.push('>');
        }
    }

    fn write_list(&mut self, parts: &[TypeId]) {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.write(*part);
        }
    }
}
