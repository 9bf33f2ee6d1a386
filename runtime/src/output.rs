//! Where a program's text goes: the runtime itself knows no terminal.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// A place for text, written by many processes. Failures are the implementation's to remember: a program does not fail because
/// nobody reads its output any more.
pub trait Output: Send + Sync + 'static {
    /// Writes all bytes at once: lines of two processes never mix.
    fn write(&self, bytes: &[u8]);

    /// Makes everything written visible.
    fn flush(&self) {}
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
