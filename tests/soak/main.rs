//! Processes that spawn, link, kill, send, receive, restart and set timers at random on two workers, for as long as `VEGA_SOAK_SECONDS`
//! says. At the end nothing is left: no process, no byte of a process's heap, no stack in use, and the allocator has back what was taken.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use vega_compiler::source::{LoadError, Loader};
use vega_runtime::capability::Grants;
use vega_runtime::limits::Limits;
use vega_runtime::output::Output;
use vega_runtime::runtime::Left;
use vega_runtime::{Outcome, Runtime};

/// How long it lasts where the environment does not say it.
const SECONDS_DEFAULT: u64 = 4;
/// What the first waves may leave for later ones in free lists, and the collector of the run queues in garbage that it has not freed.
const SLACK_BYTES: i64 = 1 << 20;

/// Counts the bytes that are allocated.
struct Counting;

static ALLOCATED: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated() -> i64 {
    ALLOCATED.load(Ordering::Relaxed)
}

fn seconds() -> u64 {
    std::env::var("VEGA_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS_DEFAULT)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soak")
}

struct Files;

impl Loader for Files {
    fn load(&self, path: &str) -> Result<Arc<str>, LoadError> {
        std::fs::read_to_string(folder().join(path)).map(Arc::from).map_err(|_| LoadError::NotFound)
    }

    fn standard(&self, module: &str) -> Option<Arc<str>> {
        vega_stdlib::module_source(module).map(Arc::from)
    }
}

/// What was allocated at the end of each wave, at which the program writes a line.
#[derive(Default)]
struct Waves(Mutex<Vec<i64>>);

impl Output for Waves {
    fn write(&self, bytes: &[u8]) {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.0.lock().unwrap().extend((0..lines).map(|_| allocated()));
    }
}

/// Runs the program for so long. Gives what was allocated after each wave, and the processes that were started.
fn soak(seconds: u64) -> (Vec<i64>, u64) {
    let compiled = vega_compiler::compile(&Files, "soak.vega").unwrap();
    let module = compiled.module.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    let module = vega_bytecode::verify(module).unwrap();
    let mut grants = Grants::nothing(folder());
    let grants = grants.allow_read(".").build().unwrap();
    let waves = Arc::new(Waves::default());
    let runtime = Runtime::builder()
        .workers(2)
        .limits(Limits { shutdown_ms: 20, processes: 50_000, ..Limits::default() })
        .grants(grants)
        .natives(vega_stdlib::natives())
        .arguments(vec![seconds.to_string()])
        .stdout(waves.clone())
        .build()
        .unwrap();
    runtime.load(module).unwrap();
    let report = runtime.run();
    assert_eq!(report.outcome, Outcome::Finished(0));
    let end = runtime.shutdown();
    assert_eq!(end.statistics.alive, 0, "the program ended all others before it ended itself");
    assert_eq!(end.left, Left::default());
    let allocated = std::mem::take(&mut *waves.0.lock().unwrap());
    (allocated, report.processes)
}

#[test]
fn a_storm_of_everything_leaves_nothing_behind() {
    // What is made once for all runs is made here.
    soak(0);
    let before = allocated();
    let (waves, processes) = soak(seconds());
    let after = allocated();
    println!("{} waves, {processes} processes; allocated before {before}, after {after}", waves.len());
    assert!((after - before).abs() < SLACK_BYTES, "before {before}, after {after}, after each wave {waves:?}");
    // Memory between waves does not grow: what the first ones needed is used again.
    let half = waves.len() / 2;
    let most = |waves: &[i64]| waves.iter().copied().max().unwrap_or(0);
    assert!(most(&waves[half..]) < 2 * most(&waves[..half]) + SLACK_BYTES, "{waves:?}");
}
