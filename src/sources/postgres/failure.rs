//! Why there are no counts, in words that stay the same.

use std::{error::Error as _, io, time::Duration};

use deadpool_postgres::{PoolError, TimeoutType};
use tokio::task::JoinError;
use tokio_postgres::{
    Error,
    error::{DbError, SqlState},
};

use crate::{
    config::cut_at,
    logging::in_full,
    model::{GroupId, MAX_TASK_CHARS},
};

use super::super::queue::MAX_TASKS;

/// So much of what PostgreSQL says is told; it may quote the query.
const MAX_SAID_CHARS: usize = 500;
/// How tokio-postgres begins what it says of TLS: the kind itself it keeps.
const TLS_FAILED: &str = "error performing TLS handshake";

/// Why there are no counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The password's file.
    #[error("password_file can't be read: {0}")]
    Password(#[source] io::Error),
    /// Certificates of no use, or no agreement with the server.
    #[error("no TLS: {0}")]
    Tls(String),
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// Neither TLS nor login was through in time.
    #[error("no connection within {0:?}")]
    NoConnection(Duration),
    /// The server works on it, or hangs.
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    /// PostgreSQL said no.
    #[error("{}", said(.0))]
    Refused(Box<DbError>),
    /// There is nothing to fill them with.
    #[error("the query has parameters, such as $1, and none is accepted")]
    Parameters,
    /// The columns are not those that there must be.
    #[error("the query's {0}")]
    Columns(String),
    /// A value that is none.
    #[error("task {task:?} has {column} {found}; accepted is {accepted}")]
    Value {
        task: String,
        column: &'static str,
        found: String,
        accepted: &'static str,
    },
    /// A name that is none.
    #[error(
        "the query returns the name {0}; accepted are 1 to {MAX_TASK_CHARS} characters, no control characters"
    )]
    Name(String),
    /// Rows are not grouped.
    #[error("the query returns two rows of task {0:?}: group them, and sum their depths")]
    Twice(GroupId),
    /// Rows are not grouped at all.
    #[error("the query returns more than {MAX_TASKS} rows: one for each task is accepted")]
    TooManyTasks,
    /// What is said is not PostgreSQL's protocol, or a bug of ours.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// The stable word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Password(_) => "secret_unreadable",
            Self::Tls(_) => "tls_failed",
            Self::Connection(_) => "database_down",
            Self::NoConnection(_) | Self::NoAnswer(_) => "timed_out",
            Self::Refused(said) => word_of(said.code()),
            Self::Parameters => "bad_query",
            Self::Columns(_) | Self::Value { .. } | Self::Name(_) | Self::Twice(_) => "bad_answer",
            Self::TooManyTasks => "too_many_tasks",
            Self::Other(_) => "database_error",
        }
    }

    /// Is the connection well all the same?
    pub(super) fn is_an_answer(&self) -> bool {
        match self {
            Self::Refused(said) => word_of(said.code()) != "database_down",
            Self::Parameters
            | Self::Columns(_)
            | Self::Value { .. }
            | Self::Name(_)
            | Self::Twice(_)
            | Self::TooManyTasks => true,
            _ => false,
        }
    }

    pub(super) fn broke_down(cause: JoinError) -> Self {
        Self::Other(cause.to_string())
    }

    /// Why there is no connection, for which there were `limit`.
    pub(super) fn of_pool(error: PoolError, limit: Duration) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Create) => Self::NoConnection(limit),
            other => Self::Other(in_full(&other)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(said) = error.as_db_error() {
            return Self::Refused(Box::new(said.clone()));
        }
        let text = cut_at(&in_full(&error), MAX_SAID_CHARS);
        if error.to_string() == TLS_FAILED {
            return Self::Tls(text);
        }
        let is_io = error.source().is_some_and(|cause| cause.is::<io::Error>());
        if is_io || error.is_closed() {
            return Self::Connection(text);
        }
        Self::Other(text)
    }
}

fn said(said: &DbError) -> String {
    let text = cut_at(said.message(), MAX_SAID_CHARS);
    format!("PostgreSQL says: {text} (SQLSTATE {})", said.code().code())
}

fn word_of(code: &SqlState) -> &'static str {
    match *code {
        SqlState::QUERY_CANCELED => "timed_out",
        SqlState::INSUFFICIENT_PRIVILEGE => "not_authorized",
        SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME => "unknown_table",
        SqlState::INVALID_CATALOG_NAME => "unknown_database",
        SqlState::READ_ONLY_SQL_TRANSACTION => "not_read_only",
        SqlState::TOO_MANY_CONNECTIONS => "database_down",
        _ => match code.code().get(..2) {
            Some("28") => "not_authenticated",
            Some("08" | "57") => "database_down",
            Some("42") => "bad_query",
            _ => "database_error",
        },
    }
}
