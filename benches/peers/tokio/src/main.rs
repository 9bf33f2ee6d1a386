//! The questions of `vega bench` for tokio: `peer WHAT COUNT BATCH WORKERS`.
//!
//! Prints lines of a key and a number: `cpu` is nanoseconds of CPU time for the whole work, `bytes` is for one task. A task has no
//! mailbox, links or supervisor, and nothing preempts it: the nearest thing that a program would use stands in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// CPU time of the process so far, in nanoseconds.
fn cpu() -> i64 {
    // SAFETY: zeroes are a valid rusage, and the call writes to nothing else.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let nanoseconds = |time: libc::timeval| time.tv_sec * 1_000_000_000 + time.tv_usec * 1_000;
    nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap_or(0) * 1024
}

async fn spawn(count: usize, batch: usize) {
    let mut left = count;
    while left > 0 {
        let now = left.min(batch);
        let ended = Arc::new((AtomicUsize::new(now), Notify::new()));
        for _ in 0..now {
            let ended = Arc::clone(&ended);
            tokio::spawn(async move {
                if ended.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                    ended.1.notify_one();
                }
            });
        }
        ended.1.notified().await;
        left -= now;
    }
}

/// One done signal for each: tasks cannot be monitored, but joined.
async fn spawn_monitored(count: usize, batch: usize) {
    let mut left = count;
    let mut tasks = Vec::with_capacity(batch);
    while left > 0 {
        let now = left.min(batch);
        tasks.extend((0..now).map(|_| tokio::spawn(async {})));
        for task in tasks.drain(..) {
            task.await.expect("nothing panics");
        }
        left -= now;
    }
}

async fn idle(count: usize) {
    let before = resident();
    let mut mailboxes = Vec::with_capacity(count);
    let (here, mut is_here) = mpsc::unbounded_channel();
    for _ in 0..count {
        let (sender, mut mailbox) = mpsc::unbounded_channel::<usize>();
        mailboxes.push(sender);
        let here = here.clone();
        tokio::spawn(async move {
            here.send(()).expect("the receiver lives");
            drop(here);
            mailbox.recv().await
        });
        is_here.recv().await;
    }
    println!("bytes {}", (resident() - before) / count);
}

async fn ping_pong(count: usize) {
    let (there, mut at_there) = mpsc::unbounded_channel::<usize>();
    let (back, mut at_back) = mpsc::unbounded_channel::<usize>();
    tokio::spawn(async move {
        while let Some(n) = at_there.recv().await {
            back.send(n).expect("the receiver lives");
        }
    });
    for n in 0..count {
        there.send(n).expect("the receiver lives");
        at_back.recv().await;
    }
}

async fn ring(hops: usize) {
    let (around, mut is_around) = mpsc::unbounded_channel();
    let (head, mut from) = mpsc::unbounded_channel::<usize>();
    for number in 0..1000 {
        let (next, at_next) = mpsc::unbounded_channel();
        let to = if number < 999 { next } else { head.clone() };
        let around = around.clone();
        let mut at_own = std::mem::replace(&mut from, at_next);
        tokio::spawn(async move {
            while let Some(n) = at_own.recv().await {
                match n {
                    0 => around.send(()).expect("the receiver lives"),
                    n => to.send(n - 1).expect("the receiver lives"),
                }
            }
        });
    }
    head.send(hops).expect("the receiver lives");
    is_around.recv().await;
}

async fn fan_in(count: usize) {
    // As many messages as a mailbox of Vega takes.
    let (to, mut mailbox) = mpsc::channel(100_000);
    let each = count / 100;
    for number in 0..100 {
        let to = to.clone();
        let messages = if number == 99 { count - 99 * each } else { each };
        tokio::spawn(async move {
            for n in 0..messages {
                to.send(n).await.expect("the receiver lives");
            }
        });
    }
    for _ in 0..count {
        mailbox.recv().await;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok()).expect("a number");
    let (what, count, batch, workers) = (arguments[1].as_str(), number(2), number(3), number(4));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().expect("threads can be started");
    let before = cpu();
    // The work is a task like all others, on one of the workers.
    let what = what.to_owned();
    let work = runtime.spawn(async move {
        match what.as_str() {
            "spawn" => spawn(count, batch).await,
            "spawn-monitored" => spawn_monitored(count, batch).await,
            "idle" => idle(count).await,
            "ping-pong" => ping_pong(count).await,
            "ring" => ring(count).await,
            "fan-in" => fan_in(count).await,
            _ => std::process::exit(2),
        }
    });
    runtime.block_on(work).expect("nothing panics");
    println!("cpu {}", cpu() - before);
    // The tasks that still wait need not be dropped one by one.
    std::process::exit(0);
}
