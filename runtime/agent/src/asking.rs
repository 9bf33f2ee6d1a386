//! A caller that waits for its reply.
//!
//! Invariant: it waits on a port, without a stack. When it ends first, its call is cancelled.

use std::sync::Arc;

use vega_bytecode::kinds;
use vega_bytecode::module::Join;
use vega_runtime::RuntimeHandle;
use vega_runtime::native::{Input, NativeContext, Port, Resumable, Step};

use crate::deadline::Deadline;
use crate::raise::Failed;
use crate::request::{Content, Draft, Reply, Request};
use crate::service::PendingRound;
use crate::slot::AgentSlot;

/// A caller that waits for its reply.
pub(crate) struct Asking {
    slot: Arc<AgentSlot>,
    /// The call, before it is in the queue.
    draft: Option<Draft>,
    waiting: Option<Waiting>,
    join: Join,
    /// Frames below the calling one.
    depth: usize,
    /// The end of the block around the call.
    deadline: Option<Deadline>,
}

struct Waiting {
    port: Port,
    request: Arc<Request>,
    runtime: RuntimeHandle,
}

impl Asking {
    /// A call that begins when it is stepped. `depth` counts the frames below the calling one.
    pub(crate) fn new(slot: Arc<AgentSlot>, draft: Draft, join: Join, depth: usize) -> Asking {
        Asking { slot, draft: Some(draft), waiting: None, join, depth, deadline: None }
    }

    fn begin(&mut self, draft: Draft, context: &NativeContext<'_>) -> Step {
        self.deadline = self.slot.service.deadlines.of(context.self_pid());
        if let Some(deadline) = self.deadline.filter(|deadline| context.now() >= deadline.at) {
            return self.fail(&deadline.failed());
        }
        let port = context.open_port();
        let port_id = port.id();
        let arrival = self.slot.arrival();
        let request = Arc::new(Request::new(draft, self.slot.next_call(), port.address(), context.now(), arrival));
        self.waiting = Some(Waiting { port, request: Arc::clone(&request), runtime: context.runtime() });
        match self.slot.enqueue(request, context) {
            Ok(()) => Step::Receive { port: port_id, deadline: self.deadline.map(|deadline| deadline.at) },
            Err(failed) => self.fail(&failed),
        }
    }

    fn receive(&mut self, mut reply: Reply, context: &NativeContext<'_>) -> Step {
        if let Some(call) = reply.under_way.take() {
            context.take_in_hand(call);
        }
        let answer = match reply.result {
            Ok(answer) => answer,
            Err(failed) => return self.fail(&failed),
        };
        let request = self.waiting.take().map(|waiting| waiting.request);
        if let Some(request) = &request {
            request.accepted();
        }
        if let (Some(request), Some(round)) = (request, answer.round) {
            self.slot.hold(request.call, round);
            match self.join {
                Join::AtOnce => self.slot.join(request.call),
                Join::Later(number) => {
                    let round = PendingRound { number, depth: self.depth, slot: Arc::clone(&self.slot), call: request.call };
                    self.slot.service.add_pending(context.self_pid(), round, |process| context.is_alive(process));
                }
            }
        }
        Step::Return(match answer.content {
            Content::Text(text) => text.into(),
            Content::Value(message, _) => message.adopt(),
        })
    }

    /// Nobody waits for the reply any more.
    fn cancel(&mut self) {
        if let Some(Waiting { request, runtime, .. }) = self.waiting.take()
            && let Some(invocation) = request.cancel()
        {
            runtime.kill(invocation);
        }
    }

    fn fail(&mut self, failed: &Failed) -> Step {
        self.waiting = None;
        Step::Fail(failed.to_error(&self.slot.service.trace.to_string()))
    }
}

impl Resumable for Asking {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        if let Some(draft) = self.draft.take() {
            return self.begin(draft, context);
        }
        if let Input::Message(message) = input
            && let Ok(reply) = message.downcast::<Reply>()
        {
            return self.receive(*reply, context);
        }
        if let Some(deadline) = self.deadline.filter(|deadline| context.now() >= deadline.at) {
            self.cancel();
            return self.fail(&deadline.failed());
        }
        match &self.waiting {
            Some(waiting) => Step::Receive { port: waiting.port.id(), deadline: self.deadline.map(|deadline| deadline.at) },
            None => self.fail(&Failed::plain(kinds::CANCELLED, "the call was cancelled")),
        }
    }

    fn name(&self) -> &str {
        "<-"
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Whoever still waits here was ended before the reply came.
        self.cancel();
    }
}
