//! Runs bytecode as isolated processes on a few threads.

pub mod value; // what a variable holds, and the heap it lives on
pub mod error; // errors as programs see them
