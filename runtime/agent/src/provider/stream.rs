//! Streamed answers: events of a provider's stream, one at a time, into an answer.
//!
//! Invariants: usage that comes again overwrites and never adds; an answer is complete only once the
//! provider has said why it stopped, however properly the connection ends; what breaks off keeps the
//! text and the tokens that arrived. Framing the events is somebody else's work.
mod anthropic; // Messages
mod openai; // chat completions

use serde_json::Value;

use super::{Endpoint, Protocol};
use crate::error::{Billed, CallError, Origin, TransportFailure, from_event, from_transport};
use crate::http::Headers;
use crate::message::{Response, Usage};

/// A stream with more data than this is refused.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// An answer that is arriving.
#[derive(Debug)]
pub struct StreamDecoder {
    answer: Answer,
    /// All text so far, of which failures keep a copy.
    text: String,
    /// Bytes of everything that the model wrote, arguments of tools and thoughts included.
    written_bytes: usize,
    received_bytes: usize,
    request_id: Option<String>,
}

#[derive(Debug)]
enum Answer {
    Anthropic(anthropic::Answer),
    OpenAi(openai::Answer),
}

/// What one event means for the answer.
#[derive(Debug, PartialEq)]
enum Meaning {
    /// Nothing that anybody waits for.
    Nothing,
    /// More text.
    Text(String),
    /// So many bytes of something else that the model wrote.
    Written(usize),
    /// The stream is over.
    End,
    /// The provider failed in the middle of its answer.
    Error(Value),
    /// The event is not what it should be.
    Malformed(&'static str),
}

/// What the reader of a stream does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Read on.
    Nothing,
    /// Deliver this, then read on.
    Text(String),
    /// Read on; the model wrote something that is not delivered.
    Unseen,
    /// Nothing more comes: close the connection or give it back, and take the answer.
    End,
}

/// What had arrived of an answer when its stream ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Received {
    /// What the provider had reported.
    pub reported: Option<Usage>,
    /// Tokens of what the model had written, by their bytes.
    pub counted_output: u64,
}

impl StreamDecoder {
    /// The decoder for an answer of this endpoint whose head has arrived with status 200.
    pub fn new(endpoint: &Endpoint, headers: &Headers) -> StreamDecoder {
        let (answer, id_header) = match endpoint.protocol {
            Protocol::Anthropic => (Answer::Anthropic(anthropic::Answer::default()), "request-id"),
            Protocol::OpenAi => (Answer::OpenAi(openai::Answer::default()), "x-request-id"),
        };
        let request_id = headers.get(id_header).map(str::to_owned);
        StreamDecoder { answer, text: String::new(), written_bytes: 0, received_bytes: 0, request_id }
    }

    /// Takes one event. An error ends the stream.
    pub fn event(&mut self, data: &str, origin: Origin<'_>) -> Result<Progress, Box<CallError>> {
        self.received_bytes = self.received_bytes.saturating_add(data.len());
        if self.received_bytes > ANSWER_BYTES_MAX {
            return Err(self.failed(from_transport(&TransportFailure::TooLarge(ANSWER_BYTES_MAX), origin)));
        }
        let meaning = match &mut self.answer {
            Answer::Anthropic(answer) => answer.event(data),
            Answer::OpenAi(answer) => answer.event(data),
        };
        match meaning {
            Meaning::Nothing => Ok(Progress::Nothing),
            Meaning::Text(text) => {
                self.text.push_str(&text);
                self.written_bytes += text.len();
                Ok(Progress::Text(text))
            }
            Meaning::Written(bytes) => {
                self.written_bytes += bytes;
                Ok(Progress::Unseen)
            }
            Meaning::End => Ok(Progress::End),
            Meaning::Error(value) => Err(self.failed(from_event(&value, origin))),
            Meaning::Malformed(what) => Err(self.failed(from_transport(&TransportFailure::Broken(what.to_owned()), origin))),
        }
    }

    /// The answer, at the end of the stream or where the connection was closed.
    pub fn finish(mut self, origin: Origin<'_>) -> Result<Response, Box<CallError>> {
        let response = match &mut self.answer {
            Answer::Anthropic(answer) => answer.take(),
            Answer::OpenAi(answer) => answer.take(),
        };
        match response {
            Some(response) => Ok(Response { request_id: self.request_id, ..response }),
            None => {
                let early = TransportFailure::Broken("the stream ended before the answer did".to_owned());
                Err(self.failed(from_transport(&early, origin)))
            }
        }
    }

    /// Whether the provider has said why the answer stopped: all of it is there then.
    pub fn is_complete(&self) -> bool {
        match &self.answer {
            Answer::Anthropic(answer) => answer.is_complete(),
            Answer::OpenAi(answer) => answer.is_complete(),
        }
    }

    /// What has arrived so far.
    pub fn received(&self) -> Received {
        let reported = match &self.answer {
            Answer::Anthropic(answer) => answer.usage(),
            Answer::OpenAi(answer) => answer.usage(),
        };
        // Four bytes to a token, which is about what English has.
        Received { reported, counted_output: (self.written_bytes as u64).div_ceil(4) }
    }

    /// A failure with what had arrived by then: it is billed, and the program may want to see it.
    pub fn failed(&self, mut error: CallError) -> Box<CallError> {
        let Received { reported, counted_output } = self.received();
        error.billed = match reported {
            Some(usage) => Billed::Reported(Usage { output: usage.output.max(counted_output), ..usage }),
            None => Billed::EstimatedInput,
        };
        if !self.text.is_empty() {
            error.partial = Some(self.text.clone());
        }
        error.request_id = error.request_id.take().or_else(|| self.request_id.clone());
        Box::new(error)
    }
}

#[cfg(test)]
mod tests;
