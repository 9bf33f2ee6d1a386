//! From declarations to definitions: first every name, then every signature, so that the order of declarations is free.

use std::rc::Rc;

use vega_bytecode::module::KindDefinition;
use vega_bytecode::{KindId, TypeId, kinds, prelude};

use super::definition::{
    AgentInfo, AliasInfo, AliasState, ConstInfo, EnumInfo, FieldInfo, FunctionInfo, Generic, Head, KindInfo, StructInfo,
};
use super::types::ERROR;
use super::{Checker, Work};
use crate::ast::{self, Ident, ItemKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::resolve::definition::{TypeDefinition, ValueDefinition};
use crate::resolve::module::ModuleId;
use crate::source::Span;

impl<'a> Checker<'a> {
    /// The error kinds and structs that every program has.
    pub(super) fn declare_built_ins(&mut self) {
        self.kinds = kinds::built_in_definitions(&mut self.types.table);
        for (index, kind) in kinds::BUILT_IN.iter().enumerate() {
            self.built_in_kinds.insert(self.interner.intern(kind.name), KindId(index as u32));
            self.kind_info.push(KindInfo { is_public: true });
        }
        for (index, definition) in prelude::structs(&mut self.types.table).into_iter().enumerate() {
            let name = self.interner.intern(&definition.name);
            let fields = definition
                .fields
                .iter()
                .map(|field| FieldInfo { name: self.interner.intern(&field.name), ty: field.ty, span: None })
                .collect();
            self.built_in_structs.insert(name, index as u32);
            self.names.structs.push(definition.name);
            self.structs.push(Rc::new(StructInfo {
                name,
                module: ModuleId(u32::MAX),
                declaration: None,
                is_public: true,
                generics: Rc::new([]),
                fields,
            }));
        }
    }

    /// Declares everything in a module whose imports are loaded.
    pub(super) fn declare_module(&mut self, module: ModuleId) {
        let file = self.modules[module.0 as usize].file;
        self.module = module;
        self.generics = Rc::new([]);
        for item in &file.items {
            self.declare_name(module, item);
        }
        for item in &file.items {
            self.complete_type(module, item);
        }
        for item in &file.items {
            if let ItemKind::Error(declaration) = &item.kind {
                self.check_kind_payload(module, declaration);
            }
            self.declare_functions(module, item);
        }
        self.check_struct_cycles(module);
    }

    fn declare_name(&mut self, module: ModuleId, item: &'a ast::Item) {
        let is_public = item.public.is_some();
        match &item.kind {
            ItemKind::Struct(declaration) => {
                let index = self.structs.len() as u32;
                let generics = self.generics_of(&declaration.generics).into();
                self.names.structs.push(self.text(declaration.name.symbol).to_string());
                self.structs.push(Rc::new(StructInfo {
                    name: declaration.name.symbol,
                    module,
                    declaration: Some(declaration),
                    is_public,
                    generics,
                    fields: Vec::new(),
                }));
                self.declare_type(module, declaration.name, TypeDefinition::Struct(index));
            }
            ItemKind::Enum(declaration) => {
                let index = self.enums.len() as u32;
                let generics = self.generics_of(&declaration.generics).into();
                self.names.enums.push(self.text(declaration.name.symbol).to_string());
                self.enums.push(Rc::new(EnumInfo {
                    name: declaration.name.symbol,
                    module,
                    declaration,
                    is_public,
                    generics,
                    variants: Vec::new(),
                }));
                self.declare_type(module, declaration.name, TypeDefinition::Enum(index));
            }
            ItemKind::TypeAlias(declaration) => {
                let index = self.aliases.len() as u32;
                self.aliases.push(AliasInfo { module, declaration, is_public, state: AliasState::Open });
                self.declare_type(module, declaration.name, TypeDefinition::Alias(index));
            }
            ItemKind::Agent(declaration) => {
                let index = self.agents.len() as u32;
                self.names.agents.push(self.text(declaration.name.symbol).to_string());
                self.agents.push(Rc::new(AgentInfo {
                    module,
                    declaration,
                    is_public,
                    parameters: Vec::new(),
                    output: self.types.str,
                    state: Vec::new(),
                }));
                self.ir_agents.push(None);
                self.queue.push_back(Work::Agent(index));
                self.declare_type(module, declaration.name, TypeDefinition::Agent(index));
            }
            ItemKind::Const(declaration) => {
                let index = self.consts.len() as u32;
                self.consts.push(ConstInfo { module, declaration, is_public, is_busy: false, value: None, size: 0, height: 0 });
                self.queue.push_back(Work::Const(index));
                self.declare_value(module, declaration.binding.name, ValueDefinition::Const(index));
            }
            ItemKind::Error(declaration) => self.declare_kind(module, declaration, is_public),
            ItemKind::Supervisor(declaration) => {
                let index = self.declare_supervisor(module, declaration, is_public);
                self.declare_type(module, declaration.name, TypeDefinition::Supervisor(index));
            }
            ItemKind::Test(declaration) => self.refuse("`test`", declaration.name_span),
            ItemKind::Mock(declaration) => self.refuse("`mock`", declaration.span),
            ItemKind::Import(_) | ItemKind::Function(_) | ItemKind::Impl(_) => {}
        }
    }

    fn declare_type(&mut self, module: ModuleId, name: Ident, definition: TypeDefinition) {
        let old = self.modules[module.0 as usize].scope.types.insert(name.symbol, definition);
        if let Some(old) = old {
            let before = self.type_span(old);
            self.report_duplicate("type", name, before);
        }
    }

    fn type_span(&self, definition: TypeDefinition) -> Option<Span> {
        match definition {
            TypeDefinition::Struct(index) => self.structs[index as usize].declaration.map(|declaration| declaration.name.span),
            TypeDefinition::Enum(index) => Some(self.enums[index as usize].declaration.name.span),
            TypeDefinition::Alias(index) => Some(self.aliases[index as usize].declaration.name.span),
            TypeDefinition::Agent(index) => Some(self.agents[index as usize].declaration.name.span),
            TypeDefinition::Supervisor(index) => Some(self.supervisors[index as usize].declaration.name.span),
        }
    }

    fn declare_value(&mut self, module: ModuleId, name: Ident, definition: ValueDefinition) {
        let old = self.modules[module.0 as usize].scope.values.insert(name.symbol, definition);
        if let Some(old) = old {
            let before = match old {
                ValueDefinition::Function(index) => self.functions[index as usize].declaration.name.span,
                ValueDefinition::Const(index) => self.consts[index as usize].declaration.binding.name.span,
            };
            self.report_duplicate("name", name, Some(before));
        }
    }

    pub(super) fn report_duplicate(&mut self, what: &str, name: Ident, before: Option<Span>) {
        let text = self.text(name.symbol);
        let mut diagnostic =
            Diagnostic::error(codes::DUPLICATE_NAME, name.span, format!("the {what} `{text}` is declared twice"))
                .with_remark("declared again");
        if let Some(before) = before {
            diagnostic = diagnostic.with_label(before, "first declared here");
        }
        self.report(diagnostic);
    }

    fn declare_kind(&mut self, module: ModuleId, declaration: &'a ast::ErrorDecl, is_public: bool) {
        let id = KindId(self.kinds.len() as u32);
        let name = self.text(declaration.name.symbol).to_string();
        self.kinds.push(KindDefinition { name, parent: None, payload: Vec::new() });
        self.kind_info.push(KindInfo { is_public });
        if self.built_in_kinds.contains_key(&declaration.name.symbol) {
            self.report_duplicate("error kind", declaration.name, None);
        }
        if self.modules[module.0 as usize].scope.kinds.insert(declaration.name.symbol, id).is_some() {
            self.report_duplicate("error kind", declaration.name, None);
        }
    }

    fn declare_functions(&mut self, module: ModuleId, item: &'a ast::Item) {
        match &item.kind {
            ItemKind::Function(declaration) => {
                let index = self.declare_function(module, declaration, item.public.is_some(), &[], None, None);
                self.add_function(module, declaration.name, index);
            }
            ItemKind::Impl(declaration) => self.declare_impl(module, declaration),
            ItemKind::Import(_)
            | ItemKind::Const(_)
            | ItemKind::TypeAlias(_)
            | ItemKind::Struct(_)
            | ItemKind::Enum(_)
            | ItemKind::Error(_)
            | ItemKind::Agent(_)
            | ItemKind::Supervisor(_)
            | ItemKind::Test(_)
            | ItemKind::Mock(_) => {}
        }
    }

    fn declare_function(
        &mut self,
        module: ModuleId,
        declaration: &'a ast::FunctionDecl,
        is_public: bool,
        outer: &[Generic],
        owner: Option<&str>,
        self_type: Option<TypeId>,
    ) -> u32 {
        let is_standard = self.modules[module.0 as usize].is_standard;
        let mut generics = outer.to_vec();
        generics.extend(self.generics_of(&declaration.generics));
        self.generics = generics.into();
        let parameters = self.parameters(&declaration.parameters);
        let result = declaration.result.as_ref().map_or(self.types.void, |result| self.resolve_type(result));
        let generics = std::mem::replace(&mut self.generics, Rc::new([]));
        let receiver = declaration.receiver.as_ref().map(|receiver| (self_type.unwrap_or(ERROR), receiver.is_mut));
        let word = self.text(declaration.name.symbol);
        let native = (declaration.body.is_none() && is_standard).then(|| {
            let module_word = self.text(self.modules[module.0 as usize].name);
            let name = if module_word == "prelude" { word.to_string() } else { format!("{module_word}::{word}") };
            Rc::from(name)
        });
        let name = owner.map_or_else(|| word.to_string(), |owner| format!("{owner}.{word}"));
        if declaration.body.is_none() && !is_standard {
            self.report(
                Diagnostic::error(codes::MISSING_BODY, declaration.head, format!("the function `{name}` has no body"))
                    .with_help("write its statements between `{` and `}`"),
            );
        }
        let index = self.functions.len() as u32;
        self.functions.push(Rc::new(FunctionInfo {
            name,
            module,
            declaration,
            is_public,
            generics,
            receiver,
            parameters,
            result,
            native,
            next_overload: None,
        }));
        self.function_ids.push(None);
        // A program's own functions are all checked; those of the library when they are called.
        if !is_standard && declaration.body.is_some() {
            self.function_id(index);
        }
        index
    }

    /// Enters a function under its name, beside others of the name that are natives with another number of parameters.
    fn add_function(&mut self, module: ModuleId, name: Ident, index: u32) {
        match self.modules[module.0 as usize].scope.values.get(&name.symbol).copied() {
            Some(ValueDefinition::Function(first)) if self.functions[index as usize].native.is_some() => {
                self.add_overload(first, index)
            }
            _ => self.declare_value(module, name, ValueDefinition::Function(index)),
        }
    }

    fn add_overload(&mut self, first: u32, index: u32) {
        let mut last = first;
        while let Some(next) = self.functions[last as usize].next_overload {
            last = next;
        }
        if let Some(info) = Rc::get_mut(&mut self.functions[last as usize]) {
            info.next_overload = Some(index);
        }
    }

    fn declare_impl(&mut self, module: ModuleId, declaration: &'a ast::ImplDecl) {
        let outer = self.generics_of(&declaration.generics);
        self.generics = outer.clone().into();
        let target = self.resolve_type(&declaration.target);
        self.generics = Rc::new([]);
        if target == ERROR {
            return;
        }
        let head = Head::of(self.types.of(target));
        let is_standard = self.modules[module.0 as usize].is_standard;
        let is_own = match head {
            Some(Head::Struct(id)) => self.structs[id.0 as usize].module == module,
            Some(Head::Enum(id)) => self.enums[id.0 as usize].module == module,
            _ => false,
        };
        let Some(head) = head.filter(|_| is_own || is_standard) else {
            let shown = self.show(target);
            self.report(
                Diagnostic::error(
                    codes::FOREIGN_IMPL,
                    declaration.target.span,
                    format!("methods cannot be added to `{shown}` here"),
                )
                .with_help("methods belong to structs and enums, in the file that declares them; write a function instead"),
            );
            return;
        };
        let owner = match head {
            Head::Struct(id) => self.names.structs[id.0 as usize].clone(),
            Head::Enum(id) => self.names.enums[id.0 as usize].clone(),
            _ => self.text(self.modules[module.0 as usize].name).to_string(),
        };
        for function in &declaration.functions {
            let name = function.function.name;
            let index =
                self.declare_function(module, &function.function, function.public.is_some(), &outer, Some(&owner), Some(target));
            match self.methods.get(&(head, name.symbol)).copied() {
                Some(first) if self.functions[index as usize].native.is_some() => self.add_overload(first, index),
                Some(first) => {
                    let before = self.functions[first as usize].declaration.name.span;
                    self.report_duplicate("method", name, Some(before));
                }
                None => {
                    self.methods.insert((head, name.symbol), index);
                }
            }
        }
    }

    /// The error kind of a name.
    pub(super) fn find_kind(&self, name: Symbol) -> Option<KindId> {
        let scope = &self.modules[self.module.0 as usize].scope;
        scope
            .kinds
            .get(&name)
            .copied()
            .or_else(|| {
                scope.open.iter().find_map(|other| {
                    let kind = self.modules[other.0 as usize].scope.kinds.get(&name).copied()?;
                    self.kind_info[kind.0 as usize].is_public.then_some(kind)
                })
            })
            .or_else(|| self.built_in_kinds.get(&name).copied())
    }
}
