//! `vega disasm`: bytecode as text. A file that verification refuses is shown all the same, with the reason.

use std::process::ExitCode;

use vega_bytecode::{FunctionId, disassemble, verify};

use super::{USAGE, refuse};
use crate::arguments::DisasmArguments;
use crate::console;
use crate::program::{self, Problem};

pub(super) fn run(arguments: &DisasmArguments) -> ExitCode {
    let module = match program::module(&arguments.program, true) {
        Ok(module) => module,
        Err(Problem::Shown(status)) => return status,
        Err(Problem::Said(text)) => return refuse(&text),
    };
    match &arguments.function {
        None => console::print(&disassemble::module(&module)),
        Some(name) => {
            let found: Vec<_> = (0..module.functions.len()).filter(|&at| module.functions[at].name == *name).collect();
            if found.is_empty() {
                return refuse(&format!("`{}` has no function `{name}`", arguments.program.display()));
            }
            for at in found {
                console::print(&disassemble::function(&module, FunctionId(at as u32)));
            }
        }
    }
    match verify::verify(module) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            console::error(&format!("this bytecode would not be run: {error}"));
            ExitCode::from(USAGE)
        }
    }
}
