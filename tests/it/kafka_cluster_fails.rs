//! Beside three real brokers that fail in every way: what was read stays
//! right, what was not is a gap with its reason, and never a made-up number.
//!
//! One cluster serves several cases, since it takes long to start; each case
//! has a scaler of its own and leaves the cluster as it found it.

use std::time::Duration;

use super::support::{
    audit::{ALONE, Audit, Must, SPREAD, STEADY, SUBJECTS, Shop},
    kafka::{OFFSETS_TOPIC, kafka_or_skip},
    scaler::{Scaler, configuration},
};

const INTERVAL: Duration = Duration::from_secs(2);
/// Longer than a cycle may take by this configuration.
const LONGEST_CYCLE: Duration = Duration::from_secs(3);
/// All that a broker that is away may be called.
const AWAY: &[&str] = &["timed_out", "broker_down", "leader_unavailable"];

/// With time enough for a busy machine.
fn text(shop: &Shop, data_dir: &std::path::Path) -> String {
    let rest = "[estimator]\nmax_staleness = \"12s\"\nwindow = \"15s\"\n";
    configuration(data_dir, shop.cluster.bootstrap(), rest)
        .replace("200ms", "2s")
        .replace("request_timeout = \"1s\"", "request_timeout = \"2s\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_move_and_brokers_die() {
    let Some(kafka) = kafka_or_skip("leaders_move_and_brokers_die") else {
        return;
    };
    let shop = Shop::open(&kafka);
    leaders_and_coordinators_move(&shop).await;
    one_broker_dies(&shop).await;
    all_brokers_die(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_hang_and_are_slow() {
    let Some(kafka) = kafka_or_skip("connections_hang_and_are_slow") else {
        return;
    };
    let shop = Shop::open(&kafka);
    one_broker_is_slow(&shop).await;
    one_broker_hangs(&shop).await;
    one_broker_can_not_be_reached(&shop).await;
}

/// Nothing is lost: the new broker is found before anything is too old.
async fn leaders_and_coordinators_move(shop: &Shop) {
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&text(shop, data_dir.path()));
    let mut audit = Audit::begin(shop, &scaler).await;
    let polls = audit.watch_time().await;
    let hold = SUBJECTS.map(|subject| (subject, Must::Hold));

    shop.cluster.move_leaders(&[(SPREAD.topic, &[2, 3, 1])]);
    assert_eq!(
        shop.cluster.leaders(SPREAD.topic),
        [Some(2), Some(3), Some(1)]
    );
    audit.produce(&SUBJECTS);
    audit.becomes("leaders moved", &hold).await;

    shop.cluster.move_leaders(&[(OFFSETS_TOPIC, &[3, 1, 2, 3])]);
    assert_eq!(shop.cluster.coordinators(&[SPREAD.group]), [1]);
    let commit = ["--shift-by", "-1"];
    shop.cluster
        .reset_offsets(SPREAD.group, &format!("{}:0", SPREAD.topic), &commit);
    audit.lag_grows(SPREAD, 1);
    audit.becomes("coordinators moved", &hold).await;

    audit.is_all_well("moved").await;
    audit.history_is_right("moved", &[]).await;
    audit
        .kept_time("moved", &polls, INTERVAL, LONGEST_CYCLE)
        .await;
    shop.restore_places();
}

/// What others hold too moves to them; what it alone had is unknown.
async fn one_broker_dies(shop: &Shop) {
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&text(shop, data_dir.path()));
    let mut audit = Audit::begin(shop, &scaler).await;
    let polls = audit.watch_time().await;

    shop.cluster.kill(2);
    audit.produce(&[STEADY, SPREAD]);
    audit.gap_shows("one died", "partition alone-0", AWAY).await;
    let states = [
        (STEADY, Must::Hold),
        (SPREAD, Must::Return),
        (ALONE, Must::Vanish),
    ];
    audit.becomes("one died", &states).await;
    audit
        .agrees_with_kafka("one died", &[STEADY, SPREAD], &[])
        .await;
    audit
        .kept_time("one died", &polls, INTERVAL, LONGEST_CYCLE)
        .await;

    shop.cluster.restart(&[2]);
    audit.produce(&[ALONE]);
    audit.is_all_well("it came back").await;
    audit.history_is_right("one died", &[ALONE]).await;
    shop.restore_places();
}

/// Nothing is known, and so nothing is told.
async fn all_brokers_die(shop: &Shop) {
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&text(shop, data_dir.path()));
    let audit = Audit::begin(shop, &scaler).await;
    let polls = audit.watch_time().await;

    (1..=3).for_each(|broker| shop.cluster.kill(broker));
    let vanish = SUBJECTS.map(|subject| (subject, Must::Vanish));
    audit.becomes("all died", &vanish).await;
    audit
        .gap_shows("all died", "cluster: no broker answers", AWAY)
        .await;
    audit
        .kept_time("all died", &polls, INTERVAL, LONGEST_CYCLE)
        .await;

    shop.cluster.restart(&[1, 2, 3]);
    audit.is_all_well("they came back").await;
    audit.history_is_right("all died", &SUBJECTS).await;
}

/// A second more for each answer: late, and right.
async fn one_broker_is_slow(shop: &Shop) {
    let data_dir = tempfile::tempdir().unwrap();
    let interval = Duration::from_secs(5);
    let text = text(shop, data_dir.path())
        .replace("interval = \"2s\"", "interval = \"5s\"")
        .replace("request_timeout = \"2s\"", "request_timeout = \"4s\"")
        .replace("max_staleness = \"12s\"", "max_staleness = \"30s\"");
    let scaler = Scaler::start(&text);
    let mut audit = Audit::begin(shop, &scaler).await;
    let polls = audit.watch_time().await;
    let hold = SUBJECTS.map(|subject| (subject, Must::Hold));

    shop.cluster.proxy(2).slow_down(Duration::from_millis(500));
    for what in ["slow", "still slow"] {
        audit.produce(&SUBJECTS);
        audit.becomes(what, &hold).await;
    }
    audit.is_all_well("slow").await;
    audit.history_is_right("slow", &[]).await;
    let longest = Duration::from_secs(9);
    audit.kept_time("slow", &polls, interval, longest).await;
    shop.cluster.proxy(2).heal();
}

/// It says nothing, to old connections and new ones.
async fn one_broker_hangs(shop: &Shop) {
    let proxy = shop.cluster.proxy(2);
    one_broker_is_away(shop, "it hangs", || proxy.hang()).await;
}

/// It lives, but nothing gets there.
async fn one_broker_can_not_be_reached(shop: &Shop) {
    let proxy = shop.cluster.proxy(2);
    one_broker_is_away(shop, "it is cut off", || proxy.cut()).await;
}

/// For the other brokers it is there, so nothing moves.
async fn one_broker_is_away(shop: &Shop, what: &str, begin: impl FnOnce()) {
    let data_dir = tempfile::tempdir().unwrap();
    let scaler = Scaler::start(&text(shop, data_dir.path()));
    let mut audit = Audit::begin(shop, &scaler).await;
    let polls = audit.watch_time().await;

    begin();
    audit.produce(&[STEADY]);
    audit.gap_shows(what, "partition alone-0", AWAY).await;
    // Of the coordinator it may be said that the others are not it.
    let codes = [AWAY, &["coordinator_unavailable"]].concat();
    audit.gap_shows(what, "group \"billing\"", &codes).await;
    let states = [
        (STEADY, Must::Hold),
        (SPREAD, Must::Vanish),
        (ALONE, Must::Vanish),
    ];
    audit.becomes(what, &states).await;
    audit
        .agrees_with_kafka(what, &[STEADY, ALONE], &[(ALONE, 0)])
        .await;
    audit.kept_time(what, &polls, INTERVAL, LONGEST_CYCLE).await;

    shop.cluster.proxy(2).heal();
    audit.produce(&[SPREAD, ALONE]);
    audit.is_all_well(what).await;
    audit.history_is_right(what, &[SPREAD, ALONE]).await;
}
