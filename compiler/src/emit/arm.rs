//! `match`: arms tried one after the other; also the arms of `receive`.

use vega_bytecode::module::Constant;
use vega_bytecode::{Instruction, Opcode, Type, TypeId, kinds};

use super::function::{FunctionEmitter, Into, variable_of};
use super::pattern::{FailPoints, Matching, Source};
use super::walk;
use crate::ir::{Arm, Expr, Pattern, PatternKind};

impl<'p> FunctionEmitter<'_, 'p> {
    /// `match`
    pub(super) fn match_expr(&mut self, subject: &'p Expr, arms: &'p [Arm], into: Into) {
        let height = self.slots.len();
        let changes = variable_of(subject)
            .is_some_and(|local| arms.iter().any(|arm| arm.guard.as_ref().is_some_and(|guard| walk::expr_assigns(guard, local))));
        let (register, is_temporary) = if changes {
            (self.on_top(subject), true)
        } else {
            let operand = self.operand(subject);
            (operand.register, operand.is_temporary)
        };
        let has_variants = matches!(self.tables.program.types.get(subject.ty), Some(Type::Enum(_, _) | Type::Result(_, _)));
        let variant = (has_variants && arms.len() > 1 && arms.iter().any(|arm| tests_variant(&arm.pattern))).then(|| {
            let number = self.push_slot();
            self.asm.abc(Opcode::Variant, number, register, 0);
            number
        });
        let source = Source { register, ty: subject.ty, variant };
        let end = self.label();
        for (at, arm) in arms.iter().enumerate() {
            let matching = if at + 1 == arms.len() && arm.guard.is_none() { Matching::Proven } else { Matching::Open };
            self.arm(arm, source, is_temporary, matching, into, |_| {});
            self.drop_from(height);
            self.asm.jump(end);
            self.end_arm(source, subject.ty, is_temporary);
        }
        // Checking proved that some arm fits; if it was wrong, the process fails here instead of running on.
        if self.asm.is_reachable() {
            let error = self.push_slot();
            let text = self.push_slot();
            self.load(&Constant::Str("no arm of the match fits the value".into()), text);
            self.asm.push_window(Instruction::abc(Opcode::MakeError, error, kinds::ASSERT_FAILED.0 as u16, 1), 1);
            self.asm.leave(Instruction::abc(Opcode::Throw, error, 0, 0));
        }
        self.truncate(height);
        self.asm.bind(end);
    }

    /// Tests one arm and runs it. The registers that it bound stay in use; [`Self::end_arm`] gives them back.
    pub(super) fn arm(
        &mut self,
        arm: &'p Arm,
        source: Source,
        is_temporary: bool,
        matching: Matching,
        into: Into,
        accept: impl FnOnce(&mut Self),
    ) {
        let mut fails = FailPoints::new(self.slots.len());
        self.test(&arm.pattern, source, &mut fails, matching);
        if let Some(guard) = &arm.guard {
            let fail = self.fail_label(&mut fails);
            self.branch(guard, fail, false);
        }
        accept(self);
        if is_temporary && self.slots[usize::from(source.register)].holds {
            // Its parts are bound: letting go of the whole now leaves them unshared.
            self.asm.abc(Opcode::Drop, source.register, 0, 0);
            self.slots[usize::from(source.register)].holds = false;
        }
        self.evaluate_into(&arm.body, into);
        self.arm_fails.push(fails);
    }

    /// Goes on where the arm's tests failed.
    pub(super) fn end_arm(&mut self, source: Source, ty: TypeId, is_temporary: bool) {
        let fails = self.arm_fails.pop().expect("an arm ends once");
        self.truncate(fails.base);
        if is_temporary {
            self.slots[usize::from(source.register)].holds = !self.is_scalar(ty);
        }
        self.write_fails(fails);
    }
}

fn tests_variant(pattern: &Pattern) -> bool {
    match &pattern.kind {
        PatternKind::Variant(_, _) => true,
        PatternKind::BindTo(_, inner) => tests_variant(inner),
        PatternKind::Or(alternatives) => alternatives.iter().any(tests_variant),
        _ => false,
    }
}
