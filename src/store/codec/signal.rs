//! The numbers that a column is coded by.

/// Each number is `first + step * move`, wrapping.
///
/// A producer that writes batches, a consumer that commits them and a
/// transaction with its marker all move offsets by multiples of one step.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub(super) first: i64,
    /// At least 1.
    pub(super) step: u64,
    /// Of each number, beginning with 0 for the first.
    pub(super) moves: Vec<i64>,
}

impl Signal {
    /// Takes in `numbers`, if there are any, in place of those before.
    pub(super) fn set(&mut self, numbers: impl Iterator<Item = i64>) {
        let mut numbers = numbers.peekable();
        self.first = numbers.peek().copied().unwrap_or_default();
        let first = self.first;
        self.moves.clear();
        self.moves
            .extend(numbers.map(|number| number.wrapping_sub(first)));
        self.step = common_divisor(&self.moves);
        if self.step > 1 {
            let step = self.step.cast_signed();
            for each in &mut self.moves {
                *each = each.wrapping_div(step);
            }
        }
    }

    /// Makes all numbers the first.
    pub(super) fn set_constant(&mut self, length: usize) {
        self.moves.clear();
        self.moves.resize(length, 0);
    }

    /// Makes the moves the numbers that they lead to.
    pub(super) fn finish(&mut self) {
        let step = self.step.cast_signed();
        for each in &mut self.moves {
            *each = each.wrapping_mul(step).wrapping_add(self.first);
        }
    }
}

/// The greatest that all `moves` are multiples of; 1 if all are 0.
fn common_divisor(moves: &[i64]) -> u64 {
    let mut divisor = 0;
    for each in moves {
        let size = each.unsigned_abs();
        if size != 0 && (divisor == 0 || size % divisor != 0) {
            divisor = greatest_common_divisor(size, divisor);
        }
        if divisor == 1 {
            break;
        }
    }
    divisor.max(1)
}

fn greatest_common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}
