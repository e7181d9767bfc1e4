use super::*;
use crate::model::{
    Assignment, Cell, Commit, Frame, GroupReading, GroupState, GroupTopicReading, Members,
    Membership, PartitionReading, QueueReading, Tick, TimestampMs, Told, TopicReading, TopicState,
};

fn topic(name: &str, ends: &[i64]) -> TopicReading {
    let partitions = ends.iter().map(|&end| PartitionReading {
        log_start_offset: Some(0),
        log_end_offset: Some(end),
    });
    TopicReading {
        topic: name.into(),
        id: None,
        state: TopicState::Present(partitions.collect()),
    }
}

fn membership(partitions_by_member: &[u32]) -> Membership {
    Membership {
        state: GroupState::Stable,
        members: Some(Members {
            count: u32::try_from(partitions_by_member.len()).expect("few"),
            assignment: Some(Assignment {
                partitions_by_member: partitions_by_member.into(),
                fingerprint: 42,
            }),
        }),
    }
}

fn group(name: &str, topics: &[(&str, &[Commit])]) -> GroupReading {
    GroupReading {
        group: name.into(),
        membership: Some(membership(&[2, 1, 0])),
        topics: topics
            .iter()
            .map(|(topic, commits)| GroupTopicReading {
                topic: (*topic).into(),
                commits: commits.to_vec(),
            })
            .collect(),
        queue: None,
    }
}

fn tick(topics: Vec<TopicReading>, groups: Vec<GroupReading>) -> Tick {
    Tick {
        cluster: "c".into(),
        at: TimestampMs(1),
        topics,
        groups,
        gaps: Vec::new(),
    }
}

fn take_in(index: &mut SeriesIndex, tick: &Tick) -> Frame {
    for run in index.missing_runs(tick) {
        index.restore(&run).expect("a run just made fits");
    }
    index.place(tick)
}

#[test]
fn readings_are_found_again_by_name() {
    let mut index = SeriesIndex::default();
    let tick = tick(
        vec![topic("t", &[10, 20])],
        vec![group("g", &[("t", &[Commit::At(4), Commit::None])])],
    );
    let frame = take_in(&mut index, &tick);

    let ends = &index.topics()["t"].log_end;
    assert_eq!(frame.cell(ends.of(1).expect("column")).value(), Some(20));
    let series = &index.groups()["g"];
    let commits = &series.topics["t"];
    assert_eq!(frame.cell(commits.of(0).expect("column")).value(), Some(4));
    assert_eq!(frame.cell(commits.of(1).expect("column")), Cell::NO_COMMIT);
    let members = series.members().expect("column");
    assert_eq!(frame.cell(members).value(), Some(3));
    assert_eq!(commits.of(2), None);
    assert_eq!(commits.of(-1), None);
}

#[test]
fn added_partitions_get_columns_behind_the_old_ones() {
    let mut index = SeriesIndex::default();
    take_in(&mut index, &tick(vec![topic("t", &[1])], vec![]));
    let width = index.width();
    let grown = tick(vec![topic("t", &[2, 3, 4])], vec![]);
    let frame = take_in(&mut index, &grown);
    assert_eq!(index.width(), width + 4);
    let ends: Vec<_> = index.topics()["t"]
        .log_end
        .iter()
        .map(|column| frame.cell(column).value())
        .collect();
    assert_eq!(ends, [Some(2), Some(3), Some(4)]);
    assert!(index.missing_runs(&grown).is_empty());
}

#[test]
fn partitions_of_a_topic_made_again_smaller_are_gone() {
    let mut index = SeriesIndex::default();
    take_in(&mut index, &tick(vec![topic("t", &[5, 6])], vec![]));
    let frame = index.place(&tick(vec![topic("t", &[1])], vec![]));
    let ends = &index.topics()["t"].log_end;
    assert_eq!(frame.cell(ends.of(0).expect("column")).value(), Some(1));
    assert_eq!(frame.cell(ends.of(1).expect("column")), Cell::GONE);
}

#[test]
fn what_was_left_is_gone_and_what_was_not_read_is_absent() {
    let mut index = SeriesIndex::default();
    let commits: &[Commit] = &[Commit::At(1)];
    take_in(
        &mut index,
        &tick(
            vec![topic("a", &[5]), topic("b", &[5])],
            vec![
                group("g", &[("a", commits), ("b", commits)]),
                group("h", &[("a", commits)]),
            ],
        ),
    );
    let deleted = TopicReading {
        topic: "b".into(),
        id: None,
        state: TopicState::Missing,
    };
    let frame = index.place(&tick(vec![deleted], vec![group("g", &[("a", commits)])]));

    let cell = |columns: &Columns| frame.cell(columns.of(0).expect("column"));
    assert_eq!(cell(&index.topics()["b"].log_end), Cell::GONE);
    assert_eq!(cell(&index.groups()["g"].topics["b"]), Cell::GONE);
    assert_eq!(cell(&index.topics()["a"].log_end), Cell::ABSENT);
    assert_eq!(cell(&index.groups()["h"].topics["a"]), Cell::ABSENT);
}

#[test]
fn members_are_found_again_by_rank_and_go_again() {
    let mut index = SeriesIndex::default();
    let mut reading = group("g", &[]);
    let frame = take_in(&mut index, &tick(vec![], vec![reading.clone()]));
    let cells = |index: &SeriesIndex, frame: &Frame| {
        let series = &index.groups()["g"];
        let columns = series.assigned_partitions.iter();
        columns.map(|column| frame.cell(column)).collect::<Vec<_>>()
    };
    assert_eq!(cells(&index, &frame), [2, 1, 0].map(Cell::of));
    let fingerprint = frame.optional_cell(index.groups()["g"].assignment());
    assert_eq!(fingerprint, Cell::of(42));

    reading.membership = Some(membership(&[2, 1, 1, 1]));
    let frame = take_in(&mut index, &tick(vec![], vec![reading.clone()]));
    assert_eq!(cells(&index, &frame), [2, 1, 1, 1].map(Cell::of));
    reading.membership = Some(membership(&[5]));
    let frame = take_in(&mut index, &tick(vec![], vec![reading.clone()]));
    let gone = Cell::GONE;
    assert_eq!(cells(&index, &frame), [Cell::of(5), gone, gone, gone]);

    // While partitions are dealt out, nobody knows who has which.
    let members = reading
        .membership
        .as_mut()
        .and_then(|it| it.members.as_mut());
    members.expect("members").assignment = None;
    let frame = take_in(&mut index, &tick(vec![], vec![reading]));
    assert_eq!(cells(&index, &frame), [Cell::ABSENT; 4]);
}

#[test]
fn what_was_told_is_found_by_its_watch() {
    let watch = |key: &str| {
        Arc::new(WatchName {
            cluster: "c".into(),
            group: Some("g".into()),
            topic: None,
            metric_name: "m".into(),
            key: key.into(),
        })
    };
    let (one, other) = (watch("one"), watch("other"));
    let mut index = SeriesIndex::default();
    let runs = index.missing_runs_of([&one, &other, &one]);
    assert_eq!(runs.len(), 6, "three series for each");
    for run in &runs {
        index.restore(run).expect("a run just made fits");
    }
    assert_eq!(index.missing_runs_of([&other]), []);

    let told = Told {
        metric_value: Cell::of(1),
        ..Told::NOTHING
    };
    let mut cells = vec![Cell::ABSENT; index.width() as usize];
    for (column, cell) in index.watches()[&other].place(told) {
        cells[column as usize] = cell;
    }
    let frame = Frame::new(TimestampMs(1), cells);
    assert_eq!(index.watches()[&other].told(&frame), told);
    assert_eq!(index.watches()[&one].told(&frame), Told::NOTHING);

    let nameless = SeriesRun {
        watch: None,
        base: index.width(),
        ..runs[0].clone()
    };
    assert!(index.restore(&nameless).is_err());
}

#[test]
fn a_run_that_does_not_fit_is_refused() {
    let run = |base, kind, first_partition| SeriesRun {
        base,
        count: 1,
        kind,
        group: None,
        topic: Some("t".into()),
        watch: None,
        first_partition,
    };
    let mut index = SeriesIndex::default();
    assert!(index.restore(&run(1, SeriesKind::LogEndOffset, 0)).is_err());
    assert!(index.restore(&run(0, SeriesKind::LogEndOffset, 1)).is_err());
    assert!(
        index
            .restore(&run(0, SeriesKind::CommittedOffset, 0))
            .is_err()
    );
    assert!(index.restore(&run(0, SeriesKind::LogEndOffset, 0)).is_ok());
    assert!(index.restore(&run(0, SeriesKind::LogEndOffset, 1)).is_err());
}

#[test]
fn a_task_has_its_queues_columns_whatever_the_queue_tells() {
    let reading = |queue| GroupReading {
        queue,
        membership: None,
        ..group("task", &[("task", &[Commit::At(5)])])
    };
    let mut index = SeriesIndex::default();
    let silent = tick(Vec::new(), vec![reading(Some(QueueReading::default()))]);
    let plain = tick(Vec::new(), vec![group("g", &[("t", &[Commit::At(1)])])]);
    for tick in [&silent, &plain] {
        for run in index.missing_runs(tick) {
            index.restore(&run).expect("runs follow each other");
        }
    }
    let is_task = |group: &str| index.groups()[group].is_task();
    assert!(is_task("task") && !is_task("g"));

    let told = QueueReading {
        oldest_age_ms: Some(1_500),
        added: None,
        done: Some(7),
    };
    let frame = index.place(&tick(Vec::new(), vec![reading(Some(told))]));
    let series = &index.groups()["task"];
    let cells = [series.oldest_age(), series.added(), series.done()];
    let cells = cells.map(|column| frame.optional_cell(column).value());
    assert_eq!(cells, [Some(1_500), None, Some(7)]);
    let columns: Vec<_> = series.columns().collect();
    assert_eq!(columns.len(), 4, "the three, and the commit");
}
