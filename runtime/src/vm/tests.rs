//! What programs see of the interpreter: results, errors, limits, turns.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod loaded; // two instructions in one
mod scripted; // a host whose natives do what a test has written down
mod values; // instructions on values and places

use std::sync::Arc;

use vega_bytecode::module::{Constant, Function, Handler, LineEntry, NativeImport, Site, SourceFile};
use vega_bytecode::{FunctionId, Instruction, Module, Opcode, kinds, verify};

use super::host::NoHost;
use super::*;
use crate::native::{Callee, Step};
use crate::value::Value;
use scripted::Scripted;

const RETURN: Instruction = Instruction::abc(Opcode::ReturnNull, 0, 0, 0);

fn function(name: &str, parameters: u16, registers: u16, code: Vec<Instruction>) -> Function {
    Function { name: name.into(), parameters, registers, code, ..Function::default() }
}

fn program(functions: Vec<Function>, change: impl FnOnce(&mut Module)) -> Arc<LoadedProgram> {
    let mut module = Module { functions, entry: Some(FunctionId(0)), ..Module::new() };
    change(&mut module);
    LoadedProgram::new(verify(module).unwrap(), VmLimits { call_depth: 100, registers: 10_000 })
}

fn start(program: &LoadedProgram) -> Machine {
    Machine::new(program, FunctionId(0), [].into_iter())
}

fn run(program: &LoadedProgram) -> Exit {
    start(program).run(program, &mut NoHost, &mut 1_000_000)
}

fn int(exit: Exit) -> i64 {
    match exit {
        Exit::Done(value) => value.as_int().expect("an int"),
        other => panic!("{other:?}"),
    }
}

fn failed(exit: Exit) -> crate::error::Error {
    match exit {
        Exit::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

fn int_to(register: u16, value: i32) -> Instruction {
    Instruction::wide(Opcode::LoadInt, 0, register, value as u32)
}

/// Calls itself for ever.
fn endless() -> Function {
    function("down", 0, 2, vec![Instruction::wide(Opcode::Call, 0, 1, 0), RETURN])
}

#[test]
fn a_loop_is_preempted_when_its_reductions_are_spent_and_goes_on() {
    let code = vec![
        int_to(0, 0),
        int_to(1, 1_000),
        Instruction::abc(Opcode::AddIntImmediate, 0, 0, 1),
        Instruction::jump(Opcode::JumpIfLtInt, 0, 1, -2),
        Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
    ];
    let program = program(vec![function("main", 0, 2, code)], |_| {});
    let mut machine = start(&program);
    let mut turns = 0;
    let result = loop {
        turns += 1;
        match machine.run(&program, &mut NoHost, &mut 100) {
            Exit::Preempted => {}
            exit => break int(exit),
        }
    };
    assert_eq!((result, turns), (1_000, 10));
}

#[test]
fn reductions_that_are_left_are_given_back() {
    let program = program(vec![function("main", 0, 1, vec![RETURN])], |_| {});
    let mut reductions = 77;
    assert!(matches!(start(&program).run(&program, &mut NoHost, &mut reductions), Exit::Done(_)));
    assert_eq!(reductions, 77);
}

#[test]
fn overflow_and_division_by_zero_are_errors_with_a_place() {
    let code = vec![
        Instruction::wide(Opcode::LoadScalar, 0, 0, 0),
        Instruction::abc(Opcode::AddIntImmediate, 0, 0, 1),
        Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
    ];
    let mut main = function("main", 0, 1, code);
    main.lines = vec![LineEntry { pc: 0, file: 0, line: 3, column: 5 }, LineEntry { pc: 1, file: 0, line: 4, column: 9 }];
    let program = program(vec![main], |module| {
        module.constants.push(Constant::Int(i64::MAX));
        module.files.push(SourceFile { path: "a.vega".into() });
    });
    let error = failed(run(&program));
    assert_eq!(error.kind(), kinds::OVERFLOW);
    assert_eq!(error.position(program.module()), "a.vega:4:9");
}

#[test]
fn a_call_too_deep_is_an_error_and_the_trace_names_the_frames() {
    let program = program(vec![endless()], |_| {});
    let error = failed(run(&program));
    assert_eq!((error.kind(), error.message().as_str()), (kinds::LIMIT_REACHED, "call_depth"));
    // Of one hundred frames, the twenty in the middle are one line.
    assert_eq!(error.trace().len(), 81);
    assert_eq!(error.trace()[64].pc, 20);
}

#[test]
fn the_last_call_that_fits_the_limit_succeeds() {
    // `fn down(n) = if n == 0 { 0 } else { down(n - 1) }`
    let down = vec![
        Instruction::jump(Opcode::JumpIfNeImmediate, 0, 0, 1),
        Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
        Instruction::abc(Opcode::AddIntImmediate, 2, 0, -1i16 as u16),
        Instruction::wide(Opcode::Call, 0, 1, 1),
        Instruction::abc(Opcode::ReturnScalar, 1, 0, 0),
    ];
    let depth = |calls: i32| {
        let main =
            vec![int_to(1, calls), Instruction::wide(Opcode::Call, 0, 0, 1), Instruction::abc(Opcode::ReturnScalar, 0, 0, 0)];
        run(&program(vec![function("main", 0, 2, main), function("down", 1, 3, down.clone())], |_| {}))
    };
    assert_eq!(int(depth(98)), 0);
    assert_eq!(failed(depth(99)).message().as_str(), "call_depth");
}

#[test]
fn registers_of_all_frames_are_bounded_too() {
    let wide = function("wide", 0, 1_000, vec![Instruction::wide(Opcode::Call, 0, 900, 0), RETURN]);
    let program = program(vec![wide], |_| {});
    assert_eq!(failed(run(&program)).message().as_str(), "registers");
}

#[test]
fn a_handler_catches_what_is_raised_below_a_call() {
    let mut main = function(
        "main",
        0,
        3,
        vec![
            Instruction::wide(Opcode::Call, 0, 1, 1),
            RETURN,
            Instruction::abc(Opcode::ErrorIs, 1, 0, kinds::DIVIDE_BY_ZERO.0 as u16),
            Instruction::abc(Opcode::Return, 1, 0, 0),
        ],
    );
    main.value_registers = vec![0];
    main.handlers.push(Handler { start: 0, end: 1, target: 2, register: 0, keep: 1, cleanup: false });
    let thrower = vec![int_to(0, 1), int_to(1, 0), Instruction::abc(Opcode::DivInt, 0, 0, 1), RETURN];
    let program = program(vec![main, function("thrower", 0, 2, thrower)], |_| {});
    assert!(matches!(run(&program), Exit::Done(value) if value.as_bool() == Some(true)));
}

#[test]
fn what_changed_in_self_before_an_error_stays_changed() {
    // `main` calls `add(self)`, which appends to its text and then fails; the handler returns the text.
    let mut main = function(
        "main",
        0,
        4,
        vec![
            Instruction::wide(Opcode::LoadConstant, 0, 2, 0),
            Instruction::wide(Opcode::Call, 0, 1, 1),
            RETURN,
            Instruction::abc(Opcode::Return, 2, 0, 0),
        ],
    );
    main.handlers.push(Handler { start: 1, end: 2, target: 3, register: 3, keep: 3, cleanup: false });
    let mut add = function(
        "add",
        1,
        3,
        vec![
            Instruction::wide(Opcode::LoadConstant, 0, 1, 0),
            Instruction::abc(Opcode::Append, 0, 1, 0),
            int_to(2, 0),
            Instruction::abc(Opcode::DivInt, 2, 2, 2),
            RETURN,
        ],
    );
    add.returns_self = true;
    add.value_registers = vec![0, 1];
    let program = program(vec![main, add], |module| module.constants.push(Constant::Str("ab".into())));
    assert!(matches!(run(&program), Exit::Done(value) if value.as_text() == Some("abab")));
}

#[test]
fn an_exit_goes_through_cleanups_and_past_catches() {
    // The inner handler is a `finally` that throws on, the outer one a `catch`, which must not see the exit.
    let code = vec![
        Instruction::wide(Opcode::LoadConstant, 0, 0, 0),
        Instruction::abc(Opcode::Exit, 0, 0, 0),
        int_to(2, 1),
        Instruction::abc(Opcode::Throw, 1, 0, 0),
        int_to(2, 2),
        RETURN,
    ];
    let mut main = function("main", 0, 3, code);
    main.handlers.push(Handler { start: 1, end: 2, target: 4, register: 1, keep: 1, cleanup: false });
    main.handlers.push(Handler { start: 1, end: 2, target: 2, register: 1, keep: 1, cleanup: true });
    let program = program(vec![main], |module| module.constants.push(Constant::Str("done".into())));
    assert!(matches!(run(&program), Exit::Ended(reason) if reason.as_text() == Some("done")));
}

#[test]
fn holding_too_much_ends_the_process() {
    // Doubles a text for ever.
    let code = vec![
        Instruction::wide(Opcode::LoadConstant, 0, 0, 0),
        Instruction::abc(Opcode::Concat, 0, 0, 0),
        Instruction::jump(Opcode::Jump, 0, 0, -2),
    ];
    let program = program(vec![function("main", 0, 1, code)], |module| module.constants.push(Constant::Str("x".repeat(100))));
    let before = crate::value::heap::enter(crate::value::heap::Account::with_limit(1 << 20));
    let mut machine = start(&program);
    let error = failed(machine.run(&program, &mut NoHost, &mut 1_000_000));
    drop(machine);
    assert_eq!((error.kind(), error.message().as_str()), (kinds::LIMIT_REACHED, "heap"));
    drop(error);
    assert_eq!(crate::value::heap::used(), 0, "everything was given back");
    crate::value::heap::enter(before);
}

/// `main` calls native `native` with one argument and returns the native's result.
fn calls_native(native: u16, argument: i32) -> Function {
    let code =
        vec![int_to(1, argument), Instruction::abc(Opcode::CallNative, 0, native, 1), Instruction::abc(Opcode::Return, 0, 0, 0)];
    function("main", 0, 3, code)
}

fn with_natives(functions: Vec<Function>) -> Arc<LoadedProgram> {
    program(functions, |module| {
        let result = module.types.intern(vega_bytecode::Type::Any);
        for changes_self in [false, true, false] {
            module.natives.push(NativeImport { name: "native".into(), arity: 1, result, changes_self });
        }
    })
}

/// `fn twice(n, by) = n * by`, where `by` may be captured.
fn times() -> Vec<Instruction> {
    vec![Instruction::abc(Opcode::MulInt, 0, 0, 1), Instruction::abc(Opcode::ReturnScalar, 0, 0, 0)]
}

#[test]
fn a_native_frame_calls_closures_waits_and_goes_on() {
    let mut times = function("times", 1, 2, times());
    times.captures = 1;
    let program = with_natives(vec![calls_native(0, 7), times]);
    let closure = Value::closure(FunctionId(1), vec![Value::int(10)]);
    let mut host = Scripted::default();
    host.steps.extend([
        Step::Call { callee: Callee::Closure(closure.clone()), arguments: vec![Value::int(4)] },
        Step::Yield,
        Step::Receive { port: crate::native::PortId::ROOT, deadline: None },
        Step::Call { callee: Callee::Closure(closure), arguments: vec![] },
        Step::Return(Value::int(99)),
    ]);
    let mut machine = start(&program);
    let mut exits = Vec::new();
    let result = loop {
        match machine.run(&program, &mut host, &mut 100) {
            Exit::Done(value) => break value.as_int(),
            exit => exits.push(format!("{exit:?}")),
        }
    };
    assert_eq!(result, Some(99));
    assert_eq!(exits, ["Preempted", "Waiting"]);
    // The closure's result, the pause, the wait, and a call with too few arguments, which is the native's to handle.
    let inputs = ["start", "40", "resumed", "(waits)", "timeout", "expected a function of 0 arguments, found a function"];
    assert_eq!(host.inputs, inputs);
}

#[test]
fn an_error_below_a_native_frame_is_the_natives_first() {
    let failing = vec![int_to(0, 1), int_to(1, 0), Instruction::abc(Opcode::DivInt, 0, 0, 1), RETURN];
    let program = with_natives(vec![calls_native(0, 7), function("failing", 0, 2, failing)]);
    let mut host = Scripted::default();
    host.steps.push_back(Step::Call { callee: Callee::Function(FunctionId(1)), arguments: vec![] });
    host.steps.push_back(Step::Fail(crate::error::Error::new(kinds::IO_ERROR, "gave up")));
    let error = failed(start(&program).run(&program, &mut host, &mut 100));
    assert_eq!(host.inputs, ["start", "division by zero"]);
    assert_eq!(error.message().as_str(), "gave up");
    assert_eq!(error.trace().iter().map(|place| (place.function.0, place.pc)).collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn a_machine_may_begin_with_a_native_frame() {
    let program = with_natives(vec![function("main", 0, 1, vec![RETURN]), function("times", 2, 2, times())]);
    let mut host = Scripted::default();
    host.steps.push_back(Step::Call { callee: Callee::Function(FunctionId(1)), arguments: vec![Value::int(6), Value::int(7)] });
    host.steps.push_back(Step::Return(Value::NULL));
    struct Bottom;
    impl crate::native::Resumable for Bottom {
        fn step(&mut self, _: &mut crate::native::NativeContext<'_>, _: crate::native::Input) -> Step {
            unreachable!("the host makes up the steps")
        }
    }
    let mut machine = Machine::native(Box::new(Bottom));
    assert!(matches!(machine.run(&program, &mut host, &mut 100), Exit::Done(value) if value.is_null()));
    assert_eq!(host.inputs, ["start", "42"]);
}

#[test]
fn a_native_leaves_its_changed_self_in_place_even_when_it_fails() {
    let mut main = function(
        "main",
        0,
        4,
        vec![int_to(1, 41), Instruction::abc(Opcode::CallNative, 0, 1, 1), RETURN, Instruction::abc(Opcode::Return, 1, 0, 0)],
    );
    main.handlers.push(Handler { start: 1, end: 2, target: 3, register: 2, keep: 2, cleanup: false });
    main.value_registers = vec![2];
    let program = with_natives(vec![main]);
    assert_eq!(int(start(&program).run(&program, &mut Scripted::default(), &mut 100)), 42);
}

#[test]
fn a_killed_process_runs_nothing_more() {
    let program = with_natives(vec![calls_native(2, 0)]);
    let mut host = Scripted { program: Some(program.clone()), stop_after: Some(0), ..Scripted::default() };
    let mut machine = start(&program);
    assert!(matches!(machine.run(&program, &mut host, &mut 100), Exit::Preempted));
    assert!(matches!(machine.run(&program, &mut host, &mut 100), Exit::Done(value) if value.is_null()));
    assert_eq!(host.coordinates.len(), 1);
}

#[test]
fn coordinates_name_sites_and_iterations_outermost_first() {
    let mut main = function("main", 0, 4, vec![int_to(0, 3), Instruction::wide(Opcode::Call, 0, 1, 1), RETURN]);
    main.sites.push(Site { pc: 1, number: 7, loops: vec![0] });
    let mut asks = calls_native(2, 0);
    asks.sites.push(Site { pc: 1, number: 2, loops: vec![] });
    let program = with_natives(vec![main, asks]);
    let mut host = Scripted { program: Some(program.clone()), ..Scripted::default() };
    assert!(matches!(start(&program).run(&program, &mut host, &mut 100), Exit::Done(_)));
    let text: Vec<_> = host.coordinates[0].iter().map(|at| (at.function.0, at.site, at.loops.clone())).collect();
    assert_eq!(text, [(0, 7, vec![3]), (1, 2, vec![])]);
}

#[test]
fn handlers_that_go_in_circles_are_preempted() {
    // The handler of the division is before it, without any backward jump.
    let mut main = function("main", 0, 2, vec![int_to(0, 0), Instruction::abc(Opcode::DivInt, 0, 0, 0), RETURN]);
    main.handlers.push(Handler { start: 0, end: 2, target: 0, register: 1, keep: 2, cleanup: false });
    let program = program(vec![main], |_| {});
    assert!(matches!(start(&program).run(&program, &mut NoHost, &mut 50), Exit::Preempted));
}

#[test]
fn work_on_large_values_costs_reductions() {
    let text = |length: usize| {
        let code = vec![Instruction::wide(Opcode::LoadConstant, 0, 0, 0), Instruction::abc(Opcode::Concat, 0, 0, 0), RETURN];
        let program =
            program(vec![function("main", 0, 1, code)], |module| module.constants.push(Constant::Str("x".repeat(length))));
        let mut reductions = 10_000;
        assert!(matches!(start(&program).run(&program, &mut NoHost, &mut reductions), Exit::Done(_)));
        10_000 - reductions
    };
    assert_eq!(text(10), 0);
    assert!(text(1 << 20) >= 2_000);
}

#[test]
fn a_waiting_machine_gives_back_the_stack_of_deep_calls() {
    // `main` calls 90 deep, then waits for a message.
    let down = vec![
        Instruction::jump(Opcode::JumpIfNeImmediate, 0, 0, 1),
        RETURN,
        Instruction::abc(Opcode::AddIntImmediate, 21, 0, -1i16 as u16),
        Instruction::wide(Opcode::Call, 0, 20, 1),
        RETURN,
    ];
    let main =
        vec![int_to(1, 90), Instruction::wide(Opcode::Call, 0, 0, 1), Instruction::jump(Opcode::ReceiveWait, 0, 0, -1), RETURN];
    let program = program(vec![function("main", 0, 2, main), function("down", 1, 22, down)], |_| {});
    let mut machine = start(&program);
    assert!(matches!(machine.run(&program, &mut NoHost, &mut 10), Exit::Preempted));
    let mut grown = machine.bytes();
    while !matches!(machine.run(&program, &mut NoHost, &mut 10), Exit::Waiting) {
        grown = grown.max(machine.bytes());
    }
    assert!(grown > 90 * 20 * 16, "{grown}");
    assert!(machine.bytes() <= 256, "{}", machine.bytes());
}

#[test]
fn a_panic_leaves_no_frames_that_are_none() {
    // Deep calls first, so that the position that was written back last is far from the one of the panic.
    let main = vec![Instruction::wide(Opcode::Call, 0, 1, 1), Instruction::jump(Opcode::ReceivePeek, 0, 0, 0), RETURN];
    let deep = calls_native(2, 0);
    let program = with_natives(vec![function("main", 0, 3, main), deep]);
    let mut host = Scripted { program: Some(program.clone()), ..Scripted::default() };
    let mut machine = start(&program);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| machine.run(&program, &mut host, &mut 100)));
    assert!(panicked.is_err());
    assert_eq!(host.coordinates.len(), 1);
    assert!(machine.trace(&program).is_empty());
}
