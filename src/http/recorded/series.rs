//! Which series there are.

use std::{borrow::Cow, sync::Arc};

use crate::{
    estimator::{GroupVerdict, RatesFrom},
    http::metrics::families::{Measure, Recorded, Subject},
    model::{ClusterName, GroupId, GroupSeries, Partition, SeriesIndex, TopicName, WatchName},
};

/// One series of a family.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) recorded: &'static Recorded,
    pub(crate) of: Of,
}

/// What it is about, in its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Of {
    /// A group, or a queue's task.
    Group(GroupId),
    Status(GroupId, GroupVerdict),
    RatesFrom(GroupId, RatesFrom),
    GroupTopic(GroupId, TopicName),
    GroupPartition(GroupId, TopicName, Partition),
    TopicPartition(TopicName, Partition),
    Watch(Arc<WatchName>),
}

/// Where a family's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// What one tick says.
    Offsets,
    /// A window of ticks.
    Estimates,
    /// What KEDA was told.
    Told,
}

/// Is a label with this value wanted?
pub(crate) type LabelTest<'a> = dyn Fn(&str, &str) -> bool + 'a;

impl Recorded {
    pub(crate) fn source(&self) -> Source {
        match self.measure {
            Measure::Committed
            | Measure::Lag
            | Measure::MaxLag
            | Measure::SumLag
            | Measure::LogEnd
            | Measure::LogStart
            | Measure::Lost
            | Measure::Members
            | Measure::OldestAge => Source::Offsets,
            Measure::TimeLag
            | Measure::MaxTimeLag
            | Measure::Status
            | Measure::Arrival
            | Measure::Consumption
            | Measure::RatesFrom
            | Measure::Eta => Source::Estimates,
            Measure::MetricValue | Measure::Target | Measure::Active => Source::Told,
        }
    }
}

impl Series {
    /// Its labels that are not empty, without the name.
    pub(crate) fn labels<'a>(
        &'a self,
        cluster: &'a ClusterName,
    ) -> Vec<(&'static str, Cow<'a, str>)> {
        let values: Vec<Cow<'a, str>> = match &self.of {
            Of::Group(group) => vec![group.as_str().into()],
            Of::Status(group, verdict) => vec![group.as_str().into(), verdict.as_str().into()],
            Of::RatesFrom(group, from) => vec![group.as_str().into(), from.as_str().into()],
            Of::GroupTopic(group, topic) => vec![group.as_str().into(), topic.as_str().into()],
            Of::GroupPartition(group, topic, partition) => vec![
                group.as_str().into(),
                topic.as_str().into(),
                partition.to_string().into(),
            ],
            Of::TopicPartition(topic, partition) => {
                vec![topic.as_str().into(), partition.to_string().into()]
            }
            Of::Watch(watch) => watch_labels(watch).map(Cow::from).into(),
        };
        let names = self.recorded.subject.labels().iter().copied();
        let values = std::iter::once(cluster.as_str().into()).chain(values);
        names
            .zip(values)
            .filter(|(_, value): &(_, Cow<'_, str>)| !value.is_empty())
            .collect()
    }
}

impl Of {
    /// The group, if it is about one that ticks tell of.
    pub(crate) fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Group(group)
            | Self::Status(group, _)
            | Self::RatesFrom(group, _)
            | Self::GroupTopic(group, _)
            | Self::GroupPartition(group, ..) => Some(group),
            Self::TopicPartition(..) | Self::Watch(_) => None,
        }
    }
}

/// The values of a watch's labels, from `group` on.
pub(crate) fn watch_labels(watch: &WatchName) -> [&str; 4] {
    [
        watch.group.as_ref().map_or("", |group| group.as_str()),
        watch.topic.as_ref().map_or("", |topic| topic.as_str()),
        &watch.metric_name,
        watch.key.trim_end(),
    ]
}

/// The series of a family in a cluster's catalogue whose labels are all wanted.
pub(crate) fn series<'a>(
    recorded: &'static Recorded,
    index: &'a SeriesIndex,
    wanted: &'a LabelTest<'a>,
) -> Box<dyn Iterator<Item = Series> + 'a> {
    let of: Box<dyn Iterator<Item = Of> + 'a> = match recorded.subject {
        Subject::Group => Box::new(groups(index, wanted).map(|group| Of::Group(group.clone()))),
        Subject::Status => Box::new(statuses(groups(index, wanted), wanted)),
        Subject::Task => Box::new(tasks(index, wanted).map(|task| Of::Group(task.clone()))),
        Subject::TaskStatus => Box::new(statuses(tasks(index, wanted), wanted)),
        Subject::TaskRates => Box::new(tasks(index, wanted).flat_map(move |task| {
            let from = [RatesFrom::Counters, RatesFrom::Depth].into_iter();
            from.filter(|from| wanted("rates_from", from.as_str()))
                .map(|from| Of::RatesFrom(task.clone(), from))
        })),
        Subject::GroupTopic => Box::new(
            group_topics(index, wanted)
                .map(|(group, topic, _)| Of::GroupTopic(group.clone(), topic.clone())),
        ),
        Subject::GroupPartition => Box::new(group_topics(index, wanted).flat_map(
            move |(group, topic, count)| {
                partitions(count, wanted)
                    .map(|partition| Of::GroupPartition(group.clone(), topic.clone(), partition))
            },
        )),
        Subject::TopicPartition => Box::new(logs(index, wanted)),
        Subject::Watch => Box::new(std::iter::empty()),
    };
    Box::new(of.map(move |of| Series { recorded, of }))
}

/// The same of a family that is about watches, from the catalogue of what KEDA
/// was told.
pub(crate) fn series_of_watches<'a>(
    recorded: &'static Recorded,
    cluster: &'a ClusterName,
    told: &'a SeriesIndex,
    wanted: &'a LabelTest<'a>,
) -> impl Iterator<Item = Series> + 'a {
    let watches = told.watches().keys();
    let watches = watches.filter(move |watch| {
        let names = &Subject::Watch.labels()[1..];
        let mut labels = names.iter().zip(watch_labels(watch));
        watch.cluster == *cluster && labels.all(|(name, value)| wanted(name, value))
    });
    watches.map(move |watch| Series {
        recorded,
        of: Of::Watch(Arc::clone(watch)),
    })
}

fn groups<'a>(
    index: &'a SeriesIndex,
    wanted: &'a LabelTest<'a>,
) -> impl Iterator<Item = &'a GroupId> {
    let groups = index.groups().iter();
    let groups = groups.filter(|(_, series)| !series.is_task());
    let groups = groups.map(|(group, _)| group);
    groups.filter(|group| wanted("group", group.as_str()))
}

/// The tasks of a queue.
fn tasks<'a>(
    index: &'a SeriesIndex,
    wanted: &'a LabelTest<'a>,
) -> impl Iterator<Item = &'a GroupId> {
    let tasks = index.groups().iter();
    let tasks = tasks.filter(|(_, series)| series.is_task());
    let tasks = tasks.map(|(task, _)| task);
    tasks.filter(|task| wanted("task", task.as_str()))
}

/// Each with each status that it can have.
fn statuses<'a>(
    groups: impl Iterator<Item = &'a GroupId> + 'a,
    wanted: &'a LabelTest<'a>,
) -> impl Iterator<Item = Of> + 'a {
    groups.flat_map(move |group| {
        let verdicts = [GroupVerdict::Ok, GroupVerdict::Warn, GroupVerdict::Err];
        let verdicts = verdicts.into_iter();
        verdicts
            .filter(|verdict| wanted("status", verdict.as_str()))
            .map(|verdict| Of::Status(group.clone(), verdict))
    })
}

/// Each with how many partitions the group has ever been seen in.
fn group_topics<'a>(
    index: &'a SeriesIndex,
    wanted: &'a LabelTest<'a>,
) -> impl Iterator<Item = (&'a GroupId, &'a TopicName, u32)> {
    groups(index, wanted).flat_map(move |group| {
        let topics = index.groups()[group].topics.iter();
        topics
            .filter(|(topic, _)| wanted("topic", topic.as_str()))
            .map(move |(topic, commits)| (group, topic, commits.len()))
    })
}

fn logs<'a>(index: &'a SeriesIndex, wanted: &'a LabelTest<'a>) -> impl Iterator<Item = Of> + 'a {
    let topics = index.topics().iter();
    let topics = topics.filter(|(topic, _)| !is_of_task(index, topic));
    let topics = topics.filter(|(topic, _)| wanted("topic", topic.as_str()));
    topics.flat_map(move |(topic, logs)| {
        let count = logs.log_end.len().max(logs.log_start.len());
        partitions(count, wanted).map(|partition| Of::TopicPartition(topic.clone(), partition))
    })
}

/// Is it no topic of Kafka's, but what a queue's task is recorded as?
pub(crate) fn is_of_task(index: &SeriesIndex, topic: &TopicName) -> bool {
    let group = index.groups().get(topic.as_str());
    group.is_some_and(GroupSeries::is_task)
}

fn partitions<'a>(count: u32, wanted: &'a LabelTest<'a>) -> impl Iterator<Item = Partition> + 'a {
    let count = Partition::try_from(count).unwrap_or(Partition::MAX);
    (0..count).filter(|partition| wanted("partition", &partition.to_string()))
}
