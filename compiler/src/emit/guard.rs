//! What must happen when control leaves a block: joins of pending rounds, `defer`, `finally`, the end of a `session`.
//!
//! Each of these is a *guard*. Its code is written once for every way out: at the normal end, before each jump or return that leaves
//! it, and in a handler for errors. Invariant: the copies on the ways out lie outside the ranges of the guard's own handler, and of
//! the handlers inside of it, so nothing is cleaned up twice.

use vega_bytecode::{Instruction, Opcode};

use super::assembler::Label;
use super::function::{FunctionEmitter, Into};
use crate::ir::{Block, LoopId};

/// What a guard does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cleanup<'p> {
    /// Joins pending rounds to their agents' histories.
    Joins(&'p [u32]),
    /// Runs a `defer`, after the joins of its block: what it asks sees the rounds of the block.
    Defer(&'p Block, &'p [u32]),
    /// Runs a `finally`.
    Finally(&'p Block),
    /// Leaves a budget scope.
    Session,
    /// Leaves the loop over the stream in a register.
    Stream(u16),
}

/// Something that control can leave.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'p> {
    /// With code to run on the way out.
    Guard(Guard<'p>),
    /// A loop.
    Loop(LoopScope),
}

/// An open guard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard<'p> {
    cleanup: Cleanup<'p>,
    /// Its place in the open regions.
    region: usize,
    /// How many loop counters were around it.
    counters: usize,
}

/// An open loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoopScope {
    pub(super) id: LoopId,
    pub(super) break_label: Label,
    pub(super) continue_label: Label,
    /// Registers from here on belong to the body.
    pub(super) height: usize,
}

/// A range of code, still growing, whose errors go to one handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenRegion {
    pub(super) target: Label,
    /// Registers from here on are released before the handler runs; this one then receives the error.
    pub(super) keep: u16,
    /// Whether an exit of the process passes through the handler too.
    cleanup: bool,
    /// Where the present stretch began; none while the region is paused.
    start: Option<u32>,
}

/// A handler that puts a changed place back, written behind the function's code so that the usual way needs no jump around it.
#[derive(Clone, Debug)]
pub(super) struct Rescue {
    /// The handler.
    pub(super) target: Label,
    /// Where the error is.
    pub(super) error: u16,
    /// Puts the place back.
    pub(super) steps: Vec<Instruction>,
    /// The regions that were open around the call.
    pub(super) regions: Vec<OpenRegion>,
}

impl<'p> FunctionEmitter<'_, 'p> {
    /// Opens a region whose handler keeps the registers below the present top. Exits of the process pass by the handler unless it
    /// is a cleanup.
    pub(super) fn open_region(&mut self, cleanup: bool) -> Label {
        let target = self.label();
        let keep = self.top();
        self.reserve(keep);
        self.regions.push(OpenRegion { target, keep, cleanup, start: Some(self.asm.here()) });
        target
    }

    /// Closes the innermost region.
    pub(super) fn close_region(&mut self) {
        self.pause_from(self.regions.len() - 1);
        self.regions.pop();
    }

    /// Whether an error raised here is handled in this function.
    pub(super) fn is_protected(&self) -> bool {
        self.regions.iter().any(|region| region.start.is_some())
    }

    /// The regions that are open here.
    pub(super) fn open_regions(&self) -> Vec<OpenRegion> {
        self.regions.iter().filter(|region| region.start.is_some()).copied().collect()
    }

    /// Interrupts the regions from the given one on; gives back which were not interrupted before.
    fn pause_from(&mut self, first: usize) -> Vec<usize> {
        let mut paused = Vec::new();
        for at in (first..self.regions.len()).rev() {
            let region = self.regions[at];
            if let Some(start) = region.start {
                self.asm.protect(start, region.target, region.keep, region.cleanup);
                self.regions[at].start = None;
                paused.push(at);
            }
        }
        paused
    }

    fn resume(&mut self, paused: &[usize]) {
        for &at in paused {
            self.regions[at].start = Some(self.asm.here());
        }
    }

    /// Opens a guard around the code that follows.
    pub(super) fn open_guard(&mut self, cleanup: Cleanup<'p>) {
        let region = self.regions.len();
        self.open_region(true);
        self.scopes.push(Scope::Guard(Guard { cleanup, region, counters: self.counters.len() }));
    }

    /// Opens the guard that a block itself needs, if any. The result is for [`Self::close_guards`].
    pub(super) fn open_block(&mut self, block: &'p Block) -> usize {
        let base = self.scopes.len();
        if !block.joins_at_end.is_empty() {
            self.open_guard(Cleanup::Joins(&block.joins_at_end));
        }
        base
    }

    /// Whether leaving the scopes from `base` on runs any code.
    pub(super) fn has_guards(&self, base: usize) -> bool {
        self.scopes[base..].iter().any(|scope| matches!(scope, Scope::Guard(_)))
    }

    /// Runs what the scopes from `base` on ask for, innermost first, before a jump out of them.
    pub(super) fn leave(&mut self, base: usize) {
        if !self.asm.is_reachable() || !self.has_guards(base) {
            return;
        }
        let scopes = self.scopes.clone();
        let mut paused = Vec::new();
        for at in (base..scopes.len()).rev() {
            if let Scope::Guard(guard) = scopes[at] {
                self.scopes.truncate(at);
                paused.extend(self.pause_from(guard.region));
                self.run(guard);
            }
        }
        self.scopes = scopes;
        self.resume(&paused);
    }

    /// Ends the guards from scope `base` on at the normal end of their code, releases the registers from `height` on (which stay in
    /// use), and writes the handlers.
    pub(super) fn close_guards(&mut self, base: usize, height: usize) {
        let guards: Vec<Guard<'p>> = self
            .scopes
            .drain(base..)
            .map(|scope| match scope {
                Scope::Guard(guard) => guard,
                Scope::Loop(_) => unreachable!("a loop closes its scope itself"),
            })
            .collect();
        let Some(first) = guards.first().map(|guard| guard.region) else {
            self.drop_from(height);
            return;
        };
        for (at, &guard) in guards.iter().enumerate().rev() {
            self.pause_from(guard.region);
            if self.asm.is_reachable() {
                self.scopes.extend(guards[..at].iter().map(|&guard| Scope::Guard(guard)));
                self.run(guard);
                self.scopes.truncate(base);
            }
        }
        self.drop_from(height);
        let end = self.label();
        self.asm.jump(end);
        for (at, &guard) in guards.iter().enumerate().rev() {
            if !self.asm.is_referenced(self.regions[guard.region].target) {
                continue;
            }
            self.scopes.extend(guards[..at].iter().map(|&guard| Scope::Guard(guard)));
            let outer: Vec<usize> = guards[..at].iter().map(|guard| guard.region).collect();
            self.resume(&outer);
            self.handle(guard);
            self.pause_from(first);
            self.scopes.truncate(base);
        }
        self.regions.truncate(first);
        self.asm.bind(end);
    }

    /// Writes a guard's handler: cleans up and raises the error again. An error on the way is attached to the one under way.
    fn handle(&mut self, guard: Guard<'p>) {
        let region = self.regions[guard.region];
        self.asm.bind(region.target);
        let above = self.slots.split_off(usize::from(region.keep));
        let error = self.push_slot();
        self.slots[usize::from(error)].holds = true;
        match guard.cleanup {
            Cleanup::Joins(_) | Cleanup::Session | Cleanup::Stream(_) => self.run(guard),
            Cleanup::Defer(_, _) | Cleanup::Finally(_) => {
                let second = self.open_region(false);
                self.run(guard);
                self.close_region();
                self.asm.leave(Instruction::abc(Opcode::Throw, error, 0, 0));
                if self.asm.is_referenced(second) {
                    self.asm.bind(second);
                    self.asm.abc(Opcode::ErrorAttach, error, error + 1, 0);
                }
            }
        }
        self.asm.leave(Instruction::abc(Opcode::Throw, error, 0, 0));
        self.truncate(usize::from(region.keep));
        self.slots.extend(above);
    }

    fn run(&mut self, guard: Guard<'p>) {
        let inner_counters = self.counters.split_off(guard.counters);
        match guard.cleanup {
            Cleanup::Joins(rounds) => self.join_rounds(rounds),
            Cleanup::Defer(body, rounds) => {
                self.join_rounds(rounds);
                self.block(body, Into::Nowhere);
            }
            Cleanup::Finally(body) => self.block(body, Into::Nowhere),
            Cleanup::Session => self.asm.abc(Opcode::BudgetExit, 0, 0, 0),
            Cleanup::Stream(stream) => self.asm.abc(Opcode::StreamClose, stream, 0, 0),
        }
        self.counters.extend(inner_counters);
    }

    /// Joins the pending rounds of the given numbers.
    pub(super) fn join_rounds(&mut self, rounds: &[u32]) {
        for &round in rounds {
            self.asm.wide(Opcode::JoinRound, 0, round);
        }
    }

    /// Notes a handler for the instructions from `start` up to here; see [`Rescue`].
    pub(super) fn rescue(&mut self, start: u32, error: u16, steps: Vec<Instruction>) {
        let target = self.label();
        self.reserve(error);
        self.asm.protect(start, target, error, true);
        let regions = self.open_regions();
        self.rescues.push(Rescue { target, error, steps, regions });
    }

    /// Writes the noted handlers. Each lies in the regions that were open around its call.
    pub(super) fn write_rescues(&mut self) {
        for rescue in std::mem::take(&mut self.rescues) {
            if !self.asm.is_referenced(rescue.target) {
                continue;
            }
            let start = self.asm.here();
            self.asm.bind(rescue.target);
            for step in rescue.steps {
                self.asm.push(step);
            }
            self.asm.leave(Instruction::abc(Opcode::Throw, rescue.error, 0, 0));
            for region in rescue.regions.iter().rev() {
                self.asm.protect(start, region.target, region.keep, region.cleanup);
            }
        }
    }
}
