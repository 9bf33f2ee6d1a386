//! How many exchanges are under way at once: of one agent, or in the whole runtime.
//!
//! Invariant: at most `limit` permits exist. A permit is given back when it is dropped, however its holder ends; whoever waits is a
//! port in a queue and holds no stack.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use vega_runtime::RuntimeHandle;
use vega_runtime::native::{Address, NativeContext};

use crate::slot::AgentSlot;

/// The permits of one agent, or of one runtime.
pub(crate) struct Limiter {
    limit: u32,
    state: Mutex<State>,
    runtime: RuntimeHandle,
    /// Whose queue goes on when a permit is free and no invocation waits for it; nobody's where it is the runtime's.
    slot: Weak<AgentSlot>,
}

#[derive(Default)]
struct State {
    taken: u32,
    /// Invocations in the middle of their work.
    waiting: VecDeque<Address>,
    /// Requests wait in the agent's queue.
    queue_waits: bool,
    /// Permits that came back and are not handed on yet.
    returned: u32,
    /// Somebody is handing them on.
    handing: bool,
}

/// The right to one exchange.
pub(crate) struct Permit(Option<Arc<Limiter>>);

/// What an invocation is sent when its turn has come.
pub(crate) struct Granted(pub(crate) Permit);

impl Limiter {
    pub(crate) fn new(limit: u32, runtime: RuntimeHandle, slot: Weak<AgentSlot>) -> Arc<Limiter> {
        Arc::new(Limiter { limit, state: Mutex::default(), runtime, slot })
    }

    /// A permit for an invocation that is to begin. Without one the agent is woken when one is free.
    pub(crate) fn take_or_wake_later(self: &Arc<Self>) -> Option<Permit> {
        let mut state = self.lock();
        // Who is in the middle of its work goes first.
        if state.taken < self.limit && state.waiting.is_empty() {
            state.taken += 1;
            return Some(Permit(Some(Arc::clone(self))));
        }
        state.queue_waits = true;
        None
    }

    /// A permit for an invocation that goes on. Without one it is sent [`Granted`] when its turn has come.
    pub(crate) fn take_or_wait(self: &Arc<Self>, waiter: Address) -> Option<Permit> {
        let mut state = self.lock();
        if state.taken < self.limit && state.waiting.is_empty() {
            state.taken += 1;
            return Some(Permit(Some(Arc::clone(self))));
        }
        state.waiting.push_back(waiter);
        None
    }

    /// Takes a permit back and hands it on. Where the next one has ended, its permit comes back while it is sent: then it is handed on
    /// here, and not within its own end, so that any number of ended ones need no stack.
    fn give_back(self: &Arc<Self>, mut send: impl FnMut(&Address, Box<dyn Any + Send>)) {
        let mut state = self.lock();
        state.returned += 1;
        if state.handing {
            return;
        }
        state.handing = true;
        while state.returned > 0 {
            state.returned -= 1;
            if let Some(waiter) = state.waiting.pop_front() {
                drop(state);
                send(&waiter, Box::new(Granted(Permit(Some(Arc::clone(self))))));
                state = self.lock();
                continue;
            }
            state.taken -= 1;
            if std::mem::take(&mut state.queue_waits) {
                drop(state);
                if let Some(slot) = self.slot.upgrade() {
                    slot.wake(&mut send);
                }
                state = self.lock();
            }
        }
        state.handing = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// A permit where nothing is limited.
    pub(crate) fn unlimited() -> Permit {
        Permit(None)
    }

    /// Gives it back from within a process, which is cheaper than dropping it.
    pub(crate) fn release(mut self, context: &NativeContext<'_>) {
        if let Some(limiter) = self.0.take() {
            limiter.give_back(|address, message| {
                context.send_to(address, message);
            });
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(limiter) = self.0.take() {
            let runtime = limiter.runtime.clone();
            limiter.give_back(|address, message| {
                runtime.send_to(address, message);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use vega_runtime::Runtime;
    use vega_runtime::process::Pid;

    use super::*;

    #[test]
    fn a_permit_passes_any_number_of_ended_waiters_without_a_deep_stack() {
        let runtime = Runtime::builder().workers(1).build().unwrap();
        let handle = runtime.handle();
        drop(runtime);
        let limiter = Limiter::new(1, handle, Weak::new());
        let ended = Address::root(Pid::from_bits(1));
        let permit = limiter.take_or_wait(ended.clone()).unwrap();
        for _ in 0..200_000 {
            assert!(limiter.take_or_wait(ended.clone()).is_none());
        }
        let small = std::thread::Builder::new().stack_size(128 << 10);
        small.spawn(move || drop(permit)).unwrap().join().unwrap();
        assert!(limiter.take_or_wait(ended).is_some(), "the permit is free again");
    }
}
