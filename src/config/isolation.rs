//! Which records of a log count.

use super::section::Section;

const LEVELS: [(&str, IsolationConfig); 2] = [
    ("read_committed", IsolationConfig::ReadCommitted),
    ("read_uncommitted", IsolationConfig::ReadUncommitted),
];

/// Which records of a log count, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationConfig {
    /// `read_committed`: up to the last stable offset, none of open
    /// transactions.
    ReadCommitted,
    /// `read_uncommitted`: up to the high watermark.
    ReadUncommitted,
}

impl IsolationConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let level = section.choice("isolation_level", &LEVELS);
        level.unwrap_or(Self::ReadCommitted)
    }
}
