//! What the signals of termination do: the first asks the program to end, the second again and at once, the third ends the process.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vega_runtime::RuntimeHandle;

use crate::console;

/// Remembers which signal came last.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<AtomicI32>);

impl Interrupts {
    /// The exit status that the last signal asks for: 128 and its number.
    pub(crate) fn status(&self) -> u8 {
        status(self.0.load(Ordering::Relaxed))
    }
}

/// The exit status after that signal.
pub(crate) fn status(signal: i32) -> u8 {
    match signal {
        SIGHUP => 129,
        SIGTERM => 143,
        _ => 130,
    }
}

/// The signals of termination, from now on: the terminal was closed (unless that is to be ignored, as under `nohup`), an interrupt by the
/// keyboard, and the one that asks to end.
pub(crate) fn signals() -> io::Result<Signals> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup))
}

/// Whether whoever started this process made it ignore the signal.
fn is_ignored(signal: i32) -> bool {
    let mut present = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is set, and `present` is a valid place for what is set at present.
    if unsafe { libc::sigaction(signal, ptr::null(), present.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call succeeded, so it filled the place.
    unsafe { present.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Handles signals until the process ends. What `notice` gives is said at the first one.
pub(crate) fn watch(runtime: RuntimeHandle, notice: impl Fn() -> String + Send + 'static) -> io::Result<Interrupts> {
    let interrupts = Interrupts::default();
    let last = interrupts.clone();
    let mut signals = signals()?;
    std::thread::Builder::new().name("vega-signals".into()).spawn(move || {
        let mut is_closed = false;
        let mut count = 0;
        for signal in signals.forever() {
            // A terminal that is closed says so more than once: the shell does, and the kernel when the shell has gone.
            if signal == SIGHUP && std::mem::replace(&mut is_closed, true) {
                continue;
            }
            last.0.store(signal, Ordering::Relaxed);
            if count >= 2 {
                // Asked three times: whatever still runs has had its chance.
                std::process::exit(128 + signal);
            }
            if count == 0 {
                console::complain(&notice());
            }
            count += 1;
            runtime.interrupt();
        }
    })?;
    Ok(interrupts)
}
