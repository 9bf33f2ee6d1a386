//! A value that will be there later: the result of a task.
//!
//! Invariant: whoever registers to wait before the future is settled is told exactly once, when it is; a task that nobody can ask for
//! any more is cancelled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vega_bytecode::kinds;

use crate::error::Error;
use crate::native::{Address, CallGuard, Input, NativeContext, NativeResult, Outcome, Port, Resumable, Step};
use crate::process::mail::Mail;
use crate::process::signal::Signal;
use crate::process::state::MAIL;
use crate::process::turn::{Turn, pack};
use crate::process::{ExitReason, Pid};
use crate::runtime::RuntimeHandle;
use crate::value::copy::Message;
use crate::value::{HandleKind, HandleObject, Value, View};

/// What `async` and `spawn async` give. Dropping the last reference cancels the task.
pub struct FutureHandle {
    state: Mutex<State>,
    runtime: RuntimeHandle,
}

struct State {
    task: Option<Pid>,
    settled: Option<Settled>,
    waiting: Vec<Address>,
    /// Whether somebody looked at the result: an error that nobody ever sees is reported.
    seen: bool,
}

enum Settled {
    Value(Message),
    /// An error's value, and how it reads.
    Failed(Message, String),
    /// The task ended without a result.
    Ended(ExitReason),
}

impl FutureHandle {
    /// A future that is settled from the start.
    pub fn settled(value: Message, runtime: RuntimeHandle) -> Self {
        let state = State { task: None, settled: Some(Settled::Value(value)), waiting: Vec::new(), seen: false };
        Self { state: Mutex::new(state), runtime }
    }

    /// A future that somebody settles later.
    pub fn pending(runtime: RuntimeHandle) -> Self {
        Self { state: Mutex::new(State { task: None, settled: None, waiting: Vec::new(), seen: false }), runtime }
    }

    /// The process that settles it: ended when nobody refers to the future any more.
    pub fn set_task(&self, task: Pid) {
        let mut state = self.lock();
        // It may have run and settled already, on another worker.
        if state.settled.is_none() {
            state.task = Some(task);
        }
    }

    /// Settles it with a value or an error.
    pub fn resolve(&self, context: &NativeContext<'_>, result: Result<&Value, &Error>) -> Result<(), Error> {
        let settled = match result {
            Ok(value) => Settled::Value(pack(value)?),
            Err(error) => Settled::Failed(pack(&Value::from(error.clone()))?, error.summary(context.module())),
        };
        self.settle_as(settled, context.in_hand(), &context.turn());
        Ok(())
    }

    /// Settles it with how its task ended. What the task had in hand goes to whoever waits.
    pub(crate) fn settle(
        &self,
        result: Option<Message>,
        failed: bool,
        reason: &ExitReason,
        in_hand: Option<CallGuard>,
        turn: &Turn<'_>,
    ) {
        let settled = match result {
            Some(error) if failed => Settled::Failed(error, reason.to_string()),
            Some(value) => Settled::Value(value),
            None => Settled::Ended(reason.clone()),
        };
        self.settle_as(settled, in_hand, turn);
    }

    fn settle_as(&self, settled: Settled, in_hand: Option<CallGuard>, turn: &Turn<'_>) {
        let waiting = {
            let mut state = self.lock();
            if state.settled.is_some() {
                return;
            }
            state.settled = Some(settled);
            state.task = None;
            std::mem::take(&mut state.waiting)
        };
        for address in waiting {
            if let Some(call) = &in_hand {
                turn.world.signal(address.process, Signal::Hand(call.clone()), turn.worker);
            }
            let mail = Mail::Port(address.port, address.alive, Box::new(()));
            turn.world.deliver(address.process, mail, MAIL, turn.worker);
        }
    }

    /// The result, if it is there: a copy for the running process.
    fn result(&self) -> Option<Result<Value, Error>> {
        let mut state = self.lock();
        let result = match state.settled.as_ref()? {
            Settled::Value(message) => Ok(copy_of(message)),
            Settled::Failed(message, text) => Err(match copy_of(message).view() {
                View::Error(error) => error.clone(),
                _ => Error::new(kinds::PROCESS_DOWN, text.clone()),
            }),
            Settled::Ended(reason) => Err(Error::new(kinds::PROCESS_DOWN, reason.as_str())),
        };
        state.seen = true;
        Some(result)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy of a message for the running process. The message stays for whoever asks next.
pub(crate) fn copy_of(message: &Message) -> Value {
    match Message::copy_of(message.value()) {
        Ok(copy) => copy.adopt(),
        Err(_) => unreachable!("what travelled once travels again"),
    }
}

impl HandleObject for FutureHandle {
    fn kind(&self) -> HandleKind {
        HandleKind::Future
    }

    fn text(&self) -> String {
        "<future>".to_string()
    }

    fn identity(&self) -> u64 {
        std::ptr::from_ref(self).addr() as u64
    }
}

impl Drop for FutureHandle {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = state.task.take() {
            self.runtime.kill(task);
        }
        if let Some(Settled::Failed(_, text)) = &state.settled
            && !state.seen
        {
            self.runtime.report(format!("a task that nobody awaited failed: {text}\n"));
        }
    }
}

/// Waits for a future.
pub(crate) fn wait_for(future: &Arc<FutureHandle>) -> NativeResult {
    match future.result() {
        Some(result) => result.map(Outcome::Value),
        None => Ok(Outcome::Resume(Box::new(Await { future: Arc::clone(future), port: None }))),
    }
}

struct Await {
    future: Arc<FutureHandle>,
    port: Option<Port>,
}

impl Resumable for Await {
    fn step(&mut self, context: &mut NativeContext<'_>, _: Input) -> Step {
        if self.port.is_none() {
            let port = context.open_port();
            let mut state = self.future.lock();
            if state.settled.is_none() {
                state.waiting.push(port.address());
            }
            self.port = Some(port);
        }
        match (self.future.result(), &self.port) {
            (Some(Ok(value)), _) => Step::Return(value),
            (Some(Err(error)), _) => Step::Fail(error),
            (None, Some(port)) => Step::Receive { port: port.id(), deadline: None },
            (None, None) => unreachable!("the port was opened above"),
        }
    }

    fn name(&self) -> &str {
        "await"
    }
}
