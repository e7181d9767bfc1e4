//! What is recorded, by name.

use std::collections::BTreeSet;

use crate::{
    board::Board,
    model::{ClusterName, GroupId, SeriesIndex, TopicName},
};

use super::{
    super::{HttpState, cluster, error::ApiError, gate::Allowance},
    filter::{Choice, Key},
    payload::Payload,
};

/// Groups that one target may read; each takes some milliseconds.
const MAX_GROUPS: usize = 1_000;

/// A group, with those of its topics that are asked for and their partitions.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) cluster: ClusterName,
    pub(super) group: GroupId,
    pub(super) topics: Vec<(TopicName, u32)>,
}

/// The configured clusters that are asked for; an error if there is none of a
/// name that is spelled out.
pub(super) fn clusters<'a>(
    state: &'a HttpState,
    choice: &Choice,
) -> Result<Vec<&'a ClusterName>, ApiError> {
    if let Some(name) = choice.only() {
        cluster::configured(state, name)?;
    }
    let clusters = state.clusters.iter();
    Ok(clusters
        .filter(|cluster| choice.picks(cluster.as_str()))
        .collect())
}

/// The groups and topics that a payload picks, each to be read; an error if
/// there are too many, or none of a name that is spelled out.
pub(super) fn places(
    state: &HttpState,
    board: &Board,
    payload: &Payload,
    allowance: &Allowance,
) -> Result<Vec<Place>, ApiError> {
    let suffix = state.watches.historic_suffix();
    let is_asked = |group: &GroupId| is_asked(payload, group.as_str(), &suffix);
    let mut places = Vec::new();
    for cluster in clusters(state, &payload.cluster)? {
        let place = |index: &SeriesIndex| -> Result<(), ApiError> {
            for (group, series) in index.groups().iter().filter(|(group, _)| is_asked(group)) {
                allowance.check()?;
                let topics = series.topics.iter();
                let topics = topics.filter(|(topic, _)| payload.topic.picks(topic.as_str()));
                places.push(Place {
                    cluster: cluster.clone(),
                    group: group.clone(),
                    topics: topics
                        .map(|(topic, commits)| (topic.clone(), commits.len()))
                        .collect(),
                });
            }
            Ok(())
        };
        cluster::with_index(state, board, cluster, place)?.transpose()?;
    }
    refuse_unknown(payload, &places)?;
    places.retain(|place| !place.topics.is_empty());
    if places.len() > MAX_GROUPS {
        return Err(ApiError::TooLarge {
            found: format!("series of {} groups", places.len()),
            limit: format!("those of at most {MAX_GROUPS}"),
            remedy: "name a cluster, groups or topics",
        });
    }
    Ok(places)
}

/// A historic group counts where its own name is spelled out, or where it is
/// to be counted in with the group that it belongs to.
fn is_asked(payload: &Payload, group: &str, suffix: &str) -> bool {
    let Some(plain) = group.strip_suffix(suffix) else {
        return payload.group.picks(group);
    };
    let with_its_group = payload.include_historic && payload.group.picks(plain);
    with_its_group || payload.group.spells_out(group) && payload.group.picks(group)
}

/// What only one name was given for, and is not there, was meant otherwise.
fn refuse_unknown(payload: &Payload, places: &[Place]) -> Result<(), ApiError> {
    let cluster = payload.cluster.only();
    let in_cluster = cluster.map_or(String::new(), |name| format!(" in cluster {name:?}"));
    if let Some(group) = payload.group.only()
        && places.is_empty()
        && !payload.group.is_filtered()
        && !payload.cluster.is_filtered()
    {
        return Err(ApiError::not_found("group", group, in_cluster));
    }
    if let Some(topic) = payload.topic.only()
        && !places.is_empty()
        && places.iter().all(|place| place.topics.is_empty())
        && !payload.topic.is_filtered()
    {
        let place = match payload.group.only() {
            Some(group) => format!(" in group {group:?}{in_cluster}"),
            None => in_cluster,
        };
        return Err(ApiError::not_found("topic", topic, place));
    }
    Ok(())
}

/// The names of `key` that there are where the payload's other choices hold, in
/// order, with one more than `most` at most.
pub(super) fn names(
    state: &HttpState,
    key: Key,
    payload: &Payload,
    most: usize,
    allowance: &Allowance,
) -> Result<Vec<String>, ApiError> {
    let board = state.newest_board();
    let mut names = Found {
        names: BTreeSet::new(),
        partitions: 0,
        most,
    };
    for cluster in clusters(state, &payload.cluster)? {
        if key == Key::Cluster {
            names.names.insert(cluster.to_string());
            continue;
        }
        let look = |index: &SeriesIndex| names.look(index, key, payload, allowance);
        cluster::with_index(state, &board, cluster, look)?.transpose()?;
    }
    if key == Key::Partition {
        let partitions = 0..names.partitions;
        return Ok(partitions
            .take(most + 1)
            .map(|partition| partition.to_string())
            .collect());
    }
    Ok(names.names.into_iter().collect())
}

struct Found {
    names: BTreeSet<String>,
    /// The most that any topic has.
    partitions: u32,
    most: usize,
}

impl Found {
    fn look(
        &mut self,
        index: &SeriesIndex,
        key: Key,
        payload: &Payload,
        allowance: &Allowance,
    ) -> Result<(), ApiError> {
        let groups = index.groups().iter();
        for (group, series) in groups.filter(|(group, _)| payload.group.picks(group.as_str())) {
            allowance.check()?;
            let topics = series.topics.iter();
            for (topic, commits) in topics.filter(|(topic, _)| payload.topic.picks(topic.as_str()))
            {
                match key {
                    Key::Cluster => {}
                    Key::Group => self.take_in(group.as_str()),
                    Key::Topic => self.take_in(topic.as_str()),
                    Key::Partition => self.partitions = self.partitions.max(commits.len()),
                }
            }
        }
        Ok(())
    }

    /// The first ones in their order, whatever order they come in.
    fn take_in(&mut self, name: &str) {
        if !self.names.contains(name) {
            self.names.insert(name.to_owned());
        }
        if self.names.len() > self.most + 1 {
            self.names.pop_last();
        }
    }
}
