#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::message::{OutputSchema, ToolChoice, ToolResult, ToolSpec, ToolUse};
use crate::provider::Endpoint;

fn request() -> Request {
    let call = ToolUse { id: "t1".into(), name: "read".into(), input: json!({"path": "a"}) };
    let result = ToolResult { id: "t1".into(), content: "text".into(), ..ToolResult::default() };
    let schema = json!({"type": "object", "properties": {}});
    Request {
        system: Some("Be brief.".into()),
        temperature: Some(0.5),
        tools: [ToolSpec { name: "read".into(), description: "Reads".into(), schema: schema.clone() }].into(),
        tool_choice: ToolChoice::None,
        output: Some(Arc::new(OutputSchema { name: "output".into(), schema })),
        stream: true,
        messages: vec![
            Message::user([Block::text("go")]),
            Message::assistant([Block::text("Reading."), Block::ToolUse(call)]),
            Message::user([Block::ToolResult(result)]),
        ],
        ..Request::new("m", 100)
    }
}

#[test]
fn what_our_providers_send_reads_back_as_what_it_was() {
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let endpoint = Endpoint::from_environment(protocol, |name| name.ends_with("API_KEY").then(|| "k".into()));
        let sent = endpoint.encode(&request()).unwrap();
        assert_eq!(read(protocol, &sent.headers, &sent.body), Ok(request()), "{protocol:?}");
    }
}

/// The status and text of the refusal of a body, with proper headers.
fn refused(protocol: Protocol, body: &Value) -> (u16, String) {
    let headers = match protocol {
        Protocol::Anthropic => {
            vec![("x-api-key", "k"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json")]
        }
        Protocol::OpenAi => vec![("authorization", "Bearer k")],
    };
    refused_with(protocol, &headers, body.to_string().as_bytes())
}

fn refused_with(protocol: Protocol, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let headers: Headers = headers.iter().copied().collect();
    let refusal = read(protocol, &headers, body).unwrap_err();
    let body: Value = serde_json::from_slice(&refusal.body).unwrap();
    (refusal.status, body["error"]["message"].as_str().unwrap().to_owned())
}

#[test]
fn anthropic_s_headers_are_required() {
    let body = br#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}"#;
    let check = |headers: &[(&str, &str)], status: u16, part: &str| {
        let (got, text) = refused_with(Protocol::Anthropic, headers, body);
        assert!(got == status && text.contains(part), "{got} {text}");
    };
    let key = ("x-api-key", "k");
    let version = ("anthropic-version", "2023-06-01");
    check(&[], 401, "x-api-key");
    check(&[key, ("authorization", "Bearer t"), version], 401, "Only one");
    check(&[key], 400, "anthropic-version: header is required");
    check(&[key, ("anthropic-version", "2022")], 400, "not a valid version");
    check(&[key, version, ("content-type", "text/plain")], 400, "content-type");
    let bearer = [("authorization", "Bearer t"), version, ("content-type", "application/json; charset=utf-8")];
    assert!(read(Protocol::Anthropic, &bearer.into_iter().collect(), body).is_ok());
    assert_eq!(refused_with(Protocol::OpenAi, &[], body).0, 401);
}

#[test]
fn anthropic_s_fields_are_checked() {
    let check = |change: &dyn Fn(&mut Value), part: &str| {
        let mut body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
        change(&mut body);
        let (status, text) = refused(Protocol::Anthropic, &body);
        assert!(status == 400 && text.contains(part), "{text}");
    };
    let remove = |field: &'static str| move |body: &mut Value| drop(body.as_object_mut().unwrap().remove(field));
    check(&remove("model"), "model: Field required");
    check(&remove("max_tokens"), "max_tokens: Field required");
    check(&remove("messages"), "messages: Field required");
    check(&|body| body["max_tokens"] = json!("many"), "max_tokens: Input should be a valid integer");
    check(&|body| body["temprature"] = json!(1), "temprature: Extra inputs are not permitted");
    check(&|body| body["messages"] = json!([]), "at least one message");
    check(&|body| body["messages"][0]["role"] = json!("assistant"), "first message must use the \"user\" role");
    check(&|body| body["messages"][0]["content"] = json!(""), "non-empty content");
    check(&|body| body["messages"][0]["role"] = json!("tool"), "Input should be 'user' or 'assistant'");
    check(&|body| body["tools"] = json!([{"name": "a.b", "input_schema": {"type": "object"}}]), "should match pattern");
    check(&|body| body["tools"] = json!([{"name": "a"}]), "input_schema.type: Field required");
    check(&|body| body["tool_choice"] = json!({"type": "none"}), "only be specified while providing tools");
}

fn tool_conversation(after: Value) -> Value {
    json!({"model": "m", "max_tokens": 5, "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "t1", "name": "a", "input": {}}, {"type": "tool_use", "id": "t2", "name": "a", "input": {}}]},
        {"role": "user", "content": after}]})
}

#[test]
fn anthropic_wants_every_result_right_after_its_call() {
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    let words = json!({"type": "text", "text": "and"});
    let check = |after: Value, expected: &str| {
        let (status, text) = refused(Protocol::Anthropic, &tool_conversation(after));
        assert_eq!((status, text.as_str()), (400, expected));
    };
    let missing = |ids: &str| {
        format!(
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: {ids}. Each `tool_use` \
             block must have a corresponding `tool_result` block in the next message."
        )
    };
    check(json!("go on"), &missing("t1, t2"));
    check(json!([result("t1")]), &missing("t2"));
    // A result behind a text is not seen.
    check(json!([result("t1"), words, result("t2")]), &missing("t2"));
    check(
        json!([result("t1"), result("t2"), result("t3")]),
        "messages.2: unexpected `tool_use_id` found in `tool_result` blocks: t3. Each `tool_result` block must have a \
         corresponding `tool_use` block in the previous message.",
    );
}

#[test]
fn openai_wants_every_result_right_after_its_call() {
    let calls = json!([{"id": "c1", "type": "function", "function": {"name": "a", "arguments": "{}"}},
        {"id": "c2", "type": "function", "function": {"name": "a", "arguments": "{}"}}]);
    let check = |after: Value, part: &str| {
        let mut messages =
            vec![json!({"role": "user", "content": "go"}), json!({"role": "assistant", "content": null, "tool_calls": calls})];
        messages.extend(after.as_array().unwrap().iter().cloned());
        let (status, text) = refused(Protocol::OpenAi, &json!({"model": "m", "messages": messages}));
        assert!(status == 400 && text.contains(part), "{text}");
    };
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "x"});
    check(json!([result("c1")]), "did not have response messages: c2");
    check(json!([{"role": "user", "content": "hm"}, result("c1"), result("c2")]), "response messages: c1, c2");
    check(json!([result("c1"), result("c2"), result("c3")]), "must be a response to a preceeding message");
    assert!(refused(Protocol::OpenAi, &json!({"model": "m"})).1.contains("'messages'"));
}

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json")];
    for body in [&b"{\"model\""[..], b"[]", b"\xff"] {
        assert_eq!(refused_with(Protocol::Anthropic, &headers, body).0, 400);
    }
}
