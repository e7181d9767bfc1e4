//! Depth, age and rates of what waits in queues, under names of their own: a task
//! is no consumer group of Kafka's, and what reads of those is not to find it.

use std::fmt;

use crate::estimator::{RatesFrom, Totals};

use super::{
    super::{recorded::eta, standing::known_time_lag},
    families::{
        QUEUE_ARRIVAL, QUEUE_CONSUMPTION, QUEUE_DEPTH, QUEUE_ETA, QUEUE_OLDEST_AGE,
        QUEUE_RATES_FROM, QUEUE_STATUS, QUEUE_TIME_LAG,
    },
    lag::GroupReading,
    page::{Family, Page},
};

type TaskLabels<'a> = [(&'static str, &'a str); 2];

pub(super) fn encode_tasks(page: &mut Page<'_>, tasks: &[&GroupReading]) -> fmt::Result {
    let depths = tasks
        .iter()
        .filter_map(|task| Some((labels(task), task.estimate.depth()?)));
    page.gauges(QUEUE_DEPTH, depths)?;
    numbers(page, QUEUE_OLDEST_AGE, tasks, |task| {
        task.estimate.task?.oldest_age_seconds
    })?;
    numbers(page, QUEUE_TIME_LAG, tasks, |task| {
        Some(known_time_lag(&task.estimate.totals)?.seconds)
    })?;
    let rates = |rate: fn(&Totals) -> Option<f64>| {
        move |task: &GroupReading| rate(&task.estimate.topics.first()?.totals)
    };
    numbers(page, QUEUE_ARRIVAL, tasks, rates(|it| it.arrival_rate))?;
    let consumption = rates(|it| it.consumption_rate);
    numbers(page, QUEUE_CONSUMPTION, tasks, consumption)?;
    words(page, QUEUE_RATES_FROM, tasks, "rates_from", |task| {
        task.estimate.rates_from().map(RatesFrom::as_str)
    })?;
    numbers(page, QUEUE_ETA, tasks, |task| eta(&task.estimate))?;
    words(page, QUEUE_STATUS, tasks, "status", |task| {
        Some(task.status()?.as_str())
    })
}

fn numbers(
    page: &mut Page<'_>,
    family: Family,
    tasks: &[&GroupReading],
    of: impl Fn(&GroupReading) -> Option<f64>,
) -> fmt::Result {
    let samples = tasks
        .iter()
        .filter_map(|task| Some((labels(task), of(task)?)));
    page.gauges(family, samples)
}

/// 1 for the word that holds.
fn words(
    page: &mut Page<'_>,
    family: Family,
    tasks: &[&GroupReading],
    label: &'static str,
    of: impl Fn(&GroupReading) -> Option<&'static str>,
) -> fmt::Result {
    let samples = tasks.iter().filter_map(|task| {
        let [queue, name] = labels(task);
        Some(([queue, name, (label, of(task)?)], 1))
    });
    page.gauges(family, samples)
}

fn labels(task: &GroupReading) -> TaskLabels<'_> {
    [
        ("queue", task.cluster.as_str()),
        ("task", task.group.as_str()),
    ]
}
