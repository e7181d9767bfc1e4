//! Members and state of groups.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::model::{GroupId, GroupState, Membership};

use super::{
    super::error::{ErrorCode, RequestError},
    Cycle,
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

/// Asks for members, and remembers brokers that can't tell.
#[derive(Debug, Default)]
pub(super) struct MembershipReader {
    unsupported_until: Option<Instant>,
}

impl MembershipReader {
    /// Members and state by group; empty where the brokers can't tell.
    pub(super) async fn read(
        &mut self,
        cycle: Cycle<'_>,
        groups: &[GroupId],
    ) -> BTreeMap<GroupId, Result<Membership, RequestError>> {
        if self
            .unsupported_until
            .is_some_and(|until| Instant::now() < until)
        {
            return BTreeMap::new();
        }
        let calls: Vec<_> = groups
            .chunks(GROUPS_A_CALL)
            .map(|groups| describe(cycle, groups))
            .collect();
        let answers: Vec<_> = stream::iter(calls)
            .buffer_unordered(CALLS_IN_FLIGHT)
            .collect()
            .await;
        let members: BTreeMap<_, _> = answers.into_iter().flatten().collect();
        self.judge(members)
    }

    fn judge(
        &mut self,
        mut members: BTreeMap<GroupId, Result<Membership, RequestError>>,
    ) -> BTreeMap<GroupId, Result<Membership, RequestError>> {
        let unsupported = |answer: &Result<Membership, RequestError>| {
            let code = answer.as_ref().err().and_then(RequestError::code);
            code.is_some_and(ErrorCode::is_unsupported)
        };
        self.unsupported_until = members
            .values()
            .any(unsupported)
            .then(|| Instant::now() + UNSUPPORTED_RETRY);
        members.retain(|_, answer| !unsupported(answer));
        members
    }
}

async fn describe(
    cycle: Cycle<'_>,
    groups: &[GroupId],
) -> Vec<(GroupId, Result<Membership, RequestError>)> {
    let deadline = cycle.deadline.within(cycle.client.request_timeout());
    match deadline
        .ask(|left| cycle.client.describe_groups(groups, left))
        .await
    {
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
        Err(code) => Err(RequestError::Refused {
            code,
            message: code.to_string(),
        }),
        Ok(membership) => Ok(membership),
    }
}
