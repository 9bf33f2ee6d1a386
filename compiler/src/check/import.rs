//! Which modules a program consists of: loading files, following imports, the standard library on demand.

use std::sync::Arc;

use super::Checker;
use crate::ast::{self, ImportForm, ItemKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::interner::Symbol;
use crate::parse;
use crate::resolve::definition::Found;
use crate::resolve::module::{Module, ModuleId, Scope, find, module_word, relative_path};
use crate::schedule::join::{self, JoinPlan};
use crate::source::{FileId, LoadError, Span};

/// Modules whose natives may be named without an import.
pub(super) const NATIVE_MODULES: &[&str] = &[
    "str",
    "math",
    "json",
    "file",
    "path",
    "http",
    "exec",
    "env",
    "io",
    "time",
    "random",
    "regex",
    "hash",
    "base64",
    "process",
    "budget",
    "trace",
    "log",
    "bytes",
    "config",
    "conversation",
    "approval",
    "list",
    "map",
    "option",
    "result",
    "range",
    "int",
    "float",
    "duration",
    "money",
];

impl<'a> Checker<'a> {
    /// Loads the text at `entry` with everything it imports, and declares all of it.
    pub(super) fn load_program(&mut self, entry: &Arc<str>) {
        self.prelude = self.standard_module("prelude");
        let Some(file) = self.sources.find(entry) else { return };
        let module = self.load_module(file, entry.clone(), false);
        self.choose_entry(module);
    }

    /// Parses a text, loads what it imports, and declares what it declares.
    fn load_module(&mut self, file: FileId, path: Arc<str>, is_standard: bool) -> ModuleId {
        let text = self.sources.file(file).text().clone();
        let parsed = parse::parse(file, &text, self.interner);
        let is_broken = parsed.has_errors();
        self.diagnostics.extend(parsed.diagnostics);
        let tree = self.arena.add(parsed.file);
        let id = ModuleId(self.modules.len() as u32);
        let name = self.interner.intern(module_word(&path));
        let key: Arc<str> = if is_standard { format!("std:{path}").into() } else { path.clone() };
        self.module_ids.insert(key, id);
        self.modules.push(Module { file: tree, path, name, is_standard, is_broken, scope: Scope::default() });
        self.plans.push(if is_standard { JoinPlan::default() } else { join::plan(tree, self.interner) });
        self.loading.push(id);
        for item in &tree.items {
            if let ItemKind::Import(import) = &item.kind {
                self.load_import(id, import);
            }
        }
        self.loading.pop();
        self.declare_module(id);
        id
    }

    fn load_import(&mut self, importer: ModuleId, import: &'a ast::ImportDecl) {
        let Some(module) = self.imported_module(importer, import) else { return };
        let scope = &mut self.modules[importer.0 as usize].scope;
        match &import.form {
            ImportForm::Plain => {
                let name = self.modules[module.0 as usize].name;
                let scope = &mut self.modules[importer.0 as usize].scope;
                let before = scope.modules.insert(name, module);
                if before.is_some_and(|before| before != module) {
                    let text = self.text(name).to_string();
                    self.report(
                        Diagnostic::error(
                            codes::DUPLICATE_NAME,
                            import.path_span,
                            format!("two imported files are called `{text}`"),
                        )
                        .with_help(format!("give one of them another name: `import \"{}\" as other;`", import.path)),
                    );
                }
                let scope = &mut self.modules[importer.0 as usize].scope;
                if !scope.open.contains(&module) {
                    scope.open.push(module);
                }
            }
            ImportForm::Renamed(name) => {
                scope.modules.insert(name.symbol, module);
            }
            ImportForm::Selected(names) => {
                for name in names {
                    self.import_name(importer, module, name);
                }
            }
        }
    }

    fn import_name(&mut self, importer: ModuleId, module: ModuleId, name: &ast::ImportedName) {
        let symbol = name.name.symbol;
        let local = name.alias.unwrap_or(name.name).symbol;
        let from = &self.modules[module.0 as usize].scope;
        let (ty, value, kind) =
            (from.types.get(&symbol).copied(), from.values.get(&symbol).copied(), from.kinds.get(&symbol).copied());
        if ty.is_none() && value.is_none() && kind.is_none() {
            let (path, text) = (self.modules[module.0 as usize].path.clone(), self.text(symbol));
            let scope = &self.modules[module.0 as usize].scope;
            let known =
                scope.types.keys().chain(scope.values.keys()).chain(scope.kinds.keys()).map(|symbol| self.interner.text(*symbol));
            let mut diagnostic =
                Diagnostic::error(codes::UNKNOWN_NAME, name.name.span, format!("`{path}` declares nothing called `{text}`"));
            if let Some(near) = self.nearest(text, known) {
                diagnostic = diagnostic.with_suggestion("a similar name is declared there", name.name.span, near);
            }
            self.report(diagnostic);
            return;
        }
        let is_visible = ty.is_some_and(|ty| self.is_type_public(ty))
            || value.is_some_and(|value| self.is_value_public(value))
            || kind.is_some_and(|kind| self.kind_info[kind.0 as usize].is_public);
        if !is_visible && !self.modules[module.0 as usize].is_standard {
            self.report_private(name.name);
        }
        let scope = &mut self.modules[importer.0 as usize].scope;
        if let Some(ty) = ty {
            scope.types.insert(local, ty);
        }
        if let Some(value) = value {
            scope.values.insert(local, value);
        }
        if let Some(kind) = kind {
            scope.kinds.insert(local, kind);
        }
    }

    /// Says that a name belongs to its module alone.
    pub(super) fn report_private(&mut self, name: ast::Ident) {
        let text = self.text(name.symbol).to_string();
        self.report(
            Diagnostic::error(codes::PRIVATE_NAME, name.span, format!("`{text}` is not public"))
                .with_remark("its module keeps it to itself")
                .with_help(format!("write `pub` before the declaration of `{text}`")),
        );
    }

    fn imported_module(&mut self, importer: ModuleId, import: &ast::ImportDecl) -> Option<ModuleId> {
        let importing = &self.modules[importer.0 as usize];
        if !import.path.starts_with('.') {
            if let Some(module) = self.standard_module(&import.path) {
                return Some(module);
            }
            if NATIVE_MODULES.contains(&&*import.path) {
                self.refuse(&format!("the module `{}`", import.path), import.path_span);
                return None;
            }
            if let Some(path) = self.loader.elsewhere(&import.path) {
                return self.loaded_module(path, import.path_span);
            }
            let diagnostic = Diagnostic::error(
                codes::IMPORT_NOT_FOUND,
                import.path_span,
                format!("there is no module `{}` in the standard library", import.path),
            );
            self.report(match self.nearest(&import.path, NATIVE_MODULES.iter().copied()) {
                Some(near) => diagnostic.with_suggestion("a similar module exists", import.path_span, format!("\"{near}\"")),
                None => diagnostic.with_help(format!("to import a file beside this one, write `import \"./{}\";`", import.path)),
            });
            return None;
        }
        if importing.is_standard {
            return None;
        }
        let Some(path) = relative_path(&importing.path, &import.path) else {
            self.error(codes::IMPORT_NOT_FOUND, import.path_span, "this import leaves the project's folder");
            return None;
        };
        self.loaded_module(path, import.path_span)
    }

    /// The module at a path, which is loaded when it is first asked for.
    fn loaded_module(&mut self, path: String, span: Span) -> Option<ModuleId> {
        if let Some(&module) = self.module_ids.get(path.as_str()) {
            if self.loading.contains(&module) {
                self.report_import_cycle(module, span);
            }
            return Some(module);
        }
        match self.loader.load(&path) {
            Ok(text) => {
                let file = self.sources.add(path.as_str(), text);
                Some(self.load_module(file, path.into(), false))
            }
            Err(LoadError::NotFound) => {
                self.report(
                    Diagnostic::error(codes::IMPORT_NOT_FOUND, span, format!("there is no file `{path}`"))
                        .with_help("the path of an import is relative to the file that it stands in, and has no `.vega`"),
                );
                None
            }
            Err(LoadError::Unreadable(reason)) => {
                self.error(codes::IMPORT_UNREADABLE, span, format!("`{path}` cannot be read: {reason}"));
                None
            }
        }
    }

    fn report_import_cycle(&mut self, module: ModuleId, span: Span) {
        let from = self.loading.iter().position(|id| *id == module).unwrap_or(0);
        let mut chain: Vec<&str> = self.loading[from..].iter().map(|id| &*self.modules[id.0 as usize].path).collect();
        chain.push(&self.modules[module.0 as usize].path);
        let chain = chain.join(" → ");
        self.report(
            Diagnostic::error(codes::IMPORT_CYCLE, span, "these files import each other in a circle")
                .with_note(chain)
                .with_help("move what both need into a file of its own"),
        );
    }

    /// A module of the standard library, loaded when it is first asked for.
    pub(super) fn standard_module(&mut self, word: &str) -> Option<ModuleId> {
        let key = format!("std:{word}");
        if let Some(&module) = self.module_ids.get(key.as_str()) {
            return Some(module);
        }
        let text = self.loader.standard(word)?;
        let file = self.sources.add(format!("std/{word}.vega"), text);
        let (module, generics) = (self.module, self.generics.clone());
        let loaded = self.load_module(file, word.into(), true);
        (self.module, self.generics) = (module, generics);
        Some(loaded)
    }

    /// The module that a word before `::` names here.
    pub(super) fn find_module(&mut self, name: Symbol) -> Option<ModuleId> {
        let found = find(&self.modules, self.module, |scope| scope.modules.get(&name).copied(), |_, _| false);
        if let Found::One(module) = found {
            return Some(module);
        }
        let word = self.text(name);
        if !NATIVE_MODULES.contains(&word) {
            return None;
        }
        let word = word.to_string();
        self.standard_module(&word)
    }
}
