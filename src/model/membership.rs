//! Who is in a group, and what each of them reads.

use std::sync::Arc;

use super::{Fingerprint, Partition, TopicName};

/// State and members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Its state.
    pub state: GroupState,
    /// Its members. `None`: the brokers don't know them, since its consumers
    /// commit without joining. How many there are is then unknown, not 0.
    pub members: Option<Members>,
}

/// The members of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// How many there are.
    pub count: u32,
    /// Which partitions they have; `None` while these are being dealt out.
    pub assignment: Option<Assignment>,
}

/// Which partitions the members of a group have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// How many each member has, most first; 0 for one that is idle.
    pub partitions_by_member: Arc<[u32]>,
    /// Another number whenever a member has come or gone or a partition has
    /// moved: between two that differ there was a rebalance. Never negative.
    pub fingerprint: i64,
}

impl Members {
    /// No members, and nothing to deal out.
    pub fn none() -> Self {
        Self {
            count: 0,
            assignment: Some(Assignment::of(Vec::new())),
        }
    }
}

impl Assignment {
    /// Of members by their id, each with its partitions, in any order.
    pub fn of(mut members: Vec<(String, Vec<(TopicName, Partition)>)>) -> Self {
        let mut by_member: Vec<u32> = members
            .iter()
            .map(|(_, partitions)| u32::try_from(partitions.len()).unwrap_or(u32::MAX))
            .collect();
        by_member.sort_unstable_by(|one, other| other.cmp(one));
        members.sort_unstable();
        let mut fingerprint = Fingerprint::default();
        for (member, mut partitions) in members {
            fingerprint.take(member.as_bytes());
            partitions.sort_unstable();
            for (topic, partition) in partitions {
                fingerprint.take(topic.as_str().as_bytes());
                fingerprint.take(&partition.to_le_bytes());
            }
        }
        Self {
            partitions_by_member: by_member.into(),
            // Never negative.
            fingerprint: (fingerprint.finish() >> 1).cast_signed(),
        }
    }
}

/// A consumer group's state, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// The broker named a state that we don't know.
    Unknown,
    /// Members are joining.
    PreparingRebalance,
    /// Members joined; the assignment is on its way to them.
    CompletingRebalance,
    /// Each member has its assignment.
    Stable,
    /// No such group any more.
    Dead,
    /// No member; commits may remain.
    Empty,
    /// New consumer protocol: the coordinator computes an assignment.
    Assigning,
    /// New consumer protocol: members move to their assignment.
    Reconciling,
}

impl GroupState {
    /// All states; a state's place is its number on disk, so only append.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Dead,
        Self::Empty,
        Self::Assigning,
        Self::Reconciling,
    ];

    /// The state's number on disk.
    pub fn number(self) -> i64 {
        self as i64
    }

    /// The state with this number on disk.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Are partitions being dealt out, so that who has which is not settled?
    pub fn is_rebalancing(self) -> bool {
        matches!(
            self,
            Self::PreparingRebalance
                | Self::CompletingRebalance
                | Self::Assigning
                | Self::Reconciling
        )
    }

    /// Kafka's own name of the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, partitions: &[(&str, i32)]) -> (String, Vec<(TopicName, Partition)>) {
        let partitions = partitions
            .iter()
            .map(|(topic, partition)| (TopicName::from(*topic), *partition));
        (id.to_owned(), partitions.collect())
    }

    #[test]
    fn an_assignment_is_the_same_in_any_order() {
        let one = Assignment::of(vec![
            member("a", &[("t", 0), ("t", 1)]),
            member("b", &[("u", 0), ("t", 2), ("u", 1)]),
            member("idle", &[]),
        ]);
        let other = Assignment::of(vec![
            member("idle", &[]),
            member("b", &[("t", 2), ("u", 1), ("u", 0)]),
            member("a", &[("t", 1), ("t", 0)]),
        ]);
        assert_eq!(one, other);
        assert_eq!(*one.partitions_by_member, [3, 2, 0]);
    }

    #[test]
    fn whoever_comes_goes_or_moves_changes_the_fingerprint() {
        let assignments = [
            vec![],
            vec![member("a", &[])],
            vec![member("a", &[("t", 0), ("t", 1)])],
            vec![member("a", &[("t", 0)]), member("b", &[("t", 1)])],
            vec![member("a", &[("t", 1)]), member("b", &[("t", 0)])],
            vec![member("a", &[("t", 0)]), member("c", &[("t", 1)])],
            vec![member("a", &[("t", 0), ("t", 1)]), member("b", &[])],
        ];
        let mut fingerprints: Vec<_> = assignments
            .into_iter()
            .map(|members| Assignment::of(members).fingerprint)
            .collect();
        assert!(fingerprints.iter().all(|fingerprint| *fingerprint >= 0));
        let all = fingerprints.len();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), all);
    }

    #[test]
    fn a_fingerprint_stays_what_it_is_on_disk() {
        let assignment = Assignment::of(vec![member("a", &[("t", 7)])]);
        assert_eq!(assignment.fingerprint, 2_060_859_666_265_155_526);
    }

    #[test]
    fn group_states_survive_their_number() {
        for state in GroupState::ALL {
            assert_eq!(GroupState::from_number(state.number()), Some(state));
        }
        assert_eq!(GroupState::from_number(99), None);
        assert_eq!(GroupState::from_number(-1), None);
    }
}
