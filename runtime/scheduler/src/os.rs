//! What differs between operating systems: memory of stacks, faults, the fine alarm, waiting for children.
//!
//! Invariant: outside this module nothing in the crate calls the operating system, except through the standard library and mio.

pub(crate) mod alarm; // wakes a poll sooner than its milliseconds allow
pub(crate) mod child; // a child's exit as something a poll can wait for
pub(crate) mod fault; // the signal handler that turns a native stack overflow into a value
pub(crate) mod memory; // address space for stacks, their guards, and giving memory back

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::time::Instant;

/// The system's monotonic clock.
pub(crate) fn monotonic_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and every supported system has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Processor time that the calling thread has used so far.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and every supported system has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// How many descriptors this system process may have open. `raise` first asks for as many as it may ask for.
pub(crate) fn descriptor_limit(raise: bool) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return u64::MAX;
    }
    if raise && limit.rlim_cur < limit.rlim_max {
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        // SAFETY: `wanted` is a valid limit; a refusal leaves the old one in force.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) } == 0 {
            limit = wanted;
        }
    }
    limit.rlim_cur
}

/// What a descriptor is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Readiness {
    Readable,
    Writable,
}

/// Whether reading from the descriptor would not block.
pub(crate) fn is_readable(descriptor: &OwnedFd) -> io::Result<bool> {
    poll_once(descriptor.as_fd(), Readiness::Readable, 0)
}

/// Blocks the calling thread until the descriptor is ready or the deadline has passed. For threads that are no workers.
pub(crate) fn block_until_ready(descriptor: BorrowedFd<'_>, readiness: Readiness, deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let left = deadline.map(|deadline| deadline.since(Instant::real()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let timeout_ms = left.map_or(-1, |left| i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX));
        if poll_once(descriptor, readiness, timeout_ms)? {
            return Ok(());
        }
    }
}

/// True if the descriptor is ready, false after the timeout or an interruption.
fn poll_once(descriptor: BorrowedFd<'_>, readiness: Readiness, timeout_ms: i32) -> io::Result<bool> {
    let events = match readiness {
        Readiness::Readable => libc::POLLIN,
        Readiness::Writable => libc::POLLOUT,
    };
    let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 };
    // SAFETY: `poll` is one valid element, and the borrowed descriptor stays open during the call.
    match unsafe { libc::poll(&mut poll, 1, timeout_ms) } {
        0.. => Ok(poll.revents != 0),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

/// Says how many connections may stand before they are accepted.
pub(crate) fn listen(socket: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: the borrowed descriptor is open; the call takes no pointers.
    match unsafe { libc::listen(socket.as_raw_fd(), backlog) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes closing the socket a reset.
pub(crate) fn linger_not(socket: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the borrowed descriptor is open, and the pointer is to a live `linger` of the given size.
    let failed =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The same descriptor in non-blocking mode.
pub(crate) fn nonblocking(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    let raw = descriptor.as_raw_fd();
    // SAFETY: the descriptor is open, and the calls only read and change its flags.
    let changed = unsafe {
        let flags = libc::fcntl(raw, libc::F_GETFL);
        flags >= 0 && libc::fcntl(raw, libc::F_SETFL, flags | libc::O_NONBLOCK) >= 0
    };
    if changed { Ok(descriptor) } else { Err(io::Error::last_os_error()) }
}
