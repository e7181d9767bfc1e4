//! What happened.

use bincode::{Decode, Encode};

use super::{
    cut, decode, encode,
    gaps::{GapRow, ScopeRow, shortened},
};
use crate::{
    model::{Event, EventKind, TimestampMs},
    store::error::{Fault, RecordError},
};

/// Its sentence is cut to length.
pub(in crate::store) fn encode_event(event: &Event) -> Result<Vec<u8>, RecordError> {
    let row = EventRow {
        cluster: event.cluster.as_ref().map(ToString::to_string),
        kind: (&event.kind).into(),
    };
    encode("event", &row)
}

/// The event at `at`, which is in the key.
pub(in crate::store) fn decode_event(at: TimestampMs, bytes: &[u8]) -> Result<Event, Fault> {
    let row: EventRow = decode("event", bytes)?;
    Ok(Event {
        at,
        cluster: row.cluster.map(Into::into),
        kind: row.kind.into(),
    })
}

#[derive(Debug, Encode, Decode)]
struct EventRow {
    cluster: Option<String>,
    kind: EventKindRow,
}

#[derive(Debug, Encode, Decode)]
enum EventKindRow {
    Rebalance {
        group: String,
        members_before: u32,
        members: u32,
    },
    GapBegan(GapRow),
    GapEnded(ScopeRow),
    Started {
        version: String,
    },
    Stopped,
    ConfigurationChanged {
        sections: Vec<String>,
    },
    RecordingFailed {
        reason: String,
    },
    RecordingResumed,
    LeftOff {
        count: u64,
    },
}

impl From<&EventKind> for EventKindRow {
    fn from(kind: &EventKind) -> Self {
        match kind {
            EventKind::Rebalance {
                group,
                members_before,
                members,
            } => Self::Rebalance {
                group: group.to_string(),
                members_before: *members_before,
                members: *members,
            },
            EventKind::GapBegan(gap) => Self::GapBegan((&shortened(gap)).into()),
            EventKind::GapEnded(scope) => Self::GapEnded(scope.into()),
            EventKind::Started { version } => Self::Started {
                version: cut(version),
            },
            EventKind::Stopped => Self::Stopped,
            EventKind::ConfigurationChanged { sections } => Self::ConfigurationChanged {
                sections: sections.clone(),
            },
            EventKind::RecordingFailed { reason } => Self::RecordingFailed {
                reason: cut(reason),
            },
            EventKind::RecordingResumed => Self::RecordingResumed,
            EventKind::LeftOff { count } => Self::LeftOff { count: *count },
        }
    }
}

impl From<EventKindRow> for EventKind {
    fn from(row: EventKindRow) -> Self {
        match row {
            EventKindRow::Rebalance {
                group,
                members_before,
                members,
            } => Self::Rebalance {
                group: group.into(),
                members_before,
                members,
            },
            EventKindRow::GapBegan(gap) => Self::GapBegan(gap.into()),
            EventKindRow::GapEnded(scope) => Self::GapEnded(scope.into()),
            EventKindRow::Started { version } => Self::Started { version },
            EventKindRow::Stopped => Self::Stopped,
            EventKindRow::ConfigurationChanged { sections } => {
                Self::ConfigurationChanged { sections }
            }
            EventKindRow::RecordingFailed { reason } => Self::RecordingFailed { reason },
            EventKindRow::RecordingResumed => Self::RecordingResumed,
            EventKindRow::LeftOff { count } => Self::LeftOff { count },
        }
    }
}
