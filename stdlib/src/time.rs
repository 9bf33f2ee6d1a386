//! `time`: clocks, and moments of the calendar in any zone.
//!
//! Zones come from the tables that are compiled in, never from the machine: a program computes the same everywhere.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Zoned};
use vega_runtime::error::Error;
use vega_runtime::native::NativeTable;
use vega_runtime::value::{Array, Value};

use crate::arguments::{Computed, array, computed, int, invalid, overflow, text};

/// Longest pattern of a format, in bytes.
const PATTERN_BYTES_MAX: usize = 4096;

computed! {
    "time::nanoseconds" / 1 => |a, _| Ok(Value::duration(int(a, 0)?));
    "time::format_rfc3339" / 1 => |a, _| Ok(Value::str(timestamp(int(a, 0)?)?.to_string()));
    "time::parse_rfc3339" / 1 => |a, _| Ok(text(a, 0)?.parse().ok().and_then(nanoseconds).map_or(Value::NULL, Value::int));
    "time::format" / 3 => |a, _| format(a);
    "time::parse_as" / 3 => |a, _| parse_as(a);
    "time::split" / 2 => |a, _| Ok(split(&zoned(a, 0, 1)?));
    "time::join" / 2 => |a, _| join(a);
    "time::shift" / 4 => |a, _| shift(a);
    "time::is_zone" / 1 => |a, _| Ok(Value::bool(zone(text(a, 0)?).is_ok()));
}

pub(crate) fn register(table: &mut NativeTable) {
    table.add("time::monotonic", 0, |context, _| Ok(Value::int(context.monotonic_nanoseconds()).into()));
    table.add("time::unix", 0, |context, _| Ok(Value::int(context.wall_clock_nanoseconds()?).into()));
}

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

fn zone(name: &str) -> Result<TimeZone, Error> {
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    ZONES.get(name).map_err(|_| invalid(format!("no time zone is called {name:?}; names are like `Europe/Berlin`")))
}

fn timestamp(nanoseconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|problem| invalid(problem.to_string()))
}

/// Nanoseconds since 1970, where they fit: from the year 1677 to 2262.
fn nanoseconds(moment: Timestamp) -> Option<i64> {
    i64::try_from(moment.as_nanosecond()).ok()
}

/// The moment of one argument in the zone of another.
fn zoned(arguments: &[Value], moment: usize, zone_name: usize) -> Result<Zoned, Error> {
    Ok(timestamp(int(arguments, moment)?)?.to_zoned(zone(text(arguments, zone_name)?)?))
}

fn pattern(arguments: &[Value], index: usize) -> Result<&str, Error> {
    let pattern = text(arguments, index)?;
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(invalid("the pattern is too long"));
    }
    Ok(pattern)
}

fn format(arguments: &mut [Value]) -> Computed {
    let (moment, pattern) = (zoned(arguments, 0, 2)?, pattern(arguments, 1)?);
    let text = strtime::format(pattern, &moment);
    text.map(Value::str).map_err(|problem| invalid(format!("the pattern {pattern:?} cannot be used: {problem}")))
}

/// Null where the text does not fit the pattern. An offset in the text wins over the zone.
fn parse_as(arguments: &mut [Value]) -> Computed {
    let (text, pattern, zone) = (text(arguments, 0)?, pattern(arguments, 1)?, zone(text(arguments, 2)?)?);
    let Ok(parts) = strtime::parse(pattern, text) else { return Ok(Value::NULL) };
    let moment = parts.to_timestamp().ok().or_else(|| {
        let date = parts.to_date().ok()?;
        let time = parts.to_time().unwrap_or_default();
        Some(date.to_datetime(time).to_zoned(zone).ok()?.timestamp())
    });
    Ok(moment.and_then(nanoseconds).map_or(Value::NULL, Value::int))
}

/// Year, month, day, hour, minute, second, nanosecond, day of the week from Monday as 1, day of the year, seconds east of UTC.
fn split(moment: &Zoned) -> Value {
    let parts = [
        i64::from(moment.year()),
        i64::from(moment.month()),
        i64::from(moment.day()),
        i64::from(moment.hour()),
        i64::from(moment.minute()),
        i64::from(moment.second()),
        i64::from(moment.subsec_nanosecond()),
        i64::from(moment.weekday().to_monday_one_offset()),
        i64::from(moment.day_of_year()),
        i64::from(moment.offset().seconds()),
    ];
    parts.into_iter().map(Value::int).collect::<Array>().into()
}

/// The moment of a date and time in a zone, or null where there is no such date. A time that a change of clocks leaves out is moved on
/// by as much as the clocks are; of one that comes twice, the first counts.
fn join(arguments: &mut [Value]) -> Computed {
    let numbers: Vec<i64> = array(arguments, 0)?.as_slice().iter().filter_map(Value::as_int).collect();
    let zone = zone(text(arguments, 1)?)?;
    let &[year, month, day, hour, minute, second, nanosecond] = numbers.as_slice() else {
        return Err(invalid("a moment has a year, month, day, hour, minute, second and nanosecond"));
    };
    let moment = || {
        let small = |number: i64| i8::try_from(number).ok();
        let (year, nanosecond) = (i16::try_from(year).ok()?, i32::try_from(nanosecond).ok()?);
        let local = DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, nanosecond);
        nanoseconds(local.ok()?.to_zoned(zone).ok()?.timestamp())
    };
    Ok(moment().map_or(Value::NULL, Value::int))
}

/// Months and days later, at the same time of day in a zone.
fn shift(arguments: &mut [Value]) -> Computed {
    let (months, days, moment) = (int(arguments, 1)?, int(arguments, 2)?, zoned(arguments, 0, 3)?);
    let later = || moment.checked_add(Span::new().try_months(months).ok()?.try_days(days).ok()?).ok();
    later().and_then(|later| nanoseconds(later.timestamp())).map(Value::int).ok_or_else(|| overflow("the moment"))
}

#[cfg(test)]
mod tests {
    use vega_runtime::value::Value;

    use crate::testing::{fails, shows};

    /// 2026-03-29, when clocks in Berlin go from 2 to 3 o'clock: midnight there.
    const BERLIN_MIDNIGHT: i64 = 1_774_738_800_000_000_000;

    fn parts(numbers: &[i64]) -> Value {
        Value::array(numbers.iter().copied().map(Value::int).collect())
    }

    #[test]
    fn moments_are_written_and_read() {
        shows("time::format_rfc3339", (0,), "\"1970-01-01T00:00:00Z\"");
        shows("time::parse_rfc3339", ("1970-01-01T01:00:00.5+01:00",), "500000000");
        shows("time::parse_rfc3339", ("yesterday",), "null");
        shows("time::nanoseconds", (1_500_000_000_i64,), "1.5s");
        shows("time::format", (0, "%A, %-d %B %Y %H:%M", "America/New_York"), "\"Wednesday, 31 December 1969 19:00\"");
        fails(
            "time::format",
            (0, "%", "UTC"),
            "InvalidArgument: the pattern \"%\" cannot be used: strftime formatting failed: \
            invalid format string, expected byte after `%`, but found end of format string",
        );
        shows("time::parse_as", ("22.11.2026", "%d.%m.%Y", "UTC"), "1795305600000000000");
        shows("time::parse_as", ("22.13.2026", "%d.%m.%Y", "UTC"), "null");
        shows("time::parse_as", ("1970-01-01 01:00 +0100", "%Y-%m-%d %H:%M %z", "Asia/Tokyo"), "0");
    }

    #[test]
    fn zones_change_their_clocks() {
        shows("time::split", (BERLIN_MIDNIGHT, "Europe/Berlin"), "[2026, 3, 29, 0, 0, 0, 0, 7, 88, 3600]");
        shows("time::shift", (BERLIN_MIDNIGHT, 0, 1, "Europe/Berlin"), "1774821600000000000");
        shows("time::join", (parts(&[2026, 3, 29, 2, 30, 0, 0]), "Europe/Berlin"), "1774747800000000000");
        shows("time::join", (parts(&[2026, 2, 30, 0, 0, 0, 0]), "Europe/Berlin"), "null");
        shows("time::join", (parts(&[1970, 1, 31, 0, 0, 0, 0]), "UTC"), "2592000000000000");
        shows("time::shift", (2_592_000_000_000_000_i64, 1, 0, "UTC"), "5011200000000000");
        fails("time::shift", (0, i64::MAX, 0, "UTC"), "Overflow: the moment does not fit an int");
        fails(
            "time::split",
            (0, "Mars/Base"),
            "InvalidArgument: no time zone is called \"Mars/Base\"; names are like `Europe/Berlin`",
        );
        shows("time::is_zone", ("../../etc/passwd",), "false");
    }
}
