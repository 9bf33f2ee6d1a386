//! Agents, their clauses and tools; supervisors.

use super::clause::{Seen, behind_clause, behind_word, clause_value};
use super::expression::expression;
use super::grammar_error;
use super::item::{docs_before, parameters};
use super::list::{SQUARE, list, members};
use super::primary::map_entries;
use super::spawn::supervision_body;
use super::statement::block;
use super::token::Kind;
use super::tokens::{Parsed, Tokens, ident_of, name, word};
use super::types::{annotation, opt_result, type_expr};
use crate::ast::{
    AgentClause, AgentClauseKind, AgentDecl, HistoryClause, Ident, Path, RateSetting, RetryClause, Setting, StateField,
    SupervisorDecl, ToolClause, ToolClauseKind, ToolDecl,
};
use crate::interner::{Symbol, words};

/// The clauses of an agent.
const AGENT_CLAUSES: &[&str] = &[
    "model",
    "system",
    "temperature",
    "max_tokens",
    "max_turns",
    "max_tool_calls",
    "parallel_tools",
    "timeout",
    "queue_timeout",
    "timeouts",
    "budget",
    "history",
    "output",
    "priority",
    "rate_limit",
    "retry",
    "circuit_breaker",
    "provider_options",
    "state",
    "tools",
    "tool",
];
/// The clauses of a tool.
const TOOL_CLAUSES: &[&str] = &["capabilities", "allowed_paths", "allowed_commands", "allowed_hosts", "approval"];
const TIMEOUTS: &[&str] = &["connect", "first_token", "idle"];
const CIRCUIT_BREAKER: &[&str] = &["threshold", "reset_after"];
const RATES: &[&str] = &["requests", "tokens", "concurrent"];
const RETRY: &[&str] = &["max_attempts", "backoff", "on"];

/// `agent = "agent" name [ parameters ] "{" { clause | tool } "}"`
pub(crate) fn agent(input: Tokens) -> Parsed<AgentDecl> {
    let (input, name) = name("the name of the agent")(input.skip())?;
    let (input, parameters) = if input.kind() == Kind::ParenOpen { parameters(input)? } else { (input, Vec::new()) };
    let mut clauses = Vec::new();
    let mut seen = Seen::default();
    let (input, ()) = members(input, |input| {
        let start = input.span();
        if input.kind() != Kind::Ident {
            return input.expected("a clause of the agent");
        }
        let word = ident_of(input);
        let (rest, kind) = agent_clause(input, word.symbol)?;
        if word.symbol != words::TOOL {
            seen.once(input, word);
        }
        clauses.push(AgentClause { word, kind, span: rest.span_from(start) });
        behind_clause(rest)
    })?;
    Ok((input, AgentDecl { name, parameters, clauses }))
}

/// One clause, from its word on.
fn agent_clause(input: Tokens, word: Symbol) -> Parsed<AgentClauseKind> {
    let behind = input.skip();
    match word {
        words::MODEL
        | words::SYSTEM
        | words::TEMPERATURE
        | words::MAX_TOKENS
        | words::MAX_TURNS
        | words::MAX_TOOL_CALLS
        | words::PARALLEL_TOOLS
        | words::TIMEOUT
        | words::QUEUE_TIMEOUT
        | words::BUDGET => {
            let (input, value) = clause_value(behind, "a value")?;
            Ok((input, AgentClauseKind::Value(value)))
        }
        words::TIMEOUTS => {
            let (input, settings) = settings(behind, "`timeouts`", TIMEOUTS)?;
            Ok((input, AgentClauseKind::Settings(settings)))
        }
        words::CIRCUIT_BREAKER => {
            let (input, settings) = settings(behind, "`circuit_breaker`", CIRCUIT_BREAKER)?;
            Ok((input, AgentClauseKind::Settings(settings)))
        }
        words::RATE_LIMIT => rate_limit(behind),
        words::RETRY => retry(behind),
        words::PROVIDER_OPTIONS => {
            let (input, entries) = map_entries(behind_word(behind))?;
            Ok((input, AgentClauseKind::ProviderOptions(entries)))
        }
        words::HISTORY => history(behind),
        words::OUTPUT => {
            let (input, ty) = type_expr(behind_word(behind))?;
            Ok((input, AgentClauseKind::Output(ty)))
        }
        words::PRIORITY => priority(behind_word(behind)),
        words::STATE => state(behind),
        words::TOOLS => {
            let (input, tools) = list(behind_word(behind), SQUARE, expression)?;
            Ok((input, AgentClauseKind::Tools(tools)))
        }
        words::TOOL => {
            let (input, tool) = tool(input)?;
            Ok((input, AgentClauseKind::Tool(Box::new(tool))))
        }
        _ => input.fail(grammar_error::unknown_clause(input, "an agent", AGENT_CLAUSES)),
    }
}

/// `{ word value  word value }`, each word once
fn settings<'a>(input: Tokens<'a>, of: &'static str, known: &'static [&'static str]) -> Parsed<'a, Vec<Setting>> {
    let mut settings = Vec::new();
    let mut seen = Seen::default();
    let (input, ()) = members(input, |input| {
        let word = setting_word(input, of, known)?.1;
        let (rest, value) = clause_value(input.skip(), "a value")?;
        seen.once(input, word);
        settings.push(Setting { word, value });
        behind_clause(rest)
    })?;
    Ok((input, settings))
}

/// One of the known words.
fn setting_word<'a>(input: Tokens<'a>, of: &'static str, known: &'static [&'static str]) -> Parsed<'a, Ident> {
    if input.kind() != Kind::Ident {
        return input.expected("the name of a setting");
    }
    if !known.contains(&input.state.text(input.first())) {
        return input.fail(grammar_error::unknown_clause(input, of, known));
    }
    Ok((input.skip(), ident_of(input)))
}

/// `rate_limit { requests n per d  tokens n per d  concurrent n }`
fn rate_limit(input: Tokens) -> Parsed<AgentClauseKind> {
    let mut rates = Vec::new();
    let mut seen = Seen::default();
    let (input, ()) = members(input, |input| {
        let word = setting_word(input, "`rate_limit`", RATES)?.1;
        let (rest, value) = clause_value(input.skip(), "a number")?;
        let has_time = word.symbol != words::CONCURRENT;
        let (rest, per) = match (has_time, rest.is_word(words::PER)) {
            (true, true) => {
                let (rest, time) = clause_value(rest.skip(), "a duration")?;
                (rest, Some(time))
            }
            (true, false) => return rest.expected("`per` and a duration"),
            (false, true) => {
                let diagnostic = grammar_error::unknown_clause(rest, "`concurrent`", &[])
                    .with_help("it is a number of calls at the same time");
                return rest.fail(diagnostic);
            }
            (false, false) => (rest, None),
        };
        seen.once(input, word);
        rates.push(RateSetting { word, value, per });
        behind_clause(rest)
    })?;
    Ok((input, AgentClauseKind::RateLimit(rates)))
}

/// `retry { max_attempts n  backoff e  on [ words ] }`
fn retry(input: Tokens) -> Parsed<AgentClauseKind> {
    let mut settings = Vec::new();
    let mut on = None;
    let mut seen = Seen::default();
    let (input, ()) = members(input, |input| {
        let word = setting_word(input, "`retry`", RETRY)?.1;
        seen.once(input, word);
        if word.symbol == words::ON {
            let (rest, classes) = list(behind_word(input.skip()), SQUARE, self::word("a class of errors, such as `rate_limit`"))?;
            on = on.take().or(Some(classes));
            return behind_clause(rest);
        }
        let (rest, value) = clause_value(input.skip(), "a value")?;
        settings.push(Setting { word, value });
        behind_clause(rest)
    })?;
    Ok((input, AgentClauseKind::Retry(RetryClause { settings, on })))
}

/// `history [ mode ] { "last" n | "tokens" n | "compact" | "reset_on_restart" }`
fn history(input: Tokens) -> Parsed<AgentClauseKind> {
    let mut clause = HistoryClause { mode: None, last: None, tokens: None, compact: None, reset_on_restart: None };
    let mut seen = Seen::default();
    let mut input = behind_word(input);
    let first = input.index();
    while input.kind() == Kind::Ident {
        let word = ident_of(input);
        let rest = input.skip();
        input = match word.symbol {
            words::CONVERSATION | words::ORDERED | words::NONE => {
                if let Some(mode) = clause.mode {
                    let text = input.state.text(input.first());
                    input.state.tell(grammar_error::repeated_clause(word.span, text, mode.span));
                }
                clause.mode = clause.mode.or(Some(word));
                rest
            }
            words::LAST | words::TOKENS => {
                let (rest, value) = clause_value(rest, "a number")?;
                seen.once(input, word);
                let slot = if word.symbol == words::LAST { &mut clause.last } else { &mut clause.tokens };
                *slot = slot.take().or(Some(value));
                rest
            }
            words::COMPACT => {
                seen.once(input, word);
                clause.compact = Some(word.span);
                rest
            }
            words::RESET_ON_RESTART => {
                seen.once(input, word);
                clause.reset_on_restart = Some(word.span);
                rest
            }
            _ => break,
        };
    }
    if input.index() == first {
        return input.expected("`conversation`, `ordered`, `none` or another word of `history`");
    }
    Ok((input, AgentClauseKind::History(clause)))
}

/// `priority = "high" | "normal" | "low"`
fn priority(input: Tokens) -> Parsed<AgentClauseKind> {
    const PRIORITIES: &[&str] = &["high", "normal", "low"];
    if input.kind() != Kind::Ident {
        return input.expected("`high`, `normal` or `low`");
    }
    if !PRIORITIES.contains(&input.state.text(input.first())) {
        return input.fail(grammar_error::unknown_word(input, "priority", PRIORITIES));
    }
    Ok((input.skip(), AgentClauseKind::Priority(ident_of(input))))
}

/// `state { name: T = value … }`
fn state(input: Tokens) -> Parsed<AgentClauseKind> {
    let mut fields = Vec::new();
    let (input, ()) = members(input, |input| {
        let start = input.span();
        let (input, name) = name("the name of a variable")(input)?;
        let binding = input.state.binding(name);
        let (input, ty) = annotation(input, name.span, "a variable of the state")?;
        if input.kind() != Kind::Assign {
            return input.expected("`=` and a first value");
        }
        let (input, value) = expression(input.skip())?;
        fields.push(StateField { binding, ty, value, span: input.span_from(start) });
        let input = if matches!(input.kind(), Kind::Comma | Kind::Semicolon) { input.skip() } else { input };
        Ok((input, ()))
    })?;
    Ok((input, AgentClauseKind::State(fields)))
}

/// `tool = "tool" name parameters [ "->" type ] { clause } block`
fn tool(input: Tokens) -> Parsed<ToolDecl> {
    let docs = docs_before(input);
    let start = input.span();
    let (input, name) = name("the name of the tool")(input.skip())?;
    let (input, parameters) = parameters(input)?;
    let (mut input, result) = opt_result(input)?;
    let head = input.span_from(start);
    let mut clauses = Vec::new();
    let mut seen = Seen::default();
    while input.kind() == Kind::Ident {
        let start = input.span();
        let word = ident_of(input);
        let (rest, kind) = tool_clause(input, word.symbol)?;
        seen.once(input, word);
        clauses.push(ToolClause { word, kind, span: rest.span_from(start) });
        input = behind_clause(rest)?.0;
    }
    let (input, body) = block(input)?;
    Ok((input, ToolDecl { name, parameters, result, clauses, body, docs, head }))
}

/// One clause of a tool, from its word on.
fn tool_clause(input: Tokens, word: Symbol) -> Parsed<ToolClauseKind> {
    let behind = input.skip();
    match word {
        words::CAPABILITIES => {
            let (input, kinds) = list(behind_word(behind), SQUARE, capability)?;
            Ok((input, ToolClauseKind::Capabilities(kinds)))
        }
        words::ALLOWED_PATHS | words::ALLOWED_COMMANDS | words::ALLOWED_HOSTS => {
            let (input, allowed) = clause_value(behind, "a list of texts")?;
            Ok((input, ToolClauseKind::Allowed(allowed)))
        }
        words::APPROVAL => {
            let behind = behind_word(behind);
            let (input, how) = self::word("`required`")(behind)?;
            Ok((input, ToolClauseKind::Approval(how)))
        }
        _ => input.fail(grammar_error::unknown_clause(input, "a tool", TOOL_CLAUSES)),
    }
}

/// `capability = word { "::" word }`
fn capability(input: Tokens) -> Parsed<Path> {
    let start = input.span();
    let (mut input, first) = word("a capability, such as `fs::read`")(input)?;
    let mut segments = vec![first];
    while input.kind() == Kind::ColonColon {
        let (rest, segment) = word("a capability, such as `fs::read`")(input.skip())?;
        segments.push(segment);
        input = rest;
    }
    Ok((input, Path { segments, type_arguments: Vec::new(), span: input.span_from(start) }))
}

/// `supervisor = "supervisor" name [ parameters ] body`
pub(crate) fn supervisor(input: Tokens) -> Parsed<SupervisorDecl> {
    let (input, name) = name("the name of the supervisor")(input.skip())?;
    let (input, parameters) = if input.kind() == Kind::ParenOpen { parameters(input)? } else { (input, Vec::new()) };
    let mut children = Vec::new();
    let (input, supervision) = supervision_body(input, Some(&mut children))?;
    Ok((input, SupervisorDecl { name, parameters, supervision, children }))
}
