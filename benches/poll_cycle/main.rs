//! One poll cycle of a large cluster, against the naive way to do the same.
//!
//! Three embedded brokers, 10,000 partitions in 14 topics, 500 groups with
//! 30,000 committed partitions: 10 narrow topics of 60 partitions, each read by
//! 50 groups, and 4 wide ones that one of the groups is asked about as well.
//! The brokers run in a child process (this one, started again), so that wall
//! and CPU time, threads and memory are the poller's alone. Wall time includes
//! the brokers' work, and all of it shares the machine's cores: brokers on
//! machines of their own answer sooner.
//!
//! The naive way is a consumer a group that fetches its commits, and one
//! `fetch_watermarks` a partition. It is measured on a part and scaled up, as
//! the names of its lines say.
//!
//! Run: `cargo bench --bench poll_cycle`. Prints `name=value` lines.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdin, stdout},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use rustix::time::{ClockId, clock_gettime};
use tidegauge::{
    kafka::{Client, ClientSettings, EmbeddedCluster, IsolationLevel, Poller, PollerSettings},
    model::{Commit, Interest, Tick, TimestampMs, TopicName, TopicSelection, TopicState},
};

const BROKERS: i32 = 3;
const GROUPS: usize = 500;
/// Each group has commits in all partitions of one of these.
const NARROW_TOPICS: usize = 10;
const NARROW_PARTITIONS: i32 = 60;
/// Nobody has commits in these.
const WIDE_TOPICS: usize = 4;
const WIDE_PARTITIONS: i32 = 2_350;

const FEW_GROUPS: usize = 10;

const WARM_UP_CYCLES: usize = 2;
const CYCLES: usize = 9;

/// The part of the naive way that is measured.
const NAIVE_GROUPS: usize = 25;
const NAIVE_PARTITIONS: usize = 500;

const BROKERS_ENV: &str = "TIDEGAUGE_BENCH_BROKERS";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    if env::var_os(BROKERS_ENV).is_some() {
        return runtime.block_on(serve_brokers());
    }
    let brokers = Brokers::start()?;
    runtime.block_on(measure(&brokers.bootstrap_servers))
}

/// The child: brokers with their topics and commits, until its input ends.
async fn serve_brokers() -> Result<()> {
    let cluster = EmbeddedCluster::start(BROKERS)?;
    for topic in 0..NARROW_TOPICS {
        cluster.create_topic(&narrow_topic(topic), NARROW_PARTITIONS)?;
    }
    for topic in 0..WIDE_TOPICS {
        cluster.create_topic(&wide_topic(topic), WIDE_PARTITIONS)?;
    }
    for group in 0..GROUPS {
        let topic = narrow_topic(group);
        let commits: Vec<_> = (0..NARROW_PARTITIONS)
            .map(|partition| (topic.as_str(), partition, 0))
            .collect();
        cluster.commit_offsets(&group_name(group), &commits).await?;
    }
    println!("{}", cluster.bootstrap_servers());
    stdout().flush()?;
    tokio::task::spawn_blocking(|| stdin().read_line(&mut String::new())).await??;
    Ok(())
}

struct Brokers {
    child: Child,
    bootstrap_servers: String,
}

impl Brokers {
    fn start() -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .env(BROKERS_ENV, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the child's output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the brokers did not start");
        Ok(Self {
            child,
            bootstrap_servers: line.trim().to_owned(),
        })
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure(bootstrap_servers: &str) -> Result<()> {
    let few = cycles(bootstrap_servers, FEW_GROUPS).await?;
    let all = cycles(bootstrap_servers, GROUPS).await?;
    println!("poll_cycle_wall_s={:.3}", all.wall_s);
    println!("poll_cycle_cpu_s={:.3}", all.cpu_s);
    println!("poll_cycle_first_wall_s={:.3}", all.first_wall_s);
    println!("threads={}", all.threads);
    println!("threads_500_minus_10_groups={}", all.threads - few.threads);
    println!("rss_mb={:.0}", all.rss_mb);

    let servers = bootstrap_servers.to_owned();
    let naive = tokio::task::spawn_blocking(move || naive(&servers)).await??;
    println!(
        "naive_scaled_from={NAIVE_GROUPS}_of_{GROUPS}_groups_and_{NAIVE_PARTITIONS}_of_{}_partitions",
        all_partitions()
    );
    println!("naive_scaled_wall_s={:.1}", naive.wall_s);
    println!("naive_scaled_cpu_s={:.1}", naive.cpu_s);
    println!("ratio={:.0}", naive.wall_s / all.wall_s);
    Ok(())
}

struct Measured {
    /// The median of several cycles after the warm-up.
    wall_s: f64,
    cpu_s: f64,
    /// With nothing remembered and no connection.
    first_wall_s: f64,
    threads: i64,
    rss_mb: f64,
}

async fn cycles(bootstrap_servers: &str, groups: usize) -> Result<Measured> {
    let client = Client::connect(&ClientSettings {
        bootstrap_servers: vec![bootstrap_servers.to_owned()],
        properties: Default::default(),
        request_timeout: Duration::from_secs(10),
        oauthbearer: None,
    })?;
    let mut poller = Poller::new(
        client,
        PollerSettings {
            cluster: "bench".into(),
            discover: false,
            discovery_interval: Duration::from_secs(60),
            metadata_interval: Duration::from_secs(60),
            isolation: IsolationLevel::ReadCommitted,
        },
    );
    let interest = interest(groups);
    let first_wall_s = cycle(&mut poller, &interest, groups).await?.0;
    for _ in 0..WARM_UP_CYCLES {
        cycle(&mut poller, &interest, groups).await?;
    }
    let (mut wall_s, mut cpu_s) = (Vec::new(), Vec::new());
    for _ in 0..CYCLES {
        let (wall, cpu) = cycle(&mut poller, &interest, groups).await?;
        wall_s.push(wall);
        cpu_s.push(cpu);
    }
    Ok(Measured {
        wall_s: median(wall_s),
        cpu_s: median(cpu_s),
        first_wall_s,
        threads: status_line("Threads:")?,
        rss_mb: status_line("VmRSS:")? as f64 / 1024.0,
    })
}

/// Wall and CPU seconds of one cycle, which must have read everything.
async fn cycle(poller: &mut Poller, interest: &Interest, groups: usize) -> Result<(f64, f64)> {
    let (started, cpu) = (Instant::now(), cpu_s());
    let tick = poller.poll(interest, TimestampMs::now()).await;
    let measured = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    ensure!(tick.gaps.is_empty(), "gaps: {:?}", tick.gaps.first());
    ensure!(commits_in(&tick) == groups * NARROW_PARTITIONS.unsigned_abs() as usize);
    ensure!(log_ends_in(&tick) == all_partitions());
    Ok(measured)
}

fn commits_in(tick: &Tick) -> usize {
    let topics = tick.groups.iter().flat_map(|group| &group.topics);
    let commits = topics.flat_map(|topic| &topic.commits);
    commits
        .filter(|commit| matches!(commit, Commit::At(_)))
        .count()
}

fn log_ends_in(tick: &Tick) -> usize {
    let readings = tick.topics.iter().map(|reading| match &reading.state {
        TopicState::Present(partitions) => partitions
            .iter()
            .filter(|partition| partition.log_end_offset.is_some())
            .count(),
        TopicState::Missing => 0,
    });
    readings.sum()
}

fn interest(groups: usize) -> Interest {
    let mut interest = Interest::default();
    for group in 0..groups {
        let topic = TopicName::from(narrow_topic(group));
        interest.add_group(group_name(group).into(), TopicSelection::only([topic]));
    }
    let wide = (0..WIDE_TOPICS).map(|topic| TopicName::from(wide_topic(topic)));
    interest.add_group(group_name(0).into(), TopicSelection::only(wide));
    interest
}

struct Naive {
    wall_s: f64,
    cpu_s: f64,
}

fn naive(bootstrap_servers: &str) -> Result<Naive> {
    let timeout = Duration::from_secs(10);
    let consumer = |group: &str| -> Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap_servers)
            .set("group.id", group);
        Ok(config.create()?)
    };
    let (started, cpu) = (Instant::now(), cpu_s());
    for group in 0..NAIVE_GROUPS {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&narrow_topic(group), 0, NARROW_PARTITIONS - 1);
        let committed = consumer(&group_name(group))?.committed_offsets(list, timeout)?;
        ensure!(
            committed
                .elements()
                .iter()
                .all(|entry| entry.offset() == Offset::Offset(0))
        );
    }
    let (groups_wall_s, groups_cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);

    let (started, cpu) = (Instant::now(), cpu_s());
    let watcher = consumer("watermarks")?;
    for partition in 0..NAIVE_PARTITIONS {
        let topic = wide_topic(partition % WIDE_TOPICS);
        watcher.fetch_watermarks(&topic, i32::try_from(partition)?, timeout)?;
    }
    let (partitions_wall_s, partitions_cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);

    let groups = GROUPS as f64 / NAIVE_GROUPS as f64;
    let partitions = all_partitions() as f64 / NAIVE_PARTITIONS as f64;
    Ok(Naive {
        wall_s: groups * groups_wall_s + partitions * partitions_wall_s,
        cpu_s: groups * groups_cpu_s + partitions * partitions_cpu_s,
    })
}

fn all_partitions() -> usize {
    let partitions = |count: i32| count.unsigned_abs() as usize;
    NARROW_TOPICS * partitions(NARROW_PARTITIONS) + WIDE_TOPICS * partitions(WIDE_PARTITIONS)
}

fn narrow_topic(group: usize) -> String {
    format!("bench-narrow-{:02}", group % NARROW_TOPICS)
}

fn wide_topic(topic: usize) -> String {
    format!("bench-wide-{topic:02}")
}

fn group_name(group: usize) -> String {
    format!("bench-group-{group:03}")
}

fn cpu_s() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The number in a line of Linux's account of this process.
fn status_line(name: &str) -> Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .context("no such line")?;
    let number = line.split_whitespace().next().context("no number")?;
    Ok(number.parse()?)
}
