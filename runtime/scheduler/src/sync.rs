//! The only door to atomics and shared ownership for the modules whose protocols are model-checked.
//!
//! Invariant: `sleepers` and `epoch` name no synchronisation primitive except through here, so under `--cfg loom` the model
//! checker runs the very code that ships.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
