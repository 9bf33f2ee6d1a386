//! The process that looks after a family: it restarts, stops in reverse order, gives up, and fails itself where it is to.
//!
//! Invariants: while children are being stopped, one after the other, no other trouble is looked at; it waits its turn. A crash counts
//! once, however many children it restarts. A supervisor that is told to end does so after its children.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vega_bytecode::module::Strategy;
use vega_scheduler::Instant;
use vega_trace::{Kind, Record, SpanId, TraceId};

use super::child::{Child, Verdict, backoff, intensity};
use super::family::{Family, FamilyKind, Order, members};
use crate::native::{Input, NativeContext, Notice, PortId, Resumable, Step};
use crate::process::ExitReason;
use crate::process::mail::Mail;
use crate::process::signal::Signal;
use crate::process::state::SIGNAL;
use crate::value::Value;

/// See the module's text.
pub(super) struct Supervisor {
    family: Arc<Family>,
    /// Children that are started again later.
    restarts: Agenda,
    /// Children that are killed if they still live then.
    kills: Agenda,
    /// Children that stop, and what comes then.
    stopping: Option<Stopping>,
    /// Trouble that came meanwhile.
    waiting: VecDeque<Order>,
    /// Moments of the crashes within the window, under one window for all.
    crashes: VecDeque<Instant>,
}

/// Children and moments, the next first; those of one moment in the order of their spawns. Each child is in it once.
#[derive(Default)]
struct Agenda {
    order: BTreeMap<(Instant, u64), Child>,
    moments: HashMap<u64, Instant>,
}

impl Agenda {
    fn add(&mut self, moment: Instant, child: Child) {
        let number = child.number();
        if let Some(before) = self.moments.insert(number, moment) {
            self.order.remove(&(before, number));
        }
        self.order.insert((moment, number), child);
    }

    fn contains(&self, child: &Child) -> bool {
        self.moments.contains_key(&child.number())
    }

    /// The next one, if its moment has come.
    fn pop_due(&mut self, now: Instant) -> Option<Child> {
        let first = self.order.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let child = first.remove();
        self.moments.remove(&child.number());
        Some(child)
    }

    fn next(&self) -> Option<Instant> {
        self.order.keys().next().map(|(moment, _)| *moment)
    }

    fn forget(&mut self, child: &Child) {
        if let Some(moment) = self.moments.remove(&child.number()) {
            self.order.remove(&(moment, child.number()));
        }
    }
}

/// Children that stop one after the other.
struct Stopping {
    /// Those still to stop; the last is next.
    left: Vec<Child>,
    /// The one that was asked, and when it is killed.
    current: Option<(Child, Instant)>,
    then: Then,
}

/// What follows when all have stopped.
enum Then {
    /// They begin again, in this order, at the moment.
    Start(Vec<Child>, Instant),
    /// The spawner is ended with this reason.
    Escalate(ExitReason),
    /// The supervisor itself ends.
    End(ExitReason),
    /// Nothing: the spawner has ended before.
    Nothing,
}

impl Supervisor {
    pub(super) fn new(family: Arc<Family>) -> Self {
        Self {
            family,
            restarts: Agenda::default(),
            kills: Agenda::default(),
            stopping: None,
            waiting: VecDeque::new(),
            crashes: VecDeque::new(),
        }
    }

    fn take(&mut self, order: Order, context: &NativeContext<'_>) {
        match order {
            // A sibling's crash takes it along already, and has been counted.
            Order::Crashed(child, _) if self.restarts.contains(&child) => {}
            Order::Crashed(child, reason) => {
                let verdict = match &self.family.kind {
                    FamilyKind::Spawned { .. } => child.judge(&reason, &context.turn()),
                    FamilyKind::Declared { .. } => self.judge(&child, &reason, context),
                };
                self.act(&child, verdict);
            }
            Order::Shutdown => self.stop(self.family.children(), Then::Nothing),
            Order::KillAt(child, moment) => self.kills.add(moment, child),
            Order::Restart(children) => self.stop(children.clone(), Then::Start(children, context.now())),
            Order::Escalate(reason) => self.stop(self.family.children(), Then::Escalate(reason)),
        }
    }

    /// What the one strategy of a declared supervisor says about a crash.
    fn judge(&mut self, child: &Child, reason: &ExitReason, context: &NativeContext<'_>) -> Verdict {
        let FamilyKind::Declared { supervision, .. } = &self.family.kind else { return Verdict::Over };
        if !child.is_between(&context.turn()) {
            return Verdict::Over;
        }
        let crashes = intensity(&mut self.crashes, supervision);
        match supervision.strategy {
            Strategy::Stop => {
                child.give_up(reason.clone(), &context.turn());
                Verdict::Over
            }
            Strategy::Escalate => Verdict::Escalate(reason.clone()),
            _ if crashes > supervision.max_restarts as usize => {
                Verdict::Escalate(super::child::too_often(crashes, supervision, reason))
            }
            Strategy::Restart => Verdict::RestartAt(vega_scheduler::now() + backoff(supervision, crashes)),
            Strategy::RestartAll | Strategy::RestartRest => {
                Verdict::Rebuild(supervision.strategy, vega_scheduler::now() + backoff(supervision, crashes))
            }
        }
    }

    fn act(&mut self, child: &Child, verdict: Verdict) {
        match verdict {
            Verdict::Over => {}
            Verdict::RestartAt(moment) => self.restarts.add(moment, child.clone()),
            Verdict::Rebuild(strategy, moment) => {
                let members = members(&self.family, child, strategy);
                self.stop(members.clone(), Then::Start(members, moment));
            }
            Verdict::Escalate(reason) => {
                let then = match self.family.kind {
                    FamilyKind::Spawned { .. } => {
                        self.family.set_escalation(Some(reason.clone()));
                        Then::Escalate(reason)
                    }
                    FamilyKind::Declared { .. } => Then::End(reason),
                };
                self.stop(self.family.children(), then);
            }
        }
    }

    /// Children stop, the last first. What was to be started again is not.
    fn stop(&mut self, children: Vec<Child>, then: Then) {
        children.iter().for_each(|child| self.restarts.forget(child));
        let current = self.stopping.take().and_then(|stopping| stopping.current);
        self.stopping = Some(Stopping { left: children, current, then });
    }

    /// Goes on stopping. Gives the reason with which the supervisor itself ends, once it does.
    fn go_on(&mut self, context: &NativeContext<'_>) -> Option<ExitReason> {
        let turn = context.turn();
        let Some(stopping) = &mut self.stopping else { return None };
        let for_good = matches!(stopping.then, Then::Nothing | Then::Escalate(_));
        loop {
            if let Some((child, moment)) = &stopping.current {
                match child.incarnation() {
                    Some(process) if *moment <= context.now() => context.kill(process),
                    _ => {}
                }
                if child.incarnation().is_some() {
                    return None;
                }
            }
            let Some(next) = stopping.left.pop() else { break };
            match for_good {
                true => next.stop_with(&turn),
                false => drop(next.pause(&turn)),
            }
            let moment = match next.is_supervisor() {
                true => Instant::NEVER,
                false => context.now() + Duration::from_millis(context.limits().shutdown_ms),
            };
            stopping.current = Some((next, moment));
        }
        match self.stopping.take().map(|stopping| stopping.then) {
            Some(Then::Start(children, moment)) => {
                children.into_iter().for_each(|child| self.restarts.add(moment, child));
                None
            }
            Some(Then::Escalate(reason)) => {
                if let FamilyKind::Spawned { owner, .. } = self.family.kind {
                    let signal = Signal::Exit { from: context.self_pid(), reason, linked: false };
                    turn.world.deliver(owner, Mail::Signal(signal), SIGNAL, turn.worker);
                }
                self.family.set_escalation(None);
                None
            }
            Some(Then::End(reason)) => Some(reason),
            Some(Then::Nothing) | None => None,
        }
    }

    /// Does what is due. Returns when the next thing is.
    fn do_due(&mut self, context: &NativeContext<'_>) -> Option<Instant> {
        let now = context.now();
        let turn = context.turn();
        while let Some(child) = self.restarts.pop_due(now) {
            match child.start(&turn) {
                Ok(()) => record_restart(&child, context),
                // Not even the runtime can begin a process any more.
                Err(error) => child.give_up(ExitReason::Crash(error.message().as_str().into()), &turn),
            }
        }
        while let Some(child) = self.kills.pop_due(now) {
            if let Some(process) = child.incarnation() {
                context.kill(process);
            }
        }
        let asked = self.stopping.iter().filter_map(|stopping| stopping.current.as_ref());
        // A child that was killed may take its time; it is not killed again and again.
        let asked = asked.map(|(_, moment)| *moment).filter(|moment| *moment > now && *moment != Instant::NEVER);
        self.restarts.next().into_iter().chain(self.kills.next()).chain(asked).min()
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
        match input {
            Input::Message(payload) => {
                if let Ok(order) = payload.downcast::<Order>() {
                    match *order {
                        Order::Shutdown => self.take(Order::Shutdown, context),
                        order => self.waiting.push_back(order),
                    }
                }
            }
            // Somebody ends the supervisor: whoever it belongs to, or anybody else.
            // A normal end harms nobody.
            Input::Notice(Notice::Exit { reason, .. }) if self.family.is_declared() && reason != ExitReason::Normal => {
                self.stop(self.family.children(), Then::End(reason));
            }
            _ => {}
        }
        if let Err(error) = self.family.begin_children(&context.turn()) {
            context.end_with(ExitReason::Crash(error.message().as_str().into()));
            return Step::Yield;
        }
        loop {
            if let Some(reason) = self.go_on(context) {
                context.end_with(reason);
                return Step::Yield;
            }
            if self.stopping.is_some() {
                break;
            }
            let Some(order) = self.waiting.pop_front() else { break };
            self.take(order, context);
        }
        let next = self.do_due(context);
        if self.family.is_over() {
            self.family.ended(&context.turn());
            return Step::Return(Value::NULL);
        }
        Step::Receive { port: PortId::ROOT, deadline: next }
    }

    fn name(&self) -> &str {
        "supervisor"
    }
}
