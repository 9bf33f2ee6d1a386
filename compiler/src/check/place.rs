//! What can be assigned to and changed: variables, their fields, their elements.

use vega_bytecode::Type;

use super::Checker;
use super::fits::Why;
use super::frame::{Binding, Role};
use super::narrow::Spot;
use super::statement::Want;
use crate::ast::{self, BinaryOperator, ExprKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Expr, ExprKind, Place, PlaceStep, StatementKind};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `place = value`, `place += value`
    pub(super) fn assign(&mut self, assign: &'a ast::Assign, span: Span) -> StatementKind {
        let Some(place) = self.target(&assign.place) else {
            let value = self.expr(&assign.value, Want::Infer);
            return StatementKind::Expr(value);
        };
        let fine = self.changeable(&place, assign.place.span);
        let spot = spot_of(&place);
        if let Some(operator) = assign.operator {
            let mut place = place;
            // What is known not to be null stays so: the operation gives a value.
            if let Some(known) = spot.as_ref().and_then(|spot| self.frame_ref().narrowed.get(spot)) {
                place.ty = known;
            }
            let kind = self.assign_operator(assign, operator, place, span);
            return if fine { kind } else { StatementKind::Expr(Expr::wrong(span)) };
        }
        let value = self.expr(&assign.value, Want::Hint(place.ty));
        let given = value.ty;
        let value = self.coerce_assigned(value, &place, assign);
        if let Some(spot) = spot {
            self.assigned(spot, place.ty, given);
        }
        if fine { StatementKind::Assign(place, value) } else { StatementKind::Expr(value) }
    }

    fn coerce_assigned(&mut self, value: Expr, place: &Place, assign: &ast::Assign) -> Expr {
        if value.is_wrong() || value.ty == place.ty || self.is_subtype(value.ty, place.ty) {
            return self.coerce(value, place.ty, Why::Plain);
        }
        match self.convert(value, place.ty) {
            Ok(value) => value,
            Err(value) => {
                let shown = self.show(place.ty);
                let before = self.diagnostics.len();
                let span = assign.place.span;
                let wrong = self.coerce(value, place.ty, Why::Plain);
                if let Some(diagnostic) = self.diagnostics.get_mut(before) {
                    *diagnostic = diagnostic.clone().with_label(span, format!("this place holds `{shown}`"));
                }
                wrong
            }
        }
    }

    fn assign_operator(&mut self, assign: &'a ast::Assign, operator: BinaryOperator, place: Place, span: Span) -> StatementKind {
        if operator == BinaryOperator::Coalesce {
            let value = self.expr(&assign.value, Want::Infer);
            self.refuse("`??=`", assign.operator_span);
            return StatementKind::Expr(value);
        }
        let want = match self.types.of(place.ty) {
            Type::Array(_) => Want::Hint(place.ty),
            Type::Float => Want::Hint(place.ty),
            _ => Want::Infer,
        };
        let value = self.value(&assign.value, want);
        // The operation is worked out on a stand-in for the place; only its operator and right operand are kept.
        let stand_in = Expr::new(ExprKind::Local(place.local), place.ty, assign.place.span);
        let binary = ast::Binary {
            operator,
            operator_span: assign.operator_span,
            left: ast::Expr { id: assign.place.id, kind: A::Error, span: assign.place.span },
            right: ast::Expr { id: assign.value.id, kind: A::Error, span: assign.value.span },
        };
        let operation = self.operation(&binary, stand_in, value, span);
        if operation.is_wrong() {
            return StatementKind::Expr(operation);
        }
        if operation.ty != place.ty {
            let (shown, found) = (self.show(place.ty), self.show(operation.ty));
            let mut diagnostic = Diagnostic::error(codes::MISMATCHED, span, "the result does not fit its place")
                .with_remark(format!("`{}` gives a `{found}` here, and the place holds a `{shown}`", operator.text()));
            if place.steps.is_empty() && operation.ty == self.types.float {
                let declared = self.frame_ref().locals[place.local.0 as usize].span;
                diagnostic = diagnostic.with_label(declared, "to hold floats, it must begin with one, such as `0.0`");
            }
            return StatementKind::Expr(self.wrong(diagnostic));
        }
        match operation.kind {
            ExprKind::Binary(op, left, right) if matches!(left.kind, ExprKind::Local(_)) => {
                StatementKind::AssignOp(place, op, *right)
            }
            // An operation in several steps reads the variable where it needs it.
            kind if place.steps.is_empty() => {
                let value = Expr::new(kind, operation.ty, operation.span);
                StatementKind::Assign(place, value)
            }
            _ => {
                let diagnostic = Diagnostic::error(codes::OPERATOR, span, "this assignment has to be written out")
                    .with_help(format!("write `place = place {} value`", operator.text()));
                StatementKind::Expr(self.wrong(diagnostic))
            }
        }
    }

    /// The place on the left of an assignment, under its declared type.
    fn target(&mut self, written: &'a ast::Expr) -> Option<Place> {
        let span = written.span;
        let expr = match &written.kind {
            A::Paren(inner) => return self.target(inner),
            A::Name(name) => {
                let Some(Binding::Local(local)) = self.find_local(name.symbol) else {
                    let value = self.name(*name, Want::Infer);
                    if !value.is_wrong() {
                        let text = self.text(name.symbol).to_string();
                        self.report(
                            Diagnostic::error(codes::NOT_A_PLACE, span, format!("`{text}` cannot be changed"))
                                .with_remark("a constant or function")
                                .with_help(format!("to have a variable of that name, write `let {text} = …;`")),
                        );
                    } else if let Some(last) = self.diagnostics.last_mut()
                        && last.suggestions.is_empty()
                        && last.code == codes::UNKNOWN_NAME
                    {
                        let text = self.interner.text(name.symbol);
                        *last = last.clone().with_help(format!("to make a new variable, write `let {text} = …;`"));
                    }
                    return None;
                };
                let ty = self.frame_ref().locals[local.0 as usize].ty;
                return Some(Place { local, steps: Vec::new(), ty, span });
            }
            A::Field(field) if !field.is_optional => {
                let receiver = self.value(&field.receiver, Want::Infer);
                self.without_facts(|checker| checker.field_of(receiver, field.name, span))
            }
            A::TupleField(_) | A::Index(_) => self.without_last_fact(written),
            _ => {
                let value = self.expr(written, Want::Infer);
                if !value.is_wrong() {
                    let diagnostic =
                        Diagnostic::error(codes::NOT_A_PLACE, span, "only variables, fields and elements can be assigned to");
                    self.report(match &written.peel().kind {
                        A::Tuple(_) => diagnostic.with_help(
                            "assign one after the other; `let (a, b) = …;` declares several, and `xs.swap(i, j)` swaps elements",
                        ),
                        _ => diagnostic,
                    });
                }
                return None;
            }
        };
        if expr.is_wrong() {
            return None;
        }
        if let A::Index(index) = &written.kind
            && let ExprKind::Index(receiver, _) = &expr.kind
            && matches!(self.types.of(receiver.ty), Type::Str | Type::Json)
        {
            let shown = self.show(receiver.ty);
            let diagnostic = Diagnostic::error(codes::NOT_A_PLACE, span, format!("parts of a `{shown}` cannot be changed"))
                .with_label(index.receiver.span, format!("this is a `{shown}`"))
                .with_help("make a new value instead");
            self.report(diagnostic);
            return None;
        }
        match self.place_of(expr) {
            Ok(place) => {
                self.frame().uses[place.local.0 as usize].reads -= 1;
                Some(place)
            }
            Err(_) => {
                self.error(codes::NOT_A_PLACE, span, "only variables, their fields and their elements can be assigned to");
                None
            }
        }
    }

    fn without_last_fact(&mut self, written: &'a ast::Expr) -> Expr {
        let expr = self.expr(written, Want::Infer);
        // A tuple's part may carry a fact; the place has its declared type.
        match expr.kind {
            ExprKind::Retype(inner) if matches!(inner.kind, ExprKind::Field(..)) && matches!(written.kind, A::TupleField(_)) => {
                *inner
            }
            kind => Expr::new(kind, expr.ty, expr.span),
        }
    }

    fn without_facts<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let facts = std::mem::take(&mut self.frame().narrowed);
        let result = work(self);
        self.frame().narrowed = facts;
        result
    }

    /// The place that an expression reads.
    pub(super) fn place_of(&mut self, expr: Expr) -> Result<Place, Expr> {
        let (ty, span) = (expr.ty, expr.span);
        if !is_place(&expr) {
            return Err(expr);
        }
        let mut steps = Vec::new();
        let local = unwind(expr, &mut steps);
        steps.reverse();
        Ok(Place { local, steps, ty, span })
    }

    /// Whether a place may be changed; reports where not.
    pub(super) fn changeable(&mut self, place: &Place, span: Span) -> bool {
        let role = self.frame_ref().roles[place.local.0 as usize];
        self.frame().uses[place.local.0 as usize].changes += 1;
        let name = self.frame_ref().locals[place.local.0 as usize].name.clone();
        match role {
            Role::Variable | Role::MutSelf => true,
            // Once is enough.
            Role::Parameter if self.frame_ref().uses[place.local.0 as usize].changes > 1 => true,
            Role::Parameter => {
                let (what, help) = if name == "self" {
                    (
                        "the method has its own copy of `self`".to_string(),
                        "write `mut self` to change the caller's value".to_string(),
                    )
                } else {
                    (
                        format!("the caller does not see this change of `{name}`"),
                        format!("to make a variable of it, write `let {name} = {name};` first"),
                    )
                };
                self.report(Diagnostic::warning(codes::PARAMETER_CHANGED, span, what).with_help(help));
                true
            }
            Role::Capture => {
                self.report(
                    Diagnostic::error(codes::CAPTURE_CHANGED, span, format!("`{name}` is a copy here and cannot be changed"))
                        .with_remark("a closure copies the variables it uses")
                        .with_help("let the closure return the new value, and assign it outside"),
                );
                false
            }
        }
    }
}

/// Whether an expression reads a variable or something inside of one.
fn is_place(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Local(_) => true,
        ExprKind::Retype(inner) | ExprKind::Field(inner, _) | ExprKind::Index(inner, _) => is_place(inner),
        _ => false,
    }
}

/// Steps of a place, innermost first, and its variable.
fn unwind(expr: Expr, steps: &mut Vec<PlaceStep>) -> crate::ir::LocalId {
    match expr.kind {
        ExprKind::Local(local) => local,
        ExprKind::Retype(inner) => unwind(*inner, steps),
        ExprKind::Field(inner, field) => {
            steps.push(PlaceStep::Field(field));
            unwind(*inner, steps)
        }
        ExprKind::Index(inner, key) => {
            steps.push(PlaceStep::Index(*key));
            unwind(*inner, steps)
        }
        _ => unreachable!("is_place said that only places are inside"),
    }
}

/// The place as one about which facts are kept: a variable and fields.
fn spot_of(place: &Place) -> Option<Spot> {
    let mut spot = Spot::local(place.local);
    for step in &place.steps {
        match step {
            PlaceStep::Field(field) => spot = spot.field(*field),
            PlaceStep::Index(_) => return None,
        }
    }
    Some(spot)
}
