//! Version 3: what KEDA was told is a stream, and events have a table.
//!
//! What is there stays as it is. The catalogue may now name a stream that is no
//! cluster, and kinds of series that are of a watch.

use redb::{TableDefinition, WriteTransaction};

pub(super) fn run(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TableDefinition::<(i64, u16), &[u8]>::new("events"))?;
    transaction.open_table(TableDefinition::<&str, u64>::new("configuration"))?;
    Ok(())
}
