//! A token endpoint against servers of all kinds, well and unwell.

mod tls;

use std::{collections::BTreeMap, net::SocketAddr};

use futures::FutureExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// The endpoint at this address, asked with id `a:b` and secret `c d`.
fn endpoint(scheme: &str, address: SocketAddr, ca_file: Option<&Path>) -> TokenEndpoint {
    let url = format!("{scheme}://{address}/token");
    TokenEndpoint::new(OAuthBearerConfig {
        token_endpoint: url.parse().expect("a URL"),
        client_id: "a:b".to_owned(),
        client_secret: Secret::new("c d"),
        scope: Some("e f".to_owned()),
        token_ca_file: ca_file.map(Path::to_owned),
        extensions: BTreeMap::new(),
    })
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// Answers one request, and tells what it was.
async fn answering(answer: String) -> (SocketAddr, JoinHandle<String>) {
    let (listener, address) = listener().await;
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.expect("a request");
        request.truncate(read);
        // Who asks may hang up on a long answer.
        let _ = stream.write_all(answer.as_bytes()).await;
        String::from_utf8(request).expect("text")
    });
    (address, asked)
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

async fn failure(answer: String) -> String {
    let (address, _asked) = answering(answer).await;
    let fetched = endpoint("http", address, None).fetch().await;
    fetched.expect_err("no token").to_string()
}

#[tokio::test]
async fn a_request_is_what_rfc_6749_says() {
    let answer = http("200 OK", "", r#"{"access_token":"t","expires_in":60}"#);
    let (address, asked) = answering(answer).await;
    let token = endpoint("http", address, None)
        .fetch()
        .await
        .expect("a token");
    assert_eq!(token.value.expose(), "t");
    let request = asked.await.expect("a request");
    let (head, body) = request.split_once("\r\n\r\n").expect("a body");
    assert!(head.starts_with("POST /token HTTP/1.1\r\n"), "{head}");
    let credentials = STANDARD.encode("a%3Ab:c+d");
    for header in [
        format!("authorization: Basic {credentials}"),
        "content-type: application/x-www-form-urlencoded".to_owned(),
        "accept: application/json".to_owned(),
    ] {
        assert!(head.lines().any(|line| line == header), "{head}");
    }
    assert_eq!(body, "grant_type=client_credentials&scope=e+f");
}

#[tokio::test]
async fn a_secret_follows_no_redirect() {
    let (elsewhere, address) = listener().await;
    let headers = format!("location: http://{address}/\r\n");
    let found = failure(http("307 Temporary Redirect", &headers, "")).await;
    assert_eq!(found, "the token server answers with status 307");
    let asked = elsewhere.accept().now_or_never();
    assert!(asked.is_none(), "the other place was asked");
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let body = "x".repeat(MAX_ANSWER_BYTES + 1);
    let found = failure(http("200 OK", "", &body)).await;
    assert!(found.ends_with("it is larger than 64 KiB"), "{found}");
}

#[tokio::test]
async fn what_speaks_no_http_or_not_at_all_is_told() {
    let found = failure("220 mail.example ESMTP\r\n".to_owned()).await;
    assert!(
        found.starts_with("the token server cannot be asked: "),
        "{found}"
    );
    let (listener, address) = listener().await;
    drop(listener);
    let fetched = endpoint("http", address, None).fetch().await;
    let found = fetched.expect_err("nobody listens").to_string();
    assert!(found.contains("Connection refused"), "{found}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_not_waited_for() {
    let (_listener, address) = listener().await;
    let fetched = endpoint("http", address, None).fetch().await;
    let found = fetched.expect_err("silence").to_string();
    assert_eq!(found, "the token server did not answer within 10s");
}

#[tokio::test]
async fn authorities_that_are_none_are_told() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let fetched = endpoint("https", address, Some(file.path())).fetch().await;
    let found = fetched.expect_err("no authorities").to_string();
    assert!(found.contains("no certificate in it"), "{found}");
}
