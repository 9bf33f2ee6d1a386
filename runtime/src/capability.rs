//! What a process may touch: a set of kinds, and for files, hosts, commands and variables the patterns that narrow them.
//!
//! Invariants: a set is only ever narrowed, never widened, from the program's grants down. A path that is allowed is reached through
//! a directory handle opened at the literal start of its pattern: no `..`, no symbolic link and no race between check and use leads
//! out of it.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as StdMetadata;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use globset::{GlobBuilder, GlobMatcher};
pub use vega_bytecode::module::Capability;

/// The flags of all kinds, by number of [`Capability`].
const ALL_KINDS: [Capability; 6] =
    [Capability::FileRead, Capability::FileWrite, Capability::Net, Capability::Exec, Capability::Env, Capability::Agent];

/// Names that no program writes to without a grant of its own: what decides about programs and their records.
const PROTECTED_NAMES: [&str; 3] = ["vega.toml", ".git", ".vega"];

/// What a process may touch. Cheap to clone; immutable.
#[derive(Clone)]
pub struct CapabilitySet(Arc<Inner>);

struct Inner {
    /// Kinds that are allowed at all, one bit each.
    kinds: u8,
    read: Vec<PathRule>,
    write: Vec<PathRule>,
    /// Paths taken out of the rules above.
    deny_read: Vec<GlobMatcher>,
    deny_write: Vec<GlobMatcher>,
    hosts: Vec<HostLayer>,
    /// Each layer must allow a command.
    commands: Vec<Vec<String>>,
    variables: Vec<String>,
    /// Where relative paths start.
    working_directory: PathBuf,
    /// Files that are never written.
    protected: Vec<PathBuf>,
    self_write: bool,
}

/// Paths below `directory` that match all patterns; their access goes through the handle.
#[derive(Clone)]
struct PathRule {
    base: PathBuf,
    directory: Arc<Directory>,
    patterns: Vec<GlobMatcher>,
}

/// Hosts that one layer of grants allows.
#[derive(Clone, Debug)]
struct HostLayer {
    /// Whether hosts at public addresses are allowed without being named.
    public: bool,
    patterns: Vec<String>,
}

/// A directory opened when first needed, below its parent's handle where it has one.
struct Directory {
    parent: Option<Arc<Directory>>,
    /// Absolute, or relative to the parent.
    path: PathBuf,
    opened: OnceLock<Dir>,
}

/// Something that no grant allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// What was wanted: `fs::read of /etc/passwd`.
    pub what: String,
    /// What would allow it, or why nothing does.
    pub remedy: String,
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.remedy)
    }
}

/// How a host may be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostAccess {
    /// It is named by every layer of grants: any address.
    Named,
    /// It is not named: only while it resolves to public addresses.
    PublicOnly,
}

/// What a program is granted, as flags and configuration say it; [`Grants::build`] makes the set of its first process.
#[derive(Clone, Debug)]
pub struct Grants {
    working_directory: PathBuf,
    kinds: u8,
    read: Vec<String>,
    write: Vec<String>,
    deny_read: Vec<String>,
    deny_write: Vec<String>,
    public_hosts: bool,
    hosts: Vec<String>,
    commands: Vec<String>,
    variables: Vec<String>,
    protected: Vec<PathBuf>,
    self_write: bool,
}

impl Grants {
    /// What a program has by default: files under the working directory, public hosts, agents.
    pub fn standard(working_directory: impl Into<PathBuf>) -> Self {
        let mut grants = Self::nothing(working_directory);
        grants.kinds = bit(Capability::FileRead) | bit(Capability::FileWrite) | bit(Capability::Net) | bit(Capability::Agent);
        grants.read.push("**".to_string());
        grants.write.push("**".to_string());
        grants.public_hosts = true;
        grants
    }

    /// Nothing at all.
    pub fn nothing(working_directory: impl Into<PathBuf>) -> Self {
        Self {
            working_directory: working_directory.into(),
            kinds: 0,
            read: Vec::new(),
            write: Vec::new(),
            deny_read: Vec::new(),
            deny_write: Vec::new(),
            public_hosts: false,
            hosts: Vec::new(),
            commands: Vec::new(),
            variables: Vec::new(),
            protected: Vec::new(),
            self_write: false,
        }
    }

    /// Allows reading a file, a directory with all below, or what a pattern matches.
    pub fn allow_read(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.kinds |= bit(Capability::FileRead);
        self.read.push(pattern.into());
        self
    }

    /// Allows writing a file, a directory with all below, or what a pattern matches.
    pub fn allow_write(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.kinds |= bit(Capability::FileWrite);
        self.write.push(pattern.into());
        self
    }

    /// Allows connections to a host, whatever its address: a name, `*.example.org`, or an address.
    pub fn allow_host(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.kinds |= bit(Capability::Net);
        self.hosts.push(pattern.into());
        self
    }

    /// Allows a command: `npm test` just that, `npm test *` with further arguments.
    pub fn allow_command(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.kinds |= bit(Capability::Exec);
        self.commands.push(pattern.into());
        self
    }

    /// Allows reading an environment variable.
    pub fn allow_variable(&mut self, name: impl Into<String>) -> &mut Self {
        self.kinds |= bit(Capability::Env);
        self.variables.push(name.into());
        self
    }

    /// Takes paths out of what may be read.
    pub fn deny_read(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.deny_read.push(pattern.into());
        self
    }

    /// Takes paths out of what may be written.
    pub fn deny_write(&mut self, pattern: impl Into<String>) -> &mut Self {
        self.deny_write.push(pattern.into());
        self
    }

    /// Takes a whole kind away.
    pub fn deny(&mut self, kind: Capability) -> &mut Self {
        self.kinds &= !bit(kind);
        self
    }

    /// Allows a whole kind whose details are granted elsewhere, as agents.
    pub fn allow(&mut self, kind: Capability) -> &mut Self {
        self.kinds |= bit(kind);
        self
    }

    /// Files that the program never writes: its own sources, replies, recordings.
    pub fn protect(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.protected.push(path.into());
        self
    }

    /// Allows writing what is protected.
    pub fn allow_self_write(&mut self) -> &mut Self {
        self.self_write = true;
        self
    }

    /// The set of the program's first process, or the pattern that is none.
    pub fn build(&self) -> Result<CapabilitySet, BadPattern> {
        let base = &self.working_directory;
        let rules = |patterns: &[String]| -> Result<Vec<PathRule>, BadPattern> {
            let mut rules = Vec::new();
            for pattern in patterns {
                let (prefix, matcher) = split_pattern(base, pattern)?;
                rules.push(PathRule {
                    base: prefix.clone(),
                    directory: Directory::ambient(prefix),
                    patterns: matcher.into_iter().collect(),
                });
            }
            Ok(rules)
        };
        let denials = |patterns: &[String]| -> Result<Vec<GlobMatcher>, BadPattern> {
            let mut matchers = Vec::new();
            for pattern in patterns {
                let (prefix, matcher) = split_pattern(base, pattern)?;
                matchers.push(match matcher {
                    Some(matcher) => matcher,
                    None => glob(&format!("{}{{,/**}}", escape(&prefix)))?,
                });
            }
            Ok(matchers)
        };
        Ok(CapabilitySet(Arc::new(Inner {
            kinds: self.kinds,
            read: rules(&self.read)?,
            write: rules(&self.write)?,
            deny_read: denials(&self.deny_read)?,
            deny_write: denials(&self.deny_write)?,
            hosts: vec![HostLayer { public: self.public_hosts, patterns: self.hosts.clone() }],
            commands: vec![self.commands.clone()],
            variables: self.variables.clone(),
            working_directory: base.clone(),
            protected: self.protected.iter().map(|path| base.join(path)).collect(),
            self_write: self.self_write,
        })))
    }
}

/// A pattern that no path can match, because it is malformed or contains `..`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadPattern(pub String);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no path pattern", self.0)
    }
}

impl std::error::Error for BadPattern {}

/// What a tool declares; absent lists leave the kind as its caller has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared<'a> {
    /// Kinds.
    pub kinds: &'a [Capability],
    /// Path patterns, for reading and writing.
    pub paths: Option<&'a [String]>,
    /// Commands.
    pub commands: Option<&'a [String]>,
    /// Hosts.
    pub hosts: Option<&'a [String]>,
}

impl CapabilitySet {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Grants::nothing("/").build().expect("no pattern, so no bad pattern")
    }

    /// Whether a kind is allowed at all, in some form.
    pub fn allows(&self, kind: Capability) -> bool {
        self.0.kinds & bit(kind) != 0
    }

    /// This set, and of it only what is declared.
    pub fn narrow(&self, declared: Declared<'_>) -> Result<CapabilitySet, BadPattern> {
        let inner = &*self.0;
        let kinds = declared.kinds.iter().fold(0, |kinds, &kind| kinds | bit(kind)) & inner.kinds;
        let mut hosts = inner.hosts.clone();
        if let Some(patterns) = declared.hosts {
            hosts.push(HostLayer { public: false, patterns: patterns.to_vec() });
        }
        let mut commands = inner.commands.clone();
        if let Some(patterns) = declared.commands {
            commands.push(patterns.to_vec());
        }
        Ok(CapabilitySet(Arc::new(Inner {
            kinds,
            read: narrow_rules(&inner.read, declared.paths, &inner.working_directory)?,
            write: narrow_rules(&inner.write, declared.paths, &inner.working_directory)?,
            deny_read: inner.deny_read.clone(),
            deny_write: inner.deny_write.clone(),
            hosts,
            commands,
            variables: inner.variables.clone(),
            working_directory: inner.working_directory.clone(),
            protected: inner.protected.clone(),
            self_write: inner.self_write,
        })))
    }

    /// The file to read at `path`, or why it may not be.
    pub fn file_to_read(&self, path: &str) -> Result<FileAccess, Denied> {
        self.file(path, "fs::read", Capability::FileRead, &self.0.read, &self.0.deny_read, "--allow-read")
    }

    /// The file to write at `path`, or why it may not be.
    pub fn file_to_write(&self, path: &str) -> Result<FileAccess, Denied> {
        let mut access =
            self.file(path, "fs::write", Capability::FileWrite, &self.0.write, &self.0.deny_write, "--allow-write")?;
        let full = access.full_path();
        if !self.0.self_write {
            if is_protected_name(&full) || self.0.protected.contains(&full) {
                return Err(protected(&full));
            }
            // Links may give a protected file another name, so its identity is looked at again when it is opened.
            access.guard = Some(self.clone());
        }
        Ok(access)
    }

    fn file(
        &self,
        path: &str,
        verb: &str,
        kind: Capability,
        rules: &[PathRule],
        denials: &[GlobMatcher],
        flag: &str,
    ) -> Result<FileAccess, Denied> {
        let full = normalize(&self.0.working_directory, path)
            .ok_or_else(|| Denied { what: format!("{verb} of {path}"), remedy: "paths may not contain `..`".to_string() })?;
        let refused = || {
            let directory = full.parent().unwrap_or(&full).display().to_string();
            Denied { what: format!("{verb} of {}", full.display()), remedy: format!("{flag}={directory} would allow it") }
        };
        if !self.allows(kind) || denials.iter().any(|pattern| pattern.is_match(&full)) {
            return Err(refused());
        }
        let rule = rules.iter().find(|rule| rule.matches(&full)).ok_or_else(refused)?;
        let relative = full.strip_prefix(&rule.base).expect("a rule matches only below its base").to_path_buf();
        Ok(FileAccess { directory: Arc::clone(&rule.directory), base: rule.base.clone(), relative, guard: None })
    }

    /// How a host may be reached, or why not.
    pub fn host(&self, host: &str) -> Result<HostAccess, Denied> {
        let refused = || Denied { what: format!("net to {host}"), remedy: format!("--allow-net={host} would allow it") };
        if !self.allows(Capability::Net) {
            return Err(refused());
        }
        let mut access = HostAccess::Named;
        for layer in &self.0.hosts {
            if layer.patterns.iter().any(|pattern| host_matches(pattern, host)) {
                continue;
            }
            if !layer.public {
                return Err(refused());
            }
            access = HostAccess::PublicOnly;
        }
        Ok(access)
    }

    /// Whether a command, given as its words, may be run.
    pub fn command(&self, words: &[&str]) -> Result<(), Denied> {
        let allowed = |layer: &Vec<String>| layer.iter().any(|pattern| command_matches(pattern, words));
        if self.allows(Capability::Exec) && self.0.commands.iter().all(allowed) {
            return Ok(());
        }
        let command = words.join(" ");
        Err(Denied {
            what: format!("process::exec of `{command}`"),
            remedy: format!("--allow-exec=\"{command}\" would allow it"),
        })
    }

    /// Whether an environment variable may be read.
    pub fn variable(&self, name: &str) -> Result<(), Denied> {
        if self.allows(Capability::Env) && self.0.variables.iter().any(|allowed| allowed == name || allowed == "*") {
            return Ok(());
        }
        Err(Denied { what: format!("env of {name}"), remedy: format!("--allow-env={name} would allow it") })
    }

    /// Whether agents may be called.
    pub fn agent(&self) -> Result<(), Denied> {
        if self.allows(Capability::Agent) {
            return Ok(());
        }
        Err(Denied { what: "agent".to_string(), remedy: "the program runs without the capability to call agents".to_string() })
    }

    /// Where relative paths start.
    pub fn working_directory(&self) -> &Path {
        &self.0.working_directory
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = ALL_KINDS.into_iter().filter(|&kind| self.allows(kind));
        f.debug_set().entries(kinds).finish()
    }
}

/// A file that may be touched, not yet opened. Every method blocks.
#[derive(Clone)]
pub struct FileAccess {
    directory: Arc<Directory>,
    base: PathBuf,
    relative: PathBuf,
    /// Whose protected files it must not be, by whatever name.
    guard: Option<CapabilitySet>,
}

impl FileAccess {
    /// The file's absolute path, for messages.
    pub fn full_path(&self) -> PathBuf {
        self.base.join(&self.relative)
    }

    /// The whole content, up to `bytes_max`.
    pub fn read(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = self.directory.open()?.open(&self.relative)?;
        let mut content = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut content)?;
        if content.len() as u64 > bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {bytes_max} bytes")));
        }
        Ok(content)
    }

    /// Replaces the content, making the file where there is none. A protected file is an error whose source is a [`Denied`].
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        let directory = self.directory.open()?;
        if self.guard.is_some() {
            // The file itself where it exists, its directory where it is new.
            let parent = self.relative.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let real = directory.canonicalize(&self.relative).or_else(|_| directory.canonicalize(parent))?;
            if is_protected_name(&real) {
                return Err(io::Error::other(protected(&self.full_path())));
            }
        }
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
        self.directory.open().is_ok_and(|directory| self.relative.as_os_str().is_empty() || directory.exists(&self.relative))
    }
}

/// Whether a part of the path is one of the names that are never written below.
fn is_protected_name(path: &Path) -> bool {
    path.components().any(|part| PROTECTED_NAMES.iter().any(|&name| part.as_os_str() == name))
}

fn protected(path: &Path) -> Denied {
    let what = format!("fs::write of {}", path.display());
    Denied { what, remedy: "it is protected; --allow-self-write would allow it".to_string() }
}

impl PathRule {
    fn matches(&self, path: &Path) -> bool {
        path.starts_with(&self.base) && self.patterns.iter().all(|pattern| pattern.is_match(path))
    }
}

impl Directory {
    fn ambient(path: PathBuf) -> Arc<Self> {
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
fn narrow_rules(rules: &[PathRule], patterns: Option<&[String]>, base: &Path) -> Result<Vec<PathRule>, BadPattern> {
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
fn split_pattern(base: &Path, pattern: &str) -> Result<(PathBuf, Option<GlobMatcher>), BadPattern> {
    let full = normalize(base, pattern).ok_or_else(|| BadPattern(pattern.to_string()))?;
    let is_literal = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let literal: PathBuf = full.components().take_while(is_literal).collect();
    let rest = full.strip_prefix(&literal).expect("the literal part is the path's beginning");
    if rest == Path::new("**") {
        return Ok((literal, None));
    }
    if rest.as_os_str().is_empty() {
        // A plain path is the file itself, or the directory with all below; which, is seen only when it is used.
        let matcher = glob(&format!("{}{{,/**}}", escape(&literal)))?;
        let parent = literal.parent().map_or_else(|| literal.clone(), Path::to_path_buf);
        return Ok((parent, Some(matcher)));
    }
    let matcher = glob(&format!("{}/{}", escape(&literal).trim_end_matches('/'), rest.display()))?;
    Ok((literal, Some(matcher)))
}

fn glob(pattern: &str) -> Result<GlobMatcher, BadPattern> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).empty_alternates(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|_| BadPattern(pattern.to_string()))
}

fn escape(path: &Path) -> String {
    globset::escape(&path.to_string_lossy())
}

/// An absolute path without `.`; none where it contains `..`, which is never resolved by its text.
fn normalize(base: &Path, path: &str) -> Option<PathBuf> {
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

/// `*.example.org` is any host below; everything else is the host itself. Letters match in either case.
fn host_matches(pattern: &str, host: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.strip_prefix("*.") {
        Some(domain) => {
            let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
            host.strip_suffix(&domain).is_some_and(|start| start.len() > 1 && start.ends_with('.'))
        }
        None => pattern.eq_ignore_ascii_case(host),
    }
}

/// Word by word; a last word `*` stands for further words.
fn command_matches(pattern: &str, words: &[&str]) -> bool {
    let allowed: Vec<&str> = pattern.split_whitespace().collect();
    match allowed.split_last() {
        Some((&"*", start)) => words.len() >= start.len() && !words.is_empty() && words[..start.len()] == *start,
        Some(_) => allowed == words,
        None => false,
    }
}

fn bit(kind: Capability) -> u8 {
    1 << kind as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use super::*;

    /// A directory of its own for one test, removed at its end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vega-capability-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path.canonicalize().unwrap())
        }

        fn file(&self, path: &str, content: &str) -> PathBuf {
            let full = self.0.join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(&full, content).unwrap();
            full
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn read(set: &CapabilitySet, path: &str) -> Option<String> {
        let content = set.file_to_read(path).ok()?.read(1 << 20).ok()?;
        String::from_utf8(content).ok()
    }

    #[test]
    fn by_default_files_below_the_working_directory_are_open_and_others_closed() {
        let scratch = Scratch::new("default");
        scratch.file("sub/a.txt", "a");
        let set = Grants::standard(&scratch.0).build().unwrap();
        assert_eq!(read(&set, "sub/a.txt").as_deref(), Some("a"));
        set.file_to_write("sub/b.txt").unwrap().write(b"b").unwrap();
        assert_eq!(read(&set, "./sub/b.txt").as_deref(), Some("b"));
        assert_eq!(
            set.file_to_read("/etc/passwd").err().unwrap().to_string(),
            "fs::read of /etc/passwd (--allow-read=/etc would allow it)"
        );
        assert!(set.file_to_read("sub/../../x").is_err());
    }

    #[test]
    fn a_symbolic_link_does_not_lead_out_of_a_grant() {
        let scratch = Scratch::new("link");
        scratch.file("outside/secret.txt", "secret");
        scratch.file("inside/a.txt", "a");
        std::os::unix::fs::symlink(scratch.0.join("outside"), scratch.0.join("inside/out")).unwrap();
        let set = Grants::standard(scratch.0.join("inside")).build().unwrap();
        assert_eq!(read(&set, "a.txt").as_deref(), Some("a"));
        assert!(set.file_to_read("out/secret.txt").unwrap().read(100).is_err());
        assert!(set.file_to_write("out/new.txt").unwrap().write(b"x").is_err());
        assert!(!scratch.0.join("outside/new.txt").exists());
    }

    #[test]
    fn a_tool_has_what_it_declares_and_its_caller_has() {
        let scratch = Scratch::new("narrow");
        scratch.file("project/src/a.rs", "a");
        scratch.file("project/src/deep/b.rs", "b");
        scratch.file("project/notes.txt", "n");
        scratch.file("other.txt", "o");
        let program = Grants::standard(&scratch.0).build().unwrap();
        let paths = ["project/src/*.rs".to_string(), "/etc/**".to_string()];
        let declared = Declared { kinds: &[Capability::FileRead, Capability::Exec], paths: Some(&paths), ..Declared::default() };
        let tool = program.narrow(declared).unwrap();
        assert_eq!(read(&tool, "project/src/a.rs").as_deref(), Some("a"));
        assert_eq!(read(&tool, "project/src/deep/b.rs"), None, "`*` does not cross a directory");
        assert_eq!(read(&tool, "project/notes.txt"), None);
        assert_eq!(read(&tool, "/etc/hostname"), None, "a declaration does not grant what its caller lacks");
        assert!(tool.file_to_write("project/src/a.rs").is_err());
        assert!(!tool.allows(Capability::Exec) && !tool.allows(Capability::Net));
    }

    #[test]
    fn a_narrowed_pattern_reached_through_a_link_stays_inside_the_grant() {
        let scratch = Scratch::new("narrowlink");
        scratch.file("outside/secret.txt", "secret");
        scratch.file("inside/a.txt", "a");
        std::os::unix::fs::symlink(scratch.0.join("outside"), scratch.0.join("inside/out")).unwrap();
        let program = Grants::standard(scratch.0.join("inside")).build().unwrap();
        let paths = ["out/**".to_string()];
        let tool =
            program.narrow(Declared { kinds: &[Capability::FileRead], paths: Some(&paths), ..Declared::default() }).unwrap();
        assert_eq!(read(&tool, "out/secret.txt"), None);
    }

    #[test]
    fn what_decides_about_programs_is_not_written() {
        let scratch = Scratch::new("protected");
        let mut grants = Grants::standard(&scratch.0);
        grants.protect("main.vega");
        for path in ["vega.toml", ".git/hooks/pre-commit", "sub/.vega/x", "main.vega"] {
            assert!(grants.build().unwrap().file_to_write(path).is_err(), "{path}");
            assert!(grants.clone().allow_self_write().build().unwrap().file_to_write(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_protected_file_is_not_written_by_another_name() {
        let scratch = Scratch::new("othername");
        let program = scratch.file("main.vega", "fn main() {}");
        scratch.file(".git/config", "[core]");
        std::os::unix::fs::symlink("main.vega", scratch.0.join("link.vega")).unwrap();
        fs::hard_link(&program, scratch.0.join("hard.vega")).unwrap();
        std::os::unix::fs::symlink(".git", scratch.0.join("notgit")).unwrap();
        std::os::unix::fs::symlink(".git/config", scratch.0.join("config")).unwrap();
        let mut grants = Grants::standard(&scratch.0);
        let set = grants.protect("main.vega").build().unwrap();
        set.file_to_write("new.txt").unwrap().write(b"x").unwrap();
        for path in ["link.vega", "hard.vega", "notgit/config", "notgit/new", "config"] {
            let error = set.file_to_write(path).unwrap().write(b"x").unwrap_err();
            assert!(error.get_ref().is_some_and(|source| source.is::<Denied>()), "{path}: {error}");
        }
        assert_eq!(fs::read_to_string(program).unwrap(), "fn main() {}");
        assert_eq!(fs::read_to_string(scratch.0.join(".git/config")).unwrap(), "[core]");
    }

    #[test]
    fn a_plain_path_grants_the_file_or_all_below() {
        let scratch = Scratch::new("plain");
        scratch.file("one.txt", "1");
        scratch.file("dir/two.txt", "2");
        let mut grants = Grants::nothing(&scratch.0);
        grants.allow_read("one.txt").allow_read("dir").deny_read("dir/secret");
        scratch.file("dir/secret/three.txt", "3");
        let set = grants.build().unwrap();
        assert_eq!(read(&set, "one.txt").as_deref(), Some("1"));
        assert_eq!(read(&set, "dir/two.txt").as_deref(), Some("2"));
        assert_eq!(read(&set, "dir/secret/three.txt"), None);
        assert_eq!(read(&set, "onextxt"), None);
        assert!(set.file_to_write("one.txt").is_err());
    }

    #[test]
    fn hosts_and_commands_are_compared_by_their_parts() {
        let mut grants = Grants::standard("/");
        grants.allow_host("*.example.org").allow_command("npm test *").allow_command("git status");
        let set = grants.build().unwrap();
        assert_eq!(set.host("api.EXAMPLE.org"), Ok(HostAccess::Named));
        assert_eq!(set.host("badexample.org"), Ok(HostAccess::PublicOnly));
        let hosts = ["api.example.org".to_string()];
        let tool = set.narrow(Declared { kinds: &[Capability::Net], hosts: Some(&hosts), ..Declared::default() }).unwrap();
        assert_eq!(tool.host("api.example.org"), Ok(HostAccess::Named));
        assert!(tool.host("b.example.org").is_err());
        assert!(set.command(&["npm", "test", "--all"]).is_ok() && set.command(&["git", "status"]).is_ok());
        assert!(set.command(&["git", "status", "-v"]).is_err() && set.command(&["npm"]).is_err());
        assert!(tool.command(&["git", "status"]).is_err());
    }

    #[test]
    fn a_sandbox_allows_nothing_and_says_which_flag_would() {
        let set = CapabilitySet::nothing();
        assert!(set.file_to_read("/x").is_err() && set.host("a").is_err() && set.agent().is_err());
        assert_eq!(set.variable("HOME").unwrap_err().to_string(), "env of HOME (--allow-env=HOME would allow it)");
    }
}
