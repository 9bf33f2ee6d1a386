//! Whole programs parse without a word.

use super::outcome;

/// Checks that each of the program files parses.
macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let text = include_str!(concat!("../../../tests-data/programs/", stringify!($name), ".vega"));
            let outcome = outcome(text);
            assert!(outcome.parsed.diagnostics.is_empty(), "{}", outcome.drawn());
            let file = &outcome.parsed.file;
            assert!(!file.items.is_empty() || !file.statements.is_empty());
        })*
    };
}

programs! { tour agent spawn messages dataflow parallel session errors capabilities }
