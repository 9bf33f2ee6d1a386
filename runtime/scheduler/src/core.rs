//! The part of a worker that knows no host: its clock, its runners, how they wait and are woken.
//!
//! Natives reach it through a thread-local pointer. Since a coroutine never leaves its thread, that pointer is the same before
//! and after every suspension.
//!
//! Invariant: no `RefCell` of it is borrowed while a runner suspends.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{killed, no_runner, stack_exhausted};
use crate::ground::Ground;
use crate::host::Host;
use crate::inbox::Inbox;
use crate::reactor::Reactor;
use crate::runner::{NO_NATIVE, Runner, WaitKey, Wake, Yielded};
use crate::stack::StackPool;
use crate::time::Instant;
use crate::timers::Timers;
use crate::worker::Worker;

/// What a wait may still use of the native stack; below it the wait fails rather than overflow inside the scheduler.
const STACK_RESERVE_BYTES: usize = 16 * 1024;
/// How often a cancelled native may ignore the error before it is unwound.
const REFUSALS_MAX: u32 = 1_000;

thread_local! {
    /// The worker that this thread is, or null.
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// Not inlined, so that no caller keeps the address of the thread-local variable over a suspension.
#[inline(never)]
fn current() -> *const Core {
    CURRENT.get()
}

/// Where the calling code runs.
pub(crate) enum Place<'a> {
    /// On a runner of this worker: it may wait.
    Runner(&'a Core),
    /// On this worker's own stack: it must not wait.
    Worker(&'a Core),
    /// On a thread that is no worker: it may block the thread.
    Elsewhere,
}

/// Tells the caller where it runs.
pub(crate) fn with_place<R>(act: impl FnOnce(Place<'_>) -> R) -> R {
    // SAFETY: the pointer is null or names the worker of this thread, which clears it before it goes away. The reference does
    // not leave this call, and the call ends before the runner it is on, which the worker outlives.
    match unsafe { current().as_ref() } {
        None => act(Place::Elsewhere),
        Some(core) if core.current.get().is_null() => act(Place::Worker(core)),
        Some(core) => act(Place::Runner(core)),
    }
}

/// What a wait is for, as far as the virtual clock cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WaitsFor {
    /// Something that this scheduler will bring about: time may pass meanwhile.
    Inside,
    /// The outside world: virtual time stands still until it answers.
    Outside,
}

pub(crate) struct Core {
    /// The `Worker` of which this is a part, while it is the calling thread's, and the type of its host.
    worker: Cell<(*const (), Option<TypeId>)>,
    pub(crate) index: usize,
    pub(crate) ground: Arc<Ground>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) reactor: Reactor,
    pub(crate) is_virtual: bool,
    /// The clock as last read.
    pub(crate) now: Cell<Instant>,
    /// Deadlines of waits.
    pub(crate) waits: RefCell<Timers<WaitKey>>,
    /// Orders timers that were given no order.
    pub(crate) timers_added: Cell<u64>,
    /// Waits for the outside world that are under way.
    pub(crate) outside_waits: Cell<usize>,
    /// Runners whose wait has ended, in the order of their ends.
    pub(crate) ready: RefCell<VecDeque<u32>>,
    /// Each in a place of its own, which stays where it is when another one is added. None is removed before the worker ends.
    runners: RefCell<Vec<Rc<Runner>>>,
    free_runners: RefCell<Vec<u32>>,
    pub(crate) stacks: RefCell<StackPool>,
    /// The runner on whose stack the thread is, or null.
    pub(crate) current: Cell<*const Runner>,
    natives_entered: Cell<u64>,
    pub(crate) native_waits: Cell<u64>,
    /// Every wait fails from now on.
    pub(crate) stopping: Cell<bool>,
}

impl Core {
    pub(crate) fn new(index: usize, ground: Arc<Ground>, reactor: Reactor, stacks: StackPool) -> Core {
        let is_virtual = ground.is_virtual;
        let now = if is_virtual { Instant::from_nanos(0) } else { Instant::real() };
        Core {
            worker: Cell::new((ptr::null(), None)),
            index,
            inbox: Arc::clone(&ground.inboxes[index]),
            ground,
            reactor,
            is_virtual,
            now: Cell::new(now),
            waits: RefCell::new(if is_virtual { Timers::agenda() } else { Timers::wheel(now) }),
            timers_added: Cell::new(0),
            outside_waits: Cell::new(0),
            ready: RefCell::default(),
            runners: RefCell::default(),
            free_runners: RefCell::default(),
            stacks: RefCell::new(stacks),
            current: Cell::new(ptr::null()),
            natives_entered: Cell::new(NO_NATIVE),
            native_waits: Cell::new(0),
            stopping: Cell::new(false),
        }
    }

    /// Makes this the worker of the calling thread until `leave_thread`. `worker` is what this is a part of.
    pub(crate) fn enter_thread<H: Host>(&self, worker: &Worker<H>) {
        self.worker.set((ptr::from_ref(worker).cast(), Some(TypeId::of::<H>())));
        CURRENT.set(self);
    }

    /// The worker of which this is a part, if its host is an `H`.
    pub(crate) fn worker<H: Host>(&self) -> Option<&Worker<H>> {
        let (worker, host) = self.worker.get();
        // SAFETY: the pointer was made from a `Worker` of the host type stored with it, which contains `self` and so lives as
        // long.
        (host == Some(TypeId::of::<H>())).then(|| unsafe { &*worker.cast::<Worker<H>>() })
    }

    pub(crate) fn leave_thread(&self) {
        CURRENT.set(ptr::null());
    }

    /// Reads the clock.
    pub(crate) fn read_clock(&self) -> Instant {
        if !self.is_virtual {
            self.now.set(Instant::real());
        }
        self.now.get()
    }

    /// The order of a timer that is added now.
    pub(crate) fn next_order(&self) -> u64 {
        self.timers_added.replace(self.timers_added.get() + 1)
    }

    /// The runner on whose stack the caller is.
    pub(crate) fn current_runner(&self) -> Option<&Runner> {
        // SAFETY: the pointer is null or names a runner of this worker, and those live as long as the worker.
        unsafe { self.current.get().as_ref() }
    }

    /// The runner of that number. The reference is good as long as the worker.
    pub(crate) fn runner(&self, index: u32) -> Option<&Runner> {
        let runner = self.runners.borrow().get(index as usize).map(Rc::as_ptr)?;
        // SAFETY: none is removed before the worker ends, so the runner outlives the borrow of `self`.
        Some(unsafe { &*runner })
    }

    pub(crate) fn runner_count(&self) -> u32 {
        u32::try_from(self.runners.borrow().len()).expect("stacks end before four billion runners")
    }

    /// A runner without a coroutine.
    pub(crate) fn take_runner(&self) -> u32 {
        if let Some(index) = self.free_runners.borrow_mut().pop() {
            return index;
        }
        let index = self.runner_count();
        self.runners.borrow_mut().push(Rc::new(Runner::new(index)));
        index
    }

    /// Takes the stack of a runner whose coroutine has ended, and makes the runner free.
    pub(crate) fn retire_runner(&self, runner: &Runner) {
        runner.leave_native();
        runner.in_slice.set(false);
        if let Some(coroutine) = runner.coroutine.take() {
            self.stacks.borrow_mut().give_back(coroutine.into_stack());
        }
        self.free_runners.borrow_mut().push(runner.index);
    }

    /// The current runner, if it may wait: it does not unwind, has stack left, and its native was not cancelled.
    pub(crate) fn may_wait(&self) -> io::Result<&Runner> {
        let Some(runner) = self.current_runner() else { return Err(no_runner()) };
        // A suspension while the stack unwinds would let other code run on a thread that counts as panicking, and abort.
        if std::thread::panicking() {
            return Err(killed());
        }
        // An overflow while something of the worker is borrowed or locked would leave it so for ever.
        let here = ptr::from_ref(&runner).addr();
        if here.saturating_sub(runner.stack_limit.get()) < STACK_RESERVE_BYTES {
            return Err(stack_exhausted());
        }
        self.check_killed(runner)?;
        Ok(runner)
    }

    /// Begins a wait of the current runner: the key under which it can be woken.
    pub(crate) fn begin_wait(&self) -> io::Result<WaitKey> {
        let runner = self.may_wait()?;
        let sequence = runner.sequence.get() + 1;
        runner.sequence.set(sequence);
        Ok(WaitKey { runner: runner.index, sequence })
    }

    /// Whether the native under way may go on.
    fn check_killed(&self, runner: &Runner) -> io::Result<()> {
        if !runner.killed.get() && !self.stopping.get() {
            return Ok(());
        }
        let refusals = runner.refusals.get() + 1;
        runner.refusals.set(refusals);
        if refusals > REFUSALS_MAX && !std::thread::panicking() {
            // It ignores the errors. The payload is no panic message, so no hook runs and nothing is printed.
            std::panic::resume_unwind(Box::new("killed"));
        }
        Err(killed())
    }

    /// Suspends the current runner until the wait of that key ends.
    pub(crate) fn wait(&self, key: WaitKey, deadline: Option<Instant>, what: WaitsFor) -> io::Result<()> {
        let Some(runner) = self.current_runner() else {
            return Err(no_runner());
        };
        debug_assert_eq!(key, WaitKey { runner: runner.index, sequence: runner.sequence.get() });
        self.native_waits.set(self.native_waits.get() + 1);
        let timer = deadline.map(|deadline| self.waits.borrow_mut().add(deadline, (0, self.next_order()), key));
        if what == WaitsFor::Outside {
            self.outside_waits.set(self.outside_waits.get() + 1);
        }
        runner.parked.set(true);
        // SAFETY: the coroutine wrote the pointer when it started, and we are on its stack.
        let yielder = unsafe { &*runner.yielder.get() };
        yielder.suspend(Yielded::Parked);
        if what == WaitsFor::Outside {
            self.outside_waits.set(self.outside_waits.get() - 1);
        }
        if let Some(timer) = timer {
            self.waits.borrow_mut().cancel(timer);
        }
        self.check_killed(runner)?;
        match runner.wake.get() {
            Wake::Ready => Ok(()),
            Wake::TimedOut => Err(io::ErrorKind::TimedOut.into()),
            Wake::Killed => Err(killed()),
        }
    }

    /// Ends a wait, unless it has ended already.
    pub(crate) fn wake(&self, key: WaitKey, wake: Wake) {
        let Some(runner) = self.runner(key.runner) else {
            return;
        };
        if runner.sequence.get() == key.sequence && runner.parked.replace(false) {
            runner.wake.set(wake);
            self.ready.borrow_mut().push_back(key.runner);
        }
    }

    /// Looks at what is ready, without waiting.
    pub(crate) fn poll_now(&self) {
        self.reactor.poll_now(|key| self.wake(key, Wake::Ready));
    }

    /// Notes that a native begins on the current runner. Its number, or `NO_NATIVE` on the worker's own stack.
    #[inline]
    pub(crate) fn enter_native(&self) -> (u32, u64) {
        let Some(runner) = self.current_runner() else {
            return (u32::MAX, NO_NATIVE);
        };
        let native = self.natives_entered.get() + 1;
        self.natives_entered.set(native);
        runner.native.set(native);
        (runner.index, native)
    }

    /// Makes every wait of the native fail from now on, if it is still under way.
    pub(crate) fn cancel_native(&self, runner: u32, native: u64) {
        let Some(runner) = self.runner(runner) else {
            return;
        };
        if native != NO_NATIVE && runner.native.get() == native {
            runner.killed.set(true);
            self.kill_wait(runner);
        }
    }

    /// Ends the present wait of a runner as killed.
    pub(crate) fn kill_wait(&self, runner: &Runner) {
        self.wake(WaitKey { runner: runner.index, sequence: runner.sequence.get() }, Wake::Killed);
    }
}
