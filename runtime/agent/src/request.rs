//! One call of an agent, from the caller's `<-` to the reply.
//!
//! Invariant: a request is answered at most once. Whoever ends it (its invocation, a cancel, the end of its agent) takes it to *over*
//! first, under its lock; who comes second does nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vega_bytecode::TypeId;
use vega_runtime::RuntimeHandle;
use vega_runtime::capability::CapabilitySet;
use vega_runtime::ledger::Scope;
use vega_runtime::native::{Address, CallGuard};
use vega_runtime::process::{Coordinate, Pid};
use vega_runtime::value::copy::Message;
use vega_scheduler::Instant;
use vega_trace::SpanId;

use crate::flow::Flow;
use crate::history::CallNumber;
use crate::message::{Block, Round};
use crate::raise::Failed;
use crate::store::{Changes, Place};

/// Calls within calls. Beyond it a call raises `CallCycle`.
pub(crate) const CALL_DEPTH_MAX: u32 = 16;

/// One call. It holds no encoded request: ten thousands of these may wait.
pub(crate) struct Request {
    /// Names its round.
    pub(crate) call: CallNumber,
    /// What is said, as far as it is text.
    pub(crate) message: Arc<str>,
    /// All of it, where it is more.
    pub(crate) parts: Option<Arc<[Block]>>,
    /// Where the answer goes.
    pub(crate) reply_to: Address,
    /// What the reply is decoded to.
    pub(crate) output: TypeId,
    /// The call's own time limit.
    pub(crate) timeout: Option<Duration>,
    /// The call's own budget.
    pub(crate) budget: Option<i64>,
    /// What the calling code is charged to.
    pub(crate) scope: Scope,
    /// What the calling code may touch.
    pub(crate) capabilities: CapabilitySet,
    /// The calls that it happens within.
    pub(crate) chain: Option<Arc<Chain>>,
    /// The span around the calling code.
    pub(crate) parent_span: Option<SpanId>,
    /// Where the call stands in the program.
    pub(crate) coordinate: Coordinate,
    /// When it was made.
    pub(crate) queued_at: Instant,
    /// The flow of its chunks, where the answer is streamed.
    pub(crate) flow: Option<Arc<Flow>>,
    /// Its place among all that wait for the same provider.
    pub(crate) arrival: u64,
    progress: Mutex<Progress>,
}

struct Progress {
    stage: Stage,
    crashes: u32,
    /// A tool ran that may have changed the world.
    effect_ran: bool,
    /// What its tools have changed of the agent's state.
    changes: Option<Changes>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    Running(Pid),
    Over,
}

/// The call that a tool runs in, and those around it.
pub(crate) struct Chain {
    pub(crate) outer: Option<Arc<Chain>>,
    /// The agent's number.
    pub(crate) agent: usize,
    pub(crate) depth: u32,
}

/// What the caller is sent.
pub(crate) struct Reply {
    pub(crate) result: Result<Answer, Failed>,
    /// The model call that it comes from, which is under way until the caller has done something with it.
    pub(crate) under_way: Option<CallGuard>,
}

/// A reply, and the round that it makes.
pub(crate) struct Answer {
    pub(crate) content: Content,
    /// The round, where it joins when the caller's program says so.
    pub(crate) round: Option<FinishedRound>,
}

/// The reply itself.
pub(crate) enum Content {
    Text(String),
    /// A value of another type, and the text that it was decoded from.
    Value(Message, String),
}

/// A round that may join the history.
pub(crate) struct FinishedRound {
    pub(crate) round: Round,
    pub(crate) rounds_seen: u64,
    /// The provider's count of its last exchange, prompt and answer together.
    pub(crate) tokens: Option<u64>,
}

/// What happens to a request whose invocation ended without a result.
pub(crate) enum AfterCrash {
    /// It is over: nobody waits for it any more.
    Over,
    /// It goes back to the head of the queue.
    Again,
    /// It fails.
    Fail(Failed),
}

/// What a call brings along.
pub(crate) struct Draft {
    pub(crate) message: Arc<str>,
    pub(crate) parts: Option<Arc<[Block]>>,
    pub(crate) output: TypeId,
    pub(crate) timeout: Option<Duration>,
    pub(crate) budget: Option<i64>,
    pub(crate) scope: Scope,
    pub(crate) capabilities: CapabilitySet,
    pub(crate) chain: Option<Arc<Chain>>,
    pub(crate) parent_span: Option<SpanId>,
    pub(crate) coordinate: Coordinate,
}

impl Request {
    pub(crate) fn new(draft: Draft, call: CallNumber, reply_to: Address, queued_at: Instant, arrival: u64) -> Request {
        let Draft { message, parts, output, timeout, budget, scope, capabilities, chain, parent_span, coordinate } = draft;
        let progress = Mutex::new(Progress { stage: Stage::Queued, crashes: 0, effect_ran: false, changes: None });
        Request {
            call,
            message,
            parts,
            reply_to,
            output,
            timeout,
            budget,
            scope,
            capabilities,
            chain,
            parent_span,
            coordinate,
            queued_at,
            flow: None,
            arrival,
            progress,
        }
    }

    /// The same, with an answer that is streamed to where the reply goes.
    pub(crate) fn streaming(self, flow: Arc<Flow>) -> Request {
        Request { flow: Some(flow), ..self }
    }

    /// Whether nobody waits for it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().stage == Stage::Over
    }

    /// What its tools change of the agent's state belongs to it from here on.
    pub(crate) fn opens(&self, changes: Option<Changes>) {
        self.lock().changes = changes;
    }

    /// A place in the line for the state, for a tool that runs in `chain`.
    pub(crate) fn line_up(&self, chain: &Arc<Chain>, runtime: &RuntimeHandle) -> Option<Place> {
        self.lock().changes.as_ref().map(|changes| changes.line_up(Arc::clone(chain), runtime.clone()))
    }

    /// The caller has the reply: what was changed of the state stays.
    pub(crate) fn accepted(&self) {
        let changes = self.lock().changes.take();
        if let Some(changes) = changes {
            changes.stand();
        }
    }

    /// Takes back what was changed of the state, unless it was accepted.
    pub(crate) fn take_back(&self) {
        self.lock().changes = None;
    }

    /// Starts it, unless it is over.
    pub(crate) fn begin<E>(&self, start: impl FnOnce() -> Result<Pid, E>) -> Result<Option<Pid>, E> {
        let mut progress = self.lock();
        if progress.stage != Stage::Queued {
            return Ok(None);
        }
        let process = start()?;
        progress.stage = Stage::Running(process);
        Ok(Some(process))
    }

    /// Whether it ran before, and comes back after a crash.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().crashes > 0
    }

    /// Ends it for its invocation. False where it is over already, or in another invocation's hands.
    pub(crate) fn finish(&self, invocation: Pid) -> bool {
        let mut progress = self.lock();
        let own = match progress.stage {
            Stage::Running(process) => process == invocation,
            // The invocation was faster than whoever started it: the stage is set when the start returns.
            Stage::Queued | Stage::Over => false,
        };
        if own {
            progress.stage = Stage::Over;
        }
        own
    }

    /// Ends it for anybody else. False where it is over already.
    pub(crate) fn close(&self) -> bool {
        let mut progress = self.lock();
        progress.changes = None;
        std::mem::replace(&mut progress.stage, Stage::Over) != Stage::Over
    }

    /// Ends it because its caller is gone. The invocation to end, if it runs.
    pub(crate) fn cancel(&self) -> Option<Pid> {
        let mut progress = self.lock();
        progress.changes = None;
        match std::mem::replace(&mut progress.stage, Stage::Over) {
            Stage::Running(process) => Some(process),
            Stage::Queued | Stage::Over => None,
        }
    }

    /// Notes that a tool ran which may have changed the world.
    pub(crate) fn note_effect(&self) {
        self.lock().effect_ran = true;
    }

    /// Whether a tool ran that may have changed the world.
    pub(crate) fn effect_ran(&self) -> bool {
        self.lock().effect_ran
    }

    /// Its invocation, or the whole agent, ended without a result.
    pub(crate) fn crashed(&self, reason: &str) -> AfterCrash {
        let mut progress = self.lock();
        if progress.stage == Stage::Over {
            return AfterCrash::Over;
        }
        progress.crashes += 1;
        progress.changes = None;
        let failure = if progress.crashes > 1 {
            format!("poison: the request ended its invocation twice ({reason})")
        } else if progress.effect_ran {
            format!("the agent ended within the call ({reason}), after a tool had changed something; so the call is not repeated")
        } else if self.flow.as_ref().is_some_and(|flow| flow.has_begun()) {
            format!("the agent ended within the call ({reason}), after a part of the answer had been delivered")
        } else {
            progress.stage = Stage::Queued;
            return AfterCrash::Again;
        };
        progress.stage = Stage::Over;
        AfterCrash::Fail(Failed::plain(vega_bytecode::kinds::AGENT_FAILED, failure))
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain {
    /// Whether it stands within another one.
    pub(crate) fn is_within(&self, outer: &Arc<Chain>) -> bool {
        std::iter::successors(self.outer.as_ref(), |chain| chain.outer.as_ref()).any(|chain| Arc::ptr_eq(chain, outer))
    }

    /// Whether a call to an agent is among these.
    pub(crate) fn contains(&self, agent: usize) -> bool {
        std::iter::successors(Some(self), |chain| chain.outer.as_deref()).any(|chain| chain.agent == agent)
    }
}
