//! `vega run --stats`: what was done is counted, and nothing is left at the end.

use serde_json::Value;

use crate::support::{Folder, output, stderr, stdout, vega};

const PROGRAM: &str = r#"
agent A { model "claude-haiku-5-5" }
fn sleeps(main: process, n: int) {
    process::sleep(1ms * (n % 3));
    send(main, n);
}
fn waits() { receive { never: int => print(never) } }
fn crashes() { throw IoError("broken"); }
fn main() {
    let a = spawn A;
    let me = process::self();
    for n in 0..100 { spawn sleeps(me, n); }
    for n in 0..100 { receive { n: int => null } }
    spawn waits();
    spawn waits() supervised by { strategy restart };
    spawn crashes() supervised by { strategy stop };
    receive { d: ChildDown => print(a <- "hello") }
    print(file::read("a.txt"));
}
"#;

/// The line of JSON on standard error.
pub(crate) fn statistics(error: &str) -> Value {
    let line = error.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON in {error}"));
    serde_json::from_str(line).expect("the line is JSON")
}

fn run(folder: &Folder, flags: &[&str]) -> std::process::Output {
    let program = folder.write("a.vega", PROGRAM);
    folder.write("a.txt", "text");
    output(vega().arg("run").arg(program).args(["--offline", "--quiet"]).args(flags).current_dir(folder.path()))
}

fn sum(workers: &Value, key: &str) -> u64 {
    workers.as_array().expect("a list of workers").iter().map(|worker| worker[key].as_u64().expect("a number")).sum()
}

#[test]
fn the_work_of_a_run_is_counted_and_nothing_is_left() {
    let folder = Folder::new("statistics");
    let run = run(&folder, &["--stats=json", "--workers", "2"]);
    assert!(run.status.success() && stdout(&run).ends_with("text\n"), "{}", stderr(&run));
    let statistics = statistics(&stderr(&run));
    // The first process, a hundred, three more, the agent and its call, and the supervisor of main's children.
    assert_eq!(statistics["processes"]["started"], 107, "{statistics}");
    assert_eq!(statistics["processes"]["with_the_run"], 1, "the plain process that waits: {statistics}");
    let workers = &statistics["workers"];
    assert_eq!(workers.as_array().map(Vec::len), Some(2));
    assert!(sum(workers, "slices") >= 150 && sum(workers, "reductions") >= 300 && sum(workers, "timers") >= 60, "{workers}");
    for worker in workers.as_array().expect("a list") {
        assert_eq!(worker["slice_ns"]["count"], worker["slices"], "every slice is recorded");
        assert_eq!(worker["queue"]["count"], worker["slices"]);
    }
    assert!(statistics["wait_ns"]["count"].as_u64().is_some_and(|count| count > 0), "{statistics}");
    assert!(statistics["wait_ns"]["max"].as_u64().is_some_and(|nanos| nanos > 100), "{statistics}");
    let files = statistics["lanes"].as_array().and_then(|lanes| lanes.iter().find(|lane| lane["lane"] == "files"));
    assert!(files.is_some_and(|lane| lane["finished"].as_u64() >= Some(1)), "{statistics}");
    nothing_is_left(&statistics);
}

pub(crate) fn nothing_is_left(statistics: &Value) {
    let left = statistics["left"].as_object().expect("what is left has names");
    assert!(left.len() == 8 && left.values().all(|count| count == 0), "{statistics}");
}

#[test]
fn for_people_there_is_a_table() {
    let folder = Folder::new("statistics-text");
    let run = run(&folder, &["--stats", "--workers", "1"]);
    let error = stderr(&run);
    for part in [
        "processes: 107 started, 106 ended by themselves, 1 with the run\n",
        "worker 0: ",
        "  slice   p50 ",
        "  queue   p50 ",
        "from runnable to running: p50 ",
        "lane files: ",
        "left at the end: 0 processes, 0 stacks, 0 bytes, 0 timers, 0 calls, 0 reserved_pico, 0 sockets, 0 threads\n",
    ] {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
    let quiet = stderr(&self::run(&folder, &[]));
    assert!(!quiet.contains("worker 0"), "nobody asked: {quiet}");
}

/// One sender waits ten seconds of virtual time in vain, one for five seconds and then has room.
const PATIENT: &str = r#"
fn slow() { process::sleep(5s); receive { n: int => null } process::sleep(10s); }
fn waits(p: process) { try { send(p, 10, timeout 10s); } catch MailboxFull { print("full"); } }
fn main() {
    let p = spawn slow();
    for n in 0..10 { send(p, n); }
    process::monitor(spawn waits(p));
    process::monitor(spawn waits(p));
    for i in 0..2 { receive { d: Down => null } }
}
"#;

#[test]
fn who_waits_for_room_sleeps_until_there_is_some() {
    let folder = Folder::new("statistics-room");
    let program = folder.write("a.vega", PATIENT);
    folder.write("vega.toml", "[limits]\nmailbox_messages = 10\n");
    let mut command = vega();
    command.arg("run").arg(program).args(["--offline", "--quiet", "--virtual-time", "--stats=json"]).current_dir(folder.path());
    let run = output(&mut command);
    assert_eq!(stdout(&run), "full\n", "{}", stderr(&run));
    let statistics = statistics(&stderr(&run));
    let workers = &statistics["workers"];
    assert!(sum(workers, "timers") <= 4 && sum(workers, "slices") <= 24, "somebody looks again and again: {workers}");
    nothing_is_left(&statistics);
}
