//! TCP and TLS as the HTTP library wants them: its transports over sockets that park.
//!
//! Invariant: `is_open` and `Drop` never park. The library calls both while it holds the lock of its connection pool.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport};
use vega_scheduler::Instant;
use vega_scheduler::io::TcpStream;

use crate::address::{bare_host, without_credentials};
use crate::buffers::WaitingBuffers;
use crate::failure::{BeforeSending, FailureKind};
use crate::proxy::Proxy;

/// Bytes of the stack that a first read goes to, while no buffer is allocated.
const FIRST_READ_BYTES: usize = 512;

/// Opens sockets, through a proxy where there is one.
#[derive(Debug)]
pub(crate) struct TcpConnector {
    proxy: Option<Proxy>,
}

impl TcpConnector {
    pub(crate) fn new(proxy: Option<Proxy>) -> Self {
        Self { proxy }
    }
}

impl Connector for TcpConnector {
    type Out = TcpTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<TcpTransport>, Error> {
        if details.timeout.after.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        let deadline = deadline_of(details.timeout);
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.is_for(details.uri));
        let mut last = None;
        for address in &*details.addrs {
            match TcpStream::connect(*address, deadline) {
                Ok(mut stream) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot switch off small-packet delay");
                    }
                    if let Some(proxy) = proxy {
                        stream.set_deadline(deadline);
                        proxy.tunnel(&mut stream, details.uri).map_err(|(kind, text)| BeforeSending::error(kind, text))?;
                    }
                    let buffers = WaitingBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
                    return Ok(Some(TcpTransport { stream, buffers, outbox: Outbox::default() }));
                }
                Err(error) if vega_scheduler::is_killed(&error) => return Err(Error::Io(error)),
                Err(error) => last = Some((*address, error)),
            }
        }
        let place = match proxy {
            Some(proxy) => format!("the proxy {}", proxy.place()),
            None => place_of(details),
        };
        Err(match last {
            Some((address, error)) if error.kind() == io::ErrorKind::TimedOut => BeforeSending::error(
                FailureKind::ConnectTimeout,
                format!("cannot connect to {place} ({address}): no connection was made in time"),
            ),
            Some((address, error)) => {
                BeforeSending::error(FailureKind::Connect, format!("cannot connect to {place} ({address}): {}", plain(&error)))
            }
            None => BeforeSending::error(FailureKind::Resolve, format!("{place} has no address")),
        })
    }
}

/// Wraps a socket in TLS where the address says https, and names what goes wrong in the handshake.
pub(crate) struct TlsConnector {
    extra_roots: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl TlsConnector {
    /// Trusts the public authorities and these.
    pub(crate) fn new(extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self { extra_roots, config: OnceLock::new() }
    }

    /// The configuration, made when the first https address is met: a program without one pays nothing for it.
    fn config(&self) -> Arc<ClientConfig> {
        let config = self.config.get_or_init(|| {
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            roots.add_parsable_certificates(self.extra_roots.iter().cloned());
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("the provider supports the default versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::new(config)
        });
        config.clone()
    }

    /// Makes the handshake. Apart from the rest, because its frame is large and a connection without TLS has no use for it.
    #[inline(never)]
    fn wrap(&self, details: &ConnectionDetails, tcp: TcpTransport) -> Result<TlsTransport, Error> {
        let place = place_of(details);
        let host = bare_host(details.uri).to_owned();
        let name = ServerName::try_from(host).map_err(|_| {
            BeforeSending::error(FailureKind::BadAddress, format!("{place} has a name that no certificate can carry"))
        })?;
        let connection = ClientConnection::new(self.config(), name)
            .map_err(|error| BeforeSending::error(FailureKind::Certificate, format!("TLS with {place} failed: {error}")))?;
        let TcpTransport { mut stream, buffers, outbox } = tcp;
        stream.set_deadline(deadline_of(details.timeout));
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| handshake_error(error, &place))?;
        }
        Ok(TlsTransport { stream: Box::new(stream), buffers, outbox })
    }
}

impl Connector<TcpTransport> for TlsConnector {
    type Out = Either<TcpTransport, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<TcpTransport>) -> Result<Option<Self::Out>, Error> {
        let Some(tcp) = chained else { return Ok(None) };
        if details.uri.scheme_str() != Some("https") {
            return Ok(Some(Either::A(tcp)));
        }
        self.wrap(details, tcp).map(|tls| Some(Either::B(tls)))
    }
}

fn handshake_error(error: io::Error, place: &str) -> Error {
    if vega_scheduler::is_killed(&error) {
        return Error::Io(error);
    }
    if error.kind() == io::ErrorKind::TimedOut {
        return BeforeSending::error(FailureKind::ConnectTimeout, format!("TLS with {place} was not agreed on in time"));
    }
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            let advice = if *problem == rustls::CertificateError::UnknownIssuer {
                "; if you trust its issuer, name the issuer's certificate with --ca-file FILE"
            } else {
                ""
            };
            BeforeSending::error(
                FailureKind::Certificate,
                format!("the certificate of {place} is not trusted: {problem}{advice}"),
            )
        }
        Some(other) => BeforeSending::error(FailureKind::Certificate, format!("TLS with {place} failed: {other}")),
        None => {
            BeforeSending::error(FailureKind::Connect, format!("{place} closed the connection while TLS was agreed on: {error}"))
        }
    }
}

/// One connection under TLS.
pub(crate) struct TlsTransport {
    stream: Box<StreamOwned<ClientConnection, TcpStream>>,
    buffers: WaitingBuffers,
    outbox: Outbox,
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsTransport({:?})", self.stream.sock)
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        self.stream.sock.set_deadline(deadline_of(timeout));
        self.outbox.send(&mut *self.stream, &self.buffers.output()[..amount], timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        self.stream.sock.set_deadline(deadline_of(timeout));
        self.outbox.flush(&mut *self.stream, timeout)?;
        self.stream.sock.set_deadline(input_deadline(timeout));
        receive_some(&mut *self.stream, &mut self.buffers, timeout)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct TcpTransport {
    stream: TcpStream,
    buffers: WaitingBuffers,
    outbox: Outbox,
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        self.stream.set_deadline(deadline_of(timeout));
        self.outbox.send(&mut self.stream, &self.buffers.output()[..amount], timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        if timeout.after.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        self.stream.set_deadline(deadline_of(timeout));
        self.outbox.flush(&mut self.stream, timeout)?;
        self.stream.set_deadline(input_deadline(timeout));
        receive_some(&mut self.stream, &mut self.buffers, timeout)
    }

    fn is_open(&mut self) -> bool {
        self.stream.is_open()
    }
}

/// Bytes on their way out: head and body of a request leave together where both are small, in one packet and one system call.
/// What is kept leaves before the answer is awaited.
#[derive(Debug, Default)]
struct Outbox(Vec<u8>);

/// Bytes that are kept to leave together with what follows.
const OUTBOX_BYTES_MAX: usize = 8 << 10;

impl Outbox {
    fn send(&mut self, stream: &mut impl Write, bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        self.0.extend_from_slice(bytes);
        if self.0.len() < OUTBOX_BYTES_MAX { Ok(()) } else { self.flush(stream, timeout) }
    }

    fn flush(&mut self, stream: &mut impl Write, timeout: NextTimeout) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.0);
        stream.write_all(&bytes).and_then(|()| stream.flush()).map_err(|error| timed_out(error, timeout))
    }
}

/// Waits for input without holding a buffer, then reads.
fn receive_some(stream: &mut impl Read, buffers: &mut WaitingBuffers, timeout: NextTimeout) -> Result<bool, Error> {
    buffers.request_is_sent();
    let amount = if buffers.holds_no_input() {
        let mut first = [0; FIRST_READ_BYTES];
        let amount = stream.read(&mut first).map_err(|error| timed_out(error, timeout))?;
        if amount > 0 {
            buffers.input_append_buf()[..amount].copy_from_slice(&first[..amount]);
        }
        amount
    } else {
        stream.read(buffers.input_append_buf()).map_err(|error| timed_out(error, timeout))?
    };
    if amount > 0 {
        buffers.input_appended(amount);
    }
    Ok(amount > 0)
}

/// Scheme, host and port, for messages.
fn place_of(details: &ConnectionDetails) -> String {
    match (details.uri.scheme_str(), details.uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{}", without_credentials(authority.as_str())),
        _ => without_credentials(&details.uri.to_string()).into_owned(),
    }
}

thread_local! {
    /// A deadline for the next wait for input on this thread, which begins before anything else can run on it.
    static NEXT_WAIT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Bounds the wait that the caller is about to begin. Nothing stays bounded when the result is dropped, or once a wait has begun.
pub(crate) fn limit_next_wait(deadline: Instant) -> WaitLimit {
    NEXT_WAIT.set(Some(deadline));
    WaitLimit
}

/// See [`limit_next_wait`].
pub(crate) struct WaitLimit;

impl Drop for WaitLimit {
    fn drop(&mut self) {
        NEXT_WAIT.set(None);
    }
}

/// Until when input is waited for.
fn input_deadline(timeout: NextTimeout) -> Option<Instant> {
    let own = deadline_of(timeout);
    match NEXT_WAIT.take() {
        Some(limit) => Some(own.map_or(limit, |own| own.min(limit))),
        None => own,
    }
}

fn deadline_of(timeout: NextTimeout) -> Option<Instant> {
    timeout.not_zero().map(|left| vega_scheduler::now() + *left)
}

fn timed_out(error: io::Error, timeout: NextTimeout) -> Error {
    if error.kind() == io::ErrorKind::TimedOut { Error::Timeout(timeout.reason) } else { Error::Io(error) }
}

/// The cause without the system's number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused; is the server running there?".into(),
        io::ErrorKind::NetworkUnreachable => "the network is unreachable".into(),
        io::ErrorKind::HostUnreachable => "the host is unreachable".into(),
        _ => error.to_string(),
    }
}
