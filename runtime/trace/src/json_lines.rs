//! Writes each record as one JSON object on one line.

use std::io::{self, BufWriter, Write};

use crate::{Exporter, Record};

/// The exporter behind `--trace FILE.jsonl`.
pub struct JsonLines<W: Write + Send> {
    output: BufWriter<W>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `output`, which need not be buffered.
    pub fn new(output: W) -> JsonLines<W> {
        JsonLines { output: BufWriter::new(output) }
    }
}

impl<W: Write + Send> Exporter for JsonLines<W> {
    fn export(&mut self, batch: &[Record]) -> io::Result<()> {
        for record in batch {
            serde_json::to_writer(&mut self.output, record)?;
            self.output.write_all(b"\n")?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::{Kind, SpanId, TraceId};

    #[test]
    fn a_line_break_inside_a_record_does_not_break_its_line() {
        let mut record = Record::new(Kind::Span, TraceId::from_random(1), SpanId::from_random(2), UNIX_EPOCH);
        record.name = "two\nlines".into();
        let mut output = Vec::new();
        let mut exporter = JsonLines::new(&mut output);
        exporter.export(&[record.clone(), record]).unwrap();
        exporter.flush().unwrap();
        drop(exporter);
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["name"], "two\nlines");
        }
    }
}
