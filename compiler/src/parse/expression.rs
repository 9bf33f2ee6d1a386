//! Expressions from the loosest operators down to the tightest; what they are made of is in [`super::primary`].

use super::grammar_error;
use super::lexical_error;
use super::list::{PARENS, list};
use super::primary::{primary, starts_operand};
use super::token::{Kind, Value};
use super::tokens::{Context, Parsed, Tokens, ident_of, word};
use super::types::type_arguments;
use crate::ast::{
    Argument, ArgumentKind, Assign, Binary, BinaryOperator, Call, Expr, ExprKind, Field, Index, Literal, MethodCall, Range, Send,
    TupleField, Unary, UnaryOperator,
};
use crate::interner::words;
use crate::source::Span;

/// `expression = send`: all but an assignment.
pub(crate) fn expression(input: Tokens) -> Parsed<Expr> {
    let (input, value) = input.measured(send)?;
    // `if x = 1 {` is a slip that can be named.
    if input.kind() == Kind::Assign && input.state.context().is_head {
        input.state.tell(grammar_error::assignment_as_value(input.span()));
        return input.skip().deeper(expression);
    }
    Ok((input, value))
}

/// `assignment = send [ ( "=" | "+=" | … ) assignment ]`
pub(crate) fn assignment(input: Tokens) -> Parsed<Expr> {
    input.measured(|input| {
        let (input, place) = send(input)?;
        assignment_of(input, place)
    })
}

/// The rest of an assignment behind its place.
pub(crate) fn assignment_of(input: Tokens, place: Expr) -> Parsed<Expr> {
    let (operator, length) = match input.kind() {
        Kind::Assign => (None, 1),
        Kind::PlusAssign => (Some(BinaryOperator::Add), 1),
        Kind::MinusAssign => (Some(BinaryOperator::Subtract), 1),
        Kind::StarAssign => (Some(BinaryOperator::Multiply), 1),
        Kind::SlashAssign => (Some(BinaryOperator::Divide), 1),
        Kind::PercentAssign => (Some(BinaryOperator::Remainder), 1),
        Kind::AmpersandAssign => (Some(BinaryOperator::BitAnd), 1),
        Kind::PipeAssign => (Some(BinaryOperator::BitOr), 1),
        Kind::CaretAssign => (Some(BinaryOperator::BitXor), 1),
        Kind::ShiftLeftAssign => (Some(BinaryOperator::ShiftLeft), 1),
        Kind::Greater if is_shift_right_assign(input) => (Some(BinaryOperator::ShiftRight), 3),
        _ => return Ok((input, place)),
    };
    let operator_span = input.span();
    let behind = input.skip_many(length);
    let operator_span = behind.span_from(operator_span);
    let (input, value) = behind.deeper(assignment)?;
    let span = place.span.to(value.span);
    let assign = Assign { place, operator, operator_span, value };
    Ok((input, input.state.expr(ExprKind::Assign(Box::new(assign)), span)))
}

/// `>` `>` `=` without spaces.
fn is_shift_right_assign(input: Tokens) -> bool {
    matches!(input.rest, [first, second, third, ..]
        if second.kind == Kind::Greater && third.kind == Kind::Assign && first.touches(second) && second.touches(third))
}

/// `send = operand [ ( "<-" | "<~" ) send { "timeout" operand | "budget" operand } ]`, where an operand is an expression of
/// operators from `??` on.
fn send(input: Tokens) -> Parsed<Expr> {
    let (input, receiver) = operand(input)?;
    send_of(input, receiver)
}

/// The operators from `??` on: everything that binds tighter than `<-`.
pub(crate) fn operand(input: Tokens) -> Parsed<Expr> {
    binary(input, Level::Coalesce)
}

/// The rest of a call of an agent behind its receiver, if one follows.
pub(crate) fn send_of(input: Tokens, receiver: Expr) -> Parsed<Expr> {
    match input.kind() {
        Kind::Send | Kind::Stream => arrow(input, receiver),
        _ => Ok((input, receiver)),
    }
}

/// The rest of a call of an agent, from its arrow on.
fn arrow(input: Tokens, receiver: Expr) -> Parsed<Expr> {
    let is_stream = input.kind() == Kind::Stream;
    let operator_span = input.span();
    let (input, message) = input.skip().deeper(|input| {
        let (input, message) = operand(input)?;
        // The arrow binds to the right: `a <- b <- c` sends `b`'s answer.
        send_of(input, message)
    })?;
    if let ExprKind::Binary(binary) = &message.kind
        && Level::of(binary.operator) == Level::Compare
    {
        let left = &binary.left;
        input.state.tell(grammar_error::compared_message(input.state, &receiver, left, binary.operator_span, operator_span));
    }
    let (input, (timeout, budget)) = modifiers(input)?;
    let span = input.span_from(receiver.span);
    check_receiver(input, &receiver, operator_span, message.span);
    let send = Send { receiver, message, is_stream, operator_span, timeout, budget };
    Ok((input, input.state.expr(ExprKind::Send(Box::new(send)), span)))
}

/// Tells of `a + h <- m`, which would send to a sum.
fn check_receiver(input: Tokens, receiver: &Expr, arrow: Span, message: Span) {
    let (operator, right) = match &receiver.kind {
        ExprKind::Binary(binary) if binary.operator != BinaryOperator::Coalesce => (binary.operator_span, &binary.right),
        ExprKind::Unary(unary) => (unary.operator_span, &unary.operand),
        _ => return,
    };
    input.state.tell(grammar_error::send_as_operand(input.state, right, operator, arrow, message));
}

/// `{ "timeout" operand | "budget" operand }`, each at most once.
fn modifiers(mut input: Tokens) -> Parsed<(Option<Expr>, Option<Expr>)> {
    let mut timeout: Option<Expr> = None;
    let mut budget: Option<Expr> = None;
    loop {
        let (slot, text) = if input.is_word(words::TIMEOUT) {
            (&mut timeout, "timeout")
        } else if input.is_word(words::BUDGET) {
            (&mut budget, "budget")
        } else {
            return Ok((input, (timeout, budget)));
        };
        let word = input.span();
        let (rest, value) = operand(input.skip())?;
        match slot {
            Some(first) => input.state.tell(grammar_error::repeated_modifier(word, text, first.span)),
            None => *slot = Some(value),
        }
        input = rest;
    }
}

/// How tightly operators between two operands bind, loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Coalesce,
    Or,
    And,
    Compare,
    Range,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Add,
    Multiply,
    /// Tighter than all of them.
    Unary,
}

impl Level {
    fn of(operator: BinaryOperator) -> Level {
        match operator {
            BinaryOperator::Coalesce => Level::Coalesce,
            BinaryOperator::Or => Level::Or,
            BinaryOperator::And => Level::And,
            BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::LessEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterEqual
            | BinaryOperator::In => Level::Compare,
            BinaryOperator::BitOr => Level::BitOr,
            BinaryOperator::BitXor => Level::BitXor,
            BinaryOperator::BitAnd => Level::BitAnd,
            BinaryOperator::ShiftLeft | BinaryOperator::ShiftRight => Level::Shift,
            BinaryOperator::Add | BinaryOperator::Subtract => Level::Add,
            BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Remainder => Level::Multiply,
        }
    }

    /// The level of the right operand, so that operators of one level group to the left.
    fn tighter(self) -> Level {
        match self {
            Level::Coalesce => Level::Or,
            Level::Or => Level::And,
            Level::And => Level::Compare,
            Level::Compare => Level::Range,
            Level::Range => Level::BitOr,
            Level::BitOr => Level::BitXor,
            Level::BitXor => Level::BitAnd,
            Level::BitAnd => Level::Shift,
            Level::Shift => Level::Add,
            Level::Add => Level::Multiply,
            Level::Multiply | Level::Unary => Level::Unary,
        }
    }
}

/// The operator that starts with the next token, and how many tokens it has.
fn binary_operator(input: Tokens) -> Option<(BinaryOperator, usize)> {
    let operator = match input.kind() {
        Kind::QuestionQuestion => BinaryOperator::Coalesce,
        Kind::OrOr => BinaryOperator::Or,
        Kind::AndAnd => BinaryOperator::And,
        Kind::EqualEqual => BinaryOperator::Equal,
        Kind::NotEqual => BinaryOperator::NotEqual,
        Kind::Less => BinaryOperator::Less,
        Kind::LessEqual => BinaryOperator::LessEqual,
        Kind::Greater => return greater(input),
        Kind::In => BinaryOperator::In,
        Kind::Pipe => BinaryOperator::BitOr,
        Kind::Caret => BinaryOperator::BitXor,
        Kind::Ampersand => BinaryOperator::BitAnd,
        Kind::ShiftLeft => BinaryOperator::ShiftLeft,
        Kind::Plus => BinaryOperator::Add,
        Kind::Minus => BinaryOperator::Subtract,
        Kind::Star => BinaryOperator::Multiply,
        Kind::Slash => BinaryOperator::Divide,
        Kind::Percent => BinaryOperator::Remainder,
        _ => return None,
    };
    Some((operator, 1))
}

/// `>`, `>=` or `>>`; the last two are tokens that touch.
fn greater(input: Tokens) -> Option<(BinaryOperator, usize)> {
    let [first, second, ..] = input.rest else {
        return Some((BinaryOperator::Greater, 1));
    };
    match second.kind {
        Kind::Assign if first.touches(second) => Some((BinaryOperator::GreaterEqual, 2)),
        Kind::Greater if first.touches(second) => (!is_shift_right_assign(input)).then_some((BinaryOperator::ShiftRight, 2)),
        _ => Some((BinaryOperator::Greater, 1)),
    }
}

/// Operators of `lowest` and tighter levels, by precedence climbing.
fn binary(input: Tokens, lowest: Level) -> Parsed<Expr> {
    if matches!(input.kind(), Kind::DotDot | Kind::DotDotEqual) && lowest <= Level::Range {
        return range_of(input, None);
    }
    let (input, left) = unary(input)?;
    binary_of(input, left, lowest)
}

/// The rest of an expression of operators behind its first operand.
pub(crate) fn binary_of(mut input: Tokens, mut left: Expr, lowest: Level) -> Parsed<Expr> {
    loop {
        if matches!(input.kind(), Kind::DotDot | Kind::DotDotEqual) && lowest <= Level::Range {
            if matches!(left.kind, ExprKind::Range(_)) {
                return input.expected("the end of the range");
            }
            (input, left) = range_of(input, Some(left))?;
            continue;
        }
        let Some((operator, length)) = binary_operator(input) else {
            return Ok((input, left));
        };
        let level = Level::of(operator);
        if level < lowest {
            return Ok((input, left));
        }
        input.grow()?;
        let operator_start = input.span();
        let behind = input.skip_many(length);
        let operator_span = behind.span_from(operator_start);
        let (rest, right) = binary(behind, level.tighter())?;
        check_chain(input, &left, operator, operator_span, &right);
        let span = left.span.to(right.span);
        let binary = Binary { operator, operator_span, left, right };
        left = input.state.expr(ExprKind::Binary(Box::new(binary)), span);
        input = rest;
    }
}

/// Tells of `a < b < c`.
fn check_chain(input: Tokens, left: &Expr, operator: BinaryOperator, operator_span: Span, right: &Expr) {
    let is_order = |operator| {
        matches!(
            operator,
            BinaryOperator::Less | BinaryOperator::LessEqual | BinaryOperator::Greater | BinaryOperator::GreaterEqual
        )
    };
    if let ExprKind::Binary(first) = &left.kind
        && is_order(operator)
        && is_order(first.operator)
    {
        let middle = &input.state.source[first.right.span.range()];
        let is_type_argument = (first.operator, operator) == (BinaryOperator::Less, BinaryOperator::Greater)
            && matches!((&first.right.kind, &right.kind), (ExprKind::Name(_), ExprKind::Paren(_) | ExprKind::Tuple(_)));
        input.state.tell(grammar_error::chained_comparison(operator_span, first.operator_span, middle, is_type_argument));
    }
}

/// `range = [ operand ] ( ".." | "..=" ) [ operand ]`
fn range_of(input: Tokens, start: Option<Expr>) -> Parsed<Expr> {
    input.grow()?;
    let dots = input.span();
    let is_inclusive = input.kind() == Kind::DotDotEqual;
    let allows_open = input.state.context().allows_open_range;
    let behind = input.skip();
    if behind.kind() == Kind::Dot && input.first().touches(behind.first()) {
        return input.fail(grammar_error::three_dots(dots.to(behind.span())));
    }
    let (input, end) = if starts_operand(behind) {
        let (input, end) = binary(behind, Level::Range.tighter())?;
        (input, Some(end))
    } else {
        (behind, None)
    };
    if (start.is_none() || end.is_none()) && (!allows_open || (end.is_none() && is_inclusive)) {
        input.state.tell(grammar_error::open_range(dots));
    }
    let span = input.span_from(start.as_ref().map_or(dots, |start| start.span));
    Ok((input, input.state.expr(ExprKind::Range(Box::new(Range { start, end, is_inclusive })), span)))
}

/// `unary = ( "-" | "!" ) unary | "await" unary [ "<-" … ] | postfix`
fn unary(input: Tokens) -> Parsed<Expr> {
    match input.kind() {
        Kind::Minus | Kind::Not => prefixed(input),
        Kind::Await => awaited(input),
        _ => {
            let (input, operand) = primary(input)?;
            postfix_of(input, operand)
        }
    }
}

/// `"await" unary`; of a call of an agent, `await w <~ m`, all of it is awaited.
fn awaited(input: Tokens) -> Parsed<Expr> {
    let start = input.span();
    let (input, awaited) = input.skip().deeper(unary)?;
    let (input, awaited) = send_of(input, awaited)?;
    let span = input.span_from(start);
    Ok((input, input.state.expr(ExprKind::Await(Box::new(awaited)), span)))
}

/// `( "-" | "!" ) unary`
fn prefixed(input: Tokens) -> Parsed<Expr> {
    let start = input.span();
    let operator = if input.kind() == Kind::Minus { UnaryOperator::Negate } else { UnaryOperator::Not };
    if operator == UnaryOperator::Negate && is_smallest_int(input.skip()) {
        let (input, literal) = literal_token(input.skip(), true)?;
        return Ok((input, input.state.expr(ExprKind::Literal(literal), input.span_from(start))));
    }
    let (input, operand) = input.skip().deeper(unary)?;
    let unary = Unary { operator, operator_span: start, operand };
    Ok((input, input.state.expr(ExprKind::Unary(Box::new(unary)), input.span_from(start))))
}

/// Whether the next token is 2⁶³, which is an `int` only with a `-` before it.
fn is_smallest_int(input: Tokens) -> bool {
    input.kind() == Kind::Int && matches!(input.state.value(input.first()), Value::Int(value) if *value == 1 << 63)
}

/// A literal token as a value; `is_negative` if a `-` stands before it.
pub(crate) fn literal_token(input: Tokens, is_negative: bool) -> Parsed<Literal> {
    let token = input.first();
    let literal = match input.kind() {
        Kind::True => Literal::Bool(true),
        Kind::False => Literal::Bool(false),
        Kind::Null => Literal::Null,
        Kind::Int | Kind::Float | Kind::Duration | Kind::Money | Kind::Text => match input.state.value(token) {
            Value::Int(value) => match signed(*value, is_negative) {
                Some(value) => Literal::Int(value),
                None => {
                    input.state.tell(lexical_error::int_too_large(input.span()));
                    Literal::Int(i64::MAX)
                }
            },
            Value::Float(value) => Literal::Float(if is_negative { -value } else { *value }),
            Value::Duration(value) => Literal::Duration(if is_negative { -value } else { *value }),
            Value::Money(value) => Literal::Money(if is_negative { -value } else { *value }),
            Value::Text(text) => Literal::Str(text.clone()),
        },
        _ => return input.expected("a value"),
    };
    Ok((input.skip(), literal))
}

fn signed(value: u64, is_negative: bool) -> Option<i64> {
    if is_negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The key of a map in a pattern: a literal, or the path of a variant.
pub(crate) fn map_key(input: Tokens) -> Parsed<Expr> {
    match input.kind() {
        Kind::Ident | Kind::Text | Kind::Int | Kind::True | Kind::False => primary(input),
        Kind::Minus => unary(input),
        _ => input.expected("a key"),
    }
}

/// `postfix = primary { "?" | "." name | "?." name | "(" arguments ")" | "[" index "]" }`
pub(crate) fn postfix_of(mut input: Tokens, mut expr: Expr) -> Parsed<Expr> {
    loop {
        let rule: fn(Tokens, Expr) -> Parsed<ExprKind> = match input.kind() {
            Kind::Question => propagate,
            Kind::Dot | Kind::QuestionDot => member,
            Kind::ParenOpen => call,
            Kind::BracketOpen => indexed,
            _ => return Ok((input, expr)),
        };
        input.grow()?;
        let start = expr.span;
        let (rest, kind) = rule(input, expr)?;
        expr = input.state.expr(kind, rest.span_from(start));
        input = rest;
    }
}

fn propagate(input: Tokens, value: Expr) -> Parsed<ExprKind> {
    Ok((input.skip(), ExprKind::Propagate(Box::new(value))))
}

fn call(input: Tokens, callee: Expr) -> Parsed<ExprKind> {
    let (input, arguments) = arguments(input)?;
    Ok((input, ExprKind::Call(Box::new(Call { callee, arguments }))))
}

fn indexed(input: Tokens, receiver: Expr) -> Parsed<ExprKind> {
    let (input, index) = index(input)?;
    Ok((input, ExprKind::Index(Box::new(Index { receiver, index }))))
}

/// What follows a `.` or `?.`: a field, a method call, or a place in a tuple.
fn member(input: Tokens, receiver: Expr) -> Parsed<ExprKind> {
    let is_optional = input.kind() == Kind::QuestionDot;
    let input = input.skip();
    if input.kind() == Kind::Int {
        let index_span = input.span();
        let index = match input.state.value(input.first()) {
            Value::Int(value) => u32::try_from(*value).unwrap_or(u32::MAX),
            _ => u32::MAX,
        };
        let field = TupleField { receiver, is_optional, index, index_span };
        return Ok((input.skip(), ExprKind::TupleField(Box::new(field))));
    }
    let (input, name) = word("a field or a method")(input)?;
    let (input, type_arguments) = if input.kind() == Kind::ColonColon && input.kind_at(1) == Kind::Less {
        type_arguments(input.skip())?
    } else {
        (input, Vec::new())
    };
    if input.kind() == Kind::ParenOpen {
        let (input, arguments) = arguments(input)?;
        let call = MethodCall { receiver, is_optional, name, type_arguments, arguments };
        return Ok((input, ExprKind::MethodCall(Box::new(call))));
    }
    if !type_arguments.is_empty() {
        return input.expected("`(` and the arguments of the method");
    }
    Ok((input, ExprKind::Field(Box::new(Field { receiver, is_optional, name }))))
}

/// `arguments = "(" [ argument { "," argument } ] ")"`
pub(crate) fn arguments(input: Tokens) -> Parsed<Vec<Argument>> {
    list(input, PARENS, argument)
}

/// `argument = [ name ":" ] expression | "timeout" expression`
fn argument(input: Tokens) -> Parsed<Argument> {
    let (start, kind) = if input.kind().is_word() && input.kind_at(1) == Kind::Colon && !labels_loop(input) {
        (input.skip_many(2), ArgumentKind::Named(ident_of(input)))
    } else if input.is_word(words::TIMEOUT) && is_modifier_value(input.skip()) {
        (input.skip(), ArgumentKind::Timeout(input.span()))
    } else {
        (input, ArgumentKind::Positional)
    };
    let (input, value) = expression(start)?;
    if input.kind() == Kind::Assign {
        return assigned_argument(input, value);
    }
    Ok((input, Argument { kind, value }))
}

/// `name = value` for an argument, as other languages write it.
fn assigned_argument(input: Tokens, name: Expr) -> Parsed<Argument> {
    let sign = input.span();
    input.state.tell(if matches!(name.kind, ExprKind::Name(_)) {
        let gap = name.span.behind().to(sign);
        grammar_error::foreign_form(sign, "an argument is named with `:`", "write `:`", gap, ":")
    } else {
        grammar_error::assignment_as_value(sign)
    });
    let (input, value) = expression(input.skip())?;
    Ok((input, Argument { kind: ArgumentKind::Positional, value }))
}

/// Whether `name:` starts a labelled loop, and not a named argument.
fn labels_loop(input: Tokens) -> bool {
    matches!(input.kind_at(2), Kind::Loop | Kind::While | Kind::For)
}

/// Whether a word before this is a modifier and not a variable or a function: a value follows it.
fn is_modifier_value(input: Tokens) -> bool {
    matches!(input.kind(), Kind::Int | Kind::Float | Kind::Duration | Kind::Ident)
}

/// `index = "[" expression "]"`, where a range may leave out its ends.
fn index(input: Tokens) -> Parsed<Expr> {
    let opener = input.span();
    input.nested(|input| {
        let (input, index) = input.skip().within(Context { is_head: false, allows_open_range: true }, expression)?;
        if input.kind() != Kind::BracketClose {
            return input.fail(grammar_error::list(input, opener, "`]`"));
        }
        Ok((input.skip(), index))
    })
}
