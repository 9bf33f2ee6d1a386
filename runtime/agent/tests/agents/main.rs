//! Agents in a running runtime: programs of a few steps, the scripted model, and real HTTP over loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support; // programs as lists of steps
mod scripted; // the scripted model under virtual time
mod tools; // tools and what they may touch
mod budgets; // budgets under load
mod replay; // what passes the door to the world
mod pressure; // rate limits, queues and circuit breakers
mod over_http; // providers over loopback
mod forms; // schemas of replies and the decoder
