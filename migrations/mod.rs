//! The steps by which the store's files came to their present shape.
//!
//! One numbered file a step, listed here in order, of the head's steps here and of
//! history's in a folder of its own. A step that was released is
//! never edited: it names its tables itself instead of using today's
//! definitions, so that it still does what it did when it was written.
//! `store::migrate` runs the steps that a file lacks, each in a transaction
//! together with the file's new version.

use redb::WriteTransaction;

mod m0001_head_tables;
mod m0002_kinds_of_series;
mod m0003_told_and_events;
mod m0004_tasks_and_names;

mod history {
    pub(super) mod m0001_chunk_tables;
    pub(super) mod m0002_told;
    pub(super) mod m0003_tasks;
}

/// One step, from the version before it to `version`.
#[derive(Debug)]
pub(super) struct Step {
    /// The schema version of a file after this step.
    pub(super) version: u32,
    /// What it does, for the log.
    pub(super) name: &'static str,
    /// Does it.
    pub(super) run: fn(&WriteTransaction) -> Result<(), redb::Error>,
}

/// The steps of `head.redb`, oldest first; versions count from 1 without a hole.
pub(super) const HEAD: &[Step] = &[
    Step {
        version: 1,
        name: "head tables",
        run: m0001_head_tables::run,
    },
    Step {
        version: 2,
        name: "kinds of series",
        run: m0002_kinds_of_series::run,
    },
    Step {
        version: 3,
        name: "told and events",
        run: m0003_told_and_events::run,
    },
    Step {
        version: 4,
        name: "tasks and names",
        run: m0004_tasks_and_names::run,
    },
];

/// The steps of `history.redb`, likewise.
pub(super) const HISTORY: &[Step] = &[
    Step {
        version: 1,
        name: "chunk tables",
        run: history::m0001_chunk_tables::run,
    },
    Step {
        version: 2,
        name: "told",
        run: history::m0002_told::run,
    },
    Step {
        version: 3,
        name: "tasks",
        run: history::m0003_tasks::run,
    },
];
