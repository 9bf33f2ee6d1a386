//! `duration` and `money`: exact amounts.

use vega_runtime::value::{Value, json};

use crate::arguments::{Computed, computed, duration, float, int, invalid, money, overflow, text};

/// Pico-dollars of a dollar.
const DOLLAR: i64 = 1_000_000_000_000;

computed! {
    "duration::ns" / 1 => |a, _| Ok(Value::int(duration(a, 0)?));
    "duration::us" / 1 => |a, _| Ok(Value::int(duration(a, 0)? / 1_000));
    "duration::ms" / 1 => |a, _| Ok(Value::int(duration(a, 0)? / 1_000_000));
    "duration::s" / 1 => |a, _| Ok(Value::int(duration(a, 0)? / 1_000_000_000));
    "duration::seconds" / 1 => |a, _| Ok(Value::float(duration(a, 0)? as f64 / 1e9));
    "duration::abs" / 1 => |a, _| duration(a, 0)?.checked_abs().map(Value::duration).ok_or_else(|| overflow("the absolute value"));
    "duration::parse" / 1 => |a, _| Ok(json::parse_duration(text(a, 0)?).map_or(Value::NULL, Value::duration));
    "money::dollars" / 1 => |a, _| Ok(Value::float(dollars(money(a, 0)?)));
    "money::micros" / 1 => |a, _| Ok(Value::int(money(a, 0)? / 1_000_000));
    "money::round" / 2 => |a, _| round(a);
    "money::abs" / 1 => |a, _| money(a, 0)?.checked_abs().map(Value::money).ok_or_else(|| overflow("the absolute value"));
    "money::parse" / 1 => |a, _| Ok(json::parse_money(text(a, 0)?).map_or(Value::NULL, Value::money));
    "money::from" / 1 => |a, _| from_dollars(float(a, 0)?);
}

/// Dollars of an amount.
pub(crate) fn dollars(pico_dollars: i64) -> f64 {
    pico_dollars as f64 / DOLLAR as f64
}

fn round(arguments: &mut [Value]) -> Computed {
    let (amount, places) = (money(arguments, 0)?, int(arguments, 1)?);
    let Some(places) = u32::try_from(places).ok() else { return Err(invalid("decimals are counted from 0")) };
    if places >= DOLLAR.ilog10() {
        return Ok(Value::money(amount));
    }
    let unit = DOLLAR / 10_i64.pow(places);
    let (below, rest) = (amount.div_euclid(unit), amount.rem_euclid(unit));
    let up = match (rest * 2).cmp(&unit) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => below % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    (below + i64::from(up)).checked_mul(unit).map(Value::money).ok_or_else(|| overflow("the rounded amount"))
}

fn from_dollars(dollars: f64) -> Computed {
    if !dollars.is_finite() {
        return Err(overflow("the amount"));
    }
    // Twelve decimals are the pico-dollars, correctly rounded.
    json::parse_money(&format!("{dollars:.12}")).map(Value::money).ok_or_else(|| overflow("the amount"))
}

#[cfg(test)]
mod tests {
    use vega_runtime::value::Value;

    use crate::testing::{fails, shows};

    #[test]
    fn amounts_are_rounded_half_to_even() {
        let cents = |tenths: i64| Value::money(tenths * 1_000_000_000);
        shows("money::round", (cents(125), 2), "$0.12");
        shows("money::round", (cents(135), 2), "$0.14");
        shows("money::round", (cents(-125), 2), "-$0.12");
        shows("money::round", (cents(126), 2), "$0.13");
        shows("money::round", (cents(126), 3), "$0.126");
        fails("money::round", (Value::money(i64::MAX), 2), "Overflow: the rounded amount does not fit an int");
    }

    #[test]
    fn amounts_and_durations_are_converted() {
        shows("money::from", (0.1,), "$0.10");
        shows("money::from", (-1e-12,), "-$0.000000000001");
        fails("money::from", (1e9,), "Overflow: the amount does not fit an int");
        shows("money::parse", ("$60.32",), "$60.32");
        shows("money::dollars", (Value::money(500_000_000_000),), "0.5");
        shows("duration::parse", ("1h30m",), "1h30m");
        shows("duration::parse", ("soon",), "null");
        shows("duration::ms", (Value::duration(1_999_999),), "1");
        shows("duration::seconds", (Value::duration(1_500_000_000),), "1.5");
    }
}
