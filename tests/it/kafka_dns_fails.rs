//! Beside three real brokers under names that nobody knows any more: what is
//! connected is read on, what is not is a gap that says so.

use std::time::Duration;

use super::support::{
    audit::{ALONE, Audit, Must, SPREAD, STEADY, Shop},
    hosts::Hosts,
    kafka::{Cluster, kafka_or_skip, kafka_required},
    scaler::{PROGRAM, Scaler, configuration},
};

const NAME: &str = "names_that_are_gone_are_gaps_once_a_connection_is_needed";
const DNS_FAILED: &[&str] = &["dns_failed"];
const INTERVAL: Duration = Duration::from_secs(2);
const LONGEST_CYCLE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_gone_are_gaps_once_a_connection_is_needed() {
    let Some(kafka) = kafka_or_skip(NAME) else {
        return;
    };
    let names: Vec<String> = (1..=3).map(Cluster::host_name).collect();
    let Some(hosts) = Hosts::new_or_skip(NAME, &names, kafka_required()) else {
        return;
    };
    let shop = Shop::open_under_names(&kafka);
    let data_dir = tempfile::tempdir().unwrap();
    // Librdkafka would connect again to an address that is a second old.
    let rest = "[estimator]\nmax_staleness = \"12s\"\nwindow = \"15s\"\n\
                [clusters.main.properties]\n\"broker.address.ttl\" = 0\n";
    let text = configuration(data_dir.path(), shop.cluster.bootstrap(), rest);
    let text = text.replace("200ms", "2s");
    let text = text.replace("request_timeout = \"1s\"", "request_timeout = \"2s\"");
    let scaler = Scaler::try_start_by(hosts.command(PROGRAM), &text).unwrap();
    let mut audit = Audit::begin(&shop, &scaler).await;
    let polls = audit.watch_time().await;
    let hold = [STEADY, SPREAD, ALONE].map(|subject| (subject, Must::Hold));

    hosts.forget();
    audit.produce(&[STEADY, SPREAD, ALONE]);
    audit.becomes("still connected", &hold).await;

    let proxy = shop.cluster.proxy(2);
    proxy.cut();
    proxy.heal();
    audit.produce(&[STEADY]);
    for scope in ["partition alone-0", "group \"billing\""] {
        audit.gap_shows("no name", scope, DNS_FAILED).await;
    }
    let states = [
        (STEADY, Must::Hold),
        (SPREAD, Must::Vanish),
        (ALONE, Must::Vanish),
    ];
    audit.becomes("no name", &states).await;
    audit
        .agrees_with_kafka("no name", &[STEADY, ALONE], &[(ALONE, 0)])
        .await;
    audit
        .kept_time("no name", &polls, INTERVAL, LONGEST_CYCLE)
        .await;

    hosts.know();
    audit.produce(&[SPREAD, ALONE]);
    audit.is_all_well("the name is back").await;
    audit.history_is_right("no name", &[SPREAD, ALONE]).await;
}
