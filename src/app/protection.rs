//! What protects the two listeners: certificates and secrets, read at the start
//! and followed from then on.

use std::{future::Future, sync::Arc};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, ServerTlsConfig},
    http::Guard,
    tls::{Listener, ListenerTls, Unusable},
};

/// What protects the listeners.
#[derive(Debug)]
pub(super) struct Protection {
    /// `None`: plain text.
    pub(super) grpc: Option<Arc<ListenerTls>>,
    /// `None`: plain text.
    pub(super) http: Option<Arc<ListenerTls>>,
    pub(super) guard: Arc<Guard>,
}

impl Protection {
    /// Reads the files, and blocks for it.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            grpc: begin(Listener::Grpc, config.grpc.tls.as_ref())?,
            http: begin(Listener::Http, config.http.tls.as_ref())?,
            guard: Arc::new(Guard::begin(&config.http)?),
        })
    }

    /// What its connections are made over.
    pub(super) fn tls(&self) -> Vec<Arc<ListenerTls>> {
        self.grpc.iter().chain(&self.http).cloned().collect()
    }

    /// Takes up what the files hold whenever that changes, until the end.
    pub(super) fn follow(
        &self,
        tasks: &mut JoinSet<anyhow::Result<&'static str>>,
        shutdown: &CancellationToken,
    ) {
        for tls in self.tls() {
            tasks.spawn(until(shutdown.clone(), async move { tls.follow().await }));
        }
        let guard = Arc::clone(&self.guard);
        tasks.spawn(until(shutdown.clone(), async move { guard.follow().await }));
    }
}

fn begin(
    listener: Listener,
    config: Option<&ServerTlsConfig>,
) -> Result<Option<Arc<ListenerTls>>, Unusable> {
    let tls = config.map(|config| ListenerTls::begin(listener, config));
    Ok(tls.transpose()?.map(Arc::new))
}

async fn until(
    shutdown: CancellationToken,
    following: impl Future<Output = ()>,
) -> anyhow::Result<&'static str> {
    shutdown.run_until_cancelled(following).await;
    shutdown.cancelled().await;
    Ok("following files")
}
