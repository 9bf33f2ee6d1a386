//! OpenAI's chat completions, and the servers that imitate them.
//!
//! Each tool result is a message of its own, and prompt counts include cached tokens: both are turned
//! into the common form here. Whether tools are wanted is decided by the calls, not by the stop reason.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use vega_runtime::value::bytes::to_base64;

use super::{MaxTokensField, Undecoded, count_field, passed_through, string_field, text_field};
use crate::http::Headers;
use crate::message::{Block, Media, Message, Request, Response, Role, StopReason, ToolChoice, ToolUse, Usage, joined_text};

/// The request's body.
pub fn encode(request: &Request, max_tokens_field: MaxTokensField) -> Vec<u8> {
    serde_json::to_vec(&Body { request, max_tokens_field }).expect("strings and JSON values always serialise")
}

/// The answer that a body under status 200 holds.
pub fn decode(body: Value, headers: &Headers) -> Result<Response, Undecoded> {
    let Value::Object(mut body) = body else { return Err(Undecoded::Unexpected) };
    if body.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Undecoded::Error(Value::Object(body)));
    }
    let Some(Value::Array(mut choices)) = body.remove("choices") else { return Err(Undecoded::Unexpected) };
    let Some(Value::Object(mut choice)) = choices.drain(..).next() else { return Err(Undecoded::Unexpected) };
    let Some(Value::Object(message)) = choice.remove("message") else { return Err(Undecoded::Unexpected) };
    let refusal = string_field(&message, "refusal").filter(|text| !text.is_empty());
    Ok(Response {
        id: string_field(&body, "id"),
        request_id: headers.get("x-request-id").map(str::to_owned),
        model: string_field(&body, "model").unwrap_or_default(),
        blocks: blocks(&message),
        stop_reason: stop_reason(choice.get("finish_reason"), refusal),
        usage: body.get("usage").and_then(usage),
    })
}

/// The blocks of an assistant message.
pub fn blocks(message: &Map<String, Value>) -> Vec<Block> {
    let mut blocks = Vec::new();
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() => blocks.push(Block::text(text.as_str())),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            blocks.extend(texts.map(Block::text));
        }
        _ => {}
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    blocks.extend(calls.into_iter().flatten().filter_map(|call| {
        let function = call.get("function")?.as_object()?;
        Some(Block::ToolUse(ToolUse {
            id: call.as_object().and_then(|call| text_field(call, "id")).unwrap_or_default(),
            name: text_field(function, "name")?,
            input: arguments(function.get("arguments")),
        }))
    }));
    blocks
}

/// Arguments come as a string of JSON, which the model may have got wrong; then the string stays.
pub fn arguments(value: Option<&Value>) -> Value {
    match value {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) if text.trim().is_empty() => json!({}),
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        Some(other) => other.clone(),
    }
}

/// The stop reason; a refusal's text wins over the word.
pub fn stop_reason(word: Option<&Value>, refusal: Option<String>) -> StopReason {
    if refusal.is_some() {
        return StopReason::Refusal { category: None, explanation: refusal };
    }
    match word.and_then(Value::as_str) {
        Some("stop") => StopReason::EndTurn,
        Some("length") => StopReason::MaxTokens,
        Some("tool_calls" | "function_call") => StopReason::ToolUse,
        Some("content_filter") => StopReason::Refusal { category: Some("content_filter".into()), explanation: None },
        Some(other) => StopReason::Other(other.to_owned()),
        None => StopReason::Other("none".to_owned()),
    }
}

/// The usage in disjoint buckets: `prompt_tokens` includes what was read from and written to a cache.
pub fn usage(value: &Value) -> Option<Usage> {
    value.as_object()?;
    let details = value.get("prompt_tokens_details");
    let prompt = count_field(Some(value), "prompt_tokens");
    let cache_read = count_field(details, "cached_tokens").min(prompt);
    let cache_write = count_field(details, "cache_write_tokens").min(prompt - cache_read);
    Some(Usage {
        input: prompt - cache_read - cache_write,
        cache_read,
        cache_write,
        output: count_field(Some(value), "completion_tokens"),
        ..Usage::default()
    })
}

struct Body<'a> {
    request: &'a Request,
    max_tokens_field: MaxTokensField,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", &request.model)?;
        map.serialize_entry("messages", &Messages(request))?;
        let field = match self.max_tokens_field {
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
            MaxTokensField::MaxTokens => "max_tokens",
        };
        map.serialize_entry(field, &request.max_tokens)?;
        if let Some(temperature) = request.temperature {
            map.serialize_entry("temperature", &temperature)?;
        }
        if !request.tools.is_empty() {
            map.serialize_entry("tools", &tools(request))?;
            if let Some(choice) = tool_choice(&request.tool_choice) {
                map.serialize_entry("tool_choice", &choice)?;
            }
        }
        if let Some(output) = request.output.as_ref().filter(|_| request.native_output) {
            let schema = json!({"name": output.name, "strict": true, "schema": output.schema});
            map.serialize_entry("response_format", &json!({"type": "json_schema", "json_schema": schema}))?;
        }
        if request.stream {
            map.serialize_entry("stream", &true)?;
            // Without this a stream says nothing about usage.
            map.serialize_entry("stream_options", &json!({"include_usage": true}))?;
        }
        for (name, value) in passed_through(&request.provider_options) {
            map.serialize_entry(if name == "effort" { "reasoning_effort" } else { name }, value)?;
        }
        map.end()
    }
}

fn tools(request: &Request) -> Vec<Value> {
    let tools = request.tools.iter().map(|tool| {
        let mut function = Map::new();
        function.insert("name".into(), tool.name.as_str().into());
        if !tool.description.is_empty() {
            function.insert("description".into(), tool.description.as_str().into());
        }
        function.insert("parameters".into(), tool.schema.clone());
        json!({"type": "function", "function": function})
    });
    tools.collect()
}

fn tool_choice(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::Any => Some("required".into()),
        ToolChoice::Tool(name) => Some(json!({"type": "function", "function": {"name": name}})),
        ToolChoice::None => Some("none".into()),
    }
}

struct Messages<'a>(&'a Request);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        if let Some(system) = self.0.system.as_deref().filter(|system| !system.is_empty()) {
            list.serialize_element(&Text { role: "system", content: system })?;
        }
        for message in &self.0.messages {
            match message.role {
                Role::User => user_messages(message, &mut list)?,
                Role::Assistant => list.serialize_element(&assistant_message(message))?,
            }
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Text<'a> {
    role: &'static str,
    content: &'a str,
}

/// One message for each tool result, then one for the rest.
fn user_messages<L: SerializeSeq>(message: &Message, list: &mut L) -> Result<(), L::Error> {
    #[derive(Serialize)]
    struct ToolMessage<'a> {
        role: &'static str,
        tool_call_id: &'a str,
        content: &'a str,
    }
    let mut rest = Vec::new();
    for block in message.blocks.iter() {
        match block {
            Block::ToolResult(result) => {
                // A result is text alone here; what else belongs to it follows behind all results.
                let texts =
                    result.parts.iter().filter_map(|part| if let Block::Text(text) = part { Some(&**text) } else { None });
                let content = std::iter::once(&*result.content).chain(texts).filter(|text| !text.is_empty()).collect::<Vec<_>>();
                let content = content.join("\n");
                list.serialize_element(&ToolMessage { role: "tool", tool_call_id: &result.id, content: &content })?;
                rest.extend(result.parts.iter().filter(|part| matches!(part, Block::Media(_))));
            }
            other => rest.push(other),
        }
    }
    match rest.as_slice() {
        [] => Ok(()),
        [Block::Text(text)] => list.serialize_element(&Text { role: "user", content: text }),
        blocks => {
            let parts = blocks.iter().filter_map(|block| match block {
                Block::Text(text) => Some(json!({"type": "text", "text": &**text})),
                Block::Media(media) => Some(self::media(media)),
                Block::Raw(value) => Some(value.clone()),
                Block::ToolUse(_) | Block::ToolResult(_) => None,
            });
            list.serialize_element(&json!({"role": "user", "content": parts.collect::<Vec<_>>()}))
        }
    }
}

/// A picture or document as a content part.
fn media(media: &Media) -> Value {
    let data = |bytes: &[u8], media_type: &str| format!("data:{media_type};base64,{}", to_base64(bytes));
    match media {
        Media::Image { bytes, media_type } => json!({"type": "image_url", "image_url": {"url": data(bytes, media_type)}}),
        Media::Document { bytes, media_type } => match media.as_plain_text() {
            Some(text) => json!({"type": "text", "text": text}),
            None => json!({"type": "file", "file": {"filename": "document.pdf", "file_data": data(bytes, media_type)}}),
        },
        Media::Url(url) => json!({"type": "image_url", "image_url": {"url": &**url}}),
    }
}

fn assistant_message(message: &Message) -> Value {
    let text = joined_text(&message.blocks);
    let calls: Vec<Value> = message.blocks.iter().filter_map(Block::as_tool_use).map(tool_call).collect();
    let mut map = Map::new();
    map.insert("role".into(), "assistant".into());
    // A message that only calls tools has null content.
    map.insert("content".into(), if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() });
    if !calls.is_empty() {
        map.insert("tool_calls".into(), calls.into());
    }
    Value::Object(map)
}

fn tool_call(call: &ToolUse) -> Value {
    let arguments = call.input.as_str().map_or_else(|| call.input.to_string(), str::to_owned);
    json!({"id": &*call.id, "type": "function", "function": {"name": &*call.name, "arguments": arguments}})
}
