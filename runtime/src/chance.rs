//! Where random bits come from: the machine, or under virtual time a seed.

use std::sync::{Mutex, PoisonError};

/// The source of a runtime's random bits.
///
/// A seeded one gives the same bits in the same order again; a virtual clock has one worker and one order of events, so that who asks
/// when is the same too.
pub(crate) struct Chance(Option<Mutex<fastrand::Rng>>);

impl Chance {
    /// Bits that nobody can tell beforehand.
    pub(crate) fn of_the_machine() -> Chance {
        Chance(None)
    }

    /// Bits that a seed decides.
    pub(crate) fn seeded(seed: u64) -> Chance {
        Chance(Some(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// Whether a seed decides.
    pub(crate) fn is_seeded(&self) -> bool {
        self.0.is_some()
    }

    /// The next bits.
    pub(crate) fn bits(&self) -> i64 {
        match &self.0 {
            Some(generator) => generator.lock().unwrap_or_else(PoisonError::into_inner).i64(..),
            None => fastrand::i64(..),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_what_comes() {
        let bits = |seed| {
            let chance = Chance::seeded(seed);
            [chance.bits(), chance.bits(), chance.bits()]
        };
        assert_eq!(bits(1), bits(1));
        assert_ne!(bits(1), bits(2));
        assert_ne!(bits(1)[0], bits(1)[1]);
        assert!(!Chance::of_the_machine().is_seeded());
    }
}
