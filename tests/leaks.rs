//! What a program held is given back when it ends: programs that run again and again in one system process hold no more than before.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use vega_compiler::source::{LoadError, Loader};
use vega_runtime::Runtime;
use vega_runtime::capability::Grants;
use vega_runtime::limits::Limits;
use vega_scheduler::Clock;

use crate::support::Folder;

/// Asks the child process for its work: how often each program runs between two looks.
const ROUNDS: &str = "VEGA_TEST_LEAK_ROUNDS";
/// One of so many golden programs runs, unless the variable says another number.
const STRIDE: &str = "VEGA_TEST_LEAK_STRIDE";

/// The texts beside a program.
struct Texts(PathBuf);

impl Loader for Texts {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        std::fs::read_to_string(self.0.join(path)).map(Arc::from).map_err(|_| LoadError::NotFound)
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// The bytecode of a golden program, if it compiles and needs no flags.
fn bytecode(path: &Path) -> Option<Vec<u8>> {
    let text = std::fs::read_to_string(path).ok()?;
    if text.contains("flags:") {
        return None;
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    let compiled = vega_compiler::compile(&Texts(path.parent()?.to_path_buf()), &name).ok()?;
    compiled.module.map(|module| vega_bytecode::encode(&module))
}

/// Decodes, verifies and runs a file to its end, whatever that is.
fn run(file: &[u8], folder: &Path) {
    let module = vega_bytecode::verify(vega_bytecode::decode(file).expect("it was encoded")).expect("it was compiled");
    let limits = Limits { run_reductions: Some(100_000), heap_bytes: 4 << 20, shutdown_ms: 200, ..Limits::default() };
    let agents = vega_agent::Agents::builder().offline(true).build().expect("a script needs nothing");
    let runtime = Runtime::builder()
        .workers(1)
        .clock(Clock::Virtual { seed: 0 })
        .limits(limits)
        .grants(Grants::nothing(folder).build().expect("nothing is a grant"))
        .natives(vega_stdlib::natives())
        .agents(agents)
        .drain(Duration::ZERO)
        .build()
        .expect("the runtime starts");
    if runtime.load(module).is_ok() {
        let _report = runtime.run();
    }
}

/// Bytes that the C library's allocator has given out and not taken back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn held() -> usize {
    // SAFETY: the function only reports.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn programs_that_run_again_and_again_hold_nothing() {
    let Some(rounds) = std::env::var(ROUNDS).ok().and_then(|text| text.parse::<usize>().ok()) else {
        // In a system process of its own: with one arena, since only that one is reported, and without the cache of each thread, whose
        // free blocks count as given out.
        let status = Command::new(std::env::current_exe().expect("a test has a file"))
            .args(["--exact", "leaks::programs_that_run_again_and_again_hold_nothing", "--test-threads", "1", "--nocapture"])
            .env(ROUNDS, "16")
            .env("MALLOC_ARENA_MAX", "1")
            .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
            .status();
        assert!(status.expect("the test starts").success());
        return;
    };
    let stride = std::env::var(STRIDE).ok().and_then(|text| text.parse().ok()).unwrap_or(32);
    let folder = Folder::new("leaks");
    let files: Vec<(PathBuf, Vec<u8>)> = crate::language::programs()
        .into_iter()
        .step_by(stride)
        .filter_map(|path| bytecode(&path).map(|file| (path, file)))
        .collect();
    assert!(files.len() > 10, "only {} programs run", files.len());
    for (path, file) in &files {
        // What is made once and kept (tables of the library, patterns, zones) is made in the first runs.
        (0..2).for_each(|_| run(file, folder.path()));
        // Threads that end a little later, or earlier, move single measurements; what is lost is lost each time.
        let lost = (0..3).map(|_| {
            let before = held();
            (0..rounds).for_each(|_| run(file, folder.path()));
            held().saturating_sub(before) / rounds
        });
        let lost = lost.min().unwrap_or_default();
        assert!(lost < 64, "each run of {} keeps {lost} bytes", path.display());
    }
}
