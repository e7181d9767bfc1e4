//! What months of history cost, and how fast they are read.
//!
//! A cluster of 100,000 series, polled each 10 s, goes through the recorder, the
//! sealer and retention as in the process; then HTTP is asked, and the process
//! is killed and started again. Beside it, the plainest way to keep the same:
//! eight bytes a sample appended to a file, with a sync each tick.
//!
//! `cargo bench --bench store`, with `STORE_HOURS` (26) and `STORE_PARTITIONS`
//! (21,820) to change the size, and `STORE_TRAFFIC=bursty` for traffic that the
//! codec was not tuned on. Prints `name=value` lines. Linux only.

#[path = "../cpu.rs"]
mod cpu;
#[path = "../env.rs"]
mod env;
mod ingest;
#[path = "../pages.rs"]
mod pages;
mod process;
mod queries;
mod recovery;
#[path = "../settings.rs"]
mod settings;
/// Shared with other benches, which use more of it.
#[path = "../traffic/mod.rs"]
#[allow(dead_code)]
mod traffic;

use std::{
    env::{current_exe, var},
    fs,
};

use anyhow::{Context, Result};
use traffic::{Shape, Traffic};

fn main() -> Result<()> {
    let hours = env::setting("STORE_HOURS", 26)?;
    let shape = Shape::DEFAULT.with_partitions(env::setting("STORE_PARTITIONS", 21_820)?);
    let traffic = match var("STORE_TRAFFIC").as_deref() {
        Err(_) | Ok("steady") => Traffic::steady(shape),
        Ok("bursty") => Traffic::bursty(shape),
        Ok(other) => anyhow::bail!("STORE_TRAFFIC is {other:?}, accepted is steady or bursty"),
    };
    // On the disk, where a temporary folder may be in memory.
    let target = current_exe()?;
    let target = target.parent().context("a bench is in a folder")?;
    let dir = tempfile::tempdir_in(target)?;
    let data_dir = dir.path().join("data");
    let history = ingest::run(&data_dir, traffic, hours)?;
    queries::run(history)?;
    recovery::run(&data_dir)?;
    fs::remove_dir_all(&data_dir)?;
    Ok(())
}

/// The value below which are `percent` of all.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() * percent).div_ceil(100);
    values[place.max(1) - 1]
}
