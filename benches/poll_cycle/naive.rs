//! The naive way to read the same: a consumer for each group that fetches its
//! commits, and one `fetch_watermarks` for each partition. Measured on a part
//! and scaled up, as the names of its lines say.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    print,
    process::own_cpu_s,
    shape::{GroupCommits, Shape, partitions_i32},
};

const GROUPS: usize = 25;
const PARTITIONS: usize = 500;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Measures a part of it and prints the figures under `name`. Gives back the
/// wall seconds of all of it.
pub(crate) fn measure(name: &str, shape: Shape, bootstrap_servers: &str) -> Result<f64> {
    let groups = Spent::by(|| read_groups(shape, bootstrap_servers))?
        .times(shape.groups as f64 / GROUPS as f64);
    let partitions = Spent::by(|| read_partitions(shape, bootstrap_servers))?
        .times(shape.partitions as f64 / PARTITIONS as f64);
    print(
        name,
        "naive_scaled_from",
        format_args!("{GROUPS}_groups_and_{PARTITIONS}_partitions"),
    );
    let wall_s = groups.wall_s + partitions.wall_s;
    let cpu_s = groups.cpu_s + partitions.cpu_s;
    print(name, "naive_scaled_wall_s", format_args!("{wall_s:.1}"));
    print(name, "naive_scaled_cpu_s", format_args!("{cpu_s:.1}"));
    Ok(wall_s)
}

/// The last ones: those before may be of wide topics.
fn read_groups(shape: Shape, bootstrap_servers: &str) -> Result<()> {
    for at in shape.groups - GROUPS..shape.groups {
        let GroupCommits {
            group,
            topic,
            partitions,
        } = shape.group(at);
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&topic, 0, partitions_i32(partitions)? - 1);
        let committed = consumer(bootstrap_servers, &group)?.committed_offsets(list, TIMEOUT)?;
        let elements = committed.elements();
        let mut offsets = elements.iter().map(|entry| entry.offset());
        ensure!(offsets.all(|offset| offset == Offset::Offset(0)));
    }
    Ok(())
}

fn read_partitions(shape: Shape, bootstrap_servers: &str) -> Result<()> {
    let watcher = consumer(bootstrap_servers, "bench-watermarks")?;
    let all = shape.topics().into_iter().rev();
    let partitions = all.flat_map(|(topic, partitions)| {
        (0..partitions).map(move |partition| (topic.clone(), partition))
    });
    for (topic, partition) in partitions.take(PARTITIONS) {
        watcher.fetch_watermarks(&topic, partitions_i32(partition)?, TIMEOUT)?;
    }
    Ok(())
}

fn consumer(bootstrap_servers: &str, group: &str) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap_servers)
        .set("group.id", group);
    Ok(config.create()?)
}

struct Spent {
    wall_s: f64,
    cpu_s: f64,
}

impl Spent {
    fn by(work: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (started, cpu) = (Instant::now(), own_cpu_s());
        work()?;
        Ok(Self {
            wall_s: started.elapsed().as_secs_f64(),
            cpu_s: own_cpu_s() - cpu,
        })
    }

    fn times(self, factor: f64) -> Self {
        Self {
            wall_s: factor * self.wall_s,
            cpu_s: factor * self.cpu_s,
        }
    }
}
