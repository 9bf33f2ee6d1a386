//! The table of models, its JSON form, and how a model's name finds its entry.
//!
//! A name that ends in a date or `-latest` and is not listed means the model without that ending.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::decimal::scaled;
use super::{Model, Rates, Tier};

/// Prices are read to 10^-12 dollars.
const PICO_SCALE: i32 = 12;
/// Multipliers are read to millionths.
const MILLIONTH_SCALE: i32 = 6;

/// Models by name, each with the periods in which its entries hold.
#[derive(Clone, Debug, Default)]
pub struct PriceTable {
    models: HashMap<String, Vec<Dated>>,
}

#[derive(Clone, Debug)]
struct Dated {
    /// The first day on which it no longer holds, as `YYYY-MM-DD`.
    until: Option<String>,
    model: Model,
}

/// Why a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceError(String);

impl PriceTable {
    /// The table that comes with Vega.
    pub fn built_in() -> PriceTable {
        PriceTable::from_json(include_str!("../../data/model-prices.json")).expect("a test reads the built-in table")
    }

    /// Reads a table in the form of the built-in one.
    pub fn from_json(text: &str) -> Result<PriceTable, PriceError> {
        let file: File<'_> = serde_json::from_str(text).map_err(|error| PriceError(error.to_string()))?;
        let mut table = PriceTable::default();
        for entry in file.models {
            let dated = entry.read()?;
            table.models.entry(dated.model.name.clone()).or_default().push(dated);
        }
        Ok(table)
    }

    /// Takes the entries of another table in the place of its own.
    pub fn override_with(&mut self, other: PriceTable) {
        self.models.extend(other.models);
    }

    /// The entry that holds for a model on a day, given as `YYYY-MM-DD`.
    pub fn find(&self, name: &str, day: &str) -> Option<&Model> {
        let entries = self.models.get(name).or_else(|| self.models.get(undated(name)?))?;
        // Written this way, days compare as text; of several entries the soonest to end holds.
        let ending = entries.iter().filter(|entry| entry.until.as_deref().is_some_and(|until| day < until));
        let lasting = || entries.iter().find(|entry| entry.until.is_none());
        ending.min_by(|a, b| a.until.cmp(&b.until)).or_else(lasting).map(|entry| &entry.model)
    }

    /// All names in the table, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.models.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// The name without `-YYYYMMDD`, `-YYYY-MM-DD` or `-latest` at its end.
fn undated(name: &str) -> Option<&str> {
    if let Some(stem) = name.strip_suffix("-latest") {
        return Some(stem);
    }
    let shapes = ["-00000000", "-0000-00-00"];
    shapes.into_iter().find_map(|shape| {
        let split = name.len().checked_sub(shape.len())?;
        let (stem, ending) = name.split_at_checked(split)?;
        let fits = ending.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
        (fits && !stem.is_empty()).then_some(stem)
    })
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    models: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    model: String,
    #[serde(default)]
    provider: String,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow)]
    output: &'a RawValue,
    #[serde(borrow)]
    cache_read: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write_1h: Option<&'a RawValue>,
    #[serde(borrow)]
    web_search_per_request: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tiers: Vec<TierEntry<'a>>,
    #[serde(borrow, default)]
    multipliers: HashMap<String, &'a RawValue>,
    context_window: Option<u64>,
    max_output: Option<u32>,
    temperature: Option<bool>,
    until: Option<String>,
    retires: Option<String>,
}

#[derive(Deserialize)]
struct TierEntry<'a> {
    prompt_tokens_above: u64,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow)]
    output: &'a RawValue,
    #[serde(borrow)]
    cache_read: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write_1h: Option<&'a RawValue>,
}

impl Entry<'_> {
    fn read(&self) -> Result<Dated, PriceError> {
        let price = |literal: &RawValue| price(&self.model, literal, PICO_SCALE);
        let rates = |literals: [Option<&RawValue>; 5]| -> Result<Rates, PriceError> {
            let [input, output, cache_read, cache_write, cache_write_1h] = literals;
            let read = |literal: Option<&RawValue>, absent: i64| literal.map_or(Ok(absent), price);
            let input = read(input, 0)?;
            let cache_write = read(cache_write, input)?;
            Ok(Rates {
                input,
                output: read(output, 0)?,
                cache_read: read(cache_read, input)?,
                cache_write,
                cache_write_1h: read(cache_write_1h, cache_write)?,
            })
        };
        let mut tiers = Vec::new();
        for tier in &self.tiers {
            let literals = [Some(tier.input), Some(tier.output), tier.cache_read, tier.cache_write, tier.cache_write_1h];
            tiers.push(Tier { prompt_tokens_above: tier.prompt_tokens_above, rates: rates(literals)? });
        }
        tiers.sort_by_key(|tier| tier.prompt_tokens_above);
        let multiplier = |word: &str| {
            let literal = self.multipliers.get(word).copied();
            literal.map_or(Ok(1_000_000), |literal| self::price(&self.model, literal, MILLIONTH_SCALE))
        };
        let literals = [Some(self.input), Some(self.output), self.cache_read, self.cache_write, self.cache_write_1h];
        let model = Model {
            name: self.model.clone(),
            provider: self.provider.clone(),
            rates: rates(literals)?,
            tiers,
            context_window: self.context_window,
            max_output: self.max_output,
            takes_temperature: self.temperature.unwrap_or(true),
            us_millionths: multiplier("us")?,
            fast_millionths: multiplier("fast")?,
            web_search_pico: self.web_search_per_request.map_or(Ok(0), price)?,
            retires: self.retires.clone(),
        };
        Ok(Dated { until: self.until.clone(), model })
    }
}

fn price(model: &str, literal: &RawValue, scale: i32) -> Result<i64, PriceError> {
    let text = literal.get();
    let value = scaled(text, scale).filter(|value| *value >= 0);
    value.ok_or_else(|| PriceError(format!("model `{model}`: {text} is not a price with at most {scale} decimals")))
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the price table cannot be read: {}", self.0)
    }
}

impl std::error::Error for PriceError {}
