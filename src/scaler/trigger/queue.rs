//! A trigger of a task in a queue: a group with one topic of its own name, in a
//! stream that is called as the queue is.

use crate::model::{ClusterName, MAX_TASK_CHARS};

use super::super::metadata::Reader;
use super::{cluster::listed, metric::Selection, names, rules::TriggerRules};

const QUEUE: &str = "queue";
const TASK: &str = "task";
/// Either makes it one of a queue.
pub(super) const KEYS: [&str; 2] = [QUEUE, TASK];

const A_TASK: &str = "the name of a task, at most 249 characters and none of them control";

/// What a queue has not: groups, topics, partitions, members, commits that may be
/// missing, and faults of KEDA's `kafka` trigger.
const KAFKAS: [&str; 13] = [
    "consumerGroup",
    "topic",
    "bootstrapServers",
    "cluster",
    "partitionLimitation",
    "offsetResetPolicy",
    "scaleToZeroOnInvalidOffset",
    "allowIdleConsumers",
    "limitToPartitionsWithLag",
    "ensureEvenDistributionOfPartitions",
    "includeHistoric",
    "rebalanceGracePeriod",
    "compatibility",
];

/// The queue, what of it, and the metrics' name.
pub(super) fn read(
    reader: &mut Reader<'_>,
    rules: &TriggerRules,
) -> (ClusterName, Selection, String) {
    let beside = if reader.has(TASK) { TASK } else { QUEUE };
    refuse(reader, &KAFKAS, beside);
    let queue = queue(reader, &rules.queues);
    let task = reader.required(TASK, A_TASK);
    if let Some(task) = task.filter(|task| !is_task(task)) {
        reader.refuse(TASK, task, A_TASK);
    }
    let task = task.unwrap_or_default();
    let name = names::of_queue(queue.as_str(), task);
    (queue, Selection::task(task), name)
}

/// Each of `keys` that is there is a mistake beside `beside`.
pub(super) fn refuse(reader: &mut Reader<'_>, keys: &[&str], beside: &str) {
    for key in keys {
        if reader.has(key) {
            reader.refuse_beside(key, beside);
        }
    }
}

/// By its name; if none is given, the only one that there is.
fn queue(reader: &mut Reader<'_>, known: &[ClusterName]) -> ClusterName {
    let accepted = match known {
        [] => "a name under [queues], which has none".to_owned(),
        known => listed(known, |name| format!("{:?}", name.as_str())),
    };
    let named = match known {
        [only] => reader.text(QUEUE).unwrap_or(only.as_str()),
        _ => reader.required(QUEUE, &accepted).unwrap_or_default(),
    };
    let found = known.iter().find(|known| known.as_str() == named);
    if found.is_none() && !named.is_empty() {
        reader.refuse(QUEUE, named, &accepted);
    }
    found.cloned().unwrap_or_else(|| ClusterName::from(named))
}

/// May a task be called so?
pub(super) fn is_task(name: &str) -> bool {
    (1..=MAX_TASK_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Activation, LagPolicy, Measure, Metric, Trigger, TriggerRules, testing::*};

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    const TASK: (&str, &str) = ("task", "ingest-logs");

    fn valid(pairs: Pairs<'_>) -> Trigger {
        parse(pairs, &with_queues(&["work"])).expect("valid")
    }

    fn only(pairs: Pairs<'_>) -> Metric {
        let mut metrics = valid(pairs).metrics;
        assert_eq!(metrics.len(), 1);
        metrics.remove(0)
    }

    fn refusal(pairs: Pairs<'_>, queues: &[&str]) -> String {
        let refused = parse(pairs, &with_queues(queues));
        refused.expect_err("refused").to_string()
    }

    #[test]
    fn a_task_is_a_group_with_a_topic_of_its_name() {
        for pairs in [&[TASK][..], &[TASK, ("queue", "work")]] {
            let trigger = valid(pairs);
            assert_eq!(trigger.cluster, "work".into());
            let [watch] = &trigger.watch_names()[..] else {
                panic!("one metric");
            };
            assert_eq!(watch.group, Some("ingest-logs".into()));
            assert_eq!(watch.topic, Some("ingest-logs".into()));
            let metric = &trigger.metrics[0];
            assert_eq!(metric.name, "queue-work-ingest-logs");
            assert_eq!(metric.measure, Measure::Lag(LagPolicy::unbounded(10.0)));
            let (on, off) = (0.0, 0.0);
            assert_eq!(metric.activation, Activation::Above { on, off });
        }
    }

    #[test]
    fn depth_is_another_name_of_lag() {
        for pairs in [
            &[TASK, ("metric", "depth"), ("depth", "50")][..],
            &[TASK, ("metric", "depth"), ("targetSize", "50")],
            &[TASK, ("metric", "lag"), ("lag", "50")],
            &[TASK, ("lagThreshold", "50")],
        ] {
            let metric = only(pairs);
            assert_eq!(metric.measure, Measure::Lag(LagPolicy::unbounded(50.0)));
            assert_eq!(
                (metric.name.as_str(), metric.target),
                ("queue-work-ingest-logs", 50.0)
            );
        }
        let trigger = valid(&[
            TASK,
            ("metrics", "depth,timeLag"),
            ("depth", "50"),
            ("activationDepth", "5"),
            ("timeLag", "30"),
        ]);
        let (on, off) = (5.0, 5.0);
        assert_eq!(trigger.metrics[0].activation, Activation::Above { on, off });
        assert_eq!(trigger.metrics[1].name, "queue-work-ingest-logs-timeLag");
        let message = refusal(&[TASK, ("metrics", "lag,depth")], &["work"]);
        assert!(message.contains("metrics is \"lag,depth\""), "{message}");
        let of_kafka = [("consumerGroup", "g"), ("metric", "depth")];
        let message = refusal(&of_kafka, &["work"]);
        assert!(message.contains("metric is \"depth\""), "{message}");
        assert!(!message.contains("or \"depth\""), "{message}");
    }

    #[test]
    fn what_does_not_move_may_be_left_out() {
        let pairs = [
            TASK,
            ("excludePersistentLag", "true"),
            ("persistentLagPeriod", "2m"),
        ];
        let measure = only(&pairs).measure;
        let after = Some(Duration::from_secs(120));
        assert_eq!(measure.policy().persistent_after, after);
    }

    #[test]
    fn what_a_queue_has_not_is_refused_by_name() {
        for key in super::KAFKAS {
            let message = refusal(&[TASK, (key, "1")], &["work"]);
            let expected = format!("{key} is \"1\", accepted is nothing beside task");
            assert!(message.contains(&expected), "{message}");
            assert!(!message.contains(';'), "one mistake: {message}");
        }
        let message = refusal(&[("queue", "work"), ("topic", "t")], &["work"]);
        assert!(message.contains("nothing beside queue"), "{message}");
        for others in [
            &[("serviceType", "ingest-logs")][..],
            &[
                ("entityType", "plugin"),
                ("pluginName", "p"),
                ("targetSize", "1"),
            ],
        ] {
            let message = refusal(&[&[TASK][..], others].concat(), &["work"]);
            let expected = format!("accepted is nothing beside {}", others[0].0);
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn without_a_cluster_only_queues_can_be_asked_for() {
        let rules = TriggerRules {
            clusters: Vec::new(),
            ..with_queues(&["work"])
        };
        assert!(parse(&[TASK], &rules).is_ok());
        let message = parse(&[("consumerGroup", "g")], &rules).expect_err("no cluster");
        let expected = "cluster is missing, accepted is a name under [clusters], which has none";
        assert!(message.to_string().contains(expected), "{message}");
    }

    #[test]
    fn queues_and_tasks_that_there_are_not_are_told() {
        let long = "x".repeat(250);
        for (queues, pairs, expected) in [
            (
                &["work"][..],
                &[TASK, ("queue", "play")][..],
                "queue is \"play\", accepted is \"work\"",
            ),
            (
                &["work", "rest"],
                &[TASK],
                "queue is missing, accepted is \"work\" or \"rest\"",
            ),
            (
                &[],
                &[TASK],
                "queue is missing, accepted is a name under [queues], which has none",
            ),
            (
                &[],
                &[TASK, ("queue", "work")],
                "queue is \"work\", accepted is a name under [queues], which has none",
            ),
            (
                &["work"],
                &[("queue", "work")],
                "task is missing, accepted is the name of a task",
            ),
            (&["work"], &[("task", " ")], "task is \" \""),
            (&["work"], &[("task", &long)], "task is \"xxx"),
            (&["work"], &[("task", "a\nb")], "task is \"a\\nb\""),
        ] {
            let message = refusal(pairs, queues);
            assert!(message.contains(expected), "{expected:?}: {message}");
            assert!(!message.contains(';'), "one mistake: {message}");
            assert!(message.len() < 500, "{message}");
        }
        let longest = "x".repeat(249);
        assert_eq!(valid(&[("task", &longest)]).cluster, "work".into());
    }
}
