//! What one trigger of a ScaledObject asks for.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::model::{
    ClusterName, GroupId, GroupMatcher, Interest, TopicName, TopicSelection, WatchName,
};

use super::metadata::{BadMetadata, Reader};

/// What the triggers' metadata is read against.
#[derive(Debug, Clone)]
pub struct TriggerRules {
    /// The configured clusters, at least one.
    pub clusters: Vec<ClusterName>,
    /// What ends the id of a historic group.
    pub historic_suffix: String,
    /// How Azul Scaler's plugins become group names.
    pub azul: AzulNames,
}

/// How Azul Scaler's plugins become group names.
#[derive(Debug, Clone)]
pub struct AzulNames {
    /// What every group starts with.
    pub group_prefix: String,
    /// A plugin's own prefix; `{plugin}` stands for its name.
    pub kafka_prefix: String,
    /// Over how long `backlog` looks.
    pub window: Duration,
}

/// What one trigger asks for: what to watch, and how to answer.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// In which cluster.
    pub cluster: ClusterName,
    /// Which groups.
    pub selection: Selection,
    /// What to tell of them.
    pub policy: Policy,
    /// The name of the metric.
    pub metric_name: String,
    /// The metadata that was read; other keys are KEDA's own or unknown.
    pub metadata: BTreeMap<String, String>,
}

/// Which groups a trigger is about.
#[derive(Debug, Clone)]
pub enum Selection {
    /// One group by name.
    Group {
        /// Its `group.id`.
        group: GroupId,
        /// Its historic companion, if that is to be counted in.
        historic: Option<GroupId>,
        /// Only this topic; `None`: each in which the group has a commit.
        topic: Option<TopicName>,
    },
    /// Each group that the rule picks.
    Matching(GroupMatcher),
}

/// How a trigger's metric is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Records behind, as KEDA's own `kafka` trigger tells them.
    Lag(LagPolicy),
    /// Azul Scaler's backlog.
    Backlog(BacklogPolicy),
}

/// Parameters of [`Policy::Lag`], by the names of KEDA's `kafka` trigger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LagPolicy {
    /// `lagThreshold`: records a replica, the target.
    pub lag_threshold: f64,
    /// `activationLagThreshold`: active if lag exceeds it.
    pub activation_lag_threshold: f64,
    /// `offsetResetPolicy`: what a partition without a commit counts.
    pub offset_reset_policy: OffsetResetPolicy,
    /// `allowIdleConsumers`: lag may ask for more replicas than partitions.
    pub allow_idle_consumers: bool,
}

/// Where a consumer without a commit begins, and so what it has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetResetPolicy {
    /// At the end: counted as one record a partition, so that it starts.
    Latest,
    /// At the start: the whole retained log.
    Earliest,
}

/// Parameters of [`Policy::Backlog`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BacklogPolicy {
    /// `targetSize`: backlog a replica.
    pub target_size: f64,
    /// Over how long it looks.
    pub window: Duration,
}

/// A metric's name and target, as KEDA is told.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSpec {
    /// Its name.
    pub name: String,
    /// Its target: the value that one replica is to bear.
    pub target: f64,
}

const ABOVE_ZERO: &str = "a number above 0";

impl Trigger {
    /// Reads a trigger's metadata; all mistakes at once.
    pub fn parse(
        metadata: &HashMap<String, String>,
        rules: &TriggerRules,
    ) -> Result<Self, BadMetadata> {
        let mut reader = Reader::new(metadata);
        let cluster = cluster(&mut reader, rules);
        let azul = ["entityName", "entityType", "pluginName"];
        let (selection, policy, metric_name) = if azul.iter().any(|key| reader.has(key)) {
            plugin(&mut reader, rules)
        } else {
            group(&mut reader, rules)
        };
        Ok(Self {
            metadata: reader.finish()?,
            cluster,
            selection,
            policy,
            metric_name,
        })
    }

    /// Equal for triggers that ask for the same.
    pub fn key(&self) -> String {
        let pairs = self.metadata.iter();
        pairs
            .map(|(key, value)| format!("{key}={value:?} "))
            .collect()
    }

    /// What its watch is called in history.
    pub fn watch_name(&self) -> WatchName {
        let (group, topic) = match &self.selection {
            Selection::Group { group, topic, .. } => (Some(group.clone()), topic.clone()),
            Selection::Matching(_) => (None, None),
        };
        WatchName {
            cluster: self.cluster.clone(),
            group,
            topic,
            metric_name: self.metric_name.clone(),
            key: self.key(),
        }
    }

    /// Is it about `group`, or would it be if there were one?
    pub fn covers(&self, group: &str) -> bool {
        match &self.selection {
            Selection::Group {
                group: own,
                historic,
                ..
            } => {
                let own = [own].into_iter().chain(historic);
                own.into_iter().any(|own| own.as_str() == group)
            }
            Selection::Matching(matcher) => matcher.matches(group),
        }
    }

    /// Name and target of the metric.
    pub fn spec(&self) -> MetricSpec {
        MetricSpec {
            name: self.metric_name.clone(),
            target: match self.policy {
                Policy::Lag(policy) => policy.lag_threshold,
                Policy::Backlog(policy) => policy.target_size,
            },
        }
    }

    /// Adds to `interest` what must be polled to answer. Groups that the
    /// configuration names keep the topics that it gives them.
    pub fn add_to(&self, interest: &mut Interest, configured: &Interest) {
        match &self.selection {
            Selection::Matching(matcher) => interest.matchers.push(matcher.clone()),
            Selection::Group {
                group,
                historic,
                topic,
            } => {
                for group in [group].into_iter().chain(historic) {
                    let selection = match topic {
                        Some(topic) => TopicSelection::only([topic.clone()]),
                        None if configured.groups.contains_key(group) => continue,
                        None => TopicSelection::committed(),
                    };
                    interest.add_group(group.clone(), selection);
                }
            }
        }
    }
}

fn cluster(reader: &mut Reader<'_>, rules: &TriggerRules) -> ClusterName {
    let known = &rules.clusters;
    let accepted = || {
        let names: Vec<_> = known
            .iter()
            .map(|name| format!("{:?}", name.as_str()))
            .collect();
        names.join(" or ")
    };
    let found = match reader.text("cluster") {
        None if known.len() == 1 => return known[0].clone(),
        None => reader.required("cluster", &accepted()),
        some => some,
    };
    let name = found.unwrap_or_default();
    match known.iter().find(|known| known.as_str() == name) {
        Some(cluster) => cluster.clone(),
        None => {
            if !name.is_empty() {
                reader.refuse("cluster", name, &accepted());
            }
            ClusterName::from(name)
        }
    }
}

/// The trigger of a plain ScaledObject, with KEDA's names.
fn group(reader: &mut Reader<'_>, rules: &TriggerRules) -> (Selection, Policy, String) {
    let group = reader.required("consumerGroup", "the group.id of a consumer group");
    let group = GroupId::from(group.unwrap_or_default());
    let topic = reader.text("topic").map(TopicName::from);
    let historic = reader
        .flag("includeHistoric", false)
        .then(|| GroupId::from(format!("{group}{}", rules.historic_suffix)));
    let policy = LagPolicy {
        lag_threshold: reader.number("lagThreshold", 10.0, |n| n > 0.0, ABOVE_ZERO),
        activation_lag_threshold: reader.number(
            "activationLagThreshold",
            0.0,
            |n| n >= 0.0,
            "a number of at least 0",
        ),
        offset_reset_policy: reader.choice(
            "offsetResetPolicy",
            &[
                ("latest", OffsetResetPolicy::Latest),
                ("earliest", OffsetResetPolicy::Earliest),
            ],
            OffsetResetPolicy::Latest,
        ),
        allow_idle_consumers: reader.flag("allowIdleConsumers", false),
    };
    refuse_what_would_be_ignored(reader);
    let name = match &topic {
        Some(topic) => format!("kafka-{topic}"),
        None => format!("kafka-{group}-topics"),
    };
    let selection = Selection::Group {
        group,
        historic,
        topic,
    };
    (selection, Policy::Lag(policy), metric_name(&name))
}

/// Parameters of KEDA's trigger that change its result and that this version
/// does not know: a refusal is better than another result than asked for.
fn refuse_what_would_be_ignored(reader: &mut Reader<'_>) {
    for key in [
        "excludePersistentLag",
        "limitToPartitionsWithLag",
        "ensureEvenDistributionOfPartitions",
        "scaleToZeroOnInvalidOffset",
    ] {
        if reader.flag(key, false) {
            reader.refuse(key, "true", "\"false\" (this version does not have it)");
        }
    }
    if let Some(value) = reader.text("partitionLimitation") {
        reader.refuse(
            "partitionLimitation",
            value,
            "nothing (this version does not have it)",
        );
    }
}

/// The trigger of an Azul Scaler's ScaledObject.
fn plugin(reader: &mut Reader<'_>, rules: &TriggerRules) -> (Selection, Policy, String) {
    // Its README says entityName, its code reads entityType.
    let key = if reader.has("entityType") {
        "entityType"
    } else {
        "entityName"
    };
    if let Some(entity) = reader.required(key, "\"plugin\"")
        && entity != "plugin"
    {
        reader.refuse(key, entity, "\"plugin\"");
    }
    let plugin = reader
        .required("pluginName", "the name of a plugin")
        .unwrap_or_default();
    let include_historic = reader.flag("includeHistoric", false);
    reader.required("targetSize", ABOVE_ZERO);
    let target_size = reader.number("targetSize", 1.0, |n| n > 0.0, ABOVE_ZERO);

    let azul = &rules.azul;
    let infix = azul.kafka_prefix.replace("{plugin}", plugin);
    let without_suffix = (!include_historic).then_some(rules.historic_suffix.as_str());
    let matcher = GroupMatcher::prefixed(&azul.group_prefix, &infix, without_suffix);
    let policy = BacklogPolicy {
        target_size,
        window: azul.window,
    };
    (
        Selection::Matching(matcher),
        Policy::Backlog(policy),
        "backlog".to_owned(),
    )
}

/// KEDA's `NormalizeString`: what a metric name can't have becomes `-`.
fn metric_name(name: &str) -> String {
    name.replace(['/', '.', ':', '%', '(', ')'], "-")
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(crate) fn rules(clusters: &[&str]) -> TriggerRules {
        TriggerRules {
            clusters: clusters.iter().map(|&name| name.into()).collect(),
            historic_suffix: "-historic".to_owned(),
            azul: AzulNames {
                group_prefix: "azul-".to_owned(),
                kafka_prefix: "{plugin}".to_owned(),
                window: Duration::from_secs(900),
            },
        }
    }

    pub(crate) fn parse(
        pairs: &[(&str, &str)],
        rules: &TriggerRules,
    ) -> Result<Trigger, BadMetadata> {
        let metadata = pairs
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()));
        Trigger::parse(&metadata.collect(), rules)
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;

    use super::{testing::*, *};

    #[test]
    fn a_plain_trigger_has_kedas_defaults_and_name() {
        let trigger = parse(
            &[
                ("consumerGroup", "g"),
                ("topic", "a.b"),
                ("scalerAddress", "x:1"),
            ],
            &rules(&["main"]),
        )
        .expect("valid");
        assert_eq!(trigger.cluster, "main".into());
        assert_eq!(trigger.metric_name, "kafka-a-b");
        assert_eq!(trigger.spec().target, 10.0);
        assert_eq!(
            trigger.policy,
            Policy::Lag(LagPolicy {
                lag_threshold: 10.0,
                activation_lag_threshold: 0.0,
                offset_reset_policy: OffsetResetPolicy::Latest,
                allow_idle_consumers: false,
            })
        );
        assert!(!trigger.metadata.contains_key("scalerAddress"));

        let all_topics = parse(&[("consumerGroup", "g")], &rules(&["main"])).expect("valid");
        assert_eq!(all_topics.metric_name, "kafka-g-topics");
    }

    #[test]
    fn an_azul_trigger_reads_both_names_of_its_entity() {
        for key in ["entityName", "entityType"] {
            let metadata = [
                (key, "plugin"),
                ("pluginName", "jira"),
                ("targetSize", "50"),
            ];
            let trigger = parse(&metadata, &rules(&["main"])).expect("valid");
            assert_eq!(
                trigger.spec(),
                MetricSpec {
                    name: "backlog".into(),
                    target: 50.0
                }
            );
            let Selection::Matching(matcher) = &trigger.selection else {
                panic!("expected a rule");
            };
            assert!(matcher.matches("azul-jira-live"));
            assert!(!matcher.matches("azul-jira-historic"));
        }
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "jira"),
            ("targetSize", "50"),
            ("includeHistoric", " TRUE "),
        ];
        let trigger = parse(&metadata, &rules(&["main"])).expect("valid");
        let Selection::Matching(matcher) = &trigger.selection else {
            panic!("expected a rule");
        };
        assert!(matcher.matches("azul-jira-historic"));
    }

    #[test]
    fn each_mistake_names_key_value_and_what_is_accepted() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
        let rows: &[Row<'_>] = &[
            (&[], &["consumerGroup is missing, accepted is the group.id"]),
            (&[("consumerGroup", " ")], &["consumerGroup is \" \""]),
            (
                &[("consumerGroup", "g"), ("lagThreshold", "0")],
                &["lagThreshold is \"0\", accepted is a number above 0"],
            ),
            (
                &[("consumerGroup", "g"), ("lagThreshold", "NaN")],
                &["lagThreshold is \"NaN\""],
            ),
            (
                &[("consumerGroup", "g"), ("lagThreshold", "inf")],
                &["lagThreshold is \"inf\""],
            ),
            (
                &[
                    ("consumerGroup", "g"),
                    ("lagThreshold", "ten"),
                    ("activationLagThreshold", "-1"),
                ],
                &[
                    "lagThreshold is \"ten\"",
                    "activationLagThreshold is \"-1\", accepted is a number of at least 0",
                ],
            ),
            (
                &[("consumerGroup", "g"), ("offsetResetPolicy", "none")],
                &["accepted is \"latest\" or \"earliest\""],
            ),
            (
                &[("consumerGroup", "g"), ("cluster", "other")],
                &["cluster is \"other\", accepted is \"main\""],
            ),
            (
                &[("consumerGroup", "g"), ("excludePersistentLag", "true")],
                &["excludePersistentLag"],
            ),
            (
                &[("consumerGroup", "g"), ("partitionLimitation", "1-3")],
                &["partitionLimitation is \"1-3\""],
            ),
            (
                &[
                    ("entityName", "table"),
                    ("pluginName", "p"),
                    ("targetSize", "1"),
                ],
                &["entityName is \"table\", accepted is \"plugin\""],
            ),
            (
                &[("pluginName", "p")],
                &["entityName is missing", "targetSize is missing"],
            ),
            (
                &[
                    ("entityName", "plugin"),
                    ("pluginName", "p"),
                    ("targetSize", "-3"),
                ],
                &["targetSize is \"-3\""],
            ),
            (
                &[
                    ("entityName", "plugin"),
                    ("pluginName", "p"),
                    ("targetSize", "3"),
                    ("includeHistoric", "yes"),
                ],
                &["includeHistoric is \"yes\", accepted is \"true\" or \"false\""],
            ),
        ];
        for (metadata, expected) in rows {
            let message = parse(metadata, &rules(&["main"]))
                .expect_err("refused")
                .to_string();
            for part in *expected {
                assert!(message.contains(part), "{part:?} is not in {message:?}");
            }
        }
    }

    #[test]
    fn one_of_several_clusters_must_be_named() {
        let rules = rules(&["east", "west"]);
        let message = parse(&[("consumerGroup", "g")], &rules)
            .expect_err("refused")
            .to_string();
        assert!(
            message.contains("cluster is missing, accepted is \"east\" or \"west\""),
            "{message}"
        );
        let trigger = parse(&[("consumerGroup", "g"), ("cluster", "west")], &rules).expect("valid");
        assert_eq!(trigger.cluster, "west".into());
    }

    #[test]
    fn enormous_metadata_is_refused_and_cut() {
        let long = "x".repeat(1_000_000);
        let error = parse(&[("consumerGroup", &long)], &rules(&["main"])).expect_err("refused");
        assert!(error.to_string().len() < 1_000);
        let many: HashMap<_, _> = (0..1_000).map(|n| (n.to_string(), String::new())).collect();
        assert!(Trigger::parse(&many, &rules(&["main"])).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_metadata_is_read_or_refused_shortly(
            pairs in proptest::collection::hash_map(
                proptest::prop_oneof![
                    proptest::sample::select(vec![
                        "consumerGroup", "topic", "cluster", "lagThreshold", "activationLagThreshold",
                        "offsetResetPolicy", "includeHistoric", "entityName", "entityType", "pluginName",
                        "targetSize", "partitionLimitation", "allowIdleConsumers",
                    ]).prop_map(str::to_owned),
                    ".*",
                ],
                proptest::prop_oneof![".*", "[0-9.eE+-]{0,8}", "true|false|plugin|latest"],
                0..20,
            )
        ) {
            match Trigger::parse(&pairs, &rules(&["main"])) {
                Ok(trigger) => {
                    proptest::prop_assert!(trigger.spec().target > 0.0);
                    let again = trigger.metadata.clone().into_iter().collect();
                    let again = Trigger::parse(&again, &rules(&["main"])).expect("read once");
                    proptest::prop_assert_eq!(again.key(), trigger.key());
                }
                Err(cause) => proptest::prop_assert!(cause.to_string().len() < 20_000),
            }
        }
    }

    #[test]
    fn the_key_tells_triggers_apart_by_what_they_ask() {
        let rules = rules(&["main"]);
        let key = |pairs: &[(&str, &str)]| parse(pairs, &rules).expect("valid").key();
        let plain = key(&[("consumerGroup", "g")]);
        assert_eq!(
            plain,
            key(&[("scalerAddress", "x"), ("consumerGroup", "g")])
        );
        assert_ne!(plain, key(&[("consumerGroup", "g"), ("topic", "t")]));
        assert_ne!(
            key(&[("consumerGroup", "g\" topic=\"t")]),
            key(&[("consumerGroup", "g"), ("topic", "t")])
        );
    }

    #[test]
    fn a_configured_group_keeps_its_topics() {
        let mut configured = Interest::default();
        configured.add_group("g".into(), TopicSelection::only(["t".into()]));
        let trigger = parse(&[("consumerGroup", "g")], &rules(&["main"])).expect("valid");
        let mut interest = configured.clone();
        trigger.add_to(&mut interest, &configured);
        assert!(!interest.groups["g"].committed);
    }
}
