//! Who has waited and overtakes a long queue: the receivers of messages and signals, and those whose timer fired.
//!
//! Behind thousands of jobs first-in first-out is fair to those that wait for a processor, and hopeless for those that talk to each other:
//! each hop of a conversation would take as long as the whole queue. So a job that has waited stands in a line of its own beside a queue
//! that is long. The line's first goes when its turn has come, and every so many jobs before its turn.
//!
//! Invariant: a job runs no later than it would have in the one queue, were it not for the overtakers before it, which are at most one in
//! [`OVERTAKING_INTERVAL`]; and jobs of the queue, as those of the line, keep their order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crossbeam_deque::Worker as Queue;

/// A queue with more jobs than this is long. Children that were started together fit in it many times, and run before whoever started them
/// hears of the first of them.
pub(super) const LONG_QUEUE: usize = 1_024;
/// One job in so many may come from the line before its turn.
const OVERTAKING_INTERVAL: u32 = 64;
/// Jobs that move at once from the line to an empty queue, where others may steal them.
const SHARED_MAX: usize = 256;
/// Places of an empty line that are kept for the next ones.
const KEPT_CAPACITY: usize = 1_024;

/// The line beside a queue.
pub(super) struct Overtakers<J> {
    line: RefCell<VecDeque<Overtaker<J>>>,
    /// Jobs taken from the queue or the line while there was a line; wraps.
    taken: Cell<u32>,
    /// Which of the jobs taken the first of the line is at the latest.
    due: Cell<u32>,
}

struct Overtaker<J> {
    /// Which of the jobs taken it would be, if it had gone to the queue.
    place: u32,
    job: J,
}

impl<J> Overtakers<J> {
    pub(super) fn new() -> Overtakers<J> {
        Overtakers { line: RefCell::default(), taken: Cell::new(0), due: Cell::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.line.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.borrow().is_empty()
    }

    /// Puts a job at the end of the line beside that queue.
    #[cold]
    #[inline(never)]
    pub(super) fn push(&self, job: J, queue: &Queue<J>) {
        let mut line = self.line.borrow_mut();
        let ahead = queue.len() + line.len();
        // Wraps like the number of jobs taken. Two places are never half of all numbers apart: each job between them is in memory.
        let place = self.taken.get().wrapping_add(ahead as u32).wrapping_add(1);
        line.push_back(Overtaker { place, job });
        if line.len() == 1 {
            self.expect(place);
        }
    }

    /// Takes the next job of the queue or the line.
    #[inline]
    pub(super) fn take(&self, queue: &Queue<J>) -> Option<J> {
        let taken = self.taken.get().wrapping_add(1);
        self.taken.set(taken);
        if is_before(taken, self.due.get())
            && let Some(job) = queue.pop()
        {
            return Some(job);
        }
        self.pop().or_else(|| queue.pop())
    }

    /// Where the queue is empty, moves the first of the line there. True if there were any.
    pub(super) fn share(&self, queue: &Queue<J>) -> bool {
        let mut line = self.line.borrow_mut();
        if line.is_empty() || !queue.is_empty() {
            return false;
        }
        let count = line.len().min(SHARED_MAX);
        line.drain(..count).for_each(|first| queue.push(first.job));
        self.see_to_rest(&mut line);
        true
    }

    /// Takes the first of the line.
    pub(super) fn pop(&self) -> Option<J> {
        let mut line = self.line.borrow_mut();
        let first = line.pop_front();
        self.see_to_rest(&mut line);
        first.map(|first| first.job)
    }

    /// The first of the line has gone.
    fn see_to_rest(&self, line: &mut VecDeque<Overtaker<J>>) {
        match line.front() {
            Some(first) => self.expect(first.place),
            None if line.capacity() > KEPT_CAPACITY => *line = VecDeque::new(),
            None => {}
        }
    }

    /// A job of that place has become the first: it overtakes the others at the next occasion, unless its turn comes before.
    fn expect(&self, place: u32) {
        let taken = self.taken.get();
        let occasion = taken - taken % OVERTAKING_INTERVAL;
        let occasion = occasion.wrapping_add(OVERTAKING_INTERVAL);
        self.due.set(if is_before(place, occasion) { place } else { occasion });
    }
}

/// Compares numbers of jobs taken, which wrap.
#[inline]
fn is_before(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}

#[cfg(test)]
mod tests;
