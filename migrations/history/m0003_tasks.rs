//! Version 3: chunks may be of queues' tasks.
//!
//! What is there stays as it is: the version alone tells older releases that the
//! copy of the catalogue may have kinds of series that they don't know.

use redb::WriteTransaction;

pub(crate) fn run(_: &WriteTransaction) -> Result<(), redb::Error> {
    Ok(())
}
