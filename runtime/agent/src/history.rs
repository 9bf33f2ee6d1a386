//! The rounds that a conversation is made of.
//!
//! Invariant: a round is in the history as a whole or not at all, and whole rounds are what leaves it.
//! When a finished round joins is decided by the program's text, so it is held here until then; what
//! is never joined was never said.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bound::Reported;
use crate::message::{Message, Round};

/// How the calls to one agent see each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A call sees the rounds that the program has joined before it.
    #[default]
    Conversation,
    /// A call sees every earlier one, so they never overlap.
    Ordered,
    /// Every call starts from nothing.
    None,
}

/// What an agent's `history` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryPolicy {
    /// How its calls see each other.
    pub mode: Mode,
    /// How many rounds are kept, all unless given.
    pub last: Option<usize>,
}

/// Names a call until its round joins or is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallNumber(pub u64);

/// The conversation of one agent.
#[derive(Clone, Debug, Default)]
pub struct History {
    policy: HistoryPolicy,
    rounds: Vec<Arc<Round>>,
    /// Rounds that were joined and have left again.
    trimmed: u64,
    /// Rounds that are finished and not yet joined.
    held: HashMap<CallNumber, Held>,
    /// The provider's count of the conversation up to a round.
    counted: Option<Counted>,
}

/// What a call sees when it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The conversation so far, as messages.
    pub messages: Vec<Message>,
    /// How much of it the provider has counted.
    pub reported: Option<Reported>,
    /// Rounds joined before the call; handed back with the finished round.
    pub rounds_seen: u64,
}

#[derive(Clone, Debug)]
struct Held {
    round: Arc<Round>,
    rounds_seen: u64,
    tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Rounds from the very first on, trimmed ones included.
    rounds: u64,
    tokens: u64,
}

impl History {
    /// A conversation in which nothing was said.
    pub fn new(policy: HistoryPolicy) -> History {
        History { policy, ..History::default() }
    }

    /// How calls see each other here.
    pub fn mode(&self) -> Mode {
        self.policy.mode
    }

    /// The rounds joined and still kept, oldest first.
    pub fn rounds(&self) -> &[Arc<Round>] {
        &self.rounds
    }

    /// What a call that begins now sees.
    pub fn view(&self) -> View {
        let mut messages = Vec::new();
        let mut reported = None;
        for (number, round) in (self.trimmed..).zip(&self.rounds) {
            round.append_to(&mut messages);
            if let Some(counted) = self.counted
                && number < counted.rounds
            {
                // Trimming only took messages away, so the count stays an upper bound of the rest.
                reported = Some(Reported { messages: messages.len(), tokens: counted.tokens });
            }
        }
        View { messages, reported, rounds_seen: self.joined() }
    }

    /// Keeps a finished round until it joins. `tokens` is the provider's count of its last exchange,
    /// prompt and answer together.
    pub fn hold(&mut self, call: CallNumber, round: Round, rounds_seen: u64, tokens: Option<u64>) {
        if self.policy.mode != Mode::None {
            self.held.insert(call, Held { round: Arc::new(round), rounds_seen, tokens });
        }
    }

    /// Joins the rounds of these calls in this order. Calls that failed or were given up left none.
    pub fn join(&mut self, calls: &[CallNumber]) {
        for call in calls {
            let Some(held) = self.held.remove(call) else { continue };
            // The provider's count holds for the conversation only if this round continued it.
            if let Some(tokens) = held.tokens
                && held.rounds_seen == self.joined()
            {
                self.counted = Some(Counted { rounds: self.joined() + 1, tokens });
            }
            self.rounds.push(held.round);
        }
        self.trim();
    }

    /// Forgets a finished round that is not going to join.
    pub fn give_up(&mut self, call: CallNumber) {
        self.held.remove(&call);
    }

    /// Forgets everything that was said.
    pub fn reset(&mut self) {
        *self = History::new(self.policy);
    }

    /// A conversation with the same past and a future of its own.
    pub fn fork(&self) -> History {
        History { held: HashMap::new(), ..self.clone() }
    }

    /// Rounds joined from the very first on.
    fn joined(&self) -> u64 {
        self.trimmed + self.rounds.len() as u64
    }

    fn trim(&mut self) {
        let Some(last) = self.policy.last else { return };
        let surplus = self.rounds.len().saturating_sub(last);
        self.rounds.drain(..surplus);
        self.trimmed += surplus as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Block, Turn, joined_text};

    fn round(text: &str) -> Round {
        let mut round = Round::new([Block::text(text)]);
        round.turns.push(Turn { blocks: [Block::text("ok")].into(), results: [].into() });
        round
    }

    fn said(history: &History) -> Vec<String> {
        history.rounds().iter().map(|round| joined_text(&round.message)).collect()
    }

    fn say(history: &mut History, call: u64, text: &str, tokens: Option<u64>) {
        let seen = history.view().rounds_seen;
        history.hold(CallNumber(call), round(text), seen, tokens);
        history.join(&[CallNumber(call)]);
    }

    #[test]
    fn rounds_join_in_the_program_s_order_and_not_in_that_of_their_answers() {
        let mut history = History::default();
        let seen = history.view().rounds_seen;
        history.hold(CallNumber(2), round("second"), seen, None);
        history.hold(CallNumber(1), round("first"), seen, None);
        assert_eq!(history.view().messages, []);
        // The third call failed and left nothing.
        history.join(&[CallNumber(1), CallNumber(2), CallNumber(3)]);
        assert_eq!(said(&history), ["first", "second"]);
        history.join(&[CallNumber(1)]);
        assert_eq!(said(&history), ["first", "second"]);
    }

    #[test]
    fn a_round_that_was_given_up_never_joins() {
        let mut history = History::default();
        history.hold(CallNumber(1), round("lost"), 0, None);
        history.give_up(CallNumber(1));
        history.join(&[CallNumber(1)]);
        assert_eq!(said(&history), [""; 0]);
    }

    #[test]
    fn only_the_last_rounds_are_kept_and_they_are_kept_whole() {
        let mut history = History::new(HistoryPolicy { last: Some(2), ..HistoryPolicy::default() });
        for (number, text) in ["a", "b", "c"].into_iter().enumerate() {
            say(&mut history, number as u64, text, None);
        }
        assert_eq!(said(&history), ["b", "c"]);
        assert_eq!(history.view().messages.len(), 4);
    }

    #[test]
    fn without_history_every_call_starts_from_nothing() {
        let mut history = History::new(HistoryPolicy { mode: Mode::None, last: None });
        say(&mut history, 1, "a", None);
        assert_eq!(history.view().messages, []);
    }

    #[test]
    fn a_fork_goes_its_own_way() {
        let mut history = History::default();
        say(&mut history, 1, "a", None);
        let mut fork = history.fork();
        say(&mut fork, 2, "b", None);
        assert_eq!((said(&history), said(&fork)), (vec!["a".into()], vec!["a".into(), "b".into()]));
        history.reset();
        assert_eq!(said(&history), [""; 0]);
    }

    #[test]
    fn the_provider_s_count_covers_what_it_has_really_seen() {
        let mut history = History::new(HistoryPolicy { last: Some(2), ..HistoryPolicy::default() });
        say(&mut history, 1, "a", Some(100));
        assert_eq!(history.view().reported, Some(Reported { messages: 2, tokens: 100 }));
        // Two calls that see the same past: the first continues it, the second does not.
        let seen = history.view().rounds_seen;
        history.hold(CallNumber(2), round("b"), seen, Some(150));
        history.hold(CallNumber(3), round("c"), seen, Some(160));
        history.join(&[CallNumber(2), CallNumber(3)]);
        assert_eq!(history.view().reported, Some(Reported { messages: 2, tokens: 150 }));
        say(&mut history, 4, "d", None);
        assert_eq!(history.view().reported, None);
    }
}
