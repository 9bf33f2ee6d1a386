//! One exchange with a model: reserve, pass the door, call, settle.
//!
//! Invariant: what was reserved is settled or released exactly once, whatever happens, and what a request may have cost is booked even
//! where nobody reads its answer. Only here a stack is held while somebody else works.
mod count; // asking how long a prompt is
mod door; // what the door to the world is told
mod streaming; // answers that arrive in pieces

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vega_bytecode::kinds;
use vega_net::client::{self, Timeouts};
use vega_net::failure::{Failure, FailureKind};
use vega_runtime::effects::Ticket;
use vega_runtime::ledger::{Admission, Outcome, Reservation, Settlement, Turn};
use vega_runtime::native::{CallGuard, NativeContext};

use vega_scheduler::Instant;

use crate::bound::{InputBound, Reported, input_bound, terms, worst_cost};
use crate::config::{AgentConfig, Backend};
use crate::error::{Billed, CallError, ErrorKind, TransportFailure, from_transport};
use crate::flow::Outlet;
use crate::http::{Headers, HttpRequest, HttpResponse};
use crate::limits::Announced;
use crate::message::{Request, Response, Usage};
use crate::price::Model;
use crate::provider::stream::Received;
use crate::provider::{Endpoint, Protocol, anthropic, openai};
use crate::raise::Failed;
use crate::script::{Query, ScriptedOutcome};
use crate::service::Service;
use door::{Door, answer_of, tell_door};

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The shortest answer that a budget may be lowered to, in tokens.
const OUTPUT_TOKENS_MIN: u32 = 256;
/// The same where the answer must have a form.
const TYPED_OUTPUT_TOKENS_MIN: u32 = 1_024;

/// What an exchange is made with.
pub(crate) struct Exchange<'a> {
    pub(crate) service: &'a Service,
    pub(crate) config: &'a AgentConfig,
    /// The invocation's number, for whoever watches.
    pub(crate) number: u64,
    /// The number of the model call within its invocation, from 1.
    pub(crate) turn: u32,
    /// The number of the attempt within its invocation, for its coordinate.
    pub(crate) step: u32,
    /// What the provider has counted of the conversation.
    pub(crate) reported: Option<Reported>,
    /// What is left of the invocation's time, and when it is over.
    pub(crate) remaining: Duration,
    pub(crate) deadline: Instant,
    /// Where chunks of the answer go, where it is streamed.
    pub(crate) outlet: Option<Outlet<'a>>,
    /// What the provider said about its limits, once it has answered.
    pub(crate) heard: Cell<Option<Announced>>,
}

/// What came of an exchange.
pub(crate) struct Exchanged {
    pub(crate) result: Result<Response, Unanswered>,
    /// What the budget lowered the bound of the answer to, if it did.
    pub(crate) lowered: Option<u32>,
    /// What it used, and whether that is an estimate.
    pub(crate) usage: Usage,
    pub(crate) estimated: bool,
    /// What it cost; none where no price is known.
    pub(crate) cost: Option<i64>,
    /// What it cost above its reservation, in 10^-12 dollars.
    pub(crate) overrun: i64,
    /// Whether anything was attempted at all.
    pub(crate) attempted: bool,
    /// While it is held the call counts as under way.
    pub(crate) under_way: Option<CallGuard>,
    /// Whether a part of the answer was delivered, so that it must not come again.
    pub(crate) delivered: bool,
    /// What the provider said about its limits; none where it did not answer.
    pub(crate) heard: Option<Announced>,
}

/// What an attempt came to, before it is booked.
struct Attempted {
    result: Result<Response, Unanswered>,
    /// Bytes of the request's body.
    bytes: usize,
    /// What had arrived of a stream.
    received: Option<Received>,
    delivered: bool,
}

impl Attempted {
    /// One that was not streamed.
    fn plain(result: Result<Response, Unanswered>, bytes: usize) -> Attempted {
        Attempted { result, bytes, received: None, delivered: false }
    }
}

/// Why there is no answer.
pub(crate) enum Unanswered {
    /// The attempt failed; another may help.
    Failed(Box<CallError>),
    /// The invocation's time is over.
    TimeIsOver {
        /// Whether the provider may have received the request.
        sent: bool,
    },
    /// It was not attempted, and no other attempt will be.
    Refused(Failed),
    /// The process is being ended.
    Killed,
}

/// Why nothing was reserved.
enum Unreserved {
    /// Others have reserved what the exchange needs.
    Waits,
    /// It does not fit, or nobody can say what it costs.
    Refused(Failed),
}

/// What an invocation is sent when its turn in the queue of a budget has come.
pub(crate) struct RoomMayBe;

impl Exchange<'_> {
    /// Calls the model. Blocks. Nothing comes of it where others have reserved what it needs: then `turn` is its place in the queue of
    /// a budget, and [`RoomMayBe`] is sent when another try is worth while.
    pub(crate) fn run(&self, context: &NativeContext<'_>, request: &Request, turn: &mut Option<Turn>) -> Option<Exchanged> {
        let refused = |failed| Exchanged {
            result: Err(Unanswered::Refused(failed)),
            lowered: None,
            usage: Usage::default(),
            estimated: false,
            cost: None,
            overrun: 0,
            attempted: false,
            under_way: None,
            delivered: false,
            heard: None,
        };
        let Some(under_way) = context.begin_call() else {
            return Some(refused(Failed::plain(kinds::CANCELLED, "the program is ending, and no new call begins")));
        };
        let mut request = request.clone();
        let declared = request.max_tokens;
        let reservation = match self.reserve(context, &mut request, turn) {
            Ok(reservation) => reservation,
            Err(Unreserved::Waits) => return None,
            Err(Unreserved::Refused(failed)) => return Some(refused(failed)),
        };
        let lowered = Some(request.max_tokens).filter(|tokens| *tokens < declared);
        let Attempted { result, bytes, received, delivered } = self.attempt(context, request);
        let estimate = || Usage { input: (bytes as u64).div_ceil(4), ..Usage::default() };
        let (usage, estimated) = match (&result, received) {
            (Ok(Response { usage: Some(usage), .. }), _) => (*usage, false),
            // What was reported, and the larger of reported and counted output.
            (Err(_), Some(received)) => {
                let reported = received.reported.unwrap_or_else(estimate);
                (Usage { output: reported.output.max(received.counted_output), ..reported }, true)
            }
            (Ok(response), _) => (Usage { output: (response.text().len() as u64).div_ceil(4), ..estimate() }, true),
            (Err(Unanswered::Failed(error)), None) => match error.billed {
                Billed::Nothing => (Usage::default(), false),
                Billed::EstimatedInput => (estimate(), true),
                Billed::Reported(usage) => (usage, true),
            },
            (Err(Unanswered::TimeIsOver { sent: true } | Unanswered::Killed), None) => (estimate(), true),
            (Err(Unanswered::TimeIsOver { sent: false } | Unanswered::Refused(_)), None) => (Usage::default(), false),
        };
        let (cost, overrun) = self.settle(reservation, &usage, matches!(result, Err(Unanswered::Killed)));
        let attempted = !matches!(result, Err(Unanswered::Refused(_)));
        let under_way = Some(under_way);
        let heard = self.heard.get();
        Some(Exchanged { result, lowered, usage, estimated, cost, overrun, attempted, under_way, delivered, heard })
    }

    /// The provider answered, with what its headers say about its limits.
    fn hear(&self, headers: &Headers) {
        self.heard.set(Some(Announced::read(headers, SystemTime::now())));
    }

    /// The rates that the exchange is booked at; none where nobody knows them.
    fn model(&self) -> Option<&Model> {
        self.config.known.as_deref()
    }

    /// Takes room for the worst case in every budget around the call. Where others have reserved it, the call waits; where nobody has,
    /// the answer may only be shorter.
    fn reserve(
        &self,
        context: &NativeContext<'_>,
        request: &mut Request,
        turn: &mut Option<Turn>,
    ) -> Result<Option<Reservation>, Unreserved> {
        let scope = context.scope();
        let Some(model) = self.model() else {
            if self.service.is_free(&self.config.model) || scope.remaining().is_none() {
                return Ok(None);
            }
            let text = format!(
                "the price of `{}` is not known, so no budget can hold for it; take a model with a known price or the budget away",
                self.config.model
            );
            return Err(Unreserved::Refused(Failed::plain(kinds::AGENT_FAILED, text)));
        };
        let mut bound = input_bound(request, self.reported);
        let mut admit = |request: &Request, bound: InputBound| {
            let overflow = |_| Unreserved::Refused(Failed::plain(kinds::OVERFLOW, "the cost of the call does not fit a number"));
            let cost = worst_cost(request, bound, model).map_err(overflow)?;
            Ok(scope.admit(cost, turn, || {
                let (runtime, address) = (context.runtime(), context.address());
                Box::new(move || {
                    runtime.send_to(&address, Box::new(RoomMayBe));
                })
            }))
        };
        let mut exceeded = match admit(request, bound)? {
            Admission::Admitted(reservation) => return Ok(Some(reservation)),
            Admission::Waits => return Err(Unreserved::Waits),
            Admission::Exceeded(exceeded) => exceeded,
        };
        if let Some(counted) = self.counted_bound(context, request).filter(|counted| *counted < bound.tokens(model)) {
            bound = InputBound::Tokens(counted);
            exceeded = match admit(request, bound)? {
                Admission::Admitted(reservation) => return Ok(Some(reservation)),
                Admission::Waits => return Err(Unreserved::Waits),
                Admission::Exceeded(exceeded) => exceeded,
            };
        }
        let minimum = if request.output.is_some() { TYPED_OUTPUT_TOKENS_MIN } else { OUTPUT_TOKENS_MIN };
        let affordable = self.affordable(request, bound, model, scope.remaining().unwrap_or(i64::MAX));
        if affordable < u64::from(minimum.min(request.max_tokens)) {
            return Err(Unreserved::Refused(Failed::Budget(exceeded)));
        }
        request.max_tokens = u32::try_from(affordable).unwrap_or(u32::MAX).min(request.max_tokens);
        match admit(request, bound)? {
            Admission::Admitted(reservation) => Ok(Some(reservation)),
            // Somebody else took the room meanwhile; the whole answer is tried again when it comes back.
            Admission::Waits => Err(Unreserved::Waits),
            Admission::Exceeded(exceeded) => Err(Unreserved::Refused(Failed::Budget(exceeded))),
        }
    }

    fn affordable(&self, request: &Request, bound: InputBound, model: &Model, pico: i64) -> u64 {
        model.affordable_output(pico, bound.tokens(model), terms(request))
    }

    /// Books what was used. The cost, which is none where no price is known, and what of it was above the reservation.
    fn settle(&self, reservation: Option<Reservation>, usage: &Usage, discarded: bool) -> (Option<i64>, i64) {
        let Some(model) = self.model() else {
            return (self.service.is_free(&self.config.model).then_some(0), 0);
        };
        // A cost beyond the numbers cannot come from a provider that counts tokens.
        let cost = model.cost(usage).unwrap_or(i64::MAX);
        let Some(reservation) = reservation else { return (Some(cost), 0) };
        let reserved = reservation.amount();
        let outcome = if discarded { Outcome::Discarded } else { Outcome::Used };
        let Settlement { overrun } = reservation.settle(cost, outcome);
        if overrun > 0 {
            self.service.warn(&format!(
                "`{}` billed {} for a call that was bounded by {}: the budget is overrun",
                self.config.model,
                crate::raise::dollars(cost),
                crate::raise::dollars(reserved)
            ));
        }
        (Some(cost), overrun)
    }

    /// Passes the door and calls.
    fn attempt(&self, context: &NativeContext<'_>, request: Request) -> Attempted {
        if let Some(outlet) = self.outlet {
            return self.attempt_streamed(context, request, outlet);
        }
        let (result, bytes) = match self.config.backend {
            Backend::Script(protocol) => self.attempt_scripted(context, &request, protocol),
            Backend::Http(_) => self.attempt_http(context, request),
        };
        Attempted::plain(result, bytes)
    }

    /// The request's body as the script's provider would get it.
    fn encode_scripted(&self, protocol: Protocol, request: &Request) -> Vec<u8> {
        match protocol {
            Protocol::Anthropic => anthropic::encode(request),
            Protocol::OpenAi => openai::encode(request, self.config.endpoint.max_tokens_field),
        }
    }

    #[inline(never)]
    fn attempt_scripted(
        &self,
        context: &NativeContext<'_>,
        request: &Request,
        protocol: Protocol,
    ) -> (Result<Response, Unanswered>, usize) {
        let body = self.encode_scripted(protocol, request);
        let endpoint = &*self.config.endpoint;
        let bytes = body.len();
        let ticket = match self.ask_door(context, endpoint, &request.model, &body) {
            Door::Open(ticket) => ticket,
            Door::Closed(attempted) => return (attempted.result, bytes),
        };
        drop(body);
        let query = Query { agent: Some(&self.config.name), model: &self.config.model, turn: Some(self.turn), request };
        let scripted = self.service.script.outcome(query);
        let (result, answer) = self.script_whole(endpoint, &scripted, request);
        tell_door(context, ticket, &result, answer);
        (result, bytes)
    }

    /// What the script answers as a whole, after the time that it says.
    fn script_whole(
        &self,
        endpoint: &Endpoint,
        scripted: &ScriptedOutcome,
        request: &Request,
    ) -> (Result<Response, Unanswered>, Option<HttpResponse>) {
        let timeouts = self.config.timeouts;
        if scripted.stalls() {
            let patience = timeouts.first_token.unwrap_or(timeouts.idle);
            if vega_scheduler::sleep(patience.min(self.remaining)).is_err() {
                return (Err(Unanswered::Killed), None);
            }
            if patience >= self.remaining {
                return (Err(Unanswered::TimeIsOver { sent: true }), None);
            }
            let stalled = from_transport(&TransportFailure::IdleTimeout(patience), endpoint.origin(&request.model));
            return (Err(Unanswered::Failed(Box::new(stalled))), None);
        }
        if !scripted.latency.is_zero() && vega_scheduler::sleep(scripted.latency.min(self.remaining)).is_err() {
            return (Err(Unanswered::Killed), None);
        }
        if scripted.latency >= self.remaining {
            return (Err(Unanswered::TimeIsOver { sent: true }), None);
        }
        if scripted.is_answer() {
            self.hear(&scripted.announced.headers(endpoint.protocol, SystemTime::now()));
        }
        let response = scripted.resolve(endpoint, &request.model, SystemTime::now()).map_err(Unanswered::Failed);
        (response, answer_of(scripted, endpoint.protocol))
    }

    fn attempt_http(&self, context: &NativeContext<'_>, request: Request) -> (Result<Response, Unanswered>, usize) {
        let endpoint = &*self.config.endpoint;
        let mut bytes = 0;
        let Sending { ticket, request: sending } = match self.prepare(context, endpoint, &request, &mut bytes) {
            Ok(prepared) => prepared,
            Err(unsent) => return (unsent.result, bytes),
        };
        drop(request);
        let received = self.send(endpoint, *sending);
        (self.receive(context, endpoint, ticket, received), bytes)
    }

    /// Everything before the sending. Apart from it, so that the stack is small while the answer is awaited.
    #[inline(never)]
    fn prepare(
        &self,
        context: &NativeContext<'_>,
        endpoint: &Endpoint,
        request: &Request,
        bytes: &mut usize,
    ) -> Result<Sending, Box<Attempted>> {
        let refused = |error| Box::new(Attempted::plain(Err(Unanswered::Refused(Failed::Call(error))), 0));
        let HttpRequest { url, headers, body } = endpoint.encode(request).map_err(refused)?;
        *bytes = body.len();
        let ticket = match self.ask_door(context, endpoint, &request.model, &body) {
            Door::Open(ticket) => ticket,
            Door::Closed(attempted) => return Err(attempted),
        };
        let request = Box::new(self.post(url, headers.iter(), body));
        Ok(Sending { ticket, request })
    }

    /// A request with the time that the exchange has.
    fn post<'h>(&self, url: String, headers: impl Iterator<Item = (&'h str, &'h str)>, body: Vec<u8>) -> client::Request {
        let timeouts = self.config.timeouts;
        client::Request {
            method: "POST",
            url,
            headers: headers.map(|(name, value)| (name.to_owned().into(), value.to_owned())).collect(),
            body,
            timeouts: Timeouts {
                connect: Some(timeouts.connect.min(self.remaining)),
                first_byte: timeouts.first_token,
                idle: Some(timeouts.idle),
                total: Some(self.remaining),
            },
        }
    }

    /// Sends a request and waits for the head of its answer.
    fn send(&self, endpoint: &Endpoint, request: client::Request) -> Result<Box<client::Answer>, Unanswered> {
        let client = self
            .service
            .client()
            .map_err(|problem| Unanswered::Refused(Failed::call(ErrorKind::ProviderError { status: 0 }, problem)))?;
        let began = vega_scheduler::now();
        match client.send(request) {
            Ok(answer) => Ok(Box::new(answer)),
            Err(failure) => Err(self.unanswered(&failure, endpoint, vega_scheduler::now().since(began))),
        }
    }

    /// Reads the answer, and tells the door what it is.
    #[inline(never)]
    fn receive(
        &self,
        context: &NativeContext<'_>,
        endpoint: &Endpoint,
        ticket: Ticket,
        received: Result<Box<client::Answer>, Unanswered>,
    ) -> Result<Response, Unanswered> {
        let began = vega_scheduler::now();
        let response = received.and_then(|mut answer| match answer.read_to_end(ANSWER_BYTES_MAX) {
            Ok(body) => {
                let headers = std::mem::take(&mut answer.headers).into_iter().collect();
                Ok(HttpResponse { status: answer.status, headers, body })
            }
            Err(failure) => Err(self.unanswered(&failure, endpoint, vega_scheduler::now().since(began))),
        });
        let (result, answer) = match response {
            Ok(response) => {
                self.hear(&response.headers);
                let model = &self.config.provider_model;
                let decoded = endpoint.decode(&response, model, SystemTime::now()).map_err(Unanswered::Failed);
                (decoded, Some(response))
            }
            Err(unanswered) => (Err(unanswered), None),
        };
        tell_door(context, ticket, &result, answer);
        result
    }

    fn unanswered(&self, failure: &Failure, endpoint: &Endpoint, elapsed: Duration) -> Unanswered {
        let timeouts = self.config.timeouts;
        let time_is_over = vega_scheduler::now() + Duration::from_millis(1) >= self.deadline;
        let detail = cause(&failure.message);
        let transport = match failure.kind {
            FailureKind::Killed => return Unanswered::Killed,
            FailureKind::Timeout | FailureKind::ConnectTimeout if time_is_over => {
                return Unanswered::TimeIsOver { sent: failure.sent };
            }
            FailureKind::BadAddress => {
                let text = format!("{} ({})", failure.message, endpoint.base_url_variable);
                return Unanswered::Failed(Box::new(CallError::provider(0, text)));
            }
            FailureKind::Resolve => TransportFailure::Dns(detail),
            FailureKind::Connect => TransportFailure::Connect(detail),
            FailureKind::Certificate => TransportFailure::Certificate(detail),
            FailureKind::ConnectTimeout => TransportFailure::ConnectTimeout(timeouts.connect),
            FailureKind::Timeout => match timeouts.first_token {
                Some(first_token) if elapsed < timeouts.idle => TransportFailure::FirstTokenTimeout(first_token),
                _ => TransportFailure::IdleTimeout(timeouts.idle),
            },
            FailureKind::Cut | FailureKind::Protocol => TransportFailure::Broken(detail),
            FailureKind::TooLarge => TransportFailure::TooLarge(ANSWER_BYTES_MAX),
        };
        let mut error = from_transport(&transport, endpoint.origin(&self.config.provider_model));
        if !failure.sent {
            error.billed = Billed::Nothing;
        }
        Unanswered::Failed(Box::new(error))
    }
}

/// A request that may leave. Boxed, because it stays on the stack of whoever waits otherwise.
struct Sending {
    ticket: Ticket,
    request: Box<client::Request>,
}

/// The cause in a failure's sentence, which begins with the place that the error names itself.
fn cause(message: &str) -> String {
    let begins = ["cannot connect to ", "the certificate of ", "the connection to ", "TLS with ", "the name of "];
    let rest = begins.iter().find_map(|begin| message.strip_prefix(begin)).and_then(|rest| rest.split_once(": "));
    rest.map_or(message, |(_, cause)| cause).to_owned()
}

/// The settings that the exchanges of an agent share, as the request that they begin with.
pub(crate) fn base_request(config: &AgentConfig) -> Request {
    let mut request = Request {
        system: config.system.clone(),
        temperature: config.temperature,
        tools: Arc::clone(&config.tools),
        provider_options: Arc::clone(&config.provider_options),
        caches_prompt: config.caches_prompts,
        ..Request::new(&*config.provider_model, config.max_tokens)
    };
    if let Some(model) = &config.known {
        model.fit(&mut request);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failure_is_said_once() {
        assert_eq!(cause("cannot connect to http://h:1 (127.0.0.1:1): connection refused"), "connection refused");
        assert_eq!(cause("the certificate of https://h is not trusted: unknown issuer"), "unknown issuer");
        assert_eq!(cause("something else"), "something else");
    }
}
