//! Proves once, when a program is loaded, what the interpreter then relies on without looking.
//!
//! After it: every index names something; every register operand lies in its function's frame, call windows included; every jump
//! lands on an instruction and no function runs off its end; every call passes as many arguments as its target takes; types contain
//! only types before them. What the *values* in registers are is not proven: the interpreter reads scalars of any register safely and
//! looks at the tag before it follows a pointer.

mod code; // one function's instructions
mod tables; // everything around the code

use std::fmt;

use crate::module::{FunctionId, Module};
use crate::opcode::Opcode;

/// Most registers of one function.
pub const REGISTERS_MAX: u16 = 8_192;
/// Most instructions of one function: every jump within it can be written.
pub const CODE_MAX: usize = 1 << 22;
/// How deep types may be nested: what follows them recursively needs no more stack than this.
pub const TYPE_DEPTH_MAX: u16 = 200;
/// Most parts of a type when it is written out in full.
pub const TYPE_PARTS_MAX: u32 = 10_000;
/// Most steps of one path: a program's expressions are not higher.
pub const PATH_STEPS_MAX: usize = 256;

/// Instructions with a number and a name that this version does not run.
pub const NOT_RUN: &[Opcode] = &[Opcode::ParBegin, Opcode::ParSpawn, Opcode::ParJoin];

/// A module that may be run without further checks. Only [`verify`] makes one.
#[derive(Clone, PartialEq, Debug)]
pub struct VerifiedModule(Module);

impl VerifiedModule {
    /// The module.
    pub fn module(&self) -> &Module {
        &self.0
    }

    /// The module, no longer known to be sound once it is changed.
    pub fn into_module(self) -> Module {
        self.0
    }
}

impl std::ops::Deref for VerifiedModule {
    type Target = Module;

    fn deref(&self) -> &Module {
        &self.0
    }
}

/// Why a module must not be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyError {
    /// The function it is in, where it is in one.
    pub function: Option<FunctionId>,
    /// That function's name.
    pub function_name: String,
    /// The instruction, where it is in one.
    pub pc: Option<u32>,
    /// That instruction as the disassembler shows it.
    pub instruction: String,
    /// What is wrong.
    pub problem: String,
}

impl VerifyError {
    fn new(problem: impl Into<String>) -> Self {
        Self { function: None, function_name: String::new(), pc: None, instruction: String::new(), problem: problem.into() }
    }

    fn in_function(mut self, module: &Module, id: FunctionId) -> Self {
        self.function = Some(id);
        self.function_name = module.functions.get(id.0 as usize).map(|function| function.name.clone()).unwrap_or_default();
        self
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(FunctionId(number)) = self.function {
            write!(f, "in function {number} (`{}`)", self.function_name)?;
            if let Some(pc) = self.pc {
                write!(f, " at instruction {pc} ({})", self.instruction)?;
            }
            write!(f, ": ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for VerifyError {}

/// Checks all of a module.
pub fn verify(module: Module) -> Result<VerifiedModule, VerifyError> {
    tables::check(&module)?;
    for index in 0..module.functions.len() {
        let id = FunctionId(index as u32);
        code::check(&module, &module.functions[index]).map_err(|error| error.in_function(&module, id))?;
    }
    Ok(VerifiedModule(module))
}

/// Refuses with a message.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(VerifyError::new(format!($($message)+)));
        }
    };
}
use ensure;

#[cfg(test)]
mod tests;
