//! The way to a provider through a proxy, and authorities of one's own, with real processes and sockets.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use vega_agent::mock_server;
use vega_agent::script::Script;
use vega_net::authority;
use vega_net::server::{Server, ServerSettings};

use crate::statistics::{nothing_is_left, statistics};
use crate::support::{Folder, output, stderr, stdout, vega};

/// A name that only the proxy can reach.
const HOST: &str = "models.test";
const PASSWORD: &str = "horse-battery-4711";

const PROGRAM: &str = r#"
agent A { model "claude-haiku-5-5" system "You are A." retry { max_attempts 1 } }
fn main() {
    let a = spawn A;
    try { print("answer: " + (a <- "x")); } catch e { print(f"{e.kind}: {e.message}"); }
    try {
        for chunk in a <~ "x" { write(chunk); }
        print("");
    } catch e { print(f"{e.kind}: {e.message}"); }
}
"#;

/// A proxy that opens tunnels to one server, whatever name they are asked for.
struct Proxy {
    address: SocketAddr,
    /// The heads of what it was asked.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// With a value of `Proxy-Authorization` that it wants, if it wants one.
    fn start(server: SocketAddr, wanted: Option<&'static str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
        let address = listener.local_addr().expect("it listens");
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heads = Arc::clone(&heads);
                std::thread::spawn(move || tunnel(client, server, wanted, &heads));
            }
        });
        Proxy { address, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics").clone()
    }
}

fn tunnel(mut client: TcpStream, server: SocketAddr, wanted: Option<&str>, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().expect("it can be shared"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let allowed = wanted.is_none_or(|wanted| head.contains(&format!("Proxy-Authorization: {wanted}\r\n")));
    heads.lock().expect("nobody panics").push(head);
    if !allowed {
        let _gone = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n");
        return;
    }
    let mut server = TcpStream::connect(server).expect("the server listens");
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").expect("the client reads");
    let (mut from, mut to) = (server.try_clone().expect("it can be shared"), client.try_clone().expect("it can be shared"));
    std::thread::spawn(move || {
        let _broken = std::io::copy(&mut from, &mut to);
        let _gone = to.shutdown(std::net::Shutdown::Both);
    });
    let _broken = std::io::copy(&mut reader, &mut server);
    let _gone = server.shutdown(std::net::Shutdown::Both);
}

/// A server of models under TLS with a certificate for [`HOST`], and the file of its authority.
struct Setting {
    folder: Folder,
    server: Server,
    authority: PathBuf,
}

impl Setting {
    fn new(name: &str) -> Setting {
        let folder = Folder::new(name);
        folder.write("main.vega", PROGRAM);
        let made = authority::make(&[HOST, "127.0.0.1"]).expect("it can be made");
        let authority = folder.write("ca.pem", &made.certificate_pem);
        let settings = ServerSettings { address: SocketAddr::from(([127, 0, 0, 1], 0)), tls: Some(made.server), workers: 1 };
        let script = Script::parse("[[reply]]\ntext = \"all is well\"\n").expect("it is a script");
        let server = mock_server::start(script, settings).expect("it listens");
        Setting { folder, server, authority }
    }

    fn run(&self, variables: &[(&str, &str)], ca: Option<&str>) -> Output {
        let mut command = vega();
        command.arg("run").arg(self.folder.path().join("main.vega")).args(["--quiet", "--stats=json", "--trace"]);
        command.arg(self.folder.path().join("trace.jsonl"));
        if let Some(ca) = ca {
            command.args(["--ca-file", ca]);
        }
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.env("ANTHROPIC_API_KEY", "k-1").env("ANTHROPIC_BASE_URL", format!("https://{HOST}")).env("VEGA_LOG", "debug");
        output(command.envs(variables.iter().copied()))
    }

    fn authority(&self) -> &str {
        self.authority.to_str().expect("the temporary folder has a plain name")
    }
}

#[test]
fn a_proxy_carries_calls_and_streams_and_sees_nothing_but_the_name() {
    let setting = Setting::new("proxies-plain");
    let proxy = Proxy::start(setting.server.address(), None);
    let address = proxy.address.to_string();
    let run = setting.run(&[("HTTPS_PROXY", &address)], Some(setting.authority()));
    assert_eq!(stdout(&run), "answer: all is well\nall is well\n", "{}", stderr(&run));
    let seen = proxy.seen();
    assert_eq!(seen, ["CONNECT models.test:443 HTTP/1.1\r\nHost: models.test:443\r\n\r\n"], "one tunnel is used twice");
    nothing_is_left(&statistics(&stderr(&run)));
    // In vega.toml the proxy stands above the environment's.
    setting.folder.write("vega.toml", format!("[network]\nproxy = 'http://{address}'\n"));
    let run = setting.run(&[("HTTPS_PROXY", "127.0.0.1:1")], Some(setting.authority()));
    assert!(stdout(&run).starts_with("answer: "), "{}{}", stdout(&run), stderr(&run));
    assert_eq!(proxy.seen().len(), 2);
}

#[test]
fn credentials_open_the_proxy_and_appear_nowhere_else() {
    let setting = Setting::new("proxies-password");
    // ann:horse-battery-4711
    let proxy = Proxy::start(setting.server.address(), Some("Basic YW5uOmhvcnNlLWJhdHRlcnktNDcxMQ=="));
    let port = proxy.address.port();
    let right = format!("http://ann:{PASSWORD}@127.0.0.1:{port}");
    let run = setting.run(&[("HTTPS_PROXY", &right)], Some(setting.authority()));
    assert_eq!(stdout(&run), "answer: all is well\nall is well\n", "{}", stderr(&run));
    let wrong = format!("http://bob:{PASSWORD}@127.0.0.1:{port}");
    let addresses = [wrong, format!("http://127.0.0.1:{port}"), format!("http://ann:{PASSWORD}@127.0.0.1:1")];
    for (address, problem) in addresses.iter().zip(["(407)", "(407)", "refused"]) {
        let run = setting.run(&[("HTTPS_PROXY", address)], Some(setting.authority()));
        let (out, err) = (stdout(&run), stderr(&run));
        assert_eq!(out.matches("ProviderError: ").count(), 2, "{out}{err}");
        assert!(out.contains(problem) && out.contains("the proxy 127.0.0.1:"), "{out}{err}");
        nothing_is_left(&statistics(&err));
        let trace = std::fs::read_to_string(setting.folder.path().join("trace.jsonl")).expect("the trace is written");
        for (what, text) in [("standard output", out), ("standard error", err), ("the trace", trace)] {
            assert!(!text.contains(PASSWORD) && !text.contains("YW5uOm"), "{what} holds the password\n{text}");
        }
    }
    // What cannot be understood is not quoted either.
    for address in
        [format!("socks5://ann:{PASSWORD}@p:1"), format!("http://ann:{PASSWORD}@p p:1"), format!("http://ann:{PASSWORD}@")]
    {
        let run = setting.run(&[("HTTPS_PROXY", &address)], Some(setting.authority()));
        let text = stdout(&run) + &stderr(&run);
        assert!(text.contains("HTTPS_PROXY: ") && !text.contains(PASSWORD), "{address}: {text}");
    }
}

#[test]
fn whoever_is_excepted_is_reached_without_the_proxy() {
    let setting = Setting::new("proxies-excepted");
    let proxy = Proxy::start(setting.server.address(), None);
    let address = proxy.address.to_string();
    // The name has no address of its own, which shows that nobody asked the proxy.
    let run = setting.run(&[("HTTPS_PROXY", &address), ("NO_PROXY", "other.test, .models.test")], Some(setting.authority()));
    assert_eq!(
        stdout(&run).matches("ProviderError: the host of https://models.test was not found").count(),
        2,
        "{}",
        stdout(&run)
    );
    nothing_is_left(&statistics(&stderr(&run)));
    // This machine is never reached through a proxy.
    let here = format!("https://{}", setting.server.address());
    let run = setting.run(&[("HTTPS_PROXY", &address), ("ANTHROPIC_BASE_URL", &here)], Some(setting.authority()));
    assert!(stdout(&run).starts_with("answer: all is well\n"), "{}", stdout(&run));
    assert_eq!(proxy.seen(), [""; 0]);
}

#[test]
fn an_authority_that_is_no_certificate_is_said_before_the_program_runs() {
    let setting = Setting::new("proxies-authority");
    let garbage = setting.folder.write("garbage.pem", "this is no certificate");
    let broken = setting.folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    let missing = setting.folder.path().join("missing.pem");
    for file in [&garbage, &broken, &missing] {
        let file = file.to_str().expect("the temporary folder has a plain name");
        let run = setting.run(&[], Some(file));
        let text = stderr(&run);
        assert!(text.contains(file) && !run.status.success(), "{text}{}", stdout(&run));
        assert!(!stdout(&run).contains("Error"), "nothing ran: {}", stdout(&run));
    }
}
