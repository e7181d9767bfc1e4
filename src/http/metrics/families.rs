//! The metrics of clusters, groups and topics by name: for the page, for queries
//! over what was recorded, and for what is backfilled.

use super::page::{Family, family};

pub(crate) const GROUP_OFFSET: Family = family(
    "kafka_consumergroup_group_offset",
    "Committed offset of a group in a partition",
);
pub(crate) const GROUP_LAG: Family = family(
    "kafka_consumergroup_group_lag",
    "Records that a group has yet to read in a partition",
);
pub(crate) const GROUP_LAG_SECONDS: Family = family(
    "kafka_consumergroup_group_lag_seconds",
    "How long the next record to read has waited; a lower bound beyond the window",
);
pub(crate) const GROUP_MAX_LAG: Family = family(
    "kafka_consumergroup_group_max_lag",
    "The largest lag of a group in one partition",
);
pub(crate) const GROUP_MAX_LAG_SECONDS: Family = family(
    "kafka_consumergroup_group_max_lag_seconds",
    "The longest time lag of a group in one partition",
);
pub(crate) const GROUP_SUM_LAG: Family = family(
    "kafka_consumergroup_group_sum_lag",
    "Lag of a group over all its partitions",
);
pub(crate) const GROUP_TOPIC_SUM_LAG: Family = family(
    "kafka_consumergroup_group_topic_sum_lag",
    "Lag of a group over all partitions of a topic",
);
pub(crate) const GROUP_STATUS: Family = family(
    "tidegauge_group_status",
    "1 for a group's status by Burrow's rules: OK, WARN or ERR; nothing where it is not known",
);
pub(crate) const LATEST_OFFSET: Family = family(
    "kafka_partition_latest_offset",
    "Log end offset of a partition",
);
pub(crate) const EARLIEST_OFFSET: Family = family(
    "kafka_partition_earliest_offset",
    "Log start offset of a partition",
);
pub(crate) const POLL_TIME_MS: Family = family(
    "kafka_consumergroup_poll_time_ms",
    "How long the newest poll cycle took, in milliseconds",
);
pub(crate) const GROUP_ARRIVAL: Family = family(
    "tidegauge_group_topic_arrival_records_per_second",
    "How fast the topic's partitions grow that a group reads",
);
pub(crate) const GROUP_CONSUMPTION: Family = family(
    "tidegauge_group_topic_consumption_records_per_second",
    "How fast a group commits in a topic",
);
pub(crate) const GROUP_ETA: Family = family(
    "tidegauge_group_eta_seconds",
    "When a group's lag will be gone at the present rates; nothing where that is never or not known",
);
pub(crate) const GROUP_MEMBERS: Family =
    family("tidegauge_group_members", "How many members a group has");
pub(crate) const GROUP_LOST: Family = family(
    "tidegauge_group_lost_records",
    "Records that retention deleted before a group read them",
);
pub(crate) const QUEUE_DEPTH: Family = family(
    "tidegauge_queue_depth",
    "How many items of a task wait in a queue",
);
pub(crate) const QUEUE_OLDEST_AGE: Family = family(
    "tidegauge_queue_oldest_age_seconds",
    "How long the oldest item of a task has waited, as the queue says it; nothing where it does not",
);
pub(crate) const QUEUE_TIME_LAG: Family = family(
    "tidegauge_queue_time_lag_seconds",
    "The same, or where the queue does not say it, how long ago the depth was first exceeded; a lower bound beyond the window",
);
pub(crate) const QUEUE_ARRIVAL: Family = family(
    "tidegauge_queue_arrival_items_per_second",
    "How fast items of a task come into a queue; a lower bound where they are told by the depth alone",
);
pub(crate) const QUEUE_CONSUMPTION: Family = family(
    "tidegauge_queue_consumption_items_per_second",
    "How fast items of a task go from a queue; a lower bound where they are told by the depth alone",
);
pub(crate) const QUEUE_RATES_FROM: Family = family(
    "tidegauge_queue_rates_from",
    "1 for what the rates of a task are made of: counters or depth",
);
pub(crate) const QUEUE_ETA: Family = family(
    "tidegauge_queue_eta_seconds",
    "When a queue will have no item of a task at the present rates; nothing where that is never or not known",
);
pub(crate) const QUEUE_STATUS: Family = family(
    "tidegauge_queue_status",
    "1 for a task's status by Burrow's rules: OK, WARN or ERR; nothing where it is not known",
);
pub(crate) const TOLD_VALUE: Family = family(
    "tidegauge_told_metric_value",
    "The metric value that KEDA was told last",
);
pub(crate) const TOLD_TARGET: Family = family(
    "tidegauge_told_target",
    "What one replica is to bear, as KEDA was told last",
);
pub(crate) const TOLD_ACTIVE: Family = family(
    "tidegauge_told_active",
    "Was KEDA told last that there is something to do (1), or not (0)",
);

/// What one series of a family is about, which decides its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Group,
    /// A group, and its status in a label.
    Status,
    GroupTopic,
    GroupPartition,
    TopicPartition,
    /// A task of a queue.
    Task,
    /// A task, and its status in a label.
    TaskStatus,
    /// A task, and what its rates are made of in a label.
    TaskRates,
    Watch,
}

impl Subject {
    /// The labels that are not always empty.
    pub(crate) fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Group => &["cluster_name", "group"],
            Self::Status => &["cluster_name", "group", "status"],
            Self::GroupTopic => &["cluster_name", "group", "topic"],
            Self::GroupPartition => &["cluster_name", "group", "topic", "partition"],
            Self::TopicPartition => &["cluster_name", "topic", "partition"],
            Self::Task => &["queue", "task"],
            Self::TaskStatus => &["queue", "task", "status"],
            Self::TaskRates => &["queue", "task", "rates_from"],
            Self::Watch => &["cluster_name", "group", "topic", "metric_name", "watch"],
        }
    }

    /// The label that has the name of the cluster or queue.
    pub(crate) fn source_label(self) -> &'static str {
        self.labels()[0]
    }
}

/// What a family measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Committed,
    Lag,
    MaxLag,
    SumLag,
    LogEnd,
    LogStart,
    Lost,
    Members,
    TimeLag,
    MaxTimeLag,
    Status,
    Arrival,
    Consumption,
    Eta,
    OldestAge,
    RatesFrom,
    MetricValue,
    Target,
    Active,
}

/// A family of which history tells what it told.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) family: Family,
    pub(crate) subject: Subject,
    pub(crate) measure: Measure,
}

const fn recorded(family: Family, subject: Subject, measure: Measure) -> Recorded {
    Recorded {
        family,
        subject,
        measure,
    }
}

/// All of them, in the order of a page.
pub(crate) const RECORDED: &[Recorded] = &[
    recorded(GROUP_OFFSET, Subject::GroupPartition, Measure::Committed),
    recorded(GROUP_LAG, Subject::GroupPartition, Measure::Lag),
    recorded(GROUP_LAG_SECONDS, Subject::GroupPartition, Measure::TimeLag),
    recorded(GROUP_MAX_LAG, Subject::Group, Measure::MaxLag),
    recorded(GROUP_MAX_LAG_SECONDS, Subject::Group, Measure::MaxTimeLag),
    recorded(GROUP_SUM_LAG, Subject::Group, Measure::SumLag),
    recorded(GROUP_TOPIC_SUM_LAG, Subject::GroupTopic, Measure::SumLag),
    recorded(GROUP_STATUS, Subject::Status, Measure::Status),
    recorded(GROUP_ARRIVAL, Subject::GroupTopic, Measure::Arrival),
    recorded(GROUP_CONSUMPTION, Subject::GroupTopic, Measure::Consumption),
    recorded(GROUP_ETA, Subject::Group, Measure::Eta),
    recorded(GROUP_MEMBERS, Subject::Group, Measure::Members),
    recorded(GROUP_LOST, Subject::Group, Measure::Lost),
    recorded(LATEST_OFFSET, Subject::TopicPartition, Measure::LogEnd),
    recorded(EARLIEST_OFFSET, Subject::TopicPartition, Measure::LogStart),
    recorded(QUEUE_DEPTH, Subject::Task, Measure::SumLag),
    recorded(QUEUE_OLDEST_AGE, Subject::Task, Measure::OldestAge),
    recorded(QUEUE_TIME_LAG, Subject::Task, Measure::MaxTimeLag),
    recorded(QUEUE_ARRIVAL, Subject::Task, Measure::Arrival),
    recorded(QUEUE_CONSUMPTION, Subject::Task, Measure::Consumption),
    recorded(QUEUE_RATES_FROM, Subject::TaskRates, Measure::RatesFrom),
    recorded(QUEUE_ETA, Subject::Task, Measure::Eta),
    recorded(QUEUE_STATUS, Subject::TaskStatus, Measure::Status),
    recorded(TOLD_VALUE, Subject::Watch, Measure::MetricValue),
    recorded(TOLD_TARGET, Subject::Watch, Measure::Target),
    recorded(TOLD_ACTIVE, Subject::Watch, Measure::Active),
];
pub(crate) const TRUNCATED: Family = family(
    "tidegauge_metrics_truncated",
    "1 if series were left out of this page",
);
pub(crate) const LEFT_OUT: Family = family(
    "tidegauge_metrics_left_out_series",
    "Series left out of this page since there are too many: of partitions, whose groups and topics are then told by their sums, of groups, of watches",
);
