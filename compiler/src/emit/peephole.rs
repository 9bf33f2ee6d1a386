//! What is easier to see in finished code than in the tree: last copies, releases of nothing, jumps to jumps.
//!
//! A `copy` from a register that nobody reads again becomes a `move`, which keeps storage unshared, so that what follows may change it
//! in place. Then the releases of registers that were moved out go, and jumps are led to where they end up.

use vega_bytecode::opcode::{Layout, Operand};
use vega_bytecode::{Instruction, Opcode};

use super::assembler::{Assembler, Label, Step};

/// Improves a function's code. `outlives` are registers that the caller reads after every way out, errors included.
pub(super) fn improve(code: &mut Assembler, outlives: &[u16]) {
    let mut gone = vec![false; code.steps.len()];
    thread_jumps(code, &mut gone);
    compact(code, &gone);
    gone = vec![false; code.steps.len()];
    if code.steps.iter().any(|step| op(step) == Opcode::Copy) {
        move_last_copies(code, outlives);
    }
    if code.steps.iter().any(|step| op(step) == Opcode::Drop) {
        remove_empty_drops(code, &mut gone);
    }
    remove_idle_jumps(code, &mut gone);
    compact(code, &gone);
}

fn op(step: &Step) -> Opcode {
    step.instruction.opcode().expect("only known opcodes are pushed")
}

fn position(code: &Assembler, label: Label) -> usize {
    code.labels[label.0 as usize].expect("every label that is used gets bound") as usize
}

/// Whether control never goes on behind the instruction.
fn ends(op: Opcode) -> bool {
    matches!(op, Opcode::Jump | Opcode::Return | Opcode::ReturnScalar | Opcode::ReturnNull | Opcode::Throw | Opcode::ReceiveSkip)
}

// Jumps.

/// Leads every jump to the end of the chain of jumps that it starts, and turns a branch around a jump into the opposite branch.
fn thread_jumps(code: &mut Assembler, gone: &mut [bool]) {
    for at in 0..code.steps.len() {
        let Some(mut target) = code.steps[at].target else { continue };
        // A chain may be a ring (an empty endless loop), so it is followed only so far.
        for _ in 0..8 {
            match code.steps.get(position(code, target)) {
                Some(next) if op(next) == Opcode::Jump => target = next.target.expect("a jump has a target"),
                Some(_) | None => break,
            }
        }
        code.steps[at].target = Some(target);
    }
    let mut is_entered = vec![false; code.steps.len() + 1];
    for &label in code.labels.iter().flatten() {
        is_entered[label as usize] = true;
    }
    for at in 0..code.steps.len().saturating_sub(1) {
        let (first, second) = (code.steps[at], code.steps[at + 1]);
        let Some(opposite) = opposite(op(&first)) else { continue };
        let (Some(over), Some(target)) = (first.target, second.target) else { continue };
        if op(&second) == Opcode::Jump && position(code, over) == at + 2 && !is_entered[at + 1] {
            let (a, b) = match opposite {
                (_, true) => (first.instruction.b(), first.instruction.a()),
                (_, false) => (first.instruction.a(), first.instruction.b()),
            };
            code.steps[at].instruction = Instruction::jump(opposite.0, a, b, 0);
            code.steps[at].target = Some(target);
            gone[at + 1] = true;
        }
    }
}

/// The branch that is taken exactly when this one is not, and whether its operands stand the other way round.
fn opposite(op: Opcode) -> Option<(Opcode, bool)> {
    match op {
        Opcode::JumpIf => Some((Opcode::JumpIfNot, false)),
        Opcode::JumpIfNot => Some((Opcode::JumpIf, false)),
        Opcode::JumpIfNull => Some((Opcode::JumpIfNotNull, false)),
        Opcode::JumpIfNotNull => Some((Opcode::JumpIfNull, false)),
        Opcode::JumpIfLtInt => Some((Opcode::JumpIfLeInt, true)),
        Opcode::JumpIfLeInt => Some((Opcode::JumpIfLtInt, true)),
        Opcode::JumpIfEqInt => Some((Opcode::JumpIfNeInt, false)),
        Opcode::JumpIfNeInt => Some((Opcode::JumpIfEqInt, false)),
        Opcode::JumpIfLtImmediate => Some((Opcode::JumpIfGeImmediate, false)),
        Opcode::JumpIfGeImmediate => Some((Opcode::JumpIfLtImmediate, false)),
        Opcode::JumpIfEqImmediate => Some((Opcode::JumpIfNeImmediate, false)),
        Opcode::JumpIfNeImmediate => Some((Opcode::JumpIfEqImmediate, false)),
        _ => None,
    }
}

/// Removes jumps to the next instruction that stays.
fn remove_idle_jumps(code: &Assembler, gone: &mut [bool]) {
    for at in (0..code.steps.len()).rev() {
        if gone[at] || op(&code.steps[at]) != Opcode::Jump {
            continue;
        }
        let target = position(code, code.steps[at].target.expect("a jump has a target"));
        if target > at && gone[at + 1..target].iter().all(|&gone| gone) {
            gone[at] = true;
        }
    }
}

/// Takes out what is gone and moves labels, regions and sites along.
fn compact(code: &mut Assembler, gone: &[bool]) {
    if !gone.contains(&true) {
        return;
    }
    let mut moved = Vec::with_capacity(gone.len() + 1);
    let mut kept = 0;
    for &gone in gone {
        moved.push(kept);
        kept += u32::from(!gone);
    }
    moved.push(kept);
    let mut at = 0;
    code.steps.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
    for label in code.labels.iter_mut().flatten() {
        *label = moved[*label as usize];
    }
    for region in &mut code.protected {
        region.start = moved[region.start as usize];
        region.end = moved[region.end as usize];
    }
    code.protected.retain(|region| region.start < region.end);
    for site in &mut code.sites {
        site.step = moved[site.step as usize];
    }
}

// Data flow.

/// A set of registers.
#[derive(Clone, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn new(size: usize) -> Set {
        Set(vec![0; size.div_ceil(64)])
    }

    fn has(&self, member: usize) -> bool {
        self.0[member / 64] & (1 << (member % 64)) != 0
    }

    fn add(&mut self, member: usize) {
        self.0[member / 64] |= 1 << (member % 64);
    }

    fn remove(&mut self, member: usize) {
        self.0[member / 64] &= !(1 << (member % 64));
    }

    /// Adds all members of the other; gives back whether some were new.
    fn add_all(&mut self, other: &Set) -> bool {
        let mut changed = false;
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            changed |= *more & !*word != 0;
            *word |= more;
        }
        changed
    }
}

/// A stretch of code that is entered only at its first step and left only at its last.
struct Stretch {
    start: usize,
    end: usize,
    next: Vec<usize>,
    /// Stretches of the handlers that errors in it go to, with the first register that each finds released.
    handlers: Vec<(usize, u16)>,
}

/// The stretches of a function, in order.
fn stretches(code: &Assembler) -> Vec<Stretch> {
    let count = code.steps.len();
    let mut starts = vec![false; count + 1];
    starts[0] = true;
    for (at, step) in code.steps.iter().enumerate() {
        if let Some(target) = step.target {
            starts[position(code, target)] = true;
            starts[at + 1] = true;
        } else if ends(op(step)) {
            starts[at + 1] = true;
        }
    }
    for region in &code.protected {
        starts[region.start as usize] = true;
        starts[region.end as usize] = true;
        starts[position(code, region.target)] = true;
    }
    let bounds: Vec<usize> = (0..count).filter(|&at| starts[at]).collect();
    let stretch_of = |at: usize| bounds.partition_point(|&start| start <= at) - 1;
    bounds
        .iter()
        .enumerate()
        .map(|(number, &start)| {
            let end = bounds.get(number + 1).copied().unwrap_or(count);
            let last = &code.steps[end - 1];
            let mut next = Vec::new();
            if let Some(target) = last.target.map(|target| position(code, target)).filter(|&target| target < count) {
                next.push(stretch_of(target));
            }
            if !ends(op(last)) && end < count {
                next.push(number + 1);
            }
            let mut handlers: Vec<(usize, u16)> = code
                .protected
                .iter()
                .filter(|region| (region.start as usize) < end && start < region.end as usize)
                .map(|region| (stretch_of(position(code, region.target)), region.keep))
                .collect();
            handlers.dedup();
            Stretch { start, end, next, handlers }
        })
        .collect()
}

/// Calls `see` with each register operand of an instruction and what is done to it. Windows, runs and paths are left out: their
/// registers are temporaries, which are written before each use.
fn operands(instruction: Instruction, mut see: impl FnMut(Operand, u16)) {
    let op = instruction.opcode().expect("only known opcodes are pushed");
    let Layout { x: _, a, b, c, wide } = op.layout();
    let fields = [(a, instruction.a()), (b.filter(|_| !wide), instruction.b()), (c, instruction.c())];
    for (operand, register) in fields {
        if let Some(
            operand @ (Operand::In | Operand::Take | Operand::Change | Operand::ScalarOut | Operand::ValueOut | Operand::Window),
        ) = operand
        {
            see(operand, register);
        }
    }
    if op == Opcode::IterNext {
        see(Operand::Change, instruction.b() + 1);
    }
}

/// Turns copies from registers that are not read again into moves.
fn move_last_copies(code: &mut Assembler, outlives: &[u16]) {
    // Only registers that are copied from matter; they get small numbers.
    let mut sources: Vec<u16> =
        code.steps.iter().filter(|step| op(step) == Opcode::Copy).map(|step| step.instruction.b()).collect();
    sources.sort_unstable();
    sources.dedup();
    let number = |register: u16| sources.binary_search(&register).ok();
    let stretches = stretches(code);
    let mut live_in: Vec<Set> = vec![Set::new(sources.len()); stretches.len()];
    let live_out = |stretch: &Stretch, live_in: &[Set]| {
        let mut live = Set::new(sources.len());
        for &next in &stretch.next {
            live.add_all(&live_in[next]);
        }
        live
    };
    // An error may leave at any step, so what a handler reads is read by every step of its region; but what it finds released, and
    // the error itself, are its own.
    let live_in_handlers = |stretch: &Stretch, live_in: &[Set]| {
        let mut live = Set::new(sources.len());
        for &(handler, keep) in &stretch.handlers {
            let mut read = live_in[handler].clone();
            (sources.partition_point(|&source| source < keep)..sources.len()).for_each(|source| read.remove(source));
            live.add_all(&read);
        }
        live
    };
    let mut changed = true;
    while changed {
        changed = false;
        for (at, stretch) in stretches.iter().enumerate().rev() {
            let mut live = live_out(stretch, &live_in);
            let handled = live_in_handlers(stretch, &live_in);
            live.add_all(&handled);
            for step in code.steps[stretch.start..stretch.end].iter().rev() {
                step_backward(step, &number, &mut live);
                live.add_all(&handled);
            }
            changed |= live_in[at].add_all(&live);
        }
    }
    for stretch in &stretches {
        let mut live = live_out(stretch, &live_in);
        let handled = live_in_handlers(stretch, &live_in);
        live.add_all(&handled);
        for at in (stretch.start..stretch.end).rev() {
            let step = code.steps[at];
            if op(&step) == Opcode::Copy {
                let (to, from) = (step.instruction.a(), step.instruction.b());
                let source = number(from).expect("every source has a number");
                if !live.has(source) && !outlives.contains(&from) && to != from {
                    code.steps[at].instruction = Instruction::abc(Opcode::Move, to, from, 0);
                }
            }
            step_backward(&step, &number, &mut live);
            live.add_all(&handled);
        }
    }
}

/// What is read before a step, from what is read after it.
fn step_backward(step: &Step, number: &impl Fn(u16) -> Option<usize>, live: &mut Set) {
    let is_drop = op(step) == Opcode::Drop;
    // Outputs first, inputs second: an instruction may read the register that it writes.
    operands(step.instruction, |operand, register| {
        if let (Operand::ScalarOut | Operand::ValueOut | Operand::Window, Some(register)) = (operand, number(register)) {
            live.remove(register);
        }
    });
    operands(step.instruction, |operand, register| match (operand, number(register)) {
        (Operand::Take, Some(register)) if is_drop => live.remove(register),
        (Operand::In | Operand::Take | Operand::Change, Some(register)) => live.add(register),
        _ => {}
    });
}

/// Removes releases of registers that surely hold nothing.
fn remove_empty_drops(code: &Assembler, gone: &mut [bool]) {
    let mut dropped: Vec<u16> =
        code.steps.iter().filter(|step| op(step) == Opcode::Drop).map(|step| step.instruction.a()).collect();
    dropped.sort_unstable();
    dropped.dedup();
    let number = |register: u16| dropped.binary_search(&register).ok();
    let stretches = stretches(code);
    // Which registers may hold something at the start of each stretch. Handlers, and the start with its arguments, may find anything.
    let everything = || {
        let mut all = Set::new(dropped.len());
        (0..dropped.len()).for_each(|register| all.add(register));
        all
    };
    let mut full: Vec<Option<Set>> = vec![None; stretches.len()];
    let mut work: Vec<usize> = Vec::new();
    if !stretches.is_empty() {
        full[0] = Some(everything());
        work.push(0);
    }
    for &(handler, _) in stretches.iter().flat_map(|stretch| &stretch.handlers) {
        if full[handler].is_none() {
            full[handler] = Some(everything());
            work.push(handler);
        }
    }
    while let Some(at) = work.pop() {
        let mut state = full[at].clone().expect("a stretch at work was reached");
        for step in &code.steps[stretches[at].start..stretches[at].end] {
            step_forward(step, &number, &mut state);
        }
        for &next in &stretches[at].next {
            let is_new = match &mut full[next] {
                Some(known) => known.add_all(&state),
                unknown @ None => {
                    *unknown = Some(state.clone());
                    true
                }
            };
            if is_new {
                work.push(next);
            }
        }
    }
    for (at, stretch) in stretches.iter().enumerate() {
        let Some(mut state) = full[at].clone() else { continue };
        let steps = code.steps[stretch.start..stretch.end].iter();
        for (step, gone) in steps.zip(&mut gone[stretch.start..stretch.end]) {
            *gone |= op(step) == Opcode::Drop && number(step.instruction.a()).is_some_and(|register| !state.has(register));
            step_forward(step, &number, &mut state);
        }
    }
}

/// Which registers may hold something after a step.
fn step_forward(step: &Step, number: &impl Fn(u16) -> Option<usize>, full: &mut Set) {
    let op = op(step);
    operands(step.instruction, |operand, register| {
        if let (Operand::Take, Some(register)) = (operand, number(register)) {
            full.remove(register);
        }
    });
    operands(step.instruction, |operand, register| match (operand, number(register)) {
        (Operand::ScalarOut, Some(register)) => full.remove(register),
        (Operand::ValueOut, Some(register)) if op == Opcode::LoadNull => full.remove(register),
        (Operand::ValueOut | Operand::Window | Operand::Change, Some(register)) => full.add(register),
        _ => {}
    });
    // What a call or a path leaves above its first register is not followed: it may hold something.
    match op {
        Opcode::PathGet | Opcode::PathTake => {
            full.0.iter_mut().for_each(|word| *word = u64::MAX);
        }
        _ => {
            for offset in 1..=step.window {
                if let Some(register) = number(step.instruction.a().saturating_add(offset)) {
                    full.add(register);
                }
            }
        }
    }
}
