//! What an idle process costs: starts many, each blocked in `receive`, and prints the memory and time of one.
//!
//! `cargo run --release -p vega-runtime --example idle -- 1000000`

use std::sync::Arc;
use std::time::Instant;

use vega_bytecode::module::{Function, NativeImport, SpawnDescription, SpawnTarget};
use vega_bytecode::{FunctionId, Instruction, Module, Opcode, Type, verify};
use vega_runtime::Runtime;
use vega_runtime::native::{NativeTable, Outcome};
use vega_runtime::value::Value;

/// Pages and mappings of this system process.
fn memory() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has this line");
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    let mappings = std::fs::read_to_string("/proc/self/maps").expect("Linux has it").lines().count();
    (kilobytes * 1024, mappings)
}

/// Processor time of this system process in seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("it has a name").split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().expect("a number") + fields[12].parse::<f64>().expect("a number");
    ticks / 100.0
}

fn main() {
    let count: i32 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let mut natives = NativeTable::new();
    natives.add("idle::measure", 0, |context, _| {
        let started = context.extension::<(Instant, (u64, usize))>().expect("registered below");
        let (resident, mappings) = memory();
        let grown = resident - started.1.0;
        let text = format!(
            "{} MiB more resident, {mappings} mappings, {:.2} s since the start\n",
            grown >> 20,
            started.0.elapsed().as_secs_f64()
        );
        context.write_output(&text)?;
        Ok(Outcome::Value(Value::int(i64::try_from(grown).unwrap_or(0))))
    });

    let mut module = Module::new();
    let any = module.types.intern(Type::Any);
    for (name, arity) in [("idle::measure", 0), ("process::sleep", 1)] {
        module.natives.push(NativeImport { name: name.into(), arity, result: any, changes_self: false });
    }
    module.entry = Some(FunctionId(0));
    module.spawns.push(SpawnDescription {
        target: SpawnTarget::Function(FunctionId(1)),
        arguments: 0,
        supervision: None,
        asynchronous: false,
        linked: false,
        member: false,
    });
    let op = Instruction::abc;
    let main = vec![
        Instruction::wide(Opcode::LoadInt, 0, 0, 0),
        Instruction::wide(Opcode::LoadInt, 0, 1, count as u32),
        op(Opcode::Spawn, 2, 0, 0),
        op(Opcode::AddIntImmediate, 0, 0, 1),
        Instruction::jump(Opcode::JumpIfLtInt, 0, 1, -3),
        // By then all have run up to their `receive`.
        Instruction::wide(Opcode::LoadInt, 0, 3, 2_000),
        op(Opcode::CallNative, 2, 1, 1),
        op(Opcode::CallNative, 2, 0, 0),
        op(Opcode::ReturnNull, 0, 0, 0),
    ];
    let idle = vec![
        Instruction::jump(Opcode::ReceivePeek, 0, 0, 1),
        op(Opcode::ReturnNull, 0, 0, 0),
        Instruction::jump(Opcode::ReceiveWait, 0, 0, -3),
        op(Opcode::ReturnNull, 0, 0, 0),
    ];
    // Eight registers, as a small real process has.
    for (name, registers, code) in [("main", 4, main), ("idle", 8, idle)] {
        let value_registers = (0..registers).collect();
        module.functions.push(Function { name: name.into(), registers, value_registers, code, ..Function::default() });
    }

    let stdout = Arc::new(vega_runtime::output::ToWriter::new(std::io::stdout()));
    let before = (Instant::now(), memory());
    let processor = processor_seconds();
    let runtime = Runtime::builder().natives(natives).extension(Arc::new(before)).stdout(stdout).build().expect("threads start");
    runtime.load(verify(module).expect("well formed")).expect("all natives are there");
    let report = runtime.run();
    println!("{:?}; {} processes", report.outcome, report.processes);
    let (resident, _) = memory();
    println!("{} bytes resident per process", (resident.saturating_sub(before.1.0)) / u64::from(count.unsigned_abs()));
    println!("{:.0} ns of processor time per process, spawn to idle", (processor_seconds() - processor) * 1e9 / f64::from(count));
    drop(runtime);
    println!("{} MiB resident after the end", memory().0 >> 20);
}
