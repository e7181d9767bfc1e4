//! SIGKILL at any moment, under load: nothing acknowledged is lost.
//!
//! A child process records ticks as fast as the disk takes them, with a
//! catalogue that grows, gaps that change, and sealing and retention beside it, and
//! acknowledges each on a pipe when it is recorded. After a random number of
//! acknowledgements it is killed. Then the folder must open undamaged and hold
//! every acknowledged tick with its exact cells, at most the one more that was
//! under way, and nothing else; and the next child goes on in it.
//!
//! The control acknowledges before it records. If the same check found nothing
//! there, it would prove nothing.
//!
//! 25 rounds; all 500 with `TIDEGAUGE_SIGKILL_ROUNDS=500 cargo test --test sigkill`.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tidegauge::{
    config::WhenDamaged,
    model::{
        Commit, Gap, GapReason, GapScope, GroupReading, GroupTopicReading, PartitionReading,
        SeriesIndex, Tick, TimestampMs, TopicReading, TopicState,
    },
    store::{self, Limits, OpenSettings, Store, Writer},
};

/// Rounds unless the environment says how many.
const ROUNDS: u64 = 25;
const CONTROL_ROUNDS: u64 = 10;
/// A folder that has seen this many makes room for a new one.
const ROUNDS_OF_ONE_FOLDER: u64 = 25;
/// More than a segment, so that kills meet keyframes, retention and new series.
const MAX_ACKNOWLEDGED: u64 = 100;
/// About what a tick takes: a kill comes at any moment of the one under way.
const MAX_DELAY_US: u64 = 3_000;
/// Killed while it opens.
const MAX_OPENING_US: u64 = 60_000;

const CLUSTERS: [&str; 3] = ["narrow", "middle", "wide"];
/// From one tick to the next: a folder sees the chunks of some hours.
const PACE_MS: i64 = 120_000;
/// What of them is kept raw: less than a folder sees. Minutes are kept, and a tick
/// that is alone in its minute is the same in them.
const LIMITS: Limits = Limits {
    raw: Duration::from_hours(4),
    minutes: Duration::from_hours(1_000),
    hours: Duration::from_hours(1_000),
    max_bytes: None,
};
/// So many ticks later it is sealed and cut, beside what is recorded meanwhile.
const CARE_PACE: i64 = 10;

/// The child's folder, and when it acknowledges.
const FOLDER: &str = "TIDEGAUGE_SIGKILL_FOLDER";
const BEFORE: &str = "TIDEGAUGE_SIGKILL_ACKNOWLEDGE_BEFORE";

#[test]
fn no_acknowledged_tick_is_lost() {
    if let Some(folder) = env::var_os(FOLDER) {
        record_until_killed(Path::new(&folder));
    }
    let rounds = env::var("TIDEGAUGE_SIGKILL_ROUNDS").map(|rounds| rounds.parse().unwrap());
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut random = Random(rounds);
    let mut folder = tempfile::tempdir().unwrap();
    let mut recorded = Last::new();
    let (mut acknowledged, mut under_way) = (0, 0);
    for round in 0..rounds {
        if round % ROUNDS_OF_ONE_FOLDER == 0 {
            (folder, recorded) = (tempfile::tempdir().unwrap(), Last::new());
        }
        let before = total(&recorded);
        run_and_kill(folder.path(), false, &mut random, &mut recorded);
        acknowledged += total(&recorded) - before;
        let found =
            check(folder.path(), &recorded).unwrap_or_else(|what| panic!("round {round}: {what}"));
        under_way += total(&found) - total(&recorded);
        recorded = found;
    }
    println!("rounds={rounds} acknowledged={acknowledged} also_recorded={under_way} lost=0");
}

#[test]
fn an_acknowledgement_that_comes_too_early_is_found_out() {
    let mut random = Random(7);
    let mut found_out = 0;
    for _ in 0..CONTROL_ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let mut recorded = Last::new();
        run_and_kill(folder.path(), true, &mut random, &mut recorded);
        found_out += u64::from(check(folder.path(), &recorded).is_err());
    }
    println!("control_rounds={CONTROL_ROUNDS} found_out={found_out}");
    assert!(found_out > 0, "the check finds nothing");
}

/// The number of the newest tick of each cluster; they count from 1.
type Last = BTreeMap<String, i64>;

fn total(last: &Last) -> i64 {
    last.values().sum()
}

/// Runs a child, kills it and takes in what it has acknowledged.
fn run_and_kill(folder: &Path, before: bool, random: &mut Random, acknowledged: &mut Last) {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "no_acknowledged_tick_is_lost"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if before {
        command.env(BEFORE, "1");
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);

    let wanted = random.below(MAX_ACKNOWLEDGED);
    for line in lines.by_ref().take(wanted as usize) {
        take_in(&line, acknowledged);
    }
    spin(random.below(if wanted == 0 {
        MAX_OPENING_US
    } else {
        MAX_DELAY_US
    }));
    child.kill().unwrap();
    // What it had said before it was killed is still in the pipe.
    for line in lines {
        take_in(&line, acknowledged);
    }
    assert_eq!(
        child.wait().unwrap().signal(),
        Some(9),
        "it ended by itself"
    );
}

fn take_in(line: &str, acknowledged: &mut Last) {
    let said = line.strip_prefix("recorded ");
    let (cluster, n) = said
        .and_then(|said| said.split_once(' '))
        .unwrap_or_else(|| {
            panic!("the child says {line:?}");
        });
    acknowledged.insert(cluster.to_owned(), n.parse().unwrap());
}

/// Not a sleep, which would end at the scheduler's ticks.
fn spin(us: u64) {
    let end = Instant::now() + Duration::from_micros(us);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// The newest tick of each cluster that is there, or what is wrong.
fn check(folder: &Path, acknowledged: &Last) -> Result<Last, String> {
    let (_writer, store) = open(folder);
    if let Some(damaged) = store.set_aside().first() {
        return Err(format!("{damaged:?}"));
    }
    let clusters = store.clusters().map_err(|error| error.to_string())?;
    let mut found = Last::new();
    for cluster in CLUSTERS {
        let recorded = acknowledged.get(cluster).copied().unwrap_or_default();
        if clusters.contains(&cluster.into()) {
            let last = check_cluster(&store, cluster, recorded)?;
            found.insert(cluster.to_owned(), last);
        } else if recorded > 0 {
            return Err(format!("{cluster} is gone"));
        }
    }
    // The clusters take turns, so one tick was under way, of one of them.
    match total(&found) - total(acknowledged) {
        0 | 1 => Ok(found),
        more => Err(format!("{more} ticks more than were acknowledged")),
    }
}

fn check_cluster(store: &Store, cluster: &str, acknowledged: i64) -> Result<i64, String> {
    let name = cluster.into();
    let last = check_frames(store, cluster)?;
    let at = TimestampMs(last * PACE_MS);
    let gaps = store.gaps(&name, at, at).unwrap().pop();
    if gaps.map(|(_, set)| set).unwrap_or_default() != tick(cluster, last).gaps {
        return Err(format!("{cluster} has other gaps at {last}"));
    }
    if last < acknowledged {
        return Err(format!(
            "{cluster} ends at {last}, and {acknowledged} was acknowledged"
        ));
    }
    Ok(last)
}

/// The last that is there, after a look at each and at the catalogue.
fn check_frames(store: &Store, cluster: &str) -> Result<i64, String> {
    let all = (TimestampMs(0), TimestampMs(i64::MAX));
    let mut frames = store.frames(&cluster.into(), all.0, all.1).unwrap();
    let mut index = SeriesIndex::default();
    for n in 1.. {
        let tick = tick(cluster, n);
        let before = index.clone();
        for run in index.missing_runs(&tick) {
            index.restore(&run).unwrap();
        }
        match frames.next() {
            Some(Ok(frame)) if frame == index.place(&tick) => {}
            Some(other) => return Err(format!("{cluster} at {n}: {:?}", other.map(|it| it.at))),
            None if store.index(&cluster.into()).unwrap() == Some(before) => {
                return Ok(n - 1);
            }
            None => return Err(format!("{cluster} has another catalogue after {n} ticks")),
        }
    }
    unreachable!("ticks have an end")
}

fn open(folder: &Path) -> (Writer, Store) {
    let settings = OpenSettings {
        data_dir: folder.to_owned(),
        when_damaged: WhenDamaged::SetAside,
        needed: Duration::from_secs(1),
        now: TimestampMs(0),
    };
    store::open_with(&settings).unwrap()
}

/// The child. It ends only by being killed.
fn record_until_killed(folder: &Path) -> ! {
    let before = env::var_os(BEFORE).is_some();
    let (mut writer, store) = open(folder);
    let last = |cluster: &str| {
        let span = store.span(&cluster.into()).unwrap();
        span.map_or(0, |(_, last)| last.0 / PACE_MS)
    };
    let mut last = CLUSTERS.map(last);
    let (newest, retained) = mpsc::channel();
    thread::spawn(move || {
        let mut sealer = store.sealer();
        for newest in retained {
            let now = TimestampMs(newest * PACE_MS);
            while sealer.step(now).unwrap() {}
            store.retain(&LIMITS, now).unwrap();
        }
    });
    loop {
        for (cluster, last) in CLUSTERS.iter().zip(&mut last) {
            *last += 1;
            record(&mut writer, &tick(cluster, *last), before);
        }
        // A kill may have left some one ahead of the others.
        let common = last.into_iter().min().unwrap();
        if common % CARE_PACE == 0 {
            newest.send(common).unwrap();
        }
    }
}

fn record(writer: &mut Writer, tick: &Tick, acknowledge_before: bool) {
    let placed = writer.place(tick);
    if acknowledge_before {
        acknowledge(tick);
    }
    writer.record(&placed, &tick.gaps).unwrap();
    if !acknowledge_before {
        acknowledge(tick);
    }
}

/// In one write, so that none is cut.
fn acknowledge(tick: &Tick) {
    let line = format!("recorded {} {}\n", tick.cluster, tick.at.0 / PACE_MS);
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The tick number `n`. All follows from that.
fn tick(cluster: &str, n: i64) -> Tick {
    let partitions = partitions(cluster, n);
    let topic = |topic: &str| TopicReading {
        topic: topic.into(),
        id: Some(n / 70),
        state: TopicState::Present((0..partitions).map(|p| partition(n, p)).collect()),
    };
    let in_topic = |topic: &str| GroupTopicReading {
        topic: topic.into(),
        commits: (0..partitions).map(|p| commit(n, p)).collect(),
    };
    Tick {
        cluster: cluster.into(),
        at: TimestampMs(n * PACE_MS),
        topics: vec![topic("orders")],
        groups: vec![GroupReading {
            group: "g".into(),
            membership: None,
            topics: vec![in_topic("orders")],
            queue: None,
        }],
        gaps: gaps(n),
    }
}

/// They grow. The keyframes of the widest are of several pieces.
fn partitions(cluster: &str, n: i64) -> i64 {
    let first = match cluster {
        "narrow" => 2,
        "middle" => 60,
        _ => 600,
    };
    first + n / 25
}

fn partition(n: i64, p: i64) -> PartitionReading {
    PartitionReading {
        log_start_offset: (p % 4 == 0).then_some(n * p),
        log_end_offset: Some(mixed(p) + n * (mixed(p) % 50)),
    }
}

fn commit(n: i64, p: i64) -> Commit {
    match mixed(n ^ p << 20) % 40 {
        0 => Commit::None,
        1 => Commit::Unread,
        ahead => Commit::At(mixed(p) + n * 20 + ahead),
    }
}

fn gaps(n: i64) -> Vec<Gap> {
    let gap = |number: i64| Gap {
        scope: GapScope::Partition("orders".into(), number as i32),
        reason: GapReason {
            code: "timed_out".to_owned(),
            message: format!("no answer since {}", n / 9),
        },
    };
    (0..n / 9 % 4).map(gap).collect()
}

/// A number of 40 bits that looks like any other.
fn mixed(number: i64) -> i64 {
    Random(number as u64).below(1 << 40) as i64
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}
