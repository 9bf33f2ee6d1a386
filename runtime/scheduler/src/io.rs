//! Sockets and pipes on which a native waits without holding its thread.
//!
//! Each operation is tried first, and only when it would block does the runner suspend until the worker's poll reports the
//! handle as ready. On a thread that is no worker the same call blocks the thread.
//!
//! Invariant: dropping a handle and asking whether it is open never wait, so both are safe under anybody's lock.

mod child; // waiting for a child process's exit
mod evented; // the common part: try, wait for readiness, try again
mod pipe; // pipes to and from child processes
mod tcp; // streams and listeners

pub use child::wait_child;
pub use evented::open_handles;
pub use pipe::{PipeReader, PipeWriter};
pub use tcp::{TcpListener, TcpStream};

/// How many descriptors this system process may have open: sockets, files, pipes.
pub fn descriptor_limit() -> u64 {
    crate::os::descriptor_limit(false)
}

/// Asks for as many descriptors as the system lets this process ask for, and says how many it may have open now. It changes the whole
/// system process, so it is the program's decision and not the scheduler's.
pub fn raise_descriptor_limit() -> u64 {
    crate::os::descriptor_limit(true)
}
