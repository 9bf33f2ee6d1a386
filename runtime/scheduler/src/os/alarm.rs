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

        /// The poll reported the alarm. It has to be set again even for the same moment, which the worker's clock, read a
        /// little earlier, may not have reached.
        pub(crate) fn rang(&mut self) {
            self.set = Instant::NEVER;
        }

        /// Sets the alarm and returns the timeout that the poll still needs: none.
        pub(crate) fn set(&mut self, moment: Instant, _now: Instant) -> Option<Duration> {
            if moment != self.set {
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

        /// It never does: the poll's timeout ends the poll.
        pub(crate) fn rang(&mut self) {}

        /// Returns the timeout that the poll needs.
        pub(crate) fn set(&mut self, moment: Instant, now: Instant) -> Option<Duration> {
            Some(moment.since(now))
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;
    use crate::time::Instant;

    #[test]
    fn an_alarm_that_rang_rings_again_when_it_is_set_to_the_same_moment() {
        let mut poll = Poll::new().expect("a poll can be made");
        let mut alarm = Alarm::new(poll.registry(), Token(1)).expect("an alarm can be made");
        let mut events = Events::with_capacity(4);
        let moment = Instant::real() + Duration::from_micros(300);
        for _ in 0..3 {
            alarm.set(moment, Instant::from_nanos(0));
            poll.poll(&mut events, Some(Duration::from_secs(20))).expect("the poll works");
            assert!(!events.is_empty(), "the poll ended by its timeout");
            assert!(Instant::real() >= moment);
            alarm.rang();
        }
    }
}
