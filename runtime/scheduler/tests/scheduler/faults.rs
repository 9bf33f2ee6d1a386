//! Panics and native stack overflows end one slice, never the worker.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::{Receiver, channel};

use vega_scheduler::{Priority, Scheduler, sleep};

use crate::support::{Closures, Job, receive, run, with_workers};

fn faults(scheduler: &Scheduler<Closures>) -> Receiver<()> {
    let (sender, receiver) = channel();
    *scheduler.host().on_fault.lock().unwrap() = Some(sender);
    receiver
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "it is there to overflow the stack")]
fn overflow(depth: usize) -> usize {
    let frame = black_box([depth; 64]);
    overflow(depth + 1) + black_box(frame)[depth % 64]
}

#[test]
fn a_panic_is_told_with_the_jobs_token_and_the_worker_goes_on() {
    let scheduler = with_workers(1);
    let faults = faults(&scheduler);
    for number in 1..=3 {
        let job = Job::once(number, |_| std::panic::resume_unwind(Box::new("on purpose")));
        scheduler.remote().push(job, Priority::Normal);
        receive(&faults);
    }
    let expected: Vec<_> = (1..=3).map(|number| (Some(number), "on purpose".to_owned())).collect();
    assert_eq!(*scheduler.host().panics.lock().unwrap(), expected);
    assert_eq!(run(scheduler.remote(), |_| 7), 7);
}

#[test]
fn a_panic_in_a_callback_is_told_without_a_token() {
    let scheduler = with_workers(1);
    let faults = faults(&scheduler);
    scheduler.remote().post(0, Box::new(|_| std::panic::resume_unwind(Box::new("in a callback"))));
    receive(&faults);
    assert_eq!(*scheduler.host().panics.lock().unwrap(), [(None, "in a callback".to_owned())]);
    assert_eq!(run(scheduler.remote(), |_| 7), 7);
}

#[test]
fn an_overflow_of_the_native_stack_ends_its_slice_alone() {
    let scheduler = with_workers(1);
    let faults = faults(&scheduler);
    // A native that waits over all of it, on another runner of the same worker.
    let (completer, wait) = vega_scheduler::completion::<u8>();
    let waiting = crate::support::begin(scheduler.remote(), move |_| wait.wait(None).unwrap());
    for number in 1..=5 {
        scheduler.remote().push(Job::once(number, |_| assert_ne!(overflow(0), 0)), Priority::Normal);
        receive(&faults);
    }
    assert_eq!(*scheduler.host().overflows.lock().unwrap(), [1, 2, 3, 4, 5]);
    completer.complete(9);
    assert_eq!(receive(&waiting), 9);
    let overflows: u64 = scheduler.statistics().workers.iter().map(|worker| worker.overflows).sum();
    assert_eq!(overflows, 5);
}

#[test]
fn an_overflow_in_a_native_that_waited_before_is_survived() {
    let scheduler = with_workers(2);
    let faults = faults(&scheduler);
    for number in 0..20 {
        let job = Job::once(number, |worker| {
            let _native = worker.enter_native();
            sleep(std::time::Duration::from_micros(200)).unwrap();
            assert_ne!(overflow(0), 0);
        });
        scheduler.remote().push(job, Priority::Normal);
    }
    (0..20).for_each(|_| receive(&faults));
    assert_eq!(run(scheduler.remote(), |_| 7), 7);
}

/// Uses most of the stack, then tries to wait at the bottom of it.
#[inline(never)]
fn sleep_deep(bytes_left: usize) -> std::io::Result<()> {
    let frame = black_box([0_u8; 1024]);
    let slept = if bytes_left < 2048 { sleep(std::time::Duration::ZERO) } else { sleep_deep(bytes_left - frame.len()) };
    black_box(frame);
    slept
}

#[test]
fn a_wait_with_the_stack_nearly_used_up_is_an_error() {
    let scheduler = with_workers(1);
    let outcomes = run(scheduler.remote(), |_| {
        // Deeper and deeper until a wait is refused, which comes before the overflow.
        (0..).map(|step| sleep_deep(step * 4096)).find(Result::is_err).unwrap()
    });
    assert_eq!(outcomes.unwrap_err().kind(), std::io::ErrorKind::OutOfMemory);
    assert!(scheduler.host().overflows.lock().unwrap().is_empty());
}

/// Set in a child process that this test binary starts of itself, to the fault it is to commit.
const FAULT: &str = "SCHEDULER_TEST_FAULT";

/// In the child: commits the fault. In an ordinary run: nothing.
#[test]
fn commits_a_fault_if_asked_to() {
    let Ok(fault) = std::env::var(FAULT) else { return };
    let scheduler = with_workers(1);
    assert_eq!(run(scheduler.remote(), |_| 1), 1);
    match fault.as_str() {
        "overflow elsewhere" => assert_ne!(overflow(0), 0),
        _ => run(scheduler.remote(), |_| {
            // SAFETY: there is none. The test asserts that the process ends by it.
            unsafe { black_box(std::ptr::without_provenance_mut::<u8>(8)).write_volatile(1) }
        }),
    }
}

fn end_of_child(fault: &str) -> (Option<i32>, String) {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::commits_a_fault_if_asked_to", "--nocapture"])
        .env(FAULT, fault)
        .output()
        .unwrap();
    (child.status.signal(), String::from_utf8_lossy(&child.stderr).into_owned())
}

#[test]
fn a_fault_that_is_no_overflow_of_a_runner_is_passed_on() {
    let (signal, _) = end_of_child("invalid write on a runner");
    assert_eq!(signal, Some(libc::SIGSEGV));
    // The standard library's own handler still speaks for the other threads.
    let (signal, text) = end_of_child("overflow elsewhere");
    assert_eq!(signal, Some(libc::SIGABRT));
    assert!(text.contains("overflowed its stack"), "{text}");
}
