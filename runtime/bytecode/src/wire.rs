//! Bytes in and out: variable-length integers, text, lists. The format's grammar is in `format`; this file knows no module.
//!
//! Invariant: reading never allocates more than a small multiple of the bytes that are there, whatever they say, and never panics.

use std::fmt;

/// Something that has one form as bytes.
pub(crate) trait Wire: Sized {
    /// Fewest bytes that a value of this type takes: bounds what a count can ask for.
    const BYTES_MIN: usize = 1;

    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads a value.
    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage>;
}

/// What was wrong with the bytes, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Offset from the start of the bytes that were being read.
    pub offset: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.problem, self.offset)
    }
}

/// Reads from the front of a slice.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`, whose first byte has the given offset in the file.
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    /// Bytes not yet read.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// An error at the present place.
    pub(crate) fn damage(&self, problem: &'static str) -> Damage {
        Damage { offset: self.offset, problem }
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        if count > self.bytes.len() {
            return Err(self.damage("the file ends too early"));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        self.offset += count;
        Ok(taken)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        Ok(self.bytes(1)?[0])
    }

    /// The next bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    /// An unsigned LEB128 integer.
    pub(crate) fn unsigned(&mut self) -> Result<u64, Damage> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(self.damage("an integer is too large"));
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damage("an integer is too long"))
    }

    /// How many items follow, each of at least `bytes_min` bytes: never more than there is room for.
    pub(crate) fn count(&mut self, bytes_min: usize) -> Result<usize, Damage> {
        let count = self.unsigned()?;
        let most = self.bytes.len() / bytes_min.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(self.damage("a count is larger than the file")),
        }
    }
}

/// Appends an unsigned LEB128 integer.
pub(crate) fn put_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

macro_rules! unsigned_wire {
    ($($ty:ty),+) => { $(
        impl Wire for $ty {
            fn put(&self, out: &mut Vec<u8>) {
                put_unsigned(u64::from(*self), out);
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
                Self::try_from(reader.unsigned()?).map_err(|_| reader.damage("an integer is too large"))
            }
        }
    )+ };
}

unsigned_wire!(u8, u16, u32, u64);

impl Wire for i64 {
    fn put(&self, out: &mut Vec<u8>) {
        // Zigzag: small numbers of either sign stay short.
        put_unsigned((*self as u64) << 1 ^ (*self >> 63) as u64, out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let folded = reader.unsigned()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

impl Wire for f64 {
    const BYTES_MIN: usize = 8;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bits().to_le_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        Ok(f64::from_bits(u64::from_le_bytes(reader.array()?)))
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(reader.damage("a truth value is neither 0 nor 1")),
        }
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_unsigned(self.len() as u64, out);
        out.extend(self.as_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let count = reader.count(1)?;
        match std::str::from_utf8(reader.bytes(count)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(reader.damage("a text is not UTF-8")),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_unsigned(self.len() as u64, out);
        for item in self {
            item.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let count = reader.count(T::BYTES_MIN)?;
        // Grows as items really arrive: a large count before damaged items has cost nothing.
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(T::take(reader)?);
        }
        Ok(items)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        Ok(if bool::take(reader)? { Some(T::take(reader)?) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length_come_back() {
        for shift in 0..64 {
            for value in [(1u64 << shift) - 1, 1 << shift, u64::MAX >> shift] {
                let mut out = Vec::new();
                value.put(&mut out);
                (value as i64).put(&mut out);
                (!(value as i64)).put(&mut out);
                let mut reader = Reader::new(&out, 0);
                assert_eq!(u64::take(&mut reader), Ok(value));
                assert_eq!(i64::take(&mut reader), Ok(value as i64));
                assert_eq!(i64::take(&mut reader), Ok(!(value as i64)));
                assert_eq!(reader.remaining(), 0);
            }
        }
    }

    #[test]
    fn an_eleven_byte_integer_is_refused() {
        let bytes = [0xff; 11];
        assert!(u64::take(&mut Reader::new(&bytes, 0)).is_err());
    }

    #[test]
    fn a_count_beyond_the_file_is_refused_before_anything_is_allocated() {
        let mut bytes = Vec::new();
        put_unsigned(u64::MAX / 2, &mut bytes);
        bytes.push(0);
        let error = Vec::<u64>::take(&mut Reader::new(&bytes, 100)).expect_err("the count is far too large");
        assert_eq!(error.problem, "a count is larger than the file");
        assert!(error.offset >= 100);
    }
}
