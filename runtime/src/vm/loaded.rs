//! Instructions in the form in which they are executed, made once when a program is loaded.
//!
//! Each operand is a field of its own in memory, and registers are byte offsets already, so that an operand is fetched by one load and
//! used as it is. Jumps have their offset in one piece. Everything else is as in the file.

use vega_bytecode::opcode::{NO_FIELD, Operand};
use vega_bytecode::verify::REGISTERS_MAX;
use vega_bytecode::{Instruction, Opcode};

use crate::value::Value;

/// Bytes of a register's offset that one unit of a [`Register`] stands for. A processor multiplies by it for nothing.
const UNIT: usize = 2;
/// What a register's number is multiplied with.
const SCALE: u16 = (size_of::<Value>() / UNIT) as u16;

// The number one past the last register, with which an empty run may begin, wraps; nobody follows it.
const _: () = assert!((REGISTERS_MAX as u32 - 1) * (SCALE as u32) <= u16::MAX as u32);

/// A register operand: where it lies in the frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Register(u16);

impl Register {
    /// Its number.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        u32::from(self.0 / SCALE)
    }

    /// Its slot, in the frame that begins at `base`.
    #[inline]
    pub(crate) fn of(self, base: *mut Value) -> *mut Value {
        base.wrapping_byte_add(self.0 as usize * UNIT)
    }

    /// The first register of the frame whose register this slot is.
    #[inline]
    pub(crate) fn frame_of(self, slot: *mut Value) -> *mut Value {
        slot.wrapping_byte_sub(self.0 as usize * UNIT)
    }
}

/// One instruction, ready to be executed.
///
/// A jump has its offset in the upper 24 bits of `head`, and its operands `a` and `b` in `b` and `c`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Loaded {
    /// From the lowest bit on: opcode, field `x`, field `a`.
    head: u32,
    b: u16,
    c: u16,
}

const _: () = assert!(size_of::<Loaded>() == size_of::<Instruction>());

impl Loaded {
    /// Makes a verified instruction ready. Returns say in their unused field `x` whether the function has registers to release, so that
    /// the many that have none need not look.
    pub(crate) fn new(instruction: Instruction, releases: bool) -> Loaded {
        let op = instruction.opcode().expect("verify has checked every instruction");
        let layout = op.layout();
        let field = |operand: Option<Operand>, field: u16| match operand {
            Some(
                Operand::ScalarOut
                | Operand::ValueOut
                | Operand::In
                | Operand::Take
                | Operand::Change
                | Operand::Window
                | Operand::TakeRun,
            ) => field.wrapping_mul(SCALE),
            _ => field,
        };
        let a = field(layout.a, instruction.a());
        let b = field(layout.b, instruction.b());
        let c = field(layout.c, instruction.c());
        if op.has_jump() {
            return Loaded { head: op as u32 | (instruction.offset() as u32) << 8, b: a, c: b };
        }
        let x = match op {
            Opcode::Return | Opcode::ReturnScalar | Opcode::ReturnNull => releases.into(),
            _ => instruction.x(),
        };
        Loaded { head: op as u32 | u32::from(x) << 8 | u32::from(a) << 16, b, c }
    }

    /// Executes another operation instead. The operands stay.
    fn set_op(&mut self, op: Opcode) {
        self.head = self.head & !0xff | op as u32;
    }

    /// The number of the operation.
    #[inline]
    pub(crate) fn byte(&self) -> u8 {
        self.head as u8
    }

    /// Field `x`.
    #[inline]
    pub(crate) fn x(&self) -> u8 {
        (self.head >> 8) as u8
    }

    /// Field `a`, a register.
    #[inline]
    pub(crate) fn a(&self) -> Register {
        Register((self.head >> 16) as u16)
    }

    /// Field `b`, a register.
    #[inline]
    pub(crate) fn b(&self) -> Register {
        Register(self.b)
    }

    /// Field `c`, a register.
    #[inline]
    pub(crate) fn c(&self) -> Register {
        Register(self.c)
    }

    /// Field `b`, a number.
    #[inline]
    pub(crate) fn number_b(&self) -> u16 {
        self.b
    }

    /// Field `c`, a number.
    #[inline]
    pub(crate) fn number_c(&self) -> u16 {
        self.c
    }

    /// Fields `b` and `c` as one number.
    #[inline]
    pub(crate) fn bc(&self) -> u32 {
        u32::from(self.b) | u32::from(self.c) << 16
    }

    /// Field `a` of a jump, a register.
    #[inline]
    pub(crate) fn jump_a(&self) -> Register {
        Register(self.b)
    }

    /// Field `b` of a jump, a register.
    #[inline]
    pub(crate) fn jump_b(&self) -> Register {
        Register(self.c)
    }

    /// Field `b` of a jump, a signed number.
    #[inline]
    pub(crate) fn jump_number(&self) -> i64 {
        i64::from(self.c as i16)
    }

    /// Where a jump goes, relative to the next instruction.
    #[inline]
    pub(crate) fn offset(&self) -> isize {
        (self.head as i32 >> 8) as isize
    }
}

/// Makes the code of a function ready.
pub(crate) fn load(code: &[Instruction], releases: bool) -> Box<[Loaded]> {
    let mut loaded: Box<[Loaded]> = code.iter().map(|&instruction| Loaded::new(instruction, releases)).collect();
    for (at, loaded) in loaded.iter_mut().enumerate() {
        if let Some(op) = special(code[at], code.get(at + 1).copied()) {
            loaded.set_op(op);
        }
    }
    loaded
}

/// A quicker operation for an instruction, by itself or together with the next one.
///
/// The next instruction stays as it is, for jumps to it. So each pair is looked at by itself, whether the next one begins a pair or not.
fn special(first: Instruction, next: Option<Instruction>) -> Option<Opcode> {
    let op = first.opcode()?;
    let next_op = next.and_then(Instruction::opcode);
    let both = |part: Instruction| part.x() >> 4 != NO_FIELD && part.x() & 0xf != NO_FIELD;
    // Whether the next instruction reads the first one's result in `c` and nowhere else.
    let feeds = next.is_some_and(|next| next.c() == first.a() && next.b() != first.a());
    Some(match (op, next_op) {
        (Opcode::PartGet, Some(Opcode::SubFloat)) if both(first) => Opcode::PartGetSubFloat,
        (Opcode::PartGet, Some(Opcode::MulFloat)) if both(first) => Opcode::PartGetMulFloat,
        (Opcode::PartGet, _) if both(first) => Opcode::PartGetBoth,
        (Opcode::AddFloat, Some(Opcode::PartSet)) if next.is_some_and(both) => Opcode::AddFloatPartSet,
        (Opcode::PartSet, _) if both(first) => Opcode::PartSetBoth,
        (Opcode::MulFloat, Some(Opcode::AddFloat)) if feeds => Opcode::MulAddFloat,
        (Opcode::MulFloat, Some(Opcode::SubFloat)) if feeds => Opcode::MulSubFloat,
        (Opcode::AddInt, Some(Opcode::ForInt)) => Opcode::AddIntFor,
        (Opcode::AddInt, Some(Opcode::JumpIfLeInt)) => Opcode::AddIntJumpIfLe,
        (Opcode::AddIntImmediate, Some(Opcode::JumpIfLtInt)) => Opcode::AddImmediateJumpIfLt,
        (Opcode::AddIntImmediate, Some(Opcode::Call)) => Opcode::AddImmediateCall,
        (Opcode::LoadBool, Some(Opcode::SetIndex)) => Opcode::LoadBoolSetIndex,
        (Opcode::Index, Some(Opcode::JumpIf)) => Opcode::IndexJumpIf,
        (Opcode::Index, Some(Opcode::JumpIfNot)) => Opcode::IndexJumpIfNot,
        (Opcode::Push, Some(Opcode::ForInt)) => Opcode::PushFor,
        _ => return None,
    })
}
