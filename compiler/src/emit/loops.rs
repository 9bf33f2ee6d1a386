//! Loops. The test stands behind the body, so that a round costs one jump; entering costs another.

use vega_bytecode::Opcode;
use vega_bytecode::module::Constant;

use super::expression::immediate;
use super::function::{Destination, FunctionEmitter, Into, Scratch};
use super::guard::{Cleanup, LoopScope, Scope};
use super::operator::int_constant;
use super::walk::{self, Node};
use crate::ir::{BinaryOp, Block, Expr, ExprKind, LocalId, LoopId, Pattern, PatternKind, Statement};

/// A loop's name, and what runs in each of its rounds.
struct Round<'p> {
    id: LoopId,
    blocks: Vec<&'p Block>,
    exprs: Vec<&'p Expr>,
}

impl Round<'_> {
    fn assigns(&self, local: LocalId) -> bool {
        self.blocks.iter().any(|block| walk::block_assigns(block, local))
            || self.exprs.iter().any(|expr| walk::expr_assigns(expr, local))
    }
}

/// Most constants that one loop keeps in registers.
const HOISTED_MAX: usize = 16;

/// Whether the constant, as an operand of the operation, would be loaded into a register of its own.
fn wants_register(op: BinaryOp, constant: &Constant) -> bool {
    match constant {
        Constant::Int(value) => {
            let has_immediate = matches!(
                op,
                BinaryOp::AddInt
                    | BinaryOp::SubInt
                    | BinaryOp::EqInt
                    | BinaryOp::NeInt
                    | BinaryOp::LtInt
                    | BinaryOp::LeInt
                    | BinaryOp::GtInt
                    | BinaryOp::GeInt
            );
            // One short of the range: a bound may be moved by one, and a difference is a sum with the negative.
            !has_immediate || value.checked_add(1).and_then(immediate).is_none() || immediate(*value).is_none()
        }
        Constant::Float(_) | Constant::Duration(_) | Constant::Money(_) | Constant::Str(_) => true,
        Constant::Null | Constant::Bool(_) | Constant::Bytes(_) | Constant::Function(_) | Constant::UnitVariant(_, _) => false,
    }
}

impl<'p> FunctionEmitter<'_, 'p> {
    /// Loads the constants that each round would load, once before the loop. The result is for [`Self::forget_constants`].
    fn hoist_constants(&mut self, round: &Round<'p>) -> usize {
        let known = self.hoisted.len();
        let mut wanted: Vec<&'p Constant> = Vec::new();
        let mut collect = |node: Node<'p>| {
            if let Node::Expr(Expr { kind: ExprKind::Binary(op, left, right), .. }) = node {
                for side in [left, right] {
                    if let ExprKind::Constant(constant) = &side.kind
                        && wants_register(*op, constant)
                        && wanted.len() < HOISTED_MAX
                        && !wanted.contains(&constant)
                    {
                        wanted.push(constant);
                    }
                }
            }
            false
        };
        // The collector never finds what it looks for, so it sees everything.
        for block in &round.blocks {
            walk::any_in_block(block, &mut collect);
        }
        for expr in &round.exprs {
            walk::any_in_expr(expr, &mut collect);
        }
        for constant in wanted {
            if self.hoisted_register(constant).is_none() {
                let register = self.push_slot();
                self.load(constant, register);
                self.slots[usize::from(register)].holds = matches!(constant, Constant::Str(_));
                self.hoisted.push((constant, register));
            }
        }
        known
    }

    fn forget_constants(&mut self, known: usize) {
        self.hoisted.truncate(known);
    }

    fn open_loop(&mut self, id: LoopId) -> LoopScope {
        let scope = LoopScope { id, break_label: self.label(), continue_label: self.label(), height: self.slots.len() };
        self.scopes.push(Scope::Loop(scope));
        scope
    }

    /// `while`, `loop` without a value, and the C-style `for`.
    pub(super) fn while_loop(&mut self, id: LoopId, condition: &'p Expr, body: &'p Block, step: Option<&'p Statement>) {
        let height = self.slots.len();
        let round = Round { id, blocks: vec![body], exprs: vec![condition] };
        let constants = self.hoist_constants(&round);
        let counter = self.open_counter(&round.blocks, &round.exprs);
        let scope = self.open_loop(id);
        let is_endless = matches!(condition.kind, ExprKind::Constant(Constant::Bool(true)));
        let test = self.label();
        let is_reachable = self.asm.is_reachable();
        if !is_endless {
            self.asm.jump(test);
        }
        let again = self.asm.label_back(is_reachable);
        self.block(body, Into::Nowhere);
        self.asm.bind(scope.continue_label);
        if let Some(step) = step {
            self.statement(step);
        }
        self.count_round(counter);
        if is_endless {
            self.asm.jump(again);
        } else {
            self.asm.bind(test);
            self.branch(condition, again, true);
        }
        self.end_loop(scope, counter);
        self.forget_constants(constants);
        self.pop_from(height);
    }

    fn end_loop(&mut self, scope: LoopScope, counter: Option<u16>) {
        self.scopes.pop();
        self.asm.bind(scope.break_label);
        self.close_counter(counter);
    }

    /// `loop` with a value.
    pub(super) fn loop_expr(&mut self, id: LoopId, local: LocalId, body: &'p Block, into: Into) {
        let height = self.slots.len();
        let result = self.declare(local);
        // The variable is written where the loop is left; until then it holds nothing.
        self.asm.abc(Opcode::LoadNull, result, 0, 0);
        let round = Round { id, blocks: vec![body], exprs: Vec::new() };
        let constants = self.hoist_constants(&round);
        let counter = self.open_counter(&round.blocks, &round.exprs);
        let scope = self.open_loop(id);
        let again = self.asm.label_back(self.asm.is_reachable());
        self.block(body, Into::Nowhere);
        self.asm.bind(scope.continue_label);
        self.count_round(counter);
        self.asm.jump(again);
        self.end_loop(scope, counter);
        self.forget_constants(constants);
        if let Into::Register(destination) = into {
            self.deliver(result, self.local_type(local), destination.register);
        }
        self.pop_from(height);
    }

    /// `for i in start..end`
    #[allow(clippy::too_many_arguments, reason = "the parts of the statement, each of its own type")]
    pub(super) fn for_range(
        &mut self,
        id: LoopId,
        variable: LocalId,
        start: &'p Expr,
        end: &'p Expr,
        inclusive: bool,
        body: &'p Block,
    ) {
        let round = Round { id, blocks: vec![body], exprs: Vec::new() };
        self.count(round, Some(variable), (start, end, inclusive), |emitter| emitter.block(body, Into::Nowhere));
    }

    /// A loop over the numbers of a range.
    fn count(
        &mut self,
        round: Round<'p>,
        variable: Option<LocalId>,
        (start, end, inclusive): (&'p Expr, &'p Expr, bool),
        run: impl FnOnce(&mut Self),
    ) {
        let height = self.slots.len();
        let first = self.push_slot();
        self.evaluate(start, Self::fresh(first));
        // `..=` up to a constant is `..` up to the next number.
        let constant = match (int_constant(end), inclusive) {
            (Some(bound), true) => bound.checked_add(1),
            (Some(bound), false) => Some(bound),
            (None, _) => None,
        };
        let inclusive = inclusive && constant.is_none();
        let limit = match constant {
            Some(bound) => {
                let register = self.push_slot();
                self.load_int(bound, register);
                register
            }
            None => match super::function::variable_of(end) {
                // A variable that the loop leaves alone is its own bound.
                Some(local) if Some(local) != variable && !round.assigns(local) => self.home(local),
                Some(_) | None => self.on_top(end),
            },
        };
        // A body that assigns the variable changes its own copy; the count goes on.
        let own = variable.is_some_and(|variable| round.assigns(variable)).then(|| self.push_slot());
        if let Some(variable) = variable {
            self.settle(variable, own.unwrap_or(first));
        }
        let constants = self.hoist_constants(&round);
        let counter = self.open_counter(&round.blocks, &round.exprs);
        let scope = self.open_loop(round.id);

        let runs = matches!((int_constant(start), constant), (Some(start), Some(bound)) if start < bound);
        if !runs {
            let op = if inclusive { Opcode::JumpIfLtInt } else { Opcode::JumpIfLeInt };
            self.asm.branch(op, limit, first, scope.break_label);
        }
        let again = self.asm.label_back(self.asm.is_reachable());
        if let Some(own) = own {
            self.asm.abc(Opcode::MoveScalar, own, first, 0);
        }
        run(self);
        self.asm.bind(scope.continue_label);
        self.count_round(counter);
        if inclusive {
            // The last number may be the largest there is, which must not be counted beyond.
            self.asm.branch(Opcode::JumpIfLeInt, limit, first, scope.break_label);
            self.asm.abc(Opcode::AddIntImmediate, first, first, 1);
            self.asm.jump(again);
        } else {
            self.asm.branch(Opcode::ForInt, first, limit, again);
        }
        self.end_loop(scope, counter);
        self.forget_constants(constants);
        self.pop_from(height);
    }

    /// `for pattern in container`
    pub(super) fn for_each(&mut self, id: LoopId, pattern: &'p Pattern, iterable: &'p Expr, body: &'p Block) {
        let round = Round { id, blocks: vec![body], exprs: Vec::new() };
        self.iterate(round, pattern, iterable, |emitter| emitter.block(body, Into::Nowhere));
    }

    /// `[value for pattern in iterable if condition]`
    pub(super) fn comprehension(&mut self, comprehension: &'p Expr, destination: Destination) {
        let is_direct = destination.scratch == Scratch::Anything && !self.slots[usize::from(destination.register)].holds;
        let array = if is_direct { destination.register } else { self.push_slot() };
        let empty = self.run_base();
        self.asm.abc(Opcode::MakeArray, array, empty, 0);
        self.slots[usize::from(array)].holds = true;
        self.collect_all(comprehension, array);
        if !is_direct {
            self.asm.abc(Opcode::Move, destination.register, array, 0);
            self.pop_slot();
        }
    }

    /// Puts what a comprehension gives at the end of the array.
    fn collect_all(&mut self, comprehension: &'p Expr, array: u16) {
        let ExprKind::Comprehension { id, pattern, iterable, condition, value, is_spread } = &comprehension.kind else {
            unreachable!("the checker makes a comprehension of every `for` between brackets");
        };
        let round = Round { id: *id, blocks: Vec::new(), exprs: condition.as_deref().into_iter().chain([&**value]).collect() };
        let element = |emitter: &mut Self| {
            let next = condition.as_deref().map(|condition| {
                let next = emitter.label();
                emitter.branch(condition, next, false);
                next
            });
            if *is_spread {
                emitter.collect_all(value, array);
            } else {
                emitter.collect(value, array);
            }
            if let Some(next) = next {
                emitter.asm.bind(next);
            }
        };
        match (&iterable.kind, &pattern.kind) {
            (ExprKind::Range(start, end, inclusive), PatternKind::Bind(local)) => {
                self.count(round, Some(*local), (start, end, *inclusive), element);
            }
            (ExprKind::Range(start, end, inclusive), PatternKind::Wildcard) => {
                self.count(round, None, (start, end, *inclusive), element);
            }
            _ => self.iterate(round, pattern, iterable, element),
        }
    }

    fn collect(&mut self, value: &'p Expr, array: u16) {
        let element = self.on_top(value);
        self.asm.abc(Opcode::Push, array, element, 0);
        self.pop_slot();
    }

    /// The loop around each element of a container, or around each chunk of a stream, whose call ends with the loop.
    fn iterate(&mut self, round: Round<'p>, pattern: &'p Pattern, iterable: &'p Expr, run: impl FnOnce(&mut Self)) {
        let height = self.slots.len();
        let container = self.on_top(iterable);
        // Of a container the position, of a stream whether it has ended.
        let progress = self.push_slot();
        let is_stream = self.stream_reply(iterable.ty).is_some();
        let guards = self.scopes.len();
        if is_stream {
            self.open_guard(Cleanup::Stream(container));
        } else {
            self.load_int(0, progress);
        }
        let constants = self.hoist_constants(&round);
        let counter = self.open_counter(&round.blocks, &round.exprs);
        // The element's register is released when the loop ends; within it each element takes the place of the last.
        let element = self.push_slot();
        let holds = !self.is_scalar(pattern.ty);
        let is_bound = match pattern.kind {
            PatternKind::Bind(local) if self.is_scalar(self.local_type(local)) != holds => {
                self.settle(local, element);
                true
            }
            _ => {
                self.slots[usize::from(element)].holds = holds;
                false
            }
        };
        let scope = self.open_loop(round.id);
        let again = self.asm.label_back(self.asm.is_reachable());
        if is_stream {
            self.asm.abc(Opcode::StreamNext, element, container, 0);
            self.asm.abc(Opcode::StreamDone, progress, container, 0);
            self.asm.branch(Opcode::JumpIf, progress, 0, scope.break_label);
        } else {
            self.asm.branch(Opcode::IterNext, element, container, scope.break_label);
        }
        let inner = self.slots.len();
        if !is_bound {
            self.take_apart(pattern, element, pattern.ty);
        }
        run(self);
        self.pop_from(inner);
        self.asm.bind(scope.continue_label);
        self.count_round(counter);
        self.asm.jump(again);
        self.end_loop(scope, counter);
        self.forget_constants(constants);
        self.close_guards(guards, height);
        self.truncate(height);
    }
}
