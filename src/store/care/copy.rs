//! Copies a file's tables row by row.

use std::path::Path;

use redb::{
    Builder, Key, ReadTransaction, ReadableTable as _, TableDefinition, Value, WriteTransaction,
};

use super::{CareError, Checkpoint};
use crate::store::error::Fault;

/// What one transaction of the copy holds in memory: rows come in the order of
/// their keys, so that small ones cost hardly more than large ones.
const SLICE_BYTES: usize = 4 << 20;
/// Beside its bytes a row costs this much.
const ROW_BYTES: usize = 32;
/// Memory for the copy's pages, of which half may wait for a commit.
const CACHE_BYTES: usize = 12 << 20;

/// Goes through the tables of a file, each with its types.
pub(in crate::store) trait TableVisitor {
    /// Looks at one table.
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<(), CareError>;
}

/// Copies each table that it is shown.
pub(super) struct Copier<'a> {
    source: ReadTransaction,
    target: redb::Database,
    checkpoint: Checkpoint<'a>,
}

impl<'a> Copier<'a> {
    /// From an open reading into a new file at `path`.
    pub(super) fn new(
        source: ReadTransaction,
        path: &Path,
        checkpoint: Checkpoint<'a>,
    ) -> Result<Self, CareError> {
        let target = Builder::new().set_cache_size(CACHE_BYTES).create(path);
        let target = target.map_err(|error| copy_error(Fault::from(error)))?;
        Ok(Self {
            source,
            target,
            checkpoint,
        })
    }

    /// Ends the copy, which is then on the disk. A file grows ahead of what is
    /// in it; a backup gives that back.
    pub(super) fn close(mut self) -> Result<(), CareError> {
        let compacted = self.target.compact();
        compacted.map_err(|error| copy_error(Fault::Database(error.into())))?;
        let closed = self.target.close();
        closed.map_err(|error| copy_error(Fault::from(error)))
    }
}

impl TableVisitor for Copier<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<(), CareError> {
        let source = self.source.open_table(definition).map_err(Fault::from)?;
        let mut rows = source.iter().map_err(Fault::from)?;
        loop {
            (self.checkpoint)()?;
            let slice = |target: &WriteTransaction| {
                let mut table = target.open_table(definition)?;
                let mut bytes = 0;
                while bytes < SLICE_BYTES {
                    let Some(row) = rows.next() else {
                        return Ok(false);
                    };
                    let (key, value) = row?;
                    bytes += ROW_BYTES + V::as_bytes(&value.value()).as_ref().len();
                    table.insert(key.value(), value.value())?;
                }
                Ok(true)
            };
            if !write(&self.target, slice).map_err(copy_error)? {
                return Ok(());
            }
        }
    }
}

/// Durable, but not quick to repair: a copy that is cut short is thrown away.
fn write<T>(
    database: &redb::Database,
    change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = database.begin_write()?;
    let outcome = change(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}

fn copy_error(fault: Fault) -> CareError {
    match fault {
        Fault::Database(error) => CareError::Copy {
            source: error.into(),
        },
        damaged => damaged.into(),
    }
}
