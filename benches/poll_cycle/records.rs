//! The records that make groups lag.

use anyhow::{Result, ensure};
use tidegauge::kafka::Producer;

use crate::shape::Shape;

/// Each waits some seconds; a busy machine takes longer.
const FLUSHES: usize = 60;

/// Writes one record to each partition of every second topic.
pub(crate) fn write_all(shape: Shape, bootstrap_servers: &str) -> Result<()> {
    let producer = Producer::connect(bootstrap_servers)?;
    for (topic, partitions) in shape.topics_with_records() {
        for partition in 0..i32::try_from(partitions)? {
            producer.send(&topic, Some(partition), 1)?;
        }
    }
    let flushed = (0..FLUSHES).any(|_| producer.flush().is_ok());
    ensure!(flushed, "the brokers do not take all records");
    Ok(())
}
