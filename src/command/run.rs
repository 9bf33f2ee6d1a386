//! `vega run`: compiles a program, or reads bytecode, and runs it to its end.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use vega_agent::Agents;
use vega_runtime::process::TraceLine;
use vega_runtime::{Outcome, Runtime};
use vega_scheduler::Clock;
use vega_trace::{BUFFER_RECORDS_DEFAULT, Collector, FLUSH_LIMIT, JsonLines, Sink};

use super::{refuse, statistics};
use crate::agents;
use crate::arguments::RunArguments;
use crate::config::{Config, ToolGrants};
use crate::console::{self, ProgramErrors, ProgramOutput, Screen};
use crate::interrupt;
use crate::program::{self, Problem, Program};
use crate::project;
use crate::web;

pub(super) fn run(arguments: &RunArguments) -> ExitCode {
    let program = match program::compile(&arguments.program, arguments.quiet) {
        Ok(program) => program,
        Err(Problem::Shown(status)) => return status,
        Err(Problem::Said(text)) => return refuse(&text),
    };
    match prepare(arguments, program) {
        Ok(run) => run.finish(arguments),
        Err(text) => refuse(&text),
    }
}

/// A runtime with a program in it.
struct Run {
    runtime: Runtime,
    agents: Arc<Agents>,
    screen: Arc<Screen>,
    trace: Option<Collector>,
}

fn prepare(arguments: &RunArguments, program: Program) -> Result<Run, String> {
    let config = match program.project.config() {
        Some(path) => Config::read(&path)?.relative_to(&path),
        None => Config::default(),
    };
    if program.module.module().entry.is_none() {
        return Err(format!("`{}` has neither `fn main` nor statements at top level", arguments.program.display()));
    }
    let mut limits = config.limits();
    limits.run_reductions = arguments.max_reductions;
    let trace = arguments.trace.as_deref().map(start_trace).transpose()?;
    let screen = Arc::new(Screen::new(!arguments.quiet));
    let sink = trace.as_ref().map_or_else(Sink::disabled, Collector::sink);
    let prices = config.prices()?;
    let agents = agents::make(arguments, &config, beside(&arguments.program).as_deref(), prices, sink, &screen)?;
    let log = config.log(arguments.log, std::env::var("VEGA_LOG").ok().as_deref())?;
    let mut builder = Runtime::builder()
        .limits(limits)
        .grants(grants(arguments, &config, &program)?)
        .natives(vega_stdlib::natives())
        .extension(agents.clone())
        .extension(Arc::new(config.settings()))
        .extension(Arc::new(log))
        .extension(Arc::new(web::make(arguments, &config)?))
        .agents(agents.clone())
        .stdout(Arc::new(ProgramOutput(screen.clone())))
        .stderr(Arc::new(ProgramErrors(screen.clone())))
        .arguments(arguments.arguments.clone())
        .drain(arguments.drain)
        .draws_tree(arguments.tree)
        .records(arguments.stats.is_some());
    if arguments.virtual_time {
        builder = builder.workers(1).clock(Clock::Virtual { seed: arguments.seed.unwrap_or(0) });
    } else if let Some(workers) = arguments.workers {
        builder = builder.workers(usize::from(workers));
    }
    if let Some(collector) = &trace {
        builder = builder.trace(collector.sink());
    }
    if let Some(budget) = arguments.budget {
        builder = builder.budget(budget);
    }
    let runtime = builder.build().map_err(|error| format!("the runtime cannot start: {error}"))?;
    runtime.load(program.module).map_err(|error| format!("`{}` cannot be run: {error}", arguments.program.display()))?;
    Ok(Run { runtime, agents, screen, trace })
}

fn grants(
    arguments: &RunArguments,
    config: &Config,
    program: &Program,
) -> Result<vega_runtime::capability::CapabilitySet, String> {
    let working_directory = std::env::current_dir().map_err(|error| format!("the working directory cannot be found: {error}"))?;
    // What the program's own tools declare is granted with it; bytecode from elsewhere grants itself nothing.
    let tools = if program.is_source { ToolGrants::of(program.module.module()) } else { ToolGrants::default() };
    if !arguments.quiet
        && config.follows_tools(&arguments.grants)
        && let Some(beyond) = tools.beyond(&working_directory)
    {
        console::complain(&format!("this program's own tools are granted what they declare: {beyond}\n"));
    }
    let mut grants = config.grants(&arguments.grants, &tools, &working_directory);
    // A program does not rewrite itself, nor what decides about its answers.
    for file in &program.module.module().files {
        grants.protect(absolute(&working_directory, Path::new(&file.path)));
    }
    for path in [Some(arguments.program.clone()), arguments.replies.clone(), beside(&arguments.program)].into_iter().flatten() {
        grants.protect(absolute(&working_directory, &path));
    }
    grants.build().map_err(|error| format!("a grant cannot be used: {error}"))
}

fn absolute(working_directory: &Path, path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| working_directory.join(path))
}

/// The replies file that belongs to a program: `NAME.replies.toml`.
fn beside(program: &Path) -> Option<PathBuf> {
    let path = program.with_extension("replies.toml");
    path.is_file().then_some(path)
}

fn start_trace(path: &Path) -> Result<Collector, String> {
    let file = File::create(path)
        .map_err(|error| format!("cannot write the trace to `{}`: {}", path.display(), project::write_reason(&error)))?;
    Collector::start(JsonLines::new(BufWriter::new(file)), BUFFER_RECORDS_DEFAULT)
        .map_err(|error| format!("the trace cannot start: {error}"))
}

impl Run {
    fn finish(self, arguments: &RunArguments) -> ExitCode {
        // Weak, so that the connections of the agents close with the run and not with the thread that waits for signals.
        let (agents, drain) = (Arc::downgrade(&self.agents), arguments.drain);
        let notice = move || match agents.upgrade().map_or(0, |agents| agents.in_flight()) {
            0 => "interrupted\n".to_owned(),
            _ => format!("interrupted: running model calls may finish within {drain:?}; interrupt again to cancel them\n"),
        };
        let interrupts = match interrupt::watch(self.runtime.handle(), notice) {
            Ok(interrupts) => interrupts,
            Err(error) => return refuse(&format!("signals cannot be handled: {error}")),
        };
        let began = Instant::now();
        let report = self.runtime.run();
        // Under virtual time it would say nothing.
        let wall = (!arguments.virtual_time).then(|| began.elapsed());
        self.screen.clear();
        let status = match &report.outcome {
            Outcome::Finished(_) => report.status() as u8,
            Outcome::Failed { error, trace } => {
                console::complain(&failure(error, trace));
                report.status() as u8
            }
            Outcome::Interrupted => interrupts.status(),
        };
        let shutdown = self.runtime.shutdown();
        // After the runtime, so that calls which its end cancelled are counted.
        if report.interrupts > 0 || !arguments.quiet {
            agents::summarize(&self.agents, arguments.budget, wall, report.interrupts > 0);
        }
        if let Some(trace) = self.trace {
            finish_trace(trace);
        }
        if let Some(format) = arguments.stats {
            // After everything that may hold a connection.
            drop(self.agents);
            statistics::print(&shutdown, format);
        }
        ExitCode::from(status)
    }
}

/// An error that nothing caught, with the stack and the source lines of it.
fn failure(error: &str, trace: &[TraceLine]) -> String {
    let mut text = format!("error: {error}\n");
    if let Some(bound) = bound(error) {
        let _ = writeln!(text, "   = help: {bound} sets this bound");
    }
    let mut sources = SourceLines::default();
    for line in trace {
        match &line.position {
            Some(position) => {
                let _ = writeln!(text, "   at {} ({}:{}:{})", line.function, position.file, position.line, position.column);
                if let Some(source) = sources.line(&position.file, position.line) {
                    let _ = writeln!(text, "{:>7} | {}", position.line, source.trim());
                }
            }
            None => {
                let _ = writeln!(text, "   at {}", line.function);
            }
        }
    }
    text
}

/// Where the bound is set that an error names, if it can be set.
fn bound(error: &str) -> Option<&'static str> {
    match error.strip_prefix("LimitReached: ")? {
        "heap" => Some("`heap_bytes` under `[limits]` in vega.toml"),
        "call_depth" => Some("`call_depth` under `[limits]` in vega.toml"),
        "reductions of the run" => Some("`--max-reductions`"),
        processes if processes.starts_with("processes") => Some("`processes` under `[limits]` in vega.toml"),
        file if file.starts_with("file: ") => Some("`file_bytes` under `[limits]` in vega.toml"),
        _ => None,
    }
}

/// Lines of source files, each file read once. A file that has gone since has no lines.
#[derive(Default)]
struct SourceLines(std::collections::HashMap<String, Option<String>>);

impl SourceLines {
    fn line(&mut self, path: &str, number: u32) -> Option<&str> {
        let text = self
            .0
            .entry(path.to_owned())
            .or_insert_with(|| project::read_text(Path::new(path), vega_compiler::parse::SOURCE_BYTES_MAX as u64).ok());
        text.as_deref()?.lines().nth(number.checked_sub(1)? as usize)
    }
}

fn finish_trace(trace: Collector) {
    let delivery = trace.finish(FLUSH_LIMIT);
    if let Some(failure) = delivery.failure {
        console::warning(&format!("the trace is not complete: {failure}"));
    } else if delivery.dropped + delivery.lost > 0 {
        console::warning(&format!(
            "the trace lacks {} records: they came faster than they could be written",
            delivery.dropped + delivery.lost
        ));
    }
}
