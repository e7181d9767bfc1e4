//! Whether a broker serves clients, asked in Kafka's own protocol.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Whether the broker of this cluster, not a stranger on its port, serves clients.
pub(super) fn serves(port: u16, cluster_id: &str) -> bool {
    probe(port).is_ok_and(|metadata| {
        let mut windows = metadata.bytes.windows(cluster_id.len());
        metadata.brokers > 0 && windows.any(|window| window == cluster_id.as_bytes())
    })
}

/// Kafka's answer to a metadata request, as far as readiness needs it.
struct Metadata {
    /// Brokers that the controller lets serve; 0 until it has let this one in.
    brokers: i32,
    bytes: Vec<u8>,
}

/// Asks for metadata (version 2) of no topics.
fn probe(port: u16) -> io::Result<Metadata> {
    const REQUEST: [u8; 18] = [
        0, 0, 0, 14, // length of the rest
        0, 3, 0, 2, // Metadata, version 2
        0, 0, 0, 1, // correlation id
        255, 255, // no client id
        0, 0, 0, 0, // no topics
    ];
    /// Length of the rest, correlation id, number of brokers.
    const HEAD: usize = 12;

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PROBE_LIMIT)?;
    stream.set_read_timeout(Some(PROBE_LIMIT))?;
    stream.write_all(&REQUEST)?;
    let mut head = [0; HEAD];
    stream.read_exact(&mut head)?;
    let [a, b, c, d, .., e, f, g, h] = head;
    let rest = usize::try_from(i32::from_be_bytes([a, b, c, d])).map_err(io::Error::other)?;
    // A stranger's answer is not to be believed about its length.
    let mut bytes = vec![0; rest.saturating_sub(HEAD - 4).min(65_536)];
    stream.read_exact(&mut bytes)?;
    let brokers = i32::from_be_bytes([e, f, g, h]);
    Ok(Metadata { brokers, bytes })
}
