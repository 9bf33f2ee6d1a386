//! Whole programs of links, monitors and supervision, each in many of the orders in which its processes may run. The virtual clock runs
//! them on one worker; the seed chooses who runs next, and after how many reductions it is interrupted. The programs assert what must
//! hold in every order. `VEGA_SEEDS` asks for more seeds than the few that are always tried.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use vega_compiler::source::{LoadError, Loader};
use vega_runtime::limits::Limits;
use vega_runtime::output::Output;
use vega_runtime::runtime::Left;
use vega_runtime::{Outcome, Runtime};
use vega_scheduler::Clock;

use crate::support::root;

/// Seeds of each scenario, unless the environment asks for another number.
const SEEDS_DEFAULT: u64 = 40;
/// More than any of them needs: a scenario that goes on for ever is an error too.
const REDUCTIONS: u64 = 20_000_000;

fn seeds() -> u64 {
    std::env::var("VEGA_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS_DEFAULT)
}

fn scenarios() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("tests/scenarios")).expect("the scenarios are there");
    let mut found: Vec<PathBuf> = folder.flatten().map(|entry| entry.path()).collect();
    found.sort();
    assert!(found.len() >= 13, "{found:?}");
    found
}

/// The text of one scenario.
struct Text(Arc<str>);

impl Loader for Text {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        if path == "scenario.vega" { Ok(Arc::clone(&self.0)) } else { Err(LoadError::NotFound) }
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// What the processes of a scenario may need. Its first line may bound the mailbox.
fn limits(text: &str) -> Limits {
    let mut limits = Limits { run_reductions: Some(REDUCTIONS), ..Limits::default() };
    if let Some(bound) = text.lines().next().and_then(|line| line.strip_prefix("// mailbox_messages: ")) {
        limits.mailbox_messages = bound.parse().expect("the bound is a number");
    }
    limits
}

/// What processes write when they fail.
#[derive(Default)]
struct Written(Mutex<String>);

impl Output for Written {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().expect("nothing panics while it writes").push_str(&String::from_utf8_lossy(bytes));
    }
}

/// Plays a scenario once. Says what went wrong, if anything did.
fn play(module: &vega_bytecode::VerifiedModule, limits: &Limits, seed: u64) -> Result<(), String> {
    let written = Arc::new(Written::default());
    let runtime = Runtime::builder()
        .clock(Clock::Virtual { seed })
        .limits(limits.clone())
        .natives(vega_stdlib::natives())
        .stderr(written.clone())
        .build()
        .map_err(|error| error.to_string())?;
    runtime.load(module.clone()).map_err(|error| error.to_string())?;
    let report = runtime.run();
    let said = written.0.lock().expect("nothing panics while it writes").clone();
    if report.outcome != Outcome::Finished(0) {
        return Err(format!("{:?}\n{said}", report.outcome));
    }
    // An assertion in another process than the first fails only that one; a name is taken where two lives of a slot overlap.
    if said.contains("AssertFailed: ") || said.contains("is taken") {
        return Err(said);
    }
    match runtime.shutdown().left {
        left if left == Left::default() => Ok(()),
        left => Err(format!("{left:?}")),
    }
}

#[test]
fn scenarios_hold_in_every_order() {
    let mut failed = Vec::new();
    for path in scenarios() {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text: Arc<str> = std::fs::read_to_string(&path).expect("the scenario can be read").into();
        let limits = limits(&text);
        let compiled = vega_compiler::compile(&Text(text), "scenario.vega").expect("it is loaded");
        let module = compiled.module.unwrap_or_else(|| panic!("{name}: {:?}", compiled.diagnostics));
        let module = vega_bytecode::verify(module).expect("the compiler's programs are verified");
        for seed in 1..=seeds() {
            if let Err(problem) = play(&module, &limits, seed) {
                failed.push(format!("{name}, seed {seed}: {problem}"));
                break;
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
