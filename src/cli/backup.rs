//! `tidegauge backup`: a copy of the store, of a running scaler or of none.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::{
    client::legacy::{Client, ResponseFuture},
    rt::TokioExecutor,
};
use serde::Deserialize;

use super::address::url;
use crate::{
    config::Secret,
    model::TimestampMs,
    store::{CareError, open_read_only},
    tls::{ClientFiles, PemFile, Protocol},
};

/// An answer is a path and four numbers.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What `backup` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the running scaler listens for HTTP. It makes the backup in its
    /// own `store.backup.dir`, and does so for callers on its machine only. If
    /// it speaks TLS: https://HOST:PORT.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    address: String,
    /// Ask over TLS, and trust these authorities, a PEM file. Without it, over
    /// https, the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    ca_cert: Option<PathBuf>,
    /// A file with the token that the scaler knows by `[http.auth]`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data_dir", "user"])]
    bearer_token_file: Option<PathBuf>,
    /// The user that the scaler knows by `[http.auth]`.
    #[arg(long, requires = "password_file", conflicts_with = "data_dir")]
    user: Option<String>,
    /// A file with that user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
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
        _ => ask(arguments)?,
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

fn ask(arguments: &Arguments) -> anyhow::Result<Made> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no event loop")?
        .block_on(request(arguments))
}

/// Waits as long as it takes: a large store takes minutes.
async fn request(arguments: &Arguments) -> anyhow::Result<Made> {
    let address = &arguments.address;
    let response = arguments.send()?.await.with_context(|| {
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

impl Arguments {
    fn send(&self) -> anyhow::Result<ResponseFuture> {
        let address = &self.address;
        let url = url(address, self.ca_cert.is_some())?;
        let is_tls = url.starts_with("https://");
        let mut request = Request::post(format!("{url}/api/v1/backup"))
            .body(String::new())
            .with_context(|| format!("--address is {address:?}, accepted is HOST:PORT"))?;
        if let Some(known) = self.authorization()? {
            request.headers_mut().insert(AUTHORIZATION, known);
        }
        let client = Client::builder(TokioExecutor::new());
        if !is_tls {
            return Ok(client.build_http().request(request));
        }
        let key = "--ca-cert";
        let files = ClientFiles {
            authorities: self.ca_cert.as_deref().map(|path| PemFile { key, path }),
            identity: None,
        };
        let connector = files.connector(Protocol::Http1)?;
        Ok(client.build(connector).request(request))
    }

    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let value = if let Some(file) = &self.bearer_token_file {
            format!("Bearer {}", secret("--bearer-token-file", file)?.expose())
        } else if let Some((user, file)) = self.user.as_ref().zip(self.password_file.as_ref()) {
            let password = secret("--password-file", file)?;
            let pair = format!("{user}:{}", password.expose());
            format!("Basic {}", STANDARD.encode(pair))
        } else {
            return Ok(None);
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| anyhow!("--bearer-token-file holds what no header can"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn secret(argument: &str, file: &Path) -> anyhow::Result<Secret> {
    Secret::from_file(file).with_context(|| format!("{argument} is {file:?}"))
}
