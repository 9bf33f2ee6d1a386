//! What an agent call costs in memory and CPU: in flight over http and https, streaming, and waiting in a queue.
//!
//! `cargo bench --bench calls [-- in-flight|tls|streams|queued]` runs the release `vega` against `vega mock-server` in another process and
//! prints the peak of resident memory and the CPU time of the client for each call, less what the same program needs for one call.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const VEGA: &str = env!("CARGO_BIN_EXE_vega");

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

#[allow(clippy::zombie_processes, reason = "wait4 below waits for it: it also tells what the child used")]
fn run(program: &str, count: usize, url: &str, flags: &[&str]) -> Cost {
    let child = Command::new(VEGA)
        .args(["run", "--quiet", program])
        .args(flags)
        .args(["--", &count.to_string()])
        .env("ANTHROPIC_API_KEY", "k")
        .env("ANTHROPIC_BASE_URL", url)
        .stdout(Stdio::null())
        .spawn()
        .expect("vega starts");
    let mut status = 0;
    // SAFETY: zeroed is a valid rusage; both pointers live across the call; the child is ours and nobody else waits for it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let id = libc::pid_t::try_from(child.id()).expect("a process id fits");
        assert_eq!(libc::wait4(id, &mut status, 0, &mut usage), id);
        usage
    };
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{program} with {count} calls ended with {status}");
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

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|own| own == name);
    if wants("in-flight") {
        let (mut server, url) = server("benches/calls/answers.toml", &[]);
        report("in flight, http", "benches/calls/in_flight.vega", 10_000, &url, &[]);
        let _gone = server.kill();
        let _gone = server.wait();
    }
    if wants("tls") {
        let authority = std::env::temp_dir().join(format!("vega-bench-ca-{}.pem", std::process::id()));
        let authority = authority.to_str().expect("the temporary folder has a plain name");
        let (mut server, url) = server("benches/calls/answers.toml", &["--tls", "--ca-out", authority]);
        report("in flight, https", "benches/calls/in_flight.vega", 2_000, &url, &["--ca-file", authority]);
        let _gone = server.kill();
        let _gone = server.wait();
    }
    if wants("streams") {
        let (mut server, url) = server("benches/streams/answers.toml", &[]);
        report("streams of 50 chunks", "benches/streams/at_once.vega", 2_000, &url, &[]);
        let _gone = server.kill();
        let _gone = server.wait();
    }
    if wants("queued") {
        let (mut server, url) = server("benches/calls/at_once.toml", &[]);
        report("queued behind 4", "benches/calls/queued.vega", 100_000, &url, &[]);
        let _gone = server.kill();
        let _gone = server.wait();
    }
}
