//! `vega bench`: each thing that can be measured is, and says so in one line of JSON.

use serde_json::Value;

use crate::support::{output, stderr, stdout, vega};

/// What can be measured, the flags that it has beyond those of all, and the keys of its JSON that have to be more than zero.
const QUESTIONS: [(&str, &[&str], &[&str]); 15] = [
    ("spawn", &[], &["p50_ns"]),
    ("spawn", &["--batch", "7"], &["p50_ns"]),
    ("spawn", &["--at-once"], &[]),
    ("spawn", &["--groups", "3", "--batch", "7"], &[]),
    ("spawn-linked", &[], &["p50_ns"]),
    ("spawn-monitored", &[], &["p50_ns"]),
    ("idle", &[], &[]),
    ("ping-pong", &[], &["p50_ns"]),
    ("ring", &[], &[]),
    ("ring", &["--groups", "3"], &[]),
    ("fan-in", &[], &["p50_ns"]),
    ("restart", &[], &["p50_ns", "p99_ns"]),
    ("preempt", &[], &["p50_ns", "p99_9_ns"]),
    ("calls", &[], &["p50_ns", "max_ns"]),
    ("calls", &["--count", "1"], &["p50_ns"]),
];

#[test]
fn every_question_is_answered_in_json() {
    for (what, flags, keys) in QUESTIONS {
        let run = output(
            vega()
                .args(["bench", what, "--runs", "2", "--workers", "2", "--json"])
                .args(match flags {
                    ["--count", ..] => &[],
                    _ => &["--count", "130"][..],
                })
                .args(flags),
        );
        let (text, error) = (stdout(&run), stderr(&run));
        assert!(run.status.success(), "{what}: {error}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"));
        let way = match flags {
            ["--at-once"] => "-at-once",
            ["--groups", _, "--batch", _] => "-groups",
            _ => "",
        };
        assert_eq!(answer["what"], format!("{what}{way}"));
        assert_eq!((&answer["workers"], &answer["runs"]), (&2.into(), &2.into()), "{text}");
        assert!(answer["operation"].as_str().is_some_and(|operation| !operation.is_empty()), "{text}");
        for key in ["wall_ns", "cpu_ns", "per_second"].iter().chain(keys) {
            assert!(answer[key].as_f64().is_some_and(|number| number > 0.0), "{what} {flags:?} lacks {key}: {text}");
        }
        assert_eq!(answer["resident_bytes"].is_number(), what == "idle", "{text}");
    }
}

#[test]
fn a_ring_is_timed_once_around() {
    let run = output(vega().args(["bench", "ring", "--count", "3000", "--groups", "2", "--runs", "1", "--json"]));
    let answer: Value = serde_json::from_str(&stdout(&run)).expect("one line of JSON");
    // Two rings, each with a way around begun and one ended.
    assert_eq!(answer["samples"], 2, "{answer}");
    assert!(answer["p50_ns"].as_u64().is_some_and(|nanoseconds| nanoseconds > 0), "{answer}");
}

#[test]
fn without_json_the_answer_is_for_people() {
    let run = output(vega().args(["bench", "preempt", "--count", "5", "--runs", "1"]));
    let text = stdout(&run);
    assert!(text.starts_with("sleep of 1 ms beside two loops: ") && text.contains("lateness: p50 "), "{text}");
    let run = output(vega().args(["bench", "idle", "--count", "5k", "--runs", "1"]));
    let text = stdout(&run);
    assert!(text.contains(" bytes resident, ") && text.ends_with(" a second  (median of 1 runs of 5000)\n"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    for (flags, says) in [
        (&["spawn", "--count", "0"][..], "nothing to measure"),
        (&["spawn", "--count", "ten"], "write a number, as 500k or 10M"),
        (&["idle", "--count", "2000000000000000"], "would never end"),
        (&["spawn", "--batch", "0"], "0 is not in 1..=50000"),
        (&["spawn", "--batch", "5", "--at-once"], "cannot be used with"),
        (&["ring", "--groups", "0"], "0 is not in 1..=1000"),
        (&["ping-pong", "--groups", "2"], "unexpected argument '--groups'"),
        (&["calls", "--workers", "0"], "0 is not in 1..=1024"),
        (&["calls", "--runs", "0"], "0 is not in 1..=1000"),
        (&["juggle"], "unrecognized subcommand 'juggle'"),
        (&[], "Usage: vega bench"),
    ] {
        let run = output(vega().arg("bench").args(flags));
        assert_eq!(run.status.code(), Some(2), "{flags:?}");
        assert!(stderr(&run).contains(says) && stdout(&run).is_empty(), "{flags:?}: {}", stderr(&run));
    }
}
