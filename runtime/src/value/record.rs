//! Structs, enum variants with payload, tuples and closures: a fixed number of values inline in one allocation.
//!
//! Invariant: the length never changes after [`allocate`], and all `length` values behind the object's head are initialised.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

use vega_bytecode::{EnumId, FunctionId, StructId};

use super::object::{self, Header};
use super::{Tag, Value, heap};

/// The head of the object; its values follow.
#[repr(C)]
pub(crate) struct RecordObject {
    header: Header,
    /// Struct, enum or function, by the tag; zero for a tuple.
    definition: u32,
    /// Variant of an enum.
    variant: u16,
    length: u16,
}

#[inline]
fn layout(length: u16) -> Layout {
    const { assert!(align_of::<Value>() <= align_of::<RecordObject>()) };
    let bytes = size_of::<RecordObject>() + length as usize * size_of::<Value>();
    Layout::from_size_align(bytes, align_of::<RecordObject>()).expect("head and 65,535 values fit an address space")
}

/// Makes an object whose values are still to be written.
#[inline]
fn allocate_empty(definition: u32, variant: u16, length: u16) -> NonNull<RecordObject> {
    let layout = layout(length);
    // SAFETY: the layout is not empty, it has the head.
    let object = unsafe { alloc(layout) }.cast::<RecordObject>();
    let Some(object) = NonNull::new(object) else { handle_alloc_error(layout) };
    heap::charge(layout.size());
    // SAFETY: the memory was just allocated for a head and `length` values, of which the head is written here.
    unsafe { object.write(RecordObject { header: Header { count: Cell::new(1) }, definition, variant, length }) };
    object
}

/// Makes an object and moves `values` into it.
///
/// # Safety
/// `values` yields exactly `length` values: fewer would leave some uninitialised.
unsafe fn allocate(definition: u32, variant: u16, length: u16, values: impl Iterator<Item = Value>) -> NonNull<RecordObject> {
    let object = allocate_empty(definition, variant, length);
    // SAFETY: there is room for `length` values; `Value` has no stricter alignment than the head, so they follow it directly.
    unsafe {
        let mut place = first(object);
        for value in values.take(length as usize) {
            place.write(value);
            place = place.add(1);
        }
    }
    object
}

/// # Safety
/// `object` points into an allocation of [`allocate`].
#[inline]
unsafe fn first(object: NonNull<RecordObject>) -> NonNull<Value> {
    // SAFETY: the values follow the head in the same allocation.
    unsafe { object.add(1).cast() }
}

/// Moves out the next value while the object is being freed.
///
/// # Safety
/// The object has no counts left.
pub(crate) unsafe fn take_child(object: NonNull<RecordObject>, cursor: &mut usize) -> Option<Value> {
    // SAFETY: nobody else refers to the object; the index is below its length, so the value is initialised.
    unsafe {
        if *cursor >= object.as_ref().length as usize {
            return None;
        }
        let place = first(object).add(*cursor);
        *cursor += 1;
        Some(place.replace(Value::NULL))
    }
}

/// Gives back the memory.
///
/// # Safety
/// The object has no counts left and every value in it is null.
pub(crate) unsafe fn deallocate(object: NonNull<RecordObject>) {
    // SAFETY: the layout is computed from the same length as in `allocate`.
    unsafe {
        let layout = layout(object.as_ref().length);
        heap::credit(layout.size());
        dealloc(object.as_ptr().cast(), layout);
    }
}

/// A struct, an enum variant with payload, a tuple or a closure: which of them says the tag of the value that holds it.
#[repr(transparent)]
pub struct Record(NonNull<RecordObject>);

/// What a record was made for; decides the tag of its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordKind {
    /// A struct with its fields in declared order.
    Struct(StructId),
    /// An enum's variant with its payload.
    Variant(EnumId, u16),
    /// A tuple.
    Tuple,
    /// A function with what it captured.
    Closure(FunctionId),
}

impl Record {
    #[inline]
    fn head(&self) -> &RecordObject {
        // SAFETY: a record is only seen behind a value that owns a count of it.
        unsafe { self.0.as_ref() }
    }

    /// The values, in order.
    #[inline]
    pub fn values(&self) -> &[Value] {
        // SAFETY: all `length` values behind the head are initialised, and live as long as the record is borrowed.
        unsafe { std::slice::from_raw_parts(first(self.0).as_ptr(), self.head().length as usize) }
    }

    /// Number of the struct, enum or function that the record was made for.
    #[inline]
    pub fn definition(&self) -> u32 {
        self.head().definition
    }

    /// Number of the variant.
    #[inline]
    pub fn variant(&self) -> u16 {
        self.head().variant
    }

    /// Whether nothing else shares the storage.
    #[inline]
    pub fn is_unique(&self) -> bool {
        self.head().header.count.get() == 1
    }

    /// Whether both are the very same storage.
    pub fn same_storage(&self, other: &Record) -> bool {
        self.0 == other.0
    }

    /// Address of the storage: equal for values that share it.
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// The values, for changing them in place; shared storage is copied first.
    #[inline]
    pub fn values_mut(&mut self) -> &mut [Value] {
        if !self.is_unique() {
            self.make_own();
        }
        let length = self.head().length as usize;
        // SAFETY: the count is 1 and this record owns it, so nothing else refers to the values.
        unsafe { std::slice::from_raw_parts_mut(first(self.0).as_ptr(), length) }
    }
}

impl Record {
    /// Copies the storage.
    #[cold]
    #[inline(never)]
    fn make_own(&mut self) {
        let copy = {
            let head = self.head();
            let values = self.values();
            // SAFETY: a slice of `length` values yields `length` values.
            unsafe { allocate(head.definition, head.variant, head.length, values.iter().cloned()) }
        };
        let shared = std::mem::replace(&mut self.0, copy);
        // SAFETY: the count that this record owned is given up; all four tags of records are freed alike.
        unsafe { object::release(Tag::Struct, shared.cast()) };
    }
}

// A `Record` exists by value only inside a `Value`, which does the counting; the type has no constructor and no drop of its own.

/// Makes the value of a struct, variant, tuple or closure. More than 65,535 values are refused by the caller's instruction format, so
/// the rest is dropped here only in theory.
pub(crate) fn make(kind: RecordKind, values: Vec<Value>) -> Value {
    let length = u16::try_from(values.len()).unwrap_or(u16::MAX);
    // SAFETY: the vector has at least `length` values.
    unsafe { make_from(kind, length, values.into_iter()) }
}

/// The tag of a record's value, and what its head says.
#[inline]
fn head_of(kind: RecordKind) -> (Tag, u32, u16) {
    match kind {
        RecordKind::Struct(id) => (Tag::Struct, id.0, 0),
        RecordKind::Variant(id, variant) => (Tag::Enum, id.0, variant),
        RecordKind::Tuple => (Tag::Tuple, 0, 0),
        RecordKind::Closure(id) => (Tag::Closure, id.0, 0),
    }
}

/// Makes the value of a record from an iterator.
///
/// # Safety
/// `values` yields at least `length` values.
pub(crate) unsafe fn make_from(kind: RecordKind, length: u16, values: impl Iterator<Item = Value>) -> Value {
    let (tag, definition, variant) = head_of(kind);
    // SAFETY: the caller promises enough values; the new object's only count passes to the value.
    unsafe { Value::from_object(tag, allocate(definition, variant, length, values).cast()) }
}

/// Makes a record by moving `length` values out of consecutive slots, which become null.
///
/// # Safety
/// `from` points to `length` initialised values that the caller owns and nobody else refers to.
pub unsafe fn take_from_slots(kind: RecordKind, from: *mut Value, length: u16) -> Value {
    let (tag, definition, variant) = head_of(kind);
    let object = allocate_empty(definition, variant, length);
    // SAFETY: the caller promises the slots, each of which is read once and left null; there is room for `length` values behind the
    // head; the new object's only count passes to the value.
    unsafe {
        let to = first(object).as_ptr();
        for index in 0..length as usize {
            let slot = from.add(index);
            to.add(index).write(slot.read());
            slot.write(Value::NULL);
        }
        Value::from_object(tag, object.cast())
    }
}
