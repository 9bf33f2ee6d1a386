//! Requests to OpenAI's chat completions.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Refusal, Unpaired, content_text, object, required_string, unpaired};
use crate::http::Headers;
use crate::message::{Block, Message, OutputSchema, Request, ToolChoice, ToolResult, ToolSpec};
use crate::provider::openai as protocol;

/// The bound of an answer where the request names none.
const MAX_TOKENS_DEFAULT: u32 = 4_096;

pub(super) fn read(headers: &Headers, body: &[u8]) -> Result<Request, Refusal> {
    let key = headers.get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if key.is_none_or(|key| key.trim().is_empty()) {
        return Err(Refusal::unauthorized(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
             auth (i.e. Authorization: Bearer YOUR_KEY).",
        ));
    }
    let body = object(body)?;
    let bound = body.get("max_completion_tokens").or_else(|| body.get("max_tokens"));
    let bound = bound.and_then(Value::as_u64).and_then(|bound| u32::try_from(bound).ok());
    let mut request = Request::new(required_string(&body, "model")?, bound.unwrap_or(MAX_TOKENS_DEFAULT));
    request.temperature = body.get("temperature").and_then(Value::as_f64);
    request.stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    request.tools = tools(&body)?.into();
    request.tool_choice = tool_choice(body.get("tool_choice"));
    request.output = output(&body);
    let list = body.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| Refusal::invalid("Missing required parameter: 'messages'."))?;
    let (system, messages) = conversation(list)?;
    request.system = (!system.is_empty()).then(|| system.into());
    request.messages = messages;
    match unpaired(&request.messages) {
        None => Ok(request),
        Some(Unpaired::Missing { ids, .. }) => Err(Refusal::invalid(format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
             'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            ids.join(", ")
        ))),
        Some(Unpaired::Extra { .. }) => Err(Refusal::invalid(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        )),
    }
}

fn tools(body: &Map<String, Value>) -> Result<Vec<ToolSpec>, Refusal> {
    let tools = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let tools = tools.iter().enumerate().map(|(place, tool)| {
        let function = tool.get("function").and_then(Value::as_object);
        let name = function.and_then(|function| function.get("name")).and_then(Value::as_str);
        let (Some(function), Some(name)) = (function, name) else {
            return Err(Refusal::invalid(format!("Missing required parameter: 'tools[{place}].function.name'.")));
        };
        let description = function.get("description").and_then(Value::as_str).unwrap_or_default();
        let schema = function.get("parameters").cloned().unwrap_or_default();
        Ok(ToolSpec { name: name.to_owned(), description: description.to_owned(), schema })
    });
    tools.collect()
}

fn tool_choice(choice: Option<&Value>) -> ToolChoice {
    match choice {
        Some(Value::String(word)) if word == "none" => ToolChoice::None,
        Some(Value::String(word)) if word == "required" => ToolChoice::Any,
        Some(choice) => match choice.pointer("/function/name").and_then(Value::as_str) {
            Some(name) => ToolChoice::Tool(name.to_owned()),
            None => ToolChoice::Auto,
        },
        None => ToolChoice::Auto,
    }
}

fn output(body: &Map<String, Value>) -> Option<Arc<OutputSchema>> {
    let format = body.get("response_format")?.get("json_schema")?;
    let name = format.get("name").and_then(Value::as_str).unwrap_or("output").to_owned();
    Some(Arc::new(OutputSchema { name, schema: format.get("schema")?.clone() }))
}

/// The instructions, and the messages with the results of one turn gathered in one.
fn conversation(list: &[Value]) -> Result<(String, Vec<Message>), Refusal> {
    let mut system = String::new();
    let mut messages: Vec<Message> = Vec::new();
    let mut results: Vec<Block> = Vec::new();
    for (place, value) in list.iter().enumerate() {
        let role = value.get("role").and_then(Value::as_str).unwrap_or_default();
        if role != "tool" && !results.is_empty() {
            messages.push(Message::user(std::mem::take(&mut results)));
        }
        let content = value.get("content");
        match role {
            "system" | "developer" => {
                if !system.is_empty() {
                    system.push('\n');
                }
                system.push_str(&content_text(content));
            }
            "user" => messages.push(Message::user([Block::text(content_text(content))])),
            "assistant" => {
                let object = value.as_object().cloned().unwrap_or_default();
                messages.push(Message::assistant(protocol::blocks(&object)));
            }
            "tool" => results.push(Block::ToolResult(ToolResult {
                id: required_string(value.as_object().unwrap_or(&Map::new()), "tool_call_id")?.into(),
                content: content_text(content).into(),
                ..ToolResult::default()
            })),
            other => {
                let known = "'system', 'assistant', 'user', 'tool', and 'developer'";
                let text = format!("Invalid value: '{other}'. Supported values are: {known}. (messages[{place}].role)");
                return Err(Refusal::invalid(text));
            }
        }
    }
    if !results.is_empty() {
        messages.push(Message::user(results));
    }
    Ok((system, messages))
}
