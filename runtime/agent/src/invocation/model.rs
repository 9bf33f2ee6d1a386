//! The exchanges of an invocation with its model: admission, the call, and what follows from it.

use std::sync::Arc;
use std::time::SystemTime;

use vega_runtime::native::NativeContext;

use super::{Invocation, Work};
use crate::bound::Reported;
use crate::config::Backend;
use crate::exchange::{Exchange, Exchanged, Unanswered};
use crate::flow::Outlet;
use crate::progress::Activity;
use crate::raise::Failed;
use crate::turn::Event;

impl Invocation {
    /// Whether the agent's permit is still to be had.
    pub(super) fn needs_permit(&self) -> bool {
        self.permit.is_none() && self.slot.limiter.is_some()
    }

    /// Takes what the next exchange needs, or queues for it.
    pub(super) fn admit(&mut self, context: &NativeContext<'_>) {
        if self.needs_permit()
            && let Some(limiter) = &self.slot.limiter
        {
            self.permit = limiter.take_or_wait(context.address());
            if self.permit.is_none() {
                self.work = Work::Queued(context.now());
                return;
            }
        }
        if self.connection.is_none() && matches!(self.slot.config.backend, Backend::Http(_)) {
            self.connection = self.slot.service.connections(self.slot.runtime()).take_or_wait(context.address());
            if self.connection.is_none() {
                self.work = Work::Queued(context.now());
                return;
            }
        }
        self.work = Work::Call;
    }

    /// Makes the exchange that comes next.
    pub(super) fn call(&mut self, context: &NativeContext<'_>) {
        let Some(request) = self.next.take() else { return };
        let turn = self.turn.as_ref().map_or(1, |turn| turn.turns());
        self.report(Activity::Model { turn });
        let began = context.now();
        let began_at = SystemTime::now();
        self.attempts += 1;
        let slot = Arc::clone(&self.slot);
        let exchange = Exchange {
            service: &slot.service,
            config: &slot.config,
            number: self.number,
            turn,
            step: self.attempts,
            reported: self.reported,
            remaining: self.deadline.since(began),
            deadline: self.deadline,
            outlet: self.request.flow.as_deref().map(|flow| Outlet { flow, to: &self.request.reply_to }),
        };
        let exchanged = exchange.run(context, &request, &mut self.budget_turn);
        for permit in [self.connection.take(), self.permit.take()].into_iter().flatten() {
            permit.release(context);
        }
        let Some(mut exchanged) = exchanged else {
            // It was no attempt.
            self.attempts -= 1;
            self.next = Some(request);
            self.work = Work::Queued(context.now());
            return;
        };
        self.budget_turn = None;
        self.under_way = exchanged.under_way.take();
        if exchanged.attempted {
            self.count(&exchanged);
            self.record_model_call(&exchanged, began, began_at, context);
        }
        let delivered = exchanged.delivered;
        match exchanged.result {
            Ok(response) if self.compacting.is_some() => self.compacted(&response, context),
            Ok(response) => {
                self.reported = match (response.usage, response.blocks.is_empty()) {
                    (Some(usage), false) => {
                        let tokens = usage.prompt().saturating_add(usage.output);
                        self.tokens = Some(tokens);
                        Some(Reported { messages: request.messages.len() + 1, tokens })
                    }
                    _ => {
                        self.tokens = None;
                        None
                    }
                };
                self.on(Event::Answered { response, lowered: exchanged.lowered }, context);
            }
            Err(Unanswered::Failed(error)) => {
                self.failures += 1;
                let remaining = self.deadline.since(context.now());
                let delay = self.slot.config.retry.next_delay(self.failures, &error, self.jitter(), Some(remaining));
                // What the caller has seen cannot be taken back.
                match delay.filter(|_| !delivered) {
                    Some(delay) => {
                        self.spent.retries += 1;
                        self.slot.service.counters.add_retry();
                        self.record_retry(&error, delay, context);
                        self.report(Activity::Retry { kind: error.kind.name() });
                        self.next = Some(request);
                        self.under_way = None;
                        self.work = Work::Backoff(context.now() + delay);
                    }
                    None => self.fail(Failed::Call(error), context),
                }
            }
            Err(Unanswered::TimeIsOver { .. }) => self.time_is_over(context),
            Err(Unanswered::Refused(failed)) => self.fail(failed, context),
            // Whoever ends this process has its reasons, and tells the caller.
            Err(Unanswered::Killed) => self.work = Work::Over,
        }
    }

    /// A number in `[0, 1)` that the place of the call and the failure determine, so that a run can be repeated.
    fn jitter(&self) -> f64 {
        let mut seed = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(self.failures);
        for byte in self.request.message.bytes().chain(self.request.call.0.to_le_bytes()) {
            seed = (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        fastrand::Rng::with_seed(seed).f64()
    }

    fn count(&mut self, exchanged: &Exchanged) {
        let spent = &mut self.spent;
        spent.usage.add(&exchanged.usage);
        spent.estimated |= exchanged.estimated;
        match exchanged.cost {
            Some(cost) => spent.cost = spent.cost.saturating_add(cost),
            None => spent.unpriced = true,
        }
        self.slot.service.counters.add_call(&exchanged.usage, exchanged.cost, exchanged.estimated);
    }
}
