//! Why a process ended. Links, monitors and supervisors deliver this; nobody parses text.

use std::fmt;
use std::sync::Arc;

/// Why a process ended. Cheap to clone: it travels to every linked and monitoring process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExitReason {
    /// It returned, or said `exit("normal")`.
    Normal,
    /// It was killed.
    Killed,
    /// There was no such process.
    NoProcess,
    /// It was asked to stop by whoever it belongs to.
    Shutdown,
    /// It said `exit(reason)`, or an exit signal with this reason reached it.
    Text(Arc<str>),
    /// An uncaught error, a limit or a fault of its own ended it: `Kind: message`.
    Crash(Arc<str>),
}

impl ExitReason {
    /// The texts of the reasons that have but one.
    pub(crate) const FIXED: [&str; 4] = ["normal", "killed", "noproc", "shutdown"];

    /// Which of them this is.
    #[inline]
    pub(crate) fn fixed(&self) -> Option<usize> {
        match self {
            ExitReason::Normal => Some(0),
            ExitReason::Killed => Some(1),
            ExitReason::NoProcess => Some(2),
            ExitReason::Shutdown => Some(3),
            ExitReason::Text(_) | ExitReason::Crash(_) => None,
        }
    }

    /// The reason that a program gives by its text.
    pub fn from_text(text: &str) -> Self {
        match text {
            "normal" => ExitReason::Normal,
            "shutdown" => ExitReason::Shutdown,
            other => ExitReason::Text(Arc::from(other)),
        }
    }

    /// Whether a supervisor leaves the child in peace: it ended by itself, or as it was told to.
    pub fn is_orderly(&self) -> bool {
        matches!(self, ExitReason::Normal | ExitReason::Shutdown)
    }

    /// The text that programs see.
    pub fn as_str(&self) -> &str {
        match self {
            ExitReason::Normal => Self::FIXED[0],
            ExitReason::Killed => Self::FIXED[1],
            ExitReason::NoProcess => Self::FIXED[2],
            ExitReason::Shutdown => Self::FIXED[3],
            ExitReason::Text(text) | ExitReason::Crash(text) => text,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
