//! The errors with which a wait fails, as errors of input and output so that they pass through any library.
//!
//! Invariant: none has the kind `Interrupted`, on which the standard library would try again for ever, nor a kind that an HTTP
//! client takes for the end of a body.

use std::error::Error;
use std::fmt;
use std::io;

/// The source of every error that [`is_killed`] knows.
#[derive(Debug)]
struct Killed;

impl fmt::Display for Killed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("killed")
    }
}

impl Error for Killed {}

/// The native was cancelled, or its scheduler shuts down.
pub(crate) fn killed() -> io::Error {
    io::Error::other(Killed)
}

/// Whether a wait failed because its native was cancelled.
pub fn is_killed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|source| source.is::<Killed>())
}

/// Code on a worker's own stack tried to wait.
pub(crate) fn no_runner() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a callback of the worker must not wait")
}

/// A wait was begun with too little stack left to go through with it.
pub(crate) fn stack_exhausted() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "the native stack is nearly exhausted")
}

/// What would have completed the wait is gone.
pub(crate) fn abandoned() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "what was waited for will never come")
}
