//! Any bytes as a bytecode file: what the verifier accepts runs within its limits, without grants, and can be ended.
//!
//! Three of four mutations change the decoded program, so that most of them get past the verifier; the others change bytes. All files
//! get a new checksum: without it none would be looked at.

#![no_main]

use std::sync::mpsc;
use std::time::Duration;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use vega_bytecode::{VerifiedModule, decode, disassemble, encode, format, verify};
use vega_runtime::Runtime;
use vega_runtime::limits::Limits;
use vega_scheduler::Clock;

/// Reductions after which a program is ended.
const REDUCTIONS: u64 = 20_000;
/// How long a program may take that spends its time outside of what reductions count, before it is interrupted.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an interrupt may take.
const PATIENCE_INTERRUPTED: Duration = Duration::from_secs(30);

fuzz_target!(
    init: vega_fuzz::seeds::write_bytecode("verify_then_run"),
    |bytes: &[u8]| {
        let mut file = bytes.to_vec();
        format::seal(&mut file);
        let Ok(module) = decode(&file) else { return };
        let Ok(module) = verify(module) else { return };
        let _shown = disassemble::module(module.module());
        run(module);
    }
);

fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| {
    let mut random = fastrand::Rng::with_seed(seed.into());
    if random.u8(..4) > 0 {
        format::seal(&mut bytes[..size]);
        if let Ok(mut module) = decode(&bytes[..size]) {
            vega_fuzz::mutate::mutate(&mut module, &mut random);
            let file = encode(&module);
            if file.len() <= most {
                bytes[..file.len()].copy_from_slice(&file);
                return file.len();
            }
        }
    }
    let size = fuzzer_mutate(bytes, size, most);
    format::seal(&mut bytes[..size]);
    size
});

fn run(module: VerifiedModule) {
    let limits = Limits {
        processes: 64,
        heap_bytes: 4 << 20,
        mailbox_bytes: 1 << 20,
        stacks: 64,
        // Frames under the sanitizer are several times as large.
        stack_bytes: 2 << 20,
        run_reductions: Some(REDUCTIONS),
        shutdown_ms: 200,
        ..Limits::default()
    };
    let agents = vega_agent::Agents::builder().offline(true).build().expect("a script needs nothing");
    let runtime = Runtime::builder()
        .workers(1)
        .clock(Clock::Virtual { seed: 0 })
        .limits(limits)
        .natives(vega_stdlib::natives())
        .agents(agents)
        .drain(Duration::ZERO)
        .build()
        .expect("the runtime starts");
    // A changed name names no native.
    if runtime.load(module).is_err() {
        return;
    }
    let handle = runtime.handle();
    let (ended, end) = mpsc::channel();
    let running = std::thread::spawn(move || {
        let _report = runtime.run();
        drop(runtime);
        let _waiter_gone = ended.send(());
    });
    if end.recv_timeout(PATIENCE).is_err() {
        handle.interrupt();
        handle.interrupt();
        assert!(end.recv_timeout(PATIENCE_INTERRUPTED).is_ok(), "the program cannot be interrupted");
    }
    assert!(running.join().is_ok(), "the runtime panicked");
}
