//! Messages and replies of several parts: values of the language's `Message`, `Part`, `Reply` and `Usage` as blocks, and back.
//!
//! The types are declared in the library's prelude. Their form is looked at here and nothing is taken for granted: bytecode may bring
//! others of these names.

use std::sync::Arc;

use vega_bytecode::module::FieldDefinition;
use vega_bytecode::{EnumId, Module, StructId, Type, TypeId};
use vega_runtime::value::{Value, View};

use crate::message::{Block, Media, Usage};

/// The blocks of a `Message`, a `Part`, or an array of parts; none for any other value.
pub(crate) fn blocks(value: &Value, module: &Module) -> Option<Vec<Block>> {
    let list = |parts: &Value| parts.as_array()?.as_slice().iter().map(|value| part(value, module)).collect::<Option<Vec<_>>>();
    match value.view() {
        View::Struct(id, record) => {
            let definition = module.structs.get(id.0 as usize)?;
            let is_message = definition.name == "Message" && names(&definition.fields) == ["parts"];
            if is_message { list(record.values().first()?) } else { None }
        }
        View::Array(parts) if !parts.is_empty() => list(value),
        View::Enum(..) => part(value, module).map(|part| vec![part]),
        _ => None,
    }
}

fn part(value: &Value, module: &Module) -> Option<Block> {
    let View::Enum(id, variant, record) = value.view() else { return None };
    let definition = module.enums.get(id.0 as usize)?;
    if definition.name != "Part" {
        return None;
    }
    let bytes = |value: &Value| match value.view() {
        View::Bytes(bytes) => Some(Arc::from(bytes.as_slice())),
        _ => None,
    };
    match (definition.variants.get(usize::from(variant))?.name.as_str(), record.values()) {
        ("Text", [text]) => Some(Block::text(text.as_text()?)),
        ("Url", [url]) => Some(Block::Media(Media::Url(url.as_text()?.into()))),
        ("Image", [content, kind]) => {
            Some(Block::Media(Media::Image { bytes: bytes(content)?, media_type: kind.as_text()?.into() }))
        }
        ("Document", [content, kind]) => {
            Some(Block::Media(Media::Document { bytes: bytes(content)?, media_type: kind.as_text()?.into() }))
        }
        _ => None,
    }
}

/// The type `Reply<T>`: what is needed to make a value of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyShape {
    reply: StructId,
    usage: StructId,
    part: EnumId,
    /// The `T` of it.
    pub(crate) value: TypeId,
}

/// What a reply came with.
pub(crate) struct Particulars<'a> {
    pub(crate) usage: &'a Usage,
    /// In 10^-12 dollars.
    pub(crate) cost: i64,
    pub(crate) model: &'a str,
    pub(crate) stop_reason: &'a str,
    pub(crate) blocks: &'a [Block],
    pub(crate) trace_id: &'a str,
}

impl ReplyShape {
    /// The shape of a type, if it is a `Reply<T>`.
    pub(crate) fn of(ty: TypeId, module: &Module) -> Option<ReplyShape> {
        let Some(Type::Struct(reply, arguments)) = module.types.get(ty) else { return None };
        let definition = module.structs.get(reply.0 as usize).filter(|definition| definition.name == "Reply")?;
        let fields = names(&definition.fields);
        if fields != ["value", "usage", "cost", "model", "stop_reason", "parts", "trace_id"] {
            return None;
        }
        let [value] = arguments.as_slice() else { return None };
        let Some(Type::Struct(usage, _)) = module.types.get(definition.fields[1].ty) else { return None };
        let usage_fields = names(&module.structs.get(usage.0 as usize)?.fields);
        let Some(Type::Array(part)) = module.types.get(definition.fields[5].ty) else { return None };
        let Some(Type::Enum(part, _)) = module.types.get(*part) else { return None };
        let has_text = module.enums.get(part.0 as usize)?.variants.first().is_some_and(|variant| variant.name == "Text");
        let is_known = usage_fields == ["input", "output", "cache_read", "cache_write"] && has_text;
        is_known.then_some(ReplyShape { reply: *reply, usage: *usage, part: *part, value: *value })
    }

    /// The whole reply.
    pub(crate) fn make(self, value: Value, particulars: &Particulars<'_>) -> Value {
        let Particulars { usage, cost, model, stop_reason, blocks, trace_id } = particulars;
        let count = |tokens: u64| Value::int(i64::try_from(tokens).unwrap_or(i64::MAX));
        let written = usage.cache_write.saturating_add(usage.cache_write_1h);
        let usage = vec![count(usage.input), count(usage.output), count(usage.cache_read), count(written)];
        let parts = blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(Value::variant(self.part, 0, vec![Value::str(&**text)])),
            Block::ToolUse(_) | Block::ToolResult(_) | Block::Media(_) | Block::Raw(_) => None,
        });
        let fields = vec![
            value,
            Value::structure(self.usage, usage),
            Value::money(*cost),
            Value::str(*model),
            Value::str(*stop_reason),
            Value::array(parts.collect()),
            Value::str(*trace_id),
        ];
        Value::structure(self.reply, fields)
    }
}

fn names(fields: &[FieldDefinition]) -> Vec<&str> {
    fields.iter().map(|field| field.name.as_str()).collect()
}
