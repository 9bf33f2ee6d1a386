//! The `vega` command: the only code of the project that reads arguments, configuration and the terminal.
//!
//! Exit status: 0 success, 1 an uncaught error in the program (or what its `main` returns), 2 wrong usage or a program that does not
//! compile, 129, 130 and 143 where the terminal was closed, interrupted and terminated.

mod agents; // the agents of a run
mod approvals; // who sits before the program and decides
mod allocator; // memory
mod arguments; // the command line as data
mod command; // one file a command
mod config; // `vega.toml`
mod console; // standard output and error
mod interrupt; // what signals do
mod program; // from a file to a verified module
mod progress; // a line per running agent
mod project; // where a program's files are
mod providers; // what `vega.toml` says about models and those who serve them
mod report; // diagnostics as text
mod web; // requests of programs to servers

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// How the names of the runtime's threads begin, whose panics the runtime reports.
const RUNTIME_THREADS: &str = "vega-";

fn main() -> ExitCode {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    quiet_panics();
    match std::panic::catch_unwind(|| command::run(arguments.command)) {
        Ok(status) => status,
        // The hook has said what happened.
        Err(_) => ExitCode::FAILURE,
    }
}

/// A panic in a native is that process's end, which the runtime reports; any other is a defect of this command, and is called that.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if std::thread::current().name().is_some_and(|name| name.starts_with(RUNTIME_THREADS)) {
            return;
        }
        let place = panic.location().map(|location| format!(" ({}:{})", location.file(), location.line())).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("a panic without words");
        console::error(&format!("this is a defect of vega itself, please report it: {text}{place}"));
    }));
}

/// Shows help where it was asked for, else what is wrong with the command line.
fn refuse(error: &clap::Error) -> ExitCode {
    let status = if error.use_stderr() { command::USAGE } else { 0 };
    if error.print().is_err() {
        // Nobody reads it.
        return ExitCode::from(command::USAGE);
    }
    ExitCode::from(status)
}
