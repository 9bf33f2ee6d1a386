//! Failures on their way from an invocation to its caller, and as errors of the language.

use vega_bytecode::{KindId, kinds};
use vega_runtime::error::Error;
use vega_runtime::ledger::Exceeded;
use vega_runtime::value::{Value, print};

use crate::error::{CallError, ErrorKind};

/// Why a call has no reply. It holds no values, so it may travel.
#[derive(Clone, Debug)]
pub(crate) enum Failed {
    /// The model, its provider or the way to it.
    Call(Box<CallError>),
    /// It does not fit a budget.
    Budget(Exceeded),
    /// Anything else, by its kind, whose payload is at most the message.
    Plain(KindId, String),
}

impl Failed {
    /// A failure of a kind whose payload is its message.
    pub(crate) fn plain(kind: KindId, message: impl Into<String>) -> Failed {
        Failed::Plain(kind, message.into())
    }

    /// A failure of a call.
    pub(crate) fn call(kind: ErrorKind, message: impl Into<String>) -> Failed {
        Failed::Call(Box::new(CallError::new(kind, message)))
    }

    /// The kind's number.
    pub(crate) fn kind(&self) -> KindId {
        match self {
            Failed::Call(error) => kinds::find(error.kind.name()).unwrap_or(kinds::AGENT_FAILED),
            Failed::Budget(_) => kinds::BUDGET_EXCEEDED,
            Failed::Plain(kind, _) => *kind,
        }
    }

    /// The kind's name.
    pub(crate) fn kind_name(&self) -> &'static str {
        kinds::BUILT_IN.get(self.kind().0 as usize).map_or("Error", |kind| kind.name)
    }

    /// What happened, and what to do about it.
    pub(crate) fn message(&self) -> String {
        match self {
            Failed::Call(error) => error.message.clone(),
            Failed::Budget(exceeded) => format!(
                "the call needs up to {}, but {} of {} is used or reserved; raise the budget or lower `max_tokens`",
                dollars(exceeded.needed),
                dollars(exceeded.used),
                dollars(exceeded.limit)
            ),
            Failed::Plain(_, message) => message.clone(),
        }
    }

    /// The error that the caller sees.
    pub(crate) fn to_error(&self, trace_id: &str) -> Error {
        let message = self.message();
        let error = match self {
            Failed::Call(error) => {
                let payload = payload(error);
                let raised = match payload {
                    Some(payload) => Error::with_payload(self.kind(), message, payload),
                    None => Error::new(self.kind(), message),
                };
                match &error.partial {
                    Some(partial) => raised.with_partial(partial.as_str()),
                    None => raised,
                }
            }
            Failed::Budget(Exceeded { limit, used, needed }) => {
                let payload = [limit, used, needed].map(|amount| Value::money(*amount)).to_vec();
                Error::with_payload(kinds::BUDGET_EXCEEDED, message, payload)
            }
            Failed::Plain(kind, _) => Error::new(*kind, message),
        };
        error.with_trace_id(trace_id)
    }
}

/// What belongs to the kind, in its order; none where it is nothing.
fn payload(error: &CallError) -> Option<Vec<Value>> {
    let duration = |duration: std::time::Duration| Value::duration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
    match &error.kind {
        ErrorKind::RateLimited | ErrorKind::CircuitOpen => Some(vec![duration(error.retry_after.unwrap_or_default())]),
        ErrorKind::Timeout { after } => Some(vec![duration(*after)]),
        ErrorKind::OutputInvalid { text, problem } => Some(vec![text.as_str().into(), problem.as_str().into()]),
        ErrorKind::ProviderError { status } => Some(vec![i64::from(*status).into(), error.message.as_str().into()]),
        ErrorKind::Truncated { text } => Some(vec![text.as_str().into()]),
        ErrorKind::TurnLimit { limit, partial } => {
            let digits: String = limit.chars().filter(char::is_ascii_digit).collect();
            Some(vec![digits.parse::<i64>().unwrap_or(0).into(), partial.as_str().into()])
        }
        ErrorKind::Overloaded | ErrorKind::Refused | ErrorKind::CallCycle => None,
    }
}

/// An amount of 10^-12 dollars as programs print it.
pub(crate) fn dollars(pico: i64) -> String {
    let mut text = String::new();
    print::write_money(pico, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_kind_carries_the_payload_that_the_language_gives_it() {
        let kinds = [
            ErrorKind::RateLimited,
            ErrorKind::Overloaded,
            ErrorKind::Timeout { after: Duration::from_secs(2) },
            ErrorKind::CircuitOpen,
            ErrorKind::OutputInvalid { text: "t".into(), problem: "p".into() },
            ErrorKind::ProviderError { status: 404 },
            ErrorKind::Truncated { text: "t".into() },
            ErrorKind::TurnLimit { limit: "max_turns 20".into(), partial: "so".into() },
            ErrorKind::Refused,
            ErrorKind::CallCycle,
        ];
        for kind in kinds {
            let failed = Failed::call(kind.clone(), "why");
            let definition = &kinds::BUILT_IN[failed.kind().0 as usize];
            assert_eq!(definition.name, kind.name());
            assert_eq!(failed.to_error("t1").payload().len(), definition.payload.len(), "{kind:?}");
        }
        let limit = Failed::call(ErrorKind::TurnLimit { limit: "max_turns 20".into(), partial: String::new() }, "why");
        assert_eq!(limit.to_error("t1").payload()[0].as_int(), Some(20));
    }

    #[test]
    fn amounts_are_written_exactly() {
        assert_eq!(dollars(0), "$0.00");
        assert_eq!(dollars(500_000_000_000), "$0.50");
        assert_eq!(dollars(1_000_043_000_000), "$1.000043");
        assert_eq!(dollars(-5), "-$0.000000000005");
    }
}
