//! What expressions have for values: one for each step, or none.

use std::collections::HashMap;

use super::{failure::Failure, labels::Labels};

/// Stands for no value: a quiet NaN of a kind that no arithmetic on what is a
/// value makes.
const ABSENT_BITS: u64 = 0x7ff8_0000_0000_7ab5;

/// The times of an evaluation, in ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) count: usize,
}

/// A series of an instant vector.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) labels: Labels,
    values: Vec<f64>,
}

#[derive(Debug)]
pub(super) enum Value {
    /// By step.
    Scalar(Vec<f64>),
    Vector(Vec<Series>),
    Text(String),
}

impl Steps {
    pub(super) fn at(&self, step: usize) -> i64 {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.start.saturating_add(step.saturating_mul(self.step))
    }

    pub(super) fn end(&self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    pub(super) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.at(step))
    }
}

impl Series {
    pub(super) fn empty(labels: Labels, steps: usize) -> Self {
        Self {
            labels,
            values: vec![f64::from_bits(ABSENT_BITS); steps],
        }
    }

    pub(super) fn value(&self, step: usize) -> Option<f64> {
        let value = *self.values.get(step)?;
        (value.to_bits() != ABSENT_BITS).then_some(value)
    }

    pub(super) fn set(&mut self, step: usize, value: Option<f64>) {
        let absent = f64::from_bits(ABSENT_BITS);
        self.values[step] = value.map_or(absent, |value| match value.to_bits() {
            ABSENT_BITS => f64::NAN,
            _ => value,
        });
    }

    pub(super) fn has_value(&self) -> bool {
        (0..self.values.len()).any(|step| self.value(step).is_some())
    }

    /// Each value anew; the number of a step comes with it.
    pub(super) fn map(&mut self, new: impl Fn(usize, f64) -> Option<f64>) {
        for step in 0..self.values.len() {
            if let Some(value) = self.value(step) {
                self.set(step, new(step, value));
            }
        }
    }
}

/// Series in the making, each set of labels once.
#[derive(Debug)]
pub(super) struct Vector {
    steps: usize,
    series: Vec<Series>,
    places: HashMap<Labels, usize>,
}

impl Vector {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            steps,
            series: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// The place of the series with these labels.
    pub(super) fn place(&mut self, labels: Labels) -> usize {
        let next = self.series.len();
        let place = *self.places.entry(labels.clone()).or_insert(next);
        if place == next {
            self.series.push(Series::empty(labels, self.steps));
        }
        place
    }

    /// An error if the series has a value at that step.
    pub(super) fn put(&mut self, place: usize, step: usize, value: f64) -> Result<(), Failure> {
        let series = &mut self.series[place];
        if series.value(step).is_some() {
            return Err(Failure::same_labels());
        }
        series.set(step, Some(value));
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<Series> {
        let series = self.series.into_iter();
        series.filter(Series::has_value).collect()
    }
}

/// With other labels; an error if two then can't be told apart at a step.
pub(super) fn relabelled(
    series: Vec<Series>,
    steps: usize,
    labels: impl Fn(&Labels) -> Labels,
) -> Result<Vec<Series>, Failure> {
    let mut vector = Vector::new(steps);
    for mut one in series {
        let labels = labels(&one.labels);
        match vector.places.get(&labels).copied() {
            None => {
                vector.places.insert(labels.clone(), vector.series.len());
                one.labels = labels;
                vector.series.push(one);
            }
            Some(place) => {
                for step in 0..steps {
                    if let Some(value) = one.value(step) {
                        vector.put(place, step, value)?;
                    }
                }
            }
        }
    }
    Ok(vector.finish())
}
