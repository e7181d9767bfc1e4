//! What happened, beside what was measured.

use std::fmt;

use super::{ClusterName, Gap, GapScope, GroupId, TimestampMs};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it was seen.
    pub at: TimestampMs,
    /// In which cluster; `None` for what happened to the process.
    pub cluster: Option<ClusterName>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// Members of a group came, went or were dealt other partitions. Told when
    /// each has its partitions again.
    Rebalance {
        /// The group.
        group: GroupId,
        /// How many members it had.
        members_before: u32,
        /// How many it has.
        members: u32,
    },
    /// From here on something could not be read, or not for another reason.
    GapBegan(Gap),
    /// It is read again, or not asked for any more.
    GapEnded(GapScope),
    /// The process started.
    Started {
        /// Its release.
        version: String,
    },
    /// The process ended in order. A start without one before it was a crash.
    Stopped,
    /// At this start the configuration was not that of the start before.
    ConfigurationChanged {
        /// Where, such as `poll` or `clusters.main`.
        sections: Vec<String>,
    },
    /// From here on ticks could not be made durable.
    RecordingFailed {
        /// Why.
        reason: String,
    },
    /// They are again.
    RecordingResumed,
    /// There was more than is kept of one tick.
    LeftOff {
        /// How many events.
        count: u64,
    },
}

impl EventKind {
    /// The names of all kinds.
    pub const NAMES: [&str; 9] = [
        "rebalance",
        "gap_began",
        "gap_ended",
        "started",
        "stopped",
        "configuration_changed",
        "recording_failed",
        "recording_resumed",
        "left_off",
    ];

    /// A short stable word for JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rebalance { .. } => "rebalance",
            Self::GapBegan(_) => "gap_began",
            Self::GapEnded(_) => "gap_ended",
            Self::Started { .. } => "started",
            Self::Stopped => "stopped",
            Self::ConfigurationChanged { .. } => "configuration_changed",
            Self::RecordingFailed { .. } => "recording_failed",
            Self::RecordingResumed => "recording_resumed",
            Self::LeftOff { .. } => "left_off",
        }
    }

    /// What could not be read, or is read again.
    pub fn scope(&self) -> Option<&GapScope> {
        match self {
            Self::GapBegan(gap) => Some(&gap.scope),
            Self::GapEnded(scope) => Some(scope),
            _ => None,
        }
    }

    /// The group that it names.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Rebalance { group, .. } => Some(group),
            _ => self.scope()?.group(),
        }
    }
}

/// The sentence for people.
impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebalance {
                members_before,
                members,
                ..
            } => write!(f, "{members_before} members before, {members} now"),
            Self::GapBegan(gap) => f.write_str(&gap.reason.message),
            Self::GapEnded(_) => f.write_str("read again, or not asked for any more"),
            Self::Started { version } => write!(f, "version {version}"),
            Self::Stopped => f.write_str("ended in order"),
            Self::ConfigurationChanged { sections } => {
                write!(f, "changed: {}", sections.join(", "))
            }
            Self::RecordingFailed { reason } => f.write_str(reason),
            Self::RecordingResumed => f.write_str("history is recorded again"),
            Self::LeftOff { count } => write!(f, "{count} more events are not kept"),
        }
    }
}
