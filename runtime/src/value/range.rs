//! Ranges of ints.

use super::Value;
use super::object::{Body, handle};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RangeBody {
    start: i64,
    end: i64,
    inclusive: bool,
}

impl Body for RangeBody {
    fn storage_bytes(&self) -> usize {
        0
    }

    fn take_child(&mut self, _cursor: &mut usize) -> Option<Value> {
        None
    }
}

handle! {
    /// `a..b` or `a..=b`.
    Range, Range, RangeBody
}

impl Range {
    /// `start..end`, or `start..=end` where inclusive.
    pub fn new(start: i64, end: i64, inclusive: bool) -> Range {
        Range::from_body(RangeBody { start, end, inclusive })
    }

    /// First number.
    pub fn start(&self) -> i64 {
        self.body().start
    }

    /// Last number, or the one after it, as it was written.
    pub fn end(&self) -> i64 {
        self.body().end
    }

    /// Whether the end belongs to it.
    pub fn is_inclusive(&self) -> bool {
        self.body().inclusive
    }

    /// How many numbers it has.
    pub fn len(&self) -> u64 {
        let body = self.body();
        if body.start > body.end {
            return 0;
        }
        // The whole of int has one number more than fits; a loop over it would not end anyway.
        body.start.abs_diff(body.end).saturating_add(u64::from(body.inclusive))
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a number belongs to it.
    pub fn contains(&self, number: i64) -> bool {
        let body = self.body();
        body.start <= number && (number < body.end || body.inclusive && number == body.end)
    }

    /// The half-open bounds for slicing a sequence; `None` where the end does not fit.
    pub fn bounds(&self) -> Option<std::ops::Range<i64>> {
        let body = self.body();
        let end = if body.inclusive { body.end.checked_add(1)? } else { body.end };
        Some(body.start..end)
    }
}
