//! Whether a broker serves clients, asked in Kafka's own protocol.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Whether the broker of this cluster, not a stranger on its port, serves
/// clients, and tells them of the brokers `ids`.
pub(super) fn serves(port: u16, cluster_id: &str, ids: &[i32]) -> bool {
    probe(port).is_ok_and(|answer| {
        let told = Metadata::read(&answer);
        told.is_some_and(|metadata| {
            let lets_in = |id| metadata.brokers.contains(id);
            metadata.cluster_id == cluster_id.as_bytes() && ids.iter().all(lets_in)
        })
    })
}

/// Kafka's answer to a metadata request, as far as readiness needs it.
struct Metadata<'a> {
    /// Brokers that the controller lets serve; none until it has let them in.
    brokers: Vec<i32>,
    cluster_id: &'a [u8],
}

impl<'a> Metadata<'a> {
    /// `None` when it is no such answer.
    fn read(mut bytes: &'a [u8]) -> Option<Metadata<'a>> {
        let _correlation_id = int32(&mut bytes)?;
        let mut brokers = Vec::new();
        for _ in 0..int32(&mut bytes)? {
            brokers.push(int32(&mut bytes)?);
            let _host = string(&mut bytes)?;
            let _port = int32(&mut bytes)?;
            let _rack = string(&mut bytes)?;
        }
        let cluster_id = string(&mut bytes)?;
        Some(Metadata {
            brokers,
            cluster_id,
        })
    }
}

fn int32(bytes: &mut &[u8]) -> Option<i32> {
    bytes
        .split_off(..4)
        .and_then(|taken| taken.try_into().ok())
        .map(i32::from_be_bytes)
}

/// Empty where it is null (length -1).
fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = i16::from_be_bytes(bytes.split_off(..2)?.try_into().ok()?);
    bytes.split_off(..usize::try_from(length).unwrap_or(0))
}

/// Asks for metadata (version 2) of no topics; the answer without its length.
fn probe(port: u16) -> io::Result<Vec<u8>> {
    const REQUEST: [u8; 18] = [
        0, 0, 0, 14, // length of the rest
        0, 3, 0, 2, // Metadata, version 2
        0, 0, 0, 1, // correlation id
        255, 255, // no client id
        0, 0, 0, 0, // no topics
    ];

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PROBE_LIMIT)?;
    stream.set_read_timeout(Some(PROBE_LIMIT))?;
    stream.write_all(&REQUEST)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
    // A stranger's answer is not to be believed about its length.
    let mut answer = vec![0; length.min(65_536)];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
