//! What holds for every answer.

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, header},
};

use super::testing::{Setting, t0_plus, tick};

fn setting() -> Setting {
    let ticks = (0..60).map(|n| tick(t0_plus(n * 10), &[(n, 2 * n), (n, 3 * n)]));
    Setting::recorded(ticks.collect())
}

const HISTORY: &str = "/api/v1/history?group=g&from=1767225600&to=1767226200";

#[tokio::test]
async fn answers_are_compressed_for_who_can_read_that() {
    let setting = setting();
    let plain = setting.get(HISTORY).await;
    assert_eq!(plain.headers.get(header::CONTENT_ENCODING), None);

    let request = Request::get(HISTORY).header(header::ACCEPT_ENCODING, "br, gzip");
    let request = request.body(Body::empty()).expect("a request");
    let (head, body) = setting.send(request).await.into_parts();
    assert_eq!(head.headers[header::CONTENT_ENCODING], "gzip");
    assert_eq!(head.headers[header::VARY], "accept-encoding");
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    assert!(body.starts_with(&[0x1f, 0x8b]), "gzip's magic bytes");
    assert!(body.len() * 3 < plain.body.len(), "{} bytes", body.len());
}

#[tokio::test]
async fn answers_are_neither_kept_nor_guessed_at() {
    let setting = setting();
    for uri in [HISTORY, "/healthz", "/metrics", "/nowhere"] {
        let answer = setting.get(uri).await;
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{uri}");
        let sniffing = &answer.headers[header::X_CONTENT_TYPE_OPTIONS];
        assert_eq!(sniffing, "nosniff", "{uri}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let setting = setting();
    for (method, uri, accepted) in [
        (Method::DELETE, "/api/v1/groups", "GET"),
        (Method::GET, "/api/v1/backup", "POST"),
    ] {
        let answer = setting.ask(method.clone(), uri).await;
        let expected = (
            405,
            "method_not_allowed".to_owned(),
            format!("{method} is not accepted here, {accepted} is"),
        );
        assert_eq!(answer.error(), expected, "{uri}");
    }
}
