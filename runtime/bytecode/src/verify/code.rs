//! Checks one function: its frame, its instructions operand by operand as the table describes them, its handlers, lines and sites.

use super::{CODE_MAX, NOT_RUN, REGISTERS_MAX, VerifyError, ensure};
use crate::disassemble;
use crate::instruction::Instruction;
use crate::module::*;
use crate::opcode::{Arith, Opcode, Operand};
use crate::types::{Type, TypeId};

type Checked = Result<(), VerifyError>;

pub(super) fn check(module: &Module, function: &Function) -> Checked {
    check_frame(function)?;
    ensure!(!function.code.is_empty(), "it has no code");
    ensure!(function.code.len() <= CODE_MAX, "it has {} instructions, {CODE_MAX} are allowed", function.code.len());
    for (pc, &instruction) in function.code.iter().enumerate() {
        let place = Place { module, function, pc };
        place.check(instruction).map_err(|mut error| {
            error.pc = Some(pc as u32);
            error.instruction = disassemble::instruction(module, function, pc);
            error
        })?;
    }
    let last = function.code[function.code.len() - 1].opcode().expect("all instructions have been checked");
    ensure!(ends_flow(last), "the code runs off its end after `{}`", last.mnemonic());
    check_handlers(function)?;
    check_lines(module, function)?;
    check_sites(function)
}

/// Whether the instruction after it is reached only by jumps.
fn ends_flow(op: Opcode) -> bool {
    matches!(
        op,
        Opcode::Jump
            | Opcode::Return
            | Opcode::ReturnScalar
            | Opcode::ReturnNull
            | Opcode::Throw
            | Opcode::Exit
            | Opcode::ReceiveSkip
    )
}

fn check_frame(function: &Function) -> Checked {
    let registers = function.registers;
    ensure!(registers <= REGISTERS_MAX, "it has {registers} registers, {REGISTERS_MAX} are allowed");
    let arguments = u32::from(function.parameters) + u32::from(function.captures);
    ensure!(arguments <= u32::from(registers), "its {arguments} parameters and captures do not fit {registers} registers");
    ensure!(!function.returns_self || function.parameters > 0, "it returns `self` but has no parameter");
    ensure!(function.value_registers.is_sorted_by(|left, right| left < right), "its value registers are not ascending");
    let inside = function.value_registers.last().is_none_or(|&last| last < registers);
    ensure!(inside, "a value register lies outside of its {registers} registers");
    Ok(())
}

fn check_handlers(function: &Function) -> Checked {
    let length = function.code.len() as u32;
    for (number, handler) in function.handlers.iter().enumerate() {
        ensure!(handler.start < handler.end && handler.end <= length, "handler {number} covers no code of it");
        ensure!(handler.target < length, "handler {number} lies outside of the code");
        ensure!(handler.register < function.registers, "handler {number} wants its error outside of the frame");
        ensure!(handler.keep <= function.registers, "handler {number} keeps registers outside of the frame");
    }
    Ok(())
}

fn check_lines(module: &Module, function: &Function) -> Checked {
    ensure!(function.lines.is_sorted_by(|left, right| left.pc < right.pc), "its debug lines are not ascending");
    let known = function.lines.iter().all(|line| usize::from(line.file) < module.files.len());
    ensure!(known, "a debug line names a file that does not exist");
    Ok(())
}

fn check_sites(function: &Function) -> Checked {
    ensure!(function.sites.is_sorted_by(|left, right| left.pc < right.pc), "its effect sites are not ascending");
    for site in &function.sites {
        ensure!((site.pc as usize) < function.code.len(), "effect site {} lies outside of the code", site.number);
        let inside = site.loops.iter().all(|register| *register < function.registers);
        ensure!(inside, "effect site {} counts loops outside of the frame", site.number);
    }
    Ok(())
}

/// One instruction where it stands.
struct Place<'a> {
    module: &'a Module,
    function: &'a Function,
    pc: usize,
}

impl Place<'_> {
    fn check(&self, instruction: Instruction) -> Checked {
        let Some(op) = instruction.opcode() else {
            return Err(VerifyError::new(format!("no instruction has the number {:#04x}", instruction.byte())));
        };
        ensure!(!NOT_RUN.contains(&op), "`{}` is not run by this version of Vega", op.mnemonic());
        let layout = op.layout();
        let (b, c) = if layout.wide { (instruction.bc(), 0) } else { (instruction.b().into(), instruction.c().into()) };
        self.operand(instruction, layout.x, instruction.x().into())?;
        self.operand(instruction, layout.a, instruction.a().into())?;
        self.operand(instruction, layout.b, b)?;
        self.operand(instruction, layout.c, c)?;
        self.special(op, instruction)
    }

    fn operand(&self, instruction: Instruction, operand: Option<Operand>, field: u32) -> Checked {
        let module = self.module;
        let Some(operand) = operand else {
            ensure!(field == 0, "a field without meaning is not zero");
            return Ok(());
        };
        let (what, count) = match operand {
            Operand::ScalarOut | Operand::ValueOut | Operand::In | Operand::Take | Operand::Change | Operand::Window => {
                return self.register(field);
            }
            // An empty run may begin where the registers end; how long it is, is checked with the instruction.
            Operand::TakeRun => {
                let registers = self.function.registers;
                ensure!(field <= u32::from(registers), "r{field} lies outside of the {registers} registers");
                return Ok(());
            }
            // What these mean depends on the instruction.
            Operand::Count | Operand::Immediate | Operand::Signed => return Ok(()),
            Operand::Jump => {
                let target = self.pc as i64 + 1 + i64::from(instruction.offset());
                let inside = target >= 0 && target < self.function.code.len() as i64;
                ensure!(inside, "it jumps to {target}, outside of the code");
                return Ok(());
            }
            Operand::Constant => ("constant", module.constants.len()),
            Operand::Function => ("function", module.functions.len()),
            Operand::Native => ("native", module.natives.len()),
            Operand::Type => ("type", module.types.all().len()),
            Operand::Kind => ("error kind", module.kinds.len()),
            Operand::Spawn => ("spawn description", module.spawns.len()),
            Operand::Ask => ("ask description", module.asks.len()),
            Operand::Path => ("path", module.paths.len()),
        };
        ensure!((field as usize) < count, "there is no {what} {field}");
        Ok(())
    }

    fn register(&self, register: u32) -> Checked {
        let registers = self.function.registers;
        ensure!(register < u32::from(registers), "r{register} lies outside of the {registers} registers");
        Ok(())
    }

    /// Registers `first .. first + count`.
    fn run(&self, first: u32, count: u32) -> Checked {
        if count > 0 {
            self.register(first + count - 1)?;
        }
        Ok(())
    }

    /// A window at `a` with `count` arguments.
    fn window(&self, instruction: Instruction, count: usize) -> Checked {
        // A length beyond any frame is refused as such, so the sum below cannot overflow.
        self.run(u32::from(instruction.a()) + 1, u32::try_from(count).unwrap_or(u32::MAX >> 1))
    }

    fn flag(&self, field: &str, value: u16) -> Checked {
        ensure!(value <= 1, "`{field}` is {value}, it may be 0 or 1");
        Ok(())
    }

    fn count(&self, what: &str, wanted: usize, given: u16) -> Checked {
        ensure!(wanted == usize::from(given), "{what} takes {wanted} values, not {given}");
        Ok(())
    }

    /// What the table alone does not say.
    fn special(&self, op: Opcode, at: Instruction) -> Checked {
        let module = self.module;
        match op {
            Opcode::LoadBool => self.flag("b", at.b()),
            Opcode::LoadScalar => {
                let constant = &module.constants[at.bc() as usize];
                let scalar = matches!(
                    constant,
                    Constant::Null
                        | Constant::Bool(_)
                        | Constant::Int(_)
                        | Constant::Float(_)
                        | Constant::Duration(_)
                        | Constant::Money(_)
                );
                ensure!(scalar, "constant {} is no scalar", at.bc());
                Ok(())
            }
            Opcode::Arith => {
                ensure!(Arith::from_byte(at.x()).is_some(), "no arithmetic operation has the number {}", at.x());
                Ok(())
            }
            Opcode::IterNext => {
                let position = u32::from(at.b()) + 1;
                self.register(position)?;
                ensure!(u32::from(at.a()) != position && at.a() != at.b(), "the element would overwrite the iteration");
                Ok(())
            }
            Opcode::Format => {
                let text = matches!(module.constants[usize::from(at.c())], Constant::Str(_));
                ensure!(text, "constant {} is no format", at.c());
                Ok(())
            }
            Opcode::JoinText | Opcode::MakeArray | Opcode::MakeTuple => self.run(at.b().into(), at.c().into()),
            Opcode::MakeMap => {
                ensure!(at.c().is_multiple_of(2), "a key has no value");
                self.run(at.b().into(), at.c().into())
            }
            Opcode::MakeStruct => match &module.types[TypeId(at.bc())] {
                Type::Struct(id, _) => self.window(at, module.structs[id.0 as usize].fields.len()),
                _ => Err(VerifyError::new(format!("type {} is no struct", at.bc()))),
            },
            Opcode::MakeEnum => {
                let payload = match &module.types[TypeId(at.b().into())] {
                    Type::Enum(id, _) => {
                        let variants = &module.enums[id.0 as usize].variants;
                        variants.get(usize::from(at.x())).map(|variant| variant.payload.len())
                    }
                    Type::Result(_, _) => (at.x() <= 1).then_some(1),
                    _ => return Err(VerifyError::new(format!("type {} is no enum", at.b()))),
                };
                let Some(payload) = payload else { return Err(VerifyError::new(format!("there is no variant {}", at.x()))) };
                self.count("the variant", payload, at.c())?;
                self.window(at, payload)
            }
            Opcode::MakeRange => self.flag("x", at.x().into()),
            Opcode::MakeClosure => {
                let target = &module.functions[usize::from(at.b())];
                self.count("the closure's function", target.captures.into(), at.c())?;
                self.window(at, target.captures.into())
            }
            Opcode::PathGet | Opcode::PathSet | Opcode::PathTake | Opcode::PathPush => {
                let path = &module.paths[at.bc() as usize];
                let dynamic = path.steps.iter().filter(|step| **step == PathStep::Index).count();
                let last = usize::from(path.registers) + dynamic;
                self.register(u32::try_from(last).unwrap_or(u32::MAX))?;
                let inside = (usize::from(path.registers)..=last).contains(&at.a().into());
                ensure!(!inside, "r{} holds both the variable and a step of the path", at.a());
                Ok(())
            }
            Opcode::Call => {
                let target = &module.functions[at.bc() as usize];
                ensure!(target.captures == 0, "`{}` has captures, so it cannot be called directly", target.name);
                self.window(at, target.parameters.into())
            }
            Opcode::CallClosure => self.window(at, at.c().into()),
            Opcode::CallNative => {
                let native = &module.natives[usize::from(at.b())];
                self.count(&format!("native `{}`", native.name), native.arity.into(), at.c())?;
                self.window(at, native.arity.into())
            }
            Opcode::MakeError => {
                let kind = &module.kinds[usize::from(at.b())];
                self.count(&format!("`{}`", kind.name), kind.payload.len(), at.c())?;
                self.window(at, kind.payload.len())
            }
            Opcode::Spawn | Opcode::SpawnSupervised => {
                let spawn = &module.spawns[usize::from(at.b())];
                ensure!(
                    spawn.supervision.is_some() == (op == Opcode::SpawnSupervised)
                        || matches!(spawn.target, SpawnTarget::Agent(_)),
                    "the description and the instruction disagree about supervision"
                );
                self.window(at, spawn.window_values())
            }
            Opcode::Ask | Opcode::SendStream => self.window(at, module.asks[usize::from(at.b())].window_values()),
            Opcode::Send => self.flag("x", at.x().into()),
            Opcode::ReceiveWait => self.flag("b", at.b()),
            _ => Ok(()),
        }
    }
}
