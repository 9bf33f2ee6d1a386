//! `option`, `result`, `range` and `bytes`: the small containers.

use vega_bytecode::{Module, kinds};
use vega_runtime::value::{Array, Bytes, OK, RESULT, Str, Value, View, bytes as encoding, print};

use crate::arguments::{Computed, any, array, bytes, bytes_mut, computed, error, int, invalid, range, room, take, text};

computed! {
    "option::unwrap" / 1 => |a, _| unwrap_option(a);
    "option::or" / 2 => |a, _| { let index = usize::from(any(a, 0)?.is_null()); take(a, index) };
    "option::ok_or" / 2 => |a, _| Ok(if any(a, 0)?.is_null() { Value::err(take(a, 1)?) } else { Value::ok(take(a, 0)?) });
    "result::is_ok" / 1 => |a, _| Ok(Value::bool(variant(any(a, 0)?).0));
    "result::is_err" / 1 => |a, _| Ok(Value::bool(!variant(any(a, 0)?).0));
    "result::ok" / 1 => |a, _| Ok(match variant(any(a, 0)?) { (true, value) => value, _ => Value::NULL });
    "result::err" / 1 => |a, _| Ok(match variant(any(a, 0)?) { (false, value) => value, _ => Value::NULL });
    "result::unwrap_or" / 2 => |a, _| match variant(any(a, 0)?) { (true, value) => Ok(value), _ => take(a, 1) };
    "result::unwrap" / 1 => unwrap_result;
    "range::len" / 1 => |a, _| Ok(Value::int(i64::try_from(range(a, 0)?.len()).unwrap_or(i64::MAX)));
    "range::has" / 2 => |a, _| Ok(Value::bool(range(a, 0)?.contains(int(a, 1)?)));
    "range::rev" / 1 => |a, _| numbers(a, 1, true);
    "range::step" / 2 => |a, _| { let step = int(a, 1)?; numbers(a, step, false) };
    "bytes::len" / 1 => |a, _| Ok(Value::int(bytes(a, 0)?.len() as i64));
    "bytes::is_empty" / 1 => |a, _| Ok(Value::bool(bytes(a, 0)?.is_empty()));
    "bytes::has" / 2 => |a, _| { let byte = byte(int(a, 1)?)?; Ok(Value::bool(bytes(a, 0)?.as_slice().contains(&byte))) };
    "bytes::get" / 2 => |a, _| Ok(byte_at(bytes(a, 0)?.as_slice(), int(a, 1)?));
    "bytes::ints" / 1 => |a, _| Ok(bytes(a, 0)?.as_slice().iter().map(|&byte| Value::int(i64::from(byte))).collect::<Array>().into());
    "bytes::find" / 2 => |a, _| find_bytes(bytes(a, 0)?.as_slice(), bytes(a, 1)?.as_slice());
    "bytes::starts_with" / 2 => |a, _| Ok(Value::bool(bytes(a, 0)?.as_slice().starts_with(bytes(a, 1)?.as_slice())));
    "bytes::push" / 2 => |a, _| { let byte = byte(int(a, 1)?)?; bytes_mut(a, 0)?.push(byte); Ok(Value::NULL) };
    "bytes::text" / 1 => |a, _| Ok(std::str::from_utf8(bytes(a, 0)?.as_slice()).map_or(Value::NULL, Value::str));
    "bytes::hex" / 1 => |a, _| Ok(Value::str(to_hex(bytes(a, 0)?.as_slice())));
    "bytes::base64" / 1 => |a, _| Ok(Value::str(encoding::to_base64(bytes(a, 0)?.as_slice())));
    "bytes::from" / 1 => |a, _| from_ints(a);
    "bytes::from_hex" / 1 => |a, _| Ok(from_hex(text(a, 0)?).map_or(Value::NULL, |bytes| Bytes::from(bytes).into()));
    "bytes::from_base64" / 1 => |a, _| Ok(encoding::from_base64(text(a, 0)?).map_or(Value::NULL, |bytes| Bytes::from(bytes).into()));
    "base64::encode" / 1 => |a, _| Ok(Value::str(encoding::to_base64(bytes(a, 0)?.as_slice())));
    "base64::decode" / 1 => |a, _| Ok(encoding::from_base64(text(a, 0)?).map_or(Value::NULL, |bytes| Bytes::from(bytes).into()));
}

fn unwrap_option(arguments: &mut [Value]) -> Computed {
    let value = take(arguments, 0)?;
    if value.is_null() { Err(error(kinds::UNWRAP_FAILED, "the value is null")) } else { Ok(value) }
}

/// Whether a `Result` is `Ok`, and what it holds.
fn variant(result: &Value) -> (bool, Value) {
    match result.view() {
        View::Enum(RESULT, variant, record) => (variant == OK, record.values().first().cloned().unwrap_or_default()),
        _ => (false, Value::NULL),
    }
}

fn unwrap_result(arguments: &mut [Value], module: &Module) -> Computed {
    match variant(any(arguments, 0)?) {
        (true, value) => Ok(value),
        (false, value) => Err(match value.as_error() {
            Some(error) => error.clone(),
            None => error(kinds::UNWRAP_FAILED, Str::from(print::to_text(&value, module))),
        }),
    }
}

/// The numbers of a range as an array.
fn numbers(arguments: &mut [Value], step: i64, reversed: bool) -> Computed {
    let range = range(arguments, 0)?;
    let Ok(step) = u64::try_from(step) else { return Err(invalid("a step goes forward")) };
    if step == 0 {
        return Err(invalid("a step goes forward"));
    }
    let count = range.len().div_ceil(step);
    room(usize::try_from(count).ok().and_then(|count| count.checked_mul(size_of::<Value>())))?;
    let number = |index: u64| Value::int(range.start().wrapping_add((index * step) as i64));
    let numbers: Array = if reversed { (0..count).rev().map(number).collect() } else { (0..count).map(number).collect() };
    Ok(numbers.into())
}

fn byte_at(bytes: &[u8], index: i64) -> Value {
    let byte = usize::try_from(index).ok().and_then(|index| bytes.get(index));
    byte.map_or(Value::NULL, |&byte| Value::int(i64::from(byte)))
}

/// Where a run of bytes first begins, or null.
fn find_bytes(bytes: &[u8], part: &[u8]) -> Computed {
    if part.is_empty() {
        return Ok(Value::int(0));
    }
    Ok(bytes.windows(part.len()).position(|window| window == part).map_or(Value::NULL, |place| Value::int(place as i64)))
}

fn byte(number: i64) -> Result<u8, vega_runtime::error::Error> {
    u8::try_from(number).map_err(|_| invalid(format!("{number} is no byte")))
}

fn from_ints(arguments: &mut [Value]) -> Computed {
    let values = array(arguments, 0)?.as_slice().iter();
    let bytes = values.map(|value| byte(value.as_int().unwrap_or(-1))).collect::<Result<Vec<u8>, _>>()?;
    Ok(Bytes::from(bytes).into())
}

/// Two digits for each byte.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| (high * 16 + low) as u8).collect())
}

#[cfg(test)]
mod tests {
    use vega_bytecode::kinds;
    use vega_runtime::error::Error;
    use vega_runtime::value::{Bytes, Range, Value};

    use crate::testing::{changes, fails, shows};

    #[test]
    fn options_and_results_are_unwrapped() {
        shows("option::unwrap", (5,), "5");
        fails("option::unwrap", (Value::NULL,), "UnwrapFailed: the value is null");
        shows("option::or", (Value::NULL, 7), "7");
        shows("option::ok_or", (Value::NULL, "none"), "Err(\"none\")");
        shows("result::ok", (Value::ok(Value::int(1)),), "1");
        shows("result::err", (Value::ok(Value::int(1)),), "null");
        shows("result::unwrap_or", (Value::err(Value::int(1)), 2), "2");
        fails("result::unwrap", (Value::err(Value::str("why")),), "UnwrapFailed: why");
        let raised: Value = Error::new(kinds::IO_ERROR, "gone").into();
        fails("result::unwrap", (Value::err(raised),), "IoError: gone");
    }

    #[test]
    fn ranges_become_arrays_only_where_there_is_room() {
        shows("range::rev", (Value::from(Range::new(0, 3, false)),), "[2, 1, 0]");
        shows("range::step", (Value::from(Range::new(0, 7, true)), 3), "[0, 3, 6]");
        shows("range::len", (Value::from(Range::new(3, 3, true)),), "1");
        fails("range::rev", (Value::from(Range::new(i64::MIN, i64::MAX, false)),), "LimitReached: heap");
        fails("range::step", (Value::from(Range::new(0, 3, false)), 0), "InvalidArgument: a step goes forward");
    }

    #[test]
    fn bytes_are_written_in_hex_and_base64() {
        let bytes = || Value::from(Bytes::from(vec![0x68, 0x65, 0xff]));
        shows("bytes::hex", (bytes(),), "\"6865ff\"");
        shows("bytes::from_hex", ("6865ff",), "bytes[68 65 ff]");
        shows("bytes::from_hex", ("686",), "null");
        shows("bytes::base64", (bytes(),), "\"aGX/\"");
        shows("bytes::from_base64", ("aGU=",), "bytes[68 65]");
        shows("bytes::from_base64", ("a",), "null");
        shows("bytes::text", (bytes(),), "null");
        changes("bytes::push", (bytes(), 1), "bytes[68 65 ff 01]", "null");
        fails("bytes::push", (bytes(), 256), "InvalidArgument: 256 is no byte");
        shows("bytes::from", (Value::array(vec![Value::int(1)]),), "bytes[01]");
    }
}
