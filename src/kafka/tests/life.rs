//! How polls and clients end.

use super::*;

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

/// Given so little time, librdkafka would abort the process within some hundred
/// such requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn log_offsets_asked_for_at_the_last_moment_do_no_harm() {
    const TASKS: usize = 4;
    const REQUESTS: usize = 250;
    const PARTITIONS: Partition = 200;
    let cluster = EmbeddedCluster::start(1).expect("cluster");
    cluster.create_topic("wide", PARTITIONS).expect("topic");
    let client = client(&cluster);
    let wide = TopicName::from("wide");
    let described = client.describe_topics(std::slice::from_ref(&wide), REQUEST_TIMEOUT);
    described.await.expect("topics");
    let partitions: Vec<_> = (0..PARTITIONS).map(|number| (&wide, number)).collect();
    let ask = async |client: &Client, within| {
        let (spec, isolation) = (OffsetSpec::Latest, IsolationLevel::default());
        client
            .list_offsets(&partitions, spec, isolation, within)
            .await
    };
    let ask_often = async |client: Client| {
        for _ in 0..REQUESTS {
            // There may be an answer or not.
            let _ = ask(&client, Duration::from_millis(1)).await;
        }
    };
    futures::future::join_all(std::iter::repeat_n(client.clone(), TASKS).map(ask_often)).await;
    let offsets = ask(&client, REQUEST_TIMEOUT).await.expect("an answer");
    assert_eq!(offsets, [Ok(0); PARTITIONS as usize]);
    eventually(|| client.in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_polls_until_it_is_cancelled() {
    let cluster = three_brokers();
    let (interest_sender, interest) = watch::channel(Arc::new(interest(&[])));
    let (sender, mut ticks) = mpsc::channel(1);
    let (wake, stats) = <(Arc<Notify>, Arc<PollStats>)>::default();
    let cancel = CancellationToken::new();
    let poller = poller(&cluster);
    let (handle, requests) = (poller.client().watch_end(), poller.requests());
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
    assert!(requests.requests().of(RequestKind::LogOffsets) > 0);

    cancel.cancel();
    task.await.expect("no panic");
    assert!(ticks.recv().await.is_none());
    eventually(|| handle.strong_count() == 0).await;
}

#[tokio::test]
async fn what_librdkafka_sends_is_counted() {
    let cluster = three_brokers();
    let mut settings = settings(&cluster);
    let interval = ("statistics.interval.ms".to_owned(), "20".to_owned());
    settings.properties.extend([interval]);
    let created = Instant::now();
    let client = Client::connect(&settings).expect("client");
    let mut poller = Poller::new(client.clone(), poller_settings());
    let tick = poll(&mut poller, &interest(&[("billing", &["orders"])])).await;
    assert_eq!(tick.gaps, []);

    let polled = created.elapsed();
    let counted = || client.broker_requests().filter(|it| it.age() > polled);
    eventually(|| counted().is_some()).await;
    let sent = counted().expect("counts");
    assert_eq!(sent.of("OffsetFetch"), 1);
    // The log starts and the log ends of each of three leaders.
    assert_eq!(sent.of("ListOffsets"), 6);
    assert_eq!(sent.of("NoSuchRequest"), 0);
}
