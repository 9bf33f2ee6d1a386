//! One isolated computation: its name, state, mailbox.

mod mailbox; // where others push, and what the owner made of it
mod state; // who owns its fields, and what came meanwhile
#[cfg(not(loom))]
mod pid; // its name
#[cfg(not(loom))]
mod coordinate; // names of operations that do not depend on timing
#[cfg(not(loom))]
mod reason; // why it ended

#[cfg(not(loom))]
pub use coordinate::{Activation, Coordinate, ProcessPath};
#[cfg(not(loom))]
pub use pid::Pid;
#[cfg(not(loom))]
pub use reason::ExitReason;
