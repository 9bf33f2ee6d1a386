//! What an agent call costs in memory and CPU: on its own beside the `anthropic` package of Python, in flight over http and https, streaming,
//! left in the middle, and waiting in a queue.
//!
//! `benches/calls/run [overhead|in-flight|tls|streams|left|queued]…` runs the release `vega` against `vega mock-server` in another process and
//! prints the peak of resident memory and the CPU time of the client for each call, less what the same program needs for one call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "it is there for the tests, and this takes a part of it")]
#[path = "../tests/support.rs"]
mod support;

const VEGA: &str = env!("CARGO_BIN_EXE_vega");
/// Runs of each row of `overhead`, of which the median counts.
const ROUNDS: usize = 5;
/// Streams that are left in the middle.
const LEFT: usize = 500;

struct Cost {
    /// Peak of resident memory, in bytes.
    resident: f64,
    /// User and system time, in seconds.
    cpu: f64,
}

fn server(replies: &str, flags: &[&str]) -> (Child, String) {
    let mut command = Command::new(VEGA);
    command.args(["mock-server", "--port", "0", "--replies", replies]).args(flags);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says where it listens");
    let url = line.split_whitespace().find(|word| word.starts_with("http")).expect("an address").to_owned();
    (child, url)
}

fn vega(program: &str, count: usize, url: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(VEGA);
    command.args(["run", "--quiet", program]).args(flags).args(["--", &count.to_string()]);
    command.env("ANTHROPIC_API_KEY", "k").env("ANTHROPIC_BASE_URL", url).stdout(Stdio::null());
    command
}

fn run(program: &str, count: usize, url: &str, flags: &[&str]) -> Cost {
    cost_of(&mut vega(program, count, url, flags))
}

#[allow(clippy::zombie_processes, reason = "wait4 below waits for it: it also tells what the child used")]
fn cost_of(command: &mut Command) -> Cost {
    let child = command.spawn().expect("it starts");
    let mut status = 0;
    // SAFETY: zeroed is a valid rusage; both pointers live across the call; the child is ours and nobody else waits for it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let id = libc::pid_t::try_from(child.id()).expect("a process id fits");
        assert_eq!(libc::wait4(id, &mut status, 0, &mut usage), id);
        usage
    };
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{command:?} ended with {status}");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost { resident: usage.ru_maxrss as f64 * 1024.0, cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime) }
}

fn report(name: &str, program: &str, count: usize, url: &str, flags: &[&str]) {
    let base = run(program, 1, url, flags);
    let all = run(program, count, url, flags);
    let each = (count - 1) as f64;
    println!(
        "{name}: {count} calls, {:.1} KiB and {:.1} us CPU each",
        (all.resident - base.resident) / each / 1024.0,
        (all.cpu - base.cpu) / each * 1e6
    );
}

/// One row of `overhead`: a program, how many exchanges with the model it makes in each step, whether over TLS, and the goal in
/// microseconds of CPU for each exchange.
struct Row {
    name: &'static str,
    program: &'static str,
    exchanges: f64,
    tls: bool,
    traced: bool,
    goal: Option<f64>,
}

const ROWS: [Row; 6] = [
    Row { name: "plain", program: "plain", exchanges: 1.0, tls: false, traced: false, goal: Some(120.0) },
    Row { name: "with a tool, each round", program: "tool", exchanges: 2.0, tls: false, traced: false, goal: Some(150.0) },
    Row { name: "stream of 10 chunks", program: "stream", exchanges: 1.0, tls: false, traced: false, goal: None },
    Row { name: "plain, with `--trace`", program: "plain", exchanges: 1.0, tls: false, traced: true, goal: None },
    Row { name: "plain, TLS", program: "plain", exchanges: 1.0, tls: true, traced: false, goal: None },
    Row { name: "stream, TLS", program: "stream", exchanges: 1.0, tls: true, traced: false, goal: None },
];

/// CPU for each exchange of calls that are answered at once, beside the `anthropic` package where `VEGA_BENCH_PYTHON` has it.
fn overhead() {
    let authority = std::env::temp_dir().join(format!("vega-bench-ca-{}.pem", std::process::id()));
    let authority = authority.to_str().expect("the temporary folder has a plain name");
    let servers =
        [server("benches/calls/overhead.toml", &[]), server("benches/calls/overhead.toml", &["--tls", "--ca-out", authority])];
    let python = std::env::var("VEGA_BENCH_PYTHON").ok();
    println!("| each exchange | Vega, us CPU | goal | anthropic (Python), us CPU | ratio |\n|---|---:|---:|---:|---:|");
    for row in &ROWS {
        let url = &servers[usize::from(row.tls)].1;
        let program = format!("benches/calls/{}.vega", row.program);
        let mut flags = Vec::new();
        if row.tls {
            flags.extend(["--ca-file", authority]);
        }
        if row.traced {
            flags.extend(["--trace", "/dev/null"]);
        }
        let own = |count| cost_of(&mut vega(&program, count, url, &flags)).cpu;
        let theirs = |python: &str, count: usize| {
            let mut command = Command::new(python);
            command.args(["benches/calls/sdk.py", row.program, &count.to_string()]);
            command.env("ANTHROPIC_API_KEY", "k").env("ANTHROPIC_BASE_URL", url).env("SSL_CERT_FILE", authority);
            cost_of(&mut command).cpu
        };
        let (mut ours, mut sdk) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push((own(4_001) - own(1)) / 4_000.0);
            if let Some(python) = python.as_deref().filter(|_| !row.traced) {
                sdk.push((theirs(python, 301) - theirs(python, 1)) / 300.0);
            }
        }
        let each = |times: &mut Vec<f64>| median(times).map(|time| time * 1e6 / row.exchanges);
        let (ours, sdk) = (each(&mut ours).expect("there are rounds"), each(&mut sdk));
        let text = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.0}"));
        let ratio = sdk.map_or_else(|| "–".to_owned(), |sdk| format!("1 : {:.0}", sdk / ours));
        println!("| {} | {ours:.0} | {} | {} | {ratio} |", row.name, text(row.goal), text(sdk));
    }
    for (mut server, _) in servers {
        end(&mut server);
    }
}

/// The time from the sending of a second chunk to the server's seeing that the client is gone, which leaves after it.
fn left() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let mut client = vega("benches/calls/left.vega", LEFT, &url, &[]).spawn().expect("vega starts");
    let mut times: Vec<f64> = (0..LEFT).map(|_| seconds_until_left(&listener)).collect();
    assert!(client.wait().expect("it ends").success());
    let middle = median(&mut times).expect("there are streams");
    println!(
        "stream left after two chunks: {LEFT} times, the server sees the close after {:.2} ms (median), {:.2} ms (99 of 100), {:.2} ms (all)",
        middle * 1e3,
        times[LEFT * 99 / 100] * 1e3,
        times[LEFT - 1] * 1e3
    );
}

fn seconds_until_left(listener: &TcpListener) -> f64 {
    let mut socket = listener.accept().expect("a client comes").0;
    socket.set_nodelay(true).expect("it can be");
    let mut reader = BufReader::new(socket.try_clone().expect("it can be shared"));
    support::read_request(&mut reader).expect("all of it comes");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let begin = r#"{"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":10,"output_tokens":1}}}"#;
    let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let text = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"word "}}"#;
    let event = |data: &str| format!("{:x}\r\ndata: {data}\n\n\r\n", data.len() + 8);
    socket.write_all([head, &event(begin), &event(block), &event(text)].concat().as_bytes()).expect("the client reads");
    socket.write_all(event(text).as_bytes()).expect("the client reads");
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be");
    // A reset tells the same as an end.
    let ended = socket.read(&mut [0]);
    assert!(!matches!(ended, Ok(1)), "nothing more is asked on this connection");
    began.elapsed().as_secs_f64()
}

/// The middle of some values, which are sorted; none of nothing.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn end(server: &mut Child) {
    let _gone = server.kill();
    let _gone = server.wait();
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|own| own == name);
    if wants("overhead") {
        overhead();
    }
    if wants("left") {
        left();
    }
    if wants("in-flight") {
        let (mut server, url) = server("benches/calls/answers.toml", &[]);
        report("in flight, http", "benches/calls/in_flight.vega", 10_000, &url, &[]);
        end(&mut server);
    }
    if wants("tls") {
        let authority = std::env::temp_dir().join(format!("vega-bench-ca-{}.pem", std::process::id()));
        let authority = authority.to_str().expect("the temporary folder has a plain name");
        let (mut server, url) = server("benches/calls/answers.toml", &["--tls", "--ca-out", authority]);
        report("in flight, https", "benches/calls/in_flight.vega", 2_000, &url, &["--ca-file", authority]);
        end(&mut server);
    }
    if wants("streams") {
        let (mut server, url) = server("benches/streams/answers.toml", &[]);
        report("streams of 50 chunks", "benches/streams/at_once.vega", 2_000, &url, &[]);
        end(&mut server);
    }
    if wants("queued") {
        let (mut server, url) = server("benches/calls/at_once.toml", &[]);
        report("queued behind 4", "benches/calls/queued.vega", 100_000, &url, &[]);
        end(&mut server);
    }
}
