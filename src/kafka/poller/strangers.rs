//! Groups that are not consumer groups: share groups (KIP-932) and streams
//! groups (KIP-1071).
//!
//! A broker describes both as dead, as it does a group that is not there, and
//! of a share group there are no commits either. Only the oldest form of the
//! list of groups names them all, and librdkafka asks for it group by group,
//! from every broker. So a group is looked up there only in doubt: it was asked
//! for, is described as dead, and has no commit.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::model::{GapReason, GroupId, GroupState};

use super::{Cycle, coordinators::Coordinators, membership};

/// How many groups are looked up in one cycle, one after the other.
const LOOK_UPS_A_CYCLE: usize = 3;

/// How long it holds that a group is a stranger, and that it is not: it may be
/// made a moment later.
const STRANGER_HOLDS: Duration = Duration::from_secs(600);
const NO_STRANGER_HOLDS: Duration = Duration::from_secs(60);

/// Longest time that one look-up takes.
const TURN: Duration = Duration::from_secs(1);

/// What is known of groups that seem to be dead.
#[derive(Debug, Default)]
pub(super) struct Strangers(HashMap<GroupId, Found>);

#[derive(Debug)]
struct Found {
    at: Instant,
    is_stranger: bool,
}

impl Strangers {
    /// Is the group known to be another kind than a consumer group?
    pub(super) fn is_stranger(&self, group: &GroupId) -> bool {
        self.0.get(group).is_some_and(|found| found.is_stranger)
    }

    /// Looks some of the `dead` groups up. The others are not strangers.
    pub(super) async fn look_up(
        &mut self,
        cycle: Cycle<'_>,
        coordinators: &Coordinators,
        dead: &[&GroupId],
    ) {
        self.0.retain(|group, _| dead.contains(&group));
        let is_due = |group: &&&GroupId| {
            let found = self.0.get(**group);
            found.is_none_or(|found| found.at.elapsed() >= found.holds())
        };
        let due: Vec<_> = dead.iter().filter(is_due).take(LOOK_UPS_A_CYCLE).collect();
        for group in due {
            // A broker that is away takes a whole turn, and would again.
            let Some(is_stranger) = is_stranger(cycle, coordinators, group).await else {
                break;
            };
            let at = Instant::now();
            self.0.insert((*group).clone(), Found { at, is_stranger });
        }
    }
}

impl Found {
    fn holds(&self) -> Duration {
        if self.is_stranger {
            STRANGER_HOLDS
        } else {
            NO_STRANGER_HOLDS
        }
    }
}

/// `None`: can't be told now. A group that was made between the two questions
/// is described when it is asked about after it was listed.
async fn is_stranger(
    cycle: Cycle<'_>,
    coordinators: &Coordinators,
    group: &GroupId,
) -> Option<bool> {
    let within = cycle.deadline.within(TURN).left();
    let is_listed = cycle.client.lists_group(group, within).await.ok()?;
    if !is_listed {
        return Some(false);
    }
    let coordinator = coordinators.of(group)?;
    let described = membership::describe(cycle, coordinator, std::slice::from_ref(group)).await;
    let (_, membership) = described.into_iter().next()?;
    Some(membership.ok()?.state == GroupState::Dead)
}

/// Why nothing is told of such a group.
pub(super) fn reason() -> GapReason {
    GapReason {
        code: "not_a_consumer_group".to_owned(),
        message: "it is a share group (KIP-932) or a streams group (KIP-1071), not a consumer \
                  group: its lag is out of scope"
            .to_owned(),
    }
}

/// Why nothing is told of the members of a group that has commits and seems
/// to be dead.
pub(super) fn no_members() -> GapReason {
    GapReason {
        code: "not_a_consumer_group".to_owned(),
        message: "it has commits but is not a consumer group, perhaps a streams group \
                  (KIP-1071): its members can't be told"
            .to_owned(),
    }
}
