//! The catalogue's records: small, rarely written, each a format byte and then
//! bincode.
//!
//! ```text
//! +------------+----------------------------------------+
//! | format: u8 | bincode 2, standard configuration      |
//! +------------+----------------------------------------+
//! ```
//! - `format` is [`FORMAT`]. Fields and variants keep their order within a
//!   format. A new variant comes last, with a schema version of its own, so
//!   that releases which don't know it leave the file alone; a new field comes
//!   with a new format and a migration.
//! - The records here are the bytes on disk, apart from the model so that the
//!   model can change without the disk.

use std::collections::BTreeMap;

use bincode::{Decode, Encode, config};

use super::{
    error::{Fault, RecordError},
    stream::StreamName,
};
use crate::model::{PluginName, TimestampMs, WatchRecord};

mod events;
mod gaps;
mod series;

pub(super) use events::{decode_event, encode_event};
pub(super) use gaps::{bounded_gaps, decode_gaps, encode_gaps};
pub(super) use series::{decode_series, encode_series};

const FORMAT: u8 = 1;

/// A record that is longer is refused when it is written. The longest honest
/// one is a watch or a set of gaps, of some kilobytes.
const MAX_RECORD_BYTES: usize = 256 * 1024;

/// Memory that one record may take when it is read: a gap of 6 bytes on disk
/// takes about 130 in memory.
const MAX_DECODED_BYTES: usize = 32 * MAX_RECORD_BYTES;

/// A sentence is cut at this length: long enough for any error of Kafka's
/// client, short enough that one sentence can't fill a set of gaps.
const MAX_MESSAGE_BYTES: usize = 512;

pub(super) fn encode_stream(stream: &StreamName) -> Result<Vec<u8>, RecordError> {
    let row = match stream {
        StreamName::Cluster(cluster) => StreamRow::Cluster {
            name: cluster.to_string(),
        },
        StreamName::Told => StreamRow::Told,
    };
    encode("stream", &row)
}

pub(super) fn decode_stream(bytes: &[u8]) -> Result<StreamName, Fault> {
    Ok(match decode("stream", bytes)? {
        StreamRow::Cluster { name } => StreamName::Cluster(name.into()),
        StreamRow::Told => StreamName::Told,
    })
}

pub(super) fn encode_watch(watch: &WatchRecord) -> Result<Vec<u8>, RecordError> {
    let row = WatchRow {
        metadata: watch.metadata.clone(),
        last_asked_ms: watch.last_asked.0,
    };
    encode("watch", &row)
}

/// The watch under `key`.
pub(super) fn decode_watch(key: &str, bytes: &[u8]) -> Result<WatchRecord, Fault> {
    let row: WatchRow = decode("watch", bytes)?;
    Ok(WatchRecord {
        key: key.to_owned(),
        metadata: row.metadata,
        last_asked: TimestampMs(row.last_asked_ms),
    })
}

pub(super) fn encode_plugin_name(name: &PluginName) -> Result<Vec<u8>, RecordError> {
    let row = PluginNameRow {
        kafka_prefix: name.kafka_prefix.clone(),
        read_at_ms: name.read_at.0,
    };
    encode("name of a plugin", &row)
}

/// The name of `plugin`.
pub(super) fn decode_plugin_name(plugin: &str, bytes: &[u8]) -> Result<PluginName, Fault> {
    let row: PluginNameRow = decode("name of a plugin", bytes)?;
    Ok(PluginName {
        plugin: plugin.to_owned(),
        kafka_prefix: row.kafka_prefix,
        read_at: TimestampMs(row.read_at_ms),
    })
}

fn encode(what: &str, record: &impl Encode) -> Result<Vec<u8>, RecordError> {
    let mut bytes = vec![FORMAT];
    bincode::encode_into_std_write(record, &mut bytes, config::standard())
        .expect("plain records encode into memory");
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(RecordError::TooLarge {
            what: what.to_owned(),
            size: bytes.len(),
            max: MAX_RECORD_BYTES,
        });
    }
    Ok(bytes)
}

fn decode<T: Decode<()>>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    let body = match bytes.split_first() {
        Some((&FORMAT, body)) => body,
        Some((format, _)) => return Err(Fault::damaged(what, format!("unknown format {format}"))),
        None => return Err(Fault::damaged(what, "it is empty")),
    };
    let limited = config::standard().with_limit::<MAX_DECODED_BYTES>();
    let (record, length) =
        bincode::decode_from_slice(body, limited).map_err(|error| Fault::damaged(what, error))?;
    if length != body.len() {
        return Err(Fault::damaged(what, "bytes follow its end"));
    }
    Ok(record)
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)].to_owned()
}

#[derive(Debug, Encode, Decode)]
enum StreamRow {
    Cluster { name: String },
    // Since schema version 3.
    Told,
}

#[derive(Debug, Encode, Decode)]
struct WatchRow {
    metadata: BTreeMap<String, String>,
    last_asked_ms: i64,
}

// Since schema version 4.
#[derive(Debug, Encode, Decode)]
struct PluginNameRow {
    kafka_prefix: String,
    read_at_ms: i64,
}

#[cfg(test)]
mod tests;
