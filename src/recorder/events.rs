//! What two ticks that follow each other say has happened.

use std::collections::BTreeMap;

use crate::model::{
    EventKind, Frame, Gap, GapScope, GroupId, GroupSeries, GroupState, SeriesIndex,
};

/// What began and ended to be missing. A gap that goes on for another reason
/// begins anew.
pub(super) fn gap_events(before: &[Gap], now: &[Gap]) -> Vec<EventKind> {
    let known = by_scope(before);
    let left = by_scope(now);
    let is_new = |gap: &&&Gap| {
        let before = known.get(&gap.scope);
        before.is_none_or(|before| before.reason.code != gap.reason.code)
    };
    let began = left.values().filter(is_new);
    let ended = known.keys().filter(|scope| !left.contains_key(*scope));
    began
        .map(|gap| EventKind::GapBegan(Gap::clone(gap)))
        .chain(ended.map(|scope| EventKind::GapEnded(GapScope::clone(scope))))
        .collect()
}

fn by_scope(gaps: &[Gap]) -> BTreeMap<&GapScope, &Gap> {
    gaps.iter().map(|gap| (&gap.scope, gap)).collect()
}

/// Who had what in each group of a cluster when it was last settled.
#[derive(Debug, Default)]
pub(super) struct Settled(BTreeMap<GroupId, Assigned>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Assigned {
    fingerprint: i64,
    members: u32,
}

impl Settled {
    /// The rebalances since the frames before. Members are not read each tick,
    /// and not told while they are dealt out: two readings are compared however
    /// far apart they are.
    pub(super) fn take_in(&mut self, index: &SeriesIndex, frame: &Frame) -> Vec<EventKind> {
        let (mut rebalances, mut new) = (Vec::new(), Vec::new());
        // Both are sorted, and there may be thousands: a walk, not a search for each.
        let mut known = self.0.iter_mut().peekable();
        for (group, series) in index.groups() {
            while known.next_if(|(name, _)| *name < group).is_some() {}
            let before = known.next_if(|(name, _)| *name == group);
            let Some(now) = assigned(series, frame) else {
                continue;
            };
            let Some((_, before)) = before else {
                new.push((group.clone(), now));
                continue;
            };
            if *before != now {
                rebalances.push(EventKind::Rebalance {
                    group: group.clone(),
                    members_before: before.members,
                    members: now.members,
                });
                *before = now;
            }
        }
        self.0.extend(new);
        rebalances
    }
}

fn assigned(series: &GroupSeries, frame: &Frame) -> Option<Assigned> {
    let value = |column| frame.optional_cell(column).value();
    let state = value(series.state()).and_then(GroupState::from_number);
    if state.is_some_and(GroupState::is_rebalancing) {
        return None;
    }
    Some(Assigned {
        fingerprint: value(series.assignment())?,
        members: u32::try_from(value(series.members())?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Assignment, GapReason, GroupReading, Members, Membership, Tick, TimestampMs,
    };

    fn gap(scope: GapScope, code: &str, message: &str) -> Gap {
        Gap {
            scope,
            reason: GapReason {
                code: code.into(),
                message: message.into(),
            },
        }
    }

    #[test]
    fn gaps_begin_end_and_change_their_reason() {
        let group = |code: &str, message: &str| gap(GapScope::Group("g".into()), code, message);
        let topic = gap(GapScope::Topic("t".into()), "gone", "m");
        let late = group("timed_out", "after 1 s");
        for (before, now, expected) in [
            (vec![], vec![], vec![]),
            (
                vec![],
                vec![late.clone(), topic.clone()],
                vec![
                    EventKind::GapBegan(late.clone()),
                    EventKind::GapBegan(topic.clone()),
                ],
            ),
            (
                vec![late.clone(), topic.clone()],
                vec![topic.clone()],
                vec![EventKind::GapEnded(late.scope.clone())],
            ),
            (
                vec![late.clone()],
                vec![group("timed_out", "after 2 s")],
                vec![],
            ),
            (
                vec![late.clone()],
                vec![group("broker_down", "m")],
                vec![EventKind::GapBegan(group("broker_down", "m"))],
            ),
        ] {
            assert_eq!(gap_events(&before, &now), expected, "{before:?} {now:?}");
        }
    }

    type Reading = Option<(GroupState, u32, Option<i64>)>;

    fn tick(reading: Reading) -> Tick {
        let membership = reading.map(|(state, count, fingerprint)| Membership {
            state,
            members: Some(Members {
                count,
                assignment: fingerprint.map(|fingerprint| Assignment {
                    partitions_by_member: [1].into(),
                    fingerprint,
                }),
            }),
        });
        Tick {
            cluster: "c".into(),
            at: TimestampMs(1),
            topics: Vec::new(),
            groups: vec![GroupReading {
                group: "g".into(),
                membership,
                topics: Vec::new(),
                queue: None,
            }],
            gaps: Vec::new(),
        }
    }

    #[test]
    fn a_rebalance_is_another_assignment_than_at_the_last_reading() {
        use GroupState::{PreparingRebalance, Stable};
        let readings: [(Reading, Option<(u32, u32)>); 8] = [
            (None, None),
            (Some((Stable, 2, Some(7))), None),
            (None, None),
            (Some((Stable, 2, Some(7))), None),
            (Some((PreparingRebalance, 3, None)), None),
            (Some((Stable, 3, Some(8))), Some((2, 3))),
            (Some((Stable, 3, Some(9))), Some((3, 3))),
            (Some((Stable, 3, Some(9))), None),
        ];
        let mut index = SeriesIndex::default();
        let mut settled = Settled::default();
        for (reading, expected) in readings {
            let tick = tick(reading);
            for run in index.missing_runs(&tick) {
                index.restore(&run).expect("a run just made fits");
            }
            let expected = expected.map(|(members_before, members)| EventKind::Rebalance {
                group: "g".into(),
                members_before,
                members,
            });
            let found = settled.take_in(&index, &index.place(&tick));
            assert_eq!(found, Vec::from_iter(expected), "{reading:?}");
        }
    }
}
