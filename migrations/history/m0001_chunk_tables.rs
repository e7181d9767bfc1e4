//! Version 1: the tables of sealed chunks and of their catalogue, all empty.

use redb::{TableDefinition, WriteTransaction};

pub(crate) fn run(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    type BlockKey = (u8, i64, u16, u8, u32);
    transaction.open_table(TableDefinition::<u16, &[u8]>::new("streams"))?;
    transaction.open_table(TableDefinition::<(u16, u32), &[u8]>::new("series"))?;
    transaction.open_table(TableDefinition::<(u8, u16, i64), &[u8]>::new("chunks"))?;
    transaction.open_table(TableDefinition::<BlockKey, &[u8]>::new("blocks"))?;
    Ok(())
}
