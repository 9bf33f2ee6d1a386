//! An upper bound of what a request can cost, without a tokenizer.
//!
//! No tokenizer makes more than one token of a byte, so bytes bound tokens; everything that a provider
//! adds by itself has an allowance. What cannot be bounded counts as a full context window.

use serde_json::Value;

use crate::message::{Block, Message, Request};
use crate::price::{CacheWrite, Model, Overflow, Terms};
use crate::provider::CacheMarks;

/// What a provider may add around a message or a block.
const FRAME_TOKENS: u64 = 16;
/// What a provider may add in front of a list of tools.
const TOOLS_TOKENS: u64 = 600;

/// What the provider reported about the beginning of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// How many messages of the request it covers; instructions and tools are always among them.
    pub messages: usize,
    /// Their tokens, the last answer's output included.
    pub tokens: u64,
}

/// A bound of a prompt's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputBound {
    /// At most so many.
    Tokens(u64),
    /// Something in it has no bound, such as an image.
    Unknown,
}

/// The most tokens that the request's prompt can have.
pub fn input_bound(request: &Request, reported: Option<Reported>) -> InputBound {
    let (mut tokens, covered) = match reported {
        Some(Reported { messages, tokens }) => (tokens, messages),
        None => (fixed_part(request), 0),
    };
    for message in request.messages.iter().skip(covered) {
        match message_bound(message) {
            Some(bound) => tokens = tokens.saturating_add(bound),
            None => return InputBound::Unknown,
        }
    }
    InputBound::Tokens(tokens)
}

impl InputBound {
    /// The bound for a model, whose context window is the end of everything.
    pub fn tokens(self, model: &Model) -> u64 {
        let window = model.context_window.unwrap_or(u64::MAX);
        match self {
            InputBound::Tokens(tokens) => tokens.min(window),
            InputBound::Unknown => window,
        }
    }
}

/// The most that the request can cost with that bound of its prompt, in 10^-12 dollars.
pub fn worst_cost(request: &Request, bound: InputBound, model: &Model) -> Result<i64, Overflow> {
    model.worst_cost(bound.tokens(model), u64::from(request.max_tokens), terms(request))
}

/// The conditions that the request's options ask for.
pub fn terms(request: &Request) -> Terms {
    let option = |name: &str| request.provider_options.get(name);
    let cache_write = match option("cache_control") {
        None | Some(Value::Null) => CacheWrite::None,
        Some(control) if control.get("ttl").and_then(Value::as_str) == Some("1h") => CacheWrite::Hour,
        Some(_) => CacheWrite::Short,
    };
    let cache_write = match cache_write {
        CacheWrite::None if CacheMarks::of(request).any() => CacheWrite::Short,
        other => other,
    };
    Terms {
        us_only: option("inference_geo").and_then(Value::as_str) == Some("us"),
        fast: option("speed").and_then(Value::as_str) == Some("fast"),
        cache_write,
    }
}

/// Instructions, tools and the form of the answer.
fn fixed_part(request: &Request) -> u64 {
    let system = request.system.as_ref().map_or(0, |text| bytes(text) + FRAME_TOKENS);
    let tools = match request.tools.len() as u64 {
        0 => 0,
        count => request.tools.bytes() as u64 + count * FRAME_TOKENS + TOOLS_TOKENS,
    };
    let output = request.output.as_ref().map_or(0, |output| json_bytes(&output.schema) + TOOLS_TOKENS);
    system + tools + output
}

fn message_bound(message: &Message) -> Option<u64> {
    let blocks = message.blocks.iter().map(|block| match block {
        Block::Text(text) => Some(bytes(text)),
        Block::ToolUse(call) => Some(bytes(&call.id) + bytes(&call.name) + json_bytes(&call.input)),
        Block::ToolResult(result) if result.parts.iter().any(|part| !matches!(part, Block::Text(_))) => None,
        Block::ToolResult(result) => {
            let parts = result.parts.iter().map(|part| if let Block::Text(text) = part { bytes(text) + FRAME_TOKENS } else { 0 });
            Some(bytes(&result.id) + bytes(&result.content) + parts.sum::<u64>())
        }
        Block::Media(_) => None,
        Block::Raw(value) => match value.get("type").and_then(Value::as_str) {
            Some("image" | "image_url" | "document" | "file" | "input_audio") => None,
            _ => Some(json_bytes(value)),
        },
    });
    blocks.map(|bound| Some(bound? + FRAME_TOKENS)).sum::<Option<u64>>().map(|sum| sum + FRAME_TOKENS)
}

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

fn json_bytes(value: &Value) -> u64 {
    value.to_string().len() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::message::{ToolSpec, Usage};
    use crate::price::PriceTable;

    fn request(messages: Vec<Message>) -> Request {
        Request { messages, ..Request::new("claude-haiku-4-5", 100) }
    }

    #[test]
    fn bytes_and_frames_bound_what_the_provider_has_not_counted() {
        let mut request = request(vec![Message::user([Block::text("äb")])]);
        assert_eq!(input_bound(&request, None), InputBound::Tokens(3 + 16 + 16));
        request.system = Some("sys".into());
        assert_eq!(input_bound(&request, None), InputBound::Tokens(35 + 3 + 16));
        request.tools = [ToolSpec { name: "t".into(), description: "do".into(), schema: json!({}) }].into();
        assert_eq!(input_bound(&request, None), InputBound::Tokens(54 + 1 + 2 + 2 + 16 + 600));
        let reported = Some(Reported { messages: 1, tokens: 40 });
        assert_eq!(input_bound(&request, reported), InputBound::Tokens(40));
    }

    #[test]
    fn what_has_no_bound_counts_as_the_whole_context_window() {
        let image = Block::Raw(json!({"type": "image", "source": {"type": "url", "url": "http://h/i"}}));
        let request = request(vec![Message::user([image])]);
        let bound = input_bound(&request, None);
        assert_eq!(bound, InputBound::Unknown);
        let table = PriceTable::built_in();
        let model = table.find("claude-haiku-4-5", "2026-11-22").unwrap();
        assert_eq!(bound.tokens(model), 200_000);
        // 200,000 at one millionth of a dollar, 100 at five.
        assert_eq!(worst_cost(&request, bound, model), Ok(200_500_000_000));
        assert_eq!(InputBound::Tokens(u64::MAX).tokens(model), 200_000);
    }

    #[test]
    fn a_prompt_that_is_written_to_the_cache_is_reserved_at_that_price() {
        let table = PriceTable::built_in();
        let model = table.find("claude-haiku-4-5", "2026-11-22").unwrap();
        let bound = InputBound::Tokens(1_000);
        let mut request = request(vec![Message::user([Block::text("hi")])]);
        request.system = Some("s".repeat(3_000).into());
        let cost = |request: &Request| worst_cost(request, bound, model).unwrap() - 100 * 5_000_000;
        assert_eq!(cost(&request), 1_000 * 1_000_000, "nothing is marked");
        request.caches_prompt = true;
        assert_eq!(cost(&request), 1_000 * 1_250_000, "a write costs a quarter more");
        // Whatever part of the prompt is written and whatever is read, the bill is not above it.
        for written in [0, 1, 500, 1_000] {
            for read in [0, (1_000 - written) / 2, 1_000 - written] {
                let usage = Usage {
                    input: 1_000 - written - read,
                    cache_write: written,
                    cache_read: read,
                    output: 100,
                    ..Usage::default()
                };
                let billed = model.cost(&usage).unwrap();
                assert!(billed <= worst_cost(&request, bound, model).unwrap(), "{usage:?}");
            }
        }
        let hour = json!({"cache_control": {"type": "ephemeral", "ttl": "1h"}});
        request.provider_options = Arc::new(hour.as_object().cloned().unwrap());
        assert_eq!(cost(&request), 1_000 * 2_000_000, "an hour costs twice as much");
        request.system = Some("s".into());
        request.provider_options = Arc::default();
        assert_eq!(cost(&request), 1_000 * 1_000_000, "too short to be cached");
    }
}
