//! What a queue needs, and what is accepted for each key.

use super::*;

fn queue(rest: &str) -> String {
    let usual = ["host = 'db'", "database = 'd'", "user = 'u'"];
    let key = |line: &str| line.split('=').next().expect("a key").to_owned();
    let missing = usual.iter().filter(|line| !rest.contains(&key(line)));
    let missing: Vec<&str> = missing.copied().collect();
    format!("[queues.work]\n{}\n{rest}\n", missing.join("\n"))
}

#[test]
fn a_queue_is_enough_and_has_its_defaults() {
    let config = good(&queue(""), &[]);
    assert!(config.clusters.is_empty());
    assert_eq!(config.streams().collect::<Vec<_>>(), [&"work".into()]);
    let work = &config.queues["work"];
    assert_eq!((work.host.as_str(), work.port), ("db", 5432));
    assert!(work.password.is_none());
    let tls = work.tls.as_ref().expect("TLS unless it is switched off");
    assert!(tls.ca_file.is_none() && tls.identity.is_none());
    assert!(work.query.contains("claimed_by = -1 AND failed = false"));
    assert_eq!(work.statement_timeout, Duration::from_secs(3));
    assert_eq!(work.connect_timeout, Duration::from_secs(3));
    let often = good(
        &format!("{}[poll]\ninterval = '1s'\n[estimator]\n", queue("")),
        &[],
    );
    assert_eq!(
        often.queues["work"].statement_timeout,
        Duration::from_millis(500)
    );
}

#[test]
fn the_environment_names_a_queue_too() {
    let variables = [
        ("TIDEGAUGE_QUEUES__WORK__HOST", "[::1]"),
        ("TIDEGAUGE_QUEUES__WORK__DATABASE", "d"),
        ("TIDEGAUGE_QUEUES__WORK__USER", "u"),
        ("TIDEGAUGE_QUEUES__WORK__PASSWORD", "hunter2"),
        ("TIDEGAUGE_QUEUES__WORK__TLS", "off"),
    ];
    let work = &good("", &variables).queues["work"];
    assert_eq!(work.host, "::1");
    assert!(work.tls.is_none());
    assert_eq!(work.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert!(!format!("{work:?}").contains("hunter2"));
}

#[test]
fn all_its_files_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "content").expect("written");
        path.display().to_string()
    };
    let [ca, certificate, key, password] = ["ca", "certificate", "key", "password"].map(file);
    let config = good(
        &queue(&format!(
            "ca_file = '{ca}'\ncertificate_file = '{certificate}'\nkey_file = '{key}'\n\
             password_file = '{password}'"
        )),
        &[],
    );
    let files = config.queues["work"].files();
    let files: Vec<_> = files.map(|path| path.display().to_string()).collect();
    assert_eq!(files, [password, ca, certificate, key]);
}

#[test]
fn each_mistake_is_named_with_what_is_accepted() {
    let long = format!("user = '{}'", "x".repeat(64));
    for (rest, key, words) in [
        ("host = ''", "host", "1 to 253"),
        ("host = 'db:5432'", "host", "without a port"),
        ("host = '/run/postgresql'", "host", "without a port"),
        ("port = 0", "port", "1 to 65535"),
        ("port = 65536", "port", "1 to 65535"),
        ("database = ''", "database", "1 to 63"),
        (long.as_str(), "user", "1 to 63"),
        ("user = \"a\\nb\"", "user", "no control characters"),
        ("password = 'hunter2'", "password", "password_file"),
        (
            "password_file = '/no/such'",
            "password_file",
            "readable file",
        ),
        ("tls = 'prefer'", "tls", "required, off"),
        ("ca_file = '/no/such'", "ca_file", "PEM"),
        (
            "tls = 'off'\nca_file = '/dev/null'",
            "ca_file",
            "tls is off",
        ),
        (
            "key_file = '/dev/null'",
            "certificate_file",
            "since there is a key_file",
        ),
        (
            "certificate_file = '/dev/null'",
            "key_file",
            "since there is a certificate_file",
        ),
        ("query = ''", "query", "1 to 16384"),
        (
            "statement_timeout = '10s'",
            "statement_timeout",
            "less than poll.interval",
        ),
        (
            "statement_timeout = '1ms'",
            "statement_timeout",
            "10ms to 5m",
        ),
        ("connect_timeout = '1h'", "connect_timeout", "10ms to 5m"),
        (
            "url = 'postgres://u:hunter2@db/d'",
            "url",
            "accepted: host, port, database, user",
        ),
    ] {
        let found = mistakes(&queue(rest), &[]);
        let [mistake] = &found[..] else {
            panic!("{rest}: {found:#?}");
        };
        assert!(
            mistake.contains(&format!(" queues.work.{key}: ")),
            "{mistake}"
        );
        assert!(mistake.contains(words), "{rest}: {mistake}");
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
    for key in ["host", "database", "user"] {
        let text = queue("").replace(&format!("{key} ="), &format!("#{key} ="));
        let found = mistakes(&text, &[]);
        assert!(
            found[0].contains(&format!("queues.work.{key}: is missing")),
            "{found:?}"
        );
    }
}

#[test]
fn queues_and_clusters_share_their_names() {
    let both = format!("{CLUSTER}{}", queue("").replace("work", "main"));
    let [mistake] = &mistakes(&both, &[])[..] else {
        panic!("one mistake");
    };
    assert!(
        mistake.contains("queues.main: there is a cluster of this name"),
        "{mistake}"
    );
    let misnamed = mistakes(&queue("").replace("work", "Work"), &[]);
    assert!(
        misnamed[0].contains("a name of 1 to 63 of a-z"),
        "{misnamed:?}"
    );
    let many: String = (0..65)
        .map(|nth| queue("").replace("work", &nth.to_string()))
        .collect();
    assert!(mistakes(&many, &[])[0].contains("65 queues; accepted: at most 64"));
}

#[test]
fn what_is_of_a_cluster_needs_one() {
    let service = "[services.a]\ngroup = 'g'\ntopic = 't'\n";
    let found = mistakes(&format!("{}{service}", queue("")), &[]);
    let expected =
        "services.a.cluster: is missing; accepted: a name under [clusters], which has none";
    assert!(found[0].contains(expected), "{found:?}");
}

#[test]
fn rules_of_access_name_queues_as_well() {
    let rule = "[access.rules.a]\nnamespaces = ['a']\ngroups = ['^ingest-']\nclusters = ['work']\n";
    let config = good(&format!("{CLUSTER}{}{rule}", queue("")), &[]);
    let rules = config.access.rules.expect("rules");
    assert_eq!(rules["a"].clusters, Some(vec!["work".into()]));
}

#[test]
fn another_query_is_another_section_and_another_password_is_not() {
    let fingerprints = |rest: &str, password| {
        let variable = [("TIDEGAUGE_QUEUES__WORK__PASSWORD", password)];
        good(&queue(rest), &variable).fingerprints()
    };
    let one = fingerprints("", "one");
    assert_eq!(changed_sections(&one, &fingerprints("", "two")), [""; 0]);
    let other = fingerprints("query = 'SELECT 1'", "one");
    assert_eq!(changed_sections(&one, &other), ["queues.work"]);
}
