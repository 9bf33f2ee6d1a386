//! What the headers of an answer say about the provider's rate limits.
//!
//! Anthropic sends `anthropic-ratelimit-KIND-{limit,remaining,reset}` with moments as RFC 3339, OpenAI
//! `x-ratelimit-{limit,remaining,reset}-KIND` with durations as `6m0s`. Servers that imitate them send plain seconds, moments as seconds
//! since 1970, or -1 where they do not know. What cannot be understood is no announcement.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::http::Headers;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Exchanges.
    Requests,
    /// Tokens of prompts and answers.
    Tokens,
    /// Tokens of prompts.
    Input,
    /// Tokens of answers.
    Output,
}

/// One limit as the provider sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// What may be used in a period.
    pub(crate) limit: u64,
    /// What is left of it.
    pub(crate) remaining: u64,
    /// The time until all of it is there again, where the answer says so.
    pub(crate) reset: Option<Duration>,
}

/// The limits that an answer speaks of, by what they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced([Option<Quota>; 4]);

impl Counted {
    pub(crate) const ALL: [Counted; 4] = [Counted::Requests, Counted::Tokens, Counted::Input, Counted::Output];

    fn word(self) -> &'static str {
        match self {
            Counted::Requests => "requests",
            Counted::Tokens => "tokens",
            Counted::Input => "input-tokens",
            Counted::Output => "output-tokens",
        }
    }
}

impl Announced {
    /// Nothing.
    #[cfg(test)]
    pub(super) const fn nothing() -> Announced {
        Announced([None; 4])
    }

    /// One of them.
    #[cfg(test)]
    pub(super) fn of(counted: Counted, quota: Quota) -> Announced {
        let mut announced = Announced::default();
        announced.0[counted as usize] = Some(quota);
        announced
    }

    /// Reads the headers of an answer that came at `now`.
    pub(crate) fn read(headers: &Headers, now: SystemTime) -> Announced {
        let mut announced = Announced::default();
        // Most servers say nothing: one look at the names is enough for them.
        if !headers.iter().any(|(name, _)| is_of_limits(name)) {
            return announced;
        }
        for (place, counted) in announced.0.iter_mut().zip(Counted::ALL) {
            let word = counted.word();
            let line = |anthropic: &str, part: &str| {
                let names = [format!("anthropic-ratelimit-{word}-{anthropic}"), format!("x-ratelimit-{part}-{word}")];
                names.iter().find_map(|name| headers.get(name))
            };
            let (Some(limit), Some(remaining)) =
                (line("limit", "limit").and_then(amount), line("remaining", "remaining").and_then(amount))
            else {
                continue;
            };
            if limit > 0 {
                let reset = line("reset", "reset").and_then(|text| until(text, headers, now));
                *place = Some(Quota { limit, remaining: remaining.min(limit), reset });
            }
        }
        announced
    }

    /// What is said about one of them.
    pub(crate) fn get(&self, counted: Counted) -> Option<Quota> {
        self.0[counted as usize]
    }

    /// Whether a refusal means this limit: it has nothing left, or nothing is said and it counts requests.
    pub(crate) fn is_exhausted(&self, counted: Counted) -> bool {
        match self.get(counted) {
            Some(quota) => quota.remaining == 0,
            None => counted == Counted::Requests && *self == Announced::default(),
        }
    }
}

fn is_of_limits(name: &str) -> bool {
    ["x-ratelimit-", "anthropic-ratelimit-"]
        .iter()
        .any(|start| name.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start)))
}

/// A count: digits, and perhaps more behind them, as in `100, 100;w=60`. None where it is negative or no number.
fn amount(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

/// The time that one of the forms of a reset means.
fn until(text: &str, headers: &Headers, now: SystemTime) -> Option<Duration> {
    const SECONDS_OF_A_MOMENT: f64 = 1e9;
    const MILLIS_OF_A_MOMENT: f64 = 1e12;
    let now = || {
        let by_server = headers.get("date").and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        by_server.or_else(|| Timestamp::try_from(now).ok())
    };
    let from_now = |moment: Timestamp| Duration::try_from(moment.duration_since(now()?)).ok().or(Some(Duration::ZERO));
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            _ if !(0.0..1e15).contains(&number) => None,
            _ if number >= MILLIS_OF_A_MOMENT => from_now(Timestamp::from_millisecond(number as i64).ok()?),
            _ if number >= SECONDS_OF_A_MOMENT => from_now(Timestamp::from_second(number as i64).ok()?),
            _ => Duration::try_from_secs_f64(number).ok(),
        };
    }
    match text.parse::<Timestamp>() {
        Ok(moment) => from_now(moment),
        Err(_) => duration(text),
    }
}

/// A run of numbers with units: `1h2m3s`, `6m0s`, `12ms`, `1.5s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit_s = match &rest[..letters] {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        rest = &rest[letters..];
        total = total.checked_add(Duration::try_from_secs_f64(number * unit_s).ok()?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn read(lines: &[(&str, &str)]) -> Announced {
        // Sun, 22 Nov 2026 09:33:20 GMT
        Announced::read(&lines.iter().copied().collect(), UNIX_EPOCH + Duration::from_secs(1_795_340_000))
    }

    fn quota(limit: u64, remaining: u64, reset_ms: u64) -> Option<Quota> {
        Some(Quota { limit, remaining, reset: Some(Duration::from_millis(reset_ms)) })
    }

    #[test]
    fn the_headers_of_anthropic_are_read() {
        let announced = read(&[
            ("Anthropic-Ratelimit-Requests-Limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-11-22T09:33:21Z"),
            ("anthropic-ratelimit-input-tokens-limit", "40000"),
            ("anthropic-ratelimit-input-tokens-remaining", "39000"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-22T09:33:22Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "8000"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-22T09:33:20Z"),
        ]);
        assert_eq!(announced.get(Counted::Requests), quota(50, 49, 1_000));
        assert_eq!(announced.get(Counted::Input), quota(40_000, 39_000, 2_000));
        assert_eq!(announced.get(Counted::Output), quota(8_000, 8_000, 0));
        assert_eq!(announced.get(Counted::Tokens), None);
    }

    #[test]
    fn a_reset_is_read_in_every_form() {
        let reset = |text: &str| {
            let lines = [
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", text),
            ];
            read(&lines).get(Counted::Requests).and_then(|quota| quota.reset).map(|reset| reset.as_millis())
        };
        assert_eq!(reset("6m0s"), Some(360_000));
        assert_eq!(reset("12ms"), Some(12));
        assert_eq!(reset("1h2m3.5s"), Some(3_723_500));
        assert_eq!(reset("1s"), Some(1_000));
        assert_eq!(reset("0"), Some(0));
        assert_eq!(reset("7.5"), Some(7_500));
        assert_eq!(reset("1795340010"), Some(10_000));
        assert_eq!(reset("1795340010500"), Some(10_500));
        assert_eq!(reset("2026-11-22T09:33:30.25Z"), Some(10_250));
        assert_eq!(reset("2026-11-22T08:00:00Z"), Some(0), "a moment that has passed");
        for nonsense in ["-1", "", "soon", "5 parsecs", "1e300", "NaN"] {
            assert_eq!(reset(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_clock_of_the_server_counts() {
        let announced = read(&[
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("anthropic-ratelimit-tokens-limit", "10"),
            ("anthropic-ratelimit-tokens-remaining", "1"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-22T10:00:05Z"),
        ]);
        assert_eq!(announced.get(Counted::Tokens), quota(10, 1, 5_000));
    }

    #[test]
    fn what_makes_no_sense_announces_nothing() {
        let tokens = |limit, remaining| {
            read(&[("x-ratelimit-limit-tokens", limit), ("x-ratelimit-remaining-tokens", remaining)]).get(Counted::Tokens)
        };
        assert_eq!(tokens("100", "20"), Some(Quota { limit: 100, remaining: 20, reset: None }));
        assert_eq!(tokens("100, 100;w=60", "20"), Some(Quota { limit: 100, remaining: 20, reset: None }));
        assert_eq!(tokens("100", "500"), Some(Quota { limit: 100, remaining: 100, reset: None }));
        for (limit, remaining) in [("-1", "-1"), ("0", "0"), ("100", "-1"), ("x", "5"), ("", "")] {
            assert_eq!(tokens(limit, remaining), None, "{limit} {remaining}");
        }
        assert_eq!(read(&[("x-ratelimit-limit-tokens", "100")]), Announced::default());
    }
}
