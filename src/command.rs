//! The commands: one file each. A command gives the exit status back; it never ends the process in the middle.

mod bench; // what processes cost
mod build; // source to bytecode file
mod check; // mistakes in programs
mod disasm; // bytecode as text
mod explain; // what a diagnostic means
mod mock_server; // the scripted model over HTTP
mod run; // compiles and runs
mod statistics; // what a run did, for --stats

use std::process::ExitCode;

use crate::arguments::Command;
use crate::console;

/// Exit status of wrong usage, and of a program that does not compile.
pub(crate) const USAGE: u8 = 2;

/// Runs a command.
pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Disasm(arguments) => disasm::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::MockServer(arguments) => mock_server::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Version => {
            console::print(&format!("vega {}\n", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
    }
}

/// Says what is wrong and gives the status for it.
pub(crate) fn refuse(problem: &str) -> ExitCode {
    console::error(problem);
    ExitCode::from(USAGE)
}
