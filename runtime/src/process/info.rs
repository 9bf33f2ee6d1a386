//! How a process stands, as another one asks.
//!
//! Invariant: what belongs to the owner of a process is told by that process itself, at a safe point of its own, so an answer is what
//! was true at one moment. Asking ends nobody's sleep for longer than the answer takes.

use vega_bytecode::kinds;
use vega_bytecode::prelude::PROCESS_INFO;
use vega_scheduler::Priority;

use super::Pid;
use super::natives::{process, text};
use super::signal::Signal;
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
            messages: self.process.mailbox.messages(),
        }
    }

    /// Answers whoever asked for something.
    pub(crate) fn tell<T: std::any::Any + Send>(&self, to: &Address, answer: T) {
        let mail = Mail::Port(to.port, to.alive.clone(), Box::new(answer));
        self.world.deliver(to.process, mail, MAIL, self.worker);
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
    let status = match slot.state.phase() {
        Phase::Dead | Phase::Exiting => return Ok(Outcome::Value(Value::NULL)),
        Phase::Idle => "waiting",
        Phase::Runnable => "runnable",
        Phase::Running => "running",
        Phase::InNative => "native",
    };
    Ok(Outcome::Resume(Box::new(Inquiry { process: pid, status, port: None })))
}

/// Waits for what a process says of itself.
struct Inquiry {
    process: Pid,
    /// How it stood when it was asked; when it answers, it runs.
    status: &'static str,
    port: Option<Port>,
}

impl Resumable for Inquiry {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        let turn = context.turn();
        if let Input::Message(payload) = input {
            return match payload.downcast::<Option<Facts>>().ok().and_then(|facts| *facts) {
                Some(facts) => Step::Return(info_value(self.process, self.status, facts, &turn)),
                None => Step::Return(Value::NULL),
            };
        }
        let port = self.port.get_or_insert_with(|| context.open_port());
        let question = Signal::Describe { to: port.address() };
        if !turn.world.deliver(self.process, Mail::Signal(question), SIGNAL, turn.worker) {
            return Step::Return(Value::NULL);
        }
        Step::Receive { port: port.id(), deadline: None }
    }

    fn name(&self) -> &str {
        "info"
    }
}

fn info_value(pid: Pid, status: &str, facts: Facts, turn: &Turn<'_>) -> Value {
    let name = turn.world.name_of(pid).map_or(Value::NULL, Value::str);
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
    let slot = context.turn().world.table.slot_of(pid).ok_or_else(no_process)?;
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
    context.turn().world.table.slot_of(pid).ok_or_else(no_process)?.set_priority(priority);
    super::natives::nothing()
}

fn present(context: &NativeContext<'_>, value: &Value) -> Result<Pid, Error> {
    context.process_of(value)?.filter(|&pid| context.is_alive(pid)).ok_or_else(no_process)
}

fn no_process() -> Error {
    Error::new(kinds::PROCESS_DOWN, "noproc")
}

fn word_of(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    }
}
