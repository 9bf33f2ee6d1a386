//! Grace periods: when every worker has been between two slices since a given moment.
//!
//! A host that hands out raw pointers to blocks within a slice may reuse a block once every worker has ended a slice (or
//! slept) after the block was unlinked, for no slice that could have seen it is then still running.
//!
//! Invariant: a worker's `seen` never exceeds the epoch that was open when its last slice ended, except while it sleeps.

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Ordering, fence};

/// A worker that sleeps holds no pointer of any epoch.
const ASLEEP: u64 = u64::MAX;

/// A closed epoch. Once it has [passed](crate::Worker::epoch_passed), nothing that was unlinked before it was closed is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Epoch(u64);

/// The epochs of one scheduler's workers.
pub(crate) struct Epochs {
    open: CachePadded<AtomicU64>,
    seen: Box<[CachePadded<AtomicU64>]>,
}

impl Epochs {
    /// For so many workers, none of which has started.
    pub(crate) fn new(workers: usize) -> Epochs {
        let seen = (0..workers).map(|_| CachePadded::new(AtomicU64::new(ASLEEP))).collect();
        Epochs { open: CachePadded::new(AtomicU64::new(1)), seen }
    }

    /// Closes the open epoch. What the caller unlinked before cannot be found by slices that begin after.
    pub(crate) fn close(&self) -> Epoch {
        // Orders the caller's unlinking before the new epoch. Pairs with the fence in `enter`.
        fence(Ordering::SeqCst);
        Epoch(self.open.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Whether every worker has ended a slice, or slept, since `epoch` was closed.
    pub(crate) fn passed(&self, epoch: Epoch) -> bool {
        fence(Ordering::SeqCst);
        // Acquires the ends of the slices, so that what they did to a block happened before its reuse.
        self.seen.iter().all(|seen| seen.load(Ordering::Acquire) >= epoch.0)
    }

    /// `worker` ended a slice; `last` is what it announced before. Returns what it announces now.
    #[inline]
    pub(crate) fn slice_ended(&self, worker: usize, last: u64) -> u64 {
        // Acquires the unlinking that went before the epoch was closed.
        let open = self.open.load(Ordering::Acquire);
        if open != last {
            // Releases the accesses of the slice. Pairs with the load in `passed`.
            self.seen[worker].store(open, Ordering::Release);
        }
        open
    }

    /// `worker` is about to sleep.
    pub(crate) fn leave(&self, worker: usize) {
        self.seen[worker].store(ASLEEP, Ordering::Release);
    }

    /// `worker` is about to run slices again. Returns what it announces.
    pub(crate) fn enter(&self, worker: usize) -> u64 {
        let open = self.open.load(Ordering::Acquire);
        self.seen[worker].store(open, Ordering::Relaxed);
        // Orders the announcement before every pointer that the next slice loads. Pairs with the fences in `close` and
        // `passed`: either they see the worker awake, or the worker sees the unlinking.
        fence(Ordering::SeqCst);
        open
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    use super::*;

    /// The worker reads a block it finds linked; the other thread unlinks it and, once the epoch passed, writes it. The model
    /// fails if a read and the write may overlap.
    fn reuse_beside_a_slice(enter: fn(&Epochs) -> u64) {
        loom::model(move || {
            let epochs = Arc::new(Epochs::new(1));
            let linked = Arc::new(AtomicBool::new(true));
            let block = Arc::new(UnsafeCell::new(0));
            let worker = thread::spawn({
                let (epochs, linked, block) = (Arc::clone(&epochs), Arc::clone(&linked), Arc::clone(&block));
                move || {
                    let seen = enter(&epochs);
                    if linked.load(Ordering::Relaxed) {
                        // SAFETY: the model checker reports the access if it may overlap the write below.
                        block.with(|content| unsafe { assert_eq!(*content, 0) });
                    }
                    epochs.slice_ended(0, seen);
                    epochs.leave(0);
                }
            });
            linked.store(false, Ordering::Relaxed);
            let epoch = epochs.close();
            if epochs.passed(epoch) {
                // SAFETY: as above.
                block.with_mut(|content| unsafe { *content = 1 });
            }
            worker.join().expect("the worker does not panic");
            assert!(epochs.passed(epoch), "a sleeping worker holds nothing");
        });
    }

    #[test]
    fn loom_a_block_is_reused_only_when_no_slice_can_hold_it() {
        reuse_beside_a_slice(|epochs| epochs.enter(0));
    }

    #[test]
    fn loom_without_the_fence_the_model_finds_the_early_reuse() {
        let broken = || {
            reuse_beside_a_slice(|epochs| {
                let open = epochs.open.load(Ordering::Acquire);
                epochs.seen[0].store(open, Ordering::Relaxed);
                open
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(broken)).is_err(), "the model missed a block reused while it is read");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_passes_when_the_running_worker_ends_its_slice() {
        let epochs = Epochs::new(2);
        let seen = epochs.enter(0);
        let epoch = epochs.close();
        assert!(!epochs.passed(epoch), "worker 0 is in a slice that began before");
        epochs.slice_ended(0, seen);
        assert!(epochs.passed(epoch), "worker 1 sleeps");
    }
}
