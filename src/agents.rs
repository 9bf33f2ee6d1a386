//! The agents of a run: their script, their environment, and what is said about them at the end.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use vega_agent::Agents;
use vega_agent::price::PriceTable;
use vega_agent::script::Script;
use vega_runtime::value::print;
use vega_trace::Sink;

use crate::approvals::Terminal;
use crate::arguments::RunArguments;
use crate::config::Config;
use crate::console::{self, Screen};
use crate::progress::Watcher;
use crate::project;

/// Longest replies file that is read, in bytes.
const REPLIES_BYTES_MAX: u64 = 64 << 20;
/// Longest file of certificates that is read, in bytes.
const CERTIFICATES_BYTES_MAX: u64 = 16 << 20;

/// The agents as the command line wants them. `replies` is the file beside the program, if there is one.
pub(crate) fn make(
    arguments: &RunArguments,
    config: &Config,
    replies: Option<&Path>,
    prices: PriceTable,
    sink: Sink,
    screen: &Arc<Screen>,
) -> Result<Arc<Agents>, String> {
    // Thousands of calls may wait for their answers at once, each on a connection of its own.
    vega_scheduler::io::raise_descriptor_limit();
    let mut agents =
        Agents::builder().offline(arguments.offline).environment(|name| std::env::var(name).ok()).trace(sink).prices(prices);
    agents = agents
        .providers(config.provider_settings()?)
        .aliases(config.aliases())
        .caches_prompts(config.caches_prompts())
        .proxy(config.proxy()?);
    if let Some(model) = config.default_model() {
        agents = agents.default_model(model);
    }
    if !arguments.quiet {
        let of_warnings = Arc::clone(screen);
        agents = agents.warnings(Arc::new(move |text| of_warnings.warning(text)));
    }
    agents = agents.approvals(Arc::new(Terminal::new(Arc::clone(screen))));
    if screen.is_live() {
        agents = agents.progress(Arc::new(Watcher::new(Arc::clone(screen))));
    }
    if let Some(path) = arguments.replies.as_deref().or(replies) {
        agents = agents.script(self::replies(path)?);
    }
    if let Some(pem) = certificates(arguments, config)? {
        agents = agents.ca_file(pem);
    }
    // Under virtual time the same run gives the same ids.
    if arguments.virtual_time {
        agents = agents.seed(arguments.seed.unwrap_or(0));
    }
    agents.build().map_err(|problem| match ca_file(arguments, config) {
        Some(path) => format!("`{}` cannot be used: {problem}", path.display()),
        None => problem,
    })
}

fn ca_file<'a>(arguments: &'a RunArguments, config: &'a Config) -> Option<&'a Path> {
    arguments.ca_file.as_deref().or(config.network.ca_file.as_deref())
}

/// The certificates that are trusted beside the public authorities', in PEM.
pub(crate) fn certificates(arguments: &RunArguments, config: &Config) -> Result<Option<Vec<u8>>, String> {
    ca_file(arguments, config).map(|path| read(path, CERTIFICATES_BYTES_MAX).map(String::into_bytes)).transpose()
}

/// Reads a replies file.
pub(crate) fn replies(path: &Path) -> Result<Script, String> {
    Script::parse(&read(path, REPLIES_BYTES_MAX)?).map_err(|error| format!("`{}`: {error}", path.display()))
}

fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    project::read_text(path, bytes_max).map_err(|problem| format!("cannot read `{}`: {problem}", path.display()))
}

/// Says what the run came to, where it called any model, or where it was interrupted while it asked one.
pub(crate) fn summarize(agents: &Agents, budget: Option<i64>, wall: Option<Duration>, interrupted: bool) {
    let totals = agents.totals();
    if totals.calls == 0 && !(interrupted && totals.invocations > 0) {
        return;
    }
    let mut text = totals.to_string();
    if let Some(limit) = budget {
        text.push_str(" of ");
        print::write_money(limit, &mut text);
    }
    if let Some(wall) = wall {
        let _ = write!(text, ", {:.1} s", wall.as_secs_f64());
    }
    console::complain(&format!("{text}\n"));
}
