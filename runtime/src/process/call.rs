//! A message that is answered: `process::call` and `reply`.
//!
//! Invariants: a call ends with its answer, with `ProcessDown` where whoever was asked ends first, or with `Timeout`; whichever comes
//! first, the others come to nothing. An answer goes to a port of the caller, so it meets no bound and no `receive`.

use std::sync::Weak;
use std::time::Duration;

use vega_bytecode::kinds;
use vega_bytecode::prelude::CALL;
use vega_scheduler::Instant;

use super::natives::{nothing, time};
use super::room::Delivery;
use super::turn::{Target, pack};
use super::{ExitReason, Pid};
use crate::error::Error;
use crate::native::{Input, NativeContext, NativeResult, Outcome, Port, PortId, Resumable, Step};
use crate::process::mail::Mail;
use crate::process::state::MAIL;
use crate::value::copy::Message;
use crate::value::{Handle, HandleKind, HandleObject, Value, View};

/// `process::call(p, value, timeout D)`
pub(super) fn call(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let target = context.target_of(&arguments[0])?;
    let patience = time(&arguments[2])?;
    let port = context.open_port();
    let from = Caller { process: context.self_pid(), port: port.id(), alive: port.address().alive };
    let from = Value::from(Handle::new(std::sync::Arc::new(from)));
    let request = pack(&Value::structure(CALL, vec![from, arguments[1].clone()]))?;
    let until = context.now() + patience;
    Ok(Outcome::Resume(Box::new(Calling { target, request: Some(request), port, until, patience, monitor: 0 })))
}

/// `reply(from, value)`
pub(super) fn reply(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let caller = match arguments[0].view() {
        View::Handle(handle) => handle.downcast::<Caller>(),
        _ => None,
    };
    let Some(caller) = caller else {
        return Err(Error::new(kinds::INVALID_ARGUMENT, "`reply` takes the `from` of a `Call`"));
    };
    let answer = Answer(pack(&arguments[1])?);
    let turn = context.turn();
    turn.hand_on(caller.process);
    let mail = Mail::Port(caller.port, caller.alive.clone(), Box::new(answer));
    turn.world.deliver(caller.process, mail, MAIL, turn.worker);
    nothing()
}

/// What the caller gets.
struct Answer(Message);

/// Who waits for an answer: for whoever is asked it is the caller's process, and knows which call is meant.
struct Caller {
    process: Pid,
    port: PortId,
    alive: Option<Weak<()>>,
}

impl HandleObject for Caller {
    fn kind(&self) -> HandleKind {
        HandleKind::Process
    }

    fn text(&self) -> String {
        format!("<process {}>", self.process)
    }

    fn identity(&self) -> u64 {
        self.process.to_bits()
    }

    fn process_word(&self) -> Option<u64> {
        Some(self.process.to_bits())
    }
}

/// A call under way.
struct Calling {
    target: Target,
    /// Until there was room for it.
    request: Option<Message>,
    port: Port,
    until: Instant,
    patience: Duration,
    /// Watches whoever is asked.
    monitor: u64,
}

impl Calling {
    /// Nothing of the call comes any more.
    fn end(&self, context: &NativeContext<'_>) {
        if self.monitor != 0 {
            context.demonitor(self.monitor);
        }
    }
}

impl Resumable for Calling {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        let turn = context.turn();
        match input {
            Input::Start => {
                let port = Some(self.port.id());
                // A message that a dead incarnation leaves unread is lost, so it is the incarnation that is watched, and that is asked.
                if let Some(pid) = self.target.present() {
                    self.target = Target::Process(pid);
                }
                self.monitor = match &self.target {
                    Target::Process(pid) => turn.watch_at(*pid, port),
                    Target::Child(child) => child.watch(&turn, port),
                };
            }
            Input::Message(payload) => {
                let payload = match payload.downcast::<Answer>() {
                    Ok(answer) => {
                        self.end(context);
                        return Step::Return(answer.0.adopt());
                    }
                    Err(payload) => payload,
                };
                let reason = payload.downcast::<ExitReason>().map_or(ExitReason::NoProcess, |reason| *reason);
                let text = Value::str(reason.as_str());
                return Step::Fail(Error::with_payload(kinds::PROCESS_DOWN, reason.as_str(), vec![text]));
            }
            _ => {}
        }
        if let Some(request) = self.request.take() {
            match turn.deliver_or_wait(&self.target, request, self.until) {
                Delivery::Sent => {}
                Delivery::Refused(error) => {
                    self.end(context);
                    return Step::Fail(error);
                }
                // Whoever is asked tells of its end here too.
                Delivery::Waits(request) => {
                    self.request = Some(request);
                    return Step::Receive { port: PortId::ROOM, deadline: Some(self.until) };
                }
            }
        }
        if turn.is_past(self.until) {
            self.end(context);
            let after = Value::duration(i64::try_from(self.patience.as_nanos()).unwrap_or(i64::MAX));
            return Step::Fail(Error::with_payload(kinds::TIMEOUT, format!("no answer within {:?}", self.patience), vec![after]));
        }
        Step::Receive { port: self.port.id(), deadline: Some(self.until) }
    }

    fn name(&self) -> &str {
        "call"
    }
}
