//! Statements and blocks, except loops.

use vega_bytecode::{Instruction, Opcode};

use super::function::{FunctionEmitter, Into, Slot, variable_of};
use super::guard::{Cleanup, Scope};
use super::pattern::{FailPoints, Matching, Source};
use crate::ir::{Block, Catch, Expr, LocalId, LoopId, Statement, StatementKind};

impl<'p> FunctionEmitter<'_, 'p> {
    /// A block; its value, if it has one, goes where it is wanted.
    pub(super) fn block(&mut self, block: &'p Block, into: Into) {
        let height = self.slots.len();
        let guards = self.open_block(block);
        let outer_joins = std::mem::replace(&mut self.block_joins, &block.joins_at_end);
        for statement in &block.statements {
            self.statement(statement);
        }
        match (&block.value, into) {
            (Some(value), into) => self.evaluate_into(value, into),
            (None, Into::Register(destination)) => self.asm.abc(Opcode::LoadNull, destination.register, 0, 0),
            (None, Into::Nowhere) => {}
        }
        self.block_joins = outer_joins;
        self.close_guards(guards, height);
        self.truncate(height);
    }

    /// One statement.
    pub(super) fn statement(&mut self, statement: &'p Statement) {
        if !self.asm.is_reachable() || self.is_too_large() {
            // What follows a `return` may still declare variables that code behind it names; none of it can run.
            self.declare_only(statement);
            return;
        }
        self.at(statement.span, |emitter| {
            emitter.join_rounds(&statement.joins_before);
            emitter.statement_kind(&statement.kind);
        });
    }

    fn declare_only(&mut self, statement: &'p Statement) {
        match &statement.kind {
            StatementKind::Let(local, _) => {
                self.declare(*local);
            }
            StatementKind::LetPattern(pattern, _) => {
                for local in super::pattern::bound_locals(pattern) {
                    self.declare(local);
                }
            }
            _ => {}
        }
    }

    fn statement_kind(&mut self, kind: &'p StatementKind) {
        match kind {
            StatementKind::Let(local, value) => self.let_variable(*local, value.as_ref()),
            StatementKind::LetPattern(pattern, value) => self.let_pattern(pattern, value),
            StatementKind::Assign(place, value) => self.assign(place, value),
            StatementKind::AssignOp(place, op, value) => self.assign_op(place, *op, value),
            StatementKind::Expr(expr) => self.evaluate_into(expr, Into::Nowhere),
            StatementKind::While { id, condition, body, step } => self.while_loop(*id, condition, body, step.as_deref()),
            StatementKind::ForRange { id, variable, start, end, inclusive, body } => {
                self.for_range(*id, *variable, start, end, *inclusive, body);
            }
            StatementKind::ForEach { id, pattern, iterable, body } => self.for_each(*id, pattern, iterable, body),
            StatementKind::Break(id) => self.jump_out(*id, true),
            StatementKind::Continue(id) => self.jump_out(*id, false),
            StatementKind::Return(None) => self.return_nothing(),
            StatementKind::Return(Some(value)) => self.return_value(value),
            StatementKind::Throw(error) => {
                let operand = self.on_top(error);
                self.asm.leave(Instruction::abc(Opcode::Throw, operand, 0, 0));
                self.truncate(usize::from(operand));
            }
            StatementKind::Try { body, catches, finally } => self.try_statement(body, catches, finally.as_ref()),
            StatementKind::Defer(body) => self.open_guard(Cleanup::Defer(body, self.block_joins)),
            StatementKind::Session { limit, body } => self.session(limit, body),
        }
    }

    fn let_variable(&mut self, local: LocalId, value: Option<&'p Expr>) {
        let register = self.push_slot();
        match value {
            Some(value) => {
                self.evaluate(value, Self::fresh(register));
            }
            None => self.asm.abc(Opcode::LoadNull, register, 0, 0),
        }
        self.settle(local, register);
    }

    fn let_pattern(&mut self, pattern: &'p crate::ir::Pattern, value: &'p Expr) {
        // A temporary under the variables: it goes with the block, or earlier where its last part is moved out.
        let operand = self.operand(value);
        self.take_apart(pattern, operand.register, value.ty);
        if operand.is_temporary && self.slots[usize::from(operand.register)].holds {
            self.asm.abc(Opcode::Drop, operand.register, 0, 0);
            self.slots[usize::from(operand.register)].holds = false;
        }
    }

    /// Binds the variables of a pattern that cannot fail.
    pub(super) fn take_apart(&mut self, pattern: &'p crate::ir::Pattern, register: u16, ty: vega_bytecode::TypeId) {
        let mut fails = FailPoints::new(self.slots.len());
        self.test(pattern, Source { register, ty, variant: None }, &mut fails, Matching::Proven);
    }

    /// `break` and `continue`.
    fn jump_out(&mut self, id: LoopId, is_break: bool) {
        let found = self.scopes.iter().enumerate().rev().find_map(|(at, scope)| match scope {
            Scope::Loop(scope) if scope.id == id => Some((at, *scope)),
            Scope::Loop(_) | Scope::Guard(_) => None,
        });
        let (at, scope) = found.expect("a break or continue stands inside its loop");
        self.leave(at + 1);
        self.drop_from(scope.height);
        self.asm.jump(if is_break { scope.break_label } else { scope.continue_label });
    }

    /// Leaves the function without a value.
    pub(super) fn return_nothing(&mut self) {
        self.leave(0);
        self.drop_temporaries(None);
        self.asm.leave(Instruction::abc(Opcode::ReturnNull, 0, 0, 0));
    }

    /// Leaves the function with a value.
    pub(super) fn return_value(&mut self, value: &'p Expr) {
        if self.is_empty_type(self.function.result) || self.is_empty_type(value.ty) {
            self.evaluate_into(value, Into::Nowhere);
            if self.asm.is_reachable() {
                self.return_nothing();
            }
            return;
        }
        // A variable is given away where it stands, unless code on the way out may still read it, or the caller gets it back.
        let is_callers = self.function.returns_self && variable_of(value) == self.function.parameters.first().copied();
        let is_free = !is_callers && !self.has_guards(0);
        let height = self.slots.len();
        let register = if is_free { self.operand(value).register } else { self.on_top(value) };
        self.return_register(register, self.function.result);
        self.truncate(height);
    }

    /// Leaves the function with the value of a register.
    pub(super) fn return_register(&mut self, register: u16, ty: vega_bytecode::TypeId) {
        self.leave(0);
        self.drop_temporaries(Some(register));
        let op = if self.is_scalar(ty) { Opcode::ReturnScalar } else { Opcode::Return };
        self.asm.leave(Instruction::abc(op, register, 0, 0));
    }

    /// Releases all temporaries but one, before a return: leaving the function releases variables alone.
    fn drop_temporaries(&mut self, except: Option<u16>) {
        for register in (0..self.slots.len()).rev() {
            let slot = self.slots[register];
            if slot.holds && !slot.is_local && except != Some(register as u16) {
                self.asm.abc(Opcode::Drop, register as u16, 0, 0);
            }
        }
    }

    fn session(&mut self, limit: &'p Expr, body: &'p Block) {
        let operand = self.operand(limit);
        self.asm.abc(Opcode::BudgetEnter, operand.register, 0, 0);
        self.release(operand);
        let base = self.scopes.len();
        self.open_guard(Cleanup::Session);
        self.block(body, Into::Nowhere);
        self.close_guards(base, self.slots.len());
    }

    fn try_statement(&mut self, body: &'p Block, catches: &'p [Catch], finally: Option<&'p Block>) {
        let base = self.scopes.len();
        if let Some(finally) = finally {
            self.open_guard(Cleanup::Finally(finally));
        }
        if catches.is_empty() {
            self.block(body, Into::Nowhere);
        } else {
            self.try_catch(body, catches);
        }
        self.close_guards(base, self.slots.len());
    }

    fn try_catch(&mut self, body: &'p Block, catches: &'p [Catch]) {
        let handler = self.open_region(false);
        self.block(body, Into::Nowhere);
        self.close_region();
        let end = self.label();
        self.asm.jump(end);
        if self.asm.is_referenced(handler) {
            self.asm.bind(handler);
            let error = self.push_slot();
            self.slots[usize::from(error)].holds = true;
            for catch in catches {
                self.catch(catch, error, end);
            }
            self.asm.leave(Instruction::abc(Opcode::Throw, error, 0, 0));
            self.pop_slot();
        }
        self.asm.bind(end);
    }

    /// One clause; goes on behind it with what it does not catch.
    fn catch(&mut self, catch: &'p Catch, error: u16, end: super::assembler::Label) {
        let height = self.slots.len();
        let mut fails = FailPoints::new(height);
        if let Some(kind) = catch.kind {
            let is_kind = self.push_slot();
            let kind = self.tables.narrow(kind.0, self.function.span, "error kinds");
            self.asm.abc(Opcode::ErrorIs, is_kind, error, kind);
            self.pop_slot();
            let fail = self.fail_label(&mut fails);
            self.asm.branch(Opcode::JumpIfNot, is_kind, 0, fail);
        }
        for (index, pattern) in catch.payload.iter().enumerate() {
            let kind = catch.kind.expect("only a clause for a kind has a payload");
            self.test_payload(pattern, kind, error, index, &mut fails);
        }
        match catch.error {
            Some(local) => self.settle(local, error),
            None => {
                self.asm.abc(Opcode::Drop, error, 0, 0);
                self.slots[usize::from(error)].holds = false;
            }
        }
        self.block(&catch.body, Into::Nowhere);
        self.drop_from(usize::from(error));
        self.asm.jump(end);
        self.truncate(height);
        self.slots[usize::from(error)] = Slot { holds: true, is_local: false };
        self.write_fails(fails);
    }
}
