//! `tidegauge export`: what was recorded, for other programs.
//!
//! Everything is read group by group and topic by topic, a few thousand ticks
//! at a time, and written as it is read. What is not known is empty, `null` or
//! left out, never 0.

mod delimited;
mod open_metrics;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context as _;

use super::inspect::Place;
use crate::{
    model::{ClusterName, SeriesIndex, TimestampMs},
    store::{Level, Store, open_to_export},
};
use delimited::{Csv, JsonLines};

/// What `export` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// `csv` and `jsonl` have a row for each time and partition. A spreadsheet
    /// may take a group's name that begins with = for a formula: import it as
    /// text. `prometheus` is OpenMetrics for `promtool tsdb create-blocks-from
    /// openmetrics`, under the names of /metrics.
    #[arg(long, value_enum)]
    format: Format,
    /// Only this cluster.
    #[arg(long)]
    cluster: Option<String>,
    /// Only this consumer group.
    #[arg(long)]
    group: Option<String>,
    /// Only this topic.
    #[arg(long)]
    topic: Option<String>,
    /// From this time on: RFC 3339, epoch seconds or epoch milliseconds.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<TimestampMs>,
    /// Up to this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<TimestampMs>,
    /// One row a tick as it was recorded, a minute or an hour.
    #[arg(long, value_enum, default_value = "raw")]
    step: Step,
    /// The file to write; standard output if left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Jsonl,
    Prometheus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    Raw,
    #[value(name = "1m")]
    Minute,
    #[value(name = "1h")]
    Hour,
}

fn time(text: &str) -> Result<TimestampMs, String> {
    TimestampMs::parse(text).ok_or_else(|| format!("accepted is {}", TimestampMs::ACCEPTED))
}

/// What is asked for.
#[derive(Debug)]
struct Request {
    cluster: Option<String>,
    group: Option<String>,
    topic: Option<String>,
    from: TimestampMs,
    to: TimestampMs,
    level: Level,
}

/// Writes it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (_, folder) = arguments.place.folder();
    let store = open_to_export(folder).map_err(|error| arguments.place.explain(error))?;
    let request = Request::of(arguments)?;
    let written = match &arguments.out {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("--out is {path:?}"))?;
            let file = export(&store, &request, arguments.format, BufWriter::new(file));
            file.and_then(|file| {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                Ok(file.sync_all()?)
            })
        }
        None => {
            let out = BufWriter::new(io::stdout().lock());
            export(&store, &request, arguments.format, out).map(drop)
        }
    };
    written.context("the export was not written to its end")
}

impl Request {
    fn of(arguments: &Arguments) -> anyhow::Result<Self> {
        let request = Self {
            cluster: arguments.cluster.clone(),
            group: arguments.group.clone(),
            topic: arguments.topic.clone(),
            from: arguments.from.unwrap_or(TimestampMs(i64::MIN)),
            to: arguments.to.unwrap_or(TimestampMs(i64::MAX)),
            level: match arguments.step {
                Step::Raw => Level::Raw,
                Step::Minute => Level::Minutes,
                Step::Hour => Level::Hours,
            },
        };
        anyhow::ensure!(
            request.from <= request.to,
            "--from is {}, accepted is a time up to --to, which is {}",
            request.from,
            request.to
        );
        Ok(request)
    }
}

fn export<W: Write>(
    store: &Store,
    request: &Request,
    format: Format,
    mut out: W,
) -> anyhow::Result<W> {
    let clusters = clusters(store, request)?;
    match format {
        Format::Csv => rows::write(store, &clusters, request, &mut Csv, &mut out)?,
        Format::Jsonl => rows::write(store, &clusters, request, &mut JsonLines, &mut out)?,
        Format::Prometheus => open_metrics::write(store, &clusters, request, &mut out)?,
    }
    out.flush()?;
    Ok(out)
}

type Indexed = Vec<(ClusterName, SeriesIndex)>;

/// The clusters that are asked for; a name that is in none of them is a mistake.
fn clusters(store: &Store, request: &Request) -> anyhow::Result<Indexed> {
    let names = store.clusters()?;
    let wanted = |name: &&ClusterName| is_wanted(request.cluster.as_deref(), name.as_str());
    let mut clusters = Vec::new();
    for name in names.iter().filter(wanted) {
        if let Some(index) = store.index(name)? {
            clusters.push((name.clone(), index));
        }
    }
    if let Some(cluster) = &request.cluster {
        let list: Vec<_> = names.iter().map(ClusterName::as_str).collect();
        let list = list.join(", ");
        anyhow::ensure!(
            !clusters.is_empty(),
            "--cluster is {cluster:?}, accepted is one of: {list}"
        );
    }
    let has = |flag: &str, name: &Option<String>, has: &dyn Fn(&SeriesIndex, &str) -> bool| {
        let Some(name) = name else { return Ok(()) };
        let is_there = clusters.iter().any(|(_, index)| has(index, name));
        anyhow::ensure!(
            is_there,
            "{flag} is {name:?}, accepted is one that was recorded: `tidegauge export --format csv` \
             without it tells which"
        );
        Ok(())
    };
    has("--group", &request.group, &|index, name| {
        index.groups().contains_key(name)
    })?;
    has("--topic", &request.topic, &|index, name| {
        index.topics().contains_key(name)
    })?;
    Ok(clusters)
}

fn is_wanted(asked: Option<&str>, name: &str) -> bool {
    asked.is_none_or(|asked| asked == name)
}
