//! Durations as the language writes them: `250ms`, `1.5s`, `1h30m`.

use std::time::Duration;

/// Units and their length in nanoseconds; a unit stands before those that begin like it.
const UNITS: [(&str, u64); 6] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// The duration that a text means, or `None`.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
        let number: f64 = rest[..end].replace('_', "").parse().ok()?;
        let (unit, length_ns) = UNITS.into_iter().find(|(unit, _)| rest[end..].starts_with(unit))?;
        let part_ns = number * length_ns as f64;
        total = total.checked_add(Duration::try_from_secs_f64(part_ns / 1e9).ok()?)?;
        rest = &rest[end + unit.len()..];
        if rest.is_empty() {
            return Some(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_language_writes_them() {
        let check = |text, millis: Option<u64>| assert_eq!(parse(text), millis.map(Duration::from_millis), "{text}");
        check("250ms", Some(250));
        check("1.5s", Some(1_500));
        check("1h30m", Some(5_400_000));
        check("2m", Some(120_000));
        check("0s", Some(0));
        check("1_000ms", Some(1_000));
        for wrong in ["", "5", "s", "5 s", "-1s", "1.2.3s", "5x", "1s5"] {
            check(wrong, None);
        }
        assert_eq!(parse("5us"), Some(Duration::from_micros(5)));
    }
}
