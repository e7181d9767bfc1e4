//! The names that metrics have.

/// KEDA's name of a `kafka` trigger's metric.
pub(super) fn of_kafka(group: &str, topic: Option<&str>) -> String {
    normalized(&match topic {
        Some(topic) => format!("kafka-{topic}"),
        None => format!("kafka-{group}-topics"),
    })
}

/// The name of a task's metric.
pub(super) fn of_queue(queue: &str, task: &str) -> String {
    normalized(&format!("queue-{queue}-{task}"))
}

/// KEDA's `NormalizeString`: what a metric name can't have becomes `-`.
fn normalized(name: &str) -> String {
    name.replace(['/', '.', ':', '%', '(', ')'], "-")
}
