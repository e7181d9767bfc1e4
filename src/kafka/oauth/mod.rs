//! Tokens for SASL/OAUTHBEARER: the client credentials grant of OAuth 2.0 (RFC
//! 6749, 4.4), asked for whenever librdkafka wants a token.
//!
//! It owns the HTTP client, and knows no topic and no group. Its key
//! invariants: neither the client's secret nor a token is ever logged or told;
//! what a token server says is bounded, escaped and cut before anybody sees it;
//! and no thread that serves others waits for that server.

mod answer;
mod endpoint;
mod error;
mod refresh;
mod supply;

pub(super) use supply::TokenSupply;

use std::time::SystemTime;

use crate::config::Secret;
use error::TokenError;

/// A token, and until when it is good.
#[derive(Debug, Clone)]
struct Token {
    /// What the broker is shown.
    value: Secret,
    /// When it ends, by our clock.
    expires: SystemTime,
}
