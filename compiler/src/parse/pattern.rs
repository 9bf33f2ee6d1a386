//! Patterns of `let`, `for`, `match`, `receive`, `catch` and closures.

use super::expression::literal_token;
use super::grammar_error;
use super::list::{BRACES, Brackets, PARENS, SQUARE, list};
use super::token::Kind;
use super::tokens::{Parsed, Tokens, ident_of, word};
use super::types::{has_trailing_comma, type_expr};
use crate::ast::{FieldPattern, Literal, MapPattern, MapPatternEntry, Path, Pattern, PatternKind, RangePattern, StructPattern};
use crate::source::Span;

/// Whether a pattern may name a type behind a `:`. In a `let` and a closure the `:` belongs to those.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typing {
    Allowed,
    Refused,
}

/// `pattern = single { "|" single }`
pub(crate) fn pattern(input: Tokens, typing: Typing) -> Parsed<Pattern> {
    let start = input.span();
    let (mut input, first) = single_pattern(input, typing)?;
    if input.kind() != Kind::Pipe {
        return Ok((input, first));
    }
    let mut choices = vec![first];
    while input.kind() == Kind::Pipe {
        let (rest, next) = single_pattern(input.skip(), typing)?;
        choices.push(next);
        input = rest;
    }
    Ok((input, made(input, PatternKind::Or(choices), start)))
}

fn made(behind: Tokens, kind: PatternKind, start: Span) -> Pattern {
    Pattern { id: behind.state.pattern_id(), kind, span: behind.span_from(start) }
}

/// A pattern without `|`, as between the bars of a closure.
pub(crate) fn single_pattern(input: Tokens, typing: Typing) -> Parsed<Pattern> {
    input.deeper(|input| {
        let start = input.span();
        let (input, kind) = pattern_kind(input)?;
        let pattern = made(input, kind, start);
        let may_be_typed = matches!(pattern.kind, PatternKind::Binding(_) | PatternKind::Wildcard);
        if typing == Typing::Refused || input.kind() != Kind::Colon || !may_be_typed {
            return Ok((input, pattern));
        }
        let (input, ty) = type_expr(input.skip())?;
        Ok((input, made(input, PatternKind::Typed(Box::new(pattern), Box::new(ty)), start)))
    })
}

fn pattern_kind(input: Tokens) -> Parsed<PatternKind> {
    match input.kind() {
        Kind::Underscore => Ok((input.skip(), PatternKind::Wildcard)),
        Kind::Ident => name_pattern(input),
        Kind::ParenOpen => tuple_pattern(input),
        Kind::BracketOpen => {
            let (input, elements) = list(input, SQUARE, |input| element_pattern(input, Rest::Named))?;
            check_rests(input, &elements);
            Ok((input, PatternKind::Array(elements)))
        }
        Kind::BraceOpen => map_pattern(input),
        Kind::Int
        | Kind::Float
        | Kind::Text
        | Kind::Duration
        | Kind::Money
        | Kind::Minus
        | Kind::True
        | Kind::False
        | Kind::Null
        | Kind::DotDot
        | Kind::DotDotEqual => literal_pattern(input),
        Kind::StringStart => input.fail(grammar_error::bad_pattern(input.span(), "a text with holes cannot be a pattern")),
        Kind::Unknown => Ok((input.skip(), PatternKind::Error)),
        kind if kind.is_keyword() => {
            let text = input.state.text(input.first());
            input.fail(grammar_error::reserved_word(input.span(), text, "a pattern"))
        }
        _ => input.expected("a pattern"),
    }
}

/// A word with what follows it: a binding, a path, a variant or a struct.
fn name_pattern(input: Tokens) -> Parsed<PatternKind> {
    let first = ident_of(input);
    let is_upper = input.state.text(input.first()).starts_with(char::is_uppercase);
    if !is_upper && !matches!(input.kind_at(1), Kind::ColonColon | Kind::ParenOpen) {
        let binding = input.state.binding(first);
        let input = input.skip();
        if input.kind() != Kind::At {
            return Ok((input, PatternKind::Binding(binding)));
        }
        let (input, inner) = single_pattern(input.skip(), Typing::Allowed)?;
        return Ok((input, PatternKind::Named(binding, Box::new(inner))));
    }
    let (input, path) = pattern_path(input)?;
    match input.kind() {
        Kind::ParenOpen => {
            let (input, payload) = list(input, PARENS, |input| element_pattern(input, Rest::Unnamed))?;
            check_rests(input, &payload);
            Ok((input, PatternKind::Variant(Box::new(path), payload)))
        }
        Kind::BraceOpen => {
            let (input, (fields, rest)) = open_list(input, field_pattern)?;
            Ok((input, PatternKind::Struct(Box::new(StructPattern { path, fields, rest }))))
        }
        _ => Ok((input, PatternKind::Path(Box::new(path)))),
    }
}

/// `path = name { "::" word }`
pub(crate) fn pattern_path(input: Tokens) -> Parsed<Path> {
    let start = input.span();
    let mut segments = vec![ident_of(input)];
    let mut input = input.skip();
    while input.kind() == Kind::ColonColon {
        let (rest, segment) = word("a name")(input.skip())?;
        segments.push(segment);
        input = rest;
    }
    Ok((input, Path { segments, type_arguments: Vec::new(), span: input.span_from(start) }))
}

/// Whether the `..` of a list may be given a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Named,
    Unnamed,
}

/// An element of a list of patterns: a pattern, or `..`.
pub(crate) fn element_pattern(input: Tokens, rest: Rest) -> Parsed<Pattern> {
    let start = input.span();
    let is_rest = input.kind() == Kind::DotDot
        && matches!(input.kind_at(1), Kind::Comma | Kind::ParenClose | Kind::BracketClose | Kind::Ident);
    if !is_rest {
        return pattern(input, Typing::Allowed);
    }
    let input = input.skip();
    if input.kind() != Kind::Ident {
        return Ok((input, made(input, PatternKind::Rest(None), start)));
    }
    if rest == Rest::Unnamed {
        input.state.tell(grammar_error::bad_pattern(input.span(), "only the `..` of an array can be named"));
    }
    let binding = input.state.binding(ident_of(input));
    let input = input.skip();
    Ok((input, made(input, PatternKind::Rest(Some(binding)), start)))
}

/// Tells of a second `..` in one list.
fn check_rests(input: Tokens, elements: &[Pattern]) {
    let mut rests = elements.iter().filter(|element| matches!(element.kind, PatternKind::Rest(_)));
    let first = rests.next();
    for second in rests {
        let mut diagnostic = grammar_error::bad_pattern(second.span, "`..` stands here a second time");
        if let Some(first) = first {
            diagnostic = diagnostic.with_label(first.span, "it already stands for all that is left");
        }
        input.state.tell(diagnostic);
    }
}

/// `( a, b )`; parentheses around one pattern only group.
fn tuple_pattern(input: Tokens) -> Parsed<PatternKind> {
    let (input, mut elements) = list(input, PARENS, |input| element_pattern(input, Rest::Unnamed))?;
    check_rests(input, &elements);
    let is_group = elements.len() == 1 && !has_trailing_comma(input);
    match elements.pop() {
        Some(only) if is_group && !matches!(only.kind, PatternKind::Rest(_)) => Ok((input, only.kind)),
        last => {
            elements.extend(last);
            Ok((input, PatternKind::Tuple(elements)))
        }
    }
}

/// `{ element, element, .. }`
fn open_list<'a, T>(
    input: Tokens<'a>,
    mut element: impl FnMut(Tokens<'a>) -> Parsed<'a, T>,
) -> Parsed<'a, (Vec<T>, Option<Span>)> {
    const FIELDS: Brackets = BRACES;
    let mut rest = None;
    let (input, elements) = list(input, FIELDS, |input| {
        if input.kind() == Kind::DotDot {
            rest = Some(input.span());
            return Ok((input.skip(), None));
        }
        if let Some(rest) = rest {
            return input.fail(grammar_error::bad_pattern(rest, "`..` stands at the end"));
        }
        let (input, element) = element(input)?;
        Ok((input, Some(element)))
    })?;
    Ok((input, (elements.into_iter().flatten().collect(), rest)))
}

/// `field` or `field: pattern`
fn field_pattern(input: Tokens) -> Parsed<FieldPattern> {
    let (input, name) = word("a field")(input)?;
    if input.kind() == Kind::Colon {
        let (input, pattern) = pattern(input.skip(), Typing::Allowed)?;
        return Ok((input, FieldPattern { name, pattern, is_short: false }));
    }
    let pattern = made(input, PatternKind::Binding(input.state.binding(name)), name.span);
    Ok((input, FieldPattern { name, pattern, is_short: true }))
}

/// `{ "key": pattern, .. }`
fn map_pattern(input: Tokens) -> Parsed<PatternKind> {
    let (input, (entries, rest)) = open_list(input, |input| {
        let (input, key) = super::expression::map_key(input)?;
        if input.kind() != Kind::Colon {
            return input.expected("`:` and a pattern");
        }
        let (input, pattern) = pattern(input.skip(), Typing::Allowed)?;
        Ok((input, MapPatternEntry { key, pattern }))
    })?;
    Ok((input, PatternKind::Map(Box::new(MapPattern { entries, rest }))))
}

/// A literal, or a range of them with at most one end missing.
fn literal_pattern(input: Tokens) -> Parsed<PatternKind> {
    let (input, start) = match input.kind() {
        Kind::DotDot | Kind::DotDotEqual => (input, None),
        _ => {
            let (input, literal) = signed_literal(input)?;
            (input, Some(literal))
        }
    };
    let is_inclusive = match (input.kind(), start) {
        (Kind::DotDot, start) => return range_pattern(input, start, false),
        (Kind::DotDotEqual, start) => return range_pattern(input, start, true),
        (_, Some(literal)) => return Ok((input, PatternKind::Literal(literal))),
        (_, None) => false,
    };
    range_pattern(input, None, is_inclusive)
}

fn range_pattern(input: Tokens, start: Option<Literal>, is_inclusive: bool) -> Parsed<PatternKind> {
    let dots = input.span();
    let input = input.skip();
    let has_end = matches!(input.kind(), Kind::Int | Kind::Float | Kind::Text | Kind::Duration | Kind::Money | Kind::Minus);
    if !has_end {
        if start.is_none() || is_inclusive {
            return input.fail(grammar_error::open_range(dots));
        }
        return Ok((input, PatternKind::Range(RangePattern { start, end: None, is_inclusive })));
    }
    let (input, end) = signed_literal(input)?;
    Ok((input, PatternKind::Range(RangePattern { start, end: Some(end), is_inclusive })))
}

/// A literal, a number with a `-` before it perhaps.
fn signed_literal(input: Tokens) -> Parsed<Literal> {
    if input.kind() != Kind::Minus {
        return literal_token(input, false);
    }
    match input.kind_at(1) {
        Kind::Int | Kind::Float | Kind::Duration | Kind::Money => literal_token(input.skip(), true),
        _ => input.skip().expected("a number"),
    }
}
