//! The thread that drains the buffer into an exporter.
//!
//! Only this thread touches the exporter, so an exporter may block, fail or be slow without any
//! process noticing. After its first failure an exporter is not called again; what arrives later is
//! counted as lost and reported by [`Collector::finish`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::Record;
use crate::sink::{Shared, Sink};

/// Records handed to an exporter at once.
const BATCH_RECORDS_MAX: usize = 512;

/// How long the end of a program waits for its exporters.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Brings records to where the user wants them. Called on one thread only.
pub trait Exporter: Send {
    /// Takes a batch, in the order of arrival.
    fn export(&mut self, batch: &[Record]) -> io::Result<()>;

    /// Makes everything exported so far durable or visible.
    fn flush(&mut self) -> io::Result<()>;
}

/// Owns the buffer and the exporting thread.
pub struct Collector {
    shared: Arc<Shared>,
    /// Delivers the thread's last word; `None` once it was taken.
    outcome: Option<Receiver<Exported>>,
}

/// What became of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Records that the exporter took.
    pub exported: u64,
    /// Records dropped because the buffer was full.
    pub dropped: u64,
    /// Records that reached the thread after the exporter had failed, or not in time.
    pub lost: u64,
    /// Why the exporter failed, or that the time limit passed.
    pub failure: Option<String>,
}

struct Exported {
    exported: u64,
    lost: u64,
    failure: Option<String>,
}

impl Collector {
    /// Starts the exporting thread. Fails only where the system gives no thread.
    pub fn start(exporter: impl Exporter + 'static, buffer_records: usize) -> io::Result<Collector> {
        let shared = Arc::new(Shared::new(buffer_records));
        let (report, outcome) = mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let handle = thread::Builder::new().name("vega-trace".into()).spawn(move || {
            // A failed send means that nobody waits for the outcome any more.
            let _ = report.send(drain(&of_thread, exporter));
        })?;
        // The thread may have gone to sleep before its handle is known to `wake`: wake it once, so
        // that it looks again.
        let _ = shared.exporter.set(handle.thread().clone());
        handle.thread().unpark();
        Ok(Collector { shared, outcome: Some(outcome) })
    }

    /// A handle for producers.
    pub fn sink(&self) -> Sink {
        Sink::new(Arc::clone(&self.shared))
    }

    /// Exports what is buffered, flushes, and says what became of it; waits at most `limit`.
    pub fn finish(mut self, limit: Duration) -> Delivery {
        self.close(limit)
    }

    fn close(&mut self, limit: Duration) -> Delivery {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.wake();
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let outcome = self.outcome.take().and_then(|outcome| outcome.recv_timeout(limit).ok());
        match outcome {
            Some(Exported { exported, lost, failure }) => Delivery { exported, dropped, lost, failure },
            None => Delivery {
                exported: 0,
                dropped,
                lost: self.shared.buffer.len() as u64,
                failure: Some(format!("the trace could not be written within {limit:?}")),
            },
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if self.outcome.is_some() {
            self.close(FLUSH_LIMIT);
        }
    }
}

/// Takes records until the buffer is empty and closing, then flushes.
fn drain(shared: &Shared, mut exporter: impl Exporter) -> Exported {
    let mut result = Exported { exported: 0, lost: 0, failure: None };
    let mut batch = Vec::new();
    loop {
        while batch.len() < BATCH_RECORDS_MAX
            && let Some(record) = shared.buffer.pop()
        {
            batch.push(*record);
        }
        if !batch.is_empty() {
            deliver(&mut exporter, &mut batch, &mut result);
        } else if shared.closing.load(Ordering::Acquire) && shared.buffer.is_empty() {
            if result.failure.is_none() {
                result.failure = exporter.flush().err().map(|error| error.to_string());
            }
            return result;
        } else {
            // A reader of the file sees whole records while the program is quiet.
            if result.failure.is_none() {
                result.failure = exporter.flush().err().map(|error| error.to_string());
            }
            if shared.is_idle() {
                thread::park();
            }
        }
    }
}

fn deliver(exporter: &mut impl Exporter, batch: &mut Vec<Record>, result: &mut Exported) {
    let count = batch.len() as u64;
    if result.failure.is_some() {
        result.lost += count;
    } else {
        match exporter.export(batch) {
            Ok(()) => result.exported += count,
            Err(error) => {
                result.lost += count;
                result.failure = Some(error.to_string());
            }
        }
    }
    batch.clear();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::mpsc::Sender;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::{Kind, SpanId, TraceId};

    fn record(number: u64) -> Record {
        let mut record = Record::new(Kind::Span, TraceId::from_random(1), SpanId::from_random(number + 1), UNIX_EPOCH);
        record.name = number.to_string();
        record
    }

    struct Names(Sender<String>);

    impl Exporter for Names {
        fn export(&mut self, batch: &[Record]) -> io::Result<()> {
            batch.iter().try_for_each(|record| self.0.send(record.name.clone())).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_record_arrives_in_order_from_a_sleeping_and_a_busy_thread() {
        let (sender, names) = mpsc::channel();
        let collector = Collector::start(Names(sender), 1_000).unwrap();
        let sink = collector.sink();
        for number in 0..10 {
            sink.record(record(number));
            // Waiting for each one makes the thread go to sleep in between.
            assert_eq!(names.recv().unwrap(), number.to_string());
        }
        (10..900).for_each(|number| sink.record(record(number)));
        let delivery = collector.finish(FLUSH_LIMIT);
        assert_eq!(delivery, Delivery { exported: 900, dropped: 0, lost: 0, failure: None });
        let rest: Vec<String> = names.try_iter().collect();
        assert_eq!(rest, (10..900).map(|number| number.to_string()).collect::<Vec<_>>());
    }

    /// Blocks in its first export until it is told to go on.
    struct Stuck(mpsc::Receiver<()>);

    impl Exporter for Stuck {
        fn export(&mut self, _batch: &[Record]) -> io::Result<()> {
            let _ = self.0.recv();
            Ok(())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_exporter_blocks_nobody_and_what_does_not_fit_is_counted() {
        let (go, stuck) = mpsc::channel();
        let collector = Collector::start(Stuck(stuck), 4).unwrap();
        let sink = collector.sink();
        for number in 0..1_000 {
            sink.record(record(number));
        }
        // At most one batch is in the exporter's hands and four records are in the buffer.
        let dropped = sink.dropped();
        assert!((1..1_000).contains(&dropped), "{dropped}");
        go.send(()).unwrap();
        drop(go);
        let delivery = collector.finish(FLUSH_LIMIT);
        assert_eq!(delivery.exported + delivery.dropped, 1_000);
        assert_eq!(delivery.failure, None);
    }

    #[test]
    fn the_end_waits_no_longer_than_its_limit() {
        let (go, stuck) = mpsc::channel();
        let collector = Collector::start(Stuck(stuck), 4).unwrap();
        collector.sink().record(record(1));
        let delivery = collector.finish(Duration::from_millis(20));
        assert!(delivery.failure.is_some_and(|text| text.contains("20ms")));
        drop(go);
    }

    struct Failing;

    impl Exporter for Failing {
        fn export(&mut self, _batch: &[Record]) -> io::Result<()> {
            Err(io::Error::other("no space left"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failed_exporter_is_reported_with_what_it_lost() {
        let collector = Collector::start(Failing, 100).unwrap();
        let sink = collector.sink();
        (0..50).for_each(|number| sink.record(record(number)));
        let delivery = collector.finish(FLUSH_LIMIT);
        assert_eq!((delivery.exported, delivery.lost), (0, 50));
        assert_eq!(delivery.failure.as_deref(), Some("no space left"));
    }
}
