use std::sync::Arc;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::{Event, EventKind, Gap, GapReason, GapScope, SeriesKind, SeriesRun, WatchName};

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

    let name = PluginName {
        plugin: "p".into(),
        kafka_prefix: "ab".into(),
        read_at: TimestampMs(3),
    };
    let bytes = encode_plugin_name(&name).expect("fits");
    assert_eq!(bytes, [1, 2, b'a', b'b', 6]);
    assert_eq!(decode_plugin_name("p", &bytes).expect("own record"), name);
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
            decode_plugin_name("p", &bytes).ok();
            decode_event(TimestampMs(0), &bytes).ok();
        }
    }
}
