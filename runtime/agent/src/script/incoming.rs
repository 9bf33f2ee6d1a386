//! Requests of others, checked as strictly as the real servers do, in the form that scripts match on.
//!
//! A client that works against these checks works against the providers: required headers and fields,
//! and a result for every tool call right after it. The texts are the providers' own.
mod anthropic; // Messages
mod openai; // chat completions

use serde_json::{Map, Value};

use super::wire;
use crate::http::{Headers, HttpResponse};
use crate::message::{Block, Message, Request, Role};
use crate::provider::Protocol;

/// Reads the body of a POST to the protocol's path, or gives the answer that refuses it.
pub fn read(protocol: Protocol, headers: &Headers, body: &[u8]) -> Result<Request, HttpResponse> {
    let read = match protocol {
        Protocol::Anthropic => anthropic::read(headers, body),
        Protocol::OpenAi => openai::read(headers, body),
    };
    read.map_err(|refusal| {
        let Refusal { status, kind, message } = refusal;
        wire::refusal(status, kind, &message, protocol)
    })
}

/// Reads the body of a POST that asks Anthropic's protocol how long a prompt is. It has no bound of an answer, and may not have one.
pub fn read_counting(headers: &Headers, body: &[u8]) -> Result<Request, HttpResponse> {
    let whole = object(body).and_then(|mut body| match body.insert("max_tokens".to_owned(), 1.into()) {
        None => Ok(Value::Object(body).to_string()),
        Some(_) => Err(Refusal::invalid("max_tokens: Extra inputs are not permitted")),
    });
    match whole {
        Ok(whole) => read(Protocol::Anthropic, headers, whole.as_bytes()),
        Err(Refusal { status, kind, message }) => Err(wire::refusal(status, kind, &message, Protocol::Anthropic)),
    }
}

/// Why a request is refused.
#[derive(Debug)]
struct Refusal {
    status: u16,
    kind: &'static str,
    message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Refusal {
        Refusal { status: 400, kind: "invalid_request_error", message: message.into() }
    }

    fn unauthorized(message: impl Into<String>) -> Refusal {
        Refusal { status: 401, kind: "authentication_error", message: message.into() }
    }
}

/// The body as an object.
fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::invalid("The request body is not a JSON object.")),
        Err(error) => Err(Refusal::invalid(format!("The request body is not valid JSON: {error}"))),
    }
}

/// A required string that is not empty.
fn required_string(object: &Map<String, Value>, field: &str) -> Result<String, Refusal> {
    match object.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(Refusal::invalid(format!("{field}: Input should be a valid string"))),
        None => Err(Refusal::invalid(format!("{field}: Field required"))),
    }
}

/// The text of a `content`: a string, or the texts of its parts.
fn content_text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// Checks that each tool use has its result in the very next message, and each result its use. The
/// errors are the ids, with the place of the message.
fn unpaired(messages: &[Message]) -> Option<Unpaired> {
    for (place, message) in messages.iter().enumerate() {
        let next = messages.get(place + 1).map_or(&[][..], |next| &next.blocks);
        let missing: Vec<String> = message
            .blocks
            .iter()
            .filter_map(Block::as_tool_use)
            .filter(|call| !leading_results(next).any(|id| id == &*call.id))
            .map(|call| call.id.to_string())
            .collect();
        if message.role == Role::Assistant && !missing.is_empty() {
            return Some(Unpaired::Missing { place, ids: missing });
        }
        let before = place.checked_sub(1).and_then(|before| messages.get(before)).map_or(&[][..], |before| &before.blocks);
        for block in message.blocks.iter() {
            if let Block::ToolResult(result) = block {
                let mut calls = before.iter().filter_map(Block::as_tool_use);
                if !calls.any(|call| call.id == result.id) {
                    return Some(Unpaired::Extra { place, id: result.id.to_string() });
                }
            }
        }
    }
    None
}

/// The results at the beginning of a message, before anything else in it.
fn leading_results(blocks: &[Block]) -> impl Iterator<Item = &str> {
    blocks.iter().map_while(|block| match block {
        Block::ToolResult(result) => Some(&*result.id),
        Block::Text(_) | Block::ToolUse(_) | Block::Media(_) | Block::Raw(_) => None,
    })
}

/// A tool use without a result, or a result without a use.
#[derive(Debug, PartialEq)]
enum Unpaired {
    Missing { place: usize, ids: Vec<String> },
    Extra { place: usize, id: String },
}

#[cfg(test)]
mod tests;
