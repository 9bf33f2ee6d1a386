//! Spans of the trace that a program opens around what it does.
//!
//! Invariant: a span is recorded once, when it ends: by the program, or with the last value that refers to it. What its process does
//! until then stands under it; a span that ended before one inside it passes its place on to the one around it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vega_scheduler::Instant;
use vega_trace::{Record, Sink, SpanId, TraceId};

use super::block::Extension;
use crate::native::NativeContext;
use crate::value::{HandleKind, HandleObject};

/// A span that is open, or was.
pub(crate) struct OpenSpan {
    ids: (TraceId, SpanId),
    begun: Instant,
    /// The open span around it, when it began.
    around: Option<Arc<OpenSpan>>,
    /// What is recorded when it ends; none from then on, and where nobody takes records.
    record: Mutex<State>,
}

enum State {
    Open(Option<Box<(Record, Sink)>>),
    Ended,
}

impl OpenSpan {
    fn state(&self) -> MutexGuard<'_, State> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        matches!(*self.state(), State::Open(_))
    }

    fn end(&self) {
        let State::Open(Some(record)) = std::mem::replace(&mut *self.state(), State::Ended) else { return };
        let (mut record, sink) = *record;
        record.latency = vega_scheduler::now().since(self.begun);
        sink.record(record);
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        // As many may stand inside one another as calls: not one native frame for each.
        let mut around = self.around.take();
        while let Some(span) = around {
            around = Arc::into_inner(span).and_then(|mut span| span.around.take());
        }
    }
}

impl Extension {
    /// The innermost span that is open.
    fn open_span(&self) -> Option<&Arc<OpenSpan>> {
        let mut innermost = self.opened.as_ref();
        while let Some(span) = innermost.filter(|span| !span.is_open()) {
            innermost = span.around.as_ref();
        }
        innermost
    }

    /// The trace that the process works for, and the span around what it does.
    pub(crate) fn span(&self) -> Option<(TraceId, SpanId)> {
        self.open_span().map(|span| span.ids).or(self.span)
    }
}

/// The program's reference to a span. The span ends with the last one.
pub struct SpanHandle(Arc<OpenSpan>);

impl SpanHandle {
    /// Ends the span, unless it has ended.
    pub fn end(&self) {
        self.0.end();
    }
}

impl Drop for SpanHandle {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for SpanHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl HandleObject for SpanHandle {
    fn kind(&self) -> HandleKind {
        HandleKind::Span
    }

    fn text(&self) -> String {
        format!("<span {}>", self.0.ids.1)
    }

    fn identity(&self) -> u64 {
        Arc::as_ptr(&self.0).addr() as u64
    }
}

impl NativeContext<'_> {
    /// Opens a span around what this process does from now on. The record, whose ids are the span's, is handed over when it ends.
    pub fn open_span(&self, record: Record) -> SpanHandle {
        let turn = self.turn();
        let extension = turn.life().extend();
        let span = Arc::new(OpenSpan {
            ids: (record.trace_id, record.span_id),
            begun: self.now(),
            around: extension.open_span().cloned(),
            record: Mutex::new(State::Open(
                self.trace().filter(|sink| sink.is_enabled()).map(|sink| Box::new((record, sink.clone()))),
            )),
        });
        extension.opened = Some(Arc::clone(&span));
        SpanHandle(span)
    }

    /// Changes what will be recorded of the innermost span that this process opened and that is open. False where there is none.
    pub fn change_span(&self, change: impl FnOnce(&mut Record)) -> bool {
        let turn = self.turn();
        let Some(span) = turn.life().extension().and_then(Extension::open_span) else { return false };
        if let State::Open(Some(record)) = &mut *span.state() {
            change(&mut record.0);
        }
        true
    }
}
