//! Operators: from what is written between two values to the operation on their types.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::constant_int;
use super::statement::Want;
use crate::ast::{self, BinaryOperator as O, ExprKind as A, UnaryOperator};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{BinaryOp, Block, Expr, ExprKind, UnaryOp};
use crate::source::Span;

impl<'a> Checker<'a> {
    /// `-x`, `!x`
    pub(super) fn unary(&mut self, unary: &'a ast::Unary, want: Want, span: Span) -> Expr {
        match unary.operator {
            UnaryOperator::Not => {
                let operand = self.condition(&unary.operand);
                let ty = self.types.bool;
                Expr::new(ExprKind::Unary(UnaryOp::Not, Box::new(operand)), ty, span)
            }
            UnaryOperator::Negate => {
                if let A::Literal(literal) = &unary.operand.kind
                    && let Some(negative) = self.negated_literal(literal, want, span)
                {
                    return negative;
                }
                let operand = self.value(&unary.operand, want);
                let operation = match self.types.of(operand.ty) {
                    Type::Int => UnaryOp::NegInt,
                    Type::Float => UnaryOp::NegFloat,
                    Type::Duration => UnaryOp::NegDuration,
                    Type::Money => UnaryOp::NegMoney,
                    Type::Parameter(index) if self.is_number_parameter(*index) => {
                        let zero = Expr::new(ExprKind::Constant(Constant::Int(0)), operand.ty, span);
                        return self.generic_arithmetic(O::Subtract, zero, operand, span);
                    }
                    _ if operand.is_wrong() => return operand,
                    _ => {
                        let shown = self.show(operand.ty);
                        let diagnostic = Diagnostic::error(codes::OPERATOR, span, format!("a `{shown}` cannot be negated"))
                            .with_help("`-` is for numbers, durations and money");
                        return self.wrong(diagnostic);
                    }
                };
                let ty = operand.ty;
                Expr::new(ExprKind::Unary(operation, Box::new(operand)), ty, span)
            }
        }
    }

    /// `a + b`. Chains to the left are followed without recursion: they may be long.
    pub(super) fn binary(&mut self, written: &'a ast::Expr, want: Want) -> Expr {
        let mut chain: Vec<(&'a ast::Binary, Span)> = Vec::new();
        let mut at = written;
        while let A::Binary(binary) = &at.kind {
            if matches!(binary.operator, O::And | O::Or | O::Coalesce) {
                break;
            }
            chain.push((binary, at.span));
            at = &binary.left;
        }
        let Some((innermost, _)) = chain.last() else { return self.short_circuit(at, want) };
        let hint = self.operand_hint(innermost, want);
        let mut left = if matches!(at.kind, A::Binary(_)) { self.short_circuit(at, hint) } else { self.operand(at, hint) };
        while let Some((binary, span)) = chain.pop() {
            let hint = self.operand_hint(binary, want);
            let hint = match (binary.operator, hint) {
                // `x == Approve`: a bare variant takes the type of the other side.
                (O::Equal | O::NotEqual, Want::Infer) => {
                    let ty = self.types.without_null(left.ty);
                    match self.types.of(ty) {
                        Type::Enum(..) | Type::Array(_) | Type::Map(..) | Type::Tuple(_) | Type::Result(..) => Want::Hint(ty),
                        _ => Want::Infer,
                    }
                }
                (O::Add, Want::Infer) if matches!(self.types.of(left.ty), Type::Array(_)) => Want::Hint(left.ty),
                (_, hint) => hint,
            };
            let right = self.operand(&binary.right, hint);
            left = self.operation(binary, left, right, span);
        }
        left
    }

    fn operand(&mut self, written: &'a ast::Expr, hint: Want) -> Expr {
        self.value(written, hint)
    }

    /// A float, where one is wanted and both sides are int literals; arrays keep the wanted type.
    fn operand_hint(&self, binary: &ast::Binary, want: Want) -> Want {
        let Want::Hint(hint) = want else { return Want::Infer };
        let is_arithmetic = matches!(binary.operator, O::Add | O::Subtract | O::Multiply | O::Divide | O::Remainder);
        match self.types.of(hint) {
            Type::Float if is_arithmetic && Self::is_literal_int(&binary.left) && Self::is_literal_int(&binary.right) => want,
            Type::Array(_) if binary.operator == O::Add => want,
            _ => Want::Infer,
        }
    }

    fn short_circuit(&mut self, written: &'a ast::Expr, want: Want) -> Expr {
        let A::Binary(binary) = &written.kind else { return self.value(written, want) };
        let span = written.span;
        let bool = self.types.bool;
        match binary.operator {
            O::Coalesce => self.coalesce(binary, want, span),
            O::And | O::Or => {
                let is_and = binary.operator == O::And;
                let left = self.condition(&binary.left);
                let (before, was_reachable) = (self.frame().narrowed.clone(), self.frame().is_reachable);
                let facts = self.facts(&left, is_and);
                self.frame().narrowed.learn(facts);
                let right = self.condition(&binary.right);
                self.maybe_ran(&before);
                self.frame().is_reachable = was_reachable;
                let (left, right) = (Box::new(left), Box::new(right));
                let kind = if is_and { ExprKind::And(left, right) } else { ExprKind::Or(left, right) };
                Expr::new(kind, bool, span)
            }
            _ => self.binary(written, want),
        }
    }

    fn coalesce(&mut self, binary: &'a ast::Binary, want: Want, span: Span) -> Expr {
        let left_want = want.hint().map_or(Want::Infer, |hint| Want::Hint(self.types.optional(hint)));
        let left = self.value(&binary.left, left_want);
        let was_reachable = self.frame().is_reachable;
        let inner = match self.types.of(left.ty) {
            Type::Optional(inner) => *inner,
            Type::Null | Type::Any | Type::Json => left.ty,
            _ if left.is_wrong() || self.is_declared_optional(&left) => left.ty,
            _ => {
                let shown = self.show(left.ty);
                self.report(
                    Diagnostic::warning(codes::NEVER_NULL, left.span, "this is never null, so the default is never used")
                        .with_remark(format!("this is a `{shown}`")),
                );
                left.ty
            }
        };
        let hint = if inner == self.types.null { want } else { Want::Hint(inner) };
        let before = self.frame().narrowed.clone();
        let right = self.value(&binary.right, hint);
        self.maybe_ran(&before);
        self.frame().is_reachable = was_reachable;
        let ty = match self.types.of(right.ty) {
            // `a ?? b` of two optionals may still be null.
            Type::Optional(_) | Type::Null => self.types.optional(inner),
            _ if inner == self.types.null => right.ty,
            _ => inner,
        };
        let right = self.coerce(right, ty, super::fits::Why::Plain);
        Expr::new(ExprKind::Coalesce(Box::new(left), Box::new(right)), ty, span)
    }

    /// One operation on two checked operands.
    pub(super) fn operation(&mut self, binary: &ast::Binary, left: Expr, right: Expr, span: Span) -> Expr {
        if left.is_wrong() || right.is_wrong() {
            let ty = match binary.operator {
                O::Equal | O::NotEqual | O::Less | O::LessEqual | O::Greater | O::GreaterEqual | O::In => self.types.bool,
                _ => super::types::ERROR,
            };
            return Expr::wrong(span).retyped(ty);
        }
        match binary.operator {
            O::Equal | O::NotEqual => self.compare_equal(binary, left, right, span),
            O::Less | O::LessEqual | O::Greater | O::GreaterEqual => self.compare_order(binary, left, right, span),
            O::In => self.contains(binary, left, right, span),
            _ => match self.apply(binary.operator, left, right, span) {
                Ok(expr) => expr,
                Err((left, right)) => self.bad_operands(binary, &left, &right),
            },
        }
    }

    /// `+` of text, parts and messages: a message of all of it.
    fn join_message(&mut self, left: Expr, right: Expr, span: Span) -> Result<Expr, (Expr, Expr)> {
        let Some((message, parts)) = self.message_types() else { return Err((left, right)) };
        let is_part = |checker: &Self, ty: TypeId| {
            checker.types.of(ty) == &Type::Str || ty == message || ty == parts || checker.types.of(parts) == &Type::Array(ty)
        };
        if !is_part(self, left.ty) || !is_part(self, right.ty) {
            return Err((left, right));
        }
        let part = match self.types.of(parts) {
            Type::Array(part) => *part,
            _ => return Err((left, right)),
        };
        let as_parts = |expr: Expr| {
            let span = expr.span;
            if expr.ty == parts {
                expr
            } else if expr.ty == message {
                Expr::new(ExprKind::Field(Box::new(expr), 0), parts, span)
            } else if expr.ty == part {
                Expr::new(ExprKind::Array(vec![expr]), parts, span)
            } else {
                // `Text` is the first variant.
                let text = Expr::new(ExprKind::Variant(0, vec![expr]), part, span);
                Expr::new(ExprKind::Array(vec![text]), parts, span)
            }
        };
        let (left, right) = (Box::new(as_parts(left)), Box::new(as_parts(right)));
        let joined = Expr::new(ExprKind::Binary(BinaryOp::Concat, left, right), parts, span);
        Ok(Expr::new(ExprKind::Struct(vec![joined]), message, span))
    }

    /// An arithmetic operator, or the operands back where there is no such operation.
    fn apply(&mut self, operator: O, left: Expr, right: Expr, span: Span) -> Result<Expr, (Expr, Expr)> {
        use BinaryOp as B;
        if operator == O::Add && (self.is_message(left.ty) || self.is_message(right.ty)) {
            return self.join_message(left, right, span);
        }
        let (int, float, duration, money) = (self.types.int, self.types.float, self.types.duration, self.types.money);
        let (l, r) = (self.types.of(left.ty), self.types.of(right.ty));
        let (operation, ty) = match (operator, l, r) {
            (O::Add, Type::Int, Type::Int) => (B::AddInt, int),
            (O::Subtract, Type::Int, Type::Int) => (B::SubInt, int),
            (O::Multiply, Type::Int, Type::Int) => (B::MulInt, int),
            (O::Divide, Type::Int, Type::Int) => (B::DivInt, int),
            (O::Remainder, Type::Int, Type::Int) => (B::RemInt, int),
            (O::BitAnd, Type::Int, Type::Int) => (B::AndInt, int),
            (O::BitOr, Type::Int, Type::Int) => (B::OrInt, int),
            (O::BitXor, Type::Int, Type::Int) => (B::XorInt, int),
            (O::ShiftLeft, Type::Int, Type::Int) => (B::ShlInt, int),
            (O::ShiftRight, Type::Int, Type::Int) => (B::ShrInt, int),
            (O::Add, Type::Float, Type::Float) => (B::AddFloat, float),
            (O::Subtract, Type::Float, Type::Float) => (B::SubFloat, float),
            (O::Multiply, Type::Float, Type::Float) => (B::MulFloat, float),
            (O::Divide, Type::Float, Type::Float) => (B::DivFloat, float),
            (O::Remainder, Type::Float, Type::Float) => (B::RemFloat, float),
            (O::Add, Type::Duration, Type::Duration) => (B::AddDuration, duration),
            (O::Subtract, Type::Duration, Type::Duration) => (B::SubDuration, duration),
            (O::Multiply, Type::Duration, Type::Int) => (B::MulDurationInt, duration),
            (O::Multiply, Type::Duration, Type::Float) => (B::MulDurationFloat, duration),
            (O::Divide, Type::Duration, Type::Int) => (B::DivDurationInt, duration),
            (O::Divide, Type::Duration, Type::Float) => (B::DivDurationFloat, duration),
            (O::Divide, Type::Duration, Type::Duration) => (B::DivDuration, float),
            (O::Remainder, Type::Duration, Type::Duration) => (B::RemDuration, duration),
            (O::Add, Type::Money, Type::Money) => (B::AddMoney, money),
            (O::Subtract, Type::Money, Type::Money) => (B::SubMoney, money),
            (O::Multiply, Type::Money, Type::Int) => (B::MulMoneyInt, money),
            (O::Multiply, Type::Money, Type::Float) => (B::MulMoneyFloat, money),
            (O::Divide, Type::Money, Type::Int) => (B::DivMoneyInt, money),
            (O::Divide, Type::Money, Type::Float) => (B::DivMoneyFloat, money),
            (O::Divide, Type::Money, Type::Money) => (B::DivMoney, float),
            // `2 * 30s`: the number may stand first.
            (O::Multiply, Type::Int | Type::Float, Type::Duration | Type::Money) => {
                return self.turned_product(left, right, span);
            }
            // An int beside a float becomes one.
            (O::Add | O::Subtract | O::Multiply | O::Divide | O::Remainder, Type::Int, Type::Float) => {
                let left = self.widen(left);
                return self.apply(operator, left, right, span);
            }
            (O::Add | O::Subtract | O::Multiply | O::Divide | O::Remainder, Type::Float, Type::Int) => {
                let right = self.widen(right);
                return self.apply(operator, left, right, span);
            }
            // An int literal beside money or a duration is one.
            (O::Add | O::Subtract, Type::Int, Type::Money | Type::Duration) if constant_int(&left).is_some() => {
                let wanted = right.ty;
                return match self.convert(left, wanted) {
                    Ok(left) => self.apply(operator, left, right, span),
                    Err(left) => Err((left, right)),
                };
            }
            (O::Add | O::Subtract, Type::Money | Type::Duration, Type::Int) if constant_int(&right).is_some() => {
                let wanted = left.ty;
                return match self.convert(right, wanted) {
                    Ok(right) => self.apply(operator, left, right, span),
                    Err(right) => Err((left, right)),
                };
            }
            (O::Add | O::Subtract | O::Multiply | O::Divide | O::Remainder, Type::Parameter(a), Type::Parameter(b))
                if a == b && self.is_number_parameter(*a) =>
            {
                return Ok(self.generic_arithmetic(operator, left, right, span));
            }
            (O::Add, _, _) => return self.join(left, right, span),
            _ => return Err((left, right)),
        };
        Ok(Expr::new(ExprKind::Binary(operation, Box::new(left), Box::new(right)), ty, span))
    }

    fn is_number_parameter(&self, index: u32) -> bool {
        self.generics.get(index as usize).is_some_and(|generic| generic.is_number)
    }

    /// Arithmetic on a type parameter that stands for `int` or `float`: which one, the right operand tells when it runs.
    fn generic_arithmetic(&mut self, operator: O, left: Expr, right: Expr, span: Span) -> Expr {
        let (int, float, bool, ty) = (self.types.int, self.types.float, self.types.bool, right.ty);
        let (of_ints, of_floats) = match operator {
            O::Add => (BinaryOp::AddInt, BinaryOp::AddFloat),
            O::Subtract => (BinaryOp::SubInt, BinaryOp::SubFloat),
            O::Multiply => (BinaryOp::MulInt, BinaryOp::MulFloat),
            O::Divide => (BinaryOp::DivInt, BinaryOp::DivFloat),
            _ => (BinaryOp::RemInt, BinaryOp::RemFloat),
        };
        // A zero before a minus sign is the only literal that comes here.
        let is_negation = constant_int(&left).is_some();
        let (first, second) = (self.hidden_local("left", ty, left.span), self.hidden_local("right", ty, right.span));
        let read = |local, ty| Expr::new(ExprKind::Local(local), right.ty, span).retyped(ty);
        let block = |value: Expr| Block { statements: Vec::new(), value: Some(Box::new(value)), span, joins_at_end: Vec::new() };
        let on_ints = if is_negation {
            Expr::new(ExprKind::Unary(UnaryOp::NegInt, Box::new(read(second, int))), int, span)
        } else {
            Expr::new(ExprKind::Binary(of_ints, Box::new(read(first, int)), Box::new(read(second, int))), int, span)
        };
        let on_floats = if is_negation {
            Expr::new(ExprKind::Unary(UnaryOp::NegFloat, Box::new(read(second, float))), float, span)
        } else {
            Expr::new(ExprKind::Binary(of_floats, Box::new(read(first, float)), Box::new(read(second, float))), float, span)
        };
        let is_int = Expr::new(ExprKind::IsType(Box::new(read(second, ty)), int), bool, span);
        let kind = ExprKind::If(vec![(is_int, block(on_ints.retyped(ty)))], Some(block(on_floats.retyped(ty))));
        let value = Expr::new(kind, ty, span);
        let variables = if is_negation { vec![(second, right)] } else { vec![(first, left), (second, right)] };
        self.block_value(variables, value)
    }

    /// A number times a duration or money; the number is computed first, as it stands first.
    fn turned_product(&mut self, left: Expr, right: Expr, span: Span) -> Result<Expr, (Expr, Expr)> {
        if matches!(left.kind, ExprKind::Constant(_) | ExprKind::Local(_)) || matches!(right.kind, ExprKind::Constant(_)) {
            return self.apply(O::Multiply, right, left, span);
        }
        let local = self.hidden_local("factor", left.ty, left.span);
        let factor = Expr::new(ExprKind::Local(local), left.ty, left.span);
        let product = self.apply(O::Multiply, right, factor, span)?;
        Ok(self.block_value(vec![(local, left)], product))
    }

    /// An int as a float.
    pub(super) fn widen(&mut self, expr: Expr) -> Expr {
        let (span, float) = (expr.span, self.types.float);
        match constant_int(&expr) {
            Some(value) => Expr::new(ExprKind::Constant(Constant::Float(value as f64)), float, span),
            None => Expr::new(ExprKind::Unary(UnaryOp::IntToFloat, Box::new(expr)), float, span),
        }
    }

    /// `+` of text with anything that prints, of arrays, of bytes.
    fn join(&mut self, left: Expr, right: Expr, span: Span) -> Result<Expr, (Expr, Expr)> {
        let str = self.types.str;
        let (l, r) = (self.types.of(left.ty), self.types.of(right.ty));
        if *l == Type::Str || *r == Type::Str {
            if matches!(l, Type::Void) || matches!(r, Type::Void) {
                return Err((left, right));
            }
            let (left, right) = (self.text_operand(left), self.text_operand(right));
            return Ok(match left.kind {
                ExprKind::JoinText(mut parts) if left.ty == str => {
                    parts.push(right);
                    Expr::new(ExprKind::JoinText(parts), str, span)
                }
                ExprKind::Binary(BinaryOp::Concat, first, second) => {
                    Expr::new(ExprKind::JoinText(vec![*first, *second, right]), str, span)
                }
                _ => Expr::new(ExprKind::Binary(BinaryOp::Concat, Box::new(left), Box::new(right)), str, span),
            });
        }
        match (l, r) {
            (Type::Array(_), Type::Array(_)) => {
                let wanted = left.ty;
                if right.ty != wanted {
                    return Err((left, right));
                }
                Ok(Expr::new(ExprKind::Binary(BinaryOp::Concat, Box::new(left), Box::new(right)), wanted, span))
            }
            (Type::Bytes, Type::Bytes) => {
                let ty = left.ty;
                Ok(Expr::new(ExprKind::Binary(BinaryOp::Concat, Box::new(left), Box::new(right)), ty, span))
            }
            _ => Err((left, right)),
        }
    }

    /// Beside text, an answer of a server counts as its body.
    fn text_operand(&mut self, operand: Expr) -> Expr {
        match self.types.of(operand.ty) {
            Type::Struct(..) => {
                let str = self.types.str;
                self.convert(operand, str).unwrap_or_else(|operand| operand)
            }
            _ => operand,
        }
    }

    fn bad_operands(&mut self, binary: &ast::Binary, left: &Expr, right: &Expr) -> Expr {
        let (l, r) = (self.show(left.ty), self.show(right.ty));
        let operator = binary.operator.text();
        let title = format!("`{operator}` does not go with `{l}` and `{r}`");
        let mut diagnostic = Diagnostic::error(codes::OPERATOR, binary.operator_span, title)
            .with_label(left.span, format!("this is a `{l}`"))
            .with_label(right.span, format!("this is a `{r}`"));
        let (lt, rt) = (self.types.of(left.ty), self.types.of(right.ty));
        if matches!(lt, Type::Optional(_)) || matches!(rt, Type::Optional(_)) {
            diagnostic = diagnostic.with_help("test for null first, or give a default with `??`");
        } else if matches!(lt, Type::Any | Type::Json) || matches!(rt, Type::Any | Type::Json) {
            diagnostic = diagnostic.with_help("look at its type first: `match x { n: int => …, _ => … }`");
        } else if matches!((lt, rt), (Type::Array(_), _)) && binary.operator == O::Add {
            diagnostic =
                diagnostic.with_help("`+` joins two arrays of one type; to append one value, write `xs + [x]` or `xs.push(x)`");
        } else if matches!(lt, Type::Bool) && matches!(binary.operator, O::BitAnd | O::BitOr) {
            let text = if binary.operator == O::BitAnd { "&&" } else { "||" };
            diagnostic = diagnostic.with_suggestion(format!("write `{text}`"), binary.operator_span, text);
        } else if matches!(lt, Type::Agent(_) | Type::AnyAgent) && binary.operator == O::Less {
            diagnostic = diagnostic.with_suggestion("to send, write `<-`", binary.operator_span, "<-");
        }
        self.wrong(diagnostic)
    }

    /// A declared supervisor beside a process is compared as the process that it is.
    fn as_process(&mut self, operand: Expr) -> Expr {
        match self.types.of(operand.ty) {
            Type::Struct(..) => {
                let process = self.types.process;
                self.convert(operand, process).unwrap_or_else(|operand| operand)
            }
            _ => operand,
        }
    }

    fn compare_equal(&mut self, binary: &ast::Binary, left: Expr, right: Expr, span: Span) -> Expr {
        let bool = self.types.bool;
        let (left, right) = self.comparable(left, right);
        if left.is_wrong() {
            return Expr::wrong(span).retyped(bool);
        }
        let unequal = binary.operator == O::NotEqual;
        let process = self.types.process;
        let (left, right) = match (left.ty == process, right.ty == process) {
            (true, false) => (left, self.as_process(right)),
            (false, true) => (self.as_process(left), right),
            _ => (left, right),
        };
        let (l, r) = (left.ty, right.ty);
        let null = self.types.null;
        if l != r && l != null && r != null && !self.is_subtype(l, r) && !self.is_subtype(r, l) {
            let (shown_left, shown_right) = (self.show(l), self.show(r));
            let mut diagnostic =
                Diagnostic::error(codes::COMPARE, binary.operator_span, "values of different types are never equal")
                    .with_label(left.span, format!("this is a `{shown_left}`"))
                    .with_label(right.span, format!("this is a `{shown_right}`"));
            if matches!((self.types.of(l), self.types.of(r)), (Type::Str, Type::Int) | (Type::Int, Type::Str)) {
                diagnostic = diagnostic.with_help("`parse_int(s)` makes a number of text, `str(n)` text of a number");
            }
            return self.wrong(diagnostic).retyped(bool);
        }
        if matches!(self.types.of(l), Type::Function(..) | Type::Stream(_) | Type::Future(_)) && r != null {
            let shown = self.show(l);
            let diagnostic =
                Diagnostic::error(codes::COMPARE, binary.operator_span, format!("values of `{shown}` cannot be compared"));
            return self.wrong(diagnostic).retyped(bool);
        }
        let tested = if l == null { &right } else { &left };
        if (l == null || r == null) && self.is_never_null(tested.ty) && !self.is_declared_optional(tested) {
            let shown = self.show(tested.ty);
            self.report(
                Diagnostic::warning(codes::NEVER_NULL, span, format!("a `{shown}` is never null")).with_remark(if unequal {
                    "always true"
                } else {
                    "always false"
                }),
            );
        }
        let (equal, not_equal) = if l == r { self.equality(l) } else { (BinaryOp::Eq, BinaryOp::Ne) };
        let operation = if unequal { not_equal } else { equal };
        Expr::new(ExprKind::Binary(operation, Box::new(left), Box::new(right)), bool, span)
    }

    /// Whether a value is only known not to be null here, while its place may hold null: testing it is no mistake.
    fn is_declared_optional(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Retype(inner) => matches!(self.types.of(inner.ty), Type::Optional(_)),
            _ => false,
        }
    }

    fn is_never_null(&self, ty: TypeId) -> bool {
        !matches!(self.types.of(ty), Type::Optional(_) | Type::Null | Type::Any | Type::Json | Type::Parameter(_))
    }

    /// Brings two operands to one type where a conversion is allowed between them.
    fn comparable(&mut self, left: Expr, right: Expr) -> (Expr, Expr) {
        match (self.types.of(left.ty), self.types.of(right.ty)) {
            (Type::Int, Type::Float) => (self.widen(left), right),
            (Type::Float, Type::Int) => {
                let right = self.widen(right);
                (left, right)
            }
            (Type::Int, Type::Duration | Type::Money) if constant_int(&left).is_some() => {
                let wanted = right.ty;
                let left = self.coerce(left, wanted, super::fits::Why::Plain);
                (left, right)
            }
            (Type::Duration | Type::Money, Type::Int) if constant_int(&right).is_some() => {
                let wanted = left.ty;
                let right = self.coerce(right, wanted, super::fits::Why::Plain);
                (left, right)
            }
            _ => (left, right),
        }
    }

    fn compare_order(&mut self, binary: &ast::Binary, left: Expr, right: Expr, span: Span) -> Expr {
        use BinaryOp as B;
        let bool = self.types.bool;
        let (left, right) = self.comparable(left, right);
        let (l, r) = (self.types.of(left.ty), self.types.of(right.ty));
        let row = match (l, r) {
            (Type::Int, Type::Int) | (Type::Duration, Type::Duration) | (Type::Money, Type::Money) => {
                [B::LtInt, B::LeInt, B::GtInt, B::GeInt]
            }
            (Type::Float, Type::Float) => [B::LtFloat, B::LeFloat, B::GtFloat, B::GeFloat],
            (Type::Str, Type::Str) => [B::Lt, B::Le, B::Gt, B::Ge],
            (Type::Parameter(a), Type::Parameter(b))
                if a == b && self.generics.get(*a as usize).is_some_and(|generic| generic.is_ordered || generic.is_number) =>
            {
                [B::Lt, B::Le, B::Gt, B::Ge]
            }
            (Type::Parameter(a), Type::Parameter(b)) if a == b => {
                let shown = self.show(left.ty);
                let diagnostic =
                    Diagnostic::error(codes::OPERATOR, binary.operator_span, format!("values of `{shown}` cannot be ordered"))
                        .with_help(format!("write `{shown}: Ord` where the type parameter is declared"));
                return self.wrong(diagnostic).retyped(bool);
            }
            _ => return self.bad_operands(binary, &left, &right).retyped(bool),
        };
        let operation = match binary.operator {
            O::Less => row[0],
            O::LessEqual => row[1],
            O::Greater => row[2],
            _ => row[3],
        };
        Expr::new(ExprKind::Binary(operation, Box::new(left), Box::new(right)), bool, span)
    }

    fn contains(&mut self, binary: &ast::Binary, left: Expr, right: Expr, span: Span) -> Expr {
        let bool = self.types.bool;
        let wanted = match *self.types.of(right.ty) {
            Type::Array(element) => element,
            Type::Map(key, _) => key,
            Type::Str => self.types.str,
            Type::Range => self.types.int,
            _ => {
                let shown = self.show(right.ty);
                let diagnostic = Diagnostic::error(codes::OPERATOR, binary.operator_span, format!("nothing is `in` a `{shown}`"))
                    .with_help("`in` looks for an element of an array, a key of a map, a part of a `str`, a number of a range");
                return self.wrong(diagnostic).retyped(bool);
            }
        };
        let left = self.coerce(left, wanted, super::fits::Why::Plain);
        Expr::new(ExprKind::Binary(BinaryOp::Contains, Box::new(left), Box::new(right)), bool, span)
    }
}
