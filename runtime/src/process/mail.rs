//! What lies in a mailbox: messages of programs, messages of the runtime, and signals, all in one order.

use std::any::Any;
use std::sync::Weak;

use super::signal::Signal;
use crate::native::{Notice, PortId};
use crate::value::Value;
use crate::value::copy::Message;

/// One thing in a mailbox.
pub(crate) enum Mail {
    /// A message that the owner has not looked at yet.
    User(Message),
    /// A message as the owner's value, made when it first looked.
    Opened(Value),
    /// News of another process: a message for a program, an input for a state machine.
    Notice(Notice),
    /// Something for the native frame that receives on a port; of no use once that port is gone.
    Port(PortId, Option<Weak<()>>, Box<dyn Any + Send>),
    /// Something that the runtime handles itself, at the owner's next safe point.
    Signal(Signal),
}

// SAFETY: only the owner of a mailbox makes `Opened`, in its own inbox, which moves with all other values of the process.
unsafe impl Send for Mail {}
