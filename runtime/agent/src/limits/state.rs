//! The state of all pools and members, changed under one lock.
//!
//! Invariant: a member that somebody waits for is in its pool's order, or among those that wait for a moment because of limits of its
//! own, or waits for one of its own permits to come back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Weak;
use std::time::Duration;

use vega_runtime::native::Address;
use vega_scheduler::Instant;

use super::bucket::Bucket;
use super::order::Priority;
use super::pool::{Front, Grant, MemberState, Place, Pool, PoolKey, Rates, SLOW_START};
use super::{Effect, Need, Used};
use crate::slot::AgentSlot;

/// Who asks, so that it is answered and not told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Nobody,
    /// The process of this agent, for its queue.
    Queue(usize),
    /// An invocation of this agent, by its arrival.
    Invocation(usize, u64),
}

pub(super) struct State {
    pools: Vec<Pool>,
    by_key: HashMap<PoolKey, usize>,
    members: Vec<Option<MemberState>>,
    free: Vec<usize>,
    /// Members so far.
    joined: u64,
    connections: Connections,
}

struct Connections {
    limit: u32,
    taken: u32,
    /// Pools in which somebody waits for one.
    waiting: VecDeque<usize>,
}

impl State {
    pub(super) fn new(connections: u32) -> State {
        State {
            pools: Vec::new(),
            by_key: HashMap::new(),
            members: Vec::new(),
            free: Vec::new(),
            joined: 0,
            connections: Connections { limit: connections.max(1), taken: 0, waiting: VecDeque::new() },
        }
    }

    pub(super) fn join(&mut self, key: PoolKey, rates: Rates, priority: Priority, slot: Weak<AgentSlot>, now: Instant) -> usize {
        let (is_remote, is_starting) = (key.is_remote, key.announces);
        let pool = *self.by_key.entry(key).or_insert_with(|| {
            self.pools.push(Pool::new(is_remote, is_starting));
            self.pools.len() - 1
        });
        let bucket = |rate: Option<(u64, Duration)>| rate.map(|(units, period)| Bucket::full(units, period, now));
        self.joined += 1;
        let member = MemberState {
            serial: self.joined,
            pool,
            priority,
            slot,
            concurrent: rates.concurrent,
            taken: 0,
            requests: bucket(rates.requests),
            tokens: bucket(rates.tokens),
            going: BTreeMap::new(),
            head: None,
            granted: None,
            place: Place::Out,
        };
        match self.free.pop() {
            Some(id) => {
                self.members[id] = Some(member);
                id
            }
            None => {
                self.members.push(Some(member));
                self.members.len() - 1
            }
        }
    }

    /// The member's number is free again, once its permits are back.
    pub(super) fn remove(&mut self, id: usize) {
        // Permits that are still out keep the agent itself alive, so there are none.
        if let Some(member) = self.members[id].take() {
            self.take_out(id, member.pool, member.priority, member.place);
            self.free.push(id);
        }
    }

    pub(super) fn offer(
        &mut self,
        id: usize,
        arrival: u64,
        need: Need,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<Grant> {
        let member = self.members[id].as_mut()?;
        if let Some(grant) = member.granted.take() {
            return Some(grant);
        }
        member.head = Some((arrival, need));
        self.place(id, now);
        self.dispatch_of(id, now, Caller::Queue(id), effects)
    }

    pub(super) fn withdraw(&mut self, id: usize, now: Instant, effects: &mut Vec<Effect>) {
        let Some(member) = self.members[id].as_mut() else { return };
        let (head, granted) = (member.head.take(), member.granted.take());
        if let Some(grant) = granted {
            self.give_back(&grant, &Used::default(), now, effects);
        } else if head.is_some() {
            self.place(id, now);
            self.dispatch_of(id, now, Caller::Queue(id), effects);
        }
    }

    pub(super) fn enter(
        &mut self,
        id: usize,
        arrival: u64,
        address: Address,
        need: Need,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<Grant> {
        self.members[id].as_mut()?.going.insert(arrival, (address, need));
        self.place(id, now);
        self.dispatch_of(id, now, Caller::Invocation(id, arrival), effects)
    }

    /// An invocation waits no more.
    pub(super) fn abandon(&mut self, id: usize, arrival: u64, now: Instant, effects: &mut Vec<Effect>) {
        let gone = self.members.get_mut(id).and_then(Option::as_mut).and_then(|member| member.going.remove(&arrival));
        if gone.is_some() {
            self.place(id, now);
            self.dispatch_of(id, now, Caller::Nobody, effects);
        }
    }

    /// Nobody waits for the agent any more.
    pub(super) fn leave(&mut self, id: usize, now: Instant, effects: &mut Vec<Effect>) {
        let Some(member) = self.members[id].as_mut() else { return };
        member.going.clear();
        member.head = None;
        let granted = member.granted.take();
        self.place(id, now);
        match granted {
            Some(grant) => self.give_back(&grant, &Used::default(), now, effects),
            None => {
                self.dispatch_of(id, now, Caller::Nobody, effects);
            }
        }
    }

    pub(super) fn look(&mut self, id: usize, now: Instant, effects: &mut Vec<Effect>) {
        self.dispatch_of(id, now, Caller::Queue(id), effects).into_iter().for_each(|grant| {
            // What the queue is given here, it takes when it is looked at.
            if let Some(member) = self.members[id].as_mut() {
                member.granted = Some(grant);
            }
        });
    }

    pub(super) fn alarm_of(&self, id: usize) -> Option<Instant> {
        let member = self.members[id].as_ref()?;
        self.pools[member.pool].alarm.filter(|(holder, _)| *holder == id).map(|(_, at)| at)
    }

    pub(super) fn give_back(&mut self, grant: &Grant, used: &Used, now: Instant, effects: &mut Vec<Effect>) {
        let actual = used.need(grant.need);
        if let Some(member) = self.members[grant.member].as_mut().filter(|member| member.serial == grant.serial) {
            member.taken -= 1;
            if let Some(bucket) = &mut member.requests {
                bucket.correct(1, u64::from(used.is_sent), now);
            }
            if let Some(bucket) = &mut member.tokens {
                bucket.correct(grant.need.total(), actual.total(), now);
            }
        }
        self.pools[grant.pool].give_back(grant, used, now);
        if self.pools[grant.pool].is_remote {
            self.connections.taken -= 1;
        }
        self.place(grant.member, now);
        self.dispatch(grant.pool, now, Caller::Nobody, effects);
        // A connection may be what somebody in another pool waits for.
        while self.connections.taken < self.connections.limit
            && let Some(pool) = self.connections.waiting.pop_front()
        {
            self.pools[pool].waits_for_connection = false;
            self.dispatch(pool, now, Caller::Nobody, effects);
        }
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> (u64, usize) {
        let waiting = self.members.iter().flatten().map(|member| member.going.len() + usize::from(member.head.is_some()));
        (self.pools.iter().map(|pool| pool.out).sum(), waiting.sum())
    }

    /// Puts a member where it belongs.
    fn place(&mut self, id: usize, now: Instant) {
        let Some(member) = self.members[id].as_mut() else { return };
        let pool = &mut self.pools[member.pool];
        let place = match (member.oldest(), member.front(&pool.order)) {
            (Some(oldest), Some((_, need))) => match member.ready_at(need, now) {
                Instant::NEVER => Place::Out,
                moment if moment > now => Place::Timed(moment),
                _ => Place::Ready(oldest),
            },
            _ => Place::Out,
        };
        let before = std::mem::replace(&mut member.place, place);
        if before == place {
            return;
        }
        let (at, priority) = (member.pool, member.priority);
        self.take_out(id, at, priority, before);
        let pool = &mut self.pools[at];
        match place {
            Place::Out => {}
            Place::Ready(arrival) => pool.order.insert(priority, arrival, id),
            Place::Timed(moment) => {
                pool.timed.insert((moment, id));
            }
        }
    }

    fn take_out(&mut self, id: usize, pool: usize, priority: Priority, place: Place) {
        let pool = &mut self.pools[pool];
        match place {
            Place::Out => {}
            Place::Ready(arrival) => pool.order.remove(priority, arrival, id),
            Place::Timed(moment) => {
                pool.timed.remove(&(moment, id));
            }
        }
    }

    fn dispatch_of(&mut self, id: usize, now: Instant, caller: Caller, effects: &mut Vec<Effect>) -> Option<Grant> {
        let pool = self.members[id].as_ref()?.pool;
        self.dispatch(pool, now, caller, effects)
    }

    /// Lets everybody go who may. The caller's own permit is returned, the others' are to be sent.
    fn dispatch(&mut self, at: usize, now: Instant, caller: Caller, effects: &mut Vec<Effect>) -> Option<Grant> {
        let mut own = None;
        while let Some((_, id)) = self.pools[at].timed.first().copied().filter(|(moment, _)| *moment <= now) {
            self.place(id, now);
        }
        let wake = loop {
            let pool = &mut self.pools[at];
            let Some(next) = pool.order.next() else { break None };
            let Some((front, need)) = self.members[next.id].as_ref().and_then(|member| member.front(&pool.order)) else {
                break None;
            };
            if pool.is_starting && pool.out >= SLOW_START {
                break None;
            }
            let moment = pool.ready_at(need, now);
            if moment > now {
                break Some(moment);
            }
            if pool.is_remote && self.connections.taken >= self.connections.limit {
                if !std::mem::replace(&mut pool.waits_for_connection, true) {
                    self.connections.waiting.push_back(at);
                }
                break None;
            }
            let arrival = match front {
                Front::Invocation(arrival) | Front::Queue(arrival) => arrival,
            };
            pool.order.goes(next, arrival);
            self.connections.taken += u32::from(pool.is_remote);
            let Some(member) = self.members[next.id].as_mut() else { break None };
            let grant = Grant { member: next.id, serial: member.serial, pool: at, need, number: pool.give(need, now), at: now };
            member.taken += 1;
            member.requests.iter_mut().for_each(|bucket| bucket.reserve(1, now));
            member.tokens.iter_mut().for_each(|bucket| bucket.reserve(need.total(), now));
            match front {
                Front::Queue(_) => {
                    member.head = None;
                    if caller == Caller::Queue(next.id) {
                        own = Some(grant);
                    } else {
                        member.granted = Some(grant);
                        effects.push(Effect::Wake(member.slot.clone()));
                    }
                }
                Front::Invocation(arrival) => {
                    if let Some((address, _)) = member.going.remove(&arrival) {
                        if caller == Caller::Invocation(next.id, arrival) {
                            own = Some(grant);
                        } else {
                            effects.push(Effect::Grant(address, grant));
                        }
                    }
                }
            }
            self.place(next.id, now);
        };
        self.arm(at, wake, now, caller, effects);
        own
    }

    /// Sees to it that somebody looks again at the moment for which the pool waits.
    fn arm(&mut self, at: usize, wake: Option<Instant>, now: Instant, caller: Caller, effects: &mut Vec<Effect>) {
        let pool = &mut self.pools[at];
        let timed = pool.timed.first().copied();
        let moment = wake.into_iter().chain(timed.map(|(moment, _)| moment)).min();
        let Some(moment) = moment else {
            pool.alarm = None;
            return;
        };
        let is_waited_for = |id: usize| self.members[id].as_ref().is_some_and(MemberState::is_waited_for);
        if let Some((holder, earlier)) = pool.alarm
            && earlier > now
            && earlier <= moment
            && is_waited_for(holder)
        {
            return;
        }
        let holder = match caller {
            Caller::Queue(id) if is_waited_for(id) => Some(id),
            _ => pool.order.next().map(|next| next.id).or(timed.map(|(_, id)| id)),
        };
        pool.alarm = holder.map(|id| (id, moment));
        // A process that asks for its queue looks at its alarm by itself.
        if let Some(id) = holder
            && caller != Caller::Queue(id)
            && let Some(member) = &self.members[id]
        {
            effects.push(Effect::Wake(member.slot.clone()));
        }
    }
}
