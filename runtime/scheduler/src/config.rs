//! How a scheduler is set up.
//!
//! Invariant: `checked` is the only way from what a caller wrote to what the workers rely on.

use std::thread;

/// The clock of a scheduler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Clock {
    /// The system's monotonic clock.
    #[default]
    Real,
    /// A clock that starts at zero and moves only when nothing is runnable and nothing in the outside world is waited for. There
    /// is one worker, and the order of jobs and timers is the same in every run. A `seed` other than zero permutes the order of
    /// the jobs.
    Virtual {
        /// Chooses the permutation.
        seed: u64,
    },
}

/// The measures of a scheduler. `Config::default()` suits a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that run jobs. At least one; under a virtual clock exactly one.
    pub workers: usize,
    /// What time is.
    pub clock: Clock,
    /// Address space of a runner's stack. Only what is touched takes memory.
    pub stack_bytes: usize,
    /// Runners of all workers beyond one each. While so many are waiting, jobs wait in their queues.
    pub stacks_max: usize,
    /// Threads for blocking work on files.
    pub files_threads_max: usize,
    /// Threads for resolving names.
    pub dns_threads_max: usize,
    /// Threads for the embedded database.
    pub database_threads_max: usize,
    /// Commands of the system that run at once, each with a thread that waits for it.
    pub commands_threads_max: usize,
    /// Threads for long computations; no more than workers are used.
    pub cpu_threads_max: usize,
    /// Whether the length of each slice and of the queues after it is recorded, which reads the clock twice for each.
    pub records_slices: bool,
}

impl Default for Config {
    fn default() -> Config {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Config {
            workers,
            clock: Clock::Real,
            stack_bytes: 256 * 1024,
            stacks_max: 100_000,
            files_threads_max: 4,
            dns_threads_max: 4,
            database_threads_max: 1,
            commands_threads_max: 64,
            cpu_threads_max: workers,
            records_slices: false,
        }
    }
}

/// The least stack on which the scheduler's own waits work.
const STACK_BYTES_MIN: usize = 64 * 1024;

impl Config {
    /// The same with every measure within its bounds.
    pub(crate) fn checked(mut self) -> Config {
        if matches!(self.clock, Clock::Virtual { .. }) {
            self.workers = 1;
        }
        self.workers = self.workers.max(1);
        self.stack_bytes = self.stack_bytes.max(STACK_BYTES_MIN);
        self.cpu_threads_max = self.cpu_threads_max.min(self.workers);
        for threads_max in [
            &mut self.files_threads_max,
            &mut self.dns_threads_max,
            &mut self.database_threads_max,
            &mut self.commands_threads_max,
            &mut self.cpu_threads_max,
        ] {
            *threads_max = (*threads_max).max(1);
        }
        self
    }
}
