//! Address space for stacks: one mapping for many of them, a guard below each, and memory given back while they are idle.
//!
//! Invariant: a `Region` is mapped from its making to its drop, and nothing else knows its addresses by then.

use std::io;
use std::ptr::NonNull;

/// Makes pages fault on access without splitting the mapping, which mprotect would do. Linux 6.13 and later.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// How the pages below a stack are made to fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GuardKind {
    /// Inside the mapping: any number of stacks in one.
    Advice,
    /// By protection: two mappings for each stack, of which a process may have about 65,000.
    Protection,
}

/// The size of a page of memory.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: plain call without pointers.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("every system has a page size")
}

/// One mapping of private, zeroed, lazily filled memory.
pub(crate) struct Region {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and the region is its only owner.
unsafe impl Send for Region {}

impl Region {
    pub(crate) fn map(bytes: usize) -> io::Result<Region> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address the system chooses overlaps nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).expect("a mapping is never at address zero");
        // A huge page would give each touched stack two megabytes at once.
        #[cfg(target_os = "linux")]
        // SAFETY: the range is the mapping just made; the advice only changes how it is filled.
        unsafe {
            libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_NOHUGEPAGE);
        }
        Ok(Region { start, bytes })
    }

    pub(crate) fn start(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// Makes the given part fault on access, by advice if the system knows it.
    pub(crate) fn guard(&self, offset: usize, bytes: usize, kind: GuardKind) -> io::Result<GuardKind> {
        assert!(offset + bytes <= self.bytes, "the guard lies within the region");
        // SAFETY: in bounds by the assertion.
        let start: *mut libc::c_void = unsafe { self.start.as_ptr().add(offset) }.cast();
        #[cfg(target_os = "linux")]
        if kind == GuardKind::Advice {
            // SAFETY: the range is ours and holds no stack in use: guards are made before stacks are handed out.
            if unsafe { libc::madvise(start, bytes, MADV_GUARD_INSTALL) } == 0 {
                return Ok(GuardKind::Advice);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = kind;
        // SAFETY: as above.
        match unsafe { libc::mprotect(start, bytes, libc::PROT_NONE) } {
            0 => Ok(GuardKind::Protection),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Gives the memory of the given part back; it reads as zeroes afterwards. Guards stay.
    ///
    /// # Safety
    ///
    /// Nobody needs the content any more.
    pub(crate) unsafe fn release(&self, offset: usize, bytes: usize) {
        assert!(offset + bytes <= self.bytes, "the part lies within the region");
        // SAFETY: in bounds by the assertion, and the caller gives up the content.
        unsafe { libc::madvise(self.start.as_ptr().add(offset).cast(), bytes, libc::MADV_DONTNEED) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the owner of the region vouches that no stack in it is in use.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, pipe};
    use std::os::fd::AsRawFd;

    use super::*;

    /// Whether the system can read a byte at the address, which it tries for a write to a pipe.
    fn is_readable(address: usize, (_reader, writer): &(PipeReader, PipeWriter)) -> bool {
        // SAFETY: the system reports an address it cannot read as an error and touches nothing else.
        let written = unsafe { libc::write(writer.as_raw_fd(), address as *const libc::c_void, 1) };
        assert!(written == 1 || io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT));
        written == 1
    }

    #[test]
    fn both_kinds_of_guard_fault_and_leave_their_neighbours_alone() {
        let pipe = pipe().expect("a pipe can be made");
        let page = page_bytes();
        for kind in [GuardKind::Advice, GuardKind::Protection] {
            let region = Region::map(4 * page).expect("four pages can be mapped");
            let made = region.guard(page, page, kind).expect("pages can be protected");
            assert!(kind == GuardKind::Advice || made == GuardKind::Protection);
            // SAFETY: nobody uses the memory.
            unsafe { region.release(2 * page, page) };
            let readable: Vec<bool> = (0..4).map(|number| is_readable(region.start() + number * page, &pipe)).collect();
            assert_eq!(readable, [true, false, true, true], "{kind:?}");
        }
    }
}
