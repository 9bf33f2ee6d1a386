//! Pipes to and from child processes.
//!
//! Invariant: the descriptor is in non-blocking mode from the making of the handle on.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use mio::unix::pipe::{Receiver, Sender};

use super::evented::Evented;
use crate::core::WaitsFor;
use crate::os::{self, Readiness};
use crate::time::Instant;

/// The reading end of a pipe, such as a child's standard output.
#[derive(Debug)]
pub struct PipeReader {
    evented: Evented<Receiver>,
    deadline: Option<Instant>,
}

/// The writing end of a pipe, such as a child's standard input.
#[derive(Debug)]
pub struct PipeWriter {
    evented: Evented<Sender>,
    deadline: Option<Instant>,
}

impl PipeReader {
    /// Takes the descriptor over and puts it in non-blocking mode.
    pub fn new(descriptor: impl Into<OwnedFd>) -> io::Result<PipeReader> {
        let receiver = Receiver::from(os::nonblocking(descriptor.into())?);
        Ok(PipeReader { evented: Evented::new(receiver), deadline: None })
    }

    /// Until when reading waits from now on; then it fails with `TimedOut`.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.evented.until_done(Readiness::Readable, WaitsFor::Outside, self.deadline, |pipe| pipe.read(buffer))
    }
}

impl PipeWriter {
    /// Takes the descriptor over and puts it in non-blocking mode.
    pub fn new(descriptor: impl Into<OwnedFd>) -> io::Result<PipeWriter> {
        let sender = Sender::from(os::nonblocking(descriptor.into())?);
        Ok(PipeWriter { evented: Evented::new(sender), deadline: None })
    }

    /// Until when writing waits from now on; then it fails with `TimedOut`.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.evented.until_done(Readiness::Writable, WaitsFor::Outside, self.deadline, |pipe| pipe.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
