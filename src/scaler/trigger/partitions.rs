//! `partitionLimitation`: some partitions of a topic.

use std::{fmt, ops::RangeInclusive};

use crate::model::Partition;

/// Some partitions of a topic, as ranges: a range of two thousand million
/// takes no more room than one of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSet(Vec<RangeInclusive<Partition>>);

impl PartitionSet {
    /// What is accepted.
    pub(super) const ACCEPTED: &str =
        "partitions and ranges of them with commas between, such as \"1,2,10-20\"";

    /// Reads KEDA's list, such as `1,2,10-20`; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    /// Is `partition` one of them?
    pub fn contains(&self, partition: Partition) -> bool {
        self.0.iter().any(|range| range.contains(&partition))
    }
}

impl fmt::Display for PartitionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "," };
            let (first, last) = (range.start(), range.end());
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

fn range(text: &str) -> Option<RangeInclusive<Partition>> {
    let number = |text: &str| {
        let number = text.trim().parse::<Partition>().ok()?;
        (number >= 0).then_some(number)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_read() {
        for (text, partitions) in [
            ("1,2,3", &[1, 2, 3][..]),
            ("1-4", &[1, 2, 3, 4]),
            ("1-4,8,10-12", &[1, 2, 3, 4, 8, 10, 11, 12]),
            (" 0 , 2 - 3 ", &[0, 2, 3]),
            ("5,5,4-6", &[4, 5, 6]),
        ] {
            let set = PartitionSet::parse(text).expect(text);
            let found: Vec<_> = (0..20).filter(|at| set.contains(*at)).collect();
            assert_eq!(found, partitions, "{text}");
        }
        let set = PartitionSet::parse(" 0 , 2 - 3,9").expect("a list");
        assert_eq!(set.to_string(), "0,2-3,9");
        let all = PartitionSet::parse("0-2147483647").expect("a range");
        assert!(all.contains(Partition::MAX));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "a,b",
            "1,",
            "3-1",
            "-1",
            "1-2-3",
            "1--2",
            "4294967296",
            "1.5",
        ] {
            assert_eq!(PartitionSet::parse(text), None, "{text:?}");
        }
    }
}
