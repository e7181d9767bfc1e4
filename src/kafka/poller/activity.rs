//! When the commits of groups last moved.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::model::GroupId;

use super::super::client::TopicCommits;

/// When the commits of groups last moved, since this process began.
#[derive(Debug, Default)]
pub(super) struct Activity(HashMap<GroupId, Position>);

#[derive(Debug)]
struct Position {
    /// Another number when a commit has moved.
    sum: u64,
    read: Instant,
    moved: Instant,
}

impl Activity {
    /// Takes note of a group's commits. Have they moved since the last time?
    pub(super) fn note(&mut self, group: &GroupId, commits: &[TopicCommits]) -> bool {
        let (now, sum) = (Instant::now(), sum(commits));
        if let Some(position) = self.0.get_mut(group) {
            let moved = position.sum != sum;
            position.read = now;
            if moved {
                (position.sum, position.moved) = (sum, now);
            }
            return moved;
        }
        let position = Position {
            sum,
            read: now,
            moved: now,
        };
        self.0.insert(group.clone(), position);
        false
    }

    /// Have the group's commits stood still for so long, and been looked at
    /// within `look_again`?
    pub(super) fn is_silent(&self, group: &str, after: Duration, look_again: Duration) -> bool {
        self.0.get(group).is_some_and(|position| {
            position.moved.elapsed() >= after && position.read.elapsed() < look_again
        })
    }

    /// Only these groups stay remembered.
    pub(super) fn retain(&mut self, groups: &HashSet<&GroupId>) {
        self.0.retain(|group, _| groups.contains(group));
    }
}

/// The order in which a broker tells them is its own affair.
fn sum(commits: &[TopicCommits]) -> u64 {
    let partitions = commits.iter().flat_map(|topic| &topic.commits);
    partitions.fold(0, |sum: u64, (partition, commit)| {
        let offset = match commit {
            Ok(Some(offset)) => offset.cast_unsigned().wrapping_add(1),
            Ok(None) | Err(_) => 0,
        };
        let weight = u64::from(partition.unsigned_abs()).wrapping_mul(2) + 1;
        sum.wrapping_add(offset.wrapping_mul(weight))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn commits(offsets: &[(i32, i64)]) -> Vec<TopicCommits> {
        let commits = offsets
            .iter()
            .map(|(partition, offset)| (*partition, Ok(Some(*offset))));
        vec![TopicCommits {
            topic: "t".into(),
            commits: commits.collect(),
        }]
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_is_silent_until_a_commit_moves() {
        let mut activity = Activity::default();
        let group = GroupId::from("g");
        assert!(!activity.note(&group, &commits(&[(0, 5), (1, 7)])));
        tokio::time::advance(HOUR).await;
        assert!(!activity.note(&group, &commits(&[(1, 7), (0, 5)])));
        assert!(activity.is_silent("g", HOUR, HOUR));
        assert!(!activity.is_silent("g", 2 * HOUR, HOUR));
        assert!(!activity.is_silent("other", Duration::ZERO, HOUR));
        // Nobody has looked for an hour: it is time to.
        tokio::time::advance(HOUR).await;
        assert!(!activity.is_silent("g", HOUR, HOUR));
        assert!(activity.note(&group, &commits(&[(0, 7), (1, 5)])));
        assert!(!activity.is_silent("g", HOUR, HOUR));
    }
}
