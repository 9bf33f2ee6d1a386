//! The process table: slots that never move and are never unmapped while the runtime lives, so any worker may look at any slot.
//!
//! Invariants: a process that has ended is found no more, and its slot is given out again only after every worker has ended a slice since.
//! So whoever found a process by its id within a slice meets that process, or one that is closed, never a stranger. Only workers look processes up;
//! others go through a worker's inbox.

use std::alloc::{self, Layout};
use std::collections::VecDeque;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;

use super::block::Process;
use super::pid::{GENERATIONS_MAX, Pid, SLOTS_MAX};
use super::state::Phase;

/// Slots of the first chunk. Each further one is twice as large, so a small runtime is small and a large one has few chunks. Only
/// touched slots of a large chunk cost memory.
const FIRST_CHUNK_SLOTS: u32 = 256;

/// Chunks that hold all slots there can be.
const CHUNKS: usize = (SLOTS_MAX / FIRST_CHUNK_SLOTS).ilog2() as usize + 1;

/// Places for slots that workers had too many of. A worker goes to its own first, since a slot that another core has written last costs
/// more to fill; workers whose numbers are so far apart share one.
const STASHES: usize = 16;

/// Slots that a worker takes or gives back at once.
const BATCH_SLOTS: usize = 64;

/// Processes that a worker may start before it looks at the common number again. It keeps twice as many permissions at most.
const BATCH_PERMITS: u32 = 64;

/// As soon as no more than so many further processes may live, workers take permissions one by one and keep none.
const PERMITS_SCARCE: u32 = 4_096;

/// All processes of one runtime.
pub(crate) struct ProcessTable {
    /// Each chunk's first slot; null where the chunk is not mapped yet.
    chunks: [AtomicPtr<Process>; CHUNKS],
    /// The first slot that was never given out.
    fresh: AtomicU32,
    /// Slots that workers had too many of, by worker.
    stashes: [CachePadded<Stash>; STASHES],
    /// Processes that live or may be started without asking again, for the limit.
    permitted: AtomicU32,
    alive_max: u32,
}

/// Slots that a worker had too many of.
#[derive(Default)]
struct Stash {
    slots: Mutex<Vec<u32>>,
    /// How many there are, for whoever would rather not take the lock.
    count: AtomicU32,
}

impl Stash {
    fn put(&self, slots: impl Iterator<Item = u32>) {
        let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(slots);
        self.count.store(all.len() as u32, Ordering::Relaxed);
    }

    /// Moves the batch that came last.
    fn take(&self, to: &mut Vec<u32>) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut all = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let from = all.len().saturating_sub(BATCH_SLOTS);
        to.extend(all.drain(from..));
        self.count.store(all.len() as u32, Ordering::Relaxed);
    }
}

/// One worker's free slots.
#[derive(Default)]
pub(crate) struct FreeSlots {
    /// The number of its stash.
    home: usize,
    /// Processes that this worker may start without asking.
    permits: u32,
    ready: Vec<u32>,
    /// Ended since the last batch was closed.
    ended: Vec<u32>,
    /// Batches that wait until all workers have passed a slice end.
    waiting: VecDeque<(vega_scheduler::Epoch, Vec<u32>)>,
}

/// When a slot may be reused: how the table asks the scheduler.
pub(crate) trait Epochs {
    fn close(&self) -> vega_scheduler::Epoch;
    fn passed(&self, epoch: &vega_scheduler::Epoch) -> bool;
}

/// An empty slot, and the id of the process to come.
pub(crate) type Taken = (NonNull<Process>, Pid);

/// As many processes live as may.
#[derive(Debug)]
pub(crate) struct TooMany;

impl ProcessTable {
    pub(crate) fn new(alive_max: u32) -> Self {
        Self {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            fresh: AtomicU32::new(0),
            stashes: Default::default(),
            permitted: AtomicU32::new(0),
            alive_max: alive_max.min(SLOTS_MAX),
        }
    }

    /// The slot that holds, or held, a process. Only on a worker, and not kept beyond the slice.
    #[inline]
    pub(crate) fn slot_of(&self, pid: Pid) -> Option<&Process> {
        // A generation of zero would find slots that were never used, and one that is none those whose process has ended.
        if pid.generation().wrapping_sub(1) >= GENERATIONS_MAX {
            return None;
        }
        // SAFETY: `slot` checks the number and gives a slot of a mapped chunk, which lives as long as the table.
        self.slot(pid.slot()).map(|slot| unsafe { slot.as_ref() }).filter(|process| process.is(pid))
    }

    /// An empty slot and the id of the process to come.
    #[inline]
    pub(crate) fn take(&self, free: &mut FreeSlots, epochs: &impl Epochs) -> Result<Taken, TooMany> {
        if free.permits == 0 {
            free.permits = self.ask_for_permits()?;
        }
        self.take_permitted(free, epochs)
    }

    /// The same for a process that the bound does not keep from beginning, though it counts: what the runtime itself needs to go on.
    #[cold]
    pub(crate) fn take_beyond(&self, free: &mut FreeSlots, epochs: &impl Epochs) -> Result<Taken, TooMany> {
        if free.permits == 0 {
            self.permitted.fetch_add(1, Ordering::Relaxed);
            free.permits = 1;
        }
        self.take_permitted(free, epochs)
    }

    #[inline]
    fn take_permitted(&self, free: &mut FreeSlots, epochs: &impl Epochs) -> Result<Taken, TooMany> {
        free.permits -= 1;
        loop {
            if free.ready.is_empty() {
                free.collect(epochs);
            }
            let Some(number) = free.ready.pop() else {
                if let Err(error) = self.refill(free) {
                    free.permits += 1;
                    return Err(error);
                }
                continue;
            };
            let slot = self.slot(number).expect("only mapped slots are given out");
            // SAFETY: an empty slot belongs to whoever took its number off the free list.
            let generation = unsafe { slot.as_ref() }.last_generation() + 1;
            if generation <= GENERATIONS_MAX {
                return Ok((slot, Pid::new(number, generation)));
            }
        }
    }

    /// Gives back the slot of a process that has ended, and is found no more from now on. Only for whoever owned the process.
    #[inline]
    pub(crate) fn give_back(&self, pid: Pid, free: &mut FreeSlots, epochs: &impl Epochs) {
        // Before the epoch is closed: a look-up that still finds the process is over when that has passed.
        let slot = self.slot(pid.slot()).expect("only mapped slots are given out");
        // SAFETY: slots live as long as the table.
        unsafe { slot.as_ref() }.set_ended();
        free.permits += 1;
        if free.permits > 2 * BATCH_PERMITS {
            self.give_back_permits(free, BATCH_PERMITS);
        } else if self.permits_are_scarce() {
            self.give_back_permits(free, 0);
        }
        free.ended.push(pid.slot());
        if free.ended.len() >= BATCH_SLOTS {
            let batch = std::mem::take(&mut free.ended);
            free.waiting.push_back((epochs.close(), batch));
            free.collect(epochs);
            if free.ready.len() > 8 * BATCH_SLOTS {
                let keep = free.ready.len() / 2;
                self.stashes[free.home].put(free.ready.drain(keep..));
            }
        }
    }

    /// The processes that live now.
    pub(crate) fn living(&self) -> impl Iterator<Item = Pid> + '_ {
        // SAFETY: used slots are mapped as long as the table.
        let slots = self.used_slots().map(|slot| unsafe { slot.as_ref() });
        slots.filter(|process| !matches!(process.state.phase(), Phase::Dead | Phase::Exiting)).map(Process::pid)
    }

    /// Every slot that was ever used.
    pub(crate) fn used_slots(&self) -> impl Iterator<Item = NonNull<Process>> + '_ {
        let end = self.fresh.load(Ordering::Acquire).min(SLOTS_MAX);
        (0..end).filter_map(|number| self.slot(number))
    }

    #[inline]
    fn permits_are_scarce(&self) -> bool {
        self.permitted.load(Ordering::Relaxed).saturating_add(PERMITS_SCARCE) >= self.alive_max
    }

    #[cold]
    fn ask_for_permits(&self) -> Result<u32, TooMany> {
        let wanted = if self.permits_are_scarce() { 1 } else { BATCH_PERMITS };
        // Relaxed: it is a number and orders nothing.
        let permitted = self.permitted.fetch_add(wanted, Ordering::Relaxed);
        if permitted.saturating_add(wanted) > self.alive_max {
            self.permitted.fetch_sub(wanted, Ordering::Relaxed);
            return Err(TooMany);
        }
        Ok(wanted)
    }

    #[cold]
    fn give_back_permits(&self, free: &mut FreeSlots, keep: u32) {
        self.permitted.fetch_sub(free.permits - keep, Ordering::Relaxed);
        free.permits = keep;
    }

    fn refill(&self, free: &mut FreeSlots) -> Result<(), TooMany> {
        for place in 0..STASHES {
            self.stashes[(free.home + place) % STASHES].take(&mut free.ready);
            if !free.ready.is_empty() {
                return Ok(());
            }
        }
        let first = self.fresh.fetch_add(BATCH_SLOTS as u32, Ordering::AcqRel);
        if first >= SLOTS_MAX {
            self.fresh.store(SLOTS_MAX, Ordering::Release);
            return Err(TooMany);
        }
        // A batch lies within one chunk, since the sizes of all chunks are multiples of a batch.
        self.map_chunk(place_of(first).0);
        // Taken from the end, so the lowest number goes first.
        free.ready.extend((first..first + BATCH_SLOTS as u32).rev());
        Ok(())
    }

    fn map_chunk(&self, chunk: usize) {
        let place = &self.chunks[chunk];
        if !place.load(Ordering::Acquire).is_null() {
            return;
        }
        let layout = chunk_layout(chunk);
        // SAFETY: the layout is not empty.
        let memory: *mut Process = unsafe { alloc::alloc_zeroed(layout) }.cast();
        if memory.is_null() {
            alloc::handle_alloc_error(layout);
        }
        // Release publishes the zeroed slots. Pairs with the Acquire in `slot`.
        if place.compare_exchange(ptr::null_mut(), memory, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: allocated above with this layout, and nobody else saw it.
            unsafe { alloc::dealloc(memory.cast(), layout) };
        }
    }

    #[inline]
    fn slot(&self, number: u32) -> Option<NonNull<Process>> {
        let (chunk, index) = place_of(number);
        let memory = self.chunks.get(chunk)?.load(Ordering::Acquire);
        // SAFETY: a mapped chunk has as many slots as `place_of` spreads numbers over.
        NonNull::new(memory).map(|memory| unsafe { memory.add(index as usize) })
    }
}

impl Drop for ProcessTable {
    fn drop(&mut self) {
        for (chunk, memory) in self.chunks.iter_mut().enumerate() {
            let memory = *memory.get_mut();
            if !memory.is_null() {
                // SAFETY: allocated in `map_chunk` with this layout. Whoever drops the table has ended all processes before.
                unsafe { alloc::dealloc(memory.cast(), chunk_layout(chunk)) };
            }
        }
    }
}

impl FreeSlots {
    /// Of the worker with that number.
    pub(crate) fn of_worker(index: usize) -> Self {
        Self { home: index % STASHES, ..Self::default() }
    }

    /// Makes ready what no sender can be looking at any more.
    fn collect(&mut self, epochs: &impl Epochs) {
        while let Some((epoch, _)) = self.waiting.front()
            && epochs.passed(epoch)
        {
            let (_, batch) = self.waiting.pop_front().expect("there is a front");
            self.ready.extend(batch);
        }
    }
}

/// Chunk of a slot, and where in it.
#[inline]
fn place_of(number: u32) -> (usize, u32) {
    let shifted = number + FIRST_CHUNK_SLOTS;
    let chunk = shifted.ilog2() - FIRST_CHUNK_SLOTS.ilog2();
    (chunk as usize, shifted - (FIRST_CHUNK_SLOTS << chunk))
}

fn chunk_layout(chunk: usize) -> Layout {
    let slots = (FIRST_CHUNK_SLOTS as usize) << chunk;
    Layout::array::<Process>(slots).expect("all slots together are far smaller than the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots stay away for ever: whoever wants one gets a fresh one.
    struct Never;

    impl Epochs for Never {
        fn close(&self) -> vega_scheduler::Epoch {
            unreachable!("fewer than a batch of processes end")
        }
        fn passed(&self, _: &vega_scheduler::Epoch) -> bool {
            false
        }
    }

    #[test]
    fn a_small_limit_is_exact_whoever_starts_and_whoever_ends() {
        let table = ProcessTable::new(10);
        let (mut one, mut other) = (FreeSlots::default(), FreeSlots::default());
        let mut pids: Vec<Pid> = (0..6).map(|_| table.take(&mut one, &Never).expect("room").1).collect();
        pids.extend((0..4).map(|_| table.take(&mut other, &Never).expect("room").1));
        assert!(table.take(&mut one, &Never).is_err() && table.take(&mut other, &Never).is_err());
        table.give_back(pids[0], &mut other, &Never);
        table.take(&mut one, &Never).expect("one has ended, on another worker");
        assert!(table.take(&mut one, &Never).is_err());
    }

    #[test]
    fn what_the_runtime_needs_begins_beyond_the_limit_and_counts() {
        let table = ProcessTable::new(2);
        let mut free = FreeSlots::default();
        let pids: Vec<Pid> = (0..2).map(|_| table.take(&mut free, &Never).expect("room").1).collect();
        table.take_beyond(&mut free, &Never).expect("the limit is not asked");
        assert!(table.take(&mut free, &Never).is_err());
        table.give_back(pids[0], &mut free, &Never);
        assert!(table.take(&mut free, &Never).is_err(), "two of two are alive");
        table.give_back(pids[1], &mut free, &Never);
        table.take(&mut free, &Never).expect("one of two is alive");
    }

    #[test]
    fn a_large_limit_is_kept_and_reached_but_for_what_other_workers_hold() {
        let limit = PERMITS_SCARCE + 2 * BATCH_PERMITS;
        let table = ProcessTable::new(limit);
        let (mut one, mut other) = (FreeSlots::default(), FreeSlots::default());
        table.take(&mut other, &Never).expect("room");
        let started = std::iter::from_fn(|| table.take(&mut one, &Never).ok()).count() as u32;
        assert_eq!(started, limit - BATCH_PERMITS);
        while table.take(&mut other, &Never).is_ok() {}
        assert_eq!(table.permitted.load(Ordering::Relaxed), limit, "nothing is left over");
    }

    /// Says when all workers have passed.
    #[derive(Default)]
    struct Switch(std::cell::Cell<bool>);

    impl Epochs for Switch {
        fn close(&self) -> vega_scheduler::Epoch {
            vega_scheduler::Epoch::default()
        }
        fn passed(&self, _: &vega_scheduler::Epoch) -> bool {
            self.0.get()
        }
    }

    #[test]
    fn a_slot_is_not_given_out_again_while_somebody_may_look_at_it() {
        let (table, passed) = (ProcessTable::new(1_000), Switch::default());
        let mut free = FreeSlots::default();
        let take = |free: &mut FreeSlots| {
            let (slot, pid) = table.take(free, &passed).expect("room");
            // SAFETY: slots live as long as the table.
            unsafe { slot.as_ref() }.set_pid(pid);
            pid
        };
        let first: Vec<Pid> = (0..BATCH_SLOTS).map(|_| take(&mut free)).collect();
        assert!(first.iter().all(|&pid| table.slot_of(pid).is_some()));
        first.iter().for_each(|&pid| table.give_back(pid, &mut free, &passed));
        assert!(first.iter().all(|&pid| table.slot_of(pid).is_none()), "who has ended is not found");
        let is_old = |pid: &Pid| first.iter().any(|old| old.slot() == pid.slot());
        let meanwhile: Vec<Pid> = (0..2 * BATCH_SLOTS).map(|_| take(&mut free)).collect();
        assert!(!meanwhile.iter().any(is_old));
        passed.0.set(true);
        assert!((0..BATCH_SLOTS).map(|_| take(&mut free)).all(|pid| is_old(&pid)), "and it is, once nobody does");
    }

    #[test]
    fn slots_that_one_worker_has_too_many_of_serve_the_others() {
        let (table, passed) = (ProcessTable::new(100_000), Switch(true.into()));
        let (mut one, mut other) = (FreeSlots::of_worker(0), FreeSlots::of_worker(1));
        let pids: Vec<Pid> = (0..20 * BATCH_SLOTS).map(|_| table.take(&mut one, &passed).expect("room").1).collect();
        pids.iter().for_each(|&pid| table.give_back(pid, &mut other, &passed));
        let used = table.used_slots().count();
        for _ in 0..10 * BATCH_SLOTS {
            table.take(&mut one, &passed).expect("room");
        }
        assert_eq!(table.used_slots().count(), used, "none was fresh");
    }

    #[test]
    fn slots_fill_one_chunk_after_the_other() {
        assert_eq!(place_of(0), (0, 0));
        assert_eq!(place_of(255), (0, 255));
        assert_eq!(place_of(256), (1, 0));
        assert_eq!(place_of(767), (1, 511));
        assert_eq!(place_of(768), (2, 0));
        assert_eq!(place_of(SLOTS_MAX - 1).0, CHUNKS - 1);
    }
}
