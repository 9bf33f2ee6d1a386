//! Runs bytecode as isolated processes on a few threads.
//!
//! A runtime is built with everything that it may touch; it has no global state, so several live beside each other in one system
//! process. Dropping one ends its processes and joins its threads.
#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "a model uses only the lock-free parts"))]

mod sync; // the primitives of the lock-free parts: std's, or loom's in a model

#[cfg(not(loom))]
pub mod value; // what a variable holds, and the heap it lives on
#[cfg(not(loom))]
pub mod error; // errors as programs see them
#[cfg(not(loom))]
pub mod native; // Rust functions that Vega can call, and state machines that can call Vega
#[cfg(not(loom))]
pub mod effects; // the one door to the world
#[cfg(not(loom))]
pub mod capability; // what a process may touch
#[cfg(not(loom))]
pub mod command; // commands of the system, waited for and ended as a whole
#[cfg(not(loom))]
pub mod ledger; // budget scopes in pico-dollars
#[cfg(not(loom))]
pub mod limits; // every bound, with its default
#[cfg(not(loom))]
pub mod output; // where text goes
pub mod process; // one isolated computation
mod drain; // calls under way, and from when on none begins
#[cfg(not(loom))]
pub mod supervisor; // children, and what happens when they end
#[cfg(not(loom))]
pub mod vm; // runs the instructions of one process
#[cfg(not(loom))]
mod chance; // where random bits come from
#[cfg(not(loom))]
mod world; // what all processes share
#[cfg(not(loom))]
pub mod runtime; // building a runtime, and running a program

#[cfg(not(loom))]
pub use runtime::{Builder, LoadError, Outcome, RunReport, Runtime, RuntimeHandle};
