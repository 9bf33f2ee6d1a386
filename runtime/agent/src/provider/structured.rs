//! How a model is made to answer in a form: by the provider, where model and schema allow it, else by instructions.
//!
//! The schemas are strict already where they are made (`value::schema` of the runtime): every object closed, every member required,
//! what may be absent a union with null. What is left to decide is who is told.

use serde_json::Value;

use super::Protocol;

/// Models without structured output, by the beginning of their names.
const WITHOUT: [&str; 16] = [
    "claude-1",
    "claude-2",
    "claude-3",
    "claude-instant",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2025",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2025",
    "gpt-3.5",
    "gpt-4-",
    "o1-mini",
    "o1-preview",
    "text-",
    "davinci",
    "babbage",
];

/// Whether the provider itself can hold the model to the schema.
pub fn is_native(protocol: Protocol, model: &str, schema: &Value) -> bool {
    let is_old = model == "gpt-4" || WITHOUT.iter().any(|name| model.starts_with(name));
    // Only types that contain themselves are written as definitions, and Anthropic refuses recursion. A part that allows anything is
    // refused by both.
    let refuses = protocol == Protocol::Anthropic && schema.get("$defs").is_some();
    !is_old && !refuses && !allows_anything(schema)
}

/// What the model is told where the provider cannot hold it to the schema.
pub fn instructions(schema: &Value) -> String {
    format!(
        "Answer with one JSON object and nothing else: no explanation, no Markdown. It has to be valid for this JSON Schema:\n{schema}"
    )
}

/// Whether some part of a schema says nothing about what stands there.
fn allows_anything(schema: &Value) -> bool {
    let Some(object) = schema.as_object() else { return false };
    if object.keys().all(|key| key == "description") {
        return true;
    }
    let members = object.get("properties").and_then(Value::as_object).into_iter().flat_map(|members| members.values());
    let definitions = object.get("$defs").and_then(Value::as_object).into_iter().flat_map(|members| members.values());
    let choices = object.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    members.chain(definitions).chain(choices).chain(object.get("items")).any(allows_anything)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_provider_is_asked_where_model_and_schema_allow_it() {
        let plain =
            json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
        assert!(is_native(Protocol::Anthropic, "claude-haiku-5-5", &plain));
        assert!(is_native(Protocol::Anthropic, "claude-sonnet-4-5", &plain));
        assert!(is_native(Protocol::OpenAi, "gpt-4o-mini", &plain));
        assert!(!is_native(Protocol::Anthropic, "claude-sonnet-4-20250514", &plain));
        assert!(!is_native(Protocol::OpenAi, "gpt-4", &plain));
        assert!(!is_native(Protocol::OpenAi, "gpt-3.5-turbo", &plain));
    }

    #[test]
    fn recursion_and_parts_that_allow_anything_are_left_to_instructions() {
        let recursive =
            json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": {"type": "object"}}});
        assert!(!is_native(Protocol::Anthropic, "claude-haiku-5-5", &recursive));
        assert!(is_native(Protocol::OpenAi, "gpt-6-luna", &recursive));
        let anything =
            json!({"type": "object", "properties": {"list": {"type": "array", "items": {"anyOf": [{}, {"type": "null"}]}}}});
        assert!(!is_native(Protocol::OpenAi, "gpt-6-luna", &anything));
        assert!(instructions(&anything).contains("\"list\""));
    }
}
