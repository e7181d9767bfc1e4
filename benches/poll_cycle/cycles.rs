//! Poll cycles of our own poller, measured.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tidegauge::{
    kafka::{
        BrokerRequests, Client, ClientSettings, DiscoverySettings, IsolationLevel, Poller,
        PollerSettings,
    },
    model::{Commit, Interest, Tick, TimestampMs, TopicState},
};

use crate::{
    print,
    process::{cpu_s, own_cpu_s, own_status},
    shape::{Asked, Shape},
};

const WARM_UP_CYCLES: usize = 2;
const CYCLES: usize = 9;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// librdkafka counts its requests so often here, that one cycle can be told.
const STATISTICS_INTERVAL: Duration = Duration::from_millis(100);

/// Measures the cycles of a poller that this process has for itself, and prints
/// the figures under `name`. Gives back the wall seconds of a cycle.
pub(crate) async fn measure(
    name: &str,
    shape: Shape,
    asked: Asked,
    bootstrap_servers: &str,
    broker_pids: &[u32],
) -> Result<f64> {
    let mut bench = Bench::connect(shape, asked, bootstrap_servers)?;
    let first_wall_s = bench.cycle().await?.0;
    for _ in 0..WARM_UP_CYCLES {
        bench.cycle().await?;
    }
    let (mut wall_s, mut own_s) = (Vec::new(), Vec::new());
    let brokers_before_s = cpu_s(broker_pids)?;
    for _ in 0..CYCLES {
        let (wall, own) = bench.cycle().await?;
        wall_s.push(wall);
        own_s.push(own);
    }
    let brokers_s = (cpu_s(broker_pids)? - brokers_before_s) / CYCLES as f64;
    let (wall_s, own_s) = (median(wall_s), median(own_s));

    print(name, "commits", shape.commits());
    print(name, "wall_s", format_args!("{wall_s:.3}"));
    print(name, "cpu_s", format_args!("{own_s:.3}"));
    print(name, "first_wall_s", format_args!("{first_wall_s:.3}"));
    print(name, "brokers_cpu_s", format_args!("{brokers_s:.2}"));
    for (of, count) in [("group", shape.groups), ("partition", shape.partitions)] {
        let each_us = own_s * 1e6 / count as f64;
        let figure = format!("cpu_us_per_{of}");
        print(name, &figure, format_args!("{each_us:.1}"));
    }
    print(name, "threads", own_status("Threads")?);
    for (figure, line) in [("rss_mb", "VmRSS"), ("rss_peak_mb", "VmHWM")] {
        print(name, figure, own_status(line)? / 1024);
    }
    for (request, sent) in bench.requests_of_one_cycle().await? {
        print(name, &format!("requests_{}", snake_case(&request)), sent);
    }
    Ok(wall_s)
}

struct Bench {
    poller: Poller,
    shape: Shape,
    interest: Interest,
    /// Before the client was made.
    created: Instant,
}

impl Bench {
    fn connect(shape: Shape, asked: Asked, bootstrap_servers: &str) -> Result<Self> {
        let created = Instant::now();
        let interval_ms = STATISTICS_INTERVAL.as_millis().to_string();
        let client = Client::connect(&ClientSettings {
            bootstrap_servers: vec![bootstrap_servers.to_owned()],
            properties: [("statistics.interval.ms".to_owned(), interval_ms)].into(),
            request_timeout: REQUEST_TIMEOUT,
            oauthbearer: None,
        })?;
        let settings = PollerSettings {
            cluster: "bench".into(),
            discovery: DiscoverySettings {
                enabled: false,
                interval: Duration::from_secs(3_600),
                include_empty: true,
                silent_after: Duration::from_secs(3_600),
            },
            metadata_interval: Duration::from_secs(3_600),
            isolation: IsolationLevel::ReadCommitted,
            cycle_limit: 2 * REQUEST_TIMEOUT,
        };
        Ok(Self {
            poller: Poller::new(client, settings),
            shape,
            interest: shape.interest(asked),
            created,
        })
    }

    /// Wall and CPU seconds of one cycle, which must have read everything.
    async fn cycle(&mut self) -> Result<(f64, f64)> {
        let (started, cpu) = (Instant::now(), own_cpu_s());
        let tick = self.poller.poll(&self.interest, TimestampMs::now()).await;
        let measured = (started.elapsed().as_secs_f64(), own_cpu_s() - cpu);
        ensure!(tick.gaps.is_empty(), "gaps: {:?}", tick.gaps.first());
        ensure!(commits_in(&tick) == self.shape.commits());
        ensure!(log_ends_in(&tick) == self.shape.partitions);
        Ok(measured)
    }

    /// By Kafka's name, as librdkafka counts them.
    async fn requests_of_one_cycle(&mut self) -> Result<BTreeMap<String, u64>> {
        let before = self.requests_so_far().await?;
        self.cycle().await?;
        let after = self.requests_so_far().await?;
        let sent = after
            .by_name()
            .map(|(name, sent)| (name.to_owned(), sent - before.of(name)));
        Ok(sent.filter(|(_, sent)| *sent > 0).collect())
    }

    async fn requests_so_far(&self) -> Result<BrokerRequests> {
        let now = self.created.elapsed();
        for _ in 0..100 {
            let counted = self.poller.client().broker_requests();
            if let Some(requests) = counted.filter(|it| it.age() >= now) {
                return Ok(requests);
            }
            tokio::time::sleep(STATISTICS_INTERVAL).await;
        }
        None.context("librdkafka does not tell its statistics")
    }
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `OffsetFetch` as `offset_fetch`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
