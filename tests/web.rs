//! `http::…` against a real server: what is sent, what is followed, and what is refused.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use crate::support::{Folder, HttpRequest, output, read_request, stderr, stdout, vega};

/// A server that answers one request on each connection; ends after the last answer, with what it was sent.
struct Server {
    url: String,
    requests: JoinHandle<Vec<HttpRequest>>,
}

/// Answers with a status line's end, further headers, and a body.
fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

impl Server {
    fn start(answers: impl FnOnce(&str) -> Vec<String>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let answers = answers(&url);
        let requests = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().expect("somebody connects");
                    let request = read_request(&mut BufReader::new(&stream)).expect("all of it is sent");
                    stream.write_all(answer.as_bytes()).expect("it is read");
                    request
                })
                .collect()
        });
        Server { url, requests }
    }

    fn requests(self) -> Vec<HttpRequest> {
        self.requests.join().expect("it ran")
    }
}

/// What a program prints, given the server's address as its argument.
fn run(program: &str, url: &str, flags: &[&str]) -> (String, String) {
    let folder = Folder::new("web");
    let program = folder.write("web.vega", program);
    let result = output(vega().arg("run").args(flags).arg("--quiet").arg(program).arg("--").arg(url));
    (stdout(&result), stderr(&result))
}

const GRANTED: &[&str] = &["--allow-net=127.0.0.1"];

#[test]
fn requests_carry_their_method_headers_and_body() {
    let server = Server::start(|_| {
        vec![
            answer("200 OK", "x-a: 1\r\nX-A: 2\r\ncontent-type: text/plain\r\n", "hello"),
            answer("201 Created", "", "{\"id\": 7}"),
            answer("418 I'm a teapot", "", "short and stout"),
        ]
    });
    let program = r#"
        fn main(args: str[]) {
            let first = http::get(args[0] + "/a?b=c#d");
            print(first.status, first.body, first.headers["x-a"]);
            print(http::post(args[0] + "/things", "{\"n\": 1}").json()["id"]);
            let third = http::request("put", args[0], { "X-Key": "k" }, "plain");
            print(third.status, third.is_ok());
            try { third.check(); } catch HttpError(status, body) { print(status, body); }
        }
    "#;
    let (out, err) = run(program, &server.url, GRANTED);
    assert_eq!(out, "200 hello 1, 2\n7\n418 false\n418 short and stout\n", "{err}");
    let requests = server.requests();
    let has = |request: &HttpRequest, line: &str| request.head.iter().any(|other| other == line);
    assert_eq!(requests[0].head[0], "GET /a?b=c HTTP/1.1");
    assert_eq!((requests[1].head[0].as_str(), requests[1].body.as_str()), ("POST /things HTTP/1.1", "{\"n\": 1}"));
    assert!(has(&requests[1], "content-type: application/json"), "{:?}", requests[1].head);
    assert_eq!((requests[2].head[0].as_str(), requests[2].body.as_str()), ("PUT / HTTP/1.1", "plain"));
    assert!(
        has(&requests[2], "x-key: k") && has(&requests[2], "content-type: text/plain; charset=utf-8"),
        "{:?}",
        requests[2].head
    );
}

#[test]
fn redirects_are_followed_through_the_gate() {
    let server = Server::start(|url| {
        let beyond = url.replace("127.0.0.1", "localhost");
        vec![
            answer("302 Found", "location: ../b\r\n", ""),
            answer("200 OK", "", "moved"),
            answer("301 Moved Permanently", &format!("location: {beyond}/secret\r\n"), ""),
        ]
    });
    let program = r#"
        fn main(args: str[]) {
            print(http::post(args[0] + "/x/a", "text").body);
            try { http::get(args[0]); } catch CapabilityDenied(what) { print(what.starts_with("net to localhost")); }
        }
    "#;
    let (out, err) = run(program, &server.url, GRANTED);
    assert_eq!(out, "moved\ntrue\n", "{err}");
    assert_eq!(server.requests()[1].head[0], "GET /b HTTP/1.1");
}

#[test]
fn an_endless_chain_of_redirects_and_a_missing_server_are_errors() {
    let server = Server::start(|_| vec![answer("307 Temporary Redirect", "location: /\r\n", ""); 11]);
    let program = r#"
        fn main(args: str[]) {
            try { http::get(args[0]); } catch HttpError(status, problem) { print(status, problem.has("more than 10 times")); }
            // Nobody listens any more.
            try { http::get(args[0]); } catch HttpError(status, problem) { print(status, problem.has("connection refused")); }
        }
    "#;
    let (out, err) = run(program, &server.url, GRANTED);
    assert_eq!(out, "0 true\n0 true\n", "{err}");
    assert_eq!(server.requests().len(), 11);
}

#[test]
fn a_tool_reaches_its_hosts_and_no_others() {
    let server = Server::start(|_| vec![answer("200 OK", "", "page")]);
    let program = r#"
        agent Reader {
            model "claude-haiku-5-5"
            tool fetch(url: str) -> str capabilities [net] allowed_hosts ["127.0.0.1"] { return http::get(url); }
        }
        fn main(args: str[]) {
            let reader = spawn Reader;
            print(reader <- "here " + args[0]);
            print(reader <- "elsewhere");
        }
    "#;
    let folder = Folder::new("web-tools");
    let program = folder.write("web.vega", program);
    let replies = format!(
        r#"
        [[reply]]
        contains = "elsewhere"
        turn = 1
        tool_calls = [{{ name = "fetch", args = {{ url = "http://example.org/" }} }}]
        [[reply]]
        contains = "here"
        turn = 1
        tool_calls = [{{ name = "fetch", args = {{ url = "{}" }} }}]
        [[reply]]
        contains = "CapabilityDenied"
        text = "denied"
        [[reply]]
        contains = "page"
        text = "read"
        "#,
        server.url
    );
    let replies = folder.write("replies.toml", replies);
    let result =
        output(vega().args(["run", "--offline", "--quiet", "--replies"]).arg(replies).arg(program).arg("--").arg(&server.url));
    assert_eq!(stdout(&result), "read\ndenied\n", "{}", stderr(&result));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn there_is_no_network_on_the_virtual_clock() {
    let program = r#"fn main() { try { http::get("http://127.0.0.1/"); } catch HttpError(_, problem) { print(problem); } }"#;
    let (out, err) = run(program, "", &["--virtual-time", "--offline", "--allow-net=127.0.0.1"]);
    assert_eq!(out, "GET http://127.0.0.1/: there is no network on the virtual clock (--virtual-time)\n", "{err}");
}
