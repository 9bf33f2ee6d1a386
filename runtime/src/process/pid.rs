//! The name of a process on this node: one word, never used twice.
//!
//! Invariant: a number names at most one process in the life of a runtime, since a slot's generation grows with every process in it.

use std::fmt;

/// Bits of a process id that name the slot of the process table.
const SLOT_BITS: u32 = 26;

/// Slots that a process table can have.
pub(crate) const SLOTS_MAX: u32 = 1 << SLOT_BITS;

/// Generations that a slot can have; one process a microsecond in one slot uses them up in a day and a half, all slots together in a
/// quarter of a million years, and a slot whose generations are used up is never given out again.
pub(crate) const GENERATIONS_MAX: u64 = (1 << (63 - SLOT_BITS)) - 1;

/// The bit that no process id has: a slot has it beside the id of a process that has ended.
pub(crate) const ENDED: u64 = 1 << 63;

/// Names one process of this runtime. The process may have ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(u64);

impl Pid {
    #[inline]
    pub(crate) fn new(slot: u32, generation: u64) -> Self {
        debug_assert!(slot < SLOTS_MAX && generation != 0 && generation <= GENERATIONS_MAX);
        Self(generation << SLOT_BITS | u64::from(slot))
    }

    /// The id as one word, for values and hashes.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The id of a word that [`Pid::to_bits`] gave. Any other word names no process, which is as harmless as a process that has ended.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) fn slot(self) -> u32 {
        (self.0 & u64::from(SLOTS_MAX - 1)) as u32
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> SLOT_BITS
    }
}

/// The slot, and after a dot the generation from the second process in it on.
impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation() {
            0 | 1 => write!(f, "{}", self.slot()),
            generation => write!(f, "{}.{generation}", self.slot()),
        }
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pid({self})")
    }
}
