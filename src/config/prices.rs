//! `[prices]`: what models cost that the built-in table does not know, or knows differently.
//!
//! Amounts are dollars for a million tokens, as providers publish them. They are taken digit by digit and never computed with as floats.

use std::collections::BTreeMap;

use serde::Deserialize;
use vega_agent::price::PriceTable;

/// `[prices."MODEL"]`, by model.
pub(crate) type Prices = BTreeMap<String, ModelPrice>;

/// What one model costs and takes.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelPrice {
    input: Amount,
    output: Amount,
    cache_read: Option<Amount>,
    cache_write: Option<Amount>,
    cache_write_1h: Option<Amount>,
    context_window: Option<u64>,
    max_output: Option<u32>,
    temperature: Option<bool>,
}

/// Dollars for a million tokens: `2`, `0.25` or `"$0.25"`.
#[derive(Deserialize, Debug)]
#[serde(untagged)]
enum Amount {
    Whole(u32),
    Decimal(f64),
    Text(String),
}

impl Amount {
    /// The same for one token, as a literal of JSON.
    fn literal(&self) -> String {
        let digits = match self {
            Amount::Whole(dollars) => dollars.to_string(),
            // The shortest text that reads back: what the file says.
            Amount::Decimal(dollars) => dollars.to_string(),
            Amount::Text(text) => text.trim().trim_start_matches('$').to_owned(),
        };
        format!("{digits}e-6")
    }
}

/// The table of these prices.
pub(super) fn table(prices: &Prices) -> Result<PriceTable, String> {
    let models: Vec<String> = prices.iter().map(|(model, price)| entry(model, price)).collect();
    PriceTable::from_json(&format!("{{\"models\":[{}]}}", models.join(",")))
        .map_err(|_| wrong(prices).unwrap_or_else(|| "[prices] cannot be read".to_owned()))
}

/// The first amount that is none.
fn wrong(prices: &Prices) -> Option<String> {
    let is_wrong = |amount: &Amount| {
        PriceTable::from_json(&format!("{{\"models\":[{{\"model\":\"m\",\"input\":{0},\"output\":{0}}}]}}", amount.literal()))
            .is_err()
    };
    prices.iter().find_map(|(model, price)| {
        let fields = [
            ("input", Some(&price.input)),
            ("output", Some(&price.output)),
            ("cache_read", price.cache_read.as_ref()),
            ("cache_write", price.cache_write.as_ref()),
            ("cache_write_1h", price.cache_write_1h.as_ref()),
        ];
        let (name, _) = fields.into_iter().find(|(_, amount)| amount.is_some_and(is_wrong))?;
        Some(format!(
            "`{name}` under [prices.\"{model}\"] must be dollars for a million tokens, at most six decimals, as 2.5 or \"$2.50\""
        ))
    })
}

fn entry(model: &str, price: &ModelPrice) -> String {
    let mut text = format!(
        "{{\"model\":{},\"input\":{},\"output\":{}",
        serde_json::Value::from(model),
        price.input.literal(),
        price.output.literal()
    );
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!(",\"{name}\":{value}"));
        }
    };
    add("cache_read", price.cache_read.as_ref().map(Amount::literal));
    add("cache_write", price.cache_write.as_ref().map(Amount::literal));
    add("cache_write_1h", price.cache_write_1h.as_ref().map(Amount::literal));
    add("context_window", price.context_window.map(|tokens| tokens.to_string()));
    add("max_output", price.max_output.map(|tokens| tokens.to_string()));
    add("temperature", price.temperature.map(|takes| takes.to_string()));
    text + "}"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(text: &str) -> Result<PriceTable, String> {
        table(&toml::from_str::<Prices>(text).map_err(|error| error.to_string())?)
    }

    #[test]
    fn dollars_for_a_million_tokens_are_exact_for_one() {
        let table = read("[\"own/small\"]\ninput = 0.1\noutput = '$0.35'\ncache_read = 2\nmax_output = 500").unwrap();
        let model = table.find("own/small", "2026-11-22").unwrap();
        assert_eq!((model.rates.input, model.rates.output, model.rates.cache_read), (100_000, 350_000, 2_000_000));
        assert_eq!((model.rates.cache_write, model.max_output), (100_000, Some(500)));
    }

    #[test]
    fn an_amount_that_is_none_is_named() {
        let problem = read("[m]\ninput = 1\noutput = 'free'").unwrap_err();
        assert!(problem.contains("`output`") && problem.contains("[prices.\"m\"]"), "{problem}");
        assert!(read("[m]\ninput = -1\noutput = 1").unwrap_err().contains("`input`"));
        assert!(read("[m]\ninput = 0.0000001\noutput = 1").unwrap_err().contains("six decimals"));
        assert!(read("[m]\ninput = 1\noutput = 1\nrebate = 1").unwrap_err().contains("rebate"));
    }
}
