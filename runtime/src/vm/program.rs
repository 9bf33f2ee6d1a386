//! A verified module, made ready to run: what all processes of a program share and none ever changes.

use std::sync::Arc;

use vega_bytecode::module::Module;
use vega_bytecode::{FunctionId, Instruction, Opcode, VerifiedModule};

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
    /// Its instructions, in the form in which they are executed: see [`loaded`].
    code: Box<[Instruction]>,
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
        let functions = module.functions.iter().map(LoadedFunction::new).collect();
        let constants = ConstantPool::new(&module.constants);
        Arc::new(LoadedProgram { module, functions, constants, limits })
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

impl LoadedFunction {
    fn new(function: &vega_bytecode::module::Function) -> Self {
        // `self` stays in place for the caller, so it is not released.
        let released = function.value_registers.iter().copied().filter(|&register| !(function.returns_self && register == 0));
        let value_registers: Box<[u16]> = released.collect();
        let code = function.code.iter().map(|&instruction| loaded(instruction, !value_registers.is_empty())).collect();
        LoadedFunction {
            code,
            registers: function.registers.into(),
            frame_bytes: (usize::from(function.registers) + 1) * size_of::<Value>(),
            arguments: u32::from(function.parameters) + u32::from(function.captures),
            returns_self: function.returns_self,
            value_registers,
        }
    }

    #[inline]
    pub(crate) fn code(&self) -> *const Instruction {
        self.code.as_ptr()
    }

    /// The number of the instruction before `ip`, the one that is being executed.
    pub(crate) fn pc_before(&self, ip: *const Instruction) -> u32 {
        let bytes = (ip as usize).wrapping_sub(self.code.as_ptr() as usize);
        ((bytes / size_of::<Instruction>()) as u32).saturating_sub(1)
    }
}

/// An instruction in the form that is quickest to execute.
///
/// Returns say in their unused field `x` whether the function has registers to release, so that the many that have none need not look.
/// Jumps have their offset in one piece at the upper end, with `a` and `b` right after the opcode: it is read by one shift.
fn loaded(instruction: Instruction, releases: bool) -> Instruction {
    match instruction.opcode() {
        Some(op @ (Opcode::Return | Opcode::ReturnScalar | Opcode::ReturnNull)) => {
            Instruction::xabc(op, releases.into(), instruction.a(), 0, 0)
        }
        Some(op) if op.has_jump() => Instruction(
            op as u64 | u64::from(instruction.a()) << 8 | u64::from(instruction.b()) << 24 | (instruction.offset() as u64) << 40,
        ),
        _ => instruction,
    }
}

/// Field `a` of a loaded jump.
#[inline]
pub(crate) fn jump_a(jump: Instruction) -> u16 {
    (jump.0 >> 8) as u16
}

/// Field `b` of a loaded jump.
#[inline]
pub(crate) fn jump_b(jump: Instruction) -> u16 {
    (jump.0 >> 24) as u16
}

/// Where a loaded jump goes, relative to the next instruction.
#[inline]
pub(crate) fn jump_offset(jump: Instruction) -> isize {
    (jump.0 as i64 >> 40) as isize
}
