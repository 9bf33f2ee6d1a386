//! Spans, events and attributes of programs, as the trace shows them.

use serde_json::Value;

use crate::support::{Folder, output, stderr, vega};

/// The records of a run on the virtual clock, in the order in which they ended.
fn records(program: &str) -> Vec<Value> {
    let folder = Folder::new("spans");
    let program = folder.write("spans.vega", program);
    let trace = folder.path().join("trace.jsonl");
    let result = output(vega().args(["run", "--offline", "--virtual-time", "--quiet", "--trace"]).arg(&trace).arg(program));
    assert!(result.status.success(), "{}", stderr(&result));
    let text = std::fs::read_to_string(trace).expect("the trace is written");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

/// Kind, name or agent, and the name of the record that it stands under.
fn tree(records: &[Value]) -> Vec<String> {
    let name = |record: &Value| record["name"].as_str().or(record["agent"].as_str()).unwrap_or("?").to_owned();
    let parent =
        |record: &Value| records.iter().find(|other| other["span_id"] == record["parent_span"]).map_or("-".to_owned(), name);
    records
        .iter()
        .map(|record| format!("{} {} < {}", record["kind"].as_str().unwrap_or("?"), name(record), parent(record)))
        .collect()
}

#[test]
fn what_happens_within_a_span_stands_under_it() {
    let records = records(
        r#"
        agent Clerk { model "claude-haiku-5-5" }
        fn inner() {
            let step = trace::span("step");
            process::sleep(2s);
        }
        fn beside(main: process) {
            trace::event("from beside");
            send(main, true);
        }
        fn main() {
            let clerk = spawn Clerk;
            trace::event("before");
            let whole = trace::span("whole");
            inner();
            clerk <- "Hello";
            spawn beside(process::self());
            receive { _ => {} }
            trace::end(whole);
            process::sleep(1s);
            trace::end(whole);
            trace::event("after");
        }
    "#,
    );
    assert_eq!(
        tree(&records),
        [
            "event before < -",
            "span step < whole",
            "model_call Clerk < Clerk",
            "invocation Clerk < whole",
            "event from beside < whole",
            "span whole < -",
            "event after < -",
        ]
    );
    assert_eq!(records[1]["latency_ms"], 2_000);
    assert!(records.iter().all(|record| record["trace_id"] == records[0]["trace_id"]), "one run, one trace");
}

#[test]
fn a_span_ends_with_the_scope_of_its_variable() {
    let records = records(
        r#"
        fn fails() {
            let doomed = trace::span("doomed");
            throw Overloaded;
        }
        fn main() {
            if true {
                let block = trace::span("block");
                trace::event("in");
            }
            trace::event("out");
            try { fails(); } catch Overloaded { trace::event("caught"); }
            // One that ends before what stands in it.
            let early = trace::span("early");
            let late = trace::span("late");
            trace::end(early);
            trace::event("within late");
            trace::end(late);
            trace::event("within nothing");
        }
    "#,
    );
    assert_eq!(
        tree(&records),
        [
            "event in < block",
            "span block < -",
            "event out < -",
            "span doomed < -",
            "event caught < -",
            "span early < -",
            "event within late < late",
            "span late < early",
            "event within nothing < -",
        ]
    );
}

#[test]
fn attributes_belong_to_the_innermost_open_span() {
    let records = records(
        r#"
        struct Score { points: int, by: str? }
        fn main() {
            let span = trace::span("review");
            trace::set_attribute("score", 1);
            trace::set_attribute("score", Score { points: 2, by: null });
            trace::set_attribute("cost", $0.50);
            trace::set_attribute("who", process::self());
            trace::end(span);
            trace::set_attribute("late", [true]);
        }
    "#,
    );
    assert_eq!(tree(&records), ["span review < -", "event late < -"]);
    assert_eq!(records[0]["attributes"]["score"], serde_json::json!({ "points": 2, "by": null }));
    assert_eq!(records[0]["attributes"]["cost"], "$0.50");
    assert!(records[0]["attributes"]["who"].is_string(), "{}", records[0]);
    assert_eq!(records[1]["attributes"], serde_json::json!({ "late": [true] }));
}

#[test]
fn thousands_of_spans_within_each_other_end_with_their_process() {
    let records = records(
        r#"
        fn deep() {
            let spans: Span[] = [];
            for _ in 0..9_000 { spans.push(trace::span("deep")); }
            process::kill(process::self());
            process::yield();
            print(spans.len());
        }
        fn main() {
            let p = spawn deep();
            process::monitor(p);
            receive { d: Down => trace::event(d.reason) }
        }
    "#,
    );
    assert_eq!(records.len(), 9_001);
    assert!(records.iter().any(|record| record["kind"] == "event" && record["name"] == "killed"));
}
