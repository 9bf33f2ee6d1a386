//! Rate limits, queues and circuit breakers, under virtual time wherever no socket is needed.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vega_agent::mock_server;
use vega_agent::script::Script;
use vega_bytecode::Type;
use vega_bytecode::module::Capability;
use vega_net::client::Lookup;
use vega_net::server::{Handler, Incoming, Pause, Reply, Server, ServerSettings};
use vega_runtime::native::Outcome;
use vega_runtime::value::Value;
use vega_trace::{Kind, Record, Status};

use crate::support::{AgentSpec, Clause, Do, Ran, Scenario, ToolSpec, agent, ask};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn coder(clauses: &[(&'static str, Clause)]) -> AgentSpec {
    let mut all = vec![("model", "claude-sonnet-5-5".into()), ("system", "You write code.".into())];
    all.extend_from_slice(clauses);
    agent("Coder", all)
}

/// So many calls at once, each by a process of its own, then the time.
fn calls_at_once(count: usize) -> Vec<Do> {
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..count).map(|number| Do::Beside(vec![ask(0, &format!("call {number}.")).step()])));
    steps.extend([Do::Wait, Do::Clock]);
    steps
}

fn clock(ran: &Ran) -> u64 {
    ran.notes.last().unwrap().trim_end_matches(" ms").parse().unwrap()
}

fn of_kind(ran: &Ran, kind: Kind) -> impl Iterator<Item = &Record> {
    ran.records.iter().filter(move |record| record.kind == kind)
}

fn rate(units: i64, per: Duration) -> Clause {
    Clause::List(vec![units.into(), per.into()])
}

const FIFTY_A_MINUTE: &str = "[rate_limit]\nrequests = 50\nper = \"1m\"\n";
const SLOW_OK: &str = "[[reply]]\ntext = \"ok\"\nlatency = \"400ms\"\n";

#[test]
fn the_only_client_of_a_quota_sees_no_refusal() {
    for model in ["claude-sonnet-5-5", "gpt-5.5"] {
        let agents = vec![agent("Coder", vec![("model", model.into())])];
        let ran = Scenario::new(agents, calls_at_once(200)).replies(&format!("{FIFTY_A_MINUTE}{SLOW_OK}")).run();
        assert_eq!(ran.notes.iter().filter(|note| *note == "ok").count(), 200, "{model}");
        assert_eq!((ran.totals.calls, ran.totals.retries), (200, 0), "{model}: no call was refused");
        // Fifty at first, then one every 1.2 s.
        let took = clock(&ran);
        assert!((178_000..=186_000).contains(&took), "{model}: {took} ms");
        let queued = of_kind(&ran, Kind::Invocation).map(|record| record.queued).max().unwrap();
        assert!(queued >= seconds(175), "{queued:?}");
    }
}

#[test]
fn beside_another_client_hardly_a_call_is_refused_and_none_fails() {
    let replies = format!("{FIFTY_A_MINUTE}shared = 0.5\n{SLOW_OK}");
    for model in ["claude-sonnet-5-5", "gpt-5.5"] {
        let agents = vec![agent("Coder", vec![("model", model.into())])];
        let ran = Scenario::new(agents, calls_at_once(200)).replies(&replies).run();
        assert_eq!(ran.notes.iter().filter(|note| *note == "ok").count(), 200, "{model}");
        let refused = of_kind(&ran, Kind::Retry).count();
        assert!(refused <= 2, "{model}: {refused} of 200 calls were refused");
        // Half of the quota is left for it: 25 a minute after what the bucket held at first.
        let took = clock(&ran);
        assert!((330_000..=430_000).contains(&took), "{model}: {took} ms");
    }
}

#[test]
fn tokens_are_a_limit_like_requests() {
    let replies = "[rate_limit]\ntokens = 20000\nper = \"1m\"\n[[reply]]\ntext = \"ok\"\nlatency = \"1s\"\ninput_tokens = 500\noutput_tokens = 500\n";
    let agents = vec![coder(&[("max_tokens", 1_000.into())])];
    let ran = Scenario::new(agents, calls_at_once(60)).replies(replies).run();
    assert_eq!(ran.notes.iter().filter(|note| *note == "ok").count(), 60);
    assert_eq!(ran.totals.retries, 0);
    let declared = vec![coder(&[("max_tokens", 1_000.into()), ("rate_limit.tokens", rate(10_000, seconds(60)))])];
    let replies = "[[reply]]\ntext = \"ok\"\ninput_tokens = 500\noutput_tokens = 500\n";
    let ran = Scenario::new(declared, calls_at_once(30)).replies(replies).run();
    assert_eq!(ran.notes.iter().filter(|note| *note == "ok").count(), 30);
    // 10,000 at once and 20,000 more at 10,000 a minute.
    let took = clock(&ran);
    assert!((114_000..=130_000).contains(&took), "{took} ms");
}

#[test]
fn a_declared_rate_is_exact() {
    let agents = vec![coder(&[("rate_limit.requests", rate(10, seconds(10)))])];
    let ran = Scenario::new(agents, calls_at_once(30)).replies("[[reply]]\ntext = \"ok\"\n").run();
    assert_eq!(clock(&ran), 20_000);
    let mut queued: Vec<u128> = of_kind(&ran, Kind::Invocation).map(|record| record.queued.as_millis()).collect();
    queued.sort_unstable();
    let expected: Vec<u128> = (0..30).map(|number: u128| number.saturating_sub(9) * 1_000).collect();
    assert_eq!(queued, expected);
}

#[test]
fn priorities_share_eight_to_four_to_one() {
    let one = |name, priority: &str| {
        agent(
            name,
            vec![("model", "claude-sonnet-5-5".into()), ("priority", priority.into()), ("queue_timeout", seconds(3_600).into())],
        )
    };
    let agents = vec![one("High", "high"), one("Normal", "normal"), one("Low", "low")];
    let mut steps = vec![Do::Spawn(0), Do::Spawn(1), Do::Spawn(2), ask(0, "first").quiet().step()];
    for handle in [2, 1, 0] {
        steps.extend((0..8).map(|_| Do::Beside(vec![ask(handle, "hi").quiet().step()])));
    }
    steps.push(Do::Wait);
    let ran = Scenario::new(agents, steps).replies("[rate_limit]\nrequests = 1\n").run();
    assert_eq!(ran.totals.retries, 0);
    let order: String = of_kind(&ran, Kind::ModelCall).skip(1).map(|record| &record.agent.as_deref().unwrap()[..1]).collect();
    assert_eq!(&order[..13], "HNHHNHLHNHHNH");
    assert_eq!(order.len(), 24);
}

#[test]
fn waiting_holds_nothing_and_burns_no_attempt() {
    // One call at a time; a refused one pauses all, and the others still have all their attempts.
    let replies =
        "[[reply]]\ncontains = \"call 0.\"\nerror = \"rate_limit\"\nretry_after = \"60s\"\ntimes = 1\n[[reply]]\ntext = \"ok\"\n";
    let agents = vec![coder(&[("rate_limit.concurrent", 1.into()), ("retry.max_attempts", 2.into())])];
    let ran = Scenario::new(agents, calls_at_once(10)).replies(replies).budget(1_000_000_000_000).run();
    assert_eq!(ran.notes.iter().filter(|note| *note == "ok").count(), 10);
    assert_eq!((ran.totals.calls, ran.totals.retries), (11, 1));
    assert!((60_000..=75_000).contains(&clock(&ran)), "{}", clock(&ran));
}

#[test]
fn time_in_queues_has_a_bound_of_its_own() {
    let agents = vec![coder(&[("rate_limit.concurrent", 1.into()), ("queue_timeout", seconds(5).into())])];
    let steps = vec![
        Do::Spawn(0),
        Do::Beside(vec![ask(0, "slow").step(), Do::Clock]),
        Do::Sleep(seconds(1)),
        ask(0, "late").step(),
        Do::Clock,
        Do::Wait,
        ask(0, "again").step(),
    ];
    let replies = "[[reply]]\ncontains = \"slow\"\ntext = \"done\"\nlatency = \"1m\"\n[[reply]]\ntext = \"ok\"\n";
    let ran = Scenario::new(agents, steps).replies(replies).run();
    assert_eq!(ran.notes[0], "Timeout: `Coder` waited 5s for its turn to call its model; see `queue_timeout`");
    assert_eq!(ran.notes[1..], ["6000 ms", "done", "60000 ms", "ok"]);
    let late = of_kind(&ran, Kind::Invocation).find(|record| record.status == Status::Error).unwrap();
    assert_eq!((late.error_kind.as_deref(), late.queued), (Some("Timeout"), seconds(5)));
}

#[test]
fn nothing_is_tried_again_once_a_tool_had_an_effect() {
    let run = |capability| {
        let tool = ToolSpec {
            name: "work",
            parameters: vec![("x", Type::Str)],
            capabilities: vec![capability],
            paths: None,
            body: |_, _| Ok(Outcome::Value(Value::str("worked"))),
        };
        let agents = vec![AgentSpec { tools: vec![tool], ..coder(&[]) }];
        let replies = "[[reply]]\nturn = 1\ntool_calls = [{ name = \"work\", args = { x = \"\" } }]\n[[reply]]\nerror = \"overloaded\"\ntimes = 1\n[[reply]]\ntext = \"ok\"\n";
        let ran = Scenario::new(agents, vec![Do::Spawn(0), ask(0, "go").step()]).replies(replies).run();
        (ran.notes[0].clone(), ran.totals.calls)
    };
    assert_eq!(run(Capability::FileRead), ("ok".to_owned(), 3));
    let (note, calls) = run(Capability::FileWrite);
    assert_eq!(calls, 2);
    assert!(note.starts_with("Overloaded: ") && note.contains("a tool of this call had an effect"), "{note}");
}

#[test]
fn the_header_that_says_whether_to_retry_is_heeded() {
    let run = |status: u16, said: &str| {
        let replies = format!(
            "[[reply]]\nhttp = {{ status = {status}, headers = {{ x-should-retry = \"{said}\" }}, body = {{ error = {{ message = \"m\" }} }} }}\ntimes = 1\n[[reply]]\ntext = \"ok\"\n"
        );
        Scenario::new(vec![coder(&[])], vec![Do::Spawn(0), ask(0, "go").step()]).replies(&replies).run().totals.calls
    };
    assert_eq!([run(500, "maybe"), run(500, "false"), run(409, "maybe"), run(409, "true")], [2, 1, 1, 2]);
}

#[test]
fn a_limit_on_money_is_never_retried() {
    let run = |status: u16, error: &str| {
        let replies =
            format!("[[reply]]\nhttp = {{ status = {status}, body = {{ type = \"error\", error = {{ {error} }} }} }}\n");
        let ran = Scenario::new(vec![coder(&[])], vec![Do::Spawn(0), ask(0, "go").step()]).replies(&replies).run();
        (ran.totals.calls, ran.notes[0].clone())
    };
    for code in ["enforced_spend_limit_reached", "contract_spend_limit_reached"] {
        let (calls, note) =
            run(429, &format!("type = \"rate_limit_error\", message = \"cap\", details = {{ error_code = \"{code}\" }}"));
        assert!(calls == 1 && note.starts_with("RateLimited: ") && note.contains("no credit left"), "{calls} {note}");
    }
    let (calls, note) = run(429, "type = \"insufficient_quota\", code = \"insufficient_quota\", message = \"quota\"");
    assert!(calls == 1 && note.contains("which waiting does not change"), "{calls} {note}");
    let (calls, note) =
        run(400, "type = \"invalid_request_error\", message = \"You have reached your specified API usage limits.\"");
    assert!(calls == 1 && note.contains("the spend limit of the Anthropic account is reached"), "{calls} {note}");
}

#[test]
fn the_other_protocol_says_in_its_way_that_money_is_spent() {
    for error in [
        "type = \"insufficient_quota\", code = \"insufficient_quota\", message = \"quota\"",
        "code = \"insufficient_quota\", message = \"quota\"",
    ] {
        for told in ["", "headers = { retry-after = \"1\", x-should-retry = \"true\" }, "] {
            let replies = format!("[[reply]]\nhttp = {{ status = 429, {told}body = {{ error = {{ {error} }} }} }}\n");
            let agents = vec![agent("Coder", vec![("model", "gpt-5.5".into())])];
            let ran = Scenario::new(agents, vec![Do::Spawn(0), ask(0, "go").step()]).replies(&replies).run();
            assert_eq!(ran.totals.calls, 1, "{replies}: {:?}", ran.notes);
            assert!(
                ran.notes[0].starts_with("RateLimited: quota (429); the OpenAI account has no credit left"),
                "{:?}",
                ran.notes
            );
        }
    }
}

#[test]
fn each_class_is_tried_again_where_it_is_named_and_nothing_else_ever_is() {
    let calls = |on: &[&str], reply: &str| {
        let classes = on.iter().map(|class| (*class).into()).collect();
        let agents = vec![coder(&[("retry.on", Clause::List(classes)), ("retry.max_attempts", 2.into())])];
        let replies = format!("[[reply]]\n{reply}\ntimes = 1\n[[reply]]\ntext = \"ok\"\n");
        Scenario::new(agents, vec![Do::Spawn(0), ask(0, "go").step()]).replies(&replies).run().totals.calls
    };
    let failures = [
        ("rate_limit", vec!["error = \"rate_limit\"", "http = { status = 429 }"]),
        ("overloaded", vec!["error = \"overloaded\"", "http = { status = 529 }", "http = { status = 503 }"]),
        ("timeout", vec!["error = \"timeout\"", "http = { status = 408 }", "http = { status = 504 }"]),
        ("server_error", vec!["http = { status = 500 }", "http = { status = 502, body = \"<html></html>\" }"]),
        ("connection", vec!["error = \"disconnect\"", "text = \"cut\"\ncut_after_bytes = 20"]),
    ];
    let all = failures.each_ref().map(|(class, _)| *class);
    for (class, replies) in &failures {
        for reply in replies {
            assert_eq!(calls(&[class], reply), 2, "{class}: {reply}");
            let others: Vec<&str> = all.iter().copied().filter(|other| other != class).collect();
            assert_eq!(calls(&others, reply), 1, "not {class}: {reply}");
        }
    }
    for status in [400, 401, 402, 403, 404, 409, 413, 422] {
        assert_eq!(calls(&all, &format!("http = {{ status = {status} }}")), 1, "{status}");
    }
    assert_eq!(calls(&all, "text = \"no\"\nstop_reason = \"refusal\""), 1);
}

// ---- circuit breakers ----

/// States of the circuit breaker in the order in which they were recorded.
fn states(ran: &Ran) -> Vec<String> {
    of_kind(ran, Kind::CircuitBreaker)
        .map(|record| {
            let state = record.attributes.iter().find(|(name, _)| name == "state").unwrap();
            state.1.as_str().unwrap().to_owned()
        })
        .collect()
}

fn fragile(threshold: i64) -> AgentSpec {
    coder(&[
        ("retry.max_attempts", 1.into()),
        ("circuit_breaker.threshold", threshold.into()),
        ("circuit_breaker.reset_after", seconds(30).into()),
    ])
}

#[test]
fn a_breaker_opens_fails_fast_half_opens_and_closes() {
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..5).map(|_| ask(0, "hi").step()));
    steps.extend([Do::Sleep(seconds(29)), ask(0, "hi").step(), Do::Sleep(seconds(1)), ask(0, "hi").step(), ask(0, "hi").step()]);
    let ran = Scenario::new(vec![fragile(3)], steps)
        .replies("[[reply]]\nerror = \"overloaded\"\ntimes = 3\n[[reply]]\ntext = \"ok\"\n")
        .run();
    assert!(ran.notes[..3].iter().all(|note| note.starts_with("Overloaded: ")), "{:?}", ran.notes);
    assert_eq!(
        ran.notes[3],
        "CircuitOpen: `Coder` fails at once, because too many of its calls of Anthropic failed in a row; the next is tried in 30s"
    );
    assert!(ran.notes[5].ends_with("the next is tried in 1s"), "{}", ran.notes[5]);
    assert_eq!(ran.notes[6..], ["ok", "ok"]);
    assert_eq!(ran.totals.calls, 5);
    assert_eq!(states(&ran), ["open", "half_open", "closed"]);
    assert!(ran.warnings.iter().any(|text| text.contains("the circuit breaker of `Coder` is open")), "{:?}", ran.warnings);
    let open = of_kind(&ran, Kind::Invocation).filter(|record| record.error_kind.as_deref() == Some("CircuitOpen"));
    assert_eq!(open.count(), 3, "each has a record");
}

#[test]
fn a_failed_probe_opens_it_again_and_handles_of_one_type_share_it() {
    let mut steps = vec![Do::Spawn(0), Do::Spawn(0)];
    steps.extend((0..3).map(|_| ask(0, "hi").step()));
    steps.extend([ask(1, "hi").step(), Do::Sleep(seconds(30)), ask(1, "hi").step(), ask(0, "hi").step()]);
    let ran = Scenario::new(vec![fragile(3)], steps).replies("[[reply]]\nerror = \"overloaded\"\n").run();
    let kinds: Vec<&str> = ran.notes[3..].iter().map(|note| note.split(':').next().unwrap()).collect();
    assert_eq!(kinds, ["CircuitOpen", "Overloaded", "CircuitOpen"]);
    assert_eq!(states(&ran), ["open", "half_open", "open"]);
}

#[test]
fn only_failures_of_the_provider_count() {
    let counts = |reply: &str, timeout: u64| {
        let mut steps = vec![Do::Spawn(0)];
        steps.extend((0..4).map(|_| ask(0, "hi").timeout(seconds(timeout)).step()));
        let ran = Scenario::new(vec![fragile(3)], steps).replies(&format!("[[reply]]\n{reply}\n")).run();
        ran.notes[3].starts_with("CircuitOpen")
    };
    for reply in [
        "error = \"overloaded\"",
        "http = { status = 503 }",
        "http = { status = 500 }",
        "error = \"timeout\"",
        "error = \"disconnect\"",
    ] {
        assert!(counts(reply, 60), "{reply}");
    }
    for reply in [
        "error = \"rate_limit\"",
        "error = \"invalid_request\"",
        "http = { status = 404 }",
        "text = \"no\"\nstop_reason = \"refusal\"",
    ] {
        assert!(!counts(reply, 60), "{reply}");
    }
    assert!(!counts("text = \"late\"\nlatency = \"10s\"", 5), "the invocation's own time is no fault of the provider");
}

#[test]
fn a_thousand_callers_meet_one_breaker() {
    let thousand = || (0..1_000).map(|_| Do::Beside(vec![ask(0, "hi").step()]));
    let mut steps = vec![Do::Spawn(0)];
    steps.extend(thousand());
    steps.push(Do::Wait);
    steps.extend(thousand());
    steps.extend([Do::Wait, Do::Sleep(seconds(30))]);
    steps.extend(thousand());
    steps.extend([Do::Wait, ask(0, "hi").step()]);
    let replies =
        "[[reply]]\nerror = \"overloaded\"\nlatency = \"100ms\"\ntimes = 1000\n[[reply]]\ntext = \"ok\"\nlatency = \"100ms\"\n";
    let ran = Scenario::new(vec![fragile(5)], steps).replies(replies).run();
    let starting = |notes: &[String], word: &str| notes.iter().filter(|note| note.starts_with(word)).count();
    assert_eq!(starting(&ran.notes[..1_000], "Overloaded"), 1_000, "all of them were under way");
    assert_eq!(starting(&ran.notes[1_000..2_000], "CircuitOpen"), 1_000);
    assert_eq!((starting(&ran.notes[2_000..3_000], "CircuitOpen"), starting(&ran.notes[2_000..3_000], "ok")), (999, 1));
    assert_eq!(ran.notes[3_000], "ok");
    assert_eq!(ran.totals.calls, 1_002);
    assert_eq!(states(&ran), ["open", "half_open", "closed"]);
}

// ---- over HTTP ----

fn settings() -> ServerSettings {
    ServerSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None, workers: 1 }
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// Answers with a status, and counts.
struct Counting {
    status: u16,
    requests: AtomicUsize,
    connections: Mutex<std::collections::HashSet<u64>>,
}

impl Handler for Counting {
    fn handle(&self, request: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.connections.lock().unwrap().insert(request.connection);
        // Said beforehand, so that each request needs a connection of its own.
        let headers = [("content-type", "application/json"), ("connection", "close")];
        reply.send(self.status, &headers, b"{\"error\":{\"message\":\"down\"}}")?;
        reply.close_after();
        Ok(())
    }
}

#[test]
fn an_overload_of_the_provider_is_no_limit_of_ones_own() {
    // Each is told to come again in half a minute. A refusal by rate means everybody with the key, an overload the one call.
    let second_is_over_at = |error: &str| {
        let agent = coder(&[("rate_limit.requests", rate(1_000, seconds(60)))]);
        let first = Do::Beside(vec![ask(0, "first").quiet().step()]);
        let steps = vec![Do::Spawn(0), first, Do::Sleep(Duration::from_millis(10)), ask(0, "second").step(), Do::Clock, Do::Wait];
        let replies = format!(
            "[[reply]]\ncontains = \"first\"\nerror = \"{error}\"\nretry_after = \"30s\"\ntimes = 1\n[[reply]]\ntext = \"ok\"\n"
        );
        let ran = Scenario::new(vec![agent], steps).replies(&replies).run();
        assert_eq!(ran.notes[0], "ok");
        clock(&ran)
    };
    assert_eq!(second_is_over_at("overloaded"), 10);
    assert_eq!(second_is_over_at("rate_limit"), 30_000);
}

#[test]
fn an_open_breaker_makes_no_connection() {
    let counting = Arc::new(Counting { status: 529, requests: AtomicUsize::new(0), connections: Mutex::default() });
    let server = Server::start(settings(), counting.clone()).unwrap();
    let mut steps = vec![Do::Spawn(0)];
    steps.extend((0..5).map(|_| ask(0, "hi").step()));
    steps.extend((0..1_000).map(|_| Do::Beside(vec![ask(0, "hi").step()])));
    steps.push(Do::Wait);
    let ran = Scenario::new(vec![fragile(5)], steps).server(&url(&server)).run();
    assert_eq!(ran.notes.iter().filter(|note| note.starts_with("CircuitOpen: ")).count(), 1_000);
    assert_eq!(counting.requests.load(Ordering::Relaxed), 5);
    assert_eq!(counting.connections.lock().unwrap().len(), 5);
}

#[test]
fn a_quota_is_kept_over_http_too() {
    let server =
        mock_server::start(Script::parse("[rate_limit]\nrequests = 600\n[[reply]]\ntext = \"ok\"\n").unwrap(), settings())
            .unwrap();
    // The first answer teaches the limit of ten a second; then ten more calls come at once than it has left.
    let mut steps = vec![Do::Spawn(0), ask(0, "first").step()];
    steps.extend((0..609).map(|_| Do::Beside(vec![ask(0, "hi").step()])));
    steps.push(Do::Wait);
    let mut agents = vec![coder(&[])];
    agents[0].clauses.push(("history", Clause::List(vec!["none".into()])));
    let ran = Scenario::new(agents, steps).server(&url(&server)).run();
    assert_eq!(ran.notes, ["ok"; 610]);
    assert_eq!(ran.totals.retries, 0);
}

/// Names that resolve until they do not.
struct Fading {
    to: SocketAddr,
    lookups: AtomicUsize,
}

impl Lookup for Fading {
    fn lookup(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        // Only the first name is found: by then the name server is gone.
        if self.lookups.fetch_add(1, Ordering::Relaxed) > 0 {
            assert!(host.starts_with("lost"), "a name that was found is remembered");
            return Err(io::Error::other("no answer from the name server"));
        }
        Ok(vec![self.to])
    }
}

#[test]
fn names_that_are_lost_in_the_middle_are_documented_errors() {
    let server = mock_server::start(Script::parse("[[reply]]\ntext = \"ok\"\n").unwrap(), settings()).unwrap();
    let port = server.address().port();
    let fading = Arc::new(Fading { to: server.address(), lookups: AtomicUsize::new(0) });
    let quick = Clause::List(vec![Duration::from_millis(1).into(), 2.into(), Duration::from_millis(2).into()]);
    let agents = vec![
        agent("Here", vec![("model", "claude-haiku-5-5".into()), ("retry.backoff", quick.clone())]),
        agent("Gone", vec![("model", "gpt-5.5".into()), ("retry.backoff", quick)]),
    ];
    let mut steps = vec![Do::Spawn(0), Do::Spawn(1), ask(0, "hi").quiet().step()];
    steps.extend((0..50).map(|_| Do::Beside(vec![ask(1, "hi").step()])));
    steps.extend([Do::Wait, ask(0, "still").step()]);
    let ran = Scenario::new(agents, steps)
        .server(&format!("http://here.test:{port}"))
        .variable("OPENAI_BASE_URL", &format!("http://lost.test:{port}/v1"))
        .variable("OPENAI_API_KEY", "k")
        .lookup(fading.clone())
        .budget(100_000_000_000_000)
        .run();
    assert_eq!(ran.notes.len(), 51);
    assert_eq!(ran.notes[50], "ok", "what was found before goes on");
    for note in &ran.notes[..50] {
        let known = note.starts_with("ProviderError: the host of http://lost.test:") || note.starts_with("CircuitOpen: ");
        assert!(known, "{note}");
    }
    let failed: Vec<&Record> = of_kind(&ran, Kind::ModelCall).filter(|record| record.agent.as_deref() == Some("Gone")).collect();
    assert!(failed.len() <= 150, "at most three attempts each");
    assert!(failed.iter().all(|record| record.cost_pico == Some(0)), "what was never sent costs nothing");
    assert!(fading.lookups.load(Ordering::Relaxed) >= 2);
    assert_eq!(ran.report.spent, ran.totals.cost_pico);
}

/// Answers nothing until its connection closes, and tells how it ended.
struct Silent(Mutex<std::sync::mpsc::Sender<Pause>>);

impl Handler for Silent {
    fn handle(&self, _: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        let pause = reply.pause(Duration::from_secs(60))?;
        self.0.lock().unwrap().send(pause).map_err(io::Error::other)?;
        reply.close_after();
        Ok(())
    }
}

#[test]
fn an_attempt_that_times_out_counts_for_the_breaker() {
    let (told, closed) = std::sync::mpsc::channel();
    let server = Server::start(settings(), Arc::new(Silent(Mutex::new(told)))).unwrap();
    let mut spec = fragile(2);
    spec.clauses.push(("timeouts.first_token", Duration::from_millis(50).into()));
    let steps = vec![Do::Spawn(0), ask(0, "hi").step(), ask(0, "hi").step(), ask(0, "hi").step()];
    let ran = Scenario::new(vec![spec], steps).server(&url(&server)).run();
    assert!(ran.notes[..2].iter().all(|note| note.starts_with("Timeout: ")), "{:?}", ran.notes);
    assert!(ran.notes[2].starts_with("CircuitOpen: "), "{}", ran.notes[2]);
    for _ in 0..2 {
        assert_eq!(closed.recv_timeout(Duration::from_secs(20)), Ok(Pause::Closed));
    }
}
