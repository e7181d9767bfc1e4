//! Results as Prometheus writes them.

use std::fmt::Write as _;

use super::{
    failure::Failure,
    labels::Labels,
    sinks::{Loaded, Sample},
    value::{Series, Steps, Value},
};

/// Points in an answer: some 30 bytes each.
const MAX_POINTS: usize = 1_000_000;

/// What is said of an answer that was cut to its `limit`.
const CUT: &str = "results truncated due to limit";

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Answer {
    text: String,
    points_left: usize,
}

/// How a query's answer may be cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub(super) Option<usize>);

impl Limit {
    /// The first ones, and whether that are all.
    pub(super) fn cut<T>(self, all: &[T]) -> (&[T], bool) {
        let kept = self.0.map_or(all.len(), |limit| limit.min(all.len()));
        (&all[..kept], kept < all.len())
    }
}

impl Answer {
    fn begin(kind: &str) -> Self {
        Self {
            text: format!(
                "{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":"
            ),
            points_left: MAX_POINTS,
        }
    }

    fn finish(mut self, is_cut: bool) -> Vec<u8> {
        self.text.push('}');
        finish(self.text, is_cut)
    }

    /// Of one time.
    pub(super) fn instant(value: &Value, at: i64, limit: Limit) -> Result<Vec<u8>, Failure> {
        match value {
            Value::Scalar(values) => {
                let mut answer = Self::begin("scalar");
                answer.point((at, values[0]))?;
                Ok(answer.finish(false))
            }
            Value::Text(text) => {
                let mut answer = Self::begin("string");
                answer.text.push('[');
                answer.time(at);
                answer.text.push(',');
                quote(&mut answer.text, text);
                answer.text.push(']');
                Ok(answer.finish(false))
            }
            Value::Vector(series) => {
                let series: Vec<_> = series.iter().filter(|one| one.has_value()).collect();
                let (series, is_cut) = limit.cut(&series);
                let mut answer = Self::begin("vector");
                answer.list(series, |answer, series: &&Series| {
                    answer.metric(&series.labels);
                    answer.text.push_str("\"value\":");
                    answer.point((at, series.value(0).unwrap_or(f64::NAN)))?;
                    answer.text.push('}');
                    Ok(())
                })?;
                Ok(answer.finish(is_cut))
            }
        }
    }

    /// Of a range vector.
    pub(super) fn samples(series: &[Loaded], limit: Limit) -> Result<Vec<u8>, Failure> {
        let (series, is_cut) = limit.cut(series);
        let mut answer = Self::begin("matrix");
        answer.list(series, |answer, series: &Loaded| {
            answer.row(&series.labels, series.samples.iter().copied())
        })?;
        Ok(answer.finish(is_cut))
    }

    /// Of all steps; a scalar is a series without labels.
    pub(super) fn range(value: Value, steps: Steps, limit: Limit) -> Result<Vec<u8>, Failure> {
        let mut series = match value {
            Value::Vector(series) => series,
            Value::Scalar(values) => {
                let mut series = Series::empty(Labels::none(), steps.count);
                for (step, value) in values.into_iter().enumerate() {
                    series.set(step, Some(value));
                }
                vec![series]
            }
            Value::Text(_) => return Err(Failure::not_supported("a string in steps")),
        };
        series.retain(Series::has_value);
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        let (series, is_cut) = limit.cut(&series);
        let mut answer = Self::begin("matrix");
        answer.list(series, |answer, series: &Series| {
            let points =
                (0..steps.count).filter_map(|step| Some((steps.at(step), series.value(step)?)));
            answer.row(&series.labels, points)
        })?;
        Ok(answer.finish(is_cut))
    }

    fn row(
        &mut self,
        labels: &Labels,
        points: impl Iterator<Item = Sample>,
    ) -> Result<(), Failure> {
        self.metric(labels);
        self.text.push_str("\"values\":[");
        for (place, point) in points.enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            self.point(point)?;
        }
        self.text.push_str("]}");
        Ok(())
    }

    fn list<T>(
        &mut self,
        items: &[T],
        write: impl Fn(&mut Self, &T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.text.push('[');
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            write(self, item)?;
        }
        self.text.push(']');
        Ok(())
    }

    fn metric(&mut self, labels: &Labels) {
        self.text.push_str("{\"metric\":");
        write_labels(&mut self.text, labels);
        self.text.push(',');
    }

    fn point(&mut self, (at, value): Sample) -> Result<(), Failure> {
        self.points_left = self.points_left.checked_sub(1).ok_or_else(|| {
            Failure::too_large(
                format!("more than {MAX_POINTS} points"),
                format!("at most {MAX_POINTS}"),
                "ask for fewer series, a shorter range or a longer step",
            )
        })?;
        self.text.push('[');
        self.time(at);
        let text = match value {
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        };
        write(&mut self.text, format_args!(",\"{text}\"]"));
        Ok(())
    }

    fn time(&mut self, at: i64) {
        let (seconds, ms) = (at.div_euclid(1000), at.rem_euclid(1000));
        match ms {
            0 => write(&mut self.text, format_args!("{seconds}")),
            ms => write(&mut self.text, format_args!("{seconds}.{ms:03}")),
        }
    }
}

/// `data` as a list.
pub(super) fn list(data: &[impl serde::Serialize], limit: Limit) -> Vec<u8> {
    let (data, is_cut) = limit.cut(data);
    let data = serde_json::to_string(data).expect("texts are JSON");
    finish(format!("{{\"status\":\"success\",\"data\":{data}"), is_cut)
}

/// `data` as a list of sets of labels.
pub(super) fn label_sets(sets: &[Labels], limit: Limit) -> Vec<u8> {
    let (sets, is_cut) = limit.cut(sets);
    let mut text = "{\"status\":\"success\",\"data\":[".to_owned();
    for (place, labels) in sets.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write_labels(&mut text, labels);
    }
    text.push(']');
    finish(text, is_cut)
}

fn finish(mut text: String, is_cut: bool) -> Vec<u8> {
    if is_cut {
        write(&mut text, format_args!(",\"warnings\":[\"{CUT}\"]"));
    }
    text.push('}');
    text.into_bytes()
}

fn write_labels(text: &mut String, labels: &Labels) {
    text.push('{');
    for (place, (name, value)) in labels.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        quote(text, name);
        text.push(':');
        quote(text, value);
    }
    text.push('}');
}

fn quote(text: &mut String, value: &str) {
    let quoted = serde_json::to_string(value).expect("a text is JSON");
    text.push_str(&quoted);
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what)
        .expect("writing to a string does not fail");
}
