//! A runner: the coroutine on which a worker runs its host's jobs, and what the worker knows of it.
//!
//! Invariant: a runner lives and dies on one worker. Its fields are touched only by that worker's thread, and its coroutine
//! only by the worker's own stack, never by code that runs on a coroutine.

use std::cell::{Cell, RefCell};
use std::ptr;

use corosensei::{Coroutine, Yielder};

use crate::stack::SlabStack;

/// What a worker says to a runner it resumes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resume {
    /// Run slices until the worker is needed, or go on where you parked.
    Run,
    /// Return from the coroutine.
    Finish,
}

/// Why a runner gives the thread back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Yielded {
    /// No native is under way on it: it may run any slice.
    Idle,
    /// A native waits for something.
    Parked,
}

/// How a coroutine ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// It returned.
    Finished,
    /// Its stack overflowed, and its frames are gone without having been unwound.
    Overflowed,
}

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// What it waited for may be there.
    Ready,
    /// Its deadline passed.
    TimedOut,
    /// The native was cancelled.
    Killed,
}

/// Names one wait of one runner. A wake with the key of an earlier wait is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WaitKey {
    pub(crate) runner: u32,
    pub(crate) sequence: u64,
}

pub(crate) type RunnerCoroutine = Coroutine<Resume, Yielded, Exit, SlabStack>;
pub(crate) type RunnerYielder = Yielder<Resume, Yielded>;

/// No native is under way.
pub(crate) const NO_NATIVE: u64 = 0;

/// One runner of a worker. Its place is used again for another coroutine after this one has ended.
pub(crate) struct Runner {
    pub(crate) index: u32,
    pub(crate) coroutine: RefCell<Option<RunnerCoroutine>>,
    /// Written by the coroutine when it starts; valid as long as it lives.
    pub(crate) yielder: Cell<*const RunnerYielder>,
    /// The lowest address that its code may use.
    pub(crate) stack_limit: Cell<usize>,
    /// Number of the present or last wait; never reset.
    pub(crate) sequence: Cell<u64>,
    /// It waits, and nothing has ended the wait yet.
    pub(crate) parked: Cell<bool>,
    /// Why the last wait ended.
    pub(crate) wake: Cell<Wake>,
    /// The native under way, by the worker's count, or `NO_NATIVE`.
    pub(crate) native: Cell<u64>,
    /// That native was cancelled.
    pub(crate) killed: Cell<bool>,
    /// How often that native tried to wait after it was cancelled.
    pub(crate) refusals: Cell<u32>,
    /// It was suspended in the middle of a slice.
    pub(crate) in_slice: Cell<bool>,
    /// The host's token of the job in the slice under way.
    pub(crate) token: Cell<u64>,
}

impl Runner {
    pub(crate) fn new(index: u32) -> Runner {
        Runner {
            index,
            coroutine: RefCell::new(None),
            yielder: Cell::new(ptr::null()),
            stack_limit: Cell::new(0),
            sequence: Cell::new(0),
            parked: Cell::new(false),
            wake: Cell::new(Wake::Ready),
            native: Cell::new(NO_NATIVE),
            killed: Cell::new(false),
            refusals: Cell::new(0),
            in_slice: Cell::new(false),
            token: Cell::new(0),
        }
    }

    /// Forgets the native that was under way.
    #[inline]
    pub(crate) fn leave_native(&self) {
        self.native.set(NO_NATIVE);
        self.killed.set(false);
        self.refusals.set(0);
    }
}
