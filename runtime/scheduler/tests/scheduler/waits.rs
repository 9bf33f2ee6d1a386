//! Sleeping, lanes, completions, cancelling.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use vega_scheduler::{
    Instant, Lane, Priority, Worker, completion, is_killed, now, offload, offload_until, sleep, sleep_until, yield_now,
};

use crate::support::{Closures, Job, PATIENCE, begin, receive, run, with_workers};

#[test]
fn while_one_native_sleeps_others_run_on_the_same_thread() {
    let scheduler = with_workers(1);
    let (completer, wait) = completion::<u32>();
    let waiting = begin(scheduler.remote(), move |_| wait.wait(None).unwrap());
    // The second job runs on the only worker and ends the first one's wait.
    run(scheduler.remote(), move |_| completer.complete(5));
    assert_eq!(receive(&waiting), 5);
}

#[test]
fn a_sleep_never_ends_early() {
    let scheduler = with_workers(1);
    let early = run(scheduler.remote(), |_| {
        (0..20_u64).any(|step| {
            let moment = now() + Duration::from_micros(step * 37);
            sleep_until(moment).unwrap();
            now() < moment
        })
    });
    assert!(!early);
}

#[test]
fn a_thousand_natives_sleep_at_once_on_one_worker() {
    let scheduler = with_workers(1);
    let sleeps: Vec<_> = (0..1_000).map(|_| begin(scheduler.remote(), |_| sleep(Duration::from_millis(20)).is_ok())).collect();
    assert!(sleeps.iter().all(receive));
}

#[test]
fn offloaded_work_runs_on_another_thread_and_returns_its_result() {
    let scheduler = with_workers(1);
    let (inside, outside) = run(scheduler.remote(), |_| {
        let name = || std::thread::current().name().unwrap_or_default().to_owned();
        (offload(Lane::Files, name).unwrap(), name())
    });
    assert!(inside.starts_with("vega-files"), "{inside}");
    assert!(outside.starts_with("vega-worker"), "{outside}");
}

#[test]
fn a_panic_in_offloaded_work_goes_on_in_its_caller() {
    let scheduler = with_workers(1);
    let caught = run(scheduler.remote(), |_| {
        std::panic::catch_unwind(|| offload(Lane::Cpu, || std::panic::resume_unwind(Box::new(42_u8))).map(|(): ()| ()))
            .map_err(|payload| *payload.downcast::<u8>().unwrap())
    });
    assert_eq!(caught.unwrap_err(), 42);
}

#[test]
fn a_lane_that_hangs_delays_no_other_lane() {
    let scheduler = with_workers(1);
    let release = Arc::new(Barrier::new(5));
    let hung: Vec<_> = (0..4)
        .map(|_| {
            let release = Arc::clone(&release);
            begin(scheduler.remote(), move |_| offload(Lane::Files, move || release.wait()).is_ok())
        })
        .collect();
    for lane in [Lane::Dns, Lane::Database, Lane::Cpu] {
        assert_eq!(run(scheduler.remote(), move |_| offload(lane, || 1).unwrap()), 1, "{lane:?}");
    }
    release.wait();
    assert!(hung.iter().all(receive));
    // A call is counted just after its result is handed over.
    let give_up = Instant::real() + PATIENCE;
    while scheduler.statistics().lanes.iter().map(|lane| lane.finished).sum::<u64>() < 7 {
        assert!(Instant::real() < give_up, "{:?}", scheduler.statistics().lanes);
        std::thread::yield_now();
    }
}

#[test]
fn an_offload_that_takes_too_long_is_given_up() {
    let scheduler = with_workers(1);
    let (release, wait) = completion::<()>();
    let error = run(scheduler.remote(), move |_| {
        offload_until(Lane::Dns, Some(now() + Duration::from_millis(5)), move || wait.wait(None)).unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    release.complete(());
}

#[test]
fn a_cancelled_native_fails_at_its_wait_and_at_every_later_one() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    let ended = begin(scheduler.remote(), move |worker| {
        let native = worker.enter_native();
        sender.send(native.token()).unwrap();
        let first = sleep_until(Instant::NEVER).unwrap_err();
        let second = sleep(Duration::ZERO).unwrap_err();
        let third = offload(Lane::Files, || ()).unwrap_err();
        drop(native);
        // The next native on this runner is another one.
        let _native = worker.enter_native();
        sleep(Duration::ZERO).unwrap();
        [first, second, third].iter().all(is_killed)
    });
    scheduler.remote().cancel_native(receive(&receiver));
    assert!(receive(&ended));
}

#[test]
fn a_token_cancels_nothing_once_its_native_is_over() {
    let scheduler = with_workers(1);
    let ended = run(scheduler.remote(), |worker| {
        let token = worker.enter_native().token();
        let _native = worker.enter_native();
        worker.cancel_native(token);
        yield_now()
    });
    ended.unwrap();
}

#[test]
fn a_cancelled_native_that_ignores_the_error_is_unwound() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    let ended = begin(scheduler.remote(), move |worker| {
        let native = worker.enter_native();
        sender.send(native.token()).unwrap();
        let unwound = std::panic::catch_unwind(|| {
            loop {
                let _ = sleep_until(Instant::NEVER);
            }
        });
        unwound.is_err()
    });
    scheduler.remote().cancel_native(receive(&receiver));
    assert!(receive(&ended));
}

#[test]
fn a_native_that_unwinds_does_not_wait() {
    struct WaitsInDrop(std::sync::mpsc::Sender<bool>);
    impl Drop for WaitsInDrop {
        fn drop(&mut self) {
            self.0.send(sleep(Duration::from_secs(60)).is_err_and(|error| is_killed(&error))).unwrap();
        }
    }
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    let job = Job::once(1, move |_| {
        let _waits = WaitsInDrop(sender);
        std::panic::resume_unwind(Box::new("the native panics"));
    });
    scheduler.remote().push(job, Priority::Normal);
    assert!(receive(&receiver));
    assert_eq!(run(scheduler.remote(), |_| 1), 1);
}

#[test]
fn a_callback_of_the_worker_must_not_wait() {
    let scheduler = with_workers(1);
    let (sender, receiver) = channel();
    scheduler.remote().post(0, Box::new(move |_| sender.send(sleep(Duration::from_secs(60))).unwrap()));
    assert_eq!(receive(&receiver).unwrap_err().kind(), io::ErrorKind::Unsupported);
}

#[test]
fn off_a_worker_the_same_calls_block_the_thread() {
    let before = now();
    sleep(Duration::from_millis(2)).unwrap();
    assert!(now().since(before) >= Duration::from_millis(2));
    assert_eq!(offload(Lane::Files, || 3).unwrap(), 3);
}

#[test]
fn the_host_is_told_whenever_a_slice_is_suspended_and_goes_on() {
    let scheduler = with_workers(1);
    let (completer, wait) = completion::<()>();
    let (sender, receiver) = channel();
    let waits = sender.clone();
    let waiting = Job::once(5, move |_| {
        waits.send(()).unwrap();
        wait.wait(None).unwrap();
        waits.send(()).unwrap();
    });
    scheduler.remote().push(waiting, Priority::Normal);
    receive(&receiver);
    let completing = Job::once(6, move |_| completer.complete(()));
    scheduler.remote().push(completing, Priority::Normal);
    receive(&receiver);
    assert_eq!(*scheduler.host().switches.lock().unwrap(), [(5, false), (5, true)]);
}

#[test]
fn code_without_a_worker_at_hand_finds_the_one_it_is_on() {
    let (scheduler, other) = (with_workers(1), with_workers(1));
    let foreign = other.remote().clone();
    let found = run(scheduler.remote(), move |worker| {
        Worker::<Closures>::with_current(|current| {
            let current = current.unwrap();
            std::ptr::eq(current, worker) && current.belongs_to(worker.remote()) && !current.belongs_to(&foreign)
        })
    });
    assert!(found);
    assert!(Worker::<Closures>::with_current(|current| current.is_none()));
}
