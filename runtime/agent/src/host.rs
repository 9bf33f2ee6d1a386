//! Agents as programs see them: `spawn`, `<-`, and the joining of rounds.
//!
//! Invariant: nothing here waits. What takes time is a state that the interpreter keeps and steps.

use std::sync::Arc;
use std::time::Duration;

use vega_bytecode::module::AskDescription;
use vega_bytecode::{AgentId, FunctionId, kinds};
use vega_runtime::error::Error;
use vega_runtime::native::{
    AgentHost, Callee, Input, NativeContext, NativeResult, Outcome, Resumable, SpawnAgent, SpawnOptions, Step, SupervisionValues,
};
use vega_runtime::supervisor::{Child, ChildOwner, Factory, FutureHandle, Team};
use vega_runtime::value::copy::Message;
use vega_runtime::value::{Handle, HandleKind, Value, json};
use vega_trace::{SpanId, TraceId};

use crate::asking::Asking;
use crate::builder::AgentsBuilder;
use crate::config;
use crate::error::ErrorKind;
use crate::history::Mode;
use crate::message::{Block, joined_text};
use crate::parts;
use crate::price::today;
use crate::process::AgentProcess;
use crate::raise::Failed;
use crate::request::{CALL_DEPTH_MAX, Draft};
use crate::service::Service;
use crate::slot::AgentSlot;
use crate::store::Store;
use crate::stream::{self, StreamHandle};
use crate::totals::Totals;

/// The agents of one runtime. Registered with the runtime's builder.
pub struct Agents {
    service: Arc<Service>,
}

impl Agents {
    pub(crate) fn new(service: Service) -> Agents {
        Agents { service: Arc::new(service) }
    }

    /// Begins with the defaults.
    pub fn builder() -> AgentsBuilder {
        AgentsBuilder::new()
    }

    /// The trace of the run.
    pub fn trace_id(&self) -> TraceId {
        self.service.trace
    }

    /// An id for a record of the trace. The same seed gives the same ids in the same order.
    pub fn new_span_id(&self) -> SpanId {
        self.service.new_span()
    }

    /// What was done and spent so far.
    pub fn totals(&self) -> Totals {
        self.service.counters.totals()
    }

    /// What all agents share.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Invocations under way.
    pub fn in_flight(&self) -> u64 {
        self.service.counters.in_flight()
    }
}

impl AgentHost for Agents {
    fn spawn(&self, context: &mut NativeContext<'_>, spawn: SpawnAgent<'_>) -> NativeResult {
        let declaration = &context.module().agents[spawn.agent.0 as usize];
        let arguments: Vec<Value> = spawn.arguments.iter_mut().map(Value::take).collect();
        let message = Message::copy_of(&Value::array(arguments.clone()))
            .map_err(|refused| Error::new(kinds::INVALID_ARGUMENT, format!("{} cannot be given to an agent", refused.what)))?;
        Ok(Outcome::Resume(Box::new(Spawning {
            service: Arc::clone(&self.service),
            agent: spawn.agent,
            call: Some((declaration.clauses, message)),
            arguments: None,
            supervision: spawn.supervision.unwrap_or_default(),
            asynchronous: spawn.asynchronous,
            linked: spawn.linked,
            team: spawn.team,
        })))
    }

    fn ask(&self, context: &mut NativeContext<'_>, ask: &AskDescription, values: &mut [Value], streaming: bool) -> NativeResult {
        let slot = slot_of(&values[0])?;
        let mut rest = values[2..].iter();
        let timeout = if ask.has_timeout { rest.next().and_then(Value::as_duration) } else { None };
        let timeout = match timeout.map(u64::try_from) {
            None => None,
            Some(Ok(nanos)) if nanos > 0 => Some(Duration::from_nanos(nanos)),
            Some(_) => return Err(Error::new(kinds::INVALID_ARGUMENT, "the call's timeout must be longer than nothing")),
        };
        let budget = if ask.has_budget { rest.next().and_then(Value::as_money) } else { None };
        if budget.is_some_and(|pico| pico < 0) {
            return Err(Error::new(kinds::INVALID_ARGUMENT, "the call's budget must not be negative"));
        }
        let parts: Option<Arc<[Block]>> = parts::blocks(&values[1], context.module()).map(Into::into);
        let message: Arc<str> = match (&parts, values[1].as_text()) {
            (Some(parts), _) if parts.is_empty() => {
                return Err(Error::new(kinds::INVALID_ARGUMENT, "a message has at least one part"));
            }
            (Some(parts), _) => joined_text(parts).into(),
            (None, Some(text)) => text.into(),
            (None, None) => json::encode(&values[1], context.module())?.into(),
        };
        let chain = self.service.chain_of(context.self_pid());
        let parent_span = context.span().map(|(_, span)| span);
        if let Some(chain) = &chain {
            let cycle = slot.config.history.mode == Mode::Ordered && chain.contains(slot.identity());
            let name = &slot.config.name;
            let problem = match (cycle, chain.depth >= CALL_DEPTH_MAX) {
                (true, _) => {
                    format!("`{name}` has `history ordered` and would wait for itself: the call is made by one of its own tools")
                }
                (false, true) => format!("the call of `{name}` stands within {CALL_DEPTH_MAX} others, and no more may nest"),
                (false, false) => String::new(),
            };
            if !problem.is_empty() {
                return Err(Failed::call(ErrorKind::CallCycle, problem).to_error(&self.service.trace.to_string()));
            }
        }
        let coordinate = context.coordinate();
        let depth = coordinate.activations.len();
        let draft = Draft {
            message,
            parts,
            output: ask.output,
            timeout,
            budget,
            scope: context.scope(),
            capabilities: context.capabilities(),
            chain,
            parent_span,
            coordinate,
        };
        if streaming {
            return StreamHandle::begin(slot, draft, context).map(Outcome::Value);
        }
        Ok(Outcome::Resume(Box::new(Asking::new(slot, draft, ask.join, depth))))
    }

    fn stream_next(&self, _: &mut NativeContext<'_>, stream: &Handle) -> NativeResult {
        stream::next(&StreamHandle::of(stream)?)
    }

    fn stream_done(&self, stream: &Handle) -> Result<bool, Error> {
        Ok(StreamHandle::of(stream)?.is_done())
    }

    fn stream_close(&self, stream: &Handle) -> Result<(), Error> {
        StreamHandle::of(stream)?.close();
        Ok(())
    }

    fn await_stream(&self, _: &mut NativeContext<'_>, stream: &Handle, as_text: bool) -> NativeResult {
        stream::wait(&StreamHandle::of(stream)?, as_text)
    }

    fn join_round(&self, context: &mut NativeContext<'_>, number: u32) -> Result<(), Error> {
        let process = context.self_pid();
        if self.service.has_pending(process) {
            let depth = context.coordinate().activations.len();
            for round in self.service.take_pending(process, number, depth) {
                round.slot.join(round.call);
            }
        }
        Ok(())
    }
}

/// The agent behind a handle.
pub(crate) fn slot_of(handle: &Value) -> Result<Arc<AgentSlot>, Error> {
    let child = handle.as_handle().and_then(Child::from_handle);
    child
        .and_then(|child| child.owner::<AgentSlot>())
        .ok_or_else(|| Error::new(kinds::INVALID_ARGUMENT, format!("{handle:?} is no agent")))
}

/// A spawn under way: the clauses are computed, then the agent begins.
struct Spawning {
    service: Arc<Service>,
    agent: AgentId,
    call: Option<(FunctionId, Message)>,
    /// A copy of the parameters for the agent's tools.
    arguments: Option<Message>,
    supervision: SupervisionValues,
    asynchronous: bool,
    linked: bool,
    team: Option<Team>,
}

impl Spawning {
    fn start(&mut self, clauses: &Value, context: &NativeContext<'_>) -> Result<Value, Error> {
        let module = context.module();
        let declaration = &module.agents[self.agent.0 as usize];
        let wrong = |problem: String| Error::new(kinds::INVALID_ARGUMENT, problem);
        let mut config = config::read(declaration, clauses, module, &self.service.default_model).map_err(wrong)?;
        let model: Arc<str> = self.service.model_of(&config.model).into();
        let (backend, endpoint, provider_model) =
            self.service.backend(&model).map_err(|problem| wrong(format!("agent `{}`: `model` {problem}", declaration.name)))?;
        config.serve(backend, endpoint, provider_model);
        // A provider's own entry, under the whole name, comes before what the model costs elsewhere.
        let (prices, day) = (self.service.prices(), today());
        config.known = prices.find(&model, &day).or_else(|| prices.find(provider_model, &day)).cloned().map(Arc::new);
        config.model = Arc::clone(&model);
        config.bound_compaction();
        let arguments = self.arguments.take().unwrap_or_else(|| Message::build(|| Value::array(Vec::new())));
        let runtime = context.runtime();
        let store = clauses.as_map().and_then(|clauses| clauses.get_text("state")).and_then(Store::new);
        let slot = AgentSlot::new(Arc::clone(&self.service), self.agent, config, arguments, store, runtime.clone());
        let owner: Arc<dyn ChildOwner> = slot.clone();
        let child = Child::spawn(
            context,
            declaration.name.clone(),
            Factory::native(move |_| Box::new(AgentProcess::new(Arc::clone(&slot)))),
            self.supervision,
            Some((HandleKind::Agent(self.agent), owner)),
            SpawnOptions { linked: self.linked, team: self.team.take(), ..SpawnOptions::default() },
        )?;
        let value = child.to_value();
        if !self.asynchronous {
            return Ok(value);
        }
        let message = Message::copy_of(&value)
            .map_err(|refused| Error::new(kinds::INVALID_ARGUMENT, format!("{} cannot be awaited", refused.what)))?;
        Ok(Value::from(Handle::new(Arc::new(FutureHandle::settled(message, runtime)))))
    }
}

impl Resumable for Spawning {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        if let Some((clauses, message)) = self.call.take() {
            let Ok(kept) = Message::copy_of(message.value()) else {
                return Step::Fail(Error::new(kinds::INVALID_ARGUMENT, "the agent's parameters cannot be kept"));
            };
            self.arguments = Some(kept);
            let arguments = message.adopt();
            let arguments = arguments.as_array().map(|values| values.as_slice().to_vec()).unwrap_or_default();
            return Step::Call { callee: Callee::Function(clauses), arguments };
        }
        match input {
            Input::Returned(Ok(clauses)) => match self.start(&clauses, context) {
                Ok(value) => Step::Return(value),
                Err(error) => Step::Fail(error),
            },
            Input::Returned(Err(error)) => Step::Fail(error),
            _ => Step::Yield,
        }
    }

    fn name(&self) -> &str {
        "spawn"
    }
}
