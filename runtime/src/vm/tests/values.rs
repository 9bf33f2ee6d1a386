//! Instructions on values and on places inside of them.

use super::*;
use crate::value::Range;
use vega_bytecode::module::{Path, PathStep};

/// Runs instructions over registers that begin with the given values; the result is register 0.
fn compute(registers: Vec<Value>, code: Vec<Instruction>, change: impl FnOnce(&mut Module)) -> Result<Value, String> {
    let count = registers.len() as u16;
    let mut code = code;
    code.push(Instruction::abc(Opcode::Return, 0, 0, 0));
    let mut function = function("main", count, 12, code);
    function.value_registers = (0..12).collect();
    let program = program(vec![function], |module| {
        module.entry = None;
        change(module);
    });
    let mut machine = Machine::new(&program, FunctionId(0), registers.into_iter());
    match machine.run(&program, &mut NoHost, &mut 1_000_000) {
        Exit::Done(value) => Ok(value),
        Exit::Failed(error) => Err(error.summary(program.module())),
        other => panic!("{other:?}"),
    }
}

fn shown(result: Result<Value, String>) -> String {
    result.map_or_else(|problem| problem, |value| format!("{value:?}"))
}

fn ints(numbers: &[i64]) -> Value {
    Value::array(numbers.iter().copied().map(Value::int).collect())
}

#[test]
fn changing_a_copy_leaves_the_original_alone() {
    let code = vec![
        Instruction::abc(Opcode::Copy, 3, 0, 0),
        Instruction::abc(Opcode::SetIndex, 3, 1, 2),
        Instruction::abc(Opcode::MakeArray, 4, 5, 0),
        Instruction::abc(Opcode::Push, 4, 0, 0),
        Instruction::abc(Opcode::Push, 4, 3, 0),
        Instruction::abc(Opcode::Move, 0, 4, 0),
    ];
    let result = compute(vec![ints(&[1, 2]), Value::int(0), Value::int(9)], code, |_| {});
    assert_eq!(shown(result), "[[1, 2], [9, 2]]");
}

#[test]
fn places_are_changed_inside_and_their_sharers_keep_theirs() {
    // `r1 = r0; r0[1].0[0] = 5` with `r0 = [([1], 2), ([3], 4)]`, then both.
    let rows = Value::array(vec![Value::tuple(vec![ints(&[1]), Value::int(2)]), Value::tuple(vec![ints(&[3]), Value::int(4)])]);
    let code = vec![
        Instruction::abc(Opcode::Copy, 1, 0, 0),
        int_to(2, 1),
        int_to(3, 0),
        int_to(4, 5),
        Instruction::wide(Opcode::PathSet, 0, 0, 0),
        int_to(4, 6),
        Instruction::wide(Opcode::PathPush, 0, 0, 1),
        Instruction::abc(Opcode::MakeArray, 0, 0, 2),
    ];
    let result = compute(vec![rows], code, |module| {
        let steps = vec![PathStep::Index, PathStep::Field(0), PathStep::Index];
        module.paths.push(Path { registers: 2, steps });
        // One dynamic step only, so the value is in the register after it; r3 holds 0, which is pushed.
        module.paths.push(Path { registers: 2, steps: vec![PathStep::Index, PathStep::Field(0)] });
    });
    assert_eq!(shown(result), "[[([1], 2), ([5, 0], 4)], [([1], 2), ([3], 4)]]");
}

#[test]
fn a_place_that_is_not_there_is_an_error() {
    let path = |module: &mut Module| module.paths.push(Path { registers: 1, steps: vec![PathStep::Index, PathStep::Index] });
    let code = |index: i32| vec![int_to(1, index), int_to(2, 0), Instruction::wide(Opcode::PathGet, 0, 0, 0)];
    let rows = || Value::array(vec![ints(&[7])]);
    assert_eq!(shown(compute(vec![rows()], code(3), path)), "IndexOutOfBounds: index 3, length 1");
    assert_eq!(
        shown(compute(vec![ints(&[7])], code(0), path)),
        "TypeMismatch: expected an array, text, bytes or a map, found int"
    );
}

#[test]
fn nested_parts_are_read_and_written_and_their_sharers_keep_theirs() {
    // r0 is `([(1, 2), (3, 4)],)`; r1 shares it, r2 is the index.
    let rows = || {
        let row = |one, two| Value::tuple(vec![Value::int(one), Value::int(two)]);
        Value::tuple(vec![Value::array(vec![row(1, 2), row(3, 4)])])
    };
    let get = |fields: u8, index: i32| {
        let code = vec![int_to(1, index), Instruction::xabc(Opcode::PartGet, fields, 0, 0, 1)];
        shown(compute(vec![rows()], code, |_| {}))
    };
    assert_eq!(get(0x01, 1), "4");
    assert_eq!(get(0x0f, 1), "(3, 4)");
    assert_eq!(get(0x01, 2), "IndexOutOfBounds: index 2, length 2");
    assert_eq!(get(0x02, 0), "TypeMismatch: expected a value with fields, found a tuple");
    assert_eq!(get(0xff, 0), "TypeMismatch: expected an array, text, bytes or a map, found a tuple");
    let set = |fields: u8, index: i32| {
        let code = vec![
            Instruction::abc(Opcode::Copy, 1, 0, 0),
            int_to(2, index),
            int_to(3, 9),
            Instruction::xabc(Opcode::PartSet, fields, 0, 2, 3),
            int_to(3, 8),
            Instruction::xabc(Opcode::PartSet, fields, 0, 2, 3),
            Instruction::abc(Opcode::MakeTuple, 0, 0, 2),
        ];
        shown(compute(vec![rows()], code, |_| {}))
    };
    assert_eq!(set(0x01, 1), "(([(1, 2), (3, 8)]), ([(1, 2), (3, 4)]))");
    assert_eq!(set(0x0f, 0), "(([8, (3, 4)]), ([(1, 2), (3, 4)]))");
    assert_eq!(set(0x00, -1), "IndexOutOfBounds: index -1, length 2");
}

/// Sums or joins what an iteration gives.
fn iterate(container: Value, start: Value) -> String {
    let code = vec![
        Instruction::abc(Opcode::Move, 3, 0, 0),
        int_to(4, 0),
        Instruction::abc(Opcode::Move, 0, 1, 0),
        Instruction::jump(Opcode::IterNext, 5, 3, 2),
        Instruction::abc(Opcode::Append, 0, 5, 0),
        Instruction::jump(Opcode::Jump, 0, 0, -3),
    ];
    shown(compute(vec![container, start], code, |_| {}))
}

#[test]
fn every_container_is_iterated_in_order() {
    assert_eq!(iterate(ints(&[3, 1, 2]), Value::str("")), "\"312\"");
    assert_eq!(iterate(Range::new(-1, 2, false).into(), Value::str("")), "\"-101\"");
    assert_eq!(iterate(Range::new(i64::MAX, i64::MAX, true).into(), Value::str("")), format!("\"{}\"", i64::MAX));
    assert_eq!(iterate(Range::new(3, 1, true).into(), Value::str("")), "\"\"");
    assert_eq!(iterate(Value::str("aä😀"), Value::str("-")), "\"-aä😀\"");
    let map: crate::value::Map =
        [("k", 1), ("l", 2)].into_iter().map(|(key, value)| (Value::str(key), Value::int(value))).collect();
    assert_eq!(iterate(map.into(), Value::str("")), "\"(\\\"k\\\", 1)(\\\"l\\\", 2)\"");
    assert_eq!(iterate(Value::int(5), Value::str("")), "TypeMismatch: expected something to iterate over, found int");
}

#[test]
fn indexes_and_slices_outside_are_errors() {
    let index = |container: Value, key: Value| {
        shown(compute(vec![container, key], vec![Instruction::abc(Opcode::Index, 0, 0, 1)], |_| {}))
    };
    assert_eq!(index(ints(&[5]), Value::int(0)), "5");
    assert_eq!(index(ints(&[5]), Value::int(-1)), "IndexOutOfBounds: index -1, length 1");
    assert_eq!(index(Value::str("aä"), Value::int(1)), "\"ä\"");
    assert_eq!(index(Value::str("aä"), Value::int(2)), "IndexOutOfBounds: index 2, length 2");
    let map: crate::value::Map = [(Value::str("k"), Value::int(1))].into_iter().collect();
    assert_eq!(index(map.into(), Value::str("m")), "KeyNotFound: no key \"m\"");
    let slice = |range: Range| {
        shown(compute(vec![ints(&[1, 2, 3]), range.into()], vec![Instruction::abc(Opcode::Slice, 0, 0, 1)], |_| {}))
    };
    assert_eq!(slice(Range::new(1, 3, false)), "[2, 3]");
    assert_eq!(slice(Range::new(1, 2, true)), "[2, 3]");
    assert_eq!(slice(Range::new(1, 4, false)), "IndexOutOfBounds: slice 1..4, length 3");
}

#[test]
fn text_joins_with_anything_that_prints() {
    let concat = |one: Value, two: Value| shown(compute(vec![one, two], vec![Instruction::abc(Opcode::Concat, 0, 0, 1)], |_| {}));
    assert_eq!(concat("n = ".into(), Value::int(4)), "\"n = 4\"");
    assert_eq!(concat(Value::int(4), "!".into()), "\"4!\"");
    assert_eq!(concat(ints(&[1]), ints(&[2])), "[1, 2]");
    assert_eq!(concat(Value::int(4), Value::int(4)), "TypeMismatch: expected text, an array or bytes, found int");
    // A text appended to itself.
    assert_eq!(shown(compute(vec!["ab".into()], vec![Instruction::abc(Opcode::Append, 0, 0, 0)], |_| {})), "\"abab\"");
}

#[test]
fn attached_errors_are_causes() {
    let error = |message: &str| Value::from(crate::error::Error::new(kinds::IO_ERROR, message));
    let code = vec![Instruction::abc(Opcode::ErrorAttach, 0, 1, 0)];
    let result = compute(vec![error("first"), error("second")], code, |_| {}).unwrap();
    let cause = result.as_error().and_then(|error| error.cause()).expect("it has a cause");
    assert_eq!(cause.message().as_str(), "second");
}
