#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::{ErrorKind, RetryClass};
use crate::message::{OutputSchema, StopReason, ToolResult};
use crate::provider::Protocol;

fn script(text: &str) -> Script {
    Script::parse(text).unwrap()
}

fn request(system: &str, message: &str) -> Request {
    let system = (!system.is_empty()).then(|| system.into());
    Request { system, messages: vec![Message::user([Block::text(message)])], ..Request::new("claude-x", 100) }
}

/// The request after `answers` turns with a tool each.
fn later(mut request: Request, answers: usize) -> Request {
    for number in 0..answers {
        let id: Arc<str> = number.to_string().into();
        let call = ToolUse { id: Arc::clone(&id), name: "read".into(), input: json!({}) };
        request.messages.push(Message::assistant([Block::ToolUse(call)]));
        let content = format!("content of {number}").into();
        request.messages.push(Message::user([Block::ToolResult(ToolResult { id, content, ..ToolResult::default() })]));
    }
    request
}

fn ask(script: &Script, agent: &str, request: &Request) -> ScriptedOutcome {
    script.outcome(Query { agent: Some(agent), model: "claude-x", turn: None, request })
}

fn text(outcome: &ScriptedOutcome) -> String {
    match &outcome.outcome {
        Outcome::Answer(response) => response.text(),
        other => panic!("expected an answer, got {other:?}"),
    }
}

#[test]
fn the_first_reply_whose_filters_all_fit_answers() {
    let script = script(
        r#"
        [[reply]]
        agent = "Coder"
        contains = "sort"
        turn = 2
        text = "second turn"
        [[reply]]
        agent = "Coder"
        contains = "sort"
        text = "sorted"
        [[reply]]
        system = "review"
        model = "claude-x"
        text = "reviewed"
        [[reply]]
        model = "other"
        text = "never"
        "#,
    );
    let sort = request("", "please sort this");
    assert_eq!(text(&ask(&script, "Coder", &sort)), "sorted");
    assert_eq!(text(&ask(&script, "Coder", &later(sort.clone(), 1))), "second turn");
    assert_eq!(text(&ask(&script, "Coder", &later(sort, 2))), "sorted");
    assert_eq!(text(&ask(&script, "Reviewer", &request("You review code", "x"))), "reviewed");
    let unscripted = ask(&script, "Coder", &request("", "hello"));
    assert_eq!((text(&unscripted), unscripted.reply), ("Coder (scripted) answers: hello".into(), None));
}

#[test]
fn contains_looks_at_the_message_and_at_the_newest_tool_results() {
    let script = script("[[reply]]\ncontains = \"content of 1\"\ntext = \"read it\"");
    let earlier = request("", "content of 1");
    let mut two_rounds = later(earlier, 0);
    two_rounds.messages.push(Message::assistant([Block::text("ok")]));
    two_rounds.messages.push(Message::user([Block::text("next")]));
    assert_eq!(ask(&script, "A", &two_rounds).reply, None);
    assert_eq!(ask(&script, "A", &later(two_rounds, 2)).reply, Some(0));
}

#[test]
fn a_reply_is_used_as_often_as_it_says() {
    let script = script("[[reply]]\nerror = \"rate_limit\"\nretry_after = \"20ms\"\ntimes = 2\n[[reply]]\ntext = \"at last\"");
    let request = request("", "go");
    let limited = Outcome::Error { fault: Fault::RateLimit, retry_after: Some(Duration::from_millis(20)) };
    assert_eq!(ask(&script, "A", &request).outcome, limited);
    assert_eq!(ask(&script, "A", &request).outcome, limited);
    assert_eq!(text(&ask(&script, "A", &request)), "at last");
}

#[test]
fn behind_http_the_instructions_tell_the_agent() {
    let script = script(
        "[agents]\nCoder = \"You write code.\"\nSenior = \"You write code. You are senior.\"\n\
         [[reply]]\nagent = \"Senior\"\ntext = \"senior\"\n[[reply]]\nagent = \"Coder\"\ntext = \"coder\"\n\
         [[reply]]\nagent = \"Ghost\"\ntext = \"boo\"",
    );
    let ask = |system: &str| {
        let request = request(system, "hi");
        text(&script.outcome(Query { agent: None, model: "claude-x", turn: None, request: &request }))
    };
    assert_eq!(ask("You write code."), "coder");
    assert_eq!(ask("You write code. You are senior. Be kind."), "senior");
    assert_eq!(ask("You paint."), "claude-x (scripted) answers: hi");
    assert_eq!(script.agents_without_instructions(), ["Ghost"]);
}

#[test]
fn answers_are_the_same_in_every_run_and_ids_differ_within_one() {
    let source = "[[reply]]\ntext = \"Looking.\"\ntool_calls = [{ name = \"a\" }, { name = \"b\", args = { x = 1 } }]";
    let go = request("", "go");
    let first = ask(&script(source), "A", &go);
    assert_eq!(first, ask(&script(source), "A", &go));
    let Outcome::Answer(response) = &first.outcome else { panic!("{first:?}") };
    assert_eq!(response.stop_reason, StopReason::ToolUse);
    let mut ids: Vec<_> = response.tool_uses().map(|call| call.id.clone()).collect();
    let Outcome::Answer(next) = ask(&script(source), "A", &later(go, 1)).outcome else { panic!("no answer") };
    ids.extend(next.tool_uses().map(|call| call.id.clone()));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let usage = response.usage.unwrap();
    assert!(usage.input > 0 && usage.output > 0, "{usage:?}");
}

#[test]
fn typed_replies_and_token_counts_are_as_wanted() {
    let script = script(
        "[[reply]]\ncontains = \"count\"\ntext = \"x\"\ninput_tokens = 7\noutput_tokens = 9\nstop_reason = \"max_tokens\"",
    );
    let mut typed = request("", "rate this");
    let schema = json!({"type": "object", "required": ["score"], "properties": {"score": {"type": "integer"}}});
    typed.output = Some(Arc::new(OutputSchema { name: "Review".into(), schema }));
    assert_eq!(text(&ask(&script, "A", &typed)), r#"{"score":1}"#);
    let Outcome::Answer(response) = ask(&script, "A", &request("", "count")).outcome else { panic!("no answer") };
    assert_eq!(response.usage, Some(Usage { input: 7, output: 9, ..Usage::default() }));
    assert_eq!(response.stop_reason, StopReason::MaxTokens);
}

#[test]
fn scripted_faults_reach_the_caller_as_a_provider_s_would() {
    let endpoint = Endpoint::from_environment(Protocol::Anthropic, |_| None);
    let resolve = |source: &str| {
        let outcome = ask(&script(&format!("[[reply]]\n{source}")), "A", &request("", "go"));
        outcome.resolve(&endpoint, "claude-x", UNIX_EPOCH)
    };
    let fails = |source: &str, kind: &str, retry, part: &str| {
        let error = resolve(source).unwrap_err();
        assert_eq!((error.kind.name(), error.retry), (kind, retry), "{source}");
        assert!(error.message.contains(part), "{}", error.message);
        error
    };
    assert_eq!(resolve("text = \"fine\"").unwrap().text(), "fine");
    let limited = fails("error = \"rate_limit\"\nretry_after = \"1.5s\"", "RateLimited", Some(RetryClass::RateLimit), "429");
    assert_eq!(limited.retry_after, Some(Duration::from_millis(1_500)));
    fails("error = \"overloaded\"", "Overloaded", Some(RetryClass::Overloaded), "529");
    let late = fails("error = \"timeout\"\nlatency = \"2s\"", "Timeout", Some(RetryClass::Timeout), "within 2s");
    assert_eq!(late.kind, ErrorKind::Timeout { after: Duration::from_secs(2) });
    fails("error = \"invalid_request\"", "ProviderError", None, "400");
    fails("error = \"disconnect\"", "ProviderError", Some(RetryClass::Connection), "broke");
    fails(
        "http = { status = 502, body = \"<html><title>Bad</title>\" }",
        "ProviderError",
        Some(RetryClass::ServerError),
        "\"Bad\"",
    );
    let cut =
        fails("text = \"one two\"\nchunks = 2\ncut_after_chunks = 1", "ProviderError", Some(RetryClass::Connection), "broke");
    assert_eq!(cut.partial.as_deref(), Some("one"));
    assert!(matches!(cut.billed, Billed::Reported(usage) if usage.input > 0 && usage.output == 1));
}

proptest! {
    #[test]
    fn pieces_are_the_text_and_none_is_empty(text in "\\PC{0,40}", count in 1_usize..50) {
        let pieces = pieces(&text, count);
        prop_assert_eq!(pieces.concat(), text.as_str());
        prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
        prop_assert_eq!(pieces.len(), count.min(text.chars().count()));
    }
}
