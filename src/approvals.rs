//! Who sits before the program and decides about tools with `approval required`: one question at a time, on the terminal.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use vega_agent::{Approvals, Wish};

use crate::console::Screen;

/// The person at the terminal.
pub(crate) struct Terminal {
    screen: Arc<Screen>,
    /// Whoever holds it has the terminal to itself.
    turn: Mutex<()>,
}

impl Terminal {
    pub(crate) fn new(screen: Arc<Screen>) -> Terminal {
        Terminal { screen, turn: Mutex::default() }
    }
}

impl Approvals for Terminal {
    fn decide(&self, wish: &Wish) -> Option<bool> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.screen.clear();
        let mut terminal = std::io::stderr();
        write!(terminal, "{}", question(wish)).and_then(|()| terminal.flush()).ok()?;
        let mut answer = String::new();
        // At the end of the input nobody is there any more.
        let read = std::io::stdin().lock().read_line(&mut answer).ok()?;
        (read > 0).then(|| is_yes(&answer))
    }
}

fn question(wish: &Wish) -> String {
    // What a model wrote must not move the cursor or colour the question.
    let plain = |text: &str| text.chars().filter(|character| !character.is_control()).collect::<String>();
    format!("{} wants to call {}({}). Allow it? [y/N] ", wish.agent, wish.tool, plain(&wish.arguments))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes(" Yes "));
        assert!(!is_yes("\n") && !is_yes("n") && !is_yes("yesterday"));
    }

    #[test]
    fn a_question_shows_what_is_wanted_without_control_characters() {
        let wish = Wish { agent: "Coder".into(), tool: "deploy".into(), arguments: "{\"to\":\"\u{1b}[2Jprod\"}".into() };
        assert_eq!(question(&wish), "Coder wants to call deploy({\"to\":\"[2Jprod\"}). Allow it? [y/N] ");
    }
}
