//! The supervised children of one spawner, and the process that looks after them.
//!
//! Invariants: a family without trouble has no supervisor process. The supervisor restarts, and stops children in reverse order when
//! the spawner has ended; it never waits for the spawner's code. It ends when the spawner has ended and no child is left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use vega_scheduler::{Instant, Priority};
use vega_trace::{Kind, Record, SpanId, TraceId};

use super::Ending;
use super::child::{Child, Verdict};
use crate::native::{Input, NativeContext, PortId, Resumable, Step};
use crate::process::block::{Birth, Extension};
use crate::process::mail::Mail;
use crate::process::state::MAIL;
use crate::process::turn::Turn;
use crate::process::{ExitReason, Pid, ProcessPath};
use crate::value::Value;
use crate::value::heap::Account;
use crate::vm::Machine;

/// The children of one spawner.
pub(crate) struct Family {
    owner: Pid,
    /// Whether the owner is the program's first process.
    is_main: bool,
    /// Where the owner stands, and so its supervisor.
    path: ProcessPath,
    /// The span around the owner when the family began.
    span: Option<(TraceId, SpanId)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Alive or to be restarted, in the order of their spawns.
    children: Vec<Child>,
    supervisor: Option<Pid>,
    owner_ended: bool,
}

/// What a supervisor is told.
enum Order {
    /// A child crashed.
    Crashed(Child, ExitReason),
    /// The spawner ended: all children stop.
    Shutdown,
    /// A child was asked to stop, and must be gone at that moment.
    KillAt(Child, Instant),
}

impl Family {
    /// The family of the running process.
    pub(crate) fn of(turn: &Turn<'_>) -> Arc<Family> {
        let owner = turn.pid();
        let path = turn.life().path.clone();
        let extension = turn.life().extend();
        let is_main = matches!(extension.ending, Some(Ending::Main));
        let span = extension.span;
        let family = || Arc::new(Family { owner, is_main, path, span, state: Mutex::default() });
        Arc::clone(extension.family.get_or_insert_with(family))
    }

    pub(crate) fn add(&self, child: Child) {
        let mut state = self.lock();
        // It may have ended for good already, on another worker.
        if child.stopped().is_none() {
            state.children.push(child);
        }
    }

    /// A child stays down. A supervisor that waits for the last one is told.
    pub(crate) fn remove(&self, child: &Child, turn: &Turn<'_>) {
        let waiting = {
            let mut state = self.lock();
            state.children.retain(|other| !other.is(child));
            state.supervisor.filter(|_| state.owner_ended && state.children.is_empty())
        };
        if let Some(supervisor) = waiting {
            turn.world.deliver(supervisor, Mail::Port(PortId::ROOT, None, Box::new(())), MAIL, turn.worker);
        }
    }

    pub(crate) fn child_crashed(self: Arc<Self>, child: Child, reason: ExitReason, turn: &Turn<'_>) {
        self.order(Order::Crashed(child, reason), turn);
    }

    /// Sees to it that a child which was asked to stop does.
    pub(crate) fn kill_later(self: Arc<Self>, child: Child, turn: &Turn<'_>) {
        if child.stopped().is_none() {
            let moment = vega_scheduler::now() + Duration::from_millis(turn.world.limits.shutdown_ms);
            self.order(Order::KillAt(child, moment), turn);
        }
    }

    /// The spawner has ended: so do its children.
    pub(crate) fn owner_ended(self: Arc<Self>, turn: &Turn<'_>) {
        let needed = {
            let mut state = self.lock();
            state.owner_ended = true;
            !state.children.is_empty() || state.supervisor.is_some()
        };
        if needed {
            self.order(Order::Shutdown, turn);
        } else {
            self.ended(turn);
        }
    }

    /// No child is left, and none will come.
    fn ended(&self, turn: &Turn<'_>) {
        if self.is_main {
            turn.world.main_family_ended();
        }
    }

    /// Gives the supervisor something to do, and begins it where there is none yet.
    fn order(self: Arc<Self>, order: Order, turn: &Turn<'_>) {
        let mut state = self.lock();
        let supervisor = match state.supervisor.filter(|&supervisor| turn.world.is_alive(supervisor)) {
            Some(supervisor) => supervisor,
            None => {
                let machine =
                    Machine::native(Box::new(Supervisor { family: Arc::clone(&self), restarts: Vec::new(), kills: Vec::new() }));
                let birth = Birth {
                    machine,
                    account: Account::UNLIMITED,
                    capabilities: turn.world.grants.clone(),
                    scope: turn.world.scope.clone(),
                    path: self.path.clone(),
                    parent: self.owner,
                    priority: Priority::High,
                    extension: Some(Box::new(Extension {
                        native_born: true,
                        span: self.span,
                        traps_exits: true,
                        label: Some("supervisor".to_string()),
                        ..Extension::default()
                    })),
                };
                match turn.world.begin(birth, turn.worker) {
                    Ok(supervisor) => *state.supervisor.insert(supervisor),
                    // No process can be begun any more: the children that crashed stay down.
                    Err(_) => return,
                }
            }
        };
        drop(state);
        turn.world.deliver(supervisor, Mail::Port(PortId::ROOT, None, Box::new(order)), MAIL, turn.worker);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The process that looks after a family.
struct Supervisor {
    family: Arc<Family>,
    /// Children that are started again later.
    restarts: Vec<(Instant, Child)>,
    /// Children that are killed if they still live then.
    kills: Vec<(Instant, Child)>,
}

impl Supervisor {
    fn take(&mut self, order: Order, context: &NativeContext<'_>) {
        let turn = context.turn();
        match order {
            Order::Crashed(child, reason) => match child.judge(&reason, &turn) {
                Verdict::Over => {}
                Verdict::RestartAt(moment) => self.restarts.push((moment, child)),
            },
            Order::Shutdown => {
                let children: Vec<Child> = self.family.lock().children.iter().rev().cloned().collect();
                let moment = context.now() + Duration::from_millis(context.limits().shutdown_ms);
                for child in children {
                    child.stop_with(&turn);
                    self.kills.push((moment, child));
                }
            }
            Order::KillAt(child, moment) => self.kills.push((moment, child)),
        }
    }

    /// Does what is due. Returns when the next thing is.
    fn do_due(&mut self, context: &NativeContext<'_>) -> Option<Instant> {
        let now = context.now();
        let turn = context.turn();
        let due = |list: &mut Vec<(Instant, Child)>| -> Vec<Child> {
            list.extract_if(.., |(moment, _)| *moment <= now).map(|(_, child)| child).collect()
        };
        for child in due(&mut self.restarts) {
            match child.start(&turn) {
                Ok(()) => record_restart(&child, context),
                Err(error) => child.give_up(ExitReason::Crash(error.message().as_str().into()), &turn),
            }
        }
        self.kills.retain(|(_, child)| child.stopped().is_none());
        for child in due(&mut self.kills) {
            if let Some(process) = child.incarnation() {
                context.kill(process);
            }
        }
        self.restarts.iter().chain(&self.kills).map(|(moment, _)| *moment).min()
    }
}

/// A restart is part of the trace.
fn record_restart(child: &Child, context: &NativeContext<'_>) {
    let Some(sink) = context.trace().filter(|sink| sink.is_enabled()) else { return };
    let (trace, parent) = match context.span() {
        Some((trace, span)) => (trace, Some(span)),
        None => (TraceId::from_random(fastrand::u128(..)), None),
    };
    let mut record = Record::new(Kind::Restart, trace, SpanId::from_random(fastrand::u64(..)), SystemTime::now());
    record.parent_span = parent;
    record.name = child.label().to_string();
    record.coordinate = child.path().incarnation(child.incarnations()).text(context.module());
    sink.record(record);
}

impl Resumable for Supervisor {
    fn step(&mut self, context: &mut NativeContext<'_>, input: Input) -> Step {
        if let Input::Message(payload) = input
            && let Ok(order) = payload.downcast::<Order>()
        {
            self.take(*order, context);
        }
        let next = self.do_due(context);
        let finished = {
            let state = self.family.lock();
            state.owner_ended && state.children.is_empty()
        };
        if finished {
            self.family.ended(&context.turn());
            return Step::Return(Value::NULL);
        }
        Step::Receive { port: PortId::ROOT, deadline: next }
    }

    fn name(&self) -> &str {
        "supervisor"
    }
}
