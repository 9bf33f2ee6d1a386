//! Why a rule did not fit, until somebody reports it or tries another rule.

use super::grammar_error;
use super::token::Kind;
use super::tokens::{State, Tokens};
use crate::diagnostic::Diagnostic;
use nom::error::{ErrorKind, ParseError};

/// Why a rule did not fit. Small, since every rule may answer it.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The token at index `at` should have been something else.
    Expected { at: u32, what: &'static str },
    /// A problem at the token at index `at` that has its own words.
    Told { at: u32, diagnostic: Box<Diagnostic> },
    /// A problem that was reported already.
    Reported { at: u32 },
}

impl Problem {
    /// Index of the token at which the rule gave up.
    pub(crate) fn at(&self) -> usize {
        match self {
            Problem::Expected { at, .. } | Problem::Told { at, .. } | Problem::Reported { at } => *at as usize,
        }
    }

    /// Reports it, if it has not been reported.
    pub(crate) fn report(self, state: &State) {
        let Some(token) = state.tokens.get(self.at()) else {
            return;
        };
        match self {
            Problem::Reported { .. } => {}
            Problem::Told { diagnostic, .. } => state.report(token.start, *diagnostic),
            // The scanner has said what is wrong with it.
            Problem::Expected { .. } if token.kind == Kind::Unknown => {}
            Problem::Expected { at, what } => {
                let input = Tokens { rest: &state.tokens[at as usize..], state };
                state.report(token.start, grammar_error::expected(input, what));
            }
        }
    }
}

impl<'a> ParseError<Tokens<'a>> for Problem {
    fn from_error_kind(input: Tokens<'a>, _: ErrorKind) -> Problem {
        Problem::Expected { at: input.index() as u32, what: "something else" }
    }

    fn append(_: Tokens<'a>, _: ErrorKind, other: Problem) -> Problem {
        other
    }

    /// Of two rules that did not fit, the one that got further knows more about what was meant.
    fn or(self, other: Problem) -> Problem {
        if other.at() > self.at() { other } else { self }
    }
}

/// Takes the problem out of nom's wrapping.
pub(crate) fn unwrap(error: nom::Err<Problem>) -> Problem {
    match error {
        nom::Err::Error(problem) | nom::Err::Failure(problem) => problem,
        nom::Err::Incomplete(_) => unreachable!("no rule works on a part of the tokens"),
    }
}
