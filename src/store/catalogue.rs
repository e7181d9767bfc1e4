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

use std::{collections::BTreeMap, sync::Arc};

use bincode::{Decode, Encode, config};

use super::{
    error::{Fault, RecordError},
    stream::StreamName,
};
use crate::model::{
    Event, EventKind, Gap, GapReason, GapScope, Partition, SeriesKind, SeriesRun, TimestampMs,
    WatchName, WatchRecord,
};

const FORMAT: u8 = 1;

/// A record that is longer is refused when it is written. The longest honest
/// one is a watch or a set of gaps, of some kilobytes.
const MAX_RECORD_BYTES: usize = 256 * 1024;

/// Memory that one record may take when it is read: a gap of 6 bytes on disk
/// takes about 130 in memory.
const MAX_DECODED_BYTES: usize = 32 * MAX_RECORD_BYTES;

/// A sentence is cut at this length: long enough for any error of Kafka's
/// client, short enough that one sentence can't fill a set of gaps.
const MAX_MESSAGE_BYTES: usize = 512;

/// Leaves room for the length before the gaps.
const MAX_GAP_SET_BYTES: usize = MAX_RECORD_BYTES - 64;

pub(super) fn encode_stream(stream: &StreamName) -> Result<Vec<u8>, RecordError> {
    let row = match stream {
        StreamName::Cluster(cluster) => StreamRow::Cluster {
            name: cluster.to_string(),
        },
        StreamName::Told => StreamRow::Told,
    };
    encode("stream", &row)
}

pub(super) fn decode_stream(bytes: &[u8]) -> Result<StreamName, Fault> {
    Ok(match decode("stream", bytes)? {
        StreamRow::Cluster { name } => StreamName::Cluster(name.into()),
        StreamRow::Told => StreamName::Told,
    })
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

/// Its sentence is cut to length.
pub(super) fn encode_event(event: &Event) -> Result<Vec<u8>, RecordError> {
    let row = EventRow {
        cluster: event.cluster.as_ref().map(ToString::to_string),
        kind: (&event.kind).into(),
    };
    encode("event", &row)
}

/// The event at `at`, which is in the key.
pub(super) fn decode_event(at: TimestampMs, bytes: &[u8]) -> Result<Event, Fault> {
    let row: EventRow = decode("event", bytes)?;
    Ok(Event {
        at,
        cluster: row.cluster.map(Into::into),
        kind: row.kind.into(),
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
    gap.reason.message = cut(&gap.reason.message);
    gap
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned()
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
    // Since schema version 3.
    Told,
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
    // Since schema version 3.
    MetricValue(WatchNameRow),
    Target(WatchNameRow),
    Active(WatchNameRow),
}

#[derive(Debug, Encode, Decode)]
struct WatchNameRow {
    cluster: String,
    group: Option<String>,
    topic: Option<String>,
    metric_name: String,
    key: String,
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

impl From<&SeriesRun> for SeriesRow {
    fn from(run: &SeriesRun) -> Self {
        Self {
            count: run.count,
            kind: KindRow::of(run),
            group: run.group.as_ref().map(ToString::to_string),
            topic: run.topic.as_ref().map(ToString::to_string),
            first_partition: run.first_partition,
        }
    }
}

impl SeriesRow {
    fn into_run(self, base: u32) -> SeriesRun {
        let (kind, watch) = self.kind.into_parts();
        SeriesRun {
            base,
            count: self.count,
            kind,
            group: self.group.map(Into::into),
            topic: self.topic.map(Into::into),
            watch: watch.map(|watch| Arc::new(watch.into())),
            first_partition: self.first_partition,
        }
    }
}

impl KindRow {
    fn of(run: &SeriesRun) -> Self {
        let watch = || {
            let watch = run.watch.as_deref();
            watch.expect("what was told is told of a watch").into()
        };
        match run.kind {
            SeriesKind::LogStartOffset => Self::LogStartOffset,
            SeriesKind::LogEndOffset => Self::LogEndOffset,
            SeriesKind::CommittedOffset => Self::CommittedOffset,
            SeriesKind::Members => Self::Members,
            SeriesKind::State => Self::State,
            SeriesKind::AssignedPartitions => Self::AssignedPartitions,
            SeriesKind::Assignment => Self::Assignment,
            SeriesKind::TopicId => Self::TopicId,
            SeriesKind::MetricValue => Self::MetricValue(watch()),
            SeriesKind::Target => Self::Target(watch()),
            SeriesKind::Active => Self::Active(watch()),
        }
    }

    fn into_parts(self) -> (SeriesKind, Option<WatchNameRow>) {
        match self {
            Self::LogStartOffset => (SeriesKind::LogStartOffset, None),
            Self::LogEndOffset => (SeriesKind::LogEndOffset, None),
            Self::CommittedOffset => (SeriesKind::CommittedOffset, None),
            Self::Members => (SeriesKind::Members, None),
            Self::State => (SeriesKind::State, None),
            Self::AssignedPartitions => (SeriesKind::AssignedPartitions, None),
            Self::Assignment => (SeriesKind::Assignment, None),
            Self::TopicId => (SeriesKind::TopicId, None),
            Self::MetricValue(watch) => (SeriesKind::MetricValue, Some(watch)),
            Self::Target(watch) => (SeriesKind::Target, Some(watch)),
            Self::Active(watch) => (SeriesKind::Active, Some(watch)),
        }
    }
}

impl From<&WatchName> for WatchNameRow {
    fn from(watch: &WatchName) -> Self {
        Self {
            cluster: watch.cluster.to_string(),
            group: watch.group.as_ref().map(ToString::to_string),
            topic: watch.topic.as_ref().map(ToString::to_string),
            metric_name: watch.metric_name.clone(),
            key: watch.key.clone(),
        }
    }
}

impl From<WatchNameRow> for WatchName {
    fn from(row: WatchNameRow) -> Self {
        Self {
            cluster: row.cluster.into(),
            group: row.group.map(Into::into),
            topic: row.topic.map(Into::into),
            metric_name: row.metric_name,
            key: row.key,
        }
    }
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

    fn watch_name() -> Arc<WatchName> {
        Arc::new(WatchName {
            cluster: "c".into(),
            group: Some("g".into()),
            topic: None,
            metric_name: "m".into(),
            key: "k".into(),
        })
    }

    fn event(kind: EventKind) -> Event {
        Event {
            at: TimestampMs(5),
            cluster: Some("c".into()),
            kind,
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
            watch: None,
            first_partition: 2,
        };
        let series = encode_series(&run).expect("fits");
        assert_eq!(
            series,
            [1, 251, 44, 1, 2, 1, 1, b'g', 1, 1, b't', 4],
            "format, count, kind, group, topic, first partition"
        );
        assert_eq!(decode_series(7, &series).expect("own record"), run);

        for (name, expected) in [
            (
                StreamName::Cluster("ab".into()),
                &[1, 0, 2, b'a', b'b'] as &[u8],
            ),
            (StreamName::Told, &[1, 1]),
        ] {
            let stream = encode_stream(&name).expect("fits");
            assert_eq!(stream, expected);
            assert_eq!(decode_stream(&stream).expect("own record"), name);
        }

        let run = SeriesRun {
            count: 1,
            kind: SeriesKind::Target,
            group: None,
            topic: None,
            watch: Some(watch_name()),
            first_partition: 0,
            ..run
        };
        let series = encode_series(&run).expect("fits");
        assert_eq!(
            series,
            [1, 1, 9, 1, b'c', 1, 1, b'g', 0, 1, b'm', 1, b'k', 0, 0, 0],
            "format, count, kind, cluster, group, topic, metric, key; no group, topic, partition"
        );
        assert_eq!(decode_series(7, &series).expect("own record"), run);

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
            SeriesKind::MetricValue,
            SeriesKind::Target,
            SeriesKind::Active,
        ];
        for (number, kind) in (0..).zip(kinds) {
            let run = SeriesRun {
                base: 0,
                count: 1,
                kind,
                group: None,
                topic: None,
                watch: (number >= 8).then(watch_name),
                first_partition: 0,
            };
            let bytes = encode_series(&run).expect("fits");
            assert_eq!(bytes[2], number);
            assert_eq!(decode_series(0, &bytes).expect("own record"), run);
        }
    }

    #[test]
    fn every_kind_of_event_keeps_its_bytes() {
        let cut_gap = gap(GapScope::Topic("t".into()));
        let kinds: [(EventKind, &[u8]); 9] = [
            (
                EventKind::Rebalance {
                    group: "g".into(),
                    members_before: 2,
                    members: 3,
                },
                &[0, 1, b'g', 2, 3],
            ),
            (
                EventKind::GapBegan(cut_gap.clone()),
                &[1, 5, 1, b't', 1, b'c', 1, b'm'],
            ),
            (EventKind::GapEnded(cut_gap.scope), &[2, 5, 1, b't']),
            (
                EventKind::Started {
                    version: "1".into(),
                },
                &[3, 1, b'1'],
            ),
            (EventKind::Stopped, &[4]),
            (
                EventKind::ConfigurationChanged {
                    sections: vec!["a".into(), "b".into()],
                },
                &[5, 2, 1, b'a', 1, b'b'],
            ),
            (
                EventKind::RecordingFailed { reason: "r".into() },
                &[6, 1, b'r'],
            ),
            (EventKind::RecordingResumed, &[7]),
            (EventKind::LeftOff { count: 9 }, &[8, 9]),
        ];
        assert_eq!(kinds.len(), EventKind::NAMES.len());
        for ((kind, expected), name) in kinds.into_iter().zip(EventKind::NAMES) {
            assert_eq!(kind.name(), name);
            let event = event(kind);
            let bytes = encode_event(&event).expect("fits");
            assert_eq!(bytes, [&[1, 1, 1, b'c'], expected].concat(), "{name}");
            assert_eq!(decode_event(event.at, &bytes).expect("own record"), event);
        }
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_was_written_its_sentence_cut(
            cluster in proptest::option::of("[a-z]{1,8}"),
            scope in prop_oneof![
                Just(GapScope::Cluster),
                ".{0,20}".prop_map(|group| GapScope::Group(group.into())),
                (".{0,20}", any::<i32>())
                    .prop_map(|(topic, partition)| GapScope::Partition(topic.into(), partition)),
            ],
            message in ".{0,400}",
            at in any::<i64>(),
        ) {
            let reason = GapReason { code: "c".into(), message: message.clone() };
            let event = Event {
                at: TimestampMs(at),
                cluster: cluster.map(Into::into),
                kind: EventKind::GapBegan(Gap { scope, reason }),
            };
            let bytes = encode_event(&event).expect("fits");
            let read = decode_event(event.at, &bytes).expect("own record");
            let EventKind::GapBegan(gap) = &read.kind else { panic!("another kind") };
            prop_assert!(gap.reason.message.len() <= MAX_MESSAGE_BYTES);
            prop_assert!(message.starts_with(&gap.reason.message));
            if message.len() <= MAX_MESSAGE_BYTES {
                prop_assert_eq!(read, event);
            }
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in vec(any::<u8>(), 0..64)) {
            for bytes in [bytes.clone(), [&[FORMAT], &bytes[..]].concat()] {
                decode_stream(&bytes).ok();
                decode_series(0, &bytes).ok();
                decode_gaps(&bytes).ok();
                decode_watch("k", &bytes).ok();
                decode_event(TimestampMs(0), &bytes).ok();
            }
        }
    }
}
