//! Functions of instant vectors and scalars.

use promql_parser::parser::{Call, Expr};

use super::{Evaluator, order::ranking};
use crate::http::prometheus::{
    failure::Failure,
    labels::Labels,
    select::Selector,
    value::{Series, Value},
};

/// A function of one number.
type OfNumber = fn(f64) -> f64;

fn of_number(name: &str) -> Option<OfNumber> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sgn" => sign,
        _ => return None,
    })
}

fn sign(value: f64) -> f64 {
    match value {
        _ if value > 0.0 => 1.0,
        _ if value < 0.0 => -1.0,
        _ => value,
    }
}

/// Ties are rounded up.
fn round(value: f64, to_nearest: f64) -> f64 {
    let inverse = 1.0 / to_nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// The smaller one; NaN if one of them is.
fn smaller(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() {
        return f64::NAN;
    }
    one.min(other)
}

fn larger(one: f64, other: f64) -> f64 {
    -smaller(-one, -other)
}

impl Evaluator<'_> {
    pub(super) fn call(&mut self, call: &Call) -> Result<Value, Failure> {
        let name = call.func.name;
        let arguments: Vec<&Expr> = call.args.args.iter().map(|expr| &**expr).collect();
        if let Some(of_number) = of_number(name)
            && let [vector] = arguments[..]
        {
            let series = self.vector_of(vector)?;
            return self.each_value(series, |_, value| Some(of_number(value)));
        }
        match (name, &arguments[..]) {
            ("time", []) => Ok(self.scalar(|step| self.steps.at(step) as f64 / 1000.0)),
            ("pi", []) => Ok(self.scalar(|_| std::f64::consts::PI)),
            ("vector", [scalar]) => self.vector(scalar),
            ("scalar", [vector]) => self.only(vector),
            ("absent", [vector]) => self.absent(vector),
            ("sort", [vector]) => self.sorted(vector, true),
            ("sort_desc", [vector]) => self.sorted(vector, false),
            ("round", [vector, rest @ ..]) => {
                let series = self.vector_of(vector)?;
                let to_nearest = match rest.first() {
                    Some(scalar) => self.scalar_of(scalar)?,
                    None => vec![1.0; self.steps.count],
                };
                self.each_value(series, |step, value| Some(round(value, to_nearest[step])))
            }
            ("clamp", [vector, min, max]) => {
                let series = self.vector_of(vector)?;
                let (min, max) = (self.scalar_of(min)?, self.scalar_of(max)?);
                self.each_value(series, |step, value| {
                    let clamped = larger(min[step], smaller(max[step], value));
                    (max[step] >= min[step] || max[step].is_nan() || min[step].is_nan())
                        .then_some(clamped)
                })
            }
            ("clamp_min", [vector, min]) => {
                let (series, min) = (self.vector_of(vector)?, self.scalar_of(min)?);
                self.each_value(series, |step, value| Some(larger(min[step], value)))
            }
            ("clamp_max", [vector, max]) => {
                let (series, max) = (self.vector_of(vector)?, self.scalar_of(max)?);
                self.each_value(series, |step, value| Some(smaller(max[step], value)))
            }
            ("label_replace", [vector, texts @ ..]) => self.label_replace(vector, texts),
            ("label_join", [vector, texts @ ..]) => self.label_join(vector, texts),
            _ => self.over_time(name, &arguments),
        }
    }

    fn vector(&mut self, scalar: &Expr) -> Result<Value, Failure> {
        let values = self.scalar_of(scalar)?;
        let mut series = Series::empty(Labels::none(), self.steps.count);
        for (step, value) in values.into_iter().enumerate() {
            series.set(step, Some(value));
        }
        Ok(Value::Vector(vec![series]))
    }

    fn only(&mut self, vector: &Expr) -> Result<Value, Failure> {
        let series = self.vector_of(vector)?;
        Ok(self.scalar(|step| {
            let mut values = series.iter().filter_map(|series| series.value(step));
            match (values.next(), values.next()) {
                (Some(only), None) => only,
                _ => f64::NAN,
            }
        }))
    }

    fn absent(&mut self, vector: &Expr) -> Result<Value, Failure> {
        let series = self.vector_of(vector)?;
        let labels = match vector {
            Expr::VectorSelector(selector) => Selector::of(selector)?.equalities(),
            _ => Labels::none(),
        };
        let is_there = |step| series.iter().any(|series| series.value(step).is_some());
        Ok(self.absences(labels, is_there))
    }

    /// 1 at each step where there is nothing.
    pub(super) fn absences(&self, labels: Labels, is_there: impl Fn(usize) -> bool) -> Value {
        let mut absent = Series::empty(labels, self.steps.count);
        for step in 0..self.steps.count {
            absent.set(step, (!is_there(step)).then_some(1.0));
        }
        let absent = Some(absent).filter(Series::has_value);
        Value::Vector(absent.into_iter().collect())
    }

    /// By the last step, which is the only one where an order shows.
    fn sorted(&mut self, vector: &Expr, lowest_first: bool) -> Result<Value, Failure> {
        let mut series = self.vector_of(vector)?;
        let last = self.steps.count - 1;
        let value = |series: &Series| series.value(last).unwrap_or(f64::NAN);
        series.sort_by(|one, other| ranking(value(one), value(other), lowest_first));
        Ok(Value::Vector(series))
    }
}
