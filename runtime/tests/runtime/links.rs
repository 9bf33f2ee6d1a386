//! Links, exit signals and monitors.

use vega_bytecode::Opcode;
use vega_bytecode::module::{Constant, Strategy};
use vega_runtime::native::NativeTable;
use vega_runtime::native::Outcome as NativeOutcome;
use vega_runtime::value::Value;

use crate::assembler::{Code, Program};
use crate::support::{failure, finished, run, run_with};

/// Leaves the length of the text in field `field` of the message in register `from` as the program's status.
fn return_length(code: Code, from: u16, field: u16) -> Code {
    code.op(Opcode::Field, from + 1, from, field).op(Opcode::Len, from + 2, from + 1, 0).return_scalar(from + 2)
}

#[test]
fn a_link_takes_the_other_along_with_the_same_reason() {
    let mut program = Program::new();
    let spawn = program.spawn(1, 0);
    let main = Code::new().op(Opcode::Spawn, 0, spawn, 0).op(Opcode::Link, 0, 0, 0);
    let main = main.int(1, 1).op(Opcode::Send, 0, 1, 0).wait_for_ever(1);
    program.function("main", 0, 2, main);
    let why = program.constant(Constant::Str("enough".into()));
    let other = Code::new().receive(0, "again", "wait", "got").wide(Opcode::LoadConstant, 0, why).op(Opcode::Exit, 0, 0, 0);
    program.function("other", 0, 1, other.return_null());
    assert_eq!(failure(&run(program.finish())), "enough");
}

#[test]
fn whoever_traps_exits_gets_a_message_instead() {
    let mut program = Program::new();
    let trap = program.native("process::trap_exit", 1);
    let spawn = program.spawn(1, 0);
    let main = Code::new()
        .wide(Opcode::LoadBool, 1, 1)
        .op(Opcode::CallNative, 0, trap, 1)
        .op(Opcode::Spawn, 0, spawn, 0)
        .op(Opcode::Link, 0, 0, 0)
        .receive(1, "again", "wait", "got");
    program.function("main", 0, 4, return_length(main, 1, 1));
    program.function("short", 0, 1, Code::new().return_null());
    // Whether the link came before or after the other's end: "normal" or "noproc" have both six letters.
    assert_eq!(run(program.finish()).report.outcome, finished(6));
}

#[test]
fn a_normal_end_harms_no_linked_process() {
    let mut program = Program::new();
    let spawn = program.spawn(1, 0);
    let main = Code::new()
        .op(Opcode::Spawn, 0, spawn, 0)
        .op(Opcode::Link, 0, 0, 0)
        .op(Opcode::Monitor, 1, 0, 0)
        .int(1, 1)
        .op(Opcode::Send, 0, 1, 0)
        .receive(1, "again", "wait", "got");
    program.function("main", 0, 4, return_length(main, 1, 2));
    program.function("other", 0, 1, Code::new().receive(0, "again", "wait", "got").return_null());
    assert_eq!(run(program.finish()).report.outcome, finished("normal".len() as i64));
}

#[test]
fn a_monitor_that_is_taken_back_takes_its_message_along() {
    let mut program = Program::new();
    let demonitor = program.native("process::demonitor", 1);
    let spawn = program.spawn(1, 0);
    let main = Code::new()
        .op(Opcode::Spawn, 0, spawn, 0)
        .op(Opcode::Monitor, 1, 0, 0)
        .op(Opcode::Monitor, 3, 0, 0)
        .int(4, 1)
        .op(Opcode::Send, 0, 4, 0)
        .receive(5, "again", "wait", "got")
        .op(Opcode::CallNative, 2, demonitor, 1)
        .jump(Opcode::ReceivePeek, 5, 0, "none")
        .int(4, 2)
        .return_scalar(4)
        .label("none")
        .int(4, 3)
        .return_scalar(4);
    program.function("main", 0, 6, main);
    program.function("other", 0, 1, Code::new().receive(0, "again", "wait", "got").return_null());
    // On one worker both monitors' messages are there when the first is.
    assert_eq!(run_with(program.finish(), |builder| builder.workers(1)).report.outcome, finished(3));
}

#[test]
fn the_end_of_a_slot_names_the_handle_that_was_monitored() {
    let mut program = Program::new();
    let stop = program.native("process::stop", 1);
    let spawn = program.supervised(1, 0, Strategy::Restart);
    let main = Code::new()
        .op(Opcode::SpawnSupervised, 0, spawn, 0)
        .op(Opcode::Monitor, 1, 0, 0)
        .op(Opcode::Copy, 3, 0, 0)
        .op(Opcode::CallNative, 2, stop, 1)
        .receive(1, "again", "wait", "got")
        .op(Opcode::Field, 2, 1, 1)
        .op(Opcode::Eq, 3, 2, 0)
        .int(4, 0)
        .jump(Opcode::JumpIfNot, 3, 0, "other")
        .int(4, 1)
        .label("other")
        .return_scalar(4);
    program.function("main", 0, 5, main);
    program.function("child", 0, 1, Code::new().wait_for_ever(0));
    assert_eq!(run(program.finish()).report.outcome, finished(1));
}

#[test]
fn a_name_finds_its_process_while_it_lives() {
    let mut table = NativeTable::new();
    table.add("test::is_null", 1, |_, arguments| Ok(NativeOutcome::Value(Value::int(arguments[0].is_null().into()))));
    let mut program = Program::new();
    let register = program.native("process::register", 2);
    let whereis = program.native("process::whereis", 1);
    let is_null = program.native("test::is_null", 1);
    let kill = program.native("process::kill", 1);
    let name = program.constant(Constant::Str("worker".into()));
    let spawn = program.spawn(1, 0);
    let look = |code: Code, result: u16| {
        code.wide(Opcode::LoadConstant, 6, name)
            .op(Opcode::CallNative, 5, whereis, 1)
            .op(Opcode::Move, 6, 5, 0)
            .op(Opcode::CallNative, 5, is_null, 1)
            .op(Opcode::Move, result, 5, 0)
    };
    let main = Code::new().op(Opcode::Spawn, 0, spawn, 0).wide(Opcode::LoadConstant, 6, name).op(Opcode::Copy, 7, 0, 0).op(
        Opcode::CallNative,
        5,
        register,
        2,
    );
    let main = look(main, 1)
        .op(Opcode::Monitor, 2, 0, 0)
        .op(Opcode::Copy, 6, 0, 0)
        .op(Opcode::CallNative, 5, kill, 1)
        .receive(2, "again", "wait", "got");
    // 1 where the name was found first and not afterwards.
    let main = look(main, 3).op(Opcode::SubInt, 4, 3, 1).return_scalar(4);
    program.function("main", 0, 8, main);
    program.function("worker", 0, 1, Code::new().wait_for_ever(0));
    assert_eq!(run_with(program.finish(), |builder| builder.natives(table)).report.outcome, finished(1));
}
