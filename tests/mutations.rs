//! Damaged programs: whatever is dropped, doubled or swapped in a source or bytecode file, nothing panics, crashes or hangs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use vega_bytecode::{format, verify};
use vega_compiler::Compiled;
use vega_compiler::source::{LoadError, Loader};
use vega_runtime::Runtime;
use vega_runtime::capability::Grants;
use vega_runtime::limits::Limits;
use vega_scheduler::Clock;

use crate::support::{Folder, root};

/// Mutations of each example and kind; `VEGA_MUTATIONS` asks for another number.
const MUTATIONS_DEFAULT: u64 = 1000;
/// Reductions after which a damaged program is ended.
const REDUCTIONS: u64 = 200_000;

fn mutations() -> u64 {
    std::env::var("VEGA_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTATIONS_DEFAULT)
}

fn examples() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(root().join("examples")).expect("the examples are there");
    let mut found: Vec<PathBuf> = folder
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "vega"))
        .collect();
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

/// Some bytes dropped, doubled, swapped or changed, from one place to a handful.
fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        let length = random.usize(1..=8).min(bytes.len() - at);
        match random.u32(..4) {
            0 => drop(bytes.drain(at..at + length)),
            1 => {
                let copy = bytes[at..at + length].to_vec();
                let to = random.usize(..=bytes.len());
                bytes.splice(to..to, copy);
            }
            2 => {
                let other = random.usize(..bytes.len());
                bytes.swap(at, other);
            }
            _ => bytes[at] = random.u8(..),
        }
    }
}

/// One changed text, and the others as they are.
struct Texts {
    folder: PathBuf,
    changed: HashMap<String, Arc<str>>,
}

impl Loader for Texts {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        match self.changed.get(path) {
            Some(text) => Ok(text.clone()),
            None => std::fs::read_to_string(self.folder.join(path)).map(Arc::from).map_err(|_| LoadError::NotFound),
        }
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

fn compile(path: &Path, text: &str) -> Compiled {
    let name = path.file_name().expect("an example is a file").to_string_lossy().into_owned();
    let folder = path.parent().expect("an example lies in a folder").to_path_buf();
    let texts = Texts { folder, changed: HashMap::from([(name.clone(), text.into())]) };
    vega_compiler::compile(&texts, &name).expect("the text was given")
}

#[test]
fn damaged_sources_get_a_position_or_compile() {
    let golden = crate::language::programs().into_iter().map(|path| (path, mutations() / 20));
    for (path, count) in examples().into_iter().map(|path| (path, mutations())).chain(golden) {
        let text = std::fs::read_to_string(&path).expect("a program is text");
        for seed in 0..count {
            let mut bytes = text.clone().into_bytes();
            mutate(&mut bytes, &mut fastrand::Rng::with_seed(seed));
            let damaged = String::from_utf8_lossy(&bytes);
            let compiled = compile(&path, &damaged);
            let context = || format!("{} with seed {seed}:\n{damaged}", path.display());
            for diagnostic in &compiled.diagnostics {
                let span = diagnostic.span();
                let text = compiled.sources.file(span.file).text();
                assert!(span.start <= span.end && span.end as usize <= text.len(), "{diagnostic:?} in {}", context());
            }
            match compiled.module {
                Some(module) => drop(verify(module).unwrap_or_else(|error| panic!("{error} in {}", context()))),
                None => {
                    assert!(compiled.diagnostics.iter().any(|diagnostic| diagnostic.is_error()), "no reason in {}", context())
                }
            }
        }
    }
}

#[test]
fn damaged_bytecode_is_refused_or_runs_within_its_limits() {
    let folder = Folder::new("mutations");
    let mut ran = 0;
    for path in examples() {
        let text = std::fs::read_to_string(&path).expect("an example is text");
        let file = format::encode(&compile(&path, &text).module.expect("an example compiles"));
        for seed in 0..mutations() {
            let mut damaged = file.clone();
            let mut random = fastrand::Rng::with_seed(seed);
            match seed % 4 {
                0 => mutate(&mut damaged, &mut random),
                // Lengths that no longer fit are refused early; a changed byte goes deeper.
                _ => (0..random.usize(1..=2)).for_each(|_| {
                    let at = random.usize(..damaged.len());
                    damaged[at] ^= 1 << random.u32(..8);
                }),
            }
            // A tenth keeps its old checksum, and is refused for that unless it came back to itself.
            if seed % 10 != 0 {
                format::seal(&mut damaged);
            }
            let Ok(module) = format::decode(&damaged) else { continue };
            let Ok(module) = verify(module) else { continue };
            run(module, &folder, &format!("{} with seed {seed}", path.display()));
            ran += 1;
        }
    }
    assert!(ran * 20 > mutations(), "only {ran} damaged files were run: the test looks at nothing but refusals");
}

/// Runs a module that may do anything, and fails where it cannot be ended.
fn run(module: vega_bytecode::VerifiedModule, folder: &Folder, context: &str) {
    let limits = Limits { run_reductions: Some(REDUCTIONS), heap_bytes: 64 << 20, shutdown_ms: 200, ..Limits::default() };
    let agents = vega_agent::Agents::builder().offline(true).build().expect("a script needs nothing");
    let runtime = Runtime::builder()
        .workers(1)
        .clock(Clock::Virtual { seed: 0 })
        .limits(limits)
        .grants(Grants::nothing(folder.path()).build().expect("nothing is a grant"))
        .natives(vega_stdlib::natives())
        .agents(agents)
        .drain(Duration::ZERO)
        .build()
        .expect("the runtime starts");
    // A damaged name names no native.
    if runtime.load(module).is_err() {
        return;
    }
    let handle = runtime.handle();
    let (ended, end) = mpsc::channel();
    let running = std::thread::spawn(move || {
        let report = runtime.run();
        drop(runtime);
        let _waiter_gone = ended.send(());
        report
    });
    // It may spend its time outside of what reductions count; then it must be possible to interrupt it.
    if end.recv_timeout(Duration::from_secs(2)).is_err() {
        handle.interrupt();
        handle.interrupt();
        end.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("{context} cannot be interrupted"));
    }
    running.join().unwrap_or_else(|_| panic!("{context} panicked the runtime"));
}
