//! Readers of dashboards.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::future::join_all;
use reqwest::{Client, StatusCode};
use tidegauge::model::{GroupId, TopicName};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::percentile;

/// How often a dashboard is read anew.
const REFRESH: Duration = Duration::from_secs(10);

/// What a dashboard of one group asks for, over the last hour or six.
const PANELS: [(&str, i64, &str); 6] = [
    ("/api/v1/history", 1, "step=10s&metric=lag"),
    (
        "/api/v1/history",
        1,
        "step=30s&metric=arrival_rate,consumption_rate",
    ),
    (
        "/api/v1/history",
        6,
        "step=1m&metric=time_lag_seconds,eta_seconds",
    ),
    ("/api/v1/history", 6, "step=5m&metric=lag_max&partition=*"),
    ("/api/v1/told", 1, ""),
    ("/api/v1/events", 6, ""),
];

pub(crate) struct Readers {
    tasks: JoinSet<Result<Read>>,
    stop: CancellationToken,
    began: Instant,
}

/// What a reader got.
#[derive(Default)]
struct Read {
    times: Vec<f64>,
    refused: usize,
    bytes: usize,
}

struct Reader {
    client: Client,
    address: SocketAddr,
    group: GroupId,
    read: Read,
}

impl Readers {
    /// They begin one after the other over the time of a refresh.
    pub(crate) fn start(
        address: SocketAddr,
        groups: Vec<(GroupId, TopicName)>,
        count: usize,
    ) -> Result<Self> {
        let client = Client::builder().no_proxy().build()?;
        let (stop, groups) = (CancellationToken::new(), Arc::new(groups));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let (group, _) = &groups[number * groups.len() / count];
            let reader = Reader {
                client: client.clone(),
                address,
                group: group.clone(),
                read: Read::default(),
            };
            let first = REFRESH * number as u32 / count as u32;
            tasks.spawn(reader.read(first, stop.clone()));
        }
        Ok(Self {
            tasks,
            stop,
            began: Instant::now(),
        })
    }

    /// Prints what they got.
    pub(crate) async fn end(self) -> Result<()> {
        self.stop.cancel();
        let elapsed_s = self.began.elapsed().as_secs_f64();
        let mut all = Read::default();
        for read in self.tasks.join_all().await {
            let read = read?;
            all.times.extend(read.times);
            all.refused += read.refused;
            all.bytes += read.bytes;
        }
        println!("reads_per_s={:.1}", all.times.len() as f64 / elapsed_s);
        println!(
            "read_p50_ms={:.1} read_p99_ms={:.1}",
            percentile(&all.times, 50),
            percentile(&all.times, 99)
        );
        println!(
            "reads_refused={} read_mb={:.1}",
            all.refused,
            all.bytes as f64 / 1e6
        );
        Ok(())
    }
}

impl Reader {
    async fn read(mut self, first: Duration, stop: CancellationToken) -> Result<Read> {
        let mut due = interval_at(tokio::time::Instant::now() + first, REFRESH);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(self.read),
                _ = due.tick() => self.refresh().await?,
            }
        }
    }

    async fn refresh(&mut self) -> Result<()> {
        let panels = PANELS.into_iter().map(|panel| self.ask(panel));
        for answer in join_all(panels).await {
            let (status, bytes, ms) = answer?;
            match status {
                StatusCode::TOO_MANY_REQUESTS => self.read.refused += 1,
                // Of a group that nobody has scaled yet nothing was told.
                status => {
                    ensure!(status.is_success() || status == 404, "{status}");
                    self.read.times.push(ms);
                    self.read.bytes += bytes;
                }
            }
        }
        Ok(())
    }

    async fn ask(
        &self,
        (path, hours, rest): (&str, i64, &str),
    ) -> Result<(StatusCode, usize, f64)> {
        let to = tidegauge::model::TimestampMs::now().0;
        let from = to - hours * 3_600_000;
        let url = format!(
            "http://{}{path}?group={}&from={from}&to={to}&{rest}",
            self.address, self.group
        );
        let began = Instant::now();
        let answer = self.client.get(url.trim_end_matches('&')).send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?.len();
        Ok((status, bytes, began.elapsed().as_secs_f64() * 1e3))
    }
}
