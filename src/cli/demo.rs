//! `tidegauge demo`: the whole product against an embedded Kafka.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    app::run_to_its_end,
    config::{LogConfig, LogFormat},
    demo, logging,
};

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where history is kept; a temporary folder, removed at the end, if left
    /// out.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to serve gRPC; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9090")]
    grpc_listen: SocketAddr,
    /// Where to serve HTTP; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    http_listen: SocketAddr,
    /// Ends after this long, such as 90s; on Ctrl-C if left out.
    #[arg(long, value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// At the end, compare what KEDA is told with what the brokers say, and
    /// fail if they differ or if the story was not seen.
    #[arg(long)]
    check: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let log = LogConfig {
        filter: "warn".to_owned(),
        format: LogFormat::Text,
    };
    let (_, _repeats) = logging::init(&log, Vec::new())?;
    let temporary = match arguments.data_dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("no temporary folder")?),
    };
    let given = arguments.data_dir.as_deref();
    let data_dir = given.or(temporary.as_ref().map(TempDir::path));
    let data_dir = data_dir.context("no folder for the data")?;
    let options = demo::Options {
        data_dir,
        grpc_listen: arguments.grpc_listen,
        http_listen: arguments.http_listen,
        check: arguments.check,
    };
    run_to_its_end(async {
        // Before anything is started: what is interrupted while it starts
        // ends as it should, too.
        let interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
        demo::run(options, asked(arguments.duration, interrupt)).await
    })
}

/// Until Ctrl-C, or for so long.
async fn asked(duration: Option<Duration>, mut interrupt: Signal) {
    let interrupted = interrupt.recv();
    let elapsed = match duration {
        Some(duration) => timeout(duration, interrupted).await.is_err(),
        None => {
            interrupted.await;
            false
        }
    };
    if !elapsed {
        println!();
    }
}
