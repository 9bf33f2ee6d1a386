//! What shares a provider's quota, and the agents in it.
//!
//! Invariant: what a pool has given is counted until it comes back, in permits and in tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;
use std::time::Duration;

use vega_runtime::native::Address;
use vega_scheduler::Instant;

use super::announced::Counted;
use super::bucket::Bucket;
use super::learnt::{Learnt, Passed};
use super::order::{Order, Priority};
use super::{Need, Used};
use crate::slot::AgentSlot;

/// Exchanges at once with a provider that announces its limits, until it has answered one.
pub(super) const SLOW_START: u64 = 4;

/// What shares a quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    /// The provider, by its name and address.
    pub(crate) provider: String,
    /// Tells accounts apart.
    pub(crate) account: u64,
    /// Models that are counted together.
    pub(crate) class: String,
    /// Whether an exchange needs a connection.
    pub(crate) is_remote: bool,
    /// Whether the provider is known to announce its limits.
    pub(crate) announces: bool,
}

/// Limits that an agent declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Exchanges at once.
    pub(crate) concurrent: Option<u32>,
    /// Exchanges in a time.
    pub(crate) requests: Option<(u64, Duration)>,
    /// Tokens in a time.
    pub(crate) tokens: Option<(u64, Duration)>,
}

/// A permit that is out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) member: usize,
    /// The member's, because numbers are used again.
    pub(super) serial: u64,
    pub(super) pool: usize,
    pub(super) need: Need,
    /// The how-manieth of its pool.
    pub(super) number: u64,
    pub(super) at: Instant,
}

/// How much longer than a provider asked for it is waited because of what its headers say of limits.
const DISBELIEVED: Duration = Duration::from_secs(60);

pub(super) struct Pool {
    pub(super) is_remote: bool,
    pub(super) is_starting: bool,
    /// Members of which somebody may go as far as the member is concerned.
    pub(super) order: Order<usize>,
    /// Members whose own limits have room at a moment.
    pub(super) timed: BTreeSet<(Instant, usize)>,
    pub(super) learnt: [Option<Learnt>; 4],
    pub(super) paused_until: Option<Instant>,
    /// Whether what is believed of the limits is put to the test.
    pub(super) trial: Trial,
    /// Permits given so far, and what is out.
    pub(super) given: u64,
    pub(super) out: u64,
    pub(super) out_need: Need,
    pub(super) alarm: Option<(usize, Instant)>,
    pub(super) waits_for_connection: bool,
}

pub(super) struct MemberState {
    pub(super) serial: u64,
    pub(super) pool: usize,
    pub(super) priority: Priority,
    pub(super) slot: Weak<AgentSlot>,
    pub(super) concurrent: Option<u32>,
    pub(super) taken: u32,
    pub(super) requests: Option<Bucket>,
    pub(super) tokens: Option<Bucket>,
    /// Invocations in the middle of their work.
    pub(super) going: BTreeMap<u64, (Address, Need)>,
    /// The request at the head of the agent's queue.
    pub(super) head: Option<(u64, Need)>,
    /// Its permit, until the agent's process takes it.
    pub(super) granted: Option<Grant>,
    pub(super) place: Place,
}

/// Where a refusal says when to come again, and its other headers speak of a far longer time, one exchange is made when the provider
/// asked for it, and the belief begins anew with its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    None,
    Due,
    /// By the permit with this number.
    UnderWay(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Out,
    /// In the order, by this arrival.
    Ready(u64),
    Timed(Instant),
}

/// Whose turn it is within a member.
pub(super) enum Front {
    Invocation(u64),
    Queue(u64),
}

impl Need {
    pub(super) fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    fn of(self, counted: Counted) -> u64 {
        match counted {
            Counted::Requests => 1,
            Counted::Tokens => self.total(),
            Counted::Input => self.input,
            Counted::Output => self.output,
        }
    }
}

impl Used {
    /// The tokens to count: what was reserved where the provider did not say.
    pub(super) fn need(&self, reserved: Need) -> Need {
        match self.tokens {
            Some(tokens) => tokens,
            None if self.is_sent => reserved,
            None => Need::default(),
        }
    }
}

impl MemberState {
    pub(super) fn is_waited_for(&self) -> bool {
        self.head.is_some() || !self.going.is_empty()
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        let going = self.going.first_key_value().map(|(arrival, _)| *arrival);
        let head = self.head.map(|(arrival, _)| arrival);
        going.into_iter().chain(head).min()
    }

    /// Who is in the middle of its work goes before a request that has not begun, unless that was overtaken too often.
    pub(super) fn front(&self, order: &Order<usize>) -> Option<(Front, Need)> {
        let head = self.head.map(|(arrival, need)| (Front::Queue(arrival), need));
        match self.going.first_key_value() {
            None => head,
            Some(_) if self.head.is_some_and(|(arrival, _)| order.is_overdue(arrival)) => head,
            Some((arrival, (_, need))) => Some((Front::Invocation(*arrival), *need)),
        }
    }

    /// When its own limits have room for somebody; never where a permit has to come back first.
    pub(super) fn ready_at(&mut self, need: Need, now: Instant) -> Instant {
        if self.concurrent.is_some_and(|limit| self.taken >= limit) {
            return Instant::NEVER;
        }
        let requests = self.requests.as_mut().map_or(now, |bucket| bucket.ready_at(1, 0, now));
        let tokens = self.tokens.as_mut().map_or(now, |bucket| bucket.ready_at(need.total(), 0, now));
        requests.max(tokens)
    }
}

impl Pool {
    pub(super) fn new(is_remote: bool, is_starting: bool) -> Pool {
        Pool {
            is_remote,
            is_starting,
            order: Order::new(),
            timed: BTreeSet::new(),
            learnt: [None, None, None, None],
            paused_until: None,
            trial: Trial::None,
            given: 0,
            out: 0,
            out_need: Need::default(),
            alarm: None,
            waits_for_connection: false,
        }
    }

    /// When the provider's own limits have room.
    pub(super) fn ready_at(&mut self, need: Need, now: Instant) -> Instant {
        let paused = self.paused_until.unwrap_or(now).max(now);
        let believed = self.believed_at(need, now).max(paused);
        if self.is_trial(believed, paused) { paused } else { believed }
    }

    /// When what is believed of its limits has room.
    fn believed_at(&mut self, need: Need, now: Instant) -> Instant {
        let learnt = self.learnt.iter_mut().zip(Counted::ALL);
        learnt.filter_map(|(limit, counted)| Some(limit.as_mut()?.ready_at(need.of(counted), now))).fold(now, Instant::max)
    }

    /// Whether an exchange that could be made at `paused`, and would have to wait for `believed`, is the one that tries.
    fn is_trial(&self, believed: Instant, paused: Instant) -> bool {
        self.trial == Trial::Due && self.out == 0 && believed > paused + DISBELIEVED
    }

    /// Counts one more permit; its number.
    pub(super) fn give(&mut self, need: Need, now: Instant) -> u64 {
        let believed = self.believed_at(need, now);
        let is_trial = self.is_trial(believed, now);
        for (limit, counted) in self.learnt.iter_mut().zip(Counted::ALL) {
            if let Some(limit) = limit {
                limit.reserve(need.of(counted), now);
            }
        }
        self.given += 1;
        if is_trial {
            self.trial = Trial::UnderWay(self.given);
        }
        self.out += 1;
        self.out_need.input = self.out_need.input.saturating_add(need.input);
        self.out_need.output = self.out_need.output.saturating_add(need.output);
        self.given
    }

    pub(super) fn give_back(&mut self, grant: &Grant, used: &Used, now: Instant) {
        self.out -= 1;
        self.out_need.input = self.out_need.input.saturating_sub(grant.need.input);
        self.out_need.output = self.out_need.output.saturating_sub(grant.need.output);
        let actual = used.need(grant.need);
        // What began after this exchange and is still under way: the provider may not have counted it yet.
        let later = self.out.min(self.given - grant.number);
        for (limit, counted) in self.learnt.iter_mut().zip(Counted::ALL) {
            let later = match counted {
                Counted::Requests => later,
                _ => self.out_need.of(counted) / self.out.max(1) * later,
            };
            let passed = Passed { sent_at: grant.at, later };
            if let Some(limit) = limit {
                let actual = if counted == Counted::Requests { u64::from(used.is_sent) } else { actual.of(counted) };
                limit.correct(grant.need.of(counted), actual, now);
                if used.refused.is_some() && used.announced.is_exhausted(counted) {
                    limit.was_refused(now);
                }
                if let Some(quota) = used.announced.get(counted) {
                    limit.hear(quota, passed, now);
                }
            } else if let Some(quota) = used.announced.get(counted) {
                *limit = Some(Learnt::new(quota, passed, now));
            }
        }
        if used.is_answered {
            self.is_starting = false;
        }
        if self.trial == Trial::Due && used.is_answered && used.refused.is_none() {
            self.trial = Trial::None;
        }
        if self.trial == Trial::UnderWay(grant.number) {
            self.trial = Trial::None;
            if used.is_answered && used.refused.is_none() {
                let passed = Passed { sent_at: grant.at, later: 0 };
                for (limit, counted) in self.learnt.iter_mut().zip(Counted::ALL) {
                    *limit = used.announced.get(counted).map(|quota| Learnt::new(quota, passed, now));
                }
            }
        }
        if let Some(Some(wait)) = used.refused {
            self.paused_until = self.paused_until.max(Some(now + wait));
            self.trial = Trial::Due;
        }
    }
}
