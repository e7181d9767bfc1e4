//! Connections as they come in, over TLS where that is configured.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::{connection::Connection, handshakes::Outcome, listener::ListenerTls};

/// From the connection's start to the handshake's end; KEDA's adapter gives up
/// after 3 s.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Handshakes under way at one time. One more, and the oldest ends: who is well
/// is done in milliseconds, so it is one of a client that is silent.
const MAX_HANDSHAKES: usize = 512;
/// Where there is no room for another connection, as with too many open files.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);

type Shaken = (u64, SocketAddr, Option<Connection>);

/// Connections as they come in. Whoever is slow or silent holds up no other.
#[derive(Debug)]
pub struct Incoming {
    listener: TcpListener,
    tls: Option<Arc<ListenerTls>>,
    shaking: JoinSet<Shaken>,
    /// Those in `shaking`, in the order in which they began.
    order: BTreeMap<u64, AbortHandle>,
    begun: u64,
    most_handshakes: usize,
}

impl Incoming {
    /// Those of `listener`, over TLS if there is any.
    pub fn new(listener: TcpListener, tls: Option<Arc<ListenerTls>>) -> Self {
        Self {
            listener,
            tls,
            shaking: JoinSet::new(),
            order: BTreeMap::new(),
            begun: 0,
            most_handshakes: MAX_HANDSHAKES,
        }
    }

    /// Where they come in.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next one that can be used, and from where it comes. Nothing is lost if
    /// it is dropped before.
    pub async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        stream.set_nodelay(true).ok();
                        match self.tls.clone() {
                            None => return (Connection::plain(stream), peer),
                            Some(tls) => self.begin(stream, peer, tls),
                        }
                    }
                    Err(error) => after(error).await,
                },
                Some(shaken) = self.shaking.join_next() => {
                    // One that was crowded out is cancelled.
                    let Ok((number, peer, connection)) = shaken else { continue };
                    self.order.remove(&number);
                    if let Some(connection) = connection {
                        return (connection, peer);
                    }
                }
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr, tls: Arc<ListenerTls>) {
        if self.order.len() >= self.most_handshakes
            && let Some((_, oldest)) = self.order.pop_first()
        {
            oldest.abort();
            tls.handshakes().count(Outcome::CrowdedOut);
        }
        let number = self.begun;
        self.begun += 1;
        let shaken = async move { (number, peer, shake(stream, peer, &tls).await) };
        self.order.insert(number, self.shaking.spawn(shaken));
    }
}

async fn shake(stream: TcpStream, peer: SocketAddr, tls: &ListenerTls) -> Option<Connection> {
    let config = Arc::clone(&tls.files().newest().config);
    let accepted = TlsAcceptor::from(config).accept(stream);
    let listener = tls.listener().name();
    let (outcome, connection) = match timeout(HANDSHAKE_LIMIT, accepted).await {
        Ok(Ok(stream)) => (Outcome::Ok, Some(Connection::tls(stream))),
        Ok(Err(cause)) => {
            debug!(listener, %peer, %cause, "no TLS connection");
            (Outcome::of(&cause), None)
        }
        Err(_) => {
            debug!(listener, %peer, limit = ?HANDSHAKE_LIMIT, "no TLS connection in time");
            (Outcome::TimedOut, None)
        }
    };
    tls.handshakes().count(outcome);
    connection
}

/// A client that has gone again is of no interest; anything else may last.
async fn after(error: io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    ) {
        warn!(%error, "a connection can't be accepted");
        sleep(PAUSE_AFTER_FAILURE).await;
    }
}

#[cfg(test)]
mod tests;
