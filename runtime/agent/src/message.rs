//! What is said to a model and what it answers, the same for every provider.
//!
//! Invariant: blocks that a provider sent and that mean nothing here stay [`Block::Raw`] and go back
//! unchanged; reasoning carries signatures that any edit would break. Messages share their blocks, so
//! building a request from a long history copies pointers, never texts.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::toolset::Toolset;

/// One piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Words.
    Text(Arc<str>),
    /// The model wants a tool to run.
    ToolUse(ToolUse),
    /// What that run gave.
    ToolResult(ToolResult),
    /// A picture or a document.
    Media(Media),
    /// A provider's own block, echoed as it came.
    Raw(Value),
}

/// A picture or a document, as the program gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Media {
    /// A picture.
    Image {
        /// Its bytes.
        bytes: Arc<[u8]>,
        /// What they are, such as `image/png`.
        media_type: Arc<str>,
    },
    /// A document.
    Document {
        /// Its bytes.
        bytes: Arc<[u8]>,
        /// What they are, such as `application/pdf`.
        media_type: Arc<str>,
    },
    /// The address of a picture, or of a document where it ends in `.pdf`; the provider fetches it.
    Url(Arc<str>),
}

/// A model's wish to run a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolUse {
    /// The provider's name for this very call; the result must carry it.
    pub id: Arc<str>,
    /// The tool's name, which the model may have made up.
    pub name: Arc<str>,
    /// The arguments as the model wrote them. Anything but an object was malformed on the wire:
    /// then this is a string with the text that arrived.
    pub input: Value,
}

/// The answer to one [`ToolUse`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// The id of the call that this answers.
    pub id: Arc<str>,
    /// What the model reads.
    pub content: Arc<str>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Texts, pictures and documents that the model sees behind the content.
    pub parts: Arc<[Block]>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The program, tool results included.
    User,
    /// The model.
    Assistant,
}

/// One message of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; shared with the history.
    pub blocks: Arc<[Block]>,
}

/// One answer of the model within a round, and the results of the tools that it asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The model's blocks as they came.
    pub blocks: Arc<[Block]>,
    /// One result for each tool use among them, in their order; empty in the last turn.
    pub results: Arc<[Block]>,
}

/// The unit of history: a message, the model's turns, and every tool call with its result.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// What the program said.
    pub message: Arc<[Block]>,
    /// The model's turns, the last one being the reply.
    pub turns: Vec<Turn>,
}

/// A tool as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// The name, of letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// JSON Schema of an object.
    pub schema: Value,
}

/// Whether the model may or must call tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// At least one of them.
    Any,
    /// This one.
    Tool(String),
    /// None, although they are listed.
    None,
}

/// The form that the answer must have.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSchema {
    /// A name for it, of letters, digits, `_` and `-`.
    pub name: String,
    /// JSON Schema of an object.
    pub schema: Value,
}

/// One call of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The model's name, without a provider's prefix.
    pub model: String,
    /// The instructions that stand before the conversation.
    pub system: Option<Arc<str>>,
    /// Sent only where the program says it.
    pub temperature: Option<f64>,
    /// The bound of the answer, reasoning included.
    pub max_tokens: u32,
    /// What the model may call; shared by all requests of an agent.
    pub tools: Toolset,
    /// Whether it may call them now.
    pub tool_choice: ToolChoice,
    /// The form of the answer, where the program wants a typed one.
    pub output: Option<Arc<OutputSchema>>,
    /// Whether the provider is asked to hold the model to that form; else the instructions say it.
    pub native_output: bool,
    /// Whether the stable part of the prompt is marked for the provider's cache.
    pub caches_prompt: bool,
    /// The conversation, the message to answer last.
    pub messages: Vec<Message>,
    /// Whether the answer comes in pieces.
    pub stream: bool,
    /// Fields passed to the provider as they are.
    pub provider_options: Arc<Map<String, Value>>,
}

/// Why the model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It has said what it wanted to say.
    EndTurn,
    /// At the request's bound; a tool use at the end may be incomplete.
    MaxTokens,
    /// At one of the request's stop sequences.
    StopSequence,
    /// To have tools run.
    ToolUse,
    /// A long turn paused: send the answer back to have it continued.
    PauseTurn,
    /// By policy.
    Refusal {
        /// The provider's word for the policy.
        category: Option<String>,
        /// The provider's explanation.
        explanation: Option<String>,
    },
    /// The context was full before the request's bound was reached.
    ContextFull,
    /// A word that is not known here.
    Other(String),
}

/// Tokens in disjoint buckets: no token is in two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input that no cache was involved in.
    pub input: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input written to the cache for five minutes, or for the provider's only duration.
    pub cache_write: u64,
    /// Input written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Everything generated, reasoning included.
    pub output: u64,
    /// Searches that the provider ran and bills apart.
    pub web_searches: u64,
    /// Served at the dearer speed.
    pub fast: bool,
    /// Served in the United States only, which costs more.
    pub us_only: bool,
}

/// A model's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The provider's id of the exchange, which its support asks for.
    pub request_id: Option<String>,
    /// The model that really answered.
    pub model: String,
    /// What it said, possibly nothing.
    pub blocks: Vec<Block>,
    /// Why it stopped.
    pub stop_reason: StopReason,
    /// What it used; `None` where the provider did not say.
    pub usage: Option<Usage>,
}

impl Media {
    /// Whether it is a document, by what the program says or by the ending of its address.
    pub fn is_document(&self) -> bool {
        match self {
            Media::Image { .. } => false,
            Media::Document { .. } => true,
            Media::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                path.get(path.len().saturating_sub(4)..).is_some_and(|ending| ending.eq_ignore_ascii_case(".pdf"))
            }
        }
    }

    /// The text of a document that is nothing but text.
    pub fn as_plain_text(&self) -> Option<&str> {
        match self {
            Media::Document { bytes, media_type } if media_type.starts_with("text/") => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

impl Block {
    /// A text block.
    pub fn text(text: impl Into<Arc<str>>) -> Block {
        Block::Text(text.into())
    }

    /// The tool use in it, if it is one.
    pub fn as_tool_use(&self) -> Option<&ToolUse> {
        match self {
            Block::ToolUse(call) => Some(call),
            Block::Text(_) | Block::ToolResult(_) | Block::Media(_) | Block::Raw(_) => None,
        }
    }
}

impl Request {
    /// A request with nothing said yet.
    pub fn new(model: impl Into<String>, max_tokens: u32) -> Request {
        Request {
            model: model.into(),
            system: None,
            temperature: None,
            max_tokens,
            tools: Toolset::default(),
            tool_choice: ToolChoice::Auto,
            output: None,
            native_output: true,
            caches_prompt: false,
            messages: Vec::new(),
            stream: false,
            provider_options: Arc::default(),
        }
    }
}

impl Message {
    /// A message of the program.
    pub fn user(blocks: impl Into<Arc<[Block]>>) -> Message {
        Message { role: Role::User, blocks: blocks.into() }
    }

    /// A message of the model.
    pub fn assistant(blocks: impl Into<Arc<[Block]>>) -> Message {
        Message { role: Role::Assistant, blocks: blocks.into() }
    }
}

impl Round {
    /// A round that only has its message.
    pub fn new(message: impl Into<Arc<[Block]>>) -> Round {
        Round { message: message.into(), turns: Vec::new() }
    }

    /// Appends the round to a request's messages.
    pub fn append_to(&self, messages: &mut Vec<Message>) {
        messages.push(Message::user(Arc::clone(&self.message)));
        self.turns.iter().for_each(|turn| turn.append_to(messages));
    }
}

impl Turn {
    /// Appends the turn to a request's messages, all its results in one.
    pub fn append_to(&self, messages: &mut Vec<Message>) {
        // A model may answer nothing at all, but nobody may send an empty message back.
        if !self.blocks.is_empty() {
            messages.push(Message::assistant(Arc::clone(&self.blocks)));
        }
        if !self.results.is_empty() {
            messages.push(Message::user(Arc::clone(&self.results)));
        }
    }
}

impl Usage {
    /// The whole prompt, which decides the price tier.
    pub fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write).saturating_add(self.cache_write_1h)
    }

    /// Adds the tokens of another exchange.
    pub fn add(&mut self, other: &Usage) {
        self.input = self.input.saturating_add(other.input);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.cache_write_1h = self.cache_write_1h.saturating_add(other.cache_write_1h);
        self.output = self.output.saturating_add(other.output);
        self.web_searches = self.web_searches.saturating_add(other.web_searches);
        self.fast |= other.fast;
        self.us_only |= other.us_only;
    }
}

impl Response {
    /// The text blocks joined.
    pub fn text(&self) -> String {
        joined_text(&self.blocks)
    }

    /// The tool uses in it, in their order.
    pub fn tool_uses(&self) -> impl Iterator<Item = &ToolUse> {
        self.blocks.iter().filter_map(Block::as_tool_use)
    }
}

impl StopReason {
    /// The word that programs see.
    pub fn as_str(&self) -> &str {
        match self {
            StopReason::EndTurn => "end_turn",
            StopReason::MaxTokens => "max_tokens",
            StopReason::StopSequence => "stop_sequence",
            StopReason::ToolUse => "tool_use",
            StopReason::PauseTurn => "pause_turn",
            StopReason::Refusal { .. } => "refusal",
            StopReason::ContextFull => "model_context_window_exceeded",
            StopReason::Other(word) => word,
        }
    }
}

/// The text blocks of a message joined, everything else left out.
pub fn joined_text(blocks: &[Block]) -> String {
    let texts = blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(&**text),
        Block::ToolUse(_) | Block::ToolResult(_) | Block::Media(_) | Block::Raw(_) => None,
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_becomes_messages_with_all_results_of_a_turn_in_one() {
        let result = |id: &str| Block::ToolResult(ToolResult { id: id.into(), content: "ok".into(), ..ToolResult::default() });
        let mut round = Round::new([Block::text("go")]);
        round.turns.push(Turn { blocks: [Block::text("calling")].into(), results: [result("1"), result("2")].into() });
        round.turns.push(Turn { blocks: [].into(), results: [].into() });
        round.turns.push(Turn { blocks: [Block::text("do"), Block::text("ne")].into(), results: [].into() });
        let mut messages = Vec::new();
        round.append_to(&mut messages);
        let roles: Vec<(Role, usize)> = messages.iter().map(|m| (m.role, m.blocks.len())).collect();
        assert_eq!(roles, [(Role::User, 1), (Role::Assistant, 1), (Role::User, 2), (Role::Assistant, 2)]);
    }
}
