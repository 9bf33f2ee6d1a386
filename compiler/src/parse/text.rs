//! What stands between quotes: where it ends, and the text it means.

use std::ops::Range;

/// How a string is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style {
    /// `"""`: may span lines.
    pub(crate) is_multiline: bool,
    /// `r"`: a backslash is a backslash.
    pub(crate) is_raw: bool,
    /// `f"`: has holes, and `{{` for a brace.
    pub(crate) has_holes: bool,
}

/// Where a stretch of text ends. Offsets count from the start of the whole source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// At the closing quote.
    Quote(usize),
    /// At the `{` of a hole.
    Hole(usize),
    /// At the end of the line, or of the source.
    Unclosed(usize),
}

impl Stop {
    /// The offset behind the text.
    pub(crate) fn at(self) -> usize {
        match self {
            Stop::Quote(at) | Stop::Hole(at) | Stop::Unclosed(at) => at,
        }
    }
}

/// Finds where the text starting at `from` ends.
pub(crate) fn find_stop(source: &str, from: usize, style: Style) -> Stop {
    let bytes = source.as_bytes();
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if !style.is_raw => {
                // The escaped byte ends nothing, and neither do the braces of `\u{…}`.
                at += match bytes.get(at + 1) {
                    Some(b'u') if bytes.get(at + 2) == Some(&b'{') => 3 + code_point_length(&bytes[at + 3..]),
                    Some(b'\n') if !style.is_multiline => 1,
                    Some(_) => 2,
                    None => 1,
                };
            }
            b'"' if !style.is_multiline => return Stop::Quote(at),
            b'"' if bytes[at..].starts_with(b"\"\"\"") => {
                // Quotes of the text may stand directly before the closing ones.
                let own = bytes[at + 3..].iter().take(2).take_while(|&&byte| byte == b'"').count();
                return Stop::Quote(at + own);
            }
            b'\n' if !style.is_multiline => return Stop::Unclosed(trim_carriage_return(bytes, from, at)),
            b'{' if style.has_holes && bytes.get(at + 1) == Some(&b'{') => at += 2,
            b'{' if style.has_holes => return Stop::Hole(at),
            _ => at += 1,
        }
    }
    Stop::Unclosed(bytes.len())
}

/// How many bytes of `\u{…` follow the brace, with the closing one if it is there.
fn code_point_length(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if bytes.get(digits) == Some(&b'}') { digits + 1 } else { digits }
}

fn trim_carriage_return(bytes: &[u8], from: usize, at: usize) -> usize {
    if at > from && bytes[at - 1] == b'\r' { at - 1 } else { at }
}

/// The indentation of the closing `"""`, if nothing else stands before it on its line. `last` is the text before it, from
/// the last hole or from the opening quotes.
pub(crate) fn closing_indentation(last: &str) -> &str {
    match last.rfind('\n') {
        Some(newline) if last[newline + 1..].bytes().all(|byte| byte == b' ' || byte == b'\t') => &last[newline + 1..],
        _ => "",
    }
}

/// Something wrong inside a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TextProblem {
    /// Which bytes, counted from the start of the text.
    pub(crate) range: Range<usize>,
    /// What.
    pub(crate) kind: TextProblemKind,
}

/// What is wrong inside a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TextProblemKind {
    /// A backslash with something that is no escape.
    UnknownEscape(char),
    /// `\u` without `{digits}`, or with a number that is no character.
    BadCodePoint,
    /// `}` alone in `f"…"`.
    LoneBrace,
}

/// One stretch of a string: all of it, or what stands between two holes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    /// As written.
    pub(crate) raw: &'a str,
    /// How the string is written.
    pub(crate) style: Style,
    /// Whether it starts the string.
    pub(crate) is_first: bool,
    /// What is dropped from the start of each line.
    pub(crate) indentation: &'a str,
}

impl Stretch<'_> {
    /// The text it means: escapes carried out, indentation dropped, line endings made `\n`.
    pub(crate) fn cook(self, problems: &mut Vec<TextProblem>) -> String {
        let Stretch { raw, style, .. } = self;
        let mut text = String::with_capacity(raw.len());
        let mut at = 0;
        if style.is_multiline && self.is_first {
            at = self.first_line_start();
        }
        while let Some(character) = raw[at..].chars().next() {
            let start = at;
            at += character.len_utf8();
            match character {
                '\\' if !style.is_raw => at = self.escape(start, &mut text, problems),
                '\r' if style.is_multiline && raw[at..].starts_with('\n') => {}
                '\n' => {
                    text.push('\n');
                    at += shared_prefix(&raw[at..], self.indentation);
                }
                '{' if style.has_holes => {
                    text.push('{');
                    at += 1; // A single one would have ended the stretch.
                }
                '}' if style.has_holes => {
                    text.push('}');
                    if raw[at..].starts_with('}') {
                        at += 1;
                    } else {
                        problems.push(TextProblem { range: start..at, kind: TextProblemKind::LoneBrace });
                    }
                }
                _ => text.push(character),
            }
        }
        text
    }

    /// Where the first line's text starts, the newline behind the opening quotes being dropped.
    fn first_line_start(&self) -> usize {
        let skip = if self.raw.starts_with("\r\n") {
            2
        } else if self.raw.starts_with('\n') {
            1
        } else {
            return 0;
        };
        skip + shared_prefix(&self.raw[skip..], self.indentation)
    }

    /// Carries out the escape at `start`, and answers where it ends.
    fn escape(&self, start: usize, text: &mut String, problems: &mut Vec<TextProblem>) -> usize {
        let rest = &self.raw[start + 1..];
        let Some(character) = rest.chars().next() else {
            return start + 1;
        };
        let end = start + 1 + character.len_utf8();
        let meaning = match character {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            '\\' | '"' => character,
            'u' => return self.code_point(start, text, problems),
            _ => {
                problems.push(TextProblem { range: start..end, kind: TextProblemKind::UnknownEscape(character) });
                character
            }
        };
        text.push(meaning);
        end
    }

    /// Carries out `\u{1F600}` at `start`, and answers where it ends.
    fn code_point(&self, start: usize, text: &mut String, problems: &mut Vec<TextProblem>) -> usize {
        let open = start + 2;
        if !self.raw[open..].starts_with('{') {
            problems.push(TextProblem { range: start..open, kind: TextProblemKind::BadCodePoint });
            return open;
        }
        let end = open + 1 + code_point_length(&self.raw.as_bytes()[open + 1..]);
        let digits = self.raw[open + 1..end].strip_suffix('}');
        let character = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match character {
            Some(character) => text.push(character),
            None => problems.push(TextProblem { range: start..end, kind: TextProblemKind::BadCodePoint }),
        }
        end
    }
}

/// How many bytes the two begin with alike.
fn shared_prefix(line: &str, indentation: &str) -> usize {
    line.bytes().zip(indentation.bytes()).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { is_multiline: false, is_raw: false, has_holes: false };
    const LINES: Style = Style { is_multiline: true, ..PLAIN };
    const HOLES: Style = Style { has_holes: true, ..PLAIN };

    fn cooked(raw: &str, style: Style) -> String {
        let mut problems = Vec::new();
        let text = Stretch { raw, style, is_first: true, indentation: closing_indentation(raw) }.cook(&mut problems);
        assert_eq!(problems, []);
        text
    }

    fn problem(raw: &str, style: Style) -> TextProblem {
        let mut problems = Vec::new();
        Stretch { raw, style, is_first: true, indentation: "" }.cook(&mut problems);
        assert_eq!(problems.len(), 1, "{raw}");
        problems.remove(0)
    }

    #[test]
    fn escapes_are_carried_out() {
        assert_eq!(cooked(r#"a\n\t\r\\\"\0\u{1F600}é"#, PLAIN), "a\n\t\r\\\"\0😀é");
    }

    #[test]
    fn raw_text_has_no_escapes() {
        assert_eq!(cooked(r"a\n\d", Style { is_raw: true, ..PLAIN }), r"a\n\d");
    }

    #[test]
    fn a_multiline_text_loses_its_first_newline_and_the_closing_indentation() {
        assert_eq!(cooked("\n    one\n      two\n    ", LINES), "one\n  two\n");
        assert_eq!(cooked("\r\n  one\r\n  ", LINES), "one\n");
        assert_eq!(cooked("one\n  two", LINES), "one\n  two");
        assert_eq!(cooked("\n    one\n  two\n    ", LINES), "one\ntwo\n");
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(cooked("{{a}}", HOLES), "{a}");
        assert_eq!(problem("a}b", HOLES).kind, TextProblemKind::LoneBrace);
    }

    #[test]
    fn bad_escapes_are_reported_where_they_stand() {
        assert_eq!(problem(r"ab\q", PLAIN), TextProblem { range: 2..4, kind: TextProblemKind::UnknownEscape('q') });
        assert_eq!(problem(r"\u{D800}", PLAIN), TextProblem { range: 0..8, kind: TextProblemKind::BadCodePoint });
        assert_eq!(problem(r"\u41", PLAIN), TextProblem { range: 0..2, kind: TextProblemKind::BadCodePoint });
        assert_eq!(problem(r"\u{zz}", PLAIN), TextProblem { range: 0..3, kind: TextProblemKind::BadCodePoint });
    }

    #[test]
    fn a_stretch_ends_at_its_quote_its_hole_or_its_line() {
        assert_eq!(find_stop(r#"a\"b" c"#, 0, PLAIN), Stop::Quote(4));
        assert_eq!(find_stop("ab\nc\"", 0, PLAIN), Stop::Unclosed(2));
        assert_eq!(find_stop("a{{b{c}", 0, HOLES), Stop::Hole(4));
        assert_eq!(find_stop(r#"\u{41}{x}"#, 0, HOLES), Stop::Hole(6));
        assert_eq!(find_stop("a\"\nb\"\"\"", 0, LINES), Stop::Quote(4));
        assert_eq!(find_stop("a\"\"\"\"", 0, LINES), Stop::Quote(2));
        assert_eq!(find_stop("\\", 0, PLAIN), Stop::Unclosed(1));
    }
}
