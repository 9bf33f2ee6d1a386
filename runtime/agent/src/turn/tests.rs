#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use serde_json::{Value, json};

use super::*;
use crate::message::{Role, ToolResult, ToolSpec, joined_text};

fn request() -> Request {
    let tool = |name: &str| ToolSpec { name: name.into(), description: String::new(), schema: json!({"type": "object"}) };
    Request { tools: [tool("read"), tool("write")].into(), ..Request::new("m", 1_000) }
}

fn invocation(limits: TurnLimits, expectation: Expectation) -> TurnLoop {
    TurnLoop::new(request(), [Block::text("go")].into(), limits, expectation)
}

fn text_loop() -> TurnLoop {
    invocation(TurnLimits::default(), Expectation::Text)
}

fn call(id: &str, name: &str, input: Value) -> Block {
    Block::ToolUse(ToolUse { id: id.into(), name: name.into(), input })
}

fn answer(stop_reason: StopReason, blocks: Vec<Block>) -> Event {
    let response = Response { id: None, request_id: None, model: "m".into(), blocks, stop_reason, usage: None };
    Event::Answered { response, lowered: None }
}

fn says(text: &str) -> Event {
    answer(StopReason::EndTurn, vec![Block::text(text)])
}

fn reads(ids: &[&str]) -> Event {
    answer(StopReason::ToolUse, ids.iter().map(|id| call(id, "read", json!({"path": *id}))).collect())
}

fn done(index: usize, content: &str) -> Event {
    Event::ToolDone { index, content: content.into(), is_error: false, parts: Arc::default() }
}

fn expect_call(action: Action) -> Request {
    match action {
        Action::CallModel(request) => request,
        other => panic!("expected a model call, got {other:?}"),
    }
}

fn expect_tools(action: Action) -> Vec<usize> {
    match action {
        Action::RunTools(runs) => runs.iter().map(|run| run.index).collect(),
        other => panic!("expected tools, got {other:?}"),
    }
}

fn expect_reply(action: Action) -> Reply {
    match action {
        Action::Finish(reply) => reply,
        other => panic!("expected a reply, got {other:?}"),
    }
}

fn expect_error(action: Action) -> Box<CallError> {
    match action {
        Action::Fail(error) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}

/// Ids, contents and error flags of the results in the last message.
fn results(request: &Request) -> Vec<(String, String, bool)> {
    let last = request.messages.last().unwrap();
    assert_eq!(last.role, Role::User);
    let results = last.blocks.iter().map(|block| match block {
        Block::ToolResult(ToolResult { id, content, is_error, .. }) => (id.to_string(), content.to_string(), *is_error),
        other => panic!("expected a result, got {other:?}"),
    });
    results.collect()
}

#[test]
fn an_answer_without_tools_is_the_reply() {
    let mut turn = text_loop();
    let request = expect_call(turn.start());
    assert_eq!(joined_text(&request.messages.last().unwrap().blocks), "go");
    let blocks = vec![Block::text("do"), Block::Raw(json!({"type": "thinking"})), Block::text("ne")];
    let reply = expect_reply(turn.on(answer(StopReason::EndTurn, blocks)));
    assert_eq!((reply.text.as_str(), reply.turns, reply.tool_calls), ("done", 1, 0));
    assert_eq!(reply.round.turns.len(), 1);
}

#[test]
fn all_results_of_a_turn_go_back_in_one_message_in_the_order_of_the_calls() {
    let mut turn = text_loop();
    turn.start();
    let words =
        answer(StopReason::ToolUse, vec![Block::text("looking"), call("a", "read", json!({})), call("b", "write", json!({}))]);
    assert_eq!(expect_tools(turn.on(words)), [0, 1]);
    assert!(matches!(turn.on(done(1, "second")), Action::Wait));
    let request =
        expect_call(turn.on(Event::ToolDone { index: 0, content: "boom".into(), is_error: true, parts: Arc::default() }));
    assert_eq!(results(&request), [("a".into(), "boom".into(), true), ("b".into(), "second".into(), false)]);
    let assistant = &request.messages[request.messages.len() - 2];
    assert_eq!((assistant.role, assistant.blocks.len()), (Role::Assistant, 3));
    let reply = expect_reply(turn.on(says("ready")));
    assert_eq!((reply.text.as_str(), reply.turns, reply.tool_calls), ("ready", 2, 2));
    assert_eq!(reply.round.turns.iter().map(|turn| turn.results.len()).collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn no_more_tools_run_at_once_than_allowed() {
    let mut turn = invocation(TurnLimits { parallel_tools: 2, ..TurnLimits::default() }, Expectation::Text);
    turn.start();
    assert_eq!(expect_tools(turn.on(reads(&["a", "b", "c", "d"]))), [0, 1]);
    assert_eq!(expect_tools(turn.on(done(1, ""))), [2]);
    assert_eq!(expect_tools(turn.on(done(0, ""))), [3]);
    assert!(matches!(turn.on(done(2, "")), Action::Wait));
    assert_eq!(results(&expect_call(turn.on(done(3, "")))).len(), 4);
}

#[test]
fn what_the_model_got_wrong_is_told_to_it_and_stops_nothing() {
    let mut turn = text_loop();
    turn.start();
    let mistakes = answer(
        StopReason::ToolUse,
        vec![call("a", "delete", json!({})), call("b", "read", json!("{\"path\":")), call("c", "read", json!({}))],
    );
    assert_eq!(expect_tools(turn.on(mistakes)), [2]);
    let results = results(&expect_call(turn.on(done(2, "fine"))));
    assert!(results[0].2 && results[0].1.contains("`delete`") && results[0].1.contains("read, write"), "{results:?}");
    assert!(results[1].2 && results[1].1.contains("not a JSON object"), "{results:?}");
    assert_eq!(results[2], ("c".into(), "fine".into(), false));
    // Nothing but mistakes needs no tool to end.
    let request = expect_call(turn.on(answer(StopReason::ToolUse, vec![call("d", "nope", json!({}))])));
    assert_eq!(request.messages.len(), 5);
}

#[test]
fn tools_are_run_even_where_the_stop_reason_does_not_say_so() {
    let mut turn = text_loop();
    turn.start();
    assert_eq!(expect_tools(turn.on(answer(StopReason::EndTurn, vec![call("a", "read", json!({}))]))), [0]);
}

#[test]
fn after_max_turns_one_more_turn_may_only_speak() {
    let mut turn = invocation(TurnLimits { max_turns: 2, ..TurnLimits::default() }, Expectation::Text);
    assert_eq!(expect_call(turn.start()).tool_choice, ToolChoice::Auto);
    turn.on(reads(&["a"]));
    assert_eq!(expect_call(turn.on(done(0, ""))).tool_choice, ToolChoice::Auto);
    turn.on(reads(&["b"]));
    let last = expect_call(turn.on(done(0, "")));
    assert_eq!((last.tool_choice, last.tools.len()), (ToolChoice::None, 2));
    let blocks = vec![Block::text("so far"), call("c", "read", json!({}))];
    let error = expect_error(turn.on(answer(StopReason::ToolUse, blocks)));
    assert_eq!(error.kind, ErrorKind::TurnLimit { limit: "max_turns 2".into(), partial: "so far".into() });
    assert_eq!(error.partial.as_deref(), Some("so far"));
}

#[test]
fn calls_beyond_max_tool_calls_are_answered_but_not_run() {
    let mut turn = invocation(TurnLimits { max_tool_calls: 2, ..TurnLimits::default() }, Expectation::Text);
    turn.start();
    assert_eq!(expect_tools(turn.on(reads(&["a", "b", "c"]))), [0, 1]);
    turn.on(done(0, "1"));
    let last = expect_call(turn.on(done(1, "2")));
    assert_eq!(last.tool_choice, ToolChoice::None);
    let results = results(&last);
    assert!(results[2].2 && results[2].1.contains("2 tool calls"), "{results:?}");
    assert_eq!(expect_reply(turn.on(says("enough"))).text, "enough");
}

#[test]
fn a_call_that_fails_again_and_again_is_told_to_the_model_and_then_costs_it_the_tools() {
    let mut turn = text_loop();
    turn.start();
    let same =
        || answer(StopReason::ToolUse, vec![call("a", "read", json!({"path": "x"})), call("b", "read", json!({"path": "x"}))]);
    let fails = |index| Event::ToolDone { index, content: "no such file".into(), is_error: true, parts: Arc::default() };
    let mut contents = Vec::new();
    for round in 1..=3 {
        assert_eq!(expect_tools(turn.on(same())), [0, 1]);
        turn.on(fails(0));
        let request = expect_call(turn.on(fails(1)));
        assert_eq!(request.tool_choice, if round < 3 { ToolChoice::Auto } else { ToolChoice::None });
        contents.push(results(&request)[1].1.clone());
    }
    assert_eq!(contents[0], "no such file");
    assert!(contents[1].contains("failed 2 times. Change the arguments"), "{contents:?}");
    assert!(contents[2].contains("failed 3 times. Go on without tools"), "{contents:?}");
    let error = expect_error(turn.on(same()));
    assert!(matches!(error.kind, ErrorKind::TurnLimit { .. }), "{error}");
    assert!(error.message.contains("3 failures of the same call"), "{error}");
}

#[test]
fn a_call_that_works_in_between_or_has_other_arguments_is_no_repetition() {
    let mut turn = text_loop();
    turn.start();
    for round in 0..6 {
        let path = if round % 2 == 0 { "x" } else { "y" };
        turn.on(answer(StopReason::ToolUse, vec![call("a", "read", json!({"path": path}))]));
        let event = Event::ToolDone { index: 0, content: "so".into(), is_error: round < 4, parts: Arc::default() };
        let request = expect_call(turn.on(event));
        assert_eq!(request.tool_choice, ToolChoice::Auto, "round {round}");
    }
}

#[test]
fn of_792_calls_in_one_turn_as_many_run_as_are_allowed_and_all_are_answered() {
    let mut turn = text_loop();
    turn.start();
    let ids: Vec<String> = (0..792).map(|number| format!("t{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut running = expect_tools(turn.on(reads(&ids)));
    assert_eq!(running.len(), 8);
    let mut ran = 0;
    let last = loop {
        let index = running.pop().unwrap();
        ran += 1;
        match turn.on(done(index, "ok")) {
            Action::RunTools(runs) => running.extend(runs.iter().map(|run| run.index)),
            Action::Wait => {}
            other => break expect_call(other),
        }
        assert!(running.len() <= 8);
    };
    assert_eq!((ran, last.tool_choice.clone()), (100, ToolChoice::None));
    let results = results(&last);
    assert_eq!(results.len(), 792);
    assert!(results.iter().zip(&ids).all(|((id, ..), wanted)| id == wanted));
    assert_eq!(results.iter().filter(|result| result.2).count(), 692);
}

#[test]
fn a_cut_answer_is_returned_with_a_warning_or_raised_where_that_would_mislead() {
    let cut = |expectation, lowered, blocks: Vec<Block>, stop_reason| {
        let mut turn = invocation(TurnLimits::default(), expectation);
        turn.start();
        let Event::Answered { response, .. } = answer(stop_reason, blocks) else { unreachable!() };
        turn.on(Event::Answered { response, lowered })
    };
    let words = || vec![Block::text("half")];
    let reply = expect_reply(cut(Expectation::Text, None, words(), StopReason::MaxTokens));
    assert_eq!(reply.text, "half");
    assert!(reply.warning.unwrap().contains("max_tokens 1000"));
    let truncated = ErrorKind::Truncated { text: "half".into() };
    assert_eq!(expect_error(cut(Expectation::Text, Some(300), words(), StopReason::MaxTokens)).kind, truncated);
    assert_eq!(expect_error(cut(Expectation::Text, None, words(), StopReason::ContextFull)).kind, truncated);
    let calling = vec![Block::text("half"), call("a", "read", json!({}))];
    let error = expect_error(cut(Expectation::Text, None, calling, StopReason::MaxTokens));
    assert_eq!(error.kind, truncated);
    assert!(error.message.contains("tool call"), "{}", error.message);
    let typed = expect_error(cut(Expectation::Typed, None, words(), StopReason::MaxTokens));
    assert_eq!(typed.kind.name(), "OutputInvalid");
}

#[test]
fn a_refusal_says_what_the_provider_said() {
    let mut turn = text_loop();
    turn.start();
    let stop = StopReason::Refusal { category: Some("bio".into()), explanation: Some("no".into()) };
    let error = expect_error(turn.on(answer(stop, vec![])));
    assert_eq!((error.kind, error.retry), (ErrorKind::Refused, None));
    assert!(error.message.ends_with("(bio): no"), "{}", error.message);
}

#[test]
fn a_paused_turn_is_continued_and_its_text_belongs_to_the_reply() {
    let mut turn = text_loop();
    turn.start();
    let request = expect_call(turn.on(answer(StopReason::PauseTurn, vec![Block::text("one, ")])));
    assert_eq!(request.messages.last().unwrap().role, Role::Assistant);
    assert_eq!(expect_reply(turn.on(says("two"))).text, "one, two");
    let mut endless = invocation(TurnLimits { max_turns: 3, ..TurnLimits::default() }, Expectation::Text);
    endless.start();
    let pause = || answer(StopReason::PauseTurn, vec![]);
    (0..3).for_each(|_| drop(expect_call(endless.on(pause()))));
    assert_eq!(expect_error(endless.on(pause())).kind.name(), "TurnLimit");
}

#[test]
fn an_empty_answer_is_an_empty_reply() {
    let mut turn = text_loop();
    turn.start();
    let reply = expect_reply(turn.on(answer(StopReason::EndTurn, vec![])));
    assert_eq!(reply.text, "");
    let mut messages = Vec::new();
    reply.round.append_to(&mut messages);
    assert_eq!(messages.len(), 1);
}

#[test]
fn a_reply_that_does_not_fit_is_sent_back_once() {
    let mut turn = invocation(TurnLimits::default(), Expectation::Typed);
    turn.start();
    assert_eq!(expect_reply(turn.on(says("{}"))).text, "{}");
    let repair = expect_call(turn.on(Event::Rejected { problem: "`score` is missing".into() }));
    assert_eq!(repair.messages.len(), 3);
    assert!(joined_text(&repair.messages[2].blocks).contains("`score` is missing"));
    let reply = expect_reply(turn.on(says("{\"score\": 1}")));
    assert_eq!(reply.round.turns.len(), 1, "only the accepted answer joins");
    let error = expect_error(turn.on(Event::Rejected { problem: "still wrong".into() }));
    let expected = ErrorKind::OutputInvalid { text: "{\"score\": 1}".into(), problem: "still wrong".into() };
    assert_eq!(error.kind, expected);
}

#[test]
fn events_that_come_too_late_change_nothing() {
    let mut turn = text_loop();
    turn.start();
    assert!(matches!(turn.on(done(0, "early")), Action::Wait));
    assert_eq!(expect_tools(turn.on(reads(&["a", "b"]))), [0, 1]);
    assert!(matches!(turn.on(done(0, "first")), Action::Wait));
    assert!(matches!(turn.on(done(0, "again")), Action::Wait));
    assert!(matches!(turn.on(done(9, "nobody")), Action::Wait));
    let results = results(&expect_call(turn.on(done(1, "second"))));
    assert_eq!(results.iter().map(|result| result.1.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    let failure = Box::new(CallError::new(ErrorKind::Overloaded, "busy"));
    assert_eq!(expect_error(turn.on(Event::Failed(failure.clone()))), failure);
    assert!(matches!(turn.on(says("late")), Action::Wait));
}
