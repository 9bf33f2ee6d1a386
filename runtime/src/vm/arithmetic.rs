//! Arithmetic that can fail or that needs more than one machine instruction.

use vega_bytecode::opcode::Arith;
use vega_bytecode::{Opcode, kinds};

use crate::error::Error;
use crate::value::{Value, amount};

/// Pico-dollars of a dollar.
const PICO_DOLLARS: i64 = 1_000_000_000_000;
/// Nanoseconds of a millisecond.
const MILLISECOND: i64 = 1_000_000;

/// The error of a number that does not fit.
#[cold]
#[inline(never)]
pub(crate) fn overflow(what: &str) -> Error {
    Error::new(kinds::OVERFLOW, format!("{what} overflowed"))
}

#[cold]
#[inline(never)]
fn divide_by_zero() -> Error {
    Error::new(kinds::DIVIDE_BY_ZERO, "division by zero")
}

/// `left / right` or `left % right`.
#[inline]
pub(crate) fn divide(op: Opcode, left: i64, right: i64) -> Result<i64, Error> {
    if right == 0 {
        return Err(divide_by_zero());
    }
    if op == Opcode::RemInt {
        // The one case that overflows is `i64::MIN % -1`, whose result is 0.
        return Ok(left.wrapping_rem(right));
    }
    left.checked_div(right).ok_or_else(|| overflow("int division"))
}

/// The int of a double, truncated.
#[inline]
pub(crate) fn float_to_int(float: f64) -> Result<i64, Error> {
    // Both bounds are exact doubles; the upper one is the first double that does not fit.
    const BELOW: f64 = -9_223_372_036_854_775_808.0;
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    let whole = float.trunc();
    if (BELOW..ABOVE).contains(&whole) { Ok(whole as i64) } else { Err(no_int(float)) }
}

#[cold]
#[inline(never)]
fn no_int(float: f64) -> Error {
    let mut text = String::new();
    amount::write_float(float, &mut text);
    Error::new(kinds::OVERFLOW, format!("{text} does not fit an int"))
}

/// The amount nearest to a double, rounded half to even; `what` has it as its unit.
fn float_to_amount(float: f64, what: &str) -> Result<i64, Error> {
    float_to_int(float.round_ties_even()).map_err(|_| no_amount(what))
}

/// The error of an amount that does not fit.
#[cold]
#[inline(never)]
fn no_amount(what: &str) -> Error {
    let most = if what == "money" { "$9223372" } else { "292 years" };
    Error::new(kinds::OVERFLOW, format!("{what} overflowed: it goes up to some {most}"))
}

/// Arithmetic on durations and money; `number` is an [`Arith`].
pub(crate) fn arith(number: u8, left: &Value, right: &Value) -> Result<Value, Error> {
    let operation = Arith::from_byte(number).expect("verify has checked the operation");
    let (a, b) = (left.int_bits(), right.int_bits());
    let fits = |result: Option<i64>, what: &str| result.ok_or_else(|| no_amount(what));
    Ok(match operation {
        Arith::AddDuration => Value::duration(fits(a.checked_add(b), "duration")?),
        Arith::SubDuration => Value::duration(fits(a.checked_sub(b), "duration")?),
        Arith::MulDurationInt => Value::duration(fits(a.checked_mul(b), "duration")?),
        Arith::MulDurationFloat => Value::duration(float_to_amount(a as f64 * right.float_bits(), "duration")?),
        Arith::DivDurationInt => Value::duration(divide(Opcode::DivInt, a, b)?),
        Arith::DivDurationFloat => Value::duration(float_to_amount(a as f64 / right.float_bits(), "duration")?),
        Arith::DivDuration | Arith::DivMoney => Value::float(a as f64 / b as f64),
        Arith::RemDuration => Value::duration(divide(Opcode::RemInt, a, b)?),
        Arith::NegDuration => Value::duration(fits(a.checked_neg(), "duration")?),
        Arith::AddMoney => Value::money(fits(a.checked_add(b), "money")?),
        Arith::SubMoney => Value::money(fits(a.checked_sub(b), "money")?),
        Arith::MulMoneyInt => Value::money(fits(a.checked_mul(b), "money")?),
        Arith::MulMoneyFloat => Value::money(float_to_amount(a as f64 * right.float_bits(), "money")?),
        Arith::DivMoneyInt => Value::money(divide_half_even(a, b)?),
        Arith::DivMoneyFloat => Value::money(float_to_amount(a as f64 / right.float_bits(), "money")?),
        Arith::NegMoney => Value::money(fits(a.checked_neg(), "money")?),
        Arith::IntToDuration => Value::duration(fits(a.checked_mul(MILLISECOND), "duration")?),
        Arith::IntToMoney => Value::money(fits(a.checked_mul(PICO_DOLLARS), "money")?),
        Arith::MoneyToFloat => Value::float(a as f64 / PICO_DOLLARS as f64),
    })
}

/// `amount / divisor`, rounded half to even.
fn divide_half_even(amount: i64, divisor: i64) -> Result<i64, Error> {
    if divisor == 0 {
        return Err(divide_by_zero());
    }
    // In 128 bits nothing here overflows.
    let (amount, divisor) = (i128::from(amount), i128::from(divisor));
    let (quotient, remainder) = (amount.div_euclid(divisor), amount.rem_euclid(divisor));
    let twice = remainder * 2;
    let size = divisor.abs();
    // With a negative divisor the euclidean quotient lies above the exact one, so rounding goes down.
    let away = if divisor > 0 { 1 } else { -1 };
    let rounded = if twice > size || twice == size && quotient % 2 != 0 { quotient + away } else { quotient };
    i64::try_from(rounded).map_err(|_| no_amount("money"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_divided_half_to_even_for_every_sign() {
        for (amount, divisor, expected) in [
            (5, 2, 2),
            (7, 2, 4),
            (-5, 2, -2),
            (-7, 2, -4),
            (5, -2, -2),
            (7, -2, -4),
            (-7, -2, 4),
            (1, 3, 0),
            (2, 3, 1),
            (-2, 3, -1),
        ] {
            assert_eq!(divide_half_even(amount, divisor).ok(), Some(expected), "{amount} / {divisor}");
        }
        assert!(divide_half_even(1, 0).is_err());
        assert!(divide_half_even(i64::MIN, -1).is_err());
    }

    #[test]
    fn ints_at_the_edges_of_division() {
        assert_eq!(divide(Opcode::DivInt, -7, 2).ok(), Some(-3));
        assert_eq!(divide(Opcode::RemInt, -7, 2).ok(), Some(-1));
        assert_eq!(divide(Opcode::RemInt, i64::MIN, -1).ok(), Some(0));
        assert!(divide(Opcode::DivInt, i64::MIN, -1).is_err());
    }

    #[test]
    fn doubles_become_ints_only_where_they_fit() {
        assert_eq!(float_to_int(-2.9).ok(), Some(-2));
        assert_eq!(float_to_int(-9_223_372_036_854_775_808.0).ok(), Some(i64::MIN));
        for float in [9_223_372_036_854_775_808.0, -9_223_372_036_854_777_856.0, f64::NAN, f64::INFINITY] {
            assert!(float_to_int(float).is_err(), "{float}");
        }
    }
}
