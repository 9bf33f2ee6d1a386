//! An exit or an error on its way through cleanups: the blocks of `defer` and `finally`.
//!
//! Invariant: a machine knows the outermost frame whose cleanup an error or an exit has begun and not finished. So whoever runs it can
//! tell a process that is at its end, whose cleanups are bounded, from one that goes on after them.

use vega_bytecode::module::Handler;
use vega_scheduler::Instant;

use super::machine::Machine;
use super::program::LoadedProgram;
use crate::value::Value;

/// See the module's text.
pub(crate) struct Leaving {
    /// The reason with which the process ends itself; none where an error is on its way.
    pub(crate) reason: Option<Value>,
    /// The frame whose cleanup runs, by its first register; of several one inside the other, the outermost.
    base: u32,
    /// Where that frame was left.
    pc: u32,
    /// Whether nothing around catches the error; none until somebody asks.
    is_uncaught: Option<bool>,
    /// What the cleanups may still spend; none until they are known to be a process's last.
    pub(crate) rest: Option<Rest>,
}

/// What the cleanups of a process at its end may still spend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rest {
    pub(crate) reductions: u64,
    pub(crate) until: Instant,
}

impl Machine {
    /// The process ends itself. Not part of the interpreter's loop, whose other instructions want the processor's registers.
    #[cold]
    #[inline(never)]
    pub(crate) fn begin_exit(&mut self, reason: Value) {
        // Whoever ends itself again in a cleanup has no more time for it.
        let rest = self.leaving.as_ref().and_then(|leaving| leaving.rest);
        self.leaving = Some(Box::new(Leaving { reason: Some(reason), base: 0, pc: 0, is_uncaught: Some(true), rest }));
    }

    /// Whether cleanups are under way.
    #[inline]
    pub(crate) fn is_cleaning(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether the process ends itself. Apart for the same reason.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_exiting(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| leaving.reason.is_some())
    }

    /// An error enters a cleanup of the topmost frame, which it leaves at `pc`.
    #[cold]
    pub(crate) fn begin_cleanup(&mut self, pc: u32) {
        let base = self.base;
        match &mut self.leaving {
            Some(leaving) if leaving.reason.is_none() && base < leaving.base => (leaving.base, leaving.pc) = (base, pc),
            // It is another cleanup of the same frame; or it belongs to what the cleanup under way tries, and its end is caught there.
            Some(_) => {}
            None => self.leaving = Some(Box::new(Leaving { reason: None, base, pc, is_uncaught: None, rest: None })),
        }
    }

    /// An error enters the `catch` at `target` of the topmost frame, whose handlers these are. The error that is on its way is over,
    /// unless that `catch` lies in its cleanup.
    pub(crate) fn end_cleanup(&mut self, handlers: &[Handler], target: u32) {
        let Some(leaving) = self.leaving.as_ref().filter(|leaving| leaving.reason.is_none()) else { return };
        let lies_around = |handler: &Handler| handler.target == target && handler.start <= leaving.pc && leaving.pc < handler.end;
        if self.base < leaving.base || (self.base == leaving.base && handlers.iter().any(lies_around)) {
            self.leaving = None;
        }
    }

    /// An error reaches the native frame that called what it came from, which may do anything with it.
    pub(crate) fn end_cleanup_in_native(&mut self) {
        if self.leaving.as_ref().is_some_and(|leaving| leaving.reason.is_none() && self.base < leaving.base) {
            self.leaving = None;
        }
    }

    /// The cleanups under way, where they are the process's last: it ends itself, or nothing around catches its error.
    pub(crate) fn last_cleanups(&mut self, program: &LoadedProgram) -> Option<&mut Leaving> {
        let is_uncaught = self.is_in_last_cleanups(program);
        let leaving = self.leaving.as_mut()?;
        leaving.is_uncaught = Some(is_uncaught);
        Some(&mut **leaving).filter(|_| is_uncaught)
    }

    /// What the cleanups under way may still spend, where that is known.
    pub(crate) fn cleanups_rest(&self) -> Option<Rest> {
        self.leaving.as_ref()?.rest
    }

    /// Whether these are the process's last cleanups: the error under way meets no `catch` any more. A native that called the frame may do anything with it.
    pub(crate) fn is_in_last_cleanups(&self, program: &LoadedProgram) -> bool {
        let Some(leaving) = &self.leaving else { return false };
        if let Some(known) = leaving.is_uncaught {
            return known;
        }
        if self.natives.iter().any(|native| native.base < leaving.base) {
            return false;
        }
        let mut catches = self.frames(program).filter_map(|frame| {
            let base = self.number(frame.registers.as_ptr());
            let pc = match base.cmp(&leaving.base) {
                std::cmp::Ordering::Greater => return None,
                std::cmp::Ordering::Equal => leaving.pc,
                std::cmp::Ordering::Less => frame.pc,
            };
            let handlers = &program.module().functions[frame.function.0 as usize].handlers;
            Some(handlers.iter().any(|handler| !handler.cleanup && handler.start <= pc && pc < handler.end))
        });
        !catches.any(|catches| catches)
    }
}
