//! Forms of other languages: what somebody wrote who thinks in Python, JavaScript, Go or Rust, and how Vega says it.
//!
//! Nothing here is understood by the grammar. A rule that finds something else than it expects asks whether it is one of these
//! forms, and if so the message speaks of that.

use super::grammar_error::{describe, foreign_form};
use super::token::{Kind, Token};
use super::tokens::Tokens;
use crate::diagnostic::{Diagnostic, Edit, codes};
use crate::source::Span;

/// Words of other languages, and what stands for them here.
const WORDS: &[(&str, &str)] = &[
    ("function", "fn"),
    ("func", "fn"),
    ("def", "fn"),
    ("fun", "fn"),
    ("var", "let"),
    ("val", "let"),
    ("class", "struct"),
    ("interface", "struct"),
    ("use", "import"),
    ("require", "import"),
    ("include", "import"),
    ("elif", "else if"),
    ("elsif", "else if"),
    ("elseif", "else if"),
    ("switch", "match"),
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("mod", "%"),
    ("raise", "throw"),
    ("except", "catch"),
    ("foreach", "for"),
    ("until", "while !"),
    ("public", "pub"),
    ("export", "pub"),
];

/// Words that other languages write in front of a variable or parameter, and the type that they mean; none where it is inferred.
const TYPE_WORDS: &[(&str, Option<&str>)] = &[
    ("int", Some("int")),
    ("long", Some("int")),
    ("float", Some("float")),
    ("double", Some("float")),
    ("bool", Some("bool")),
    ("boolean", Some("bool")),
    ("str", Some("str")),
    ("string", Some("str")),
    ("String", Some("str")),
    ("bytes", Some("bytes")),
    ("money", Some("money")),
    ("duration", Some("duration")),
    ("auto", None),
    ("dynamic", None),
];

/// Units of time that may stand apart from their number by mistake.
const UNITS: &[&str] = &["us", "ms", "s", "m", "h", "d"];

/// What a word of another language is here.
pub(crate) fn word(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(foreign, _)| *foreign == word).map(|(_, meant)| *meant)
}

fn type_word(word: &str) -> Option<Option<&'static str>> {
    TYPE_WORDS.iter().find(|(foreign, _)| *foreign == word).map(|(_, meant)| *meant)
}

/// What went before on this line is a word of another language: `var x = 1;`, `if not a {`.
pub(crate) fn previous_word(input: Tokens) -> Option<Diagnostic> {
    let previous = input.previous().filter(|previous| previous.kind == Kind::Ident && !input.starts_line())?;
    let text = input.state.text(previous);
    let meant = word(text)?;
    let span = previous.span(input.state.file);
    // `not a` is `!a`, without the blank.
    let replaced = if meant == "!" { Span { end: input.span().start, ..span } } else { span };
    Some(foreign_form(span, format!("`{text}` is no word of Vega"), format!("write `{meant}`"), replaced, meant))
}

/// The form of another language that was found where `what` was expected.
pub(crate) fn form(input: Tokens, what: &str) -> Option<Diagnostic> {
    let form = Form { input, what };
    form.operator()
        .or_else(|| form.arrow_function())
        .or_else(|| form.conditional())
        .or_else(|| form.let_condition())
        .or_else(|| form.declaration())
        .or_else(|| form.loop_head())
        .or_else(|| form.block())
        .or_else(|| form.word_in_front())
        .or_else(|| form.mark())
}

/// `x if c else y`: an `if` behind a value, on its line, and an `else` without a block in front of it.
pub(crate) fn conditional_behind(input: Tokens) -> Option<Diagnostic> {
    if input.kind() != Kind::If || input.starts_line() {
        return None;
    }
    for index in 1..input.rest.len() {
        let here = input.skip_many(index);
        match here.kind() {
            Kind::Semicolon | Kind::BraceOpen | Kind::BraceClose | Kind::End => return None,
            _ if here.starts_line() => return None,
            Kind::Else => return Some(conditional(input.span())),
            _ => {}
        }
    }
    None
}

fn conditional(span: Span) -> Diagnostic {
    Diagnostic::error(codes::FOREIGN_SYNTAX, span, "a choice between two values is written with `if`")
        .with_help("as in `if x > 0 { 1 } else { 2 }`, which is a value")
}

/// What was found where something else was expected.
struct Form<'i, 'w> {
    input: Tokens<'i>,
    what: &'w str,
}

impl Form<'_, '_> {
    /// The token so many places before the next one.
    fn before(&self, count: usize) -> Option<&Token> {
        self.input.state.tokens.get(self.input.index().checked_sub(count)?)
    }

    fn kind_before(&self, count: usize) -> Option<Kind> {
        self.before(count).map(|token| token.kind)
    }

    fn span_before(&self, count: usize) -> Span {
        self.before(count).map_or_else(|| self.input.span(), |token| token.span(self.input.state.file))
    }

    /// The word so many places before the next token, on its line.
    fn word_before(&self, count: usize) -> Option<&str> {
        let token = self.before(count).filter(|token| token.kind == Kind::Ident)?;
        (!self.input.starts_line()).then(|| self.input.state.text(token))
    }

    /// The next token, where it is a word.
    fn word(&self) -> Option<&str> {
        (self.input.kind() == Kind::Ident).then(|| self.input.state.text(self.input.first()))
    }

    fn expects(&self, what: &str) -> bool {
        self.what.contains(what)
    }

    /// Two tokens of these kinds without a blank between them end `count` places before the next.
    fn touch(&self, count: usize, left: Kind, right: Kind) -> Option<Span> {
        let (first, second) = (self.before(count + 1)?, if count == 0 { self.input.first() } else { self.before(count)? });
        let fits = first.kind == left && second.kind == right && first.touches(second);
        fits.then(|| first.span(self.input.state.file).to(second.span(self.input.state.file)))
    }

    /// `i++`, `--i`, `a ** b`, `a === b`, `a <> b`.
    fn operator(&self) -> Option<Diagnostic> {
        let refused =
            |span: Span, sign: &str| Diagnostic::error(codes::FOREIGN_SYNTAX, span, format!("there is no operator `{sign}`"));
        for sign in [Kind::Plus, Kind::Minus] {
            let text = if sign == Kind::Plus { "+" } else { "-" };
            let help = format!("add to a variable with `{text}=`");
            // `i++`, which stops at the second sign, and `i--;`, which stops behind it.
            let behind = self.touch(0, sign, sign).or_else(|| self.touch(1, sign, sign).filter(|_| self.expects("a value")));
            if let Some(span) = behind {
                let operand = if self.kind_before(1) == Some(sign) && self.kind_before(2) == Some(sign) { 3 } else { 2 };
                let diagnostic = refused(span, &format!("{text}{text}"));
                return Some(match self.is_statement(operand) {
                    true => diagnostic.with_suggestion(help, span, format!(" {text}= 1")),
                    false => diagnostic.with_help("change the variable in a statement of its own, as in `i += 1;`"),
                });
            }
            let is_in_front = self.expects("a statement") && self.input.kind() == sign && self.input.kind_at(1) == sign;
            if is_in_front {
                let (first, second) = (self.input.span(), self.input.skip().span());
                let diagnostic = refused(first.to(second), &format!("{text}{text}"));
                return Some(match (self.input.kind_at(2), self.input.kind_at(3)) {
                    (Kind::Ident, Kind::Semicolon) => {
                        let name = self.input.skip_many(2);
                        let shown = self.input.state.text(name.first());
                        diagnostic.with_suggestion(help, first.to(name.span()), format!("{shown} {text}= 1"))
                    }
                    _ => diagnostic.with_help("as in `i += 1;`"),
                });
            }
        }
        if let Some(span) = self.touch(0, Kind::Star, Kind::Star) {
            return Some(refused(span, "**").with_help("a power is written `x.pow(n)`"));
        }
        if let Some(span) = self.touch(0, Kind::Less, Kind::Greater) {
            return Some(refused(span, "<>").with_suggestion("`!=` compares", span, "!="));
        }
        for (sign, text) in [(Kind::EqualEqual, "=="), (Kind::NotEqual, "!=")] {
            if let Some(span) = self.touch(0, sign, Kind::Assign) {
                let extra = self.input.span();
                return Some(refused(span, &format!("{text}=")).with_suggestion(format!("`{text}` compares values"), extra, ""));
            }
        }
        None
    }

    /// Whether the operand `count` places before the next token begins a statement.
    fn is_statement(&self, count: usize) -> bool {
        let is_name = self.kind_before(count) == Some(Kind::Ident);
        is_name && matches!(self.kind_before(count + 1), None | Some(Kind::Semicolon | Kind::BraceOpen | Kind::BraceClose))
    }

    /// `x => x + 1`, `(a, b) => a + b`, `lambda x: x + 1`.
    fn arrow_function(&self) -> Option<Diagnostic> {
        let title = "a function without a name is a closure";
        let help = "write its parameters between bars, as in `|x| x + 1`";
        if self.word_before(1) == Some("lambda") {
            return Some(Diagnostic::error(codes::FOREIGN_SYNTAX, self.span_before(1), title).with_help(help));
        }
        if self.input.kind() == Kind::ParenClose && self.input.kind_at(1) == Kind::FatArrow {
            let span = self.span_before(1).to(self.input.skip().span());
            return Some(foreign_form(span, title, "write bars", span, "||"));
        }
        if self.input.kind() != Kind::FatArrow {
            return None;
        }
        if matches!(self.kind_before(1), Some(Kind::Text | Kind::StringEnd)) {
            let span = self.input.span();
            let replaced = Span { start: self.span_before(1).end, ..span };
            return Some(foreign_form(span, "a value of a map stands behind `:`", "write `:`", replaced, ":"));
        }
        let arrow = self.input.span();
        match self.kind_before(1) {
            Some(Kind::Ident) => {
                let span = self.span_before(1).to(arrow);
                let name = self.word_before(1)?.to_owned();
                Some(foreign_form(span, title, "write bars", span, &format!("|{name}|")))
            }
            Some(Kind::ParenClose) if !self.expects("`{`") => {
                let opener = (2..).find(|&count| !matches!(self.kind_before(count), Some(Kind::Ident | Kind::Comma)))?;
                if self.kind_before(opener) != Some(Kind::ParenOpen) {
                    return Some(Diagnostic::error(codes::FOREIGN_SYNTAX, arrow, title).with_help(help));
                }
                let span = self.span_before(opener).to(arrow);
                let inside = self.span_before(opener).end as usize..self.span_before(1).start as usize;
                let bars = format!("|{}|", &self.input.state.source[inside]);
                Some(foreign_form(span, title, "write bars", span, &bars))
            }
            _ => None,
        }
    }

    /// `c ? 1 : 2`
    fn conditional(&self) -> Option<Diagnostic> {
        let is_question = self.kind_before(1) == Some(Kind::Question) && !self.input.starts_line();
        let starts_value = matches!(
            self.input.kind(),
            Kind::Int | Kind::Float | Kind::Text | Kind::StringStart | Kind::Ident | Kind::True | Kind::False | Kind::Null
        );
        (is_question && starts_value).then(|| conditional(self.span_before(1)))
    }

    /// `int x = 1;`, `let int x = 1;`, `fn f(int x)`, `fn f(x int)`, `int f(x: int) { … }`.
    fn declaration(&self) -> Option<Diagnostic> {
        let title = "a type stands behind its name";
        let name = self.word()?.to_owned();
        if let Some(ty) = self.word_before(1).and_then(type_word) {
            let span = self.span_before(1);
            let whole = span.to(self.input.span());
            let annotated = ty.map_or_else(|| name.clone(), |ty| format!("{name}: {ty}"));
            return match self.input.kind_at(1) {
                Kind::Assign if self.expects("`;`") => {
                    let title = if ty.is_some() { title } else { "a variable is declared with `let`" };
                    Some(foreign_form(span, title, "declare it with `let`", whole, &format!("let {annotated}")))
                }
                Kind::ParenOpen if self.expects("`;`") => Some(foreign_form(
                    span,
                    "a function is declared with `fn`, and its result's type stands behind `->`",
                    "begin it with `fn`",
                    span,
                    "fn",
                )),
                _ if self.expects("`=` and a value") || self.expects("`:` and a type") => {
                    Some(foreign_form(span, title, "write it behind", whole, &annotated))
                }
                _ => None,
            };
        }
        let is_type = self.expects("`:` and a type") && type_word(&name).is_some();
        is_type.then(|| {
            let place = Span { end: self.input.span().start, start: self.span_before(1).end, ..self.input.span() };
            foreign_form(self.input.span(), "a `:` stands between a name and its type", "write it", place, ": ")
        })
    }

    /// `for x of xs`, `for i, x in xs`.
    fn loop_head(&self) -> Option<Diagnostic> {
        if self.what != "`in`" {
            return None;
        }
        let span = self.input.span();
        if self.word() == Some("of") {
            return Some(foreign_form(span, "a loop goes through what stands behind `in`", "write `in`", span, "in"));
        }
        if self.input.kind() != Kind::Comma || self.kind_before(1) != Some(Kind::Ident) || self.input.kind_at(1) != Kind::Ident {
            return None;
        }
        let edits = vec![
            Edit { span: self.span_before(1).before(), replacement: "(".to_owned() },
            Edit { span: self.input.skip().span().behind(), replacement: ")".to_owned() },
        ];
        Some(
            Diagnostic::error(codes::FOREIGN_SYNTAX, span, "two names of a loop stand in parentheses")
                .with_edits("add parentheses", edits),
        )
    }

    /// `if x:`, `if x then`, `fn f() => x`.
    fn block(&self) -> Option<Diagnostic> {
        if self.what != "`{`" {
            return None;
        }
        let span = self.input.span();
        let title = "a block stands between braces";
        match self.input.kind() {
            Kind::Colon => {
                let replaced = Span { start: self.span_before(1).end, ..span };
                Some(foreign_form(span, title, "open it here, and close it with `}` behind its last statement", replaced, " {"))
            }
            Kind::FatArrow => Some(
                Diagnostic::error(codes::FOREIGN_SYNTAX, span, title).with_help("as in `fn double(x: int) -> int { x * 2 }`"),
            ),
            Kind::Ident if self.word() == Some("then") => {
                Some(Diagnostic::error(codes::FOREIGN_SYNTAX, span, title).with_help("as in `if x > 0 { 1 } else { 2 }`"))
            }
            Kind::Ident if self.word() == Some("as") || self.is_caught_name() => Some(
                Diagnostic::error(codes::BAD_CATCH, span, "a `catch` takes a kind or a name, not both").with_help(
                    "the forms are `catch Kind { … }`, `catch Kind(a, b) { … }` and `catch name { … }`, with `name.kind` and `name.message`",
                ),
            ),
            _ => None,
        }
    }

    /// `if let Some(x) = y { … }`, `let [a, b] = xs else { … };`
    fn let_condition(&self) -> Option<Diagnostic> {
        let span = self.input.span();
        let is_head = self.input.kind() == Kind::Let && matches!(self.kind_before(1), Some(Kind::If | Kind::While));
        let is_else = self.input.kind() == Kind::Else && self.expects("`;`") && self.input.kind_at(1) == Kind::BraceOpen;
        let help = "as in `match x { Ok(v) => …, _ => … }`; a value that may be null is tested by `if x != null { … }`";
        (is_head || is_else).then(|| {
            Diagnostic::error(codes::FOREIGN_SYNTAX, span, "a pattern that may not fit stands in a `match`").with_help(help)
        })
    }

    /// `catch Kind e`
    fn is_caught_name(&self) -> bool {
        self.kind_before(2) == Some(Kind::Catch) && self.kind_before(1) == Some(Kind::Ident)
    }

    /// `new Point(1, 2)`, `print "x"`, `case 1 =>`, `trait Show {`.
    fn word_in_front(&self) -> Option<Diagnostic> {
        let (word, span) = (self.word_before(1)?, self.span_before(1));
        let error = |title: &str| Diagnostic::error(codes::FOREIGN_SYNTAX, span, title);
        let is_operand = matches!(
            self.input.kind(),
            Kind::Text | Kind::StringStart | Kind::Ident | Kind::Int | Kind::Float | Kind::Duration | Kind::Money
        );
        match word {
            "new" if self.input.kind() == Kind::Ident => {
                Some(error("`new` is no word of Vega").with_help("a struct is made as in `Point { x: 1, y: 2 }`"))
            }
            "trait" | "protocol" | "namespace" | "module" | "package" if self.input.kind() == Kind::Ident => {
                Some(error(&format!("`{word}` is no word of Vega")).with_help(match word {
                    "trait" | "protocol" => {
                        "methods stand in `impl Name { … }`; what differs is passed as a function or is a variant of an enum"
                    }
                    _ => "each file is a module, named by the file",
                }))
            }
            "from" if self.expects("`;`") => Some(
                Diagnostic::error(codes::IMPORT_FORM, span, "an import begins with `import`")
                    .with_help("as in `import \"./helpers\";` or `import { max } from \"math\";`"),
            ),
            "case" if self.what == "`=>`" => {
                let removed = Span { end: self.input.span().start, ..span };
                Some(foreign_form(span, "an arm of `match` begins with its pattern", "remove `case`", removed, ""))
            }
            "print" | "println" | "echo" | "puts" | "write" | "eprint" if self.expects("`;`") && is_operand => {
                Some(error("arguments stand in parentheses").with_help("as in `print(\"hello\", x);`"))
            }
            "typeof" | "instanceof" => Some(
                error(&format!("`{word}` is no word of Vega"))
                    .with_help("to look at the type of a value, write `match x { n: int => …, _ => … }`"),
            ),
            _ => None,
        }
    }

    /// Marks that mean something else: `xs[1:2]`, `x as float`, `int | null`, `struct P { x: int; }`, `3 ms`, `f(a b)`.
    fn mark(&self) -> Option<Diagnostic> {
        let span = self.input.span();
        let error = |title: &str| Diagnostic::error(codes::FOREIGN_SYNTAX, span, title);
        match (self.input.kind(), self.word()) {
            (Kind::Colon, _) if self.what == "`]`" => {
                Some(foreign_form(span, "a part is written with `..`", "write `..`", span, ".."))
            }
            (Kind::Pipe, _) if self.expects("`=` and a value") && self.input.kind_at(1) == Kind::Null => {
                let replaced = Span { start: self.span_before(1).end, ..span.to(self.input.skip().span()) };
                Some(foreign_form(span, "a type with `null` ends in `?`", "write `?`", replaced, "?"))
            }
            (Kind::Semicolon, _) if self.what == "`,` or `}`" => {
                Some(foreign_form(span, "members are separated by `,`", "write `,`", span, ","))
            }
            (Kind::Arrow, _) if self.kind_before(1) == Some(Kind::Pipe) && self.expects("a value") => {
                Some(error("the type of a closure's result is never written").with_help("as in `|x: int| x + 1` or `|x| { … }`"))
            }
            (_, Some("as")) if !self.expects("`{`") => Some(
                error("a value is converted by a function")
                    .with_help("as in `int(x)`, `float(x)`, `str(x)` or `parse_int(text)`"),
            ),
            (_, Some("is")) => Some(
                error("`is` is no word of Vega")
                    .with_help("`==` compares; to look at the type of a value, write `match x { n: int => …, _ => … }`"),
            ),
            (_, Some(unit)) if UNITS.contains(&unit) && matches!(self.kind_before(1), Some(Kind::Int | Kind::Float)) => {
                let gap = Span { start: self.span_before(1).end, end: span.start, ..span };
                Some(foreign_form(span, "a duration is one word", "remove the blank", gap, ""))
            }
            _ if self.lacks_comma() => {
                let found = describe(self.input.state, self.input.first());
                let diagnostic = Diagnostic::error(codes::UNEXPECTED, span, format!("expected {}, found {found}", self.what));
                Some(diagnostic.with_remark(format!("expected {}", self.what)).with_suggestion(
                    "separate them",
                    self.input.behind_previous(),
                    ",",
                ))
            }
            _ => None,
        }
    }

    /// Whether two members of a list stand beside each other.
    fn lacks_comma(&self) -> bool {
        let starts = matches!(
            self.input.kind(),
            Kind::Ident | Kind::Text | Kind::StringStart | Kind::Int | Kind::Float | Kind::Duration | Kind::Money
        );
        let ends = matches!(
            self.kind_before(1),
            Some(
                Kind::Ident
                    | Kind::Text
                    | Kind::StringEnd
                    | Kind::Int
                    | Kind::Float
                    | Kind::Duration
                    | Kind::Money
                    | Kind::ParenClose
                    | Kind::BracketClose
                    | Kind::Question
            )
        );
        starts && ends && !self.input.starts_line() && self.what.starts_with("`,` or ")
    }
}
