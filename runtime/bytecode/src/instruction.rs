//! One instruction: 64 bits, opcode and four fields.
//!
//! ```text
//! bits  0..8   opcode
//! bits  8..16  x   small operand, or the high byte of a jump
//! bits 16..32  a   register
//! bits 32..48  b   register or index
//! bits 48..64  c   register, index or low half of a jump
//! ```
//! `b` and `c` together may be one 32-bit operand. A jump is `x:c`, signed 24 bits, in instructions relative to the next one.

use crate::opcode::Opcode;

/// Farthest jump in either direction, in instructions.
pub const JUMP_MAX: i32 = (1 << 23) - 1;

/// One encoded instruction. Any bit pattern is allowed here; [`Instruction::opcode`] says whether it names an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Instruction(pub u64);

impl Instruction {
    /// From opcode and the three 16-bit fields, `x` zero.
    pub const fn abc(op: Opcode, a: u16, b: u16, c: u16) -> Self {
        Self::xabc(op, 0, a, b, c)
    }

    /// From opcode and all four fields.
    pub const fn xabc(op: Opcode, x: u8, a: u16, b: u16, c: u16) -> Self {
        Self(op as u64 | (x as u64) << 8 | (a as u64) << 16 | (b as u64) << 32 | (c as u64) << 48)
    }

    /// From opcode, a register and one 32-bit operand in `b:c`.
    pub const fn wide(op: Opcode, x: u8, a: u16, bc: u32) -> Self {
        Self(op as u64 | (x as u64) << 8 | (a as u64) << 16 | (bc as u64) << 32)
    }

    /// A jump with up to two registers. `offset` is relative to the next instruction and within [`JUMP_MAX`].
    pub const fn jump(op: Opcode, a: u16, b: u16, offset: i32) -> Self {
        Self(op as u64 | ((offset >> 16) as u8 as u64) << 8 | (a as u64) << 16 | (b as u64) << 32 | (offset as u16 as u64) << 48)
    }

    /// The opcode byte.
    pub const fn byte(self) -> u8 {
        self.0 as u8
    }

    /// The opcode, or `None` for a byte that names no instruction.
    pub fn opcode(self) -> Option<Opcode> {
        Opcode::from_byte(self.byte())
    }

    /// Field `x`.
    pub const fn x(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Field `a`.
    pub const fn a(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Field `b`.
    pub const fn b(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Field `c`.
    pub const fn c(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Fields `b` and `c` as one unsigned operand.
    pub const fn bc(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Fields `b` and `c` as one signed operand.
    pub const fn bc_signed(self) -> i32 {
        (self.0 >> 32) as i32
    }

    /// The jump offset in `x:c`.
    pub const fn offset(self) -> i32 {
        ((self.x() as i8 as i32) << 16) | self.c() as i32
    }
}

impl std::fmt::Debug for Instruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.opcode() {
            Some(op) => write!(f, "{op:?} x{} a{} b{} c{}", self.x(), self.a(), self.b(), self.c()),
            None => write!(f, "Invalid({:#018x})", self.0),
        }
    }
}
