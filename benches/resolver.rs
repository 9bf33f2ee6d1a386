//! Whether a resolver that never answers, with a thousand calls waiting for it, slows down what has nothing to do with it: reading files and
//! spawning processes. `cargo bench --bench resolver` prints the time by the clock and the CPU time of each, without and with such
//! a resolver, in turns; medians of [`ROUNDS`].

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use vega_runtime::Runtime;
use vega_runtime::capability::Grants;
use vega_runtime::output::Output;

#[allow(dead_code, reason = "it is there for the tests, and this takes a part of it")]
#[path = "../tests/support.rs"]
mod support;

use support::{SilentLookup, agents_behind, compiled};

const ROUNDS: usize = 7;
/// Calls that wait for the resolver.
const CALLS: u64 = 1_000;
/// Files that are read, then processes that are spawned.
const READS: usize = 20_000;
const SPAWNS: usize = 300_000;

const PROGRAM: &str = r#"
agent A { model "claude-haiku-5-5"  timeout 1h }
fn asks(a: A) { a <- "hello"; }
fn echo(main: process, n: int) { send(main, n); }
fn main(args: str[]) {
    let a = spawn A;
    for n in 0..(parse_int(args[0]) ?? 0) { spawn asks(a); }
    print("waiting");
    receive { "never" => {}, after 2s => {} }
    print("begin");
    let sum = 0;
    for n in 0..(parse_int(args[1]) ?? 0) { sum += file::read("Cargo.toml").len(); }
    print("read");
    for n in 0..(parse_int(args[2]) ?? 0) {
        spawn echo(process::self(), n);
        receive { n: int => sum += n }
    }
    print("spawned");
    receive { "never" => print(sum) }
}
"#;

/// Hands on what the program prints, with the moment.
struct Lines(Mutex<Sender<(String, Moment)>>);

impl Output for Lines {
    fn write(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        let _nobody_listens = self.0.lock().unwrap_or_else(PoisonError::into_inner).send((text, Moment::now()));
    }
}

#[derive(Clone, Copy)]
struct Moment {
    clock: Instant,
    /// CPU time of this system process, in seconds.
    cpu: f64,
}

impl Moment {
    fn now() -> Moment {
        // SAFETY: zeroed is a valid rusage, and the pointer lives across the call.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_SELF, &mut usage);
            usage
        };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Moment { clock: Instant::now(), cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime) }
    }

    /// Microseconds by the clock and of CPU time, for each of so many.
    fn each_since(self, earlier: Moment, count: usize) -> [f64; 2] {
        [self.clock.duration_since(earlier.clock).as_secs_f64(), self.cpu - earlier.cpu].map(|time| time * 1e6 / count as f64)
    }
}

fn reach(lines: &Receiver<(String, Moment)>, wanted: &str) -> Moment {
    loop {
        let (said, moment) = lines.recv().expect("the program says something");
        if said == wanted {
            return moment;
        }
    }
}

/// What one read and one spawn cost while so many calls wait.
fn measure(calls: u64) -> [[f64; 2]; 2] {
    let resolver = Arc::new(SilentLookup::default());
    let (sender, lines) = channel();
    let agents = agents_behind(resolver.clone());
    let grants = Grants::standard(env!("CARGO_MANIFEST_DIR")).build().expect("the grants are good");
    let runtime = Runtime::builder()
        .workers(2)
        .grants(grants)
        .agents(agents.clone())
        .natives(vega_stdlib::natives())
        .arguments(vec![calls.to_string(), READS.to_string(), SPAWNS.to_string()])
        .stdout(Arc::new(Lines(Mutex::new(sender))))
        .build()
        .expect("a runtime");
    runtime.load(compiled(PROGRAM)).expect("the program is loaded");
    let costs = std::thread::scope(|scope| {
        scope.spawn(|| runtime.run());
        let begin = reach(&lines, "begin");
        assert_eq!(agents.in_flight(), calls, "every call waits for the resolver");
        let read = reach(&lines, "read");
        let spawned = reach(&lines, "spawned");
        assert_eq!(agents.in_flight(), calls, "they wait still");
        resolver.release();
        runtime.handle().interrupt();
        runtime.handle().interrupt();
        [read.each_since(begin, READS), spawned.each_since(read, SPAWNS)]
    });
    drop(runtime.shutdown());
    costs
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (measure(0), measure(CALLS))).collect();
    println!("{:42}{:>12}{:>20}{:>8}", "microseconds for each", "no calls", "1,000 calls wait", "ratio");
    for (index, what) in ["reading a file", "spawning a process and hearing from it"].into_iter().enumerate() {
        for (kind, clock) in ["by the clock", "CPU"].into_iter().enumerate() {
            let without = median(rounds.iter().map(|(without, _)| without[index][kind]).collect());
            let with = median(rounds.iter().map(|(_, with)| with[index][kind]).collect());
            println!("{:42}{without:>12.2}{with:>20.2}{:>8.2}", format!("{what}, {clock}"), with / without);
        }
    }
}
