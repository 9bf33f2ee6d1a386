//! What instructions ask of the world around them.

use vega_bytecode::kinds;
use vega_scheduler::Instant;

use super::Machine;
use crate::error::Error;
use crate::native::{Input, NativeResult, PortId, Resumable, Step};
use crate::value::Value;

/// How a wait for messages ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// There is a message that was not looked at yet.
    Mail,
    /// The time is over.
    TimedOut,
    /// Neither: the process must wait. The host has noted what for and runs the machine again then.
    Wait,
}

/// What a call of the host has led to besides its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// It has cost so many reductions beyond the one of the instruction.
    Cost(u32),
    /// The process must not run on, not even to clean up: it was killed meanwhile. The machine stops with `Exit::Preempted`.
    Stop,
}

/// What became of a message.
pub enum Sent {
    /// The receiver has it, or has ended.
    Done,
    /// The same, and the receiver does not keep up: the rest of the turn goes to others.
    Crowded,
    /// There was no room. What waits for some is a state to be stepped; its result is dropped.
    Later(Box<dyn Resumable>),
}

/// The runtime as the interpreter sees it. Whatever takes time is answered with [`crate::native::Outcome::Resume`]: the interpreter
/// keeps the state in a native frame and steps it.
///
/// Calls that are given the machine find its position in it: [`Machine::trace`] and [`Machine::coordinate`] work there.
/// Arguments that come as `&mut [Value]` have been moved out of the registers: the host may take them.
pub trait Host {
    /// Calls native `native` of the program.
    fn native(&mut self, machine: &Machine, native: u32, arguments: &mut [Value]) -> NativeResult;

    /// Steps the state of a native frame.
    fn step(&mut self, machine: &Machine, resumable: &mut dyn Resumable, input: Input) -> Step;

    /// Asked after [`Host::native`] and [`Host::step`], and before any error is raised.
    fn after(&mut self) -> After;

    /// What arrived at a port; none to let the process wait for it, until the deadline at most.
    fn next_input(&mut self, port: PortId, deadline: Option<Instant>) -> Option<Input>;

    /// Starts what spawn description `spawn` says. The values are those of its window: arguments, then numbers of the supervision.
    fn spawn(&mut self, machine: &Machine, spawn: u32, values: &mut [Value]) -> NativeResult;

    /// Asks an agent. The values are those of the window of ask description `ask`: handle, message, then timeout and budget.
    /// The result is the reply, or where `streaming`, the stream of it.
    fn ask(&mut self, machine: &Machine, ask: u32, values: &mut [Value], streaming: bool) -> NativeResult;

    /// The next chunk of a stream; null where it has ended.
    fn stream_next(&mut self, machine: &Machine, stream: &Value) -> NativeResult;

    /// Whether a stream has ended.
    fn stream_done(&mut self, stream: &Value) -> Result<bool, Error>;

    /// Leaves the loop over a stream.
    fn stream_close(&mut self, stream: &Value) -> Result<(), Error>;

    /// Joins the rounds of the pending call of a number to its agent's history.
    fn join_round(&mut self, machine: &Machine, number: u32) -> Result<(), Error>;

    /// The value of a future, or the reply of a stream, `as_text` or as what was wanted of it; any other value is itself.
    fn await_value(&mut self, machine: &Machine, value: &Value, as_text: bool) -> NativeResult;

    /// Sends a copy of a message, waiting at most so many nanoseconds for room where a wait is given.
    fn send(&mut self, target: &Value, message: &Value, wait: Option<i64>) -> Result<Sent, Error>;

    /// Links the running process with another.
    fn link(&mut self, target: &Value) -> Result<(), Error>;

    /// Monitors a process: the monitor's handle.
    fn monitor(&mut self, target: &Value) -> Result<Value, Error>;

    /// The running process.
    fn self_process(&mut self) -> Value;

    /// Enters a budget scope that admits so much, for the frame at a depth.
    fn budget_enter(&mut self, depth: u32, limit: i64) -> Result<(), Error>;

    /// Leaves the innermost budget scope, if the frame at this depth entered it.
    fn budget_exit(&mut self, depth: u32);

    /// What the scopes around still admit; none where none is limited.
    fn budget_remaining(&mut self) -> Option<i64>;

    /// Fails unless an amount fits every scope around.
    fn budget_check(&mut self, amount: i64) -> Result<(), Error>;

    /// A copy of the oldest message that was not refused in this `receive`.
    fn receive_peek(&mut self) -> Option<Value>;

    /// Removes the message last looked at and begins a new `receive`.
    fn receive_accept(&mut self);

    /// Refuses the message last looked at in this `receive`.
    fn receive_skip(&mut self);

    /// Waits for a message that was not looked at, at most so many nanoseconds from the first call in this `receive` on.
    fn receive_wait(&mut self, timeout: Option<i64>) -> Wake;
}

/// A host without a world: for code that only computes. Natives, processes and agents are refused.
pub struct NoHost;

impl NoHost {
    fn refuse<T>() -> Result<T, Error> {
        Err(Error::new(kinds::CAPABILITY_DENIED, "this code may only compute"))
    }
}

impl Host for NoHost {
    fn native(&mut self, _machine: &Machine, _native: u32, _arguments: &mut [Value]) -> NativeResult {
        Self::refuse()
    }

    fn step(&mut self, _machine: &Machine, _resumable: &mut dyn Resumable, _input: Input) -> Step {
        match Self::refuse::<Value>() {
            Ok(value) => Step::Return(value),
            Err(error) => Step::Fail(error),
        }
    }

    fn after(&mut self) -> After {
        After::Cost(0)
    }

    fn next_input(&mut self, _port: PortId, _deadline: Option<Instant>) -> Option<Input> {
        None
    }

    fn spawn(&mut self, _machine: &Machine, _spawn: u32, _values: &mut [Value]) -> NativeResult {
        Self::refuse()
    }

    fn ask(&mut self, _machine: &Machine, _ask: u32, _values: &mut [Value], _streaming: bool) -> NativeResult {
        Self::refuse()
    }

    fn stream_next(&mut self, _machine: &Machine, _stream: &Value) -> NativeResult {
        Self::refuse()
    }

    fn stream_done(&mut self, _stream: &Value) -> Result<bool, Error> {
        Self::refuse()
    }

    fn stream_close(&mut self, _stream: &Value) -> Result<(), Error> {
        Self::refuse()
    }

    fn join_round(&mut self, _machine: &Machine, _number: u32) -> Result<(), Error> {
        Ok(())
    }

    fn await_value(&mut self, _machine: &Machine, value: &Value, _as_text: bool) -> NativeResult {
        Ok(value.clone().into())
    }

    fn send(&mut self, _: &Value, _: &Value, _: Option<i64>) -> Result<Sent, Error> {
        Self::refuse()
    }

    fn link(&mut self, _target: &Value) -> Result<(), Error> {
        Self::refuse()
    }

    fn monitor(&mut self, _target: &Value) -> Result<Value, Error> {
        Self::refuse()
    }

    fn self_process(&mut self) -> Value {
        Value::NULL
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
        None
    }

    fn receive_accept(&mut self) {}

    fn receive_skip(&mut self) {}

    fn receive_wait(&mut self, _timeout: Option<i64>) -> Wake {
        Wake::Wait
    }
}
