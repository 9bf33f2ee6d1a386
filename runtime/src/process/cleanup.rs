//! The bound on what a process does at its end: its `defer` and `finally` blocks may neither compute nor wait without end.
//!
//! Invariant: from the first slice that ends in its last cleanups on, a process has a number of reductions and a moment, and is killed
//! at whichever it reaches first. So nobody who waits for its end waits longer.

use std::time::Duration;

use vega_bytecode::kinds;
use vega_scheduler::{Instant, Worker};

use super::block::Process;
use super::turn::Turn;
use super::{ExitReason, trace};
use crate::error::Error;
use crate::value::heap;
use crate::vm::{Machine, Rest};
use crate::world::{Report, World};

impl Turn<'_> {
    /// The process has spent so many reductions, and is in cleanups. Gives until when they may last, [`Instant::NEVER`] where it goes on
    /// after them; none where they have spent what they may, and the process is doomed.
    #[cold]
    pub(crate) fn bounds_cleanups(&self, machine: &mut Machine, spent: u32) -> Option<Instant> {
        let limits = &self.world.limits;
        let Some(leaving) = machine.last_cleanups(&self.world.program().loaded) else { return Some(Instant::NEVER) };
        let rest = leaving.rest.get_or_insert_with(|| Rest {
            reductions: limits.cleanup_reductions,
            until: vega_scheduler::now() + Duration::from_millis(limits.shutdown_ms),
        });
        rest.reductions = rest.reductions.saturating_sub(u64::from(spent));
        let rest = *rest;
        if rest.reductions == 0 {
            self.cut_cleanups(machine, &format!("{} reductions", limits.cleanup_reductions));
        } else if self.is_past(rest.until) {
            self.cut_cleanups(machine, &self.world.cleanup_time());
        } else {
            return Some(rest.until);
        }
        None
    }

    /// Until when a native may block that is called at this place: not beyond the time of a process's last cleanups.
    #[cold]
    pub(crate) fn cleanups_end(&self, machine: &Machine) -> Option<Instant> {
        if !machine.is_in_last_cleanups(&self.world.program().loaded) {
            return None;
        }
        let rest = machine.cleanups_rest();
        let whole = || vega_scheduler::now() + Duration::from_millis(self.world.limits.shutdown_ms);
        Some(rest.map_or_else(whole, |rest| rest.until))
    }

    /// Dooms the process, and reports why, as often as other failures are.
    fn cut_cleanups(&self, machine: &Machine, bound: &str) {
        let places = machine.trace(&self.world.program().loaded);
        let (mut error, _) = heap::detached(|| cleanups_error(bound));
        heap::detached(|| error.record_trace(|| places));
        self.report_cut(&error);
        heap::detached(|| drop(error));
    }

    fn report_cut(&self, error: &Error) {
        self.life().doom_with(ExitReason::Killed);
        let module = self.world.program().loaded.module();
        let what = error.summary(module);
        match self.world.failures.count(error, module) {
            Report::Full => {
                let label = self.life().extension().and_then(|extension| extension.label.as_deref());
                let mut text = format!("{} {} is killed at its end: {what}\n", label.unwrap_or("process"), self.pid());
                for line in trace::stack_trace(error.trace(), module, self.world.limits.trace_lines) {
                    text.push_str(&format!("    at {line}\n"));
                }
                self.world.stderr.write(text.as_bytes());
            }
            Report::Count(count) => self.world.stderr.write(format!("{count} processes by now: {what}\n").as_bytes()),
            Report::None => {}
        }
    }
}

impl World {
    /// A timer fired for a process that waits in a native of this worker. True where it was that of its last cleanups, and it must die.
    pub(crate) fn cuts_native(&self, process: &Process, worker: &Worker<World>) -> bool {
        if !process.state.is_in_native_of(worker.index()) {
            return false;
        }
        // As for a signal: the runner that the native waits on belongs to this worker, and is not running while this is.
        let turn = Turn { world: self, worker, process };
        let Some(extension) = turn.life().extension() else { return false };
        let (native, until) = (extension.native, extension.native_until);
        let Some(token) = native.filter(|_| until.is_some_and(|until| until <= vega_scheduler::now())) else { return false };
        let (error, _) = heap::detached(|| cleanups_error(&self.cleanup_time()));
        turn.report_cut(&error);
        heap::detached(|| drop(error));
        worker.cancel_native(token);
        true
    }

    fn cleanup_time(&self) -> String {
        format!("{:?}", Duration::from_millis(self.limits.shutdown_ms))
    }
}

fn cleanups_error(bound: &str) -> Error {
    Error::new(kinds::LIMIT_REACHED, format!("cleanups: its `defer` and `finally` blocks took more than {bound}"))
}
