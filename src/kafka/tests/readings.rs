//! What a tick holds when all goes well.

use super::*;

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
async fn brokers_that_cannot_list_groups_are_a_gap_of_discovery_alone() {
    let cluster = three_brokers();
    let mut poller = poller(&cluster);
    let mut interest = interest(&[("billing", &["orders"])]);
    interest.matchers.push(crate::model::GroupMatcher::Prefixed(
        crate::model::PrefixRule::new("x", "", None),
    ));
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
    const PARTITIONS: i32 = 2_400;
    cluster.create_topic("wide", PARTITIONS).expect("topic");
    let commits: Vec<_> = (0..PARTITIONS)
        .map(|partition| ("wide", partition, i64::from(partition)))
        .collect();
    cluster.commit_offsets("g", &commits).await.expect("commit");
    let mut poller = poller(&cluster);
    let tick = poll(&mut poller, &interest(&[("g", &["wide"])])).await;
    assert_eq!(tick.gaps, []);
    assert_eq!(
        log(&tick, "wide"),
        [(Some(0), Some(0)); PARTITIONS as usize]
    );
    let expected: Vec<_> = (0..i64::from(PARTITIONS)).map(Commit::At).collect();
    assert_eq!(group(&tick, "g").topics[0].commits, expected);
    let batches = poller.client().requests().of(RequestKind::LogOffsets);
    assert!((10..=14).contains(&batches), "{batches} requests");
}

#[tokio::test]
async fn log_starts_are_read_again_only_where_they_matter() {
    let cluster = three_brokers();
    let at_the_end = [("orders", 0, 10), ("orders", 1, 20), ("orders", 2, 30)];
    cluster
        .commit_offsets("billing", &at_the_end)
        .await
        .expect("commit");
    let mut poller = poller(&cluster);
    let interest = interest(&[("billing", &["orders"])]);
    let requests = |poller: &Poller| poller.client().requests().of(RequestKind::LogOffsets);
    let logs = [
        (Some(0), Some(10)),
        (Some(0), Some(20)),
        (Some(0), Some(30)),
    ];

    let first = poll(&mut poller, &interest).await;
    assert_eq!(log(&first, "orders"), logs);
    assert_eq!(requests(&poller), 6, "both ends, of three leaders");
    let second = poll(&mut poller, &interest).await;
    assert_eq!(log(&second, "orders"), logs);
    assert_eq!(requests(&poller), 9, "only log ends: all is read");

    // Of the records that are left to read, some may have been deleted.
    cluster
        .commit_offsets("billing", &[("orders", 1, 19)])
        .await
        .expect("commit");
    poll(&mut poller, &interest).await;
    assert_eq!(requests(&poller), 13, "and the log start of one");
    cluster
        .commit_offsets("billing", &[("orders", 1, 20)])
        .await
        .expect("commit");
    let producer = cluster.producer().expect("producer");
    producer.send("orders", Some(2), 5).expect("records");
    producer.flush().expect("flush");
    let tick = poll(&mut poller, &interest).await;
    assert_eq!(log(&tick, "orders")[2], (Some(0), Some(35)));
    assert_eq!(requests(&poller), 17, "and the log start of another");
}
