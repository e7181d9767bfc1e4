//! Numbers as PostgreSQL sends them, in its binary forms.
//!
//! Integers and floats are big-endian. `interval` is microseconds (8 bytes), days
//! (4) and months (4), of 30 days each here. `numeric` is a header of four 16-bit
//! numbers (how many digits, the weight of the first, sign, scale) and then digits
//! to base 10,000: see `numeric_send` in PostgreSQL's `numeric.c`.

use std::fmt;

use tokio_postgres::types::Type;

const NUMERIC_POSITIVE: u16 = 0x0000;
const NUMERIC_NEGATIVE: u16 = 0x4000;
/// Digits to base 10,000 before the point beyond which no number of ours has any:
/// five are 10^20 already.
const MAX_WEIGHT: i16 = 4;
/// No time and no count is as large, and no float below it is too large for us.
const TOO_LARGE: f64 = 1e20;
const DAY_US: i128 = 24 * 60 * 60 * 1_000_000;
const MONTH_DAYS: i128 = 30;

/// A number, exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    millionths: i128,
}

/// Is it a type of numbers that count?
pub(super) fn is_number(of: &Type) -> bool {
    [Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC].contains(of)
}

/// Is it a type that can tell for how long?
pub(super) fn is_time(of: &Type) -> bool {
    is_number(of) || [Type::FLOAT4, Type::FLOAT8, Type::INTERVAL].contains(of)
}

impl Number {
    /// Reads a value of one of the types above; `None` if it is none, such as NaN, or
    /// far too large for a count.
    pub(super) fn read(of: &Type, raw: &[u8]) -> Option<Self> {
        let whole = |number: i64| Self {
            millionths: i128::from(number) * 1_000_000,
        };
        match *of {
            Type::INT2 => Some(whole(i16::from_be_bytes(raw.try_into().ok()?).into())),
            Type::INT4 => Some(whole(i32::from_be_bytes(raw.try_into().ok()?).into())),
            Type::INT8 => Some(whole(i64::from_be_bytes(raw.try_into().ok()?))),
            Type::FLOAT4 => Self::of_float(f32::from_be_bytes(raw.try_into().ok()?).into()),
            Type::FLOAT8 => Self::of_float(f64::from_be_bytes(raw.try_into().ok()?)),
            Type::INTERVAL => Self::of_interval(raw),
            Type::NUMERIC => Self::of_numeric(raw),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub(super) fn whole(self) -> Option<i64> {
        let is_whole = self.millionths % 1_000_000 == 0;
        is_whole.then(|| i64::try_from(self.millionths / 1_000_000).ok())?
    }

    /// Thousandths of it, the nearest that there are.
    pub(super) fn thousandths(self) -> i64 {
        let nearest = if self.millionths < 0 {
            i64::MIN
        } else {
            i64::MAX
        };
        i64::try_from(self.millionths / 1_000).unwrap_or(nearest)
    }

    fn of_float(number: f64) -> Option<Self> {
        // NaN is not below it either.
        (number.abs() < TOO_LARGE).then_some(Self {
            millionths: (number * 1e6) as i128,
        })
    }

    fn of_interval(raw: &[u8]) -> Option<Self> {
        let (us, rest) = raw.split_first_chunk::<8>()?;
        let (days, months) = rest.split_first_chunk::<4>()?;
        let days = i128::from(i32::from_be_bytes(*days));
        let months = i128::from(i32::from_be_bytes(months.try_into().ok()?));
        let days = days + months * MONTH_DAYS;
        Some(Self {
            millionths: i128::from(i64::from_be_bytes(*us)) + days * DAY_US,
        })
    }

    fn of_numeric(raw: &[u8]) -> Option<Self> {
        let (header, digits) = raw.split_first_chunk::<8>()?;
        let [_, _, w0, w1, s0, s1, _, _] = *header;
        let weight = i16::from_be_bytes([w0, w1]);
        let sign = match u16::from_be_bytes([s0, s1]) {
            NUMERIC_POSITIVE => 1,
            NUMERIC_NEGATIVE => -1,
            _ => return None,
        };
        if weight > MAX_WEIGHT {
            return None;
        }
        let (mut millionths, mut weight) = (0, weight);
        for digit in digits.chunks_exact(2) {
            let digit = i128::from(u16::from_be_bytes([digit[0], digit[1]]));
            millionths += match weight {
                0.. => digit * 1_000_000 * 10_000_i128.pow(weight.unsigned_abs().into()),
                -1 => digit * 100,
                -2 => digit / 100,
                _ => 0,
            };
            weight = weight.saturating_sub(1);
        }
        Some(Self {
            millionths: sign * millionths,
        })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.millionths < 0 { "-" } else { "" };
        let millionths = self.millionths.unsigned_abs();
        let (whole, rest) = (millionths / 1_000_000, millionths % 1_000_000);
        let rest = format!("{rest:06}");
        match rest.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            rest => write!(f, "{sign}{whole}.{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// As `numeric_send` makes it.
    fn numeric(weight: i16, sign: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).expect("few");
        let header = [count, weight.cast_unsigned(), sign, 0];
        let all = header.iter().chain(digits);
        all.flat_map(|it| it.to_be_bytes()).collect()
    }

    fn read(of: &Type, raw: &[u8]) -> Option<String> {
        Number::read(of, raw).map(|number| number.to_string())
    }

    #[test]
    fn each_type_is_read() {
        let interval = |us: i64, days: i32, months: i32| {
            let (days, months) = (days.to_be_bytes(), months.to_be_bytes());
            [&us.to_be_bytes()[..], &days, &months].concat()
        };
        for (of, raw, expected) in [
            (Type::INT2, 7_i16.to_be_bytes().to_vec(), "7"),
            (Type::INT4, (-7_i32).to_be_bytes().to_vec(), "-7"),
            (
                Type::INT8,
                i64::MAX.to_be_bytes().to_vec(),
                "9223372036854775807",
            ),
            (Type::FLOAT4, 1.5_f32.to_be_bytes().to_vec(), "1.5"),
            (Type::FLOAT8, 0.25_f64.to_be_bytes().to_vec(), "0.25"),
            (Type::INTERVAL, interval(1_500_000, 1, 1), "2678401.5"),
            (Type::NUMERIC, numeric(0, 0, &[]), "0"),
            (Type::NUMERIC, numeric(1, 0, &[12, 3456]), "123456"),
            (Type::NUMERIC, numeric(2, 0, &[1]), "100000000"),
            (
                Type::NUMERIC,
                numeric(0, 0x4000, &[3, 1415, 9265]),
                "-3.141592",
            ),
            (Type::NUMERIC, numeric(-2, 0, &[1200]), "0.000012"),
        ] {
            assert_eq!(read(&of, &raw).as_deref(), Some(expected), "{of}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for (of, raw) in [
            (Type::FLOAT8, f64::NAN.to_be_bytes().to_vec()),
            (Type::FLOAT8, f64::INFINITY.to_be_bytes().to_vec()),
            (Type::FLOAT8, (-1e300_f64).to_be_bytes().to_vec()),
            (Type::NUMERIC, numeric(0, 0xC000, &[])),
            (Type::NUMERIC, numeric(0, 0xD000, &[])),
            (Type::NUMERIC, numeric(5, 0, &[1])),
            (Type::NUMERIC, vec![0; 7]),
            (Type::INT8, vec![0; 4]),
            (Type::INTERVAL, vec![0; 15]),
            (Type::TEXT, b"12".to_vec()),
        ] {
            assert_eq!(read(&of, &raw), None, "{of} {raw:?}");
        }
    }

    #[test]
    fn only_whole_numbers_count() {
        let number = |raw: &[u8]| Number::read(&Type::NUMERIC, raw).expect("a number");
        assert_eq!(number(&numeric(0, 0, &[42])).whole(), Some(42));
        assert_eq!(number(&numeric(0, 0, &[42, 5000])).whole(), None);
        assert_eq!(number(&numeric(4, 0, &[9999])).whole(), None, "beyond i64");
        assert_eq!(number(&numeric(0, 0, &[42, 5000])).thousandths(), 42_500);
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_are_read_or_refused(raw in vec(any::<u8>(), 0..64)) {
            for of in [
                Type::INT2,
                Type::INT4,
                Type::INT8,
                Type::FLOAT4,
                Type::FLOAT8,
                Type::INTERVAL,
                Type::NUMERIC,
            ] {
                if let Some(number) = Number::read(&of, &raw) {
                    let text = number.to_string();
                    let whole = number.whole().map(|whole| whole.to_string());
                    prop_assert!(whole.is_none_or(|whole| whole == text));
                    prop_assert!(!text.is_empty());
                }
            }
        }

        #[test]
        fn a_numeric_is_the_number_that_was_sent(whole in any::<i64>()) {
            let mut digits = Vec::new();
            let mut rest = whole.unsigned_abs();
            while rest > 0 {
                digits.insert(0, u16::try_from(rest % 10_000).expect("one digit"));
                rest /= 10_000;
            }
            let weight = i16::try_from(digits.len()).expect("few") - 1;
            let sign = if whole < 0 { 0x4000 } else { 0 };
            let number = Number::read(&Type::NUMERIC, &numeric(weight, sign, &digits));
            prop_assert_eq!(number.and_then(Number::whole), Some(whole));
        }
    }
}
