//! Aggregations over the series of a vector.

use std::collections::HashMap;

use promql_parser::parser::{
    AggregateExpr,
    token::{
        T_AVG, T_BOTTOMK, T_COUNT, T_GROUP, T_MAX, T_MIN, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUM,
        T_TOPK, TokenId,
    },
};

use super::{
    Evaluator,
    order::{quantile, ranking},
};
use crate::http::prometheus::{
    failure::Failure,
    labels::{Labels, Otherwise},
    value::{Series, Value},
};

/// The values of one group at one step, as they come.
#[derive(Debug, Clone, Copy)]
struct Total {
    count: f64,
    sum: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &AggregateExpr) -> Result<Value, Failure> {
        let operator = aggregate.op.id();
        let parameter = match (operator, &aggregate.param) {
            (T_TOPK | T_BOTTOMK | T_QUANTILE, Some(parameter)) => self.scalar_of(parameter)?,
            (T_SUM | T_AVG | T_MIN | T_MAX | T_COUNT | T_GROUP | T_STDDEV | T_STDVAR, _) => {
                Vec::new()
            }
            _ => return Err(Failure::not_supported(aggregate.op)),
        };
        let series = self.vector_of(&aggregate.expr)?;
        let groups = grouped(&series, aggregate);
        let series = match operator {
            T_TOPK | T_BOTTOMK => self.ranked(series, groups, &parameter, operator == T_BOTTOMK)?,
            _ => self.totals(operator, &series, groups, &parameter)?,
        };
        Ok(Value::Vector(series))
    }

    fn totals(
        &self,
        operator: TokenId,
        series: &[Series],
        groups: Vec<(Labels, Vec<usize>)>,
        parameter: &[f64],
    ) -> Result<Vec<Series>, Failure> {
        let mut totals = Vec::with_capacity(groups.len());
        for (labels, members) in groups {
            let mut total = Series::empty(labels, self.steps.count);
            for step in 0..self.steps.count {
                self.allowance.check()?;
                let q = parameter.get(step).copied();
                let values = members
                    .iter()
                    .filter_map(|place| series[*place].value(step));
                let value = match operator {
                    T_QUANTILE => {
                        let mut values: Vec<_> = values.collect();
                        let q = q.filter(|_| !values.is_empty());
                        q.map(|q| quantile(q, &mut values))
                    }
                    _ => Total::over(values).and_then(|total| total.value(operator)),
                };
                total.set(step, value);
            }
            totals.push(total);
        }
        Ok(totals)
    }

    /// Of each group the highest or the lowest, in that order.
    fn ranked(
        &self,
        mut series: Vec<Series>,
        groups: Vec<(Labels, Vec<usize>)>,
        parameter: &[f64],
        lowest_first: bool,
    ) -> Result<Vec<Series>, Failure> {
        let mut order = Vec::new();
        for (step, parameter) in parameter.iter().enumerate() {
            self.allowance.check()?;
            let keep = kept(*parameter)?;
            order.clear();
            for (_, members) in &groups {
                let of = |place: &usize| Some((series[*place].value(step)?, *place));
                let mut values: Vec<_> = members.iter().filter_map(of).collect();
                values.sort_by(|one, other| ranking(one.0, other.0, lowest_first));
                for (_, place) in values.iter().skip(keep) {
                    series[*place].set(step, None);
                }
                let first = values.iter().take(keep);
                order.extend(first.map(|(_, place)| *place));
            }
        }
        // An instant query shows the order, others sort by labels.
        let rank: HashMap<_, _> = order.into_iter().enumerate().map(|(r, p)| (p, r)).collect();
        let mut ranked: Vec<_> = series.into_iter().enumerate().collect();
        ranked.retain(|(_, series)| series.has_value());
        ranked.sort_by_key(|(place, _)| rank.get(place).copied().unwrap_or(usize::MAX));
        Ok(ranked.into_iter().map(|(_, series)| series).collect())
    }
}

/// The groups in the order of their first series, each with its series' places.
fn grouped(series: &[Series], aggregate: &AggregateExpr) -> Vec<(Labels, Vec<usize>)> {
    let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
    let mut places = HashMap::new();
    for (number, series) in series.iter().enumerate() {
        let labels = series
            .labels
            .grouped(aggregate.modifier.as_ref(), Otherwise::Nothing);
        let place = *places.entry(labels.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(number),
            None => groups.push((labels, vec![number])),
        }
    }
    groups
}

/// How many to keep.
fn kept(parameter: f64) -> Result<usize, Failure> {
    if parameter.is_nan() || parameter.abs() >= i64::MAX as f64 {
        return Err(Failure::Execution(format!(
            "scalar value {parameter} overflows int64"
        )));
    }
    Ok(parameter.max(0.0) as usize)
}

impl Total {
    /// `None`: of nothing.
    fn over(mut values: impl Iterator<Item = f64>) -> Option<Self> {
        let first = values.next()?;
        let mut total = Self {
            count: 1.0,
            sum: first,
            mean: first,
            squares: 0.0,
            min: first,
            max: first,
        };
        values.for_each(|value| total.add(value));
        Some(total)
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        let delta = value - self.mean;
        // An infinite mean stays, unless infinities of both signs meet.
        let stays = self.mean.is_infinite()
            && (value.is_finite() || (value.is_infinite() && (self.mean > 0.0) == (value > 0.0)));
        if !stays {
            self.mean += value / self.count - self.mean / self.count;
        }
        self.squares += delta * (value - self.mean);
        if self.min > value || self.min.is_nan() {
            self.min = value;
        }
        if self.max < value || self.max.is_nan() {
            self.max = value;
        }
    }

    fn value(self, operator: TokenId) -> Option<f64> {
        Some(match operator {
            T_SUM => self.sum,
            T_AVG => self.mean,
            T_MIN => self.min,
            T_MAX => self.max,
            T_COUNT => self.count,
            T_GROUP => 1.0,
            T_STDVAR => self.squares / self.count,
            T_STDDEV => (self.squares / self.count).sqrt(),
            _ => return None,
        })
    }
}
