//! Every interleaving of a few producers and sleepers, for the protocol as it ships and for variants with one step left out.
//!
//! A variant is a copy of the function without the step; the model must find the lost wake-up in it, or it would prove
//! nothing about the real one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

use super::*;

/// A queue reduced to its length, with no ordering of its own, so that only the protocol orders anything.
struct Queue(AtomicUsize);

impl Queue {
    fn push(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn has_work(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

struct World {
    sleepers: Sleepers,
    queue: Queue,
}

fn world(workers: usize) -> Arc<World> {
    Arc::new(World { sleepers: Sleepers::new(workers), queue: Queue(AtomicUsize::new(0)) })
}

type Park = fn(&World, usize, bool) -> bool;
type Notify = fn(&World) -> Option<usize>;

fn park(world: &World, worker: usize, searching: bool) -> bool {
    world.sleepers.park(worker, searching, || world.queue.has_work()).is_ok()
}

fn park_without_a_second_look(world: &World, worker: usize, searching: bool) -> bool {
    world.sleepers.park(worker, searching, || false).is_ok()
}

fn park_without_a_fence(world: &World, worker: usize, searching: bool) -> bool {
    world.sleepers.announce_relaxed(worker, searching);
    !world.queue.has_work()
}

fn notify(world: &World) -> Option<usize> {
    world.sleepers.notify_one()
}

fn notify_without_looking_again(world: &World) -> Option<usize> {
    let sleepers = &world.sleepers;
    fence(Ordering::SeqCst);
    if sleepers.parked.load(Ordering::Relaxed) == 0 {
        return None;
    }
    if sleepers.searching.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        return None;
    }
    let claimed = sleepers.claim_any();
    if claimed.is_none() {
        sleepers.searching.fetch_sub(1, Ordering::SeqCst);
    }
    claimed
}

impl Sleepers {
    /// The announcement with nothing that orders it before what follows.
    fn announce_relaxed(&self, worker: usize, searching: bool) {
        self.states[worker].store(PARKED, Ordering::Relaxed);
        self.parked.fetch_add(1, Ordering::Relaxed);
        if searching {
            self.searching.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One producer, one worker whose search found nothing.
fn one_producer(park: Park, notify: Notify) {
    loom::model(move || {
        let world = world(1);
        world.sleepers.searching.fetch_add(1, Ordering::SeqCst);
        let producer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.queue.push();
                notify(&world)
            }
        });
        let asleep = park(&world, 0, true);
        let woken = producer.join().expect("the producer does not panic");
        assert!(!asleep || woken == Some(0), "the worker sleeps, there is work, and nobody wakes it");
    });
}

/// Two producers, one worker that is about to park: each producer may see the other one hold the search count.
fn two_producers(park: Park, notify: Notify) {
    loom::model(move || {
        let world = world(1);
        let produce = |world: &Arc<World>| {
            let world = Arc::clone(world);
            thread::spawn(move || {
                world.queue.push();
                notify(&world)
            })
        };
        let (first, second) = (produce(&world), produce(&world));
        let asleep = park(&world, 0, false);
        let first = first.join().expect("a producer does not panic");
        let second = second.join().expect("a producer does not panic");
        assert!(!asleep || first.is_some() || second.is_some(), "two pushes, a sleeper, and no wake-up");
    });
}

/// A sleeper that wakes by itself and parks again, a producer whose own work was taken by somebody in between, and one whose
/// work was not: the first one may hold the search count for nobody while the second one looks at it.
fn a_sleeper_turns_over(notify: Notify) {
    let mut model = loom::model::Builder::new();
    // The shortest way to the loss takes three preemptions.
    model.preemption_bound = Some(model.preemption_bound.unwrap_or(3).max(3));
    model.check(move || {
        let world = world(1);
        assert!(park(&world, 0, false));
        let first = thread::spawn({
            let world = Arc::clone(&world);
            move || notify(&world)
        });
        let second = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.queue.push();
                notify(&world)
            }
        });
        let searching = world.sleepers.unpark(0) == Woken::ToSearch;
        let asleep = park(&world, 0, searching);
        first.join().expect("a producer does not panic");
        second.join().expect("a producer does not panic");
        let unclaimed = world.sleepers.states[0].load(Ordering::SeqCst) == PARKED;
        assert!(!(asleep && unclaimed), "the worker sleeps, there is work, and nobody wakes it");
    });
}

/// A worker that searched and found something else, a sleeper, and a producer that may rely on the search.
fn a_search_ends(end_search: fn(&World) -> bool) {
    loom::model(move || {
        let world = world(2);
        assert!(world.sleepers.begin_search());
        assert!(park(&world, 1, false));
        let producer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.queue.push();
                notify(&world)
            }
        });
        let by_searcher = if end_search(&world) { notify(&world) } else { None };
        let by_producer = producer.join().expect("the producer does not panic");
        assert!(by_searcher.or(by_producer) == Some(1), "a push that nobody was woken for");
    });
}

/// One producer with a message for one worker alone.
fn one_message(park: Park) {
    loom::model(move || {
        let world = world(1);
        let producer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.queue.push();
                world.sleepers.notify(0)
            }
        });
        let asleep = park(&world, 0, false);
        let woken = producer.join().expect("the producer does not panic");
        assert!(!asleep || woken, "the worker sleeps on a message");
    });
}

fn the_model_catches(check: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(check)).is_err(), "the model missed a lost wake-up that is there");
}

#[test]
fn loom_a_push_beside_a_worker_that_parks_is_never_lost() {
    one_producer(park, notify);
}

#[test]
fn loom_two_pushes_beside_a_worker_that_parks_are_never_lost() {
    two_producers(park, notify);
}

#[test]
fn loom_a_push_beside_a_worker_that_wakes_and_parks_again_is_never_lost() {
    a_sleeper_turns_over(notify);
}

#[test]
fn loom_a_push_beside_a_search_that_ends_wakes_a_sleeper() {
    a_search_ends(|world| world.sleepers.end_search(|| world.queue.has_work()));
}

#[test]
fn loom_without_a_look_at_its_end_the_model_finds_the_push_that_relied_on_the_search() {
    the_model_catches(|| a_search_ends(|world| world.sleepers.end_search(|| false)));
}

#[test]
fn loom_a_message_to_a_worker_that_parks_always_wakes_it() {
    one_message(park);
}

#[test]
fn loom_without_the_second_look_the_model_finds_the_lost_push() {
    the_model_catches(|| one_producer(park_without_a_second_look, notify));
    the_model_catches(|| two_producers(park_without_a_second_look, notify));
    the_model_catches(|| one_message(park_without_a_second_look));
}

#[test]
fn loom_without_the_fence_the_model_finds_the_lost_push() {
    the_model_catches(|| one_producer(park_without_a_fence, notify));
    the_model_catches(|| one_message(park_without_a_fence));
}

#[test]
fn loom_without_looking_again_the_model_finds_the_lost_push() {
    the_model_catches(|| a_sleeper_turns_over(notify_without_looking_again));
}

/// A producer that looks twice for somebody to wake, and two workers that park.
fn two_sleepers(notify: Notify) {
    loom::model(move || {
        let world = world(2);
        let producer = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.queue.push();
                (notify(&world), notify(&world))
            }
        });
        let asleep = [park(&world, 0, false), park(&world, 1, false)];
        let (first, second) = producer.join().expect("the producer does not panic");
        if asleep == [true, true] {
            assert!(first.is_some() || second.is_some(), "both sleep beside work");
        }
        assert!(first.is_none() || second.is_none(), "the first one woken was still searching");
    });
}

#[test]
fn loom_of_two_sleepers_one_push_wakes_only_one() {
    two_sleepers(notify);
}

#[test]
fn loom_the_model_catches_a_push_that_wakes_beside_a_search() {
    the_model_catches(|| {
        two_sleepers(|world| {
            fence(Ordering::SeqCst);
            world.sleepers.claim_any()
        });
    });
}

/// Somebody puts a message into the inbox of a worker that is about to rest.
fn a_message_to_a_resting_worker(rest: Park) {
    loom::model(move || {
        let world = world(1);
        let sender = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.queue.push();
                world.sleepers.notify(0)
            }
        });
        let asleep = rest(&world, 0, false);
        let woken = sender.join().expect("the sender does not panic");
        assert!(!asleep || woken, "the worker rests, there is a message, and nobody wakes it");
        assert!(world.sleepers.parked.load(Ordering::Relaxed) == 0, "a worker that rests is not counted as parked");
    });
}

#[test]
fn loom_a_message_wakes_a_worker_that_rests() {
    a_message_to_a_resting_worker(|world, worker, searching| {
        world.sleepers.rest(worker, searching, || world.queue.has_work()).is_ok()
    });
}

#[test]
fn loom_the_model_catches_a_rest_without_a_second_look() {
    the_model_catches(|| {
        a_message_to_a_resting_worker(|world, worker, searching| world.sleepers.rest(worker, searching, || false).is_ok())
    });
}
