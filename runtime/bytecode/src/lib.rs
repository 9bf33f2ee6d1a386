//! The instruction set and program format that compiler and runtime share.
//!
//! The compiler makes a [`Module`]; the runtime runs a [`VerifiedModule`]; nothing else passes between them. This crate imports
//! nothing of ours, does no input or output, and starts no thread.

pub mod types; // what a value may be, as the compiler knew it
pub mod opcode; // the one table of instructions
pub mod instruction; // one instruction word and its fields
pub mod module; // a whole program: functions, types, agents, constants, debug lines
pub mod kinds; // the error kinds that every program has
pub mod prelude; // the structs that the runtime itself makes

mod wire; // bytes in and out
pub mod format; // the `.vgb` file
pub mod verify; // what must hold before a module is run
pub mod disassemble; // a module as readable text
pub mod reference; // the table of instructions as documentation

pub use format::{DecodeError, decode, encode};
pub use instruction::Instruction;
pub use module::{FunctionId, KindId, Module};
pub use opcode::Opcode;
pub use types::{AgentId, EnumId, StructId, Type, TypeId, TypeTable};
pub use verify::{VerifiedModule, VerifyError, verify};
