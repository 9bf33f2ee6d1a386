//! Whether each page tells the truth.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use super::super::codes::{self, Code};
use super::*;
use crate::source::{LoadError, Loader};

/// The files of one example; one without text cannot be read.
struct Example(Vec<(String, Option<String>)>);

impl Example {
    /// Lines such as `// other.vega` begin a file; `// other.vega is no text` stands for one that cannot be read.
    fn new(text: &str) -> Example {
        let mut files = vec![("main.vega".to_owned(), Some(String::new()))];
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["//", name] if name.ends_with(".vega") => files.push((name.to_owned(), Some(String::new()))),
                ["//", name, "is", "no", "text"] => files.push((name.to_owned(), None)),
                _ => {
                    if let Some((_, Some(file))) = files.last_mut() {
                        file.push_str(line);
                        file.push('\n');
                    }
                }
            }
        }
        Example(files)
    }

    fn codes(&self) -> Vec<Code> {
        // Notes are only told by checking, limits of the bytecode only by compiling.
        let mut found: Vec<Code> = diagnostics(crate::check(self, "main.vega"));
        found.extend(diagnostics(crate::compile(self, "main.vega")));
        found.dedup();
        found
    }
}

fn diagnostics(compiled: Result<crate::Compiled, LoadError>) -> Vec<Code> {
    compiled.unwrap().diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

impl Loader for Example {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        match self.0.iter().find(|(name, _)| name == path) {
            Some((_, Some(text))) => Ok(text.as_str().into()),
            Some((_, None)) => Err(LoadError::Unreadable("it is not UTF-8 text".into())),
            None => Err(LoadError::NotFound),
        }
    }

    fn refuses_temperature(&self, model: Option<&str>) -> bool {
        model == Some("claude-opus-5-5")
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vega-std");
        std::fs::read_to_string(folder.join(format!("{module}.vega"))).ok().map(Arc::from)
    }
}

/// The blocks of Vega on a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```vega\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Programs that are too large to be shown; a page only hints at them.
fn large(code: Code) -> Option<String> {
    let lines = |count, line: &str| line.repeat(count);
    match code {
        codes::SOURCE_TOO_LARGE => Some(lines(600_000, "// Nothing but comments here.\n")),
        codes::TOO_DEEP => Some(format!("let x = {}1{};", "(".repeat(200), ")".repeat(200))),
        codes::EXPRESSION_TOO_LONG => Some(format!("let x = 1{};", " + 1".repeat(300))),
        codes::FORMAT_LIMIT => {
            let variables: String = (0..70_000).map(|number| format!("let x{number} = 1;\n")).collect();
            Some(format!("fn main() {{\n{variables}}}\n"))
        }
        _ => None,
    }
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let pages = PAGES.split("\n## ").skip(1).map(|section| section.lines().next().unwrap());
    let codes = codes::ALL.iter().map(|info| info.code.as_str());
    assert!(pages.eq(codes), "the pages stand in the order of the table, one for each code");
}

#[test]
fn the_first_example_of_a_page_provokes_its_code_alone_and_the_last_one_nothing() {
    let mut wrong = String::new();
    for info in codes::ALL {
        let text = page(info);
        let blocks = blocks(&text);
        let first = match large(info.code) {
            Some(program) => program,
            None if info.code == codes::TOO_MANY_MISTAKES => continue,
            None => blocks[0].to_owned(),
        };
        let mut found = Example::new(&first).codes();
        if info.code == codes::PARALLEL_ARMS {
            // What is said of every `parallel`.
            found.retain(|code| *code != codes::UNSUPPORTED);
            found.dedup();
        }
        if found != [info.code] {
            wrong += &format!("{}: the first example provokes {found:?}\n", info.code);
        }
        if let [_, .., last] = blocks[..] {
            let found = Example::new(last).codes();
            if !found.is_empty() {
                wrong += &format!("{}: the last example provokes {found:?}\n", info.code);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_file_with_too_many_mistakes_is_not_shown_in_full() {
    let found = Example::new(&"let = 1;\n".repeat(300)).codes();
    assert!(found.contains(&codes::TOO_MANY_MISTAKES), "{found:?}");
}

#[test]
fn what_is_mended_is_shown_for_every_code_that_a_short_program_provokes() {
    for info in codes::ALL {
        let few = blocks(&page(info)).len() < 2;
        assert!(!few || large(info.code).is_some() || info.code == codes::TOO_MANY_MISTAKES, "{}", info.code);
    }
}
