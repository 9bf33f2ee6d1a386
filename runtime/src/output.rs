//! Where a program's text goes: the runtime itself knows no terminal.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::process::Pid;

/// A place for text, written by many processes. Failures are the implementation's to remember: a program does not fail because
/// nobody reads its output any more.
pub trait Output: Send + Sync + 'static {
    /// Writes all bytes at once: lines of two processes never mix.
    fn write(&self, bytes: &[u8]);

    /// Makes everything written visible.
    fn flush(&self) {}
}

/// The program's output, and which process left a line of it unfinished: parts of a streamed answer are written as they come, and
/// their line is ended when the stream ends.
pub(crate) struct ProgramOutput {
    to: Arc<dyn Output>,
    /// The process's id as bits; 0 where the line is finished, or continued by somebody else.
    unfinished: AtomicU64,
}

impl ProgramOutput {
    pub(crate) fn new(to: Arc<dyn Output>) -> Self {
        Self { to, unfinished: AtomicU64::new(0) }
    }

    /// Writes all bytes at once.
    pub(crate) fn write(&self, bytes: &[u8]) {
        // Only whether a newline is added depends on it, so no other memory needs ordering.
        if self.unfinished.load(Ordering::Relaxed) != 0 {
            self.unfinished.store(0, Ordering::Relaxed);
        }
        self.to.write(bytes);
    }

    /// Writes bytes whose line the process is going to finish.
    pub(crate) fn write_unfinished(&self, bytes: &[u8], process: Pid) {
        let Some(last) = bytes.last() else { return };
        self.to.write(bytes);
        self.unfinished.store(if *last == b'\n' { 0 } else { process.to_bits() }, Ordering::Relaxed);
    }

    /// Ends the line that the process left unfinished, unless it is finished.
    pub(crate) fn end_line(&self, process: Pid) {
        if self.unfinished.compare_exchange(process.to_bits(), 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.to.write(b"\n");
        }
    }

    pub(crate) fn flush(&self) {
        self.to.flush();
    }
}

/// Everything is thrown away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl Output for Discard {
    fn write(&self, _: &[u8]) {}
}

/// Everything is kept, to be read later.
#[derive(Debug, Default)]
pub struct Collect(Mutex<Vec<u8>>);

impl Collect {
    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Output for Collect {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
}

/// Everything goes to a writer, whose own buffering decides when it appears.
pub struct ToWriter<W: Write + Send + 'static>(Mutex<W>);

impl<W: Write + Send + 'static> ToWriter<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }
}

impl<W: Write + Send + 'static> Output for ToWriter<W> {
    fn write(&self, bytes: &[u8]) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed pipe is no reason to end: whoever reads has seen enough.
        let _ = writer.write_all(bytes);
    }

    fn flush(&self) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}
