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
