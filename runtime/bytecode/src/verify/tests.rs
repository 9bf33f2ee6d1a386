//! What is refused, and with which words.

use super::*;
use crate::instruction::Instruction;
use crate::module::{Constant, Function};
use crate::types::Type;

/// A module of one function with this code and four registers.
fn module(code: Vec<Instruction>) -> Module {
    let mut module = Module::new();
    module.functions.push(Function { name: "main".into(), registers: 4, code, ..Function::default() });
    module.entry = Some(FunctionId(0));
    module
}

fn problem(module: Module) -> String {
    verify(module).expect_err("it should be refused").to_string()
}

const RETURN: Instruction = Instruction::abc(Opcode::ReturnNull, 0, 0, 0);

#[test]
fn a_sound_program_passes() {
    let code = vec![
        Instruction::wide(Opcode::LoadInt, 0, 0, 5),
        Instruction::jump(Opcode::JumpIfLtImmediate, 0, 3, -2),
        Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
    ];
    assert!(verify(module(code)).is_ok());
}

#[test]
fn messages_name_function_place_and_instruction() {
    let text = problem(module(vec![Instruction::abc(Opcode::AddInt, 0, 9, 1), RETURN]));
    assert_eq!(text, "in function 0 (`main`) at instruction 0 (add.i       r0 r9 r1): r9 lies outside of the 4 registers");
}

#[test]
fn the_last_register_may_be_used_and_the_one_after_it_not() {
    assert!(verify(module(vec![Instruction::abc(Opcode::LoadNull, 3, 0, 0), RETURN])).is_ok());
    assert!(problem(module(vec![Instruction::abc(Opcode::LoadNull, 4, 0, 0), RETURN])).contains("r4 lies outside"));
}

#[test]
fn an_empty_run_may_begin_where_the_registers_end() {
    let array = |first: u16, count: u16| verify(module(vec![Instruction::abc(Opcode::MakeArray, 0, first, count), RETURN]));
    assert!(array(4, 0).is_ok());
    assert!(array(5, 0).is_err());
    assert!(array(3, 1).is_ok());
    assert!(array(3, 2).is_err());
}

#[test]
fn code_may_not_run_off_its_end_or_jump_out() {
    assert!(problem(module(vec![Instruction::abc(Opcode::LoadNull, 0, 0, 0)])).contains("runs off its end after `null`"));
    assert!(problem(module(vec![Instruction::jump(Opcode::Jump, 0, 0, 0)])).contains("jumps to 1"));
    assert!(problem(module(vec![Instruction::jump(Opcode::Jump, 0, 0, -2)])).contains("jumps to -1"));
    assert!(verify(module(vec![Instruction::jump(Opcode::Jump, 0, 0, -1)])).is_ok());
    assert!(problem(module(vec![])).contains("no code"));
}

#[test]
fn instructions_that_are_not_run_are_named() {
    for op in NOT_RUN {
        let text = problem(module(vec![Instruction::abc(*op, 0, 0, 0), RETURN]));
        assert!(text.contains(&format!("`{}` is not run by this version of Vega", op.mnemonic())), "{text}");
    }
}

#[test]
fn unknown_numbers_and_stray_fields_are_refused() {
    assert!(problem(module(vec![Instruction(0xff), RETURN])).contains("no instruction has the number 0xff"));
    assert!(problem(module(vec![Instruction::abc(Opcode::LoadNull, 0, 1, 0), RETURN])).contains("a field without meaning"));
}

#[test]
fn a_call_must_pass_what_the_target_takes_within_the_frame() {
    let mut two = module(vec![Instruction::wide(Opcode::Call, 0, 1, 1), RETURN]);
    two.functions.push(Function { name: "two".into(), parameters: 2, registers: 2, code: vec![RETURN], ..Function::default() });
    assert!(verify(two.clone()).is_ok());
    two.functions[0].registers = 3;
    assert!(problem(two.clone()).contains("r3 lies outside"));
    two.functions[0].registers = 4;
    two.functions[1].captures = 1;
    two.functions[1].registers = 3;
    assert!(problem(two).contains("has captures"));
}

#[test]
fn indexes_must_name_something() {
    let mut constants = module(vec![Instruction::wide(Opcode::LoadConstant, 0, 0, 1), RETURN]);
    constants.constants.push(Constant::Str("only one".into()));
    assert!(problem(constants).contains("there is no constant 1"));
    let mut scalar = module(vec![Instruction::wide(Opcode::LoadScalar, 0, 0, 0), RETURN]);
    scalar.constants.push(Constant::Str("text".into()));
    assert!(problem(scalar).contains("constant 0 is no scalar"));
    assert!(problem(module(vec![Instruction::abc(Opcode::CallNative, 0, 0, 0), RETURN])).contains("there is no native 0"));
}

#[test]
fn handlers_must_lie_in_the_function() {
    let handler = crate::module::Handler { start: 0, end: 1, target: 0, register: 0, keep: 4, cleanup: false };
    let with = |change: fn(&mut crate::module::Handler)| {
        let mut module = module(vec![RETURN]);
        let mut handler = handler;
        change(&mut handler);
        module.functions[0].handlers.push(handler);
        verify(module)
    };
    assert!(with(|_| {}).is_ok());
    assert!(with(|handler| handler.end = 2).is_err());
    assert!(with(|handler| handler.start = 1).is_err());
    assert!(with(|handler| handler.target = 1).is_err());
    assert!(with(|handler| handler.register = 4).is_err());
    assert!(with(|handler| handler.keep = 5).is_err());
}

#[test]
fn types_contain_only_earlier_types_and_stay_small() {
    let mut bomb = module(vec![RETURN]);
    let mut ty = bomb.types.intern(Type::Int);
    for _ in 0..13 {
        ty = bomb.types.intern(Type::Tuple(vec![ty, ty]));
    }
    assert!(problem(bomb).contains("parts"));
    let mut deep = module(vec![RETURN]);
    let mut ty = deep.types.intern(Type::Int);
    for _ in 0..TYPE_DEPTH_MAX {
        ty = deep.types.intern(Type::Array(ty));
    }
    assert!(verify(deep.clone()).is_ok());
    deep.types.intern(Type::Array(ty));
    assert!(problem(deep).contains("nested deeper"));
    let mut own = module(vec![RETURN]);
    own.types.intern(Type::Array(crate::TypeId(1000)));
    assert!(problem(own).contains("which is not before it"));
}

#[test]
fn the_built_in_kinds_must_be_there() {
    let mut without = module(vec![RETURN]);
    without.kinds.swap(0, 1);
    assert!(problem(without).contains("error kind 0 is not the built-in kind `AgentFailed`"));
}

#[test]
fn the_fixed_numbers_stay() {
    let numbers = [
        (Opcode::SpawnSupervised, 0x90),
        (Opcode::Link, 0x91),
        (Opcode::Monitor, 0x92),
        (Opcode::Exit, 0x93),
        (Opcode::SendStream, 0xA0),
        (Opcode::StreamNext, 0xA1),
        (Opcode::StreamDone, 0xA2),
        (Opcode::BudgetEnter, 0xB0),
        (Opcode::BudgetExit, 0xB1),
        (Opcode::BudgetCheck, 0xB2),
        (Opcode::BudgetReserve, 0xB3),
        (Opcode::ParBegin, 0xC0),
        (Opcode::ParSpawn, 0xC1),
        (Opcode::ParJoin, 0xC2),
    ];
    for (op, number) in numbers {
        assert_eq!(op as u8, number, "{}", op.mnemonic());
    }
}
