//! Members and state of groups.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::model::{GroupId, GroupState, Membership};

use super::{
    super::error::{ErrorCode, RequestError},
    Cycle,
    coordinators::Coordinators,
    discovery::Target,
};

/// How many groups are described in one call. Librdkafka makes a request for
/// each and hands back the answers together.
const GROUPS_A_CALL: usize = 25;

/// How many such calls run at once.
const CALLS_IN_FLIGHT: usize = 4;

/// Brokers that can't describe groups are asked again after this time.
const UNSUPPORTED_RETRY: Duration = Duration::from_secs(600);

/// Kafka's GROUP_ID_NOT_FOUND.
const GROUP_NOT_FOUND: ErrorCode = ErrorCode(69);

/// Members and state by group, as far as they were asked for.
pub(super) type Members = BTreeMap<GroupId, Result<Membership, RequestError>>;

/// Asks for members, and remembers brokers that can't tell.
#[derive(Debug, Default)]
pub(super) struct MembershipReader {
    unsupported_until: Option<Instant>,
}

impl MembershipReader {
    /// Members and state of the targets whose coordinator is known; empty
    /// where brokers can't tell.
    pub(super) async fn read(
        &mut self,
        cycle: Cycle<'_>,
        coordinators: &Coordinators,
        targets: &[Target<'_>],
    ) -> Members {
        if self
            .unsupported_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Members::new();
        }
        let mut by_coordinator: HashMap<i32, Vec<GroupId>> = HashMap::new();
        for target in targets {
            if let Some(broker) = coordinators.of(&target.group) {
                by_coordinator
                    .entry(broker)
                    .or_default()
                    .push(target.group.clone());
            }
        }
        let calls: Vec<_> = by_coordinator
            .iter()
            .flat_map(|(broker, groups)| groups.chunks(GROUPS_A_CALL).map(|part| (*broker, part)))
            .map(|(broker, groups)| describe(cycle, broker, groups))
            .collect();
        let answers: Vec<_> = stream::iter(calls)
            .buffer_unordered(CALLS_IN_FLIGHT)
            .collect()
            .await;
        self.judge(coordinators, answers.into_iter().flatten().collect())
    }

    fn judge(&mut self, coordinators: &Coordinators, mut members: Members) -> Members {
        let code = |answer: &Result<Membership, RequestError>| {
            answer.as_ref().err().and_then(RequestError::code)
        };
        let unsupported = |answer: &_| code(answer).is_some_and(ErrorCode::is_unsupported);
        self.unsupported_until = members
            .values()
            .any(unsupported)
            .then(|| Instant::now() + UNSUPPORTED_RETRY);
        members.retain(|_, answer| !unsupported(answer));
        for (group, answer) in &members {
            if code(answer) == Some(ErrorCode::NOT_COORDINATOR) {
                coordinators.moved(group);
            }
        }
        members
    }
}

async fn describe(
    cycle: Cycle<'_>,
    coordinator: i32,
    groups: &[GroupId],
) -> Vec<(GroupId, Result<Membership, RequestError>)> {
    let deadline = cycle.deadline.within(cycle.client.request_timeout());
    let ask = |left| cycle.client.describe_groups(coordinator, groups, left);
    match deadline.ask(ask).await {
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

fn judged(answer: Result<Membership, ErrorCode>) -> Result<Membership, RequestError> {
    match answer {
        Err(GROUP_NOT_FOUND) => Ok(Membership {
            state: GroupState::Dead,
            members: 0,
        }),
        answer => answer.map_err(RequestError::from),
    }
}
