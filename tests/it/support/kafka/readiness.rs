//! Whether a broker serves clients, asked in Kafka's own protocol.

use std::io;

use super::wire::{Answer, Api, Body, ask};

const METADATA: Api = Api { key: 3, version: 2 };

/// Whether the broker of this cluster, not a stranger on its port, serves
/// clients, and tells them of the brokers `ids`.
pub(super) fn serves(port: u16, cluster_id: &str, ids: &[i32]) -> bool {
    let no_topics = Body::default().int32(0);
    let metadata = ask(port, METADATA, &no_topics).and_then(Metadata::read);
    metadata.is_ok_and(|metadata| {
        let lets_in = |id| metadata.brokers.contains(id);
        metadata.cluster_id == cluster_id.as_bytes() && ids.iter().all(lets_in)
    })
}

/// Kafka's answer to a metadata request, as far as readiness needs it.
struct Metadata {
    /// Brokers that the controller lets serve; none until it has let them in.
    brokers: Vec<i32>,
    cluster_id: Vec<u8>,
}

impl Metadata {
    fn read(mut answer: Answer) -> io::Result<Metadata> {
        let mut brokers = Vec::new();
        for _ in 0..answer.int32()? {
            brokers.push(answer.int32()?);
            let _host = answer.string()?;
            let _port = answer.int32()?;
            let _rack = answer.string()?;
        }
        let cluster_id = answer.string()?;
        Ok(Metadata {
            brokers,
            cluster_id,
        })
    }
}
