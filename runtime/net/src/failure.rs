//! Why a request got no answer, in words for a person, and whether the server may have seen it.

use std::fmt;
use std::io;

/// A request that got no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub kind: FailureKind,
    /// One sentence with host, port and cause. Holds no headers and no bodies, so no keys.
    pub message: String,
    /// Whether the server may have received the request: then it may have done the work.
    pub sent: bool,
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The address is not one.
    BadAddress,
    /// The host has addresses, but none on the public internet, and the client is for nothing else.
    NotPublic,
    /// The name has no address.
    Resolve,
    /// Nothing listens there, or the way there is closed.
    Connect,
    /// No connection within the time for connecting.
    ConnectTimeout,
    /// The other side's certificate is not trusted, or TLS could not be agreed on.
    Certificate,
    /// The connection ended or was reset in the middle of the exchange.
    Cut,
    /// No answer, or silence in the middle of one, for longer than allowed.
    Timeout,
    /// What came back is not HTTP.
    Protocol,
    /// The answer is longer than allowed.
    TooLarge,
    /// The process that asked was killed.
    Killed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A failure before anything was sent, on its way through the HTTP library's error type.
#[derive(Debug)]
pub(crate) struct BeforeSending {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

impl fmt::Display for BeforeSending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BeforeSending {}

impl BeforeSending {
    pub(crate) fn error(kind: FailureKind, message: String) -> ureq::Error {
        ureq::Error::Other(Box::new(BeforeSending { kind, message }))
    }
}

/// The failure that the HTTP library's error means, for a request to `place` (scheme, host and port).
pub(crate) fn from_library(error: ureq::Error, place: &str) -> Failure {
    let failure = |kind, sent, message: String| Failure { kind, message, sent };
    match error {
        ureq::Error::Other(inner) => match inner.downcast::<BeforeSending>() {
            Ok(before) => failure(before.kind, false, before.message),
            Err(other) => failure(FailureKind::Protocol, true, format!("the exchange with {place} failed: {other}")),
        },
        ureq::Error::Io(error) => from_io(&error, place),
        ureq::Error::Timeout(reason) => from_timeout(reason, place),
        ureq::Error::HostNotFound => failure(FailureKind::Resolve, false, format!("the name of {place} has no address")),
        ureq::Error::ConnectionFailed => failure(FailureKind::Connect, false, format!("cannot connect to {place}")),
        ureq::Error::BadUri(uri) => {
            failure(FailureKind::BadAddress, false, format!("{:?} is not an address", crate::address::without_credentials(&uri)))
        }
        ureq::Error::Http(error) => {
            failure(FailureKind::BadAddress, false, format!("the request to {place} is not HTTP: {error}"))
        }
        ureq::Error::Tls(problem) => failure(FailureKind::Certificate, false, format!("TLS with {place} failed: {problem}")),
        ureq::Error::BodyExceedsLimit(limit) => {
            failure(FailureKind::TooLarge, true, format!("the answer of {place} is longer than {limit} bytes"))
        }
        other => failure(FailureKind::Protocol, true, format!("{place} did not answer in HTTP: {other}")),
    }
}

/// The failure that an error of reading or writing an established connection means.
pub(crate) fn from_io(error: &io::Error, place: &str) -> Failure {
    if vega_scheduler::is_killed(error) {
        return Failure { kind: FailureKind::Killed, message: "the process that asked was killed".into(), sent: true };
    }
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        if let ureq::Error::Timeout(reason) = inner {
            return from_timeout(*reason, place);
        }
        if let ureq::Error::Io(inner) = inner {
            return from_io(inner, place);
        }
    }
    match error.kind() {
        io::ErrorKind::TimedOut => {
            Failure { kind: FailureKind::Timeout, message: format!("{place} was silent for longer than allowed"), sent: true }
        }
        io::ErrorKind::InvalidData => {
            Failure { kind: FailureKind::Protocol, message: format!("{place} did not answer in HTTP: {error}"), sent: true }
        }
        _ => Failure {
            kind: FailureKind::Cut,
            message: format!("the connection to {place} ended before the answer was complete ({error})"),
            sent: true,
        },
    }
}

fn from_timeout(reason: ureq::Timeout, place: &str) -> Failure {
    let (kind, sent, what) = match reason {
        ureq::Timeout::Resolve => (FailureKind::ConnectTimeout, false, "its name was not resolved in time"),
        ureq::Timeout::Connect => (FailureKind::ConnectTimeout, false, "no connection was made in time"),
        ureq::Timeout::SendRequest | ureq::Timeout::SendBody | ureq::Timeout::PerWrite => {
            (FailureKind::Timeout, true, "the request could not be sent in time")
        }
        ureq::Timeout::RecvResponse => (FailureKind::Timeout, true, "no answer came in time"),
        ureq::Timeout::PerRead => (FailureKind::Timeout, true, "it was silent for longer than allowed"),
        _ => (FailureKind::Timeout, true, "the answer was not complete in time"),
    };
    Failure { kind, message: format!("{place}: {what}"), sent }
}
