//! Three real Kafka brokers.
//!
//! They keep their data in the folder for temporary files. Where that is a disk,
//! 50,000 partitions take long to make: `TMPDIR=/dev/shm` is faster.

pub(crate) mod commits;
pub(crate) mod topics;

use crate::support::kafka::{Cluster, kafka_or_skip};

const BROKERS: i32 = 3;
const HEAP_MB: u32 = 2_048;

/// What brokers with very many partitions need, whose logs stay empty.
const PROPERTIES: [(&str, &str); 4] = [
    ("log.index.size.max.bytes", "4096"),
    ("log.segment.bytes", "1048576"),
    // Kafka's own defaults, not those of the tests.
    ("offsets.topic.num.partitions", "50"),
    ("broker.session.timeout.ms", "30000"),
];

/// Brokers without topics; `None` where this machine has no Kafka.
pub(crate) fn start() -> Option<Cluster> {
    let distribution = kafka_or_skip("poll_cycle")?.with_heap(HEAP_MB);
    Some(Cluster::start_with(&distribution, BROKERS, &PROPERTIES))
}
