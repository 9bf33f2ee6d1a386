//! One exchange with a model: reserve, pass the door, call, settle.
//!
//! Invariant: what was reserved is settled or released exactly once, whatever happens, and what a request may have cost is booked even
//! where nobody reads its answer. Only here a stack is held while somebody else works.
mod count; // asking how long a prompt is
mod door; // what the door to the world is told
mod reserving; // room in the budgets around a call
mod scripted; // answers of a script
mod sending; // answers that come over HTTP
mod streaming; // answers that arrive in pieces

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vega_bytecode::kinds;
use vega_runtime::ledger::Turn;
use vega_runtime::native::{CallGuard, NativeContext};
use vega_scheduler::Instant;

use crate::bound::Reported;
use crate::config::{AgentConfig, Backend};
use crate::error::{Billed, CallError};
use crate::flow::Outlet;
use crate::http::Headers;
use crate::limits::Announced;
use crate::message::{Request, Response, Usage};
use crate::provider::stream::Received;
use crate::raise::Failed;
use crate::service::Service;
use reserving::Unreserved;

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
    /// When it began.
    pub(crate) began: Instant,
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
    /// What the provider said about its limits; none where it did not answer.
    pub(crate) heard: Option<Announced>,
    /// From the beginning to the first chunk of a streamed answer; where there is one, the answer must not come again.
    pub(crate) first_chunk: Option<Duration>,
}

/// What an attempt came to, before it is booked.
struct Attempted {
    result: Result<Response, Unanswered>,
    /// Bytes of the request's body.
    bytes: usize,
    /// What had arrived of a stream.
    received: Option<Received>,
    /// From the sending to the first chunk that was delivered, if one was.
    first_chunk: Option<Duration>,
}

impl Attempted {
    /// One that was not streamed.
    fn plain(result: Result<Response, Unanswered>, bytes: usize) -> Attempted {
        Attempted { result, bytes, received: None, first_chunk: None }
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
            heard: None,
            first_chunk: None,
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
        let Attempted { result, bytes, received, first_chunk } = self.attempt(context, request);
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
        Some(Exchanged { result, lowered, usage, estimated, cost, overrun, attempted, under_way, heard, first_chunk })
    }

    /// The provider answered, with what its headers say about its limits.
    fn hear(&self, headers: &Headers) {
        self.heard.set(Some(Announced::read(headers, SystemTime::now())));
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
}

/// The settings that the exchanges of an agent share, as the request that they begin with.
pub(crate) fn base_request(config: &AgentConfig) -> Request {
    let mut request = Request {
        system: config.system.clone(),
        temperature: config.temperature,
        tools: config.tools.clone(),
        provider_options: Arc::clone(&config.provider_options),
        caches_prompt: config.caches_prompts,
        ..Request::new(&*config.provider_model, config.max_tokens)
    };
    if let Some(model) = &config.known {
        model.fit(&mut request);
    }
    request
}
