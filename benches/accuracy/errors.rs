//! Errors of many ticks, and what is told of them.

/// Each is 0 or more.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<f64>);

impl Errors {
    /// The distance from a truth, as a share of it; none from 0.
    pub(crate) fn add_share(&mut self, found: Option<f64>, truth: f64) {
        if let Some(found) = found
            && truth > 0.0
        {
            self.0.push((found / truth - 1.0).abs());
        }
    }

    pub(crate) fn add(&mut self, error: f64) {
        self.0.push(error);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What a share of them does not exceed; `None`: there are none.
    pub(crate) fn quantile(&mut self, share: f64) -> Option<f64> {
        self.0.sort_unstable_by(f64::total_cmp);
        let last = self.0.len().checked_sub(1)?;
        Some(self.0[(last as f64 * share).round() as usize])
    }
}
