//! Connections, made of files that may change.
//!
//! One is enough for a query at a time; it is kept, and looked at before each use.
//! Those made of the files of before stay in use until the changed ones have made
//! one: half of a change costs no reading.

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::task::spawn_blocking;
use tokio_postgres::{NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::{info, warn};

use crate::{
    config::{ClientTlsConfig, QueueConfig, Secret},
    files::Holding,
    model::ClusterName,
    tls::{ClientFiles, NoClient, PemFile},
};

use super::failure::Failure;

/// What the server shows of us to its operators.
const APPLICATION: &str = "tidegauge";

/// The connections of one queue.
#[derive(Debug)]
pub(super) struct Connections {
    queue: ClusterName,
    config: QueueConfig,
    /// Those in use, and what the files held that they are made of.
    used: Option<(Holding, Pool)>,
    /// What the files held when it was last told that they are of no use.
    refused: Option<Holding>,
}

impl Connections {
    pub(super) fn new(queue: ClusterName, config: QueueConfig) -> Self {
        Self {
            queue,
            config,
            used: None,
            refused: None,
        }
    }

    /// A connection that has just given an answer.
    pub(super) async fn get(&mut self) -> Result<Client, Failure> {
        let config = self.config.clone();
        let held = spawn_blocking(move || Holding::of(config.files()));
        let held = held.await.map_err(Failure::broke_down)?;
        match &self.used {
            Some((used, pool)) if *used == held => self.get_from(pool).await,
            Some((_, pool)) => {
                let pool = pool.clone();
                match self.renew(held).await {
                    Ok(client) => Ok(client),
                    Err(failure) => {
                        self.tell_refused(held, &failure);
                        self.get_from(&pool).await.map_err(|_| failure)
                    }
                }
            }
            None => self.renew(held).await,
        }
    }

    /// Forgets all, so that the next is made anew.
    pub(super) fn drop_all(&mut self) {
        self.used = None;
    }

    async fn renew(&mut self, held: Holding) -> Result<Client, Failure> {
        let config = self.config.clone();
        let made = spawn_blocking(move || pool(&config));
        let pool = made.await.map_err(Failure::broke_down)??;
        let client = self.get_from(&pool).await?;
        if self.used.replace((held, pool)).is_some() {
            info!(queue = %self.queue, "changed passwords or certificates are in use");
        }
        Ok(client)
    }

    async fn get_from(&self, pool: &Pool) -> Result<Client, Failure> {
        let client = pool.get().await;
        client.map_err(|error| Failure::of_pool(error, self.config.connect_timeout))
    }

    fn tell_refused(&mut self, held: Holding, failure: &Failure) {
        if self.refused.replace(held) != Some(held) {
            warn!(queue = %self.queue, code = failure.word(), %failure,
                "changed passwords or certificates don't work; those from before stay in use");
        }
    }
}

/// Reads the files, and blocks for it.
fn pool(config: &QueueConfig) -> Result<Pool, Failure> {
    let mut to = tokio_postgres::Config::new();
    to.host(&config.host)
        .port(config.port)
        .dbname(&config.database)
        .user(&config.user)
        .application_name(APPLICATION);
    if let Some(password) = &config.password {
        let password = password.read_again().map_err(Failure::Password)?;
        to.password(Secret::expose(&password));
    }
    let recycling_method = RecyclingMethod::Verified;
    let how = ManagerConfig { recycling_method };
    let manager = match &config.tls {
        Some(tls) => {
            to.ssl_mode(SslMode::Require);
            let tls = MakeRustlsConnect::new(client_files(tls).config()?);
            Manager::from_config(to, tls, how)
        }
        None => {
            to.ssl_mode(SslMode::Disable);
            Manager::from_config(to, NoTls, how)
        }
    };
    let limit = Some(config.connect_timeout);
    let pool = Pool::builder(manager)
        .max_size(1)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: limit,
            create: limit,
            recycle: limit,
        });
    Ok(pool.build().expect("a runtime for the timeouts"))
}

fn client_files(tls: &ClientTlsConfig) -> ClientFiles<'_> {
    let file = |key, path| PemFile { key, path };
    let identity = tls
        .identity
        .as_ref()
        .map(|(certificate, key)| (file("certificate_file", certificate), file("key_file", key)));
    ClientFiles {
        authorities: tls.ca_file.as_ref().map(|path| file("ca_file", path)),
        identity,
    }
}

impl From<NoClient> for Failure {
    fn from(cause: NoClient) -> Self {
        Self::Tls(cause.to_string())
    }
}
