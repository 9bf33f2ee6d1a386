//! The parts of an expression, in the order of the text: one place that knows the shape of every node.

use crate::ast::{
    Block, CatchFilter, ComprehensionClause, Expr, ExprKind, LetStatement, MatchArm, Pattern, PatternKind, StringPart,
};
use crate::interner::Symbol;

/// A direct part of an expression.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// An expression.
    Expr(&'a Expr),
    /// A block with statements of its own.
    Block(&'a Block),
    /// A pattern.
    Pattern(&'a Pattern),
    /// A name that introduces a variable outside of a pattern.
    Name(Symbol),
}

/// Shows all direct parts of an expression. The body of a loop, a branch, an arm written as a block are `Block`s.
pub(crate) fn each_part<'a>(expr: &'a Expr, see: &mut dyn FnMut(Part<'a>)) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::Path(_) | ExprKind::Continue(_) | ExprKind::Error => {}
        ExprKind::Interpolated(parts) => {
            for part in parts {
                if let StringPart::Hole(hole) = part {
                    see(Part::Expr(&hole.value));
                }
            }
        }
        ExprKind::Paren(inner)
        | ExprKind::Await(inner)
        | ExprKind::Async(inner)
        | ExprKind::Propagate(inner)
        | ExprKind::Throw(inner) => {
            see(Part::Expr(inner));
        }
        ExprKind::Tuple(items) | ExprKind::Array(items) => items.iter().for_each(|item| see(Part::Expr(item))),
        ExprKind::Comprehension(comprehension) => {
            see(Part::Expr(&comprehension.element));
            for clause in &comprehension.clauses {
                match clause {
                    ComprehensionClause::For(pattern, iterable) => {
                        see(Part::Pattern(pattern));
                        see(Part::Expr(iterable));
                    }
                    ComprehensionClause::If(condition) => see(Part::Expr(condition)),
                }
            }
        }
        ExprKind::Map(entries) => {
            for entry in entries {
                see(Part::Expr(&entry.key));
                see(Part::Expr(&entry.value));
            }
        }
        ExprKind::Struct(literal) => {
            literal.fields.iter().for_each(|field| see(Part::Expr(&field.value)));
            literal.base.iter().for_each(|base| see(Part::Expr(base)));
        }
        ExprKind::Unary(unary) => see(Part::Expr(&unary.operand)),
        ExprKind::Binary(binary) => {
            see(Part::Expr(&binary.left));
            see(Part::Expr(&binary.right));
        }
        ExprKind::Range(range) => range.start.iter().chain(&range.end).for_each(|end| see(Part::Expr(end))),
        ExprKind::Assign(assign) => {
            see(Part::Expr(&assign.place));
            see(Part::Expr(&assign.value));
        }
        ExprKind::Send(send) => {
            see(Part::Expr(&send.receiver));
            see(Part::Expr(&send.message));
            send.timeout.iter().chain(&send.budget).for_each(|limit| see(Part::Expr(limit)));
        }
        ExprKind::Spawn(spawn) => {
            spawn.arguments.iter().for_each(|argument| see(Part::Expr(&argument.value)));
            spawn.from.iter().for_each(|from| see(Part::Expr(from)));
            let settings = spawn.supervision.iter().flat_map(|supervision| &supervision.settings);
            settings.for_each(|setting| see(Part::Expr(&setting.value)));
        }
        ExprKind::Call(call) => {
            see(Part::Expr(&call.callee));
            call.arguments.iter().for_each(|argument| see(Part::Expr(&argument.value)));
        }
        ExprKind::MethodCall(call) => {
            see(Part::Expr(&call.receiver));
            call.arguments.iter().for_each(|argument| see(Part::Expr(&argument.value)));
        }
        ExprKind::Field(field) => see(Part::Expr(&field.receiver)),
        ExprKind::TupleField(field) => see(Part::Expr(&field.receiver)),
        ExprKind::Index(index) => {
            see(Part::Expr(&index.receiver));
            see(Part::Expr(&index.index));
        }
        ExprKind::Closure(closure) => {
            closure.parameters.iter().for_each(|parameter| see(Part::Pattern(&parameter.pattern)));
            see(Part::Expr(&closure.body));
        }
        ExprKind::Block(block) | ExprKind::Sequential(block) => see(Part::Block(block)),
        ExprKind::If(branches) => {
            for branch in &branches.branches {
                see(Part::Expr(&branch.condition));
                see(Part::Block(&branch.body));
            }
            branches.otherwise.iter().for_each(|otherwise| see(Part::Block(otherwise)));
        }
        ExprKind::Match(matching) => {
            see(Part::Expr(&matching.subject));
            each_arm(&matching.arms, see);
        }
        ExprKind::Receive(receive) => {
            each_arm(&receive.arms, see);
            if let Some(after) = &receive.after {
                see(Part::Expr(&after.time));
                see(Part::Expr(&after.body));
            }
        }
        ExprKind::Loop(repeat) => see(Part::Block(&repeat.body)),
        ExprKind::While(repeat) => {
            see(Part::Expr(&repeat.condition));
            see(Part::Block(&repeat.body));
        }
        ExprKind::For(repeat) => {
            see(Part::Pattern(&repeat.pattern));
            see(Part::Expr(&repeat.iterable));
            see(Part::Block(&repeat.body));
        }
        ExprKind::CountedFor(repeat) => {
            repeat.start.iter().for_each(|start| each_part_of_let(start, see));
            repeat.condition.iter().chain(&repeat.step).for_each(|part| see(Part::Expr(part)));
            see(Part::Block(&repeat.body));
        }
        ExprKind::Try(attempt) => {
            see(Part::Block(&attempt.body));
            for catch in &attempt.catches {
                match &catch.filter {
                    CatchFilter::All => {}
                    CatchFilter::Name(binding) => see(Part::Name(binding.name.symbol)),
                    CatchFilter::Kind(kind) => kind.payload.iter().flatten().for_each(|pattern| see(Part::Pattern(pattern))),
                }
                see(Part::Block(&catch.body));
            }
            attempt.finally.iter().for_each(|finally| see(Part::Block(finally)));
        }
        ExprKind::Parallel(parallel) => see(Part::Block(&parallel.body)),
        ExprKind::Session(session) => {
            see(Part::Expr(&session.budget));
            see(Part::Block(&session.body));
        }
        ExprKind::Deadline(deadline) => {
            see(Part::Expr(&deadline.time));
            see(Part::Block(&deadline.body));
        }
        ExprKind::Return(value) => value.iter().for_each(|value| see(Part::Expr(value))),
        ExprKind::Break(leave) => leave.value.iter().for_each(|value| see(Part::Expr(value))),
    }
}

/// Shows the parts of a `let`.
pub(super) fn each_part_of_let<'a>(statement: &'a LetStatement, see: &mut dyn FnMut(Part<'a>)) {
    see(Part::Pattern(&statement.pattern));
    see(Part::Expr(&statement.value));
}

fn each_arm<'a>(arms: &'a [MatchArm], see: &mut dyn FnMut(Part<'a>)) {
    for arm in arms {
        see(Part::Pattern(&arm.pattern));
        arm.guard.iter().for_each(|guard| see(Part::Expr(guard)));
        see(Part::Expr(&arm.body));
    }
}

/// Shows every name that a pattern introduces.
pub(super) fn each_name(pattern: &Pattern, see: &mut dyn FnMut(Symbol)) {
    match &pattern.kind {
        PatternKind::Wildcard | PatternKind::Literal(_) | PatternKind::Range(_) | PatternKind::Path(_) | PatternKind::Error => {}
        PatternKind::Binding(binding) => see(binding.name.symbol),
        PatternKind::Named(binding, inner) => {
            see(binding.name.symbol);
            each_name(inner, see);
        }
        PatternKind::Typed(inner, _) => each_name(inner, see),
        PatternKind::Variant(_, items) | PatternKind::Tuple(items) | PatternKind::Array(items) | PatternKind::Or(items) => {
            items.iter().for_each(|item| each_name(item, see));
        }
        PatternKind::Struct(pattern) => pattern.fields.iter().for_each(|field| each_name(&field.pattern, see)),
        PatternKind::Rest(binding) => binding.iter().for_each(|binding| see(binding.name.symbol)),
        PatternKind::Map(map) => map.entries.iter().for_each(|entry| each_name(&entry.pattern, see)),
    }
}
