//! Small waits as state machines: a pause, a sleep, a send that waits for room.

use vega_scheduler::Instant;

use super::room::Delivery;
use super::turn::Target;
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

/// Waits for room for a message, at most until a moment.
pub(crate) struct SendWhenRoom {
    pub(crate) target: Target,
    pub(crate) message: Option<Message>,
    pub(crate) until: Instant,
}

impl Resumable for SendWhenRoom {
    fn step(&mut self, context: &mut NativeContext<'_>, _: Input) -> Step {
        let turn = context.turn();
        let Some(message) = self.message.take() else { return Step::Return(Value::NULL) };
        match turn.deliver_or_wait(&self.target, message, self.until) {
            Delivery::Sent => Step::Return(Value::NULL),
            Delivery::Refused(error) => Step::Fail(error),
            Delivery::Waits(message) => {
                self.message = Some(message);
                Step::Receive { port: PortId::ROOM, deadline: Some(self.until) }
            }
        }
    }

    fn name(&self) -> &str {
        "send"
    }
}
