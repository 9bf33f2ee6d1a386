//! An alarm that ends a worker's poll at a moment finer than the milliseconds its timeout can say.
//!
//! Invariant: at most one moment is set; setting another replaces it.

#[cfg(target_os = "linux")]
pub(crate) use linux::Alarm;
#[cfg(not(target_os = "linux"))]
pub(crate) use plain::Alarm;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Registry, Token};

    use crate::time::Instant;

    /// A timer descriptor in the worker's poll. It is registered edge-triggered, so it never needs to be read.
    pub(crate) struct Alarm {
        descriptor: OwnedFd,
        set: Instant,
    }

    impl Alarm {
        pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Alarm> {
            // SAFETY: plain system call; the result is checked before use.
            let raw = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the call above just made this descriptor, and nobody else knows it.
            let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
            registry.register(&mut SourceFd(&descriptor.as_raw_fd()), token, Interest::READABLE)?;
            Ok(Alarm { descriptor, set: Instant::NEVER })
        }

        /// Sets the alarm and returns the timeout that the poll still needs: none.
        pub(crate) fn set(&mut self, moment: Instant, now: Instant) -> Option<Duration> {
            // One that rang already has to be set again even for the same moment.
            if moment != self.set || moment <= now {
                self.set = moment;
                // A zero would disarm the timer.
                let nanos = moment.as_nanos().max(1);
                let time = libc::timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as i64 };
                let interval = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                let timer = libc::itimerspec { it_interval: interval, it_value: time };
                let descriptor = self.descriptor.as_raw_fd();
                // SAFETY: the descriptor is ours and open, and `timer` is valid for the call.
                unsafe { libc::timerfd_settime(descriptor, libc::TFD_TIMER_ABSTIME, &timer, std::ptr::null_mut()) };
            }
            None
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod plain {
    use std::io;
    use std::time::Duration;

    use mio::{Registry, Token};

    use crate::time::Instant;

    /// The poll's own timeout, in whatever grain it has.
    pub(crate) struct Alarm;

    impl Alarm {
        pub(crate) fn new(_registry: &Registry, _token: Token) -> io::Result<Alarm> {
            Ok(Alarm)
        }

        /// Returns the timeout that the poll needs.
        pub(crate) fn set(&mut self, moment: Instant, now: Instant) -> Option<Duration> {
            Some(moment.since(now))
        }
    }
}
