//! One isolated computation: its name, state, mailbox.

mod pid; // its name
mod mailbox; // where others push, and what the owner made of it
mod state; // who owns its fields, and what came meanwhile

pub use pid::Pid;
