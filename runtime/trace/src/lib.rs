//! Trace records, the bounded buffer between processes and exporters, and the JSON-lines exporter.
//!
//! Whoever produces a record never waits: a full buffer drops the record and counts it. Exporters
//! run on a thread of their own and see every record that was not dropped, in the order of arrival.
mod export; // the thread that drains the buffer into an exporter
mod id; // trace and span identifiers
mod json_lines; // one JSON object a line
mod record; // what is known about one invocation, call, retry, restart or span
mod sink; // where records are put without waiting

pub use export::{Collector, Delivery, Exporter, FLUSH_LIMIT};
pub use id::{SpanId, TraceId};
pub use json_lines::JsonLines;
pub use record::{Kind, Record, Status};
pub use sink::{BUFFER_RECORDS_DEFAULT, Sink};
