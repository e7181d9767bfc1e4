//! `tidegauge restore`: a backup in the place of a store.

use std::path::PathBuf;

use anyhow::Context as _;

use super::inspect;
use crate::{
    model::TimestampMs,
    store::{self, CareError},
};

/// What `restore` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The backup: a folder `tidegauge-...Z`.
    #[arg(long, value_name = "BACKUP")]
    from: PathBuf,
    /// The data directory of a scaler that isn't running. What is in it is set
    /// aside under other names.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// Verifies the backup, restores it, and prints what is there now.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { from, data_dir } = arguments;
    let restored = store::restore(from, data_dir, TimestampMs::now(), &mut || Ok(()));
    let restored = restored.map_err(|error| match error {
        error @ CareError::Locked { .. } => {
            anyhow::Error::new(error).context("end the scaler first; nothing was changed")
        }
        error => anyhow::Error::new(error),
    });
    let restored =
        restored.with_context(|| format!("--from is {from:?}, --data-dir is {data_dir:?}"))?;
    for path in &restored.set_aside {
        println!("what was there before is now {}", path.display());
    }
    print!("{}", inspect::table(&restored.contents));
    Ok(())
}
