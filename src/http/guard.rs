//! Who may ask at all, judged before any handler is reached.
//!
//! It owns the three rules that hold for all paths: who asks must be known where
//! that is configured; a web page of another site changes nothing; and a listener
//! on the loopback that knows nobody answers to no name but the machine's own,
//! or any page could be given a name that leads to it (DNS rebinding). Nothing
//! here lets a page of another site read an answer: no header of CORS is sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use parking_lot::Mutex;
use tracing::warn;

use super::{
    Pages, Peer,
    auth::Credentials,
    error::{ApiError, shown},
};
use crate::{
    config::{AuthConfig, BadSecret, HttpConfig},
    files::Followed,
};

/// These are for who knows no secret, and tell none.
pub(super) const PROBES: [&str; 3] = ["/healthz", "/livez", "/readyz"];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Refused requests are logged no more often than this, however many there are.
const LOG_AFTER: Duration = Duration::from_secs(60);

/// Who may ask at all.
#[derive(Debug)]
pub struct Guard {
    auth: Option<(AuthConfig, Followed<Credentials>)>,
    /// Only pages of this machine's own names are answered.
    is_local: bool,
    refused: [AtomicU64; Refusal::ALL.len()],
    log: Mutex<Log>,
}

/// When refusals were logged last, and how many have been refused since.
#[derive(Debug, Default)]
struct Log {
    at: Option<Instant>,
    refused: u64,
}

/// There are no credentials to compare with.
#[derive(Debug, thiserror::Error)]
pub enum NoCredentials {
    /// A file holds no secret.
    #[error(transparent)]
    Secret(#[from] BadSecret),
    /// The system has no random bytes.
    #[error("http.auth: the system gives no random bytes")]
    Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Unauthorized,
    CrossSite,
    ForeignHost,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Unauthorized, Self::CrossSite, Self::ForeignHost];

    fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::CrossSite => "cross_site",
            Self::ForeignHost => "foreign_host",
        }
    }
}

impl Guard {
    /// Reads the files of secrets, and blocks for it.
    pub fn begin(config: &HttpConfig) -> Result<Self, NoCredentials> {
        let is_loopback = config.listen.ip().to_canonical().is_loopback();
        if !is_loopback && config.auth.is_none() {
            let listen = config.listen;
            warn!(%listen, "HTTP answers all who can reach it: there is no [http.auth]");
        }
        let auth = config.auth.as_ref().map(|auth| {
            let read = || credentials(auth);
            let followed = Followed::begin("http.auth", auth.files(), read)?;
            Ok::<_, NoCredentials>((auth.clone(), followed))
        });
        Ok(Self {
            is_local: is_loopback && config.auth.is_none(),
            auth: auth.transpose()?,
            refused: Default::default(),
            log: Mutex::default(),
        })
    }

    /// Takes up what the files hold when that changes, until dropped.
    pub async fn follow(&self) {
        if let Some((config, credentials)) = &self.auth {
            let config = config.clone();
            credentials.follow(move || self::credentials(&config)).await;
        }
    }

    /// The secrets; `None`: nobody is asked.
    pub(super) fn credentials(&self) -> Option<&Followed<Credentials>> {
        self.auth.as_ref().map(|(_, credentials)| credentials)
    }

    /// How many requests were refused, and why.
    pub(super) fn refused(&self) -> [(&'static str, u64); Refusal::ALL.len()] {
        Refusal::ALL.map(|refusal| {
            let refused = self.refused[refusal as usize].load(Ordering::Relaxed);
            (refusal.as_str(), refused)
        })
    }

    fn judge(&self, request: &Request) -> Result<(), ApiError> {
        let (headers, uri) = (request.headers(), request.uri());
        if self.is_local
            && let Some(host) = host(headers, uri)
            && !is_local(&host)
        {
            let host = shown(&host);
            return Err(self.refuse(
                request,
                Refusal::ForeignHost,
                ApiError::ForeignHost { host },
            ));
        }
        if PROBES.contains(&uri.path()) {
            return Ok(());
        }
        if let Some((_, credentials)) = &self.auth {
            let credentials = credentials.newest();
            let sent = headers.get(header::AUTHORIZATION);
            if !sent.is_some_and(|sent| credentials.accept(sent)) {
                let challenges = credentials.challenges();
                let error = ApiError::Unauthorized { challenges };
                return Err(self.refuse(request, Refusal::Unauthorized, error));
            }
        }
        if !request.method().is_safe() && is_cross_site(headers, uri) {
            let method = shown(request.method().as_str());
            return Err(self.refuse(request, Refusal::CrossSite, ApiError::CrossSite { method }));
        }
        Ok(())
    }

    fn refuse(&self, request: &Request, refusal: Refusal, error: ApiError) -> ApiError {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(refused) = self.log.lock().due() {
            let peer = request.extensions().get::<ConnectInfo<Peer>>();
            let peer = peer.map(|peer| peer.0.0);
            let (reason, path) = (refusal.as_str(), shown(request.uri().path()));
            warn!(
                refused,
                reason,
                path,
                ?peer,
                "a request is refused; as many since this was logged last"
            );
        }
        error
    }
}

impl Log {
    /// How many are to be told now, this one included; `None`: none yet.
    fn due(&mut self) -> Option<u64> {
        self.refused += 1;
        if self.at.is_some_and(|at| at.elapsed() < LOG_AFTER) {
            return None;
        }
        self.at = Some(Instant::now());
        Some(std::mem::take(&mut self.refused))
    }
}

/// Lets a request through to its handler, or answers it.
pub(super) async fn check(
    State(pages): State<Arc<Pages>>,
    request: Request,
    next: Next,
) -> Response {
    match pages.state().guard.judge(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn credentials(config: &AuthConfig) -> Result<Credentials, NoCredentials> {
    let config = config.read_again()?;
    Credentials::of(&config).map_err(|_| NoCredentials::Random)
}

/// Host and port that are asked for; browsers always say.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let said = uri
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let said = said.or_else(|| {
        let host = headers.get(header::HOST)?;
        Some(String::from_utf8_lossy(host.as_bytes()).into_owned())
    });
    said.filter(|host| !host.is_empty())
}

/// An address can't be made to lead elsewhere, nor can `localhost`.
fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name.ends_with(".localhost")
        || address.parse::<std::net::IpAddr>().is_ok()
}

/// Does a page of another site ask? Browsers say it themselves; older ones, and
/// all of them without TLS, only name the page's origin.
fn is_cross_site(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    match (origin, host(headers, uri)) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(&host),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
