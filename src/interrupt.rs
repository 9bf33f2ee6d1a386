//! What the signals of termination do: the first asks the program to end, the second again and at once, the third ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use vega_runtime::RuntimeHandle;

use crate::console;

/// Remembers which signal came last.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<AtomicI32>);

impl Interrupts {
    /// The exit status that the last signal asks for: 128 and its number.
    pub(crate) fn status(&self) -> u8 {
        match self.0.load(Ordering::Relaxed) {
            SIGTERM => 143,
            _ => 130,
        }
    }
}

/// Handles signals until the process ends. What `notice` gives is said at the first one.
pub(crate) fn watch(runtime: RuntimeHandle, notice: impl Fn() -> String + Send + 'static) -> io::Result<Interrupts> {
    let interrupts = Interrupts::default();
    let last = interrupts.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("vega-signals".into()).spawn(move || {
        for (count, signal) in signals.forever().enumerate() {
            last.0.store(signal, Ordering::Relaxed);
            if count >= 2 {
                // Asked three times: whatever still runs has had its chance.
                std::process::exit(128 + signal);
            }
            if count == 0 {
                console::complain(&notice());
            }
            runtime.interrupt();
        }
    })?;
    Ok(interrupts)
}
