//! Golden programs: each file below `tests/language/` states one fact about the language.
//!
//! Comments in a program say what has to happen:
//!
//! ```text
//! // expect: TEXT     the next line of standard output
//! // error: CODE      a diagnostic with this code that points at this line; the program does not compile
//! // warning: CODE    a warning with this code that points at this line
//! // note: CODE       the same for what `vega check` alone says
//! // raises: TEXT     part of standard error of a program that ends with status 1
//! // status: N        exit status, where it is none of the above's
//! // flags: …         further flags of `vega run`
//! ```

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::{root, stderr, stdout, vega};

/// What a program says about itself.
pub(crate) struct Expected {
    pub(crate) output: Vec<String>,
    errors: Vec<(usize, String)>,
    warnings: Vec<(usize, String)>,
    notes: Vec<(usize, String)>,
    raises: Vec<String>,
    status: Option<i32>,
    pub(crate) flags: Vec<String>,
}

impl Expected {
    /// Whether it says nothing at all.
    pub(crate) fn is_nothing(&self) -> bool {
        let remarks = self.warnings.len() + self.notes.len();
        self.output.is_empty() && self.errors.is_empty() && remarks == 0 && self.raises.is_empty() && self.status.is_none()
    }
}

/// What the comments of a program say.
pub(crate) fn expected(text: &str) -> Expected {
    let mut expected = Expected {
        output: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
        raises: Vec::new(),
        status: None,
        flags: Vec::new(),
    };
    for (number, line) in text.lines().enumerate() {
        for part in line.split("// ").skip(1) {
            if let Some(rest) = part.strip_prefix("expect:") {
                expected.output.push(rest.strip_prefix(' ').unwrap_or(rest).to_owned());
            } else if let Some(code) = part.strip_prefix("error:") {
                expected.errors.push((number + 1, code.trim().to_owned()));
            } else if let Some(code) = part.strip_prefix("warning:") {
                expected.warnings.push((number + 1, code.trim().to_owned()));
            } else if let Some(code) = part.strip_prefix("note:") {
                expected.notes.push((number + 1, code.trim().to_owned()));
            } else if let Some(rest) = part.strip_prefix("raises:") {
                expected.raises.push(rest.trim().to_owned());
            } else if let Some(rest) = part.strip_prefix("status:") {
                expected.status = Some(rest.trim().parse().expect("a status is a number"));
            } else if let Some(rest) = part.strip_prefix("flags:") {
                expected.flags.extend(rest.split_whitespace().map(str::to_owned));
            }
        }
    }
    expected
}

/// What is wrong with one program, if anything.
fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let expected = expected(&text);
    if expected.is_nothing() {
        return Err("states nothing: no expect, error, warning, note, raises or status".into());
    }
    let mut command = vega();
    command.arg("run").arg(path).args(["--quiet", "--offline"]).args(&expected.flags);
    let output = crate::support::output(&mut command);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    judge(&output, &expected, &name)?;
    if expected.warnings.len() + expected.notes.len() > 0 {
        let checked = stderr(&crate::support::output(vega().arg("check").arg(path)));
        points(&checked, "warning", &expected.warnings, &name)?;
        points(&checked, "note", &expected.notes, &name)?;
    }
    Ok(())
}

/// Compares what a run of the file `name` did with what was expected.
pub(crate) fn judge(output: &std::process::Output, expected: &Expected, name: &str) -> Result<(), String> {
    let (out, err) = (stdout(output), stderr(output));
    let status = expected.status.unwrap_or(match (expected.errors.is_empty(), expected.raises.is_empty()) {
        (false, _) => 2,
        (true, false) => 1,
        (true, true) => 0,
    });
    if output.status.code() != Some(status) {
        return Err(format!("status {:?} instead of {status}\n--- stdout\n{out}--- stderr\n{err}", output.status.code()));
    }
    let lines: Vec<&str> = out.lines().collect();
    if expected.errors.is_empty() && lines != expected.output {
        return Err(format!("printed\n{out}instead of\n{}\n--- stderr\n{err}", expected.output.join("\n")));
    }
    points(&err, "error", &expected.errors, name)?;
    for text in &expected.raises {
        if !err.contains(text) {
            return Err(format!("standard error lacks {text:?}\n--- stderr\n{err}"));
        }
    }
    Ok(())
}

/// That these diagnostics of one severity were reported where they belong, and no others of it.
fn points(err: &str, severity: &str, expected: &[(usize, String)], name: &str) -> Result<(), String> {
    if expected.is_empty() {
        return Ok(());
    }
    let starts: Vec<usize> = ["error[", "warning[", "note["]
        .iter()
        .flat_map(|word| err.match_indices(word).map(|(at, _)| at))
        .filter(|&at| at == 0 || err.as_bytes()[at - 1] == b'\n')
        .collect();
    let parts: Vec<&str> = starts
        .iter()
        .map(|&start| &err[start..starts.iter().copied().filter(|&next| next > start).min().unwrap_or(err.len())])
        .filter(|part| part.starts_with(&format!("{severity}[")))
        .collect();
    for (line, code) in expected {
        let head = format!("{severity}[{code}]");
        if !parts.iter().any(|part| part.starts_with(&head) && part.contains(&format!("{name}:{line}:"))) {
            return Err(format!("no {head} at line {line}\n--- stderr\n{err}"));
        }
    }
    if parts.len() != expected.len() {
        return Err(format!("{} of severity {severity} instead of {}\n--- stderr\n{err}", parts.len(), expected.len()));
    }
    Ok(())
}

/// All golden programs.
pub(crate) fn programs() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join("tests/language"), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of golden programs exists").flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Folders named `parts` hold modules that programs import, and `first` what `first.rs` puts together.
            if path.file_name().is_some_and(|name| name != "parts" && name != "seed") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|ending| ending == "vega") {
            found.push(path);
        }
    }
}

#[test]
fn golden_programs_do_what_they_say() {
    let found = programs();
    assert!(!found.is_empty(), "there are golden programs");
    let next = Mutex::new(found.into_iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(path) = next.lock().expect("no check panics").next() else { return };
                    if let Err(problem) = check(&path) {
                        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                        failures.lock().expect("no check panics").push(format!("=== {name}\n{problem}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no check panics");
    assert!(failures.is_empty(), "{} programs fail\n{}", failures.len(), failures.join("\n"));
}

/// Codes that no small program provokes, each with the reason.
const NOT_BY_A_SMALL_PROGRAM: &[(&str, &str)] = &[
    ("V0113", "needs a file of more than 16 MiB"),
    ("V0116", "needs more than 200 mistakes"),
    ("V0601", "needs a function of thousands of variables"),
];

#[test]
fn every_diagnostic_has_a_program_that_provokes_it() {
    let texts: Vec<String> = programs().iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    let provoked = |code: &str| {
        let comments = ["error", "warning", "note"].map(|severity| format!("// {severity}: {code}"));
        let text = format!("error[{code}]");
        texts.iter().any(|program| program.contains(&text) || comments.iter().any(|comment| program.contains(comment)))
    };
    for info in vega_compiler::diagnostic::codes::ALL {
        let code = info.code.as_str();
        let is_excused = NOT_BY_A_SMALL_PROGRAM.iter().any(|(excused, _)| *excused == code);
        assert_ne!(provoked(code), is_excused, "{code} ({}) is provoked by no program, or excused without need", info.title);
    }
}

/// Programs that need more registers than a frame may have, each in another way.
fn too_large() -> Vec<(&'static str, String)> {
    let repeat = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<Vec<_>>();
    let all_of = |count: usize, text: &str| vec![text; count].join(", ");
    let names = repeat(70_000, &|number| format!("x{number}")).join(", ");
    vec![
        ("numbers", repeat(9_000, &|number| format!("let x{number} = {number};\n")).concat()),
        ("arrays", repeat(70_000, &|number| format!("let x{number} = [1];\n")).concat()),
        ("a tuple", format!("let a = 1;\nlet t = ({});\n", all_of(70_000, "a"))),
        ("a pattern", format!("let ({names}) = ({});\n", all_of(70_000, "[1]"))),
        ("a text", format!("let a = [1];\nlet t = f\"{}\";\n", "{a} ".repeat(70_000))),
        ("blocks", {
            let variables =
                repeat(9_000, &|number| format!("let x{number} = [1];\nif x{number}.len() > 2 {{ print(x{number}); }}\n"));
            let rest = "for i in 0..3 { for v in x1 { match v { 1 => print(1), _ => print(v) } } }\n\
                        try { let q = x0[1]; defer print(q); print(|| q); } catch e { print(e); }\n";
            format!("{}{rest}", variables.concat())
        }),
    ]
}

#[test]
fn a_function_that_needs_too_many_registers_is_refused_as_such() {
    let folder = crate::support::Folder::new("too_large");
    for (name, body) in too_large() {
        let program = folder.write("large.vega", format!("fn main() {{\n{body}}}\n"));
        let built = crate::support::output(vega().arg("build").arg(&program));
        let text = stderr(&built);
        assert!(text.starts_with("error[V0601]: this function needs more than 8,192 registers"), "{name}: {text}");
        assert_eq!(text.matches("error[").count(), 1, "{name}: {text}");
    }
}

#[test]
fn modules_are_found_in_the_path_of_the_environment() {
    let folder = crate::support::Folder::new("path");
    let program = folder.write("project/main.vega", "import \"greetings\";\nprint(greetings::hello(\"Ada\"));\n");
    folder.write("modules/greetings.vega", "pub fn hello(name: str) -> str { return \"hello \" + name; }\n");
    let without = crate::support::output(vega().arg("run").arg(&program));
    assert!(stderr(&without).contains("error[V0205]"), "{}", stderr(&without));
    let modules = folder.path().join("modules");
    let with = crate::support::output(vega().arg("run").arg(&program).arg("--quiet").env("VEGA_PATH", modules));
    assert_eq!(stdout(&with), "hello Ada\n", "{}", stderr(&with));
}

#[test]
fn an_import_does_not_leave_the_project() {
    let folder = crate::support::Folder::new("outside");
    folder.write("project/vega.toml", "edition = \"2026\"\n");
    folder.write("outside.vega", "pub fn f() {}\n");
    folder.write("project/shared.vega", "pub fn answer() -> int { return 42; }\n");
    let inside = folder.write("project/src/good.vega", "import \"../shared\";\nprint(answer());\n");
    let outside = folder.write("project/src/bad.vega", "import \"../../outside\";\nprint(1);\n");
    let inside = crate::support::output(vega().arg("run").arg(inside).arg("--quiet"));
    assert_eq!(stdout(&inside), "42\n", "{}", stderr(&inside));
    let outside = crate::support::output(vega().arg("run").arg(outside).arg("--quiet"));
    assert_eq!(outside.status.code(), Some(2), "{}{}", stdout(&outside), stderr(&outside));
    assert!(stderr(&outside).contains("error[V02"), "{}", stderr(&outside));
}

#[test]
fn the_table_of_rules_names_programs_that_exist_and_every_folder() {
    let folder = root().join("tests/language");
    let table = std::fs::read_to_string(folder.join("RULES.md")).expect("the table of rules exists");
    let named: Vec<&str> =
        table.split('`').skip(1).step_by(2).filter(|name| name.contains('/') && !name.starts_with('/')).collect();
    for name in &named {
        let file = if name.starts_with("tests/") { root().join(name) } else { folder.join(format!("{name}.vega")) };
        assert!(file.is_file(), "`{name}` is named and does not exist");
    }
    for program in programs() {
        let topic = program.strip_prefix(&folder).expect("a program of the folder").iter().next().expect("it has a name");
        let is_named = named.iter().any(|name| Path::new(name).starts_with(topic));
        assert!(is_named, "no rule names a program of `{}`", topic.display());
    }
}

/// Programs that are long in one direction, and no deeper for it. None may end the compiler.
fn long_rows(count: usize) -> Vec<(&'static str, String, &'static str)> {
    let repeat = |part: &dyn Fn(usize) -> String| (1..count).map(part).collect::<String>();
    vec![
        (
            "else if",
            format!("let a = 1;\nif a == 0 {{ }}{} else {{ }}\n", repeat(&|number| format!(" else if a == {number} {{ }}"))),
            "no mistakes",
        ),
        (
            "constants, each of the one below it",
            repeat(&|number| format!("const C{}: int = C{number} + 1;\n", number - 1))
                + &format!("const C{}: int = 1;\n", count - 1),
            "no mistakes",
        ),
        (
            "a circle of constants",
            format!(
                "{}const C0: int = C{};\n",
                repeat(&|number| format!("const C{number}: int = C{};\n", number - 1)),
                count - 1
            ),
            "error[V0328]",
        ),
        (
            "structs, each within the next",
            format!("struct S0 {{ x: int }}\n{}", repeat(&|number| format!("struct S{number} {{ s: S{} }}\n", number - 1))),
            "no mistakes",
        ),
        (
            "a circle of structs",
            format!(
                "struct S0 {{ s: S{} }}\n{}",
                count - 1,
                repeat(&|number| format!("struct S{number} {{ s: S{} }}\n", number - 1))
            ),
            "error[V0321]",
        ),
        (
            "arms",
            format!(
                "let a = (1, 2);\nmatch a {{ {} _ => print(0) }}\n",
                repeat(&|number| format!("({number}, {number}) => print(1), "))
            ),
            "no mistakes",
        ),
    ]
}

#[test]
fn what_is_long_is_not_deep() {
    let folder = crate::support::Folder::new("long_rows");
    for (name, text, expected) in long_rows(6_000) {
        let program = folder.write("long.vega", text);
        let checked = crate::support::output(vega().arg("check").arg(&program));
        let said = stderr(&checked);
        assert!(said.contains(expected), "{name}: {:?} {}", checked.status, said.lines().take(20).collect::<String>());
    }
}
