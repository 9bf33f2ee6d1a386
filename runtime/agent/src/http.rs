//! HTTP requests and answers as plain values, whoever carries them.
//!
//! Header names compare without regard to case, as HTTP wants it.

use std::fmt;
use std::sync::Arc;

/// Length from which on a secret is replaced in messages; keys of real providers are far longer.
const REDACTED_BYTES_MIN: usize = 6;

/// Header lines in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// A POST that is ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The whole address.
    pub url: String,
    /// Everything but `host` and `content-length`, which the carrier adds.
    pub headers: Headers,
    /// The encoded body.
    pub body: Vec<u8>,
}

/// An answer whose body has arrived as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The header lines.
    pub headers: Headers,
    /// The body, decoded from its transfer encoding.
    pub body: Vec<u8>,
}

/// A text that is never printed: a key or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Headers {
    /// No headers.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value under that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// All lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Headers {
        Headers(lines.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for HttpRequest {
    // The headers hold the key, so they stay out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POST {} with {} bytes", self.url, self.body.len())
    }
}

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one header that it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with every appearance of the secret replaced. What is as short as a syllable is no secret, and replacing it would spoil
    /// the message.
    pub fn redact(&self, text: &str) -> String {
        if self.0.len() < REDACTED_BYTES_MIN { text.to_owned() } else { text.replace(&*self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case_and_secrets_are_never_printed() {
        let headers: Headers = [("Retry-After", " 7 ")].into_iter().collect();
        assert_eq!(headers.get("retry-after"), Some("7"));
        let secret = Secret::new("sk-123");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.redact("bad key sk-123!"), "bad key ***!");
        assert_eq!(Secret::new("k").redact("a key"), "a key");
        let headers = [("x-api-key", "sk-123")].into_iter().collect();
        let request = HttpRequest { url: "http://h/v1".into(), headers, body: vec![] };
        assert!(!format!("{request:?}").contains("sk-123"));
    }
}
