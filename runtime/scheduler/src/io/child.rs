//! Waiting for a child process to exit.
//!
//! Invariant: the child is not reaped here, so its number stays its own until the caller asks for its status.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::evented::Evented;
use crate::core::WaitsFor;
use crate::os::{self, Readiness};
use crate::time::Instant;

/// Waits until the child has exited; its status is there afterwards without waiting. The child must not have been waited for.
pub fn wait_child(process_id: u32, deadline: Option<Instant>) -> io::Result<()> {
    let mut exit = Evented::new(Exit(os::child::exit_descriptor(process_id)?));
    exit.until_done(Readiness::Readable, WaitsFor::Outside, deadline, |exit| match os::is_readable(&exit.0)? {
        true => Ok(()),
        false => Err(io::ErrorKind::WouldBlock.into()),
    })
}

/// A descriptor that is readable from the child's exit on.
struct Exit(OwnedFd);

impl AsRawFd for Exit {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Source for Exit {
    fn register(&mut self, registry: &Registry, token: Token, _interests: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).register(registry, token, Interest::READABLE)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, _interests: Interest) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).reregister(registry, token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.as_raw_fd()).deregister(registry)
    }
}
