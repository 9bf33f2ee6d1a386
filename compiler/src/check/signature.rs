//! What declarations hold and carry: fields, variants, payloads, parameters, once every name is known.

use std::collections::hash_map::Entry;
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use vega_bytecode::module::FieldDefinition;
use vega_bytecode::{KindId, Type, TypeId, kinds};

use super::Checker;
use super::definition::{AgentInfo, AliasState, EnumInfo, FieldInfo, ParameterInfo, StateInfo, StructInfo, VariantInfo};
use super::types::ERROR;
use crate::ast::{self, ItemKind, VariantPayload};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::words;
use crate::resolve::definition::TypeDefinition;
use crate::resolve::module::ModuleId;

impl<'a> Checker<'a> {
    pub(super) fn complete_type(&mut self, module: ModuleId, item: &'a ast::Item) {
        let scope = &self.modules[module.0 as usize].scope;
        match &item.kind {
            ItemKind::Struct(declaration) => {
                let Some(TypeDefinition::Struct(index)) = scope.types.get(&declaration.name.symbol).copied() else { return };
                let info = self.structs[index as usize].clone();
                if !info.declaration.is_some_and(|own| std::ptr::eq(own, &**declaration)) {
                    return;
                }
                self.generics = info.generics.clone();
                let fields = self.fields(&declaration.fields);
                self.structs[index as usize] = Rc::new(StructInfo {
                    name: info.name,
                    module,
                    declaration: info.declaration,
                    is_public: info.is_public,
                    generics: info.generics.clone(),
                    fields,
                });
            }
            ItemKind::Enum(declaration) => {
                let Some(TypeDefinition::Enum(index)) = scope.types.get(&declaration.name.symbol).copied() else { return };
                let info = self.enums[index as usize].clone();
                if !std::ptr::eq(info.declaration, &**declaration) {
                    return;
                }
                self.generics = info.generics.clone();
                let variants = self.variants(&declaration.variants);
                self.enums[index as usize] = Rc::new(EnumInfo {
                    name: info.name,
                    module,
                    declaration,
                    is_public: info.is_public,
                    generics: info.generics.clone(),
                    variants,
                });
            }
            ItemKind::TypeAlias(declaration) => {
                let Some(TypeDefinition::Alias(index)) = scope.types.get(&declaration.name.symbol).copied() else { return };
                if self.aliases[index as usize].state == AliasState::Open {
                    let path =
                        ast::Path { segments: vec![declaration.name], type_arguments: Vec::new(), span: declaration.name.span };
                    if declaration.generics.is_empty() {
                        let written = ast::TypeExpr {
                            id: declaration.ty.id,
                            kind: ast::TypeKind::Path(Box::new(path)),
                            span: declaration.name.span,
                        };
                        self.resolve_type(&written);
                    }
                }
            }
            ItemKind::Error(declaration) => self.complete_kind(module, declaration),
            ItemKind::Agent(declaration) => {
                let Some(TypeDefinition::Agent(index)) = scope.types.get(&declaration.name.symbol).copied() else { return };
                self.complete_agent(module, index, declaration, item.public.is_some());
            }
            ItemKind::Supervisor(declaration) => {
                let Some(TypeDefinition::Supervisor(index)) = scope.types.get(&declaration.name.symbol).copied() else { return };
                self.complete_supervisor(module, index);
            }
            ItemKind::Import(_)
            | ItemKind::Function(_)
            | ItemKind::Const(_)
            | ItemKind::Impl(_)
            | ItemKind::Test(_)
            | ItemKind::Mock(_) => {}
        }
        self.generics = Rc::new([]);
    }

    pub(super) fn fields(&mut self, written: &[ast::FieldDecl]) -> Vec<FieldInfo> {
        let mut fields: Vec<FieldInfo> = Vec::with_capacity(written.len());
        let mut seen = FxHashMap::default();
        for field in written {
            let ty = self.resolve_value_type(&field.ty);
            match seen.entry(field.name.symbol) {
                Entry::Occupied(before) => self.report_duplicate("field", field.name, Some(*before.get())),
                Entry::Vacant(free) => _ = free.insert(field.name.span),
            }
            fields.push(FieldInfo { name: field.name.symbol, ty, span: Some(field.name.span) });
        }
        fields
    }

    pub(super) fn variants(&mut self, written: &[ast::VariantDecl]) -> Vec<VariantInfo> {
        let mut variants: Vec<VariantInfo> = Vec::with_capacity(written.len());
        let mut seen = FxHashSet::default();
        for variant in written {
            if !seen.insert(variant.name.symbol) {
                self.report_duplicate("variant", variant.name, None);
            }
            let (payload, has_names) = match &variant.payload {
                VariantPayload::Unit => (Vec::new(), false),
                VariantPayload::Tuple(types) => {
                    let payload = types
                        .iter()
                        .map(|ty| FieldInfo { name: words::UNDERSCORE, ty: self.resolve_value_type(ty), span: Some(ty.span) })
                        .collect();
                    (payload, false)
                }
                VariantPayload::Struct(fields) => (self.fields(fields), true),
            };
            variants.push(VariantInfo { name: variant.name.symbol, payload, has_names });
        }
        variants
    }

    fn complete_kind(&mut self, module: ModuleId, declaration: &'a ast::ErrorDecl) {
        let Some(&id) = self.modules[module.0 as usize].scope.kinds.get(&declaration.name.symbol) else { return };
        let payload = declaration
            .fields
            .iter()
            .map(|field| FieldDefinition {
                name: field.name.map_or(String::new(), |name| self.text(name.symbol).to_string()),
                ty: self.resolve_value_type(&field.ty),
            })
            .collect();
        let parent = declaration.parent.and_then(|parent| match self.find_kind(parent.symbol) {
            Some(parent_id) if self.is_kind_below(parent_id, id) => {
                self.error(codes::TYPE_CYCLE, parent.span, "an error kind cannot be above itself");
                None
            }
            Some(parent_id) => Some(parent_id),
            None => {
                self.report_unknown_kind(parent);
                None
            }
        });
        let definition = &mut self.kinds[id.0 as usize];
        definition.payload = payload;
        definition.parent = parent;
    }

    /// Whoever catches a kind takes apart what it carries, so the kinds below it have to carry that first.
    pub(super) fn check_kind_payload(&mut self, module: ModuleId, declaration: &'a ast::ErrorDecl) {
        let Some(&id) = self.modules[module.0 as usize].scope.kinds.get(&declaration.name.symbol) else { return };
        let (Some(parent), Some(written)) = (self.kinds[id.0 as usize].parent, declaration.parent) else { return };
        // The reason of a failed agent is the message of the error, whatever it carries.
        if parent == kinds::AGENT_FAILED {
            return;
        }
        let (own, wanted) = (&self.kinds[id.0 as usize], &self.kinds[parent.0 as usize]);
        let fits = own.payload.len() >= wanted.payload.len()
            && wanted
                .payload
                .iter()
                .zip(&own.payload)
                .all(|(wanted, own)| wanted.ty == own.ty || own.ty == ERROR || wanted.ty == ERROR);
        if !fits {
            let list: Vec<String> = wanted.payload.iter().map(|field| self.show(field.ty)).collect();
            let (name, above) = (own.name.clone(), wanted.name.clone());
            self.report(
                Diagnostic::error(codes::KIND_PAYLOAD, written.span, format!("`{name}` does not carry what `{above}` carries"))
                    .with_remark(format!("`catch {above}` expects `({})` first", list.join(", ")))
                    .with_help(format!("write `error {name}({}, …): {above};`", list.join(", "))),
            );
        }
    }

    fn is_kind_below(&self, kind: KindId, above: KindId) -> bool {
        let mut at = Some(kind);
        while let Some(kind) = at {
            if kind == above {
                return true;
            }
            at = self.kinds[kind.0 as usize].parent;
        }
        false
    }

    fn complete_agent(&mut self, module: ModuleId, index: u32, declaration: &'a ast::AgentDecl, is_public: bool) {
        let parameters = self.parameters(&declaration.parameters);
        let output = declaration
            .clauses
            .iter()
            .find_map(|clause| match &clause.kind {
                ast::AgentClauseKind::Output(written) => Some(written),
                _ => None,
            })
            .map_or(self.types.str, |written| self.resolve_value_type(written));
        let state = declaration.clauses.iter().filter_map(|clause| match &clause.kind {
            ast::AgentClauseKind::State(fields) => Some(fields),
            _ => None,
        });
        let state = state.flatten().map(|field| StateInfo { field, ty: self.resolve_value_type(&field.ty) }).collect();
        self.agents[index as usize] = Rc::new(AgentInfo { module, declaration, is_public, parameters, output, state });
    }

    pub(super) fn parameters(&mut self, written: &'a [ast::Parameter]) -> Vec<ParameterInfo<'a>> {
        let mut parameters: Vec<ParameterInfo<'a>> = Vec::with_capacity(written.len());
        let mut seen = FxHashMap::default();
        for parameter in written {
            let ty = self.resolve_value_type(&parameter.ty);
            let name = parameter.binding.name;
            match seen.entry(name.symbol) {
                Entry::Occupied(before) if name.symbol != words::UNDERSCORE => {
                    self.report_duplicate("parameter", name, Some(*before.get()));
                }
                entry => _ = entry.or_insert(name.span),
            }
            if parameter.default.is_none() && parameters.last().is_some_and(|before| before.default.is_some()) {
                self.error(codes::DEFAULT_ORDER, parameter.span, "a parameter without default cannot follow one with a default");
            }
            parameters.push(ParameterInfo { name, ty, default: parameter.default.as_ref() });
        }
        parameters
    }

    /// A struct that holds itself without `?`, array or map could never be made.
    pub(super) fn check_struct_cycles(&mut self, module: ModuleId) {
        let circles = self.struct_circles();
        for index in 0..self.structs.len() {
            let info = self.structs[index].clone();
            let Some(circle) = circles[index] else { continue };
            if info.module != module || info.declaration.is_none() {
                continue;
            }
            let is_in_circle = |field: &&FieldInfo| {
                let mut held = Vec::new();
                self.held_structs(field.ty, &mut held);
                held.iter().any(|held| circles[*held as usize] == Some(circle))
            };
            let Some(span) = info.fields.iter().find(is_in_circle).and_then(|field| field.span) else { continue };
            let name = self.text(info.name).to_string();
            self.report(
                Diagnostic::error(
                    codes::STRUCT_CYCLE,
                    span,
                    format!("a `{name}` would have to hold another `{name}` without end"),
                )
                .with_help("make the field optional with `?`, or an array"),
            );
        }
    }

    /// For each struct the number of the circle of structs that it is part of: the strongly connected components of what
    /// holds what, by Tarjan's algorithm without recursion.
    fn struct_circles(&self) -> Vec<Option<u32>> {
        const UNSEEN: u32 = u32::MAX;
        let holds: Vec<Vec<u32>> = self
            .structs
            .iter()
            .map(|info| {
                let mut held = Vec::new();
                info.fields.iter().for_each(|field| self.held_structs(field.ty, &mut held));
                held
            })
            .collect();
        let count = holds.len();
        let (mut order, mut low) = (vec![UNSEEN; count], vec![UNSEEN; count]);
        let mut is_open = vec![false; count];
        let mut circles = vec![None; count];
        let (mut open, mut next) = (Vec::new(), 0_u32);
        for start in 0..count {
            if order[start] != UNSEEN {
                continue;
            }
            // Structs on the way from the start, each with how many of its edges were followed.
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            while let Some(&mut (at, ref mut edge)) = path.last_mut() {
                if *edge == 0 {
                    (order[at], low[at]) = (next, next);
                    next += 1;
                    open.push(at);
                    is_open[at] = true;
                }
                if let Some(&to) = holds[at].get(*edge) {
                    let to = to as usize;
                    *edge += 1;
                    if order[to] == UNSEEN {
                        path.push((to, 0));
                    } else if is_open[to] {
                        low[at] = low[at].min(order[to]);
                    }
                    continue;
                }
                path.pop();
                if let Some(&(above, _)) = path.last() {
                    low[above] = low[above].min(low[at]);
                }
                if low[at] == order[at] {
                    let first = open.iter().rposition(|member| *member == at).expect("it was opened above");
                    let is_circle = open.len() - first > 1 || holds[at].contains(&(at as u32));
                    for member in open.drain(first..) {
                        is_open[member] = false;
                        circles[member] = is_circle.then_some(at as u32);
                    }
                }
            }
        }
        circles
    }

    /// The structs that a value of the type holds directly, also in tuples.
    fn held_structs(&self, ty: TypeId, held: &mut Vec<u32>) {
        match self.types.of(ty) {
            Type::Struct(id, _) => held.push(id.0),
            Type::Tuple(parts) => parts.iter().for_each(|part| self.held_structs(*part, held)),
            _ => {}
        }
    }

    pub(super) fn holds_struct(&self, ty: TypeId, wanted: u32, visited: &mut Vec<u32>) -> bool {
        match self.types.of(ty) {
            Type::Struct(id, _) if id.0 == wanted => true,
            Type::Struct(id, _) if visited.contains(&id.0) => false,
            Type::Struct(id, _) => {
                visited.push(id.0);
                self.structs[id.0 as usize].fields.iter().any(|field| self.holds_struct(field.ty, wanted, visited))
            }
            Type::Tuple(parts) => parts.iter().any(|part| self.holds_struct(*part, wanted, visited)),
            _ => false,
        }
    }
}
