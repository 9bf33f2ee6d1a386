//! The children that one supervisor looks after: those of a spawner, or those that a declared supervisor names.
//!
//! Invariants: a spawner's family without trouble has no supervisor process; it begins at the first crash, or when the spawner ends and
//! children are left. A declared supervisor is a process from the start and lives in a slot of its own, so it may be restarted, and its
//! children's slots outlive it. Nobody ever waits for the spawner's code.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vega_bytecode::module::Strategy;
use vega_scheduler::{Instant, Priority};
use vega_trace::{SpanId, TraceId};

use super::Ending;
use super::child::{Child, Orphan};
use super::watch::Supervisor;
use crate::error::Error;
use crate::native::{PortId, SupervisionValues};
use crate::process::block::{Birth, Endowment, Extension};
use crate::process::few::Few;
use crate::process::mail::Mail;
use crate::process::signal::Signal;
use crate::process::state::{MAIL, SIGNAL};
use crate::process::turn::Turn;
use crate::process::{ExitReason, Pid, ProcessPath};
use crate::value::heap::Account;
use crate::vm::Machine;

/// See the module's text.
pub(crate) struct Family {
    pub(super) kind: FamilyKind,
    /// Where the owner stands, and so its supervisor.
    path: ProcessPath,
    /// The span around the owner when the family began.
    span: Option<(TraceId, SpanId)>,
    state: Mutex<State>,
}

/// Whose children they are.
pub(super) enum FamilyKind {
    /// Those of a process.
    Spawned {
        owner: Pid,
        /// Whether the owner is the program's first process.
        is_main: bool,
    },
    /// Those of a declared supervisor, with one strategy and one window for all.
    Declared { name: String, supervision: SupervisionValues },
}

#[derive(Default)]
struct State {
    /// By their numbers, and so in the order of their spawns. A spawner's family forgets those that stay down; a declared one keeps
    /// them.
    children: BTreeMap<u64, Child>,
    supervisor: Option<Pid>,
    owner_ended: bool,
    /// The children are to begin, in order, once those of the last supervisor are gone.
    begins_later: bool,
    /// Why the owner is to end, once its children have stopped.
    escalation: Option<ExitReason>,
}

/// What a supervisor is told.
pub(super) enum Order {
    /// A child crashed.
    Crashed(Child, ExitReason),
    /// The spawner ended: all children stop.
    Shutdown,
    /// A child was asked to stop, and must be gone at that moment.
    KillAt(Child, Instant),
    /// Children that were asked to end begin again, in this order, once all have.
    Restart(Vec<Child>),
    /// The spawner is to end with this reason, after its children.
    Escalate(ExitReason),
}

impl Family {
    /// The family of the running process.
    pub(crate) fn of(turn: &Turn<'_>) -> Arc<Family> {
        let owner = turn.pid();
        let path = turn.life().path.clone();
        let extension = turn.life().extend();
        if let Some(family) = &extension.family {
            return Arc::clone(family);
        }
        let is_main = matches!(extension.ending, Some(Ending::Main));
        let kind = FamilyKind::Spawned { owner, is_main };
        let family = Arc::new(Family { kind, path, span: extension.span(), state: Mutex::default() });
        extension.family = Some(Arc::clone(&family));
        turn.world.families.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.to_bits(), Arc::downgrade(&family));
        family
    }

    /// The family of a declared supervisor that the running process spawns.
    pub(super) fn declared(name: String, supervision: SupervisionValues, turn: &Turn<'_>) -> Arc<Family> {
        let (path, span) = (turn.life().path.clone(), turn.life().extension().and_then(|extension| extension.span()));
        Arc::new(Family { kind: FamilyKind::Declared { name, supervision }, path, span, state: Mutex::default() })
    }

    pub(crate) fn add(&self, child: Child) {
        let mut state = self.lock();
        // It may have ended for good already, on another worker.
        if child.stopped().is_none() {
            state.children.insert(child.number(), child);
        }
    }

    /// The children, in the order of their spawns.
    pub(super) fn children(&self) -> Vec<Child> {
        self.lock().children.values().cloned().collect()
    }

    /// The process that begins a child's next incarnation; none where that is the spawner.
    pub(super) fn supervisor(&self) -> Option<Pid> {
        self.lock().supervisor
    }

    pub(super) fn is_declared(&self) -> bool {
        matches!(self.kind, FamilyKind::Declared { .. })
    }

    /// Whether nothing is left to look after.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.owner_ended && state.children.is_empty()
    }

    /// A child stays down.
    pub(crate) fn remove(&self, child: &Child, turn: &Turn<'_>) {
        if !self.is_declared() {
            self.lock().children.remove(&child.number());
        }
        if self.supervisor().is_none() && self.is_over() {
            self.ended(turn);
        }
        self.nudge(turn);
    }

    /// Lets the supervisor look again, if there is one.
    pub(super) fn nudge(&self, turn: &Turn<'_>) {
        if let Some(supervisor) = self.supervisor() {
            turn.world.deliver(supervisor, Mail::Port(PortId::ROOT, None, Box::new(())), MAIL, turn.worker);
        }
    }

    pub(crate) fn child_crashed(self: Arc<Self>, child: Child, reason: ExitReason, turn: &Turn<'_>) {
        self.order(Order::Crashed(child, reason), turn);
    }

    /// Sees to it that a child which was asked to stop does.
    pub(crate) fn kill_later(self: Arc<Self>, child: Child, turn: &Turn<'_>) {
        if child.stopped().is_none() && !child.is_supervisor() {
            let moment = vega_scheduler::now() + Duration::from_millis(turn.world.limits.shutdown_ms);
            self.order(Order::KillAt(child, moment), turn);
        }
    }

    /// The spawner has ended: so do its children.
    pub(crate) fn owner_ended(self: Arc<Self>, turn: &Turn<'_>) {
        if let FamilyKind::Spawned { owner, .. } = self.kind {
            turn.world.families.lock().unwrap_or_else(PoisonError::into_inner).remove(&owner.to_bits());
        }
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

    /// An escalation begins, or is over.
    pub(super) fn set_escalation(&self, reason: Option<ExitReason>) {
        self.lock().escalation = reason;
    }

    /// The process that looked after a spawner's children has ended, before its time where somebody killed it: then another one takes
    /// over whatever it had under way.
    pub(crate) fn supervisor_ended(self: Arc<Self>, supervisor: Pid, turn: &Turn<'_>) {
        let (owner_ended, escalation) = {
            let mut state = self.lock();
            if state.supervisor == Some(supervisor) {
                state.supervisor = None;
            }
            (state.owner_ended, state.escalation.clone())
        };
        if owner_ended {
            return match self.is_over() {
                true => self.ended(turn),
                false => self.order(Order::Shutdown, turn),
            };
        }
        if let Some(reason) = escalation {
            return Arc::clone(&self).order(Order::Escalate(reason), turn);
        }
        let mut pausing = Vec::new();
        for child in self.children() {
            match child.orphaned() {
                Orphan::Between => Arc::clone(&self).child_crashed(child, ExitReason::Killed, turn),
                Orphan::Stopping => Arc::clone(&self).kill_later(child, turn),
                Orphan::Pausing => pausing.push(child),
                Orphan::Settled => {}
            }
        }
        if !pausing.is_empty() {
            self.order(Order::Restart(pausing), turn);
        }
    }

    /// No child is left, and none will come.
    pub(super) fn ended(&self, turn: &Turn<'_>) {
        if let FamilyKind::Spawned { is_main: true, .. } = self.kind {
            turn.world.main_family_ended();
        }
    }

    /// A declared supervisor lives in this process: its children begin, in order. Where one cannot, those before it end again.
    pub(super) fn begin(&self, supervisor: Pid, turn: &Turn<'_>) -> Result<(), Error> {
        {
            let mut state = self.lock();
            state.supervisor = Some(supervisor);
            state.begins_later = true;
        }
        self.begin_children(turn)
    }

    /// Begins the children that are to, unless one of the last supervisor's still lives; its end will bring the supervisor here again.
    pub(super) fn begin_children(&self, turn: &Turn<'_>) -> Result<(), Error> {
        if !self.lock().begins_later {
            return Ok(());
        }
        // Not under the lock: a child that begins holds its own, and asks for this one.
        let children = self.children();
        let is_somebody_left = children.iter().any(|child| child.incarnation().is_some());
        // Whoever takes the word begins them.
        if is_somebody_left || !std::mem::take(&mut self.lock().begins_later) {
            return Ok(());
        }
        for child in &children {
            if let Err(error) = child.start(turn) {
                self.abandon(turn);
                return Err(error);
            }
        }
        Ok(())
    }

    /// A declared supervisor ended without having stopped its children: they end with it, and may begin again with it.
    pub(super) fn abandon(&self, turn: &Turn<'_>) {
        let children = {
            let mut state = self.lock();
            state.supervisor = None;
            state.begins_later = false;
            state.children.values().cloned().collect::<Vec<_>>()
        };
        for child in children.iter().rev() {
            if let Some(process) = child.pause(turn) {
                turn.world.kill(process, turn.worker);
            }
        }
    }

    /// A declared supervisor stays down, and so do its children.
    pub(super) fn dissolve(&self, turn: &Turn<'_>) {
        for child in self.children().iter().rev() {
            child.stop_with(turn);
        }
    }

    /// Gives the supervisor something to do, and begins it where there is none yet.
    fn order(self: Arc<Self>, order: Order, turn: &Turn<'_>) {
        let mut state = self.lock();
        let supervisor = match (state.supervisor.filter(|&supervisor| turn.world.is_alive(supervisor)), &self.kind) {
            (Some(supervisor), _) => supervisor,
            // Whoever begins it again begins the children too.
            (None, FamilyKind::Declared { .. }) => return,
            (None, FamilyKind::Spawned { owner, .. }) => {
                let birth = Birth {
                    machine: Machine::native(Box::new(Supervisor::new(Arc::clone(&self)))),
                    path: self.path.clone(),
                    rest: Endowment {
                        account: Account::UNLIMITED,
                        capabilities: None,
                        scope: None,
                        parent: *owner,
                        priority: Priority::High,
                        watchers: Few::None,
                        extension: Some(Box::new(Extension {
                            native_born: true,
                            span: self.span,
                            traps_exits: true,
                            label: Some("supervisor".to_string()),
                            ending: Some(Ending::Supervisor(Arc::downgrade(&self))),
                            ..Extension::default()
                        })),
                    },
                };
                match turn.world.begin_again(birth, turn.worker) {
                    Ok(supervisor) => *state.supervisor.insert(supervisor),
                    Err(error) => {
                        drop(state);
                        return self.refuse(order, &error, turn);
                    }
                }
            }
        };
        drop(state);
        turn.world.deliver(supervisor, Mail::Port(PortId::ROOT, None, Box::new(order)), MAIL, turn.worker);
    }

    /// Not even the runtime can begin a process any more: children stay down, and whoever spawned one that crashed is told.
    #[cold]
    fn refuse(&self, order: Order, error: &Error, turn: &Turn<'_>) {
        match order {
            Order::Crashed(child, _) => child.give_up(ExitReason::Crash(error.message().as_str().into()), turn),
            Order::KillAt(child, _) => child.kill(turn),
            Order::Shutdown | Order::Restart(_) | Order::Escalate(_) => {
                for child in self.children().iter().rev() {
                    child.stop_with(turn);
                    child.kill(turn);
                }
                if let (Order::Escalate(reason), FamilyKind::Spawned { owner, .. }) = (order, &self.kind) {
                    let signal = Signal::Exit { from: *owner, reason, linked: false };
                    turn.world.deliver(*owner, Mail::Signal(signal), SIGNAL, turn.worker);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The children that a crash takes along under a strategy, in the order of their spawns.
pub(super) fn members(family: &Family, crashed: &Child, strategy: Strategy) -> Vec<Child> {
    let children = family.children();
    let from = match strategy {
        Strategy::RestartAll => 0,
        _ => children.iter().position(|child| child.is(crashed)).unwrap_or(0),
    };
    let is_declared = family.is_declared();
    let belongs = |child: &Child| child.stopped().is_none() && (is_declared || child.strategy() == strategy);
    children.into_iter().skip(from).filter(belongs).collect()
}
