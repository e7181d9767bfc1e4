//! Brings a file to the newest schema version, one numbered step at a time.

use redb::{ReadableDatabase, TableDefinition, TableError};

use super::{
    database::{self, Repair},
    error::Fault,
};

#[path = "../../migrations/mod.rs"]
mod migrations;

use migrations::Step;

pub(super) const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
const SCHEMA_VERSION: &str = "schema_version";

/// The shape of one of the store's files, and how it came to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema(&'static [Step]);

/// Of `head.redb`.
pub(super) const HEAD: Schema = Schema(migrations::HEAD);
/// Of `history.redb`.
pub(super) const HISTORY: Schema = Schema(migrations::HISTORY);

impl Schema {
    /// The newest version that this release knows.
    pub(super) fn supported_version(self) -> u32 {
        self.0.last().map_or(0, |step| step.version)
    }

    /// Runs the steps after version `from`. Each commits by itself together with
    /// the version it leads to, so that a crash between two is no matter.
    pub(super) fn run(self, database: &redb::Database, from: u32) -> Result<(), Fault> {
        run_steps(database, from, self.0)
    }
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

/// The same of a file that is open and so has one.
pub(super) fn version_in(transaction: &redb::ReadTransaction) -> Result<u32, Fault> {
    let version = transaction.open_table(META)?.get(SCHEMA_VERSION)?;
    let version = version.map(|version| version.value());
    version.ok_or_else(|| Fault::damaged("file", "it has no schema version"))
}

fn run_steps(database: &redb::Database, from: u32, steps: &[Step]) -> Result<(), Fault> {
    for step in steps.iter().filter(|step| step.version > from) {
        tracing::info!(version = step.version, step = step.name, "store migration");
        database::write(database, Repair::Quick, |transaction| {
            (step.run)(transaction)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert(SCHEMA_VERSION, step.version)?;
            Ok(())
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use redb::{Database, TableHandle, backends::InMemoryBackend};

    use super::*;

    fn empty() -> Database {
        Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .expect("memory")
    }

    fn tables(database: &Database) -> Vec<String> {
        let transaction = database.begin_read().expect("read");
        let tables = transaction.list_tables().expect("tables");
        tables.map(|table| table.name().to_owned()).collect()
    }

    #[test]
    fn versions_count_from_one_without_a_hole() {
        for schema in [HEAD, HISTORY] {
            let versions: Vec<_> = schema.0.iter().map(|step| step.version).collect();
            let newest = schema.supported_version();
            assert_eq!(versions, (1..=newest).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_empty_file_gets_the_newest_version() {
        for (schema, table) in [(HEAD, "ticks"), (HISTORY, "chunks")] {
            let database = empty();
            assert_eq!(version(&database).expect("version"), Some(0));
            schema.run(&database, 0).expect("migrations");
            let found = version(&database).expect("version");
            assert_eq!(found, Some(schema.supported_version()));
            assert!(tables(&database).contains(&table.to_owned()));
        }
    }

    #[test]
    fn a_file_of_version_2_keeps_what_it_has_and_gets_a_table_of_events() {
        let database = empty();
        run_steps(&database, 0, &HEAD.0[..2]).expect("version 2");
        let streams = TableDefinition::<u16, &[u8]>::new("streams");
        let record: &[u8] = &[1, 0, 1, b'a'];
        database::write(&database, Repair::Quick, |transaction| {
            transaction.open_table(streams)?.insert(0, record)?;
            Ok(())
        })
        .expect("a cluster");
        assert!(!tables(&database).contains(&"events".to_owned()));
        HEAD.run(&database, 2).expect("migrations");
        let names = tables(&database);
        for table in ["events", "configuration"] {
            assert!(names.contains(&table.to_owned()), "{names:?}");
        }
        let transaction = database.begin_read().expect("read");
        let streams = transaction.open_table(streams).expect("table");
        let kept = streams.get(0).expect("readable").expect("kept");
        assert_eq!(kept.value(), record);
    }

    #[test]
    fn only_missing_steps_run_and_a_failing_one_leaves_nothing() {
        fn make(name: &str, transaction: &redb::WriteTransaction) -> Result<(), redb::Error> {
            transaction.open_table(TableDefinition::<u8, u8>::new(name))?;
            Ok(())
        }
        let step = |version, run| Step {
            version,
            name: "test",
            run,
        };
        let steps = [
            step(1, |transaction| make("one", transaction)),
            step(2, |transaction| make("two", transaction)),
            step(3, |transaction| {
                make("three", transaction)?;
                Err(redb::Error::InvalidSavepoint)
            }),
        ];
        let database = empty();
        run_steps(&database, 1, &steps).expect_err("step 3 fails");
        assert_eq!(version(&database).expect("version"), Some(2));
        assert_eq!(tables(&database), ["meta", "two"]);
    }

    #[test]
    fn tables_without_a_version_are_not_ours() {
        let database = empty();
        let transaction = database.begin_write().expect("write");
        transaction
            .open_table(TableDefinition::<u8, u8>::new("theirs"))
            .expect("table");
        transaction.commit().expect("commit");
        assert_eq!(version(&database).expect("version"), None);
    }
}
