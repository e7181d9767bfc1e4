//! Operators between scalars and vectors, and between two vectors.

use std::collections::{HashMap, HashSet};

use promql_parser::{
    label::METRIC_NAME,
    parser::{
        BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality,
        token::{T_ATAN2, T_LAND, T_LOR, T_LUNLESS, TokenId},
    },
};

use super::{
    Evaluator,
    arithmetic::{flag, operate},
};
use crate::http::prometheus::{
    failure::Failure,
    labels::{Labels, Otherwise},
    value::{Series, Value, Vector, relabelled},
};

/// How the series of two vectors find each other.
struct Matching<'a> {
    operator: TokenId,
    is_comparison: bool,
    returns_bool: bool,
    card: VectorMatchCardinality,
    labels: Option<&'a LabelModifier>,
}

/// Both sides; where many match one, the many are on the left.
struct Sides {
    left: Vec<Series>,
    right: Vec<Series>,
    /// By series, which of the groups of labels that are matched it is in.
    left_groups: Vec<usize>,
    right_groups: Vec<usize>,
    groups: usize,
}

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, binary: &BinaryExpr) -> Result<Value, Failure> {
        let matching = Matching::of(binary)?;
        let left = self.evaluate(&binary.lhs)?;
        let right = self.evaluate(&binary.rhs)?;
        match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => {
                let pairs = left.into_iter().zip(right);
                let values: Option<_> = pairs.map(|(l, r)| matching.of_scalars(l, r)).collect();
                values
                    .map(Value::Scalar)
                    .ok_or_else(|| Failure::not_supported(binary.op))
            }
            (Value::Vector(series), Value::Scalar(scalar)) => {
                self.with_scalar(&matching, series, |step, value| {
                    let (result, holds) = operate(matching.operator, value, scalar[step])?;
                    Some((result, holds))
                })
            }
            (Value::Scalar(scalar), Value::Vector(series)) => {
                self.with_scalar(&matching, series, |step, value| {
                    let (result, holds) = operate(matching.operator, scalar[step], value)?;
                    // What is kept is always the vector's.
                    Some((
                        if matching.is_comparison {
                            value
                        } else {
                            result
                        },
                        holds,
                    ))
                })
            }
            (Value::Vector(left), Value::Vector(right)) => {
                let steps = self.steps.count;
                let vector = match matching.operator {
                    T_LAND | T_LOR | T_LUNLESS => self.set(&matching, left, right)?,
                    _ => self.vectors(&matching, left, right)?.finish(),
                };
                relabelled(vector, steps, Labels::clone).map(Value::Vector)
            }
            _ => Err(Failure::not_supported("an operator on a string")),
        }
    }

    fn with_scalar(
        &self,
        matching: &Matching<'_>,
        mut series: Vec<Series>,
        operate: impl Fn(usize, f64) -> Option<(f64, bool)>,
    ) -> Result<Value, Failure> {
        let new = |step, value| {
            let (value, holds) = operate(step, value)?;
            matching.kept(value, holds)
        };
        if matching.drops_name() {
            return self.each_value(series, new);
        }
        for one in &mut series {
            self.allowance.check()?;
            one.map(new);
        }
        series.retain(Series::has_value);
        Ok(Value::Vector(series))
    }

    fn set(
        &self,
        matching: &Matching<'_>,
        left: Vec<Series>,
        right: Vec<Series>,
    ) -> Result<Vec<Series>, Failure> {
        let mut sides = Sides::new(matching, left, right);
        for step in 0..self.steps.count {
            self.allowance.check()?;
            let mut there = vec![false; sides.groups];
            let (from, groups) = match matching.operator {
                T_LOR => (&sides.left, &sides.left_groups),
                _ => (&sides.right, &sides.right_groups),
            };
            for (series, group) in from.iter().zip(groups) {
                there[*group] |= series.value(step).is_some();
            }
            let (of, groups) = match matching.operator {
                T_LOR => (&mut sides.right, &sides.right_groups),
                _ => (&mut sides.left, &sides.left_groups),
            };
            let wanted = matching.operator == T_LAND;
            for (series, group) in of.iter_mut().zip(groups) {
                if there[*group] != wanted {
                    series.set(step, None);
                }
            }
        }
        let mut series = sides.left;
        if matching.operator == T_LOR {
            series.append(&mut sides.right);
        }
        series.retain(Series::has_value);
        Ok(series)
    }

    fn vectors(
        &self,
        matching: &Matching<'_>,
        left: Vec<Series>,
        right: Vec<Series>,
    ) -> Result<Vector, Failure> {
        let is_swapped = matches!(matching.card, VectorMatchCardinality::OneToMany(_));
        let (many, one) = if is_swapped {
            (right, left)
        } else {
            (left, right)
        };
        let sides = Sides::new(matching, many, one);
        let mut places = HashMap::new();
        let mut vector = Vector::new(self.steps.count);
        for step in 0..self.steps.count {
            self.allowance.check()?;
            let ones = sides.ones(step, is_swapped)?;
            let mut matched = HashSet::new();
            for (number, (series, group)) in sides.left.iter().zip(&sides.left_groups).enumerate() {
                let Some((value, one)) = series.value(step).zip(ones[*group]) else {
                    continue;
                };
                let other = sides.right[one].value(step).unwrap_or(f64::NAN);
                let (l, r) = if is_swapped {
                    (other, value)
                } else {
                    (value, other)
                };
                let (result, holds) = operate(matching.operator, l, r)
                    .ok_or_else(|| Failure::not_supported("this operator between vectors"))?;
                let Some(result) = matching.kept(result, holds) else {
                    continue;
                };
                let place = *places.entry((number, one)).or_insert_with(|| {
                    vector.place(matching.result(&series.labels, &sides.right[one].labels))
                });
                let is_one_to_one = matching.card == VectorMatchCardinality::OneToOne;
                let key = (*group, if is_one_to_one { 0 } else { place + 1 });
                if !matched.insert(key) {
                    return Err(ambiguous(is_one_to_one));
                }
                vector.put(place, step, result)?;
            }
        }
        Ok(vector)
    }
}

fn ambiguous(is_one_to_one: bool) -> Failure {
    Failure::Execution(format!(
        "multiple matches for labels: {}",
        if is_one_to_one {
            "many-to-one matching must be explicit (group_left/group_right)"
        } else {
            "grouping labels must ensure unique matches"
        }
    ))
}

impl<'a> Matching<'a> {
    fn of(binary: &'a BinaryExpr) -> Result<Self, Failure> {
        let modifier = binary.modifier.as_ref();
        let fills = |modifier: &BinModifier| {
            modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some()
        };
        if modifier.is_some_and(fills) {
            return Err(Failure::not_supported("a fill modifier"));
        }
        let card = modifier.map(|modifier| modifier.card.clone());
        Ok(Self {
            operator: binary.op.id(),
            is_comparison: binary.op.is_comparison_operator(),
            returns_bool: binary.return_bool(),
            card: card.unwrap_or(VectorMatchCardinality::OneToOne),
            labels: modifier.and_then(|modifier| modifier.matching.as_ref()),
        })
    }

    fn of_scalars(&self, left: f64, right: f64) -> Option<f64> {
        let (value, holds) = operate(self.operator, left, right)?;
        Some(if self.is_comparison {
            flag(holds)
        } else {
            value
        })
    }

    fn kept(&self, value: f64, holds: bool) -> Option<f64> {
        if self.returns_bool {
            return Some(flag(holds));
        }
        holds.then_some(value)
    }

    /// Prometheus 2 keeps it with `atan2`.
    fn drops_name(&self) -> bool {
        self.returns_bool || !(self.is_comparison || self.operator == T_ATAN2)
    }

    fn group(&self, labels: &Labels) -> Labels {
        labels.grouped(self.labels, Otherwise::All)
    }

    fn result(&self, many: &Labels, one: &Labels) -> Labels {
        let mut labels = match (&self.card, self.labels) {
            (VectorMatchCardinality::OneToOne, Some(LabelModifier::Include(on))) => {
                many.keeping(|name| on.labels.iter().any(|label| label == name))
            }
            (VectorMatchCardinality::OneToOne, Some(LabelModifier::Exclude(but))) => {
                many.keeping(|name| !but.labels.iter().any(|label| label == name))
            }
            _ => many.clone(),
        };
        if self.drops_name() {
            labels = labels.keeping(|name| name != METRIC_NAME);
        }
        let included = self.card.labels().map(|labels| &labels.labels);
        for name in included.into_iter().flatten() {
            labels = labels.with(name, one.get(name));
        }
        labels
    }
}

impl Sides {
    fn new(matching: &Matching<'_>, left: Vec<Series>, right: Vec<Series>) -> Self {
        let mut groups = HashMap::new();
        let mut group = |series: &Series| {
            let next = groups.len();
            *groups.entry(matching.group(&series.labels)).or_insert(next)
        };
        Self {
            left_groups: left.iter().map(&mut group).collect(),
            right_groups: right.iter().map(&mut group).collect(),
            groups: groups.len(),
            left,
            right,
        }
    }

    /// By group the one on the right; an error if there are two.
    fn ones(&self, step: usize, is_swapped: bool) -> Result<Vec<Option<usize>>, Failure> {
        let mut ones = vec![None; self.groups];
        let mut has_left = self.left.iter().map(|series| series.value(step));
        if has_left.all(|value| value.is_none()) {
            return Ok(ones);
        }
        for (number, (series, group)) in self.right.iter().zip(&self.right_groups).enumerate() {
            if series.value(step).is_none() {
                continue;
            }
            if ones[*group].replace(number).is_some() {
                return Err(Failure::Execution(format!(
                    "found duplicate series for a match group on the {} hand-side of the \
                     operation; many-to-many matching not allowed: matching labels must be \
                     unique on one side",
                    if is_swapped { "left" } else { "right" }
                )));
            }
        }
        Ok(ones)
    }
}
