//! A handle that a worker's poll watches, once somebody has waited for it.
//!
//! Invariant: a registered handle holds a token of the reactor it is registered with, and no other handle has that token.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::event::Source;
use mio::{Interest, Token};

use crate::core::{Core, Place, WaitsFor, with_place};
use crate::error::no_runner;
use crate::inbox::Message;
use crate::os::{self, Readiness};
use crate::reactor::ReactorHandle;
use crate::time::Instant;

/// Handles that are open, of all schedulers.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Sockets and pipes that are open in this system process.
pub fn open_handles() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// A handle in non-blocking mode, and where it is registered.
pub(crate) struct Evented<S: Source + AsRawFd> {
    source: S,
    home: Option<Home>,
}

struct Home {
    reactor: Arc<ReactorHandle>,
    token: Token,
}

impl<S: Source + AsRawFd> Evented<S> {
    /// The handle must be in non-blocking mode.
    pub(crate) fn new(source: S) -> Evented<S> {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Evented { source, home: None }
    }

    pub(crate) fn get(&self) -> &S {
        &self.source
    }

    /// Does `act` as soon as it does not block.
    pub(crate) fn until_done<T>(
        &mut self,
        readiness: Readiness,
        waits_for: WaitsFor,
        deadline: Option<Instant>,
        mut act: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match act(&mut self.source) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(readiness, waits_for, deadline)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Waits until the handle may be ready. The first wait on a worker reports what is ready already.
    pub(crate) fn wait(&mut self, readiness: Readiness, waits_for: WaitsFor, deadline: Option<Instant>) -> io::Result<()> {
        with_place(|place| match place {
            Place::Runner(core) => {
                let key = core.begin_wait()?;
                let token = self.settle(core)?;
                core.reactor.set_waiter(token, key);
                core.wait(key, deadline, waits_for)
            }
            Place::Worker(_) => Err(no_runner()),
            Place::Elsewhere => {
                // SAFETY: the source owns the descriptor and lives longer than the call.
                let descriptor = unsafe { BorrowedFd::borrow_raw(self.source.as_raw_fd()) };
                os::block_until_ready(descriptor, readiness, deadline)
            }
        })
    }

    /// Registers the handle with this worker's poll, unless it is. A poll that a handle is added to reports what is ready at
    /// that moment, so nothing is missed by moving.
    fn settle(&mut self, core: &Core) -> io::Result<Token> {
        if let Some(home) = &self.home
            && Arc::ptr_eq(&home.reactor, &core.reactor.handle)
        {
            return Ok(home.token);
        }
        self.leave_home();
        let reactor = Arc::clone(&core.reactor.handle);
        let token = core.reactor.take_token();
        if let Err(error) = reactor.registry.register(&mut self.source, token, Interest::READABLE | Interest::WRITABLE) {
            core.reactor.free_token(token);
            return Err(error);
        }
        self.home = Some(Home { reactor, token });
        Ok(token)
    }

    fn leave_home(&mut self) {
        let Some(Home { reactor, token }) = self.home.take() else {
            return;
        };
        // It fails only if the descriptor is not registered, which is what is wanted.
        let _ = reactor.registry.deregister(&mut self.source);
        with_place(|place| match place {
            Place::Runner(core) | Place::Worker(core) if Arc::ptr_eq(&core.reactor.handle, &reactor) => {
                core.reactor.free_token(token);
            }
            _ => reactor.inbox.leave(Message::FreeSource(token)),
        });
    }
}

impl<S: Source + AsRawFd> Drop for Evented<S> {
    fn drop(&mut self) {
        self.leave_home();
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: Source + AsRawFd> fmt::Debug for Evented<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Evented").field(&self.source.as_raw_fd()).finish()
    }
}
