//! What metadata become, and what is wrong with it.

mod keda;

use std::time::Duration;

use proptest::strategy::Strategy as _;

use super::{testing::*, *};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const GROUP: (&str, &str) = ("consumerGroup", "my-group");
const TOPIC: (&str, &str) = ("topic", "my-topic");

fn valid(pairs: Pairs<'_>) -> Trigger {
    parse(pairs, &rules(&["main"])).expect("valid")
}

/// The only metric of a valid trigger.
fn only(pairs: Pairs<'_>) -> Metric {
    let mut metrics = valid(pairs).metrics;
    assert_eq!(metrics.len(), 1);
    metrics.remove(0)
}

fn refusal(pairs: Pairs<'_>) -> String {
    let refused = parse(pairs, &rules(&["main"]));
    refused.expect_err("refused").to_string()
}

fn policy(pairs: Pairs<'_>) -> LagPolicy {
    *only(pairs).measure.policy()
}

#[test]
fn a_plain_trigger_has_kedas_defaults_and_name() {
    let trigger = valid(&[
        ("consumerGroup", "g"),
        ("topic", "a.b"),
        ("scalerAddress", "x:1"),
    ]);
    assert_eq!(trigger.cluster, "main".into());
    assert_eq!(trigger.specs()[0].name, "kafka-a-b");
    assert_eq!(trigger.specs()[0].target, 10.0);
    assert_eq!(
        trigger.metrics[0].measure,
        Measure::Lag(LagPolicy {
            threshold: 10.0,
            offset_reset_policy: OffsetResetPolicy::Latest,
            scale_to_zero_on_invalid_offset: false,
            bound: Bound::Partitions,
            persistent_after: None,
            as_keda: false,
        })
    );
    let (on, off) = (0.0, 0.0);
    assert_eq!(trigger.metrics[0].activation, Activation::Above { on, off });
    assert_eq!(trigger.metrics[0].steadiness, Steadiness::default());
    assert!(!trigger.metadata.contains_key("scalerAddress"));
    assert_eq!(only(&[("consumerGroup", "g")]).name, "kafka-g-topics");
}

#[test]
fn what_comes_from_the_workloads_environment_is_read() {
    let trigger = valid(&[
        ("consumerGroupFromEnv", "from-env"),
        ("topicFromEnv", "t"),
        ("topic", " "),
        ("bootstrapServersFromEnv", "main-b:9092"),
    ]);
    assert!(trigger.covers("from-env"));
    assert_eq!(trigger.specs()[0].name, "kafka-t");
    let written = valid(&[("consumerGroupFromEnv", "other"), ("consumerGroup", "g")]);
    assert!(written.covers("g") && !written.covers("other"));
}

#[test]
fn the_cluster_is_found_by_its_name_or_by_an_address() {
    let rules = rules(&["east", "west"]);
    let cluster = |more: Pairs<'_>| {
        let pairs = [&[GROUP][..], more].concat();
        parse(&pairs, &rules).map(|trigger| trigger.cluster)
    };
    let servers = |servers| ("bootstrapServers", servers);
    assert_eq!(cluster(&[("cluster", "west")]), Ok("west".into()));
    assert_eq!(
        cluster(&[servers("other:9092, WEST-b:9092")]),
        Ok("west".into())
    );
    assert_eq!(
        cluster(&[("cluster", "east"), servers("east:9092")]),
        Ok("east".into())
    );
    for (pairs, expected) in [
        (
            &[][..],
            "cluster is missing, accepted is \"east\" or \"west\"",
        ),
        (
            &[("cluster", " "), ("bootstrapServers", "")],
            "cluster is \" \", accepted is \"east\" or \"west\"",
        ),
        (
            &[("cluster", "north")],
            "cluster is \"north\", accepted is \"east\" or \"west\"",
        ),
        (
            &[servers("north:9092")],
            "bootstrapServers is \"north:9092\", accepted is an address of a configured cluster: \
             east:9092,east-b:9092 (cluster \"east\") or west:9092,west-b:9092 (cluster \"west\")",
        ),
        (
            &[servers("east:9092,west:9092")],
            "accepted is addresses of one cluster",
        ),
        (
            &[("cluster", "east"), servers("west:9092")],
            "bootstrapServers is \"west:9092\", accepted is addresses of cluster \"east\"",
        ),
    ] {
        let message = cluster(pairs).expect_err("refused").to_string();
        assert!(
            message.contains(expected),
            "{expected:?} is not in {message:?}"
        );
        assert!(!message.contains(';'), "one mistake: {message}");
    }
}

#[test]
fn each_metric_has_its_target_and_its_name() {
    for (pairs, name, target) in [
        (&[("targetSize", "50")][..], "kafka-my-topic", 50.0),
        (&[("lag", "2.5")], "kafka-my-topic", 2.5),
        (
            &[("metric", "averageLag")],
            "kafka-my-topic-averageLag",
            10.0,
        ),
        (
            &[("metric", "timeLag"), ("timeLag", "30")],
            "kafka-my-topic-timeLag",
            30.0,
        ),
        (
            &[("metric", "eta"), ("targetSize", "120")],
            "kafka-my-topic-eta",
            120.0,
        ),
        (
            &[("metric", "backlog"), ("backlog", "7")],
            "kafka-my-topic-backlog",
            7.0,
        ),
        (
            &[("metric", "consumptionDeficit"), ("targetSize", "0.5")],
            "kafka-my-topic-consumptionDeficit",
            0.5,
        ),
    ] {
        let metric = only(&[&[GROUP, TOPIC][..], pairs].concat());
        assert_eq!((metric.name.as_str(), metric.target), (name, target));
        assert_eq!(metric.measure.policy().threshold, target);
    }
    let trigger = valid(&[
        GROUP,
        ("metrics", "lag, timeLag"),
        ("lagThreshold", "100"),
        ("timeLag", "60"),
        ("activationTimeLag", "5"),
    ]);
    let specs = trigger.specs();
    assert_eq!(
        (specs[0].name.as_str(), specs[0].target),
        ("kafka-my-group-topics", 100.0)
    );
    assert_eq!(
        (specs[1].name.as_str(), specs[1].target),
        ("kafka-my-group-topics-timeLag", 60.0)
    );
    let (on, off) = (5.0, 5.0);
    assert_eq!(trigger.metrics[1].activation, Activation::Above { on, off });
    assert_eq!(trigger.watch_names().len(), 2);
}

#[test]
fn windows_and_holds_have_their_parameters() {
    let metric = only(&[
        GROUP,
        ("metric", "eta"),
        ("eta", "60"),
        ("etaCap", "600"),
        ("window", "24h"),
        ("rebalanceGracePeriod", "90"),
        ("scaleDownWindow", "10m"),
        ("activationTargetSize", "30"),
        ("deactivationTargetSize", "10"),
    ]);
    assert!(matches!(metric.measure, Measure::Eta { cap_s: 600.0, .. }));
    assert_eq!(metric.measure.window(), Some(Duration::from_hours(24)));
    assert_eq!(metric.steadiness.rebalance_grace, Duration::from_secs(90));
    assert_eq!(
        metric.steadiness.scale_down_window,
        Duration::from_secs(600)
    );
    assert_eq!(metric.looks_back(), Duration::from_hours(24));
    assert_eq!(
        metric.activation,
        Activation::Above {
            on: 30.0,
            off: 10.0
        }
    );
    let time_lag = only(&[GROUP, ("metric", "timeLag"), ("timeLag", "1")]);
    assert_eq!(time_lag.activation, Activation::Behind);
}

#[test]
fn how_far_a_trigger_may_look_back_is_configured() {
    let mut rules = rules(&["main"]);
    rules.max_window = Duration::from_hours(1);
    let asked = |window| {
        let pairs = [GROUP, ("metric", "averageLag"), ("window", window)];
        parse(&pairs, &rules).map(|trigger| trigger.looks_back())
    };
    assert_eq!(asked("1h"), Ok(Duration::from_hours(1)));
    let message = asked("61m").expect_err("too long").to_string();
    assert!(
        message.contains("accepted is a duration of 10s to 1h"),
        "{message}"
    );
}

#[test]
fn each_mistake_names_key_value_and_what_is_accepted() {
    let rows: &[(Pairs<'_>, &[&str])] = &[
        (&[("consumerGroup", " ")], &["consumerGroup is \" \""]),
        (
            &[GROUP, ("lagThreshold", "NaN")],
            &["lagThreshold is \"NaN\""],
        ),
        (
            &[GROUP, ("lagThreshold", "inf")],
            &["lagThreshold is \"inf\""],
        ),
        (
            &[
                GROUP,
                ("lagThreshold", "ten"),
                ("activationLagThreshold", "-1"),
            ],
            &[
                "lagThreshold is \"ten\"",
                "activationLagThreshold is \"-1\"",
            ],
        ),
        (
            &[GROUP, ("lagThreshold", "1"), ("targetSize", "2")],
            &["lagThreshold is \"1\", accepted is nothing beside targetSize"],
        ),
        (
            &[GROUP, ("metric", "speed"), ("lagThreshold", "0")],
            &["metric is \"speed\"", "lagThreshold is \"0\""],
        ),
        (
            &[GROUP, ("metric", "speed")],
            &["metric is \"speed\", accepted is \"lag\" or \"averageLag\""],
        ),
        (
            &[GROUP, ("metrics", "lag,lag")],
            &["metrics is \"lag,lag\", accepted is some of \"lag\""],
        ),
        (
            &[GROUP, ("metric", "lag,eta")],
            &["accepted is one; metrics takes several"],
        ),
        (
            &[GROUP, ("metric", "lag"), ("metrics", "lag")],
            &["metrics is \"lag\", accepted is nothing beside metric"],
        ),
        (
            &[GROUP, ("metric", "timeLag")],
            &["timeLag is missing, accepted is a number above 0"],
        ),
        (
            &[GROUP, ("metrics", "lag,eta"), ("targetSize", "3")],
            &["eta is missing, accepted is a number above 0"],
        ),
        (
            &[GROUP, ("window", "5s")],
            &["window is \"5s\", accepted is a duration of 10s to 1day"],
        ),
        (&[GROUP, ("window", "soon")], &["window is \"soon\""]),
        (
            &[GROUP, ("scaleDownWindow", "2h")],
            &["scaleDownWindow is \"2h\""],
        ),
        (
            &[
                GROUP,
                ("activationLagThreshold", "5"),
                ("deactivationLagThreshold", "6"),
            ],
            &["deactivationLagThreshold is \"6\", accepted is a number of at least 0 and at most"],
        ),
        (
            &[
                GROUP,
                ("metric", "eta"),
                ("eta", "1"),
                ("deactivationEta", "0"),
            ],
            &["deactivationEta is \"0\""],
        ),
        (
            &[GROUP, ("compatibility", "burrow")],
            &["compatibility is \"burrow\", accepted is \"keda\""],
        ),
        (
            &[
                GROUP,
                ("excludePersistentLag", "true"),
                ("compatibility", "keda"),
                ("persistentLagPeriod", "1m"),
            ],
            &["persistentLagPeriod is \"1m\", accepted is nothing beside compatibility"],
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
        (
            &[("serviceType", "worker-x")],
            &[
                "serviceType is \"worker-x\", accepted is \"boxer\" or a name under [services]: \
               \"boxer-compact-logs\", \"boxer-compact-traces\", \"ingest-logs\"",
            ],
        ),
        (
            &[("serviceType", "worker-x")],
            &["; for workers there must be a queue under [queues]"],
        ),
        (&[("serviceType", "boxer")], &["boxerTasks is missing"]),
        (
            &[
                ("serviceType", "boxer"),
                ("boxerTasks", "compact-logs,nothing"),
            ],
            &[
                "boxerTasks is \"compact-logs,nothing\"",
                "there is no \"boxer-nothing\"",
            ],
        ),
        (
            &[("serviceType", "boxer"), ("boxerTasks", " , ")],
            &["boxerTasks is \",\""],
        ),
    ];
    for (metadata, expected) in rows {
        let message = refusal(metadata);
        for part in *expected {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }
}

#[test]
fn an_azul_trigger_reads_both_names_of_its_entity() {
    for key in ["entityName", "entityType"] {
        let metric = only(&[
            (key, "plugin"),
            ("pluginName", "jira"),
            ("targetSize", "50"),
        ]);
        assert_eq!((metric.name.as_str(), metric.target), ("backlog", 50.0));
        assert_eq!(metric.activation, Activation::Always);
        assert_eq!(metric.measure.window(), Some(Duration::from_secs(900)));
        assert!(metric.selection.covers("azul-jira-live"));
        assert!(!metric.selection.covers("azul-jira-historic"));
    }
    let metric = only(&[
        ("entityName", "plugin"),
        ("pluginName", "jira"),
        ("targetSize", "50"),
        ("includeHistoric", " TRUE "),
    ]);
    assert!(metric.selection.covers("azul-jira-historic"));
}

#[test]
fn a_lakerunner_trigger_names_its_service() {
    let metric = only(&[("serviceType", "ingest-logs"), ("scalerAddress", "x:9090")]);
    assert_eq!(
        (metric.name.as_str(), metric.target),
        ("ingest-logs", 100.0)
    );
    assert_eq!(metric.activation, Activation::Behind);
    assert_eq!(metric.measure.policy().bound, Bound::None);
    assert!(metric.selection.covers("lakerunner.ingest-logs"));

    let trigger = valid(&[
        ("serviceType", "boxer"),
        ("boxerTasks", "compact-traces, compact-logs,compact-logs,"),
    ]);
    let specs = trigger.specs();
    let specs: Vec<_> = specs
        .iter()
        .map(|spec| (spec.name.as_str(), spec.target))
        .collect();
    assert_eq!(
        specs,
        [("boxer-compact-logs", 20.0), ("boxer-compact-traces", 30.5)]
    );
}

#[test]
fn a_lakerunner_worker_does_a_task_of_the_queue() {
    let mut rules = with_queues(&["work"]);
    let worker =
        |service_type, rules: &TriggerRules| parse(&[("serviceType", service_type)], rules);
    let trigger = worker("worker-ingest-logs", &rules).expect("valid");
    assert_eq!(trigger.cluster, "work".into());
    let metric = &trigger.metrics[0];
    assert_eq!(metric.spec().name, "worker-ingest-logs");
    assert_eq!(metric.target, 100.0);
    assert_eq!(metric.activation, Activation::Behind);
    assert_eq!(metric.selection, Selection::task("ingest-logs"));

    let task = |target| Service {
        cluster: "work".into(),
        group: "compact-logs".into(),
        topic: "compact-logs".into(),
        target,
    };
    for (name, target) in [("worker-ingest-logs", 7.5), ("boxer-ingest-logs", 8.0)] {
        rules.services.insert(name.to_owned(), task(target));
    }
    let trigger = worker("worker-ingest-logs", &rules).expect("configured");
    assert_eq!(trigger.metrics[0].target, 7.5);
    let selection = Selection::task("compact-logs");
    assert_eq!(trigger.metrics[0].selection, selection);
    let boxer = |tasks| parse(&[("serviceType", "boxer"), ("boxerTasks", tasks)], &rules);
    let trigger = boxer("ingest-logs").expect("a task may be a queue's");
    assert_eq!(trigger.cluster, "work".into());
    assert_eq!(trigger.metrics[0].selection, selection);
    let mixed = boxer("ingest-logs,compact-logs").expect_err("two places");
    let expected = "accepted is tasks in one cluster or one queue";
    assert!(mixed.to_string().contains(expected), "{mixed}");

    let refused = |rules| worker("worker-", rules).expect_err("no task").to_string();
    let message = refused(&rules);
    let expected = "accepted is \"boxer\" or \"worker-TASK\" for a task of queue \"work\" or";
    assert!(message.contains(expected), "{message}");
    let message = refused(&with_queues(&["work", "rest"]));
    let expected = "; lakerunner.queue must say which of the queues";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn enormous_metadata_is_refused_and_cut() {
    let long = "x".repeat(1_000_000);
    assert!(refusal(&[("consumerGroup", &long)]).len() < 1_000);
    let many: HashMap<_, _> = (0..1_000).map(|n| (n.to_string(), String::new())).collect();
    assert!(Trigger::parse(&many, &rules(&["main"])).is_err());
}

proptest::proptest! {
    #[test]
    fn any_metadata_is_read_or_refused_shortly(
        pairs in proptest::collection::hash_map(
            proptest::prop_oneof![
                proptest::sample::select(vec![
                    "consumerGroup", "topic", "cluster", "bootstrapServers", "lagThreshold",
                    "activationLagThreshold", "offsetResetPolicy", "includeHistoric", "entityName",
                    "entityType", "pluginName", "targetSize", "partitionLimitation",
                    "allowIdleConsumers", "metric", "metrics", "window", "serviceType", "boxerTasks",
                    "excludePersistentLag", "timeLag", "eta", "etaCap", "scaleDownWindow",
                    "activationTargetSize", "deactivationTargetSize", "compatibility", "queue", "task",
                ]).prop_map(str::to_owned),
                ".*",
            ],
            proptest::prop_oneof![
                ".*",
                "[0-9.eE+-]{0,8}",
                "[0-9]{1,4}(ms|s|m|h)",
                "true|false|plugin|latest|keda|lag|eta|timeLag|lag,eta|boxer|ingest-logs|worker-a|main:9092|depth|work",
            ],
            0..20,
        )
    ) {
        match Trigger::parse(&pairs, &with_queues(&["work"])) {
            Ok(trigger) => {
                proptest::prop_assert!(trigger.specs().iter().all(|spec| spec.target > 0.0));
                let again = trigger.metadata.clone().into_iter().collect();
                let again = Trigger::parse(&again, &with_queues(&["work"])).expect("read once");
                proptest::prop_assert_eq!(again.key(), trigger.key());
            }
            Err(cause) => proptest::prop_assert!(cause.to_string().len() < 20_000),
        }
    }
}

#[test]
fn the_key_tells_triggers_apart_by_what_they_ask() {
    let key = |pairs: Pairs<'_>| valid(pairs).key();
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
    let mut interest = configured.clone();
    valid(&[("consumerGroup", "g")]).add_to(&mut interest, &configured);
    assert!(!interest.groups["g"].committed);
}
