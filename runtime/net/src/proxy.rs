//! A proxy on the way to servers: which it is, for whom it is not, and the tunnel through it.
//!
//! Requests go through a tunnel that `CONNECT` opens, so the proxy sees the name of the server and nothing else of a request under TLS.

use std::io::{Read, Write};

use ureq::http::Uri;

use crate::failure::FailureKind;

/// Longest answer of a proxy to `CONNECT`, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// A proxy and those it is not for.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its address: `http://host:port`.
    uri: Uri,
    /// The value of `Proxy-Authorization`, if it wants one.
    credentials: Option<String>,
    /// Hosts that are reached without it: names, which stand for everything below them too, addresses, or `*`.
    bypassed: Vec<String>,
    /// Whether it is for TLS alone, as `HTTPS_PROXY` is.
    tls_only: bool,
}

impl std::fmt::Debug for Proxy {
    // Its address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("host", &self.uri.host()).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy by its address, `http://user:password@host:port` with a part or all of it, and a list of hosts that are reached without it,
    /// separated by commas.
    pub fn new(address: &str, no_proxy: &str) -> Result<Proxy, String> {
        let whole = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let Some(rest) = whole.strip_prefix("http://") else {
            return Err("a proxy has an address that begins with http://".into());
        };
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(format!("Basic {}", base64(&percent_decoded(user)))), place),
            None => (None, rest),
        };
        let uri: Uri = format!("http://{place}").parse().map_err(|error| format!("the address of the proxy is none: {error}"))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err("the address of the proxy names no host".into());
        }
        let bypassed = no_proxy.split(',').map(|host| host.trim().trim_start_matches('.').to_ascii_lowercase());
        Ok(Proxy { uri, credentials, bypassed: bypassed.filter(|host| !host.is_empty()).collect(), tls_only: false })
    }

    /// The proxy that `HTTPS_PROXY` and `NO_PROXY` describe, in either case. `variable` looks one up.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, String> {
        let set = |names: [&str; 2]| names.into_iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()));
        let Some(address) = set(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
        let no_proxy = set(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        let proxy = Proxy::new(address.trim(), &no_proxy).map_err(|problem| format!("HTTPS_PROXY: {problem}"))?;
        Ok(Some(Proxy { tls_only: true, ..proxy }))
    }

    /// Where it listens.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Where it listens, for messages: host and port alone.
    pub(crate) fn place(&self) -> String {
        self.uri.authority().map(ToString::to_string).unwrap_or_default()
    }

    /// Whether a request to an address goes through it. What is on this machine never does.
    pub(crate) fn is_for(&self, target: &Uri) -> bool {
        let Some(host) = target.host() else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        let is_bypassed = self.bypassed.iter().any(|name| {
            let name = name.split_once(':').map_or(name.as_str(), |(name, _)| name);
            name == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        });
        !is_here && !is_bypassed && (!self.tls_only || target.scheme_str() == Some("https"))
    }

    /// Opens a tunnel to the target on a connection to the proxy.
    pub(crate) fn tunnel(&self, stream: &mut (impl Read + Write), target: &Uri) -> Result<(), (FailureKind, String)> {
        let host = target.host().unwrap_or_default();
        let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
        let place = format!("{host}:{port}");
        let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
        if let Some(credentials) = &self.credentials {
            request.push_str(&format!("Proxy-Authorization: {credentials}\r\n"));
        }
        request.push_str("\r\n");
        let proxy = self.place();
        let failed = |problem: String| (FailureKind::Connect, format!("the proxy {proxy} gives no way to {place}: {problem}"));
        stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(|error| failed(error.to_string()))?;
        // One byte at a time: what follows the head belongs to the tunnel.
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(0) => return Err(failed("it closed the connection".into())),
                Ok(_) if head.len() >= HEAD_BYTES_MAX => return Err(failed("its answer has no end".into())),
                Ok(_) => head.push(byte[0]),
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        let head = String::from_utf8_lossy(&head);
        let line = head.lines().next().unwrap_or_default();
        match line.split(' ').nth(1) {
            Some(status) if status.starts_with('2') => Ok(()),
            Some("407") => Err(failed("it wants a name and a password, as in http://user:password@host:port (407)".into())),
            _ => Err(failed(format!("it answered `{line}`"))),
        }
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = text.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                index += 3;
            }
            None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    decoded
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().enumerate().fold(0_u32, |number, (index, byte)| number | u32::from(*byte) << (16 - 8 * index));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place)) as usize & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::io::Cursor;

    use super::*;

    fn proxy(address: &str, no_proxy: &str) -> Proxy {
        Proxy::new(address, no_proxy).unwrap()
    }

    #[test]
    fn it_is_for_everybody_but_those_named_and_this_machine() {
        let proxy = proxy("http://p:3128", "example.org, .internal,10.0.0.1:8080");
        let is_for = |address: &str| proxy.is_for(&address.parse().unwrap());
        assert!(is_for("https://api.anthropic.com/v1"));
        assert!(is_for("https://notexample.org"));
        for address in [
            "https://example.org",
            "https://a.Example.org",
            "http://x.internal",
            "http://10.0.0.1",
            "http://localhost:1",
            "http://127.0.0.2",
            "http://[::1]:80",
        ] {
            assert!(!is_for(address), "{address}");
        }
        assert!(!super::Proxy::new("p", "*").unwrap().is_for(&"https://x".parse().unwrap()));
    }

    #[test]
    fn the_environment_describes_one_for_tls_alone() {
        let from = |pairs: &'static [(&str, &str)]| {
            Proxy::from_environment(|name| pairs.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).into()))
        };
        assert_eq!(from(&[("HTTPS_PROXY", " ")]).unwrap(), None);
        let proxy = from(&[("https_proxy", "p:3128"), ("NO_PROXY", "a.test")]).unwrap().unwrap();
        let is_for = |address: &str| proxy.is_for(&address.parse().unwrap());
        assert_eq!((is_for("https://b.test"), is_for("https://a.test"), is_for("http://b.test")), (true, false, false));
        assert!(from(&[("HTTPS_PROXY", "socks5://p")]).unwrap_err().starts_with("HTTPS_PROXY: "));
    }

    /// What was written to it, and what it answers.
    struct Peer(Vec<u8>, Cursor<Vec<u8>>);

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1.read(buffer)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_tunnel_is_asked_for_with_the_credentials_and_refusals_are_told() {
        let target = "https://api.test/v1".parse().unwrap();
        let open = |proxy: &Proxy, answer: &str| {
            let mut peer = Peer(Vec::new(), Cursor::new(answer.as_bytes().to_vec()));
            let result = proxy.tunnel(&mut peer, &target);
            (String::from_utf8(peer.0).unwrap(), result, peer.1.position())
        };
        let with_password = proxy("http://ann:p%40ss@p:3128", "");
        let (sent, result, position) = open(&with_password, "HTTP/1.1 200 ok\r\nx: y\r\n\r\nTLS");
        assert_eq!(
            sent,
            "CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nProxy-Authorization: Basic YW5uOnBAc3M=\r\n\r\n"
        );
        // Nothing behind the head was read.
        assert_eq!((result, position), (Ok(()), 25));
        assert!(!format!("{with_password:?}").contains("ann"));
        let refusal = |answer: &str| open(&proxy("p:3128", ""), answer).1.unwrap_err().1;
        assert!(refusal("HTTP/1.1 407 no\r\n\r\n").contains("user:password"));
        assert!(refusal("HTTP/1.1 403 Forbidden\r\n\r\n").contains("`HTTP/1.1 403 Forbidden`"));
        assert!(refusal("").contains("closed"));
    }
}
