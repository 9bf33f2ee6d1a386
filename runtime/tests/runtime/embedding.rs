//! The runtime as a library: clocks, bounds, interrupts, several at once, and nothing left behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vega_bytecode::Opcode;
use vega_bytecode::module::Constant;
use vega_runtime::capability::Grants;
use vega_runtime::limits::Limits;
use vega_runtime::native::{NativeTable, Outcome as NativeOutcome};
use vega_runtime::value::Value;
use vega_runtime::{Outcome, Runtime};
use vega_scheduler::Clock;

use crate::assembler::{Code, Program};
use crate::support::{failure, finished, run, run_with};

/// Sleeps for an hour, and returns 3.
fn long_sleep() -> Program {
    let mut program = Program::new();
    let sleep = program.native("process::sleep", 1);
    let hour = program.constant(Constant::Duration(3_600_000_000_000));
    let main = Code::new().wide(Opcode::LoadScalar, 1, hour).op(Opcode::CallNative, 0, sleep, 1).int(0, 3).return_scalar(0);
    program.function("main", 0, 2, main);
    program
}

#[test]
fn a_virtual_clock_does_not_wait() {
    let before = Instant::now();
    let ran = run_with(long_sleep().finish(), |builder| builder.clock(Clock::Virtual { seed: 0 }));
    assert_eq!(ran.report.outcome, finished(3));
    assert!(before.elapsed() < Duration::from_secs(60));
}

#[test]
fn under_a_virtual_clock_waiting_for_nothing_is_an_error() {
    let mut program = Program::new();
    program.function("main", 0, 1, Code::new().wait_for_ever(0));
    let ran = run_with(program.finish(), |builder| builder.clock(Clock::Virtual { seed: 0 }));
    assert!(failure(&ran).starts_with("deadlock"), "{}", failure(&ran));
}

#[test]
fn an_interrupt_ends_a_run_that_waits() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.load(long_sleep().finish()).unwrap();
    let handle = runtime.handle();
    let report = std::thread::scope(|threads| {
        let run = threads.spawn(|| runtime.run());
        handle.interrupt();
        run.join().unwrap()
    });
    assert_eq!((report.outcome.clone(), report.status()), (Outcome::Interrupted, 130));
}

#[test]
fn a_program_can_be_run_again() {
    let mut program = Program::new();
    program.function("main", 0, 1, Code::new().int(0, 7).return_scalar(0));
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.load(program.finish()).unwrap();
    let outcomes: Vec<Outcome> = (0..3).map(|_| runtime.run().outcome).collect();
    assert_eq!(outcomes, [finished(7), finished(7), finished(7)]);
}

#[test]
fn a_run_ends_at_its_bound_of_reductions() {
    let mut program = Program::new();
    program.function("main", 0, 1, Code::new().label("loop").jump(Opcode::Jump, 0, 0, "loop"));
    let limits = Limits { run_reductions: Some(1_000_000), ..Limits::default() };
    let ran = run_with(program.finish(), |builder| builder.limits(limits));
    assert!(failure(&ran).starts_with("LimitReached: reductions"), "{}", failure(&ran));
}

#[test]
fn a_spawn_beyond_the_bound_of_processes_is_an_error() {
    let mut program = Program::new();
    let spawn = program.spawn(1, 0);
    let main = Code::new().label("more").op(Opcode::Spawn, 0, spawn, 0).jump(Opcode::Jump, 0, 0, "more");
    program.function("main", 0, 1, main);
    program.function("idle", 0, 1, Code::new().wait_for_ever(0));
    let ran = run_with(program.finish(), |builder| builder.limits(Limits { processes: 1_000, ..Limits::default() }));
    assert!(failure(&ran).starts_with("LimitReached: processes"), "{}", failure(&ran));
    assert_eq!(ran.report.processes, 1_000);
}

#[test]
fn a_native_that_is_missing_is_named_when_the_program_is_loaded() {
    let mut program = Program::new();
    program.native("nowhere::nothing", 2);
    program.function("main", 0, 1, Code::new().return_null());
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let error = runtime.load(program.finish()).unwrap_err();
    assert_eq!(error.to_string(), "there is no native `nowhere::nothing` with 2 arguments");
}

#[test]
fn two_runtimes_differ_in_grants_clock_and_arguments() {
    let mut table = NativeTable::new();
    table.add("test::look", 0, |context, _| {
        let reads = context.read_file("Cargo.toml").is_ok();
        let arguments = context.arguments().len() as i64;
        Ok(NativeOutcome::Value(Value::int(arguments * 10 + i64::from(reads))))
    });
    let program = || {
        let mut program = Program::new();
        let look = program.native("test::look", 0);
        program.function("main", 0, 2, Code::new().op(Opcode::CallNative, 0, look, 0).return_scalar(0));
        program.finish()
    };
    let here = std::env::current_dir().unwrap();
    let open = Runtime::builder()
        .workers(1)
        .natives(table.clone())
        .grants(Grants::standard(&here).build().unwrap())
        .arguments(vec!["a".into(), "b".into()])
        .build()
        .unwrap();
    let closed = Runtime::builder()
        .clock(Clock::Virtual { seed: 7 })
        .natives(table)
        .grants(Grants::nothing(&here).build().unwrap())
        .build()
        .unwrap();
    open.load(program()).unwrap();
    closed.load(program()).unwrap();
    let (first, second) = std::thread::scope(|threads| {
        let first = threads.spawn(|| open.run());
        (closed.run(), first.join().unwrap())
    });
    assert_eq!((second.outcome, first.outcome), (finished(21), finished(0)));
}

/// Threads, descriptors, mappings and resident kilobytes of this system process.
fn footprint() -> (usize, usize, usize, u64) {
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    (count("/proc/self/task"), count("/proc/self/fd"), maps, resident.trim().trim_end_matches(" kB").parse().unwrap())
}

/// A program that leaves everything behind: processes that wait, sleep, block in natives, futures, children.
fn litter() -> vega_bytecode::VerifiedModule {
    let mut program = Program::new();
    let sleep = program.native("process::sleep", 1);
    let block = program.native("test::block", 0);
    let idle = program.spawn(1, 0);
    let sleeper = program.spawn(2, 0);
    let blocked = program.spawn(3, 0);
    let task = program.task(1, 0);
    let child = program.supervised(1, 0, vega_bytecode::module::Strategy::Restart);
    let main = Code::new()
        .op(Opcode::Spawn, 0, idle, 0)
        .op(Opcode::Spawn, 0, sleeper, 0)
        .op(Opcode::Spawn, 0, blocked, 0)
        .op(Opcode::Spawn, 0, task, 0)
        .op(Opcode::SpawnSupervised, 1, child, 0)
        .int(3, 1)
        .op(Opcode::CallNative, 2, sleep, 1)
        .return_null();
    program.function("main", 0, 4, main);
    program.function("idle", 0, 1, Code::new().wait_for_ever(0));
    program.function("sleeper", 0, 2, Code::new().int(1, 3_600_000).op(Opcode::CallNative, 0, sleep, 1).return_null());
    program.function("blocked", 0, 1, Code::new().op(Opcode::CallNative, 0, block, 0).return_null());
    program.finish()
}

/// In a system process of its own, since other tests of this one come and go.
#[test]
fn runtimes_that_come_and_go_leave_nothing_behind() {
    const ROUNDS: &str = "VEGA_TEST_ROUNDS";
    if std::env::var_os(ROUNDS).is_none() {
        let name = "embedding::runtimes_that_come_and_go_leave_nothing_behind";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads", "1"])
            .env(ROUNDS, "1000")
            // Where threads meet in the C library's allocator it maps another arena for good, which is not the runtime's doing.
            .env("MALLOC_ARENA_MAX", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let mut table = NativeTable::new();
    table.add_blocking("test::block", 0, |_, _| {
        let _ = vega_scheduler::sleep(Duration::from_secs(3600));
        Ok(NativeOutcome::Value(Value::NULL))
    });
    let mut after_hundred = None;
    for round in 1..=1_000 {
        let grants = |round| match round % 2 {
            0 => Grants::standard("/").build().unwrap(),
            _ => Grants::nothing("/").build().unwrap(),
        };
        let real = Runtime::builder().workers(2).natives(table.clone()).grants(grants(round)).budget(round).build().unwrap();
        let other = Runtime::builder().clock(Clock::Virtual { seed: 1 }).grants(grants(round + 1)).build().unwrap();
        real.load(litter()).unwrap();
        other.load(long_sleep().finish()).unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| assert_eq!(other.run().outcome, finished(3)));
            assert_eq!(real.run().outcome, finished(0));
        });
        drop((real, other));
        if round == 100 {
            after_hundred = Some(footprint());
        }
    }
    let (before, after) = (after_hundred.unwrap(), footprint());
    assert_eq!((after.0, after.1), (before.0, before.1), "threads and descriptors");
    assert!(after.2.abs_diff(before.2) <= 2, "mappings: {} and {}", before.2, after.2);
    assert!(after.3 <= before.3 + 1024, "resident: {} and {} KiB", before.3, after.3);
}

#[test]
fn a_program_without_entry_is_over_at_once() {
    let mut module = vega_bytecode::Module::new();
    module.entry = None;
    let ran = run(vega_bytecode::verify(module).unwrap());
    assert_eq!((ran.report.outcome, ran.report.processes), (finished(0), 0));
}

#[test]
fn interrupting_after_the_end_does_nothing() {
    let runtime = Arc::new(Runtime::builder().workers(1).build().unwrap());
    let handle = runtime.handle();
    drop(runtime);
    handle.interrupt();
}
