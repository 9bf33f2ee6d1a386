//! `vega build`: source to a bytecode file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::refuse;
use crate::arguments::BuildArguments;
use crate::program::{self, Problem};
use crate::project;

pub(super) fn run(arguments: &BuildArguments) -> ExitCode {
    let module = match program::compile(&arguments.program, true) {
        Ok(program) => program.module.into_module(),
        Err(Problem::Shown(status)) => return status,
        Err(Problem::Said(text)) => return refuse(&text),
    };
    let output = arguments.output.clone().unwrap_or_else(|| arguments.program.with_extension("vgb"));
    if output == arguments.program {
        return refuse(&format!("the bytecode would overwrite `{}`; name another file with --output", output.display()));
    }
    match write(&output, &vega_bytecode::format::encode(&module)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("cannot write `{}`: {}", output.display(), project::write_reason(&error))),
    }
}

/// Writes a file whole or not at all: whoever reads it meanwhile sees the old one.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .inspect_err(|_| drop(std::fs::remove_file(&beside)))
}
