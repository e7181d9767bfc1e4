//! Which groups are polled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    time::Duration,
};

use tokio::time::Instant;

use crate::model::{GapReason, GroupId, GroupState, Interest, TopicFilter, TopicName};

use super::{
    super::{client::ListedGroup, error::RequestError},
    Cycle,
    activity::Activity,
    coordinators::Coordinators,
};

/// Brokers that can't list groups are asked again after this time: they may
/// have been upgraded.
const UNSUPPORTED_RETRY: Duration = Duration::from_secs(600);

static NO_TOPICS: LazyLock<BTreeSet<TopicName>> = LazyLock::new(BTreeSet::new);

/// A group that has long been silent is looked at again after this time, since
/// consumers that don't join it show in no list.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);

/// Which groups are found, and how often they are looked for.
#[derive(Debug, Clone)]
pub struct DiscoverySettings {
    /// May the cluster's groups be listed, for matchers to pick from?
    pub enabled: bool,
    /// How old the list of groups may get.
    pub interval: Duration,
    /// Are groups without members polled?
    pub include_empty: bool,
    /// A group without members whose commits have stood still for so long is
    /// polled once an hour.
    pub silent_after: Duration,
}

/// A group to be polled.
pub(super) struct Target<'a> {
    pub(super) group: GroupId,
    /// Which topics in which it has a commit.
    pub(super) committed: Committed<'a>,
    /// These topics, with or without a commit.
    pub(super) topics: &'a BTreeSet<TopicName>,
}

/// Which of the topics are polled in which a group has a commit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Committed<'a> {
    /// None, unless by name.
    Unasked,
    All,
    Picked(&'a TopicFilter),
}

impl Committed<'_> {
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self, Self::Unasked)
    }
}

impl Target<'_> {
    /// Is this topic polled, in which the group has a commit?
    pub(super) fn wants(&self, topic: &TopicName) -> bool {
        match self.committed {
            Committed::All => true,
            Committed::Picked(filter) if filter.picks(topic.as_str()) => true,
            Committed::Picked(_) | Committed::Unasked => self.topics.contains(topic),
        }
    }
}

/// The cluster's groups, as last listed.
#[derive(Debug)]
pub(super) struct Discovery {
    settings: DiscoverySettings,
    /// With the state that they were listed in.
    known: BTreeMap<GroupId, GroupState>,
    /// Known groups that the newest list lacks.
    missed: BTreeSet<GroupId>,
    due: Option<Instant>,
    failure: Option<GapReason>,
}

impl Discovery {
    pub(super) fn new(settings: DiscoverySettings) -> Self {
        Self {
            settings,
            known: BTreeMap::new(),
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

    /// Are groups to be found, so that `interest` can pick from them?
    pub(super) fn is_asked(&self, interest: &Interest) -> bool {
        self.settings.enabled && !interest.matchers.is_empty()
    }

    /// The groups that `interest` names, and the listed ones that it matches,
    /// sorted.
    pub(super) fn targets<'a>(
        &self,
        interest: &'a Interest,
        activity: &Activity,
    ) -> Vec<Target<'a>> {
        let mut targets: BTreeMap<&GroupId, Target<'a>> = BTreeMap::new();
        for (group, selection) in &interest.groups {
            let committed = match selection.committed {
                true => Committed::All,
                false => self.picked(group, interest),
            };
            let target = Target {
                group: group.clone(),
                committed,
                topics: &selection.topics,
            };
            targets.insert(group, target);
        }
        for (group, state) in &self.known {
            if targets.contains_key(group) || !self.is_polled(group, *state, activity) {
                continue;
            }
            let committed = self.picked(group, interest);
            if committed.is_asked() {
                let target = Target {
                    group: group.clone(),
                    committed,
                    topics: &NO_TOPICS,
                };
                targets.insert(group, target);
            }
        }
        targets.into_values().collect()
    }

    /// Which topics of the group any matcher asks for.
    fn picked<'a>(&self, group: &GroupId, interest: &'a Interest) -> Committed<'a> {
        let mut picked = Committed::Unasked;
        if !self.is_asked(interest) {
            return picked;
        }
        for matcher in &interest.matchers {
            if matcher.matches(group.as_str()) {
                match matcher.topics() {
                    None => return Committed::All,
                    Some(filter) => picked = Committed::Picked(filter),
                }
            }
        }
        picked
    }

    /// Is a listed group worth a request?
    fn is_polled(&self, group: &GroupId, state: GroupState, activity: &Activity) -> bool {
        match state {
            GroupState::Dead => false,
            GroupState::Empty | GroupState::Unknown => {
                let silent_after = self.settings.silent_after;
                (self.settings.include_empty || state == GroupState::Unknown)
                    && !activity.is_silent(group.as_str(), silent_after, LOOK_AGAIN)
            }
            _ => true,
        }
    }

    /// All groups that are remembered.
    pub(super) fn known(&self) -> impl Iterator<Item = &GroupId> {
        self.known.keys()
    }

    /// Lists the groups again if it is time.
    pub(super) async fn refresh_if_due(&mut self, cycle: Cycle<'_>, coordinators: &Coordinators) {
        if self.due.is_none_or(|due| due <= Instant::now()) {
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
    fn take_in(&mut self, groups: Vec<ListedGroup>, whole: bool) {
        let listed: BTreeMap<GroupId, GroupState> = groups
            .into_iter()
            .map(|listed| (listed.group, listed.state))
            .collect();
        if whole {
            let known = self.known.keys();
            let lacking = known.filter(|group| !listed.contains_key(*group));
            let lacking: BTreeSet<_> = lacking.cloned().collect();
            self.known
                .retain(|group, _| !(lacking.contains(group) && self.missed.contains(group)));
            self.missed = lacking;
        }
        self.known.extend(listed);
    }

    fn pause(&self, error: Option<&RequestError>) -> Duration {
        match error {
            None => self.settings.interval,
            Some(error) if error.word() == "unsupported" => {
                self.settings.interval.max(UNSUPPORTED_RETRY)
            }
            Some(_) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::{
        kafka::client::TopicCommits,
        model::{GroupMatcher, TopicSelection},
    };

    const HOUR: Duration = Duration::from_secs(3_600);

    fn discovery() -> Discovery {
        Discovery::new(DiscoverySettings {
            enabled: true,
            interval: Duration::from_secs(60),
            include_empty: true,
            silent_after: 24 * HOUR,
        })
    }

    fn listed(groups: &[(&str, GroupState)]) -> Vec<ListedGroup> {
        let listed = groups.iter().map(|(group, state)| ListedGroup {
            group: GroupId::from(*group),
            state: *state,
        });
        listed.collect()
    }

    fn stable(groups: &str) -> Vec<ListedGroup> {
        let groups: Vec<_> = groups
            .split(' ')
            .map(|group| (group, GroupState::Stable))
            .collect();
        listed(&groups)
    }

    fn polled(discovery: &Discovery, interest: &Interest, activity: &Activity) -> String {
        let targets = discovery.targets(interest, activity);
        let groups: Vec<_> = targets.iter().map(|target| target.group.as_str()).collect();
        groups.join(" ")
    }

    /// Picks every group that begins with a-.
    fn picky() -> Interest {
        let mut interest = Interest::default();
        let matcher = GroupMatcher::Prefixed(crate::model::PrefixRule::new("a-", "", None));
        interest.matchers.push(matcher);
        interest
    }

    #[test]
    fn named_and_matched_groups_are_polled_once() {
        let mut discovery = discovery();
        discovery.take_in(stable("a-1 a-2 b-1"), true);
        let mut interest = picky();
        let only = TopicSelection::only([TopicName::from("t")]);
        interest.add_group("a-2".into(), only.clone());
        interest.add_group("c".into(), only);

        let told = |discovery: &Discovery| {
            let targets = discovery.targets(&interest, &Activity::default());
            let told = |target: &Target<'_>| {
                let group = target.group.as_str().to_owned();
                (group, target.committed.is_asked(), target.topics.len())
            };
            targets.iter().map(told).collect::<Vec<_>>()
        };
        let row = |group: &str, committed, topics| (group.to_owned(), committed, topics);
        assert_eq!(
            told(&discovery),
            [row("a-1", true, 0), row("a-2", true, 1), row("c", false, 1)]
        );
        discovery.settings.enabled = false;
        assert_eq!(told(&discovery), [row("a-2", false, 1), row("c", false, 1)]);
    }

    #[test]
    fn found_groups_are_polled_in_the_topics_that_are_picked() {
        let regex = |text| Regex::new(text).expect("test pattern");
        let mut discovery = discovery();
        discovery.take_in(stable("a b"), true);
        let mut interest = Interest::default();
        interest.matchers.push(GroupMatcher::Patterns {
            include: vec![regex("")],
            exclude: Vec::new(),
            topics: TopicFilter {
                include: Vec::new(),
                exclude: vec![regex("^audit$")],
            },
        });
        // KEDA's word counts more than a pattern.
        interest.add_group("b".into(), TopicSelection::only([TopicName::from("audit")]));
        let targets = discovery.targets(&interest, &Activity::default());
        let wants = |place: usize, topic: &str| targets[place].wants(&TopicName::from(topic));
        assert_eq!([wants(0, "orders"), wants(0, "audit")], [true, false]);
        assert_eq!([wants(1, "orders"), wants(1, "audit")], [true, true]);
    }

    #[test]
    fn dead_groups_are_not_polled_and_empty_ones_only_if_asked_for() {
        let mut discovery = discovery();
        let states = [
            ("a-dead", GroupState::Dead),
            ("a-empty", GroupState::Empty),
            ("a-rebalancing", GroupState::PreparingRebalance),
            ("a-stable", GroupState::Stable),
            ("a-unknown", GroupState::Unknown),
        ];
        discovery.take_in(listed(&states), true);
        let activity = Activity::default();
        let mut interest = picky();
        assert_eq!(
            polled(&discovery, &interest, &activity),
            "a-empty a-rebalancing a-stable a-unknown"
        );
        discovery.settings.include_empty = false;
        assert_eq!(
            polled(&discovery, &interest, &activity),
            "a-rebalancing a-stable a-unknown"
        );
        // Scaled to zero by KEDA, it is still asked for.
        interest.add_group("a-empty".into(), TopicSelection::committed());
        assert!(polled(&discovery, &interest, &activity).starts_with("a-empty"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_group_is_polled_once_an_hour_until_it_moves() {
        let mut discovery = discovery();
        discovery.take_in(listed(&[("a-1", GroupState::Empty)]), true);
        let (mut activity, interest) = (Activity::default(), picky());
        let group = GroupId::from("a-1");
        let commits = |offset| {
            vec![TopicCommits {
                topic: "t".into(),
                commits: vec![(0, Ok(Some(offset)))],
            }]
        };
        let mut polls_an_hour = Vec::new();
        for hour in 0..31 {
            let mut polls = 0;
            for _ in 0..360 {
                if !polled(&discovery, &interest, &activity).is_empty() {
                    polls += 1;
                    activity.note(&group, &commits(i64::from(hour >= 29)));
                }
                tokio::time::advance(Duration::from_secs(10)).await;
            }
            polls_an_hour.push(polls);
        }
        assert_eq!(polls_an_hour[..24], [360; 24]);
        assert_eq!(polls_an_hour[24..30], [1; 6], "{polls_an_hour:?}");
        assert_eq!(polls_an_hour[30], 360, "it has moved");
        // With a member it is not silent, whatever its commits do.
        tokio::time::advance(30 * HOUR).await;
        activity.note(&group, &commits(1));
        assert_eq!(polled(&discovery, &interest, &activity), "");
        discovery.take_in(stable("a-1"), true);
        assert_eq!(polled(&discovery, &interest, &activity), "a-1");
    }

    #[test]
    fn only_whole_lists_take_a_group_away() {
        let mut discovery = discovery();
        for (listed, whole, known) in [
            ("a b", true, "a b"),
            ("c", false, "a b c"),
            ("c", false, "a b c"),
            ("c", true, "a b c"),
            ("b c", true, "b c"),
            ("c", true, "b c"),
            ("c", true, "c"),
        ] {
            discovery.take_in(stable(listed), whole);
            let names: Vec<_> = discovery.known().map(GroupId::as_str).collect();
            assert_eq!(names.join(" "), known);
        }
    }
}
