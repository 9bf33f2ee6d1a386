//! One record of the trace: what an invocation, model call, tool call, retry, restart or span did.
//!
//! Its JSON form is a promise to users: the field names never change their meaning, and fields that
//! do not apply to a record are left out. Amounts are integers until the moment they are written.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{SpanId, TraceId};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message to an agent, from dispatch to reply.
    Invocation,
    /// One exchange with a model.
    ModelCall,
    /// One run of a tool.
    ToolCall,
    /// A failed attempt that is going to be repeated.
    Retry,
    /// A supervisor started a child again.
    Restart,
    /// A circuit breaker opened, let a probe through or closed.
    CircuitBreaker,
    /// A span that the program opened itself.
    Span,
    /// Something that the program noted.
    Event,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// As hoped.
    Ok,
    /// With an error, whose kind is in [`Record::error_kind`].
    Error,
    /// It was stopped before it could end by itself.
    Cancelled,
}

/// One record. [`Record::new`] fills what every record has; the rest starts empty.
#[derive(Clone, Debug)]
pub struct Record {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The record that it happened within.
    pub parent_span: Option<SpanId>,
    /// What the record is about.
    pub kind: Kind,
    /// The tool, the span or the restarted child; empty for invocations and model calls.
    pub name: String,
    /// The agent's name, where there is one.
    pub agent: Option<String>,
    /// The model's name, where there is one.
    pub model: Option<String>,
    /// Where in the program's run it happened, independent of timing.
    pub coordinate: String,
    /// When it began.
    pub started_at: SystemTime,
    /// From the start to the end, time in queues not counted.
    pub latency: Duration,
    /// Time spent waiting for admission: rate limits, budgets and the agent's own queue.
    pub queued: Duration,
    /// Tokens sent, those read from and written to the provider's cache included.
    pub input_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
    /// The part of the input that the provider read from its cache.
    pub cache_read_tokens: u64,
    /// The part of the input that the provider wrote to its cache.
    pub cache_write_tokens: u64,
    /// What it cost, in 10^-12 dollars; `None` where the model's price is not known.
    pub cost_pico: Option<i64>,
    /// How it ended.
    pub status: Status,
    /// Attempts after the first.
    pub retries: u32,
    /// The error's kind as the program sees it.
    pub error_kind: Option<String>,
    /// The error's message.
    pub error_message: Option<String>,
    /// Whether tokens and cost are estimates, because the provider reported none.
    pub estimated: bool,
    /// What the program attached, in its order.
    pub attributes: Vec<(String, Value)>,
}

impl Kind {
    /// The word used in every exported form.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Invocation => "invocation",
            Kind::ModelCall => "model_call",
            Kind::ToolCall => "tool_call",
            Kind::Retry => "retry",
            Kind::Restart => "restart",
            Kind::CircuitBreaker => "circuit_breaker",
            Kind::Span => "span",
            Kind::Event => "event",
        }
    }
}

impl Status {
    /// The word used in every exported form.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        }
    }
}

impl Record {
    /// A record that began at `started_at` and has nothing to report yet.
    pub fn new(kind: Kind, trace_id: TraceId, span_id: SpanId, started_at: SystemTime) -> Record {
        Record {
            trace_id,
            span_id,
            parent_span: None,
            kind,
            name: String::new(),
            agent: None,
            model: None,
            coordinate: String::new(),
            started_at,
            latency: Duration::ZERO,
            queued: Duration::ZERO,
            input_tokens: 0,
            output_tokens: 0,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            cost_pico: None,
            status: Status::Ok,
            retries: 0,
            error_kind: None,
            error_message: None,
            estimated: false,
            attributes: Vec::new(),
        }
    }

    /// Whether the record speaks of tokens and money.
    fn has_usage(&self) -> bool {
        matches!(self.kind, Kind::Invocation | Kind::ModelCall | Kind::Retry)
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("trace_id", &self.trace_id)?;
        map.serialize_entry("span_id", &self.span_id)?;
        map.serialize_entry("kind", self.kind.as_str())?;
        if !self.name.is_empty() {
            map.serialize_entry("name", &self.name)?;
        }
        if let Some(agent) = &self.agent {
            map.serialize_entry("agent", agent)?;
        }
        if let Some(model) = &self.model {
            map.serialize_entry("model", model)?;
        }
        if self.has_usage() {
            map.serialize_entry("input_tokens", &self.input_tokens)?;
            map.serialize_entry("output_tokens", &self.output_tokens)?;
            map.serialize_entry("cache_read_tokens", &self.cache_read_tokens)?;
            map.serialize_entry("cache_write_tokens", &self.cache_write_tokens)?;
            let cost = match self.cost_pico {
                Some(pico) => Some(RawValue::from_string(dollars(pico)).map_err(S::Error::custom)?),
                None => None,
            };
            map.serialize_entry("cost_usd", &cost)?;
            map.serialize_entry("estimated", &self.estimated)?;
        }
        map.serialize_entry("latency_ms", &millis(self.latency))?;
        map.serialize_entry("queue_ms", &millis(self.queued))?;
        map.serialize_entry("status", self.status.as_str())?;
        map.serialize_entry("retries", &self.retries)?;
        if let Some(kind) = &self.error_kind {
            map.serialize_entry("error_kind", kind)?;
        }
        if let Some(message) = &self.error_message {
            map.serialize_entry("error_message", message)?;
        }
        map.serialize_entry("parent_span", &self.parent_span)?;
        map.serialize_entry("coordinate", &self.coordinate)?;
        map.serialize_entry("started_at", &rfc3339(self.started_at))?;
        if !self.attributes.is_empty() {
            let attributes: serde_json::Map<String, Value> = self.attributes.iter().cloned().collect();
            map.serialize_entry("attributes", &attributes)?;
        }
        map.end()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An amount of 10^-12 dollars as an exact decimal, without an exponent: `57_000_000` is `0.000057`.
fn dollars(pico: i64) -> String {
    const PICO_PER_DOLLAR: u64 = 1_000_000_000_000;
    let magnitude = pico.unsigned_abs();
    let mut text = String::new();
    if pico < 0 {
        text.push('-');
    }
    let _ = write!(text, "{}.{:012}", magnitude / PICO_PER_DOLLAR, magnitude % PICO_PER_DOLLAR);
    while text.ends_with('0') {
        text.pop();
    }
    // At least one digit stays behind the point: a JSON number may not end in it.
    if text.ends_with('.') {
        text.push('0');
    }
    text
}

/// The instant in UTC with microseconds, as RFC 3339 writes it.
fn rfc3339(instant: SystemTime) -> String {
    const DAY_S: i64 = 86_400;
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let (days, second_of_day) = (seconds / DAY_S, seconds % DAY_S);
    // Howard Hinnant's civil-from-days, counted from 0000-03-01 in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60,
        since.subsec_micros()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(seconds: u64, micros: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, micros * 1_000)
    }

    #[test]
    fn an_invocation_has_the_promised_fields() {
        let mut record = Record::new(
            Kind::Invocation,
            TraceId::from_random(0xabc123),
            SpanId::from_random(0xdef456),
            at(1_795_340_000, 250_000),
        );
        record.agent = Some("Coder".into());
        record.model = Some("claude-sonnet-4-20250514".into());
        (record.input_tokens, record.output_tokens) = (150, 892);
        record.cost_pico = Some(4_300_000_000);
        record.latency = Duration::from_millis(2_341);
        record.parent_span = Some(SpanId::from_random(0x789));
        record.coordinate = "main:0".into();
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            concat!(
                r#"{"trace_id":"00000000000000000000000000abc123","span_id":"0000000000def456","kind":"invocation","#,
                r#""agent":"Coder","model":"claude-sonnet-4-20250514","input_tokens":150,"output_tokens":892,"#,
                r#""cache_read_tokens":0,"cache_write_tokens":0,"cost_usd":0.0043,"estimated":false,"#,
                r#""latency_ms":2341,"queue_ms":0,"status":"ok","retries":0,"parent_span":"0000000000000789","#,
                r#""coordinate":"main:0","started_at":"2026-11-22T09:33:20.250000Z"}"#
            )
        );
    }

    #[test]
    fn an_unknown_price_is_null_and_a_tool_call_speaks_of_no_money() {
        let ids = (TraceId::from_random(1), SpanId::from_random(2));
        let call = Record::new(Kind::ModelCall, ids.0, ids.1, at(0, 0));
        assert!(serde_json::to_string(&call).unwrap().contains(r#""cost_usd":null"#));
        let mut tool = Record::new(Kind::ToolCall, ids.0, ids.1, at(0, 0));
        tool.attributes.push(("path".into(), "a.txt".into()));
        let text = serde_json::to_string(&tool).unwrap();
        assert!(!text.contains("cost_usd"), "{text}");
        assert!(text.contains(r#""attributes":{"path":"a.txt"}"#), "{text}");
    }

    #[test]
    fn money_is_written_exactly() {
        for (pico, text) in [
            (0, "0.0"),
            (1, "0.000000000001"),
            (57_000_000, "0.000057"),
            (1_522_500_000_000, "1.5225"),
            (-2_000_000_000_000, "-2.0"),
            (i64::MAX, "9223372.036854775807"),
        ] {
            assert_eq!(dollars(pico), text);
        }
    }

    #[test]
    fn instants_are_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000000Z"),
            (4_102_444_800, "2100-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(at(seconds, 0)), text);
        }
    }
}
