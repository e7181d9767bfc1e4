//! Brings a file to the newest schema version, one numbered step at a time.

use redb::{Durability, ReadableDatabase, TableDefinition, TableError};

use super::{database, error::Fault};

#[path = "../../migrations/mod.rs"]
mod migrations;

use migrations::{STEPS, Step};

const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
const SCHEMA_VERSION: &str = "schema_version";

/// The newest version that this release knows.
pub(super) fn supported_version() -> u32 {
    STEPS.last().map_or(0, |step| step.version)
}

/// The schema version of a file; `None` if it has tables and no version, and
/// so is not ours. A file without any table has version 0.
pub(super) fn version(database: &impl ReadableDatabase) -> Result<Option<u32>, Fault> {
    let transaction = database.begin_read()?;
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get(SCHEMA_VERSION)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => {
            let empty = transaction.list_tables()?.next().is_none();
            Ok(empty.then_some(0))
        }
        Err(error) => Err(error.into()),
    }
}

/// Runs the steps after version `from`. Each commits by itself together with
/// the version it leads to, so that a crash between two is no matter.
pub(super) fn run(database: &redb::Database, from: u32) -> Result<(), Fault> {
    run_steps(database, from, STEPS)
}

fn run_steps(database: &redb::Database, from: u32, steps: &[Step]) -> Result<(), Fault> {
    for step in steps.iter().filter(|step| step.version > from) {
        tracing::info!(version = step.version, step = step.name, "store migration");
        database::write(database, Durability::Immediate, |transaction| {
            (step.run)(transaction)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert(SCHEMA_VERSION, step.version)?;
            Ok(())
        })?;
    }
    Ok(())
}
