//! The files of a program: where their trees live, how an import names a file, which module has which scope.
//!
//! Invariant: a tree never moves or goes away once it is in the [`Arena`], so declarations may be borrowed while further
//! modules are loaded on demand.

use std::cell::OnceCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::ast;
use crate::interner::Symbol;
use crate::resolve::definition::{Found, TypeDefinition, ValueDefinition};
use vega_bytecode::KindId;

/// Index of a module in the order in which they were loaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct ModuleId(pub(crate) u32);

/// Owns the trees of all files. Grows while trees are borrowed.
#[derive(Default)]
pub(crate) struct Arena {
    first: OnceCell<Box<Node>>,
}

struct Node {
    file: ast::File,
    next: OnceCell<Box<Node>>,
}

impl Arena {
    /// Keeps a tree.
    pub(crate) fn add(&self, file: ast::File) -> &ast::File {
        let mut cell = &self.first;
        while let Some(node) = cell.get() {
            cell = &node.next;
        }
        &cell.get_or_init(|| Box::new(Node { file, next: OnceCell::new() })).file
    }
}

/// One file as a module.
pub(crate) struct Module<'a> {
    /// Its tree.
    pub(crate) file: &'a ast::File,
    /// Its path as imports and messages name it.
    pub(crate) path: Arc<str>,
    /// The last part of the path, without `.vega`: what stands before `::`.
    pub(crate) name: Symbol,
    /// Whether it belongs to the standard library: bodyless functions are natives, `impl` may be on any type.
    pub(crate) is_standard: bool,
    /// Whether its syntax has mistakes: parts of it may be missing from the tree.
    pub(crate) is_broken: bool,
    /// Its own declarations and selected imports.
    pub(crate) scope: Scope,
}

/// What the names of one module stand for.
#[derive(Default)]
pub(crate) struct Scope {
    /// Types.
    pub(crate) types: FxHashMap<Symbol, TypeDefinition>,
    /// Functions and constants.
    pub(crate) values: FxHashMap<Symbol, ValueDefinition>,
    /// Error kinds.
    pub(crate) kinds: FxHashMap<Symbol, KindId>,
    /// Modules by the names under which they were imported.
    pub(crate) modules: FxHashMap<Symbol, ModuleId>,
    /// Modules whose public names are seen where nothing else defines them.
    pub(crate) open: Vec<ModuleId>,
}

/// Looks in the module's own table first, then in the openly imported ones.
pub(crate) fn find<T: Copy + PartialEq>(
    modules: &[Module<'_>],
    module: ModuleId,
    own: impl Fn(&Scope) -> Option<T>,
    visible: impl Fn(ModuleId, T) -> bool,
) -> Found<T> {
    let scope = &modules[module.0 as usize].scope;
    if let Some(found) = own(scope) {
        return Found::One(found);
    }
    let mut found: Option<(T, ModuleId)> = None;
    for &other in &scope.open {
        if let Some(candidate) = own(&modules[other.0 as usize].scope).filter(|candidate| visible(other, *candidate)) {
            match found {
                Some((first, from)) if first != candidate => return Found::Ambiguous(from, other),
                _ => found = Some((candidate, other)),
            }
        }
    }
    found.map_or(Found::Nothing, |(found, _)| Found::One(found))
}

/// The path of the file that `import "path"` in `importer` names: relative to the importer's folder, with `.` and `..` worked in.
/// `None` where it would leave the root of the paths.
pub(crate) fn relative_path(importer: &str, path: &str) -> Option<String> {
    beside(importer, path).map(|path| format!("{path}.vega"))
}

/// The file at `path` relative to the folder of another file, with `.` and `..` worked in. `None` where it would leave the root of
/// the paths.
pub(crate) fn beside(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&"") | None => return None,
                Some(_) => {
                    parts.pop();
                }
            },
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The word by which a module of this path is named.
pub(crate) fn module_word(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    last.strip_suffix(".vega").unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_relative_to_the_importing_file() {
        assert_eq!(relative_path("main.vega", "./helpers").as_deref(), Some("helpers.vega"));
        assert_eq!(relative_path("src/main.vega", "./a/b").as_deref(), Some("src/a/b.vega"));
        assert_eq!(relative_path("src/a/x.vega", "../b").as_deref(), Some("src/b.vega"));
        assert_eq!(relative_path("/p/x.vega", "../../b"), None);
        assert_eq!(relative_path("src/x.vega", "../../b"), None);
    }

    #[test]
    fn a_module_is_named_by_its_last_part() {
        assert_eq!(module_word("src/a/x.vega"), "x");
        assert_eq!(module_word("math"), "math");
    }
}
