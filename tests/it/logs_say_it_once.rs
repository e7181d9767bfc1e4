//! A failure that lasts is a few lines of the log and a number in the metrics;
//! which module says how much can be changed while it runs.

use std::{fs, time::Duration};

use serde_json::Value;
use tidegauge::kafka::EmbeddedCluster;

use super::support::{
    eventually,
    kafka::ports::free_port,
    scaler::{Scaler, configuration, metric, named_groups},
    within,
};

const CLUSTER: &str = "cluster_name=\"main\"";
const METADATA: &[(&str, &str)] = &[("consumerGroup", "g"), ("lagThreshold", "100")];
/// Polls that fail one after another: at three lines each, and librdkafka's own,
/// the log would have hundreds.
const FAILED_POLLS: f64 = 60.0;
/// Each of: the gap, librdkafka's ways to say that a connection failed, and what
/// the outage looked like while it began.
const FEW: usize = 12;

async fn cluster() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(1).unwrap();
    cluster.create_topic("t", 1).unwrap();
    cluster.commit_offsets("g", &[("t", 0, 0)]).await.unwrap();
    cluster
}

/// What of it was logged, each line an object.
fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn messages(log: &str, message: &str) -> usize {
    let is_it = |line: &&Value| line["fields"]["message"] == message;
    lines(log).iter().filter(is_it).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_stay_away_are_a_few_lines_and_a_count() {
    let data_dir = tempfile::tempdir().unwrap();
    // Nobody has ever listened there.
    let servers = format!("127.0.0.1:{}", free_port());
    let text = configuration(data_dir.path(), &servers, &named_groups(&[("g", "t")]));
    let text = text.replace("request_timeout = \"1s\"", "request_timeout = \"100ms\"");
    let scaler = Scaler::start(&text);
    let incomplete = async || metric(&scaler, "tidegauge_incomplete_polls_total", CLUSTER).await;
    within(Duration::from_secs(120), "many polls fail", async || {
        (incomplete().await >= FAILED_POLLS).then_some(())
    })
    .await;
    let log = scaler.log();
    let warnings = log.lines().filter(|line| !line.contains("\"INFO\""));
    assert!(warnings.clone().count() <= FEW, "{log}");
    assert!(warnings.count() > 0, "{log}");
    assert_eq!(messages(&log, "what can't be read has changed"), 1, "{log}");
    assert_eq!(messages(&log, "all is read again"), 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_ends_says_so_once_and_what_was_held_back_is_told() {
    let cluster = cluster().await;
    let data_dir = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("g", "t")]);
    let servers = cluster.bootstrap_servers();
    let text = configuration(data_dir.path(), &servers, &groups);
    let scaler = Scaler::start(&text);
    let incomplete = async || metric(&scaler, "tidegauge_incomplete_polls_total", CLUSTER).await;
    scaler.told(METADATA).await.unwrap();
    let before = incomplete().await;
    for outage in 0..3 {
        cluster.stop_broker(1).unwrap();
        let failed = before + 3.0 * f64::from(outage + 1);
        eventually("polls fail", async || {
            (incomplete().await >= failed).then_some(())
        })
        .await;
        cluster.start_broker(1).unwrap();
        let polls = async || metric(&scaler, "tidegauge_polls_total", CLUSTER).await;
        eventually("polls are whole again", async || {
            let (failed, all) = (incomplete().await, polls().await);
            eventually("another poll", async || (polls().await > all).then_some(())).await;
            (incomplete().await == failed).then_some(())
        })
        .await;
    }
    let log = scaler.log();
    assert_eq!(messages(&log, "all is read again"), 1, "{log}");
    assert_eq!(messages(&log, "said again"), 0, "{log}");
    let kept = scaler.log_at_end().await;
    let again = |line: &&Value| {
        let fields = &line["fields"];
        fields["message"] == "said again"
            && fields["line"].as_str().unwrap().contains("all is read")
    };
    let told = lines(&kept);
    let told: Vec<_> = told.iter().filter(again).collect();
    let [told] = &told[..] else {
        panic!("not one line: {kept}");
    };
    assert_eq!(told["fields"]["repeated"], 2, "{told}");
    assert_eq!(told["fields"]["from"], "tidegauge::recorder", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_changes_what_each_module_logs() {
    let cluster = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let groups = named_groups(&[("g", "t")]);
    let data_dir = folder.path().join("data");
    let text = configuration(&data_dir, &cluster.bootstrap_servers(), &groups);
    let file = folder.path().join("tidegauge.toml");
    fs::write(&file, &text).unwrap();
    let scaler = Scaler::follow(&file);
    let taken_up = async |filter: &str| {
        let count = || messages(&scaler.log(), "another configuration is in force");
        let before = count();
        let with_filter = format!("[log]\nfilter = \"{filter}\"");
        fs::write(&file, text.replace("[log]", &with_filter)).unwrap();
        scaler.hang_up();
        eventually("it is taken up", async || (count() > before).then_some(())).await;
    };
    scaler.told(METADATA).await.unwrap();
    assert_eq!(messages(&scaler.log(), "told"), 0);

    taken_up("info,tidegauge::scaler=debug").await;
    eventually("the scaler says more", async || {
        scaler.told(METADATA).await.unwrap();
        (messages(&scaler.log(), "told") > 0).then_some(())
    })
    .await;
    let log = lines(&scaler.log());
    let details = log.iter().filter(|line| line["level"] == "DEBUG");
    for line in details {
        let target = line["target"].as_str().unwrap();
        assert!(target.starts_with("tidegauge::scaler"), "{line}");
    }

    taken_up("info,tidegauge::scaler=off").await;
    eventually("the scaler says nothing more", async || {
        let before = messages(&scaler.log(), "told");
        scaler.told(METADATA).await.unwrap();
        (messages(&scaler.log(), "told") == before).then_some(())
    })
    .await;
}
