//! One request and its answer, with a limit for every phase.
//!
//! A [`Client`] is shared by all processes of a runtime; connections are kept open between requests. A request parks its green
//! thread from connecting to the end of the body and holds no buffers while it waits for the answer.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::http;
use ureq::unversioned::transport::Connector;
use ureq::{Agent, Body, BodyReader, SendBody};

use crate::address::{self, Authority, without_credentials};
use crate::connector::{TcpConnector, TlsConnector};
use crate::failure::{self, Failure, FailureKind};
use crate::proxy::Proxy;
pub use crate::resolver::{Lookup, SystemLookup};

/// Buffer of each direction of a connection, in bytes, while it is in use.
const BUFFER_BYTES: usize = 4 << 10;
/// Connections kept open without a request.
const IDLE_CONNECTIONS_MAX: usize = 100;
/// How long a connection is kept open without a request.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// How a client connects.
pub struct ClientConfig {
    /// Certificates in PEM that are trusted beside the public authorities' (`--ca-file`).
    pub extra_roots_pem: Option<Vec<u8>>,
    /// The proxy on the way, if there is one.
    pub proxy: Option<Proxy>,
    /// Whether it connects to nothing but the public internet. Where a proxy connects, the proxy decides.
    pub public_only: bool,
    /// Name lookups.
    pub lookup: Arc<dyn Lookup>,
    /// What the client calls itself.
    pub user_agent: String,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            extra_roots_pem: None,
            proxy: None,
            public_only: false,
            lookup: Arc::new(SystemLookup),
            user_agent: concat!("vega/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// Sends requests. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
}

/// One request.
#[derive(Debug)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: &'static str,
    /// The whole address.
    pub url: String,
    /// Further headers. Values may be secret: they appear in no message.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body; freed as soon as it has been sent.
    pub body: Vec<u8>,
    /// Limits.
    pub timeouts: Timeouts,
}

/// Limits of the phases of one request. None is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timeouts {
    /// From the lookup of the name to the end of the TLS handshake.
    pub connect: Option<Duration>,
    /// From the end of the request to the head of the answer.
    pub first_byte: Option<Duration>,
    /// Silence between two reads of the body.
    pub idle: Option<Duration>,
    /// The whole exchange.
    pub total: Option<Duration>,
}

/// The head of an answer, and its body to read.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    place: String,
    body: BodyReader<'static>,
}

impl Client {
    /// A client. Fails where the extra certificates are not PEM.
    pub fn new(config: ClientConfig) -> Result<Self, String> {
        let extra_roots = match &config.extra_roots_pem {
            Some(pem) => certificates(pem)?,
            None => Vec::new(),
        };
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(config.user_agent.as_str())
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_idle_connections(IDLE_CONNECTIONS_MAX)
            .max_idle_connections_per_host(IDLE_CONNECTIONS_MAX)
            .max_idle_age(IDLE_TIME_MAX)
            .build();
        let connector = TcpConnector::new(config.proxy.clone()).chain(TlsConnector::new(extra_roots));
        let resolver = crate::resolver::LaneResolver::new(config.lookup, config.proxy, config.public_only);
        Ok(Self { agent: Agent::with_parts(settings, connector, resolver) })
    }

    /// Sends a request and waits for the head of the answer. Any status is an answer.
    pub fn send(&self, request: Request) -> Result<Answer, Failure> {
        let Prepared { call, place } = self.prepare(request)?;
        match self.agent.run(*call) {
            Ok(response) => Ok(answer(response, place)),
            Err(error) => Err(failure::from_library(error, &place)),
        }
    }

    /// The request as the library wants it. Apart from sending, so that nothing of this is on the stack while the answer is awaited.
    #[inline(never)]
    fn prepare(&self, request: Request) -> Result<Prepared, Failure> {
        let uri = address::parse(&request.url)?;
        let authority = uri.authority().map_or("", Authority::as_str);
        let place = format!("{}://{}", uri.scheme_str().unwrap_or_default(), without_credentials(authority));
        let mut builder = http::Request::builder().method(request.method).uri(uri);
        for (name, value) in &request.headers {
            let value = http::HeaderValue::from_str(value).map_err(|_| Failure {
                kind: FailureKind::BadAddress,
                message: format!("the value for the header {name} has characters that HTTP does not allow"),
                sent: false,
            })?;
            builder = builder.header(name.as_ref(), value);
        }
        let body = if request.body.is_empty() && request.method == "GET" {
            SendBody::none()
        } else {
            builder = builder.header("content-length", request.body.len());
            SendBody::from_owned_reader(FreedWhenRead { bytes: request.body, position: 0 })
        };
        let call = builder.body(body).map_err(|error| Failure {
            kind: FailureKind::BadAddress,
            message: format!("the request to {place} is not HTTP: {error}"),
            sent: false,
        })?;
        let timeouts = request.timeouts;
        let call = self
            .agent
            .configure_request(call)
            .timeout_global(timeouts.total)
            .timeout_connect(timeouts.connect)
            .timeout_recv_response(timeouts.first_byte)
            .timeout_per_read(timeouts.idle)
            .build();
        Ok(Prepared { call: Box::new(call), place })
    }
}

/// A request that is ready to be sent.
struct Prepared {
    call: Box<http::Request<SendBody<'static>>>,
    /// Scheme, host and port, for messages.
    place: String,
}

#[inline(never)]
fn answer(response: http::Response<Body>, place: String) -> Answer {
    let (head, body) = response.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Answer { status: head.status.as_u16(), headers, place, body: reader(body) }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("place", &self.place).field("status", &self.status).finish_non_exhaustive()
    }
}

fn reader(body: Body) -> BodyReader<'static> {
    body.into_with_config().limit(u64::MAX).reader()
}

impl Answer {
    /// A header's first value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads the whole body, at most `limit` bytes.
    pub fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 2048];
        loop {
            let amount = self.read_some(&mut chunk)?;
            if amount == 0 {
                return Ok(bytes);
            }
            if bytes.len() + amount > limit {
                let message = format!("the answer of {} is longer than {limit} bytes", self.place);
                return Err(Failure { kind: FailureKind::TooLarge, message, sent: true });
            }
            bytes.extend_from_slice(&chunk[..amount]);
        }
    }

    /// As [`Answer::read_some`], but waits no longer than `limit`, where the request's own limits are longer.
    pub fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> Result<usize, Failure> {
        let _limit = crate::connector::limit_next_wait(vega_scheduler::now() + limit);
        self.read_some(buffer)
    }

    /// Reads what is there, or waits for it; 0 at the end of the body.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        self.body.read(buffer).map_err(|error| failure::from_io(&error, &self.place))
    }
}

/// A body that gives its memory back when its last byte was read, though the library keeps the reader until the answer has come.
struct FreedWhenRead {
    bytes: Vec<u8>,
    position: usize,
}

impl Read for FreedWhenRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let amount = buffer.len().min(self.bytes.len() - self.position);
        buffer[..amount].copy_from_slice(&self.bytes[self.position..self.position + amount]);
        self.position += amount;
        if self.position == self.bytes.len() {
            self.bytes = Vec::new();
            self.position = 0;
        }
        Ok(amount)
    }
}

/// The certificates of a PEM file.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the certificates are not in PEM form: {error}"))?;
    if found.is_empty() {
        return Err("no certificate found: a PEM file holds lines from BEGIN CERTIFICATE to END CERTIFICATE".into());
    }
    Ok(found)
}
