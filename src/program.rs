//! From a file to a module that may run: source is compiled, bytecode is read, and both are verified.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use vega_bytecode::{Module, VerifiedModule, format, verify};
use vega_compiler::source::{LoadError, Loader};
use vega_compiler::{Compiled, compile as compile_source};

use crate::command::USAGE;
use crate::config::Config;
use crate::console;
use crate::project::{self, Project};
use crate::providers;
use crate::report;

/// A program that may run.
#[derive(Debug)]
pub(crate) struct Program {
    /// The verified bytecode.
    pub(crate) module: VerifiedModule,
    /// Where it comes from.
    pub(crate) project: Project,
    /// Whether it was compiled just now, not read as bytecode.
    pub(crate) is_source: bool,
}

/// Why there is no module.
pub(crate) enum Problem {
    /// It was shown already; the status to end with.
    Shown(ExitCode),
    /// It is still to be said.
    Said(String),
}

/// The texts of a project and of the standard library.
pub(crate) struct Texts<'a>(pub(crate) &'a Project);

impl Loader for Texts<'_> {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        self.0.load(path)
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }

    fn refuses_temperature(&self, model: Option<&str>) -> bool {
        // What is wrong with the file is said when the program is run.
        let config = self.0.config().and_then(|path| Config::read(&path).ok()).unwrap_or_default();
        providers::refuses_temperature(&config, model)
    }

    fn elsewhere(&self, module: &str) -> Option<String> {
        // A name with other parts could reach out of the folders.
        if !Path::new(module).components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            return None;
        }
        let folders = std::env::var_os("VEGA_PATH")?;
        let found =
            std::env::split_paths(&folders).map(|folder| folder.join(format!("{module}.vega"))).find(|path| path.is_file())?;
        Some(std::path::absolute(found).ok()?.to_string_lossy().into_owned())
    }
}

/// Makes a program ready to run. Warnings are shown unless `quiet`.
pub(crate) fn compile(path: &Path, quiet: bool) -> Result<Program, Problem> {
    let module = module(path, quiet)?;
    let module = verify::verify(module)
        .map_err(|error| Problem::Said(format!("`{}` is no bytecode that can be run: {error}", path.display())))?;
    Ok(Program { module, project: Project::of(path), is_source: !is_bytecode(path) })
}

/// The bytecode of a file, not yet verified.
pub(crate) fn module(path: &Path, quiet: bool) -> Result<Module, Problem> {
    let cannot_read = |problem: project::FileProblem| Problem::Said(format!("cannot read `{}`: {problem}", path.display()));
    if is_bytecode(path) {
        let bytes = project::read_program(path).map_err(cannot_read)?;
        return format::decode(&bytes).map_err(|error| Problem::Said(format!("`{}`: {error}", path.display())));
    }
    let project = Project::of(path);
    let compiled = compile_source(&Texts(&project), project.entry()).map_err(|error| Problem::Said(unreadable(path, &error)))?;
    if !quiet || has_errors(&compiled) {
        show(&compiled, &project);
    }
    let failed = has_errors(&compiled).then(|| failure(path, &compiled));
    match (compiled.module, failed) {
        (Some(mut module), None) => {
            for file in &mut module.files {
                file.path = project.shown(&file.path);
            }
            Ok(module)
        }
        (_, Some(text)) => {
            console::error(&text);
            Err(Problem::Shown(ExitCode::from(USAGE)))
        }
        (None, None) => Err(Problem::Said(format!("`{}` gave neither bytecode nor a reason", path.display()))),
    }
}

fn is_bytecode(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "vgb")
}

/// Shows all diagnostics on standard error.
pub(crate) fn show(compiled: &Compiled, project: &Project) {
    console::complain(&report::draw(&compiled.diagnostics, &compiled.sources, |path| project.shown(path)));
}

/// Whether the program cannot run.
pub(crate) fn has_errors(compiled: &Compiled) -> bool {
    compiled.diagnostics.iter().any(vega_compiler::diagnostic::Diagnostic::is_error)
}

/// The last line of a compilation that failed.
pub(crate) fn failure(path: &Path, compiled: &Compiled) -> String {
    let found = report::counts(&compiled.diagnostics).unwrap_or_default();
    let first = compiled.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
    let more = first.map_or_else(String::new, |first| format!("; `vega explain {}` says more about the first", first.code));
    format!("`{}` does not compile: {found}{more}", path.display())
}

/// What to say about a program whose own file has no text.
pub(crate) fn unreadable(path: &Path, error: &LoadError) -> String {
    match error {
        LoadError::NotFound => format!("cannot read `{}`: there is no such file", path.display()),
        LoadError::Unreadable(reason) => format!("cannot read `{}`: {reason}", path.display()),
    }
}
