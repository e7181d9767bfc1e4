//! An OAuth 2.0 server on loopback that gives tokens to one client, unsigned as
//! Kafka's own validator for tests takes them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// The one client; both need encoding as in a form (RFC 6749, 2.3.1).
pub(crate) const CLIENT_ID: &str = "tide:gauge";
pub(crate) const SECRET: &str = "open sesame+100%";
pub(crate) const SCOPE: &str = "kafka read";
/// What the broker knows the client as.
pub(crate) const PRINCIPAL: &str = "tidegauge";

/// A running server; gone when dropped.
pub(crate) struct TokenServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    _task: AbortOnDropHandle<()>,
}

/// What it gives out, and how often.
struct Desk {
    secret: Mutex<String>,
    life_s: AtomicU64,
    is_broken: AtomicBool,
    granted: AtomicU32,
    refused: AtomicU32,
}

impl TokenServer {
    /// Starts one whose tokens live for so long.
    pub(crate) async fn start(life_s: u64) -> Self {
        let desk = Arc::new(Desk {
            secret: Mutex::new(SECRET.to_owned()),
            life_s: AtomicU64::new(life_s),
            is_broken: AtomicBool::default(),
            granted: AtomicU32::default(),
            refused: AtomicU32::default(),
        });
        let router = Router::new()
            .route("/token", post(token))
            .with_state(Arc::clone(&desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            desk,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Where tokens are asked for.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// From now on another secret is right.
    pub(crate) fn change_secret(&self, secret: &str) {
        *self.desk.secret.lock().unwrap() = secret.to_owned();
    }

    /// From now on it answers 503, or no longer.
    pub(crate) fn break_down(&self, is_broken: bool) {
        self.desk.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// How many tokens it gave.
    pub(crate) fn granted(&self) -> u32 {
        self.desk.granted.load(Ordering::Relaxed)
    }

    /// How often it refused.
    pub(crate) fn refused(&self) -> u32 {
        self.desk.refused.load(Ordering::Relaxed)
    }
}

async fn token(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: String) -> Response {
    let answer = desk.answer(&headers, &body);
    let counter = match answer.0 {
        StatusCode::OK => &desk.granted,
        _ => &desk.refused,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    let (status, body) = answer;
    (
        status,
        [("content-type", "application/json")],
        body.to_string(),
    )
        .into_response()
}

impl Desk {
    /// As RFC 6749 has it (4.4.2, 5.1, 5.2).
    fn answer(&self, headers: &HeaderMap, body: &str) -> (StatusCode, Value) {
        let refusal = |status, code: &str, why: &str| {
            (status, json!({"error": code, "error_description": why}))
        };
        if self.is_broken.load(Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, json!("out of order"));
        }
        let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect();
        let has = |key: &str, value: &str| form.contains(&(key.to_owned(), value.to_owned()));
        if !has("grant_type", "client_credentials") {
            return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", body);
        }
        let secret = self.secret.lock().unwrap().clone();
        if client_of(headers) != Some((CLIENT_ID.to_owned(), secret)) {
            let why = "wrong client\nor secret";
            return refusal(StatusCode::UNAUTHORIZED, "invalid_client", why);
        }
        if !has("scope", SCOPE) {
            return refusal(StatusCode::BAD_REQUEST, "invalid_scope", body);
        }
        let life_s = self.life_s.load(Ordering::Relaxed);
        let grant = json!({
            "access_token": unsigned(life_s),
            "token_type": "bearer",
            "expires_in": life_s,
        });
        (StatusCode::OK, grant)
    }
}

/// Id and secret of HTTP Basic, each decoded as in a form.
fn client_of(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    // A name alone is a form as well: one pair without a value.
    let decoded = |text: &str| {
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(name, _)| name.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

/// A JSON Web Token that nobody has signed.
fn unsigned(life_s: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_s = now.as_secs_f64();
    let claims = json!({"sub": PRINCIPAL, "iat": now_s, "exp": now_s + life_s as f64});
    let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.", part(json!({"alg": "none"})), part(claims))
}
