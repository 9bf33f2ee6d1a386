//! Values written down: numbers, text, containers.

use vega_bytecode::module::Constant;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::fits::Why;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Align, ComprehensionClause, FormatStyle, Literal, StringPart};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Expr, ExprKind};
use crate::resolve::definition::Found;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// A literal; an int becomes a float, duration or money where one is wanted.
    pub(super) fn literal(&mut self, literal: &Literal, want: Want, span: Span) -> Expr {
        let (constant, ty) = match literal {
            Literal::Int(value) => {
                let hint = want.hint().map(|ty| self.types.without_null(ty));
                match hint.map(|ty| self.types.of(ty)) {
                    Some(Type::Float) => (Constant::Float(*value as f64), self.types.float),
                    _ => (Constant::Int(*value), self.types.int),
                }
            }
            Literal::Float(value) => (Constant::Float(*value), self.types.float),
            Literal::Bool(value) => (Constant::Bool(*value), self.types.bool),
            Literal::Null => (Constant::Null, self.types.null),
            Literal::Str(text) => (Constant::Str(text.to_string()), self.types.str),
            Literal::Duration(value) => (Constant::Duration(*value), self.types.duration),
            Literal::Money(value) => (Constant::Money(*value), self.types.money),
        };
        Expr::new(ExprKind::Constant(constant), ty, span)
    }

    /// `f"…"`
    pub(super) fn interpolated(&mut self, parts: &'a [StringPart], span: Span) -> Expr {
        let text = self.types.str;
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                StringPart::Text(content, span) => {
                    pieces.push(Expr::new(ExprKind::Constant(Constant::Str(content.to_string())), text, *span));
                }
                StringPart::Hole(hole) => {
                    let value = self.value(&hole.value, Want::Infer);
                    pieces.push(match &hole.format {
                        Some(format) => self.formatted(value, format, hole.span),
                        None => value,
                    });
                }
            }
        }
        match pieces.len() {
            0 => Expr::new(ExprKind::Constant(Constant::Str(String::new())), text, span),
            _ => Expr::new(ExprKind::JoinText(pieces), text, span),
        }
    }

    fn formatted(&mut self, value: Expr, format: &ast::Format, span: Span) -> Expr {
        let is_number = matches!(self.types.of(value.ty), Type::Int | Type::Float) || value.is_wrong();
        let is_int = self.types.of(value.ty) == &Type::Int || value.is_wrong();
        let takes_places = is_number || matches!(self.types.of(value.ty), Type::Str | Type::Money);
        let problem = match (format.style, format.precision, format.is_zero_filled) {
            (Some(FormatStyle::Exponent), ..) if !is_number => Some("`e` is for numbers"),
            (Some(FormatStyle::HexLower | FormatStyle::HexUpper | FormatStyle::Binary | FormatStyle::Octal), ..) if !is_int => {
                Some("`x`, `X`, `b` and `o` are for an `int`")
            }
            (_, Some(_), _) if is_int && !value.is_wrong() => Some("digits behind the point are for a `float`"),
            (_, Some(_), _) if !takes_places => Some("`.N` is for a `float`, a `money` or a `str`"),
            (_, _, true) if !is_number => Some("filling with zeros is for numbers"),
            _ => None,
        };
        if let Some(problem) = problem {
            let shown = self.show(value.ty);
            let diagnostic = Diagnostic::error(codes::FORMAT, format.span, format!("this format does not fit a `{shown}`"))
                .with_remark(problem);
            return self.wrong(diagnostic);
        }
        let ty = self.types.str;
        Expr::new(ExprKind::Format(Box::new(value), format_text(format)), ty, span)
    }

    /// `(a, b)`
    pub(super) fn tuple(&mut self, parts: &'a [ast::Expr], want: Want, span: Span) -> Expr {
        let hints = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Tuple(hints)) if hints.len() == parts.len() => hints.clone(),
            _ => Vec::new(),
        };
        let mut values = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let value = match hints.get(index) {
                Some(hint) if !self.is_open(*hint) => self.expr_as(part, *hint, Why::Plain),
                _ => self.value(part, Want::Infer),
            };
            values.push(value);
        }
        let ty = self.types.tuple(values.iter().map(|value| value.ty).collect());
        Expr::new(ExprKind::Tuple(values), ty, span)
    }

    /// `[a, b]`
    pub(super) fn array(&mut self, elements: &'a [ast::Expr], want: Want, span: Span) -> Expr {
        let hint = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Array(element)) => Some(*element),
            Some(Type::Any) => Some(self.types.any),
            _ => None,
        };
        if let Some(element) = hint.filter(|hint| !self.is_open(*hint)) {
            let values = elements.iter().map(|written| self.expr_as(written, element, Why::Plain)).collect();
            let ty = self.types.array(element);
            return Expr::new(ExprKind::Array(values), ty, span);
        }
        if elements.is_empty() {
            if want == Want::Hint(ERROR) {
                return Expr::wrong(span);
            }
            if let Some(hint) = hint {
                let ty = self.types.array(hint);
                return Expr::new(ExprKind::Array(Vec::new()), ty, span);
            }
            let diagnostic = Diagnostic::error(codes::NEEDS_ANNOTATION, span, "what this array holds cannot be told")
                .with_help("write the type: `let xs: int[] = [];`");
            return self.wrong(diagnostic);
        }
        let values: Vec<Expr> = elements.iter().map(|written| self.value(written, Want::Infer)).collect();
        let (values, element) = self.unify(values, "the elements of an array have one type");
        let ty = self.types.array(element);
        Expr::new(ExprKind::Array(values), ty, span)
    }

    /// Whether a hint still has type parameters of a call that is being worked out.
    pub(super) fn is_open(&self, hint: TypeId) -> bool {
        self.types.has_hole(hint)
    }

    /// Brings values to one type.
    fn unify(&mut self, values: Vec<Expr>, rule: &str) -> (Vec<Expr>, TypeId) {
        let never = self.types.never;
        let mut common = never;
        for index in 0..values.len() {
            let ty = values[index].ty;
            // An int literal beside floats is a float.
            let widens = [ty, common].contains(&self.types.float) && [ty, common].contains(&self.types.int);
            if widens {
                common = self.types.float;
                continue;
            }
            match self.common_type(common, ty) {
                Some(found) => common = found,
                None => {
                    let (first, found) = (self.show(common), self.show(ty));
                    self.report(
                        Diagnostic::error(codes::MISMATCHED, values[index].span, rule)
                            .with_remark(format!("this is a `{found}`"))
                            .with_label(values[0].span, format!("this is a `{first}`"))
                            .with_help("for values of several types, write the type: `let xs: any[] = …`"),
                    );
                    return (values, ERROR);
                }
            }
        }
        let values = values.into_iter().map(|value| self.coerce(value, common, Why::Plain)).collect();
        (values, common)
    }

    /// `{ "key": value }`
    pub(super) fn map(&mut self, entries: &'a [ast::MapEntry], want: Want, span: Span) -> Expr {
        let hint = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Map(key, value)) => Some((*key, *value)),
            Some(Type::Any) => Some((self.types.str, self.types.any)),
            _ => None,
        };
        if let Some((key, value)) = hint.filter(|(key, value)| !self.is_open(*key) && !self.is_open(*value)) {
            if let (Type::Str, Some(name)) = (self.types.of(key), entries.iter().find_map(|entry| self.bare_key(&entry.key))) {
                return self.report_bare_key(name, span);
            }
            let entries = entries
                .iter()
                .map(|entry| (self.expr_as(&entry.key, key, Why::Plain), self.expr_as(&entry.value, value, Why::Plain)))
                .collect();
            let ty = self.types.map(key, value);
            return Expr::new(ExprKind::Map(entries), ty, span);
        }
        if entries.is_empty() {
            if want == Want::Hint(ERROR) {
                return Expr::wrong(span);
            }
            let diagnostic = Diagnostic::error(codes::NEEDS_ANNOTATION, span, "what this map holds cannot be told")
                .with_help("write the type: `let m: map<str, int> = {};`");
            return self.wrong(diagnostic);
        }
        if let Some(name) = entries.iter().find_map(|entry| self.bare_key(&entry.key)) {
            return self.report_bare_key(name, span);
        }
        let (keys, values): (Vec<Expr>, Vec<Expr>) =
            entries.iter().map(|entry| (self.value(&entry.key, Want::Infer), self.value(&entry.value, Want::Infer))).unzip();
        let (keys, key) = self.unify(keys, "the keys of a map have one type");
        let (values, value) = self.unify(values, "the values of a map have one type");
        self.expect_key_type(key, entries[0].key.span);
        let ty = self.types.map(key, value);
        Expr::new(ExprKind::Map(keys.into_iter().zip(values).collect()), ty, span)
    }

    /// A key that is a word which stands for nothing: `{ name: 1 }`, as in JavaScript.
    fn bare_key(&self, key: &ast::Expr) -> Option<ast::Ident> {
        let ast::ExprKind::Name(name) = key.kind else { return None };
        let is_known = self.is_local(name.symbol) || self.find_value(name.symbol) != Found::Nothing;
        (!is_known && self.find_kind(name.symbol).is_none() && self.variant_owner(name.symbol).is_none()).then_some(name)
    }

    fn report_bare_key(&mut self, name: ast::Ident, span: Span) -> Expr {
        let text = self.text(name.symbol).to_string();
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, name.span, format!("nothing called `{text}` is known here"))
            .with_remark("not found")
            .with_suggestion("a key that is a text stands between quotes", name.span, format!("\"{text}\""));
        self.report(diagnostic);
        Expr::wrong(span)
    }

    /// `[element for pattern in iterable if condition]`
    pub(super) fn comprehension(&mut self, written: &'a ast::Comprehension, want: Want, span: Span) -> Expr {
        let hint = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Array(element)) if !self.is_open(*element) => Some(*element),
            _ => None,
        };
        self.comprehension_from(&written.clauses, &written.element, hint, span)
    }

    /// A comprehension from one of its `for`s on; `hint` is the wanted type of the elements.
    fn comprehension_from(
        &mut self,
        clauses: &'a [ComprehensionClause],
        element: &'a ast::Expr,
        hint: Option<TypeId>,
        span: Span,
    ) -> Expr {
        let [ComprehensionClause::For(pattern, iterable), rest @ ..] = clauses else {
            return Expr::wrong(span);
        };
        let (conditions, inner) =
            rest.split_at(rest.iter().take_while(|clause| matches!(clause, ComprehensionClause::If(_))).count());
        let iterable = self.value(iterable, Want::Infer);
        let item = self.element_of(&iterable);
        let mark = self.frame().enter();
        let before = self.frame().narrowed.clone();
        let id = self.frame().fresh_loop();
        let pattern = self.irrefutable_pattern(pattern, item, "a comprehension");
        let mut condition: Option<Expr> = None;
        for clause in conditions {
            if let ComprehensionClause::If(written) = clause {
                let next = self.condition(written);
                let facts = self.facts(&next, true);
                self.frame().narrowed.learn(facts);
                let bool = self.types.bool;
                condition = Some(match condition {
                    Some(first) => {
                        let span = first.span.to(next.span);
                        Expr::new(ExprKind::And(Box::new(first), Box::new(next)), bool, span)
                    }
                    None => next,
                });
            }
        }
        let is_spread = !inner.is_empty();
        let value = match hint {
            _ if is_spread => self.comprehension_from(inner, element, hint, span),
            Some(hint) => self.expr_as(element, hint, Why::Plain),
            None => self.value(element, Want::Infer),
        };
        self.frame().leave(mark);
        self.maybe_ran(&before);
        let ty = if is_spread { value.ty } else { self.types.array(value.ty) };
        let kind = ExprKind::Comprehension {
            id,
            pattern,
            iterable: Box::new(iterable),
            condition: condition.map(Box::new),
            value: Box::new(value),
            is_spread,
        };
        Expr::new(kind, ty, span)
    }

    /// A negative number, where the operand is one as written.
    pub(super) fn negated_literal(&mut self, literal: &Literal, want: Want, span: Span) -> Option<Expr> {
        match literal {
            Literal::Int(value) => {
                let negative = value.checked_neg()?;
                Some(self.literal(&Literal::Int(negative), want, span))
            }
            Literal::Float(value) => Some(self.literal(&Literal::Float(-value), want, span)),
            Literal::Duration(value) => Some(self.literal(&Literal::Duration(value.checked_neg()?), want, span)),
            Literal::Money(value) => Some(self.literal(&Literal::Money(value.checked_neg()?), want, span)),
            Literal::Bool(_) | Literal::Null | Literal::Str(_) => None,
        }
    }

    /// Whether an expression is made of int literals alone, so that it can become a float as a whole.
    pub(super) fn is_literal_int(written: &ast::Expr) -> bool {
        match &written.peel().kind {
            ast::ExprKind::Literal(Literal::Int(_)) => true,
            ast::ExprKind::Unary(unary) => unary.operator == ast::UnaryOperator::Negate && Self::is_literal_int(&unary.operand),
            _ => false,
        }
    }
}

/// A format as the program carries it.
fn format_text(format: &ast::Format) -> String {
    let mut text = String::new();
    if format.fill != ' ' {
        text.push(format.fill);
    }
    match format.align {
        Some(Align::Left) => text.push('<'),
        Some(Align::Center) => text.push('^'),
        Some(Align::Right) => text.push('>'),
        None => {}
    }
    if format.is_zero_filled {
        text.push('0');
    }
    if let Some(width) = format.width {
        text.push_str(&width.to_string());
    }
    if let Some(precision) = format.precision {
        text.push('.');
        text.push_str(&precision.to_string());
    }
    text.push_str(match format.style {
        Some(FormatStyle::HexLower) => "x",
        Some(FormatStyle::HexUpper) => "X",
        Some(FormatStyle::Binary) => "b",
        Some(FormatStyle::Octal) => "o",
        Some(FormatStyle::Exponent) => "e",
        None => "",
    });
    text
}
