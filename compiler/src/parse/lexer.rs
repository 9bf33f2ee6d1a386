//! Text to tokens. Comments go into a list of their own; what is wrong becomes a diagnostic and the scan goes on.
//!
//! Invariant: tokens stand in the order of the text, do not overlap, and end with one [`Kind::End`]; every
//! [`Kind::StringStart`] has its [`Kind::StringEnd`], and every [`Kind::HoleStart`] its [`Kind::HoleEnd`].

use super::number::{self, Scanned};
use super::text::{self, Stop, Stretch, Style};
use super::token::{KEYWORDS, Kind, Token, Value};
use super::{Comment, CommentKind, DIAGNOSTICS_MAX, TOKENS_MAX, lexical_error};
use crate::diagnostic::Diagnostic;
use crate::interner::{Interner, Symbol, words};
use crate::source::{FileId, Span};
use logos::Logos;
use std::sync::Arc;

/// How far a text between quotes of another language is looked for.
const FOREIGN_TEXT_BYTES_MAX: usize = 200;

/// What the scan of a text gives.
#[derive(Debug)]
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<Token>,
    /// What literal tokens stand for.
    pub(crate) values: Vec<Value>,
    pub(crate) docs: Vec<DocComment>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Offsets at which texts end that lack their closing quote. What seems wrong right behind them is only an echo.
    pub(crate) broken_ends: Vec<u32>,
    /// Whether the end of the text was lost in an unclosed comment or string, so that nothing more can be said about it.
    pub(crate) is_cut: bool,
}

/// A `///` line and the token that it stands before.
#[derive(Clone, Debug)]
pub(crate) struct DocComment {
    pub(crate) text: Arc<str>,
    pub(crate) span: Span,
    /// Index of the next token.
    pub(crate) before: u32,
}

/// Scans a whole text.
pub(crate) fn lex(file: FileId, source: &str, interner: &mut Interner) -> Lexed {
    let mut scanner = Scanner {
        file,
        source,
        logos: Kind::lexer(source),
        interner,
        strings: Vec::new(),
        lexed: Lexed {
            tokens: Vec::with_capacity(source.len() / 4 + 1),
            values: Vec::new(),
            docs: Vec::new(),
            comments: Vec::new(),
            diagnostics: Vec::new(),
            broken_ends: Vec::new(),
            is_cut: false,
        },
    };
    scanner.run();
    scanner.lexed
}

/// A string with holes that is being scanned: the scanner is inside one of its holes.
struct OpenString {
    style: Style,
    /// The opening quote.
    quote: Span,
    /// The `{` of the present hole.
    brace: usize,
    /// Brackets opened in the hole and not closed.
    depth: u32,
    /// Its stretches so far: the token, and the offsets of the text as written. They are cooked when the string ends, since
    /// the indentation to drop stands in its last line.
    stretches: Vec<(u32, usize, usize)>,
}

struct Scanner<'a> {
    file: FileId,
    source: &'a str,
    logos: logos::Lexer<'a, Kind>,
    interner: &'a mut Interner,
    /// Strings whose holes the scanner is in, outermost first.
    strings: Vec<OpenString>,
    lexed: Lexed,
}

impl Scanner<'_> {
    fn run(&mut self) {
        if self.source.starts_with('\u{feff}') {
            self.logos.bump('\u{feff}'.len_utf8());
        }
        let mut end_of_previous = 0;
        while let Some(kind) = self.logos.next() {
            let range = self.logos.span();
            if !self.strings.is_empty() && self.source[end_of_previous..range.start].contains('\n') {
                self.close_holes_of_the_line(end_of_previous);
            }
            match kind {
                Ok(kind) => self.token(kind, range.start, range.end),
                Err(()) => self.unknown(range.start),
            }
            end_of_previous = self.position();
            if self.lexed.tokens.len() >= TOKENS_MAX {
                self.tell(lexical_error::too_many_tokens(self.span(range.start, range.end)));
                self.lexed.is_cut = true;
                break;
            }
        }
        if !self.strings.is_empty() {
            self.close_all_holes(self.source.len());
        }
        let end = self.source.len();
        self.push(Kind::End, end, end, 0);
    }

    /// The offset up to which the text is scanned.
    fn position(&self) -> usize {
        self.logos.span().end
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start as u32, end as u32)
    }

    /// Records a diagnostic; one more than is shown is enough to know that there are more.
    fn tell(&mut self, diagnostic: Diagnostic) {
        if self.lexed.diagnostics.len() <= DIAGNOSTICS_MAX {
            self.lexed.diagnostics.push(diagnostic);
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, payload: u32) {
        self.lexed.tokens.push(Token { kind, start: start as u32, end: end as u32, payload });
    }

    fn push_value(&mut self, kind: Kind, start: usize, end: usize, value: Value) {
        let payload = self.lexed.values.len() as u32;
        self.lexed.values.push(value);
        self.push(kind, start, end, payload);
    }

    fn token(&mut self, kind: Kind, start: usize, end: usize) {
        match kind {
            Kind::Ident => self.word(start),
            Kind::LineComment => self.line_comment(start, end),
            Kind::BlockComment => self.block_comment(start),
            Kind::Digit => self.number(start),
            Kind::Dollar => {
                let scanned = number::scan_money(&self.source[start..]);
                self.scanned_number(start, scanned, Kind::Money);
            }
            Kind::Quote => self.string(start, end, false, false, false),
            Kind::TripleQuote => self.string(start, end, true, false, false),
            Kind::RawQuote => self.string(start, end, false, true, false),
            Kind::RawTripleQuote => self.string(start, end, true, true, false),
            Kind::FormatQuote => self.string(start, end, false, false, true),
            Kind::FormatTripleQuote => self.string(start, end, true, false, true),
            _ if self.strings.is_empty() => self.push(kind, start, end, 0),
            _ => self.token_in_hole(kind, start, end),
        }
    }

    /// A name, a keyword or `_`.
    fn word(&mut self, start: usize) {
        // Letters beyond ASCII are rare, and looked for only here.
        if self.logos.remainder().starts_with(|character: char| !character.is_ascii()) {
            let more: usize = word_characters(self.logos.remainder());
            self.logos.bump(more);
        }
        let end = self.position();
        let symbol = self.interner.intern(&self.source[start..end]);
        let kind = match symbol {
            words::UNDERSCORE => Kind::Underscore,
            Symbol(number) => KEYWORDS.get(number as usize).copied().unwrap_or(Kind::Ident),
        };
        self.push(kind, start, end, symbol.0);
    }

    fn number(&mut self, start: usize) {
        let is_after_dot = self
            .lexed
            .tokens
            .last()
            .is_some_and(|token| matches!(token.kind, Kind::Dot | Kind::QuestionDot) && token.end as usize == start);
        let scanned = number::scan(&self.source[start..], is_after_dot);
        let kind = match &scanned.value {
            Ok(Value::Float(_)) => Kind::Float,
            Ok(Value::Duration(_)) => Kind::Duration,
            _ => Kind::Int,
        };
        self.scanned_number(start, scanned, kind);
    }

    fn scanned_number(&mut self, start: usize, scanned: Scanned, kind: Kind) {
        let end = start + scanned.length;
        self.logos.bump(end - self.position());
        match scanned.value {
            Ok(value) => self.push_value(kind, start, end, value),
            Err(problem) => {
                let span = self.span(start, end);
                self.tell(lexical_error::number(span, &self.source[start..end], problem));
                self.push(Kind::Unknown, start, end, 0);
            }
        }
    }

    fn line_comment(&mut self, start: usize, end: usize) {
        let comment = self.source[start..end].trim_end_matches('\r');
        let end = start + comment.len();
        let span = self.span(start, end);
        let kind = match comment.strip_prefix("///") {
            // A line of slashes is a rule between parts of a file, and documents nothing.
            Some(text) if !text.starts_with('/') => {
                self.lexed.docs.push(DocComment {
                    text: text.strip_prefix(' ').unwrap_or(text).into(),
                    span,
                    before: self.lexed.tokens.len() as u32,
                });
                CommentKind::Doc
            }
            _ => CommentKind::Line,
        };
        self.lexed.comments.push(Comment { span, kind });
    }

    /// Comments nest, so that code with comments can be commented out.
    fn block_comment(&mut self, start: usize) {
        let bytes = self.source.as_bytes();
        let mut open = vec![start];
        let mut at = start + 2;
        while !open.is_empty() {
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'*'), Some(b'/')) => {
                    open.pop();
                    at += 2;
                }
                (Some(b'/'), Some(b'*')) => {
                    open.push(at);
                    at += 2;
                }
                (Some(_), _) => at += 1,
                (None, _) => break,
            }
        }
        if let (Some(&innermost), Some(&outermost)) = (open.last(), open.first()) {
            let outer = (outermost != innermost).then(|| self.span(outermost, outermost + 2));
            let inner = self.span(innermost, innermost + 2);
            self.tell(lexical_error::unclosed_comment(inner, outer));
            self.lexed.is_cut = true;
        }
        self.lexed.comments.push(Comment { span: self.span(start, at), kind: CommentKind::Block });
        self.logos.bump(at - self.position());
    }

    /// A string from its opening quotes at `start..open_end`.
    fn string(&mut self, start: usize, open_end: usize, is_multiline: bool, is_raw: bool, has_holes: bool) {
        let style = Style { is_multiline, is_raw, has_holes };
        if has_holes {
            let quote = self.span(start, open_end);
            self.push(Kind::StringStart, start, open_end, 0);
            let string = OpenString { style, quote, brace: open_end, depth: 0, stretches: Vec::new() };
            return self.stretch(string, open_end);
        }
        let stop = text::find_stop(self.source, open_end, style);
        if let Stop::Unclosed(at) = stop {
            if self.hole_was_left_open(start) {
                return;
            }
            self.unclosed_string(start, open_end, at, is_multiline);
        }
        let raw = &self.source[open_end..stop.at()];
        let text = self.cook(raw, open_end, style, true, text::closing_indentation(raw));
        let end = match stop {
            Stop::Quote(at) => at + if is_multiline { 3 } else { 1 },
            Stop::Hole(at) | Stop::Unclosed(at) => at,
        };
        self.push_value(Kind::Text, start, end, Value::Text(text));
        self.logos.bump(end - self.position());
    }

    fn unclosed_string(&mut self, start: usize, open_end: usize, at: usize, is_multiline: bool) {
        let span = self.span(start, if is_multiline { open_end } else { at });
        self.tell(lexical_error::unclosed_string(span, is_multiline));
        self.lexed.broken_ends.push(at as u32);
        self.lexed.is_cut |= is_multiline;
    }

    fn cook(&mut self, raw: &str, start: usize, style: Style, is_first: bool, indentation: &str) -> Arc<str> {
        let mut problems = Vec::new();
        let text = Stretch { raw, style, is_first, indentation }.cook(&mut problems);
        for problem in problems {
            let span = self.span(start + problem.range.start, start + problem.range.end);
            self.tell(lexical_error::text(span, &raw[problem.range], problem.kind));
        }
        text.into()
    }

    /// Scans the text of a string with holes from `from` up to its next hole or its end.
    fn stretch(&mut self, mut string: OpenString, from: usize) {
        let stop = text::find_stop(self.source, from, string.style);
        if stop.at() > from || string.stretches.is_empty() {
            string.stretches.push((self.lexed.tokens.len() as u32, from, stop.at()));
            self.push(Kind::StringText, from, stop.at(), 0);
        }
        match stop {
            Stop::Hole(at) => {
                self.push(Kind::HoleStart, at, at + 1, 0);
                self.logos.bump(at + 1 - self.position());
                string.brace = at;
                string.depth = 0;
                self.strings.push(string);
            }
            Stop::Quote(at) => {
                let end = at + if string.style.is_multiline { 3 } else { 1 };
                self.finish_string(&string, at, end);
            }
            Stop::Unclosed(at) => {
                self.unclosed_string(string.quote.start as usize, string.quote.end as usize, at, string.style.is_multiline);
                self.finish_string(&string, at, at);
            }
        }
    }

    /// Cooks the stretches of a string that ends at `start..end`.
    fn finish_string(&mut self, string: &OpenString, start: usize, end: usize) {
        let indentation = match string.stretches.last() {
            // Text behind the last hole stands on the line of the closing quotes only if it has a newline itself.
            Some(&(_, from, to)) if string.style.is_multiline && to == start => text::closing_indentation(&self.source[from..to]),
            _ => "",
        };
        for (at, &(token, from, to)) in string.stretches.iter().enumerate() {
            let text = self.cook(&self.source[from..to], from, string.style, at == 0, indentation);
            self.lexed.tokens[token as usize].payload = self.lexed.values.len() as u32;
            self.lexed.values.push(Value::Text(text));
        }
        self.push(Kind::StringEnd, start, end, 0);
        if end > self.position() {
            self.logos.bump(end - self.position());
        }
    }

    /// A token inside a hole; at depth 0 a `}` ends the hole and a `:` starts its format.
    fn token_in_hole(&mut self, kind: Kind, start: usize, end: usize) {
        let Some(string) = self.strings.last_mut() else {
            return;
        };
        match kind {
            Kind::BraceClose if string.depth == 0 => self.end_hole(start),
            Kind::Colon if string.depth == 0 => {
                let source = self.source;
                let bytes = source.as_bytes();
                let length = bytes[end..].iter().take_while(|byte| !matches!(byte, b'}' | b'"' | b'\n')).count();
                let format_end = end + length;
                self.push_value(Kind::FormatText, end, format_end, Value::Text(source[end..format_end].into()));
                self.logos.bump(length);
                if bytes.get(format_end) == Some(&b'}') {
                    self.logos.bump(1);
                    self.end_hole(format_end);
                }
            }
            _ => {
                match kind {
                    Kind::BraceOpen | Kind::ParenOpen | Kind::BracketOpen => string.depth += 1,
                    Kind::BraceClose | Kind::ParenClose | Kind::BracketClose => {
                        string.depth = string.depth.saturating_sub(1);
                    }
                    _ => {}
                }
                self.push(kind, start, end, 0);
            }
        }
    }

    /// Ends the innermost hole at the `}` that stands at `at`, and goes on with its string.
    fn end_hole(&mut self, at: usize) {
        self.push(Kind::HoleEnd, at, at + 1, 0);
        if let Some(string) = self.strings.pop() {
            self.stretch(string, at + 1);
        }
    }

    /// A string that starts at `at` inside a hole and does not end on its line is no string: its quote was to end the string
    /// with the hole, whose `}` is missing. Answers whether that was so.
    fn hole_was_left_open(&mut self, at: usize) -> bool {
        if self.strings.last().is_none_or(|string| string.style.is_multiline) {
            return false;
        }
        if let Some(string) = self.strings.pop() {
            self.report_open_hole(&string, at);
            self.finish_string(&string, at, at + 1);
        }
        true
    }

    /// The line ended inside a hole of a string that must end on its line.
    fn close_holes_of_the_line(&mut self, at: usize) {
        let first = self.strings.iter().rposition(|string| string.style.is_multiline).map_or(0, |at| at + 1);
        self.close_holes_from(first, at);
    }

    fn close_all_holes(&mut self, at: usize) {
        self.lexed.is_cut = true;
        self.close_holes_from(0, at);
    }

    /// Ends the strings from the `first` on at `at`, and reports the outermost hole.
    fn close_holes_from(&mut self, first: usize, at: usize) {
        let open: Vec<OpenString> = self.strings.drain(first..).collect();
        for (place, string) in open.iter().enumerate().rev() {
            if place == 0 {
                self.report_open_hole(string, at);
            } else {
                self.push(Kind::HoleEnd, at, at, 0);
            }
            self.finish_string(string, at, at);
        }
    }

    /// Reports that the present hole of a string has no `}`, and ends the hole at `at`.
    fn report_open_hole(&mut self, string: &OpenString, at: usize) {
        let brace = self.span(string.brace, string.brace + 1);
        let end = self.span(at, at);
        self.tell(lexical_error::unclosed_hole(brace, end));
        self.lexed.broken_ends.push(at as u32);
        self.push(Kind::HoleEnd, at, at, 0);
    }

    /// Text that no token starts with.
    fn unknown(&mut self, start: usize) {
        let rest = &self.source[start..];
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_alphabetic() {
            let length = word_characters(rest);
            self.bump_to(start + length);
            return self.word(start);
        }
        // Only so far is looked for a closing quote, or a long line with many of these characters would take very long.
        let near = &rest[..rest.floor_char_boundary(FOREIGN_TEXT_BYTES_MAX)];
        let line = &near[..near.find('\n').unwrap_or(near.len())];
        let end = match first {
            '#' if !line.contains('"') || line.starts_with("# ") => start + rest.find('\n').unwrap_or(rest.len()),
            '\'' | '`' | '“' | '‘' | '„' | '”' => {
                let closers: &[char] = match first {
                    '\'' => &['\''],
                    '`' => &['`'],
                    _ => &['“', '”', '’', '‘'],
                };
                match line[first.len_utf8()..].find(closers) {
                    Some(at) if self.strings.is_empty() => {
                        let content = start + first.len_utf8()..start + first.len_utf8() + at;
                        return self.foreign_string(start, content);
                    }
                    _ => start + first.len_utf8(),
                }
            }
            _ => start + first.len_utf8(),
        };
        // One message for a run of them, and for those that follow at once.
        let repeats = self.lexed.tokens.last().is_some_and(|token| token.kind == Kind::Unknown && token.end as usize == start);
        if !repeats {
            let span = self.span(start, end);
            self.tell(lexical_error::unknown_character(span, &self.source[start..end]));
        }
        self.bump_to(end);
        if first != '#' {
            self.push(Kind::Unknown, start, end, 0);
        }
    }

    /// A text between quotes of another language; `content` is what stands between them.
    fn foreign_string(&mut self, start: usize, content: std::ops::Range<usize>) {
        let closer = self.source[content.end..].chars().next().map_or(0, char::len_utf8);
        let end = content.end + closer;
        let text = &self.source[content];
        // `f'…'`: the letter was taken for a name.
        let letter = self.lexed.tokens.pop_if(|token| {
            let word = &self.source[token.start as usize..token.end as usize];
            token.kind == Kind::Ident && token.end as usize == start && matches!(word, "f" | "r" | "b" | "u")
        });
        let start = letter.map_or(start, |token| token.start as usize);
        let prefix = self.source[start..end].chars().next().filter(|first| matches!(first, 'f' | 'r'));
        let prefix = prefix.map(String::from).unwrap_or_default();
        self.tell(lexical_error::foreign_quotes(self.span(start, end), &prefix, text));
        self.push_value(Kind::Text, start, end, Value::Text(text.into()));
        self.bump_to(end);
    }

    /// Moves on to an offset, unless the scanner is behind it already.
    fn bump_to(&mut self, at: usize) {
        let position = self.position();
        if at > position {
            self.logos.bump(at - position);
        }
    }
}

/// How many bytes of the text belong to the word it starts with.
fn word_characters(text: &str) -> usize {
    text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len())
}
