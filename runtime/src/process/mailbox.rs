//! A mailbox: any thread pushes without a lock, the owning process takes everything at once and sorts it out by itself.
//!
//! Invariants: what one thread pushes is taken in the order in which it was pushed. After `close` nothing is accepted any more, and
//! everything accepted before has been handed to whoever closed: a message is delivered or given back, never lost.

use std::ptr;

use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// Bits of the load word that count bytes; the messages are counted above them.
const BYTES_BITS: u32 = 40;

/// One message in the load word.
const ONE_MESSAGE: u64 = 1 << BYTES_BITS;

/// The shared half: where senders push. The owner's half is [`Inbox`].
pub(crate) struct Mailbox<M> {
    /// Newest message first; null when empty, [`closed`] when the owner has ended.
    head: AtomicPtr<Node<M>>,
    /// Counted messages and bytes that were accepted and not yet taken out of the owner's inbox.
    load: AtomicU64,
}

struct Node<M> {
    next: *mut Node<M>,
    /// Bytes that this message is counted with; none for a signal, which never waits and never counts.
    counted: Option<u32>,
    message: M,
}

/// What a mailbox may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: u32,
    pub(crate) bytes: u64,
}

/// Why a message was not accepted; the message comes back.
#[derive(Debug)]
pub(crate) enum Refused<M> {
    /// The owner has ended.
    Closed(M),
    /// The mailbox is at its bound.
    Full(M),
}

/// Marks the head of a closed mailbox. No node has this address, since nodes are aligned.
fn closed<M>() -> *mut Node<M> {
    ptr::without_provenance_mut(1)
}

impl<M> Mailbox<M> {
    #[cfg(any(test, loom))]
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), load: AtomicU64::new(0) }
    }

    /// Pushes a message that counts against the bounds. `Ok(true)` where the mailbox is now more than half full.
    pub(crate) fn push_counted(&self, message: M, bytes: usize, bounds: Bounds) -> Result<bool, Refused<M>> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // Room is taken before the push and given back where it was too much, so the bound holds without a lock. Relaxed: the
        // counter orders nothing, the head does.
        let before = self.load.fetch_add(ONE_MESSAGE + u64::from(bytes), Ordering::Relaxed);
        let messages = before >> BYTES_BITS;
        let held = before & (ONE_MESSAGE - 1);
        // A single message larger than the bound is refused too, even by an empty mailbox.
        if messages >= u64::from(bounds.messages) || held + u64::from(bytes) > bounds.bytes {
            self.forget(bytes);
            return Err(Refused::Full(message));
        }
        match self.push_node(message, Some(bytes)) {
            Ok(()) => Ok(messages * 2 > u64::from(bounds.messages) || held * 2 > bounds.bytes),
            Err(message) => {
                self.forget(bytes);
                Err(Refused::Closed(message))
            }
        }
    }

    /// Pushes a message that never counts and never meets a bound: a signal, a reply, a timer.
    pub(crate) fn push(&self, message: M) -> Result<(), M> {
        self.push_node(message, None)
    }

    fn push_node(&self, message: M, counted: Option<u32>) -> Result<(), M> {
        let node = Box::into_raw(Box::new(Node { next: ptr::null_mut(), counted, message }));
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                // SAFETY: the node was made above and never became reachable from the mailbox.
                return Err(unsafe { Box::from_raw(node) }.message);
            }
            // SAFETY: as above: nobody else sees the node before the exchange succeeds.
            unsafe { (*node).next = head };
            // Release publishes the node's content. Pairs with the Acquire swap in `take_all`.
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Messages that count and were not taken yet.
    pub(crate) fn messages(&self) -> u64 {
        self.load.load(Ordering::Relaxed) >> BYTES_BITS
    }

    /// Moves everything that arrived to the end of the owner's inbox. Only the owner calls this.
    #[cfg(any(test, loom))]
    pub(crate) fn drain_into(&self, inbox: &mut Inbox<M>) {
        self.drain_sorted(inbox, |_| false, Some);
    }

    /// Moves what arrived to the end of the owner's inbox. What `apart` picks goes through `handle`, in order of arrival, and only what
    /// that gives back is kept, in its place. Only the owner calls this.
    pub(crate) fn drain_sorted(&self, inbox: &mut Inbox<M>, apart: impl Fn(&M) -> bool, mut handle: impl FnMut(M) -> Option<M>) {
        // A look first, so that an empty mailbox costs no write to a line that senders write.
        if self.head.load(Ordering::Relaxed).is_null() {
            return;
        }
        let mut arrived = Inbox::new();
        self.take_all(ptr::null_mut(), &mut arrived);
        while let Some(node) = arrived.unlink_first() {
            // SAFETY: the node was just unlinked from a chain that this function owns.
            if !apart(unsafe { &(*node).message }) {
                inbox.append(node, node);
                continue;
            }
            // SAFETY: as above; nobody else will free it.
            let node = unsafe { Box::from_raw(node) };
            if let Some(bytes) = node.counted {
                self.forget(bytes);
            }
            if let Some(kept) = handle(node.message) {
                inbox.push(kept);
            }
        }
    }

    /// Refuses everything from now on, and moves what was accepted before to the inbox. Only the owner calls this.
    pub(crate) fn close(&self, inbox: &mut Inbox<M>) {
        self.take_all(closed(), inbox);
    }

    /// Opens a closed mailbox for a new owner. The caller makes sure that no sender of the last owner's time is still at work.
    pub(crate) fn reopen(&self) {
        debug_assert!(self.head.load(Ordering::Relaxed) == closed());
        self.load.store(0, Ordering::Relaxed);
        self.head.store(ptr::null_mut(), Ordering::Release);
    }

    fn take_all(&self, replacement: *mut Node<M>, inbox: &mut Inbox<M>) {
        // Acquire sees what the senders published. Release, so that a sender that reads CLOSED comes after all of this owner.
        let newest = self.head.swap(replacement, Ordering::AcqRel);
        if newest != closed() {
            // SAFETY: the swap took the whole chain; nobody else can reach its nodes any more.
            unsafe { inbox.append_reversed(newest) };
        }
    }

    fn forget(&self, bytes: u32) {
        self.load.fetch_sub(ONE_MESSAGE + u64::from(bytes), Ordering::Relaxed);
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        self.close(&mut Inbox::new());
    }
}

/// The owner's half: messages in order of arrival, with a cursor for selective receive.
///
/// Everything before the cursor was looked at and refused by the `receive` under way.
pub(crate) struct Inbox<M> {
    first: *mut Node<M>,
    last: *mut Node<M>,
    /// The last refused message; null where the cursor stands at the first.
    refused: *mut Node<M>,
}

// SAFETY: an inbox owns its nodes alone, like a list of boxes.
unsafe impl<M: Send> Send for Inbox<M> {}

impl<M> Inbox<M> {
    pub(crate) fn new() -> Self {
        Self { first: ptr::null_mut(), last: ptr::null_mut(), refused: ptr::null_mut() }
    }

    /// The message at the cursor.
    pub(crate) fn peek(&self) -> Option<&M> {
        let node = self.at_cursor();
        // SAFETY: every non-null pointer of the chain is a node that this inbox owns.
        (!node.is_null()).then(|| unsafe { &(*node).message })
    }

    /// Leaves the message at the cursor where it is and looks at the next from now on.
    pub(crate) fn skip(&mut self) {
        let node = self.at_cursor();
        if !node.is_null() {
            self.refused = node;
        }
    }

    /// Looks at the oldest message again.
    pub(crate) fn rewind(&mut self) {
        self.refused = ptr::null_mut();
    }

    /// Takes out the message at the cursor and looks at the oldest again.
    pub(crate) fn accept(&mut self, mailbox: &Mailbox<M>) -> Option<M> {
        let message = self.remove_at_cursor(mailbox);
        self.rewind();
        message
    }

    /// Takes out the first message from the cursor on that `wanted` says yes to; the cursor stays.
    pub(crate) fn take_first(&mut self, mailbox: &Mailbox<M>, mut wanted: impl FnMut(&M) -> bool) -> Option<M> {
        let start = self.refused;
        self.refused = ptr::null_mut();
        let mut taken = None;
        while let Some(message) = self.peek() {
            if wanted(message) {
                // The node that the saved cursor rests on may be the one that goes; then the one before it takes its place.
                let going = self.at_cursor();
                let before = self.refused;
                taken = self.remove_at_cursor(mailbox);
                self.refused = if start == going { before } else { start };
                return taken;
            }
            self.skip();
        }
        self.refused = start;
        taken
    }

    /// Takes the oldest message, whatever it is.
    pub(crate) fn pop(&mut self, mailbox: &Mailbox<M>) -> Option<M> {
        self.rewind();
        self.remove_at_cursor(mailbox)
    }

    /// Puts a message that does not count at the end: something that the owner has for itself.
    pub(crate) fn push(&mut self, message: M) {
        let node = Box::into_raw(Box::new(Node { next: ptr::null_mut(), counted: None, message }));
        self.append(node, node);
    }

    /// The message at the cursor, for changing its form.
    pub(crate) fn peek_mut(&mut self) -> Option<&mut M> {
        let node = self.at_cursor();
        // SAFETY: every non-null pointer of the chain is a node that this inbox owns, and the inbox is borrowed mutably.
        (!node.is_null()).then(|| unsafe { &mut (*node).message })
    }

    /// Takes the first node off the chain; the cursor must not rest on it.
    fn unlink_first(&mut self) -> Option<*mut Node<M>> {
        debug_assert!(self.refused.is_null());
        let node = self.first;
        if node.is_null() {
            return None;
        }
        // SAFETY: the first node belongs to this inbox.
        self.first = unsafe { std::mem::replace(&mut (*node).next, ptr::null_mut()) };
        if self.first.is_null() {
            self.last = ptr::null_mut();
        }
        Some(node)
    }

    fn at_cursor(&self) -> *mut Node<M> {
        if self.refused.is_null() {
            self.first
        } else {
            // SAFETY: `refused` is a node of the chain: whatever removes a node moves the cursor off it first.
            unsafe { (*self.refused).next }
        }
    }

    fn remove_at_cursor(&mut self, mailbox: &Mailbox<M>) -> Option<M> {
        let node = self.at_cursor();
        if node.is_null() {
            return None;
        }
        // SAFETY: the node belongs to the chain, and the pointer to it is replaced below before anyone follows it again.
        let node = unsafe { Box::from_raw(node) };
        if self.refused.is_null() {
            self.first = node.next;
        } else {
            // SAFETY: `refused` is a node of the chain, other than the one just removed.
            unsafe { (*self.refused).next = node.next };
        }
        if node.next.is_null() {
            self.last = self.refused;
        }
        if let Some(bytes) = node.counted {
            mailbox.forget(bytes);
        }
        Some(node.message)
    }

    /// Appends a chain that is linked newest first.
    ///
    /// # Safety
    /// The chain's nodes come from `Box::into_raw` and belong to the caller alone.
    unsafe fn append_reversed(&mut self, newest: *mut Node<M>) {
        let mut node = newest;
        let mut oldest = ptr::null_mut();
        while !node.is_null() {
            // SAFETY: the caller owns the chain; each node is visited once.
            let next = unsafe { std::mem::replace(&mut (*node).next, oldest) };
            oldest = node;
            node = next;
        }
        if !oldest.is_null() {
            self.append(oldest, newest);
        }
    }

    fn append(&mut self, first: *mut Node<M>, last: *mut Node<M>) {
        if self.first.is_null() {
            self.first = first;
        } else {
            // SAFETY: where there is a first node there is a last one, and the inbox owns it.
            unsafe { (*self.last).next = first };
        }
        self.last = last;
    }
}

impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        let mut node = self.first;
        while !node.is_null() {
            // SAFETY: the inbox owns its nodes, and each is freed once on the way.
            node = unsafe { Box::from_raw(node) }.next;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { messages: 4, bytes: 100 };

    fn filled(messages: &[i32]) -> (Mailbox<i32>, Inbox<i32>) {
        let mailbox = Mailbox::new();
        let mut inbox = Inbox::new();
        for &message in messages {
            mailbox.push(message).expect("the mailbox is open");
        }
        mailbox.drain_into(&mut inbox);
        (mailbox, inbox)
    }

    fn rest(mailbox: &Mailbox<i32>, inbox: &mut Inbox<i32>) -> Vec<i32> {
        std::iter::from_fn(|| inbox.pop(mailbox)).collect()
    }

    #[test]
    fn messages_arrive_in_the_order_of_sending() {
        let (mailbox, mut inbox) = filled(&[1, 2, 3]);
        mailbox.push(4).expect("the mailbox is open");
        mailbox.drain_into(&mut inbox);
        assert_eq!(rest(&mailbox, &mut inbox), [1, 2, 3, 4]);
    }

    #[test]
    fn a_refused_message_stays_in_its_place() {
        let (mailbox, mut inbox) = filled(&[1, 2, 3]);
        inbox.skip();
        assert_eq!(inbox.peek(), Some(&2));
        assert_eq!(inbox.accept(&mailbox), Some(2));
        assert_eq!(rest(&mailbox, &mut inbox), [1, 3]);
    }

    #[test]
    fn removing_the_last_message_keeps_the_end_of_the_queue() {
        let (mailbox, mut inbox) = filled(&[1, 2]);
        inbox.skip();
        assert_eq!(inbox.accept(&mailbox), Some(2));
        inbox.push(3);
        assert_eq!(rest(&mailbox, &mut inbox), [1, 3]);
    }

    #[test]
    fn taking_what_the_cursor_rests_on_keeps_the_cursor_in_place() {
        let (mailbox, mut inbox) = filled(&[1, 2, 3]);
        inbox.skip();
        inbox.skip();
        assert_eq!(inbox.take_first(&mailbox, |&message| message == 2), Some(2));
        assert_eq!(inbox.peek(), Some(&3));
        assert_eq!(inbox.take_first(&mailbox, |&message| message == 1), Some(1));
        assert_eq!(inbox.peek(), Some(&3));
    }

    #[test]
    fn a_mailbox_at_its_bound_refuses_and_takes_again_after_a_receive() {
        let mailbox = Mailbox::new();
        let mut inbox = Inbox::new();
        for message in 0..4 {
            mailbox.push_counted(message, 1, BOUNDS).expect("there is room for four");
        }
        assert!(matches!(mailbox.push_counted(4, 1, BOUNDS), Err(Refused::Full(4))));
        mailbox.push(5).expect("a signal meets no bound");
        mailbox.drain_into(&mut inbox);
        assert!(matches!(mailbox.push_counted(4, 1, BOUNDS), Err(Refused::Full(4))), "looking at a message does not make room");
        assert_eq!(inbox.pop(&mailbox), Some(0));
        mailbox.push_counted(4, 1, BOUNDS).expect("one was taken");
    }

    #[test]
    fn bytes_are_bounded_as_messages_are() {
        let mailbox = Mailbox::new();
        assert!(!mailbox.push_counted(1, 60, BOUNDS).expect("60 of 100 bytes"));
        assert!(matches!(mailbox.push_counted(2, 41, BOUNDS), Err(Refused::Full(2))));
        assert!(mailbox.push_counted(3, 40, BOUNDS).expect("100 of 100 bytes"), "beyond half, the sender should give way");
    }

    #[test]
    fn a_closed_mailbox_gives_messages_back() {
        let (mailbox, mut inbox) = filled(&[]);
        mailbox.push(1).expect("the mailbox is open");
        mailbox.close(&mut inbox);
        assert_eq!(mailbox.push(2), Err(2));
        assert!(matches!(mailbox.push_counted(3, 1, BOUNDS), Err(Refused::Closed(3))));
        assert_eq!(rest(&mailbox, &mut inbox), [1]);
        mailbox.reopen();
        mailbox.push(4).expect("the mailbox is open again");
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn loom_a_late_sender_meets_closed_and_no_message_is_lost() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new());
            let senders: Vec<_> = (0..2)
                .map(|number| {
                    let mailbox = Arc::clone(&mailbox);
                    thread::spawn(move || mailbox.push(number).is_ok())
                })
                .collect();
            let mut inbox = Inbox::new();
            mailbox.close(&mut inbox);
            let accepted = senders.into_iter().map(|sender| sender.join().expect("a sender does not panic"));
            let accepted = accepted.filter(|&accepted| accepted).count();
            let received = std::iter::from_fn(|| inbox.pop(&mailbox)).count();
            assert_eq!(accepted, received, "accepted by the mailbox, yet never seen by its owner");
            assert!(mailbox.push(9).is_err());
        });
    }

    #[test]
    fn loom_two_messages_of_one_sender_keep_their_order() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::new());
            let sender = {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || {
                    mailbox.push(1).expect("open");
                    mailbox.push(2).expect("open");
                })
            };
            let mut inbox = Inbox::new();
            mailbox.drain_into(&mut inbox);
            sender.join().expect("a sender does not panic");
            mailbox.drain_into(&mut inbox);
            let received: Vec<i32> = std::iter::from_fn(|| inbox.pop(&mailbox)).collect();
            assert_eq!(received, [1, 2]);
        });
    }
}
