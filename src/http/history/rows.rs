//! Writes the rows of an answer as JSON.

use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};
use serde_json::Value;

use crate::model::{ClusterName, Partition, TimestampMs, TopicName};

use super::{super::error::ApiError, metric::Metric, request::Request};

const MAX_ROWS: usize = 200_000;
/// What one answer may take in memory until it is sent.
const MAX_BYTES: usize = 32 << 20;

/// What is told of a topic or partition at one time.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) topic: TopicName,
    pub(super) partition: Option<Partition>,
    /// By the metrics' keys.
    pub(super) values: Vec<Value>,
}

/// Is a row told with what it holds, or as a gap?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Values,
    Gap,
}

/// Writes a flat array, in which each key has one type or is null.
#[derive(Debug)]
pub(super) struct RowWriter<'a> {
    cluster: &'a ClusterName,
    request: &'a Request,
    keys: Vec<&'static str>,
    json: Vec<u8>,
    rows: usize,
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(cluster: &'a ClusterName, request: &'a Request) -> Self {
        let metrics = request.metrics.iter();
        Self {
            cluster,
            request,
            keys: metrics
                .flat_map(|metric: &Metric| metric.keys())
                .copied()
                .collect(),
            json: vec![b'['],
            rows: 0,
        }
    }

    pub(super) fn write(
        &mut self,
        time: TimestampMs,
        rows: &[Row],
        telling: Telling,
    ) -> Result<(), ApiError> {
        let time = time.to_string();
        self.rows += rows.len();
        if self.rows > MAX_ROWS {
            return Err(too_large(format!("more than {MAX_ROWS} rows")));
        }
        for row in rows {
            if self.json.len() > 1 {
                self.json.push(b',');
            }
            let object = Object {
                writer: self,
                time: &time,
                row,
                telling,
            };
            let json = serde_json::to_vec(&object).expect("a row has text keys only");
            self.json.extend_from_slice(&json);
            if self.json.len() > MAX_BYTES {
                return Err(too_large(format!("more than {} MiB", MAX_BYTES >> 20)));
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }
}

fn too_large(found: String) -> ApiError {
    ApiError::TooLarge {
        found,
        limit: format!("at most {MAX_ROWS} rows and {} MiB", MAX_BYTES >> 20),
        remedy: "ask for a longer step, a shorter range, one topic or one partition",
    }
}

struct Object<'a> {
    writer: &'a RowWriter<'a>,
    time: &'a str,
    row: &'a Row,
    telling: Telling,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", self.time)?;
        map.serialize_entry("cluster", self.writer.cluster.as_str())?;
        map.serialize_entry("group", self.writer.request.group.as_str())?;
        map.serialize_entry("topic", self.row.topic.as_str())?;
        if let Some(partition) = self.row.partition {
            map.serialize_entry("partition", &partition)?;
        }
        for (key, value) in self.writer.keys.iter().zip(&self.row.values) {
            match self.telling {
                Telling::Values => map.serialize_entry(key, value)?,
                Telling::Gap => map.serialize_entry(key, &Value::Null)?,
            }
        }
        map.end()
    }
}
