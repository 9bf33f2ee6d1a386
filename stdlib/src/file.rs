//! `file` and `path`. Files are reached only through what the process may touch.

use vega_bytecode::kinds;
use vega_runtime::native::NativeTable;
use vega_runtime::value::{Array, Bytes, Value};

use crate::arguments::{bytes, computed, error, text};

computed! {
    "path::join" / 2 => |a, _| Ok(Value::str(join(text(a, 0)?, text(a, 1)?)));
    "path::name" / 1 => |a, _| Ok(Value::str(name(text(a, 0)?)));
    "path::stem" / 1 => |a, _| Ok(Value::str(name_and_extension(text(a, 0)?).0));
    "path::extension" / 1 => |a, _| Ok(Value::str(name_and_extension(text(a, 0)?).1));
    "path::parent" / 1 => |a, _| Ok(Value::str(parent(text(a, 0)?)));
    "path::with_extension" / 2 => |a, _| Ok(Value::str(with_extension(text(a, 0)?, text(a, 1)?)));
    "path::parts" / 1 => |a, _| Ok(text(a, 0)?.split('/').filter(|part| !part.is_empty()).map(Value::str).collect::<Array>().into());
    "path::normalize" / 1 => |a, _| Ok(Value::str(normalize(text(a, 0)?)));
    "path::is_absolute" / 1 => |a, _| Ok(Value::bool(text(a, 0)?.starts_with('/')));
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add_blocking("file::read", 1, |context, arguments| {
        let path = text(arguments, 0)?;
        let content = context.read_file(path)?;
        match String::from_utf8(content) {
            Ok(content) => Ok(Value::str(content).into()),
            Err(_) => Err(error(kinds::IO_ERROR, format!("{path}: not UTF-8 text; `file::read_bytes` reads other files"))),
        }
    });
    table.add_blocking("file::read_bytes", 1, |context, arguments| {
        Ok(Value::from(Bytes::from(context.read_file(text(arguments, 0)?)?)).into())
    });
    table.add_blocking("file::write", 2, |context, arguments| {
        context.write_file(text(arguments, 0)?, text(arguments, 1)?.as_bytes())?;
        Ok(().into())
    });
    table.add_blocking("file::write_bytes", 2, |context, arguments| {
        context.write_file(text(arguments, 0)?, bytes(arguments, 1)?.as_slice())?;
        Ok(().into())
    });
    table.add_blocking("file::exists", 1, |context, arguments| Ok(Value::bool(context.file_exists(text(arguments, 0)?)?).into()));
    table.add_blocking("file::list", 1, |context, arguments| {
        let mut names = context.list_files(text(arguments, 0)?)?;
        names.sort();
        Ok(Value::from(names.into_iter().map(Value::str).collect::<Array>()).into())
    });
}

fn join(start: &str, rest: &str) -> String {
    match (start, rest) {
        ("", rest) => rest.to_string(),
        (_, rest) if rest.starts_with('/') => rest.to_string(),
        (start, "") => start.to_string(),
        (start, rest) => format!("{}/{rest}", start.trim_end_matches('/')),
    }
}

fn name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or("")
}

/// A point at the start of a name hides the file and begins no extension.
fn name_and_extension(path: &str) -> (&str, &str) {
    let name = name(path);
    match name.rfind('.') {
        Some(point) if point > 0 => (&name[..point], &name[point + 1..]),
        _ => (name, ""),
    }
}

fn parent(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    match path.rfind('/') {
        Some(0) => "/",
        Some(place) => &path[..place],
        None => "",
    }
}

/// The path with another extension, or none where it is empty.
fn with_extension(path: &str, extension: &str) -> String {
    let stem = join(parent(path), name_and_extension(path).0);
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

/// Without `.`, empty parts, and the `..` that can be resolved without looking.
fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let root = if path.starts_with('/') { "/" } else { "" };
    for part in path.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(&last)) if last != ".." => drop(parts.pop()),
            // Above the root is the root.
            ("..", None) if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    match (root, parts.is_empty()) {
        ("", true) => ".".to_string(),
        _ => root.to_string() + &parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::shows;

    #[test]
    fn paths_are_taken_apart_and_joined() {
        shows("path::join", ("a/", "b"), "\"a/b\"");
        shows("path::join", ("a", "/b"), "\"/b\"");
        shows("path::join", ("", "b"), "\"b\"");
        shows("path::name", ("a/b.tar.gz",), "\"b.tar.gz\"");
        shows("path::stem", ("a/b.tar.gz",), "\"b.tar\"");
        shows("path::extension", ("a/b.tar.gz",), "\"gz\"");
        shows("path::extension", (".hidden",), "\"\"");
        shows("path::parent", ("/a",), "\"/\"");
        shows("path::parent", ("a/b/",), "\"a\"");
        shows("path::parent", ("a",), "\"\"");
        shows("path::with_extension", ("a/b.tar.gz", "zip"), "\"a/b.tar.zip\"");
        shows("path::with_extension", ("/b.x", ""), "\"/b\"");
        shows("path::parts", ("/a//b/",), "[\"a\", \"b\"]");
        shows("path::normalize", ("a/./b/../../../c",), "\"../c\"");
        shows("path::normalize", ("/../a/",), "\"/a\"");
        shows("path::normalize", ("a/..",), "\".\"");
    }
}
