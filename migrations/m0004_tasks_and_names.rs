//! Version 4: queues' tasks are recorded, and the names of plugins have a table.
//!
//! What is there stays as it is. The catalogue may now have kinds of series that
//! are of a queue's task.

use redb::{TableDefinition, WriteTransaction};

pub(super) fn run(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TableDefinition::<&str, &[u8]>::new("plugin_names"))?;
    Ok(())
}
