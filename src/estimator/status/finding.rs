//! Which rule held of a partition, and what that is called.

use std::{fmt, time::Duration};

use crate::model::TimestampMs;

/// Burrow's word for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionVerdict {
    /// Nothing is wrong.
    Ok,
    /// It works, and its lag does not shrink.
    Warn,
    /// It has stopped committing while records wait.
    Stop,
    /// It commits the same offset again and again while records wait.
    Stall,
    /// It went back and has not regained where it was.
    Rewind,
}

impl PartitionVerdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Warn, Self::Stop, Self::Stall, Self::Rewind];

    /// As Burrow writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Stop => "STOP",
            Self::Stall => "STALL",
            Self::Rewind => "REWIND",
        }
    }
}

/// Which rule held, with what it was judged by. As text: a reason for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// There is no reading young enough.
    Unread {
        /// When there last was one, if that is still held.
        since: Option<TimestampMs>,
    },
    /// Records wait where the group has committed nothing; nobody knows where
    /// it will begin.
    NothingCommitted,
    /// The group has committed nothing, and there is nothing to read.
    NothingToRead,
    /// No record waits.
    CaughtUp,
    /// There was no commit for longer than ten commits take.
    Stopped {
        /// From the last commit to the newest reading.
        silence: Duration,
        /// How long ten commits take.
        usual: Duration,
    },
    /// An offset went back and was not regained.
    Rewound {
        /// The offset that was reached before.
        reached: i64,
        /// The newest committed offset.
        now_at: i64,
    },
    /// At one of the commits no record waited.
    WasCaughtUp,
    /// The committed offset did not move in all readings.
    Stalled {
        /// The offset.
        offset: i64,
    },
    /// The lag was never less than at the commit before.
    LagNeverShrinks,
    /// Items wait in a queue whose depth has not fallen for long, and nothing
    /// but the depth is known: they may go as fast as others come.
    DepthDoesNotFall,
    /// It was.
    LagShrinks,
    /// There are no two commits whose lags could be compared.
    TooFewCommits,
}

impl Finding {
    /// The same of a queue of which nothing but the depth is known: as much may
    /// come as goes, so that who works can't be told from who has stopped.
    pub(super) fn of_depth_alone(self) -> Self {
        match self {
            Self::Stopped { .. } | Self::Stalled { .. } => Self::DepthDoesNotFall,
            other => other,
        }
    }

    /// What it means; `None`: nothing is known.
    pub fn verdict(&self) -> Option<PartitionVerdict> {
        match self {
            Self::Unread { .. } | Self::NothingCommitted => None,
            Self::NothingToRead
            | Self::CaughtUp
            | Self::WasCaughtUp
            | Self::LagShrinks
            | Self::TooFewCommits => Some(PartitionVerdict::Ok),
            Self::LagNeverShrinks | Self::DepthDoesNotFall => Some(PartitionVerdict::Warn),
            Self::Stopped { .. } => Some(PartitionVerdict::Stop),
            Self::Stalled { .. } => Some(PartitionVerdict::Stall),
            Self::Rewound { .. } => Some(PartitionVerdict::Rewind),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread { since: Some(since) } => write!(f, "no usable reading since {since}"),
            Self::Unread { since: None } => f.write_str("no usable reading"),
            Self::NothingCommitted => f.write_str("records wait and nothing was ever committed"),
            Self::NothingToRead => f.write_str("nothing was committed, and there is no record"),
            Self::CaughtUp => f.write_str("no record waits"),
            Self::Stopped { silence, usual } => write!(
                f,
                "records wait and nothing was committed for {} s, ten commits take {} s at most",
                silence.as_secs(),
                usual.as_secs_f64().ceil()
            ),
            Self::Rewound { reached, now_at } => write!(
                f,
                "the committed offset went back from {reached} and is at {now_at} now"
            ),
            Self::WasCaughtUp => f.write_str("no record waited at one of the newest commits"),
            Self::Stalled { offset } => write!(
                f,
                "records wait and the committed offset was {offset} in each reading"
            ),
            Self::LagNeverShrinks => f.write_str("the lag was never less than a commit before"),
            Self::DepthDoesNotFall => {
                f.write_str("items wait and the depth has not fallen; nothing counts those done")
            }
            Self::LagShrinks => f.write_str("the lag was less than a commit before at least once"),
            Self::TooFewCommits => f.write_str("there are too few commits to compare their lags"),
        }
    }
}
