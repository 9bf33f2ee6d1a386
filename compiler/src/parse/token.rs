//! What the text consists of.

use crate::source::{FileId, Span};
use logos::Logos;
use std::sync::Arc;

/// One token, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// Offset of its first byte.
    pub(crate) start: u32,
    /// Offset behind its last byte.
    pub(crate) end: u32,
    /// Of a word, its symbol; of a literal, its place among [`Value`]s; else 0.
    pub(crate) payload: u32,
}

impl Token {
    /// Where it stands.
    pub(crate) fn span(&self, file: FileId) -> Span {
        Span::new(file, self.start, self.end)
    }

    /// Whether `next` follows without a space: `>` `>` may be `>>`, and a type's two ends as well.
    pub(crate) fn touches(&self, next: &Token) -> bool {
        self.end == next.start
    }
}

/// What a literal token stands for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// Without sign, so that the smallest `int` can be written.
    Int(u64),
    Float(f64),
    Text(Arc<str>),
    /// Nanoseconds.
    Duration(i64),
    /// Pico-dollars.
    Money(i64),
}

/// The kinds of tokens. Those without a pattern are made by hand: the scanner stops where they begin.
///
/// `>` is always a token of its own, since `map<str, map<str, int>>` ends two lists; the grammar joins `>>` and `>=`.
#[derive(Logos, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[logos(skip r"[ \t\r\n\f]+")]
pub(crate) enum Kind {
    // Where a hand-written scanner takes over.
    #[regex(r"//[^\n]*", allow_greedy = true)]
    LineComment,
    #[token("/*")]
    BlockComment,
    #[regex(r"[0-9]")]
    Digit,
    #[token("$")]
    Dollar,
    #[token("\"")]
    Quote,
    #[token("\"\"\"")]
    TripleQuote,
    #[token("r\"")]
    RawQuote,
    #[token("r\"\"\"")]
    RawTripleQuote,
    #[token("f\"")]
    FormatQuote,
    #[token("f\"\"\"")]
    FormatTripleQuote,

    // Words.
    #[regex(r"[a-zA-Z_][a-zA-Z0-9_]*")]
    Ident,
    Underscore,
    Fn,
    Let,
    Const,
    If,
    Else,
    While,
    Loop,
    For,
    In,
    Match,
    Return,
    Break,
    Continue,
    True,
    False,
    Null,
    Try,
    Catch,
    Finally,
    Throw,
    Defer,
    Spawn,
    Await,
    Import,
    Pub,
    Struct,
    Enum,
    Impl,

    // Literals.
    Int,
    Float,
    Duration,
    Money,
    Text,
    /// Opens `f"…"`; then come [`Kind::StringText`]s and holes, then [`Kind::StringEnd`].
    StringStart,
    StringText,
    /// The `{` of a hole; then come the tokens of an expression, perhaps a [`Kind::FormatText`], then [`Kind::HoleEnd`].
    HoleStart,
    FormatText,
    HoleEnd,
    StringEnd,

    // Brackets.
    #[token("(")]
    ParenOpen,
    #[token(")")]
    ParenClose,
    #[token("[")]
    BracketOpen,
    #[token("]")]
    BracketClose,
    #[token("{")]
    BraceOpen,
    #[token("}")]
    BraceClose,

    // Marks.
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("::")]
    ColonColon,
    #[token(".")]
    Dot,
    #[token("..")]
    DotDot,
    #[token("..=")]
    DotDotEqual,
    #[token("->")]
    Arrow,
    #[token("=>")]
    FatArrow,
    #[token("<-")]
    Send,
    #[token("<~")]
    Stream,
    #[token("=")]
    Assign,
    #[token("+=")]
    PlusAssign,
    #[token("-=")]
    MinusAssign,
    #[token("*=")]
    StarAssign,
    #[token("/=")]
    SlashAssign,
    #[token("%=")]
    PercentAssign,
    #[token("&=")]
    AmpersandAssign,
    #[token("|=")]
    PipeAssign,
    #[token("^=")]
    CaretAssign,
    #[token("<<=")]
    ShiftLeftAssign,
    #[token("==")]
    EqualEqual,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token("<<")]
    ShiftLeft,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("!")]
    Not,
    #[token("&&")]
    AndAnd,
    #[token("||")]
    OrOr,
    #[token("&")]
    Ampersand,
    #[token("|")]
    Pipe,
    #[token("^")]
    Caret,
    #[token("?")]
    Question,
    #[token("??")]
    QuestionQuestion,
    #[token("?.")]
    QuestionDot,
    #[token("@")]
    At,

    /// Text that means nothing; a diagnostic has been made. Grammar rules that meet it fail in silence.
    Unknown,
    /// Behind the last token. It is never consumed, so there is always a next token.
    End,
}

/// The keywords, in the order of their symbols in [`crate::interner::words`].
pub(crate) const KEYWORDS: &[Kind] = &[
    Kind::Fn,
    Kind::Let,
    Kind::Const,
    Kind::If,
    Kind::Else,
    Kind::While,
    Kind::Loop,
    Kind::For,
    Kind::In,
    Kind::Match,
    Kind::Return,
    Kind::Break,
    Kind::Continue,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Try,
    Kind::Catch,
    Kind::Finally,
    Kind::Throw,
    Kind::Defer,
    Kind::Spawn,
    Kind::Await,
    Kind::Import,
    Kind::Pub,
    Kind::Struct,
    Kind::Enum,
    Kind::Impl,
];

impl Kind {
    /// Whether it is a word that cannot be a name.
    pub(crate) fn is_keyword(self) -> bool {
        KEYWORDS.contains(&self)
    }

    /// Whether it is any word: after `.` and `::`, and as field, label or parameter name, all are allowed.
    pub(crate) fn is_word(self) -> bool {
        self == Kind::Ident || self.is_keyword()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interner::{Interner, words};

    #[test]
    fn a_token_is_small() {
        assert_eq!(size_of::<Token>(), 16);
    }

    #[test]
    fn keywords_stand_in_the_order_of_their_symbols() {
        assert_eq!(KEYWORDS[words::FN.0 as usize], Kind::Fn);
        assert_eq!(KEYWORDS[words::TRY.0 as usize], Kind::Try);
        assert_eq!(KEYWORDS[words::IMPL.0 as usize], Kind::Impl);
        assert_eq!(words::IMPL.0 as usize + 1, KEYWORDS.len());
        assert_eq!(Interner::new().text(words::AGENT), "agent");
    }
}
