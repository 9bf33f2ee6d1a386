//! Durations, money and doubles as text, and back.
//!
//! Invariant: what is written reads back as the very same amount, to the nanosecond and to the pico-dollar.

use std::fmt::Write as _;

/// Appends a duration: `1h30m`, `1.5s`, `250ms`, `0s`.
pub fn write_duration(nanoseconds: i64, out: &mut String) {
    if nanoseconds < 0 {
        out.push('-');
    }
    let mut rest = nanoseconds.unsigned_abs();
    if rest == 0 {
        out.push_str("0s");
        return;
    }
    const SECOND: u64 = 1_000_000_000;
    if rest < SECOND {
        let (unit, name) = if rest < 1_000_000 { (1_000, "us") } else { (1_000_000, "ms") };
        write_decimal(rest, unit, 0, out);
        out.push_str(name);
        return;
    }
    for (unit, name) in [(86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "m")] {
        if rest >= unit {
            let _ = write!(out, "{}{name}", rest / unit);
            rest %= unit;
        }
    }
    if rest > 0 {
        write_decimal(rest, SECOND, 0, out);
        out.push('s');
    }
}

/// Appends an amount of money: `$0.50`, `-$1.00`, `$0.0043`.
pub fn write_money(pico_dollars: i64, out: &mut String) {
    out.push_str(if pico_dollars < 0 { "-$" } else { "$" });
    write_decimal(pico_dollars.unsigned_abs(), 1_000_000_000_000, 2, out);
}

/// Appends `amount / unit` as a decimal with at least `places` decimals and no zeros at the end beyond them. `unit` is a power of ten.
fn write_decimal(amount: u64, unit: u64, places: usize, out: &mut String) {
    let _ = write!(out, "{}", amount / unit);
    let digits = unit.ilog10() as usize;
    let decimals = format!("{:0digits$}", amount % unit);
    let shown = decimals.trim_end_matches('0').len().max(places);
    if shown > 0 {
        out.push('.');
        out.push_str(&decimals[..shown]);
    }
}

/// Appends a double: the shortest text that reads back, always with `.` or `e`.
pub fn write_float(value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("nan");
    } else {
        let _ = write!(out, "{value:?}");
    }
}

/// Nanoseconds of a duration's text: `1h30m`, `1.5s`, `250ms`, `-2s`.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    let mut last = i128::MAX;
    while !rest.is_empty() {
        let number_end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|character: char| !character.is_ascii_lowercase()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit: i128 = match unit {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return None,
        };
        // As in a literal, units go from large to small.
        if unit >= last {
            return None;
        }
        last = unit;
        total = total.checked_add(parse_decimal(number, unit)?)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Pico-dollars of an amount's text: `$0.50`, `-$1.00`, `2`.
pub fn parse_money(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('$').unwrap_or(rest);
    let (negative, rest) = match rest.strip_prefix('-') {
        Some(rest) if !negative => (true, rest),
        Some(_) => return None,
        None => (negative, rest),
    };
    let amount = parse_decimal(rest, 1_000_000_000_000)?;
    i64::try_from(if negative { -amount } else { amount }).ok()
}

/// A decimal times `unit`, exactly; `None` where it has decimals beyond the unit.
fn parse_decimal(text: &str, unit: i128) -> Option<i128> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || text.ends_with('.') || whole.len() > 20 {
        return None;
    }
    let mut amount = whole.parse::<i128>().ok()?.checked_mul(unit)?;
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() {
        return Some(amount);
    }
    let scale = 10_i128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let part = decimals.parse::<i128>().ok()?.checked_mul(unit)?;
    if part % scale != 0 {
        return None;
    }
    amount += part / scale;
    Some(amount)
}
