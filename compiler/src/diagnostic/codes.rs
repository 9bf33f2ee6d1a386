//! All diagnostic codes, with what they mean. The one table behind the stages and `vega explain`.
//!
//! A code is never reused for something else: people look it up, and silence it by name.

use std::fmt;

/// A stable name of a kind of problem, such as `V0101`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// The name as users see it.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// What the table says about it.
    pub fn info(self) -> Option<&'static CodeInfo> {
        find(self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// The kind of problem in a few words.
    pub title: &'static str,
    /// What it means and how to get rid of it.
    pub explanation: &'static str,
}

/// The row of a code given by its name, in any case of letters.
pub fn find(name: &str) -> Option<&'static CodeInfo> {
    ALL.iter().find(|info| info.code.0.eq_ignore_ascii_case(name))
}

/// Declares a constant for each code, and the table of all of them.
macro_rules! codes {
    ($($name:ident $code:literal $title:literal $explanation:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code($code);)*
        /// Every code, in ascending order.
        pub const ALL: &[CodeInfo] = &[
            $(CodeInfo { code: $name, title: $title, explanation: $explanation },)*
        ];
    };
}

// V01: syntax. V02: names. V03: types. V04: effects, budgets and capabilities. V05: what this version does not run yet.
// V06: limits of the bytecode format.
codes! {
    UNKNOWN_CHARACTER "V0101" "a character that means nothing here"
        "The text holds a character that no Vega token starts with. Typographic quotes and dashes pasted from a document are the usual cause.";

    // V06
    FORMAT_LIMIT "V0601" "the program is larger than bytecode can be"
        "Instructions name registers, types and constants by numbers of limited size. A function or program that needs more of them than there are numbers must be split.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_and_has_no_duplicates() {
        for pair in ALL.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} stands before {}", pair[0].code, pair[1].code);
        }
    }

    #[test]
    fn every_code_has_an_explanation_in_sentences() {
        for info in ALL {
            assert!(info.explanation.ends_with('.'), "{}", info.code);
            assert!(!info.title.ends_with('.'), "{}", info.code);
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(find("v0101").map(|info| info.code), Some(UNKNOWN_CHARACTER));
        assert!(find("V9999").is_none());
    }
}
