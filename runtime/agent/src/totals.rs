//! What the agents of one runtime did and spent so far, and how that reads.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::message::Usage;
use crate::raise::dollars;

/// What was done and spent so far.
#[derive(Default)]
pub(crate) struct Counters {
    invocations: AtomicU64,
    calls: AtomicU64,
    retries: AtomicU64,
    input: AtomicU64,
    output: AtomicU64,
    cache_read: AtomicU64,
    cache_write: AtomicU64,
    cost: AtomicI64,
    unpriced: AtomicU64,
    estimated: AtomicU64,
    in_flight: AtomicU64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages to agents that were dispatched.
    pub invocations: u64,
    /// Exchanges with models, failed ones included.
    pub calls: u64,
    /// Exchanges that repeated a failed one.
    pub retries: u64,
    /// Tokens of prompts, cached ones included.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// The part of the prompts that providers read from their caches.
    pub cache_read_tokens: u64,
    /// The part of the prompts that providers wrote to their caches.
    pub cache_write_tokens: u64,
    /// What it cost, in 10^-12 dollars, as far as prices are known.
    pub cost_pico: i64,
    /// Exchanges with models whose price is not known.
    pub unpriced_calls: u64,
    /// Exchanges whose tokens the provider did not report.
    pub estimated_calls: u64,
}

impl Counters {
    /// Counts an invocation, and gives it a number.
    pub(crate) fn begin_invocation(&self) -> u64 {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.invocations.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn end_invocation(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn add_retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an exchange. The cost is none where no price is known.
    pub(crate) fn add_call(&self, usage: &Usage, cost: Option<i64>, estimated: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.input.fetch_add(usage.prompt(), Ordering::Relaxed);
        self.output.fetch_add(usage.output, Ordering::Relaxed);
        self.cache_read.fetch_add(usage.cache_read, Ordering::Relaxed);
        self.cache_write.fetch_add(usage.cache_write.saturating_add(usage.cache_write_1h), Ordering::Relaxed);
        match cost {
            Some(cost) => self.cost.fetch_add(cost, Ordering::Relaxed),
            None => self.unpriced.fetch_add(1, Ordering::Relaxed) as i64,
        };
        if estimated {
            self.estimated.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Invocations under way.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            invocations: read(&self.invocations),
            calls: read(&self.calls),
            retries: read(&self.retries),
            input_tokens: read(&self.input),
            output_tokens: read(&self.output),
            cache_read_tokens: read(&self.cache_read),
            cache_write_tokens: read(&self.cache_write),
            cost_pico: self.cost.load(Ordering::Relaxed),
            unpriced_calls: read(&self.unpriced),
            estimated_calls: read(&self.estimated),
        }
    }
}

/// One line: `3 model calls, 1 retry, 1,204 tokens in (100 cached), 310 out, $0.0043`.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} model call{}", grouped(self.calls), plural(self.calls))?;
        match self.retries {
            0 => {}
            1 => f.write_str(", 1 retry")?,
            retries => write!(f, ", {} retries", grouped(retries))?,
        }
        write!(f, ", {} tokens in", grouped(self.input_tokens))?;
        if self.cache_read_tokens > 0 {
            write!(f, " ({} cached)", grouped(self.cache_read_tokens))?;
        }
        write!(f, ", {} out, {}", grouped(self.output_tokens), dollars(self.cost_pico))?;
        match self.unpriced_calls {
            0 => {}
            calls => write!(f, " and {} call{} without a known price", grouped(calls), plural(calls))?,
        }
        if self.estimated_calls > 0 {
            write!(f, " (partly estimated)")?;
        }
        Ok(())
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A count with a comma between thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_read_as_one_line() {
        let mut totals =
            Totals { calls: 1, input_tokens: 1_204, output_tokens: 310, cost_pico: 4_300_000_000, ..Totals::default() };
        assert_eq!(totals.to_string(), "1 model call, 1,204 tokens in, 310 out, $0.0043");
        totals = Totals { calls: 3, retries: 1, cache_read_tokens: 100, unpriced_calls: 2, estimated_calls: 1, ..totals };
        assert_eq!(
            totals.to_string(),
            "3 model calls, 1 retry, 1,204 tokens in (100 cached), 310 out, $0.0043 and 2 calls without a known price (partly estimated)"
        );
    }
}
