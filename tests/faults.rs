//! What a user sees when a model call goes wrong: its own message, the documented kind, an exit, never a hang.

use crate::support::{Folder, MockServer, output, stderr, stdout, vega};

const PROGRAM: &str = r#"
agent A {
    model "claude-haiku-5-5"
    system "You are A."
    timeout 20s
    retry { max_attempts 2  backoff exponential(1ms, 2.0, 5ms) }
}

fn main(args: str[]) {
    let a = spawn A;
    try {
        print("answer: " + (a <- args[0]));
    } catch RateLimited(retry_after) {
        print("RateLimited");
    } catch Overloaded {
        print("Overloaded");
    } catch Timeout {
        print("Timeout");
    } catch ProviderError(status, message) {
        print(f"ProviderError {status} {message}");
    } catch e {
        print(f"other {e}");
    }
}
"#;

const REPLIES: &str = r#"
[[reply]]
contains = "unauthorized"
http = { status = 401, headers = { content-type = "application/json" }, body = '{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}' }

[[reply]]
contains = "bad request"
error = "invalid_request"

[[reply]]
contains = "limited once"
error = "rate_limit"
retry_after = "10ms"
times = 1

[[reply]]
contains = "limited once"
text = "after the limit"

[[reply]]
contains = "always limited"
error = "rate_limit"
retry_after = "1ms"

[[reply]]
contains = "overloaded"
error = "overloaded"

[[reply]]
contains = "cut"
text = "this answer is cut in the middle of its body"
cut_after_bytes = 20

[[reply]]
contains = "gone"
error = "disconnect"

[[reply]]
contains = "html"
http = { status = 502, headers = { content-type = "text/html" }, body = "<html><body><h1>502 Bad Gateway</h1></body></html>" }

[[reply]]
contains = "no json"
http = { status = 200, headers = { content-type = "text/html" }, body = "<html>hello</html>" }

[[reply]]
contains = "fine"
text = "all is well"
"#;

struct Setting {
    folder: Folder,
    server: MockServer,
}

fn setting(name: &str) -> Setting {
    let folder = Folder::new(name);
    folder.write("a.vega", PROGRAM);
    let replies = folder.write("replies.toml", REPLIES);
    Setting { server: MockServer::start(&replies, &[]), folder }
}

impl Setting {
    fn ask(&self, what: &str) -> String {
        let mut command = self.server.run(&self.folder.path().join("a.vega"));
        let run = output(command.args(["--quiet", "--", what]));
        assert_eq!(run.status.code(), Some(0), "{what}: {}", stderr(&run));
        stdout(&run).trim_end().to_owned()
    }
}

#[test]
fn every_fault_of_a_service_has_its_own_kind_and_message() {
    let setting = setting("faults");
    assert_eq!(setting.ask("fine"), "answer: all is well");
    let unauthorized = setting.ask("unauthorized");
    assert!(unauthorized.starts_with("ProviderError 401 ") && unauthorized.contains("ANTHROPIC_API_KEY"), "{unauthorized}");
    assert!(!unauthorized.contains("test-key-123"), "a key appears in a message");
    assert!(setting.ask("bad request").starts_with("ProviderError 400 "));
    assert_eq!(setting.ask("limited once"), "answer: after the limit");
    assert_eq!(setting.ask("always limited"), "RateLimited");
    assert_eq!(setting.ask("overloaded"), "Overloaded");
    assert!(setting.ask("cut").starts_with("ProviderError 0 "));
    assert!(setting.ask("gone").starts_with("ProviderError 0 "));
    let html = setting.ask("html");
    assert!(html.starts_with("ProviderError 502 ") && !html.contains("<h1>"), "{html}");
    let no_json = setting.ask("no json");
    assert!(no_json.starts_with("ProviderError "), "{no_json}");
}

#[test]
fn a_server_that_is_not_there_is_a_provider_error_with_its_address() {
    let Setting { folder, server } = setting("refused");
    let url = server.url.clone();
    drop(server);
    let mut command = vega();
    command.arg("run").arg(folder.path().join("a.vega")).args(["--quiet", "--", "x"]);
    let run = output(command.env("ANTHROPIC_API_KEY", "k").env("ANTHROPIC_BASE_URL", &url));
    let text = stdout(&run);
    assert!(text.starts_with("ProviderError 0 ") && text.contains("refused"), "{text}{}", stderr(&run));
}

#[test]
fn a_missing_key_is_said_before_any_connection() {
    let folder = Folder::new("keyless");
    let program = folder.write("a.vega", PROGRAM);
    let run = output(vega().arg("run").arg(program).args(["--quiet", "--", "x"]));
    let text = stdout(&run);
    assert!(text.starts_with("ProviderError 0 ") && text.contains("ANTHROPIC_API_KEY"), "{text}{}", stderr(&run));
}

#[test]
fn a_certificate_that_nobody_trusts_is_refused_and_a_ca_file_makes_it_trusted() {
    let folder = Folder::new("tls");
    let program = folder.write("a.vega", PROGRAM);
    let replies = folder.write("replies.toml", REPLIES);
    let authority = folder.path().join("ca.pem");
    let authority_text = authority.to_str().expect("the temporary folder has a plain name");
    let server = MockServer::start(&replies, &["--tls", "--ca-out", authority_text]);
    let stranger = stdout(&output(server.run(&program).args(["--quiet", "--", "fine"])));
    assert!(stranger.starts_with("ProviderError 0 ") && stranger.contains("--ca-file"), "{stranger}");
    let friend = output(server.run(&program).args(["--quiet", "--ca-file", authority_text, "--", "fine"]));
    assert_eq!(stdout(&friend), "answer: all is well\n", "{}", stderr(&friend));
}

#[test]
fn an_uncaught_failure_ends_with_status_1_and_a_stack() {
    let folder = Folder::new("uncaught");
    let program = folder.write(
        "a.vega",
        "agent A { model \"claude-haiku-5-5\" }\nfn main() {\n    let a = spawn A;\n    print(a <- \"x\");\n}\n",
    );
    let replies = folder.write("replies.toml", "[[reply]]\nerror = \"invalid_request\"\n");
    let run = output(vega().arg("run").arg(program).args(["--offline", "--replies"]).arg(replies));
    assert_eq!(run.status.code(), Some(1));
    let text = stderr(&run);
    assert!(text.contains("ProviderError") && text.contains("a.vega:4:"), "{text}");
}
