//! The examples: what a newcomer runs first, offline, and the same over HTTP.

use std::path::Path;

use crate::support::{Folder, MockServer, output, root, stderr, stdout, vega};

fn offline(name: &str) -> String {
    let run = output(vega().args(["run", &format!("examples/{name}.vega"), "--offline"]));
    assert_eq!(run.status.code(), Some(0), "{name}: {}", stderr(&run));
    stdout(&run)
}

#[test]
fn hello_greets() {
    assert_eq!(offline("hello"), "Hello, world! It is good to see you.\n");
}

#[test]
fn tools_are_run_and_a_path_outside_is_refused() {
    let text = offline("tools");
    assert!(text.contains("Two minutes, at eighty degrees. The note has nine words."), "{text}");
    assert!(text.contains("I may not read that file"), "{text}");
}

#[test]
fn two_agents_review_until_they_agree() {
    let text = offline("code_review");
    assert!(text.contains("--- draft 3 ---") && text.ends_with("Approved after 3 drafts.\n"), "{text}");
}

#[test]
fn a_streamed_answer_is_shown_as_it_comes() {
    assert_eq!(offline("stream"), transcript("stream"));
}

#[test]
fn the_pipeline_keeps_the_order_of_its_files() {
    let text = offline("pipeline");
    let position = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part:?} in {text}"));
    assert!(position("tea: ") < position("coffee: ") && position("coffee: ") < position("bread: "), "{text}");
    assert!(text.trim_end().ends_with("two rises."), "{text}");
}

#[test]
fn an_example_prints_the_same_over_http() {
    let folder = Folder::new("examples-http");
    let replies = std::fs::read_to_string(root().join("examples/code_review.replies.toml")).expect("the example has replies");
    let agents = "[agents]\nCoder = \"You write clean, small functions.\"\nReviewer = \"You review code.\"\n\n";
    let replies = folder.write("replies.toml", format!("{agents}{replies}"));
    let server = MockServer::start(&replies, &[]);
    let run = output(&mut server.run(Path::new("examples/code_review.vega")));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(stdout(&run), offline("code_review"));
}

#[test]
fn a_trace_holds_a_record_for_every_call_with_its_cost() {
    let folder = Folder::new("trace");
    let trace = folder.path().join("trace.jsonl");
    let run = output(vega().args(["run", "examples/code_review.vega", "--offline", "--trace"]).arg(&trace));
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let text = std::fs::read_to_string(&trace).expect("the trace is written");
    let records: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let calls: Vec<_> = records.iter().filter(|record| record["kind"] == "model_call" && record["status"] == "ok").collect();
    assert_eq!(calls.len(), 6, "{text}");
    for call in calls {
        for field in
            ["trace_id", "span_id", "agent", "model", "input_tokens", "output_tokens", "cost_usd", "latency_ms", "retries"]
        {
            assert!(!call[field].is_null(), "{field} is missing in {call}");
        }
        assert!(call["cost_usd"].as_f64().expect("a number") > 0.0, "{call}");
    }
    assert!(!text.contains("largest"), "prompts are not in a trace unless asked for");
}

/// What a larger example prints; it stands beside the tests.
fn transcript(name: &str) -> String {
    let path = root().join("tests/transcripts").join(name).with_extension("txt");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_larger_examples_print_what_they_shall() {
    for name in ["adventure", "arithmetic", "bank", "statistics", "transform"] {
        assert_eq!(offline(name), transcript(name), "{name}");
        let text =
            std::fs::read_to_string(root().join("examples").join(name).with_extension("vega")).expect("the example is there");
        assert!(text.lines().count() >= 200, "{name} is a larger example");
    }
}

#[test]
fn the_larger_examples_are_free_of_warnings() {
    for name in ["adventure", "arithmetic", "bank", "statistics", "transform"] {
        let check = output(vega().args(["check", &format!("examples/{name}.vega")]));
        assert_eq!(stderr(&check), format!("examples/{name}.vega: no mistakes\n"));
    }
}

#[test]
fn the_calculator_takes_what_it_is_given() {
    let run = output(vega().args(["run", "examples/arithmetic.vega", "--", "2 * (3 + 4)", "x = 7 / 2", "x / 0"]));
    assert_eq!(stdout(&run), "(2 * (3 + 4)) -> 14\nx = (7 / 2) -> 3.5\ndivision by zero\nvariables: x = 3.5\n");
}

#[test]
fn the_adventure_is_played_from_the_keyboard() {
    let mut command = vega();
    command.args(["run", "examples/adventure.vega", "--", "--interactive"]);
    let run = with_input(&mut command, "take lamp\nfly\nquit\n");
    assert!(run.contains("You take the lamp.\n") && run.contains("You do not know how to do \"fly\"."), "{run}");
    assert!(run.ends_with("2 moves, ending: Over(GaveUp)\n"), "{run}");
}

#[test]
fn the_transformer_reads_a_file() {
    let folder = Folder::new("transform");
    let orders = folder.write(
        "orders.json",
        r#"[{"id": 1, "customer": 2, "state": "Paid", "lines": [{"article": "ink", "quantity": 3, "price": "$1.10"}]}]"#,
    );
    let mut command = vega();
    command.args(["run", "examples/transform.vega", "--quiet"]).arg(format!("--allow-read={}", orders.display()));
    let run = output(command.arg("--").arg(&orders));
    assert!(
        stdout(&run).starts_with("1 of 1 records are orders\nGrace     1 orders   3 articles    $3.30  -\n"),
        "{}",
        stdout(&run)
    );
}

/// Runs a command that reads a text, and gives what it prints.
fn with_input(command: &mut std::process::Command, input: &str) -> String {
    use std::io::Write;
    let mut child =
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().expect("the command starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("the program reads it");
    let output = child.wait_with_output().expect("the command ends");
    stdout(&output)
}
