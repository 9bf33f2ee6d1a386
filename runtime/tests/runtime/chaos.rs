//! Many processes that spawn, watch, link, send to and end each other at random, on more workers than there are cores.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vega_bytecode::{FunctionId, Opcode};
use vega_runtime::limits::Limits;
use vega_runtime::native::{
    Input, NativeContext, NativeTable, Notice, Outcome as NativeOutcome, PortId, Resumable, SpawnOptions, Step, Task,
};
use vega_runtime::process::{ExitReason, Pid};
use vega_runtime::value::Value;
use vega_runtime::value::copy::Message;

use crate::assembler::{Code, Program};
use crate::support::{finished, run_with};

/// Watched ends so far, of all actors together.
struct Ends(AtomicU64);

/// Does random things to processes that it watches, and in the end kills and awaits all that are left.
struct Actor {
    random: fastrand::Rng,
    steps: u32,
    /// Watched and not yet known to have ended.
    living: HashMap<u64, Pid>,
    /// Among those that were started at any time.
    known: Vec<Pid>,
}

impl Actor {
    fn act(&mut self, context: &NativeContext<'_>) {
        let some = self.known.get(self.random.usize(0..self.known.len().max(1))).copied();
        match (self.random.u32(0..10), some) {
            (0..4, _) | (_, None) => {
                let function = FunctionId(self.random.u32(2..7));
                let options = SpawnOptions { monitored: true, ..SpawnOptions::default() };
                let arguments = Message::build(|| Value::array(Vec::new()));
                let spawned = context.spawn(Task::Function(function, arguments), options).expect("there is room");
                self.living.insert(spawned.monitor.expect("asked for"), spawned.process);
                self.known.push(spawned.process);
            }
            (4..6, Some(process)) => drop(context.send(process, Message::build(|| Value::str("a message of some length")))),
            (6, Some(process)) => context.kill(process),
            (7, Some(process)) => context.exit_process(process, ExitReason::from_text("chaos")),
            (8, Some(process)) => drop(self.living.insert(context.monitor(process), process)),
            (_, Some(process)) => context.link(process),
        }
    }
}

impl Resumable for Actor {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Start => context.trap_exits(true),
            Input::Notice(Notice::Down { monitor, process, .. }) => {
                assert_eq!(self.living.remove(&monitor), Some(process), "told twice, or of a stranger");
                context.extension::<Ends>().expect("registered").0.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        if self.steps > 0 {
            for _ in 0..8 {
                self.act(context);
            }
            self.steps -= 1;
            // Sometimes a pause, so that sleeping and waking mix with the rest.
            let pause = Duration::from_micros(self.random.u64(0..300));
            return Step::Receive { port: PortId::ROOT, deadline: Some(context.now() + pause) };
        }
        if self.living.is_empty() {
            return Step::Return(Value::NULL);
        }
        for &process in self.living.values() {
            context.kill(process);
        }
        Step::Receive { port: PortId::ROOT, deadline: None }
    }
}

#[test]
fn every_watched_end_is_told_exactly_once() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut table = NativeTable::new();
    table.add("test::actor", 1, move |context, arguments| {
        let actor = |random| Actor { random, steps: 400, living: HashMap::new(), known: Vec::new() };
        let number = arguments[0].as_int().expect("an int").cast_unsigned();
        let random = context.extension::<AtomicU64>().expect("registered").load(Ordering::Relaxed);
        let state = actor(fastrand::Rng::with_seed(random ^ number << 32));
        let spawned = context.spawn(Task::Native(Box::new(state)), SpawnOptions::default())?;
        Ok(NativeOutcome::Value(Value::process(spawned.process.to_bits())))
    });
    table.add("test::panic", 0, |_, _| panic!("chaos"));
    table.add_blocking("test::block", 0, |_, _| {
        let _ = vega_scheduler::sleep(Duration::from_secs(3600));
        Ok(NativeOutcome::Value(Value::NULL))
    });
    let mut program = Program::new();
    let actor = program.native("test::actor", 1);
    let panic = program.native("test::panic", 0);
    let block = program.native("test::block", 0);
    // Four actors; `main` waits for the end of each.
    let mut main = Code::new();
    for number in 0..4 {
        main = main.int(1, number).op(Opcode::CallNative, 0, actor, 1).op(Opcode::Monitor, 2, 0, 0);
    }
    main = main
        .receive(3, "a0", "w0", "g0")
        .receive(3, "a1", "w1", "g1")
        .receive(3, "a2", "w2", "g2")
        .receive(3, "a3", "w3", "g3")
        .int(0, 5)
        .return_scalar(0);
    program.function("main", 0, 4, main);
    program.function("unused", 0, 1, Code::new().return_null());
    program.function("short", 0, 1, Code::new().return_null());
    program.function("waiting", 0, 1, Code::new().wait_for_ever(0));
    program.function("looping", 0, 1, Code::new().label("loop").jump(Opcode::Jump, 0, 0, "loop"));
    program.function("panicking", 0, 2, Code::new().op(Opcode::CallNative, 0, panic, 0).return_null());
    program.function("blocking", 0, 2, Code::new().op(Opcode::CallNative, 0, block, 0).return_null());
    let ends = Arc::new(Ends(AtomicU64::new(0)));
    let extension = Arc::clone(&ends);
    let ran = run_with(program.finish(), |builder| {
        let limits = Limits { slice_reductions: 500, ..Limits::default() };
        builder.workers(4).natives(table).limits(limits).extension(extension).extension(Arc::new(AtomicU64::new(seed)))
    });
    assert_eq!(ran.report.outcome, finished(5));
    assert!(ends.0.load(Ordering::Relaxed) > 4_000, "the actors started and watched many");
}
