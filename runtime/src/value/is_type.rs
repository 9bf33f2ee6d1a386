//! Whether a value has exactly a type, and the names of types in messages.
//!
//! Values do not carry their static type: containers are looked through. An empty array is of every array type.

use hashbrown::HashSet;
use vega_bytecode::{Module, Type, TypeId, kinds};

use super::{HandleKind, OK, RESULT, Tag, Value, View, json, print};
use crate::error::Error;

/// Type arguments in force while the fields of a generic type are looked at.
#[derive(Clone, Copy)]
struct Scope<'m> {
    arguments: &'m [TypeId],
    /// The scope in which the arguments themselves are meant.
    outer: usize,
}

/// The scope without type arguments.
const OUTERMOST: usize = 0;

/// Whether a value has exactly a type.
pub fn is_type(value: &Value, ty: TypeId, module: &Module) -> bool {
    if let Some(answer) = at_a_glance(value, ty, module) {
        return answer;
    }
    let mut test = Test { module, scopes: vec![Scope { arguments: &[], outer: OUTERMOST }], open: Vec::new() };
    if value.is_json() {
        return test.json(value, ty);
    }
    test.open.push((value, ty, OUTERMOST));
    let mut seen = HashSet::new();
    while let Some((value, ty, scope)) = test.open.pop() {
        // What is shared within the value is looked at once for each type: one refusal settles the whole.
        let begun = value.shared_address().is_some_and(|address| !seen.insert((address, ty, scope)));
        if !begun && !test.holds(value, ty, scope) {
            return false;
        }
    }
    true
}

/// The same where the value's own tag and definition settle it, which is usual for messages: nothing has to be looked through.
#[inline]
pub(crate) fn at_a_glance(value: &Value, ty: TypeId, module: &Module) -> Option<bool> {
    if value.is_json() {
        return None;
    }
    let tag = match module.types.get(ty)? {
        Type::Null | Type::Void => Tag::Null,
        Type::Bool => Tag::Bool,
        Type::Int => Tag::Int,
        Type::Float => Tag::Float,
        Type::Str => Tag::Str,
        Type::Bytes => Tag::Bytes,
        Type::Duration => Tag::Duration,
        Type::Money => Tag::Money,
        Type::Struct(id, arguments) if arguments.is_empty() => {
            return Some(matches!(value.view(), View::Struct(found, _) if found == *id));
        }
        _ => return None,
    };
    Some(value.tag() == tag)
}

struct Test<'a, 'm> {
    module: &'m Module,
    scopes: Vec<Scope<'m>>,
    /// What must hold too: value, type, scope of the type.
    open: Vec<(&'a Value, TypeId, usize)>,
}

impl<'a, 'm> Test<'a, 'm> {
    /// A value that is seen as `json` is of that type, and of the plain type of a scalar; its arrays and maps hold `json`,
    /// which like everything is also `any`.
    fn json(&self, value: &Value, ty: TypeId) -> bool {
        let is_json = |id: &TypeId| matches!(self.module.types.get(*id), Some(Type::Json | Type::Any));
        match (self.module.types.get(ty), value.view()) {
            (Some(Type::Json | Type::Any | Type::Parameter(_)), _) => true,
            (Some(Type::Optional(_)), View::Null) => true,
            (Some(Type::Optional(inner)), _) => self.json(value, *inner),
            (Some(Type::Null), View::Null) | (Some(Type::Bool), View::Bool(_)) | (Some(Type::Int), View::Int(_)) => true,
            (Some(Type::Float), View::Float(_) | View::Bytes(_)) | (Some(Type::Str), View::Str(_)) => true,
            (Some(Type::Array(element)), View::Array(_)) => is_json(element),
            (Some(Type::Map(key, element)), View::Map(_)) => {
                matches!(self.module.types.get(*key), Some(Type::Str)) && is_json(element)
            }
            _ => false,
        }
    }

    fn holds(&mut self, value: &'a Value, ty: TypeId, scope: usize) -> bool {
        let module = self.module;
        let Some(ty) = module.types.get(ty) else { return false };
        if value.is_json() {
            return matches!(ty, Type::Json | Type::Any);
        }
        match ty {
            Type::Any => true,
            Type::Parameter(index) => {
                let Scope { arguments, outer } = self.scopes[scope];
                match arguments.get(*index as usize) {
                    // A parameter that nothing is known about fits everything.
                    None => true,
                    Some(&argument) => {
                        self.open.push((value, argument, outer));
                        true
                    }
                }
            }
            Type::Never | Type::Json => false,
            Type::Null | Type::Void => value.is_null(),
            Type::Bool => matches!(value.view(), View::Bool(_)),
            Type::Int => matches!(value.view(), View::Int(_)),
            Type::Float => matches!(value.view(), View::Float(_)),
            Type::Str => matches!(value.view(), View::Str(_)),
            Type::Bytes => matches!(value.view(), View::Bytes(_)),
            Type::Duration => matches!(value.view(), View::Duration(_)),
            Type::Money => matches!(value.view(), View::Money(_)),
            Type::Error => matches!(value.view(), View::Error(_)),
            Type::Secret => matches!(value.view(), View::Secret(_)),
            Type::Range => matches!(value.view(), View::Range(_)),
            Type::Optional(inner) => {
                if !value.is_null() {
                    self.open.push((value, *inner, scope));
                }
                true
            }
            Type::Array(element) => match value.view() {
                View::Array(array) => {
                    self.open.extend(array.as_slice().iter().map(|value| (value, *element, scope)));
                    true
                }
                _ => false,
            },
            Type::Map(key_type, value_type) => match value.view() {
                View::Map(map) => {
                    for (key, value) in map.iter() {
                        self.open.push((key, *key_type, scope));
                        self.open.push((value, *value_type, scope));
                    }
                    true
                }
                _ => false,
            },
            Type::Tuple(parts) => match value.view() {
                View::Tuple(record) if record.values().len() == parts.len() => {
                    self.open.extend(record.values().iter().zip(parts).map(|(value, part)| (value, *part, scope)));
                    true
                }
                _ => false,
            },
            Type::Result(ok, err) => match value.view() {
                View::Enum(RESULT, variant, record) => {
                    let ty = if variant == OK { *ok } else { *err };
                    self.open.extend(record.values().iter().map(|value| (value, ty, scope)));
                    true
                }
                _ => false,
            },
            Type::Struct(id, arguments) => match (value.view(), module.structs.get(id.0 as usize)) {
                (View::Struct(found, record), Some(definition)) if found == *id => {
                    if !arguments.is_empty() {
                        let scope = self.scope(arguments, scope);
                        let fields = definition.fields.iter();
                        self.open.extend(record.values().iter().zip(fields).map(|(value, field)| (value, field.ty, scope)));
                    }
                    // Without type arguments the definition alone decides the types of the fields.
                    true
                }
                _ => false,
            },
            Type::Enum(id, arguments) => match value.view() {
                View::UnitVariant(found, _) => found == *id,
                View::Enum(found, variant, record) if found == *id => {
                    let definition =
                        module.enums.get(id.0 as usize).and_then(|definition| definition.variants.get(variant as usize));
                    if let (false, Some(definition)) = (arguments.is_empty(), definition) {
                        let scope = self.scope(arguments, scope);
                        let fields = definition.payload.iter();
                        self.open.extend(record.values().iter().zip(fields).map(|(value, field)| (value, field.ty, scope)));
                    }
                    true
                }
                _ => false,
            },
            // A function does not carry its types, only how many parameters it has.
            Type::Function(parameters, _) => match value.view() {
                View::Function(id) | View::Closure(id, _) => {
                    module.functions.get(id.0 as usize).is_some_and(|function| function.parameters as usize == parameters.len())
                }
                _ => false,
            },
            Type::Process => matches!(value.view(), View::Process(_)) || handle_kind(value) == Some(HandleKind::Process),
            Type::Agent(id) => handle_kind(value) == Some(HandleKind::Agent(*id)),
            Type::AnyAgent => match handle_kind(value) {
                Some(HandleKind::Agent(id)) => {
                    let output = module.agents.get(id.0 as usize).and_then(|agent| module.types.get(agent.output));
                    matches!(output, Some(Type::Str))
                }
                _ => false,
            },
            Type::Future(_) => handle_kind(value) == Some(HandleKind::Future),
            Type::Stream(_) => handle_kind(value) == Some(HandleKind::Stream),
            Type::Monitor => value.tag() == Tag::Monitor,
            Type::Span => handle_kind(value) == Some(HandleKind::Span),
        }
    }

    /// The scope of a generic type's fields.
    fn scope(&mut self, arguments: &'m [TypeId], outer: usize) -> usize {
        // A recursive type hands its own parameters on; without this, scopes would pile up with the depth of the value.
        let handed_on = |(index, id): (usize, &TypeId)| self.module.types.get(*id) == Some(&Type::Parameter(index as u32));
        if arguments.len() == self.scopes[outer].arguments.len() && arguments.iter().enumerate().all(handed_on) {
            return outer;
        }
        self.scopes.push(Scope { arguments, outer });
        self.scopes.len() - 1
    }
}

fn handle_kind(value: &Value) -> Option<HandleKind> {
    value.as_handle().map(|handle| handle.target().kind())
}

/// The value as one of the type, or the error that it is none. What fits JSON becomes `json` where that is wanted.
pub fn narrow(value: Value, ty: TypeId, module: &Module) -> Result<Value, Error> {
    if is_type(&value, ty, module) {
        let keeps_json = match module.types.get(ty) {
            Some(Type::Json | Type::Any | Type::Parameter(_)) => true,
            Some(Type::Optional(inner)) => matches!(module.types.get(*inner), Some(Type::Json | Type::Any)),
            _ => false,
        };
        return Ok(if keeps_json { value } else { value.seen_plainly() });
    }
    // `float(x)` of what turns out to be an int, as in the JSON `{ "price": 3 }`.
    if let (Some(Type::Float), View::Int(int)) = (module.types.get(ty), value.view()) {
        return Ok(Value::float(int as f64));
    }
    let wants_json = match module.types.get(ty) {
        Some(Type::Json) => true,
        Some(Type::Optional(inner)) => matches!(module.types.get(*inner), Some(Type::Json)),
        _ => false,
    };
    if wants_json {
        return json::to_json(&value, module);
    }
    let (expected, found) = (type_name(ty, module), value_type_name(&value, module));
    let message = format!("expected {expected}, found {found}");
    Err(Error::with_payload(kinds::TYPE_MISMATCH, message, vec![expected.into(), found.into()]))
}

/// How deep the names of nested types are spelled out.
const NAME_DEPTH_MAX: usize = 16;

/// A type as it is written.
pub fn type_name(ty: TypeId, module: &Module) -> String {
    name(ty, module, NAME_DEPTH_MAX)
}

fn name(ty: TypeId, module: &Module, depth: usize) -> String {
    let (Some(ty), Some(depth)) = (module.types.get(ty), depth.checked_sub(1)) else { return "…".to_string() };
    let one = |id: &TypeId| name(*id, module, depth);
    let list = |ids: &[TypeId]| ids.iter().map(one).collect::<Vec<_>>().join(", ");
    let generic = |name: &str, arguments: &[TypeId]| {
        if arguments.is_empty() { name.to_string() } else { format!("{name}<{}>", list(arguments)) }
    };
    match ty {
        Type::Null => "null".to_string(),
        Type::Void => "void".to_string(),
        Type::Never => "never".to_string(),
        Type::Bool => "bool".to_string(),
        Type::Int => "int".to_string(),
        Type::Float => "float".to_string(),
        Type::Str => "str".to_string(),
        Type::Bytes => "bytes".to_string(),
        Type::Duration => "duration".to_string(),
        Type::Money => "money".to_string(),
        Type::Any => "any".to_string(),
        Type::Json => "json".to_string(),
        Type::Error => "Error".to_string(),
        Type::Secret => "Secret".to_string(),
        Type::Array(element) => match module.types.get(*element) {
            Some(Type::Function(..)) => format!("({})[]", one(element)),
            _ => format!("{}[]", one(element)),
        },
        Type::Map(key, value) => format!("map<{}, {}>", one(key), one(value)),
        Type::Tuple(parts) => format!("({})", list(parts)),
        Type::Optional(inner) => format!("{}?", one(inner)),
        Type::Result(ok, err) => format!("Result<{}, {}>", one(ok), one(err)),
        Type::Range => "range".to_string(),
        Type::Struct(id, arguments) => generic(print::struct_name(*id, module), arguments),
        Type::Enum(id, arguments) => {
            generic(module.enums.get(id.0 as usize).map_or("enum", |definition| &definition.name), arguments)
        }
        Type::Parameter(index) => format!("T{index}"),
        Type::Function(parameters, result) => match module.types.get(*result) {
            Some(Type::Void) => format!("fn({})", list(parameters)),
            _ => format!("fn({}) -> {}", list(parameters), one(result)),
        },
        Type::Agent(id) => module.agents.get(id.0 as usize).map_or("agent", |agent| &agent.name).to_string(),
        Type::AnyAgent => "agent".to_string(),
        Type::Process => "process".to_string(),
        Type::Future(inner) => format!("Future<{}>", one(inner)),
        Type::Stream(inner) => format!("Stream<{}>", one(inner)),
        Type::Monitor => "Monitor".to_string(),
        Type::Span => "Span".to_string(),
    }
}

/// What a value is, as far as messages need it: containers without the types of what they hold.
pub fn value_type_name(value: &Value, module: &Module) -> String {
    if value.is_json() {
        return "json".to_string();
    }
    let name = match value.view() {
        View::Null | View::Frame(_) => "null",
        View::Bool(_) => "bool",
        View::Int(_) => "int",
        View::Float(_) => "float",
        View::Duration(_) => "duration",
        View::Money(_) => "money",
        View::Function(_) | View::Closure(..) => "a function",
        View::Process(_) => "process",
        View::Monitor(_) => "a monitor",
        View::Str(_) => "str",
        View::Bytes(_) => "bytes",
        View::Array(_) => "an array",
        View::Map(_) => "a map",
        View::Tuple(_) => "a tuple",
        View::Range(_) => "range",
        View::Error(_) => "Error",
        View::Secret(_) => "Secret",
        View::Struct(id, _) => return print::struct_name(id, module).to_string(),
        View::Enum(RESULT, ..) => "Result",
        View::UnitVariant(id, _) | View::Enum(id, ..) => {
            return module.enums.get(id.0 as usize).map_or("enum", |definition| &definition.name).to_string();
        }
        View::Handle(handle) => match handle.target().kind() {
            HandleKind::Agent(id) => return module.agents.get(id.0 as usize).map_or("agent", |agent| &agent.name).to_string(),
            kind => kind.noun(),
        },
    };
    name.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use vega_bytecode::module::{EnumDefinition, FieldDefinition, StructDefinition, VariantDefinition};
    use vega_bytecode::{EnumId, StructId};

    use super::*;

    #[test]
    fn containers_are_looked_through() {
        let mut module = Module::default();
        let int = module.types.intern(Type::Int);
        let text = module.types.intern(Type::Str);
        let any = module.types.intern(Type::Any);
        let ints = module.types.intern(Type::Array(int));
        let anys = module.types.intern(Type::Array(any));
        let maybe = module.types.intern(Type::Optional(ints));
        let map = module.types.intern(Type::Map(text, ints));
        let result = module.types.intern(Type::Result(int, text));
        let array = Value::array(vec![Value::int(1), Value::int(2)]);
        let mixed = Value::array(vec![Value::int(1), Value::str("x")]);
        assert!(is_type(&array, ints, &module) && is_type(&array, anys, &module) && is_type(&array, maybe, &module));
        assert!(is_type(&Value::NULL, maybe, &module) && !is_type(&Value::NULL, ints, &module));
        assert!(!is_type(&mixed, ints, &module) && is_type(&mixed, anys, &module));
        let entries: super::super::Map = [(Value::str("k"), array)].into_iter().collect();
        assert!(is_type(&entries.into(), map, &module));
        assert!(is_type(&Value::ok(Value::int(1)), result, &module) && !is_type(&Value::err(Value::int(1)), result, &module));
        assert!(!is_type(&Value::float(1.0), int, &module));
        let error = narrow(mixed, ints, &module).unwrap_err();
        assert_eq!(error.message().as_str(), "expected int[], found an array");
    }

    #[test]
    fn generic_types_are_told_apart_by_what_they_hold() {
        let mut module = Module::default();
        let int = module.types.intern(Type::Int);
        let text = module.types.intern(Type::Str);
        let parameter = module.types.intern(Type::Parameter(0));
        let list_of_parameter = module.types.intern(Type::Enum(EnumId(0), vec![parameter]));
        let field = |name: &str, ty| FieldDefinition { name: name.to_string(), ty };
        module.enums.push(EnumDefinition {
            name: "List".to_string(),
            variants: vec![
                VariantDefinition { name: "End".to_string(), payload: vec![] },
                VariantDefinition { name: "Item".to_string(), payload: vec![field("", parameter), field("", list_of_parameter)] },
            ],
        });
        module.structs.push(StructDefinition { name: "Held".to_string(), fields: vec![field("list", list_of_parameter)] });
        let ints = module.types.intern(Type::Enum(EnumId(0), vec![int]));
        let held_ints = module.types.intern(Type::Struct(StructId(0), vec![int]));
        let held_texts = module.types.intern(Type::Struct(StructId(0), vec![text]));
        let mut list = Value::unit_variant(EnumId(0), 0);
        for number in 0..50_000 {
            list = Value::variant(EnumId(0), 1, vec![Value::int(number), list]);
        }
        assert!(is_type(&list, ints, &module));
        let held = Value::structure(StructId(0), vec![list]);
        assert!(is_type(&held, held_ints, &module) && !is_type(&held, held_texts, &module));
        assert_eq!(type_name(held_texts, &module), "Held<str>");
    }
}
