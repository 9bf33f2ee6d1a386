//! Where a program starts: `main`, or the statements of its file.

use super::definition::FunctionInfo;
use super::types::ERROR;
use super::{Checker, Work};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::resolve::definition::ValueDefinition;
use crate::resolve::module::ModuleId;

impl<'a> Checker<'a> {
    /// What `vega run` starts: `main`, or the statements of the file.
    pub(super) fn choose_entry(&mut self, module: ModuleId) {
        let file = self.modules[module.0 as usize].file;
        let main = self.modules[module.0 as usize].scope.values.get(&words::MAIN).copied();
        if let Some(ValueDefinition::Function(index)) = main {
            let info = self.functions[index as usize].clone();
            if let Some(first) = file.statements.first() {
                self.report(
                    Diagnostic::error(
                        codes::STATEMENTS_BESIDE_MAIN,
                        first.span,
                        "this file has both statements and a function `main`",
                    )
                    .with_label(info.declaration.head, "`main` is what runs")
                    .with_help("move the statements into `main`"),
                );
            }
            self.check_main_signature(&info);
            self.entry = self.function_ids[index as usize];
        } else if !file.statements.is_empty() {
            let id = self.new_function_id();
            self.entry = Some(id);
            self.queue.push_back(Work::Script(id, file));
        }
        // Files that are only imported may not run anything.
        for other in 0..self.modules.len() {
            let other = &self.modules[other];
            if let Some(first) = other.file.statements.first().filter(|_| !std::ptr::eq(other.file, file)) {
                let span = first.span;
                self.report(
                    Diagnostic::error(
                        codes::STATEMENTS_IN_IMPORT,
                        span,
                        "an imported file cannot have statements outside of functions",
                    )
                    .with_help("put them into a `pub fn` and call it"),
                );
            }
        }
    }

    fn check_main_signature(&mut self, info: &FunctionInfo<'a>) {
        let arguments = self.types.array(self.types.str);
        let takes_arguments = match info.parameters.as_slice() {
            [] => true,
            [only] => only.ty == arguments || only.ty == ERROR,
            _ => false,
        };
        let gives_status = [self.types.void, self.types.int, ERROR, self.types.never].contains(&info.result);
        if !takes_arguments || !gives_status {
            self.report(
                Diagnostic::error(codes::MAIN_SIGNATURE, info.declaration.head, "`main` cannot have this signature")
                    .with_help("write `fn main()` or `fn main(args: str[])`, with `-> int` if it gives an exit status"),
            );
        }
    }
}
