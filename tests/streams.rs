//! Streamed answers over real connections: what a reader sees, and what the server sees of a reader that leaves.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vega_agent::{Activity, Agents, Progress};
use vega_bytecode::module::Capability;
use vega_compiler::source::{LoadError, Loader};
use vega_runtime::capability::Grants;
use vega_runtime::effects::{Begun, Class, EffectResult, Effects, Failure, Locate, Request, Ticket};
use vega_runtime::output::Output;
use vega_runtime::process::Coordinate;
use vega_runtime::{Outcome, Runtime};

use crate::support::{Folder, MockServer, output, read_request, root, stderr, stdout, vega};

/// A server that streams when the test says so.
struct Provider(TcpListener);

impl Provider {
    fn listen() -> Provider {
        Provider(TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on"))
    }

    fn run(&self, program: &Path) -> Command {
        let mut command = vega();
        let url = format!("http://{}", self.0.local_addr().expect("it listens"));
        command.arg("run").arg(program).env("ANTHROPIC_API_KEY", "test-key-123").env("ANTHROPIC_BASE_URL", url);
        command
    }

    /// The next connection, once its request has been read; a stream has begun on it.
    fn accept(&self) -> TcpStream {
        let mut socket = self.0.accept().expect("a client comes").0;
        let mut reader = BufReader::new(socket.try_clone().expect("it can be shared"));
        read_request(&mut reader).expect("all of it comes");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        socket.write_all(head.as_bytes()).expect("the client reads");
        say(
            &mut socket,
            r#"{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":1000,"output_tokens":1}}}"#,
        );
        say(&mut socket, r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#);
        socket
    }
}

/// Sends an event.
fn say(socket: &mut TcpStream, data: &str) {
    let event = format!("data: {data}\n\n");
    write!(socket, "{:x}\r\n{event}\r\n", event.len()).expect("the client reads");
}

fn say_text(socket: &mut TcpStream, text: &str) {
    say(
        socket,
        &format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":{}}}}}"#,
            serde_json::json!(text)
        ),
    );
}

/// Waits until the other side is gone.
fn until_closed(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset tells the same as an end.
    let _reset = socket.read_to_end(&mut rest);
    assert!(rest.is_empty(), "nothing more is asked on this connection");
}

#[test]
fn a_stream_that_is_left_closes_its_connection_and_is_booked_as_an_estimate() {
    let folder = Folder::new("streams-left");
    let ways = [
        ("break", "for c in a <~ \"x\" { n += 1; if n == 2 { break; } }"),
        ("throw", "try { for c in a <~ \"x\" { n += 1; if n == 2 { throw Cancelled; } } } catch Cancelled { }"),
        ("drop", "{ let s = a <~ \"x\"; for c in s { n += 1; if n == 2 { break; } } }"),
        (
            "return",
            "fn two(a: A) -> int { let n = 0; for c in a <~ \"x\" { n += 1; if n == 2 { return n; } } return 0; } n = two(a);",
        ),
        ("kill", "let me = process::self(); let p = spawn read(me, a); receive { \"two\" => n = 2 } process::kill(p);"),
        ("timeout", "try { for c in a <~ \"x\" timeout 2s { n += 1; } } catch Timeout { }"),
    ];
    for (name, way) in ways {
        let trace = folder.path().join(format!("{name}.jsonl"));
        let (function, way) = match way.split_once(" n = two(a);") {
            Some((function, _)) => (function, "n = two(a);"),
            None => ("", way),
        };
        let program = format!(
            "agent A {{ model \"claude-haiku-4-5\" }}\n{function}\n\
             fn read(to: process, a: A) {{ let n = 0; for c in a <~ \"x\" {{ n += 1; if n == 2 {{ send(to, \"two\"); }} }} }}\n\
             fn main() {{ let a = spawn A; let n = 0; {way} print(n); io::read_line(); print(a <- \"end\"); }}"
        );
        let program = folder.write(&format!("{name}.vega"), program);
        let provider = Provider::listen();
        let mut child = provider
            .run(&program)
            .args(["--quiet", "--trace"])
            .arg(&trace)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut socket = provider.accept();
        say_text(&mut socket, "one two three ");
        say_text(&mut socket, "four five six ");
        until_closed(&mut socket);
        // Only now the program goes on, so the end of the program closed nothing.
        child.stdin.take().expect("piped").write_all(b"\n").expect("it reads");
        drop(provider.0);
        let ended = child.wait_with_output().expect("it ends");
        assert!(String::from_utf8_lossy(&ended.stdout).starts_with("2\n"), "{name}: {ended:?}");
        let text = std::fs::read_to_string(&trace).expect("the trace is written");
        let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        // The last question finds no server any more; its record may come before that of a process which was killed.
        let is_left = |record: &&serde_json::Value| record["kind"] == "model_call" && record["estimated"] == true;
        let call = records.iter().find(is_left).unwrap_or_else(|| panic!("{name}: {text}"));
        assert_eq!(call["input_tokens"], 1000, "{name}: {call}");
        // Twenty-eight bytes were written.
        assert_eq!(call["output_tokens"], 7, "{name}: {call}");
        assert_eq!(call["cost_usd"], 0.001035, "{name}: {call}");
    }
}

#[test]
fn the_end_of_the_program_closes_its_streams() {
    let folder = Folder::new("streams-exit");
    for (name, body) in [
        ("returns", "let s = a <~ \"x\"; for c in s { print(c); return; }"),
        ("fails", "for c in a <~ \"x\" { print(c); throw Cancelled; }"),
    ] {
        let program = folder.write(
            &format!("{name}.vega"),
            format!("agent A {{ model \"claude-haiku-4-5\" }}\nfn main() {{ let a = spawn A; {body} }}"),
        );
        let provider = Provider::listen();
        let child = provider
            .run(&program)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        let mut socket = provider.accept();
        say_text(&mut socket, "one");
        until_closed(&mut socket);
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "one\n", "{name}");
    }
}

#[test]
fn a_slow_reader_makes_the_provider_wait_and_loses_nothing() {
    let folder = Folder::new("streams-slow");
    // The reader takes nothing until a line comes.
    let program = folder.write(
        "slow.vega",
        "agent A { model \"claude-haiku-4-5\" }\nfn main() { let a = spawn A; let s = a <~ \"x\"; io::read_line(); let n = 0; for c in s { n += c.text.len(); } print(n); }",
    );
    let provider = Provider::listen();
    let mut child = provider
        .run(&program)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut socket = provider.accept();
    // Far more than any buffer between the two holds: writing must come to a stop.
    let text = "x".repeat(8 << 10);
    let event = format!(
        "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    );
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    socket.set_write_timeout(Some(Duration::from_millis(500))).expect("it can be");
    let mut sent = 0;
    let mut rest = chunk.as_bytes();
    while let Ok(amount) = socket.write(rest) {
        rest = &rest[amount..];
        if rest.is_empty() {
            sent += 1;
            rest = chunk.as_bytes();
        }
        assert!(sent < 4_000, "32 MiB were taken although nobody reads them");
    }
    child.stdin.take().expect("piped").write_all(b"\n").expect("it reads");
    socket.set_write_timeout(None).expect("it can be");
    socket.write_all(rest).expect("it reads now");
    sent += 1;
    say(&mut socket, r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#);
    say(&mut socket, r#"{"type":"message_stop"}"#);
    socket.write_all(b"0\r\n\r\n").expect("it reads");
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("{}\n", sent * text.len()));
}

#[test]
fn the_first_program_with_a_stream_runs_over_http() {
    let folder = Folder::new("streams-first");
    let read = |name: &str| {
        std::fs::read_to_string(root().join("tests/language/seed").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let text = read("messages.before.vega") + &read("messages.block.vega") + &read("messages.after.vega");
    let program = folder.write("messages.vega", text);
    let server = MockServer::start(&root().join("tests/language/seed/messages.replies.toml"), &[]);
    let run = output(server.run(&program).arg("--quiet"));
    assert_eq!(stdout(&run), read("messages.expect"), "{}", stderr(&run));
}

/// What happened, one letter each: `R` a chunk was read from its connection, `C` its consumer has it, `s` another process had a slice.
#[derive(Default)]
struct Log(Mutex<String>);

impl Log {
    fn push(&self, text: &str) {
        self.0.lock().expect("nobody panics").push_str(text);
    }
}

impl Output for Log {
    fn write(&self, bytes: &[u8]) {
        self.push(std::str::from_utf8(bytes).expect("text").trim());
    }
}

impl Progress for Log {
    fn activity(&self, _: u64, _: &str, activity: Activity<'_>) {
        if activity == Activity::Chunk {
            self.push("R");
        }
    }
}

struct Text(&'static str);

impl Loader for Text {
    fn load(&self, _: &str) -> Result<Arc<str>, LoadError> {
        Ok(self.0.into())
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// A reader of a connection runs right after the poll that reported it, before any process. So what counts is how many slices of
/// others lie between its reading and the consumer's having the chunk.
#[test]
fn a_chunk_reaches_its_consumer_within_two_slices_of_each_runnable_process() {
    const OTHERS: usize = 8;
    const PROGRAM: &str = r#"
agent A { model "claude-haiku-4-5" }
fn other() { loop { write("s"); process::yield(); } }
fn main() {
    let a = spawn A;
    for i in 0..8 { spawn other(); }
    let chunks = 0;
    for chunk in a <~ "x" { write("C"); chunks += 1; }
    assert_eq(chunks, 40);
}
"#;
    let folder = Folder::new("streams-slices");
    let replies = folder.write(
        "replies.toml",
        "[[reply]]\ntext = \"0123456789012345678901234567890123456789\"\nchunks = 40\nlatency = \"200ms\"\n",
    );
    let server = MockServer::start(&replies, &[]);
    let url = server.url.clone();
    let log = Arc::new(Log::default());
    let compiled = vega_compiler::compile(&Text(PROGRAM), "program.vega").expect("it is read");
    let module =
        vega_bytecode::verify(compiled.module.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))).expect("it verifies");
    let agents = Agents::builder()
        .environment(move |name| match name {
            "ANTHROPIC_API_KEY" => Some("k".into()),
            "ANTHROPIC_BASE_URL" => Some(url.clone()),
            _ => None,
        })
        .progress(log.clone())
        .build()
        .expect("agents are made");
    let mut grants = Grants::nothing(".");
    let grants = grants.allow(Capability::Agent).build().expect("the folder is there");
    let runtime = Runtime::builder()
        .workers(1)
        .grants(grants)
        .agents(agents)
        .natives(vega_stdlib::natives())
        .stdout(log.clone())
        .build()
        .expect("it starts");
    runtime.load(module).expect("it is loaded");
    assert!(matches!(runtime.run().outcome, Outcome::Finished(_)));
    let log = log.0.lock().expect("nobody panics").clone();
    let (mut read, mut taken, mut slices, mut most) = (0, 0, 0, 0);
    for letter in log.chars() {
        match letter {
            'R' => {
                read += 1;
                if read == taken + 1 {
                    slices = 0;
                }
            }
            'C' => {
                taken += 1;
                most = most.max(slices);
                slices = 0;
            }
            _ => slices += usize::from(read > taken),
        }
    }
    assert_eq!((read, taken), (40, 40));
    assert!(most <= 2 * OTHERS, "{most} slices of {OTHERS} other processes");
}

const FAULTY: &str = r#"
agent A { model "claude-haiku-4-5" circuit_breaker { threshold 100 } retry { max_attempts 2  backoff exponential(1ms, 2.0, 5ms) } }
agent O { model "gpt-4o" circuit_breaker { threshold 100 } retry { max_attempts 2  backoff exponential(1ms, 2.0, 5ms) } }

fn look(kind: str, s: Stream<Chunk>) {
    try {
        for c in s { write(c); }
        print("|");
    } catch e {
        print(f"|{kind}: {e.kind}, after {e.partial ?? "nothing"}");
    }
}

fn main(args: str[]) {
    let (a, o) = (spawn A, spawn O);
    for kind in args {
        look(kind, a <~ kind);
        look(kind, o <~ kind);
    }
}
"#;

#[test]
fn a_stream_that_breaks_raises_its_kind_with_what_had_come_and_is_not_repeated() {
    let folder = Folder::new("streams-faults");
    let program = folder.write("faulty.vega", FAULTY);
    let kinds = ["close", "end", "reset", "garbage", "overloaded", "rate_limit", "server_error"];
    let mut replies = String::new();
    for kind in kinds {
        replies.push_str(&format!(
            "[[reply]]\ncontains = \"{kind}\"\ntext = \"one two three four\"\nchunks = 4\ncut_after_chunks = 2\ncut_with = \"{kind}\"\ntimes = 2\nlatency = \"20ms\"\n"
        ));
    }
    let replies = folder.write("replies.toml", replies);
    let server = MockServer::start(&replies, &[]);
    let mut run = server.run(&program);
    run.arg("--quiet").arg("--").args(kinds).env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", format!("{}/v1", server.url));
    let run = output(&mut run);
    let text = stdout(&run);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 * kinds.len(), "{text}{}", stderr(&run));
    for (kind, pair) in kinds.iter().zip(lines.chunks(2)) {
        let expected = match *kind {
            "overloaded" => "Overloaded",
            "rate_limit" => "RateLimited",
            _ => "ProviderError",
        };
        for line in pair {
            // What is lost with a reset is the system's choice.
            if *kind == "reset" {
                assert!(line.contains("|reset: ProviderError, after "), "{line}");
            } else {
                assert_eq!(*line, format!("one two t|{kind}: {expected}, after one two t"));
            }
        }
    }
}

#[test]
fn what_fails_before_the_first_chunk_is_tried_again() {
    let folder = Folder::new("streams-again");
    let program = folder.write("faulty.vega", FAULTY);
    let replies = "[[reply]]\ncontains = \"busy\"\nerror = \"overloaded\"\ntimes = 1\n[[reply]]\ncontains = \"gone\"\nerror = \"disconnect\"\ntimes = 1\n\
         [[reply]]\ncontains = \"cut\"\ntext = \"never\"\ncut_after_chunks = 0\ntimes = 1\n[[reply]]\ntext = \"fine\"\nchunks = 2\n";
    let server = MockServer::start(&folder.write("replies.toml", replies), &[]);
    let mut run = server.run(&program);
    run.args(["--quiet", "--", "busy", "gone", "cut"])
        .env("OPENAI_API_KEY", "k")
        .env("OPENAI_BASE_URL", format!("{}/v1", server.url));
    let run = output(&mut run);
    assert_eq!(stdout(&run), "fine|\n".repeat(6), "{}", stderr(&run));
}

#[test]
fn streams_on_the_virtual_clock_come_in_one_order() {
    let folder = Folder::new("streams-virtual");
    let program = folder.write(
        "virtual.vega",
        r#"
agent A { model "claude-haiku-5-5" }
fn read(to: process, a: A, name: str) {
    for c in a <~ name { print(f"{name} {c.text} at {time::now() - time::now()}"); }
    send(to, name);
}
fn main() {
    let a = spawn A;
    let me = process::self();
    for name in ["slow", "fast"] { spawn read(me, a, name); }
    receive { n: str => print(n) }
    receive { n: str => print(n) }
}
"#
        .replace(" at {time::now() - time::now()}", ""),
    );
    let replies = folder.write(
        "replies.toml",
        "[[reply]]\ncontains = \"slow\"\ntext = \"abcd\"\nchunks = 2\nlatency = \"4s\"\n[[reply]]\ncontains = \"fast\"\ntext = \"wxyz\"\nchunks = 2\nlatency = \"3s\"\n",
    );
    let run = output(vega().arg("run").arg(program).args(["--offline", "--virtual-time", "--quiet", "--replies"]).arg(replies));
    assert_eq!(stdout(&run), "fast wx\nslow ab\nfast yz\nfast\nslow cd\nslow\n", "{}", stderr(&run));
}

#[test]
fn the_trace_says_when_the_first_chunk_came_and_how_long_was_queued() {
    let folder = Folder::new("streams-first-chunk");
    let program = folder.write(
        "first.vega",
        "agent A { model \"claude-haiku-5-5\" history none rate_limit { concurrent 1 } }\n\
         fn read(to: process, a: A) { for c in a <~ \"x\" { } send(to, 0); }\n\
         fn main() { let a = spawn A; let me = process::self(); spawn read(me, a); spawn read(me, a);\n\
         for i in 0..2 { receive { n: int => null } } print(a <- \"y\"); }\n",
    );
    // Two chunks over four seconds; the first attempt of all fails.
    let replies = folder.write(
        "replies.toml",
        "[[reply]]\nerror = \"overloaded\"\ntimes = 1\n[[reply]]\ncontains = \"x\"\ntext = \"abcd\"\nchunks = 2\nlatency = \"4s\"\n[[reply]]\ntext = \"whole\"\n",
    );
    let trace = folder.path().join("trace.jsonl");
    let mut command = vega();
    command.arg("run").arg(program).args(["--offline", "--virtual-time", "--quiet", "--replies"]).arg(replies);
    let run = output(command.arg("--trace").arg(&trace));
    assert_eq!(stdout(&run), "whole\n", "{}", stderr(&run));
    let text = std::fs::read_to_string(trace).expect("the trace is written");
    let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_kind = |kind: &str| records.iter().filter(|record| record["kind"] == kind).collect::<Vec<_>>();
    let first: Vec<&serde_json::Value> =
        of_kind("model_call").iter().map(|call| &call["attributes"]["time_to_first_chunk_ms"]).collect();
    let none = &serde_json::Value::Null;
    assert_eq!(first, [none, &serde_json::json!(2000), &serde_json::json!(2000), none], "{text}");
    let retries: Vec<u64> = of_kind("invocation").iter().filter_map(|record| record["retries"].as_u64()).collect();
    assert_eq!(retries, [0, 1, 0], "{text}");
    // While the first one paused the second one had its turn, for four seconds.
    let pause = of_kind("retry")[0]["latency_ms"].as_u64().expect("a number");
    let queued: Vec<u64> = of_kind("invocation").iter().filter_map(|record| record["queue_ms"].as_u64()).collect();
    assert_eq!((queued[0], queued[2]), (0, 0), "{text}");
    assert!((3_999..=4_000).contains(&(pause + queued[1])), "{text}");
}

#[test]
fn what_happens_at_the_same_moment_of_the_virtual_clock_has_one_order() {
    let folder = Folder::new("streams-moment");
    // All chunks come after exactly ten seconds, in the order in which they were asked for: that of the last process is the first.
    let program = folder.write(
        "moment.vega",
        "agent A { model \"claude-haiku-5-5\" history none }\n\
         fn read(to: process, a: A, n: int) { process::sleep(1s * (10 - n)); for c in a <~ f\"wait {n}.\" { print(c); } send(to, n); }\n\
         fn main() { let a = spawn A; let me = process::self(); for n in 0..10 { spawn read(me, a, n); }\n\
         for n in 0..10 { receive { n: int => null } } }\n",
    );
    let replies: String = (0..10)
        .map(|n| format!("[[reply]]\ncontains = \"wait {n}.\"\ntext = \"chunk {n}\"\nchunks = 1\nlatency = \"{n}s\"\n"))
        .collect();
    let replies = folder.write("replies.toml", replies);
    let expected: String = (0..10).rev().map(|n| format!("chunk {n}\n")).collect();
    for _ in 0..3 {
        let mut command = vega();
        command.arg("run").arg(&program).args(["--offline", "--virtual-time", "--quiet", "--replies"]).arg(&replies);
        let run = output(&mut command);
        assert_eq!(stdout(&run), expected, "{}", stderr(&run));
    }
}

/// Keeps what every effect came to, by its coordinate; or gives it back.
#[derive(Default)]
struct Tape {
    kept: Mutex<HashMap<Coordinate, EffectResult>>,
    under_way: Mutex<Vec<Coordinate>>,
    replays: bool,
}

impl Effects for Tape {
    fn begin(&self, place: &dyn Locate, _: &Request<'_>, _: Class) -> Result<Begun, Failure> {
        let place = place.coordinate();
        if self.replays {
            let kept = self.kept.lock().expect("nobody panics").get(&place).cloned();
            return Ok(Begun::Replayed(kept.unwrap_or_else(|| panic!("nothing is kept for {place:?}"))));
        }
        let mut under_way = self.under_way.lock().expect("nobody panics");
        under_way.push(place);
        Ok(Begun::Run(Ticket(under_way.len() as u64 - 1)))
    }

    fn end(&self, ticket: Ticket, result: &EffectResult) {
        let place = self.under_way.lock().expect("nobody panics")[ticket.0 as usize].clone();
        self.kept.lock().expect("nobody panics").insert(place, result.clone());
    }
}

#[test]
fn a_kept_stream_is_repeated_chunk_by_chunk_without_its_server() {
    const PROGRAM: &str = r#"
agent A { model "claude-haiku-4-5" retry { max_attempts 2  backoff exponential(1ms, 2.0, 5ms) } }
fn main() {
    let a = spawn A;
    for chunk in a <~ "x" { write(f"[{chunk}]"); }
    let whole = await (a <~ "again");
    write(whole);
    try { for chunk in a <~ "bad" { write(chunk); } } catch e { write(e.kind); }
}
"#;
    let folder = Folder::new("streams-kept");
    let replies = folder.write(
        "replies.toml",
        "[[reply]]\nerror = \"overloaded\"\ntimes = 1\n[[reply]]\ncontains = \"bad\"\nerror = \"invalid_request\"\n[[reply]]\ntext = \"one two three four\"\nchunks = 4\n",
    );
    let module = crate::support::compiled(PROGRAM);
    let run = |url: String, tape: Arc<Tape>| {
        let log = Arc::new(Log::default());
        let agents = Agents::builder()
            .environment(move |name| match name {
                "ANTHROPIC_API_KEY" => Some("k".into()),
                "ANTHROPIC_BASE_URL" => Some(url.clone()),
                _ => None,
            })
            .build()
            .expect("agents are made");
        let grants = Grants::nothing(".").allow(Capability::Agent).build().expect("the folder is there");
        let runtime = Runtime::builder()
            .workers(1)
            .grants(grants)
            .agents(agents)
            .effects(tape)
            .natives(vega_stdlib::natives())
            .stdout(log.clone())
            .build()
            .expect("it starts");
        runtime.load(module.clone()).expect("it is loaded");
        assert!(matches!(runtime.run().outcome, Outcome::Finished(_)));
        log.0.lock().expect("nobody panics").clone()
    };
    let server = MockServer::start(&replies, &[]);
    let tape = Arc::new(Tape::default());
    let first = run(server.url.clone(), tape.clone());
    assert!(first.starts_with("[one ") && first.matches('[').count() == 4 && first.ends_with("ProviderError"), "{first}");
    let kept = tape.kept.lock().expect("nobody panics").clone();
    let url = server.url.clone();
    drop(server);
    let again = Arc::new(Tape { kept: Mutex::new(kept), replays: true, ..Tape::default() });
    assert_eq!(run(url, again), first);
}

#[test]
fn a_stalled_stream_is_a_timeout_and_signs_of_life_keep_it_going() {
    let folder = Folder::new("streams-stall");
    let program = folder.write("faulty.vega", FAULTY);
    let replies = folder.write(
        "replies.toml",
        "[[reply]]\ncontains = \"stall\"\ntext = \"one two three four\"\nchunks = 4\ncut_after_chunks = 2\ncut_with = \"stall\"\n[[reply]]\ncontains = \"patience\"\ntext = \"slow and steady\"\nchunks = 2\nlatency = \"5m\"\n",
    );
    let mut run = vega();
    run.arg("run").arg(program).args(["--offline", "--virtual-time", "--quiet", "--replies"]).arg(replies);
    let run = output(run.args(["--", "stall", "patience"]));
    let stalled = "one two t|stall: Timeout, after one two t\n".repeat(2);
    assert_eq!(stdout(&run), stalled + &"slow and steady|\n".repeat(2), "{}", stderr(&run));
}
