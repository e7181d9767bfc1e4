//! How partitions count, by the names of KEDA's `kafka` trigger.

use std::time::Duration;

use super::super::metadata::{ABOVE_ZERO, Reader};
use super::{rules::TriggerRules, steadiness::LEAST_PERIOD};

/// How partitions count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LagPolicy {
    /// `lagThreshold`: records a replica, which bounds count in.
    pub threshold: f64,
    /// `offsetResetPolicy`: what a partition without a commit counts.
    pub offset_reset_policy: OffsetResetPolicy,
    /// `scaleToZeroOnInvalidOffset`: such a partition counts nothing.
    pub scale_to_zero_on_invalid_offset: bool,
    /// How many replicas a lag may ask for.
    pub bound: Bound,
    /// `excludePersistentLag`: a partition in which nothing has been committed
    /// for so long counts 0 for the metric, not for activity.
    pub persistent_after: Option<Duration>,
    /// `compatibility: keda`: KEDA's own values where KEDA is at fault.
    pub as_keda: bool,
}

/// Where a consumer without a commit begins, and so what it has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetResetPolicy {
    /// At the end: counted as one record a partition, so that it starts.
    Latest,
    /// At the start: the whole retained log.
    Earliest,
}

/// How many replicas a lag may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Any number: `allowIdleConsumers`.
    None,
    /// One a partition.
    Partitions,
    /// One a partition that has lag: `limitToPartitionsWithLag`.
    PartitionsWithLag,
    /// A number that divides the partitions evenly:
    /// `ensureEvenDistributionOfPartitions`.
    EvenDistribution,
}

impl LagPolicy {
    /// KEDA's defaults with this threshold, without a bound: for what KEDA's
    /// trigger is not the model of.
    pub fn unbounded(threshold: f64) -> Self {
        Self {
            threshold,
            offset_reset_policy: OffsetResetPolicy::Latest,
            scale_to_zero_on_invalid_offset: false,
            bound: Bound::None,
            persistent_after: None,
            as_keda: false,
        }
    }

    /// Reads what there is of it in a queue, which has no partitions.
    pub(super) fn of_queue(reader: &mut Reader<'_>, rules: &TriggerRules) -> Self {
        Self {
            persistent_after: persistent_after(reader, rules, false),
            ..Self::unbounded(1.0)
        }
    }

    /// Reads all of it but the threshold, which is a metric's target.
    pub(super) fn read(reader: &mut Reader<'_>, rules: &TriggerRules) -> Self {
        let as_keda = reader.choice("compatibility", &[("keda", true)], false);
        Self {
            threshold: 1.0,
            offset_reset_policy: reader.choice(
                "offsetResetPolicy",
                &[
                    ("latest", OffsetResetPolicy::Latest),
                    ("earliest", OffsetResetPolicy::Earliest),
                ],
                OffsetResetPolicy::Latest,
            ),
            scale_to_zero_on_invalid_offset: reader.flag("scaleToZeroOnInvalidOffset", false),
            bound: bound(reader),
            persistent_after: persistent_after(reader, rules, as_keda),
            as_keda,
        }
    }
}

/// KEDA's three flags, and what it refuses of their combinations.
fn bound(reader: &mut Reader<'_>) -> Bound {
    let allows_idle = reader.flag("allowIdleConsumers", false);
    let by_lag = reader.flag("limitToPartitionsWithLag", false);
    let evenly = reader.flag("ensureEvenDistributionOfPartitions", false);
    if allows_idle && by_lag {
        reader.refuse_beside("limitToPartitionsWithLag", "allowIdleConsumers");
    }
    if by_lag && evenly {
        reader.refuse_beside(
            "ensureEvenDistributionOfPartitions",
            "limitToPartitionsWithLag",
        );
    }
    for (key, is_set) in [
        ("limitToPartitionsWithLag", by_lag),
        ("ensureEvenDistributionOfPartitions", evenly),
    ] {
        if is_set && reader.text("topic").is_none() {
            reader.refuse(key, "true", "\"false\" without a topic");
        }
    }
    match (evenly, by_lag, allows_idle) {
        // Even distribution bounds with or without idle consumers, as in KEDA.
        (true, ..) => Bound::EvenDistribution,
        (_, true, _) => Bound::PartitionsWithLag,
        (.., true) => Bound::None,
        _ => Bound::Partitions,
    }
}

/// KEDA judges by its own previous call, so that whoever commits more slowly
/// than it asks is taken for stuck; we judge over a time.
fn persistent_after(
    reader: &mut Reader<'_>,
    rules: &TriggerRules,
    as_keda: bool,
) -> Option<Duration> {
    let key = "persistentLagPeriod";
    let periods = LEAST_PERIOD..=rules.max_window;
    let period = reader.duration(key, periods, rules.window);
    if !reader.flag("excludePersistentLag", false) {
        return None;
    }
    if !as_keda {
        return Some(period);
    }
    if reader.text(key).is_some() {
        reader.refuse_beside(key, "compatibility");
    }
    Some(Duration::ZERO)
}

/// A target, under the one of `keys` that is set.
pub(super) fn target(reader: &mut Reader<'_>, keys: &[&str], default: Option<f64>) -> f64 {
    match (reader.one_of(keys), default) {
        (Some(key), _) => reader.number(key, 1.0, |n| n > 0.0, ABOVE_ZERO),
        (None, Some(default)) => default,
        (None, None) => {
            reader.required(keys[0], ABOVE_ZERO);
            1.0
        }
    }
}
