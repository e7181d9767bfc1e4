//! The trigger of a plain ScaledObject: KEDA's `kafka` trigger by its own
//! names, and what Tidegauge adds; of a group's topics, or of a queue's task.

use std::time::Duration;

use crate::model::{ClusterName, GroupId, TopicName};

use super::super::metadata::Reader;
use super::{
    PartitionSet, cluster,
    metric::{Activation, Measure, Metric, Selection},
    names,
    policy::{self, LagPolicy},
    queue,
    rules::TriggerRules,
    steadiness::{LEAST_PERIOD, Steadiness},
};

/// KEDA's default of `lagThreshold`.
const DEFAULT_LAG: f64 = 10.0;
/// What an ETA is told at most where nothing else is said, in seconds.
const DEFAULT_ETA_CAP_S: f64 = 3_600.0;

/// What a metric may be, by its name in metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lag,
    AverageLag,
    TimeLag,
    Eta,
    Backlog,
    ConsumptionDeficit,
}

const KINDS: [(&str, Kind); 6] = [
    ("lag", Kind::Lag),
    ("averageLag", Kind::AverageLag),
    ("timeLag", Kind::TimeLag),
    ("eta", Kind::Eta),
    ("backlog", Kind::Backlog),
    ("consumptionDeficit", Kind::ConsumptionDeficit),
];

/// Another name of lag, where it is one.
const DEPTH: (&str, Kind) = ("depth", Kind::Lag);

pub(super) fn read(reader: &mut Reader<'_>, rules: &TriggerRules) -> (ClusterName, Vec<Metric>) {
    let is_queue = queue::KEYS.iter().any(|key| reader.has(key));
    let (cluster, selection, base_name) = if is_queue {
        queue::read(reader, rules)
    } else {
        group(reader, rules)
    };
    let kinds = kinds(reader, &known_kinds(is_queue));
    let periods = LEAST_PERIOD..=rules.max_window;
    let window = reader.duration("window", periods, rules.window);
    let shared = Shared {
        is_alone: kinds.len() == 1,
        policy: if is_queue {
            LagPolicy::of_queue(reader, rules)
        } else {
            LagPolicy::read(reader, rules)
        },
        steadiness: Steadiness::read(reader),
        selection,
        base_name,
        window,
    };
    let metrics = kinds.into_iter();
    let metrics = metrics.map(|(name, kind)| metric(reader, name, kind, &shared));
    (cluster, metrics.collect())
}

/// The cluster, what of it, and the metrics' name.
fn group(reader: &mut Reader<'_>, rules: &TriggerRules) -> (ClusterName, Selection, String) {
    let cluster = cluster::read(reader, rules);
    let group = reader.required("consumerGroup", "the group.id of a consumer group");
    let group = GroupId::from(group.unwrap_or_default());
    let historic = reader
        .flag("includeHistoric", false)
        .then(|| GroupId::from(format!("{group}{}", rules.historic_suffix)));
    let topic = reader.text("topic").map(TopicName::from);
    let name = names::of_kafka(group.as_str(), topic.as_ref().map(TopicName::as_str));
    let selection = Selection::Group {
        group,
        historic,
        partitions: partitions(reader, topic.is_some()),
        topic,
    };
    (cluster, selection, name)
}

/// Without a topic KEDA reads the list, and has no use for it.
fn partitions(reader: &mut Reader<'_>, has_topic: bool) -> Option<PartitionSet> {
    let key = "partitionLimitation";
    let text = reader.text(key)?;
    let set = PartitionSet::parse(text);
    if set.is_none() {
        reader.refuse(key, text, PartitionSet::ACCEPTED);
    }
    set.filter(|_| has_topic)
}

type NamedKind = (&'static str, Kind);

fn known_kinds(is_queue: bool) -> Vec<NamedKind> {
    let depth = is_queue.then_some(DEPTH);
    KINDS.into_iter().chain(depth).collect()
}

/// `metric`, or `metrics` with commas between. After a mistake it is lag, so that
/// what is wrong with that is told, too.
fn kinds(reader: &mut Reader<'_>, known: &[NamedKind]) -> Vec<NamedKind> {
    let lag = KINDS[0];
    let Some(key) = reader.one_of(&["metric", "metrics"]) else {
        return vec![lag];
    };
    let is_list = key == "metrics";
    let text = reader.text(key).unwrap_or_default();
    let kinds = kinds_of(text, known);
    match &kinds[..] {
        [] => {
            let names = known.iter().map(|(name, _)| format!("{name:?}"));
            let names: Vec<_> = names.collect();
            let accepted = if is_list {
                format!("some of {}, each once", names.join(", "))
            } else {
                names.join(" or ")
            };
            reader.refuse(key, text, &accepted);
            vec![lag]
        }
        [_, _, ..] if !is_list => {
            reader.refuse(key, text, "one; metrics takes several");
            vec![lag]
        }
        _ => kinds,
    }
}

/// The metrics in a list; none if one is unknown or there twice.
fn kinds_of(text: &str, known: &[NamedKind]) -> Vec<NamedKind> {
    let mut kinds: Vec<NamedKind> = Vec::new();
    for name in text.split(',').map(str::trim) {
        match known.iter().find(|(known, _)| *known == name) {
            Some(found) if kinds.iter().all(|kind| kind.1 != found.1) => kinds.push(*found),
            _ => return Vec::new(),
        }
    }
    kinds
}

/// What the metrics of one trigger have in common.
struct Shared {
    /// Keys that say no metric's name are about the only one.
    is_alone: bool,
    policy: LagPolicy,
    steadiness: Steadiness,
    selection: Selection,
    /// Of a lag; other metrics have theirs behind it.
    base_name: String,
    window: Duration,
}

fn metric(reader: &mut Reader<'_>, name: &str, kind: Kind, shared: &Shared) -> Metric {
    let is_lag = matches!(kind, Kind::Lag | Kind::AverageLag);
    let mut keys = vec![name];
    keys.extend(shared.is_alone.then_some("targetSize"));
    keys.extend(is_lag.then_some("lagThreshold"));
    let target = policy::target(reader, &keys, is_lag.then_some(DEFAULT_LAG));
    let policy = LagPolicy {
        threshold: target,
        ..shared.policy
    };
    Metric {
        name: match kind {
            Kind::Lag => shared.base_name.clone(),
            _ => format!("{}-{name}", shared.base_name),
        },
        target,
        activation: activation(reader, name, is_lag, shared.is_alone),
        selection: shared.selection.clone(),
        measure: measure(reader, kind, policy, shared.window),
        steadiness: shared.steadiness,
    }
}

fn measure(reader: &mut Reader<'_>, kind: Kind, policy: LagPolicy, window: Duration) -> Measure {
    match kind {
        Kind::Lag => Measure::Lag(policy),
        Kind::AverageLag => Measure::AverageLag(policy, window),
        Kind::TimeLag => Measure::TimeLag(policy),
        Kind::Eta => Measure::Eta {
            policy,
            window,
            cap_s: eta_cap(reader),
        },
        Kind::Backlog => Measure::Backlog(policy, window),
        Kind::ConsumptionDeficit => Measure::ConsumptionDeficit(policy, window),
    }
}

fn eta_cap(reader: &mut Reader<'_>) -> f64 {
    let accepted = "a number of seconds above 0";
    reader.number("etaCap", DEFAULT_ETA_CAP_S, |n| n > 0.0, accepted)
}

/// A lag is active above its activation, 0 unless it is given, as in KEDA.
/// Whatever else is scaled on, a record that waits is reason enough to run,
/// unless an activation says otherwise.
fn activation(reader: &mut Reader<'_>, name: &str, is_lag: bool, is_alone: bool) -> Activation {
    let keys = |prefix| threshold_keys(prefix, name, is_lag, is_alone);
    let on = threshold(reader, &keys("activation"), f64::INFINITY, AT_LEAST_ZERO);
    let on = on.or(is_lag.then_some(0.0));
    // Without an activation there is none that it could be below.
    let most = on.unwrap_or(f64::NEG_INFINITY);
    let off = threshold(reader, &keys("deactivation"), most, AT_MOST_ACTIVATION);
    match on {
        Some(on) => Activation::Above {
            on,
            off: off.unwrap_or(on),
        },
        None => Activation::Behind,
    }
}

const AT_LEAST_ZERO: &str = "a number of at least 0";
const AT_MOST_ACTIVATION: &str = "a number of at least 0 and at most the activation's";

/// The number from 0 to `most` under the one of `keys` that is set.
fn threshold(reader: &mut Reader<'_>, keys: &[String], most: f64, accepted: &str) -> Option<f64> {
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let key = reader.one_of(&keys)?;
    Some(reader.number(key, 0.0, |n| (0.0..=most).contains(&n), accepted))
}

/// Under what keys a metric's threshold may stand.
fn threshold_keys(prefix: &str, name: &str, is_lag: bool, is_alone: bool) -> Vec<String> {
    let own = format!("{prefix}{}{}", name[..1].to_uppercase(), &name[1..]);
    let shared = is_alone.then(|| format!("{prefix}TargetSize"));
    let of_lag = is_lag.then(|| format!("{prefix}LagThreshold"));
    [own].into_iter().chain(shared).chain(of_lag).collect()
}
