#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;
use crate::error::{ErrorKind, RetryClass};
use crate::message::{Block, Message, OutputSchema, StopReason, ToolChoice, ToolResult, ToolSpec, ToolUse, Usage};

fn endpoint(protocol: Protocol, variables: &[(&str, &str)]) -> Endpoint {
    Endpoint::from_environment(protocol, |name| {
        variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    })
}

fn anthropic() -> Endpoint {
    endpoint(Protocol::Anthropic, &[("ANTHROPIC_API_KEY", "sk-1")])
}

fn openai() -> Endpoint {
    endpoint(Protocol::OpenAi, &[("OPENAI_API_KEY", "sk-2")])
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// A request in the middle of a tool loop.
fn tool_round() -> Request {
    let result = |id: &str, is_error| {
        Block::ToolResult(ToolResult { id: id.into(), content: format!("result {id}").into(), is_error, ..ToolResult::default() })
    };
    let call = |id: &str| Block::ToolUse(ToolUse { id: id.into(), name: "weather".into(), input: json!({"city": id}) });
    let thinking = Block::Raw(json!({"type": "thinking", "thinking": "hm", "signature": "s=="}));
    let tool = ToolSpec { name: "weather".into(), description: "Tells it".into(), schema: json!({"type": "object"}) };
    Request {
        system: Some("Be brief.".into()),
        tools: [tool].into(),
        messages: vec![
            Message::user([Block::text("How is it?")]),
            Message::assistant([thinking, Block::text("Looking."), call("a"), call("b")]),
            Message::user([Block::text("And be quick"), result("a", false), result("b", true)]),
        ],
        ..Request::new("claude-sonnet-5-5", 1_024)
    }
}

#[test]
fn an_anthropic_request_has_all_results_of_a_turn_in_one_message_before_its_text() {
    let sent = anthropic().encode(&tool_round()).unwrap();
    assert_eq!(sent.url, "https://api.anthropic.com/v1/messages");
    assert_eq!(sent.headers.get("x-api-key"), Some("sk-1"));
    assert_eq!(sent.headers.get("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.headers.get("content-type"), Some("application/json"));
    assert_eq!(sent.headers.get("authorization"), None);
    assert_eq!(
        body(&sent),
        json!({
            "model": "claude-sonnet-5-5", "max_tokens": 1024, "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "How is it?"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s=="},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "a"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "b"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "result a"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "result b", "is_error": true},
                    {"type": "text", "text": "And be quick"},
                ]},
            ],
            "tools": [{"name": "weather", "description": "Tells it", "input_schema": {"type": "object"}}],
        })
    );
}

#[test]
fn an_openai_request_has_one_message_for_each_result() {
    let mut request = tool_round();
    request.tool_choice = ToolChoice::None;
    let sent = openai().encode(&request).unwrap();
    assert_eq!(sent.url, "https://api.openai.com/v1/chat/completions");
    assert_eq!(sent.headers.get("authorization"), Some("Bearer sk-2"));
    let sent = body(&sent);
    assert_eq!(
        sent["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is it?"},
            {"role": "assistant", "content": "Looking.", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"a\"}"}},
                {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"b\"}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "result a"},
            {"role": "tool", "tool_call_id": "b", "content": "result b"},
            {"role": "user", "content": "And be quick"},
        ])
    );
    assert_eq!(sent["tool_choice"], "none");
    assert_eq!(sent["max_completion_tokens"], 1024);
    assert_eq!(sent["tools"][0]["function"]["parameters"], json!({"type": "object"}));
}

#[test]
fn optional_fields_are_sent_only_where_the_program_asks_for_them() {
    let plain = body(&anthropic().encode(&Request::new("m", 10)).unwrap());
    assert_eq!(plain, json!({"model": "m", "max_tokens": 10, "messages": []}));
    let mut request = Request::new("m", 10);
    request.temperature = Some(0.3);
    request.stream = true;
    request.output = Some(Arc::new(OutputSchema { name: "Review".into(), schema: json!({"type": "object"}) }));
    let options = json!({"effort": "high", "service_tier": "auto", "model": "other"});
    request.provider_options = Arc::new(options.as_object().unwrap().clone());
    let full = body(&anthropic().encode(&request).unwrap());
    assert_eq!(full["temperature"], 0.3);
    assert_eq!(full["stream"], true);
    assert_eq!(full["model"], "m");
    assert_eq!(full["service_tier"], "auto");
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    assert_eq!(full["output_config"], json!({"effort": "high", "format": format}));
    assert_eq!(full.get("tool_choice"), None);
    let full = body(&openai().encode(&request).unwrap());
    assert_eq!(full["reasoning_effort"], "high");
    assert_eq!(full["stream_options"], json!({"include_usage": true}));
    assert_eq!(full["response_format"]["json_schema"]["name"], "Review");
}

#[test]
fn the_environment_decides_where_requests_go_and_who_pays() {
    let url = |protocol, variable: &str, base: &str| {
        let key = [(variable, base), ("ANTHROPIC_API_KEY", "k"), ("OPENAI_API_KEY", "k")];
        endpoint(protocol, &key).encode(&Request::new("m", 1)).map(|request| request.url)
    };
    for base in ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"] {
        let sent = url(Protocol::Anthropic, "ANTHROPIC_BASE_URL", base).unwrap();
        assert_eq!(sent, "http://h:1/v1/messages", "{base}");
    }
    for base in ["http://h/x/v1", "http://h/x/v1/"] {
        let sent = url(Protocol::OpenAi, "OPENAI_BASE_URL", base).unwrap();
        assert_eq!(sent, "http://h/x/v1/chat/completions");
    }
    let error = url(Protocol::Anthropic, "ANTHROPIC_BASE_URL", "h:1").unwrap_err();
    assert!(error.message.contains("ANTHROPIC_BASE_URL"), "{}", error.message);
    let bearer = endpoint(Protocol::Anthropic, &[("ANTHROPIC_AUTH_TOKEN", "t"), ("ANTHROPIC_API_KEY", "")]);
    let sent = bearer.encode(&Request::new("m", 1)).unwrap();
    assert_eq!((sent.headers.get("authorization"), sent.headers.get("x-api-key")), (Some("Bearer t"), None));
    let missing = endpoint(Protocol::Anthropic, &[("ANTHROPIC_API_KEY", " ")]).encode(&Request::new("m", 1));
    let error = missing.unwrap_err();
    assert_eq!((&error.kind, error.retry), (&ErrorKind::ProviderError { status: 0 }, None));
    assert!(error.message.contains("ANTHROPIC_API_KEY"), "{}", error.message);
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    let headers = [("request-id", "req_1"), ("x-request-id", "req_1")].into_iter().collect();
    HttpResponse { status, headers, body: body.into() }
}

#[test]
fn an_anthropic_answer_is_decoded_with_unknown_blocks_kept() {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
        "content": [{"type": "thinking", "thinking": "", "signature": "x"}, {"type": "text", "text": "Checking."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}],
        "stop_reason": "tool_use", "stop_sequence": null, "stop_details": null,
        "usage": {"input_tokens": 12, "cache_creation_input_tokens": 500, "cache_read_input_tokens": 1000,
            "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 300},
            "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}, "speed": "standard", "inference_geo": null},
    });
    let response = anthropic().decode(&answer(200, body.to_string()), "m", UNIX_EPOCH).unwrap();
    assert_eq!((response.id.as_deref(), response.request_id.as_deref()), (Some("msg_1"), Some("req_1")));
    assert_eq!((response.text().as_str(), response.stop_reason.clone()), ("Checking.", StopReason::ToolUse));
    assert_eq!(response.blocks[0], Block::Raw(json!({"type": "thinking", "thinking": "", "signature": "x"})));
    assert_eq!(response.tool_uses().next().unwrap().input, json!({"city": "Paris"}));
    let usage = Usage { input: 12, cache_read: 1_000, cache_write: 200, cache_write_1h: 300, output: 9, ..Usage::default() };
    assert_eq!(response.usage, Some(usage));
    // An answer goes back exactly as it came.
    let echo = Request { messages: vec![Message::assistant(response.blocks)], ..Request::new("m", 1) };
    let sent: Value = serde_json::from_slice(&anthropic::encode(&echo)).unwrap();
    assert_eq!(sent["messages"][0]["content"], body["content"]);
}

#[test]
fn absent_and_null_usage_fields_are_no_tokens() {
    let body = json!({"content": [], "model": "m", "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": null, "explanation": "no"},
        "usage": {"input_tokens": 3, "output_tokens": 1, "cache_creation_input_tokens": 7, "cache_creation": null}});
    let response = anthropic().decode(&answer(200, body.to_string()), "m", UNIX_EPOCH).unwrap();
    assert_eq!(response.usage, Some(Usage { input: 3, cache_write: 7, output: 1, ..Usage::default() }));
    assert_eq!(response.stop_reason, StopReason::Refusal { category: None, explanation: Some("no".into()) });
    assert!(response.blocks.is_empty());
}

#[test]
fn an_openai_answer_is_decoded_into_the_same_form() {
    let body = json!({"id": "c1", "object": "chat.completion", "model": "gpt-6-luna", "choices": [{
            "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": null, "refusal": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}},
                {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":"}},
                {"id": "call_3", "type": "function", "function": {"name": "weather", "arguments": ""}}]}}],
        "usage": {"prompt_tokens": 1212, "completion_tokens": 9, "total_tokens": 1221,
            "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 200}}});
    let response = openai().decode(&answer(200, body.to_string()), "m", UNIX_EPOCH).unwrap();
    let inputs: Vec<Value> = response.tool_uses().map(|call| call.input.clone()).collect();
    assert_eq!(inputs, [json!({"city": "Paris"}), json!("{\"city\":"), json!({})]);
    let usage = Usage { input: 12, cache_read: 1_000, cache_write: 200, output: 9, ..Usage::default() };
    assert_eq!(response.usage, Some(usage));
    // What the model got wrong goes back as it wrote it.
    let echo = Request { messages: vec![Message::assistant(response.blocks)], ..Request::new("m", 1) };
    let sent: Value = serde_json::from_slice(&openai::encode(&echo, MaxTokensField::MaxTokens)).unwrap();
    assert_eq!(sent["messages"][0]["tool_calls"][1]["function"]["arguments"], "{\"city\":");
    assert_eq!(sent["max_tokens"], 1);
    let sent: Value = serde_json::from_slice(&anthropic::encode(&echo)).unwrap();
    assert_eq!(sent["messages"][0]["content"][1]["input"], json!({"INVALID_JSON": "{\"city\":"}));
}

#[test]
fn a_body_that_is_no_answer_is_a_clear_error() {
    let check = |endpoint: &Endpoint, body: &str, status: u16, retry, part: &str| {
        let error = endpoint.decode(&answer(200, body), "m", UNIX_EPOCH).unwrap_err();
        assert_eq!((&error.kind, error.retry), (&ErrorKind::ProviderError { status }, retry), "{body}");
        assert!(error.message.contains(part), "{}", error.message);
    };
    for endpoint in [anthropic(), openai()] {
        check(&endpoint, "<html><title>Sign in</title>", 200, None, "HTML page titled \"Sign in\"");
        check(&endpoint, "{\"content\": [{\"type\"", 0, Some(RetryClass::Connection), "ends after 20 bytes");
        check(&endpoint, "", 200, None, "an empty answer");
        check(&endpoint, "[]", 200, None, "unexpected answer: []");
        check(&endpoint, "{\"choices\": []}", 200, None, "unexpected answer");
        let event = r#"{"type":"error","error":{"type":"api_error","message":"broke"}}"#;
        check(&endpoint, event, 500, Some(RetryClass::ServerError), "broke");
    }
}

#[test]
fn an_error_status_is_decoded_with_its_retry_after() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    let mut response = answer(429, body);
    response.headers.push("retry-after", "2");
    let error = anthropic().decode(&response, "m", UNIX_EPOCH).unwrap_err();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimited, Some(Duration::from_secs(2))));
}

#[test]
fn a_model_s_name_chooses_its_provider() {
    let check = |model, expected, name| assert_eq!(route(model), (expected, name));
    check("claude-sonnet-5-5", Route::Anthropic, "claude-sonnet-5-5");
    check("gpt-6-luna", Route::OpenAi, "gpt-6-luna");
    check("o3-mini", Route::OpenAi, "o3-mini");
    check("orca", Route::Unknown, "orca");
    check("mock/coder", Route::Scripted, "coder");
    check("local/llama/3", Route::Named("local"), "llama/3");
}
