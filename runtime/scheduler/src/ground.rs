//! What the workers of one scheduler share and that knows no host.
//!
//! Invariant: everything in it may be used from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use crossbeam_utils::CachePadded;

use crate::epoch::Epochs;
use crate::inbox::Inbox;
use crate::lane::Lanes;
use crate::sleepers::Sleepers;
use crate::statistics::WorkerCounters;

pub(crate) struct Ground {
    pub(crate) is_virtual: bool,
    pub(crate) sleepers: Arc<Sleepers>,
    pub(crate) inboxes: Box<[Arc<Inbox>]>,
    pub(crate) epochs: Epochs,
    pub(crate) lanes: Lanes,
    pub(crate) counters: Box<[CachePadded<WorkerCounters>]>,
    /// The workers end as soon as they see it.
    pub(crate) stopping: AtomicBool,
    /// How many threads forbid virtual time to move.
    pub(crate) clock_holds: AtomicUsize,
}

impl Ground {
    /// After work was published where any worker may find it: wakes one to look for it, unless one is looking.
    pub(crate) fn wake_searcher(&self) -> bool {
        match self.sleepers.notify_one() {
            Some(worker) => {
                self.inboxes[worker].wake_poll();
                true
            }
            None => false,
        }
    }

    /// The same for work from outside, which workers that rest from searching take too.
    pub(crate) fn wake_resting(&self) {
        if let Some(worker) = self.sleepers.notify_resting() {
            self.inboxes[worker].wake_poll();
        }
    }
}
