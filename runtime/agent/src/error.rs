//! How a call fails: the kind that the program catches, what it costs, and whether another attempt can
//! help.
//!
//! Providers, proxies and servers that imitate them disagree about the form of an error, so the status
//! decides wherever the body is not the documented JSON. No message ever holds a key.
mod classify; // answers of a provider and failures of the way to it
mod retry_after; // the forms in which a server says when to come back

use std::fmt;
use std::time::Duration;

use crate::message::Usage;

pub use classify::{Origin, TransportFailure, from_event, from_response, from_transport, undecodable};
pub use retry_after::retry_after;

/// A failed call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallError {
    /// What the program catches.
    pub kind: ErrorKind,
    /// What happened and what to do about it.
    pub message: String,
    /// The class under which it may be retried; `None` where repeating cannot help.
    pub retry: Option<RetryClass>,
    /// When the provider wants to be asked again.
    pub retry_after: Option<Duration>,
    /// What the failed attempt is booked as.
    pub billed: Billed,
    /// The text received before it failed.
    pub partial: Option<String>,
    /// The provider's id of the exchange.
    pub request_id: Option<String>,
}

/// The kinds of failure that a program can tell apart, with their payload.
#[derive(Clone, Debug, PartialEq)]
pub enum ErrorKind {
    /// Too many requests or tokens; the payload is [`CallError::retry_after`].
    RateLimited,
    /// The provider lacks capacity for everyone.
    Overloaded,
    /// Nothing, or not everything, came in time.
    Timeout {
        /// The time that was allowed.
        after: Duration,
    },
    /// Too many failures in a row; nothing was sent. The payload is [`CallError::retry_after`].
    CircuitOpen,
    /// The answer does not have the form that was asked for.
    OutputInvalid {
        /// The answer as it came.
        text: String,
        /// Where it does not fit.
        problem: String,
    },
    /// Any other error of the provider, or of the way to it, which has status 0.
    ProviderError {
        /// The HTTP status.
        status: u16,
    },
    /// The answer was cut before its end.
    Truncated {
        /// What there is of it.
        text: String,
    },
    /// The model kept calling tools.
    TurnLimit {
        /// The limit that it met.
        limit: String,
        /// What it had said by then.
        partial: String,
    },
    /// The provider's policy stopped the answer.
    Refused,
    /// The call leads back to an agent that waits for it.
    CallCycle,
}

/// The classes of failure that a retry policy speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryClass {
    /// Too many requests or tokens.
    RateLimit,
    /// No capacity for anyone.
    Overloaded,
    /// An attempt took too long, here or at the provider.
    Timeout,
    /// The provider failed.
    ServerError,
    /// The way to the provider failed.
    Connection,
}

/// What a failed attempt is booked as.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Billed {
    /// Nothing: it was never sent, or answered with an error.
    #[default]
    Nothing,
    /// Its estimated input: it was sent and nothing came back.
    EstimatedInput,
    /// This, as far as it was reported before the answer broke off.
    Reported(Usage),
}

impl CallError {
    /// An error that cost nothing and is not worth another attempt.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> CallError {
        CallError {
            kind,
            message: message.into(),
            retry: None,
            retry_after: None,
            billed: Billed::Nothing,
            partial: None,
            request_id: None,
        }
    }

    /// The same error, worth another attempt under `class`.
    pub fn retryable(mut self, class: RetryClass) -> CallError {
        self.retry = Some(class);
        self
    }

    /// An error of the provider or of the way to it.
    pub fn provider(status: u16, message: impl Into<String>) -> CallError {
        CallError::new(ErrorKind::ProviderError { status }, message)
    }

    /// Whether a circuit breaker counts it: the provider or the way to it failed, not the request.
    pub fn trips_breaker(&self) -> bool {
        match self.kind {
            ErrorKind::Overloaded => true,
            // The time of one attempt, or of the provider; not that of the whole invocation.
            ErrorKind::Timeout { .. } => self.retry == Some(RetryClass::Timeout),
            // A certificate or a missing key is nothing that time heals.
            ErrorKind::ProviderError { status: 0 } => self.retry == Some(RetryClass::Connection),
            ErrorKind::ProviderError { status } => status == 408 || status >= 500,
            ErrorKind::RateLimited
            | ErrorKind::CircuitOpen
            | ErrorKind::OutputInvalid { .. }
            | ErrorKind::Truncated { .. }
            | ErrorKind::TurnLimit { .. }
            | ErrorKind::Refused
            | ErrorKind::CallCycle => false,
        }
    }
}

impl ErrorKind {
    /// The kind's name in the language.
    pub fn name(&self) -> &'static str {
        match self {
            ErrorKind::RateLimited => "RateLimited",
            ErrorKind::Overloaded => "Overloaded",
            ErrorKind::Timeout { .. } => "Timeout",
            ErrorKind::CircuitOpen => "CircuitOpen",
            ErrorKind::OutputInvalid { .. } => "OutputInvalid",
            ErrorKind::ProviderError { .. } => "ProviderError",
            ErrorKind::Truncated { .. } => "Truncated",
            ErrorKind::TurnLimit { .. } => "TurnLimit",
            ErrorKind::Refused => "Refused",
            ErrorKind::CallCycle => "CallCycle",
        }
    }
}

impl RetryClass {
    /// Every class, which is what a policy retries unless it says otherwise.
    pub const ALL: [RetryClass; 5] =
        [RetryClass::RateLimit, RetryClass::Overloaded, RetryClass::Timeout, RetryClass::ServerError, RetryClass::Connection];

    /// The word in an agent's `retry { on [...] }`.
    pub fn as_str(self) -> &'static str {
        match self {
            RetryClass::RateLimit => "rate_limit",
            RetryClass::Overloaded => "overloaded",
            RetryClass::Timeout => "timeout",
            RetryClass::ServerError => "server_error",
            RetryClass::Connection => "connection",
        }
    }

    /// The class that such a word names.
    pub fn from_word(word: &str) -> Option<RetryClass> {
        RetryClass::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

impl std::error::Error for CallError {}
