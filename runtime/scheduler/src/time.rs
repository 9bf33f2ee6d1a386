//! Moments, and the two clocks that tell them.
//!
//! Invariant: every moment handed out by one worker is at least as late as the ones before it.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A moment: nanoseconds of the system's monotonic clock, or of a scheduler's virtual clock, which starts at zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Later than every moment that comes.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The moment so many nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment, zero if it is not earlier.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The system's monotonic clock, whatever scheduler the caller runs on.
    pub fn real() -> Instant {
        Instant(crate::os::monotonic_nanos())
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at [`Instant::NEVER`].
    fn add(self, duration: Duration) -> Instant {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", Duration::from_nanos(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_too_far_away_is_never() {
        assert_eq!(Instant::real() + Duration::MAX, Instant::NEVER);
    }

    #[test]
    fn the_time_since_a_later_moment_is_zero() {
        assert_eq!(Instant::from_nanos(1).since(Instant::from_nanos(2)), Duration::ZERO);
    }
}
