//! The programs that fuzzing begins with: the golden programs and the examples, as texts and as bytecode.
//!
//! A target writes them into its corpus before the fuzzer reads it, so they are never older than the compiler.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vega_bytecode::Module;

use crate::Text;

/// Longer texts only make every run slower.
const SEED_BYTES_MAX: u64 = 16 << 10;

/// Writes every program's text into a target's corpus.
pub fn write_texts(target: &str) {
    for path in programs() {
        if let Ok(text) = std::fs::read(&path) {
            write(target, &path, &text);
        }
    }
}

/// Writes the bytecode of every program that compiles into a target's corpus.
pub fn write_bytecode(target: &str) {
    for path in programs() {
        if let Some(module) = module(&path) {
            write(target, &path, &vega_bytecode::encode(&module));
        }
    }
}

/// The names and numbers of arguments of all natives that the standard modules declare.
pub fn natives() -> Vec<(String, u8)> {
    let mut found = Vec::new();
    for path in files(&root().join("vega-std")) {
        let module = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for line in text.lines().filter(|line| line.trim_end().ends_with(';')) {
            let Some((name, rest)) = line.trim().strip_prefix("pub fn ").and_then(|line| line.split_once('(')) else { continue };
            let name = name.split('<').next().unwrap_or(name);
            let name = if module == "prelude" { name.to_owned() } else { format!("{module}::{name}") };
            found.push((name, arity(rest)));
        }
    }
    found
}

/// How many parameters stand before the closing parenthesis.
fn arity(parameters: &str) -> u8 {
    let (mut depth, mut commas, mut is_empty) = (0, 0, true);
    for character in parameters.chars() {
        match character {
            ')' | ']' | '>' | '}' if depth == 0 => break,
            '(' | '[' | '<' | '{' => depth += 1,
            ')' | ']' | '>' | '}' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => is_empty = false,
        }
    }
    commas + u8::from(!is_empty)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn programs() -> Vec<PathBuf> {
    let mut found = files(&root().join("examples"));
    found.extend(files(&root().join("tests/language")));
    found.retain(|path| path.metadata().is_ok_and(|metadata| metadata.len() <= SEED_BYTES_MAX));
    found
}

/// All Vega files below a folder, in one order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "vega") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn module(path: &Path) -> Option<Module> {
    let text = std::fs::read_to_string(path).ok()?;
    vega_compiler::compile(&Text(Arc::from(text)), Text::PATH).ok()?.module
}

fn write(target: &str, program: &Path, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let name = program.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("-");
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(format!("seed-{name}")), bytes));
    if let Err(error) = written {
        eprintln!("seed {name}: {error}");
    }
}
