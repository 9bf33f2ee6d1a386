//! JSON schemas of types, for tool parameters and typed replies.
//!
//! Strict forms throughout: every object names all of its members, requires them and allows no others; what may be absent is a union
//! with null. Types that contain themselves become references to `$defs`.

use vega_bytecode::module::{FieldDefinition, ToolParameter, VariantDefinition};
use vega_bytecode::{Module, Type, TypeId};

use super::print::write_json_string;

/// The schema of a reply of a type: what is no object is wrapped as `{"value": …}`.
pub fn reply_schema(ty: TypeId, module: &Module) -> String {
    let mut writer = Writer::new(module);
    if is_object(ty, module) {
        // The whole schema must be an object itself, so a type that contains itself is written out once here.
        writer.body(ty, &[]);
    } else {
        writer.object([("value", None, ty)].into_iter(), &[]);
    }
    writer.finish()
}

/// The schema of a tool's parameters.
pub fn parameters_schema(parameters: &[ToolParameter], module: &Module) -> String {
    let mut writer = Writer::new(module);
    let members = parameters.iter().map(|parameter| {
        let description = Some(parameter.description.as_str()).filter(|text| !text.is_empty());
        (parameter.name.as_str(), description, parameter.ty)
    });
    writer.object(members, &[]);
    writer.finish()
}

/// The schema of a type by itself.
pub fn type_schema(ty: TypeId, module: &Module) -> String {
    let mut writer = Writer::new(module);
    writer.schema(ty, &[]);
    writer.finish()
}

/// Whether every JSON form of the type is an object.
pub fn is_object(ty: TypeId, module: &Module) -> bool {
    matches!(module.types.get(ty), Some(Type::Struct(..)))
}

/// How deep types are written out; generic types that grow without end stop here and allow anything.
const DEPTH_MAX: usize = 32;

struct Writer<'m> {
    module: &'m Module,
    out: String,
    /// Types that are written in `$defs`, in the order in which they were met.
    definitions: Vec<TypeId>,
    depth: usize,
    /// The description of the member whose schema is written next. A type that describes its own form adds to it.
    note: Option<String>,
}

impl<'m> Writer<'m> {
    fn new(module: &'m Module) -> Self {
        Writer { module, out: String::new(), definitions: Vec::new(), depth: 0, note: None }
    }

    /// Adds the definitions that were referred to.
    fn finish(mut self) -> String {
        let mut written = 0;
        let mut definitions = String::new();
        while written < self.definitions.len() {
            let ty = self.definitions[written];
            let mut body = String::new();
            std::mem::swap(&mut self.out, &mut body);
            self.body(ty, &[]);
            std::mem::swap(&mut self.out, &mut body);
            definitions.push_str(if written == 0 { "" } else { "," });
            write_json_string(&self.definition_name(written), &mut definitions);
            definitions.push(':');
            definitions.push_str(&body);
            written += 1;
        }
        if !definitions.is_empty() {
            // Every schema that refers to definitions is an object.
            self.out.pop();
            self.out.push_str(",\"$defs\":{");
            self.out.push_str(&definitions);
            self.out.push_str("}}");
        }
        self.out
    }

    fn definition_name(&self, index: usize) -> String {
        let name = super::is_type::type_name(self.definitions[index], self.module);
        let name: String = name.chars().map(|character| if character.is_alphanumeric() { character } else { '_' }).collect();
        // Names of different types may meet after the replacement.
        if index == 0 { name } else { format!("{name}_{index}") }
    }

    /// The type that `ty` stands for where `arguments` are in force.
    fn resolve(&self, ty: TypeId, arguments: &[TypeId]) -> TypeId {
        match self.module.types.get(ty) {
            Some(Type::Parameter(index)) => arguments.get(*index as usize).copied().unwrap_or(ty),
            _ => ty,
        }
    }

    /// Whether a type without type arguments contains itself.
    fn is_recursive(&self, ty: TypeId) -> bool {
        let mut seen = vec![];
        let mut open = self.parts(ty);
        while let Some(part) = open.pop() {
            if part == ty {
                return true;
            }
            if !seen.contains(&part) {
                seen.push(part);
                open.extend(self.parts(part));
            }
        }
        false
    }

    fn parts(&self, ty: TypeId) -> Vec<TypeId> {
        let fields = |fields: &[FieldDefinition]| fields.iter().map(|field| field.ty).collect::<Vec<_>>();
        match self.module.types.get(ty) {
            Some(Type::Array(part) | Type::Optional(part)) => vec![*part],
            Some(Type::Map(key, value) | Type::Result(key, value)) => vec![*key, *value],
            Some(Type::Tuple(parts)) => parts.clone(),
            Some(Type::Struct(id, arguments)) => {
                let definition = self.module.structs.get(id.0 as usize);
                let own = definition.map_or_else(Vec::new, |definition| fields(&definition.fields));
                own.into_iter().chain(arguments.iter().copied()).collect()
            }
            Some(Type::Enum(id, arguments)) => {
                let definition = self.module.enums.get(id.0 as usize);
                let own =
                    definition.iter().flat_map(|definition| &definition.variants).flat_map(|variant| fields(&variant.payload));
                own.chain(arguments.iter().copied()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn schema(&mut self, ty: TypeId, arguments: &[TypeId]) {
        let ty = self.resolve(ty, arguments);
        let is_named = matches!(self.module.types.get(ty), Some(Type::Struct(_, own) | Type::Enum(_, own)) if own.is_empty());
        if is_named && (self.definitions.contains(&ty) || self.is_recursive(ty)) {
            let index = self.definitions.iter().position(|other| *other == ty).unwrap_or_else(|| {
                self.definitions.push(ty);
                self.definitions.len() - 1
            });
            self.out.push_str("{\"$ref\":");
            let name = self.definition_name(index);
            write_json_string(&format!("#/$defs/{name}"), &mut self.out);
            self.out.push('}');
            return;
        }
        self.body(ty, arguments);
    }

    fn body(&mut self, ty: TypeId, arguments: &[TypeId]) {
        let module = self.module;
        let Some(wanted) = module.types.get(ty).filter(|_| self.depth < DEPTH_MAX) else {
            self.out.push_str("{}");
            return;
        };
        self.depth += 1;
        let note = self.note.take();
        let own_form = matches!(wanted, Type::Bytes | Type::Duration | Type::Money | Type::Range);
        let later = if own_form { None } else { note.clone() };
        match wanted {
            Type::Null | Type::Void => self.simple("null"),
            Type::Bool => self.simple("boolean"),
            Type::Int => self.simple("integer"),
            Type::Float => self.simple("number"),
            Type::Str | Type::Secret => self.simple("string"),
            Type::Bytes => self.described("bytes as base64", note),
            Type::Duration => self.described("a duration such as 1m30s or 250ms", note),
            Type::Money => self.described("an amount of dollars such as $0.50", note),
            Type::Range => self.described("a range of integers such as 0..10", note),
            Type::Array(element) => {
                self.out.push_str("{\"type\":\"array\",\"items\":");
                self.schema(*element, arguments);
                self.out.push('}');
            }
            Type::Tuple(parts) => {
                self.out.push_str("{\"type\":\"array\",\"items\":{\"anyOf\":[");
                self.list(parts.iter(), |writer, part| writer.schema(*part, arguments));
                self.out.push_str("]}}");
            }
            Type::Map(key, value) => {
                // Free member names are not allowed in strict schemas, hence a list of entries.
                self.out.push_str("{\"type\":\"array\",\"items\":");
                self.object([("key", None, *key), ("value", None, *value)].into_iter(), arguments);
                self.out.push('}');
            }
            Type::Optional(inner) => {
                self.out.push_str("{\"anyOf\":[");
                self.schema(*inner, arguments);
                self.out.push_str(",{\"type\":\"null\"}]}");
            }
            Type::Result(ok, err) => {
                self.out.push_str("{\"anyOf\":[");
                self.object([("Ok", None, *ok)].into_iter(), arguments);
                self.out.push(',');
                self.object([("Err", None, *err)].into_iter(), arguments);
                self.out.push_str("]}");
            }
            Type::Struct(id, own) => {
                let own: Vec<TypeId> = own.iter().map(|argument| self.resolve(*argument, arguments)).collect();
                let fields = module.structs.get(id.0 as usize).map_or(&[][..], |definition| &definition.fields);
                self.object(fields.iter().map(|field| (field.name.as_str(), None, field.ty)), &own);
            }
            Type::Enum(id, own) => {
                let own: Vec<TypeId> = own.iter().map(|argument| self.resolve(*argument, arguments)).collect();
                let variants = module.enums.get(id.0 as usize).map_or(&[][..], |definition| &definition.variants);
                self.variants(variants, &own);
            }
            // Everything, or nothing that JSON could say.
            Type::Any
            | Type::Json
            | Type::Parameter(_)
            | Type::Never
            | Type::Error
            | Type::Function(..)
            | Type::Agent(_)
            | Type::AnyAgent
            | Type::Process
            | Type::Future(_)
            | Type::Stream(_)
            | Type::Monitor
            | Type::Span => self.out.push_str("{}"),
        }
        self.depth -= 1;
        self.note = later;
        self.add_note();
    }

    fn simple(&mut self, name: &str) {
        self.out.push_str("{\"type\":\"");
        self.out.push_str(name);
        self.out.push_str("\"}");
    }

    fn described(&mut self, description: &str, note: Option<String>) {
        self.out.push_str("{\"type\":\"string\",\"description\":");
        match note {
            Some(note) => write_json_string(&format!("{note} ({description})"), &mut self.out),
            None => write_json_string(description, &mut self.out),
        }
        self.out.push('}');
    }

    /// Adds the description that is still pending to the schema just written.
    fn add_note(&mut self) {
        let Some(note) = self.note.take() else { return };
        self.out.pop();
        self.out.push_str(if self.out.ends_with('{') { "" } else { "," });
        self.out.push_str("\"description\":");
        write_json_string(&note, &mut self.out);
        self.out.push('}');
    }

    fn list<T>(&mut self, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            write(self, item);
        }
    }

    fn object<'a>(&mut self, members: impl Iterator<Item = (&'a str, Option<&'a str>, TypeId)>, arguments: &[TypeId]) {
        let mut names = Vec::new();
        self.out.push_str("{\"type\":\"object\",\"properties\":{");
        self.list(members, |writer, (name, description, ty)| {
            write_json_string(name, &mut writer.out);
            writer.out.push(':');
            writer.note = description.map(str::to_string);
            writer.schema(ty, arguments);
            writer.add_note();
            names.push(name);
        });
        self.out.push_str("},\"required\":[");
        self.list(names.into_iter(), |writer, name| write_json_string(name, &mut writer.out));
        self.out.push_str("],\"additionalProperties\":false}");
    }

    fn variants(&mut self, variants: &[VariantDefinition], arguments: &[TypeId]) {
        let units: Vec<&VariantDefinition> = variants.iter().filter(|variant| variant.payload.is_empty()).collect();
        let all_units = units.len() == variants.len();
        if !all_units {
            self.out.push_str("{\"anyOf\":[");
        }
        if !units.is_empty() {
            self.out.push_str("{\"type\":\"string\",\"enum\":[");
            self.list(units.iter(), |writer, variant| write_json_string(&variant.name, &mut writer.out));
            self.out.push_str("]}");
        }
        if all_units {
            return;
        }
        let with_payload = variants.iter().filter(|variant| !variant.payload.is_empty());
        for (index, variant) in with_payload.enumerate() {
            if index > 0 || !units.is_empty() {
                self.out.push(',');
            }
            self.payload(variant, arguments);
        }
        self.out.push_str("]}");
    }

    /// `{"Name": payload}`: one value as it is, several as an array, named ones as an object.
    fn payload(&mut self, variant: &VariantDefinition, arguments: &[TypeId]) {
        self.out.push_str("{\"type\":\"object\",\"properties\":{");
        write_json_string(&variant.name, &mut self.out);
        self.out.push(':');
        match variant.payload.as_slice() {
            fields @ [first, ..] if !first.name.is_empty() => {
                self.object(fields.iter().map(|field| (field.name.as_str(), None, field.ty)), arguments);
            }
            [field] => self.schema(field.ty, arguments),
            fields => {
                self.out.push_str("{\"type\":\"array\",\"items\":{\"anyOf\":[");
                self.list(fields.iter(), |writer, field| writer.schema(field.ty, arguments));
                self.out.push_str("]}}");
            }
        }
        self.out.push_str("},\"required\":[");
        write_json_string(&variant.name, &mut self.out);
        self.out.push_str("],\"additionalProperties\":false}");
    }
}
