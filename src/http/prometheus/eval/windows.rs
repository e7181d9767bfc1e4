//! Functions of range vectors.

use promql_parser::parser::Expr;

use super::{Evaluator, order::quantile};
use crate::http::prometheus::{
    failure::Failure,
    labels::Labels,
    select::Selector,
    sinks::{Loaded, Sample, Windows},
    value::{Series, Value, relabelled},
};

/// The samples of a window, at least one, and where it begins and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) samples: &'a [Sample],
    pub(super) from: i64,
    pub(super) to: i64,
    /// How long it was asked to be, which is shorter where it was widened.
    pub(super) asked: i64,
    /// How far apart ticks were at its start and at its end; 0: as recorded.
    pub(super) apart: (i64, i64),
}

/// `None`: there are too few samples.
pub(super) type OfWindow = fn(Window<'_>) -> Option<f64>;

pub(super) fn of_window(name: &str) -> Option<OfWindow> {
    Some(match name {
        "rate" => |window| extrapolated(window, true).map(|growth| growth / window.seconds()),
        "increase" => |window| {
            let growth = extrapolated(window, true)?;
            Some(growth * window.asked as f64 / window.length())
        },
        "delta" => |window| {
            let growth = extrapolated(window, false)?;
            Some(growth * window.asked as f64 / window.length())
        },
        "irate" => |window| newest_two(window, true),
        "idelta" => |window| newest_two(window, false),
        "deriv" => |window| regression(window.samples, window.samples[0].0).map(|it| it.0),
        "avg_over_time" => |window| Some(mean(window.samples)),
        "sum_over_time" => |window| Some(sum(window.values())),
        "min_over_time" => |window| extreme(window, |value, least| value < least),
        "max_over_time" => |window| extreme(window, |value, most| value > most),
        "count_over_time" => |window| Some(window.samples.len() as f64),
        "last_over_time" => |window| window.samples.last().map(|sample| sample.1),
        "present_over_time" => |_| Some(1.0),
        "stddev_over_time" => |window| Some(variance(window.samples).sqrt()),
        "stdvar_over_time" => |window| Some(variance(window.samples)),
        "changes" => |window| {
            Some(count_pairs(window, |before, after| {
                before != after && !(before.is_nan() && after.is_nan())
            }))
        },
        "resets" => |window| Some(count_pairs(window, |before, after| after < before)),
        _ => return None,
    })
}

impl Evaluator<'_> {
    pub(super) fn over_time(&mut self, name: &str, arguments: &[&Expr]) -> Result<Value, Failure> {
        let is_last = name == "last_over_time";
        match (name, arguments) {
            ("quantile_over_time", [q, range]) => {
                let q = self.scalar_of(q)?;
                self.each_window(range, false, |step, window| {
                    let mut values: Vec<_> = window.values().collect();
                    Some(quantile(q[step], &mut values))
                })
            }
            ("predict_linear", [range, seconds]) => {
                let seconds = self.scalar_of(seconds)?;
                let now = |step: usize| self.steps.at(step);
                let times: Vec<_> = (0..self.steps.count).map(now).collect();
                self.each_window(range, false, |step, window| {
                    let (slope, intercept) = regression(window.samples, times[step])?;
                    Some(slope * seconds[step] + intercept)
                })
            }
            ("absent_over_time", [range]) => self.absent_over_time(range),
            (_, [range]) => match of_window(name) {
                Some(of_window) => self.each_window(range, is_last, |_, window| of_window(window)),
                None => Err(Failure::not_supported(format!("{name}()"))),
            },
            _ => Err(Failure::not_supported(format!("{name}()"))),
        }
    }

    fn absent_over_time(&mut self, range: &Expr) -> Result<Value, Failure> {
        let labels = match range {
            Expr::MatrixSelector(matrix) => Selector::of(&matrix.vs)?.equalities(),
            _ => Labels::none(),
        };
        let mut is_there = vec![false; self.steps.count];
        let present = self.windows_of(range, |_, _| Some(1.0))?;
        for series in &present {
            for (step, there) in is_there.iter_mut().enumerate() {
                *there |= series.value(step).is_some();
            }
        }
        Ok(self.absences(labels, |step| is_there[step]))
    }

    /// The name stays only where the value is one of the samples.
    fn each_window(
        &mut self,
        range: &Expr,
        keeps_name: bool,
        of_window: impl Fn(usize, Window<'_>) -> Option<f64>,
    ) -> Result<Value, Failure> {
        let series = self.windows_of(range, of_window)?;
        let labels = |labels: &Labels| match keeps_name {
            true => labels.clone(),
            false => labels.without_name(),
        };
        relabelled(series, self.steps.count, labels).map(Value::Vector)
    }

    fn windows_of(
        &mut self,
        range: &Expr,
        of_window: impl Fn(usize, Window<'_>) -> Option<f64>,
    ) -> Result<Vec<Series>, Failure> {
        let matrix = match range {
            Expr::MatrixSelector(matrix) => matrix,
            Expr::Paren(inner) => return self.windows_of(&inner.expr, of_window),
            Expr::Subquery(_) => return Err(Failure::not_supported("a subquery")),
            _ => return Err(Failure::not_supported("such a range vector")),
        };
        let times = self.times(&matrix.vs)?;
        let mut found = Vec::new();
        for (loaded, windows) in self.select_range(&matrix.vs, matrix.range)? {
            for one in loaded {
                self.allowance.check()?;
                found.extend(windowed(one, &times, &windows, &of_window));
            }
        }
        found.sort_by(|one: &Series, other| one.labels.cmp(&other.labels));
        Ok(found)
    }
}

/// A value for each window, given by its end; `None` if none has one.
pub(super) fn windowed(
    loaded: Loaded,
    ends: &[i64],
    windows: &Windows,
    of_window: impl Fn(usize, Window<'_>) -> Option<f64>,
) -> Option<Series> {
    let mut series = Series::empty(loaded.labels, ends.len());
    for (step, to) in ends.iter().enumerate() {
        let from = to.saturating_sub(windows.length(*to));
        let first = loaded.samples.partition_point(|(at, _)| *at < from);
        let end = loaded.samples.partition_point(|(at, _)| at <= to);
        if let samples @ [(first, _), ..] = &loaded.samples[first..end] {
            let window = Window {
                samples,
                from,
                to: *to,
                asked: windows.asked(),
                apart: (windows.resolution(*first), windows.resolution(*to)),
            };
            series.set(step, of_window(step, window));
        }
    }
    Some(series).filter(Series::has_value)
}

impl Window<'_> {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.samples.iter().map(|sample| sample.1)
    }

    /// In ms, as all times.
    fn length(&self) -> f64 {
        (self.to - self.from) as f64
    }

    fn seconds(&self) -> f64 {
        self.length() / 1000.0
    }

    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        let values = self.samples.windows(2);
        values.map(|pair| (pair[0].1, pair[1].1))
    }
}

/// The growth over the whole window, extrapolated to its ends where samples are
/// near them, as Prometheus' `extrapolatedRate` does it; a counter that falls
/// began anew, and never was below 0.
pub(super) fn extrapolated(window: Window<'_>, is_counter: bool) -> Option<f64> {
    let (first, last) = (window.samples.first()?, window.samples.last()?);
    if window.samples.len() < 2 {
        return None;
    }
    let mut growth = last.1 - first.1;
    if is_counter {
        let falls = window.pairs().filter(|(before, after)| after < before);
        for (before, _) in falls {
            growth += before;
        }
    }
    let mut to_start = (first.0 - window.from) as f64 / 1000.0;
    let to_end = (window.to - last.0) as f64 / 1000.0;
    let sampled = (last.0 - first.0) as f64 / 1000.0;
    let apart = sampled / (window.samples.len() - 1) as f64;
    if is_counter && growth > 0.0 && first.1 >= 0.0 {
        let to_zero = sampled * (first.1 / growth);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    // Where a window reaches from hours into minutes, an hour is near its start.
    let beyond = |distance: f64, ticks_apart: i64| {
        let near = apart.max(ticks_apart as f64 / 1000.0) * 1.1;
        if distance < near {
            distance
        } else {
            apart / 2.0
        }
    };
    let (start, end) = window.apart;
    let whole = sampled + beyond(to_start, start) + beyond(to_end, end);
    Some(growth * (whole / sampled))
}

fn newest_two(window: Window<'_>, is_rate: bool) -> Option<f64> {
    let [.., (before_at, before), (at, value)] = window.samples else {
        return None;
    };
    let growth = match is_rate && value < before {
        true => *value,
        false => value - before,
    };
    match is_rate {
        true => Some(growth / ((at - before_at) as f64 / 1000.0)),
        false => Some(growth),
    }
}

fn count_pairs(window: Window<'_>, counts: impl Fn(f64, f64) -> bool) -> f64 {
    let pairs = window
        .pairs()
        .filter(|(before, after)| counts(*before, *after));
    pairs.count() as f64
}

fn extreme(window: Window<'_>, is_more: impl Fn(f64, f64) -> bool) -> Option<f64> {
    window.values().reduce(|most, value| {
        if is_more(value, most) || most.is_nan() {
            value
        } else {
            most
        }
    })
}

/// A sum with what rounding lost, as Kahan and Neumaier keep it.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    fn total(self) -> f64 {
        if self.sum.is_infinite() {
            return self.sum;
        }
        self.sum + self.lost
    }
}

fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.for_each(|value| sum.add(value));
    sum.total()
}

fn mean(samples: &[Sample]) -> f64 {
    let mut mean = Sum::default();
    let mut count = 0.0;
    for (_, value) in samples {
        count += 1.0;
        // An infinite mean stays, unless infinities of both signs meet.
        let stays = mean.sum.is_infinite()
            && (value.is_finite() || (value.is_infinite() && (mean.sum > 0.0) == (*value > 0.0)));
        if !stays {
            mean.add(value / count - mean.sum / count);
        }
    }
    mean.total()
}

fn variance(samples: &[Sample]) -> f64 {
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    let mut count = 0.0;
    for (_, value) in samples {
        count += 1.0;
        let delta = value - (mean.sum + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.lost)));
    }
    (squares.sum + squares.lost) / count
}

/// Slope and value at `at` of the line that fits best; `None` of a single sample.
fn regression(samples: &[Sample], at: i64) -> Option<(f64, f64)> {
    let [(_, first), rest @ ..] = samples else {
        return None;
    };
    if rest.is_empty() {
        return None;
    }
    if rest.iter().all(|(_, value)| value == first) {
        let is_known = first.is_finite();
        return Some(if is_known {
            (0.0, *first)
        } else {
            (f64::NAN, f64::NAN)
        });
    }
    let n = samples.len() as f64;
    let xs = || samples.iter().map(|(time, _)| (time - at) as f64 / 1000.0);
    let ys = || samples.iter().map(|(_, value)| *value);
    let (sum_x, sum_y) = (sum(xs()), sum(ys()));
    let sum_xy = sum(xs().zip(ys()).map(|(x, y)| x * y));
    let sum_xx = sum(xs().map(|x| x * x));
    let slope = (sum_xy - sum_x * sum_y / n) / (sum_xx - sum_x * sum_x / n);
    Some((slope, sum_y / n - slope * sum_x / n))
}
