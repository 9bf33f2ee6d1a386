#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::time::UNIX_EPOCH;

use super::*;
use crate::provider::Endpoint;

fn response() -> Response {
    let call = ToolUse { id: "toolu_1".into(), name: "read".into(), input: json!({"path": "ä\".txt"}) };
    Response {
        id: Some("msg_1".into()),
        request_id: Some("req_1".into()),
        model: "m".into(),
        blocks: vec![Block::text("Hello wörld"), Block::ToolUse(call)],
        stop_reason: StopReason::ToolUse,
        usage: Some(Usage { input: 12, cache_read: 5, cache_write: 3, output: 9, ..Usage::default() }),
    }
}

fn after_chunks(chunks: usize) -> Cut {
    Cut { after: CutAfter::Chunks(chunks), with: CutWith::Close }
}

fn after_bytes(bytes: usize) -> Cut {
    Cut { after: CutAfter::Bytes(bytes), with: CutWith::Close }
}

fn outcome(cut: Option<Cut>) -> ScriptedOutcome {
    let latency = Duration::from_millis(800);
    ScriptedOutcome {
        outcome: Outcome::Answer(response()),
        latency,
        chunks: 4,
        cut,
        reply: None,
        announced: super::super::Announcement::default(),
    }
}

fn planned(outcome: &ScriptedOutcome, protocol: Protocol, stream: bool) -> PlannedAnswer {
    match plan(outcome, protocol, stream) {
        Plan::Answer(answer) => answer,
        other @ Plan::Disconnect { .. } => panic!("expected an answer, got {other:?}"),
    }
}

fn text(answer: &PlannedAnswer) -> String {
    String::from_utf8(answer.parts.iter().flat_map(|part| part.bytes.clone()).collect()).unwrap()
}

/// The data of each event.
fn events(answer: &PlannedAnswer) -> Vec<Value> {
    let lines = text(answer);
    let data = lines.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn a_whole_answer_reads_back_as_what_it_was() {
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let endpoint = Endpoint::from_environment(protocol, |_| None);
        let back = endpoint.decode(&answer(&response(), protocol), "m", UNIX_EPOCH).unwrap();
        assert_eq!(back, response(), "{protocol:?}");
    }
}

#[test]
fn an_anthropic_stream_has_the_real_one_s_events() {
    let answer = planned(&outcome(None), Protocol::Anthropic, true);
    assert!(answer.ending == Ending::Whole && answer.content_length.is_none());
    assert!(text(&answer).starts_with("event: message_start\ndata: {\"type\":\"message_start\""));
    assert!(text(&answer).ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    let events = events(&answer);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let delta = "content_block_delta";
    let expected = [
        "message_start",
        "ping",
        "content_block_start",
        delta,
        delta,
        delta,
        delta,
        "content_block_stop",
        "content_block_start",
        delta,
        delta,
        delta,
        delta,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, expected);
    let words: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(words, "Hello wörld");
    let input: String = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&input).unwrap(), json!({"path": "ä\".txt"}));
    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 1);
    assert_eq!(events[14]["usage"]["output_tokens"], 9);
    assert_eq!(events[14]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn an_openai_stream_ends_with_usage_and_done() {
    let answer = planned(&outcome(None), Protocol::OpenAi, true);
    assert!(text(&answer).ends_with("data: [DONE]\n\n"));
    let events = events(&answer);
    let words: String = events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(words, "Hello wörld");
    let calls = events.iter().map(|event| &event["choices"][0]["delta"]["tool_calls"][0]);
    let arguments: String = calls.filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"path": "ä\".txt"}));
    let last = events.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(20)));
    assert_eq!(events[events.len() - 2]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn the_chunks_of_a_stream_share_its_latency() {
    let answer = planned(&outcome(None), Protocol::Anthropic, true);
    let times: Vec<u128> = answer.parts.iter().map(|part| part.after.as_millis()).collect();
    assert_eq!(times, [0, 100, 200, 300, 400, 500, 600, 700, 800]);
    let whole = planned(&outcome(None), Protocol::Anthropic, false);
    assert_eq!(whole.parts.iter().map(|part| part.after.as_millis()).collect::<Vec<_>>(), [800]);
}

#[test]
fn a_cut_answer_breaks_off_where_the_script_says() {
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let full = planned(&outcome(None), protocol, true);
        let chunks = planned(&outcome(Some(after_chunks(3))), protocol, true);
        assert!(chunks.ending == Ending::Cut && text(&full).starts_with(&text(&chunks)));
        let words: String = events(&chunks)
            .iter()
            .filter_map(|e| e["delta"]["text"].as_str().or(e["choices"][0]["delta"]["content"].as_str()))
            .collect();
        assert_eq!(words, "Hello wö", "{protocol:?}");
        let all = planned(&outcome(Some(after_chunks(8))), protocol, true);
        assert!(all.ending == Ending::Cut && !text(&all).contains("message_stop") && !text(&all).contains("[DONE]"));
        let bytes = planned(&outcome(Some(after_bytes(300))), protocol, true);
        assert!(bytes.ending == Ending::Cut && bytes.parts.iter().map(|part| part.bytes.len()).sum::<usize>() == 300);
    }
    let whole = planned(&outcome(Some(after_bytes(10))), Protocol::Anthropic, false);
    assert!(whole.ending == Ending::Cut && text(&whole).len() == 10 && whole.content_length > Some(10));
    let half = planned(&outcome(Some(after_chunks(2))), Protocol::Anthropic, false);
    assert_eq!(Some(text(&half).len()), half.content_length.map(|length| length / 2));
    let late = planned(&outcome(Some(after_bytes(1_000_000))), Protocol::Anthropic, false);
    assert!(late.ending == Ending::Whole);
}

#[test]
fn faults_are_the_providers_own_errors() {
    let limited = error(Fault::RateLimit, Some(Duration::from_millis(1_500)), Protocol::Anthropic);
    assert_eq!((limited.status, limited.headers.get("retry-after")), (429, Some("1.5")));
    let body: Value = serde_json::from_slice(&limited.body).unwrap();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("rate_limit_error")));
    let body: Value = serde_json::from_slice(&error(Fault::RateLimit, None, Protocol::OpenAi).body).unwrap();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    let statuses =
        [Fault::Overloaded, Fault::Timeout, Fault::InvalidRequest].map(|fault| error(fault, None, Protocol::Anthropic).status);
    assert_eq!(statuses, [529, 504, 400]);
    let gone = ScriptedOutcome { outcome: Outcome::Disconnect, ..outcome(None) };
    assert_eq!(plan(&gone, Protocol::Anthropic, true), Plan::Disconnect { after: Duration::from_millis(800) });
}
