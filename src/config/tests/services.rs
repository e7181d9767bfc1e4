//! What service types stand for: groups, and tasks of queues.

use super::*;

const QUEUE: &str = "[queues.work]\nhost = 'db'\ndatabase = 'd'\nuser = 'u'\n";
const DEFAULT: &str = "[lakerunner]\nservices = 'default'\n";

fn place(config: &Config, name: &str) -> (String, String, String, f64) {
    let service = &config.services[name];
    let (cluster, group) = (service.cluster.to_string(), service.group.to_string());
    (cluster, group, service.topic.to_string(), service.target)
}

fn owned(cluster: &str, group: &str, topic: &str, target: f64) -> (String, String, String, f64) {
    (cluster.into(), group.into(), topic.into(), target)
}

#[test]
fn services_are_told_with_what_is_wrong_with_them() {
    let other = "[clusters.other]\nbootstrap_servers = ['o:1']\n";
    let rest = QUEUE.replace("work", "rest");
    for (more, text, expected) in [
        (
            "",
            "[services.a]\ntopic = 't'",
            "services.a.group: is missing",
        ),
        (
            "",
            "[services.a]\ngroup = 'g'",
            "services.a.topic: is missing",
        ),
        (
            "",
            "[services.a]\ngroup = 'g'\ntopic = 'a b'",
            "services.a.topic: found \"a b\"; accepted: a topic",
        ),
        (
            "",
            "[services.a]\ngroup = 'g'\ntopic = 't'\ntarget = 0",
            "services.a.target: found 0; accepted: a number above 0",
        ),
        (
            "",
            "[services.a]\ngroup = 'g'\ntopic = 't'\ncluster = 'x'",
            "services.a.cluster: found \"x\"; accepted: \"main\"",
        ),
        (
            "",
            "[services.'A b']\ngroup = 'g'\ntopic = 't'",
            "this name",
        ),
        (
            other,
            "[services.a]\ngroup = 'g'\ntopic = 't'",
            "services.a.cluster: is missing; accepted: \"main\" or \"other\"",
        ),
        (
            other,
            DEFAULT,
            "lakerunner.cluster: is missing; accepted: \"main\" or \"other\"",
        ),
        (
            "",
            "[lakerunner]\nservices = 'all'",
            "accepted: default, none",
        ),
        (
            "",
            "[lakerunner]\nqueue = 'work'",
            "lakerunner.queue: found \"work\"; accepted: a name under [queues], which has none",
        ),
        (
            "",
            "[services.worker-a]\ntarget = 1",
            "services.worker-a.queue: is missing; accepted: a name under [queues], which has none",
        ),
        (
            &rest,
            "[queues.work]\nhost = 'db'\ndatabase = 'd'\nuser = 'u'\n[services.worker-a]",
            "services.worker-a.queue: is missing; accepted: \"rest\" or \"work\"",
        ),
        (
            QUEUE,
            "[services.a]\nqueue = 'work'",
            "services.a.task: is missing",
        ),
        (
            QUEUE,
            "[services.a]\ntask = \"a\\nb\"",
            "services.a.task: found \"a\\nb\"; accepted: the name of a task",
        ),
        (
            QUEUE,
            "[services.a]\ntask = 't'\ntopic = 't'",
            "services.a.topic: found \"t\"; accepted: nothing beside a queue's task",
        ),
        (
            QUEUE,
            "[services.a]\nqueue = 'play'\ntask = 't'",
            "services.a.queue: found \"play\"; accepted: \"work\"",
        ),
    ] {
        let found = mistakes(&format!("{CLUSTER}{more}{text}\n"), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn the_environment_can_say_all_of_it() {
    let variables = [
        ("TIDEGAUGE_LAKERUNNER__SERVICES", "default"),
        ("TIDEGAUGE_SERVICES__INGEST__GROUP", "g"),
        ("TIDEGAUGE_SERVICES__INGEST__TOPIC", "t"),
        ("TIDEGAUGE_SERVICES__INGEST__TARGET", "2.5"),
    ];
    let config = good(CLUSTER, &variables);
    assert_eq!(place(&config, "ingest"), owned("main", "g", "t", 2.5));
    assert!(config.services.contains_key("compact-logs"));
}

#[test]
fn lakerunners_own_services_are_there_if_they_are_asked_for() {
    assert!(good(CLUSTER, &[]).services.is_empty());
    let text = format!(
        "{CLUSTER}{QUEUE}{DEFAULT}[services.compact-logs]\ntarget = 7\n\
         [services.rollup-metrics]\ngroup = 'mine'\n[services.more]\ngroup = 'g'\ntopic = 't'\n"
    );
    let config = good(&text, &[]);
    assert_eq!(config.services.len(), 15);
    for (name, expected) in [
        (
            "ingest-logs",
            owned(
                "main",
                "lakerunner.ingest.logs",
                "lakerunner.objstore.ingest.logs",
                100.0,
            ),
        ),
        (
            "compact-logs",
            owned(
                "main",
                "lakerunner.compact.logs",
                "lakerunner.segments.logs.compact",
                7.0,
            ),
        ),
        (
            "rollup-metrics",
            owned("main", "mine", "lakerunner.segments.metrics.rollup", 100.0),
        ),
        ("more", owned("main", "g", "t", 100.0)),
    ] {
        assert_eq!(place(&config, name), expected, "{name}");
    }
    let task = "[clusters.b]\nbootstrap_servers = ['b:1']\n[lakerunner]\nservices = 'default'\n\
                cluster = 'b'\n[services.boxer-ingest-logs]\ntask = 'ingest-logs'\n";
    let config = good(&format!("{CLUSTER}{QUEUE}{task}"), &[]);
    assert_eq!(config.services["ingest-logs"].cluster, "b".into());
    let expected = owned("work", "ingest-logs", "ingest-logs", 100.0);
    assert_eq!(place(&config, "boxer-ingest-logs"), expected);
}

/// Its README's table, but for a dot that is not in the topic's name.
#[test]
fn they_are_those_of_lakerunners_readme() {
    let config = good(&format!("{CLUSTER}{DEFAULT}"), &[]);
    for (name, topic, group) in [
        (
            "boxer-compact-logs",
            "boxer.logs.compact",
            "boxer.logs.compact",
        ),
        (
            "boxer-compact-metrics",
            "boxer.metrics.compact",
            "boxer.metrics.compact",
        ),
        (
            "boxer-rollup-metrics",
            "boxer.metrics.rollup",
            "boxer.metrics.rollup",
        ),
        (
            "boxer-compact-traces",
            "boxer.traces.compact",
            "boxer.traces.compact",
        ),
        ("compact-logs", "segments.logs.compact", "compact.logs"),
        (
            "compact-metrics",
            "segments.metrics.compact",
            "compact.metrics",
        ),
        (
            "compact-traces",
            "segments.traces.compact",
            "compact.traces",
        ),
        ("ingest-logs", "objstore.ingest.logs", "ingest.logs"),
        (
            "ingest-metrics",
            "objstore.ingest.metrics",
            "ingest.metrics",
        ),
        ("ingest-traces", "objstore.ingest.traces", "ingest.traces"),
        (
            "rollup-metrics",
            "segments.metrics.rollup",
            "rollup.metrics",
        ),
        ("boxer-ingest-logs", "objstore.ingest.logs", "ingest.logs"),
        (
            "boxer-ingest-metrics",
            "objstore.ingest.metrics",
            "ingest.metrics",
        ),
        (
            "boxer-ingest-traces",
            "objstore.ingest.traces",
            "ingest.traces",
        ),
    ] {
        let full = |rest| format!("lakerunner.{rest}");
        let expected = owned("main", &full(group), &full(topic), 100.0);
        assert_eq!(place(&config, name), expected, "{name}");
    }
    assert_eq!(config.services.len(), 14);
}

#[test]
fn a_worker_is_a_task_of_the_queue() {
    let two = QUEUE.replace("work", "rest");
    let text = format!(
        "{CLUSTER}{QUEUE}{two}[lakerunner]\nqueue = 'rest'\n[services.worker-ingest]\ntarget = 5\n\
         [services.worker-other]\ntask = 'x y'\nqueue = 'work'\n[services.worker-kafka]\n\
         group = 'g'\ntopic = 't'\n"
    );
    let config = good(&text, &[]);
    assert_eq!(config.worker_queue(), Some(&"rest".into()));
    let ingest = owned("rest", "ingest", "ingest", 5.0);
    assert_eq!(place(&config, "worker-ingest"), ingest);
    let other = owned("work", "x y", "x y", 100.0);
    assert_eq!(place(&config, "worker-other"), other);
    assert_eq!(
        place(&config, "worker-kafka"),
        owned("main", "g", "t", 100.0)
    );

    let queue = |queues: &str| {
        let config = good(&format!("{CLUSTER}{queues}"), &[]);
        config.worker_queue().cloned()
    };
    assert_eq!(queue(QUEUE), Some("work".into()));
    assert_eq!(queue(&format!("{QUEUE}{two}")), None);
    assert_eq!(queue(""), None);
}
