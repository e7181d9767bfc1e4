use std::time::Duration;

use super::*;

fn with(azul: &str) -> String {
    format!("{CLUSTER}{azul}\n")
}

fn redis(rest: &str) -> RedisConfig {
    let text = with(&format!("[azul.redis]\n{rest}"));
    good(&text, &[]).azul.redis.expect("it is there")
}

#[test]
fn a_server_is_asked_as_azuls_dispatcher_writes() {
    assert_eq!(good(CLUSTER, &[]).azul.redis, None);
    let redis = redis("addresses = ['r:6379']");
    assert_eq!((redis.database, &*redis.key), (2, "{plugin}"));
    assert_eq!(redis.refresh, Duration::from_secs(30));
    assert_eq!(redis.timeout, Duration::from_secs(1));
    assert_eq!(redis.max_staleness, Duration::from_hours(24));
    assert!(redis.user.is_none() && redis.password.is_none() && redis.tls.is_none());
}

#[test]
fn a_cluster_has_one_database_and_many_addresses_are_of_sentinels_or_nodes() {
    let many = "addresses = ['a:1', 'b:2']\n";
    assert_eq!(redis(&format!("{many}cluster = true")).database, 0);
    let sentinels = redis(&format!("{many}sentinel.master = 'm'"));
    assert_eq!(sentinels.database, 2);
    assert_eq!(
        sentinels.sentinel.map(|one| one.master),
        Some("m".to_owned())
    );
}

#[test]
fn the_environment_may_name_it() {
    let variables = [
        ("TIDEGAUGE_AZUL__REDIS__ADDRESSES", "s1:26379,s2:26379"),
        ("TIDEGAUGE_AZUL__REDIS__SENTINEL__MASTER", "m"),
        ("TIDEGAUGE_AZUL__REDIS__USER", "u"),
        ("TIDEGAUGE_AZUL__REDIS__PASSWORD", "hunter2"),
    ];
    let config = good(CLUSTER, &variables);
    assert!(!format!("{config:?}").contains("hunter2"));
    let redis = config.azul.redis.expect("asked for");
    assert_eq!(redis.addresses, ["s1:26379", "s2:26379"]);
    assert_eq!(redis.password, Some(Secret::new("hunter2")));
}

#[test]
fn a_table_names_plugins() {
    let config = good(
        &with("[azul.plugins]\njira = 'live'\n'My Git' = 'git'"),
        &[],
    );
    assert_eq!(config.azul.plugins["My Git"], "git");
    assert_eq!(config.azul.plugins.len(), 2);
}

#[test]
fn each_mistake_is_named_with_what_is_accepted() {
    let here = |rest: &str| format!("[azul.redis]\naddresses = ['r:6379']\n{rest}");
    for (azul, parts) in [
        (
            "[azul.redis]".to_owned(),
            ["azul.redis.addresses", "host:port"],
        ),
        (
            "[azul.redis]\naddresses = ['r']".to_owned(),
            ["azul.redis.addresses[0]", "host:port"],
        ),
        (
            "[azul.redis]\naddresses = ['a:1', 'b:1']".to_owned(),
            ["azul.redis.addresses", "cluster is true"],
        ),
        (
            here("database = 70000"),
            ["azul.redis.database", "0 to 65535"],
        ),
        (
            here("cluster = true\ndatabase = 2"),
            ["azul.redis.database", "the only one"],
        ),
        (
            here("cluster = true\nsentinel.master = 'm'"),
            ["azul.redis.cluster", "[azul.redis.sentinel]"],
        ),
        (
            here("sentinel.user = 'u'"),
            ["azul.redis.sentinel.master", "call the master"],
        ),
        (here("key = 'plugins'"), ["azul.redis.key", "{plugin}"]),
        (here("user = 'u'"), ["azul.redis.password_file", "PASSWORD"]),
        (
            here("password = 'p'"),
            ["azul.redis.password", "a secret stands"],
        ),
        (here("refresh = '1ms'"), ["azul.redis.refresh", "1s to 1h"]),
        (
            here("timeout = '1h'"),
            ["azul.redis.timeout", "50ms to 10s"],
        ),
        (
            here("max_staleness = '1s'"),
            ["azul.redis.max_staleness", "1m"],
        ),
        (
            here("tls.key_file = '/dev/null'"),
            ["azul.redis.tls.certificate_file", "key_file"],
        ),
        (
            "[azul]\nkafka_prefix = 'x{plugin}'\nplugins.a = 'b'".to_owned(),
            ["azul.kafka_prefix", "[azul.plugins]"],
        ),
        (
            "[azul]\nplugins.a = ''".to_owned(),
            ["azul.plugins.a", "1 to 255"],
        ),
        (
            "[azul]\nplugins.a = 7".to_owned(),
            ["azul.plugins.a", "text"],
        ),
    ] {
        let found = mistakes(&with(&azul), &[]).join("\n");
        for part in parts {
            assert!(found.contains(part), "{azul}: {found}");
        }
    }
}
