//! What interrupts the straight way of the instructions: errors looking for a handler, a process that ends itself, native frames that
//! are stepped.
//!
//! Nothing here recurses: each step says in a [`Flow`] what comes next, however deep Vega and native frames are nested.

use vega_bytecode::kinds;

use super::host::{After, Host};
use super::loaded::Loaded;
use super::machine::{At, BOTTOM, Exit, FROM_NATIVE, Machine, NativeFrame, callee, return_address};
use super::program::LoadedProgram;
use crate::error::Error;
use crate::native::{Callee, Input, NativeResult, Outcome, PortId, Step};
use crate::value::Value;

/// Frames of a stack trace that are walked for one reduction.
const FRAMES_PER_REDUCTION: u32 = 64;
/// Handlers that are looked at for one reduction.
const HANDLERS_PER_REDUCTION: u32 = 256;

/// What comes next.
pub(crate) enum Flow {
    /// The instruction at the machine's position.
    Continue,
    /// A handler for this error.
    Raise(Error),
    /// The next cleanup on the way out of the process.
    Leave,
    /// A step of the topmost native frame.
    Step(Input),
    /// Nothing: the machine stops.
    Stop(Exit),
}

/// What lay below a frame that was left.
enum Below {
    Vega,
    Native,
    Nothing,
}

impl Machine {
    /// Follows `flow` until there is an instruction to run (`None`) or the machine stops.
    pub(crate) fn settle<H: Host>(&mut self, program: &LoadedProgram, host: &mut H, mut flow: Flow) -> Option<Exit> {
        loop {
            flow = match flow {
                Flow::Continue => return None,
                Flow::Stop(exit) => return Some(exit),
                Flow::Raise(error) => match self.account(host) {
                    Some(exit) => return Some(exit),
                    None => self.raise(program, error),
                },
                Flow::Leave => self.leave_process(program),
                Flow::Step(input) => self.step(program, host, input),
            };
        }
    }

    /// Takes what calls of the host have cost; the exit where the process must not run on.
    pub(crate) fn account<H: Host>(&mut self, host: &mut H) -> Option<Exit> {
        match host.after() {
            After::Cost(reductions) => {
                self.left = self.left.saturating_sub(reductions);
                None
            }
            After::Stop => {
                self.at = At::Over;
                Some(Exit::Preempted)
            }
        }
    }

    /// Finds the innermost handler of an error raised at the machine's position.
    fn raise(&mut self, program: &LoadedProgram, mut error: Error) -> Flow {
        if error.trace().is_empty() {
            error.record_trace(|| self.trace(program));
            self.left = self.left.saturating_sub(self.depth / FRAMES_PER_REDUCTION);
        }
        loop {
            if self.base == 0 {
                return self.leave_native(Err(error));
            }
            if self.enter_handler(program, false, || Value::from(error.clone())) {
                return self.charge();
            }
            match self.leave_frame(program) {
                Below::Vega => {}
                Below::Native => {
                    self.end_cleanup_in_native();
                    return Flow::Step(Input::Returned(Err(error)));
                }
                Below::Nothing => {
                    self.at = At::Over;
                    return Flow::Stop(Exit::Failed(error));
                }
            }
        }
    }

    /// Takes a reduction for going on at the machine's position: handlers and what native frames call may go round in circles, too.
    fn charge(&mut self) -> Flow {
        if self.left == 0 {
            return Flow::Stop(Exit::Preempted);
        }
        self.left -= 1;
        Flow::Continue
    }

    /// Goes through the cleanups of a process that ends itself. Native frames on the way are dropped: what they must cancel, their
    /// `Drop` cancels.
    fn leave_process(&mut self, program: &LoadedProgram) -> Flow {
        loop {
            if self.base != 0 {
                if self.enter_handler(program, true, || Value::NULL) {
                    return self.charge();
                }
                if let Below::Vega = self.leave_frame(program) {
                    continue;
                }
            }
            match self.natives.pop() {
                Some(native) if native.ip != BOTTOM => self.return_to(&native),
                _ => {
                    self.at = At::Over;
                    let reason = self.leaving.take().and_then(|leaving| leaving.reason).unwrap_or(Value::NULL);
                    return Flow::Stop(Exit::Ended(reason));
                }
            }
        }
    }

    /// Enters the innermost handler around the position of the topmost frame, if it has one.
    fn enter_handler(&mut self, program: &LoadedProgram, cleanups_only: bool, caught: impl FnOnce() -> Value) -> bool {
        let number = self.function_at(self.base);
        let function = program.function(number);
        let pc = function.pc_before(self.ip);
        let handlers = &program.module().functions[number as usize].handlers;
        let covers = |handler: &&vega_bytecode::module::Handler| {
            handler.start <= pc && pc < handler.end && (handler.cleanup || !cleanups_only)
        };
        self.left = self.left.saturating_sub(handlers.len() as u32 / HANDLERS_PER_REDUCTION);
        let Some(handler) = handlers.iter().find(covers) else { return false };
        if !cleanups_only {
            match handler.cleanup {
                true => self.begin_cleanup(pc),
                false => self.end_cleanup(handlers, handler.target),
            }
        }
        self.release(self.base + u32::from(handler.keep), self.base + function.registers);
        // SAFETY: verify has checked that the register and the target lie in the function, whose frame is on the stack.
        unsafe {
            *self.slot(self.base + u32::from(handler.register)) = caught();
            self.ip = function.code().add(handler.target as usize);
        }
        true
    }

    /// Releases the topmost frame and goes to what called it.
    fn leave_frame(&mut self, program: &LoadedProgram) -> Below {
        let function = program.function(self.function_at(self.base));
        let first = if function.returns_self { self.base + 1 } else { self.base };
        self.release(first, self.base + function.registers);
        // SAFETY: the header of a frame lies below its registers.
        let header = unsafe { self.slot(self.base - 1).replace(Value::NULL) };
        self.return_from(return_address(&header))
    }

    /// Goes back to the caller of the topmost frame, whose header said `back`.
    fn return_from(&mut self, back: *const Loaded) -> Below {
        if back == BOTTOM {
            self.base = 0;
            return Below::Nothing;
        }
        if back == FROM_NATIVE {
            let native = self.natives.last_mut().expect("a native frame called the frame that was left");
            native.calling = false;
            (self.base, self.ip, self.depth) = (native.base, native.ip, native.depth);
            return Below::Native;
        }
        // SAFETY: other addresses in headers are those after a call instruction of the program's code.
        let call = unsafe { *back.sub(1) };
        self.base = self.base - 1 - call.a().number();
        self.ip = back;
        self.depth -= 1;
        Below::Vega
    }

    /// Goes on after a frame has returned to an address that is no code. `Err` with the result where it was the first frame.
    pub(crate) fn returned(&mut self, back: *const Loaded, result: Value) -> Result<Flow, Value> {
        match self.return_from(back) {
            Below::Vega => Ok(Flow::Continue),
            Below::Native => Ok(Flow::Step(Input::Returned(Ok(result)))),
            Below::Nothing => {
                self.at = At::Over;
                Err(result)
            }
        }
    }

    /// Makes the slots `from .. to` null.
    fn release(&mut self, from: u32, to: u32) {
        for number in from..to {
            // SAFETY: the slots of a frame lie within the stack and hold values.
            unsafe { *self.slot(number) = Value::NULL };
        }
    }

    /// Goes on with what a native, or another request to the host, has answered. A result goes to slot `result`.
    pub(crate) fn answered(&mut self, answer: NativeResult, result: u32) -> Flow {
        match answer {
            Ok(Outcome::Value(value)) => {
                self.put(result, value);
                Flow::Continue
            }
            Ok(Outcome::Resume(state)) => {
                self.push_native(result, state);
                Flow::Step(Input::Start)
            }
            Err(error) => Flow::Raise(error),
        }
    }

    fn put(&mut self, result: u32, value: Value) {
        if result != super::machine::NO_RESULT {
            // SAFETY: results go to registers of the topmost frame.
            unsafe { *self.slot(result) = value };
        }
    }

    /// Steps the topmost native frame once.
    fn step<H: Host>(&mut self, program: &LoadedProgram, host: &mut H, input: Input) -> Flow {
        let native = self.natives.last_mut().expect("only a machine with a native frame is stepped");
        let mut state = native.state.take().expect("a state is put back after each step");
        let step = host.step(self, &mut *state, input);
        if let Some(native) = self.natives.last_mut() {
            native.state = Some(state);
        }
        if let Some(exit) = self.account(host) {
            return Flow::Stop(exit);
        }
        match step {
            Step::Call { callee, arguments } => match self.call_from_native(program, &callee, arguments) {
                Ok(()) => self.charge(),
                Err(mut error) => {
                    error.record_trace(|| self.trace(program));
                    Flow::Step(Input::Returned(Err(error)))
                }
            },
            Step::Return(value) => self.leave_native(Ok(value)),
            Step::Fail(error) => self.leave_native(Err(error)),
            Step::Receive { port, deadline } => {
                if let Some(native) = self.natives.last_mut() {
                    native.awaited = (port, deadline);
                }
                // Whoever always finds something to receive must let others run, too.
                if self.left == 0 {
                    self.at = At::Receive;
                    return Flow::Stop(Exit::Preempted);
                }
                self.left -= 1;
                self.receive(host)
            }
            Step::Yield => {
                self.at = At::Resumed;
                Flow::Stop(Exit::Preempted)
            }
        }
    }

    /// Asks what arrived for the topmost native frame.
    pub(crate) fn receive<H: Host>(&mut self, host: &mut H) -> Flow {
        let (port, deadline) = self.natives.last().map_or((PortId::ROOT, None), |native| native.awaited);
        match host.next_input(port, deadline) {
            Some(input) => Flow::Step(input),
            None => {
                self.at = At::Receive;
                Flow::Stop(Exit::Waiting)
            }
        }
    }

    /// Ends the topmost native frame.
    fn leave_native(&mut self, result: Result<Value, Error>) -> Flow {
        let native = self.natives.pop().expect("only a machine with a native frame leaves one");
        if native.ip == BOTTOM {
            self.at = At::Over;
            return Flow::Stop(result.map_or_else(Exit::Failed, Exit::Done));
        }
        self.return_to(&native);
        match result {
            Ok(value) => {
                self.put(native.result, value);
                Flow::Continue
            }
            Err(error) => Flow::Raise(error),
        }
    }

    /// Goes back to the code that called a native frame.
    fn return_to(&mut self, native: &NativeFrame) {
        (self.base, self.ip, self.depth) = (native.base, native.ip, native.depth);
    }

    /// Calls a Vega function for the topmost native frame, above the registers of the frame that called the native.
    fn call_from_native(&mut self, program: &LoadedProgram, wanted: &Callee, arguments: Vec<Value>) -> Result<(), Error> {
        let (function, captures) = callee(program, wanted, arguments.len())?;
        let target = program.function(function);
        let header = match self.base {
            0 => 0,
            base => base + program.function(self.function_at(base)).registers,
        };
        self.make_room(program, header + 1, target.registers)?;
        self.natives.last_mut().expect("a native frame is calling").calling = true;
        self.enter(function, target, header + 1, FROM_NATIVE, arguments.into_iter().chain(captures.iter().cloned()));
        Ok(())
    }

    /// Makes sure that a frame of `registers` fits from slot `base` on, and that it is not one call too deep.
    pub(crate) fn make_room(&mut self, program: &LoadedProgram, base: u32, registers: u32) -> Result<(), Error> {
        let limits = program.limits();
        if self.depth >= limits.call_depth {
            return Err(Error::new(kinds::LIMIT_REACHED, "call_depth"));
        }
        let needed = base.saturating_add(registers);
        if needed > limits.registers {
            return Err(Error::new(kinds::LIMIT_REACHED, "registers"));
        }
        if needed > self.stack.capacity() {
            self.stack.grow(needed, limits.registers);
        }
        Ok(())
    }
}
