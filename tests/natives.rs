//! Signals to a process that is blocked in a native: the same happens as to one that sleeps.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::support::{Folder, vega};

const PROGRAM: &str = r#"
fn reads(main: process, traps: bool) {
    process::trap_exit(traps);
    defer { send(main, "deferred"); }
    io::read_line();
    receive { e: Exit => send(main, "trapped " + e.reason), after 0s => send(main, "read") }
}

fn blocked(traps: bool) -> process {
    let p = spawn reads(process::self(), traps);
    process::monitor(p);
    loop {
        if process::info(p)?.status == "native" { return p; }
        process::yield();
    }
}

fn links(p: process, main: process) {
    process::link(p);
    send(main, "linked");
    receive { reason: str => process::exit(reason) }
}

fn end_of(p: process) -> str {
    receive { d: Down if d.process == p => d.reason }
}

fn main() {
    let me = process::self();
    // A trapped signal is a message, and the native goes on.
    let traps = blocked(true);
    process::exit(traps, "enough");
    print("signalled", process::alive(traps));
    receive { s: str => print(s) }
    receive { s: str => print(s) }
    print(end_of(traps));

    let untouched = blocked(false);
    process::exit(untouched, "normal");
    print("normal", process::alive(untouched));
    process::exit(untouched, "enough");
    print(process::alive(untouched), end_of(untouched));

    let killed = blocked(true);
    process::kill(killed);
    print(process::alive(killed), end_of(killed));

    // A link that is made while it is blocked holds in both directions.
    let partner = blocked(false);
    let other = spawn links(partner, me);
    receive { "linked" => send(other, "boom") }
    print(end_of(partner));

    let leaves = blocked(false);
    let last = spawn links(leaves, me);
    process::monitor(last);
    receive { "linked" => process::kill(leaves) }
    print(end_of(leaves), end_of(last));

    // Asked to end in order, it is.
    let child = spawn reads(me, false) supervised by { strategy restart };
    process::monitor(child);
    process::stop(child);
    receive { d: Down => print(d.reason) }
    // Those that were ended ran nothing more.
    receive { s: str => print(s), after 0s => print("done") }
}
"#;

#[test]
fn a_process_in_a_native_hears_signals_as_one_that_sleeps() {
    let folder = Folder::new("natives");
    let program = folder.write("a.vega", PROGRAM);
    let mut command = vega();
    command.arg("run").arg(program).args(["--quiet", "--offline"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("the command starts");
    let mut input = running.stdin.take().expect("piped");
    let mut lines = BufReader::new(running.stdout.take().expect("piped")).lines().map(|line| line.expect("it is text"));
    assert_eq!(lines.next().as_deref(), Some("signalled true"));
    // The native returns only now, and what was trapped is there.
    input.write_all(b"a line\n").expect("it reads");
    let until_done: Vec<String> = lines.by_ref().take_while(|line| line != "done").collect();
    assert_eq!(
        until_done,
        [
            "trapped enough",
            "deferred",
            "normal",
            "normal true",
            "false enough",
            "false killed",
            "boom",
            "killed killed",
            "shutdown",
        ]
    );
    // The threads of the system that still read end with their input.
    drop(input);
    assert!(running.wait().expect("it ends").success());
}

const ROOM: &str = r#"
fn reads(main: process) {
    process::trap_exit(true);
    // Its mailbox is full by then, so it is told by a signal.
    receive { e: Exit => null }
    receive { n: int => null }
    io::read_line();
    for i in 0..11 { receive { n: int => null } }
    send(main, "all read");
}

fn sends(p: process, n: int, main: process) {
    send(p, n, timeout 10m);
    send(main, f"sent {n}");
}

fn until(p: process, status: str) {
    while process::info(p)?.status != status { process::yield(); }
}

fn main() {
    let me = process::self();
    let p = spawn reads(me);
    for n in 0..10 { send(p, n); }
    let first = spawn sends(p, 10, me);
    until(first, "waiting");
    process::exit(p, "begin");
    receive { s: str => print(s) }
    until(p, "native");
    let second = spawn sends(p, 11, me);
    until(second, "waiting");
    print("waits");
    receive { s: str => print(s) }
    receive { s: str => print(s) }
}
"#;

#[test]
fn who_waits_for_room_is_told_before_its_receiver_blocks_in_a_native() {
    let folder = Folder::new("natives-room");
    let program = folder.write("a.vega", ROOM);
    folder.write("vega.toml", "[limits]\nmailbox_messages = 10\n");
    let mut command = vega();
    command.arg("run").arg(program).args(["--quiet", "--offline"]).current_dir(folder.path());
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command starts");
    let mut input = running.stdin.take().expect("piped");
    let mut lines = BufReader::new(running.stdout.take().expect("piped")).lines().map(|line| line.expect("it is text"));
    assert_eq!(lines.next().as_deref(), Some("sent 10"));
    assert_eq!(lines.next().as_deref(), Some("waits"));
    input.write_all(b"a line\n").expect("it reads");
    let rest: Vec<String> = lines.collect();
    assert_eq!(rest, ["sent 11", "all read"]);
    drop(input);
    assert!(running.wait().expect("it ends").success());
}
