//! Loops. The test stands behind the body, so that a round costs one jump; entering costs another.

use vega_bytecode::Opcode;

use super::function::{Destination, FunctionEmitter, Into, Scratch};
use super::guard::{LoopScope, Scope};
use super::operator::int_constant;
use super::walk;
use crate::ir::{Block, Expr, LocalId, LoopId, Pattern, PatternKind, Statement};

impl<'p> FunctionEmitter<'_, 'p> {
    fn open_loop(&mut self, id: LoopId) -> LoopScope {
        let scope = LoopScope { id, break_label: self.label(), continue_label: self.label(), height: self.slots.len() };
        self.scopes.push(Scope::Loop(scope));
        scope
    }

    /// `while`, `loop` without a value, and the C-style `for`.
    pub(super) fn while_loop(&mut self, id: LoopId, condition: &'p Expr, body: &'p Block, step: Option<&'p Statement>) {
        let height = self.slots.len();
        let counter = self.open_counter(&[body], &[condition]);
        let scope = self.open_loop(id);
        let is_endless = matches!(condition.kind, crate::ir::ExprKind::Constant(vega_bytecode::module::Constant::Bool(true)));
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
        let counter = self.open_counter(&[body], &[]);
        let scope = self.open_loop(id);
        let again = self.asm.label_back(self.asm.is_reachable());
        self.block(body, Into::Nowhere);
        self.asm.bind(scope.continue_label);
        self.count_round(counter);
        self.asm.jump(again);
        self.end_loop(scope, counter);
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
        let height = self.slots.len();
        let first = self.push_slot();
        self.evaluate(start, Destination { register: first, scratch: Scratch::Scalars });
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
            None => self.range_end(end, variable, body),
        };
        // A body that assigns the variable changes its own copy; the count goes on.
        let is_changed = walk::block_assigns(body, variable);
        let own = is_changed.then(|| self.push_slot());
        self.settle(variable, own.unwrap_or(first));
        let counter = self.open_counter(&[body], &[]);
        let scope = self.open_loop(id);

        let runs = matches!((int_constant(start), constant), (Some(start), Some(bound)) if start < bound);
        if !runs {
            let op = if inclusive { Opcode::JumpIfLtInt } else { Opcode::JumpIfLeInt };
            self.asm.branch(op, limit, first, scope.break_label);
        }
        let again = self.asm.label_back(self.asm.is_reachable());
        if let Some(own) = own {
            self.asm.abc(Opcode::MoveScalar, own, first, 0);
        }
        self.block(body, Into::Nowhere);
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
        self.pop_from(height);
    }

    /// The bound of a range in a register that does not change while the loop runs.
    fn range_end(&mut self, end: &'p Expr, variable: LocalId, body: &'p Block) -> u16 {
        match super::function::variable_of(end) {
            Some(local) if local != variable && !walk::block_assigns(body, local) => self.home(local),
            Some(_) | None => self.on_top(end),
        }
    }

    /// `for pattern in container`
    pub(super) fn for_each(&mut self, id: LoopId, pattern: &'p Pattern, iterable: &'p Expr, body: &'p Block) {
        self.iterate(id, pattern, iterable, &[body], &[], |emitter| emitter.block(body, Into::Nowhere));
    }

    /// `[value for pattern in iterable if condition]`
    pub(super) fn comprehension(
        &mut self,
        id: LoopId,
        pattern: &'p Pattern,
        iterable: &'p Expr,
        condition: Option<&'p Expr>,
        value: &'p Expr,
        destination: Destination,
    ) {
        let is_direct = destination.scratch == Scratch::Anything && !self.slots[usize::from(destination.register)].holds;
        let array = if is_direct { destination.register } else { self.push_slot() };
        let empty = self.run_base();
        self.asm.abc(Opcode::MakeArray, array, empty, 0);
        self.slots[usize::from(array)].holds = true;
        let mut parts = vec![value];
        parts.extend(condition);
        self.iterate(id, pattern, iterable, &[], &parts, |emitter| {
            if let Some(condition) = condition {
                let next = emitter.label();
                emitter.branch(condition, next, false);
                emitter.collect(value, array);
                emitter.asm.bind(next);
            } else {
                emitter.collect(value, array);
            }
        });
        if !is_direct {
            self.asm.abc(Opcode::Move, destination.register, array, 0);
            self.pop_slot();
        }
    }

    fn collect(&mut self, value: &'p Expr, array: u16) {
        let element = self.on_top(value);
        self.asm.abc(Opcode::Push, array, element, 0);
        self.pop_slot();
    }

    /// The loop around each element of a container.
    fn iterate(
        &mut self,
        id: LoopId,
        pattern: &'p Pattern,
        iterable: &'p Expr,
        blocks: &[&'p Block],
        exprs: &[&'p Expr],
        round: impl FnOnce(&mut Self),
    ) {
        let height = self.slots.len();
        let container = self.on_top(iterable);
        let position = self.push_slot();
        self.load_int(0, position);
        let counter = self.open_counter(blocks, exprs);
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
        let scope = self.open_loop(id);
        let again = self.asm.label_back(self.asm.is_reachable());
        self.asm.branch(Opcode::IterNext, element, container, scope.break_label);
        let inner = self.slots.len();
        if !is_bound {
            self.take_apart(pattern, element, pattern.ty);
        }
        round(self);
        self.pop_from(inner);
        self.asm.bind(scope.continue_label);
        self.count_round(counter);
        self.asm.jump(again);
        self.end_loop(scope, counter);
        self.pop_from(height);
    }
}
