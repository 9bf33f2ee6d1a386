//! Operators, and conditions that jump.

use vega_bytecode::module::Constant;
use vega_bytecode::opcode::Arith;
use vega_bytecode::{Instruction, Opcode};

use super::assembler::Label;
use super::expression::immediate;
use super::function::{Destination, FunctionEmitter, Operand, variable_of};
use crate::ir::{BinaryOp, Expr, ExprKind, UnaryOp};

/// How a binary operation becomes an instruction.
#[derive(Clone, Copy)]
enum Form {
    /// `op to, left, right`
    Plain(Opcode),
    /// `op to, right, left`
    Swapped(Opcode),
    /// `op to, left, right`, then `not to, to`
    Negated(Opcode),
    /// Durations and money.
    Arith(Arith),
}

fn form(op: BinaryOp) -> Form {
    match op {
        BinaryOp::AddInt => Form::Plain(Opcode::AddInt),
        BinaryOp::SubInt => Form::Plain(Opcode::SubInt),
        BinaryOp::MulInt => Form::Plain(Opcode::MulInt),
        BinaryOp::DivInt => Form::Plain(Opcode::DivInt),
        BinaryOp::RemInt => Form::Plain(Opcode::RemInt),
        BinaryOp::AndInt => Form::Plain(Opcode::AndInt),
        BinaryOp::OrInt => Form::Plain(Opcode::OrInt),
        BinaryOp::XorInt => Form::Plain(Opcode::XorInt),
        BinaryOp::ShlInt => Form::Plain(Opcode::ShlInt),
        BinaryOp::ShrInt => Form::Plain(Opcode::ShrInt),
        BinaryOp::AddFloat => Form::Plain(Opcode::AddFloat),
        BinaryOp::SubFloat => Form::Plain(Opcode::SubFloat),
        BinaryOp::MulFloat => Form::Plain(Opcode::MulFloat),
        BinaryOp::DivFloat => Form::Plain(Opcode::DivFloat),
        BinaryOp::RemFloat => Form::Plain(Opcode::RemFloat),
        BinaryOp::AddDuration => Form::Arith(Arith::AddDuration),
        BinaryOp::SubDuration => Form::Arith(Arith::SubDuration),
        BinaryOp::MulDurationInt => Form::Arith(Arith::MulDurationInt),
        BinaryOp::MulDurationFloat => Form::Arith(Arith::MulDurationFloat),
        BinaryOp::DivDurationInt => Form::Arith(Arith::DivDurationInt),
        BinaryOp::DivDurationFloat => Form::Arith(Arith::DivDurationFloat),
        BinaryOp::DivDuration => Form::Arith(Arith::DivDuration),
        BinaryOp::RemDuration => Form::Arith(Arith::RemDuration),
        BinaryOp::AddMoney => Form::Arith(Arith::AddMoney),
        BinaryOp::SubMoney => Form::Arith(Arith::SubMoney),
        BinaryOp::MulMoneyInt => Form::Arith(Arith::MulMoneyInt),
        BinaryOp::MulMoneyFloat => Form::Arith(Arith::MulMoneyFloat),
        BinaryOp::DivMoneyInt => Form::Arith(Arith::DivMoneyInt),
        BinaryOp::DivMoneyFloat => Form::Arith(Arith::DivMoneyFloat),
        BinaryOp::DivMoney => Form::Arith(Arith::DivMoney),
        BinaryOp::Concat => Form::Plain(Opcode::Concat),
        BinaryOp::EqInt => Form::Plain(Opcode::EqInt),
        BinaryOp::NeInt => Form::Negated(Opcode::EqInt),
        BinaryOp::LtInt => Form::Plain(Opcode::LtInt),
        BinaryOp::LeInt => Form::Plain(Opcode::LeInt),
        BinaryOp::GtInt => Form::Swapped(Opcode::LtInt),
        BinaryOp::GeInt => Form::Swapped(Opcode::LeInt),
        BinaryOp::EqFloat => Form::Plain(Opcode::EqFloat),
        BinaryOp::NeFloat => Form::Negated(Opcode::EqFloat),
        BinaryOp::LtFloat => Form::Plain(Opcode::LtFloat),
        BinaryOp::LeFloat => Form::Plain(Opcode::LeFloat),
        BinaryOp::GtFloat => Form::Swapped(Opcode::LtFloat),
        BinaryOp::GeFloat => Form::Swapped(Opcode::LeFloat),
        BinaryOp::Eq => Form::Plain(Opcode::Eq),
        BinaryOp::Ne => Form::Negated(Opcode::Eq),
        BinaryOp::Lt => Form::Plain(Opcode::Lt),
        BinaryOp::Le => Form::Plain(Opcode::Le),
        BinaryOp::Gt => Form::Swapped(Opcode::Lt),
        BinaryOp::Ge => Form::Swapped(Opcode::Le),
        BinaryOp::Contains => Form::Plain(Opcode::Contains),
    }
}

/// An order between two ints as a jump sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
}

impl Order {
    fn of(op: BinaryOp) -> Option<Order> {
        match op {
            BinaryOp::LtInt => Some(Order::Lt),
            BinaryOp::LeInt => Some(Order::Le),
            BinaryOp::GtInt => Some(Order::Gt),
            BinaryOp::GeInt => Some(Order::Ge),
            BinaryOp::EqInt => Some(Order::Eq),
            BinaryOp::NeInt => Some(Order::Ne),
            _ => None,
        }
    }

    /// What holds exactly when this does not.
    fn negated(self) -> Order {
        match self {
            Order::Lt => Order::Ge,
            Order::Le => Order::Gt,
            Order::Gt => Order::Le,
            Order::Ge => Order::Lt,
            Order::Eq => Order::Ne,
            Order::Ne => Order::Eq,
        }
    }

    /// The same with its operands exchanged.
    fn mirrored(self) -> Order {
        match self {
            Order::Lt => Order::Gt,
            Order::Le => Order::Ge,
            Order::Gt => Order::Lt,
            Order::Ge => Order::Le,
            Order::Eq | Order::Ne => self,
        }
    }

    /// The jump on a comparison with a constant, and the immediate that it takes.
    fn with_immediate(self, value: i64) -> Option<(Opcode, u16)> {
        let (op, value) = match self {
            Order::Lt => (Opcode::JumpIfLtImmediate, value),
            Order::Le => (Opcode::JumpIfLtImmediate, value.checked_add(1)?),
            Order::Gt => (Opcode::JumpIfGeImmediate, value.checked_add(1)?),
            Order::Ge => (Opcode::JumpIfGeImmediate, value),
            Order::Eq => (Opcode::JumpIfEqImmediate, value),
            Order::Ne => (Opcode::JumpIfNeImmediate, value),
        };
        Some((op, immediate(value)?))
    }
}

/// The int that an expression is, if it is a literal.
pub(super) fn int_constant(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Constant(Constant::Int(value)) => Some(*value),
        _ => None,
    }
}

fn is_null(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Constant(Constant::Null) => true,
        ExprKind::Retype(inner) => is_null(inner),
        _ => false,
    }
}

impl<'p> FunctionEmitter<'_, 'p> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &'p Expr, destination: Destination) {
        let to = destination.register;
        let operand = self.operand_in(operand, destination);
        let from = operand.register;
        match op {
            UnaryOp::NegInt => self.asm.abc(Opcode::NegInt, to, from, 0),
            UnaryOp::NegFloat => self.asm.abc(Opcode::NegFloat, to, from, 0),
            UnaryOp::NegDuration => self.arith(Arith::NegDuration, to, from, from),
            UnaryOp::NegMoney => self.arith(Arith::NegMoney, to, from, from),
            UnaryOp::Not => self.asm.abc(Opcode::Not, to, from, 0),
            UnaryOp::IntToFloat => self.asm.abc(Opcode::IntToFloat, to, from, 0),
            UnaryOp::FloatToInt => self.asm.abc(Opcode::FloatToInt, to, from, 0),
            UnaryOp::IntToDuration => self.arith(Arith::IntToDuration, to, from, from),
            UnaryOp::IntToMoney => self.arith(Arith::IntToMoney, to, from, from),
            UnaryOp::MoneyToFloat => self.arith(Arith::MoneyToFloat, to, from, from),
        }
        self.release(operand);
    }

    fn arith(&mut self, op: Arith, to: u16, left: u16, right: u16) {
        self.asm.push(Instruction::xabc(Opcode::Arith, op as u8, to, left, right));
    }

    /// `left op right` into a register.
    pub(super) fn binary(&mut self, op: BinaryOp, left: &'p Expr, right: &'p Expr, destination: Destination) {
        let to = destination.register;
        // Adding a small constant.
        let (variable, amount) = match op {
            BinaryOp::AddInt => match (int_constant(left), int_constant(right)) {
                (None, Some(value)) => (left, Some(value)),
                (Some(value), None) => (right, Some(value)),
                (None, None) | (Some(_), Some(_)) => (left, None),
            },
            BinaryOp::SubInt => (left, int_constant(right).and_then(i64::checked_neg)),
            _ => (left, None),
        };
        if let Some(amount) = amount.and_then(immediate) {
            let operand = self.operand_in(variable, destination);
            self.asm.abc(Opcode::AddIntImmediate, to, operand.register, amount);
            self.release(operand);
            return;
        }
        let left = self.left_operand(left, right, destination);
        let right = self.operand(right);
        self.operate(op, to, left.register, right.register);
        self.release(right);
        self.release(left);
    }

    /// The first of two operands.
    fn left_operand(&mut self, left: &'p Expr, right: &'p Expr, destination: Destination) -> Operand {
        match variable_of(left) {
            Some(_) => self.operand_before(left, right),
            None => self.operand_in(left, destination),
        }
    }

    /// The instruction of a binary operation on registers.
    pub(super) fn operate(&mut self, op: BinaryOp, to: u16, left: u16, right: u16) {
        match form(op) {
            Form::Plain(opcode) => self.asm.abc(opcode, to, left, right),
            Form::Swapped(opcode) => self.asm.abc(opcode, to, right, left),
            Form::Negated(opcode) => {
                self.asm.abc(opcode, to, left, right);
                self.asm.abc(Opcode::Not, to, to, 0);
            }
            Form::Arith(operation) => self.arith(operation, to, left, right),
        }
    }

    /// Jumps to `target` if the condition is `when`, else goes on.
    pub(super) fn branch(&mut self, condition: &'p Expr, target: Label, when: bool) {
        match &condition.kind {
            ExprKind::Constant(Constant::Bool(value)) => {
                if *value == when {
                    self.asm.jump(target);
                }
            }
            ExprKind::Unary(UnaryOp::Not, inner) => self.branch(inner, target, !when),
            ExprKind::Retype(inner) if self.is_scalar(inner.ty) => self.branch(inner, target, when),
            ExprKind::And(left, right) => self.branch_both(left, right, target, when, false),
            ExprKind::Or(left, right) => self.branch_both(left, right, target, when, true),
            ExprKind::Binary(op, left, right) => self.at(condition.span, |emitter| {
                if let Some(order) = Order::of(*op) {
                    emitter.branch_on_order(if when { order } else { order.negated() }, left, right, target);
                } else {
                    emitter.branch_on_other(*op, condition, left, right, target, when);
                }
            }),
            _ => self.branch_on_value(condition, target, when),
        }
    }

    /// `&&`, and `||` where `decides` is true: the value of one operand that settles the whole.
    fn branch_both(&mut self, left: &'p Expr, right: &'p Expr, target: Label, when: bool, decides: bool) {
        if when == decides {
            self.branch(left, target, when);
            self.branch(right, target, when);
        } else {
            let skip = self.label();
            self.branch(left, skip, !when);
            self.branch(right, target, when);
            self.asm.bind(skip);
        }
    }

    fn branch_on_order(&mut self, order: Order, left: &'p Expr, right: &'p Expr, target: Label) {
        let with_constant = match (int_constant(left), int_constant(right)) {
            (_, Some(value)) => order.with_immediate(value).map(|jump| (left, jump)),
            (Some(value), None) => order.mirrored().with_immediate(value).map(|jump| (right, jump)),
            (None, None) => None,
        };
        if let Some((variable, (op, value))) = with_constant {
            let operand = self.operand(variable);
            self.asm.branch(op, operand.register, value, target);
            self.release(operand);
            return;
        }
        let left = self.operand_before(left, right);
        let right = self.operand(right);
        let (l, r) = (left.register, right.register);
        match order {
            Order::Lt => self.asm.branch(Opcode::JumpIfLtInt, l, r, target),
            Order::Le => self.asm.branch(Opcode::JumpIfLeInt, l, r, target),
            Order::Gt => self.asm.branch(Opcode::JumpIfLtInt, r, l, target),
            Order::Ge => self.asm.branch(Opcode::JumpIfLeInt, r, l, target),
            Order::Eq => self.asm.branch(Opcode::JumpIfEqInt, l, r, target),
            Order::Ne => self.asm.branch(Opcode::JumpIfNeInt, l, r, target),
        }
        self.release(right);
        self.release(left);
    }

    fn branch_on_other(&mut self, op: BinaryOp, condition: &'p Expr, left: &'p Expr, right: &'p Expr, target: Label, when: bool) {
        let wants_equal = match op {
            BinaryOp::Eq => when,
            BinaryOp::Ne => !when,
            // An inverted comparison of floats is not the opposite comparison: both are false for NaN. The jump inverts instead.
            BinaryOp::NeFloat => {
                self.compare_and_branch(BinaryOp::EqFloat, left, right, target, !when);
                return;
            }
            _ => {
                self.branch_on_value(condition, target, when);
                return;
            }
        };
        let against_null = match (is_null(left), is_null(right)) {
            (_, true) => Some(left),
            (true, false) => Some(right),
            (false, false) => None,
        };
        match against_null {
            Some(value) => self.branch_on_null(value, target, wants_equal),
            None => self.compare_and_branch(BinaryOp::Eq, left, right, target, wants_equal),
        }
    }

    fn compare_and_branch(&mut self, op: BinaryOp, left: &'p Expr, right: &'p Expr, target: Label, when: bool) {
        let result = self.push_slot();
        self.binary(op, left, right, Self::fresh(result));
        self.asm.branch(if when { Opcode::JumpIf } else { Opcode::JumpIfNot }, result, 0, target);
        self.pop_slot();
    }

    fn branch_on_null(&mut self, value: &'p Expr, target: Label, when_null: bool) {
        let operand = self.operand(value);
        let owns = operand.is_temporary && self.slots[usize::from(operand.register)].holds;
        match (owns, when_null) {
            (false, true) => self.asm.branch(Opcode::JumpIfNull, operand.register, 0, target),
            (false, false) => self.asm.branch(Opcode::JumpIfNotNull, operand.register, 0, target),
            // Only what is not null is released.
            (true, true) => {
                self.asm.branch(Opcode::JumpIfNull, operand.register, 0, target);
                self.asm.abc(Opcode::Drop, operand.register, 0, 0);
            }
            (true, false) => {
                let null = self.label();
                self.asm.branch(Opcode::JumpIfNull, operand.register, 0, null);
                self.asm.abc(Opcode::Drop, operand.register, 0, 0);
                self.asm.jump(target);
                self.asm.bind(null);
            }
        }
        if operand.is_temporary {
            self.pop_slot();
        }
    }

    fn branch_on_value(&mut self, condition: &'p Expr, target: Label, when: bool) {
        if let ExprKind::If(..) | ExprKind::Block(_) | ExprKind::Match(_, _) = condition.kind
            && self.is_empty_type(condition.ty)
        {
            self.evaluate_into(condition, super::function::Into::Nowhere);
            return;
        }
        let operand = self.operand(condition);
        self.asm.branch(if when { Opcode::JumpIf } else { Opcode::JumpIfNot }, operand.register, 0, target);
        self.release(operand);
    }
}
