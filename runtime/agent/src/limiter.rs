//! How many exchanges are under way at once: of one agent, or in the whole runtime.
//!
//! Invariant: at most `limit` permits exist. A permit is given back when it is dropped, however its holder ends; whoever waits is a
//! port in a queue and holds no stack.

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
}

/// The right to one exchange.
pub(crate) struct Permit(Option<Arc<Limiter>>);

/// What an invocation is sent when its turn has come.
pub(crate) struct Granted(pub(crate) Permit);

/// Who gets a permit that was given back.
enum Next {
    Invocation(Address),
    Queue,
}

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

    /// Takes a permit back, and says who is next. The next one's permit counts as taken already.
    fn give_back(&self) -> Option<Next> {
        let mut state = self.lock();
        if let Some(waiter) = state.waiting.pop_front() {
            return Some(Next::Invocation(waiter));
        }
        state.taken -= 1;
        std::mem::take(&mut state.queue_waits).then_some(Next::Queue)
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
        let Some(limiter) = self.0.take() else { return };
        match limiter.give_back() {
            // The address may be of a process that ended: then the message, and with it the permit, is dropped, and the next is told.
            Some(Next::Invocation(waiter)) => {
                context.send_to(&waiter, Box::new(Granted(Permit(Some(limiter)))));
            }
            Some(Next::Queue) => {
                if let Some(slot) = limiter.slot.upgrade() {
                    slot.wake(|address, message| {
                        context.send_to(address, message);
                    });
                }
            }
            None => {}
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(limiter) = self.0.take() else { return };
        match limiter.give_back() {
            Some(Next::Invocation(waiter)) => {
                let runtime = limiter.runtime.clone();
                runtime.send_to(&waiter, Box::new(Granted(Permit(Some(limiter)))));
            }
            Some(Next::Queue) => {
                if let Some(slot) = limiter.slot.upgrade() {
                    slot.wake(|address, message| {
                        limiter.runtime.send_to(address, message);
                    });
                }
            }
            None => {}
        }
    }
}
