//! `deadline time { … }`: every call of an agent inside ends when the time is over, in whatever queue or turn it is then.
//!
//! Invariant: the deadlines of a process are a stack, innermost last, and leaving a block takes its own away on every way out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeResult, NativeTable};
use vega_runtime::process::Pid;
use vega_runtime::value::Value;
use vega_scheduler::Instant;

use crate::error::ErrorKind;
use crate::host::Agents;
use crate::raise::Failed;

/// Processes with deadlines before those that were killed within one are looked for.
const SWEEP_PROCESSES_MIN: usize = 1024;

/// A moment, and the time that the block was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) time: Duration,
}

/// The deadlines of all processes that have one.
#[derive(Default)]
pub(crate) struct Deadlines(Mutex<HashMap<Pid, Vec<Deadline>>>);

impl Deadlines {
    /// The one that comes first for a process.
    pub(crate) fn of(&self, process: Pid) -> Option<Deadline> {
        self.lock().get(&process)?.iter().min_by_key(|deadline| deadline.at).copied()
    }

    fn enter(&self, process: Pid, deadline: Deadline, is_alive: impl Fn(Pid) -> bool) {
        let mut all = self.lock();
        if all.len() >= SWEEP_PROCESSES_MIN {
            all.retain(|process, _| is_alive(*process));
        }
        all.entry(process).or_default().push(deadline);
    }

    fn leave(&self, process: Pid) {
        let mut all = self.lock();
        if let Some(stack) = all.get_mut(&process) {
            stack.pop();
            if stack.is_empty() {
                all.remove(&process);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Vec<Deadline>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deadline {
    /// What a block raises that did not end in time.
    pub(crate) fn failed(self) -> Failed {
        let text = format!("the block did not end within its `deadline` of {:?}", self.time);
        Failed::call(ErrorKind::Timeout { after: self.time }, text)
    }
}

/// Adds the natives that the compiler calls around a block.
pub(crate) fn register(table: &mut NativeTable) {
    table.add("deadline::enter", 1, enter);
    table.add("deadline::check", 0, check);
    table.add("deadline::leave", 0, |context, _| {
        agents(context)?.service().deadlines.leave(context.self_pid());
        Ok(Value::NULL.into())
    });
}

fn enter(context: &mut NativeContext<'_>, arguments: &mut [Value]) -> NativeResult {
    let nanos = arguments[0].as_duration().and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0);
    let Some(nanos) = nanos else {
        return Err(Error::new(kinds::INVALID_ARGUMENT, "a deadline is a time longer than nothing"));
    };
    let time = Duration::from_nanos(nanos);
    let deadline = Deadline { at: context.now() + time, time };
    agents(context)?.service().deadlines.enter(context.self_pid(), deadline, |process| context.is_alive(process));
    Ok(Value::NULL.into())
}

fn check(context: &mut NativeContext<'_>, _: &mut [Value]) -> NativeResult {
    let agents = agents(context)?;
    match agents.service().deadlines.of(context.self_pid()) {
        Some(deadline) if context.now() >= deadline.at => Err(deadline.failed().to_error(&agents.service().trace.to_string())),
        _ => Ok(Value::NULL.into()),
    }
}

fn agents(context: &NativeContext<'_>) -> Result<std::sync::Arc<Agents>, Error> {
    context.extension::<Agents>().ok_or_else(|| Error::new(kinds::AGENT_FAILED, "this runtime has no agents"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_deadline_counts_and_blocks_take_away_their_own() {
        let deadlines = Deadlines::default();
        let process = Pid::from_bits(7);
        let deadline = |nanos| Deadline { at: Instant::from_nanos(nanos), time: Duration::from_nanos(nanos) };
        assert_eq!(deadlines.of(process), None);
        deadlines.enter(process, deadline(10), |_| true);
        deadlines.enter(process, deadline(20), |_| true);
        assert_eq!(deadlines.of(process), Some(deadline(10)));
        deadlines.leave(process);
        deadlines.enter(process, deadline(5), |_| true);
        assert_eq!(deadlines.of(process), Some(deadline(5)));
        deadlines.leave(process);
        deadlines.leave(process);
        assert_eq!(deadlines.of(process), None);
    }
}
