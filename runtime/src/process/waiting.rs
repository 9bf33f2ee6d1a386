//! Small waits as state machines: a pause, a sleep, a send that waits for room.

use std::time::Duration;

use vega_bytecode::kinds;
use vega_scheduler::Instant;

use super::turn::Target;
use crate::error::Error;
use crate::native::{Input, NativeContext, PortId, Resumable, Step};
use crate::value::Value;
use crate::value::copy::Message;

/// Gives up the rest of the slice.
pub(crate) struct Pause;

impl Resumable for Pause {
    fn step(&mut self, _: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Start => Step::Yield,
            _ => Step::Return(Value::NULL),
        }
    }
}

/// Waits until a moment.
pub(crate) struct Sleep {
    pub(crate) until: Instant,
}

impl Resumable for Sleep {
    fn step(&mut self, _: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Timeout => Step::Return(Value::NULL),
            _ => Step::Receive { port: PortId::NONE, deadline: Some(self.until) },
        }
    }

    fn name(&self) -> &str {
        "sleep"
    }
}

/// Tries again and again to send a message, at most until a moment.
pub(crate) struct SendWhenRoom {
    pub(crate) target: Target,
    pub(crate) message: Option<Message>,
    pub(crate) until: Instant,
}

/// How often a sender looks whether there is room.
const ROOM_INTERVAL: Duration = Duration::from_millis(1);

impl Resumable for SendWhenRoom {
    fn step(&mut self, context: &mut NativeContext<'_>, _: Input) -> Step {
        let turn = context.turn();
        let Some(message) = self.message.take() else { return Step::Return(Value::NULL) };
        match turn.offer(&self.target, message) {
            Ok(_) => Step::Return(Value::NULL),
            Err(_) if turn.is_past(self.until) => {
                Step::Fail(Error::new(kinds::MAILBOX_FULL, "the receiver's mailbox stayed full"))
            }
            Err(message) => {
                self.message = Some(message);
                let next = (turn.worker.now() + ROOM_INTERVAL).min(self.until);
                Step::Receive { port: PortId::NONE, deadline: Some(next) }
            }
        }
    }

    fn name(&self) -> &str {
        "send"
    }
}
