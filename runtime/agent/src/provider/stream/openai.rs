//! Events of OpenAI's chat completions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Meaning;
use crate::message::{Block, Response, ToolUse, Usage};
use crate::provider::{openai, string_field};

/// The answer as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct Answer {
    id: Option<String>,
    model: String,
    text: String,
    refusal: String,
    /// By their index: ids come only in the first piece of a call.
    calls: BTreeMap<u64, Call>,
    finish_reason: Option<Value>,
    usage: Option<Usage>,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl Answer {
    pub(super) fn event(&mut self, data: &str) -> Meaning {
        if data.trim() == "[DONE]" {
            return Meaning::End;
        }
        let Ok(Value::Object(event)) = serde_json::from_str::<Value>(data) else {
            return Meaning::Malformed("an event of the stream is not JSON");
        };
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Meaning::Error(Value::Object(event));
        }
        self.id = self.id.take().or_else(|| string_field(&event, "id"));
        if let Some(model) = string_field(&event, "model").filter(|_| self.model.is_empty()) {
            self.model = model;
        }
        if let Some(usage) = event.get("usage").and_then(openai::usage) {
            self.usage = Some(usage);
        }
        // The chunk with the usage has no choices.
        let choice = event.get("choices").and_then(|choices| choices.get(0)).and_then(Value::as_object);
        choice.map_or(Meaning::Nothing, |choice| self.grow(choice))
    }

    /// Whether it has said why it stopped.
    pub(super) fn is_complete(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// The usage as far as it was reported.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The whole answer, if it has said why it stopped.
    pub(super) fn take(&mut self) -> Option<Response> {
        let refusal = Some(std::mem::take(&mut self.refusal)).filter(|text| !text.is_empty());
        let stop_reason = openai::stop_reason(Some(self.finish_reason.as_ref()?), refusal);
        let text = std::mem::take(&mut self.text);
        let mut blocks: Vec<Block> = Some(text).filter(|text| !text.is_empty()).map(Block::text).into_iter().collect();
        blocks.extend(std::mem::take(&mut self.calls).into_values().map(Call::finish));
        let model = std::mem::take(&mut self.model);
        Some(Response { id: self.id.take(), request_id: None, model, blocks, stop_reason, usage: self.usage })
    }

    fn grow(&mut self, choice: &Map<String, Value>) -> Meaning {
        if let Some(reason) = choice.get("finish_reason").filter(|reason| !reason.is_null()) {
            self.finish_reason = Some(reason.clone());
        }
        let Some(Value::Object(delta)) = choice.get("delta") else { return Meaning::Nothing };
        if let Some(piece) = delta.get("refusal").and_then(Value::as_str) {
            self.refusal.push_str(piece);
        }
        let mut written = 0;
        for (place, piece) in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let index = piece.get("index").and_then(Value::as_u64).unwrap_or(place as u64);
            written += self.calls.entry(index).or_default().grow(piece);
        }
        match delta.get("content").and_then(Value::as_str) {
            Some(piece) if !piece.is_empty() => {
                self.text.push_str(piece);
                Meaning::Text(piece.to_owned())
            }
            _ if written > 0 => Meaning::Written(written),
            _ => Meaning::Nothing,
        }
    }
}

impl Call {
    /// Takes a piece; the bytes of the arguments in it.
    fn grow(&mut self, piece: &Value) -> usize {
        let part = |pointer: &str| piece.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        // Some servers repeat id and name in every piece.
        if self.id.is_empty() {
            self.id = part("/id").to_owned();
        }
        if self.name.is_empty() {
            self.name = part("/function/name").to_owned();
        }
        self.arguments.push_str(part("/function/arguments"));
        part("/function/arguments").len()
    }

    fn finish(self) -> Block {
        let input = openai::arguments(Some(&Value::String(self.arguments)));
        Block::ToolUse(ToolUse { id: self.id.into(), name: self.name.into(), input })
    }
}
