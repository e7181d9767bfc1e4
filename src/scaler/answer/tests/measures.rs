//! What a ScaledObject may scale on beside lag.

use super::*;

/// Ticks 10 s apart of group `g`, one partition: commit and log end.
fn ticks(offsets: &[(i64, i64)]) -> Vec<Tick> {
    let ticks = (0..).zip(offsets).map(|(place, &(committed, log_end))| {
        let mut tick = tick(place * 10, &[("g", &[Commit::At(committed)])]);
        tick.topics[0].state = TopicState::Present(vec![PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(log_end),
        }]);
        tick
    });
    ticks.collect()
}

fn told(ticks: &[Tick], metadata: &[(&str, &str)]) -> Result<(f64, bool), String> {
    let last = ticks.last().map_or(0, |tick| tick.at.0 / 1_000);
    let metadata = [&[GROUP], metadata].concat();
    ask(&board(ticks), &metadata, last).map(|answer| (answer.value, answer.active))
}

const fn metric(name: &str) -> [(&str, &str); 2] {
    [("metric", name), ("targetSize", "10")]
}

/// 10 records/s arrive, 4 are read.
fn falling_behind() -> Vec<Tick> {
    let offsets: Vec<_> = (0..=30).map(|n| (n * 40, n * 100)).collect();
    ticks(&offsets)
}

/// 4 records/s arrive, 10 are read, from 3,000 behind.
fn catching_up() -> Vec<Tick> {
    let offsets: Vec<_> = (0..=30).map(|n| (n * 100, 3_000 + n * 40)).collect();
    ticks(&offsets)
}

#[test]
fn a_mean_lag_is_that_of_the_window() {
    let ticks = falling_behind();
    // From 0 to 1,800 within 300 s; in the last 60 s from 1,440.
    let all = [&metric("averageLag")[..], &[("allowIdleConsumers", "true")]].concat();
    assert_eq!(told(&ticks, &all), Ok((900.0, true)));
    let minute = [&all[..], &[("window", "60s")]].concat();
    assert_eq!(told(&ticks, &minute), Ok((1_620.0, true)));
    // Bounded as lag is: one partition bears one threshold.
    assert_eq!(told(&ticks, &metric("averageLag")), Ok((10.0, true)));
    assert_eq!(
        told(&ticks[..1], &all),
        Ok((0.0, false)),
        "one reading is enough"
    );
}

#[test]
fn an_eta_is_seconds_until_all_is_read() {
    // 3,000 + 1,200 - 3,000 are left, 6 records/s fewer each second.
    let (eta, active) = told(&catching_up(), &metric("eta")).expect("known");
    assert!((eta - 200.0).abs() < 1.0, "{eta}");
    assert!(active);
    let capped = [&metric("eta")[..], &[("etaCap", "60")]].concat();
    assert_eq!(told(&catching_up(), &capped), Ok((60.0, true)));
    // Never is as long as the cap.
    assert_eq!(told(&falling_behind(), &metric("eta")), Ok((3_600.0, true)));
    let idle = ticks(&[(10, 10), (10, 10)]);
    assert_eq!(told(&idle, &metric("eta")), Ok((0.0, false)));
    assert_eq!(
        told(&idle[..1], &metric("eta")),
        Ok((0.0, false)),
        "no rate is needed"
    );
}

#[test]
fn rates_of_one_reading_are_not_zero() {
    let one = &falling_behind()[30..];
    for name in ["eta", "consumptionDeficit"] {
        let message = told(one, &metric(name)).expect_err("no rate");
        assert!(message.contains("two samples"), "{message}");
    }
}

#[test]
fn a_deficit_is_what_arrives_and_is_not_read() {
    let (deficit, active) = told(&falling_behind(), &metric("consumptionDeficit")).expect("known");
    assert!((deficit - 6.0).abs() < 0.1, "{deficit}");
    assert!(active);
    // The group gains, but is not done: there is something to do.
    let gaining = told(&catching_up(), &metric("consumptionDeficit"));
    assert_eq!(gaining, Ok((0.0, true)));
    let above = [
        &metric("consumptionDeficit")[..],
        &[("activationTargetSize", "1")],
    ]
    .concat();
    assert_eq!(told(&catching_up(), &above), Ok((0.0, false)));
}

#[test]
fn a_time_lag_is_the_age_of_what_waits() {
    // At 300 s the record at 1,200 waits, which was written at 120 s.
    let (seconds, active) = told(&falling_behind(), &metric("timeLag")).expect("known");
    assert!((seconds - 180.0).abs() < 0.1, "{seconds}");
    assert!(active);
    let read = ticks(&[(0, 10), (10, 10)]);
    assert_eq!(told(&read, &metric("timeLag")), Ok((0.0, false)));
    // What was there at the first reading has waited at least since then.
    let message = told(&read[..1], &metric("timeLag")).expect_err("for how long?");
    assert!(message.contains("second sample"), "{message}");
    let waiting = ticks(&[(0, 10), (0, 10), (0, 10)]);
    assert_eq!(told(&waiting, &metric("timeLag")), Ok((20.0, true)));
}

#[test]
fn azuls_backlog_is_told_of_a_plain_group() {
    // Nothing was processed: the lag itself.
    let stalled = ticks(&[(0, 50), (0, 120)]);
    assert_eq!(told(&stalled, &metric("backlog")), Ok((120.0, true)));
    let read = ticks(&[(0, 50), (50, 50)]);
    assert_eq!(
        told(&read, &metric("backlog")),
        Ok((0.0, false)),
        "not always active"
    );
}

#[test]
fn a_group_that_has_begun_nothing_has_no_time_to_tell() {
    let unread = tick(0, &[("g", &[Commit::None])]);
    let ticks = std::slice::from_ref(&unread);
    for name in ["timeLag", "eta"] {
        // It begins at the end, where nothing waits; that it must begin at all is
        // one record a partition.
        assert_eq!(told(ticks, &metric(name)), Ok((0.0, true)), "{name}");
        let earliest = [&metric(name)[..], &[("offsetResetPolicy", "earliest")]].concat();
        let message = told(ticks, &earliest).expect_err("unknown");
        assert!(
            message.contains("committed nothing in 1 of 1 partitions"),
            "{message}"
        );
    }
}

#[test]
fn several_metrics_of_one_trigger_are_told_apart() {
    let metadata = [
        GROUP,
        ("metrics", "lag,timeLag"),
        ("lag", "1000"),
        ("timeLag", "60"),
        ("activationLag", "5000"),
    ];
    let trigger = parse(&metadata, &rules(&["main"])).expect("valid");
    let watch = Watch::new(trigger, TimestampMs(0), false);
    let judged = watch.judge_first(&board(&falling_behind()), &PARAMETERS);
    let now = TimestampMs(300_000);
    let value = |place| judged.metric(place, &PARAMETERS, now).expect("known").told;
    assert_eq!(value(0), 1_800.0);
    assert!((value(1) - 180.0).abs() < 0.1);
    assert!(
        judged.is_active(&PARAMETERS, now).expect("known").told,
        "the second says so"
    );
}
