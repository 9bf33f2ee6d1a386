//! What the scanner has to say about a text.

use super::TOKENS_MAX;
use super::number::NumberProblem;
use super::text::TextProblemKind;
use crate::diagnostic::{Diagnostic, codes};
use crate::source::Span;

pub(crate) fn unknown_character(span: Span, text: &str) -> Diagnostic {
    if text.starts_with('#') {
        return Diagnostic::error(codes::UNKNOWN_CHARACTER, span, "`#` does not start a comment here").with_suggestion(
            "a comment starts with `//`",
            Span { end: span.start + 1, ..span },
            "//",
        );
    }
    let title = match text.chars().next() {
        Some(character) if character.is_control() => {
            format!("the character U+{:04X} has no meaning here", u32::from(character))
        }
        _ => format!("`{text}` has no meaning here"),
    };
    let diagnostic = Diagnostic::error(codes::UNKNOWN_CHARACTER, span, title);
    let meant = match text {
        "“" | "”" | "„" | "‘" | "’" | "'" | "`" => "\"",
        "–" | "—" | "−" => "-",
        "×" => "*",
        "÷" => "/",
        "≤" => "<=",
        "≥" => ">=",
        "≠" => "!=",
        "→" => "->",
        "←" => "<-",
        "…" => "..",
        "\u{a0}" => " ",
        "＝" => "=",
        "（" => "(",
        "）" => ")",
        "，" => ",",
        "；" => ";",
        "：" => ":",
        "！" => "!",
        "｛" => "{",
        "｝" => "}",
        "~" => return diagnostic.with_help("the bits of an int are inverted by `x ^ -1`"),
        "\\" => return diagnostic.with_help("a statement goes on over several lines by itself"),
        _ => return diagnostic,
    };
    diagnostic.with_suggestion(format!("did you mean `{meant}`?"), span, meant)
}

/// `'text'`, `f'text'`, or `text` between backticks; `prefix` is the letter in front of it.
pub(crate) fn foreign_quotes(span: Span, prefix: &str, text: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::FOREIGN_QUOTES, span, "text stands between double quotes");
    let (help, prefix, text) = if text.contains("${") {
        ("values stand in the holes of an `f\"…\"`", "f", text.replace("${", "{"))
    } else {
        ("use double quotes", prefix, text.to_owned())
    };
    diagnostic.with_suggestion(help, span, format!("{prefix}\"{}\"", text.replace('"', "\\\"")))
}

pub(crate) fn unclosed_comment(innermost: Span, outermost: Option<Span>) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::UNCLOSED_COMMENT, innermost, "this comment is never closed")
        .with_remark("this `/*` has no `*/`");
    match outermost {
        Some(outermost) => diagnostic
            .with_label(outermost, "it stands inside the comment that starts here")
            .with_note("comments nest, and a `/*` inside a path pattern opens one too"),
        None => diagnostic,
    }
}

pub(crate) fn unclosed_string(span: Span, is_multiline: bool) -> Diagnostic {
    if is_multiline {
        return Diagnostic::error(codes::UNCLOSED_STRING, span, "this text has no closing `\"\"\"`");
    }
    Diagnostic::error(codes::UNCLOSED_STRING, span, "this text has no closing `\"` on its line")
        .with_suggestion("close it", span.behind(), "\"")
        .with_help("text over several lines stands between `\"\"\"`")
}

pub(crate) fn unclosed_hole(brace: Span, end: Span) -> Diagnostic {
    Diagnostic::error(codes::UNCLOSED_HOLE, brace, "this `{` has no `}`")
        .with_remark("a value to print starts here")
        .with_suggestion("close it", end, "}")
        .with_help("`{{` stands for a brace")
}

pub(crate) fn text(span: Span, text: &str, kind: TextProblemKind) -> Diagnostic {
    match kind {
        TextProblemKind::UnknownEscape(character) => unknown_escape(span, text, character),
        TextProblemKind::BadCodePoint => Diagnostic::error(codes::BAD_ESCAPE, span, format!("`{text}` names no character"))
            .with_help("a character is written by its number in base 16, as `\\u{1F600}`"),
        TextProblemKind::LoneBrace => Diagnostic::error(codes::LONE_BRACE, span, "this `}` closes no hole").with_suggestion(
            "`}}` stands for a brace",
            span,
            "}}",
        ),
    }
}

fn unknown_escape(span: Span, text: &str, character: char) -> Diagnostic {
    let shown = if character == '\n' { "\\ at the end of a line" } else { text };
    let diagnostic = Diagnostic::error(codes::BAD_ESCAPE, span, format!("`{shown}` is no escape"));
    match character {
        '\'' => diagnostic.with_suggestion("it needs no backslash", span, "'"),
        '{' => diagnostic.with_suggestion("`{{` stands for a brace in `f\"…\"`", span, "{{"),
        '}' => diagnostic.with_suggestion("`}}` stands for a brace in `f\"…\"`", span, "}}"),
        'e' => diagnostic.with_suggestion("the escape character", span, "\\u{1B}"),
        'x' => diagnostic.with_help("a character is written by its number in base 16, as `\\u{1B}`"),
        _ => diagnostic
            .with_suggestion("a backslash itself is doubled", span.before(), "\\")
            .with_help("the escapes are \\n \\t \\r \\0 \\\\ \\\" and \\u{…}; in `r\"…\"` a backslash is a backslash"),
    }
}

pub(crate) fn number(span: Span, text: &str, problem: NumberProblem) -> Diagnostic {
    let part = |at: usize| Span { start: span.start + at as u32, ..span };
    match problem {
        NumberProblem::Suffix { at, meant } => {
            let suffix = &text[at..];
            let letters = suffix.find(|character: char| !character.is_alphabetic()).unwrap_or(suffix.len());
            let at_suffix = Span { end: span.start + (at + letters) as u32, ..part(at) };
            let diagnostic = Diagnostic::error(codes::BAD_NUMBER, at_suffix, format!("`{}` is no unit", &suffix[..letters]));
            match meant {
                Some(unit) => diagnostic.with_suggestion(format!("the unit is `{unit}`"), at_suffix, unit),
                None => diagnostic.with_help("the units of time are us, ms, s, m, h and d"),
            }
        }
        NumberProblem::Base { at, base } => {
            let name = match base {
                16 => "hexadecimal",
                8 => "octal",
                _ => "binary",
            };
            if at >= text.len() {
                return Diagnostic::error(codes::BAD_NUMBER, span, format!("a {name} number needs digits"));
            }
            Diagnostic::error(codes::BAD_NUMBER, part(at), format!("no digit of a {name} number"))
        }
        NumberProblem::IntTooLarge => int_too_large(span),
        NumberProblem::FloatTooLarge => {
            Diagnostic::error(codes::NUMBER_TOO_LARGE, span, "this number is too large for a `float`")
        }
        NumberProblem::UnitOrder => {
            Diagnostic::error(codes::BAD_DURATION, span, "the units of a duration go from large to small, each once")
                .with_help("as in `1h30m`")
        }
        NumberProblem::UnitMissing { at } => {
            Diagnostic::error(codes::BAD_DURATION, part(at), "this part of the duration has no unit").with_help("as in `1h30m`")
        }
        NumberProblem::DurationTooFine => Diagnostic::error(codes::BAD_DURATION, span, "durations are whole nanoseconds"),
        NumberProblem::DurationTooLong => Diagnostic::error(codes::NUMBER_TOO_LARGE, span, "this duration is too long")
            .with_note("the longest is some 292 years, 106751 days"),
        NumberProblem::MoneyWithoutDigits => {
            let diagnostic = Diagnostic::error(codes::BAD_MONEY, span, "an amount of money starts with a digit");
            match text.strip_prefix('$') {
                Some(rest) if rest.starts_with('.') => diagnostic.with_suggestion("write the zero", span, format!("$0{rest}")),
                Some(word) if !word.is_empty() => diagnostic.with_suggestion("a variable is written without `$`", span, word),
                _ => diagnostic.with_help("as in `$0.50`"),
            }
        }
        NumberProblem::MoneyTooFine => Diagnostic::error(codes::BAD_MONEY, span, "money has at most 12 digits behind the point"),
        NumberProblem::MoneyTooLarge => Diagnostic::error(codes::NUMBER_TOO_LARGE, span, "this amount of money is too large")
            .with_note("the largest is $9223372.036854775807"),
    }
}

pub(crate) fn int_too_large(span: Span) -> Diagnostic {
    Diagnostic::error(codes::NUMBER_TOO_LARGE, span, "this number is too large for an `int`")
        .with_note("the largest is 9223372036854775807")
}

pub(crate) fn too_many_tokens(span: Span) -> Diagnostic {
    Diagnostic::error(codes::SOURCE_TOO_LARGE, span, "this file is too long")
        .with_note(format!("a file has at most {TOKENS_MAX} words, literals and marks"))
}
