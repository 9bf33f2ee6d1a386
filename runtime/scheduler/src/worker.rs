//! A worker: one thread that runs the host's jobs on runners, and what the host may ask of it meanwhile.
//!
//! When a native on a runner waits, the runner suspends with the slice on it, and the worker takes another runner and goes on.
//! The suspended one is resumed here, where it began.
//!
//! Invariant: coroutines never migrate; only jobs, which are pointers, move between workers. So thread-locals, `RefCell` guards
//! and frames that are not `Send` stay sound below a suspension.

mod search; // whether searching for work pays
mod idle; // searching for work, sleeping, and the virtual clock's steps
mod overtakers; // who has waited and overtakes a long queue
mod queue; // which job runs next
mod turn; // the main loop: housekeeping, resuming runners, shutting down

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use self::overtakers::{LONG_QUEUE, Overtakers};
use self::search::SearchLog;
use crate::core::{Core, Place, with_place};
use crate::epoch::Epoch;
use crate::host::{Host, Priority};
use crate::inbox::Message;
use crate::native::{NativeGuard, NativeToken};
use crate::remote::{OwnQueues, Remote, Shared};
use crate::time::Instant;
use crate::timers::{TimerKey, Timers};

/// A job that used up its slice no more than so many jobs ago is likely to come again.
const COMPANY_TURNS: u32 = 10_000;

/// Names an added timer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerHandle {
    worker: u32,
    key: TimerKey,
}

/// One worker of a scheduler, as the host's callbacks see it. A reference is good on its thread alone, before and after any
/// suspension.
pub struct Worker<H: Host> {
    core: Core,
    shared: Arc<Shared<H>>,
    remote: Remote<H>,
    local: H::Local,
    queues: OwnQueues<H>,
    /// A job that was brought from elsewhere. Runs before the queues, and cannot be stolen.
    brought: Cell<Option<H::Job>>,
    /// Jobs of normal priority that have waited, beside a long queue. Cannot be stolen.
    overtakers: Overtakers<H::Job>,
    /// There is a job brought, or there are overtakers: looked at before each job, so that nothing else need be.
    has_aside: Cell<bool>,
    timers: RefCell<Timers<H::Timer>>,
    /// Jobs taken so far, which the weights of the priorities count.
    turns: Cell<u32>,
    /// Reductions until the worker looks at its clock.
    credit: Cell<i64>,
    /// Slices since the counters were published.
    slices: Cell<u64>,
    /// Reductions that they spent.
    reductions: Cell<u64>,
    /// What this worker announced to the epochs.
    epoch: Cell<u64>,
    /// The job that last used up its slice, by its token, and when that was.
    last_preempted: Cell<(u64, u32)>,
    /// A job was pushed since a sleeper was last thought of.
    pushed: Cell<bool>,
    /// This worker counts as searching.
    searching: Cell<bool>,
    /// What searches came to, and until when this worker rests from them.
    search_log: SearchLog,
    /// Runners that may run any slice.
    idle_runners: RefCell<Vec<u32>>,
    last_poll: Cell<Instant>,
    last_trim: Cell<Instant>,
    /// The host was told that nothing will ever happen again, and nothing has.
    stalled: Cell<bool>,
    random: RefCell<fastrand::Rng>,
    /// The order of jobs is permuted.
    permutes: bool,
}

impl<H: Host> Worker<H> {
    pub(crate) fn new(core: Core, shared: Arc<Shared<H>>, queues: OwnQueues<H>, seed: u64) -> Worker<H> {
        let now = core.now.get();
        let timers = RefCell::new(if core.is_virtual { Timers::agenda() } else { Timers::wheel(now) });
        // Another number for each worker, so that they do not all visit the same victim first.
        let random = fastrand::Rng::with_seed(seed ^ core.index as u64);
        Worker {
            local: shared.host.local(core.index),
            permutes: core.is_virtual && seed != 0,
            remote: Remote(Arc::clone(&shared)),
            core,
            shared,
            queues,
            brought: Cell::new(None),
            overtakers: Overtakers::new(),
            has_aside: Cell::new(false),
            timers,
            turns: Cell::new(0),
            credit: Cell::new(0),
            slices: Cell::new(0),
            reductions: Cell::new(0),
            epoch: Cell::new(0),
            last_preempted: Cell::new((0, 0)),
            pushed: Cell::new(false),
            searching: Cell::new(false),
            search_log: SearchLog::new(),
            idle_runners: RefCell::default(),
            last_poll: Cell::new(now),
            last_trim: Cell::new(now),
            stalled: Cell::new(false),
            random: RefCell::new(random),
        }
    }

    /// Calls `act` with the worker that the calling thread is, if it is one whose host is an `H`. For code that is not handed a
    /// worker, such as a `Drop`. It may be another scheduler's: see [`belongs_to`](Worker::belongs_to).
    pub fn with_current<R>(act: impl FnOnce(Option<&Worker<H>>) -> R) -> R {
        with_place(|place| match place {
            Place::Runner(core) | Place::Worker(core) => act(core.worker()),
            Place::Elsewhere => act(None),
        })
    }

    /// Whether it is a worker of that scheduler.
    pub fn belongs_to(&self, remote: &Remote<H>) -> bool {
        Arc::ptr_eq(&self.shared, &remote.0)
    }

    /// Its number, from zero.
    #[inline]
    pub fn index(&self) -> usize {
        self.core.index
    }

    /// The host.
    #[inline]
    pub fn host(&self) -> &H {
        &self.shared.host
    }

    /// What this worker stores for the host. Other slices on this thread may use it while the caller waits, so no borrow of its
    /// content may be kept over a wait.
    #[inline]
    pub fn local(&self) -> &H::Local {
        &self.local
    }

    /// A handle for other threads.
    #[inline]
    pub fn remote(&self) -> &Remote<H> {
        &self.remote
    }

    /// Puts a job at the back of this worker's queue of that priority, from which others may steal it.
    #[inline]
    pub fn push(&self, job: H::Job, priority: Priority) {
        self.queues[priority as usize].push(job);
        self.pushed.set(true);
    }

    /// Puts a job at the back of this worker's queue of that priority that has waited for a message or for the time: beside a long queue of
    /// normal priority it comes within 64 jobs for each that has waited longer.
    #[inline]
    pub fn push_woken(&self, job: H::Job, priority: Priority) {
        let queue = &self.queues[priority as usize];
        if queue.len() > LONG_QUEUE || self.has_aside.get() {
            return self.push_aside(job, priority);
        }
        queue.push(job);
        self.pushed.set(true);
    }

    /// Puts a job back that has used up its slice and wants to run on. If it is not the only one that does so here and another worker
    /// has nothing to do, that one gets it: what takes whole slices is worth moving, wherever it makes its work from then on.
    pub fn push_preempted(&self, job: H::Job, priority: Priority) {
        let (token, turn) = (self.host().token(&job), self.turns.get());
        let (other, other_turn) = self.last_preempted.replace((token, turn));
        let alone = other == token || turn.wrapping_sub(other_turn) > COMPANY_TURNS;
        if alone || self.permutes || !self.core.ground.sleepers.someone_is_idle() {
            return self.push(job, priority);
        }
        self.remote.push(job, priority);
    }

    /// The clock as last read, some slices ago at most: cheap. [`now`](crate::now) reads it.
    #[inline]
    pub fn now(&self) -> Instant {
        self.core.now.get()
    }

    /// Adds a timer that fires on this worker, at its deadline or up to a tick of 131 µs later. Under a virtual clock timers of
    /// equal deadlines fire in the order in which they were added.
    pub fn add_timer(&self, deadline: Instant, timer: H::Timer) -> TimerHandle {
        self.add_timer_ordered(deadline, 0, timer)
    }

    /// The same; under a virtual clock the one with the lower `order` fires first among equal deadlines.
    pub fn add_timer_ordered(&self, deadline: Instant, order: u64, timer: H::Timer) -> TimerHandle {
        let key = self.timers.borrow_mut().add(deadline, (order, self.core.next_order()), timer);
        TimerHandle { worker: self.core.index as u32, key }
    }

    /// Takes a timer out. True if it surely does not fire. False if it has fired, or if it is another worker's: that one is told
    /// without being woken, and the timer may fire in the meantime.
    pub fn cancel_timer(&self, handle: TimerHandle) -> bool {
        if handle.worker as usize == self.core.index {
            return self.timers.borrow_mut().cancel(handle.key).is_some();
        }
        self.core.ground.inboxes[handle.worker as usize].leave(Message::CancelTimer(handle.key));
        false
    }

    /// Says that a native which may wait begins on the current runner. While the guard lives, its token cancels the native.
    #[inline]
    pub fn enter_native(&self) -> NativeGuard<'_> {
        // A native may hold the thread for long, so what is queued behind it is offered to a sleeper now.
        if self.pushed.get() && self.core.ground.sleepers.someone_sleeps() {
            self.offer(1);
        }
        NativeGuard::new(&self.core)
    }

    /// Makes every wait of that native call fail from now on, until its guard is dropped. Nothing happens if it is over.
    pub fn cancel_native(&self, token: NativeToken) {
        if token.worker() == self.core.index {
            self.core.cancel_native(token.runner, token.native);
        } else {
            self.remote.cancel_native(token);
        }
    }

    /// Closes an epoch: see [`epoch_passed`](Worker::epoch_passed).
    pub fn close_epoch(&self) -> Epoch {
        self.core.ground.epochs.close()
    }

    /// Whether every worker has ended a slice, or slept, since the epoch was closed. A native that waits counts as between
    /// slices: it must keep no pointer to anything that may be reused.
    pub fn epoch_passed(&self, epoch: Epoch) -> bool {
        self.core.ground.epochs.passed(epoch)
    }
}
