//! Answers that nobody scripted, made from the agent's name and the message alone.
//!
//! Where the program wants a typed reply, the answer is an instance of its schema: constants, the first
//! alternative, the fewest elements, and strings that name their field.

use serde_json::{Map, Value, json};

use crate::message::Request;

/// Characters of the message that an answer repeats.
const QUOTE_CHARACTERS_MAX: usize = 120;
/// From here on, what may be left out is left out, so that recursive schemas end.
const DEPTH_FRUGAL: usize = 4;
/// Beyond this depth there is nothing but null.
const DEPTH_MAX: usize = 32;

/// The answer to a message.
pub(super) fn text(agent: Option<&str>, request: &Request, message: &str) -> String {
    let agent = agent.unwrap_or(&request.model);
    if let Some(output) = &request.output {
        return instance(&output.schema, &output.schema, agent, 0).to_string();
    }
    let quote: Vec<&str> = message.split_whitespace().collect();
    let quote = quote.join(" ");
    let short: String = quote.chars().take(QUOTE_CHARACTERS_MAX).collect();
    let dots = if short.len() < quote.len() { "…" } else { "" };
    format!("{agent} (scripted) answers: {short}{dots}")
}

/// An instance of a schema; `name` is the field that it is for.
fn instance(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(value) = given(schema) {
        return value.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(Value::Null, |found| instance(found, root, name, depth + 1));
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        if let Some(alternatives) = schema.get(word).and_then(Value::as_array) {
            let is_null = |alternative: &&Value| alternative.get("type") == Some(&json!("null"));
            let frugal = alternatives.iter().find(is_null).filter(|_| depth >= DEPTH_FRUGAL);
            let chosen = frugal.or(alternatives.first());
            return chosen.map_or(Value::Null, |chosen| instance(chosen, root, name, depth + 1));
        }
    }
    match type_of(schema, depth) {
        "object" => object(schema, root, depth),
        "array" => array(schema, root, name, depth),
        "string" => string(schema, name).into(),
        "integer" => number(schema, |least| json!(least.ceil() as i64)),
        "number" => number(schema, |least| json!(least)),
        "boolean" => true.into(),
        _ => Value::Null,
    }
}

/// A value that the schema itself offers.
fn given(schema: &Value) -> Option<&Value> {
    let first = |word: &str| schema.get(word).and_then(Value::as_array).and_then(|values| values.first());
    schema.get("const").or_else(|| schema.get("default")).or_else(|| first("examples")).or_else(|| first("enum"))
}

fn type_of(schema: &Value, depth: usize) -> &str {
    match schema.get("type") {
        Some(Value::String(word)) => word,
        Some(Value::Array(words)) => {
            let has_null = words.iter().any(|word| word == "null");
            let first = words.iter().filter_map(Value::as_str).find(|word| *word != "null");
            if has_null && depth >= DEPTH_FRUGAL { "null" } else { first.unwrap_or("null") }
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut map = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if depth < DEPTH_FRUGAL || required.contains(&name.as_str()) {
            map.insert(name.clone(), instance(property, root, name, depth + 1));
        }
    }
    Value::Object(map)
}

fn array(schema: &Value, root: &Value, name: &str, depth: usize) -> Value {
    if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
        return items.iter().map(|item| instance(item, root, name, depth + 1)).collect();
    }
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(if depth < DEPTH_FRUGAL { 1 } else { 0 });
    let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let empty = json!({});
    let item = schema.get("items").unwrap_or(&empty);
    // What may be of several forms may be a tuple, whose schema names the forms of its parts in order.
    let forms = item.get("anyOf").and_then(Value::as_array).filter(|forms| depth < DEPTH_FRUGAL && forms.len() as u64 <= most);
    if let Some(forms) = forms {
        return forms.iter().map(|form| instance(form, root, name, depth + 1)).collect();
    }
    (0..least.min(most)).map(|_| instance(item, root, name, depth + 1)).collect()
}

fn string(schema: &Value, name: &str) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => return "2026-01-01T00:00:00Z".into(),
        Some("date") => return "2026-01-01".into(),
        Some("uri") => return "https://example.com/".into(),
        Some("email") => return "someone@example.com".into(),
        _ => {}
    }
    let described = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    if let Some((_, examples)) = described.split_once("such as ") {
        return examples.split_whitespace().next().unwrap_or_default().trim_end_matches([',', ';', '.', ':', ')']).to_owned();
    }
    if described.starts_with("bytes as base64") {
        return String::new();
    }
    let length = |word: &str| schema.get(word).and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    let mut text = format!("scripted {name}");
    while text.chars().count() < length("minLength").unwrap_or(0) {
        text.push('.');
    }
    text.chars().take(length("maxLength").unwrap_or(usize::MAX)).collect()
}

fn number(schema: &Value, make: impl Fn(f64) -> Value) -> Value {
    let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
    let above = bound("exclusiveMinimum").map(|least| least + 1.0);
    let below = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1.0));
    let least = bound("minimum").or(above).unwrap_or(1.0);
    make(below.map_or(least, |most| least.min(most)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::Arc;

    use super::*;
    use crate::message::OutputSchema;

    fn check(schema: Value, expected: Value) {
        let output = Some(Arc::new(OutputSchema { name: "T".into(), schema: schema.clone() }));
        let request = Request { output, ..Request::new("m", 1) };
        let answer: Value = serde_json::from_str(&text(Some("A"), &request, "hi")).unwrap();
        assert_eq!(answer, expected, "{schema}");
    }

    #[test]
    fn an_answer_names_its_agent_and_repeats_the_message_in_short() {
        let request = Request::new("m", 1);
        assert_eq!(text(Some("Coder"), &request, "Write\n  a sort"), "Coder (scripted) answers: Write a sort");
        let long = text(None, &request, &"ä".repeat(200));
        assert!(long.starts_with("m (scripted)") && long.ends_with("ä…"), "{long}");
    }

    #[test]
    fn a_typed_answer_is_an_instance_of_its_schema() {
        check(
            json!({"type": "object", "required": ["score", "approved", "comments", "verdict", "by"], "properties": {
                "score": {"type": "integer", "minimum": 3}, "approved": {"type": "boolean"},
                "comments": {"type": "array", "items": {"type": "string"}},
                "verdict": {"anyOf": [{"const": "Approve"}, {"type": "object"}]},
                "by": {"type": ["string", "null"]}, "price": {"type": "string", "examples": ["$0.50"]}}}),
            json!({"score": 3, "approved": true, "comments": ["scripted comments"], "verdict": "Approve",
                "by": "scripted by", "price": "$0.50"}),
        );
        check(json!({"enum": ["b", "a"]}), json!("b"));
        check(json!({"type": "string", "description": "an amount of dollars such as $0.50: the price"}), json!("$0.50"));
        check(json!({"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}), json!([1, "scripted A"]));
        check(json!({"type": "array", "prefixItems": [{"type": "number"}, {"type": "null"}]}), json!([1.0, null]));
        check(json!({"type": "string", "minLength": 12, "maxLength": 12}), json!("scripted A.."));
    }

    #[test]
    fn recursive_schemas_end() {
        let schema = json!({"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object", "required": ["next"],
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}}});
        let request = Request { output: Some(Arc::new(OutputSchema { name: "T".into(), schema })), ..Request::new("m", 1) };
        assert!(text(None, &request, "").ends_with("{\"next\":null}}"), "{}", text(None, &request, ""));
        let endless = json!({"$ref": "#"});
        check(endless, Value::Null);
    }
}
