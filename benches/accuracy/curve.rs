//! A counter in continuous time.

/// A counter that only grows, piecewise linear; two knots at one time are a
/// jump.
#[derive(Debug, Default)]
pub(crate) struct Curve {
    /// Time in seconds and records, both never falling.
    knots: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn push(&mut self, at_s: f64, records: f64) {
        self.knots.push((at_s, records));
    }

    /// Records at a time.
    pub(crate) fn at(&self, at_s: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.0 <= at_s);
        match (self.knots.get(after.wrapping_sub(1)), self.knots.get(after)) {
            (Some(&from), Some(&to)) => {
                from.1 + (to.1 - from.1) * (at_s - from.0) / (to.0 - from.0)
            }
            (Some(last), None) => last.1,
            (None, first) => first.expect("a curve has knots").1,
        }
    }

    /// When it first came to so many records; `None`: never.
    pub(crate) fn reached(&self, records: f64) -> Option<f64> {
        let after = self.knots.partition_point(|knot| knot.1 < records);
        let to = self.knots.get(after)?;
        let Some(from) = self.knots.get(after.wrapping_sub(1)) else {
            return Some(to.0);
        };
        Some(from.0 + (to.0 - from.0) * (records - from.1) / (to.1 - from.1))
    }

    /// Mean growth between two times, in records/s.
    pub(crate) fn mean_rate(&self, from_s: f64, to_s: f64) -> f64 {
        (self.at(to_s) - self.at(from_s)) / (to_s - from_s)
    }
}
