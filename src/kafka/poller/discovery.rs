//! Which groups are polled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use tokio::time::Instant;

use crate::model::{GapReason, GroupId, Interest, TopicName};

use super::{super::error::RequestError, Cycle, coordinators::Coordinators};

/// Brokers that can't list groups are asked again after this time: they may
/// have been upgraded.
const UNSUPPORTED_RETRY: Duration = Duration::from_secs(600);

static NO_TOPICS: LazyLock<BTreeSet<TopicName>> = LazyLock::new(BTreeSet::new);

/// A group to be polled.
pub(super) struct Target<'a> {
    pub(super) group: GroupId,
    /// Each topic in which it has a commit.
    pub(super) committed: bool,
    /// These topics, with or without a commit.
    pub(super) topics: &'a BTreeSet<TopicName>,
}

/// The cluster's groups, as last listed.
#[derive(Debug)]
pub(super) struct Discovery {
    interval: Duration,
    known: BTreeSet<GroupId>,
    /// Known groups that the newest list lacks.
    missed: BTreeSet<GroupId>,
    due: Option<Instant>,
    failure: Option<GapReason>,
}

impl Discovery {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            known: BTreeSet::new(),
            missed: BTreeSet::new(),
            due: None,
            failure: None,
        }
    }

    /// Was the list never asked for?
    pub(super) fn is_first(&self) -> bool {
        self.due.is_none()
    }

    /// Why the list is not up to date, if it isn't.
    pub(super) fn failure(&self) -> Option<&GapReason> {
        self.failure.as_ref()
    }

    /// The groups that `interest` names, and the listed ones that it matches,
    /// sorted.
    pub(super) fn targets<'a>(&self, interest: &'a Interest, discover: bool) -> Vec<Target<'a>> {
        let matches = |group: &GroupId| {
            let mut matchers = interest.matchers.iter();
            discover && matchers.any(|matcher| matcher.matches(group.as_str()))
        };
        let mut targets: BTreeMap<&GroupId, Target<'a>> = BTreeMap::new();
        for (group, selection) in &interest.groups {
            let target = Target {
                group: group.clone(),
                committed: selection.committed || matches(group),
                topics: &selection.topics,
            };
            targets.insert(group, target);
        }
        for group in self.known.iter().filter(|group| matches(group)) {
            targets.entry(group).or_insert_with(|| Target {
                group: group.clone(),
                committed: true,
                topics: &NO_TOPICS,
            });
        }
        targets.into_values().collect()
    }

    /// Lists the groups again if it is time.
    pub(super) async fn refresh_if_due(
        &mut self,
        cycle: Cycle<'_>,
        coordinators: &Coordinators,
        discover: bool,
    ) {
        if discover && self.due.is_none_or(|due| due <= Instant::now()) {
            self.refresh(cycle, coordinators).await;
        }
    }

    /// Lists the groups. A failure leaves the list as it was.
    pub(super) async fn refresh(&mut self, cycle: Cycle<'_>, coordinators: &Coordinators) {
        let deadline = cycle.deadline.within(cycle.client.request_timeout());
        let error = match deadline.ask(|left| cycle.client.list_groups(left)).await {
            Ok(list) => {
                // Brokers that left the cluster are not asked, and their groups
                // not listed; they are somewhere in a partition without leader.
                let whole = list.errors.is_empty() && coordinators.all_led();
                self.take_in(list.groups, whole);
                list.errors.into_iter().next()
            }
            Err(error) => Some(error),
        };
        self.failure = error.as_ref().map(GapReason::from);
        self.due = Some(Instant::now() + self.pause(error.as_ref()));
    }

    /// A part of the list adds to what is known; only two whole ones in turn
    /// that lack a group take it away. A coordinator that has just moved lists
    /// its groups a moment later.
    fn take_in(&mut self, groups: Vec<GroupId>, whole: bool) {
        let listed: BTreeSet<GroupId> = groups.into_iter().collect();
        if whole {
            let lacking: BTreeSet<_> = self.known.difference(&listed).cloned().collect();
            self.known
                .retain(|group| !(lacking.contains(group) && self.missed.contains(group)));
            self.missed = lacking;
        }
        self.known.extend(listed);
    }

    fn pause(&self, error: Option<&RequestError>) -> Duration {
        match error {
            None => self.interval,
            Some(error) if error.word() == "unsupported" => self.interval.max(UNSUPPORTED_RETRY),
            Some(_) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupMatcher, TopicSelection};

    #[test]
    fn named_and_matched_groups_are_polled_once() {
        let mut discovery = Discovery::new(Duration::from_secs(60));
        discovery.take_in(["a-1", "a-2", "b-1"].map(GroupId::from).into(), true);
        let mut interest = Interest::default();
        interest
            .matchers
            .push(GroupMatcher::prefixed("a-", "", None));
        let only = TopicSelection::only([TopicName::from("t")]);
        interest.add_group("a-2".into(), only.clone());
        interest.add_group("c".into(), only);

        let polled = |discover| {
            let targets = discovery.targets(&interest, discover);
            let told = |target: &Target<'_>| {
                let group = target.group.as_str().to_owned();
                (group, target.committed, target.topics.len())
            };
            targets.iter().map(told).collect::<Vec<_>>()
        };
        let row = |group: &str, committed, topics| (group.to_owned(), committed, topics);
        assert_eq!(
            polled(true),
            [row("a-1", true, 0), row("a-2", true, 1), row("c", false, 1)]
        );
        assert_eq!(polled(false), [row("a-2", false, 1), row("c", false, 1)]);
    }

    #[test]
    fn only_whole_lists_take_a_group_away() {
        let mut discovery = Discovery::new(Duration::from_secs(60));
        for (listed, whole, known) in [
            ("a b", true, "a b"),
            ("c", false, "a b c"),
            ("c", false, "a b c"),
            ("c", true, "a b c"),
            ("b c", true, "b c"),
            ("c", true, "b c"),
            ("c", true, "c"),
        ] {
            let listed = listed.split(' ').map(GroupId::from).collect();
            discovery.take_in(listed, whole);
            let names: Vec<_> = discovery.known.iter().map(GroupId::as_str).collect();
            assert_eq!(names.join(" "), known);
        }
    }
}
