//! Passwords and certificates that change while we run.
//!
//! It owns which files a client was made of, looks whether they hold something
//! else by now, and makes the next client. What it looks at is what files hold,
//! by their path: Kubernetes swaps links, not files. Its key invariant: the
//! client in use stays until a broker has answered the next one, so a set of
//! files that is half written, or of use only later, costs no reading.

use std::{io, time::Duration};

use futures::FutureExt as _;
use tokio::{task::spawn_blocking, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::{config::ClusterConfig, files::Holding, model::ClusterName};

use super::{
    client::Client,
    error::{ConnectError, RequestError},
    settings::ClientSettings,
};

/// The files are looked at no more often than this, and at most once a cycle.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Makes a new client when the files change that one is made of.
#[derive(Debug)]
pub struct Rotation {
    name: ClusterName,
    cluster: ClusterConfig,
    request_timeout: Duration,
    looked: Instant,
    /// What was seen last.
    seen: Holding,
    /// Of what the client in use is made.
    used: Holding,
    candidate: Option<Candidate>,
}

/// A client that may take the place of the one in use.
#[derive(Debug)]
struct Candidate {
    client: Client,
    made_of: Holding,
    proof: AbortOnDropHandle<Result<(), RequestError>>,
    refusal_told: bool,
}

/// Why files are of no use.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("a secret can't be read: {0}")]
    Secret(#[source] io::Error),
    #[error(transparent)]
    Client(#[from] ConnectError),
}

impl Rotation {
    /// Looks for changes from now on, so it is to be there before the first
    /// client.
    pub fn of(name: ClusterName, cluster: ClusterConfig, request_timeout: Duration) -> Self {
        let now = Holding::of(cluster.security.files());
        Self {
            name,
            cluster,
            request_timeout,
            looked: Instant::now(),
            seen: now,
            used: now,
            candidate: None,
        }
    }

    /// The client that takes the place of `client` from now on, if one does.
    pub(super) async fn next(&mut self, client: &Client) -> Option<Client> {
        let next = self.proven();
        if next.is_none() && self.looked.elapsed() >= LOOK_AFTER {
            self.looked = Instant::now();
            self.look(client).await;
        }
        next
    }

    /// The candidate, once a broker has answered it; otherwise it asks again.
    fn proven(&mut self) -> Option<Client> {
        let proof = &self.candidate.as_ref()?.proof;
        if !proof.is_finished() {
            return None;
        }
        let mut candidate = self.candidate.take()?;
        match outcome(&mut candidate.proof) {
            Ok(()) => {
                info!(cluster = %self.name, "changed passwords or certificates are in use");
                self.used = candidate.made_of;
                return Some(candidate.client);
            }
            Err(error) if !candidate.refusal_told => {
                let code = error.word();
                warn!(cluster = %self.name, code, %error,
                    "changed passwords or certificates don't work; those from before stay in use");
                candidate.refusal_told = true;
            }
            Err(_) => {}
        }
        candidate.proof = prove(&candidate.client, self.request_timeout);
        self.candidate = Some(candidate);
        None
    }

    /// Makes a candidate if there is something new.
    async fn look(&mut self, client: &Client) {
        if self.cluster.security.files().next().is_none() {
            return;
        }
        let (seen, cluster, client) = (self.seen, self.cluster.clone(), client.clone());
        let request_timeout = self.request_timeout;
        let looked = spawn_blocking(move || {
            let found = Holding::of(cluster.security.files());
            (found != seen).then(|| (found, next_client(&client, cluster, request_timeout)))
        });
        let Ok(Some((found, next))) = looked.await else {
            return;
        };
        self.seen = found;
        self.discard_candidate();
        if found == self.used {
            return;
        }
        match next {
            Ok(client) => {
                self.candidate = Some(Candidate {
                    proof: prove(&client, self.request_timeout),
                    client,
                    made_of: found,
                    refusal_told: false,
                });
            }
            Err(error) => warn!(cluster = %self.name, %error,
                "changed passwords or certificates are refused; those from before stay in use"),
        }
    }

    fn discard_candidate(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            end(candidate.client);
        }
    }
}

/// Drops a client where waiting for its end delays nobody.
pub(super) fn end(client: Client) {
    // Nobody waits for it.
    drop(spawn_blocking(move || drop(client)));
}

/// Librdkafka reads the files of certificates itself; secrets are read here.
/// Both come after the look, so that what changes in between is seen by the
/// next one.
fn next_client(
    client: &Client,
    mut cluster: ClusterConfig,
    request_timeout: Duration,
) -> Result<Client, Unusable> {
    cluster.security = cluster.security.read_again().map_err(Unusable::Secret)?;
    let settings = ClientSettings::of(&cluster, request_timeout);
    Ok(client.succeeded_by(&settings)?)
}

/// Asks the brokers something that any of them can answer.
fn prove(client: &Client, within: Duration) -> AbortOnDropHandle<Result<(), RequestError>> {
    let client = client.clone();
    let asked = async move { client.brokers(within).await.map(drop) };
    AbortOnDropHandle::new(tokio::spawn(asked))
}

fn outcome(proof: &mut AbortOnDropHandle<Result<(), RequestError>>) -> Result<(), RequestError> {
    match proof.now_or_never() {
        Some(Ok(answer)) => answer,
        Some(Err(_)) | None => Err(RequestError::Closed),
    }
}
