//! Models of what happens between processes: hand-overs between workers, timers of earlier waits, links beside ends. The parts that are
//! shared are those that ship; what surrounds them (a queue, a set of links) is cut down to what the protocol needs of it.
//!
//! Each model has a twin with one step left out or done twice, in which it must find the fault.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::mailbox::{Bounds, Inbox, Mailbox, Parcel};
use super::state::{KILL, Listen, SIGNAL, StateWord, TIMER, Wake};

fn the_model_catches(check: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(check)).is_err(), "the model missed a fault that is there");
}

/// A run queue with room for one process, and no ordering beyond that of a push and a steal.
struct Queue(AtomicBool);

impl Queue {
    fn push(&self) {
        assert!(!self.0.swap(true, Ordering::Release), "a process is in the queue twice");
    }
    fn steal(&self) -> bool {
        self.0.swap(false, Ordering::Acquire)
    }
}

/// A process: its word, its run queue, and fields that belong to whoever owns it.
struct Process {
    state: StateWord,
    queue: Queue,
    /// Slices so far. The model checker reports accesses that may overlap.
    slices: UnsafeCell<u32>,
}

impl Process {
    /// In the hands of a worker that runs it.
    fn running() -> Arc<Process> {
        let process = Process { state: StateWord::dead(), queue: Queue(AtomicBool::new(false)), slices: UnsafeCell::new(0) };
        process.state.born_runnable();
        process.state.begin();
        Arc::new(process)
    }

    fn touch(&self) {
        // SAFETY: the model checker reports the access if another may overlap it.
        self.slices.with_mut(|slices| unsafe { *slices += 1 });
    }

    /// A worker that finds the process in the queue runs it once, and lets it sleep or run again.
    fn run_if_queued(&self) {
        if self.queue.steal() {
            self.state.begin();
            self.touch();
            while self.state.park(Listen::ToAll, || false).is_err() {}
        }
    }
}

/// A worker whose process used up its slice gives it back to the queue, another worker steals it, and a sender tells it something.
fn a_process_goes_to_another_worker(give_back: fn(&Process)) {
    loom::model(move || {
        let process = Process::running();
        let thief = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.run_if_queued())
        };
        let sender = {
            let process = Arc::clone(&process);
            thread::spawn(move || {
                if process.state.notify(SIGNAL) == Wake::Push {
                    process.queue.push();
                }
            })
        };
        process.touch();
        give_back(&process);
        thief.join().expect("the thief does not panic");
        sender.join().expect("the sender does not panic");
        // Whatever is still queued is run in the end, with what came.
        process.run_if_queued();
        assert!(!process.queue.steal());
        assert!(!process.state.has_event(SIGNAL), "the process sleeps on a signal");
    });
}

#[test]
fn loom_a_stolen_process_is_run_by_one_worker_with_all_that_the_last_one_wrote() {
    a_process_goes_to_another_worker(|process| process.queue.push());
}

#[test]
fn loom_the_model_catches_an_owner_that_writes_after_the_push() {
    the_model_catches(|| {
        a_process_goes_to_another_worker(|process| {
            process.queue.push();
            process.touch();
        });
    });
}

/// A worker parks a process, and two others wake it at the same time; whoever wins runs it at once.
fn a_parked_process_is_woken(before_park: fn(&Process), after_park: fn(&Process)) {
    loom::model(move || {
        let process = Process::running();
        let wakers: Vec<_> = [TIMER, SIGNAL]
            .into_iter()
            .map(|event| {
                let process = Arc::clone(&process);
                thread::spawn(move || {
                    if process.state.notify(event) == Wake::Push {
                        process.queue.push();
                        process.run_if_queued();
                    }
                })
            })
            .collect();
        before_park(&process);
        while process.state.park(Listen::ToAll, || false).is_err() {}
        after_park(&process);
        for waker in wakers {
            waker.join().expect("a waker does not panic");
        }
    });
}

#[test]
fn loom_a_woken_process_has_all_that_was_written_before_it_slept() {
    a_parked_process_is_woken(Process::touch, |_| ());
}

#[test]
fn loom_the_model_catches_an_owner_that_writes_after_it_parked() {
    the_model_catches(|| a_parked_process_is_woken(|_| (), Process::touch));
}

/// A wait with a deadline on one worker while the timer of an earlier wait, which could not be taken back, fires on another. The process
/// must never sleep without a timer that will wake it. `take` is what the owner does about the events that come.
fn a_timer_of_an_earlier_wait_fires(take: fn(&Timed, u32)) {
    loom::model(move || {
        let timed = Arc::new(Timed { process: Process::running(), armed: UnsafeCell::new(false), in_wheel: AtomicUsize::new(0) });
        let earlier = {
            let timed = Arc::clone(&timed);
            thread::spawn(move || timed.fire())
        };
        timed.wait(take);
        earlier.join().expect("the worker does not panic");
        timed.run_if_queued(take);
        // Its own timer, in the end.
        assert!(timed.in_wheel.load(Ordering::Relaxed) > 0, "the process sleeps for ever: nothing will wake it");
        timed.in_wheel.fetch_sub(1, Ordering::Relaxed);
        timed.fire();
        assert!(timed.process.queue.steal(), "the timer woke nobody");
    });
}

struct Timed {
    process: Arc<Process>,
    /// The owner believes that a timer of its present wait is set.
    armed: UnsafeCell<bool>,
    /// Timers that are set.
    in_wheel: AtomicUsize,
}

impl Timed {
    fn fire(&self) {
        if self.process.state.notify(TIMER) == Wake::Push {
            self.process.queue.push();
        }
    }

    fn set_armed(&self, armed: bool) -> bool {
        // SAFETY: the model checker reports the access if another may overlap it.
        self.armed.with_mut(|place| unsafe { std::mem::replace(&mut *place, armed) })
    }

    /// Sets a timer unless there is one, and sleeps; begins again with whatever comes.
    fn wait(&self, take: fn(&Timed, u32)) {
        loop {
            if !self.set_armed(true) {
                self.in_wheel.fetch_add(1, Ordering::Relaxed);
            }
            match self.process.state.park(Listen::ToAll, || false) {
                Ok(()) => return,
                Err(events) => take(self, events),
            }
        }
    }

    fn run_if_queued(&self, take: fn(&Timed, u32)) {
        if self.process.queue.steal() {
            let events = self.process.state.begin();
            take(self, events);
            self.wait(take);
        }
    }

    /// Takes the timer back, as far as the owner knows.
    fn disarm(&self) {
        if self.set_armed(false) {
            self.in_wheel.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn loom_a_timer_of_an_earlier_wait_wakes_for_nothing_and_the_wait_goes_on() {
    a_timer_of_an_earlier_wait_fires(|timed, events| {
        if events & TIMER != 0 {
            timed.disarm();
        }
    });
}

#[test]
fn loom_the_model_catches_a_wait_that_takes_a_foreign_timer_for_its_own() {
    the_model_catches(|| {
        a_timer_of_an_earlier_wait_fires(|timed, events| {
            // As if its own timer had fired and were gone, though the owner goes on believing that it is set.
            if events & TIMER != 0 && timed.in_wheel.load(Ordering::Relaxed) > 0 {
                timed.in_wheel.fetch_sub(1, Ordering::Relaxed);
            }
        });
    });
}

/// What one process does to another, as far as links go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    Link(usize),
    Unlink(usize),
    Exit(usize),
}

impl Parcel for Signal {}

/// Processes that link each other.
struct Linked {
    mailboxes: [Mailbox<Signal>; 2],
}

/// One of them, in the hands of its owner.
struct Owner {
    number: usize,
    inbox: Inbox<Signal>,
    links: BTreeSet<usize>,
    /// Exit signals that counted.
    exits: usize,
}

impl Linked {
    /// Delivers a signal; where the receiver has ended, whoever links is told.
    fn signal(&self, to: usize, signal: Signal) {
        if self.mailboxes[to].push(signal).is_err()
            && let Signal::Link(from) = signal
        {
            // A sender that has ended itself needs no answer.
            let _ended = self.mailboxes[from].push(Signal::Exit(to));
        }
    }
}

impl Owner {
    fn new(number: usize) -> Owner {
        Owner { number, inbox: new_inbox(), links: BTreeSet::new(), exits: 0 }
    }

    fn link(&mut self, other: usize, linked: &Linked) {
        self.links.insert(other);
        linked.signal(other, Signal::Link(self.number));
    }

    fn unlink(&mut self, other: usize, linked: &Linked) {
        self.links.remove(&other);
        linked.signal(other, Signal::Unlink(self.number));
    }

    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Link(from) => {
                self.links.insert(from);
            }
            Signal::Unlink(from) => {
                self.links.remove(&from);
            }
            Signal::Exit(from) => self.exits += usize::from(self.links.remove(&from)),
        }
    }

    fn take_mail(&mut self, linked: &Linked) {
        linked.mailboxes[self.number].drain_into(&mut self.inbox);
        while let Some(signal) = self.inbox.pop(&linked.mailboxes[self.number]) {
            self.take(signal);
        }
    }

    /// The mailbox closes first; whoever linked until then is told of the end like the others.
    fn end(mut self, linked: &Linked) -> usize {
        linked.mailboxes[self.number].close(&mut self.inbox);
        while let Some(signal) = self.inbox.pop(&linked.mailboxes[self.number]) {
            self.take(signal);
        }
        self.tell(linked);
        self.exits
    }

    /// The same, with the last look before the mailbox closes.
    fn end_in_the_wrong_order(mut self, linked: &Linked) -> usize {
        self.take_mail(linked);
        linked.mailboxes[self.number].close(&mut new_inbox());
        self.tell(linked);
        self.exits
    }

    fn tell(&mut self, linked: &Linked) {
        for &other in &self.links {
            linked.signal(other, Signal::Exit(self.number));
        }
    }
}

fn new_inbox() -> Inbox<Signal> {
    Inbox::new(Bounds { messages: 8, bytes: 100 })
}

fn linked() -> Arc<Linked> {
    Arc::new(Linked { mailboxes: [Mailbox::new(), Mailbox::new()] })
}

/// One process links itself with another that ends.
fn a_link_beside_an_end(end: fn(Owner, &Linked) -> usize) {
    loom::model(move || {
        let linked = linked();
        let ending = {
            let linked = Arc::clone(&linked);
            thread::spawn(move || end(Owner::new(1), &linked))
        };
        let mut owner = Owner::new(0);
        owner.link(1, &linked);
        ending.join().expect("the other does not panic");
        owner.take_mail(&linked);
        assert_eq!(owner.exits, 1, "a link is answered once, with the end or with `noproc`");
        assert!(owner.links.is_empty());
    });
}

#[test]
fn loom_a_link_beside_an_end_is_answered_once() {
    a_link_beside_an_end(Owner::end);
}

#[test]
fn loom_the_model_catches_an_end_that_looks_before_it_closes() {
    the_model_catches(|| a_link_beside_an_end(Owner::end_in_the_wrong_order));
}

/// Two linked processes, one of which takes the link back while the other ends.
fn an_unlink_beside_an_end(take: fn(&mut Owner, Signal)) {
    loom::model(move || {
        let linked = linked();
        let mut ending = Owner::new(1);
        let mut owner = Owner::new(0);
        owner.link(1, &linked);
        ending.take_mail(&linked);
        let ending = {
            let linked = Arc::clone(&linked);
            thread::spawn(move || ending.end(&linked))
        };
        owner.unlink(1, &linked);
        ending.join().expect("the other does not panic");
        linked.mailboxes[0].drain_into(&mut owner.inbox);
        while let Some(signal) = owner.inbox.pop(&linked.mailboxes[0]) {
            take(&mut owner, signal);
        }
        assert_eq!(owner.exits, 0, "an end is no news after the link was taken back");
    });
}

#[test]
fn loom_an_unlink_beside_an_end_leaves_no_exit() {
    an_unlink_beside_an_end(Owner::take);
}

#[test]
fn loom_the_model_catches_an_exit_of_a_link_that_is_gone() {
    the_model_catches(|| {
        an_unlink_beside_an_end(|owner, signal| {
            if matches!(signal, Signal::Exit(_)) {
                owner.exits += 1;
            }
        });
    });
}

/// Both link each other at the same time, and one ends: the other is told once, not once for each link. `take` is the step under test.
fn two_links_of_one_pair(take: fn(&mut Owner, Signal)) {
    loom::model(move || {
        let linked = linked();
        let other = {
            let linked = Arc::clone(&linked);
            thread::spawn(move || {
                let mut other = Owner::new(1);
                other.link(0, &linked);
                other.end(&linked)
            })
        };
        let mut owner = Owner::new(0);
        let take_mail = |owner: &mut Owner| {
            linked.mailboxes[0].drain_into(&mut owner.inbox);
            while let Some(signal) = owner.inbox.pop(&linked.mailboxes[0]) {
                take(owner, signal);
            }
        };
        owner.link(1, &linked);
        take_mail(&mut owner);
        other.join().expect("the other does not panic");
        take_mail(&mut owner);
        assert_eq!(owner.exits, 1);
    });
}

#[test]
fn loom_two_links_of_one_pair_are_one() {
    two_links_of_one_pair(Owner::take);
}

#[test]
fn loom_the_model_catches_a_link_that_is_told_twice() {
    the_model_catches(|| {
        two_links_of_one_pair(|owner, signal| match signal {
            Signal::Exit(_) => owner.exits += 1,
            other => owner.take(other),
        });
    });
}

/// A sender beside a process that ends. `close` is the step under test.
fn a_message_beside_an_end(close: fn(&Mailbox<Signal>, &mut Inbox<Signal>)) {
    loom::model(move || {
        let linked = linked();
        let sender = {
            let linked = Arc::clone(&linked);
            thread::spawn(move || linked.mailboxes[0].push(Signal::Link(1)).is_ok())
        };
        let mut inbox = new_inbox();
        close(&linked.mailboxes[0], &mut inbox);
        let accepted = sender.join().expect("the sender does not panic");
        let received = inbox.pop(&linked.mailboxes[0]).is_some();
        assert_eq!(accepted, received, "accepted by the mailbox, yet never seen by its owner");
    });
}

#[test]
fn loom_a_message_beside_an_end_is_refused_or_seen() {
    a_message_beside_an_end(Mailbox::close);
}

#[test]
fn loom_the_model_catches_a_mailbox_that_is_emptied_and_closed_apart() {
    the_model_catches(|| {
        a_message_beside_an_end(|mailbox, inbox| {
            mailbox.drain_into(inbox);
            mailbox.close(&mut new_inbox());
        });
    });
}

/// A kill beside a process that enters a native, which waits for something else. `enter` is the step under test.
fn a_kill_beside_a_native(enter: fn(&StateWord) -> bool) {
    loom::model(move || {
        let process = Process::running();
        let killer = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.state.notify(KILL))
        };
        let entered = enter(&process.state);
        let wake = killer.join().expect("the killer does not panic");
        if entered {
            // The native waits: only being told ends it.
            assert!(matches!(wake, Wake::Tell(3)), "the native of a killed process waits on");
        }
    });
}

#[test]
fn loom_a_kill_ends_a_native_or_keeps_it_from_beginning() {
    a_kill_beside_a_native(|state| state.enter_native(3).is_ok());
}

#[test]
fn loom_the_model_catches_a_native_that_begins_whatever_came() {
    the_model_catches(|| {
        a_kill_beside_a_native(|state| {
            // Is held back, forgets why, and goes in.
            while state.enter_native(3).is_err() {
                state.take_events();
            }
            true
        });
    });
}
