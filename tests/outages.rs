//! What servers and the way to them do wrong, as a user sees it: a documented error for each, an end, and nothing left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use vega_agent::mock_server;
use vega_agent::script::Script;
use vega_net::authority;
use vega_net::server::{Server, ServerSettings};

use crate::statistics::{nothing_is_left, statistics};
use crate::support::{Folder, output, read_request, stderr, stdout, vega};

/// An answer of Anthropic's.
const ANSWER: &str = r#"{"id":"m","type":"message","role":"assistant","model":"claude-haiku-5-5","content":[{"type":"text","text":"fine"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":1}}"#;

/// A server that does on each connection what the test says, with the path of the request before `/v1/messages`.
struct Faulty {
    address: SocketAddr,
}

impl Faulty {
    /// `answer` gets the connection with each request's path and says whether another request may come on it.
    fn start(answer: impl Fn(&mut TcpStream, &str) -> bool + Send + Sync + 'static) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
        let address = listener.local_addr().expect("it listens");
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(socket.try_clone().expect("it can be shared"));
                    while let Some(path) = request(&mut reader) {
                        if !answer(&mut socket, &path) {
                            return;
                        }
                    }
                });
            }
        });
        Faulty { address }
    }

    fn run(&self, program: &std::path::Path, path: &str) -> Command {
        run(program, &format!("http://{}/{path}", self.address))
    }
}

fn run(program: &std::path::Path, url: &str) -> Command {
    let mut command = vega();
    command.arg("run").arg(program).args(["--quiet", "--stats=json"]);
    command.env("ANTHROPIC_API_KEY", "test-key-123").env("ANTHROPIC_BASE_URL", url);
    command
}

/// Reads a request and gives the first part of its path; none where the client is gone.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    read_request(reader)?.head.first()?.split('/').nth(1).map(str::to_owned)
}

fn whole(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Each fault once for a call and once for a stream: what the server sends, and how the error begins. A text of its own for a stream
/// comes where it is told apart.
fn faults() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let json = "content-type: application/json\r\n";
    vec![
        (
            "page",
            whole("502 Bad Gateway", "content-type: text/html\r\n", b"<html><title>Bad Gateway</title></html>"),
            "ProviderError: an HTML page titled \"Bad Gateway\" instead of an answer (502)",
        ),
        (
            "page-ok",
            whole("200 OK", "content-type: text/html\r\n", b"<!doctype html><html>Welcome</html>"),
            "ProviderError: an HTML page instead of an answer (200); check that http://",
        ),
        (
            "text",
            whole("200 OK", "content-type: text/plain\r\n", b"hello"),
            "ProviderError: an unexpected answer: hello (200); check that http://",
        ),
        (
            "gzip",
            whole("200 OK", &format!("{json}content-encoding: gzip\r\n"), b"\x1f\x8b\x08\x00"),
            "ProviderError: an answer compressed as `gzip`, which nobody asked for (200)",
        ),
        (
            "moved",
            whole("307 Temporary Redirect", "location: https://elsewhere.test/v1/messages\r\n", b""),
            "ProviderError: an empty answer (307); check the base URL http://",
        ),
        ("empty", whole("200 OK", json, b""), "ProviderError: an empty answer (200); check that http://"),
        ("nothing", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), "ProviderError: an empty answer (204)"),
        ("cut", whole("200 OK", json, ANSWER.as_bytes())[..200].to_vec(), "ProviderError: the connection to http://"),
        ("half-head", b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(), "ProviderError: the connection to http://"),
        ("silent-end", Vec::new(), "ProviderError: the connection to http://"),
        ("no-http", b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(), "ProviderError: the connection to http://"),
        ("length", b"HTTP/1.1 200 OK\r\ncontent-length: some\r\n\r\n{}".to_vec(), "ProviderError: the connection to http://"),
        (
            "chunk",
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n".to_vec(),
            "ProviderError: the connection to http://",
        ),
        ("bytes", whole("200 OK", json, b"{\"id\":\"\xff\xfe\"}"), "ProviderError: an unexpected answer: "),
        ("other-json", whole("200 OK", json, b"[1,2]"), "ProviderError: an unexpected answer: [1,2] (200)"),
    ]
}

const FAULTS: &str = r#"
agent A {
    model "claude-haiku-5-5"
    system "You are A."
    retry { max_attempts 2  backoff exponential(1ms, 2.0, 5ms) }
}
fn main() {
    let a = spawn A;
    session budget $1.00 {
        try { print(a <- "x"); } catch e { print(f"{e.kind}: {e.message}"); }
        try { for chunk in a <~ "x" { print(chunk); } } catch e { print(f"{e.kind}: {e.message}"); }
        let reserved = budget::limit() - budget::used() - budget::remaining();
        print("reserved", reserved < 0.000001 && reserved > -0.000001);
    }
}
"#;

#[test]
fn each_fault_of_an_answer_is_a_documented_error_and_leaves_nothing() {
    let folder = Folder::new("outages-faults");
    let program = folder.write("faults.vega", FAULTS);
    let server = Faulty::start(|socket, path| {
        let (_, bytes, _) = faults().into_iter().find(|(name, ..)| *name == path).expect("the test knows it");
        // The client may have had enough.
        let _gone = socket.write_all(&bytes);
        false
    });
    for (name, _, begins) in faults() {
        let run = output(&mut server.run(&program, name));
        assert_eq!(run.status.code(), Some(0), "{name}: {}", stderr(&run));
        let text = stdout(&run);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{name}: {text}");
        assert!(lines[..2].iter().all(|line| line.starts_with(begins)), "{name}: {text}");
        assert_eq!(lines[2], "reserved true", "{name}");
        assert!(name != "moved" || lines[0].contains("redirects to https://elsewhere.test/v1/messages"), "{text}");
        assert!(!text.contains("test-key-123"), "{text}");
        nothing_is_left(&statistics(&stderr(&run)));
    }
}

const SLOW: &str = r#"
agent A {
    model "claude-haiku-5-5"
    timeout LIMIT
    timeouts { first_token FIRST  idle IDLE }
    retry { max_attempts 1 }
}
fn main() {
    let a = spawn A;
    try { print(a <- "x"); } catch e { print(f"{e.kind}: {e.message}"); }
    try { for chunk in a <~ "x" { print(chunk); } } catch e { print(f"{e.kind}: {e.message}"); }
}
"#;

/// Waits until the client closes the connection.
fn until_closed(socket: &mut TcpStream) -> bool {
    // A reset tells the same as an end.
    let _reset = socket.read_to_end(&mut Vec::new());
    false
}

#[test]
fn a_server_that_takes_its_time_is_left_in_time() {
    let folder = Folder::new("outages-slow");
    let server = Faulty::start(|socket, path| {
        let whole = whole("200 OK", "content-type: application/json\r\n", ANSWER.as_bytes());
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".as_slice();
        let ping = b"e\r\nevent: ping\r\n\r\r\n".as_slice();
        match path {
            // Half open: it takes the request and is never heard of again, before the answer or within it.
            "mute" => until_closed(socket),
            "stops" => {
                let _gone = socket.write_all(&whole[..whole.len() - 20]);
                until_closed(socket)
            }
            "stops-stream" => {
                let _gone = socket.write_all(head);
                until_closed(socket)
            }
            // A byte at a time, for as long as anybody listens: within the head, within the body, and as signs of life of a stream.
            "loris-head" => {
                dribble(socket, whole.iter().take(40).map(std::slice::from_ref).chain(std::iter::repeat(b"x".as_slice())))
            }
            "loris-body" => {
                let body = std::iter::repeat(b" ".as_slice());
                dribble(socket, std::iter::once(&b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n"[..]).chain(body))
            }
            _ => dribble(socket, std::iter::once(head).chain(std::iter::repeat(ping))),
        }
    });
    let ask = |path: &str, limits: [&str; 3]| {
        let text = SLOW.replace("LIMIT", limits[0]).replace("FIRST", limits[1]).replace("IDLE", limits[2]);
        let run = output(&mut server.run(&folder.write("slow.vega", text), path));
        assert_eq!(run.status.code(), Some(0), "{path}: {}", stderr(&run));
        nothing_is_left(&statistics(&stderr(&run)));
        let text = stdout(&run);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2, "{path}: {text}");
        lines
    };
    for path in ["mute", "stops", "stops-stream"] {
        for line in ask(path, ["1h", "200ms", "200ms"]) {
            assert!(
                line.starts_with("Timeout: ") && line.contains("200ms") && line.contains("see `timeouts {"),
                "{path}: {line}"
            );
        }
    }
    for path in ["mute", "loris-head", "loris-body", "loris-stream"] {
        for line in ask(path, ["300ms", "1h", "1h"]) {
            assert_eq!(line, "Timeout: `A` had no reply within 300ms; see `timeout`", "{path}");
        }
    }
    // Signs of life are no answer of a stream.
    let lines = ask("loris-stream", ["1s", "300ms", "1h"]);
    assert!(lines[1].starts_with("Timeout: ") && lines[1].contains("see `timeouts { first_token }`"), "{lines:?}");
}

/// Sends the pieces at a slow pace until the client is gone.
fn dribble<'a>(socket: &mut TcpStream, pieces: impl Iterator<Item = &'a [u8]>) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(5))).expect("it is a duration");
    for piece in pieces {
        // The client says nothing more: what comes within the time is its end.
        if socket.write_all(piece).is_err() || matches!(socket.read(&mut [0]), Ok(0)) {
            return false;
        }
    }
    false
}

/// A program that asks, waits for a line, and asks again.
const TWICE: &str = r#"
agent A { model "claude-haiku-5-5" history none retry { max_attempts 3  backoff exponential(1ms, 2.0, 5ms) } }
fn main() {
    let a = spawn A;
    print(a <- "x");
    io::read_line();
    try { print(a <- "x"); } catch e { print(f"{e.kind}: {e.message}"); }
}
"#;

/// Runs [`TWICE`] and calls `between` after its first answer. What it said second, and its trace.
fn twice(folder: &Folder, mut command: Command, between: impl FnOnce()) -> (String, String) {
    let trace = folder.path().join("trace.jsonl");
    command.arg("--trace").arg(&trace).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("it says something").expect("text");
    let first = line();
    assert!(first == "fine" || first == "all is well", "{first}");
    between();
    child.stdin.take().expect("piped").write_all(b"\n").expect("it reads");
    let second = line();
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    nothing_is_left(&statistics(&stderr(&ended)));
    (second, std::fs::read_to_string(trace).expect("the trace is written"))
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_not_used_again() {
    let folder = Folder::new("outages-stale");
    let program = folder.write("twice.vega", TWICE);
    let (sender, closed): (Sender<()>, Receiver<()>) = channel();
    let server = Faulty::start(move |socket, _| {
        socket.write_all(&whole("200 OK", "", ANSWER.as_bytes())).expect("the client reads");
        socket.shutdown(std::net::Shutdown::Both).expect("it is open");
        sender.send(()).expect("the test waits");
        false
    });
    let (second, trace) = twice(&folder, server.run(&program, "x"), || closed.recv().expect("it is closed"));
    assert_eq!(second, "fine");
    assert_eq!(trace.matches("\"kind\":\"model_call\"").count(), 2, "no attempt is lost: {trace}");
}

#[test]
fn a_certificate_that_stops_being_good_is_an_error_at_once() {
    let folder = Folder::new("outages-certificate");
    let program = folder.write("twice.vega", TWICE);
    let start = |address: SocketAddr| {
        let made = authority::make(&["127.0.0.1"]).expect("it can be made");
        let script = Script::parse("[[reply]]\ntext = \"all is well\"\n").expect("it is a script");
        let settings = ServerSettings { address, tls: Some(made.server), workers: 1 };
        (mock_server::start(script, settings).expect("it listens"), made.certificate_pem)
    };
    let (server, pem): (Server, String) = start(SocketAddr::from(([127, 0, 0, 1], 0)));
    let address = server.address();
    let authority = folder.write("ca.pem", pem);
    let mut command = run(&program, &format!("https://{address}"));
    command.arg("--ca-file").arg(authority);
    let mut next = None;
    let (second, trace) = twice(&folder, command, || {
        drop(server);
        next = Some(start(address));
    });
    assert!(second.starts_with(&format!("ProviderError: the certificate of https://{address} is not trusted")), "{second}");
    assert_eq!(trace.matches("\"kind\":\"model_call\"").count(), 2, "it is not tried again: {trace}");
    assert!(!trace.contains("\"kind\":\"retry\""), "{trace}");
}
