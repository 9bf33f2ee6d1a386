//! Where a program's files are: its project, and how they are read.
//!
//! The compiler sees paths relative to the project's folder; messages show them as the user wrote the program's path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vega_compiler::parse::SOURCE_BYTES_MAX;
use vega_compiler::source::{LoadError, Loader};

/// Name of the file that makes a folder a project.
pub(crate) const CONFIG_NAME: &str = "vega.toml";

/// Longest bytecode or replies file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The folder that a program belongs to: the nearest one at or above its file with a `vega.toml`, else the file's own.
#[derive(Debug)]
pub(crate) struct Project {
    /// The folder, as reached from the path that the user gave.
    folder: PathBuf,
    /// The program's path in it, with `/`.
    entry: String,
    has_config: bool,
}

/// Why a file cannot be used.
#[derive(Debug)]
pub(crate) enum FileProblem {
    /// There is none.
    Missing,
    /// It is a folder.
    Folder,
    /// It is longer than anything of its kind can be.
    TooLong { bytes: u64, bytes_max: u64 },
    /// It is no text: where it stops being UTF-8.
    NotText { line: usize, offset: usize },
    /// The system refuses.
    Refused(io::Error),
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileProblem::Missing => f.write_str("there is no such file"),
            FileProblem::Folder => f.write_str("it is a folder, not a file"),
            FileProblem::TooLong { bytes, bytes_max } => write!(f, "it has {bytes} bytes; at most {bytes_max} are read"),
            FileProblem::NotText { line, offset } => {
                write!(f, "it is not UTF-8 text: byte {offset}, in line {line}, belongs to no character")
            }
            FileProblem::Refused(error) => f.write_str(&reason(error)),
        }
    }
}

/// Why a file cannot be made or written.
pub(crate) fn write_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        _ => reason(error),
    }
}

/// What the system says, in the words of this command where it is common.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder, not a file".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads a file whole.
pub(crate) fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileProblem> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileProblem::Missing,
        _ => FileProblem::Refused(error),
    })?;
    if metadata.is_dir() {
        return Err(FileProblem::Folder);
    }
    if metadata.len() > bytes_max {
        return Err(FileProblem::TooLong { bytes: metadata.len(), bytes_max });
    }
    let bytes = std::fs::read(path).map_err(FileProblem::Refused)?;
    match bytes.len() as u64 {
        // A pipe or a device says its length only by being read.
        bytes_read if bytes_read > bytes_max => Err(FileProblem::TooLong { bytes: bytes_read, bytes_max }),
        _ => Ok(bytes),
    }
}

/// Reads a text file whole.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, FileProblem> {
    String::from_utf8(read_bytes(path, bytes_max)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1;
        FileProblem::NotText { line, offset }
    })
}

/// Reads bytecode, or the program whatever it is.
pub(crate) fn read_program(path: &Path) -> Result<Vec<u8>, FileProblem> {
    read_bytes(path, FILE_BYTES_MAX)
}

impl Project {
    /// The project of a program.
    pub(crate) fn of(program: &Path) -> Project {
        let own = match program.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            Some(_) | None => PathBuf::from("."),
        };
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut above = Some(std::path::absolute(&own).unwrap_or_else(|_| own.clone()));
        let mut inner: Vec<String> = Vec::new();
        let mut folder = own.clone();
        while let Some(at) = above {
            if at.join(CONFIG_NAME).is_file() {
                inner.reverse();
                inner.push(name);
                return Project { folder, entry: inner.join("/"), has_config: true };
            }
            inner.extend(at.file_name().map(|part| part.to_string_lossy().into_owned()));
            // A relative path keeps its form as long as it has parts to take off.
            folder = match folder.file_name() {
                Some(_) => folder.parent().map_or_else(PathBuf::new, Path::to_path_buf),
                None => folder.join(".."),
            };
            above = at.parent().map(Path::to_path_buf);
        }
        Project { folder: own, entry: name, has_config: false }
    }

    /// The program's path as the compiler names it.
    pub(crate) fn entry(&self) -> &str {
        &self.entry
    }

    /// The configuration file, if there is one.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        self.has_config.then(|| self.folder.join(CONFIG_NAME))
    }

    /// A path of the compiler as the user would write it.
    pub(crate) fn shown(&self, path: &str) -> String {
        let folder = self.folder.strip_prefix(".").unwrap_or(&self.folder);
        folder.join(path).display().to_string()
    }
}

impl Loader for Project {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        match read_text(&self.folder.join(path), SOURCE_BYTES_MAX as u64) {
            Ok(text) => Ok(text.into()),
            Err(FileProblem::Missing) => Err(LoadError::NotFound),
            Err(problem) => Err(LoadError::Unreadable(problem.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_program_alone_belongs_to_its_folder() {
        let project = Project::of(Path::new("/tmp/vega-none/x.vega"));
        assert_eq!((project.entry(), project.config()), ("x.vega", None));
        assert_eq!(project.shown("part.vega"), "/tmp/vega-none/part.vega");
        assert_eq!(Project::of(Path::new("x.vega")).shown("x.vega"), "x.vega");
    }

    #[test]
    fn a_configuration_above_makes_the_project() {
        let folder = std::env::temp_dir().join(format!("vega-project-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("a/b")).unwrap();
        std::fs::write(folder.join("vega.toml"), "").unwrap();
        let project = Project::of(&folder.join("a/b/x.vega"));
        assert_eq!(project.entry(), "a/b/x.vega");
        assert_eq!(project.config(), Some(folder.join("vega.toml")));
        assert_eq!(project.shown("a/b/x.vega"), folder.join("a/b/x.vega").display().to_string());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn files_that_are_none_are_told_apart() {
        let folder = std::env::temp_dir();
        assert!(matches!(read_text(&folder, 10), Err(FileProblem::Folder)));
        assert!(matches!(read_text(&folder.join("no-such-file"), 10), Err(FileProblem::Missing)));
        let path = folder.join(format!("vega-bytes-{}", std::process::id()));
        std::fs::write(&path, b"a\nb\xff").unwrap();
        assert!(matches!(read_text(&path, 10), Err(FileProblem::NotText { line: 2, offset: 3 })));
        assert!(matches!(read_text(&path, 2), Err(FileProblem::TooLong { bytes: 4, bytes_max: 2 })));
        std::fs::remove_file(&path).unwrap();
    }
}
