#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use proptest::prelude::*;

use super::*;

const TODAY: &str = "2026-11-22";

fn model(name: &str) -> Model {
    PriceTable::built_in().find(name, TODAY).unwrap().clone()
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

/// Dollars with ten decimals, as the published examples give them.
fn check(name: &str, usage: Usage, ten_billionths: i64) {
    assert_eq!(model(name).cost(&usage), Ok(ten_billionths * 100), "{name}");
}

#[test]
fn published_examples_cost_what_they_should() {
    check("claude-haiku-4-5", usage(12, 9), 570_000);
    let cached = Usage { cache_read: 1_000, cache_write: 200, ..usage(12, 9) };
    check("claude-haiku-4-5", cached, 4_070_000);
    check("claude-haiku-4-5", Usage { cache_write_1h: 300, ..cached }, 10_070_000);
    check("claude-haiku-5-5", cached, 407_000);
    check("claude-opus-5", Usage { cache_read: 90_000, ..usage(1_000, 500) }, 625_000_000);
    check("gpt-5", Usage { cache_read: 8_000, ..usage(2_000, 500) }, 85_000_000);
    check("gpt-5.4", usage(300_000, 1_000), 15_225_000_000);
}

#[test]
fn the_whole_prompt_decides_the_tier_of_every_token() {
    let at_the_edge = Usage { cache_read: 99_000, ..usage(1_000, 10) };
    check("claude-haiku-5-5", at_the_edge, 1_000 * 1_000 + 99_000 * 100 + 10 * 5_000);
    let beyond = Usage { cache_read: 99_001, ..at_the_edge };
    check("claude-haiku-5-5", beyond, 1_000 * 5_000 + 99_001 * 500 + 10 * 25_000);
}

#[test]
fn multipliers_and_searches_are_charged() {
    let plain = usage(1_000_000, 0);
    check("claude-opus-5", Usage { us_only: true, ..plain }, 55_000_000_000);
    check("claude-opus-5", Usage { fast: true, ..plain }, 100_000_000_000);
    check("claude-opus-5", Usage { us_only: true, fast: true, web_searches: 2, ..plain }, 110_200_000_000);
    check("claude-haiku-4-5", Usage { us_only: true, ..usage(12, 9) }, 570_000);
}

#[test]
fn an_unknown_model_has_no_price_but_a_dated_name_finds_its_model() {
    let table = PriceTable::built_in();
    let found = |name: &str| table.find(name, TODAY).map(|model| model.name.clone());
    assert_eq!(found("claude-fable-5-2"), None);
    assert_eq!(found("claude-haiku-5-5-20261001").as_deref(), Some("claude-haiku-5-5"));
    assert_eq!(found("gpt-6-luna-2026-10-01").as_deref(), Some("gpt-6-luna"));
    assert_eq!(found("claude-opus-5-5-latest").as_deref(), Some("claude-opus-5-5"));
    assert_eq!(found("claude-sonnet-4-20250514").as_deref(), Some("claude-sonnet-4-20250514"));
    assert_eq!(found("-20250514"), None);
    assert_eq!(found(""), None);
}

#[test]
fn an_entry_holds_until_its_day() {
    let table = PriceTable::built_in();
    let cache_read = |day| table.find("claude-sonnet-5-5", day).unwrap().rates.cache_read;
    assert_eq!(cache_read("2026-10-06"), 200_000);
    assert_eq!(cache_read("2026-10-07"), 100_000);
}

#[test]
fn a_table_of_the_user_replaces_entries_and_says_what_is_wrong() {
    let mut table = PriceTable::built_in();
    let own = r#"{"models": [{"model": "gpt-5", "input": 0.000001, "output": 2e-6}]}"#;
    table.override_with(PriceTable::from_json(own).unwrap());
    let model = table.find("gpt-5", TODAY).unwrap();
    assert_eq!((model.rates.input, model.rates.output), (1_000_000, 2_000_000));
    assert_eq!((model.rates.cache_read, model.rates.cache_write_1h), (1_000_000, 1_000_000));
    let wrong = r#"{"models": [{"model": "m", "input": "free", "output": 2e-6}]}"#;
    let error = PriceTable::from_json(wrong).unwrap_err().to_string();
    assert!(error.contains("`m`") && error.contains("free"), "{error}");
}

#[test]
fn current_models_take_no_temperature_and_the_specification_s_example_does() {
    assert!(model("claude-sonnet-4-20250514").takes_temperature);
    assert!(model("gpt-4o").takes_temperature);
    for name in ["claude-sonnet-5-5", "claude-opus-4-7", "gpt-5", "o3"] {
        assert!(!model(name).takes_temperature, "{name}");
    }
}

#[test]
fn an_amount_beyond_the_integers_is_an_error() {
    assert_eq!(model("claude-opus-5").cost(&usage(u64::MAX, 0)), Err(Overflow));
    assert_eq!(model("claude-opus-5").worst_cost(u64::MAX, u64::MAX, Terms::default()), Err(Overflow));
}

proptest! {
    #[test]
    fn no_usage_within_the_bounds_costs_more_than_the_worst_case(
        prompt in 0_u64..400_000, cached in 0_u64..400_000, output in 0_u64..128_000,
        us_only: bool, fast: bool, hour: bool, spare in 0_u64..10_000,
    ) {
        for name in ["claude-haiku-5-5", "claude-opus-5", "gpt-5.4", "gpt-4o"] {
            let model = model(name);
            let cache_read = cached.min(prompt);
            let rest = prompt - cache_read;
            let cache_write_1h = if hour { rest } else { 0 };
            let usage = Usage { input: rest - cache_write_1h, cache_read, cache_write_1h, us_only, fast, ..usage(0, output) };
            let cache_write = if hour { CacheWrite::Hour } else { CacheWrite::None };
            let terms = Terms { us_only, fast, cache_write };
            let worst = model.worst_cost(prompt + spare, output + spare, terms).unwrap();
            prop_assert!(model.cost(&usage).unwrap() <= worst);
        }
    }

    #[test]
    fn the_affordable_output_is_the_most_that_fits(
        pico in 0_i64..2_000_000_000_000, prompt in 0_u64..400_000,
    ) {
        let model = model("claude-haiku-5-5");
        let output = model.affordable_output(pico, prompt, Terms::default());
        let cost = |output| model.worst_cost(prompt, output, Terms::default()).unwrap();
        prop_assert!(output == 0 || cost(output) <= pico);
        prop_assert!(cost(output + 1) > pico);
    }
}
