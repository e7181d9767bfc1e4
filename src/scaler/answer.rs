//! From the newest estimates to what KEDA is told.

use crate::{
    board::{Board, Snapshot},
    estimator::{BacklogTerms, Freshness, GroupEstimate, Parameters, Totals, Wanted},
    model::{GroupId, TimestampMs, TopicName},
};

use super::trigger::{BacklogPolicy, LagPolicy, OffsetResetPolicy, Policy, Selection, Trigger};

/// What KEDA is told of one trigger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The metric's value.
    pub value: f64,
    /// Is there anything to do?
    pub active: bool,
    /// Time of the oldest reading in it.
    pub as_of: TimestampMs,
    /// Age of that reading.
    pub freshness: Freshness,
}

/// Why there is no answer: a sentence for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

impl Trigger {
    /// What KEDA is told of this trigger at `now`. IsActive, StreamIsActive
    /// and GetMetrics all come here.
    pub fn answer(
        &self,
        board: &Board,
        parameters: &Parameters,
        now: TimestampMs,
    ) -> Result<Answer, NoAnswer> {
        let Some(snapshot) = board.cluster(&self.cluster) else {
            return Err(NoAnswer(format!(
                "cluster {:?} has not been read yet",
                self.cluster
            )));
        };
        let question = Question {
            trigger: self,
            snapshot,
            parameters,
            now,
        };
        let groups = question.selected()?;
        let totals = question.totals(&groups)?;
        match &self.policy {
            Policy::Lag(policy) => Ok(question.lag(policy, &totals)),
            Policy::Backlog(policy) => question.backlog(policy, &groups, &totals),
        }
    }
}

/// One trigger, asked of one snapshot.
struct Question<'a> {
    trigger: &'a Trigger,
    snapshot: &'a Snapshot,
    parameters: &'a Parameters,
    now: TimestampMs,
}

impl<'a> Question<'a> {
    /// The groups that the trigger is about, with where they stand.
    fn selected(&self) -> Result<Vec<(GroupId, GroupEstimate)>, NoAnswer> {
        match &self.trigger.selection {
            Selection::Matching(matcher) => {
                let matching = self
                    .snapshot
                    .matching_groups(|group| matcher.matches(group))
                    .map_err(|gap| self.unknown("a matching group", Some(gap.to_string())))?;
                // Known groups are read on while the list can't be; but that
                // there is none at all, only the list can tell.
                if matching.is_empty() && self.snapshot.discovery_failed() {
                    return Err(self.unknown("the list of groups", self.discovery_failure()));
                }
                Ok(matching
                    .iter()
                    .filter_map(|group| self.estimate(group))
                    .collect())
            }
            Selection::Group {
                group, historic, ..
            } => {
                let Some(estimate) = self.estimate(group) else {
                    return Err(self.unread(group));
                };
                let historic = historic
                    .as_ref()
                    .and_then(|historic| self.estimate(historic));
                // Without a commit it is nobody's backlog: there is no such group.
                let historic = historic.filter(|(_, estimate)| {
                    estimate.totals.partitions_without_commit < estimate.totals.partitions
                });
                Ok([estimate].into_iter().chain(historic).collect())
            }
        }
    }

    fn estimate(&self, group: &GroupId) -> Option<(GroupId, GroupEstimate)> {
        let window = &self.snapshot.window;
        let estimate =
            window.estimate_group(group.as_str(), Wanted::SHOWN, self.parameters, self.now)?;
        Some((group.clone(), estimate))
    }

    fn topic(&self) -> Option<&'a TopicName> {
        match &self.trigger.selection {
            Selection::Group { topic, .. } => topic.as_ref(),
            Selection::Matching(_) => None,
        }
    }

    /// Totals over the selected groups; an error if any part is unknown.
    fn totals(&self, groups: &[(GroupId, GroupEstimate)]) -> Result<Totals, NoAnswer> {
        let mut totals = Totals::NOTHING;
        for (group, estimate) in groups {
            let of_group = self.totals_of(group, estimate)?;
            if of_group.unknown_partitions > 0 {
                return Err(self.partly_unknown(group, &of_group));
            }
            totals = totals.plus(of_group);
        }
        Ok(totals)
    }

    fn totals_of(&self, group: &GroupId, estimate: &GroupEstimate) -> Result<Totals, NoAnswer> {
        if let Some(topic) = self.topic() {
            let found = estimate.topics.iter().find(|found| found.topic == *topic);
            return found
                .map(|found| found.totals)
                .ok_or_else(|| self.unread(group));
        }
        // No partition at all is a finding only if the group was read lately.
        if estimate.topics.is_empty() && estimate.membership.state.is_none() {
            return Err(self.unread(group));
        }
        Ok(estimate.totals)
    }

    fn lag(&self, policy: &LagPolicy, totals: &Totals) -> Answer {
        let without_commit = match policy.offset_reset_policy {
            OffsetResetPolicy::Latest => u64::from(totals.partitions_without_commit),
            OffsetResetPolicy::Earliest => totals.records_without_commit,
        };
        let lag = totals
            .lag
            .unwrap_or_default()
            .saturating_add(without_commit) as f64;
        let bound = f64::from(totals.partitions);
        let idle = (lag / policy.lag_threshold).floor() > bound;
        let value = if idle && !policy.allow_idle_consumers {
            bound * policy.lag_threshold
        } else {
            lag
        };
        self.answer(value, lag > policy.activation_lag_threshold, totals)
    }

    fn backlog(
        &self,
        policy: &BacklogPolicy,
        groups: &[(GroupId, GroupEstimate)],
        totals: &Totals,
    ) -> Result<Answer, NoAnswer> {
        let mut terms = BacklogTerms::default();
        for (group, _) in groups {
            let window = &self.snapshot.window;
            window.add_backlog(
                group.as_str(),
                self.topic(),
                policy.window,
                self.now,
                &mut terms,
            );
        }
        if terms.partitions == 0 && terms.too_young > 0 {
            let need = "backlog needs two samples of a partition, and there is one so far";
            return Err(NoAnswer(need.to_owned()));
        }
        // Azul Scaler is always active; its ScaledObjects count on it.
        Ok(self.answer(terms.backlog().0 as f64, true, totals))
    }

    fn answer(&self, value: f64, active: bool, totals: &Totals) -> Answer {
        Answer {
            value,
            active,
            // Of nothing, the finding is as old as the newest tick.
            as_of: totals.as_of.or(self.snapshot.as_of()).unwrap_or(self.now),
            freshness: totals.freshness,
        }
    }

    fn unread(&self, group: &GroupId) -> NoAnswer {
        let what = match self.topic() {
            Some(topic) => format!("group {group:?} on topic {topic:?}"),
            None => format!("group {group:?}"),
        };
        let gap = self.snapshot.gap_of(group, self.topic());
        self.unknown(&what, gap.map(|gap| gap.to_string()))
    }

    fn partly_unknown(&self, group: &GroupId, totals: &Totals) -> NoAnswer {
        let since = match totals.unknown_since {
            Some(since) => format!(" since {since}"),
            None => String::new(),
        };
        let what = format!(
            "{} of {} partitions of group {group:?} (no usable reading{since})",
            totals.unknown_partitions, totals.partitions
        );
        let gap = self.snapshot.gap_of(group, self.topic());
        self.unknown(&what, gap.map(|gap| gap.to_string()))
    }

    fn unknown(&self, what: &str, why: Option<String>) -> NoAnswer {
        let cluster = &self.trigger.cluster;
        let why = why.unwrap_or_else(|| "not read yet".to_owned());
        NoAnswer(format!("unknown in cluster {cluster:?}: {what}: {why}"))
    }

    fn discovery_failure(&self) -> Option<String> {
        let gaps = self.snapshot.gaps.iter();
        gaps.map(ToString::to_string).next()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::super::trigger::testing::{parse, rules};
    use super::*;
    use crate::{
        board::BoardPublisher,
        estimator::Window,
        model::{
            Commit, Gap, GapReason, GapScope, GroupReading, GroupTopicReading, PartitionReading,
            SeriesIndex, Tick, TopicReading, TopicState,
        },
    };

    const PARAMETERS: Parameters = Parameters {
        window: Duration::from_secs(300),
        fresh_for: Duration::from_secs(30),
        max_staleness: Duration::from_secs(300),
    };

    /// Commits of one group in topic `t`, whose partitions end at 100.
    type Commits<'a> = (&'a str, &'a [Commit]);

    fn tick(seconds: i64, groups: &[Commits<'_>]) -> Tick {
        let partitions = groups.iter().map(|(_, commits)| commits.len()).max();
        let partition = PartitionReading {
            log_start_offset: Some(0),
            log_end_offset: Some(100),
        };
        Tick {
            cluster: "main".into(),
            at: TimestampMs(seconds * 1_000),
            topics: vec![TopicReading {
                topic: "t".into(),
                id: None,
                state: TopicState::Present(vec![partition; partitions.unwrap_or(1)]),
            }],
            groups: groups
                .iter()
                .map(|(group, commits)| GroupReading {
                    group: (*group).into(),
                    membership: None,
                    topics: vec![GroupTopicReading {
                        topic: "t".into(),
                        commits: commits.to_vec(),
                    }],
                })
                .collect(),
            gaps: Vec::new(),
        }
    }

    fn board(ticks: &[Tick]) -> Board {
        let (publisher, reader) = BoardPublisher::new();
        let mut index = SeriesIndex::default();
        let mut window = Window::new(Duration::from_secs(900));
        for tick in ticks {
            for run in index.missing_runs(tick) {
                index.restore(&run).expect("a run just made fits");
            }
            window.push(Arc::new(index.clone()), Arc::new(index.place(tick)));
            let snapshot = Snapshot {
                window: window.clone(),
                gaps: tick.gaps.as_slice().into(),
            };
            publisher.publish(tick.cluster.clone(), snapshot);
        }
        reader.borrow().clone()
    }

    fn ask(board: &Board, metadata: &[(&str, &str)], seconds: i64) -> Result<Answer, NoAnswer> {
        let trigger = parse(metadata, &rules(&["main"])).expect("valid");
        trigger.answer(board, &PARAMETERS, TimestampMs(seconds * 1_000))
    }

    const GROUP: (&str, &str) = ("consumerGroup", "g");
    const COARSE: (&str, &str) = ("lagThreshold", "1000");

    #[test]
    fn lag_is_summed_capped_and_activated_as_keda_does() {
        let board = board(&[tick(0, &[("g", &[Commit::At(40), Commit::At(90)])])]);
        let row = |more: &[(&str, &str)]| {
            let answer = ask(&board, &[&[GROUP], more].concat(), 1).expect("known");
            (answer.value, answer.active)
        };
        assert_eq!(row(&[COARSE]), (70.0, true));
        assert_eq!(
            row(&[("lagThreshold", "10")]),
            (20.0, true),
            "two partitions, two replicas"
        );
        assert_eq!(
            row(&[("lagThreshold", "10"), ("allowIdleConsumers", "true")]),
            (70.0, true)
        );
        assert_eq!(
            row(&[COARSE, ("activationLagThreshold", "70")]),
            (70.0, false)
        );
        assert_eq!(
            row(&[COARSE, ("activationLagThreshold", "69")]),
            (70.0, true)
        );
        assert_eq!(row(&[COARSE, ("topic", "t")]), (70.0, true));
    }

    #[test]
    fn partitions_without_a_commit_count_by_the_reset_policy() {
        let board = board(&[tick(0, &[("g", &[Commit::At(40), Commit::None])])]);
        let value = |policy| {
            let metadata = [GROUP, COARSE, ("offsetResetPolicy", policy)];
            ask(&board, &metadata, 1).expect("known").value
        };
        assert_eq!(value("latest"), 61.0);
        assert_eq!(value("earliest"), 160.0);
    }

    #[test]
    fn historic_groups_count_only_when_asked_for() {
        let commits: &[Commit] = &[Commit::At(40)];
        let groups = [
            ("azul-g", commits),
            ("azul-g-historic", commits),
            ("g", commits),
            ("g-historic", commits),
        ];
        let board = board(&[tick(0, &groups), tick(10, &groups)]);
        let plain = |historic| {
            let metadata = [GROUP, COARSE, ("includeHistoric", historic)];
            ask(&board, &metadata, 11).expect("known").value
        };
        assert_eq!((plain("false"), plain("true")), (60.0, 120.0));
        let azul = |historic| {
            let metadata = [
                ("entityName", "plugin"),
                ("pluginName", "g"),
                ("targetSize", "10"),
                ("includeHistoric", historic),
            ];
            ask(&board, &metadata, 11).expect("known").value
        };
        assert_eq!((azul("false"), azul("true")), (60.0, 120.0));
    }

    #[test]
    fn what_is_not_known_is_an_error_with_its_reason() {
        let cases: [(&[Commits<'_>], &str); 3] = [
            (&[], "group \"g\""),
            (&[("other", &[Commit::At(1)])], "group \"g\""),
            (
                &[("g", &[Commit::At(1), Commit::Unread])],
                "1 of 2 partitions of group \"g\"",
            ),
        ];
        for (groups, expected) in cases {
            let mut tick = tick(0, groups);
            tick.gaps.push(Gap {
                scope: GapScope::Group("g".into()),
                reason: GapReason {
                    code: "not_authorized".to_owned(),
                    message: "the broker refused it".to_owned(),
                },
            });
            let message = ask(&board(&[tick]), &[GROUP], 1)
                .expect_err("unknown")
                .to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("the broker refused it"), "{message}");
        }
        assert!(ask(&Board::default(), &[GROUP], 1).is_err());
        let another_topic = [GROUP, ("topic", "u")];
        assert!(
            ask(
                &board(&[tick(0, &[("g", &[Commit::At(1)])])]),
                &another_topic,
                1
            )
            .is_err()
        );
    }

    #[test]
    fn a_group_that_is_gone_does_not_keep_its_plugin_unknown() {
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "g"),
            ("targetSize", "10"),
        ];
        let live: Commits<'_> = ("azul-g", &[Commit::At(40)]);
        let left: Commits<'_> = ("azul-g-2", &[Commit::At(10)]);
        let ticks: Vec<_> = (0..60)
            .map(|n| match n {
                0..2 => tick(n * 10, &[live, left]),
                _ => tick(n * 10, &[live]),
            })
            .collect();
        let told = |seconds: i64| {
            let until = usize::try_from(seconds / 10).expect("not negative");
            ask(&board(&ticks[..=until]), &metadata, seconds).map(|answer| answer.value)
        };
        assert_eq!(told(10), Ok(150.0));
        // Neither read nor a gap: it is not polled any more.
        assert_eq!(told(20), Ok(60.0));
        assert_eq!(told(590), Ok(60.0));
    }

    #[test]
    fn a_matching_group_that_was_never_readable_is_unknown() {
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "g"),
            ("targetSize", "10"),
        ];
        let with_gap = |id: &str| {
            let mut first = tick(0, &[("azul-g", &[Commit::At(40)])]);
            first.gaps.push(Gap {
                scope: GapScope::Group(id.into()),
                reason: GapReason {
                    code: "not_authorized".to_owned(),
                    message: "the broker refused it".to_owned(),
                },
            });
            let mut second = first.clone();
            second.at = TimestampMs(10_000);
            ask(&board(&[first, second]), &metadata, 11)
        };
        let message = with_gap("azul-g-2").expect_err("unknown").to_string();
        assert!(message.contains("the broker refused it"), "{message}");
        assert!(with_gap("another").is_ok());
    }

    #[test]
    fn a_historic_companion_that_does_not_exist_counts_nothing() {
        let groups: &[Commits<'_>] = &[("g", &[Commit::At(40)]), ("g-historic", &[Commit::None])];
        let metadata = [GROUP, COARSE, ("topic", "t"), ("includeHistoric", "true")];
        let answer = ask(&board(&[tick(0, groups)]), &metadata, 1).expect("known");
        assert_eq!(answer.value, 60.0);
    }

    #[test]
    fn a_plugins_last_reading_holds_while_the_cluster_is_away() {
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "g"),
            ("targetSize", "10"),
        ];
        let mut away = tick(20, &[]);
        away.gaps.push(Gap {
            scope: GapScope::Cluster,
            reason: GapReason {
                code: "broker_down".to_owned(),
                message: "all brokers are down".to_owned(),
            },
        });
        let live: &[Commits<'_>] = &[("azul-g", &[Commit::At(40)])];
        let board = board(&[tick(0, live), tick(10, live), away]);
        assert_eq!(ask(&board, &metadata, 30).map(|told| told.value), Ok(60.0));
        let message = ask(&board, &metadata, 400)
            .expect_err("too old")
            .to_string();
        assert!(message.contains("all brokers are down"), "{message}");
    }

    #[test]
    fn answers_age_visibly_and_then_end() {
        let board = board(&[tick(0, &[("g", &[Commit::At(40)])])]);
        let freshness = |seconds| ask(&board, &[GROUP], seconds).map(|answer| answer.freshness);
        assert_eq!(freshness(30), Ok(Freshness::Fresh));
        assert_eq!(freshness(300), Ok(Freshness::Stale));
        let message = freshness(301).expect_err("too old").to_string();
        assert!(message.contains("1970-01-01T00:00:00.000Z"), "{message}");
    }

    #[test]
    fn a_backlog_of_one_sample_is_not_zero() {
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "g"),
            ("targetSize", "10"),
        ];
        let groups: &[Commits<'_>] = &[("azul-g", &[Commit::At(40)])];
        assert!(ask(&board(&[tick(0, groups)]), &metadata, 1).is_err());
        let answer = ask(&board(&[tick(0, groups), tick(10, groups)]), &metadata, 11);
        assert_eq!(
            answer.map(|answer| (answer.value, answer.active)),
            Ok((60.0, true))
        );
    }

    #[test]
    fn a_plugin_without_any_group_has_no_backlog_once_groups_were_listed() {
        let metadata = [
            ("entityName", "plugin"),
            ("pluginName", "none"),
            ("targetSize", "10"),
        ];
        let listed = tick(0, &[("azul-g", &[Commit::At(40)])]);
        let answer = ask(&board(std::slice::from_ref(&listed)), &metadata, 1).expect("known");
        assert_eq!(answer.value, 0.0);
        let mut unlisted = listed;
        unlisted.gaps.push(Gap {
            scope: GapScope::Discovery,
            reason: GapReason {
                code: "timed_out".to_owned(),
                message: "no list".to_owned(),
            },
        });
        assert!(ask(&board(&[unlisted]), &metadata, 1).is_err());
    }
}
