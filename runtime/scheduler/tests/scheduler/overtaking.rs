//! Jobs that have waited, beside a long queue.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};

use vega_scheduler::{Config, Priority, Worker};

use crate::support::{After, Closures, Job, receive, run, start, with_workers};

/// The jobs of a long queue.
const MANY: u64 = 20_000;
/// Jobs of a queue that is not long.
const FEW: u64 = 1_000;

/// Makes the job the last one of its queue, as one that has waited and was woken.
fn wake(worker: &Worker<Closures>, number: u64, act: impl FnOnce(&Worker<Closures>) + Send + 'static) {
    worker.push_woken(Job::once(number, act), Priority::Normal);
}

/// Queues so many jobs that never end by themselves but once the number is not zero, and count their slices.
fn crowd(worker: &Worker<Closures>, jobs: u64) -> (Arc<AtomicU64>, Arc<AtomicU64>) {
    let (slices, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    for number in 0..jobs {
        let (slices, stop) = (Arc::clone(&slices), Arc::clone(&stop));
        let mut job = Job::new(number, move |_| {
            slices.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) == 0 { After::Again } else { After::End }
        });
        job.reductions = 100;
        worker.push(job, Priority::Normal);
    }
    (slices, stop)
}

/// Hops of a conversation: at each a job is woken. Tells the slices of others before each.
fn converse(worker: &Worker<Closures>, hops: u64, slices: Arc<AtomicU64>, told: Sender<u64>) {
    let before = slices.load(Ordering::Relaxed);
    wake(worker, u64::MAX, move |worker| {
        told.send(slices.load(Ordering::Relaxed) - before).unwrap();
        if hops > 1 {
            converse(worker, hops - 1, slices, told);
        }
    });
}

#[test]
fn a_conversation_goes_on_beside_a_long_queue() {
    const HOPS: u64 = 100;
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    let stop = run(scheduler.remote(), move |worker| {
        let (slices, stop) = crowd(worker, MANY);
        converse(worker, HOPS, slices, sender);
        stop
    });
    let waited: Vec<u64> = (0..HOPS).map(|_| receive(&receiver)).collect();
    assert!(waited.iter().all(|slices| *slices <= 64), "slices of others before each hop: {waited:?}");
    stop.store(1, Ordering::Relaxed);
}

#[test]
fn a_queue_that_is_not_long_is_not_overtaken() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        for number in 0..FEW {
            let sender = sender.clone();
            let tell = move |_: &Worker<Closures>| sender.send(number).unwrap();
            if number % 2 == 0 { worker.push(Job::once(number, tell), Priority::Normal) } else { wake(worker, number, tell) }
        }
    });
    let order: Vec<u64> = (0..FEW).map(|_| receive(&receiver)).collect();
    assert_eq!(order, (0..FEW).collect::<Vec<_>>());
}

#[test]
fn those_that_have_waited_keep_their_order_and_the_queue_its_own() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    let has_waited = |number: u64| number >= MANY / 2 && number % 2 == 1;
    run(scheduler.remote(), move |worker| {
        for number in 0..MANY {
            let sender = sender.clone();
            let tell = move |_: &Worker<Closures>| sender.send(number).unwrap();
            if has_waited(number) { wake(worker, number, tell) } else { worker.push(Job::once(number, tell), Priority::Normal) }
        }
    });
    let order: Vec<u64> = (0..MANY).map(|_| receive(&receiver)).collect();
    let (woken, queued): (Vec<u64>, Vec<u64>) = order.iter().partition(|number| has_waited(**number));
    assert!(queued.is_sorted() && woken.is_sorted());
    for (at, number) in (0..).zip(order) {
        let bound = if has_waited(number) { number } else { number + at / 64 + 1 };
        assert!(at <= bound, "the job pushed as number {number} ran as number {at}");
    }
}

#[test]
fn higher_priorities_are_not_overtaken_and_lower_ones_do_not_overtake() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        for number in 0..MANY {
            let sender = sender.clone();
            worker.push(Job::once(number, move |_| sender.send(Priority::Normal).unwrap()), Priority::Normal);
        }
        for priority in [Priority::Low, Priority::High] {
            for number in 0..2_000 {
                let sender = sender.clone();
                worker.push(Job::once(number, move |_| sender.send(priority).unwrap()), priority);
            }
        }
        let low = sender.clone();
        worker.push_woken(Job::once(1, move |_| low.send(Priority::Low).unwrap()), Priority::Low);
        wake(worker, 2, move |_| sender.send(Priority::Normal).unwrap());
    });
    let order: Vec<Priority> = (0..MANY + 4_002).map(|_| receive(&receiver)).collect();
    let before_high = |priority| order.iter().take(2_000).filter(|each| **each == priority).count();
    let (normal, low) = (before_high(Priority::Normal), before_high(Priority::Low));
    assert!(normal <= 2_000 / 8 && low <= 2_000 / 64 + 1, "{normal} of normal and {low} of low priority among the first 2,000");
}

#[test]
fn who_overtakes_is_stolen_where_nothing_else_is_left() {
    let scheduler = with_workers(2);
    let barrier = Arc::new(Barrier::new(2));
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        for number in 0..2_000 {
            worker.push(Job::once(number, |_| ()), Priority::Normal);
        }
        // More than may overtake before the queue is empty.
        for number in 0..200 {
            wake(worker, number, |_| ());
        }
        // Each waits on its thread for another one on another thread.
        for number in 0..20 {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            wake(worker, number, move |worker| {
                barrier.wait();
                sender.send(worker.index()).unwrap();
            });
        }
    });
    let workers: Vec<usize> = (0..20).map(|_| receive(&receiver)).collect();
    assert!(workers.contains(&0) && workers.contains(&1), "{workers:?}");
}

#[test]
fn a_worker_with_every_stack_in_use_leaves_its_overtakers_to_others() {
    let scheduler = start(Config { workers: 2, stacks_max: 0, ..Config::default() });
    let (sender, receiver) = channel();
    let (completer, wait) = vega_scheduler::completion::<()>();
    let ended = crate::support::begin(scheduler.remote(), move |worker| {
        let index = worker.index();
        for number in 0..MANY {
            worker.push(Job::once(number, |_| ()), Priority::Normal);
        }
        wake(worker, u64::MAX, move |other| sender.send((index, other.index())).unwrap());
        wait.wait(None).is_ok()
    });
    let (waiting, other) = receive(&receiver);
    assert_ne!(waiting, other);
    completer.complete(());
    assert!(receive(&ended));
}

#[test]
fn overtakers_that_never_ran_are_dropped_at_the_end() {
    struct CountsDrops(Arc<AtomicUsize>);
    impl Drop for CountsDrops {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let scheduler = with_workers(1);
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&drops);
    run(scheduler.remote(), move |worker| {
        crowd(worker, MANY);
        for number in 0..MANY {
            let owned = CountsDrops(Arc::clone(&counted));
            let mut job = Job::new(number, move |_| {
                let _owned = &owned;
                After::Again
            });
            job.reductions = 100;
            worker.push_woken(job, Priority::Normal);
        }
    });
    scheduler.shutdown();
    assert_eq!(drops.load(Ordering::Relaxed), MANY as usize);
}

#[test]
fn one_of_several_that_have_waited_goes_to_a_worker_without_work() {
    let scheduler = with_workers(2);
    let (sender, receiver) = channel();
    let there = run(scheduler.remote(), move |worker| {
        for number in 0..2 * FEW {
            worker.push(Job::once(number, |_| {}), Priority::Normal);
        }
        let here = worker.index();
        // The other worker may be at work on what it stole; it will have done with it.
        for number in 0..500_000 {
            let sender = sender.clone();
            wake(worker, number, move |worker| {
                let _ = sender.send(worker.index());
            });
            if let Ok(there) = receiver.try_recv() {
                return there != here;
            }
            std::thread::yield_now();
        }
        false
    });
    assert!(there, "this worker has not ended its slice, so only the other one can have run it");
}
