//! One worker's poll: sockets whose readiness wakes its runners, the alarm of its timers, and the waker of other threads.
//!
//! Invariant: the poll and the runners it wakes belong to one thread, so readiness and waiting never race. A handle that is
//! used on another worker is registered anew there, which reports what is ready already.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token};

use crate::inbox::Inbox;
use crate::os::alarm::Alarm;
use crate::runner::WaitKey;
use crate::time::Instant;

/// Another thread wants the worker's attention; nothing but the end of the poll follows from it.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// A timer is due; nothing but the end of the poll follows from it.
pub(crate) const ALARM: Token = Token(usize::MAX - 1);
/// A token's generation is above its place.
const PLACE_BITS: u32 = 32;
const EVENTS_PER_POLL: usize = 256;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a token holds a place and a generation of 32 bits each");

/// What a handle keeps of the reactor it is registered with.
pub(crate) struct ReactorHandle {
    pub(crate) registry: Registry,
    pub(crate) inbox: Arc<Inbox>,
}

pub(crate) struct Reactor {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    alarm: RefCell<Alarm>,
    sources: RefCell<Sources>,
    pub(crate) handle: Arc<ReactorHandle>,
}

#[derive(Default)]
struct Sources {
    places: Vec<Source>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Source {
    generation: u32,
    waiter: Option<WaitKey>,
}

impl Reactor {
    pub(crate) fn new(poll: Poll, inbox: Arc<Inbox>) -> io::Result<Reactor> {
        let alarm = Alarm::new(poll.registry(), ALARM)?;
        let handle = Arc::new(ReactorHandle { registry: poll.registry().try_clone()?, inbox });
        Ok(Reactor {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_PER_POLL)),
            alarm: RefCell::new(alarm),
            sources: RefCell::default(),
            handle,
        })
    }

    /// A token under which a handle may be registered.
    pub(crate) fn take_token(&self) -> Token {
        let sources = &mut *self.sources.borrow_mut();
        let place = sources.free.pop().unwrap_or_else(|| {
            sources.places.push(Source::default());
            u32::try_from(sources.places.len() - 1).expect("descriptors end before four billion of them")
        });
        Token((sources.places[place as usize].generation as usize) << PLACE_BITS | place as usize)
    }

    /// Frees the token of a handle that is registered here no more.
    pub(crate) fn free_token(&self, token: Token) {
        let sources = &mut *self.sources.borrow_mut();
        let (place, generation) = split(token);
        let source = &mut sources.places[place as usize];
        if source.generation == generation {
            // Kept below the values of the two special tokens.
            source.generation = (generation + 1) % (u32::MAX - 1);
            source.waiter = None;
            sources.free.push(place);
        }
    }

    /// Whether any handle is registered.
    pub(crate) fn has_sources(&self) -> bool {
        let sources = self.sources.borrow();
        sources.free.len() < sources.places.len()
    }

    /// Says who is woken when the handle becomes ready, in place of who was before.
    pub(crate) fn set_waiter(&self, token: Token, waiter: WaitKey) {
        let (place, generation) = split(token);
        let source = &mut self.sources.borrow_mut().places[place as usize];
        debug_assert_eq!(source.generation, generation, "a handle frees its token when it lets go of it");
        source.waiter = Some(waiter);
    }

    /// Looks at what is ready, without waiting.
    pub(crate) fn poll_now(&self, wake: impl FnMut(WaitKey)) {
        self.poll_for(Some(Duration::ZERO), wake);
    }

    /// Waits until something is ready, a thread calls the waker, or the moment has come.
    pub(crate) fn sleep(&self, until: Option<Instant>, now: Instant, wake: impl FnMut(WaitKey)) {
        let timeout = match until {
            Some(until) if until <= now => Some(Duration::ZERO),
            Some(until) => self.alarm.borrow_mut().set(until, now),
            None => None,
        };
        self.poll_for(timeout, wake);
    }

    fn poll_for(&self, timeout: Option<Duration>, mut wake: impl FnMut(WaitKey)) {
        let events = &mut *self.events.borrow_mut();
        if let Err(error) = self.poll.borrow_mut().poll(events, timeout) {
            // A signal ends the poll early, which is harmless; nothing else can go wrong with a valid descriptor.
            if error.kind() != io::ErrorKind::Interrupted {
                tracing::error!(%error, "the poll of a worker failed");
            }
            return;
        }
        let sources = &mut *self.sources.borrow_mut();
        for event in &*events {
            match event.token() {
                WAKER => continue,
                ALARM => {
                    self.alarm.borrow_mut().rang();
                    continue;
                }
                _ => {}
            }
            let (place, generation) = split(event.token());
            let source = sources.places.get_mut(place as usize).filter(|source| source.generation == generation);
            if let Some(waiter) = source.and_then(|source| source.waiter.take()) {
                wake(waiter);
            }
        }
    }
}

fn split(token: Token) -> (u32, u32) {
    (token.0 as u32, (token.0 >> PLACE_BITS) as u32)
}
