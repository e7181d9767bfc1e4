//! Rows as CSV (RFC 4180) and as JSON lines.

use std::io::{self, Write};

use serde::Serialize;

use super::rows::{Row, RowFormat};

const HEADER: &str = "time,cluster,group,topic,partition,committed_offset,log_start_offset,log_end_offset,lag,members,depth,oldest_age_seconds,added,done";

/// With a header; what is not known is empty.
pub(super) struct Csv;

impl RowFormat for Csv {
    fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{HEADER}\r\n")
    }

    fn row(&mut self, row: &Row<'_>, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}", row.time)?;
        for name in [row.cluster, row.group, row.topic] {
            write!(out, ",{}", field(name))?;
        }
        write!(out, ",{}", row.partition)?;
        let reading = row.reading;
        let lag = reading.lag().map(|lag| lag.to_string());
        let offsets = [reading.committed, reading.log_start, reading.log_end];
        let offsets = offsets.map(|cell| cell.value().map(|offset| offset.to_string()));
        let members = row.members.map(|members| members.to_string());
        let task = row.task;
        let task = [
            row.depth().map(|depth| depth.to_string()),
            task.and_then(|task| Some(task.oldest_age_seconds?.to_string())),
            task.and_then(|task| Some(task.added?.to_string())),
            task.and_then(|task| Some(task.done?.to_string())),
        ];
        for number in offsets.into_iter().chain([lag, members]).chain(task) {
            write!(out, ",{}", number.unwrap_or_default())?;
        }
        out.write_all(b"\r\n")
    }
}

/// A field, in quotes where it needs them.
fn field(text: &str) -> String {
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// One object a line; what is not known is `null`.
pub(super) struct JsonLines;

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    cluster: &'a str,
    group: &'a str,
    topic: &'a str,
    partition: u32,
    committed_offset: Option<i64>,
    log_start_offset: Option<i64>,
    log_end_offset: Option<i64>,
    lag: Option<u64>,
    members: Option<i64>,
    depth: Option<u64>,
    oldest_age_seconds: Option<f64>,
    added: Option<i64>,
    done: Option<i64>,
}

impl RowFormat for JsonLines {
    fn begin(&mut self, _: &mut impl Write) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>, out: &mut impl Write) -> io::Result<()> {
        let reading = row.reading;
        let line = Line {
            time: row.time.to_string(),
            cluster: row.cluster,
            group: row.group,
            topic: row.topic,
            partition: row.partition,
            committed_offset: reading.committed.value(),
            log_start_offset: reading.log_start.value(),
            log_end_offset: reading.log_end.value(),
            lag: reading.lag(),
            members: row.members,
            depth: row.depth(),
            oldest_age_seconds: row.task.and_then(|task| task.oldest_age_seconds),
            added: row.task.and_then(|task| task.added),
            done: row.task.and_then(|task| task.done),
        };
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")
    }
}
