//! What the slice under way has sent to one process and not pushed yet.
//!
//! A process that sends many messages to one other, with nothing but computation in between, pushes them as one parcel: the cache line
//! that all senders of a mailbox write is taken away from the other cores once for all of them, and they lie in a few lines themselves. The
//! first message of a slice goes at once, those after it at the latest when the slice is over, the parcel is full, or the process does
//! anything else that others may see.
//!
//! Invariant: outside of a slice, and while a native runs, the outbox is empty. So nothing that a process does overtakes its messages.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use super::block::Process;
use super::mail::{Mail, Several};
use super::mailbox::{Bounds, Most, Room};
use crate::value::Value;
use crate::value::copy::Message;

/// Messages that travel together, at most.
const PARCEL_MESSAGES: u32 = 32;

/// Bytes of a message that owns nothing.
const PLAIN_BYTES: u32 = size_of::<Value>() as u32;

/// One worker's outbox.
#[derive(Default)]
pub(crate) struct Outbox {
    /// To whom the slice under way sent its last message, where it has done nothing else since; 0 where it has. Whom the parcel is for,
    /// if there is one.
    last: Cell<u64>,
    /// Whose mailbox the parcel goes to, and the room there, if there is one.
    begun: Cell<Option<(NonNull<Process>, Room)>>,
    /// What is in the parcel so far.
    values: RefCell<Vec<Value>>,
}

impl Outbox {
    /// Whether the last message went to the process of that word, and nothing was done since.
    #[inline]
    pub(crate) fn is_last(&self, to: u64) -> bool {
        self.last.get() == to
    }

    /// A message goes to the process of that word at once.
    #[inline]
    pub(crate) fn sent(&self, to: u64) {
        self.last.set(to);
    }

    /// What comes next is no further message. True where there is a parcel, which is to be pushed first.
    #[inline]
    pub(crate) fn ends(&self) -> bool {
        self.last.set(0);
        self.has_parcel()
    }

    /// Whether there is a parcel.
    #[inline]
    pub(crate) fn has_parcel(&self) -> bool {
        self.begun.get().is_some()
    }

    /// Begins a parcel, where the mailbox has room to spare.
    pub(crate) fn begin(&self, process: &Process, bounds: Bounds, most: Most) -> bool {
        let room = process.mailbox.reserve(PARCEL_MESSAGES, PLAIN_BYTES, bounds, most);
        self.begun.set(room.map(|room| (NonNull::from(process), room)));
        room.is_some()
    }

    /// Puts a message that owns nothing into the parcel that was begun. False where it is full now.
    #[inline]
    pub(crate) fn put(&self, message: &Value) -> bool {
        let mut values = self.values.borrow_mut();
        values.push(message.clone());
        values.len() < PARCEL_MESSAGES as usize
    }

    /// Pushes the parcel, if there is one with something in it. Gives whose mailbox it went to where that process is to be told, and
    /// whether the mailbox is crowded.
    pub(crate) fn push(&self) -> Option<(NonNull<Process>, bool)> {
        let (slot, room) = self.begun.take()?;
        let mut values = self.values.borrow_mut();
        let messages = values.len() as u32;
        let mail = match &mut values[..] {
            [] => unreachable!("a parcel is begun for a message"),
            [one] => Mail::User(Message::of_free(one.take())),
            _ => Mail::Several(Several::new(values.drain(..))),
        };
        values.clear();
        // SAFETY: slots live as long as the table; and the parcel was begun in this slice, so whoever it is for has no successor yet.
        let mailbox = &unsafe { slot.as_ref() }.mailbox;
        mailbox.push_reserved(room, mail, messages).then_some((slot, room.crowded))
    }
}
