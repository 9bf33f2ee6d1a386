//! Turns answers of a provider, error events of its streams and failures of the way to it into errors.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use vega_net::address::without_credentials;

use super::{Billed, CallError, ErrorKind, RetryClass, retry_after};
use crate::http::{Headers, HttpResponse, Secret};
use crate::price::{successor, today};

/// Characters of an undocumented body that a message quotes.
const EXCERPT_CHARACTERS_MAX: usize = 200;

/// What stands in the names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// Where an error came from, so that its message can say what to check.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Where requests go.
    pub base_url: &'a str,
    /// The environment variable with the key.
    pub key_variable: &'a str,
    /// The key itself, only to keep it out of messages.
    pub key: Option<&'a Secret>,
    /// Header lines of the project's own, of which some may be secret, too.
    pub headers: Option<&'a Headers>,
    /// The model asked.
    pub model: &'a str,
}

/// Why no whole answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportFailure {
    /// The host's name has no address.
    Dns(String),
    /// Nobody listens there, or the network does not reach it.
    Connect(String),
    /// The server's certificate is not one to trust.
    Certificate(String),
    /// The connection broke after the request was sent.
    Broken(String),
    /// The connection was not made in time.
    ConnectTimeout(Duration),
    /// The answer did not begin in time.
    FirstTokenTimeout(Duration),
    /// The answer stopped coming.
    IdleTimeout(Duration),
    /// The answer is larger than anything that is accepted.
    TooLarge(usize),
}

/// What an error body says, in whatever form.
#[derive(Debug, Default)]
struct Details {
    kind: String,
    code: String,
    message: String,
}

/// The error in an answer whose status is not 200.
pub fn from_response(response: &HttpResponse, origin: Origin<'_>, now: SystemTime) -> CallError {
    let details = Details::read(response);
    let mut error = classify(response.status, &details, origin);
    if let (300..=399, Some(target)) = (response.status, response.headers.get("location")) {
        let target: String = without_credentials(target).chars().take(EXCERPT_CHARACTERS_MAX).collect();
        let advice = format!("; it redirects to {target}, where the key is not sent: set the base URL to what is meant");
        error.message.push_str(&origin.redact(&advice));
    }
    error.request_id = ["request-id", "x-request-id"].into_iter().find_map(|name| response.headers.get(name)).map(str::to_owned);
    match response.headers.get("x-should-retry") {
        Some("false") => error.retry = None,
        // The provider knows best, but for money that is spent.
        Some("true") if error.retry.is_none() && !details.is_spent(response.status) => {
            error.retry = Some(RetryClass::ServerError)
        }
        _ => {}
    }
    if error.retry.is_some() {
        error.retry_after = retry_after(&response.headers, now);
    }
    error
}

/// The error in a body or stream event that arrived under status 200. Its type decides.
pub fn from_event(event: &Value, origin: Origin<'_>) -> CallError {
    let details = Details::from_value(event);
    let status = match details.kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "tokens" | "requests" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => details.code.parse().ok().filter(|code| (400..600).contains(code)).unwrap_or(500),
    };
    let mut error = classify(status, &details, origin);
    error.request_id = event.get("request_id").and_then(Value::as_str).map(str::to_owned);
    error
}

/// The error for a body under status 200 that is no answer; `cut` where it breaks off.
pub fn undecodable(response: &HttpResponse, cut: bool, origin: Origin<'_>) -> CallError {
    if cut && !response.body.is_empty() {
        let detail = format!("its body ends after {} bytes", response.body.len());
        return from_transport(&TransportFailure::Broken(detail), origin);
    }
    let said = origin.redact(&describe(response));
    let text = format!("{said} ({}); check that {} serves the model API", response.status, origin.shown_url());
    CallError::provider(response.status, text)
}

/// The error for a way that failed.
pub fn from_transport(failure: &TransportFailure, origin: Origin<'_>) -> CallError {
    let url = origin.shown_url();
    let connection = |message: String| CallError::provider(0, origin.redact(&message)).retryable(RetryClass::Connection);
    let timeout =
        |after: Duration, message: String| CallError::new(ErrorKind::Timeout { after }, message).retryable(RetryClass::Timeout);
    let sent = |mut error: CallError| {
        error.billed = Billed::EstimatedInput;
        error
    };
    match failure {
        TransportFailure::Dns(detail) => {
            connection(format!("the host of {url} was not found ({detail}); check the base URL and the network"))
        }
        TransportFailure::Connect(detail) => {
            connection(format!("no connection to {url} ({detail}); check the base URL and that the server runs"))
        }
        TransportFailure::Certificate(detail) => CallError::provider(
            0,
            format!("the certificate of {url} is not trusted ({detail}); `--ca-file FILE` trusts an authority of your own"),
        ),
        TransportFailure::Broken(detail) => {
            sent(connection(format!("the connection to {url} broke before the answer was complete ({detail})")))
        }
        TransportFailure::ConnectTimeout(after) => {
            timeout(*after, format!("no connection to {url} within {after:?}; see `timeouts {{ connect }}`"))
        }
        TransportFailure::FirstTokenTimeout(after) => {
            sent(timeout(*after, format!("no answer from {url} within {after:?}; see `timeouts {{ first_token }}`")))
        }
        TransportFailure::IdleTimeout(after) => {
            sent(timeout(*after, format!("{url} fell silent for {after:?} within its answer; see `timeouts {{ idle }}`")))
        }
        TransportFailure::TooLarge(limit_bytes) => {
            let text = format!("the answer of {url} is larger than {limit_bytes} bytes");
            sent(CallError::provider(0, text))
        }
    }
}

/// The error for a status, with the advice that belongs to it.
fn classify(status: u16, details: &Details, origin: Origin<'_>) -> CallError {
    let Origin { provider, key_variable, model, .. } = origin;
    let base_url = origin.shown_url();
    let said = origin.redact(&details.message);
    let provider_error = |advice: String| CallError::provider(status, format!("{said} ({status}){advice}"));
    match status {
        400 if details.is_spent(status) => provider_error(format!("; the spend limit of the {provider} account is reached")),
        401 => provider_error(format!("; {provider} did not accept the key in {key_variable}")),
        402 => provider_error(format!("; check the billing of the {provider} account")),
        403 => provider_error(format!("; the key in {key_variable} may not do this")),
        404 => provider_error(match successor(model, &today()) {
            Some(successor) => format!(
                "; if `{model}` is no longer served, its successor is `{successor}`: write that, or `alias = {{ \"{model}\" = \"{successor}\" }}` under [models] in vega.toml; else check the base URL {base_url}"
            ),
            None => format!("; check the model's name `{model}` and the base URL {base_url}"),
        }),
        408 | 504 => provider_error(String::new()).retryable(RetryClass::Timeout),
        413 => provider_error("; the conversation is too large: see `history last N`".into()),
        429 if details.is_spent(status) => {
            let advice = format!("; the {provider} account has no credit left, which waiting does not change");
            CallError::new(ErrorKind::RateLimited, format!("{said} (429){advice}"))
        }
        429 => CallError::new(ErrorKind::RateLimited, format!("{said} (429)")).retryable(RetryClass::RateLimit),
        503 | 529 => CallError::new(ErrorKind::Overloaded, format!("{said} ({status})")).retryable(RetryClass::Overloaded),
        500..=599 => provider_error(String::new()).retryable(RetryClass::ServerError),
        300..=399 => provider_error(format!("; check the base URL {base_url}")),
        _ => provider_error(String::new()),
    }
}

impl Origin<'_> {
    /// Where requests go, without a name and a password that may stand in it.
    fn shown_url(&self) -> Cow<'_, str> {
        without_credentials(self.base_url)
    }

    /// The text without the key, and without what headers say whose names sound like a secret.
    pub fn redact(&self, text: &str) -> String {
        let mut text = self.key.map_or_else(|| text.to_owned(), |key| key.redact(text));
        for (name, value) in self.headers.iter().flat_map(|headers| headers.iter()) {
            let name = name.to_ascii_lowercase();
            if SECRET_HEADERS.iter().any(|part| name.contains(part)) {
                // `Bearer` and `Basic` are no secret, and a server may quote the rest alone.
                let secret = value.split_once(' ').map_or(value, |(_, rest)| rest);
                text = Secret::new(secret).redact(&text);
            }
        }
        text
    }
}

impl Details {
    /// Reads a body: the documented JSON, the JSON of proxies, or an excerpt of anything else.
    fn read(response: &HttpResponse) -> Details {
        if let Ok(value) = serde_json::from_slice::<Value>(&response.body) {
            let details = Details::from_value(&value);
            if !details.message.is_empty() {
                return details;
            }
        }
        Details { message: describe(response), ..Details::default() }
    }

    fn from_value(value: &Value) -> Details {
        let error = value.get("error").unwrap_or(value);
        if let Some(message) = error.as_str() {
            return Details { message: message.to_owned(), ..Details::default() };
        }
        let word = |field: &str| match error.get(field) {
            Some(Value::String(word)) => word.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let code = error.pointer("/details/error_code").and_then(Value::as_str);
        let message = ["message", "detail"].map(word).into_iter().find(|text| !text.is_empty());
        Details {
            kind: word("type"),
            code: code.map_or_else(|| word("code"), str::to_owned),
            message: message.unwrap_or_else(|| word("type")),
        }
    }

    /// Whether a limit on money is reached, however it is said.
    fn is_spent(&self, status: u16) -> bool {
        status == 402 || self.is_spend_limit() || (status == 400 && self.message.contains("API usage limits"))
    }

    /// A limit on money, which no waiting lifts.
    fn is_spend_limit(&self) -> bool {
        let spent = ["enforced_spend_limit_reached", "contract_spend_limit_reached", "insufficient_quota"];
        spent.contains(&self.code.as_str()) || spent.contains(&self.kind.as_str())
    }
}

/// One line about a body that is no JSON error.
fn describe(response: &HttpResponse) -> String {
    let encoding = response.headers.get("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity"));
    if let Some(encoding) = encoding {
        let encoding: String = encoding.chars().take(EXCERPT_CHARACTERS_MAX).collect();
        return format!("an answer compressed as `{encoding}`, which nobody asked for");
    }
    let text = String::from_utf8_lossy(&response.body);
    let text = text.trim();
    if text.is_empty() {
        return "an empty answer".into();
    }
    let start = text.get(..15).unwrap_or(text).to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return match html_title(text) {
            Some(title) => format!("an HTML page titled \"{title}\" instead of an answer"),
            None => "an HTML page instead of an answer".into(),
        };
    }
    let one_line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let excerpt: String = one_line.chars().take(EXCERPT_CHARACTERS_MAX).collect();
    format!("an unexpected answer: {excerpt}")
}

fn html_title(page: &str) -> Option<String> {
    // ASCII lowering keeps byte positions, so what is found in one text can be cut from the other.
    let lower = page.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower[open..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title: String = page[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String = title.chars().take(EXCERPT_CHARACTERS_MAX).collect();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        HttpResponse { status, headers: headers.iter().copied().collect(), body: body.into() }
    }

    fn classified(status: u16, headers: &[(&str, &str)], body: &str) -> CallError {
        let key = Secret::new("sk-secret");
        let origin = Origin {
            provider: "Anthropic",
            base_url: "https://api.anthropic.com",
            key_variable: "ANTHROPIC_API_KEY",
            key: Some(&key),
            headers: None,
            model: "claude-x",
        };
        from_response(&response(status, headers, body), origin, SystemTime::UNIX_EPOCH)
    }

    fn anthropic(kind: &str, message: &str) -> String {
        json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}).to_string()
    }

    #[test]
    fn each_status_has_its_kind_and_its_class() {
        let check = |status, kind: &str, class| {
            let error = classified(status, &[], &anthropic("x_error", "as it is"));
            assert_eq!((error.kind.name(), error.retry), (kind, class), "{status}");
            assert!(error.message.contains("as it is"), "{}", error.message);
            assert_eq!(error.billed, Billed::Nothing);
        };
        for status in [400, 401, 402, 403, 404, 409, 413, 422, 302] {
            check(status, "ProviderError", None);
        }
        for status in [500, 502, 520] {
            check(status, "ProviderError", Some(RetryClass::ServerError));
        }
        check(408, "ProviderError", Some(RetryClass::Timeout));
        check(504, "ProviderError", Some(RetryClass::Timeout));
        check(429, "RateLimited", Some(RetryClass::RateLimit));
        check(503, "Overloaded", Some(RetryClass::Overloaded));
        check(529, "Overloaded", Some(RetryClass::Overloaded));
    }

    #[test]
    fn a_model_that_is_gone_names_its_successor() {
        let body = anthropic("not_found_error", "model: claude-sonnet-4-20250514");
        let origin = Origin {
            provider: "p",
            base_url: "http://h",
            key_variable: "K",
            key: None,
            headers: None,
            model: "claude-sonnet-4-20250514",
        };
        let error = from_response(&response(404, &[], &body), origin, SystemTime::UNIX_EPOCH);
        assert!(
            error.message.contains("its successor is `claude-sonnet-5-5`") && error.message.contains("[models]"),
            "{}",
            error.message
        );
    }

    #[test]
    fn a_refused_key_names_its_variable_and_never_itself() {
        let error = classified(401, &[], &anthropic("authentication_error", "invalid x-api-key sk-secret"));
        assert_eq!(error.message, "invalid x-api-key *** (401); Anthropic did not accept the key in ANTHROPIC_API_KEY");
    }

    #[test]
    fn a_rate_limit_waits_as_told_but_a_spend_limit_is_never_retried() {
        let body = anthropic("rate_limit_error", "slow down");
        let limited = classified(429, &[("retry-after", "3"), ("request-id", "req_9")], &body);
        assert_eq!(limited.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(limited.request_id.as_deref(), Some("req_9"));
        for body in [
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "cap",
                "details": {"error_code": "enforced_spend_limit_reached"}}}),
            json!({"error": {"type": "insufficient_quota", "message": "cap", "code": null}}),
            json!({"error": {"type": "requests", "message": "cap", "code": "insufficient_quota"}}),
        ] {
            let spent = classified(429, &[], &body.to_string());
            assert_eq!((spent.kind.name(), spent.retry), ("RateLimited", None), "{body}");
            assert!(spent.message.contains("credit"), "{}", spent.message);
        }
        let refused = classified(500, &[("x-should-retry", "false")], &body);
        assert_eq!(refused.retry, None);
    }

    #[test]
    fn bodies_that_nobody_documented_are_described() {
        let page = "<!DOCTYPE html><html><head><title>502\n Bad Gateway</title></head></html>";
        let check = |status, body: &str, text: &str| {
            assert_eq!(classified(status, &[], body).message, text);
        };
        check(502, page, "an HTML page titled \"502 Bad Gateway\" instead of an answer (502)");
        check(500, "", "an empty answer (500)");
        check(500, "up\nstream  died", "an unexpected answer: up stream died (500)");
        check(418, r#"{"error":"teapot"}"#, "teapot (418)");
        check(429, r#"{"error":{"message":"full","type":"None","code":"429"}}"#, "full (429)");
        check(500, r#"{"detail":"oops"}"#, "oops (500)");
        check(500, "[1]", "an unexpected answer: [1] (500)");
    }

    #[test]
    fn secret_headers_of_the_project_are_quoted_by_nobody() {
        let headers = [("X-Gateway-Token", "t-123456"), ("authorization", "Bearer b-123456"), ("x-team", "crimson")];
        let headers: Headers = headers.into_iter().collect();
        let key = Secret::new("sk-123456");
        let origin = Origin {
            provider: "p",
            base_url: "http://h",
            key_variable: "K",
            key: Some(&key),
            headers: Some(&headers),
            model: "m",
        };
        assert_eq!(origin.redact("t-123456 b-123456 sk-123456 crimson"), "*** *** *** crimson");
    }

    #[test]
    fn a_redirect_and_a_compressed_answer_say_what_they_are() {
        let headers = [("location", "https://ann:secret@other.test/v1")];
        let error = classified(307, &headers, "");
        assert!(error.message.contains("redirects to https://other.test/v1"), "{}", error.message);
        assert_eq!(error.retry, None);
        let there =
            Origin { provider: "p", base_url: "http://ann:secret@h/x", key_variable: "K", key: None, headers: None, model: "m" };
        let gzip = response(200, &[("content-encoding", "gzip")], "\u{1f}\u{8b}");
        assert!(
            undecodable(&gzip, false, there).message.starts_with("an answer compressed as `gzip`, which nobody asked for (200)")
        );
        let failed = from_transport(&TransportFailure::Connect("refused".into()), there);
        assert!(failed.message.starts_with("no connection to http://h/x (refused)"), "{}", failed.message);
    }

    #[test]
    fn an_error_event_is_classified_by_its_type() {
        let origin = Origin { provider: "p", base_url: "http://h", key_variable: "K", key: None, headers: None, model: "m" };
        let event = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}});
        assert_eq!(from_event(&event("overloaded_error"), origin).kind, ErrorKind::Overloaded);
        assert_eq!(from_event(&event("rate_limit_error"), origin).kind, ErrorKind::RateLimited);
        let broken = from_event(&event("api_error"), origin);
        assert_eq!((broken.kind, broken.retry), (ErrorKind::ProviderError { status: 500 }, Some(RetryClass::ServerError)));
    }

    #[test]
    fn a_failed_way_says_what_to_check_and_what_it_cost() {
        let origin = Origin { provider: "p", base_url: "http://h:1", key_variable: "K", key: None, headers: None, model: "m" };
        let refused = from_transport(&TransportFailure::Connect("connection refused".into()), origin);
        assert_eq!(refused.kind, ErrorKind::ProviderError { status: 0 });
        assert_eq!((refused.retry, refused.billed), (Some(RetryClass::Connection), Billed::Nothing));
        assert!(refused.message.contains("http://h:1") && refused.message.contains("connection refused"));
        let bad = from_transport(&TransportFailure::Certificate("unknown issuer".into()), origin);
        assert_eq!(bad.retry, None);
        assert!(bad.message.contains("--ca-file"));
        let silent = from_transport(&TransportFailure::IdleTimeout(Duration::from_secs(60)), origin);
        assert_eq!(silent.kind, ErrorKind::Timeout { after: Duration::from_secs(60) });
        assert_eq!((silent.retry, silent.billed), (Some(RetryClass::Timeout), Billed::EstimatedInput));
    }
}
