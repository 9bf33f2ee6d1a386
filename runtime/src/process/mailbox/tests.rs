//! What one thread sees of a mailbox.

use super::*;

const BOUNDS: Bounds = Bounds { messages: 4, bytes: 100 };

impl Parcel for i32 {}
impl Parcel for std::rc::Rc<()> {}

/// Several messages as one parcel.
impl Parcel for Vec<i32> {
    fn drop_first(&mut self) {
        self.split_first();
    }

    fn split_first(&mut self) -> Self {
        vec![self.remove(0)]
    }
}

fn filled(messages: &[i32]) -> (Mailbox<i32>, Inbox<i32>) {
    let mailbox = Mailbox::new();
    let mut inbox = Inbox::new(BOUNDS);
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
    inbox.accept(&mailbox);
    assert_eq!(rest(&mailbox, &mut inbox), [1, 3]);
}

#[test]
fn removing_the_last_message_keeps_the_end_of_the_queue() {
    let (mailbox, mut inbox) = filled(&[1, 2]);
    inbox.skip();
    inbox.accept(&mailbox);
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
    let mut inbox = Inbox::new(BOUNDS);
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
fn a_large_mailbox_learns_of_receives_in_batches_and_before_its_owner_looks_for_more() {
    let bounds = Bounds { messages: 64, bytes: 1 << 20 };
    let (mailbox, mut inbox) = (Mailbox::new(), Inbox::new(bounds));
    for message in 0..64 {
        mailbox.push_counted(message, 1, bounds).expect("there is room for 64");
    }
    mailbox.drain_into(&mut inbox);
    for _ in 0..4 {
        inbox.accept(&mailbox);
    }
    assert!(matches!(mailbox.push_counted(64, 1, bounds), Err(Refused::Full(64))), "senders were not told yet");
    assert_eq!(mailbox.messages(&inbox), 60, "the owner knows");
    inbox.accept(&mailbox);
    for message in 64..69 {
        mailbox.push_counted(message, 1, bounds).expect("all five are told of at once");
    }
    inbox.accept(&mailbox);
    mailbox.drain_into(&mut inbox);
    mailbox.push_counted(69, 1, bounds).expect("told of when the owner looks for more");
    mailbox.drain_into(&mut inbox);
    assert_eq!(rest(&mailbox, &mut inbox), (6..70).collect::<Vec<_>>());
}

/// A mailbox to which 0 was sent, then 1 to 4 as one parcel, then 5.
fn with_parcel(bounds: Bounds) -> (Mailbox<Vec<i32>>, Inbox<Vec<i32>>) {
    let (mailbox, mut inbox) = (Mailbox::new(), Inbox::new(bounds));
    mailbox.push_counted(vec![0], 16, bounds).expect("there is room");
    let room = mailbox.reserve(8, 16, bounds, Most::Half).expect("there is room");
    assert_eq!(mailbox.messages(&inbox), 9, "as if they were there");
    assert!(mailbox.push_reserved(room, vec![1, 2, 3, 4], 4));
    mailbox.push_counted(vec![5], 16, bounds).expect("there is room");
    assert_eq!(mailbox.messages(&inbox), 6, "what is not needed is given back");
    mailbox.drain_into(&mut inbox);
    (mailbox, inbox)
}

const SPACIOUS: Bounds = Bounds { messages: 128, bytes: 1 << 20 };

#[test]
fn messages_of_a_parcel_are_accepted_one_by_one_in_their_place() {
    let (mailbox, mut inbox) = with_parcel(SPACIOUS);
    for (message, left) in (0..6).zip((0..6).rev()) {
        assert_eq!(inbox.peek().and_then(|parcel| parcel.first()), Some(&message));
        inbox.accept(&mailbox);
        assert_eq!(mailbox.messages(&inbox), left);
    }
    assert!(inbox.is_at_end());
    mailbox.drain_into(&mut inbox);
    let taken = mailbox.taken.load(Ordering::Relaxed);
    assert_eq!(taken, mailbox.sent.load(Ordering::Relaxed), "every byte is accounted for");
}

#[test]
fn messages_of_a_parcel_are_refused_one_by_one_and_keep_their_order() {
    for accepted in 0..6 {
        let (mailbox, mut inbox) = with_parcel(SPACIOUS);
        for _ in 0..accepted {
            inbox.skip();
        }
        assert_eq!(inbox.peek().and_then(|parcel| parcel.first()), Some(&accepted));
        inbox.accept(&mailbox);
        assert_eq!(mailbox.messages(&inbox), 5);
        let rest: Vec<i32> = std::iter::from_fn(|| inbox.pop(&mailbox)).flatten().collect();
        assert_eq!(rest, (0..6).filter(|&message| message != accepted).collect::<Vec<_>>());
        assert_eq!(mailbox.messages(&inbox), 0);
    }
}

#[test]
fn a_look_for_something_else_leaves_parcels_as_they_are() {
    let (mailbox, mut inbox) = with_parcel(SPACIOUS);
    inbox.skip();
    inbox.skip();
    assert_eq!(inbox.take_first(&mailbox, |parcel| parcel == &[5]), Some(vec![5]));
    assert_eq!(inbox.peek(), Some(&vec![2, 3, 4]), "the cursor stays, and nothing was split behind it");
}

#[test]
fn no_room_is_taken_beforehand_where_it_could_matter_for_the_bound() {
    let bounds = Bounds { messages: 128, bytes: 1000 };
    let mailbox: Mailbox<i32> = Mailbox::new();
    assert!(mailbox.reserve(9, 1, bounds, Most::All).is_none(), "more than a sixteenth of the bound");
    assert!(mailbox.reserve(8, 63, bounds, Most::Half).is_none(), "more than half of the bytes");
    for message in 0..57 {
        mailbox.push_counted(message, 1, bounds).expect("there is room");
    }
    assert!(mailbox.reserve(8, 1, bounds, Most::Half).is_none(), "more than half of the messages");
    assert_eq!(mailbox.messages(&Inbox::new(bounds)), 57, "nothing stays taken");
    let room = mailbox.reserve(7, 1, bounds, Most::Half).expect("64 of 128");
    assert!(!room.crowded, "half is not more than half");
    for message in 64..120 {
        mailbox.push_counted(message, 1, bounds).expect("there is room");
    }
    assert!(mailbox.reserve(9, 1, bounds, Most::All).is_none(), "129 of 128");
    assert!(mailbox.reserve(8, 1, bounds, Most::All).is_some_and(|room| room.crowded), "a sender that waits may fill it");
    assert!(mailbox.push_counted(128, 1, bounds).is_err());
}

#[test]
fn a_parcel_that_comes_too_late_is_dropped() {
    let bounds = Bounds { messages: 128, bytes: 1000 };
    let (mailbox, mut inbox) = (Mailbox::new(), Inbox::new(bounds));
    let shared = std::rc::Rc::new(());
    let room = mailbox.reserve(8, 1, bounds, Most::Half).expect("there is room");
    mailbox.push(shared.clone()).expect("the mailbox is open");
    mailbox.close(&mut inbox);
    assert!(!mailbox.push_reserved(room, shared.clone(), 2));
    assert_eq!(std::rc::Rc::strong_count(&shared), 2, "only what came in time is left");
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

#[test]
fn who_has_ended_takes_every_message_however_full_it_was() {
    let mailbox = Mailbox::new();
    for message in 0..4 {
        mailbox.push_counted(message, 1, BOUNDS).expect("there is room");
    }
    mailbox.close(&mut Inbox::new(BOUNDS));
    assert!(matches!(mailbox.push_counted(4, 1, BOUNDS), Err(Refused::Closed(4))));
}

#[test]
fn what_is_held_back_is_room_for_those_who_wait_alone() {
    let mailbox = Mailbox::new();
    let mut inbox = Inbox::new(BOUNDS);
    for message in 0..4 {
        mailbox.push_counted(message, 10, BOUNDS).expect("there is room");
    }
    mailbox.drain_into(&mut inbox);
    assert!(!mailbox.take_room_for(10, &inbox, BOUNDS), "it is full");
    inbox.hold_back();
    assert_eq!((inbox.pop(&mailbox), inbox.pop(&mailbox)), (Some(0), Some(1)));
    inbox.publish(&mailbox);
    assert!(mailbox.push_counted(9, 1, BOUNDS).is_err(), "somebody waits");
    assert!(!mailbox.take_room_for(81, &inbox, BOUNDS), "twenty of a hundred bytes are taken");
    assert!(mailbox.take_room_for(80, &inbox, BOUNDS) && !mailbox.take_room_for(1, &inbox, BOUNDS));
    mailbox.push_into_room(4, 80).expect("the mailbox is open");
    assert!(mailbox.push_counted(9, 1, BOUNDS).is_err());
    mailbox.drain_into(&mut inbox);
    assert_eq!(rest(&mailbox, &mut inbox), [2, 3, 4]);
    inbox.release(&mailbox);
    for message in 0..4 {
        mailbox.push_counted(message, 25, BOUNDS).expect("all room is there again");
    }
}
