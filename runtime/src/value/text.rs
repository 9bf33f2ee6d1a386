//! Strings: UTF-8 with the number of characters remembered, so that pure ASCII is indexed in O(1).
//!
//! Invariant: `characters` is either [`UNKNOWN`] or the number of `text`'s characters. Where it equals the number of bytes the text
//! is ASCII.

use std::cell::{Cell, UnsafeCell};
use std::ops::Range;
use std::sync::Arc;

use super::Value;
use super::heap;
use super::object::{Body, handle};

/// Texts and bytes of at least this many bytes are shared between processes instead of copied. Sending shared text costs 42 ns
/// whatever its size; copying costs 35 ns up to 128 bytes, as much as sharing at about 1 KiB, and twice that at 4 KiB. The bound is
/// lower than where they meet because shared text also saves the memory of the copies.
pub const SHARED_BYTES_MIN: usize = 256;

/// The number of characters was not needed yet.
const UNKNOWN: usize = usize::MAX;

enum Storage {
    /// This process's own.
    Own(String),
    /// Held by other processes too, or once held by them; changed only while nobody else holds it.
    Shared(Arc<String>),
}

pub(crate) struct StrBody {
    /// In a cell so that sending a long text can turn its storage into shared storage without copying: the characters stay where they
    /// are, so text that somebody borrowed stays good. Only [`StrBody::shared`] writes through a shared reference.
    storage: UnsafeCell<Storage>,
    characters: Cell<usize>,
}

impl StrBody {
    fn new(storage: Storage, characters: usize) -> StrBody {
        StrBody { storage: UnsafeCell::new(storage), characters: Cell::new(characters) }
    }

    #[inline]
    fn text(&self) -> &str {
        // SAFETY: the reference to the storage ends in this function, so `shared` never replaces it under one; the characters
        // that are returned move only when the body is changed through a unique reference.
        match unsafe { &*self.storage.get() } {
            Storage::Own(text) => text,
            Storage::Shared(text) => text,
        }
    }

    /// The text in storage that other threads may hold.
    fn shared(&self) -> Arc<String> {
        // SAFETY: nobody keeps a reference to the storage itself (see `text`), and the body is reached by one thread alone. The
        // bodies of constants, which several threads reach, are never replaced: long ones were shared when they were made.
        let storage = unsafe { &mut *self.storage.get() };
        match storage {
            Storage::Shared(text) => text.clone(),
            Storage::Own(text) => {
                let text = Arc::new(std::mem::take(text));
                *storage = Storage::Shared(text.clone());
                text
            }
        }
    }
}

impl Body for StrBody {
    fn storage_bytes(&self) -> usize {
        // SAFETY: as in `text`.
        match unsafe { &*self.storage.get() } {
            Storage::Own(text) => text.capacity(),
            Storage::Shared(text) => text.capacity(),
        }
    }

    fn take_child(&mut self, _cursor: &mut usize) -> Option<Value> {
        None
    }
}

handle! {
    /// Text. Cloning shares it.
    Str, Str, StrBody
}

impl Str {
    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        self.body().text()
    }

    /// Number of characters.
    pub fn len(&self) -> usize {
        let body = self.body();
        if body.characters.get() == UNKNOWN {
            body.characters.set(body.text().chars().count());
        }
        body.characters.get()
    }

    /// Whether there are no characters.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// Whether every character is one byte.
    pub fn is_ascii(&self) -> bool {
        self.len() == self.as_str().len()
    }

    /// The character at an index.
    pub fn character(&self, index: i64) -> Option<char> {
        let index = usize::try_from(index).ok()?;
        if self.is_ascii() {
            return self.as_str().as_bytes().get(index).map(|&byte| byte as char);
        }
        if index >= self.len() {
            return None;
        }
        self.as_str().chars().nth(index)
    }

    /// The text between two character indexes, if both lie inside and in order.
    pub fn slice(&self, range: Range<i64>) -> Option<Str> {
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        if start > end || end > self.len() {
            return None;
        }
        if start == 0 && end == self.len() {
            return Some(self.clone());
        }
        let text = self.as_str();
        if self.is_ascii() {
            return Some(Str::with_length(text[start..end].to_string(), end - start));
        }
        let mut places = text.char_indices().map(|(place, _)| place).chain(std::iter::once(text.len()));
        let first = places.nth(start)?;
        let last = if end == start { first } else { places.nth(end - start - 1)? };
        Some(Str::with_length(text[first..last].to_string(), end - start))
    }

    /// The index in characters of a place in bytes.
    pub fn character_index(&self, byte: usize) -> usize {
        if self.is_ascii() { byte } else { self.as_str()[..byte].chars().count() }
    }

    fn with_length(text: String, characters: usize) -> Str {
        Str::from_body(StrBody::new(Storage::Own(text), characters))
    }

    /// Appends text, in place where nothing shares the storage.
    pub fn push_str(&mut self, more: &str) {
        if !self.is_unique() {
            *self = Str::with_room(self, more.len());
        }
        let body = self.unique_body_mut();
        let characters = body.characters.get_mut();
        if *characters != UNKNOWN {
            *characters += more.chars().count();
        }
        match body.storage.get_mut() {
            Storage::Own(text) => append(text, more),
            Storage::Shared(shared) => match Arc::get_mut(shared) {
                Some(text) => append(text, more),
                None => {
                    let mut text = String::with_capacity((shared.len() + more.len()).next_power_of_two());
                    text.push_str(shared);
                    text.push_str(more);
                    heap::charge(text.capacity());
                    heap::credit(shared.capacity());
                    *body.storage.get_mut() = Storage::Own(text);
                }
            },
        }
    }

    /// A copy with room for more.
    fn with_room(&self, more: usize) -> Str {
        let mut text = String::with_capacity((self.as_str().len() + more).next_power_of_two());
        text.push_str(self.as_str());
        Str::with_length(text, self.body().characters.get())
    }

    /// Both texts joined.
    pub fn concat(&self, other: &Str) -> Str {
        let mut text = String::with_capacity(self.as_str().len() + other.as_str().len());
        text.push_str(self.as_str());
        text.push_str(other.as_str());
        Str::from(text)
    }

    /// The text in storage that other threads may hold. The first time costs one allocation, but no copy.
    pub fn to_shared(&self) -> Arc<String> {
        self.body().shared()
    }

    /// The same text for another process: long texts share their storage, short ones are copied.
    pub(crate) fn travelling(&self) -> Str {
        let body = self.body();
        let storage = if body.text().len() >= SHARED_BYTES_MIN {
            Storage::Shared(body.shared())
        } else {
            Storage::Own(body.text().to_string())
        };
        Str::from_body(StrBody::new(storage, body.characters.get()))
    }

    /// Brings the text into a form that is never written again, so that several threads may read it.
    pub(crate) fn settle(&self) {
        self.len();
        if self.as_str().len() >= SHARED_BYTES_MIN {
            self.to_shared();
        }
    }
}

fn append(text: &mut String, more: &str) {
    let before = text.capacity();
    text.push_str(more);
    heap::charge(text.capacity() - before);
}

impl Clone for StrBody {
    fn clone(&self) -> StrBody {
        StrBody::new(Storage::Own(self.text().to_string()), self.characters.get())
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str::with_length(text, UNKNOWN)
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str::from(text.to_string())
    }
}

impl From<char> for Str {
    fn from(character: char) -> Str {
        Str::with_length(character.to_string(), 1)
    }
}

impl From<Arc<String>> for Str {
    fn from(text: Arc<String>) -> Str {
        Str::from_body(StrBody::new(Storage::Shared(text), UNKNOWN))
    }
}
