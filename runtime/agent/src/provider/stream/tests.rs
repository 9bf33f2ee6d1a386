#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::error::{ErrorKind, RetryClass};
use crate::message::{Block, StopReason, ToolUse};
use crate::script::wire::{Plan, plan};
use crate::script::{Cut, CutAfter, CutWith, Outcome, ScriptedOutcome};

const PROTOCOLS: [Protocol; 2] = [Protocol::Anthropic, Protocol::OpenAi];

/// Feeds the data of events, and gives the text delivered on the way with what came of it.
fn read(protocol: Protocol, events: &[String]) -> (String, Result<Response, Box<CallError>>) {
    let endpoint = Endpoint::from_environment(protocol, |_| None);
    let headers = [("request-id", "req_1"), ("x-request-id", "req_1")].into_iter().collect();
    let mut decoder = StreamDecoder::new(&endpoint, &headers);
    let mut delivered = String::new();
    for event in events {
        match decoder.event(event, endpoint.origin("m")) {
            Ok(Progress::Text(text)) => delivered.push_str(&text),
            Ok(Progress::Nothing | Progress::Unseen) => {}
            Ok(Progress::End) => break,
            Err(error) => return (delivered, Err(error)),
        }
    }
    (delivered, decoder.finish(endpoint.origin("m")))
}

fn response() -> Response {
    let call = |id: &str| ToolUse { id: id.into(), name: "read".into(), input: json!({"path": "ä\\\".txt"}) };
    Response {
        id: Some("msg_1".into()),
        request_id: Some("req_1".into()),
        model: "m".into(),
        blocks: vec![Block::text("Hello wörld"), Block::ToolUse(call("t1")), Block::ToolUse(call("t2"))],
        stop_reason: StopReason::ToolUse,
        usage: Some(Usage { input: 12, cache_read: 5, cache_write: 3, output: 9, ..Usage::default() }),
    }
}

/// The data of the events that a scripted server sends for an answer.
fn sent(protocol: Protocol, chunks: usize, cut: Option<Cut>) -> Vec<String> {
    let outcome = Outcome::Answer(response());
    let outcome = ScriptedOutcome {
        outcome,
        latency: Duration::ZERO,
        chunks,
        cut,
        reply: None,
        announced: crate::script::Announcement::default(),
    };
    let Plan::Answer(answer) = plan(&outcome, protocol, true) else { panic!("an answer is planned") };
    let bytes: Vec<u8> = answer.parts.into_iter().flat_map(|part| part.bytes).collect();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

#[test]
fn a_stream_reads_as_the_whole_answer_however_it_is_cut_into_pieces() {
    for protocol in PROTOCOLS {
        for chunks in [1, 3, 7, 100] {
            let (delivered, answer) = read(protocol, &sent(protocol, chunks, None));
            assert_eq!((delivered.as_str(), answer), ("Hello wörld", Ok(response())), "{protocol:?} {chunks}");
        }
    }
}

#[test]
fn a_stream_that_ends_too_early_is_a_failure_with_what_arrived() {
    for protocol in PROTOCOLS {
        let (delivered, answer) =
            read(protocol, &sent(protocol, 4, Some(Cut { after: CutAfter::Chunks(3), with: CutWith::Close })));
        let error = answer.unwrap_err();
        assert_eq!((error.retry, error.partial.as_deref()), (Some(RetryClass::Connection), Some(delivered.as_str())));
        assert_eq!((delivered.as_str(), error.request_id.as_deref()), ("Hello wö", Some("req_1")));
        let reported = Usage { output: 3, ..response().usage.unwrap() };
        let expected = match protocol {
            Protocol::Anthropic => Billed::Reported(reported),
            // Its usage comes at the very end.
            Protocol::OpenAi => Billed::EstimatedInput,
        };
        assert_eq!(error.billed, expected);
    }
}

fn lines(events: &[Value]) -> Vec<String> {
    events.iter().map(Value::to_string).collect()
}

#[test]
fn an_error_after_the_status_200_is_the_error_that_it_says() {
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 12, "output_tokens": 1}}});
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_2"});
    let error = read(Protocol::Anthropic, &lines(&[start, error])).1.unwrap_err();
    assert_eq!((&error.kind, error.request_id.as_deref()), (&ErrorKind::Overloaded, Some("req_2")));
    assert_eq!(error.billed, Billed::Reported(Usage { input: 12, output: 1, ..Usage::default() }));
    let error = json!({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}});
    assert_eq!(read(Protocol::OpenAi, &lines(&[error])).1.unwrap_err().kind, ErrorKind::RateLimited);
    for protocol in PROTOCOLS {
        let error = read(protocol, &["{\"type\":".into()]).1.unwrap_err();
        assert_eq!(error.retry, Some(RetryClass::Connection));
    }
}

#[test]
fn usage_overwrites_and_unknown_events_are_skipped() {
    let events = [
        json!({"type": "ping"}),
        json!({"type": "message_start", "message": {"id": "i", "model": "m",
            "usage": {"input_tokens": 0, "cache_read_input_tokens": 1000, "output_tokens": 1}}}),
        json!({"type": "rumour", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 12, "output_tokens": 9, "cache_read_input_tokens": null}}),
    ];
    // The stop reason has come, so the missing `message_stop` does no harm.
    let answer = read(Protocol::Anthropic, &lines(&events)).1.unwrap();
    assert_eq!(answer.usage, Some(Usage { input: 12, cache_read: 1_000, output: 9, ..Usage::default() }));
    assert_eq!((answer.stop_reason, answer.blocks.len()), (StopReason::EndTurn, 0));
}

#[test]
fn reasoning_and_citations_are_kept_to_be_echoed() {
    let block = |index: u64, start: Value| json!({"type": "content_block_start", "index": index, "content_block": start});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let events = [
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "thinking_delta", "thinking": "m"})),
        delta(0, json!({"type": "signature_delta", "signature": "s=="})),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "so"})),
        delta(1, json!({"type": "citations_delta", "citation": {"url": "u"}})),
        block(2, json!({"type": "tool_use", "id": "t", "name": "n", "input": {}})),
        delta(2, json!({"type": "input_json_delta", "partial_json": ""})),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
        json!({"type": "message_stop"}),
    ];
    let answer = read(Protocol::Anthropic, &lines(&events)).1.unwrap();
    let expected = [
        Block::Raw(json!({"type": "thinking", "thinking": "hmm", "signature": "s=="})),
        Block::Raw(json!({"type": "text", "text": "so", "citations": [{"url": "u"}]})),
        Block::ToolUse(ToolUse { id: "t".into(), name: "n".into(), input: json!({}) }),
    ];
    assert_eq!(answer.blocks, expected);
}

#[test]
fn servers_that_imitate_openai_are_understood() {
    let chunk =
        |delta: Value, finish: Value| json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let call = |id: &str, arguments: &str| json!({"tool_calls": [{"index": 0, "id": id, "function": {"name": "n", "arguments": arguments}}]});
    let mut last = chunk(json!({}), json!("stop"));
    last["usage"] = json!({"prompt_tokens": 20, "completion_tokens": 5});
    // Id and name in every piece, usage on the last choice, no [DONE], `stop` although a tool is wanted.
    let events = [chunk(call("c1", "{\"a\":"), Value::Null), chunk(call("c1", "1}"), Value::Null), last];
    let answer = read(Protocol::OpenAi, &lines(&events)).1.unwrap();
    assert_eq!(answer.tool_uses().map(|call| call.input.clone()).collect::<Vec<_>>(), [json!({"a": 1})]);
    assert_eq!(answer.usage, Some(Usage { input: 20, output: 5, ..Usage::default() }));
}
