//! What one tick costs: time, bytes in the file, and the way back; beside the
//! plainest way to keep the same: eight bytes a sample appended to a file, and
//! a sync each tick.
//!
//! `cargo bench --bench ingest`, with `INGEST_PARTITIONS` and `INGEST_TICKS`
//! to change the size. The load is synthetic: heavy-tailed rates with noise,
//! two groups a topic that commit every second tick. Prints `name=value` lines.

use std::{env, fs::File, io::Write as _, time::Instant};

use tidegauge::{
    model::{
        Assignment, Commit, Frame, GroupReading, GroupState, GroupTopicReading, Members,
        Membership, PartitionReading, Tick, TimestampMs, TopicReading, TopicState,
    },
    store,
};

const PARTITIONS_A_TOPIC: usize = 25;
const INTERVAL_MS: i64 = 10_000;

fn main() {
    let partitions = setting("INGEST_PARTITIONS", 25_000);
    let ticks = setting("INGEST_TICKS", 120);
    let dir = tempfile::tempdir().expect("temporary directory");
    let (mut writer, store) = store::open(dir.path()).expect("store");
    let mut load = Load::new(partitions);

    let mut plain_file = File::create(dir.path().join("plain")).expect("file");
    let mut plain = Spent::default();
    let (mut samples, mut place, mut record) = (0, Spent::default(), Spent::default());
    for number in 0..ticks {
        let tick = load.tick(number);
        let placed = place.time(|| writer.place(&tick));
        samples += placed.frame.cells().len();
        record.time(|| writer.record(&placed, &tick.gaps).expect("record"));
        plain.time(|| append(&mut plain_file, &placed.frame).expect("append"));
    }
    let bytes = store.size_bytes().expect("size").head;
    let mut read = Spent::default();
    let frames = read.time(|| {
        let frames = store.frames(&"bench".into(), TimestampMs(0), TimestampMs(i64::MAX));
        frames.expect("frames").filter(Result::is_ok).count()
    });
    assert_eq!(frames, ticks);
    let each = ticks as f64;
    println!("series={}", samples / ticks);
    println!("ticks={ticks}");
    println!("place_ms_per_tick={:.2}", place.ms / each);
    println!("record_ms_per_tick={:.2}", record.ms / each);
    println!("read_ms_per_tick={:.2}", read.ms / each);
    let bytes_per_sample = bytes as f64 / samples as f64;
    println!("file_bytes_per_sample={bytes_per_sample:.2}");
    println!("plain_record_ms_per_tick={:.2}", plain.ms / each);
    println!("plain_bytes_per_sample=8.00");
    println!("bytes_ratio_to_plain={:.3}", bytes_per_sample / 8.0);
    println!("record_ratio_to_plain={:.2}", record.ms / plain.ms);
}

fn append(file: &mut File, frame: &Frame) -> std::io::Result<()> {
    let offsets = frame.cells().iter().map(|cell| cell.value().unwrap_or(-1));
    let bytes: Vec<u8> = offsets.flat_map(i64::to_le_bytes).collect();
    file.write_all(&bytes)?;
    file.sync_data()
}

fn setting(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[derive(Default)]
struct Spent {
    ms: f64,
}

impl Spent {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.ms += start.elapsed().as_secs_f64() * 1000.0;
        result
    }
}

struct Load {
    random: u64,
    ends: Vec<i64>,
    committed: Vec<i64>,
}

impl Load {
    fn new(partitions: usize) -> Self {
        Self {
            random: 0x9e37_79b9_7f4a_7c15,
            ends: vec![1_000_000; partitions],
            committed: vec![1_000_000; partitions],
        }
    }

    fn tick(&mut self, number: usize) -> Tick {
        self.advance(number);
        let topics = self.ends.chunks(PARTITIONS_A_TOPIC).zip(0..);
        let groups = self.committed.chunks(PARTITIONS_A_TOPIC).zip(0..);
        Tick {
            cluster: "bench".into(),
            at: TimestampMs(number as i64 * INTERVAL_MS),
            topics: topics
                .map(|(ends, topic)| topic_reading(topic, ends))
                .collect(),
            groups: groups
                .flat_map(|(commits, topic)| group_readings(topic, commits))
                .collect(),
            gaps: Vec::new(),
        }
    }

    fn advance(&mut self, number: usize) {
        for partition in 0..self.ends.len() {
            // A tenth of the partitions carries nearly all records.
            let mean = if partition % 10 == 0 {
                2_000
            } else {
                (partition % 7) as u64
            };
            let noise = self.next() % (mean / 4 + 1);
            self.ends[partition] += (mean + noise) as i64;
            if (number + partition).is_multiple_of(2) {
                self.committed[partition] = self.ends[partition] - noise as i64;
            }
        }
    }

    /// xorshift64
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

fn topic_reading(topic: usize, ends: &[i64]) -> TopicReading {
    let partition = |end: &i64| PartitionReading {
        log_start_offset: Some(1_000_000),
        log_end_offset: Some(*end),
    };
    TopicReading {
        topic: format!("topic-{topic:05}").into(),
        id: None,
        state: TopicState::Present(ends.iter().map(partition).collect()),
    }
}

fn group_readings(topic: usize, commits: &[i64]) -> impl Iterator<Item = GroupReading> {
    let commits: Vec<_> = commits.iter().map(|offset| Commit::At(*offset)).collect();
    ["live", "historic"]
        .into_iter()
        .map(move |kind| GroupReading {
            group: format!("group-{topic:05}-{kind}").into(),
            membership: Some(Membership {
                state: GroupState::Stable,
                members: Some(Members {
                    count: 4,
                    assignment: Some(Assignment {
                        partitions_by_member: [7, 6, 6, 6].into(),
                        fingerprint: 1,
                    }),
                }),
            }),
            topics: vec![GroupTopicReading {
                topic: format!("topic-{topic:05}").into(),
                commits: commits.clone(),
            }],
        })
}
