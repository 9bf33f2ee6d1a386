//! Bytecode changed so that much of it still verifies: fields of instructions, frames, handlers and tables instead of bytes.

use std::sync::OnceLock;

use fastrand::Rng;
use vega_bytecode::module::*;
use vega_bytecode::opcode::Operand;
use vega_bytecode::{Instruction, Module, Opcode, TypeId};

/// Changes one to four things.
pub fn mutate(module: &mut Module, random: &mut Rng) {
    for _ in 0..random.usize(1..=4) {
        match random.u8(..20) {
            0 => constants(module, random),
            1 | 2 => natives(module, random),
            3 => descriptions(module, random),
            4 => paths(module, random),
            5 => tables(module, random),
            6..=8 => frame(module, random),
            _ => instruction(module, random),
        }
    }
}

fn pick<'a, T>(from: &'a mut [T], random: &mut Rng) -> Option<&'a mut T> {
    let length = from.len();
    if length == 0 { None } else { from.get_mut(random.usize(..length)) }
}

fn number(random: &mut Rng) -> i64 {
    match random.u8(..6) {
        0 => random.i64(-3..10),
        1 => random.i64(..),
        2 => i64::MAX - random.i64(0..3),
        3 => i64::MIN + random.i64(0..3),
        4 => random.i64(0..1 << 20),
        _ => 1 << random.u8(..63),
    }
}

/// Changes an index a little, or to any that may exist.
fn index(old: u32, below: usize, random: &mut Rng) -> u32 {
    match random.u8(..4) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        _ => random.u32(..below.max(1) as u32),
    }
}

fn constants(module: &mut Module, random: &mut Rng) {
    let (functions, enums) = (module.functions.len(), module.enums.len());
    let Some(constant) = pick(&mut module.constants, random) else { return };
    *constant = match random.u8(..10) {
        0 => Constant::Null,
        1 => Constant::Bool(random.bool()),
        2 | 3 => Constant::Int(number(random)),
        4 => Constant::Float([0.0, -0.0, 1.5, 1e300, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE][random.usize(..7)]),
        5 => {
            Constant::Str(["", "a", "日本語", "{", "%s", "\0", "[1,{\"a\":null}]", "1e400", "9:d"][random.usize(..9)].to_owned())
        }
        6 => Constant::Bytes(vec![random.u8(..); random.usize(..9)]),
        7 => Constant::Duration(number(random)),
        8 => Constant::Function(vega_bytecode::FunctionId(index(0, functions, random))),
        _ => Constant::UnitVariant(vega_bytecode::EnumId(index(0, enums, random)), random.u32(..3)),
    };
}

fn natives(module: &mut Module, random: &mut Rng) {
    static NATIVES: OnceLock<Vec<(String, u8)>> = OnceLock::new();
    let known = NATIVES.get_or_init(crate::seeds::natives);
    let types = module.types.all().len();
    let Some(native) = pick(&mut module.natives, random) else { return };
    match random.u8(..8) {
        0 => native.changes_self = !native.changes_self,
        1 => native.result = TypeId(index(native.result.0, types, random)),
        _ => {
            // Of the same arity, so that its calls still fit.
            let fitting: Vec<&(String, u8)> = known.iter().filter(|(_, arity)| *arity == native.arity).collect();
            if let Some((name, _)) = random.choice(fitting) {
                native.name.clone_from(name);
            }
        }
    }
}

fn descriptions(module: &mut Module, random: &mut Rng) {
    let (functions, agents) = (module.functions.len(), module.agents.len());
    if random.bool() {
        let Some(ask) = pick(&mut module.asks, random) else { return };
        match random.u8(..4) {
            0 => ask.has_timeout = !ask.has_timeout,
            1 => ask.has_budget = !ask.has_budget,
            2 => ask.join = if random.bool() { Join::AtOnce } else { Join::Later(random.u32(..4)) },
            _ => ask.output = TypeId(index(ask.output.0, module.types.all().len(), random)),
        }
        return;
    }
    let Some(spawn) = pick(&mut module.spawns, random) else { return };
    match random.u8(..6) {
        0 => spawn.arguments = random.u16(..4),
        1 => spawn.asynchronous = !spawn.asynchronous,
        2 => spawn.linked = !spawn.linked,
        3 => {
            let strategies = [Strategy::Restart, Strategy::Stop, Strategy::Escalate, Strategy::RestartAll, Strategy::RestartRest];
            spawn.supervision = random.bool().then(|| Supervision {
                strategy: strategies[random.usize(..5)],
                has_max_restarts: random.bool(),
                has_window: random.bool(),
                has_backoff: random.bool(),
            });
        }
        _ => {
            let function = vega_bytecode::FunctionId(index(0, functions, random));
            spawn.target = match random.u8(..3) {
                0 => SpawnTarget::Function(function),
                1 => SpawnTarget::Task(function),
                _ => SpawnTarget::Agent(vega_bytecode::AgentId(index(0, agents, random))),
            };
        }
    }
}

fn paths(module: &mut Module, random: &mut Rng) {
    let Some(path) = pick(&mut module.paths, random) else { return };
    let step = if random.bool() { PathStep::Index } else { PathStep::Field(random.u16(..4)) };
    match random.u8(..4) {
        0 => path.registers = path.registers.wrapping_add_signed(random.i16(-2..3)),
        1 => path.steps.push(step),
        2 => drop(path.steps.pop()),
        _ => path.steps.iter_mut().last().into_iter().for_each(|last| *last = step),
    }
}

/// Structs, enums, kinds and agents: fewer fields, other types, other parents.
fn tables(module: &mut Module, random: &mut Rng) {
    let (types, kinds, functions) = (module.types.all().len(), module.kinds.len(), module.functions.len());
    match random.u8(..5) {
        0 => {
            let Some(definition) = pick(&mut module.structs, random) else { return };
            if random.bool() {
                definition.fields.pop();
            } else if let Some(field) = pick(&mut definition.fields, random) {
                field.ty = TypeId(index(field.ty.0, types, random));
            }
        }
        1 => {
            let Some(definition) = pick(&mut module.enums, random) else { return };
            let Some(variant) = pick(&mut definition.variants, random) else { return };
            if random.bool() {
                variant.payload.pop();
            } else if let Some(field) = pick(&mut variant.payload, random) {
                field.ty = TypeId(index(field.ty.0, types, random));
            }
        }
        2 => {
            let Some(definition) = pick(&mut module.kinds, random) else { return };
            definition.parent = random.bool().then(|| vega_bytecode::KindId(random.u32(..kinds as u32 + 1)));
        }
        3 => {
            let Some(agent) = pick(&mut module.agents, random) else { return };
            match random.u8(..3) {
                0 => agent.clauses = vega_bytecode::FunctionId(index(agent.clauses.0, functions, random)),
                1 => agent.output = TypeId(index(agent.output.0, types, random)),
                _ => {
                    let Some(tool) = pick(&mut agent.tools, random) else { return };
                    match random.bool() {
                        true => tool.function = vega_bytecode::FunctionId(index(tool.function.0, functions, random)),
                        false => tool.result = TypeId(index(tool.result.0, types, random)),
                    }
                }
            }
        }
        _ => module.entry = random.bool().then(|| vega_bytecode::FunctionId(index(0, functions, random))),
    }
}

/// What belongs to a function besides its code.
fn frame(module: &mut Module, random: &mut Rng) {
    let Some(function) = pick(&mut module.functions, random) else { return };
    let length = function.code.len();
    match random.u8(..10) {
        0 => function.registers = function.registers.wrapping_add_signed(random.i16(-3..6)),
        1 => function.parameters = random.u16(..5),
        2 => function.captures = random.u16(..4),
        3 => function.returns_self = !function.returns_self,
        4 => {
            function.value_registers = (0..function.registers.min(300)).filter(|_| random.bool()).collect();
        }
        5 => drop(function.value_registers.pop()),
        6 => {
            let start = random.usize(..length.max(1)) as u32;
            let handler = Handler {
                start,
                end: start + random.u32(..20),
                target: random.usize(..length.max(1)) as u32,
                register: random.u16(..function.registers.max(1)),
                keep: random.u16(..=function.registers),
                cleanup: random.bool(),
            };
            let at = random.usize(..=function.handlers.len());
            function.handlers.insert(at, handler);
        }
        7 | 8 => {
            let registers = function.registers;
            let Some(handler) = pick(&mut function.handlers, random) else { return };
            match random.u8(..6) {
                0 => handler.start = random.usize(..length.max(1)) as u32,
                1 => handler.end = random.usize(..=length) as u32,
                2 => handler.target = random.usize(..length.max(1)) as u32,
                3 => handler.register = random.u16(..registers.max(1)),
                4 => handler.keep = random.u16(..=registers),
                _ => handler.cleanup = !handler.cleanup,
            }
        }
        _ => {
            let Some(site) = pick(&mut function.sites, random) else { return };
            site.loops = (0..random.u16(..3)).collect();
        }
    }
}

/// One instruction replaced, moved, or changed in one field. The length of the code stays, so jumps keep their meaning.
fn instruction(module: &mut Module, random: &mut Rng) {
    let other = {
        let Some(function) = pick(&mut module.functions, random) else { return };
        pick(&mut function.code, random).map(|instruction| *instruction)
    };
    let sizes = Sizes {
        constants: module.constants.len(),
        functions: module.functions.len(),
        natives: module.natives.len(),
        types: module.types.all().len(),
        kinds: module.kinds.len(),
        spawns: module.spawns.len(),
        asks: module.asks.len(),
        paths: module.paths.len(),
    };
    let Some(function) = pick(&mut module.functions, random) else { return };
    let (registers, length) = (function.registers, function.code.len());
    if length == 0 {
        return;
    }
    let at = random.usize(..length);
    match random.u8(..10) {
        0 => function.code.swap(at, random.usize(..length)),
        1 => function.code[at] = other.unwrap_or(function.code[at]),
        2 => function.code[at] = function.code[random.usize(..length)],
        3..=5 => {
            let op = Opcode::ALL[random.usize(..Opcode::ALL.len())];
            function.code[at] = filled(op, function.code[at], registers, &sizes, random, 4);
        }
        _ => {
            let old = function.code[at];
            let Some(op) = old.opcode() else { return };
            function.code[at] = filled(op, old, registers, &sizes, random, 2);
        }
    }
}

/// How long the tables are that operands point into.
struct Sizes {
    constants: usize,
    functions: usize,
    natives: usize,
    types: usize,
    kinds: usize,
    spawns: usize,
    asks: usize,
    paths: usize,
}

/// An instruction whose fields mean something; each keeps what `old` had there unless one of `chance` coins says otherwise.
fn filled(op: Opcode, old: Instruction, registers: u16, sizes: &Sizes, random: &mut Rng, chance: u8) -> Instruction {
    let layout = op.layout();
    let mut field = |operand: Option<Operand>, old: u32, is_wide: bool| -> u32 {
        let Some(operand) = operand else { return 0 };
        if random.u8(..4) >= chance {
            return old;
        }
        let small = |random: &mut Rng| match random.u8(..4) {
            0 if is_wide => number(random) as u32,
            0 => random.u32(..1 << 16),
            1 => old.wrapping_add(1),
            _ => random.u32(..6),
        };
        match operand {
            Operand::Constant => index(old, sizes.constants, random),
            Operand::Function => index(old, sizes.functions, random),
            Operand::Native => index(old, sizes.natives, random),
            Operand::Type => index(old, sizes.types, random),
            Operand::Kind => index(old, sizes.kinds, random),
            Operand::Spawn => index(old, sizes.spawns, random),
            Operand::Ask => index(old, sizes.asks, random),
            Operand::Path => index(old, sizes.paths, random),
            Operand::Count | Operand::Immediate | Operand::Signed => small(random),
            Operand::Jump => random.i32(-12..12) as u32,
            _ => u32::from(random.u16(..registers.max(1))),
        }
    };
    let x = field(layout.x, old.x().into(), false) as u8;
    let a = field(layout.a, old.a().into(), false) as u16;
    if layout.wide {
        return Instruction::wide(op, x, a, field(layout.b, old.bc(), true));
    }
    let b = field(layout.b, old.b().into(), false) as u16;
    if op.has_jump() {
        return Instruction::jump(op, a, b, field(layout.c, old.offset() as u32, false) as i32);
    }
    Instruction::xabc(op, x, a, b, field(layout.c, old.c().into(), false) as u16)
}
