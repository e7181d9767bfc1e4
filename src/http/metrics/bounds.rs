//! How many series a page may have.
//!
//! What does not fit is left out by whole groups and topics, the largest first,
//! so that it is the same at each scrape, and never a part of a group.

/// Series that tell of single partitions: beyond it a scrape is a burden to
/// Prometheus, and what is left out is told by the sums of its groups and topics.
pub(super) const MAX_PARTITION_SERIES: usize = 100_000;
/// Series that tell of groups and of groups in topics.
pub(super) const MAX_GROUP_SERIES: usize = 100_000;
/// Series that tell of watches.
pub(super) const MAX_WATCH_SERIES: usize = 10_000;

/// Which items fit.
#[derive(Debug)]
pub(super) struct Fitting {
    /// By item.
    pub(super) fits: Vec<bool>,
    /// Series of those that don't.
    pub(super) left_out: usize,
}

impl Fitting {
    /// Of items with so many series each, the smallest first; of two that are
    /// alike the one that comes first.
    pub(super) fn of(series: &[usize], limit: usize) -> Self {
        let mut order: Vec<_> = (0..series.len()).collect();
        order.sort_by_key(|item| series[*item]);
        let (mut fits, mut left, mut left_out) = (vec![false; series.len()], limit, 0);
        for item in order {
            match left.checked_sub(series[item]) {
                Some(rest) if left_out == 0 => {
                    left = rest;
                    fits[item] = true;
                }
                _ => left_out += series[item],
            }
        }
        Self { fits, left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_left_out() {
        for (series, limit, fits, left_out) in [
            (&[3, 1, 2][..], 6, &[true, true, true][..], 0),
            (&[3, 1, 2], 5, &[false, true, true], 3),
            (&[3, 1, 2], 2, &[false, true, false], 5),
            (&[2, 2, 2], 4, &[true, true, false], 2),
            (&[9], 5, &[false], 9),
            (&[], 5, &[], 0),
        ] {
            let fitting = Fitting::of(series, limit);
            assert_eq!(
                (&fitting.fits[..], fitting.left_out),
                (fits, left_out),
                "{series:?}"
            );
        }
    }
}
