//! Runs the instructions of one process until it waits, ends, or has used up its turn.
//!
//! A [`Machine`] is everything about a process that instructions touch: registers and frames on one stack of its own. It never lives
//! on a native stack, so a process that does not run costs no thread and no coroutine. Everything beyond values (processes, messages,
//! agents, natives) is asked of the [`Host`].
//!
//! Invariant: every slot of a register stack always holds one valid value, so no program can make the interpreter follow a bad
//! pointer: indexes and jumps were proven at load by `vega_bytecode::verify`, and only instructions that look at a value's tag follow
//! its pointer.

pub mod host; // what instructions ask of the world around them
mod loaded; // instructions as they are executed
pub mod program; // a verified module, made ready to run
mod stack; // the registers of one process
pub mod machine; // one process's registers, frames and position
pub mod frames; // walking the frames: stack traces and coordinates
mod interpret; // the loop over instructions
mod arithmetic; // what arithmetic needs beyond one machine instruction
mod operate; // instructions on values
mod format; // the text of a value in a format
mod place; // instructions on places inside values
mod leaving; // exits and errors on their way through cleanups
mod unwind; // errors, exits, and native frames
#[cfg(test)]
mod tests;

pub(crate) use frames::NearView;
pub use host::{After, Host, Sent, Wake};
pub(crate) use leaving::Rest;
pub use machine::{Exit, Machine};
pub use program::{LoadedProgram, VmLimits};
