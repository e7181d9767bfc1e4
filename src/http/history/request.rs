//! What a history request asks for.

use std::time::Duration;

use crate::{
    config::FRESH_INTERVALS,
    estimator,
    model::{GroupId, Partition, TimestampMs, TopicName},
    store::Level,
};

use super::{
    super::{
        array::{MAX_ROWS, too_many_rows},
        error::ApiError,
        narrow::Narrowing,
        query::{Parameters, Range},
    },
    beside::ToldMetric,
    grid::Grid,
    metric::{Asked, Metric},
    rows::REMEDY,
};

pub(super) const PARAMETERS: [&str; 8] = [
    "group",
    "topic",
    "partition",
    "cluster",
    "metric",
    "from",
    "to",
    "step",
];

/// As many as Prometheus gives for one series; more than a screen has pixels.
pub(in super::super) const MAX_STEPS: u32 = 11_000;
/// Where no step is given, about as many as a panel shows.
pub(in super::super) const DEFAULT_STEPS: u32 = 600;
/// Where no `from` is given.
const DEFAULT_RANGE: Duration = Duration::from_secs(3_600);

/// The step that asks for each tick as it was recorded.
pub(super) const EVERY_TICK: &str = "raw";

/// The partition that asks for each of them.
pub(super) const ALL_PARTITIONS: &str = "*";

/// Steps that people find round, in seconds.
const ROUND_STEPS_S: [u64; 18] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400,
];

/// What is asked for.
#[derive(Debug)]
pub(in super::super) struct Request {
    pub(super) cluster: Option<String>,
    pub(super) group: GroupId,
    /// `None`: all topics of the group.
    pub(super) topic: Option<TopicName>,
    pub(super) detail: Detail,
    pub(super) metrics: Vec<Metric>,
    /// What KEDA was told, to stand beside them.
    pub(super) told: Vec<ToldMetric>,
    pub(super) grid: Grid,
    /// A row for each tick; the grid is one step then.
    pub(super) every_tick: bool,
    /// How far apart ticks usually are.
    pub(super) cadence: Duration,
}

/// What a request is about.
#[derive(Debug)]
pub(in super::super) struct Subject {
    /// `None`: the one that the group is in.
    pub(in super::super) cluster: Option<String>,
    pub(in super::super) group: GroupId,
    /// `None`: all topics of the group.
    pub(in super::super) topic: Option<TopicName>,
    pub(in super::super) detail: Detail,
}

/// Per topic or per partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Detail {
    Topics,
    AllPartitions,
    OnePartition(Partition),
}

impl Request {
    pub(super) fn read(
        parameters: &Parameters,
        judged: &estimator::Parameters,
        now: TimestampMs,
    ) -> Result<Self, ApiError> {
        let subject = Subject {
            group: parameters
                .required("group", "the group.id of a consumer group")?
                .into(),
            cluster: parameters.text("cluster").map(str::to_owned),
            topic: parameters.text("topic").map(TopicName::from),
            detail: detail(parameters)?,
        };
        let asked = Asked::parse(parameters.text("metric").unwrap_or("lag"))?;
        let grid = grid(parameters, cadence(judged), now)?;
        Ok(Self {
            every_tick: wants_every_tick(parameters),
            ..Self::new(subject, asked, grid, judged)
        })
    }

    /// Of `range`, in steps of which none is shorter than `shortest` and there
    /// are at most `most`.
    pub(in super::super) fn in_steps(
        subject: Subject,
        asked: Asked,
        range: Range,
        (shortest, most): (Duration, u32),
        judged: &estimator::Parameters,
    ) -> Self {
        let grid = coarse_grid(range, shortest.max(cadence(judged)), most);
        Self::new(subject, asked, grid, judged)
    }

    fn new(subject: Subject, asked: Asked, grid: Grid, judged: &estimator::Parameters) -> Self {
        Self {
            cluster: subject.cluster,
            group: subject.group,
            topic: subject.topic,
            detail: subject.detail,
            metrics: asked.metrics,
            told: asked.told,
            grid,
            every_tick: false,
            cadence: cadence(judged),
        }
    }
}

impl Request {
    /// The level of history whose ticks are fine enough.
    pub(super) fn level(&self) -> Level {
        if self.every_tick {
            Level::Raw
        } else if self.asks_extremes() {
            // A bucket over two steps could not be told apart.
            Level::dividing(self.grid.step())
        } else {
            Level::serving(self.grid.step())
        }
    }

    /// An error if there would be more rows than an answer may have, from ticks
    /// between `oldest` and `newest`: once it is being sent it is too late.
    pub(super) fn refuse_too_many_rows(
        &self,
        narrowing: &Narrowing,
        oldest: TimestampMs,
        newest: TimestampMs,
    ) -> Result<(), ApiError> {
        let from = self.grid.from().max(oldest);
        let to = self.grid.to().min(newest);
        let times = if self.every_tick {
            to.since(from).as_millis() / self.cadence.as_millis().max(1)
        } else {
            let steps = self.grid.step_of(to) - self.grid.step_of(from) + 1;
            u128::from(steps.max(0).unsigned_abs())
        };
        let rows_each = match self.detail {
            Detail::AllPartitions => narrowing.partitions() as usize,
            Detail::Topics | Detail::OnePartition(_) => narrowing.topics(),
        };
        if times.saturating_mul(rows_each as u128) > MAX_ROWS as u128 {
            return Err(too_many_rows(REMEDY));
        }
        Ok(())
    }

    pub(super) fn asks_extremes(&self) -> bool {
        self.metrics.iter().any(|metric| metric.is_extreme())
    }

    pub(super) fn asks_status(&self) -> bool {
        self.metrics.contains(&Metric::Status)
    }

    /// How long before a step's end readings are needed, if `longest` is as far
    /// as a live answer looks back.
    pub(super) fn reach(&self, longest: Duration) -> Duration {
        let apart = Duration::from_millis(self.level().resolution_ms().unsigned_abs());
        let two = self.cadence.max(apart) * 2;
        if self.looks_back() {
            longest.max(two)
        } else {
            two
        }
    }

    /// Is anything asked for that is told from more than one reading?
    pub(super) fn looks_back(&self) -> bool {
        self.metrics.iter().any(|metric| metric.looks_back())
    }
}

fn detail(parameters: &Parameters) -> Result<Detail, ApiError> {
    if parameters.text("partition") == Some(ALL_PARTITIONS) {
        return Ok(Detail::AllPartitions);
    }
    let partition = parameters.partition("a number from 0, or * for all")?;
    Ok(partition.map_or(Detail::Topics, Detail::OnePartition))
}

fn grid(parameters: &Parameters, cadence: Duration, now: TimestampMs) -> Result<Grid, ApiError> {
    let Range { from, to } = parameters.range(now, DEFAULT_RANGE)?;
    if wants_every_tick(parameters) {
        return Ok(Grid::new(from, to, Duration::MAX));
    }
    let step = parameters.duration("step")?;
    let step = step.unwrap_or_else(|| default_step(to.since(from), cadence));
    let grid = Grid::new(from, to, step);
    let most = i64::from(MAX_STEPS);
    if grid.len() > most {
        let steps = |steps: i64| format!("{steps} steps");
        return Err(ApiError::TooLarge {
            found: steps(grid.len()),
            limit: format!("at most {}", steps(most)),
            remedy: "ask for a longer step or a shorter range",
        });
    }
    Ok(grid)
}

fn wants_every_tick(parameters: &Parameters) -> bool {
    parameters.text("step") == Some(EVERY_TICK)
}

/// How far apart ticks usually are.
pub(in super::super) fn cadence(judged: &estimator::Parameters) -> Duration {
    judged.fresh_for / FRESH_INTERVALS
}

/// A round step, at least as long as ticks are apart.
fn default_step(range: Duration, cadence: Duration) -> Duration {
    round_step((range / DEFAULT_STEPS).max(cadence))
}

fn round_step(shortest: Duration) -> Duration {
    let mut round = ROUND_STEPS_S.into_iter().map(Duration::from_secs);
    round.find(|step| *step >= shortest).unwrap_or(shortest)
}

/// In at most `most` steps, at least one, each as long as `shortest` or longer.
fn coarse_grid(Range { from, to }: Range, shortest: Duration, most: u32) -> Grid {
    let most = most.max(1);
    let mut step = round_step(shortest.max(to.since(from) / most));
    loop {
        let grid = Grid::new(from, to, step);
        if grid.len() <= i64::from(most) {
            return grid;
        }
        // The first and the last are cut, which makes one more than fit.
        step = round_step(step * 5 / 4);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use proptest::prelude::*;

    use super::*;

    const JUDGED: estimator::Parameters = estimator::Parameters {
        window: Duration::from_secs(300),
        fresh_for: Duration::from_secs(30),
        max_staleness: Duration::from_secs(300),
    };

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,24}",
            "[0-9.eE+:TZ-]{0,24}",
            "-?[0-9]{1,20}(ns|ms|s|m|h|d|y)?",
            Just("raw".to_owned()),
            Just("*".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn any_query_is_bounded_or_refused(
            pairs in proptest::collection::vec(
                (proptest::sample::select(PARAMETERS[1..].to_vec()), value()), 0..9,
            ),
            tail in "[a-zA-Z0-9%&=+;/?._~-]{0,40}",
        ) {
            let escape = |byte: u8| format!("%{byte:02x}");
            let query: String = pairs
                .iter()
                .map(|(name, value)| format!("{name}={}&", value.bytes().map(escape).collect::<String>()))
                .collect();
            let Ok(uri) = format!("/api/v1/history?group=g&{query}{tail}").parse::<Uri>() else {
                return Ok(());
            };
            let now = TimestampMs(1_800_000_000_000);
            let read = Parameters::read(&uri, &PARAMETERS)
                .and_then(|parameters| Request::read(&parameters, &JUDGED, now));
            if let Ok(request) = read {
                prop_assert!(request.grid.from() < request.grid.to());
                prop_assert!((1..=i64::from(MAX_STEPS)).contains(&request.grid.len()));
            }
        }
    }

    proptest! {
        #[test]
        fn never_more_steps_than_asked_for(
            from in 0..2_000_000_000_000_i64,
            length in 1..34_560_000_000_i64,
            shortest_ms in 1..100_000_000_u64,
            most in 1..=MAX_STEPS,
        ) {
            let range = Range { from: TimestampMs(from), to: TimestampMs(from + length) };
            let shortest = Duration::from_millis(shortest_ms);
            let grid = coarse_grid(range, shortest, most);
            prop_assert!(grid.len() <= i64::from(most));
            prop_assert!(grid.step() >= shortest);
        }
    }

    #[test]
    fn the_default_step_is_round_and_never_below_the_cadence() {
        for (range_s, cadence_s, expected_s) in [
            (3_600, 10, 10),
            (600, 10, 10),
            (3_600, 60, 60),
            (6 * 3_600, 10, 60),
            (24 * 3_600, 10, 300),
            (30 * 86_400, 10, 7_200),
            (400 * 86_400, 10, 86_400),
        ] {
            let [range, cadence, expected] =
                [range_s, cadence_s, expected_s].map(Duration::from_secs);
            assert_eq!(default_step(range, cadence), expected, "{range_s} s");
        }
    }
}
