//! Where records are put. Any thread may hold a sink, and putting a record never waits.
//!
//! Invariant: every record handed to [`Sink::record`] is either in the buffer, delivered, or
//! counted as dropped.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread::Thread;

use crossbeam_queue::ArrayQueue;

use crate::Record;

/// Records that the buffer holds unless another size is asked for.
pub const BUFFER_RECORDS_DEFAULT: usize = 65_536;

/// The producers' end of the buffer. Cheap to clone.
#[derive(Clone, Default)]
pub struct Sink {
    shared: Option<Arc<Shared>>,
}

/// What producers and the exporting thread share.
pub(crate) struct Shared {
    pub(crate) buffer: ArrayQueue<Box<Record>>,
    pub(crate) dropped: AtomicU64,
    /// Set by the exporting thread before it sleeps; whoever clears it must wake that thread.
    pub(crate) sleeping: AtomicBool,
    /// No more records are expected: export what is there and end.
    pub(crate) closing: AtomicBool,
    pub(crate) exporter: OnceLock<Thread>,
}

impl Sink {
    /// A sink that keeps nothing, for runs without a trace.
    pub fn disabled() -> Sink {
        Sink { shared: None }
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Sink {
        Sink { shared: Some(shared) }
    }

    /// Whether anybody reads the records; building them can be spared otherwise.
    pub fn is_enabled(&self) -> bool {
        self.shared.is_some()
    }

    /// Puts one record into the buffer, or counts it as dropped where the buffer is full.
    pub fn record(&self, record: Record) {
        let Some(shared) = &self.shared else { return };
        if shared.buffer.push(Box::new(record)).is_err() {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        shared.wake();
    }

    /// Records dropped so far because the buffer was full.
    pub fn dropped(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.dropped.load(Ordering::Relaxed))
    }
}

impl Shared {
    pub(crate) fn new(buffer_records: usize) -> Shared {
        Shared {
            buffer: ArrayQueue::new(buffer_records.max(1)),
            dropped: AtomicU64::new(0),
            sleeping: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            exporter: OnceLock::new(),
        }
    }

    /// Wakes the exporting thread if it sleeps or is about to.
    pub(crate) fn wake(&self) {
        // Pairs with the fence in `is_idle`: either that thread sees what was pushed, or `sleeping`
        // is seen here.
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.swap(false, Ordering::Relaxed)
            && let Some(thread) = self.exporter.get()
        {
            thread.unpark();
        }
    }

    /// Announces sleep and says whether the exporting thread may really park.
    pub(crate) fn is_idle(&self) -> bool {
        self.sleeping.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake`.
        fence(Ordering::SeqCst);
        let idle = self.buffer.is_empty() && !self.closing.load(Ordering::Acquire);
        if !idle {
            self.sleeping.store(false, Ordering::Relaxed);
        }
        idle
    }
}
