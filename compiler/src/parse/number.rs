//! Numbers, durations and amounts of money: where they end, and what they are exactly.
//!
//! Durations are counted in whole nanoseconds and money in whole pico-dollars. No binary float is involved, so `$0.10` is
//! what it says.

use super::token::Value;

/// Nanoseconds of each unit, from large to small.
const UNITS: &[(&str, i128)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// What people write for a unit, and how it is spelled here.
const FOREIGN_UNITS: &[(&str, &str)] = &[
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("usec", "us"),
    ("micros", "us"),
    ("µs", "us"),
];

/// Pico-dollars of a dollar have so many digits behind the point.
const MONEY_DIGITS: usize = 12;

/// A number that was found, or what is wrong with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Scanned {
    /// How many bytes belong to it.
    pub(crate) length: usize,
    /// What it is.
    pub(crate) value: Result<Value, NumberProblem>,
}

/// What is wrong with a number.
#[derive(Debug, PartialEq)]
pub(crate) enum NumberProblem {
    /// Letters behind the digits that are no unit: where they start, and a unit that was probably meant.
    Suffix { at: usize, meant: Option<&'static str> },
    /// A digit that the base does not have, or no digit at all, behind `0x`, `0b` or `0o`.
    Base { at: usize, base: u32 },
    /// Too large for an `int`.
    IntTooLarge,
    /// Too large for a `float`.
    FloatTooLarge,
    /// Units not from large to small, or one twice.
    UnitOrder,
    /// A digit without a unit at the end of a duration.
    UnitMissing { at: usize },
    /// Finer than a nanosecond.
    DurationTooFine,
    /// Longer than fits.
    DurationTooLong,
    /// `$` without a digit behind it.
    MoneyWithoutDigits,
    /// More digits than pico-dollars have.
    MoneyTooFine,
    /// More dollars than fit.
    MoneyTooLarge,
}

/// Scans the number at the start of `text`, which starts with a digit. Behind a `.` only digits belong to it, so that
/// `pair.0.1` is not a float.
pub(crate) fn scan(text: &str, is_after_dot: bool) -> Scanned {
    let bytes = text.as_bytes();
    if is_after_dot {
        let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return Scanned { length, value: integer(&text[..length]) };
    }
    let length = extent(text);
    let run = &text[..length];
    let value = match bytes.get(..2) {
        Some(b"0x" | b"0X") => based(run, 16),
        Some(b"0b" | b"0B") => based(run, 2),
        Some(b"0o" | b"0O") => based(run, 8),
        _ => decimal(run),
    };
    Scanned { length, value }
}

/// How far the digits, letters, points and exponent of a number reach.
fn extent(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_decimal = !matches!(bytes.get(1), Some(b'x' | b'X' | b'b' | b'B' | b'o' | b'O'));
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    // Whether the digits since the last letter may still take a point.
    let mut may_take_point = is_decimal;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' | b'_' => at += 1,
            b'.' if may_take_point && digit_at(at + 1) => {
                may_take_point = false;
                at += 1;
            }
            b'e' | b'E'
                if is_decimal
                    && matches!(bytes.get(at + 1), Some(b'+' | b'-'))
                    && digit_at(at + 2)
                    && !text[..at].contains(|character: char| character.is_ascii_alphabetic()) =>
            {
                at += 2;
            }
            b'a'..=b'z' | b'A'..=b'Z' => {
                may_take_point = is_decimal;
                at += 1;
            }
            // `10µs` and the like: the letter belongs to the number, to be named in the message.
            0x80.. => match text[at..].chars().next() {
                Some(character) if character.is_alphanumeric() => at += character.len_utf8(),
                _ => break,
            },
            _ => break,
        }
    }
    at
}

fn integer(digits: &str) -> Result<Value, NumberProblem> {
    let mut value: u64 = 0;
    for digit in digits.bytes().filter(|&byte| byte != b'_') {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .ok_or(NumberProblem::IntTooLarge)?;
    }
    Ok(Value::Int(value))
}

/// `0xff`, `0b101`, `0o17`
fn based(run: &str, base: u32) -> Result<Value, NumberProblem> {
    let mut value: u64 = 0;
    let mut count = 0;
    for (at, character) in run.char_indices().skip(2).filter(|&(_, character)| character != '_') {
        let digit = character.to_digit(base).ok_or(NumberProblem::Base { at, base })?;
        value = value
            .checked_mul(u64::from(base))
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or(NumberProblem::IntTooLarge)?;
        count += 1;
    }
    if count == 0 { Err(NumberProblem::Base { at: run.len(), base }) } else { Ok(Value::Int(value)) }
}

/// An integer, a float or a duration.
fn decimal(run: &str) -> Result<Value, NumberProblem> {
    let Some(letter) = run.find(|character: char| character.is_alphabetic()) else {
        return if run.contains('.') { float(run) } else { integer(run) };
    };
    let is_exponent = matches!(run.as_bytes()[letter], b'e' | b'E')
        && run[letter + 1..]
            .trim_start_matches(['+', '-'])
            .strip_prefix(|first: char| first.is_ascii_digit())
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_'));
    if is_exponent { float(run) } else { duration(run) }
}

fn float(run: &str) -> Result<Value, NumberProblem> {
    let parsed = if run.contains('_') { run.replace('_', "").parse() } else { run.parse::<f64>() };
    match parsed {
        Ok(value) if value.is_finite() => Ok(Value::Float(value)),
        _ => Err(NumberProblem::FloatTooLarge),
    }
}

/// `1.5s`, `1h30m`
fn duration(run: &str) -> Result<Value, NumberProblem> {
    let mut total: i128 = 0;
    let mut at = 0;
    let mut units_left = UNITS;
    while at < run.len() {
        let rest = &run[at..];
        let Some(unit_at) = rest.find(|character: char| character.is_alphabetic()) else {
            return Err(NumberProblem::UnitMissing { at });
        };
        let unit_end =
            rest[unit_at..].find(|character: char| !character.is_alphabetic()).map_or(rest.len(), |length| unit_at + length);
        let unit = &rest[unit_at..unit_end];
        let Some(&(_, nanoseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let meant = FOREIGN_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, meant)| *meant);
            return Err(NumberProblem::Suffix { at: at + unit_at, meant });
        };
        let Some(place) = units_left.iter().position(|(name, _)| *name == unit) else {
            return Err(NumberProblem::UnitOrder);
        };
        units_left = &units_left[place + 1..];
        let (whole, fraction) = rest[..unit_at].split_once('.').unwrap_or((&rest[..unit_at], ""));
        total = scaled(whole, fraction, nanoseconds)
            .map_err(|scale| match scale {
                Scale::TooFine => NumberProblem::DurationTooFine,
                Scale::TooLarge => NumberProblem::DurationTooLong,
            })?
            .checked_add(total)
            .ok_or(NumberProblem::DurationTooLong)?;
        at += unit_end;
    }
    i64::try_from(total).map(Value::Duration).map_err(|_| NumberProblem::DurationTooLong)
}

/// Scans an amount of money at the start of `text`, which starts with `$`.
pub(crate) fn scan_money(text: &str) -> Scanned {
    let bytes = text.as_bytes();
    let digits_at = |from: usize| {
        let length = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count();
        from + length
    };
    let whole_end = digits_at(1);
    if !bytes.get(1).is_some_and(u8::is_ascii_digit) {
        // What follows belongs to it too, `.50` or a word, so that it is not reported once more.
        let length = match bytes.get(1) {
            Some(b'.') => digits_at(2),
            _ => 1 + text[1..].find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len() - 1),
        };
        return Scanned { length, value: Err(NumberProblem::MoneyWithoutDigits) };
    }
    let has_fraction = bytes.get(whole_end) == Some(&b'.') && bytes.get(whole_end + 1).is_some_and(u8::is_ascii_digit);
    let end = if has_fraction { digits_at(whole_end + 1) } else { whole_end };
    let letters = text[end..].find(|character: char| !character.is_alphanumeric()).unwrap_or(text.len() - end);
    if letters > 0 {
        return Scanned { length: end + letters, value: Err(NumberProblem::Suffix { at: end, meant: None }) };
    }
    let whole = &text[1..whole_end];
    let fraction = if has_fraction { &text[whole_end + 1..end] } else { "" };
    let value = scaled(whole, fraction, 10_i128.pow(MONEY_DIGITS as u32))
        .map_err(|scale| match scale {
            Scale::TooFine => NumberProblem::MoneyTooFine,
            Scale::TooLarge => NumberProblem::MoneyTooLarge,
        })
        .and_then(|value| i64::try_from(value).map_err(|_| NumberProblem::MoneyTooLarge))
        .map(Value::Money);
    Scanned { length: end, value }
}

/// Why a decimal number has no exact value in whole small units.
enum Scale {
    TooFine,
    TooLarge,
}

/// `whole.fraction` times `unit`, if that is a whole number.
fn scaled(whole: &str, fraction: &str, unit: i128) -> Result<i128, Scale> {
    let digits = |text: &str| -> Result<i128, Scale> {
        let mut value: i128 = 0;
        for digit in text.bytes().filter(|&byte| byte != b'_') {
            value = value.checked_mul(10).and_then(|value| value.checked_add(i128::from(digit - b'0'))).ok_or(Scale::TooLarge)?;
        }
        Ok(value)
    };
    let fraction: String = fraction.chars().filter(|&digit| digit != '_').collect();
    let fraction = fraction.trim_end_matches('0');
    // No unit has more than 10^14 parts, so further digits never come out even; this also bounds the power below.
    if fraction.len() > 18 {
        return Err(Scale::TooFine);
    }
    let parts = digits(fraction)? * unit;
    let power = 10_i128.pow(fraction.len() as u32);
    if parts % power != 0 {
        return Err(Scale::TooFine);
    }
    digits(whole)?.checked_mul(unit).and_then(|value| value.checked_add(parts / power)).ok_or(Scale::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        let scanned = scan(text, false);
        assert_eq!(scanned.length, text.len(), "{text}");
        scanned.value.expect("a good number")
    }

    fn problem(text: &str) -> NumberProblem {
        scan(text, false).value.expect_err("a bad number")
    }

    fn money(text: &str) -> Result<Value, NumberProblem> {
        scan_money(text).value
    }

    #[test]
    fn integers_of_all_bases_are_exact() {
        assert_eq!(value("1_000"), Value::Int(1000));
        assert_eq!(value("0xff"), Value::Int(255));
        assert_eq!(value("0b101"), Value::Int(5));
        assert_eq!(value("9223372036854775808"), Value::Int(1 << 63));
        assert_eq!(problem("99999999999999999999"), NumberProblem::IntTooLarge);
        assert_eq!(problem("0b12"), NumberProblem::Base { at: 3, base: 2 });
        assert_eq!(problem("0x"), NumberProblem::Base { at: 2, base: 16 });
    }

    #[test]
    fn floats_need_a_digit_behind_the_point() {
        assert_eq!(value("2.75"), Value::Float(2.75));
        assert_eq!(value("1e9"), Value::Float(1e9));
        assert_eq!(value("1.5e-3"), Value::Float(1.5e-3));
        assert_eq!(scan("0..10", false).length, 1);
        assert_eq!(scan("1.abs()", false).length, 1);
        assert_eq!(problem("1e999"), NumberProblem::FloatTooLarge);
    }

    #[test]
    fn behind_a_dot_only_digits_count() {
        assert_eq!(scan("0.1", true).length, 1);
    }

    #[test]
    fn durations_add_up_in_nanoseconds() {
        assert_eq!(value("100ms"), Value::Duration(100_000_000));
        assert_eq!(value("1.5s"), Value::Duration(1_500_000_000));
        assert_eq!(value("1h30m"), Value::Duration(5_400_000_000_000));
        assert_eq!(value("1d2h3m4s5ms6us"), Value::Duration(93_784_005_006_000));
        assert_eq!(value("1h1.5m"), Value::Duration(3_690_000_000_000));
        assert_eq!(value("0.001us"), Value::Duration(1));
    }

    #[test]
    fn bad_durations_say_what_is_wrong() {
        assert_eq!(problem("30m1h"), NumberProblem::UnitOrder);
        assert_eq!(problem("1h2h"), NumberProblem::UnitOrder);
        assert_eq!(problem("1h30"), NumberProblem::UnitMissing { at: 2 });
        assert_eq!(problem("5min"), NumberProblem::Suffix { at: 1, meant: Some("m") });
        assert_eq!(problem("10µs"), NumberProblem::Suffix { at: 2, meant: Some("us") });
        assert_eq!(problem("3apples"), NumberProblem::Suffix { at: 1, meant: None });
        assert_eq!(problem("0.0001us"), NumberProblem::DurationTooFine);
        assert_eq!(problem("200000d"), NumberProblem::DurationTooLong);
    }

    #[test]
    fn money_is_exact_to_a_pico_dollar() {
        assert_eq!(money("$0.50"), Ok(Value::Money(500_000_000_000)));
        assert_eq!(money("$10.00 {"), Ok(Value::Money(10_000_000_000_000)));
        assert_eq!(money("$0.000000000001"), Ok(Value::Money(1)));
        assert_eq!(money("$0.0000000000001"), Err(NumberProblem::MoneyTooFine));
        assert_eq!(money("$9223373"), Err(NumberProblem::MoneyTooLarge));
        assert_eq!(money("$x"), Err(NumberProblem::MoneyWithoutDigits));
        assert_eq!(money("$5k"), Err(NumberProblem::Suffix { at: 2, meant: None }));
        assert_eq!(scan_money("$.50;").length, 4);
        assert_eq!(scan_money("$name + 1").length, 5);
        assert_eq!(scan_money("$1.max(x)").length, 2);
    }
}
