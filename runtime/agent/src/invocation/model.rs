//! The exchanges of an invocation with its model: admission, the call, and what follows from it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::SystemTime;

use vega_runtime::native::NativeContext;

use super::{Invocation, Work};
use crate::bound::Reported;
use crate::breaker::{Change, Verdict};
use crate::error::{Billed, ErrorKind};
use crate::exchange::{Exchange, Exchanged, Unanswered};
use crate::flow::Outlet;
use crate::limits::{Need, Permit, Used};
use crate::message::Block;
use crate::progress::Activity;
use crate::raise::Failed;
use crate::turn::Event;

/// What a block is taken for whose length is not worth counting.
const ROUGH_BLOCK_BYTES: usize = 256;

impl Invocation {
    /// Takes what the next exchange needs, or queues for it.
    pub(super) fn admit(&mut self, context: &NativeContext<'_>) {
        self.work = Work::Call;
        if self.permit.is_some() {
            return;
        }
        self.permit = match &self.slot.member {
            None => Some(Permit::unlimited()),
            Some(member) => match member.enter(self.need(), context) {
                Ok(permit) => Some(permit),
                Err(waiting) => {
                    self.waiting = Some(waiting);
                    self.work = Work::Queued(context.now());
                    None
                }
            },
        };
    }

    /// The tokens that the next exchange may need.
    fn need(&self) -> Need {
        let known = self.reported.map_or(0, |reported| reported.messages);
        let messages = self.next.as_ref().map_or(&[][..], |request| &request.messages);
        let new: usize = messages.iter().skip(known).flat_map(|message| message.blocks.iter()).map(bytes_of).sum();
        self.slot.need(new, self.reported.map_or(0, |reported| reported.tokens))
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
            began,
            deadline: self.deadline,
            outlet: self.request.flow.as_deref().map(|flow| Outlet { flow, to: &self.request.reply_to }),
            heard: Cell::default(),
        };
        let exchanged = exchange.run(context, &request, &mut self.budget_turn);
        if let Some(permit) = self.permit.take() {
            permit.release(&exchanged.as_ref().map_or_else(Used::default, Exchanged::used), context);
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
        self.verdict = exchanged.verdict();
        if exchanged.attempted {
            self.count(&exchanged);
            self.record_model_call(&exchanged, began, began_at, context);
        }
        let delivered = exchanged.first_chunk.is_some();
        match exchanged.result {
            Ok(response) if self.compacting.is_some() => self.compacted(&response, context),
            Ok(response) => {
                self.reported = match (response.usage, response.blocks.is_empty()) {
                    (Some(usage), false) => {
                        let tokens = usage.prompt().saturating_add(usage.output);
                        self.slot.counted(tokens);
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
                let mut error = error;
                let delay = delay.filter(|_| {
                    // What a tool has changed cannot be taken back, and what follows from it is for the program to say.
                    let effect_ran = self.request.effect_ran();
                    if effect_ran {
                        error.message.push_str("; not tried again, because a tool of this call had an effect");
                    }
                    !effect_ran
                });
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

    /// Asks the circuit breaker whether it may begin.
    pub(super) fn enter_breaker(&mut self, context: &NativeContext<'_>) -> Result<(), Failed> {
        match self.slot.breaker.enter(self.slot.config.breaker, context.now()) {
            Ok((pass, change)) => {
                self.pass = Some(pass);
                self.breaker_changed(change, context);
                Ok(())
            }
            Err(retry_after) => Err(self.slot.circuit_open(retry_after)),
        }
    }

    /// Tells the circuit breaker how it ended.
    pub(super) fn leave_breaker(&mut self, context: &NativeContext<'_>) {
        if let Some(pass) = self.pass.take() {
            let change = pass.end(self.verdict, self.slot.config.breaker, context.now());
            self.breaker_changed(change, context);
        }
    }

    fn breaker_changed(&self, change: Option<Change>, context: &NativeContext<'_>) {
        let Some(change) = change else { return };
        self.record_breaker(change, context);
        if let Change::Opened { failures } = change {
            let policy = self.slot.config.breaker;
            let times = if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
            self.slot.service.warn(&format!(
                "the circuit breaker of `{}` is open: {} failed {times}, so calls fail at once for {:?}",
                self.slot.config.name,
                self.slot.service.provider_name(&self.slot.config),
                policy.reset_after
            ));
        }
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

/// About as many bytes as a block has on its way.
fn bytes_of(block: &Block) -> usize {
    match block {
        Block::Text(text) => text.len(),
        Block::ToolResult(result) => result.content.len(),
        Block::ToolUse(_) | Block::Media(_) | Block::Raw(_) => ROUGH_BLOCK_BYTES,
    }
}

impl Exchanged {
    /// What the limits learn of it.
    fn used(&self) -> Used {
        let refused = match &self.result {
            Err(Unanswered::Failed(error)) if error.kind == ErrorKind::RateLimited && error.retry.is_some() => {
                Some(error.retry_after)
            }
            _ => None,
        };
        let is_sent = match &self.result {
            Ok(_) | Err(Unanswered::Killed | Unanswered::TimeIsOver { sent: true }) => true,
            Err(Unanswered::Failed(error)) => self.heard.is_some() || error.billed != Billed::Nothing,
            Err(Unanswered::Refused(_) | Unanswered::TimeIsOver { sent: false }) => false,
        };
        // Of an error that is an answer nothing is counted, of a broken stream what had come.
        let tokens = (self.heard.is_some() || self.result.is_ok())
            .then(|| Need { input: self.usage.input.saturating_add(self.usage.cache_write), output: self.usage.output });
        Used { is_sent, is_answered: self.heard.is_some(), tokens, announced: self.heard.unwrap_or_default(), refused }
    }

    /// What the circuit breaker learns of it.
    fn verdict(&self) -> Verdict {
        match &self.result {
            Ok(_) => Verdict::Works,
            Err(Unanswered::Failed(error)) if error.trips_breaker() => Verdict::Fails,
            Err(Unanswered::Failed(_)) if self.heard.is_some() => Verdict::Works,
            Err(_) => Verdict::Unknown,
        }
    }
}
