//! `vega bench`: what processes cost on this machine, measured with programs written in Vega.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vega_compiler::source::{LoadError, Loader};
use vega_runtime::output::Output;
use vega_runtime::{Outcome, Runtime};

use super::refuse;
use crate::arguments::{BenchArguments, BenchCommand, MeasureArguments};
use crate::console;

/// Path under which a program of the benchmark is compiled.
const ENTRY: &str = "bench.vega";

/// One thing to measure.
struct Question {
    program: &'static str,
    /// What is counted.
    unit: &'static str,
    count_default: u64,
}

const SPAWN: Question =
    Question { program: include_str!("bench/spawn.vega"), unit: "process started and ended", count_default: 1_000_000 };
const IDLE: Question = Question { program: include_str!("bench/idle.vega"), unit: "waiting process", count_default: 100_000 };
const PING_PONG: Question =
    Question { program: include_str!("bench/ping_pong.vega"), unit: "round trip", count_default: 500_000 };

/// What one round took.
struct Round {
    wall: Duration,
    cpu: Duration,
    /// Resident bytes that were added while the program said that it was ready.
    resident_bytes: u64,
}

pub(super) fn run(arguments: &BenchArguments) -> ExitCode {
    let (question, measure) = match &arguments.what {
        BenchCommand::Spawn(measure) => (SPAWN, measure),
        BenchCommand::Idle(measure) => (IDLE, measure),
        BenchCommand::PingPong(measure) => (PING_PONG, measure),
    };
    let count = measure.count.unwrap_or(question.count_default);
    if count == 0 {
        return refuse("there is nothing to measure in 0 of anything");
    }
    let mut rounds = Vec::new();
    for _ in 0..measure.rounds {
        match round(&question, count, measure) {
            Ok(round) => rounds.push(round),
            Err(problem) => return refuse(&problem),
        }
    }
    console::print(&summary(&question, count, &rounds));
    ExitCode::SUCCESS
}

fn round(question: &Question, count: u64, measure: &MeasureArguments) -> Result<Round, String> {
    let compiled = vega_compiler::compile(&Embedded(question.program), ENTRY).map_err(|error| format!("{error:?}"))?;
    let module = compiled
        .module
        .ok_or_else(|| crate::report::draw(&compiled.diagnostics, &compiled.sources, |path| format!("<vega bench>/{path}")))?;
    let module = vega_bytecode::verify(module).map_err(|error| error.to_string())?;
    let ready = Arc::new(Ready { resident: AtomicU64::new(0) });
    let mut builder = Runtime::builder()
        .natives(vega_stdlib::natives())
        .stdout(ready.clone())
        .stderr(Arc::new(console::ProgramErrors(Arc::new(console::Screen::new(false)))));
    if let Some(workers) = measure.workers {
        builder = builder.workers(usize::from(workers));
    }
    let runtime = builder.arguments(vec![count.to_string()]).build().map_err(|error| error.to_string())?;
    runtime.load(module).map_err(|error| error.to_string())?;
    let resident = resident_bytes();
    let (start, cpu) = (Instant::now(), cpu_time());
    let report = runtime.run();
    let (wall, cpu) = (start.elapsed(), cpu_time().saturating_sub(cpu));
    match report.outcome {
        Outcome::Finished(_) => {
            Ok(Round { wall, cpu, resident_bytes: ready.resident.load(Ordering::Relaxed).saturating_sub(resident) })
        }
        Outcome::Failed { error, .. } => Err(error),
        Outcome::Interrupted => Err("interrupted".to_owned()),
    }
}

fn summary(question: &Question, count: u64, rounds: &[Round]) -> String {
    let each = |total: Duration| total.as_nanos() as f64 / count as f64;
    let wall = median(rounds.iter().map(|round| each(round.wall)));
    let cpu = median(rounds.iter().map(|round| each(round.cpu)));
    let resident = median(rounds.iter().map(|round| round.resident_bytes as f64 / count as f64));
    let mut text = format!("{}: {wall:.0} ns wall, {cpu:.0} ns CPU", question.unit);
    if resident > 0.0 {
        text.push_str(&format!(", {resident:.0} bytes resident"));
    }
    text.push_str(&format!("  (median of {} rounds of {count})\n", rounds.len()));
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of the whole process so far.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which is all that the call writes to.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if failed != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Resident memory of the process; 0 where the system does not say it.
fn resident_bytes() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|number| number.trim().parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// Measures the memory when the program prints something.
struct Ready {
    resident: AtomicU64,
}

impl Output for Ready {
    fn write(&self, _: &[u8]) {
        self.resident.store(resident_bytes(), Ordering::Relaxed);
    }
}

/// The text of one program.
struct Embedded(&'static str);

impl Loader for Embedded {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        if path == ENTRY { Ok(self.0.into()) } else { Err(LoadError::NotFound) }
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}
