//! Who waits for room in a mailbox, and how they are told of some.
//!
//! A sender that meets a full mailbox and is ready to wait asks its receiver for room, and sleeps. The receiver keeps who asked, and takes
//! room for them in that order as soon as it has taken messages out: at the end of each slice, and before a native that may block. Whoever
//! is told of room has it: nobody else can be quicker, and nobody who comes later gets any before.
//!
//! Invariant: what is asked for is answered once, with room or with the word that there is none to be had here any more; and room that was
//! given is used once, or given back once. A sender that stops waiting, or ends, says so to whom it asked, unless it was answered without
//! room; signals of one process stay in order, so the receiver knows from its list whether it had given room by then.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use vega_bytecode::kinds;
use vega_scheduler::{Instant, Worker};

use super::Pid;
use super::block::{Extension, Process};
use super::mail::Mail;
use super::mailbox::{Mailbox, counted_bytes};
use super::signal::Signal;
use super::state::{MAIL, SIGNAL};
use super::turn::{Target, Turn};
use crate::error::Error;
use crate::native::PortId;
use crate::supervisor::Child;
use crate::value::copy::Message;
use crate::world::World;

/// One who waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Waiter {
    pub(crate) process: Pid,
    /// Which of its waits it is.
    pub(crate) ask: u64,
    /// What its message counts with.
    pub(crate) bytes: u32,
}

/// Those who wait for room in one place, first come first. A process waits once at a time.
#[derive(Default, Debug)]
pub(crate) struct Waiters {
    next: u64,
    in_order: BTreeMap<u64, Waiter>,
    places: FxHashMap<Pid, u64>,
}

/// What a process waits for that asked for room.
pub(crate) struct Asking {
    ask: u64,
    place: Place,
    bytes: u32,
    answer: Option<Answer>,
}

/// Where room was asked for.
pub(crate) enum Place {
    Process(Pid),
    /// A slot in which nobody lives.
    Slot(Child),
}

/// What whoever asked is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Room for the message was taken: it is to be sent, and fits.
    Room,
    /// Whoever was asked is gone, or somebody else is to be asked now.
    OfferAgain,
}

/// What became of a message whose sender is ready to wait.
pub(crate) enum Delivery {
    /// The receiver has it, or has ended.
    Sent,
    /// Room was asked for; whoever has the message waits at [`PortId::ROOM`].
    Waits(Message),
    /// There is no room, and no waiting for it.
    Refused(Error),
}

impl Waiters {
    /// Puts one at the end.
    pub(crate) fn add(&mut self, waiter: Waiter) {
        self.remove(waiter.process);
        self.places.insert(waiter.process, self.next);
        self.in_order.insert(self.next, waiter);
        self.next += 1;
    }

    /// False where that process did not wait.
    pub(crate) fn remove(&mut self, process: Pid) -> bool {
        self.places.remove(&process).is_some_and(|place| self.in_order.remove(&place).is_some())
    }

    fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// Whoever came first.
    fn first(&self) -> Option<Waiter> {
        self.in_order.first_key_value().map(|(_, waiter)| *waiter)
    }

    /// Tells all of them that whom they asked has no room for them any more.
    pub(crate) fn send_away(self, world: &World, worker: &Worker<World>) {
        for waiter in self.in_order.into_values() {
            waiter.tell(Answer::OfferAgain, world, worker);
        }
    }
}

impl Waiter {
    /// Comes to nothing where the process has ended, or waits no more.
    pub(crate) fn tell(self, answer: Answer, world: &World, worker: &Worker<World>) {
        world.deliver(self.process, Mail::Signal(Signal::Room { ask: self.ask, answer }), SIGNAL, worker);
    }
}

impl Asking {
    /// The answer has come, unless it is that of an earlier wait.
    pub(crate) fn answered(&mut self, ask: u64, answer: Answer) {
        if self.ask == ask {
            self.answer = Some(answer);
        }
    }
}

impl Turn<'_> {
    /// Gives room to those who wait for it at this process, as far as there is some.
    #[inline]
    pub(crate) fn give_room(&self) {
        if self.life().extension().is_some_and(|extension| extension.waiters.is_some()) {
            self.give_room_in_order();
        }
    }

    #[cold]
    fn give_room_in_order(&self) {
        let Some(mut waiters) = self.life().extension_mut().and_then(|extension| extension.waiters.take()) else { return };
        // Before the look at what there is, so that whoever gives room back after it knows that somebody wants it: see `World::gave_back`.
        self.process.set_wanted(true);
        let bounds = self.world.bounds();
        while let Some(waiter) = waiters.first() {
            if !self.process.mailbox.take_room_for(waiter.bytes, &self.life().inbox, bounds) {
                // What is taken out from now on is for those who wait, and nobody else sees it as room.
                self.life().inbox.hold_back();
                self.life().extend().waiters = Some(waiters);
                return;
            }
            waiters.remove(waiter.process);
            waiter.tell(Answer::Room, self.world, self.worker);
        }
        self.open_to_all();
    }

    /// Nobody waits any more: all room is for whoever sends.
    fn open_to_all(&self) {
        self.process.set_wanted(false);
        self.life().inbox.release(&self.process.mailbox);
    }

    /// Somebody waits no more; perhaps it was the last.
    fn open_if_unwanted(&self) {
        if let Some(extension) = self.life().extension_mut()
            && extension.waiters.take_if(|waiters| waiters.is_empty()).is_some()
        {
            self.open_to_all();
        }
    }

    /// Offers a message, or sends it into the room that was given for it; asks for room where there is none.
    pub(crate) fn deliver_or_wait(&self, target: &Target, message: Message, until: Instant) -> Delivery {
        let asking = self.life().extension_mut().and_then(|extension| extension.asking.take());
        let message = match asking {
            Some(Asking { place: Place::Process(receiver), answer: Some(Answer::Room), .. }) => {
                match self.world.send_into_room(receiver, message, self.worker) {
                    Ok(()) => return Delivery::Sent,
                    // Whoever gave the room has ended with it. A child's next life may be there already.
                    Err(message) => message,
                }
            }
            _ => message,
        };
        let offered = self.offer(target, message);
        if let Some(asking) = asking {
            self.take_back(asking);
        }
        let Err(message) = offered else { return Delivery::Sent };
        let (bytes, bounds) = (message.size_bytes(), self.world.bounds());
        if bytes as u64 > bounds.bytes {
            return Delivery::Refused(too_large(bytes, bounds.bytes));
        }
        if self.is_past(until) {
            return Delivery::Refused(Error::new(kinds::MAILBOX_FULL, "the receiver's mailbox stayed full"));
        }
        self.ask_for_room(target, counted_bytes(bytes));
        Delivery::Waits(message)
    }

    fn ask_for_room(&self, target: &Target, bytes: u32) {
        let extension = self.life().extend();
        extension.last_port += 1;
        let waiter = Waiter { process: self.pid(), ask: extension.last_port, bytes };
        let place = match target {
            Target::Process(receiver) => {
                if *receiver == waiter.process {
                    self.life().extend().waiters.get_or_insert_default().add(waiter);
                } else {
                    self.world.signal(*receiver, Signal::WantsRoom(waiter), self.worker);
                }
                Place::Process(*receiver)
            }
            Target::Child(child) => child.child().ask_for_room(waiter, self),
        };
        self.life().extend().asking = Some(Asking { ask: waiter.ask, place, bytes, answer: None });
    }

    /// Waits no more.
    fn take_back(&self, asking: Asking) {
        let process = self.pid();
        match asking.place {
            _ if asking.answer == Some(Answer::OfferAgain) => {}
            Place::Process(receiver) if receiver == process => {
                forget_waiter(process, asking.bytes, &self.process.mailbox, self.life().extension_mut());
                self.open_if_unwanted();
            }
            Place::Process(receiver) => {
                self.world.signal(receiver, Signal::WantsNoRoom { from: process, bytes: asking.bytes }, self.worker);
            }
            Place::Slot(child) => child.forget_waiter(process),
        }
    }

    /// The process ends, and with it a wait for room.
    pub(crate) fn end_asking(&self, asking: Option<Asking>) {
        if let Some(asking) = asking {
            self.take_back(asking);
        }
    }

    /// Whether the wait at [`PortId::ROOM`] is over.
    pub(crate) fn is_answered(&self, port: PortId) -> bool {
        if port != PortId::ROOM {
            return false;
        }
        self.take_mail();
        let asking = self.life().extension().and_then(|extension| extension.asking.as_ref());
        asking.is_none_or(|asking| asking.answer.is_some())
    }
}

impl World {
    /// Delivers a message for which the receiver has taken room. It comes back where the receiver has ended.
    fn send_into_room(&self, to: Pid, message: Message, worker: &Worker<World>) -> Result<(), Message> {
        self.push_sent(worker);
        let Some(process) = self.table.slot_of(to) else { return Err(message) };
        let bytes = counted_bytes(message.size_bytes());
        match process.mailbox.push_into_room(Mail::User(message), bytes) {
            Ok(()) => self.wake(process, MAIL, worker),
            Err(Mail::User(message)) => return Err(message),
            Err(_) => unreachable!("a mailbox gives back what it was given"),
        }
        Ok(())
    }

    /// Somebody gave back room that it had taken in a mailbox and did not need: where others wait for some, their receiver looks again.
    #[inline]
    pub(crate) fn gave_back(&self, process: &Process, worker: &Worker<World>) {
        // Only the owner knows how much is held back for those who wait, so it is told whenever there may be room.
        if process.is_wanted() {
            self.wake(process, SIGNAL, worker);
        }
    }
}

/// A process waits no more at the owner of that mailbox. Where it is not in the list any more it was given room, and gives that back.
pub(crate) fn forget_waiter(from: Pid, bytes: u32, mailbox: &Mailbox<Mail>, extension: Option<&mut Extension>) {
    let waiters = extension.and_then(|extension| extension.waiters.as_mut());
    if !waiters.is_some_and(|waiters| waiters.remove(from)) {
        mailbox.give_back(bytes);
    }
}

/// A message that no mailbox can take.
#[cold]
pub(crate) fn too_large(bytes: usize, bound: u64) -> Error {
    Error::new(kinds::MAILBOX_FULL, format!("the message takes {bytes} bytes, more than the {bound} that a mailbox may hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(slot: u32, ask: u64) -> Waiter {
        Waiter { process: Pid::new(slot, 1), ask, bytes: 1 }
    }

    #[test]
    fn who_waits_has_the_place_of_its_coming_until_it_leaves() {
        let mut waiters = Waiters::default();
        assert!(waiters.is_empty() && waiters.first().is_none());
        for slot in 0..4 {
            waiters.add(waiter(slot, 7));
        }
        assert!(waiters.remove(Pid::new(2, 1)) && !waiters.remove(Pid::new(2, 1)));
        // Who waits again comes last.
        waiters.add(waiter(0, 8));
        let order: Vec<Waiter> = std::iter::from_fn(|| {
            let first = waiters.first()?;
            waiters.remove(first.process);
            Some(first)
        })
        .collect();
        assert_eq!(order, [waiter(1, 7), waiter(3, 7), waiter(0, 8)]);
        assert!(waiters.is_empty());
    }

    #[test]
    fn the_answer_to_an_earlier_wait_is_none() {
        let mut asking = Asking { ask: 2, place: Place::Process(Pid::new(0, 1)), bytes: 1, answer: None };
        asking.answered(1, Answer::Room);
        assert_eq!(asking.answer, None);
        asking.answered(2, Answer::OfferAgain);
        assert_eq!(asking.answer, Some(Answer::OfferAgain));
    }
}
