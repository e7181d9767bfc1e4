//! Answers in Burrow's shapes, of recorded ticks.

use std::{collections::BTreeMap, time::Duration};

use axum::{body::to_bytes, http::Method};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    super::{
        error::ApiError,
        testing::{Answer, Setting, gap, group, tick, topic},
    },
    answer::{Failure, failed},
};
use crate::model::{Commit, GapScope, GroupReading, Tick, TimestampMs};

/// The structs of Burrow's `httpserver/structs.go` and `protocol/`. Nothing may
/// be missing, and nothing else be there.
mod burrows {
    use super::*;

    macro_rules! strict {
        ($($name:ident { $($field:ident $(as $key:literal)?: $type:ty),* $(,)? })*) => { $(
            #[derive(Debug, Deserialize, Serialize)]
            #[serde(deny_unknown_fields)]
            pub(super) struct $name {
                $($(#[serde(rename = $key)])? pub(super) $field: $type),*
            }
        )* };
    }

    strict! {
        Request { url: String, host: String }
        Error { error: bool, message: String, request: Request }
        ClusterList { error: bool, message: String, clusters: Vec<String>, request: Request }
        TopicList { error: bool, message: String, topics: Vec<String>, request: Request }
        TopicDetail { error: bool, message: String, offsets: Vec<i64>, request: Request }
        ConsumerList { error: bool, message: String, consumers: Vec<String>, request: Request }
        ModuleDetail { error: bool, message: String, module: Cluster, request: Request }
        Cluster {
            class_name as "class-name": String,
            servers: Vec<String>,
            client_profile as "client-profile": ClientProfile,
            topic_refresh as "topic-refresh": i64,
            offset_refresh as "offset-refresh": i64,
        }
        ClientProfile {
            name: String,
            client_id as "client-id": String,
            kafka_version as "kafka-version": String,
            tls: Value,
            sasl: Value,
        }
        ConsumerDetail {
            error: bool,
            message: String,
            topics: BTreeMap<String, Vec<ConsumerPartition>>,
            request: Request,
        }
        ConsumerPartition {
            offsets: Vec<Option<Offset>>,
            owner: String,
            client_id: String,
            current_lag as "current-lag": u64,
        }
        Offset {
            offset: i64,
            timestamp: i64,
            observed_at as "observedAt": i64,
            lag: Option<u64>,
        }
        ConsumerStatus { error: bool, message: String, status: GroupStatus, request: Request }
        GroupStatus {
            cluster: String,
            group: String,
            status: String,
            complete: f64,
            partitions: Vec<PartitionStatus>,
            partition_count: i64,
            maxlag: Option<PartitionStatus>,
            totallag: u64,
        }
        PartitionStatus {
            topic: String,
            partition: i32,
            owner: String,
            client_id: String,
            status: String,
            start: Option<Offset>,
            end: Option<Offset>,
            current_lag: u64,
            complete: f64,
        }
    }
}

fn ago(seconds: i64) -> TimestampMs {
    TimestampMs(TimestampMs::now().0 - seconds * 1_000)
}

/// `(committed, log end)` by partition of `g` in `t`, a row a tick, 10 s apart;
/// the newest is of now.
fn recorded(rows: &[&[(i64, i64)]]) -> (Setting, Vec<i64>) {
    let times: Vec<_> = (0..).take(rows.len()).map(|n| ago(10 * n)).collect();
    let ticks = rows.iter().zip(times.iter().rev());
    let ticks = ticks.map(|(row, at)| tick(*at, row)).collect();
    let times = times.into_iter().rev().map(|at| at.0).collect();
    (Setting::recorded(ticks), times)
}

/// The answer, read as a client in Go would that knows each field.
async fn read<T: DeserializeOwned + Serialize>(setting: &Setting, path: &str, status: u16) -> T {
    let answer = setting.get(path).await;
    decoded(&answer, path, status)
}

fn decoded<T: DeserializeOwned + Serialize>(answer: &Answer, path: &str, status: u16) -> T {
    assert_eq!(answer.status, status, "{path}: {}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    let read: T = serde_json::from_str(&answer.body)
        .unwrap_or_else(|why| panic!("{path}: {why}: {}", answer.body));
    // A key that may be null would not be missed otherwise.
    let written = serde_json::to_value(&read).expect("keys are text");
    assert_eq!(written, answer.json(), "{path}");
    read
}

/// The answer without the name of this machine.
async fn golden(setting: &Setting, path: &str) -> (u16, Value) {
    let answer = setting.get(path).await;
    let mut json = answer.json();
    let host = json["request"]["host"].take();
    assert!(host.is_string(), "{}", answer.body);
    (answer.status.as_u16(), json)
}

#[tokio::test]
async fn each_answer_has_burrows_fields_and_no_other() {
    let (setting, _) = recorded(&[&[(1, 5), (0, 9)], &[(2, 8), (1, 9)], &[(3, 9), (4, 9)]]);
    let list: burrows::ClusterList = read(&setting, "/v3/kafka", 200).await;
    assert_eq!(list.clusters, ["main", "other"]);
    let _: burrows::ModuleDetail = read(&setting, "/v3/kafka/main", 200).await;
    let topics: burrows::TopicList = read(&setting, "/v3/kafka/main/topic", 200).await;
    assert_eq!(topics.topics, ["t"]);
    let ends: burrows::TopicDetail = read(&setting, "/v3/kafka/main/topic/t", 200).await;
    assert_eq!(ends.offsets, [9, 9]);
    for path in ["topic/t/consumers", "consumer"] {
        let path = format!("/v3/kafka/main/{path}");
        let list: burrows::ConsumerList = read(&setting, &path, 200).await;
        assert_eq!(list.consumers, ["g"], "{path}");
    }
    let detail: burrows::ConsumerDetail = read(&setting, "/v3/kafka/main/consumer/g", 200).await;
    assert_eq!(detail.topics["t"][0].current_lag, 6);
    for (path, partitions) in [("lag", 2), ("status", 1)] {
        let path = format!("/v3/kafka/main/consumer/g/{path}");
        let found: burrows::ConsumerStatus = read(&setting, &path, 200).await;
        assert_eq!(found.status.partitions.len(), partitions, "{path}");
        assert_eq!(found.status.totallag, 11);
    }
}

#[tokio::test]
async fn a_consumers_commits_are_told_oldest_first_after_what_is_missing() {
    let (setting, at) = recorded(&[&[(1, 5)], &[(2, 8)], &[(2, 9)], &[(5, 9)]]);
    let offset = |offset: i64, tick: usize, lag: u64| json!({"offset": offset, "timestamp": at[tick], "observedAt": at[tick], "lag": lag});
    let mut offsets = vec![Value::Null; 8];
    // How much lag there was when the first was made, nobody knows.
    offsets.extend([offset(2, 1, 6), offset(5, 3, 4)]);
    let partition = json!({"offsets": offsets, "owner": "", "client_id": "", "current-lag": 4});
    let path = "/v3/kafka/main/consumer/g";
    let expected = json!({
        "error": false,
        "message": "consumer detail returned",
        "topics": {"t": [partition]},
        "request": {"url": path, "host": null},
    });
    assert_eq!(golden(&setting, path).await, (200, expected));
}

#[tokio::test]
async fn a_status_is_the_estimators_own() {
    let rows: Vec<Vec<_>> = (0..12_i64).map(|n| vec![(n, 2 * n + 5), (n, n)]).collect();
    let rows: Vec<&[_]> = rows.iter().map(Vec::as_slice).collect();
    let (setting, at) = recorded(&rows);
    let commit = |offset: i64, lag: i64| {
        let seen = at[usize::try_from(offset).expect("a place")];
        json!({"offset": offset, "timestamp": seen, "observedAt": seen, "lag": lag})
    };
    let lagging = json!({
        "topic": "t", "partition": 0, "owner": "", "client_id": "", "status": "WARN",
        "start": commit(2, 7), "end": commit(11, 16), "current_lag": 16, "complete": 1.0,
    });
    let path = "/v3/kafka/main/consumer/g/status";
    let expected = json!({
        "error": false,
        "message": "consumer status returned",
        "status": {
            "cluster": "main", "group": "g", "status": "WARN", "complete": 1.0,
            "partitions": [lagging], "partition_count": 2, "maxlag": lagging, "totallag": 16,
        },
        "request": {"url": path, "host": null},
    });
    assert_eq!(golden(&setting, path).await, (200, expected));
    let ours = setting.get("/api/v1/groups/g/status").await.json();
    assert_eq!(
        (&ours["status"], &ours["total_lag"]),
        (&json!("WARN"), &json!(16))
    );
}

#[tokio::test]
async fn a_partition_without_a_commit_has_no_lag() {
    let mut tick = tick(ago(0), &[(1, 5), (0, 9), (9, 9)]);
    tick.groups[0].topics[0].commits[1] = Commit::None;
    let setting = Setting::recorded(vec![tick]);
    let detail: burrows::ConsumerDetail = read(&setting, "/v3/kafka/main/consumer/g", 200).await;
    let [first, second, third] = &detail.topics["t"][..] else {
        panic!("three partitions: {detail:?}");
    };
    assert_eq!((first.current_lag, first.offsets.len()), (4, 10));
    assert_eq!((second.current_lag, second.offsets.len()), (0, 0));
    assert_eq!((third.current_lag, third.offsets.len()), (0, 10));
    let lag: burrows::ConsumerStatus = read(&setting, "/v3/kafka/main/consumer/g/lag", 200).await;
    let told: Vec<_> = lag
        .status
        .partitions
        .iter()
        .map(|one| one.partition)
        .collect();
    assert_eq!((told, lag.status.partition_count), (vec![0, 2], 3));
}

#[tokio::test]
async fn what_can_not_be_read_is_an_error_and_no_zero() {
    let without = |partition: usize| {
        let mut tick = tick(ago(0), &[(1, 5), (2, 9)]);
        let crate::model::TopicState::Present(partitions) = &mut tick.topics[0].state else {
            panic!("it is there");
        };
        partitions[partition].log_end_offset = None;
        tick.gaps = vec![gap(GapScope::Partition("t".into(), 1), "no leader")];
        tick
    };
    let partly = || Setting::recorded(vec![without(1)]);
    let stale = || Setting::recorded(vec![tick(ago(4_000), &[(1, 5)])]);
    let never = || Setting::recorded(Vec::new());
    let unread_group = || {
        let mut tick = tick(ago(0), &[(1, 5)]);
        tick.gaps = vec![gap(GapScope::Group("secret".into()), "not authorized")];
        Setting::recorded(vec![tick])
    };
    let cases: [(&dyn Fn() -> Setting, &str, &str); 9] = [
        (
            &partly,
            "consumer/g",
            "topic t partition 1: partition t-1: no leader",
        ),
        (
            &partly,
            "consumer/g/status",
            "topic t partition 1: partition t-1: no leader",
        ),
        (
            &partly,
            "consumer/g/lag",
            "topic t partition 1: partition t-1: no leader",
        ),
        (
            &partly,
            "topic/t",
            "not each partition of topic \"t\" could be read: partition t-1: no leader",
        ),
        (
            &stale,
            "consumer/g/lag",
            "cluster \"main\" has not been read since",
        ),
        (
            &stale,
            "consumer",
            "cluster \"main\" has not been read since",
        ),
        (&stale, "topic", "cluster \"main\" has not been read since"),
        (&never, "topic", "cluster \"main\" was never read"),
        (
            &unread_group,
            "consumer/secret/status",
            "group \"secret\": not authorized",
        ),
    ];
    for (setting, path, message) in cases {
        let path = format!("/v3/kafka/main/{path}");
        let error: burrows::Error = read(&setting(), &path, 503).await;
        assert!(
            error.error && error.message.starts_with(message),
            "{path}: {error:?}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_as_burrow_does() {
    let (setting, _) = recorded(&[&[(1, 5)]]);
    for (path, message) in [
        ("/v3/kafka/x", "cluster module not found"),
        ("/v3/kafka/x/topic", "cluster not found"),
        ("/v3/kafka/x/consumer", "cluster not found"),
        ("/v3/kafka/x/topic/t/consumers", "cluster not found"),
        ("/v3/kafka/main/topic/x", "cluster or topic not found"),
        ("/v3/kafka/main/consumer/x", "cluster or consumer not found"),
        ("/v3/kafka/main/consumer/%ff", "invalid request type"),
        ("/v3/kafka/main/consumer/g/x", "invalid request type"),
        ("/v3/config", "invalid request type"),
        ("/burrow/x", "invalid request type"),
    ] {
        let error: burrows::Error = read(&setting, path, 404).await;
        assert_eq!(
            (error.error, error.message.as_str()),
            (true, message),
            "{path}"
        );
        assert_eq!(error.request.url, path);
    }
    for path in [
        "/v3/kafka/x/consumer/g/status",
        "/v3/kafka/main/consumer/x/lag",
    ] {
        let found: burrows::ConsumerStatus = read(&setting, path, 404).await;
        assert_eq!(
            (found.error, found.status.status.as_str()),
            (false, "NOTFOUND")
        );
    }
    let none: burrows::ConsumerList = read(&setting, "/v3/kafka/main/topic/x/consumers", 200).await;
    assert_eq!(none.consumers, [""; 0]);
}

#[tokio::test]
async fn a_group_is_known_from_its_first_commit_on() {
    let mut tick = tick(ago(0), &[(1, 5)]);
    tick.groups
        .push(group("joined", "t", [Commit::None].into_iter()));
    let setting = Setting::recorded(vec![tick]);
    let list: burrows::ConsumerList = read(&setting, "/v3/kafka/main/consumer", 200).await;
    assert_eq!(list.consumers, ["g"]);
    let _: burrows::Error = read(&setting, "/v3/kafka/main/consumer/joined", 404).await;
}

#[tokio::test]
async fn nothing_is_changed_for_anybody() {
    let (setting, _) = recorded(&[&[(1, 5)]]);
    for (method, path) in [
        (Method::DELETE, "/v3/kafka/main/consumer/g"),
        (Method::POST, "/v3/kafka"),
        (Method::PUT, "/burrow/admin"),
    ] {
        let answer = setting.ask(method.clone(), path).await;
        let error: burrows::Error = decoded(&answer, path, 405);
        assert_eq!(
            error.message,
            format!("{method} is not accepted here, GET is")
        );
        assert_eq!(answer.headers["allow"], "GET,HEAD");
    }
    let list: burrows::ConsumerList = read(&setting, "/v3/kafka/main/consumer", 200).await;
    assert_eq!(list.consumers, ["g"]);
}

#[tokio::test]
async fn an_answer_has_a_bound() {
    let partitions = vec![(1, 5); 20_001];
    let setting = Setting::recorded(vec![tick(ago(0), &partitions)]);
    let error: burrows::Error = read(&setting, "/v3/kafka/main/consumer/g/lag", 422).await;
    let found = "the answer would have 20001 partitions, and it may have at most 20000: ";
    assert!(error.message.starts_with(found), "{error:?}");
}

#[tokio::test]
async fn who_has_to_wait_is_told_how_long() {
    let uri = "/v3/kafka".parse().expect("a path");
    let response = failed(&uri, Failure::Api(ApiError::Busy { limit: 1 }));
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["retry-after"]
        ),
        (429, &"1".parse().expect("a header"))
    );
    let body = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let error: burrows::Error = serde_json::from_slice(&body).expect("Burrow's shape");
    assert!(
        error.error && error.message.contains("running or waiting"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_slash_at_the_end_is_sent_to_the_path_without() {
    let (setting, _) = recorded(&[&[(1, 5)]]);
    for path in ["/v3/kafka", "/v3/kafka/main/consumer", "/burrow/admin"] {
        let answer = setting.get(&format!("{path}/")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["location"]),
            (301, &path.parse().expect("a header"))
        );
    }
}

#[tokio::test]
async fn names_are_any_text() {
    let names = [
        "a/b",
        "å∆ b",
        "a.b-c_d",
        "100%",
        "a?b#c",
        "..",
        "x".repeat(249).as_str(),
    ]
    .map(str::to_owned);
    for name in names {
        let commits = || [Commit::At(1)].into_iter();
        let tick = Tick {
            cluster: "main".into(),
            at: ago(0),
            topics: vec![topic(&name, [Some(5)].into_iter())],
            groups: vec![group(&name, &name, commits()) as GroupReading],
            gaps: Vec::new(),
        };
        let setting = Setting::recorded(vec![tick]);
        let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/v3/kafka/main/consumer/{escaped}/lag");
        let found: burrows::ConsumerStatus = read(&setting, &path, 200).await;
        assert_eq!(
            (&found.status.group, &found.status.partitions[0].topic),
            (&name, &name)
        );
        let path = format!("/v3/kafka/main/topic/{escaped}/consumers");
        let list: burrows::ConsumerList = read(&setting, &path, 200).await;
        assert_eq!(list.consumers, [name]);
    }
}

#[tokio::test]
async fn it_tells_that_it_lives_and_when_it_is_ready() {
    let unread = Setting::recorded(Vec::new());
    let (read, _) = recorded(&[&[(1, 5)]]);
    for (setting, path, expected) in [
        (&unread, "/burrow/admin", (200, "GOOD")),
        (&unread, "/burrow/admin/ready", (503, "STARTING")),
        (&read, "/burrow/admin/ready", (200, "READY")),
    ] {
        let answer = setting.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_last_reading_serves_until_it_is_too_old() {
    let whole = tick(TimestampMs::now().minus(Duration::from_secs(60)), &[(1, 5)]);
    let gone = Tick {
        at: ago(0),
        topics: Vec::new(),
        groups: Vec::new(),
        gaps: vec![gap(GapScope::Cluster, "no broker")],
        ..whole.clone()
    };
    let setting = Setting::recorded(vec![whole, gone]);
    let ends: burrows::TopicDetail = read(&setting, "/v3/kafka/main/topic/t", 200).await;
    assert_eq!(ends.offsets, [5]);
    let lag: burrows::ConsumerStatus = read(&setting, "/v3/kafka/main/consumer/g/lag", 200).await;
    assert_eq!(lag.status.totallag, 4);
    let error: burrows::Error = read(&setting, "/v3/kafka/main/consumer/x", 503).await;
    assert_eq!(error.message, "cluster: no broker");
}
