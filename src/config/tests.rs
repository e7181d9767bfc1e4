//! The configuration as a whole: what is reported, and what never is.

mod access;
mod example;
mod login;
mod otlp;
mod plugins;
mod queues;
mod services;

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::model::{GroupId, TopicName, TopicSelection};

const CLUSTER: &str = "[clusters.main]\nbootstrap_servers = ['b:9092']\n";

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    Config::parse("test.toml", text, environment.iter().map(owned))
}

fn good(text: &str, environment: &[(&str, &str)]) -> Config {
    parse(text, environment).unwrap_or_else(|error| panic!("{error}"))
}

fn mistakes(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = parse(text, environment).expect_err("has mistakes");
    error.mistakes().iter().map(Mistake::to_string).collect()
}

fn sasl(rest: &str) -> String {
    format!(
        "{CLUSTER}security_protocol = 'SASL_SSL'\n\
         [clusters.main.sasl]\nmechanism = 'PLAIN'\nusername = 'u'\n{rest}"
    )
}

#[test]
fn one_cluster_is_enough() {
    let config = good(CLUSTER, &[]);
    assert_eq!(config.store.data_dir, Path::new("/var/lib/tidegauge"));
    assert_eq!(config.store.retention, Duration::from_hours(72));
    assert_eq!(config.store.retention_minutes, Duration::from_hours(720));
    assert_eq!(config.store.retention_hours, Duration::from_hours(9_600));
    assert_eq!(config.store.max_size_mib, None);
    assert_eq!(config.grpc.listen.to_string(), "0.0.0.0:9090");
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.poll.interval, Duration::from_secs(10));
    assert_eq!(config.watches.limit, 10_000);
    assert_eq!(config.azul.kafka_prefix, "{plugin}");
    assert_eq!(config.log.format, LogFormat::Text);
    let main = &config.clusters["main"];
    assert_eq!(main.bootstrap_servers, ["b:9092"]);
    assert_eq!(main.security.protocol, SecurityProtocol::Plaintext);
    assert!(main.groups.discover && main.groups.include.is_empty());
}

#[test]
fn no_cluster_is_a_mistake() {
    let accepted = "0 clusters; accepted: 1 to 64 of [clusters.NAME]";
    assert_eq!(
        mistakes("", &[]),
        [format!("test.toml: clusters: {accepted}")]
    );
    let error = Config::load(None, []).expect_err("has no cluster");
    assert_eq!(
        error.to_string(),
        format!("environment: clusters: {accepted}")
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "\
[store]
retention = '30m'
retenton = '3d'
[poll]
interval = '2m'
request_timeout = 5

[log]
format = 'xml'
[clusters.main]
bootstrap_servers = ['b:9092', 'b']
[clusters.main.groups]
include = ['(']
[clusters.Bad]
";
    let expected = "\
test.toml:6: poll.request_timeout: found 5; accepted: a duration from 100ms to 5m, such as \"5s\"
test.toml:2: store.retention: found \"30m\"; accepted: a duration from 1h to 10years, such as \"3days\"
test.toml:3: store.retenton: unknown key; accepted: data_dir, lock_timeout, retention, retention_minutes, retention_hours, max_size_mib, retention_schedule, when_damaged, backup
TIDEGAUGE_GRPC__LISTEN: grpc.listen: found \"here\"; accepted: an IP address and a port, such as \"0.0.0.0:9090\"
test.toml: estimator.max_staleness: is missing; accepted: more than 6m, 3 times poll.interval (default \"5m\")
test.toml:9: log.format: found \"xml\"; accepted: text, json
test.toml:14: clusters.Bad: not the name of a cluster; accepted: a name of 1 to 63 of a-z, 0-9, - and _, a letter or digit first
test.toml:14: clusters.Bad.bootstrap_servers: is missing; accepted: a list of 1 to 64, each \"host:port\"
test.toml:11: clusters.main.bootstrap_servers[1]: found \"b\"; accepted: \"host:port\"
test.toml:13: clusters.main.groups.include[0]: found \"(\"; accepted: a regular expression of at most 1000 characters (unclosed group)";
    let error = parse(text, &[("TIDEGAUGE_GRPC__LISTEN", "here")]).expect_err("has mistakes");
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.mistakes().len(), 10);
}

#[test]
fn each_mistake_has_its_message() {
    let long = "x".repeat(5_000);
    let cases: &[(&str, &str)] = &[
        (
            "[store]\ndata_dir = ''",
            "store.data_dir: found \"\"; accepted: text of 1 to 4096",
        ),
        (
            "[store]\nmax_size_mib = 1023",
            "found 1023; accepted: a number from 1024 to 1073741824",
        ),
        (
            "[store]\nretention_minutes = '1d'",
            "found \"1d\"; accepted: a duration from 2days to 10years",
        ),
        (
            "[store]\nretention_hours = '11years'",
            "found \"11years\"; accepted: a duration from 2days to 10years",
        ),
        (
            "[store]\nretention_schedule = '*/10 * * * *'",
            "six cron fields",
        ),
        (
            "[store]\nretention_schedule = '0 0 0 30 2 *'",
            "six cron fields",
        ),
        ("[grpc]\nshutdown_grace = '6m'", "a duration from 0s to 5m"),
        (
            "[http]\nlisten = 'localhost:80'",
            "an IP address and a port",
        ),
        (
            "[estimator]\nmax_staleness = '30s'",
            "found \"30s\"; accepted: more than 30s",
        ),
        (
            "[estimator]\nhistoric_suffix = ''",
            "text of 1 to 255 characters",
        ),
        (
            "[watches]\nlimit = 0",
            "found 0; accepted: a number from 1 to 1000000",
        ),
        (
            "[watches]\nlimit = 0xF_FFFF_FFFF",
            "found 68719476735; accepted",
        ),
        ("[watches]\nlimit = 1e3", "found 1e3; accepted"),
        ("[watches]\nlimit = '5'", "found \"5\"; accepted"),
        ("[azul]\nkafka_prefix = 'x'", "text that contains {plugin}"),
        (
            "[log]\nfilter = 'a=b=c'",
            "log.filter: found \"a=b=c\": error parsing level filter",
        ),
        (
            "store = 5",
            "store: found a number, boolean or date; accepted: a table",
        ),
        ("[[store]]\n", "store: found a list; accepted: a table"),
        (
            "stroe.retention = '1d'",
            "stroe: unknown key; accepted: poll, store, grpc, http",
        ),
        (
            "clusters.b.groups.discover = 'yes'",
            "groups.discover: found \"yes\"; accepted: true, false",
        ),
        (
            "clusters.b.groups.include = 'a'",
            "found \"a\"; accepted: a list",
        ),
        (
            "clusters.b.groups.named = [{}]",
            "named[0].group: is missing",
        ),
        (
            "clusters.b.groups.named = ['g']",
            "named[0]: found text; accepted: a table",
        ),
        (
            "clusters.b.groups.named = [{group = 'g', topics = []}]",
            "topics: found a list: 0 in it",
        ),
        (
            "clusters.b.groups.named = [{group = 'g', topics = ['a b']}]",
            "topics[0]: found \"a b\"",
        ),
        (
            "clusters.b.groups.named = [{group = 'g'}, {group = 'g'}]",
            "named[1]: group \"g\" again",
        ),
        (
            "clusters.b.bootstrap_servers = []",
            "found a list: 0 in it; accepted: a list of 1 to 64",
        ),
        (
            "clusters.b.tls = {}",
            "b.tls: does not go with PLAINTEXT; accepted: security_protocol SSL",
        ),
        (
            "clusters.b.security_protocol = 'ssl'",
            "found \"ssl\"; accepted: PLAINTEXT, SSL,",
        ),
        (
            "clusters.b.security_protocol = 'SASL_SSL'",
            "b.sasl: is missing; accepted: a table",
        ),
        (
            "clusters.b.properties = {'group.id' = 'g'}",
            "not passed on: Tidegauge joins no group",
        ),
        (
            "clusters.b.properties.debug = []",
            "properties.debug: found a list; accepted: text",
        ),
        ("a = ", "test.toml:1: "),
        ("a = 1\na = 2", "test.toml:2: duplicate key; accepted: TOML"),
        (&format!("[http]\nlisten = '{long}'"), "xxx…\"; accepted"),
    ];
    for (text, expected) in cases {
        let found = mistakes(text, &[]).join("\n");
        assert!(found.contains(expected), "{text}\n{found}");
    }
}

#[test]
fn a_pattern_may_be_neither_long_nor_huge() {
    let long = "a".repeat(1_001);
    for pattern in [long.as_str(), "(a{1000}){60}"] {
        let text = format!("{CLUSTER}groups.exclude = ['{pattern}']");
        let found = mistakes(&text, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("exclude[0]: found"), "{found:?}");
    }
    let many = vec!["'a'"; 101].join(",");
    let found = mistakes(&format!("{CLUSTER}groups.include = [{many}]"), &[]);
    assert!(
        found[0].contains("101 in it; accepted: a list of 0 to 100"),
        "{found:?}"
    );
}

#[test]
fn the_environment_overrides_the_file() {
    let text = "[store]\ndata_dir = '/a'\n[clusters.my-cluster]\nbootstrap_servers = ['b:9092']\n\
                [clusters.my-cluster.properties]\n'socket.timeout.ms' = 1\nclient.id = 'file'\n";
    let config = good(
        text,
        &[
            ("TIDEGAUGE_STORE__DATA_DIR", "/b"),
            ("TIDEGAUGE_STORE__MAX_SIZE_MIB", "1024"),
            ("TIDEGAUGE_WATCHES__LIMIT", "7"),
            (
                "TIDEGAUGE_CLUSTERS__MY_CLUSTER__BOOTSTRAP_SERVERS",
                "c:1, d:2",
            ),
            ("TIDEGAUGE_CLUSTERS__MY_CLUSTER__GROUPS__DISCOVER", "false"),
            ("TIDEGAUGE_CLUSTERS__MY_CLUSTER__GROUPS__NAMED", "g,h"),
            ("TIDEGAUGE_CLUSTERS__MY_CLUSTER__GROUPS__INCLUDE", ""),
            (
                "TIDEGAUGE_CLUSTERS__MY_CLUSTER__PROPERTIES__SOCKET_TIMEOUT_MS",
                "2",
            ),
            (
                "TIDEGAUGE_CLUSTERS__MY_CLUSTER__PROPERTIES__CLIENT_ID",
                "variable",
            ),
            ("TIDEGAUGE_CLUSTERS__OTHER__BOOTSTRAP_SERVERS", "e:3"),
        ],
    );
    assert_eq!(config.store.data_dir, Path::new("/b"));
    assert_eq!(config.store.max_size_mib, Some(1_024));
    assert_eq!(config.watches.limit, 7);
    let cluster = &config.clusters["my-cluster"];
    assert_eq!(cluster.bootstrap_servers, ["c:1", "d:2"]);
    assert!(!cluster.groups.discover);
    assert_eq!(cluster.groups.named["h"], TopicSelection::committed());
    assert_eq!(cluster.properties["socket.timeout.ms"], "2");
    assert_eq!(cluster.properties["client.id"], "variable");
    assert_eq!(config.clusters["other"].bootstrap_servers, ["e:3"]);
    assert_eq!(config.clusters.len(), 2);
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let foreign = [
        ("TIDEGAUGE_SERVICE_HOST", "10.0.0.1"),
        ("TIDEGAUGE_PORT_9090_TCP_ADDR", "10.0.0.1"),
        ("TIDEGAUGE_REQUIRE_KAFKA", "1"),
        ("TIDEGAUGE", "x"),
        ("OTHER_STORE__DATA_DIR", "x"),
    ];
    assert_eq!(
        good(CLUSTER, &foreign).store.data_dir,
        Path::new("/var/lib/tidegauge")
    );
}

#[test]
fn a_variable_that_names_no_key_is_refused() {
    let deep = format!("TIDEGAUGE_{}", vec!["A"; 10_000].join("__"));
    let cases = [
        (
            "TIDEGAUGE_STORE__DIR",
            "store.dir: unknown key; accepted: data_dir,",
        ),
        (
            "TIDEGAUGE_STROE__DATA_DIR",
            "stroe: unknown key; accepted: poll, store",
        ),
        ("TIDEGAUGE_STORE__", "store.: unknown key"),
        ("TIDEGAUGE__STORE__DATA_DIR", "_store: unknown key"),
        (
            "TIDEGAUGE_CLUSTERS__MAIN",
            "found text for a table; accepted: one variable for each",
        ),
        (
            "TIDEGAUGE_CLUSTERS__MAIN__BOOTSTRAP_SERVERS__0",
            "goes below a list at test.toml:2",
        ),
        (&deep, "10000 parts; accepted: at most 8"),
    ];
    for (name, expected) in cases {
        let found = mistakes(CLUSTER, &[(name, "s3cret")]);
        assert_eq!(found.len(), 1, "{found:?}");
        let place: String = name.chars().take(80).collect();
        assert!(found[0].starts_with(&place), "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
        assert!(!found[0].contains("s3cret"), "{found:?}");
    }
    let twice = [
        ("TIDEGAUGE_LOG__FILTER", "info"),
        ("TIDEGAUGE_LOG__filter", "warn"),
    ];
    assert_eq!(
        mistakes(CLUSTER, &twice),
        [
            "TIDEGAUGE_LOG__filter: log.filter: same key as TIDEGAUGE_LOG__FILTER; \
          accepted: one variable a key"
        ]
    );
    let garbled = mistakes(CLUSTER, &[("TIDEGAUGE_LOG__FILTER", "\u{fffd}")]);
    assert!(garbled[0].contains("text in UTF-8"), "{garbled:?}");
}

#[test]
fn groups_are_named_with_or_without_topics() {
    let text = format!(
        "{CLUSTER}[clusters.main.groups]\ninclude = ['^orders-']\n\
         [[clusters.main.groups.named]]\ngroup = 'a'\ntopics = ['t']\n\
         [[clusters.main.groups.named]]\ngroup = 'b'\n"
    );
    let config = good(&text, &[]);
    let groups = &config.clusters["main"].groups;
    assert!(groups.include[0].is_match("orders-1"));
    let topics = TopicSelection::only([TopicName::from("t")]);
    assert_eq!(groups.named[&GroupId::from("a")], topics);
    assert_eq!(
        groups.named[&GroupId::from("b")],
        TopicSelection::committed()
    );
}

#[test]
fn a_secret_comes_from_a_file_or_a_variable() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("password");
    fs::write(&file, "from file\r\n").expect("file");
    let text = sasl(&format!("password_file = {file:?}\n"));
    let password = |config: &Config| {
        let sasl = config.clusters["main"].security.sasl.clone();
        match sasl.expect("sasl").login {
            SaslLogin::Password(user) => user.password.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(password(&good(&text, &[])), "from file");
    let variable = [(
        "TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD",
        " from, variable \n",
    )];
    assert_eq!(password(&good(&text, &variable)), " from, variable ");
    assert_eq!(password(&good(&sasl(""), &variable)), " from, variable ");
}

#[test]
fn a_secret_that_can_not_be_had_is_a_mistake() {
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("file");
        format!("password_file = {path:?}")
    };
    let cases = [
        (
            write("empty", b"\n"),
            "empty\": the file is empty; accepted",
        ),
        (
            write("large", &[b'x'; 64 * 1024 + 1]),
            "large\": larger than 64 KiB",
        ),
        (
            write("binary", &[0xff, 0xfe]),
            "binary\": stream did not contain valid UTF-8",
        ),
        (
            format!("password_file = {:?}", folder.path()),
            "is a directory",
        ),
        (
            "password_file = '/no/such'".to_owned(),
            "found \"/no/such\": No such file",
        ),
        (
            String::new(),
            "password_file: is missing; accepted: password_file with the path",
        ),
    ];
    for (rest, expected) in cases {
        let found = mistakes(&sasl(&rest), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }
    let empty = [("TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD", "")];
    let found = mistakes(&sasl(""), &empty);
    assert!(found[0].contains("sasl.password: is empty"), "{found:?}");
}

#[test]
fn a_secret_in_the_file_is_refused_with_what_to_do() {
    let found = mistakes(&sasl("password = 'hunter2'\n"), &[]);
    assert_eq!(
        found,
        [
            "test.toml:7: clusters.main.sasl.password: a secret stands in the file; accepted: \
          password_file with the path of a file that holds it, or the variable \
          TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD"
        ]
    );
}

#[test]
fn no_secret_is_ever_shown() {
    const SECRET: &str = "hunter2";
    let texts = [
        sasl("password = 'hunter2'"),
        sasl("password = ['hunter2']"),
        sasl("passwrod = 'hunter2'"),
        sasl("password = 'hunter2"),
        sasl("password = 'hunter2'\npassword = 'hunter2'"),
        sasl("password = hunter2"),
        sasl("client_secret = 'hunter2'"),
        sasl("token_endpoint = 'https://a:hunter2@b/'"),
        sasl("extensions.a = 'hunter2'"),
        login::oauthbearer("client_secret = 'hunter2'"),
        login::oauthbearer("token_endpoint = 'https://a:hunter2@b/'"),
        login::oauthbearer("extensions.a1 = 'hunter2'"),
        login::oauthbearer("extensions.a = ['hunter2']"),
        login::oauthbearer("password = 'hunter2'"),
        format!("{CLUSTER}sasl = 'hunter2'"),
        format!("{CLUSTER}sasl = [{{password = 'hunter2'}}]"),
        format!("{CLUSTER}tls.key_password = 'hunter2'"),
        format!("{CLUSTER}properties.'sasl.password' = 'hunter2'"),
        format!("{CLUSTER}properties.no-such = 'hunter2'"),
        format!("{CLUSTER}properties.foo = ['hunter2']"),
    ];
    for text in texts {
        let error = parse(&text, &[]).expect_err("has mistakes");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{text}\n{shown}");
    }
    let variables = [
        ("TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD", SECRET),
        ("TIDEGAUGE_CLUSTERS__MAIN__TLS__KEY_PASSWORD", SECRET),
        ("TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWRD", SECRET),
        ("TIDEGAUGE_CLUSTERS__MAIN__SASL__CLIENT_SECRET", SECRET),
        (
            "TIDEGAUGE_CLUSTERS__MAIN__PROPERTIES__SASL_PASSWORD",
            SECRET,
        ),
        (
            "TIDEGAUGE_CLUSTERS__MAIN__PROPERTIES__SSL_KEY_PASSWORD",
            SECRET,
        ),
    ];
    let error = parse(&sasl(""), &variables).expect_err("has mistakes");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let config = good(&sasl(""), &variables[..1]);
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn certificate_and_key_go_together() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("pem");
    fs::write(&file, "pem").expect("file");
    let tls =
        |lines: &str| format!("{CLUSTER}security_protocol = 'SSL'\n[clusters.main.tls]\n{lines}");
    let (certificate, key) = (
        format!("certificate_file = {file:?}\n"),
        format!("key_file = {file:?}\n"),
    );
    good(&tls(""), &[]);
    good(&tls(&format!("{certificate}{key}")), &[]);
    let password = [("TIDEGAUGE_CLUSTERS__MAIN__TLS__KEY_PASSWORD", "p")];
    for (lines, variables, expected) in [
        (certificate.as_str(), &[][..], "tls.key_file: is missing"),
        (&key, &[], "tls.certificate_file: is missing"),
        ("", &password, "tls.key_file: is missing"),
        (
            "ca_file = '/no/such'",
            &[],
            "found \"/no/such\": No such file",
        ),
    ] {
        let found = mistakes(&tls(lines), variables);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }
}

#[test]
fn a_file_is_read_and_named() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("tidegauge.toml");
    let error = Config::load(Some(&path), []).expect_err("is not there");
    assert!(
        error.to_string().contains("can't be read: No such file"),
        "{error}"
    );

    fs::write(&path, CLUSTER).expect("file");
    assert!(Config::load(Some(&path), []).is_ok());

    fs::write(&path, "\n[store]\nx = 1").expect("file");
    let error = Config::load(Some(&path), []).expect_err("has mistakes");
    let place = format!("{}:3: store.x: ", path.display());
    assert!(error.to_string().starts_with(&place), "{error}");

    fs::write(&path, " ".repeat(1024 * 1024 + 1)).expect("file");
    let error = Config::load(Some(&path), []).expect_err("is too large");
    assert!(
        error.to_string().contains("larger than 1024 KiB"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", value in ".{0,50}") {
        let _ = parse(&text, &[("TIDEGAUGE_STORE__RETENTION_SCHEDULE", &value)]);
        let _ = parse(CLUSTER, &[("TIDEGAUGE_CLUSTERS__MAIN__GROUPS__INCLUDE", &value)]);
    }

    /// Closer to TOML than any text, so that it gets past the syntax.
    #[test]
    fn any_table_is_read_or_refused(
        lines in prop::collection::vec(
            "(\\[{1,2})?(store|poll|clusters|main|groups|named|sasl|tls|properties|[a-z\"'.-]){1,3}(\\]{1,2})?( ?= ?('.{0,9}'|\"[a-z\\\\]*\"|[0-9_.eE:TZ+-]{1,9}|\\[.{0,9}\\]|\\{.{0,9}\\}|true))?",
            0..12,
        ),
    ) {
        let text = lines.join("\n");
        for source in [text.clone(), format!("{CLUSTER}{text}")] {
            if let Err(error) = parse(&source, &[]) {
                prop_assert_eq!(error.to_string().lines().count(), error.mistakes().len());
            }
        }
    }

    #[test]
    fn any_environment_is_read_or_refused(
        variables in prop::collection::vec(
            ("TIDEGAUGE_(STORE|CLUSTERS|MAIN|GROUPS|NAMED|DATA_DIR|SASL|__|_|.){0,6}", ".{0,20}"),
            0..6,
        ),
    ) {
        if let Err(error) = Config::parse("test.toml", CLUSTER, variables) {
            prop_assert_eq!(error.to_string().lines().count(), error.mistakes().len());
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let tables = format!("{}1{}", "{a = ".repeat(10_000), "}".repeat(10_000));
    let lists = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let keys = vec!["a"; 10_000].join(".");
    for text in [
        format!("x = {tables}"),
        format!("x = {lists}"),
        format!("{keys} = 1"),
        format!("[{keys}]"),
    ] {
        assert!(parse(&text, &[]).is_err());
    }
}
