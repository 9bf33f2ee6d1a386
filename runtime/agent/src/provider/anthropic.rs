//! Anthropic's Messages: what is sent, and what a whole answer means.
//!
//! All results of a turn stand in one user message, before any text of it; blocks that mean nothing
//! here go back as they came.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use vega_runtime::value::bytes::to_base64;

use super::cache::{self, CacheMarks};
use super::{Undecoded, count_field, passed_through, string_field, text_field};
use crate::http::Headers;
use crate::message::{Block, Media, Message, Request, Response, Role, StopReason, ToolChoice, ToolSpec, ToolUse, Usage};

/// The value of `anthropic-version`; there is no other.
pub const VERSION: &str = "2023-06-01";

/// The request's body.
pub fn encode(request: &Request) -> Vec<u8> {
    serde_json::to_vec(&Body(request)).expect("strings and JSON values always serialise")
}

/// The body that asks how many tokens the prompt of another one has: what does not belong to the prompt is not known there.
pub fn counting(body: &[u8]) -> Option<Vec<u8>> {
    const PROMPT: [&str; 7] = ["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"];
    let mut body: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
    body.retain(|name, _| PROMPT.contains(&name.as_str()));
    serde_json::to_vec(&body).ok()
}

/// The answer that a body under status 200 holds.
pub fn decode(body: Value, headers: &Headers) -> Result<Response, Undecoded> {
    let Value::Object(mut body) = body else { return Err(Undecoded::Unexpected) };
    if body.get("type").and_then(Value::as_str) == Some("error") || body.contains_key("error") {
        return Err(Undecoded::Error(Value::Object(body)));
    }
    let Some(Value::Array(content)) = body.remove("content") else { return Err(Undecoded::Unexpected) };
    Ok(Response {
        id: string_field(&body, "id"),
        request_id: headers.get("request-id").map(str::to_owned),
        model: string_field(&body, "model").unwrap_or_default(),
        blocks: content.into_iter().map(block).collect(),
        stop_reason: stop_reason(body.get("stop_reason"), body.get("stop_details")),
        usage: body.get("usage").and_then(usage),
    })
}

/// A content block of an answer.
pub fn block(value: Value) -> Block {
    match value {
        Value::Object(mut object) => match object.get("type").and_then(Value::as_str) {
            // A citation belongs to its text and must go back with it.
            Some("text") if object.get("citations").is_none_or(Value::is_null) => {
                Block::Text(text_field(&object, "text").unwrap_or_default())
            }
            Some("tool_use") => Block::ToolUse(ToolUse {
                id: text_field(&object, "id").unwrap_or_default(),
                name: text_field(&object, "name").unwrap_or_default(),
                input: object.remove("input").unwrap_or_else(|| json!({})),
            }),
            _ => Block::Raw(Value::Object(object)),
        },
        other => Block::Raw(other),
    }
}

/// The stop reason with its details, which only refusals have.
pub fn stop_reason(word: Option<&Value>, details: Option<&Value>) -> StopReason {
    let detail = |name: &str| details.and_then(|details| details.get(name)).and_then(Value::as_str).map(str::to_owned);
    match word.and_then(Value::as_str) {
        Some("end_turn") => StopReason::EndTurn,
        Some("max_tokens") => StopReason::MaxTokens,
        Some("stop_sequence") => StopReason::StopSequence,
        Some("tool_use") => StopReason::ToolUse,
        Some("pause_turn") => StopReason::PauseTurn,
        Some("refusal") => StopReason::Refusal { category: detail("category"), explanation: detail("explanation") },
        Some("model_context_window_exceeded") => StopReason::ContextFull,
        // Servers that pass other models on send this word of theirs.
        Some("content_filter") => StopReason::Refusal { category: Some("content_filter".into()), explanation: None },
        Some(other) => StopReason::Other(other.to_owned()),
        None => StopReason::Other("none".to_owned()),
    }
}

/// The usage in disjoint buckets: `input_tokens` is only what no cache was involved in.
pub fn usage(value: &Value) -> Option<Usage> {
    let object = value.as_object()?;
    let count = |name: &str| count_field(Some(value), name);
    let written = count("cache_creation_input_tokens");
    let breakdown = object.get("cache_creation").filter(|breakdown| breakdown.is_object());
    let cache_write_1h = count_field(breakdown, "ephemeral_1h_input_tokens").min(written);
    Some(Usage {
        input: count("input_tokens"),
        cache_read: count("cache_read_input_tokens"),
        // Without a breakdown everything counts as written for five minutes.
        cache_write: written - cache_write_1h,
        cache_write_1h,
        output: count("output_tokens"),
        web_searches: count_field(object.get("server_tool_use"), "web_search_requests"),
        fast: object.get("speed").and_then(Value::as_str) == Some("fast"),
        us_only: object.get("inference_geo").and_then(Value::as_str) == Some("us"),
    })
}

struct Body<'a>(&'a Request);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", &request.model)?;
        map.serialize_entry("max_tokens", &request.max_tokens)?;
        let marks = CacheMarks::of(request);
        match request.system.as_deref().filter(|system| !system.is_empty()) {
            Some(system) if marks.system => {
                let block = json!([{"type": "text", "text": system, "cache_control": cache::mark()}]);
                map.serialize_entry("system", &block)?;
            }
            Some(system) => map.serialize_entry("system", system)?,
            None => {}
        }
        if let Some(temperature) = request.temperature {
            map.serialize_entry("temperature", &temperature)?;
        }
        map.serialize_entry("messages", &Messages(&request.messages, marks.message))?;
        if !request.tools.is_empty() {
            map.serialize_entry("tools", &Tools(&request.tools, marks.tools))?;
            if let Some(choice) = tool_choice(&request.tool_choice) {
                map.serialize_entry("tool_choice", &choice)?;
            }
        }
        if request.stream {
            map.serialize_entry("stream", &true)?;
        }
        if let Some(config) = output_config(request) {
            map.serialize_entry("output_config", &config)?;
        }
        let options = passed_through(&request.provider_options);
        for (name, value) in options.filter(|(name, _)| !["effort", "output_config"].contains(&name.as_str())) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn tool_choice(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::Any => Some(json!({"type": "any"})),
        ToolChoice::Tool(name) => Some(json!({"type": "tool", "name": name})),
        ToolChoice::None => Some(json!({"type": "none"})),
    }
}

/// The form of the answer and the effort, which share one field.
fn output_config(request: &Request) -> Option<Value> {
    let options = &request.provider_options;
    let mut config = options.get("output_config").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(effort) = options.get("effort") {
        config.insert("effort".into(), effort.clone());
    }
    if let Some(output) = request.output.as_ref().filter(|_| request.native_output) {
        config.insert("format".into(), json!({"type": "json_schema", "schema": output.schema}));
    }
    (!config.is_empty()).then_some(Value::Object(config))
}

/// The messages, and which of them is marked for the cache.
struct Messages<'a>(&'a [Message], Option<usize>);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (index, message) in self.0.iter().enumerate() {
            let role = match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            list.serialize_element(&Entry { role, content: Content(&message.blocks, self.1 == Some(index)) })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    role: &'static str,
    content: Content<'a>,
}

/// The blocks of a message, and whether the last one is marked for the cache.
struct Content<'a>(&'a [Block], bool);

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let ([Block::Text(text)], false) = (self.0, self.1) {
            return serializer.serialize_str(text);
        }
        let mut list = serializer.serialize_seq(None)?;
        let is_result = |block: &&Block| matches!(block, Block::ToolResult(_));
        // Results come first whatever the order here, and texts without words are refused.
        let rest = || self.0.iter().filter(|block| !is_result(block));
        let rest = || rest().filter(|block| !matches!(block, Block::Text(text) if text.is_empty()));
        let count = self.0.iter().filter(is_result).count() + rest().count();
        for (index, block) in self.0.iter().filter(is_result).chain(rest()).enumerate() {
            list.serialize_element(&Piece(block, self.1 && index + 1 == count))?;
        }
        list.end()
    }
}

/// A block, and whether it is marked for the cache.
struct Piece<'a>(&'a Block, bool);

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self.0 {
            Block::Raw(value) => return value.serialize(serializer),
            Block::Media(media) => {
                let mut value = self::media(media);
                if self.1 {
                    value["cache_control"] = cache::mark();
                }
                return value.serialize(serializer);
            }
            Block::Text(_) | Block::ToolUse(_) | Block::ToolResult(_) => serializer.serialize_map(None)?,
        };
        match self.0 {
            Block::Text(text) => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", text.as_ref())?;
            }
            Block::ToolUse(call) => {
                map.serialize_entry("type", "tool_use")?;
                map.serialize_entry("id", call.id.as_ref())?;
                map.serialize_entry("name", call.name.as_ref())?;
                if call.input.is_object() {
                    map.serialize_entry("input", &call.input)?;
                } else {
                    // Only an object may go back; the model is told what it really wrote.
                    map.serialize_entry("input", &json!({"INVALID_JSON": call.input}))?;
                }
            }
            Block::ToolResult(result) => {
                map.serialize_entry("type", "tool_result")?;
                map.serialize_entry("tool_use_id", result.id.as_ref())?;
                if result.parts.is_empty() {
                    map.serialize_entry("content", result.content.as_ref())?;
                } else {
                    let head = (!result.content.is_empty()).then(|| json!({"type": "text", "text": &*result.content}));
                    let parts = result.parts.iter().filter_map(|part| serde_json::to_value(Piece(part, false)).ok());
                    map.serialize_entry("content", &head.into_iter().chain(parts).collect::<Vec<_>>())?;
                }
                if result.is_error {
                    map.serialize_entry("is_error", &true)?;
                }
            }
            Block::Raw(_) | Block::Media(_) => {}
        }
        if self.1 {
            map.serialize_entry("cache_control", &cache::mark())?;
        }
        map.end()
    }
}

/// A picture or document as a content block.
pub fn media(media: &Media) -> Value {
    let base64 = |bytes: &[u8], media_type: &str| json!({"type": "base64", "media_type": media_type, "data": to_base64(bytes)});
    match media {
        Media::Image { bytes, media_type } => json!({"type": "image", "source": base64(bytes, media_type)}),
        Media::Document { bytes, media_type } => match media.as_plain_text() {
            Some(text) => json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}}),
            None => json!({"type": "document", "source": base64(bytes, media_type)}),
        },
        Media::Url(url) => {
            let kind = if media.is_document() { "document" } else { "image" };
            json!({"type": kind, "source": {"type": "url", "url": &**url}})
        }
    }
}

/// The tools, and whether the last one is marked for the cache.
struct Tools<'a>(&'a [ToolSpec], bool);

impl Serialize for Tools<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Tool<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            description: &'a str,
            input_schema: &'a Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            cache_control: Option<Value>,
        }
        serializer.collect_seq(self.0.iter().enumerate().map(|(index, tool)| Tool {
            name: &tool.name,
            description: &tool.description,
            input_schema: &tool.schema,
            cache_control: (self.1 && index + 1 == self.0.len()).then(cache::mark),
        }))
    }
}
