//! How a process stands, as another one asks.
//!
//! Invariant: what belongs to the owner of a process is told by that process itself, at a safe point of its own, so an answer is what
//! was true at one moment. Asking ends nobody's sleep for longer than the answer takes.

use vega_bytecode::kinds;
use vega_bytecode::prelude::PROCESS_INFO;
use vega_scheduler::Priority;

use super::Pid;
use super::natives::{noproc, process, text};
use super::signal::{Question, Signal};
use super::state::{MAIL, Phase, SIGNAL};
use super::turn::Turn;
use crate::error::Error;
use crate::native::{Address, Input, NativeContext, NativeResult, Outcome, Port, Resumable, Step};
use crate::process::mail::Mail;
use crate::value::Value;
use crate::value::heap;

/// What only the process itself can say.
pub(crate) struct Facts {
    links: Vec<Pid>,
    traps_exits: bool,
    heap_bytes: usize,
    reductions: u64,
    messages: u64,
}

impl Turn<'_> {
    /// How this process stands.
    pub(crate) fn facts(&self) -> Facts {
        let life = self.life();
        let extension = life.extension();
        Facts {
            links: extension.map(|extension| extension.links.keys().copied().collect()).unwrap_or_default(),
            traps_exits: extension.is_some_and(|extension| extension.traps_exits),
            heap_bytes: life.account.used.unsigned_abs(),
            reductions: life.reductions,
            messages: self.process.mailbox.messages(&life.inbox),
        }
    }

    /// Answers whoever asked. Of one that does not live there are no facts, and its fields are not looked at.
    pub(crate) fn answer(&self, to: &Address, question: Question, lives: bool) {
        let answer: Box<dyn std::any::Any + Send> = match question {
            Question::IsAlive => Box::new(lives),
            Question::Facts => Box::new(lives.then(|| self.facts())),
        };
        self.world.deliver(to.process, Mail::Port(to.port, to.alive.clone(), answer), MAIL, self.worker);
    }
}

/// `process::info(p)`: null where no process lives.
pub(super) fn info(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let turn = context.turn();
    let Some(pid) = context.process_of(&arguments[0])? else { return Ok(Outcome::Value(Value::NULL)) };
    if pid == context.self_pid() {
        // A look at the account in force: what the process keeps of it is as old as its last slice.
        let account = heap::enter(heap::Account::UNLIMITED);
        heap::enter(account);
        let facts = Facts { heap_bytes: account.used.unsigned_abs(), ..turn.facts() };
        return Ok(Outcome::Value(info_value(pid, "running", facts, &turn)));
    }
    let Some(slot) = turn.world.table.slot_of(pid) else { return Ok(Outcome::Value(Value::NULL)) };
    let status = match slot.phase() {
        Phase::Dead | Phase::Exiting => return Ok(Outcome::Value(Value::NULL)),
        Phase::Idle => "waiting",
        Phase::Runnable => "runnable",
        Phase::Running => "running",
        Phase::InNative => "native",
    };
    Ok(Outcome::Resume(Box::new(Inquiry { process: pid, question: Question::Facts, status, port: None })))
}

/// `process::alive(p)`. As in Erlang, whatever the asking process sent before has reached the other one when the answer is made: a
/// process that was just killed or told to end is not alive.
pub(super) fn alive(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let Some(pid) = context.process_of(&arguments[0])? else { return Ok(Outcome::Value(Value::bool(false))) };
    if pid == context.self_pid() {
        return Ok(Outcome::Value(Value::bool(true)));
    }
    let Some(slot) = context.turn().world.table.slot_of(pid) else { return Ok(Outcome::Value(Value::bool(false))) };
    match slot.phase() {
        Phase::Dead | Phase::Exiting => Ok(Outcome::Value(Value::bool(false))),
        // Nothing is on its way to it.
        Phase::Idle => Ok(Outcome::Value(Value::bool(true))),
        Phase::Runnable | Phase::Running | Phase::InNative => {
            let question = Question::IsAlive;
            Ok(Outcome::Resume(Box::new(Inquiry { process: pid, question, status: "", port: None })))
        }
    }
}

/// Waits for what a process says of itself.
struct Inquiry {
    process: Pid,
    question: Question,
    /// How it stood when it was asked; when it answers, it runs.
    status: &'static str,
    port: Option<Port>,
}

impl Resumable for Inquiry {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        let turn = context.turn();
        if let Input::Message(payload) = input {
            return Step::Return(match payload.downcast::<bool>() {
                Ok(lives) => Value::bool(*lives),
                Err(payload) => match payload.downcast::<Option<Facts>>().ok().and_then(|facts| *facts) {
                    Some(facts) => info_value(self.process, self.status, facts, &turn),
                    None => Value::NULL,
                },
            });
        }
        let port = self.port.get_or_insert_with(|| context.open_port());
        let question = Signal::Describe { to: port.address(), question: self.question };
        if !turn.world.deliver(self.process, Mail::Signal(question), SIGNAL, turn.worker) {
            return Step::Return(match self.question {
                Question::IsAlive => Value::bool(false),
                Question::Facts => Value::NULL,
            });
        }
        Step::Receive { port: port.id(), deadline: None }
    }

    fn name(&self) -> &str {
        "info"
    }
}

fn info_value(pid: Pid, status: &str, facts: Facts, turn: &Turn<'_>) -> Value {
    let name = turn.world.names.of(pid).map_or(Value::NULL, Value::str);
    let priority = turn.world.table.slot_of(pid).map_or(Priority::Normal, |slot| slot.priority());
    let number = |number: u64| Value::int(i64::try_from(number).unwrap_or(i64::MAX));
    let fields = vec![
        name,
        Value::str(status),
        Value::str(word_of(priority)),
        number(facts.messages),
        Value::array(facts.links.into_iter().map(process).collect()),
        Value::bool(facts.traps_exits),
        number(facts.heap_bytes as u64),
        number(facts.reductions),
    ];
    Value::structure(PROCESS_INFO, fields)
}

/// `process::priority(p)`
pub(super) fn priority(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let pid = present(context, &arguments[0])?;
    let slot = context.turn().world.table.slot_of(pid).ok_or_else(noproc)?;
    Ok(Outcome::Value(Value::str(word_of(slot.priority()))))
}

/// `process::priority(p, word)`
pub(super) fn set_priority(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let priority = match text(&arguments[1])? {
        "high" => Priority::High,
        "normal" => Priority::Normal,
        "low" => Priority::Low,
        other => {
            let problem = format!("`{other}` is no priority: there are `high`, `normal` and `low`");
            return Err(Error::new(kinds::INVALID_ARGUMENT, problem));
        }
    };
    let pid = present(context, &arguments[0])?;
    context.turn().world.table.slot_of(pid).ok_or_else(noproc)?.set_priority(priority);
    super::natives::nothing()
}

fn present(context: &NativeContext<'_>, value: &Value) -> Result<Pid, Error> {
    context.process_of(value)?.filter(|&pid| context.is_alive(pid)).ok_or_else(noproc)
}

fn word_of(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    }
}
