//! Processes: messages, ends, and everything that must not take others along.

use std::time::Duration;

use vega_bytecode::Opcode;
use vega_bytecode::module::Constant;
use vega_runtime::Outcome;
use vega_runtime::limits::Limits;
use vega_runtime::native::{NativeTable, Outcome as NativeOutcome};
use vega_runtime::value::Value;

use crate::assembler::{Code, Program};
use crate::support::{Ran, failure, finished, run, run_with};

/// Natives that tests need: blocking, panicking, recursing without end.
fn natives() -> NativeTable {
    fn overflow(depth: u64) -> u64 {
        let frame = [depth; 64];
        if std::hint::black_box(depth) == u64::MAX { 0 } else { overflow(depth + 1) + std::hint::black_box(frame)[3] }
    }
    let mut table = NativeTable::new();
    table
        .add("test::panic", 0, |_, _| panic!("this native panics"))
        .add("test::overflow", 0, |_, _| Ok(NativeOutcome::Value(Value::int(overflow(0) as i64))))
        .add_blocking("test::block", 0, |_, _| {
            let slept = vega_scheduler::sleep(Duration::from_secs(3600));
            Ok(NativeOutcome::Value(Value::bool(slept.is_err())))
        });
    table
}

/// `fn worker(parent, n) { send(parent, n); }`
fn answer() -> Code {
    Code::new().op(Opcode::Send, 0, 1, 0).return_null()
}

/// Spawns description 0 with `self` and 0, 1, 2 … as arguments, `count` times. Uses registers 0 to 5; the last handle is in 3.
fn spawn_many(count: i32) -> Code {
    Code::new()
        .op(Opcode::SelfProcess, 0, 0, 0)
        .int(1, 0)
        .int(2, count)
        .label("spawn")
        .op(Opcode::Copy, 4, 0, 0)
        .op(Opcode::MoveScalar, 5, 1, 0)
        .op(Opcode::Spawn, 3, 0, 0)
        .op(Opcode::AddIntImmediate, 1, 1, 1)
        .jump(Opcode::JumpIfLtInt, 1, 2, "spawn")
}

/// Adds up `count` int messages in register 6. Uses registers 1, 2, 6 and 7.
fn add_up(code: Code, count: i32) -> Code {
    code.int(1, 0)
        .int(2, count)
        .int(6, 0)
        .label("next")
        .receive(7, "again", "wait", "got")
        .op(Opcode::AddInt, 6, 6, 7)
        .op(Opcode::AddIntImmediate, 1, 1, 1)
        .jump(Opcode::JumpIfLtInt, 1, 2, "next")
}

#[test]
fn a_thousand_processes_send_their_number_back() {
    let mut program = Program::new();
    program.spawn(1, 2);
    program.function("main", 0, 8, add_up(spawn_many(1000), 1000).return_scalar(6));
    program.function("worker", 2, 2, answer());
    let ran = run(program.finish());
    assert_eq!(ran.report.outcome, finished(499_500));
    assert_eq!((ran.report.processes, ran.stderr.as_str()), (1001, ""));
}

#[test]
fn a_program_without_waiting_ends_with_its_status() {
    let mut program = Program::new();
    program.function("main", 0, 1, Code::new().int(0, 7).return_scalar(0));
    let ran = run(program.finish());
    assert_eq!((ran.report.outcome.clone(), ran.report.status()), (finished(7), 7));
}

#[test]
fn an_uncaught_error_of_main_is_reported_with_its_stack() {
    let mut program = Program::new();
    program.function("main", 0, 2, Code::new().wide(Opcode::Call, 0, 1).return_null());
    program.function("divide", 0, 2, Code::new().int(0, 1).int(1, 0).op(Opcode::DivInt, 0, 0, 1).return_null());
    let ran = run(program.finish());
    let Outcome::Failed { error, trace } = &ran.report.outcome else { panic!("{:?}", ran.report.outcome) };
    assert!(error.starts_with("DivideByZero"), "{error}");
    let trace: Vec<String> = trace.iter().map(ToString::to_string).collect();
    assert_eq!(trace, ["divide (test.vega:3:1)", "main (test.vega:1:1)"]);
    assert_eq!(ran.report.status(), 1);
}

/// One process of each kind of fault, then a thousand that answer: `main` counts the answers.
fn others_go_on_beside(fault: impl Fn(&mut Program) -> Code, registers: u16, limits: Limits) -> Ran {
    let mut program = Program::new();
    program.spawn(1, 2);
    let faulty = program.spawn(2, 0);
    let main = Code::new().op(Opcode::Spawn, 8, faulty, 0);
    let mut main = main.op(Opcode::SelfProcess, 0, 0, 0).int(1, 0).int(2, 1000).label("spawn");
    main = main
        .op(Opcode::Copy, 4, 0, 0)
        .op(Opcode::MoveScalar, 5, 1, 0)
        .op(Opcode::Spawn, 3, 0, 0)
        .op(Opcode::AddIntImmediate, 1, 1, 1)
        .jump(Opcode::JumpIfLtInt, 1, 2, "spawn");
    // The monitor tells when the faulty process is gone, which may be before or after the answers.
    let main = add_up(main, 1000).op(Opcode::Monitor, 9, 8, 0).receive(9, "d-again", "d-wait", "d-got").return_scalar(6);
    program.function("main", 0, 10, main);
    program.function("worker", 2, 2, answer());
    let code = fault(&mut program);
    program.function("faulty", 0, registers, code);
    run_with(program.finish(), |builder| builder.limits(limits).natives(natives()))
}

#[test]
fn a_native_that_panics_ends_its_process_alone() {
    let fault = |program: &mut Program| {
        let native = program.native("test::panic", 0);
        Code::new().op(Opcode::CallNative, 0, native, 0).return_null()
    };
    let ran = others_go_on_beside(fault, 2, Limits::default());
    assert_eq!(ran.report.outcome, finished(499_500));
    assert!(ran.stderr.contains("native panic: this native panics"), "{}", ran.stderr);
    assert!(ran.stderr.contains("at faulty (test.vega:1:1)"), "{}", ran.stderr);
}

#[test]
fn a_native_that_overflows_its_stack_ends_its_process_alone() {
    let fault = |program: &mut Program| {
        let native = program.native("test::overflow", 0);
        Code::new().op(Opcode::CallNative, 0, native, 0).return_null()
    };
    let ran = others_go_on_beside(fault, 2, Limits::default());
    assert_eq!(ran.report.outcome, finished(499_500));
    assert!(ran.stderr.contains("native stack overflow") && ran.stderr.contains("at faulty"), "{}", ran.stderr);
}

#[test]
fn a_recursion_without_end_ends_its_process_alone() {
    let ran = others_go_on_beside(|_| Code::new().wide(Opcode::Call, 0, 2).return_null(), 2, Limits::default());
    assert_eq!(ran.report.outcome, finished(499_500));
    assert!(ran.stderr.contains("LimitReached: call_depth") && ran.stderr.contains("at faulty"), "{}", ran.stderr);
}

#[test]
fn a_process_that_holds_too_much_ends_alone() {
    let fault = |program: &mut Program| {
        let text = program.constant(Constant::Str("sixteen letters!".repeat(64)));
        Code::new().wide(Opcode::LoadConstant, 0, text).label("more").op(Opcode::Append, 0, 0, 0).jump(Opcode::Jump, 0, 0, "more")
    };
    let ran = others_go_on_beside(fault, 2, Limits { heap_bytes: 1 << 20, ..Limits::default() });
    assert_eq!(ran.report.outcome, finished(499_500));
    assert!(ran.stderr.contains("LimitReached: heap") && ran.stderr.contains("at faulty"), "{}", ran.stderr);
}

/// `main` spawns `victim`, kills it and waits for its end.
fn killed(victim: Code, registers: u16, prepare: impl FnOnce(&mut Program)) -> Ran {
    let mut program = Program::new();
    let kill = program.native("process::kill", 1);
    prepare(&mut program);
    let spawn = program.spawn(1, 0);
    let main = Code::new()
        .op(Opcode::Spawn, 0, spawn, 0)
        .op(Opcode::Monitor, 1, 0, 0)
        .op(Opcode::Copy, 3, 0, 0)
        .op(Opcode::CallNative, 2, kill, 1)
        .receive(4, "again", "wait", "got")
        .op(Opcode::Field, 5, 4, 2)
        .op(Opcode::Len, 6, 5, 0)
        .return_scalar(6);
    program.function("main", 0, 7, main);
    program.function("victim", 0, registers, victim);
    run_with(program.finish(), |builder| builder.natives(natives()))
}

#[test]
fn a_loop_without_end_can_be_killed() {
    let ran = killed(Code::new().label("for ever").jump(Opcode::Jump, 0, 0, "for ever"), 1, |_| {});
    assert_eq!(ran.report.outcome, finished("killed".len() as i64));
}

#[test]
fn a_waiting_process_can_be_killed() {
    let ran = killed(Code::new().wait_for_ever(0), 1, |_| {});
    assert_eq!(ran.report.outcome, finished("killed".len() as i64));
}

#[test]
fn a_process_in_a_blocking_native_can_be_killed() {
    let code = Code::new().op(Opcode::CallNative, 0, 1, 0).return_null();
    let ran = killed(code, 2, |program| {
        assert_eq!(program.native("test::block", 0), 1);
    });
    assert_eq!(ran.report.outcome, finished("killed".len() as i64));
}

#[test]
fn a_monitor_of_a_process_that_is_gone_answers_at_once() {
    let mut program = Program::new();
    let spawn = program.spawn(1, 0);
    let twice = |code: Code| code.op(Opcode::Monitor, 1, 0, 0);
    let main = twice(Code::new().op(Opcode::Spawn, 0, spawn, 0)).receive(2, "a1", "w1", "g1");
    let main = twice(main).receive(2, "a2", "w2", "g2").op(Opcode::Field, 3, 2, 2).op(Opcode::Len, 4, 3, 0).return_scalar(4);
    program.function("main", 0, 5, main);
    program.function("short", 0, 1, Code::new().return_null());
    assert_eq!(run(program.finish()).report.outcome, finished("noproc".len() as i64));
}

#[test]
fn receive_gives_up_after_its_time() {
    let mut program = Program::new();
    let time = program.constant(Constant::Duration(20_000_000));
    let main = Code::new()
        .wide(Opcode::LoadScalar, 0, time)
        .label("peek")
        .jump(Opcode::ReceivePeek, 1, 0, "wait")
        .int(2, 1)
        .return_scalar(2)
        .label("wait")
        .jump(Opcode::ReceiveWait, 0, 1, "peek")
        .int(2, 42)
        .return_scalar(2);
    program.function("main", 0, 3, main);
    let before = std::time::Instant::now();
    assert_eq!(run(program.finish()).report.outcome, finished(42));
    assert!(before.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_full_mailbox_refuses_and_the_sender_is_told() {
    let mut program = Program::new();
    let spawn = program.spawn(1, 0);
    let main = Code::new().op(Opcode::Spawn, 0, spawn, 0).int(1, 1).label("more").op(Opcode::Send, 0, 1, 0).jump(
        Opcode::Jump,
        0,
        0,
        "more",
    );
    program.function("main", 0, 2, main);
    let sleep = program.native("process::sleep", 1);
    program.function("deaf", 0, 2, Code::new().int(1, 3_600_000).op(Opcode::CallNative, 0, sleep, 1).return_null());
    let ran = run_with(program.finish(), |builder| builder.limits(Limits { mailbox_messages: 10, ..Limits::default() }));
    assert!(failure(&ran).starts_with("MailboxFull"), "{}", failure(&ran));
}

#[test]
fn awaiting_a_task_gives_its_value_or_raises_its_error() {
    let mut program = Program::new();
    let task = program.task(1, 1);
    let main = Code::new().int(1, 20).op(Opcode::Spawn, 0, task, 0).op(Opcode::Await, 2, 0, 0).return_scalar(2);
    program.function("main", 0, 3, main);
    program.function("double", 1, 2, Code::new().op(Opcode::AddInt, 1, 0, 0).return_scalar(1));
    assert_eq!(run(program.finish()).report.outcome, finished(40));

    let mut program = Program::new();
    let task = program.task(1, 0);
    program.function("main", 0, 3, Code::new().op(Opcode::Spawn, 0, task, 0).op(Opcode::Await, 2, 0, 0).return_scalar(2));
    program.function("divide", 0, 2, Code::new().int(0, 1).int(1, 0).op(Opcode::DivInt, 0, 0, 1).return_null());
    let ran = run(program.finish());
    assert!(matches!(&ran.report.outcome, Outcome::Failed { error, .. } if error.starts_with("DivideByZero")));
    assert_eq!(ran.stderr, "", "an error that was awaited is not reported twice");
}
