//! Runs of bytes.

use std::ops::Range;
use std::sync::Arc;

use super::Value;
use super::heap;
use super::object::{Body, handle};
use super::text::SHARED_BYTES_MIN;

#[derive(Clone)]
pub(crate) struct BytesBody {
    /// Shared with other processes where long; changed only while nobody else holds it.
    bytes: Arc<Vec<u8>>,
}

impl Body for BytesBody {
    fn storage_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn take_child(&mut self, _cursor: &mut usize) -> Option<Value> {
        None
    }
}

handle! {
    /// Bytes. Cloning shares them.
    Bytes, Bytes, BytesBody
}

impl Bytes {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.body().bytes
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The bytes between two indexes, if both lie inside and in order.
    pub fn slice(&self, range: Range<i64>) -> Option<Bytes> {
        let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        self.as_slice().get(start..end).map(Bytes::from)
    }

    /// Works on the bytes in place; storage that somebody shares is copied first.
    fn change<T>(&mut self, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let body = self.unique_body_mut();
        let before = body.bytes.capacity();
        let bytes = Arc::make_mut(&mut body.bytes);
        let result = work(bytes);
        let after = bytes.capacity();
        heap::charge(after);
        heap::credit(before);
        result
    }

    /// Appends one byte.
    pub fn push(&mut self, byte: u8) {
        self.change(|bytes| bytes.push(byte));
    }

    /// Appends bytes.
    pub fn extend(&mut self, more: &[u8]) {
        self.change(|bytes| bytes.extend_from_slice(more));
    }

    /// Replaces the byte at an index; false where the index lies outside.
    pub fn set(&mut self, index: i64, byte: u8) -> bool {
        let Some(index) = usize::try_from(index).ok().filter(|&index| index < self.len()) else { return false };
        self.change(|bytes| bytes[index] = byte);
        true
    }

    /// Both joined.
    pub fn concat(&self, other: &Bytes) -> Bytes {
        Bytes::from([self.as_slice(), other.as_slice()].concat())
    }

    /// The bytes in storage that other threads may hold.
    pub fn to_shared(&self) -> Arc<Vec<u8>> {
        self.body().bytes.clone()
    }

    /// The same bytes for another process: many are shared, few are copied.
    pub(crate) fn travelling(&self) -> Bytes {
        let bytes = &self.body().bytes;
        let bytes = if bytes.len() >= SHARED_BYTES_MIN { bytes.clone() } else { Arc::new(bytes.as_ref().clone()) };
        Bytes::from_body(BytesBody { bytes })
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::from_body(BytesBody { bytes: Arc::new(bytes) })
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        Bytes::from(bytes.to_vec())
    }
}

impl From<Arc<Vec<u8>>> for Bytes {
    fn from(bytes: Arc<Vec<u8>>) -> Bytes {
        Bytes::from_body(BytesBody { bytes })
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (group >> (18 - 6 * place)) as usize & 63;
            text.push(if place <= chunk.len() { BASE64[sextet] as char } else { '=' });
        }
    }
    text
}

/// Bytes of base64 text, with or without padding; `None` where it is none.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        if chunk.len() == 1 {
            return None;
        }
        let mut group = 0_u32;
        for &byte in chunk {
            group = group << 6 | BASE64.iter().position(|&digit| digit == byte)? as u32;
        }
        group <<= 6 * (4 - chunk.len());
        bytes.extend(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}
