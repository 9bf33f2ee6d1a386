//! HTTP over the scheduler's reactor: a client that parks its green thread where others block an OS thread, the small server that
//! the scripted model speaks through, and server-sent events.
//!
//! Invariant: nothing here blocks an OS thread of the scheduler. Sockets park, name lookups go to a lane of their own, and the two
//! callbacks that run under a lock of the HTTP library (whether a pooled connection is open, and dropping one) never park.

pub mod address; // addresses as messages may show them
pub mod client; // one request and its answer, with phases and limits
pub mod proxy; // a proxy on the way to servers
pub mod failure; // why a request got no answer, and whether it may have been sent
pub mod sse; // server-sent events out of bytes, incrementally
pub mod public; // addresses of the public internet, and all others
pub mod server; // HTTP/1.1 requests in, answers and faults out
pub mod authority; // certificates for the test server

mod buffers; // memory of one connection, given back while it waits
mod connector; // TCP and TLS as the HTTP library wants them
mod resolver; // names to addresses without blocking a worker

pub use client::{Answer, Client, ClientConfig, Request, Timeouts};
pub use failure::{Failure, FailureKind};

#[cfg(test)]
mod tests;
