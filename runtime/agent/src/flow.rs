//! How far a stream's reader may be ahead of its consumer.
//!
//! Chunks travel as messages to the consumer's port, in order and without a bound of their own; this counts what was sent and not yet
//! taken. Invariant: the reader sends only while less than the bound is under way, and otherwise waits, and reads nothing from its
//! connection meanwhile; whoever takes below half of the bound wakes it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vega_runtime::native::{Address, NativeContext};
use vega_scheduler::{Completer, Instant, completion};

/// Bytes that a chunk counts beside its text: what its message costs.
const CHUNK_BYTES: usize = 64;

/// See the module's text. Shared by the invocation that reads and the handle that its caller holds.
pub(crate) struct Flow {
    /// Bytes that may be under way.
    bound: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes sent and not yet taken.
    under_way: usize,
    /// Chunks sent since the invocation began.
    sent: u64,
    /// The reader, where it waits for room.
    waiting: Option<Completer<()>>,
}

/// A part of an answer on its way to the consumer.
pub(crate) struct Piece {
    pub(crate) text: Box<str>,
    /// The number of the model call that it belongs to, from 1.
    pub(crate) turn: u32,
}

/// Where an exchange delivers its chunks.
#[derive(Clone, Copy)]
pub(crate) struct Outlet<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) to: &'a Address,
}

impl Flow {
    /// At most `bound` bytes under way, or one chunk if it is longer.
    pub(crate) fn new(bound: usize) -> Flow {
        Flow { bound, state: Mutex::default() }
    }

    /// Whether any chunk was sent.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().sent > 0
    }

    /// The consumer took a chunk.
    pub(crate) fn taken(&self, piece: &Piece) {
        let woken = {
            let mut state = self.lock();
            state.under_way = state.under_way.saturating_sub(weight(&piece.text));
            if state.under_way <= self.bound / 2 { state.waiting.take() } else { None }
        };
        if let Some(reader) = woken {
            reader.complete(());
        }
    }

    /// Waits until there is room, at most until the deadline. Fails where the reader is to end.
    fn wait_for_room(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let room = {
                let mut state = self.lock();
                if state.under_way < self.bound {
                    return Ok(());
                }
                let (completer, room) = completion();
                state.waiting = Some(completer);
                room
            };
            room.wait(Some(deadline))?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet<'_> {
    /// Sends a chunk, as soon as there is room for it. Blocks.
    pub(crate) fn send(&self, context: &NativeContext<'_>, text: String, turn: u32, deadline: Instant) -> io::Result<()> {
        self.flow.wait_for_room(deadline)?;
        {
            let mut state = self.flow.lock();
            state.under_way += weight(&text);
            state.sent += 1;
        }
        context.send_to(self.to, Box::new(Piece { text: text.into(), turn }));
        Ok(())
    }
}

fn weight(text: &str) -> usize {
    text.len() + CHUNK_BYTES
}
