//! Lists between brackets, and how the grammar goes on behind a mistake.

use super::grammar_error;
use super::problem::{self, Problem};
use super::token::Kind;
use super::tokens::{Parsed, Tokens};
use crate::interner::words;
use crate::source::Span;

/// The brackets of a list.
#[derive(Clone, Copy)]
pub(crate) struct Brackets {
    open: Kind,
    close: Kind,
    /// The opening one in the user's words.
    opening: &'static str,
    /// What may follow an element, in the user's words.
    between: &'static str,
}

pub(crate) const PARENS: Brackets =
    Brackets { open: Kind::ParenOpen, close: Kind::ParenClose, opening: "`(`", between: "`,` or `)`" };
pub(crate) const SQUARE: Brackets =
    Brackets { open: Kind::BracketOpen, close: Kind::BracketClose, opening: "`[`", between: "`,` or `]`" };
pub(crate) const BRACES: Brackets =
    Brackets { open: Kind::BraceOpen, close: Kind::BraceClose, opening: "`{`", between: "`,` or `}`" };
pub(crate) const ANGLES: Brackets = Brackets { open: Kind::Less, close: Kind::Greater, opening: "`<`", between: "`,` or `>`" };

/// `list = open [ element { "," element } [ "," ] ] close`
pub(crate) fn list<'a, T>(
    input: Tokens<'a>,
    brackets: Brackets,
    element: impl FnMut(Tokens<'a>) -> Parsed<'a, T>,
) -> Parsed<'a, Vec<T>> {
    if input.kind() != brackets.open {
        return input.expected(brackets.opening);
    }
    let opener = input.span();
    input.nested(|input| rest_of_list(input.skip(), opener, brackets, Vec::new(), element))
}

/// The rest of a list, from an element or the closing bracket on.
pub(crate) fn rest_of_list<'a, T>(
    mut input: Tokens<'a>,
    opener: Span,
    brackets: Brackets,
    mut elements: Vec<T>,
    mut element: impl FnMut(Tokens<'a>) -> Parsed<'a, T>,
) -> Parsed<'a, Vec<T>> {
    while input.kind() != brackets.close {
        if input.kind() == Kind::End {
            return input.fail(grammar_error::unclosed(input, opener));
        }
        let (rest, value) = element(input)?;
        elements.push(value);
        input = match rest.kind() {
            Kind::Comma => rest.skip(),
            kind if kind == brackets.close => rest,
            _ => return rest.fail(grammar_error::list(rest, opener, brackets.between)),
        };
    }
    Ok((input.skip(), elements))
}

/// `{ member member … }`: fields, variants, arms, clauses. A mistake in one member loses only that one.
pub(crate) fn members<'a>(input: Tokens<'a>, mut member: impl FnMut(Tokens<'a>) -> Parsed<'a, ()>) -> Parsed<'a, ()> {
    if input.kind() != Kind::BraceOpen {
        return input.expected("`{`");
    }
    let opener = input.span();
    input.nested(|input| {
        let mut input = input.skip();
        loop {
            if input.kind() == Kind::BraceClose {
                return Ok((input.skip(), ()));
            }
            if ends_unclosed_block(input, opener) || ends_unclosed_members(input, opener) {
                input.state.report(input.first().start, grammar_error::unclosed(input, opener));
                return Ok((input, ()));
            }
            input = match member(input) {
                Ok((rest, ())) => rest,
                Err(error) => recover(input, problem::unwrap(error)),
            };
        }
    })
}

/// Behind a field or variant: a comma, or the end. A comma forgotten at the end of a line is reported and taken as written.
pub(crate) fn separator<'a>(input: Tokens<'a>, what: &'static str) -> Parsed<'a, ()> {
    match input.kind() {
        Kind::Comma => Ok((input.skip(), ())),
        Kind::BraceClose => Ok((input, ())),
        Kind::Ident if input.starts_line() => {
            let place = input.behind_previous();
            let diagnostic = grammar_error::expected(input, what).with_suggestion("add it", place, ",");
            input.state.report(input.first().start, diagnostic);
            Ok((input, ()))
        }
        _ => input.expected(what),
    }
}

/// Whether a block that was opened at `opener` and is still open must have lost its `}`: the file ends, or a declaration
/// starts at the very start of a line, or at one that is indented no deeper than the block's first.
pub(crate) fn ends_unclosed_block(input: Tokens, opener: Span) -> bool {
    match input.kind() {
        Kind::End | Kind::HoleEnd | Kind::FormatText => true,
        _ if !is_item(input) => false,
        _ => input.is_unindented() || (input.starts_line() && indentation(input) <= indentation_at(input, opener.start)),
    }
}

/// Whether a list of members must have lost its `}`: what no member starts with stands at the indentation of the line on which
/// the list was opened.
fn ends_unclosed_members(input: Tokens, opener: Span) -> bool {
    let is_statement = matches!(
        input.kind(),
        Kind::Let
            | Kind::If
            | Kind::While
            | Kind::Loop
            | Kind::For
            | Kind::Match
            | Kind::Return
            | Kind::Break
            | Kind::Continue
            | Kind::Try
            | Kind::Throw
            | Kind::Defer
            | Kind::Semicolon
            | Kind::ParenClose
    );
    is_statement && input.starts_line() && indentation(input) <= indentation_at(input, opener.start)
}

/// Whether a declaration starts here.
pub(crate) fn is_item(input: Tokens) -> bool {
    match input.kind() {
        Kind::Fn => input.kind_at(1) == Kind::Ident,
        Kind::Struct | Kind::Enum | Kind::Impl | Kind::Import | Kind::Pub => true,
        Kind::Ident => match input.kind_at(1) {
            Kind::Ident => {
                [words::AGENT, words::SUPERVISOR, words::ERROR, words::TYPE, words::MOCK].iter().any(|&word| input.is_word(word))
            }
            Kind::Text => input.is_word(words::TEST),
            _ => false,
        },
        _ => false,
    }
}

/// Reports a problem met in what starts at `start`, and skips to where the next statement or member can start: behind a `;`,
/// before a `}` that is not its own, or at a line that is not indented deeper than its first.
///
/// Always skips at least one token, unless the next is a `}` or the end.
pub(crate) fn recover<'a>(start: Tokens<'a>, problem: Problem) -> Tokens<'a> {
    let at = problem.at();
    problem.report(start.state);
    if start.state.is_given_up() {
        return start.skip_many(usize::MAX);
    }
    let indentation = indentation(start);
    // Brackets opened since the start, and not closed.
    let mut open: Vec<Kind> = Vec::new();
    let mut input = start;
    loop {
        let token = input.first();
        let is_behind_problem = input.index() >= at;
        let is_first = input.index() == start.index();
        if is_behind_problem && stops_before(input, &open, indentation, is_first) {
            return input;
        }
        match token.kind {
            Kind::ParenOpen | Kind::BracketOpen | Kind::BraceOpen | Kind::HoleStart => open.push(token.kind),
            Kind::ParenClose => close(&mut open, Kind::ParenOpen),
            Kind::BracketClose => close(&mut open, Kind::BracketOpen),
            Kind::BraceClose => close(&mut open, Kind::BraceOpen),
            Kind::HoleEnd => close(&mut open, Kind::HoleStart),
            Kind::Semicolon if is_behind_problem && !has_brace(&open) => return input.skip(),
            Kind::Comma if is_behind_problem && open.is_empty() && !is_first => return input.skip(),
            _ => {}
        }
        input = input.skip();
    }
}

/// Closes a bracket, and with it those opened inside it. One that was never opened changes nothing.
fn close(open: &mut Vec<Kind>, opener: Kind) {
    if let Some(place) = open.iter().rposition(|&kind| kind == opener) {
        open.truncate(place);
    }
}

fn has_brace(open: &[Kind]) -> bool {
    open.iter().any(|kind| matches!(kind, Kind::BraceOpen | Kind::HoleStart))
}

fn stops_before(input: Tokens, open: &[Kind], indentation: usize, is_first: bool) -> bool {
    match input.kind() {
        Kind::End => true,
        Kind::HoleEnd | Kind::FormatText => !open.contains(&Kind::HoleStart),
        Kind::BraceClose if !has_brace(open) => true,
        // A `}` further out than the first line closes something around it: one in between was forgotten.
        Kind::BraceClose => input.starts_line() && self::indentation(input) < indentation,
        Kind::ParenClose | Kind::BracketClose => false,
        _ if is_first || !input.starts_line() => false,
        _ => self::indentation(input) <= indentation,
    }
}

/// How many bytes of white space the line of the next token starts with.
pub(crate) fn indentation(input: Tokens) -> usize {
    indentation_at(input, input.first().start)
}

/// How many bytes of white space the line of an offset starts with.
fn indentation_at(input: Tokens, offset: u32) -> usize {
    let before = &input.state.source[..offset as usize];
    let line = before.rfind('\n').map_or(0, |at| at + 1);
    let bytes = &input.state.source.as_bytes()[line..];
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
