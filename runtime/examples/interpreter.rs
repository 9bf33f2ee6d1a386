//! CPU time of the interpreter alone, on code written by hand as the compiler should emit it.
//!
//! `cargo run --release -p vega-runtime --example interpreter [fib|loop] [repetitions]`. The same programs for Lua are in `benches/vm`.

use std::time::Instant;

use vega_bytecode::module::Function;
use vega_bytecode::{FunctionId, Instruction, Module, Opcode, verify};
use vega_runtime::vm::{Exit, LoadedProgram, Machine, VmLimits, host::NoHost};

/// The slice that a process gets.
const REDUCTIONS: u32 = 4_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let which = arguments.get(1).map_or("all", String::as_str);
    let repetitions = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(5);
    if matches!(which, "all" | "fib") {
        measure("fib(32)", fib(32), 2_178_309, repetitions);
    }
    if matches!(which, "all" | "loop") {
        measure("loop 100M", counting(100_000_000), 100_000_000, repetitions);
    }
}

fn measure(name: &str, functions: Vec<Function>, expected: i64, repetitions: u32) {
    let module = Module { functions, entry: Some(FunctionId(0)), ..Module::new() };
    let program = LoadedProgram::new(verify(module).expect("the code is sound"), VmLimits::default());
    let times: Vec<f64> = (0..repetitions)
        .map(|_| {
            let start = Instant::now();
            let mut machine = Machine::new(&program, FunctionId(0), [].into_iter());
            let result = loop {
                match machine.run(&program, &mut NoHost, &mut REDUCTIONS.clone()) {
                    Exit::Preempted => {}
                    other => break other,
                }
            };
            assert!(matches!(&result, Exit::Done(value) if value.as_int() == Some(expected)), "{result:?}");
            start.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{name}: {least:.0} ms (least of {repetitions})");
}

/// `fn fib(n) = if n < 2 { n } else { fib(n - 1) + fib(n - 2) }`, called with `n`.
fn fib(n: i32) -> Vec<Function> {
    let main = Function {
        name: "main".into(),
        registers: 2,
        code: vec![
            Instruction::wide(Opcode::LoadInt, 0, 1, n as u32),
            Instruction::wide(Opcode::Call, 0, 0, 1),
            Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
        ],
        ..Function::default()
    };
    let fib = Function {
        name: "fib".into(),
        parameters: 1,
        registers: 4,
        code: vec![
            Instruction::jump(Opcode::JumpIfGeImmediate, 0, 2, 1),
            Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
            Instruction::abc(Opcode::AddIntImmediate, 2, 0, -1i16 as u16),
            Instruction::wide(Opcode::Call, 0, 1, 1),
            Instruction::abc(Opcode::AddIntImmediate, 3, 0, -2i16 as u16),
            Instruction::wide(Opcode::Call, 0, 2, 1),
            Instruction::abc(Opcode::AddInt, 1, 1, 2),
            Instruction::abc(Opcode::ReturnScalar, 1, 0, 0),
        ],
        ..Function::default()
    };
    vec![main, fib]
}

/// `let i = 0; while i < n { i = i + 1; } return i;`
fn counting(n: i32) -> Vec<Function> {
    vec![Function {
        name: "main".into(),
        registers: 2,
        code: vec![
            Instruction::wide(Opcode::LoadInt, 0, 0, 0),
            Instruction::wide(Opcode::LoadInt, 0, 1, n as u32),
            Instruction::jump(Opcode::Jump, 0, 0, 1),
            Instruction::abc(Opcode::AddIntImmediate, 0, 0, 1),
            Instruction::jump(Opcode::JumpIfLtInt, 0, 1, -2),
            Instruction::abc(Opcode::ReturnScalar, 0, 0, 0),
        ],
        ..Function::default()
    }]
}
