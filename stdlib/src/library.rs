//! The modules of `vega-std/`, by name. A module's text is looked at only when a program names it.

macro_rules! modules {
    ($($name:literal)+) => {
        const MODULES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../vega-std/", $name, ".vega")))),+];
    };
}

modules! {
    "base64" "budget" "bytes" "duration" "env" "file" "float" "int" "io" "json" "list" "map" "math" "money" "option" "path" "prelude"
    "process" "random" "range" "result" "str" "time"
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
}
