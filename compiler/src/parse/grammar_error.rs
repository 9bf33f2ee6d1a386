//! What the grammar has to say about a text: every message in the words of somebody who writes Vega, with the way out where
//! there is one.

use super::foreign;
use super::list::indentation;
use super::token::{Kind, Token};
use super::tokens::{State, Tokens};
use super::{HEIGHT_MAX, NESTING_MAX};
use crate::ast::Expr;
use crate::diagnostic::{Diagnostic, Edit, codes};
use crate::interner::words;
use crate::source::Span;

/// How a token is shown in a message.
pub(crate) fn describe(state: &State, token: &Token) -> String {
    match token.kind {
        Kind::End => "the end of the file".to_owned(),
        Kind::Text | Kind::StringStart => "a text".to_owned(),
        Kind::StringText | Kind::StringEnd => "the end of the value".to_owned(),
        Kind::HoleEnd => "the `}` of the text".to_owned(),
        Kind::FormatText => "the format of the text".to_owned(),
        kind if kind.is_keyword() => format!("the word `{}`", state.text(token)),
        _ => format!("`{}`", state.text(token)),
    }
}

/// Something else was expected at the next token.
pub(crate) fn expected(input: Tokens, what: &str) -> Diagnostic {
    if let Some(diagnostic) = foreign::previous_word(input).or_else(|| foreign::form(input, what)) {
        return diagnostic;
    }
    let token = input.first();
    let found = describe(input.state, token);
    // What is missing at the end of a line belongs there, and not to the first word of the next.
    let span = if input.starts_line() && what != "a statement" { last_character(input) } else { input.span() };
    let diagnostic = Diagnostic::error(codes::UNEXPECTED, span, format!("expected {what}, found {found}"))
        .with_remark(format!("expected {what}"));
    match token.kind {
        Kind::BraceClose | Kind::ParenClose | Kind::BracketClose if what == "a statement" => unmatched_closer(input),
        Kind::Ident => match foreign::word(input.state.text(input.first())) {
            Some(meant) => diagnostic.with_suggestion(format!("Vega writes `{meant}`"), input.span(), meant),
            None => diagnostic,
        },
        _ => diagnostic,
    }
}

/// The last character before the next token: where a line is to go on.
fn last_character(input: Tokens) -> Span {
    let behind = input.behind_previous();
    let text = &input.state.source[..behind.start as usize];
    let length = text.chars().next_back().map_or(0, char::len_utf8) as u32;
    Span { start: behind.start - length, ..behind }
}

/// A form of another language, with the one that stands for it.
pub(crate) fn foreign_form(
    span: Span,
    title: impl Into<String>,
    help: impl Into<String>,
    replaced: Span,
    replacement: &str,
) -> Diagnostic {
    Diagnostic::error(codes::FOREIGN_SYNTAX, span, title).with_suggestion(help, replaced, replacement)
}

pub(crate) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(codes::TOO_DEEP, span, "this is nested too deeply")
        .with_note(format!("blocks and brackets stand at most {NESTING_MAX} deep inside each other"))
        .with_help("move the inner part into a function")
}

pub(crate) fn too_long(span: Span) -> Diagnostic {
    Diagnostic::error(codes::EXPRESSION_TOO_LONG, span, "this expression has too many operators in a row")
        .with_note(format!("one expression holds at most {HEIGHT_MAX}"))
        .with_help("split it with `let`, or join an array of parts")
}

pub(crate) fn missing_semicolon(place: Span) -> Diagnostic {
    Diagnostic::error(codes::MISSING_SEMICOLON, place, "expected `;` at the end of this statement")
        .with_suggestion("end it", place, ";")
}

/// A bracket at `opener` has no partner; the text went on with the next token.
pub(crate) fn unclosed(input: Tokens, opener: Span) -> Diagnostic {
    let bracket = &input.state.source[opener.range()];
    let diagnostic = Diagnostic::error(codes::UNCLOSED_BRACKET, opener, format!("this `{bracket}` is never closed"));
    let diagnostic = match input.kind() {
        Kind::End => diagnostic.with_label(input.span(), "the file ends here"),
        _ => diagnostic.with_label(input.span(), "it should be closed before this"),
    };
    match misindented_block(input, opener) {
        Some((inner, closer)) => diagnostic
            .with_label(inner, "perhaps this one lacks its `}`")
            .with_label(closer, "since this is indented as if it closed another"),
        None => diagnostic,
    }
}

/// The first block inside the one at `opener` whose `}` stands further left than the line that it starts on.
fn misindented_block(input: Tokens, opener: Span) -> Option<(Span, Span)> {
    let state = input.state;
    let first = state.tokens.partition_point(|token| token.start <= opener.start);
    let mut open: Vec<Tokens> = Vec::new();
    for index in first..input.index() {
        let here = Tokens { rest: &state.tokens[index..], state };
        match here.kind() {
            Kind::BraceOpen => open.push(here),
            Kind::BraceClose => {
                let block = open.pop()?;
                if here.starts_line() && indentation(here) < indentation(block) {
                    return Some((block.span(), here.span()));
                }
            }
            _ => {}
        }
    }
    None
}

/// A list opened at `opener` does not go on with `what`.
pub(crate) fn list(input: Tokens, opener: Span, what: &str) -> Diagnostic {
    match input.kind() {
        Kind::End | Kind::Semicolon | Kind::BraceClose | Kind::HoleEnd => unclosed(input, opener),
        _ => expected(input, what).with_label(opener, "opened here"),
    }
}

fn unmatched_closer(input: Tokens) -> Diagnostic {
    let bracket = input.state.text(input.first());
    Diagnostic::error(codes::UNMATCHED_CLOSER, input.span(), format!("this `{bracket}` closes nothing"))
}

/// A `}` at the top level of a file.
pub(crate) fn unmatched_brace(input: Tokens) -> Diagnostic {
    unmatched_closer(input).with_help("an earlier `}` may close more than it should")
}

pub(crate) fn reserved_word(span: Span, text: &str, what: &str) -> Diagnostic {
    Diagnostic::error(codes::RESERVED_WORD, span, format!("expected {what}, but `{text}` is a reserved word")).with_suggestion(
        "choose another name, for example with an underscore",
        span,
        format!("{text}_"),
    )
}

pub(crate) fn item_in_block(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(codes::ITEM_IN_BLOCK, span, format!("{what} is declared at the top level of a file"))
        .with_help("move it out of the block")
}

pub(crate) fn unknown_clause(input: Tokens, of: &str, known: &[&'static str]) -> Diagnostic {
    let text = input.state.text(input.first());
    let diagnostic = Diagnostic::error(codes::UNKNOWN_CLAUSE, input.span(), format!("{of} has no clause `{text}`"));
    match nearest(text, known) {
        Some(near) => diagnostic.with_suggestion(format!("did you mean `{near}`?"), input.span(), near),
        None => diagnostic.with_help(format!("the clauses are {}", listed(known))),
    }
}

pub(crate) fn unknown_word(input: Tokens, what: &str, known: &[&'static str]) -> Diagnostic {
    let text = input.state.text(input.first());
    let diagnostic = Diagnostic::error(codes::UNKNOWN_WORD, input.span(), format!("`{text}` is no {what}"))
        .with_help(format!("it is one of {}", listed(known)));
    match nearest(text, known) {
        Some(near) => diagnostic.with_suggestion(format!("did you mean `{near}`?"), input.span(), near),
        None => diagnostic,
    }
}

pub(crate) fn repeated_clause(span: Span, text: &str, first: Span) -> Diagnostic {
    Diagnostic::error(codes::REPEATED_CLAUSE, span, format!("`{text}` is given twice"))
        .with_label(first, "it was given here")
        .with_help("remove one of them")
}

fn listed(known: &[&'static str]) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The word that was probably meant: at most a third of its letters differ.
fn nearest(text: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|&name| (distance(text, name), name))
        .filter(|&(distance, name)| distance * 3 <= name.len().max(3))
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed, changed or swapped with the next to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(40).collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for row in 0..=left.len() {
        for column in 0..=right.len() {
            rows[row][column] = if row == 0 || column == 0 {
                row + column
            } else {
                let change = usize::from(left[row - 1] != right[column - 1]);
                let mut best = (rows[row - 1][column] + 1).min(rows[row][column - 1] + 1).min(rows[row - 1][column - 1] + change);
                let is_swap = row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
                if is_swap {
                    best = best.min(rows[row - 2][column - 2] + 1);
                }
                best
            };
        }
    }
    rows[left.len()][right.len()]
}

pub(crate) fn misplaced_modifier(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error(codes::MISPLACED_MODIFIER, span, format!("this `{text}` belongs to no call of an agent"))
        .with_help(format!("`{text}` follows the message of `<-` or `<~`"))
}

pub(crate) fn repeated_modifier(span: Span, text: &str, first: Span) -> Diagnostic {
    Diagnostic::error(codes::MISPLACED_MODIFIER, span, format!("this call already has a `{text}`"))
        .with_label(first, "given here")
        .with_help("put parentheses around a call inside the message to give it modifiers of its own")
}

pub(crate) fn assignment_as_value(operator: Span) -> Diagnostic {
    Diagnostic::error(codes::ASSIGNMENT_AS_VALUE, operator, "an assignment has no value").with_remark("assigns").with_suggestion(
        "`==` compares",
        operator,
        "==",
    )
}

pub(crate) fn chained_comparison(operator: Span, first: Span, middle: &str, is_type_argument: bool) -> Diagnostic {
    let diagnostic = Diagnostic::error(codes::CHAINED_COMPARISON, operator, "comparisons cannot stand in a row")
        .with_label(first, "the first comparison");
    // `largest<int>(xs)`
    if is_type_argument {
        return diagnostic.with_suggestion("type arguments stand behind `::`", first.before(), "::");
    }
    diagnostic.with_suggestion("compare twice", operator.before(), format!("&& {middle} "))
}

/// `h <- a == b`
pub(crate) fn compared_message(state: &State, receiver: &Expr, left: &Expr, operator: Span, arrow: Span) -> Diagnostic {
    let shown = &state.source[operator.range()];
    Diagnostic::warning(codes::COMPARED_MESSAGE, operator, "the result of this comparison is what is sent")
        .with_label(arrow, format!("this binds looser than `{shown}`"))
        .with_edits("compare the reply", parentheses(receiver.span.to(left.span)))
}

/// `a + h <- m`
pub(crate) fn send_as_operand(state: &State, right: &Expr, operator: Span, arrow: Span, end: Span) -> Diagnostic {
    let shown = &state.source[operator.range()];
    Diagnostic::error(codes::SEND_AS_OPERAND, arrow, format!("a call of an agent needs parentheses as an operand of `{shown}`"))
        .with_label(operator, "this binds tighter")
        .with_edits("add parentheses", parentheses(right.span.to(end)))
}

fn parentheses(around: Span) -> Vec<Edit> {
    vec![Edit { span: around.before(), replacement: "(".to_owned() }, Edit { span: around.behind(), replacement: ")".to_owned() }]
}

pub(crate) fn literal_in_head(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::LITERAL_IN_HEAD, span, format!("{what} in front of a block needs parentheses"))
        .with_edits("add parentheses", parentheses(span))
}

pub(crate) fn map_as_block(brace: Span, colon: Span) -> Diagnostic {
    Diagnostic::error(codes::MAP_AS_BLOCK, colon, "a map cannot start here, since a `{` starts a block")
        .with_label(brace, "this is a block")
        .with_help("put the map into parentheses: `({ \"key\": value })`")
}

pub(crate) fn open_range(span: Span) -> Diagnostic {
    Diagnostic::error(codes::OPEN_RANGE, span, "this range lacks an end")
        .with_help("only between the brackets of an index may an end be left out")
}

pub(crate) fn three_dots(span: Span) -> Diagnostic {
    foreign_form(span, "there is no `...`", "`..` leaves out the end, `..=` includes it", span, "..=")
}

pub(crate) fn head_in_parentheses(opener: Span) -> Diagnostic {
    Diagnostic::error(codes::FOREIGN_SYNTAX, opener, "a loop takes no parentheses around its head")
        .with_help("as in `for x in xs { … }` or `for let i = 0; i < n; i = i + 1 { … }`")
}

pub(crate) fn misplaced_pub(span: Span, help: &str) -> Diagnostic {
    Diagnostic::error(codes::MISPLACED_PUB, span, "`pub` has no meaning here")
        .with_suggestion("remove it", span, "")
        .with_help(help)
}

pub(crate) fn bad_catch(span: Span, title: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_CATCH, span, title)
        .with_help("the forms are `catch Kind { … }`, `catch Kind(a, b) { … }` and `catch name { … }`")
}

pub(crate) fn missing_type(name: Span, what: &str) -> Diagnostic {
    Diagnostic::error(codes::MISSING_TYPE, name, format!("{what} needs a type"))
        .with_help("write it behind the name, as in `name: str`")
}

pub(crate) fn bad_pattern(span: Span, title: &str) -> Diagnostic {
    Diagnostic::error(codes::BAD_PATTERN, span, title)
}

pub(crate) fn misplaced_self(span: Span) -> Diagnostic {
    Diagnostic::error(codes::MISPLACED_SELF, span, "`self` is the first parameter of a function in an `impl`")
}

pub(crate) fn import_form(span: Span) -> Diagnostic {
    Diagnostic::error(codes::IMPORT_FORM, span, "an import names its file or module between quotes")
        .with_help("as in `import \"./helpers\";` or `import { max } from \"math\";`")
}

pub(crate) fn bad_format(span: Span) -> Diagnostic {
    Diagnostic::error(codes::BAD_FORMAT, span, "this format does not exist").with_help(
        "the formats are as in `{x:>8}`, `{x:*^20}`, `{x:08}`, `{x:.2}` and `{x:x}`; a value with a `:` needs parentheses",
    )
}

/// What a declaration is called, by the word it starts with.
pub(crate) fn item_name(input: Tokens) -> &'static str {
    match input.kind() {
        Kind::Fn => "a function",
        Kind::Struct => "a struct",
        Kind::Enum => "an enum",
        Kind::Impl => "an `impl`",
        Kind::Import => "an import",
        _ if input.is_word(words::AGENT) => "an agent",
        _ if input.is_word(words::SUPERVISOR) => "a supervisor",
        _ if input.is_word(words::TEST) => "a test",
        _ if input.is_word(words::ERROR) => "a kind of error",
        _ => "this",
    }
}
