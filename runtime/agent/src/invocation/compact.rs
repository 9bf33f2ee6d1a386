//! The summary of a conversation that has become too long: a model call of its own before the first turn, with the invocation's budget,
//! retries and trace.

use std::sync::Arc;

use vega_runtime::native::NativeContext;

use super::{Invocation, Work};
use crate::exchange::base_request;
use crate::message::{Block, Message, Response, Round, StopReason, ToolChoice, Turn};

/// What the model is asked for. It stays in the history, before its answer.
const PROMPT: &str = "Summarise our conversation so far, for yourself to go on from: what was asked, facts, names, numbers, decisions and \
                      what is still open. Leave out everything else. Answer with the summary alone.";

impl Invocation {
    /// Asks for a summary if this call is the one that has to. Whether it did.
    pub(super) fn begin_compaction(&mut self) -> bool {
        let Some(compaction) = self.slot.compaction(self.request.call) else { return false };
        let mut request = base_request(&self.slot.config);
        // The tools are sent, so that what a provider has cached of the conversation still holds, but not to be called.
        request.tool_choice = ToolChoice::None;
        request.messages = compaction.messages;
        request.messages.push(Message::user([Block::text(PROMPT)]));
        self.compacting = Some(compaction.until);
        self.next = Some(Box::new(request));
        self.work = Work::Admission;
        true
    }

    /// The model has answered with a summary, or with nothing that could be one: then the rounds are dropped, as without `compact`.
    pub(super) fn compacted(&mut self, response: &Response, context: &NativeContext<'_>) {
        let Some(until) = self.compacting.take() else { return };
        let text = response.text();
        let is_usable = !text.trim().is_empty() && !matches!(response.stop_reason, StopReason::Refusal { .. });
        let summary = is_usable.then(|| {
            let mut round = Round::new([Block::text(PROMPT)]);
            round.turns.push(Turn { blocks: [Block::text(text)].into(), results: [].into() });
            round
        });
        if summary.is_none() {
            let name = &self.slot.config.name;
            self.slot
                .service
                .warn(&format!("{name}: the model gave no summary, so the oldest part of the conversation is forgotten"));
        }
        self.slot.compacted(until, summary);
        if self.slot.compaction_over(self.request.call) {
            let slot = Arc::clone(&self.slot);
            slot.wake(|address, message| {
                context.send_to(address, message);
            });
        }
        self.failures = 0;
        self.converse(context);
    }
}
