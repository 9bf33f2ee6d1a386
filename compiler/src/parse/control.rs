//! Control flow: everything that ends with its block.

use super::expression::{assignment, expression};
use super::grammar_error;
use super::list::{PARENS, list, members};
use super::pattern::{Rest, Typing, element_pattern, pattern, pattern_path};
use super::primary::{block_expression, starts_operand};
use super::statement::{block, let_statement};
use super::token::Kind;
use super::tokens::{Context, Parsed, Tokens, ident_of};
use crate::ast::{
    After, Catch, CatchFilter, CatchKind, CountedFor, Deadline, Expr, ExprKind, For, Ident, If, IfBranch, LetStatement, Loop,
    Match, MatchArm, Parallel, ParallelMode, Pattern, PatternKind, Receive, Session, Try, While,
};
use crate::interner::words;

/// Whether a keyword starts a loop, which may have a label.
pub(crate) fn is_loop(kind: Kind) -> bool {
    matches!(kind, Kind::Loop | Kind::While | Kind::For)
}

/// Whether a loop with a label starts here. Any word may be a label, also a reserved one.
pub(crate) fn starts_labelled_loop(input: Tokens) -> bool {
    input.kind().is_word() && input.kind_at(1) == Kind::Colon && is_loop(input.kind_at(2))
}

/// What starts with a reserved word and ends with a block.
pub(crate) fn control(input: Tokens) -> Parsed<ExprKind> {
    let rule: fn(Tokens) -> Parsed<ExprKind> = match input.kind() {
        Kind::If => if_expression,
        Kind::Match => match_expression,
        Kind::Try => try_expression,
        _ => return loop_expression(input, None),
    };
    rule(input)
}

/// `labelled = label ":" loop`
pub(crate) fn labelled_loop(input: Tokens) -> Parsed<ExprKind> {
    loop_expression(input.skip_many(2), Some(ident_of(input)))
}

/// `loop`, `while` or `for`
fn loop_expression<'a>(input: Tokens<'a>, label: Option<Ident>) -> Parsed<'a, ExprKind> {
    let rule: fn(Tokens, Option<Ident>) -> Parsed<ExprKind> = match input.kind() {
        Kind::Loop => endless_loop,
        Kind::While => while_loop,
        Kind::For if matches!(input.kind_at(1), Kind::Let | Kind::Semicolon) => counted_for,
        Kind::For => for_loop,
        _ => return input.expected("a loop"),
    };
    rule(input.skip(), label)
}

/// `loop = "loop" block`, behind its word
fn endless_loop<'a>(input: Tokens<'a>, label: Option<Ident>) -> Parsed<'a, ExprKind> {
    let (input, body) = input.labelled(label, block)?;
    Ok((input, ExprKind::Loop(Box::new(Loop { label, body }))))
}

/// `while = "while" head block`, behind its word
fn while_loop<'a>(input: Tokens<'a>, label: Option<Ident>) -> Parsed<'a, ExprKind> {
    let (input, condition) = head(input)?;
    let (input, body) = input.labelled(label, block)?;
    Ok((input, ExprKind::While(Box::new(While { label, condition, body }))))
}

/// An expression in front of a block: a `{` ends it.
fn head(input: Tokens) -> Parsed<Expr> {
    input.within(Context { is_head: true, allows_open_range: false }, expression)
}

/// `if = "if" head block { "else" "if" head block } [ "else" block ]`
fn if_expression(input: Tokens) -> Parsed<ExprKind> {
    let (input, first) = if_branch(input.skip())?;
    let mut branches = vec![first];
    let mut input = input;
    loop {
        if input.kind() != Kind::Else {
            return Ok((input, ExprKind::If(Box::new(If { branches, otherwise: None }))));
        }
        if input.kind_at(1) != Kind::If {
            let (input, otherwise) = block(input.skip())?;
            return Ok((input, ExprKind::If(Box::new(If { branches, otherwise: Some(otherwise) }))));
        }
        let (rest, branch) = if_branch(input.skip_many(2))?;
        branches.push(branch);
        input = rest;
    }
}

fn if_branch(input: Tokens) -> Parsed<IfBranch> {
    let (input, condition) = head(input)?;
    let (input, body) = block(input)?;
    Ok((input, IfBranch { condition, body }))
}

/// `match = "match" head "{" arms "}"`
fn match_expression(input: Tokens) -> Parsed<ExprKind> {
    let (input, subject) = head(input.skip())?;
    let (input, arms) = match_arms(input)?;
    Ok((input, ExprKind::Match(Box::new(Match { subject, arms }))))
}

/// `{ arm arm … }`
pub(crate) fn match_arms(input: Tokens) -> Parsed<Vec<MatchArm>> {
    let mut arms = Vec::new();
    let (input, ()) = members(input, |input| {
        let (input, arm) = match_arm(input)?;
        arms.push(arm);
        Ok((input, ()))
    })?;
    Ok((input, arms))
}

/// `arm = pattern [ "if" expression ] "=>" body`
fn match_arm(input: Tokens) -> Parsed<MatchArm> {
    let start = input.span();
    if input.kind() == Kind::Else && input.kind_at(1) == Kind::FatArrow {
        return input.fail(grammar_error::foreign_form(
            start,
            "an arm for everything else has the pattern `_`",
            "write `_`",
            start,
            "_",
        ));
    }
    let (input, pattern) = pattern(input, Typing::Allowed)?;
    let (input, guard) = if input.kind() == Kind::If {
        let (input, guard) = expression(input.skip())?;
        (input, Some(guard))
    } else {
        (input, None)
    };
    let (input, body) = arm_body(input)?;
    let span = input.span_from(start);
    let input = behind_arm(input)?.0;
    Ok((input, MatchArm { pattern, guard, body, span }))
}

/// `body = "=>" ( block | assignment )`
fn arm_body(input: Tokens) -> Parsed<Expr> {
    let input = match input.kind() {
        Kind::FatArrow => input.skip(),
        Kind::Arrow | Kind::Colon => {
            let sign = input.span();
            let text = input.state.text(input.first());
            input.state.tell(grammar_error::foreign_form(
                sign,
                format!("a case goes on with `=>`, not `{text}`"),
                "write `=>`",
                sign,
                "=>",
            ));
            input.skip()
        }
        _ => return input.expected("`=>`"),
    };
    if input.kind() == Kind::BraceOpen { block_expression(input) } else { assignment(input) }
}

/// A comma between arms, which may be missing behind a `}`.
fn behind_arm(input: Tokens) -> Parsed<()> {
    let ends_with_block = input.previous().is_some_and(|token| token.kind == Kind::BraceClose);
    match input.kind() {
        Kind::Comma => Ok((input.skip(), ())),
        Kind::BraceClose => Ok((input, ())),
        _ if ends_with_block => Ok((input, ())),
        Kind::Semicolon => {
            let sign = input.span();
            let diagnostic = grammar_error::foreign_form(sign, "cases are separated by `,`", "write `,`", sign, ",");
            input.state.tell(diagnostic);
            Ok((input.skip(), ()))
        }
        Kind::Ident | Kind::Underscore | Kind::Text | Kind::Int if input.starts_line() => {
            let place = input.behind_previous();
            let diagnostic = grammar_error::expected(input, "`,` behind this case").with_suggestion("add it", place, ",");
            input.state.report(input.first().start, diagnostic);
            Ok((input, ()))
        }
        _ => input.expected("`,` or `}`"),
    }
}

/// `receive = "receive" "{" { arm | "after" expression body } "}"`, behind its word
fn receive(input: Tokens) -> Parsed<ExprKind> {
    let mut arms = Vec::new();
    let mut after = None;
    let (input, ()) = members(input, |input| {
        if !starts_after(input) {
            let (input, arm) = match_arm(input)?;
            arms.push(arm);
            return Ok((input, ()));
        }
        let start = input.span();
        let (input, time) = expression(input.skip())?;
        let (input, body) = arm_body(input)?;
        let span = input.span_from(start);
        match &after {
            None => after = Some(After { time, body, span }),
            Some(After { span: first, .. }) => input.state.tell(grammar_error::repeated_clause(start, "after", *first)),
        }
        behind_arm(input)
    })?;
    Ok((input, ExprKind::Receive(Box::new(Receive { arms, after }))))
}

/// Whether `after` here starts the case of no message, and is no pattern.
fn starts_after(input: Tokens) -> bool {
    input.is_word(words::AFTER) && !matches!(input.kind_at(1), Kind::FatArrow | Kind::If | Kind::Colon | Kind::At | Kind::Pipe)
}

/// `for = "for" pattern "in" head block`, behind its word
fn for_loop<'a>(input: Tokens<'a>, label: Option<Ident>) -> Parsed<'a, ExprKind> {
    if input.kind() == Kind::ParenOpen {
        match (input.kind_at(1), input.kind_at(2)) {
            (Kind::Let | Kind::Semicolon, _) | (Kind::Ident, Kind::In) => return parenthesised_for(input, label),
            (Kind::Ident, Kind::Ident) => return input.fail(grammar_error::head_in_parentheses(input.span())),
            _ => {}
        }
    }
    let (input, mut pattern) = pattern(input, Typing::Refused)?;
    let mut input = input;
    if let (Kind::Comma, Kind::Ident, Kind::In) = (input.kind(), input.kind_at(1), input.kind_at(2)) {
        input.state.tell(grammar_error::expected(input, "`in`"));
        let (rest, second) = element_pattern(input.skip(), Rest::Unnamed)?;
        let span = pattern.span.to(second.span);
        pattern = Pattern { id: input.state.pattern_id(), kind: PatternKind::Tuple(vec![pattern, second]), span };
        input = rest;
    }
    if input.kind() != Kind::In {
        return input.expected("`in`");
    }
    let (input, iterable) = head(input.skip())?;
    let (input, body) = input.labelled(label, block)?;
    Ok((input, ExprKind::For(Box::new(For { label, pattern, iterable, body }))))
}

/// A head in parentheses, as C and JavaScript have it: reported, and read as if they were not there.
fn parenthesised_for<'a>(input: Tokens<'a>, label: Option<Ident>) -> Parsed<'a, ExprKind> {
    input.state.tell(grammar_error::head_in_parentheses(input.span()));
    let closed = |input: Tokens<'a>| {
        if input.kind() == Kind::ParenClose { Ok(input.skip()) } else { input.expected("`)`").map(|(input, ())| input) }
    };
    let input = input.skip();
    if input.kind() == Kind::Ident {
        let (input, pattern) = pattern(input, Typing::Refused)?;
        let (input, iterable) = expression(input.skip())?;
        let (input, body) = closed(input)?.labelled(label, block)?;
        return Ok((input, ExprKind::For(Box::new(For { label, pattern, iterable, body }))));
    }
    let (input, (start, condition, step)) = counted_head(input)?;
    let (input, body) = closed(input)?.labelled(label, block)?;
    Ok((input, ExprKind::CountedFor(Box::new(CountedFor { label, start, condition, step, body }))))
}

/// `for = "for" [ let ] ";" [ head ] ";" [ head ] block`, behind its word. The last part may be a bare name.
fn counted_for<'a>(input: Tokens<'a>, label: Option<Ident>) -> Parsed<'a, ExprKind> {
    let (input, (start, condition, step)) = counted_head(input)?;
    let (input, body) = input.labelled(label, block)?;
    Ok((input, ExprKind::CountedFor(Box::new(CountedFor { label, start, condition, step, body }))))
}

/// The three parts between `for` and its block.
type CountedHead = (Option<LetStatement>, Option<Expr>, Option<Expr>);

fn counted_head(input: Tokens) -> Parsed<CountedHead> {
    let (input, start) = if input.kind() == Kind::Let {
        let (input, start) = let_statement(input)?;
        (input, Some(start))
    } else {
        (input, None)
    };
    let input = semicolon(input)?.0;
    let (input, condition) = opt_head(input, expression)?;
    let input = semicolon(input)?.0;
    let (input, step) = opt_head(input, assignment)?;
    Ok((input, (start, condition, step)))
}

fn semicolon(input: Tokens) -> Parsed<()> {
    if input.kind() == Kind::Semicolon { Ok((input.skip(), ())) } else { input.expected("`;`") }
}

fn opt_head<'a>(input: Tokens<'a>, rule: impl Fn(Tokens<'a>) -> Parsed<'a, Expr>) -> Parsed<'a, Option<Expr>> {
    if matches!(input.kind(), Kind::Semicolon | Kind::BraceOpen | Kind::ParenClose) {
        return Ok((input, None));
    }
    let (input, value) = input.within(Context { is_head: true, allows_open_range: false }, rule)?;
    Ok((input, Some(value)))
}

/// `try = "try" block { "catch" filter block } [ "finally" block ]`
fn try_expression(input: Tokens) -> Parsed<ExprKind> {
    let start = input.span();
    let (mut input, body) = block(input.skip())?;
    let mut catches = Vec::new();
    loop {
        if input.kind() == Kind::Ident && input.state.text(input.first()) == "except" {
            let span = input.span();
            input.state.tell(grammar_error::foreign_form(span, "`except` is no word of Vega", "write `catch`", span, "catch"));
        } else if input.kind() != Kind::Catch {
            break;
        }
        let (rest, catch) = catch(input)?;
        catches.push(catch);
        input = rest;
    }
    let (input, finally) = if input.kind() == Kind::Finally {
        let (input, finally) = block(input.skip())?;
        (input, Some(finally))
    } else {
        (input, None)
    };
    if catches.is_empty() && finally.is_none() {
        let diagnostic = grammar_error::expected(input, "`catch` or `finally`").with_label(start, "behind this `try`");
        input.state.report(input.first().start, diagnostic);
    }
    Ok((input, ExprKind::Try(Box::new(Try { body, catches, finally }))))
}

/// `catch = "catch" [ kind [ "(" patterns ")" ] | name ] block`
fn catch(input: Tokens) -> Parsed<Catch> {
    let start = input.span();
    let (input, filter) = catch_filter(input.skip())?;
    let head = input.span_from(start);
    let (input, body) = block(input)?;
    Ok((input, Catch { filter, body, head }))
}

fn catch_filter(input: Tokens) -> Parsed<CatchFilter> {
    match input.kind() {
        Kind::BraceOpen => Ok((input, CatchFilter::All)),
        Kind::Underscore => Ok((input.skip(), CatchFilter::All)),
        Kind::Ident => {
            let is_kind = input.state.text(input.first()).starts_with(char::is_uppercase)
                || matches!(input.kind_at(1), Kind::ColonColon | Kind::ParenOpen);
            if !is_kind {
                let binding = input.state.binding(ident_of(input));
                return Ok((input.skip(), CatchFilter::Name(binding)));
            }
            let (input, path) = pattern_path(input)?;
            let (input, payload) = if input.kind() == Kind::ParenOpen {
                let (input, payload) = list(input, PARENS, |input| element_pattern(input, Rest::Unnamed))?;
                (input, Some(payload))
            } else {
                (input, None)
            };
            Ok((input, CatchFilter::Kind(CatchKind { path, payload })))
        }
        Kind::ParenOpen => input.fail(grammar_error::bad_catch(input.span(), "a `catch` takes no parentheses of its own")),
        _ => input.expected("a kind of error, a name or `{`"),
    }
}

/// Whether a word that is not reserved starts a block construct here.
pub(crate) fn starts_construct(input: Tokens) -> bool {
    let is_head = input.state.context().is_head;
    let next = input.kind_at(1);
    if input.is_word(words::RECEIVE) || input.is_word(words::SEQUENTIAL) {
        return next == Kind::BraceOpen && !is_head;
    }
    if input.is_word(words::PARALLEL) {
        let has_mode =
            (input.is_word_at(1, words::COLLECT) || input.is_word_at(1, words::RACE)) && input.kind_at(2) == Kind::BraceOpen;
        return has_mode || (next == Kind::BraceOpen && !is_head);
    }
    if input.is_word(words::SESSION) {
        return input.is_word_at(1, words::BUDGET) || next == Kind::Money || (next == Kind::BraceOpen && !is_head);
    }
    // `deadline(x)` calls a function, and a modifier may follow a variable of that name.
    input.is_word(words::DEADLINE)
        && match next {
            Kind::Duration | Kind::Int | Kind::Float => true,
            Kind::Ident => !input.is_word_at(1, words::TIMEOUT) && !input.is_word_at(1, words::BUDGET),
            _ => false,
        }
}

/// A block construct that starts with a word which is not reserved.
pub(crate) fn construct(input: Tokens) -> Parsed<ExprKind> {
    let rule: fn(Tokens) -> Parsed<ExprKind> = match ident_of(input).symbol {
        words::RECEIVE => receive,
        words::SEQUENTIAL => sequential,
        words::PARALLEL => parallel,
        words::SESSION => session,
        _ => deadline,
    };
    rule(input.skip())
}

/// `sequential = "sequential" block`, behind its word
fn sequential(input: Tokens) -> Parsed<ExprKind> {
    let (input, body) = block(input)?;
    Ok((input, ExprKind::Sequential(Box::new(body))))
}

/// `parallel = "parallel" [ "collect" | "race" ] block`, behind its word
fn parallel(input: Tokens) -> Parsed<ExprKind> {
    let (input, mode) = parallel_mode(input);
    let (input, body) = block(input)?;
    Ok((input, ExprKind::Parallel(Box::new(Parallel { mode, body }))))
}

/// `deadline = "deadline" head block`, behind its word
fn deadline(input: Tokens) -> Parsed<ExprKind> {
    let (input, time) = head(input)?;
    let (input, body) = block(input)?;
    Ok((input, ExprKind::Deadline(Box::new(Deadline { time, body }))))
}

fn parallel_mode(input: Tokens) -> (Tokens, ParallelMode) {
    if input.is_word(words::COLLECT) {
        (input.skip(), ParallelMode::Collect)
    } else if input.is_word(words::RACE) {
        (input.skip(), ParallelMode::Race)
    } else {
        (input, ParallelMode::All)
    }
}

/// `session = "session" "budget" head block`, behind its word
fn session(input: Tokens) -> Parsed<ExprKind> {
    if !input.is_word(words::BUDGET) {
        return input.expected("`budget` and an amount of money");
    }
    let input = input.skip();
    if !starts_operand(input) && input.kind() == Kind::BraceOpen {
        return input.expected("an amount of money");
    }
    let (input, budget) = head(input)?;
    let (input, body) = block(input)?;
    Ok((input, ExprKind::Session(Box::new(Session { budget, body }))))
}
