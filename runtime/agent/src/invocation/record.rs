//! What the trace learns of an invocation: one record for it, for each exchange, tool and repetition. No record holds what was said.

use std::time::{Duration, SystemTime};

use vega_runtime::native::NativeContext;
use vega_scheduler::Instant;
use vega_trace::{Kind, Record, SpanId, Status};

use super::Invocation;
use super::tools::RunningTool;
use crate::breaker::Change;
use crate::error::CallError;
use crate::exchange::{Exchanged, Unanswered};
use crate::message::Usage;
use crate::raise::{Failed, dollars};
use crate::request::Request;
use crate::slot::AgentSlot;

/// Characters of a message of an error that a record keeps.
const MESSAGE_CHARACTERS_MAX: usize = 500;

impl Invocation {
    fn record(&self, kind: Kind, span: SpanId, parent: Option<SpanId>, began_at: SystemTime, latency: Duration) -> Record {
        let config = &self.slot.config;
        let mut record = Record::new(kind, self.slot.service.trace, span, began_at);
        record.parent_span = parent;
        record.agent = Some(config.name.to_string());
        record.model = Some(config.model.to_string());
        record.latency = latency;
        record
    }

    fn put(&self, mut record: Record, context: Option<&NativeContext<'_>>) {
        if let Some(context) = context {
            record.coordinate = self.request.coordinate.text(context.module());
        }
        self.slot.service.sink.record(record);
    }

    pub(super) fn record_model_call(
        &self,
        exchanged: &Exchanged,
        began: Instant,
        began_at: SystemTime,
        context: &NativeContext<'_>,
    ) {
        if !self.slot.service.sink.is_enabled() {
            return;
        }
        let span = self.slot.service.new_span();
        let latency = context.now().since(began);
        let mut record = self.record(Kind::ModelCall, span, Some(self.span), began_at, latency);
        set_usage(&mut record, &exchanged.usage);
        record.cost_pico = exchanged.cost;
        record.estimated = exchanged.estimated;
        record.retries = self.failures;
        if exchanged.overrun > 0 {
            record.attributes.push(("budget_overrun".into(), dollars(exchanged.overrun).into()));
        }
        if let Some(first_chunk) = exchanged.first_chunk {
            let millis = u64::try_from(first_chunk.as_millis()).unwrap_or(u64::MAX);
            record.attributes.push(("time_to_first_chunk_ms".into(), millis.into()));
        }
        if self.compacting.is_some() {
            record.attributes.push(("purpose".into(), "compaction".into()));
        }
        match &exchanged.result {
            Ok(response) => {
                record.attributes.push(("stop_reason".into(), response.stop_reason.as_str().into()));
                if let Some(id) = &response.request_id {
                    record.attributes.push(("request_id".into(), id.as_str().into()));
                }
            }
            Err(Unanswered::Failed(error)) => {
                set_error(&mut record, error.kind.name(), &error.message);
                if let Some(id) = &error.request_id {
                    record.attributes.push(("request_id".into(), id.as_str().into()));
                }
            }
            Err(Unanswered::TimeIsOver { .. }) => set_error(&mut record, "Timeout", "the invocation's time is over"),
            Err(Unanswered::Refused(failed)) => set_error(&mut record, failed.kind_name(), &failed.message()),
            Err(Unanswered::Killed) => record.status = Status::Cancelled,
        }
        record.coordinate = context.coordinate_of_step(self.attempts).text(context.module());
        self.slot.service.sink.record(record);
    }

    pub(super) fn record_retry(&self, error: &CallError, delay: Duration, context: &NativeContext<'_>) {
        if !self.slot.service.sink.is_enabled() {
            return;
        }
        let span = self.slot.service.new_span();
        let mut record = self.record(Kind::Retry, span, Some(self.span), SystemTime::now(), delay);
        record.retries = self.failures;
        record.cost_pico = Some(0);
        set_error(&mut record, error.kind.name(), &error.message);
        self.put(record, Some(context));
    }

    /// The circuit breaker changed.
    pub(super) fn record_breaker(&self, change: Change, context: &NativeContext<'_>) {
        if !self.slot.service.sink.is_enabled() {
            return;
        }
        let span = self.slot.service.new_span();
        let mut record = self.record(Kind::CircuitBreaker, span, Some(self.span), SystemTime::now(), Duration::ZERO);
        record.name = self.slot.service.provider_name(&self.slot.config);
        let (state, failures) = match change {
            Change::Opened { failures } => ("open", Some(failures)),
            Change::HalfOpened => ("half_open", None),
            Change::Closed => ("closed", None),
        };
        record.attributes.push(("state".into(), state.into()));
        if let Some(failures) = failures {
            let reset_after = u64::try_from(self.slot.config.breaker.reset_after.as_millis()).unwrap_or(u64::MAX);
            record.attributes.push(("failures".into(), failures.into()));
            record.attributes.push(("reset_after_ms".into(), reset_after.into()));
        }
        self.put(record, Some(context));
    }

    pub(super) fn record_tool(
        &self,
        tool: &RunningTool,
        is_error: bool,
        error_kind: Option<String>,
        content: &str,
        context: &NativeContext<'_>,
    ) {
        if !self.slot.service.sink.is_enabled() {
            return;
        }
        let latency = context.now().since(tool.began);
        let mut record = self.record(Kind::ToolCall, tool.span, Some(self.span), tool.began_at, latency);
        record.name = tool.name.to_string();
        record.model = None;
        if is_error {
            // What a tool throws is said to the model, so its text is content; only denials are not.
            let message = if error_kind.as_deref() == Some("CapabilityDenied") { content } else { "" };
            set_error(&mut record, error_kind.as_deref().unwrap_or("Error"), message);
        }
        self.put(record, Some(context));
    }

    pub(super) fn record_invocation(&self, failed: Option<&Failed>, warning: Option<&str>, context: &NativeContext<'_>) {
        if !self.slot.service.sink.is_enabled() {
            return;
        }
        let latency = context.now().since(self.began).saturating_sub(self.queued_later());
        let mut record = self.whole(latency);
        if let Some(failed) = failed {
            set_error(&mut record, failed.kind_name(), &failed.message());
        }
        if let Some(warning) = warning {
            record.attributes.push(("warning".into(), warning.into()));
        }
        self.put(record, Some(context));
    }

    /// Its process was ended before it could end by itself.
    pub(super) fn record_cancelled(&self) {
        if !self.slot.service.sink.is_enabled() {
            return;
        }
        let mut record = self.whole(vega_scheduler::now().since(self.began));
        record.status = Status::Cancelled;
        self.put(record, None);
    }

    fn whole(&self, latency: Duration) -> Record {
        let mut record = self.record(Kind::Invocation, self.span, self.request.parent_span, self.began_at, latency);
        record.queued = self.queued;
        record.retries = self.spent.retries;
        record.estimated = self.spent.estimated;
        record.cost_pico = (!self.spent.unpriced).then_some(self.spent.cost);
        set_usage(&mut record, &self.spent.usage);
        record
    }

    /// Time in queues after the dispatch, which is no latency.
    fn queued_later(&self) -> Duration {
        self.queued.saturating_sub(self.began.since(self.request.queued_at))
    }
}

/// A request that was answered without an invocation: it waited too long, or the circuit breaker is open.
pub(crate) fn record_unstarted(slot: &AgentSlot, request: &Request, failed: &Failed, context: &NativeContext<'_>) {
    let sink = &slot.service.sink;
    if !sink.is_enabled() {
        return;
    }
    let mut record = Record::new(Kind::Invocation, slot.service.trace, slot.service.new_span(), SystemTime::now());
    record.parent_span = request.parent_span;
    record.agent = Some(slot.config.name.to_string());
    record.model = Some(slot.config.model.to_string());
    record.queued = context.now().since(request.queued_at);
    record.cost_pico = Some(0);
    record.coordinate = request.coordinate.text(context.module());
    set_error(&mut record, failed.kind_name(), &failed.message());
    sink.record(record);
}

fn set_usage(record: &mut Record, usage: &Usage) {
    record.input_tokens = usage.prompt();
    record.output_tokens = usage.output;
    record.cache_read_tokens = usage.cache_read;
    record.cache_write_tokens = usage.cache_write.saturating_add(usage.cache_write_1h);
}

fn set_error(record: &mut Record, kind: &str, message: &str) {
    record.status = Status::Error;
    record.error_kind = Some(kind.to_owned());
    if !message.is_empty() {
        record.error_message = Some(message.chars().take(MESSAGE_CHARACTERS_MAX).collect());
    }
}
