//! `vega bench`: each thing that can be measured is, and says so in one line of JSON.

use crate::support::{output, stderr, stdout, vega};

/// What can be measured, and the key of its JSON that has to be more than zero.
const QUESTIONS: [(&str, &str); 10] = [
    ("spawn", "cpu_ns"),
    ("spawn-linked", "cpu_ns"),
    ("spawn-monitored", "cpu_ns"),
    ("idle", "cpu_ns"),
    ("ping-pong", "cpu_ns"),
    ("ring", "cpu_ns"),
    ("fan-in", "cpu_ns"),
    ("restart", "p50_ns"),
    ("preempt", "p99_ns"),
    ("calls", "p50_ns"),
];

#[test]
fn every_question_is_answered_in_json() {
    for (what, key) in QUESTIONS {
        let run = output(vega().args(["bench", what, "--count", "130", "--runs", "2", "--workers", "2", "--json"]));
        let (text, error) = (stdout(&run), stderr(&run));
        assert!(run.status.success(), "{what}: {error}");
        assert!(text.starts_with(&format!("{{\"what\":\"{what}\",\"count\":130,\"workers\":2,\"runs\":2,")), "{text}");
        let after = text.split(&format!("\"{key}\":")).nth(1).unwrap_or_else(|| panic!("{what} lacks {key}: {text}"));
        let number = after.split([',', '}']).next().unwrap_or_default();
        assert!(number.parse::<f64>().is_ok_and(|number| number > 0.0), "{what}: {key} is {number}");
    }
}

#[test]
fn processes_start_at_once_in_batches_or_in_groups_and_rings_go_side_by_side() {
    let ways: [(&[&str], &str); 4] = [
        (&["spawn", "--at-once"], "spawn-at-once"),
        (&["spawn", "--batch", "7"], "spawn"),
        (&["spawn", "--groups", "3", "--batch", "7"], "spawn-groups"),
        (&["ring", "--groups", "3"], "ring"),
    ];
    for (way, what) in ways {
        let run = output(vega().arg("bench").args(way).args(["--count", "130", "--runs", "1", "--json"]));
        let (text, error) = (stdout(&run), stderr(&run));
        assert!(run.status.success(), "{way:?}: {error}");
        assert!(text.starts_with(&format!("{{\"what\":\"{what}\",\"count\":130,")), "{text}");
    }
}

#[test]
fn without_json_the_answer_is_for_people() {
    let run = output(vega().args(["bench", "preempt", "--count", "5", "--runs", "1"]));
    let text = stdout(&run);
    assert!(text.starts_with("sleep of 1 ms beside two loops: ") && text.contains("lateness: p50 "), "{text}");
}
