//! Evaluates an expression, for all steps at a time.
//!
//! It follows Prometheus 2: range windows have both ends in them, a sample counts
//! for five minutes, `rate` extrapolates. The tree has been typed by the parser,
//! and its depth is bounded by what [`guard`](super::guard) lets through.

mod aggregate;
mod arithmetic;
mod calls;
mod labels;
mod matching;
mod order;
mod windows;

#[cfg(test)]
mod properties;

use std::time::{Duration, SystemTime};

use promql_parser::parser::{AtModifier, Expr, Offset, VectorSelector, value::ValueType};

use crate::{
    board::Board,
    http::{HttpState, gate::Allowance, query::MAX_RANGE},
};

use super::{
    failure::Failure,
    labels::Labels,
    load::{Need, read},
    select::{Batch, Catalogue, MAX_SERIES, Selector},
    sinks::{AtTimes, Loaded, Memory, Samples, Windows},
    value::{Series, Steps, Value, relabelled},
};

/// The last millisecond of the year 9999.
const LATEST_MS: i64 = 253_402_300_799_999;

/// One evaluation.
#[derive(Debug)]
pub(super) struct Evaluator<'a> {
    state: &'a HttpState,
    board: Board,
    steps: Steps,
    allowance: &'a Allowance,
    memory: Memory,
    series_left: usize,
}

/// A range vector, by what was read together.
type Matrix = Vec<(Vec<Loaded>, Windows)>;

impl<'a> Evaluator<'a> {
    pub(super) fn new(state: &'a HttpState, steps: Steps, allowance: &'a Allowance) -> Self {
        Self {
            state,
            board: state.newest_board(),
            steps,
            allowance,
            memory: Memory::default(),
            series_left: MAX_SERIES,
        }
    }

    pub(super) fn evaluate(&mut self, expr: &Expr) -> Result<Value, Failure> {
        self.allowance.check()?;
        match expr {
            Expr::NumberLiteral(number) => Ok(self.scalar(|_| number.val)),
            Expr::StringLiteral(text) => Ok(Value::Text(text.val.clone())),
            Expr::Paren(inner) => self.evaluate(&inner.expr),
            Expr::Unary(unary) => match self.evaluate(&unary.expr)? {
                Value::Scalar(values) => Ok(Value::Scalar(
                    values.into_iter().map(|value| -value).collect(),
                )),
                Value::Vector(series) => self.each_value(series, |_, value| Some(-value)),
                Value::Text(_) => Err(Failure::not_supported("a sign before a string")),
            },
            Expr::VectorSelector(selector) => Ok(Value::Vector(self.select(selector)?)),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Call(call) => self.call(call),
            Expr::MatrixSelector(_) => Err(Failure::not_supported(
                "a range vector that no function is applied to",
            )),
            Expr::Subquery(_) => Err(Failure::not_supported("a subquery")),
            Expr::Extension(_) => Err(Failure::not_supported("an extension")),
        }
    }

    /// All samples of a range vector at the one time of an instant query.
    pub(super) fn samples(
        &mut self,
        selector: &VectorSelector,
        range: Duration,
    ) -> Result<Vec<Loaded>, Failure> {
        let time = self.times(selector)?.first().copied().unwrap_or_default();
        let mut all = Vec::new();
        for (loaded, windows) in self.select_range(selector, range)? {
            let from = time.saturating_sub(windows.length(time));
            all.extend(loaded.into_iter().filter_map(|mut series| {
                series.samples.retain(|(at, _)| *at >= from);
                (!series.samples.is_empty()).then_some(series)
            }));
        }
        all.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(all)
    }

    fn scalar(&self, value: impl Fn(usize) -> f64) -> Value {
        Value::Scalar((0..self.steps.count).map(value).collect())
    }

    fn scalar_of(&mut self, expr: &Expr) -> Result<Vec<f64>, Failure> {
        match self.evaluate(expr)? {
            Value::Scalar(values) => Ok(values),
            Value::Vector(_) | Value::Text(_) => Err(Failure::not_supported("such an argument")),
        }
    }

    fn vector_of(&mut self, expr: &Expr) -> Result<Vec<Series>, Failure> {
        match self.evaluate(expr)? {
            Value::Vector(series) => Ok(series),
            Value::Scalar(_) | Value::Text(_) => Err(Failure::not_supported("such an argument")),
        }
    }

    /// Each value anew, under labels without the name.
    fn each_value(
        &self,
        mut series: Vec<Series>,
        new: impl Fn(usize, f64) -> Option<f64>,
    ) -> Result<Value, Failure> {
        for one in &mut series {
            self.allowance.check()?;
            one.map(&new);
        }
        let series = relabelled(series, self.steps.count, Labels::without_name)?;
        Ok(Value::Vector(series))
    }

    fn select(&mut self, selector: &VectorSelector) -> Result<Vec<Series>, Failure> {
        let times = self.times(selector)?;
        let need = self.need(&times, None);
        let mut found = Vec::new();
        for mut batch in self.batches(selector)? {
            let labels = labels_of(&batch);
            let mut sink = AtTimes::new(&times, labels.into_iter(), &mut self.memory)?;
            read(self.state, &mut batch, &need, self.allowance, &mut sink)?;
            found.extend(sink.finish());
        }
        found.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(found)
    }

    fn select_range(
        &mut self,
        selector: &VectorSelector,
        range: Duration,
    ) -> Result<Matrix, Failure> {
        let times = self.times(selector)?;
        let window = bounded_ms("a range", range)?;
        let need = self.need(&times, Some(window));
        let mut matrix = Vec::new();
        for mut batch in self.batches(selector)? {
            let labels = labels_of(&batch);
            let mut sink = Samples::new(labels.into_iter(), &mut self.memory);
            read(self.state, &mut batch, &need, self.allowance, &mut sink)?;
            matrix.push(sink.finish(window));
        }
        Ok(matrix)
    }

    fn need<'t>(&self, times: &'t [i64], window: Option<i64>) -> Need<'t> {
        Need {
            times,
            step: self.steps.step,
            window,
        }
    }

    fn batches(&mut self, selector: &VectorSelector) -> Result<Vec<Batch>, Failure> {
        let catalogue = Catalogue {
            state: self.state,
            board: &self.board,
        };
        catalogue.batches(&Selector::of(selector)?, &mut self.series_left)
    }

    /// The times that a selector is asked about, step by step.
    fn times(&self, selector: &VectorSelector) -> Result<Vec<i64>, Failure> {
        let offset = match selector.offset {
            None => 0,
            Some(Offset::Pos(by)) => bounded_ms("an offset", by)?,
            Some(Offset::Neg(by)) => -bounded_ms("an offset", by)?,
        };
        let fixed = match &selector.at {
            None => None,
            Some(AtModifier::Start) => Some(self.steps.start),
            Some(AtModifier::End) => Some(self.steps.end()),
            Some(AtModifier::At(at)) => Some(epoch_ms(*at)?),
        };
        let times = self.steps.times();
        Ok(times.map(|time| fixed.unwrap_or(time) - offset).collect())
    }
}

fn labels_of(batch: &Batch) -> Vec<Labels> {
    let series = batch.series.iter();
    series
        .map(|series| Labels::of(&batch.cluster, series))
        .collect()
}

fn bounded_ms(what: &str, duration: Duration) -> Result<i64, Failure> {
    if duration > MAX_RANGE {
        let days = |duration: Duration| duration.as_secs() / 86_400;
        return Err(Failure::BadData(format!(
            "invalid parameter \"query\": {what} is {} days, accepted are {} at most",
            days(duration),
            days(MAX_RANGE)
        )));
    }
    Ok(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn epoch_ms(at: SystemTime) -> Result<i64, Failure> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok();
    let ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    ms.filter(|ms| *ms <= LATEST_MS).ok_or_else(|| {
        Failure::BadData(
            "invalid parameter \"query\": the time after @ is not from 1970 to 9999".to_owned(),
        )
    })
}

/// Of what a query may be asked in steps.
pub(super) fn is_steppable(expr: &Expr) -> bool {
    matches!(expr.value_type(), ValueType::Scalar | ValueType::Vector)
}
