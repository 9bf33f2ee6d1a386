//! Structs and variants made field by field, and values of generic types.

use rustc_hash::FxHashMap;
use vega_bytecode::types::{EnumId, StructId};
use vega_bytecode::{Type, TypeId};

use super::Checker;
use super::definition::{FieldInfo, Generic};
use super::fits::Why;
use super::statement::Want;
use crate::ast::{self};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::ir::{Expr, ExprKind};
use crate::resolve::definition::{Found, TypeDefinition};
use crate::source::Span;

impl<'a> Checker<'a> {
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
        if let Some(near) = self.nearest(text, known) {
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
            Some(Type::Struct(hinted, arguments)) if *hinted == id => {
                arguments.iter().map(|argument| (!self.is_open(*argument)).then_some(*argument)).collect()
            }
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
        let mut is_given = vec![false; fields.len()];
        let numbers: FxHashMap<Symbol, usize> = fields.iter().enumerate().map(|(index, field)| (field.name, index)).collect();
        for value in written {
            let Some(&index) = numbers.get(&value.name.symbol) else {
                let text = self.text(value.name.symbol);
                let known: Vec<&str> = fields.iter().map(|field| self.interner.text(field.name)).collect();
                let mut diagnostic =
                    Diagnostic::error(codes::UNKNOWN_FIELD, value.name.span, format!("`{owner}` has no field `{text}`"));
                if let Some(near) = self.nearest(text, known.iter().copied()) {
                    diagnostic = diagnostic.with_suggestion("a similar field exists", value.name.span, near);
                } else {
                    diagnostic = diagnostic.with_note(format!("its fields are `{}`", known.join("`, `")));
                }
                self.report(diagnostic);
                self.expr(&value.value, Want::Infer);
                continue;
            };
            let field = fields[index];
            if std::mem::replace(&mut is_given[index], true) {
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
        let hint = self.types.substitute_known(declared, arguments);
        let value = self.expr(written, Want::Hint(hint));
        if value.is_wrong() {
            return value;
        }
        self.types.learn(declared, value.ty, arguments);
        let target = self.types.substitute_known(declared, arguments);
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
        let mut is_given = vec![false; fields.len()];
        given.iter().for_each(|(number, _)| is_given[*number as usize] = true);
        let missing: Vec<String> =
            (0..fields.len()).filter(|index| !is_given[*index]).map(|index| self.text(fields[index].name).to_string()).collect();
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
