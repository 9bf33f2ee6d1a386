//! Standard output and error of the command.
//!
//! Invariant: writing never panics. Where nobody reads standard output any more, the command ends quietly, as other tools do.

use std::io::{self, Write};

use vega_runtime::output::Output;

/// What a shell reports of a tool that was ended by a closed pipe.
const STATUS_CLOSED_PIPE: i32 = 141;

/// Writes to standard output.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        end_on(&error);
    }
}

/// Writes to standard error. There is nobody to tell when that fails.
pub(crate) fn complain(text: &str) {
    let mut out = anstream::stderr().lock();
    let _unread = out.write_all(text.as_bytes());
}

/// One line of the command's own on standard error: `error: …`.
pub(crate) fn error(text: &str) {
    let style = anstyle::AnsiColor::BrightRed.on_default().bold();
    complain(&format!("{style}error{style:#}: {text}\n"));
}

/// One line of the command's own on standard error: `warning: …`.
pub(crate) fn warning(text: &str) {
    let style = anstyle::AnsiColor::Yellow.on_default().bold();
    complain(&format!("{style}warning{style:#}: {text}\n"));
}

fn end_on(error: &io::Error) {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(STATUS_CLOSED_PIPE);
    }
    complain(&format!("cannot write to standard output: {error}\n"));
    std::process::exit(1);
}

/// The standard output of a program that runs. Every line is written at once, so that it stands where it belongs among the lines of
/// standard error.
pub(crate) struct ProgramOutput;

impl Output for ProgramOutput {
    fn write(&self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| if bytes.ends_with(b"\n") { Ok(()) } else { out.flush() }) {
            end_on(&error);
        }
    }

    fn flush(&self) {
        if let Err(error) = io::stdout().lock().flush() {
            end_on(&error);
        }
    }
}

/// The standard error of a program that runs.
pub(crate) struct ProgramErrors;

impl Output for ProgramErrors {
    fn write(&self, bytes: &[u8]) {
        let _unread = io::stderr().lock().write_all(bytes);
    }
}
