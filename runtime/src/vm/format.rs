//! The text of a value in a format: `{x:>8} {x:.2} {x:08} {x:x}`.
//!
//! ```text
//! format = [[fill] align] ["0"] [width] ["." precision] [kind]
//! align  = "<" | ">" | "^"        kind = "x" | "X" | "b" | "o" | "e"
//! ```
//! Whatever is not understood is ignored: the compiler checks formats. Only a text that is too long fails.

use std::iter::Peekable;
use std::str::Chars;

use vega_bytecode::Module;

use crate::error::Error;
use crate::value::{Value, View, print};

/// Widest field; a wider one is narrowed to it.
const WIDTH_MAX: usize = 10_000;
/// Most digits after the point.
const PRECISION_MAX: usize = 400;

/// A format, taken apart.
#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

/// The text of `value` in the format `spec`.
pub(crate) fn format(value: &Value, spec: &str, module: &Module) -> Result<String, Error> {
    let spec = parse(spec);
    let (text, is_number) = match (value.view(), spec.kind, spec.precision) {
        (View::Int(int), Some('x'), _) => (signed(int, format!("{:x}", int.unsigned_abs())), true),
        (View::Int(int), Some('X'), _) => (signed(int, format!("{:X}", int.unsigned_abs())), true),
        (View::Int(int), Some('b'), _) => (signed(int, format!("{:b}", int.unsigned_abs())), true),
        (View::Int(int), Some('o'), _) => (signed(int, format!("{:o}", int.unsigned_abs())), true),
        (View::Int(int), _, Some(precision)) => (format!("{:.precision$}", int as f64), true),
        (View::Float(float), Some('e'), Some(precision)) => (format!("{float:.precision$e}"), true),
        (View::Float(float), Some('e'), None) => (format!("{float:e}"), true),
        (View::Float(float), _, Some(precision)) => (format!("{float:.precision$}"), true),
        (View::Str(text), _, Some(precision)) => (text.as_str().chars().take(precision).collect(), false),
        (View::Money(pico_dollars), None, Some(places)) => (rounded_money(pico_dollars, places), true),
        (View::Int(_) | View::Float(_), _, None) => (print::text(value, module)?, true),
        _ => (print::text(value, module)?, matches!(value.view(), View::Money(_) | View::Duration(_))),
    };
    Ok(pad(text, is_number, &spec))
}

/// An amount with exactly so many decimals, rounded half to even.
fn rounded_money(pico_dollars: i64, places: usize) -> String {
    const DIGITS: usize = 12;
    let unit = 10_u64.pow(DIGITS.saturating_sub(places) as u32);
    let amount = pico_dollars.unsigned_abs();
    let (whole, twice) = (amount / unit, (amount % unit) * 2);
    let steps = whole + u64::from(twice > unit || twice == unit && whole % 2 == 1);
    let dollar = 10_u64.pow(places.min(DIGITS) as u32);
    let sign = if pico_dollars < 0 && steps > 0 { "-" } else { "" };
    let mut text = format!("{sign}${}", steps / dollar);
    if places > 0 {
        let digits = places.min(DIGITS);
        text.push_str(&format!(".{:0digits$}{}", steps % dollar, "0".repeat(places - digits)));
    }
    text
}

fn signed(int: i64, digits: String) -> String {
    if int < 0 { format!("-{digits}") } else { digits }
}

fn parse(text: &str) -> Spec {
    let mut spec = Spec::default();
    let is_align = |character: char| matches!(character, '<' | '>' | '^');
    let mut characters = text.chars().peekable();
    match (text.chars().next(), text.chars().nth(1)) {
        (Some(fill), Some(align)) if is_align(align) => {
            (spec.fill, spec.align) = (Some(fill), Some(align));
            characters.next();
            characters.next();
        }
        (Some(align), _) if is_align(align) => {
            spec.align = Some(align);
            characters.next();
        }
        _ => {}
    }
    spec.zeros = characters.next_if_eq(&'0').is_some();
    spec.width = number(&mut characters).unwrap_or(0).min(WIDTH_MAX);
    if characters.next_if_eq(&'.').is_some() {
        spec.precision = Some(number(&mut characters).unwrap_or(0).min(PRECISION_MAX));
    }
    spec.kind = characters.next();
    spec
}

fn number(characters: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut number: Option<usize> = None;
    while let Some(digit) = characters.peek().and_then(|character| character.to_digit(10)) {
        number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize));
        characters.next();
    }
    number
}

fn pad(text: String, is_number: bool, spec: &Spec) -> String {
    let missing = spec.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if spec.zeros && is_number && spec.align.is_none() {
        let digits = text.trim_start_matches('-');
        return format!("{}{}{digits}", &text[..text.len() - digits.len()], "0".repeat(missing));
    }
    let fill = spec.fill.unwrap_or(if spec.zeros { '0' } else { ' ' });
    let before = match spec.align {
        Some('<') => 0,
        Some('^') => missing / 2,
        Some(_) => missing,
        None if is_number => missing,
        None => 0,
    };
    let mut padded: String = std::iter::repeat_n(fill, before).collect();
    padded.push_str(&text);
    padded.extend(std::iter::repeat_n(fill, missing - before));
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: impl Into<Value>, spec: &str) -> String {
        format(&value.into(), spec, &Module::default()).unwrap_or_default()
    }

    #[test]
    fn numbers_and_texts_are_padded_and_cut() {
        assert_eq!(shown(42, ">8"), "      42");
        assert_eq!(shown(42, "8"), "      42");
        assert_eq!(shown(42, "<8"), "42      ");
        assert_eq!(shown("ab", "5"), "ab   ");
        assert_eq!(shown("ab", "*^6"), "**ab**");
        assert_eq!(shown("äöü", ".2"), "äö");
        assert_eq!(shown(2.0 / 3.0, ".2"), "0.67");
        assert_eq!(shown(3, ".2"), "3.00");
        assert_eq!(shown(-42, "08"), "-0000042");
        assert_eq!(shown(255, "x"), "ff");
        assert_eq!(shown(-255, "06X"), "-000FF");
        assert_eq!(shown(5, "b"), "101");
    }

    #[test]
    fn money_is_rounded_half_to_even_to_exactly_so_many_decimals() {
        let dollars = |pico: i64, spec: &str| format(&Value::money(pico), spec, &Module::default()).unwrap_or_default();
        assert_eq!(dollars(1_234_500_000_000_000, ".2"), "$1234.50");
        assert_eq!(dollars(125_000_000_000, ".2"), "$0.12");
        assert_eq!(dollars(135_000_000_000, ".2"), "$0.14");
        assert_eq!(dollars(999_000_000_000, ".2"), "$1.00");
        assert_eq!(dollars(-125_000_000_001, ".2"), "-$0.13");
        assert_eq!(dollars(-1, ".2"), "$0.00");
        assert_eq!(dollars(2_500_000_000_000, ".0"), "$2");
        assert_eq!(dollars(1, ".14"), "$0.00000000000100");
        assert_eq!(dollars(i64::MIN, ".12"), "-$9223372.036854775808");
        assert_eq!(dollars(4_300_000_000, ">8.3"), "  $0.004");
    }

    #[test]
    fn no_format_fails_or_takes_all_memory() {
        for spec in ["", "}", "99999999999999999999", ".", "x.x", "<<<", ".99999999999999999999f", "é>3"] {
            assert!(shown(7, spec).len() <= WIDTH_MAX + PRECISION_MAX + 2);
        }
    }
}
