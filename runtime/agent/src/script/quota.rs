//! The rate limit of a provider that the script plays: what its answers announce, and when it refuses.
//!
//! Invariant: with the same calls at the same moments it admits and refuses the same ones. Another client's share is used up evenly, one
//! request at a time, from the first call on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use vega_scheduler::Instant;

use crate::http::Headers;
use crate::limits::Bucket;
use crate::provider::Protocol;

/// What `[rate_limit]` of a replies file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct QuotaPolicy {
    /// Requests in a period.
    pub(super) requests: Option<u64>,
    /// Tokens in a period, prompts and answers together.
    pub(super) tokens: Option<u64>,
    /// The period.
    pub(super) per: Duration,
    /// The part of it that another client uses, from 0 to 1.
    pub(super) shared: f64,
    /// Whether answers announce it.
    pub(super) is_announced: bool,
}

/// What an answer announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    word: &'static str,
    limit: u64,
    remaining: u64,
    reset: Duration,
}

/// The limit at work.
#[derive(Debug)]
pub(super) struct Quota {
    policy: QuotaPolicy,
    state: Mutex<Option<Levels>>,
}

#[derive(Debug)]
struct Levels {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// When the other client sends its next request.
    other: Option<Instant>,
}

impl Quota {
    pub(super) fn new(policy: QuotaPolicy) -> Quota {
        Quota { policy, state: Mutex::default() }
    }

    /// Admits a call that is going to use so many tokens, or says when to come back.
    pub(super) fn admit(&self, tokens: u64, now: Instant) -> (Result<(), Duration>, Announcement) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let levels = state.get_or_insert_with(|| self.policy.begin(now));
        self.policy.let_the_other_pass(levels, now);
        let requests = levels.requests.as_mut().map_or(now, |bucket| bucket.ready_at(1, 0, now));
        let moment = requests.max(levels.tokens.as_mut().map_or(now, |bucket| bucket.ready_at(1, 0, now)));
        let admitted = if moment > now {
            // Real services speak in whole seconds.
            let seconds = moment.since(now).as_nanos().div_ceil(1_000_000_000);
            Err(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
        } else {
            levels.requests.iter_mut().for_each(|bucket| bucket.take(1, now));
            levels.tokens.iter_mut().for_each(|bucket| bucket.take(tokens, now));
            Ok(())
        };
        let mut lines = Vec::new();
        if self.policy.is_announced {
            for (word, bucket) in [("requests", &mut levels.requests), ("tokens", &mut levels.tokens)] {
                if let Some(bucket) = bucket {
                    let full_at = bucket.ready_at(bucket.capacity(), 0, now);
                    let remaining = u64::try_from(bucket.level(now)).unwrap_or(0);
                    lines.push(Line { word, limit: bucket.capacity(), remaining, reset: full_at.since(now) });
                }
            }
        }
        (admitted, Announcement(lines))
    }
}

impl QuotaPolicy {
    fn begin(&self, now: Instant) -> Levels {
        let bucket = |units: Option<u64>| units.map(|units| Bucket::full(units, self.per, now));
        Levels {
            requests: bucket(self.requests),
            tokens: bucket(self.tokens),
            other: (self.shared > 0.0).then(|| now + self.pause_of_the_other()),
        }
    }

    /// The time between two requests of the other client.
    fn pause_of_the_other(&self) -> Duration {
        let requests = self.requests.unwrap_or(60) as f64 * self.shared;
        self.per.div_f64(requests.max(1e-3)).max(Duration::from_micros(1))
    }

    /// The other client's requests since the last call. It is as well behaved as any: what does not fit it leaves.
    fn let_the_other_pass(&self, levels: &mut Levels, now: Instant) {
        let pause = self.pause_of_the_other();
        while let Some(moment) = levels.other.filter(|moment| *moment <= now) {
            levels.other = Some(moment + pause);
            if let Some(bucket) = &mut levels.requests
                && bucket.ready_at(1, 0, moment) <= moment
            {
                bucket.take(1, moment);
            }
            if let Some(bucket) = &mut levels.tokens {
                let share = bucket.capacity() / self.requests.unwrap_or(60).max(1);
                if bucket.ready_at(share, 0, moment) <= moment {
                    bucket.take(share, moment);
                }
            }
        }
    }
}

impl Announcement {
    /// The header lines in which a provider of this protocol says it.
    pub fn headers(&self, protocol: Protocol, now: SystemTime) -> Headers {
        let mut headers = Headers::new();
        let Ok(now) = Timestamp::try_from(now) else { return headers };
        if self.0.is_empty() {
            return headers;
        }
        if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
            headers.push("date", date);
        }
        for Line { word, limit, remaining, reset } in &self.0 {
            let [limit, remaining] = [limit, remaining].map(u64::to_string);
            match protocol {
                Protocol::Anthropic => {
                    let reset = now.as_second().saturating_add(reset.as_secs_f64().ceil() as i64);
                    let reset = Timestamp::from_second(reset).map(|moment| moment.to_string()).unwrap_or_default();
                    headers.push(format!("anthropic-ratelimit-{word}-limit"), limit);
                    headers.push(format!("anthropic-ratelimit-{word}-remaining"), remaining);
                    headers.push(format!("anthropic-ratelimit-{word}-reset"), reset);
                }
                Protocol::OpenAi => {
                    headers.push(format!("x-ratelimit-limit-{word}"), limit);
                    headers.push(format!("x-ratelimit-remaining-{word}"), remaining);
                    headers.push(format!("x-ratelimit-reset-{word}"), spelt(*reset));
                }
            }
        }
        headers
    }
}

/// A duration as OpenAI writes it: `6m0s`, `1.2s`, `12ms`.
fn spelt(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    match (minutes, rest) {
        (0, rest) if rest < 1_000 => format!("{rest}ms"),
        (0, rest) => format!("{}s", rest as f64 / 1e3),
        (minutes, rest) => format!("{minutes}m{}s", rest as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::limits::{Announced, Counted};

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn policy() -> QuotaPolicy {
        QuotaPolicy { requests: Some(50), tokens: None, per: Duration::from_secs(60), shared: 0.0, is_announced: true }
    }

    #[test]
    fn beyond_the_quota_it_refuses_and_says_when_to_come_back() {
        let quota = Quota::new(policy());
        assert!((0..50).all(|_| quota.admit(10, at(0)).0.is_ok()));
        assert_eq!(quota.admit(10, at(0)).0, Err(Duration::from_secs(2)));
        assert_eq!(quota.admit(10, at(1_199)).0, Err(Duration::from_secs(1)));
        assert_eq!(quota.admit(10, at(1_200)).0, Ok(()));
        let tokens = Quota::new(QuotaPolicy { requests: None, tokens: Some(100), ..policy() });
        assert!(tokens.admit(250, at(0)).0.is_ok(), "what an answer is going to need is not known before");
        assert_eq!(tokens.admit(1, at(0)).0, Err(Duration::from_secs(91)));
    }

    #[test]
    fn another_client_uses_its_share_evenly() {
        let quota = Quota::new(QuotaPolicy { shared: 0.5, ..policy() });
        assert!((0..50).all(|_| quota.admit(10, at(0)).0.is_ok()));
        let admitted = (1..=60_000).step_by(100).filter(|millis| quota.admit(10, at(*millis)).0.is_ok()).count();
        assert!((24..=27).contains(&admitted), "{admitted}");
    }

    #[test]
    fn both_protocols_announce_what_the_client_reads() {
        let quota = Quota::new(QuotaPolicy { tokens: Some(6_000), ..policy() });
        let (_, announcement) = quota.admit(60, at(0));
        let now = UNIX_EPOCH + Duration::from_secs(1_795_340_000);
        for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
            let read = Announced::read(&announcement.headers(protocol, now), UNIX_EPOCH);
            let requests = read.get(Counted::Requests).map(|quota| (quota.limit, quota.remaining, quota.reset));
            let reset = if protocol == Protocol::Anthropic { 2_000 } else { 1_200 };
            assert_eq!(requests, Some((50, 49, Some(Duration::from_millis(reset)))));
            assert_eq!(read.get(Counted::Tokens).map(|quota| (quota.limit, quota.remaining)), Some((6_000, 5_940)));
        }
        assert_eq!(spelt(Duration::from_millis(360_000)), "6m0s");
        assert_eq!(spelt(Duration::from_millis(12)), "12ms");
        let silent = Quota::new(QuotaPolicy { is_announced: false, ..policy() });
        assert_eq!(silent.admit(1, at(0)).1.headers(Protocol::OpenAi, now), Headers::new());
    }
}
