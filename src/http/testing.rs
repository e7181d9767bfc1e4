//! Recorded ticks behind the real router.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
    middleware::map_request,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    backups::Backups,
    board::BoardPublisher,
    config::{BackupConfig, HttpConfig},
    estimator::{Parameters, Reach},
    model::{
        Assignment, Cell, ClusterName, Commit, Gap, GapReason, GapScope, GroupReading, GroupState,
        GroupTopicReading, Members, Membership, PartitionReading, QueueReading, Tick, TimestampMs,
        Told, ToldChange, TopicReading, TopicState, WatchName,
    },
    recorder::{Inbox, Recorder},
    scaler::{Watches, testing::settings},
    store,
};

use super::{Guard, HttpState, Peer, router};

pub(super) const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_secs(300),
};

/// 2026-01-01T00:00:00Z
pub(super) const T0_MS: i64 = 1_767_225_600_000;

/// So many seconds after [`T0_MS`].
pub(super) fn t0_plus(seconds: i64) -> TimestampMs {
    TimestampMs(T0_MS + seconds * 1000)
}

/// What was recorded, behind the router.
pub(super) struct Setting {
    data: TempDir,
    pub(super) state: Arc<HttpState>,
    router: Router,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The error's code and message, with the status.
    pub(super) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |key: &str| json["error"][key].as_str().expect("a text").to_owned();
        (self.status.as_u16(), text("code"), text("message"))
    }
}

impl Setting {
    /// These ticks recorded, in clusters `main` and `other` and in queues.
    pub(super) fn recorded(ticks: Vec<Tick>) -> Self {
        Self::recorded_and_told(ticks, Vec::new())
    }

    /// This told to KEDA, and no tick.
    pub(super) fn told(changes: Vec<ToldChange>) -> Self {
        Self::recorded_and_told(Vec::new(), changes)
    }

    /// Both.
    pub(super) fn recorded_and_told(ticks: Vec<Tick>, told: Vec<ToldChange>) -> Self {
        Self::begun(ticks, told, &open_http())
    }

    /// Nothing, behind a listener of this configuration.
    pub(super) fn guarded(http: &HttpConfig) -> Self {
        Self::begun(Vec::new(), Vec::new(), http)
    }

    fn begun(ticks: Vec<Tick>, told: Vec<ToldChange>, http: &HttpConfig) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let (writer, store) = store::open(data.path()).expect("a new store");
        let (publisher, board) = BoardPublisher::new();
        let recorder = Recorder::new(writer, publisher, Reach::all(PARAMETERS.window));
        let status = recorder.status();
        let queues = queues_of(&ticks);
        let clusters = [ClusterName::from("main"), ClusterName::from("other")];
        record(recorder, ticks, told);

        let settings = settings(&["main", "other"], 10);
        let backup = BackupConfig {
            dir: data.path().join("backups"),
            schedule: None,
            keep: 2,
        };
        let backups = Backups::new(store.clone(), &backup, CancellationToken::new());
        let backups = Arc::new(backups);
        let guard = Guard::begin(http).expect("secrets");
        let state = Arc::new(HttpState {
            board,
            store,
            data_dir: data.path().to_owned(),
            parameters: PARAMETERS,
            clusters: clusters.into_iter().chain(queues.clone()).collect(),
            queues,
            recorder: status,
            store_status: Arc::default(),
            polls: BTreeMap::from([("main".into(), Arc::default())]),
            requests: BTreeMap::from([("main".into(), Arc::default())]),
            calls: Arc::default(),
            watches: Arc::new(Watches::new(settings, BTreeMap::new(), mpsc::channel(1).0)),
            names: Arc::default(),
            backups,
            reloads: Arc::default(),
            guard: Arc::new(guard),
            tls: Vec::new(),
            telemetry: Arc::default(),
            shutdown: CancellationToken::new(),
        });
        Self {
            data,
            router: router(watch::channel(Arc::clone(&state)).1),
            state,
        }
    }

    pub(super) async fn get(&self, uri: &str) -> Answer {
        ask(self.router.clone(), Method::GET, uri).await
    }

    /// By who accepts this.
    pub(super) async fn get_as(&self, uri: &str, accept: &str) -> Answer {
        let accept = HeaderValue::from_str(accept).expect("a header");
        let set = map_request(move |mut request: Request<Body>| {
            request.headers_mut().insert(header::ACCEPT, accept.clone());
            async { request }
        });
        ask(self.router.clone().layer(set), Method::GET, uri).await
    }

    /// As from this address.
    pub(super) async fn post_from(&self, peer: &str, uri: &str) -> Answer {
        let peer: SocketAddr = peer.parse().expect("an address");
        let router = self
            .router
            .clone()
            .layer(Extension(ConnectInfo(Peer(peer))));
        ask(router, Method::POST, uri).await
    }

    /// A form in the body.
    pub(super) async fn post_form(&self, uri: &str, body: &str) -> Answer {
        let body = Body::from(body.to_owned());
        send(self.router.clone(), Method::POST, uri, body).await
    }

    /// A file stands where the folder of the backups would.
    pub(super) fn occupy_backups(&self) {
        std::fs::write(self.data.path().join("backups"), b"").expect("a file");
    }

    pub(super) async fn ask(&self, method: Method, uri: &str) -> Answer {
        ask(self.router.clone(), method, uri).await
    }

    /// The whole answer.
    pub(super) async fn read(&self, request: Request<Body>) -> Answer {
        read(self.send(request).await).await
    }

    /// The answer as it is sent.
    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        respond(self.router.clone(), request).await
    }
}

/// A listener that answers all who are on this machine.
pub(super) fn open_http() -> HttpConfig {
    HttpConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: None,
        auth: None,
    }
}

/// Runs the recorder to its end, on a thread as it does in the process.
fn record(recorder: Recorder, ticks: Vec<Tick>, mut told: Vec<ToldChange>) {
    let (sender, receiver) = mpsc::channel(ticks.len().max(1));
    for tick in ticks {
        sender.try_send(tick).expect("room for each");
    }
    drop(sender);
    let inbox = Inbox {
        ticks: receiver,
        watches: mpsc::channel(1).1,
        reconfigurations: mpsc::channel(1).1,
    };
    let told = move || std::mem::take(&mut told);
    let run = std::thread::spawn(move || recorder.run(inbox, told));
    run.join()
        .expect("the recorder does not panic")
        .expect("it ends well");
}

pub(super) async fn ask(router: Router, method: Method, uri: &str) -> Answer {
    send(router, method, uri, Body::empty()).await
}

async fn send(router: Router, method: Method, uri: &str, body: Body) -> Answer {
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(body).expect("a request");
    read(respond(router, request).await).await
}

async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    }
}

async fn respond(router: Router, request: Request<Body>) -> Response<Body> {
    router.oneshot(request).await.expect("an answer")
}

/// A tick of cluster `main` in which group `g` has `(committed, log end)` in
/// the partitions of topic `t`; log start is 0.
pub(super) fn tick(at: TimestampMs, partitions: &[(i64, i64)]) -> Tick {
    let committed = |(committed, _): &(i64, i64)| Commit::At(*committed);
    let end = |(_, end): &(i64, i64)| Some(*end);
    Tick {
        cluster: "main".into(),
        at,
        topics: vec![topic("t", partitions.iter().map(end))],
        groups: vec![group("g", "t", partitions.iter().map(committed))],
        gaps: Vec::new(),
    }
}

/// A tick of queue `work`, of which task `ingest` has so many items that came and
/// went, and this beside.
pub(super) fn queue_tick(at: TimestampMs, (come, gone): (i64, i64), queue: QueueReading) -> Tick {
    let task = group("ingest", "ingest", [Commit::At(gone)].into_iter());
    Tick {
        cluster: "work".into(),
        at,
        topics: vec![topic("ingest", [Some(come)].into_iter())],
        groups: vec![GroupReading {
            membership: None,
            queue: Some(queue),
            ..task
        }],
        gaps: Vec::new(),
    }
}

/// The streams of these ticks that are queues.
fn queues_of(ticks: &[Tick]) -> BTreeSet<ClusterName> {
    let is_queue = |tick: &&Tick| tick.groups.iter().any(|group| group.queue.is_some());
    let queues = ticks.iter().filter(is_queue);
    queues.map(|tick| tick.cluster.clone()).collect()
}

pub(super) fn topic(name: &str, ends: impl Iterator<Item = Option<i64>>) -> TopicReading {
    let partition = |log_end_offset: Option<i64>| PartitionReading {
        log_start_offset: log_end_offset.map(|_| 0),
        log_end_offset,
    };
    TopicReading {
        topic: name.into(),
        id: None,
        state: TopicState::Present(ends.map(partition).collect()),
    }
}

pub(super) fn group(
    name: &str,
    topic: &str,
    commits: impl Iterator<Item = Commit>,
) -> GroupReading {
    GroupReading {
        group: name.into(),
        membership: Some(Membership {
            state: GroupState::Stable,
            members: Some(Members {
                count: 2,
                assignment: Some(Assignment {
                    partitions_by_member: [1, 0].into(),
                    fingerprint: 7,
                }),
            }),
        }),
        topics: vec![GroupTopicReading {
            topic: topic.into(),
            commits: commits.collect(),
        }],
        queue: None,
    }
}

/// What KEDA was told of group `g` or another in topic `t`, in thousandths.
pub(super) fn told_change(seconds: i64, group: &str, told: [Option<i64>; 3]) -> ToldChange {
    let [metric_value, target, active] = told.map(Cell::from);
    ToldChange {
        at: t0_plus(seconds),
        watch: Arc::new(WatchName {
            cluster: "main".into(),
            group: Some(group.into()),
            topic: Some("t".into()),
            metric_name: "kafka-t".into(),
            key: format!("consumerGroup={group:?} "),
        }),
        told: Told {
            metric_value,
            target,
            active,
        },
    }
}

pub(super) fn gap(scope: GapScope, message: &str) -> Gap {
    Gap {
        scope,
        reason: GapReason {
            code: "timed_out".to_owned(),
            message: message.to_owned(),
        },
    }
}
