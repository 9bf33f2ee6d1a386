//! Trace and span identifiers: random numbers that are never zero, printed as lower-case hex.
//!
//! The sizes are those of the W3C trace context, so that a trace can cross into other systems.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use serde::{Serialize, Serializer};

/// Names one trace: everything that follows from one run of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// Names one record of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceId {
    /// Makes an id of random bits; zero, which the trace context forbids, becomes one.
    pub fn from_random(bits: u128) -> TraceId {
        TraceId(NonZeroU128::new(bits).unwrap_or(NonZeroU128::MIN))
    }
}

impl SpanId {
    /// Makes an id of random bits; zero, which the trace context forbids, becomes one.
    pub fn from_random(bits: u64) -> SpanId {
        SpanId(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_with_all_their_digits_and_are_never_zero() {
        assert_eq!(TraceId::from_random(0xab).to_string(), format!("{:0>32}", "ab"));
        assert_eq!(SpanId::from_random(0xab).to_string(), "00000000000000ab");
        assert_eq!(SpanId::from_random(0), SpanId::from_random(1));
        assert_eq!(TraceId::from_random(0), TraceId::from_random(1));
    }
}
