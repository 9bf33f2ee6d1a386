//! Runs many small jobs on a few threads: coroutines, workers that steal from each other, timers, sockets, and lanes for work
//! that blocks. It knows nothing of what a job is; a [`Host`] says that.
//!
//! Each *worker* is a thread. It takes jobs from its queues, from an injector, or from other workers, and hands each to the
//! host for one slice on a *runner*, a coroutine with a stack of its own. If a native function in the slice waits (for a socket,
//! a moment, a lane), the runner suspends with the slice on it; the worker goes on with another runner, and resumes that one
//! when the wait is over.
//!
//! Coroutines never migrate. A runner begins, waits and ends on one worker; only jobs, which are owned pointers, are stolen.
//! So thread-local variables, `RefCell` guards and frames that are not `Send` stay sound below a suspension. What must not
//! happen is that such a guard *lives over* a wait, for other slices run on the same thread meanwhile.
//!
//! A scheduler is a value: several of them, with clocks of their own, live in one process and leave nothing behind. Under a
//! virtual clock one worker runs everything in an order that is the same each time.

#[cfg(not(unix))]
compile_error!("the scheduler runs on Linux, and is kept possible on macOS; other systems have no room in `os` yet");

mod sync; // the door to atomics for the modules that are model-checked

mod epoch;
mod sleepers; // which workers sleep, and how none sleeps beside work // when a block that was unlinked is in use no more

#[cfg(not(loom))]
mod completion; // a value that one side waits for
#[cfg(not(loom))]
mod config; // measures, and the choice of a clock
#[cfg(not(loom))]
mod core; // the part of a worker that knows no host: waiting and waking
#[cfg(not(loom))]
mod error; // how a wait fails
#[cfg(not(loom))]
mod ground; // what workers share without knowing the host
#[cfg(not(loom))]
mod host; // what the scheduler asks of the program it runs
#[cfg(not(loom))]
mod inbox; // what other threads ask of a worker
#[cfg(not(loom))]
pub mod io; // sockets and pipes
#[cfg(not(loom))]
mod lane; // threads for work that blocks
#[cfg(not(loom))]
mod native; // natives that wait: tokens, sleeping
#[cfg(not(loom))]
mod os;
#[cfg(not(loom))]
mod reactor; // one poll per worker
#[cfg(not(loom))]
mod remote; // a handle for any thread, and what all workers share
#[cfg(not(loom))]
mod runner; // a coroutine and its state
#[cfg(not(loom))]
mod scheduler; // the threads from start to end
#[cfg(not(loom))]
mod stack; // where coroutines run
#[cfg(not(loom))]
mod statistics; // what was done so far
#[cfg(not(loom))]
mod time; // moments
#[cfg(not(loom))]
mod timers; // deadlines
#[cfg(not(loom))]
mod worker; // one worker: queues, main loop, idling // what differs between operating systems

pub use epoch::Epoch;

#[cfg(not(loom))]
pub use {
    completion::{Completer, Completion, completion},
    config::{Clock, Config},
    error::is_killed,
    host::{Host, Priority},
    lane::{Lane, offload, offload_until},
    native::{NativeGuard, NativeToken, now, sleep, sleep_until, yield_now},
    remote::{ClockHold, Remote},
    scheduler::{Scheduler, ShutdownReport},
    statistics::{LaneStatistics, Statistics, WaitSampler, WorkerStatistics},
    time::Instant,
    worker::{TimerHandle, Worker},
};
