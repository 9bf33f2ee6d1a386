//! Models of a mailbox between threads, each with a twin in which one step is done wrong.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, fence};
use loom::thread;

use super::*;
use crate::process::state::{Listen, SIGNAL, StateWord, Wake};

impl Parcel for i32 {}
impl Parcel for u32 {}

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
                mailbox.push_node(1, 1, 1).expect("the mailbox is open");
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

/// Two senders take room for a parcel where there is room for one. `reserve` is the step under test.
fn room_for_one_parcel(reserve: fn(&Mailbox<u32>, Bounds) -> Option<Room>) {
    loom::model(move || {
        let bounds = Bounds { messages: 64, bytes: 10 };
        let mailbox = Arc::new(Mailbox::new());
        let other = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || reserve(&mailbox, bounds).is_some_and(|room| mailbox.push_reserved(room, 9, 2)))
        };
        let own = reserve(&mailbox, bounds).is_some_and(|room| mailbox.push_reserved(room, 1, 2));
        let parcels = u64::from(own) + u64::from(other.join().expect("a sender does not panic"));
        assert!(parcels <= 1, "more than there was room for");
        let mut inbox = Inbox::new(bounds);
        mailbox.drain_into(&mut inbox);
        assert_eq!(mailbox.messages(&inbox), 2 * parcels, "what was refused is given back");
        while inbox.pop(&mailbox).is_some() {}
        assert_eq!(mailbox.messages(&inbox), 0);
    });
}

#[test]
fn loom_room_is_never_taken_twice() {
    room_for_one_parcel(|mailbox, bounds| mailbox.reserve(2, 3, bounds, Most::All));
}

/// The same with senders that look at the room before they take it, and not at what they took. The model must notice.
#[test]
#[should_panic(expected = "more than there was room for")]
fn loom_the_model_catches_a_look_that_comes_before_the_step() {
    room_for_one_parcel(|mailbox, bounds| {
        let taken = mailbox.taken.load(Ordering::Acquire);
        let room = weight(3) * 2;
        let held = mailbox.sent.load(Ordering::Relaxed).wrapping_add(room).wrapping_sub(taken);
        (!bounds.are_passed(held)).then(|| {
            mailbox.sent.fetch_add(room, Ordering::Relaxed);
            Room { messages: 2, bytes: 3, crowded: false }
        })
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

/// A mailbox of one message, the process that it belongs to, and whether somebody waits for room in it.
struct Crowded {
    mailbox: Mailbox<u32>,
    state: StateWord,
    wanted: AtomicBool,
}

const ONE: Bounds = Bounds { messages: 1, bytes: 100 };

impl Crowded {
    fn new() -> Arc<Self> {
        let crowded = Self { mailbox: Mailbox::new(), state: StateWord::dead(), wanted: AtomicBool::new(false) };
        crowded.state.born_runnable();
        crowded.state.begin();
        Arc::new(crowded)
    }

    fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

/// Somebody who took room gives it back, while the owner looks for room for one who waits and goes to sleep. `look` is the owner's step
/// under test.
fn room_that_is_given_back_reaches_whoever_waits(look: fn(&Crowded, &Inbox<u32>) -> bool) {
    loom::model(move || {
        let crowded = Crowded::new();
        crowded.mailbox.take_room(1);
        let other = {
            let crowded = Arc::clone(&crowded);
            thread::spawn(move || {
                crowded.mailbox.give_back(1);
                crowded.wanted.load(Ordering::SeqCst).then(|| crowded.state.notify(SIGNAL))
            })
        };
        let inbox = Inbox::new(ONE);
        let mut given = look(&crowded, &inbox);
        while !given && crowded.state.park(Listen::NotToMail, || false).is_err() {
            given = look(&crowded, &inbox);
        }
        let wake = other.join().expect("the other does not panic");
        assert!(given || wake == Some(Wake::Push), "asleep beside room that somebody waits for");
    });
}

#[test]
fn loom_room_that_is_given_back_reaches_whoever_waits() {
    room_that_is_given_back_reaches_whoever_waits(|crowded, inbox| {
        crowded.want();
        crowded.mailbox.take_room_for(1, inbox, ONE)
    });
}

/// The same with an owner that looks first and says then that somebody waits. The model must notice, or it models nothing.
#[test]
#[should_panic(expected = "asleep beside room")]
fn loom_the_model_catches_an_owner_that_looks_before_it_says_that_somebody_waits() {
    room_that_is_given_back_reaches_whoever_waits(|crowded, inbox| {
        let given = crowded.mailbox.take_room_for(1, inbox, ONE);
        crowded.want();
        given
    });
}

/// The owner takes a message out while a sender waits, and another that never waited sends. `take` is the owner's step under test: it
/// takes the message out and gives the room to who waits.
fn room_goes_to_whoever_waits(take: fn(&Mailbox<u32>, &mut Inbox<u32>) -> bool) {
    loom::model(move || {
        let mailbox = Arc::new(Mailbox::new());
        mailbox.push_counted(1, 1, ONE).expect("there is room");
        let other = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.push_counted(3, 1, ONE).is_ok())
        };
        let mut inbox = Inbox::new(ONE);
        inbox.hold_back();
        mailbox.drain_into(&mut inbox);
        let given = take(&mailbox, &mut inbox);
        assert!(!other.join().expect("a sender does not panic"), "somebody who came later got the room");
        // Beside one who is refused there is no room for a moment; its refusal is what makes the owner look again.
        assert!(given || mailbox.take_room_for(1, &inbox, ONE), "the room went to nobody");
        mailbox.push_into_room(2, 1).expect("the mailbox is open");
        mailbox.drain_into(&mut inbox);
        assert_eq!(inbox.pop(&mailbox), Some(2));
        inbox.release(&mailbox);
        assert!(mailbox.push_counted(4, 1, ONE).is_ok(), "all room is there again");
    });
}

#[test]
fn loom_room_goes_to_whoever_waits_and_to_nobody_who_comes_later() {
    room_goes_to_whoever_waits(|mailbox, inbox| {
        assert_eq!(inbox.pop(mailbox), Some(1));
        mailbox.take_room_for(1, inbox, ONE)
    });
}

/// The same with an owner that tells everybody of the room first.
#[test]
#[should_panic(expected = "somebody who came later")]
fn loom_the_model_catches_room_that_everybody_is_told_of() {
    room_goes_to_whoever_waits(|mailbox, inbox| {
        assert_eq!(inbox.pop(mailbox), Some(1));
        inbox.release(mailbox);
        mailbox.take_room_for(1, inbox, ONE)
    });
}
