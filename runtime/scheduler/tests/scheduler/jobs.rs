//! Queues, priorities, stealing.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

use vega_scheduler::{Config, Priority};

use crate::support::{After, Job, begin, receive, run, start, with_workers};

#[test]
fn every_job_runs_exactly_once_on_some_worker() {
    const JOBS: usize = 20_000;
    let scheduler = with_workers(2);
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..JOBS).map(|_| AtomicUsize::new(0)).collect());
    let (sender, receiver) = channel();
    let left = Arc::new(AtomicUsize::new(JOBS));
    let spawner_runs = Arc::clone(&runs);
    run(scheduler.remote(), move |worker| {
        for number in 0..JOBS {
            let (runs, left, sender) = (Arc::clone(&spawner_runs), Arc::clone(&left), sender.clone());
            let job = Job::once(number as u64, move |_| {
                runs[number].fetch_add(1, Ordering::Relaxed);
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    sender.send(()).unwrap();
                }
            });
            worker.push(job, [Priority::High, Priority::Normal, Priority::Low][number % 3]);
        }
    });
    receive(&receiver);
    scheduler.shutdown();
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
}

#[test]
fn an_idle_worker_steals_from_a_busy_one() {
    let scheduler = with_workers(2);
    // Two jobs pushed on one worker meet at a barrier, so each must be on a worker of its own: the runner does not wait but
    // the thread does.
    let barrier = Arc::new(Barrier::new(2));
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        for number in 0..2 {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            let job = Job::once(number, move |worker| {
                barrier.wait();
                sender.send(worker.index()).unwrap();
            });
            worker.push(job, Priority::Normal);
        }
    });
    let workers = HashSet::from([receive(&receiver), receive(&receiver)]);
    assert_eq!(workers.len(), 2);
    let statistics = scheduler.statistics();
    assert!(statistics.workers.iter().any(|worker| worker.steals > 0), "{statistics:?}");
}

#[test]
fn work_is_offered_to_a_sleeper_before_a_native_holds_the_thread() {
    let scheduler = with_workers(2);
    let barrier = Arc::new(Barrier::new(2));
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        let (other, done) = (Arc::clone(&barrier), sender.clone());
        worker.push(
            Job::once(1, move |_| {
                other.wait();
                done.send(()).unwrap();
            }),
            Priority::Normal,
        );
        let _native = worker.enter_native();
        barrier.wait();
    });
    receive(&receiver);
}

#[test]
fn lower_priorities_progress_beside_endless_higher_ones() {
    let scheduler = with_workers(1);
    let slices = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        let stop = Arc::new(AtomicU64::new(0));
        for number in 0..3 {
            let (slices, stop) = (Arc::clone(&slices), Arc::clone(&stop));
            let mut busy = Job::new(number, move |_| {
                slices.fetch_add(1, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) == 2 { After::End } else { After::Again }
            });
            busy.priority = Priority::High;
            worker.push(busy, Priority::High);
        }
        for priority in [Priority::Normal, Priority::Low] {
            let (slices, stop, sender) = (Arc::clone(&slices), Arc::clone(&stop), sender.clone());
            let started = slices.load(Ordering::Relaxed);
            let job = Job::once(9, move |_| {
                stop.fetch_add(1, Ordering::Relaxed);
                sender.send((priority, slices.load(Ordering::Relaxed) - started)).unwrap();
            });
            worker.push(job, priority);
        }
    });
    let (first, normal_waited) = receive(&receiver);
    let (_, low_waited) = receive(&receiver);
    assert_eq!(first, Priority::Normal);
    assert!(normal_waited <= 8, "normal work waited {normal_waited} slices");
    assert!(low_waited <= 64, "low work waited {low_waited} slices");
}

#[test]
fn a_job_from_outside_runs_beside_endless_local_ones() {
    let scheduler = with_workers(1);
    let stop = Arc::new(AtomicU64::new(0));
    for number in 0..2 {
        let stop = Arc::clone(&stop);
        let busy = Job::new(number, move |_| if stop.load(Ordering::Relaxed) == 1 { After::End } else { After::Again });
        scheduler.remote().push(busy, Priority::Normal);
    }
    run(scheduler.remote(), move |_| stop.store(1, Ordering::Relaxed));
}

#[test]
fn a_worker_with_every_stack_in_use_queues_its_jobs() {
    // One stack beyond the first: two natives may wait at once, and a third job waits in the queue until one of them is done.
    let scheduler = start(Config { workers: 1, stacks_max: 1, ..Config::default() });
    let (first, first_wait) = vega_scheduler::completion::<()>();
    let (second, second_wait) = vega_scheduler::completion::<()>();
    let waits = [first_wait, second_wait].map(|wait| begin(scheduler.remote(), move |_| wait.wait(None).is_ok()));
    let third = begin(scheduler.remote(), |worker| worker.index());
    while scheduler.statistics().workers[0].runners_parked < 2 {
        std::thread::yield_now();
    }
    assert!(third.try_recv().is_err(), "there is no stack for the third job");
    first.complete(());
    assert!(receive(&waits[0]));
    assert_eq!(receive(&third), 0);
    second.complete(());
    assert!(receive(&waits[1]));
}

#[test]
fn a_message_reaches_the_worker_it_is_for() {
    let scheduler = with_workers(2);
    for index in 0..2 {
        let (sender, receiver) = channel();
        scheduler.remote().post(index, Box::new(move |worker| sender.send((worker.index(), worker.local().get())).unwrap()));
        assert_eq!(receive(&receiver), (index, index as u64));
    }
}

#[test]
fn an_epoch_passes_although_the_other_worker_sleeps() {
    let scheduler = with_workers(2);
    let epoch = run(scheduler.remote(), |worker| {
        let epoch = worker.close_epoch();
        assert!(!worker.epoch_passed(epoch), "this slice began before");
        epoch
    });
    let (sender, receiver) = channel();
    let job = Job::new(1, move |worker| {
        if worker.epoch_passed(epoch) {
            sender.send(()).unwrap();
            return After::End;
        }
        After::Again
    });
    scheduler.remote().push(job, Priority::Normal);
    receive(&receiver);
}

#[test]
fn the_lengths_of_slices_are_recorded_when_asked_for() {
    let scheduler = start(Config { workers: 1, records_slices: true, ..Config::default() });
    let slices: Vec<_> = (0..10).map(|_| begin(scheduler.remote(), |_| std::thread::yield_now())).collect();
    slices.iter().for_each(receive);
    run(scheduler.remote(), |_| std::thread::sleep(std::time::Duration::from_millis(2)));
    // The last slice may be about to be recorded; a further one is after it.
    run(scheduler.remote(), |_| ());
    let statistics = scheduler.statistics();
    let recorded = statistics.workers[0].slice_nanos.as_ref().unwrap();
    assert!(recorded.len() >= 10, "{}", recorded.len());
    assert!(recorded.max() >= 2_000_000, "long ones are not cut: {}", recorded.max());
    assert!(with_workers(1).statistics().workers[0].slice_nanos.is_none());
}

/// Every push finds the workers asleep or falling asleep. A lost wake-up would let the test run out of patience.
#[test]
fn nothing_is_lost_while_workers_fall_asleep_and_wake() {
    let scheduler = with_workers(3);
    for round in 0..5_000 {
        let inner = scheduler.remote().clone();
        // From outside, then from a worker to another one through a native that waits.
        let answer = run(scheduler.remote(), move |worker| {
            let (completer, wait) = vega_scheduler::completion();
            if round % 2 == 0 {
                inner.push(Job::once(1, move |_| completer.complete(round)), Priority::Normal);
            } else {
                let target = (worker.index() + 1) % 3;
                inner.post(target, Box::new(move |_| completer.complete(round)));
            }
            wait.wait(None).unwrap()
        });
        assert_eq!(answer, round);
    }
}
