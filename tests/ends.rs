//! How programs end: by themselves, by signals, and with what is under way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Folder, output, read_request, run, stderr, stdout, vega};

/// Children that say when they stop, in a declared supervisor and beside it.
const CHILDREN: &str = r#"
fn child(main: process, name: str) {
    process::trap_exit(true);
    send(main, "ready");
    receive { e: Exit => print(name + " stops: " + e.reason) }
}
supervisor Team(main: process) {
    child inner_first = child(main, "inner first")
    child inner_last = child(main, "inner last")
}
fn begin() {
    let me = process::self();
    spawn child(me, "first") supervised by { strategy restart };
    spawn Team(me);
    spawn child(me, "last") supervised by { strategy restart };
    for i in 0..4 { receive { s: str => null } }
}
"#;

const STOPS: [&str; 4] =
    ["last stops: shutdown", "inner last stops: shutdown", "inner first stops: shutdown", "first stops: shutdown"];

/// A running `vega`, with its standard output line by line.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Running { child, lines }
    }

    fn next_line(&mut self) -> String {
        self.lines.next().expect("there is another line").expect("it is text")
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("`kill` can be run");
        assert!(sent.success(), "the process is there");
    }

    /// Waits for a line on standard error that contains the text.
    fn wait_for_error(&mut self, text: &str) {
        let mut errors = BufReader::new(self.child.stderr.as_mut().expect("piped"));
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(errors.read_line(&mut line).expect("it is text") > 0, "standard error ends without {text:?}");
        }
    }

    /// The lines that are left, and how it ended.
    fn end(mut self) -> (Vec<String>, ExitStatus) {
        let lines = self.lines.map(|line| line.expect("it is text")).collect();
        let mut errors = String::new();
        if let Some(mut stream) = self.child.stderr.take() {
            let _unread = stream.read_to_string(&mut errors);
        }
        (lines, self.child.wait().expect("it ends"))
    }
}

/// A model that answers when the test says so.
struct Model(TcpListener);

/// A call that a model has taken and not answered.
struct Call(TcpStream);

impl Model {
    fn listen() -> Model {
        Model(TcpListener::bind("127.0.0.1:0").expect("there is a free port"))
    }

    /// A program that asks this model.
    fn run(&self, folder: &Folder, program: &str) -> Command {
        let address = self.0.local_addr().expect("it listens");
        let mut command = vega();
        command.arg("run").arg(folder.write("a.vega", program)).arg("--quiet");
        command.env("ANTHROPIC_API_KEY", "test-key-123").env("ANTHROPIC_BASE_URL", format!("http://{address}"));
        command
    }

    /// The next call, once all of it has arrived.
    fn next_call(&self) -> Call {
        let (stream, _) = self.0.accept().expect("the program connects");
        let mut request = BufReader::new(&stream);
        read_request(&mut request).expect("all of it arrives");
        Call(stream)
    }
}

impl Call {
    fn answer(mut self, text: &str) {
        let body = format!(
            r#"{{"type":"message","role":"assistant","model":"claude-haiku-5-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","usage":{{"input_tokens":5,"output_tokens":1}}}}"#
        );
        write!(self.0, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .expect("the program reads");
    }
}

#[test]
fn at_the_end_of_main_the_tree_stops_in_reverse_and_the_status_is_mains() {
    let folder = Folder::new("end");
    let program = format!(
        "{CHILDREN}fn loops() {{ loop {{ process::yield(); }} }}\nfn main() -> int {{ begin(); spawn loops(); return 7; }}"
    );
    let run = output(&mut run(&folder, &program));
    assert_eq!(stdout(&run).lines().collect::<Vec<_>>(), STOPS);
    assert_eq!(run.status.code(), Some(7), "{}", stderr(&run));
}

#[test]
fn the_tree_is_drawn_where_that_is_asked_for() {
    let folder = Folder::new("tree");
    let program = format!("{CHILDREN}fn main() {{ begin(); }}");
    let run = output(run(&folder, &program).arg("--tree"));
    let error = stderr(&run);
    let lines: Vec<&str> = error.lines().collect();
    assert!(matches!(lines[..], [_, _, _, _, _, _, _]), "{error}");
    for (line, part) in lines.iter().zip([
        "root",
        "└─ main ",
        "   ├─ child ",
        "   ├─ Team ",
        "   │  ├─ inner_first: child ",
        "   │  └─ inner_last: child ",
        "   └─ child ",
    ]) {
        assert!(line.starts_with(part), "{error}");
    }
}

#[test]
fn the_first_signal_stops_the_tree_in_reverse() {
    for (name, status) in [("TERM", 143), ("INT", 130)] {
        let folder = Folder::new(&format!("first-{name}"));
        let program = format!("{CHILDREN}fn main() {{ begin(); print(\"waits\"); process::sleep(1h); }}");
        let mut running = Running::start(&mut run(&folder, &program));
        assert_eq!(running.next_line(), "waits");
        running.signal(name);
        let (lines, ended) = running.end();
        assert_eq!((lines, ended.code()), (STOPS.map(str::to_owned).to_vec(), Some(status)), "after {name}");
    }
}

const ASKS: &str = r#"
agent A { model "claude-haiku-5-5"  timeout 10m }
fn main() {
    let a = spawn A;
    print("asks");
    let reply = a <- "slow";
    // Much longer than a turn on a worker.
    let sum = 0;
    for i in 0..300_000 { sum += i; }
    print(reply);
    try { print(a <- "slow"); } catch e { print("no new call: " + e.kind); }
    process::sleep(1h);
}
"#;

/// Replies that go through a process, a call of a process and a future before somebody prints them.
const PASSES_ON: &str = r#"
agent A { model "claude-haiku-5-5"  timeout 10m }
fn works() { let sum = 0; for i in 0..300_000 { sum += i; } }
fn sends(a: A, to: process) {
    let text = a <- "sent";
    works();
    send(to, text);
}
fn replies(a: A) {
    receive { c: Call => { let text = a <- "replied"; works(); reply(c.from, text); } }
}
fn computes(a: A) -> str {
    let text = a <- "awaited";
    works();
    return text;
}
fn awaits(a: A) {
    let future = async computes(a);
    let text = await future;
    works();
    print("awaited " + text);
}
fn calls(a: A) {
    let answer = process::call(spawn replies(a), 1, timeout 1h);
    works();
    print("replied " + str(answer));
}
fn main() {
    let a = spawn A;
    print("asks");
    spawn sends(a, process::self());
    spawn awaits(a);
    spawn calls(a);
    receive { text: str => { works(); print("sent " + text); } }
    process::sleep(1h);
}
"#;

#[test]
fn after_the_first_signal_a_call_under_way_may_finish_and_none_begins() {
    let folder = Folder::new("drain");
    let model = Model::listen();
    let trace = folder.path().join("trace.jsonl");
    let mut running = Running::start(model.run(&folder, ASKS).args(["--drain", "60s", "--trace"]).arg(&trace));
    assert_eq!(running.next_line(), "asks");
    let call = model.next_call();
    running.signal("INT");
    running.wait_for_error("interrupted");
    call.answer("done");
    let (lines, ended) = running.end();
    // Whoever has a reply does what it does with it, until it waits for something else.
    assert_eq!((lines, ended.code()), (vec!["done".to_owned(), "no new call: Cancelled".to_owned()], Some(130)));
    let records = std::fs::read_to_string(&trace).expect("the trace is written");
    let calls: Vec<&str> = records.lines().filter(|line| line.contains(r#""kind":"model_call""#)).collect();
    assert!(matches!(calls[..], [call] if call.contains(r#""status":"ok""#)), "{records}");
}

#[test]
fn what_follows_from_a_reply_comes_before_the_end() {
    let folder = Folder::new("passes-on");
    let model = Model::listen();
    let mut running = Running::start(model.run(&folder, PASSES_ON).args(["--drain", "60s"]));
    assert_eq!(running.next_line(), "asks");
    let calls: Vec<Call> = (0..3).map(|_| model.next_call()).collect();
    running.signal("TERM");
    running.wait_for_error("interrupted");
    for call in calls {
        call.answer("done");
    }
    let (mut lines, ended) = running.end();
    lines.sort();
    assert_eq!((lines.join(", ").as_str(), ended.code()), ("awaited done, replied done, sent done", Some(143)));
}

#[test]
fn a_closed_terminal_is_a_signal_like_the_others() {
    let folder = Folder::new("hangup");
    let model = Model::listen();
    let mut command = model.run(&folder, ASKS);
    // Whoever runs the tests may ignore the signal.
    // SAFETY: between fork and exec only one system call is made; it neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| match libc::signal(libc::SIGHUP, libc::SIG_DFL) {
            libc::SIG_ERR => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut running = Running::start(command.args(["--drain", "60s"]));
    assert_eq!(running.next_line(), "asks");
    let call = model.next_call();
    running.signal("HUP");
    running.wait_for_error("interrupted");
    // Shell and kernel both tell of it, and it is one event.
    for _ in 0..3 {
        running.signal("HUP");
    }
    call.answer("done");
    let (lines, ended) = running.end();
    assert_eq!((lines, ended.code()), (vec!["done".to_owned(), "no new call: Cancelled".to_owned()], Some(129)));
}

#[test]
fn a_closed_terminal_is_ignored_where_whoever_starts_the_program_ignores_it() {
    let folder = Folder::new("nohup");
    let model = Model::listen();
    let inner = model.run(&folder, ASKS);
    // What `nohup` does, without the redirections.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut running = Running::start(command.args(["--drain", "60s"]));
    assert_eq!(running.next_line(), "asks");
    let call = model.next_call();
    running.signal("HUP");
    call.answer("done");
    assert_eq!(running.next_line(), "done");
    let call = model.next_call();
    // The first signal, not the second: the call may finish.
    running.signal("TERM");
    running.wait_for_error("interrupted");
    call.answer("done again");
    let (lines, ended) = running.end();
    assert_eq!((lines, ended.code()), (vec!["done again".to_owned()], Some(143)));
}

#[test]
fn after_the_drain_time_a_call_is_cancelled() {
    let folder = Folder::new("drained");
    let model = Model::listen();
    let mut running = Running::start(model.run(&folder, ASKS).args(["--drain", "200ms"]));
    assert_eq!(running.next_line(), "asks");
    let _unanswered = model.next_call();
    running.signal("INT");
    let (lines, ended) = running.end();
    assert_eq!((lines, ended.code()), (Vec::new(), Some(130)));
}

#[test]
fn a_signal_while_the_tree_stops_changes_nothing_and_a_second_one_cuts_it_short() {
    let program = "fn stubborn(main: process) { process::trap_exit(true); send(main, \"ready\"); receive { e: Exit => print(\"told\") }\n\
             receive { s: str => null, after 1s => print(\"stopped\") } }\n\
         fn main() -> int { spawn stubborn(process::self()) supervised by { strategy restart }; receive { s: str => null } return 7; }";
    for (signals, said, status) in [(1, "stopped", 7), (2, "", 143)] {
        let folder = Folder::new(&format!("while-stopping-{signals}"));
        let mut running = Running::start(&mut run(&folder, &program.replace("1s", if signals == 1 { "1s" } else { "1h" })));
        assert_eq!(running.next_line(), "told");
        running.signal("TERM");
        running.wait_for_error("interrupted");
        if signals == 2 {
            running.signal("TERM");
        }
        let (lines, ended) = running.end();
        assert_eq!((lines.join(" ").as_str(), ended.code()), (said, Some(status)));
    }
}

#[test]
fn the_second_signal_cancels_calls_at_once() {
    let folder = Folder::new("second");
    let model = Model::listen();
    let mut running = Running::start(model.run(&folder, ASKS).args(["--drain", "5m"]));
    assert_eq!(running.next_line(), "asks");
    let _unanswered = model.next_call();
    let before = Instant::now();
    running.signal("TERM");
    running.wait_for_error("interrupted");
    running.signal("TERM");
    let (lines, ended) = running.end();
    assert_eq!((lines, ended.code()), (Vec::new(), Some(143)));
    assert!(before.elapsed() < Duration::from_secs(60), "nobody waited for the answer");
}

#[test]
fn nothing_is_left_of_what_signals_cancel() {
    let folder = Folder::new("left");
    let model = Model::listen();
    let mut running = Running::start(model.run(&folder, ASKS).args(["--drain", "5m", "--stats=json"]));
    assert_eq!(running.next_line(), "asks");
    let _unanswered = model.next_call();
    running.signal("INT");
    running.wait_for_error("interrupted");
    running.signal("INT");
    running.wait_for_error(
        r#""left":{"processes":0,"stacks":0,"bytes":0,"timers":0,"calls":0,"reserved_pico":0,"sockets":0,"threads":0}"#,
    );
    assert_eq!(running.end().1.code(), Some(130));
}

#[test]
fn a_second_signal_does_not_wait_for_a_child_that_does_not_stop() {
    let folder = Folder::new("stubborn");
    let program = "fn stubborn(main: process) { process::trap_exit(true); send(main, \"ready\"); loop { receive { e: Exit => print(e.reason) } } }\n\
         fn main() { spawn stubborn(process::self()) supervised by { strategy restart }; receive { s: str => print(s) } process::sleep(1h); }";
    let mut running = Running::start(&mut run(&folder, program));
    assert_eq!(running.next_line(), "ready");
    running.signal("TERM");
    assert_eq!(running.next_line(), "shutdown");
    let before = Instant::now();
    running.signal("TERM");
    let (_, ended) = running.end();
    assert_eq!(ended.code(), Some(143));
    assert!(before.elapsed() < Duration::from_secs(4), "it was not given its five seconds");
}

#[test]
fn the_third_signal_ends_at_once() {
    let folder = Folder::new("third");
    let program = "fn main() { print(\"reads\"); print(io::read_line()); }";
    let mut command = run(&folder, program);
    // Reading from a terminal that says nothing keeps a thread of the system busy that nobody can stop.
    let mut running = Running::start(command.stdin(Stdio::piped()));
    assert_eq!(running.next_line(), "reads");
    let mut sent = 0;
    // Signals that come before the last one was looked at count as one with it.
    while running.child.try_wait().expect("it is a child").is_none() {
        let id = running.child.id().to_string();
        let _gone_meanwhile = Command::new("kill").args(["-TERM", &id]).stderr(Stdio::null()).status();
        sent += 1;
        assert!(sent < 10_000, "it does not end");
    }
    let (_, ended) = running.end();
    assert_eq!(ended.code(), Some(143));
}
