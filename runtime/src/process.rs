//! One isolated computation: its name, state, mailbox, and its turns on workers.

mod pid; // its name
pub(crate) mod mailbox; // where others push, and what the owner made of it
pub(crate) mod state; // who owns its fields, and what came meanwhile
#[cfg(all(test, loom))]
mod loom_tests; // models of what happens between processes
#[cfg(not(loom))]
pub(crate) mod mail; // what lies in a mailbox
#[cfg(not(loom))]
pub(crate) mod outbox; // what a slice has sent and not pushed
#[cfg(not(loom))]
pub(crate) mod signal; // what one process does to another
#[cfg(not(loom))]
pub(crate) mod block; // the slot that holds it
#[cfg(not(loom))]
pub(crate) mod table; // all slots of a runtime
#[cfg(not(loom))]
mod coordinate; // names of operations that do not depend on timing
#[cfg(not(loom))]
mod reason; // why it ended
#[cfg(not(loom))]
pub(crate) mod turn; // what its instructions ask of the world
#[cfg(not(loom))]
pub(crate) mod slice; // from the run queue to sleep, back to the queue, or to its end
#[cfg(not(loom))]
pub(crate) mod room; // who waits for room in its mailbox
#[cfg(not(loom))]
pub(crate) mod waiting; // small waits as state machines
#[cfg(not(loom))]
mod end; // whom its end is told, and what it gives back
#[cfg(not(loom))]
mod trace; // stacks of ended processes, as people read them
#[cfg(not(loom))]
pub(crate) mod few; // maps that are nearly always small
#[cfg(not(loom))]
mod cleanup; // the bound on what it does at its end
#[cfg(not(loom))]
pub(crate) mod names; // by which programs find it
#[cfg(not(loom))]
mod info; // how a process stands, as another one asks
#[cfg(not(loom))]
mod session; // the budget scopes that it is in
#[cfg(not(loom))]
mod span; // spans that it opened
#[cfg(not(loom))]
mod call; // a message that is answered
#[cfg(not(loom))]
mod natives; // what programs call about processes

#[cfg(not(loom))]
pub(crate) use coordinate::NearSite;
#[cfg(not(loom))]
pub use coordinate::{Activation, Coordinate, ProcessPath};
#[cfg(not(loom))]
pub use natives::natives;
pub use pid::Pid;
#[cfg(not(loom))]
pub use reason::ExitReason;
#[cfg(not(loom))]
pub use span::SpanHandle;
#[cfg(not(loom))]
pub use trace::{SourcePosition, TraceLine};
