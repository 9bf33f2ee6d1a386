//! From declarations to definitions: first every name, then every signature, so that the order of declarations is free.

use std::rc::Rc;

use vega_bytecode::module::FieldDefinition;
use vega_bytecode::module::KindDefinition;
use vega_bytecode::{KindId, Type, TypeId, kinds, prelude};

use super::definition::{
    AgentInfo, AliasInfo, AliasState, ConstInfo, EnumInfo, FieldInfo, FunctionInfo, Generic, Head, KindInfo, ParameterInfo,
    StructInfo, VariantInfo,
};
use super::types::ERROR;
use super::{Checker, Work};
use crate::ast::{self, Ident, ItemKind, VariantPayload};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::{Symbol, words};
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
                }));
                self.ir_agents.push(None);
                self.queue.push_back(Work::Agent(index));
                self.declare_type(module, declaration.name, TypeDefinition::Agent(index));
            }
            ItemKind::Const(declaration) => {
                let index = self.consts.len() as u32;
                self.consts.push(ConstInfo { module, declaration, is_public, is_busy: false, ty: None });
                self.queue.push_back(Work::Const(index));
                self.declare_value(module, declaration.binding.name, ValueDefinition::Const(index));
            }
            ItemKind::Error(declaration) => self.declare_kind(module, declaration, is_public),
            ItemKind::Supervisor(declaration) => {
                self.declare_type(module, declaration.name, TypeDefinition::Supervisor(0));
                self.refuse("a declared `supervisor`", declaration.name.span);
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
            TypeDefinition::Supervisor(_) => None,
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

    fn report_duplicate(&mut self, what: &str, name: Ident, before: Option<Span>) {
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

    fn complete_type(&mut self, module: ModuleId, item: &'a ast::Item) {
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
            ItemKind::Import(_)
            | ItemKind::Function(_)
            | ItemKind::Const(_)
            | ItemKind::Impl(_)
            | ItemKind::Supervisor(_)
            | ItemKind::Test(_)
            | ItemKind::Mock(_) => {}
        }
        self.generics = Rc::new([]);
    }

    fn fields(&mut self, written: &[ast::FieldDecl]) -> Vec<FieldInfo> {
        let mut fields: Vec<FieldInfo> = Vec::with_capacity(written.len());
        for field in written {
            let ty = self.resolve_value_type(&field.ty);
            if let Some(before) = fields.iter().find(|before| before.name == field.name.symbol) {
                let before = before.span;
                self.report_duplicate("field", field.name, before);
            }
            fields.push(FieldInfo { name: field.name.symbol, ty, span: Some(field.name.span) });
        }
        fields
    }

    fn variants(&mut self, written: &[ast::VariantDecl]) -> Vec<VariantInfo> {
        let mut variants: Vec<VariantInfo> = Vec::with_capacity(written.len());
        for variant in written {
            if variants.iter().any(|before| before.name == variant.name.symbol) {
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
    fn check_kind_payload(&mut self, module: ModuleId, declaration: &'a ast::ErrorDecl) {
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
        self.agents[index as usize] = Rc::new(AgentInfo { module, declaration, is_public, parameters, output });
    }

    fn parameters(&mut self, written: &'a [ast::Parameter]) -> Vec<ParameterInfo<'a>> {
        let mut parameters: Vec<ParameterInfo<'a>> = Vec::with_capacity(written.len());
        for parameter in written {
            let ty = self.resolve_value_type(&parameter.ty);
            let name = parameter.binding.name;
            if let Some(before) =
                parameters.iter().find(|before| before.name.symbol == name.symbol && name.symbol != words::UNDERSCORE)
            {
                let before = before.name.span;
                self.report_duplicate("parameter", name, Some(before));
            }
            if parameter.default.is_none() && parameters.last().is_some_and(|before| before.default.is_some()) {
                self.error(codes::DEFAULT_ORDER, parameter.span, "a parameter without default cannot follow one with a default");
            }
            parameters.push(ParameterInfo { name, ty, default: parameter.default.as_ref() });
        }
        parameters
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

    /// A struct that holds itself without `?`, array or map could never be made.
    fn check_struct_cycles(&mut self, module: ModuleId) {
        for index in 0..self.structs.len() {
            let info = self.structs[index].clone();
            if info.module != module || info.declaration.is_none() {
                continue;
            }
            for field in &info.fields {
                let mut visited = Vec::new();
                if self.holds_struct(field.ty, index as u32, &mut visited) {
                    let name = self.text(info.name).to_string();
                    let span = field.span.expect("declared fields have a place");
                    self.report(
                        Diagnostic::error(
                            codes::STRUCT_CYCLE,
                            span,
                            format!("a `{name}` would have to hold another `{name}` without end"),
                        )
                        .with_help("make the field optional with `?`, or an array"),
                    );
                    break;
                }
            }
        }
    }

    fn holds_struct(&self, ty: TypeId, wanted: u32, visited: &mut Vec<u32>) -> bool {
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

    /// What `vega run` starts: `main`, or the statements of the file.
    pub(super) fn choose_entry(&mut self, module: ModuleId) {
        let file = self.modules[module.0 as usize].file;
        let main = self.modules[module.0 as usize].scope.values.get(&words::MAIN).copied();
        if let Some(ValueDefinition::Function(index)) = main {
            let info = self.functions[index as usize].clone();
            if let Some(first) = file.statements.first() {
                self.report(
                    Diagnostic::error(
                        codes::STATEMENTS_BESIDE_MAIN,
                        first.span,
                        "this file has both statements and a function `main`",
                    )
                    .with_label(info.declaration.head, "`main` is what runs")
                    .with_help("move the statements into `main`"),
                );
            }
            self.check_main_signature(&info);
            self.entry = self.function_ids[index as usize];
        } else if !file.statements.is_empty() {
            let id = self.new_function_id();
            self.entry = Some(id);
            self.queue.push_back(Work::Script(id, file));
        }
        // Files that are only imported may not run anything.
        for other in 0..self.modules.len() {
            let other = &self.modules[other];
            if let Some(first) = other.file.statements.first().filter(|_| !std::ptr::eq(other.file, file)) {
                let span = first.span;
                self.report(
                    Diagnostic::error(
                        codes::STATEMENTS_IN_IMPORT,
                        span,
                        "an imported file cannot have statements outside of functions",
                    )
                    .with_help("put them into a `pub fn` and call it"),
                );
            }
        }
    }

    fn check_main_signature(&mut self, info: &FunctionInfo<'a>) {
        let arguments = self.types.array(self.types.str);
        let takes_arguments = match info.parameters.as_slice() {
            [] => true,
            [only] => only.ty == arguments || only.ty == ERROR,
            _ => false,
        };
        let gives_status = [self.types.void, self.types.int, ERROR, self.types.never].contains(&info.result);
        if !takes_arguments || !gives_status {
            self.report(
                Diagnostic::error(codes::MAIN_SIGNATURE, info.declaration.head, "`main` cannot have this signature")
                    .with_help("write `fn main()` or `fn main(args: str[])`, with `-> int` if it gives an exit status"),
            );
        }
    }
}
