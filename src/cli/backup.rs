//! `tidegauge backup`: a copy of the store, of a running scaler or of none.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde::Deserialize;

use crate::{
    model::TimestampMs,
    store::{CareError, open_read_only},
};

/// An answer is a path and four numbers.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What `backup` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the running scaler listens for HTTP. It makes the backup in its
    /// own `store.backup.dir`, and does so for callers on its machine only.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    address: String,
    /// The data directory of a scaler that isn't running.
    #[arg(long, value_name = "DIR", requires = "to", conflicts_with = "address")]
    data_dir: Option<PathBuf>,
    /// The folder in which that backup gets a folder of its own. None that are
    /// there already are deleted.
    #[arg(long, value_name = "DIR", requires = "data_dir")]
    to: Option<PathBuf>,
}

/// What a running scaler answers.
#[derive(Debug, Deserialize)]
struct Made {
    path: String,
    bytes: u64,
    oldest: Option<String>,
    newest: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: Message,
}

#[derive(Debug, Deserialize)]
struct Message {
    message: String,
}

/// Makes one, and prints where it is.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let made = match (&arguments.data_dir, &arguments.to) {
        (Some(data_dir), Some(to)) => make(data_dir, to)?,
        _ => ask(&arguments.address)?,
    };
    println!("{}", made.path);
    println!("{} bytes, {}", made.bytes, made.span());
    Ok(())
}

impl Made {
    fn span(&self) -> String {
        match (&self.oldest, &self.newest) {
            (Some(oldest), Some(newest)) => format!("ticks from {oldest} to {newest}"),
            _ => "no ticks".to_owned(),
        }
    }
}

fn make(data_dir: &Path, to: &Path) -> anyhow::Result<Made> {
    let store = open_read_only(data_dir).map_err(|error| match error {
        error @ CareError::Locked { .. } => anyhow::Error::new(error)
            .context("leave out --data-dir and --to, and the running scaler makes the backup"),
        error => anyhow::Error::new(error).context(format!("--data-dir is {data_dir:?}")),
    })?;
    let made = store
        .backup(to, None, TimestampMs::now(), &mut || Ok(()))
        .with_context(|| format!("--to is {to:?}"))?;
    let (oldest, newest) = made.span.unzip();
    Ok(Made {
        path: made.path.display().to_string(),
        bytes: made.bytes,
        oldest: oldest.map(|at| at.to_string()),
        newest: newest.map(|at| at.to_string()),
    })
}

fn ask(address: &str) -> anyhow::Result<Made> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no event loop")?
        .block_on(request(address))
}

/// Waits as long as it takes: a large store takes minutes.
async fn request(address: &str) -> anyhow::Result<Made> {
    let request = Request::post(format!("http://{address}/api/v1/backup"))
        .body(String::new())
        .with_context(|| format!("--address is {address:?}, accepted is HOST:PORT"))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.with_context(|| {
        format!(
            "--address is {address:?}: nobody answers there; for a store without a running \
             scaler there are --data-dir and --to"
        )
    })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect();
    let body = body.await.map_err(anyhow::Error::from_boxed);
    let body = body.context("the answer broke off")?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body).context("the answer makes no sense");
    }
    match serde_json::from_slice::<Refused>(&body) {
        Ok(refused) => bail!("{address} refused: {}", refused.error.message),
        Err(_) => bail!("{address} answers with {status}, and is no tidegauge that makes backups"),
    }
}
