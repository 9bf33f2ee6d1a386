//! Patterns: tests that jump away, and variables that take parts of a value.
//!
//! Parts are taken out into registers above the value as the tests go, so a later test that fails must release them. Each place that
//! may fail has its own entry into a chain of releases behind the arm; entries that have nothing to release fall together.

use vega_bytecode::module::Constant;
use vega_bytecode::{Instruction, KindId, Opcode, Type, TypeId};

use super::assembler::Label;
use super::expression::immediate;
use super::function::FunctionEmitter;
use crate::ir::{LocalId, Pattern, PatternKind};

/// Whether the pattern can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Matching {
    /// It may: tests are written.
    Open,
    /// It was proven to fit: only variables are bound.
    Proven,
}

/// The value that a pattern is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) register: u16,
    /// What is known of it.
    pub(super) ty: TypeId,
    /// Register of its variant number, where it was read before.
    pub(super) variant: Option<u16>,
}

/// The places from which an arm fails.
#[derive(Debug)]
pub(super) struct FailPoints {
    /// Registers in use when the arm began.
    pub(super) base: usize,
    /// Registers to release, and where; in order of growing registers.
    points: Vec<(Vec<u16>, Label)>,
}

impl FailPoints {
    /// For an arm that begins with `base` registers in use.
    pub(super) fn new(base: usize) -> FailPoints {
        FailPoints { base, points: Vec::new() }
    }
}

/// The variables that a pattern binds, in order.
pub(super) fn bound_locals(pattern: &Pattern) -> Vec<LocalId> {
    let mut locals = Vec::new();
    collect_locals(pattern, &mut locals);
    locals
}

fn collect_locals(pattern: &Pattern, locals: &mut Vec<LocalId>) {
    match &pattern.kind {
        PatternKind::Wildcard | PatternKind::Literal(_) | PatternKind::Range(_, _, _) => {}
        PatternKind::Bind(local) => locals.push(*local),
        PatternKind::BindTo(local, inner) => {
            locals.push(*local);
            collect_locals(inner, locals);
        }
        PatternKind::Tuple(items) | PatternKind::Variant(_, items) | PatternKind::Kind(_, items) => {
            items.iter().for_each(|item| collect_locals(item, locals));
        }
        PatternKind::Array(front, rest, back) => {
            front.iter().for_each(|item| collect_locals(item, locals));
            locals.extend(rest.iter().flatten());
            back.iter().for_each(|item| collect_locals(item, locals));
        }
        PatternKind::Struct(fields) => fields.iter().for_each(|(_, inner)| collect_locals(inner, locals)),
        PatternKind::Entries(entries, _) => entries.iter().for_each(|(_, inner)| collect_locals(inner, locals)),
        PatternKind::Some(inner) | PatternKind::Type(_, inner) => collect_locals(inner, locals),
        // All alternatives bind the same variables.
        PatternKind::Or(alternatives) => alternatives.iter().take(1).for_each(|first| collect_locals(first, locals)),
    }
}

impl<'p> FunctionEmitter<'_, 'p> {
    /// Where to jump when a test fails here.
    pub(super) fn fail_label(&mut self, fails: &mut FailPoints) -> Label {
        let releases: Vec<u16> = (fails.base..self.slots.len())
            .filter(|&register| self.slots[register].holds)
            .map(|register| register as u16)
            .collect();
        if let Some((_, label)) = fails.points.iter().find(|(known, _)| *known == releases) {
            return *label;
        }
        let label = self.label();
        fails.points.push((releases, label));
        label
    }

    /// Writes the releases of an arm that failed; what follows is reached by every failure.
    pub(super) fn write_fails(&mut self, fails: FailPoints) {
        let mut points = fails.points;
        points.sort_by_key(|(releases, _)| std::cmp::Reverse(releases.len()));
        for at in 0..points.len() {
            let (releases, label) = &points[at];
            self.asm.bind(*label);
            let next: &[u16] = points.get(at + 1).map_or(&[], |(next, _)| next);
            for &register in releases.iter().rev().filter(|register| !next.contains(register)) {
                self.asm.abc(Opcode::Drop, register, 0, 0);
            }
        }
    }

    /// Tests a value and binds the variables of the pattern, above everything in use.
    pub(super) fn test(&mut self, pattern: &'p Pattern, source: Source, fails: &mut FailPoints, matching: Matching) {
        match &pattern.kind {
            PatternKind::Wildcard => {}
            PatternKind::Bind(local) => self.bind_variable(*local, source),
            PatternKind::BindTo(local, inner) => {
                self.bind_variable(*local, source);
                self.test(inner, source, fails, matching);
            }
            PatternKind::Literal(constant) => {
                if matching == Matching::Open {
                    self.test_literal(constant, source, fails);
                }
            }
            PatternKind::Range(start, end, inclusive) => {
                if matching == Matching::Open {
                    self.test_range(start.as_ref(), end.as_ref(), *inclusive, source, fails);
                }
            }
            PatternKind::Tuple(items) => {
                self.test_type_of_any(pattern, source, fails, matching);
                for (index, item) in items.iter().enumerate() {
                    self.test_part(item, source.register, index, fails, matching);
                }
            }
            PatternKind::Array(front, rest, back) => self.test_array(pattern, front, *rest, back, source, fails, matching),
            PatternKind::Struct(fields) => {
                self.test_type_of_any(pattern, source, fails, matching);
                for (field, inner) in fields {
                    self.test_part(inner, source.register, usize::from(*field), fails, matching);
                }
            }
            PatternKind::Entries(entries, is_open) => self.test_entries(pattern, entries, *is_open, source, fails, matching),
            PatternKind::Variant(variant, payload) => {
                self.test_type_of_any(pattern, source, fails, matching);
                if matching == Matching::Open {
                    self.test_variant(*variant, source, fails);
                }
                for (index, item) in payload.iter().enumerate() {
                    self.test_part(item, source.register, index, fails, matching);
                }
            }
            PatternKind::Kind(kind, payload) => {
                self.test_type_of_any(pattern, source, fails, matching);
                if matching == Matching::Open {
                    self.test_kind(*kind, source, fails);
                }
                for (index, item) in payload.iter().enumerate() {
                    self.test_payload(item, *kind, source.register, index, fails);
                }
            }
            PatternKind::Some(inner) => {
                if matching == Matching::Open {
                    let fail = self.fail_label(fails);
                    self.asm.branch(Opcode::JumpIfNull, source.register, 0, fail);
                }
                let known = if self.is_scalar(inner.ty) == self.is_scalar(source.ty) { inner.ty } else { source.ty };
                self.test(inner, Source { ty: known, variant: None, ..source }, fails, matching);
            }
            PatternKind::Type(ty, inner) => {
                if matching == Matching::Open {
                    self.test_type(*ty, source, fails);
                }
                // The register still holds what may be any value; the variable that is bound takes it out by a checked move.
                let known = if self.is_scalar(*ty) || matches!(inner.kind, PatternKind::Bind(_)) { source.ty } else { *ty };
                self.test(inner, Source { ty: known, variant: None, ..source }, fails, matching);
            }
            PatternKind::Or(alternatives) => self.test_alternatives(pattern, alternatives, source, fails, matching),
        }
    }

    fn bind_variable(&mut self, local: LocalId, source: Source) {
        let to_type = self.local_type(local);
        let prebound = self.prebound.iter().find(|(bound, _)| *bound == local).map(|&(_, register)| register);
        let register = prebound.unwrap_or_else(|| self.push_slot());
        if self.is_open(source.ty) && !self.is_open(to_type) {
            // JSON may hold the value in a form of its own.
            let ty = self.tables.narrow_type(to_type, self.function.span);
            self.asm.abc(Opcode::Narrow, register, source.register, ty);
        } else {
            self.transfer(source.register, source.ty, register, to_type);
        }
        if prebound.is_none() {
            self.settle(local, register);
        }
    }

    /// Whether values of the type may be of any type.
    fn is_open(&self, ty: TypeId) -> bool {
        matches!(self.tables.program.types.get(ty), Some(Type::Any | Type::Json))
    }

    /// Takes field, or payload value, `index` of the value in `subject` and holds the pattern against it.
    fn test_part(&mut self, pattern: &'p Pattern, subject: u16, index: usize, fails: &mut FailPoints, matching: Matching) {
        let index = self.tables.narrow(index as u32, pattern.span, "parts of one value");
        self.test_taken(pattern, Instruction::abc(Opcode::Field, 0, subject, index), fails, matching);
    }

    /// Takes payload value `index` of an error, as the kind has it, and holds the pattern against it.
    pub(super) fn test_payload(&mut self, pattern: &'p Pattern, kind: KindId, error: u16, index: usize, fails: &mut FailPoints) {
        let kind = self.tables.narrow(kind.0, pattern.span, "error kinds");
        let index = self.tables.narrow(index as u32, pattern.span, "parts of one value") as u8;
        self.test_taken(pattern, Instruction::xabc(Opcode::ErrorPayload, index, 0, error, kind), fails, Matching::Open);
    }

    /// Runs `take` with a new register as its result and holds the pattern against that.
    fn test_taken(&mut self, pattern: &'p Pattern, take: Instruction, fails: &mut FailPoints, matching: Matching) {
        if matches!(pattern.kind, PatternKind::Wildcard) {
            return;
        }
        let op = take.opcode().expect("a known opcode");
        if let PatternKind::Bind(local) = pattern.kind
            && !self.prebound.iter().any(|(bound, _)| *bound == local)
            && self.is_scalar(self.local_type(local)) == self.is_scalar(pattern.ty)
        {
            let register = self.push_slot();
            self.asm.push(Instruction::xabc(op, take.x(), register, take.b(), take.c()));
            self.settle(local, register);
            return;
        }
        let register = self.push_slot();
        self.asm.push(Instruction::xabc(op, take.x(), register, take.b(), take.c()));
        self.slots[usize::from(register)].holds = !self.is_scalar(pattern.ty);
        self.test(pattern, Source { register, ty: pattern.ty, variant: None }, fails, matching);
    }

    /// Where a pattern of one type stands against a value of `any` or JSON, the type is tested first.
    fn test_type_of_any(&mut self, pattern: &'p Pattern, source: Source, fails: &mut FailPoints, matching: Matching) {
        if matching == Matching::Open && self.is_open(source.ty) && !self.is_open(pattern.ty) {
            self.test_type(pattern.ty, source, fails);
        }
    }

    fn test_type(&mut self, ty: TypeId, source: Source, fails: &mut FailPoints) {
        let ty = self.tables.narrow_type(ty, self.function.span);
        let fits = self.push_slot();
        self.asm.abc(Opcode::IsType, fits, source.register, ty);
        self.pop_slot();
        let fail = self.fail_label(fails);
        self.asm.branch(Opcode::JumpIfNot, fits, 0, fail);
    }

    fn test_literal(&mut self, constant: &'p Constant, source: Source, fails: &mut FailPoints) {
        let fail = self.fail_label(fails);
        match (constant, self.tables.program.types.get(source.ty)) {
            (Constant::Null, _) => self.asm.branch(Opcode::JumpIfNotNull, source.register, 0, fail),
            (Constant::Bool(wanted), Some(Type::Bool)) => {
                self.asm.branch(if *wanted { Opcode::JumpIfNot } else { Opcode::JumpIf }, source.register, 0, fail);
            }
            (Constant::Int(value), Some(Type::Int)) => match immediate(*value) {
                Some(immediate) => self.asm.branch(Opcode::JumpIfNeImmediate, source.register, immediate, fail),
                None => {
                    let wanted = self.push_slot();
                    self.load_int(*value, wanted);
                    self.pop_slot();
                    self.asm.branch(Opcode::JumpIfNeInt, source.register, wanted, fail);
                }
            },
            (constant, _) => {
                let equal = self.push_slot();
                let wanted = self.push_slot();
                self.load(constant, wanted);
                self.asm.abc(Opcode::Eq, equal, source.register, wanted);
                if matches!(constant, Constant::Str(_) | Constant::Bytes(_)) {
                    self.asm.abc(Opcode::Drop, wanted, 0, 0);
                }
                self.pop_slot();
                self.pop_slot();
                self.asm.branch(Opcode::JumpIfNot, equal, 0, fail);
            }
        }
    }

    fn test_range(
        &mut self,
        start: Option<&Constant>,
        end: Option<&Constant>,
        inclusive: bool,
        source: Source,
        fails: &mut FailPoints,
    ) {
        if self.is_open(source.ty) {
            let wanted = match start.or(end) {
                Some(Constant::Int(_)) => Some(Type::Int),
                Some(Constant::Float(_)) => Some(Type::Float),
                Some(Constant::Str(_)) => Some(Type::Str),
                Some(Constant::Duration(_)) => Some(Type::Duration),
                Some(Constant::Money(_)) => Some(Type::Money),
                Some(_) | None => None,
            };
            if let Some(ty) = wanted.and_then(|ty| self.tables.type_id(&ty)) {
                self.test_type(ty, source, fails);
            }
        }
        if let Some(start) = start {
            self.test_bound(start, source, fails, true, true);
        }
        if let Some(end) = end {
            self.test_bound(end, source, fails, false, inclusive);
        }
    }

    /// Fails unless the value is above (or below) the bound, or equal where that counts.
    fn test_bound(&mut self, bound: &Constant, source: Source, fails: &mut FailPoints, is_lower: bool, inclusive: bool) {
        let fail = self.fail_label(fails);
        let fits = self.push_slot();
        let limit = self.push_slot();
        self.load(bound, limit);
        let (left, right) = if is_lower { (limit, source.register) } else { (source.register, limit) };
        match bound {
            Constant::Int(_) | Constant::Duration(_) | Constant::Money(_) => {
                // The jump wants the opposite: `right < left` where `left <= right` fits.
                let op = if inclusive { Opcode::JumpIfLtInt } else { Opcode::JumpIfLeInt };
                self.truncate(usize::from(fits));
                self.asm.branch(op, right, left, fail);
            }
            Constant::Null
            | Constant::Bool(_)
            | Constant::Float(_)
            | Constant::Str(_)
            | Constant::Bytes(_)
            | Constant::Function(_)
            | Constant::UnitVariant(_, _) => {
                self.asm.abc(if inclusive { Opcode::Le } else { Opcode::Lt }, fits, left, right);
                if matches!(bound, Constant::Str(_)) {
                    self.asm.abc(Opcode::Drop, limit, 0, 0);
                }
                self.truncate(usize::from(fits));
                self.asm.branch(Opcode::JumpIfNot, fits, 0, fail);
            }
        }
    }

    fn test_variant(&mut self, variant: u32, source: Source, fails: &mut FailPoints) {
        let fail = self.fail_label(fails);
        let number = match source.variant {
            Some(register) => register,
            None => {
                let register = self.push_slot();
                self.asm.abc(Opcode::Variant, register, source.register, 0);
                self.pop_slot();
                register
            }
        };
        let wanted = self.tables.narrow(variant, self.function.span, "variants of an enum");
        self.asm.branch(Opcode::JumpIfNeImmediate, number, wanted, fail);
    }

    fn test_kind(&mut self, kind: KindId, source: Source, fails: &mut FailPoints) {
        let fail = self.fail_label(fails);
        let kind = self.tables.narrow(kind.0, self.function.span, "error kinds");
        let fits = self.push_slot();
        self.asm.abc(Opcode::ErrorIs, fits, source.register, kind);
        self.pop_slot();
        self.asm.branch(Opcode::JumpIfNot, fits, 0, fail);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of the pattern beside what every test takes")]
    fn test_array(
        &mut self,
        pattern: &'p Pattern,
        front: &'p [Pattern],
        rest: Option<Option<LocalId>>,
        back: &'p [Pattern],
        source: Source,
        fails: &mut FailPoints,
        matching: Matching,
    ) {
        self.test_type_of_any(pattern, source, fails, matching);
        let count = (front.len() + back.len()) as i64;
        let length = self.push_slot();
        self.asm.abc(Opcode::Len, length, source.register, 0);
        if matching == Matching::Open {
            let fail = self.fail_label(fails);
            let wanted = self.push_slot();
            self.load_int(count, wanted);
            self.pop_slot();
            self.asm.branch(if rest.is_some() { Opcode::JumpIfLtInt } else { Opcode::JumpIfNeInt }, length, wanted, fail);
        }
        let index = self.push_slot();
        for (at, item) in front.iter().enumerate() {
            self.load_int(at as i64, index);
            self.test_taken(item, Instruction::abc(Opcode::Index, 0, source.register, index), fails, matching);
        }
        if let Some(Some(local)) = rest {
            let taken = match self.prebound.iter().find(|(bound, _)| *bound == local) {
                Some(&(_, register)) => register,
                None => self.declare(local),
            };
            let range = self.push_slot();
            let end = self.push_slot();
            self.load_int(front.len() as i64, index);
            self.subtract_count(end, length, back.len());
            self.asm.push(Instruction::xabc(Opcode::MakeRange, 0, range, index, end));
            self.asm.abc(Opcode::Slice, taken, source.register, range);
            self.asm.abc(Opcode::Drop, range, 0, 0);
            self.truncate(usize::from(range));
        }
        for (at, item) in back.iter().enumerate() {
            self.subtract_count(index, length, back.len() - at);
            self.test_taken(item, Instruction::abc(Opcode::Index, 0, source.register, index), fails, matching);
        }
    }

    /// `to = from - count`
    fn subtract_count(&mut self, to: u16, from: u16, count: usize) {
        let count = self.tables.narrow_signed(-(count as i64), self.function.span, "elements of a pattern");
        self.asm.abc(Opcode::AddIntImmediate, to, from, count);
    }

    fn test_entries(
        &mut self,
        pattern: &'p Pattern,
        entries: &'p [(String, Pattern)],
        is_open: bool,
        source: Source,
        fails: &mut FailPoints,
        matching: Matching,
    ) {
        if matching == Matching::Open {
            // Of JSON, and of `any`, only an object or a map with text as keys has entries.
            if self.is_open(source.ty) {
                let object = match self.tables.program.types.get(pattern.ty) {
                    Some(Type::Map(_, _)) => Some(pattern.ty),
                    _ => self.tables.object_of(source.ty),
                };
                if let Some(object) = object {
                    self.test_type(object, source, fails);
                }
            }
            if !is_open {
                let fail = self.fail_label(fails);
                let length = self.push_slot();
                self.asm.abc(Opcode::Len, length, source.register, 0);
                let wanted = self.push_slot();
                self.load_int(entries.len() as i64, wanted);
                self.truncate(usize::from(length));
                self.asm.branch(Opcode::JumpIfNeInt, length, wanted, fail);
            }
        }
        for (key, inner) in entries {
            let fits = self.push_slot();
            let name = self.push_slot();
            self.load(&Constant::Str(key.clone()), name);
            self.slots[usize::from(name)].holds = true;
            if matching == Matching::Open {
                self.asm.abc(Opcode::Contains, fits, name, source.register);
                let fail = self.fail_label(fails);
                self.asm.branch(Opcode::JumpIfNot, fits, 0, fail);
            }
            self.test_taken(inner, Instruction::abc(Opcode::Index, 0, source.register, name), fails, matching);
            self.asm.abc(Opcode::Drop, name, 0, 0);
            self.slots[usize::from(name)].holds = false;
        }
    }

    fn test_alternatives(
        &mut self,
        pattern: &'p Pattern,
        alternatives: &'p [Pattern],
        source: Source,
        fails: &mut FailPoints,
        matching: Matching,
    ) {
        let outer_prebound = self.prebound.len();
        for local in bound_locals(pattern) {
            if !self.prebound.iter().any(|(bound, _)| *bound == local) {
                let register = self.declare(local);
                self.asm.abc(Opcode::LoadNull, register, 0, 0);
                self.prebound.push((local, register));
            }
        }
        let height = self.slots.len();
        let matched = self.label();
        for (at, alternative) in alternatives.iter().enumerate() {
            let is_last = at + 1 == alternatives.len();
            let matching = if is_last { matching } else { Matching::Open };
            let mut inner = FailPoints::new(height);
            self.test(alternative, source, &mut inner, matching);
            self.pop_from(height);
            self.asm.jump(matched);
            self.write_fails(inner);
            if is_last && self.asm.is_reachable() {
                let fail = self.fail_label(fails);
                self.asm.jump(fail);
            }
        }
        self.asm.bind(matched);
        self.prebound.truncate(outer_prebound);
    }
}
