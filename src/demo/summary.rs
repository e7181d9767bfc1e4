//! What the demo prints: where to look, and a line for each group.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{
    app::App,
    board::BoardReader,
    estimator::{Eta, Parameters, Totals, Wanted},
    model::TimestampMs,
};

use super::{Options, scenario::Group};

/// Lags of a full bar.
const FULL_BAR: f64 = 1_500.0;
const BAR_WIDTH: usize = 20;

/// Prints, with the judgement of the product itself.
pub(super) struct Summary {
    parameters: Parameters,
}

/// One group at one time.
pub(super) struct Line {
    elapsed: Duration,
    group: &'static str,
    replicas: u32,
    totals: Option<Totals>,
}

impl Summary {
    /// Says where to look.
    pub(super) fn begin(options: &Options<'_>, app: &App, bootstrap_servers: &str) -> Self {
        let (grpc, http): (SocketAddr, SocketAddr) = (app.grpc_address(), app.http_address());
        println!(
            "\
tidegauge demo: three embedded brokers at {bootstrap_servers}
  gRPC   {grpc}
         tidegauge ask --address {grpc} consumerGroup=orders-service lagThreshold=100
         tidegauge ask --address {grpc} entityName=plugin pluginName=jira targetSize=100 includeHistoric=true
  HTTP   http://{http}/api/v1/groups
         http://{http}/api/v1/history?group=orders-service&metric=lag,arrival_rate,consumption_rate
         http://{http}/metrics  http://{http}/readyz
  data   {}
  Ctrl-C ends it.",
            options.data_dir.display()
        );
        Self {
            parameters: app.parameters(),
        }
    }

    /// One group as it stands on the board.
    pub(super) fn line(
        &mut self,
        board: &BoardReader,
        group: &Group,
        replicas: u32,
        elapsed: Duration,
    ) -> Line {
        let board = board.borrow().clone();
        let mut snapshots = board.clusters().values();
        let totals = snapshots.find_map(|snapshot| {
            let window = &snapshot.window;
            window.estimate_group(
                group.group,
                Wanted::SHOWN,
                &self.parameters,
                TimestampMs::now(),
            )
        });
        Line {
            elapsed,
            group: group.group,
            replicas,
            totals: totals.map(|estimate| estimate.totals),
        }
    }
}

impl Line {
    /// The lag on the line; `None`: unknown.
    pub(super) fn lag(&self) -> Option<u64> {
        // Before its first commit a group has all records before it.
        let totals = self.totals?;
        Some(totals.lag?.saturating_add(totals.records_without_commit))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs();
        write!(
            f,
            "{:02}:{:02}  {:18}",
            seconds / 60,
            seconds % 60,
            self.group
        )?;
        let Some(lag) = self.lag() else {
            return write!(f, "  lag unknown  replicas {}", self.replicas);
        };
        let totals = self.totals.unwrap_or(Totals::NOTHING);
        let filled = (lag as f64 / FULL_BAR * BAR_WIDTH as f64).round() as usize;
        let bar = "#".repeat(filled.min(BAR_WIDTH));
        write!(
            f,
            "  lag {lag:>5} {bar:BAR_WIDTH$}  in {}  out {}  eta {:>7}  replicas {}",
            Rate(totals.arrival_rate),
            Rate(totals.consumption_rate),
            Wait(totals.eta()).to_string(),
            self.replicas
        )
    }
}

struct Rate(Option<f64>);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => write!(f, "{rate:>5.1}/s"),
            None => write!(f, "    ?/s"),
        }
    }
}

struct Wait(Option<Eta>);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(Eta::In(seconds)) => write!(f, "{seconds:.0} s"),
            Some(Eta::Never) => write!(f, "never"),
            None => write!(f, "?"),
        }
    }
}
