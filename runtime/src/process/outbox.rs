//! What the slice under way has sent to one process and not pushed yet.
//!
//! A process that sends many messages to one other, with nothing but computation in between, pushes them together: the cache line that
//! all senders of a mailbox write is taken away from the other cores once for a whole chain. The first message of a slice goes at once,
//! those after it at the latest when the slice is over, the chain is full, or the process does anything else that others may see.
//!
//! Invariant: outside of a slice, and while a native runs, the outbox is empty. So nothing that a process does overtakes its messages.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use super::block::Process;
use super::mail::Mail;
use super::mailbox::{Bounds, Chain};
use crate::value::Value;
use crate::value::copy::Message;

/// Messages that are pushed together, at most.
const CHAIN_MESSAGES: u32 = 32;

/// Bytes of a message that owns nothing.
const PLAIN_BYTES: u32 = size_of::<Value>() as u32;

/// One worker's outbox.
#[derive(Default)]
pub(crate) struct Outbox {
    /// To whom the slice under way sent its last message, where it has done nothing else since; 0 where it has. Whom the chain is for,
    /// if there is one.
    last: Cell<u64>,
    /// Whether there is a chain.
    filled: Cell<bool>,
    chain: RefCell<Option<(NonNull<Process>, Chain<Mail>)>>,
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

    /// What comes next is no further message. True where there is a chain, which is to be pushed first.
    #[inline]
    pub(crate) fn ends(&self) -> bool {
        self.last.set(0);
        self.has_chain()
    }

    /// Whether there is a chain.
    #[inline]
    pub(crate) fn has_chain(&self) -> bool {
        self.filled.get()
    }

    /// Begins a chain, where the mailbox has room to spare.
    pub(crate) fn begin(&self, process: &Process, bounds: Bounds) -> bool {
        let chain = process.mailbox.reserve(CHAIN_MESSAGES, PLAIN_BYTES, bounds);
        let begun = chain.is_some();
        self.filled.set(begun);
        *self.chain.borrow_mut() = chain.map(|chain| (NonNull::from(process), chain));
        begun
    }

    /// Puts a message that owns nothing into the chain. False where the chain is full now, or there is none.
    #[inline]
    pub(crate) fn put(&self, message: Message) -> bool {
        match &mut *self.chain.borrow_mut() {
            Some((_, chain)) => chain.put(Mail::User(message)),
            None => false,
        }
    }

    /// The chain, to be pushed, and whose mailbox it goes to.
    pub(crate) fn take(&self) -> Option<(NonNull<Process>, Chain<Mail>)> {
        self.filled.set(false);
        self.chain.borrow_mut().take()
    }
}
