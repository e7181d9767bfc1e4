//! Polls the embedded cluster and compares with what was written to it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::{
    Commit, GapScope, GroupId, GroupReading, Interest, Partition, PartitionReading, Tick,
    TimestampMs, TopicName, TopicSelection, TopicState,
};

/// Long enough for a slow machine, short enough for a test that waits for it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

fn settings(cluster: &EmbeddedCluster) -> ClientSettings {
    ClientSettings {
        bootstrap_servers: vec![cluster.bootstrap_servers()],
        properties: BTreeMap::from([("reconnect.backoff.max.ms".to_owned(), "200".to_owned())]),
        request_timeout: REQUEST_TIMEOUT,
    }
}

fn client(cluster: &EmbeddedCluster) -> Client {
    Client::connect(&settings(cluster)).expect("client")
}

fn poller(cluster: &EmbeddedCluster) -> Poller {
    let settings = PollerSettings {
        cluster: "c".into(),
        discover: true,
        discovery_interval: Duration::from_secs(60),
        metadata_interval: Duration::from_secs(60),
        isolation: IsolationLevel::ReadCommitted,
    };
    Poller::new(client(cluster), settings)
}

fn interest(groups: &[(&str, &[&str])]) -> Interest {
    let mut interest = Interest::default();
    for (group, topics) in groups {
        let topics = topics.iter().map(|topic| TopicName::from(*topic));
        interest.add_group(GroupId::from(*group), TopicSelection::only(topics));
    }
    interest
}

/// Three brokers, and a topic of three partitions: partition p is led by broker
/// p + 1 and has 10 (p + 1) records.
fn three_brokers() -> EmbeddedCluster {
    let cluster = EmbeddedCluster::start(3).expect("cluster");
    cluster.create_topic("orders", 3).expect("topic");
    let producer = cluster.producer().expect("producer");
    for partition in 0..3 {
        cluster
            .set_leader("orders", partition, Some(partition + 1))
            .expect("leader");
        let records = 10 * (usize::try_from(partition).expect("small") + 1);
        producer
            .send("orders", Some(partition), records)
            .expect("records");
    }
    producer.flush().expect("flush");
    cluster
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + 5 * REQUEST_TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn poll(poller: &mut Poller, interest: &Interest) -> Tick {
    poller.poll(interest, TimestampMs::now()).await
}

fn log(tick: &Tick, topic: &str) -> Vec<(Option<i64>, Option<i64>)> {
    let reading = tick
        .topics
        .iter()
        .find(|reading| reading.topic.as_str() == topic);
    match &reading.expect("topic in tick").state {
        TopicState::Present(partitions) => partitions
            .iter()
            .map(
                |PartitionReading {
                     log_start_offset,
                     log_end_offset,
                 }| (*log_start_offset, *log_end_offset),
            )
            .collect(),
        TopicState::Missing => panic!("{topic} is missing"),
    }
}

fn group<'a>(tick: &'a Tick, group: &str) -> &'a GroupReading {
    let reading = tick
        .groups
        .iter()
        .find(|reading| reading.group.as_str() == group);
    reading.expect("group in tick")
}

fn codes(tick: &Tick) -> Vec<(GapScope, &str)> {
    tick.gaps
        .iter()
        .map(|gap| (gap.scope.clone(), gap.reason.code.as_str()))
        .collect()
}

fn partition_scope(topic: &str, partition: Partition) -> GapScope {
    GapScope::Partition(topic.into(), partition)
}

#[tokio::test]
async fn a_tick_holds_what_was_written_and_committed() {
    let cluster = three_brokers();
    let commits = [("orders", 0, 4), ("orders", 2, 30)];
    cluster
        .commit_offsets("billing", &commits)
        .await
        .expect("commit");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"]), ("unheard-of", &["orders"])]);

    let at = TimestampMs(12_345);
    let tick = poller.poll(&interest, at).await;

    assert_eq!(tick.at, at);
    assert_eq!(tick.cluster.as_str(), "c");
    assert_eq!(tick.gaps, []);
    let ends: Vec<_> = [10, 20, 30].map(|end| (Some(0), Some(end))).into();
    assert_eq!(log(&tick, "orders"), ends);
    let billing = &group(&tick, "billing").topics;
    assert_eq!(billing.len(), 1);
    assert_eq!(
        billing[0].commits,
        [Commit::At(4), Commit::None, Commit::At(30)]
    );
    assert_eq!(group(&tick, "billing").membership, None);
    assert_eq!(
        group(&tick, "unheard-of").topics[0].commits,
        [Commit::None; 3]
    );
}

#[tokio::test]
async fn a_real_member_is_followed() {
    let cluster = three_brokers();
    let consumer = cluster.consumer("readers", &["orders"]).expect("consumer");
    let reading = tokio::task::spawn_blocking(move || {
        let read = consumer
            .poll_records(60, Duration::from_secs(20))
            .expect("records");
        consumer.commit().expect("commit");
        read
    });
    assert_eq!(reading.await.expect("thread"), 60);

    let tick = poll(
        &mut poller(&cluster),
        &interest(&[("readers", &["orders"])]),
    )
    .await;
    let commits = &group(&tick, "readers").topics[0].commits;
    assert_eq!(*commits, [Commit::At(10), Commit::At(20), Commit::At(30)]);
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_missing_until_it_comes() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders", "later"])]);

    let tick = poll(&mut poller, &interest).await;
    assert_eq!(tick.topics[0].topic.as_str(), "later");
    assert_eq!(tick.topics[0].state, TopicState::Missing);
    assert_eq!(
        codes(&tick),
        [(GapScope::Topic("later".into()), "unknown_topic")]
    );
    let topics = &group(&tick, "billing").topics;
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].topic.as_str(), "orders");

    cluster.create_topic("later", 2).expect("topic");
    let tick = poll(&mut poller, &interest).await;
    assert_eq!(log(&tick, "later"), [(Some(0), Some(0)); 2]);
    assert_eq!(group(&tick, "billing").topics.len(), 2);
    assert_eq!(tick.gaps, []);
}

#[tokio::test]
async fn names_that_no_topic_can_have_harm_nobody_else() {
    let cluster = three_brokers();
    let interest = interest(&[
        ("a\0b", &["orders"]),
        ("billing", &["o\0rders", "", "orders"]),
    ]);
    let tick = poll(&mut poller(&cluster), &interest).await;
    assert_eq!(
        codes(&tick),
        [
            (GapScope::Group("a\0b".into()), "invalid_name"),
            (GapScope::Topic("".into()), "invalid_topic"),
            (GapScope::Topic("o\0rders".into()), "invalid_topic"),
        ]
    );
    assert_eq!(log(&tick, "orders").len(), 3);
    assert_eq!(group(&tick, "billing").topics.len(), 3);
}

#[tokio::test]
async fn a_broker_that_is_down_takes_only_its_partitions_with_it() {
    let cluster = three_brokers();
    cluster.set_coordinator("billing", 1).expect("coordinator");
    cluster
        .commit_offsets("billing", &[("orders", 1, 5)])
        .await
        .expect("commit");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    assert_eq!(poll(&mut poller, &interest).await.gaps, []);

    cluster.stop_broker(2).expect("stop");
    for _ in 0..3 {
        let started = Instant::now();
        let tick = poll(&mut poller, &interest).await;
        assert!(started.elapsed() < 2 * REQUEST_TIMEOUT + Duration::from_secs(2));
        assert_eq!(
            log(&tick, "orders"),
            [(Some(0), Some(10)), (None, None), (Some(0), Some(30))]
        );
        let scopes: Vec<_> = tick.gaps.iter().map(|gap| gap.scope.clone()).collect();
        assert_eq!(scopes, [partition_scope("orders", 1)], "{:?}", tick.gaps);
        let commits = &group(&tick, "billing").topics[0].commits;
        assert_eq!(*commits, [Commit::None, Commit::At(5), Commit::None]);
    }

    cluster.start_broker(2).expect("start");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let tick = poll(&mut poller, &interest).await;
        if tick.gaps.is_empty() {
            assert_eq!(log(&tick, "orders")[1], (Some(0), Some(20)));
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", tick.gaps);
    }
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_one_gap_and_comes_back() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"]), ("shipping", &["orders"])]);
    (1..=3).for_each(|broker| cluster.stop_broker(broker).expect("stop"));

    let started = Instant::now();
    let tick = poll(&mut poller, &interest).await;
    assert!(started.elapsed() < 2 * REQUEST_TIMEOUT + Duration::from_secs(2));
    let scopes: Vec<_> = tick.gaps.iter().map(|gap| &gap.scope).collect();
    assert_eq!(scopes, [&GapScope::Cluster], "{:?}", tick.gaps);
    assert!(tick.groups.is_empty() && tick.topics.is_empty());

    (1..=3).for_each(|broker| cluster.start_broker(broker).expect("start"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !poll(&mut poller, &interest).await.gaps.is_empty() {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_partition_without_leader_is_a_gap_until_it_has_one() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    cluster.set_leader("orders", 0, None).expect("leader");

    let started = Instant::now();
    let tick = poll(&mut poller, &interest).await;
    assert!(started.elapsed() < REQUEST_TIMEOUT, "nobody to wait for");
    assert_eq!(
        codes(&tick),
        [(partition_scope("orders", 0), "leader_unavailable")]
    );
    assert_eq!(log(&tick, "orders")[0], (None, None));

    cluster.set_leader("orders", 0, Some(3)).expect("leader");
    let tick = poll(&mut poller, &interest).await;
    assert_eq!(tick.gaps, []);
    assert_eq!(log(&tick, "orders")[0], (Some(0), Some(10)));
}

#[tokio::test]
async fn a_leader_that_moved_is_found_within_the_cycle() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    assert_eq!(poll(&mut poller, &interest).await.gaps, []);
    for leader in [3, 1, 2] {
        cluster
            .set_leader("orders", 0, Some(leader))
            .expect("leader");
        let tick = poll(&mut poller, &interest).await;
        assert_eq!(tick.gaps, []);
        assert_eq!(log(&tick, "orders")[0], (Some(0), Some(10)));
    }
}

#[tokio::test]
async fn a_topic_that_goes_is_missing_and_found_again() {
    let cluster = three_brokers();
    cluster
        .commit_offsets("billing", &[("orders", 0, 5)])
        .await
        .expect("commit");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    assert_eq!(poll(&mut poller, &interest).await.gaps, []);

    cluster.hide_topic("orders").expect("hide");
    cluster.set_leader("orders", 0, None).expect("leader");
    // Only an error tells that something has changed.
    (1..=3).for_each(|broker| {
        let not_leader = InjectedError::NotLeader;
        cluster
            .fail_next(broker, EmbeddedRequest::ListOffsets, not_leader, 2)
            .expect("inject");
    });
    let tick = poll(&mut poller, &interest).await;
    assert_eq!(tick.topics[0].state, TopicState::Missing, "{tick:?}");
    assert_eq!(
        codes(&tick),
        [(GapScope::Topic("orders".into()), "unknown_topic")]
    );
    assert!(group(&tick, "billing").topics.is_empty());

    cluster.show_topic("orders").expect("show");
    cluster.set_leader("orders", 0, Some(1)).expect("leader");
    let tick = poll(&mut poller, &interest).await;
    assert_eq!(tick.gaps, []);
    assert_eq!(log(&tick, "orders").len(), 3);
}

#[tokio::test]
async fn a_group_that_is_refused_is_a_gap_of_its_own() {
    let cluster = three_brokers();
    cluster.set_coordinator("secret", 3).expect("coordinator");
    cluster.set_coordinator("billing", 1).expect("coordinator");
    cluster
        .commit_offsets("billing", &[("orders", 0, 5)])
        .await
        .expect("commit");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"]), ("secret", &["orders"])]);

    let refused = InjectedError::GroupAuthorizationFailed;
    cluster
        .fail_next(3, EmbeddedRequest::OffsetFetch, refused, 1)
        .expect("inject");
    let tick = poll(&mut poller, &interest).await;
    assert_eq!(
        codes(&tick),
        [(GapScope::Group("secret".into()), "not_authorized")]
    );
    assert_eq!(tick.groups.len(), 1);
    assert_eq!(group(&tick, "billing").topics[0].commits[0], Commit::At(5));
    assert_eq!(log(&tick, "orders").len(), 3);
}

#[tokio::test]
async fn a_coordinator_that_is_away_for_a_moment_is_asked_again() {
    let cluster = three_brokers();
    cluster.set_coordinator("billing", 2).expect("coordinator");
    cluster
        .commit_offsets("billing", &[("orders", 0, 5)])
        .await
        .expect("commit");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    for error in [
        InjectedError::CoordinatorNotAvailable,
        InjectedError::NotCoordinator,
        InjectedError::Disconnect,
    ] {
        cluster
            .fail_next(2, EmbeddedRequest::OffsetFetch, error, 2)
            .expect("inject");
        let tick = poll(&mut poller, &interest).await;
        assert_eq!(tick.gaps, [], "{error:?}");
        assert_eq!(group(&tick, "billing").topics[0].commits[0], Commit::At(5));
    }
}

#[tokio::test]
async fn a_coordinator_that_stays_away_is_a_gap_and_no_crash() {
    let interest = interest(&[("billing", &["orders"])]);
    for (error, code) in [
        (
            InjectedError::CoordinatorNotAvailable,
            "coordinator_unavailable",
        ),
        (InjectedError::NotCoordinator, "coordinator_unavailable"),
    ] {
        let cluster = three_brokers();
        // Embedded brokers answer for each other's groups, so all must fail.
        (1..=3).for_each(|broker| {
            let request = EmbeddedRequest::OffsetFetch;
            cluster
                .fail_next(broker, request, error, 100)
                .expect("inject");
        });
        let tick = poll(&mut poller(&cluster), &interest).await;
        assert_eq!(codes(&tick), [(GapScope::Group("billing".into()), code)]);
        assert_eq!(log(&tick, "orders")[2], (Some(0), Some(30)));
    }
}

#[tokio::test]
async fn brokers_that_cannot_list_groups_are_a_gap_of_discovery_alone() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let mut interest = interest(&[("billing", &["orders"])]);
    interest
        .matchers
        .push(crate::model::GroupMatcher::prefixed("x", "", None));
    for _ in 0..3 {
        let tick = poll(&mut poller, &interest).await;
        assert_eq!(codes(&tick), [(GapScope::Discovery, "unsupported")]);
        assert_eq!(tick.groups.len(), 1);
    }
    let requests = poller.client().requests();
    assert_eq!(requests.of(RequestKind::ListGroups), 1);
    assert_eq!(requests.of(RequestKind::DescribeGroups), 1);
}

#[tokio::test]
async fn all_commits_asked_for_at_once_list_what_was_found() {
    // The embedded brokers find nothing when asked for all; so nothing is
    // listed, and nothing is a gap.
    let cluster = three_brokers();
    cluster
        .commit_offsets("billing", &[("orders", 0, 5)])
        .await
        .expect("commit");
    let mut interest = Interest::default();
    interest.add_group("billing".into(), TopicSelection::committed());
    let tick = poll(&mut poller(&cluster), &interest).await;
    assert_eq!(tick.gaps, []);
    assert!(group(&tick, "billing").topics.is_empty());
}

#[tokio::test]
async fn many_partitions_take_several_batches() {
    let cluster = EmbeddedCluster::start(2).expect("cluster");
    cluster.create_topic("wide", 900).expect("topic");
    let commits: Vec<_> = (0..900)
        .map(|partition| ("wide", partition, i64::from(partition)))
        .collect();
    cluster.commit_offsets("g", &commits).await.expect("commit");
    let mut poller = poller(&cluster);
    let tick = poll(&mut poller, &interest(&[("g", &["wide"])])).await;
    assert_eq!(tick.gaps, []);
    assert_eq!(log(&tick, "wide"), [(Some(0), Some(0)); 900]);
    let expected: Vec<_> = (0..900).map(Commit::At).collect();
    assert_eq!(group(&tick, "g").topics[0].commits, expected);
    let batches = poller.client().requests().of(RequestKind::LogOffsets);
    assert!((10..=14).contains(&batches), "{batches} requests");
}

#[tokio::test]
async fn a_dropped_future_leaves_nothing_behind() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    assert_eq!(poll(&mut poller, &interest).await.gaps, []);
    (1..=3).for_each(|broker| {
        cluster
            .delay_broker(broker, Duration::from_millis(300))
            .expect("delay")
    });

    for _ in 0..5 {
        let cut = tokio::time::timeout(Duration::from_millis(50), poll(&mut poller, &interest));
        assert!(cut.await.is_err(), "the cycle was not cut short");
    }
    assert!(poller.client().in_flight() > 0);
    (1..=3).for_each(|broker| cluster.delay_broker(broker, Duration::ZERO).expect("delay"));
    eventually(|| poller.client().in_flight() == 0).await;
    assert_eq!(poll(&mut poller, &interest).await.gaps, []);
}

#[tokio::test]
async fn a_dropped_client_ends_its_thread() {
    let cluster = three_brokers();
    let idle = client(&cluster);
    let handle = idle.watch_end();
    drop(idle);
    assert_eq!(handle.strong_count(), 0, "the end is waited for");

    let busy = client(&cluster);
    let handle = busy.watch_end();
    let group = GroupId::from("g");
    (1..=3).for_each(|broker| cluster.stop_broker(broker).expect("stop"));
    let request = busy.group_offsets(&group, 1, None, REQUEST_TIMEOUT);
    assert!(
        tokio::time::timeout(Duration::from_millis(20), request)
            .await
            .is_err()
    );
    assert_eq!(busy.in_flight(), 1);
    let started = Instant::now();
    drop(busy);
    assert!(started.elapsed() < REQUEST_TIMEOUT / 2, "not waited for");
    eventually(|| handle.strong_count() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_polls_until_it_is_cancelled() {
    let cluster = three_brokers();
    let (interest_sender, interest) = watch::channel(Arc::new(interest(&[])));
    let (sender, mut ticks) = mpsc::channel(1);
    let (wake, stats) = <(Arc<Notify>, Arc<PollStats>)>::default();
    let cancel = CancellationToken::new();
    let poller = poller(&cluster);
    let handle = poller.client().watch_end();
    let task = tokio::spawn(poll_until_cancelled(
        poller,
        Schedule {
            interval: Duration::from_secs(3_600),
        },
        interest,
        Arc::clone(&wake),
        sender,
        Arc::clone(&stats),
        cancel.clone(),
    ));
    let first = ticks.recv().await.expect("a tick");
    assert!(first.groups.is_empty() && first.gaps.is_empty());

    interest_sender.send_replace(Arc::new(self::interest(&[("billing", &["orders"])])));
    wake.notify_one();
    let second = ticks.recv().await.expect("a tick");
    assert_eq!(group(&second, "billing").topics.len(), 1);
    assert!(second.at > first.at);
    assert_eq!(stats.cycles(), 2);
    assert!(stats.requests().of(RequestKind::LogOffsets) > 0);

    cancel.cancel();
    task.await.expect("no panic");
    assert!(ticks.recv().await.is_none());
    eventually(|| handle.strong_count() == 0).await;
}
