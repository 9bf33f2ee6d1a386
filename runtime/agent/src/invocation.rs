//! One invocation: the process that drives the turn loop of one request, from dispatch to reply.
//!
//! Invariants: it holds a stack only during an exchange with the model, and a permit no longer than that; its clock stands still while it
//! waits for a permit; whatever it started ends with it.
mod compact; // the summary of a conversation that has become too long
mod model; // the exchanges with its model
mod record; // what the trace learns
mod tools; // the tools that it runs

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vega_bytecode::{Type, TypeId};
use vega_runtime::ledger::Turn;
use vega_runtime::native::{CallGuard, Input, NativeContext, Notice, PortId, Resumable, Step};
use vega_runtime::value::copy::Message;
use vega_runtime::value::{Value, is_type, json, schema};
use vega_scheduler::Instant;
use vega_trace::SpanId;

use crate::bound::Reported;
use crate::breaker::{Pass, Verdict};
use crate::error::ErrorKind;
use crate::exchange::{RoomMayBe, base_request};
use crate::history::Mode;
use crate::limits::{Granted, Permit, Used, Waiting};
use crate::message::{self, Block, OutputSchema, Usage};
use crate::parts::{Particulars, ReplyShape};
use crate::progress::Activity;
use crate::provider::structured;
use crate::raise::Failed;
use crate::request::{Answer, Content, FinishedRound, Reply, Request};
use crate::slot::AgentSlot;
use crate::tool::ToolDone;
use crate::turn::{self, Action, Event, Expectation, TurnLoop};
pub(crate) use record::record_unstarted;
use tools::RunningTool;

/// See the module's text.
pub(crate) struct Invocation {
    slot: Arc<AgentSlot>,
    request: Arc<Request>,
    /// The right to the next exchange.
    permit: Option<Permit>,
    /// The place in the queue of a budget in which others have reserved what the exchange needs.
    budget_turn: Option<Turn>,
    /// The last exchange, until what follows from it is known: another one, tools, or the reply, which takes it along.
    under_way: Option<CallGuard>,
    /// Its place in the queue for it.
    waiting: Option<Waiting>,
    /// The circuit breaker let it through.
    pass: Option<Pass>,
    /// What its last exchange says about the provider.
    verdict: Verdict,
    work: Work,
    turn: Option<Box<TurnLoop>>,
    /// The exchange that comes next.
    next: Option<Box<message::Request>>,
    /// What comes first is a summary of the rounds before this number.
    compacting: Option<u64>,
    typed: bool,
    /// The whole reply is wanted, not its value alone.
    shape: Option<ReplyShape>,
    /// Failed attempts of the exchange under way.
    failures: u32,
    /// Exchanges so far, with their repetitions.
    attempts: u32,
    timeout: Duration,
    deadline: Instant,
    rounds_seen: u64,
    /// What the provider has counted of the conversation.
    reported: Option<Reported>,
    /// The same for the round, once it is over: prompt and answer of the last exchange.
    tokens: Option<u64>,
    tools: Vec<RunningTool>,
    number: u64,
    span: SpanId,
    began: Instant,
    began_at: SystemTime,
    queued: Duration,
    spent: Spent,
    started: bool,
    /// Its end was recorded and reported.
    settled: bool,
}

/// What is done next.
enum Work {
    /// The next exchange needs a permit.
    Admission,
    /// It waits for one, or for room in a budget, since this moment.
    Queued(Instant),
    /// It is made.
    Call,
    /// It is repeated at this moment.
    Backoff(Instant),
    /// Tools run.
    Tools,
    /// Nothing.
    Over,
}

/// What the invocation used so far.
#[derive(Default)]
struct Spent {
    usage: Usage,
    cost: i64,
    /// An exchange had no known price.
    unpriced: bool,
    estimated: bool,
    retries: u32,
}

impl Invocation {
    pub(crate) fn new(slot: Arc<AgentSlot>, request: Arc<Request>, permit: Permit) -> Invocation {
        let timeout = request.timeout.unwrap_or(slot.config.timeout);
        let span = slot.service.new_span();
        let number = slot.service.counters.begin_invocation();
        Invocation {
            slot,
            request,
            permit: Some(permit),
            budget_turn: None,
            under_way: None,
            waiting: None,
            pass: None,
            verdict: Verdict::Unknown,
            work: Work::Admission,
            turn: None,
            next: None,
            compacting: None,
            typed: false,
            shape: None,
            failures: 0,
            attempts: 0,
            timeout,
            deadline: Instant::NEVER,
            rounds_seen: 0,
            reported: None,
            tokens: None,
            tools: Vec::new(),
            number,
            span,
            began: Instant::NEVER,
            began_at: SystemTime::UNIX_EPOCH,
            queued: Duration::ZERO,
            spent: Spent::default(),
            started: false,
            settled: false,
        }
    }

    fn begin(&mut self, context: &NativeContext<'_>) {
        let now = context.now();
        self.started = true;
        self.began = now;
        self.began_at = SystemTime::now();
        self.queued = now.since(self.request.queued_at);
        self.deadline = now + self.timeout;
        self.report(Activity::Began);
        if let Err(failed) = self.enter_breaker(context) {
            if let Some(permit) = self.permit.take() {
                permit.release(&Used::default(), context);
            }
            self.fail(failed, context);
            return;
        }
        if !self.begin_compaction() {
            self.converse(context);
        }
    }

    /// Begins the turn loop, with the conversation as it is now.
    fn converse(&mut self, context: &NativeContext<'_>) {
        let view = self.slot.view();
        self.rounds_seen = view.rounds_seen;
        self.reported = view.reported;
        let mut request = base_request(&self.slot.config);
        request.messages = view.messages;
        self.shape = ReplyShape::of(self.request.output, context.module());
        request.output = output_schema(self.wanted(), context).map(Arc::new);
        request.stream = self.request.flow.is_some();
        self.typed = request.output.is_some();
        if let Some(output) = &request.output {
            let config = &self.slot.config;
            request.native_output = config.endpoint.structured_output
                && structured::is_native(config.endpoint.protocol, &config.provider_model, &output.schema);
            if !request.native_output {
                let instructions = structured::instructions(&output.schema);
                request.system = Some(match &request.system {
                    Some(system) => format!("{system}\n\n{instructions}").into(),
                    None => instructions.into(),
                });
            }
        }
        let expectation = if self.typed { Expectation::Typed } else { Expectation::Text };
        let message: Arc<[Block]> = match &self.request.parts {
            Some(parts) => Arc::clone(parts),
            None => [Block::text(Arc::clone(&self.request.message))].into(),
        };
        let mut turn = Box::new(TurnLoop::new(request, message, self.slot.config.limits, expectation));
        let action = turn.start();
        self.turn = Some(turn);
        self.act(action, context);
    }

    // ---- what comes in ----

    fn receive(&mut self, message: Box<dyn std::any::Any + Send>, context: &NativeContext<'_>) {
        let message = match message.downcast::<Granted>() {
            Ok(granted) => {
                if self.dequeue(context) {
                    self.permit = Some(granted.0);
                }
                return;
            }
            Err(message) => message,
        };
        let message = match message.downcast::<RoomMayBe>() {
            Ok(_) => {
                self.dequeue(context);
                return;
            }
            Err(message) => message,
        };
        if let Ok(done) = message.downcast::<ToolDone>() {
            self.tool_done(*done, context);
        }
    }

    /// Ends the waiting in a queue, if it waits in one. Such time is not the invocation's.
    fn dequeue(&mut self, context: &NativeContext<'_>) -> bool {
        let Work::Queued(since) = self.work else { return false };
        let waited = context.now().since(since);
        self.waiting = None;
        self.queued += waited;
        self.deadline = self.deadline + waited;
        self.work = Work::Admission;
        true
    }

    fn on(&mut self, event: Event, context: &NativeContext<'_>) {
        if let Some(turn) = &mut self.turn {
            let action = turn.on(event);
            self.act(action, context);
        }
    }

    // ---- what follows from it ----

    fn act(&mut self, first: Action, context: &NativeContext<'_>) {
        let mut action = first;
        loop {
            action = match action {
                Action::CallModel(request) => {
                    self.next = Some(Box::new(request));
                    self.failures = 0;
                    self.under_way = None;
                    self.work = Work::Admission;
                    return;
                }
                Action::RunTools(runs) => {
                    self.under_way = None;
                    self.work = Work::Tools;
                    let mut failed = Vec::new();
                    for run in runs {
                        let index = run.index;
                        if let Err(content) = self.start_tool(run, context) {
                            failed.push(Event::ToolDone {
                                index,
                                content: content.into(),
                                is_error: true,
                                parts: Arc::default(),
                            });
                        }
                    }
                    // One after the other: each may start further tools.
                    let Some(turn) = &mut self.turn else { return };
                    let mut next = Action::Wait;
                    for event in failed {
                        match turn.on(event) {
                            Action::Wait => {}
                            other => next = other,
                        }
                    }
                    next
                }
                Action::Wait => {
                    self.work = Work::Tools;
                    return;
                }
                Action::Finish(reply) => match self.content(&reply, context) {
                    Ok(content) => {
                        self.finish(content, reply, context);
                        return;
                    }
                    Err(problem) => match &mut self.turn {
                        Some(turn) => turn.on(Event::Rejected { problem }),
                        None => return,
                    },
                },
                Action::Fail(error) => {
                    self.fail(Failed::Call(error), context);
                    return;
                }
            };
        }
    }

    /// The type of the reply's value.
    fn wanted(&self) -> TypeId {
        self.shape.map_or(self.request.output, |shape| shape.value)
    }

    /// The whole reply as a value of the language.
    fn whole_reply(&self, shape: ReplyShape, value: Value, reply: &turn::Reply) -> Result<Content, String> {
        let trace_id = self.slot.service.trace.to_string();
        let particulars = Particulars {
            usage: &self.spent.usage,
            cost: self.spent.cost,
            model: &reply.model,
            stop_reason: reply.stop_reason.as_str(),
            blocks: &reply.blocks,
            trace_id: &trace_id,
        };
        let message =
            Message::copy_of(&shape.make(value, &particulars)).map_err(|refused| format!("it holds {}", refused.what))?;
        Ok(Content::Value(message, reply.text.clone()))
    }

    /// The reply as what the caller wants, or where it does not fit.
    fn content(&self, reply: &turn::Reply, context: &NativeContext<'_>) -> Result<Content, String> {
        if !self.typed {
            return match self.shape {
                Some(shape) => self.whole_reply(shape, Value::str(reply.text.as_str()), reply),
                None => Ok(Content::Text(reply.text.clone())),
            };
        }
        let text = unfenced(&reply.text);
        // Models that are only told to answer with JSON like to say something around it.
        let parsed = json::parse(text).or_else(|problem| braced(text).and_then(|inner| json::parse(inner).ok()).ok_or(problem));
        let parsed = parsed.map_err(|problem| format!("it is not JSON: {problem}"))?;
        let value =
            json::decode_wrapped(&parsed, self.wanted(), context.module()).map_err(|problems| json::problems_text(&problems))?;
        if let Some(shape) = self.shape {
            return self.whole_reply(shape, value, reply);
        }
        let message = Message::copy_of(&value).map_err(|refused| format!("it holds {}", refused.what))?;
        Ok(Content::Value(message, reply.text.clone()))
    }

    // ---- the end ----

    fn finish(&mut self, content: Content, reply: turn::Reply, context: &NativeContext<'_>) {
        self.work = Work::Over;
        if let Some(warning) = &reply.warning {
            self.slot.service.warn(&format!("{}: {warning}", self.slot.config.name));
        }
        if !self.request.finish(context.self_pid()) {
            return;
        }
        self.settled = true;
        let round = FinishedRound { round: reply.round, rounds_seen: self.rounds_seen, tokens: self.tokens };
        let round = match self.slot.config.history.mode {
            Mode::None => None,
            Mode::Conversation => Some(round),
            // The next call is to see it, whenever the caller looks.
            Mode::Ordered => {
                self.slot.hold(self.request.call, round);
                self.slot.join(self.request.call);
                self.request.accepted();
                None
            }
        };
        self.record_invocation(None, reply.warning.as_deref(), context);
        self.report(Activity::Ended { ok: true, cost_pico: self.spent.cost });
        let reply = Reply { result: Ok(Answer { content, round }), under_way: self.under_way.take() };
        context.send_to(&self.request.reply_to, Box::new(reply));
    }

    fn fail(&mut self, failed: Failed, context: &NativeContext<'_>) {
        self.work = Work::Over;
        if !self.request.finish(context.self_pid()) {
            return;
        }
        self.request.take_back();
        self.settled = true;
        self.record_invocation(Some(&failed), None, context);
        self.report(Activity::Ended { ok: false, cost_pico: self.spent.cost });
        let reply = Reply { result: Err(failed), under_way: self.under_way.take() };
        context.send_to(&self.request.reply_to, Box::new(reply));
    }

    /// The moment until which it may be in a queue in which it has been since then.
    fn queue_deadline(&self, since: Instant) -> Instant {
        since + self.slot.config.queue_timeout.saturating_sub(self.queued)
    }

    fn time_is_over(&mut self, context: &NativeContext<'_>) {
        // That says nothing about the provider.
        self.verdict = Verdict::Unknown;
        let text = format!("`{}` had no reply within {:?}; see `timeout`", self.slot.config.name, self.timeout);
        self.fail(Failed::call(ErrorKind::Timeout { after: self.timeout }, text), context);
    }

    fn report(&self, activity: Activity<'_>) {
        self.slot.service.report(self.number, &self.slot.config.name, activity);
    }

    /// Goes on until something must be waited for.
    fn proceed(&mut self, context: &NativeContext<'_>) -> Step {
        loop {
            let queued = matches!(self.work, Work::Queued(_) | Work::Over);
            if !queued && context.now() >= self.deadline {
                self.time_is_over(context);
            }
            match self.work {
                Work::Admission => self.admit(context),
                Work::Queued(since) if context.now() >= self.queue_deadline(since) => {
                    self.dequeue(context);
                    self.fail(self.slot.queue_is_over(), context);
                }
                Work::Queued(since) => {
                    return Step::Receive { port: PortId::ROOT, deadline: Some(self.queue_deadline(since)) };
                }
                Work::Call => self.call(context),
                Work::Backoff(until) if context.now() >= until => self.work = Work::Admission,
                Work::Backoff(until) => {
                    return Step::Receive { port: PortId::ROOT, deadline: Some(until.min(self.deadline)) };
                }
                Work::Tools => return Step::Receive { port: PortId::ROOT, deadline: Some(self.deadline) },
                Work::Over => {
                    self.leave_breaker(context);
                    for tool in self.tools.drain(..) {
                        context.kill(tool.process);
                    }
                    return Step::Return(Value::NULL);
                }
            }
        }
    }
}

impl Resumable for Invocation {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        match input {
            Input::Start => self.begin(context),
            Input::Message(message) => self.receive(message, context),
            Input::Notice(Notice::Down { monitor, reason, .. }) => self.tool_ended(monitor, &reason, context),
            _ => {}
        }
        self.proceed(context)
    }

    fn name(&self) -> &str {
        "invocation"
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        self.slot.service.counters.end_invocation();
        if !self.settled && self.started {
            self.report(Activity::Ended { ok: false, cost_pico: self.spent.cost });
            self.record_cancelled();
            let runtime = self.slot.runtime();
            self.tools.drain(..).for_each(|tool| runtime.kill(tool.process));
        }
    }
}

/// The form that the reply must have; none where it is text.
fn output_schema(output: TypeId, context: &NativeContext<'_>) -> Option<OutputSchema> {
    let module = context.module();
    match module.types.get(output) {
        None | Some(Type::Str | Type::Any | Type::Void | Type::Null) => None,
        Some(_) => {
            let name = is_type::type_name(output, module);
            let name: String =
                name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).take(64).collect();
            // The schemas that the runtime writes are JSON.
            let schema = serde_json::from_str(&schema::reply_schema(output, module)).unwrap_or_default();
            Some(OutputSchema { name, schema })
        }
    }
}

/// From the first brace of a text to the last.
fn braced(text: &str) -> Option<&str> {
    text.get(text.find('{')?..=text.rfind('}')?)
}

/// JSON without the fence that some models put around it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim())
}
