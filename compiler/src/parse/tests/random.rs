//! No text makes the parser panic or say something about a place outside the text.

use super::super::{lexer, parse, token::Kind};
use super::outcome;
use crate::interner::Interner;
use crate::source::FileId;
use proptest::prelude::*;

/// Programs that use most of the language, to be damaged.
const PROGRAMS: &[&str] = &[
    include_str!("../../../tests-data/programs/agent.vega"),
    include_str!("../../../tests-data/programs/spawn.vega"),
    include_str!("../../../tests-data/programs/messages.vega"),
    include_str!("../../../tests-data/programs/errors.vega"),
    include_str!("../../../tests-data/programs/capabilities.vega"),
    include_str!("../../../tests-data/programs/tour.vega"),
];

/// Pieces of text that random programs are put together from.
const PIECES: &[&str] = &[
    "fn",
    "let",
    "const",
    "if",
    "else",
    "while",
    "loop",
    "for",
    "in",
    "match",
    "return",
    "break",
    "continue",
    "true",
    "null",
    "try",
    "catch",
    "finally",
    "throw",
    "defer",
    "spawn",
    "await",
    "import",
    "pub",
    "struct",
    "enum",
    "impl",
    "agent",
    "tool",
    "test",
    "error",
    "type",
    "session",
    "parallel",
    "sequential",
    "async",
    "supervisor",
    "mock",
    "supervised",
    "by",
    "from",
    "receive",
    "after",
    "timeout",
    "budget",
    "deadline",
    "history",
    "retry",
    "state",
    "model",
    "x",
    "Coder",
    "_",
    "self",
    "mut",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    ",",
    ";",
    ":",
    "::",
    ".",
    "..",
    "..=",
    "->",
    "=>",
    "<-",
    "<~",
    "=",
    "+=",
    "==",
    ">=",
    "+",
    "-",
    "*",
    "!",
    "&&",
    "||",
    "|",
    "?",
    "??",
    "?.",
    "@",
    "1",
    "2.5",
    "30s",
    "$0.50",
    "\"text\"",
    "f\"a{",
    "}\"",
    "f\"",
    "\"",
    "\"\"\"",
    "r\"",
    "'",
    "#",
    "/*",
    "*/",
    "// c",
    "/// doc",
    "\n",
    "\n    ",
    "ä",
    "\u{feff}",
    "\\",
    "$",
    "1h2",
];

/// Checks what holds for every text, and answers whether it had mistakes.
fn check(text: &str) -> bool {
    let outcome = outcome(text);
    let inside = |start: u32, end: u32| {
        assert!(start <= end && end as usize <= text.len(), "{start}..{end} in {text:?}");
        assert!(text.is_char_boundary(start as usize) && text.is_char_boundary(end as usize), "{start}..{end} in {text:?}");
    };
    for diagnostic in &outcome.parsed.diagnostics {
        assert!(diagnostic.code.info().is_some(), "{}", diagnostic.code);
        for label in &diagnostic.labels {
            inside(label.span.start, label.span.end);
        }
        for edit in diagnostic.suggestions.iter().flat_map(|suggestion| &suggestion.edits) {
            inside(edit.span.start, edit.span.end);
        }
    }
    for item in &outcome.parsed.file.items {
        inside(item.span.start, item.span.end);
    }
    for statement in &outcome.parsed.file.statements {
        inside(statement.span.start, statement.span.end);
    }
    for comment in &outcome.parsed.comments {
        inside(comment.span.start, comment.span.end);
    }
    outcome.drawn();
    crate::ast::dump::dump(&outcome.parsed.file, &outcome.interner);
    check_tokens(text);
    outcome.parsed.has_errors()
}

/// Tokens stand in order, and strings and holes are closed.
fn check_tokens(text: &str) {
    let lexed = lexer::lex(FileId(0), text, &mut Interner::new());
    let mut end = 0;
    let mut open = Vec::new();
    for token in &lexed.tokens {
        assert!(token.start >= end && token.end >= token.start, "{token:?} in {text:?}");
        end = token.end;
        match token.kind {
            Kind::StringStart | Kind::HoleStart => open.push(token.kind),
            Kind::StringEnd => assert_eq!(open.pop(), Some(Kind::StringStart), "{text:?}"),
            Kind::HoleEnd => assert_eq!(open.pop(), Some(Kind::HoleStart), "{text:?}"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{text:?}");
    assert_eq!(lexed.tokens.last().map(|token| token.kind), Some(Kind::End));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_never_panics(pieces in prop::collection::vec((0..PIECES.len(), any::<bool>()), 0..60)) {
        let text: String = pieces.iter().map(|&(piece, space)| format!("{}{}", PIECES[piece], if space { " " } else { "" })).collect();
        check(&text);
        check(&format!("fn main() {{ {text} }}"));
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,80}") {
        check(&text);
    }

    #[test]
    fn damaged_programs_never_panic(
        program in 0..PROGRAMS.len(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), 0..4, 0..PIECES.len()), 1..4),
    ) {
        let mut characters: Vec<char> = PROGRAMS[program].chars().collect();
        for (at, kind, piece) in damages {
            if characters.is_empty() {
                break;
            }
            let at = at.index(characters.len());
            match kind {
                0 => {
                    characters.remove(at);
                }
                1 => characters.insert(at, characters[at]),
                2 => characters.truncate(at.max(1)),
                _ => {
                    characters.splice(at..at, PIECES[piece].chars());
                }
            }
        }
        let text: String = characters.into_iter().collect();
        check(&text);
    }
}

#[test]
fn an_empty_text_is_a_program() {
    assert!(!check(""));
    assert!(!check("\u{feff}// nothing\n"));
}

#[test]
fn ids_are_dense_enough_for_tables() {
    let text = PROGRAMS.concat();
    let parsed = parse(FileId(0), &text, &mut Interner::new());
    let counts = parsed.file.counts;
    // A table has an entry for each id; more than one id a token would be waste.
    let tokens = lexer::lex(FileId(0), &text, &mut Interner::new()).tokens.len() as u32;
    assert!(counts.expressions > 0 && counts.expressions < tokens);
}

#[test]
fn one_missing_token_gives_few_messages() {
    let program = PROGRAMS[PROGRAMS.len() - 1];
    let tokens = lexer::lex(FileId(0), program, &mut Interner::new()).tokens;
    let mut total = 0;
    for token in &tokens {
        let text = format!("{}{}", &program[..token.start as usize], &program[token.end as usize..]);
        let outcome = outcome(&text);
        let count = outcome.parsed.diagnostics.len();
        assert!(count <= 7, "without the token at {}:\n{}", token.start, outcome.drawn());
        total += count;
    }
    let average = total as f64 / tokens.len() as f64;
    assert!(average < 1.2, "{average} messages for one mistake");
}
