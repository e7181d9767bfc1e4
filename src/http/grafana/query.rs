//! `/grafana/query`: all targets of a panel, each answered in its turn.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::TimestampMs;

use super::{
    super::{
        HttpState,
        error::{ApiError, shown},
        gate::Allowance,
        history::{DEFAULT_STEPS, MAX_STEPS},
        query::Range,
    },
    annotations,
    filter::{FilterJson, Filters},
    metrics,
    payload::Payload,
    scoped::Scoped,
    series::{self, Room, Series, Steps, Wanted},
    table::{self, Table},
};

/// A panel has as many letters for them, twice.
const MAX_TARGETS: usize = 52;
/// Names that come back in the answer.
const MAX_REF_ID_BYTES: usize = 200;
/// Longer than any range; so long an interval is one step.
const LONGEST_INTERVAL: Duration = Duration::from_hours(400 * 24);

/// A range as Grafana writes it.
#[derive(Debug, Deserialize)]
pub(super) struct RangeJson {
    from: Value,
    to: Value,
}

impl RangeJson {
    pub(super) fn read(&self) -> Result<Range, ApiError> {
        Range::between(time("range.from", &self.from)?, time("range.to", &self.to)?)
    }
}

fn time(name: &'static str, value: &Value) -> Result<TimestampMs, ApiError> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let bad = || ApiError::bad(name, &text, TimestampMs::ACCEPTED);
    TimestampMs::parse(&text).ok_or_else(bad)
}

/// The body; Grafana sends more, which is not needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryJson {
    range: RangeJson,
    interval_ms: Option<f64>,
    max_data_points: Option<f64>,
    #[serde(default)]
    scoped_vars: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    filters: Option<Vec<FilterJson>>,
    /// What older versions send instead.
    #[serde(default)]
    adhoc_filters: Option<Vec<FilterJson>>,
    #[serde(default)]
    targets: Vec<TargetJson>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetJson {
    #[serde(default)]
    ref_id: Option<String>,
    #[serde(default)]
    target: Value,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    hide: Option<bool>,
}

/// A request that has been read: nothing in it is wrong that can be told
/// without looking at history.
#[derive(Debug)]
pub(super) struct Query {
    steps: Steps,
    targets: Vec<Target>,
}

#[derive(Debug)]
struct Target {
    metric: String,
    ref_id: String,
    payload: Payload,
}

/// One answer of a target.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Item {
    Series(Series),
    Table(Table),
}

impl QueryJson {
    pub(super) fn read(self) -> Result<Query, ApiError> {
        if self.targets.len() > MAX_TARGETS {
            return Err(ApiError::TooLarge {
                found: format!("{} targets", self.targets.len()),
                limit: format!("at most {MAX_TARGETS}"),
                remedy: "ask for fewer in one panel",
            });
        }
        let steps = Steps {
            range: self.range.read()?,
            shortest: shortest(self.interval_ms)?,
            most: most(self.max_data_points)?,
        };
        let mut filters = self.filters.unwrap_or_default();
        filters.append(&mut self.adhoc_filters.unwrap_or_default());
        let filters = Filters::read(&filters)?;
        let mut scoped = Scoped::new(self.scoped_vars.unwrap_or_default());
        let mut targets = Vec::new();
        for target in self.targets {
            targets.extend(target.read(&filters, &mut scoped)?);
        }
        Ok(Query { steps, targets })
    }
}

impl TargetJson {
    /// `None` for one that is hidden, or in which no metric was chosen yet.
    fn read(mut self, filters: &Filters, scoped: &mut Scoped) -> Result<Option<Target>, ApiError> {
        if self.hide == Some(true) || self.target.is_null() {
            return Ok(None);
        }
        scoped.fill(&mut self.target)?;
        scoped.fill(&mut self.payload)?;
        let Value::String(metric) = self.target else {
            return Err(unknown(&self.target.to_string()));
        };
        if metric.is_empty() {
            return Ok(None);
        }
        if !metrics::names().any(|name| name == metric) {
            return Err(unknown(&metric));
        }
        let ref_id = self.ref_id.unwrap_or_default();
        if ref_id.len() > MAX_REF_ID_BYTES {
            let accepted = format!("at most {MAX_REF_ID_BYTES} bytes");
            return Err(ApiError::bad("refId", &shown(&ref_id), accepted));
        }
        Ok(Some(Target {
            payload: Payload::read(&self.payload, filters)?,
            metric,
            ref_id,
        }))
    }
}

fn unknown(metric: &str) -> ApiError {
    let names: Vec<_> = metrics::names().collect();
    ApiError::bad("target", metric, format!("one of {}", names.join(", ")))
}

fn shortest(interval_ms: Option<f64>) -> Result<Duration, ApiError> {
    let Some(ms) = interval_ms else {
        return Ok(Duration::ZERO);
    };
    let seconds = (ms / 1_000.0).min(LONGEST_INTERVAL.as_secs_f64());
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| ApiError::bad("intervalMs", &ms.to_string(), "milliseconds, from 0"))
}

fn most(max_data_points: Option<f64>) -> Result<u32, ApiError> {
    let Some(points) = max_data_points else {
        return Ok(DEFAULT_STEPS);
    };
    if points < 1.0 {
        return Err(ApiError::bad(
            "maxDataPoints",
            &points.to_string(),
            "a number from 1",
        ));
    }
    // Fewer than asked for is no mistake.
    Ok(points.min(f64::from(MAX_STEPS)) as u32)
}

impl Query {
    /// What all targets ask for, in their order.
    pub(super) fn answer(
        &self,
        state: &HttpState,
        allowance: &Allowance,
    ) -> Result<Vec<Item>, ApiError> {
        let mut room = Room::default();
        let mut items = Vec::new();
        for target in &self.targets {
            allowance.check()?;
            match self.table(state, target, allowance)? {
                Some(table) => items.push(Item::Table(table)),
                None => {
                    let wanted = target.series(self.steps);
                    let told = series::tell(state, &wanted, &mut room, allowance)?;
                    items.extend(told.into_iter().map(Item::Series));
                }
            }
        }
        Ok(items)
    }

    /// `None` if the target's metric is told as series.
    fn table(
        &self,
        state: &HttpState,
        target: &Target,
        allowance: &Allowance,
    ) -> Result<Option<Table>, ApiError> {
        let (id, payload, range) = (&*target.ref_id, &target.payload, self.steps.range);
        Ok(Some(match target.metric.as_str() {
            "groups" => table::groups(state, id, payload, allowance)?,
            "top" => table::top(state, id, payload, range, allowance)?,
            "told" => table::told(state, id, payload, range, allowance)?,
            "events" => {
                let told = annotations::tell(state, payload, range, allowance)?;
                annotations::table(id, &told)?
            }
            _ => return Ok(None),
        }))
    }
}

impl Target {
    fn series(&self, steps: Steps) -> Wanted<'_> {
        Wanted {
            metric: &self.metric,
            ref_id: &self.ref_id,
            payload: &self.payload,
            steps,
        }
    }
}
