//! What is known of a group's members, and when they last changed.

use crate::model::{Frame, GroupSeries, GroupState, TimestampMs};

use super::{sample::Parameters, window::Window};

/// What is known of a group's members. `None` where the broker can't tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembershipEstimate {
    /// The group's state.
    pub state: Option<GroupState>,
    /// How many members it has. Unknown also of consumers that commit without
    /// joining.
    pub members: Option<u32>,
    /// How many partitions each member has, most first; 0 for an idle one.
    pub partitions_by_member: Option<Vec<u32>>,
    /// Rebalances in the window: how often members came, went or were dealt
    /// other partitions.
    pub rebalances: Option<u32>,
    /// When the newest rebalance was seen, as far back as ticks are held.
    pub last_rebalance: Option<TimestampMs>,
}

impl MembershipEstimate {
    /// How many partitions the member with the most has.
    pub fn max_partitions_by_member(&self) -> Option<u32> {
        self.partitions_by_member.as_ref()?.first().copied()
    }
}

/// Judges the ticks that are held of a group, as of `now`.
pub(super) fn membership(
    series: &GroupSeries,
    window: &Window,
    parameters: &Parameters,
    now: TimestampMs,
) -> MembershipEstimate {
    let Some(newest) = window.newest() else {
        return MembershipEstimate::default();
    };
    let value = |column| newest.optional_cell(column).value();
    let assignment_is_known = value(series.assignment()).is_some();
    let edge = now.minus(parameters.window);
    let mut is_known = false;
    let mut in_window = 0;
    let mut last_rebalance = None;
    for (at, is_rebalance) in told(series, window) {
        is_known = true;
        if is_rebalance {
            last_rebalance = last_rebalance.or(Some(at));
            in_window += u32::from(at >= edge);
        }
        if at < edge && last_rebalance.is_some() {
            break;
        }
    }
    MembershipEstimate {
        state: value(series.state()).and_then(GroupState::from_number),
        members: value(series.members()).and_then(|members| u32::try_from(members).ok()),
        partitions_by_member: assignment_is_known.then(|| by_member(series, newest)),
        rebalances: is_known.then_some(in_window),
        last_rebalance,
    }
}

impl Window {
    /// When each rebalance of `group` was seen since `since`, oldest first, as
    /// far back as ticks are held. Looks at no tick before that but for one
    /// that tells of the group.
    pub fn rebalances(&self, group: &str, since: TimestampMs) -> Vec<TimestampMs> {
        let Some(series) = self.index().groups().get(group) else {
            return Vec::new();
        };
        let mut times: Vec<_> = told(series, self)
            .take_while(|(at, _)| *at >= since)
            .filter_map(|(at, is_rebalance)| is_rebalance.then_some(at))
            .collect();
        times.reverse();
        times
    }
}

fn by_member(series: &GroupSeries, newest: &Frame) -> Vec<u32> {
    let columns = series.assigned_partitions.iter();
    let cells = columns.map(|column| newest.cell(column).value());
    cells
        .map_while(|partitions| u32::try_from(partitions?).ok())
        .collect()
}

/// What one tick tells of how a group's partitions are dealt out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Dealing {
    UnderWay,
    /// The assignment's fingerprint.
    Done(i64),
}

impl Dealing {
    fn of(series: &GroupSeries, frame: &Frame) -> Option<Self> {
        let state = frame.optional_cell(series.state()).value();
        let state = state.and_then(GroupState::from_number);
        if state.is_some_and(GroupState::is_rebalancing) {
            return Some(Self::UnderWay);
        }
        let assignment = frame.optional_cell(series.assignment());
        assignment.value().map(Self::Done)
    }

    /// A rebalance shows as a state in which partitions are dealt out, or, where
    /// that fell between two ticks, as another assignment. Seen both ways, it
    /// is one.
    fn begins_after(self, before: Option<Self>) -> bool {
        match (before, self) {
            (before, Self::UnderWay) => before != Some(Self::UnderWay),
            (Some(Self::Done(before)), Self::Done(after)) => before != after,
            (_, Self::Done(_)) => false,
        }
    }
}

/// The ticks that tell how a group's partitions are dealt out, newest first:
/// when, and whether a rebalance was first seen there.
fn told<'a>(
    series: &'a GroupSeries,
    window: &'a Window,
) -> impl Iterator<Item = (TimestampMs, bool)> + 'a {
    let is_ever = series.state().is_some() || series.assignment().is_some();
    let frames = window.frames().rev().filter(move |_| is_ever);
    let dealing = |frame: &'a Frame| Some((frame.at, Dealing::of(series, frame)?));
    let mut dealings = frames.filter_map(dealing).peekable();
    std::iter::from_fn(move || {
        let (at, dealing) = dealings.next()?;
        let before = dealings.peek().map(|(_, before)| *before);
        Some((at, dealing.begins_after(before)))
    })
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{sample::testing::*, window::Reach},
        *,
    };
    use crate::model::{
        Assignment, GroupReading, Members, Membership, SeriesIndex, Tick, TopicName,
    };

    fn tick(seconds: i64, membership: Option<Membership>) -> Tick {
        Tick {
            cluster: "c".into(),
            at: at(seconds),
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

    /// Members `a`, `b`, ... with so many partitions each.
    fn stable(partitions: &[i32]) -> Option<Membership> {
        let ids = ('a'..).map(String::from);
        let dealt = partitions
            .iter()
            .map(|count| (0..*count).map(|at| (TopicName::from("t"), at)).collect());
        Some(Membership {
            state: GroupState::Stable,
            members: Some(Members {
                count: u32::try_from(partitions.len()).expect("few"),
                assignment: Some(Assignment::of(ids.zip(dealt).collect())),
            }),
        })
    }

    fn rebalancing(members: u32) -> Option<Membership> {
        Some(Membership {
            state: GroupState::PreparingRebalance,
            members: Some(Members {
                count: members,
                assignment: None,
            }),
        })
    }

    const SPAN: Duration = Duration::from_secs(3_600);

    fn window(ticks: &[Tick]) -> Window {
        let mut index = SeriesIndex::default();
        for tick in ticks {
            for run in index.missing_runs(tick) {
                index.restore(&run).expect("a run just made fits");
            }
        }
        let mut window = Window::new(Reach::all(SPAN));
        let index = Arc::new(index);
        for tick in ticks {
            window.push(Arc::clone(&index), Arc::new(index.place(tick)));
        }
        window
    }

    fn judged(ticks: &[Tick], now: i64) -> MembershipEstimate {
        let window = window(ticks);
        let series = window.index().groups().get("g").cloned();
        membership(&series.unwrap_or_default(), &window, &PARAMETERS, at(now))
    }

    #[test]
    fn a_rebalance_is_seen_once_however_it_shows() {
        let ticks = [
            tick(0, stable(&[3])),
            tick(10, stable(&[3])),
            // Between two ticks.
            tick(20, stable(&[2, 1])),
            tick(30, None),
            tick(40, stable(&[2, 1])),
            // Caught in the act, with another assignment afterwards.
            tick(50, rebalancing(3)),
            tick(60, rebalancing(3)),
            tick(70, stable(&[1, 1, 1])),
            // And with the same one.
            tick(80, rebalancing(3)),
            tick(90, stable(&[1, 1, 1])),
        ];
        let estimate = judged(&ticks, 90);
        assert_eq!(estimate.rebalances, Some(3));
        assert_eq!(estimate.last_rebalance, Some(at(80)));
        assert_eq!(estimate.partitions_by_member, Some(vec![1, 1, 1]));
        assert_eq!(judged(&ticks[..6], 50).partitions_by_member, None);
        assert_eq!(judged(&ticks[..6], 50).members, Some(3));
        // The first two are before the window now, the last one is not.
        assert_eq!(judged(&ticks, 370).rebalances, Some(1));
    }

    #[test]
    fn what_no_broker_told_is_unknown() {
        let unknown = judged(&[tick(0, None)], 0);
        assert_eq!(unknown, MembershipEstimate::default());
        let simple = Membership {
            state: GroupState::Empty,
            members: None,
        };
        let estimate = judged(&[tick(0, Some(simple))], 0);
        assert_eq!(estimate.state, Some(GroupState::Empty));
        assert_eq!((estimate.members, estimate.rebalances), (None, None));
    }

    /// What was seen, oldest first, told the plain way.
    fn plainly(dealings: &[(i64, Option<Dealing>)]) -> Vec<TimestampMs> {
        let mut times = Vec::new();
        let (mut settled, mut under_way) = (None, false);
        for (seconds, dealing) in dealings {
            let Some(dealing) = dealing else { continue };
            let begins = match dealing {
                Dealing::UnderWay => !under_way,
                done => !under_way && settled.is_some_and(|settled| settled != *done),
            };
            if begins {
                times.push(at(*seconds));
            }
            under_way = *dealing == Dealing::UnderWay;
            if !under_way {
                settled = Some(*dealing);
            }
        }
        times
    }

    proptest! {
        #[test]
        fn rebalances_are_told_since_any_time(
            dealings in vec(prop_oneof![
                2 => Just(None),
                2 => Just(Some(Dealing::UnderWay)),
                3 => (1..3_i64).prop_map(|members| Some(Dealing::Done(members))),
            ], 1..30),
            since in -10..310_i64,
        ) {
            let dealings: Vec<_> = (0..).step_by(10).zip(dealings).collect();
            let ticks: Vec<_> = dealings.iter().map(|(seconds, dealing)| {
                tick(*seconds, match dealing {
                    None => None,
                    Some(Dealing::UnderWay) => rebalancing(2),
                    Some(Dealing::Done(members)) => stable(&vec![1; *members as usize]),
                })
            }).collect();
            let window = window(&ticks);
            let all = plainly(&dealings);
            let expected: Vec<_> = all.iter().copied().filter(|time| *time >= at(since)).collect();
            prop_assert_eq!(window.rebalances("g", at(since)), expected);

            let now = dealings.len() as i64 * 10;
            let estimate = judged(&ticks, now);
            let is_known = dealings.iter().any(|(_, dealing)| dealing.is_some());
            let edge = at(now).minus(PARAMETERS.window);
            let in_window = all.iter().filter(|time| **time >= edge).count();
            let in_window = u32::try_from(in_window).expect("few");
            prop_assert_eq!(estimate.rebalances, is_known.then_some(in_window));
            prop_assert_eq!(estimate.last_rebalance, all.last().copied());
        }
    }
}
