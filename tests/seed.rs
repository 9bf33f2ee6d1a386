//! The programs that the language was first described with run as they are written.
//!
//! `tests/language/seed/NAME.block.vega` is such a program, and is never changed. It may speak of agents and values that it
//! does not declare: `NAME.before.vega` declares them, `NAME.after.vega` uses what the block made, `NAME.replies.toml` answers
//! its questions, and `NAME.expect` is what it prints. Two more files list natives and instruction numbers.

use std::path::PathBuf;

use vega_bytecode::Opcode;

use crate::support::{Folder, MockServer, output, root, stderr, stdout, vega};

/// Blocks that need a part of the language which cannot be run. They are checked in full, and refused by name before they run.
const REFUSED: &[&str] = &["parallel"];

fn folder() -> PathBuf {
    root().join("tests/language/seed")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read_or_empty(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_default()
}

#[test]
fn every_block_runs_as_it_is_written() {
    let scratch = Folder::new("seed");
    let mut found = 0;
    for entry in std::fs::read_dir(folder()).expect("the folder exists").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".block.vega") else { continue };
        found += 1;
        let text = read_or_empty(&format!("{name}.before.vega")) + &read(&file) + &read_or_empty(&format!("{name}.after.vega"));
        let program = scratch.write(&format!("{name}.vega"), text);
        let replies = folder().join(format!("{name}.replies.toml"));
        let result =
            output(vega().arg("run").arg(&program).args(["--quiet", "--offline", "--virtual-time", "--replies"]).arg(replies));
        let (out, err) = (stdout(&result), stderr(&result));
        if REFUSED.contains(&name) {
            let checked = output(vega().arg("check").arg(&program));
            let said = stderr(&checked);
            assert_eq!(checked.status.code(), Some(0), "{name} does not check\n{said}");
            assert!(said.contains("warning[V09"), "{name} is not said to be refused\n{said}");
            assert_eq!(result.status.code(), Some(2), "{name} is no longer refused\n{out}{err}");
            let refusals = err.matches("\nerror[").count() + usize::from(err.starts_with("error["));
            assert_eq!(err.matches("error[V09").count(), refusals, "{name} is refused for another reason\n{err}");
            assert_ne!(refusals, 0, "{name} is refused without a reason\n{err}");
        } else {
            assert_eq!(result.status.code(), Some(0), "{name}\n{out}{err}");
            assert_eq!(out, read(&format!("{name}.expect")), "{name}\n{err}");
        }
    }
    assert_eq!(found, 8, "all blocks are there");
}

/// Blocks whose agents ask models, and that run over HTTP as well.
const OVER_HTTP: &[&str] = &["agents", "budgets", "spawning", "messages"];

#[test]
fn the_blocks_about_agents_run_over_http_as_they_are_written() {
    let scratch = Folder::new("first-http");
    for name in OVER_HTTP.iter().filter(|name| !REFUSED.contains(name)) {
        let parts = ["before", "block", "after"].map(|part| read_or_empty(&format!("{name}.{part}.vega")));
        let program = scratch.write(&format!("{name}.vega"), parts.concat());
        let server = MockServer::start(&folder().join(format!("{name}.replies.toml")), &[]);
        let result = output(server.run(&program).arg("--quiet"));
        let (out, err) = (stdout(&result), stderr(&result));
        assert_eq!(result.status.code(), Some(0), "{name}\n{out}{err}");
        assert_eq!(out, read(&format!("{name}.expect")), "{name}\n{err}");
    }
}

/// `module::name(parameters) -> result` as the library declares it: `name(parameters) -> result`.
fn declared(module: &str, signature: &str) -> bool {
    let Some(source) = vega_stdlib::module_source(module) else { return false };
    // One type, two names.
    let wanted = format!("pub fn {};", signature.replace("ProcessId", "process"));
    source.lines().any(|line| line.trim() == wanted)
}

#[test]
fn the_core_modules_have_the_signatures_of_the_list() {
    let mut compared = 0;
    for line in read("core_modules.txt").lines().filter(|line| line.contains("::")) {
        let (module, signature) = line.split_once("::").expect("filtered");
        assert!(declared(module, signature), "`{line}` is declared differently");
        compared += 1;
    }
    assert_eq!(compared, 14, "the list was understood");
}

#[test]
fn instructions_have_the_numbers_of_the_list() {
    let mut compared = 0;
    for line in read("opcodes.txt").lines().filter(|line| line.starts_with("OP_")) {
        let (name, rest) = line.split_once('=').expect("a name and its number");
        let name = name.trim();
        let digits = rest.split_whitespace().next().and_then(|number| number.strip_prefix("0x")).expect("a hexadecimal number");
        let number = u8::from_str_radix(digits, 16).expect("a hexadecimal number");
        // OP_SPAWN_SUPERVISED is SpawnSupervised here.
        let ours: String =
            name.trim_start_matches("OP_").split('_').map(|word| word[..1].to_owned() + &word[1..].to_lowercase()).collect();
        let opcode = Opcode::from_byte(number).unwrap_or_else(|| panic!("{name} has no instruction"));
        assert_eq!(format!("{opcode:?}"), ours, "instruction {number:#x}");
        compared += 1;
    }
    assert_eq!(compared, 14, "the list was understood");
}
