//! The names by which programs find processes.
//!
//! Invariants: a name belongs to one process, and a process has one name at most, as in Erlang. A process that ends gives its name back
//! before anybody is told of its end. Who registers somebody who is just ending may leave an entry behind: it names nobody, since only
//! the living are found, and goes when the name is wanted again or the registry has doubled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Pid;

/// Entries that are looked through before dead ones among them matter.
const SWEEP_MIN: usize = 64;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Names(Mutex<Both>);

#[derive(Default)]
struct Both {
    processes: HashMap<String, Pid>,
    names: HashMap<Pid, String>,
    /// As many entries as were left when the dead were last looked for.
    swept: usize,
}

/// Why a process does not get a name.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// Another living process has it.
    Taken,
    /// The process has this one already.
    Named(String),
}

impl Names {
    /// Gives a process a name. It is no error that it has that very name.
    pub(crate) fn register(&self, name: &str, process: Pid, lives: impl Fn(Pid) -> bool) -> Result<(), Refused> {
        let mut both = self.lock();
        match both.processes.get(name) {
            Some(&other) if other == process => return Ok(()),
            Some(&other) if lives(other) => return Err(Refused::Taken),
            Some(&other) => both.forget(other),
            None => {}
        }
        if let Some(name) = both.names.get(&process) {
            return Err(Refused::Named(name.clone()));
        }
        if both.names.len() > SWEEP_MIN.max(2 * both.swept) {
            let dead: Vec<Pid> = both.names.keys().copied().filter(|&process| !lives(process)).collect();
            dead.into_iter().for_each(|process| both.forget(process));
            both.swept = both.names.len();
        }
        both.processes.insert(name.to_string(), process);
        both.names.insert(process, name.to_string());
        Ok(())
    }

    /// Takes a name back from whoever has it.
    pub(crate) fn unregister(&self, name: &str) {
        let mut both = self.lock();
        if let Some(&process) = both.processes.get(name) {
            both.forget(process);
        }
    }

    /// A process has ended.
    pub(crate) fn forget(&self, process: Pid) {
        self.lock().forget(process);
    }

    /// Who has a name; perhaps somebody who has ended.
    pub(crate) fn find(&self, name: &str) -> Option<Pid> {
        self.lock().processes.get(name).copied()
    }

    /// The name of a process.
    pub(crate) fn of(&self, process: Pid) -> Option<String> {
        self.lock().names.get(&process).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Both {
    fn forget(&mut self, process: Pid) {
        if let Some(name) = self.names.remove(&process) {
            self.processes.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: u32) -> Pid {
        Pid::new(number, 1)
    }

    #[test]
    fn a_name_has_one_process_and_a_process_one_name() {
        let names = Names::default();
        let all_live = |_| true;
        names.register("a", pid(1), all_live).expect("the name is free");
        names.register("a", pid(1), all_live).expect("it is its own");
        assert_eq!(names.register("a", pid(2), all_live), Err(Refused::Taken));
        assert_eq!(names.register("b", pid(1), all_live), Err(Refused::Named("a".into())));
        assert_eq!((names.find("a"), names.of(pid(1)).as_deref()), (Some(pid(1)), Some("a")));
        names.unregister("a");
        names.register("b", pid(1), all_live).expect("it has no name any more");
        names.register("a", pid(2), all_live).expect("nobody has it any more");
        names.forget(pid(2));
        assert_eq!((names.find("a"), names.of(pid(2))), (None, None));
    }

    #[test]
    fn the_dead_keep_no_name_and_do_not_pile_up() {
        let names = Names::default();
        for number in 0..10_000 {
            names.register("same", pid(number), |process| process == pid(number)).expect("its last owner is dead");
            names.register(&number.to_string(), pid(20_000 + number), |_| false).expect("the name is free");
        }
        let both = names.lock();
        assert_eq!(both.names.len(), both.processes.len());
        assert!(both.names.len() <= 2 * SWEEP_MIN, "{} names of the dead", both.names.len());
    }
}
