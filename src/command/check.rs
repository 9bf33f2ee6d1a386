//! `vega check`: everything there is to say about programs, without running them.

use std::process::ExitCode;

use super::USAGE;
use crate::arguments::CheckArguments;
use crate::console;
use crate::program;
use crate::project::Project;

pub(super) fn run(arguments: &CheckArguments) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for path in &arguments.programs {
        let project = Project::of(path);
        let compiled = match vega_compiler::check(&program::Texts(&project), project.entry()) {
            Ok(compiled) => compiled,
            Err(error) => {
                console::error(&program::unreadable(path, &error));
                status = ExitCode::from(USAGE);
                continue;
            }
        };
        program::show(&compiled, &project);
        if program::has_errors(&compiled) {
            console::error(&program::failure(path, &compiled));
            status = ExitCode::from(USAGE);
        } else if !arguments.quiet {
            let found = crate::report::counts(&compiled.diagnostics).unwrap_or_else(|| "no mistakes".to_owned());
            console::complain(&format!("{}: {found}\n", path.display()));
        }
    }
    status
}
