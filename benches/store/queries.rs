//! HTTP is asked about a group of 100 partitions, as a dashboard does.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use axum::serve;
use tidegauge::{
    board::Snapshot, estimator::Parameters, http::router, model::TimestampMs, scaler::Watches,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, watch},
};

use super::{ingest::History, pages::Recorded, percentile, settings::settings};

const REPEATS: usize = 200;
const PARAMETERS: Parameters = Parameters {
    window: Duration::from_secs(300),
    fresh_for: Duration::from_secs(30),
    max_staleness: Duration::from_secs(300),
};

pub(crate) fn run(history: History) -> Result<()> {
    let newest = {
        let board = history.board.borrow();
        let bench = board.cluster(&"bench".into());
        bench
            .and_then(Snapshot::as_of)
            .context("nothing was recorded")?
    };
    let hours = history.hours;
    Runtime::new()?.block_on(async {
        let asker = Asker::new(history).await?;
        let hour = Duration::from_hours(1);
        let week = hour * 7 * 24;
        let span = week.min(hour * hours as u32);
        println!("query_7d_days={:.1}", span.as_secs_f64() / 86_400.0);
        let sealed = newest.minus(hour * 4);
        for (name, to, range, rest, rows) in [
            ("query_1h", newest, hour, "step=raw&metric=lag", 300),
            ("query_1h_sealed", sealed, hour, "step=raw&metric=lag", 300),
            (
                "query_1h_partitions",
                newest,
                hour,
                "step=raw&metric=lag,committed_offset,log_end_offset&partition=*",
                30_000,
            ),
            (
                "query_1h_rates",
                newest,
                hour,
                "step=1m&metric=lag,arrival_rate,consumption_rate,time_lag_seconds",
                60,
            ),
            ("query_7d", newest, span, "step=1m&metric=lag", 300),
        ] {
            asker.report(name, to, range, rest, rows).await?;
        }
        asker.report_many(newest).await
    })
}

struct Asker {
    client: reqwest::Client,
    base: String,
}

impl Asker {
    async fn new(history: History) -> Result<Self> {
        let watches = Watches::new(
            Arc::new(settings(PARAMETERS, 1)),
            BTreeMap::new(),
            mpsc::channel(1).0,
        );
        let recorded = Recorded {
            store: history.store,
            board: history.board,
            status: history.status,
        };
        let watches = Arc::new(watches);
        let state = recorded.pages(&history.data_dir, PARAMETERS, watches);
        let states = watch::channel(Arc::new(state)).1;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}/api/v1/history", listener.local_addr()?);
        tokio::spawn(serve(listener, router(states)).into_future());
        Ok(Self {
            client: reqwest::Client::builder().no_proxy().build()?,
            base,
        })
    }

    async fn ask(&self, to: TimestampMs, range: Duration, rest: &str) -> Result<(f64, usize)> {
        let from = to.minus(range);
        let (from, to) = (from.0, to.0);
        let url = format!(
            "{}?group=group-00000-live&from={from}&to={to}&{rest}",
            self.base
        );
        let began = Instant::now();
        let answer = self.client.get(url).send().await?.error_for_status()?;
        let body = answer.bytes().await?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        let rows: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&body)?;
        Ok((ms, rows.len()))
    }

    async fn report(
        &self,
        name: &str,
        to: TimestampMs,
        range: Duration,
        rest: &str,
        least_rows: usize,
    ) -> Result<()> {
        let mut ms = Vec::new();
        for _ in 0..REPEATS {
            let (took, rows) = self.ask(to, range, rest).await?;
            ensure!(rows >= least_rows, "{name}: {rows} rows");
            ms.push(took);
        }
        println!("{name}_p50_ms={:.1}", percentile(&mut ms, 50));
        println!("{name}_p99_ms={:.1}", percentile(&mut ms, 99));
        Ok(())
    }

    /// Sixteen at once.
    async fn report_many(&self, newest: TimestampMs) -> Result<()> {
        let hour = Duration::from_hours(1);
        let mut ms = Vec::new();
        for _ in 0..REPEATS / 16 {
            let asked = (0..16).map(|_| self.ask(newest, hour, "step=raw&metric=lag"));
            for answer in futures::future::join_all(asked).await {
                ms.push(answer?.0);
            }
        }
        println!("query_1h_16_at_once_p99_ms={:.1}", percentile(&mut ms, 99));
        Ok(())
    }
}
