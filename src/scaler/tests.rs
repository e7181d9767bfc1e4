//! The service, asked as KEDA asks it.

mod access;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, unconstrained},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

use crate::{
    model::{Commit, Tick, TimestampMs},
    proto::{GetMetricsRequest, ScaledObjectRef, external_scaler_server::ExternalScaler as _},
};

use super::{
    ScalerService, Settings, Watches, judge_until_cancelled,
    testing::{Recorded, settings, tick},
};

/// A service on cluster `main`, whose answers are prepared as in the product.
struct Setting {
    recorded: Recorded,
    newest: TimestampMs,
    watches: Arc<Watches>,
    service: ScalerService,
    shutdown: CancellationToken,
    judge: JoinHandle<()>,
}

impl Setting {
    fn new() -> Self {
        let recorded = Recorded::default();
        // Changes that nobody takes wait for the next sweep.
        let changes = mpsc::channel(1).0;
        let watches = Watches::new(settings(&["main"], 2_000), BTreeMap::new(), changes);
        let watches = Arc::new(watches);
        let shutdown = CancellationToken::new();
        let service = ScalerService::new(recorded.reader(), Arc::clone(&watches), shutdown.clone());
        let judge =
            judge_until_cancelled(Arc::clone(&watches), recorded.reader(), shutdown.clone());
        Self {
            judge: tokio::spawn(async { judge.await.expect("judging goes on") }),
            recorded,
            newest: TimestampMs(0),
            watches,
            service,
            shutdown,
        }
    }

    /// Publishes where group `g` stands in each partition, and waits until it is
    /// judged.
    async fn publish(&mut self, commits: &[i64]) {
        let commits: Vec<_> = commits.iter().map(|at| Commit::At(*at)).collect();
        self.publish_tick(tick_now(&[("g", &commits)])).await;
    }

    /// Its time is later than that of the tick before, as polls are.
    async fn publish_tick(&mut self, mut tick: Tick) {
        tick.at = tick.at.max(TimestampMs(self.newest.0 + 1));
        self.newest = tick.at;
        let mut rounds = self.watches.rounds();
        rounds.mark_unchanged();
        self.recorded.publish(&tick);
        rounds.changed().await.expect("judged");
    }

    async fn value(&self, metadata: &[(&str, &str)], name: &str) -> Result<Vec<f64>, Status> {
        let request = GetMetricsRequest {
            scaled_object_ref: Some(object(metadata)),
            metric_name: name.to_owned(),
        };
        let response = self.service.get_metrics(Request::new(request)).await?;
        let values = response.into_inner().metric_values.into_iter();
        Ok(values.map(|value| value.metric_value_float).collect())
    }

    async fn specs(&self, metadata: &[(&str, &str)]) -> Result<Vec<(String, f64)>, Status> {
        let request = Request::new(object(metadata));
        let response = self.service.get_metric_spec(request).await?;
        let specs = response.into_inner().metric_specs.into_iter();
        Ok(specs
            .map(|spec| (spec.metric_name, spec.target_size_float))
            .collect())
    }

    fn reconfigure(&self, change: impl FnOnce(&mut Settings)) {
        let mut changed = Settings::clone(&settings(&["main"], 2_000));
        change(&mut changed);
        self.watches
            .reconfigure(Arc::new(changed), BTreeMap::new(), TimestampMs::now());
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.judge.await.expect("ended");
    }
}

fn tick_now(groups: &[(&str, &[Commit])]) -> Tick {
    let mut tick = tick(0, groups);
    tick.at = TimestampMs::now();
    tick
}

fn object(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let pairs = metadata.iter();
    let pairs = pairs.map(|&(key, value)| (key.to_owned(), value.to_owned()));
    ScaledObjectRef {
        name: "object".to_owned(),
        namespace: "default".to_owned(),
        scaler_metadata: pairs.collect::<HashMap<_, _>>(),
    }
}

/// What a stream has to tell now, however much was asked in this turn.
fn at_once<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    unconstrained(stream.next()).now_or_never().flatten()
}

const GROUP: (&str, &str) = ("consumerGroup", "g");

#[tokio::test]
async fn a_thousand_streams_wake_when_there_is_something_to_tell() {
    let mut setting = Setting::new();
    let mut streams = Vec::new();
    for threshold in 1..=1_000 {
        let metadata = object(&[GROUP, ("lagThreshold", &threshold.to_string())]);
        let stream = setting
            .service
            .stream_is_active(Request::new(metadata))
            .await;
        streams.push(stream.expect("open").into_inner());
    }
    assert!(
        streams[0].next().now_or_never().is_none(),
        "nothing is known yet"
    );

    setting.publish(&[100]).await;
    for stream in &mut streams {
        let told = stream.next().await.expect("open").expect("told");
        assert!(!told.result);
    }
    setting.publish(&[100]).await;
    assert!(
        streams
            .iter_mut()
            .all(|stream| stream.next().now_or_never().is_none())
    );

    // The first record behind is told with its tick.
    setting.publish(&[99]).await;
    for stream in &mut streams {
        assert!(at_once(stream).expect("at once").expect("told").result);
    }
    setting.shutdown.cancel();
    for stream in &mut streams {
        assert!(stream.next().await.is_none(), "ends with OK");
    }
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_becomes_unknown_is_not_told_as_inactive() {
    let mut setting = Setting::new();
    let request = Request::new(object(&[GROUP]));
    let stream = setting.service.stream_is_active(request).await;
    let mut stream = stream.expect("open").into_inner();
    setting.publish(&[50]).await;
    assert!(stream.next().await.expect("open").expect("told").result);
    let mut unread = tick_now(&[("g", &[Commit::Unread])]);
    unread.at = TimestampMs(unread.at.0 + 301_000);
    setting.publish_tick(unread).await;
    assert!(at_once(&mut stream).is_none());
    let error = setting.value(&[GROUP], "").await.expect_err("unknown");
    assert_eq!(error.code(), Code::Unavailable);
    setting.end().await;
}

#[tokio::test]
async fn a_reload_changes_targets_for_all_who_ask() {
    let mut setting = Setting::new();
    let metadata = [("serviceType", "ingest-logs")];
    let stream = setting
        .service
        .stream_metric_spec(Request::new(object(&metadata)))
        .await;
    let mut stream = stream.expect("open").into_inner();
    let mut streamed = async || {
        let specs = stream.next().await?.expect("told").metric_specs;
        Some((specs[0].metric_name.clone(), specs[0].target_size_float))
    };
    assert_eq!(streamed().await, Some(("ingest-logs".to_owned(), 100.0)));
    let commits: &[Commit] = &[Commit::At(40)];
    setting
        .publish_tick(tick_now(&[("lakerunner.ingest-logs", commits)]))
        .await;

    setting.reconfigure(|settings| {
        let service = settings
            .rules
            .services
            .get_mut("ingest-logs")
            .expect("there");
        service.target = 250.0;
    });
    assert_eq!(streamed().await, Some(("ingest-logs".to_owned(), 250.0)));
    let asked = setting.specs(&metadata).await.expect("known");
    assert_eq!(asked, [("ingest-logs".to_owned(), 250.0)]);

    // Gone from the configuration: streams end, and who asks is told why.
    setting.reconfigure(|settings| {
        settings.rules.services.remove("ingest-logs");
    });
    assert_eq!(streamed().await, None);
    let error = setting.specs(&metadata).await.expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(
        error.message().contains("serviceType is \"ingest-logs\""),
        "{error}"
    );
    assert!(setting.watches.is_empty());
    setting.end().await;
}

#[tokio::test]
async fn metrics_of_one_trigger_are_asked_for_by_name() {
    let mut setting = Setting::new();
    let metadata = [
        GROUP,
        ("metrics", "lag,timeLag"),
        ("timeLag", "60"),
        ("lag", "100"),
    ];
    setting.publish(&[40]).await;
    setting.specs(&metadata).await.expect("known");
    setting.publish(&[40]).await;
    let lag = setting.value(&metadata, "kafka-g-topics").await;
    assert_eq!(lag.expect("known"), [60.0]);
    assert_eq!(setting.value(&metadata, "").await.expect("known").len(), 2);
    let error = setting
        .value(&metadata, "lag")
        .await
        .expect_err("no such name");
    let accepted = "metricName is \"lag\", accepted is \"kafka-g-topics\" or \
                    \"kafka-g-topics-timeLag\"";
    assert_eq!(
        (error.code(), error.message()),
        (Code::InvalidArgument, accepted)
    );
    setting.end().await;
}

#[tokio::test]
async fn there_is_a_limit_to_what_can_be_asked() {
    let mut setting = Setting::new();
    setting.publish(&[40]).await;
    setting.reconfigure(|settings| settings.limits.limit = 1);
    setting.value(&[GROUP], "").await.expect("the first");
    let other = [GROUP, ("lagThreshold", "5")];
    let error = setting.value(&other, "").await.expect_err("the second");
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("watches.limit"), "{error}");
    setting.end().await;
}

#[tokio::test]
async fn an_open_stream_keeps_its_watch() {
    let setting = Setting::new();
    let request = Request::new(object(&[GROUP]));
    let stream = setting
        .service
        .stream_is_active(request)
        .await
        .expect("open");
    let later = |minutes: i64| TimestampMs(TimestampMs::now().0 + minutes * 60_000);
    setting.watches.sweep(later(11));
    assert_eq!(setting.watches.len(), 1);
    drop(stream);
    setting.watches.sweep(later(22));
    assert_eq!(setting.watches.len(), 0);
    setting.end().await;
}

#[tokio::test]
async fn a_group_without_commits_is_counted() {
    let mut setting = Setting::new();
    setting
        .publish_tick(tick_now(&[("g", &[Commit::None, Commit::None])]))
        .await;
    let told = setting.value(&[GROUP, ("topic", "t")], "").await;
    assert_eq!(told.expect("as KEDA"), [2.0]);
    assert_eq!(setting.watches.without_commits(), 1);
    setting.publish(&[10, 10]).await;
    assert_eq!(setting.watches.without_commits(), 0);
    setting.end().await;
}

#[tokio::test]
async fn a_group_that_comes_later_counts_with_its_plugin() {
    let mut setting = Setting::new();
    let metadata = [
        ("entityName", "plugin"),
        ("pluginName", "jira"),
        ("targetSize", "10"),
    ];
    let live: (&str, &[Commit]) = ("azul-jira", &[Commit::At(40)]);
    let later: (&str, &[Commit]) = ("azul-jira-2", &[Commit::At(10)]);
    for _ in 0..2 {
        setting.publish_tick(tick_now(&[live])).await;
    }
    assert_eq!(setting.value(&metadata, "").await.expect("known"), [60.0]);
    for _ in 0..2 {
        setting.publish_tick(tick_now(&[live, later])).await;
    }
    assert_eq!(setting.value(&metadata, "").await.expect("known"), [150.0]);
    setting.end().await;
}
