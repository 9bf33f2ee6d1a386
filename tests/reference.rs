//! The language reference and the guides: every program in `docs/language/` and in the guides beside it does what the text says, and
//! the list of the library is complete.
//!
//! A block of `vega` is a program. What it prints stands in `// expect:` comments as in golden programs, or in the block of `text`
//! that follows; a block of `toml` that follows is its replies file. A line such as `// shapes.vega` begins another file.
//! A block of declarations alone only has to compile.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::language::{Expected, expected, judge};
use crate::support::{Folder, output, root, stderr, stdout, vega};

/// One program of a chapter.
struct Block {
    chapter: String,
    line: usize,
    program: String,
    printed: Option<String>,
    replies: Option<String>,
}

/// The fenced blocks of a text: what they are in, where they begin, and what they hold.
fn fenced(text: &str) -> Vec<(&str, usize, String)> {
    let mut blocks: Vec<(&str, usize, String)> = Vec::new();
    let mut is_inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !is_inside => {
                blocks.push((language, number + 1, String::new()));
                is_inside = true;
            }
            Some(_) => is_inside = false,
            None if is_inside => {
                let (_, _, content) = blocks.last_mut().expect("inside of a block");
                content.push_str(line);
                content.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_inside, "a block is never closed");
    blocks
}

fn chapters() -> Vec<PathBuf> {
    let folder = root().join("docs/language");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the reference exists")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    found.sort();
    found
}

/// Texts for users beside the reference.
fn guides() -> [PathBuf; 2] {
    ["docs/processes.md", "docs/supervision.md"].map(|path| root().join(path))
}

fn programs() -> Vec<Block> {
    let mut programs: Vec<Block> = Vec::new();
    for path in chapters().into_iter().chain(guides()) {
        let chapter = path.strip_prefix(root()).unwrap_or(&path).with_extension("").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a chapter can be read");
        let mut owner = None;
        for (language, line, content) in fenced(&text) {
            match (language, owner) {
                ("vega", _) => {
                    owner = Some(programs.len());
                    programs.push(Block { chapter: chapter.clone(), line, program: content, printed: None, replies: None });
                }
                ("text", Some(at)) => programs[at].printed = Some(content),
                ("toml", Some(at)) => programs[at].replies = Some(content),
                _ => owner = None,
            }
        }
    }
    programs
}

/// Runs one program; what is wrong with it, if anything.
fn check(block: &Block) -> Result<(), String> {
    let folder = Folder::new(&format!("reference-{}-{}", block.chapter.replace('/', "-"), block.line));
    let main = folder.path().join("main.vega");
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut at = main.clone();
    for line in block.program.lines() {
        match line.strip_prefix("// ").filter(|name| name.ends_with(".vega") && !name.contains(' ')) {
            Some(name) => at = folder.path().join(name),
            None => {
                let file = files.entry(at.clone()).or_default();
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    for (path, text) in &files {
        folder.write(&path.to_string_lossy(), text);
    }
    let text = &files[&main];
    let mut expected: Expected = expected(text);
    if let Some(printed) = &block.printed {
        expected.output.extend(printed.lines().map(str::to_owned));
    }
    let mut command = vega();
    command.arg("run").arg(&main).args(["--offline", "--virtual-time"]).args(&expected.flags);
    if let Some(replies) = &block.replies {
        command.arg("--replies").arg(folder.write("replies.toml", replies));
    }
    let run = output(&mut command);
    let complaints = stderr(&run);
    if complaints.contains("warning[") {
        return Err(complaints);
    }
    if complaints.contains("has neither `fn main` nor statements") && expected.is_nothing() {
        return Ok(());
    }
    judge(&run, &expected, "main.vega")
}

#[test]
fn every_program_of_the_reference_does_what_it_says() {
    let programs = programs();
    assert!(programs.len() > 100, "the reference has programs");
    let next = Mutex::new(programs.iter());
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(block) = next.lock().expect("no check panics").next() else { return };
                    if let Err(problem) = check(block) {
                        let place = format!("{}.md:{:04}", block.chapter, block.line);
                        failures.lock().expect("no check panics").insert(place, problem);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no check panics");
    let text = failures.iter().fold(String::new(), |text, (place, problem)| format!("{text}=== {place}\n{problem}\n"));
    assert!(failures.is_empty(), "{} programs fail\n{text}", failures.len());
}

#[test]
fn every_chapter_is_named_in_the_contents() {
    let contents = std::fs::read_to_string(root().join("docs/language/README.md")).expect("the reference has contents");
    for path in chapters() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(name == "README.md" || contents.contains(&format!("]({name})")), "{name} is not in the contents");
    }
}

/// A number as the documents write it: 4,000,000.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_limits_are_those_of_the_runtime() {
    let chapter = std::fs::read_to_string(root().join("docs/language/limits.md")).expect("the chapter exists");
    let limits = vega_runtime::limits::Limits::default();
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    for (row, limit) in [
        ("processes alive at once", grouped(limits.processes.into())),
        ("bytes of values in one process", format!("{} GiB", limits.heap_bytes >> 30)),
        ("calls under one another", grouped(limits.call_depth.into())),
        ("registers of all calls of a process", grouped(limits.registers.into())),
        ("bytes of one text", mebibytes(vega_runtime::limits::STRING_BYTES_MAX as u64)),
        ("messages in one mailbox", grouped(limits.mailbox_messages.into())),
        ("bytes in one mailbox", mebibytes(limits.mailbox_bytes)),
        ("bytes of a file that is read at once", mebibytes(limits.file_bytes)),
        ("bytes that a command writes to each output", mebibytes(limits.exec_bytes as u64)),
        ("time of one command", format!("{} min", limits.exec_ms / 60_000)),
        ("bytes of an answer to `http::…`", mebibytes(limits.file_bytes)),
        ("bytes of a file", mebibytes(vega_compiler::parse::SOURCE_BYTES_MAX as u64)),
    ] {
        assert!(chapter.contains(&format!("| {row} | {limit} |")), "{row}: {limit}");
    }
}

#[test]
fn every_command_and_flag_is_described() {
    let chapter = std::fs::read_to_string(root().join("docs/language/command-line.md")).expect("the chapter exists");
    let help = |arguments: &[&str]| stdout(&output(vega().arg("help").args(arguments)));
    let overview = help(&[]);
    let commands = overview.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("commands are listed");
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help") {
        assert!(chapter.contains(&format!("| `vega {command}")), "`vega {command}` is not described");
    }
    for word in help(&["run"]).split(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        assert!(!word.starts_with("--") || word == "--help" || chapter.contains(word), "{word} is not described");
    }
}

/// Where the list of the library begins in its chapter; all behind it is made from the modules.
const LIST_BEGINS: &str = "<!-- What follows is made from vega-std by tests/reference.rs. -->\n";

#[test]
fn the_list_of_the_library_is_complete() {
    let path = root().join("docs/language/library.md");
    let chapter = std::fs::read_to_string(&path).expect("the chapter exists");
    let (own, listed) = chapter.split_once(LIST_BEGINS).expect("the list has a beginning");
    let list = library();
    if std::env::var_os("VEGA_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{own}{LIST_BEGINS}{list}")).expect("the chapter can be written");
        return;
    }
    assert!(listed == list, "docs/language/library.md is out of date; VEGA_UPDATE_DOCS=1 with this test writes it anew");
}

/// All public declarations of the standard library, a table for each module and type.
fn library() -> String {
    let mut modules: Vec<PathBuf> =
        std::fs::read_dir(root().join("vega-std")).expect("the library exists").flatten().map(|entry| entry.path()).collect();
    modules.sort();
    modules.iter().map(|path| module(path)).collect()
}

fn module(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("a module can be read");
    let purpose: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("// ")).collect();
    let mut made = format!("\n## {name}\n\n{}\n", purpose.join(" "));
    let (mut docs, mut heading, mut is_table) = (Vec::new(), format!("Functions of `{name}`"), false);
    for line in text.lines() {
        let code = line.trim();
        if let Some(doc) = code.strip_prefix("///") {
            // Examples are indented further than the text.
            docs.extend(Some(doc.trim()).filter(|text| !text.is_empty() && !doc.starts_with("     ")).map(str::to_owned));
            continue;
        }
        if let Some(target) = line.strip_prefix("impl") {
            heading = format!("Methods: `impl{}`", target.trim_end_matches([' ', '{']));
            is_table = false;
        } else if line == "}" {
            heading = format!("Functions of `{name}`");
            is_table = false;
        } else if let Some(declaration) = code.strip_prefix("pub ") {
            let signature = declaration.trim_end_matches([' ', '{', ';']).trim_start_matches("fn ");
            if !is_table {
                let _written = write!(made, "\n{heading}\n\n| | |\n|---|---|\n");
                is_table = true;
            }
            let _written = writeln!(made, "| `{signature}` | {} |", docs.join(" "));
        }
        docs.clear();
    }
    made
}
