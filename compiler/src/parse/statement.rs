//! Blocks and statements.

use super::control;
use super::expression::{assignment, expression, postfix_of};
use super::foreign;
use super::grammar_error;
use super::item::{const_declaration, item, mock};
use super::list::{ends_unclosed_block, is_item, recover};
use super::pattern::{Typing, pattern};
use super::primary::{block_expression, continue_statement, primary, starts_operand};
use super::problem;
use super::token::Kind;
use super::tokens::{Parsed, Tokens, ident_of};
use super::types::opt_annotation;
use crate::ast::{Block, Expr, ExprKind, LetStatement, Pattern, PatternKind, Stmt, StmtKind};
use crate::interner::words;
use crate::source::Span;

/// A statement, or the value at the end of a block.
pub(crate) enum Piece {
    Statement(Stmt),
    Value(Expr),
}

/// `block = "{" { statement } [ expression ] "}"`
pub(crate) fn block(input: Tokens) -> Parsed<Block> {
    if input.kind() != Kind::BraceOpen {
        return input.expected("`{`");
    }
    let opener = input.span();
    input.nested(|input| block_from(input.skip(), opener, None, None))
}

/// The rest of a block of which nothing, a statement with its span, or an expression at its start was read.
pub(crate) fn block_from<'a>(
    mut input: Tokens<'a>,
    opener: Span,
    statement: Option<(StmtKind, Span)>,
    expr: Option<Expr>,
) -> Parsed<'a, Block> {
    let id = input.state.block_id();
    let mut statements = Vec::new();
    let mut value = None;
    if let Some((kind, span)) = statement {
        statements.push(Stmt { id: input.state.stmt_id(), kind, span });
    }
    let mut unfinished = expr;
    loop {
        let before = input;
        let result = match unfinished.take() {
            Some(expr) => behind_expression(input, expr),
            None => match input.kind() {
                Kind::BraceClose => {
                    input = input.skip();
                    break;
                }
                Kind::Semicolon => {
                    input = input.skip();
                    continue;
                }
                _ if ends_unclosed_block(input, opener) => {
                    input.state.report(input.first().start, grammar_error::unclosed(input, opener));
                    break;
                }
                _ => piece(input),
            },
        };
        match result {
            Ok((rest, Piece::Statement(statement))) => {
                statements.push(statement);
                input = rest;
            }
            Ok((rest, Piece::Value(expr))) => {
                value = Some(Box::new(expr));
                input = rest;
            }
            Err(error) => {
                input = recover(before, problem::unwrap(error));
                statements.push(misread(before, input));
            }
        }
    }
    Ok((input, Block { id, statements, value, span: input.span_from(opener) }))
}

/// What stands for a statement that could not be read. The name that it meant to introduce is known behind it.
pub(crate) fn misread<'a>(start: Tokens<'a>, behind: Tokens<'a>) -> Stmt {
    let (state, span) = (start.state, behind.span_from(start.span()));
    let kind = if start.kind() == Kind::Let && start.kind_at(1) == Kind::Ident {
        let name = ident_of(start.skip());
        let pattern = Pattern { id: state.pattern_id(), kind: PatternKind::Binding(state.binding(name)), span: name.span };
        StmtKind::Let(Box::new(LetStatement { pattern, ty: None, value: state.expr(ExprKind::Error, name.span) }))
    } else {
        StmtKind::Error
    };
    Stmt { id: state.stmt_id(), kind, span }
}

/// Whether what starts here is a statement for certain, and no key of a map.
pub(crate) fn is_statement_only(input: Tokens) -> bool {
    match input.kind() {
        Kind::Let
        | Kind::Const
        | Kind::Defer
        | Kind::If
        | Kind::Match
        | Kind::While
        | Kind::Loop
        | Kind::For
        | Kind::Try
        | Kind::Return
        | Kind::Throw
        | Kind::Break
        | Kind::Continue
        | Kind::BraceOpen
        | Kind::Semicolon => true,
        Kind::Ident => control::starts_construct(input) || is_item(input) || control::starts_labelled_loop(input),
        _ => is_item(input) || control::starts_labelled_loop(input),
    }
}

/// One statement, or the value at the end of a block.
pub(crate) fn piece(input: Tokens) -> Parsed<Piece> {
    let rule: fn(Tokens) -> Parsed<Piece> = match input.kind() {
        _ if control::starts_labelled_loop(input) => construct_piece,
        Kind::Let => let_piece,
        Kind::Const => const_piece,
        Kind::Defer => defer,
        Kind::BraceOpen => block_piece,
        kind if starts_with_block(kind) || (kind == Kind::Ident && starts_block_construct(input)) => construct_piece,
        Kind::Ident if input.is_word(words::MOCK) && input.kind_at(1) == Kind::Ident => mock_piece,
        _ if is_item(input) => item_in_block,
        // `--i;` would be a number negated twice.
        Kind::Minus if input.kind_at(1) == Kind::Minus && input.first().touches(input.skip().first()) => {
            return input.expected("a statement");
        }
        _ if !starts_operand(input) => return input.expected("a statement"),
        _ => expression_piece,
    };
    rule(input)
}

fn let_piece(input: Tokens) -> Parsed<Piece> {
    let start = input.span();
    let (input, statement) = let_statement(input)?;
    ended(input, StmtKind::Let(Box::new(statement)), start)
}

fn const_piece(input: Tokens) -> Parsed<Piece> {
    let start = input.span();
    let (input, declaration) = const_declaration(input)?;
    ended(input, StmtKind::Const(Box::new(declaration)), start)
}

fn mock_piece(input: Tokens) -> Parsed<Piece> {
    let start = input.span();
    let (input, declaration) = mock(input)?;
    made(input, StmtKind::Mock(Box::new(declaration)), start)
}

fn block_piece(input: Tokens) -> Parsed<Piece> {
    let (input, expr) = block_expression(input)?;
    behind_block(input, expr)
}

fn construct_piece(input: Tokens) -> Parsed<Piece> {
    let (input, expr) = input.measured(primary)?;
    behind_block(input, expr)
}

fn expression_piece(input: Tokens) -> Parsed<Piece> {
    let (input, expr) = assignment(input)?;
    behind_expression(input, expr)
}

fn starts_with_block(kind: Kind) -> bool {
    matches!(kind, Kind::If | Kind::Match | Kind::While | Kind::Loop | Kind::For | Kind::Try)
}

/// Whether a word that is not reserved starts what ends with a block: a construct, or a loop behind its label.
fn starts_block_construct(input: Tokens) -> bool {
    control::starts_construct(input) || control::starts_labelled_loop(input)
}

fn made(behind: Tokens, kind: StmtKind, start: Span) -> Parsed<Piece> {
    let span = behind.span_from(start);
    Ok((behind, Piece::Statement(Stmt { id: behind.state.stmt_id(), kind, span })))
}

/// A statement behind which a `;` must stand.
fn ended(input: Tokens, kind: StmtKind, start: Span) -> Parsed<Piece> {
    let (input, ()) = end_of_statement(input)?;
    made(input, kind, start)
}

/// `let = "let" pattern [ ":" type ] "=" expression`
pub(crate) fn let_statement(input: Tokens) -> Parsed<LetStatement> {
    let mut input = input.skip();
    if input.is_word(words::MUT) && input.kind_at(1) == Kind::Ident {
        let word = input.span();
        let removed = Span { end: input.skip().first().start, ..word };
        input.state.tell(grammar_error::foreign_form(word, "every variable can be changed", "remove `mut`", removed, ""));
        input = input.skip();
    }
    let (input, pattern) = pattern(input, Typing::Refused)?;
    let (input, ty) = opt_annotation(input)?;
    if input.kind() != Kind::Assign {
        return input.expected("`=` and a value");
    }
    let (input, value) = expression(input.skip())?;
    Ok((input, LetStatement { pattern, ty, value }))
}

/// `defer = "defer" ( block | assignment ";" )`
fn defer(input: Tokens) -> Parsed<Piece> {
    let start = input.span();
    let input = input.skip();
    if input.kind() != Kind::BraceOpen {
        let (input, expr) = assignment(input)?;
        return ended(input, StmtKind::Defer(Box::new(expr)), start);
    }
    let (input, expr) = block_expression(input)?;
    let input = if input.kind() == Kind::Semicolon { input.skip() } else { input };
    made(input, StmtKind::Defer(Box::new(expr)), start)
}

/// A declaration where none can stand. It is read, so that its inside is checked too, and left out.
fn item_in_block(input: Tokens) -> Parsed<Piece> {
    let start = input.span();
    if input.kind() == Kind::Pub && !is_item(input.skip()) {
        input.state.tell(grammar_error::misplaced_pub(start, "declarations at the top level of a file can be public"));
        return piece(input.skip());
    }
    input.state.tell(grammar_error::item_in_block(start, grammar_error::item_name(input)));
    let (input, _) = item(input)?;
    made(input, StmtKind::Error, start)
}

/// Behind an expression that ends with its block: it is a statement without `;`, unless a `.` or `?` goes on with it.
fn behind_block(input: Tokens, expr: Expr) -> Parsed<Piece> {
    let start = expr.span;
    match input.kind() {
        Kind::Dot | Kind::Question | Kind::QuestionDot => {
            let (input, expr) = postfix_of(input, expr)?;
            let (input, expr) = continue_statement(input, expr)?;
            behind_expression(input, expr)
        }
        Kind::Semicolon => made(input.skip(), StmtKind::Expr(Box::new(expr)), start),
        Kind::BraceClose if has_value(&expr) => Ok((input, Piece::Value(expr))),
        _ => made(input, StmtKind::Expr(Box::new(expr)), start),
    }
}

fn has_value(expr: &Expr) -> bool {
    !matches!(expr.kind, ExprKind::For(_) | ExprKind::While(_) | ExprKind::CountedFor(_))
}

/// Behind an expression: a `;`, or the end of the block whose value it is.
fn behind_expression(input: Tokens, expr: Expr) -> Parsed<Piece> {
    let start = expr.span;
    if input.kind() == Kind::BraceClose {
        return Ok((input, Piece::Value(expr)));
    }
    if input.kind() != Kind::Semicolon && ends_with_block(input, &expr) && input.starts_line() {
        return made(input, StmtKind::Expr(Box::new(expr)), start);
    }
    ended(input, StmtKind::Expr(Box::new(expr)), start)
}

/// Whether an expression that was just read ends with a block, as `async { … }` and `|x| { … }` do.
fn ends_with_block(behind: Tokens, expr: &Expr) -> bool {
    behind.previous().is_some_and(|token| token.kind == Kind::BraceClose)
        && matches!(&expr.kind, ExprKind::Async(_) | ExprKind::Spawn(_) | ExprKind::Await(_))
}

/// The `;` at the end of a statement. Forgotten at the end of a line or of a block it is reported and taken as written.
fn end_of_statement(input: Tokens) -> Parsed<()> {
    match input.kind() {
        Kind::Semicolon => Ok((input.skip(), ())),
        Kind::Assign => input.fail(grammar_error::assignment_as_value(input.span())),
        _ if input.previous().is_some_and(|token| token.kind == Kind::Unknown) => Ok((input, ())),
        Kind::Unknown => input.expected("`;`"),
        Kind::BraceClose | Kind::End | Kind::HoleEnd => missing_semicolon(input),
        // What has a body is no statement that only lacks its `;`: more probably the word before it is missing.
        Kind::BraceOpen if !input.starts_line() => input.expected("`;`"),
        _ if is_statement_only(input) || input.starts_line() => {
            match foreign::previous_word(input).or_else(|| foreign::conditional_behind(input)) {
                Some(diagnostic) => input.fail(diagnostic),
                None => missing_semicolon(input),
            }
        }
        Kind::Ident if input.is_word(words::TIMEOUT) || input.is_word(words::BUDGET) => {
            let text = input.state.text(input.first());
            input.fail(grammar_error::misplaced_modifier(input.span(), text))
        }
        Kind::Colon => match input.state.tokens.get(input.index().wrapping_sub(2)) {
            Some(before) if before.kind == Kind::BraceOpen => {
                let brace = before.span(input.state.file);
                input.fail(grammar_error::map_as_block(brace, input.span()))
            }
            _ => input.expected("`;`"),
        },
        Kind::ParenClose | Kind::BracketClose => input.expected("a statement"),
        _ => input.expected("`;`"),
    }
}

fn missing_semicolon(input: Tokens) -> Parsed<()> {
    input.state.report(input.first().start, grammar_error::missing_semicolon(input.behind_previous()));
    Ok((input, ()))
}
