//! The tree as compact text.
