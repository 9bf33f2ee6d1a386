//! Links, monitors, exits and trapping, as Erlang/OTP has them: cases that both play, and what happens in each.
//!
//! `make oracle` plays `tests/oracle/cases.txt` with Erlang and writes `erlang.txt`; here Vega plays the same cases.

use std::collections::BTreeMap;

use crate::support::{output, root, stderr, stdout, vega};

/// Fewer would leave something out.
const CASES_MIN: usize = 60;

/// What happened in each case, by its name.
fn transcript(text: &str) -> BTreeMap<String, String> {
    let mut cases: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        match line.strip_prefix("case ") {
            Some(begun) => {
                name = begun.to_owned();
                let is_new = cases.insert(name.clone(), String::new()).is_none();
                assert!(is_new, "there are two cases called `{name}`");
            }
            None => {
                let steps = cases.get_mut(&name).expect("a transcript begins with a case");
                steps.push_str(line);
                steps.push('\n');
            }
        }
    }
    cases
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join("tests/oracle").join(name)).expect("the file is part of the project")
}

#[test]
fn processes_do_what_those_of_erlang_do() {
    let cases = read("cases.txt");
    let mut differing = Vec::new();
    let mut last = "";
    for line in cases.lines() {
        last = line.strip_prefix("case ").unwrap_or(last);
        if line.starts_with("differs ") {
            differing.push(last);
        }
    }
    let run = output(
        vega()
            .args(["run", "tests/oracle/oracle.vega", "--offline", "--quiet", "--virtual-time"])
            .args(["--", "tests/oracle/cases.txt"]),
    );
    assert!(run.status.success(), "{}", stderr(&run));
    let (vega, erlang, differences) =
        (transcript(&stdout(&run)), transcript(&read("erlang.txt")), transcript(&read("differences.txt")));
    assert!(erlang.len() >= CASES_MIN, "only {} cases", erlang.len());
    assert_eq!(vega.keys().collect::<Vec<_>>(), erlang.keys().collect::<Vec<_>>(), "run `make oracle`: the cases have changed");
    assert_eq!(differences.len(), differing.len(), "each case that differs on purpose is in differences.txt");
    for (name, happened) in &vega {
        match differing.contains(&name.as_str()) {
            false => assert_eq!(happened, &erlang[name], "{name}"),
            true => {
                assert_eq!(happened, &differences[name], "{name}");
                assert_ne!(happened, &erlang[name], "{name} is said to differ, and does not");
            }
        }
    }
}
