//! Version 1: the head's tables, all empty.

use redb::{TableDefinition, WriteTransaction};

pub(super) fn run(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(TableDefinition::<u16, &[u8]>::new("streams"))?;
    transaction.open_table(TableDefinition::<(u16, u32), &[u8]>::new("series"))?;
    transaction.open_table(TableDefinition::<(i64, u16, u16), &[u8]>::new("ticks"))?;
    transaction.open_table(TableDefinition::<(u16, i64), i64>::new("segments"))?;
    transaction.open_table(TableDefinition::<(u16, i64), &[u8]>::new("gaps"))?;
    transaction.open_table(TableDefinition::<&str, &[u8]>::new("watches"))?;
    Ok(())
}
