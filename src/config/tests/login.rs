//! Which keys a mechanism has, and what is accepted for each.

use super::*;

/// With all that OAUTHBEARER needs but the secret; `rest` comes first, and wins.
pub(super) fn oauthbearer(rest: &str) -> String {
    let usual = [
        "token_endpoint = 'https://login.example/token'",
        "client_id = 'c'",
    ];
    let missing = usual.iter().filter(|line| {
        let key = line.split(" =").next().expect("a key");
        !rest.contains(key)
    });
    let missing: Vec<&str> = missing.copied().collect();
    format!(
        "{CLUSTER}security_protocol = 'SASL_SSL'\n\
         [clusters.main.sasl]\nmechanism = 'OAUTHBEARER'\n{}\n{rest}\n",
        missing.join("\n"),
    )
}

fn gssapi(rest: &str) -> String {
    format!(
        "{CLUSTER}security_protocol = 'SASL_SSL'\n\
         [clusters.main.sasl]\nmechanism = 'GSSAPI'\n{rest}\n"
    )
}

const SECRET: (&str, &str) = ("TIDEGAUGE_CLUSTERS__MAIN__SASL__CLIENT_SECRET", "hunter2");

fn login(config: &Config) -> SaslLogin {
    let sasl = config.clusters["main"].security.sasl.clone();
    sasl.expect("sasl").login
}

fn tokens(text: &str, environment: &[(&str, &str)]) -> OAuthBearerConfig {
    match login(&good(text, environment)) {
        SaslLogin::OAuthBearer(tokens) => tokens,
        other => panic!("{other:?}"),
    }
}

#[test]
fn oauthbearer_needs_an_endpoint_and_a_client() {
    let least = tokens(&oauthbearer(""), &[SECRET]);
    assert_eq!(least.token_endpoint.as_str(), "https://login.example/token");
    assert_eq!(least.client_id, "c");
    assert!(least.scope.is_none() && least.token_ca_file.is_none());
    assert!(least.extensions.is_empty());

    let found = mistakes(
        &format!(
            "{CLUSTER}security_protocol = 'SASL_SSL'\n\
             [clusters.main.sasl]\nmechanism = 'OAUTHBEARER'\n"
        ),
        &[],
    );
    let keys: Vec<&str> = found
        .iter()
        .map(|line| line.split(": ").nth(1).expect("a key"))
        .collect();
    assert_eq!(
        keys,
        [
            "clusters.main.sasl.token_endpoint",
            "clusters.main.sasl.client_id",
            "clusters.main.sasl.client_secret_file"
        ]
    );
    assert!(found[2].contains(SECRET.0), "{found:?}");
}

#[test]
fn all_that_a_token_server_and_brokers_want_is_read() {
    let ca = tempfile::NamedTempFile::new().expect("a file");
    let rest = format!(
        "scope = 'kafka read'\ntoken_ca_file = {:?}\n\
         extensions = {{ logicalCluster = 'lkc-1', identityPoolId = 'pool-2' }}",
        ca.path()
    );
    let tokens = tokens(&oauthbearer(&rest), &[SECRET]);
    assert_eq!(tokens.scope.as_deref(), Some("kafka read"));
    assert_eq!(tokens.token_ca_file.as_deref(), Some(ca.path()));
    assert_eq!(tokens.extensions["logicalCluster"], "lkc-1");
    assert_eq!(tokens.extensions.len(), 2);
}

#[test]
fn a_client_secret_in_a_file_is_read_each_time() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("secret");
    fs::write(&file, "first\n").expect("file");
    let text = oauthbearer(&format!("client_secret_file = {file:?}"));
    let in_file = tokens(&text, &[]).client_secret;
    assert_eq!(in_file.expose(), "first");
    fs::write(&file, "second\n").expect("file");
    assert_eq!(in_file.read_again().expect("a secret").expose(), "second");
    fs::remove_file(&file).expect("it goes");
    let error = in_file.read_again().expect_err("no file").to_string();
    assert!(error.contains("No such file"), "{error}");

    let variable = tokens(&oauthbearer(""), &[SECRET]).client_secret;
    assert_eq!(variable.read_again().expect("itself").expose(), SECRET.1);
    assert!(!format!("{variable:?}").contains(SECRET.1));
}

#[test]
fn each_mistake_with_tokens_has_its_message() {
    let long = "x".repeat(1_001);
    let many: String = (0..21)
        .map(|number| format!("{} = 'v'\n", "e".repeat(number + 1)))
        .collect();
    let cases = [
        (
            "token_endpoint = 'login.example'",
            "is no URL: relative URL",
        ),
        (
            "token_endpoint = 'http://login.example/'",
            "token_endpoint: would send the client's secret over the network in plain text; \
             accepted: an https URL",
        ),
        (
            "token_endpoint = 5",
            "token_endpoint: found 5; accepted: text of 1",
        ),
        (
            "client_id = ''",
            "client_id: found \"\"; accepted: text of 1 to 1000",
        ),
        ("client_id = 'ä'", "1 to 1000 printable ASCII characters"),
        (&format!("scope = '{long}'"), "scope: found \"xxx"),
        ("scope = \"a\\nb\"", "1 to 1000 printable ASCII characters"),
        (
            "extensions = 'a=b'",
            "extensions: found text; accepted: a table",
        ),
        (
            "extensions.auth = 'x'",
            "extensions.auth: not the name of an extension; accepted: a name of 1 to 100 of",
        ),
        ("extensions.a1 = 'x'", "not the name of an extension"),
        (
            "extensions.a = 5",
            "extensions.a: found a number, boolean or date; accepted: text",
        ),
        (
            "extensions.a = ''",
            "found text; accepted: text of 1 to 1000 printable",
        ),
        (
            &format!("[clusters.main.sasl.extensions]\n{many}"),
            "extensions: 21 extensions; accepted: at most 20",
        ),
        (
            "sope = 'x'",
            "sope: unknown key; accepted: mechanism, token_endpoint, client_id",
        ),
    ];
    for (rest, expected) in cases {
        let found = mistakes(&oauthbearer(rest), &[SECRET]);
        assert_eq!(found.len(), 1, "{rest}\n{found:?}");
        assert!(found[0].contains(expected), "{rest}\n{found:?}");
    }
    let found = mistakes(&oauthbearer("client_secret_file = '/no/such'"), &[]);
    assert!(found[0].contains("\"/no/such\": No such file"), "{found:?}");
    let variable = (
        "TIDEGAUGE_CLUSTERS__MAIN__SASL__EXTENSIONS__LOGICALCLUSTER",
        "lkc-1",
    );
    let found = mistakes(&oauthbearer(""), &[SECRET, variable]);
    assert!(
        found[0].contains("does not tell upper from lower case; accepted: the configuration file"),
        "{found:?}"
    );
}

#[test]
fn keys_of_another_mechanism_are_refused() {
    let password = ("TIDEGAUGE_CLUSTERS__MAIN__SASL__PASSWORD", "hunter2");
    let found = mistakes(
        &oauthbearer("username = 'u'\npassword_file = '/p'\nkeytab_file = '/k'"),
        &[SECRET, password],
    );
    let accepted = "mechanism PLAIN, SCRAM-SHA-256, SCRAM-SHA-512";
    assert_eq!(
        found,
        [
            format!(
                "test.toml:8: clusters.main.sasl.username: does not go with OAUTHBEARER; \
                 accepted: no username, or {accepted}"
            ),
            format!(
                "{}: clusters.main.sasl.password: does not go with OAUTHBEARER; \
                 accepted: no password, or {accepted}",
                password.0
            ),
            format!(
                "test.toml:9: clusters.main.sasl.password_file: does not go with OAUTHBEARER; \
                 accepted: no password_file, or {accepted}"
            ),
            "test.toml:10: clusters.main.sasl.keytab_file: does not go with OAUTHBEARER; \
             accepted: no keytab_file, or mechanism GSSAPI"
                .to_owned(),
        ]
    );
    for key in [
        "token_endpoint",
        "client_id",
        "client_secret_file",
        "scope",
        "token_ca_file",
        "extensions",
    ] {
        let found = mistakes(&sasl(&format!("{key} = 'x'")), &[password]);
        let expected =
            format!("{key}: does not go with PLAIN; accepted: no {key}, or mechanism OAUTHBEARER");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(&expected), "{found:?}");
    }
}

#[test]
fn without_a_mechanism_nothing_follows_for_the_rest() {
    let cluster = format!("{CLUSTER}security_protocol = 'SASL_SSL'\n[clusters.main.sasl]\n");
    let rest = "username = 'u'\ntoken_endpoint = 'x'\nprincipal = 'p'\n";
    for (mechanism, expected) in [
        ("", "mechanism: is missing; accepted: PLAIN, SCRAM-SHA-256,"),
        (
            "mechanism = 'plain'",
            "found \"plain\"; accepted: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI",
        ),
    ] {
        let found = mistakes(&format!("{cluster}{mechanism}\n{rest}"), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }
}

#[cfg(not(feature = "gssapi"))]
#[test]
fn a_build_without_kerberos_says_how_to_get_it() {
    let keytab = tempfile::NamedTempFile::new().expect("a file");
    let rest = format!("principal = 'p@R'\nkeytab_file = {:?}", keytab.path());
    assert_eq!(
        mistakes(&gssapi(&rest), &[]),
        [
            "test.toml:5: clusters.main.sasl.mechanism: found \"GSSAPI\": this build of \
             Tidegauge has no Kerberos; accepted: another mechanism, or a build with it: cargo \
             build --release --features gssapi"
        ]
    );
}

#[cfg(feature = "gssapi")]
#[test]
fn kerberos_needs_a_principal_and_a_keytab() {
    let keytab = tempfile::NamedTempFile::new().expect("a file");
    let rest = format!("principal = 'p@R'\nkeytab_file = {:?}", keytab.path());
    match login(&good(&gssapi(&rest), &[])) {
        SaslLogin::Gssapi(kerberos) => {
            assert_eq!(kerberos.service_name, "kafka");
            assert_eq!(kerberos.principal, "p@R");
            assert_eq!(kerberos.keytab_file, keytab.path());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_shell_would_read_is_refused() {
    let keytab = tempfile::Builder::new()
        .prefix("key tab")
        .tempfile()
        .expect("a file");
    let cases = [
        ("", "principal: is missing; accepted: a principal"),
        ("", "keytab_file: is missing; accepted: the path"),
        (
            "principal = 'p; rm -rf /'",
            "found \"p; rm -rf /\": it becomes a part of a shell's command; accepted: a-z",
        ),
        (
            "principal = '%{sasl.password}'",
            "a part of a shell's command",
        ),
        ("principal = '-R'", "a part of a shell's command"),
        (
            "kerberos_service_name = '$(id)'",
            "a part of a shell's command",
        ),
        ("keytab_file = '/k\"'", "a part of a shell's command"),
        (
            &format!("keytab_file = {:?}", keytab.path()),
            "a part of a shell's command",
        ),
        (
            "keytab_file = 'k'",
            "it is relative; accepted: the absolute path",
        ),
        ("keytab_file = '/no/such'", "No such file"),
    ];
    for (rest, expected) in cases {
        let found = mistakes(&gssapi(rest), &[]).join("\n");
        assert!(found.contains(expected), "{rest}\n{found}");
    }
}
