use axum::{body::BodyDataStream, extract::State};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    board::{BoardPublisher, Snapshot},
    model::{GapScope, Tick, TimestampMs},
};

use super::{
    super::testing::{Setting, gap, group, tick, topic},
    *,
};

/// Pages whose board the test publishes.
struct Live {
    publisher: BoardPublisher,
    pages: Arc<Pages>,
    shutdown: CancellationToken,
}

impl Live {
    fn begin(ticks: Vec<Tick>) -> Self {
        let (publisher, board) = BoardPublisher::new();
        let shutdown = CancellationToken::new();
        let state = HttpState {
            board,
            shutdown: shutdown.clone(),
            ..(*Setting::recorded(Vec::new()).state).clone()
        };
        let live = Self {
            publisher,
            pages: Arc::new(Pages::new(watch::channel(Arc::new(state)).1)),
            shutdown,
        };
        live.publish(ticks);
        live
    }

    /// The board of who has recorded these.
    fn publish(&self, ticks: Vec<Tick>) {
        let board = Setting::recorded(ticks).state.newest_board();
        let snapshot: Snapshot = board.cluster(&"main".into()).expect("a tick").clone();
        self.publisher.publish("main".into(), snapshot);
    }

    async fn ask(&self, query: &str) -> Result<Response, ApiError> {
        let uri = format!("/api/v1/live{query}").parse().expect("an address");
        live(State(Arc::clone(&self.pages)), uri).await
    }

    async fn listen(&self, query: &str) -> BodyDataStream {
        let response = self.ask(query).await.expect("a place");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.into_body().into_data_stream()
    }
}

/// Groups `g` and `h`, 10 s ago and now; of each its lag.
fn ticks(lags: &[(i64, i64)]) -> Vec<Tick> {
    let begin = TimestampMs::now().minus(Duration::from_secs(10));
    let ticks = lags.iter().zip(0..).map(|((g, h), seconds)| {
        let mut tick = tick(begin.plus(Duration::from_secs(seconds)), &[(100 - g, 100)]);
        let commits = [crate::model::Commit::At(100 - h)].into_iter();
        tick.groups.push(group("h", "u", commits));
        tick.topics.push(topic("u", [Some(100)].into_iter()));
        tick
    });
    ticks.collect()
}

async fn next(events: &mut BodyDataStream) -> (String, Value) {
    let bytes = events.next().await.expect("an event").expect("a whole one");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let field = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.unwrap_or_default().trim().to_owned()
    };
    let data = serde_json::from_str(&field("data:")).unwrap_or(Value::Null);
    (field("event:"), data)
}

fn lags(data: &Value) -> Vec<(&str, i64)> {
    let groups = data["groups"].as_array().expect("groups").iter();
    groups
        .map(|one| {
            (
                one["group"].as_str().expect("a name"),
                one["lag"].as_i64().expect("known"),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn who_listens_is_told_the_version_and_then_what_changes() {
    let live = Live::begin(ticks(&[(5, 7)]));
    let mut events = live.listen("").await;
    let (name, first) = next(&mut events).await;
    assert_eq!(name, "version");
    assert_eq!(first["clusters"][0]["freshness"], "fresh");

    live.publish(ticks(&[(5, 9)]));
    let (name, second) = next(&mut events).await;
    assert_eq!((name.as_str(), lags(&second)), ("tick", vec![("h", 9)]));
    assert!(second["version"].as_i64() > first["version"].as_i64());
    assert_eq!(
        (&second["gone"], &second["left_off"]),
        (&Value::Array(vec![]), &0.into())
    );

    // Nothing happens: a comment.
    assert_eq!(next(&mut events).await, (String::new(), Value::Null));
}

#[tokio::test(start_paused = true)]
async fn who_missed_a_version_is_told_the_newest_and_a_group_that_went() {
    let live = Live::begin(ticks(&[(5, 7)]));
    let mut slow = live.listen("").await;
    let mut quick = live.listen("?group=h").await;
    next(&mut slow).await;
    next(&mut quick).await;
    let mut newest = Value::Null;
    for (g, h) in [(1, 2), (3, 4)] {
        live.publish(ticks(&[(g, h)]));
        let (name, told) = next(&mut quick).await;
        assert_eq!((name.as_str(), lags(&told)), ("tick", vec![("h", h)]));
        newest = told["version"].clone();
    }
    let (name, told) = next(&mut slow).await;
    assert_eq!((name.as_str(), &told["version"]), ("version", &newest));

    live.publish(vec![tick(TimestampMs::now(), &[(0, 3)])]);
    let (_, told) = next(&mut quick).await;
    assert_eq!(told["gone"], serde_json::json!([["main", "h"]]));
    assert_eq!(lags(&told), []);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_cluster_that_cannot_be_read_are_unknown_and_not_gone() {
    let live = Live::begin(ticks(&[(5, 7)]));
    let mut events = live.listen("").await;
    next(&mut events).await;
    live.publish(vec![Tick {
        gaps: vec![gap(GapScope::Cluster, "no broker answers")],
        groups: Vec::new(),
        topics: Vec::new(),
        ..tick(TimestampMs::now(), &[])
    }]);
    let (_, told) = next(&mut events).await;
    assert_eq!(told["gone"], serde_json::json!([]));
    for place in [0, 1] {
        let group = &told["groups"][place];
        assert_eq!(
            (&group["attention"], &group["lag"]),
            (&"unknown".into(), &Value::Null)
        );
    }
    let reason = told["clusters"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("no broker answers"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_to_all_is_made_once() {
    let live = Live::begin(ticks(&[(5, 7)]));
    let mut listeners = [live.listen("").await, live.listen("").await];
    for events in &mut listeners {
        next(events).await;
    }
    live.publish(ticks(&[(6, 7)]));
    let mut told = Vec::new();
    for events in &mut listeners {
        told.push(events.next().await.expect("an event").expect("whole"));
    }
    assert_eq!(told[0].as_ptr(), told[1].as_ptr());
}

#[tokio::test]
async fn there_are_so_many_places_and_one_that_goes_makes_room() {
    let live = Live::begin(ticks(&[(5, 7)]));
    let mut listeners = Vec::new();
    for _ in 0..MAX_LISTENERS {
        listeners.push(live.listen("").await);
    }
    let refused = live.ask("").await.expect_err("no place");
    assert_eq!(refused.status().0, 429);
    assert!(refused.to_string().starts_with("256 requests"), "{refused}");
    listeners.pop();
    drop(live.listen("").await);
}

#[tokio::test]
async fn streams_end_with_the_process() {
    let live = Live::begin(ticks(&[(5, 7)]));
    let mut events = live.listen("").await;
    next(&mut events).await;
    live.shutdown.cancel();
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_name() {
    let live = Live::begin(ticks(&[(5, 7)]));
    for (query, message) in [
        ("?cluster=moon", "there is no cluster \"moon\""),
        (
            "?since=1",
            "\"since\" is no parameter of this endpoint, accepted are cluster, group",
        ),
    ] {
        let refused = live.ask(query).await.expect_err("wrong");
        assert_eq!(refused.to_string(), message);
    }
}
