//! Paths that are granted, and the directory handles through which they are reached.
//!
//! Invariant: a file is opened below its grant's handle, never by its whole path.

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as StdMetadata;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use globset::{GlobBuilder, GlobMatcher};

use super::{BadPattern, CapabilitySet, Denied};

/// Names that no program writes to without a grant of its own: what decides about programs and their records.
const PROTECTED_NAMES: [&str; 3] = ["vega.toml", ".git", ".vega"];

/// Paths below `directory` that match all patterns; their access goes through the handle.
#[derive(Clone)]
pub(super) struct PathRule {
    pub(super) base: PathBuf,
    pub(super) directory: Arc<Directory>,
    pub(super) patterns: Vec<GlobMatcher>,
}

/// A directory opened when first needed, below its parent's handle where it has one.
pub(super) struct Directory {
    parent: Option<Arc<Directory>>,
    /// Absolute, or relative to the parent.
    path: PathBuf,
    opened: OnceLock<Dir>,
}

/// A file that may be touched, not yet opened. Every method blocks.
#[derive(Clone)]
pub struct FileAccess {
    pub(super) directory: Arc<Directory>,
    pub(super) base: PathBuf,
    pub(super) relative: PathBuf,
    /// Patterns that the file's real name must match too, once links are followed, and those that it must not.
    pub(super) patterns: Vec<GlobMatcher>,
    pub(super) denials: Vec<GlobMatcher>,
    /// Whose protected files it must not be, by whatever name.
    pub(super) guard: Option<CapabilitySet>,
}

impl FileAccess {
    /// The file's absolute path, for messages.
    pub fn full_path(&self) -> PathBuf {
        self.base.join(&self.relative)
    }

    /// The whole content, up to `bytes_max`.
    pub fn read(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        self.check_is_below()?;
        let directory = self.directory.open()?;
        self.check_real_name(directory)?;
        let file = directory.open(&self.relative)?;
        let mut content = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut content)?;
        if content.len() as u64 > bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {bytes_max} bytes")));
        }
        Ok(content)
    }

    /// Replaces the content, making the file where there is none. A protected file is an error whose source is a [`Denied`].
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        self.check_is_below()?;
        let directory = self.directory.open()?;
        self.check_real_name(directory)?;
        let mut options = OpenOptions::new();
        // Nothing is cut off before it is known which file this is.
        options.write(true).create(true).truncate(false);
        let mut file = directory.open_with(&self.relative, &options)?;
        if let Some(guard) = &self.guard {
            let metadata = file.metadata()?;
            let same = |other: &PathBuf| {
                std::fs::metadata(other)
                    .is_ok_and(|other| (StdMetadata::dev(&other), StdMetadata::ino(&other)) == (metadata.dev(), metadata.ino()))
            };
            if guard.0.protected.iter().any(same) {
                return Err(io::Error::other(protected(&self.full_path())));
            }
        }
        file.set_len(0)?;
        file.write_all(content)
    }

    /// The names in a directory, in order.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let directory = self.directory.open()?;
        self.check_real_name(directory)?;
        let entries = match self.relative.as_os_str().is_empty() {
            true => directory.entries()?,
            false => directory.read_dir(&self.relative)?,
        };
        let names: io::Result<Vec<String>> = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
        let mut names = names?;
        names.sort();
        Ok(names)
    }

    /// Whether there is something.
    pub fn exists(&self) -> bool {
        let there = |directory: &Dir| self.relative.as_os_str().is_empty() || directory.exists(&self.relative);
        self.directory.open().is_ok_and(|directory| there(directory) && self.check_real_name(directory).is_ok())
    }

    /// The granted directory itself is no file.
    fn check_is_below(&self) -> io::Result<()> {
        if self.relative.as_os_str().is_empty() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
    }

    /// Follows the links in the name: what it really names must be granted as well.
    fn check_real_name(&self, directory: &Dir) -> io::Result<()> {
        if self.patterns.is_empty() && self.denials.is_empty() && self.guard.is_none() || self.relative.as_os_str().is_empty() {
            return Ok(());
        }
        let real = match (directory.canonicalize(&self.relative), self.relative.file_name()) {
            (Ok(real), _) => real,
            // A new file has a real directory.
            (Err(_), Some(name)) => {
                let parent = self.relative.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                directory.canonicalize(parent)?.join(name)
            }
            (Err(error), None) => return Err(error),
        };
        if self.guard.is_some() && is_protected_name(&real) {
            return Err(io::Error::other(protected(&self.full_path())));
        }
        let real = self.base.join(real.strip_prefix(".").unwrap_or(&real));
        let granted = self.patterns.iter().all(|pattern| pattern.is_match(&real));
        if !granted || self.denials.iter().any(|pattern| pattern.is_match(&real)) {
            let what = format!("the file {}, which {} leads to", real.display(), self.full_path().display());
            return Err(io::Error::other(Denied { what, remedy: "no grant covers it".to_string() }));
        }
        Ok(())
    }
}

/// Whether a part of the path is one of the names that are never written below.
pub(super) fn is_protected_name(path: &Path) -> bool {
    path.components().any(|part| PROTECTED_NAMES.iter().any(|&name| part.as_os_str() == name))
}

pub(super) fn protected(path: &Path) -> Denied {
    let what = format!("fs::write of {}", path.display());
    Denied { what, remedy: "it is protected; --allow-self-write would allow it".to_string() }
}

impl PathRule {
    pub(super) fn matches(&self, path: &Path) -> bool {
        path.starts_with(&self.base) && self.patterns.iter().all(|pattern| pattern.is_match(path))
    }
}

impl Directory {
    pub(super) fn ambient(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { parent: None, path, opened: OnceLock::new() })
    }

    fn below(parent: &Arc<Directory>, relative: PathBuf) -> Arc<Self> {
        Arc::new(Self { parent: Some(Arc::clone(parent)), path: relative, opened: OnceLock::new() })
    }

    /// The open handle. A failure is not kept: the directory may be made later.
    fn open(&self) -> io::Result<&Dir> {
        if let Some(directory) = self.opened.get() {
            return Ok(directory);
        }
        let directory = match &self.parent {
            Some(parent) => parent.open()?.open_dir(&self.path)?,
            None => Dir::open_ambient_dir(&self.path, ambient_authority())?,
        };
        Ok(self.opened.get_or_init(|| directory))
    }
}

/// The rules of a caller, narrowed by the patterns of a tool: each handle is opened below the caller's.
pub(super) fn narrow_rules(rules: &[PathRule], patterns: Option<&[String]>, base: &Path) -> Result<Vec<PathRule>, BadPattern> {
    let Some(patterns) = patterns else { return Ok(rules.to_vec()) };
    let mut narrowed = Vec::new();
    for pattern in patterns {
        let (prefix, matcher) = split_pattern(base, pattern)?;
        for rule in rules {
            let mut both = rule.patterns.clone();
            both.extend(matcher.clone());
            if let Ok(relative) = prefix.strip_prefix(&rule.base) {
                let directory = match relative.as_os_str().is_empty() {
                    true => Arc::clone(&rule.directory),
                    false => Directory::below(&rule.directory, relative.to_path_buf()),
                };
                narrowed.push(PathRule { base: prefix.clone(), directory, patterns: both });
            } else if rule.base.starts_with(&prefix) {
                narrowed.push(PathRule { base: rule.base.clone(), directory: Arc::clone(&rule.directory), patterns: both });
            }
        }
    }
    Ok(narrowed)
}

/// The directory at which a pattern's handle is opened, and the matcher for whole paths; none where everything below matches.
pub(super) fn split_pattern(base: &Path, pattern: &str) -> Result<(PathBuf, Option<GlobMatcher>), BadPattern> {
    let full = normalize(base, pattern).ok_or_else(|| BadPattern(pattern.to_string()))?;
    let is_literal = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let literal: PathBuf = full.components().take_while(is_literal).collect();
    let rest = full.strip_prefix(&literal).expect("the literal part is the path's beginning");
    if rest == Path::new("**") {
        return Ok((literal, None));
    }
    if rest.as_os_str().is_empty() {
        // A plain path is the file itself, or the directory with all below; which, is seen only when it is used.
        let matcher = subtree(&literal)?;
        let parent = literal.parent().map_or_else(|| literal.clone(), Path::to_path_buf);
        return Ok((parent, Some(matcher)));
    }
    let matcher = glob(&format!("{}/{}", escape(&literal).trim_end_matches('/'), rest.display()))?;
    Ok((literal, Some(matcher)))
}

/// Whether a pattern that was accepted once matches a path.
pub(super) fn matches(base: &Path, pattern: &str, path: &Path) -> bool {
    match split_pattern(base, pattern) {
        Ok((_, Some(matcher))) => matcher.is_match(path),
        Ok((directory, None)) => path.starts_with(directory),
        Err(_) => false,
    }
}

/// A path itself, and all below it.
pub(super) fn subtree(path: &Path) -> Result<GlobMatcher, BadPattern> {
    glob(&format!("{}{{,/**}}", escape(path)))
}

fn glob(pattern: &str) -> Result<GlobMatcher, BadPattern> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).empty_alternates(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|_| BadPattern(pattern.to_string()))
}

fn escape(path: &Path) -> String {
    globset::escape(&path.to_string_lossy())
}

/// An absolute path without `.`; none where it contains `..`, which is never resolved by its text.
pub(super) fn normalize(base: &Path, path: &str) -> Option<PathBuf> {
    let mut full = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::ParentDir => return None,
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => full.push(part),
        }
    }
    Some(full)
}
