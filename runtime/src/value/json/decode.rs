//! JSON to values of a wanted type, with every place that does not fit.

use std::fmt;

use vega_bytecode::module::FieldDefinition;
use vega_bytecode::{EnumId, Module, StructId, Type, TypeId};

use super::DEPTH_MAX;
use crate::value::amount::{parse_duration, parse_money};
use crate::value::map::Map;
use crate::value::{Array, Bytes, ERR, OK, RESULT, Secret, Value, View, bytes, heap, is_type, schema};

/// One place in JSON that does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where, as `items[3].name`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// All problems in one line.
pub fn problems_text(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

/// More problems than this are not collected: nobody reads them.
const PROBLEMS_MAX: usize = 20;

/// How much of a found value a problem shows, in characters.
const SHOWN_MAX: usize = 40;

/// Makes a value of type `ty` of a JSON value. Members that the type does not name are ignored; absent ones are null.
pub fn decode(json: &Value, ty: TypeId, module: &Module) -> Result<Value, Vec<Problem>> {
    let mut decoder = Decoder { module, path: Vec::new(), problems: Vec::new() };
    let value = decoder.decode(json, ty, &Arguments::NONE);
    match value {
        Some(value) if decoder.problems.is_empty() => Ok(value),
        _ => Err(decoder.problems),
    }
}

/// Like [`decode`], for an answer to [`schema::reply_schema`]: what is no object there is wrapped as `{"value": …}`. The bare value
/// is accepted too.
pub fn decode_wrapped(json: &Value, ty: TypeId, module: &Module) -> Result<Value, Vec<Problem>> {
    if !schema::is_object(ty, module) {
        let wrapped = json.as_map().filter(|map| map.len() == 1).and_then(|map| map.get_text("value"));
        if let Some(value) = wrapped {
            return decode(value, ty, module);
        }
    }
    decode(json, ty, module)
}

/// Type arguments in force, and the ones in which they are meant.
struct Arguments<'a> {
    types: &'a [TypeId],
    outer: Option<&'a Arguments<'a>>,
}

impl Arguments<'_> {
    const NONE: Arguments<'static> = Arguments { types: &[], outer: None };
}

enum Step {
    Name(String),
    Index(usize),
}

struct Decoder<'m> {
    module: &'m Module,
    path: Vec<Step>,
    problems: Vec<Problem>,
}

impl Decoder<'_> {
    fn problem(&mut self, message: String) -> Option<Value> {
        if self.problems.len() < PROBLEMS_MAX {
            let mut path = String::new();
            for step in &self.path {
                match step {
                    Step::Name(name) if path.is_empty() => path.push_str(name),
                    Step::Name(name) => path.push_str(&format!(".{name}")),
                    Step::Index(index) => path.push_str(&format!("[{index}]")),
                }
            }
            self.problems.push(Problem { path, message });
        }
        None
    }

    fn expected(&mut self, what: &str, found: &Value) -> Option<Value> {
        let shown = match found.view() {
            View::Array(_) => "an array".to_string(),
            View::Map(_) => "an object".to_string(),
            _ => {
                let text = format!("{found:?}");
                if text.chars().count() > SHOWN_MAX {
                    format!("{}…", text.chars().take(SHOWN_MAX).collect::<String>())
                } else {
                    text
                }
            }
        };
        self.problem(format!("expected {what}, found {shown}"))
    }

    fn at(&mut self, step: Step, json: &Value, ty: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        self.path.push(step);
        let value = if self.path.len() > DEPTH_MAX {
            self.problem(format!("nested more than {DEPTH_MAX} deep"))
        } else if heap::over_limit() {
            // A small value that shares its parts may stand for JSON without end.
            self.problem("too large for the process".to_string())
        } else {
            self.decode(json, ty, arguments)
        };
        self.path.pop();
        value
    }

    /// Types with parts; what has none is left to [`Decoder::scalar`]. The two are apart because this one recurses, and the many
    /// small cases of the other would make its frames large.
    fn decode(&mut self, json: &Value, ty: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        match self.module.types.get(ty) {
            Some(Type::Parameter(index)) => match (arguments.types.get(*index as usize), arguments.outer) {
                (Some(&argument), Some(outer)) => self.decode(json, argument, outer),
                (Some(&argument), None) => self.decode(json, argument, &Arguments::NONE),
                (None, _) => Some(json.clone().seen_as_json()),
            },
            Some(Type::Optional(inner)) if !json.is_null() => self.decode(json, *inner, arguments),
            Some(Type::Array(element)) => self.array(json, ty, *element, arguments),
            Some(Type::Tuple(parts)) => self.tuple(json, ty, parts, arguments),
            Some(Type::Map(key, value)) => self.map(json, ty, *key, *value, arguments),
            Some(Type::Result(ok, err)) => self.result(json, *ok, *err, arguments),
            Some(Type::Struct(id, types)) => self.structure(json, ty, *id, &Arguments { types, outer: Some(arguments) }),
            Some(Type::Enum(id, types)) => self.variant(json, *id, &Arguments { types, outer: Some(arguments) }),
            _ => self.scalar(json, ty),
        }
    }

    #[inline(never)]
    fn unlike(&mut self, json: &Value, ty: TypeId) -> Option<Value> {
        let name = is_type::type_name(ty, self.module);
        self.expected(&name, json)
    }

    fn array(&mut self, json: &Value, ty: TypeId, element: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        match json.as_array() {
            Some(array) => self.elements(array, &[element], arguments).map(Value::array),
            None => self.unlike(json, ty),
        }
    }

    fn tuple(&mut self, json: &Value, ty: TypeId, parts: &[TypeId], arguments: &Arguments<'_>) -> Option<Value> {
        match json.as_array() {
            Some(array) if array.len() == parts.len() => self.elements(array, parts, arguments).map(Value::tuple),
            Some(array) => self.problem(format!("expected {} elements, found {}", parts.len(), array.len())),
            None => self.unlike(json, ty),
        }
    }

    fn result(&mut self, json: &Value, ok: TypeId, err: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        for (name, ty, variant) in [("Ok", ok, OK), ("Err", err, ERR)] {
            if let Some(inner) = json.as_map().filter(|map| map.len() == 1).and_then(|map| map.get_text(name)) {
                let value = self.at(Step::Name(name.to_string()), inner, ty, arguments)?;
                return Some(Value::variant(RESULT, variant, vec![value]));
            }
        }
        self.expected("an object with one member, `Ok` or `Err`", json)
    }

    fn structure(&mut self, json: &Value, ty: TypeId, id: StructId, arguments: &Arguments<'_>) -> Option<Value> {
        let Some(definition) = self.module.structs.get(id.0 as usize) else {
            return self.problem("the struct is unknown".to_string());
        };
        match json.as_map() {
            Some(map) => self.fields(map, &definition.fields, arguments).map(|fields| Value::structure(id, fields)),
            None => self.unlike(json, ty),
        }
    }

    /// Types without parts.
    #[inline(never)]
    fn scalar(&mut self, json: &Value, ty: TypeId) -> Option<Value> {
        let module = self.module;
        let Some(wanted) = module.types.get(ty) else { return self.problem("the type is unknown".to_string()) };
        match (wanted, json.view()) {
            (Type::Json, _) => Some(json.clone().seen_as_json()),
            (Type::Any, _) => Some(plain(json, DEPTH_MAX * 2)),
            (Type::Optional(_) | Type::Null | Type::Void, View::Null) => Some(Value::NULL),
            (Type::Bool, View::Bool(value)) => Some(Value::bool(value)),
            (Type::Int, View::Int(value)) => Some(Value::int(value)),
            // JSON does not tell 3.0 from 3.
            (Type::Int, View::Float(value)) if value.trunc() == value && value.abs() < 9.0e15 => Some(Value::int(value as i64)),
            (Type::Float, View::Float(value)) => Some(Value::float(value)),
            (Type::Float, View::Int(value)) => Some(Value::float(value as f64)),
            (Type::Float, View::Bytes(_)) if json.is_json() => Some(json.clone().seen_plainly()),
            (Type::Str, View::Str(_)) => Some(json.clone().seen_plainly()),
            (Type::Secret, View::Str(text)) => Some(Secret::new(text.clone()).into()),
            (Type::Bytes, View::Str(text)) => match bytes::from_base64(text.as_str()) {
                Some(bytes) => Some(Bytes::from(bytes).into()),
                None => self.expected("bytes as base64 text", json),
            },
            (Type::Duration, View::Str(text)) => match parse_duration(text.as_str()) {
                Some(nanoseconds) => Some(Value::duration(nanoseconds)),
                None => self.expected("a duration such as \"1m30s\"", json),
            },
            (Type::Duration, View::Int(milliseconds)) => match milliseconds.checked_mul(1_000_000) {
                Some(nanoseconds) => Some(Value::duration(nanoseconds)),
                None => self.expected("a duration that fits", json),
            },
            (Type::Money, View::Str(text)) => match parse_money(text.as_str()) {
                Some(pico_dollars) => Some(Value::money(pico_dollars)),
                None => self.expected("an amount such as \"$0.50\"", json),
            },
            (Type::Money, View::Int(dollars)) => match dollars.checked_mul(1_000_000_000_000) {
                Some(pico_dollars) => Some(Value::money(pico_dollars)),
                None => self.expected("an amount that fits", json),
            },
            // The shortest text of the double is what the JSON said.
            (Type::Money, View::Float(dollars)) => match parse_money(&format!("${dollars}")) {
                Some(pico_dollars) => Some(Value::money(pico_dollars)),
                None => self.expected("an amount such as 0.5", json),
            },
            (Type::Range, View::Str(text)) => match parse_range(text.as_str()) {
                Some(range) => Some(range.into()),
                None => self.expected("a range such as \"0..10\"", json),
            },
            (
                Type::Error
                | Type::Function(..)
                | Type::Agent(_)
                | Type::AnyAgent
                | Type::Process
                | Type::Future(_)
                | Type::Stream(_)
                | Type::Monitor
                | Type::Span
                | Type::Never,
                _,
            ) => self.problem(format!("{} has no JSON form", is_type::type_name(ty, module))),
            (
                Type::Null
                | Type::Void
                | Type::Optional(_)
                | Type::Parameter(_)
                | Type::Bool
                | Type::Int
                | Type::Float
                | Type::Str
                | Type::Secret
                | Type::Bytes
                | Type::Duration
                | Type::Money
                | Type::Array(_)
                | Type::Tuple(_)
                | Type::Map(..)
                | Type::Result(..)
                | Type::Struct(..)
                | Type::Enum(..)
                | Type::Range,
                _,
            ) => self.unlike(json, ty),
        }
    }

    /// The elements by their types; the last type holds for all further elements.
    fn elements(&mut self, array: &Array, types: &[TypeId], arguments: &Arguments<'_>) -> Option<Vec<Value>> {
        let mut values = Some(Vec::with_capacity(array.len()));
        for (index, element) in array.as_slice().iter().enumerate() {
            let Some(&ty) = types.get(index).or(types.last()) else { continue };
            // Every element is looked at, so that all problems are found.
            match (self.at(Step::Index(index), element, ty, arguments), &mut values) {
                (Some(value), Some(values)) => values.push(value),
                (Some(_), None) => {}
                (None, _) => values = None,
            }
        }
        values
    }

    fn fields(&mut self, map: &Map, fields: &[FieldDefinition], arguments: &Arguments<'_>) -> Option<Vec<Value>> {
        let mut values = Some(Vec::with_capacity(fields.len()));
        for field in fields {
            let step = Step::Name(field.name.clone());
            let value = match map.get_text(&field.name) {
                Some(member) => self.at(step, member, field.ty, arguments),
                None if self.takes_null(field.ty, arguments) => Some(Value::NULL),
                None => {
                    self.path.push(step);
                    self.problem("is missing".to_string());
                    self.path.pop();
                    None
                }
            };
            match (value, &mut values) {
                (Some(value), Some(values)) => values.push(value),
                (Some(_), None) => {}
                (None, _) => values = None,
            }
        }
        values
    }

    fn takes_null(&self, ty: TypeId, arguments: &Arguments<'_>) -> bool {
        match self.module.types.get(ty) {
            Some(Type::Optional(_) | Type::Null | Type::Void) => true,
            Some(Type::Parameter(index)) => match arguments.types.get(*index as usize) {
                Some(&argument) => self.takes_null(argument, arguments.outer.unwrap_or(&Arguments::NONE)),
                None => false,
            },
            _ => false,
        }
    }

    fn map(&mut self, json: &Value, ty: TypeId, key: TypeId, value: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        match (json.as_map(), json.as_array()) {
            (Some(map), _) => self.map_of_members(map, key, value, arguments),
            (_, Some(entries)) => self.map_of_entries(entries, key, value, arguments),
            _ => self.unlike(json, ty),
        }
    }

    fn map_of_members(&mut self, map: &Map, key_type: TypeId, value_type: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        let mut result = Map::new();
        let mut sound = true;
        for (name, member) in map.iter() {
            let name = name.as_text().unwrap_or_default();
            let key = self.key(name, key_type, arguments);
            let value = self.at(Step::Name(name.to_string()), member, value_type, arguments);
            match (key, value) {
                (Some(key), Some(value)) => drop(result.insert(key, value)),
                _ => sound = false,
            }
        }
        sound.then(|| result.into())
    }

    /// `[{"key": …, "value": …}, …]`, which schemas without free names ask for.
    fn map_of_entries(
        &mut self,
        entries: &Array,
        key_type: TypeId,
        value_type: TypeId,
        arguments: &Arguments<'_>,
    ) -> Option<Value> {
        let mut result = Map::new();
        let mut sound = true;
        for (index, entry) in entries.as_slice().iter().enumerate() {
            let parts = entry.as_map().and_then(|entry| Some((entry.get_text("key")?, entry.get_text("value")?)));
            self.path.push(Step::Index(index));
            match parts {
                Some((key, value)) => {
                    let key = match key.as_text() {
                        Some(name) => self.key(name, key_type, arguments),
                        None => self.at(Step::Name("key".to_string()), key, key_type, arguments),
                    };
                    let value = self.at(Step::Name("value".to_string()), value, value_type, arguments);
                    match (key, value) {
                        (Some(key), Some(value)) => drop(result.insert(key, value)),
                        _ => sound = false,
                    }
                }
                None => {
                    self.expected("an object with `key` and `value`", entry);
                    sound = false;
                }
            }
            self.path.pop();
        }
        sound.then(|| result.into())
    }

    /// A key of the wanted type, of its text.
    fn key(&mut self, text: &str, ty: TypeId, arguments: &Arguments<'_>) -> Option<Value> {
        let key = match self.module.types.get(ty) {
            Some(Type::Int) => text.parse().ok().map(Value::int),
            Some(Type::Bool) => text.parse().ok().map(Value::bool),
            Some(Type::Enum(id, _)) => self.unit_variant(*id, text),
            Some(Type::Parameter(index)) => match arguments.types.get(*index as usize) {
                Some(&argument) => return self.key(text, argument, arguments.outer.unwrap_or(&Arguments::NONE)),
                None => Some(Value::str(text)),
            },
            _ => Some(Value::str(text)),
        };
        if key.is_none() {
            let name = is_type::type_name(ty, self.module);
            self.problem(format!("the key {text:?} is no {name}"));
        }
        key
    }

    fn unit_variant(&self, id: EnumId, name: &str) -> Option<Value> {
        let variants = &self.module.enums.get(id.0 as usize)?.variants;
        let index = variants.iter().position(|variant| variant.name == name && variant.payload.is_empty())?;
        Some(Value::unit_variant(id, index as u16))
    }

    fn variant(&mut self, json: &Value, id: EnumId, arguments: &Arguments<'_>) -> Option<Value> {
        let module = self.module;
        let Some(definition) = module.enums.get(id.0 as usize) else { return self.problem("the enum is unknown".to_string()) };
        let (name, payload) = match (json.view(), json.as_map().and_then(|map| map.entry_from(0))) {
            (View::Str(name), _) => (name.as_str(), None),
            (View::Map(map), Some((_, name, payload))) if map.len() == 1 => (name.as_text().unwrap_or_default(), Some(payload)),
            _ => return self.expected("a variant: its name, or an object with its name alone", json),
        };
        let Some(index) = definition.variants.iter().position(|variant| variant.name == name) else {
            let names: Vec<&str> = definition.variants.iter().map(|variant| variant.name.as_str()).collect();
            return self.problem(format!("expected one of {}, found {name:?}", names.join(", ")));
        };
        let fields = &definition.variants[index].payload;
        let named = fields.first().is_some_and(|field| !field.name.is_empty());
        let values = match (fields.as_slice(), payload) {
            ([], _) => Vec::new(),
            (_, None) => return self.problem(format!("{name} has a payload: expected an object {{{name:?}: …}}")),
            (_, Some(payload)) if named => {
                self.path.push(Step::Name(name.to_string()));
                let values = match payload.as_map() {
                    Some(map) => self.fields(map, fields, arguments),
                    None => {
                        self.expected("an object", payload);
                        None
                    }
                };
                self.path.pop();
                values?
            }
            ([field], Some(payload)) => vec![self.at(Step::Name(name.to_string()), payload, field.ty, arguments)?],
            (_, Some(payload)) => {
                self.path.push(Step::Name(name.to_string()));
                let values = match payload.as_array() {
                    Some(array) if array.len() == fields.len() => {
                        let types: Vec<TypeId> = fields.iter().map(|field| field.ty).collect();
                        self.elements(array, &types, arguments)
                    }
                    _ => {
                        let what = format!("an array of {}", fields.len());
                        self.expected(&what, payload);
                        None
                    }
                };
                self.path.pop();
                values?
            }
        };
        Some(Value::variant(id, index as u16, values))
    }
}

/// The JSON value as plain values all the way down.
fn plain(json: &Value, depth: usize) -> Value {
    // A process whose heap is full ends at its next instruction, whatever is made here.
    let Some(depth) = depth.checked_sub(1).filter(|_| !heap::over_limit()) else { return json.clone() };
    match json.view() {
        View::Array(array) => Value::array(array.as_slice().iter().map(|value| plain(value, depth)).collect()),
        View::Map(map) => map.iter().map(|(key, value)| (key.clone(), plain(value, depth))).collect::<Map>().into(),
        _ => json.clone().seen_plainly(),
    }
}

fn parse_range(text: &str) -> Option<crate::value::Range> {
    let (start, end) = text.split_once("..")?;
    let (end, inclusive) = match end.strip_prefix('=') {
        Some(end) => (end, true),
        None => (end, false),
    };
    Some(crate::value::Range::new(start.trim().parse().ok()?, end.trim().parse().ok()?, inclusive))
}
