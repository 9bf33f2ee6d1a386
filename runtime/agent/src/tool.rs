//! One run of a tool: a process of its own, with exactly what the tool declares to touch.
//!
//! Invariant: a tool ends with one result for the model, whatever it does. What it throws becomes the text of an error result; what
//! ends its process otherwise is reported by the monitor of its invocation.

use std::sync::Arc;

use vega_bytecode::kinds;
use vega_bytecode::module::Capability;
use vega_runtime::effects::{Class, Failure, Passed, Payload, Request, Ticket};
use vega_runtime::native::{Address, Callee, Input, NativeContext, PortId, Resumable, Step};
use vega_runtime::process::Pid;
use vega_runtime::value::{Value, View, json};

use vega_trace::SpanId;

use crate::approval::Answer;
use crate::message::{Block, joined_text};
use crate::parts;
use crate::request::{self, Chain};
use crate::slot::AgentSlot;
use crate::store::{Place, StateIsFree, Turn};

/// What the invocation is sent.
pub(crate) struct ToolDone {
    pub(crate) index: usize,
    pub(crate) content: String,
    pub(crate) is_error: bool,
    /// Pictures and documents behind the content.
    pub(crate) parts: Vec<Block>,
    /// The kind of what it threw.
    pub(crate) error_kind: Option<String>,
}

/// What the model asked for.
pub(crate) struct Call {
    /// The tool's number in the agent's declaration.
    pub(crate) tool: usize,
    /// The call's number in the turn.
    pub(crate) index: usize,
    pub(crate) input: serde_json::Value,
}

/// The state of a tool's process.
pub(crate) struct ToolProcess {
    slot: Arc<AgentSlot>,
    request: Arc<request::Request>,
    call: Call,
    reply_to: Address,
    chain: Arc<Chain>,
    span: SpanId,
    process: Option<Pid>,
    /// Its passage through the door to the world.
    ticket: Option<Ticket>,
    /// A function of the program is deciding whether it may run.
    asking: bool,
    /// Its place in the line for the agent's state, where it uses it.
    place: Option<Place>,
}

impl ToolProcess {
    pub(crate) fn new(
        slot: Arc<AgentSlot>,
        request: Arc<request::Request>,
        call: Call,
        reply_to: Address,
        chain: Arc<Chain>,
        span: SpanId,
        place: Option<Place>,
    ) -> ToolProcess {
        ToolProcess { slot, request, call, reply_to, chain, span, process: None, ticket: None, asking: false, place }
    }

    fn begin(&mut self, context: &NativeContext<'_>) -> Step {
        let process = context.self_pid();
        self.process = Some(process);
        self.slot.service.enter_chain(process, Arc::clone(&self.chain));
        context.set_span(Some((self.slot.service.trace, self.span)));
        let name = &context.module().agents[self.slot.agent.0 as usize].tools[self.call.tool].name;
        if !self.slot.config.approval.contains(name) {
            return self.run(context);
        }
        match self.slot.service.approvers.ask(context, &self.slot.config.name, name, &self.call.input) {
            Answer::Call(step) => {
                self.asking = true;
                step
            }
            Answer::Yes => self.run(context),
            Answer::No => self.denied(context, "the user said no"),
            Answer::Nobody => self
                .denied(context, "nobody can be asked; run the program in a terminal, or decide in it with `approval::handler`"),
        }
    }

    /// It may not run.
    fn denied(&mut self, context: &NativeContext<'_>, reason: &str) -> Step {
        let kind = context.module().kinds.get(kinds::CAPABILITY_DENIED.0 as usize).map(|kind| kind.name.clone());
        self.done(context, format!("This tool needs an approval, and it was denied: {reason}."), true, kind)
    }

    /// Calls the tool.
    fn run(&mut self, context: &NativeContext<'_>) -> Step {
        let module = context.module();
        let agent = &module.agents[self.slot.agent.0 as usize];
        let tool = &agent.tools[self.call.tool];
        let mut state = Vec::new();
        if tool.uses_state {
            if self.place.is_none() {
                self.place = self.request.line_up(&self.chain, self.slot.runtime());
            }
            // Where its call is over there is no state for it; it is about to end.
            let turn = self.place.as_ref().map_or(Turn::Waits, |place| place.take(context.address()));
            match turn {
                Turn::Has(values) => state = values,
                Turn::Waits => return Step::Receive { port: PortId::ROOT, deadline: None },
                Turn::Nested => {
                    let text = format!(
                        "The state of `{}` is in use by the very tool that this call was made in, so `{}` cannot have it.",
                        self.slot.config.name, tool.name
                    );
                    let kind = module.kinds.get(kinds::CALL_CYCLE.0 as usize).map(|kind| kind.name.clone());
                    return self.done(context, text, true, kind);
                }
            }
            if let Some(place) = &self.place {
                self.slot.service.enter_store(context.self_pid(), Arc::clone(place.store()));
            }
        }
        let input = std::mem::take(&mut self.call.input).to_string();
        let reads_only = tool.capabilities.iter().all(|kind| *kind == Capability::FileRead);
        let class = if reads_only { Class::Read } else { Class::Irrevocable };
        match context.begin_effect_of_step(0, &Request::Tool { name: &tool.name, arguments: &input }, class) {
            Ok(Passed::Run(_, ticket)) => self.ticket = Some(ticket),
            // It ran before, in another run.
            Ok(Passed::Replayed(Ok(Payload::Text(content)))) => return self.done(context, content, false, None),
            Ok(Passed::Replayed(Ok(Payload::Texts(mut texts)))) => {
                let changed = texts.pop().unwrap_or_default();
                if let Some(place) = &self.place {
                    place.repeat(&changed, self.slot.agent, module);
                }
                return self.done(context, texts.pop().unwrap_or_default(), false, None);
            }
            Ok(Passed::Replayed(Ok(_))) => return self.done(context, String::new(), false, None),
            Ok(Passed::Replayed(Err(failure))) => return self.done(context, failure.message, true, None),
            Err(error) => {
                let kind = error.kind_name(module).to_owned();
                return self.done(context, error.summary(module), true, Some(kind));
            }
        }
        let parsed = match json::parse(&input) {
            Ok(parsed) => parsed,
            Err(problem) => return self.done(context, format!("The arguments are not JSON: {problem}"), true, None),
        };
        let mut arguments = Vec::with_capacity(tool.parameters.len());
        let mut problems = Vec::new();
        for parameter in &tool.parameters {
            let given = parsed.as_map().and_then(|map| map.get_text(&parameter.name)).cloned();
            match json::decode(&given.unwrap_or(Value::NULL), parameter.ty, module) {
                Ok(value) => arguments.push(value),
                Err(found) => problems.push(format!("`{}`: {}", parameter.name, json::problems_text(&found))),
            }
        }
        if !problems.is_empty() {
            let text = format!("The arguments do not fit: {}.", problems.join("; "));
            return self.done(context, text, true, None);
        }
        arguments.extend(self.slot.arguments());
        arguments.extend(state);
        Step::Call { callee: Callee::Function(tool.function), arguments }
    }

    /// What is kept of its success: the result, and what it changed of the state.
    fn kept(&self, content: &str, context: &NativeContext<'_>) -> Payload {
        let place = self.place.as_ref().filter(|_| context.keeps_effects());
        match place.and_then(|place| place.changed(self.slot.agent, context.module())) {
            Some(changed) => Payload::Texts(vec![content.to_owned(), changed]),
            None => Payload::Text(content.to_owned()),
        }
    }

    /// Sends the result; the process has nothing more to do.
    fn done(&mut self, context: &NativeContext<'_>, content: String, is_error: bool, error_kind: Option<String>) -> Step {
        self.done_with(context, content, Vec::new(), is_error, error_kind)
    }

    /// The same with pictures and documents.
    fn done_with(
        &mut self,
        context: &NativeContext<'_>,
        content: String,
        parts: Vec<Block>,
        is_error: bool,
        error_kind: Option<String>,
    ) -> Step {
        if let Some(ticket) = self.ticket.take() {
            let result = match is_error {
                false => Ok(self.kept(&content, context)),
                true => Err(Failure { kind: kinds::AGENT_FAILED, message: content.clone() }),
            };
            context.end_effect(ticket, &result);
        }
        if let Some(place) = self.place.take() {
            if !is_error {
                place.succeeded();
            }
            self.slot.service.leave_store(context.self_pid());
        }
        context.send_to(&self.reply_to, Box::new(ToolDone { index: self.call.index, content, is_error, parts, error_kind }));
        Step::Return(Value::NULL)
    }
}

impl Resumable for ToolProcess {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        let module = context.module();
        match input {
            Input::Start => self.begin(context),
            Input::Message(message) if message.is::<StateIsFree>() => self.run(context),
            Input::Returned(Ok(value)) if self.asking => {
                self.asking = false;
                if value.as_bool() == Some(true) { self.run(context) } else { self.denied(context, "whoever was asked said no") }
            }
            Input::Returned(Ok(value)) => {
                if let Some(blocks) = parts::blocks(&value, module) {
                    let text = joined_text(&blocks);
                    let media = blocks.into_iter().filter(|block| matches!(block, Block::Media(_))).collect();
                    return self.done_with(context, text, media, false, None);
                }
                let text = match value.view() {
                    View::Str(text) => Ok(text.as_str().to_owned()),
                    _ => json::encode(&value, module),
                };
                match text {
                    Ok(text) => self.done(context, text, false, None),
                    Err(error) => {
                        let text = format!("The result cannot be sent: {}", error.message().as_str());
                        self.done(context, text, true, Some(error.kind_name(module).to_owned()))
                    }
                }
            }
            Input::Returned(Err(error)) => {
                self.done(context, error.summary(module), true, Some(error.kind_name(module).to_owned()))
            }
            // Nothing else concerns it, and whatever it waits for comes as a message.
            _ => Step::Receive { port: PortId::ROOT, deadline: None },
        }
    }

    fn name(&self) -> &str {
        "tool"
    }
}

impl Drop for ToolProcess {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            self.slot.service.leave_chain(process);
            if self.place.is_some() {
                self.slot.service.leave_store(process);
            }
        }
    }
}
