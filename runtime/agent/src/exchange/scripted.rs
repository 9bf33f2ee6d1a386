//! Exchanges that a script answers in the provider's stead.

use std::time::SystemTime;

use vega_runtime::native::NativeContext;

use super::door::{Door, answer_of, tell_door};
use super::{Exchange, Unanswered};
use crate::error::{TransportFailure, from_transport};
use crate::http::HttpResponse;
use crate::message::{Request, Response};
use crate::provider::{Endpoint, Protocol, anthropic, openai};
use crate::script::{Query, ScriptedOutcome};

impl Exchange<'_> {
    /// The request's body as the script's provider would get it.
    pub(super) fn encode_scripted(&self, protocol: Protocol, request: &Request) -> Vec<u8> {
        match protocol {
            Protocol::Anthropic => anthropic::encode(request),
            Protocol::OpenAi => openai::encode(request, self.config.endpoint.max_tokens_field),
        }
    }

    #[inline(never)]
    pub(super) fn attempt_scripted(
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
    pub(super) fn script_whole(
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
}
