//! Everything that uses a call window: calls, and values made of many registers.

use vega_bytecode::module::{self, AskDescription, Constant, SpawnDescription};
use vega_bytecode::{FunctionId, Instruction, Opcode, Type};

use super::function::{FunctionEmitter, Into, Operand, variable_of};
use super::walk;
use crate::ir::{Ask, Expr, ExprKind, LocalId, Spawn, SpawnTarget};

impl<'p> FunctionEmitter<'_, 'p> {
    /// Evaluates an expression that opens a window. Gives back whether it is one.
    pub(super) fn call(&mut self, expr: &'p Expr, into: Into) -> bool {
        match &expr.kind {
            ExprKind::Struct(fields) => self.make_struct(expr, fields, into),
            ExprKind::Variant(variant, payload) => self.make_variant(expr, *variant, payload, into),
            ExprKind::Closure(function, captured) => self.make_closure(expr, *function, captured, into),
            ExprKind::MakeError(kind, payload) => {
                let base = self.open_window(into);
                self.run_of(payload);
                let kind = self.tables.narrow(kind.0, expr.span, "error kinds");
                let count = payload.len() as u16;
                self.asm.push_window(Instruction::abc(Opcode::MakeError, base, kind, count), count);
                self.close_window(base, into, expr.ty);
            }
            ExprKind::Call(function, arguments) => {
                let base = self.open_window(into);
                self.run_of(arguments);
                if self.tables.may_effect(*function) {
                    self.mark_site(expr);
                }
                self.asm.push_window(Instruction::wide(Opcode::Call, 0, base, function.0), arguments.len() as u16);
                self.close_window(base, into, expr.ty);
            }
            ExprKind::CallValue(callee, arguments) => self.call_value(expr, callee, arguments, into),
            ExprKind::CallNative(native, arguments)
                if let ([of], Into::Register(destination)) = (&arguments[..], into)
                    && self.is_square_root(*native, of) =>
            {
                let operand = self.operand_in(of, destination);
                self.asm.abc(Opcode::SqrtFloat, destination.register, operand.register, 0);
                self.release(operand);
            }
            ExprKind::CallNative(native, arguments) => {
                let base = self.open_window(into);
                self.run_of(arguments);
                if self.tables.native_has_effect(*native) {
                    self.mark_site(expr);
                }
                let index = self.tables.narrow(*native, expr.span, "natives");
                let count = arguments.len() as u16;
                self.asm.push_window(Instruction::abc(Opcode::CallNative, base, index, count), count);
                self.close_window(base, into, expr.ty);
            }
            ExprKind::CallOnPlace(function, place, arguments) => self.call_on_place(expr, Ok(*function), place, arguments, into),
            ExprKind::CallNativeOnPlace(native, place, arguments) => {
                self.call_on_place(expr, Err(*native), place, arguments, into);
            }
            ExprKind::Spawn(spawn) => self.spawn(expr, spawn, into),
            ExprKind::Ask(ask) => self.ask(expr, ask, into),
            _ => return false,
        }
        true
    }

    /// Whether the native is the square root, which is an instruction where the argument is a double.
    fn is_square_root(&self, native: u32, of: &Expr) -> bool {
        let is_float = matches!(self.tables.program.types.get(of.ty), Some(Type::Float));
        let import = self.tables.program.natives.get(native as usize);
        is_float && import.is_some_and(|import| matches!(import.name.as_str(), "math::sqrt" | "float::sqrt"))
    }

    fn make_struct(&mut self, expr: &'p Expr, fields: &'p [Expr], into: Into) {
        let base = self.open_window(into);
        self.run_of(fields);
        self.asm.push_window(Instruction::wide(Opcode::MakeStruct, 0, base, expr.ty.0), fields.len() as u16);
        self.close_window(base, into, expr.ty);
    }

    fn make_variant(&mut self, expr: &'p Expr, variant: u32, payload: &'p [Expr], into: Into) {
        if let (Some(Type::Enum(definition, _)), []) = (self.tables.program.types.get(expr.ty), payload) {
            if let Into::Register(destination) = into {
                self.load(&Constant::UnitVariant(*definition, variant), destination.register);
            }
            return;
        }
        let Ok(number) = u8::try_from(variant) else {
            self.tables.limit(expr.span, "an enum has more than 256 variants with a payload");
            return;
        };
        let base = self.open_window(into);
        self.run_of(payload);
        let ty = self.tables.narrow_type(expr.ty, expr.span);
        let count = payload.len() as u16;
        self.asm.push_window(Instruction::xabc(Opcode::MakeEnum, number, base, ty, count), count);
        self.close_window(base, into, expr.ty);
    }

    fn make_closure(&mut self, expr: &'p Expr, function: FunctionId, captured: &'p [LocalId], into: Into) {
        if captured.is_empty() {
            if let Into::Register(destination) = into {
                self.load(&Constant::Function(function), destination.register);
            }
            return;
        }
        let base = self.open_window(into);
        for &local in captured {
            let register = self.push_slot();
            let ty = self.local_type(local);
            self.transfer(self.home(local), ty, register, ty);
            self.slots[usize::from(register)].holds = !self.is_scalar(ty);
        }
        let index = self.tables.narrow(function.0, expr.span, "functions before the last closure");
        let count = captured.len() as u16;
        self.asm.push_window(Instruction::abc(Opcode::MakeClosure, base, index, count), count);
        self.close_window(base, into, expr.ty);
    }

    fn call_value(&mut self, expr: &'p Expr, callee: &'p Expr, arguments: &'p [Expr], into: Into) {
        let is_changed =
            variable_of(callee).is_some_and(|local| arguments.iter().any(|argument| walk::expr_assigns(argument, local)));
        let callee =
            if is_changed { Operand { register: self.on_top(callee), is_temporary: true } } else { self.operand(callee) };
        let base = self.open_window(into);
        self.run_of(arguments);
        self.mark_site(expr);
        let count = arguments.len() as u16;
        self.asm.push_window(Instruction::abc(Opcode::CallClosure, base, callee.register, count), count);
        self.close_window(base, into, expr.ty);
        self.release(callee);
    }

    fn spawn(&mut self, expr: &'p Expr, spawn: &'p Spawn, into: Into) {
        let base = self.open_window(into);
        self.run_of(&spawn.arguments);
        let supervision = match (&spawn.supervision, spawn.target) {
            (Some(written), _) => {
                for number in written.max_restarts.iter().chain(&written.window).chain(written.backoff.iter().flatten()) {
                    self.on_top(number);
                }
                Some(module::Supervision {
                    strategy: written.strategy,
                    has_max_restarts: written.max_restarts.is_some(),
                    has_window: written.window.is_some(),
                    has_backoff: written.backoff.is_some(),
                })
            }
            // An agent is supervised even where nothing is written.
            (None, SpawnTarget::Agent(_)) => Some(module::Supervision {
                strategy: module::Strategy::Restart,
                has_max_restarts: false,
                has_window: false,
                has_backoff: false,
            }),
            (None, SpawnTarget::Function(_) | SpawnTarget::Task(_)) => None,
        };
        if let Some(team) = &spawn.team {
            self.on_top(team);
        }
        let op = if supervision.is_some() { Opcode::SpawnSupervised } else { Opcode::Spawn };
        let description = SpawnDescription {
            target: match spawn.target {
                SpawnTarget::Function(function) => module::SpawnTarget::Function(function),
                SpawnTarget::Agent(agent) => module::SpawnTarget::Agent(agent),
                SpawnTarget::Task(function) => module::SpawnTarget::Task(function),
            },
            arguments: spawn.arguments.len() as u16,
            supervision,
            asynchronous: spawn.asynchronous,
            linked: spawn.linked,
            member: spawn.team.is_some(),
        };
        let index = self.tables.spawn(description, expr.span);
        let count = self.top() - base - 1;
        self.mark_site(expr);
        self.asm.push_window(Instruction::abc(op, base, index, 0), count);
        self.close_window(base, into, expr.ty);
    }

    fn ask(&mut self, expr: &'p Expr, ask: &'p Ask, into: Into) {
        let base = self.open_window(into);
        self.on_top(&ask.agent);
        self.on_top(&ask.message);
        for limit in ask.timeout.iter().chain(&ask.budget) {
            self.on_top(limit);
        }
        let description = AskDescription {
            output: ask.output,
            has_timeout: ask.timeout.is_some(),
            has_budget: ask.budget.is_some(),
            join: ask.join,
        };
        let index = self.tables.ask(description, expr.span);
        let op = if ask.streaming { Opcode::SendStream } else { Opcode::Ask };
        let count = self.top() - base - 1;
        self.mark_site(expr);
        self.asm.push_window(Instruction::abc(op, base, index, 0), count);
        self.close_window(base, into, expr.ty);
    }
}
