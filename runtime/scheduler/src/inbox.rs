//! A worker's inbox: what other threads ask of it, and how they wake it.
//!
//! Invariant: whoever adds something that a worker waits for calls `ring` afterwards, so the worker sees it before it sleeps
//! again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_queue::SegQueue;
use mio::{Token, Waker};

use crate::runner::WaitKey;
use crate::sleepers::Sleepers;
use crate::timers::TimerKey;

/// A request of another thread.
pub(crate) enum Message {
    /// What the runner waited for may be there.
    Ready(WaitKey),
    /// A handle of this worker's poll was dropped or moved elsewhere.
    FreeSource(Token),
    /// End the waits of a native, if it is still under way.
    CancelNative { runner: u32, native: u64 },
    /// Take a timer of the host out.
    CancelTimer(TimerKey),
}

pub(crate) struct Inbox {
    worker: usize,
    queue: SegQueue<Message>,
    /// Something was added since the worker last looked.
    filled: AtomicBool,
    sleepers: Arc<Sleepers>,
    waker: Waker,
}

impl Inbox {
    pub(crate) fn new(worker: usize, sleepers: Arc<Sleepers>, waker: Waker) -> Inbox {
        Inbox { worker, queue: SegQueue::new(), filled: AtomicBool::new(false), sleepers, waker }
    }

    pub(crate) fn send(&self, message: Message) {
        self.queue.push(message);
        self.ring();
    }

    /// The same for what can wait until the worker is awake for something else.
    pub(crate) fn leave(&self, message: Message) {
        self.queue.push(message);
        self.filled.store(true, Ordering::Release);
    }

    /// Makes the worker look at everything addressed to it, waking it if it sleeps.
    pub(crate) fn ring(&self) {
        // Publishes what was added. Pairs with the exchange in `take_filled`.
        self.filled.store(true, Ordering::Release);
        if self.sleepers.notify(self.worker) {
            self.wake_poll();
        }
    }

    /// Ends the worker's sleep in its poll. Only for whoever claimed it among the sleepers.
    pub(crate) fn wake_poll(&self) {
        // The write to the waker fails only when the descriptor is gone, and then the worker is too.
        let _ = self.waker.wake();
    }

    /// Whether there is something to look at. For the worker.
    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Relaxed)
    }

    /// Whether there was something to look at; from now on it counts as seen. For the worker.
    pub(crate) fn take_filled(&self) -> bool {
        // Acquires what was added before the flag was set.
        self.is_filled() && self.filled.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn take(&self) -> Option<Message> {
        self.queue.pop()
    }
}
