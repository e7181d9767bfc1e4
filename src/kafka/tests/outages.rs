//! What a tick holds when something is away, and afterwards.

use super::*;

/// Polls until a tick is as it is to be, within a deadline.
async fn poll_until(
    poller: &mut Poller,
    interest: &Interest,
    is_right: impl Fn(&Tick) -> bool,
) -> Tick {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let tick = poll(poller, interest).await;
        if is_right(&tick) {
            return tick;
        }
        assert!(Instant::now() < deadline, "{:?}", tick.gaps);
    }
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
    assert_eq!(codes(&tick), [(GapScope::Cluster, "broker_down")]);
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
async fn a_group_whose_commits_have_no_leader_is_not_waited_for() {
    let cluster = three_brokers();
    cluster.set_coordinator("billing", 1).expect("coordinator");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    cluster.leave_uncoordinated("billing").expect("leave");

    let started = Instant::now();
    let tick = poll(&mut poller, &interest).await;
    assert!(started.elapsed() < REQUEST_TIMEOUT, "nobody to wait for");
    let scope = GapScope::Group("billing".into());
    assert_eq!(codes(&tick), [(scope, "coordinator_unavailable")]);
    assert_eq!(log(&tick, "orders")[0], (Some(0), Some(10)));

    cluster.set_coordinator("billing", 3).expect("coordinator");
    assert_eq!(poll(&mut poller, &interest).await.gaps, []);
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
    // Librdkafka may wait for the leaders that it has just lost: then they are
    // gaps for a poll more.
    let tick = poll_until(&mut poller, &interest, |tick| tick.gaps.is_empty()).await;
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
        // On a machine that does other things a request may run into its timeout.
        let expected = [(GapScope::Group("billing".into()), code)];
        let is_told = |tick: &Tick| codes(tick) == expected;
        let tick = poll_until(&mut poller(&cluster), &interest, is_told).await;
        assert_eq!(log(&tick, "orders")[2], (Some(0), Some(30)));
    }
}
