//! Decimal literals as integers of a smaller unit: `2.5e-06` dollars are 2,500,000 of 10^-12.

/// The literal times 10^`scale`, or `None` where that is no integer of 64 bits.
pub(super) fn scaled(literal: &str, scale: i32) -> Option<i64> {
    let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (literal, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut power = scale.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    while power < 0 && digits.len() > 1 && digits.ends_with('0') {
        digits.pop();
        power += 1;
    }
    let value: i64 = digits.parse().ok()?;
    if value == 0 {
        return Some(0);
    }
    let factor = 10_i64.checked_pow(u32::try_from(power).ok()?)?;
    value.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_exactly_or_not_at_all() {
        assert_eq!(scaled("2.5e-06", 12), Some(2_500_000));
        assert_eq!(scaled("5e-09", 12), Some(5_000));
        assert_eq!(scaled("0.00015", 12), Some(150_000_000));
        assert_eq!(scaled("1", 12), Some(1_000_000_000_000));
        assert_eq!(scaled("1.10", 6), Some(1_100_000));
        assert_eq!(scaled("0.0", 12), Some(0));
        assert_eq!(scaled("1e-12", 12), Some(1));
        assert_eq!(scaled("1e-13", 12), None);
        assert_eq!(scaled("1e30", 12), None);
        assert_eq!(scaled("cheap", 12), None);
        assert_eq!(scaled("", 12), None);
    }
}
