//! Natives that may wait: how they are named for cancelling, and what they may call to wait for time.
//!
//! Invariant: a token names one native call; once its guard is gone the token cancels nothing.

use std::io;
use std::marker::PhantomData;
use std::thread;
use std::time::Duration;

use crate::core::{Core, Place, WaitsFor, with_place};
use crate::error::no_runner;
use crate::inbox::Message;
use crate::runner::NO_NATIVE;
use crate::time::Instant;

/// Names one native call that is under way. Any thread may cancel it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NativeToken {
    pub(crate) worker: u32,
    pub(crate) runner: u32,
    pub(crate) native: u64,
}

impl NativeToken {
    /// The worker on which the native runs.
    pub fn worker(self) -> usize {
        self.worker as usize
    }
}

/// A native call is under way on the current runner until this is dropped.
pub struct NativeGuard<'a> {
    core: &'a Core,
    token: NativeToken,
    /// It belongs to the runner that made it.
    _not_send: PhantomData<*const ()>,
}

impl<'a> NativeGuard<'a> {
    #[inline]
    pub(crate) fn new(core: &'a Core) -> NativeGuard<'a> {
        let (runner, native) = core.enter_native();
        NativeGuard { core, token: NativeToken { worker: core.index as u32, runner, native }, _not_send: PhantomData }
    }

    /// What others need to cancel it.
    #[inline]
    pub fn token(&self) -> NativeToken {
        self.token
    }
}

impl Drop for NativeGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.token.native == NO_NATIVE {
            return;
        }
        if let Some(runner) = self.core.current_runner() {
            runner.leave_native();
        }
    }
}

/// The present moment on the clock of the scheduler whose worker the caller is, or else on the system's.
pub fn now() -> Instant {
    with_place(|place| match place {
        Place::Runner(core) | Place::Worker(core) => core.read_clock(),
        Place::Elsewhere => Instant::real(),
    })
}

/// Waits until the moment has come: on a runner by suspending it, on a thread that is no worker by blocking it.
pub fn sleep_until(moment: Instant) -> io::Result<()> {
    with_place(|place| match place {
        Place::Runner(core) => {
            let key = core.begin_wait()?;
            match core.wait(key, Some(moment), WaitsFor::Inside) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(()),
                ended => ended,
            }
        }
        Place::Worker(_) => Err(no_runner()),
        Place::Elsewhere => {
            thread::sleep(moment.since(Instant::real()));
            Ok(())
        }
    })
}

/// Waits so long.
pub fn sleep(duration: Duration) -> io::Result<()> {
    sleep_until(now() + duration)
}

/// Lets other jobs of this worker run, and messages to it be seen, before the caller goes on. Fails if the calling native was
/// cancelled. For natives that compute for long.
pub fn yield_now() -> io::Result<()> {
    with_place(|place| match place {
        Place::Runner(core) => {
            let key = core.begin_wait()?;
            core.inbox.send(Message::Ready(key));
            core.wait(key, None, WaitsFor::Inside)
        }
        Place::Worker(_) => Err(no_runner()),
        Place::Elsewhere => {
            thread::yield_now();
            Ok(())
        }
    })
}
