//! The forms in which a server says when to come back.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::http::Headers;

/// The wait that the headers ask for: `retry-after-ms`, or `retry-after` in seconds, which may have a
/// fraction, or as a date. What is not understood or lies in the past is no wish at all.
pub fn retry_after(headers: &Headers, now: SystemTime) -> Option<Duration> {
    if let Some(millis) = headers.get("retry-after-ms").and_then(positive_number) {
        return Some(seconds(millis / 1_000.0));
    }
    let value = headers.get("retry-after")?;
    match positive_number(value) {
        Some(number) => Some(seconds(number)),
        None => until(value, headers, now),
    }
}

fn positive_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| *number > 0.0)
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}

/// The time until a date, by the server's own clock where it tells us: ours may be wrong.
fn until(date: &str, headers: &Headers, now: SystemTime) -> Option<Duration> {
    let parser = DateTimeParser::new();
    let target = parser.parse_timestamp(date).ok()?;
    let by_server = headers.get("date").and_then(|date| parser.parse_timestamp(date).ok());
    let now = match by_server {
        Some(now) => now,
        None => Timestamp::try_from(now).ok()?,
    };
    let wait = target.duration_since(now);
    Duration::try_from(wait).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn every_form_of_retry_after_is_understood() {
        // Sun, 22 Nov 2026 09:33:20 GMT
        let now = UNIX_EPOCH + Duration::from_secs(1_795_340_000);
        let check = |lines: &[(&str, &str)], expected: Option<u64>| {
            let headers: Headers = lines.iter().copied().collect();
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_millis), "{lines:?}");
        };
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("Retry-After", "0.25")], Some(250));
        check(&[("retry-after-ms", "1500"), ("retry-after", "7")], Some(1_500));
        check(&[("retry-after-ms", "soon"), ("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "Sun, 22 Nov 2026 09:34:20 GMT")], Some(60_000));
        let dated = ("date", "Sun, 22 Nov 2026 09:34:15 GMT");
        check(&[("retry-after", "Sun, 22 Nov 2026 09:34:20 GMT"), dated], Some(5_000));
        for nonsense in ["", "-1", "0", "NaN", "soon", "Sun, 22 Nov 2026 09:00:00 GMT"] {
            check(&[("retry-after", nonsense)], None);
        }
        check(&[], None);
        let huge: Headers = [("retry-after", "1e300")].into_iter().collect();
        assert_eq!(retry_after(&huge, now), Some(Duration::MAX));
    }
}
