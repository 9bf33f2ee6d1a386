//! How much memory and CPU a request costs while ten thousand of them wait for their answers.
//!
//! `cargo bench -p vega-net --bench in_flight -- [COUNT]` starts itself a second time as the server, which answers after one second.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vega_net::server::{Connections, Handler, Incoming, Reply, Server, ServerSettings};
use vega_net::{Client, ClientConfig, Request, Timeouts};
use vega_scheduler::{Config, Priority, Scheduler};

struct AfterOneSecond;

impl Handler for AfterOneSecond {
    fn handle(&self, _: Incoming, reply: &mut Reply<'_>) -> io::Result<()> {
        reply.pause(Duration::from_secs(1))?;
        reply.send(200, &[("content-type", "application/json")], &[b'x'; 300])
    }
}

fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to a struct of the right type that lives across the call.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

fn resident_bytes(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field exists");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<usize>().ok()).expect("a number of kB") * 1024
}

fn cpu_time() -> Duration {
    // SAFETY: a zeroed rusage is valid, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Duration::from_micros(micros(usage.ru_utime) + micros(usage.ru_stime))
}

fn main() {
    raise_descriptor_limit();
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "serve") {
        let settings = ServerSettings { address: ([127, 0, 0, 1], 0).into(), tls: None, workers: 1 };
        let server = Server::start(settings, Arc::new(AfterOneSecond)).expect("loopback is there");
        println!("{}", server.address());
        let mut line = String::new();
        // Serves until the client closes its end of the pipe.
        let _ended = io::stdin().read_line(&mut line);
        return;
    }
    let count: usize = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let mut server = std::process::Command::new(&arguments[0])
        .arg("serve")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("starts itself");
    let mut address = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(server.stdout.take().expect("piped")), &mut address).expect("says where");
    let url = format!("http://{}/v1/messages", address.trim());

    let scheduler = Scheduler::start(Config { workers: 2, ..Config::default() }, Arc::new(Connections)).expect("starts");
    let client = Client::new(ClientConfig::default()).expect("no certificates to read");
    let answered = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(AtomicUsize::new(0));
    let (done, finished) = std::sync::mpsc::channel();
    let before = resident_bytes("VmRSS");
    let (cpu, wall) = (cpu_time(), std::time::Instant::now());
    for _ in 0..count {
        let (client, url, answered, failed, done) = (client.clone(), url.clone(), answered.clone(), failed.clone(), done.clone());
        let work = move || {
            let request =
                Request { method: "POST", url, headers: Vec::new(), body: vec![b'p'; 2048], timeouts: Timeouts::default() };
            match client.send(request).and_then(|mut answer| answer.read_to_end(1 << 20)) {
                Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                Err(failure) => {
                    eprintln!("{failure}");
                    failed.fetch_add(1, Ordering::Relaxed)
                }
            };
            if answered.load(Ordering::Relaxed) + failed.load(Ordering::Relaxed) == count {
                // The main thread waits for this one message.
                let _gone = done.send(());
            }
        };
        scheduler.remote().push(Box::new(Box::new(work)), Priority::Normal);
    }
    finished.recv().expect("the last request says so");
    let (cpu, wall) = (cpu_time() - cpu, wall.elapsed());
    let peak = resident_bytes("VmHWM");
    println!(
        "{count} requests: {} answered, {} failed, {:.2} s wall, {:.1} us CPU and {:.1} KiB each at the peak",
        answered.load(Ordering::Relaxed),
        failed.load(Ordering::Relaxed),
        wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count as f64,
        (peak - before) as f64 / 1024.0 / count as f64,
    );
    drop(server.stdin.take());
    let _status = server.wait();
}
