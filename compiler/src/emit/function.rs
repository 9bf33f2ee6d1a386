//! The state while one function is emitted: its registers, its open scopes, its code.
//!
//! Registers are a stack. Parameters come first, then captures; locals and temporaries follow as blocks and expressions open, and a
//! call's window opens at the top. Invariant: a register at or above the top holds no heap value, so a call finds clean slots and a
//! register may serve another purpose as soon as it was popped.

use vega_bytecode::module::Constant;
use vega_bytecode::verify::REGISTERS_MAX;
use vega_bytecode::{Instruction, Opcode, TypeId};

use super::Tables;
use super::assembler::{Assembler, Label};
use super::guard::{OpenRegion, Rescue, Scope};
use super::pattern::FailPoints;
use super::walk::{self, Node};
use crate::ir::{self, Block, Expr, ExprKind, LocalId};
use crate::source::Span;

/// One register in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Whether it may own a heap value that must be released or moved out before the register is popped.
    pub(super) holds: bool,
    /// Whether it is a variable's register, which leaving the function releases.
    pub(super) is_local: bool,
}

/// Whether a destination may be used for intermediate results before its final value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scratch {
    /// It may not: a variable that other code, or a handler, may still read.
    Never,
    /// It may: a new variable or temporary.
    Anything,
}

/// The register that an expression's value goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination {
    pub(super) register: u16,
    pub(super) scratch: Scratch,
}

/// What becomes of an expression's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Into {
    /// It is dropped.
    Nowhere,
    /// It is written to a register.
    Register(Destination),
}

/// An operand in a register: a variable's own, or a temporary on top of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) register: u16,
    pub(super) is_temporary: bool,
}

/// Emits one function.
pub(super) struct FunctionEmitter<'e, 'p> {
    pub(super) tables: &'e mut Tables<'p>,
    pub(super) function: &'p ir::Function,
    pub(super) asm: Assembler,
    pub(super) slots: Vec<Slot>,
    /// Most registers that were in use at once.
    registers: usize,
    /// Register of each variable, once it is declared.
    homes: Vec<Option<u16>>,
    /// Which registers were ever a variable that may own storage.
    value_registers: Vec<bool>,
    pub(super) scopes: Vec<Scope<'p>>,
    pub(super) regions: Vec<OpenRegion>,
    /// Registers that count the rounds of the loops around, outermost first.
    pub(super) counters: Vec<u16>,
    /// Handlers of calls that work on a place, written behind the function's code.
    pub(super) rescues: Vec<Rescue>,
    /// Rounds that join when the block under way is left.
    pub(super) block_joins: &'p [u32],
    /// Variables that the alternatives of a pattern bind together, with their registers.
    pub(super) prebound: Vec<(LocalId, u16)>,
    /// Where the arms under way fail, innermost last.
    pub(super) arm_fails: Vec<FailPoints>,
    /// Constants that the loops around keep in registers.
    pub(super) hoisted: Vec<(&'p Constant, u16)>,
}

/// Emits a function of the program.
pub(super) fn emit<'p>(tables: &mut Tables<'p>, function: &'p ir::Function) -> vega_bytecode::module::Function {
    tables.is_reported = false;
    let mut emitter = FunctionEmitter {
        tables,
        function,
        asm: Assembler::new(function.span),
        slots: Vec::new(),
        registers: 0,
        homes: vec![None; function.locals.len()],
        value_registers: Vec::new(),
        scopes: Vec::new(),
        regions: Vec::new(),
        counters: Vec::new(),
        rescues: Vec::new(),
        block_joins: &[],
        prebound: Vec::new(),
        arm_fails: Vec::new(),
        hoisted: Vec::new(),
    };
    for &local in function.parameters.iter().chain(&function.captures) {
        let register = emitter.push_slot();
        emitter.settle(local, register);
    }
    emitter.body(&function.body);
    emitter.write_rescues();
    emitter.finish()
}

impl<'p> FunctionEmitter<'_, 'p> {
    fn body(&mut self, body: &'p Block) {
        let guards = self.open_block(body);
        self.block_joins = &body.joins_at_end;
        for statement in &body.statements {
            self.statement(statement);
        }
        match &body.value {
            Some(value) => self.return_value(value),
            None if self.asm.is_reachable() => self.return_nothing(),
            None => {}
        }
        // The ways out above ran what the block asks for; what is left to write are its handlers.
        self.close_guards(guards, self.slots.len());
    }

    fn finish(self) -> vega_bytecode::module::Function {
        let outlives: &[u16] = if self.function.returns_self { &[0] } else { &[] };
        let registers = self.registers.min(usize::from(REGISTERS_MAX)) as u16;
        let assembled = self.asm.finish(outlives);
        if assembled.jump_too_far {
            self.tables
                .limit(self.function.span, "this function is too long: a jump in it spans more than 8,388,607 instructions");
        }
        vega_bytecode::module::Function {
            name: self.function.name.clone(),
            parameters: self.function.parameters.len() as u16,
            captures: self.function.captures.len() as u16,
            registers,
            value_registers: (0..registers)
                .filter(|&register| self.value_registers.get(usize::from(register)) == Some(&true))
                .collect(),
            returns_self: self.function.returns_self,
            lines: self.tables.lines(&assembled.spans),
            code: assembled.code,
            handlers: assembled.handlers,
            sites: assembled.sites,
        }
    }

    // Types.

    /// Whether values of the type never own storage.
    pub(super) fn is_scalar(&self, ty: TypeId) -> bool {
        self.tables.program.types.is_scalar(ty)
    }

    /// Whether the type has no values.
    pub(super) fn is_empty_type(&self, ty: TypeId) -> bool {
        matches!(self.tables.program.types.get(ty), Some(vega_bytecode::Type::Void | vega_bytecode::Type::Never))
    }

    /// What the reply of a stream is, if the type is one's.
    pub(super) fn stream_reply(&self, ty: TypeId) -> Option<&vega_bytecode::Type> {
        match self.tables.program.types.get(ty) {
            Some(vega_bytecode::Type::Stream(reply)) => self.tables.program.types.get(*reply),
            _ => None,
        }
    }

    // Registers.

    /// Whether the function has needed more registers than a frame may have. From then on nothing is emitted, since its code is of no
    /// use any more.
    pub(super) fn is_too_large(&self) -> bool {
        self.registers > usize::from(REGISTERS_MAX)
    }

    /// The first register not in use.
    pub(super) fn top(&self) -> u16 {
        self.slots.len().min(usize::from(u16::MAX)) as u16
    }

    /// Takes the next register.
    pub(super) fn push_slot(&mut self) -> u16 {
        let register = self.top();
        self.slots.push(Slot { holds: false, is_local: false });
        self.need(self.slots.len());
        register
    }

    /// Notes how many registers are in use at once.
    fn need(&mut self, registers: usize) {
        self.registers = self.registers.max(registers);
        if self.is_too_large() {
            self.tables.limit(
                self.function.span,
                "this function needs more than 8,192 registers for variables and intermediate results",
            );
        }
    }

    /// Makes sure that the frame has the register although it is not in use here: a handler will write to it.
    pub(super) fn reserve(&mut self, register: u16) {
        self.need(usize::from(register) + 1);
    }

    /// Gives back the top register, which holds nothing any more.
    pub(super) fn pop_slot(&mut self) {
        self.slots.pop().expect("a slot is popped by who pushed it");
    }

    /// Gives back the registers from `height` on, whose values were moved out.
    pub(super) fn truncate(&mut self, height: usize) {
        self.slots.truncate(height);
    }

    /// Releases what the registers from `height` on own, in code only: the registers stay in use.
    pub(super) fn drop_from(&mut self, height: usize) {
        for register in (height..self.slots.len()).rev() {
            if self.slots[register].holds {
                self.asm.abc(Opcode::Drop, register as u16, 0, 0);
            }
        }
    }

    /// Releases and gives back the registers from `height` on.
    pub(super) fn pop_from(&mut self, height: usize) {
        self.drop_from(height);
        self.truncate(height);
    }

    /// Makes a register in use the home of a variable.
    pub(super) fn settle(&mut self, local: LocalId, register: u16) {
        let holds = !self.is_scalar(self.function.locals[local.0 as usize].ty);
        self.homes[local.0 as usize] = Some(register);
        self.slots[usize::from(register)] = Slot { holds, is_local: true };
        if holds {
            self.mark_value_register(register);
        }
    }

    /// Notes that the register belongs to those which leaving the function releases.
    pub(super) fn mark_value_register(&mut self, register: u16) {
        let register = usize::from(register);
        if self.value_registers.len() <= register {
            self.value_registers.resize(register + 1, false);
        }
        self.value_registers[register] = true;
    }

    /// Declares a variable: its home is the next register, still without a value.
    pub(super) fn declare(&mut self, local: LocalId) -> u16 {
        let register = self.push_slot();
        self.settle(local, register);
        register
    }

    /// The register of a declared variable.
    pub(super) fn home(&self, local: LocalId) -> u16 {
        self.homes[local.0 as usize].expect("a variable is declared before it is used")
    }

    /// The type of a variable.
    pub(super) fn local_type(&self, local: LocalId) -> TypeId {
        self.function.locals[local.0 as usize].ty
    }

    /// A destination that is a new temporary.
    pub(super) fn fresh(register: u16) -> Destination {
        Destination { register, scratch: Scratch::Anything }
    }

    // Operands.

    /// The value of an expression in some register, for reading.
    pub(super) fn operand(&mut self, expr: &'p Expr) -> Operand {
        match &expr.kind {
            ExprKind::Local(local) => Operand { register: self.home(*local), is_temporary: false },
            ExprKind::Retype(inner) if self.is_scalar(inner.ty) == self.is_scalar(expr.ty) => self.operand(inner),
            ExprKind::Constant(constant) if let Some(register) = self.hoisted_register(constant) => {
                Operand { register, is_temporary: false }
            }
            _ => Operand { register: self.on_top(expr), is_temporary: true },
        }
    }

    /// The register in which a loop around keeps the constant.
    pub(super) fn hoisted_register(&self, constant: &Constant) -> Option<u16> {
        self.hoisted.iter().find(|(known, _)| is_same(known, constant)).map(|&(_, register)| register)
    }

    /// Like [`Self::operand`], for an operand that is used after `later` was evaluated, which may assign the variable.
    pub(super) fn operand_before(&mut self, expr: &'p Expr, later: &'p Expr) -> Operand {
        match variable_of(expr) {
            Some(local) if walk::expr_assigns(later, local) => Operand { register: self.on_top(expr), is_temporary: true },
            Some(_) | None => self.operand(expr),
        }
    }

    /// Like [`Self::operand`], but may compute in the destination of the whole expression: its final instruction releases what it
    /// read there.
    pub(super) fn operand_in(&mut self, expr: &'p Expr, destination: Destination) -> Operand {
        if destination.scratch == Scratch::Never
            || variable_of(expr).is_some()
            || matches!(&expr.kind, ExprKind::Constant(constant) if self.hoisted_register(constant).is_some())
            || self.slots[usize::from(destination.register)].holds
        {
            return self.operand(expr);
        }
        self.evaluate(expr, destination);
        self.slots[usize::from(destination.register)].holds = !self.is_scalar(expr.ty);
        Operand { register: destination.register, is_temporary: false }
    }

    /// Evaluates into the next register and keeps it.
    pub(super) fn on_top(&mut self, expr: &'p Expr) -> u16 {
        let register = self.push_slot();
        self.evaluate(expr, Self::fresh(register));
        self.slots[usize::from(register)].holds = !self.is_scalar(expr.ty);
        register
    }

    /// Gives back an operand: a temporary's value is released. Operands go in the reverse order of their coming.
    pub(super) fn release(&mut self, operand: Operand) {
        if operand.is_temporary {
            debug_assert_eq!(usize::from(operand.register) + 1, self.slots.len(), "operands are released last first");
            self.pop_from(usize::from(operand.register));
        }
    }

    /// Copies a value between registers of any kind.
    pub(super) fn transfer(&mut self, from: u16, from_type: TypeId, to: u16, to_type: TypeId) {
        match (self.is_scalar(from_type), self.is_scalar(to_type)) {
            _ if from == to => {}
            (true, true) => self.asm.abc(Opcode::MoveScalar, to, from, 0),
            (_, false) => self.asm.abc(Opcode::Copy, to, from, 0),
            (false, true) => {
                let ty = self.tables.narrow_type(to_type, self.function.span);
                self.asm.abc(Opcode::Narrow, to, from, ty);
            }
        }
    }

    /// Moves a temporary's value to its destination.
    pub(super) fn deliver(&mut self, from: u16, ty: TypeId, to: u16) {
        if from == to {
            return;
        }
        if self.is_scalar(ty) && !self.slots[usize::from(to)].holds {
            self.asm.abc(Opcode::MoveScalar, to, from, 0);
        } else {
            self.asm.abc(Opcode::Move, to, from, 0);
        }
        self.slots[usize::from(from)].holds = false;
    }

    // Windows.

    /// Opens a call's window: at the destination if that is a new register on top, else at the next register.
    pub(super) fn open_window(&mut self, into: Into) -> u16 {
        match into {
            Into::Register(destination)
                if destination.scratch != Scratch::Never
                    && usize::from(destination.register) + 1 == self.slots.len()
                    && !self.slots[usize::from(destination.register)].holds =>
            {
                destination.register
            }
            Into::Register(_) | Into::Nowhere => self.push_slot(),
        }
    }

    /// Closes a window after its instruction: the arguments are gone, the result goes where it is wanted.
    pub(super) fn close_window(&mut self, base: u16, into: Into, ty: TypeId) {
        self.truncate(usize::from(base) + 1);
        match into {
            Into::Register(destination) if destination.register == base => {}
            Into::Register(destination) => {
                self.deliver(base, ty, destination.register);
                self.pop_slot();
            }
            Into::Nowhere => {
                if !self.is_scalar(ty) {
                    self.asm.abc(Opcode::Drop, base, 0, 0);
                }
                self.pop_slot();
            }
        }
    }

    /// Where a run of values begins. An empty run has a first register too.
    pub(super) fn run_base(&mut self) -> u16 {
        let base = self.top();
        self.reserve(base);
        base
    }

    /// Evaluates expressions into the next registers, in order.
    pub(super) fn run_of(&mut self, list: &'p [Expr]) {
        for expr in list {
            self.on_top(expr);
        }
    }

    // Sites.

    /// Marks the next instruction as an effect site, if the function has any.
    pub(super) fn mark_site(&mut self, expr: &Expr) {
        if self.function.may_effect {
            self.asm.mark_site(std::ptr::from_ref(expr) as usize, expr.span, &self.counters);
        }
    }

    /// Whether a node is an effect site.
    fn is_site(&self, node: Node<'_>) -> bool {
        let Node::Expr(expr) = node else { return false };
        match &expr.kind {
            ExprKind::Call(function, _) | ExprKind::CallOnPlace(function, _, _) => self.tables.may_effect(*function),
            ExprKind::CallNative(native, _) | ExprKind::CallNativeOnPlace(native, _, _) => self.tables.native_has_effect(*native),
            ExprKind::CallValue(_, _) | ExprKind::Spawn(_) | ExprKind::Ask(_) => true,
            _ => false,
        }
    }

    /// Starts a counter for a loop over the given parts, if an effect may happen in them.
    pub(super) fn open_counter(&mut self, blocks: &[&'p Block], exprs: &[&'p Expr]) -> Option<u16> {
        let has_site = self.function.may_effect
            && (blocks.iter().any(|block| walk::any_in_block(block, &mut |node| self.is_site(node)))
                || exprs.iter().any(|expr| walk::any_in_expr(expr, &mut |node| self.is_site(node))));
        has_site.then(|| {
            let register = self.push_slot();
            self.load_int(0, register);
            self.counters.push(register);
            register
        })
    }

    /// Counts one round.
    pub(super) fn count_round(&mut self, counter: Option<u16>) {
        if let Some(register) = counter {
            self.asm.push(Instruction::abc(Opcode::AddIntImmediate, register, register, 1));
        }
    }

    /// Ends the counting of the innermost loop.
    pub(super) fn close_counter(&mut self, counter: Option<u16>) {
        if counter.is_some() {
            self.counters.pop();
        }
    }

    // Labels and spans.

    /// Emits with another span.
    pub(super) fn at<R>(&mut self, span: Span, emit: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.asm.set_span(span);
        let result = emit(self);
        self.asm.set_span(outer);
        result
    }

    /// A label to be bound later.
    pub(super) fn label(&mut self) -> Label {
        self.asm.label()
    }
}

/// Whether two constants are the same value of the same type; `0.0` and `-0.0` are not.
fn is_same(left: &Constant, right: &Constant) -> bool {
    match (left, right) {
        (Constant::Float(left), Constant::Float(right)) => left.to_bits() == right.to_bits(),
        _ => left == right,
    }
}

/// The variable that an expression is, if it is nothing else.
pub(super) fn variable_of(expr: &Expr) -> Option<LocalId> {
    match &expr.kind {
        ExprKind::Local(local) => Some(*local),
        ExprKind::Retype(inner) => variable_of(inner),
        _ => None,
    }
}
