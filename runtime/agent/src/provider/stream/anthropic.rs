//! Events of Anthropic's Messages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Meaning;
use crate::message::{Block, Response, ToolUse, Usage};
use crate::provider::{anthropic, string_field};

/// The answer as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct Answer {
    id: Option<String>,
    model: String,
    usage: Map<String, Value>,
    /// By their index.
    blocks: BTreeMap<u64, Growing>,
    stop_reason: Option<Value>,
    stop_details: Option<Value>,
}

/// A block that grows with its deltas.
#[derive(Debug)]
struct Growing {
    /// The block as it was announced, with what has no field of its own here.
    start: Map<String, Value>,
    /// Text, or the JSON of a tool's input.
    text: String,
    thinking: String,
    citations: Vec<Value>,
}

impl Answer {
    pub(super) fn event(&mut self, data: &str) -> Meaning {
        let Ok(Value::Object(event)) = serde_json::from_str::<Value>(data) else {
            return Meaning::Malformed("an event of the stream is not JSON");
        };
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message_start" => self.start(event.get("message")),
            "content_block_start" => self.start_block(&event),
            "content_block_delta" => self.grow_block(&event),
            "message_delta" => self.change(&event),
            "message_stop" => Meaning::End,
            "error" => Meaning::Error(Value::Object(event)),
            // Some servers send the error alone.
            _ if event.get("error").is_some_and(Value::is_object) => Meaning::Error(Value::Object(event)),
            // Pings, block ends and whatever is added some day.
            _ => Meaning::Nothing,
        }
    }

    /// Whether it has said why it stopped.
    pub(super) fn is_complete(&self) -> bool {
        self.stop_reason.is_some()
    }

    /// The usage as far as it was reported.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.usage.is_empty() { None } else { anthropic::usage(&Value::Object(self.usage.clone())) }
    }

    /// The whole answer, if it has said why it stopped.
    pub(super) fn take(&mut self) -> Option<Response> {
        let stop_reason = anthropic::stop_reason(Some(self.stop_reason.as_ref()?), self.stop_details.as_ref());
        let blocks = std::mem::take(&mut self.blocks);
        Some(Response {
            id: self.id.take(),
            request_id: None,
            model: std::mem::take(&mut self.model),
            blocks: blocks.into_values().map(Growing::finish).collect(),
            stop_reason,
            usage: self.usage(),
        })
    }

    fn start(&mut self, message: Option<&Value>) -> Meaning {
        if let Some(Value::Object(message)) = message {
            self.id = string_field(message, "id");
            self.model = string_field(message, "model").unwrap_or_default();
            self.overwrite_usage(message.get("usage"));
        }
        Meaning::Nothing
    }

    fn change(&mut self, event: &Map<String, Value>) -> Meaning {
        if let Some(delta) = event.get("delta") {
            let given = |field: &str| delta.get(field).filter(|value| !value.is_null()).cloned();
            self.stop_reason = given("stop_reason").or_else(|| self.stop_reason.take());
            self.stop_details = given("stop_details").or_else(|| self.stop_details.take());
        }
        self.overwrite_usage(event.get("usage"));
        Meaning::Nothing
    }

    /// Counts are cumulative: what comes again wins, and what does not come stays.
    fn overwrite_usage(&mut self, usage: Option<&Value>) {
        for (field, value) in usage.and_then(Value::as_object).into_iter().flatten() {
            if !value.is_null() {
                self.usage.insert(field.clone(), value.clone());
            }
        }
    }

    fn start_block(&mut self, event: &Map<String, Value>) -> Meaning {
        let Some(index) = event.get("index").and_then(Value::as_u64) else {
            return Meaning::Malformed("a block of the stream has no index");
        };
        let start = event.get("content_block").and_then(Value::as_object).cloned().unwrap_or_default();
        let text = string_field(&start, "text").unwrap_or_default();
        self.blocks.insert(index, Growing { start, text: text.clone(), thinking: String::new(), citations: Vec::new() });
        if text.is_empty() { Meaning::Nothing } else { Meaning::Text(text) }
    }

    fn grow_block(&mut self, event: &Map<String, Value>) -> Meaning {
        let block = event.get("index").and_then(Value::as_u64).and_then(|index| self.blocks.get_mut(&index));
        let (Some(block), Some(Value::Object(delta))) = (block, event.get("delta")) else {
            return Meaning::Malformed("a piece of the stream belongs to no block");
        };
        let piece = |field: &str| delta.get(field).and_then(Value::as_str).unwrap_or_default();
        match piece("type") {
            "text_delta" => {
                block.text.push_str(piece("text"));
                return Meaning::Text(piece("text").to_owned());
            }
            "input_json_delta" => {
                block.text.push_str(piece("partial_json"));
                return Meaning::Written(piece("partial_json").len());
            }
            "thinking_delta" => {
                block.thinking.push_str(piece("thinking"));
                return Meaning::Written(piece("thinking").len());
            }
            "signature_delta" => {
                block.start.insert("signature".into(), piece("signature").into());
            }
            "citations_delta" => block.citations.extend(delta.get("citation").cloned()),
            _ => {}
        }
        Meaning::Nothing
    }
}

impl Growing {
    fn finish(self) -> Block {
        let Growing { mut start, text, thinking, citations } = self;
        if !thinking.is_empty() {
            let before = string_field(&start, "thinking").unwrap_or_default();
            start.insert("thinking".into(), (before + &thinking).into());
        }
        match start.get("type").and_then(Value::as_str) {
            Some("text") if citations.is_empty() => Block::Text(text.into()),
            Some("text") => {
                start.insert("text".into(), text.into());
                start.insert("citations".into(), citations.into());
                Block::Raw(Value::Object(start))
            }
            Some("tool_use") => Block::ToolUse(ToolUse {
                id: string_field(&start, "id").unwrap_or_default().into(),
                name: string_field(&start, "name").unwrap_or_default().into(),
                input: input(text),
            }),
            _ => {
                if !text.is_empty() {
                    start.insert("input".into(), input(text));
                }
                Block::Raw(Value::Object(start))
            }
        }
    }
}

/// The input that the pieces make together: none at all is an empty object, and broken JSON stays text.
fn input(text: String) -> Value {
    if text.trim().is_empty() {
        return json!({});
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
