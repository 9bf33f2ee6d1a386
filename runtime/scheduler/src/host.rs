//! What a scheduler asks of the program that it schedules.
//!
//! Invariant: a job is in one queue or on one runner, since it is an owned pointer that moves.

use std::any::Any;

use crate::worker::Worker;

/// How soon a job runs relative to others. Lower ones still progress: normal work gets at least every eighth slice, low work at
/// least every sixty-fourth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Priority {
    /// Before the others.
    High,
    /// The usual one.
    #[default]
    Normal,
    /// When nothing else is to be done, and now and then.
    Low,
}

/// The program that a scheduler runs: what a job is, and what to do with one.
pub trait Host: Send + Sync + Sized + 'static {
    /// Something to run: an owned pointer. It is dropped if it is still queued when the scheduler shuts down.
    type Job: Send + 'static;
    /// What a fired timer says.
    type Timer: Send + 'static;
    /// A message to one worker, from any thread.
    type Post: Send + 'static;
    /// What each worker stores for the host. It never leaves its worker's thread.
    type Local: 'static;

    /// Makes a worker's storage. Called on the worker's thread before anything else.
    fn local(&self, worker_index: usize) -> Self::Local;

    /// A number that says which job it is.
    fn token(&self, job: &Self::Job) -> u64;

    /// Runs one slice of the job, and pushes it again if it is to run further. Returns the reductions it spent, by which the
    /// worker judges when to look at its clock: some thousands for a full slice.
    ///
    /// It runs on a runner: natives may wait in it, and then other jobs run on the same thread.
    fn run(&self, job: Self::Job, worker: &Worker<Self>) -> u32;

    /// A timer's deadline has passed. Runs on the worker's own stack and must not wait.
    fn timer_fired(&self, timer: Self::Timer, worker: &Worker<Self>);

    /// A message to this worker has come. Runs on the worker's own stack and must not wait.
    fn posted(&self, post: Self::Post, worker: &Worker<Self>);

    /// `run` panicked with the job of that token, or, without one, a callback did. The job was dropped by the unwinding unless
    /// the host had put it elsewhere.
    fn panicked(&self, token: Option<u64>, payload: Box<dyn Any + Send>, worker: &Worker<Self>);

    /// The native stack overflowed in `run` with the job of that token. Its frames are gone and nothing in them was dropped, so
    /// what they owned, the job among it, is leaked unless the host finds it by the token.
    fn overflowed(&self, token: u64, worker: &Worker<Self>);

    /// The slice of that job is about to be suspended, since a native in it waits. For state of the thread that belongs to the
    /// running job. Runs on the worker's own stack and must not wait.
    fn suspending(&self, token: u64, worker: &Worker<Self>) {
        let _ = (token, worker);
    }

    /// The suspended slice of that job goes on. Runs on the worker's own stack and must not wait.
    fn resumed(&self, token: u64, worker: &Worker<Self>) {
        let _ = (token, worker);
    }

    /// Under a virtual clock: nothing is runnable, no timer is set, nothing outside is waited for. Without a push from another
    /// thread nothing will ever happen again.
    fn stalled(&self, worker: &Worker<Self>) {
        let _ = worker;
    }
}
