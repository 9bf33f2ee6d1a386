//! The modules of `vega-std/`, by name. A module's text is looked at only when a program names it.

macro_rules! modules {
    ($($name:literal)+) => {
        const MODULES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../vega-std/", $name, ".vega")))),+];
    };
}

modules! {
    "approval" "base64" "budget" "bytes" "config" "conversation" "duration" "env" "error" "exec" "file" "float" "hash" "http" "int" "io" "json" "list" "log" "map" "math" "money" "option" "path" "prelude"
    "process" "random" "range" "regex" "result" "str" "time" "trace"
}

/// The text of a module of the standard library.
pub fn module_source(name: &str) -> Option<&'static str> {
    let index = MODULES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    Some(MODULES[index].1)
}

/// The names of all modules, sorted.
pub fn module_names() -> impl Iterator<Item = &'static str> {
    MODULES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Modules whose natives belong to the runtime itself.
    const OF_THE_RUNTIME: [&str; 1] = ["process"];

    #[test]
    fn modules_are_sorted_so_that_each_is_found() {
        for name in module_names() {
            assert!(module_source(name).is_some(), "{name}");
        }
        assert!(module_source("nothing").is_none());
    }

    #[test]
    fn every_file_of_the_library_is_embedded() {
        let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../vega-std"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".vega").to_string())
            .collect();
        files.sort();
        assert_eq!(files, module_names().collect::<Vec<_>>());
    }

    /// Name and number of arguments of a function without a body, and whether it stands in an `impl`.
    fn declared(line: &str) -> Option<(&str, u8, bool)> {
        let line = line.trim_start();
        let rest = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("fn ")?.strip_suffix(';')?;
        let name = &rest[..rest.find(['(', '<'])?];
        let start = rest.find('(')?;
        let mut depth = 0;
        let mut parts = 1;
        for (place, character) in rest.char_indices().skip(start) {
            match character {
                '(' | '<' | '[' => depth += 1,
                ')' | '>' | ']' => depth -= 1,
                ',' if depth == 1 => parts += 1,
                _ => {}
            }
            if depth == 0 {
                let empty = rest[start + 1..place].trim().is_empty();
                return Some((name, if empty { 0 } else { parts }, line.starts_with(' ')));
            }
        }
        None
    }

    #[test]
    fn every_declared_native_is_there_with_documentation() {
        let mut table = crate::natives();
        table.extend(vega_runtime::process::natives());
        let mut found = 0;
        for module in module_names().filter(|name| !OF_THE_RUNTIME.contains(name)) {
            let lines: Vec<&str> = module_source(module).unwrap().lines().collect();
            for (index, line) in lines.iter().enumerate() {
                let Some((name, arity, _)) = declared(line) else { continue };
                let mut full = format!("{module}::{name}");
                if module == "prelude" {
                    full = name.to_string();
                }
                assert!(table.find(&full, arity).is_some(), "{full} of {arity} arguments is declared but not there");
                assert!(lines[index - 1].trim_start().starts_with("///"), "{full} has no documentation");
                found += 1;
            }
        }
        assert!(found > 150, "only {found} declarations were understood");
    }

    #[test]
    fn every_native_is_declared() {
        for native in crate::computed() {
            let (module, name) = native.name.split_once("::").unwrap_or(("prelude", native.name));
            let source = module_source(module).unwrap();
            let is_declared = source.lines().filter_map(declared).any(|(other, arity, _)| other == name && arity == native.arity)
                // Those without a module are declared in the prelude, whichever file they live in.
                || module_source("prelude").unwrap().lines().filter_map(declared).any(|(other, arity, _)| other == native.name && arity == native.arity);
            assert!(is_declared, "{} of {} arguments is not declared", native.name, native.arity);
        }
    }
}
