//! PostgreSQL: one query, each time in a transaction of its own that only reads.
//!
//! It owns the connection, what files it is made of, and what is accepted as an
//! answer; it does not know what becomes of the counts. Its key invariants: no
//! reading outlasts its deadline, and after one that did the connection is
//! dropped; of an answer no more is read than is accepted; a password is only
//! ever given to the server.

mod columns;
mod connection;
mod failure;
mod number;

use std::{pin::pin, time::Duration};

use deadpool_postgres::Client;
use futures::TryStreamExt as _;
use tokio::time::timeout;
use tokio_postgres::Transaction;

use crate::{
    config::QueueConfig,
    model::{ClusterName, GapReason},
};

use super::queue::{MAX_TASKS, Task};
use columns::Columns;
use connection::Connections;
use failure::Failure;

/// The database of one queue.
#[derive(Debug)]
pub(super) struct Database {
    /// The queue and where it is, for people.
    place: String,
    connections: Connections,
    query: String,
    statement_timeout: Duration,
    cycle_limit: Duration,
}

impl Database {
    /// Nothing is connected yet. Asking takes no longer than `cycle_limit`.
    pub(super) fn new(queue: ClusterName, config: QueueConfig, cycle_limit: Duration) -> Self {
        Self {
            place: format!(
                "queue {queue} (database {} of {}:{})",
                config.database, config.host, config.port
            ),
            query: config.query.clone(),
            statement_timeout: config.statement_timeout,
            connections: Connections::new(queue, config),
            cycle_limit,
        }
    }

    /// What the query says now, each task once.
    pub(super) async fn tasks(&mut self) -> Result<Vec<Task>, GapReason> {
        let tasks = timeout(self.cycle_limit, self.read()).await;
        let tasks = tasks.unwrap_or(Err(Failure::NoAnswer(self.cycle_limit)));
        tasks.map_err(|failure| {
            if !failure.is_an_answer() {
                self.connections.drop_all();
            }
            GapReason {
                code: failure.word().to_owned(),
                message: format!("{}: {failure}", self.place),
            }
        })
    }

    async fn read(&mut self) -> Result<Vec<Task>, Failure> {
        let mut client: Client = self.connections.get().await?;
        let reading = client.build_transaction().read_only(true).start().await?;
        // Of this transaction alone: behind a pooler the session is others', too.
        let limit_ms = self.statement_timeout.as_millis();
        let limit = format!("SET LOCAL statement_timeout = {limit_ms}");
        reading.batch_execute(&limit).await?;
        let tasks = tasks(&reading, &self.query).await?;
        reading.rollback().await?;
        Ok(tasks)
    }
}

/// The columns are judged before the query runs, and the server is asked for one
/// row more than is accepted.
async fn tasks(reading: &Transaction<'_>, query: &str) -> Result<Vec<Task>, Failure> {
    let statement = reading.prepare(query).await?;
    if !statement.params().is_empty() {
        return Err(Failure::Parameters);
    }
    let columns = Columns::of(&statement)?;
    let portal = reading.bind(&statement, &[]).await?;
    let most = i32::try_from(MAX_TASKS + 1).expect("a few thousands");
    let mut rows = pin!(reading.query_portal_raw(&portal, most).await?);
    let mut tasks = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if tasks.len() == MAX_TASKS {
            return Err(Failure::TooManyTasks);
        }
        tasks.push(columns.task(&row)?);
    }
    refuse_twice(&mut tasks)?;
    Ok(tasks)
}

/// Sorts them by name, of which no two may have the same.
fn refuse_twice(tasks: &mut [Task]) -> Result<(), Failure> {
    tasks.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let twice = tasks.windows(2).find(|pair| pair[0].name == pair[1].name);
    match twice {
        Some(pair) => Err(Failure::Twice(pair[0].name.clone())),
        None => Ok(()),
    }
}
