//! `vega.toml`: what a project says about how its programs run.
//!
//! A key that this version does not know is an error and never ignored: whoever wrote it expects something of it.

mod prices; // what models cost

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use vega_agent::price::PriceTable;
use vega_bytecode::Module;
use vega_runtime::capability::{Capability, Grants};
use vega_runtime::limits::Limits;
use vega_stdlib::{ConfigTable, LogFormat, LogLevel, LogSettings};

use crate::arguments::GrantArguments;
use crate::project;
use crate::providers::{DefaultsTable, ModelsTable, NetworkTable, ProviderTable};
use prices::Prices;

/// Longest configuration file that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The one edition of the language.
const EDITION: &str = "2026";

/// The whole file.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    edition: Option<String>,
    /// Replaces what programs may touch by default.
    grants: Option<GrantTable>,
    #[serde(default)]
    limits: LimitTable,
    #[serde(default)]
    log: LogTable,
    #[serde(default)]
    prices: Prices,
    /// What holds for agents that do not say otherwise.
    #[serde(default)]
    pub(crate) defaults: DefaultsTable,
    /// Which model is used in the place of which.
    #[serde(default)]
    pub(crate) models: ModelsTable,
    /// Providers by the names that models begin with.
    #[serde(default)]
    pub(crate) providers: BTreeMap<String, ProviderTable>,
    /// The way to providers.
    #[serde(default)]
    pub(crate) network: NetworkTable,
    /// What programs read with `config::get`.
    #[serde(default)]
    config: toml::Table,
}

/// `[grants]`
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
struct GrantTable {
    read: Vec<String>,
    write: Vec<String>,
    net: Vec<String>,
    exec: Vec<String>,
    env: Vec<String>,
}

/// `[limits]`
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitTable {
    processes: Option<u32>,
    heap_bytes: Option<usize>,
    call_depth: Option<u32>,
    mailbox_messages: Option<u32>,
    mailbox_bytes: Option<u64>,
    file_bytes: Option<u64>,
    exec_bytes: Option<usize>,
    exec_ms: Option<u64>,
    stream_bytes: Option<usize>,
    cleanup_reductions: Option<u64>,
}

impl LimitTable {
    /// A bound that leaves no program anything.
    fn zero(&self) -> Option<&'static str> {
        let zeros = [
            ("processes", self.processes == Some(0)),
            ("heap_bytes", self.heap_bytes == Some(0)),
            ("call_depth", self.call_depth == Some(0)),
            ("stream_bytes", self.stream_bytes == Some(0)),
            ("cleanup_reductions", self.cleanup_reductions == Some(0)),
        ];
        zeros.into_iter().find_map(|(name, is_zero)| is_zero.then_some(name))
    }
}

/// `[log]`
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
struct LogTable {
    level: Option<String>,
    format: Option<String>,
}

/// What the tools of a program say that they need.
#[derive(Debug, Default)]
pub(crate) struct ToolGrants {
    read: Vec<String>,
    write: Vec<String>,
    net: Vec<String>,
    exec: Vec<String>,
}

impl ToolGrants {
    /// Everything that the tools of a module declare by pattern.
    pub(crate) fn of(module: &Module) -> ToolGrants {
        let mut grants = ToolGrants::default();
        for tool in module.agents.iter().flat_map(|agent| &agent.tools) {
            let has = |kind| tool.capabilities.contains(&kind);
            let declared = |patterns: &Option<Vec<String>>| patterns.iter().flatten().cloned().collect::<Vec<_>>();
            if has(Capability::FileRead) {
                grants.read.extend(declared(&tool.allowed_paths));
            }
            if has(Capability::FileWrite) {
                grants.write.extend(declared(&tool.allowed_paths));
            }
            if has(Capability::Net) {
                grants.net.extend(declared(&tool.allowed_hosts));
            }
            if has(Capability::Exec) {
                grants.exec.extend(declared(&tool.allowed_commands));
            }
        }
        grants
    }

    /// What of it goes beyond the defaults, in words; nothing where nothing does.
    pub(crate) fn beyond(&self, working_directory: &Path) -> Option<String> {
        let is_outside = |pattern: &&String| {
            Path::new(pattern.as_str()).is_absolute() && !Path::new(pattern.as_str()).starts_with(working_directory)
        };
        let mut parts = Vec::new();
        let mut add = |verb: &str, patterns: Vec<&String>| {
            let mut names: Vec<&str> = patterns.into_iter().map(String::as_str).collect();
            names.sort_unstable();
            names.dedup();
            if !names.is_empty() {
                parts.push(format!("{verb} {}", names.join(", ")));
            }
        };
        add("read", self.read.iter().filter(is_outside).collect());
        add("write", self.write.iter().filter(is_outside).collect());
        add("connect to", self.net.iter().collect());
        add("run", self.exec.iter().collect());
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

impl Config {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Config, String> {
        let text = project::read_text(path, CONFIG_BYTES_MAX)
            .map_err(|problem| format!("cannot read `{}`: {problem}", path.display()))?;
        Config::parse(&text).map_err(|problem| format!("`{}`: {problem}", path.display()))
    }

    /// The same with paths as they are meant: relative to the file.
    pub(crate) fn relative_to(mut self, path: &Path) -> Config {
        let folder = path.parent().unwrap_or(Path::new(""));
        self.network.ca_file = self.network.ca_file.map(|file| folder.join(file));
        self
    }

    pub(crate) fn parse(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if let Some(name) = config.limits.zero() {
            return Err(format!("`{name}` under `[limits]` is 0, and no program runs within that"));
        }
        prices::table(&config.prices)?;
        match config.edition.as_deref() {
            None | Some(EDITION) => Ok(config),
            Some(other) => Err(format!("edition {other:?} is not known; this `vega` knows \"{EDITION}\"")),
        }
    }

    /// The bounds of a run.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        let table = &self.limits;
        set(&mut limits.processes, table.processes);
        set(&mut limits.heap_bytes, table.heap_bytes);
        set(&mut limits.call_depth, table.call_depth);
        set(&mut limits.mailbox_messages, table.mailbox_messages);
        set(&mut limits.mailbox_bytes, table.mailbox_bytes);
        set(&mut limits.file_bytes, table.file_bytes);
        set(&mut limits.exec_bytes, table.exec_bytes);
        set(&mut limits.exec_ms, table.exec_ms);
        set(&mut limits.stream_bytes, table.stream_bytes);
        set(&mut limits.cleanup_reductions, table.cleanup_reductions);
        limits
    }

    /// What models cost beside the built-in prices.
    pub(crate) fn prices(&self) -> Result<PriceTable, String> {
        prices::table(&self.prices)
    }

    /// The settings that programs read.
    pub(crate) fn settings(&self) -> ConfigTable {
        ConfigTable::new(json(&toml::Value::Table(self.config.clone())))
    }

    /// What becomes of messages in the log: the flag counts most, then the variable `VEGA_LOG`, then the file.
    pub(crate) fn log(&self, flag: Option<LogLevel>, variable: Option<&str>) -> Result<LogSettings, String> {
        let read = |text: &str, place: &str| text.parse::<LogLevel>().map_err(|problem| format!("{place}: {problem}"));
        let level = match (flag, variable.filter(|text| !text.is_empty()), self.log.level.as_deref()) {
            (Some(level), _, _) => level,
            (None, Some(text), _) => read(text, "VEGA_LOG")?,
            (None, None, Some(text)) => read(text, "`level` in [log] of vega.toml")?,
            (None, None, None) => LogLevel::default(),
        };
        let format = match self.log.format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => return Err(format!("`format` in [log] of vega.toml: {other:?} is neither \"text\" nor \"json\"")),
        };
        Ok(LogSettings { level, format })
    }

    /// Whether what tools declare is granted to the program.
    pub(crate) fn follows_tools(&self, flags: &GrantArguments) -> bool {
        self.grants.is_none() && !flags.sandbox
    }

    /// What a program may touch: the defaults and what its tools declare, or what the file grants instead, changed by the flags.
    pub(crate) fn grants(&self, flags: &GrantArguments, tools: &ToolGrants, working_directory: &Path) -> Grants {
        let mut grants = match (&self.grants, flags.sandbox) {
            (None, false) => Grants::standard(working_directory),
            (Some(_), false) | (_, true) => Grants::nothing(working_directory),
        };
        grants.allow(Capability::Agent);
        if let (Some(table), false) = (&self.grants, flags.sandbox) {
            allow(&mut grants, &table.read, &table.write, &table.net, &table.exec, &table.env);
        }
        if self.follows_tools(flags) {
            allow(&mut grants, &tools.read, &tools.write, &tools.net, &tools.exec, &[]);
        }
        allow(&mut grants, &flags.allow_read, &flags.allow_write, &flags.allow_net, &flags.allow_exec, &flags.allow_env);
        for (paths, kind) in [(&flags.deny_read, Capability::FileRead), (&flags.deny_write, Capability::FileWrite)] {
            for path in paths {
                match (path.as_str(), kind) {
                    ("", kind) => grants.deny(kind),
                    (path, Capability::FileRead) => grants.deny_read(path),
                    (path, _) => grants.deny_write(path),
                };
            }
        }
        let denied = [
            (flags.deny_net, Capability::Net),
            (flags.deny_exec, Capability::Exec),
            (flags.deny_env, Capability::Env),
            (flags.deny_agent, Capability::Agent),
        ];
        for (_, kind) in denied.into_iter().filter(|(is_denied, _)| *is_denied) {
            grants.deny(kind);
        }
        if flags.allow_self_write {
            grants.allow_self_write();
        }
        grants
    }
}

/// A value of TOML as JSON; dates become text, and numbers that JSON lacks become null.
fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => values.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}

fn set<T: Copy>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}

fn allow(grants: &mut Grants, read: &[String], write: &[String], net: &[String], exec: &[String], env: &[String]) {
    for path in read {
        grants.allow_read(path);
    }
    for path in write {
        grants.allow_write(path);
    }
    for host in net {
        grants.allow_host(host);
    }
    for command in exec {
        grants.allow_command(command);
    }
    for name in env {
        grants.allow_variable(name);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn may(config: &str, flags: &GrantArguments, path: &str) -> (bool, bool) {
        let set = Config::parse(config).unwrap().grants(flags, &ToolGrants::default(), Path::new("/work-dir")).build().unwrap();
        (set.file_to_read(path).is_ok(), set.file_to_write(path).is_ok())
    }

    #[test]
    fn by_default_a_program_has_its_working_directory() {
        let flags = GrantArguments::default();
        assert_eq!(may("", &flags, "a.txt"), (true, true));
        assert_eq!(may("", &flags, "/etc/passwd"), (false, false));
    }

    #[test]
    fn a_table_of_grants_replaces_the_defaults_and_flags_add_to_it() {
        let flags = GrantArguments::default();
        assert_eq!(may("[grants]\nread = ['data/**']", &flags, "data/a"), (true, false));
        assert_eq!(may("[grants]\nread = ['data/**']", &flags, "other"), (false, false));
        let flags = GrantArguments { allow_write: vec!["out".into()], ..GrantArguments::default() };
        assert_eq!(may("[grants]\nread = ['data/**']", &flags, "out/x"), (false, true));
    }

    #[test]
    fn what_tools_declare_is_granted_unless_the_file_or_a_flag_says_otherwise() {
        let tools = ToolGrants { read: vec!["/elsewhere/**".into()], ..ToolGrants::default() };
        let reads = |config: &str, flags: &GrantArguments| {
            let set = Config::parse(config).unwrap().grants(flags, &tools, Path::new("/work-dir")).build().unwrap();
            set.file_to_read("/elsewhere/a").is_ok()
        };
        assert!(reads("", &GrantArguments::default()));
        assert!(!reads("[grants]", &GrantArguments::default()));
        assert!(!reads("", &GrantArguments { sandbox: true, ..GrantArguments::default() }));
    }

    #[test]
    fn what_goes_beyond_the_defaults_is_named() {
        let tools = ToolGrants {
            read: vec!["notes/**".into(), "/work-dir/x".into(), "/project/**".into()],
            exec: vec!["npm test".into(), "npm test".into()],
            ..ToolGrants::default()
        };
        assert_eq!(tools.beyond(Path::new("/work-dir")).as_deref(), Some("read /project/**; run npm test"));
        assert_eq!(ToolGrants::default().beyond(Path::new("/work-dir")), None);
    }

    #[test]
    fn a_sandbox_takes_everything_and_a_flag_gives_back() {
        let flags = GrantArguments { sandbox: true, allow_read: vec!["in".into()], ..GrantArguments::default() };
        assert_eq!(may("[grants]\nwrite = ['**']", &flags, "in/a"), (true, false));
    }

    #[test]
    fn a_denial_wins() {
        let flags = GrantArguments { deny_write: vec![String::new()], ..GrantArguments::default() };
        assert_eq!(may("", &flags, "a"), (true, false));
        let flags = GrantArguments { deny_read: vec!["secret".into()], ..GrantArguments::default() };
        assert_eq!(may("", &flags, "secret/key"), (false, true));
    }

    #[test]
    fn unknown_keys_and_editions_are_errors() {
        assert!(Config::parse("[grants]\nreed = []").unwrap_err().contains("reed"));
        assert!(Config::parse("colour = 1").unwrap_err().contains("colour"));
        assert!(Config::parse("edition = '1999'").unwrap_err().contains("1999"));
        assert!(Config::parse("[limits]\nprocesses = 0").unwrap_err().contains("`processes`"));
        assert_eq!(Config::parse("edition = '2026'\n[limits]\ncall_depth = 7").unwrap().limits().call_depth, 7);
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_that_over_the_file() {
        let config = Config::parse("[log]\nlevel = 'warn'\nformat = 'json'").unwrap();
        let level = |flag, variable| config.log(flag, variable).map(|settings| settings.level);
        assert_eq!(level(Some(LogLevel::Off), Some("debug")), Ok(LogLevel::Off));
        assert_eq!(level(None, Some("debug")), Ok(LogLevel::Debug));
        assert_eq!(level(None, Some("")), Ok(LogLevel::Warn));
        assert_eq!(config.log(None, None).unwrap().format, LogFormat::Json);
        assert!(level(None, Some("loud")).unwrap_err().starts_with("VEGA_LOG: \"loud\" is no level"));
        assert!(Config::parse("[log]\nformat = 'xml'").unwrap().log(None, None).is_err());
        assert_eq!(Config::default().log(None, None).unwrap().level, LogLevel::Info);
    }

    #[test]
    fn settings_keep_what_toml_can_say() {
        let config = Config::parse("[config]\nname = 'x'\nday = 2026-11-22\n[config.server]\nports = [80, 81]").unwrap();
        let expected = serde_json::json!({ "name": "x", "day": "2026-11-22", "server": { "ports": [80, 81] } });
        assert_eq!(json(&toml::Value::Table(config.config)), expected);
    }
}
