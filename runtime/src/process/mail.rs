//! What lies in a mailbox: messages of programs, messages of the runtime, and signals, all in one order.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::sync::Weak;

use super::mailbox::Parcel;
use super::signal::Signal;
use crate::native::{Notice, PortId};
use crate::value::Value;
use crate::value::copy::Message;

/// One thing in a mailbox.
pub(crate) enum Mail {
    /// A message that the owner has not looked at yet.
    User(Message),
    /// Messages of one sender that own nothing.
    Several(Several),
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

/// Several messages in one piece of memory, so that few cache lines move from the sender's core to the receiver's.
pub(crate) struct Several {
    /// None of them owns anything, so none needs to be dropped.
    values: Box<[ManuallyDrop<Value>]>,
    /// The first that was not taken out.
    at: u32,
}

impl Several {
    /// At least one message, in the order of sending; none of them owns anything.
    pub(crate) fn new(values: impl Iterator<Item = Value>) -> Self {
        let values: Box<[_]> = values.map(ManuallyDrop::new).collect();
        debug_assert!(!values.is_empty() && values.iter().all(|value| value.is_free()));
        Self { values, at: 0 }
    }

    /// The oldest message that is left.
    #[inline]
    pub(crate) fn first(&self) -> &Value {
        &self.values[self.at as usize]
    }

    /// Forgets the oldest message, which is not the only one.
    #[inline]
    fn drop_first(&mut self) {
        debug_assert!(self.at as usize + 1 < self.values.len());
        self.at += 1;
    }
}

impl Parcel for Mail {
    #[inline]
    fn drop_first(&mut self) {
        if let Mail::Several(several) = self {
            several.drop_first();
        }
    }

    fn split_first(&mut self) -> Self {
        let Mail::Several(several) = self else { unreachable!("one message is taken as a whole") };
        let first = several.first().clone();
        several.drop_first();
        Mail::Opened(first)
    }
}
