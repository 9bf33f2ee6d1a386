//! Patterns: from what is written to what is tested, over values of a known type.

use vega_bytecode::module::Constant;
use vega_bytecode::types::EnumId;
use vega_bytecode::{KindId, Type, TypeId};

use super::Checker;
use super::fits::constant_int;
use super::frame::{Binding, Role};
use super::path::count;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Literal, Path, PatternKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{LocalId, Pattern, PatternKind};
use crate::resolve::definition::{Found, TypeDefinition};
use crate::source::Span;

impl Pattern {
    pub(super) fn new(kind: PatternKind, ty: TypeId, span: Span) -> Pattern {
        Pattern { kind, ty, span }
    }

    /// What stands for a pattern that was reported.
    pub(super) fn wrong(span: Span) -> Pattern {
        Pattern { kind: PatternKind::Wildcard, ty: ERROR, span }
    }
}

impl<'a> Checker<'a> {
    /// A pattern of `match` or `receive`. Where null is covered already, a binding holds what is not null.
    pub(super) fn arm_pattern(&mut self, written: &'a ast::Pattern, subject: TypeId, is_null_covered: bool) -> Pattern {
        let inner = self.types.without_null(subject);
        if is_null_covered && inner != subject {
            let span = written.span;
            let pattern = self.pattern(written, inner);
            if pattern.ty == ERROR {
                return pattern;
            }
            return Pattern::new(PatternKind::Some(Box::new(pattern)), subject, span);
        }
        self.pattern(written, subject)
    }

    /// A pattern that must fit every value: of `let`, `for`, a parameter.
    pub(super) fn irrefutable_pattern(&mut self, written: &'a ast::Pattern, subject: TypeId, place: &str) -> Pattern {
        let pattern = self.pattern(written, subject);
        if pattern.ty != ERROR && !self.is_irrefutable(&pattern) {
            self.report(
                Diagnostic::error(codes::REFUTABLE, written.span, format!("a pattern of {place} must fit every value"))
                    .with_remark("this one does not")
                    .with_help("use `match`, which can say what happens otherwise"),
            );
        }
        pattern
    }

    fn is_irrefutable(&self, pattern: &Pattern) -> bool {
        match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Bind(_) => true,
            PatternKind::BindTo(_, inner) => self.is_irrefutable(inner),
            PatternKind::Tuple(parts) => parts.iter().all(|part| self.is_irrefutable(part)),
            PatternKind::Struct(fields) => fields.iter().all(|(_, field)| self.is_irrefutable(field)),
            PatternKind::Variant(_, parts) => match self.types.of(pattern.ty) {
                Type::Enum(id, _) => {
                    self.enums[id.0 as usize].variants.len() == 1 && parts.iter().all(|part| self.is_irrefutable(part))
                }
                _ => false,
            },
            PatternKind::Array(front, Some(_), back) => front.is_empty() && back.is_empty(),
            PatternKind::Literal(_)
            | PatternKind::Range(..)
            | PatternKind::Array(..)
            | PatternKind::Entries(..)
            | PatternKind::Kind(..)
            | PatternKind::Some(_)
            | PatternKind::Type(..)
            | PatternKind::Or(_) => false,
        }
    }

    pub(super) fn pattern(&mut self, written: &'a ast::Pattern, subject: TypeId) -> Pattern {
        let span = written.span;
        match &written.kind {
            A::Wildcard => Pattern::new(PatternKind::Wildcard, subject, span),
            A::Binding(binding) => {
                let local = self.bind(*binding, subject);
                Pattern::new(PatternKind::Bind(local), subject, span)
            }
            A::Named(binding, inner) => {
                let inner = self.pattern(inner, subject);
                let local = self.bind(*binding, subject);
                Pattern::new(PatternKind::BindTo(local, Box::new(inner)), subject, span)
            }
            A::Typed(inner, ty) => self.typed_pattern(inner, ty, subject, span),
            A::Or(alternatives) => self.alternatives(alternatives, subject, span),
            A::Error => Pattern::wrong(span),
            A::Rest(_) => {
                self.error(codes::PATTERN, span, "`..` is only for arrays, tuples and structs");
                Pattern::wrong(span)
            }
            _ if subject == ERROR => {
                self.bind_all(written);
                Pattern::wrong(span)
            }
            // What is not null is looked at under the type without `?`.
            A::Literal(Literal::Null) => self.null_pattern(subject, span),
            _ if matches!(self.types.of(subject), Type::Optional(_)) => {
                let inner = self.types.without_null(subject);
                let inner = self.pattern(written, inner);
                if inner.ty == ERROR {
                    return inner;
                }
                Pattern::new(PatternKind::Some(Box::new(inner)), subject, span)
            }
            A::Literal(literal) => self.literal_pattern(literal, subject, span),
            A::Range(range) => self.range_pattern(range, subject, span),
            A::Path(path) => self.variant_pattern(path, None, subject, written),
            A::Variant(path, parts) => self.variant_pattern(path, Some(parts), subject, written),
            A::Struct(fields) => self.struct_pattern(fields, subject, written),
            A::Tuple(parts) => self.tuple_pattern(parts, subject, written),
            A::Array(parts) => self.array_pattern(parts, subject, written),
            A::Map(map) => self.map_pattern(map, subject, written),
        }
    }

    pub(super) fn bind(&mut self, binding: ast::Binding, ty: TypeId) -> LocalId {
        self.declare_local(binding.name.symbol, ty, binding.name.span, Role::Variable)
    }

    /// Declares the variables of a pattern that cannot be checked, so that their uses are not reported too.
    pub(super) fn bind_all(&mut self, written: &'a ast::Pattern) {
        match &written.kind {
            A::Binding(binding) | A::Rest(Some(binding)) => {
                self.bind(*binding, ERROR);
            }
            A::Named(binding, inner) => {
                self.bind(*binding, ERROR);
                self.bind_all(inner);
            }
            A::Typed(inner, _) => self.bind_all(inner),
            A::Variant(_, parts) | A::Tuple(parts) | A::Array(parts) => parts.iter().for_each(|part| self.bind_all(part)),
            A::Or(parts) => {
                if let Some(first) = parts.first() {
                    self.bind_all(first);
                }
            }
            A::Struct(fields) => fields.fields.iter().for_each(|field| self.bind_all(&field.pattern)),
            A::Map(map) => map.entries.iter().for_each(|entry| self.bind_all(&entry.pattern)),
            A::Wildcard | A::Literal(_) | A::Range(_) | A::Path(_) | A::Rest(None) | A::Error => {}
        }
    }

    pub(super) fn wrong_pattern(&mut self, written: &'a ast::Pattern, diagnostic: Diagnostic) -> Pattern {
        self.report(diagnostic);
        self.bind_all(written);
        Pattern::wrong(written.span)
    }

    pub(super) fn does_not_fit(&mut self, written: &'a ast::Pattern, what: &str, subject: TypeId) -> Pattern {
        let shown = self.show(subject);
        let diagnostic = Diagnostic::error(codes::PATTERN, written.span, format!("{what} never fits a `{shown}`"))
            .with_remark(format!("the value is a `{shown}`"));
        self.wrong_pattern(written, diagnostic)
    }

    fn null_pattern(&mut self, subject: TypeId, span: Span) -> Pattern {
        if !matches!(self.types.of(subject), Type::Optional(_) | Type::Any | Type::Json | Type::Null) {
            let shown = self.show(subject);
            self.error(codes::PATTERN, span, format!("a `{shown}` is never null"));
            return Pattern::wrong(span);
        }
        Pattern::new(PatternKind::Literal(Constant::Null), subject, span)
    }

    fn literal_constant(&mut self, literal: &Literal, subject: TypeId, span: Span) -> Option<Constant> {
        let expr = self.literal(literal, Want::Hint(subject), span);
        let fits = match self.types.of(subject) {
            Type::Any | Type::Json => true,
            _ => expr.ty == subject,
        };
        let expr = if !fits && constant_int(&expr).is_some() { self.convert(expr, subject).ok()? } else { expr };
        match expr.kind {
            crate::ir::ExprKind::Constant(constant) if fits || expr.ty == subject => Some(constant),
            _ => None,
        }
    }

    fn literal_pattern(&mut self, literal: &Literal, subject: TypeId, span: Span) -> Pattern {
        match self.literal_constant(literal, subject, span) {
            Some(constant) => Pattern::new(PatternKind::Literal(constant), subject, span),
            None => {
                let text = self.sources.text_of(span).to_string();
                let shown = self.show(subject);
                self.report(
                    Diagnostic::error(codes::PATTERN, span, format!("`{text}` never fits a `{shown}`"))
                        .with_remark(format!("the value is a `{shown}`")),
                );
                Pattern::wrong(span)
            }
        }
    }

    fn range_pattern(&mut self, range: &ast::RangePattern, subject: TypeId, span: Span) -> Pattern {
        let is_ordered = self.types.is_numeric(subject) || matches!(self.types.of(subject), Type::Str | Type::Any | Type::Json);
        if !is_ordered {
            let shown = self.show(subject);
            self.error(codes::PATTERN, span, format!("a range never fits a `{shown}`"));
            return Pattern::wrong(span);
        }
        let start = range.start.as_ref().map(|literal| self.literal_constant(literal, subject, span));
        let end = range.end.as_ref().map(|literal| self.literal_constant(literal, subject, span));
        if start == Some(None) || end == Some(None) {
            let shown = self.show(subject);
            self.error(codes::PATTERN, span, format!("the ends of this range are no `{shown}`"));
            return Pattern::wrong(span);
        }
        let (start, end) = (start.flatten(), end.flatten());
        if let (Some(Constant::Int(a)), Some(Constant::Int(b))) = (&start, &end)
            && (a > b || a == b && !range.is_inclusive)
        {
            self.error(codes::PATTERN, span, "this range is empty");
            return Pattern::wrong(span);
        }
        Pattern::new(PatternKind::Range(start, end, range.is_inclusive), subject, span)
    }

    fn typed_pattern(&mut self, inner: &'a ast::Pattern, ty: &'a ast::TypeExpr, subject: TypeId, span: Span) -> Pattern {
        let wanted = self.resolve_value_type(ty);
        let inner = self.pattern(inner, wanted);
        if wanted == ERROR || subject == ERROR {
            return Pattern::wrong(span);
        }
        match self.types.of(subject) {
            Type::Any | Type::Json => Pattern::new(PatternKind::Type(wanted, Box::new(inner)), subject, span),
            _ if wanted == subject => inner,
            Type::Optional(of) if *of == wanted => Pattern::new(PatternKind::Some(Box::new(inner)), subject, span),
            _ => {
                let (shown, wanted) = (self.show(subject), self.show(wanted));
                self.report(
                    Diagnostic::error(codes::PATTERN, ty.span, format!("a `{shown}` is never a `{wanted}`"))
                        .with_help("the type is only tested on `any`, `json` and in `receive`"),
                );
                Pattern::wrong(span)
            }
        }
    }

    pub(super) fn alternatives(&mut self, alternatives: &'a [ast::Pattern], subject: TypeId, span: Span) -> Pattern {
        let mut patterns = Vec::with_capacity(alternatives.len());
        let mut names: Option<Vec<(crate::interner::Symbol, LocalId)>> = None;
        for alternative in alternatives {
            let first_local = self.frame_ref().locals.len();
            let mark = self.frame().enter();
            let mut pattern = self.pattern(alternative, subject);
            let bound: Vec<(crate::interner::Symbol, LocalId)> = {
                let frame = self.frame_ref();
                (first_local..frame.locals.len())
                    .filter_map(|index| {
                        let symbol = self.interner.get(&frame.locals[index].name)?;
                        Some((symbol, LocalId(index as u32)))
                    })
                    .collect()
            };
            self.frame().leave(mark);
            match &names {
                None => names = Some(bound),
                Some(first) => {
                    let same =
                        first.len() == bound.len() && first.iter().all(|(name, _)| bound.iter().any(|(other, _)| other == name));
                    if !same && pattern.ty != ERROR {
                        self.report(
                            Diagnostic::error(
                                codes::PATTERN,
                                alternative.span,
                                "the alternatives of a pattern bind different names",
                            )
                            .with_help("every alternative has to bind the same variables"),
                        );
                        return Pattern::wrong(span);
                    }
                    // All alternatives put their values into the variables of the first.
                    for (name, local) in &bound {
                        if let Some((_, target)) = first.iter().find(|(other, _)| other == name) {
                            self.check_same_type(*local, *target, alternative.span);
                            rename(&mut pattern, *local, *target);
                        }
                    }
                }
            }
            patterns.push(pattern);
        }
        for (name, local) in names.unwrap_or_default() {
            self.frame().bind(name, Binding::Local(local));
        }
        if patterns.iter().any(|pattern| pattern.ty == ERROR) {
            return Pattern::wrong(span);
        }
        Pattern::new(PatternKind::Or(patterns), subject, span)
    }

    fn check_same_type(&mut self, a: LocalId, b: LocalId, span: Span) {
        let frame = self.frame_ref();
        let (a, b) = (&frame.locals[a.0 as usize], &frame.locals[b.0 as usize]);
        let (name, x, y) = (a.name.clone(), a.ty, b.ty);
        if x != y && x != ERROR && y != ERROR {
            let (x, y) = (self.show(x), self.show(y));
            self.error(codes::PATTERN, span, format!("`{name}` is a `{y}` in one alternative and a `{x}` in the other"));
        }
    }

    fn variant_pattern(
        &mut self,
        path: &'a Path,
        parts: Option<&'a [ast::Pattern]>,
        subject: TypeId,
        written: &'a ast::Pattern,
    ) -> Pattern {
        let span = written.span;
        match self.types.of(subject).clone() {
            Type::Error => return self.kind_pattern(path, parts, subject, written),
            Type::Result(ok, err) => {
                let number = match self.text(path.last().symbol) {
                    "Ok" => 0,
                    "Err" => 1,
                    _ => return self.does_not_fit(written, "this pattern", subject),
                };
                let payload = if number == 0 { ok } else { err };
                let parts = match parts {
                    Some([part]) => vec![self.pattern(part, payload)],
                    None if payload == self.types.null => vec![Pattern::new(PatternKind::Wildcard, payload, span)],
                    _ => {
                        let diagnostic = Diagnostic::error(codes::PATTERN, span, "`Ok` and `Err` carry one value")
                            .with_help("write `Ok(value)` and `Err(problem)`");
                        return self.wrong_pattern(written, diagnostic);
                    }
                };
                return Pattern::new(PatternKind::Variant(number, parts), subject, span);
            }
            _ => {}
        }
        let Some((id, variant)) = self.find_variant(path, Want::Hint(subject)) else {
            return self.unknown_variant_pattern(path, subject, written);
        };
        let ty = match self.types.of(subject) {
            Type::Enum(subject_id, _) if *subject_id == id => subject,
            Type::Any | Type::Json if self.enums[id.0 as usize].generics.is_empty() => self.types.enumeration(id, Vec::new()),
            _ => return self.does_not_fit(written, "this variant", subject),
        };
        let info = self.enums[id.0 as usize].clone();
        let payload = self.payload_types(id, variant, ty);
        let variant_info = &info.variants[variant as usize];
        let name = self.text(variant_info.name).to_string();
        let parts: Vec<Pattern> = match parts {
            None if payload.is_empty() => Vec::new(),
            Some(parts) if variant_info.has_names && !parts.is_empty() => {
                let diagnostic = Diagnostic::error(codes::PATTERN, span, format!("the values of `{name}` have names"))
                    .with_help(format!("write `{name} {{ … }}`"));
                return self.wrong_pattern(written, diagnostic);
            }
            Some(parts)
                if parts.last().is_some_and(|last| matches!(last.kind, A::Rest(None))) && parts.len() <= payload.len() + 1 =>
            {
                let mut patterns: Vec<Pattern> =
                    parts[..parts.len() - 1].iter().zip(&payload).map(|(part, ty)| self.pattern(part, *ty)).collect();
                while patterns.len() < payload.len() {
                    patterns.push(Pattern::new(PatternKind::Wildcard, payload[patterns.len()], span));
                }
                patterns
            }
            Some(parts) if parts.len() == payload.len() => {
                parts.iter().zip(&payload).map(|(part, ty)| self.pattern(part, *ty)).collect()
            }
            _ => {
                let given = parts.map_or(0, <[ast::Pattern]>::len);
                let title = format!("`{name}` carries {}, but the pattern has {given}", count(payload.len(), "value"));
                let diagnostic = Diagnostic::error(codes::PATTERN, span, title);
                return self.wrong_pattern(written, diagnostic);
            }
        };
        if parts.iter().any(|part| part.ty == ERROR) {
            return Pattern::wrong(span);
        }
        self.tested(Pattern::new(PatternKind::Variant(variant, parts), ty, span), subject)
    }

    /// On values of any type, the type is tested first.
    pub(super) fn tested(&self, pattern: Pattern, subject: TypeId) -> Pattern {
        if pattern.ty == subject {
            return pattern;
        }
        let (ty, span) = (pattern.ty, pattern.span);
        Pattern::new(PatternKind::Type(ty, Box::new(pattern)), subject, span)
    }

    /// Types of a variant's payload in a type of the enum.
    pub(super) fn payload_types(&mut self, id: EnumId, variant: u32, ty: TypeId) -> Vec<TypeId> {
        let arguments: Vec<Option<TypeId>> = match self.types.of(ty) {
            Type::Enum(_, arguments) => arguments.iter().copied().map(Some).collect(),
            _ => Vec::new(),
        };
        let info = self.enums[id.0 as usize].clone();
        info.variants[variant as usize].payload.iter().map(|field| self.types.substitute(field.ty, &arguments)).collect()
    }

    pub(super) fn unknown_variant_pattern(&mut self, path: &'a Path, subject: TypeId, written: &'a ast::Pattern) -> Pattern {
        self.bind_all(written);
        if self.wrong_variant(path).is_some() {
            return Pattern::wrong(written.span);
        }
        if let (Type::Enum(id, _), Some(name)) = (self.types.of(subject), path.as_name()) {
            let id = *id;
            self.unknown_variant(id, name);
            return Pattern::wrong(written.span);
        }
        let text = self.text(path.last().symbol).to_string();
        let shown = self.show(subject);
        let mut diagnostic = Diagnostic::error(codes::PATTERN, written.span, format!("`{text}` never fits a `{shown}`"));
        if matches!(self.types.of(subject), Type::Any | Type::Json) {
            if let Some((owner, _)) = self.variant_owner(path.last().symbol) {
                diagnostic = diagnostic.with_help(format!("write `{owner}::{text}`"));
            } else if let Found::One(TypeDefinition::Struct(_)) = self.find_type(path.last().symbol) {
                diagnostic = diagnostic.with_help(format!("to test for the type, write `x: {text}`"));
            } else {
                diagnostic = diagnostic
                    .with_note("a name that starts with an upper-case letter must be known; a variable starts lower-case");
            }
        }
        self.report(diagnostic);
        Pattern::wrong(written.span)
    }

    fn kind_pattern(
        &mut self,
        path: &'a Path,
        parts: Option<&'a [ast::Pattern]>,
        subject: TypeId,
        written: &'a ast::Pattern,
    ) -> Pattern {
        let span = written.span;
        let Some(kind) = path.as_name().and_then(|name| self.find_kind(name.symbol)) else {
            self.bind_all(written);
            self.report_unknown_kind(path.last());
            return Pattern::wrong(span);
        };
        match self.kind_payload(kind, parts, span) {
            Some(parts) => Pattern::new(PatternKind::Kind(kind, parts), subject, span),
            None => {
                self.bind_all(written);
                Pattern::wrong(span)
            }
        }
    }

    /// Patterns for the payload of an error kind, by position; those left out fit everything.
    pub(super) fn kind_payload(&mut self, kind: KindId, parts: Option<&'a [ast::Pattern]>, span: Span) -> Option<Vec<Pattern>> {
        let payload: Vec<TypeId> = self.kinds[kind.0 as usize].payload.iter().map(|field| field.ty).collect();
        let parts = parts.unwrap_or_default();
        if parts.len() > payload.len() {
            let name = self.kinds[kind.0 as usize].name.clone();
            let title = format!("`{name}` carries {}, but the pattern has {}", count(payload.len(), "value"), parts.len());
            self.error(codes::PATTERN, span, title);
            return None;
        }
        Some(parts.iter().zip(payload).map(|(part, ty)| self.pattern(part, ty)).collect())
    }

    /// Says that no error kind has this name.
    pub(super) fn report_unknown_kind(&mut self, name: ast::Ident) {
        let text = self.text(name.symbol);
        let scope = &self.modules[self.module.0 as usize].scope;
        let known = scope.kinds.keys().chain(self.built_in_kinds.keys()).map(|symbol| self.interner.text(*symbol));
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_KIND, name.span, format!("there is no error kind called `{text}`"))
            .with_remark("not found");
        if let Some(near) = self.nearest(text, known) {
            diagnostic = diagnostic.with_suggestion("a similar kind exists", name.span, near);
        } else {
            diagnostic = diagnostic.with_help(format!(
                "declare it with `error {text};`, or start with a lower-case letter to catch everything under a name"
            ));
        }
        self.report(diagnostic);
    }
}

/// Lets a pattern bind `to` instead of `from`.
fn rename(pattern: &mut Pattern, from: LocalId, to: LocalId) {
    match &mut pattern.kind {
        PatternKind::Bind(local) => {
            if *local == from {
                *local = to;
            }
        }
        PatternKind::BindTo(local, inner) => {
            if *local == from {
                *local = to;
            }
            rename(inner, from, to);
        }
        PatternKind::Some(inner) | PatternKind::Type(_, inner) => rename(inner, from, to),
        PatternKind::Tuple(parts) | PatternKind::Variant(_, parts) | PatternKind::Kind(_, parts) | PatternKind::Or(parts) => {
            parts.iter_mut().for_each(|part| rename(part, from, to));
        }
        PatternKind::Array(front, rest, back) => {
            front.iter_mut().chain(back).for_each(|part| rename(part, from, to));
            if let Some(Some(local)) = rest
                && *local == from
            {
                *local = to;
            }
        }
        PatternKind::Struct(fields) => fields.iter_mut().for_each(|(_, field)| rename(field, from, to)),
        PatternKind::Entries(entries, _) => entries.iter_mut().for_each(|(_, entry)| rename(entry, from, to)),
        PatternKind::Wildcard | PatternKind::Literal(_) | PatternKind::Range(..) => {}
    }
}
