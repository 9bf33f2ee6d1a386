//! The page of every diagnostic: what it means, a program that provokes it, and the same program mended.
//!
//! Invariant: the first example of a page provokes exactly its code and nothing else, the last one provokes nothing. The tests
//! compile them all, so that no page tells what the compiler does not do.

#[cfg(test)]
mod tests;

use super::codes::CodeInfo;

/// All examples, in one text; the titles and explanations stand beside the codes.
const PAGES: &str = include_str!("pages.md");

/// The page of a code, as Markdown.
pub fn page(info: &CodeInfo) -> String {
    let code = info.code;
    // Where nothing is said between the two programs, the second is simply what to write.
    let examples = examples(code.as_str()).replace("```\n\n```vega", "```\n\nWrite:\n\n```vega");
    format!("# {code}: {}\n\n{}\n\nFor example:\n\n{examples}\n", info.title, info.explanation)
}

/// The section of a code.
fn examples(code: &str) -> &'static str {
    let mut sections = PAGES.split("\n## ").skip(1);
    sections.find_map(|section| section.strip_prefix(code)).map_or("", str::trim)
}
