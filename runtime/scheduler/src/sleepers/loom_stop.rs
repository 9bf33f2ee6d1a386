//! A shutdown beside workers that fall asleep: none may sleep on, whoever else searches.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

use super::*;

/// Whether the scheduler stops, and who sleeps.
struct World {
    sleepers: Sleepers,
    stopping: AtomicUsize,
}

/// One worker falls asleep while another searches and a third thread stops them all. `wake` wakes whoever must look again.
fn a_stop_beside_a_worker_that_parks(wake: fn(&Sleepers) -> [bool; 2]) {
    loom::model(move || {
        let world = Arc::new(World { sleepers: Sleepers::new(2), stopping: AtomicUsize::new(0) });
        assert!(world.sleepers.begin_search());
        let stopper = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.stopping.store(1, Ordering::Release);
                wake(&world.sleepers)
            }
        });
        let asleep = world.sleepers.park(0, false, || world.stopping.load(Ordering::Acquire) == 1).is_ok();
        let woken = stopper.join().expect("the stopper does not panic");
        assert!(!asleep || woken[0], "a worker sleeps through the shutdown");
    });
}

#[test]
fn loom_a_stop_reaches_every_worker() {
    a_stop_beside_a_worker_that_parks(|sleepers| [sleepers.notify(0), sleepers.notify(1)]);
}

#[test]
fn loom_the_model_catches_a_stop_that_leaves_it_to_a_searcher() {
    let broken = || {
        a_stop_beside_a_worker_that_parks(|sleepers| {
            let woken = sleepers.notify_one();
            [woken == Some(0), woken == Some(1)]
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(broken)).is_err(), "the model missed a worker that is never woken");
}
