//! Topics with many partitions, made at once.

use std::time::Duration;

use anyhow::{Result, anyhow};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use crate::shape::{Shape, partitions_i32};

/// Brokers refuse requests that make more than 10,000 partitions.
const TOPICS_A_REQUEST: usize = 10;

const TIMEOUT: Duration = Duration::from_secs(300);

/// Makes all topics of the shape.
pub(crate) async fn create_all(shape: Shape, bootstrap_servers: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers);
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let options = AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT));
    for part in shape.topics().chunks(TOPICS_A_REQUEST) {
        let topics = part.iter().map(|(name, partitions)| {
            let partitions = partitions_i32(*partitions)?;
            Ok(NewTopic::new(name, partitions, TopicReplication::Fixed(1)))
        });
        let topics = topics.collect::<Result<Vec<_>>>()?;
        for made in admin.create_topics(&topics, &options).await? {
            made.map_err(|(topic, code)| anyhow!("topic {topic}: {code}"))?;
        }
    }
    Ok(())
}
