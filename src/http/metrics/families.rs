//! The lag metrics by name, for the page and for what is backfilled.

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
pub(crate) const TRUNCATED: Family = family(
    "tidegauge_metrics_truncated",
    "1 if there are more partitions than are exported one by one",
);
