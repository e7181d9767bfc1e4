//! Who is let in, on which path, and who is not.

use std::fs;

use axum::{
    body::Body,
    http::{HeaderValue, Method},
};
use serde_json::Value;

use super::{
    super::testing::{Answer, Setting, open_http},
    *,
};
use crate::config::Secret;

const TOKEN: &str = "a-token-of-some-length";
/// What the document does not describe: the page, Grafana's, Prometheus' and
/// Burrow's protocols, and nothing at all.
const UNDESCRIBED: [&str; 12] = [
    "/",
    "/assets/main.js",
    "/api/v1/openapi.json",
    "/grafana/",
    "/grafana/search",
    "/grafana/query",
    "/prometheus/api/v1/query",
    "/v3/kafka",
    "/v3/kafka/main/consumer/g/lag",
    "/nowhere",
    "/healthz/",
    "//healthz",
];

fn authenticated() -> Setting {
    let auth = AuthConfig {
        bearer_token: Some(Secret::new(TOKEN)),
        basic: None,
    };
    Setting::guarded(&HttpConfig {
        auth: Some(auth),
        ..open_http()
    })
}

/// Asks with these headers.
async fn ask(setting: &Setting, method: &Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    setting.read(request).await
}

/// All paths that the document describes, with their methods.
async fn described(setting: &Setting) -> Vec<(Method, String)> {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let document = ask(setting, &Method::GET, "/api/v1/openapi.json", &headers).await;
    let document = document.json();
    let paths = document["paths"].as_object().expect("paths").iter();
    let methods = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("methods").keys();
        let path = path.replace(['{', '}'], "x");
        let methods = methods.map(|method| method.to_uppercase().parse().expect("a method"));
        methods
            .map(|method| (method, path.clone()))
            .collect::<Vec<_>>()
    };
    paths.flat_map(methods).collect()
}

#[tokio::test]
async fn every_path_but_the_probes_asks_who_it_is() {
    let setting = authenticated();
    let mut asked = described(&setting).await;
    assert!(asked.len() > 15, "{asked:?}");
    for path in UNDESCRIBED {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::HEAD] {
            asked.push((method, path.to_owned()));
        }
    }
    let (mut let_in, mut refused) = (0, 0);
    for (method, path) in &asked {
        let answer = ask(&setting, method, path, &[]).await;
        if PROBES.contains(&&**path) {
            assert_ne!(answer.status, 401, "{method} {path}");
            let_in += 1;
            continue;
        }
        refused += 1;
        assert_eq!(answer.status, 401, "{method} {path}");
        let challenge = &answer.headers[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, "Bearer realm=\"tidegauge\"", "{method} {path}");
        if method != Method::HEAD {
            let (_, code, message) = answer.error();
            assert_eq!(code, "unauthorized");
            assert!(
                message.contains("with Bearer") && !message.contains(TOKEN),
                "{message}"
            );
        }
        let wrong = [("authorization", "Bearer a-token-of-some-lengtH")];
        assert_eq!(
            ask(&setting, method, path, &wrong).await.status,
            401,
            "{path}"
        );
        let bearer = format!("Bearer {TOKEN}");
        let right = [("authorization", bearer.as_str())];
        let answer = ask(&setting, method, path, &right).await;
        assert_ne!(answer.status, 401, "{method} {path}");
    }
    assert_eq!(let_in, 3);
    let metrics = setting.state.guard.refused();
    assert_eq!(metrics[0], ("unauthorized", 2 * refused));
}

#[tokio::test]
async fn a_changed_file_lets_in_who_knows_the_new_secret_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).expect("written");
    let text = format!(
        "[clusters.main]\nbootstrap_servers = ['b:9092']\n[http.auth]\nbearer_token_file = {file:?}"
    );
    let config = crate::config::Config::parse("test.toml", &text, []).expect("valid");
    let setting = Setting::guarded(&config.http);
    let guard = Arc::clone(&setting.state.guard);
    let following = tokio::spawn(async move { guard.follow().await });
    let status = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        ask(&setting, &Method::GET, "/api/v1/groups", &headers)
            .await
            .status
            .as_u16()
    };
    assert_eq!(status(TOKEN).await, 200);
    let changed = async |content: &str| {
        let results = || {
            setting
                .state
                .guard
                .credentials()
                .expect("some")
                .status()
                .results()
        };
        let before = results();
        fs::write(&file, content).expect("written");
        let deadline = Instant::now() + Duration::from_secs(30);
        while results() == before {
            assert!(Instant::now() < deadline, "{content:?} is not seen");
            tokio::task::yield_now().await;
        }
    };
    let other = "another-token-of-a-length";
    changed(other).await;
    assert_eq!((status(TOKEN).await, status(other).await), (401, 200));
    for bad in ["", "short", "two\nlines-of-a-token"] {
        changed(bad).await;
        assert_eq!(status(other).await, 200, "{bad:?}");
        let ready = setting.get("/readyz").await.json();
        let reason = &ready["reasons"][0];
        assert_eq!(reason["scope"], "http.auth", "{ready}");
        assert_eq!(reason["code"], "refused");
        let message = reason["message"].as_str().expect("a text");
        assert!(message.contains("http.auth.bearer_token_file"), "{message}");
        assert!(!message.contains("lines-of"), "{message}");
    }
    changed(TOKEN).await;
    assert_eq!((status(TOKEN).await, status(other).await), (200, 401));
    following.abort();
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let setting = Setting::recorded(Vec::new());
    let host = ("host", "localhost:8080");
    for (headers, is_refused) in [
        (&[][..], false),
        (&[("sec-fetch-site", "same-origin")], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "cross-site")], true),
        (&[("sec-fetch-site", "same-site")], true),
        (&[("sec-fetch-site", "anything")], true),
        (&[("origin", "http://localhost:8080")], false),
        (&[("origin", "https://LOCALHOST:8080")], false),
        (&[("origin", "http://localhost:8081")], true),
        (&[("origin", "http://evil.example")], true),
        (&[("origin", "null")], true),
        // What the browser says counts more than what can be compared.
        (
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://evil.example"),
            ],
            false,
        ),
    ] {
        let headers = [&[host], headers].concat();
        for path in [
            "/grafana/search",
            "/prometheus/api/v1/query",
            "/api/v1/backup",
        ] {
            let answer = ask(&setting, &Method::POST, path, &headers).await;
            let message = "a web page of another site may not ask with POST";
            assert_eq!(
                answer.body.contains(message),
                is_refused,
                "{path} {headers:?}"
            );
            if is_refused {
                assert_eq!(answer.error().0, 403);
            }
        }
        let answer = ask(&setting, &Method::GET, "/api/v1/groups", &headers).await;
        assert_eq!(answer.status, 200, "reading is safe: {headers:?}");
        let cors = answer.headers.keys();
        let mut cors = cors.filter(|name| name.as_str().starts_with("access-control"));
        assert_eq!(cors.next(), None, "no page of another site can read it");
    }
}

#[tokio::test]
async fn the_loopback_answers_to_no_name_that_leads_there() {
    let listening = |address: &str| HttpConfig {
        listen: address.parse().expect("an address"),
        ..open_http()
    };
    let local = Setting::guarded(&listening("127.0.0.1:1"));
    for (host, is_accepted) in [
        ("localhost", true),
        ("LocalHost:8080", true),
        ("tidegauge.localhost", true),
        ("127.0.0.1:8080", true),
        ("[::1]:8080", true),
        ("10.1.2.3", true),
        ("evil.example:8080", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("xlocalhost", false),
        ("a b", false),
        ("", true),
    ] {
        for path in ["/api/v1/groups", "/healthz"] {
            let answer = ask(&local, &Method::GET, path, &[("host", host)]).await;
            assert_eq!(answer.status == 200, is_accepted, "{host}");
            if !is_accepted {
                let (status, code, message) = answer.error();
                assert_eq!((status, code.as_str()), (403, "forbidden"));
                assert!(message.contains(host), "{message}");
            }
        }
    }
    for open in [Setting::guarded(&listening("[::]:1")), authenticated()] {
        let answer = ask(&open, &Method::GET, "/healthz", &[("host", "t.example")]).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn nobody_shows_an_answer_in_a_page_of_others() {
    let setting = Setting::recorded(Vec::new());
    for path in ["/", "/api/v1/groups", "/nowhere", "/metrics"] {
        let headers = setting.get(path).await.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str();
        assert!(policy.expect("text").contains("frame-ancestors"), "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
    }
    let plain = &setting.get("/api/v1/groups").await.headers[header::CONTENT_SECURITY_POLICY];
    assert_eq!(
        plain,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")
    );
}

#[test]
fn refusals_are_logged_now_and_then() {
    let mut log = Log::default();
    assert_eq!(log.due(), Some(1));
    for _ in 0..1_000 {
        assert_eq!(log.due(), None);
    }
    log.at = Instant::now().checked_sub(LOG_AFTER);
    assert!(log.at.is_some(), "the machine has run for a minute");
    assert_eq!(log.due(), Some(1_001));
    assert_eq!(log.due(), None);
}
