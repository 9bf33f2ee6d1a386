//! What a process may touch: a set of kinds, and for files, hosts, commands and variables the patterns that narrow them.
//!
//! Invariants: a set is only ever narrowed, never widened, from the program's grants down. A path that is allowed is reached through
//! a directory handle opened at the literal start of its pattern: no `..`, no symbolic link and no race between check and use leads
//! out of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobMatcher;
pub use vega_bytecode::module::Capability;

mod path; // granted paths, and the handles through which they are reached

pub use path::FileAccess;
use path::{Directory, PathRule, is_protected_name, matches, narrow_rules, normalize, protected, split_pattern, subtree};

/// The flags of all kinds, by number of [`Capability`].
const ALL_KINDS: [Capability; 6] =
    [Capability::FileRead, Capability::FileWrite, Capability::Net, Capability::Exec, Capability::Env, Capability::Agent];

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
    /// Kinds that were taken away by name, one bit each.
    denied: u8,
    /// Why this set is smaller than the program's, if it is.
    narrowed: Option<Narrowed>,
}

/// What a tool declared, kept to say what a refusal comes from.
struct Narrowed {
    from: CapabilitySet,
    kinds: u8,
    paths: Option<Vec<String>>,
    commands: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
}

/// Hosts that one layer of grants allows.
#[derive(Clone, Debug)]
struct HostLayer {
    /// Whether hosts at public addresses are allowed without being named.
    public: bool,
    patterns: Vec<String>,
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
    denied: u8,
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
            denied: 0,
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
        self.denied |= bit(kind);
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
                    None => subtree(&prefix)?,
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
            denied: self.denied,
            narrowed: None,
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
            denied: inner.denied,
            narrowed: Some(Narrowed {
                from: self.clone(),
                kinds: declared.kinds.iter().fold(0, |kinds, &kind| kinds | bit(kind)),
                paths: declared.paths.map(<[String]>::to_vec),
                commands: declared.commands.map(<[String]>::to_vec),
                hosts: declared.hosts.map(<[String]>::to_vec),
            }),
        })))
    }

    /// The file to read at `path`, or why it may not be.
    pub fn file_to_read(&self, path: &str) -> Result<FileAccess, Denied> {
        self.file(path, Capability::FileRead, &self.0.read, &self.0.deny_read)
    }

    /// The file to write at `path`, or why it may not be.
    pub fn file_to_write(&self, path: &str) -> Result<FileAccess, Denied> {
        let mut access = self.file(path, Capability::FileWrite, &self.0.write, &self.0.deny_write)?;
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

    fn file(&self, path: &str, kind: Capability, rules: &[PathRule], denials: &[GlobMatcher]) -> Result<FileAccess, Denied> {
        let full = normalize(&self.0.working_directory, path).ok_or_else(|| Denied {
            what: format!("{} of {path}", name(kind)),
            remedy: "paths may not contain `..`".to_string(),
        })?;
        let is_denied = denials.iter().any(|pattern| pattern.is_match(&full));
        let refused = || {
            let lacks = |tool: &Narrowed| match &tool.paths {
                Some(patterns) if !patterns.iter().any(|pattern| matches(&self.0.working_directory, pattern, &full)) => {
                    Some("allowed_paths")
                }
                _ => None,
            };
            let remedy = match is_denied {
                true => format!("--deny-{} forbids it", word(kind)),
                false => self.remedy(kind, lacks, &full.parent().unwrap_or(&full).display().to_string()),
            };
            Denied { what: format!("{} of {}", name(kind), full.display()), remedy }
        };
        if !self.allows(kind) || is_denied {
            return Err(refused());
        }
        let rule = rules.iter().find(|rule| rule.matches(&full)).ok_or_else(refused)?;
        let relative = full.strip_prefix(&rule.base).expect("a rule matches only below its base").to_path_buf();
        Ok(FileAccess {
            directory: Arc::clone(&rule.directory),
            base: rule.base.clone(),
            relative,
            patterns: rule.patterns.clone(),
            denials: denials.to_vec(),
            guard: None,
        })
    }

    /// How a host may be reached, or why not.
    pub fn host(&self, host: &str) -> Result<HostAccess, Denied> {
        let refused = || {
            let lacks = |tool: &Narrowed| {
                let patterns = tool.hosts.as_ref()?;
                (!patterns.iter().any(|pattern| host_matches(pattern, host))).then_some("allowed_hosts")
            };
            Denied { what: format!("net to {host}"), remedy: self.remedy(Capability::Net, lacks, host) }
        };
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
        let lacks = |tool: &Narrowed| tool.commands.as_ref().filter(|layer| !allowed(layer)).map(|_| "allowed_commands");
        let command = words.join(" ");
        let remedy = self.remedy(Capability::Exec, lacks, &format!("\"{command}\""));
        Err(Denied { what: format!("process::exec of `{command}`"), remedy })
    }

    /// Whether an environment variable may be read.
    pub fn variable(&self, name: &str) -> Result<(), Denied> {
        if self.allows(Capability::Env) && self.0.variables.iter().any(|allowed| allowed == name || allowed == "*") {
            return Ok(());
        }
        Err(Denied { what: format!("env of {name}"), remedy: self.remedy(Capability::Env, |_| None, name) })
    }

    /// Whether agents may be called.
    pub fn agent(&self) -> Result<(), Denied> {
        if self.allows(Capability::Agent) {
            return Ok(());
        }
        Err(Denied { what: "call of an agent".to_string(), remedy: self.remedy(Capability::Agent, |_| None, "") })
    }

    /// What would allow something that is refused. `lacks` names the list of a tool that leaves it out, if one does; `value` is what
    /// the flag of the command would be given.
    fn remedy(&self, kind: Capability, lacks: impl Fn(&Narrowed) -> Option<&'static str>, value: &str) -> String {
        let mut set = self;
        // No flag widens what a tool declares, so its declaration is named first.
        while let Some(tool) = &set.0.narrowed {
            if tool.kinds & bit(kind) == 0 {
                return format!("the tool does not declare `{}`", name(kind));
            }
            if let Some(list) = lacks(tool) {
                return format!("the tool's `{list}` leaves it out");
            }
            set = &tool.from;
        }
        match (kind, set.0.denied & bit(kind) != 0) {
            (_, true) => format!("--deny-{} forbids it", word(kind)),
            (Capability::Agent, false) => "the program runs without the capability to call agents".to_string(),
            (_, false) => format!("--allow-{}={value} would allow it", word(kind)),
        }
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

/// A kind as programs write it.
fn name(kind: Capability) -> &'static str {
    match kind {
        Capability::FileRead => "fs::read",
        Capability::FileWrite => "fs::write",
        Capability::Net => "net",
        Capability::Exec => "process::exec",
        Capability::Env => "env",
        Capability::Agent => "agent",
    }
}

/// A kind as the flags of the command end.
fn word(kind: Capability) -> &'static str {
    match kind {
        Capability::FileRead => "read",
        Capability::FileWrite => "write",
        Capability::Net => "net",
        Capability::Exec => "exec",
        Capability::Env => "env",
        Capability::Agent => "agent",
    }
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
mod tests;
