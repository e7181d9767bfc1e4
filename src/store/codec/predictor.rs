//! What comes next, by what came before: an exponential moving average that
//! one outlier doesn't move.

/// Fractional bits of the mean.
const MEAN_BITS: u32 = 8;
/// Fractional bits of the spread.
const SPREAD_BITS: u32 = 4;
/// Each error counts for an eighth of the spread, or more at first.
const SPREAD_SHIFT: u32 = 3;
/// As many outliers in a row are a new level. An offset that is off for one
/// tick makes two: there and back.
const OUTLIERS_OF_A_LEVEL: u32 = 3;
/// Beyond these the average is of no use, and its arithmetic would overflow.
const LARGEST_NUMBER: i64 = 1 << 50;
const LARGEST_ERROR: i64 = 1 << 40;

/// Predicts a number by the numbers before it.
#[derive(Debug)]
pub(super) struct Predictor {
    mean: i64,
    /// A moving average of how far off the predictions were.
    spread: i64,
    /// Each number counts for one in two to the power of this, at last. 0: none
    /// counts, and 0 is predicted.
    shift: u32,
    /// Numbers learned. The first ones count for more, or the average would
    /// take long to come near.
    learned: u32,
    /// As many of the last numbers were outliers.
    outliers: u32,
}

impl Predictor {
    pub(super) fn new(shift: u32) -> Self {
        Self {
            mean: 0,
            spread: 0,
            shift,
            learned: 0,
            outliers: 0,
        }
    }

    #[inline]
    pub(super) fn predict(&self) -> i64 {
        (self.mean + (1 << (MEAN_BITS - 1))) >> MEAN_BITS
    }

    /// Takes in `number`, which was `error` away from what was predicted.
    ///
    /// An outlier is left out: a log start that jumps once says nothing of the
    /// next tick.
    #[inline]
    pub(super) fn learn(&mut self, number: i64, error: i64) {
        if self.shift == 0 {
            return;
        }
        let number = number.clamp(-LARGEST_NUMBER, LARGEST_NUMBER) << MEAN_BITS;
        let error = error.saturating_abs().min(LARGEST_ERROR) << SPREAD_BITS;
        if self.is_outlier(error) {
            self.outliers += 1;
            if self.outliers < OUTLIERS_OF_A_LEVEL {
                return;
            }
            self.learned = 0;
        }
        self.outliers = 0;
        self.learned += 1;
        let shift = self.shift.min(self.learned.ilog2());
        self.mean += (number - self.mean) >> shift;
        if self.learned > 1 {
            self.spread += (error - self.spread) >> shift.min(SPREAD_SHIFT);
        }
    }

    #[inline]
    fn is_outlier(&self, error: i64) -> bool {
        // The first two say what is usual.
        self.learned > 1 && error > 8 * self.spread + (32 << SPREAD_BITS)
    }
}
