//! Outcomes as bytes of the providers' protocols, for a server that plays a provider.
//!
//! A plan says which bytes leave when, and whether the connection ends properly; the server only has
//! to follow it. Streams carry what the real ones carry, pings and cumulative usage included.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Cut, CutAfter, CutWith, Fault, Outcome, ScriptedOutcome, pieces};
use crate::http::{Headers, HttpResponse};
use crate::message::{Block, Response, StopReason, ToolUse, Usage, joined_text};
use crate::provider::{Protocol, anthropic};

/// What a server does with one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// It closes the connection without a byte.
    Disconnect {
        /// How long after the request.
        after: Duration,
    },
    /// It answers.
    Answer(PlannedAnswer),
}

/// An answer on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedAnswer {
    /// The status code.
    pub status: u16,
    /// The header lines without those that frame the body.
    pub headers: Headers,
    /// The pieces of the body.
    pub parts: Vec<Part>,
    /// The length of the whole body, where it is announced; a stream announces none.
    pub content_length: Option<usize>,
    /// What happens after the last piece.
    pub ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Its body is complete.
    #[default]
    Whole,
    /// The connection is closed within the body.
    Cut,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, and the connection stays open.
    Stalled,
}

/// A piece of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// When it leaves, counted from the request.
    pub after: Duration,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// How a server answers a request that got this outcome.
pub fn plan(outcome: &ScriptedOutcome, protocol: Protocol, stream: bool) -> Plan {
    let latency = outcome.latency;
    let answer = match &outcome.outcome {
        Outcome::Disconnect => return Plan::Disconnect { after: latency },
        Outcome::Error { fault, retry_after } => whole(error(*fault, *retry_after, protocol), latency),
        Outcome::Http(response) => whole(response.clone(), latency),
        Outcome::Answer(response) if stream => streamed(outcome, response, protocol),
        Outcome::Answer(response) => whole(answer(response, protocol), latency),
    };
    let mut answer = cut(answer, outcome, protocol);
    for (name, value) in outcome.announced.headers(protocol, SystemTime::now()).iter() {
        answer.headers.push(name, value);
    }
    Plan::Answer(answer)
}

/// An answer that is not streamed.
pub fn answer(response: &Response, protocol: Protocol) -> HttpResponse {
    let body = match protocol {
        Protocol::Anthropic => anthropic_message(response, &response.blocks, Some(&response.stop_reason)),
        Protocol::OpenAi => openai_completion(response),
    };
    let mut headers = json_headers();
    if let Some(id) = &response.request_id {
        headers.push(request_id_header(protocol), id.as_str());
    }
    HttpResponse { status: 200, headers, body: body.to_string().into_bytes() }
}

/// The answer that a fault is.
pub fn error(fault: Fault, retry_after: Option<Duration>, protocol: Protocol) -> HttpResponse {
    let (status, kind, message) = match fault {
        Fault::RateLimit => (429, "rate_limit_error", "This request would exceed the rate limit (scripted)."),
        Fault::Overloaded => (529, "overloaded_error", "Overloaded (scripted)"),
        Fault::Timeout => (504, "timeout_error", "The request timed out (scripted)."),
        Fault::InvalidRequest => (400, "invalid_request_error", "The request is invalid (scripted)."),
        Fault::ServerError => (500, "api_error", "Internal server error (scripted)"),
    };
    let mut response = refusal(status, kind, message, protocol);
    if let Some(retry_after) = retry_after {
        let seconds = retry_after.as_secs_f64();
        response.headers.push("retry-after", seconds.to_string());
    }
    response
}

/// An error answer with the provider's body.
pub fn refusal(status: u16, kind: &str, message: &str, protocol: Protocol) -> HttpResponse {
    let request_id = "req_scripted";
    let body = match protocol {
        Protocol::Anthropic => {
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})
        }
        Protocol::OpenAi => {
            let code = match kind {
                "rate_limit_error" => Some("rate_limit_exceeded"),
                "authentication_error" => Some("invalid_api_key"),
                _ => None,
            };
            json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
        }
    };
    let mut headers = json_headers();
    headers.push(request_id_header(protocol), request_id);
    HttpResponse { status, headers, body: body.to_string().into_bytes() }
}

fn json_headers() -> Headers {
    [("content-type", "application/json")].into_iter().collect()
}

fn request_id_header(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic => "request-id",
        Protocol::OpenAi => "x-request-id",
    }
}

fn whole(response: HttpResponse, latency: Duration) -> PlannedAnswer {
    let HttpResponse { status, headers, body } = response;
    let content_length = Some(body.len());
    let parts = vec![Part { after: latency, bytes: body }];
    PlannedAnswer { status, headers, parts, content_length, ending: Ending::Whole }
}

fn streamed(outcome: &ScriptedOutcome, response: &Response, protocol: Protocol) -> PlannedAnswer {
    let mut stream = Stream::new(outcome, response, protocol);
    match protocol {
        Protocol::Anthropic => anthropic_stream(&mut stream, response),
        Protocol::OpenAi => openai_stream(&mut stream, response),
    }
    let mut headers: Headers =
        [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")].into_iter().collect();
    if let Some(id) = &response.request_id {
        headers.push(request_id_header(protocol), id.as_str());
    }
    PlannedAnswer { status: 200, headers, parts: stream.parts, content_length: None, ending: stream.ending }
}

/// Breaks an answer off where the script says so. Streams know their chunks themselves.
fn cut(mut answer: PlannedAnswer, outcome: &ScriptedOutcome, protocol: Protocol) -> PlannedAnswer {
    let total: usize = answer.parts.iter().map(|part| part.bytes.len()).sum();
    let Some(Cut { after, with }) = outcome.cut else { return answer };
    let keep = match after {
        CutAfter::Bytes(bytes) => bytes,
        // A body that is not streamed has no chunks: the same share of its bytes arrives.
        CutAfter::Chunks(chunks) if answer.content_length.is_some() => total * chunks.min(outcome.chunks) / outcome.chunks.max(1),
        CutAfter::Chunks(_) => return answer,
    };
    let is_stream = answer.content_length.is_none();
    if let (CutWith::Error(fault), false) = (with, is_stream) {
        return whole(error(fault, None, protocol), outcome.latency);
    }
    let mut left = keep;
    answer.parts.retain_mut(|part| {
        part.bytes.truncate(left);
        left -= part.bytes.len();
        !part.bytes.is_empty()
    });
    if keep < total {
        let (bytes, ending) = broken(with, protocol);
        answer.ending = ending;
        if !bytes.is_empty() {
            let after = answer.parts.last().map_or(outcome.latency, |part| part.after);
            answer.parts.push(Part { after, bytes: bytes.into_bytes() });
        }
        if ending == Ending::Whole && !is_stream {
            answer.content_length = Some(answer.parts.iter().map(|part| part.bytes.len()).sum());
        }
    }
    answer
}

/// What is sent in the place of the rest, and how it ends then.
fn broken(with: CutWith, protocol: Protocol) -> (String, Ending) {
    match with {
        CutWith::Close => (String::new(), Ending::Cut),
        CutWith::End => (String::new(), Ending::Whole),
        CutWith::Reset => (String::new(), Ending::Reset),
        CutWith::Stall => (String::new(), Ending::Stalled),
        CutWith::Garbage => ("data: {\"type\": garbage\n\n".to_owned(), Ending::Whole),
        CutWith::Error(fault) => {
            let body = error(fault, None, protocol).body;
            let name = if protocol == Protocol::Anthropic { "event: error\n" } else { "" };
            (format!("{name}data: {}\n\n", String::from_utf8_lossy(&body)), Ending::Whole)
        }
    }
}

/// Events on their way; texts arrive in chunks that share the latency.
struct Stream {
    parts: Vec<Part>,
    latency: Duration,
    /// Chunks in all, and those that have left.
    chunks: u32,
    sent: u32,
    /// Chunks that leave before the answer breaks off.
    limit: Option<(u32, CutWith)>,
    is_cut: bool,
    ending: Ending,
    chunks_wanted: usize,
    protocol: Protocol,
}

/// A stream is never silent for longer, as the real ones are not.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Most pings of one silence.
const PINGS_MAX: u32 = 10_000;

impl Stream {
    fn new(outcome: &ScriptedOutcome, response: &Response, protocol: Protocol) -> Stream {
        let chunks: usize = response.blocks.iter().map(|block| chunks_of(block, outcome.chunks).len()).sum();
        let limit = match outcome.cut {
            Some(Cut { after: CutAfter::Chunks(chunks), with }) => Some((u32::try_from(chunks).unwrap_or(u32::MAX), with)),
            Some(Cut { after: CutAfter::Bytes(_), .. }) | None => None,
        };
        Stream {
            parts: Vec::new(),
            latency: outcome.latency,
            chunks: u32::try_from(chunks).unwrap_or(u32::MAX).max(1),
            sent: 0,
            limit,
            is_cut: false,
            ending: Ending::Whole,
            chunks_wanted: outcome.chunks,
            protocol,
        }
    }

    /// An event that is no chunk: it leaves together with what came before.
    fn event(&mut self, bytes: String) {
        if self.is_cut {
            return;
        }
        match self.parts.last_mut() {
            Some(part) => part.bytes.extend_from_slice(bytes.as_bytes()),
            None => self.parts.push(Part { after: Duration::ZERO, bytes: bytes.into_bytes() }),
        }
    }

    /// An event that carries a chunk: it leaves at its share of the latency.
    fn chunk(&mut self, bytes: String) {
        if self.limit.is_some_and(|(limit, _)| limit <= self.sent) {
            self.break_off();
        }
        if self.is_cut {
            return;
        }
        self.sent += 1;
        let after = self.latency.mul_f64(f64::from(self.sent) / f64::from(self.chunks));
        let before = self.parts.last().map_or(Duration::ZERO, |part| part.after);
        let ping = if self.protocol == Protocol::Anthropic { "event: ping\ndata: {\"type\":\"ping\"}\n\n" } else { ": ping\n\n" };
        let moments = (1..PINGS_MAX).map(|number| before + PING_INTERVAL * number).take_while(|moment| *moment < after);
        self.parts.extend(moments.map(|after| Part { after, bytes: ping.into() }));
        self.parts.push(Part { after, bytes: bytes.into_bytes() });
    }

    /// What follows the last chunk leaves with it, unless the cut is right there.
    fn end_of_chunks(&mut self) {
        if self.limit.is_some_and(|(limit, _)| limit <= self.sent) {
            self.break_off();
        }
    }

    /// Nothing of the answer leaves any more.
    fn break_off(&mut self) {
        if let Some((_, with)) = self.limit.filter(|_| !self.is_cut) {
            let (bytes, ending) = broken(with, self.protocol);
            if !bytes.is_empty() {
                self.event(bytes);
            }
            self.ending = ending;
            self.is_cut = true;
        }
    }
}

/// The pieces in which a block's text or arguments are sent.
fn chunks_of(block: &Block, count: usize) -> Vec<String> {
    let split = |text: &str| pieces(text, count).into_iter().map(str::to_owned).collect();
    match block {
        Block::Text(text) => split(text),
        Block::ToolUse(call) => split(&call.input.to_string()),
        Block::ToolResult(_) | Block::Media(_) | Block::Raw(_) => Vec::new(),
    }
}

fn anthropic_stream(stream: &mut Stream, response: &Response) {
    let event = |value: Value| {
        let name = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("event: {name}\ndata: {value}\n\n")
    };
    let usage = response.usage.unwrap_or_default();
    let mut start = anthropic_message(response, &[], None);
    // At the start hardly anything is generated; the last delta has the whole count.
    start["usage"] = anthropic_usage(&Usage { output: usage.output.min(1), ..usage });
    stream.event(event(json!({"type": "message_start", "message": start})));
    stream.event(event(json!({"type": "ping"})));
    for (index, block) in response.blocks.iter().enumerate() {
        let (empty, kind, field) = match block {
            Block::Text(_) => (json!({"type": "text", "text": ""}), "text_delta", "text"),
            Block::ToolUse(call) => (
                json!({"type": "tool_use", "id": &*call.id, "name": &*call.name, "input": {}}),
                "input_json_delta",
                "partial_json",
            ),
            Block::Raw(value) => (value.clone(), "", ""),
            Block::ToolResult(_) | Block::Media(_) => continue,
        };
        stream.event(event(json!({"type": "content_block_start", "index": index, "content_block": empty})));
        for chunk in chunks_of(block, stream.chunks_wanted) {
            let delta = json!({"type": kind, field: chunk});
            stream.chunk(event(json!({"type": "content_block_delta", "index": index, "delta": delta})));
        }
        if index + 1 == response.blocks.len() {
            stream.end_of_chunks();
        }
        stream.event(event(json!({"type": "content_block_stop", "index": index})));
    }
    let delta = json!({"stop_reason": response.stop_reason.as_str(), "stop_sequence": null});
    stream.event(event(json!({"type": "message_delta", "delta": delta, "usage": anthropic_usage(&usage)})));
    stream.event(event(json!({"type": "message_stop"})));
}

fn anthropic_message(response: &Response, blocks: &[Block], stop_reason: Option<&StopReason>) -> Value {
    let content = blocks.iter().map(|block| match block {
        Block::Text(text) => json!({"type": "text", "text": &**text}),
        Block::ToolUse(call) => {
            json!({"type": "tool_use", "id": &*call.id, "name": &*call.name, "input": call.input})
        }
        Block::ToolResult(result) => {
            json!({"type": "tool_result", "tool_use_id": &*result.id, "content": &*result.content})
        }
        Block::Media(media) => anthropic::media(media),
        Block::Raw(value) => value.clone(),
    });
    json!({
        "id": response.id, "type": "message", "role": "assistant", "model": response.model,
        "content": content.collect::<Vec<_>>(), "stop_reason": stop_reason.map(StopReason::as_str),
        "stop_sequence": null, "usage": anthropic_usage(&response.usage.unwrap_or_default()),
    })
}

fn anthropic_usage(usage: &Usage) -> Value {
    let (short, hour) = (usage.cache_write, usage.cache_write_1h);
    json!({
        "input_tokens": usage.input, "cache_creation_input_tokens": short + hour, "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
        "output_tokens": usage.output, "service_tier": "standard",
    })
}

fn openai_stream(stream: &mut Stream, response: &Response) {
    let event = |choices: Value, usage: Option<Value>| {
        let mut chunk = openai_head(response, "chat.completion.chunk");
        chunk["choices"] = choices;
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    stream.event(event(choice(json!({"role": "assistant", "content": ""}), None), None));
    let mut calls = 0;
    for block in &response.blocks {
        match block {
            Block::Text(_) => {
                for chunk in chunks_of(block, stream.chunks_wanted) {
                    stream.chunk(event(choice(json!({"content": chunk}), None), None));
                }
            }
            Block::ToolUse(call) => {
                let head = json!({"index": calls, "id": &*call.id, "type": "function",
                    "function": {"name": &*call.name, "arguments": ""}});
                stream.event(event(choice(json!({"tool_calls": [head]}), None), None));
                for chunk in chunks_of(block, stream.chunks_wanted) {
                    let part = json!({"index": calls, "function": {"arguments": chunk}});
                    stream.chunk(event(choice(json!({"tool_calls": [part]}), None), None));
                }
                calls += 1;
            }
            Block::ToolResult(_) | Block::Media(_) | Block::Raw(_) => {}
        }
    }
    stream.end_of_chunks();
    stream.event(event(choice(json!({}), Some(finish_reason(response))), None));
    stream.event(event(json!([]), Some(openai_usage(&response.usage.unwrap_or_default()))));
    stream.event("data: [DONE]\n\n".into());
}

fn openai_head(response: &Response, object: &str) -> Value {
    json!({"id": response.id, "object": object, "created": 1_763_800_000, "model": response.model})
}

fn openai_completion(response: &Response) -> Value {
    let text = joined_text(&response.blocks);
    let calls: Vec<Value> = response.tool_uses().map(openai_call).collect();
    let content = if text.is_empty() && !calls.is_empty() { Value::Null } else { text.into() };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    let mut body = openai_head(response, "chat.completion");
    body["choices"] = json!([{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(response)}]);
    body["usage"] = openai_usage(&response.usage.unwrap_or_default());
    body
}

fn openai_call(call: &ToolUse) -> Value {
    let arguments = call.input.to_string();
    json!({"id": &*call.id, "type": "function", "function": {"name": &*call.name, "arguments": arguments}})
}

fn openai_usage(usage: &Usage) -> Value {
    let prompt = usage.prompt();
    let written = usage.cache_write + usage.cache_write_1h;
    json!({
        "prompt_tokens": prompt, "completion_tokens": usage.output, "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}

fn finish_reason(response: &Response) -> &str {
    match &response.stop_reason {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::PauseTurn => "stop",
        StopReason::MaxTokens | StopReason::ContextFull => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal { .. } => "content_filter",
        StopReason::Other(word) => word,
    }
}

#[cfg(test)]
mod tests;
