//! Texts with holes: `f"{name:>8} costs {price}"`.

use super::expression::expression;
use super::grammar_error;
use super::problem;
use super::token::{Kind, Value};
use super::tokens::{Parsed, Tokens};
use crate::ast::{Align, ExprKind, Format, FormatStyle, Hole, StringPart};
use crate::source::Span;

/// `interpolated = start { text | hole } end`
pub(crate) fn interpolated(input: Tokens) -> Parsed<ExprKind> {
    let mut parts = Vec::new();
    let mut input = input.skip();
    loop {
        match input.kind() {
            Kind::StringText => {
                if let Value::Text(text) = input.state.value(input.first())
                    && !text.is_empty()
                {
                    parts.push(StringPart::Text(text.clone(), input.span()));
                }
                input = input.skip();
            }
            Kind::HoleStart => {
                let (rest, hole) = hole(input)?;
                parts.push(StringPart::Hole(Box::new(hole)));
                input = rest;
            }
            Kind::StringEnd => return Ok((input.skip(), ExprKind::Interpolated(parts))),
            _ => return input.expected("the end of the text"),
        }
    }
}

/// `hole = "{" expression [ ":" format ] "}"`. A mistake inside loses only this hole.
fn hole(input: Tokens) -> Parsed<Hole> {
    let start = input.span();
    let result = input.nested(|input| {
        let input = input.skip();
        if input.kind() == Kind::HoleEnd {
            let diagnostic = grammar_error::expected(input, "a value to print").with_help("`{{` and `}}` stand for braces");
            return input.fail(diagnostic);
        }
        let (input, value) = expression(input)?;
        let (input, format) = match input.kind() {
            Kind::FormatText => (input.skip(), Some(format(input))),
            _ => (input, None),
        };
        if input.kind() != Kind::HoleEnd {
            return input.expected("`}` or `:` and a format");
        }
        Ok((input.skip(), (value, format)))
    });
    match result {
        Ok((input, (value, format))) => {
            let span = input.span_from(start);
            Ok((input, Hole { value, format: format.flatten(), span }))
        }
        Err(error) => {
            problem::unwrap(error).report(input.state);
            let input = behind_hole(input);
            let span = input.span_from(start);
            let value = input.state.expr(ExprKind::Error, span);
            Ok((input, Hole { value, format: None, span }))
        }
    }
}

/// The tokens behind the hole that starts with the next token.
fn behind_hole(mut input: Tokens) -> Tokens {
    let mut depth = 0;
    loop {
        match input.kind() {
            Kind::HoleStart => depth += 1,
            Kind::HoleEnd => depth -= 1,
            Kind::End => return input,
            _ => {}
        }
        input = input.skip();
        if depth == 0 {
            return input;
        }
    }
}

/// The format of a hole; what it cannot be is reported.
fn format(input: Tokens) -> Option<Format> {
    let text = input.state.text(input.first());
    let format = parse_format(text, input.span());
    if format.is_none() {
        input.state.tell(grammar_error::bad_format(input.span()));
    }
    format
}

/// `format = [ [ fill ] align ] [ "0" ] [ width ] [ "." precision ] [ style ]`
fn parse_format(text: &str, span: Span) -> Option<Format> {
    let mut format = Format { fill: ' ', align: None, is_zero_filled: false, width: None, precision: None, style: None, span };
    let mut rest = text;
    let mut characters = text.chars();
    let first = characters.next()?;
    if let Some(align) = characters.next().and_then(align_of) {
        format.fill = first;
        format.align = Some(align);
        rest = characters.as_str();
    } else if let Some(align) = align_of(first) {
        format.align = Some(align);
        rest = &text[1..];
    }
    if let Some(behind) = rest.strip_prefix('0') {
        format.is_zero_filled = true;
        rest = behind;
    }
    (format.width, rest) = number(rest)?;
    if let Some(behind) = rest.strip_prefix('.') {
        (format.precision, rest) = number(behind)?;
        format.precision?;
    }
    format.style = match rest {
        "" => None,
        "x" => Some(FormatStyle::HexLower),
        "X" => Some(FormatStyle::HexUpper),
        "b" => Some(FormatStyle::Binary),
        "o" => Some(FormatStyle::Octal),
        "e" => Some(FormatStyle::Exponent),
        _ => return None,
    };
    Some(format)
}

fn align_of(character: char) -> Option<Align> {
    match character {
        '<' => Some(Align::Left),
        '^' => Some(Align::Center),
        '>' => Some(Align::Right),
        _ => None,
    }
}

/// Digits at the start, at most four so that no hole prints a book of spaces.
fn number(text: &str) -> Option<(Option<u32>, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    match length {
        0 => Some((None, text)),
        1..=4 => Some((text[..length].parse().ok(), &text[length..])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    fn parsed(text: &str) -> Option<Format> {
        parse_format(text, Span::new(FileId(0), 0, 0))
    }

    #[test]
    fn formats_have_their_parts_in_order() {
        let format = parsed("*^08.2x").expect("a format");
        assert_eq!((format.fill, format.align), ('*', Some(Align::Center)));
        assert!(format.is_zero_filled);
        assert_eq!((format.width, format.precision), (Some(8), Some(2)));
        assert_eq!(format.style, Some(FormatStyle::HexLower));
    }

    #[test]
    fn a_zero_alone_before_the_width_fills() {
        let format = parsed("08").expect("a format");
        assert!(format.is_zero_filled);
        assert_eq!(format.width, Some(8));
    }

    #[test]
    fn other_texts_are_no_formats() {
        for text in ["", "q", ".", "2.x", "99999", "x8", ">>>"] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
