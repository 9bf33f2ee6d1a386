//! The stacks of one worker's runners: carved from large mappings, handed out last-in first-out, given back to the system
//! when they stay idle.
//!
//! Invariant: a stack is in exactly one of the warm list, the cold list and a coroutine. A pool outlives the coroutines of its
//! worker; the worker ends them before it drops the pool.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::stack::{Stack, StackPointer};

use crate::os::memory::{GuardKind, Region, page_bytes};

/// Stacks in one mapping.
const STACKS_PER_SLAB: usize = 64;
/// With guards by protection each stack takes two mappings, and a process may have about 65,000.
const STACKS_MAX_BY_PROTECTION: usize = 30_000;
/// The least size of the guard below a stack. Code that was compiled without probes may step over a single page.
const GUARD_BYTES_MIN: usize = 16 * 1024;
/// Idle stacks that keep their memory whatever happens.
const WARM_STACKS: usize = 8;

/// How many stacks the workers of a scheduler may have beyond one each, and how many they have.
pub(crate) struct StackBudget {
    max: AtomicUsize,
    in_use: AtomicUsize,
}

impl StackBudget {
    pub(crate) fn new(stacks_max: usize) -> StackBudget {
        StackBudget { max: AtomicUsize::new(stacks_max), in_use: AtomicUsize::new(0) }
    }

    fn take(&self) -> bool {
        let max = self.max.load(Ordering::Relaxed);
        self.in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| (used < max).then_some(used + 1)).is_ok()
    }

    fn give_back(&self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stack with a guard below. It belongs to its pool; whoever holds it may use it.
pub(crate) struct SlabStack {
    base: StackPointer,
    limit: StackPointer,
    slab: u32,
}

// SAFETY: `base` and `limit` enclose a part of a mapping that lives as long as the pool, aligned to pages, with a guard at its
// lower end and more than the least size above it. Each part is handed out once.
unsafe impl Stack for SlabStack {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }
}

/// One worker's stacks.
pub(crate) struct StackPool {
    budget: Arc<StackBudget>,
    guard_kind: GuardKind,
    /// Including the guard.
    stack_bytes: usize,
    guard_bytes: usize,
    page_bytes: usize,
    slabs: Vec<Region>,
    /// Touched since they were last given back; the most recently used at the end.
    warm: Vec<SlabStack>,
    /// Hold no memory.
    cold: Vec<SlabStack>,
    /// The fewest warm stacks that were idle at once since the last trim: nobody needed those.
    idle_least: usize,
    /// Handed out at present. All but one of them count in the budget.
    in_use: usize,
}

impl StackPool {
    /// A pool that makes stacks of `stack_bytes` within the budget, and maps memory when the first one is asked for.
    pub(crate) fn new(budget: Arc<StackBudget>, stack_bytes: usize) -> StackPool {
        let page_bytes = page_bytes();
        let guard_bytes = GUARD_BYTES_MIN.next_multiple_of(page_bytes);
        let stack_bytes = stack_bytes.next_multiple_of(page_bytes) + guard_bytes;
        StackPool {
            budget,
            guard_kind: GuardKind::Advice,
            stack_bytes,
            guard_bytes,
            page_bytes,
            slabs: Vec::new(),
            warm: Vec::new(),
            cold: Vec::new(),
            idle_least: 0,
            in_use: 0,
        }
    }

    /// A stack, or nothing if the budget is used up: the work then waits until a runner is free. The first one in use by a
    /// worker is outside the budget, so every worker can always run something.
    pub(crate) fn take(&mut self) -> io::Result<Option<SlabStack>> {
        if self.warm.is_empty() && self.cold.is_empty() {
            self.map_slab()?;
        }
        if self.in_use > 0 && !self.budget.take() {
            return Ok(None);
        }
        self.in_use += 1;
        let stack = self.warm.pop().or_else(|| self.cold.pop());
        self.idle_least = self.idle_least.min(self.warm.len());
        Ok(stack)
    }

    /// Takes a stack back whose coroutine has ended.
    pub(crate) fn give_back(&mut self, stack: SlabStack) {
        self.warm.push(stack);
        self.in_use -= 1;
        if self.in_use > 0 {
            self.budget.give_back();
        }
    }

    /// Whether `take` would find a stack within the budget.
    pub(crate) fn may_take(&self) -> bool {
        self.in_use == 0 || self.budget.in_use.load(Ordering::Relaxed) < self.budget.max.load(Ordering::Relaxed)
    }

    /// Stacks handed out at present.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Whether trimming twice from now on would give memory back.
    pub(crate) fn may_trim(&self) -> bool {
        self.warm.len() > WARM_STACKS
    }

    /// Gives the memory of stacks back that were idle since the last call.
    pub(crate) fn trim(&mut self) {
        let unused = self.idle_least.saturating_sub(WARM_STACKS);
        for stack in self.warm.drain(..unused) {
            // The topmost page stays, since the next use of the stack touches it at once.
            let start = stack.limit.get() + self.guard_bytes;
            let bytes = stack.base.get() - self.page_bytes - start;
            let region = &self.slabs[stack.slab as usize];
            // SAFETY: the stack is idle, so its content is of no use to anybody.
            unsafe { region.release(start - region.start(), bytes) };
            self.cold.push(stack);
        }
        self.idle_least = self.warm.len();
    }

    /// The lowest address of the stack that code may use.
    pub(crate) fn usable_limit(&self, stack: &SlabStack) -> usize {
        stack.limit.get() + self.guard_bytes
    }

    fn map_slab(&mut self) -> io::Result<()> {
        let region = Region::map(self.stack_bytes * STACKS_PER_SLAB)?;
        for number in 0..STACKS_PER_SLAB {
            let kind = region.guard(number * self.stack_bytes, self.guard_bytes, self.guard_kind)?;
            if kind != self.guard_kind {
                self.guard_kind = kind;
                self.budget.max.fetch_min(STACKS_MAX_BY_PROTECTION, Ordering::Relaxed);
            }
        }
        let slab = u32::try_from(self.slabs.len()).expect("address space ends before four billion slabs");
        for number in (0..STACKS_PER_SLAB).rev() {
            let limit = region.start() + number * self.stack_bytes;
            let pointer = |address| NonZeroUsize::new(address).expect("a mapping is never at address zero");
            self.cold.push(SlabStack { base: pointer(limit + self.stack_bytes), limit: pointer(limit), slab });
        }
        self.slabs.push(region);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(stacks_max: usize) -> StackPool {
        StackPool::new(Arc::new(StackBudget::new(stacks_max)), 64 * 1024)
    }

    fn take(pool: &mut StackPool) -> SlabStack {
        pool.take().expect("memory can be mapped").expect("within the budget")
    }

    #[test]
    fn the_last_stack_given_back_is_taken_first() {
        let mut pool = pool(10);
        let (first, second) = (take(&mut pool), take(&mut pool));
        let limit = second.limit();
        pool.give_back(first);
        pool.give_back(second);
        assert_eq!(take(&mut pool).limit(), limit);
    }

    #[test]
    fn beyond_the_budget_there_is_no_stack_until_one_comes_back() {
        let mut pool = pool(1);
        let first = take(&mut pool);
        let _second = take(&mut pool);
        assert!(pool.take().expect("no memory is needed").is_none());
        pool.give_back(first);
        take(&mut pool);
    }

    #[test]
    fn stacks_that_stay_idle_lose_their_content_and_those_in_use_do_not() {
        let mut pool = pool(1_000);
        let stacks: Vec<_> = (0..20).map(|_| take(&mut pool)).collect();
        let marks: Vec<_> = stacks.iter().map(|stack| (pool.usable_limit(stack) + 8) as *mut u8).collect();
        for mark in &marks {
            // SAFETY: the address is within a stack that this test holds.
            unsafe { mark.write_volatile(1) };
        }
        stacks.into_iter().for_each(|stack| pool.give_back(stack));
        pool.trim();
        assert!(pool.may_trim(), "they were in use since the last trim");
        pool.trim();
        assert!(!pool.may_trim());
        // SAFETY: the pool and so the mapping is alive.
        let kept = marks.iter().filter(|mark| unsafe { mark.read_volatile() } == 1).count();
        assert_eq!(kept, WARM_STACKS);
    }
}
