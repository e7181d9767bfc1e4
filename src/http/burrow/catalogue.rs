//! Which clusters, topics and groups there are, and where logs end.

use crate::{
    estimator::{GroupEstimate, Wanted},
    model::{Cell, GroupId, TopicName},
};

use super::{
    super::{array::MAX_ROWS, error::ApiError, standing::View},
    answer::{Answer, Asked, Failure, Outcome},
    shapes::{ClientProfile, ClusterModule, Clusters, Consumers, Module, Offsets, Topics},
};

const CLUSTER_NOT_FOUND: &str = "cluster not found";

pub(super) fn clusters(asked: &Asked<'_>) -> Outcome<Clusters> {
    let names = asked.clusters();
    let clusters = names.map(ToString::to_string).collect();
    Ok(Answer::ok("cluster list returned", Clusters { clusters }))
}

pub(super) fn cluster(asked: &Asked<'_>) -> Outcome<Module> {
    asked.cluster("cluster module not found")?;
    let module = ClusterModule {
        class_name: "kafka",
        servers: [],
        client_profile: ClientProfile::default(),
        topic_refresh: 0,
        offset_refresh: 0,
    };
    Ok(Answer::ok(
        "cluster module detail returned",
        Module { module },
    ))
}

pub(super) fn topics(asked: &Asked<'_>) -> Outcome<Topics> {
    let view = asked.view(CLUSTER_NOT_FOUND)?;
    let mut topics = Names::default();
    for topic in view.snapshot.window.index().topics().keys() {
        asked.allowance.check()?;
        if log_ends(&view, topic)
            .iter()
            .any(|end| end.value().is_some())
        {
            topics.push(topic)?;
        }
    }
    Ok(Answer::ok(
        "topic list returned",
        Topics { topics: topics.0 },
    ))
}

pub(super) fn topic(asked: &Asked<'_>) -> Outcome<Offsets> {
    const NOT_FOUND: &str = "cluster or topic not found";
    let view = asked.view(NOT_FOUND)?;
    let topic = TopicName::from(asked.names.topic.as_str());
    let mut ends = log_ends(&view, &topic);
    // Such as those of a topic that was made anew with fewer partitions.
    while ends.last() == Some(&Cell::GONE) {
        ends.pop();
    }
    let gap = view.snapshot.gap_of_topic(&topic);
    if ends.iter().all(|end| end.value().is_none()) {
        return Err(match gap {
            Some(gap) => Failure::Unread(gap.to_string()),
            None => Failure::NotFound(NOT_FOUND),
        });
    }
    // A place in the list is a partition's number, so none may be left out.
    let offsets: Option<Vec<_>> = ends.iter().map(|end| end.value()).collect();
    let offsets = offsets.ok_or_else(|| {
        let gap = gap.map(|gap| format!(": {gap}"));
        Failure::Unread(format!(
            "not each partition of topic {topic:?} could be read{}",
            gap.unwrap_or_default()
        ))
    })?;
    Ok(Answer::ok("topic offsets returned", Offsets { offsets }))
}

pub(super) fn consumers(asked: &Asked<'_>) -> Outcome<Consumers> {
    groups(asked, "consumer list returned", |_| true)
}

/// None where there is no such topic, as Burrow has it.
pub(super) fn consumers_of_topic(asked: &Asked<'_>) -> Outcome<Consumers> {
    groups(asked, "consumers of topic returned", |group| {
        let mut topics = group.topics.iter();
        topics.any(|topic| {
            let has_commit = topic.totals.partitions > topic.totals.partitions_without_commit;
            topic.topic.as_str() == asked.names.topic && has_commit
        })
    })
}

fn groups(
    asked: &Asked<'_>,
    message: &'static str,
    picks: impl Fn(&GroupEstimate) -> bool,
) -> Outcome<Consumers> {
    let view = asked.view(CLUSTER_NOT_FOUND)?;
    let mut consumers = Names::default();
    for group in view.snapshot.window.index().groups().keys() {
        asked.allowance.check()?;
        if known(&view, group).is_some_and(|group| picks(&group)) {
            consumers.push(group)?;
        }
    }
    let consumers = consumers.0;
    Ok(Answer::ok(message, Consumers { consumers }))
}

/// Where a group stands that was read lately and has committed something, or
/// may have.
pub(super) fn known(view: &View<'_>, group: &GroupId) -> Option<GroupEstimate> {
    let window = &view.snapshot.window;
    let estimate =
        window.estimate_group(group.as_str(), Wanted::OFFSETS, view.parameters, view.now)?;
    let totals = &estimate.totals;
    let was_read = totals.as_of.is_some() || totals.unknown_since.is_some();
    (was_read && totals.partitions > totals.partitions_without_commit).then_some(estimate)
}

/// The newest that is known of each partition's log end, by partition.
fn log_ends(view: &View<'_>, topic: &TopicName) -> Vec<Cell> {
    let window = &view.snapshot.window;
    let Some(series) = window.index().topics().get(topic) else {
        return Vec::new();
    };
    let oldest = view.now.minus(view.parameters.max_staleness);
    let columns = series.log_end.iter();
    columns.map(|end| window.newest_cell(end, oldest)).collect()
}

/// A list that an answer has room for.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn push(&mut self, name: &impl ToString) -> Result<(), ApiError> {
        if self.0.len() == MAX_ROWS {
            return Err(ApiError::TooLarge {
                found: format!("more than {MAX_ROWS} names"),
                limit: format!("at most {MAX_ROWS}"),
                remedy: "ask /api/v1/series, page by page",
            });
        }
        self.0.push(name.to_string());
        Ok(())
    }
}
