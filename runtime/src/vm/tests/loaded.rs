//! Code that does two instructions in one gives what the two give: results, errors and their places, changes, turns.

use vega_bytecode::opcode::NO_FIELD;

use super::*;
use crate::value::print::debug_text;

fn abc(op: Opcode, a: u16, b: u16, c: u16) -> Instruction {
    Instruction::abc(op, a, b, c)
}

fn jump(op: Opcode, a: u16, b: u16, offset: i32) -> Instruction {
    Instruction::jump(op, a, b, offset)
}

/// A function of no arguments, and whether its code holds the operation once it is loaded.
struct Case {
    code: Vec<Instruction>,
    becomes: Opcode,
}

fn case(becomes: Opcode, code: impl IntoIterator<Item = Instruction>) -> Case {
    Case { code: code.into_iter().collect(), becomes }
}

/// `r5`: one record of two arrays of records of doubles, `((1.5, 2.5), …)`, whose second field is the array.
fn records() -> Vec<Instruction> {
    let mut code = Vec::new();
    for record in 0..3 {
        code.push(Instruction::wide(Opcode::LoadScalar, 0, 10, 0));
        code.push(Instruction::wide(Opcode::LoadScalar, 0, 11, 1));
        code.push(abc(Opcode::MakeTuple, 7 + record, 10, 2));
    }
    code.push(abc(Opcode::MakeArray, 11, 7, 3));
    code.push(int_to(10, 5));
    code.push(abc(Opcode::MakeTuple, 5, 10, 2));
    code
}

/// Everything that a program leaves behind, as text: the registers `0..=6` as a tuple.
fn show() -> Vec<Instruction> {
    vec![abc(Opcode::MakeTuple, 0, 0, 7), abc(Opcode::Return, 0, 0, 0)]
}

fn get(to: u16, index: u16, x: u8) -> Instruction {
    Instruction::xabc(Opcode::PartGet, x, to, 5, index)
}

fn set(index: u16, from: u16, x: u8) -> Instruction {
    Instruction::xabc(Opcode::PartSet, x, 5, index, from)
}

fn cases() -> Vec<Case> {
    let float = |register, constant| Instruction::wide(Opcode::LoadScalar, 0, register, constant);
    let mut cases = Vec::new();
    // The index is right, negative, beyond the end, and no int at all; the fields exist, or one does not.
    for index in [int_to(1, 2), int_to(1, -1), int_to(1, 3), float(1, 0)] {
        for x in [0x10, 0x11, 0x12, 0x00, 0x21] {
            for (op, becomes) in [(Opcode::SubFloat, Opcode::PartGetSubFloat), (Opcode::MulFloat, Opcode::PartGetMulFloat)] {
                let middle = [index, float(2, 1), float(3, 2), get(2, 1, x), abc(op, 4, 3, 2)];
                cases.push(case(becomes, records().into_iter().chain(middle).chain(show())));
            }
            let middle = [index, get(2, 1, x), abc(Opcode::Copy, 3, 2, 0)];
            cases.push(case(Opcode::PartGetBoth, records().into_iter().chain(middle).chain(show())));
            let middle = [index, float(2, 2), set(1, 2, x), abc(Opcode::Copy, 3, 5, 0)];
            cases.push(case(Opcode::PartSetBoth, records().into_iter().chain(middle).chain(show())));
            // The place is shared, so it is copied, not changed.
            let middle = [index, abc(Opcode::Copy, 6, 5, 0), float(2, 2), abc(Opcode::AddFloat, 3, 2, 2), set(1, 3, x)];
            cases.push(case(Opcode::AddFloatPartSet, records().into_iter().chain(middle).chain(show())));
            // What is stored is the record itself.
            let middle = [index, float(2, 2), abc(Opcode::AddFloat, 2, 2, 2), set(1, 5, x)];
            cases.push(case(Opcode::AddFloatPartSet, records().into_iter().chain(middle).chain(show())));
        }
    }
    // The product goes to a register that held text, or to one of the factors, or to the sum's own register.
    for (product, sum) in [(2, 3), (0, 0), (1, 0), (3, 3), (4, 1)] {
        for (op, becomes) in [(Opcode::AddFloat, Opcode::MulAddFloat), (Opcode::SubFloat, Opcode::MulSubFloat)] {
            let other = if product == 1 { 0 } else { 1 };
            let code = [
                float(0, 0),
                float(1, 1),
                Instruction::wide(Opcode::LoadConstant, 0, 2, 3),
                Instruction::wide(Opcode::LoadConstant, 0, 3, 3),
                Instruction::wide(Opcode::LoadConstant, 0, 4, 3),
                abc(Opcode::MulFloat, product, 0, 1),
                abc(op, sum, other, product),
            ];
            cases.push(case(becomes, code.into_iter().chain(show())));
        }
    }
    // Sums of a loop, one of which overflows; the loop is entered at its second half, too.
    for start in [int_to(0, 7), Instruction::wide(Opcode::LoadScalar, 0, 0, 4)] {
        for entered in [0, 1] {
            let loops = [
                (Opcode::AddIntFor, abc(Opcode::AddInt, 0, 0, 1), jump(Opcode::ForInt, 1, 2, -2)),
                (Opcode::AddIntJumpIfLe, abc(Opcode::AddInt, 0, 0, 3), jump(Opcode::JumpIfLeInt, 0, 4, -2)),
                (Opcode::AddImmediateJumpIfLt, abc(Opcode::AddIntImmediate, 0, 0, 9), jump(Opcode::JumpIfLtInt, 0, 4, -2)),
            ];
            for (becomes, first, second) in loops {
                let code = [start, int_to(1, -3), int_to(2, 40), int_to(3, 5), int_to(4, 90), jump(Opcode::Jump, 0, 0, entered)];
                cases.push(case(becomes, code.into_iter().chain([first, second]).chain(show())));
            }
        }
    }
    let call = [int_to(1, i32::MAX), abc(Opcode::AddIntImmediate, 3, 1, 1), Instruction::wide(Opcode::Call, 0, 2, 1)];
    cases.push(case(Opcode::AddImmediateCall, call.into_iter().chain(show())));
    // An array of truth values, one of which is set and looked at.
    for index in [0, 2, 3] {
        let array = [
            abc(Opcode::LoadBool, 7, 0, 0),
            abc(Opcode::LoadBool, 8, 1, 0),
            abc(Opcode::LoadBool, 9, 0, 0),
            abc(Opcode::MakeArray, 1, 7, 3),
            int_to(2, index),
        ];
        let set = [abc(Opcode::LoadBool, 3, 1, 0), abc(Opcode::SetIndex, 1, 2, 3)];
        cases.push(case(Opcode::LoadBoolSetIndex, array.into_iter().chain(set).chain(show())));
        for (op, becomes) in [(Opcode::JumpIf, Opcode::IndexJumpIf), (Opcode::JumpIfNot, Opcode::IndexJumpIfNot)] {
            let look = [abc(Opcode::Index, 3, 1, 2), jump(op, 3, 0, 1), int_to(4, 77)];
            cases.push(case(becomes, array.into_iter().chain(look).chain(show())));
        }
    }
    let fill = [
        abc(Opcode::MakeArray, 1, 7, 0),
        int_to(2, 0),
        int_to(4, 100),
        abc(Opcode::Copy, 3, 2, 0),
        abc(Opcode::Push, 1, 3, 0),
        jump(Opcode::ForInt, 2, 4, -3),
    ];
    cases.push(case(Opcode::PushFor, fill.into_iter().chain(show())));
    cases
}

/// Runs a program in turns of so many reductions, and tells how it ended, where, and after how many turns.
fn outcome(program: &LoadedProgram, reductions: u32) -> String {
    let mut machine = start(program);
    for turn in 0.. {
        match machine.run(program, &mut NoHost, &mut { reductions }) {
            Exit::Preempted => {}
            Exit::Done(value) => return format!("{turn}: {}", debug_text(&value)),
            Exit::Failed(error) => return format!("{turn}: {} at {:?}", error.message().as_str(), error.trace()),
            other => return format!("{turn}: {other:?}"),
        }
    }
    unreachable!("a program ends")
}

#[test]
fn two_instructions_in_one_do_what_the_two_do() {
    let text = |text: &str| Constant::Str(text.into());
    let constants = [1.5, 2.5, -4.25].map(Constant::Float).into_iter().chain([text("text"), Constant::Int(i64::MAX - 4)]);
    let constants: Vec<Constant> = constants.collect();
    let mut seen = std::collections::HashSet::new();
    for (number, Case { code, becomes }) in cases().into_iter().enumerate() {
        let module = || {
            let mut main = function("main", 0, 16, code.clone());
            main.value_registers = (0..16).collect();
            let callee =
                function("callee", 1, 2, vec![abc(Opcode::AddIntImmediate, 0, 0, 1), abc(Opcode::ReturnScalar, 0, 0, 0)]);
            let mut module = Module { functions: vec![main, callee], entry: Some(FunctionId(0)), ..Module::new() };
            module.constants = constants.clone();
            verify(module).unwrap()
        };
        let limits = VmLimits { call_depth: 100, registers: 10_000 };
        let (quick, plain) = (LoadedProgram::new(module(), limits), LoadedProgram::plain(module(), limits));
        assert!(quick.function(0).has(becomes), "case {number}: {becomes:?} is not in the loaded code");
        assert!(!plain.function(0).has(becomes));
        seen.insert(becomes);
        for reductions in [1, 3, 1_000] {
            assert_eq!(
                outcome(&quick, reductions),
                outcome(&plain, reductions),
                "case {number}, {becomes:?}, {reductions} a turn"
            );
        }
    }
    assert_eq!(seen.len(), Opcode::LOADED.len(), "every operation of loaded code has a case");
}

#[test]
fn an_instruction_without_both_fields_is_left_as_it_is() {
    let x = NO_FIELD << 4;
    let code = records().into_iter().chain([int_to(1, 0), get(2, 1, x), abc(Opcode::SubFloat, 3, 2, 2)]).chain(show());
    let program = program(vec![function("main", 0, 16, code.collect())], |module| {
        module.constants = [1.5, 2.5].map(Constant::Float).into();
    });
    assert!(!program.function(0).has(Opcode::PartGetSubFloat) && program.function(0).has(Opcode::PartGet));
}
