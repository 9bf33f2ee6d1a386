//! Providers over loopback: what goes over the wire, and every way in which it can go wrong.

use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use vega_agent::mock_server;
use vega_agent::script::Script;
use vega_bytecode::Type;
use vega_net::authority;
use vega_net::server::{Handler, Incoming, Pause, Reply, Server, ServerSettings};
use vega_runtime::native::Outcome;

use crate::support::{AgentSpec, Clause, Do, Ran, Scenario, ToolSpec, agent, ask};

fn settings() -> ServerSettings {
    ServerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None, workers: 1 }
}

fn serve(replies: &str) -> Server {
    mock_server::start(Script::parse(replies).unwrap(), settings()).unwrap()
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// What a mock server has received so far.
fn received(server: &Server) -> Vec<Json> {
    let mut socket = std::net::TcpStream::connect(server.address()).unwrap();
    socket.write_all(b"GET /__requests HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// An agent that waits between attempts no longer than it must.
fn quick() -> Vec<AgentSpec> {
    let backoff = [Duration::from_millis(1).into(), 2.into(), Duration::from_millis(2).into()];
    let clauses = vec![
        ("model", "claude-haiku-5-5".into()),
        ("system", "Be brief.".into()),
        ("retry.backoff", Clause::List(backoff.to_vec())),
    ];
    vec![agent("Brief", clauses)]
}

fn one_call() -> Vec<Do> {
    vec![Do::Spawn(0), ask(0, "hi").step()]
}

/// Status, headers and body.
type Answered = (u16, Vec<(&'static str, &'static str)>, String);

/// What the server was asked.
struct Recorder {
    requests: Mutex<Vec<(Incoming, Json)>>,
    answers: Mutex<Vec<Answered>>,
}

impl Handler for Recorder {
    fn handle(&self, request: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        let body = serde_json::from_slice(&request.body).map_err(io::Error::other)?;
        self.requests.lock().unwrap().push((request, body));
        let (status, headers, body) = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        };
        reply.send(status, &headers, body.as_bytes())
    }
}

fn message(content: Json, stop_reason: &str) -> String {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0}
    })
    .to_string()
}

fn recorder(answers: Vec<Answered>) -> (Arc<Recorder>, Server) {
    let recorder = Arc::new(Recorder { requests: Mutex::default(), answers: Mutex::new(answers) });
    let server = Server::start(settings(), recorder.clone()).unwrap();
    (recorder, server)
}

#[test]
fn a_conversation_over_http_has_the_documented_requests() {
    let (recorder, server) = recorder(vec![
        (200, vec![], message(json!([{"type": "text", "text": "Hello."}]), "end_turn")),
        (200, vec![], message(json!([{"type": "text", "text": "Bye."}]), "end_turn")),
    ]);
    let ran = Scenario::new(quick(), vec![Do::Spawn(0), ask(0, "hi").step(), ask(0, "bye").step()]).server(&url(&server)).run();
    assert_eq!(ran.notes, ["Hello.", "Bye."]);
    assert_eq!((ran.totals.input_tokens, ran.totals.cache_read_tokens, ran.totals.output_tokens), (48, 8, 10));
    let requests = recorder.requests.lock().unwrap();
    let (first, body) = &requests[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/v1/messages"));
    assert_eq!(first.header("x-api-key"), Some("sk-test-123"));
    assert_eq!(first.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(
        *body,
        json!({"model": "claude-haiku-5-5", "max_tokens": 8192, "system": "Be brief.",
               "messages": [{"role": "user", "content": "hi"}]})
    );
    let (second, body) = &requests[1];
    assert_eq!((first.connection, second.connection, second.number), (1, 1, 2), "the connection is used again");
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
    for record in &ran.records {
        let text = serde_json::to_string(record).unwrap();
        assert!(!text.contains("sk-test-123") && !text.contains("Hello."), "{text}");
    }
}

#[test]
fn all_results_of_a_turn_go_back_in_one_message() {
    let calls = json!([
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "t1", "name": "double", "input": {"n": 4}},
        {"type": "tool_use", "id": "t2", "name": "double", "input": {"n": "four"}},
        {"type": "tool_use", "id": "t3", "name": "fail", "input": {"n": 1}},
        {"type": "tool_use", "id": "t4", "name": "unknown", "input": {}},
    ]);
    let (recorder, server) = recorder(vec![
        (200, vec![], message(calls, "tool_use")),
        (200, vec![], message(json!([{"type": "text", "text": "8"}]), "end_turn")),
    ]);
    let mut agents = quick();
    let tool = |name, body| ToolSpec { name, parameters: vec![("n", Type::Int)], capabilities: vec![], paths: None, body };
    agents[0].tools = vec![
        tool("double", |_, arguments| Ok(Outcome::Value((arguments[0].as_int().unwrap() * 2).into()))),
        tool("fail", |_, _| Err(vega_runtime::error::Error::new(vega_bytecode::kinds::IO_ERROR, "the disk is gone"))),
    ];
    let ran = Scenario::new(agents, one_call()).server(&url(&server)).run();
    assert_eq!(ran.notes, ["8"]);
    let requests = recorder.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].0.connection, requests[0].0.connection, "a tool loop makes one connection");
    let first = &requests[0].1;
    assert_eq!(first["tools"][0]["name"], "double");
    assert_eq!(first["tools"][0]["input_schema"]["properties"]["n"]["type"], "integer");
    let messages = requests[1].1["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    let results = messages[2]["content"].as_array().unwrap();
    let told: Vec<(&str, &str, bool)> = results
        .iter()
        .map(|result| {
            let is_error = result["is_error"].as_bool().unwrap_or(false);
            (result["tool_use_id"].as_str().unwrap(), result["content"].as_str().unwrap(), is_error)
        })
        .collect();
    assert_eq!(told[0], ("t1", "8", false));
    assert!(told[1].2 && told[1].1.starts_with("The arguments do not fit: `n`: "), "{:?}", told[1]);
    assert_eq!(told[2], ("t3", "IoError: the disk is gone", true));
    assert!(told[3].2 && told[3].1.starts_with("There is no tool `unknown`. Available: double, fail."), "{:?}", told[3]);
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn of_792_calls_in_one_turn_a_hundred_run_all_are_answered_and_the_budget_is_kept() {
    let call = |number| json!({"type": "tool_use", "id": format!("t{number}"), "name": "count", "input": {"n": number}});
    let calls: Vec<Json> = (0..792).map(call).collect();
    let (recorder, server) = recorder(vec![
        (200, vec![], message(calls.into(), "tool_use")),
        (200, vec![], message(json!([{"type": "text", "text": "done"}]), "end_turn")),
    ]);
    let mut agents = quick();
    agents[0].tools = vec![ToolSpec {
        name: "count",
        parameters: vec![("n", Type::Int)],
        capabilities: vec![],
        paths: None,
        body: |_, arguments| {
            RUNS.fetch_add(1, Ordering::Relaxed);
            Ok(Outcome::Value(arguments[0].clone()))
        },
    }];
    // Enough for the worst case of the second request, whose prompt is bounded by its bytes.
    let limit = 250_000_000_000;
    let ran = Scenario::new(agents, one_call()).server(&url(&server)).budget(limit).run();
    assert_eq!(ran.notes, ["done"]);
    assert_eq!(RUNS.load(Ordering::Relaxed), 100);
    let requests = recorder.requests.lock().unwrap();
    assert_eq!(requests.len(), 2, "no further turn, and nothing had to be counted");
    let body = &requests[1].1;
    assert_eq!(body["tool_choice"], json!({"type": "none"}), "the last turn is without tools");
    let results = body["messages"][2]["content"].as_array().unwrap();
    assert!(results.iter().enumerate().all(|(number, result)| result["tool_use_id"] == format!("t{number}")));
    let refused = results.iter().filter(|result| result["is_error"] == true);
    assert_eq!((results.len(), refused.count()), (792, 692));
    // Two answers of 20 tokens in, 4 read from the cache, and 5 out.
    assert_eq!((ran.report.spent, ran.report.reserved), (2 * (20 * 100_000 + 4 * 10_000 + 5 * 500_000), 0));
    assert_eq!(ran.report.spent, ran.totals.cost_pico);
}

fn failure(server: &Server) -> String {
    first_note(Scenario::new(quick(), one_call()).server(&url(server)).run())
}

fn first_note(ran: Ran) -> String {
    assert_eq!(ran.notes.len(), 1);
    ran.notes[0].clone()
}

#[test]
fn each_answered_error_has_its_kind_and_says_what_to_do() {
    let raised = |status: u16, body: &str| {
        let (recorder, server) = recorder(vec![(status, vec![], body.to_owned())]);
        let note = failure(&server);
        let attempts = recorder.requests.lock().unwrap().len();
        (note, attempts)
    };
    let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "as it is"}}).to_string();
    let (note, attempts) = raised(401, &error("authentication_error"));
    assert_eq!(note, "ProviderError: as it is (401); Anthropic did not accept the key in ANTHROPIC_API_KEY");
    assert_eq!(attempts, 1);
    let (note, attempts) = raised(400, &error("invalid_request_error"));
    assert_eq!((note.as_str(), attempts), ("ProviderError: as it is (400)", 1));
    let (note, _) = raised(404, &error("not_found_error"));
    assert!(note.contains("check the model's name `claude-haiku-5-5`"), "{note}");
    let (note, attempts) = raised(529, &error("overloaded_error"));
    assert_eq!((note.as_str(), attempts), ("Overloaded: as it is (529)", 3));
    let (note, attempts) = raised(502, "<html><head><title>Bad gateway</title></head></html>");
    assert_eq!(note, "ProviderError: an HTML page titled \"Bad gateway\" instead of an answer (502)");
    assert_eq!(attempts, 3);
    let (note, _) = raised(200, "<html><head><title>Welcome</title></head></html>");
    assert!(note.starts_with("ProviderError: an HTML page titled \"Welcome\""), "{note}");
}

#[test]
fn a_rate_limit_with_retry_after_is_waited_for() {
    let limited = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}).to_string();
    let (recorder, server) = recorder(vec![
        (429, vec![("retry-after-ms", "120")], limited.clone()),
        (200, vec![], message(json!([{"type": "text", "text": "ok"}]), "end_turn")),
    ]);
    let began = std::time::Instant::now();
    assert_eq!(failure(&server), "ok");
    assert!(began.elapsed() >= Duration::from_millis(120));
    assert_eq!(recorder.requests.lock().unwrap().len(), 2);
}

#[test]
fn a_missing_key_names_its_variable_before_any_connection() {
    let ran = Scenario::new(quick(), one_call()).server("http://127.0.0.1:9").variable("ANTHROPIC_API_KEY", "").run();
    assert_eq!(ran.totals.calls, 0);
    let note = first_note(ran);
    assert!(
        note.starts_with("ProviderError: the model `claude-haiku-5-5` needs a key of Anthropic: set ANTHROPIC_API_KEY"),
        "{note}"
    );
}

#[test]
fn a_refused_connection_says_where_and_why() {
    // A port that was just given back by the system.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = Scenario::new(quick(), one_call()).server(&format!("http://127.0.0.1:{port}")).run();
    assert_eq!(ran.totals.calls, 3);
    let note = first_note(ran);
    assert!(note.starts_with(&format!("ProviderError: no connection to http://127.0.0.1:{port} (")), "{note}");
    assert!(note.contains("refused"), "{note}");
}

#[test]
fn a_cut_body_is_a_broken_connection() {
    let server = serve("[[reply]]\ntext = \"a long answer that breaks off\"\ncut_after_bytes = 40\n");
    let note = failure(&server);
    assert!(note.starts_with("ProviderError: the connection to http://127.0.0.1:"), "{note}");
    assert!(note.contains("broke before the answer was complete"), "{note}");
    let server = serve("[[reply]]\nerror = \"disconnect\"\n");
    assert!(failure(&server).contains("broke before the answer was complete"));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_with_the_remedy_and_accepted_with_it() {
    let authority = authority::make(&["127.0.0.1", "localhost"]).unwrap();
    let script = Script::parse("[[reply]]\ntext = \"private\"\n").unwrap();
    let tls = ServerSettings { tls: Some(authority.server.clone()), ..settings() };
    let server = mock_server::start(script, tls).unwrap();
    let url = format!("https://{}", server.address());
    let refused = Scenario::new(quick(), one_call()).server(&url).run();
    assert_eq!(refused.totals.calls, 1, "a bad certificate is not tried again");
    let note = first_note(refused);
    assert!(note.starts_with("ProviderError: the certificate of https://127.0.0.1:"), "{note}");
    assert!(note.contains("--ca-file"), "{note}");
    let trusted = Scenario::new(quick(), one_call()).server(&url).ca(&authority.certificate_pem).run();
    assert_eq!(trusted.notes, ["private"]);
}

/// Answers nothing, and notes when the client goes away.
struct Silent(Mutex<Option<std::sync::mpsc::Sender<Pause>>>);

impl Handler for Silent {
    fn handle(&self, _: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        let pause = reply.pause(Duration::from_secs(60))?;
        if let Some(told) = self.0.lock().unwrap().take() {
            told.send(pause).unwrap();
        }
        reply.close_after();
        Ok(())
    }
}

#[test]
fn a_call_that_takes_too_long_is_ended_and_its_connection_closed() {
    let (told, closed) = std::sync::mpsc::channel();
    let server = Server::start(settings(), Arc::new(Silent(Mutex::new(Some(told))))).unwrap();
    let steps = vec![Do::Spawn(0), ask(0, "hi").timeout(Duration::from_millis(100)).step()];
    let note = first_note(Scenario::new(quick(), steps).server(&url(&server)).run());
    assert!(note.starts_with("Timeout: `Brief` had no reply within 100ms"), "{note}");
    assert_eq!(closed.recv_timeout(Duration::from_secs(10)), Ok(Pause::Closed));
}

#[test]
fn the_end_of_the_caller_closes_the_connection() {
    let (told, closed) = std::sync::mpsc::channel();
    let server = Server::start(settings(), Arc::new(Silent(Mutex::new(Some(told))))).unwrap();
    let steps =
        vec![Do::Spawn(0), Do::Beside(vec![ask(0, "hi").step()]), Do::Sleep(Duration::from_millis(100)), Do::KillBeside(0)];
    let ran = Scenario::new(quick(), steps).server(&url(&server)).run();
    assert_eq!(ran.notes, [""; 0]);
    assert_eq!(closed.recv_timeout(Duration::from_secs(10)), Ok(Pause::Closed));
}

#[test]
fn another_provider_is_reached_with_its_own_protocol() {
    let server = serve("[[reply]]\ntext = \"from the other\"\n");
    let agents = vec![agent("Other", vec![("model", "openai/gpt-5.5".into())])];
    let ran = Scenario::new(agents, one_call())
        .server("http://127.0.0.1:9")
        .variable("OPENAI_BASE_URL", &format!("{}/v1", url(&server)))
        .variable("OPENAI_API_KEY", "sk-2")
        .run();
    assert_eq!(ran.notes, ["from the other"]);
}

#[test]
fn many_calls_at_once_are_all_answered() {
    let server = serve("[[reply]]\ntext = \"ok\"\nlatency = \"200ms\"\n");
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..300).map(|_| Do::Beside(vec![ask(0, "hi").step()])));
    steps.push(Do::Wait);
    let ran = Scenario::new(quick(), steps).server(&url(&server)).run();
    assert_eq!(ran.notes.len(), 300);
    assert!(ran.notes.iter().all(|note| note == "ok"), "{:?}", ran.notes);
}

#[test]
fn where_connections_run_out_calls_wait_and_do_not_fail() {
    let text = message(json!([{"type": "text", "text": "ok"}]), "end_turn");
    let (recorder, server) = recorder(vec![(200, vec![], text)]);
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..40).map(|_| Do::Beside(vec![ask(0, "hi").step()])));
    steps.push(Do::Wait);
    let ran = Scenario::new(quick(), steps).server(&url(&server)).connections(2).run();
    assert_eq!(ran.notes, ["ok"; 40]);
    let connections = recorder.requests.lock().unwrap().iter().map(|(request, _)| request.connection).max();
    assert!(connections.is_some_and(|number| number <= 2), "{connections:?}");
}

#[test]
fn a_prompt_that_seems_too_long_for_a_budget_is_counted_by_the_provider() {
    // 20,000 bytes are at most 20,000 tokens, but the provider counts about a quarter of that.
    let message = "word ".repeat(4_000);
    let with_budget = |pico: i64| {
        let server = serve("[[reply]]\ntext = \"ok\"\noutput_tokens = 3\n");
        let steps = vec![Do::Spawn(0), ask(0, &message).budget(pico).step()];
        let ran = Scenario::new(quick(), steps).server(&url(&server)).run();
        let seen = received(&server);
        let paths: Vec<String> = seen.iter().map(|request| request["path"].as_str().unwrap().to_owned()).collect();
        let bound = seen.last().map(|request| request["body"]["max_tokens"].clone());
        (ran.notes[0].clone(), paths, bound)
    };
    // 10^-7 dollars for a token in, 5 times that for one out, of which there may be 8,192: 6.1 mills at most, 4.7 when counted.
    let (note, paths, bound) = with_budget(4_800_000_000);
    assert_eq!((note.as_str(), bound), ("ok", Some(json!(8_192))));
    assert_eq!(paths, ["/v1/messages/count_tokens", "/v1/messages"]);
    let (_, paths, _) = with_budget(7_000_000_000);
    assert_eq!(paths, ["/v1/messages"], "nobody asks where the bound fits");
    let (note, paths, _) = with_budget(100_000_000);
    assert!(note.starts_with("BudgetExceeded: "), "{note}");
    assert_eq!(paths, ["/v1/messages/count_tokens"]);
}
