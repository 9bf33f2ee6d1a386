//! Objects on a process's heap: a count, then a body, in one allocation.
//!
//! Counts are not atomic. All objects of a process are reached by that process alone and move between threads only together with it,
//! so no two threads ever touch one count. The exception are *immortal* objects (constants of a program): their count is
//! [`IMMORTAL`], which is only ever read.
//!
//! Invariant: a [`super::Value`] with a heap tag, or a typed handle, owns exactly one count of a live object whose body has the type
//! that belongs to the tag. Freeing works on a list of its own and never recurses, however deep the structure is.

use std::cell::Cell;
use std::ptr::NonNull;

use super::array::ArrayBody;
use super::bytes::BytesBody;
use super::handle::{HandleBody, SecretBody};
use super::heap;
use super::map::MapBody;
use super::range::RangeBody;
use super::record;
use super::text::StrBody;
use super::{Tag, Value};
use crate::error::ErrorValue;

/// The count of an object that is never freed by its users.
pub(crate) const IMMORTAL: usize = usize::MAX;

/// What every object begins with.
#[repr(C, align(8))]
pub(crate) struct Header {
    pub(crate) count: Cell<usize>,
}

/// An object with a body of fixed size.
#[repr(C)]
pub(crate) struct Object<T> {
    pub(crate) header: Header,
    pub(crate) body: T,
}

/// What the body of an object tells about itself.
pub(crate) trait Body: Sized {
    /// Bytes of storage that the body owns outside of the object. Must not change unless the difference is charged.
    fn storage_bytes(&self) -> usize;

    /// Moves out the next value that the body holds, at or after `cursor`, and advances it. `None` when nothing is left.
    fn take_child(&mut self, cursor: &mut usize) -> Option<Value>;
}

/// Makes an object with count 1 and charges it.
pub(crate) fn allocate<T: Body>(body: T) -> NonNull<Object<T>> {
    heap::charge(size_of::<Object<T>>() + body.storage_bytes());
    NonNull::from(Box::leak(Box::new(Object { header: Header { count: Cell::new(1) }, body })))
}

/// Adds one to an object's count.
///
/// # Safety
/// `object` is live and belongs to the process that runs on this thread, or is immortal.
#[inline]
pub(crate) unsafe fn retain(object: NonNull<Header>) {
    // SAFETY: the caller promises that the object is live; a shared reference suffices since the count is a cell.
    let header = unsafe { object.as_ref() };
    let count = header.count.get();
    if count != IMMORTAL {
        header.count.set(count + 1);
    }
}

/// Sets an object's count.
///
/// # Safety
/// As for [`retain`], and nobody else refers to the object.
pub(crate) unsafe fn set_count(object: NonNull<Header>, count: usize) {
    // SAFETY: the object is live.
    unsafe { object.as_ref() }.count.set(count);
}

/// Takes one from an object's count and frees the object with the last one.
///
/// # Safety
/// As for [`retain`], the caller owns one count and gives it up, and `tag` is the tag that the object was made for.
#[inline]
pub(crate) unsafe fn release(tag: Tag, object: NonNull<Header>) {
    // SAFETY: as promised by the caller.
    if unsafe { drop_count(object) } {
        // SAFETY: the last count is gone, so nobody else can reach the object.
        unsafe { free(tag, object) }
    }
}

/// Takes one from a count; true when it was the last.
///
/// # Safety
/// As for [`release`].
#[inline]
unsafe fn drop_count(object: NonNull<Header>) -> bool {
    // SAFETY: the caller owns a count, so the object is live.
    let header = unsafe { object.as_ref() };
    let count = header.count.get();
    if count == IMMORTAL {
        return false;
    }
    header.count.set(count - 1);
    count == 1
}

/// An object whose values are being moved out.
struct Opened {
    tag: Tag,
    object: NonNull<Header>,
    cursor: usize,
}

/// Frees an object without counts, and every object that it alone held.
///
/// # Safety
/// The object's last count is gone and `tag` is its tag.
#[cold]
#[inline(never)]
unsafe fn free(tag: Tag, object: NonNull<Header>) {
    let mut outer: Vec<Opened> = Vec::new();
    let mut current = Opened { tag, object, cursor: 0 };
    loop {
        // SAFETY: `current` has no counts left and its tag is its own: both hold for the first by the caller's promise, and for
        // those opened below because their last count was just given up.
        let child = unsafe { take_child(&mut current) };
        match child {
            Some(child) => {
                let Some((tag, object)) = child.into_object() else { continue };
                // SAFETY: the moved-out child owned one count, which is given up here.
                if unsafe { drop_count(object) } {
                    outer.push(std::mem::replace(&mut current, Opened { tag, object, cursor: 0 }));
                }
            }
            None => {
                // SAFETY: the body holds no more values, and nobody can reach the object.
                unsafe { deallocate(&current) };
                match outer.pop() {
                    Some(opened) => current = opened,
                    None => return,
                }
            }
        }
    }
}

macro_rules! with_body {
    ($tag:expr, $object:expr, $typed:ident => $fixed:expr, $record:ident => $inline:expr) => {
        match $tag {
            Tag::Str => with_body!(@fixed StrBody, $object, $typed => $fixed),
            Tag::Bytes => with_body!(@fixed BytesBody, $object, $typed => $fixed),
            Tag::Array => with_body!(@fixed ArrayBody, $object, $typed => $fixed),
            Tag::Map => with_body!(@fixed MapBody, $object, $typed => $fixed),
            Tag::Range => with_body!(@fixed RangeBody, $object, $typed => $fixed),
            Tag::Error => with_body!(@fixed ErrorValue, $object, $typed => $fixed),
            Tag::Handle => with_body!(@fixed HandleBody, $object, $typed => $fixed),
            Tag::Secret => with_body!(@fixed SecretBody, $object, $typed => $fixed),
            Tag::Struct | Tag::Enum | Tag::Tuple | Tag::Closure => {
                let $record = $object.cast::<record::RecordObject>();
                $inline
            }
            Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Duration | Tag::Money | Tag::UnitVariant | Tag::Function
            | Tag::Process | Tag::Frame | Tag::Monitor => unreachable!("a scalar owns no object"),
        }
    };
    (@fixed $body:ty, $object:expr, $typed:ident => $fixed:expr) => {{
        let $typed = $object.cast::<Object<$body>>();
        $fixed
    }};
}

/// # Safety
/// `opened` has no counts left and its tag is its own.
unsafe fn take_child(opened: &mut Opened) -> Option<Value> {
    let cursor = &mut opened.cursor;
    with_body!(opened.tag, opened.object,
        // SAFETY: the tag says which body the object has, and without counts nobody else refers to it.
        typed => unsafe { (*typed.as_ptr()).body.take_child(cursor) },
        // SAFETY: the same, for an object with its values inline.
        inline => unsafe { record::take_child(inline, cursor) }
    )
}

/// # Safety
/// `opened` has no counts left, its tag is its own, and every value was moved out of it.
unsafe fn deallocate(opened: &Opened) {
    with_body!(opened.tag, opened.object,
        typed => {
            // SAFETY: the object came from `allocate` with this very type, and nobody refers to it any more.
            let object = unsafe { Box::from_raw(typed.as_ptr()) };
            heap::credit(size_of_val(&*object) + object.body.storage_bytes());
        },
        // SAFETY: the object came from `record::allocate`; its values are moved out.
        inline => unsafe { record::deallocate(inline) }
    )
}

/// Defines the typed handle of one heap kind with a body of fixed size.
macro_rules! handle {
    ($(#[doc = $doc:literal])+ $name:ident, $tag:ident, $body:ty) => {
        $(#[doc = $doc])+
        #[repr(transparent)]
        pub struct $name(std::ptr::NonNull<$crate::value::object::Object<$body>>);

        impl $name {
            pub(crate) fn from_body(body: $body) -> Self {
                Self($crate::value::object::allocate(body))
            }

            #[inline]
            pub(crate) fn body(&self) -> &$body {
                // SAFETY: the handle owns a count, so the object lives as long as the handle.
                unsafe { &(*self.0.as_ptr()).body }
            }

            /// Whether nothing else shares the storage.
            #[inline]
            pub fn is_unique(&self) -> bool {
                // SAFETY: the handle owns a count, so the object is live.
                unsafe { (*self.0.as_ptr()).header.count.get() == 1 }
            }

            /// Whether both are the very same storage.
            pub fn same_storage(&self, other: &Self) -> bool {
                self.0 == other.0
            }

            /// Address of the storage: equal for handles that share it.
            #[allow(dead_code, reason = "not every kind is remembered by its address")]
            pub(crate) fn address(&self) -> usize {
                self.0.as_ptr() as usize
            }

            #[allow(dead_code, reason = "not every kind is changed in place")]
            #[inline]
            pub(crate) fn unique_body_mut(&mut self) -> &mut $body
            where
                $body: Clone,
            {
                if !self.is_unique() {
                    *self = Self::from_body(self.body().clone());
                }
                // SAFETY: the count is 1 and `self` owns it, so this is the only reference.
                unsafe { &mut (*self.0.as_ptr()).body }
            }
        }

        impl Clone for $name {
            #[inline]
            fn clone(&self) -> Self {
                // SAFETY: the handle owns a count, so the object is live, and handles do not leave their process's thread.
                unsafe { $crate::value::object::retain(self.0.cast()) };
                Self(self.0)
            }
        }

        impl Drop for $name {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: the handle owns one count and the tag is that of its body.
                unsafe { $crate::value::object::release($crate::value::Tag::$tag, self.0.cast()) }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&$crate::value::Value::from(self.clone()), f)
            }
        }

        impl From<$name> for $crate::value::Value {
            #[inline]
            fn from(handle: $name) -> Self {
                let object = std::mem::ManuallyDrop::new(handle).0;
                // SAFETY: the count of the handle passes to the value; the tag is that of the body.
                unsafe { $crate::value::Value::from_object($crate::value::Tag::$tag, object.cast()) }
            }
        }
    };
}
pub(crate) use handle;
