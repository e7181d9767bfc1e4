//! Writes the rows of an answer as JSON.

use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};
use serde_json::Value;

use crate::model::{ClusterName, Partition, TimestampMs, Told, TopicName};

use super::{
    super::{array::JsonStream, error::ApiError, outlet::Outlet},
    beside::Beside,
    metric::Metric,
    request::Request,
};

pub(super) const REMEDY: &str =
    "ask for a longer step, a shorter range, one topic or one partition";

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
    beside: Option<Beside<'a>>,
    array: JsonStream,
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(
        cluster: &'a ClusterName,
        request: &'a Request,
        beside: Option<Beside<'a>>,
        outlet: Outlet,
    ) -> Self {
        let metrics = request.metrics.iter();
        Self {
            cluster,
            request,
            keys: metrics
                .flat_map(|metric: &Metric| metric.keys())
                .copied()
                .collect(),
            beside,
            array: JsonStream::new(REMEDY, outlet),
        }
    }

    pub(super) fn write(
        &mut self,
        time: TimestampMs,
        rows: &[Row],
        telling: Telling,
    ) -> Result<(), ApiError> {
        if let Some(beside) = &mut self.beside {
            beside.advance(time)?;
        }
        let time = time.to_string();
        for row in rows {
            self.array.push(&Object {
                cluster: self.cluster,
                request: self.request,
                keys: &self.keys,
                time: &time,
                row,
                telling,
                told: self.told(row)?,
            })?;
        }
        Ok(())
    }

    fn told(&self, row: &Row) -> Result<Told, ApiError> {
        match &self.beside {
            Some(beside) => beside.told(&row.topic),
            None => Ok(Told::NOTHING),
        }
    }

    pub(super) fn finish(self) -> Result<(), ApiError> {
        self.array.finish()
    }
}

struct Object<'a> {
    cluster: &'a ClusterName,
    request: &'a Request,
    keys: &'a [&'static str],
    time: &'a str,
    row: &'a Row,
    telling: Telling,
    told: Told,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", self.time)?;
        map.serialize_entry("cluster", self.cluster.as_str())?;
        map.serialize_entry("group", self.request.group.as_str())?;
        map.serialize_entry("topic", self.row.topic.as_str())?;
        if let Some(partition) = self.row.partition {
            map.serialize_entry("partition", &partition)?;
        }
        for (key, value) in self.keys.iter().zip(&self.row.values) {
            match self.telling {
                Telling::Values => map.serialize_entry(key, value)?,
                Telling::Gap => map.serialize_entry(key, &Value::Null)?,
            }
        }
        for metric in &self.request.told {
            map.serialize_entry(metric.name(), &metric.of(self.told))?;
        }
        map.end()
    }
}
