//! `vega bench`: what processes cost on this machine, measured with programs written in Vega.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use vega_agent::Agents;
use vega_bytecode::module::Capability;
use vega_compiler::source::{LoadError, Loader};
use vega_runtime::capability::Grants;
use vega_runtime::output::Output;
use vega_runtime::{Outcome, Runtime};

use super::refuse;
use crate::arguments::{BenchArguments, BenchCommand, MeasureArguments};
use crate::console;

mod figures; // what the rounds came to, for people and for programs

use figures::{Figures, no_samples};

/// Path under which a program of the benchmark is compiled.
const ENTRY: &str = "bench.vega";

/// More of anything than a machine could run in a year.
const COUNT_MAX: u64 = 1_000_000_000_000_000;

/// One thing to measure.
struct Question {
    name: &'static str,
    program: &'static str,
    /// What is counted.
    operation: &'static str,
    count_default: u64,
    /// What the numbers are that the program prints, in nanoseconds, if it prints any.
    samples: Option<&'static str>,
    /// Whether the program says when its processes all live, so that their memory can be seen.
    has_bytes: bool,
}

macro_rules! question {
    ($name:literal, $file:literal, $operation:literal, $count:literal, $samples:expr) => {
        Question {
            name: $name,
            program: include_str!(concat!("bench/", $file, ".vega")),
            operation: $operation,
            count_default: $count,
            samples: $samples,
            has_bytes: false,
        }
    };
}

const OF_A_BATCH: Option<&str> = Some("a process, batch by batch");
const SPAWN: Question = question!("spawn", "spawn", "process started and ended", 1_000_000, OF_A_BATCH);
const SPAWN_GROUPS: Question = question!("spawn-groups", "spawn_groups", "process started and ended", 1_000_000, None);
const SPAWN_AT_ONCE: Question = question!("spawn-at-once", "spawn_at_once", "process started and ended", 1_000_000, None);
const SPAWN_LINKED: Question = question!("spawn-linked", "spawn_linked", "linked process started and ended", 500_000, OF_A_BATCH);
const SPAWN_MONITORED: Question =
    question!("spawn-monitored", "spawn_monitored", "process started, watched and ended", 500_000, OF_A_BATCH);
const IDLE: Question = Question { has_bytes: true, ..question!("idle", "idle", "waiting process", 100_000, None) };
const PING_PONG: Question = question!("ping-pong", "ping_pong", "round trip", 500_000, Some("round trip, one in 1,024"));
const RING: Question = question!("ring", "ring", "hop in a ring of 1,000", 1_000_000, Some("hop, time around by time around"));
const FAN_IN: Question =
    question!("fan-in", "fan_in", "message of 100 senders to one", 1_000_000, Some("message, thousand by thousand"));
const RESTART: Question =
    question!("restart", "restart", "restart of a killed child", 100_000, Some("from the kill to the next life, one in 16"));
const PREEMPT: Question = question!("preempt", "preempt", "sleep of 1 ms beside two loops", 1_000, Some("lateness"));
const CALLS: Question = question!("calls", "calls", "call of a scripted agent", 10_000, Some("call"));

/// What one round took.
struct Round {
    wall: Duration,
    cpu: Duration,
    /// Resident bytes that were added while the program said that it was ready.
    resident_bytes: u64,
    /// What the program said it measured itself, in nanoseconds.
    samples: Histogram<u64>,
}

pub(super) fn run(arguments: &BenchArguments) -> ExitCode {
    // What a program is told besides the count: groups and the size of a batch.
    let (mut groups, mut batch) = (1, 1_000);
    let (question, measure) = match &arguments.what {
        BenchCommand::Spawn(spawn) => {
            (groups, batch) = (spawn.groups, spawn.batch);
            let question = match (spawn.at_once, groups) {
                (true, _) => SPAWN_AT_ONCE,
                (false, 1) => SPAWN,
                (false, _) => SPAWN_GROUPS,
            };
            (question, &spawn.measure)
        }
        BenchCommand::SpawnLinked(measure) => (SPAWN_LINKED, measure),
        BenchCommand::SpawnMonitored(measure) => (SPAWN_MONITORED, measure),
        BenchCommand::Idle(measure) => (IDLE, measure),
        BenchCommand::PingPong(measure) => (PING_PONG, measure),
        BenchCommand::Ring(ring) => {
            groups = ring.groups;
            (RING, &ring.measure)
        }
        BenchCommand::FanIn(measure) => (FAN_IN, measure),
        BenchCommand::Restart(measure) => (RESTART, measure),
        BenchCommand::Preempt(measure) => (PREEMPT, measure),
        BenchCommand::Calls(measure) => (CALLS, measure),
    };
    let count = measure.count.unwrap_or(question.count_default);
    if count == 0 {
        return refuse("there is nothing to measure in 0 of anything");
    }
    if count > COUNT_MAX {
        return refuse(&format!("{count} would never end: at most {COUNT_MAX} can be counted"));
    }
    let mut rounds = Vec::new();
    let numbers = [count, groups, batch].map(|number| number.to_string());
    for _ in 0..measure.rounds {
        match round(&question, &numbers, measure) {
            Ok(round) => rounds.push(round),
            Err(problem) => {
                console::error(&problem);
                return ExitCode::FAILURE;
            }
        }
    }
    let figures = Figures::new(&question, count, &rounds);
    let workers = measure.workers.map_or_else(|| vega_scheduler::Config::default().workers, usize::from);
    console::print(&if measure.json { figures.json(workers) } else { figures.text() });
    ExitCode::SUCCESS
}

fn round(question: &Question, arguments: &[String], measure: &MeasureArguments) -> Result<Round, String> {
    let compiled = vega_compiler::compile(&Embedded(question.program), ENTRY).map_err(|error| format!("{error:?}"))?;
    let module = compiled
        .module
        .ok_or_else(|| crate::report::draw(&compiled.diagnostics, &compiled.sources, |path| format!("<vega bench>/{path}")))?;
    let module = vega_bytecode::verify(module).map_err(|error| error.to_string())?;
    let ready = Arc::new(Ready { resident: AtomicU64::new(0), samples: Mutex::new(no_samples()) });
    let agents = Agents::builder().offline(true).build()?;
    let mut grants = Grants::nothing(".");
    let grants = grants.allow(Capability::Agent).build().map_err(|error| error.to_string())?;
    let mut builder = Runtime::builder()
        .grants(grants)
        .agents(agents)
        .natives(vega_stdlib::natives())
        .stdout(ready.clone())
        .stderr(Arc::new(console::ProgramErrors(Arc::new(console::Screen::new(false)))));
    if let Some(workers) = measure.workers {
        builder = builder.workers(usize::from(workers));
    }
    let runtime = builder.arguments(arguments.to_vec()).build().map_err(|error| error.to_string())?;
    runtime.load(module).map_err(|error| error.to_string())?;
    let resident = resident_bytes();
    let (start, cpu) = (Instant::now(), cpu_time());
    let report = runtime.run();
    let (wall, cpu) = (start.elapsed(), cpu_time().saturating_sub(cpu));
    match report.outcome {
        Outcome::Finished(_) => Ok(Round {
            wall,
            cpu,
            resident_bytes: ready.resident.load(Ordering::Relaxed).saturating_sub(resident),
            samples: ready.samples.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }),
        Outcome::Failed { error, .. } => Err(error),
        Outcome::Interrupted => Err("interrupted".to_owned()),
    }
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

/// Takes what the program prints: a number is a sample, and anything else says that now the memory counts.
struct Ready {
    resident: AtomicU64,
    samples: Mutex<Histogram<u64>>,
}

impl Output for Ready {
    fn write(&self, bytes: &[u8]) {
        let number = std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse::<i64>().ok());
        match number {
            Some(nanoseconds) => {
                let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
                samples.saturating_record(u64::try_from(nanoseconds).unwrap_or(0).max(1));
            }
            None => self.resident.store(resident_bytes(), Ordering::Relaxed),
        }
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
