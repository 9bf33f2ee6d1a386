//! What stays of an agent over its incarnations: its configuration, its conversation, and the queue of requests.
//!
//! Invariants: a request is in the queue, with one running invocation, or over. Where the agent stays down, every request is answered.
//! Nothing here waits; locks are held for a few instructions.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vega_bytecode::{AgentId, kinds};
use vega_runtime::RuntimeHandle;
use vega_runtime::native::{Address, NativeContext};
use vega_runtime::process::{ExitReason, Pid};
use vega_runtime::supervisor::ChildOwner;
use vega_runtime::value::Value;
use vega_runtime::value::copy::Message;
use vega_scheduler::Instant;

use crate::breaker::Breaker;
use crate::config::AgentConfig;
use crate::error::{CallError, ErrorKind};
use crate::history::{CallNumber, Compaction, History, Mode, View};
use crate::invocation::record_unstarted;
use crate::limits::{Member, Need, Permit};
use crate::message::Round;
use crate::raise::Failed;
use crate::request::{AfterCrash, FinishedRound, Reply, Request};
use crate::service::Service;
use crate::store::Store;

/// Requests that wait for one agent. A call beyond it raises `LimitReached("agent_queue")`.
const QUEUE_REQUESTS_MAX: usize = 1_000_000;

/// One agent of the program, over all its incarnations.
pub(crate) struct AgentSlot {
    pub(crate) service: Arc<Service>,
    pub(crate) agent: AgentId,
    pub(crate) config: AgentConfig,
    /// Its place among those that call its provider; none where nothing can make it wait.
    pub(crate) member: Option<Member>,
    pub(crate) breaker: Arc<Breaker>,
    runtime: RuntimeHandle,
    /// The agent's parameters, as an array: its tools see them.
    arguments: Mutex<Message>,
    /// Its state, if it has one.
    pub(crate) store: Option<Arc<Store>>,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Arc<Request>>,
    running: HashMap<Pid, Arc<Request>>,
    history: History,
    /// The process of the present incarnation.
    living: Option<Pid>,
    /// It was told to look at the queue and has not done so yet.
    awake: bool,
    /// The head of the queue was offered to the limits, which remember it.
    offered: bool,
    /// What the provider counted of the last exchange, prompt and answer together.
    last_tokens: u64,
    next_call: u64,
    /// The call that summarises the conversation now; no other begins meanwhile, so that what is seen does not depend on who is faster.
    compacting: Option<CallNumber>,
    /// Why the agent stays down.
    stopped: Option<Failed>,
}

/// What the agent's process does next.
pub(crate) enum Next {
    /// It starts an invocation.
    Start(Arc<Request>, Permit),
    /// It answers a request that waited too long.
    Refuse(Arc<Request>, Failed),
    /// It waits, until this moment at most.
    Wait(Option<Instant>),
}

/// What the agent's process is sent to look at the queue.
pub(crate) struct Wake;

impl AgentSlot {
    /// An agent in which nothing was said yet.
    pub(crate) fn new(
        service: Arc<Service>,
        agent: AgentId,
        config: AgentConfig,
        arguments: Message,
        store: Option<Arc<Store>>,
        runtime: RuntimeHandle,
    ) -> Arc<AgentSlot> {
        let history = History::new(config.history);
        Arc::new_cyclic(|slot| AgentSlot {
            member: service.join(&config, slot.clone(), &runtime),
            breaker: service.breaker(agent, &config),
            service,
            agent,
            config,
            runtime,
            arguments: Mutex::new(arguments),
            store,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                running: HashMap::new(),
                history,
                living: None,
                awake: false,
                offered: false,
                last_tokens: 0,
                next_call: 0,
                compacting: None,
                stopped: None,
            }),
        })
    }

    /// The runtime, for what ends without a context.
    pub(crate) fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// A number that tells agents of one runtime apart.
    pub(crate) fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The agent's parameters as values of the running process.
    pub(crate) fn arguments(&self) -> Vec<Value> {
        let copy = {
            let arguments = self.arguments.lock().unwrap_or_else(PoisonError::into_inner);
            Message::copy_of(arguments.value())
        };
        // What travelled once travels again.
        let Ok(copy) = copy else { return Vec::new() };
        copy.adopt().as_array().map(|values| values.as_slice().to_vec()).unwrap_or_default()
    }

    // ---- the caller's side ----

    /// A number for a new call.
    pub(crate) fn next_call(&self) -> CallNumber {
        let mut state = self.lock();
        state.next_call += 1;
        CallNumber(state.next_call)
    }

    /// A place for it among all that wait for the same provider.
    pub(crate) fn arrival(&self) -> u64 {
        self.member.as_ref().map_or(0, Member::arrival)
    }

    /// The tokens that the next exchange may need, as far as that is known before it is made.
    pub(crate) fn need(&self, message_bytes: usize, so_far: u64) -> Need {
        let known = self.config.fixed_bytes.saturating_add(message_bytes) as u64 / 4;
        Need { input: known.max(so_far.saturating_add(message_bytes as u64 / 4)), output: u64::from(self.config.max_tokens) }
    }

    /// An exchange was counted by the provider.
    pub(crate) fn counted(&self, tokens: u64) {
        if self.member.is_some() && self.config.history.mode != Mode::None {
            self.lock().last_tokens = tokens;
        }
    }

    /// The failure of a call that the circuit breaker stops.
    pub(crate) fn circuit_open(&self, retry_after: Duration) -> Failed {
        let text = format!(
            "`{}` fails at once, because too many of its calls of {} failed in a row; the next is tried in {retry_after:?}",
            self.config.name,
            self.service.provider_name(&self.config)
        );
        let mut error = CallError::new(ErrorKind::CircuitOpen, text);
        error.retry_after = Some(retry_after);
        Failed::Call(Box::new(error))
    }

    /// The failure of a call that waited too long.
    pub(crate) fn queue_is_over(&self) -> Failed {
        let after = self.config.queue_timeout;
        let text = format!("`{}` waited {after:?} for its turn to call its model; see `queue_timeout`", self.config.name);
        Failed::call(ErrorKind::Timeout { after }, text)
    }

    /// Puts a request at the end of the queue.
    pub(crate) fn enqueue(&self, request: Arc<Request>, context: &NativeContext<'_>) -> Result<(), Failed> {
        {
            let mut state = self.lock();
            if let Some(failed) = &state.stopped {
                return Err(failed.clone());
            }
            // No place in a queue for what would fail at its end.
            if let Some(retry_after) = self.breaker.closed_for(context.now()) {
                let failed = self.circuit_open(retry_after);
                drop(state);
                record_unstarted(self, &request, &failed, context);
                return Err(failed);
            }
            if state.queue.len() >= QUEUE_REQUESTS_MAX {
                return Err(Failed::plain(
                    kinds::LIMIT_REACHED,
                    format!("agent_queue: {QUEUE_REQUESTS_MAX} requests wait for `{}`", self.config.name),
                ));
            }
            state.queue.push_back(request);
        }
        self.wake(|address, message| {
            context.send_to(address, message);
        });
        Ok(())
    }

    /// Has the present incarnation look at the queue. Where none lives, the next one looks by itself.
    pub(crate) fn wake(&self, send: impl FnOnce(&Address, Box<dyn Any + Send>)) {
        let living = {
            let mut state = self.lock();
            let Some(living) = state.living.filter(|_| !state.awake) else { return };
            state.awake = true;
            living
        };
        send(&Address::root(living), Box::new(Wake));
    }

    // ---- the agent's process ----

    /// An incarnation begins.
    pub(crate) fn lives_in(&self, process: Pid) {
        let mut state = self.lock();
        state.living = Some(process);
        state.awake = true;
    }

    /// What to do with the queue now. Every later arrival wakes the agent again.
    pub(crate) fn next(&self, context: &NativeContext<'_>) -> Next {
        let now = context.now();
        if let Some(member) = &self.member
            && member.alarm().is_some_and(|alarm| alarm <= now)
        {
            member.look(now);
        }
        let next = self.next_request(now);
        let Some(member) = &self.member else { return next };
        member.send_all(context);
        match next {
            Next::Wait(until) => Next::Wait(until.into_iter().chain(member.alarm()).min()),
            next => next,
        }
    }

    fn next_request(&self, now: Instant) -> Next {
        let mut state = self.lock();
        state.awake = false;
        while state.queue.front().is_some_and(|request| request.is_over()) {
            state.queue.pop_front();
        }
        let is_busy = self.config.history.mode == Mode::Ordered && !state.running.is_empty();
        let is_next = !is_busy && state.compacting.is_none();
        let Some(request) = state.queue.front().filter(|_| is_next) else {
            if std::mem::take(&mut state.offered)
                && let Some(member) = &self.member
            {
                member.withdraw(now);
            }
            return Next::Wait(state.queue.front().map(|request| request.queued_at + self.config.queue_timeout));
        };
        let until = request.queued_at + self.config.queue_timeout;
        // One that comes back after a crash has begun before and is not late.
        if until <= now && !request.has_begun() {
            return match state.queue.pop_front() {
                Some(request) => Next::Refuse(request, self.queue_is_over()),
                None => Next::Wait(None),
            };
        }
        let permit = match &self.member {
            None => Permit::unlimited(),
            Some(member) => {
                let need = self.need(request.message.len(), state.last_tokens);
                let offered = member.offer(request.arrival, need, now);
                state.offered = offered.is_none();
                match offered {
                    Some(permit) => permit,
                    None => return Next::Wait(Some(until)),
                }
            }
        };
        let Some(request) = state.queue.pop_front() else { return Next::Wait(None) };
        if state.queue.capacity() > 1024 && state.queue.len() < state.queue.capacity() / 4 {
            state.queue.shrink_to_fit();
        }
        if state.history.compaction().is_some() {
            state.compacting = Some(request.call);
        }
        Next::Start(request, permit)
    }

    /// An invocation runs.
    pub(crate) fn runs(&self, invocation: Pid, request: Arc<Request>) {
        self.lock().running.insert(invocation, request);
    }

    /// An invocation ended. Without a result, its request runs once more; the failure where it may not.
    pub(crate) fn ended(&self, invocation: Pid, reason: &ExitReason) -> Option<(Arc<Request>, Failed)> {
        let mut state = self.lock();
        let request = state.running.remove(&invocation)?;
        if state.compacting == Some(request.call) {
            state.compacting = None;
        }
        match request.crashed(reason.as_str()) {
            AfterCrash::Over => None,
            AfterCrash::Again => {
                state.queue.push_front(request);
                None
            }
            AfterCrash::Fail(failed) => Some((request, failed)),
        }
    }

    // ---- history ----

    /// What a call that begins now sees.
    pub(crate) fn view(&self) -> View {
        self.lock().history.view()
    }

    /// What this call has to summarise before it begins; others wait until it did.
    pub(crate) fn compaction(&self, call: CallNumber) -> Option<Compaction> {
        let state = self.lock();
        if state.compacting == Some(call) { state.history.compaction() } else { None }
    }

    /// Puts a summary in the place of the oldest rounds; without one they are dropped.
    pub(crate) fn compacted(&self, until: u64, summary: Option<Round>) {
        self.lock().history.compacted(until, summary);
    }

    /// A call has summarised what it had to, or is not going to. True where others waited for it.
    pub(crate) fn compaction_over(&self, call: CallNumber) -> bool {
        let mut state = self.lock();
        let is_own = state.compacting == Some(call);
        if is_own {
            state.compacting = None;
        }
        is_own
    }

    /// The rounds that are remembered, oldest first.
    pub(crate) fn rounds(&self) -> Vec<Arc<Round>> {
        self.lock().history.rounds().to_vec()
    }

    /// Forgets what was said.
    pub(crate) fn reset(&self) {
        self.lock().history.reset();
        if let Some(store) = &self.store {
            store.reset();
        }
    }

    /// Remembers these rounds in the place of what was said.
    pub(crate) fn restore(&self, rounds: Vec<Round>) {
        if self.config.history.mode != Mode::None {
            self.lock().history.restore(rounds);
        }
    }

    /// Another agent with the same parameters and the same past.
    pub(crate) fn fork(&self) -> Arc<AgentSlot> {
        let arguments = {
            let arguments = self.arguments.lock().unwrap_or_else(PoisonError::into_inner);
            // What travelled once travels again.
            Message::copy_of(arguments.value()).unwrap_or_else(|_| Message::build(|| Value::array(Vec::new())))
        };
        let (service, config) = (Arc::clone(&self.service), self.config.clone());
        let store = self.store.as_deref().map(Store::fork);
        let fork = AgentSlot::new(service, self.agent, config, arguments, store, self.runtime.clone());
        fork.lock().history = self.lock().history.fork();
        fork
    }

    /// Keeps a finished round until it joins.
    pub(crate) fn hold(&self, call: CallNumber, finished: FinishedRound) {
        let FinishedRound { round, rounds_seen, tokens } = finished;
        self.lock().history.hold(call, round, rounds_seen, tokens);
    }

    /// Joins the round of a call.
    pub(crate) fn join(&self, call: CallNumber) {
        self.lock().history.join(&[call]);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request from outside of its invocation.
pub(crate) fn refuse(request: &Request, failed: Failed, runtime: &RuntimeHandle) {
    runtime.send_to(&request.reply_to, Box::new(Reply { result: Err(failed), under_way: None }));
}

impl ChildOwner for AgentSlot {
    fn crashed(&self, reason: &ExitReason, runtime: &RuntimeHandle) {
        let mut failures = Vec::new();
        {
            let mut state = self.lock();
            state.living = None;
            state.awake = false;
            state.compacting = None;
            state.offered = false;
            if self.config.reset_on_restart {
                state.history.reset();
                if let Some(store) = &self.store {
                    store.reset();
                }
            }
            let mut running: Vec<(Pid, Arc<Request>)> = state.running.drain().collect();
            // The oldest goes to the head of the queue last.
            running.sort_by_key(|(_, request)| std::cmp::Reverse(request.call.0));
            for (invocation, request) in running {
                runtime.kill(invocation);
                match request.crashed(reason.as_str()) {
                    AfterCrash::Over => {}
                    AfterCrash::Again => state.queue.push_front(request),
                    AfterCrash::Fail(failed) => failures.push((request, failed)),
                }
            }
        }
        if let Some(member) = &self.member {
            member.leave();
        }
        for (request, failed) in failures {
            refuse(&request, failed, runtime);
        }
    }

    fn stopped(&self, reason: &ExitReason, runtime: &RuntimeHandle) {
        let text = reason.as_str();
        let failed = if text.starts_with("restart_intensity:") {
            Failed::plain(kinds::AGENT_FAILED, text)
        } else {
            Failed::plain(kinds::PROCESS_DOWN, text)
        };
        let (queue, running) = {
            let mut state = self.lock();
            state.living = None;
            state.stopped = Some(failed.clone());
            (std::mem::take(&mut state.queue), std::mem::take(&mut state.running))
        };
        for invocation in running.keys() {
            runtime.kill(*invocation);
        }
        if let Some(member) = &self.member {
            member.leave();
        }
        for request in queue.into_iter().chain(running.into_values()) {
            if request.close() {
                refuse(&request, failed.clone(), runtime);
            }
        }
    }
}
