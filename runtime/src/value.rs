//! What a register, field or element holds: 16 bytes, a tag and a payload.
//!
//! Values have copy semantics towards the program. Inside a process heap values are counted without atomics, shared, and copied when
//! somebody changes a shared one. A value never leaves its process except as a [`copy::Message`].
//!
//! A value is a pair of words, so that it travels in two machine registers. Between registers of a program it is copied word by word
//! too: a processor that is asked for sixteen bytes just after they were written as twice eight has to wait for both.
//!
//! Invariant: all 16 bytes of a value are initialised whatever its tag is. So the payload may be read as an int or a float without
//! looking at the tag: a wrong tag gives a wrong number, never an invalid one. Only following a pointer needs the tag.

use std::fmt;
use std::num::NonZeroU64;
use std::ptr::{self, NonNull};

use vega_bytecode::{EnumId, FunctionId, StructId};

mod view; // values taken apart
pub mod heap; // bytes held by the running process
pub(crate) mod object; // counted storage, freed without recursion
pub mod text; // strings
pub mod bytes; // runs of bytes
pub mod array; // arrays
pub mod map; // insertion-ordered maps
pub mod record; // structs, variants, tuples, closures
pub mod range; // `a..b`
pub mod handle; // references to things that the runtime owns, and secrets
pub mod constant; // a program's literals, shared by all its processes
pub mod equal; // `==`, `<` and `in`
pub(crate) mod amount; // durations, money and doubles as text
pub mod print; // the text that `print` shows
pub mod copy; // values that travel between processes
pub mod is_type; // exact tests of a value against a type
pub mod json; // values as JSON text and back
pub mod schema; // JSON schemas of types

pub use array::Array;
pub use bytes::Bytes;
pub use handle::{Handle, HandleKind, HandleObject, Secret};
pub use map::Map;
pub use range::Range;
pub use record::{Record, RecordKind};
pub use text::Str;
pub use view::View;

use object::Header;

/// What kind of value a cell holds. Tags from [`Tag::Str`] on own an object; none is zero, so that no value is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Tag {
    /// `null`
    Null = 1,
    /// `true` or `false`
    Bool = 2,
    /// 64-bit integer
    Int = 3,
    /// IEEE 754 double
    Float = 4,
    /// Nanoseconds
    Duration = 5,
    /// Pico-dollars
    Money = 6,
    /// Variant of an enum without payload
    UnitVariant = 7,
    /// Function without captures
    Function = 8,
    /// Id of a process of this runtime, one word that only the process table understands
    Process = 9,
    /// Header of a frame of the interpreter, in the slot below the frame
    Frame = 10,
    /// Number of a monitor, of use to the process that set it alone
    Monitor = 11,
    /// Text
    Str = 16,
    /// Bytes
    Bytes = 17,
    /// Array
    Array = 18,
    /// Map
    Map = 19,
    /// Struct
    Struct = 20,
    /// Variant of an enum (or `Ok`, `Err`) with payload
    Enum = 21,
    /// Tuple
    Tuple = 22,
    /// Function with captures
    Closure = 23,
    /// Range of ints
    Range = 24,
    /// Error
    Error = 25,
    /// Handle of something that the runtime owns
    Handle = 26,
    /// Secret text
    Secret = 27,
}

/// Last tag of those whose values may leave a process as they are.
const LAST_FREE_TAG: u8 = Tag::Process as u8;

/// First tag that owns an object.
const FIRST_HEAP_TAG: u8 = Tag::Str as u8;

/// The enum that stands for `Result`: `Ok` is its variant 0, `Err` its variant 1.
pub const RESULT: EnumId = EnumId(u32::MAX);
/// Variant number of `Ok`.
pub const OK: u16 = 0;
/// Variant number of `Err`.
pub const ERR: u16 = 1;

/// The cell is seen as `json`: it prints as JSON, and its parts are seen as `json` too.
const JSON_FLAG: u64 = 1 << 8;

/// One value.
#[repr(C)]
pub struct Value {
    /// The tag in the lowest byte, flags in the next, and half a word of the payload's in the upper half.
    head: NonZeroU64,
    /// A number's bits, without provenance, or the object.
    payload: *mut Header,
}

#[cfg(not(target_pointer_width = "64"))]
compile_error!("values hold 64 bits in a pointer");

const _: () = assert!(size_of::<Value>() == 16 && align_of::<Value>() == 8 && size_of::<Option<Value>>() == 16);

/// What the interpreter remembers of a caller, in the slot below the callee's registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Number of the caller's function.
    pub function: u32,
    /// Where the caller goes on.
    pub pc: u32,
    /// The caller's first register.
    pub base: u32,
}

/// The first word of a value.
#[inline]
const fn head(tag: Tag, half: u32) -> NonZeroU64 {
    // SAFETY: no tag is zero.
    unsafe { NonZeroU64::new_unchecked(tag as u64 | (half as u64) << 32) }
}

// Making values.
impl Value {
    /// `null`
    pub const NULL: Value = Value::scalar(Tag::Null, 0, 0);

    #[inline]
    const fn scalar(tag: Tag, half: u32, int: i64) -> Value {
        Value { head: head(tag, half), payload: ptr::without_provenance_mut(int as usize) }
    }

    /// A truth value.
    #[inline]
    pub const fn bool(value: bool) -> Value {
        Value::scalar(Tag::Bool, 0, value as i64)
    }

    /// An integer.
    #[inline]
    pub const fn int(value: i64) -> Value {
        Value::scalar(Tag::Int, 0, value)
    }

    /// A double.
    #[inline]
    pub const fn float(value: f64) -> Value {
        Value::scalar(Tag::Float, 0, value.to_bits() as i64)
    }

    /// A duration of so many nanoseconds.
    #[inline]
    pub const fn duration(nanoseconds: i64) -> Value {
        Value::scalar(Tag::Duration, 0, nanoseconds)
    }

    /// An amount of so many pico-dollars.
    #[inline]
    pub const fn money(pico_dollars: i64) -> Value {
        Value::scalar(Tag::Money, 0, pico_dollars)
    }

    /// A variant without payload.
    #[inline]
    pub const fn unit_variant(definition: EnumId, variant: u16) -> Value {
        Value::scalar(Tag::UnitVariant, definition.0, variant as i64)
    }

    /// A function without captures.
    #[inline]
    pub const fn function(id: FunctionId) -> Value {
        Value::scalar(Tag::Function, 0, id.0 as i64)
    }

    /// A process of this runtime, by the word that the process table gave it.
    #[inline]
    pub const fn process(word: u64) -> Value {
        Value::scalar(Tag::Process, 0, word as i64)
    }

    /// A monitor, by its number.
    #[inline]
    pub const fn monitor(number: u64) -> Value {
        Value::scalar(Tag::Monitor, 0, number as i64)
    }

    /// The header of a frame.
    #[inline]
    pub const fn frame(frame: Frame) -> Value {
        Value::scalar(Tag::Frame, frame.function, (frame.pc as u64 | (frame.base as u64) << 32) as i64)
    }

    /// Text.
    pub fn str(text: impl Into<Str>) -> Value {
        text.into().into()
    }

    /// An array.
    pub fn array(values: Vec<Value>) -> Value {
        Array::from(values).into()
    }

    /// A tuple.
    pub fn tuple(values: Vec<Value>) -> Value {
        record::make(RecordKind::Tuple, values)
    }

    /// A struct with its fields in declared order.
    pub fn structure(id: StructId, fields: Vec<Value>) -> Value {
        record::make(RecordKind::Struct(id), fields)
    }

    /// The same with a number of fields that is known where it is made.
    pub(crate) fn small_structure<const N: usize>(id: StructId, fields: [Value; N]) -> Value {
        const { assert!(N <= u16::MAX as usize) };
        // SAFETY: the array has as many values as it says.
        unsafe { record::make_from(RecordKind::Struct(id), N as u16, fields.into_iter()) }
    }

    /// A variant; without payload it needs no storage.
    pub fn variant(id: EnumId, variant: u16, payload: Vec<Value>) -> Value {
        if payload.is_empty() {
            Value::unit_variant(id, variant)
        } else {
            record::make(RecordKind::Variant(id, variant), payload)
        }
    }

    /// `Ok(value)`
    pub fn ok(value: Value) -> Value {
        record::make(RecordKind::Variant(RESULT, OK), vec![value])
    }

    /// `Err(value)`
    pub fn err(value: Value) -> Value {
        record::make(RecordKind::Variant(RESULT, ERR), vec![value])
    }

    /// A function with what it captured; without captures it needs no storage.
    pub fn closure(id: FunctionId, captures: Vec<Value>) -> Value {
        if captures.is_empty() { Value::function(id) } else { record::make(RecordKind::Closure(id), captures) }
    }

    /// The value, or `null` for none.
    pub fn optional(value: Option<impl Into<Value>>) -> Value {
        value.map_or(Value::NULL, Into::into)
    }

    /// # Safety
    /// The caller owns a count of `object`, which passes to the value, and `tag` belongs to the object's body.
    #[inline]
    pub(crate) unsafe fn from_object(tag: Tag, object: NonNull<Header>) -> Value {
        Value { head: head(tag, 0), payload: object.as_ptr() }
    }

    /// The object of a heap value, with the count that the value owned; nothing for a scalar.
    #[inline]
    pub(crate) fn into_object(self) -> Option<(Tag, NonNull<Header>)> {
        let value = std::mem::ManuallyDrop::new(self);
        value.object().map(|object| (value.tag(), object))
    }
}

// Reading values.
impl Value {
    /// What kind of value this is.
    #[inline]
    pub fn tag(&self) -> Tag {
        // SAFETY: the lowest byte of every head is that of a tag, see `head`.
        unsafe { std::mem::transmute::<u8, Tag>(self.head.get() as u8) }
    }

    /// The half word beside the tag.
    #[inline]
    fn half(&self) -> u32 {
        (self.head.get() >> 32) as u32
    }

    /// Whether the value owns an object.
    #[inline]
    pub fn is_heap(&self) -> bool {
        self.tag() as u8 >= FIRST_HEAP_TAG
    }

    /// Whether the value owns nothing and means the same in every process, so that a copy of its words is all that a message needs.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.tag() as u8 <= LAST_FREE_TAG
    }

    /// Whether this is `null`.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.tag() == Tag::Null
    }

    #[inline]
    fn object(&self) -> Option<NonNull<Header>> {
        if !self.is_heap() {
            return None;
        }
        // SAFETY: with a heap tag the payload is the pointer that `from_object` stored, which is not null.
        Some(unsafe { NonNull::new_unchecked(self.payload) })
    }

    /// The address of the object, where more than one value refers to it.
    pub(crate) fn shared_address(&self) -> Option<usize> {
        let object = self.object()?;
        // SAFETY: the value owns a count, so the object is live.
        let count = unsafe { object.as_ref() }.count.get();
        (count > 1).then_some(object.as_ptr() as usize)
    }

    /// The payload as an int, whatever the tag is.
    #[inline]
    pub fn int_bits(&self) -> i64 {
        self.payload.addr() as i64
    }

    /// The payload as a double, whatever the tag is.
    #[inline]
    pub fn float_bits(&self) -> f64 {
        f64::from_bits(self.payload.addr() as u64)
    }

    /// The payload as a truth value, whatever the tag is.
    #[inline]
    pub fn bool_bits(&self) -> bool {
        self.int_bits() != 0
    }

    /// The payload as a frame header, whatever the tag is.
    #[inline]
    pub fn frame_bits(&self) -> Frame {
        let word = self.int_bits() as u64;
        Frame { function: self.half(), pc: word as u32, base: (word >> 32) as u32 }
    }

    /// # Safety
    /// `T` is the transparent handle type of the value's tag.
    #[inline]
    unsafe fn handle_unchecked<T>(&self) -> &T {
        // SAFETY: handles are transparent pointers to their object, which is what the payload of a heap value holds; the borrow
        // keeps the value, and with it the count, alive.
        unsafe { &*(&raw const self.payload).cast::<T>() }
    }

    /// # Safety
    /// As for [`Value::handle_unchecked`].
    #[inline]
    unsafe fn handle_unchecked_mut<T>(&mut self) -> &mut T {
        // SAFETY: as above; replacing the pointer through the reference replaces the value's object by another of the same kind.
        unsafe { &mut *(&raw mut self.payload).cast::<T>() }
    }

    /// Puts another value here and releases this one. For places that hardly ever hold a heap value: releasing one is a call.
    #[inline]
    pub(crate) fn replace_scalar(&mut self, value: Value) {
        if self.is_heap() {
            release_rarely(self);
        }
        // SAFETY: the reference is valid for writes; what is overwritten unseen is a scalar, which owns nothing.
        unsafe { (&raw mut *self).write(value) }
    }

    /// The same with an int, for places that mostly hold one already: then only the payload is written.
    #[inline]
    pub(crate) fn replace_int(&mut self, value: i64) {
        const HEAD: NonZeroU64 = head(Tag::Int, 0);
        if self.head != HEAD {
            if self.is_heap() {
                release_rarely(self);
            }
            self.head = HEAD;
        }
        self.payload = ptr::without_provenance_mut(value as usize);
    }

    /// The same with a double, which goes to its place straight from the register that it was computed in.
    #[inline]
    pub(crate) fn replace_float(&mut self, value: f64) {
        const HEAD: NonZeroU64 = head(Tag::Float, 0);
        if self.head != HEAD {
            if self.is_heap() {
                release_rarely(self);
            }
            self.head = HEAD;
        }
        // SAFETY: the payload is a word in which any bits may stand; without a heap tag nothing follows it.
        unsafe { (&raw mut self.payload).cast::<f64>().write(value) }
    }

    /// Moves the value out, leaving `null`.
    #[inline]
    pub fn take(&mut self) -> Value {
        std::mem::replace(self, Value::NULL)
    }

    /// Number of the variant, for enums and `Result`; an optional is 0 with a value and 1 without.
    pub fn variant_number(&self) -> i64 {
        match self.view() {
            View::UnitVariant(_, variant) | View::Enum(_, variant, _) => i64::from(variant),
            View::Null => 1,
            _ => 0,
        }
    }

    /// Whether the value is seen as `json`.
    #[inline]
    pub fn is_json(&self) -> bool {
        self.head.get() & JSON_FLAG != 0
    }

    /// The same value seen as `json`. Only for values whose parts are seen as `json` too (see [`json::to_json`]).
    pub(crate) fn seen_as_json(mut self) -> Value {
        self.head |= JSON_FLAG;
        self
    }

    /// The same value seen as what it is, an integer beyond 64 bits as the float nearest to it. Its parts keep how they are seen.
    pub fn seen_plainly(mut self) -> Value {
        if self.is_json()
            && let Some(digits) = self.as_bytes()
        {
            let number = str::from_utf8(digits.as_slice()).ok().and_then(|digits| digits.parse().ok());
            return Value::float(number.unwrap_or(f64::NAN));
        }
        // SAFETY: the tag stays, which is not zero.
        self.head = unsafe { NonZeroU64::new_unchecked(self.head.get() & !JSON_FLAG) };
        self
    }
}

#[cold]
#[inline(never)]
fn release_rarely(value: &mut Value) {
    drop(value.take());
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Value {
        if let Some(object) = self.object() {
            // SAFETY: this value owns a count, so the object is live, and values do not leave their process's thread.
            unsafe { object::retain(object) };
        }
        Value { head: self.head, payload: self.payload }
    }
}

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = self.object() {
            // SAFETY: the value owns one count, and its tag is that of the object.
            unsafe { object::release(self.tag(), object) };
        }
    }
}

impl Default for Value {
    fn default() -> Value {
        Value::NULL
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::debug_text(self))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::float(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::str(text)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Value {
        Value::array(values)
    }
}

impl From<()> for Value {
    fn from((): ()) -> Value {
        Value::NULL
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::NULL, Into::into)
    }
}

#[cfg(test)]
mod tests;
