//! Members and state of groups.
//!
//! Librdkafka makes one or two requests for each group, so not all groups are
//! asked about in each cycle: those whose answer is the oldest come first, and
//! until its turn a group keeps the answer that it has. Its key invariant: a
//! group whose answer failed has none, not an old one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::model::{GroupId, GroupState, Members, Membership};

use super::{
    super::{
        client::GroupMembers,
        error::{ErrorCode, RequestError},
    },
    Cycle,
    coordinators::Coordinators,
    discovery::Target,
    side_by_side::side_by_side,
    silence::silent_if_all,
};

/// So many groups are asked about in each cycle, if there are so many.
const GROUPS_A_CYCLE: usize = 100;

/// Of more groups than that, this part: each has its turn within six cycles, a
/// minute at the default interval.
const PART_A_CYCLE: usize = 6;

/// How many groups are described in one call. Librdkafka makes a request for
/// each and hands back the answers together.
const GROUPS_A_CALL: usize = 25;

/// How many such calls run at once to one broker.
const CALLS_IN_FLIGHT: usize = 2;

/// Brokers that can't describe groups are asked again after this time.
const UNSUPPORTED_RETRY: Duration = Duration::from_secs(600);

/// Kafka's GROUP_ID_NOT_FOUND.
const GROUP_NOT_FOUND: ErrorCode = ErrorCode(69);

/// Members and state of one group, or why they can't be told.
type Answer = Result<Membership, RequestError>;

/// Asks for members, and remembers them until the next turn.
#[derive(Debug, Default)]
pub(super) struct MembershipReader {
    answers: HashMap<GroupId, (Instant, Answer)>,
    unsupported_until: Option<Instant>,
}

impl MembershipReader {
    /// Members and state of a group, as last read; `None` where brokers can't
    /// tell, or were not asked yet.
    pub(super) fn of(&self, group: &GroupId) -> Option<&Answer> {
        self.answers.get(group).map(|(_, answer)| answer)
    }

    /// Asks about the targets whose turn it is. Those that have `moved` a
    /// commit, and no member that is known of, come first.
    pub(super) async fn read(
        &mut self,
        cycle: Cycle<'_>,
        coordinators: &Coordinators,
        targets: &[Target<'_>],
        moved: &HashSet<&GroupId>,
    ) {
        let polled: HashSet<&GroupId> = targets.iter().map(|target| &target.group).collect();
        self.answers.retain(|group, _| polled.contains(group));
        if self
            .unsupported_until
            .is_some_and(|until| Instant::now() < until)
        {
            return;
        }
        let mut by_coordinator: BTreeMap<i32, Vec<GroupId>> = BTreeMap::new();
        for (group, broker) in self.turns(coordinators, targets, moved) {
            by_coordinator
                .entry(broker)
                .or_default()
                .push(group.clone());
        }
        let mut calls = Vec::new();
        for (broker, groups) in &by_coordinator {
            for part in groups.chunks(GROUPS_A_CALL) {
                calls.push((Some(*broker), describe(cycle, *broker, part)));
            }
        }
        let answers = side_by_side(calls, CALLS_IN_FLIGHT).await;
        self.learn(coordinators, answers.into_iter().flatten());
    }

    /// The groups to be asked about now, with their coordinators.
    fn turns<'a>(
        &self,
        coordinators: &Coordinators,
        targets: &'a [Target<'_>],
        moved: &HashSet<&GroupId>,
    ) -> impl Iterator<Item = (&'a GroupId, i32)> + use<'a> {
        let mut turns: Vec<(Option<Instant>, &GroupId, i32)> = targets
            .iter()
            .filter_map(|target| {
                let group = &target.group;
                let asked = self.answers.get(group).map(|(at, _)| *at);
                let woken = moved.contains(group) && self.has_no_member(group);
                let asked = asked.filter(|_| !woken);
                Some((asked, group, coordinators.of(group)?))
            })
            .collect();
        // Stable, and never asked comes first.
        turns.sort_by_key(|(asked, ..)| *asked);
        let share = GROUPS_A_CYCLE.max(targets.len().div_ceil(PART_A_CYCLE));
        let turns = turns.into_iter().take(share);
        turns.map(|(_, group, broker)| (group, broker))
    }

    fn has_no_member(&self, group: &GroupId) -> bool {
        let members = self.of(group).and_then(|answer| answer.as_ref().ok());
        members
            .and_then(|membership| membership.members.as_ref())
            .is_some_and(|members| members.count == 0)
    }

    fn learn(
        &mut self,
        coordinators: &Coordinators,
        answers: impl Iterator<Item = (GroupId, Answer)>,
    ) {
        let now = Instant::now();
        self.unsupported_until = None;
        for (group, answer) in answers {
            let code = answer.as_ref().err().and_then(RequestError::code);
            if code == Some(ErrorCode::NOT_COORDINATOR) {
                coordinators.moved(&group);
            }
            if code.is_some_and(ErrorCode::is_unsupported) {
                self.unsupported_until = Some(now + UNSUPPORTED_RETRY);
                self.answers.remove(&group);
            } else {
                self.answers.insert(group, (now, answer));
            }
        }
    }
}

/// Describes groups of one coordinator.
pub(super) async fn describe(
    cycle: Cycle<'_>,
    coordinator: i32,
    groups: &[GroupId],
) -> Vec<(GroupId, Answer)> {
    let deadline = cycle.deadline.within(cycle.client.request_timeout());
    let ask = |left| cycle.client.describe_groups(coordinator, groups, left);
    let request = async {
        let error = |(_, answer): &GroupMembers| answer.as_ref().err().copied();
        silent_if_all(deadline.ask(ask).await, error)
    };
    let answers = cycle.ask_broker(coordinator, deadline, request);
    match answers.await {
        Ok(answers) => answers
            .into_iter()
            .map(|(group, answer)| (group, judged(answer)))
            .collect(),
        Err(error) => groups
            .iter()
            .map(|group| (group.clone(), Err(error.clone())))
            .collect(),
    }
}

fn judged(answer: Result<Membership, ErrorCode>) -> Answer {
    match answer {
        Err(GROUP_NOT_FOUND) => Ok(Membership {
            state: GroupState::Dead,
            members: Some(Members::none()),
        }),
        answer => answer.map_err(RequestError::from),
    }
}
