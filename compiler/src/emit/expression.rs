//! Expressions: each computes straight into the register where its value is wanted.

use vega_bytecode::module::Constant;
use vega_bytecode::opcode::NO_FIELD;
use vega_bytecode::{Instruction, Opcode, Type, prelude};

use super::function::{Destination, FunctionEmitter, Into, Scratch};
use crate::ir::{Block, Expr, ExprKind};

/// Most elements of an array that are collected in registers before the array is made; the others are appended.
const LITERAL_RUN_MAX: usize = 64;

/// The number as a signed immediate, if it fits.
pub(super) fn immediate(value: i64) -> Option<u16> {
    i16::try_from(value).ok().map(|value| value as u16)
}

/// A field's number as a nested part names it, if it is small enough.
pub(super) fn part_number(field: u16) -> Option<u8> {
    u8::try_from(field).ok().filter(|&number| number < NO_FIELD)
}

/// The operand that names the fields before and after the index of a nested part.
pub(super) fn part_fields(before: Option<u8>, after: Option<u8>) -> u8 {
    before.unwrap_or(NO_FIELD) << 4 | after.unwrap_or(NO_FIELD)
}

/// `root.p[index].q`
#[derive(Clone, Copy)]
struct Nested<'p> {
    root: &'p Expr,
    index: &'p Expr,
    fields: u8,
}

impl<'p> FunctionEmitter<'_, 'p> {
    /// Evaluates an expression; its value goes where it is wanted.
    pub(super) fn evaluate_into(&mut self, expr: &'p Expr, into: Into) {
        if let Into::Register(destination) = into
            && !self.is_empty_type(expr.ty)
        {
            self.evaluate(expr, destination);
            return;
        }
        self.at(expr.span, |emitter| emitter.discard(expr));
        if let Into::Register(destination) = into {
            // A result that nobody reads, of an expression without one.
            self.asm.abc(Opcode::LoadNull, destination.register, 0, 0);
        }
    }

    /// Evaluates an expression for its effects.
    fn discard(&mut self, expr: &'p Expr) {
        match &expr.kind {
            ExprKind::Constant(_) | ExprKind::Local(_) => {}
            ExprKind::Retype(inner) => self.discard(inner),
            ExprKind::Send(_, _, _) | ExprKind::Link(_) | ExprKind::Exit(_) | ExprKind::Push(_, _) => self.effect(expr),
            _ if self.control(expr, Into::Nowhere) || self.call(expr, Into::Nowhere) => {}
            _ => {
                let register = self.on_top(expr);
                self.pop_from(usize::from(register));
            }
        }
    }

    /// Evaluates an expression into a register.
    pub(super) fn evaluate(&mut self, expr: &'p Expr, destination: Destination) {
        if self.is_too_large() {
            return;
        }
        // A scalar is written over whatever is there; where that may be a heap value, it comes by a move, which releases the old one.
        if self.is_scalar(expr.ty) && self.slots[usize::from(destination.register)].holds && !self.is_empty_type(expr.ty) {
            let register = self.push_slot();
            self.evaluate(expr, Self::fresh(register));
            self.asm.abc(Opcode::Copy, destination.register, register, 0);
            self.pop_slot();
            return;
        }
        let slot = self.slots[usize::from(destination.register)];
        self.at(expr.span, |emitter| {
            let into = Into::Register(destination);
            if !emitter.control(expr, into) && !emitter.call(expr, into) {
                emitter.compute(expr, destination);
            }
        });
        // Intermediate results are gone; whoever asked knows what the register holds now.
        self.slots[usize::from(destination.register)] = slot;
    }

    /// Expressions whose value is that of some other expression in them. Gives back whether it is one.
    fn control(&mut self, expr: &'p Expr, into: Into) -> bool {
        match &expr.kind {
            ExprKind::If(branches, otherwise) => self.if_expr(branches, otherwise.as_ref(), into),
            ExprKind::Match(subject, arms) => self.match_expr(subject, arms, into),
            ExprKind::Block(block) => self.block(block, into),
            ExprKind::Loop(id, local, body) => self.loop_expr(*id, *local, body, into),
            ExprKind::Diverge(statement) => self.statement(statement),
            ExprKind::OptionalChain(first, local, second) => self.optional_chain(first, *local, second, into),
            ExprKind::Receive(receive) => self.receive(receive, into),
            _ => return false,
        }
        true
    }

    /// Everything that is neither control flow nor a call.
    fn compute(&mut self, expr: &'p Expr, destination: Destination) {
        let to = destination.register;
        match &expr.kind {
            ExprKind::Constant(constant) => self.load(constant, to),
            ExprKind::Local(local) => self.transfer(self.home(*local), self.local_type(*local), to, expr.ty),
            ExprKind::Array(items) => self.array(items, destination),
            ExprKind::Map(entries) => self.map(entries, destination),
            ExprKind::Tuple(items) => {
                let base = self.run_base();
                self.run_of(items);
                self.asm.abc(Opcode::MakeTuple, to, base, items.len() as u16);
                self.truncate(usize::from(base));
            }
            ExprKind::StructUpdate(base, fields) => self.struct_update(base, fields, destination),
            ExprKind::Range(start, end, inclusive) => {
                let left = self.operand_before(start, end);
                let right = self.operand(end);
                self.asm.push(Instruction::xabc(Opcode::MakeRange, u8::from(*inclusive), to, left.register, right.register));
                self.release(right);
                self.release(left);
            }
            ExprKind::Unary(op, operand) => self.unary(*op, operand, destination),
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right, destination),
            ExprKind::And(_, _) | ExprKind::Or(_, _) => self.truth(expr, destination),
            ExprKind::Coalesce(first, second) => self.coalesce(expr, first, second, destination),
            ExprKind::TryOptional(inner) => self.try_optional(expr, inner, destination),
            ExprKind::TryResult(inner) => self.try_result(inner, destination),
            ExprKind::Index(_, _) | ExprKind::Field(_, _) if let Some(nested) = self.nested(expr) => {
                self.read_nested(nested, destination);
            }
            ExprKind::Index(base, index) => self.read_part(Opcode::Index, base, index, destination),
            ExprKind::Slice(base, range) => self.read_part(Opcode::Slice, base, range, destination),
            ExprKind::Field(base, field) => {
                let operand = self.operand_in(base, destination);
                self.asm.abc(Opcode::Field, to, operand.register, *field);
                self.release(operand);
            }
            ExprKind::Len(inner) => self.convert(Opcode::Len, inner, 0, destination),
            ExprKind::JoinText(parts) => {
                let base = self.run_base();
                self.run_of(parts);
                self.asm.abc(Opcode::JoinText, to, base, parts.len() as u16);
                self.truncate(usize::from(base));
            }
            ExprKind::ToText(inner) => self.convert(Opcode::ToText, inner, 0, destination),
            ExprKind::Format(inner, format) => {
                let format = self.tables.constant(&Constant::Str(format.clone()));
                let format = self.tables.narrow(format, expr.span, "constants before the last format");
                self.convert(Opcode::Format, inner, format, destination);
            }
            ExprKind::IsType(inner, ty) => {
                let ty = self.tables.narrow_type(*ty, expr.span);
                self.convert(Opcode::IsType, inner, ty, destination);
            }
            ExprKind::Narrow(inner) => {
                if matches!(self.tables.program.types.get(expr.ty), Some(Type::Any)) {
                    self.evaluate(inner, destination);
                } else {
                    let ty = self.tables.narrow_type(expr.ty, expr.span);
                    self.convert(Opcode::Narrow, inner, ty, destination);
                }
            }
            ExprKind::Retype(inner) => self.retype(expr, inner, destination),
            ExprKind::Comprehension { .. } => self.comprehension(expr, destination),
            ExprKind::Await(inner) => {
                let as_text = matches!(self.stream_reply(inner.ty), Some(Type::Struct(prelude::CHUNK, _)));
                self.convert(Opcode::Await, inner, u16::from(as_text), destination);
            }
            ExprKind::SelfProcess => self.asm.abc(Opcode::SelfProcess, to, 0, 0),
            ExprKind::Monitor(inner) => self.convert(Opcode::Monitor, inner, 0, destination),
            ExprKind::Send(_, _, _) | ExprKind::Link(_) | ExprKind::Exit(_) | ExprKind::Push(_, _) => {
                // Without a value of their own; where one is asked for, it is null.
                self.effect(expr);
                self.asm.abc(Opcode::LoadNull, to, 0, 0);
            }
            ExprKind::If(..)
            | ExprKind::Match(_, _)
            | ExprKind::Block(_)
            | ExprKind::Loop(_, _, _)
            | ExprKind::Diverge(_)
            | ExprKind::OptionalChain(_, _, _)
            | ExprKind::Receive(_)
            | ExprKind::Struct(_)
            | ExprKind::Variant(_, _)
            | ExprKind::Closure(_, _)
            | ExprKind::Call(_, _)
            | ExprKind::CallOnPlace(_, _, _)
            | ExprKind::CallValue(_, _)
            | ExprKind::CallNative(_, _)
            | ExprKind::CallNativeOnPlace(_, _, _)
            | ExprKind::MakeError(_, _)
            | ExprKind::Spawn(_)
            | ExprKind::Ask(_) => unreachable!("control flow and calls were taken before"),
        }
    }

    /// An instruction without a result.
    pub(super) fn effect(&mut self, expr: &'p Expr) {
        match &expr.kind {
            ExprKind::Send(process, value, wait) => {
                let height = self.slots.len();
                let process = self.on_top_or_home(process);
                let value = self.on_top_or_home(value);
                let time = wait.as_ref().map(|wait| self.on_top_or_home(wait));
                let flag = u8::from(time.is_some());
                self.asm.push(Instruction::xabc(Opcode::Send, flag, process, value, time.unwrap_or(0)));
                self.pop_from(height);
            }
            ExprKind::Link(process) => {
                let operand = self.operand(process);
                self.asm.abc(Opcode::Link, operand.register, 0, 0);
                self.release(operand);
            }
            ExprKind::Exit(reason) => {
                let operand = self.operand(reason);
                self.asm.abc(Opcode::Exit, operand.register, 0, 0);
                self.release(operand);
            }
            ExprKind::Push(place, value) => self.push_to(place, value),
            _ => unreachable!("only expressions without a value come here"),
        }
    }

    /// A variable's own register, or a temporary that is given back together with others.
    pub(super) fn on_top_or_home(&mut self, expr: &'p Expr) -> u16 {
        self.operand(expr).register
    }

    // Constants.

    /// Loads a constant.
    pub(super) fn load(&mut self, constant: &Constant, to: u16) {
        match constant {
            Constant::Null => self.asm.abc(Opcode::LoadNull, to, 0, 0),
            Constant::Bool(value) => self.asm.abc(Opcode::LoadBool, to, u16::from(*value), 0),
            Constant::Int(value) => self.load_int(*value, to),
            Constant::Float(_) | Constant::Duration(_) | Constant::Money(_) => {
                let index = self.tables.constant(constant);
                self.asm.wide(Opcode::LoadScalar, to, index);
            }
            Constant::Str(_) | Constant::Bytes(_) | Constant::Function(_) | Constant::UnitVariant(_, _) => {
                let index = self.tables.constant(constant);
                self.asm.wide(Opcode::LoadConstant, to, index);
            }
        }
    }

    /// Loads an int.
    pub(super) fn load_int(&mut self, value: i64, to: u16) {
        match i32::try_from(value) {
            Ok(small) => self.asm.wide(Opcode::LoadInt, to, small as u32),
            Err(_) => {
                let index = self.tables.constant(&Constant::Int(value));
                self.asm.wide(Opcode::LoadScalar, to, index);
            }
        }
    }

    // Reading.

    /// `to = op inner, c`
    fn convert(&mut self, op: Opcode, inner: &'p Expr, c: u16, destination: Destination) {
        let operand = self.operand_in(inner, destination);
        self.asm.abc(op, destination.register, operand.register, c);
        self.release(operand);
    }

    fn read_part(&mut self, op: Opcode, base: &'p Expr, part: &'p Expr, destination: Destination) {
        let base = match super::function::variable_of(base) {
            Some(_) => self.operand_before(base, part),
            None => self.operand_in(base, destination),
        };
        let part = self.operand(part);
        self.asm.abc(op, destination.register, base.register, part.register);
        self.release(part);
        self.release(base);
    }

    /// The expression as `root.p[index].q`, if it is that with at least one of the fields, and one instruction can name them.
    fn nested(&self, expr: &'p Expr) -> Option<Nested<'p>> {
        let (element, after) = match &self.unwrapped(expr).kind {
            ExprKind::Field(inner, field) => (self.unwrapped(inner), Some(part_number(*field)?)),
            _ => (expr, None),
        };
        let ExprKind::Index(container, index) = &element.kind else { return None };
        let (root, before) = match &self.unwrapped(container).kind {
            ExprKind::Field(root, field) if part_number(*field).is_some() => (&**root, part_number(*field)),
            _ => (&**container, None),
        };
        if before.is_none() && after.is_none() {
            return None;
        }
        Some(Nested { root, index, fields: part_fields(before, after) })
    }

    /// The expression without changes of its type that change nothing in a register.
    fn unwrapped<'e>(&self, expr: &'e Expr) -> &'e Expr {
        match &expr.kind {
            ExprKind::Retype(inner) if !self.is_scalar(inner.ty) && !self.is_scalar(expr.ty) => self.unwrapped(inner),
            _ => expr,
        }
    }

    fn read_nested(&mut self, nested: Nested<'p>, destination: Destination) {
        let Nested { root, index, fields } = nested;
        let root = match super::function::variable_of(root) {
            Some(_) => self.operand_before(root, index),
            None => self.operand_in(root, destination),
        };
        let index = self.operand(index);
        self.asm.push(Instruction::xabc(Opcode::PartGet, fields, destination.register, root.register, index.register));
        self.release(index);
        self.release(root);
    }

    fn retype(&mut self, expr: &'p Expr, inner: &'p Expr, destination: Destination) {
        if self.is_scalar(expr.ty) && !self.is_scalar(inner.ty) && !self.is_empty_type(inner.ty) {
            // Proven to be a scalar, but held like any value.
            let ty = self.tables.narrow_type(expr.ty, expr.span);
            self.convert(Opcode::Narrow, inner, ty, destination);
        } else {
            self.evaluate_into(inner, Into::Register(destination));
        }
    }

    // Making.

    fn array(&mut self, items: &'p [Expr], destination: Destination) {
        let (first, more) = items.split_at(items.len().min(LITERAL_RUN_MAX));
        if more.is_empty() {
            let base = self.run_base();
            self.run_of(first);
            self.asm.abc(Opcode::MakeArray, destination.register, base, first.len() as u16);
            self.truncate(usize::from(base));
            return;
        }
        let array = self.push_slot();
        self.run_of(first);
        self.asm.abc(Opcode::MakeArray, array, array + 1, first.len() as u16);
        self.truncate(usize::from(array) + 1);
        self.slots[usize::from(array)].holds = true;
        for item in more {
            let value = self.on_top(item);
            self.asm.abc(Opcode::Push, array, value, 0);
            self.pop_slot();
        }
        self.asm.abc(Opcode::Move, destination.register, array, 0);
        self.pop_slot();
    }

    fn map(&mut self, entries: &'p [(Expr, Expr)], destination: Destination) {
        let (first, more) = entries.split_at(entries.len().min(LITERAL_RUN_MAX));
        let map = if more.is_empty() { destination.register } else { self.push_slot() };
        let base = self.run_base();
        for (key, value) in first {
            self.on_top(key);
            self.on_top(value);
        }
        self.asm.abc(Opcode::MakeMap, map, base, 2 * first.len() as u16);
        self.truncate(usize::from(base));
        if more.is_empty() {
            return;
        }
        self.slots[usize::from(map)].holds = true;
        for (key, value) in more {
            let key = self.operand(key);
            let value = self.on_top(value);
            self.asm.abc(Opcode::SetIndex, map, key.register, value);
            self.pop_slot();
            self.release(key);
        }
        self.asm.abc(Opcode::Move, destination.register, map, 0);
        self.pop_slot();
    }

    fn struct_update(&mut self, base: &'p Expr, fields: &'p [(u16, Expr)], destination: Destination) {
        let changed = match destination.scratch {
            Scratch::Anything if !self.slots[usize::from(destination.register)].holds => {
                self.evaluate(base, destination);
                self.slots[usize::from(destination.register)].holds = true;
                destination.register
            }
            Scratch::Never | Scratch::Anything => self.on_top(base),
        };
        for (field, value) in fields {
            let value = self.on_top(value);
            self.asm.abc(Opcode::SetField, changed, *field, value);
            self.pop_slot();
        }
        if changed != destination.register {
            self.asm.abc(Opcode::Move, destination.register, changed, 0);
            self.pop_slot();
        }
    }

    // Choosing.

    fn if_expr(&mut self, branches: &'p [(Expr, Block)], otherwise: Option<&'p Block>, into: Into) {
        let end = self.label();
        for (index, (condition, then)) in branches.iter().enumerate() {
            let no = self.label();
            self.branch(condition, no, false);
            self.block(then, into);
            if index + 1 < branches.len() || otherwise.is_some() {
                self.asm.jump(end);
            }
            self.asm.bind(no);
        }
        if let Some(otherwise) = otherwise {
            self.block(otherwise, into);
        }
        self.asm.bind(end);
    }

    /// A condition as a value.
    fn truth(&mut self, expr: &'p Expr, destination: Destination) {
        let to = destination.register;
        if let (ExprKind::And(left, right) | ExprKind::Or(left, right), true) =
            (&expr.kind, destination.scratch != Scratch::Never)
        {
            let end = self.label();
            self.evaluate(left, destination);
            let skip = if matches!(expr.kind, ExprKind::And(_, _)) { Opcode::JumpIfNot } else { Opcode::JumpIf };
            self.asm.branch(skip, to, 0, end);
            self.evaluate(right, destination);
            self.asm.bind(end);
            return;
        }
        let no = self.label();
        let end = self.label();
        self.branch(expr, no, false);
        self.asm.abc(Opcode::LoadBool, to, 1, 0);
        self.asm.jump(end);
        self.asm.bind(no);
        self.asm.abc(Opcode::LoadBool, to, 0, 0);
        self.asm.bind(end);
    }

    fn coalesce(&mut self, expr: &'p Expr, first: &'p Expr, second: &'p Expr, destination: Destination) {
        // Computed aside unless the destination is new: the second part may still read what is there.
        let is_direct = destination.scratch == Scratch::Anything && !self.slots[usize::from(destination.register)].holds;
        let register = if is_direct { destination.register } else { self.push_slot() };
        let end = self.label();
        self.evaluate(first, Self::fresh(register));
        self.asm.branch(Opcode::JumpIfNotNull, register, 0, end);
        self.evaluate_into(second, Into::Register(Self::fresh(register)));
        self.asm.bind(end);
        if !is_direct {
            if self.is_scalar(expr.ty) && !self.is_scalar(first.ty) {
                let ty = self.tables.narrow_type(expr.ty, expr.span);
                self.asm.abc(Opcode::Narrow, destination.register, register, ty);
                self.asm.abc(Opcode::Drop, register, 0, 0);
            } else {
                self.deliver(register, expr.ty, destination.register);
            }
            self.pop_slot();
        }
    }

    fn optional_chain(&mut self, first: &'p Expr, local: crate::ir::LocalId, second: &'p Expr, into: Into) {
        let height = self.slots.len();
        let register = self.push_slot();
        self.evaluate(first, Self::fresh(register));
        self.settle(local, register);
        let (null, end) = (self.label(), self.label());
        self.asm.branch(Opcode::JumpIfNull, register, 0, null);
        self.evaluate_into(second, into);
        self.pop_from(height);
        if let Into::Register(destination) = into {
            self.asm.jump(end);
            self.asm.bind(null);
            self.asm.abc(Opcode::LoadNull, destination.register, 0, 0);
        } else {
            self.asm.bind(null);
        }
        self.asm.bind(end);
    }

    fn try_optional(&mut self, expr: &'p Expr, inner: &'p Expr, destination: Destination) {
        let is_direct = destination.scratch == Scratch::Anything && !self.slots[usize::from(destination.register)].holds;
        let register = if is_direct { destination.register } else { self.push_slot() };
        self.evaluate(inner, Self::fresh(register));
        let value = self.label();
        self.asm.branch(Opcode::JumpIfNotNull, register, 0, value);
        self.return_nothing();
        self.asm.bind(value);
        if !is_direct {
            self.deliver(register, expr.ty, destination.register);
            self.pop_slot();
        }
    }

    fn try_result(&mut self, inner: &'p Expr, destination: Destination) {
        let result = self.on_top(inner);
        let number = self.push_slot();
        self.asm.abc(Opcode::Variant, number, result, 0);
        let value = self.label();
        self.asm.branch(Opcode::JumpIfEqImmediate, number, 0, value);
        self.return_register(result, self.function.result);
        self.asm.bind(value);
        self.asm.abc(Opcode::Field, destination.register, result, 0);
        self.pop_from(usize::from(result));
    }
}
