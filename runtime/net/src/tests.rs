//! The client against the server, over real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use vega_scheduler::{Config, Priority, Scheduler};

use crate::client::{Client, ClientConfig, Lookup, Request, Timeouts};
use crate::failure::{Failure, FailureKind};
use crate::server::{Connections, Handler, Incoming, Pause, Reply, Server, ServerSettings};

/// Runs `work` on a green thread of a scheduler of its own.
fn green<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let scheduler = Scheduler::start(Config { workers: 1, ..Config::default() }, Arc::new(Connections)).unwrap();
    let (sender, receiver) = mpsc::channel();
    scheduler.remote().push(Box::new(Box::new(move || sender.send(work()).unwrap())), Priority::Normal);
    receiver.recv().expect("the work does not panic")
}

struct Answers<F>(F);

impl<F: Fn(Incoming, &mut Reply<'_>) -> io::Result<()> + Send + Sync + 'static> Handler for Answers<F> {
    fn handle(&self, request: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        (self.0)(request, reply)
    }
}

fn serve(answer: impl Fn(Incoming, &mut Reply<'_>) -> io::Result<()> + Send + Sync + 'static) -> Server {
    let settings = ServerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None, workers: 1 };
    Server::start(settings, Arc::new(Answers(answer))).unwrap()
}

fn echo(request: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
    let secret = request.header("x-key").unwrap_or("none").to_owned();
    let body = [format!("{} {} {secret} ", request.method, request.path).as_bytes(), &request.body].concat();
    reply.send(200, &[("x-seen", &request.number.to_string())], &body)
}

fn post(url: String, body: &[u8], timeouts: Timeouts) -> Request {
    Request { method: "POST", url, headers: vec![("x-key".into(), "k1".into())], body: body.to_vec(), timeouts }
}

fn exchange(client: &Client, request: Request) -> Result<(u16, Option<String>, Vec<u8>), Failure> {
    let mut answer = client.send(request)?;
    let seen = answer.header("x-seen").map(str::to_owned);
    let body = answer.read_to_end(1 << 20)?;
    Ok((answer.status, seen, body))
}

fn failure_of(server: &Server, timeouts: Timeouts) -> Failure {
    let url = format!("http://{}/x", server.address());
    green(move || exchange(&Client::new(ClientConfig::default()).unwrap(), post(url, b"hi", timeouts)).unwrap_err())
}

#[test]
fn a_request_arrives_whole_and_the_connection_is_used_again() {
    let server = serve(echo);
    let url = format!("http://{}/a?b=c", server.address());
    let large = vec![b'x'; 100_000];
    let sent = large.clone();
    let (first, second) = green(move || {
        let client = Client::new(ClientConfig::default()).unwrap();
        let first = exchange(&client, post(url.clone(), &sent, Timeouts::default())).unwrap();
        (first, exchange(&client, post(url, b"again", Timeouts::default())).unwrap())
    });
    assert_eq!(first.0, 200);
    assert_eq!(first.2, [b"POST /a?b=c k1 ", large.as_slice()].concat());
    assert_eq!((second.1.as_deref(), second.2.as_slice()), (Some("2"), b"POST /a?b=c k1 again".as_slice()));
    assert_eq!(server.counts().connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn every_status_is_an_answer_with_its_headers_and_body() {
    let server = serve(|_, reply| reply.send(429, &[("retry-after", "7"), ("x-seen", "1")], b"slow down"));
    let url = format!("http://{}/", server.address());
    let answer = green(move || {
        let mut answer = Client::new(ClientConfig::default()).unwrap().send(post(url, b"", Timeouts::default())).unwrap();
        (answer.status, answer.header("retry-after").map(str::to_owned), answer.read_to_end(100).unwrap())
    });
    assert_eq!(answer, (429, Some("7".into()), b"slow down".to_vec()));
}

#[test]
fn pieces_of_an_answer_arrive_as_they_are_sent() {
    let server = serve(|_, reply| {
        reply.begin_chunked(200, &[])?;
        for piece in ["one", "two"] {
            reply.chunk(piece.as_bytes())?;
            // The second piece is sent only when the client has gone on: it closes after the first where nothing arrives.
            assert_eq!(reply.pause(Duration::from_millis(5))?, Pause::Over);
        }
        reply.end_chunks()
    });
    let url = format!("http://{}/", server.address());
    let pieces = green(move || {
        let mut answer = Client::new(ClientConfig::default()).unwrap().send(post(url, b"", Timeouts::default())).unwrap();
        let mut pieces = Vec::new();
        let mut buffer = [0; 100];
        loop {
            let amount = answer.read_some(&mut buffer).unwrap();
            if amount == 0 {
                return pieces;
            }
            pieces.push(String::from_utf8(buffer[..amount].to_vec()).unwrap());
        }
    });
    assert_eq!(pieces, ["one", "two"]);
}

#[test]
fn dropping_an_answer_closes_its_connection() {
    let (sender, closed) = mpsc::channel();
    let server = serve(move |_, reply| {
        reply.begin_chunked(200, &[])?;
        reply.chunk(b"first")?;
        sender.send(reply.pause(Duration::from_secs(60))?).unwrap();
        Ok(())
    });
    let url = format!("http://{}/", server.address());
    green(move || {
        let client = Client::new(ClientConfig::default()).unwrap();
        let mut answer = client.send(post(url, b"", Timeouts::default())).unwrap();
        assert_eq!(answer.read_some(&mut [0; 10]).unwrap(), 5);
        drop(answer);
        assert_eq!(closed.recv().unwrap(), Pause::Closed);
    });
}

#[test]
fn a_cut_body_an_end_without_answer_and_nonsense_are_told_apart() {
    let cut = serve(|_, reply| {
        reply.begin_with_length(200, &[], 100)?;
        reply.raw(b"only this")?;
        reply.close_after();
        Ok(())
    });
    assert_eq!(
        (failure_of(&cut, Timeouts::default()).kind, failure_of(&cut, Timeouts::default()).sent),
        (FailureKind::Cut, true)
    );
    let silent_end = serve(|_, reply| {
        reply.close_after();
        Ok(())
    });
    assert_eq!(failure_of(&silent_end, Timeouts::default()).kind, FailureKind::Cut);
    let nonsense = serve(|_, reply| {
        reply.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")?;
        reply.close_after();
        Ok(())
    });
    assert_eq!(failure_of(&nonsense, Timeouts::default()).kind, FailureKind::Protocol);
}

#[test]
fn silence_before_and_in_the_middle_of_an_answer_is_a_timeout() {
    let mute = serve(|_, reply| reply.pause(Duration::from_secs(60)).map(|_| ()));
    let before = failure_of(&mute, Timeouts { first_byte: Some(Duration::from_millis(30)), ..Timeouts::default() });
    assert_eq!((before.kind, before.sent), (FailureKind::Timeout, true));
    let stalls = serve(|_, reply| {
        reply.begin_chunked(200, &[])?;
        reply.chunk(b"first")?;
        reply.pause(Duration::from_secs(60)).map(|_| ())
    });
    let middle = failure_of(&stalls, Timeouts { idle: Some(Duration::from_millis(30)), ..Timeouts::default() });
    assert_eq!((middle.kind, middle.sent), (FailureKind::Timeout, true));
}

#[test]
fn nothing_listening_there_says_so_and_that_nothing_was_sent() {
    let server = serve(echo);
    let address: SocketAddr = server.address();
    drop(server);
    let failure = green(move || {
        let client = Client::new(ClientConfig::default()).unwrap();
        exchange(&client, post(format!("http://{address}/"), b"", Timeouts::default())).unwrap_err()
    });
    assert_eq!((failure.kind, failure.sent), (FailureKind::Connect, false));
    assert!(failure.message.contains("connection refused"), "{}", failure.message);
}

#[test]
fn a_connection_that_nobody_takes_is_a_timeout_in_which_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: the descriptor is that of the listener, which lives to the end of the test.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    // Until the queue of those that wait to be taken is full.
    let mut waiting = Vec::new();
    while let Ok(socket) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(socket);
        assert!(waiting.len() < 1_000, "the queue has no end");
    }
    let timeouts = Timeouts { connect: Some(Duration::from_millis(50)), ..Timeouts::default() };
    let failure = green(move || {
        exchange(&Client::new(ClientConfig::default()).unwrap(), post(format!("http://{address}/"), b"", timeouts)).unwrap_err()
    });
    assert_eq!((failure.kind, failure.sent), (FailureKind::ConnectTimeout, false));
}

#[test]
fn bad_addresses_are_refused_before_anything_happens() {
    for url in ["ftp://x/", "no address", "http://", "http://bad host/"] {
        let failure = green(move || {
            exchange(&Client::new(ClientConfig::default()).unwrap(), post(url.into(), b"", Timeouts::default())).unwrap_err()
        });
        assert_eq!((failure.kind, failure.sent), (FailureKind::BadAddress, false), "{url}");
    }
}

#[test]
fn tls_needs_a_trusted_issuer_and_names_the_remedy() {
    let authority = crate::authority::make(&["localhost", "127.0.0.1"]).unwrap();
    let settings = ServerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: Some(authority.server.clone()), workers: 1 };
    let server = Server::start(settings, Arc::new(Answers(echo))).unwrap();
    let url = format!("https://{}/", server.address());
    let pem = authority.certificate_pem.into_bytes();
    let (untrusted, trusted) = green(move || {
        let stranger = Client::new(ClientConfig::default()).unwrap();
        let friend = Client::new(ClientConfig { extra_roots_pem: Some(pem), ..ClientConfig::default() }).unwrap();
        (
            exchange(&stranger, post(url.clone(), b"hi", Timeouts::default())).unwrap_err(),
            exchange(&friend, post(url, b"hi", Timeouts::default())).unwrap(),
        )
    });
    assert_eq!((untrusted.kind, untrusted.sent), (FailureKind::Certificate, false));
    assert!(untrusted.message.contains("--ca-file"), "{}", untrusted.message);
    assert_eq!(trusted.2, b"POST / k1 hi");
}

struct Fixed(Vec<SocketAddr>, Arc<std::sync::atomic::AtomicU64>);

impl Lookup for Fixed {
    fn lookup(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.0.is_empty() { Err(io::Error::other("no such name")) } else { Ok(self.0.clone()) }
    }
}

#[test]
fn a_name_is_looked_up_once_and_remembered_and_a_missing_one_is_said() {
    let server = serve(echo);
    let url = format!("http://somewhere.example:{}/", server.address().port());
    let asked = Arc::<std::sync::atomic::AtomicU64>::default();
    let lookup = Arc::new(Fixed(vec![server.address()], asked.clone()));
    green(move || {
        let client = Client::new(ClientConfig { lookup, ..ClientConfig::default() }).unwrap();
        for _ in 0..3 {
            let mut request = post(url.clone(), b"", Timeouts::default());
            request.headers.push(("connection".into(), "close".into()));
            exchange(&client, request).unwrap();
        }
    });
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    let failure = green(move || {
        let lookup = Arc::new(Fixed(Vec::new(), Arc::default()));
        let client = Client::new(ClientConfig { lookup, ..ClientConfig::default() }).unwrap();
        exchange(&client, post("http://nowhere.example/".into(), b"", Timeouts::default())).unwrap_err()
    });
    assert_eq!((failure.kind, failure.sent), (FailureKind::Resolve, false));
    assert!(failure.message.contains("nowhere.example"), "{}", failure.message);
}

#[test]
fn a_body_in_chunks_is_read_by_the_server_too() {
    let server = serve(echo);
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    io::Write::write_all(&mut socket, b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    io::Read::read_to_string(&mut socket, &mut answer).unwrap();
    assert!(answer.ends_with("POST /c none abcde"), "{answer}");
}

#[test]
fn what_is_not_http_is_refused_with_400() {
    let server = serve(echo);
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    io::Write::write_all(&mut socket, b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    let mut answer = String::new();
    io::Read::read_to_string(&mut socket, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
