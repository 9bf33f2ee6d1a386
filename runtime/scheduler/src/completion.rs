//! One value that one side waits for and the other side provides, whatever threads they are on.
//!
//! Invariant: the state is `Waited` at most once, and whoever replaces it by a value wakes that waiter.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::{Core, Place, WaitsFor, with_place};
use crate::error::{abandoned, is_killed, no_runner};
use crate::inbox::{Inbox, Message};
use crate::runner::WaitKey;
use crate::time::Instant;

/// Both sides of a value that will be there once.
pub fn completion<T: Send>() -> (Completer<T>, Completion<T>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::Open), changed: Condvar::new() });
    (Completer(Arc::clone(&shared)), Completion(shared))
}

/// Provides the value. Dropped without one, it ends the wait with an error.
pub struct Completer<T: Send>(Arc<Shared<T>>);

/// Waits for the value.
pub struct Completion<T: Send>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    /// For a waiter that blocks its thread.
    changed: Condvar,
}

enum State<T> {
    Open,
    /// A runner waits and is to be told through its worker's inbox.
    Waited(Arc<Inbox>, WaitKey),
    Done(T),
    Abandoned,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock, and the state is whole at every moment anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, with: State<T>) {
        let before = mem::replace(&mut *self.state(), with);
        self.changed.notify_all();
        if let State::Waited(inbox, key) = before {
            inbox.send(Message::Ready(key));
        }
    }

    /// The value, if the state is final; else the state stays.
    fn take(state: &mut State<T>) -> Option<io::Result<T>> {
        match mem::replace(state, State::Abandoned) {
            State::Done(value) => Some(Ok(value)),
            State::Abandoned => Some(Err(abandoned())),
            open => {
                *state = open;
                None
            }
        }
    }
}

impl<T: Send> Completer<T> {
    /// Hands the value over.
    pub fn complete(self, value: T) {
        self.0.end(State::Done(value));
    }
}

impl<T: Send> Drop for Completer<T> {
    fn drop(&mut self) {
        if matches!(*self.0.state(), State::Open | State::Waited(..)) {
            self.0.end(State::Abandoned);
        }
    }
}

impl<T: Send> Completion<T> {
    /// Waits until the value is there or the deadline has passed: on a runner by suspending it, on a thread that is no worker by
    /// blocking it.
    pub fn wait(self, deadline: Option<Instant>) -> io::Result<T> {
        with_place(|place| match place {
            Place::Runner(core) => self.wait_on_runner(core, deadline),
            Place::Worker(_) => Err(no_runner()),
            Place::Elsewhere => self.block(deadline),
        })
    }

    fn wait_on_runner(&self, core: &Core, deadline: Option<Instant>) -> io::Result<T> {
        loop {
            let key = core.begin_wait()?;
            {
                let mut state = self.0.state();
                if let Some(result) = Shared::take(&mut state) {
                    return result;
                }
                *state = State::Waited(Arc::clone(&core.inbox), key);
            }
            let waited = core.wait(key, deadline, WaitsFor::Inside);
            if waited.as_ref().is_err_and(is_killed) {
                return waited.and_then(|()| Err(abandoned()));
            }
            // A value that came together with the deadline counts.
            if let Some(result) = Shared::take(&mut self.0.state()) {
                return result;
            }
            waited?;
        }
    }

    /// Blocks the calling thread.
    pub(crate) fn block(&self, deadline: Option<Instant>) -> io::Result<T> {
        let mut state = self.0.state();
        loop {
            if let Some(result) = Shared::take(&mut state) {
                return result;
            }
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.since(Instant::real()));
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // A day at a time, since the system adds the duration to the present.
            let left = left.min(Duration::from_secs(86_400));
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_no_worker_blocks_until_the_value_is_there() {
        let (completer, completion) = completion();
        let thread = std::thread::spawn(move || completer.complete(7));
        assert_eq!(completion.wait(None).expect("it is completed"), 7);
        thread.join().expect("it does not panic");
    }

    #[test]
    fn a_dropped_completer_ends_the_wait() {
        let (completer, completion) = completion::<u8>();
        drop(completer);
        assert_eq!(completion.wait(None).expect_err("nothing was provided").kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let (_completer, completion) = completion::<u8>();
        let error = completion.wait(Some(Instant::real())).expect_err("nothing was provided");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
