//! What a runtime has done, and what is left of it once everything has ended.

use hdrhistogram::Histogram;
use vega_scheduler::Remote;

use crate::world::World;

/// What was done so far; a little behind while workers are busy.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// By worker and by lane.
    pub scheduler: vega_scheduler::Statistics,
    /// Nanoseconds between being runnable and running, of some of the processes' turns; none unless the builder asked for records.
    pub wait_nanos: Option<Histogram<u64>>,
    /// Processes that were started.
    pub started: u64,
    /// Processes that have not ended. Those that a program leaves behind end with the runtime.
    pub alive: u64,
}

/// How a runtime ended.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// What was done in all, and the processes that were alive when the threads ended.
    pub statistics: Statistics,
    /// What is left after that.
    pub left: Left,
}

/// What is left when all threads and processes have ended. All zero unless something is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Left {
    /// Processes that did not end.
    pub processes: u64,
    /// Stacks of natives that did not return.
    pub stacks: u64,
    /// Bytes of values on the heaps of processes that had ended.
    pub bytes: u64,
    /// Timers of processes that had ended.
    pub timers: u64,
    /// Calls to models that are not over.
    pub calls: u64,
    /// Pico-dollars that were reserved and neither settled nor released.
    pub reserved_pico: i64,
    /// Threads in a call of the system that did not return: reading from a terminal, for one.
    pub threads: u64,
}

impl Statistics {
    pub(super) fn of(world: &World, remote: &Remote<World>) -> Statistics {
        Statistics {
            scheduler: remote.statistics(),
            wait_nanos: world.waits.as_ref().map(|waits| waits.nanos()),
            started: world.started(),
            alive: world.alive(),
        }
    }
}
