//! What `vega run --stats` prints: what workers, lanes and processes did, and what is left at the end.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use vega_runtime::runtime::Shutdown;
use vega_scheduler::{LaneStatistics, WorkerStatistics};

use crate::arguments::StatsFormat;
use crate::console;

/// Prints the statistics of a run on standard error.
pub(super) fn print(shutdown: &Shutdown, format: StatsFormat) {
    let sockets = vega_scheduler::io::open_handles() as u64;
    console::complain(&match format {
        StatsFormat::Text => text(shutdown, sockets),
        StatsFormat::Json => format!("{}\n", json(shutdown, sockets)),
    });
}

/// What is left at the end, by name. All zero unless something is lost.
fn left(shutdown: &Shutdown, sockets: u64) -> [(&'static str, u64); 8] {
    let left = &shutdown.left;
    [
        ("processes", left.processes),
        ("stacks", left.stacks),
        ("bytes", left.bytes),
        ("timers", left.timers),
        ("calls", left.calls),
        ("reserved_pico", left.reserved_pico.unsigned_abs()),
        ("sockets", sockets),
        ("threads", left.threads),
    ]
}

fn text(shutdown: &Shutdown, sockets: u64) -> String {
    let statistics = &shutdown.statistics;
    let mut text = format!(
        "processes: {} started, {} ended by themselves, {} with the run\n",
        statistics.started,
        statistics.started.saturating_sub(statistics.alive),
        statistics.alive
    );
    for (index, worker) in statistics.scheduler.workers.iter().enumerate() {
        let _ = writeln!(
            text,
            "worker {index}: {} reductions in {} slices; {} steals, {} parks, {} wakes, {} timers, {} waits of natives",
            worker.reductions,
            worker.slices,
            worker.steals,
            worker.sleeps,
            worker.wakes,
            worker.timers_fired,
            worker.native_waits
        );
        if let Some(nanos) = &worker.slice_nanos {
            let _ = writeln!(text, "  slice   {}", times(nanos));
        }
        if let Some(lengths) = &worker.queue_lengths {
            let [p50, p99, max] = percentiles(lengths);
            let _ = writeln!(text, "  queue   p50 {p50}, p99 {p99}, longest {max}");
        }
    }
    if let Some(nanos) = &statistics.wait_nanos {
        let _ = writeln!(text, "from runnable to running: {}, of {} sampled turns", times(nanos), nanos.len());
    }
    for lane in statistics.scheduler.lanes.iter().filter(|lane| lane.finished > 0) {
        let _ = writeln!(text, "lane {}: {} calls", lane_name(lane), lane.finished);
    }
    let parts: Vec<String> = left(shutdown, sockets).iter().map(|(name, count)| format!("{count} {name}")).collect();
    let _ = writeln!(text, "left at the end: {}", parts.join(", "));
    text
}

fn json(shutdown: &Shutdown, sockets: u64) -> Value {
    let statistics = &shutdown.statistics;
    let left: serde_json::Map<String, Value> =
        left(shutdown, sockets).iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let lanes: Vec<Value> =
        statistics.scheduler.lanes.iter().map(|lane| json!({ "lane": lane_name(lane), "finished": lane.finished })).collect();
    json!({
        "processes": { "started": statistics.started, "with_the_run": statistics.alive },
        "workers": statistics.scheduler.workers.iter().map(worker_json).collect::<Vec<_>>(),
        "wait_ns": statistics.wait_nanos.as_ref().map(histogram_json),
        "lanes": lanes,
        "left": left,
    })
}

fn worker_json(worker: &WorkerStatistics) -> Value {
    json!({
        "slices": worker.slices,
        "reductions": worker.reductions,
        "steals": worker.steals,
        "parks": worker.sleeps,
        "wakes": worker.wakes,
        "timers": worker.timers_fired,
        "native_waits": worker.native_waits,
        "panics": worker.panics,
        "overflows": worker.overflows,
        "slice_ns": worker.slice_nanos.as_ref().map(histogram_json),
        "queue": worker.queue_lengths.as_ref().map(histogram_json),
    })
}

fn histogram_json(histogram: &Histogram<u64>) -> Value {
    let [p50, p99, max] = percentiles(histogram);
    json!({ "count": histogram.len(), "p50": p50, "p99": p99, "max": max })
}

fn percentiles(histogram: &Histogram<u64>) -> [u64; 3] {
    [histogram.value_at_quantile(0.5), histogram.value_at_quantile(0.99), histogram.max()]
}

fn times(nanos: &Histogram<u64>) -> String {
    let [p50, p99, max] = percentiles(nanos).map(Duration::from_nanos);
    format!("p50 {p50:?}, p99 {p99:?}, longest {max:?}")
}

fn lane_name(lane: &LaneStatistics) -> String {
    format!("{:?}", lane.lane).to_lowercase()
}
