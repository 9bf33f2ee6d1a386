//! Signals: what one process does to another, in the same order as its messages.
//!
//! Invariant: a signal is handled by its receiver alone, at a safe point; no process touches the state of another.

use super::block::{Kin, Monitoring, Watched};
use super::mail::Mail;
use super::room::{Answer, Waiter};
use super::{ExitReason, Pid};
use crate::native::{Address, CallGuard, Notice};

/// What one process does to another.
#[derive(Debug)]
pub(crate) enum Signal {
    /// `from` linked itself with the receiver.
    Link { from: Pid },
    /// `from` takes its link back.
    Unlink { from: Pid },
    /// `from` wants to know when the receiver ends.
    Monitor { from: Pid, monitor: u64 },
    /// `from` does not want to know any more.
    Demonitor { monitor: u64 },
    /// `from` ended while linked, or says `exit(receiver, reason)`.
    Exit { from: Pid, reason: ExitReason, linked: bool },
    /// The receiver is killed.
    Kill,
    /// The child of that number, to whose slot the receiver is linked, stays down.
    ChildExit { child: u64, reason: ExitReason },
    /// What `from` sends next follows from the reply of a call: see [`super::block::Extension::in_hand`].
    Hand(CallGuard),
    /// Somebody wants to know how the receiver stands.
    Describe { to: Address, question: Question },
    /// Somebody found the receiver's mailbox full, and waits.
    WantsRoom(Waiter),
    /// `from` waits no more for room for a message that counts so much, or has no use for what it was given.
    WantsNoRoom { from: Pid, bytes: u32 },
    /// The answer to whoever wanted room.
    Room { ask: u64, answer: Answer },
    /// A monitored process ended.
    Down { monitor: u64, process: Pid, reason: ExitReason },
}

/// What somebody wants to know of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// Whether it lives once everything that was sent to it before has reached it: a `bool`.
    IsAlive,
    /// How it stands: `Option<Facts>`.
    Facts,
}

/// Handles one signal. What it leaves for the program to see comes back.
pub(crate) fn take_signal(kin: &mut Kin<'_>, signal: Signal, own: Pid) -> Option<Mail> {
    match signal {
        Signal::Monitor { from, monitor } => {
            kin.watchers.insert(monitor, from);
            return None;
        }
        Signal::Demonitor { monitor } => {
            kin.watchers.remove(&monitor);
            return None;
        }
        _ => {}
    }
    let extension = kin.extension.get_or_insert_default();
    match signal {
        Signal::Link { from } => {
            extension.links.insert(from, ());
            None
        }
        Signal::Unlink { from } => {
            extension.links.remove(&from);
            None
        }
        Signal::Exit { from, reason, linked } => {
            if linked && extension.links.remove(&from).is_none() {
                // Unlinked meanwhile: the end of the other is no news any more.
                return None;
            }
            if extension.traps_exits {
                return Some(Mail::Notice(Notice::Exit { process: from, child: None, reason }));
            }
            // A linked or foreign process's normal end harms nobody; one's own does.
            if reason != ExitReason::Normal || from == own {
                extension.doom.get_or_insert(reason);
            }
            None
        }
        Signal::Kill => {
            extension.doom.get_or_insert(ExitReason::Killed);
            None
        }
        Signal::ChildExit { child, reason } => {
            // Unlinked meanwhile: as above.
            let child = extension.slot_links.remove(&child)?;
            if extension.traps_exits {
                return Some(Mail::Notice(Notice::Exit { process: Pid::from_bits(0), child: Some(child), reason }));
            }
            if reason != ExitReason::Normal {
                extension.doom.get_or_insert(reason);
            }
            None
        }
        Signal::Hand(call) => {
            extension.in_hand = Some(call);
            None
        }
        Signal::WantsRoom(waiter) => {
            extension.waiters.get_or_insert_default().add(waiter);
            None
        }
        Signal::Room { ask, answer } => {
            if let Some(asking) = &mut extension.asking {
                asking.answered(ask, answer);
            }
            None
        }
        // Taken above; the last two are for whoever has the process's other fields too.
        Signal::Monitor { .. } | Signal::Demonitor { .. } | Signal::Describe { .. } | Signal::WantsNoRoom { .. } => None,
        Signal::Down { monitor, process, reason } => {
            let Monitoring { watched, port } = extension.monitors.remove(&monitor)?;
            if let Some(port) = port {
                return Some(Mail::Port(port, None, Box::new(reason)));
            }
            let child = match watched {
                Watched::Child(child) => Some(child),
                Watched::Process(_) => None,
            };
            Some(Mail::Notice(Notice::Down { monitor, process, child, reason }))
        }
    }
}
