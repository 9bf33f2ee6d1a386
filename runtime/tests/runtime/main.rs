//! What programs see of processes, on programs written instruction by instruction.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod assembler;
mod chaos;
mod embedding;
mod links;
mod natives;
mod processes;
mod supervision;
mod support;
