//! The door to the world, as an exchange passes it: what it is told, and what it gives back of another run.

use std::time::SystemTime;

use vega_bytecode::kinds;
use vega_runtime::effects::{self, Class, Passed, Payload, Ticket};
use vega_runtime::native::NativeContext;

use super::streaming::is_event_stream;
use super::{Attempted, Exchange, Unanswered};
use crate::http::HttpResponse;
use crate::message::Response;
use crate::provider::{Endpoint, Protocol};
use crate::raise::Failed;
use crate::script::{ScriptedOutcome, wire};

/// What the door to the world says about an exchange.
pub(super) enum Door {
    /// It happens, and its end is told with this.
    Open(Ticket),
    /// It does not happen: it did in another run, or it may not.
    Closed(Box<Attempted>),
}

impl Exchange<'_> {
    /// Asks whether the exchange may and should happen. A ticket, or what it came to in another run.
    pub(super) fn ask_door(&self, context: &NativeContext<'_>, endpoint: &Endpoint, model: &str, body: &[u8]) -> Door {
        // What was encoded here is text.
        let text = std::str::from_utf8(body).unwrap_or_default();
        let asked = effects::Request::ModelCall { agent: &self.config.name, provider: &endpoint.name, model, body: text };
        let refused =
            |kind, text: String| Door::Closed(Box::new(Attempted::plain(Err(Unanswered::Refused(Failed::Plain(kind, text))), 0)));
        match context.begin_effect_of_step(self.step, &asked, Class::Irrevocable) {
            Ok(Passed::Run(_, ticket)) => Door::Open(ticket),
            Ok(Passed::Replayed(Ok(Payload::Bytes(bytes)))) => match from_bytes(&bytes) {
                Some(response) => Door::Closed(Box::new(self.replay(context, endpoint, model, &response))),
                None => refused(kinds::AGENT_FAILED, "the recorded answer cannot be read".into()),
            },
            Ok(Passed::Replayed(Ok(_))) => refused(kinds::AGENT_FAILED, "the recorded answer is empty".into()),
            Ok(Passed::Replayed(Err(failure))) => refused(failure.kind, failure.message),
            Err(error) => refused(error.kind(), error.message().as_str().to_owned()),
        }
    }

    /// What an answer of another run means for this exchange.
    fn replay(&self, context: &NativeContext<'_>, endpoint: &Endpoint, model: &str, response: &HttpResponse) -> Attempted {
        if let Some(outlet) = self.outlet
            && is_event_stream(response.status, response.headers.get("content-type"))
        {
            return self.replay_stream(context, endpoint, outlet, response);
        }
        let result = endpoint.decode(response, model, SystemTime::now()).map_err(Unanswered::Failed);
        match self.outlet {
            Some(outlet) => self.deliver_whole(context, result, outlet),
            None => Attempted::plain(result, 0),
        }
    }
}

/// Tells the door what an exchange came to.
pub(super) fn tell_door(
    context: &NativeContext<'_>,
    ticket: Ticket,
    result: &Result<Response, Unanswered>,
    answer: Option<HttpResponse>,
) {
    let payload = match (result, answer) {
        (_, Some(answer)) => Ok(Payload::Bytes(to_bytes(answer))),
        (Err(unanswered), None) => Err(unanswered.to_failure()),
        (Ok(_), None) => Ok(Payload::Nothing),
    };
    context.end_effect(ticket, &payload);
}

impl Unanswered {
    fn to_failure(&self) -> effects::Failure {
        match self {
            Unanswered::Failed(error) => {
                effects::Failure { kind: Failed::Call(error.clone()).kind(), message: error.message.clone() }
            }
            Unanswered::TimeIsOver { .. } => {
                effects::Failure { kind: kinds::TIMEOUT, message: "the invocation's time is over".into() }
            }
            Unanswered::Refused(failed) => effects::Failure { kind: failed.kind(), message: failed.message() },
            Unanswered::Killed => effects::Failure { kind: kinds::CANCELLED, message: "the process was ended".into() },
        }
    }
}

/// What a scripted outcome would be on the wire; none where nothing comes.
pub(super) fn answer_of(scripted: &ScriptedOutcome, protocol: Protocol) -> Option<HttpResponse> {
    match wire::plan(scripted, protocol, false) {
        wire::Plan::Answer(answer) if answer.ending == wire::Ending::Whole => {
            let body = answer.parts.into_iter().flat_map(|part| part.bytes).collect();
            Some(HttpResponse { status: answer.status, headers: answer.headers, body })
        }
        wire::Plan::Answer(_) | wire::Plan::Disconnect { .. } => None,
    }
}

/// An answer as bytes that can be kept: a line with the status, the headers, an empty line, the body.
fn to_bytes(response: HttpResponse) -> Vec<u8> {
    let HttpResponse { status, headers, body } = response;
    let mut bytes = format!("{status}\n").into_bytes();
    for (name, value) in headers.iter() {
        bytes.extend_from_slice(format!("{name}: {value}\n").as_bytes());
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(&body);
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<HttpResponse> {
    let split = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).collect();
    Some(HttpResponse { status, headers, body: bytes[split + 2..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_answer_reads_back_as_it_was() {
        let response = HttpResponse {
            status: 429,
            headers: [("retry-after", "3"), ("content-type", "application/json")].into_iter().collect(),
            body: b"{\"a\":\n\n1}".to_vec(),
        };
        assert_eq!(from_bytes(&to_bytes(response.clone())), Some(response));
        assert_eq!(from_bytes(b"nothing"), None);
    }
}
