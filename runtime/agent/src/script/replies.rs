//! The replies file: TOML with one `[[reply]]` table for each scripted reply, and `[agents]`.
//!
//! A field that is misspelt or makes no sense beside another is an error with its place, so that a
//! reply never means something else than it says.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::quota::QuotaPolicy;
use super::{CHUNKS_DEFAULT, Cut, CutAfter, CutWith, Fault, duration};
use crate::http::{Headers, HttpResponse};

/// One reply, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) agent: Option<String>,
    pub(super) system: Option<String>,
    pub(super) model: Option<String>,
    pub(super) contains: Option<String>,
    /// Texts that stand somewhere in the conversation.
    pub(super) seen: Vec<String>,
    /// Texts that stand nowhere in it.
    pub(super) unseen: Vec<String>,
    pub(super) turn: Option<u32>,
    pub(super) times: Option<u32>,
    pub(super) answer: Answer,
    pub(super) latency: Duration,
    pub(super) chunks: usize,
    pub(super) cut: Option<Cut>,
    pub(super) retry_after: Option<Duration>,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) stop_reason: Option<String>,
}

/// What a reply answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// What would be answered without a script.
    Default,
    /// Text, and tools with their arguments.
    Content {
        text: Option<String>,
        calls: Vec<(String, Value)>,
    },
    Error(Fault),
    Disconnect,
    Http(HttpResponse),
}

/// Why a replies file cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// A replies file, checked.
#[derive(Debug)]
pub(super) struct Replies {
    pub(super) replies: Vec<Reply>,
    /// Names of agents, each with a text of its instructions.
    pub(super) agents: Vec<(String, String)>,
    /// The rate limit of the provider.
    pub(super) quota: Option<QuotaPolicy>,
}

/// Reads a replies file.
pub(super) fn parse(text: &str) -> Result<Replies, ReplyError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let message = error.message().replace('\n', " ");
        ReplyError::at(text, error.span().unwrap_or(0..0), message)
    })?;
    let replies = file.reply.into_iter().map(|reply| {
        let place = reply.span();
        reply.into_inner().check(place).map_err(|(place, message)| ReplyError::at(text, place, message))
    });
    let replies = replies.collect::<Result<_, _>>()?;
    let quota = file.rate_limit.map(|raw| {
        let place = raw.span();
        raw.into_inner().check(place).map_err(|(place, message)| ReplyError::at(text, place, message))
    });
    Ok(Replies { replies, agents: file.agents.into_iter().collect(), quota: quota.transpose()? })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    agents: BTreeMap<String, String>,
    #[serde(default)]
    reply: Vec<Spanned<RawReply>>,
    rate_limit: Option<Spanned<RawQuota>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuota {
    requests: Option<Spanned<u64>>,
    tokens: Option<Spanned<u64>>,
    per: Option<Spanned<Amount>>,
    shared: Option<Spanned<f64>>,
    headers: Option<bool>,
}

impl RawQuota {
    fn check(self, place: Range<usize>) -> Result<QuotaPolicy, Problem> {
        for count in [&self.requests, &self.tokens].into_iter().flatten() {
            positive(count.span(), *count.get_ref() > 0)?;
        }
        if self.requests.is_none() && self.tokens.is_none() {
            return Err((place, "a rate limit counts `requests`, `tokens` or both".to_owned()));
        }
        let per = match self.per {
            None => Duration::from_secs(60),
            Some(amount) => {
                let place = amount.span();
                let per = amount_of(amount, 1.0)?;
                if per.is_zero() {
                    return Err((place, "a rate limit is for a time longer than nothing".to_owned()));
                }
                per
            }
        };
        let shared = match self.shared {
            None => 0.0,
            Some(part) if (0.0..=1.0).contains(part.get_ref()) => part.into_inner(),
            Some(part) => return Err((part.span(), "the part that others use lies between 0 and 1".to_owned())),
        };
        let [requests, tokens] = [self.requests, self.tokens].map(|count| count.map(Spanned::into_inner));
        Ok(QuotaPolicy { requests, tokens, per, shared, is_announced: self.headers.unwrap_or(true) })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReply {
    agent: Option<String>,
    system: Option<String>,
    model: Option<String>,
    contains: Option<String>,
    #[serde(default)]
    seen: Vec<String>,
    #[serde(default)]
    unseen: Vec<String>,
    turn: Option<Spanned<u32>>,
    text: Option<Spanned<String>>,
    json: Option<Spanned<Value>>,
    tool_calls: Option<Spanned<Vec<RawCall>>>,
    error: Option<Spanned<String>>,
    http: Option<Spanned<RawHttp>>,
    latency: Option<Spanned<Amount>>,
    chunks: Option<Spanned<usize>>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    stop_reason: Option<Spanned<String>>,
    times: Option<Spanned<u32>>,
    retry_after: Option<Spanned<Amount>>,
    cut_after_chunks: Option<Spanned<usize>>,
    cut_after_bytes: Option<Spanned<usize>>,
    cut_with: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall {
    name: String,
    #[serde(default)]
    args: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    #[serde(default = "ok_status")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

fn ok_status() -> u16 {
    200
}

/// A duration as text, or a bare number in the unit of its field.
#[derive(Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(f64),
    Text(String),
}

/// A problem and its place.
type Problem = (Range<usize>, String);

impl RawReply {
    fn check(self, place: Range<usize>) -> Result<Reply, Problem> {
        self.check_combination(&place)?;
        for count in [&self.turn, &self.times].into_iter().flatten() {
            positive(count.span(), *count.get_ref() > 0)?;
        }
        if let Some(chunks) = &self.chunks {
            positive(chunks.span(), *chunks.get_ref() > 0)?;
        }
        let latency = self.latency.map(|amount| amount_of(amount, 1e-3)).transpose()?;
        let retry_after = self.retry_after.map(|amount| amount_of(amount, 1.0)).transpose()?;
        let cut_chunks = self.cut_after_chunks.map(|count| CutAfter::Chunks(count.into_inner()));
        let cut_bytes = self.cut_after_bytes.map(|count| CutAfter::Bytes(count.into_inner()));
        let with = self.cut_with.map(cut_with_of).transpose()?.unwrap_or_default();
        let answer = if let Some(error) = self.error {
            error_of(error)?
        } else if let Some(http) = self.http {
            Answer::Http(http_of(http)?)
        } else if self.text.is_none() && self.json.is_none() && self.tool_calls.is_none() {
            Answer::Default
        } else {
            let json = self.json.map(|json| json.into_inner().to_string());
            let calls = self.tool_calls.map(calls_of).transpose()?.unwrap_or_default();
            Answer::Content { text: self.text.map(Spanned::into_inner).or(json), calls }
        };
        Ok(Reply {
            agent: self.agent,
            system: self.system,
            model: self.model,
            contains: self.contains,
            seen: self.seen,
            unseen: self.unseen,
            turn: self.turn.map(Spanned::into_inner),
            times: self.times.map(Spanned::into_inner),
            answer,
            latency: latency.unwrap_or(Duration::ZERO),
            chunks: self.chunks.map_or(CHUNKS_DEFAULT, Spanned::into_inner),
            cut: cut_chunks.or(cut_bytes).map(|after| Cut { after, with }),
            retry_after,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            stop_reason: self.stop_reason.map(Spanned::into_inner),
        })
    }

    /// Refuses fields that contradict each other.
    fn check_combination(&self, place: &Range<usize>) -> Result<(), Problem> {
        let content = self.text.is_some() || self.json.is_some() || self.tool_calls.is_some();
        let refuse = |refused: bool, span: Range<usize>, message: &str| {
            if refused { Err((span, message.to_owned())) } else { Ok(()) }
        };
        if let Some(json) = &self.json {
            refuse(self.text.is_some(), json.span(), "`text` and `json` are two answers: keep one of them")?;
        }
        if let Some(error) = &self.error {
            refuse(content || self.http.is_some(), error.span(), "a reply with `error` answers nothing else")?;
        }
        if let Some(http) = &self.http {
            refuse(content, http.span(), "a reply with `http` answers nothing else")?;
        }
        if let Some(amount) = &self.retry_after {
            refuse(self.error.is_none(), amount.span(), "`retry_after` belongs to a reply with `error`")?;
        }
        if let Some(word) = &self.stop_reason {
            let fault = self.error.is_some() || self.http.is_some();
            refuse(fault, word.span(), "`stop_reason` belongs to an answer, not to a fault")?;
        }
        if let Some(cut) = &self.cut_after_chunks {
            refuse(self.cut_after_bytes.is_some(), cut.span(), "an answer is cut once: after chunks or after bytes")?;
            refuse(self.http.is_some(), cut.span(), "an `http` body has no chunks: use `cut_after_bytes`")?;
        }
        let cut = self.cut_after_chunks.is_some() || self.cut_after_bytes.is_some();
        if let Some(word) = &self.cut_with {
            refuse(!cut, word.span(), "`cut_with` says how an answer breaks off: say where with `cut_after_chunks`")?;
        }
        refuse(cut && self.error.is_some(), place.clone(), "only an answer can be cut, not an `error`")
    }
}

fn positive(place: Range<usize>, is_positive: bool) -> Result<(), Problem> {
    if is_positive { Ok(()) } else { Err((place, "counts begin at 1".to_owned())) }
}

/// A duration; a bare number counts units of `unit_s` seconds.
fn amount_of(amount: Spanned<Amount>, unit_s: f64) -> Result<Duration, Problem> {
    let place = amount.span();
    let parsed = match amount.into_inner() {
        Amount::Text(text) => duration::parse(&text),
        Amount::Number(number) => Duration::try_from_secs_f64(number * unit_s).ok(),
    };
    parsed.ok_or_else(|| (place, "this is not a duration such as \"250ms\" or \"1.5s\"".to_owned()))
}

const FAULTS: &str = "rate_limit, overloaded, timeout, server_error, invalid_request";

fn error_of(error: Spanned<String>) -> Result<Answer, Problem> {
    match error.get_ref().as_str() {
        "disconnect" => Ok(Answer::Disconnect),
        word => fault_of(word).map(Answer::Error).ok_or_else(|| {
            let text = format!("`{word}` is no scripted error; there are: {FAULTS}, disconnect");
            (error.span(), text)
        }),
    }
}

fn fault_of(word: &str) -> Option<Fault> {
    match word {
        "rate_limit" => Some(Fault::RateLimit),
        "overloaded" => Some(Fault::Overloaded),
        "timeout" => Some(Fault::Timeout),
        "server_error" => Some(Fault::ServerError),
        "invalid_request" => Some(Fault::InvalidRequest),
        _ => None,
    }
}

fn cut_with_of(word: Spanned<String>) -> Result<CutWith, Problem> {
    match word.get_ref().as_str() {
        "close" => Ok(CutWith::Close),
        "end" => Ok(CutWith::End),
        "reset" => Ok(CutWith::Reset),
        "stall" => Ok(CutWith::Stall),
        "garbage" => Ok(CutWith::Garbage),
        other => fault_of(other).map(CutWith::Error).ok_or_else(|| {
            let text =
                format!("an answer does not break off with `{other}`; there are: close, end, reset, stall, garbage, {FAULTS}");
            (word.span(), text)
        }),
    }
}

fn calls_of(calls: Spanned<Vec<RawCall>>) -> Result<Vec<(String, Value)>, Problem> {
    let place = calls.span();
    let calls = calls.into_inner().into_iter().map(|call| {
        let args = call.args.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        (call.name, args)
    });
    let calls: Vec<(String, Value)> = calls.collect();
    if calls.is_empty() { Err((place, "an empty list calls no tool: leave it out".to_owned())) } else { Ok(calls) }
}

fn http_of(http: Spanned<RawHttp>) -> Result<HttpResponse, Problem> {
    let place = http.span();
    let RawHttp { status, headers, body } = http.into_inner();
    if !(200..600).contains(&status) {
        return Err((place, format!("{status} is no status of an answer: they go from 200 to 599")));
    }
    let mut headers: Headers = headers.into_iter().collect();
    let (kind, body) = match body {
        Value::Null => ("text/plain", Vec::new()),
        Value::String(text) if text.trim_start().starts_with('<') => ("text/html; charset=utf-8", text.into_bytes()),
        Value::String(text) => ("application/json", text.into_bytes()),
        value => ("application/json", value.to_string().into_bytes()),
    };
    if headers.get("content-type").is_none() {
        headers.push("content-type", kind);
    }
    Ok(HttpResponse { status, headers, body })
}

impl ReplyError {
    fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> ReplyError {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ReplyError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ReplyError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    fn reply(text: &str) -> Reply {
        parse(&format!("[[reply]]\n{text}")).unwrap().replies.remove(0)
    }

    #[test]
    fn every_field_is_read() {
        let full = reply(
            r#"
            agent = "Coder"
            system = "code"
            model = "m"
            contains = "sort"
            turn = 2
            times = 3
            text = "Looking."
            tool_calls = [{ name = "read", args = { path = "a.txt", lines = [1, 2] } }, { name = "list" }]
            latency = "1.5s"
            chunks = 7
            input_tokens = 10
            output_tokens = 20
            stop_reason = "max_tokens"
            cut_after_chunks = 2
            cut_with = "stall"
            "#,
        );
        let calls = vec![("read".into(), json!({"path": "a.txt", "lines": [1, 2]})), ("list".into(), json!({}))];
        let expected = Reply {
            agent: Some("Coder".into()),
            system: Some("code".into()),
            model: Some("m".into()),
            contains: Some("sort".into()),
            seen: Vec::new(),
            unseen: Vec::new(),
            turn: Some(2),
            times: Some(3),
            answer: Answer::Content { text: Some("Looking.".into()), calls },
            latency: Duration::from_millis(1_500),
            chunks: 7,
            cut: Some(Cut { after: CutAfter::Chunks(2), with: CutWith::Stall }),
            retry_after: None,
            input_tokens: Some(10),
            output_tokens: Some(20),
            stop_reason: Some("max_tokens".into()),
        };
        assert_eq!(full, expected);
        let limited = reply("error = \"rate_limit\"\nretry_after = 2\nlatency = 20");
        assert_eq!((limited.retry_after, limited.latency), (Some(Duration::from_secs(2)), Duration::from_millis(20)));
        let json = reply("json = { score = 8, comments = [\"ok\"] }");
        let text = Some(r#"{"score":8,"comments":["ok"]}"#.into());
        assert_eq!(json.answer, Answer::Content { text, calls: vec![] });
        let page = reply("http = { status = 502, headers = { x = \"y\" }, body = \"<html>\" }\ncut_after_bytes = 3");
        let Answer::Http(http) = page.answer else { panic!("{page:?}") };
        assert_eq!((http.status, http.headers.get("x"), http.body.as_slice()), (502, Some("y"), &b"<html>"[..]));
        assert_eq!(http.headers.get("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(reply("latency = \"1s\"").answer, Answer::Default);
    }

    #[test]
    fn a_rate_limit_is_read() {
        let read = |text: &str| parse(text).unwrap().quota;
        let whole = QuotaPolicy {
            requests: Some(50),
            tokens: Some(40_000),
            per: Duration::from_secs(3_600),
            shared: 0.5,
            is_announced: false,
        };
        let text = "[rate_limit]\nrequests = 50\ntokens = 40_000\nper = \"1h\"\nshared = 0.5\nheaders = false\n";
        assert_eq!(read(text), Some(whole));
        let short = read("[rate_limit]\nrequests = 50\n").unwrap();
        assert_eq!((short.per, short.shared, short.is_announced), (Duration::from_secs(60), 0.0, true));
        assert_eq!(read(""), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let check = |text: &str, line: usize, column: usize, part: &str| {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{error}");
            assert!(error.message.contains(part), "{error}");
        };
        check("[[reply]]\ntxt = \"hi\"", 2, 1, "unknown field `txt`");
        check("[[replies]]\ntext = \"hi\"", 1, 3, "unknown field `replies`");
        check("[rate_limit]\nper = \"1m\"", 1, 1, "`requests`, `tokens` or both");
        check("[rate_limit]\nrequests = 0", 2, 12, "begin at 1");
        check("[rate_limit]\nrequests = 5\nper = 0", 3, 7, "longer than nothing");
        check("[rate_limit]\nrequests = 5\nshared = 1.5", 3, 10, "between 0 and 1");
        check("[rate_limit]\nrequest = 5", 2, 1, "unknown field `request`");
        check("[[reply]]\ntext = 5", 2, 8, "invalid type");
        check("[[reply]]\ntext = \"hi", 2, 11, "");
        check("[[reply]]\ntext = \"a\"\njson = 1", 3, 8, "two answers");
        check("[[reply]]\nerror = \"rate_limited\"", 2, 9, "rate_limit, overloaded");
        check("[[reply]]\n  latency = \"soon\"", 2, 13, "not a duration");
        check("[[reply]]\nlatency = -1", 2, 11, "not a duration");
        check("[[reply]]\nturn = 0", 2, 8, "begin at 1");
        check("[[reply]]\nchunks = 0", 2, 10, "begin at 1");
        check("[[reply]]\nhttp = { status = 99 }", 2, 8, "no status");
        check("[[reply]]\ntext = \"a\"\nretry_after = \"1s\"", 3, 15, "belongs to a reply with `error`");
        check("[[reply]]\ntext = \"a\"\nerror = \"timeout\"", 3, 9, "answers nothing else");
        check("[[reply]]\ntool_calls = [{ nam = \"x\" }]", 2, 17, "unknown field `nam`");
        check("[[reply]]\ntool_calls = []", 2, 14, "calls no tool");
        check("[[reply]]\ntext = \"a\"\ncut_after_chunks = 1\ncut_after_bytes = 1", 3, 20, "cut once");
        check("[[reply]]\ntext = \"a\"\ncut_after_chunks = 1\ncut_with = \"noise\"", 4, 12, "close, end, reset, stall, garbage");
        check("[[reply]]\ntext = \"a\"\ncut_with = \"stall\"", 3, 12, "say where");
    }
}
