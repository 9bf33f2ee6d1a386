#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::sync::Weak;

use vega_runtime::native::Address;
use vega_runtime::process::Pid;
use vega_runtime::{Runtime, RuntimeHandle};

use super::announced::Quota;
use super::pool::Grant;
use super::state::State;
use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn key(announces: bool) -> PoolKey {
    PoolKey { provider: "p".into(), account: 1, class: "m".into(), is_remote: true, announces }
}

fn address(number: u64) -> Address {
    Address::root(Pid::from_bits(number))
}

const SENT: Used = Used { is_sent: true, is_answered: true, tokens: None, announced: Announced::nothing(), refused: None };

/// A state with members, and the permits that its invocations were given.
struct Bench {
    state: State,
    arrivals: u64,
    given: Vec<(u64, Grant)>,
}

impl Bench {
    fn new(connections: u32) -> Bench {
        Bench { state: State::new(connections), arrivals: 0, given: Vec::new() }
    }

    fn join(&mut self, rates: Rates, priority: Priority) -> usize {
        self.state.join(key(false), rates, priority, Weak::new(), at(0))
    }

    /// An invocation asks; the number that it is known by.
    fn enter(&mut self, member: usize, need: u64, millis: u64) -> u64 {
        self.arrivals += 1;
        let (arrival, mut effects) = (self.arrivals, Vec::new());
        let need = Need { input: need, output: 0 };
        let own = self.state.enter(member, arrival, address(arrival), need, at(millis), &mut effects);
        self.given.extend(own.map(|grant| (arrival, grant)));
        self.collect(effects);
        arrival
    }

    fn enter_many(&mut self, member: usize, numbers: std::ops::Range<u64>) {
        for _ in numbers {
            self.enter(member, 0, 0);
        }
    }

    fn give_back(&mut self, arrival: u64, used: &Used, millis: u64) {
        let place = self.given.iter().position(|(number, _)| *number == arrival).unwrap();
        let (_, grant) = self.given.remove(place);
        let mut effects = Vec::new();
        self.state.give_back(&grant, used, at(millis), &mut effects);
        self.collect(effects);
    }

    fn look(&mut self, member: usize, millis: u64) {
        let mut effects = Vec::new();
        self.state.look(member, at(millis), &mut effects);
        self.collect(effects);
    }

    fn collect(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Grant(to, grant) = effect {
                self.given.push((to.process().to_bits(), grant));
            }
        }
    }

    fn out(&self) -> Vec<u64> {
        self.given.iter().map(|(arrival, _)| *arrival).collect()
    }
}

#[test]
fn a_declared_rate_is_kept_to_the_millisecond() {
    let mut bench = Bench::new(100);
    let rates = Rates { requests: Some((2, Duration::from_secs(10))), ..Rates::default() };
    let member = bench.join(rates, Priority::Normal);
    bench.enter_many(member, 0..4);
    assert_eq!(bench.out(), [1, 2]);
    assert_eq!(bench.state.alarm_of(member), Some(at(5_000)));
    bench.give_back(1, &SENT, 100);
    bench.look(member, 4_999);
    assert_eq!(bench.out(), [2], "a permit that comes back brings no request back");
    bench.look(member, 5_000);
    assert_eq!(bench.out(), [2, 3]);
    bench.give_back(3, &Used::default(), 5_000);
    assert_eq!(bench.out(), [2, 4], "what was not sent is not counted");
    assert_eq!(bench.state.alarm_of(member), None);
}

#[test]
fn tokens_are_held_by_the_bound_and_counted_by_the_use() {
    let mut bench = Bench::new(100);
    let rates = Rates { tokens: Some((1_000, Duration::from_secs(60))), ..Rates::default() };
    let member = bench.join(rates, Priority::Normal);
    let first = bench.enter(member, 900, 0);
    bench.enter(member, 900, 0);
    assert_eq!(bench.out(), [first]);
    bench.give_back(first, &Used { tokens: Some(Need { input: 60, output: 40 }), ..SENT }, 0);
    assert_eq!(bench.out(), [2]);
}

#[test]
fn whoever_waits_for_its_agent_does_not_hold_up_others() {
    let mut bench = Bench::new(100);
    let one = bench.join(Rates { concurrent: Some(1), ..Rates::default() }, Priority::High);
    let other = bench.join(Rates::default(), Priority::Low);
    let first = bench.enter(one, 0, 0);
    bench.enter(one, 0, 0);
    bench.enter(other, 0, 0);
    assert_eq!(bench.out(), [1, 3]);
    bench.give_back(first, &SENT, 0);
    assert_eq!(bench.out(), [3, 2]);
}

#[test]
fn connections_are_shared_and_a_waiting_pool_goes_on() {
    let mut bench = Bench::new(1);
    let here = bench.join(Rates::default(), Priority::Normal);
    let there = bench.state.join(
        PoolKey { provider: "other".into(), ..key(false) },
        Rates::default(),
        Priority::Normal,
        Weak::new(),
        at(0),
    );
    let first = bench.enter(here, 0, 0);
    bench.enter(there, 0, 0);
    assert_eq!(bench.out(), [first]);
    bench.give_back(first, &SENT, 0);
    assert_eq!(bench.out(), [2]);
    bench.give_back(2, &SENT, 0);
    assert_eq!(bench.state.under_way(), (0, 0));
}

#[test]
fn a_start_is_slow_until_the_first_answer() {
    let mut bench = Bench::new(100);
    let member = bench.state.join(key(true), Rates::default(), Priority::Normal, Weak::new(), at(0));
    bench.enter_many(member, 0..10);
    assert_eq!(bench.out(), [1, 2, 3, 4]);
    bench.give_back(1, &Used { is_answered: false, ..SENT }, 10);
    assert_eq!(bench.out(), [2, 3, 4, 5], "a broken connection is no answer");
    bench.give_back(2, &SENT, 10);
    assert_eq!(bench.out().len(), 8);
}

#[test]
fn what_answers_announce_is_kept_and_a_refusal_pauses() {
    let mut bench = Bench::new(100);
    let member = bench.join(Rates::default(), Priority::Normal);
    let announced = |remaining| {
        let quota = Quota { limit: 60, remaining, reset: Some(Duration::from_secs(30)) };
        Used { announced: Announced::of(Counted::Requests, quota), ..SENT }
    };
    let first = bench.enter(member, 0, 0);
    bench.give_back(first, &announced(2), 0);
    bench.enter_many(member, 0..5);
    assert_eq!(bench.out(), [2, 3]);
    assert_eq!(bench.state.alarm_of(member), Some(at(1_000)));
    bench.look(member, 1_000);
    assert_eq!(bench.out(), [2, 3, 4]);
    bench.give_back(2, &Used { refused: Some(Some(Duration::from_secs(20))), ..announced(0) }, 1_000);
    bench.look(member, 20_999);
    assert_eq!(bench.out(), [3, 4]);
    bench.look(member, 21_000);
    assert_eq!(bench.out(), [3, 4, 5, 6]);
}

#[test]
fn a_refusal_that_says_when_to_come_again_is_believed_more_than_its_other_headers() {
    let mut bench = Bench::new(100);
    let member = bench.join(Rates::default(), Priority::Normal);
    let quota = Quota { limit: 150_000, remaining: 0, reset: Some(Duration::from_secs(360)) };
    let refused = |wait| Used { announced: Announced::of(Counted::Tokens, quota), refused: Some(wait), ..SENT };
    let first = bench.enter(member, 0, 0);
    bench.give_back(first, &refused(Some(Duration::from_secs(1))), 0);
    for _ in 0..3 {
        bench.enter(member, 8_000, 0);
    }
    bench.look(member, 999);
    assert_eq!(bench.out(), [0; 0]);
    // One is tried when the provider asked for it.
    bench.look(member, 1_000);
    assert_eq!(bench.out(), [2]);
    bench.give_back(2, &refused(Some(Duration::from_secs(2))), 1_100);
    bench.look(member, 3_100);
    assert_eq!(bench.out(), [3]);
    // It is answered, and nothing is said of limits.
    bench.give_back(3, &SENT, 3_200);
    bench.look(member, 3_200);
    assert_eq!(bench.out(), [4], "by a belief of its own it would be minutes later");
}

#[test]
fn the_alarm_passes_on_when_its_holder_goes() {
    let mut bench = Bench::new(100);
    let rates = Rates { requests: Some((1, Duration::from_secs(10))), ..Rates::default() };
    let one = bench.join(rates, Priority::Normal);
    let other = bench.join(rates, Priority::Normal);
    for member in [one, other, one, other] {
        bench.enter(member, 0, 0);
    }
    assert_eq!(bench.out(), [1, 2]);
    let holder = [one, other].into_iter().find(|member| bench.state.alarm_of(*member).is_some()).unwrap();
    let heir = if holder == one { other } else { one };
    let mut effects = Vec::new();
    bench.state.leave(holder, at(1), &mut effects);
    assert!(matches!(effects[..], [Effect::Wake(_)]), "the heir is told");
    assert_eq!(bench.state.alarm_of(heir), Some(at(10_000)));
    bench.state.abandon(heir, if heir == one { 3 } else { 4 }, at(2), &mut effects);
    assert_eq!((bench.state.alarm_of(one), bench.state.alarm_of(other)), (None, None));
}

#[test]
fn a_queue_is_offered_and_withdrawn_without_losing_a_permit() {
    let mut bench = Bench::new(100);
    let member = bench.join(Rates { concurrent: Some(1), ..Rates::default() }, Priority::Normal);
    let mut effects = Vec::new();
    let first = bench.state.offer(member, 1, Need::default(), at(0), &mut effects).unwrap();
    assert!(bench.state.offer(member, 2, Need::default(), at(0), &mut effects).is_none());
    bench.state.give_back(&first, &SENT, at(1), &mut effects);
    assert!(matches!(effects[..], [Effect::Wake(_)]));
    bench.state.withdraw(member, at(1), &mut effects);
    assert_eq!(bench.state.under_way(), (0, 0));
    assert!(bench.state.offer(member, 3, Need::default(), at(1), &mut effects).is_some());
}

fn handle() -> RuntimeHandle {
    Runtime::builder().workers(1).build().unwrap().handle()
}

#[test]
fn a_permit_passes_any_number_of_ended_waiters_without_a_deep_stack() {
    let limits = Limits::new(1);
    let member = limits.join(key(false), Rates::default(), Priority::Normal, Weak::new(), &handle());
    let now = vega_scheduler::now();
    let enter = |limits: &Arc<Limits>| {
        let arrival = limits.arrival();
        let ended = address(1);
        limits.change(|state, effects| state.enter(member.id, arrival, ended, Need::default(), now, effects))
    };
    let permit = Permit(Some((Arc::clone(&limits), enter(&limits).unwrap())));
    for _ in 0..200_000 {
        assert!(enter(&limits).is_none());
    }
    let small = std::thread::Builder::new().stack_size(128 << 10);
    small.spawn(move || drop(permit)).unwrap().join().unwrap();
    assert_eq!(limits.under_way(), (0, 0), "the permit is free again");
}

/// Members with random limits and priorities, permits that come back with whatever an answer may say, waiters that give up and members
/// that go: nothing is lost, and whoever waits has somebody who looks again.
#[test]
fn nothing_is_lost_whatever_happens() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(random.u32(1..6));
        let members: Vec<usize> = (0..random.usize(1..5))
            .map(|_| {
                let rates = Rates {
                    concurrent: random.bool().then(|| random.u32(1..4)),
                    requests: random.bool().then(|| (random.u64(1..10), Duration::from_secs(random.u64(1..20)))),
                    tokens: random.bool().then(|| (random.u64(100..1_000), Duration::from_secs(random.u64(1..20)))),
                };
                let priority = Priority::ALL[random.usize(0..3)];
                bench.state.join(key(seed % 2 == 0), rates, priority, Weak::new(), at(0))
            })
            .collect();
        let mut now = 0;
        let mut waiting: Vec<(usize, u64)> = Vec::new();
        for _ in 0..200 {
            now += random.u64(0..500);
            match random.u32(0..6) {
                0..3 => {
                    let member = members[random.usize(0..members.len())];
                    let arrival = bench.enter(member, random.u64(0..2_000), now);
                    waiting.push((member, arrival));
                }
                3 if !bench.given.is_empty() => {
                    let arrival = bench.given[random.usize(0..bench.given.len())].0;
                    let quota = Quota { limit: 20, remaining: random.u64(0..20), reset: None };
                    let used = Used {
                        is_sent: random.bool(),
                        is_answered: random.bool(),
                        tokens: random.bool().then(|| Need { input: random.u64(0..3_000), output: 7 }),
                        announced: if random.bool() { Announced::of(Counted::Tokens, quota) } else { Announced::nothing() },
                        refused: (random.u32(0..8) == 0).then(|| Some(Duration::from_secs(random.u64(0..5)))),
                    };
                    bench.give_back(arrival, &used, now);
                }
                4 if !waiting.is_empty() => {
                    let (member, arrival) = waiting.swap_remove(random.usize(0..waiting.len()));
                    let mut effects = Vec::new();
                    bench.state.abandon(member, arrival, at(now), &mut effects);
                    bench.collect(effects);
                }
                _ => members.iter().for_each(|member| bench.look(*member, now)),
            }
        }
        // From here on permits come back at once, and only alarms pass the time.
        for _ in 0..20_000 {
            while let Some((arrival, _)) = bench.given.first().copied() {
                bench.give_back(arrival, &SENT, now);
            }
            let alarms: Vec<(usize, Instant)> =
                members.iter().filter_map(|member| Some((*member, bench.state.alarm_of(*member)?))).collect();
            let Some((member, alarm)) = alarms.into_iter().min_by_key(|(_, alarm)| *alarm) else { break };
            now = now.max(alarm.as_nanos().div_ceil(1_000_000));
            bench.look(member, now);
        }
        assert_eq!(bench.state.under_way(), (0, 0), "seed {seed}");
        let mut effects = Vec::new();
        let grant = bench.state.enter(members[0], u64::MAX, address(1), Need::default(), at(now + 100_000_000), &mut effects);
        assert!(grant.is_some(), "seed {seed}: nothing is held any more");
    }
}
