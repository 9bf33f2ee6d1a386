//! `random`: chance. Under virtual time the seed of the run decides what comes.

use vega_runtime::error::Error;
use vega_runtime::native::{NativeContext, NativeTable};
use vega_runtime::value::{Array, Bytes, Value};

use crate::arguments::{Computed, array, count, float, int, invalid, room};

pub(crate) fn register(table: &mut NativeTable) {
    table.add("random::int", 2, |context, arguments| {
        let (low, high) = (int(arguments, 0)?, int(arguments, 1)?);
        if low > high {
            return Err(invalid(format!("the bounds {low} and {high} are out of order")));
        }
        Ok(Value::int(generator(context)?.i64(low..=high)).into())
    });
    table.add("random::float", 0, |context, _| Ok(Value::float(generator(context)?.f64()).into()));
    table.add("random::float", 2, |context, arguments| {
        Ok(between(float(arguments, 0)?, float(arguments, 1)?, generator(context)?.f64())?.into())
    });
    table.add("random::bool", 0, |context, _| Ok(Value::bool(generator(context)?.bool()).into()));
    table.add("random::choice", 1, |context, arguments| Ok(choice(array(arguments, 0)?, generator(context)?)?.into()));
    table.add("random::shuffled", 1, |context, arguments| {
        context.charge(crate::arguments::cost(arguments));
        let mut values = array(arguments, 0)?.as_slice().to_vec();
        generator(context)?.shuffle(&mut values);
        Ok(Value::array(values).into())
    });
    table.add("random::sample", 2, |context, arguments| {
        context.charge(crate::arguments::cost(arguments));
        Ok(sample(array(arguments, 0)?, count(arguments, 1)?, generator(context)?)?.into())
    });
    table.add("random::bytes", 1, |context, arguments| {
        let length = count(arguments, 0)?;
        room(Some(length))?;
        let mut content = vec![0; length];
        generator(context)?.fill(&mut content);
        Ok(Value::from(Bytes::from(content)).into())
    });
    table.add("random::uuid", 0, |context, _| {
        let mut content = [0; 16];
        generator(context)?.fill(&mut content);
        Ok(Value::str(uuid(content)).into())
    });
}

/// A generator for one native: its seed is an effect, so a recording repeats it.
fn generator(context: &NativeContext<'_>) -> Result<fastrand::Rng, Error> {
    Ok(fastrand::Rng::with_seed(context.random()?))
}

/// What lies as far between the bounds as `part` between 0 and 1.
fn between(low: f64, high: f64, part: f64) -> Computed {
    if !(low.is_finite() && high.is_finite() && low <= high) {
        return Err(invalid(format!("the bounds {low} and {high} are out of order")));
    }
    // Rounding must not reach the upper bound, nor the difference of large bounds infinity.
    let number = low * (1.0 - part) + high * part;
    Ok(Value::float(if number >= high && low < high { high.next_down() } else { number.max(low) }))
}

fn choice(values: &Array, mut generator: fastrand::Rng) -> Computed {
    match generator.choice(values.as_slice()) {
        Some(value) => Ok(value.clone()),
        None => Err(invalid("there is nothing to choose from")),
    }
}

fn sample(values: &Array, count: usize, mut generator: fastrand::Rng) -> Computed {
    if count > values.len() {
        return Err(invalid(format!("{count} elements cannot be taken from {}", values.len())));
    }
    let mut values = values.as_slice().to_vec();
    // The first places are filled, each from what is left.
    for place in 0..count {
        let other = generator.usize(place..values.len());
        values.swap(place, other);
    }
    values.truncate(count);
    Ok(Value::array(values))
}

/// Version 4 of RFC 9562.
fn uuid(mut content: [u8; 16]) -> String {
    content[6] = content[6] & 0x0f | 0x40;
    content[8] = content[8] & 0x3f | 0x80;
    let hex = crate::container::to_hex(&content);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn generator() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    fn ints(numbers: std::ops::Range<i64>) -> Array {
        numbers.map(Value::int).collect()
    }

    #[test]
    fn nothing_can_be_chosen_from_an_empty_array() {
        assert!(choice(&ints(0..0), generator()).is_err());
        assert_eq!(choice(&ints(3..4), generator()).unwrap().as_int(), Some(3));
    }

    #[test]
    fn a_sample_takes_each_place_once() {
        let sample = sample(&ints(0..10), 10, generator()).unwrap();
        let mut numbers: Vec<i64> = sample.as_array().unwrap().as_slice().iter().map(|value| value.as_int().unwrap()).collect();
        assert_ne!(numbers, (0..10).collect::<Vec<_>>());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        assert!(super::sample(&ints(0..2), 3, generator()).is_err());
    }

    #[test]
    fn a_float_stays_between_its_bounds() {
        let number = |low, high, part| between(low, high, part).unwrap().as_float().unwrap();
        assert_eq!(number(2.0, 4.0, 0.5), 3.0);
        assert_eq!(number(2.0, 2.0, 0.9), 2.0);
        assert!(number(0.0, 5e-324, 0.999) < 5e-324);
        assert!(number(-f64::MAX, f64::MAX, 0.5).is_finite());
        assert!(between(1.0, f64::NAN, 0.5).is_err() && between(2.0, 1.0, 0.5).is_err());
    }

    #[test]
    fn a_uuid_says_its_version() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
