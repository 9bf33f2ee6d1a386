//! Cleanups that wait for something that never comes, on the clock of the system: what bounds them in virtual time does so here too.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use vega_net::client::SystemLookup;
use vega_runtime::capability::Grants;
use vega_runtime::limits::Limits;
use vega_runtime::output::Output;
use vega_runtime::runtime::Left;
use vega_runtime::{Outcome, Runtime};
use vega_stdlib::Web;

/// What a process has for its cleanups.
const TIME: Duration = Duration::from_millis(100);

const PROGRAM: &str = r#"
fn ends(way: str, url: str, main: process) {
    defer {
        match way {
            "sleeps" => process::sleep(1h),
            "waits for a server" => { http::get(url); },
            "waits for a command" => { exec("sleep 3600"); },
            _ => { receive { never: int => print(never) } }
        }
        send(main, way);
    }
    throw IoError("broken");
}

fn server() { loop { receive { Call { from, value } => reply(from, value) } } }

fn waits() { receive { never: int => print(never) } }

fn main(args: str[]) {
    let url = args[0];
    let ways = ["sleeps", "waits for a server", "waits for a command", "receives"];
    let child = spawn server() supervised by { strategy restart };
    let plain = spawn waits();
    for way in ways { process::monitor(spawn ends(way, url, process::self())); }
    for i in 0..ways.len() { receive { d: Down => print(d.reason), s: str => print(s, "came to its end") } }
    // The rest has seen nothing of it.
    print(process::call(child, "the child answers", timeout 1m), process::alive(plain));
}
"#;

/// What the program prints, and what it reports.
#[derive(Default)]
struct Written(Mutex<String>);

impl Output for Written {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
    }
}

impl Written {
    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[test]
fn what_waits_in_its_cleanups_is_killed_after_its_time_and_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    // Reads what comes until the other side hangs up, and never answers.
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("somebody connects");
        let mut request = Vec::new();
        let _ended_either_way = connection.read_to_end(&mut request);
        request
    });
    let mut grants = Grants::nothing(crate::support::root());
    let grants = grants.allow_host("127.0.0.1").allow_command("sleep *").build().expect("the grants are good");
    let (printed, reported) = (Arc::new(Written::default()), Arc::new(Written::default()));
    let runtime = Runtime::builder()
        .workers(2)
        .limits(Limits { shutdown_ms: TIME.as_millis() as u64, ..Limits::default() })
        .grants(grants)
        .natives(vega_stdlib::natives())
        .extension(Arc::new(Web::new(None, None, Arc::new(SystemLookup))))
        .stdout(printed.clone())
        .stderr(reported.clone())
        .arguments(vec![format!("http://{address}/")])
        .build()
        .expect("a runtime");
    runtime.load(crate::support::compiled(PROGRAM)).expect("the program is loaded");
    let began = Instant::now();
    let outcome = runtime.run().outcome;
    let (printed, reported) = (printed.text(), reported.text());
    assert_eq!(outcome, Outcome::Finished(0), "{printed}{reported}");
    assert_eq!(printed, "killed\nkilled\nkilled\nkilled\nthe child answers true\n", "{reported}");
    assert!(began.elapsed() >= TIME, "each had its time");
    let cut = "is killed at its end: LimitReached: cleanups: its `defer` and `finally` blocks took more than 100ms";
    assert_eq!(reported.matches(cut).count(), 4, "{reported}");
    // Where nobody came in time this one does, so that the test fails and does not hang.
    drop(TcpStream::connect(address));
    let request = server.join().expect("the server reads");
    assert!(request.starts_with(b"GET / "), "it was the server that it waited for");
    assert_eq!(runtime.shutdown().left, Left::default());
}
