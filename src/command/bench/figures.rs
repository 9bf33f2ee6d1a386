//! What the rounds of a measurement came to: a line or two for people, or one of JSON.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::{Question, Round};

/// The shares of samples that are shown.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

/// The medians over the rounds, for each of what is counted.
pub(super) struct Figures<'q> {
    question: &'q Question,
    count: u64,
    rounds: usize,
    wall_ns: f64,
    cpu_ns: f64,
    resident_bytes: f64,
    samples: Histogram<u64>,
}

impl<'q> Figures<'q> {
    pub(super) fn new(question: &'q Question, count: u64, rounds: &[Round]) -> Self {
        let each = |total: Duration| total.as_nanos() as f64 / count as f64;
        let mut samples = no_samples();
        for round in rounds {
            // All have the same bounds, so nothing is refused.
            let _added = samples.add(&round.samples);
        }
        Figures {
            question,
            count,
            rounds: rounds.len(),
            wall_ns: median(rounds.iter().map(|round| each(round.wall))),
            cpu_ns: median(rounds.iter().map(|round| each(round.cpu))),
            // Later rounds take memory that earlier ones gave back, so only the first sees what it costs.
            resident_bytes: rounds.first().map_or(0.0, |round| round.resident_bytes as f64 / count as f64),
            samples,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Figures { question, count, rounds, wall_ns, cpu_ns, resident_bytes, samples } = self;
        let mut text = format!("{}: {wall_ns:.0} ns wall, {cpu_ns:.0} ns CPU", question.operation);
        if question.has_bytes {
            text.push_str(&format!(", {resident_bytes:.0} bytes resident"));
        }
        text.push_str(&format!(", {:.0} a second  (median of {rounds} runs of {count})\n", self.per_second()));
        if let Some(what) = question.samples.filter(|_| !samples.is_empty()) {
            text.push_str(&format!("{what}:"));
            for (name, share) in PERCENTILES {
                text.push_str(&format!(" {name} {},", duration(samples.value_at_percentile(share))));
            }
            text.push_str(&format!(" longest {}\n", duration(samples.max())));
        }
        text
    }

    /// One line of JSON. Each name ends in the unit of its number; what there was nothing to see of is null.
    pub(super) fn json(&self, workers: usize) -> String {
        let Figures { question, count, rounds, wall_ns, cpu_ns, resident_bytes, samples } = self;
        let tenths = |number: f64| json!((number * 10.0).round() / 10.0);
        let mut object = Map::new();
        object.insert("what".to_owned(), json!(question.name));
        object.insert("operation".to_owned(), json!(question.operation));
        object.insert("count".to_owned(), json!(count));
        object.insert("workers".to_owned(), json!(workers));
        object.insert("runs".to_owned(), json!(rounds));
        object.insert("wall_ns".to_owned(), tenths(*wall_ns));
        object.insert("cpu_ns".to_owned(), tenths(*cpu_ns));
        object.insert("per_second".to_owned(), tenths(self.per_second()));
        if question.has_bytes {
            object.insert("resident_bytes".to_owned(), tenths(*resident_bytes));
        }
        if let Some(what) = question.samples {
            let seen = |nanoseconds: u64| if samples.is_empty() { Value::Null } else { json!(nanoseconds) };
            object.insert("sample".to_owned(), json!(what));
            object.insert("samples".to_owned(), json!(samples.len()));
            for (name, share) in PERCENTILES {
                object.insert(format!("{}_ns", name.replace('.', "_")), seen(samples.value_at_percentile(share)));
            }
            object.insert("max_ns".to_owned(), seen(samples.max()));
        }
        format!("{}\n", Value::Object(object))
    }

    fn per_second(&self) -> f64 {
        1e9 / self.wall_ns.max(f64::MIN_POSITIVE)
    }
}

/// An empty histogram that takes up to a minute, with three digits.
pub(super) fn no_samples() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are within those of the library")
}

/// Nanoseconds as people read them.
fn duration(nanoseconds: u64) -> String {
    match nanoseconds {
        0..10_000 => format!("{nanoseconds} ns"),
        _ => format!("{:.1} us", nanoseconds as f64 / 1000.0),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::bench::{IDLE, PING_PONG};

    fn round(nanoseconds: u64, resident_bytes: u64) -> Round {
        let time = Duration::from_nanos(nanoseconds);
        Round { wall: time, cpu: time, resident_bytes, samples: no_samples() }
    }

    #[test]
    fn memory_is_that_of_the_first_round_and_time_the_median() {
        let figures = Figures::new(&IDLE, 10, &[round(900, 6_000), round(500, 10), round(400, 0)]);
        assert_eq!((figures.wall_ns, figures.cpu_ns, figures.resident_bytes), (50.0, 50.0, 600.0));
        let text = figures.text();
        assert!(text.starts_with("waiting process: 50 ns wall, 50 ns CPU, 600 bytes resident, 20000000 a second"), "{text}");
    }

    #[test]
    fn what_was_not_seen_is_null_in_json_and_absent_for_people() {
        let figures = Figures::new(&PING_PONG, 10, &[round(900, 0)]);
        assert!(figures.json(1).contains("\"samples\":0,\"p50_ns\":null"), "{}", figures.json(1));
        assert_eq!(figures.text().lines().count(), 1);
    }
}
