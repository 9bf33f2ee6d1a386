//! Programs written instruction by instruction, with labels.

use std::collections::HashMap;

use vega_bytecode::module::{
    Constant, Function, LineEntry, NativeImport, SourceFile, SpawnDescription, SpawnTarget, Strategy, Supervision,
};
use vega_bytecode::{FunctionId, Instruction, Module, Opcode, Type, VerifiedModule, verify};

/// A program under construction. Function 0 is its entry.
pub(crate) struct Program(Module);

/// A function under construction.
#[derive(Default)]
pub(crate) struct Code {
    instructions: Vec<Instruction>,
    labels: HashMap<&'static str, usize>,
    jumps: Vec<(usize, &'static str)>,
}

impl Program {
    pub(crate) fn new() -> Self {
        let mut module = Module::new();
        module.entry = Some(FunctionId(0));
        module.files.push(SourceFile { path: "test.vega".into() });
        Self(module)
    }

    /// Adds a function; each instruction is a source line of its own.
    pub(crate) fn function(&mut self, name: &str, parameters: u16, registers: u16, code: Code) -> FunctionId {
        let code = code.finish();
        let lines = (0..code.len() as u32).map(|pc| LineEntry { pc, file: 0, line: pc + 1, column: 1 }).collect();
        self.0.functions.push(Function {
            name: name.into(),
            parameters,
            registers,
            value_registers: (0..registers).collect(),
            code,
            lines,
            ..Function::default()
        });
        FunctionId(self.0.functions.len() as u32 - 1)
    }

    pub(crate) fn constant(&mut self, constant: Constant) -> u32 {
        self.0.constants.push(constant);
        self.0.constants.len() as u32 - 1
    }

    pub(crate) fn native(&mut self, name: &str, arity: u8) -> u16 {
        let result = self.0.types.intern(Type::Any);
        self.0.natives.push(NativeImport { name: name.into(), arity, result, changes_self: false });
        self.0.natives.len() as u16 - 1
    }

    /// A plain spawn of a function.
    pub(crate) fn spawn(&mut self, function: u32, arguments: u16) -> u16 {
        self.describe(SpawnTarget::Function(FunctionId(function)), arguments, None, false)
    }

    /// An expression that runs as a task.
    pub(crate) fn task(&mut self, function: u32, arguments: u16) -> u16 {
        self.describe(SpawnTarget::Task(FunctionId(function)), arguments, None, true)
    }

    /// A supervised spawn with the default numbers.
    pub(crate) fn supervised(&mut self, function: u32, arguments: u16, strategy: Strategy) -> u16 {
        let supervision = Supervision { strategy, has_max_restarts: false, has_window: false, has_backoff: false };
        self.describe(SpawnTarget::Function(FunctionId(function)), arguments, Some(supervision), false)
    }

    fn describe(&mut self, target: SpawnTarget, arguments: u16, supervision: Option<Supervision>, asynchronous: bool) -> u16 {
        self.0.spawns.push(SpawnDescription { target, arguments, supervision, asynchronous, linked: false, member: false });
        self.0.spawns.len() as u16 - 1
    }

    pub(crate) fn finish(self) -> VerifiedModule {
        verify(self.0).expect("the test's program is well formed")
    }
}

impl Code {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn op(mut self, op: Opcode, a: u16, b: u16, c: u16) -> Self {
        self.instructions.push(Instruction::abc(op, a, b, c));
        self
    }

    pub(crate) fn wide(mut self, op: Opcode, a: u16, operand: u32) -> Self {
        self.instructions.push(Instruction::wide(op, 0, a, operand));
        self
    }

    pub(crate) fn int(self, register: u16, value: i32) -> Self {
        self.wide(Opcode::LoadInt, register, value as u32)
    }

    pub(crate) fn label(mut self, name: &'static str) -> Self {
        self.labels.insert(name, self.instructions.len());
        self
    }

    pub(crate) fn jump(mut self, op: Opcode, a: u16, b: u16, target: &'static str) -> Self {
        self.jumps.push((self.instructions.len(), target));
        self.instructions.push(Instruction::jump(op, a, b, 0));
        self
    }

    /// Receives the next message of any kind into a register.
    pub(crate) fn receive(self, register: u16, again: &'static str, wait: &'static str, done: &'static str) -> Self {
        self.label(again)
            .jump(Opcode::ReceivePeek, register, 0, wait)
            .op(Opcode::ReceiveAccept, 0, 0, 0)
            .jump(Opcode::Jump, 0, 0, done)
            .label(wait)
            .jump(Opcode::ReceiveWait, 0, 0, again)
            .label(done)
    }

    /// Waits for ever.
    pub(crate) fn wait_for_ever(self, scratch: u16) -> Self {
        self.label("forever").receive(scratch, "wfe-again", "wfe-wait", "wfe-done").jump(Opcode::Jump, 0, 0, "forever")
    }

    pub(crate) fn return_scalar(self, register: u16) -> Self {
        self.op(Opcode::ReturnScalar, register, 0, 0)
    }

    pub(crate) fn return_null(self) -> Self {
        self.op(Opcode::ReturnNull, 0, 0, 0)
    }

    fn finish(mut self) -> Vec<Instruction> {
        for (place, target) in self.jumps {
            let offset = self.labels[target] as i32 - place as i32 - 1;
            let jump = self.instructions[place];
            let op = jump.opcode().expect("made from an opcode");
            self.instructions[place] = Instruction::jump(op, jump.a(), jump.b(), offset);
        }
        self.instructions
    }
}
