use std::path::Path;

use super::*;
use crate::{
    board::BoardReader,
    estimator::{GroupEstimate, Parameters, Wanted},
    model::{
        Cell, Commit, GapReason, GapScope, GroupReading, GroupTopicReading, PartitionReading, Told,
        TopicReading, TopicState, WatchName,
    },
    store,
};

const SPAN: Duration = Duration::from_secs(900);
const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_secs(300),
};

fn tick(seconds: i64) -> Tick {
    let partition = PartitionReading {
        log_start_offset: Some(0),
        log_end_offset: Some(100 + seconds * 3),
    };
    Tick {
        cluster: "main".into(),
        at: TimestampMs(seconds * 1_000),
        topics: vec![TopicReading {
            topic: "t".into(),
            id: None,
            state: TopicState::Present(vec![partition]),
        }],
        groups: vec![GroupReading {
            group: "g".into(),
            membership: None,
            topics: vec![GroupTopicReading {
                topic: "t".into(),
                commits: vec![Commit::At(seconds * 2)],
            }],
            queue: None,
        }],
        gaps: Vec::new(),
    }
}

fn recorder(data_dir: &Path) -> (Recorder, Store, BoardReader) {
    let (writer, store) = store::open(data_dir).expect("the store opens");
    let (publisher, board) = BoardPublisher::new();
    (
        Recorder::new(writer, publisher, Reach::all(SPAN)),
        store,
        board,
    )
}

fn estimate(board: &BoardReader, seconds: i64) -> Option<GroupEstimate> {
    let board = board.borrow().clone();
    let window = &board.cluster(&"main".into())?.window;
    window.estimate_group(
        "g",
        Wanted::SHOWN,
        &PARAMETERS,
        TimestampMs(seconds * 1_000),
    )
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let (whole, halved) = (tempfile::tempdir(), tempfile::tempdir());
    let (whole, halved) = (whole.expect("a folder"), halved.expect("a folder"));
    let (mut steady, _, steady_board) = recorder(whole.path());
    let (mut before, store, _) = recorder(halved.path());
    for seconds in (0..600).step_by(10) {
        steady.take(&tick(seconds));
        before.take(&tick(seconds));
    }
    drop((before, store));

    let (mut after, store, board) = recorder(halved.path());
    after
        .restore(&store, [&"main".into()])
        .expect("the history is read");
    let expected = estimate(&steady_board, 595);
    assert!(expected.is_some());
    assert_eq!(estimate(&board, 595), expected, "before the first new tick");
    for seconds in (600..700).step_by(10) {
        steady.take(&tick(seconds));
        after.take(&tick(seconds));
    }
    assert_eq!(estimate(&board, 695), estimate(&steady_board, 695));
}

/// The configuration from second 2000 on.
fn reconfiguration(span: u64, clusters: &[&str]) -> Reconfiguration {
    Reconfiguration {
        reach: Reach::all(Duration::from_secs(span)),
        restored: BTreeMap::new(),
        configuration: Some(NewConfiguration {
            at: TimestampMs(2_000_000),
            sections: vec!["estimator".to_owned()],
            fingerprints: BTreeMap::from([("estimator".to_owned(), span)]),
            clusters: clusters.iter().map(|&name| name.into()).collect(),
        }),
    }
}

/// Ticks that the board's window holds, and their span in seconds.
fn held(board: &BoardReader) -> Option<(usize, u64)> {
    let board = board.borrow();
    let window = &board.cluster(&"main".into())?.window;
    Some((window.len(), window.reach().span.as_secs()))
}

fn restored(store: &Store, span: u64) -> BTreeMap<ClusterName, Restored> {
    let (cluster, reach) = ("main".into(), Reach::all(Duration::from_secs(span)));
    let read = Restored::read(store, &cluster, reach, &CancellationToken::new());
    BTreeMap::from([(cluster, read.expect("readable").expect("ticks"))])
}

#[test]
fn a_longer_window_is_filled_from_the_store_and_a_shorter_one_is_cut() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut recorder, store, board) = recorder(data_dir.path());
    for seconds in (0..2_000).step_by(10) {
        recorder.take(&tick(seconds));
    }
    assert_eq!(held(&board), Some((92, 900)));
    // A tick comes between the look into the store and the change.
    let restored = restored(&store, 1_500);
    recorder.take(&tick(2_000));
    recorder.reconfigure(Reconfiguration {
        restored,
        ..reconfiguration(1_500, &["main"])
    });
    assert_eq!(held(&board), Some((152, 1_500)));
    assert_eq!(
        board
            .borrow()
            .cluster(&"main".into())
            .and_then(|it| it.as_of()),
        Some(TimestampMs(2_000_000))
    );

    recorder.reconfigure(reconfiguration(100, &["main"]));
    assert_eq!(held(&board), Some((12, 100)));
    let changes = events(&store);
    let changed = (2_000, "configuration_changed".to_owned());
    assert_eq!(changes, [changed.clone(), changed]);
    let kept = store.configuration().expect("readable");
    assert_eq!(kept, BTreeMap::from([("estimator".to_owned(), 100)]));
}

#[test]
fn a_cluster_that_is_not_polled_leaves_the_board_and_comes_back_with_its_history() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut recorder, store, board) = recorder(data_dir.path());
    recorder.take(&tick(10));
    recorder.take(&with_gap(tick(20)));
    recorder.reconfigure(reconfiguration(900, &["other"]));
    assert_eq!(held(&board), None);

    recorder.reconfigure(Reconfiguration {
        restored: restored(&store, 900),
        ..reconfiguration(900, &["main"])
    });
    assert_eq!(held(&board), Some((2, 900)));
    let gaps = board
        .borrow()
        .cluster(&"main".into())
        .map(|it| it.gaps.len());
    assert_eq!(gaps, Some(1));
}

#[test]
fn ticks_sent_before_a_configuration_are_taken_before_it() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (recorder, store, board) = recorder(data_dir.path());
    let (ticks, tick_reader) = mpsc::channel(4);
    let (reconfigure, reconfigurations) = mpsc::channel(1);
    for seconds in [10, 20, 30, 40] {
        ticks.try_send(tick(seconds)).expect("room");
    }
    let gone = reconfiguration(900, &["other"]);
    reconfigure.try_send(gone).expect("room");
    drop(ticks);
    let inbox = Inbox {
        ticks: tick_reader,
        watches: mpsc::channel(1).1,
        reconfigurations,
    };
    // Whatever of both is seen first.
    let run = recorder.run(inbox, Vec::new);
    run.expect("it ends well");
    let span = store.span(&"main".into()).expect("readable");
    assert_eq!(span, Some((TimestampMs(10_000), TimestampMs(40_000))));
    assert_eq!(held(&board), None, "it is gone for good");
}

#[test]
fn scaling_goes_on_from_memory_when_a_tick_is_not_recorded() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut recorder, store, board) = recorder(data_dir.path());
    let status = recorder.status();
    recorder.take(&tick(1_000));
    assert_eq!((status.recorded_ticks(), status.failure()), (1, None));

    // The store refuses what is not after its last tick.
    recorder.take(&tick(990));
    assert_eq!(status.failed_ticks(), 1);
    assert!(status.failure().is_some());
    let estimate = estimate(&board, 1_000).expect("still published");
    assert_eq!(estimate.totals.lag, Some(100 + 990));

    recorder.take(&tick(1_010));
    assert_eq!((status.recorded_ticks(), status.failure()), (2, None));
    let span = store.span(&"main".into()).expect("readable");
    assert_eq!(span, Some((TimestampMs(1_000_000), TimestampMs(1_010_000))));
    let failed_and_resumed = [
        (1_010, "recording_resumed".to_owned()),
        (990, "recording_failed".to_owned()),
    ];
    assert_eq!(events(&store), failed_and_resumed);
}

/// Newest first: when, in seconds, and which.
fn events(store: &Store) -> Vec<(i64, String)> {
    let events = store.events(TimestampMs(0), TimestampMs(i64::MAX));
    let event = |event: Result<Event, ReadError>| {
        let event = event.expect("readable");
        (event.at.0 / 1_000, event.kind.name().to_owned())
    };
    events.map(event).collect()
}

fn with_gap(mut tick: Tick) -> Tick {
    tick.gaps = vec![Gap {
        scope: GapScope::Topic("u".into()),
        reason: GapReason {
            code: "timed_out".into(),
            message: "no answer".into(),
        },
    }];
    tick
}

#[test]
fn what_happens_is_recorded_with_the_tick_and_across_a_restart() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let configuration = |poll| BTreeMap::from([("poll".to_owned(), poll)]);
    let (mut before, store, _) = recorder(data_dir.path());
    before.begin(&store, TimestampMs(1_000), &configuration(1));
    assert_eq!(events(&store), [(1, "started".to_owned())]);
    before.take(&tick(10));
    before.take(&with_gap(tick(20)));
    before.take(&with_gap(tick(30)));
    drop((before, store));

    let (mut after, store, _) = recorder(data_dir.path());
    after
        .restore(&store, [&"main".into()])
        .expect("the history is read");
    after.begin(&store, TimestampMs(35_000), &configuration(2));
    after.take(&with_gap(tick(40)));
    after.take(&tick(50));
    let expected = [
        (50, "gap_ended"),
        (35, "configuration_changed"),
        (35, "started"),
        (20, "gap_began"),
        (1, "started"),
    ];
    let expected = expected.map(|(at, name)| (at, name.to_owned()));
    assert_eq!(events(&store), expected);
}

#[test]
fn the_end_in_order_is_recorded_with_what_was_told_last() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (recorder, store, _) = recorder(data_dir.path());
    let inbox = Inbox {
        ticks: mpsc::channel(1).1,
        watches: mpsc::channel(1).1,
        reconfigurations: mpsc::channel(1).1,
    };
    let mut told = vec![ToldChange {
        at: TimestampMs(5),
        watch: Arc::new(WatchName {
            cluster: "main".into(),
            group: None,
            topic: None,
            metric_name: "m".into(),
            key: "k".into(),
        }),
        told: Told {
            active: Cell::of(1),
            ..Told::NOTHING
        },
    }];
    let run = recorder.run(inbox, || std::mem::take(&mut told));
    run.expect("it ends well");
    let names: Vec<_> = events(&store).into_iter().map(|event| event.1).collect();
    assert_eq!(names, ["stopped"]);
    let frames = store.told(TimestampMs(0), TimestampMs(9)).expect("frames");
    assert_eq!(frames.count(), 1);
}

#[test]
fn a_long_window_that_is_restored_is_the_one_that_was_held() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let (mut recorder, store, _) = recorder(data_dir.path());
    let reach = Reach {
        dense: Duration::from_secs(60),
        span: Duration::from_hours(3),
    };
    recorder.reach = reach;
    for seconds in (0..12_600).step_by(10) {
        recorder.take(&tick(seconds));
    }
    let mut sealer = store.sealer();
    while sealer.step(TimestampMs(12_600_000)).expect("sealed") {}

    let (cluster, never) = (ClusterName::from("main"), CancellationToken::new());
    let restored = Restored::read(&store, &cluster, reach, &never);
    let restored = restored.expect("readable").expect("ticks").window;
    let held = &recorder.windows[&cluster];
    let times = |window: &Window| window.times().collect::<Vec<_>>();
    assert_eq!(times(&restored), times(held));
    assert!(held.len() < 100, "{}", held.len());
    let parameters = Parameters {
        window: Duration::from_hours(2),
        ..PARAMETERS
    };
    let judged = |window: &Window| {
        let now = TimestampMs(12_590_000);
        window.estimate_group("g", Wanted::SHOWN, &parameters, now)
    };
    assert_eq!(judged(&restored), judged(held));
}
