//! The shape of the source tree, as ARCHITECTURE.md states it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who may depend on whom among our own crates. Nothing else is allowed.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("runtime/bytecode", &[]),
    ("runtime/scheduler", &[]),
    ("runtime/trace", &[]),
    ("compiler", &["vega-bytecode"]),
    ("runtime/net", &["vega-scheduler"]),
    ("runtime", &["vega-bytecode", "vega-scheduler", "vega-trace"]),
    ("runtime/agent", &["vega-runtime", "vega-scheduler", "vega-net", "vega-trace", "vega-bytecode"]),
    ("stdlib", &["vega-runtime", "vega-agent", "vega-net", "vega-scheduler", "vega-trace", "vega-bytecode"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && name != "node_modules" {
                files_below(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files_below(root(), ".rs", &mut found);
    assert!(found.len() > 20, "the walk over the tree finds sources");
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn crates_depend_only_downward() {
    for (folder, allowed) in MAY_DEPEND_ON {
        let manifest = read(&root().join(folder).join("Cargo.toml"));
        for line in manifest.lines().filter(|line| line.starts_with("vega-")) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(allowed.contains(&name), "{folder} may not depend on {name}");
        }
    }
}

#[test]
fn every_crate_is_in_the_table_of_dependencies() {
    let manifest = read(&root().join("Cargo.toml"));
    let members =
        manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).expect("the workspace has members");
    for member in members.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty() && *name != ".") {
        assert!(MAY_DEPEND_ON.iter().any(|(folder, _)| *folder == member), "{member} is not in the table");
    }
}

#[test]
fn no_async_runtime_is_in_the_lock_file() {
    let lock = read(&root().join("Cargo.lock"));
    assert!(!lock.lines().any(|line| line == "name = \"tokio\""), "one scheduler is enough");
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for path in rust_files() {
        let text = read(&path);
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        assert!(first.starts_with("//!") || first.starts_with("#!["), "{} opens without its purpose", path.display());
    }
}

#[test]
fn the_compiler_does_no_input_or_output() {
    let mut sources = Vec::new();
    files_below(&root().join("compiler/src"), ".rs", &mut sources);
    let is_test = |path: &PathBuf| path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
    for path in sources.iter().filter(|path| !is_test(path)) {
        let text = read(path);
        for forbidden in ["std::fs", "std::env", "std::net", "std::process", "println!(", "eprintln!(", "std::thread"] {
            let offending = text.lines().find(|line| line.contains(forbidden) && !line.trim_start().starts_with("//"));
            assert!(offending.is_none(), "{}: {forbidden} has no place in the compiler", path.display());
        }
    }
}

#[test]
fn documents_name_only_paths_that_exist() {
    let mut documents = vec![root().join("README.md"), root().join("ARCHITECTURE.md"), root().join("CHANGELOG.md")];
    files_below(&root().join("docs"), ".md", &mut documents);
    let tops: BTreeSet<&str> =
        ["src/", "compiler/", "runtime/", "stdlib/", "vega-std/", "tests/", "benches/", "docs/", "examples/", "fuzz/"].into();
    for document in documents {
        let text = read(&document);
        for word in text.split('`').skip(1).step_by(2) {
            let named = tops.iter().any(|top| word.starts_with(top)) && !word.contains([' ', '*', '{', '<', '\n', ':', '…']);
            assert!(!named || root().join(word).exists(), "{} names {word}, which does not exist", document.display());
        }
    }
}

#[test]
fn only_the_command_line_prints() {
    for path in rust_files() {
        let relative = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let library = [
            "compiler/src",
            "runtime/src",
            "runtime/bytecode/src",
            "runtime/scheduler/src",
            "runtime/net/src",
            "runtime/agent/src",
            "runtime/trace/src",
            "stdlib/src",
        ];
        if !library.iter().any(|folder| relative.starts_with(folder)) || relative.contains("tests") {
            continue;
        }
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!line.contains("println!("), "{relative}: a library does not print: {line}");
        }
    }
}
