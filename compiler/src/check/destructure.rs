//! Patterns that take containers apart: structs, tuples, arrays, maps.

use vega_bytecode::types::StructId;
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::path::count;
use super::statement::Want;
use super::types::ERROR;
use crate::ast::{self, Literal, PatternKind as A};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::{Pattern, PatternKind};
use crate::resolve::definition::{Found, TypeDefinition};

impl<'a> Checker<'a> {
    pub(super) fn struct_pattern(
        &mut self,
        fields: &'a ast::StructPattern,
        subject: TypeId,
        written: &'a ast::Pattern,
    ) -> Pattern {
        let definition = match fields.path.segments.as_slice() {
            // The variants of the enum that is looked at come before structs of the same name.
            [name] if self.hinted_variant(name.symbol, Want::Hint(subject)).is_some() => Found::Nothing,
            [name] => self.find_type(name.symbol),
            [module, name] => match self.find_module(module.symbol) {
                Some(module) => {
                    let found = self.modules[module.0 as usize].scope.types.get(&name.symbol).copied();
                    found.map_or(Found::Nothing, Found::One)
                }
                None => Found::Nothing,
            },
            _ => Found::Nothing,
        };
        let Found::One(TypeDefinition::Struct(index)) = definition else {
            return self.variant_fields_pattern(fields, subject, written);
        };
        let id = StructId(index);
        let info = self.structs[index as usize].clone();
        let ty = match self.types.of(subject) {
            Type::Struct(subject_id, _) if *subject_id == id => subject,
            Type::Any | Type::Json if info.generics.is_empty() => self.types.structure(id, Vec::new()),
            _ => return self.does_not_fit(written, "this struct", subject),
        };
        let arguments: Vec<Option<TypeId>> = match self.types.of(ty) {
            Type::Struct(_, arguments) => arguments.iter().copied().map(Some).collect(),
            _ => Vec::new(),
        };
        let types: Vec<(crate::interner::Symbol, TypeId)> =
            info.fields.iter().map(|field| (field.name, self.types.substitute(field.ty, &arguments))).collect();
        let name = self.text(info.name).to_string();
        match self.field_patterns(fields, &types, &name) {
            Some(parts) => self.tested(Pattern::new(PatternKind::Struct(parts), ty, written.span), subject),
            None => Pattern::wrong(written.span),
        }
    }

    fn variant_fields_pattern(&mut self, fields: &'a ast::StructPattern, subject: TypeId, written: &'a ast::Pattern) -> Pattern {
        let Some((id, variant)) = self.find_variant(&fields.path, Want::Hint(subject)) else {
            return self.unknown_variant_pattern(&fields.path, subject, written);
        };
        let ty = match self.types.of(subject) {
            Type::Enum(subject_id, _) if *subject_id == id => subject,
            Type::Any | Type::Json if self.enums[id.0 as usize].generics.is_empty() => self.types.enumeration(id, Vec::new()),
            _ => return self.does_not_fit(written, "this variant", subject),
        };
        let payload = self.payload_types(id, variant, ty);
        let info = self.enums[id.0 as usize].clone();
        let variant_info = &info.variants[variant as usize];
        let types: Vec<(crate::interner::Symbol, TypeId)> =
            variant_info.payload.iter().zip(&payload).map(|(field, ty)| (field.name, *ty)).collect();
        let name = self.text(variant_info.name).to_string();
        let Some(mut given) = self.field_patterns(fields, &types, &name) else { return Pattern::wrong(written.span) };
        given.sort_by_key(|(number, _)| *number);
        let mut given = given.into_iter().peekable();
        let parts = (0..payload.len())
            .map(|index| match given.next_if(|(number, _)| *number as usize == index) {
                Some((_, pattern)) => pattern,
                None => Pattern::new(PatternKind::Wildcard, payload[index], written.span),
            })
            .collect();
        self.tested(Pattern::new(PatternKind::Variant(variant, parts), ty, written.span), subject)
    }

    fn field_patterns(
        &mut self,
        fields: &'a ast::StructPattern,
        types: &[(crate::interner::Symbol, TypeId)],
        owner: &str,
    ) -> Option<Vec<(u16, Pattern)>> {
        let mut parts = Vec::with_capacity(fields.fields.len());
        let mut is_fine = true;
        for field in &fields.fields {
            let Some(index) = types.iter().position(|(name, _)| *name == field.name.symbol) else {
                let text = self.text(field.name.symbol);
                let known: Vec<&str> = types.iter().map(|(name, _)| self.interner.text(*name)).collect();
                let mut diagnostic =
                    Diagnostic::error(codes::UNKNOWN_FIELD, field.name.span, format!("`{owner}` has no field `{text}`"));
                if let Some(near) = self.nearest(text, known.iter().copied()) {
                    diagnostic = diagnostic.with_suggestion("a similar field exists", field.name.span, near);
                }
                self.report(diagnostic);
                self.bind_all(&field.pattern);
                is_fine = false;
                continue;
            };
            let pattern = self.pattern(&field.pattern, types[index].1);
            is_fine &= pattern.ty != ERROR;
            parts.push((index as u16, pattern));
        }
        let missing: Vec<&str> = types
            .iter()
            .filter(|(name, _)| !fields.fields.iter().any(|field| field.name.symbol == *name))
            .map(|(name, _)| self.interner.text(*name))
            .collect();
        if fields.rest.is_none() && !missing.is_empty() && is_fine {
            let list = missing.join("`, `");
            self.report(
                Diagnostic::error(
                    codes::PATTERN,
                    fields.path.span,
                    format!("the pattern does not mention `{list}` of `{owner}`"),
                )
                .with_help("end the pattern with `..` to leave fields out"),
            );
            is_fine = false;
        }
        is_fine.then_some(parts)
    }

    pub(super) fn tuple_pattern(&mut self, parts: &'a [ast::Pattern], subject: TypeId, written: &'a ast::Pattern) -> Pattern {
        if matches!(self.types.of(subject), Type::Any | Type::Json) && !parts.iter().any(|part| matches!(part.kind, A::Rest(_))) {
            let types = parts.iter().map(|part| self.tested_type(part)).collect();
            let ty = self.types.tuple(types);
            let pattern = self.tuple_pattern(parts, ty, written);
            return if pattern.ty == ERROR { pattern } else { self.tested(pattern, subject) };
        }
        let Type::Tuple(types) = self.types.of(subject).clone() else {
            return self.does_not_fit(written, "a tuple", subject);
        };
        let rest = parts.iter().position(|part| matches!(part.kind, A::Rest(_)));
        let fits = match rest {
            Some(_) => parts.len() - 1 <= types.len(),
            None => parts.len() == types.len(),
        };
        if !fits {
            let shown = self.show(subject);
            let title = format!("`{shown}` has {}, but the pattern has {}", count(types.len(), "part"), parts.len());
            let diagnostic = Diagnostic::error(codes::PATTERN, written.span, title);
            return self.wrong_pattern(written, diagnostic);
        }
        let front = rest.unwrap_or(parts.len());
        let back = rest.map_or(0, |rest| parts.len() - rest - 1);
        let mut patterns = Vec::with_capacity(types.len());
        for (index, ty) in types.iter().enumerate() {
            if index < front {
                patterns.push(self.pattern(&parts[index], *ty));
            } else if index >= types.len() - back {
                patterns.push(self.pattern(&parts[parts.len() - (types.len() - index)], *ty));
            } else {
                patterns.push(Pattern::new(PatternKind::Wildcard, *ty, written.span));
            }
        }
        if patterns.iter().any(|part| part.ty == ERROR) && subject != ERROR {
            return Pattern::wrong(written.span);
        }
        Pattern::new(PatternKind::Tuple(patterns), subject, written.span)
    }

    /// The type that a part of a tuple of unknown type must have to fit a pattern.
    fn tested_type(&mut self, written: &'a ast::Pattern) -> TypeId {
        match &written.kind {
            A::Literal(Literal::Int(_)) => self.types.int,
            A::Literal(Literal::Float(_)) => self.types.float,
            A::Literal(Literal::Bool(_)) => self.types.bool,
            A::Literal(Literal::Str(_)) => self.types.str,
            A::Literal(Literal::Duration(_)) => self.types.duration,
            A::Literal(Literal::Money(_)) => self.types.money,
            A::Named(_, inner) => self.tested_type(inner),
            A::Typed(_, ty) => {
                // A mistake in it is reported when the part itself is checked.
                let before = self.diagnostics.len();
                let ty = self.resolve_type(ty);
                self.diagnostics.truncate(before);
                ty
            }
            A::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.tested_type(part)).collect();
                self.types.tuple(parts)
            }
            _ => self.types.any,
        }
    }

    pub(super) fn array_pattern(&mut self, parts: &'a [ast::Pattern], subject: TypeId, written: &'a ast::Pattern) -> Pattern {
        let (element, tested) = match *self.types.of(subject) {
            Type::Array(element) => (element, subject),
            Type::Json => (self.types.json, self.types.array(self.types.json)),
            Type::Any => (self.types.any, self.types.array(self.types.any)),
            _ => return self.does_not_fit(written, "an array", subject),
        };
        let rest = parts.iter().position(|part| matches!(part.kind, A::Rest(_)));
        let rest_binding = rest.map(|rest| match &parts[rest].kind {
            A::Rest(Some(binding)) => Some(self.bind(*binding, tested)),
            _ => None,
        });
        let front_end = rest.unwrap_or(parts.len());
        let front: Vec<Pattern> = parts[..front_end].iter().map(|part| self.pattern(part, element)).collect();
        let back: Vec<Pattern> = match rest {
            Some(rest) => parts[rest + 1..].iter().map(|part| self.pattern(part, element)).collect(),
            None => Vec::new(),
        };
        if front.iter().chain(&back).any(|part| part.ty == ERROR) {
            return Pattern::wrong(written.span);
        }
        self.tested(Pattern::new(PatternKind::Array(front, rest_binding, back), tested, written.span), subject)
    }

    pub(super) fn map_pattern(&mut self, map: &'a ast::MapPattern, subject: TypeId, written: &'a ast::Pattern) -> Pattern {
        let value = match *self.types.of(subject) {
            Type::Map(key, value) if key == self.types.str => value,
            Type::Json => self.types.json,
            Type::Any => self.types.any,
            _ => return self.does_not_fit(written, "a map with these keys", subject),
        };
        if matches!(self.types.of(subject), Type::Json | Type::Any) {
            // The program has to know the type that the test asks for: only an object has entries.
            let text = self.types.str;
            self.types.map(text, value);
        }
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let ast::ExprKind::Literal(Literal::Str(key)) = &entry.key.peel().kind else {
                let diagnostic = Diagnostic::error(codes::PATTERN, entry.key.span, "keys in a pattern are text");
                return self.wrong_pattern(written, diagnostic);
            };
            let pattern = self.pattern(&entry.pattern, value);
            entries.push((key.to_string(), pattern));
        }
        if entries.iter().any(|(_, entry)| entry.ty == ERROR) {
            return Pattern::wrong(written.span);
        }
        Pattern::new(PatternKind::Entries(entries, map.rest.is_some()), subject, written.span)
    }
}
