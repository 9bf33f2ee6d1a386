//! `hash`: digests and checksums.

use std::fmt::Write as _;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use vega_runtime::value::Value;

use crate::arguments::{Computed, bytes, computed, text};

computed! {
    "hash::sha256" / 1 => |a, _| digest::<Sha256>(text(a, 0)?.as_bytes());
    "hash::sha512" / 1 => |a, _| digest::<Sha512>(text(a, 0)?.as_bytes());
    "hash::sha1" / 1 => |a, _| digest::<Sha1>(text(a, 0)?.as_bytes());
    "hash::md5" / 1 => |a, _| digest::<Md5>(text(a, 0)?.as_bytes());
    "hash::crc32" / 1 => |a, _| Ok(Value::int(i64::from(crc32fast::hash(text(a, 0)?.as_bytes()))));
    "hash::sha256_bytes" / 1 => |a, _| digest::<Sha256>(bytes(a, 0)?.as_slice());
    "hash::sha512_bytes" / 1 => |a, _| digest::<Sha512>(bytes(a, 0)?.as_slice());
    "hash::sha1_bytes" / 1 => |a, _| digest::<Sha1>(bytes(a, 0)?.as_slice());
    "hash::md5_bytes" / 1 => |a, _| digest::<Md5>(bytes(a, 0)?.as_slice());
    "hash::crc32_bytes" / 1 => |a, _| Ok(Value::int(i64::from(crc32fast::hash(bytes(a, 0)?.as_slice()))));
}

/// Two hexadecimal digits for each byte of the digest.
fn digest<D: Digest>(content: &[u8]) -> Computed {
    let mut hex = String::new();
    for byte in D::digest(content) {
        let _infallible = write!(hex, "{byte:02x}");
    }
    Ok(Value::str(hex))
}

#[cfg(test)]
mod tests {
    use vega_runtime::value::{Bytes, Value};

    use crate::testing::shows;

    #[test]
    fn digests_are_those_of_the_standards() {
        shows("hash::sha256", ("abc",), "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
        shows("hash::sha1", ("abc",), "\"a9993e364706816aba3e25717850c26c9cd0d89d\"");
        shows("hash::md5", ("",), "\"d41d8cd98f00b204e9800998ecf8427e\"");
        shows("hash::crc32", ("123456789",), "3421780262");
        shows("hash::md5_bytes", (Value::from(Bytes::from(vec![0x61, 0x62, 0x63])),), "\"900150983cd24fb0d6963f7d28e17f72\"");
    }
}
