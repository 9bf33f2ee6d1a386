//! Values written down: numbers, text, containers, structs.

use vega_bytecode::module::Constant;
use vega_bytecode::types::{EnumId, StructId};
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::definition::{FieldInfo, Generic};
use super::fits::Why;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Align, ComprehensionClause, FormatStyle, Literal, StringPart};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Expr, ExprKind};
use crate::resolve::definition::{Found, TypeDefinition};
use crate::resolve::suggest::nearest;
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
        let is_text = self.types.of(value.ty) == &Type::Str;
        let problem = match (format.style, format.precision, format.is_zero_filled) {
            (Some(FormatStyle::Exponent), ..) if !is_number => Some("`e` is for numbers"),
            (Some(FormatStyle::HexLower | FormatStyle::HexUpper | FormatStyle::Binary | FormatStyle::Octal), ..) if !is_int => {
                Some("`x`, `X`, `b` and `o` are for an `int`")
            }
            (_, Some(_), _) if is_int && !value.is_wrong() => Some("digits behind the point are for a `float`"),
            (_, Some(_), _) if !is_number && !is_text => Some("`.N` is for a `float` or a `str`"),
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
                Some(hint) if !self.types.has_parameter(*hint) || !self.generics.is_empty() => {
                    self.expr_as(part, *hint, Why::Plain)
                }
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
        self.types.has_parameter(hint) && self.is_working_out
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
        let (keys, values): (Vec<Expr>, Vec<Expr>) =
            entries.iter().map(|entry| (self.value(&entry.key, Want::Infer), self.value(&entry.value, Want::Infer))).unzip();
        let (keys, key) = self.unify(keys, "the keys of a map have one type");
        let (values, value) = self.unify(values, "the values of a map have one type");
        self.expect_key_type(key, entries[0].key.span);
        let ty = self.types.map(key, value);
        Expr::new(ExprKind::Map(keys.into_iter().zip(values).collect()), ty, span)
    }

    /// `[element for pattern in iterable if condition]`
    pub(super) fn comprehension(&mut self, written: &'a ast::Comprehension, want: Want, span: Span) -> Expr {
        let hint = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Array(element)) if !self.is_open(*element) => Some(*element),
            _ => None,
        };
        let [ComprehensionClause::For(pattern, iterable), conditions @ ..] = written.clauses.as_slice() else {
            return Expr::wrong(span);
        };
        if conditions.iter().any(|clause| matches!(clause, ComprehensionClause::For(..))) {
            return self.refused("a comprehension over several loops", span);
        }
        let iterable = self.value(iterable, Want::Infer);
        let element = self.element_of(&iterable);
        let mark = self.frame().enter();
        let before = self.frame().narrowed.clone();
        let id = self.frame().fresh_loop();
        let pattern = self.irrefutable_pattern(pattern, element, "a comprehension");
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
        let value = match hint {
            Some(hint) => self.expr_as(&written.element, hint, Why::Plain),
            None => self.value(&written.element, Want::Infer),
        };
        self.frame().leave(mark);
        self.frame().narrowed = before;
        let ty = self.types.array(value.ty);
        let kind = ExprKind::Comprehension {
            id,
            pattern,
            iterable: Box::new(iterable),
            condition: condition.map(Box::new),
            value: Box::new(value),
        };
        Expr::new(kind, ty, span)
    }

    /// `Name { field: value, ..base }`, of a struct or a variant.
    pub(super) fn struct_literal(&mut self, literal: &'a ast::StructLiteral, want: Want, span: Span) -> Expr {
        let found = match literal.path.segments.as_slice() {
            // Where an enum is wanted, its variants come before structs of the same name.
            [name] if self.hinted_variant(name.symbol, want).is_some() => Found::Nothing,
            [name] => self.find_type(name.symbol),
            [module, name] if self.find_module(module.symbol).is_some() => {
                let module = self.find_module(module.symbol).expect("found just now");
                match self.modules[module.0 as usize].scope.types.get(&name.symbol).copied() {
                    Some(definition) => Found::One(definition),
                    None => Found::Nothing,
                }
            }
            _ => Found::Nothing,
        };
        if let Found::One(TypeDefinition::Struct(index)) = found {
            return self.struct_of(StructId(index), literal, want, span);
        }
        if let Found::One(TypeDefinition::Alias(_)) = found {
            let written = ast::TypeExpr {
                id: ast::TypeId(0),
                kind: ast::TypeKind::Path(Box::new(literal.path.clone())),
                span: literal.path.span,
            };
            let ty = self.resolve_type(&written);
            if let Type::Struct(id, _) = *self.types.of(ty) {
                return self.struct_of(id, literal, Want::Hint(ty), span);
            }
        }
        if let Some((id, variant)) = self.find_variant(&literal.path, want) {
            return self.variant_with_fields(id, variant, literal, want, span);
        }
        let name = literal.path.last();
        let text = self.text(name.symbol);
        let known = self.modules[self.module.0 as usize].scope.types.keys().map(|symbol| self.interner.text(*symbol));
        let mut diagnostic =
            Diagnostic::error(codes::UNKNOWN_TYPE, literal.path.span, format!("there is no struct called `{text}`"));
        if let Some(near) = nearest(text, known) {
            diagnostic = diagnostic.with_suggestion(format!("write `{near}`"), name.span, near);
        }
        for field in &literal.fields {
            self.expr(&field.value, Want::Infer);
        }
        self.wrong(diagnostic)
    }

    fn struct_of(&mut self, id: StructId, literal: &'a ast::StructLiteral, want: Want, span: Span) -> Expr {
        let info = self.structs[id.0 as usize].clone();
        if !info.is_public && info.module != self.module && info.declaration.is_some() {
            self.report_private(literal.path.last());
        }
        let base = literal.base.as_ref().map(|base| self.value(base, want));
        let hinted = match want.hint().map(|ty| self.types.of(self.types.without_null(ty))) {
            Some(Type::Struct(hinted, arguments)) if *hinted == id => arguments.iter().copied().map(Some).collect(),
            _ => vec![None; info.generics.len()],
        };
        let mut arguments: Vec<Option<TypeId>> = hinted;
        for (slot, written) in arguments.iter_mut().zip(&literal.path.type_arguments) {
            *slot = Some(self.resolve_value_type(written));
        }
        let name = self.text(info.name).to_string();
        let given = self.given_fields(&info.fields, &info.generics, &mut arguments, &literal.fields, &name);
        let Some(arguments) = self.all_known(&arguments, &info.generics, literal.path.span) else { return Expr::wrong(span) };
        let ty = self.types.structure(id, arguments);
        if let Some(base) = base {
            let base = self.coerce(base, ty, Why::Plain);
            return Expr::new(ExprKind::StructUpdate(Box::new(base), given), ty, span);
        }
        match self.in_declared_order(&info.fields, given, literal, &name) {
            Some((variables, fields)) => {
                let value = Expr::new(ExprKind::Struct(fields), ty, span);
                if variables.is_empty() { value } else { self.block_value(variables, value) }
            }
            None => Expr::wrong(span).retyped(ty),
        }
    }

    fn variant_with_fields(&mut self, id: EnumId, variant: u32, literal: &'a ast::StructLiteral, want: Want, span: Span) -> Expr {
        let info = self.enums[id.0 as usize].clone();
        let variant_info = info.variants[variant as usize].clone();
        let mut arguments = self.enum_arguments(id, info.generics.len(), want);
        let name = self.text(variant_info.name).to_string();
        let given = self.given_fields(&variant_info.payload, &info.generics, &mut arguments, &literal.fields, &name);
        let Some(arguments) = self.all_known(&arguments, &info.generics, literal.path.span) else { return Expr::wrong(span) };
        let ty = self.types.enumeration(id, arguments);
        match self.in_declared_order(&variant_info.payload, given, literal, &name) {
            Some((variables, fields)) => {
                let value = Expr::new(ExprKind::Variant(variant, fields), ty, span);
                if variables.is_empty() { value } else { self.block_value(variables, value) }
            }
            None => Expr::wrong(span).retyped(ty),
        }
    }

    /// The fields that are written, in the order of the text, with their numbers.
    fn given_fields(
        &mut self,
        fields: &[FieldInfo],
        generics: &[Generic],
        arguments: &mut [Option<TypeId>],
        written: &'a [ast::FieldValue],
        owner: &str,
    ) -> Vec<(u16, Expr)> {
        let mut given: Vec<(u16, Expr)> = Vec::with_capacity(written.len());
        for value in written {
            let Some(index) = fields.iter().position(|field| field.name == value.name.symbol) else {
                let text = self.text(value.name.symbol);
                let known: Vec<&str> = fields.iter().map(|field| self.interner.text(field.name)).collect();
                let mut diagnostic =
                    Diagnostic::error(codes::UNKNOWN_FIELD, value.name.span, format!("`{owner}` has no field `{text}`"));
                if let Some(near) = nearest(text, known.iter().copied()) {
                    diagnostic = diagnostic.with_suggestion("a similar field exists", value.name.span, near);
                } else {
                    diagnostic = diagnostic.with_note(format!("its fields are `{}`", known.join("`, `")));
                }
                self.report(diagnostic);
                self.expr(&value.value, Want::Infer);
                continue;
            };
            let field = fields[index];
            if given.iter().any(|(before, _)| *before == index as u16) {
                let text = self.text(field.name).to_string();
                self.error(codes::DUPLICATE_NAME, value.name.span, format!("the field `{text}` is given twice"));
            }
            let expr = self.generic_value(&value.value, field.ty, generics, arguments, Why::Field(field.name));
            given.push((index as u16, expr));
        }
        given
    }

    /// A value for a place whose type may have type parameters that are still being learnt.
    pub(super) fn generic_value(
        &mut self,
        written: &'a ast::Expr,
        declared: TypeId,
        generics: &[Generic],
        arguments: &mut [Option<TypeId>],
        why: Why<'_>,
    ) -> Expr {
        if generics.is_empty() {
            return self.expr_as(written, declared, why);
        }
        let hint = self.types.substitute(declared, arguments);
        let complete = arguments.iter().all(Option::is_some) || !self.types.has_parameter(declared);
        let was_working_out = self.is_working_out;
        self.is_working_out |= !complete;
        let value = self.expr(written, Want::Hint(hint));
        self.is_working_out = was_working_out;
        self.types.learn(declared, value.ty, arguments);
        let target = self.types.substitute(declared, arguments);
        self.coerce(value, target, why)
    }

    /// The type arguments, all of them, or a report.
    pub(super) fn all_known(&mut self, arguments: &[Option<TypeId>], generics: &[Generic], span: Span) -> Option<Vec<TypeId>> {
        let known: Option<Vec<TypeId>> = arguments.iter().copied().collect();
        if known.is_none() {
            let missing = arguments.iter().position(Option::is_none).unwrap_or(0);
            let name = self.text(generics[missing].name).to_string();
            self.report(
                Diagnostic::error(codes::NEEDS_ANNOTATION, span, format!("the type `{name}` cannot be told here"))
                    .with_help("write the type of the variable that receives this, or `::<…>` behind the name"),
            );
        }
        known
    }

    /// All fields in declared order. Where the text has another order, variables keep the order of evaluation.
    #[allow(clippy::type_complexity, reason = "a name for the pair would say less than its two parts")]
    fn in_declared_order(
        &mut self,
        fields: &[FieldInfo],
        given: Vec<(u16, Expr)>,
        literal: &ast::StructLiteral,
        owner: &str,
    ) -> Option<(Vec<(crate::ir::LocalId, Expr)>, Vec<Expr>)> {
        let missing: Vec<String> = (0..fields.len())
            .filter(|index| !given.iter().any(|(number, _)| *number as usize == *index))
            .map(|index| self.text(fields[index].name).to_string())
            .collect();
        if !missing.is_empty() {
            if literal.fields.iter().all(|field| fields.iter().any(|known| known.name == field.name.symbol)) {
                let list = missing.join("`, `");
                let (what, are) = if missing.len() == 1 { ("field", "is") } else { ("fields", "are") };
                self.report(
                    Diagnostic::error(
                        codes::MISSING_FIELD,
                        literal.path.span,
                        format!("the {what} `{list}` of `{owner}` {are} missing"),
                    )
                    .with_remark("every field needs a value"),
                );
            }
            return None;
        }
        if given.len() != fields.len() {
            return None;
        }
        if given.iter().enumerate().all(|(place, (number, _))| place == *number as usize) {
            return Some((Vec::new(), given.into_iter().map(|(_, expr)| expr).collect()));
        }
        let mut variables = Vec::with_capacity(given.len());
        let mut ordered: Vec<Option<Expr>> = fields.iter().map(|_| None).collect();
        for (number, expr) in given {
            // When a literal is computed makes no difference.
            if is_fixed(&expr) {
                ordered[number as usize] = Some(expr);
                continue;
            }
            let local = self.hidden_local("field", expr.ty, expr.span);
            ordered[number as usize] = Some(Expr::new(ExprKind::Local(local), expr.ty, expr.span));
            variables.push((local, expr));
        }
        Some((variables, ordered.into_iter().flatten().collect()))
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

/// Whether an expression is the same whenever it is computed.
fn is_fixed(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Constant(_) => true,
        ExprKind::Array(elements) => elements.is_empty(),
        ExprKind::Retype(inner) => is_fixed(inner),
        _ => false,
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
