//! Moves as what is left of them once they were predicted.

use super::{
    predictor::Predictor,
    tag::Pace,
    varint::{unzigzag, zigzag},
};

/// What of the moves is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// How far one is from the one before: offsets.
    Growth,
    /// Where one is: lag.
    Level,
}

impl Aspect {
    pub(super) fn of(is_lag: bool) -> Self {
        if is_lag { Self::Level } else { Self::Growth }
    }

    /// What is to be added to what was predicted, given the move before.
    #[inline]
    fn base(self, before: i64) -> i64 {
        match self {
            Self::Growth => before,
            Self::Level => 0,
        }
    }

    /// One that knows of the first move, which is 0.
    fn predictor(self, pace: Pace) -> Predictor {
        let mut predictor = Predictor::new(pace.shift());
        if self == Self::Level {
            predictor.learn(0, 0);
        }
        predictor
    }
}

/// Makes the residuals of all `moves` but the first, which is 0, by each of two
/// paces, in place of what `residuals` held. Gives about how many bits they have.
///
/// Both in one go: each waits for itself from move to move, and meanwhile the
/// processor has time for the other.
pub(super) fn predict(
    moves: &[i64],
    aspect: Aspect,
    paces: [Pace; 2],
    residuals: &mut [Vec<u64>; 2],
) -> [usize; 2] {
    let mut predictors = paces.map(|pace| aspect.predictor(pace));
    let mut quarters = [0; 2];
    let [one, other] = residuals;
    one.clear();
    one.resize(moves.len() - 1, 0);
    other.clear();
    other.resize(moves.len() - 1, 0);
    let pairs = moves.iter().zip(&moves[1..]);
    for ((one, other), (&before, &each)) in one.iter_mut().zip(other).zip(pairs) {
        let number = each.wrapping_sub(aspect.base(before));
        for (place, residual) in [one, other].into_iter().enumerate() {
            let error = number.wrapping_sub(predictors[place].predict());
            predictors[place].learn(number, error);
            *residual = zigzag(error);
            quarters[place] += quarter_bits(*residual);
        }
    }
    quarters.map(|quarters| (quarters / 4) as usize)
}

/// About how many bits the residuals have, told without making any: as if each
/// number were predicted to be as the one before.
pub(super) fn rough_bits(moves: &[i64], aspect: Aspect) -> usize {
    let (mut before, mut still, mut moving) = (0, 0, 0);
    for (&last, &each) in moves.iter().zip(&moves[1..]) {
        let number = each.wrapping_sub(aspect.base(last));
        still += quarter_bits(zigzag(number));
        moving += quarter_bits(zigzag(number.wrapping_sub(before)));
        before = number;
    }
    (moving.min(still) / 4) as usize
}

/// About how much of a bit, in quarters, a residual takes among its like.
#[inline]
fn quarter_bits(residual: u64) -> u64 {
    // Without a branch, which noise would make slow.
    let zeros = (residual | 1).leading_zeros();
    let fraction = (residual << zeros) >> 61 & 3;
    let quarters = 4 * u64::from(u64::BITS - zeros) + fraction + 4;
    quarters - 7 * u64::from(residual == 0)
}

/// Undoes [`predict`]; clears `moves` first.
pub(super) fn restore(residuals: &[u64], aspect: Aspect, pace: Pace, moves: &mut Vec<i64>) {
    let mut before = 0;
    let mut predictor = aspect.predictor(pace);
    moves.clear();
    moves.push(before);
    moves.extend(residuals.iter().map(|&residual| {
        let error = unzigzag(residual);
        let number = error.wrapping_add(predictor.predict());
        predictor.learn(number, error);
        before = number.wrapping_add(aspect.base(before));
        before
    }));
}
