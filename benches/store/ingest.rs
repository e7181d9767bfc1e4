//! Ticks go in, as in the process.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use tidegauge::{
    board::{BoardPublisher, BoardReader},
    estimator::Reach,
    model::{Commit, Tick, TopicState},
    recorder::{Inbox, Recorder, RecorderStatus},
    store::{self, Level, Limits, Store},
};
use tokio::sync::mpsc;

use super::{process, traffic::Traffic};

const TICKS_AN_HOUR: usize = 360;
const TICKS_A_MINUTE: usize = 6;
/// The default of `azul.window`, which is the longest.
const WINDOW: Duration = Duration::from_secs(900);
/// Ticks between two runs of retention.
const RETENTION_TICKS: usize = 60;
/// Ticks that the baseline appends.
const PLAIN_TICKS: usize = 60;

const LIMITS: Limits = Limits {
    raw: Duration::from_hours(3 * 24),
    minutes: Duration::from_hours(30 * 24),
    hours: Duration::from_hours(400 * 24),
    max_bytes: None,
};

/// What was recorded, and who can be asked about it.
pub(crate) struct History {
    pub(crate) store: Store,
    pub(crate) board: BoardReader,
    pub(crate) status: Arc<RecorderStatus>,
    pub(crate) hours: usize,
    pub(crate) data_dir: PathBuf,
}

/// Records so many hours, printing what that took.
pub(crate) fn run(data_dir: &Path, mut traffic: Traffic, hours: usize) -> Result<History> {
    let (writer, store) = store::open(data_dir)?;
    let (publisher, board) = BoardPublisher::new();
    let recorder = Recorder::new(writer, publisher, Reach::all(WINDOW));
    let status = recorder.status();
    let (ticks, reader) = mpsc::channel(1);
    let inbox = Inbox {
        ticks: reader,
        watches: mpsc::channel(1).1,
        reconfigurations: mpsc::channel(1).1,
    };
    let recording = thread::spawn(move || recorder.run(inbox, Vec::new));

    let mut sealer = store.sealer();
    let (mut plain, mut spent) = (Plain::new(data_dir)?, Spent::default());
    let mut published = board.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let began = Began::now()?;
    let mut resident_mb = Vec::new();
    let mut seals = false;
    for number in 0..hours * TICKS_AN_HOUR {
        let tick = spent.apart(|| {
            let tick = traffic.tick();
            if number < PLAIN_TICKS {
                plain.append(&tick)?;
            }
            anyhow::Ok(tick)
        })?;
        spent.samples += samples(&tick);
        let at = tick.at;
        let sent = Instant::now();
        ticks.blocking_send(tick)?;
        runtime.block_on(published.changed())?;
        anyhow::ensure!(status.failure().is_none(), "{:?}", status.failure());
        spent.record_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        // Looked after once a minute, as by the schedule, and then slice by slice.
        seals = seals || number % TICKS_A_MINUTE == 0;
        if seals {
            let slice = Instant::now();
            seals = sealer.step(at)?;
            spent.slice_ms.push(slice.elapsed().as_secs_f64() * 1e3);
        }
        if number % RETENTION_TICKS == 0 {
            store.retain(&LIMITS, at)?;
            resident_mb.push(process::resident_mb("self")?);
        }
    }
    began.report(hours * TICKS_AN_HOUR, &mut spent)?;
    let most = resident_mb.iter().copied().fold(0.0, f64::max);
    println!("rss_mb={most:.0}");
    plain.report(&mut spent);
    report_sizes(&store, &spent, hours * TICKS_AN_HOUR)?;
    drop(ticks);
    recording.join().expect("the recorder does not panic")?;
    Ok(History {
        store,
        board,
        status,
        hours,
        data_dir: data_dir.to_owned(),
    })
}

/// What was read in a tick: offsets, members, states, ids.
fn samples(tick: &Tick) -> usize {
    let topics = tick.topics.iter().map(|topic| match &topic.state {
        TopicState::Present(partitions) => 1 + 2 * partitions.len(),
        TopicState::Missing => 0,
    });
    let groups = tick.groups.iter().map(|group| {
        let commits = group.topics.iter().flat_map(|topic| &topic.commits);
        let commits = commits.filter(|commit| **commit != Commit::Unread);
        // State, members, assignment, and the partitions of each member.
        let membership = group.membership.as_ref().and_then(|m| m.members.as_ref());
        commits.count() + membership.map_or(0, |members| 3 + members.count as usize)
    });
    topics.chain(groups).sum()
}

#[derive(Default)]
struct Spent {
    /// CPU that is not the product's.
    apart_cpu_ms: f64,
    apart_written: f64,
    samples: usize,
    record_ms: Vec<f64>,
    slice_ms: Vec<f64>,
}

impl Spent {
    fn apart<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (cpu, written) = (process::thread_cpu_ms(), process::written_bytes()?);
        let outcome = work();
        self.apart_cpu_ms += process::thread_cpu_ms() - cpu;
        self.apart_written += process::written_bytes()? - written;
        outcome
    }
}

struct Began {
    cpu_ms: f64,
    written: f64,
}

impl Began {
    fn now() -> Result<Self> {
        Ok(Self {
            cpu_ms: process::cpu_ms(),
            written: process::written_bytes()?,
        })
    }

    fn report(&self, ticks: usize, spent: &mut Spent) -> Result<()> {
        let each = ticks as f64;
        let cpu_ms = process::cpu_ms() - self.cpu_ms - spent.apart_cpu_ms;
        let written = process::written_bytes()? - self.written - spent.apart_written;
        println!("series={}", spent.samples / ticks);
        println!("ticks={ticks}");
        println!("ingest_cpu_ms_per_tick={:.2}", cpu_ms / each);
        println!("written_bytes_per_tick={:.0}", written / each);
        let p99 = super::percentile(&mut spent.record_ms, 99);
        println!(
            "record_p50_ms={:.2}",
            super::percentile(&mut spent.record_ms, 50)
        );
        println!("record_p99_ms={p99:.2}");
        println!(
            "slice_p99_ms={:.2}",
            super::percentile(&mut spent.slice_ms, 99)
        );
        println!(
            "slice_max_ms={:.2}",
            super::percentile(&mut spent.slice_ms, 100)
        );
        Ok(())
    }
}

/// Eight bytes a sample appended to a file, with a sync each tick.
struct Plain {
    file: File,
    ms: f64,
    cpu_ms: f64,
    ticks: usize,
}

impl Plain {
    fn new(data_dir: &Path) -> Result<Self> {
        let file = File::create(data_dir.with_extension("plain"))?;
        Ok(Self {
            file,
            ms: 0.0,
            cpu_ms: 0.0,
            ticks: 0,
        })
    }

    fn append(&mut self, tick: &Tick) -> Result<()> {
        let (began, cpu) = (Instant::now(), process::thread_cpu_ms());
        let mut bytes = Vec::new();
        let mut put = |offset: Option<i64>| {
            bytes.extend_from_slice(&offset.unwrap_or(i64::MIN).to_le_bytes());
        };
        for topic in &tick.topics {
            if let TopicState::Present(partitions) = &topic.state {
                for partition in partitions {
                    put(partition.log_start_offset);
                    put(partition.log_end_offset);
                }
            }
        }
        for topic in tick.groups.iter().flat_map(|group| &group.topics) {
            for commit in &topic.commits {
                put(match commit {
                    Commit::At(offset) => Some(*offset),
                    Commit::None | Commit::Unread => None,
                });
            }
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.ms += began.elapsed().as_secs_f64() * 1e3;
        self.cpu_ms += process::thread_cpu_ms() - cpu;
        self.ticks += 1;
        Ok(())
    }

    fn report(&self, spent: &mut Spent) {
        let each = self.ticks as f64;
        println!("plain_record_ms={:.2}", self.ms / each);
        println!("plain_cpu_ms_per_tick={:.2}", self.cpu_ms / each);
        let ours = super::percentile(&mut spent.record_ms, 50);
        println!("record_ratio_to_plain={:.2}", ours / (self.ms / each));
    }
}

/// What is sealed, as the history file takes it on the disk: raw ticks with
/// their share of what is in no block, and rollups by themselves.
fn report_sizes(store: &Store, spent: &Spent, ticks: usize) -> Result<()> {
    let sizes = store.level_sizes()?;
    let files = store.size_bytes()?;
    let blocks: u64 = sizes.iter().map(|size| size.bytes).sum();
    let on_disk = files.history as f64 / blocks as f64;
    let samples_a_tick = spent.samples as f64 / ticks as f64;
    let of_raw = |bytes: u64| bytes as f64 * on_disk / (sizes[0].ticks as f64 * samples_a_tick);
    println!("sealed_ticks={}", sizes[0].ticks);
    println!("sealed_bytes_per_sample={:.3}", of_raw(sizes[0].bytes));
    println!("sealed_ratio_to_plain={:.3}", of_raw(sizes[0].bytes) / 8.0);
    println!("history_bytes_per_block_byte={on_disk:.3}");
    for (level, size) in Level::ALL.iter().zip(sizes) {
        println!(
            "{}_mb={:.1}",
            level.name(),
            size.bytes as f64 * on_disk / 1e6
        );
    }
    println!("head_mb={:.1}", files.head as f64 / 1e6);
    Ok(())
}
