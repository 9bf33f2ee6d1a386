//! A line per running agent, on a terminal.

use std::sync::Arc;

use vega_agent::{Activity, Progress};

use crate::console::Screen;

/// Tells the screen what invocations do.
pub(crate) struct Watcher {
    screen: Arc<Screen>,
}

impl Watcher {
    /// Shows on `screen`.
    pub(crate) fn new(screen: Arc<Screen>) -> Watcher {
        Watcher { screen }
    }
}

impl Progress for Watcher {
    fn activity(&self, id: u64, agent: &str, activity: Activity<'_>) {
        self.screen.set_line(id, line(agent, activity));
    }
}

/// What the line of an agent says; none when it is done.
fn line(agent: &str, activity: Activity<'_>) -> Option<String> {
    match activity {
        Activity::Began | Activity::Model { turn: 1 } => Some(format!("{agent} …")),
        Activity::Model { turn } => Some(format!("{agent} … turn {turn}")),
        Activity::Chunk => Some(format!("{agent} … writing")),
        Activity::Tool { name } => Some(format!("{agent} … {name}")),
        Activity::Retry { kind } => Some(format!("{agent} … trying again after {kind}")),
        Activity::Ended { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_the_agent_does_and_goes_with_it() {
        assert_eq!(line("Coder", Activity::Model { turn: 3 }).as_deref(), Some("Coder … turn 3"));
        assert_eq!(line("Coder", Activity::Tool { name: "read_file" }).as_deref(), Some("Coder … read_file"));
        assert_eq!(line("Coder", Activity::Ended { ok: true, cost_pico: 1 }), None);
    }
}
