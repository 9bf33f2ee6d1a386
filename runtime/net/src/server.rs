//! HTTP/1.1 requests in, answers and faults out: the server that the scripted model speaks through.
//!
//! Every connection is one green thread on the server's own scheduler. It does what a test needs and a proxy would not: answers in
//! pieces with pauses, cut in the middle, reset, or not HTTP at all. It listens on loopback unless told otherwise.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use vega_scheduler::io::{TcpListener, TcpStream};
use vega_scheduler::{Config, Host, Priority, Remote, Scheduler, Worker};

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest body of a request, in bytes: the bound of the model services.
const BODY_BYTES_MAX: usize = 32 << 20;
/// Most headers of a request.
const HEADERS_MAX: usize = 100;

/// One request as it arrived.
#[derive(Debug, Default)]
pub struct Incoming {
    /// The method.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Number of the connection, from 1.
    pub connection: u64,
    /// Number of the request on its connection, from 1.
    pub number: u64,
}

impl Incoming {
    /// A header's first value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers requests. Runs on a green thread: may sleep and park.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. An error ends the connection.
    fn handle(&self, request: Incoming, reply: &mut Reply<'_>) -> io::Result<()>;
}

/// What is read from and written to: a socket, or TLS over one.
trait Wire: Read + Write {
    fn socket(&mut self) -> &mut TcpStream;
}

impl Wire for TcpStream {
    fn socket(&mut self) -> &mut TcpStream {
        self
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.sock
    }
}

/// The way back to the client.
pub struct Reply<'a> {
    wire: &'a mut dyn Wire,
    early: &'a mut Vec<u8>,
    keep_open: bool,
}

/// How a pause ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// The time is over.
    Over,
    /// The client closed the connection meanwhile.
    Closed,
}

impl Reply<'_> {
    /// Sends a whole answer.
    pub fn send(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        self.raw(&bytes)
    }

    /// Sends the head of an answer whose length is larger than what will be sent: for answers that are cut.
    pub fn begin_with_length(&mut self, status: u16, headers: &[(&str, &str)], length: usize) -> io::Result<()> {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
        self.raw(&bytes)
    }

    /// Sends the head of an answer in pieces.
    pub fn begin_chunked(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        self.raw(&bytes)
    }

    /// Sends one piece at once.
    pub fn chunk(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
        self.raw(&bytes)
    }

    /// Ends an answer in pieces.
    pub fn end_chunks(&mut self) -> io::Result<()> {
        self.raw(b"0\r\n\r\n")
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)?;
        self.wire.flush()
    }

    /// Closes the connection after this answer, complete or not.
    pub fn close_after(&mut self) {
        self.keep_open = false;
    }

    /// Resets the connection: what the client has not read yet may be lost.
    pub fn reset(&mut self) -> io::Result<()> {
        self.keep_open = false;
        self.wire.socket().reset_when_closed()
    }

    /// Waits until the client goes away.
    pub fn pause_until_closed(&mut self) -> io::Result<()> {
        self.pause_until(None).map(|_| ())
    }

    /// Waits, and says at once when the client goes away meanwhile.
    pub fn pause(&mut self, time: Duration) -> io::Result<Pause> {
        self.pause_until(Some(vega_scheduler::now() + time))
    }

    fn pause_until(&mut self, until: Option<vega_scheduler::Instant>) -> io::Result<Pause> {
        self.wire.socket().set_deadline(until);
        let result = loop {
            let mut bytes = [0; 256];
            match self.wire.read(&mut bytes) {
                Ok(0) => break Ok(Pause::Closed),
                Ok(amount) => self.early.extend_from_slice(&bytes[..amount]),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => break Ok(Pause::Over),
                Err(error) if vega_scheduler::is_killed(&error) => break Err(error),
                Err(_) => break Ok(Pause::Closed),
            }
        };
        self.wire.socket().set_deadline(None);
        result
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "Status",
    }
}

/// Where and how to listen.
pub struct ServerSettings {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS, or none.
    pub tls: Option<Arc<ServerConfig>>,
    /// Threads that serve.
    pub workers: usize,
}

/// Counts of a running server.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections open now.
    pub open: AtomicUsize,
    /// Requests read whole.
    pub requests: AtomicU64,
}

/// A running server; dropping it closes everything.
pub struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
    _scheduler: Scheduler<Connections>,
}

impl Server {
    /// Listens and serves until it is dropped.
    pub fn start(settings: ServerSettings, handler: Arc<dyn Handler>) -> io::Result<Server> {
        let counts = Arc::<Counts>::default();
        let config = Config { workers: settings.workers, ..Config::default() };
        let scheduler = Scheduler::start(config, Arc::new(Connections))?;
        let remote = scheduler.remote().clone();
        let (ready, listening) = std::sync::mpsc::channel();
        let spawner = remote.clone();
        let shared = counts.clone();
        let accept = move || {
            let mut listener =
                match TcpListener::bind(settings.address).and_then(|listener| Ok((listener.local_addr()?, listener))) {
                    Ok((address, listener)) => {
                        // The one who started us waits for this; if it has gone, the scheduler is about to stop as well.
                        let _gone = ready.send(Ok(address));
                        listener
                    }
                    Err(error) => {
                        let _gone = ready.send(Err(error));
                        return;
                    }
                };
            accept_all(&mut listener, &spawner, &settings.tls, &handler, &shared);
        };
        remote.push(Box::new(Box::new(accept)), Priority::High);
        let address = listening.recv().map_err(|_| io::Error::other("the server's scheduler stopped"))??;
        Ok(Server { address, counts, _scheduler: scheduler })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn accept_all(
    listener: &mut TcpListener,
    remote: &Remote<Connections>,
    tls: &Option<Arc<ServerConfig>>,
    handler: &Arc<dyn Handler>,
    counts: &Arc<Counts>,
) {
    loop {
        let stream = match listener.accept(None) {
            Ok((stream, _)) => stream,
            Err(error) if vega_scheduler::is_killed(&error) => return,
            Err(error) => {
                // Out of descriptors, usually: those in use will be closed; the client's connection waits in the backlog.
                tracing::warn!(%error, "cannot accept a connection");
                if vega_scheduler::sleep(Duration::from_millis(10)).is_err() {
                    return;
                }
                continue;
            }
        };
        let number = counts.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let handler = handler.clone();
        let tls = tls.clone();
        let counts = counts.clone();
        let serve = move || {
            counts.open.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = serve_connection(stream, tls, &*handler, number, &counts) {
                tracing::debug!(%error, connection = number, "connection ended");
            }
            counts.open.fetch_sub(1, Ordering::Relaxed);
        };
        remote.push(Box::new(Box::new(serve)), Priority::Normal);
    }
}

fn serve_connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    handler: &dyn Handler,
    connection: u64,
    counts: &Counts,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => serve_requests(&mut { stream }, handler, connection, counts),
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            serve_requests(&mut StreamOwned::new(session, stream), handler, connection, counts)
        }
    }
}

fn serve_requests(wire: &mut dyn Wire, handler: &dyn Handler, connection: u64, counts: &Counts) -> io::Result<()> {
    let mut early = Vec::new();
    for number in 1.. {
        let mut request = match read_request(wire, &mut early) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(Unreadable::Io(error)) => return Err(error),
            Err(Unreadable::Refused(status, problem)) => {
                let mut reply = Reply { wire, early: &mut early, keep_open: false };
                return reply.send(status, &[("content-type", "text/plain"), ("connection", "close")], problem.as_bytes());
            }
        };
        counts.requests.fetch_add(1, Ordering::Relaxed);
        request.connection = connection;
        request.number = number;
        let keep_open = request.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
        let mut reply = Reply { wire, early: &mut early, keep_open };
        handler.handle(request, &mut reply)?;
        if !reply.keep_open {
            return Ok(());
        }
    }
    Ok(())
}

enum Unreadable {
    Io(io::Error),
    Refused(u16, String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Unreadable::Io(error)
    }
}

fn refused<T>(status: u16, problem: impl Into<String>) -> Result<T, Unreadable> {
    Err(Unreadable::Refused(status, problem.into()))
}

/// The next request, or none where the client closed the connection between two.
fn read_request(wire: &mut dyn Wire, early: &mut Vec<u8>) -> Result<Option<Incoming>, Unreadable> {
    let mut bytes = std::mem::take(early);
    let mut request = Incoming::default();
    let head_length = loop {
        if !bytes.is_empty() {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&bytes) {
                Ok(httparse::Status::Complete(length)) => {
                    request.method = parsed.method.unwrap_or_default().to_owned();
                    request.path = parsed.path.unwrap_or_default().to_owned();
                    for header in parsed.headers.iter() {
                        let value = String::from_utf8_lossy(header.value).trim().to_owned();
                        request.headers.push((header.name.to_ascii_lowercase(), value));
                    }
                    break length;
                }
                Ok(httparse::Status::Partial) if bytes.len() > HEAD_BYTES_MAX => return refused(431, "the head is too long\n"),
                Ok(httparse::Status::Partial) => {}
                Err(error) => return refused(400, format!("this is not an HTTP request: {error}\n")),
            }
        }
        if !read_more(wire, &mut bytes)? {
            if bytes.is_empty() {
                return Ok(None);
            }
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    };
    let mut rest = bytes.split_off(head_length);
    drop(bytes);
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        wire.flush()?;
    }
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        request.body = read_chunks(wire, &mut rest)?;
        *early = rest;
    } else {
        let length = match request.header("content-length").map(str::parse::<usize>) {
            None => 0,
            Some(Ok(length)) => length,
            Some(Err(_)) => return refused(400, "the content-length is not a number\n"),
        };
        if length > BODY_BYTES_MAX {
            return refused(413, "the body is too long\n");
        }
        rest.reserve_exact(length.saturating_sub(rest.len()));
        while rest.len() < length {
            if !read_more(wire, &mut rest)? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        *early = rest.split_off(length);
        request.body = rest;
    }
    Ok(Some(request))
}

fn read_chunks(wire: &mut dyn Wire, rest: &mut Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    let mut body = Vec::new();
    loop {
        let (line, length) = loop {
            match httparse::parse_chunk_size(rest) {
                Ok(httparse::Status::Complete(sizes)) => break sizes,
                Ok(httparse::Status::Partial) => {}
                Err(_) => return refused(400, "a chunk has no size\n"),
            }
            if !read_more(wire, rest)? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > BODY_BYTES_MAX || body.len() + length > BODY_BYTES_MAX {
            return refused(413, "the body is too long\n");
        }
        while rest.len() < line + length + 2 {
            if !read_more(wire, rest)? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        body.extend_from_slice(&rest[line..line + length]);
        rest.drain(..line + length + 2);
        if length == 0 {
            return Ok(body);
        }
    }
}

/// Appends what arrives next; false at the end of the connection.
fn read_more(wire: &mut dyn Wire, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    match wire.read(&mut buffer) {
        Ok(amount) => {
            bytes.extend_from_slice(&buffer[..amount]);
            Ok(amount > 0)
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A host for jobs that are boxed functions: what the server runs, one a connection.
pub struct Connections;

impl Host for Connections {
    type Job = Box<Box<dyn FnOnce() + Send>>;
    type Timer = ();
    type Post = ();
    type Local = ();

    fn local(&self, _: usize) {}

    fn token(&self, _: &Self::Job) -> u64 {
        0
    }

    fn run(&self, job: Self::Job, worker: &Worker<Self>) -> u32 {
        let guard = worker.enter_native();
        job();
        drop(guard);
        1
    }

    fn timer_fired(&self, (): (), _: &Worker<Self>) {}

    fn posted(&self, (): (), _: &Worker<Self>) {}

    fn panicked(&self, _: Option<u64>, _: Box<dyn std::any::Any + Send>, _: &Worker<Self>) {
        tracing::error!("a connection's handler panicked; the connection is closed");
    }

    fn overflowed(&self, _: u64, _: &Worker<Self>) {
        tracing::error!("a connection's handler overflowed its stack; the connection is lost");
    }
}
