//! A signal as what is left of it once it was predicted.

use super::{
    predictor::Predictor,
    tag::Pace,
    varint::{unzigzag, zigzag},
};

/// What of a signal is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// By how much it grows: offsets.
    Growth,
    /// Where it stands: lag.
    Level,
}

impl Aspect {
    pub(super) fn of(is_lag: bool) -> Self {
        if is_lag { Self::Level } else { Self::Growth }
    }

    /// What is to be added to what was predicted, given the number before.
    #[inline]
    fn base(self, before: i64) -> i64 {
        match self {
            Self::Growth => before,
            Self::Level => 0,
        }
    }

    fn predictor(self, first: i64, pace: Pace) -> Predictor {
        let mut predictor = Predictor::new(pace.shift());
        if self == Self::Level {
            predictor.learn(first, 0);
        }
        predictor
    }
}

/// Makes the residuals of what follows the first number of `signal`; clears
/// `residuals` first. Gives about how many bits they have.
pub(super) fn predict(
    signal: &[i64],
    aspect: Aspect,
    pace: Pace,
    residuals: &mut Vec<u64>,
) -> usize {
    residuals.clear();
    let mut predictor = aspect.predictor(signal[0], pace);
    let mut quarters = 0;
    residuals.extend(signal.iter().zip(&signal[1..]).map(|(&before, &number)| {
        let moved = number.wrapping_sub(aspect.base(before));
        let error = moved.wrapping_sub(predictor.predict());
        predictor.learn(moved, error);
        let residual = zigzag(error);
        quarters += quarter_bits(residual);
        residual
    }));
    (quarters / 4) as usize
}

/// About how much of a bit, in quarters, a residual takes among its like.
#[inline]
fn quarter_bits(residual: u64) -> u64 {
    if residual == 0 {
        return 1;
    }
    let zeros = residual.leading_zeros();
    let fraction = (residual << zeros) >> 61 & 3;
    4 * u64::from(u64::BITS - zeros) + fraction + 4
}

/// Undoes [`predict`]: appends to `signal`, which holds its first number.
pub(super) fn restore(residuals: &[u64], aspect: Aspect, pace: Pace, signal: &mut Vec<i64>) {
    let mut before = signal[0];
    let mut predictor = aspect.predictor(before, pace);
    signal.extend(residuals.iter().map(|&residual| {
        let error = unzigzag(residual);
        let moved = error.wrapping_add(predictor.predict());
        predictor.learn(moved, error);
        before = moved.wrapping_add(aspect.base(before));
        before
    }));
}
