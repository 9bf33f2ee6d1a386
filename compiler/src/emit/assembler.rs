//! The code of one function while it grows: instructions whose jumps still name labels.
//!
//! Invariant: nothing is recorded that cannot be reached. After a jump, a return or a throw the assembler drops what it is given
//! until a label is bound that something jumps to, so no later stage meets dead code.

use vega_bytecode::{Instruction, Opcode};

use super::peephole;
use crate::source::Span;

/// A place in the code that jumps can name before it is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Label(pub(super) u32);

/// One instruction with what is known about it besides its bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The bits; the jump offset is still empty.
    pub(super) instruction: Instruction,
    /// Where it jumps to.
    pub(super) target: Option<Label>,
    /// How many registers above `a` a window instruction reads.
    pub(super) window: u16,
    /// What it was made from.
    pub(super) span: Span,
}

/// A stretch of code whose errors go to one handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protected {
    /// First step covered.
    pub(super) start: u32,
    /// First step no longer covered.
    pub(super) end: u32,
    /// Where the handler is.
    pub(super) target: Label,
    /// Registers from here on are released before the handler runs; this one then receives the error.
    pub(super) keep: u16,
    /// Whether an exit of the process passes through it too.
    pub(super) cleanup: bool,
}

/// A step from which an effect may happen.
#[derive(Clone, Debug)]
pub(super) struct SiteMark {
    /// The step.
    pub(super) step: u32,
    /// What tells sites apart: the address of the expression in the typed tree, the same for every copy of its code.
    pub(super) expression: usize,
    /// Orders sites as the text does.
    pub(super) span: Span,
    /// Counters of the loops around it, outermost first.
    pub(super) loops: Vec<u16>,
}

/// Code with all jumps resolved.
#[derive(Debug, Default)]
pub(super) struct Assembled {
    /// The instructions.
    pub(super) code: Vec<Instruction>,
    /// What each was made from.
    pub(super) spans: Vec<Span>,
    /// Handlers, innermost first.
    pub(super) handlers: Vec<vega_bytecode::module::Handler>,
    /// Sites, ascending by instruction; numbers as the text orders them.
    pub(super) sites: Vec<vega_bytecode::module::Site>,
    /// Whether some jump is too far for its field.
    pub(super) jump_too_far: bool,
}

/// Collects the steps of one function.
#[derive(Debug)]
pub(super) struct Assembler {
    pub(super) steps: Vec<Step>,
    /// Position of each label, once bound.
    pub(super) labels: Vec<Option<u32>>,
    /// Whether something jumps to the label.
    referenced: Vec<bool>,
    pub(super) protected: Vec<Protected>,
    pub(super) sites: Vec<SiteMark>,
    reachable: bool,
    span: Span,
}

impl Assembler {
    /// An empty function; `span` holds until another is set.
    pub(super) fn new(span: Span) -> Assembler {
        Assembler {
            steps: Vec::new(),
            labels: Vec::new(),
            referenced: Vec::new(),
            protected: Vec::new(),
            sites: Vec::new(),
            reachable: true,
            span,
        }
    }

    /// Whether the next instruction can be reached.
    pub(super) fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// What following instructions are made from; gives back what was set before.
    pub(super) fn set_span(&mut self, span: Span) -> Span {
        std::mem::replace(&mut self.span, span)
    }

    /// Position of the next step.
    pub(super) fn here(&self) -> u32 {
        self.steps.len() as u32
    }

    /// A label to be bound later.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        self.referenced.push(false);
        Label(self.labels.len() as u32 - 1)
    }

    /// A label at this place that later code jumps back to; what follows can be reached if that code can.
    pub(super) fn label_back(&mut self, is_reachable: bool) -> Label {
        let label = self.label();
        self.labels[label.0 as usize] = Some(self.here());
        self.reachable = is_reachable;
        label
    }

    /// Puts a label here. Code behind it can be reached if something jumps to it.
    pub(super) fn bind(&mut self, label: Label) {
        self.labels[label.0 as usize] = Some(self.here());
        if self.referenced[label.0 as usize] {
            self.reachable = true;
        }
    }

    /// Whether something that can be reached jumps to the label.
    pub(super) fn is_referenced(&self, label: Label) -> bool {
        self.referenced[label.0 as usize]
    }

    /// Adds an instruction without a jump.
    pub(super) fn push(&mut self, instruction: Instruction) {
        self.push_window(instruction, 0);
    }

    /// Adds an instruction that reads `window` registers above its `a`.
    pub(super) fn push_window(&mut self, instruction: Instruction, window: u16) {
        if self.reachable {
            self.steps.push(Step { instruction, target: None, window, span: self.span });
        }
    }

    /// `op a, b, c`
    pub(super) fn abc(&mut self, op: Opcode, a: u16, b: u16, c: u16) {
        self.push(Instruction::abc(op, a, b, c));
    }

    /// `op a, wide`
    pub(super) fn wide(&mut self, op: Opcode, a: u16, bc: u32) {
        self.push(Instruction::wide(op, 0, a, bc));
    }

    /// A conditional jump on up to two registers.
    pub(super) fn branch(&mut self, op: Opcode, a: u16, b: u16, target: Label) {
        if self.reachable {
            self.referenced[target.0 as usize] = true;
            self.steps.push(Step {
                instruction: Instruction::jump(op, a, b, 0),
                target: Some(target),
                window: 0,
                span: self.span,
            });
        }
    }

    /// An unconditional jump.
    pub(super) fn jump(&mut self, target: Label) {
        self.branch(Opcode::Jump, 0, 0, target);
        self.reachable = false;
    }

    /// Another instruction that always jumps.
    pub(super) fn jump_with(&mut self, op: Opcode, target: Label) {
        self.branch(op, 0, 0, target);
        self.reachable = false;
    }

    /// An instruction after which control goes elsewhere.
    pub(super) fn leave(&mut self, instruction: Instruction) {
        self.push(instruction);
        self.reachable = false;
    }

    /// Errors raised in the steps from `start` up to here go to `target`. Handlers of inner code must be added first.
    pub(super) fn protect(&mut self, start: u32, target: Label, keep: u16, cleanup: bool) {
        let end = self.here();
        if start < end {
            self.referenced[target.0 as usize] = true;
            self.protected.push(Protected { start, end, target, keep, cleanup });
        }
    }

    /// Marks the next step as an effect site.
    pub(super) fn mark_site(&mut self, expression: usize, span: Span, loops: &[u16]) {
        if self.reachable {
            self.sites.push(SiteMark { step: self.here(), expression, span, loops: loops.to_vec() });
        }
    }

    /// Improves the code, then resolves all jumps. `outlives` are the registers that the caller reads after every way out.
    pub(super) fn finish(mut self, outlives: &[u16]) -> Assembled {
        peephole::improve(&mut self, outlives);
        self.resolve()
    }

    fn resolve(self) -> Assembled {
        let mut assembled = Assembled::default();
        let position = |label: Label| self.labels[label.0 as usize].expect("every label that is used gets bound");
        for (at, step) in self.steps.iter().enumerate() {
            let mut instruction = step.instruction;
            if let Some(target) = step.target {
                let offset = i64::from(position(target)) - (at as i64 + 1);
                if offset.unsigned_abs() > vega_bytecode::instruction::JUMP_MAX as u64 {
                    assembled.jump_too_far = true;
                }
                let op = instruction.opcode().expect("only known opcodes are pushed");
                instruction = Instruction::jump(op, instruction.a(), instruction.b(), offset as i32);
            }
            assembled.code.push(instruction);
            assembled.spans.push(step.span);
        }
        for region in &self.protected {
            assembled.handlers.push(vega_bytecode::module::Handler {
                start: region.start,
                end: region.end,
                target: position(region.target),
                register: region.keep,
                keep: region.keep,
                cleanup: region.cleanup,
            });
        }
        assembled.sites = number_sites(&self.sites);
        assembled
    }
}

/// Numbers the sites as their expressions stand in the text. Copies of one expression (the code of a `finally` is written once for
/// each way out) share a number.
fn number_sites(marks: &[SiteMark]) -> Vec<vega_bytecode::module::Site> {
    let mut seen = rustc_hash::FxHashSet::default();
    let first = marks.iter().filter(|mark| seen.insert(mark.expression));
    let mut order: Vec<(u32, usize)> = first.map(|mark| (mark.span.start, mark.expression)).collect();
    order.sort_by_key(|&(start, _)| start);
    let numbers: rustc_hash::FxHashMap<usize, u32> =
        order.iter().enumerate().map(|(number, &(_, expression))| (expression, number as u32)).collect();
    marks
        .iter()
        .map(|mark| vega_bytecode::module::Site { pc: mark.step, number: numbers[&mark.expression], loops: mark.loops.clone() })
        .collect()
}
