//! Work that blocks has threads of its own for each kind: a resolver that never answers holds up neither files nor processes.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use vega_runtime::Runtime;
use vega_runtime::capability::Grants;
use vega_runtime::output::Output;
use vega_scheduler::Lane;

use crate::support::{SilentLookup, agents_behind};

/// How many calls wait for the resolver.
const CALLS: u64 = 1_000;
/// How many files are read meanwhile, and processes spawned.
const READS: u64 = 200;

const PROGRAM: &str = r#"
agent A { model "claude-haiku-5-5"  timeout 1h }
fn asks(a: A) { a <- "hello"; }
fn echo(main: process, n: int) { send(main, n); }
fn main() {
    let a = spawn A;
    for n in 0..1000 { spawn asks(a); }
    print("asks");
    let sum = 0;
    for n in 0..200 {
        sum += file::read("tests/main.rs").len();
        spawn echo(process::self(), n);
        receive { n: int => sum += n }
    }
    print("read");
    receive { never: int => print(never) }
}
"#;

/// Hands on what the program prints.
struct Lines(Mutex<Sender<String>>);

impl Output for Lines {
    fn write(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        let _nobody_listens = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(text);
    }
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv().expect("the program says something")
}

#[test]
fn a_resolver_that_never_answers_holds_up_neither_files_nor_processes() {
    let resolver = Arc::new(SilentLookup::default());
    let (sender, lines) = channel();
    let agents = agents_behind(resolver.clone());
    let mut grants = Grants::standard(crate::support::root());
    let grants = grants.allow(vega_bytecode::module::Capability::Agent).build().expect("the grants are good");
    let runtime = Runtime::builder()
        .workers(2)
        .grants(grants)
        .agents(agents.clone())
        .natives(vega_stdlib::natives())
        .stdout(Arc::new(Lines(Mutex::new(sender))))
        .build()
        .expect("a runtime");
    runtime.load(crate::support::compiled(PROGRAM)).expect("the program is loaded");
    let (said, statistics, in_flight) = std::thread::scope(|scope| {
        scope.spawn(|| runtime.run());
        let said = (next(&lines), next(&lines));
        // Main may be done before the last of them has had its turn; they come by themselves, whatever the resolver does.
        while agents.in_flight() < CALLS {
            std::thread::yield_now();
        }
        let facts = (said, runtime.statistics().scheduler, agents.in_flight());
        // Before anything is judged, so that the run ends whatever that comes to.
        resolver.release();
        runtime.handle().interrupt();
        runtime.handle().interrupt();
        facts
    });
    assert_eq!(said, ("asks".to_owned(), "read".to_owned()));
    let lane = |wanted: Lane| *statistics.lanes.iter().find(|lane| lane.lane == wanted).expect("every lane is there");
    assert!(lane(Lane::Files).finished >= READS, "{:?}", lane(Lane::Files));
    assert_eq!((lane(Lane::Dns).running, lane(Lane::Dns).finished), (1, 0), "one lookup for all, under way");
    assert_eq!(in_flight, CALLS, "every call waits");
    assert_eq!(runtime.shutdown().left, vega_runtime::runtime::Left::default());
}
