//! A scheduler leaves no descriptor, thread or mapping behind. Alone in its binary, since it counts those of the process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::any::Any;
use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vega_scheduler::io::{TcpListener, TcpStream};
use vega_scheduler::{
    Clock, Completer, Completion, Config, Host, Instant, Lane, Priority, Scheduler, Worker, completion, offload, sleep_until,
};

type Work = Box<dyn FnOnce(&Worker<Once>) + Send>;

/// Jobs that run once.
struct Once;

impl Host for Once {
    type Job = Box<Work>;
    type Timer = ();
    type Post = ();
    type Local = ();

    fn local(&self, _worker_index: usize) {}

    fn token(&self, _job: &Box<Work>) -> u64 {
        0
    }

    fn run(&self, job: Box<Work>, worker: &Worker<Once>) -> u32 {
        job(worker);
        0
    }

    fn timer_fired(&self, (): (), _worker: &Worker<Once>) {}

    fn posted(&self, (): (), _worker: &Worker<Once>) {}

    fn panicked(&self, _token: Option<u64>, payload: Box<dyn Any + Send>, _worker: &Worker<Once>) {
        std::panic::resume_unwind(payload);
    }

    fn overflowed(&self, _token: u64, _worker: &Worker<Once>) {}
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// What each native of the test keeps on its stack.
const FRAME_BYTES: usize = 96 * 1024;

/// Waits with so much of the native stack in use.
#[inline(never)]
fn wait_deep(release: Completion<()>) {
    let mut frame = [1_u8; FRAME_BYTES];
    std::hint::black_box(&mut frame);
    release.wait(None).unwrap();
    std::hint::black_box(&frame);
}

/// Counts of what a process may leak.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    mappings: usize,
}

fn held() -> Held {
    Held {
        descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        threads: fs::read_dir("/proc/self/task").unwrap().count(),
        mappings: fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
    }
}

fn push(scheduler: &Scheduler<Once>, started: &Sender<()>, work: impl FnOnce() + Send + 'static) {
    let started = started.clone();
    let job: Work = Box::new(move |_| {
        started.send(()).unwrap();
        work();
    });
    scheduler.remote().push(Box::new(job), Priority::Normal);
}

/// Uses everything a scheduler has and drops it with natives that still wait.
fn one_life(clock: Clock) {
    let scheduler = Scheduler::start(Config { workers: 2, clock, ..Config::default() }, Arc::new(Once)).unwrap();
    let (started, has_started) = channel();
    for _ in 0..70 {
        push(&scheduler, &started, || assert!(sleep_until(Instant::NEVER).is_err()));
    }
    push(&scheduler, &started, || {
        for lane in [Lane::Files, Lane::Dns, Lane::Database, Lane::Commands, Lane::Cpu] {
            // The scheduler may be gone before the last of them has begun.
            let _ = offload(lane, || ());
        }
    });
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    push(&scheduler, &started, move || {
        if let Ok((mut stream, _)) = listener.accept(None) {
            // One byte comes; the second read still waits when the scheduler ends.
            let _ = stream.read(&mut [0; 2]).and_then(|_| stream.read(&mut [0; 2]));
        }
    });
    let (connected, has_connected) = channel();
    push(&scheduler, &started, move || {
        let mut stream = TcpStream::connect(address, None).unwrap();
        stream.write_all(&[1]).unwrap();
        // The stream outlives its scheduler.
        connected.send(stream).unwrap();
    });
    (0..73).for_each(|_| has_started.recv_timeout(Duration::from_secs(20)).unwrap());
    let stream = has_connected.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(scheduler.shutdown().abandoned_threads, 0);
    drop(stream);
}

/// Both tests measure the process, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn an_idle_scheduler_gives_the_memory_of_stacks_back_and_does_not_spin() {
    const NATIVES: usize = 1_000;
    let _alone = ALONE.lock().unwrap();
    let scheduler = Scheduler::start(Config { workers: 2, ..Config::default() }, Arc::new(Once)).unwrap();
    let before = resident_bytes();
    let (started, has_started) = channel();
    let releases: Vec<Completer<()>> = (0..NATIVES)
        .map(|_| {
            let (completer, completion) = completion();
            push(&scheduler, &started, move || wait_deep(completion));
            completer
        })
        .collect();
    (0..NATIVES).for_each(|_| has_started.recv_timeout(Duration::from_secs(20)).unwrap());
    let give_up = Instant::real() + Duration::from_secs(20);
    while scheduler.statistics().workers.iter().map(|worker| worker.runners_parked).sum::<u64>() < NATIVES as u64 {
        assert!(Instant::real() < give_up, "{:?}", scheduler.statistics());
        std::thread::yield_now();
    }
    let while_waiting = resident_bytes();
    assert!(while_waiting > before + NATIVES * FRAME_BYTES, "each native uses its stack");
    releases.into_iter().for_each(|release| release.complete(()));
    while resident_bytes() > before + (while_waiting - before) / 5 {
        assert!(Instant::real() < give_up, "before {before}, waiting {while_waiting}, idle {}", resident_bytes());
        std::thread::yield_now();
    }
    let sleeps = || scheduler.statistics().workers.iter().map(|worker| worker.sleeps).sum::<u64>();
    // Trimming ends with the memory that is given back; from then on nothing wakes an idle worker.
    let mut last = sleeps();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        if last == std::mem::replace(&mut last, sleeps()) {
            break;
        }
        assert!(Instant::real() < give_up, "an idle worker keeps waking up");
    }
}

#[test]
fn fifty_lives_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap();
    // The first ones fill what the process keeps anyway: the allocator's arenas, the handler's previous actions.
    (0..10).for_each(|_| one_life(Clock::Real));
    one_life(Clock::Virtual { seed: 1 });
    let before = held();
    (0..50).for_each(|_| one_life(Clock::Real));
    one_life(Clock::Virtual { seed: 1 });
    // A joined thread stays listed for a moment until the system has taken it away.
    let give_up = Instant::real() + Duration::from_secs(20);
    while held().threads > before.threads && Instant::real() < give_up {
        std::thread::yield_now();
    }
    let after = held();
    assert_eq!(after.descriptors, before.descriptors, "{before:?} {after:?}");
    assert!(after.threads <= before.threads, "{before:?} {after:?}");
    // The allocator may map an arena or two more; fifty lives of stacks, alternate stacks and slabs would be hundreds.
    assert!(after.mappings <= before.mappings + 10, "{before:?} {after:?}");
}
