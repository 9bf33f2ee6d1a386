//! Everything a host may rely on, by topic. Each test runs schedulers of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults; // panics and native stack overflows
mod jobs; // queues, priorities, stealing
mod overtaking; // jobs that have waited, beside a long queue
mod shutdown; // ending with work left
mod sockets; // streams, listeners, pipes, children
mod support; // a host whose jobs are closures
mod timers; // deadlines, lateness, virtual time
mod waits; // sleeping, lanes, completions, cancelling
