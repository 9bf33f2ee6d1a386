//! The loop of model calls and tool runs within one invocation, as a state machine without I/O.
//!
//! Whoever drives it performs each [`Action`] and reports what came of it as an [`Event`]. Invariants:
//! every tool use that a request carries has exactly one result right after it; the loop ends on the
//! stop reason and the presence of tool uses, never on having seen text; at most
//! [`TurnLimits::parallel_tools`] tools run at once.
mod tools; // the tool uses of one turn on their way to results

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{CallError, ErrorKind};
use crate::message::{Block, Message, Request, Response, Round, StopReason, ToolChoice, ToolResult, ToolUse, Turn};

use tools::ToolRuns;

/// Turns in which the very same call may fail, before the model has to go on without tools.
pub const REPEATED_FAILURES_MAX: u32 = 3;

/// Bounds of one invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnLimits {
    /// Model calls that may ask for tools.
    pub max_turns: u32,
    /// Tool uses.
    pub max_tool_calls: u32,
    /// Tools that run at once.
    pub parallel_tools: usize,
}

/// What the caller wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Text, taken as it is.
    Text,
    /// A value of a type; the driver decodes it, and reports [`Event::Rejected`] where it does not fit.
    Typed,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The model answered.
    Answered {
        /// Its answer.
        response: Response,
        /// What the request's `max_tokens` had been lowered to, where it was.
        lowered: Option<u32>,
    },
    /// The model did not answer, and no attempt is left.
    Failed(Box<CallError>),
    /// A tool ended.
    ToolDone {
        /// [`ToolRun::index`].
        index: usize,
        /// What the model is going to read.
        content: Arc<str>,
        /// Whether it failed.
        is_error: bool,
        /// Texts, pictures and documents behind the content.
        parts: Arc<[Block]>,
    },
    /// The reply of [`Action::Finish`] does not have the type that was wanted.
    Rejected {
        /// Where it does not fit.
        problem: String,
    },
}

/// What to do next.
#[derive(Clone, Debug)]
pub enum Action {
    /// Call the model.
    CallModel(Request),
    /// Start these tools; others may be running.
    RunTools(Vec<ToolRun>),
    /// Nothing until a running tool ends.
    Wait,
    /// The invocation has its reply. Typed ones may still be rejected.
    Finish(Reply),
    /// The invocation failed.
    Fail(Box<CallError>),
}

/// A tool to run.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRun {
    /// Its place among the turn's tool uses.
    pub index: usize,
    /// What the model wants. The tool is listed and the input is an object.
    pub call: ToolUse,
}

/// The end of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The text of the last turn.
    pub text: String,
    /// The last turn's blocks.
    pub blocks: Arc<[Block]>,
    /// Why the model stopped.
    pub stop_reason: StopReason,
    /// The model that answered.
    pub model: String,
    /// What may join the history.
    pub round: Round,
    /// Something that the user should know about the reply.
    pub warning: Option<String>,
    /// Model calls made.
    pub turns: u32,
    /// Tool uses asked for.
    pub tool_calls: u32,
}

/// One invocation on its way.
#[derive(Debug)]
pub struct TurnLoop {
    /// The next request; its messages are the history, the message, and what followed.
    request: Request,
    limits: TurnLimits,
    expectation: Expectation,
    state: State,
    round: Round,
    /// Text of answers that paused in the middle of a turn.
    paused: String,
    turns: u32,
    tool_calls: u32,
    /// The bound that was reached, once tools may not be called any more.
    reached: Option<String>,
    /// A reply was sent back once already.
    repaired: bool,
    /// Calls that failed the last time, by name and arguments, with the number of turns in a row in which they did.
    failing: HashMap<(Arc<str>, String), u32>,
}

#[derive(Debug)]
enum State {
    /// The model is being called.
    Calling,
    /// Tools are running.
    Running { blocks: Arc<[Block]>, runs: ToolRuns },
    /// The driver is decoding the reply.
    Finished { blocks: Arc<[Block]>, text: String },
    /// It is over; late events mean nothing.
    Over,
}

impl Default for TurnLimits {
    fn default() -> TurnLimits {
        TurnLimits { max_turns: 20, max_tool_calls: 100, parallel_tools: 8 }
    }
}

impl TurnLoop {
    /// An invocation that answers `message`. The request carries everything but it: instructions,
    /// tools, and the history as its messages.
    pub fn new(mut request: Request, message: Arc<[Block]>, limits: TurnLimits, expectation: Expectation) -> TurnLoop {
        request.messages.push(Message::user(Arc::clone(&message)));
        TurnLoop {
            request,
            limits,
            expectation,
            state: State::Calling,
            round: Round::new(message),
            paused: String::new(),
            turns: 0,
            tool_calls: 0,
            reached: None,
            repaired: false,
            failing: HashMap::new(),
        }
    }

    /// The first action.
    pub fn start(&mut self) -> Action {
        self.call_model()
    }

    /// The action that follows from an event.
    pub fn on(&mut self, event: Event) -> Action {
        match (std::mem::replace(&mut self.state, State::Over), event) {
            (State::Calling, Event::Answered { response, lowered }) => self.answered(response, lowered),
            (State::Calling, Event::Failed(error)) => Action::Fail(error),
            (State::Running { blocks, mut runs }, Event::ToolDone { index, content, is_error, parts }) => {
                runs.done(index, content, is_error, parts);
                self.continue_tools(blocks, runs)
            }
            (State::Finished { blocks, text }, Event::Rejected { problem }) => self.rejected(blocks, text, problem),
            (state, _late) => {
                self.state = state;
                Action::Wait
            }
        }
    }

    /// Model calls made so far.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    fn call_model(&mut self) -> Action {
        if self.reached.is_none() && self.turns >= self.limits.max_turns {
            self.reached = Some(format!("max_turns {}", self.limits.max_turns));
        }
        if self.reached.is_some() {
            self.request.tool_choice = ToolChoice::None;
        }
        self.turns += 1;
        self.state = State::Calling;
        Action::CallModel(self.request.clone())
    }

    fn answered(&mut self, response: Response, lowered: Option<u32>) -> Action {
        let text = format!("{}{}", self.paused, response.text());
        let wants_tools = response.tool_uses().next().is_some();
        match response.stop_reason {
            StopReason::Refusal { category, explanation } => refused(category, explanation),
            StopReason::MaxTokens | StopReason::ContextFull => {
                self.cut(text, response.blocks.into(), response.stop_reason, response.model, wants_tools, lowered)
            }
            _ if wants_tools => match &self.reached {
                Some(limit) => turn_limit(limit, text),
                None => self.run_tools(response.blocks.into()),
            },
            StopReason::PauseTurn => match &self.reached {
                Some(limit) => turn_limit(limit, text),
                None => {
                    self.paused = text;
                    self.append(response.blocks.into(), [].into());
                    self.call_model()
                }
            },
            stop_reason => self.finish(text, response.blocks.into(), stop_reason, response.model, None),
        }
    }

    /// An answer that ended at a bound. A tool use in it may be incomplete, so none is run.
    fn cut(
        &mut self,
        text: String,
        blocks: Arc<[Block]>,
        stop_reason: StopReason,
        model: String,
        wants_tools: bool,
        lowered: Option<u32>,
    ) -> Action {
        let bound = match (stop_reason.clone(), lowered) {
            (StopReason::ContextFull, _) => "the end of the model's context; see `history last N`".to_owned(),
            (_, Some(tokens)) => format!("{tokens} tokens, to which the budget had lowered `max_tokens`"),
            (_, None) => format!("`max_tokens {}`; a larger value lets it finish", self.request.max_tokens),
        };
        if self.expectation == Expectation::Typed {
            let problem = format!("it was cut at {bound}");
            let message = format!("the answer is incomplete: {problem}");
            return fail(ErrorKind::OutputInvalid { text, problem }, message);
        }
        if wants_tools || lowered.is_some() || stop_reason == StopReason::ContextFull {
            let place = if wants_tools { " in the middle of a tool call" } else { "" };
            let message = format!("the answer was cut{place} at {bound}");
            return fail(ErrorKind::Truncated { text }, message);
        }
        let warning = format!("the reply was cut at {bound}");
        self.finish(text, blocks, stop_reason, model, Some(warning))
    }

    fn finish(
        &mut self,
        text: String,
        blocks: Arc<[Block]>,
        stop_reason: StopReason,
        model: String,
        warning: Option<String>,
    ) -> Action {
        let mut round = self.round.clone();
        round.turns.push(Turn { blocks: Arc::clone(&blocks), results: [].into() });
        self.state = State::Finished { blocks: Arc::clone(&blocks), text: text.clone() };
        let (turns, tool_calls) = (self.turns, self.tool_calls);
        Action::Finish(Reply { text, blocks, stop_reason, model, round, warning, turns, tool_calls })
    }

    /// Sends a reply that does not fit back, once. Neither it nor the complaint is part of the round.
    fn rejected(&mut self, blocks: Arc<[Block]>, text: String, problem: String) -> Action {
        if std::mem::replace(&mut self.repaired, true) {
            let message = format!("the answer does not have the wanted form: {problem}");
            return fail(ErrorKind::OutputInvalid { text, problem }, message);
        }
        let complaint = format!("This answer does not fit: {problem}\nAnswer again, with the corrected JSON only.");
        if !blocks.is_empty() {
            self.request.messages.push(Message::assistant(blocks));
        }
        self.request.messages.push(Message::user([Block::text(complaint)]));
        self.paused.clear();
        self.call_model()
    }

    fn run_tools(&mut self, blocks: Arc<[Block]>) -> Action {
        let remaining = self.limits.max_tool_calls.saturating_sub(self.tool_calls);
        let runs = ToolRuns::new(&blocks, &self.request.tools, remaining, self.limits.max_tool_calls);
        self.tool_calls = self.tool_calls.saturating_add(runs.count());
        if self.tool_calls >= self.limits.max_tool_calls {
            self.reached = Some(format!("max_tool_calls {}", self.limits.max_tool_calls));
        }
        self.continue_tools(blocks, runs)
    }

    /// Starts what may run now; calls the model once all results are there.
    fn continue_tools(&mut self, blocks: Arc<[Block]>, mut runs: ToolRuns) -> Action {
        let starting = runs.start(self.limits.parallel_tools.max(1));
        match runs.take_results() {
            Some(results) => {
                self.paused.clear();
                let results = self.notice_repetitions(&blocks, results);
                self.append(blocks, results.into_iter().map(Block::ToolResult).collect());
                self.call_model()
            }
            None => {
                self.state = State::Running { blocks, runs };
                if starting.is_empty() { Action::Wait } else { Action::RunTools(starting) }
            }
        }
    }

    /// Tells the model when the very same call fails again and again, and takes the tools away when that does not help.
    fn notice_repetitions(&mut self, blocks: &[Block], mut results: Vec<ToolResult>) -> Vec<ToolResult> {
        let calls = blocks.iter().filter_map(Block::as_tool_use).map(|call| (Arc::clone(&call.name), call.input.to_string()));
        let calls: Vec<(Arc<str>, String)> = calls.collect();
        // Several identical calls of one turn count once, and as a failure only if none of them worked.
        let mut worked: HashMap<&(Arc<str>, String), bool> = HashMap::new();
        for (call, result) in calls.iter().zip(&results) {
            *worked.entry(call).or_default() |= !result.is_error;
        }
        for (call, worked) in worked {
            if worked {
                self.failing.remove(call);
            } else {
                *self.failing.entry(call.clone()).or_default() += 1;
            }
        }
        for (call, result) in calls.iter().zip(&mut results) {
            let times = self.failing.get(call).copied().unwrap_or(0);
            if times >= 2 && result.is_error {
                let advice = if times < REPEATED_FAILURES_MAX {
                    "Change the arguments, or go on without it."
                } else {
                    "Go on without tools."
                };
                result.content = format!("{}\nThis very call has now failed {times} times. {advice}", result.content).into();
            }
            if times >= REPEATED_FAILURES_MAX && self.reached.is_none() {
                self.reached = Some(format!("{REPEATED_FAILURES_MAX} failures of the same call"));
            }
        }
        results
    }

    /// Makes a turn part of the round and of the next request.
    fn append(&mut self, blocks: Arc<[Block]>, results: Arc<[Block]>) {
        let turn = Turn { blocks, results };
        turn.append_to(&mut self.request.messages);
        self.round.turns.push(turn);
    }
}

fn fail(kind: ErrorKind, message: String) -> Action {
    Action::Fail(Box::new(CallError::new(kind, message)))
}

fn refused(category: Option<String>, explanation: Option<String>) -> Action {
    let category = category.map(|word| format!(" ({word})")).unwrap_or_default();
    let explanation = explanation.map(|text| format!(": {text}")).unwrap_or_default();
    fail(ErrorKind::Refused, format!("the provider's policy stopped the answer{category}{explanation}"))
}

fn turn_limit(limit: &str, partial: String) -> Action {
    let message = format!("the model kept calling tools beyond `{limit}`");
    let kind = ErrorKind::TurnLimit { limit: limit.to_owned(), partial: partial.clone() };
    let mut error = CallError::new(kind, message);
    error.partial = Some(partial);
    Action::Fail(Box::new(error))
}

#[cfg(test)]
mod tests;
