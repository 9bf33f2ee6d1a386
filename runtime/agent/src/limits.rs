//! Who may call a model when: rate limits, exchanges at once, connections, and the queue for all of them.
//!
//! A *pool* is what shares a provider's quota: one provider, key and class of models. A *member* is one agent in it. Whoever waits is in
//! one queue only and is admitted to everything that it needs at once, so waiting holds nothing: no stack, no permit, no reservation.
//!
//! Invariants: every permit that is out is counted in its member and its pool, and comes back when it is dropped, however its holder
//! ends. Where a pool waits for a moment, the process of one of its waiting agents has an alarm for it. Nothing here blocks; the lock is
//! held for a few instructions, and never while something is sent.
mod announced; // what an answer's headers say
mod bucket; // a token bucket
mod learnt; // what is believed of a provider's limits
mod order; // who goes next
mod pool; // what shares a quota, and the agents in it
mod state; // all of them, changed under one lock
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use vega_runtime::RuntimeHandle;
use vega_runtime::native::{Address, NativeContext};
use vega_scheduler::Instant;

use crate::slot::AgentSlot;

pub(crate) use announced::Announced;
#[cfg(test)]
pub(crate) use announced::Counted;
pub(crate) use bucket::Bucket;
pub(crate) use order::Priority;
use pool::Grant;
pub(crate) use pool::{PoolKey, Rates};
use state::State;

/// Sends something to a port: from within a process, or through the runtime.
type Send<'a> = &'a mut dyn FnMut(&Address, Box<dyn Any + std::marker::Send>);

/// The limits of one runtime.
pub(crate) struct Limits {
    state: Mutex<State>,
    /// What is to be sent, by whoever sends already.
    outbox: Mutex<Outbox>,
    arrivals: AtomicU64,
    runtime: OnceLock<RuntimeHandle>,
}

#[derive(Default)]
struct Outbox {
    effects: VecDeque<Effect>,
    is_sending: bool,
}

/// What follows from a change, once the lock is free again.
enum Effect {
    /// An invocation may go on.
    Grant(Address, Grant),
    /// An agent's process is to look at its queue, and at its alarm.
    Wake(Weak<AgentSlot>),
}

/// Tokens that an exchange may need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// What an exchange came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Whether the provider may have received anything. Where not, nothing is counted.
    pub(crate) is_sent: bool,
    /// Whether it answered.
    pub(crate) is_answered: bool,
    /// What it counted, where it said so.
    pub(crate) tokens: Option<Need>,
    /// What it said about its limits.
    pub(crate) announced: Announced,
    /// It refused because a limit was reached, and said when to come back if it did.
    pub(crate) refused: Option<Option<Duration>>,
}

/// One agent's place among those that call a provider. Dropping it ends its waiting.
pub(crate) struct Member {
    limits: Arc<Limits>,
    id: usize,
}

/// The right to one exchange.
pub(crate) struct Permit(Option<(Arc<Limits>, Grant)>);

/// What an invocation is sent when its turn has come.
pub(crate) struct Granted(pub(crate) Permit);

/// An invocation's place in the queue. Dropping it leaves the queue.
pub(crate) struct Waiting {
    limits: Arc<Limits>,
    member: usize,
    arrival: u64,
}

impl Limits {
    /// Limits with so many connections at once.
    pub(crate) fn new(connections: u32) -> Arc<Limits> {
        Arc::new(Limits {
            state: Mutex::new(State::new(connections)),
            outbox: Mutex::default(),
            arrivals: AtomicU64::new(1),
            runtime: OnceLock::new(),
        })
    }

    /// Takes an agent in, with limits of its own.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: PoolKey,
        rates: Rates,
        priority: Priority,
        slot: Weak<AgentSlot>,
        runtime: &RuntimeHandle,
    ) -> Member {
        self.runtime.get_or_init(|| runtime.clone());
        let id = self.lock().join(key, rates, priority, slot, vega_scheduler::now());
        Member { limits: Arc::clone(self), id }
    }

    /// The number of an arrival: higher than all before.
    pub(crate) fn arrival(&self) -> u64 {
        self.arrivals.fetch_add(1, Ordering::Relaxed)
    }

    /// Permits that are out, and those that wait: both are zero when nothing is under way.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> (u64, usize) {
        self.lock().under_way()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and keeps what is to be sent.
    fn change<T>(&self, change: impl FnOnce(&mut State, &mut Vec<Effect>) -> T) -> T {
        let mut effects = Vec::new();
        let result = change(&mut self.lock(), &mut effects);
        if !effects.is_empty() {
            self.outbox.lock().unwrap_or_else(PoisonError::into_inner).effects.extend(effects);
        }
        result
    }

    /// Sends what is to be sent. Where a receiver has ended, its permit comes back while it is sent: then it is handed on here and not
    /// within its own end, so that any number of ended ones need no stack.
    fn send_all(self: &Arc<Self>, send: Send<'_>) {
        let lock = || self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outbox = lock();
        if outbox.is_sending {
            return;
        }
        while let Some(effect) = outbox.effects.pop_front() {
            outbox.is_sending = true;
            drop(outbox);
            match effect {
                Effect::Grant(address, grant) => send(&address, Box::new(Granted(Permit(Some((Arc::clone(self), grant)))))),
                Effect::Wake(slot) => {
                    if let Some(slot) = slot.upgrade() {
                        slot.wake(&mut *send);
                    }
                }
            }
            outbox = lock();
        }
        outbox.is_sending = false;
    }

    /// The same from anywhere.
    fn send_all_through_the_runtime(self: &Arc<Self>) {
        if let Some(runtime) = self.runtime.get() {
            self.send_all(&mut |address, message| runtime.send_to(address, message));
        }
    }

    fn give_back(&self, grant: &Grant, used: &Used) {
        self.change(|state, effects| state.give_back(grant, used, vega_scheduler::now(), effects));
    }
}

impl Member {
    /// A permit for the request at the head of the agent's queue, or a place for it. What follows for others is sent by
    /// [`Member::send_all`], which the caller owes.
    pub(crate) fn offer(&self, arrival: u64, need: Need, now: Instant) -> Option<Permit> {
        let grant = self.limits.change(|state, effects| state.offer(self.id, arrival, need, now, effects))?;
        Some(Permit(Some((Arc::clone(&self.limits), grant))))
    }

    /// The agent's queue wants nothing. The caller owes [`Member::send_all`].
    pub(crate) fn withdraw(&self, now: Instant) {
        self.limits.change(|state, effects| state.withdraw(self.id, now, effects));
    }

    /// A permit for an invocation that goes on, or its place in the queue: then it is sent [`Granted`] when its turn has come.
    pub(crate) fn enter(&self, need: Need, context: &NativeContext<'_>) -> Result<Permit, Waiting> {
        let arrival = self.limits.arrival();
        let grant =
            self.limits.change(|state, effects| state.enter(self.id, arrival, context.address(), need, context.now(), effects));
        self.send_all(context);
        match grant {
            Some(grant) => Ok(Permit(Some((Arc::clone(&self.limits), grant)))),
            None => Err(Waiting { limits: Arc::clone(&self.limits), member: self.id, arrival }),
        }
    }

    /// The moment at which the agent's process has to call [`Member::look`].
    pub(crate) fn alarm(&self) -> Option<Instant> {
        self.limits.lock().alarm_of(self.id)
    }

    /// Time has passed. The caller owes [`Member::send_all`].
    pub(crate) fn look(&self, now: Instant) {
        self.limits.change(|state, effects| state.look(self.id, now, effects));
    }

    /// Whoever waits for the agent waits no more: its incarnation is gone.
    pub(crate) fn leave(&self) {
        self.limits.change(|state, effects| state.leave(self.id, vega_scheduler::now(), effects));
        self.limits.send_all_through_the_runtime();
    }

    /// A number for a request that joins the agent's queue.
    pub(crate) fn arrival(&self) -> u64 {
        self.limits.arrival()
    }

    /// Sends what follows for others.
    pub(crate) fn send_all(&self, context: &NativeContext<'_>) {
        self.limits.send_all(&mut |address, message| {
            context.send_to(address, message);
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.limits.change(|state, effects| {
            let now = vega_scheduler::now();
            state.leave(self.id, now, effects);
            state.remove(self.id);
        });
        self.limits.send_all_through_the_runtime();
    }
}

impl Permit {
    /// A permit where nothing is limited.
    pub(crate) fn unlimited() -> Permit {
        Permit(None)
    }

    /// Gives it back after its exchange, or unused.
    pub(crate) fn release(mut self, used: &Used, context: &NativeContext<'_>) {
        if let Some((limits, grant)) = self.0.take() {
            limits.give_back(&grant, used);
            limits.send_all(&mut |address, message| {
                context.send_to(address, message);
            });
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((limits, grant)) = self.0.take() {
            limits.give_back(&grant, &Used::default());
            limits.send_all_through_the_runtime();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.limits.change(|state, effects| state.abandon(self.member, self.arrival, vega_scheduler::now(), effects));
        self.limits.send_all_through_the_runtime();
    }
}
