//! `spawn`, and the clauses of supervision.

use super::clause::{Seen, behind_clause, clause_value};
use super::expression::{arguments, operand};
use super::grammar_error;
use super::list::members;
use super::primary::plain_path;
use super::token::Kind;
use super::tokens::{Parsed, Tokens, ident_of, name};
use crate::ast::{ChildDecl, ExprKind, Setting, Spawn, Strategy, StrategyKind, Supervision};
use crate::interner::words;

/// The words after `strategy`.
const STRATEGIES: &[&str] = &["restart", "stop", "escalate", "restart_all", "restart_rest"];
const SPAWN_CLAUSES: &[&str] = &["strategy", "max_restarts", "window", "backoff"];
const SUPERVISOR_CLAUSES: &[&str] = &["strategy", "max_restarts", "window", "backoff", "child"];

/// `spawn = ( "spawn" | "spawn_link" ) [ "async" ] path [ arguments ] { "async" | "from" operand | "supervised" "by" body }`
pub(crate) fn spawn(input: Tokens) -> Parsed<ExprKind> {
    let is_linked = input.kind() == Kind::Ident;
    let mut input = input.skip();
    let mut asynchronous = None;
    if input.is_word(words::ASYNC) && input.kind_at(1) == Kind::Ident {
        asynchronous = Some(input.span());
        input = input.skip();
    }
    let (input, target) = plain_path(input, "an agent, a supervisor or a function")?;
    let (mut input, arguments) = if input.kind() == Kind::ParenOpen { arguments(input)? } else { (input, Vec::new()) };
    let mut from = None;
    let mut supervision = None;
    loop {
        let word = input.span();
        let repeated = |text, first| input.state.tell(grammar_error::repeated_clause(word, text, first));
        if input.is_word(words::ASYNC) {
            match asynchronous {
                Some(first) => repeated("async", first),
                None => asynchronous = Some(word),
            }
            input = input.skip();
        } else if input.is_word(words::FROM) {
            let (rest, value) = input.skip().deeper(operand)?;
            match &from {
                None => from = Some(value),
                Some(first) => repeated("from", first.span),
            }
            input = rest;
        } else if input.is_word(words::SUPERVISED) {
            if !input.is_word_at(1, words::BY) {
                return input.skip().expected("`by`");
            }
            let (rest, body) = supervision_body(input.skip_many(2), None)?;
            match supervision.as_ref() {
                None => supervision = Some(body),
                Some(Supervision { span, .. }) => repeated("supervised by", *span),
            }
            input = rest;
        } else {
            let spawn = Spawn { target, arguments, is_linked, asynchronous, from, supervision };
            return Ok((input, ExprKind::Spawn(Box::new(spawn))));
        }
    }
}

/// `{ strategy word  max_restarts n  window d  backoff b }`; in a declared supervisor also `child name = path [ arguments ]`.
pub(crate) fn supervision_body<'a>(input: Tokens<'a>, mut children: Option<&mut Vec<ChildDecl>>) -> Parsed<'a, Supervision> {
    let start = input.span();
    let mut seen = Seen::default();
    let mut strategy = None;
    let mut settings = Vec::new();
    let (input, ()) = members(input, |input| {
        let word = ident_of(input);
        let (rest, ()) = match (input.kind(), word.symbol) {
            (Kind::Ident, words::STRATEGY) => {
                let (rest, found) = strategy_word(input.skip())?;
                strategy = strategy.or(Some(found));
                (rest, ())
            }
            (Kind::Ident, words::MAX_RESTARTS | words::WINDOW | words::BACKOFF) => {
                let (rest, value) = clause_value(input.skip(), "a value")?;
                settings.push(Setting { word, value });
                (rest, ())
            }
            (Kind::Ident, words::CHILD) if children.is_some() => {
                let (rest, child) = child(input)?;
                if let Some(children) = &mut children {
                    children.push(child);
                }
                return behind_clause(rest);
            }
            (Kind::Ident, _) => {
                let (of, known) =
                    if children.is_some() { ("a supervisor", SUPERVISOR_CLAUSES) } else { ("`supervised by`", SPAWN_CLAUSES) };
                return input.fail(grammar_error::unknown_clause(input, of, known));
            }
            _ => return input.expected("a clause of supervision, such as `strategy`"),
        };
        seen.once(input, word);
        behind_clause(rest)
    })?;
    Ok((input, Supervision { strategy, settings, span: input.span_from(start) }))
}

fn strategy_word(input: Tokens) -> Parsed<Strategy> {
    if input.kind() != Kind::Ident {
        return input.expected("a strategy, such as `restart`");
    }
    let kind = match input.state.text(input.first()) {
        "restart" => StrategyKind::Restart,
        "stop" => StrategyKind::Stop,
        "escalate" => StrategyKind::Escalate,
        "restart_all" => StrategyKind::RestartAll,
        "restart_rest" => StrategyKind::RestartRest,
        _ => return input.fail(grammar_error::unknown_word(input, "strategy", STRATEGIES)),
    };
    Ok((input.skip(), Strategy { kind, span: input.span() }))
}

/// `child = "child" name "=" path [ arguments ]`
fn child(input: Tokens) -> Parsed<ChildDecl> {
    let start = input.span();
    let (input, name) = name("the name of a child")(input.skip())?;
    if input.kind() != Kind::Assign {
        return input.expected("`=` and what the child runs");
    }
    let (input, target) = plain_path(input.skip(), "an agent, a supervisor or a function")?;
    let (input, arguments) = if input.kind() == Kind::ParenOpen { arguments(input)? } else { (input, Vec::new()) };
    Ok((input, ChildDecl { name, target, arguments, span: input.span_from(start) }))
}
