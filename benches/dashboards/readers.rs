//! Readers of dashboards.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use reqwest::{Client, RequestBuilder, StatusCode};
use tidegauge::model::{GroupId, TopicName};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use crate::{panels, percentile};

/// How often a dashboard is read anew.
const REFRESH: Duration = Duration::from_secs(10);

pub(crate) struct Readers {
    tasks: JoinSet<Result<Read>>,
    /// Open pages: how many bytes each was told.
    listeners: JoinSet<Result<usize>>,
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
        let (mut tasks, mut listeners) = (JoinSet::new(), JoinSet::new());
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
            listeners.spawn(listen(client.clone(), address, stop.clone()));
        }
        Ok(Self {
            tasks,
            listeners,
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
        let mut told = 0;
        for bytes in self.listeners.join_all().await {
            told += bytes?;
        }
        println!("reads_per_s={:.1}", all.times.len() as f64 / elapsed_s);
        println!(
            "read_p50_ms={:.1} read_p99_ms={:.1}",
            percentile(&all.times, 50),
            percentile(&all.times, 99)
        );
        println!(
            "reads_refused={} read_mb={:.1} live_mb={:.1}",
            all.refused,
            all.bytes as f64 / 1e6,
            told as f64 / 1e6
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
        let panels = panels::of(&self.client, self.address, &self.group);
        for answer in join_all(panels.into_iter().map(ask)).await {
            let (status, bytes, ms) = answer?;
            match status {
                StatusCode::TOO_MANY_REQUESTS => self.read.refused += 1,
                status => {
                    ensure!(status.is_success(), "{status}");
                    self.read.times.push(ms);
                    self.read.bytes += bytes;
                }
            }
        }
        Ok(())
    }
}

async fn ask(panel: RequestBuilder) -> Result<(StatusCode, usize, f64)> {
    let began = Instant::now();
    let answer = panel.send().await?;
    let status = answer.status();
    let bytes = answer.bytes().await?.len();
    Ok((status, bytes, began.elapsed().as_secs_f64() * 1e3))
}

/// As an open page does, until `stop`.
async fn listen(client: Client, address: SocketAddr, stop: CancellationToken) -> Result<usize> {
    let live = client.get(format!("http://{address}/api/v1/live"));
    let mut events = live.send().await?.error_for_status()?;
    let mut bytes = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(bytes),
            event = events.chunk() => bytes += event?.context("it does not end")?.len(),
        }
    }
}
