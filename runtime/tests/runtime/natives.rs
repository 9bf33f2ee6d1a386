//! State machines that call Vega, wait for messages, and live as processes of their own.

use std::time::Duration;

use vega_bytecode::{FunctionId, Opcode};
use vega_runtime::native::{
    Callee, Input, NativeContext, NativeTable, Notice, Outcome, Port, PortId, Resumable, SpawnOptions, Step, Task,
};
use vega_runtime::value::Value;

use crate::assembler::{Code, Program};
use crate::support::{finished, run_with};

/// Calls function 1 with 1, 2, 3 … until it has the sum of ten results.
struct SumOfTen {
    next: i64,
    sum: i64,
}

impl Resumable for SumOfTen {
    fn step(&mut self, _: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Returned(Ok(value)) => self.sum += value.as_int().expect("the function returns an int"),
            Input::Returned(Err(error)) => return Step::Fail(error),
            _ => {}
        }
        if self.next == 10 {
            return Step::Return(Value::int(self.sum));
        }
        self.next += 1;
        Step::Call { callee: Callee::Function(FunctionId(1)), arguments: vec![Value::int(self.next)] }
    }
}

#[test]
fn a_native_calls_a_function_of_the_program_again_and_again() {
    let mut table = NativeTable::new();
    table.add("test::sum", 0, |_, _| Ok(Outcome::Resume(Box::new(SumOfTen { next: 0, sum: 0 }))));
    let mut program = Program::new();
    let sum = program.native("test::sum", 0);
    program.function("main", 0, 2, Code::new().op(Opcode::CallNative, 0, sum, 0).return_scalar(0));
    program.function("square", 1, 2, Code::new().op(Opcode::MulInt, 1, 0, 0).return_scalar(1));
    let ran = run_with(program.finish(), |builder| builder.natives(table));
    assert_eq!(ran.report.outcome, finished(385));
}

/// Starts a state machine, waits at a port of its own for what it sends, and for the news of its end.
#[derive(Default)]
struct Parent {
    port: Option<Port>,
    answer: i64,
}

impl Resumable for Parent {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Start => {
                let port = context.open_port();
                let child = Child { answer_to: port.address() };
                let spawned = context.spawn(Task::Native(Box::new(child)), SpawnOptions::default()).expect("there is room");
                context.send_to(&vega_runtime::native::Address::root(spawned.process), Box::new(41i64));
                let id = port.id();
                self.port = Some(port);
                Step::Receive { port: id, deadline: None }
            }
            Input::Message(payload) => {
                self.answer = *payload.downcast().expect("the child sends an int");
                let id = self.port.as_ref().expect("opened at the start").id();
                Step::Receive { port: id, deadline: Some(context.now() + Duration::from_millis(5)) }
            }
            Input::Timeout => Step::Return(Value::int(self.answer)),
            _ => panic!("nothing else comes"),
        }
    }
}

struct Child {
    answer_to: vega_runtime::native::Address,
}

impl Resumable for Child {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Message(payload) => {
                let number: i64 = *payload.downcast().expect("the parent sends an int");
                context.send_to(&self.answer_to, Box::new(number + 1));
                Step::Return(Value::NULL)
            }
            _ => Step::Receive { port: PortId::ROOT, deadline: None },
        }
    }
}

#[test]
fn state_machines_live_as_processes_and_answer_at_ports() {
    let mut table = NativeTable::new();
    table.add("test::parent", 0, |_, _| Ok(Outcome::Resume(Box::<Parent>::default())));
    let mut program = Program::new();
    let parent = program.native("test::parent", 0);
    program.function("main", 0, 2, Code::new().op(Opcode::CallNative, 0, parent, 0).return_scalar(0));
    let ran = run_with(program.finish(), |builder| builder.natives(table));
    assert_eq!((ran.report.outcome, ran.report.processes, ran.stderr.as_str()), (finished(42), 2, ""));
}

/// A process of its own that watches one which fails, and tells the program's first process how it ended.
struct Watcher {
    tell: vega_runtime::native::Address,
}

impl Resumable for Watcher {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Start => {
                let options = SpawnOptions { monitored: true, label: Some("failing".into()), ..SpawnOptions::default() };
                let spawned = context.spawn(Task::Native(Box::new(Failing)), options).expect("there is room");
                assert!(spawned.monitor.is_some());
            }
            Input::Notice(Notice::Down { reason, .. }) => {
                context.send_to(&self.tell, Box::new(reason.to_string()));
                return Step::Return(Value::NULL);
            }
            _ => {}
        }
        Step::Receive { port: PortId::ROOT, deadline: None }
    }
}

struct Failing;

impl Resumable for Failing {
    fn step(&mut self, context: &mut NativeContext<'_>, _: Input) -> Step {
        // It ends within its first slice, before anybody could have begun to watch it.
        match context.read_file("/etc/hostname") {
            Ok(_) => Step::Return(Value::NULL),
            Err(error) => Step::Fail(error),
        }
    }
}

#[derive(Default)]
struct WaitForText(Option<Port>);

impl Resumable for WaitForText {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        if let Input::Message(payload) = input {
            let text: String = *payload.downcast().expect("the watcher sends text");
            return Step::Return(Value::int(text.len() as i64));
        }
        let port = context.open_port();
        let id = port.id();
        let watcher = Watcher { tell: port.address() };
        context.spawn(Task::Native(Box::new(watcher)), SpawnOptions::default()).expect("there is room");
        self.0 = Some(port);
        Step::Receive { port: id, deadline: None }
    }
}

#[test]
fn a_runtime_without_grants_reads_no_file_and_says_what_would_allow_it() {
    let mut table = NativeTable::new();
    table.add("test::watch", 0, |_, _| Ok(Outcome::Resume(Box::<WaitForText>::default())));
    let mut program = Program::new();
    let watch = program.native("test::watch", 0);
    program.function("main", 0, 2, Code::new().op(Opcode::CallNative, 0, watch, 0).return_scalar(0));
    let ran = run_with(program.finish(), |builder| builder.natives(table));
    let reason = "CapabilityDenied: fs::read of /etc/hostname (--allow-read=/etc would allow it)";
    assert_eq!(ran.report.outcome, finished(reason.len() as i64));
    assert!(ran.stderr.contains("failing ") && ran.stderr.contains(reason), "{}", ran.stderr);
}
