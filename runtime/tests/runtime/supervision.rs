//! Supervised children: restarts, limits, and the order of ends.

use std::sync::Arc;

use vega_bytecode::Opcode;
use vega_bytecode::module::Strategy;
use vega_runtime::limits::Limits;
use vega_runtime::native::{NativeTable, Outcome as NativeOutcome};
use vega_runtime::value::Value;

use crate::assembler::{Code, Program};
use crate::support::{failure, finished, run, run_with};

/// `1 / 0`
fn crash(code: Code, scratch: u16) -> Code {
    code.int(scratch, 0).op(Opcode::DivInt, scratch, scratch, scratch).return_null()
}

/// A child that crashes as often as a counter outside of the program allows, then tells `main` that it lives.
#[test]
fn a_supervised_child_is_restarted_until_it_lives() {
    use std::sync::atomic::{AtomicI64, Ordering};
    struct Lives(AtomicI64);
    let mut table = NativeTable::new();
    table.add("test::life", 0, |context, _| {
        let lives = context.extension::<Lives>().unwrap();
        Ok(NativeOutcome::Value(Value::int(lives.0.fetch_add(1, Ordering::Relaxed))))
    });
    let mut program = Program::new();
    let life = program.native("test::life", 0);
    let spawn = program.supervised(1, 1, Strategy::Restart);
    let main = Code::new().op(Opcode::SelfProcess, 1, 0, 0).op(Opcode::SpawnSupervised, 0, spawn, 0);
    program.function("main", 0, 3, main.receive(2, "again", "wait", "got").return_scalar(2));
    let child = Code::new()
        .op(Opcode::CallNative, 1, life, 0)
        .jump(Opcode::JumpIfNeImmediate, 1, 2, "crash")
        .op(Opcode::Send, 0, 1, 0)
        .return_null()
        .label("crash")
        .int(2, 0)
        .op(Opcode::DivInt, 1, 1, 2)
        .return_null();
    program.function("child", 1, 3, child);
    let ran = run_with(program.finish(), |builder| builder.natives(table).extension(Arc::new(Lives(AtomicI64::new(0)))));
    assert_eq!(ran.report.outcome, finished(2));
    assert_eq!(ran.stderr.matches("DivideByZero").count(), 2, "{}", ran.stderr);
}

#[test]
fn a_child_that_crashes_too_often_stays_down_and_its_spawner_is_told() {
    let mut program = Program::new();
    let spawn = program.supervised(1, 0, Strategy::Restart);
    let main = Code::new().op(Opcode::SpawnSupervised, 0, spawn, 0).receive(1, "again", "wait", "got");
    program.function("main", 0, 4, main.op(Opcode::Field, 2, 1, 2).op(Opcode::Exit, 2, 0, 0).return_null());
    program.function("child", 0, 2, crash(Code::new(), 0));
    let ran = run(program.finish());
    assert!(failure(&ran).starts_with("restart_intensity: "), "{}", failure(&ran));
    assert_eq!(ran.report.processes, 1 + 4 + 1, "four lives, and the supervisor");
}

#[test]
fn under_the_strategy_stop_a_crash_is_final() {
    let mut program = Program::new();
    let spawn = program.supervised(1, 0, Strategy::Stop);
    let alive = program.native("process::alive", 1);
    // The program's status is whether the child lives after `ChildDown`, made a number.
    let main = Code::new()
        .op(Opcode::SpawnSupervised, 0, spawn, 0)
        .receive(1, "again", "wait", "got")
        .op(Opcode::Copy, 3, 0, 0)
        .op(Opcode::CallNative, 2, alive, 1)
        .int(4, 5)
        .jump(Opcode::JumpIfNot, 2, 0, "gone")
        .int(4, 6)
        .label("gone")
        .return_scalar(4);
    program.function("main", 0, 5, main);
    program.function("child", 0, 1, crash(Code::new(), 0));
    let ran = run(program.finish());
    assert_eq!((&ran.report.outcome, ran.report.processes), (&finished(5), 1 + 1 + 1));
}

#[test]
fn a_killed_incarnation_is_replaced_and_the_handle_reaches_the_new_one() {
    let mut program = Program::new();
    let kill = program.native("process::kill", 1);
    let spawn = program.supervised(1, 1, Strategy::Restart);
    // Both lives of the child say hello; then the handle reaches the second, which answers with what it was sent.
    let main = Code::new()
        .op(Opcode::SelfProcess, 1, 0, 0)
        .op(Opcode::SpawnSupervised, 0, spawn, 0)
        .receive(2, "a1", "w1", "g1")
        .op(Opcode::Copy, 4, 0, 0)
        .op(Opcode::CallNative, 3, kill, 1)
        .receive(2, "a2", "w2", "g2")
        .int(2, 77)
        .op(Opcode::Send, 0, 2, 0)
        .receive(2, "a3", "w3", "g3")
        .return_scalar(2);
    program.function("main", 0, 5, main);
    let child = Code::new().int(1, 1).op(Opcode::Send, 0, 1, 0).receive(1, "again", "wait", "got");
    program.function("child", 1, 2, child.op(Opcode::Send, 0, 1, 0).return_null());
    assert_eq!(run(program.finish()).report.outcome, finished(77));
}

#[test]
fn a_child_that_does_not_stop_is_killed_after_its_time() {
    let mut program = Program::new();
    let trap = program.native("process::trap_exit", 1);
    let spawn = program.supervised(1, 1, Strategy::Restart);
    let main = Code::new().op(Opcode::SelfProcess, 1, 0, 0).op(Opcode::SpawnSupervised, 0, spawn, 0);
    program.function("main", 0, 3, main.receive(2, "again", "wait", "got").return_null());
    let child = Code::new()
        .wide(Opcode::LoadBool, 2, 1)
        .op(Opcode::CallNative, 1, trap, 1)
        .int(1, 1)
        .op(Opcode::Send, 0, 1, 0)
        .wait_for_ever(1);
    program.function("child", 1, 3, child);
    let before = std::time::Instant::now();
    let limits = Limits { shutdown_ms: 30, ..Limits::default() };
    let ran = run_with(program.finish(), |builder| builder.limits(limits));
    assert_eq!((ran.report.outcome, ran.stderr.as_str()), (finished(0), ""));
    assert!(before.elapsed() >= std::time::Duration::from_millis(30), "it was given its time");
}

#[test]
fn children_end_with_their_spawner_and_the_run_waits_for_them() {
    let mut program = Program::new();
    let mut table = NativeTable::new();
    table.add("test::trap", 0, |context, _| {
        context.trap_exits(true);
        Ok(NativeOutcome::Value(Value::NULL))
    });
    table.add("test::note", 0, |context, _| {
        context.write_output("the child tidied up")?;
        Ok(NativeOutcome::Value(Value::NULL))
    });
    let trap = program.native("test::trap", 0);
    let note = program.native("test::note", 0);
    let spawn = program.supervised(1, 1, Strategy::Restart);
    let main = Code::new().op(Opcode::SelfProcess, 1, 0, 0).op(Opcode::SpawnSupervised, 0, spawn, 0);
    program.function("main", 0, 3, main.receive(2, "again", "wait", "got").return_null());
    let child = Code::new().op(Opcode::CallNative, 1, trap, 0).int(1, 1).op(Opcode::Send, 0, 1, 0);
    let child = child.receive(1, "again", "wait", "got").op(Opcode::CallNative, 1, note, 0).return_null();
    program.function("child", 1, 2, child);
    let ran = run_with(program.finish(), |builder| builder.natives(table));
    assert_eq!((ran.report.outcome, ran.stdout.as_str()), (finished(0), "the child tidied up"));
}
