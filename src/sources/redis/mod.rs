//! Redis: the values of keys, read over one connection that is kept up.
//!
//! It owns the connection, to a server, to the master that sentinels name, or to a
//! cluster, and why there is none; it knows nothing of what values mean. Its key
//! invariants: no message has a password in it, and no value is taken that is
//! larger than [`MAX_VALUE_BYTES`].

mod connect;
mod link;
mod place;

use std::time::Duration;

use ::redis::{RedisError, cmd};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{RedisConfig, cut_at};

use connect::{Connection, Connector};
use link::{Link, Linked};
use place::Place;

pub use connect::{BadFile, check};

/// Far above what a dispatcher writes of a plugin.
pub(super) const MAX_VALUE_BYTES: usize = 64 * 1024;
/// So much is repeated of what a server says.
const MAX_WHY_CHARS: usize = 200;
/// A new connection may take so many times as long as an answer: a sentinel, the
/// master, and a login.
const CONNECT_ANSWERS: u32 = 3;

/// Redis, or the way to it, gives no answer; why, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Away(String);

/// What a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A string.
    Bytes(Vec<u8>),
    /// There is no such key.
    Nothing,
    /// It is no string, but a list or the like.
    OtherType,
    /// It is larger than [`MAX_VALUE_BYTES`].
    TooLarge,
}

/// One connection, shared by all who ask, made anew when it breaks.
#[derive(Debug)]
pub(super) struct Redis {
    place: Place,
    answer_within: Duration,
    link: Link,
    _kept_up: AbortOnDropHandle<()>,
}

/// Why a question has no answer.
#[derive(Debug)]
struct Failure {
    away: Away,
    /// Is the connection of no use any more?
    is_broken: bool,
    /// Would a new connection have answered?
    may_ask_again: bool,
}

impl Redis {
    /// Connects from now on, and again whenever the connection breaks, until it
    /// is dropped.
    pub(super) fn begin(config: &RedisConfig) -> Self {
        let link = Link::default();
        let connector = Connector::of(config.clone());
        let keeping = link.clone().keep_up(connector);
        Self {
            place: Place::of(config),
            answer_within: config.timeout,
            link,
            _kept_up: AbortOnDropHandle::new(tokio::spawn(keeping)),
        }
    }

    /// Which one it is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Waits for a connection of another number than `seen`, and tells its number.
    pub(super) async fn connection_after(&self, seen: Option<u64>) -> u64 {
        self.link.connection_after(seen).await
    }

    /// Why there is no connection, unless there is one, or is to be in a moment.
    pub(super) fn trouble(&self) -> Option<String> {
        self.link.trouble().map(|away| away.to_string())
    }

    /// What `key` has. A connection that broke while nobody asked, such as one
    /// that the server has closed, is made anew before.
    pub(super) async fn read(&self, key: &str) -> Result<Value, Away> {
        match self.try_read(key).await {
            Err(failure) if failure.may_ask_again => self.try_read(key).await,
            outcome => outcome,
        }
        .map_err(|failure| failure.away)
    }

    async fn try_read(&self, key: &str) -> Result<Value, Failure> {
        let waiting = timeout(self.connect_within(), self.link.settled());
        let linked = match waiting.await {
            Ok(Ok(linked)) => linked,
            Ok(Err(away)) => return Err(Failure::of_link(away)),
            Err(_) => return Err(Failure::of_link(self.away("there is no connection yet"))),
        };
        let number = linked.number;
        let outcome = self.ask(linked, key).await;
        if let Err(failure) = &outcome
            && failure.is_broken
        {
            self.link.broke(number);
        }
        outcome
    }

    async fn ask(&self, linked: Linked, key: &str) -> Result<Value, Failure> {
        match timeout(self.answer_within, value(linked.connection, key)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if !error.is_timeout() => Err(Failure {
                away: self.away(why(&error)),
                is_broken: is_broken(&error),
                may_ask_again: is_broken(&error),
            }),
            Ok(Err(_)) | Err(_) => Err(Failure {
                away: self.away(format!("no answer within {:?}", self.answer_within)),
                is_broken: true,
                may_ask_again: false,
            }),
        }
    }

    fn connect_within(&self) -> Duration {
        self.answer_within * CONNECT_ANSWERS
    }

    fn away(&self, why: impl std::fmt::Display) -> Away {
        Away(format!("{}: {why}", self.place))
    }
}

impl Failure {
    fn of_link(away: Away) -> Self {
        Self {
            away,
            is_broken: false,
            may_ask_again: false,
        }
    }
}

/// One byte more than is taken is asked for, so that what is larger never travels.
/// An empty answer is also that of a key that is not there.
async fn value(mut connection: Connection, key: &str) -> Result<Value, RedisError> {
    let mut range = cmd("GETRANGE");
    range.arg(key).arg(0).arg(MAX_VALUE_BYTES);
    match connection.query::<Vec<u8>>(&range).await {
        Ok(bytes) if bytes.len() > MAX_VALUE_BYTES => Ok(Value::TooLarge),
        Ok(bytes) if bytes.is_empty() => {
            let mut exists = cmd("EXISTS");
            let exists = connection.query::<bool>(exists.arg(key)).await?;
            Ok(if exists {
                Value::Bytes(bytes)
            } else {
                Value::Nothing
            })
        }
        Ok(bytes) => Ok(Value::Bytes(bytes)),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(Value::OtherType),
        Err(error) => Err(error),
    }
}

/// Who was logged in and is not any more must do so again.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || error.code() == Some("NOAUTH")
}

/// What a server or the way to it says. Neither has our password to tell.
fn why(error: &RedisError) -> String {
    let why = match error.kind() {
        ::redis::ErrorKind::AuthenticationFailed => "it refuses the user or the password".into(),
        _ => error.to_string(),
    };
    cut_at(&why, MAX_WHY_CHARS)
}
