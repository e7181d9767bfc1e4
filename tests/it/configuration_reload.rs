//! Another configuration is taken up while KEDA's calls go on, or refused.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tidegauge::kafka::EmbeddedCluster;
use tonic::Code;

use super::support::{
    eventually,
    scaler::{Scaler, configuration, metric, named_groups, scaled_object},
};

const WITH_HISTORIC: &[(&str, &str)] = &[
    ("consumerGroup", "orders-service"),
    ("topic", "orders"),
    ("lagThreshold", "100"),
    ("allowIdleConsumers", "true"),
    ("includeHistoric", "true"),
];
const RELOADS: &str = "tidegauge_config_reloads_total";
const IS_WELL: &str = "tidegauge_config_last_reload_successful";

/// A partition of 100 records, of which `orders-service` has read 90, and each
/// of its three historic companions less.
async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("orders", 1).unwrap();
    let producer = cluster.producer().unwrap();
    producer.send("orders", Some(0), 100).unwrap();
    producer.flush().unwrap();
    for (group, committed) in [
        ("orders-service", 90),
        ("orders-service-old", 80),
        ("orders-service-older", 60),
        ("orders-service-oldest", 50),
    ] {
        let commit = [("orders", 0, committed)];
        cluster.commit_offsets(group, &commit).await.unwrap();
    }
    cluster
}

/// One scaler's cluster and folders.
struct Setting {
    cluster: EmbeddedCluster,
    data_dir: TempDir,
    folder: TempDir,
}

impl Setting {
    async fn new() -> Self {
        Self {
            cluster: cluster().await,
            data_dir: tempfile::tempdir().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tidegauge.toml")
    }

    fn configuration(&self, rest: &str) -> String {
        let groups = named_groups(&[("orders-service", "orders")]);
        let servers = self.cluster.bootstrap_servers();
        configuration(self.data_dir.path(), &servers, &format!("{groups}{rest}"))
    }

    fn historic(&self, suffix: &str) -> String {
        self.configuration(&format!("[estimator]\nhistoric_suffix = {suffix:?}\n"))
    }

    fn start(&self, configuration: &str) -> Scaler {
        fs::write(self.path(), configuration).unwrap();
        Scaler::follow(&self.path())
    }
}

async fn until_told(scaler: &Scaler, value: f64) {
    eventually(&format!("{value} is told"), async || {
        let told = scaler.told(WITH_HISTORIC).await.ok()?;
        (told.value == value).then_some(())
    })
    .await;
}

async fn until_counted(scaler: &Scaler, result: &str, count: f64) {
    let labels = format!("result={result:?}");
    eventually(&format!("{count} {result}"), async || {
        (metric(scaler, RELOADS, &labels).await == count).then_some(())
    })
    .await;
}

/// What `/readyz` says of the configuration, while it is ready.
async fn refusal(scaler: &Scaler) -> Option<String> {
    let ready = scaler.json("/readyz").await;
    let reasons = ready["reasons"].as_array().unwrap();
    let found = reasons.iter().find(|it| it["scope"] == "configuration")?;
    assert_eq!(found["code"], "refused");
    Some(found["message"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_file_is_followed_and_recorded() {
    let setting = Setting::new().await;
    let of = |name: &str| setting.folder.path().join(name);
    // As Kubernetes mounts a ConfigMap; all versions bear the same time.
    let mount = |version: &str, suffix: &str| {
        fs::create_dir(of(version)).unwrap();
        let path = of(version).join("tidegauge.toml");
        fs::write(&path, setting.historic(suffix)).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        symlink(version, of("..data_tmp")).unwrap();
        fs::rename(of("..data_tmp"), of("..data")).unwrap();
    };
    mount("..v1", "-oldest");
    symlink("..data/tidegauge.toml", setting.path()).unwrap();
    let scaler = Scaler::follow(&setting.path());
    until_told(&scaler, 60.0).await;

    mount("..v2", "-old");
    fs::remove_dir_all(of("..v1")).unwrap();
    until_told(&scaler, 30.0).await;
    until_counted(&scaler, "ok", 1.0).await;
    mount("..v3", "-older");
    until_told(&scaler, 50.0).await;
    until_counted(&scaler, "ok", 2.0).await;
    assert_eq!(metric(&scaler, IS_WELL, "").await, 1.0);

    let events = eventually("both are recorded", async || {
        let events = scaler.json("/api/v1/events?kind=configuration_changed");
        let events = events.await.as_array().unwrap().clone();
        (events.len() == 2).then_some(events)
    });
    for event in events.await {
        assert_eq!(event["message"], "changed: estimator", "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_file_and_the_end_waits_for_nothing() {
    let setting = Setting::new().await;
    let scaler = setting.start(&setting.historic("-oldest"));
    until_told(&scaler, 60.0).await;
    scaler.hang_up();
    until_counted(&scaler, "unchanged", 1.0).await;

    let verbose = format!(
        "{}[log]\nfilter = \"tidegauge=debug\"\n",
        setting.historic("-old")
    );
    let verbose = verbose.replace("[log]\nformat = \"json\"\n", "");
    let verbose = verbose.replace("filter = ", "format = \"json\"\nfilter = ");
    fs::write(setting.path(), verbose).unwrap();
    scaler.hang_up();
    until_told(&scaler, 30.0).await;
    eventually("more is logged", async || {
        scaler.told(WITH_HISTORIC).await.ok()?;
        scaler.log().contains("\"level\":\"DEBUG\"").then_some(())
    })
    .await;

    // Longer windows and another poller, and then the end at once.
    let other = "[estimator]\nwindow = \"10h\"\n";
    fs::write(
        setting.path(),
        setting.configuration(other).replace("200ms", "300ms"),
    )
    .unwrap();
    scaler.hang_up();
    assert!(scaler.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_is_refused_as_a_whole_until_it_is_put_right() {
    let setting = Setting::new().await;
    let scaler = setting.start(&setting.historic("-old"));
    until_told(&scaler, 30.0).await;

    let wrong = setting.historic("-oldest").replace("1s", "soon");
    let wrong = format!("{wrong}[watches]\nlimit = 0\n");
    fs::write(setting.path(), wrong).unwrap();
    until_counted(&scaler, "refused", 1.0).await;
    assert_eq!(metric(&scaler, IS_WELL, "").await, 0.0);
    let told = refusal(&scaler).await.unwrap();
    for part in [
        "poll.request_timeout",
        "\"soon\"",
        "watches.limit",
        "accepted",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let keys = logged_keys(&scaler);
    assert_eq!(keys, ["poll.request_timeout", "watches.limit"]);
    assert_eq!(scaler.told(WITH_HISTORIC).await.unwrap().value, 30.0);

    // A renamed file, as editors leave it.
    let right = setting.folder.path().join("edited");
    fs::write(&right, setting.historic("-older")).unwrap();
    fs::rename(&right, setting.path()).unwrap();
    until_told(&scaler, 50.0).await;
    until_counted(&scaler, "ok", 1.0).await;
    assert_eq!(metric(&scaler, IS_WELL, "").await, 1.0);
    assert_eq!(refusal(&scaler).await, None);

    fs::remove_file(setting.path()).unwrap();
    until_counted(&scaler, "refused", 2.0).await;
    let told = refusal(&scaler).await.unwrap();
    assert!(told.contains("can't be read"), "{told}");
    assert_eq!(scaler.told(WITH_HISTORIC).await.unwrap().value, 50.0);
}

/// The keys of what was refused, in the order of the log.
fn logged_keys(scaler: &Scaler) -> Vec<String> {
    let log = scaler.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let refused = lines.filter(|line: &Value| {
        let message = &line["fields"]["message"];
        line["level"] == "ERROR" && message == "the configuration is refused"
    });
    refused
        .map(|line| line["fields"]["key"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_refused_with_all_that_comes_with_it() {
    let setting = Setting::new().await;
    let scaler = setting.start(&setting.historic("-old"));
    until_told(&scaler, 30.0).await;
    let before = metric(
        &scaler,
        "tidegauge_config_last_reload_success_timestamp_seconds",
        "",
    )
    .await;

    let moved = setting
        .historic("-oldest")
        .replace("format = \"json\"", "format = \"text\"");
    let moved = moved.replacen("127.0.0.1:0", "127.0.0.1:1", 1);
    fs::write(setting.path(), moved).unwrap();
    scaler.hang_up();
    until_counted(&scaler, "refused", 1.0).await;
    let told = refusal(&scaler).await.unwrap();
    for part in [
        "grpc.listen: found \"127.0.0.1:1\"; accepted: \"127.0.0.1:0\", which is in force",
        "log.format: found \"text\"; accepted: \"json\", which is in force; another needs a restart",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert_eq!(scaler.told(WITH_HISTORIC).await.unwrap().value, 30.0);
    let after = metric(
        &scaler,
        "tidegauge_config_last_reload_success_timestamp_seconds",
        "",
    )
    .await;
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_come_and_go_while_another_goes_on() {
    let setting = Setting::new().await;
    let (leaving, coming) = (cluster().await, cluster().await);
    let of = |name: &str, cluster: &EmbeddedCluster| {
        let groups = named_groups(&[("orders-service", "orders")]);
        let servers = cluster.bootstrap_servers();
        let servers = format!("[clusters.main]\nbootstrap_servers = [{servers:?}]\n{groups}");
        servers.replace("clusters.main", &format!("clusters.{name}"))
    };
    let with_leaving = setting.configuration(&of("leaving", &leaving));
    let scaler = setting.start(&with_leaving);
    let (main, left, came) = (
        in_cluster("main"),
        in_cluster("leaving"),
        in_cluster("coming"),
    );
    assert_eq!(scaler.told(&main).await.unwrap().value, 10.0);
    assert_eq!(scaler.told(&left).await.unwrap().value, 10.0);
    let cycles = metric(&scaler, "tidegauge_polls_total", MAIN).await;

    fs::write(
        setting.path(),
        setting.configuration(&of("coming", &coming)),
    )
    .unwrap();
    eventually("the new one is told", async || {
        assert_eq!(scaler.told(&main).await.unwrap().value, 10.0);
        let told = scaler.told(&came).await.ok()?;
        (told.value == 10.0).then_some(())
    })
    .await;
    let status = scaler.told(&left).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(status.message().contains("coming"), "{status}");
    assert_eq!(names(&scaler).await, ["coming", "main"]);
    assert_eq!(metric(&scaler, "tidegauge_watches", "").await, 2.0);
    let gone = metric_is_there(&scaler, "cluster_name=\"leaving\"").await;
    assert!(!gone, "what is not polled has no metrics");
    assert!(metric(&scaler, "tidegauge_polls_total", MAIN).await >= cycles);
    assert_eq!(
        metric(&scaler, "tidegauge_skipped_polls_total", MAIN).await,
        0.0
    );

    let before = tidegauge::model::TimestampMs::now();
    fs::write(setting.path(), with_leaving).unwrap();
    eventually("it is back", async || {
        (names(&scaler).await == ["leaving", "main"]).then_some(())
    })
    .await;
    let path = format!("/api/v1/history?group=orders-service&cluster=leaving&step=raw&to={before}");
    let rows = scaler.json(&path).await;
    assert!(!rows.as_array().unwrap().is_empty(), "its history stays");
}

const MAIN: &str = "cluster_name=\"main\"";

fn in_cluster(name: &str) -> Vec<(&str, &str)> {
    vec![("consumerGroup", "orders-service"), ("cluster", name)]
}

async fn names(scaler: &Scaler) -> Vec<String> {
    let clusters = scaler.json("/api/v1/clusters").await;
    let name = |cluster: &Value| cluster["cluster"].as_str().unwrap().to_owned();
    clusters.as_array().unwrap().iter().map(name).collect()
}

async fn metric_is_there(scaler: &Scaler, label: &str) -> bool {
    scaler.get("/metrics").await.1.contains(label)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_interval_replaces_the_poller_and_its_history_goes_on() {
    let setting = Setting::new().await;
    let slow = setting.configuration("[estimator]\nmax_staleness = \"3h\"\n");
    let slow = slow.replace("200ms", "30m");
    let scaler = setting.start(&slow);
    let metadata = &[("consumerGroup", "orders-service"), ("topic", "orders")];
    assert_eq!(scaler.told(metadata).await.unwrap().value, 10.0);
    fs::write(setting.path(), slow.replace("30m", "100ms")).unwrap();
    setting
        .cluster
        .commit_offsets("orders-service", &[("orders", 0, 95)])
        .await
        .unwrap();
    eventually("it is polled often", async || {
        (scaler.told(metadata).await.unwrap().value == 5.0).then_some(())
    })
    .await;
    let events = scaler
        .json("/api/v1/history?group=orders-service&step=raw")
        .await;
    assert!(events.as_array().unwrap().len() >= 2, "before and after");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_that_change_are_pushed() {
    let setting = Setting::new().await;
    let service = |target: u32| {
        let orders = "group = 'orders-service'\ntopic = 'orders'";
        setting.configuration(&format!("[services.orders]\n{orders}\ntarget = {target}\n"))
    };
    let scaler = setting.start(&service(40));
    let object = scaled_object(&[("serviceType", "orders")]);
    let mut client = scaler.client().await;
    let stream = client.stream_metric_spec(object.clone()).await.unwrap();
    let mut stream = stream.into_inner();
    let mut pushed = async || {
        let specs = stream.message().await.unwrap().unwrap().metric_specs;
        specs[0].target_size_float
    };
    assert_eq!(pushed().await, 40.0);
    fs::write(setting.path(), service(75)).unwrap();
    scaler.hang_up();
    assert_eq!(pushed().await, 75.0);
    let asked = client.get_metric_spec(object).await.unwrap().into_inner();
    assert_eq!(asked.metric_specs[0].target_size_float, 75.0);
}
