//! The supervised processes of a program, as a drawing of their tree.
//!
//! Invariant: drawing asks nobody and stops nothing. Each line is what was true when it was drawn; processes may begin and end meanwhile.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError};

use vega_bytecode::module::Strategy;

use super::child::Child;
use super::family::{Family, FamilyKind};
use crate::process::Pid;
use crate::process::state::Phase;
use crate::process::turn::Turn;

/// The drawing, one line for each process that supervises or is supervised.
pub(crate) fn draw(turn: &Turn<'_>) -> String {
    let mut families: Vec<(u64, Arc<Family>)> = {
        let families = turn.world.families.lock().unwrap_or_else(PoisonError::into_inner);
        families.iter().filter_map(|(&owner, family)| Some((owner, family.upgrade()?))).collect()
    };
    // The first process leads, then the others in the order of their ids.
    families.sort_by_key(|(owner, family)| (!is_main(family), *owner));
    let mut drawing = Drawing { turn, text: "root\n".to_string(), drawn: HashSet::new() };
    // Those within the tree are drawn where they belong, so they are not at its root.
    let inner: HashSet<u64> = families.iter().flat_map(|(_, family)| processes(family)).map(Pid::to_bits).collect();
    let roots: Vec<&(u64, Arc<Family>)> = families.iter().filter(|(owner, _)| !inner.contains(owner)).collect();
    for (index, (owner, family)) in roots.iter().enumerate() {
        let name = if is_main(family) { "main" } else { "process" };
        let is_last = index + 1 == roots.len();
        drawing.line("", is_last, &format!("{name} {}", Pid::from_bits(*owner)));
        drawing.family("", is_last, family);
    }
    drawing.text
}

/// The word of a strategy in a program.
fn word_of(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Restart => "restart",
        Strategy::Stop => "stop",
        Strategy::Escalate => "escalate",
        Strategy::RestartAll => "restart_all",
        Strategy::RestartRest => "restart_rest",
    }
}

fn is_main(family: &Family) -> bool {
    matches!(family.kind, FamilyKind::Spawned { is_main: true, .. })
}

/// The processes that live in the slots of a family, and below declared supervisors.
fn processes(family: &Family) -> Vec<Pid> {
    let mut found = Vec::new();
    for child in family.children() {
        found.extend(child.incarnation());
        if let Some(below) = child.family_below() {
            found.extend(processes(&below));
        }
    }
    found
}

struct Drawing<'t> {
    turn: &'t Turn<'t>,
    text: String,
    /// Owners whose family is drawn.
    drawn: HashSet<u64>,
}

impl Drawing<'_> {
    fn line(&mut self, before: &str, is_last: bool, text: &str) {
        let _ = writeln!(self.text, "{before}{} {text}", if is_last { "└─" } else { "├─" });
    }

    fn family(&mut self, before: &str, is_last: bool, family: &Family) {
        let before = format!("{before}{}", if is_last { "   " } else { "│  " });
        let children = family.children();
        for (index, child) in children.iter().enumerate() {
            let is_last = index + 1 == children.len();
            let text = self.describe(child);
            self.line(&before, is_last, &text);
            if let Some(below) = child.family_below() {
                self.family(&before, is_last, &below);
            } else if let Some(below) = self.family_of(child) {
                self.family(&before, is_last, &below);
            }
        }
    }

    /// What it is called, who lives there or why nobody does, and how it came to that.
    fn describe(&self, child: &Child) -> String {
        let mut text = match child.name() {
            Some(name) => format!("{name}: {}", child.label()),
            None => child.label().to_string(),
        };
        match (child.incarnation(), child.stopped()) {
            (Some(process), _) => {
                let phase = self.turn.world.table.slot_of(process).map_or(Phase::Dead, |slot| slot.phase());
                let _ = write!(text, " {process} {}", status(phase));
            }
            (None, Some(reason)) => {
                let _ = write!(text, " down ({reason})");
            }
            (None, None) => text.push_str(" between lives"),
        }
        match child.family_below() {
            Some(family) => {
                if let FamilyKind::Declared { supervision, .. } = &family.kind {
                    let _ = write!(text, ", {}", word_of(supervision.strategy));
                }
            }
            // A named child has the strategy of its supervisor.
            None if child.name().is_none() => {
                let _ = write!(text, ", {}", word_of(child.strategy()));
            }
            None => {}
        }
        match child.incarnations() {
            0 | 1 => {}
            2 => text.push_str(", restarted once"),
            lives => {
                let _ = write!(text, ", restarted {} times", lives - 1);
            }
        }
        text
    }

    /// The children that a child has spawned itself.
    fn family_of(&mut self, child: &Child) -> Option<Arc<Family>> {
        let owner = child.incarnation()?.to_bits();
        let families = self.turn.world.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.get(&owner)?.upgrade()?;
        // An incarnation's id is used once, so nothing is drawn twice; a slip would draw without end.
        self.drawn.insert(owner).then_some(family)
    }
}

/// How a process stands, in a word.
fn status(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "waiting",
        Phase::Runnable => "runnable",
        Phase::Running => "running",
        Phase::InNative => "in a native",
        Phase::Exiting | Phase::Dead => "ending",
    }
}
