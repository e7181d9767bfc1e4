//! `tidegauge inspect`: what is in a store, and whether it is whole.

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context as _;
use serde_json::json;

use crate::{
    model::TimestampMs,
    store::{
        CareError, ClusterContents, Contents, LevelContents, Verified, open_read_only,
        verify_folder,
    },
};

/// Which store is looked into.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Place {
    /// The data directory of a scaler that isn't running.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A backup: a folder `tidegauge-...Z`.
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,
}

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Decode all that is there, compare each page with its sum, and fail if
    /// anything is damaged.
    #[arg(long)]
    verify: bool,
}

impl Place {
    /// The folder, and the flag that named it.
    pub(super) fn folder(&self) -> (&'static str, &PathBuf) {
        match (&self.data_dir, &self.backup) {
            (Some(data_dir), _) => ("--data-dir", data_dir),
            (None, Some(backup)) => ("--backup", backup),
            (None, None) => unreachable!("one of them is required"),
        }
    }

    /// Names the flag and its value, and says what to do with a running scaler.
    pub(super) fn explain(&self, error: CareError) -> anyhow::Error {
        let (flag, folder) = self.folder();
        let context = match error {
            CareError::Locked { .. } => {
                format!(
                    "{flag} is {folder:?}: end the scaler, ask it for /api/v1/store, or take a backup"
                )
            }
            _ => format!("{flag} is {folder:?}"),
        };
        anyhow::Error::new(error).context(context)
    }
}

/// Prints what is there. `false`: something is damaged.
pub fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<bool> {
    let (_, folder) = arguments.place.folder();
    let explain = |error| arguments.place.explain(error);
    let verified = arguments.verify.then(|| verify_folder(folder));
    let verified = verified.transpose().map_err(explain)?;
    let is_whole = |verified: &Verified| verified.damages.is_empty();
    let contents = open_read_only(folder).and_then(|store| store.contents());
    let contents = match (contents, &verified) {
        (Ok(contents), _) => Some(contents),
        (Err(_), Some(verified)) if !is_whole(verified) => None,
        (Err(error), _) => return Err(explain(error)),
    };
    let printed = if arguments.json {
        print_json(contents.as_ref(), verified.as_ref(), out)
    } else {
        print_text(contents.as_ref(), verified.as_ref(), out)
    };
    printed.context("cannot print")?;
    Ok(verified.as_ref().is_none_or(is_whole))
}

fn print_json(
    contents: Option<&Contents>,
    verified: Option<&Verified>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut json = json!({ "contents": contents });
    if let Some(verified) = verified {
        let damages = verified.damages.iter();
        let damages = damages.map(|damage| json!({"place": damage.place, "reason": damage.reason}));
        json["verified"] = json!({
            "chunks": verified.chunks,
            "head_ticks": verified.head_ticks,
            "damages": damages.collect::<Vec<_>>(),
        });
    }
    writeln!(out, "{json:#}")
}

fn print_text(
    contents: Option<&Contents>,
    verified: Option<&Verified>,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(contents) = contents {
        write!(out, "{}", table(contents))?;
    }
    let Some(verified) = verified else {
        return Ok(());
    };
    for damage in &verified.damages {
        writeln!(out, "DAMAGED  {}: {}", damage.place, damage.reason)?;
    }
    writeln!(
        out,
        "verified {} chunks and {} ticks of the head: {}",
        verified.chunks,
        verified.head_ticks,
        match verified.damages.len() {
            0 => "all is whole".to_owned(),
            damages => format!("{damages} places are damaged"),
        }
    )
}

/// What is in a store, for people.
pub(super) fn table(contents: &Contents) -> String {
    let mut text = format!(
        "head.redb: {} bytes, schema version {}\nhistory.redb: {} bytes, schema version {}\n",
        contents.head_file_bytes,
        contents.head_schema_version,
        contents.history_file_bytes,
        contents.history_schema_version,
    );
    for cluster in &contents.clusters {
        put(&mut text, format_args!("{}", cluster_line(cluster)));
    }
    let head = &contents.head;
    put(
        &mut text,
        format_args!(
            "head: {} ticks in {} segments, {} bytes, {} changes of gaps; {} watches, {} names of \
             plugins, {} events",
            head.ticks,
            head.segments,
            head.bytes,
            head.gap_sets,
            contents.watches,
            contents.plugin_names,
            contents.events
        ),
    );
    for level in &contents.levels {
        put(&mut text, format_args!("{}", level_line(level)));
    }
    text
}

/// A queue is a stream of tasks alone.
fn cluster_line(cluster: &ClusterContents) -> String {
    let span = span(cluster.oldest, cluster.newest);
    let (series, tasks, topics) = (cluster.series, cluster.tasks, cluster.topics);
    let name = &cluster.cluster;
    match cluster.groups - tasks {
        0 if tasks > 0 => format!("queue {name}: {series} series of {tasks} tasks, {span}"),
        _ => format!(
            "cluster {name}: {series} series of {} groups in {topics} topics, {span}",
            cluster.groups
        ),
    }
}

fn level_line(level: &LevelContents) -> String {
    let each = level
        .bytes_a_sample
        .map(|bytes| format!(", {bytes:.3} bytes a sample"));
    format!(
        "{}: {} chunks, {} ticks, {} samples, {} bytes{}; {}",
        level.level,
        level.chunks,
        level.ticks,
        level.samples,
        level.bytes,
        each.unwrap_or_default(),
        span(level.oldest, level.newest),
    )
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}

fn span(oldest: Option<TimestampMs>, newest: Option<TimestampMs>) -> String {
    match oldest.zip(newest) {
        Some((oldest, newest)) => format!("{oldest} to {newest}"),
        None => "no ticks".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_told_from_a_cluster() {
        let contents = |groups, tasks| ClusterContents {
            cluster: "work".to_owned(),
            oldest: None,
            newest: None,
            series: 12,
            groups,
            tasks,
            topics: 2,
        };
        for (groups, tasks, expected) in [
            (2, 2, "queue work: 12 series of 2 tasks, no ticks"),
            (
                2,
                0,
                "cluster work: 12 series of 2 groups in 2 topics, no ticks",
            ),
            (
                0,
                0,
                "cluster work: 12 series of 0 groups in 2 topics, no ticks",
            ),
        ] {
            assert_eq!(cluster_line(&contents(groups, tasks)), expected);
        }
    }
}
