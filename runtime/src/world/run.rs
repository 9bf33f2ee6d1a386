//! How a run stands, for the thread that waits for its end.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::process::{ExitReason, Pid, TraceLine};
use crate::value::copy::Message;

/// How the run stands, for the thread that waits for it.
#[derive(Default)]
pub(crate) struct RunState {
    end: Mutex<RunEnd>,
    changed: Condvar,
}

/// What the waiting thread sees.
#[derive(Default)]
pub(crate) struct RunEnd {
    /// The first process.
    pub(crate) process: Option<Pid>,
    /// How the first process ended.
    pub(crate) main: Option<MainEnd>,
    /// Its children have ended too.
    pub(crate) family_ended: bool,
    /// Interrupts so far.
    pub(crate) interrupts: u32,
}

/// How the first process ended.
#[derive(Debug)]
pub(crate) struct MainEnd {
    pub(crate) reason: ExitReason,
    /// What it returned.
    pub(crate) result: Option<Message>,
    /// The stack of an uncaught error.
    pub(crate) trace: Vec<TraceLine>,
}

impl RunState {
    /// Forgets an earlier run; interrupts stay.
    pub(crate) fn reset(&self) {
        self.change(|end| *end = RunEnd { interrupts: end.interrupts, ..RunEnd::default() });
    }

    /// Sets how the first process ended, unless that is known.
    pub(crate) fn finish(&self, main: MainEnd) {
        self.change(|end| {
            end.main.get_or_insert(main);
        });
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut RunEnd)) {
        change(&mut self.end.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Lets the waiting thread look again.
    pub(crate) fn notify(&self) {
        // The lock is taken so that a waiter is not between its look and its wait.
        drop(self.end.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until `ready` gives something, or until the moment.
    pub(crate) fn wait<T>(
        &self,
        until: Option<std::time::Instant>,
        mut ready: impl FnMut(&mut RunEnd) -> Option<T>,
    ) -> Option<T> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(result) = ready(&mut end) {
                return Some(result);
            }
            end = match until {
                None => self.changed.wait(end).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let rest = until.saturating_duration_since(std::time::Instant::now());
                    if rest.is_zero() {
                        return None;
                    }
                    self.changed.wait_timeout(end, rest).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
