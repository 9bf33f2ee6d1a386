//! What operators are applied to: literals, names, brackets, closures, and everything that starts with a word.

use super::control;
use super::expression::{assignment, assignment_of, expression, literal_token, send_of};
use super::grammar_error;
use super::interpolation::interpolated;
use super::list::{BRACES, PARENS, list, recover, rest_of_list};
use super::pattern::{Typing, pattern, single_pattern};
use super::problem;
use super::spawn::spawn;
use super::statement::{block, block_from, is_statement_only};
use super::token::Kind;
use super::tokens::{Context, Parsed, Tokens, ident_of, word};
use super::types::{has_trailing_comma, opt_annotation, type_arguments};
use crate::ast::{
    Break, Closure, ClosureParameter, Comprehension, ComprehensionClause, Expr, ExprKind, FieldValue, Ident, MapEntry, Path,
    StmtKind, StructLiteral,
};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::source::Span;

/// Whether the next token can start an operand.
pub(crate) fn starts_operand(input: Tokens) -> bool {
    match input.kind() {
        Kind::BraceOpen => !input.state.context().is_head,
        Kind::Ident
        | Kind::Int
        | Kind::Float
        | Kind::Duration
        | Kind::Money
        | Kind::Text
        | Kind::StringStart
        | Kind::True
        | Kind::False
        | Kind::Null
        | Kind::ParenOpen
        | Kind::BracketOpen
        | Kind::Minus
        | Kind::Not
        | Kind::Pipe
        | Kind::OrOr
        | Kind::If
        | Kind::While
        | Kind::Loop
        | Kind::For
        | Kind::Match
        | Kind::Return
        | Kind::Break
        | Kind::Continue
        | Kind::Try
        | Kind::Throw
        | Kind::Spawn
        | Kind::Await
        | Kind::Unknown => true,
        _ => false,
    }
}

/// One operand without what follows it.
pub(crate) fn primary(input: Tokens) -> Parsed<Expr> {
    let rule: fn(Tokens) -> Parsed<ExprKind> = match input.kind() {
        Kind::Ident => return word_expression(input),
        _ if control::starts_labelled_loop(input) && !input.state.context().is_head => control::labelled_loop,
        Kind::Int | Kind::Float | Kind::Duration | Kind::Money | Kind::Text | Kind::True | Kind::False | Kind::Null => literal,
        Kind::StringStart => interpolated,
        Kind::ParenOpen => parenthesized,
        Kind::BracketOpen => array,
        Kind::BraceOpen if !input.state.context().is_head => block_or_map,
        Kind::BraceOpen if input.kind_at(1) == Kind::Text && input.kind_at(2) == Kind::Colon => map_in_head,
        Kind::Pipe | Kind::OrOr => closure,
        Kind::If | Kind::While | Kind::Loop | Kind::For | Kind::Match | Kind::Try => control::control,
        Kind::Spawn => spawn,
        Kind::Return => return_expression,
        Kind::Throw => throw_expression,
        Kind::Break => break_expression,
        Kind::Continue => continue_expression,
        // The scanner has said what is wrong with it.
        Kind::Unknown => |input| Ok((input.skip(), ExprKind::Error)),
        Kind::Fn => function_value,
        _ => return input.expected("a value"),
    };
    made(input, rule)
}

/// The expression that a rule makes. Kept apart from the choice of the rule, since the frames of both count once for each
/// level of nesting.
fn made<'a>(input: Tokens<'a>, rule: impl FnOnce(Tokens<'a>) -> Parsed<'a, ExprKind>) -> Parsed<'a, Expr> {
    let start = input.span();
    let (input, kind) = rule(input)?;
    Ok((input, input.state.expr(kind, input.span_from(start))))
}

fn literal(input: Tokens) -> Parsed<ExprKind> {
    let (input, literal) = literal_token(input, false)?;
    Ok((input, ExprKind::Literal(literal)))
}

/// `return = "return" [ expression ]`
fn return_expression(input: Tokens) -> Parsed<ExprKind> {
    let (input, value) = opt_operand(input.skip())?;
    Ok((input, ExprKind::Return(value.map(Box::new))))
}

/// `throw = "throw" expression`
fn throw_expression(input: Tokens) -> Parsed<ExprKind> {
    let (input, value) = input.skip().deeper(expression)?;
    Ok((input, ExprKind::Throw(Box::new(value))))
}

/// `continue = "continue" [ label ]`
fn continue_expression(input: Tokens) -> Parsed<ExprKind> {
    let input = input.skip();
    match input.kind() {
        Kind::Ident => Ok((input.skip(), ExprKind::Continue(Some(ident_of(input))))),
        _ if is_reserved_label(input) => Ok((input.skip(), ExprKind::Continue(Some(ident_of(input))))),
        _ => Ok((input, ExprKind::Continue(None))),
    }
}

/// `fn` where a value is wanted.
fn function_value(input: Tokens) -> Parsed<ExprKind> {
    let word = input.span();
    let diagnostic = Diagnostic::error(codes::FOREIGN_SYNTAX, word, "a function without a name is a closure")
        .with_help("write its parameters between bars, as in `|x| x + 1`");
    input.fail(diagnostic)
}

/// The value behind `return` and the like, if one follows.
fn opt_operand(input: Tokens) -> Parsed<Option<Expr>> {
    if !starts_operand(input) {
        return Ok((input, None));
    }
    let (input, value) = input.deeper(expression)?;
    Ok((input, Some(value)))
}

/// `break = "break" [ label ] [ expression ]`; a word is a label if a loop around is called so.
fn break_expression(input: Tokens) -> Parsed<ExprKind> {
    let mut input = input.skip();
    let mut label = None;
    let may_be_label = input.kind() == Kind::Ident || is_reserved_label(input);
    if may_be_label && input.state.is_label(ident_of(input).symbol) {
        label = Some(ident_of(input));
        input = input.skip();
    }
    let (input, value) = opt_operand(input)?;
    Ok((input, ExprKind::Break(Box::new(Break { label, value }))))
}

/// Whether a reserved word here can only be a label: nothing follows that it would need as the start of a value.
fn is_reserved_label(input: Tokens) -> bool {
    input.kind().is_keyword()
        && !matches!(input.kind(), Kind::True | Kind::False | Kind::Null)
        && matches!(input.kind_at(1), Kind::Semicolon | Kind::BraceClose | Kind::Comma)
        && input.state.is_label(ident_of(input).symbol)
}

/// An expression that starts with a word that is not reserved: some start a construct, by what follows them.
fn word_expression(input: Tokens) -> Parsed<Expr> {
    let rule: fn(Tokens) -> Parsed<ExprKind> = if control::starts_labelled_loop(input) && !input.state.context().is_head {
        control::labelled_loop
    } else if control::starts_construct(input) {
        control::construct
    } else if input.is_word(words::SPAWN_LINK) && input.kind_at(1) == Kind::Ident {
        spawn
    } else if input.is_word(words::ASYNC) && starts_async(input.skip()) {
        asynchronous
    } else {
        return path_expression(input);
    };
    made(input, rule)
}

/// Whether `async` before this is no variable.
fn starts_async(input: Tokens) -> bool {
    match input.kind() {
        // `async(x)` starts a task; `async[0]`, `async - 1` and `async | x` are a variable.
        Kind::BracketOpen | Kind::Minus | Kind::Pipe | Kind::OrOr => false,
        // In a head, `{` starts the block.
        _ => starts_operand(input),
    }
}

/// `async = "async" ( block | expression )`
fn asynchronous(input: Tokens) -> Parsed<ExprKind> {
    let input = input.skip();
    let (input, task) = if input.kind() == Kind::BraceOpen { block_expression(input)? } else { input.deeper(expression)? };
    Ok((input, ExprKind::Async(Box::new(task))))
}

/// A `{` that starts a block for certain, as a value.
pub(crate) fn block_expression(input: Tokens) -> Parsed<Expr> {
    let (input, block) = block(input)?;
    let span = block.span;
    Ok((input, input.state.expr(ExprKind::Block(Box::new(block)), span)))
}

/// A name, a path, or a struct literal.
fn path_expression(input: Tokens) -> Parsed<Expr> {
    let start = input.span();
    let first = ident_of(input);
    let mut is_upper = starts_upper(input);
    let mut input = input.skip();
    if input.kind() != Kind::ColonColon && input.kind() != Kind::BraceOpen {
        return Ok((input, input.state.expr(ExprKind::Name(first), start)));
    }
    let mut segments = vec![first];
    let mut arguments = Vec::new();
    while input.kind() == Kind::ColonColon {
        if input.kind_at(1) == Kind::Less {
            (input, arguments) = type_arguments(input.skip())?;
            break;
        }
        is_upper = starts_upper(input.skip());
        let (rest, segment) = word("a name")(input.skip())?;
        segments.push(segment);
        input = rest;
    }
    let path = Path { segments, type_arguments: arguments, span: input.span_from(start) };
    if starts_struct_literal(input, is_upper) {
        return struct_literal(input, path);
    }
    let kind = if let Some(name) = path.as_name() { ExprKind::Name(name) } else { ExprKind::Path(Box::new(path)) };
    Ok((input, input.state.expr(kind, input.span_from(start))))
}

fn starts_upper(input: Tokens) -> bool {
    input.state.text(input.first()).starts_with(char::is_uppercase)
}

/// Whether a `{` behind a path belongs to it. In a head it starts the block, unless it holds what no block can.
fn starts_struct_literal(input: Tokens, is_upper: bool) -> bool {
    if input.kind() != Kind::BraceOpen {
        return false;
    }
    let holds_field = input.kind_at(1).is_word() && input.kind_at(2) == Kind::Colon && !control::is_loop(input.kind_at(3));
    if input.state.context().is_head { is_upper && holds_field } else { is_upper || holds_field }
}

/// `Path { field: value, short, ..base }`
fn struct_literal(input: Tokens, path: Path) -> Parsed<Expr> {
    let is_head = input.state.context().is_head;
    let mut base = None;
    let (input, fields) = list(input, BRACES, |input| {
        if input.kind() == Kind::DotDot {
            let (input, value) = expression(input.skip())?;
            base = Some(value);
            return Ok((input, None));
        }
        let (input, field) = field_value(input)?;
        Ok((input, Some(field)))
    })?;
    let span = input.span_from(path.span);
    if is_head {
        input.state.tell(grammar_error::literal_in_head("a struct", span));
    }
    let literal = StructLiteral { path, fields: fields.into_iter().flatten().collect(), base };
    Ok((input, input.state.expr(ExprKind::Struct(Box::new(literal)), span)))
}

/// `field: value`, or `field` alone
fn field_value(input: Tokens) -> Parsed<FieldValue> {
    let (input, name) = word("a field")(input)?;
    match input.kind() {
        Kind::Colon => {
            let (input, value) = expression(input.skip())?;
            Ok((input, FieldValue { name, value, is_short: false }))
        }
        Kind::Assign => {
            let sign = input.span();
            input.state.tell(grammar_error::foreign_form(
                sign,
                "a field gets its value behind `:`",
                "write `:`",
                name.span.behind().to(sign),
                ":",
            ));
            let (input, value) = expression(input.skip())?;
            Ok((input, FieldValue { name, value, is_short: false }))
        }
        _ => {
            let value = input.state.expr(ExprKind::Name(name), name.span);
            Ok((input, FieldValue { name, value, is_short: true }))
        }
    }
}

/// `( expression )` or `( a, b )`
fn parenthesized(input: Tokens) -> Parsed<ExprKind> {
    if input.kind_at(1) == Kind::ParenClose {
        return input.skip().expected("a value between the parentheses");
    }
    let (input, mut elements) = list(input, PARENS, expression)?;
    let is_group = elements.len() == 1 && !has_trailing_comma(input);
    match elements.pop() {
        Some(only) if is_group => Ok((input, ExprKind::Paren(Box::new(only)))),
        last => {
            elements.extend(last);
            Ok((input, ExprKind::Tuple(elements)))
        }
    }
}

/// `[ a, b ]` or `[ element for pattern in iterable if condition ]`
fn array(input: Tokens) -> Parsed<ExprKind> {
    let opener = input.span();
    input.nested(|input| {
        let input = input.skip();
        if input.kind() == Kind::BracketClose {
            return Ok((input.skip(), ExprKind::Array(Vec::new())));
        }
        let (input, first) = expression(input)?;
        if input.kind() == Kind::For {
            return comprehension(input, opener, first);
        }
        let input = match input.kind() {
            Kind::Comma => input.skip(),
            Kind::BracketClose => input,
            _ => return input.fail(grammar_error::list(input, opener, "`,` or `]`")),
        };
        let (input, elements) = rest_of_list(input, opener, super::list::SQUARE, vec![first], expression)?;
        Ok((input, ExprKind::Array(elements)))
    })
}

/// The rest of a comprehension, from its first `for` on.
fn comprehension(mut input: Tokens, opener: Span, element: Expr) -> Parsed<ExprKind> {
    let mut clauses = Vec::new();
    loop {
        match input.kind() {
            Kind::For => {
                let (rest, pattern) = pattern(input.skip(), Typing::Refused)?;
                if rest.kind() != Kind::In {
                    return rest.expected("`in`");
                }
                let (rest, iterable) = expression(rest.skip())?;
                clauses.push(ComprehensionClause::For(pattern, iterable));
                input = rest;
            }
            Kind::If => {
                let (rest, condition) = expression(input.skip())?;
                clauses.push(ComprehensionClause::If(condition));
                input = rest;
            }
            Kind::BracketClose => {
                let comprehension = Comprehension { element, clauses };
                return Ok((input.skip(), ExprKind::Comprehension(Box::new(comprehension))));
            }
            _ => return input.fail(grammar_error::list(input, opener, "`for`, `if` or `]`")),
        }
    }
}

/// A `{` where a value is wanted: a map if it is empty or its first expression is followed by `:`, else a block.
fn block_or_map(input: Tokens) -> Parsed<ExprKind> {
    let opener = input.span();
    let inner = input.skip();
    if inner.kind() == Kind::BraceClose {
        return Ok((inner.skip(), ExprKind::Map(Vec::new())));
    }
    if is_statement_only(inner) {
        let (input, block) = block(input)?;
        return Ok((input, ExprKind::Block(Box::new(block))));
    }
    input.nested(|input| {
        let inner = input.skip();
        match expression(inner) {
            Ok((rest, first)) if rest.kind() == Kind::Colon => map_from(rest, opener, first),
            Ok((rest, first)) => block_from_value(rest, opener, first),
            Err(error) => {
                let rest = recover(inner, problem::unwrap(error));
                let span = rest.span_from(inner.span());
                let (rest, block) = block_from(rest, opener, Some((StmtKind::Error, span)), None)?;
                Ok((rest, ExprKind::Block(Box::new(block))))
            }
        }
    })
}

/// A map where a `{` starts the block of a head: no block starts with a text and a colon.
fn map_in_head(input: Tokens) -> Parsed<ExprKind> {
    let start = input.span();
    let (input, map) = input.within(Context { is_head: false, allows_open_range: false }, block_or_map)?;
    input.state.tell(grammar_error::literal_in_head("a map", input.span_from(start)));
    Ok((input, map))
}

/// The rest of a map behind its first key.
fn map_from(input: Tokens, opener: Span, key: Expr) -> Parsed<ExprKind> {
    let (input, value) = expression(input.skip())?;
    let input = match input.kind() {
        Kind::Comma => input.skip(),
        Kind::BraceClose => input,
        _ => return input.fail(grammar_error::list(input, opener, "`,` or `}`")),
    };
    let (input, entries) = rest_of_list(input, opener, BRACES, vec![MapEntry { key, value }], map_entry)?;
    Ok((input, ExprKind::Map(entries)))
}

/// The rest of a block behind the expression that it starts with.
fn block_from_value(input: Tokens, opener: Span, first: Expr) -> Parsed<ExprKind> {
    let (input, first) = assignment_of(input, first)?;
    let (input, block) = block_from(input, opener, None, Some(first))?;
    Ok((input, ExprKind::Block(Box::new(block))))
}

/// `key: value`
fn map_entry(input: Tokens) -> Parsed<MapEntry> {
    let (input, key) = expression(input)?;
    if input.kind() != Kind::Colon {
        return input.expected("`:` and a value");
    }
    let (input, value) = expression(input.skip())?;
    Ok((input, MapEntry { key, value }))
}

/// `{ key: value, … }` where nothing else can stand
pub(crate) fn map_entries(input: Tokens) -> Parsed<Vec<MapEntry>> {
    list(input, BRACES, map_entry)
}

/// `closure = "|" [ parameter { "," parameter } ] "|" ( block | assignment )`
fn closure(input: Tokens) -> Parsed<ExprKind> {
    let context = input.state.context();
    let (input, parameters) = closure_parameters(input)?;
    let (input, body) = if input.kind() == Kind::BraceOpen {
        block_expression(input)?
    } else {
        input.deeper(|input| input.within(Context { allows_open_range: false, ..context }, assignment))?
    };
    Ok((input, ExprKind::Closure(Box::new(Closure { parameters, body }))))
}

fn closure_parameters(input: Tokens) -> Parsed<Vec<ClosureParameter>> {
    let opener = input.span();
    if input.kind() == Kind::OrOr {
        return Ok((input.skip(), Vec::new()));
    }
    let mut input = input.skip();
    let mut parameters = Vec::new();
    while input.kind() != Kind::Pipe {
        let (rest, pattern) = single_pattern(input, Typing::Refused)?;
        let (rest, ty) = opt_annotation(rest)?;
        parameters.push(ClosureParameter { pattern, ty });
        input = match rest.kind() {
            Kind::Comma => rest.skip(),
            Kind::Pipe => rest,
            _ => return rest.fail(grammar_error::list(rest, opener, "`,` or `|`")),
        };
    }
    Ok((input.skip(), parameters))
}

/// A call of an agent or an assignment that goes on behind an expression which was read already.
pub(crate) fn continue_statement(input: Tokens, first: Expr) -> Parsed<Expr> {
    input.measured(|input| {
        let (input, operand) = super::expression::binary_of(input, first, super::expression::Level::Coalesce)?;
        let (input, value) = send_of(input, operand)?;
        assignment_of(input, value)
    })
}

/// The words of a path without type arguments: `Team`, `workers::Resizer`.
pub(crate) fn plain_path<'a>(input: Tokens<'a>, what: &'static str) -> Parsed<'a, Path> {
    let start = input.span();
    let (mut input, first): (Tokens, Ident) = super::tokens::name(what)(input)?;
    let mut segments = vec![first];
    while input.kind() == Kind::ColonColon {
        let (rest, segment) = word("a name")(input.skip())?;
        segments.push(segment);
        input = rest;
    }
    Ok((input, Path { segments, type_arguments: Vec::new(), span: input.span_from(start) }))
}
