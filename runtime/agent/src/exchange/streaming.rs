//! An exchange whose answer arrives in pieces: from the bytes of a connection, or of the script, to chunks and the answer.
//!
//! Invariants: every byte of a stream passes the same parser and the same decoder, whoever sent it; what had been received when a stream
//! ended is known however it ended; nothing is read while the consumer has enough to do.

use std::time::Duration;

use vega_net::client;
use vega_net::sse::{self, Parser};
use vega_runtime::effects::Ticket;
use vega_runtime::native::NativeContext;
use vega_scheduler::Instant;

use super::door::{Door, tell_door};
use super::sending::Sending;
use super::{Attempted, Exchange, Unanswered};
use crate::config::Backend;
use crate::error::{Billed, TransportFailure, from_transport};
use crate::flow::Outlet;
use crate::http::HttpResponse;
use crate::message::{Request, Response};
use crate::progress::Activity;
use crate::provider::Endpoint;
use crate::provider::stream::{Progress, StreamDecoder};
use crate::script::Query;
use crate::script::wire::{self, Ending, Plan};

/// Bytes read at a time.
const READ_BYTES: usize = 2 << 10;
/// How long the end of a body is waited for behind the last event, so that its connection can be used again.
const END_OF_BODY_PATIENCE: Duration = Duration::from_millis(20);

/// A stream that is being read.
struct Reading<'a> {
    exchange: &'a Exchange<'a>,
    context: &'a NativeContext<'a>,
    endpoint: &'a Endpoint,
    outlet: Outlet<'a>,
    parser: Parser,
    events: Vec<sse::Event>,
    decoder: StreamDecoder,
    /// The body so far, where somebody keeps results.
    body: Option<Vec<u8>>,
    /// Since when the first token is awaited.
    began: Instant,
    /// Whether anything of the answer itself has come.
    has_token: bool,
    /// When the first chunk of text was delivered.
    first_chunk: Option<Instant>,
}

/// Whether a stream goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fed {
    More,
    End,
}

impl<'a> Exchange<'a> {
    /// Passes the door and calls, with the answer delivered as it comes.
    pub(super) fn attempt_streamed(&self, context: &NativeContext<'_>, request: Request, outlet: Outlet<'_>) -> Attempted {
        let endpoint = &*self.config.endpoint;
        let mut bytes = 0;
        if let Backend::Script(protocol) = self.config.backend {
            let body = self.encode_scripted(protocol, &request);
            bytes = body.len();
            return match self.ask_door(context, endpoint, &request.model, &body) {
                Door::Open(ticket) => {
                    drop(body);
                    self.stream_script(context, endpoint, ticket, outlet, &request).with_bytes(bytes)
                }
                Door::Closed(attempted) => attempted.with_bytes(bytes),
            };
        }
        let Sending { ticket, request: sending } = match self.prepare(context, endpoint, &request, &mut bytes) {
            Ok(prepared) => prepared,
            Err(unsent) => return unsent.with_bytes(bytes),
        };
        drop(request);
        let received = self.send(endpoint, *sending);
        match received {
            Ok(answer) if is_event_stream(answer.status, answer.header("content-type")) => {
                self.stream_http(context, endpoint, ticket, outlet, *answer).with_bytes(bytes)
            }
            // An error, or a server that answers as a whole although a stream was asked for.
            received => {
                let result = self.receive(context, endpoint, ticket, received);
                self.deliver_whole(context, result, outlet).with_bytes(bytes)
            }
        }
    }

    /// An answer that came as a whole, as one chunk.
    pub(super) fn deliver_whole(
        &self,
        context: &NativeContext<'_>,
        result: Result<Response, Unanswered>,
        outlet: Outlet<'_>,
    ) -> Attempted {
        let text = result.as_ref().map(Response::text).unwrap_or_default();
        if text.is_empty() {
            return Attempted::plain(result, 0);
        }
        let first_chunk = Some(vega_scheduler::now().since(self.began));
        let result = match outlet.send(context, text, self.turn, self.deadline) {
            Ok(()) => result,
            Err(error) => Err(interrupted(&error)),
        };
        Attempted { first_chunk, ..Attempted::plain(result, 0) }
    }

    #[inline(never)]
    fn reading<'r>(
        &'r self,
        context: &'r NativeContext<'r>,
        endpoint: &'r Endpoint,
        outlet: Outlet<'r>,
        headers: &crate::http::Headers,
        began: Instant,
    ) -> Box<Reading<'r>> {
        Box::new(Reading {
            exchange: self,
            context,
            endpoint,
            outlet,
            parser: Parser::default(),
            events: Vec::new(),
            decoder: StreamDecoder::new(endpoint, headers),
            body: context.keeps_effects().then(Vec::new),
            began,
            has_token: false,
            first_chunk: None,
        })
    }

    #[inline(never)]
    fn stream_http(
        &self,
        context: &NativeContext<'_>,
        endpoint: &Endpoint,
        ticket: Ticket,
        outlet: Outlet<'_>,
        mut answer: client::Answer,
    ) -> Attempted {
        let headers = std::mem::take(&mut answer.headers).into_iter().collect();
        self.hear(&headers);
        let mut reading = self.reading(context, endpoint, outlet, &headers, vega_scheduler::now());
        let ended = reading.read(&mut answer);
        drop(answer);
        reading.finish(ended, ticket, headers)
    }

    #[inline(never)]
    fn stream_script(
        &self,
        context: &NativeContext<'_>,
        endpoint: &Endpoint,
        ticket: Ticket,
        outlet: Outlet<'_>,
        request: &Request,
    ) -> Attempted {
        let query = Query { agent: Some(&self.config.name), model: &self.config.model, turn: Some(self.turn), request };
        let scripted = self.service.script.outcome(query);
        match wire::plan(&scripted, endpoint.protocol, true) {
            Plan::Answer(answer) if is_event_stream(answer.status, answer.headers.get("content-type")) => {
                self.hear(&answer.headers);
                let mut reading = self.reading(context, endpoint, outlet, &answer.headers, vega_scheduler::now());
                let ended = reading.play(&answer.parts, answer.ending);
                reading.finish(ended, ticket, answer.headers)
            }
            _ => {
                let (result, answer) = self.script_whole(endpoint, &scripted, request);
                tell_door(context, ticket, &result, answer);
                self.deliver_whole(context, result, outlet)
            }
        }
    }

    /// The chunks of an answer that was kept in another run.
    pub(super) fn replay_stream(
        &self,
        context: &NativeContext<'_>,
        endpoint: &Endpoint,
        outlet: Outlet<'_>,
        response: &HttpResponse,
    ) -> Attempted {
        let mut reading = self.reading(context, endpoint, outlet, &response.headers, vega_scheduler::now());
        let ended = reading.feed(&response.body).map(|_| ());
        reading.conclude(ended)
    }
}

impl Attempted {
    fn with_bytes(self, bytes: usize) -> Attempted {
        Attempted { bytes, ..self }
    }
}

impl Reading<'_> {
    /// Reads a connection until the stream is over.
    fn read(&mut self, answer: &mut client::Answer) -> Result<(), Unanswered> {
        let mut buffer = [0; READ_BYTES];
        loop {
            match answer.read_within(&mut buffer, self.patience()) {
                Ok(0) => return Ok(()),
                Ok(amount) => {
                    if self.feed(&buffer[..amount])? == Fed::End {
                        // Most servers send the end of the body together with the last event.
                        let _unused = answer.read_within(&mut buffer, END_OF_BODY_PATIENCE);
                        return Ok(());
                    }
                }
                Err(failure) => return Err(self.broken(&failure)),
            }
        }
    }

    /// Plays what a script sends.
    fn play(&mut self, parts: &[wire::Part], ending: Ending) -> Result<(), Unanswered> {
        let began = self.began;
        for part in parts {
            self.await_part(Some(began + part.after))?;
            if self.feed(&part.bytes)? == Fed::End {
                return Ok(());
            }
        }
        match ending {
            Ending::Whole => Ok(()),
            Ending::Stalled => self.await_part(None),
            Ending::Cut | Ending::Reset => {
                let what = if ending == Ending::Cut { "the script cuts it" } else { "the script resets the connection" };
                Err(self.failed(&TransportFailure::Broken(what.into())))
            }
        }
    }

    /// Waits for the moment at which the script sends more, or for a limit that comes before.
    fn await_part(&self, moment: Option<Instant>) -> Result<(), Unanswered> {
        let limit = vega_scheduler::now() + self.patience();
        let until = moment.unwrap_or(Instant::NEVER).min(limit).min(self.exchange.deadline);
        if until > vega_scheduler::now() && vega_scheduler::sleep_until(until).is_err() {
            return Err(Unanswered::Killed);
        }
        match moment {
            Some(moment) if moment <= until => Ok(()),
            _ if until == self.exchange.deadline => Err(Unanswered::TimeIsOver { sent: true }),
            _ => Err(self.failed(&self.too_late())),
        }
    }

    /// How long the next byte may take.
    fn patience(&self) -> Duration {
        let timeouts = self.exchange.config.timeouts;
        match timeouts.first_token {
            Some(first_token) if !self.has_token => (self.began + first_token).since(vega_scheduler::now()).min(timeouts.idle),
            _ => timeouts.idle,
        }
    }

    /// Which limit has passed.
    fn too_late(&self) -> TransportFailure {
        let timeouts = self.exchange.config.timeouts;
        match timeouts.first_token {
            Some(first_token) if !self.has_token && vega_scheduler::now() >= self.began + first_token => {
                TransportFailure::FirstTokenTimeout(first_token)
            }
            _ => TransportFailure::IdleTimeout(timeouts.idle),
        }
    }

    /// Takes bytes, and delivers what they complete.
    fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Unanswered> {
        if let Some(body) = &mut self.body {
            body.extend_from_slice(bytes);
        }
        let mut events = std::mem::take(&mut self.events);
        let parsed = self.parser.feed(bytes, &mut events);
        let mut fed = Ok(Fed::More);
        for event in events.drain(..) {
            fed = self.event(&event);
            if fed.as_ref().map_or(true, |fed| *fed == Fed::End) {
                break;
            }
        }
        events.clear();
        self.events = events;
        match (fed, parsed) {
            (Ok(Fed::More), Err(sse::SseError::TooLong(limit))) => Err(self.failed(&TransportFailure::TooLarge(limit))),
            (fed, _) => fed,
        }
    }

    fn event(&mut self, event: &sse::Event) -> Result<Fed, Unanswered> {
        let origin = self.endpoint.origin(&self.exchange.config.provider_model);
        let text = match self.decoder.event(&event.data, origin).map_err(Unanswered::Failed)? {
            Progress::Text(text) => text,
            Progress::Unseen => {
                self.has_token = true;
                return Ok(Fed::More);
            }
            Progress::Nothing if self.has_token => return Ok(Fed::More),
            // Signs of life are no answer.
            Progress::Nothing => {
                let first_token = self.exchange.config.timeouts.first_token;
                return match first_token {
                    Some(first_token) if vega_scheduler::now() >= self.began + first_token => {
                        Err(self.failed(&TransportFailure::FirstTokenTimeout(first_token)))
                    }
                    _ => Ok(Fed::More),
                };
            }
            Progress::End => return Ok(Fed::End),
        };
        self.has_token = true;
        if text.is_empty() {
            return Ok(Fed::More);
        }
        self.first_chunk.get_or_insert_with(vega_scheduler::now);
        self.exchange.service.report(self.exchange.number, &self.exchange.config.name, Activity::Chunk);
        let sent = self.outlet.send(self.context, text, self.exchange.turn, self.exchange.deadline);
        sent.map(|()| Fed::More).map_err(|error| interrupted(&error))
    }

    /// What a failure of the connection means.
    fn broken(&self, failure: &vega_net::failure::Failure) -> Unanswered {
        use vega_net::failure::FailureKind;
        if failure.kind == FailureKind::Timeout && vega_scheduler::now() + Duration::from_millis(1) < self.exchange.deadline {
            return self.failed(&self.too_late());
        }
        self.with_partial(self.exchange.unanswered(failure, self.endpoint, Duration::MAX))
    }

    fn failed(&self, failure: &TransportFailure) -> Unanswered {
        let origin = self.endpoint.origin(&self.exchange.config.provider_model);
        Unanswered::Failed(self.decoder.failed(from_transport(failure, origin)))
    }

    fn with_partial(&self, unanswered: Unanswered) -> Unanswered {
        match unanswered {
            Unanswered::Failed(error) => Unanswered::Failed(self.decoder.failed(*error)),
            other => other,
        }
    }

    /// The end: tells the door, and gives what came of it.
    fn finish(mut self: Box<Self>, ended: Result<(), Unanswered>, ticket: Ticket, headers: crate::http::Headers) -> Attempted {
        let (context, body) = (self.context, self.body.take());
        let attempted = self.conclude(ended);
        let kept = body.filter(|_| attempted.result.is_ok()).map(|body| HttpResponse { status: 200, headers, body });
        tell_door(context, ticket, &attempted.result, kept);
        attempted
    }

    fn conclude(self: Box<Self>, ended: Result<(), Unanswered>) -> Attempted {
        let Reading { exchange, endpoint, decoder, first_chunk, .. } = *self;
        let received = decoder.received();
        let result = match ended {
            Err(unanswered @ (Unanswered::Killed | Unanswered::TimeIsOver { .. } | Unanswered::Refused(_))) => Err(unanswered),
            // Whatever happens to the connection behind the answer's own end is no matter.
            Err(Unanswered::Failed(error)) if error.billed == Billed::Nothing || !decoder.is_complete() => {
                Err(Unanswered::Failed(error))
            }
            Ok(()) | Err(Unanswered::Failed(_)) => {
                decoder.finish(endpoint.origin(&exchange.config.provider_model)).map_err(Unanswered::Failed)
            }
        };
        let first_chunk = first_chunk.map(|at| at.since(exchange.began));
        Attempted { result, bytes: 0, received: Some(received), first_chunk }
    }
}

/// Whether an answer is a stream of events.
pub(super) fn is_event_stream(status: u16, content_type: Option<&str>) -> bool {
    let named = |kind: &str| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
    status == 200 && content_type.is_none_or(named)
}

/// Why a wait for the consumer ended.
fn interrupted(error: &std::io::Error) -> Unanswered {
    if error.kind() == std::io::ErrorKind::TimedOut { Unanswered::TimeIsOver { sent: true } } else { Unanswered::Killed }
}
