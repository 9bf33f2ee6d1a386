//! What is known of variables and their fields beyond their declared types: that an optional is not null here.
//!
//! A fact holds from the test that shows it until the place may have changed. Only fields count as inner places, never elements.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use crate::ir::{BinaryOp, Expr, ExprKind, LocalId, UnaryOp};

/// A variable, or a field of a field of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spot {
    local: LocalId,
    fields: Vec<u16>,
}

impl Spot {
    /// The variable itself.
    pub(crate) fn local(local: LocalId) -> Spot {
        Spot { local, fields: Vec::new() }
    }

    /// A field of the place.
    pub(crate) fn field(mut self, field: u16) -> Spot {
        self.fields.push(field);
        self
    }
}

/// Everything known at one point.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Narrowed {
    facts: Vec<(Spot, TypeId)>,
}

impl Narrowed {
    /// The type that a place is known to have.
    pub(crate) fn get(&self, spot: &Spot) -> Option<TypeId> {
        self.facts.iter().rev().find(|(known, _)| known == spot).map(|(_, ty)| *ty)
    }

    /// The type that a variable is known to have.
    pub(crate) fn of_local(&self, local: LocalId) -> Option<TypeId> {
        self.facts.iter().rev().find(|(known, _)| known.local == local && known.fields.is_empty()).map(|(_, ty)| *ty)
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Learns facts.
    pub(crate) fn learn(&mut self, facts: impl IntoIterator<Item = (Spot, TypeId)>) {
        for (spot, ty) in facts {
            self.facts.retain(|(known, _)| *known != spot);
            self.facts.push((spot, ty));
        }
    }

    /// Forgets what a change to a place makes doubtful: it, what is inside of it.
    pub(crate) fn forget(&mut self, spot: &Spot) {
        self.facts.retain(|(known, _)| known.local != spot.local || !known.fields.starts_with(&spot.fields));
    }

    /// Forgets everything about a variable.
    pub(crate) fn forget_local(&mut self, local: LocalId) {
        self.facts.retain(|(known, _)| known.local != local);
    }

    /// Forgets what is known of the inside of a variable. That it is not null itself stays known.
    pub(crate) fn forget_inside(&mut self, local: LocalId) {
        self.facts.retain(|(known, _)| known.local != local || known.fields.is_empty());
    }

    /// What is known whichever of two ways was taken.
    pub(crate) fn common(&self, other: &Narrowed) -> Narrowed {
        Narrowed { facts: self.facts.iter().filter(|fact| other.facts.contains(fact)).cloned().collect() }
    }
}

impl Checker<'_> {
    /// The expression under the type that its place is known to have.
    pub(super) fn with_facts(&self, expr: Expr) -> Expr {
        let narrowed = &self.frame_ref().narrowed;
        if narrowed.is_empty() {
            return expr;
        }
        match self.spot_of(&expr).and_then(|spot| narrowed.get(&spot)) {
            Some(ty) => expr.retyped(ty),
            None => expr,
        }
    }

    /// The place that an expression reads, if it is one.
    fn spot_of(&self, expr: &Expr) -> Option<Spot> {
        match &expr.kind {
            ExprKind::Local(local) => Some(Spot::local(*local)),
            ExprKind::Retype(inner) => self.spot_of(inner),
            ExprKind::Field(inner, field) => Some(self.spot_of(inner)?.field(*field)),
            // A part of an error, which nobody can change. Parts are numbered from the far end, fields from the near one.
            ExprKind::CallNative(native, arguments) => match arguments.as_slice() {
                [inner] if self.natives[*native as usize].name.starts_with("error::") => {
                    let part = u16::MAX.checked_sub(u16::try_from(*native).ok()?)?;
                    Some(self.spot_of(inner)?.field(part))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What a condition shows where it came out as `outcome`.
    pub(super) fn facts(&self, condition: &Expr, outcome: bool) -> Vec<(Spot, TypeId)> {
        let mut facts = Vec::new();
        self.collect_facts(condition, outcome, &mut facts);
        facts
    }

    fn collect_facts(&self, condition: &Expr, outcome: bool, facts: &mut Vec<(Spot, TypeId)>) {
        match &condition.kind {
            ExprKind::And(left, right) if outcome => {
                self.collect_facts(left, true, facts);
                self.collect_facts(right, true, facts);
            }
            ExprKind::Or(left, right) if !outcome => {
                self.collect_facts(left, false, facts);
                self.collect_facts(right, false, facts);
            }
            ExprKind::Unary(UnaryOp::Not, inner) => self.collect_facts(inner, !outcome, facts),
            ExprKind::Binary(BinaryOp::Ne, left, right) if outcome => self.collect_null_test(left, right, facts),
            ExprKind::Binary(BinaryOp::Eq, left, right) if !outcome => self.collect_null_test(left, right, facts),
            _ => {}
        }
    }

    fn collect_null_test(&self, left: &Expr, right: &Expr, facts: &mut Vec<(Spot, TypeId)>) {
        let tested = match (is_null(left), is_null(right)) {
            (false, true) => left,
            (true, false) => right,
            _ => return,
        };
        if let (Some(spot), Type::Optional(inner)) = (self.spot_of(tested), self.types.of(tested.ty)) {
            facts.push((spot, *inner));
        }
    }

    /// Goes on behind something that may have run or not: what was known `before` and still is.
    pub(super) fn maybe_ran(&mut self, before: &Narrowed) {
        let narrowed = &mut self.frame().narrowed;
        *narrowed = before.common(narrowed);
    }

    /// Takes note of a new value in a place: what was known is forgotten, and that it is not null is learnt.
    pub(super) fn assigned(&mut self, spot: Spot, place: TypeId, value: TypeId) {
        let inner = match self.types.of(place) {
            Type::Optional(inner) if !matches!(self.types.of(value), Type::Optional(_) | Type::Null) => Some(*inner),
            _ => None,
        };
        let narrowed = &mut self.frame().narrowed;
        narrowed.forget(&spot);
        if let Some(inner) = inner {
            narrowed.learn([(spot, inner)]);
        }
    }
}

fn is_null(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Constant(Constant::Null) => true,
        ExprKind::Retype(inner) => is_null(inner),
        _ => false,
    }
}
