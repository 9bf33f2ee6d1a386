//! A host whose jobs, timers and messages are closures.

use std::any::Any;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vega_scheduler::{Config, Host, Priority, Remote, Scheduler, Worker};

/// How long a test waits for something that must happen before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a full slice counts.
const FULL_SLICE: u32 = 4_000;

pub(crate) type Callback = Box<dyn FnOnce(&Worker<Closures>) + Send>;
type Slice = Box<dyn FnMut(&Worker<Closures>) -> After + Send>;

/// What a job does after a slice.
pub(crate) enum After {
    End,
    /// Run again, after the others of its priority.
    Again,
}

pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) priority: Priority,
    /// Reductions that each slice reports.
    pub(crate) reductions: u32,
    slice: Slice,
}

impl Job {
    /// Runs slices until it says that it has ended.
    pub(crate) fn new(number: u64, slice: impl FnMut(&Worker<Closures>) -> After + Send + 'static) -> Box<Job> {
        Box::new(Job { number, priority: Priority::Normal, reductions: FULL_SLICE, slice: Box::new(slice) })
    }

    /// Runs one slice.
    pub(crate) fn once(number: u64, slice: impl FnOnce(&Worker<Closures>) + Send + 'static) -> Box<Job> {
        let mut slice = Some(slice);
        Job::new(number, move |worker| {
            slice.take().expect("it runs once")(worker);
            After::End
        })
    }
}

#[derive(Default)]
pub(crate) struct Closures {
    /// Tokens and messages of panics, in the order they were reported.
    pub(crate) panics: Mutex<Vec<(Option<u64>, String)>>,
    /// Tokens of overflows.
    pub(crate) overflows: Mutex<Vec<u64>>,
    /// Called when nothing will ever happen again.
    pub(crate) on_stall: Mutex<Option<Sender<()>>>,
    /// Tokens of slices that were suspended and resumed, with `true` for the latter.
    pub(crate) switches: Mutex<Vec<(u64, bool)>>,
    /// Told of each panic and overflow.
    pub(crate) on_fault: Mutex<Option<Sender<()>>>,
}

impl Closures {
    fn fault(&self) {
        if let Some(sender) = &*self.on_fault.lock().unwrap() {
            sender.send(()).unwrap();
        }
    }
}

impl Host for Closures {
    type Job = Box<Job>;
    type Timer = Callback;
    type Post = Callback;
    type Local = std::cell::Cell<u64>;

    fn local(&self, worker_index: usize) -> std::cell::Cell<u64> {
        std::cell::Cell::new(worker_index as u64)
    }

    fn token(&self, job: &Box<Job>) -> u64 {
        job.number
    }

    fn run(&self, mut job: Box<Job>, worker: &Worker<Closures>) -> u32 {
        let reductions = job.reductions;
        match (job.slice)(worker) {
            After::End => {}
            After::Again => {
                let priority = job.priority;
                if reductions == FULL_SLICE {
                    worker.push_preempted(job, priority);
                } else {
                    worker.push(job, priority);
                }
            }
        }
        reductions
    }

    fn timer_fired(&self, timer: Callback, worker: &Worker<Closures>) {
        timer(worker);
    }

    fn posted(&self, post: Callback, worker: &Worker<Closures>) {
        post(worker);
    }

    fn panicked(&self, token: Option<u64>, payload: Box<dyn Any + Send>, _worker: &Worker<Closures>) {
        let text = payload.downcast_ref::<&str>().map_or_else(String::new, ToString::to_string);
        self.panics.lock().unwrap().push((token, text));
        self.fault();
    }

    fn overflowed(&self, token: u64, _worker: &Worker<Closures>) {
        self.overflows.lock().unwrap().push(token);
        self.fault();
    }

    fn suspending(&self, token: u64, _worker: &Worker<Closures>) {
        self.switches.lock().unwrap().push((token, false));
    }

    fn resumed(&self, token: u64, _worker: &Worker<Closures>) {
        self.switches.lock().unwrap().push((token, true));
    }

    fn stalled(&self, _worker: &Worker<Closures>) {
        if let Some(sender) = &*self.on_stall.lock().unwrap() {
            sender.send(()).unwrap();
        }
    }
}

pub(crate) fn start(config: Config) -> Scheduler<Closures> {
    Scheduler::start(config, Arc::new(Closures::default())).unwrap()
}

pub(crate) fn with_workers(workers: usize) -> Scheduler<Closures> {
    start(Config { workers, ..Config::default() })
}

/// Runs a closure as a job and returns what it returns.
pub(crate) fn run<T: Send + 'static>(remote: &Remote<Closures>, work: impl FnOnce(&Worker<Closures>) -> T + Send + 'static) -> T {
    receive(&begin(remote, work))
}

/// Runs a closure as a job; what it returns comes through the channel.
pub(crate) fn begin<T: Send + 'static>(
    remote: &Remote<Closures>,
    work: impl FnOnce(&Worker<Closures>) -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = channel();
    let job = Job::once(0, move |worker| {
        // The test may have gone on without it.
        let _ = sender.send(work(worker));
    });
    remote.push(job, Priority::Normal);
    receiver
}

pub(crate) fn receive<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("what the test waits for happens in time")
}
