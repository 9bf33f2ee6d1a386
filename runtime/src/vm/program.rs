//! A verified module, made ready to run: what all processes of a program share and none ever changes.

use std::sync::Arc;

use vega_bytecode::module::Module;
use vega_bytecode::{FunctionId, Instruction, VerifiedModule};

use super::loaded::{Loaded, load};
use crate::process::ExitReason;
use crate::value::Value;
use crate::value::constant::ConstantPool;

/// Bounds that the interpreter keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VmLimits {
    /// Vega calls under one another in one process. A call beyond it raises `LimitReached("call_depth")`.
    pub call_depth: u32,
    /// Registers of all frames of one process together. A call beyond it raises `LimitReached("registers")`.
    pub registers: u32,
}

impl Default for VmLimits {
    fn default() -> Self {
        Self { call_depth: 10_000, registers: 1 << 20 }
    }
}

/// A program that processes run. Shared by all of them, through an [`Arc`].
pub struct LoadedProgram {
    module: VerifiedModule,
    functions: Box<[LoadedFunction]>,
    constants: ConstantPool,
    limits: VmLimits,
}

/// A function as the interpreter needs it at a call.
pub(crate) struct LoadedFunction {
    /// Its instructions.
    code: Box<[Loaded]>,
    /// Registers of a frame.
    pub(crate) registers: u32,
    /// Bytes of a frame and its header.
    pub(crate) frame_bytes: usize,
    /// Arguments and captures together.
    pub(crate) arguments: u32,
    /// Whether `r0` stays in place for the caller.
    pub(crate) returns_self: bool,
    /// Registers to release when it returns.
    pub(crate) value_registers: Box<[u16]>,
}

impl LoadedProgram {
    /// Makes a module ready to run.
    pub fn new(module: VerifiedModule, limits: VmLimits) -> Arc<LoadedProgram> {
        Self::with(module, limits, load)
    }

    fn with(module: VerifiedModule, limits: VmLimits, load: Load) -> Arc<LoadedProgram> {
        let functions = module.functions.iter().map(|function| LoadedFunction::new(function, load)).collect();
        let constants = ConstantPool::new(&module.constants);
        Arc::new(LoadedProgram { module, functions, constants, limits })
    }

    /// The same without operations that only loaded code has.
    #[cfg(test)]
    pub(crate) fn plain(module: VerifiedModule, limits: VmLimits) -> Arc<LoadedProgram> {
        Self::with(module, limits, |code, releases| code.iter().map(|&instruction| Loaded::new(instruction, releases)).collect())
    }

    /// The module.
    pub fn module(&self) -> &Module {
        self.module.module()
    }

    /// The bounds in force.
    pub fn limits(&self) -> VmLimits {
        self.limits
    }

    /// The function that a run starts with.
    pub fn entry(&self) -> Option<FunctionId> {
        self.module.entry
    }

    /// The text of a reason, for a process of this program.
    #[inline]
    pub(crate) fn reason(&self, reason: &ExitReason) -> Value {
        // SAFETY: a process keeps its program until all of its values are gone.
        unsafe { self.constants.reason(reason) }
    }

    /// A constant.
    #[inline]
    pub(crate) fn constant(&self, index: u32) -> Value {
        // SAFETY: every process holds its program until all of its values are gone.
        unsafe { self.constants.get(index as usize) }.expect("verify has checked every constant's index")
    }

    #[inline]
    pub(crate) fn functions(&self) -> &[LoadedFunction] {
        &self.functions
    }

    #[inline]
    pub(crate) fn function(&self, id: u32) -> &LoadedFunction {
        &self.functions[id as usize]
    }
}

/// Makes code ready; the flag says whether the function has registers to release.
type Load = fn(&[Instruction], bool) -> Box<[Loaded]>;

impl LoadedFunction {
    fn new(function: &vega_bytecode::module::Function, load: Load) -> Self {
        // `self` stays in place for the caller, so it is not released.
        let released = function.value_registers.iter().copied().filter(|&register| !(function.returns_self && register == 0));
        let value_registers: Box<[u16]> = released.collect();
        let code = load(&function.code, !value_registers.is_empty());
        LoadedFunction {
            code,
            registers: function.registers.into(),
            frame_bytes: (usize::from(function.registers) + 1) * size_of::<Value>(),
            arguments: u32::from(function.parameters) + u32::from(function.captures),
            returns_self: function.returns_self,
            value_registers,
        }
    }

    /// Whether its code holds an operation.
    #[cfg(test)]
    pub(crate) fn has(&self, op: vega_bytecode::Opcode) -> bool {
        self.code.iter().any(|loaded| loaded.byte() == op as u8)
    }

    #[inline]
    pub(crate) fn code(&self) -> *const Loaded {
        self.code.as_ptr()
    }

    /// The number of the instruction before `ip`, the one that is being executed.
    pub(crate) fn pc_before(&self, ip: *const Loaded) -> u32 {
        let bytes = (ip as usize).wrapping_sub(self.code.as_ptr() as usize);
        ((bytes / size_of::<Loaded>()) as u32).saturating_sub(1)
    }
}
