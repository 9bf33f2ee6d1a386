//! Outages as a user meets them: a model server that dies, a provider that is down, with real processes and sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::statistics::{nothing_is_left, statistics};
use crate::support::{Folder, MockServer, output, root, stderr, stdout};

/// Requests that a mock server has received, once they are at least so many.
fn requests_at(url: &str, at_least: usize) -> usize {
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).expect("the server listens");
    write!(socket, "GET /__requests?at_least={at_least} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the server answers");
    answer.matches("\"/v1/messages\"").count()
}

/// Sockets that a process has open.
fn sockets_of(process: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process lives");
    let links = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

const KILLED: &str = r#"
agent Worker {
    model "claude-haiku-5-5"
    system "You work."
    max_tokens 100
    retry { max_attempts 2  backoff exponential(1ms, 2.0, 5ms) }
}

fn ask(worker: Worker) -> str {
    try {
        return worker <- "go";
    } catch ProviderError(status, message) {
        return f"ProviderError {status}";
    } catch CircuitOpen {
        return "CircuitOpen";
    }
}

fn client(home: process, worker: Worker) {
    send(home, ask(worker));
}

fn main() {
    print("ready");
    io::read_line();
    session budget $5.00 {
        let worker = spawn Worker;
        for i in 0..20 {
            spawn client(process::self(), worker);
        }
        for i in 0..20 {
            receive { text: str => print(text) }
        }
        let rest = budget::limit() - budget::used() - budget::remaining();
        print("reserved", rest < 0.000001 && rest > -0.000001);
        print("done");
    }
    io::read_line();
}
"#;

#[test]
fn a_model_server_that_is_killed_leaves_errors_and_nothing_else() {
    let folder = Folder::new("killed");
    let program = folder.write("killed.vega", KILLED);
    let replies = folder.write("replies.toml", "[[reply]]\ntext = \"never\"\nlatency = \"1h\"\n");
    let trace = folder.path().join("trace.jsonl");
    let mut server = MockServer::start(&replies, &[]);
    let mut command = server.run(&program);
    command.args(["--quiet", "--stats=json", "--trace"]).arg(&trace);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("it says something").expect("text");
    assert_eq!(line(), "ready");
    let before = sockets_of(child.id());
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"\n").expect("it reads");
    assert_eq!(requests_at(&server.url, 20), 20);
    server.kill();
    let mut said: Vec<String> = Vec::new();
    while said.last().is_none_or(|line| line != "done") {
        said.push(line());
    }
    assert_eq!(said.len(), 22, "{said:?}");
    assert!(said[..20].iter().all(|line| line == "ProviderError 0" || line == "CircuitOpen"), "{said:?}");
    assert_eq!(said[20], "reserved true");
    assert_eq!(sockets_of(child.id()), before, "every connection is closed");
    drop(input);
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    nothing_is_left(&statistics(&stderr(&ended)));
    let text = std::fs::read_to_string(trace).expect("the trace is written");
    let count = |kind: &str| text.matches(&format!("\"kind\":\"{kind}\"")).count();
    assert_eq!((count("invocation"), count("restart")), (20, 0), "nothing crashed");
    assert!(count("model_call") <= 40, "at most two attempts each: {}", count("model_call"));
}

const OUTAGE: &str = r#"
agent Coder { model "claude-haiku-5-5" system "You code." retry { max_attempts 3  backoff exponential(1ms, 2.0, 5ms) } }

fn step(coder: Coder, home: process) {
    try {
        coder <- "work";
    } catch Overloaded {
        send(home, "no room");
    }
    process::sleep(1h);
}

fn main() {
    let coder = spawn Coder supervised by { strategy restart  max_restarts 1  window 1m };
    let worker = spawn step(coder, process::self()) supervised by { strategy restart  max_restarts 1  window 1m };
    receive { text: str => print(text) }
    try {
        print(coder <- "more");
    } catch AgentFailed(reason) {
        print("caught: " + reason);
    }
    print(process::alive(process::of(coder)), process::alive(worker));
    try {
        print(coder <- "again");
    } catch AgentFailed(reason) {
        print("caught again");
    }
}
"#;

#[test]
fn an_outage_is_caught_and_crashes_nobody() {
    let folder = Folder::new("outage");
    let program = folder.write("outage.vega", OUTAGE);
    let replies = folder.write("replies.toml", "[[reply]]\nerror = \"overloaded\"\n");
    let trace = folder.path().join("trace.jsonl");
    let server = MockServer::start(&replies, &[]);
    let run = output(server.run(&program).args(["--quiet", "--stats=json", "--trace"]).arg(&trace));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(stdout(&run), "no room\ncaught: Overloaded (scripted) (529)\ntrue true\ncaught again\n");
    let text = std::fs::read_to_string(trace).expect("the trace is written");
    let calls: Vec<&str> = text.lines().filter(|line| line.contains("\"kind\":\"model_call\"")).collect();
    assert_eq!(calls.len(), 9, "three attempts for each of three calls");
    assert!(calls.iter().all(|call| call.contains("\"cost_usd\":0.0,")), "an answered error costs nothing: {calls:?}");
    assert!(!text.contains("\"kind\":\"restart\""), "no restart is counted");
    assert_eq!(requests_at(&server.url, 9), 9);
    nothing_is_left(&statistics(&stderr(&run)));
}

#[test]
fn the_first_program_with_errors_runs_over_http_as_it_is_written() {
    let first = root().join("tests/language/seed");
    let read = |name: &str| std::fs::read_to_string(first.join(name)).expect("the program is there");
    let folder = Folder::new("errors-http");
    let text = read("errors.before.vega") + &read("errors.block.vega") + &read("errors.after.vega");
    let program = folder.write("errors.vega", text);
    // Over HTTP an agent without instructions is known by its model.
    let replies = read("errors.replies.toml")
        .replace("agent = \"Coder\"", "model = \"claude-haiku-5-5\"")
        .replace("agent = \"FlakeyService\"", "model = \"claude-sonnet-5-5\"");
    let replies = folder.write("replies.toml", replies);
    let server = MockServer::start(&replies, &[]);
    let run = output(server.run(&program).arg("--quiet"));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(stdout(&run), read("errors.expect"));
    assert_eq!(requests_at(&server.url, 4), 4, "three attempts, and one that is answered");
}
