//! The rounds that a conversation is made of.
//!
//! Invariant: a round is in the history as a whole or not at all, and whole rounds are what leaves it.
//! When a finished round joins is decided by the program's text, so it is held here until then; what
//! is never joined was never said. A summary is a round like any other: the model was asked for it, and
//! it answered.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bound::Reported;
use crate::message::{Block, Message, Round};

/// Bytes of text that count as a token where rounds are bounded by tokens.
const BYTES_PER_TOKEN: u64 = 4;
/// What a picture or a document counts as there.
const MEDIA_TOKENS: usize = 1_600;

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
    /// How many tokens the kept rounds have together at most, by their bytes; no bound unless given.
    pub tokens: Option<u64>,
    /// Whether rounds beyond these bounds are summarised before they leave.
    pub compact: bool,
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
    /// Whether the oldest round is a summary of what was before.
    is_summarised: bool,
}

/// What has to be summarised before the conversation goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Compaction {
    /// The oldest rounds, as messages.
    pub messages: Vec<Message>,
    /// The number of the first round that stays as it is.
    pub until: u64,
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
        // Rounds under way have seen what is forgotten: their counts must not be taken for those of a continuation.
        *self = History { trimmed: self.joined(), ..History::new(self.policy) };
    }

    /// What is to be summarised before the next call, if there is more than the bounds allow. Half of what they allow stays as it
    /// is, so that not every further round needs a summary of its own.
    pub fn compaction(&self) -> Option<Compaction> {
        let HistoryPolicy { last, tokens, compact, .. } = self.policy;
        if !compact || self.beyond(last, tokens) == 0 {
            return None;
        }
        let mut oldest = self.beyond(last.map(|last| last.div_ceil(2)), tokens.map(|tokens| tokens / 2));
        if self.is_summarised && oldest == 1 {
            // A summary of nothing but a summary would be no progress.
            oldest = 2;
        }
        let rounds = self.rounds.get(..oldest)?;
        let mut messages = Vec::new();
        rounds.iter().for_each(|round| round.append_to(&mut messages));
        Some(Compaction { messages, until: self.trimmed + oldest as u64 })
    }

    /// Puts a summary in the place of the rounds before `until`; without one they are only dropped.
    pub fn compacted(&mut self, until: u64, summary: Option<Round>) {
        let Some(count) = until.checked_sub(self.trimmed).map(|count| count as usize) else { return };
        // Whoever was slower finds a summary in the place of what it has summarised.
        let is_done = count == 0 || (count == 1 && self.is_summarised);
        if is_done || count > self.rounds.len() {
            return;
        }
        self.rounds.drain(..count);
        self.trimmed += count as u64;
        self.is_summarised = summary.is_some();
        if let Some(summary) = summary {
            self.rounds.insert(0, Arc::new(summary));
            self.trimmed -= 1;
        }
        // The provider has counted what is gone, and not the summary.
        self.counted = None;
    }

    /// Begins with these rounds, as if they had been said here.
    pub fn restore(&mut self, rounds: Vec<Round>) {
        self.reset();
        self.rounds = rounds.into_iter().map(Arc::new).collect();
        self.trim();
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
        let HistoryPolicy { last, tokens, compact, .. } = self.policy;
        if compact {
            return;
        }
        let surplus = self.beyond(last, tokens);
        self.rounds.drain(..surplus);
        self.trimmed += surplus as u64;
    }

    /// How many of the oldest rounds are beyond these bounds.
    fn beyond(&self, last: Option<usize>, tokens: Option<u64>) -> usize {
        let by_number = last.map_or(0, |last| self.rounds.len().saturating_sub(last));
        let by_tokens = tokens.map_or(0, |tokens| {
            let mut room = tokens;
            let fitting = self.rounds.iter().rev().take_while(|round| {
                let size = tokens_of(round);
                let fits = size <= room;
                room = room.saturating_sub(size);
                fits
            });
            self.rounds.len() - fitting.count()
        });
        by_number.max(by_tokens)
    }
}

/// About how many tokens a round has: a quarter of its bytes.
pub fn tokens_of(round: &Round) -> u64 {
    let of = |blocks: &[Block]| {
        let bytes = blocks.iter().map(|block| match block {
            Block::Text(text) => text.len(),
            Block::ToolUse(call) => call.name.len() + call.input.to_string().len(),
            Block::ToolResult(result) => result.content.len(),
            Block::Raw(value) => value.to_string().len(),
            Block::Media(_) => MEDIA_TOKENS * BYTES_PER_TOKEN as usize,
        });
        bytes.sum::<usize>() as u64
    };
    let turns: u64 = round.turns.iter().map(|turn| of(&turn.blocks) + of(&turn.results)).sum();
    (of(&round.message) + turns).div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::message::{Turn, joined_text};

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
        let mut history = History::new(HistoryPolicy { mode: Mode::None, ..HistoryPolicy::default() });
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
    #[test]
    fn a_bound_in_tokens_keeps_the_newest_whole_rounds_that_fit() {
        let mut history = History::new(HistoryPolicy { tokens: Some(25), ..HistoryPolicy::default() });
        // 38 bytes and the 2 of the answer are ten tokens.
        for (number, letter) in ["a", "b", "c"].into_iter().enumerate() {
            say(&mut history, number as u64, &letter.repeat(38), None);
        }
        assert_eq!(said(&history), ["b".repeat(38), "c".repeat(38)]);
        // A round that is too large by itself is not kept in part.
        say(&mut history, 4, &"d".repeat(200), None);
        assert_eq!(said(&history), [""; 0]);
    }

    fn summary(text: &str) -> Round {
        let mut summary = round("Summarise.");
        summary.turns[0].blocks = [Block::text(text)].into();
        summary
    }

    #[test]
    fn what_is_beyond_the_bounds_is_summarised_down_to_half_of_them() {
        let mut history = History::new(HistoryPolicy { last: Some(4), compact: true, ..HistoryPolicy::default() });
        for (number, text) in ["a", "b", "c", "d"].into_iter().enumerate() {
            say(&mut history, number as u64, text, Some(10));
        }
        assert_eq!(history.compaction(), None);
        say(&mut history, 4, "e", Some(10));
        let compaction = history.compaction().unwrap();
        assert_eq!((compaction.messages.len(), compaction.until), (6, 3));
        history.compacted(compaction.until, Some(summary("abc")));
        assert_eq!(said(&history), ["Summarise.", "d", "e"]);
        assert_eq!((history.view().rounds_seen, history.view().reported), (5, None));
        // Whoever was slower finds it done.
        history.compacted(3, Some(summary("late")));
        assert_eq!(said(&history).len(), 3);
        // The next summary holds the first one.
        say(&mut history, 5, "f", None);
        say(&mut history, 6, "g", None);
        let compaction = history.compaction().unwrap();
        assert_eq!(joined_text(&compaction.messages[1].blocks), "abc");
        history.compacted(compaction.until, None);
        assert_eq!(said(&history), ["f", "g"]);
    }

    #[test]
    fn a_summary_alone_is_not_summarised_again() {
        let mut history = History::new(HistoryPolicy { tokens: Some(4), compact: true, ..HistoryPolicy::default() });
        say(&mut history, 1, &"a".repeat(50), None);
        let until = history.compaction().unwrap().until;
        history.compacted(until, Some(summary(&"s".repeat(100))));
        assert_eq!(history.compaction(), None);
        say(&mut history, 2, "b", None);
        assert_eq!(history.compaction().unwrap().messages.len(), 4);
    }

    #[test]
    fn a_round_from_before_a_reset_is_not_taken_for_a_continuation() {
        let mut history = History::default();
        say(&mut history, 1, "a", Some(100));
        let seen = history.view().rounds_seen;
        history.reset();
        say(&mut history, 2, "b", None);
        history.hold(CallNumber(3), round("c"), seen, Some(500));
        history.join(&[CallNumber(3)]);
        assert_eq!(history.view().reported, None);
    }
}
