//! TLS of listeners, who may ask over HTTP, and whose ScaledObjects may ask.

use super::*;

fn told(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    mistakes(&format!("{CLUSTER}{text}"), environment)
}

#[test]
fn each_mistake_in_tls_has_its_message() {
    for (text, expected) in [
        (
            "[grpc.tls]",
            "grpc.tls.certificate_file: is missing; accepted: the path of a readable PEM file",
        ),
        (
            "[grpc.tls]\ncertificate_file = '/dev/null'",
            "grpc.tls.key_file: is missing; accepted: the path of a readable PEM file",
        ),
        (
            "[grpc.tls]\ncertificate_file = '/dev/null'\nkey_file = '/no/such'",
            "grpc.tls.key_file: found \"/no/such\": No such file or directory (os error 2)",
        ),
        (
            "[http.tls]\ncertificate_file = '/dev/null'\nkey_file = '/dev/null'\nclient_ca_file = 'x'",
            "http.tls.client_ca_file: unknown key; accepted: certificate_file, key_file",
        ),
        (
            "[grpc]\ntls = true",
            "grpc.tls: found a number, boolean or date; accepted: a table",
        ),
    ] {
        let found = told(text, &[]);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{found:#?}"
        );
    }
}

#[test]
fn a_secret_of_no_use_is_refused_unseen() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let token = format!("bearer_token_file = {:?}", file.path());
    let password = format!("user = 'u'\npassword_file = {:?}", file.path());
    let long = "x".repeat(4_097);
    for (secret, keys, expected) in [
        ("", [true, true], "the file is empty"),
        ("\n", [true, true], "the file is empty"),
        (
            "fifteen-letters",
            [true, true],
            "so short that it can be guessed",
        ),
        ("sixteen--letters", [false, false], ""),
        ("sixteen--letters\r\n", [false, false], ""),
        (
            "two\nlines-of-one-secret",
            [true, true],
            "more than one line",
        ),
        (
            "with a space in the middle",
            [true, false],
            "a character that no header can hold",
        ),
        (
            "w\u{ef}th-another-alphabet",
            [true, false],
            "a character that no header can hold",
        ),
        (
            "with\ta-control-character",
            [true, true],
            "a control character",
        ),
        (&long, [true, true], "the secret is too long"),
    ] {
        std::fs::write(file.path(), secret).expect("written");
        for (table, is_refused) in [&token, &password].into_iter().zip(keys) {
            let parsed = parse(&format!("{CLUSTER}[http.auth]\n{table}"), &[]);
            assert_eq!(parsed.is_err(), is_refused, "{secret:?}: {parsed:?}");
            if let Err(error) = parsed {
                let message = error.to_string();
                assert!(message.contains(expected), "{message}");
                assert!(
                    secret.len() < 5 || !message.contains(secret.trim()),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn ways_to_say_who_asks_are_whole() {
    let password = ("TIDEGAUGE_HTTP__AUTH__PASSWORD", "sixteen--letters");
    let token = ("TIDEGAUGE_HTTP__AUTH__BEARER_TOKEN", "sixteen--letters");
    for (text, environment, expected) in [
        (
            "",
            &[][..],
            "http.auth: names no secret; accepted: bearer_token_file, or user",
        ),
        (
            "user = 'u'",
            &[],
            "http.auth.password_file: is missing; accepted: password_file",
        ),
        ("", &[password], "http.auth.user: is missing"),
        (
            "user = 'u:v'",
            &[password],
            "http.auth.user: found \"u:v\"; accepted: the name of a user",
        ),
        ("user = ''", &[password], "text of 1 to 255 characters"),
        (
            "bearer_token = 'sixteen--letters'",
            &[],
            "a secret stands in the file",
        ),
        (
            "",
            &[("TIDEGAUGE_HTTP__AUTH__BEARER_TOKEN", "short")],
            "so short",
        ),
    ] {
        let found = told(&format!("[http.auth]\n{text}"), environment);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{found:#?}"
        );
    }
    let text = format!("{CLUSTER}[http.auth]\nuser = 'u'");
    let auth = good(&text, &[password, token]).http.auth.expect("there");
    assert!(auth.bearer_token.is_some() && auth.basic.is_some());
    assert!(auth.files().is_empty(), "variables can't change");
    assert!(!format!("{auth:?}").contains("sixteen"));
}

#[test]
fn each_mistake_in_access_has_its_message() {
    let rule = |rest: &str| format!("[access.rules.a]\n{rest}");
    for (text, expected) in [
        (
            "[access]\nnamespaces = []".to_owned(),
            "access.namespaces: found a list: 0 in it; accepted: a list of 1 to 100",
        ),
        (
            "[access]\nnamespaces = ['(']".to_owned(),
            "access.namespaces[0]: found \"(\"; accepted: a regular expression",
        ),
        (
            "[access.rules]".to_owned(),
            "access.rules: 0 rules; accepted: 1 to 200",
        ),
        (
            rule(""),
            "access.rules.a.namespaces: is missing; accepted: a list of patterns",
        ),
        (
            rule("namespaces = ['a']"),
            "access.rules.a.groups: is missing",
        ),
        (
            rule("namespaces = ['a']\ngroups = []"),
            "access.rules.a.groups: found a list: 0 in it",
        ),
        (
            rule("namespaces = ['a']\ngroups = ['a']\nclusters = ['man']"),
            "access.rules.a.clusters[0]: found \"man\"; accepted: \"main\"",
        ),
        (
            rule("namespaces = ['a']\ngroups = ['a']\nclusters = []"),
            "access.rules.a.clusters: ",
        ),
        (
            "[access.rules.'A b']\nnamespaces = ['a']".to_owned(),
            "this name; accepted: a name, 1 to 63",
        ),
    ] {
        let found = told(&text, &[]);
        assert!(
            found.iter().any(|line| line.contains(expected)),
            "{expected}: {found:#?}"
        );
    }
}

#[test]
fn what_is_not_restricted_is_open() {
    let access = good(CLUSTER, &[]).access;
    assert!(access.namespaces.is_none() && access.rules.is_none());
    let text = format!("{CLUSTER}[access.rules.a]\nnamespaces = ['a']\ngroups = ['a', 'b']");
    let access = good(&text, &[("TIDEGAUGE_ACCESS__NAMESPACES", "^a$,^b$")]).access;
    assert_eq!(access.namespaces.map(|patterns| patterns.len()), Some(2));
    let rules = access.rules.expect("rules");
    assert_eq!(rules["a"].groups.len(), 2);
    assert!(rules["a"].clusters.is_none());
}
