//! What a user sees when the command cannot do what it is asked: which file or limit it was, and what to do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::{Folder, output, stderr, stdout, vega};

/// Runs a program of one file in a folder of its own.
fn run(folder: &Folder, flags: &[&str], program: &str) -> std::process::Output {
    let program = folder.write("program.vega", program);
    output(vega().current_dir(folder.path()).arg("run").args(flags).arg(program))
}

#[test]
fn a_limit_says_where_it_is_set() {
    let folder = Folder::new("command-limits");
    let deep = run(&folder, &[], "fn deep(n: int) -> int { return deep(n + 1) + 1; } fn main() { print(deep(0)); }");
    let text = stderr(&deep);
    assert!(text.starts_with("error: LimitReached: call_depth\n   = help: `call_depth` under `[limits]` in vega.toml"), "{text}");
    assert_eq!(deep.status.code(), Some(1));
    let endless = run(&folder, &["--max-reductions", "100k"], "fn main() { while true { } }");
    assert!(stderr(&endless).contains("= help: `--max-reductions` sets this bound"), "{}", stderr(&endless));
    folder.write("vega.toml", "[limits]\nprocesses = 0");
    let refused = run(&folder, &[], "fn main() { }");
    assert!(stderr(&refused).contains("`processes` under `[limits]` is 0"), "{}", stderr(&refused));
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_run_has_a_budget_and_a_project_has_prices() {
    let folder = Folder::new("budget");
    let program = "agent A { model \"gpt-99\" } fn main() { let a = spawn A; print(a <- \"hi\"); }";
    let unknown = run(&folder, &["--offline", "--budget", "1"], program);
    let text = stderr(&unknown);
    assert!(text.contains("the price of `gpt-99` is not known"), "{text}");
    folder.write("vega.toml", "[prices.\"gpt-99\"]\ninput = 1000\noutput = \"$2000\"\n");
    let priced = run(&folder, &["--offline", "--budget", "50"], program);
    let text = stderr(&priced);
    assert!(priced.status.success() && text.contains("1 model call, ") && text.contains(" of $50.00, "), "{text}");
    let refused = run(&folder, &["--offline", "--budget", "0.01"], program);
    let text = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text.starts_with("error: BudgetExceeded: the call needs up to $"), "{text}");
    let wrong = run(&folder, &["--budget", "much"], program);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("write an amount in dollars, as 2.50"), "{}", stderr(&wrong));
    folder.write("vega.toml", "[prices.\"gpt-99\"]\ninput = \"free\"\noutput = 1\n");
    let unreadable = run(&folder, &[], program);
    assert_eq!(unreadable.status.code(), Some(2));
    assert!(stderr(&unreadable).contains("vega.toml`: `input` under [prices.\"gpt-99\"]"), "{}", stderr(&unreadable));
}

#[test]
fn a_file_that_cannot_be_written_is_named_with_the_reason() {
    let folder = Folder::new("command-outputs");
    let program = folder.write("program.vega", "fn main() { }");
    let built = output(vega().args(["build", "-o", "missing/x.vgb"]).arg(&program).current_dir(folder.path()));
    assert_eq!(stderr(&built), "error: cannot write `missing/x.vgb`: its folder does not exist\n");
    assert_eq!(built.status.code(), Some(2));
    let traced = run(&folder, &["--trace", "missing/t.jsonl"], "fn main() { print(1); }");
    assert_eq!(stderr(&traced), "error: cannot write the trace to `missing/t.jsonl`: its folder does not exist\n");
    assert_eq!((stdout(&traced).as_str(), traced.status.code()), ("", Some(2)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_not_a_panic() {
    let folder = Folder::new("command-full");
    let program = folder.write("program.vega", "fn main() { print(1); }");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = vega().arg("run").arg(&program).stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let ended = ended.wait_with_output().unwrap();
    assert!(stderr(&ended).starts_with("error: cannot write to standard output: "), "{}", stderr(&ended));
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_program_that_asks_no_model_is_interrupted_without_a_word_of_models() {
    use std::io::Read as _;
    let folder = Folder::new("command-interrupt");
    let program = folder.write("program.vega", "fn main() { print(\"ready\"); while true { } }");
    let mut child = vega()
        .arg("run")
        .arg(&program)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(stderr(&ended), "interrupted\n");
    assert_eq!(ended.status.code(), Some(130));
}
