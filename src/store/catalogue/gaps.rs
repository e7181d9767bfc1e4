//! What could not be read.

use bincode::{Decode, Encode};

use super::{MAX_RECORD_BYTES, cut, decode, encode};
use crate::{
    model::{Gap, GapReason, GapScope, Partition},
    store::error::{Fault, RecordError},
};

/// Leaves room for the length before the gaps.
const MAX_GAP_SET_BYTES: usize = MAX_RECORD_BYTES - 64;

pub(in crate::store) fn encode_gaps(gaps: &[Gap]) -> Result<Vec<u8>, RecordError> {
    let gaps = gaps.iter().map(GapRow::from).collect();
    encode("set of gaps", &GapSetRow { gaps })
}

pub(in crate::store) fn decode_gaps(bytes: &[u8]) -> Result<Vec<Gap>, Fault> {
    let set: GapSetRow = decode("set of gaps", bytes)?;
    Ok(set.gaps.into_iter().map(Gap::from).collect())
}

/// As many of `gaps` as a record takes, with their sentences cut to length.
/// What is left off is the end of the list, where the narrowest scopes are.
pub(in crate::store) fn bounded_gaps(gaps: &[Gap]) -> Vec<Gap> {
    let mut size = 0;
    let fits = |gap: &Gap| {
        size += gap_size(gap);
        size <= MAX_GAP_SET_BYTES
    };
    gaps.iter().map(shortened).take_while(fits).collect()
}

pub(super) fn shortened(gap: &Gap) -> Gap {
    let mut gap = gap.clone();
    gap.reason.message = cut(&gap.reason.message);
    gap
}

/// At least what the gap takes in a record.
fn gap_size(gap: &Gap) -> usize {
    const TAGS_AND_LENGTHS: usize = 32;
    let names = match &gap.scope {
        GapScope::Cluster | GapScope::Discovery => 0,
        GapScope::Group(group) | GapScope::Membership(group) => group.as_str().len(),
        GapScope::Commit(group, topic, _) => group.as_str().len() + topic.as_str().len(),
        GapScope::Topic(topic) | GapScope::Partition(topic, _) => topic.as_str().len(),
    };
    TAGS_AND_LENGTHS + names + gap.reason.code.len() + gap.reason.message.len()
}

#[derive(Debug, Encode, Decode)]
struct GapSetRow {
    gaps: Vec<GapRow>,
}

#[derive(Debug, Encode, Decode)]
pub(super) struct GapRow {
    scope: ScopeRow,
    code: String,
    message: String,
}

#[derive(Debug, Encode, Decode)]
pub(super) enum ScopeRow {
    Cluster,
    Discovery,
    Group(String),
    Membership(String),
    Commit(String, String, Partition),
    Topic(String),
    Partition(String, Partition),
}

impl From<&Gap> for GapRow {
    fn from(gap: &Gap) -> Self {
        Self {
            scope: (&gap.scope).into(),
            code: gap.reason.code.clone(),
            message: gap.reason.message.clone(),
        }
    }
}

impl From<GapRow> for Gap {
    fn from(row: GapRow) -> Self {
        Self {
            scope: row.scope.into(),
            reason: GapReason {
                code: row.code,
                message: row.message,
            },
        }
    }
}

impl From<&GapScope> for ScopeRow {
    fn from(scope: &GapScope) -> Self {
        match scope {
            GapScope::Cluster => Self::Cluster,
            GapScope::Discovery => Self::Discovery,
            GapScope::Group(group) => Self::Group(group.to_string()),
            GapScope::Membership(group) => Self::Membership(group.to_string()),
            GapScope::Commit(group, topic, partition) => {
                Self::Commit(group.to_string(), topic.to_string(), *partition)
            }
            GapScope::Topic(topic) => Self::Topic(topic.to_string()),
            GapScope::Partition(topic, partition) => Self::Partition(topic.to_string(), *partition),
        }
    }
}

impl From<ScopeRow> for GapScope {
    fn from(scope: ScopeRow) -> Self {
        match scope {
            ScopeRow::Cluster => Self::Cluster,
            ScopeRow::Discovery => Self::Discovery,
            ScopeRow::Group(group) => Self::Group(group.into()),
            ScopeRow::Membership(group) => Self::Membership(group.into()),
            ScopeRow::Commit(group, topic, partition) => {
                Self::Commit(group.into(), topic.into(), partition)
            }
            ScopeRow::Topic(topic) => Self::Topic(topic.into()),
            ScopeRow::Partition(topic, partition) => Self::Partition(topic.into(), partition),
        }
    }
}
