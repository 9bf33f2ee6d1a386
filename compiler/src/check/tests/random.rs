//! Damaged programs: whatever is left of them, checking says something about it or makes sound bytecode of it.

use super::outcome;
use super::programs;

/// How many damaged versions of each program are tried.
const ROUNDS: usize = 150;

/// The program with some tokens dropped, doubled, exchanged, or taken from another place.
fn damaged(program: &str, random: &mut fastrand::Rng) -> String {
    let mut tokens: Vec<&str> = Vec::new();
    let mut start = 0;
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut before = ' ';
    for (at, character) in program.char_indices() {
        if at > start && !(is_word(before) && is_word(character)) {
            tokens.push(&program[start..at]);
            start = at;
        }
        before = character;
    }
    tokens.push(&program[start..]);
    for _ in 0..random.usize(1..4) {
        let (at, other) = (random.usize(..tokens.len()), random.usize(..tokens.len()));
        match random.u8(..4) {
            0 => {
                tokens.remove(at.min(tokens.len() - 1));
            }
            1 => tokens.insert(at, tokens[at]),
            2 => tokens.swap(at, other),
            _ => tokens[at] = tokens[other],
        }
    }
    tokens.concat()
}

#[test]
fn nothing_breaks_the_checker() {
    let mut random = fastrand::Rng::with_seed(7);
    for program in programs::ALL {
        for _ in 0..ROUNDS {
            let text = damaged(program, &mut random);
            let outcome = outcome(&[("test.vega", &text)]);
            let has_errors = outcome.diagnostics.iter().any(crate::diagnostic::Diagnostic::is_error);
            assert_eq!(outcome.program.is_none(), has_errors, "{text}");
            for diagnostic in &outcome.diagnostics {
                assert!(diagnostic.span().range().end <= text.len() || diagnostic.span().file.0 > 0, "{text}");
            }
            if let Some(program) = &outcome.program {
                let module = crate::emit::emit(program, &outcome.sources).unwrap();
                if let Err(error) = vega_bytecode::verify::verify(module) {
                    panic!("{error}\n{text}");
                }
            }
        }
    }
}

#[test]
fn deep_and_wide_programs_are_checked() {
    let deep = format!("fn main() {{ let x = {}1{}; print(x); }}", "(".repeat(100), ")".repeat(100));
    super::passes(&deep);
    let long = format!("fn main() {{ let x = {}1; print(x); }}", "1 + ".repeat(200));
    super::passes(&long);
    let text = format!("fn main() {{ let x = {}\"a\"; print(x); }}", "\"b\" + ".repeat(200));
    super::passes(&text);
    let blocks = format!("fn main() {{ {}print(1);{} }}", "if true { ".repeat(100), " }".repeat(100));
    super::passes(&blocks);
    let closures = format!("fn main() {{ let f = {}1; print(1); }}", "|| ".repeat(60));
    super::passes(&closures);
}
