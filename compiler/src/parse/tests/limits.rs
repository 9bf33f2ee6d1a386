//! Texts at and beyond the limits: clear words, no overflow, no long wait.

use super::super::{HEIGHT_MAX, NESTING_MAX};
use super::outcome;

fn codes(text: &str) -> Vec<&'static str> {
    outcome(text).parsed.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect()
}

/// Constructs that nest, each as what opens one level and what closes it.
const NESTS: &[(&str, &str)] = &[
    ("(", ")"),
    ("[", "]"),
    ("f(", ")"),
    ("{ ", " }"),
    ("-", ""),
    ("!", ""),
    ("await ", ""),
    ("async ", ""),
    ("|x| ", ""),
    ("return ", ""),
    ("a <- ", ""),
    ("x[", "]"),
    ("match x { _ => ", " }"),
    ("if a { ", " }"),
    ("loop { ", " }"),
    ("try { ", " } catch { }"),
    ("{ \"k\": ", " }"),
    ("P { x: ", " }"),
    ("f\"\"\"{", "}\"\"\""),
    ("[x for x in ", "]"),
    ("spawn F(", ")"),
    ("receive { after ", " => 1 }"),
    ("throw ", ""),
];

#[test]
fn deep_nesting_is_refused_once_and_never_overflows() {
    for (open, close) in NESTS {
        let depth = 10_000;
        let text = format!("fn main() {{ let v = {}1{}; }}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&text), ["V0114"], "{open}");
        let unclosed = format!("fn main() {{ let v = {}", open.repeat(depth));
        assert!(codes(&unclosed).contains(&"V0114"), "{open}");
    }
}

#[test]
fn deep_slips_are_refused_too() {
    let text = format!("if {}1 {{ }}", "a = ".repeat(10_000));
    assert_eq!(codes(&text).last(), Some(&"V0114"));
}

#[test]
fn nesting_below_the_limit_parses() {
    for (open, close) in NESTS {
        let depth = NESTING_MAX as usize / 4;
        let text = format!("fn main() {{ let v = {}1{}; }}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&text), [""; 0], "{open}");
    }
}

#[test]
fn deep_types_and_patterns_are_refused() {
    let depth = 10_000;
    for (open, close) in [("(", ",)"), ("fn(", ")"), ("map<", ">")] {
        let text = format!("fn f(x: {}int{}) {{ }}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&text), ["V0114"], "{open}");
    }
    for (open, close) in [("(", ",)"), ("[", "]"), ("A(", ")"), ("x @ ", "")] {
        let text = format!("fn f() {{ let {}x{} = 1; }}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&text), ["V0114"], "{open}");
    }
    assert_eq!(codes(&format!("fn f(x: int{}) {{ }}", "[]".repeat(depth))), ["V0114"]);
}

#[test]
fn a_row_of_operators_ends_at_its_limit() {
    let row = |count: usize| format!("let x = a{};", " + a".repeat(count));
    assert_eq!(codes(&row(HEIGHT_MAX as usize)), [""; 0]);
    assert_eq!(codes(&row(HEIGHT_MAX as usize + 1)), ["V0115"]);
    assert_eq!(codes(&format!("let x = a{};", ".b".repeat(100_000))), ["V0115"]);
    assert_eq!(codes(&format!("let x = a{};", "()".repeat(100_000))), ["V0115"]);
}

#[test]
fn rows_inside_each_other_add_up() {
    // Each level alone is short, and the whole would be a tree thousands high.
    let mut text = "a".to_owned();
    for _ in 0..100 {
        text = format!("({text}{})", " + a".repeat(40));
    }
    assert_eq!(codes(&format!("let x = {text};")), ["V0115"]);
}

#[test]
fn long_lists_and_chains_of_else_have_no_limit() {
    assert_eq!(codes(&format!("let x = [{}];", "1, ".repeat(50_000))), [""; 0]);
    assert_eq!(codes(&format!("if a {{ }}{}", " else if a { }".repeat(5_000))), [""; 0]);
    assert_eq!(codes(&"let x = a + b;\n".repeat(20_000)), [""; 0]);
}

#[test]
fn a_file_that_is_too_large_is_refused_whole() {
    assert_eq!(codes(&" ".repeat(super::super::SOURCE_BYTES_MAX + 1)), ["V0113"]);
}

#[test]
fn a_file_with_too_many_tokens_is_refused() {
    assert_eq!(codes(&";".repeat(super::super::TOKENS_MAX + 1)), ["V0113"]);
}

#[test]
fn after_many_mistakes_the_rest_is_not_looked_at() {
    for mistake in ["let = 1; ", "¤ ", "f(; ", "\"open\n", "„", "} ", "fn ", "/// x\n{", "f\"{ "] {
        let found = codes(&mistake.repeat(50_000));
        assert!(found.len() <= super::super::DIAGNOSTICS_MAX + 1, "{mistake}: {}", found.len());
    }
    assert_eq!(codes(&"let = 1;\n".repeat(1000)).last(), Some(&"V0116"));
}
