//! The scripted model: answers and faults from a replies file, without a network or a key.
//!
//! Invariant: the same requests in the same order get the same outcomes. What a script does not cover
//! is answered from the agent's name and the message alone, never at random. Nothing here waits or
//! sends; an outcome says how long the waiting and how broken the sending shall be.
mod duration; // `"1.5s"` and its like
mod fallback; // answers that nobody scripted
mod quota; // the rate limit of a provider that a script plays
pub mod incoming; // requests of others, checked as strictly as the real servers do
mod replies; // the replies file
pub mod wire; // outcomes as bytes of the providers' protocols

use std::hash::Hasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::{Billed, CallError, TransportFailure, from_transport};
use crate::http::HttpResponse;
use crate::message::{Block, Message, Request, Response, Role, ToolUse, Usage, joined_text};
use crate::provider::{Endpoint, anthropic};

pub use quota::Announcement;
use quota::Quota;
pub use replies::ReplyError;
use replies::{Answer, Replies, Reply};

/// A script, with the count of how often each of its replies was used.
#[derive(Debug, Default)]
pub struct Script {
    replies: Vec<Reply>,
    /// Names of agents and a text that stands in their instructions.
    agents: Vec<(String, String)>,
    used: Vec<AtomicU32>,
    /// The rate limit of the provider that it plays.
    quota: Option<Quota>,
}

/// One call that wants an outcome.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The agent that calls. Unknown behind HTTP, where its instructions tell.
    pub agent: Option<&'a str>,
    /// The model's name as the program writes it.
    pub model: &'a str,
    /// The number of the model call within its invocation, from 1; unknown behind HTTP, where the
    /// messages tell.
    pub turn: Option<u32>,
    /// What is asked.
    pub request: &'a Request,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptedOutcome {
    /// The answer or the fault.
    pub outcome: Outcome,
    /// From the request to the end of the answer.
    pub latency: Duration,
    /// In how many pieces a streamed text arrives, one at least.
    pub chunks: usize,
    /// Where the answer breaks off.
    pub cut: Option<Cut>,
    /// Which reply of the file it is, from 0; `None` where none fits.
    pub reply: Option<usize>,
    /// What the answer says about the rate limit.
    pub announced: Announcement,
}

/// The answer or the fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An answer.
    Answer(Response),
    /// An error as the provider would answer it.
    Error {
        /// Which one.
        fault: Fault,
        /// What the `retry-after` header says.
        retry_after: Option<Duration>,
    },
    /// The connection closes before the first byte.
    Disconnect,
    /// Exactly this answer, whatever the protocol.
    Http(HttpResponse),
}

/// The errors that a script can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429
    RateLimit,
    /// 529
    Overloaded,
    /// The provider gave up on the request: 504.
    Timeout,
    /// 400
    InvalidRequest,
    /// 500
    ServerError,
}

/// Where an answer breaks off, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where.
    pub after: CutAfter,
    /// How.
    pub with: CutWith,
}

/// Where an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutAfter {
    /// After so many pieces of its text.
    Chunks(usize),
    /// After so many bytes of its body.
    Bytes(usize),
}

/// How an answer breaks off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CutWith {
    /// The connection is closed within the body.
    #[default]
    Close,
    /// The body ends as if it were complete.
    End,
    /// The connection is reset.
    Reset,
    /// Nothing more comes.
    Stall,
    /// Something comes that is no event.
    Garbage,
    /// The provider says that it failed.
    Error(Fault),
}

impl Script {
    /// Reads a replies file.
    pub fn parse(text: &str) -> Result<Script, ReplyError> {
        let Replies { replies, agents, quota } = replies::parse(text)?;
        let used = replies.iter().map(|_| AtomicU32::new(0)).collect();
        Ok(Script { replies, agents, used, quota: quota.map(Quota::new) })
    }

    /// Agents that replies speak of and whose instructions `[agents]` does not give. Without them a
    /// server cannot tell who calls.
    pub fn agents_without_instructions(&self) -> Vec<&str> {
        let named = self.replies.iter().filter_map(|reply| reply.agent.as_deref());
        let mut missing: Vec<&str> = named.filter(|name| !self.agents.iter().any(|(own, _)| own == name)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Whether it plays a provider with a rate limit.
    pub fn has_quota(&self) -> bool {
        self.quota.is_some()
    }

    /// What becomes of a call: the first reply that fits and is not used up, or an answer made from
    /// the agent's name and the message.
    pub fn outcome(&self, query: Query<'_>) -> ScriptedOutcome {
        let Some(quota) = &self.quota else { return self.unlimited_outcome(query) };
        let (admitted, announced) = quota.admit(tokens(&anthropic::encode(query.request)), vega_scheduler::now());
        match admitted {
            Ok(()) => ScriptedOutcome { announced, ..self.unlimited_outcome(query) },
            Err(retry_after) => ScriptedOutcome {
                outcome: Outcome::Error { fault: Fault::RateLimit, retry_after: Some(retry_after) },
                latency: Duration::ZERO,
                chunks: CHUNKS_DEFAULT,
                cut: None,
                reply: None,
                announced,
            },
        }
    }

    fn unlimited_outcome(&self, query: Query<'_>) -> ScriptedOutcome {
        let agent = query.agent.or_else(|| self.agent_of(query.request));
        let fitting = self
            .replies
            .iter()
            .zip(&self.used)
            .enumerate()
            .find(|(_, (reply, used))| self.fits(reply, agent, query) && take(used, reply.times));
        match fitting {
            Some((number, (reply, _))) => ScriptedOutcome {
                outcome: outcome(reply, agent, query),
                latency: reply.latency,
                chunks: reply.chunks,
                cut: reply.cut,
                reply: Some(number),
                announced: Announcement::default(),
            },
            None => ScriptedOutcome {
                outcome: Outcome::Answer(answer(None, agent, query)),
                latency: Duration::ZERO,
                chunks: CHUNKS_DEFAULT,
                cut: None,
                reply: None,
                announced: Announcement::default(),
            },
        }
    }

    fn fits(&self, reply: &Reply, agent: Option<&str>, query: Query<'_>) -> bool {
        let request = query.request;
        let system = request.system.as_deref().unwrap_or_default();
        reply.agent.as_deref().is_none_or(|name| agent == Some(name))
            && reply.system.as_deref().is_none_or(|part| system.contains(part))
            && reply.model.as_deref().is_none_or(|model| model == query.model || model == request.model)
            && reply.turn.is_none_or(|turn| turn == query.turn.unwrap_or_else(|| turn_of(request)))
            && reply.contains.as_deref().is_none_or(|part| asked(request).any(|text| text.contains(part)))
            && reply.seen.iter().all(|part| said(request, part))
            && !reply.unseen.iter().any(|part| said(request, part))
    }

    /// The agent whose known instructions stand in the request's.
    fn agent_of(&self, request: &Request) -> Option<&str> {
        let system = request.system.as_deref()?;
        let known = self.agents.iter().filter(|(_, text)| system.contains(text.trim()));
        // The longest text is the most certain, where one is part of another.
        known.max_by_key(|(_, text)| text.len()).map(|(name, _)| name.as_str())
    }
}

/// Pieces of a streamed text unless a reply says otherwise.
const CHUNKS_DEFAULT: usize = 4;

/// Uses a reply once more, where it may be.
fn take(used: &AtomicU32, times: Option<u32>) -> bool {
    let Some(times) = times else { return true };
    // Only this counter decides, so no other memory needs ordering.
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| (used < times).then_some(used + 1)).is_ok()
}

/// What a `contains` looks at: the text of the last message that the program wrote itself, and the
/// tool results that came after it.
fn asked(request: &Request) -> impl Iterator<Item = String> {
    let mut texts = Vec::new();
    for message in request.messages.iter().rev().filter(|message| message.role == Role::User) {
        texts.extend(message.blocks.iter().filter_map(|block| match block {
            Block::ToolResult(result) => Some(result.content.to_string()),
            Block::Text(_) | Block::ToolUse(_) | Block::Media(_) | Block::Raw(_) => None,
        }));
        let text = joined_text(&message.blocks);
        if !text.is_empty() {
            texts.push(text);
            break;
        }
    }
    texts.into_iter()
}

/// Whether a text stands anywhere in the conversation, tool results included.
fn said(request: &Request, part: &str) -> bool {
    request.messages.iter().flat_map(|message| message.blocks.iter()).any(|block| match block {
        Block::Text(text) => text.contains(part),
        Block::ToolResult(result) => result.content.contains(part),
        Block::ToolUse(_) | Block::Media(_) | Block::Raw(_) => false,
    })
}

/// The text of the last message that the program wrote itself.
fn last_message(request: &Request) -> String {
    let own = request.messages.iter().rev().filter(|message| message.role == Role::User);
    own.map(|message| joined_text(&message.blocks)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// The number of the model call within its invocation: the answers since the program's message, and
/// this one.
fn turn_of(request: &Request) -> u32 {
    let is_own = |message: &&Message| {
        message.role == Role::User && message.blocks.iter().any(|block| !matches!(block, Block::ToolResult(_)))
    };
    let since = request.messages.iter().rev().take_while(|message| !is_own(message));
    let answers = since.filter(|message| message.role == Role::Assistant).count();
    u32::try_from(answers).unwrap_or(u32::MAX).saturating_add(1)
}

fn outcome(reply: &Reply, agent: Option<&str>, query: Query<'_>) -> Outcome {
    match &reply.answer {
        Answer::Error(fault) => Outcome::Error { fault: *fault, retry_after: reply.retry_after },
        Answer::Disconnect => Outcome::Disconnect,
        Answer::Http(response) => Outcome::Http(response.clone()),
        Answer::Default | Answer::Content { .. } => Outcome::Answer(answer(Some(reply), agent, query)),
    }
}

/// The answer of a reply, or one that nobody scripted.
fn answer(reply: Option<&Reply>, agent: Option<&str>, query: Query<'_>) -> Response {
    let request = query.request;
    let key = key(request);
    let (text, calls) = match reply.map(|reply| &reply.answer) {
        Some(Answer::Content { text, calls }) => (text.clone(), calls.as_slice()),
        _ => (Some(fallback::text(agent, request, &last_message(request))), &[][..]),
    };
    let mut blocks: Vec<Block> = text.filter(|text| !text.is_empty()).map(Block::text).into_iter().collect();
    blocks.extend(calls.iter().enumerate().map(|(number, (name, input))| {
        let id = format!("toolu_{key:016x}{number:02}");
        Block::ToolUse(ToolUse { id: id.into(), name: name.as_str().into(), input: input.clone() })
    }));
    let default_stop = if calls.is_empty() { "end_turn" } else { "tool_use" };
    let word = reply.and_then(|reply| reply.stop_reason.as_deref()).unwrap_or(default_stop);
    let usage = Usage {
        input: reply.and_then(|reply| reply.input_tokens).unwrap_or_else(|| prompt_tokens(request)),
        output: reply.and_then(|reply| reply.output_tokens).unwrap_or_else(|| blocks.iter().map(block_tokens).sum()),
        ..Usage::default()
    };
    Response {
        id: Some(format!("msg_{key:016x}")),
        request_id: Some(format!("req_{key:016x}")),
        model: request.model.clone(),
        blocks,
        stop_reason: anthropic::stop_reason(Some(&Value::from(word)), None),
        usage: Some(usage),
    }
}

/// The prompt's tokens as the script counts them where a reply says nothing else.
pub(crate) fn prompt_tokens(request: &Request) -> u64 {
    tokens(&anthropic::encode(request))
}

/// Four bytes to a token, which is about what English has.
fn tokens(bytes: &[u8]) -> u64 {
    (bytes.len() as u64).div_ceil(4)
}

fn block_tokens(block: &Block) -> u64 {
    match block {
        Block::Text(text) => tokens(text.as_bytes()),
        Block::ToolUse(call) => tokens(call.name.as_bytes()) + tokens(call.input.to_string().as_bytes()),
        Block::ToolResult(_) | Block::Media(_) | Block::Raw(_) => 0,
    }
}

/// A number that the request determines, so that ids are the same in every run and differ within one.
fn key(request: &Request) -> u64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        fn finish(&self) -> u64 {
            self.0
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(&anthropic::encode(request));
    hasher.finish()
}

impl ScriptedOutcome {
    /// Whether anything comes back, be it an error.
    pub fn is_answer(&self) -> bool {
        !matches!(self.outcome, Outcome::Disconnect | Outcome::Error { fault: Fault::Timeout, .. }) && self.cut.is_none()
    }

    /// What the caller of a model gets, for a script that stands in the place of a provider. Errors
    /// take the same way as those of a real one.
    pub fn resolve(&self, endpoint: &Endpoint, model: &str, now: SystemTime) -> Result<Response, Box<CallError>> {
        let origin = endpoint.origin(model);
        let broken = |detail: &str| from_transport(&TransportFailure::Broken(detail.to_owned()), origin);
        match &self.outcome {
            Outcome::Answer(response) => match (self.received(&response.text()), self.cut.map(|cut| cut.with)) {
                (_, Some(CutWith::Error(fault))) => endpoint.decode(&wire::error(fault, None, endpoint.protocol), model, now),
                (Some(partial), Some(CutWith::Reset)) => {
                    Err(Box::new(self.cut_off(response, partial, broken("the script resets the connection"))))
                }
                (Some(partial), _) => Err(Box::new(self.cut_off(response, partial, broken("the script cuts it")))),
                (None, _) => Ok(response.clone()),
            },
            Outcome::Disconnect => Err(Box::new(broken("the script disconnects"))),
            Outcome::Error { fault: Fault::Timeout, .. } => {
                Err(Box::new(from_transport(&TransportFailure::FirstTokenTimeout(self.latency), origin)))
            }
            Outcome::Error { fault, retry_after } => {
                endpoint.decode(&wire::error(*fault, *retry_after, endpoint.protocol), model, now)
            }
            Outcome::Http(response) => {
                if let Some(Cut { after: CutAfter::Bytes(bytes), .. }) = self.cut
                    && bytes < response.body.len()
                {
                    return Err(Box::new(broken("the script cuts it")));
                }
                endpoint.decode(response, model, now)
            }
        }
    }

    /// Whether its answer never ends.
    pub fn stalls(&self) -> bool {
        matches!((&self.outcome, self.cut), (Outcome::Answer(_), Some(Cut { with: CutWith::Stall, .. })))
    }

    /// The pieces in which a streamed text arrives; none of them is empty.
    pub fn pieces<'a>(&self, text: &'a str) -> Vec<&'a str> {
        pieces(text, self.chunks)
    }

    /// The text that arrives before the cut, or `None` where there is no cut.
    fn received(&self, text: &str) -> Option<String> {
        match self.cut?.after {
            CutAfter::Chunks(chunks) => Some(self.pieces(text).into_iter().take(chunks).collect()),
            // Where in the body the text stands is the wire's business: none of it is certain.
            CutAfter::Bytes(_) => Some(String::new()),
        }
    }

    fn cut_off(&self, response: &Response, partial: String, mut error: CallError) -> CallError {
        if let Some(usage) = response.usage {
            error.billed = Billed::Reported(Usage { output: tokens(partial.as_bytes()), ..usage });
        }
        error.partial = Some(partial).filter(|text| !text.is_empty());
        error
    }
}

/// Cuts a text between characters into at most `count` pieces of about the same size.
fn pieces(text: &str, count: usize) -> Vec<&str> {
    let characters = text.chars().count();
    let count = count.clamp(1, characters.max(1));
    let mut rest = text;
    let mut pieces = Vec::with_capacity(count);
    let mut taken = 0;
    for number in 1..=count {
        let until = characters * number / count;
        let split = rest.char_indices().nth(until - taken).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(split);
        if !piece.is_empty() {
            pieces.push(piece);
        }
        (rest, taken) = (after, until);
    }
    pieces
}

#[cfg(test)]
mod tests;
