//! `trace`: what programs add to the trace of their run.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use vega_agent::Agents;
use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::process::SpanHandle;
use vega_runtime::value::{Handle, Value, View, json};
use vega_trace::{Kind, Record, SpanId, TraceId};

use crate::arguments::{any, error, invalid, text};

pub(crate) fn register(table: &mut NativeTable) {
    table.add("trace::span", 1, |context, arguments| {
        let record = record(context, Kind::Span, text(arguments, 0)?)?;
        Ok(Value::from(Handle::new(Arc::new(context.open_span(record)))).into())
    });
    table.add("trace::end", 1, |_, arguments| {
        let View::Handle(handle) = any(arguments, 0)?.view() else { return Err(invalid("argument 1 is no span")) };
        handle.downcast::<SpanHandle>().ok_or_else(|| invalid("argument 1 is no span"))?.end();
        Ok(().into())
    });
    table.add("trace::event", 1, |context, arguments| {
        let record = record(context, Kind::Event, text(arguments, 0)?)?;
        put(context, record);
        Ok(().into())
    });
    table.add("trace::set_attribute", 2, |context, arguments| {
        let key = text(arguments, 0)?;
        let value = attribute(any(arguments, 1)?, context)?;
        let set = |record: &mut Record| match record.attributes.iter_mut().find(|(other, _)| other == key) {
            Some((_, before)) => *before = value.clone(),
            None => record.attributes.push((key.to_owned(), value.clone())),
        };
        if !context.change_span(set) {
            // No span of the program is open: what it says stands by itself, under whatever is around.
            let mut record = record(context, Kind::Event, key)?;
            set(&mut record);
            put(context, record);
        }
        Ok(().into())
    });
}

/// A record of this place in the program, under the span around it.
fn record(context: &NativeContext<'_>, kind: Kind, name: &str) -> Result<Record, Error> {
    let agents = context.extension::<Agents>();
    let around = context.span();
    let trace = match (&around, &agents) {
        (Some((trace, _)), _) => *trace,
        (None, Some(agents)) => agents.trace_id(),
        (None, None) => TraceId::from_random(fastrand::u128(..)),
    };
    let span = agents.map_or_else(|| SpanId::from_random(fastrand::u64(..)), |agents| agents.new_span_id());
    let nanoseconds = u64::try_from(context.wall_clock_nanoseconds()?).unwrap_or_default();
    let mut record = Record::new(kind, trace, span, UNIX_EPOCH + Duration::from_nanos(nanoseconds));
    record.parent_span = around.map(|(_, span)| span);
    record.name = name.to_owned();
    record.coordinate = context.coordinate().text(context.module());
    Ok(record)
}

fn put(context: &NativeContext<'_>, record: Record) {
    if let Some(sink) = context.trace() {
        sink.record(record);
    }
}

/// A value in its JSON form; what has none, as it prints.
fn attribute(value: &Value, context: &NativeContext<'_>) -> Result<serde_json::Value, Error> {
    match json::encode(value, context.module()) {
        Ok(text) => serde_json::from_str(&text).map_err(|problem| error(kinds::JSON_ERROR, problem.to_string())),
        Err(_) => Ok(vega_runtime::value::print::to_text(value, context.module()).into()),
    }
}
