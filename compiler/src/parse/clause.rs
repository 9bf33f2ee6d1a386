//! What clauses of agents, tools and supervisors have in common: a word, a value, no separators, each once.

use super::expression::operand;
use super::grammar_error;
use super::token::Kind;
use super::tokens::{Context, Parsed, Tokens};
use crate::ast::{Expr, Ident};

/// The clauses met so far.
#[derive(Default)]
pub(crate) struct Seen(Vec<Ident>);

impl Seen {
    /// Notes a clause, and tells if it was there before.
    pub(crate) fn once(&mut self, input: Tokens, word: Ident) {
        match self.0.iter().find(|seen| seen.symbol == word.symbol) {
            Some(first) => {
                let text = &input.state.source[word.span.range()];
                input.state.tell(grammar_error::repeated_clause(word.span, text, first.span));
            }
            None => self.0.push(word),
        }
    }
}

/// The value of a clause: an expression of operators. A `{` ends it, since the body of a tool may follow.
pub(crate) fn clause_value<'a>(input: Tokens<'a>, what: &'static str) -> Parsed<'a, Expr> {
    let input = behind_word(input);
    if input.kind() == Kind::BraceClose {
        return input.expected(what);
    }
    // The next clause on the next line is not the value of this one.
    if input.kind() == Kind::Ident && input.starts_line() && continues_as_clause(input) {
        return input.expected(what);
    }
    input.measured(|input| input.within(Context { is_head: true, allows_open_range: false }, operand))
}

/// Behind the word of a clause: its value follows without a sign between.
pub(crate) fn behind_word(input: Tokens) -> Tokens {
    if !matches!(input.kind(), Kind::Colon | Kind::Assign) {
        return input;
    }
    let sign = input.span();
    input.state.tell(grammar_error::foreign_form(
        sign,
        "the value of a clause follows its word without a sign",
        "remove it",
        sign,
        "",
    ));
    input.skip()
}

/// Whether a word is followed by something that only a clause can have: a value right behind it.
fn continues_as_clause(input: Tokens) -> bool {
    matches!(
        input.kind_at(1),
        Kind::Text | Kind::StringStart | Kind::Int | Kind::Float | Kind::Duration | Kind::Money | Kind::Ident | Kind::BraceOpen
    )
}

/// Behind a clause stands nothing.
pub(crate) fn behind_clause(input: Tokens) -> Parsed<()> {
    if !matches!(input.kind(), Kind::Comma | Kind::Semicolon) {
        return Ok((input, ()));
    }
    let sign = input.span();
    input.state.tell(grammar_error::foreign_form(
        sign,
        "clauses follow each other without a sign between",
        "remove it",
        sign,
        "",
    ));
    Ok((input.skip(), ()))
}
