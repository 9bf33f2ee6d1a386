//! A host whose natives do what a test has written down.

use std::collections::VecDeque;
use std::sync::Arc;

use vega_bytecode::kinds;
use vega_scheduler::Instant;

use crate::error::Error;
use crate::native::{Input, NativeContext, NativeResult, Outcome, PortId, Resumable, Step};
use crate::process::Activation;
use crate::value::Value;
use crate::vm::{After, Host, LoadedProgram, Machine, Sent, Wake};

/// A host whose natives are scripted: native 0 answers with the steps of its script, native 1 changes its first argument and fails,
/// native 2 records where it was called from.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) steps: VecDeque<Step>,
    /// What the native frame was stepped with, as text.
    pub(super) inputs: Vec<String>,
    pub(super) program: Option<Arc<LoadedProgram>>,
    pub(super) coordinates: Vec<Vec<Activation>>,
    /// After how many calls the process is killed.
    pub(super) stop_after: Option<u32>,
}

struct State;

impl Resumable for State {
    fn step(&mut self, _context: &mut NativeContext<'_>, _input: Input) -> Step {
        unreachable!("the host makes up the steps")
    }
}

impl Host for Scripted {
    fn native(&mut self, machine: &Machine, native: u32, arguments: &mut [Value]) -> NativeResult {
        match native {
            0 => Ok(Outcome::Resume(Box::new(State))),
            1 => {
                arguments[0] = Value::int(arguments[0].as_int().unwrap() + 1);
                Err(Error::new(kinds::IO_ERROR, "no"))
            }
            _ => {
                let program = self.program.as_ref().expect("the test names its program");
                self.coordinates.push(machine.coordinate(program));
                Ok(Outcome::Value(Value::NULL))
            }
        }
    }

    fn step(&mut self, _machine: &Machine, _resumable: &mut dyn Resumable, input: Input) -> Step {
        self.inputs.push(match input {
            Input::Start => "start".into(),
            Input::Resumed => "resumed".into(),
            Input::Returned(Ok(value)) => format!("{value:?}"),
            Input::Returned(Err(error)) => error.message().as_str().to_owned(),
            Input::Timeout => "timeout".into(),
            Input::Message(_) | Input::Notice(_) => "message".into(),
        });
        self.steps.pop_front().expect("the script has a step")
    }

    fn after(&mut self) -> After {
        match &mut self.stop_after {
            Some(0) => After::Stop,
            Some(calls) => {
                *calls -= 1;
                After::Cost(0)
            }
            None => After::Cost(0),
        }
    }

    fn next_input(&mut self, _port: PortId, _deadline: Option<Instant>) -> Option<Input> {
        // Nothing the first time it is asked, so that the machine waits once.
        let waited = self.inputs.last().is_some_and(|input| input == "(waits)");
        if !waited {
            self.inputs.push("(waits)".into());
        }
        waited.then_some(Input::Timeout)
    }

    fn spawn(&mut self, _machine: &Machine, _spawn: u32, _values: &mut [Value]) -> NativeResult {
        Ok(Value::NULL.into())
    }

    fn ask(&mut self, _machine: &Machine, _ask: u32, _values: &mut [Value], _streaming: bool) -> NativeResult {
        Ok(Value::NULL.into())
    }

    fn stream_next(&mut self, _machine: &Machine, _stream: &Value) -> NativeResult {
        Ok(Value::NULL.into())
    }

    fn stream_done(&mut self, _stream: &Value) -> Result<bool, Error> {
        Ok(true)
    }

    fn stream_close(&mut self, _stream: &Value) -> Result<(), Error> {
        Ok(())
    }

    fn join_round(&mut self, _machine: &Machine, _number: u32) -> Result<(), Error> {
        Ok(())
    }

    fn await_value(&mut self, _machine: &Machine, value: &Value, _as_text: bool) -> NativeResult {
        Ok(value.clone().into())
    }

    fn send(&mut self, _: &Value, _: &Value, _: Option<i64>) -> Result<Sent, Error> {
        Ok(Sent::Done)
    }

    fn link(&mut self, _target: &Value) -> Result<(), Error> {
        Ok(())
    }

    fn monitor(&mut self, _target: &Value) -> Result<Value, Error> {
        Ok(Value::NULL)
    }

    fn self_process(&mut self) -> Value {
        Value::process(1)
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
        panic!("a defect of the host")
    }

    fn receive_accept(&mut self) {}

    fn receive_skip(&mut self) {}

    fn receive_wait(&mut self, _timeout: Option<i64>) -> Wake {
        Wake::Wait
    }
}
