//! Ending a scheduler with work left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use vega_scheduler::{Instant, Lane, Priority, ShutdownReport, is_killed, offload, sleep_until};

use crate::support::{After, Job, begin, receive, run, with_workers};

struct CountsDrops(Arc<AtomicUsize>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn natives_that_wait_are_killed_and_what_they_own_is_dropped() {
    const NATIVES: usize = 100;
    let scheduler = with_workers(2);
    let drops = Arc::new(AtomicUsize::new(0));
    let (started, all_started) = channel();
    let ended: Vec<_> = (0..NATIVES)
        .map(|_| {
            let (owned, started) = (CountsDrops(Arc::clone(&drops)), started.clone());
            begin(scheduler.remote(), move |_| {
                started.send(()).unwrap();
                let error = sleep_until(Instant::NEVER).unwrap_err();
                drop(owned);
                is_killed(&error)
            })
        })
        .collect();
    (0..NATIVES).for_each(|_| receive(&all_started));
    assert_eq!(scheduler.shutdown(), ShutdownReport { abandoned_threads: 0 });
    assert_eq!(drops.load(Ordering::Relaxed), NATIVES);
    assert!(ended.iter().all(receive));
}

#[test]
fn jobs_that_never_ran_and_jobs_that_run_for_ever_are_dropped() {
    let scheduler = with_workers(2);
    let drops = Arc::new(AtomicUsize::new(0));
    for number in 0..100 {
        let owned = CountsDrops(Arc::clone(&drops));
        let job = Job::new(number, move |_| {
            let _owned = &owned;
            After::Again
        });
        scheduler.remote().push(job, Priority::Low);
    }
    let remote = scheduler.remote().clone();
    drop(scheduler);
    assert_eq!(drops.load(Ordering::Relaxed), 100);
    let late = CountsDrops(Arc::clone(&drops));
    remote.push(Job::once(0, move |_| drop(late)), Priority::Normal);
    assert_eq!(drops.load(Ordering::Relaxed), 101, "a job that comes too late is dropped at once");
}

#[test]
fn a_native_that_ignores_being_killed_does_not_stop_the_shutdown() {
    let scheduler = with_workers(1);
    let drops = Arc::new(AtomicUsize::new(0));
    let (started, has_started) = channel();
    let owned = CountsDrops(Arc::clone(&drops));
    let job = Job::once(1, move |_| {
        let _owned = owned;
        started.send(()).unwrap();
        loop {
            let _ = sleep_until(Instant::NEVER);
        }
    });
    scheduler.remote().push(job, Priority::Normal);
    receive(&has_started);
    scheduler.shutdown();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_shutdown_while_a_lane_works_waits_for_it() {
    let scheduler = with_workers(1);
    let (started, has_started) = channel();
    let (done, is_done) = channel();
    // Ends when the shutdown reaches it.
    let (waits, is_shut_down) = channel();
    begin(scheduler.remote(), move |_| {
        waits.send(false).unwrap();
        let _killed = sleep_until(Instant::NEVER);
        waits.send(true).unwrap();
    });
    assert!(!receive(&is_shut_down));
    let killed = begin(scheduler.remote(), move |_| {
        offload(Lane::Database, move || {
            started.send(()).unwrap();
            assert!(receive(&is_shut_down), "the call works until the shutdown is under way");
            done.send(()).unwrap();
        })
    });
    receive(&has_started);
    assert_eq!(scheduler.shutdown(), ShutdownReport { abandoned_threads: 0 });
    assert!(is_killed(&receive(&killed).unwrap_err()));
    is_done.try_recv().expect("the call ended before the shutdown did");
}

#[test]
fn two_schedulers_run_side_by_side() {
    let (first, second) = (with_workers(1), with_workers(1));
    let remote = second.remote().clone();
    // A job of one waits for a job of the other, each on its own thread.
    let sum = run(first.remote(), move |_| {
        let (completer, wait) = vega_scheduler::completion();
        remote.push(Job::once(0, move |_| completer.complete(20)), Priority::Normal);
        wait.wait(None).unwrap() + 1
    });
    assert_eq!(sum, 21);
}
