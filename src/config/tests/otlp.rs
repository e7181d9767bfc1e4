use std::time::Duration;

use super::*;

const CLUSTER: &str = "[clusters.main]\nbootstrap_servers = ['localhost:9092']\n";

fn with(otlp: &str) -> String {
    format!("{CLUSTER}[otlp]\n{otlp}\n")
}

#[test]
fn nothing_is_sent_unless_it_is_asked_for() {
    assert!(good(CLUSTER, &[]).otlp.is_none());
    let config = good(&with("endpoint = 'http://c:4317'"), &[]);
    let otlp = config.otlp.expect("asked for");
    assert_eq!(otlp.endpoint.as_str(), "http://c:4317/");
    assert!(otlp.traces && otlp.metrics);
    assert_eq!(otlp.sampling_ratio, 0.1);
    assert_eq!(otlp.interval, Duration::from_secs(60));
    assert_eq!(otlp.timeout, Duration::from_secs(10));
    assert!(otlp.attributes.is_empty());
}

#[test]
fn the_environment_may_ask_for_it() {
    let variables = [
        ("TIDEGAUGE_OTLP__ENDPOINT", "https://c:4317"),
        ("TIDEGAUGE_OTLP__SAMPLING_RATIO", "1"),
        ("TIDEGAUGE_OTLP__TRACES", "false"),
    ];
    let otlp = good(CLUSTER, &variables).otlp.expect("asked for");
    assert_eq!(otlp.endpoint.scheme(), "https");
    assert_eq!((otlp.sampling_ratio, otlp.traces), (1.0, false));
}

#[test]
fn each_mistake_is_named_with_what_is_accepted() {
    let here = |rest: &str| format!("endpoint = 'http://c:4317'\n{rest}");
    for (otlp, parts) in [
        ("".to_owned(), ["otlp.endpoint", "is missing"]),
        ("endpoint = 'c:4317'".to_owned(), ["otlp.endpoint", "http"]),
        (
            "endpoint = 'http://u:p@c:4317'".to_owned(),
            ["otlp.endpoint", "password"],
        ),
        (
            "endpoint = 'http://c:4318/v1/traces'".to_owned(),
            ["otlp.endpoint", "path"],
        ),
        (
            here("sampling_ratio = 1.5"),
            ["otlp.sampling_ratio", "from 0 to 1"],
        ),
        (
            here("sampling_ratio = nan"),
            ["otlp.sampling_ratio", "from 0 to 1"],
        ),
        (here("interval = '1ms'"), ["otlp.interval", "1s to 1h"]),
        (here("timeout = '2h'"), ["otlp.timeout", "100ms to 1m"]),
        (
            here("headers_file = '/no/such'"),
            ["otlp.headers_file", "name: value"],
        ),
        (here("ca_file = '/no/such'"), ["otlp.ca_file", "PEM"]),
        (
            here("attributes = { a = 1 }"),
            ["otlp.attributes.a", "text of 1"],
        ),
        (here("headers = 'a: b'"), ["otlp.headers", "unknown key"]),
    ] {
        let found = mistakes(&with(&otlp), &[]);
        let [mistake] = &found[..] else {
            panic!("{otlp}: {found:?}")
        };
        for part in parts {
            assert!(mistake.contains(part), "{part:?} is not in {mistake}");
        }
        assert!(!mistake.contains("u:p"), "{mistake}");
    }
}

#[test]
fn a_change_of_it_needs_a_restart() {
    let in_force = good(CLUSTER, &[]);
    let other = good(&with("endpoint = 'http://c:4317'"), &[]);
    let error = other.needs_restart(&in_force).expect("refused");
    assert_eq!(error.mistakes()[0].key, "otlp");
    assert!(other.needs_restart(&other).is_none());
}
