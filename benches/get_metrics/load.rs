//! Clients that ask one service or the other.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use tidegauge::proto::{GetMetricsRequest, external_scaler_client::ExternalScalerClient};
use tonic::transport::{Channel, Endpoint};

use crate::servers::Servers;

/// How long a turn takes.
const TURN: Duration = Duration::from_millis(700);

type Client = ExternalScalerClient<Channel>;

/// Clients of both services, one a connection.
pub(crate) struct Load {
    ours: Vec<Client>,
    empty: Vec<Client>,
    requests: Arc<[GetMetricsRequest]>,
}

/// What one turn showed.
pub(crate) struct Outcome {
    /// Calls answered, a second.
    pub(crate) per_s: f64,
    /// 99 of 100 took no longer than this.
    pub(crate) p99_us: f64,
}

impl Load {
    pub(crate) async fn connect(
        servers: &Servers,
        connections: usize,
        requests: Arc<[GetMetricsRequest]>,
    ) -> Self {
        Self {
            ours: connect(servers.ours, connections).await,
            empty: connect(servers.empty, connections).await,
            requests,
        }
    }

    pub(crate) async fn ask_ours(&self) -> Outcome {
        self.ask(&self.ours).await
    }

    pub(crate) async fn ask_empty(&self) -> Outcome {
        self.ask(&self.empty).await
    }

    async fn ask(&self, clients: &[Client]) -> Outcome {
        let start = Instant::now();
        let asking = clients.iter().enumerate().map(|(place, client)| {
            let requests = Arc::clone(&self.requests);
            // Each begins elsewhere among the watches.
            let first = place * requests.len() / clients.len();
            tokio::spawn(ask_until(client.clone(), requests, first, start + TURN))
        });
        let times = join_all(asking.collect::<Vec<_>>()).await;
        let elapsed_s = start.elapsed().as_secs_f64();
        let mut times: Vec<_> = times
            .into_iter()
            .flat_map(|times| times.expect("asked"))
            .collect();
        times.sort_unstable();
        Outcome {
            per_s: times.len() as f64 / elapsed_s,
            p99_us: times[times.len() * 99 / 100].as_secs_f64() * 1e6,
        }
    }
}

async fn connect(address: SocketAddr, connections: usize) -> Vec<Client> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let connecting = (0..connections).map(|_| endpoint.connect());
    let channels = join_all(connecting).await;
    let clients = channels
        .into_iter()
        .map(|channel| Client::new(channel.expect("connected")));
    clients.collect()
}

async fn ask_until(
    mut client: Client,
    requests: Arc<[GetMetricsRequest]>,
    first: usize,
    end: Instant,
) -> Vec<Duration> {
    let mut times = Vec::new();
    for place in first.. {
        let request = requests[place % requests.len()].clone();
        let start = Instant::now();
        if start >= end {
            break;
        }
        client.get_metrics(request).await.expect("answered");
        times.push(start.elapsed());
    }
    times
}
