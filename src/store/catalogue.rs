//! The catalogue's records: small, rarely written, each a format byte and then
//! bincode.
//!
//! ```text
//! +------------+----------------------------------------+
//! | format: u8 | bincode 2, standard configuration      |
//! +------------+----------------------------------------+
//! ```
//! - `format` is [`FORMAT`]. Fields and variants keep their order within a
//!   format. A new variant comes last, with a schema version of its own, so
//!   that releases which don't know it leave the file alone; a new field comes
//!   with a new format and a migration.
//! - The records below are the bytes on disk, apart from the model so that the
//!   model can change without the disk.

use std::collections::BTreeMap;

use bincode::{Decode, Encode, config};

use super::error::{Fault, RecordError};
use crate::model::{
    ClusterName, Gap, GapReason, GapScope, Partition, SeriesKind, SeriesRun, TimestampMs,
    WatchRecord,
};

const FORMAT: u8 = 1;

/// A record that is longer is refused when it is written. The longest honest
/// one is a watch or a set of gaps, of some kilobytes.
const MAX_RECORD_BYTES: usize = 256 * 1024;

/// Memory that one record may take when it is read: a gap of 6 bytes on disk
/// takes about 130 in memory.
const MAX_DECODED_BYTES: usize = 32 * MAX_RECORD_BYTES;

/// A gap's sentence is cut at this length: long enough for any error of Kafka's
/// client, short enough that one sentence can't fill a set.
const MAX_GAP_MESSAGE_BYTES: usize = 512;

/// Leaves room for the length before the gaps.
const MAX_GAP_SET_BYTES: usize = MAX_RECORD_BYTES - 64;

pub(super) fn encode_stream(cluster: &ClusterName) -> Result<Vec<u8>, RecordError> {
    let name = cluster.to_string();
    encode("stream", &StreamRow::Cluster { name })
}

pub(super) fn decode_stream(bytes: &[u8]) -> Result<ClusterName, Fault> {
    let StreamRow::Cluster { name } = decode("stream", bytes)?;
    Ok(name.into())
}

pub(super) fn encode_series(run: &SeriesRun) -> Result<Vec<u8>, RecordError> {
    encode("series", &SeriesRow::from(run))
}

/// The run at column `base`, which is in the key.
pub(super) fn decode_series(base: u32, bytes: &[u8]) -> Result<SeriesRun, Fault> {
    let row: SeriesRow = decode("series", bytes)?;
    Ok(row.into_run(base))
}

pub(super) fn encode_gaps(gaps: &[Gap]) -> Result<Vec<u8>, RecordError> {
    let gaps = gaps.iter().map(GapRow::from).collect();
    encode("set of gaps", &GapSetRow { gaps })
}

pub(super) fn decode_gaps(bytes: &[u8]) -> Result<Vec<Gap>, Fault> {
    let set: GapSetRow = decode("set of gaps", bytes)?;
    Ok(set.gaps.into_iter().map(Gap::from).collect())
}

pub(super) fn encode_watch(watch: &WatchRecord) -> Result<Vec<u8>, RecordError> {
    let row = WatchRow {
        metadata: watch.metadata.clone(),
        last_asked_ms: watch.last_asked.0,
    };
    encode("watch", &row)
}

/// The watch under `key`.
pub(super) fn decode_watch(key: &str, bytes: &[u8]) -> Result<WatchRecord, Fault> {
    let row: WatchRow = decode("watch", bytes)?;
    Ok(WatchRecord {
        key: key.to_owned(),
        metadata: row.metadata,
        last_asked: TimestampMs(row.last_asked_ms),
    })
}

/// As many of `gaps` as a record takes, with their sentences cut to length.
/// What is left off is the end of the list, where the narrowest scopes are.
pub(super) fn bounded_gaps(gaps: &[Gap]) -> Vec<Gap> {
    let mut size = 0;
    let fits = |gap: &Gap| {
        size += gap_size(gap);
        size <= MAX_GAP_SET_BYTES
    };
    gaps.iter().map(shortened).take_while(fits).collect()
}

fn shortened(gap: &Gap) -> Gap {
    let mut gap = gap.clone();
    let end = gap
        .reason
        .message
        .floor_char_boundary(MAX_GAP_MESSAGE_BYTES);
    gap.reason.message.truncate(end);
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

fn encode(what: &str, record: &impl Encode) -> Result<Vec<u8>, RecordError> {
    let mut bytes = vec![FORMAT];
    bincode::encode_into_std_write(record, &mut bytes, config::standard())
        .expect("plain records encode into memory");
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::TooLarge {
            what: what.to_owned(),
            size: bytes.len(),
            max: MAX_RECORD_BYTES,
        });
    }
    Ok(bytes)
}

fn decode<T: Decode<()>>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    let body = match bytes.split_first() {
        Some((&FORMAT, body)) => body,
        Some((format, _)) => return Err(Fault::damaged(what, format!("unknown format {format}"))),
        None => return Err(Fault::damaged(what, "it is empty")),
    };
    let limited = config::standard().with_limit::<MAX_DECODED_BYTES>();
    let (record, length) =
        bincode::decode_from_slice(body, limited).map_err(|error| Fault::damaged(what, error))?;
    if length != body.len() {
        return Err(Fault::damaged(what, "bytes follow its end"));
    }
    Ok(record)
}

#[derive(Debug, Encode, Decode)]
enum StreamRow {
    Cluster { name: String },
}

#[derive(Debug, Encode, Decode)]
struct SeriesRow {
    count: u32,
    kind: KindRow,
    group: Option<String>,
    topic: Option<String>,
    first_partition: Partition,
}

#[derive(Debug, Encode, Decode)]
enum KindRow {
    LogStartOffset,
    LogEndOffset,
    CommittedOffset,
    Members,
    State,
    // Since schema version 2.
    AssignedPartitions,
    Assignment,
    TopicId,
}

#[derive(Debug, Encode, Decode)]
struct GapSetRow {
    gaps: Vec<GapRow>,
}

#[derive(Debug, Encode, Decode)]
struct GapRow {
    scope: ScopeRow,
    code: String,
    message: String,
}

#[derive(Debug, Encode, Decode)]
enum ScopeRow {
    Cluster,
    Discovery,
    Group(String),
    Membership(String),
    Commit(String, String, Partition),
    Topic(String),
    Partition(String, Partition),
}

#[derive(Debug, Encode, Decode)]
struct WatchRow {
    metadata: BTreeMap<String, String>,
    last_asked_ms: i64,
}

impl From<&SeriesRun> for SeriesRow {
    fn from(run: &SeriesRun) -> Self {
        Self {
            count: run.count,
            kind: run.kind.into(),
            group: run.group.as_ref().map(ToString::to_string),
            topic: run.topic.as_ref().map(ToString::to_string),
            first_partition: run.first_partition,
        }
    }
}

impl SeriesRow {
    fn into_run(self, base: u32) -> SeriesRun {
        SeriesRun {
            base,
            count: self.count,
            kind: self.kind.into(),
            group: self.group.map(Into::into),
            topic: self.topic.map(Into::into),
            first_partition: self.first_partition,
        }
    }
}

impl From<SeriesKind> for KindRow {
    fn from(kind: SeriesKind) -> Self {
        match kind {
            SeriesKind::LogStartOffset => Self::LogStartOffset,
            SeriesKind::LogEndOffset => Self::LogEndOffset,
            SeriesKind::CommittedOffset => Self::CommittedOffset,
            SeriesKind::Members => Self::Members,
            SeriesKind::State => Self::State,
            SeriesKind::AssignedPartitions => Self::AssignedPartitions,
            SeriesKind::Assignment => Self::Assignment,
            SeriesKind::TopicId => Self::TopicId,
        }
    }
}

impl From<KindRow> for SeriesKind {
    fn from(kind: KindRow) -> Self {
        match kind {
            KindRow::LogStartOffset => Self::LogStartOffset,
            KindRow::LogEndOffset => Self::LogEndOffset,
            KindRow::CommittedOffset => Self::CommittedOffset,
            KindRow::Members => Self::Members,
            KindRow::State => Self::State,
            KindRow::AssignedPartitions => Self::AssignedPartitions,
            KindRow::Assignment => Self::Assignment,
            KindRow::TopicId => Self::TopicId,
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn gap(scope: GapScope) -> Gap {
        Gap {
            scope,
            reason: GapReason {
                code: "c".into(),
                message: "m".into(),
            },
        }
    }

    #[test]
    fn bytes_on_disk_stay_what_they_are() {
        let run = SeriesRun {
            base: 7,
            count: 300,
            kind: SeriesKind::CommittedOffset,
            group: Some("g".into()),
            topic: Some("t".into()),
            first_partition: 2,
        };
        let series = encode_series(&run).expect("fits");
        assert_eq!(
            series,
            [1, 251, 44, 1, 2, 1, 1, b'g', 1, 1, b't', 4],
            "format, count, kind, group, topic, first partition"
        );
        assert_eq!(decode_series(7, &series).expect("own record"), run);

        let stream = encode_stream(&"ab".into()).expect("fits");
        assert_eq!(stream, [1, 0, 2, b'a', b'b']);
        assert_eq!(decode_stream(&stream).expect("own record"), "ab".into());

        let watch = WatchRecord {
            key: "k".into(),
            metadata: BTreeMap::from([("a".into(), "b".into())]),
            last_asked: TimestampMs(-1),
        };
        let bytes = encode_watch(&watch).expect("fits");
        assert_eq!(bytes, [1, 1, 1, b'a', 1, b'b', 1]);
        assert_eq!(decode_watch("k", &bytes).expect("own record"), watch);
    }

    #[test]
    fn every_kind_and_scope_keeps_its_number() {
        let scopes = [
            GapScope::Cluster,
            GapScope::Discovery,
            GapScope::Group("g".into()),
            GapScope::Membership("g".into()),
            GapScope::Commit("g".into(), "t".into(), 1),
            GapScope::Topic("t".into()),
            GapScope::Partition("t".into(), 1),
        ];
        for (number, scope) in (0..).zip(scopes) {
            let gaps = [gap(scope)];
            let bytes = encode_gaps(&gaps).expect("fits");
            assert_eq!(bytes[..3], [FORMAT, 1, number]);
            assert_eq!(decode_gaps(&bytes).expect("own record"), gaps);
        }
        let kinds = [
            SeriesKind::LogStartOffset,
            SeriesKind::LogEndOffset,
            SeriesKind::CommittedOffset,
            SeriesKind::Members,
            SeriesKind::State,
            SeriesKind::AssignedPartitions,
            SeriesKind::Assignment,
            SeriesKind::TopicId,
        ];
        for (number, kind) in (0..).zip(kinds) {
            let run = SeriesRun {
                base: 0,
                count: 1,
                kind,
                group: None,
                topic: None,
                first_partition: 0,
            };
            let bytes = encode_series(&run).expect("fits");
            assert_eq!(bytes[2], number);
            assert_eq!(decode_series(0, &bytes).expect("own record"), run);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in vec(any::<u8>(), 0..64)) {
            for bytes in [bytes.clone(), [&[FORMAT], &bytes[..]].concat()] {
                decode_stream(&bytes).ok();
                decode_series(0, &bytes).ok();
                decode_gaps(&bytes).ok();
                decode_watch("k", &bytes).ok();
            }
        }
    }
}
