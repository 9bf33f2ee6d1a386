//! CPU time of the interpreter alone, on code written by hand as the compiler should emit it.
//!
//! `cargo run --release -p vega-runtime --example interpreter [fib|loop|sieve] [repetitions]`. The same programs for Lua are in `benches/vm`.

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
    if matches!(which, "all" | "sieve") {
        measure("sieve 5M", sieve(5_000_000), 348_513, repetitions);
    }
}

fn measure(name: &str, functions: Vec<Function>, expected: i64, repetitions: u32) {
    let module = Module { functions, entry: Some(FunctionId(0)), ..Module::new() };
    let program = LoadedProgram::new(verify(module).expect("the code is sound"), VmLimits::default());
    let times: Vec<f64> = (0..repetitions)
        .map(|_| {
            let start = cpu_ms();
            let mut machine = Machine::new(&program, FunctionId(0), [].into_iter());
            let result = loop {
                match machine.run(&program, &mut NoHost, &mut REDUCTIONS.clone()) {
                    Exit::Preempted => {}
                    other => break other,
                }
            };
            assert!(matches!(&result, Exit::Done(value) if value.as_int() == Some(expected)), "{result:?}");
            cpu_ms() - start
        })
        .collect();
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    println!("{name}: {least:.0} ms (least of {repetitions})");
}

/// CPU time of this thread so far: its first number in the scheduler's statistics, in nanoseconds.
fn cpu_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    let nanoseconds: f64 = text.split(' ').next().and_then(|number| number.parse().ok()).expect("the first number is the time");
    nanoseconds / 1e6
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

/// `benches/vm/sieve.vega`: appends to an array, reads and writes its elements.
fn sieve(n: i32) -> Vec<Function> {
    let code = vec![
        Instruction::wide(Opcode::LoadInt, 0, 0, n as u32),
        Instruction::abc(Opcode::MakeArray, 1, 1, 0),
        Instruction::wide(Opcode::LoadInt, 0, 2, 0),
        Instruction::abc(Opcode::AddIntImmediate, 3, 0, 1),
        Instruction::abc(Opcode::LoadBool, 6, 0, 0),
        Instruction::abc(Opcode::Push, 1, 6, 0),
        Instruction::jump(Opcode::ForInt, 2, 3, -3),
        Instruction::wide(Opcode::LoadInt, 0, 4, 0),
        Instruction::wide(Opcode::LoadInt, 0, 2, 2),
        // The loop over candidates.
        Instruction::abc(Opcode::Index, 5, 1, 2),
        Instruction::jump(Opcode::JumpIf, 5, 0, 7),
        Instruction::abc(Opcode::AddIntImmediate, 4, 4, 1),
        Instruction::abc(Opcode::MulInt, 6, 2, 2),
        Instruction::jump(Opcode::Jump, 0, 0, 3),
        Instruction::abc(Opcode::LoadBool, 7, 1, 0),
        Instruction::abc(Opcode::SetIndex, 1, 6, 7),
        Instruction::abc(Opcode::AddInt, 6, 6, 2),
        Instruction::jump(Opcode::JumpIfLeInt, 6, 0, -4),
        Instruction::jump(Opcode::ForInt, 2, 3, -10),
        Instruction::abc(Opcode::ReturnScalar, 4, 0, 0),
    ];
    vec![Function { name: "main".into(), registers: 8, value_registers: vec![1], code, ..Function::default() }]
}
