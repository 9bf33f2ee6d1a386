//! `time`, `random`, `env` and `io`: what is different in every run.

use std::io::{BufRead, Read};

use jiff::Timestamp;
use vega_bytecode::kinds;
use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::{Array, Value};
use vega_scheduler::Lane;

use crate::arguments::{Computed, array, computed, error, int, invalid, text};

computed! {
    "time::nanoseconds" / 1 => |a, _| Ok(Value::duration(int(a, 0)?));
    "time::format_rfc3339" / 1 => |a, _| format_rfc3339(int(a, 0)?);
    "time::parse_rfc3339" / 1 => |a, _| Ok(parse_rfc3339(text(a, 0)?).map_or(Value::NULL, Value::int));
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add("time::monotonic", 0, |context, _| Ok(Value::int(context.monotonic_nanoseconds()).into()));
    table.add("time::unix", 0, |context, _| Ok(Value::int(context.wall_clock_nanoseconds()?).into()));
    table.add("random::int", 2, |context, arguments| {
        let (low, high) = (int(arguments, 0)?, int(arguments, 1)?);
        if low > high {
            return Err(invalid(format!("the bounds {low} and {high} are out of order")));
        }
        Ok(Value::int(generator(context)?.i64(low..=high)).into())
    });
    table.add("random::float", 0, |context, _| Ok(Value::float(generator(context)?.f64()).into()));
    table.add("random::bool", 0, |context, _| Ok(Value::bool(generator(context)?.bool()).into()));
    table.add("random::choice", 1, |context, arguments| {
        let generator = generator(context)?;
        let values = array(arguments, 0)?;
        Ok(choice(values, generator)?.into())
    });
    table.add("random::shuffled", 1, |context, arguments| {
        let mut generator = generator(context)?;
        let mut values = array(arguments, 0)?.as_slice().to_vec();
        generator.shuffle(&mut values);
        Ok(Value::array(values).into())
    });
    table.add("env::get", 1, |context, arguments| {
        let value = context.variable(text(arguments, 0)?)?;
        Ok(Value::optional(value).into())
    });
    table.add_blocking("io::read_line", 1, |context, arguments| {
        let prompt = text(arguments, 0)?;
        if !prompt.is_empty() {
            context.write_output(prompt)?;
        }
        let line = context.offload(Lane::Files, || {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
        });
        let line = line.and_then(|line| line).map_err(input_error)?;
        Ok(Value::optional(line.map(without_end)).into())
    });
    table.add_blocking("io::read_all", 0, |context, _| {
        let text = context.offload(Lane::Files, || {
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
        });
        Ok(Value::str(text.and_then(|text| text).map_err(input_error)?).into())
    });
}

/// A generator for one native: its seed is an effect, so a recording repeats it.
fn generator(context: &NativeContext<'_>) -> Result<fastrand::Rng, Error> {
    Ok(fastrand::Rng::with_seed(context.random()?))
}

fn choice(values: &Array, mut generator: fastrand::Rng) -> Computed {
    match generator.choice(values.as_slice()) {
        Some(value) => Ok(value.clone()),
        None => Err(invalid("there is nothing to choose from")),
    }
}

fn input_error(problem: std::io::Error) -> Error {
    error(kinds::IO_ERROR, format!("standard input: {problem}"))
}

fn without_end(mut line: String) -> String {
    if line.ends_with('\n') {
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
    }
    line
}

fn format_rfc3339(nanoseconds: i64) -> Computed {
    let timestamp = Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|problem| invalid(problem.to_string()))?;
    Ok(Value::str(timestamp.to_string()))
}

fn parse_rfc3339(text: &str) -> Option<i64> {
    i64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use vega_runtime::value::Array;

    use super::*;
    use crate::testing::shows;

    #[test]
    fn moments_are_written_and_read() {
        shows("time::format_rfc3339", (0,), "\"1970-01-01T00:00:00Z\"");
        shows("time::parse_rfc3339", ("1970-01-01T01:00:00.5+01:00",), "500000000");
        shows("time::parse_rfc3339", ("yesterday",), "null");
        shows("time::nanoseconds", (1_500_000_000_i64,), "1.5s");
    }

    #[test]
    fn a_line_is_given_without_its_end() {
        assert_eq!(without_end("a\r\n".to_string()), "a");
        assert_eq!(without_end("a".to_string()), "a");
    }

    #[test]
    fn nothing_can_be_chosen_from_an_empty_array() {
        let generator = || fastrand::Rng::with_seed(7);
        assert!(choice(&Array::from(vec![]), generator()).is_err());
        assert_eq!(choice(&Array::from(vec![Value::int(3)]), generator()).map(|value| value.as_int()).ok(), Some(Some(3)));
    }
}
