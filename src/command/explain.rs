//! `vega explain`: the page of a diagnostic, or the list of all of them.

use std::fmt::Write as _;
use std::process::ExitCode;

use vega_compiler::diagnostic::{codes, pages};

use super::refuse;
use crate::arguments::ExplainArguments;
use crate::console;

pub(super) fn run(arguments: &ExplainArguments) -> ExitCode {
    let Some(name) = &arguments.code else {
        console::print(&list());
        return ExitCode::SUCCESS;
    };
    match codes::find(name) {
        Some(info) => {
            console::print(&as_text(&pages::page(info)));
            ExitCode::SUCCESS
        }
        None => refuse(&format!("there is no diagnostic `{name}`; `vega explain` lists them all")),
    }
}

/// A line for every code.
fn list() -> String {
    codes::ALL.iter().fold(String::new(), |mut text, info| {
        // Writing to a text cannot fail.
        let _written = writeln!(text, "{}  {}", info.code, info.title);
        text
    })
}

/// Markdown as people read it in a terminal: code is indented instead of fenced, the title has no sign.
fn as_text(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut is_code = false;
    for line in page.lines() {
        match line {
            _ if line.starts_with("```") => is_code = !is_code,
            "" => text.push('\n'),
            _ if is_code => {
                text.push_str("    ");
                text.push_str(line);
                text.push('\n');
            }
            _ => {
                text.push_str(line.trim_start_matches("# "));
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_indented() {
        assert_eq!(as_text("# V1: t\n\nwords\n\n```vega\nlet x = 1;\n```\n"), "V1: t\n\nwords\n\n    let x = 1;\n");
    }

    #[test]
    fn the_list_has_a_line_for_every_code() {
        assert_eq!(list().lines().count(), codes::ALL.len());
    }
}
