//! Exchanges over HTTP: the request that leaves, its answer as a whole, and what a failure on the way means.

use std::time::{Duration, SystemTime};

use vega_net::client::{self, Timeouts};
use vega_net::failure::{Failure, FailureKind};
use vega_runtime::effects::Ticket;
use vega_runtime::native::NativeContext;

use super::door::{Door, tell_door};
use super::{Attempted, Exchange, Unanswered};
use crate::error::{Billed, CallError, ErrorKind, TransportFailure, from_transport};
use crate::http::{HttpRequest, HttpResponse};
use crate::message::{Request, Response};
use crate::provider::Endpoint;
use crate::raise::Failed;

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A request that may leave. Boxed, because it stays on the stack of whoever waits otherwise.
pub(super) struct Sending {
    pub(super) ticket: Ticket,
    pub(super) request: Box<client::Request>,
}

impl Exchange<'_> {
    pub(super) fn attempt_http(&self, context: &NativeContext<'_>, request: Request) -> (Result<Response, Unanswered>, usize) {
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
    pub(super) fn prepare(
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
    pub(super) fn post<'h>(
        &self,
        url: String,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: Vec<u8>,
    ) -> client::Request {
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
    pub(super) fn send(&self, endpoint: &Endpoint, request: client::Request) -> Result<Box<client::Answer>, Unanswered> {
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
    pub(super) fn receive(
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

    pub(super) fn unanswered(&self, failure: &Failure, endpoint: &Endpoint, elapsed: Duration) -> Unanswered {
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
            FailureKind::Resolve | FailureKind::NotPublic => TransportFailure::Dns(detail),
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

/// The cause in a failure's sentence, which begins with the place that the error names itself. A proxy is another place.
fn cause(message: &str) -> String {
    if message.starts_with("cannot connect to the proxy ") {
        return message.to_owned();
    }
    let begins = ["cannot connect to ", "the certificate of ", "the connection to ", "TLS with ", "the name of "];
    let rest = begins.iter().find_map(|begin| message.strip_prefix(begin)).and_then(|rest| rest.split_once(": "));
    rest.map_or(message, |(_, cause)| cause).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failure_is_said_once() {
        assert_eq!(cause("cannot connect to http://h:1 (127.0.0.1:1): connection refused"), "connection refused");
        assert_eq!(cause("the certificate of https://h is not trusted: unknown issuer"), "unknown issuer");
        assert_eq!(cause("something else"), "something else");
        let proxy = "cannot connect to the proxy p:1 (127.0.0.1:1): connection refused";
        assert_eq!(cause(proxy), proxy);
    }
}
