//! Prints what the scheduler's operations cost: CPU time of the worker's thread for each, the least of several rounds.
//!
//! Run it with `cargo run --release -p vega-scheduler --example costs`.

use std::any::Any;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use vega_scheduler::{
    Completer, Config, Host, Lane, Priority, Scheduler, Worker, completion, now, offload, sleep, sleep_until, yield_now,
};

const ROUNDS: usize = 7;

type Measurement = Box<dyn FnOnce(&Worker<Costs>) + Send>;

/// What a job does in its slice.
enum Job {
    /// Ends at once.
    Trivial,
    /// Pushes itself again until it has run so often.
    Again { left: u32 },
    /// A measurement, which runs on a runner of its own.
    Measure(Measurement),
}

/// Jobs that cost nothing themselves.
struct Costs;

/// Jobs of the measurement under way that have not ended.
#[derive(Default)]
struct Left {
    jobs: Cell<u32>,
    /// Told when there are none.
    ended: Cell<Option<Completer<()>>>,
    /// Endless jobs end.
    stop: Cell<bool>,
}

impl Host for Costs {
    type Job = Box<Job>;
    type Timer = ();
    type Post = ();
    type Local = Left;

    fn local(&self, _worker_index: usize) -> Left {
        Left::default()
    }

    fn token(&self, job: &Box<Job>) -> u64 {
        std::ptr::from_ref(&**job).addr() as u64
    }

    fn run(&self, mut job: Box<Job>, worker: &Worker<Costs>) -> u32 {
        match &mut *job {
            Job::Again { left } if *left > 0 => {
                *left -= 1;
                worker.push(job, Priority::Normal);
                return 100;
            }
            Job::Trivial | Job::Again { .. } => {}
            Job::Measure(_) => {
                if let Job::Measure(measure) = *job {
                    measure(worker);
                }
                return 0;
            }
        }
        let local = worker.local();
        local.jobs.set(local.jobs.get().wrapping_sub(1));
        if local.jobs.get() == 0
            && let Some(ended) = local.ended.take()
        {
            ended.complete(());
        }
        100
    }

    fn timer_fired(&self, (): (), _worker: &Worker<Costs>) {}

    fn posted(&self, (): (), _worker: &Worker<Costs>) {}

    fn panicked(&self, _token: Option<u64>, payload: Box<dyn Any + Send>, _worker: &Worker<Costs>) {
        std::panic::resume_unwind(payload);
    }

    fn overflowed(&self, _token: u64, _worker: &Worker<Costs>) {}
}

/// CPU time of the calling thread.
fn thread_nanos() -> u64 {
    cpu_nanos(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time of the process.
fn process_nanos() -> u64 {
    cpu_nanos(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_nanos(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Runs the measurement on the worker several times and prints the least result.
fn report(scheduler: &Scheduler<Costs>, name: &str, measure: impl Fn(&Worker<Costs>) -> f64 + Send + Clone + 'static) {
    // One after the other: while a measurement waits, the worker would run the next one.
    let round = |_| {
        let (measure, (sender, receiver)) = (measure.clone(), channel());
        let job = Job::Measure(Box::new(move |worker| {
            let _ = sender.send(measure(worker));
        }));
        scheduler.remote().push(Box::new(job), Priority::Normal);
        receiver.recv().expect("the measurement ends")
    };
    let least = (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min);
    println!("{name:<64} {least:>10.1}");
}

/// Nanoseconds for each of `count` when the jobs are all pushed and then run, while this slice waits.
fn run_all(worker: &Worker<Costs>, jobs: u32, job: impl Fn() -> Job, count: u64) -> f64 {
    let (completer, completion) = completion();
    worker.local().jobs.set(jobs);
    worker.local().ended.set(Some(completer));
    let before = thread_nanos();
    for _ in 0..jobs {
        worker.push(Box::new(job()), Priority::Normal);
    }
    completion.wait(None).expect("the jobs end");
    (thread_nanos() - before) as f64 / count as f64
}

fn per_call(count: u32, mut call: impl FnMut()) -> f64 {
    let before = thread_nanos();
    (0..count).for_each(|_| call());
    (thread_nanos() - before) as f64 / f64::from(count)
}

fn main() {
    let scheduler = Scheduler::start(Config { workers: 1, ..Config::default() }, Arc::new(Costs)).expect("it starts");
    println!("{:<64} {:>10}", "what, on one worker", "ns CPU");
    for jobs in [1_u32, 100, 1_000] {
        report(&scheduler, &format!("slice: take, run, push again; {jobs} jobs"), move |worker| {
            let each = 1_000_000 / jobs;
            run_all(worker, jobs, || Job::Again { left: each }, 1_000_000)
        });
    }
    report(&scheduler, "trivial job: allocate, push, run, free; bursts of 100", |worker| {
        let burst = || run_all(worker, 100, || Job::Trivial, 100);
        (0..1_000).map(|_| burst()).sum::<f64>() / 1_000.0
    });
    report(&scheduler, "native that does not wait: guard", |worker| {
        per_call(1_000_000, || {
            black_box(worker.enter_native().token());
        })
    });
    report(&scheduler, "native that waits: suspend, other runner, resume", |_| {
        per_call(100_000, || yield_now().expect("nobody cancels it"))
    });
    report(&scheduler, "timer: add and cancel", |worker| {
        let deadline = now() + Duration::from_secs(1);
        per_call(1_000_000, || {
            let handle = worker.add_timer(deadline, ());
            worker.cancel_timer(handle);
        })
    });
    report(&scheduler, "reading the clock", |_| {
        per_call(1_000_000, || {
            black_box(now());
        })
    });

    two_workers();

    println!("\n{:<64} {:>10}", "latencies, by the clock", "us");
    report(&scheduler, "offload to a lane and back, median of 1,001", |_| {
        median_micros(|| {
            let before = now();
            offload(Lane::Cpu, || ()).expect("nobody cancels it");
            now().since(before)
        })
    });
    report(&scheduler, "lateness of a sleep of 1 ms, idle, median of 1,001", |_| {
        median_micros(|| {
            let moment = now() + Duration::from_millis(1);
            sleep_until(moment).expect("nobody cancels it");
            now().since(moment)
        })
    });
    report(&scheduler, "the same beside 10 endless jobs of 5 us slices", |worker| {
        for _ in 0..10 {
            worker.push(Box::new(Job::Measure(Box::new(spin))), Priority::Normal);
        }
        let late = median_micros(|| {
            let moment = now() + Duration::from_millis(1);
            sleep_until(moment).expect("nobody cancels it");
            now().since(moment)
        });
        worker.local().stop.set(true);
        sleep(Duration::from_millis(1)).expect("nobody cancels it");
        worker.local().stop.set(false);
        late
    });
}

/// One worker makes jobs, and another one steals from it: CPU time of both.
fn two_workers() {
    let scheduler = Scheduler::start(Config { workers: 2, ..Config::default() }, Arc::new(Costs)).expect("it starts");
    const JOBS: u32 = 1_000_000;
    let before = process_nanos();
    let (sender, receiver) = channel();
    let spawner = Job::Measure(Box::new(move |worker| spawn_in_bursts(worker, JOBS, sender)));
    scheduler.remote().push(Box::new(spawner), Priority::Normal);
    receiver.recv().expect("the jobs are all made");
    let each = (process_nanos() - before) as f64 / f64::from(JOBS);
    println!("{:<64} {each:>10.1}", "trivial job made by one of two workers, CPU of both");
    for (number, worker) in scheduler.statistics().workers.iter().enumerate() {
        let (steals, wakes, sleeps) = (worker.steals, worker.wakes, worker.sleeps);
        println!("    worker {number}: {} slices, {steals} steals, {wakes} wakes, {sleeps} sleeps", worker.slices);
    }
}

/// Makes a hundred jobs in a slice, and comes again after them.
fn spawn_in_bursts(worker: &Worker<Costs>, left: u32, done: Sender<()>) {
    if left == 0 {
        let _ = done.send(());
        return;
    }
    worker.local().jobs.set(u32::MAX);
    for _ in 0..100 {
        worker.push(Box::new(Job::Trivial), Priority::Normal);
    }
    let again = Job::Measure(Box::new(move |worker| spawn_in_bursts(worker, left - 100, done)));
    worker.push(Box::new(again), Priority::Normal);
}

/// A slice of about 5 us that comes again until the measurement is over.
fn spin(worker: &Worker<Costs>) {
    let until = now() + Duration::from_micros(5);
    while now() < until {
        std::hint::spin_loop();
    }
    if !worker.local().stop.get() {
        worker.push(Box::new(Job::Measure(Box::new(spin))), Priority::Normal);
    }
}

fn median_micros(mut measure: impl FnMut() -> Duration) -> f64 {
    let mut all: Vec<Duration> = (0..1_001).map(|_| measure()).collect();
    all.sort_unstable();
    all[500].as_nanos() as f64 / 1_000.0
}
