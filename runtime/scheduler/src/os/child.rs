//! A child process's exit as a descriptor that becomes readable.
//!
//! Invariant: the descriptor names the process that had the number when it was opened, even if the number is reused.

use std::io;
use std::os::fd::OwnedFd;

/// Opens a descriptor that becomes readable when the child exits. The child must not have been waited for yet.
#[cfg(target_os = "linux")]
pub(crate) fn exit_descriptor(process_id: u32) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;

    let process_id = libc::pid_t::try_from(process_id).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: plain system call; the result is checked before use.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, process_id, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call above just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw as i32) })
}

/// This system cannot poll for a child's exit.
#[cfg(not(target_os = "linux"))]
pub(crate) fn exit_descriptor(_process_id: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}
