//! Where the rows of an answer go: into JSON that is sent while it is made, or
//! to who puts them together in another way.

use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};
use serde_json::Value;

use crate::model::{ClusterName, Partition, TimestampMs, Told, TopicName};

use super::{
    super::{
        array::JsonStream,
        error::ApiError,
        outlet::{Head, Outlet},
    },
    beside::Beside,
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

/// Takes the rows of an answer, oldest first.
pub(in super::super) trait RowSink {
    /// What the rows were made into.
    type Made;

    /// Once, before the first row: the levels of history that it is told from.
    fn begin(&mut self, levels: Head);

    fn push(&mut self, row: &ToldRow<'_>) -> Result<(), ApiError>;

    /// After the last row.
    fn finish(self) -> Result<Self::Made, ApiError>;
}

/// A row with all that is told in it.
#[derive(Debug)]
pub(in super::super) struct ToldRow<'a> {
    pub(in super::super) time: TimestampMs,
    /// The same as text: many rows share it.
    shown_time: &'a str,
    cluster: &'a ClusterName,
    request: &'a Request,
    row: &'a Row,
    telling: Telling,
    told: Told,
}

impl<'a> ToldRow<'a> {
    pub(in super::super) fn topic(&self) -> &'a TopicName {
        &self.row.topic
    }

    pub(in super::super) fn partition(&self) -> Option<Partition> {
        self.row.partition
    }

    /// The keys and values of all that was asked for.
    pub(in super::super) fn values(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let metrics = self.request.metrics.iter();
        let keys = metrics.flat_map(|metric| metric.keys()).copied();
        let values = self.row.values.iter().map(|value| match self.telling {
            Telling::Values => value.clone(),
            Telling::Gap => Value::Null,
        });
        let told = self.request.told.iter();
        let told = told.map(|metric| (metric.name(), metric.of(self.told)));
        keys.zip(values).chain(told)
    }
}

/// A flat object, in which each key has one type or is null.
impl Serialize for ToldRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", self.shown_time)?;
        map.serialize_entry("cluster", self.cluster.as_str())?;
        map.serialize_entry("group", self.request.group.as_str())?;
        map.serialize_entry("topic", self.row.topic.as_str())?;
        if let Some(partition) = self.row.partition {
            map.serialize_entry("partition", &partition)?;
        }
        for (key, value) in self.values() {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

/// A flat array that is sent while it is made.
#[derive(Debug)]
pub(super) struct JsonRows {
    array: JsonStream,
}

impl JsonRows {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self {
            array: JsonStream::new(REMEDY, outlet),
        }
    }
}

impl RowSink for JsonRows {
    type Made = ();

    fn begin(&mut self, levels: Head) {
        self.array.begin(levels);
    }

    fn push(&mut self, row: &ToldRow<'_>) -> Result<(), ApiError> {
        self.array.push(row)
    }

    fn finish(self) -> Result<(), ApiError> {
        self.array.finish()
    }
}

/// Puts beside each row what KEDA was told, and hands it on.
#[derive(Debug)]
pub(super) struct RowWriter<'a, S> {
    cluster: &'a ClusterName,
    request: &'a Request,
    beside: Option<Beside<'a>>,
    sink: S,
}

impl<'a, S: RowSink> RowWriter<'a, S> {
    pub(super) fn new(
        cluster: &'a ClusterName,
        request: &'a Request,
        beside: Option<Beside<'a>>,
        sink: S,
    ) -> Self {
        Self {
            cluster,
            request,
            beside,
            sink,
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
        let shown_time = time.to_string();
        for row in rows {
            self.sink.push(&ToldRow {
                time,
                shown_time: &shown_time,
                cluster: self.cluster,
                request: self.request,
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

    pub(super) fn finish(self) -> Result<S::Made, ApiError> {
        self.sink.finish()
    }
}
