//! Whatever `verify` accepts, the interpreter survives: random instructions run for a bounded time, fail as programs fail, lose no
//! memory, and never run longer than they were given.

#[path = "../bytecode/tests/generate/mod.rs"]
mod generate;

use std::sync::Arc;

use fastrand::Rng;
use vega_bytecode::format::seal;
use vega_bytecode::{EnumId, FunctionId, KindId, StructId, decode, encode, kinds, verify};
use vega_runtime::error::Error;
use vega_runtime::native::{Callee, Input, NativeContext, NativeResult, Outcome, PortId, Resumable, Step};
use vega_runtime::value::{Map, Range, Value, heap};
use vega_runtime::vm::{After, Exit, Host, LoadedProgram, Machine, Sent, VmLimits, Wake};
use vega_scheduler::Instant;

/// Turns that a program gets.
const TURNS: usize = 40;
/// Reductions of a turn.
const REDUCTIONS: u32 = 100;

#[test]
fn random_programs_do_no_harm() {
    let mut finished = [0usize; 5];
    for seed in 0..generate::cases(1_500) {
        let mut random = Rng::with_seed(seed);
        let program = LoadedProgram::new(generate::runnable_module(&mut random), VmLimits { call_depth: 50, registers: 2_000 });
        let before = heap::enter(heap::Account::with_limit(1 << random.u32(10..20)));
        finished[run(&program, random)] += 1;
        assert_eq!(heap::used(), 0, "seed {seed} lost memory");
        heap::enter(before);
    }
    // All ways to end occur, or the programs would not test much.
    assert!(finished.iter().all(|&count| count > 0), "{finished:?}");
}

#[test]
fn damaged_files_that_still_verify_do_no_harm() {
    let (cases, mut ran) = (generate::cases(800), 0);
    for seed in 0..cases {
        let mut random = Rng::with_seed(seed);
        let mut file = encode(generate::runnable_module(&mut random).module());
        for _ in 0..random.usize(1..3) {
            let place = random.usize(file.len() / 2..file.len());
            if random.bool() { file[place] = random.u8(..) } else { file[place] ^= 1 << random.u8(..8) }
        }
        seal(&mut file);
        let Some(module) = decode(&file).ok().and_then(|module| verify(module).ok()) else { continue };
        if module.entry != Some(FunctionId(0)) || module.functions[0].parameters > 0 {
            continue;
        }
        let program = LoadedProgram::new(module, VmLimits { call_depth: 50, registers: 2_000 });
        let before = heap::enter(heap::Account::with_limit(1 << 16));
        run(&program, random);
        assert_eq!(heap::used(), 0, "seed {seed} lost memory");
        heap::enter(before);
        ran += 1;
    }
    assert!(ran * 30 > cases, "only {ran} of {cases} files still verify");
}

/// Runs a program to its end, or until its turns are over; says how it ended.
fn run(program: &Arc<LoadedProgram>, random: Rng) -> usize {
    let mut host = Fake { random, program: program.clone(), checked: 0 };
    let mut machine = if host.random.u8(..10) == 0 {
        Machine::native(Box::new(Idle))
    } else {
        Machine::new(program, FunctionId(0), [].into_iter())
    };
    for _ in 0..TURNS {
        let mut reductions = REDUCTIONS;
        let exit = machine.run(program, &mut host, &mut reductions);
        assert!(reductions <= REDUCTIONS);
        match exit {
            Exit::Preempted | Exit::Waiting => {}
            Exit::Done(_) => return 0,
            Exit::Failed(_) => return 1,
            Exit::Ended(_) => return 2,
            Exit::Limit(_) => return 3,
        }
    }
    4
}

/// The state of a native frame; what it wants next, the host makes up.
struct Idle;

impl Resumable for Idle {
    fn step(&mut self, _context: &mut NativeContext<'_>, _input: Input) -> Step {
        Step::Return(Value::NULL)
    }
}

/// A host that answers at random.
struct Fake {
    random: Rng,
    program: Arc<LoadedProgram>,
    checked: usize,
}

impl Fake {
    fn value(&mut self, depth: u32) -> Value {
        match self.random.u8(..if depth == 0 { 8 } else { 16 }) {
            0 => Value::NULL,
            1 => Value::bool(self.random.bool()),
            2 => Value::int(self.random.i64(-3..6)),
            3 => Value::int(self.random.i64(..)),
            4 => Value::float(self.random.f64()),
            5 => Value::str(["", "text", "日本語", "key"][self.random.usize(..4)]),
            6 => Value::duration(self.random.i64(..)),
            7 => Value::function(FunctionId(self.random.u32(..9))),
            8 | 9 => Value::array(self.values(depth - 1)),
            10 => {
                let mut map = Map::new();
                for value in self.values(depth - 1) {
                    map.insert(Value::int(self.random.i64(..4)), value);
                }
                map.into()
            }
            11 => Value::tuple(self.values(depth - 1)),
            12 => Value::structure(StructId(self.random.u32(..7)), self.values(depth - 1)),
            13 => Value::variant(EnumId(self.random.u32(..2)), self.random.u16(..3), self.values(depth - 1)),
            14 => Range::new(self.random.i64(-5..5), self.random.i64(-5..5), self.random.bool()).into(),
            _ => match self.random.bool() {
                true => self.error().into(),
                false => Value::closure(FunctionId(self.random.u32(..6)), self.values(depth - 1)),
            },
        }
    }

    fn values(&mut self, depth: u32) -> Vec<Value> {
        (0..self.random.usize(..4)).map(|_| self.value(depth)).collect()
    }

    fn error(&mut self) -> Error {
        Error::new(KindId(self.random.u32(..kinds::BUILT_IN.len() as u32)), "made up")
    }

    /// An answer to whatever was asked; looks at the machine as a real host may.
    fn answer(&mut self, machine: &Machine) -> NativeResult {
        let coordinate = machine.coordinate(&self.program);
        let trace = machine.trace(&self.program);
        assert!(coordinate.len() >= trace.len().min(64), "a coordinate has a part for each frame");
        self.checked += 1;
        match self.random.u8(..8) {
            0 => Err(self.error()),
            1 => Ok(Outcome::Resume(Box::new(Idle))),
            _ => Ok(Outcome::Value(self.value(3))),
        }
    }
}

impl Host for Fake {
    fn native(&mut self, machine: &Machine, _native: u32, arguments: &mut [Value]) -> NativeResult {
        for argument in arguments.iter_mut() {
            if self.random.bool() {
                *argument = self.value(1);
            }
        }
        self.answer(machine)
    }

    fn step(&mut self, _machine: &Machine, _resumable: &mut dyn Resumable, _input: Input) -> Step {
        match self.random.u8(..8) {
            0 | 1 => Step::Return(self.value(3)),
            2 => Step::Fail(self.error()),
            3 => Step::Yield,
            4 => Step::Receive { port: PortId::ROOT, deadline: None },
            5 => Step::Call { callee: Callee::Function(FunctionId(self.random.u32(..7))), arguments: self.values(1) },
            _ => Step::Call { callee: Callee::Closure(self.value(2)), arguments: self.values(1) },
        }
    }

    fn after(&mut self) -> After {
        if self.random.u32(..2_000) == 0 { After::Stop } else { After::Cost(self.random.u32(..3)) }
    }

    fn next_input(&mut self, _port: PortId, _deadline: Option<Instant>) -> Option<Input> {
        self.random.bool().then_some(Input::Timeout)
    }

    fn spawn(&mut self, machine: &Machine, _spawn: u32, _values: &mut [Value]) -> NativeResult {
        self.answer(machine)
    }

    fn ask(&mut self, machine: &Machine, _ask: u32, _values: &mut [Value], _streaming: bool) -> NativeResult {
        self.answer(machine)
    }

    fn stream_next(&mut self, machine: &Machine, _stream: &Value) -> NativeResult {
        self.answer(machine)
    }

    fn stream_done(&mut self, _stream: &Value) -> Result<bool, Error> {
        if self.random.u8(..5) == 0 { Err(self.error()) } else { Ok(self.random.bool()) }
    }

    fn stream_close(&mut self, _stream: &Value) -> Result<(), Error> {
        if self.random.u8(..5) == 0 { Err(self.error()) } else { Ok(()) }
    }

    fn join_round(&mut self, _machine: &Machine, _number: u32) -> Result<(), Error> {
        if self.random.u8(..5) == 0 { Err(self.error()) } else { Ok(()) }
    }

    fn await_value(&mut self, machine: &Machine, _value: &Value, _as_text: bool) -> NativeResult {
        self.answer(machine)
    }

    fn send(&mut self, _: &Value, _: &Value, _: Option<i64>) -> Result<Sent, Error> {
        match self.random.u8(..8) {
            0 => Err(self.error()),
            1 => Ok(Sent::Later(Box::new(Idle))),
            2 => Ok(Sent::Crowded),
            _ => Ok(Sent::Done),
        }
    }

    fn link(&mut self, _target: &Value) -> Result<(), Error> {
        if self.random.u8(..5) == 0 { Err(self.error()) } else { Ok(()) }
    }

    fn monitor(&mut self, _target: &Value) -> Result<Value, Error> {
        Ok(self.value(1))
    }

    fn self_process(&mut self) -> Value {
        Value::process(7)
    }

    fn budget_enter(&mut self, _depth: u32, _limit: i64) -> Result<(), Error> {
        Ok(())
    }

    fn budget_exit(&mut self, _depth: u32) {}

    fn budget_remaining(&mut self) -> Option<i64> {
        None
    }

    fn budget_check(&mut self, _amount: i64) -> Result<(), Error> {
        Ok(())
    }

    fn receive_peek(&mut self) -> Option<Value> {
        self.random.bool().then(|| self.value(2))
    }

    fn receive_accept(&mut self) {}

    fn receive_skip(&mut self) {}

    fn receive_wait(&mut self, _timeout: Option<i64>) -> Wake {
        [Wake::Mail, Wake::TimedOut, Wake::Wait][self.random.usize(..3)]
    }
}
