//! `http`: requests to servers, through the gate at every hop.
//!
//! Invariant: no connection is made to a host that the gate has not let through for exactly this request, and none to an address
//! beyond the public internet unless the host is granted by name.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use vega_bytecode::kinds;
use vega_net::address::{self, Authority, Uri};
use vega_net::client::Lookup;
use vega_net::proxy::Proxy;
use vega_net::public::is_public;
use vega_net::{Client, ClientConfig, Failure, FailureKind, Request, Timeouts};
use vega_runtime::capability::HostAccess;
use vega_runtime::effects::{self, Class, Payload, Permit};
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::Value;

use crate::arguments::{invalid, map, text};
use crate::json::decoded;

/// Redirects that one request follows.
const REDIRECTS_MAX: usize = 10;
/// The phases of one request.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Some(Duration::from_secs(10)),
    first_byte: Some(Duration::from_secs(60)),
    idle: Some(Duration::from_secs(60)),
    total: Some(Duration::from_secs(600)),
};
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// How programs reach the web: an extension of the runtime. Without one they reach nothing.
pub struct Web {
    settings: Box<dyn Fn() -> ClientConfig + Send + Sync>,
    /// For hosts that are granted by name.
    named: OnceLock<Result<Client, String>>,
    /// For all others.
    public: OnceLock<Result<Client, String>>,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Web")
    }
}

impl Web {
    /// With certificates that are trusted beside the public authorities', in PEM, and a proxy on the way.
    pub fn new(extra_roots_pem: Option<Vec<u8>>, proxy: Option<Proxy>, lookup: Arc<dyn Lookup>) -> Web {
        let settings = move || ClientConfig {
            extra_roots_pem: extra_roots_pem.clone(),
            proxy: proxy.clone(),
            lookup: Arc::clone(&lookup),
            ..ClientConfig::default()
        };
        Web { settings: Box::new(settings), named: OnceLock::new(), public: OnceLock::new() }
    }

    /// The client, made when it is first needed.
    fn client(&self, access: HostAccess) -> Result<&Client, String> {
        let (client, public_only) = match access {
            HostAccess::Named => (&self.named, false),
            HostAccess::PublicOnly => (&self.public, true),
        };
        client.get_or_init(|| Client::new(ClientConfig { public_only, ..(self.settings)() })).as_ref().map_err(Clone::clone)
    }
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add_blocking("http::get", 1, |context, arguments| {
        let call = Call::new("GET", text(arguments, 0)?, Vec::new(), "")?;
        Ok(follow(context, call)?.into())
    });
    table.add_blocking("http::post", 2, |context, arguments| {
        let call = Call::new("POST", text(arguments, 0)?, Vec::new(), text(arguments, 1)?)?;
        Ok(follow(context, call)?.into())
    });
    table.add_blocking("http::request", 4, |context, arguments| {
        let word = text(arguments, 0)?.to_ascii_uppercase();
        let Some(method) = METHODS.into_iter().find(|method| *method == word) else {
            return Err(invalid(format!("{word:?} is no method of HTTP; there are {}", METHODS.join(", "))));
        };
        let mut headers = Vec::new();
        for (name, value) in map(arguments, 2)?.iter() {
            let (Some(name), Some(value)) = (name.as_text(), value.as_text()) else { continue };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let call = Call::new(method, text(arguments, 1)?, headers, text(arguments, 3)?)?;
        Ok(follow(context, call)?.into())
    });
}

/// One request, at one hop.
struct Call {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An address that a request may go to.
struct Address(Uri);

impl Address {
    fn of(url: &str) -> Result<Address, Error> {
        let uri = address::parse(url).map_err(|failure| invalid(failure.message))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            // The address would be in messages and records.
            return Err(invalid(
                "an address may hold no name and password; send the header `authorization` with `http::request`",
            ));
        }
        Ok(Address(uri))
    }

    /// Scheme, host and port, as they are written.
    fn origin(&self) -> (Option<&str>, Option<&Authority>) {
        (self.0.scheme_str(), self.0.authority())
    }

    /// The address that a redirect from this one names.
    fn join(&self, location: &str) -> String {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", Authority::as_str);
        if location.contains("://") && !location.starts_with(['/', '?', '.']) {
            return location.to_owned();
        }
        if let Some(rest) = location.strip_prefix("//") {
            return format!("{scheme}://{rest}");
        }
        if location.starts_with('/') {
            return format!("{scheme}://{authority}{location}");
        }
        let path = self.0.path();
        if location.starts_with('?') {
            return format!("{scheme}://{authority}{path}{location}");
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // `.` and `..` are resolved as far as they stand in front, as servers write them.
        let mut parts: Vec<&str> = folder.split('/').skip(1).collect();
        let mut rest = location;
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                parts.pop();
                rest = after;
            } else {
                break;
            }
        }
        parts.push(rest);
        format!("{scheme}://{authority}/{}", parts.join("/"))
    }
}

impl Call {
    fn new(method: &'static str, url: &str, mut headers: Vec<(String, String)>, body: &str) -> Result<Call, Error> {
        if let Some((name, _)) =
            headers.iter().find(|(name, _)| ["host", "content-length", "transfer-encoding"].contains(&name.as_str()))
        {
            return Err(invalid(format!("the header `{name}` is set by the request itself")));
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
            let is_json = serde_json::from_str::<serde_json::Value>(body).is_ok();
            let kind = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
            headers.push(("content-type".into(), kind.into()));
        }
        Ok(Call { method, url: url.to_owned(), headers, body: body.as_bytes().to_vec() })
    }

    fn class(&self) -> Class {
        match self.method {
            "GET" | "HEAD" | "OPTIONS" => Class::Read,
            "PUT" | "DELETE" => Class::Idempotent,
            _ => Class::Irrevocable,
        }
    }

    /// The request that a redirect asks for, if it asks for one.
    fn redirected(mut self, status: u16, location: &str) -> Result<Call, Error> {
        let from = Address::of(&self.url)?;
        let to = from.join(location);
        let is_same_place = Address::of(&to).is_ok_and(|to| to.origin() == from.origin());
        // As browsers do: what is moved is asked for, unless the status says to repeat the request as it was.
        if matches!(status, 301..=303) && !matches!(self.method, "GET" | "HEAD") {
            self.method = "GET";
            self.body = Vec::new();
            self.headers.retain(|(name, _)| name != "content-type");
        }
        if !is_same_place {
            // They were meant for the first host.
            self.headers.retain(|(name, _)| !["authorization", "cookie", "proxy-authorization"].contains(&name.as_str()));
        }
        self.url = to;
        Ok(self)
    }
}

/// Makes a request and those that its redirects ask for.
fn follow(context: &NativeContext<'_>, mut call: Call) -> Result<Value, Error> {
    for _ in 0..=REDIRECTS_MAX {
        let response = make(context, &call)?;
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
        match response["headers"]["location"].as_str() {
            Some(location) if matches!(status, 301 | 302 | 303 | 307 | 308) => call = call.redirected(status, location)?,
            _ => return decoded(context, &response),
        }
    }
    Err(no_answer(format!("{} was redirected more than {REDIRECTS_MAX} times", call.url)))
}

/// Makes one request; the response in the JSON form of `http::Response`.
fn make(context: &NativeContext<'_>, call: &Call) -> Result<serde_json::Value, Error> {
    let address = Address::of(&call.url)?;
    let host = address::bare_host(&address.0).to_owned();
    let request = effects::Request::Net { method: call.method, host: &host, url: &call.url, body: &call.body };
    let payload = context.effect(&request, call.class(), |permit| {
        let failed = |kind, message: String| effects::Failure { kind, message };
        let Permit::Host(access) = permit else { unreachable!("the gate gives a host for a request") };
        if matches!(access, HostAccess::PublicOnly) && is_local(&host) {
            let what = format!("net to {host}, which is no address of the public internet (--allow-net={host} would allow it)");
            return Err(failed(kinds::CAPABILITY_DENIED, what));
        }
        if context.is_virtual() {
            let message = format!("{} {}: there is no network on the virtual clock (--virtual-time)", call.method, call.url);
            return Err(failed(kinds::HTTP_ERROR, message));
        }
        let Some(web) = context.extension::<Web>() else {
            return Err(failed(kinds::HTTP_ERROR, "this runtime has no network".into()));
        };
        let client = web.client(access).map_err(|problem| failed(kinds::HTTP_ERROR, problem))?;
        let bytes_max = usize::try_from(context.limits().file_bytes).unwrap_or(usize::MAX);
        exchange(client, call, bytes_max).map(|response| Payload::Text(response.to_string())).map_err(|failure| {
            match failure.kind {
                FailureKind::NotPublic => failed(
                    kinds::CAPABILITY_DENIED,
                    format!("net to {host}: {} (--allow-net={host} would allow it)", failure.message),
                ),
                FailureKind::TooLarge => failed(kinds::LIMIT_REACHED, format!("http: {}", failure.message)),
                FailureKind::Killed => failed(kinds::CANCELLED, failure.message),
                _ => failed(kinds::HTTP_ERROR, failure.message),
            }
        })
    });
    match payload {
        Ok(Payload::Text(response)) => serde_json::from_str(&response).map_err(|problem| no_answer(problem.to_string())),
        Ok(other) => Err(no_answer(format!("the recorded result does not fit: {other:?}"))),
        Err(error) if error.kind() == kinds::HTTP_ERROR => Err(no_answer(error.message().as_str().to_owned())),
        Err(error) => Err(error),
    }
}

fn exchange(client: &Client, call: &Call, bytes_max: usize) -> Result<serde_json::Value, Failure> {
    let mut answer = client.send(Request {
        method: call.method,
        url: call.url.clone(),
        headers: call.headers.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())).collect(),
        body: call.body.clone(),
        timeouts: TIMEOUTS,
    })?;
    let mut headers = serde_json::Map::new();
    for (name, value) in &answer.headers {
        match headers.get_mut(name) {
            Some(serde_json::Value::String(before)) => *before = format!("{before}, {value}"),
            _ => drop(headers.insert(name.clone(), value.clone().into())),
        }
    }
    let body = answer.read_to_end(bytes_max)?;
    let body = text_of(&body, answer.header("content-type").unwrap_or_default());
    Ok(serde_json::json!({ "status": answer.status, "headers": headers, "body": body }))
}

/// Whether a host is not of the public internet by its name alone. Others turn out not to be when they are looked up.
fn is_local(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    host.parse().is_ok_and(|address| !is_public(address)) || name == "localhost" || name.ends_with(".localhost")
}

/// A body as text: in Latin-1 where the server says so, else in UTF-8, with U+FFFD for what is none.
fn text_of(body: &[u8], content_type: &str) -> String {
    let content_type = content_type.to_ascii_lowercase();
    let charset = content_type.split("charset=").nth(1).unwrap_or_default();
    let charset = charset.trim_start_matches('"').split(['"', ';', ' ']).next().unwrap_or_default();
    match charset {
        "iso-8859-1" | "latin1" => body.iter().map(|&byte| char::from(byte)).collect(),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

/// There is no response.
fn no_answer(message: String) -> Error {
    Error::with_payload(kinds::HTTP_ERROR, message.clone(), vec![Value::int(0), Value::str(message)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_host_that_is_decided_about_is_the_one_that_is_connected_to() {
        let host = |url| address::bare_host(&Address::of(url).unwrap().0).to_owned();
        assert_eq!(host("https://a.b:81/c/d?e#f"), "a.b");
        assert_eq!(host("http://[::1]:80?x"), "::1");
        assert_eq!(host("HTTP://a#.b/"), "a");
        for url in [
            "http://a\\.b/",
            "http://a.b:80:c/",
            "http://a b/",
            "http://a\n.b/",
            "example.org",
            "ftp://a/",
            "http:///x",
            "http://a/\u{f6}",
        ] {
            let Ok(address) = Address::of(url) else { continue };
            panic!("{url:?} is taken for {:?}", address.0);
        }
        let problem = |url| Address::of(url).err().unwrap().message().as_str().to_owned();
        assert!(problem("example.org").contains("begin with http"));
        assert!(!problem("http://me:secret@a/").contains("secret"));
    }

    #[test]
    fn a_redirect_is_relative_to_where_it_came_from() {
        let from = Address::of("http://a:1/b/c?d").unwrap();
        assert_eq!(from.join("https://x/y"), "https://x/y");
        assert_eq!(from.join("//x/y"), "http://x/y");
        assert_eq!(from.join("/y"), "http://a:1/y");
        assert_eq!(from.join("y"), "http://a:1/b/y");
        assert_eq!(from.join("../y?u=http://z"), "http://a:1/y?u=http://z");
        assert_eq!(from.join("?q"), "http://a:1/b/c?q");
        assert_eq!(Address::of("http://a").unwrap().join("y"), "http://a/y");
    }

    #[test]
    fn a_redirect_to_another_host_takes_no_credentials_along() {
        let call = |method| {
            let headers = vec![("authorization".to_owned(), "secret".to_owned()), ("accept".to_owned(), "*/*".to_owned())];
            Call::new(method, "http://a/b", headers, "text").unwrap()
        };
        let names = |call: &Call| call.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let same = call("POST").redirected(307, "/c").unwrap();
        assert_eq!((same.method, names(&same)), ("POST", ["authorization", "accept", "content-type"].map(String::from).to_vec()));
        let other = call("POST").redirected(302, "http://b/").unwrap();
        assert_eq!((other.method, names(&other), other.body.len()), ("GET", vec!["accept".to_owned()], 0));
        let port = call("PUT").redirected(308, "http://a:81/").unwrap();
        assert_eq!((port.method, names(&port)), ("PUT", ["accept", "content-type"].map(String::from).to_vec()));
    }

    #[test]
    fn a_body_is_read_in_the_charset_that_the_server_names() {
        assert_eq!(text_of(b"\xe9", "text/html; charset=\"ISO-8859-1\""), "é");
        assert_eq!(text_of("é".as_bytes(), "text/html; charset=utf-8"), "é");
        assert_eq!(text_of(b"a\xe9", ""), "a\u{fffd}");
    }
}
