//! Models of a mailbox between threads, each with a twin in which one step is done wrong.

use loom::sync::Arc;
use loom::thread;

use super::*;

const BOUNDS: Bounds = Bounds { messages: 2, bytes: 100 };

/// Two senders beside an owner that ends. `close` is the step under test.
fn late_senders(close: fn(&Mailbox<i32>, &mut Inbox<i32>)) {
    loom::model(move || {
        let mailbox = Arc::new(Mailbox::new());
        let senders: Vec<_> = (0..2)
            .map(|number| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || mailbox.push(number).is_ok())
            })
            .collect();
        let mut inbox = Inbox::new(BOUNDS);
        close(&mailbox, &mut inbox);
        let accepted = senders.into_iter().map(|sender| sender.join().expect("a sender does not panic"));
        let accepted = accepted.filter(|&accepted| accepted).count();
        let received = std::iter::from_fn(|| inbox.pop(&mailbox)).count();
        assert_eq!(accepted, received, "accepted by the mailbox, yet never seen by its owner");
        assert!(mailbox.push(9).is_err());
    });
}

#[test]
fn loom_a_late_sender_meets_closed_and_no_message_is_lost() {
    late_senders(Mailbox::close);
}

/// The same with a mailbox that is emptied first and closed then. The model must notice, or it models nothing.
#[test]
#[should_panic(expected = "never seen by its owner")]
fn loom_the_model_catches_what_comes_between_emptying_and_closing() {
    late_senders(|mailbox, inbox| {
        mailbox.drain_into(inbox);
        mailbox.close(&mut Inbox::new(BOUNDS));
    });
}

/// While one sender takes room, another sends and its message is taken out: the mailbox never holds more than that one. `take_room`
/// is the step under test.
fn a_sender_is_refused_only_where_there_is_no_room(take_room: fn(&Mailbox<u32>) -> u64) {
    loom::model(move || {
        let mailbox = Arc::new(Mailbox::new());
        let other = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                // Counted by hand: the checker remembers only the last access to a word, so a look of this thread at what was
                // taken would hide the one under test.
                mailbox.sent.fetch_add(weight(1), Ordering::Relaxed);
                mailbox.push_node(1, Some(1)).expect("the mailbox is open");
                let mut inbox = Inbox::new(BOUNDS);
                mailbox.drain_into(&mut inbox);
                assert_eq!(inbox.pop(&mailbox), Some(1));
            })
        };
        let held = take_room(&mailbox) >> BYTES_BITS;
        assert!(held <= 1, "refused in spite of room");
        other.join().expect("the other does not panic");
    });
}

#[test]
fn loom_a_sender_is_refused_only_where_there_is_no_room() {
    a_sender_is_refused_only_where_there_is_no_room(|mailbox| mailbox.take_room(1));
}

/// The same with a sender that looks at what was taken after it has counted itself. The model must notice, or it models nothing.
#[test]
#[should_panic(expected = "refused in spite of room")]
fn loom_the_model_catches_a_late_look_at_what_was_taken() {
    a_sender_is_refused_only_where_there_is_no_room(|mailbox| {
        let before = mailbox.sent.fetch_add(weight(1), Ordering::Relaxed);
        before.wrapping_sub(mailbox.taken.load(Ordering::Acquire))
    });
}

/// One sender pushes a chain of two while another pushes a message. `push_chain` is the step under test.
fn a_chain_beside_a_message(push_chain: fn(&Mailbox<u32>, Chain<u32>) -> bool) {
    loom::model(move || {
        let bounds = Bounds { messages: 64, bytes: 1000 };
        let mailbox = Arc::new(Mailbox::new());
        let other = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.push(9).expect("the mailbox is open"))
        };
        let mut chain = mailbox.reserve(3, 1, bounds).expect("there is room");
        assert!(chain.put(1) && chain.put(2));
        assert!(push_chain(&mailbox, chain), "the mailbox is open");
        other.join().expect("a sender does not panic");
        let mut inbox = Inbox::new(bounds);
        mailbox.drain_into(&mut inbox);
        assert_eq!(mailbox.messages(&inbox), 2, "the room that was not needed is given back");
        let received: Vec<u32> = std::iter::from_fn(|| inbox.pop(&mailbox)).collect();
        assert!(matches!(received[..], [9, 1, 2] | [1, 2, 9]), "lost or out of order: {received:?}");
    });
}

#[test]
fn loom_a_chain_arrives_whole_and_in_order() {
    a_chain_beside_a_message(Mailbox::push_chain);
}

/// The same with a chain that is linked to what was there at first, whatever is there when it is pushed.
#[test]
#[should_panic(expected = "lost or out of order")]
fn loom_the_model_catches_a_chain_that_is_linked_once() {
    a_chain_beside_a_message(|mailbox, mut chain| {
        mailbox.sent.fetch_sub(weight(1), Ordering::Relaxed);
        let head = mailbox.head.load(Ordering::Relaxed);
        // SAFETY: the chain is this thread's until the exchange.
        unsafe { (*chain.oldest).next = head };
        mailbox.head.swap(std::mem::replace(&mut chain.newest, ptr::null_mut()), Ordering::Release);
        true
    });
}

/// One sender of two messages beside the owner. `drain` is the step under test.
fn two_messages(drain: fn(&Mailbox<i32>, &mut Inbox<i32>)) {
    loom::model(move || {
        let mailbox = Arc::new(Mailbox::new());
        let sender = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                mailbox.push(1).expect("open");
                mailbox.push(2).expect("open");
            })
        };
        let mut inbox = Inbox::new(BOUNDS);
        drain(&mailbox, &mut inbox);
        sender.join().expect("a sender does not panic");
        drain(&mailbox, &mut inbox);
        let received: Vec<i32> = std::iter::from_fn(|| inbox.pop(&mailbox)).collect();
        assert_eq!(received, [1, 2], "not in the order in which they were sent");
    });
}

#[test]
fn loom_two_messages_of_one_sender_keep_their_order() {
    two_messages(Mailbox::drain_into);
}

/// The same with an owner that takes what arrived as it lies there, the newest first.
#[test]
#[should_panic(expected = "not in the order")]
fn loom_the_model_catches_an_owner_that_takes_the_newest_first() {
    two_messages(|mailbox, inbox| {
        let mut rest = mailbox.head.swap(ptr::null_mut(), Ordering::AcqRel);
        while !rest.is_null() {
            let node = rest;
            // SAFETY: the swap took the whole chain; each node is visited once.
            rest = unsafe { std::mem::replace(&mut (*node).next, ptr::null_mut()) };
            inbox.append(node, node);
        }
    });
}
