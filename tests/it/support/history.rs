//! What a scaler recorded, from a story's first tick to its last.

use serde_json::Value;

use super::scaler::Scaler;

const METRICS: &str = "lag,committed_offset,log_end_offset,log_start_offset,lost_records,arrival_rate,consumption_rate";

/// A group's recorded history in one topic, a row a tick, oldest first.
#[derive(Debug)]
pub(crate) struct History(Vec<Value>);

impl History {
    pub(crate) async fn of(scaler: &Scaler, group: &str, topic: &str) -> Self {
        let path = format!("/api/v1/history?group={group}&topic={topic}&step=raw&metric={METRICS}");
        let rows = scaler.json(&path).await;
        let rows = rows.as_array().expect("history is an array").clone();
        assert!(!rows.is_empty(), "no history of {group} in {topic}");
        Self(rows)
    }

    /// Fails on a negative number, or a rate above what the story can have
    /// made: records/s.
    pub(crate) fn assert_no_nonsense(&self, max_arrival: f64, max_consumption: f64) -> &Self {
        for row in &self.0 {
            for metric in METRICS.split(',') {
                let value = row[metric].as_f64();
                assert!(value.is_none_or(|value| value >= 0.0), "{metric}: {row}");
            }
            for (metric, max) in [
                ("arrival_rate", max_arrival),
                ("consumption_rate", max_consumption),
            ] {
                let rate = row[metric].as_f64();
                assert!(
                    rate.is_none_or(|rate| rate <= max),
                    "{metric} above {max}: {row}"
                );
            }
        }
        self
    }

    /// Each known value of a metric, once where it stands several times in a row.
    pub(crate) fn steps(&self, metric: &str) -> Vec<i64> {
        let mut steps: Vec<i64> = self
            .0
            .iter()
            .filter_map(|row| row[metric].as_i64())
            .collect();
        steps.dedup();
        steps
    }

    /// When the ticks were, in ms since 1970, with what a metric was then.
    pub(crate) fn at(&self, metric: &str) -> Vec<(i64, Option<i64>)> {
        let row = |row: &Value| {
            let time = row["time"].as_str().expect("a row has a time");
            let time = chrono::DateTime::parse_from_rfc3339(time).expect("in RFC 3339");
            (time.timestamp_millis(), row[metric].as_i64())
        };
        self.0.iter().map(row).collect()
    }
}
