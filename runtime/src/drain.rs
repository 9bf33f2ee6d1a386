//! Calls to models that are under way, and from when on none begins.
//!
//! Invariant: both are one word. So a call either meets the word before new ones are forbidden, and is counted for whoever forbade them and
//! looks, or it does not begin.

use crate::sync::{AtomicU64, Ordering};

/// No new call begins. The calls are counted below it.
const FORBIDDEN: u64 = 1 << 63;

/// See the module's text.
pub(crate) struct Drain(AtomicU64);

impl Drain {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a call that begins; false where none may.
    pub(crate) fn begin(&self) -> bool {
        // Acquire: a call that may not begin comes after all that went before the prohibition.
        if self.0.fetch_add(1, Ordering::AcqRel) & FORBIDDEN == 0 {
            return true;
        }
        self.end();
        false
    }

    /// Counts a call that is over. True where somebody may wait for the last one.
    pub(crate) fn end(&self) -> bool {
        // Release: whoever sees the lower count sees what the call did.
        self.0.fetch_sub(1, Ordering::AcqRel) & FORBIDDEN != 0
    }

    /// Calls under way.
    pub(crate) fn calls(&self) -> usize {
        (self.0.load(Ordering::Acquire) & !FORBIDDEN) as usize
    }

    /// Whether no new call begins.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.0.load(Ordering::Acquire) & FORBIDDEN != 0
    }

    /// From now on no new call begins, or they may again.
    pub(crate) fn forbid(&self, forbidden: bool) {
        match forbidden {
            true => self.0.fetch_or(FORBIDDEN, Ordering::AcqRel),
            false => self.0.fetch_and(!FORBIDDEN, Ordering::AcqRel),
        };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_call_begins_while_it_is_forbidden() {
        let drain = Drain::new();
        assert!(drain.begin());
        drain.forbid(true);
        assert!(!drain.begin() && drain.is_forbidden());
        assert_eq!(drain.calls(), 1, "one that was refused does not count");
        assert!(drain.end(), "somebody may wait for the last one");
        drain.forbid(false);
        assert!(drain.begin() && drain.calls() == 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// What the model asks of a drain.
    trait Drains: Sync + Send + 'static {
        fn make() -> Self;
        fn begin(&self) -> bool;
        fn forbid_and_count(&self) -> usize;
    }

    impl Drains for Drain {
        fn make() -> Self {
            Drain::new()
        }
        fn begin(&self) -> bool {
            Drain::begin(self)
        }
        fn forbid_and_count(&self) -> usize {
            self.forbid(true);
            self.calls()
        }
    }

    /// The count and the prohibition as two words.
    struct TwoWords(AtomicU64, AtomicU64);

    impl Drains for TwoWords {
        fn make() -> Self {
            TwoWords(AtomicU64::new(0), AtomicU64::new(0))
        }
        fn begin(&self) -> bool {
            self.0.fetch_add(1, Ordering::AcqRel);
            self.1.load(Ordering::Acquire) == 0
        }
        fn forbid_and_count(&self) -> usize {
            self.1.store(1, Ordering::Release);
            self.0.load(Ordering::Acquire) as usize
        }
    }

    /// A call begins while a shutdown forbids new ones and looks whether any is under way.
    fn a_call_beside_a_shutdown<D: Drains>() {
        loom::model(|| {
            let drain = Arc::new(D::make());
            let caller = {
                let drain = Arc::clone(&drain);
                thread::spawn(move || drain.begin())
            };
            let seen = drain.forbid_and_count();
            let began = caller.join().expect("the caller does not panic");
            assert!(!began || seen == 1, "a call goes on that the shutdown does not see");
        });
    }

    #[test]
    fn loom_a_shutdown_sees_every_call_that_begins() {
        a_call_beside_a_shutdown::<Drain>();
    }

    #[test]
    #[should_panic(expected = "a call goes on")]
    fn loom_with_two_words_the_model_finds_the_call_that_is_not_seen() {
        a_call_beside_a_shutdown::<TwoWords>();
    }
}
