//! `int`, `float` and `math`: numbers.

use std::cmp::Ordering;

use vega_bytecode::kinds;
use vega_runtime::value::{Value, View, equal};

use crate::arguments::{Computed, any, computed, error, float, int, invalid, overflow};

computed! {
    "int" / 1 => |a, _| to_int(any(a, 0)?);
    "float" / 1 => |a, _| to_float(any(a, 0)?);
    "int::abs" / 1 => |a, _| int(a, 0)?.checked_abs().map(Value::int).ok_or_else(|| overflow("the absolute value"));
    "int::pow" / 2 => |a, _| power(a);
    "int::min" / 2 => |a, _| Ok(Value::int(int(a, 0)?.min(int(a, 1)?)));
    "int::max" / 2 => |a, _| Ok(Value::int(int(a, 0)?.max(int(a, 1)?)));
    "int::clamp" / 3 => |a, _| clamp_int(a);
    "int::sign" / 1 => |a, _| Ok(Value::int(int(a, 0)?.signum()));
    "float::abs" / 1 => |a, _| Ok(Value::float(float(a, 0)?.abs()));
    "float::floor" / 1 => |a, _| Ok(Value::float(float(a, 0)?.floor()));
    "float::ceil" / 1 => |a, _| Ok(Value::float(float(a, 0)?.ceil()));
    "float::round" / 1 => |a, _| Ok(Value::float(float(a, 0)?.round()));
    "float::trunc" / 1 => |a, _| Ok(Value::float(float(a, 0)?.trunc()));
    "float::sqrt" / 1 => |a, _| Ok(Value::float(float(a, 0)?.sqrt()));
    "float::pow" / 2 => |a, _| Ok(Value::float(float(a, 0)?.powf(float(a, 1)?)));
    "float::min" / 2 => |a, _| Ok(Value::float(float(a, 0)?.min(float(a, 1)?)));
    "float::max" / 2 => |a, _| Ok(Value::float(float(a, 0)?.max(float(a, 1)?)));
    "float::clamp" / 3 => |a, _| clamp_float(a);
    "float::is_nan" / 1 => |a, _| Ok(Value::bool(float(a, 0)?.is_nan()));
    "float::is_finite" / 1 => |a, _| Ok(Value::bool(float(a, 0)?.is_finite()));
    "math::min" / 2 => |a, _| extreme(a, Ordering::Less);
    "math::max" / 2 => |a, _| extreme(a, Ordering::Greater);
    "math::abs" / 1 => |a, _| absolute(a);
    "math::floor" / 1 => |a, _| Ok(Value::float(float(a, 0)?.floor()));
    "math::ceil" / 1 => |a, _| Ok(Value::float(float(a, 0)?.ceil()));
    "math::round" / 1 => |a, _| Ok(Value::float(float(a, 0)?.round()));
    "math::sqrt" / 1 => |a, _| Ok(Value::float(float(a, 0)?.sqrt()));
    "math::pow" / 2 => |a, _| Ok(Value::float(float(a, 0)?.powf(float(a, 1)?)));
    "math::exp" / 1 => |a, _| Ok(Value::float(float(a, 0)?.exp()));
    "math::ln" / 1 => |a, _| Ok(Value::float(float(a, 0)?.ln()));
    "math::log2" / 1 => |a, _| Ok(Value::float(float(a, 0)?.log2()));
    "math::log10" / 1 => |a, _| Ok(Value::float(float(a, 0)?.log10()));
    "math::sin" / 1 => |a, _| Ok(Value::float(float(a, 0)?.sin()));
    "math::cos" / 1 => |a, _| Ok(Value::float(float(a, 0)?.cos()));
    "math::tan" / 1 => |a, _| Ok(Value::float(float(a, 0)?.tan()));
    "math::asin" / 1 => |a, _| Ok(Value::float(float(a, 0)?.asin()));
    "math::acos" / 1 => |a, _| Ok(Value::float(float(a, 0)?.acos()));
    "math::atan" / 1 => |a, _| Ok(Value::float(float(a, 0)?.atan()));
    "math::hypot" / 2 => |a, _| Ok(Value::float(float(a, 0)?.hypot(float(a, 1)?)));
    "math::atan2" / 2 => |a, _| Ok(Value::float(float(a, 0)?.atan2(float(a, 1)?)));
    "math::checked_add" / 2 => |a, _| Ok(Value::optional(int(a, 0)?.checked_add(int(a, 1)?)));
    "math::checked_sub" / 2 => |a, _| Ok(Value::optional(int(a, 0)?.checked_sub(int(a, 1)?)));
    "math::checked_mul" / 2 => |a, _| Ok(Value::optional(int(a, 0)?.checked_mul(int(a, 1)?)));
    "math::wrapping_add" / 2 => |a, _| Ok(Value::int(int(a, 0)?.wrapping_add(int(a, 1)?)));
    "math::wrapping_sub" / 2 => |a, _| Ok(Value::int(int(a, 0)?.wrapping_sub(int(a, 1)?)));
    "math::wrapping_mul" / 2 => |a, _| Ok(Value::int(int(a, 0)?.wrapping_mul(int(a, 1)?)));
}

fn to_int(value: &Value) -> Computed {
    match value.view() {
        View::Int(int) => Ok(Value::int(int)),
        // 2^63 is the first double above every int.
        View::Float(float) if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) => {
            Ok(Value::int(float as i64))
        }
        View::Float(_) => Err(overflow("the float")),
        View::Bool(bool) => Ok(Value::int(i64::from(bool))),
        _ => Err(invalid("only numbers become an int; `parse_int` reads text")),
    }
}

fn to_float(value: &Value) -> Computed {
    match value.view() {
        View::Int(int) => Ok(Value::float(int as f64)),
        View::Float(float) => Ok(Value::float(float)),
        View::Money(pico_dollars) => Ok(Value::float(crate::money::dollars(pico_dollars))),
        _ => Err(invalid("only numbers become a float; `parse_float` reads text")),
    }
}

fn power(arguments: &mut [Value]) -> Computed {
    let (base, exponent) = (int(arguments, 0)?, int(arguments, 1)?);
    if exponent < 0 {
        return Err(invalid(format!("the exponent {exponent} is negative")));
    }
    // Beyond the range of u32 only -1, 0 and 1 fit, and of these the parity of the exponent decides.
    let exponent = u32::try_from(exponent).unwrap_or(u32::MAX - 1 + (exponent % 2) as u32);
    base.checked_pow(exponent).map(Value::int).ok_or_else(|| overflow("the power"))
}

fn clamp_int(arguments: &mut [Value]) -> Computed {
    let (low, high) = (int(arguments, 1)?, int(arguments, 2)?);
    if low > high {
        return Err(invalid(format!("the bounds {low} and {high} are out of order")));
    }
    Ok(Value::int(int(arguments, 0)?.clamp(low, high)))
}

fn clamp_float(arguments: &mut [Value]) -> Computed {
    let (low, high) = (float(arguments, 1)?, float(arguments, 2)?);
    if low > high || low.is_nan() || high.is_nan() {
        return Err(invalid(format!("the bounds {low} and {high} are out of order")));
    }
    Ok(Value::float(float(arguments, 0)?.clamp(low, high)))
}

fn extreme(arguments: &mut [Value], wanted: Ordering) -> Computed {
    let (one, other) = (any(arguments, 0)?, any(arguments, 1)?);
    Ok(if equal::total_order(other, one) == wanted { other.clone() } else { one.clone() })
}

fn absolute(arguments: &mut [Value]) -> Computed {
    let wide = |number: i64| number.checked_abs().ok_or_else(|| error(kinds::OVERFLOW, "the absolute value does not fit"));
    match any(arguments, 0)?.view() {
        View::Int(number) => wide(number).map(Value::int),
        View::Duration(number) => wide(number).map(Value::duration),
        View::Money(number) => wide(number).map(Value::money),
        View::Float(number) => Ok(Value::float(number.abs())),
        _ => Err(invalid("only numbers have an absolute value")),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{fails, shows};

    #[test]
    fn floats_become_ints_only_where_they_fit() {
        shows("int", (3.9,), "3");
        shows("int", (-3.9,), "-3");
        shows("int", (-9.223372036854776e18,), "-9223372036854775808");
        fails("int", (9.223372036854776e18,), "Overflow: the float does not fit an int");
        fails("int", (f64::NAN,), "Overflow: the float does not fit an int");
        shows("float", (2,), "2.0");
    }

    #[test]
    fn powers_are_exact_or_an_error() {
        shows("int::pow", (3, 4), "81");
        shows("int::pow", (-1, i64::MAX), "-1");
        shows("int::pow", (-1, i64::MAX - 1), "1");
        fails("int::pow", (2, 63), "Overflow: the power does not fit an int");
        fails("int::pow", (2, -1), "InvalidArgument: the exponent -1 is negative");
        fails("int::abs", (i64::MIN,), "Overflow: the absolute value does not fit an int");
        shows("float::pow", (2.0, 0.5), "1.4142135623730951");
    }

    #[test]
    fn bounds_and_extremes() {
        shows("int::clamp", (12, 0, 10), "10");
        fails("int::clamp", (1, 2, 1), "InvalidArgument: the bounds 2 and 1 are out of order");
        fails("float::clamp", (1.0, f64::NAN, 2.0), "InvalidArgument: the bounds NaN and 2 are out of order");
        shows("math::max", (1, 2), "2");
        shows("math::min", (1.5, 0.5), "0.5");
        shows("math::checked_add", (i64::MAX, 1), "null");
        shows("math::wrapping_add", (i64::MAX, 1), "-9223372036854775808");
        shows("float::round", (-2.5,), "-3.0");
    }
}
