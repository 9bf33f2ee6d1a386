//! Values taken apart: one view for matching, and the accessors of single kinds.
//!
//! Invariant: a handle is made of a payload only after the tag said that the payload is such a handle.

use vega_bytecode::{EnumId, FunctionId, StructId};

use super::{Array, Bytes, Frame, Handle, Map, Range, Record, Secret, Str, Tag, Value};
use crate::error::Error;

/// A value taken apart, for matching.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// 64-bit integer
    Int(i64),
    /// Double
    Float(f64),
    /// Nanoseconds
    Duration(i64),
    /// Pico-dollars
    Money(i64),
    /// Variant without payload
    UnitVariant(EnumId, u16),
    /// Function without captures
    Function(FunctionId),
    /// Process id
    Process(u64),
    /// Header of a frame
    Frame(Frame),
    /// Monitor
    Monitor(u64),
    /// Text
    Str(&'a Str),
    /// Bytes
    Bytes(&'a Bytes),
    /// Array
    Array(&'a Array),
    /// Map
    Map(&'a Map),
    /// Struct
    Struct(StructId, &'a Record),
    /// Variant with payload
    Enum(EnumId, u16, &'a Record),
    /// Tuple
    Tuple(&'a Record),
    /// Range
    Range(&'a Range),
    /// Function with captures
    Closure(FunctionId, &'a Record),
    /// Error
    Error(&'a Error),
    /// Handle
    Handle(&'a Handle),
    /// Secret
    Secret(&'a Secret),
}

impl Value {
    /// The value taken apart.
    #[inline]
    pub fn view(&self) -> View<'_> {
        match self.tag() {
            Tag::Null => View::Null,
            Tag::Bool => View::Bool(self.bool_bits()),
            Tag::Int => View::Int(self.int_bits()),
            Tag::Float => View::Float(self.float_bits()),
            Tag::Duration => View::Duration(self.int_bits()),
            Tag::Money => View::Money(self.int_bits()),
            Tag::UnitVariant => View::UnitVariant(EnumId(self.half()), self.int_bits() as u16),
            Tag::Function => View::Function(FunctionId(self.int_bits() as u32)),
            Tag::Process => View::Process(self.int_bits() as u64),
            Tag::Frame => View::Frame(self.frame_bits()),
            Tag::Monitor => View::Monitor(self.int_bits() as u64),
            // SAFETY: the tag says which handle the payload is.
            Tag::Str => View::Str(unsafe { self.handle_unchecked() }),
            // SAFETY: the tag says which handle the payload is.
            Tag::Bytes => View::Bytes(unsafe { self.handle_unchecked() }),
            // SAFETY: the tag says which handle the payload is.
            Tag::Array => View::Array(unsafe { self.handle_unchecked() }),
            // SAFETY: the tag says which handle the payload is.
            Tag::Map => View::Map(unsafe { self.handle_unchecked() }),
            Tag::Struct => {
                // SAFETY: the tag says which handle the payload is.
                let record: &Record = unsafe { self.handle_unchecked() };
                View::Struct(StructId(record.definition()), record)
            }
            Tag::Enum => {
                // SAFETY: the tag says which handle the payload is.
                let record: &Record = unsafe { self.handle_unchecked() };
                View::Enum(EnumId(record.definition()), record.variant(), record)
            }
            // SAFETY: the tag says which handle the payload is.
            Tag::Tuple => View::Tuple(unsafe { self.handle_unchecked() }),
            // SAFETY: the tag says which handle the payload is.
            Tag::Range => View::Range(unsafe { self.handle_unchecked() }),
            Tag::Closure => {
                // SAFETY: the tag says which handle the payload is.
                let record: &Record = unsafe { self.handle_unchecked() };
                View::Closure(FunctionId(record.definition()), record)
            }
            // SAFETY: the tag says which handle the payload is.
            Tag::Error => View::Error(unsafe { self.handle_unchecked() }),
            // SAFETY: the tag says which handle the payload is.
            Tag::Handle => View::Handle(unsafe { self.handle_unchecked() }),
            // SAFETY: the tag says which handle the payload is.
            Tag::Secret => View::Secret(unsafe { self.handle_unchecked() }),
        }
    }

    /// The int, if it is one.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        (self.tag() == Tag::Int).then(|| self.int_bits())
    }

    /// The double, if it is one.
    #[inline]
    pub fn as_float(&self) -> Option<f64> {
        (self.tag() == Tag::Float).then(|| self.float_bits())
    }

    /// The truth value, if it is one.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        (self.tag() == Tag::Bool).then(|| self.bool_bits())
    }

    /// The nanoseconds of a duration.
    #[inline]
    pub fn as_duration(&self) -> Option<i64> {
        (self.tag() == Tag::Duration).then(|| self.int_bits())
    }

    /// The pico-dollars of an amount.
    #[inline]
    pub fn as_money(&self) -> Option<i64> {
        (self.tag() == Tag::Money).then(|| self.int_bits())
    }

    /// The word of a process id.
    #[inline]
    pub fn as_process(&self) -> Option<u64> {
        (self.tag() == Tag::Process).then(|| self.int_bits() as u64)
    }

    /// The number of a monitor.
    #[inline]
    pub fn as_monitor(&self) -> Option<u64> {
        (self.tag() == Tag::Monitor).then(|| self.int_bits() as u64)
    }

    /// The text, if it is one.
    #[inline]
    pub fn as_text(&self) -> Option<&str> {
        self.as_str().map(Str::as_str)
    }

    /// The array's handle, for changing it.
    #[inline]
    pub fn as_array_mut(&mut self) -> Option<&mut Array> {
        // SAFETY: the tag is checked.
        (self.tag() == Tag::Array).then(|| unsafe { self.handle_unchecked_mut() })
    }

    /// The text's handle, for changing it.
    #[inline]
    pub fn as_str_mut(&mut self) -> Option<&mut Str> {
        // SAFETY: the tag is checked.
        (self.tag() == Tag::Str).then(|| unsafe { self.handle_unchecked_mut() })
    }

    /// The bytes' handle, for changing them.
    #[inline]
    pub fn as_bytes_mut(&mut self) -> Option<&mut Bytes> {
        // SAFETY: the tag is checked.
        (self.tag() == Tag::Bytes).then(|| unsafe { self.handle_unchecked_mut() })
    }

    /// The map's handle, for changing it.
    #[inline]
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        // SAFETY: the tag is checked.
        (self.tag() == Tag::Map).then(|| unsafe { self.handle_unchecked_mut() })
    }

    /// The record of a struct, variant, tuple or closure.
    #[inline]
    pub fn as_record(&self) -> Option<&Record> {
        // SAFETY: the four tags share one representation.
        self.is_record().then(|| unsafe { self.handle_unchecked() })
    }

    /// The record of a struct, variant, tuple or closure, for changing it.
    #[inline]
    pub fn as_record_mut(&mut self) -> Option<&mut Record> {
        // SAFETY: the four tags share one representation.
        self.is_record().then(|| unsafe { self.handle_unchecked_mut() })
    }

    #[inline]
    fn is_record(&self) -> bool {
        // Their tags stand side by side, so that this is one comparison.
        const FIRST: u8 = Tag::Struct as u8;
        const _: () = assert!(Tag::Closure as u8 - FIRST == 3);
        (self.tag() as u8).wrapping_sub(FIRST) <= 3
    }
}

macro_rules! as_handle {
    ($($(#[doc = $doc:literal])+ $method:ident, $name:ident;)+) => {
        impl Value {
            $($(#[doc = $doc])+
            #[inline]
            pub fn $method(&self) -> Option<&$name> {
                // SAFETY: the tag is checked and is that of the handle type.
                (self.tag() == Tag::$name).then(|| unsafe { self.handle_unchecked() })
            })+
        }
    };
}

as_handle! {
    /// The text's handle, if it is text.
    as_str, Str;
    /// The bytes, if it is bytes.
    as_bytes, Bytes;
    /// The array, if it is one.
    as_array, Array;
    /// The map, if it is one.
    as_map, Map;
    /// The range, if it is one.
    as_range, Range;
    /// The error, if it is one.
    as_error, Error;
    /// The handle, if it is one.
    as_handle, Handle;
    /// The secret, if it is one.
    as_secret, Secret;
}
