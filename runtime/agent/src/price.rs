//! What tokens cost, as data and in integers: 10^-12 dollars, the unit of every budget.
//!
//! Prices are read from decimal literals exactly; no amount passes through a binary float. A model
//! that is not in the table has no price, which is never the same as costing nothing.
mod decimal; // decimal literals as integers
mod successor; // what to use in the place of a model that is gone
mod table; // the table, its JSON form and its names

use crate::message::{Request, Usage};

pub use successor::successor;
pub use table::{PriceError, PriceTable};

/// 10^-12 dollars in a dollar.
pub const PICO_PER_DOLLAR: i64 = 1_000_000_000_000;

/// Multipliers are kept in millionths.
const MILLION: i128 = 1_000_000;

/// What one token costs in each bucket, in 10^-12 dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Input that no cache was involved in.
    pub input: i64,
    /// Output, reasoning included.
    pub output: i64,
    /// Input read from the cache.
    pub cache_read: i64,
    /// Input written to the cache for five minutes.
    pub cache_write: i64,
    /// Input written to the cache for an hour.
    pub cache_write_1h: i64,
}

/// Rates that hold for the whole request when its prompt is longer than a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The longest prompt that is still cheaper, cached tokens included.
    pub prompt_tokens_above: u64,
    /// The rates beyond it.
    pub rates: Rates,
}

/// What is known about one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name that the table lists it under.
    pub name: String,
    /// Who serves it.
    pub provider: String,
    /// The rates of short prompts.
    pub rates: Rates,
    /// The rates of longer ones, ascending.
    pub tiers: Vec<Tier>,
    /// The longest prompt, in tokens.
    pub context_window: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output: Option<u32>,
    /// Whether it accepts `temperature`.
    pub takes_temperature: bool,
    /// Rates within the United States, in millionths of the ordinary ones.
    pub us_millionths: i64,
    /// Rates at the dearer speed, in millionths of the ordinary ones.
    pub fast_millionths: i64,
    /// One search that the provider runs.
    pub web_search_pico: i64,
    /// The day on which the provider stops serving it, as `YYYY-MM-DD`.
    pub retires: Option<String>,
}

/// The conditions of a request that change its rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Served in the United States only.
    pub us_only: bool,
    /// Served at the dearer speed.
    pub fast: bool,
    /// The dearest write to the provider's cache that it asks for.
    pub cache_write: CacheWrite,
}

/// How long the provider is asked to keep a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheWrite {
    /// Not at all.
    #[default]
    None,
    /// Five minutes.
    Short,
    /// An hour.
    Hour,
}

/// An amount that does not fit the integers of budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

/// The day, as tables of prices write it: `YYYY-MM-DD`.
pub fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

impl Model {
    /// Takes from a request what the model would refuse: a temperature, and a bound of the answer
    /// above its own.
    pub fn fit(&self, request: &mut Request) {
        if !self.takes_temperature {
            request.temperature = None;
        }
        if let Some(max_output) = self.max_output {
            request.max_tokens = request.max_tokens.min(max_output);
        }
    }

    /// What the reported tokens cost, in 10^-12 dollars.
    pub fn cost(&self, usage: &Usage) -> Result<i64, Overflow> {
        let rates = self.rates_at(usage.prompt());
        let tokens = product(usage.input, rates.input)
            + product(usage.cache_read, rates.cache_read)
            + product(usage.cache_write, rates.cache_write)
            + product(usage.cache_write_1h, rates.cache_write_1h)
            + product(usage.output, rates.output);
        let multiplied = self.multiplied(tokens, usage.us_only, usage.fast)?;
        let searches = product(usage.web_searches, self.web_search_pico);
        i64::try_from(multiplied + searches).map_err(|_| Overflow)
    }

    /// The most that a request can cost whose prompt has at most `prompt_tokens` and whose answer has
    /// at most `output_tokens`, in 10^-12 dollars, rounded up.
    pub fn worst_cost(&self, prompt_tokens: u64, output_tokens: u64, terms: Terms) -> Result<i64, Overflow> {
        let reached = self.tiers.iter().filter(|tier| prompt_tokens > tier.prompt_tokens_above);
        let costs = std::iter::once(&self.rates).chain(reached.map(|tier| &tier.rates)).map(|rates| {
            let uncached = rates.input.max(rates.cache_read);
            let dearest = match terms.cache_write {
                CacheWrite::None => uncached,
                CacheWrite::Short => uncached.max(rates.cache_write),
                CacheWrite::Hour => uncached.max(rates.cache_write).max(rates.cache_write_1h),
            };
            product(prompt_tokens, dearest) + product(output_tokens, rates.output)
        });
        let worst = costs.max().unwrap_or(0);
        i64::try_from(self.multiplied(worst, terms.us_only, terms.fast)?).map_err(|_| Overflow)
    }

    /// The answer's tokens that `pico` pays for after a prompt of at most `prompt_tokens`.
    pub fn affordable_output(&self, pico: i64, prompt_tokens: u64, terms: Terms) -> u64 {
        let fits = |output: u64| self.worst_cost(prompt_tokens, output, terms).is_ok_and(|cost| cost <= pico);
        if !fits(0) {
            return 0;
        }
        // The cost only grows with the output, so the last one that fits is found by halving.
        let (mut fitting, mut bound) = (0, u64::from(u32::MAX));
        while fitting < bound {
            let middle = fitting + (bound - fitting).div_ceil(2);
            if fits(middle) {
                fitting = middle;
            } else {
                bound = middle - 1;
            }
        }
        fitting
    }

    /// The rates of a request whose whole prompt has that many tokens.
    fn rates_at(&self, prompt_tokens: u64) -> &Rates {
        let reached = self.tiers.iter().rev().find(|tier| prompt_tokens > tier.prompt_tokens_above);
        reached.map_or(&self.rates, |tier| &tier.rates)
    }

    fn multiplied(&self, pico: i128, us_only: bool, fast: bool) -> Result<i128, Overflow> {
        let mut amount = pico;
        for (applies, millionths) in [(us_only, self.us_millionths), (fast, self.fast_millionths)] {
            if applies {
                let product = amount.checked_mul(i128::from(millionths)).ok_or(Overflow)?;
                // Rounded up, so that a bound stays a bound.
                amount = product / MILLION + i128::from(product % MILLION != 0);
            }
        }
        Ok(amount)
    }
}

/// Neither factor has more than 64 bits, so the product and a sum of a few of them fit.
fn product(tokens: u64, rate: i64) -> i128 {
    i128::from(tokens) * i128::from(rate)
}

#[cfg(test)]
mod tests;
