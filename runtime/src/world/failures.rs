//! Uncaught errors of processes: the first ones of each kind and place are reported in full, the others are counted.
//!
//! Invariants: a program that fails a million times in one place writes a few dozen lines, and says how often it was. The summary is the
//! last that is written: what fails after it, while everything ends, is of the end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use vega_bytecode::{KindId, Module};

use crate::error::{Error, Place};

/// Reports in full, for each kind and place.
const REPORTS_MAX: u64 = 10;

/// What failed in one way.
struct Failures {
    count: u64,
    /// How the last reported one reads.
    summary: String,
}

/// A kind, and the function and instruction that raised it, where that is known.
type Way = (KindId, Option<(u32, u32)>);

/// Counts by kind and innermost place.
#[derive(Default)]
pub(crate) struct FailureCounts(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    ways: HashMap<Way, Failures>,
    /// The summary was made.
    is_summed_up: bool,
}

/// What is to be written about a failure.
pub(crate) enum Report {
    /// All of it.
    Full,
    /// How many there were by now.
    Count(u64),
    /// Nothing.
    None,
}

impl FailureCounts {
    /// Counts a failure.
    pub(crate) fn count(&self, error: &Error, module: &Module) -> Report {
        let place = error.trace().first().map(|place| (place.function.0, place.pc));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_summed_up {
            return Report::None;
        }
        let failures = counts.ways.entry((error.kind(), place)).or_insert(Failures { count: 0, summary: String::new() });
        failures.count += 1;
        match failures.count {
            count if count <= REPORTS_MAX => {
                failures.summary = one_line(error, module);
                Report::Full
            }
            count if is_power_of_ten(count) => Report::Count(count),
            _ => Report::None,
        }
    }

    /// A new run counts from the start.
    pub(crate) fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Counts::default();
    }

    /// One line for each kind and place of which not all were reported. Nothing is reported after it until the next run.
    pub(crate) fn summary(&self) -> String {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.is_summed_up = true;
        let mut hidden: Vec<&Failures> = counts.ways.values().filter(|failures| failures.count > REPORTS_MAX).collect();
        hidden.sort_by_key(|failures| std::cmp::Reverse(failures.count));
        let line = |failures: &&Failures| format!("{} processes ended like this: {}\n", failures.count, failures.summary);
        hidden.iter().map(line).collect()
    }
}

fn one_line(error: &Error, module: &Module) -> String {
    let position = error.trace().first().copied().and_then(|place: Place| place.resolve(module));
    let at = position.map(|source| format!(" at {} ({}:{}:{})", source.function, source.file, source.line, source.column));
    format!("{}{}", error.summary(module), at.unwrap_or_default())
}

fn is_power_of_ten(number: u64) -> bool {
    number.checked_ilog10().is_some_and(|digits| 10_u64.pow(digits) == number)
}

#[cfg(test)]
mod tests {
    use vega_bytecode::kinds;

    use super::*;

    #[test]
    fn the_first_ten_are_reported_then_powers_of_ten_and_after_the_summary_nothing() {
        let (counts, module) = (FailureCounts::default(), Module::new());
        let error = Error::new(kinds::IO_ERROR, "broken");
        let mut said = Vec::new();
        for number in 1..=1_000_u64 {
            match counts.count(&error, &module) {
                Report::Full => said.push(number),
                Report::Count(count) => said.push(count),
                Report::None => {}
            }
        }
        assert_eq!(said, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100, 1_000]);
        assert_eq!(counts.summary(), "1000 processes ended like this: IoError: broken\n");
        let other = Error::new(kinds::LIMIT_REACHED, "heap");
        assert!(matches!(counts.count(&other, &module), Report::None), "the summary was the last word");
        counts.reset();
        assert!(matches!(counts.count(&error, &module), Report::Full), "another run begins");
    }
}
