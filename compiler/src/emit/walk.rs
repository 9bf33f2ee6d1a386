//! Looks through the typed tree for something: whether an expression may assign a variable, whether a loop may reach an effect.
//!
//! Bodies of closures are other functions and are not entered.

use crate::ir::{Block, Expr, ExprKind, LocalId, Place, PlaceStep, Statement, StatementKind};

/// One node that [`any_in_expr`] and its siblings show to their test.
#[derive(Clone, Copy)]
pub(crate) enum Node<'a> {
    /// An expression, before its parts.
    Expr(&'a Expr),
    /// A statement, before its parts.
    Statement(&'a Statement),
}

/// Whether evaluating the expression may give the variable another value.
pub(super) fn expr_assigns(expr: &Expr, local: LocalId) -> bool {
    any_in_expr(expr, &mut |node| node_assigns(node, local))
}

/// Whether running the block may give the variable another value.
pub(super) fn block_assigns(block: &Block, local: LocalId) -> bool {
    any_in_block(block, &mut |node| node_assigns(node, local))
}

fn node_assigns(node: Node<'_>, local: LocalId) -> bool {
    match node {
        Node::Statement(statement) => {
            matches!(&statement.kind, StatementKind::Assign(place, _) | StatementKind::AssignOp(place, _, _) if place.local == local)
        }
        Node::Expr(expr) => matches!(
            &expr.kind,
            ExprKind::CallOnPlace(_, place, _) | ExprKind::CallNativeOnPlace(_, place, _) | ExprKind::Push(place, _)
                if place.local == local
        ),
    }
}

/// Whether the test holds for the expression or some node in it.
pub(super) fn any_in_expr<'a>(expr: &'a Expr, test: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    if test(Node::Expr(expr)) {
        return true;
    }
    match &expr.kind {
        ExprKind::Constant(_) | ExprKind::Local(_) | ExprKind::Closure(_, _) | ExprKind::SelfProcess => false,
        ExprKind::Array(items)
        | ExprKind::Tuple(items)
        | ExprKind::Struct(items)
        | ExprKind::Variant(_, items)
        | ExprKind::JoinText(items)
        | ExprKind::Call(_, items)
        | ExprKind::CallNative(_, items)
        | ExprKind::MakeError(_, items) => any_in_list(items, test),
        ExprKind::Map(entries) => entries.iter().any(|(key, value)| any_in_expr(key, test) || any_in_expr(value, test)),
        ExprKind::StructUpdate(base, fields) => {
            any_in_expr(base, test) || fields.iter().any(|(_, value)| any_in_expr(value, test))
        }
        ExprKind::Range(left, right, _)
        | ExprKind::Binary(_, left, right)
        | ExprKind::And(left, right)
        | ExprKind::Or(left, right)
        | ExprKind::Coalesce(left, right)
        | ExprKind::OptionalChain(left, _, right)
        | ExprKind::Index(left, right)
        | ExprKind::Slice(left, right) => any_in_expr(left, test) || any_in_expr(right, test),
        ExprKind::Unary(_, inner)
        | ExprKind::TryOptional(inner)
        | ExprKind::TryResult(inner)
        | ExprKind::Field(inner, _)
        | ExprKind::Len(inner)
        | ExprKind::ToText(inner)
        | ExprKind::Format(inner, _)
        | ExprKind::IsType(inner, _)
        | ExprKind::Narrow(inner)
        | ExprKind::Retype(inner)
        | ExprKind::Await(inner)
        | ExprKind::Link(inner)
        | ExprKind::Monitor(inner)
        | ExprKind::Exit(inner) => any_in_expr(inner, test),
        ExprKind::CallOnPlace(_, place, arguments) | ExprKind::CallNativeOnPlace(_, place, arguments) => {
            any_in_place(place, test) || any_in_list(arguments, test)
        }
        ExprKind::CallValue(callee, arguments) => any_in_expr(callee, test) || any_in_list(arguments, test),
        ExprKind::Push(place, value) => any_in_place(place, test) || any_in_expr(value, test),
        ExprKind::If(branches, otherwise) => {
            branches.iter().any(|(condition, then)| any_in_expr(condition, test) || any_in_block(then, test))
                || otherwise.as_ref().is_some_and(|otherwise| any_in_block(otherwise, test))
        }
        ExprKind::Match(subject, arms) => any_in_expr(subject, test) || any_in_arms(arms, test),
        ExprKind::Block(block) | ExprKind::Loop(_, _, block) => any_in_block(block, test),
        ExprKind::Diverge(statement) => any_in_statement(statement, test),
        ExprKind::Comprehension { iterable, condition, value, .. } => {
            any_in_expr(iterable, test)
                || condition.as_ref().is_some_and(|condition| any_in_expr(condition, test))
                || any_in_expr(value, test)
        }
        ExprKind::Spawn(spawn) => {
            any_in_list(&spawn.arguments, test)
                || spawn.team.as_ref().is_some_and(|team| any_in_expr(team, test))
                || spawn.supervision.as_ref().is_some_and(|supervision| {
                    supervision
                        .max_restarts
                        .iter()
                        .chain(&supervision.window)
                        .chain(supervision.backoff.iter().flatten())
                        .any(|e| any_in_expr(e, test))
                })
        }
        ExprKind::Send(process, value, wait) => {
            any_in_expr(process, test) || any_in_expr(value, test) || wait.as_ref().is_some_and(|wait| any_in_expr(wait, test))
        }
        ExprKind::Receive(receive) => {
            any_in_arms(&receive.arms, test)
                || receive.after.as_ref().is_some_and(|(time, block)| any_in_expr(time, test) || any_in_block(block, test))
        }
        ExprKind::Ask(ask) => {
            any_in_expr(&ask.agent, test)
                || any_in_expr(&ask.message, test)
                || ask.timeout.iter().chain(&ask.budget).any(|e| any_in_expr(e, test))
        }
    }
}

/// Whether the test holds for some node in the block.
pub(super) fn any_in_block<'a>(block: &'a Block, test: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    block.statements.iter().any(|statement| any_in_statement(statement, test))
        || block.value.as_ref().is_some_and(|value| any_in_expr(value, test))
}

/// Whether the test holds for the statement or some node in it.
pub(crate) fn any_in_statement<'a>(statement: &'a Statement, test: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    if test(Node::Statement(statement)) {
        return true;
    }
    match &statement.kind {
        StatementKind::Let(_, value) => value.as_ref().is_some_and(|value| any_in_expr(value, test)),
        StatementKind::LetPattern(_, value) | StatementKind::Expr(value) | StatementKind::Throw(value) => {
            any_in_expr(value, test)
        }
        StatementKind::Assign(place, value) | StatementKind::AssignOp(place, _, value) => {
            any_in_place(place, test) || any_in_expr(value, test)
        }
        StatementKind::While { condition, body, step, .. } => {
            any_in_expr(condition, test)
                || any_in_block(body, test)
                || step.as_ref().is_some_and(|step| any_in_statement(step, test))
        }
        StatementKind::ForRange { start, end, body, .. } => {
            any_in_expr(start, test) || any_in_expr(end, test) || any_in_block(body, test)
        }
        StatementKind::ForEach { iterable, body, .. } => any_in_expr(iterable, test) || any_in_block(body, test),
        StatementKind::Break(_) | StatementKind::Continue(_) => false,
        StatementKind::Return(value) => value.as_ref().is_some_and(|value| any_in_expr(value, test)),
        StatementKind::Try { body, catches, finally } => {
            any_in_block(body, test)
                || catches.iter().any(|catch| any_in_block(&catch.body, test))
                || finally.as_ref().is_some_and(|finally| any_in_block(finally, test))
        }
        StatementKind::Defer(body) => any_in_block(body, test),
        StatementKind::Session { limit, body } => any_in_expr(limit, test) || any_in_block(body, test),
    }
}

fn any_in_list<'a>(list: &'a [Expr], test: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    list.iter().any(|expr| any_in_expr(expr, test))
}

fn any_in_place<'a>(place: &'a Place, test: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    place.steps.iter().any(|step| match step {
        PlaceStep::Field(_) => false,
        PlaceStep::Index(index) => any_in_expr(index, test),
    })
}

fn any_in_arms<'a>(arms: &'a [crate::ir::Arm], test: &mut dyn FnMut(Node<'a>) -> bool) -> bool {
    arms.iter().any(|arm| arm.guard.as_ref().is_some_and(|guard| any_in_expr(guard, test)) || any_in_expr(&arm.body, test))
}
