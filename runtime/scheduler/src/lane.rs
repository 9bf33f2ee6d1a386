//! Lanes: a few threads each for work that would block a worker, so that one kind of it never delays another.
//!
//! The queue of a lane needs no bound of its own, since each waiting call occupies a runner, and those are bounded.
//!
//! Invariant: a task is queued, running on one thread, or over; its caller learns its outcome, or that it was dropped.

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as WallClock};

use crate::completion::completion;
use crate::config::Config;
use crate::core::{Core, Place, with_place};
use crate::error::no_runner;
use crate::statistics::LaneStatistics;
use crate::time::Instant;

/// The kinds of blocking work, each with its own threads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lane {
    /// Reading and writing files.
    Files,
    /// Resolving names.
    Dns,
    /// The embedded database.
    Database,
    /// Commands of the system, from start to end.
    Commands,
    /// Long computations.
    Cpu,
}

const LANES: [Lane; 5] = [Lane::Files, Lane::Dns, Lane::Database, Lane::Commands, Lane::Cpu];

type Task = Box<dyn FnOnce() + Send>;
type Panic = Box<dyn Any + Send>;

/// Runs `work` on a thread of the lane while the calling runner is suspended. A thread that is no worker runs it itself. If it
/// panics, the panic goes on in the caller. Under a virtual clock the whole scheduler waits, so that its order stays the same.
pub fn offload<T: Send + 'static>(lane: Lane, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    offload_until(lane, None, work)
}

/// The same, given up when the deadline has passed. Work that has begun goes on, and its result is dropped.
pub fn offload_until<T: Send + 'static>(
    lane: Lane,
    deadline: Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    with_place(|place| match place {
        Place::Runner(core) => offload_from(core, lane, deadline, work),
        Place::Worker(_) => Err(no_runner()),
        Place::Elsewhere => Ok(work()),
    })
}

fn offload_from<T: Send + 'static>(
    core: &Core,
    lane: Lane,
    deadline: Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    core.may_wait()?;
    let (completer, completion) = completion::<Result<T, Panic>>();
    core.ground.lanes.push(lane, Box::new(move || completer.complete(catch_unwind(AssertUnwindSafe(work)))))?;
    let outcome = if core.is_virtual { completion.block(None) } else { completion.wait(deadline) };
    outcome?.or_else(|panic| resume_unwind(panic))
}

/// The lanes of one scheduler.
pub(crate) struct Lanes([Arc<LaneState>; LANES.len()]);

struct LaneState {
    lane: Lane,
    threads_max: usize,
    queue: Mutex<Queue>,
    /// A task came, or the lane stops.
    changed: Condvar,
    /// A thread ended.
    ended: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    threads: Vec<JoinHandle<()>>,
    alive: usize,
    idle: usize,
    finished: u64,
    stopping: bool,
}

impl Lanes {
    pub(crate) fn new(config: &Config) -> Lanes {
        Lanes(LANES.map(|lane| {
            let threads_max = match lane {
                Lane::Files => config.files_threads_max,
                Lane::Dns => config.dns_threads_max,
                Lane::Database => config.database_threads_max,
                Lane::Commands => config.commands_threads_max,
                Lane::Cpu => config.cpu_threads_max,
            };
            let (changed, ended) = (Condvar::new(), Condvar::new());
            Arc::new(LaneState { lane, threads_max, queue: Mutex::default(), changed, ended })
        }))
    }

    fn push(&self, lane: Lane, task: Task) -> io::Result<()> {
        let state = self.0.iter().find(|state| state.lane == lane).expect("every lane has its state");
        let mut queue = state.queue();
        if queue.stopping {
            // The dropped task tells its caller.
            return Ok(());
        }
        if queue.idle <= queue.tasks.len() && queue.alive < state.threads_max {
            let thread_state = Arc::clone(state);
            let name = format!("vega-{:?}-{}", lane, queue.alive).to_lowercase();
            let started = thread::Builder::new().name(name).spawn(move || thread_state.serve());
            match started {
                Ok(thread) => {
                    queue.threads.push(thread);
                    queue.alive += 1;
                }
                // The threads that exist will come to it.
                Err(_) if queue.alive > 0 => {}
                Err(error) => return Err(error),
            }
        }
        queue.tasks.push_back(task);
        drop(queue);
        state.changed.notify_one();
        Ok(())
    }

    pub(crate) fn statistics(&self) -> Vec<LaneStatistics> {
        let statistics = |state: &Arc<LaneState>| {
            let queue = state.queue();
            LaneStatistics {
                lane: state.lane,
                threads: queue.alive,
                queued: queue.tasks.len(),
                running: queue.alive - queue.idle,
                finished: queue.finished,
            }
        };
        self.0.iter().map(statistics).collect()
    }

    /// Drops what is queued and ends the threads. Returns how many did not end within `patience` and are left behind.
    pub(crate) fn stop(&self, patience: Duration) -> usize {
        for state in &self.0 {
            let mut queue = state.queue();
            queue.stopping = true;
            let tasks = std::mem::take(&mut queue.tasks);
            drop(queue);
            // Outside the lock, since dropping a task runs what it captured.
            drop(tasks);
            state.changed.notify_all();
        }
        let patient_until = WallClock::now() + patience;
        self.0.iter().map(|state| state.join(patient_until)).sum()
    }
}

impl LaneState {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Tasks run outside the lock, so nothing panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of one thread.
    fn serve(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                drop(queue);
                task();
                queue = self.queue();
                queue.finished += 1;
            } else if queue.stopping {
                queue.alive -= 1;
                self.ended.notify_all();
                return;
            } else {
                queue.idle += 1;
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }

    fn join(&self, patient_until: WallClock) -> usize {
        let mut queue = self.queue();
        while queue.alive > 0 {
            let left = patient_until.saturating_duration_since(WallClock::now());
            if left.is_zero() {
                return queue.alive;
            }
            queue = self.ended.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let threads = std::mem::take(&mut queue.threads);
        drop(queue);
        for thread in threads {
            // A task's panic is caught with the task, so the thread did not end by one.
            let _ = thread.join();
        }
        0
    }
}
