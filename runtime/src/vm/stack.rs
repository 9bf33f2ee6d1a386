//! The registers of one process: a growable run of slots.
//!
//! Invariant: all `capacity` slots are initialised values. Slots above the running frame hold no heap value in compiled programs; where a
//! hostile one leaves some, they stay valid and are released with the stack.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::value::Value;

/// Slots of a new stack, a frame's header and registers included; most processes never need more.
const SLOTS_MIN: u32 = 16;

/// Slots of a stack that is not worth trimming.
const TRIMMED_MIN: u32 = 256;

/// A run of slots that grows by moving.
pub(crate) struct Stack {
    slots: NonNull<Value>,
    capacity: u32,
}

impl Stack {
    /// A stack with room for at least `slots`.
    pub(crate) fn new(slots: u32) -> Self {
        let capacity = slots.max(SLOTS_MIN);
        Self { slots: allocate(capacity), capacity }
    }

    /// The first slot.
    #[inline]
    pub(crate) fn first(&self) -> *mut Value {
        self.slots.as_ptr()
    }

    /// One past the last slot.
    #[inline]
    pub(crate) fn end(&self) -> *mut Value {
        // SAFETY: the slots are one allocation of `capacity` values.
        unsafe { self.slots.as_ptr().add(self.capacity as usize) }
    }

    /// How many slots there are.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// All slots.
    pub(crate) fn as_slice(&self) -> &[Value] {
        // SAFETY: all `capacity` slots are initialised, and borrowed as long as the stack is.
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr(), self.capacity as usize) }
    }

    /// Moves the slots to a run of at least `slots`, twice as many as now if that is not more than `slots_max`.
    pub(crate) fn grow(&mut self, slots: u32, slots_max: u32) {
        let capacity = self.capacity.saturating_mul(2).min(slots_max).max(slots);
        let larger = allocate_copy(capacity, self.as_slice());
        deallocate(self.slots, self.capacity);
        self.slots = larger;
        self.capacity = capacity;
    }
}

impl Stack {
    /// Whether there is more than a few slots.
    #[inline]
    pub(crate) fn is_worth_trimming(&self) -> bool {
        self.capacity > TRIMMED_MIN
    }

    /// Gives back most of what lies above the first `used` slots, where that is much.
    pub(crate) fn trim(&mut self, used: u32) {
        if !self.is_worth_trimming() || used > self.capacity / 4 {
            return;
        }
        let capacity = (used * 2).max(SLOTS_MIN);
        for index in capacity..self.capacity {
            // SAFETY: the slot is within the capacity and dropped once: the new run does not take it over.
            unsafe { self.slots.add(index as usize).drop_in_place() };
        }
        let smaller = allocate_copy(capacity, &self.as_slice()[..capacity as usize]);
        deallocate(self.slots, self.capacity);
        self.slots = smaller;
        self.capacity = capacity;
    }
}

fn layout(capacity: u32) -> Layout {
    Layout::array::<Value>(capacity as usize).expect("2^32 slots fit an address space")
}

fn allocate(capacity: u32) -> NonNull<Value> {
    allocate_copy(capacity, &[])
}

/// Allocates slots; the first are moved out of `old`, which the caller frees without dropping, the others are null.
fn allocate_copy(capacity: u32, old: &[Value]) -> NonNull<Value> {
    let layout = layout(capacity);
    // SAFETY: the layout is not empty: a stack has at least `SLOTS_MIN` slots.
    let Some(slots) = NonNull::new(unsafe { alloc(layout) }.cast::<Value>()) else { handle_alloc_error(layout) };
    // SAFETY: the new memory has room for `capacity` values, at least as many as `old` has; both are separate allocations.
    unsafe {
        slots.as_ptr().copy_from_nonoverlapping(old.as_ptr(), old.len());
        let mut index = old.len();
        // In blocks of a length that the compiler knows, since nearly all stacks are one.
        while index + SLOTS_MIN as usize <= capacity as usize {
            for offset in 0..SLOTS_MIN as usize {
                slots.add(index + offset).write(Value::NULL);
            }
            index += SLOTS_MIN as usize;
        }
        for index in index..capacity as usize {
            slots.add(index).write(Value::NULL);
        }
    }
    slots
}

fn deallocate(slots: NonNull<Value>, capacity: u32) {
    // SAFETY: the memory came from `allocate_copy` with this capacity, and nobody refers to it any more.
    unsafe { dealloc(slots.as_ptr().cast(), layout(capacity)) }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Compiled programs leave nothing to release.
        if self.as_slice().iter().fold(false, |any, value| any | value.is_heap()) {
            for index in 0..self.capacity as usize {
                // SAFETY: every slot is initialised and dropped once.
                unsafe { self.slots.add(index).drop_in_place() };
            }
        }
        deallocate(self.slots, self.capacity);
    }
}
