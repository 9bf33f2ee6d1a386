//! Random modules: any that can be written down, and any that `verify` accepts.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use fastrand::Rng;
use vega_bytecode::module::*;
use vega_bytecode::opcode::{Arith, Operand};
use vega_bytecode::verify::NOT_RUN;
use vega_bytecode::{
    AgentId, EnumId, FunctionId, Instruction, KindId, Module, Opcode, StructId, Type, TypeId, VerifiedModule, verify,
};

/// How many cases a test runs: `few`, or as many as the environment asks for.
pub(crate) fn cases(few: u64) -> u64 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

fn word(random: &mut Rng) -> String {
    const WORDS: [&str; 8] = ["", "a", "name", "päth", "日本", "x{y}", "longer text with spaces", "\u{1F600}"];
    WORDS[random.usize(..WORDS.len())].to_owned()
}

fn some<T>(random: &mut Rng, most: usize, mut make: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(..=most)).map(|_| make(random)).collect()
}

fn maybe<T>(random: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    random.bool().then(|| make(random))
}

fn number(random: &mut Rng) -> i64 {
    match random.u8(..4) {
        0 => random.i64(-3..10),
        1 => random.i64(..),
        2 => i64::MAX - random.i64(0..3),
        _ => i64::MIN + random.i64(0..3),
    }
}

fn float(random: &mut Rng) -> f64 {
    // No NaN, so that modules can be compared.
    [0.0, -0.0, 1.5, -2.25, 1e300, f64::INFINITY][random.usize(..6)]
}

fn id(random: &mut Rng, most: u32) -> u32 {
    random.u32(0..=most)
}

fn fields(random: &mut Rng, types: u32) -> Vec<FieldDefinition> {
    some(random, 3, |random| FieldDefinition { name: word(random), ty: TypeId(id(random, types)) })
}

fn constant(random: &mut Rng, functions: u32, enums: u32) -> Constant {
    match random.u8(..10) {
        0 => Constant::Null,
        1 => Constant::Bool(random.bool()),
        2 => Constant::Int(number(random)),
        3 => Constant::Float(float(random)),
        4 | 5 => Constant::Str(word(random)),
        6 => Constant::Bytes(some(random, 5, |random| random.u8(..))),
        7 => Constant::Duration(number(random)),
        8 => Constant::Function(FunctionId(id(random, functions))),
        _ => Constant::UnitVariant(EnumId(id(random, enums)), 0),
    }
}

fn ty(random: &mut Rng, below: u32) -> Type {
    let part = |random: &mut Rng| TypeId(random.u32(0..below.max(1)));
    match random.u8(..22) {
        0 => Type::Int,
        1 => Type::Str,
        2 => Type::Any,
        3 => Type::Json,
        4 => Type::Float,
        5 => Type::Array(part(random)),
        6 => Type::Map(part(random), part(random)),
        7 => Type::Tuple(some(random, 3, part)),
        8 => Type::Optional(part(random)),
        9 => Type::Result(part(random), part(random)),
        10 => Type::Range,
        11 | 12 => Type::Struct(StructId(id(random, 6)), vec![]),
        13 | 14 => Type::Enum(EnumId(id(random, 1)), vec![]),
        15 => Type::Function(some(random, 2, part), part(random)),
        16 => Type::Future(part(random)),
        17 => Type::Bytes,
        18 => Type::Duration,
        19 => Type::Error,
        20 => Type::Parameter(random.u32(0..3)),
        _ => Type::Process,
    }
}

/// A module whose every part is random: well-formed as data, mostly nonsense as a program.
pub(crate) fn any_module(random: &mut Rng) -> Module {
    let files = some(random, 3, |random| SourceFile { path: word(random) });
    let mut module = Module { files, ..Module::default() };
    module.constants = some(random, 9, |random| constant(random, 9, 9));
    for _ in 0..random.usize(..20) {
        let below = module.types.all().len() as u32;
        module.types.intern(ty(random, below));
    }
    module.structs = some(random, 3, |random| StructDefinition { name: word(random), fields: fields(random, 99) });
    module.enums = some(random, 3, |random| EnumDefinition {
        name: word(random),
        variants: some(random, 3, |random| VariantDefinition { name: word(random), payload: fields(random, 99) }),
    });
    module.kinds = some(random, 3, |random| KindDefinition {
        name: word(random),
        parent: maybe(random, |random| KindId(random.u32(..))),
        payload: fields(random, 99),
    });
    module.natives = some(random, 3, |random| NativeImport {
        name: word(random),
        arity: random.u8(..),
        result: TypeId(random.u32(..)),
        changes_self: random.bool(),
    });
    module.functions = some(random, 3, |random| Function {
        name: word(random),
        parameters: random.u16(..),
        captures: random.u16(..),
        registers: random.u16(..),
        value_registers: some(random, 4, |random| random.u16(..)),
        returns_self: random.bool(),
        code: some(random, 20, |random| Instruction(random.u64(..))),
        handlers: some(random, 2, |random| Handler {
            start: random.u32(..),
            end: random.u32(..),
            target: random.u32(..),
            register: random.u16(..),
            keep: random.u16(..),
            cleanup: random.bool(),
        }),
        lines: some(random, 4, |random| LineEntry {
            pc: random.u32(..),
            file: random.u16(..),
            line: random.u32(..),
            column: random.u32(..),
        }),
        sites: some(random, 2, |random| Site {
            pc: random.u32(..),
            number: random.u32(..),
            loops: some(random, 2, |random| random.u16(..)),
        }),
    });
    module.agents = some(random, 2, |random| Agent {
        name: word(random),
        parameters: fields(random, 99),
        clauses: FunctionId(random.u32(..)),
        output: TypeId(random.u32(..)),
        state: fields(random, 99),
        tools: some(random, 2, |random| Tool {
            name: word(random),
            description: word(random),
            parameters: some(random, 2, |random| ToolParameter {
                name: word(random),
                description: word(random),
                ty: TypeId(random.u32(..)),
            }),
            result: TypeId(random.u32(..)),
            function: FunctionId(random.u32(..)),
            uses_state: random.bool(),
            capabilities: some(random, 2, |random| [Capability::FileRead, Capability::Net, Capability::Agent][random.usize(..3)]),
            allowed_paths: maybe(random, |random| some(random, 2, word)),
            allowed_commands: maybe(random, |random| some(random, 2, word)),
            allowed_hosts: maybe(random, |random| some(random, 2, word)),
        }),
    });
    module.spawns = some(random, 2, |random| spawn(random, 99));
    module.asks = some(random, 2, |random| AskDescription {
        output: TypeId(random.u32(..)),
        has_timeout: random.bool(),
        has_budget: random.bool(),
        join: if random.bool() { Join::AtOnce } else { Join::Later(random.u32(..)) },
    });
    module.paths = some(random, 2, |random| path(random, u16::MAX));
    module.entry = maybe(random, |random| FunctionId(random.u32(..)));
    module
}

fn spawn(random: &mut Rng, functions: u32) -> SpawnDescription {
    const STRATEGIES: [Strategy; 5] =
        [Strategy::Restart, Strategy::Stop, Strategy::Escalate, Strategy::RestartAll, Strategy::RestartRest];
    SpawnDescription {
        target: match random.u8(..3) {
            0 => SpawnTarget::Function(FunctionId(id(random, functions))),
            1 => SpawnTarget::Agent(AgentId(id(random, 1))),
            _ => SpawnTarget::Task(FunctionId(id(random, functions))),
        },
        arguments: random.u16(..4),
        supervision: maybe(random, |random| Supervision {
            strategy: STRATEGIES[random.usize(..STRATEGIES.len())],
            has_max_restarts: random.bool(),
            has_window: random.bool(),
            has_backoff: random.bool(),
        }),
        asynchronous: random.bool(),
        linked: random.bool(),
        member: random.bool(),
    }
}

fn path(random: &mut Rng, registers: u16) -> Path {
    let mut steps = some(random, 2, |random| if random.bool() { PathStep::Index } else { PathStep::Field(random.u16(..3)) });
    steps.push(PathStep::Index);
    Path { registers: random.u16(..registers), steps }
}

/// Registers of each function of a runnable module.
const REGISTERS: u16 = 14;
/// Functions of a runnable module.
const FUNCTIONS: u32 = 5;

/// A module that `verify` accepts, whose instructions are otherwise random, and whose errors are mostly caught.
pub(crate) fn runnable_module(random: &mut Rng) -> VerifiedModule {
    let mut module = Module::new();
    module.files.push(SourceFile { path: "soup.vega".into() });
    while module.types.all().len() < 40 {
        let below = module.types.all().len() as u32;
        module.types.intern(ty(random, below));
    }
    let some_type = |random: &mut Rng| TypeId(random.u32(0..40));
    for name in ["Empty", "Pair", "Three"] {
        let fields =
            (0..module.structs.len() - 4).map(|index| FieldDefinition { name: index.to_string(), ty: some_type(random) });
        let fields = fields.collect();
        module.structs.push(StructDefinition { name: name.into(), fields });
    }
    for name in ["Choice", "Other"] {
        let variants = (0..3).map(|count| VariantDefinition {
            name: format!("V{count}"),
            payload: (0..count).map(|_| FieldDefinition { name: String::new(), ty: some_type(random) }).collect(),
        });
        let variants = variants.collect();
        module.enums.push(EnumDefinition { name: name.into(), variants });
    }
    for arity in 0..4 {
        module.natives.push(NativeImport {
            name: format!("n{arity}"),
            arity,
            result: some_type(random),
            changes_self: arity == 2,
        });
    }
    for index in 0..FUNCTIONS as u16 {
        let (parameters, captures) = if index == 0 { (0, 0) } else { (random.u16(..3), if index == 4 { 2 } else { 0 }) };
        let returns_self = parameters > 0 && random.bool();
        module.functions.push(function(random, index, parameters, captures, returns_self));
    }
    module.constants = (0..12).map(|_| constant(random, 3, 1)).collect();
    module.constants.push(Constant::Str(">5".into()));
    module.entry = Some(FunctionId(0));
    for _ in 0..3 {
        let mut spawn = spawn(random, 3);
        if let SpawnTarget::Function(target) | SpawnTarget::Task(target) = spawn.target {
            spawn.arguments = module.functions[target.0 as usize].parameters;
        } else {
            spawn.target = SpawnTarget::Function(FunctionId(0));
            spawn.arguments = 0;
        }
        module.spawns.push(spawn);
    }
    for has_timeout in [false, true] {
        let output = some_type(random);
        module.asks.push(AskDescription { output, has_timeout, has_budget: random.bool(), join: Join::AtOnce });
    }
    module.paths = (0..6).map(|_| path(random, REGISTERS - 4)).collect();
    for index in 0..module.functions.len() {
        let length = random.u32(8..60);
        let code = (0..length).map(|pc| instruction(random, &module, pc, length)).collect();
        let function = &mut module.functions[index];
        function.code = code;
        function.code.push(Instruction::abc(Opcode::ReturnNull, 0, 0, 0));
        for _ in 0..2 {
            let (start, end) = (random.u32(..length / 2), length + 1);
            let register = random.u16(..REGISTERS);
            let target = random.u32(..=length);
            function.handlers.push(Handler {
                start,
                end,
                target,
                register,
                keep: random.u16(..=REGISTERS),
                cleanup: random.u8(..4) == 0,
            });
        }
        for pc in (0..length).step_by(7) {
            function.sites.push(Site { pc, number: pc / 7, loops: vec![random.u16(..REGISTERS)] });
            function.lines.push(LineEntry { pc, file: 0, line: pc + 1, column: 1 });
        }
    }
    repaired(module)
}

fn function(random: &mut Rng, index: u16, parameters: u16, captures: u16, returns_self: bool) -> Function {
    Function {
        name: format!("f{index}"),
        parameters,
        captures,
        registers: REGISTERS,
        value_registers: (0..REGISTERS).filter(|_| random.bool()).collect(),
        returns_self,
        ..Function::default()
    }
}

/// Replaces what `verify` refuses until it refuses nothing.
fn repaired(mut module: Module) -> VerifiedModule {
    loop {
        match verify(module.clone()) {
            Ok(verified) => return verified,
            Err(error) => {
                let (Some(function), Some(pc)) = (error.function, error.pc) else {
                    panic!("only instructions are random: {error}")
                };
                module.functions[function.0 as usize].code[pc as usize] =
                    Instruction::abc(Opcode::LoadNull, pc as u16 % REGISTERS, 0, 0);
            }
        }
    }
}

fn instruction(random: &mut Rng, module: &Module, pc: u32, length: u32) -> Instruction {
    let op = loop {
        // The results of natives give the other instructions something to work on.
        let native = random.u8(..6) == 0;
        let op = if native { Opcode::CallNative } else { Opcode::ALL[random.usize(..Opcode::ALL.len())] };
        // Exits and returns would end most programs at once.
        let ends = matches!(op, Opcode::Exit | Opcode::Return | Opcode::ReturnScalar | Opcode::ReturnNull | Opcode::ReceiveWait);
        if !NOT_RUN.contains(&op) && (!ends || random.u8(..8) == 0) {
            break op;
        }
    };
    let layout = op.layout();
    let mut field = |operand: Option<Operand>| -> u32 {
        match operand {
            None => 0,
            Some(Operand::Window | Operand::TakeRun) => random.u32(..u32::from(REGISTERS - 4)),
            Some(Operand::ScalarOut | Operand::ValueOut | Operand::In | Operand::Take | Operand::Change) => {
                random.u32(..u32::from(REGISTERS))
            }
            Some(Operand::Count) => random.u32(..4),
            Some(Operand::Immediate) if op == Opcode::Arith => random.u32(..Arith::ALL.len() as u32),
            Some(Operand::Immediate) => random.u32(..2),
            Some(Operand::Signed) => random.i32(-3..4) as u32,
            Some(Operand::Constant) => random.u32(..module.constants.len() as u32),
            Some(Operand::Function) => random.u32(..FUNCTIONS),
            Some(Operand::Native) => random.u32(..module.natives.len() as u32),
            Some(Operand::Type) => random.u32(..module.types.all().len() as u32),
            Some(Operand::Kind) => random.u32(..module.kinds.len() as u32),
            Some(Operand::Spawn) => random.u32(..module.spawns.len() as u32),
            Some(Operand::Ask) => random.u32(..module.asks.len() as u32),
            Some(Operand::Path) => random.u32(..module.paths.len() as u32),
            Some(Operand::Jump) => 0,
        }
    };
    let (a, b, c, x) = (field(layout.a) as u16, field(layout.b), field(layout.c) as u16, field(layout.x) as u8);
    if op.has_jump() {
        return Instruction::jump(op, a, b as u16, random.i32(-(pc as i32) - 1..(length - pc) as i32));
    }
    if layout.wide { Instruction::wide(op, x, a, b) } else { Instruction::xabc(op, x, a, b as u16, counted(module, op, b, c)) }
}

/// The count that goes with an index, where verify wants one; as it is elsewhere.
fn counted(module: &Module, op: Opcode, b: u32, c: u16) -> u16 {
    match op {
        Opcode::CallNative => module.natives[b as usize].arity.into(),
        Opcode::MakeError => module.kinds[b as usize].payload.len() as u16,
        Opcode::MakeClosure => module.functions[b as usize].captures,
        _ => c,
    }
}
