//! Deadlines, lateness, virtual time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vega_scheduler::{Clock, Config, Instant, Lane, Priority, Scheduler, now, offload, sleep};

use crate::support::{After, Callback, Closures, Job, begin, receive, run, start, with_workers};

fn virtual_time(seed: u64) -> Scheduler<Closures> {
    start(Config { clock: Clock::Virtual { seed }, ..Config::default() })
}

#[test]
fn a_cancelled_timer_does_not_fire() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        let soon = now() + Duration::from_millis(1);
        let cancelled = sender.clone();
        let handle = worker.add_timer(soon, Box::new(move |_| cancelled.send("cancelled").unwrap()));
        worker.add_timer(soon + Duration::from_millis(1), Box::new(move |_| sender.send("kept").unwrap()));
        assert!(worker.cancel_timer(handle));
        assert!(!worker.cancel_timer(handle));
    });
    assert_eq!(receive(&receiver), "kept");
}

#[test]
fn another_workers_timer_is_cancelled_by_message() {
    let scheduler = with_workers(2);
    let (sender, receiver) = channel();
    scheduler.remote().post(
        0,
        Box::new(move |worker| {
            let never = now() + Duration::from_secs(3_600);
            // Dropping the timer drops what it captured, and so closes the channel.
            let handle = worker.add_timer(never, Box::new(move |_| sender.send(()).unwrap()));
            let cancel: Callback = Box::new(move |worker| {
                assert!(!worker.cancel_timer(handle));
                // The other worker sees it when it is awake for something else.
                worker.remote().post(0, Box::new(|_| ()));
            });
            worker.remote().post(1, cancel);
        }),
    );
    let dropped = receiver.recv_timeout(crate::support::PATIENCE).unwrap_err();
    assert_eq!(dropped, std::sync::mpsc::RecvTimeoutError::Disconnected);
}

/// Under load lateness is counted in slices, since wall time depends on what else the machine does.
#[test]
fn beside_endless_full_slices_a_timer_fires_within_two_of_them() {
    let scheduler = with_workers(1);
    let slices = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicU64::new(0));
    let late = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = channel();
    for number in 0..2 {
        let (slices, stop) = (Arc::clone(&slices), Arc::clone(&stop));
        let due = Arc::new(AtomicU64::new(u64::MAX));
        let (late, sender) = (Arc::clone(&late), sender.clone());
        let busy = Job::new(number, move |worker| {
            let slice = slices.fetch_add(1, Ordering::Relaxed);
            // A timer for the present tick, so the next look at the clock finds it due.
            if number == 0 && due.load(Ordering::Relaxed) == u64::MAX {
                due.store(slice, Ordering::Relaxed);
                let (slices, due, late, sender) = (Arc::clone(&slices), Arc::clone(&due), Arc::clone(&late), sender.clone());
                let past = Instant::from_nanos(worker.now().as_nanos() - 1_000_000);
                worker.add_timer(
                    past,
                    Box::new(move |_| {
                        let mut late = late.lock().unwrap();
                        late.push(slices.load(Ordering::Relaxed) - due.swap(u64::MAX, Ordering::Relaxed));
                        if late.len() == 500 {
                            sender.send(()).unwrap();
                        }
                    }),
                );
            }
            if stop.load(Ordering::Relaxed) == 1 { After::End } else { After::Again }
        });
        scheduler.remote().push(busy, Priority::Normal);
    }
    receive(&receiver);
    stop.store(1, Ordering::Relaxed);
    let latest = late.lock().unwrap().iter().copied().max();
    assert!(latest <= Some(2), "a timer waited for {latest:?} slices");
}

/// The least of many, since the others show what else the machine does. A poll in milliseconds would be late by 0.7 ms each time.
#[test]
fn an_idle_worker_wakes_within_a_fraction_of_a_millisecond_of_a_deadline() {
    let scheduler = with_workers(1);
    let least = run(scheduler.remote(), |_| {
        let nap = || {
            let moment = now() + Duration::from_micros(1_300);
            vega_scheduler::sleep_until(moment).unwrap();
            now().since(moment)
        };
        (0..101).map(|_| nap()).min()
    });
    assert!(least < Some(Duration::from_micros(400)), "{least:?}");
}

/// Deadlines that come while the worker looks at its sockets: each must end a sleep, or the test runs out of patience.
#[test]
fn no_deadline_is_missed_between_a_look_at_the_clock_and_a_sleep() {
    let scheduler = with_workers(2);
    let sleepers: Vec<_> = (0..20_u64)
        .map(|number| {
            begin(scheduler.remote(), move |_| {
                (0..200).all(|step| sleep(Duration::from_micros(50 + (number * 37 + step * 11) % 400)).is_ok())
            })
        })
        .collect();
    assert!(sleepers.iter().all(receive));
}

#[test]
fn virtual_time_moves_only_to_deadlines_and_needs_no_real_time() {
    let scheduler = virtual_time(0);
    let elapsed = run(scheduler.remote(), |_| {
        let before = now();
        sleep(Duration::from_secs(86_400 * 365)).unwrap();
        sleep(Duration::from_nanos(3)).unwrap();
        now().since(before)
    });
    assert_eq!(elapsed, Duration::from_secs(86_400 * 365) + Duration::from_nanos(3));
}

#[test]
fn virtual_timers_fire_by_deadline_then_order_then_addition() {
    let scheduler = virtual_time(0);
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        for (millis, order, name) in [(2, 5, "d"), (2, 1, "b"), (1, 9, "a"), (2, 1, "c"), (3, 0, "e")] {
            let sender = sender.clone();
            worker.add_timer_ordered(at(millis), order, Box::new(move |_| sender.send(name).unwrap()));
        }
    });
    let order: String = (0..5).map(|_| receive(&receiver)).collect();
    assert_eq!(order, "abcde");
}

#[test]
fn virtual_time_stands_still_while_a_lane_works_and_while_it_is_held() {
    let scheduler = virtual_time(0);
    let (sender, receiver) = channel();
    let hold = scheduler.remote().hold_clock();
    let slept = begin(scheduler.remote(), move |_| {
        offload(Lane::Files, || std::thread::sleep(Duration::from_millis(2))).unwrap();
        sender.send(now()).unwrap();
        sleep(Duration::from_millis(1)).unwrap();
        now()
    });
    assert_eq!(receive(&receiver), Instant::from_nanos(0));
    assert_eq!(run(scheduler.remote(), |_| now()), Instant::from_nanos(0), "the clock is held");
    drop(hold);
    assert_eq!(receive(&slept), Instant::from_nanos(1_000_000));
}

/// The order in which ten jobs run whose pushes come from one slice.
fn order(seed: u64) -> Vec<u64> {
    let scheduler = virtual_time(seed);
    let (sender, receiver) = channel();
    run(scheduler.remote(), move |worker| {
        for number in 0..10 {
            let sender = sender.clone();
            worker.push(Job::once(number, move |_| sender.send(number).unwrap()), Priority::Normal);
        }
    });
    (0..10).map(|_| receive(&receiver)).collect()
}

#[test]
fn a_seed_permutes_the_order_of_jobs_and_the_same_seed_gives_the_same_order() {
    assert_eq!(order(0), (0..10).collect::<Vec<_>>());
    assert_eq!(order(7), order(7));
    assert_ne!(order(7), order(0));
    assert_ne!(order(7), order(8));
}

#[test]
fn the_host_is_told_when_nothing_will_ever_happen_again() {
    let scheduler = virtual_time(0);
    let (sender, receiver) = channel();
    *scheduler.host().on_stall.lock().unwrap() = Some(sender);
    let (completer, wait) = vega_scheduler::completion::<u8>();
    let waiting = begin(scheduler.remote(), move |_| wait.wait(None).unwrap());
    receive(&receiver);
    completer.complete(1);
    assert_eq!(receive(&waiting), 1);
}
