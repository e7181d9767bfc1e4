//! One OAuth 2.0 server, and how it is asked for a token.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{Token, answer, error::TokenError, refresh::TokenSource};
use crate::{
    config::{OAuthBearerConfig, Secret},
    logging::in_full,
    tls::{ClientFiles, Connector, PemFile, Protocol},
};

/// From the connection's start to the answer's end.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest answer, twice the largest token.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// One OAuth 2.0 server, asked as one client. It follows no redirect: a secret
/// must not go wherever a server points.
#[derive(Debug, Clone)]
pub(super) struct TokenEndpoint(Arc<OAuthBearerConfig>);

/// What may have been changed since the last token.
struct Opened {
    client: Client<Connector, String>,
    secret: Secret,
}

impl TokenEndpoint {
    /// The server and client of this configuration.
    pub(super) fn new(config: OAuthBearerConfig) -> Self {
        Self(Arc::new(config))
    }

    /// Reads files, and blocks for it.
    fn open(&self) -> Result<Opened, TokenError> {
        let secret = self.0.client_secret.read_again();
        let secret = secret.map_err(TokenError::Secret)?;
        let connector = trusting(self.0.token_ca_file.as_deref())?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Opened { client, secret })
    }

    async fn ask(&self, opened: Opened) -> Result<Token, TokenError> {
        let asked = SystemTime::now();
        let request = self.request(&opened.secret)?;
        let response = opened.client.request(request).await;
        let response = response.map_err(|error| TokenError::Transport(in_full(&error)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect();
        let body = body
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => TokenError::Answer("it is larger than 64 KiB"),
                false => TokenError::Transport(in_full(&*error)),
            })?;
        answer::read(status, &body.to_bytes(), asked, &opened.secret)
    }

    /// RFC 6749, 4.4.2, with the client in the header (2.3.1).
    fn request(&self, secret: &Secret) -> Result<Request<String>, TokenError> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.0.scope {
            form.append_pair("scope", scope);
        }
        Request::post(self.0.token_endpoint.as_str())
            .header(AUTHORIZATION, basic(&self.0.client_id, secret))
            .header(CONTENT_TYPE, FORM)
            .header(ACCEPT, "application/json")
            .body(form.finish())
            .map_err(|error| TokenError::Transport(error.to_string()))
    }
}

impl TokenSource for TokenEndpoint {
    async fn fetch(&self) -> Result<Token, TokenError> {
        let endpoint = self.clone();
        let fetched = async move {
            let files = endpoint.clone();
            let opened = tokio::task::spawn_blocking(move || files.open()).await;
            let opened = opened.map_err(|error| TokenError::Transport(error.to_string()))?;
            endpoint.ask(opened?).await
        };
        let fetched = tokio::time::timeout(LIMIT, fetched).await;
        fetched.unwrap_or(Err(TokenError::TimedOut(LIMIT)))
    }
}

/// RFC 6749, 2.3.1: both are encoded as in a form before HTTP encodes them.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let (id, secret) = (encoded(client_id), encoded(secret.expose()));
    let value = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let mut value = HeaderValue::from_str(&value).expect("base64 is fit for a header");
    value.set_sensitive(true);
    value
}

/// Connections that trust the authorities in a file, or else the system's.
fn trusting(ca_file: Option<&Path>) -> Result<Connector, TokenError> {
    let key = "token_ca_file";
    let files = ClientFiles {
        authorities: ca_file.map(|path| PemFile { key, path }),
        identity: None,
    };
    let connector = files.connector(Protocol::Http1);
    connector.map_err(|error| TokenError::Trust(error.to_string()))
}

#[cfg(test)]
mod tests;
