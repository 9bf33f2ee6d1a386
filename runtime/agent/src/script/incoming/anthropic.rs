//! Requests to Anthropic's Messages.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Refusal, Unpaired, content_text, object, required_string, unpaired};
use crate::http::Headers;
use crate::message::{Block, Message, OutputSchema, Request, Role, ToolChoice, ToolResult, ToolSpec};
use crate::provider::anthropic as protocol;

/// Fields that the API knows; others are refused.
const FIELDS: [&str; 21] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "tools",
    "tool_choice",
    "metadata",
    "cache_control",
    "output_config",
    "thinking",
    "service_tier",
    "speed",
    "inference_geo",
    "container",
    "diagnostics",
    "mcp_servers",
];
/// Longest name of a tool.
const TOOL_NAME_BYTES_MAX: usize = 64;

pub(super) fn read(headers: &Headers, body: &[u8]) -> Result<Request, Refusal> {
    check_headers(headers)?;
    let body = object(body)?;
    if let Some(field) = body.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(Refusal::invalid(format!("{field}: Extra inputs are not permitted")));
    }
    let mut request = Request::new(required_string(&body, "model")?, max_tokens(&body)?);
    let system = content_text(body.get("system"));
    request.system = (!system.is_empty()).then(|| system.into());
    request.temperature = body.get("temperature").and_then(Value::as_f64);
    request.stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    request.tools = tools(&body)?.into();
    request.tool_choice = tool_choice(&body, !request.tools.is_empty())?;
    request.output = output(&body);
    request.messages = messages(&body)?;
    Ok(request)
}

fn check_headers(headers: &Headers) -> Result<(), Refusal> {
    let bearer = headers.get("authorization").filter(|value| value.starts_with("Bearer "));
    match (headers.get("x-api-key").filter(|key| !key.is_empty()), bearer) {
        (None, None) => return Err(Refusal::unauthorized("x-api-key header is required")),
        (Some(_), Some(_)) => return Err(Refusal::unauthorized("Only one of x-api-key and authorization may be sent")),
        _ => {}
    }
    match headers.get("anthropic-version") {
        // Clients of other makers are newer or older than ours.
        Some(version) if version == protocol::VERSION || is_date(version) => {}
        Some(other) => return Err(Refusal::invalid(format!("anthropic-version: \"{other}\" is not a valid version"))),
        None => return Err(Refusal::invalid("anthropic-version: header is required")),
    }
    match headers.get("content-type") {
        Some(kind) if kind.starts_with("application/json") => Ok(()),
        _ => Err(Refusal::invalid("content-type: must be application/json")),
    }
}

/// Whether a version is written as versions are, as `2023-06-01`.
fn is_date(version: &str) -> bool {
    let form = |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    version.len() == 10 && version.bytes().enumerate().all(form)
}

fn max_tokens(body: &Map<String, Value>) -> Result<u32, Refusal> {
    let value = body.get("max_tokens").ok_or_else(|| Refusal::invalid("max_tokens: Field required"))?;
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    count.ok_or_else(|| Refusal::invalid("max_tokens: Input should be a valid integer"))
}

fn tools(body: &Map<String, Value>) -> Result<Vec<ToolSpec>, Refusal> {
    let tools = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tools = tools.iter().enumerate().map(|(place, tool)| {
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > TOOL_NAME_BYTES_MAX || !name.chars().all(legal) {
            let pattern = "^[a-zA-Z0-9_-]{1,64}$";
            return Err(Refusal::invalid(format!("tools.{place}.custom.name: String should match pattern '{pattern}'")));
        }
        let schema = tool.get("input_schema").cloned().unwrap_or_default();
        // Tools that the provider runs itself have a type and no schema.
        let is_own = tool.get("type").is_none_or(|kind| kind == "custom");
        if is_own && schema.get("type").and_then(Value::as_str) != Some("object") {
            let problem = if schema.is_null() { "Field required" } else { "Input should be 'object'" };
            return Err(Refusal::invalid(format!("tools.{place}.custom.input_schema.type: {problem}")));
        }
        let description = tool.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(ToolSpec { name: name.to_owned(), description, schema })
    });
    let tools: Vec<ToolSpec> = tools.collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::invalid("tools: Tool names must be unique."));
    }
    Ok(tools)
}

fn tool_choice(body: &Map<String, Value>, has_tools: bool) -> Result<ToolChoice, Refusal> {
    let Some(choice) = body.get("tool_choice") else { return Ok(ToolChoice::Auto) };
    if !has_tools {
        return Err(Refusal::invalid("tool_choice may only be specified while providing tools"));
    }
    let name = choice.get("name").and_then(Value::as_str);
    match (choice.get("type").and_then(Value::as_str), name) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("any"), _) => Ok(ToolChoice::Any),
        (Some("none"), _) => Ok(ToolChoice::None),
        (Some("tool"), Some(name)) => Ok(ToolChoice::Tool(name.to_owned())),
        _ => Err(Refusal::invalid("tool_choice: Input should be one of auto, any, tool, none")),
    }
}

fn output(body: &Map<String, Value>) -> Option<Arc<OutputSchema>> {
    let schema = body.get("output_config")?.get("format")?.get("schema")?.clone();
    Some(Arc::new(OutputSchema { name: "output".into(), schema }))
}

fn messages(body: &Map<String, Value>) -> Result<Vec<Message>, Refusal> {
    let list = body.get("messages").ok_or_else(|| Refusal::invalid("messages: Field required"))?;
    let list = list.as_array().ok_or_else(|| Refusal::invalid("messages: Input should be a valid list"))?;
    if list.is_empty() {
        return Err(Refusal::invalid("messages: at least one message is required"));
    }
    let last = list.len() - 1;
    let messages = list.iter().enumerate().map(|(place, value)| message(place, value, place == last));
    let messages: Vec<Message> = messages.collect::<Result<_, _>>()?;
    if messages[0].role != Role::User {
        return Err(Refusal::invalid("messages: first message must use the \"user\" role"));
    }
    match unpaired(&messages) {
        None => Ok(messages),
        Some(Unpaired::Missing { place, ids }) => Err(Refusal::invalid(format!(
            "messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
             `tool_use` block must have a corresponding `tool_result` block in the next message.",
            ids.join(", ")
        ))),
        Some(Unpaired::Extra { place, id }) => Err(Refusal::invalid(format!(
            "messages.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block \
             must have a corresponding `tool_use` block in the previous message."
        ))),
    }
}

fn message(place: usize, value: &Value, is_last: bool) -> Result<Message, Refusal> {
    let role = match value.get("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return Err(Refusal::invalid(format!("messages.{place}.role: Input should be 'user' or 'assistant'"))),
    };
    let blocks: Vec<Block> = match value.get("content") {
        Some(Value::String(text)) => vec![Block::text(text.as_str())],
        Some(Value::Array(blocks)) => {
            let read = blocks.iter().enumerate().map(|(index, value)| block(place, index, role, value));
            read.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(Refusal::invalid(format!("messages.{place}.content: Input should be a valid string or list"))),
        None => return Err(Refusal::invalid(format!("messages.{place}.content: Field required"))),
    };
    let is_prefill = is_last && role == Role::Assistant;
    if !is_prefill && (blocks.is_empty() || blocks == [Block::text("")]) {
        let rule = "all messages must have non-empty content except for the optional final assistant message";
        return Err(Refusal::invalid(format!("messages.{place}: {rule}")));
    }
    if blocks.len() > 1 && blocks.iter().any(|block| matches!(block, Block::Text(text) if text.is_empty())) {
        return Err(Refusal::invalid("messages: text content blocks must be non-empty"));
    }
    Ok(Message { role, blocks: blocks.into() })
}

fn block(place: usize, index: usize, role: Role, value: &Value) -> Result<Block, Refusal> {
    let field = |name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Refusal::invalid(format!("messages.{place}.content.{index}.{name}: Field required")))
    };
    let misplaced = |kind: &str, role: &str| {
        Err(Refusal::invalid(format!("messages.{place}: `{kind}` blocks can only be in `{role}` messages")))
    };
    match field("type")? {
        "text" => Ok(Block::text(field("text")?)),
        "tool_use" if role == Role::User => misplaced("tool_use", "assistant"),
        "tool_use" => {
            let (_, _) = (field("id")?, field("name")?);
            if !value.get("input").is_some_and(Value::is_object) {
                let path = format!("messages.{place}.content.{index}.tool_use.input");
                return Err(Refusal::invalid(format!("{path}: Input should be a valid dictionary")));
            }
            Ok(protocol::block(value.clone()))
        }
        "tool_result" if role == Role::Assistant => misplaced("tool_result", "user"),
        "tool_result" => Ok(Block::ToolResult(ToolResult {
            id: field("tool_use_id")?.into(),
            content: content_text(value.get("content")).into(),
            is_error: value.get("is_error").and_then(Value::as_bool).unwrap_or(false),
            ..ToolResult::default()
        })),
        _ => Ok(Block::Raw(value.clone())),
    }
}
