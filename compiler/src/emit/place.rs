//! Places: variables and what lies inside of them, changed where they are.
//!
//! A nested place is read and written through one path instruction, so its containers are never taken apart, and unshared storage is
//! changed in place. A call with `mut self` takes the value out, works on it, and puts it back, after an error too.

use vega_bytecode::module::{Path, PathStep};
use vega_bytecode::{FunctionId, Instruction, Opcode, Type};

use super::expression::{part_fields, part_number};
use super::function::{Destination, FunctionEmitter, Into, Operand, Scratch, variable_of};
use super::walk;
use crate::ir::{BinaryOp, Expr, ExprKind, LocalId, Place, PlaceStep};

/// A place whose index registers are filled.
#[derive(Clone, Copy)]
struct OpenPlace {
    /// The variable.
    home: u16,
    /// The path's number.
    path: u32,
    /// The register that carries the value.
    value: u16,
}

impl<'p> FunctionEmitter<'_, 'p> {
    /// `place = value`
    pub(super) fn assign(&mut self, place: &'p Place, value: &'p Expr) {
        if let Some(added) = self.added_to(place, value) {
            self.append(place, added);
            return;
        }
        match place.steps.as_slice() {
            [] => {
                let destination = Destination { register: self.home(place.local), scratch: Scratch::Never };
                self.evaluate_into(value, Into::Register(destination));
            }
            [PlaceStep::Field(field)] => {
                let value = self.on_top(value);
                self.asm.abc(Opcode::SetField, self.home(place.local), *field, value);
                self.pop_slot();
            }
            [PlaceStep::Index(index)] => {
                let index = self.operand_before(index, value);
                let value = self.on_top(value);
                self.asm.abc(Opcode::SetIndex, self.home(place.local), index.register, value);
                self.pop_slot();
                self.release(index);
            }
            steps => {
                if let Some((index, fields)) = nested_part(steps) {
                    let index = self.operand_before(index, value);
                    let value = self.on_top(value);
                    self.asm.push(Instruction::xabc(Opcode::PartSet, fields, self.home(place.local), index.register, value));
                    self.pop_slot();
                    self.release(index);
                    return;
                }
                let height = self.slots.len();
                let open = self.open_place(place);
                self.evaluate(value, Self::fresh(open.value));
                self.asm.wide(Opcode::PathSet, open.home, open.path);
                self.pop_from(height);
            }
        }
    }

    /// `place op= value`
    pub(super) fn assign_op(&mut self, place: &'p Place, op: BinaryOp, value: &'p Expr) {
        if op == BinaryOp::Concat {
            self.append(place, Added::One(value));
            return;
        }
        let home = self.home(place.local);
        match place.steps.as_slice() {
            [] => {
                let is_scalar = self.is_scalar(place.ty);
                if is_scalar && self.add_immediate(op, value, home) {
                    return;
                }
                let left = if walk::expr_assigns(value, place.local) {
                    let register = self.push_slot();
                    self.transfer(home, place.ty, register, place.ty);
                    Operand { register, is_temporary: true }
                } else {
                    Operand { register: home, is_temporary: false }
                };
                let right = self.operand(value);
                self.operate(op, home, left.register, right.register);
                self.release(right);
                self.release(left);
            }
            [PlaceStep::Field(field)] => {
                let old = self.push_slot();
                self.asm.abc(Opcode::Field, old, home, *field);
                self.change(op, old, value);
                self.asm.abc(Opcode::SetField, home, *field, old);
                self.pop_slot();
            }
            [PlaceStep::Index(index)] => {
                let index = self.operand_before(index, value);
                let old = self.push_slot();
                self.asm.abc(Opcode::Index, old, home, index.register);
                self.change(op, old, value);
                self.asm.abc(Opcode::SetIndex, home, index.register, old);
                self.pop_slot();
                self.release(index);
            }
            steps => {
                if let Some((index, fields)) = nested_part(steps) {
                    let index = self.operand_before(index, value);
                    let old = self.push_slot();
                    self.asm.push(Instruction::xabc(Opcode::PartGet, fields, old, home, index.register));
                    self.change(op, old, value);
                    self.asm.push(Instruction::xabc(Opcode::PartSet, fields, home, index.register, old));
                    self.pop_slot();
                    self.release(index);
                    return;
                }
                let height = self.slots.len();
                let open = self.open_place(place);
                self.asm.wide(Opcode::PathGet, open.home, open.path);
                self.change(op, open.value, value);
                self.asm.wide(Opcode::PathSet, open.home, open.path);
                self.pop_from(height);
            }
        }
    }

    /// `register = register op value`, scalars.
    fn change(&mut self, op: BinaryOp, register: u16, value: &'p Expr) {
        if self.add_immediate(op, value, register) {
            return;
        }
        let right = self.operand(value);
        self.operate(op, register, register, right.register);
        self.release(right);
    }

    /// Adds a small constant to a register, if that is what the operation is.
    fn add_immediate(&mut self, op: BinaryOp, value: &Expr, register: u16) -> bool {
        let amount = match (op, super::operator::int_constant(value)) {
            (BinaryOp::AddInt, Some(amount)) => Some(amount),
            (BinaryOp::SubInt, Some(amount)) => amount.checked_neg(),
            _ => None,
        };
        let Some(amount) = amount.and_then(super::expression::immediate) else { return false };
        self.asm.abc(Opcode::AddIntImmediate, register, register, amount);
        true
    }

    /// `place.push(value)`
    pub(super) fn push_to(&mut self, place: &'p Place, value: &'p Expr) {
        if place.steps.is_empty() {
            let value = self.on_top(value);
            self.asm.abc(Opcode::Push, self.home(place.local), value, 0);
            self.pop_slot();
        } else {
            let height = self.slots.len();
            let open = self.open_place(place);
            self.evaluate(value, Self::fresh(open.value));
            self.asm.wide(Opcode::PathPush, open.home, open.path);
            self.pop_from(height);
        }
    }

    // Appending.

    /// What `place = value` adds to the place, if the value is the place with something added at its end.
    fn added_to(&self, place: &'p Place, value: &'p Expr) -> Option<Added<'p>> {
        let added = match &value.kind {
            ExprKind::Binary(BinaryOp::Concat, left, right) if reads_place(left, place) => Added::One(right),
            ExprKind::JoinText(parts) => {
                let (first, rest) = parts.split_first()?;
                let is_text = matches!(self.tables.program.types.get(place.ty), Some(Type::Str));
                match rest {
                    _ if !is_text || !reads_place(first, place) => return None,
                    [] => return None,
                    [one] => Added::One(one),
                    _ => Added::Joined(rest),
                }
            }
            _ => return None,
        };
        let changes = match added {
            Added::One(expr) => walk::expr_assigns(expr, place.local),
            Added::Joined(parts) => parts.iter().any(|part| walk::expr_assigns(part, place.local)),
        };
        (!changes).then_some(added)
    }

    /// Adds to the end of a text, an array or bytes, in place.
    fn append(&mut self, place: &'p Place, added: Added<'p>) {
        let home = self.home(place.local);
        let is_array = matches!(self.tables.program.types.get(place.ty), Some(Type::Array(_)));
        let element = match added {
            Added::One(Expr { kind: ExprKind::Array(items), .. }) if is_array => match items.as_slice() {
                [item] => Some(item),
                _ => None,
            },
            Added::One(_) | Added::Joined(_) => None,
        };
        match (place.steps.as_slice(), element) {
            (_, Some(element)) => self.push_to(place, element),
            ([], None) => {
                let operand = self.added(added);
                self.asm.abc(Opcode::Append, home, operand.register, 0);
                self.release(operand);
            }
            (_, None) => {
                let height = self.slots.len();
                let open = self.open_place(place);
                let operand = self.added(added);
                self.asm.wide(Opcode::PathTake, open.home, open.path);
                let start = self.asm.here();
                self.asm.abc(Opcode::Append, open.value, operand.register, 0);
                self.rescue_place(
                    start,
                    place.local,
                    self.top(),
                    vec![Instruction::wide(Opcode::PathSet, 0, open.home, open.path)],
                );
                self.asm.wide(Opcode::PathSet, open.home, open.path);
                self.pop_from(height);
            }
        }
    }

    /// What is added, in one register.
    fn added(&mut self, added: Added<'p>) -> Operand {
        match added {
            Added::One(expr) => self.operand(expr),
            Added::Joined(parts) => {
                let register = self.push_slot();
                let base = self.run_base();
                self.run_of(parts);
                self.asm.abc(Opcode::JoinText, register, base, parts.len() as u16);
                self.truncate(usize::from(base));
                self.slots[usize::from(register)].holds = true;
                Operand { register, is_temporary: true }
            }
        }
    }

    // Nested places.

    /// Fills the index registers of a nested place and takes a register for its value.
    fn open_place(&mut self, place: &'p Place) -> OpenPlace {
        let registers = self.top();
        let mut steps = Vec::with_capacity(place.steps.len());
        for step in &place.steps {
            match step {
                PlaceStep::Field(field) => steps.push(PathStep::Field(*field)),
                PlaceStep::Index(index) => {
                    self.on_top(index);
                    steps.push(PathStep::Index);
                }
            }
        }
        let value = self.push_slot();
        OpenPlace { home: self.home(place.local), path: self.tables.path(Path { registers, steps }), value }
    }

    /// A call of a function, or a native, that changes its first argument where it is.
    pub(super) fn call_on_place(
        &mut self,
        expr: &'p Expr,
        callee: Result<FunctionId, u32>,
        place: &'p Place,
        arguments: &'p [Expr],
        into: Into,
    ) {
        let height = self.slots.len();
        // A path without indexes carries the value right where the call wants it.
        let has_index = place.steps.iter().any(|step| matches!(step, PlaceStep::Index(_)));
        let open = has_index.then(|| self.open_place(place));
        let base = self.open_window(into);
        let this = self.push_slot();
        self.run_of(arguments);
        let home = self.home(place.local);
        let back: Vec<Instruction> = match (open, place.steps.is_empty()) {
            (Some(open), _) => {
                self.asm.wide(Opcode::PathTake, open.home, open.path);
                self.asm.abc(Opcode::Move, this, open.value, 0);
                vec![
                    Instruction::abc(Opcode::Move, open.value, this, 0),
                    Instruction::wide(Opcode::PathSet, 0, open.home, open.path),
                ]
            }
            (None, true) => {
                self.asm.abc(Opcode::Move, this, home, 0);
                vec![Instruction::abc(Opcode::Move, home, this, 0)]
            }
            (None, false) => {
                let steps = place
                    .steps
                    .iter()
                    .filter_map(|step| match step {
                        PlaceStep::Field(field) => Some(PathStep::Field(*field)),
                        PlaceStep::Index(_) => None,
                    })
                    .collect();
                let path = self.tables.path(Path { registers: this, steps });
                self.asm.wide(Opcode::PathTake, home, path);
                vec![Instruction::wide(Opcode::PathSet, 0, home, path)]
            }
        };
        let start = self.asm.here();
        let count = arguments.len() as u16 + 1;
        match callee {
            Ok(function) => {
                if self.tables.may_effect(function) {
                    self.mark_site(expr);
                }
                self.asm.push_window(Instruction::wide(Opcode::Call, 0, base, function.0), count);
            }
            Err(native) => {
                if self.tables.native_has_effect(native) {
                    self.mark_site(expr);
                }
                let native = self.tables.narrow(native, expr.span, "natives");
                self.asm.push_window(Instruction::abc(Opcode::CallNative, base, native, count), count);
            }
        }
        self.rescue_place(start, place.local, this + 1, back.clone());
        for instruction in back {
            self.asm.push(instruction);
        }
        self.close_window(base, into, expr.ty);
        if open.is_some() {
            // The index registers lie below the window; a result that was delivered elsewhere leaves them on top.
            self.pop_from(height);
        }
    }

    /// Puts a place back after an error, where anybody can still see it: a handler of this function, or the caller whose `self` it is.
    fn rescue_place(&mut self, start: u32, local: LocalId, error: u16, back: Vec<Instruction>) {
        let is_callers = self.function.returns_self && self.function.parameters.first() == Some(&local);
        if self.asm.is_reachable() && (is_callers || self.is_protected()) {
            self.rescue(start, error, back);
        }
    }
}

/// The index, and the fields around it, of a place that one instruction can name: `.p[i]`, `[i].q` or `.p[i].q`.
fn nested_part(steps: &[PlaceStep]) -> Option<(&Expr, u8)> {
    let (before, index, after) = match steps {
        [PlaceStep::Field(before), PlaceStep::Index(index)] => (Some(*before), index, None),
        [PlaceStep::Index(index), PlaceStep::Field(after)] => (None, index, Some(*after)),
        [PlaceStep::Field(before), PlaceStep::Index(index), PlaceStep::Field(after)] => (Some(*before), index, Some(*after)),
        _ => return None,
    };
    let number = |field: Option<u16>| field.map_or(Some(None), |field| part_number(field).map(Some));
    Some((index, part_fields(number(before)?, number(after)?)))
}

/// What is added to a place.
#[derive(Clone, Copy)]
enum Added<'p> {
    One(&'p Expr),
    /// Several texts.
    Joined(&'p [Expr]),
}

/// Whether the expression reads exactly the place, by fields and variables alone.
fn reads_place(expr: &Expr, place: &Place) -> bool {
    reads_steps(expr, place.local, &place.steps)
}

fn reads_steps(expr: &Expr, local: LocalId, steps: &[PlaceStep]) -> bool {
    let Some((last, before)) = steps.split_last() else { return variable_of(expr) == Some(local) };
    match (&expr.kind, last) {
        (ExprKind::Retype(inner), _) => reads_steps(inner, local, steps),
        (ExprKind::Field(base, field), PlaceStep::Field(wanted)) => field == wanted && reads_steps(base, local, before),
        (ExprKind::Index(base, index), PlaceStep::Index(wanted)) => {
            same_simple(index, wanted) && reads_steps(base, local, before)
        }
        _ => false,
    }
}

/// Whether two index expressions are the same variable or the same literal.
fn same_simple(left: &Expr, right: &Expr) -> bool {
    match (&left.kind, &right.kind) {
        (ExprKind::Constant(left), ExprKind::Constant(right)) => left == right,
        _ => variable_of(left).is_some() && variable_of(left) == variable_of(right),
    }
}
